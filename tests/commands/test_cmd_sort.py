# SPDX-License-Identifier: BSD-3-Clause
"""SORT and SORT_RO."""

from __future__ import annotations

import random

import pytest

from support.client import RawClient

SYNTAX = "ERR syntax error"
NOT_DOUBLE = "ERR One or more scores can't be converted into double"


def texts(values: object) -> list[bytes]:
    return [str(value).encode() for value in values]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, 1000])
def test_numbers(client: RawClient, length: int) -> None:
    rng = random.Random(length)
    values = [rng.randrange(-500, 500) for _ in range(length)]
    if values:
        client.cmd("RPUSH", "l", *values)
    assert client.cmd("SORT", "l") == texts(sorted(values))
    assert client.cmd("SORT_RO", "l", "DESC") == texts(sorted(values, reverse=True))
    assert client.cmd("SORT", "l", "LIMIT", 2, 5) == texts(sorted(values)[2:7])
    assert client.cmd("SORT", "l", "LIMIT", -3, -1) == texts(sorted(values))
    assert client.cmd("SORT", "l", "LIMIT", length, 5) == []
    assert client.cmd("SORT", "l", "ALPHA") == sorted(texts(values))


@pytest.mark.parametrize("command", ["RPUSH", "SADD", "ZADD"])
def test_each_type(client: RawClient, command: str) -> None:
    scores = ["5", "1", "3"]
    values = ["c", "20", "a"]
    if command == "ZADD":
        pairs = zip(scores, values, strict=True)
        client.cmd("ZADD", "k", *[word for pair in pairs for word in pair])
    else:
        client.cmd(command, "k", *values)
    assert client.cmd("SORT", "k", "ALPHA") == [b"20", b"a", b"c"]
    assert str(client.cmd("SORT", "k")) == NOT_DOUBLE
    unsorted = client.cmd("SORT", "k", "BY", "nosort")
    assert sorted(unsorted) == [b"20", b"a", b"c"]
    if command == "ZADD":
        assert unsorted == [b"20", b"a", b"c"]
        for order, expected in (("ASC", [b"a", b"c"]), ("DESC", [b"a", b"20"])):
            reply = client.cmd("SORT", "k", "BY", "x", order, "LIMIT", 1, 2)
            assert reply == expected
    if command == "RPUSH":
        assert unsorted == [b"c", b"20", b"a"]
        reply = client.cmd("SORT", "k", "BY", "x", "DESC", "LIMIT", 0, 2)
        assert reply == [b"a", b"20"]


def test_by_and_get(client: RawClient) -> None:
    client.cmd("RPUSH", "l", *"abcd")
    client.ok("MSET", "w_a", 3, "w_b", "", "w_c", "-1e2", "t_a", "x", "t_b", "y")
    client.cmd("HSET", "h_a", "f", "1", "long->name", "z")
    client.cmd("HSET", "h_b", "f", "2")
    # what is missing counts as 0, and the values decide
    assert client.cmd("SORT", "l", "BY", "w_*") == list(map(str.encode, "cbda"))
    assert client.cmd("SORT", "l", "BY", "h_*->f", "DESC") == [b"b", b"a", b"d", b"c"]
    assert client.cmd("SORT", "l", "BY", "t_*", "ALPHA", "DESC", "GET", "#") == (
        [b"b", b"a", b"c", b"d"]
    )
    assert client.cmd("SORT", "l", "BY", "w_*", "GET", "#", "GET", "t_*") == [
        *(b"c", None, b"b", b"y", b"d", None, b"a", b"x")
    ]
    assert client.cmd("SORT", "l", "ALPHA", "GET", "h_*->f", "LIMIT", 0, 3) == [
        *(b"1", b"2", None)
    ]
    assert client.cmd("SORT", "l", "ALPHA", "GET", "h_*->long->name") == [
        *(b"z", None, None, None)
    ]
    assert client.cmd("SORT", "l", "ALPHA", "GET", "h_*") == [None] * 4
    assert client.cmd("SORT", "l", "ALPHA", "GET", "constant") == [None] * 4
    client.ok("SET", "p_a->", "arrow")
    assert client.cmd("SORT", "l", "ALPHA", "GET", "p_*->")[0] == b"arrow"
    client.ok("SET", "w_a", "word")
    assert str(client.cmd("SORT", "l", "BY", "w_*")) == NOT_DOUBLE


def test_store(client: RawClient) -> None:
    client.cmd("RPUSH", "l", *[3, 1, 2])
    client.ok("SET", "dst", "replaced", "EX", 100)
    assert client.cmd("SORT", "l", "STORE", "dst") == 3
    assert client.cmd("LRANGE", "dst", 0, -1) == [b"1", b"2", b"3"]
    assert client.cmd("TTL", "dst") == -1
    assert client.cmd("SORT", "l", "GET", "none_*", "STORE", "l") == 3
    assert client.cmd("LRANGE", "l", 0, -1) == [b"", b"", b""]
    assert client.cmd("SORT", "absent", "STORE", "dst") == 0
    assert client.cmd("EXISTS", "dst") == 0
    client.cmd("SADD", "s", *"edcba")
    assert client.cmd("SORT", "s", "BY", "nosort", "STORE", "dst") == 5
    assert client.cmd("LRANGE", "dst", 0, -1) == list(map(str.encode, "abcde"))
    assert str(client.cmd("SORT_RO", "s", "STORE", "dst")) == SYNTAX
    assert client.cmd(
        "COMMAND", "GETKEYS", "SORT", "a", "STORE", "b", "STORE", "c"
    ) == ([b"a", b"c"])


def test_errors(client: RawClient) -> None:
    client.ok("SET", "str", "x")
    assert str(client.cmd("SORT", "str")).startswith("WRONGTYPE")
    for wrong in (("BY",), ("GET",), ("LIMIT", 1), ("STORE",), ("sideways",)):
        assert str(client.cmd("SORT", "l", *wrong)) == SYNTAX
    assert str(client.cmd("SORT", "l", "LIMIT", "x", 1)) == (
        "ERR value is not an integer or out of range"
    )
