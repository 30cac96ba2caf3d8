# SPDX-License-Identifier: BSD-3-Clause
"""Progress on standard error: a bar on a terminal, one line per step elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import TextIO

_BAR: Final = 24
_REDRAW_S: Final = 0.2


class Progress:
    """Counts steps. On a terminal the last line is redrawn, at most 5 times a second.

    quiet: print nothing but warnings.
    """

    def __init__(
        self, steps: int, out: TextIO | None = None, *, quiet: bool = False
    ) -> None:
        self._out = sys.stderr if out is None else out
        self._bar = self._out.isatty() and not quiet
        self._quiet = quiet
        self._steps = max(steps, 1)
        self._done = 0
        self._doing = ""
        self._began = time.monotonic()
        self._drawn = 0.0

    def start(self, doing: str) -> None:
        """Say what is being done now."""
        self._doing = doing
        self._draw(always=True)

    def tick(self) -> None:
        """Redraw; to be called while something takes long."""
        self._draw()

    def finish(self, result: str) -> None:
        """Count the step as done and say what came of it."""
        self._done += 1
        if self._bar:
            self._draw(always=True)
        elif not self._quiet:
            place = f"[{self._done}/{self._steps}]"
            print(f"{place} {self._doing}: {result}", file=self._out, flush=True)

    def warn(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        print(f"warning: {text}", file=self._out, flush=True)
        self._draw(always=True)

    def close(self) -> None:
        """Remove the bar."""
        self._clear()
        self._bar = False

    def line(self, columns: int) -> str:
        """Return the bar as text of at most so many columns."""
        share = min(self._done / self._steps, 1.0)
        full = int(share * _BAR)
        bar = "#" * full + "." * (_BAR - full)
        passed = time.monotonic() - self._began
        left = ""
        if self._done:
            left = f", {_clock(passed / self._done * (self._steps - self._done))} left"
        text = (
            f"[{bar}] {self._done}/{self._steps} {_clock(passed)}{left} {self._doing}"
        )
        return text[: max(columns - 1, 1)]

    def _draw(self, *, always: bool = False) -> None:
        """Write the bar over the last one, unless that was only just done."""
        now = time.monotonic()
        if self._bar and (always or now - self._drawn >= _REDRAW_S):
            self._drawn = now
            columns = shutil.get_terminal_size().columns
            self._out.write("\r\x1b[K" + self.line(columns))
            self._out.flush()

    def _clear(self) -> None:
        """Empty the bar's line."""
        if self._bar:
            self._out.write("\r\x1b[K")
            self._out.flush()


def _clock(seconds: float) -> str:
    """Return a time span as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
