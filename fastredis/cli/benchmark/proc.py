# SPDX-License-Identifier: BSD-3-Clause
"""What Linux says about a process and about the machine: CPU time, RSS, cores.

CPU time comes from the process's own CPU clock, which counts user and system time of
all its threads, also of those that have ended, in nanoseconds. utime and stime in
/proc/PID/stat are the same sum cut to ticks of 10 ms; they serve where the clock
cannot be read.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PROC: Final = Path("/proc")
_CPUCLOCK_SCHED: Final = 2  # the kernel's number of the precise per-process clock

# --- One process ---


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process so far, user and system, in nanoseconds.

    Raises: ProcessLookupError if there is no such process.
    """
    # A process's CPU clock has the id that clock_getcpuclockid(3) would return.
    clock = (~pid << 3) | _CPUCLOCK_SCHED
    try:
        return time.clock_gettime_ns(clock)
    except OSError:
        return cpu_ticks_ns(pid)


def cpu_ticks_ns(pid: int) -> int:
    """Return the same from /proc/PID/stat, in steps of a clock tick (10 ms).

    Raises: ProcessLookupError if there is no such process.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    return parse_stat(text) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def parse_stat(text: str) -> int:
    """Return utime + stime in ticks from the text of /proc/PID/stat."""
    # The second field is the program's name in brackets and may contain spaces.
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[11]) + int(fields[12])


def waited_ns(pid: int) -> int:
    """Return how long the main thread was ready to run but had no core, or 0.

    A large value says that something else ran on the server's core.
    """
    with suppress(OSError, IndexError, ValueError):
        return int((_PROC / str(pid) / "schedstat").read_text().split()[1])
    return 0


def rss_bytes(pid: int) -> int:
    """Return the resident set (VmRSS) of a process in bytes.

    Raises: ProcessLookupError if there is no such process.
    """
    try:
        text = (_PROC / str(pid) / "status").read_text()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    return parse_status_rss(text)


def parse_status_rss(text: str) -> int:
    """Return VmRSS in bytes from the text of /proc/PID/status, 0 for a zombie."""
    for line in text.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def is_descendant(pid: int, ancestor: int) -> bool:
    """Tell whether pid is ancestor or was started by it, directly or not."""
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            text = (_PROC / str(pid) / "stat").read_text()
        except OSError:
            return False
        pid = int(text[text.rindex(")") + 2 :].split()[1])
    return False


# --- Cores ---


def usable_cpus() -> set[int]:
    """Return the cores that this process may use."""
    return os.sched_getaffinity(0)


@contextmanager
def pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Run the block, and whatever it starts, on these cores; none: change nothing."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def sibling_cpus(cpu: int) -> set[int]:
    """Return the logical CPUs that share a physical core with cpu."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return parse_cpu_list(path.read_text())
    except (OSError, ValueError):
        return {cpu}


def parse_cpu_list(text: str) -> set[int]:
    """Return the cores of a list such as ``0,2-3``.

    Raises: ValueError if it is none.
    """
    cpus: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        span = range(int(first), int(last or first) + 1)
        if not span or span.start < 0:
            raise ValueError(f"not a list of cores: {text!r}")
        cpus.update(span)
    return cpus


# --- The machine ---


def machine() -> dict[str, str | int | float]:
    """Return what a reader must know about the machine to judge the figures."""
    facts: dict[str, str | int | float] = {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "python": platform.python_version(),
    }
    with suppress(OSError):
        for line in (_PROC / "cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                facts["cpu"] = line.partition(":")[2].strip()
                break
    with suppress(OSError):
        facts["load_before"] = os.getloadavg()[0]
    with suppress(ValueError, OSError):
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        facts["memory_gb"] = round(pages / 2**30, 1)
    return facts
