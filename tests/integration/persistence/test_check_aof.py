# SPDX-License-Identifier: BSD-3-Clause
"""fastredis-check-aof, compared with redis-check-aof 7.0 where that is installed."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest

from fastredis.cli import check_aof
from support.genuine import server_path
from support.server import FastredisServer

Fresh = Callable[..., FastredisServer]


def request(*args: bytes) -> bytes:
    """Return a request as it stands in a file."""
    return b"*%d\r\n" % len(args) + b"".join(
        b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args
    )


MULTI, EXEC = request(b"MULTI"), request(b"EXEC")
GOOD = request(b"SET", b"a", b"1") + request(b"SET", b"b", b"two\nlines")
BASE = request(b"SELECT", b"0") + request(b"SET", b"z", b"1")
BASE_LINE = b"file appendonly.aof.1.base.aof seq 1 type b\n"
INCR_LINE = b"file appendonly.aof.1.incr.aof seq 1 type i\n"
STAMPED = b"#TS:100\r\n" + GOOD + b"#TS:200\r\n" + GOOD + b"#TS:300\r\n" + GOOD

# single files
SINGLE = {
    "good": GOOD,
    "empty": b"",
    "ends in an argument": GOOD[:-5],
    "ends in a name": GOOD + b"*3\r\n$3\r\nSE",
    "ends behind a count": GOOD + b"*3\r\n",
    "ends in a count": GOOD + b"*3\r",
    "garbage": GOOD + b"garbage\r\n" + GOOD,
    "no argument": GOOD + b"*1\r\n+garbage\r\n" + GOOD,
    "negative length": GOOD + b"*1\r\n$-1\r\n" + GOOD,
    "wrong length": GOOD + b"*1\r\n$2\r\nabc\r\n" + GOOD,
    "no digits": GOOD + b"*x\r\n",
    "no arguments": GOOD + b"*0\r\n*-1\r\n*\r\n* +2\r\n" + GOOD[4:],
    "open MULTI": GOOD + MULTI + GOOD,
    "MULTI in MULTI": GOOD + MULTI + MULTI + GOOD,
    "EXEC alone": GOOD + EXEC + GOOD,
    "transaction": GOOD + MULTI + GOOD + EXEC,
    "bad in MULTI": GOOD + MULTI + b"*2\r\n$3\r\nDEL\r\n:1\r\n",
    "timestamps": STAMPED,
    "bad timestamp": b"#TS:100\r\n" + GOOD + b"#TS:1x\r\n" + GOOD,
    "annotation at the end": GOOD + b"#something",
    "long annotation": b"#" + b"x" * 2000 + b"\r\n" + GOOD,
    "REDIS and no more": b"REDIS",
}
# manifests, with the base and the increment, None: missing
MANIFESTS: dict[str, tuple[bytes, bytes | None, bytes | None]] = {
    "good": (BASE_LINE + INCR_LINE, BASE, GOOD),
    "comment, history": (
        b"# text\n" + BASE_LINE + b"file x seq 1 type h\n" + INCR_LINE,
        BASE,
        GOOD,
    ),
    "base alone": (BASE_LINE, BASE, None),
    "bad base alone": (BASE_LINE, BASE[:-3], None),
    "empty increment": (BASE_LINE + INCR_LINE, BASE, b""),
    "missing increment": (BASE_LINE + INCR_LINE, BASE, None),
    "missing base": (BASE_LINE + INCR_LINE, None, GOOD),
    "bad base": (BASE_LINE + INCR_LINE, BASE[:-3], GOOD),
    "bad increment": (BASE_LINE + INCR_LINE, BASE, GOOD[:-3]),
    "timestamps": (BASE_LINE + INCR_LINE, BASE, STAMPED),
    "timestamps in the base": (BASE_LINE + INCR_LINE, STAMPED, GOOD),
    "bad line": (BASE_LINE + INCR_LINE + b"file x seq\n", BASE, GOOD),
    "unknown type": (BASE_LINE + b"file x seq 1 type y\n", BASE, GOOD),
    "path": (b"file a/x seq 1 type b\n", BASE, GOOD),
    "long line": (b"file " + b"x" * 1100 + b" seq 1 type b\n", BASE, GOOD),
    "cut off": (BASE_LINE + INCR_LINE[:-1], BASE, GOOD),
    "empty line": (BASE_LINE + b"\n", BASE, GOOD),
    "two bases": (BASE_LINE + BASE_LINE, BASE, GOOD),
    "wrong order": (BASE_LINE + INCR_LINE + INCR_LINE, BASE, GOOD),
}
RUNS = (
    ([], ""),
    (["--fix"], "y\n"),
    (["--fix"], "no\n"),
    (["--fix"], ""),
    (["--truncate-to-timestamp", "250"], ""),
    (["--truncate-to-timestamp", "50"], ""),
    (["--truncate-to-timestamp", "x"], ""),
)
OURS = [sys.executable, "-m", "fastredis.cli.check_aof"]


def run(
    tool: Sequence[str], folder: Path, *args: str, answer: str = ""
) -> tuple[int, str]:
    """Run a program in a folder; return its exit code and what it printed."""
    done = subprocess.run(
        [*tool, *args], cwd=folder, input=answer, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def run_here(folder: Path, args: list[str], answer: str) -> tuple[int, str]:
    """Run fastredis-check-aof in this process, which saves its start."""
    out = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        patch("sys.stdin", io.StringIO(answer)),
    ):
        try:
            code = check_aof.main(args)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, out.getvalue()


def make(folder: Path, files: dict[str, bytes]) -> None:
    """Fill a new folder."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def told(text: str) -> list[str]:
    """Return what was printed without what is different on purpose."""
    lines = []
    for line in text.splitlines():
        line = re.sub(r"^\d+:C .*?# ", "", line)  # of a log
        if ".incr." in line:  # lines are counted anew for each file
            line = re.sub(r"ok_up_to_line=\d+", "", line)
        # what follows the end is whatever was in memory there
        line = re.sub(r"(?<=got: )(00|0d)[0-9a-f]{2}$", r"\1", line)
        # the last line: to begin anew without the files that follow, in other words
        if line and not line.startswith(("If you insist", "To do that")):
            lines.append(line)
    return lines


@pytest.mark.parametrize("args", RUNS, ids=lambda run: " ".join([*run[0], run[1]]))
def test_all_is_as_redis_check_aof_has_it(
    tmp_path: Path, args: tuple[list[str], str]
) -> None:
    server = server_path()
    genuine = server and Path(server).with_name("redis-check-aof")
    if not genuine or not genuine.exists():
        pytest.skip("no redis-check-aof 7.0")
    cases = {f"single: {name}": {"f": data} for name, data in SINGLE.items()}
    for name, (manifest, base, increment) in MANIFESTS.items():
        files = {"f": manifest}
        if base is not None:
            files["appendonly.aof.1.base.aof"] = base
        if increment is not None:
            files["appendonly.aof.1.incr.aof"] = increment
        cases[f"manifest: {name}"] = files
    cases["nothing"] = {}
    words, answer = args
    for number, (name, files) in enumerate(cases.items()):
        found = []
        for is_ours in (True, False):
            folder = tmp_path / f"{number}-{is_ours}"
            make(folder, files)
            if is_ours:
                code, text = run_here(folder, [*words, "f"], answer)
            else:
                code, text = run([str(genuine)], folder, *words, "f", answer=answer)
            after = {path.name: path.read_bytes() for path in folder.iterdir()}
            found.append((code, told(text), after))
        assert found[0] == found[1], name


def test_what_is_bad_is_cut_off_after_a_question(tmp_path: Path) -> None:
    path = tmp_path / "f.aof"
    path.write_bytes(GOOD + MULTI + GOOD)
    code, text = run(OURS, tmp_path, "f.aof")
    assert code == 1
    assert "Reached EOF before reading EXEC for MULTI" in text
    assert f"ok_up_to={len(GOOD)}, " in text
    assert f"diff={len(MULTI + GOOD)}\n" in text
    assert "AOF f.aof is not valid. Use the --fix option to try fixing it." in text
    code, text = run(OURS, tmp_path, "--fix", "f.aof", answer="n\n")
    assert (code, path.read_bytes()) == (1, GOOD + MULTI + GOOD)
    code, text = run(OURS, tmp_path, "--fix", "f.aof", answer="y\n")
    assert (code, path.read_bytes()) == (0, GOOD)
    assert "Successfully truncated AOF f.aof" in text
    code, text = run(OURS, tmp_path, "f.aof")
    assert code == 0
    assert "AOF f.aof is valid" in text


def test_a_file_goes_back_to_a_time(tmp_path: Path) -> None:
    path = tmp_path / "f.aof"
    path.write_bytes(STAMPED)
    for stamp, nbytes in (
        (300, len(STAMPED)),
        (299, len(STAMPED) - len(GOOD) - len("#TS:300\r\n")),
        (100, len(GOOD) + len("#TS:100\r\n")),
        (99, len(GOOD) + len("#TS:100\r\n")),
    ):
        code, text = run(OURS, tmp_path, "--truncate-to-timestamp", str(stamp), "f.aof")
        assert (code, path.stat().st_size) == (int(stamp == 99), nbytes), text
    assert "nothing before timestamp 99, aborting" in text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_file_that_cannot_be_written_is_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "f.aof"
    path.write_bytes(GOOD)
    path.chmod(0o444)
    code, text = run(OURS, tmp_path, "f.aof")
    assert (code, "Cannot open file f.aof: Permission denied" in text) == (1, True)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_what_a_server_wrote_is_good(fresh_server: Fresh, preamble: str) -> None:
    server = fresh_server(
        "--appendonly",
        "yes",
        "--aof-use-rdb-preamble",
        preamble,
        "--aof-timestamp-enabled",
        "yes",
    )
    client = server.client()
    client.ok("SET", "k", "v")
    client.cmd("HSET", "h", "f", "v", "g", "w")
    folder = server.directory / "appendonlydir"
    code, text = run(OURS, folder, "appendonly.aof.manifest")
    assert code == 0, text
    assert "All AOF files and manifest are valid" in text
    if preamble == "no":
        assert "BASE AOF (RESP format)" in text
        return
    assert "BASE AOF (RDB format)" in text
    assert "RDB preamble is OK, proceeding with AOF tail..." in text
    base = next(folder.glob("*.base.rdb"))
    data = bytearray(base.read_bytes())
    data[-1] ^= 1
    base.write_bytes(data)
    code, text = run(OURS, folder, "appendonly.aof.manifest")
    assert code == 1
    assert "RDB preamble of AOF file is not sane, aborting." in text


@pytest.mark.parametrize("args", [[], ["--fix"], ["a", "b"], ["--fix", "a", "b"]])
def test_how_it_is_called(tmp_path: Path, args: list[str]) -> None:
    code, text = run(OURS, tmp_path, *args)
    if args == ["--fix"]:  # a file's name
        assert (code, "Cannot open file --fix" in text) == (1, True)
    else:
        assert (code, "Usage: fastredis-check-aof" in text) == (1, True)


def test_help_and_version(tmp_path: Path) -> None:
    from fastredis import __version__

    assert run(OURS, tmp_path, "--version") == (
        0,
        f"fastredis-check-aof {__version__}\n",
    )
    code, text = run(OURS, tmp_path, "--help")
    assert (code, "--truncate-to-timestamp" in text) == (0, True)
