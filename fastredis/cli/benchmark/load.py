# SPDX-License-Identifier: BSD-3-Clause
"""redis-benchmark: its command line, running it, and reading its report.

The full report is read, not ``--csv``, because p99.9 is only in the distribution.
redis-benchmark retries for ever when the server is gone, so a run is watched: it ends
with an error when the server ends or when it takes far too long.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fastredis.cli.benchmark.scenarios import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastredis.cli.benchmark.scenarios import Scenario

PROGRAM: Final = "redis-benchmark"
MISSING: Final = (
    "redis-benchmark is not in PATH. It comes with the Debian and Ubuntu package "
    "redis-tools, the Alpine package redis, the Homebrew formula redis, and every "
    "build of Redis from source. --load-program names another place."
)
_POLL_S: Final = 0.25


class LoadError(Exception):
    """redis-benchmark could not run, or its report could not be read."""


@dataclass(frozen=True)
class LoadReport:
    """What redis-benchmark reported; latencies in ms, of one request.

    distribution: (latency, requests that took at most that), rising.
    """

    requests: int
    rps: float
    avg_ms: float
    min_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    distribution: tuple[tuple[float, int], ...]

    def percentile(self, percent: float) -> float:
        """Return the smallest reported latency that covers percent of the requests."""
        return percentile(self.distribution, percent)


def percentile(rows: Iterable[tuple[float, int]], percent: float) -> float:
    """Return the percentile of a rising cumulative distribution.

    Raises: ValueError if the distribution is empty.
    """
    rows = list(rows)
    if not rows:
        raise ValueError("the distribution is empty")
    needed = rows[-1][1] * percent / 100
    return next(latency for latency, count in rows if count >= needed)


# --- Reading the report ---

_ROW: Final = re.compile(
    r"^\s*[\d.]+% <= ([\d.]+) milliseconds \(cumulative count (\d+)\)", re.M
)
_COMPLETED: Final = re.compile(r"^\s*(\d+) requests completed in", re.M)
_THROUGHPUT: Final = re.compile(r"throughput summary: ([\d.]+|inf) requests per second")
_SUMMARY: Final = re.compile(
    r"^\s*avg\s+min\s+p50\s+p95\s+p99\s+max\s*\n\s*"
    r"([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)",
    re.M,
)


def parse_report(text: str) -> LoadReport:
    """Read the report of one test.

    Raises: LoadError if a part of it is missing.
    """
    text = text.replace("\r", "\n")  # progress lines overwrite themselves
    completed, throughput = _COMPLETED.search(text), _THROUGHPUT.search(text)
    summary = _SUMMARY.search(text)
    # Two tables with different rows, by percentage and by latency: each row is a
    # true statement about the same requests, so together they are finer than either.
    rows: dict[float, int] = {}
    for latency, count in _ROW.findall(text):
        key = float(latency)
        rows[key] = max(rows.get(key, 0), int(count))
    if not (completed and throughput and summary and rows):
        raise LoadError(f"redis-benchmark's report is not understood: {text[-500:]!r}")
    requests, rps = int(completed[1]), float(throughput[1])
    if math.isinf(rps):
        # its clock counts whole milliseconds and came to none: at least this many
        rps = requests * 1000.0
    avg, low, p50, p95, p99, high = map(float, summary.groups())
    return LoadReport(
        requests=requests,
        rps=rps,
        avg_ms=avg,
        min_ms=low,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=high,
        distribution=tuple(sorted(rows.items())),
    )


# --- Running it ---


def find_program(named: str | None = None) -> str:
    """Return the path of redis-benchmark.

    Raises: LoadError if there is none; the text says which packages bring it.
    """
    found = shutil.which(named or PROGRAM)
    if found is None:
        raise LoadError(MISSING if named is None else f"there is no program {named!r}")
    return found


def program_version(program: str) -> str:
    """Return what the program says about its version, first line."""
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=10, check=False
    )
    return (done.stdout.strip().splitlines() or ["unknown"])[0]


def command_line(
    program: str,
    host: str,
    port: int,
    scenario: Scenario,
    requests: int,
    keyspace: int,
    threads: int = 1,
) -> list[str]:
    """Return the command line that sends a scenario's load."""
    line = [program, "-h", host, "-p", str(port)]
    line += ["-c", str(CONNECTIONS), "-P", str(scenario.pipeline), "-n", str(requests)]
    line += ["--precision", "3"]
    if keyspace:
        line += ["-r", str(keyspace)]
    if threads > 1:
        line += ["--threads", str(threads)]
    return [*line, *scenario.command]


def run_load(
    line: list[str],
    timeout_s: float,
    alive: Callable[[], bool],
    tick: Callable[[], None] = lambda: None,
) -> LoadReport:
    """Run redis-benchmark to its end and return its report.

    alive: tells whether the server still runs.   tick: called now and then.
    Raises: LoadError if it fails, the server ends, or timeout_s passes.
    """
    deadline = time.monotonic() + timeout_s
    with subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            while True:
                try:
                    out, err = process.communicate(timeout=_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    tick()
                if not alive():
                    raise LoadError("the server ended under load")
                if time.monotonic() > deadline:
                    raise LoadError(f"redis-benchmark did not end in {timeout_s:.0f} s")
        finally:
            if process.poll() is None:
                process.kill()
    if process.returncode != 0:
        said = (err.strip() or out.strip() or "nothing")[-300:]
        raise LoadError(
            f"redis-benchmark ended with status {process.returncode}: {said}"
        )
    return parse_report(out)
