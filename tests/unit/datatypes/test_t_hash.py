# SPDX-License-Identifier: BSD-3-Clause
"""datatypes.t_hash against a dict: every encoding, expiries, the wheel, sampling."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fastredis._testing import keyspace
from fastredis._testing.t_hash import Hashes, used_memory
from support.seeds import seeds

K, OTHER = b"key", b"other"
LENGTHS = (0, 1, 3, 16, 63, 64, 127, 128, 255, 256, 1024, 1025, 5000)


class Model:
    """What a hash should hold: field -> (value, time or None)."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = hashes
        self.fields: dict[bytes, tuple[bytes, int | None]] = {}

    def live(self) -> dict[bytes, tuple[bytes, int | None]]:
        now = self.hashes.now_ms
        return {
            field: pair
            for field, pair in self.fields.items()
            if pair[1] is None or pair[1] > now
        }

    def compare(self) -> None:
        found = self.hashes.items(K)
        assert len(found) == len({field for field, _, _ in found})
        assert {f: (v, t) for f, v, t in found} == self.live()


def step(rng: random.Random, model: Model, names: list[bytes]) -> None:
    """Do one random thing to the hash and to the model, and compare the answers."""
    hashes, live, now = model.hashes, model.live(), model.hashes.now_ms
    field = rng.choice(names)
    kind = rng.random()
    if kind < 0.45:
        value = rng.choice(
            (b"%d" % rng.randrange(10**6), rng.randbytes(rng.choice(LENGTHS)))
        )
        keep = rng.random() < 0.3
        assert hashes.set(K, field, value, keep) == (field not in live)
        time = live[field][1] if keep and field in live else None
        model.fields[field] = (value, time)
    elif kind < 0.6:
        assert hashes.delete(K, field) == (field in model.fields)
        model.fields.pop(field, None)
    elif kind < 0.85 and field in live:
        when = rng.choice((None, now + 1, now + rng.randrange(1, 300), now + 10**6))
        hashes.set_expiry(K, field, when)
        model.fields[field] = (live[field][0], when)
    else:
        pair = live.get(field)
        assert hashes.get(K, field) == (pair and pair[0])
        assert hashes.expiry(K, field) == (pair and (pair[1] or 0))


@pytest.mark.parametrize("max_entries", [0, 8, 10_000])
@pytest.mark.parametrize("seed", seeds(3))
def test_like_a_dict(seed: int, max_entries: int) -> None:
    rng = random.Random(seed)
    hashes = Hashes(max_entries, max_value=rng.choice((64, 10**6)))
    model = Model(hashes)
    names = [b"%d" % n for n in range(8)] + [
        rng.randbytes(n) for n in (2, 127, 128, 300)
    ]
    for n in range(1500):
        step(rng, model, names)
        if n % 7 == 0:
            ms = rng.choice((0, 1, 16, 100))
            assert not hashes.advance(ms)
            if not ms:
                continue
            # what is due is gone, or will be within one tick of the wheel
            hashes.purge(K)
            model.fields = model.live()
        hashes.check(K)
        model.compare()
        about = hashes.describe(K)
        if about is not None:
            assert about["live"] == len(model.live())
        assert hashes.nsub() == any(t is not None for _, t in model.fields.values())


# --- Encodings ---------------------------------------------------------------------


def test_encodings_change_where_redis_changes_them() -> None:
    hashes = Hashes(max_entries=3, max_value=10)
    for n in range(3):
        hashes.set(K, b"f%d" % n, b"x" * 10)
    assert hashes.describe(K)["encoding"] == "listpack"  # type: ignore[index]
    hashes.set_expiry(K, b"f0", hashes.now_ms + 1000)
    assert hashes.describe(K)["encoding"] == "listpackex"  # type: ignore[index]
    hashes.set_expiry(K, b"f0", None)
    assert hashes.describe(K)["encoding"] == "listpackex"  # type: ignore[index]
    hashes.set_expiry(K, b"f1", hashes.now_ms + 1000)
    hashes.set(K, b"f3", b"")
    assert hashes.describe(K)["encoding"] == "hashtable"  # type: ignore[index]
    assert hashes.expiry(K, b"f1") == hashes.now_ms + 1000
    assert hashes.expiry(K, b"f0") == 0
    hashes.check(K)
    for field, value in ((b"f" * 11, b""), (b"f", b"v" * 11)):
        hashes.drop(K)
        hashes.set(K, b"a", b"1")
        hashes.set(K, field, value)
        assert hashes.describe(K)["encoding"] == "hashtable"  # type: ignore[index]
        assert dict(i[:2] for i in hashes.items(K)) == {b"a": b"1", field: value}


@pytest.mark.parametrize("before", LENGTHS)
@pytest.mark.parametrize("timed", [False, True])
def test_table_values_of_any_length_replace_each_other(
    before: int, timed: bool
) -> None:
    for field in (b"", b"f" * 127, b"f" * 128, b"f" * 256):
        hashes = Hashes(max_entries=0)
        for after in LENGTHS:
            hashes.set(K, field, b"b" * before)
            if timed:
                hashes.set_expiry(K, field, hashes.now_ms + 99)
            assert not hashes.set(K, field, b"a" * after, keep=True)
            assert hashes.get(K, field) == b"a" * after
            assert hashes.expiry(K, field) == (hashes.now_ms + 99 if timed else 0)
            hashes.check(K)


def test_slab_begins_and_ends_with_the_number_of_fields() -> None:
    rng = random.Random(5)
    hashes = Hashes()
    model: dict[bytes, bytes] = {}
    for n in range(6000):
        field = b"field:%d" % n
        model[field] = rng.randbytes(rng.choice((0, 5, 90, 110, 130, 2000)))
        hashes.set(K, field, model[field])
        if n % 3 == 0:
            hashes.set_expiry(K, field, hashes.now_ms + 1000 + n)
        assert hashes.describe(K)["has_slab"] == (n >= 4095)  # type: ignore[index]
    hashes.check(K)
    assert {f: v for f, v, _ in hashes.items(K)} == model
    for n in range(0, 6000, 5):
        field = b"field:%d" % n
        model[field] = rng.randbytes(rng.choice((0, 5, 90, 110, 130, 2000)))
        hashes.set(K, field, model[field], keep=True)
    hashes.check(K)
    hashes.copy(K, OTHER)
    for n in range(5900):
        hashes.delete(K, b"field:%d" % n)
    assert not hashes.describe(K)["has_slab"]  # type: ignore[index]
    hashes.check(K)
    hashes.check(OTHER)
    assert {f: v for f, v, _ in hashes.items(OTHER)} == model
    assert len(hashes.items(K)) == 100
    assert hashes.nsub() == 2


def test_memory_comes_back() -> None:
    hashes = Hashes()
    hashes.set(OTHER, b"a", b"b")
    before = used_memory()
    for n in range(10_000):
        hashes.set(K, b"f%d" % n, b"v" * (n % 1500))
        if n % 2:
            hashes.set_expiry(K, b"f%d" % n, hashes.now_ms + 5)
    about = hashes.describe(K)
    assert about is not None
    assert about["nbytes"] == pytest.approx(used_memory() - before, rel=0.02)
    assert about["sampled"] == pytest.approx(about["nbytes"], rel=0.8)
    hashes.drop(K)
    hashes.advance(1000)
    keyspace.lazy_wait()
    assert used_memory() == before
    assert not hashes.has_wheel()


def test_three_hundred_thousand_short_fields_take_fifty_bytes_each() -> None:
    hashes = Hashes()
    before = used_memory()
    for n in range(300_000):
        hashes.set(K, b"field:%010d" % n, b"value:%010d" % n)
    assert (used_memory() - before) / 300_000 < 50


# --- Expiry ------------------------------------------------------------------------


@pytest.mark.parametrize("max_entries", [0, 100])
def test_fields_vanish_within_two_ticks_of_their_time(max_entries: int) -> None:
    hashes = Hashes(max_entries)
    for n in range(50):
        hashes.set(K, b"%d" % n, b"v")
        hashes.set_expiry(K, b"%d" % n, hashes.now_ms + 10 * (n + 1))
    hashes.set(K, b"stays", b"v")
    start = hashes.now_ms
    while hashes.now_ms < start + 600:
        hashes.advance(16)
        late = [n for n in range(50) if start + 10 * (n + 1) + 32 <= hashes.now_ms]
        assert hashes.describe(K)["len"] <= 51 - len(late)  # type: ignore[index]
        hashes.check(K)
    assert [f for f, _, _ in hashes.items(K)] == [b"stays"]
    assert hashes.expired == 50
    assert hashes.nsub() == 0
    assert not hashes.has_wheel()


@pytest.mark.parametrize("max_entries", [0, 100])
def test_the_last_field_takes_the_key_along(max_entries: int) -> None:
    hashes = Hashes(max_entries)
    for n in range(3):
        hashes.set(K, b"%d" % n, b"v")
        hashes.set_expiry(K, b"%d" % n, hashes.now_ms + 20)
    hashes.advance(19)
    assert hashes.describe(K) is not None
    hashes.advance(32)
    assert hashes.describe(K) is None


def test_times_that_move_later_earlier_and_away() -> None:
    hashes = Hashes()
    for field in (b"a", b"b", b"c", b"d"):
        hashes.set(K, field, b"v")
        hashes.set_expiry(K, field, hashes.now_ms + 1000)
    hashes.set_expiry(K, b"a", hashes.now_ms + 5000)
    hashes.set_expiry(K, b"b", hashes.now_ms + 100)
    hashes.set_expiry(K, b"c", None)
    hashes.set(K, b"d", b"again")
    hashes.advance(150)
    assert hashes.get(K, b"b") is None
    hashes.advance(1000)
    assert sorted(f for f, _, _ in hashes.items(K)) == [b"a", b"c", b"d"]
    hashes.advance(4000)
    assert sorted(f for f, _, _ in hashes.items(K)) == [b"c", b"d"]
    hashes.check(K)


@pytest.mark.parametrize("max_entries", [0, 100])
def test_expiries_follow_the_key(max_entries: int) -> None:
    hashes = Hashes(max_entries)
    for n in range(5):
        hashes.set(K, b"%d" % n, b"v")
    hashes.set_expiry(K, b"0", hashes.now_ms + 100)
    hashes.copy(K, OTHER)
    hashes.copy(K, OTHER, db=1)
    assert (hashes.nsub(), hashes.nsub(1)) == (2, 1)
    hashes.rename(K, b"renamed")
    hashes.check()
    hashes.move(b"renamed")
    hashes.check()
    assert (hashes.nsub(), hashes.nsub(1)) == (1, 2)
    hashes.drop(OTHER)
    assert (hashes.nsub(), hashes.nsub(1)) == (0, 2)
    hashes.advance(150)
    for key in (b"renamed", OTHER):
        assert len(hashes.items(key, db=1)) == 4
        assert hashes.describe(key, db=1)["len"] == 4  # type: ignore[index]
    hashes.check()


def test_a_hash_of_which_much_is_due_is_done_in_steps() -> None:
    hashes = Hashes()
    for n in range(20_000):
        hashes.set(K, b"%d" % n, b"v")
        hashes.set_expiry(K, b"%d" % n, hashes.now_ms + 10)
    assert hashes.advance(50, max_ns=0)  # the wheel has handed the key out
    assert hashes.advance(0, max_ns=0)
    left = hashes.describe(K)
    assert left is not None
    assert 0 < left["len"] < 20_000
    assert left["live"] == 0
    assert hashes.items(K) == []
    hashes.check(K)
    while hashes.advance(0, max_ns=1):
        pass
    assert hashes.describe(K) is None
    hashes.check()


def test_stale_entries_of_the_wheel_do_not_pile_up() -> None:
    hashes = Hashes()
    before = used_memory()
    for n in range(50_000):
        hashes.set(K, b"f", b"v")
        hashes.set_expiry(K, b"f", hashes.now_ms + 10**9 - n)
    assert used_memory() - before < 300_000
    hashes.check(K)


def test_a_clock_that_jumps_back_loses_no_expiry() -> None:
    hashes = Hashes(now_ms=10**9)
    hashes.set(K, b"f", b"v")
    hashes.set(K, b"stays", b"v")
    hashes.set_expiry(K, b"f", 10**9 + 1000)
    hashes.advance(-5_000_000)
    for _ in range(4):
        hashes.advance(16)
    hashes.check(K)
    hashes.set_expiry(K, b"f", hashes.now_ms + 500)
    hashes.advance(600)
    assert [f for f, _, _ in hashes.items(K)] == [b"stays"]


# --- Random fields and scans -------------------------------------------------------


@pytest.mark.parametrize(("max_entries", "n"), [(100, 20), (0, 20), (0, 60)])
@pytest.mark.parametrize("has_expired", [False, True])
def test_random_fields_are_fair(max_entries: int, n: int, has_expired: bool) -> None:
    hashes = Hashes(max_entries)
    fields = {b"%d" % i for i in range(n)}
    for field in fields:
        hashes.set(K, field, b"v" + field)
    if has_expired:
        for i in range(7):
            hashes.set(K, b"gone%d" % i, b"")
            hashes.set_expiry(K, b"gone%d" % i, hashes.now_ms + 1)
        hashes.advance(5, expire=False)
    drawn = Counter(f for f, _, _ in hashes.draw(K, 200 * n))
    assert drawn.keys() == fields
    assert all(100 < count < 320 for count in drawn.values())
    for want in (1, n // 5, n // 2, n - 1):
        seen: Counter[bytes] = Counter()
        for _ in range(200):
            some = hashes.sample(K, want)
            assert len({f for f, _, _ in some}) == len(some) == want
            assert all(v == b"v" + f for f, v, _ in some)
            seen.update(f for f, _, _ in some)
        assert seen.keys() <= fields
        mean = 200 * want / n
        assert all(seen[f] < mean + 6 * mean**0.5 + 3 for f in fields)


def test_scan_shows_what_stays_from_begin_to_end() -> None:
    rng = random.Random(3)
    hashes = Hashes()
    stays = {b"s%d" % n for n in range(700)}
    for field in stays:
        hashes.set(K, field, b"")
    seen: set[bytes] = set()
    cursor, n = 0, 0
    while True:
        cursor, found = hashes.scan(K, cursor, rng.randrange(1, 30))
        seen.update(field for field, _, _ in found)
        if not cursor:
            break
        for _ in range(40):
            n += 1
            hashes.set(K, b"n%d" % n, b"")
        if n > 3000:
            for m in range(n - 3000, n - 2900):
                hashes.delete(K, b"n%d" % m)
    assert stays <= seen


def test_scan_of_a_listpack_is_one_step() -> None:
    hashes = Hashes()
    for n in range(8):
        hashes.set(K, b"%d" % n, b"")
    cursor, found = hashes.scan(K, 0, 1)
    assert (cursor, len(found)) == (0, 8)
