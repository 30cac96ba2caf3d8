# SPDX-License-Identifier: BSD-3-Clause
"""How far a program is that reads a file, shown on a terminal."""

from __future__ import annotations

import os
import sys
import time
from typing import Final

_STDERR: Final = 2
_SECONDS: Final = 0.5  # between two figures
_WIDTH: Final = 30


class Progress:
    """A bar on standard error, unless that is no terminal."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._is_shown = os.isatty(_STDERR)
        self._next_at = time.monotonic() + _SECONDS

    def show(self, done: int) -> None:
        """Say that so much is done; that is shown now and then."""
        if not self._is_shown or time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _SECONDS
        bar = "#" * (_WIDTH * done // self._total)
        text = f"\r[{bar:<{_WIDTH}}] {100 * done / self._total:5.1f}%"
        print(text, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave nothing of it on the terminal."""
        if self._is_shown:
            print(f"\r{'':{_WIDTH + 10}}\r", end="", file=sys.stderr, flush=True)
