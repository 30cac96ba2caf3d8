# SPDX-License-Identifier: BSD-3-Clause
"""Hash commands: fields, numbers, random fields and scans, the expiry of fields."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from support.client import Arg, Error, Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
NO_FIELDS = "ERR Mandatory argument FIELDS is missing or not at the right position"
MISMATCH = "ERR The `numfields` parameter must match the number of arguments"
NOT_POSITIVE = "ERR Number of fields must be a positive integer"
NEGATIVE = "ERR invalid expire time, must be >= 0"
FAR = 33_177_117_420  # seconds; the year 3021
TIME_MAX = 2**46 - 1  # ms; the latest time of a field
ENCODINGS = ("listpack", "listpackex", "hashtable")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def encoding(client: RawClient, key: str = "h") -> bytes:
    reply: bytes = client.cmd("OBJECT", "ENCODING", key)
    return reply


def error(client: RawClient, text: str, *args: Arg) -> None:
    """Check that a command fails with this text."""
    reply = client.cmd(*args)
    assert isinstance(reply, Error)
    assert reply == text


def getall(client: RawClient, key: str = "h") -> dict[bytes, bytes]:
    """Return what HGETALL replies, in either protocol."""
    reply = client.cmd("HGETALL", key)
    if isinstance(reply, Map):
        return dict(reply.pairs)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def fill(client: RawClient, kind: str, pairs: dict[str, str]) -> None:
    """Make the hash h of these pairs in an encoding."""
    client.cmd("DEL", "h")
    client.cmd("HSET", "h", *[part for pair in pairs.items() for part in pair])
    if kind == "listpackex":
        field = next(iter(pairs))
        client.cmd("HEXPIRE", "h", 100, "FIELDS", 1, field)
        client.cmd("HPERSIST", "h", "FIELDS", 1, field)
    elif kind == "hashtable":
        client.cmd("HSET", "h", "x" * 70, "")
        client.cmd("HDEL", "h", "x" * 70)
    assert encoding(client) == kind.encode()


each_encoding = pytest.mark.parametrize("kind", ENCODINGS)


# --- Fields ------------------------------------------------------------------------


@each_encoding
def test_fields_are_set_read_and_deleted(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "two"})
    assert client.cmd("HGET", "h", "a") == b"1"
    assert client.cmd("HGET", "h", "b") == b"two"
    assert client.cmd("HGET", "h", "c") is None
    assert client.cmd("HMGET", "h", "b", "c", "a", "a") == [b"two", None, b"1", b"1"]
    assert client.cmd("HSET", "h", "b", "zwei", "c", "", "d", "4") == 2
    assert client.cmd("HGET", "h", "b") == b"zwei"
    assert client.cmd("HLEN", "h") == 4
    assert client.cmd("HSTRLEN", "h", "b") == 4
    assert client.cmd("HSTRLEN", "h", "c") == 0
    assert client.cmd("HEXISTS", "h", "c") == 1
    assert client.cmd("HEXISTS", "h", "e") == 0
    assert client.cmd("HSETNX", "h", "a", "x") == 0
    assert client.cmd("HSETNX", "h", "e", "x") == 1
    assert sorted(client.cmd("HKEYS", "h")) == [b"a", b"b", b"c", b"d", b"e"]
    assert sorted(client.cmd("HVALS", "h")) == [b"", b"1", b"4", b"x", b"zwei"]
    assert client.cmd("HDEL", "h", "a", "nope", "b", "a") == 2
    assert client.cmd("HDEL", "h", "c", "d", "e") == 3
    assert client.cmd("EXISTS", "h") == 0


@each_encoding
def test_hgetall_is_a_map(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "2"})
    reply = client.cmd("HGETALL", "h")
    assert isinstance(reply, Map if client.resp == 3 else list)
    assert getall(client) == {b"a": b"1", b"b": b"2"}


def test_an_absent_key_is_an_empty_hash(client3: RawClient) -> None:
    assert client3.cmd("HGET", "h", "a") is None
    assert client3.cmd("HMGET", "h", "a", "b") == [None, None]
    assert client3.cmd("HGETALL", "h") == Map([])
    for name in ("HKEYS", "HVALS"):
        assert client3.cmd(name, "h") == []
    assert client3.cmd("HLEN", "h") == 0
    assert client3.cmd("HDEL", "h", "a") == 0
    assert client3.cmd("HRANDFIELD", "h") is None
    assert client3.cmd("HRANDFIELD", "h", 3) == []
    assert client3.cmd("HSCAN", "h", 0) == [b"0", []]
    assert client3.cmd("HTTL", "h", "FIELDS", 2, "a", "b") == [-2, -2]
    assert client3.cmd("HEXPIRE", "h", 9, "FIELDS", 1, "a") == [-2]
    assert client3.cmd("HGETEX", "h", "FIELDS", 1, "a") == [None]
    assert client3.cmd("HGETDEL", "h", "FIELDS", 1, "a") == [None]
    assert client3.cmd("EXISTS", "h") == 0


@pytest.mark.parametrize(
    "command",
    [
        ("HSET", "k", "a", "1"),
        ("HMSET", "k", "a", "1"),
        ("HSETNX", "k", "a", "1"),
        ("HGET", "k", "a"),
        ("HMGET", "k", "a"),
        ("HGETALL", "k"),
        ("HKEYS", "k"),
        ("HVALS", "k"),
        ("HLEN", "k"),
        ("HSTRLEN", "k", "a"),
        ("HEXISTS", "k", "a"),
        ("HDEL", "k", "a"),
        ("HINCRBY", "k", "a", "1"),
        ("HINCRBYFLOAT", "k", "a", "1"),
        ("HRANDFIELD", "k"),
        ("HSCAN", "k", "0"),
        ("HEXPIRE", "k", "9", "FIELDS", "1", "a"),
        ("HTTL", "k", "FIELDS", "1", "a"),
        ("HPERSIST", "k", "FIELDS", "1", "a"),
        ("HGETEX", "k", "FIELDS", "1", "a"),
        ("HSETEX", "k", "FIELDS", "1", "a", "1"),
        ("HGETDEL", "k", "FIELDS", "1", "a"),
    ],
)
def test_another_type_is_refused(client: RawClient, command: Sequence[str]) -> None:
    client.ok("SET", "k", "string")
    error(client, WRONG_TYPE, *command)
    assert client.cmd("GET", "k") == b"string"


def test_hset_wants_pairs(client: RawClient) -> None:
    for name in ("hset", "hmset"):
        text = f"ERR wrong number of arguments for '{name}' command"
        error(client, text, name, "h", "a", "1", "b")
    assert client.cmd("EXISTS", "h") == 0
    client.ok("HMSET", "h", "a", "1", "b", "2", "a", "3")
    assert client.cmd("HMGET", "h", "a", "b") == [b"3", b"2"]


@pytest.mark.parametrize("length", [255, 256, 1024, 1025, 100_000])
def test_long_fields_and_values(client: RawClient, length: int) -> None:
    field, value = b"f" * length, b"v" * length
    client.cmd("HSET", "h", field, value, "short", value)
    assert client.cmd("HGET", "h", field) == value
    assert client.cmd("HMGET", "h", "short", field) == [value, value]
    assert client.cmd("HSTRLEN", "h", "short") == length
    client.cmd("HSET", "h", "short", "s")
    assert client.cmd("HGET", "h", "short") == b"s"
    assert client.cmd("HDEL", "h", field) == 1


def test_limits_of_a_listpack_are_configuration(client: RawClient) -> None:
    client.ok("CONFIG", "SET", "hash-max-listpack-entries", 3)
    client.ok("CONFIG", "SET", "hash-max-ziplist-value", 5)
    try:
        client.cmd("HSET", "h", "a", "1", "b", "2", "c", "12345")
        assert encoding(client) == b"listpack"
        client.cmd("HSET", "h", "d", "4")
        assert encoding(client) == b"hashtable"
        client.cmd("HSET", "g", "a", "123456")
        assert encoding(client, "g") == b"hashtable"
        client.cmd("HINCRBY", "i", "longer", 1)
        assert encoding(client, "i") == b"hashtable"
    finally:
        client.ok("CONFIG", "SET", "hash-max-listpack-entries", 512)
        client.ok("CONFIG", "SET", "hash-max-listpack-value", 64)


@each_encoding
def test_copies_are_independent(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "2"})
    client.cmd("HEXPIRE", "h", 1000, "FIELDS", 1, "a")
    assert client.cmd("COPY", "h", "g") == 1
    assert encoding(client, "g") == encoding(client)
    client.cmd("HSET", "h", "a", "changed")
    assert client.cmd("HGET", "g", "a") == b"1"
    assert client.cmd("HTTL", "g", "FIELDS", 2, "a", "b") == [1000, -1]
    assert client.cmd("TYPE", "g") == "hash"
    assert client.cmd("SCAN", 0, "COUNT", 100, "TYPE", "hash")[0] == b"0"


@each_encoding
def test_digest_does_not_depend_on_encoding_and_order(
    client: RawClient, kind: str
) -> None:
    fill(client, kind, {"a": "1", "b": "2", "c": "3"})
    # what redis-server 7.0 answers
    assert client.cmd("DEBUG", "DIGEST-VALUE", "h") == [
        "b60c36e529712296d694f27b5914cbe84950995e"
    ]


# --- Numbers -----------------------------------------------------------------------


@each_encoding
def test_hincrby(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "5", "s": "text", "sp": " 1", "max": str(2**63 - 1)})
    assert client.cmd("HINCRBY", "h", "a", 3) == 8
    assert client.cmd("HINCRBY", "h", "new", -3) == -3
    assert client.cmd("HGET", "h", "a") == b"8"
    error(client, "ERR hash value is not an integer", "HINCRBY", "h", "s", 1)
    error(client, "ERR hash value is not an integer", "HINCRBY", "h", "sp", 1)
    error(client, NOT_INTEGER, "HINCRBY", "h", "a", "x")
    error(client, "ERR increment or decrement would overflow", "HINCRBY", "h", "max", 1)
    assert client.cmd("HGET", "h", "max") == b"%d" % (2**63 - 1)


@each_encoding
def test_hincrbyfloat(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "5", "s": "text"})
    assert client.cmd("HINCRBYFLOAT", "h", "a", "1.5") == b"6.5"
    assert client.cmd("HINCRBYFLOAT", "h", "new", "3.0e3") == b"3000"
    error(client, "ERR hash value is not a float", "HINCRBYFLOAT", "h", "s", 1)
    error(client, "ERR value is not a valid float", "HINCRBYFLOAT", "h", "a", "x")
    error(client, "ERR value is NaN or Infinity", "HINCRBYFLOAT", "h", "a", "inf")
    assert client.cmd("HGET", "h", "a") == b"6.5"


# --- Random fields and scans -------------------------------------------------------


@each_encoding
def test_hrandfield(client: RawClient, kind: str) -> None:
    pairs = {f"f{n}": f"v{n}" for n in range(20)}
    fill(client, kind, pairs)
    names = {name.encode() for name in pairs}
    assert client.cmd("HRANDFIELD", "h") in names
    for count in (1, 5, 19, 20, 21, 1000):
        some = client.cmd("HRANDFIELD", "h", count)
        assert len(some) == len(set(some)) == min(count, 20)
        assert set(some) <= names
        assert len(client.cmd("HRANDFIELD", "h", -count)) == count
    for count in (4, -4, 30):
        both = client.cmd("HRANDFIELD", "h", count, "withvalues")
        if client.resp == 2:
            both = list(zip(both[::2], both[1::2], strict=True))
        assert len(both) == min(abs(count), 20)
        assert all(v == b"v" + f[1:] for f, v in both)
    assert client.cmd("HRANDFIELD", "h", 0) == []
    error(client, SYNTAX, "HRANDFIELD", "h", 1, "nonsense")
    error(client, SYNTAX, "HRANDFIELD", "h", 1, "WITHVALUES", "x")
    error(
        client, "ERR value is out of range", "HRANDFIELD", "h", 2**63 - 1, "WITHVALUES"
    )
    error(
        client,
        f"ERR value is out of range, value must between -{2**63 - 1} and {2**63 - 1}",
        "HRANDFIELD",
        "h",
        -(2**63),
    )


@each_encoding
def test_hscan(client: RawClient, kind: str) -> None:
    pairs = {f"f{n}": str(n) for n in range(300)}
    fill(client, kind, pairs)
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, part = client.cmd("HSCAN", "h", cursor, "COUNT", 7)
        found += part
        if cursor == b"0":
            break
    seen = dict(zip(found[::2], found[1::2], strict=True))
    assert seen == {f.encode(): v.encode() for f, v in pairs.items()}
    reply = client.cmd("HSCAN", "h", 0, "COUNT", 10_000, "MATCH", "f1?", "NOVALUES")
    assert sorted(reply[1]) == [b"f1%d" % n for n in range(10)]
    error(client, "ERR invalid cursor", "HSCAN", "h", "x")
    error(client, SYNTAX, "HSCAN", "h", 0, "COUNT", 0)
    error(client, SYNTAX, "HSCAN", "h", 0, "TYPE", "hash")


# --- Expiry of fields --------------------------------------------------------------


@each_encoding
def test_times_are_set_and_told(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "2", "c": "3"})
    assert client.cmd("HEXPIRE", "h", 100, "FIELDS", 2, "a", "nope") == [1, -2]
    assert client.cmd("HTTL", "h", "FIELDS", 3, "a", "b", "nope") == [100, -1, -2]
    left = client.cmd("HPTTL", "h", "FIELDS", 1, "a")[0]
    assert 90_000 < left <= 100_000
    assert client.cmd("HPEXPIREAT", "h", FAR * 1000 + 1, "FIELDS", 1, "b") == [1]
    assert client.cmd("HPEXPIRETIME", "h", "FIELDS", 1, "b") == [FAR * 1000 + 1]
    assert client.cmd("HEXPIRETIME", "h", "FIELDS", 1, "b") == [FAR + 1]
    assert client.cmd("HEXPIREAT", "h", FAR, "FIELDS", 1, "b") == [1]
    assert client.cmd("HEXPIRETIME", "h", "FIELDS", 2, "b", "c") == [FAR, -1]
    assert client.cmd("HPEXPIRE", "h", 99_999, "FIELDS", 1, "c") == [1]
    assert client.cmd("HPERSIST", "h", "FIELDS", 3, "b", "b", "nope") == [1, -1, -2]
    assert client.cmd("HTTL", "h", "FIELDS", 1, "b") == [-1]
    wanted = b"hashtable" if kind == "hashtable" else b"listpackex"
    assert encoding(client) == wanted


@each_encoding
@pytest.mark.parametrize(
    ("condition", "without", "earlier", "same", "later"),
    [
        ("NX", 1, 0, 0, 0),
        ("XX", 0, 1, 1, 1),
        ("GT", 0, 0, 0, 1),
        ("LT", 1, 1, 0, 0),
    ],
)
def test_conditions(
    client: RawClient,
    kind: str,
    condition: str,
    without: int,
    earlier: int,
    same: int,
    later: int,
) -> None:
    fill(client, kind, {"a": "1", "b": "2"})
    for when, wanted in ((FAR - 1, earlier), (FAR, same), (FAR + 1, later)):
        client.cmd("HEXPIREAT", "h", FAR, "FIELDS", 1, "a")
        reply = client.cmd("HEXPIREAT", "h", when, condition, "FIELDS", 1, "a")
        assert reply == [wanted]
        wanted_time = when if wanted else FAR
        assert client.cmd("HEXPIRETIME", "h", "FIELDS", 1, "a") == [wanted_time]
    assert client.cmd("HEXPIREAT", "h", FAR, condition, "FIELDS", 1, "b") == [without]


@each_encoding
def test_a_time_that_has_passed_deletes(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "2", "c": "3"})
    assert client.cmd("HEXPIRE", "h", 0, "FIELDS", 1, "a") == [2]
    assert client.cmd("HPEXPIREAT", "h", 1, "FIELDS", 2, "a", "b") == [-2, 2]
    assert client.cmd("HLEN", "h") == 1
    assert client.cmd("HGETEX", "h", "EXAT", 1, "FIELDS", 1, "c") == [b"3"]
    assert client.cmd("EXISTS", "h") == 0
    assert client.cmd("HSETEX", "h", "PXAT", 1, "FIELDS", 1, "a", "1") == 1
    assert client.cmd("EXISTS", "h") == 0


@each_encoding
def test_what_keeps_a_time_and_what_ends_it(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "2"})

    def expires(command: Sequence[Any]) -> bool:
        client.cmd("HEXPIRE", "h", 100, "FIELDS", 1, "a")
        client.cmd(*command)
        return bool(client.cmd("HTTL", "h", "FIELDS", 1, "a") != [-1])

    assert expires(("HINCRBY", "h", "a", 1))
    assert expires(("HINCRBYFLOAT", "h", "a", 1))
    assert expires(("HSETEX", "h", "KEEPTTL", "FIELDS", 1, "a", "9"))
    assert expires(("HGETEX", "h", "FIELDS", 1, "a"))
    assert expires(("HSETNX", "h", "a", "9"))
    assert not expires(("HSET", "h", "a", "9"))
    assert not expires(("HMSET", "h", "a", "9"))
    assert not expires(("HSETEX", "h", "FIELDS", 1, "a", "9"))
    assert not expires(("HGETEX", "h", "PERSIST", "FIELDS", 1, "a"))
    assert client.cmd("HGET", "h", "a") == b"9"


@each_encoding
def test_fields_vanish_unread(client: RawClient, kind: str) -> None:
    fill(client, kind, {"a": "1", "b": "2", "c": "3"})
    before = client.info("stats")["expired_subkeys"]
    client.cmd("HPEXPIRE", "h", 20, "FIELDS", 2, "a", "b")
    assert client.info("keyspace")["db0"].endswith("subexpiry=1")
    wait_until(lambda: client.cmd("HLEN", "h") == 1, 5)
    assert getall(client) == {b"c": b"3"}
    assert int(client.info("stats")["expired_subkeys"]) - int(before) == 2
    assert client.info("keyspace")["db0"].endswith("subexpiry=0")
    client.cmd("HPEXPIRE", "h", 20, "FIELDS", 1, "c")
    wait_until(lambda: client.cmd("DBSIZE") == 0, 5)


@each_encoding
def test_expired_fields_are_not_read(client: RawClient, kind: str) -> None:
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        fill(client, kind, {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"})
        client.cmd("HPEXPIRE", "h", 1, "FIELDS", 4, "a", "b", "c", "d")
        end = now_ms() + 3
        wait_until(lambda: now_ms() > end, 5)
        assert client.cmd("HLEN", "h") == 5  # they are still there ...
        assert getall(client) == {b"e": b"5"}
        assert client.cmd("HKEYS", "h") == [b"e"]
        assert client.cmd("HVALS", "h") == [b"5"]
        assert client.cmd("HSCAN", "h", 0, "COUNT", 99) == [b"0", [b"e", b"5"]]
        assert client.cmd("HLEN", "h") == 5
        assert client.cmd("HGET", "h", "a") is None
        assert client.cmd("HLEN", "h") == 4  # ... until they are named
        assert client.cmd("HINCRBY", "h", "b", 7) == 7
        assert client.cmd("HTTL", "h", "FIELDS", 2, "b", "c") == [-1, -2]
        assert client.cmd("HSETNX", "h", "d", "new") == 1
        assert client.cmd("HLEN", "h") == 3
        client.cmd("HPEXPIRE", "h", 1, "FIELDS", 3, "b", "d", "e")
        end = now_ms() + 3
        wait_until(lambda: now_ms() > end, 5)
        assert client.cmd("HRANDFIELD", "h") is None
        assert client.cmd("EXISTS", "h") == 0
    finally:
        client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_hsetex(client: RawClient) -> None:
    assert client.cmd("HSETEX", "h", "EX", 50, "FIELDS", 2, "a", "1", "b", "2") == 1
    assert client.cmd("HTTL", "h", "FIELDS", 2, "a", "b") == [50, 50]
    assert client.cmd("HSETEX", "h", "FNX", "FIELDS", 2, "b", "x", "c", "x") == 0
    assert client.cmd("HSETEX", "h", "FXX", "FIELDS", 2, "b", "x", "c", "x") == 0
    assert client.cmd("HMGET", "h", "a", "b", "c") == [b"1", b"2", None]
    assert client.cmd("HSETEX", "h", "FXX", "PX", 9000, "FIELDS", 1, "b", "3") == 1
    assert client.cmd("HSETEX", "h", "FNX", "EXAT", FAR, "FIELDS", 1, "c", "4") == 1
    assert client.cmd("HEXPIRETIME", "h", "FIELDS", 1, "c") == [FAR]
    assert client.cmd("HMGET", "h", "a", "b", "c") == [b"1", b"3", b"4"]


def test_hgetex_and_hgetdel(client: RawClient) -> None:
    client.cmd("HSET", "h", "a", "1", "b", "2", "c", "v" * 3000)
    reply = client.cmd("HGETEX", "h", "EX", 50, "FIELDS", 2, "a", "nope")
    assert reply == [b"1", None]
    assert client.cmd("HTTL", "h", "FIELDS", 2, "a", "b") == [50, -1]
    reply = client.cmd("HGETDEL", "h", "FIELDS", 3, "a", "c", "a")
    assert reply == [b"1", b"v" * 3000, None]
    assert getall(client) == {b"b": b"2"}
    assert client.cmd("HGETDEL", "h", "FIELDS", 1, "b") == [b"2"]
    assert client.cmd("EXISTS", "h") == 0


@pytest.mark.parametrize("name", ["HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT"])
def test_errors_of_hexpire(client: RawClient, name: str) -> None:
    invalid = f"ERR invalid expire time in '{name.lower()}' command"
    client.cmd("HSET", "h", "a", "1")
    error(client, NO_FIELDS, name, "h", 9, "NX", "FIELD", 1, "a")
    error(client, NO_FIELDS, name, "h", 9, "NX", "GT", "FIELDS", 1, "a")
    error(client, MISMATCH, name, "h", 9, "FIELDS", 2, "a")
    error(client, MISMATCH, name, "h", 9, "FIELDS", 1, "a", "b")
    for n in (0, -1, "x"):
        error(
            client,
            "ERR Parameter `numFields` should be greater than 0",
            *(name, "h", 9, "FIELDS", n, "a"),
        )
    error(client, NEGATIVE, name, "h", -1, "FIELDS", 1, "a")
    error(client, NOT_INTEGER, name, "h", "x", "FIELDS", 1, "a")
    unit = 1 if name.startswith("HP") else 1000
    error(client, invalid, name, "h", TIME_MAX // unit + 1, "FIELDS", 1, "a")
    error(client, invalid, name, "h", 2**63 - 1, "FIELDS", 1, "a")
    if name.endswith("AT"):
        assert client.cmd(name, "h", TIME_MAX // unit, "FIELDS", 1, "a") == [1]


def test_errors_of_the_others(client: RawClient) -> None:
    client.cmd("HSET", "h", "a", "1")
    for name in ("HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST", "HGETDEL"):
        error(client, NO_FIELDS, name, "h", "FIELD", 1, "a")
        error(client, NOT_POSITIVE, name, "h", "FIELDS", 0, "a")
        error(client, MISMATCH, name, "h", "FIELDS", 2, "a")
    error(
        client,
        "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified",
        *("HGETEX", "h", "EX", 1, "PERSIST", "FIELDS", 1, "a"),
    )
    error(
        client,
        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        *("HSETEX", "h", "EX", 1, "KEEPTTL", "FIELDS", 1, "a", "1"),
    )
    error(
        client,
        "ERR Only one of FXX or FNX arguments can be specified",
        *("HSETEX", "h", "FNX", "FXX", "FIELDS", 1, "a", "1"),
    )
    error(client, NO_FIELDS, "HGETEX", "h", "KEEPTTL", "FIELDS", 1, "a")
    error(
        client,
        "ERR unknown argument: PERSIST",
        *("HSETEX", "h", "PERSIST", "FIELDS", 1, "a", "1"),
    )
    error(
        client,
        "ERR wrong number of arguments for 'hsetex' command",
        *("HSETEX", "h", "FIELDS", 2, "a", "1"),
    )
    assert client.cmd("HTTL", "h", "FIELDS", 1, "a") == [-1]


def test_expired_fields_are_notified(server: FastredisServer) -> None:
    client, listener = server.client(), server.client()
    client.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    try:
        listener.cmd("PSUBSCRIBE", "__keyevent@*")
        client.cmd("HSET", "h", "a", "1")
        client.cmd("HPEXPIRE", "h", 5, "FIELDS", 1, "a")
        events = [listener.read()[2].split(b":")[1] for _ in range(4)]
        assert events == [b"hset", b"hexpire", b"hexpired", b"del"]
    finally:
        client.ok("CONFIG", "SET", "notify-keyspace-events", "")
