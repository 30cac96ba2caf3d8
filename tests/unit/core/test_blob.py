# SPDX-License-Identifier: BSD-3-Clause
"""core.blob: counted byte strings with several owners."""

from __future__ import annotations

import random

import pytest

from fastredis._testing import memory
from fastredis._testing.memory import SIZE_MAX, Blob
from support.seeds import seeds


@pytest.mark.parametrize("n", [0, 1, 43, 44, 1000, 1_000_000])
def test_copy(n: int) -> None:
    used = memory.used_memory()
    value = bytes(i & 255 for i in range(n))
    blob = Blob(value)
    assert (blob.value, blob.refs) == (value, 1)
    assert blob.cap >= n
    assert memory.used_memory() - used == blob.nbytes
    del blob
    assert memory.used_memory() == used


@pytest.mark.parametrize("cap", [0, 3, 100, 50_000])
def test_room_that_was_asked_for(cap: int) -> None:
    for blob in (Blob(b"abc", cap), Blob(None, cap), Blob(None, cap, is_try=True)):
        assert blob.cap >= cap
        blob.fill()  # all of it is there: a sanitizer looks
        assert blob.value == b"Z" * blob.cap


@pytest.mark.parametrize("is_try", [True, False])
@pytest.mark.parametrize("seed", seeds(3))
def test_appending(seed: int, is_try: bool) -> None:
    rng = random.Random(seed)
    blob, value = Blob(b""), b""
    while len(value) < 100_000:
        piece = rng.randbytes(rng.choice([1, 10, 100, 10_000]))
        if blob.cap - len(value) < len(piece):
            blob.reserve(len(value) + len(piece), is_try)
        blob.append(piece)
        value += piece
        assert blob.value == value
    cap = blob.cap
    blob.reserve(10, is_try)
    assert blob.cap == cap
    assert blob.refs == 1


def test_owners() -> None:
    used = memory.used_memory()
    first = Blob(b"value")
    second = first.retain()
    third = second.retain()
    assert first.refs == second.refs == third.refs == 3
    del first
    assert (second.refs, third.value) == (2, b"value")
    del second
    assert third.refs == 1
    third.reserve(1000)
    assert third.value == b"value"
    del third
    assert memory.used_memory() == used


def test_sizes_that_cannot_be() -> None:
    used = memory.used_memory()
    for cap in (SIZE_MAX, SIZE_MAX - 10, SIZE_MAX // 2):
        with pytest.raises(MemoryError):
            Blob(None, cap, is_try=True)
        blob = Blob(b"abc")
        with pytest.raises(MemoryError):
            blob.reserve(cap, is_try=True)
        assert blob.value == b"abc"
    del blob
    assert memory.used_memory() == used
