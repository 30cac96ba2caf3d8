# SPDX-License-Identifier: BSD-3-Clause
"""CRC-64 of Jones: known values, and a computation bit by bit."""

from __future__ import annotations

import random

import pytest

core = pytest.importorskip("fastredis._testing.core")

POLYNOMIAL = 0xAD93D23594C935A9
LOREM = b"This is a test of the emergency broadcast system, which is 70 bytes lo"


def bit_by_bit(data: bytes) -> int:
    """Divide the message, its bytes' bits reversed, by the polynomial."""
    crc = 0
    for byte in data:
        for bit in range(8):
            top = (crc >> 63) ^ (byte >> bit & 1)
            crc = (crc << 1 & (1 << 64) - 1) ^ (POLYNOMIAL if top else 0)
    return int(f"{crc:064b}"[::-1], 2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE9C6D914C4B8D9CA),  # the check value of its author
        # what a genuine server 7.0 appends to DUMP of "hello"
        (b"\x00\x05hello\n\x00", int.from_bytes(b"cr\xdfve4 \n", "little")),
        (
            b"\x00\xc190\n\x00",
            int.from_bytes(b"\x9d\x94\xea'\x93\xfc\x08\xb9", "little"),
        ),
    ],
)
def test_known_values(data: bytes, expected: int) -> None:
    assert core.crc64(data) == expected


@pytest.mark.parametrize("nbytes", [*range(40), 255, 256, 257, 319, 320, 1000, 5000])
def test_any_length_at_any_place(nbytes: int) -> None:
    data = random.Random(nbytes).randbytes(nbytes + 8)
    for start in range(8):
        part = data[start:]
        assert core.crc64(data, start=start) == bit_by_bit(part)


def test_parts_continue_each_other() -> None:
    for at in range(len(LOREM)):
        assert core.crc64(LOREM[:at], LOREM[at:]) == core.crc64(LOREM)


def test_each_bit_matters() -> None:
    whole = core.crc64(LOREM)
    for at in range(len(LOREM) * 8):
        changed = bytearray(LOREM)
        changed[at // 8] ^= 1 << at % 8
        assert core.crc64(bytes(changed)) != whole
