# SPDX-License-Identifier: BSD-3-Clause
"""The log: its format, levels, file, rotation and banner."""

from __future__ import annotations

import json
import os
import re
import subprocess
import syslog
import time
from datetime import datetime
from pathlib import Path

import pytest

from fastredis.admin.log import LEVELS, WARNING, Logger, log_start, show_logo
from fastredis.config.store import Config
from support.server import find_genuine

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
    config = Config(
        {"logfile": path, "io-threads": 2, "hz": 5, "cluster-enabled": "yes"}
    )
    log_start(Logger.for_config(config), config)
    written = [(m[2], m[4], m[5]) for m in lines(path)]
    assert written[-1] == (
        "C", "#", "Directives without effect yet: io-threads, cluster-enabled",
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


# --- Forms for programs ------------------------------------------------------------

STAMPS = {
    "legacy": r"\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}",
    "iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d",
    "milliseconds": r"\d{13}",
}
DIFFICULT = 'say "hi" \\ to\tall\nlines \x01 \u00e9 \udcff \u2028'


@pytest.mark.parametrize("stamp", STAMPS)
def test_json(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "log"
    log = Logger(str(path), "debug", form="json", stamp=stamp)
    for name in WRITERS:
        getattr(log, name)(DIFFICULT)
    records = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert [record["level"] for record in records] == list(WRITERS)
    for record in records:
        assert list(record) == ["pid", "role", "timestamp", "level", "message"]
        assert record["pid"] == os.getpid()
        assert record["role"] == "primary"
        assert re.fullmatch(STAMPS[stamp], record["timestamp"])
        assert record["message"] == DIFFICULT.replace("\udcff", "\ufffd")


@pytest.mark.parametrize("stamp", STAMPS)
def test_logfmt(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "log"
    log = Logger(str(path), role="S", form="logfmt", stamp=stamp)
    log.warning('say "hi"\nto all')
    pattern = (
        rf"pid={os.getpid()} role=replica timestamp=\"{STAMPS[stamp]}\" "
        r"level=warning message=\"say 'hi' to all\"\n"
    )
    assert re.fullmatch(pattern, path.read_text())


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/St_Johns"])
def test_iso8601_names_the_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        path = tmp_path / "log"
        before = time.time()
        Logger(str(path), form="json", stamp="iso8601").notice("x")
        stamp = datetime.fromisoformat(json.loads(path.read_text())["timestamp"])
        assert before - 0.001 <= stamp.timestamp() <= time.time()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_forms_follow_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "log"
    config = Config({"logfile": path})
    log = Logger.for_config(config)
    log.notice("one")
    config.set_many([("log-format", "json"), ("log-timestamp-format", "milliseconds")])
    log.notice("two")
    first, second = path.read_text().splitlines()
    assert LINE.match(first)
    record = json.loads(second)
    assert record["message"] == "two"
    assert abs(int(record["timestamp"]) / 1000 - time.time()) < 5


def test_same_forms_as_valkey(tmp_path: Path) -> None:
    """The same line, but for pid, time and what the log is about."""
    program = find_genuine("valkey")
    if program is None:
        pytest.skip("no genuine valkey server here")
    for form in ("logfmt", "json", "legacy"):
        for stamp in STAMPS:
            ours, theirs = tmp_path / "ours", tmp_path / "theirs"
            arguments = ["--log-format", form, "--log-timestamp-format", stamp]
            arguments += ["--logfile", str(theirs), "--bind", "192.0.2.1"]
            subprocess.run([program, *arguments], capture_output=True, timeout=20)
            Logger(str(ours), form=form, stamp=stamp).notice("Configuration loaded")

            def shape(path: Path) -> list[str]:
                lines = path.read_text().splitlines()
                return [
                    re.sub(r"\d+", "0", re.sub(r"\b[A-Z][a-z]{2} \d{4}", "M 0", line))
                    for line in lines
                    if "Configuration loaded" in line
                ]

            assert shape(ours) == shape(theirs)
            ours.unlink()
            theirs.unlink()


def test_syslog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(syslog, "openlog", lambda *args: calls.append(args))
    monkeypatch.setattr(syslog, "syslog", lambda *args: calls.append(args))
    config = Config(
        {
            "logfile": tmp_path / "log",
            "loglevel": "debug",
            "syslog-enabled": True,
            "syslog-ident": "mine",
            "syslog-facility": "local3",
        }
    )
    log = Logger.for_config(config)
    for name in WRITERS:
        getattr(log, name)(f"a {name}\0")
    log.level = "warning"
    log.notice("not this")
    options = syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT
    assert calls == [
        ("mine", options, syslog.LOG_LOCAL3),
        (syslog.LOG_DEBUG, "a debug "),
        (syslog.LOG_INFO, "a verbose "),
        (syslog.LOG_NOTICE, "a notice "),
        (syslog.LOG_WARNING, "a warning "),
    ]
    assert len((tmp_path / "log").read_bytes().splitlines()) == 4


def test_report_of_an_exception(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = Logger(str(path))
    try:
        raise RuntimeError("boom")
    except RuntimeError as error:
        log.report(error, "in a timer")
    text = path.read_text()
    start = text.index("=== REDIS BUG REPORT START: Cut & paste starting from here ===")
    assert start < text.index("in a timer") < text.index("RuntimeError: boom")
    assert text.index("RuntimeError") < text.index("=== REDIS BUG REPORT END.")
