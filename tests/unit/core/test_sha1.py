# SPDX-License-Identifier: BSD-3-Clause
"""core.sha1 against hashlib."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastredis._testing import core


# Both sides of the borders: the padding fits its block up to 55 bytes.
@pytest.mark.parametrize(
    "nbytes", [0, 1, 3, 54, 55, 56, 63, 64, 65, 119, 120, 128, 999]
)
def test_lengths(nbytes: int) -> None:
    data = bytes(i * 7 & 255 for i in range(nbytes))
    assert core.sha1(data) == hashlib.sha1(data).digest()


@given(st.lists(st.binary(max_size=200), min_size=2, max_size=6))
def test_in_parts(parts: list[bytes]) -> None:
    assert core.sha1(*parts) == hashlib.sha1(b"".join(parts)).digest()
