# SPDX-License-Identifier: BSD-3-Clause
"""ds.slab: blocks keep their bytes, pages come and go."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from fastredis._testing.t_hash import Slab, used_memory
from support.seeds import seeds

MAX = 128


@pytest.mark.parametrize("seed", seeds(4))
def test_blocks_keep_their_bytes(seed: int) -> None:
    rng = random.Random(seed)
    slab = Slab()
    blocks: dict[int, bytes] = {}
    for step in range(6000):
        grows = rng.random() < (0.7 if step % 2000 < 1200 else 0.2)
        if grows or not blocks:
            content = rng.randbytes(rng.choice((1, 3, 4, 5, 33, 36, 37, 127, MAX)))
            address = slab.alloc(content)
            assert address not in blocks
            assert address % 4 == 0
            blocks[address] = content
        else:
            address = rng.choice(list(blocks))
            content = blocks.pop(address)
            assert slab.read(address, len(content)) == content
            slab.free(address, len(content))
        if step % 500 == 0:
            slab.check()
    for address, content in blocks.items():
        assert slab.read(address, len(content)) == content
    slab.check()


def test_blocks_do_not_overlap_at_any_size() -> None:
    slab = Slab()
    blocks = [(slab.alloc(bytes([n]) * n), n) for n in range(1, MAX + 1)]
    blocks += [(slab.alloc(bytes([n]) * n), n) for n in range(1, MAX + 1)]
    for address, n in blocks:
        assert slab.read(address, n) == bytes([n]) * n
    spans = sorted(blocks)
    for (a, n), (b, _) in pairwise(spans):
        assert a + n <= b


def test_thirty_four_bytes_take_thirty_six() -> None:
    slab = Slab()
    before = slab.nbytes
    for _ in range(11_300):
        slab.alloc(b"x" * 34)
    assert (slab.nbytes - before) / 11_300 == pytest.approx(36.4, abs=0.4)


def test_pages_that_empty_are_given_back() -> None:
    slab = Slab()
    before = used_memory()
    blocks = [slab.alloc(b"y" * 100) for _ in range(5000)]
    assert used_memory() - before > 500_000
    random.Random(1).shuffle(blocks)
    for address in blocks:
        slab.free(address, 100)
    slab.check()
    assert used_memory() - before <= 2 * 4096
