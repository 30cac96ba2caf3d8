# SPDX-License-Identifier: BSD-3-Clause
"""Reports of crashes in the log, and the exit status after them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest

from support.server import FastredisServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

START = "=== REDIS BUG REPORT START: Cut & paste starting from here ==="
END = "=== REDIS BUG REPORT END. Make sure to include from START to END. ==="
LINE = re.compile(
    r"^\d+:M \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3} # Redis 8\.0\.2 crashed "
    r"by signal: (\d+), si_code: (-?\d+)$",
    re.MULTILINE,
)

pytestmark = pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers report otherwise"
)


def report(log: str) -> str:
    """Return the one report that a log holds."""
    assert log.count(START) == log.count(END) == 1
    return log[log.index(START) : log.index(END)]


def test_segfault_of_a_command(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False)
    other = server.client()
    other.ok("CLIENT", "SETNAME", "the-other")
    other.ok("SET", "key", "value")
    client = server.client()
    client.send("DEBUG", "SEGFAULT")
    assert client.read_all() == b""
    assert server.wait_exit() == -signal.SIGSEGV
    text = report(server.stdout())
    found = LINE.search(text)
    assert found
    assert (found[1], found[2]) == ("11", "1")
    for part in (
        "Accessing address:",
        "Crashed running the instruction at: 0x",
        "------ STACK TRACE ------\nBacktrace:\n",
        "admin/dataset.",
        "------ PYTHON STACKS ------",
        "in _segfault\n",
        "connected_clients:2\n",
        "db0:keys=1\n",
        "name=the-other",
        'command: debug\nargc: 2\nargv[0]: "DEBUG"\nargv[1]: "SEGFAULT"\n',
    ):
        assert part in text, part
    if os.uname().machine in ("x86_64", "aarch64"):
        assert "------ REGISTERS ------" in text


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"])
def test_signals_from_outside(fresh_server: Fresh, name: str) -> None:
    server = fresh_server(check_exit=False)
    number = getattr(signal, name)
    os.kill(server.pid, number)
    assert server.wait_exit() == -number
    text = report(server.stdout())
    found = LINE.search(text)
    assert found
    assert (int(found[1]), found[2]) == (number, "0")
    assert f"Killed by PID: {os.getpid()}, UID: {os.getuid()}\n" in text
    assert "# Clients\nconnected_clients:" in text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ASSERT", "=== ASSERTION FAILED ===\n"),
        ("PANIC", "Guru Meditation: Panic called at "),
    ],
)
def test_assert_and_panic(fresh_server: Fresh, name: str, line: str) -> None:
    server = fresh_server(check_exit=False)
    server.client().send("DEBUG", name)
    assert server.wait_exit() == -signal.SIGABRT
    assert line in server.stdout()
    assert "crashed by signal: 6" in report(server.stdout())


def test_exit_on_panic(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False, use_exit_on_panic=True)
    server.client().send("DEBUG", "PANIC")
    assert server.wait_exit() == 1
    assert "Guru Meditation" in server.stdout()
    assert "crashed by signal" not in server.stdout()


def test_no_report(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False, crash_log_enabled=False)
    os.kill(server.pid, signal.SIGABRT)
    assert server.wait_exit() == -signal.SIGABRT
    assert "BUG REPORT" not in server.log()


def test_reports_are_switched(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False, crash_log_enabled=False)
    server.client().ok("CONFIG", "SET", "crash-log-enabled", "yes")
    os.kill(server.pid, signal.SIGABRT)
    assert server.wait_exit() == -signal.SIGABRT
    report(server.stdout())


def test_user_data_is_hidden(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False, hide_user_data_from_log=True)
    client = server.client()
    client.ok("CLIENT", "SETNAME", "secretive")
    client.send("DEBUG", "segfault")
    assert server.wait_exit() == -signal.SIGSEGV
    text = report(server.stdout())
    assert "argv[1]: 8 bytes\n" in text
    assert "secretive" not in text


def test_report_goes_to_the_rotated_log(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False, logfile="server.log")
    path, old = server.directory / "server.log", server.directory / "old.log"
    path.rename(old)
    os.kill(server.pid, signal.SIGABRT)
    assert server.wait_exit() == -signal.SIGABRT
    report(path.read_text())
    assert "BUG REPORT" not in old.read_text()


def test_stacktrace(server: FastredisServer) -> None:
    mark = len(server.stdout())
    server.client().ok("DEBUG", "STACKTRACE")
    text = server.stdout()[mark:]
    assert "------ STACK TRACE ------\n" in text
    assert "in _stacktrace\n" in text
    assert "BUG REPORT" not in text


def test_watchdog(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    client.ok("CONFIG", "SET", "watchdog-period", "200")
    client.ok("DEBUG", "SLEEP", "0.6")
    assert "--- WATCHDOG TIMER EXPIRED ---" in server.stdout()
    assert "in _sleep\n" in server.stdout()
    client.ok("CONFIG", "SET", "watchdog-period", "0")
    mark = len(server.stdout())
    client.ok("DEBUG", "SLEEP", "0.6")
    assert "WATCHDOG" not in server.stdout()[mark:]


def test_exception_in_the_event_loop(fresh_server: Fresh) -> None:
    file = "commands.py"
    server = fresh_server(start=False, python_commands=file)
    (server.directory / file).write_text(
        "import asyncio, fastredis\n"
        "def fail() -> None:\n"
        "    raise RuntimeError('nobody is there')\n"
        "@fastredis.command('LATER')\n"
        "def later(ctx) -> int:\n"
        "    asyncio.get_running_loop().call_soon(fail)\n"
        "    return 1\n"
    )
    server.start()
    client = server.client()
    assert client.cmd("LATER") == 1
    wait_until(lambda: END in server.stdout())
    assert "RuntimeError: nobody is there" in report(server.stdout())
    assert client.cmd("PING") == "PONG"
