# SPDX-License-Identifier: BSD-3-Clause
"""core.xxh3 against hashes made with xxhash 4.1, the PyPI package of the original."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastredis._testing import core


def sample(nbytes: int) -> bytes:
    """Return the text that was hashed; no two words of it are alike for long."""
    return bytes((i * 131 + (i >> 8) * 17 + 7) & 255 for i in range(nbytes))


# Both sides of every border between the ways in which a length is treated: 3, 8, 16,
# 32, 64, 96, 128, 240, a stripe of 64, a block of 1024.
VECTORS = {
    0: "2d06800538d394c2",
    1: "4c5cca45d0f4811f",
    2: "29c60963cbfa4e6e",
    3: "6e3e2670e61106ac",
    4: "5c4c63133443d03f",
    5: "49f5eb3111280b63",
    7: "46a5c724d51fe43f",
    8: "f9fd4dd0b04d78f5",
    9: "7c20df9712c26edf",
    12: "16d2dff54dc2ee45",
    15: "b345a7b2698ba575",
    16: "86abf6baccea0858",
    17: "b58bf5dc5022d071",
    24: "08ce26a7964ba200",
    31: "48442fcd5518b086",
    32: "e3712ed84c04a66e",
    33: "a4dee99b093e1f73",
    48: "d8d1caaa06ae1e99",
    63: "30ca01f63dcc223b",
    64: "1291d2d4042330dd",
    65: "97c6bf83217e5ec9",
    95: "31bc916970f3868d",
    96: "81296929fc063365",
    97: "f145a45b658ab9dd",
    127: "ed4cf62104020db5",
    128: "10d17f72c0ccba41",
    129: "1648bdc3db49d1a2",
    143: "d05ced598f7f87b3",
    144: "b46dbfc6d9e31aba",
    160: "655c8dc33b4b4c4a",
    239: "f0d154819adb16cd",
    240: "b6cfaf343fab81e6",
    241: "956cae592c67279e",
    255: "64a6073025eb7929",
    256: "b15e550733c5dfac",
    511: "1196c0e51d3ad3fa",
    512: "31cc4c8456761b50",
    1023: "aa76836516a7ea30",
    1024: "a1e16f2edf2cbed6",
    1025: "0a6d2c17259fe4bb",
    1088: "0ef0c0dc0e8682f1",
    1089: "e9459411d2759a81",
    1500: "93fd1e5076766d4d",
    2000: "9f1975de7245a497",
    100000: "61b222b374cf1fa7",
}

# The hash of the hashes of the first 0, 1, ... 2048 bytes of the sample.
EVERY_LENGTH = "56935d7a2ee70661"


@pytest.mark.parametrize("nbytes", VECTORS)
def test_vectors(nbytes: int) -> None:
    assert f"{core.xxh3(sample(nbytes)):016x}" == VECTORS[nbytes]


def test_every_length() -> None:
    data = sample(2048)
    hashes = [core.xxh3(data[:n]) for n in range(len(data) + 1)]
    assert len(set(hashes)) == len(hashes)
    joined = b"".join(h.to_bytes(8, "big") for h in hashes)
    assert f"{core.xxh3(joined):016x}" == EVERY_LENGTH


@given(st.binary(max_size=1200), st.integers(0, 15))
def test_alignment_does_not_matter(data: bytes, shift: int) -> None:
    assert core.xxh3(bytes(shift) + data, shift) == core.xxh3(data)


@given(st.binary(min_size=1, max_size=1200), st.data())
def test_every_bit_counts(data: bytes, draw: st.DataObject) -> None:
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    assert core.xxh3(bytes(changed)) != core.xxh3(data)
