# SPDX-License-Identifier: BSD-3-Clause
"""ds.quicklist against a list; the view walks every invariant after each change."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from fastredis._testing.quicklist import Quicklist, exceeds
from support.seeds import seeds

WORDS = [b"", b"1", b"-7", b"12345678901", b"word", b"word" * 20, b"x" * 63, b"x" * 64]


def test_limits() -> None:
    for fill, nbytes in ((-1, 4096), (-2, 8192), (-5, 65536), (-6, 65536)):
        assert not exceeds(fill, nbytes, 10**6)
        assert exceeds(fill, nbytes + 1, 1)
    assert exceeds(-(2**31), 65537, 1)
    assert not exceeds(-(2**31), 65536, 1)
    assert not exceeds(3, 8192, 3)
    assert exceeds(3, 8193, 1)
    assert exceeds(3, 100, 4)
    assert not exceeds(0, 100, 1)
    assert exceeds(0, 100, 2)


@pytest.mark.parametrize(
    ("fill", "plain_nbytes", "smallest"),
    [(-2, 0, 8193), (-1, 0, 4097), (10, 0, 8193), (-2, 5, 5), (3, 2**31, 2**29)],
)
def test_large_elements_are_alone(fill: int, plain_nbytes: int, smallest: int) -> None:
    ql = Quicklist(fill, 0, plain_nbytes)
    assert ql.is_large(smallest)
    assert not ql.is_large(smallest - 1)
    if smallest < 10000:
        for value in (b"a", b"x" * smallest, b"b"):
            ql.push(value, True)
        assert [node[3] for node in ql.nodes()] == [False, True, False]
        assert ql.values() == [b"a", b"x" * smallest, b"b"]


def test_nodes_are_filled() -> None:
    ql = Quicklist(-2)
    for i in range(1000):
        ql.push(b"%016x" % i, True)
    assert [node[0] for node in ql.nodes()] == [454, 454, 92]
    ql = Quicklist(5)
    for i in range(12):
        ql.push(b"%d" % i, False)
    assert [node[0] for node in ql.nodes()] == [2, 5, 5]


def test_memory_of_many_small_elements() -> None:
    ql = Quicklist(-2)
    for i in range(20000):
        ql.push(b"%016x" % (i + 2**60), True)
    assert ql.nbytes() / 20000 < 18.5
    assert ql.nbytes(3) / 20000 < 19


def test_inner_nodes_are_compressed() -> None:
    ql = Quicklist(-1, 2)
    values = [b"a value that is much like the others %d" % i for i in range(2000)]
    for value in values:
        ql.push(value, True)
    packed = [bool(node[2]) for node in ql.nodes()]
    assert len(packed) > 10
    assert packed == [False] * 2 + [True] * (len(packed) - 4) + [False] * 2
    assert ql.values() == values
    assert ql.values(-1, is_forward=False) == values[::-1]
    assert [ql.at(i) for i in range(0, 2000, 7)] == values[::7]
    # a change in the middle leaves the node compressed
    ql.replace(1000, b"other")
    values[1000] = b"other"
    assert [bool(node[2]) for node in ql.nodes()] == packed
    assert ql.delete_equal(b"other", 0, True, 5) == 1
    del values[1000]
    assert [bool(node[2]) for node in ql.nodes()] == packed
    copy = ql.copy()
    assert copy.nodes() == ql.nodes()
    # the ends come nearer, and what they reach is unpacked
    ql.delete_range(0, 900)
    ql.delete_range(200, 2000)
    del values[:900]
    del values[200:]
    assert ql.values() == values
    assert copy.values()[900:1100] == values


def test_what_does_not_shrink_is_not_compressed() -> None:
    rng = random.Random(5)
    ql = Quicklist(-1, 1)
    for _ in range(30):
        ql.push(rng.randbytes(1000), True)
    assert len(ql.nodes()) > 5
    assert not any(node[2] for node in ql.nodes())


def test_through_a_listpack() -> None:
    ql = Quicklist(-2, 0, 0, [b"a", b"1", b"c"])
    ql.through_listpack()
    assert ql.values() == [b"a", b"1", b"c"]
    assert Quicklist(-2, 0, 0, []).values() == []


def test_parts_that_fit_are_joined() -> None:
    """Inserting in the middle of full nodes does not leave a trail of small ones."""
    rng = random.Random(2)
    ql = Quicklist(16)
    for i in range(160):
        ql.push(b"%d" % i, True)
    for i in range(400):
        ql.insert(rng.randrange(len(ql)), b"new %d" % i, bool(i % 2))
    counts = [node[0] for node in ql.nodes()]
    assert all(a + b > 16 for a, b in pairwise(counts))


@pytest.mark.parametrize("seed", seeds(12))
def test_against_a_list(seed: int) -> None:
    rng = random.Random(seed)
    fill = rng.choice([-1, -2, 0, 1, 2, 5, 30])
    ql = Quicklist(fill, rng.choice([0, 0, 1, 2, 3]), rng.choice([0, 0, 60, 5]))
    model: list[bytes] = []

    def any_value() -> bytes:
        if rng.random() < 0.02:
            return b"large" * rng.randrange(100, 3000)
        if rng.random() < 0.3:
            return b"%d" % rng.randrange(-(10**6), 10**6)
        return rng.choice(WORDS)

    for step in range(700):
        value = any_value()
        at = rng.randrange(-len(model), len(model)) if model else 0
        place = at % len(model) if model else 0
        match rng.randrange(11):
            case 0 | 1 | 2:
                ql.push(value, True)
                model.append(value)
            case 3 | 4:
                ql.push(value, False)
                model.insert(0, value)
            case 5 | 6 if model:
                ql.insert(at, value, True)
                model.insert(place + 1, value)
            case 7 if model:
                ql.insert(at, value, False)
                model.insert(place, value)
            case 8 if model:
                ql.replace(at, value)
                model[place] = value
            case 9:
                start = rng.randrange(len(model) + 3)
                count = rng.choice([0, 1, 1, 2, 3, 40])
                ql.delete_range(start, count)
                del model[start : start + count]
            case 10 if model:
                most = rng.randrange(1, 4)
                is_forward = rng.random() < 0.5
                order = range(place, len(model)) if is_forward else range(place, -1, -1)
                hits = [i for i in order if model[i] == value][:most]
                assert ql.delete_equal(value, at, is_forward, most) == len(hits)
                for i in sorted(hits, reverse=True):
                    del model[i]
        assert len(ql) == len(model)
        for i in (0, -1, len(model) // 2, len(model), -len(model) - 1, at):
            inside = -len(model) <= i < len(model)
            assert ql.at(i) == (model[i] if inside else None)
        if step % 10 == 0:
            assert ql.values() == model
            middle = len(model) // 2
            assert ql.values(middle, is_forward=False) == model[middle::-1]
    assert ql.copy().values() == model
