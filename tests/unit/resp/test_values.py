# SPDX-License-Identifier: BSD-3-Clause
"""resp.values: what commands in Python may return beyond the plain values."""

from __future__ import annotations

import copy
import pickle

import pytest

from fastredis.resp import values
from fastredis.resp.values import (
    NULL_ARRAY,
    OK,
    ReplyError,
    ReplySet,
    SimpleString,
    Verbatim,
)


def test_strings_are_strings() -> None:
    """Code that compares replies need not know the kinds."""
    assert OK == "OK"
    assert isinstance(OK, SimpleString)
    assert SimpleString("a") == Verbatim("a") == "a"
    assert type(SimpleString("a")) is not type(Verbatim("a"))
    assert {OK: 1}["OK"] == 1


@pytest.mark.parametrize("kind", [SimpleString, Verbatim, ReplySet])
def test_values_take_no_more_than_what_they_extend(kind: type) -> None:
    with pytest.raises(AttributeError):
        kind().extra = 1


def test_set_keeps_its_order_and_takes_what_cannot_be_hashed() -> None:
    members = ReplySet([{"a": 1}, [2], "c"])
    assert list(members) == [{"a": 1}, [2], "c"]
    assert members == ({"a": 1}, [2], "c")


def test_null_array_is_one_value() -> None:
    assert repr(NULL_ARRAY) == "NULL_ARRAY"
    assert NULL_ARRAY is not None
    assert values.NULL_ARRAY is NULL_ARRAY
    assert NULL_ARRAY != []


def test_error_is_raised_or_returned() -> None:
    error = ReplyError("ERR no such key")
    assert str(error) == "ERR no such key"
    with pytest.raises(ReplyError, match=r"^ERR no such key$"):
        raise error


@pytest.mark.parametrize("value", [OK, Verbatim("a"), ReplySet([1, 2])])
def test_values_survive_copies(value: object) -> None:
    for again in (
        copy.copy(value),
        copy.deepcopy(value),
        pickle.loads(pickle.dumps(value)),
    ):
        assert again == value
        assert type(again) is type(value)
