# SPDX-License-Identifier: BSD-3-Clause
"""ds.streamindex against a sorted list; its invariants are walked all along."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort

import pytest

from fastredis._testing.streamindex import LEAF_CAP, Index
from support.seeds import seeds

Id = tuple[int, int]
TOP = 2**64 - 1


class Model:
    """A sorted list of ids, and the value of each."""

    def __init__(self) -> None:
        self.index = Index()
        self.ids: list[Id] = []
        self.values: dict[Id, int] = {}

    def insert(self, an_id: Id, value: int) -> None:
        is_new = an_id not in self.values
        assert self.index.insert(*an_id, value) == is_new
        if is_new:
            insort(self.ids, an_id)
            self.values[an_id] = value

    def remove(self, an_id: Id) -> None:
        assert self.index.remove(*an_id) == self.values.pop(an_id, None)
        place = bisect_left(self.ids, an_id)
        if place < len(self.ids) and self.ids[place] == an_id:
            del self.ids[place]

    def seek(self, an_id: Id) -> None:
        after, before = bisect_left(self.ids, an_id), bisect_right(self.ids, an_id)
        assert self.index.find(*an_id) == self.values.get(an_id)
        assert self.index.at_or_after(*an_id) == (
            self.ids[after] if after < len(self.ids) else None
        )
        assert self.index.at_or_before(*an_id) == (
            self.ids[before - 1] if before else None
        )

    def check(self) -> None:
        self.index.check()
        expected = [(*an_id, self.values[an_id]) for an_id in self.ids]
        assert len(self.index) == len(expected)
        assert self.index.items() == expected
        assert self.index.items_back() == expected[::-1]


def an_id(rng: random.Random, span: int) -> Id:
    if rng.random() < 0.02:
        return rng.choice([(0, 0), (0, TOP), (TOP, 0), (TOP, TOP)])
    return rng.randrange(span), rng.randrange(3)


@pytest.mark.parametrize("seed", seeds(6))
@pytest.mark.parametrize("span", [20, 2000])
def test_random_operations(seed: int, span: int) -> None:
    rng = random.Random(seed)
    model = Model()
    growth = 0.5
    for step in range(4000):
        if step % 500 == 0:
            growth = rng.choice([0.2, 0.5, 0.8])
        kind = rng.random()
        if kind < growth:
            model.insert(an_id(rng, span), step + 1)
        elif kind < 0.9:
            known = model.ids and rng.random() < 0.8
            model.remove(rng.choice(model.ids) if known else an_id(rng, span))
        else:
            model.seek(an_id(rng, span))
        if step % 50 == 0:
            model.check()
    model.check()


@pytest.mark.parametrize("n", [1, LEAF_CAP, LEAF_CAP + 1, 5000, 20_000])
def test_growing_at_the_end_and_removed_from_the_front(n: int) -> None:
    index = Index()
    for i in range(n):
        assert index.insert(i, 7, i + 1)
    index.check()
    assert index.items() == [(i, 7, i + 1) for i in range(n)]
    if n >= 5000:
        assert index.nbytes() / n < 27  # leaves are full
    for i in range(n):
        assert index.remove(i, 7) == i + 1
        if i % 97 == 0:
            index.check()
    assert len(index) == index.nbytes() == 0
    index.check()


def test_a_queue_keeps_its_size() -> None:
    index = Index()
    for i in range(20_000):
        index.insert(i, 0, 1)
        if i >= 100:
            assert index.remove(i - 100, 0) == 1
    index.check()
    assert index.nbytes() < 8000


@pytest.mark.parametrize("order", ["random", "backwards"])
def test_any_order(order: str) -> None:
    ids = [(i, i % 5) for i in range(10_000)]
    if order == "random":
        random.Random(5).shuffle(ids)
    else:
        ids.reverse()
    index = Index()
    for an_id in ids:
        assert index.insert(*an_id, 1)
        assert not index.insert(*an_id, 2)
    index.check()
    assert [(ms, seq) for ms, seq, _ in index.items()] == sorted(ids)
    random.Random(6).shuffle(ids)
    for an_id in ids[:9000]:
        assert index.remove(*an_id) == 1
        assert index.remove(*an_id) is None
    index.check()
    assert [(ms, seq) for ms, seq, _ in index.items()] == sorted(ids[9000:])
    # what is left does not hold on to the room of all
    assert index.nbytes() < 1000 * 24 * 4


def test_few_take_little() -> None:
    index = Index()
    index.insert(1, 0, 1)
    assert index.nbytes() <= 96
    index.clear()
    index.check()
    assert index.items() == []
