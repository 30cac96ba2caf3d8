# SPDX-License-Identifier: BSD-3-Clause
"""Run one unit of the suite in a working copy, and read what it printed.

A working copy serves one unit at a time: the suite empties its tests/tmp when it
starts. Each has its own range of ports, so that several can run side by side.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from official import adapt, certificates

# Below the ports that the kernel hands out (32768 and up on Linux), and far enough
# apart for the suite's own listener (32 below) and its search for a free port.
FIRST_PORT = 21111
PORTS_EACH = 1000
PORT_RANGES = 10

OK, ERR, SKIP = "ok", "err", "skip"
STATUSES = {
    "ok": OK,
    "err": ERR,
    "skip": SKIP,
    "ignore": SKIP,  # denied by a tag
    "exc": ERR,
    "crash": ERR,
    "exception": ERR,
    "TIMEOUT": ERR,
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")
RESULT = re.compile(r"^\[(\w+)\]: ?(.*)$")
NOISE = re.compile(
    r"^(\[\d+/\d+ done\]|Testing |Cleanup: |\[ready\]"
    r"|Waiting for process |Forcing process |Killing )"
)
DETAIL_LINES = 12
DETAIL_WIDTH = 400


class HarnessError(Exception):
    """A unit cannot be run here at all."""


@dataclass
class Result:
    """The outcome of one test, or of something that stands for one.

    name: the test's name, or one of
      ``[exc] LINE``      a statement outside a test raised
      ``[crash] after T`` the server was dead after test T
      ``[start]``         a server did not start
      ``[unit] finishes`` the unit ended early or ran into its time limit
    """

    name: str
    status: str
    detail: list[str] = field(default_factory=list)


@dataclass
class UnitRun:
    """What one run of a unit gave."""

    unit: str
    results: list[Result]
    seconds: float

    def count(self, status: str) -> int:
        """Return the number of results with this status."""
        return sum(result.status == status for result in self.results)

    def ran(self) -> int:
        """Return the number of the suite's own tests that ran or were skipped."""
        return sum(not result.name.startswith("[") for result in self.results)


@dataclass(frozen=True)
class Limits:
    """Seconds that a unit, and one reply, may take."""

    unit: int = 420
    reply: int = 20


class WorkCopy:
    """An adapted copy of the suite, its port range, and the processes it starts."""

    def __init__(self, path: Path, first_port: int, missing: list[str]) -> None:
        self.path = path
        self.first_port = first_port
        self.missing_tools = missing
        self.tclsh = find_tclsh()
        self.process: subprocess.Popen[bytes] | None = None

    def units(self) -> list[str]:
        """Return the names of all units of the suite."""
        done = subprocess.run(
            [self.tclsh, "tests/test_helper.tcl", "--list-tests"],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.split()

    def run(
        self,
        unit: str,
        log: Path,
        limits: Limits,
        extra: Sequence[str] = (),
        over_tls: bool = False,
    ) -> UnitRun:
        """Run a unit; its output is kept in log, a file.

        extra: further options of the suite's test_helper.tcl.
        Raises: CertificateError if it is to run over TLS and that cannot be.
        """
        command = [self.tclsh, "tests/test_helper.tcl", "--single", unit]
        command += ["--clients", "1", "--durable"]
        # the suite's own limit of silence comes second to ours
        command += ["--timeout", str(limits.unit + 100)]
        command += ["--baseport", str(self.first_port), "--portcount", "900", *extra]
        if over_tls:
            certificates.make(self.path / "tests" / "tls")
            command += ["--tls"]
        env = dict(os.environ, TERM="dumb", OFFICIAL_REPLY_LIMIT=str(limits.reply))
        env.setdefault("LC_ALL", "C.UTF-8")
        # the servers under test must not meet what was meant for the runner
        env.pop("PYTHONPATH", None)
        begin = time.monotonic()
        is_late = False
        with log.open("wb") as output:
            self.process = process = subprocess.Popen(
                command,
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )
            try:
                process.wait(limits.unit)
            except subprocess.TimeoutExpired:
                is_late = True
            finally:
                self.stop()
                process.wait()
                self.process = None
                self.sweep(process.pid)
        seconds = time.monotonic() - begin
        text = log.read_text(encoding="utf-8", errors="replace")
        results = parse(text)
        if is_late:
            results.append(
                Result("[unit] finishes", ERR, [f"not done in {limits.unit} seconds"])
            )
        elif "The End" not in text:
            tail = text.splitlines()[-DETAIL_LINES:]
            results.append(Result("[unit] finishes", ERR, tail))
        return UnitRun(unit, results, seconds)

    def stop(self) -> None:
        """End the run that is under way, if there is one."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def sweep(self, session: int) -> None:
        """Kill what is left of a run: servers, their children, load generators."""
        for _ in range(50):
            left = list(self.processes(session))
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def processes(self, session: int) -> Iterator[int]:
        """Find this copy's processes: of that session, or at home in the copy.

        Only Linux has /proc; elsewhere the process group has to do.
        """
        home = f"{self.path}/"
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # after the name, which may hold anything: state ppid pgrp session
                after_name = (entry / "stat").read_text().rpartition(")")[2].split()
                if after_name[0] == "Z":
                    continue
                cwd = f"{os.readlink(entry / 'cwd')}/"
                if int(after_name[3]) == session or cwd.startswith(home):
                    yield int(entry.name)


@contextlib.contextmanager
def work_copy(
    suite: Path, cache: Path, server: Sequence[str], keep: bool = False
) -> Iterator[WorkCopy]:
    """Make a working copy for a while.

    It lies in the folder for temporary files, where its path is short: the servers
    have their unix sockets in it. keep: leave it there.
    """
    with port_range(cache) as first_port:
        root = Path(tempfile.mkdtemp(prefix="fr-suite-")).resolve()
        try:
            missing = adapt.make_copy(suite, root / "w", server)
            yield WorkCopy(root / "w", first_port, missing)
        finally:
            if not keep:
                shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def port_range(cache: Path) -> Iterator[int]:
    """Hold one of the port ranges; yields its first port.

    Raises: HarnessError if all are in use.
    """
    folder = cache / "ports"
    folder.mkdir(exist_ok=True)
    held: IO[str] | None = None
    for number in range(PORT_RANGES):
        lock = (folder / str(number)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        held = lock
        break
    if held is None:
        raise HarnessError(f"{PORT_RANGES} units are running already")
    with held:
        yield FIRST_PORT + PORTS_EACH * number


def find_tclsh() -> str:
    """Return the Tcl shell; the suite wants 8.6 where there is a choice.

    Raises: HarnessError.
    """
    for name in ("tclsh8.6", "tclsh"):
        found = shutil.which(name)
        if found:
            return found
    raise HarnessError("no tclsh here (Debian: apt-get install tcl)")


# --- Output of the suite ---


def parse(text: str) -> list[Result]:
    """Read the results from the output of a unit."""
    results: list[Result] = []
    current: Result | None = None
    for raw in text.splitlines():
        line = ANSI.sub("", raw)
        if line.strip() == "The End":  # what follows repeats the failures
            break
        match = RESULT.match(line)
        if match and match[1] in STATUSES:
            current = read_result(match[1], match[2])
            results.append(current)
        elif NOISE.match(line):
            current = None
        elif current and current.status == ERR and len(current.detail) < DETAIL_LINES:
            current.detail.append(line[:DETAIL_WIDTH])
    return results


def read_result(word: str, rest: str) -> Result:
    """Make a Result of one line ``[word]: rest``."""
    detail: list[str] = []
    name = " ".join(rest.split())  # a name is one cell of a table
    if word == "ok":
        name = re.sub(r" \(\d+ ms\)$", "", name)
    elif word == "err" and name.startswith("Can't start"):
        name, detail = "[start]", [name]
    elif word == "err":
        name = re.sub(r" in tests/\S+\.tcl$", "", name)
    elif word == "exc":
        name = f"[exc] {name}"
    elif word == "crash":
        name = f"[crash] {name}"
    elif word in ("exception", "TIMEOUT"):
        name, detail = "[unit] finishes", [name]
    return Result(name, STATUSES[word], detail)
