# SPDX-License-Identifier: BSD-3-Clause
"""Parse requests that are cut off, wrong, or given up half-way."""

from __future__ import annotations

import random

from fastredis._testing import memory
from fastredis._testing.parser import Parser


def main() -> None:
    start = memory.used_memory()
    rng = random.Random(1)
    ends = 0
    for _ in range(300):
        parser = Parser()
        n = rng.choice([3, 60, 70, 500])
        data = b"*%d\r\n" % n + b"$3\r\nabc\r\n" * n
        if rng.random() < 0.3:
            place = rng.randrange(len(data))
            data = data[:place] + b"?" + data[place:]
        while data and parser.error is None:
            size = rng.randrange(1, 400)
            ends += len(parser.feed(data[:size]))
            data = data[size:]
            if rng.random() < 0.05:
                break
        del parser
        left = memory.used_memory() - start
        assert left == 0, f"{left} bytes are left"
    assert ends > 50


main()
