# SPDX-License-Identifier: BSD-3-Clause
"""datatypes.t_zset against a dict, in both encodings, and on the way between them."""

from __future__ import annotations

import math
import random

import pytest

from fastredis._testing import bptree, memory, zset
from fastredis._testing.zset import SortedSet
from support.seeds import seeds

COMPACT = (10_000, 10_000)  # limits that nothing exceeds
TREE = (0, 0)
EACH_ENCODING = pytest.mark.parametrize(
    "limits", [COMPACT, TREE, (20, 8)], ids=["listpack", "tree", "both"]
)
SCORES = [0.0, -0.0, 1.0, -1.0, 0.1, 1e300, -1e-300, math.inf, -math.inf, 2.0**53, 17.0]
MEMBERS = [b"", b"0", b"-5", b"007", b"12345678901234567890", b"a\0b", b"x" * 40]
MEMBERS += [b"%d" % n for n in range(0, 3000, 100)] + [b"m%d" % n for n in range(40)]


def ordered(model: dict[bytes, float]) -> list[tuple[bytes, float]]:
    return sorted(model.items(), key=lambda item: (item[1], item[0]))


def expected(
    model: dict[bytes, float], score: float, member: bytes, flags: int
) -> tuple[int, float | None]:
    """Say what add has to do, and do it to the model."""
    old = model.get(member)
    if old is None:
        if flags & zset.XX:
            return zset.REFUSED, None
        model[member] = score
        return zset.ADDED, score
    if flags & zset.NX:
        return zset.REFUSED, None
    if flags & zset.INCR:
        score += old
        if math.isnan(score):
            return zset.NAN, None
    if (flags & zset.GT and score <= old) or (flags & zset.LT and score >= old):
        return zset.REFUSED, None
    if score == old:
        return zset.UNCHANGED, score
    model[member] = score
    return zset.UPDATED, score


FLAGS = [0, 0, 0, zset.INCR, zset.NX, zset.XX, zset.GT, zset.LT, zset.XX | zset.GT]
FLAGS += [zset.INCR | zset.GT, zset.INCR | zset.LT | zset.XX]


@EACH_ENCODING
@pytest.mark.parametrize("seed", seeds(4))
def test_random_operations(limits: tuple[int, int], seed: int) -> None:
    rng = random.Random(seed)
    s, model = SortedSet(*limits), dict[bytes, float]()
    for step in range(1500):
        member = rng.choice(MEMBERS)
        kind = rng.random()
        if kind < 0.65:
            score = rng.choice([*SCORES, rng.random(), float(rng.randrange(-9, 9))])
            flags = rng.choice(FLAGS)
            assert s.add(score, member, flags) == expected(model, score, member, flags)
        elif kind < 0.9:
            assert s.remove(member) == (model.pop(member, None) is not None)
        elif model:
            first = rng.randrange(len(model))
            n = rng.randrange(min(4, len(model) - first) + 1)
            for gone, _ in ordered(model)[first : first + n]:
                del model[gone]
            s.remove_ranks(first, n)
        s.check()
        assert len(s) == len(model)
        if step % 20 == 0:
            assert s.items() == ordered(model)
            assert s.items(is_reverse=True) == ordered(model)[::-1]
    for rank, (member, score) in enumerate(ordered(model)):
        assert s.score(member) == score
        assert s.rank(member) == (rank, score)
        assert s.count_below(bptree.AT_ELEMENT, score, member) == rank
        assert s.items(rank)[:2] == ordered(model)[rank : rank + 2]
    assert s.score(b"absent") is None
    assert s.rank(b"absent") is None


def test_becomes_a_tree_with_the_129th_member() -> None:
    s = SortedSet()
    for i in range(128):
        s.add(i, b"%d" % i)
    assert s.is_compact
    s.add(3, b"5")  # known already
    assert s.is_compact
    s.add(1, b"one more")
    assert not s.is_compact
    s.remove(b"one more")
    assert not s.is_compact
    s.check()


def test_becomes_a_tree_with_a_long_member() -> None:
    s = SortedSet()
    s.add(1, b"x" * 64)
    assert s.is_compact
    s.add(1, b"y" * 65)
    assert not s.is_compact
    assert s.items() == [(b"x" * 64, 1.0), (b"y" * 65, 1.0)]


def test_fit_makes_it_a_listpack_only_within_the_limits() -> None:
    s = SortedSet(3, 5)
    for i in range(4):
        s.add(i, b"%d" % i)
    s.fit()
    assert not s.is_compact
    s.remove(b"0")
    s.fit()
    assert s.is_compact
    s.to_tree()
    s.remove(b"1")
    s.add(1, b"longer")
    s.fit()
    assert not s.is_compact


@EACH_ENCODING
def test_slice(limits: tuple[int, int]) -> None:
    s = SortedSet(*limits)
    for i in range(50):
        s.add(i / 4, b"%d" % i)
    for first, n in ((0, 50), (0, 0), (10, 5), (49, 1)):
        part = s.slice(first, n)
        part.check()
        assert part.items() == s.items()[first : first + n]


@EACH_ENCODING
def test_scan_meets_each_member_once(limits: tuple[int, int]) -> None:
    s = SortedSet(*limits)
    for i in range(300):
        s.add(i, b"%d" % i)
    seen = []
    cursor = 0
    while True:
        cursor, found = s.scan(cursor)
        seen += found
        if cursor == 0:
            break
    assert sorted(seen) == sorted(s.items())


@EACH_ENCODING
def test_each_member_is_as_likely(limits: tuple[int, int]) -> None:
    s = SortedSet(*limits)
    for i in range(40):
        s.add(0 if i % 2 else i, b"%d" % i)
    n = 40_000
    counts = s.pick_counts(n)
    assert len(counts) == 40
    # chi-squared with 39 degrees of freedom: above 80 once in 10,000 times
    assert sum((seen - n / 40) ** 2 / (n / 40) for seen in counts.values()) < 80


@EACH_ENCODING
def test_as_a_keys_value(limits: tuple[int, int]) -> None:
    s = SortedSet(*limits)
    for i in range(200):
        s.add(-i, b"%d" % i)
    encoding, nbytes, effort, copy = s.as_object()
    assert encoding == (b"listpack" if limits == COMPACT else b"skiplist")
    assert effort == (1 if limits == COMPACT else 200)
    assert nbytes > 200 * (3 if limits == COMPACT else 24)
    copy.check()
    assert copy.items() == s.items()
    copy.add(5, b"5")
    assert s.score(b"5") == -5


def test_memory_of_many_members() -> None:
    rng = random.Random(1)
    before = memory.used_memory()
    s = SortedSet()
    n = 50_000
    for i in range(n):
        s.add(rng.random(), b"member:%09d" % i)
    assert (memory.used_memory() - before) / n < 60
    assert abs(s.as_object()[1] - (memory.used_memory() - before)) < 0.02 * n * 60
    del s
    assert memory.used_memory() - before < 1000
