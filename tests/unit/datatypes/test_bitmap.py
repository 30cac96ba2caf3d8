# SPDX-License-Identifier: BSD-3-Clause
"""datatypes.bitmap against integers of Python, which are bit strings of any length."""

from __future__ import annotations

import random
from functools import reduce

import pytest

from fastredis._testing import bitmap
from support.seeds import seeds

LENGTHS = [1, 2, 7, 8, 9, 31, 32, 33, 40, 63, 64, 511, 512, 513, 1024, 5000, 20_001]
FILLS = [b"\x00", b"\xff", b"\x01", b"\x80", b"\xa5"]
WRAP, SAT, FAIL = range(3)
OPS = ["AND", "OR", "XOR", "NOT", "DIFF", "DIFF1", "ANDOR", "ONE"]


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def any_bytes(rng: random.Random, length: int) -> bytes:
    """Return bytes that are random, or of one sort with a few exceptions."""
    if rng.randrange(2):
        return rng.randbytes(length)
    data = bytearray(rng.choice(FILLS) * length)
    for _ in range(rng.randrange(3)):
        data[rng.randrange(length)] = rng.randrange(256)
    return bytes(data)


def ranges(rng: random.Random, nbits: int) -> list[tuple[int, int]]:
    found = [(0, nbits - 1), (0, 0), (nbits - 1, nbits - 1)]
    for _ in range(20):
        first = rng.randrange(nbits)
        found.append((first, rng.randrange(first, nbits)))
        found.append((first, min(nbits - 1, first + rng.randrange(20))))
    return found


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("seed", seeds(3))
def test_count_and_find(seed: int, length: int) -> None:
    rng = random.Random(seed)
    for _ in range(4):
        data = any_bytes(rng, length)
        bits = bits_of(data)
        for first, last in ranges(rng, len(bits)):
            part = bits[first : last + 1]
            assert bitmap.count(data, first, last) == part.count("1")
            for bit in "01":
                at = part.find(bit)
                expected = at if at < 0 else first + at
                assert bitmap.find(data, first, last, bit == "1") == expected


def test_single_bits() -> None:
    data = bytes(3)
    for i in range(24):
        changed = bitmap.set_bit(data, i, True)
        assert bits_of(changed) == "0" * i + "1" + "0" * (23 - i)
        assert [n for n in range(30) if bitmap.get(changed, n)] == [i]
        assert bitmap.set_bit(changed, i, False) == data
        assert bitmap.set_bit(changed, i, True) == changed


def model_of(op: str, sources: list[bytes]) -> bytes:
    longest = max(map(len, sources))
    numbers = [int.from_bytes(s.ljust(longest, b"\0"), "big") for s in sources]
    first, rest = numbers[0], reduce(int.__or__, numbers[1:], 0)
    every = (1 << 8 * longest) - 1
    once = twice = 0
    for number in numbers:
        twice |= once & number
        once |= number
    result = {
        "AND": reduce(int.__and__, numbers),
        "OR": first | rest,
        "XOR": reduce(int.__xor__, numbers),
        "NOT": first ^ every,
        "DIFF": first & ~rest,
        "DIFF1": ~first & rest,
        "ANDOR": first & rest,
        "ONE": once & ~twice,
    }[op]
    return result.to_bytes(longest, "big")


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("seed", seeds(4))
def test_combinations(seed: int, op: str) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        count = 1 if op == "NOT" else rng.randrange(1 if op == "ONE" else 2, 6)
        lengths = [rng.choice([0, 1, 8, 100, 4095, 4096, 4097, 9000])
                   for _ in range(count)]  # fmt: skip
        lengths[rng.randrange(count)] = rng.choice([1, 50, 5000])
        sources = [any_bytes(rng, n) if n else b"" for n in lengths]
        assert bitmap.combine(OPS.index(op), sources) == model_of(op, sources)


@pytest.mark.parametrize("nbits", range(1, 65))
def test_fields_of_each_width_at_each_place(nbits: int) -> None:
    rng = random.Random(nbits)
    data = rng.randbytes(20)
    number = int.from_bytes(data, "big")
    for offset in [*range(0, 24), 90, 95, 96]:
        shift = 160 - offset - nbits
        mask = (1 << nbits) - 1
        raw = (number >> shift) & mask
        signed = raw - (1 << nbits) if raw >> (nbits - 1) else raw
        assert bitmap.field(data, offset, nbits, True) == signed
        if nbits < 64:
            assert bitmap.field(data, offset, nbits, False) == raw
        value = rng.choice([0, -1, rng.getrandbits(63), -rng.getrandbits(63)])
        expected = (number & ~(mask << shift)) | ((value & mask) << shift)
        changed = bitmap.set_field(data, offset, nbits, value)
        assert changed == expected.to_bytes(20, "big")


def test_fields_behind_the_end_are_zero() -> None:
    assert bitmap.field(b"\xff", 4, 8, False) == 0xF0
    assert bitmap.field(b"\xff", 8, 63, False) == 0
    assert bitmap.field(b"", 2**40, 64, True) == 0


EDGES = [0, 1, -1, 2, 127, 128, 255, 256, -128, -129, 2**31, 2**62, 2**63 - 1, -(2**63)]


@pytest.mark.parametrize("nbits", [1, 2, 7, 8, 9, 32, 62, 63, 64])
@pytest.mark.parametrize("is_signed", [True, False])
def test_sums_within_a_field(is_signed: bool, nbits: int) -> None:
    if nbits == 64 and not is_signed:
        pytest.skip("there are no such fields")
    low = -(1 << (nbits - 1)) if is_signed else 0
    high = (1 << (nbits - is_signed)) - 1
    for value in EDGES:
        for delta in EDGES:
            total = (value if is_signed or value >= 0 else value + 2**64) + delta
            wrapped = total & ((1 << nbits) - 1)
            if is_signed and wrapped >> (nbits - 1):
                wrapped -= 1 << nbits
            fits = low <= total <= high
            limited = total if fits else high if total > high else low
            assert bitmap.add(nbits, is_signed, value, delta, WRAP) == wrapped
            assert bitmap.add(nbits, is_signed, value, delta, SAT) == limited
            failed = bitmap.add(nbits, is_signed, value, delta, FAIL)
            assert failed == (total if fits else None)
