# SPDX-License-Identifier: BSD-3-Clause
"""ds.bptree against a sorted list; its invariants are walked (bpt_check) all along."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right, insort

import pytest

from fastredis._testing import bptree
from fastredis._testing.bptree import LEAF_CAP, Tree
from support.seeds import seeds

# The upper halves of these are equal, or nearly so, or as different as can be.
CLOSE = [1.0, 1.0 + 2**-40, 1.0 + 2**-52, 1.0 - 2**-53, 2.0**40, 2.0**40 + 1]
SCORES = [0.0, -0.0, 1e-320, -1e-320, math.inf, -math.inf, 1e308, -1.0, 3.0, *CLOSE]

Item = tuple[float, bytes]


class Model:
    """A sorted list, and the handle of each element."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.items: list[Item] = []
        self.handles: dict[bytes, int] = {}
        self.scores: dict[bytes, float] = {}

    def insert(self, score: float, member: bytes) -> None:
        self.handles[member] = self.tree.insert(score, member)
        self.scores[member] = score
        insort(self.items, (score, member))

    def remove(self, member: bytes) -> None:
        self.tree.remove(self.handles.pop(member))
        self.items.remove((self.scores.pop(member), member))

    def remove_at(self, rank: int) -> None:
        item = self.items.pop(rank)
        assert self.tree.remove_at(rank) == item
        del self.handles[item[1]], self.scores[item[1]]

    def rescore(self, member: bytes, score: float) -> None:
        self.tree.rescore(self.handles[member], score)
        self.items.remove((self.scores[member], member))
        self.scores[member] = score
        insort(self.items, (score, member))

    def check(self) -> None:
        self.tree.check()
        assert len(self.tree) == len(self.items)
        assert self.tree.items() == self.items


def a_score(rng: random.Random) -> float:
    if rng.random() < 0.3:
        return rng.choice(SCORES)
    return rng.choice([float(rng.randrange(50)), rng.gauss(0, 1e6), rng.random()])


@pytest.mark.parametrize("seed", seeds(6))
def test_random_operations(seed: int) -> None:
    """Check after every step, while the tree grows over several leaves and shrinks."""
    rng = random.Random(seed)
    model = Model(Tree())
    for step in range(3000):
        growing = (step // 1000) % 2 == 0
        if not model.items or rng.random() < (0.7 if growing else 0.2):
            member = rng.randbytes(rng.choice([0, 1, 3, 9, 30]))
            if member in model.handles:
                model.rescore(member, a_score(rng))
            else:
                model.insert(a_score(rng), member)
        elif rng.random() < 0.4:
            model.rescore(rng.choice(list(model.handles)), a_score(rng))
        elif rng.random() < 0.5:
            model.remove_at(rng.randrange(len(model.items)))
        else:
            model.remove(rng.choice(list(model.handles)))
        model.tree.check()
        if step % 50 == 0:
            model.check()
    model.check()


@pytest.mark.parametrize("seed", seeds(3))
def test_ranks_and_borders(seed: int) -> None:
    rng = random.Random(seed)
    model = Model(Tree())
    for i in range(1500):
        model.insert(a_score(rng), b"%d" % i)
    items, tree = model.items, model.tree
    keys = [item[0] for item in items]
    assert tree.items(is_reverse=True) == items[::-1]
    assert tree.at(len(items)) is None
    for rank in range(0, len(items), 7):
        score, member = items[rank]
        assert tree.at(rank) == items[rank]
        assert tree.rank(model.handles[member]) == rank
        assert tree.count_below(bptree.AT_ELEMENT, score, member) == rank
        assert tree.count_below(bptree.AT_ELEMENT, score, member + b"\0") == rank + 1
    for score in [*SCORES, *(a_score(rng) for _ in range(100))]:
        low, high = bisect_left(keys, score), bisect_right(keys, score)
        assert tree.count_below(bptree.BEFORE_SCORE, score) == low
        assert tree.count_below(bptree.AFTER_SCORE, score) == high


def test_borders_between_members_of_one_score() -> None:
    rng = random.Random(5)
    members = sorted({rng.randbytes(rng.randrange(6)) for _ in range(900)})
    tree = Tree()
    for member in rng.sample(members, len(members)):
        tree.insert(7.0, member)
    tree.check()
    for member in [*members[::5], b"", b"\xff" * 9, *map(bytes, ([1], [1, 0], [200]))]:
        low, high = bisect_left(members, member), bisect_right(members, member)
        assert tree.count_below(bptree.BEFORE_MEMBER, 0, member) == low
        assert tree.count_below(bptree.AFTER_MEMBER, 0, member) == high


@pytest.mark.parametrize("how", ["insert", "append"])
def test_leaves_filled_in_order_are_full(how: str) -> None:
    tree = Tree()
    n = 70 * LEAF_CAP
    for i in range(n):
        getattr(tree, how)(float(i), b"%d" % i)
        if i % 997 == 0:
            tree.check()
    tree.check()
    assert tree.nleaves == n // LEAF_CAP
    assert tree.height == 2
    assert [score for score, _ in tree.items()] == list(range(n))


def test_leaves_filled_at_random_are_well_filled() -> None:
    rng = random.Random(3)
    tree = Tree()
    n = 30_000
    for i in range(n):
        tree.insert(rng.random(), b"%d" % i)
    tree.check()
    assert n / (tree.nleaves * LEAF_CAP) > 0.75
    assert tree.nbytes() / n < 14


@pytest.mark.parametrize("end", ["first", "last", "random"])
def test_take_all_from(end: str) -> None:
    """Of a tree of three levels nothing is left but an empty leaf."""
    rng = random.Random(9)
    tree = Tree()
    items = [(float(rng.randrange(10_000)), b"%d" % i) for i in range(9000)]
    for score, member in items:
        tree.insert(score, member)
    assert tree.height == 2
    items.sort()
    while items:
        rank = {"first": 0, "last": len(items) - 1}.get(end, rng.randrange(len(items)))
        assert tree.remove_at(rank) == items.pop(rank)
        if len(items) % 61 == 0:
            tree.check()
    tree.check()
    assert (len(tree), tree.nleaves, tree.height) == (0, 1, 0)
    tree.insert(1.0, b"again")
    tree.check()
    assert tree.items() == [(1.0, b"again")]
