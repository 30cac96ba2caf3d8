# SPDX-License-Identifier: BSD-3-Clause
"""LOLWUT: a picture, different each time, and the server's version below it.

The picture is a row of hills by night, drawn in characters: each ridge is a sum of a
few waves, and the nearer ones hide the farther. VERSION chooses the picture for older
versions: those below 6 get a field of squares that fall into disorder.
"""

from __future__ import annotations

import math
import random
from typing import Any, Final

from fastredis.engine.python_args import integer
from fastredis.resp.values import Verbatim

_ROWS: Final = 16
_COLUMNS: Final = 66
_COLUMNS_MAX: Final = 1000
_ROWS_MAX: Final = 200
_RIDGES: Final = ".:*#"  # from the far to the near


def lolwut(ctx: Any, *args: bytes) -> Verbatim:
    """Return the picture and the version.

    Raises: ReplyError for a number that is none.
    """
    from fastredis import __version__
    from fastredis.config.spec import REDIS_VERSION

    numbers = list(args)
    version = 8
    if len(numbers) >= 2 and numbers[0].lower() == b"version":
        version = integer(numbers[1])
        del numbers[:2]
    sizes = [integer(number) for number in numbers[:2]]
    columns = min(max(sizes[0], 1), _COLUMNS_MAX) if sizes else _COLUMNS
    rows = min(max(sizes[1], 1), _ROWS_MAX) if len(sizes) > 1 else _ROWS
    draw = _squares if version < 6 else _hills
    picture = "\n".join(line.rstrip() for line in draw(columns, rows))
    return Verbatim(
        f"{picture}\n\nRedis ver. {REDIS_VERSION} (fastredis {__version__})\n"
    )


def _hills(columns: int, rows: int) -> list[str]:
    """Draw ridges of hills under a few stars."""
    chance = random.Random()
    sky = [
        ["'" if chance.random() < 0.02 else " " for _ in range(columns)]
        for _ in range(rows)
    ]
    for depth, ink in enumerate(_RIDGES):
        waves = [
            (chance.uniform(0.02, 0.25), chance.uniform(0, 6.3), chance.uniform(0.5, 2))
            for _ in range(3)
        ]
        base = rows * (0.75 - 0.18 * depth)
        for x in range(columns):
            height = base + sum(a * math.sin(f * x + p) for f, p, a in waves)
            for y in range(max(0, rows - round(height)), rows):
                sky[y][x] = ink
    return ["".join(row) for row in sky]


def _squares(columns: int, rows: int) -> list[str]:
    """Draw a grid whose order is lost from top to bottom."""
    chance = random.Random()
    lines = []
    for y in range(rows):
        disorder = y / rows
        lines.append(
            "".join(
                chance.choice("/\\_| ") if chance.random() < disorder else "[]"[x % 2]
                for x in range(columns)
            )
        )
    return lines
