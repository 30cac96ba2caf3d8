# SPDX-License-Identifier: BSD-3-Clause
"""Grow a hash table and shrink it again, also with its size frozen in between."""

from __future__ import annotations

import random

from fastredis._testing import memory
from fastredis._testing.hashtable import Table

KEYS = 30_000


def main() -> None:
    start = memory.used_memory()
    table = Table()
    empty = memory.used_memory()
    keys = [b"%d" % i for i in range(KEYS)]
    rng = random.Random(1)
    for turn in range(6):
        half = len(keys) // 2
        table.insert_many(keys[:half])
        table.is_frozen = turn % 2 == 1
        table.insert_many(keys[half:])
        table.check()
        rng.shuffle(keys)
        for key in keys[:half]:
            assert table.remove(key)
        table.is_frozen = False
        for key in keys[half:]:
            assert table.remove(key)
        while table.nbuckets > 1:
            table.insert(b"x")
            assert table.remove(b"x")
        table.check()
        left = memory.used_memory() - empty
        # a second bucket, and the array of segments, which the allocator may not shrink
        assert left <= 64 + 64, f"turn {turn}: {left} bytes are left"
    table.insert_many(keys)
    del table
    left = memory.used_memory() - start
    assert left == 0, f"{left} bytes are left"


main()
