# SPDX-License-Identifier: BSD-3-Clause
"""ds.listpack against a list, and its bytes against the format's description."""

from __future__ import annotations

import random

import pytest

from fastredis._testing.listpack import (
    AFTER,
    BEFORE,
    REPLACE,
    Listpack,
    entry_max,
    is_valid,
)
from support.seeds import seeds

# Each side of every border between two encodings.
INTEGERS = [
    sign * (border + step)
    for border in (0, 127, 128, 4095, 4096, 32767, 8388607, 2**31 - 1, 2**63 - 2)
    for step in (-1, 0, 1)
    for sign in (1, -1)
]
LENGTHS = [0, 1, 62, 63, 64, 65, 126, 127, 128, 4093, 4094, 4095, 4096, 16383, 16384]


def stored(value: bytes | int) -> bytes | int:
    """Return a value as an entry holds it: canonical integers as numbers."""
    if isinstance(value, int):
        return value
    try:
        number = int(value)
    except ValueError:
        return value
    fits = -(2**63) <= number < 2**63
    return number if fits and b"%d" % number == value else value


def make(values: list[bytes | int]) -> Listpack:
    lp = Listpack()
    for value in values:
        lp.append(value)
    return lp


def check(lp: Listpack, model: list[bytes | int]) -> None:
    assert lp.values() == model
    assert lp.backwards() == model[::-1]
    assert len(lp) == len(model)
    assert is_valid(bytes(lp))


def test_bytes_are_those_of_the_format() -> None:
    lp = make([b"hello", 1, b"", -1, 4096, b"x" * 64])
    assert bytes(lp) == (
        b"\x5c\x00\x00\x00\x06\x00"
        b"\x85hello\x06"
        b"\x01\x01"
        b"\x80\x01"
        b"\xdf\xff\x02"
        b"\xf1\x00\x10\x03"
        b"\xe0\x40" + b"x" * 64 + b"\x42\xff"
    )


@pytest.mark.parametrize("number", INTEGERS)
def test_integers_by_text_and_number(number: int) -> None:
    lp = make([b"before", number, b"%d" % number, b"after"])
    check(lp, [b"before", number, number, b"after"])
    assert lp.equals(1, b"%d" % number)
    assert not lp.equals(1, b"%d" % (number + 1))


@pytest.mark.parametrize(
    "text", [b"-0", b"01", b"+1", b" 1", b"1 ", b"9223372036854775808", b"1e3", b"-"]
)
def test_what_is_no_canonical_integer_stays_text(text: bytes) -> None:
    check(make([text]), [text])
    assert make([text]).equals(0, text)


@pytest.mark.parametrize("length", LENGTHS)
def test_strings_of_each_length(length: int) -> None:
    text = b"s" * length
    lp = make([text])
    check(lp, [text])
    assert len(bytes(lp)) - 7 <= entry_max(length)
    assert lp.equals(0, text)


@pytest.mark.parametrize("seed", seeds(6))
def test_against_a_list(seed: int) -> None:
    rng = random.Random(seed)
    lp, model = Listpack(), []

    def any_value() -> bytes | int:
        match rng.randrange(4):
            case 0:
                return rng.choice(INTEGERS)
            case 1:
                return b"%d" % rng.choice(INTEGERS)
            case 2:
                return rng.randbytes(rng.choice(LENGTHS[:9]))
            case _:
                return rng.choice([b"a", b"b", b"12", 12])

    for _ in range(600):
        value = any_value()
        at = rng.randrange(-len(model), len(model)) if model else 0
        match rng.randrange(8):
            case 0 | 1:
                lp.append(value)
                model.append(stored(value))
            case 2 if isinstance(value, bytes):
                lp.prepend(value)
                model.insert(0, stored(value))
            case 3 if model:
                assert lp.insert(at, value, BEFORE) == stored(value)
                model.insert(at % len(model), stored(value))
            case 4 if model:
                assert lp.insert(at, value, AFTER) == stored(value)
                model.insert(at % len(model) + 1, stored(value))
            case 5 if model:
                assert lp.insert(at, value, REPLACE) == stored(value)
                model[at] = stored(value)
            case 6 if model:
                following = (at % len(model)) + 1
                expected = model[following] if following < len(model) else None
                assert lp.delete(at) == expected
                del model[at]
            case 7 if model:
                count = rng.randrange(3)
                start = at % len(model)
                lp.delete_range(at, count)
                del model[start : start + count]
        if rng.random() < 0.1:
            lp.shrink()
        for i in (0, -1, len(model) // 2, len(model), -len(model) - 1):
            inside = -len(model) <= i < len(model)
            assert lp.at(i) == (model[i] if inside else None)
        if rng.random() < 0.1:
            check(lp, model)
    check(lp, model)
    check(lp.copy(), model)


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_find(skip: int) -> None:
    values: list[bytes | int] = [b"a", 1, b"b", b"a", 2, b"c", 1, b"a"]
    lp = make(values)
    for start in range(len(values)):
        for wanted in (b"a", b"1", b"2", b"c", b"nothing"):
            looked_at = range(start, len(values), skip + 1)
            hits = [i for i in looked_at if values[i] == stored(wanted)]
            assert lp.find(start, wanted, skip) == (hits[0] if hits else -1)


def test_more_entries_than_the_header_counts() -> None:
    lp = make([7] * 65534)
    assert len(lp) == 65534
    lp.append(b"x")
    lp.append(8)
    assert len(lp) == 65536
    assert (lp.at(-1), lp.at(-2), lp.at(65534)) == (8, b"x", b"x")
    assert lp.at(65536) is None
    lp.delete(0)
    assert len(lp) == 65535
    assert is_valid(bytes(lp))


def test_concat() -> None:
    left: list[bytes | int] = [b"a", 1]
    right: list[bytes | int] = [b"b", 2, b"c" * 100]
    lp = make(left)
    lp.concat(make(right))
    check(lp, left + right)
    lp.concat(Listpack())
    check(lp, left + right)
    many = make([1] * 40000)
    many.concat(make([2] * 40000))
    assert len(many) == 80000


def test_room() -> None:
    lp = Listpack(1000)
    assert len(bytes(lp)) == 7
    assert lp.fits(2**30 - 7)
    assert not lp.fits(2**30 - 6)
    assert not lp.fits(2**63)


def test_damaged_bytes_are_refused() -> None:
    """Whatever is_valid accepts can be walked both ways; most damage it sees."""
    rng = random.Random(1)
    good = bytes(make([b"hello", 1, 300, b"x" * 70, 2**40, b"", b"y" * 5000, -5]))
    assert is_valid(good)
    for n in range(len(good)):
        assert not is_valid(good[:n])
    assert not is_valid(good + b"\xff")
    for _ in range(3000):
        bad = bytearray(good)
        bad[rng.randrange(len(bad))] = rng.randrange(256)
        is_valid(bytes(bad))  # reads nothing outside, which the sanitizer sees
    for bad_head in (0xF5, 0xFE):
        assert not is_valid(
            b"\x09\x00\x00\x00\x01\x00" + bytes([bad_head]) + b"\x01\xff"
        )
