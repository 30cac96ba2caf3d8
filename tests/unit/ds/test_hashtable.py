# SPDX-License-Identifier: BSD-3-Clause
"""ds.hashtable against a dict; its invariants are walked (ht_check) all along."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable

import pytest

from fastredis._testing import memory
from fastredis._testing.hashtable import BUCKET_ENTRIES, SEGMENT_BUCKETS, Table
from support.seeds import seeds

ENTRY_BYTES_MAX = 12  # what a table takes for an entry, beyond a last segment
SEGMENT_BYTES = SEGMENT_BUCKETS * 64


def keys_of_length(rng: random.Random, n: int) -> list[bytes]:
    """Return n different keys of the lengths in which keys are compared and hashed."""
    found: set[bytes] = set()
    while len(found) < n:
        found.add(rng.randbytes(rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33])))
    return sorted(found)


def colliding(n: int) -> list[bytes]:
    """Return n keys with the same hash, which only who knows the secret can make.

    In a hash of 16 bytes the first word is xored with a word of the secret and then is
    a factor: where both are the same, the second word does not matter.
    """
    secret = memory.hash_seed()[2].to_bytes(8, "little")
    made = [secret + i.to_bytes(8, "little") for i in range(n)]
    assert len({memory.hash_bytes(key) for key in made}) == 1
    return made


def full_scan(table: Table) -> Counter[bytes]:
    seen: Counter[bytes] = Counter()
    cursor = 0
    while True:
        cursor, keys = table.scan(cursor)
        seen.update(keys)
        if cursor == 0:
            return seen


def assert_same(table: Table, model: dict[bytes, int]) -> None:
    table.check()
    assert len(table) == len(model)
    assert sorted(table.walk()) == sorted(model)


# --- Against a dict ----------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds(8))
def test_random_operations_on_a_small_table(seed: int) -> None:
    """Check after every step, while the table goes up and down through its sizes."""
    rng = random.Random(seed)
    pool = [b"", *keys_of_length(rng, 150)]
    table, model = Table(seed), dict[bytes, int]()
    for step in range(4000):
        # the share of removals swings, so that the table fills and empties
        growing = (step // 400) % 2 == 0
        key = rng.choice(pool)
        value = rng.getrandbits(64)
        if key not in model:
            if rng.random() < (0.9 if growing else 0.2):
                table.insert(key, value)
                model[key] = value
            else:
                assert table.remove(key) is False
        elif rng.random() < (0.1 if growing else 0.8):
            assert table.remove(key) is True
            del model[key]
        else:
            table.replace(key, value)
            model[key] = value
        table.check()
        probe = rng.choice(pool)
        assert table.find(probe) == model.get(probe)
        assert len(table) == len(model)
    assert_same(table, model)


@pytest.mark.parametrize("seed", seeds(1))
def test_random_operations_through_several_segments(seed: int) -> None:
    rng = random.Random(seed)
    names = [b"key:%d" % i for i in range(24_000)]
    table, model = Table(seed), dict[bytes, int]()
    largest = 0
    for goal in (24_000, 3_000, 12_000, 500, 9_000, 0):
        while len(model) != goal:
            key = names[rng.randrange(len(names))]
            if (len(model) < goal) == (key not in model):
                if key in model:
                    assert table.remove(key)
                    del model[key]
                else:
                    table.insert(key, len(key))
                    model[key] = len(key)
            else:
                assert table.find(key) == model.get(key)
            if rng.random() < 0.0005:
                table.check()
        largest = max(largest, table.nbuckets)
        assert_same(table, model)
    assert largest > 3 * SEGMENT_BUCKETS
    assert table.nbuckets == 1
    assert table.noverflow == 0


def test_two_entries_with_one_key_prefix_are_kept_apart() -> None:
    table = Table()
    for n in range(40):
        table.insert(b"k" * n, n)
    for n in range(40):
        assert table.find(b"k" * n) == n
    assert table.find(b"k" * 40) is None


# --- Size --------------------------------------------------------------------------


def test_one_bucket_holds_the_first_entries() -> None:
    table = Table()
    for n in range(BUCKET_ENTRIES):
        table.insert(b"%d" % n)
        assert (table.nbuckets, table.noverflow) == (1, 0)
    table.insert(b"x")
    assert table.nbuckets == 2


def test_shrinks_to_one_bucket_and_gives_its_memory_back() -> None:
    table = Table()
    empty = table.nbytes
    used = memory.used_memory()
    keys = [b"key:%d" % i for i in range(40_000)]
    table.insert_many(keys)
    assert table.nbuckets > 4 * SEGMENT_BUCKETS
    table.check()
    random.Random(1).shuffle(keys)
    for key in keys:
        assert table.remove(key)
    table.check()
    assert len(table) == 0
    assert table.nbuckets == 1
    # one bucket again; the allocator may keep the small array of segments as it was
    assert table.nbytes < empty + 64
    assert memory.used_memory() <= used + 64 + 64


@pytest.mark.parametrize("n", [10_000, 20_000, 40_000, 70_000, 100_000])
def test_takes_few_bytes_for_an_entry(n: int) -> None:
    """A table that doubled would take up to twice as much just after doing so."""
    table = Table()
    used = memory.used_memory()
    table.insert_many(b"%08d" % i for i in range(n))
    taken = memory.used_memory() - used - n * memory.good_size(16 + 8)
    assert table.nbytes <= n * ENTRY_BYTES_MAX + SEGMENT_BYTES
    assert abs(taken - table.nbytes) < 0.02 * table.nbytes


@pytest.mark.parametrize("n", [0, 1, 9, 10, 14, 1000, 6656, 6657, 50_000])
def test_room_reserved_is_what_insertions_would_have_made(n: int) -> None:
    names = [b"key:%d" % i for i in range(n)]
    grown, reserved = Table(), Table()
    grown.insert_many(names)
    reserved.reserve(n)
    nbuckets = reserved.nbuckets
    reserved.insert_many(names)
    reserved.check()
    assert reserved.nbuckets == nbuckets
    assert abs(nbuckets - grown.nbuckets) <= 1
    assert sorted(reserved.walk()) == sorted(names)
    for name in names:
        assert reserved.remove(name)
    reserved.check()
    assert reserved.nbuckets == 1


def test_no_insertion_moves_more_than_a_bucket() -> None:
    table = Table()
    before = 1
    for i in range(20_000):
        table.insert(b"%d" % i)
        assert table.nbuckets - before <= 1
        before = table.nbuckets


# --- Overflow ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds(3))
def test_frozen_table_chains_and_then_catches_up(seed: int) -> None:
    rng = random.Random(seed)
    table, model = Table(seed), dict[bytes, int]()
    for i in range(40):
        table.insert(b"first:%d" % i, i)
        model[b"first:%d" % i] = i
    buckets = table.nbuckets
    table.is_frozen = True
    for i in range(600):
        table.insert(b"key:%d" % i, i)
        model[b"key:%d" % i] = i
    assert table.nbuckets == buckets
    assert table.noverflow > 60
    assert_same(table, model)
    for step in range(3000):
        key = rng.choice([b"key:%d", b"other:%d"]) % rng.randrange(600)
        if key in model:
            assert table.find(key) == model.pop(key)
            assert table.remove(key)
        elif rng.random() < 1 - step / 3000:
            table.insert(key, step)
            model[key] = step
        table.check()
    assert full_scan(table) == Counter(list(model))
    for key in list(model)[: len(model) - 5]:
        table.remove(key)
        del model[key]
        table.check()
    assert table.nbuckets == buckets
    table.is_frozen = False
    for i in range(buckets):
        key = b"last:%d" % i
        table.insert(key, i)
        assert table.remove(key)
        table.check()
    assert table.nbuckets < buckets
    assert_same(table, model)


def test_a_frozen_table_that_empties_keeps_no_overflow() -> None:
    table = Table()
    table.is_frozen = True
    keys = [b"%d" % i for i in range(300)]
    for order in (keys, keys[::-1], keys[::2] + keys[1::2]):
        table.insert_many(keys)
        assert table.noverflow >= 300 / 9 - 1
        for key in order:
            table.remove(key)
            table.check()
        assert table.noverflow == 0


def test_thawed_table_grows_by_a_bucket_with_each_insertion() -> None:
    table = Table()
    table.is_frozen = True
    table.insert_many(b"%d" % i for i in range(1000))
    assert table.nbuckets == 1
    table.is_frozen = False
    for i in range(300):
        table.insert(b"more:%d" % i)
        table.check()
    assert table.nbuckets > 180
    assert table.noverflow < 80


def test_keys_of_one_hash_are_all_found() -> None:
    keys = colliding(60)
    table = Table()
    for i, key in enumerate(keys):
        table.insert(key, i)
        table.check()
    table.insert_many(b"%d" % i for i in range(1000))
    table.check()
    assert [table.find(key) for key in keys] == list(range(60))
    assert table.find(keys[0][:8] + b"\xff" * 8) is None
    random.Random(2).shuffle(keys)
    for key in keys:
        assert table.remove(key)
        table.check()
    assert len(table) == 1000


# --- SCAN --------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 9, 10, 11, 37, 100, 1000, 9_000])
def test_scan_of_a_table_at_rest_is_exact(n: int) -> None:
    table = Table()
    keys = [b"key:%d" % i for i in range(n)]
    table.insert_many(keys)
    assert full_scan(table) == Counter(keys)


def test_scan_at_every_number_of_buckets() -> None:
    table = Table()
    keys = []
    for i in range(600):
        table.insert(b"%d" % i)
        keys.append(b"%d" % i)
        assert full_scan(table) == Counter(keys)
    while keys:
        table.remove(keys.pop())
        if len(keys) % 2 == 0:
            assert full_scan(table) == Counter(keys)


def churn(table: Table, extra: list[bytes], rng: random.Random, bigger: bool) -> None:
    """Grow or shrink the table by some entries."""
    for _ in range(rng.choice([1, 10, 100])):
        if bigger:
            extra.append(b"extra:%d" % rng.getrandbits(64))
            table.insert(extra[-1])
        elif extra:
            table.remove(extra.pop(rng.randrange(len(extra))))


@pytest.mark.parametrize("direction", ["grow", "shrink", "both"])
@pytest.mark.parametrize("seed", seeds(12))
def test_scan_returns_what_is_there_throughout(seed: int, direction: str) -> None:
    rng = random.Random(seed)
    table = Table(seed)
    stay = [b"stay:%d" % i for i in range(rng.choice([1, 5, 50, 300]))]
    table.insert_many(stay)
    extra = [b"extra:%d" % i for i in range(rng.choice([0, 50, 2000]))]
    if direction == "shrink":
        extra += [b"more:%d" % i for i in range(3000)]
    table.insert_many(extra)
    seen: set[bytes] = set()
    cursor, steps = 0, 0
    while True:
        cursor, keys = table.scan(cursor)
        seen.update(keys)
        steps += 1
        if cursor == 0:
            break
        bigger = direction == "grow" or (direction == "both" and rng.random() < 0.5)
        # a table that grows as fast as it is walked would not be walked to its end
        if not bigger or rng.random() < 5 / steps:
            churn(table, extra, rng, bigger)
    assert seen >= set(stay)
    table.check()


def test_scan_accepts_any_cursor() -> None:
    """A client may send any number."""
    table = Table()
    keys = {b"%d" % i for i in range(1000)}
    table.insert_many(sorted(keys))
    rng = random.Random(3)
    for _ in range(2000):
        cursor, seen = table.scan(rng.getrandbits(rng.choice([4, 16, 48, 64])))
        assert set(seen) <= keys
        assert 0 <= cursor < 2**64


# --- Random entries ----------------------------------------------------------------


def chi_square(counts: dict[bytes, int], keys: Iterable[bytes], draws: int) -> float:
    """Return the statistic per degree of freedom; about 1 for a uniform draw."""
    names = list(keys)
    expected = draws / len(names)
    total = sum((counts.get(key, 0) - expected) ** 2 / expected for key in names)
    return total / max(1, len(names) - 1)


@pytest.mark.parametrize("n", [1, 2, 9, 10, 100, 750, 1000])
def test_random_is_uniform(n: int) -> None:
    keys = [b"key:%d" % i for i in range(n)]
    table = Table(seed=n)
    table.insert_many(keys)
    draws = 100 * n
    counts = table.random_counts(draws)
    assert set(counts) == set(keys)
    # eight standard deviations; the hashes, and so the chains, are new in each run
    assert chi_square(counts, keys, draws) < 1 + 8 * math.sqrt(2 / max(1, n - 1))


def test_random_reaches_the_end_of_a_long_chain() -> None:
    keys = [b"%d" % i for i in range(80)]
    table = Table()
    table.is_frozen = True
    table.insert_many(keys)
    assert table.nbuckets == 1
    assert set(table.random_counts(20_000)) == set(keys)


def test_random_of_a_table_nearly_empty() -> None:
    table = Table()
    assert table.random() is None
    keys = [b"%d" % i for i in range(20_000)]
    table.insert_many(keys)
    table.is_frozen = True
    for key in keys[:-3]:
        table.remove(key)
    assert table.nbuckets > 3000
    assert set(table.random_counts(200)) == set(keys[-3:])
    for key in keys[-3:]:
        table.remove(key)
    assert table.random() is None


# --- By the low bits of the hash -----------------------------------------------------


def test_hash40_finds_each_key() -> None:
    table = Table()
    keys = [b"key:%d" % i for i in range(3000)]
    table.insert_many(keys)
    for key in keys:
        assert key in table.visit_hash40(key)
    assert sum(len(table.visit_hash40(b"absent:%d" % i)) for i in range(3000)) == 0


def test_hash40_visits_at_most_eight_and_lets_them_be_removed() -> None:
    keys = colliding(20)
    table = Table()
    table.insert_many(keys)
    table.insert_many(b"%d" % i for i in range(100))
    assert len(table.visit_hash40(keys[0])) == 8
    removed = []
    while (n := table.remove_hash40(keys[0])) > 0:
        removed.append(n)
        table.check()
    assert removed == [8, 8, 4]
    assert len(table) == 100
