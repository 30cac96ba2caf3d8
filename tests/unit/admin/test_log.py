# SPDX-License-Identifier: BSD-3-Clause
"""The log: its format, levels, file, rotation and banner."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from fastredis.admin.log import LEVELS, WARNING, Logger, log_start, show_logo
from fastredis.config.store import Config

LINE = re.compile(
    r"^(\d+):([MSCX]) (\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d)\.\d{3} "
    r"([.\-*#]) (.*)$"
)
WRITERS = ("debug", "verbose", "notice", "warning")


def lines(path: Path) -> list[re.Match[str]]:
    found = [LINE.match(line) for line in path.read_text().splitlines()]
    assert None not in found
    return [match for match in found if match]


@pytest.mark.parametrize("level", LEVELS)
def test_levels_and_format(tmp_path: Path, level: str) -> None:
    path = tmp_path / "log"
    log = Logger(str(path), level)
    assert log.level == level
    for name in WRITERS:
        getattr(log, name)(f"a {name}")
    log.raw("")
    expected = [(m, n) for m, n in zip(".-*#", WRITERS, strict=True)
                if LEVELS[n] >= LEVELS[level]]  # fmt: skip
    written = lines(path) if path.exists() else []
    assert [(m[4], m[5]) for m in written] == [(m, f"a {n}") for m, n in expected]
    for match in written:
        assert match[1] == str(os.getpid())
        assert match[2] == "M"
        stamp = time.mktime(time.strptime(match[3], "%d %b %Y %H:%M:%S"))
        assert abs(stamp - time.time()) < 5


def test_role_and_is_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Logger(str(path), role="C")
    log.notice("x")
    log.role = "S"
    log.notice("y")
    assert [m[2] for m in lines(path)] == ["C", "S"]
    log.level = "nothing"
    assert not log.is_on(WARNING)


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    Logger().notice("hello \u00e9 \udcff")
    os.write(1, b"")
    out = capfd.readouterr().out
    assert out.endswith(" * hello \u00e9 \ufffd\n")


def test_appends_to_what_others_write(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("### before\n")
    log = Logger(str(path))
    log.notice("one")
    with path.open("a") as other:
        other.write("### between\n")
    log.notice("two")
    text = path.read_text().splitlines()
    assert [line[:3] for line in text[::2]] == ["###", "###"]
    assert text[1].endswith("* one")
    assert text[3].endswith("* two")


def test_follows_a_rotation(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "log.1"
    log = Logger(str(path))
    log.notice("one")
    path.rename(old)
    log.notice("two")
    assert [m[5] for m in lines(old)] == ["one"]
    assert [m[5] for m in lines(path)] == ["two"]
    path.unlink()
    log.notice("three")
    assert [m[5] for m in lines(path)] == ["three"]


def test_does_not_leak_descriptors(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Logger(str(path))
    log.notice("x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        path.unlink()
        log.notice("x")
    assert len(os.listdir("/proc/self/fd")) == before
    log.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    log.notice("again")
    assert len(lines(path)) == 2


def test_a_path_survives_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    log = Logger("log")
    monkeypatch.chdir("/")
    log.notice("x")
    assert len(lines(tmp_path / "log")) == 1


def test_unwritable_log_does_not_stop_anything(tmp_path: Path) -> None:
    path = tmp_path / "no" / "log"
    log = Logger(str(path))
    log.warning("lost")
    path.parent.mkdir()
    log.warning("kept")
    assert [m[5] for m in lines(path)] == ["kept"]


def test_exception_has_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Logger(str(path))
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        log.exception("a handler failed")
    text = path.read_text()
    assert " # a handler failed\nTraceback" in text
    assert text.endswith("RuntimeError: boom\n")


def test_loglevel_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "log"
    config = Config({"logfile": path, "loglevel": "warning"})
    log = Logger.for_config(config)
    log.notice("no")
    config.set_many([("loglevel", "debug")])
    log.debug("yes")
    assert [m[5] for m in lines(path)] == ["yes"]


def test_banner_then_initialized(tmp_path: Path) -> None:
    """Test suites wait for this pattern, with . matching line ends too."""
    path = tmp_path / "log"
    config = Config({"logfile": path, "always-show-logo": True, "port": 7000})
    log = Logger.for_config(config)
    log_start(log, config)
    show_logo(log, config)
    log.notice("Server initialized")
    text = path.read_text()
    pattern = rf" PID: {os.getpid()}.*Server initialized"
    assert re.search(pattern, text, re.DOTALL)
    assert re.search(r" Fastredis [\d.]+ ", text)
    assert re.search(r" Port: 7000$", text, re.MULTILINE)
    assert len(re.findall(r" PID: ", text)) == 1
    assert log.role == "M"


def test_no_banner_in_a_file_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "log"
    config = Config({"logfile": path, "port": 7000})
    show_logo(Logger.for_config(config), config)
    assert [m[5] for m in lines(path)] == ["Running mode=standalone, port=7000."]


def test_start_names_what_has_no_effect(tmp_path: Path) -> None:
    path = tmp_path / "log"
    config = Config({"logfile": path, "appendonly": "yes", "hz": 5, "save": ""})
    log_start(Logger.for_config(config), config)
    written = [(m[2], m[4], m[5]) for m in lines(path)]
    assert written[-1] == (
        "C", "#", "Directives without effect yet: appendonly, save",
    )  # fmt: skip
    assert written[1][2].endswith(f"pid={os.getpid()}, just started")
    assert written[2][2] == "Configuration loaded"


def test_start_without_arguments_warns(tmp_path: Path) -> None:
    path = tmp_path / "log"
    config = Config()
    log_start(Logger(str(path)), config, from_arguments=False)
    last = lines(path)[-1]
    assert last[4] == "#"
    assert "no config file specified" in last[5]
