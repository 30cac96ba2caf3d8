# SPDX-License-Identifier: BSD-3-Clause
"""core.lzf: there and back, bytes of the format, and bytes that are none."""

from __future__ import annotations

import random

import pytest

from fastredis._testing.lzf import compress, decompress
from support.seeds import seeds


def any_bytes(rng: random.Random, longest: int) -> bytes:
    """Return bytes that repeat themselves more or less."""
    n = rng.randrange(1, longest)
    match rng.randrange(4):
        case 0:
            return rng.randbytes(n)
        case 1:
            return bytes(rng.choices(b"ab", k=n))
        case 2:
            word = rng.randbytes(rng.randrange(1, 400))
            return (word * (n // len(word) + 1))[:n]
        case _:
            words = [rng.randbytes(rng.randrange(1, 30)) for _ in range(20)]
            return b"".join(rng.choices(words, k=n // 15 + 1))[:n]


@pytest.mark.parametrize("seed", seeds(4))
def test_there_and_back(seed: int) -> None:
    rng = random.Random(seed)
    for longest in (4, 40, 400, 9000, 20000, 70000):
        for _ in range(20):
            data = any_bytes(rng, longest)
            packed = compress(data, len(data) * 2 + 10)
            assert packed is not None
            assert len(packed) <= len(data) + len(data) // 32 + 1
            assert decompress(packed, len(data)) == data
            assert decompress(packed, len(data) + 5) == data
            assert decompress(packed, len(data) - 1) is None
            assert compress(data, len(packed)) == packed
            assert compress(data, len(packed) - 1) is None


def test_repeated_bytes_shrink() -> None:
    packed = compress(b"0123456789" * 1000, 1000)
    assert packed is not None
    assert len(packed) < 150


def test_nothing_is_not_compressed() -> None:
    assert compress(b"", 10) is None
    assert decompress(b"", 10) is None


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (b"\x00a", b"a"),
        (b"\x02abc", b"abc"),
        (b"\x00a\x20\x00", b"aaaa"),  # a reference that overlaps what it makes
        (b"\x02abc\x20\x02", b"abcabc"),
        (b"\x00a\xe0\x00\x00", b"a" * 10),
        (b"\x00a\xe0\xff\x00", b"a" * 265),
    ],
)
def test_bytes_are_those_of_the_format(packed: bytes, plain: bytes) -> None:
    assert decompress(packed, 1000) == plain


def test_the_farthest_reference() -> None:
    literals = b"".join(b"\x1f" + bytes([i]) * 32 for i in range(256))
    assert decompress(literals + b"\x3f\xff", 9000) == (
        b"".join(bytes([i]) * 32 for i in range(256)) + b"\x00" * 3
    )


@pytest.mark.parametrize(
    "packed",
    [
        b"\x01a",  # fewer literals than announced
        b"\x20\x00",  # nothing to refer to
        b"\x00a\x20\x01",  # before the beginning
        b"\x00a\x20",  # no offset
        b"\x00a\xe0",  # no length
        b"\x00a\xe0\x00",  # a length, but no offset
    ],
)
def test_what_is_refused(packed: bytes) -> None:
    assert decompress(packed, 1000) is None


@pytest.mark.parametrize("seed", seeds(4))
def test_damaged_bytes_are_harmless(seed: int) -> None:
    """Whatever comes out, nothing outside is read or written (see the sanitizers)."""
    rng = random.Random(seed)
    for _ in range(500):
        data = any_bytes(rng, 600)
        packed = bytearray(compress(data, 2000) or b"")
        for _ in range(rng.randrange(1, 4)):
            packed[rng.randrange(len(packed))] = rng.randrange(256)
        out = decompress(bytes(packed), len(data))
        assert out is None or len(out) <= len(data)
        noise = decompress(rng.randbytes(rng.randrange(1, 60)), 300)
        assert noise is None or len(noise) <= 300
