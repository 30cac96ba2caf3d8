# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of commands whose handlers are Python."""

from __future__ import annotations

from typing import Final

from fastredis.resp.values import ReplyError

NOT_INTEGER: Final = "ERR value is not an integer or out of range"
_LOW: Final = -(2**63)
_HIGH: Final = 2**63 - 1


def integer(
    value: bytes, low: int = _LOW, high: int = _HIGH, error: str = NOT_INTEGER
) -> int:
    """Read an integer as Redis writes it, within bounds.

    Raises: ReplyError with the error.
    """
    try:
        number = int(value)
    except ValueError:
        raise ReplyError(error) from None
    if b"%d" % number != value or not low <= number <= high:
        raise ReplyError(error)
    return number
