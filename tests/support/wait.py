# SPDX-License-Identifier: BSD-3-Clause
"""Wait for a condition instead of sleeping and hoping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout: float = 5.0,
    *,
    interval: float = 0.005,
    message: str | Callable[[], str] = "",
) -> T:
    """Call condition until its result is true, and return that result.

    timeout and interval are in seconds; the pause grows from interval to twenty
    times as much. The condition is always tried once more after the time is over.

    Raises: AssertionError with the message when it never was true.
    """
    deadline = time.monotonic() + timeout
    pause = interval
    while True:
        late = time.monotonic() >= deadline
        result = condition()
        if result:
            return result
        if late:
            text = message() if callable(message) else message
            name = getattr(condition, "__name__", "condition")
            raise AssertionError(text or f"{name} not true within {timeout} s")
        time.sleep(pause)
        pause = min(pause * 1.5, interval * 20)
