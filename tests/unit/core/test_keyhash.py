# SPDX-License-Identifier: BSD-3-Clause
"""core.keyhash: a reference in Python, and the properties that tables rely on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from fastredis._testing import memory

MASK = 2**64 - 1
LENGTHS = [*range(70), 127, 128, 129, 1000, 4096]


def fold(a: int, b: int) -> int:
    product = a * b
    return (product & MASK) ^ (product >> 64)


def reference(key: bytes, seed: tuple[int, ...]) -> int:
    def word(s: bytes) -> int:
        return int.from_bytes(s, "little")

    n = len(key)
    h = seed[0] ^ n
    if n == 0:
        a, b = 0, 0
    elif n < 4:
        a, b = key[0] << 16 | key[n >> 1] << 8 | key[-1], 0
    elif n < 8:
        a, b = word(key[:4]), word(key[-4:])
    elif n <= 16:
        a, b = word(key[:8]), word(key[-8:])
    else:
        rest = key
        while len(rest) > 16:
            h = fold(word(rest[:8]) ^ seed[1], word(rest[8:16]) ^ h)
            rest = rest[16:]
        a, b = word(key[-16:-8]), word(key[-8:])
    h = fold(a ^ seed[2], b ^ h)
    return fold(h ^ seed[3], seed[1])


@pytest.mark.parametrize("n", LENGTHS)
def test_against_the_reference(n: int) -> None:
    rng = random.Random(n)
    for _ in range(20):
        key = rng.randbytes(n)
        seed = tuple(rng.getrandbits(64) for _ in range(4))
        assert memory.hash_bytes(key, seed) == reference(key, seed)
        assert memory.hash_bytes(key) == reference(key, memory.hash_seed())
        # wherever the key begins in memory
        for start in range(1, 8):
            shifted = b"x" * start + key
            assert memory.hash_bytes(shifted, seed, start) == reference(key, seed)


def test_each_byte_and_the_length_matter() -> None:
    rng = random.Random(1)
    for n in LENGTHS[1:60]:
        key = rng.randbytes(n)
        hashes = {memory.hash_bytes(key)}
        for i in range(n):
            other = bytearray(key)
            other[i] ^= 1 << rng.randrange(8)
            hashes.add(memory.hash_bytes(bytes(other)))
        hashes.add(memory.hash_bytes(key + b"\0"))
        hashes.add(memory.hash_bytes(key[:-1]))
        assert len(hashes) == n + 3


def test_every_bit_depends_on_every_bit() -> None:
    """Half of the hash changes with a bit of the key: buckets, tags, and the wheel
    take any part of it."""
    rng = random.Random(2)
    for n in (1, 3, 4, 7, 8, 12, 16, 17, 24, 40):
        changed: Counter[int] = Counter()
        rounds = 400
        for _ in range(rounds):
            key = bytearray(rng.randbytes(n))
            before = memory.hash_bytes(bytes(key))
            key[rng.randrange(n)] ^= 1 << rng.randrange(8)
            differ = before ^ memory.hash_bytes(bytes(key))
            changed.update(i for i in range(64) if differ >> i & 1)
        assert all(0.35 < changed[i] / rounds < 0.65 for i in range(64)), n


@pytest.mark.parametrize("make", ["key:%d", "%016d", "%d", "user:%d:session"])
def test_usual_keys_are_spread_evenly(make: str) -> None:
    n, nbuckets = 40_000, 1024
    for shift in (0, 16, 32, 40):
        counts = Counter(
            memory.hash_bytes((make % i).encode()) >> shift & (nbuckets - 1)
            for i in range(n)
        )
        expected = n / nbuckets
        chi = sum((counts[i] - expected) ** 2 / expected for i in range(nbuckets))
        assert 0.8 < chi / (nbuckets - 1) < 1.25


def test_no_two_of_many_keys_share_forty_bits() -> None:
    """As the wheel takes them for one key; 2**-40 of a chance for each pair."""
    hashes = {memory.hash_bytes(b"%d" % i) & (2**40 - 1) for i in range(20_000)}
    assert len(hashes) >= 20_000 - 1


def test_secret_is_odd_and_drawn_anew_by_each_process() -> None:
    seed = memory.hash_seed()
    assert all(word & 1 for word in seed)
    code = "from fastredis._testing import memory; print(*memory.hash_seed())"
    found = {tuple(map(str, seed))}
    for _ in range(2):
        output = subprocess.run(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        found.add(tuple(output.decode().split()))
    assert len(found) == 3


@pytest.mark.parametrize("n", LENGTHS)
def test_equal_sees_every_byte(n: int) -> None:
    key = random.Random(n).randbytes(n)
    assert memory.equal(key, bytes(key))
    for i in range(n):
        for bit in (1, 128):
            other = bytearray(key)
            other[i] ^= bit
            assert not memory.equal(key, bytes(other))
