# SPDX-License-Identifier: BSD-3-Clause
"""Settings of the operating system that slow a server down or endanger its data.

Each check reads what the kernel shows of itself and returns one of three things: that
all is well, that the check means nothing here, or what is wrong and how to mend it.
They are printed by ``fastredis-server --check-system``; what endangers data is logged
at start, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastredis.admin.log import Logger

SKIPPED: Final = None  # no such setting on this system
FINE: Final = ""

CLOCKS: Final = "sys/devices/system/clocksource/clocksource0"
# Clock sources that are read without a system call.
FAST_CLOCKS: Final = frozenset(("tsc", "kvm-clock", "hyperv_clocksource_tsc_page",
                                "arch_sys_counter"))  # fmt: skip
# Linux before this lost pages of a process that forked on ARM64.
FORK_BUG_FIXED: Final = (5, 18)


def _read(root: Path, name: str) -> str | None:
    try:
        return (root / name).read_text().strip()
    except OSError:
        return None


def clock_source(root: Path) -> str | None:
    """Check that the clock is read without a system call."""
    current = _read(root, f"{CLOCKS}/current_clocksource")
    if current is None:
        return SKIPPED
    if current in FAST_CLOCKS:
        return FINE
    choices = (_read(root, f"{CLOCKS}/available_clocksource") or "").split()
    better = next((name for name in choices if name in FAST_CLOCKS), "")
    advice = f" '{better}' is available." if better else ""
    return (
        f"The clock source '{current}' needs a system call each time it is read, which "
        f"slows the server down.{advice} It is chosen by writing into "
        f"/{CLOCKS}/current_clocksource."
    )


def overcommit(root: Path) -> str | None:
    """Check that a process that forks needs no memory for a second copy."""
    mode = _read(root, "proc/sys/vm/overcommit_memory")
    if mode is None:
        return SKIPPED
    if mode == "1":
        return FINE
    return (
        "Memory overcommit must be enabled! Without it, a background save or "
        "replication may fail under low memory condition. To fix this issue add "
        "'vm.overcommit_memory = 1' to /etc/sysctl.conf and then reboot or run the "
        "command 'sysctl vm.overcommit_memory=1' for this to take effect."
    )


def huge_pages(root: Path) -> str | None:
    """Check that memory is not copied in huge pages after a fork."""
    enabled = _read(root, "sys/kernel/mm/transparent_hugepage/enabled")
    if enabled is None:
        return SKIPPED
    if "[always]" not in enabled:
        return FINE
    return (
        "Transparent huge pages are in use for every process, which makes writes slow "
        "and memory grow while data is saved in the background. The server switches "
        "them off for itself unless 'disable-thp no' is given; 'echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled' does it for all."
    )


def fork_bug(root: Path) -> str | None:
    """Check that the kernel does not lose pages when it forks (ARM64)."""
    release = _read(root, "proc/sys/kernel/osrelease")
    if release is None or os.uname().machine != "aarch64":
        return SKIPPED
    numbers = release.split("-")[0].split(".")[:2]
    if all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) < FORK_BUG_FIXED:
        return (
            f"Linux {release} may lose data of a process that has forked, unless its "
            "distributor has mended it. Saving in the background is not safe on it."
        )
    return FINE


CHECKS: Final[dict[str, Callable[[Path], str | None]]] = {
    "slow-clocksource": clock_source,
    "overcommit": overcommit,
    "THP": huge_pages,
    "madvise-free-fork-bug": fork_bug,
}


def run(root: Path = Path("/")) -> Iterator[tuple[str, str | None]]:
    """Yield the name and the result of each check; root is where proc and sys are."""
    for name, check in CHECKS.items():
        yield name, check(root)


def report(root: Path = Path("/")) -> int:
    """Print each check as redis-server does; return the exit code, 1 for a warning."""
    code = 0
    for name, result in run(root):
        if result is SKIPPED:
            text = "skipped"
        elif result == FINE:
            text = "OK"
        else:
            text = f"WARNING:\n{result}"
            code = 1
        print(f"[{name}]...{text}")
    return code


def warn_of_system(log: Logger, root: Path = Path("/")) -> None:
    """Log the settings that endanger data."""
    for check in (overcommit, fork_bug):
        result = check(root)
        if result:
            log.warning(f"WARNING {result}")
