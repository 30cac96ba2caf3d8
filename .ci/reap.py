# SPDX-License-Identifier: BSD-3-Clause
"""Run a command; when it has ended, end every process that it left behind.

    python reap.py COMMAND [ARGUMENT ...]

Tests start servers. Tests that die (of a sanitizer's report, or of a time limit)
leave them running, and such a server keeps the output of .ci/run open, so that
whatever reads it waits for ever. On Linux the orphans of a command become children
of this process, which kills them; elsewhere this only runs the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
TURNS, PAUSE = 100, 0.05  # five seconds for what is killed to go


def children() -> Iterator[int]:
    """Find the living children of this process."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # gone in the meantime
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            yield int(entry.name)


def kill_orphans() -> None:
    """Kill children until there are none; the children of the killed come next."""
    for _ in range(TURNS):
        left = list(children())
        if not left:
            return
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)


def main() -> int:
    """Run the command line; return its exit status as a shell would."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = subprocess.run(sys.argv[1:], check=False).returncode
    finally:
        kill_orphans()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
