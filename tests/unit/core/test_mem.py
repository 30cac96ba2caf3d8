# SPDX-License-Identifier: BSD-3-Clause
"""core.mem: every byte that is taken is counted, and given back."""

from __future__ import annotations

import random

import pytest

from fastredis._testing import memory
from fastredis._testing.memory import SIZE_MAX, Block
from support.seeds import seeds

SIZES = [0, 1, 7, 8, 9, 23, 24, 25, 63, 64, 65, 1000, 4096, 65_536, 1_000_000]
HOWS = ["zmalloc", "zcalloc", "ztrymalloc"]


@pytest.mark.parametrize("nbytes", SIZES)
@pytest.mark.parametrize("how", HOWS)
def test_block_is_counted_by_its_real_size(nbytes: int, how: str) -> None:
    used = memory.used_memory()
    block = Block(nbytes, how)
    assert memory.used_memory() - used == block.size >= nbytes
    block.free()
    assert memory.used_memory() == used


@pytest.mark.parametrize("align", [8, 16, 64, 4096])
@pytest.mark.parametrize("nbytes", [1, 64, 100, 4096, 65_536])
def test_aligned_block(align: int, nbytes: int) -> None:
    used = memory.used_memory()
    blocks = [Block(nbytes, "zalloc_aligned", align) for _ in range(20)]
    assert memory.used_memory() - used == sum(block.size for block in blocks)
    del blocks
    assert memory.used_memory() == used


def test_bucket_takes_just_its_cache_line() -> None:
    """Where the allocator is mimalloc, an aligned power of two wastes nothing."""
    if not memory.allocator().startswith("mimalloc"):
        pytest.skip("another allocator")
    assert Block(64, "zalloc_aligned", 64).size == 64
    assert Block(65_536, "zalloc_aligned", 64).size == 65_536


def test_allocator_has_a_name() -> None:
    assert memory.allocator() == "libc" or memory.allocator().startswith("mimalloc-")


@pytest.mark.parametrize("nbytes", SIZES)
def test_good_size_is_what_a_block_takes(nbytes: int) -> None:
    good = memory.good_size(nbytes)
    assert good >= nbytes
    # not the last word for large blocks, of which the allocator may give more; a
    # sanitizer's gives just what was asked for
    if 0 < nbytes <= 65_536:
        assert Block(nbytes).size in (good, nbytes)
        assert Block(good).size == good


@pytest.mark.parametrize("is_try", [True, False])
@pytest.mark.parametrize("seed", seeds(3))
def test_resizing_keeps_bytes_and_count(seed: int, is_try: bool) -> None:
    rng = random.Random(seed)
    used = memory.used_memory()
    blocks = [Block(rng.choice(SIZES)) for _ in range(20)]
    for _ in range(300):
        block = rng.choice(blocks)
        block.resize(rng.choice([*SIZES, rng.randrange(5000)]), is_try)
        assert memory.used_memory() - used == sum(b.size for b in blocks)
    del blocks, block
    assert memory.used_memory() == used


@pytest.mark.parametrize("is_try", [True, False])
def test_resizing_to_nothing_keeps_a_block(is_try: bool) -> None:
    """realloc(p, 0) of the C library frees p and returns NULL."""
    used = memory.used_memory()
    block = Block(100)
    block.resize(0, is_try)
    assert memory.used_memory() - used == block.size
    block.resize(10, is_try)
    block.free()
    assert memory.used_memory() == used


def test_sizes_that_cannot_be() -> None:
    used = memory.used_memory()
    for nbytes in (SIZE_MAX, SIZE_MAX // 2, SIZE_MAX - 100):
        with pytest.raises(MemoryError):
            Block(nbytes, "ztrymalloc")
    block = Block(100)
    with pytest.raises(MemoryError):
        block.resize(SIZE_MAX // 2, is_try=True)
    block.resize(200)
    block.free()
    assert memory.used_memory() == used


def test_null_may_be_freed() -> None:
    memory.free_null()


def test_memory_freed_by_another_thread_is_counted() -> None:
    used = memory.used_memory()
    for nbytes in (1, 100, 100_000):
        memory.free_on_thread(Block(nbytes))
        assert memory.used_memory() == used


def test_purge_changes_no_count() -> None:
    block = Block(100_000)
    used = memory.used_memory()
    assert memory.used_memory() == used
    memory.purge()
    assert memory.used_memory() == used
    block.free()
    assert memory.used_memory() < used
