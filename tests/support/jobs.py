# SPDX-License-Identifier: BSD-3-Clause
"""Jobs for the tests of job queues, run by workers in processes of their own."""

from __future__ import annotations

import os
import time
from pathlib import Path


def add(a: int, b: int) -> int:
    """Return a sum."""
    return a + b


def fail(text: str) -> None:
    """Fail.

    Raises: ValueError
    """
    raise ValueError(text)


def linger(folder: str) -> str:
    """Note the process in a folder, and wait, the first time for ever.

    So a test can kill the first worker in the middle of its work, and the second one
    finishes it.
    """
    note = Path(folder) / f"{os.getpid()}"
    is_first = not any(Path(folder).iterdir())
    note.touch()
    if is_first:
        time.sleep(600)
    return "done"
