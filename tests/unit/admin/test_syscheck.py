# SPDX-License-Identifier: BSD-3-Clause
"""The checks of the operating system, on made-up systems and on this one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from fastredis.admin import syscheck
from fastredis.admin.log import Logger
from fastredis.cli.server import main
from support.genuine import server_path

CLOCK = f"{syscheck.CLOCKS}/current_clocksource"
CLOCKS = f"{syscheck.CLOCKS}/available_clocksource"
THP = "sys/kernel/mm/transparent_hugepage/enabled"
OVERCOMMIT = "proc/sys/vm/overcommit_memory"
RELEASE = "proc/sys/kernel/osrelease"

# check, machine, files, what its text holds; "" for fine, None for skipped
CASES: list[tuple[str, str, dict[str, str], str | None]] = [
    ("slow-clocksource", "x86_64", {}, None),
    ("slow-clocksource", "x86_64", {CLOCK: "tsc\n"}, ""),
    ("slow-clocksource", "x86_64", {CLOCK: "kvm-clock\n"}, ""),
    ("slow-clocksource", "x86_64", {CLOCK: "xen", CLOCKS: "xen tsc"}, "'tsc' is avail"),
    ("slow-clocksource", "x86_64", {CLOCK: "acpi_pm"}, "'acpi_pm' needs a system call"),
    ("overcommit", "x86_64", {}, None),
    ("overcommit", "x86_64", {OVERCOMMIT: "1\n"}, ""),
    ("overcommit", "x86_64", {OVERCOMMIT: "0\n"}, "vm.overcommit_memory = 1"),
    ("overcommit", "x86_64", {OVERCOMMIT: "2\n"}, "vm.overcommit_memory = 1"),
    ("THP", "x86_64", {}, None),
    ("THP", "x86_64", {THP: "always [madvise] never"}, ""),
    ("THP", "x86_64", {THP: "[always] madvise never"}, "disable-thp"),
    ("madvise-free-fork-bug", "x86_64", {RELEASE: "5.4.0"}, None),
    ("madvise-free-fork-bug", "aarch64", {RELEASE: "5.4.0-90-generic"}, "5.4.0-90"),
    ("madvise-free-fork-bug", "aarch64", {RELEASE: "6.1.0-10-arm64"}, ""),
    ("madvise-free-fork-bug", "aarch64", {RELEASE: "5.18.0"}, ""),
]


@pytest.mark.parametrize(("name", "machine", "files", "expected"), CASES)
def test_check(
    name: str,
    machine: str,
    files: dict[str, str],
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syscheck.os, "uname", lambda: SimpleNamespace(machine=machine))
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = syscheck.CHECKS[name](tmp_path)
    if expected:
        assert found is not None
        assert expected in found
    else:
        assert found == expected


def test_report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert syscheck.report(tmp_path) == 0
    expected = "".join(f"[{name}]...skipped\n" for name in syscheck.CHECKS)
    assert capfd.readouterr().out == expected
    (tmp_path / OVERCOMMIT).parent.mkdir(parents=True)
    (tmp_path / OVERCOMMIT).write_text("0")
    assert syscheck.report(tmp_path) == 1
    assert "[overcommit]...WARNING:\nMemory overcommit" in capfd.readouterr().out


def test_warning_in_the_log(tmp_path: Path) -> None:
    (tmp_path / OVERCOMMIT).parent.mkdir(parents=True)
    (tmp_path / OVERCOMMIT).write_text("0")
    log = Logger(str(tmp_path / "log"))
    syscheck.warn_of_system(log, tmp_path)
    (tmp_path / OVERCOMMIT).write_text("1")
    syscheck.warn_of_system(log, tmp_path)
    text = (tmp_path / "log").read_text()
    assert text.count(" # WARNING Memory overcommit must be enabled!") == 1


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
def test_genuine_server_finds_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    assert server_path() is not None
    done = subprocess.run(
        [str(server_path()), "--check-system"], capture_output=True, text=True
    )
    code = main(["--check-system"])
    ours = dict(re.findall(r"^\[(.+)\]\.\.\.(\w+)", capfd.readouterr().out, re.M))
    theirs = dict(re.findall(r"^\[(.+)\]\.\.\.(\w+)", done.stdout, re.M))
    common = ours.keys() & theirs.keys()
    assert len(common) >= 3
    assert {n: ours[n] for n in common} == {n: theirs[n] for n in common}
    assert code == done.returncode
