# SPDX-License-Identifier: BSD-3-Clause
"""The formats of INFO's values."""

from __future__ import annotations

import pytest

from fastredis.admin.info import _DEFAULT, SECTIONS, _percentile, _safe, human


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (1198760, "1.14M"),
        (25276502016, "23.54G"),
        (1 << 40, "1.00T"),
        (1 << 50, "1.00P"),
        (1 << 61, "2048.00P"),
    ],
)
def test_human(nbytes: int, text: str) -> None:
    assert human(nbytes) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (50.0, "50"),
        (99.9, "99.9"),
        (100.0, "100"),
        (0.0, "0"),
        (50.123456, "50.123456"),
    ],
)
def test_percentile(value: float, text: str) -> None:
    assert _percentile(value) == text


def test_names_cannot_break_the_format() -> None:
    assert _safe(b"client|list") == "client|list"
    assert _safe(b"a:b#c\r\nd") == "a_b_c__d"


def test_sections_by_default() -> None:
    assert SECTIONS.keys() - _DEFAULT == {
        "commandstats",
        "latencystats",
        "debug",
        "keysizes",
    }
