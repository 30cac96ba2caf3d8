# SPDX-License-Identifier: BSD-3-Clause
"""Write replies of every kind and send, join, or drop them."""

from __future__ import annotations

import random

from fastredis._testing import memory
from fastredis._testing.writer import Blob, Out, Pool


def reply(out: Out, blob: Blob, rng: random.Random) -> None:
    mark = out.defer()
    for _ in range(rng.randrange(20)):
        out.bulk(b"x" * rng.choice([1, 100, 10_000, 40_000]))
        out.bulk_blob(blob)
        beside = out.apart()
        beside.bulk_blob(blob)
        if rng.random() < 0.5:
            out.join(beside)
    out.resolve(mark, "*", 7)
    out.error(b"ERR " + b"e" * 50_000)


def main() -> None:
    start = memory.used_memory()
    rng = random.Random(1)
    pool = Pool()
    blob = Blob(b"b" * 100_000)
    outs = [Out(pool, 2 + i % 2) for i in range(100)]
    for _ in range(300):
        out = rng.choice(outs)
        reply(out, blob, rng)
        out.consume(rng.randrange(out.pending))
        if rng.random() < 0.5:
            out.clear()
    assert pool.nblocks > 0
    assert blob.refs > 1
    for out in outs:
        out.consume(out.pending)
    assert pool.nblocks == 0, f"{pool.nblocks} blocks are left"
    assert blob.refs == 1, f"{blob.refs} references are left"
    for out in outs[:50]:
        reply(out, blob, rng)
    del out, outs
    assert (pool.nblocks, blob.refs) == (0, 1)
    del pool, blob
    left = memory.used_memory() - start
    assert left == 0, f"{left} bytes are left"


main()
