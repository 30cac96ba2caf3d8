# SPDX-License-Identifier: BSD-3-Clause
"""String commands: GET and SET with their kin, parts of strings, numbers, LCS."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Any

import pytest

from support.client import Double, Map, RawClient
from support.wait import wait_until

NOT_INTEGER = "ERR value is not an integer or out of range"
NOT_FLOAT = "ERR value is not a valid float"
OVERFLOW = "ERR increment or decrement would overflow"
NAN_OR_INF = "ERR increment would produce NaN or Infinity"
SYNTAX = "ERR syntax error"
TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
BAD_DIGEST = "ERR must be exactly 16 hexadecimal characters"
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
PAST = 1  # a second of 1970
FAR = 33_177_117_420  # seconds; the year 3021

# One value for each way to store a string, and for each border between two ways.
VALUES: dict[str, bytes] = {
    "empty": b"",
    "int": b"12345678901234567",
    "negative int": b"-42",
    "greatest int": b"%d" % INT64_MAX,
    "least int": b"%d" % INT64_MIN,
    "beyond int64": b"9223372036854775808",
    "leading zero": b"007",
    "inline": b"a short string",
    "binary": bytes(range(256)),
    "length 255": b"x" * 255,
    "length 256": b"x" * 256,
    "longest inline": b"i" * 1024,
    "shortest blob": b"b" * 1025,
    "sent by reference": bytes(range(256)) * 400,
}
EACH_VALUE = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def invalid_expire(command: str) -> str:
    return f"ERR invalid expire time in '{command}' command"


def wrong_arity(command: str) -> str:
    return f"ERR wrong number of arguments for '{command}' command"


def encoding(client: RawClient, key: str = "k") -> bytes:
    reply: bytes = client.cmd("OBJECT", "ENCODING", key)
    return reply


# --- GET, SET ----------------------------------------------------------------------


@EACH_VALUE
def test_get_returns_what_was_set(client: RawClient, value: bytes) -> None:
    client.ok("SET", "k", value)
    assert client.cmd("GET", "k") == value
    assert client.cmd("STRLEN", "k") == len(value)


@EACH_VALUE
@pytest.mark.parametrize("before", VALUES.values(), ids=VALUES.keys())
def test_set_replaces_any_value(
    client3: RawClient, before: bytes, value: bytes
) -> None:
    client3.ok("SET", "k", before, "EX", 100)
    client3.ok("SET", "k", value)
    assert client3.cmd("GET", "k") == value
    assert client3.cmd("TTL", "k") == -1


def test_get_of_an_absent_key_is_null(client: RawClient) -> None:
    assert client.cmd("GET", "k") is None
    assert client.cmd("STRLEN", "k") == 0


@pytest.mark.parametrize("key", [b"", b"\r\n\0", bytes(range(256)) * 3])
def test_a_key_is_any_bytes(client: RawClient, key: bytes) -> None:
    client.ok("SET", key, "v")
    assert client.cmd("GET", key) == b"v"
    assert client.cmd("KEYS", "*") == [key]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"12", b"int"),
        (b"%d" % INT64_MIN, b"int"),
        (b"9223372036854775808", b"embstr"),
        (b" 12", b"embstr"),
        (b"+12", b"embstr"),
        (b"-0", b"embstr"),
        (b"", b"embstr"),
        (b"x" * 44, b"embstr"),
        (b"x" * 45, b"raw"),
        (b"x" * 2000, b"raw"),
    ],
)
def test_encoding_of_what_was_set(
    client: RawClient, value: bytes, expected: bytes
) -> None:
    client.ok("SET", "k", value)
    assert encoding(client) == expected


def test_nx_sets_only_an_absent_key(client: RawClient) -> None:
    client.ok("SET", "k", "1", "NX")
    assert client.cmd("SET", "k", "2", "nx", "EX", 100) is None
    assert client.cmd("GET", "k") == b"1"
    assert client.cmd("TTL", "k") == -1


def test_xx_sets_only_a_present_key(client: RawClient) -> None:
    assert client.cmd("SET", "k", "1", "XX") is None
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SET", "k", "1")
    client.ok("SET", "k", "2", "xX")
    assert client.cmd("GET", "k") == b"2"


@EACH_VALUE
def test_set_get_returns_the_old_value(client: RawClient, value: bytes) -> None:
    assert client.cmd("SET", "k", value, "GET") is None
    assert client.cmd("SET", "k", "new", "get") == value
    assert client.cmd("GET", "k") == b"new"


def test_set_get_with_nx_and_xx(client: RawClient) -> None:
    assert client.cmd("SET", "k", "1", "XX", "GET") is None
    assert client.cmd("EXISTS", "k") == 0
    assert client.cmd("SET", "k", "1", "NX", "GET") is None
    assert client.cmd("SET", "k", "2", "GET", "NX") == b"1"
    assert client.cmd("GET", "k") == b"1"
    assert client.cmd("SET", "k", "3", "GET", "XX") == b"1"
    assert client.cmd("GET", "k") == b"3"


def test_keepttl_keeps_the_time_to_live(client: RawClient) -> None:
    client.ok("SET", "k", "1", "PXAT", FAR * 1000)
    client.ok("SET", "k", "a longer value than before", "KEEPTTL")
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000
    client.ok("SET", "k", b"x" * 3000, "keepttl")
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000
    client.ok("SET", "other", "1", "KEEPTTL")
    assert client.cmd("TTL", "other") == -1


@pytest.mark.parametrize("option", ["EX", "PX"])
def test_relative_expiry(client: RawClient, option: str) -> None:
    before = now_ms()
    client.ok("SET", "k", "v", option, 3600)
    after = now_ms()
    ms = 3600 * (1000 if option == "EX" else 1)
    assert before + ms <= client.cmd("PEXPIRETIME", "k") <= after + ms + 1


@pytest.mark.parametrize(("option", "unit"), [("EXAT", 1000), ("PXAT", 1)])
def test_absolute_expiry(client: RawClient, option: str, unit: int) -> None:
    client.ok("SET", "k", "v", option, FAR * 1000 // unit)
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000


def test_a_key_vanishes_when_its_time_has_come(client: RawClient) -> None:
    client.ok("SET", "k", "v", "PX", 30)
    assert client.cmd("GET", "k") == b"v"
    wait_until(lambda: client.cmd("GET", "k") is None, 5)
    assert client.cmd("SET", "k", "w", "XX") is None
    client.ok("SET", "k", "w", "NX")


@pytest.mark.parametrize("option", ["EXAT", "PXAT"])
def test_a_time_that_is_over_deletes_the_key(client: RawClient, option: str) -> None:
    client.ok("SET", "k", "v", option, PAST)
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SET", "k", "v")
    assert client.cmd("SET", "k", "w", option, PAST, "GET") == b"v"
    assert client.cmd("EXISTS", "k") == 0
    assert client.cmd("DBSIZE") == 0


@pytest.mark.parametrize(
    "options",
    [
        ("EX",),
        ("PXAT",),
        ("IFEQ",),
        ("FOO",),
        ("",),
        ("PERSIST",),
        ("NX", "XX"),
        ("XX", "NX"),
        ("EX", "10", "PX", "10"),
        ("EXAT", "10", "EX", "10"),
        ("EX", "10", "KEEPTTL"),
        ("KEEPTTL", "PX", "10"),
        ("NX", "IFEQ", "v"),
        ("IFEQ", "v", "XX"),
        ("IFEQ", "v", "IFNE", "w"),
        ("IFEQ", "v", "IFEQ", "v"),
        ("IFDEQ", "0" * 16, "IFEQ", "v"),
        ("ENX",),
        ("LBOUND", "1"),
    ],
)
def test_set_refuses_options_that_make_no_sense(
    client: RawClient, options: tuple[str, ...]
) -> None:
    assert client.cmd("SET", "k", "v", *options) == SYNTAX
    assert client.cmd("EXISTS", "k") == 0


def test_set_takes_options_twice(client: RawClient) -> None:
    client.ok("SET", "k", "v", "NX", "NX", "EX", 5, "EX", 5000)
    assert client.cmd("TTL", "k") > 4000
    client.ok("SET", "k", "v", "KEEPTTL", "XX", "KEEPTTL", "XX")
    assert client.cmd("TTL", "k") > 4000


BAD_TIMES = ["0", "-1", str(INT64_MIN), "9223372036854775807"]


@pytest.mark.parametrize("option", ["EX", "PX", "EXAT", "PXAT"])
@pytest.mark.parametrize("ttl", BAD_TIMES)
def test_set_refuses_times_out_of_range(
    client: RawClient, option: str, ttl: str
) -> None:
    if (option, ttl) == ("PXAT", "9223372036854775807"):
        client.ok("SET", "k", "v", option, ttl)
        assert client.cmd("PEXPIRETIME", "k") == INT64_MAX
        return
    assert client.cmd("SET", "k", "v", option, ttl) == invalid_expire("set")
    assert client.cmd("EXISTS", "k") == 0


def test_the_greatest_time_in_seconds(client: RawClient) -> None:
    seconds = INT64_MAX // 1000
    client.ok("SET", "k", "v", "EXAT", seconds)
    assert client.cmd("PEXPIRETIME", "k") == seconds * 1000
    assert client.cmd("SET", "k", "v", "EXAT", seconds + 1) == invalid_expire("set")
    # as a time to live it is too much: the present is added to it
    assert client.cmd("SET", "k", "v", "EX", seconds) == invalid_expire("set")
    assert client.cmd("SETEX", "k", seconds, "v") == invalid_expire("setex")
    assert client.cmd("PSETEX", "k", INT64_MAX, "v") == invalid_expire("psetex")


@pytest.mark.parametrize("ttl", ["abc", "1.5", "", " 1", "99999999999999999999"])
def test_a_time_is_an_integer(client: RawClient, ttl: str) -> None:
    for option in ("EX", "PX", "EXAT", "PXAT"):
        assert client.cmd("SET", "k", "v", option, ttl) == NOT_INTEGER
    assert client.cmd("SETEX", "k", ttl, "v") == NOT_INTEGER
    assert client.cmd("PSETEX", "k", ttl, "v") == NOT_INTEGER


# --- SETNX, SETEX, PSETEX, GETSET, GETDEL, GETEX -----------------------------------


def test_setnx(client: RawClient) -> None:
    assert client.cmd("SETNX", "k", "1") == 1
    assert client.cmd("SETNX", "k", "2") == 0
    assert client.cmd("GET", "k") == b"1"


@pytest.mark.parametrize(("command", "unit"), [("SETEX", 1000), ("PSETEX", 1)])
def test_setex_and_psetex(client: RawClient, command: str, unit: int) -> None:
    before = now_ms()
    client.ok(command, "k", 5000, "v")
    after = now_ms()
    when = client.cmd("PEXPIRETIME", "k")
    assert before + 5000 * unit <= when <= after + 5000 * unit + 1
    assert client.cmd("GET", "k") == b"v"
    for ttl in ("0", "-5"):
        assert client.cmd(command, "k", ttl, "w") == invalid_expire(command.lower())
    assert client.cmd("GET", "k") == b"v"


@EACH_VALUE
def test_getset(client: RawClient, value: bytes) -> None:
    assert client.cmd("GETSET", "k", value) is None
    client.cmd("EXPIRE", "k", 100)
    assert client.cmd("GETSET", "k", "new") == value
    assert client.cmd("GET", "k") == b"new"
    assert client.cmd("TTL", "k") == -1


@EACH_VALUE
def test_getdel(client: RawClient, value: bytes) -> None:
    assert client.cmd("GETDEL", "k") is None
    client.ok("SET", "k", value)
    assert client.cmd("GETDEL", "k") == value
    assert client.cmd("EXISTS", "k") == 0


def test_getex_changes_the_time_to_live(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd("GETEX", "k") == b"v"
    assert client.cmd("TTL", "k") == -1
    assert client.cmd("GETEX", "k", "EX", 100) == b"v"
    assert 99 <= client.cmd("TTL", "k") <= 100
    assert client.cmd("GETEX", "k") == b"v"
    assert 99 <= client.cmd("TTL", "k") <= 100
    assert client.cmd("GETEX", "k", "px", 500_000) == b"v"
    assert 499 <= client.cmd("TTL", "k") <= 500
    assert client.cmd("GETEX", "k", "EXAT", FAR) == b"v"
    assert client.cmd("EXPIRETIME", "k") == FAR
    assert client.cmd("GETEX", "k", "PXAT", FAR * 1000 + 7) == b"v"
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000 + 7
    assert client.cmd("GETEX", "k", "PERSIST") == b"v"
    assert client.cmd("TTL", "k") == -1


@EACH_VALUE
def test_getex_keeps_the_value(client: RawClient, value: bytes) -> None:
    client.ok("SET", "k", value)
    assert client.cmd("GETEX", "k", "PXAT", FAR * 1000) == value
    assert client.cmd("GETEX", "k", "PXAT", INT64_MAX) == value
    assert client.cmd("GETEX", "k", "PERSIST") == value
    assert client.cmd("GET", "k") == value


def test_getex_with_a_time_that_is_over_deletes(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd("GETEX", "k", "EXAT", PAST) == b"v"
    assert client.cmd("EXISTS", "k") == 0


def test_getex_errors(client: RawClient) -> None:
    for options in (
        ("EX",),
        ("EX", 1, "PX", 1),
        ("PERSIST", "EX", 1),
        ("EX", 1, "PERSIST"),
        ("KEEPTTL",),
        ("NX",),
        ("FOO",),
    ):
        assert client.cmd("GETEX", "k", *options) == SYNTAX
    # the time is looked at only if there is a key
    assert client.cmd("GETEX", "k", "EX", "abc") is None
    assert client.cmd("GETEX", "k", "EX", 0) is None
    client.ok("SET", "k", "v")
    assert client.cmd("GETEX", "k", "EX", "abc") == NOT_INTEGER
    assert client.cmd("GETEX", "k", "EX", 0) == invalid_expire("getex")
    assert client.cmd("TTL", "k") == -1


# --- Compare and set, compare and delete -------------------------------------------


def test_set_ifeq(client: RawClient) -> None:
    assert client.cmd("SET", "k", "1", "IFEQ", "0") is None
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SET", "k", "1", "EX", 100)
    assert client.cmd("SET", "k", "2", "IFEQ", "0") is None
    assert client.cmd("SET", "k", "2", "IFEQ", "01") is None
    assert client.cmd("GET", "k") == b"1"
    client.ok("SET", "k", "2", "ifeq", "1")
    assert client.cmd("GET", "k") == b"2"
    assert client.cmd("TTL", "k") == -1
    assert client.cmd("SET", "k", "3", "IFEQ", "1", "GET") == b"2"
    assert client.cmd("SET", "k", "3", "GET", "IFEQ", "2") == b"2"
    assert client.cmd("GET", "k") == b"3"


def test_set_ifne(client: RawClient) -> None:
    client.ok("SET", "k", "1", "IFNE", "1")
    assert client.cmd("SET", "k", "2", "IFNE", "1") is None
    assert client.cmd("SET", "k", "2", "IFNE", "1", "GET") == b"1"
    assert client.cmd("GET", "k") == b"1"
    client.ok("SET", "k", "2", "IFNE", "0", "EX", 100)
    assert client.cmd("GET", "k") == b"2"
    assert client.cmd("TTL", "k") > 90
    assert client.cmd("SET", "other", "1", "IFNE", "1", "GET") is None
    assert client.cmd("GET", "other") == b"1"


@EACH_VALUE
def test_set_ifdeq_and_ifdne(client: RawClient, value: bytes) -> None:
    assert client.cmd("SET", "k", "1", "IFDEQ", "0" * 16) is None
    client.ok("SET", "k", value, "IFDNE", "0" * 16)
    digest = client.cmd("DIGEST", "k")
    assert client.cmd("SET", "k", "1", "IFDNE", digest) is None
    assert client.cmd("SET", "k", "1", "IFDEQ", "f" * 16) is None
    assert client.cmd("GET", "k") == value
    client.ok("SET", "k", value, "IFDNE", "f" * 16)
    client.ok("SET", "k", "new", "IFDEQ", digest.upper())
    assert client.cmd("GET", "k") == b"new"


@pytest.mark.parametrize("digest", [b"", b"abc", b"0" * 15, b"0" * 17])
def test_a_digest_has_sixteen_digits(client: RawClient, digest: bytes) -> None:
    client.ok("SET", "k", "v")
    for word in ("IFDEQ", "IFDNE"):
        assert client.cmd("SET", "k", "w", word, digest) == BAD_DIGEST
        assert client.cmd("DELEX", "k", word, digest) == BAD_DIGEST
    assert client.cmd("GET", "k") == b"v"


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (b"", b"2d06800538d394c2"),
        (b"hello", b"9555e8555c62dcfd"),
        (b"Hello world", b"b6acb9d84a38ff74"),
        (b"123", b"404a763b3f4c8c9a"),
        (b"v8", b"0cc76dbb41381419"),
    ],
)
def test_digest(client: RawClient, value: bytes, digest: bytes) -> None:
    assert client.cmd("DIGEST", "k") is None
    client.ok("SET", "k", value)
    assert client.cmd("DIGEST", "k") == digest


@EACH_VALUE
def test_delifeq(client: RawClient, value: bytes) -> None:
    assert client.cmd("DELIFEQ", "k", value) == 0
    client.ok("SET", "k", value)
    assert client.cmd("DELIFEQ", "k", value + b"0") == 0
    assert client.cmd("DELIFEQ", "k", value[:-1] + b"?") == 0
    assert client.cmd("GET", "k") == value
    assert client.cmd("DELIFEQ", "k", value) == 1
    assert client.cmd("EXISTS", "k") == 0


def test_delex(client: RawClient) -> None:
    assert client.cmd("DELEX", "k") == 0
    client.ok("SET", "k", "hello")
    assert client.cmd("DELEX", "k", "IFEQ", "other") == 0
    assert client.cmd("DELEX", "k", "IFNE", "hello") == 0
    assert client.cmd("DELEX", "k", "IFDEQ", "z" * 16) == 0
    assert client.cmd("DELEX", "k", "IFDNE", "9555E8555C62DCFD") == 0
    assert client.cmd("GET", "k") == b"hello"
    for condition in (
        (),
        ("ifeq", "hello"),
        ("IFNE", "other"),
        ("IFDEQ", "9555e8555c62dcfd"),
        ("IFDNE", "z" * 16),
    ):
        client.ok("SET", "k", "hello")
        assert client.cmd("DELEX", "k", *condition) == 1
        assert client.cmd("EXISTS", "k") == 0


def test_delex_errors(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd("DELEX", "k", "IFEQ") == wrong_arity("delex")
    assert client.cmd("DELEX", "absent", "IFEQ", "a", "b") == wrong_arity("delex")
    invalid = "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"
    assert client.cmd("DELEX", "k", "NX", "v") == invalid
    assert client.cmd("DELEX", "k", "FOO", "v") == invalid
    # nothing is compared with a key that is not there
    assert client.cmd("DELEX", "absent", "FOO", "v") == 0
    assert client.cmd("DELEX", "absent", "IFDEQ", "v") == 0
    assert client.cmd("GET", "k") == b"v"


# --- MGET, MSET, MSETNX, MSETEX ----------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 32, 33, 1000])
def test_mset_and_mget(client: RawClient, n: int) -> None:
    pairs = {b"key:%d" % i: b"value %d" % i for i in range(n)}
    pairs[b"key:0"] = b"x" * 50_000
    pairs[b"key:%d" % (n - 1)] = b"17"
    client.ok("MSET", *[part for pair in pairs.items() for part in pair])
    assert client.cmd("DBSIZE") == n
    assert client.cmd("MGET", *pairs) == list(pairs.values())
    asked = [name for key in pairs for name in (b"absent", key, key)]
    replies = client.cmd("MGET", *asked)
    assert replies == [v for value in pairs.values() for v in (None, value, value)]


def test_mset_replaces_and_forgets_the_expiry(client: RawClient) -> None:
    client.ok("SET", "a", "1", "EX", 100)
    client.ok("MSET", "a", "2", "b", "3", "a", "4")
    assert client.cmd("MGET", "a", "b") == [b"4", b"3"]
    assert client.cmd("TTL", "a") == -1


@pytest.mark.parametrize("command", ["MSET", "MSETNX"])
def test_mset_needs_pairs(client: RawClient, command: str) -> None:
    assert client.cmd(command, "a") == wrong_arity(command.lower())
    assert client.cmd(command, "a", "1", "b") == wrong_arity(command.lower())
    assert client.cmd("DBSIZE") == 0


def test_msetnx_sets_all_or_nothing(client: RawClient) -> None:
    many = [part for i in range(40) for part in (f"key:{i}", i)]
    assert client.cmd("MSETNX", *many) == 1
    assert client.cmd("DBSIZE") == 40
    assert client.cmd("MSETNX", "new", "1", "key:39", "2") == 0
    assert client.cmd("MGET", "new", "key:39") == [None, b"39"]
    assert client.cmd("MSETNX", "x", "1", "x", "2") == 1
    assert client.cmd("GET", "x") == b"2"


def test_msetex(client: RawClient) -> None:
    many = [part for i in range(20) for part in (f"key:{i}", i)]
    assert client.cmd("MSETEX", 20, *many, "PXAT", FAR * 1000) == 1
    assert client.cmd("MGET", "key:0", "key:19") == [b"0", b"19"]
    assert client.cmd("PEXPIRETIME", "key:7") == FAR * 1000
    assert client.cmd("MSETEX", 2, "key:0", "a", "other", "b", "KEEPTTL") == 1
    assert client.cmd("PEXPIRETIME", "key:0") == FAR * 1000
    assert client.cmd("TTL", "other") == -1
    assert client.cmd("MSETEX", 1, "key:0", "a") == 1
    assert client.cmd("TTL", "key:0") == -1
    assert client.cmd("MSETEX", 1, "key:0", "a", "EX", 100) == 1
    assert 99 <= client.cmd("TTL", "key:0") <= 100


def test_msetex_conditions(client: RawClient) -> None:
    assert client.cmd("MSETEX", 2, "a", "1", "b", "2", "XX") == 0
    assert client.cmd("MSETEX", 2, "a", "1", "b", "2", "NX") == 1
    assert client.cmd("MSETEX", 2, "b", "3", "c", "3", "NX", "EX", 9) == 0
    assert client.cmd("MSETEX", 2, "b", "3", "c", "3", "EX", 9, "XX") == 0
    assert client.cmd("MGET", "a", "b", "c") == [b"1", b"2", None]
    assert client.cmd("MSETEX", 2, "a", "5", "b", "6", "xx", "ex", 100) == 1
    assert client.cmd("MGET", "a", "b") == [b"5", b"6"]
    assert client.cmd("TTL", "b") > 90


def test_msetex_with_a_time_that_is_over_deletes(client: RawClient) -> None:
    client.ok("SET", "a", "1")
    assert client.cmd("MSETEX", 2, "a", "1", "b", "2", "EXAT", PAST) == 1
    assert client.cmd("DBSIZE") == 0


def test_msetex_errors(client: RawClient) -> None:
    numkeys = "ERR invalid numkeys value or out of range"
    for n in ("0", "-1", "abc", "1.0", "2147483648", "9223372036854775807"):
        assert client.cmd("MSETEX", n, "a", "1") == numkeys
    for args in (
        (2, "a", "1"),
        (2, "a", "1", "b"),
        (2147483647, "a", "1"),
        (1, "a", "1", "b", "2"),
        (1, "a", "1", "EX"),
        (1, "a", "1", "NX", "XX"),
        (1, "a", "1", "KEEPTTL", "EX", 1),
        (1, "a", "1", "GET"),
        (1, "a", "1", "PERSIST"),
        (1, "a", "1", "IFEQ", "1"),
    ):
        assert client.cmd("MSETEX", *args) == SYNTAX
    assert client.cmd("MSETEX", 1, "a", "1", "EX", "x") == NOT_INTEGER
    assert client.cmd("MSETEX", 1, "a", "1", "EX", 0) == invalid_expire("msetex")
    assert client.cmd("DBSIZE") == 0


# --- APPEND, SETRANGE, GETRANGE ----------------------------------------------------


@EACH_VALUE
def test_append(client: RawClient, value: bytes) -> None:
    client.ok("SET", "k", value, "PXAT", FAR * 1000)
    assert client.cmd("APPEND", "k", b"\0tail") == len(value) + 5
    assert encoding(client) == b"raw"
    assert client.cmd("APPEND", "k", b"") == len(value) + 5
    assert client.cmd("APPEND", "k", value) == 2 * len(value) + 5
    assert client.cmd("GET", "k") == value + b"\0tail" + value
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000


@EACH_VALUE
def test_append_to_an_absent_key_sets_it(client: RawClient, value: bytes) -> None:
    assert client.cmd("APPEND", "k", value) == len(value)
    assert client.cmd("GET", "k") == value
    client.ok("SET", "other", value)
    assert encoding(client) == encoding(client, "other")


def test_many_appends(client: RawClient) -> None:
    rng = random.Random(7)
    parts = [bytes([i & 255]) * rng.randrange(300) for i in range(2000)]
    lengths = client.pipeline([("APPEND", "k", part) for part in parts])
    total = 0
    for part, length in zip(parts, lengths, strict=True):
        total += len(part)
        assert length == total
    assert client.cmd("GET", "k") == b"".join(parts)


@EACH_VALUE
@pytest.mark.parametrize("offset", [0, 1, 13, 255, 1020, 5000])
def test_setrange(client3: RawClient, value: bytes, offset: int) -> None:
    client = client3
    client.ok("SET", "k", value, "PXAT", FAR * 1000)
    patch = b"PATCH"
    end = offset + len(patch)
    expected = value[:offset].ljust(offset, b"\0") + patch + value[end:]
    assert client.cmd("SETRANGE", "k", offset, patch) == len(expected)
    assert client.cmd("GET", "k") == expected
    assert client.cmd("STRLEN", "k") == len(expected)
    assert encoding(client) == b"raw"
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000


def test_setrange_on_an_absent_key(client: RawClient) -> None:
    assert client.cmd("SETRANGE", "k", 3, "abc") == 6
    assert client.cmd("GET", "k") == b"\0\0\0abc"
    assert encoding(client) == b"raw"


def test_setrange_of_nothing_changes_nothing(client: RawClient) -> None:
    assert client.cmd("SETRANGE", "k", 0, "") == 0
    assert client.cmd("SETRANGE", "k", 2**40, "") == 0
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SET", "k", "123")
    assert client.cmd("SETRANGE", "k", 5, "") == 3
    assert client.cmd("GET", "k") == b"123"
    assert encoding(client) == b"int"


def test_setrange_errors(client: RawClient) -> None:
    assert client.cmd("SETRANGE", "k", -1, "x") == "ERR offset is out of range"
    assert client.cmd("SETRANGE", "k", "abc", "x") == NOT_INTEGER
    assert client.cmd("SETRANGE", "k", 512 * 1024 * 1024, "x") == TOO_LONG
    assert client.cmd("SETRANGE", "k", 512 * 1024 * 1024 - 1, "xy") == TOO_LONG
    assert client.cmd("SETRANGE", "k", INT64_MAX, "xyz") == TOO_LONG
    assert client.cmd("EXISTS", "k") == 0


def test_a_string_may_be_as_long_as_a_request_may(client: RawClient) -> None:
    limit = 1024 * 1024
    client.ok("CONFIG", "SET", "proto-max-bulk-len", limit)
    assert client.cmd("SETRANGE", "k", limit - 2, "xy") == limit
    assert client.cmd("SETRANGE", "k", limit - 1, "xy") == TOO_LONG
    assert client.cmd("APPEND", "k", "z") == TOO_LONG
    assert client.cmd("APPEND", "k", "") == limit
    assert client.cmd("STRLEN", "k") == limit
    assert client.cmd("GETRANGE", "k", -3, -1) == b"\0xy"


def test_a_reply_is_not_changed_by_later_writes(client: RawClient) -> None:
    """Long values are sent from where they are stored."""
    value = bytes(range(256)) * 1000
    client.ok("SET", "k", value)
    requests: list[tuple[Any, ...]] = [
        ("GET", "k"),
        ("SETRANGE", "k", 0, "changed"),
        ("GET", "k"),
        ("APPEND", "k", "tail"),
        ("GET", "k"),
        ("SETRANGE", "k", 300_000, "end"),
        ("GET", "k"),
        ("SET", "k", "short"),
        ("GET", "k"),
    ]
    replies = client.pipeline(requests)
    changed = b"changed" + value[7:]
    grown = (changed + b"tail").ljust(300_000, b"\0") + b"end"
    assert replies[0] == value
    assert replies[2] == changed
    assert replies[4] == changed + b"tail"
    assert replies[6] == grown
    assert replies[8] == b"short"


@pytest.mark.parametrize("command", ["GETRANGE", "SUBSTR"])
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 3, b"Hell"),
        (0, -1, b"Hello World"),
        (-4, -1, b"orld"),
        (5, 3, b""),
        (5, 5000, b" World"),
        (-5000, 10000, b"Hello World"),
        (0, 0, b"H"),
        (10, 10, b"d"),
        (11, 11, b""),
        (-1, -5, b""),
        (-5000, -11, b"H"),
        (0, -12, b""),
        (-100, -50, b""),
        (INT64_MAX, INT64_MAX, b""),
        (INT64_MIN, INT64_MAX, b"Hello World"),
        (INT64_MIN, INT64_MIN, b""),
    ],
)
def test_getrange(
    client: RawClient, command: str, start: int, end: int, expected: bytes
) -> None:
    assert client.cmd(command, "k", start, end) == b""
    client.ok("SET", "k", "Hello World")
    assert client.cmd(command, "k", start, end) == expected


@EACH_VALUE
def test_getrange_of_each_kind_of_string(client: RawClient, value: bytes) -> None:
    client.ok("SET", "k", value)
    assert client.cmd("GETRANGE", "k", 1, 2) == value[1:3]
    assert client.cmd("GETRANGE", "k", 0, -1) == value
    assert client.cmd("GETRANGE", "k", 3, -2) == value[3:-1]


def test_getrange_errors(client: RawClient) -> None:
    assert client.cmd("GETRANGE", "absent", "a", 1) == NOT_INTEGER
    assert client.cmd("GETRANGE", "absent", 1, "1.5") == NOT_INTEGER


def test_random_changes_against_a_model(client3: RawClient) -> None:
    rng = random.Random(42)
    for _ in range(30):
        client3.cmd("DEL", "k")
        model: bytes | None = None
        requests: list[tuple[Any, ...]] = []
        expected: list[Any] = []
        for _ in range(60):
            data = bytes([rng.randrange(48, 58)]) * rng.choice([0, 1, 7, 300, 1100])
            kind = rng.randrange(5)
            old = model or b""
            if kind == 0:
                requests.append(("SET", "k", data, "GET"))
                expected.append(model)
                model = data
            elif kind == 1:
                requests.append(("APPEND", "k", data))
                model = old + data
                expected.append(len(model))
            elif kind == 2:
                at = rng.choice([0, 3, len(old), len(old) + 5, 1500])
                requests.append(("SETRANGE", "k", at, data))
                if data:
                    end = at + len(data)
                    model = old[:at].ljust(at, b"\0") + data + old[end:]
                expected.append(len(model or b""))
            elif kind == 3:
                requests.append(("GETRANGE", "k", 2, -3))
                expected.append(old[2 : len(old) - 2] if len(old) > 4 else b"")
            else:
                requests.append(("GET", "k"))
                expected.append(model)
        assert client3.pipeline(requests) == expected


# --- INCR and its kin --------------------------------------------------------------


def test_incr_and_decr(client: RawClient) -> None:
    assert client.cmd("INCR", "k") == 1
    assert client.cmd("INCR", "k") == 2
    assert client.cmd("INCRBY", "k", 40) == 42
    assert client.cmd("DECR", "k") == 41
    assert client.cmd("DECRBY", "k", 50) == -9
    assert client.cmd("INCRBY", "k", -1) == -10
    assert client.cmd("DECRBY", "k", -5) == -5
    assert client.cmd("GET", "k") == b"-5"
    assert encoding(client) == b"int"
    assert client.cmd("DECR", "other") == -1


def test_incr_keeps_the_expiry(client: RawClient) -> None:
    client.ok("SET", "k", "1", "PXAT", FAR * 1000)
    assert client.cmd("INCR", "k") == 2
    client.cmd("APPEND", "k", "0")
    assert encoding(client) == b"raw"
    assert client.cmd("INCR", "k") == 21
    assert encoding(client) == b"int"
    assert client.cmd("INCRBYFLOAT", "k", "0.5") == b"21.5"
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000


@pytest.mark.parametrize(
    "value",
    [
        b"abc",
        b"",
        b" 11",
        b"11 ",
        b"+11",
        b"011",
        b"-0",
        b"1.0",
        b"0x10",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"1\0",
        b"1" * 2000,
    ],
)
def test_incr_needs_an_integer_in_canonical_form(
    client: RawClient, value: bytes
) -> None:
    client.ok("SET", "k", value)
    client.ok("SET", "n", "1")
    assert client.cmd("INCR", "k") == NOT_INTEGER
    assert client.cmd("DECRBY", "k", 3) == NOT_INTEGER
    assert client.cmd("INCRBY", "n", value) == NOT_INTEGER
    assert client.cmd("DECRBY", "n", value) == NOT_INTEGER
    assert client.cmd("MGET", "k", "n") == [value, b"1"]


def test_incr_does_not_overflow(client: RawClient) -> None:
    client.ok("SET", "k", INT64_MAX)
    assert client.cmd("INCR", "k") == OVERFLOW
    assert client.cmd("INCRBY", "k", INT64_MAX) == OVERFLOW
    assert client.cmd("DECRBY", "k", -1) == OVERFLOW
    assert client.cmd("INCRBY", "k", INT64_MIN) == -1
    client.ok("SET", "k", INT64_MIN)
    assert client.cmd("DECR", "k") == OVERFLOW
    assert client.cmd("DECRBY", "k", INT64_MAX) == OVERFLOW
    assert client.cmd("INCRBY", "k", INT64_MIN) == OVERFLOW
    assert client.cmd("GET", "k") == b"%d" % INT64_MIN
    assert client.cmd("DECRBY", "k", INT64_MIN) == "ERR decrement would overflow"


@pytest.mark.parametrize(
    ("value", "increment", "expected"),
    [
        (None, "3.0e3", b"3000"),
        ("10.50", "0.1", b"10.6"),
        ("10.50", "-0.5", b"10"),
        ("5.0e3", "200", b"5200"),
        ("5200", "1e20", b"100000000000000005200"),
        ("1", "0.0000000000000000001", b"1"),
        ("1", "-1.1", b"-0.1"),
        ("1", "-1", b"0"),
        ("0x10", "1", b"17"),
        ("3000", "1.1e-2", b"3000.0109999999999999"),
    ],
)
def test_incrbyfloat(
    client: RawClient, value: str | None, increment: str, expected: bytes
) -> None:
    if value is not None:
        client.ok("SET", "k", value)
    assert client.cmd("INCRBYFLOAT", "k", increment) == expected
    assert client.cmd("GET", "k") == expected


@pytest.mark.parametrize("text", ["abc", "", " 1", "1 ", "nan", "1\0", "1e", "--1"])
def test_incrbyfloat_needs_numbers(client: RawClient, text: str) -> None:
    client.ok("SET", "k", text)
    client.ok("SET", "n", "1")
    assert client.cmd("INCRBYFLOAT", "k", "1") == NOT_FLOAT
    assert client.cmd("INCRBYFLOAT", "n", text) == NOT_FLOAT
    assert client.cmd("GET", "n") == b"1"


def test_incrbyfloat_stays_finite(client: RawClient) -> None:
    client.ok("SET", "k", "1")
    assert client.cmd("INCRBYFLOAT", "k", "inf") == NAN_OR_INF
    assert client.cmd("INCRBYFLOAT", "k", "-inf") == NAN_OR_INF
    client.ok("SET", "i", "inf")
    assert client.cmd("INCRBYFLOAT", "i", "-inf") == NAN_OR_INF
    assert client.cmd("MGET", "k", "i") == [b"1", b"inf"]


# --- INCREX ------------------------------------------------------------------------


def floats(reply: list[Any]) -> list[float]:
    """Return the numbers of INCREX BYFLOAT: doubles in RESP3, else bulk strings."""
    assert all(isinstance(part, (bytes, Double)) for part in reply)
    return [float(part) for part in reply]


def test_increx_adds_integers(client: RawClient) -> None:
    assert client.cmd("INCREX", "k") == [1, 1]
    assert client.cmd("INCREX", "k") == [2, 1]
    assert client.cmd("INCREX", "k", "BYINT", 40) == [42, 40]
    assert client.cmd("INCREX", "k", "byint", -50) == [-8, -50]
    assert client.cmd("GET", "k") == b"-8"
    assert encoding(client) == b"int"


def test_increx_adds_floats(client: RawClient) -> None:
    client.ok("SET", "k", "1.5")
    reply = client.cmd("INCREX", "k", "BYFLOAT", "0.25")
    if client.resp == 2:
        assert reply == [b"1.75", b"0.25"]
    assert floats(reply) == [1.75, 0.25]
    assert client.cmd("GET", "k") == b"1.75"
    assert floats(client.cmd("INCREX", "n", "BYFLOAT", "2")) == [2.0, 2.0]
    assert client.cmd("INCREX", "n") == [3, 1]


def test_increx_leaves_a_key_alone_that_would_leave_the_bounds(
    client: RawClient,
) -> None:
    assert client.cmd("INCREX", "k", "BYINT", 10, "UBOUND", 5, "EX", 9) == [0, 0]
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SET", "k", "99", "PXAT", FAR * 1000)
    for options in (("BYINT", 5, "UBOUND", 100), ("BYINT", -1, "LBOUND", 99)):
        assert client.cmd("INCREX", "k", *options, "EX", 9) == [99, 0]
        assert client.cmd("INCREX", "k", *options, "PERSIST") == [99, 0]
    reply = client.cmd("INCREX", "k", "BYFLOAT", "1.5", "UBOUND", "100.4", "EX", 9)
    assert floats(reply) == [99.0, 0.0]
    assert client.cmd("GET", "k") == b"99"
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000
    assert client.cmd("INCREX", "k", "UBOUND", 100, "LBOUND", 100) == [100, 1]


def test_increx_saturates(client: RawClient) -> None:
    client.ok("SET", "k", "99")
    saturate = ("SATURATE",)
    assert client.cmd("INCREX", "k", "BYINT", 5, "UBOUND", 100, *saturate) == [100, 1]
    assert client.cmd("INCREX", "k", "BYINT", 5, "UBOUND", 100, *saturate) == [100, 0]
    assert client.cmd("INCREX", "k", *saturate, "UBOUND", 50, "EX", 9) == [50, -50]
    assert client.cmd("TTL", "k") == 9
    assert client.cmd("INCREX", "k", "BYINT", -99, "LBOUND", 0, *saturate) == [0, -50]
    reply = client.cmd("INCREX", "k", "BYFLOAT", 2.5, "UBOUND", 1.5, *saturate)
    assert floats(reply) == [1.5, 1.5]
    assert client.cmd("GET", "k") == b"1.5"


def test_increx_at_the_limits_of_an_integer(client: RawClient) -> None:
    client.ok("SET", "k", INT64_MAX - 1)
    assert client.cmd("INCREX", "k", "BYINT", 5) == [INT64_MAX - 1, 0]
    assert client.cmd("INCREX", "k", "BYINT", 5, "SATURATE") == [INT64_MAX, 1]
    assert client.cmd("INCREX", "k", "SATURATE") == [INT64_MAX, 0]
    # down to the bound the step has no 64-bit integer
    low = ("BYINT", 1, "UBOUND", -2, "SATURATE")
    assert client.cmd("INCREX", "k", *low) == OVERFLOW
    assert client.cmd("GET", "k") == b"%d" % INT64_MAX
    client.ok("SET", "k", INT64_MIN)
    assert client.cmd("INCREX", "k", "BYINT", -1) == [INT64_MIN, 0]
    assert client.cmd("INCREX", "k", "BYINT", -1, "SATURATE") == [INT64_MIN, 0]


def test_increx_expiry(client: RawClient) -> None:
    assert client.cmd("INCREX", "k", "EXAT", FAR) == [1, 1]
    assert client.cmd("EXPIRETIME", "k") == FAR
    assert client.cmd("INCREX", "k") == [2, 1]
    assert client.cmd("INCREX", "k", "EX", 100, "ENX") == [3, 1]
    assert client.cmd("EXPIRETIME", "k") == FAR
    assert client.cmd("INCREX", "k", "PX", 100_000) == [4, 1]
    assert 99 <= client.cmd("TTL", "k") <= 100
    assert client.cmd("INCREX", "k", "PERSIST") == [5, 1]
    assert client.cmd("TTL", "k") == -1
    assert client.cmd("INCREX", "k", "ENX", "PXAT", FAR * 1000 + 1) == [6, 1]
    assert client.cmd("PEXPIRETIME", "k") == FAR * 1000 + 1
    assert client.cmd("INCREX", "k", "EXAT", PAST) == [7, 1]
    assert client.cmd("EXISTS", "k") == 0


def test_increx_as_a_rate_limiter(client: RawClient) -> None:
    limit = ("INCREX", "k", "UBOUND", 3, "EX", 60, "ENX")
    replies = client.pipeline([limit] * 5)
    assert replies == [[1, 1], [2, 1], [3, 1], [3, 0], [3, 0]]
    assert 59 <= client.cmd("TTL", "k") <= 60


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("BYINT", "1", "BYFLOAT", "2"), SYNTAX),
        (("BYINT", "1", "BYINT", "1"), SYNTAX),
        (("BYINT",), SYNTAX),
        (("LBOUND",), SYNTAX),
        (("UBOUND", "1", "UBOUND", "1"), SYNTAX),
        (("EX", "1", "PX", "1"), SYNTAX),
        (("EX", "1", "EX", "1"), SYNTAX),
        (("PERSIST", "ENX"), SYNTAX),
        (("SATURATE", "SATURATE"), SYNTAX),
        (("KEEPTTL",), SYNTAX),
        (("NX",), SYNTAX),
        (("5",), SYNTAX),
        (("ENX",), "ERR ENX flag requires an expiration"),
        (("EX", "0"), invalid_expire("increx")),
        (("EX", "abc"), NOT_INTEGER),
        (("BYINT", "1.5"), "ERR Increment is not an integer or out of range"),
        (("LBOUND", "1.5"), "ERR LBOUND is not an integer or out of range"),
        (("UBOUND", ""), "ERR UBOUND is not an integer or out of range"),
        (("BYFLOAT", "abc"), "ERR Increment is not a valid float"),
        (("BYFLOAT", "1", "LBOUND", "x"), "ERR LBOUND is not a valid float"),
        (("BYFLOAT", "1", "UBOUND", "x"), "ERR UBOUND is not a valid float"),
        (("LBOUND", "6", "UBOUND", "5"), "ERR LBOUND can't be greater than UBOUND"),
        (
            ("BYFLOAT", "1", "LBOUND", "5.5", "UBOUND", "5.4"),
            "ERR LBOUND can't be greater than UBOUND",
        ),
    ],
)
def test_increx_errors(client: RawClient, options: tuple[str, ...], error: str) -> None:
    client.ok("SET", "k", "1")
    assert client.cmd("INCREX", "k", *options) == error
    assert client.cmd("GET", "k") == b"1"
    assert client.cmd("TTL", "k") == -1


def test_increx_needs_a_number(client: RawClient) -> None:
    client.ok("SET", "k", "1.5")
    assert client.cmd("INCREX", "k") == NOT_INTEGER
    client.ok("SET", "k", "abc")
    assert client.cmd("INCREX", "k", "BYFLOAT", "1") == NOT_FLOAT


@pytest.mark.parametrize("saturate", [(), ("SATURATE",)])
def test_increx_stays_finite(client: RawClient, saturate: tuple[str, ...]) -> None:
    client.ok("MSET", "k", "inf", "n", "1")
    for increment in ("-inf", "1"):
        line = ("INCREX", "k", "BYFLOAT", increment, "UBOUND", "9", *saturate)
        assert client.cmd(*line) == NAN_OR_INF
    assert client.cmd("INCREX", "n", "BYFLOAT", "inf", *saturate) == NAN_OR_INF
    assert client.cmd("MGET", "k", "n") == [b"inf", b"1"]
    # a step to the bound that has no finite length
    big = "1e4932"
    client.ok("SET", "k", "-" + big)
    line = ("INCREX", "k", "BYFLOAT", "1", "LBOUND", big, *saturate)
    if saturate:
        assert client.cmd(*line) == NAN_OR_INF
    else:
        assert float(client.cmd(*line)[1]) == 0
    assert client.cmd("GET", "k") == b"-" + big.encode()


def test_increx_knows_no_negative_zero(client: RawClient) -> None:
    client.ok("SET", "k", "0")
    reply = client.cmd("INCREX", "k", "BYFLOAT", "-0.0")
    assert [str(part) for part in floats(reply)] == ["0.0", "0.0"]
    assert client.cmd("GET", "k") == b"0"


# --- LCS ---------------------------------------------------------------------------


Run = tuple[int, int, int]


def lcs_model(a: bytes, b: bytes) -> tuple[bytes, list[Run]]:
    """Return the subsequence and its runs (start in a, start in b, length)."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            table[i][j] = (
                table[i - 1][j - 1] + 1
                if x == y
                else max(table[i - 1][j], table[i][j - 1])
            )
    runs: list[Run] = []
    text = b""
    i, j, n = len(a), len(b), 0
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j, n = i - 1, j - 1, n + 1
            text = a[i : i + 1] + text
            continue
        if n:
            runs.append((i, j, n))
            n = 0
        if table[i - 1][j] > table[i][j - 1]:
            i -= 1
        else:
            j -= 1
    if n:
        runs.append((i, j, n))
    return text, runs


def lcs_idx(client: RawClient, *args: str | int) -> tuple[list[Any], int]:
    """Return the matches and the length of LCS IDX."""
    reply = client.cmd("LCS", "a", "b", "IDX", *args)
    if client.resp == 2:
        assert reply[::2] == [b"matches", b"len"]
        return reply[1], reply[3]
    assert isinstance(reply, Map)
    assert [key for key, _ in reply.pairs] == [b"matches", b"len"]
    return reply["matches"], reply["len"]


def as_matches(runs: Iterable[Run], has_len: bool) -> list[list[Any]]:
    return [
        [[i, i + n - 1], [j, j + n - 1], *([n] if has_len else [])] for i, j, n in runs
    ]


def test_lcs(client: RawClient) -> None:
    client.ok("MSET", "a", "ohmytext", "b", "mynewtext")
    assert client.cmd("LCS", "a", "b") == b"mytext"
    assert client.cmd("LCS", "a", "b", "LEN") == 6
    long, short = [[4, 7], [5, 8]], [[2, 3], [0, 1]]
    assert lcs_idx(client) == ([long, short], 6)
    assert lcs_idx(client, "MINMATCHLEN", 4) == ([long], 6)
    assert lcs_idx(client, "MINMATCHLEN", 5) == ([], 6)
    assert lcs_idx(client, "minmatchlen", -1) == ([long, short], 6)
    assert lcs_idx(client, "MINMATCHLEN", 4, "WITHMATCHLEN") == ([[*long, 4]], 6)
    # options that only IDX heeds
    assert client.cmd("LCS", "a", "b", "WITHMATCHLEN", "MINMATCHLEN", 4) == b"mytext"


def test_lcs_of_absent_keys(client: RawClient) -> None:
    client.ok("SET", "a", "x")
    assert client.cmd("LCS", "a", "b") == b""
    assert client.cmd("LCS", "b", "a", "LEN") == 0
    assert lcs_idx(client) == ([], 0)
    assert client.cmd("LCS", "b", "c") == b""


def test_lcs_of_integers(client: RawClient) -> None:
    client.ok("MSET", "a", 123, "b", 1234523)
    assert client.cmd("LCS", "a", "b") == b"123"
    assert lcs_idx(client) == ([[[1, 2], [5, 6]], [[0, 0], [0, 0]]], 3)


def test_lcs_errors(client: RawClient) -> None:
    client.ok("MSET", "a", "1", "b", "2")
    assert client.cmd("LCS", "a", "b", "FOO") == SYNTAX
    assert client.cmd("LCS", "a", "b", "MINMATCHLEN") == SYNTAX
    assert client.cmd("LCS", "a", "b", "MINMATCHLEN", "x") == NOT_INTEGER
    assert client.cmd("LCS", "a", "b", "IDX", "LEN") == (
        "ERR If you want both the length and indexes, please just use IDX."
    )


@pytest.mark.parametrize("size", [1, 5, 63, 64, 65, 127, 128, 129, 200])
def test_lcs_against_a_model(client: RawClient, size: int) -> None:
    rng = random.Random(size)
    for alphabet in (b"a", b"ab", b"abcd", bytes(range(256))):
        for other in (1, size, size // 2 + 1):
            a = bytes(rng.choices(alphabet, k=size))
            b = bytes(rng.choices(alphabet, k=other))
            client.ok("MSET", "a", a, "b", b)
            text, runs = lcs_model(a, b)
            assert client.cmd("LCS", "a", "b") == text
            assert client.cmd("LCS", "a", "b", "LEN") == len(text)
            assert lcs_idx(client, "WITHMATCHLEN") == (
                as_matches(runs, True),
                len(text),
            )
            some = [run for run in runs if run[2] >= 2]
            assert lcs_idx(client, "MINMATCHLEN", 2) == (
                as_matches(some, False),
                len(text),
            )


def test_lcs_of_long_strings_is_refused(client: RawClient) -> None:
    client.ok("CONFIG", "SET", "proto-max-bulk-len", 1024 * 1024)
    client.ok("MSET", "a", b"x" * 511, "b", b"x" * 511, "c", b"x" * 512)
    assert client.cmd("LCS", "a", "b", "LEN") == 511
    error = (
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"
    )
    for options in ((), ("LEN",), ("IDX",)):
        assert client.cmd("LCS", "a", "c", *options) == error


# --- What all have in common -------------------------------------------------------


def test_only_keys_of_the_selected_database_are_seen(client: RawClient) -> None:
    client.ok("MSET", "a", 1, "b", 2)
    client.ok("SELECT", 1)
    assert client.cmd("MGET", "a", "b") == [None, None]
    assert client.cmd("INCR", "a") == 1
    client.ok("SELECT", 0)
    assert client.cmd("INCR", "a") == 2
