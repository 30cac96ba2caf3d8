# SPDX-License-Identifier: BSD-3-Clause
"""keyspace.db against a model, on a simulated clock; db_check walks the invariants.

The subtlest part is the wheel's rebuild: while an old wheel is drained into a new one,
keys get earlier and later times, lose them, and go. No expiry may be lost by that.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from fastredis._testing import memory
from fastredis._testing.keyspace import (
    INLINE_MAX,
    KEEP_TTL,
    NO_EXPIRE,
    NO_TTL,
    Keyspace,
    Pile,
)
from support.seeds import seeds

TICK_MS = 16
SECOND = 1000
DAY = 86_400 * SECOND
YEAR = 365 * DAY
NOW = 1_790_000_000_000
EXPIRE48_MAX = 2**48 - 2
STALE_MIN = 4096  # entries that are never too many
DRAIN_PER_TURN = 2048

Value = bytes | int | Pile


def shown(value: Value) -> bytes | int:
    """Return how the shim reads a value back."""
    if isinstance(value, Pile):
        return value.n
    return value if isinstance(value, bytes) else b"%d" % value


def full_cycle(ks: Keyspace, max_ns: int = 10**10) -> None:
    while ks.expire_cycle(max_ns):
        pass


def all_keys(ks: Keyspace, db: int) -> set[bytes]:
    """Return the keys that are there, expired or not."""
    found: list[bytes] = []
    cursor = 0
    while True:
        cursor, keys = ks.scan(db, cursor, all=True)
        found += keys
        if cursor == 0:
            assert len(found) == len(set(found))
            return set(found)


# --- Against a model ---------------------------------------------------------------


class Model:
    """A keyspace beside dicts of key to (value, expiry)."""

    def __init__(self, rng: random.Random, ndbs: int, keys: list[bytes]) -> None:
        self.rng = rng
        self.ks = Keyspace(ndbs, NOW)
        self.now = NOW
        self.keys = keys
        self.dbs: list[dict[bytes, tuple[bytes | int, int]]] = [{} for _ in range(ndbs)]
        self.was_late: set[tuple[int, bytes]] = set()

    def live(self, db: int, key: bytes) -> bool:
        if key not in self.dbs[db]:
            return False
        expire = self.dbs[db][key][1]
        return expire == NO_EXPIRE or expire > self.now

    def random_db(self) -> int:
        return self.rng.randrange(len(self.dbs))

    def random_key(self) -> bytes:
        return self.rng.choice(self.keys)

    def random_live(self, db: int) -> bytes | None:
        keys = [key for key in self.dbs[db] if self.live(db, key)]
        return self.rng.choice(keys) if keys else None

    def random_value(self) -> Value:
        rng = self.rng
        kind = rng.randrange(10)
        if kind == 0:
            return rng.choice([0, 1, -1, 2**63 - 1, -(2**63), rng.getrandbits(40)])
        if kind == 1:
            return b"%d" % rng.getrandbits(rng.choice([3, 30, 63]))
        if kind == 2:
            return rng.choice(
                [b"007", b"-0", b"+1", b"1.5", b"9" * 19, b"9" * 20, b" 1"]
            )
        if kind == 3:
            return Pile(rng.choice([0, 1, 5, 100]))
        if kind == 4:
            lengths = [254, 255, 256, 257, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1]
            return rng.randbytes(rng.choice([*lengths, 20_000]))
        return rng.randbytes(rng.randrange(50))

    def random_expire(self) -> int:
        rng = self.rng
        kind = rng.randrange(8)
        if kind == 0:
            return self.now - rng.randrange(5 * SECOND)
        if kind == 1:
            return rng.choice([EXPIRE48_MAX, EXPIRE48_MAX + 1, 2**48, 2**63 - 1])
        if kind == 2:
            return self.now + rng.randrange(3 * YEAR)
        return self.now + int(10 ** rng.uniform(0, 6))

    # --- Steps

    def set(self) -> None:
        db, key, value = self.random_db(), self.random_key(), self.random_value()
        expire = self.rng.choice([NO_TTL, NO_TTL, KEEP_TTL, self.random_expire()])
        is_blob = isinstance(value, bytes) and self.rng.random() < 0.2
        self.ks.set(db, key, value, expire, blob=is_blob)
        if expire == KEEP_TTL:
            expire = self.dbs[db][key][1] if self.live(db, key) else NO_EXPIRE
        self.dbs[db][key] = shown(value), expire
        described = self.ks.describe(db, key)
        if self.live(db, key):
            assert described is not None
            if isinstance(value, bytes) and value == b"007":
                assert described["encoding"] != "int"
            if isinstance(value, int):
                assert described["encoding"] == "int"

    def delete(self) -> None:
        db, key = self.random_db(), self.random_key()
        was_live = self.live(db, key)
        done = self.ks.delete if self.rng.random() < 0.5 else self.ks.unlink
        assert done(db, key) == was_live
        self.dbs[db].pop(key, None)

    def expire(self) -> None:
        db = self.random_db()
        key = self.random_live(db)
        if key is not None:
            expire = self.random_expire()
            self.ks.expire(db, key, expire)
            self.dbs[db][key] = self.dbs[db][key][0], expire

    def persist(self) -> None:
        db = self.random_db()
        key = self.random_live(db)
        if key is not None:
            value, expire = self.dbs[db][key]
            assert self.ks.persist(db, key) == (expire != NO_EXPIRE)
            self.dbs[db][key] = value, NO_EXPIRE

    def rename(self) -> None:
        db, target = self.random_db(), self.random_key()
        key = self.random_live(db)
        if key is not None and key != target:
            self.ks.rename(db, key, target)
            self.dbs[db][target] = self.dbs[db].pop(key)

    def move(self) -> None:
        db, target = self.random_db(), self.random_db()
        key = self.random_live(db)
        if key is not None and db != target:
            self.ks.move(db, key, target)
            self.dbs[target][key] = self.dbs[db].pop(key)

    def copy(self) -> None:
        db, target_db = self.random_db(), self.random_db()
        key, target = self.random_live(db), self.random_key()
        if key is not None and (db, key) != (target_db, target):
            self.ks.copy(db, key, target_db, target)
            self.dbs[target_db][target] = self.dbs[db][key]

    def swap(self) -> None:
        a, b = self.random_db(), self.random_db()
        self.ks.swap(a, b)
        self.dbs[a], self.dbs[b] = self.dbs[b], self.dbs[a]

    def flush(self) -> None:
        if self.rng.random() < 0.1:
            db = self.random_db()
            there = all_keys(self.ks, db)
            assert self.ks.flush(db, self.rng.random() < 0.5) == len(there)
            self.dbs[db].clear()

    def tick(self) -> None:
        if self.rng.random() < 0.05:
            self.now -= self.rng.choice([SECOND // 2, 5 * SECOND, DAY])
        else:
            self.now += int(10 ** self.rng.uniform(0, 5))
        self.ks.now_ms = self.now

    def cycle(self) -> None:
        """Delete what is due, by as little at a time as there is, or all at once."""
        for _ in range(3):
            # an old wheel that the clock is not in reach of is drained by the turn
            full_cycle(self.ks, self.rng.choice([0, 10**9]))
        for db, model in enumerate(self.dbs):
            for key in all_keys(self.ks, db):
                expire = model[key][1]
                # past when it was set: goes with the next tick
                if expire == NO_EXPIRE or expire > self.now - TICK_MS:
                    self.was_late.discard((db, key))
                else:
                    self.was_late.add((db, key))
        if self.was_late:
            self.now += 2 * SECOND  # as the clock may have gone back by that much
            self.ks.now_ms = self.now
            full_cycle(self.ks)
            for db, key in self.was_late:
                assert key not in all_keys(self.ks, db)
            self.was_late.clear()

    # --- Checks

    def look(self) -> None:
        db, key = self.random_db(), self.random_key()
        expected = self.dbs[db][key] if self.live(db, key) else None
        how = self.rng.choice(["peek", "read", "write"])
        value = self.ks.get(db, key, how)
        assert value == (None if expected is None else expected[0])
        expire = self.ks.expire_ms(db, key)
        assert expire == (None if expected is None else expected[1])
        if expected is None:
            # whoever looks for an expired key deletes it
            self.dbs[db].pop(key, None)
            assert key not in all_keys(self.ks, db)

    def check(self) -> None:
        self.ks.check()
        for db, model in enumerate(self.dbs):
            live = {key for key in model if self.live(db, key)}
            there = all_keys(self.ks, db)
            assert live <= there <= set(model)
            assert set(self.ks.walk(db)) == live
            assert self.ks.size(db) == len(there)
            n = sum(model[key][1] != NO_EXPIRE for key in there)
            assert self.ks.info(db)["nexpires"] == n
            for key in set(model) - there:
                del model[key]


def odd_keys() -> list[bytes]:
    lengths = [0, 1, 16, 17, 254, 255, 256, 300, 2000]
    return [b"k" * n for n in lengths] + [b"key:%d" % i for i in range(30)]


@pytest.mark.parametrize("seed", seeds(12))
def test_random_operations(seed: int) -> None:
    rng = random.Random(seed)
    used = memory.used_memory()
    model = Model(rng, 3, odd_keys())
    model.ks.configure(lazy_expire=rng.random() < 0.5)
    steps: list[Callable[[], None]] = [
        *[model.set] * 5,
        *[model.look] * 3,
        model.delete,
        *[model.expire] * 3,
        model.persist,
        model.rename,
        model.move,
        model.copy,
        model.swap,
        model.flush,
        model.tick,
        model.cycle,
    ]
    for _ in range(1500):
        rng.choice(steps)()
        model.check()
    del model, steps
    from fastredis._testing import keyspace

    keyspace.lazy_wait()
    assert memory.used_memory() == used


# --- Values ------------------------------------------------------------------------


@pytest.mark.parametrize("first", [b"1", b"a", 5, b"x" * 255, b"x" * 256, b"y" * 2000])
@pytest.mark.parametrize("key_len", [3, 255, 256])
def test_set_over_each_kind_of_value(first: Value, key_len: int) -> None:
    sizes = [0, 1, 30, 254, 255, 256, 257, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1]
    values: list[Value] = [*(b"z" * n for n in sizes), 7, b"77", Pile(3)]
    key = b"k" * key_len
    for expire in (NO_EXPIRE, NOW + 1, 2**50):
        for value in values:
            for is_blob in (False, True):
                ks = Keyspace(1, NOW)
                ks.set(0, key, first, expire, blob=isinstance(first, bytes) and is_blob)
                ks.set(
                    0, key, value, KEEP_TTL, blob=isinstance(value, bytes) and is_blob
                )
                assert ks.get(0, key) == shown(value)
                assert ks.expire_ms(0, key) == expire
                ks.set(0, key, first)
                assert ks.get(0, key) == shown(first)
                assert ks.expire_ms(0, key) == NO_EXPIRE
                ks.check()


@pytest.mark.parametrize(
    ("value", "encoding"),
    [
        (b"0", "int"),
        (b"-1", "int"),
        (b"9223372036854775807", "int"),
        (b"-9223372036854775808", "int"),
        (b"9223372036854775808", "embstr"),
        (b"01", "embstr"),
        (b"-0", "embstr"),
        (b"1 ", "embstr"),
        (b"", "embstr"),
        (b"x" * 44, "embstr"),
        (b"x" * 45, "raw"),
        (b"1" * 45, "raw"),
        (b"x" * 3000, "raw"),
    ],
)
def test_encoding_of_what_is_set(value: bytes, encoding: str) -> None:
    ks = Keyspace(1, NOW)
    for before in (None, b"text", b"5", b"x" * 2000, Pile(1)):
        if before is not None:
            ks.set(0, b"key", before)
        ks.set(0, b"key", value)
        described = ks.describe(0, b"key")
        assert described is not None
        assert (described["value"], described["encoding"]) == (value, encoding)


def test_blob_is_raw_until_it_is_set_anew() -> None:
    ks = Keyspace(1, NOW)
    ks.set(0, b"key", b"ab", blob=True)
    described = ks.describe(0, b"key")
    assert described is not None
    assert described["encoding"] == "raw"
    ks.copy(0, b"key", 0, b"copy")
    described = ks.describe(0, b"copy")
    assert described is not None
    assert described["encoding"] == "raw"
    ks.set(0, b"key", b"ab")
    described = ks.describe(0, b"key")
    assert described is not None
    assert described["encoding"] == "embstr"


# --- Reading -----------------------------------------------------------------------


def test_counts_and_touches() -> None:
    ks = Keyspace(1, NOW)
    ks.set(0, b"key", b"value", NOW + 3600 * SECOND)

    def lru() -> int:
        described = ks.describe(0, b"key")
        assert described is not None
        return int(described["lru"])

    start = (NOW // 1000) & 0xFFFFFF
    assert lru() == start
    ks.now_ms = NOW + 10 * SECOND
    ks.get(0, b"key")
    assert lru() == start
    assert ks.counters()["hits"] == ks.counters()["misses"] == 0
    ks.get(0, b"key", "write")
    assert lru() == start + 10
    assert ks.counters()["hits"] == 0
    ks.now_ms = NOW + 20 * SECOND
    ks.get(0, b"key", "read")
    ks.get(0, b"none", "read")
    assert lru() == start + 20
    assert (ks.counters()["hits"], ks.counters()["misses"]) == (1, 1)
    ks.configure(no_touch=True)
    ks.now_ms = NOW + 30 * SECOND
    ks.get(0, b"key", "read")
    ks.get(0, b"key", "write")
    assert lru() == start + 20
    ks.configure(no_touch=False)
    ks.rename(0, b"key", b"other")
    ks.rename(0, b"other", b"key")
    assert lru() == start + 20
    ks.copy(0, b"key", 0, b"copy")
    described = ks.describe(0, b"copy")
    assert described is not None
    assert described["lru"] == start + 30
    ks.now_ms = NOW + 7200 * SECOND
    ks.get(0, b"key", "read")
    counters = ks.counters()
    assert (counters["hits"], counters["misses"]) == (2, 2)
    assert (counters["expired"], counters["expired_active"]) == (1, 0)


def test_random_key_leaves_out_and_deletes_expired_ones() -> None:
    ks = Keyspace(1, NOW)
    assert ks.random(0) is None
    for i in range(300):
        ks.set(0, b"%d" % i, b"v", NOW + 10 if i % 3 else NO_TTL)
    ks.now_ms += 20
    live = {b"%d" % i for i in range(0, 300, 3)}
    assert {ks.random(0) for _ in range(3000)} == live
    assert ks.size(0) == 100
    for key in live:
        ks.expire(0, key, NOW + 30)
    ks.now_ms += 20
    assert ks.random(0) is None
    assert ks.size(0) == 0
    ks.check()


def test_scan_leaves_out_expired_keys() -> None:
    ks = Keyspace(1, NOW)
    for i in range(500):
        ks.set(0, b"%d" % i, b"v", NOW + 10 if i % 2 else NO_TTL)
    ks.now_ms += 20
    found, cursor = [], 0
    while True:
        cursor, keys = ks.scan(0, cursor)
        found += keys
        if cursor == 0:
            break
    assert sorted(found) == sorted(b"%d" % i for i in range(0, 500, 2))
    assert len(all_keys(ks, 0)) == 500


def test_average_lifetime() -> None:
    ks = Keyspace(1, NOW)
    assert ks.avg_ttl(0) == 0
    ks.set(0, b"key", b"v", NOW + 1000)
    assert ks.avg_ttl(0) == 1000
    for i in range(1000):
        ks.set(0, b"%d" % i, b"v", NOW + 1000 + 2 * i)
    assert 1500 < ks.avg_ttl(0) < 2500
    ks.now_ms += DAY
    assert ks.avg_ttl(0) == 0


# --- Expiry ------------------------------------------------------------------------


@pytest.mark.parametrize("max_ns", [0, 10**10])
@pytest.mark.parametrize("n", [1, 300, 20_000])
def test_cycle_deletes_just_what_is_due(n: int, max_ns: int) -> None:
    ks = Keyspace(1, NOW)
    rng = random.Random(n)
    expires = {b"%d" % i: NOW + rng.randrange(1, 10 * SECOND) for i in range(n)}
    for key, expire in expires.items():
        ks.set(0, key, b"v", expire)
        ks.set(0, b"stays:" + key, b"v")
    now = NOW
    while now < NOW + 11 * SECOND:
        now += rng.choice([1, 100, 1000])
        ks.now_ms = now
        full_cycle(ks, max_ns)
        there = {key for key in all_keys(ks, 0) if not key.startswith(b"stays")}
        assert {key for key, when in expires.items() if when > now} <= there
        assert all(expires[key] > now - TICK_MS for key in there)
    ks.check()
    assert ks.size(0) == n
    assert ks.counters()["expired_active"] == n
    assert not ks.has_expires()


def test_cycle_ends_when_its_time_is_up() -> None:
    ks = Keyspace(1, NOW)
    for i in range(10_000):
        ks.set(0, b"%d" % i, b"v", NOW + 100)
    ks.now_ms += SECOND
    assert ks.expire_cycle(0)
    assert 10_000 - 256 <= ks.size(0) < 10_000
    full_cycle(ks, 0)
    assert ks.size(0) == 0


def test_databases_take_turns() -> None:
    """Many keys due in one database do not keep another's waiting."""
    ks = Keyspace(4, NOW)
    for i in range(20_000):
        ks.set(0, b"%d" % i, b"v", NOW + 100)
    for db in (1, 2, 3):
        ks.set(db, b"key", b"v", NOW + 100)
    ks.now_ms += SECOND
    for _ in range(4):
        assert ks.expire_cycle(0)
    assert ks.size(0) > 10_000
    assert [ks.size(db) for db in (1, 2, 3)] == [0, 0, 0]


def test_inactive_cycle_leaves_keys_to_readers() -> None:
    ks = Keyspace(1, NOW)
    ks.configure(active_expire=False)
    for i in range(100):
        ks.set(0, b"%d" % i, b"v", NOW + 100)
    ks.now_ms += SECOND
    assert not ks.expire_cycle()
    assert ks.size(0) == 100
    assert ks.get(0, b"5") is None
    assert ks.size(0) == 99
    ks.configure(active_expire=True)
    full_cycle(ks)
    assert ks.size(0) == 0


@pytest.mark.parametrize("expire", [EXPIRE48_MAX, EXPIRE48_MAX + 1, 2**48, 2**62])
def test_times_of_both_widths_stay(expire: int) -> None:
    ks = Keyspace(1, NOW)
    ks.set(0, b"key", b"value", expire)
    for step in range(10):
        ks.now_ms = NOW + step * 300 * DAY
        full_cycle(ks)
        full_cycle(ks)
    assert ks.expire_ms(0, b"key") == expire
    ks.expire(0, b"key", ks.now_ms + 100)
    ks.now_ms += 200
    full_cycle(ks)
    assert ks.size(0) == 0


def test_lifetime_beyond_the_wheel() -> None:
    """More than the wheel's reach of 2.2 years: gone when its time has come."""
    ks = Keyspace(1, NOW)
    when = {b"%d" % years: NOW + years * YEAR for years in range(1, 8)}
    for key, expire in when.items():
        ks.set(0, key, b"v", expire)
    now = NOW
    while now < NOW + 8 * YEAR:
        now += 25 * DAY
        ks.now_ms = now
        for _ in range(3):  # the wheel asks for a rebuild, is drained, and goes on
            full_cycle(ks)
            ks.now_ms = now = now + TICK_MS
        assert all_keys(ks, 0) == {key for key, expire in when.items() if expire > now}
        ks.check()


def test_later_times_leave_one_entry() -> None:
    """A session refreshed with every request costs no entry each time."""
    ks = Keyspace(1, NOW)
    ks.set(0, b"key", b"v", NOW + 1000)
    for step in range(10_000):
        ks.expire(0, b"key", NOW + 1000 + step * 100)
    assert ks.info(0)["wheel"] == 1
    now = NOW
    fired = 0
    while ks.size(0):
        now += 500
        ks.now_ms = now
        full_cycle(ks)
        assert ks.info(0)["wheel"] <= 1
        fired += 1
    assert now >= NOW + 1000 + 9999 * 100
    assert now < NOW + 1000 + 10_000 * 100 + 1000


def test_stale_entry_is_dropped_when_it_fires() -> None:
    ks = Keyspace(1, NOW)
    ks.set(0, b"key", b"v", NOW + 1000)
    ks.expire(0, b"key", NOW + 5000)  # later: the entry lags behind
    ks.expire(0, b"key", NOW + 3000)  # earlier: another entry, the first is stale
    assert ks.info(0)["wheel"] == 2
    ks.now_ms = NOW + 1100
    full_cycle(ks)
    assert ks.info(0)["wheel"] == 1
    ks.now_ms = NOW + 3100
    full_cycle(ks)
    assert ks.size(0) == 0


@pytest.mark.parametrize("is_forward", [True, False])
def test_clock_that_jumps(is_forward: bool) -> None:
    ks = Keyspace(2, NOW)
    rng = random.Random(6)
    when = {b"%d" % i: NOW + rng.randrange(5 * DAY) for i in range(6000)}
    for key, expire in when.items():
        ks.set(0, key, b"v", expire)
    ks.now_ms = NOW + DAY
    full_cycle(ks)
    gone = {key for key, expire in when.items() if expire <= NOW + DAY - TICK_MS}
    assert not gone & all_keys(ks, 0)
    now = NOW + 2 * YEAR if is_forward else NOW - 30 * DAY
    ks.now_ms = now
    late = {key for key in all_keys(ks, 0) if when[key] <= now}
    turns = 0
    while ks.info(0)["is_draining"] or turns < 1:
        full_cycle(ks)
        ks.check()
        turns += 1
    assert turns <= 6000 // DRAIN_PER_TURN + 2
    ks.now_ms = now = now + TICK_MS
    full_cycle(ks)
    assert not late & all_keys(ks, 0)
    while ks.size(0):
        ks.now_ms = now = now + DAY // 7
        full_cycle(ks)
        assert all(when[key] > now - TICK_MS for key in all_keys(ks, 0))
        assert {key for key in when if when[key] > now} - gone <= all_keys(ks, 0)


def test_keys_of_one_hash_expire() -> None:
    """Keys that the wheel cannot tell apart; who knows the secret can make them."""
    secret = memory.hash_seed()[2].to_bytes(8, "little")
    ks = Keyspace(1, NOW)
    for i in range(100):
        ks.set(0, secret + i.to_bytes(8, "little"), b"v", NOW + 100)
    ks.now_ms += 200
    full_cycle(ks)
    assert ks.size(0) == 0


# --- Stale entries and the rebuild ---------------------------------------------------


class Hammer:
    """Keys whose times change all the time, so that the wheel is rebuilt again."""

    def __init__(self, seed: int, nkeys: int) -> None:
        self.rng = random.Random(seed)
        self.ks = Keyspace(1, NOW)
        self.now = NOW
        self.keys = [b"key:%d" % i for i in range(nkeys)]
        self.when: dict[bytes, int] = {}
        self.changed_in_drain = 0
        self.generation = 0
        self.rebuilds = 0

    def put(self, key: bytes, when: int) -> None:
        if key in self.when and self.rng.random() < 0.7:
            self.ks.expire(0, key, when)
        else:
            self.ks.set(0, key, b"value", when)
        self.when[key] = when

    def step(self) -> None:
        rng, key = self.rng, self.rng.choice(self.keys)
        before = self.when.get(key, NO_EXPIRE)
        action = rng.randrange(12)
        far = int(10 ** rng.uniform(2.5, 7))
        if key in self.when and before != NO_EXPIRE and action < 5:
            if action < 3 and before - self.now > 200:
                self.put(key, rng.randrange(self.now + 100, before))  # earlier
            else:
                self.put(key, before + far)  # later
        elif key in self.when and action == 5:
            self.ks.persist(0, key)
            self.when[key] = NO_EXPIRE
        elif key in self.when and action == 6:
            other = rng.choice(self.keys)
            if other != key:
                self.ks.rename(0, key, other)
                self.when[other] = self.when.pop(key)
        elif key in self.when and action == 7:
            assert self.ks.delete(0, key)
            del self.when[key]
        else:
            if key in self.when and rng.random() < 0.5:
                assert self.ks.delete(0, key)
                del self.when[key]
            wide = rng.random() < 0.01
            self.put(key, 2**48 + self.now if wide else self.now + far)
        info = self.ks.info(0)
        self.changed_in_drain += info["is_draining"]
        self.rebuilds += info["generation"] != self.generation
        self.generation = info["generation"]

    def turn(self, ms: int) -> None:
        self.now += ms
        self.ks.now_ms = self.now
        full_cycle(self.ks, self.rng.choice([0, 10**10]))
        info = self.ks.info(0)
        there = all_keys(self.ks, 0)
        for key, when in list(self.when.items()):
            if when != NO_EXPIRE and when <= self.now:
                assert key not in there or when > self.now - TICK_MS, "not deleted"
                del self.when[key]
            else:
                assert key in there, "deleted early"
        bound = STALE_MIN + 2.5 * (len(self.keys) + 1) + 16
        assert info["wheel"] + info["draining"] <= bound


@pytest.mark.parametrize("seed", seeds(6))
@pytest.mark.parametrize("nkeys", [30, 1000, 4000])
def test_rebuild_loses_no_expiry(seed: int, nkeys: int) -> None:
    hammer = Hammer(seed * 10 + nkeys, nkeys)
    rng = hammer.rng
    for _ in range(60):
        for _ in range(rng.choice([10, 100, 1000])):
            hammer.step()
        if rng.random() < 0.7:
            hammer.turn(int(10 ** rng.uniform(0, 4)))
            hammer.ks.check()
    # now nothing more is set: all of them go, each in its time
    for key in list(hammer.when):
        if hammer.when[key] == NO_EXPIRE or hammer.when[key] > NOW + YEAR:
            hammer.put(key, hammer.now + rng.randrange(10**6))
    while hammer.when:
        hammer.turn(max(20, (max(hammer.when.values()) - hammer.now) // 20))
        hammer.ks.check()
    hammer.turn(TICK_MS)
    assert hammer.ks.size(0) == 0
    assert not hammer.ks.has_expires()


@pytest.mark.parametrize("nkeys", [5, 300, 2000])
def test_rebuild_again_and_again(nkeys: int) -> None:
    """One rebuild after the other, most of the changes while an old wheel drains."""
    hammer = Hammer(nkeys, nkeys)
    for _ in range(150):
        for _ in range(400):
            hammer.step()
        # little time: the drain is driven by what is added
        hammer.turn(hammer.rng.choice([1, 20, 300]))
    hammer.ks.check()
    assert hammer.rebuilds >= 3
    assert hammer.changed_in_drain > 2000


def test_stale_entries_are_bounded_and_drained() -> None:
    """Keys deleted and set again, which leave an entry each time."""
    ks = Keyspace(1, NOW)
    n = 500
    most = 0
    for turn in range(60):
        for i in range(n):
            ks.set(0, b"%d" % i, b"v", NOW + 100 * DAY)
            info = ks.info(0)
            most = max(most, info["wheel"] + info["draining"])
            if i % 2 or turn % 2:
                ks.delete(0, b"%d" % i)
    assert STALE_MIN < most < STALE_MIN + 2.25 * (n + 1) + 8
    ks.check()
    # all that is left is stale: the cycle clears it away, though it is due in 100 days
    for i in range(n):
        ks.delete(0, b"%d" % i)
    for _ in range(10):
        full_cycle(ks)
    assert not ks.has_expires()


def test_entries_of_deleted_keys_do_not_wait_for_their_time() -> None:
    ks = Keyspace(1, NOW)
    n = 30_000
    for i in range(n):
        ks.set(0, b"%d" % i, b"v", NOW + 100 * DAY + i)
    for i in range(100, n):
        assert ks.delete(0, b"%d" % i)
    turns = 0
    while ks.info(0)["wheel"] + ks.info(0)["draining"] > STALE_MIN + 2 * 101:
        full_cycle(ks)
        turns += 1
        assert turns < 2 + n / DRAIN_PER_TURN
    full_cycle(ks)
    full_cycle(ks)
    assert ks.info(0)["wheel"] == 100
    ks.check()
    ks.now_ms = NOW + 101 * DAY
    full_cycle(ks)
    assert ks.size(0) == 0


def test_rebuild_goes_on_without_the_cycle() -> None:
    """Each entry added pays for four of the old wheel."""
    ks = Keyspace(1, NOW)
    ks.configure(active_expire=False)
    seen = 0
    for i in range(40_000):
        ks.set(0, b"%d" % (i % 100), b"v", NOW + DAY + i)
        ks.delete(0, b"%d" % (i % 100))
        info = ks.info(0)
        seen += info["is_draining"]
        assert info["wheel"] + info["draining"] < STALE_MIN + 300
    assert 1000 < seen < 39_000


def test_wheel_takes_few_bytes_for_a_key() -> None:
    ks = Keyspace(1, NOW)
    rng = random.Random(4)
    n = 100_000
    for i in range(n):
        ks.set(0, b"%016d" % i, b"abc", NOW + rng.randrange(1, DAY))
    assert ks.info(0)["wheel_nbytes"] / n < 10
