# SPDX-License-Identifier: BSD-3-Clause
"""ds.intset against a sorted list, and its bytes against the format's description."""

from __future__ import annotations

import random
import struct

import pytest

from fastredis._testing.sets import Intset, intset_valid
from support.seeds import seeds

BORDERS = [
    sign * (border + step)
    for border in (0, 2**15, 2**31, 2**63 - 2)
    for step in (-1, 0, 1)
    for sign in (1, -1)
] + [-(2**63), 2**63 - 1]


def make(values: list[int]) -> Intset:
    s = Intset()
    for value in values:
        s.add(value)
    return s


def expected_bytes(values: list[int]) -> bytes:
    """Return the format's bytes of a set to which these were added."""
    widest = max((2 if -(2**15) <= v < 2**15 else 4 if -(2**31) <= v < 2**31 else 8)
                 for v in values)  # fmt: skip
    ordered = sorted(set(values))
    code = {2: "h", 4: "i", 8: "q"}[widest]
    return struct.pack(f"<II{len(ordered)}{code}", widest, len(ordered), *ordered)


def test_bytes_are_those_of_the_format() -> None:
    assert bytes(make([300, -5, 1])) == (
        b"\x02\0\0\0\x03\0\0\0" + b"\xfb\xff" + b"\x01\0" + b"\x2c\x01"
    )


@pytest.mark.parametrize("first", [0, 2**15, -(2**31) - 1])
@pytest.mark.parametrize("value", BORDERS)
def test_each_width_grows_into_each(first: int, value: int) -> None:
    s = make([first])
    assert s.add(value) == (value != first)
    assert not s.add(value)
    assert s.values() == sorted({first, value})
    assert bytes(s) == expected_bytes([first, value])
    assert value in s
    assert first in s
    assert intset_valid(bytes(s))


def test_the_width_stays_when_the_widest_leaves() -> None:
    s = make([1, 2**40])
    assert s.remove(2**40)
    assert bytes(s) == struct.pack("<IIq", 8, 1, 1)


@pytest.mark.parametrize("seed", seeds(6))
def test_against_a_list(seed: int) -> None:
    rng = random.Random(seed)
    s, model = Intset(), set[int]()
    span = rng.choice([40, 70_000, 2**33, 2**62])
    for _ in range(1500):
        value = rng.choice([rng.randrange(-span, span), rng.choice(BORDERS)])
        match rng.randrange(8):
            case 0 | 1 | 2 | 3:
                assert s.add(value) == (value not in model)
                model.add(value)
            case 4 | 5:
                value = rng.choice([value, *sorted(model)[:3]])
                assert s.remove(value) == (value in model)
                model.discard(value)
            case 6 if model:
                at = rng.randrange(len(model))
                s.remove_at(at)
                model.discard(sorted(model)[at])
            case _ if rng.randrange(60) == 0:
                ordered = sorted(model)
                kept = [i for i in range(len(ordered)) if rng.randrange(3)]
                s.keep(kept)
                model = {ordered[i] for i in kept}
        assert len(s) == len(model)
        assert (value in s) == (value in model)
    assert s.values() == sorted(model)
    assert bytes(s.copy()) == bytes(s)
    assert all(value in s for value in model)
    assert not any(value + 1 in s for value in model if value + 1 < 2**63
                   and value + 1 not in model)  # fmt: skip


def test_many_in_each_order() -> None:
    for order in (1, -1):
        s = make(list(range(5000))[::order])
        assert s.values() == list(range(5000))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\0\0\0\0\0\0",
        b"\x02\0\0\0\0\0\0\0",  # empty
        b"\x03\0\0\0\x01\0\0\0\1\0\0",  # no such width
        b"\x02\0\0\0\x02\0\0\0\1\0",  # too short
        b"\x02\0\0\0\x01\0\0\0\1\0\0",  # too long
        b"\x02\0\0\0\x02\0\0\0\1\0\1\0",  # twice the same
        b"\x02\0\0\0\x02\0\0\0\2\0\1\0",  # not ascending
        b"\x02\0\0\0\xff\xff\xff\xff\1\0",
    ],
)
def test_what_is_no_intset(data: bytes) -> None:
    assert not intset_valid(data)
