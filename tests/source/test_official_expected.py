# SPDX-License-Identifier: BSD-3-Clause
"""The list of known failures of the official suite, and the code that reads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from official import certificates, expected, obtain
from official.harness import ERR, OK, SKIP, Result, UnitRun, parse

OUTPUT = """\
Testing unit/some
[ok]: a test (3 ms)
[\x1b[31merr\x1b[0m]: another test in tests/unit/some.tcl
Expected 1 to be 2
[exc]: r lpush list a
ERR unknown command 'lpush', with args beginning with: 'list'
[ignore]: Tag: slow denied
[crash]: after another test
[err]: Can't start the Redis server
CONFIGURATION:
[1/1 done]: unit/some (0 seconds)

                   The End

*** [err]: another test in tests/unit/some.tcl
"""


# --- The list itself ---


def test_each_known_failure_has_a_reason() -> None:
    known = expected.read()
    unknown = [key for key, why in known.items() if why.startswith(expected.UNKNOWN)]
    assert not unknown, "write the reason of each of these"


def test_list_is_sorted() -> None:
    known = list(expected.read())
    assert known == sorted(known)


def test_list_names_only_units_that_are_run() -> None:
    units = expected.read_units()
    assert units
    assert {unit for unit, _name in expected.read()} <= set(units)


def test_mark_of_a_unit(tmp_path: Path) -> None:
    path = tmp_path / "units.txt"
    path.write_text("# some\nunit/a 3\nunit/b 4 tls\n")
    assert expected.read_units(path) == {
        "unit/a": expected.Unit(3),
        "unit/b": expected.Unit(4, over_tls=True),
    }
    path.write_text("unit/a 3 tsl\n")
    with pytest.raises(expected.ListError, match=":1: unknown mark"):
        expected.read_units(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("unit\ttest\n", "header"),
        ("unit\ttest\treason\nunit/a\tx\n", ":2: not three columns"),
        ("unit\ttest\treason\nunit/a\tx\t\n", ":2: not three columns"),
        ("unit\ttest\treason\nunit/a\tx\tr\nunit/a\tx\ts\n", ":3: there is such"),
    ],
)
def test_malformed_list_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "list.tsv"
    path.write_text(text)
    with pytest.raises(expected.ListError, match=complaint):
        expected.read(path)


def test_written_list_reads_back_sorted(tmp_path: Path) -> None:
    known = {("unit/b", "x"): "needs lists", ("unit/a", "[exc] r y"): "? new"}
    expected.write(known, tmp_path / "list.tsv")
    again = expected.read(tmp_path / "list.tsv")
    assert again == known
    assert list(again) == sorted(known)


# --- Output of the suite ---


def test_output_is_read() -> None:
    results = parse(OUTPUT)
    assert [(result.name, result.status) for result in results] == [
        ("a test", OK),
        ("another test", ERR),
        ("[exc] r lpush list a", ERR),
        ("Tag: slow denied", SKIP),
        ("[crash] after another test", ERR),
        ("[start]", ERR),
    ]
    assert results[1].detail == ["Expected 1 to be 2"]


# --- Comparison ---


def compare(results: list[Result], *listed: str, tests: int | None = None) -> set[str]:
    """Return the surprises of a unit, as "kind name"."""
    run = UnitRun("unit/a", results, 0.0)
    known = {("unit/a", name): "needs lists" for name in listed}
    known["unit/other", "x"] = "of no concern here"
    found = expected.compare("unit/a", expected.outcomes(run, tests), known)
    return {f"{surprise.kind} {surprise.name}" for surprise in found}


def test_results_as_listed_are_no_surprise() -> None:
    results = [Result("good", OK), Result("bad", ERR), Result("[exc] r x", ERR)]
    assert compare(results, "bad", "[exc] r x", tests=2) == set()


def test_failure_that_is_not_listed() -> None:
    assert compare([Result("bad", ERR)]) == {"fails bad"}


def test_listed_test_that_passes() -> None:
    assert compare([Result("good", OK)], "good") == {"passes good"}


def test_listed_exception_that_does_not_occur() -> None:
    assert compare([], "[exc] r x") == {"passes [exc] r x"}


@pytest.mark.parametrize("results", [[], [Result("gone", SKIP)]])
def test_listed_test_that_does_not_run(results: list[Result]) -> None:
    assert compare(results, "gone") == {"missing gone"}


def test_test_that_fails_once_in_several_runs_has_failed() -> None:
    results = [Result("x", ERR), Result("x", OK)]
    assert compare(results) == {"fails x"}
    assert compare(results, "x") == set()


def test_too_few_tests() -> None:
    results = [Result("x", OK), Result("y", SKIP), Result("[crash] after x", ERR)]
    assert compare(results, "[crash] after x", tests=3) == {
        "fails [unit] runs 2 of 3 tests"
    }


def test_only_lasting_surprises_count_after_a_second_run() -> None:
    def surprise(name: str, kind: str = "fails") -> expected.Surprise:
        return expected.Surprise("unit/a", name, kind)

    first = [surprise("x"), surprise("y"), surprise("z"), surprise("[crash] after y")]
    again = [surprise("x"), surprise("z", "passes"), surprise("new")]
    lasting = expected.still_there(first, again)
    assert {each.name for each in lasting} == {"x", "[crash] after y"}


def test_renewed_list_keeps_reasons_and_other_units() -> None:
    known = {
        ("unit/a", "old"): "needs lists",
        ("unit/a", "mended"): "needs sets",
        ("unit/b", "elsewhere"): "needs hashes",
    }
    lacking = Result("new", ERR, ["ERR unknown command 'lpush', with args"])
    results = {"old": Result("old", ERR), "mended": Result("mended", OK)}
    results["new"] = lacking
    assert expected.renewed(known, {"unit/a": results}) == {
        ("unit/a", "old"): "needs lists",
        ("unit/a", "new"): "? unknown command 'lpush'",
        ("unit/b", "elsewhere"): "needs hashes",
    }


# --- apt's answers ---

MADISON = """\
     redis | 5:8.0.2-3+deb13u1 | mirror/debian trixie/main Sources
     redis | 5:8.0.2-3+deb13u2 | mirror/debian-security trixie-security/main Sources
     redis | 5:8.0.20-1 | mirror/debian trixie/main Sources
     redis | 5:7.0.15-1 | mirror/debian trixie/main amd64 Packages
"""


def test_versions_of_the_source_package() -> None:
    assert obtain.source_versions(MADISON) == ["5:8.0.2-3+deb13u1", "5:8.0.2-3+deb13u2"]


def test_archives_come_from_apts_configuration() -> None:
    targets = [
        {"Repo-URI": "mirror:/other/"},
        {"Repo-URI": "mirror:/debian-security/"},
        {"Repo-URI": "mirror:/d/", "Origin": "Debian", "Label": "Debian"},
    ]
    lines = [line.split() for line in obtain.source_lines(targets)]
    assert [(words[0], *words[-3:]) for words in lines] == [
        ("deb-src", "mirror:/d", "trixie", "main"),
        ("deb-src", "mirror:/debian-security", "trixie-security", "main"),
    ]


def test_no_debian_archive_is_said_plainly() -> None:
    with pytest.raises(obtain.ObtainError, match="no Debian archive"):
        obtain.source_lines([{"Repo-URI": "mirror:/ubuntu/"}])


# --- Certificates ---


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_certificates_are_signed_by_the_authority(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    certificates.make(folder)
    for name, purpose in (("server", "sslserver"), ("client", "sslclient")):
        for certificate in (name, "redis"):
            command = ["openssl", "verify", "-CAfile", "ca.crt", "-purpose", purpose]
            command.append(f"{certificate}.crt")
            done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
    assert "DH PARAMETERS" in (folder / "redis.dh").read_text()


def test_missing_openssl_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(certificates.CertificateError, match="program openssl"):
        certificates.check_tools("tclsh")
