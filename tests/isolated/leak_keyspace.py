# SPDX-License-Identifier: BSD-3-Clause
"""Fill databases with keys of every kind and empty them in every way."""

from __future__ import annotations

import random

from fastredis._testing import keyspace, memory
from fastredis._testing.keyspace import Keyspace, Pile

ROUNDS = 4
KEYS = 20_000
NOW = 1_790_000_000_000


def fill(ks: Keyspace, rng: random.Random) -> None:
    for i in range(KEYS):
        value: bytes | int | Pile = rng.randbytes(rng.choice([3, 40, 300, 2000]))
        if i % 5 == 0:
            value = rng.choice([i, Pile(i % 100)])
        expire = NOW + rng.randrange(1, 10**6) if i % 2 else keyspace.NO_TTL
        blob = isinstance(value, bytes) and i % 7 == 0
        ks.set(i % 2, b"key:%d" % i, value, expire, blob=blob)
        if i % 3 == 0:
            ks.copy(i % 2, b"key:%d" % i, 1 - i % 2, b"copy:%d" % i)
        if i % 11 == 0:
            ks.rename(i % 2, b"key:%d" % i, b"renamed:%d" % (i % 1000))


def empty(ks: Keyspace, how: int) -> None:
    if how == 0:
        ks.flush(0)
        ks.flush(1)
    elif how == 1:
        ks.flush(0, is_async=True)
        ks.flush(1, is_async=True)
    elif how == 2:
        for db in (0, 1):
            for n, key in enumerate(ks.walk(db)):
                assert (ks.delete if n % 2 else ks.unlink)(db, key)
        while ks.has_expires():
            ks.expire_cycle()
    else:
        for db in (0, 1):
            for key in ks.walk(db):
                ks.expire(db, key, NOW + 1000)
        ks.now_ms = NOW + 2000
        while ks.has_expires():
            ks.expire_cycle()
    keyspace.lazy_wait()
    assert ks.size(0) == ks.size(1) == 0
    ks.check()


def main() -> None:
    start = memory.used_memory()
    ks = Keyspace(2, NOW)
    empty_table = memory.used_memory()
    for how in range(ROUNDS):
        ks.now_ms = NOW
        fill(ks, random.Random(how))
        assert memory.used_memory() > empty_table + KEYS * 100
        empty(ks, how)
        left = memory.used_memory() - empty_table
        # tables that were emptied key by key keep room for two buckets
        assert left <= 2 * (64 + 64), f"round {how}: {left} bytes are left"
    ks.now_ms = NOW
    fill(ks, random.Random(9))
    del ks
    keyspace.lazy_wait()
    left = memory.used_memory() - start
    assert left == 0, f"{left} bytes are left"


main()
