# SPDX-License-Identifier: BSD-3-Clause
"""ds.tagstr: strings of every length, and what they take."""

from __future__ import annotations

import pytest

from fastredis._testing import memory
from fastredis._testing.sets import tagstr

LENGTHS = [*range(140), 253, 254, 255, 256, 257, 1000, 65535, 65536, 100_000]


@pytest.mark.parametrize("length", LENGTHS)
def test_reads_as_it_was_made(length: int) -> None:
    text = bytes((i * 7 + length) & 255 for i in range(length))
    assert tagstr(text)[0] == text


@pytest.mark.parametrize("length", LENGTHS)
def test_takes_no_more_than_its_header_asks(length: int) -> None:
    needed = length + (1 if length < 255 else 5)
    if length and length % 16 == 0 and length <= 112:
        needed = length
    assert tagstr(bytes(length))[1] <= max(memory.good_size(needed), needed)
