# SPDX-License-Identifier: BSD-3-Clause
"""datatypes.t_set and set_ops: against Python's sets, and fair draws."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest

from fastredis._testing import memory
from fastredis._testing.sets import (
    SetValue,
    combine,
    combine_count,
    union_estimate,
)
from support.seeds import seeds

LIMITS = [(512, 128, 64), (8, 6, 10), (0, 0, 0), (5, 20, 64), (20, 5, 1)]
ENCODINGS = ["intset", "listpack", "hashtable"]


def any_member(rng: random.Random) -> bytes:
    match rng.randrange(6):
        case 0 | 1:
            return b"%d" % rng.randrange(-30, 30)
        case 2:
            return b"%d" % rng.choice([2**15, -(2**31), 2**63 - 1, -(2**63), 2**63])
        case 3:
            return rng.choice([b"", b"01", b"-0", b"x" * 16, b"y" * 64, b"z" * 65])
        case _:
            return b"member:%d" % rng.randrange(40)


def make(encoding: str, members: list[bytes], seed: int = 1) -> SetValue:
    """Return a set of an encoding, whatever is in it."""
    limits = {
        "intset": (10**6, 0, 0),
        "listpack": (0, 10**6, 10**6),
        "hashtable": (0, 0, 0),
    }[encoding]
    s = SetValue(members[0], 1, limits, seed)
    for member in members:
        s.add(member)
    assert s.encoding == encoding
    return s


# --- One set -----------------------------------------------------------------------


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("seed", seeds(4))
def test_against_a_python_set(limits: tuple[int, int, int], seed: int) -> None:
    rng = random.Random(seed)
    first = any_member(rng)
    s, model = SetValue(first, rng.choice([1, 7, 600]), limits, seed), set[bytes]()
    for _ in range(700):
        member = any_member(rng)
        match rng.randrange(10):
            case 0 | 1 | 2 | 3 | 4:
                assert s.add(member) == (member not in model)
                model.add(member)
            case 5 | 6:
                assert s.remove(member) == (member in model)
                model.discard(member)
            case 7 if len(model) > 1:
                popped = s.pop(rng.randrange(1, len(model)))
                assert len(set(popped)) == len(popped)
                assert set(popped) <= model
                model -= set(popped)
            case 8 if rng.randrange(30) == 0:
                s = s.copy()
            case _ if rng.randrange(20) == 0:
                s.settle()
        assert (member in s) == (member in model)
        assert len(s) == len(model)
        s.check()
        if rng.randrange(10) == 0:
            found = s.members()
            assert len(found) == len(model)
            assert set(found) == model


@pytest.mark.parametrize(
    ("members", "expected", "encoding"),
    [
        ([b"1"], 1, "intset"),
        ([b"%d" % n for n in range(512)], 1, "intset"),
        ([b"%d" % n for n in range(513)], 1, "hashtable"),
        ([b"1"], 513, "hashtable"),
        ([b"1"], 512, "intset"),
        ([b"a"], 128, "listpack"),
        ([b"a"], 129, "hashtable"),
        ([b"a", b"1"], 1, "listpack"),
        ([b"1", b"a"], 1, "listpack"),
        ([b"%d" % n for n in range(127)] + [b"a"], 1, "listpack"),
        ([b"%d" % n for n in range(128)] + [b"a"], 1, "hashtable"),
        ([b"m%d" % n for n in range(128)], 1, "listpack"),
        ([b"m%d" % n for n in range(129)], 1, "hashtable"),
        ([b"x" * 64], 1, "listpack"),
        ([b"x" * 65], 1, "hashtable"),
        ([b"1", b"x" * 65], 1, "hashtable"),
        ([b"01"], 1, "listpack"),
        ([b"9223372036854775808"], 1, "listpack"),
    ],
)
def test_encoding_by_what_was_added(
    members: list[bytes], expected: int, encoding: str
) -> None:
    s = SetValue(members[0], expected)
    for member in members:
        s.add(member)
    assert s.encoding == encoding
    assert sorted(s.members()) == sorted(members)
    s.check()


def test_conversions_go_one_way() -> None:
    s = SetValue(b"1")
    for n in range(513):
        s.add(b"%d" % n)
    for n in range(512):
        s.remove(b"%d" % n)
    assert s.encoding == "hashtable"
    assert s.members() == [b"512"]
    s.settle()
    assert s.encoding == "intset"


def test_more_to_come_converts_at_once() -> None:
    for first, n, encoding in [
        (b"1", 512, "intset"),
        (b"1", 513, "hashtable"),
        (b"a", 128, "listpack"),
        (b"a", 129, "hashtable"),
    ]:
        s = SetValue(first)
        s.add(first)
        s.expect(n)
        assert s.encoding == encoding
        assert s.members() == [first]


@pytest.mark.parametrize("count", [1, 9, 10, 500, 20_000])
def test_a_whole_scan_meets_every_member(count: int) -> None:
    s = make("hashtable", [b"member:%d" % n for n in range(count)])
    cursor, met = s.scan(0)
    while cursor:
        cursor, more = s.scan(cursor)
        met += more
    assert set(met) == set(s.members())


def test_a_scan_meets_what_stays_while_the_set_grows_and_shrinks() -> None:
    rng = random.Random(5)
    stay = [b"stay:%d" % n for n in range(1000)]
    s = make("hashtable", stay)
    cursor, met = s.scan(0)
    step = 0
    while cursor:
        for n in range(200 if step < 50 else 0):
            name = b"more:%d" % (step * 200 + n)
            s.add(name)
            if rng.randrange(2):
                s.remove(b"more:%d" % rng.randrange(1 + step * 200 + n))
        if step >= 50:
            s.remove(b"more:%d" % (step * 20))
        step += 1
        cursor, more = s.scan(cursor)
        met += more
        assert step < 100_000
    assert set(stay) <= set(met)


def test_places_are_the_entries_in_their_order() -> None:
    s = make("listpack", [b"a", b"12", b"", b"-7"])
    assert s.at_places() == s.members() == [b"a", b"12", b"", b"-7"]


def test_a_table_takes_little_memory() -> None:
    if memory.allocator() == "libc":
        pytest.skip("this allocator has larger blocks")
    count = 50_000
    s = make("hashtable", [b"member:%09d" % n for n in range(count)])
    assert s.nbytes / count < 30


# --- Random members ----------------------------------------------------------------


def chi_square(counts: Counter[bytes], ncells: int) -> float:
    """Return the statistic for the claim that all cells are as likely."""
    expected = sum(counts.values()) / ncells
    total = sum((n - expected) ** 2 / expected for n in counts.values())
    return total + (ncells - len(counts)) * expected


def limit(ncells: int) -> float:
    """Return what chance exceeds about once in ten million times."""
    freedom = ncells - 1
    return freedom + 5.2 * (2 * freedom) ** 0.5 + 18


def numbers(encoding: str, count: int) -> SetValue:
    """Return a set of an encoding; only tables have a member that is no number."""
    return make(encoding, [b"%d" % n for n in range(count)])


SIZES = [2, 10, 60, 300]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_member_is_as_likely(encoding: str, size: int) -> None:
    s = numbers(encoding, size)
    drawn = Counter(s.random() for _ in range(200 * size))
    assert chi_square(drawn, size) < limit(size)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.34, 0.5, 0.9])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_samples_are_fair(encoding: str, size: int, share: float) -> None:
    s = numbers(encoding, size)
    count = min(max(1, int(size * share)), size - 1)
    drawn = Counter[bytes]()
    for _ in range(60 * size // count):
        sample = s.sample(count)
        assert len(set(sample)) == len(sample) == count
        drawn.update(sample)
    assert chi_square(drawn, size) < limit(size)


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 11])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pops_are_fair(encoding: str, count: int) -> None:
    """Of 12 members: 9 and more leave so few that these are drawn instead."""
    whole = numbers(encoding, 12)
    popped = Counter[bytes]()
    for _ in range(1500):
        s = whole.copy()
        # copies go on with the same numbers, so the original must draw, too
        whole.random()
        found = s.pop(count)
        assert len(set(found)) == len(found) == count
        assert set(found) | set(s.members()) == set(whole.members())
        assert len(s) == 12 - count
        popped.update(found)
    assert chi_square(popped, 12) < limit(12)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pairs_are_fair(encoding: str) -> None:
    """Neighbours are not drawn together more often than others."""
    s = numbers(encoding, 9)
    pairs = Counter[bytes]()
    for _ in range(4000):
        a, b = sorted(s.sample(2))
        pairs[a + b"," + b] += 1
    assert chi_square(pairs, 36) < limit(36)


def test_what_remains_of_a_table_is_small_again() -> None:
    limits = (512, 128, 64)
    s = SetValue(b"a", 1000, limits)
    for n in range(1000):
        s.add(b"member:%d" % n)
    s.pop(990)
    assert s.encoding == "listpack"
    assert len(s) == 10
    s.check()


# --- Several sets ------------------------------------------------------------------


def model_of(how: str, sets: list[set[bytes]]) -> set[bytes]:
    if how == "inter":
        return set.intersection(*sets)
    if how == "union":
        return set.union(*sets)
    return sets[0].difference(*sets[1:])


@pytest.mark.parametrize("how", ["inter", "union", "diff"])
@pytest.mark.parametrize("encodings", [*itertools.product(ENCODINGS, repeat=2)])
def test_each_pair_of_encodings(how: str, encodings: tuple[str, str]) -> None:
    a = {b"%d" % n for n in range(0, 60)}
    b = {b"%d" % n for n in range(40, 90)}
    sets = [make(e, sorted(m)) for e, m in zip(encodings, (a, b), strict=True)]
    count, found = combine(how, sets)
    assert set(found) == model_of(how, [a, b])
    assert count == len(found) == combine_count(how, sets)


@pytest.mark.parametrize("seed", seeds(60))
def test_combinations_against_python_sets(seed: int) -> None:
    rng = random.Random(seed)
    sets: list[SetValue | None] = []
    models: list[set[bytes]] = []
    for _ in range(rng.randrange(1, 6)):
        kind = rng.choice(["absent", "same", "intset", "listpack", "hashtable"])
        if kind == "absent" and rng.randrange(2):
            sets.append(None)
            models.append(set())
            continue
        if kind == "same" and sets:
            sets.append(sets[0])
            models.append(models[0])
            continue
        size = rng.choice([1, 5, 40, 400])
        names = {b"%d" % rng.randrange(size * 2) for _ in range(size)}
        if kind == "hashtable":
            names |= {b"m:%d" % rng.randrange(100) for _ in range(size)}
        encoding = kind if kind in ENCODINGS else "hashtable"
        sets.append(make(encoding, sorted(names)))
        models.append(names)
    for how in ("inter", "union", "diff"):
        expected = model_of(how, models)
        count, found = combine(how, sets)
        assert len(found) == count == len(expected)
        assert set(found) == expected
        assert combine_count(how, sets) == count
        limit = rng.randrange(1, 50)
        count, found = combine(how, sets, limit)
        assert count == len(found) == min(limit, len(expected))
        assert set(found) <= expected
        assert len(set(found)) == count
        assert combine_count(how, sets, limit) == count


def test_difference_both_ways() -> None:
    """A large first set is noted once; a small one is looked for."""
    large = {b"%d" % n for n in range(5000)}
    small = {b"%d" % n for n in range(4990, 5010)}
    for first, rest in ((large, [small] * 3), (small, [large] * 3)):
        sets = [make("hashtable", sorted(m)) for m in (first, *rest)]
        count, found = combine("diff", sets)
        assert set(found) == first.difference(*rest)
        assert count == len(found)


@pytest.mark.parametrize("size", [0, 1, 10, 1000, 30_000, 200_000])
def test_estimate_is_near(size: int) -> None:
    sets: list[SetValue | None] = [None]
    if size:
        names = [b"m:%d" % n for n in range(size)]
        sets += [make("hashtable", names), make("hashtable", names[: size // 2 + 1])]
    # five times the standard error of 1.04 / sqrt(2**14)
    assert abs(union_estimate(sets) - size) <= max(1, size * 0.041)
