# SPDX-License-Identifier: BSD-3-Clause
"""Commands on keys of any type: DEL ... UNLINK, expiry, SCAN, OBJECT."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from support.client import RawClient
from support.server import FastredisServer
from support.wait import wait_until

NOT_INTEGER = "ERR value is not an integer or out of range"
NOT_INT32 = "ERR value is out of range, value must between -2147483648 and 2147483647"
NO_DB = "ERR DB index is out of range"
SYNTAX = "ERR syntax error"
SAME = "ERR source and destination objects are the same"
NO_KEY = "ERR no such key"
NX_WITH_OTHERS = "ERR NX and XX, GT or LT options at the same time are not compatible"
GT_WITH_LT = "ERR GT and LT options at the same time are not compatible"
INT64_MAX = 2**63 - 1
FAR = 33_177_117_420  # seconds; the year 3021
KEY_OF_EVERY_BYTE = bytes(range(256)) * 2

# A value of each encoding that SET alone can make.
VALUES = {
    b"int": b"1234567890",
    b"embstr": b"abc",
    b"raw": b"x" * 100,
    b"raw (blob)": b"y" * 100_000,
}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def fill(client: RawClient, n: int, prefix: str = "key:") -> set[bytes]:
    """Set n keys; return their names."""
    names = [f"{prefix}{i}" for i in range(n)]
    for start in range(0, n, 1000):
        client.pipeline([("SET", name, "v") for name in names[start : start + 1000]])
    return {name.encode() for name in names}


def scan(client: RawClient, *options: str | int) -> list[bytes]:
    """Return what SCAN gives until its cursor is 0 again."""
    found: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, keys = client.cmd("SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return found


# --- DEL, UNLINK, EXISTS, TOUCH, TYPE ----------------------------------------------


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_delete_counts_the_keys_that_were_there(
    client: RawClient, command: str
) -> None:
    client.pipeline([("SET", name, value) for name, value in VALUES.items()])
    assert client.cmd(command, "absent") == 0
    assert client.cmd(command, "int", "absent", "raw", "int") == 2
    assert client.cmd("DBSIZE") == 2
    assert client.cmd(command, *VALUES) == 2
    assert client.cmd("DBSIZE") == 0


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_delete_many_keys_at_once(client: RawClient, command: str) -> None:
    names = fill(client, 5000)
    assert client.cmd(command, *names, *names) == 5000
    assert client.cmd("KEYS", "*") == []


def test_delete_forgets_the_expiry(client: RawClient) -> None:
    client.ok("SET", "k", "v", "EX", 100)
    assert client.cmd("DEL", "k") == 1
    client.ok("SET", "k", "v")
    assert client.cmd("TTL", "k") == -1


def test_lazy_user_del_deletes_all_the_same(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    client = fresh_server(lazyfree_lazy_user_del="yes").client()
    names = fill(client, 100)
    assert client.cmd("DEL", *names) == 100
    assert client.cmd("DBSIZE") == 0


def test_keys_are_any_bytes(client: RawClient) -> None:
    for key in (b"", b"\x00", b"\r\n", b"\xff" * 300, KEY_OF_EVERY_BYTE):
        client.ok("SET", key, "v")
        assert client.cmd("EXISTS", key) == 1
        assert client.cmd("KEYS", "*") == [key]
        assert client.cmd("RANDOMKEY") == key
        assert client.cmd("SCAN", 0) == [b"0", [key]]
        assert client.cmd("DEL", key) == 1


def test_exists_counts_a_key_as_often_as_it_is_named(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    client.ok("SET", "b", 2)
    assert client.cmd("EXISTS", "a") == 1
    assert client.cmd("EXISTS", "a", "absent", "b", "a") == 3
    assert client.cmd("EXISTS", "absent") == 0


def test_touch_counts_keys_that_exist(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    assert client.cmd("TOUCH", "a", "absent", "a") == 2
    assert client.cmd("TOUCH", "absent") == 0


def test_type(client: RawClient) -> None:
    for name, value in VALUES.items():
        client.ok("SET", name, value)
        assert client.cmd("TYPE", name) == "string"
    assert client.cmd("TYPE", "absent") == "none"


# --- KEYS, RANDOMKEY ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", {"one", "two", "three", "four", "*"}),
        ("t*", {"two", "three"}),
        ("?", {"*"}),
        ("t[vw]o", {"two"}),
        ("[^t]*", {"one", "four", "*"}),
        ("two", {"two"}),
        ("tw", set()),
        ("\\*", {"*"}),
        ("TWO", set()),
        ("", set()),
    ],
)
def test_keys(client: RawClient, pattern: str, expected: set[str]) -> None:
    for name in ("one", "two", "three", "four", "*"):
        client.ok("SET", name, "v")
    found = client.cmd("KEYS", pattern)
    assert len(found) == len(set(found))
    assert {name.decode() for name in found} == expected


def test_keys_of_a_large_database(client: RawClient) -> None:
    names = fill(client, 20_000)
    found = client.cmd("KEYS", "*")
    assert len(found) == len(names)
    assert set(found) == names
    assert len(client.cmd("KEYS", "key:1*")) == 1 + 10 + 100 + 1000 + 10_000
    assert client.cmd("KEYS", "key:777") == [b"key:777"]


def test_keys_leaves_out_what_has_expired(client: RawClient) -> None:
    client.ok("SET", "stays", "v")
    client.ok("SET", "goes", "v", "PX", 1)
    deadline = now_ms() + 3
    wait_until(lambda: now_ms() > deadline)
    assert client.cmd("KEYS", "*") == [b"stays"]
    assert client.cmd("KEYS", "goes") == []


def test_randomkey_of_an_empty_database_is_null(client: RawClient) -> None:
    assert client.cmd("RANDOMKEY") is None


def test_randomkey_finds_every_key(client: RawClient) -> None:
    names = fill(client, 20)
    seen: set[bytes] = set()

    def all_seen() -> bool:
        seen.update(client.pipeline([("RANDOMKEY",)] * 100))
        return seen == names

    wait_until(all_seen)


# --- RENAME, RENAMENX --------------------------------------------------------------


@pytest.mark.parametrize("name", VALUES)
def test_rename_takes_value_and_expiry_along(client: RawClient, name: bytes) -> None:
    client.ok("SET", name, VALUES[name], "PXAT", FAR * 1000)
    for new in ("short", "l" * 300, name):
        client.ok("SET", new, "in the way", "EX", 100)
        client.ok("SET", name, VALUES[name], "PXAT", FAR * 1000)
        client.ok("RENAME", name, new)
        assert client.cmd("GET", new) == VALUES[name]
        assert client.cmd("EXPIRETIME", new) == FAR
        assert client.cmd("EXISTS", name) == (1 if new == name else 0)


def test_rename_without_expiry_removes_the_one_in_the_way(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    client.ok("SET", "b", 2, "EX", 100)
    client.ok("RENAME", "a", "b")
    assert client.cmd("TTL", "b") == -1


def test_rename_of_a_missing_key(client: RawClient) -> None:
    assert client.cmd("RENAME", "absent", "b") == NO_KEY
    assert client.cmd("RENAME", "absent", "absent") == NO_KEY
    assert client.cmd("RENAMENX", "absent", "b") == NO_KEY
    assert client.cmd("RENAMENX", "absent", "absent") == NO_KEY


def test_rename_to_the_same_name(client: RawClient) -> None:
    client.ok("SET", "k", "v", "EX", 100)
    client.ok("RENAME", "k", "k")
    assert client.cmd("RENAMENX", "k", "k") == 0
    assert client.cmd("GET", "k") == b"v"
    assert 99 <= client.cmd("TTL", "k") <= 100


def test_renamenx(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    client.ok("SET", "b", 2)
    assert client.cmd("RENAMENX", "a", "b") == 0
    assert client.cmd("MGET", "a", "b") == [b"1", b"2"]
    assert client.cmd("RENAMENX", "a", "c") == 1
    assert client.cmd("MGET", "a", "c") == [None, b"1"]


# --- MOVE, COPY --------------------------------------------------------------------


def test_move(client: RawClient) -> None:
    client.ok("SET", "k", "v", "PXAT", FAR * 1000)
    assert client.cmd("MOVE", "k", 9) == 1
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SELECT", 9)
    assert client.cmd("GET", "k") == b"v"
    assert client.cmd("EXPIRETIME", "k") == FAR


def test_move_changes_nothing_when_it_cannot(client: RawClient) -> None:
    assert client.cmd("MOVE", "absent", 1) == 0
    client.ok("SET", "k", "zero")
    client.ok("SELECT", 1)
    client.ok("SET", "k", "one")
    assert client.cmd("MOVE", "k", 0) == 0
    assert client.cmd("GET", "k") == b"one"
    client.ok("SELECT", 0)
    assert client.cmd("GET", "k") == b"zero"


BAD_DB = [
    ("abc", NOT_INTEGER),
    ("1.5", NOT_INTEGER),
    ("", NOT_INTEGER),
    ("99999999999999999999", NOT_INTEGER),
    ("99999999999", NOT_INT32),
    ("-1", NO_DB),
    ("16", NO_DB),
]


@pytest.mark.parametrize(("db", "error"), [*BAD_DB, ("0", SAME)])
def test_move_refuses_a_database(client: RawClient, db: str, error: str) -> None:
    assert client.cmd("MOVE", "k", db) == error


@pytest.mark.parametrize(("db", "error"), [*BAD_DB, ("0", SAME)])
def test_copy_refuses_a_database(client: RawClient, db: str, error: str) -> None:
    assert client.cmd("COPY", "k", "k", "DB", db) == error


@pytest.mark.parametrize("name", VALUES)
def test_copy_is_independent(client: RawClient, name: bytes) -> None:
    client.ok("SET", name, VALUES[name], "PXAT", FAR * 1000)
    encoding = client.cmd("OBJECT", "ENCODING", name)
    assert client.cmd("COPY", name, "copy") == 1
    assert client.cmd("OBJECT", "ENCODING", "copy") == encoding
    assert client.cmd("EXPIRETIME", "copy") == FAR
    assert client.cmd("APPEND", "copy", "1") == len(VALUES[name]) + 1
    assert client.cmd("GET", name) == VALUES[name]
    assert client.cmd("GET", "copy") == VALUES[name] + b"1"
    assert client.cmd("DEL", name) == 1
    assert client.cmd("GET", "copy") == VALUES[name] + b"1"


def test_copy_replaces_only_when_told(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    client.ok("SET", "b", 2, "EX", 100)
    assert client.cmd("COPY", "a", "b") == 0
    assert client.cmd("GET", "b") == b"2"
    assert client.cmd("COPY", "a", "b", "replace") == 1
    assert client.cmd("GET", "b") == b"1"
    assert client.cmd("TTL", "b") == -1
    assert client.cmd("COPY", "absent", "b", "REPLACE") == 0
    assert client.cmd("GET", "b") == b"1"


def test_copy_to_another_database(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    assert client.cmd("COPY", "a", "a", "DB", 2) == 1
    assert client.cmd("COPY", "a", "a", "DB", 2) == 0
    client.ok("SET", "a", 2)
    assert client.cmd("COPY", "a", "a", "REPLACE", "db", 2) == 1
    client.ok("SELECT", 2)
    assert client.cmd("GET", "a") == b"2"


def test_copy_refuses(client: RawClient) -> None:
    client.ok("SET", "a", 1)
    assert client.cmd("COPY", "a", "a") == SAME
    assert client.cmd("COPY", "a", "a", "REPLACE") == SAME
    assert client.cmd("COPY", "absent", "absent") == SAME
    assert client.cmd("COPY", "a", "b", "nonsense") == SYNTAX
    assert client.cmd("COPY", "a", "b", "DB") == SYNTAX
    assert client.cmd("COPY", "a", "b", "DB", 99, "nonsense") == NO_DB


# --- EXPIRE and its kin ------------------------------------------------------------

SETTERS: dict[str, Callable[[int], int]] = {
    "EXPIRE": lambda seconds: seconds,
    "PEXPIRE": lambda seconds: seconds * 1000,
    "EXPIREAT": lambda seconds: int(time.time()) + seconds,
    "PEXPIREAT": lambda seconds: now_ms() + seconds * 1000,
}


@pytest.mark.parametrize("command", SETTERS)
@pytest.mark.parametrize("name", VALUES)
def test_expire_sets_and_changes(client: RawClient, command: str, name: bytes) -> None:
    client.ok("SET", name, VALUES[name])
    for seconds in (100, 10_000, 50, 10**9):
        assert client.cmd(command, name, SETTERS[command](seconds)) == 1
        assert seconds - 2 <= client.cmd("TTL", name) <= seconds
        left = client.cmd("PTTL", name)
        assert (seconds - 2) * 1000 <= left <= seconds * 1000
        at = client.cmd("PEXPIRETIME", name)
        assert abs(at - now_ms() - left) <= 1000
        assert client.cmd("EXPIRETIME", name) == (at + 500) // 1000
        assert client.cmd("GET", name) == VALUES[name]
    assert client.cmd("PERSIST", name) == 1
    assert client.cmd("PERSIST", name) == 0
    assert client.cmd("TTL", name) == -1
    assert client.cmd("GET", name) == VALUES[name]


@pytest.mark.parametrize("command", SETTERS)
def test_expire_of_a_missing_key(client: RawClient, command: str) -> None:
    assert client.cmd(command, "absent", SETTERS[command](100)) == 0
    assert client.cmd("EXISTS", "absent") == 0


@pytest.mark.parametrize(
    ("command", "when"),
    [
        ("EXPIRE", 0),
        ("EXPIRE", -1),
        ("PEXPIRE", 0),
        ("PEXPIRE", -1),
        ("PEXPIRE", -INT64_MAX),
        ("EXPIREAT", 0),
        ("EXPIREAT", 1),
        ("EXPIREAT", -1),
        ("PEXPIREAT", 0),
        ("PEXPIREAT", 1),
        ("PEXPIREAT", -INT64_MAX - 1),
    ],
)
def test_expire_in_the_past_deletes(client: RawClient, command: str, when: int) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd(command, "k", when) == 1
    assert client.cmd("DBSIZE") == 0
    client.ok("SET", "k", "v", "EX", 100)
    assert client.cmd(command, "k", when) == 1
    assert client.cmd("GET", "k") is None


@pytest.mark.parametrize("command", SETTERS)
@pytest.mark.parametrize("key", ["k", "absent"])
def test_expire_refuses_a_time(client: RawClient, command: str, key: str) -> None:
    client.ok("SET", "k", "v")
    invalid = f"ERR invalid expire time in '{command.lower()}' command"
    for text in ("abc", "", "1.5", " 1", "9223372036854775808"):
        assert client.cmd(command, key, text) == NOT_INTEGER
    if not command.startswith("P"):
        for when in (INT64_MAX, -INT64_MAX - 1, INT64_MAX // 1000 + 1):
            assert client.cmd(command, key, when) == invalid
    if not command.endswith("AT"):
        edge = INT64_MAX if command == "PEXPIRE" else INT64_MAX // 1000
        assert client.cmd(command, key, edge) == invalid
    assert client.cmd("TTL", "k") == -1


@pytest.mark.parametrize("when", [2**48 - 2, 2**48 - 1, 2**48, INT64_MAX])
def test_expire_keeps_times_of_any_size(client: RawClient, when: int) -> None:
    for name, value in VALUES.items():
        client.ok("SET", name, value)
        for at in (FAR * 1000, when, FAR * 1000 + 1, when):
            assert client.cmd("PEXPIREAT", name, at) == 1
            assert client.cmd("PEXPIRETIME", name) == at
            assert client.cmd("GET", name) == value
        assert client.cmd("EXPIRETIME", name) == when // 1000 + (when % 1000 >= 500)


def test_expiretime_rounds_to_the_nearest_second(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    for ms, rounded in ((0, 0), (499, 0), (500, 1), (999, 1)):
        assert client.cmd("PEXPIREAT", "k", FAR * 1000 + ms) == 1
        assert client.cmd("EXPIRETIME", "k") == FAR + rounded
        assert client.cmd("PEXPIRETIME", "k") == FAR * 1000 + ms


def test_ttl_without_key_or_expiry(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert client.cmd(command, "absent") == -2
        assert client.cmd(command, "k") == -1


def test_persist_of_a_missing_key(client: RawClient) -> None:
    assert client.cmd("PERSIST", "absent") == 0


def test_persist_keeps_the_key_beyond_its_time(client: RawClient) -> None:
    client.ok("SET", "k", "v", "PX", 700)
    assert client.cmd("PERSIST", "k") == 1
    deadline = now_ms() + 800
    wait_until(lambda: now_ms() > deadline)
    assert client.cmd("GET", "k") == b"v"


@pytest.mark.parametrize("command", SETTERS)
def test_conditions(client: RawClient, command: str) -> None:
    at = SETTERS[command]
    client.ok("SET", "k", "v")
    assert client.cmd(command, "k", at(100), "XX") == 0
    assert client.cmd(command, "k", at(100), "GT") == 0
    assert client.cmd(command, "k", at(100), "XX", "LT") == 0
    assert client.cmd("TTL", "k") == -1
    assert client.cmd(command, "k", at(1000), "lt") == 1
    assert client.cmd(command, "k", at(2000), "NX") == 0
    assert client.cmd(command, "k", at(2000), "LT") == 0
    assert client.cmd(command, "k", at(500), "GT") == 0
    assert 990 <= client.cmd("TTL", "k") <= 1000
    assert client.cmd(command, "k", at(500), "LT", "xx") == 1
    assert client.cmd(command, "k", at(800), "GT") == 1
    assert client.cmd(command, "k", at(900), "XX") == 1
    assert client.cmd(command, "k", at(950), "gt", "XX") == 1
    assert 940 <= client.cmd("TTL", "k") <= 950
    assert client.cmd("PERSIST", "k") == 1
    assert client.cmd(command, "k", at(100), "NX", "NX") == 1


def test_conditions_compare_exactly(client: RawClient) -> None:
    client.ok("SET", "k", "v", "PXAT", FAR * 1000 - 1)
    for step in (FAR * 1000, FAR * 1000 + 1):
        assert client.cmd("PEXPIREAT", "k", step, "GT") == 1
        assert client.cmd("PEXPIREAT", "k", step, "GT") == 0
        assert client.cmd("PEXPIREAT", "k", step, "LT") == 0


def test_a_condition_can_save_a_key_from_the_past(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd("EXPIRE", "k", -5, "GT") == 0
    assert client.cmd("EXPIRE", "k", -5, "XX") == 0
    assert client.cmd("EXISTS", "k") == 1
    assert client.cmd("EXPIRE", "k", -5, "LT") == 1
    assert client.cmd("EXISTS", "k") == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["nonsense"], "ERR Unsupported option nonsense"),
        (["NX", "a\r\nb"], "ERR Unsupported option a  b"),
        (["NX", "XX"], NX_WITH_OTHERS),
        (["GT", "NX"], NX_WITH_OTHERS),
        (["NX", "LT"], NX_WITH_OTHERS),
        (["NX", "GT", "LT"], NX_WITH_OTHERS),
        (["GT", "LT"], GT_WITH_LT),
        (["XX", "LT", "GT"], GT_WITH_LT),
    ],
)
@pytest.mark.parametrize("command", SETTERS)
def test_conditions_that_conflict(
    client: RawClient, command: str, options: list[str], error: str
) -> None:
    client.ok("SET", "k", "v")
    # told before the time is even looked at
    assert client.cmd(command, "k", "abc", *options) == error
    assert client.cmd("TTL", "k") == -1


@pytest.mark.parametrize("command", ["EXPIRE", "PEXPIRE"])
def test_keys_go_when_their_time_comes(client: RawClient, command: str) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd(command, "k", 1 if command == "EXPIRE" else 50) == 1
    wait_until(lambda: client.cmd("EXISTS", "k") == 0)
    assert client.cmd("TTL", "k") == -2
    wait_until(lambda: client.cmd("DBSIZE") == 0)


# --- SCAN --------------------------------------------------------------------------


@pytest.mark.parametrize("count", [None, 1, 7, 1000, 10**6])
def test_scan_finds_every_key_once(client: RawClient, count: int | None) -> None:
    names = fill(client, 3000)
    found = scan(client, *(() if count is None else ("COUNT", count)))
    assert len(found) == len(names)
    assert set(found) == names


def test_scan_of_an_empty_database(client: RawClient) -> None:
    assert client.cmd("SCAN", 0) == [b"0", []]
    assert client.cmd("SCAN", 12345) == [b"0", []]


def test_scan_keeps_to_its_count(client: RawClient) -> None:
    fill(client, 20_000)
    for count in (1, 10, 100, 1000):
        _, keys = client.cmd("SCAN", 0, "COUNT", count)
        # a step takes whole buckets, so it may find some more
        assert count <= len(keys) <= count + 50


def test_scan_count_holds_when_nothing_matches(client: RawClient) -> None:
    fill(client, 20_000)
    cursor, keys = client.cmd("SCAN", 0, "MATCH", "nothing*", "COUNT", 100)
    assert cursor != b"0"
    assert keys == []


def test_scan_of_a_table_that_was_emptied_ends_soon(client: RawClient) -> None:
    names = fill(client, 50_000)
    client.pipeline([("DEL", name) for name in sorted(names)[:-5]])
    cursor, calls, found = b"0", 0, []
    while calls == 0 or cursor != b"0":
        cursor, keys = client.cmd("SCAN", cursor, "COUNT", 100)
        found += keys
        calls += 1
    assert set(found) == set(sorted(names)[-5:])
    assert calls <= 100


def test_scan_keeps_its_promise_while_the_table_changes(client: RawClient) -> None:
    stay = fill(client, 2000, "stay:")
    found: list[bytes] = []
    cursor, turn = b"0", 0
    while turn == 0 or cursor != b"0":
        cursor, keys = client.cmd("SCAN", cursor, "COUNT", 20)
        found += keys
        if turn < 40:
            fill(client, 500, f"new:{turn}:")
        elif turn < 80:
            old = [f"new:{turn - 40}:{i}" for i in range(500)]
            client.cmd("DEL", *old)
        turn += 1
    assert stay <= set(found)


def test_scan_match(client: RawClient) -> None:
    fill(client, 500)
    client.ok("SET", "other", "v")
    assert len(scan(client, "MATCH", "key:1??")) == 100
    assert scan(client, "match", "other") == [b"other"]
    assert len(scan(client, "MATCH", "*")) == 501
    assert scan(client, "MATCH", "") == []
    # the last one counts
    assert scan(client, "MATCH", "key:*", "MATCH", "o*") == [b"other"]


def test_scan_type(client: RawClient) -> None:
    names = fill(client, 100)
    assert set(scan(client, "TYPE", "string")) == names
    assert set(scan(client, "type", "STRING", "COUNT", 7)) == names
    for other in ("list", "set", "zset", "hash", "stream"):
        assert scan(client, "TYPE", other) == []
    assert scan(client, "TYPE", "string", "MATCH", "key:77", "COUNT", 3) == [b"key:77"]


def test_scan_of_an_unknown_type_finds_nothing(client: RawClient) -> None:
    fill(client, 10)
    assert scan(client, "TYPE", "nonsense") == []
    assert scan(client, "TYPE", "module") == []


def test_scan_deletes_what_it_finds_expired(client: RawClient) -> None:
    if client.cmd("DEBUG", "SET-ACTIVE-EXPIRE", 0) != "OK":
        pytest.skip("DEBUG SET-ACTIVE-EXPIRE is not there yet")
    try:
        names = fill(client, 100)
        gone = sorted(names)[:30]
        client.pipeline([("PEXPIRE", name, 1) for name in gone])
        deadline = now_ms() + 3
        wait_until(lambda: now_ms() > deadline)
        assert client.cmd("DBSIZE") == 100
        assert set(scan(client)) == names - set(gone)
        assert client.cmd("DBSIZE") == 70
    finally:
        client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_scan_by_type_deletes_what_has_expired_of_any_type(client: RawClient) -> None:
    client.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client.cmd("RPUSH", "list", "a")
    client.ok("SET", "string", "a")
    client.ok("SET", "stays", "a")
    client.cmd("PEXPIRE", "list", "1")
    client.cmd("PEXPIRE", "string", "1")
    time.sleep(0.005)
    assert client.cmd("SCAN", "0", "TYPE", "string", "COUNT", "100")[1] == [b"stays"]
    assert client.cmd("DBSIZE") == 1
    client.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "1")


@pytest.mark.parametrize(
    "cursor",
    [
        "abc",
        "-1",
        "",
        "1a",
        "1.0",
        "18446744073709551616",
        "+",
        "-",
        "1 ",
        "0" * 64,
        b"\x001",
    ],
)
def test_scan_refuses_a_cursor(client: RawClient, cursor: str | bytes) -> None:
    assert client.cmd("SCAN", cursor) == "ERR invalid cursor"


@pytest.mark.parametrize(
    "cursor",
    [
        "0",
        "00",
        "+0",
        "-0",
        "007",
        " 1",
        "-9223372036854775809",
        "18446744073709551615",
        b"0\x001",
    ],
)
def test_scan_takes_any_cursor(client: RawClient, cursor: str | bytes) -> None:
    client.ok("SET", "k", "v")
    end, keys = client.cmd("SCAN", cursor)
    assert end == b"0"
    assert keys in ([b"k"], [])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["COUNT", 0], SYNTAX),
        (["COUNT", -1], SYNTAX),
        (["COUNT", "abc"], NOT_INTEGER),
        (["COUNT", INT64_MAX + 1], NOT_INTEGER),
        (["COUNT"], SYNTAX),
        (["MATCH"], SYNTAX),
        (["TYPE"], SYNTAX),
        (["nonsense"], SYNTAX),
        (["nonsense", 1], SYNTAX),
        (["NOVALUES"], "ERR NOVALUES option can only be used in HSCAN"),
        (["COUNT", "abc", "nonsense"], NOT_INTEGER),
        (["MATCH", "*", "COUNT"], SYNTAX),
    ],
)
def test_scan_refuses_options(
    client: RawClient, options: list[Any], error: str
) -> None:
    assert client.cmd("SCAN", 0, *options) == error


def test_scan_takes_the_largest_count(client: RawClient) -> None:
    names = fill(client, 100)
    cursor, keys = client.cmd("SCAN", 0, "COUNT", INT64_MAX)
    assert cursor == b"0"
    assert set(keys) == names


# --- OBJECT ------------------------------------------------------------------------

OBJECT_COMMANDS = ["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"]


def test_object_encoding(client: RawClient) -> None:
    for name, value in VALUES.items():
        client.ok("SET", name, value)
        assert client.cmd("OBJECT", "ENCODING", name) == name.split()[0]
    for length, encoding in ((44, b"embstr"), (45, b"raw")):
        client.ok("SET", "k", "x" * length)
        assert client.cmd("object", "encoding", "k") == encoding


@pytest.mark.parametrize("subcommand", OBJECT_COMMANDS)
def test_object_of_a_missing_key_is_null(client: RawClient, subcommand: str) -> None:
    assert client.cmd("OBJECT", subcommand, "absent") is None


@pytest.mark.parametrize("subcommand", OBJECT_COMMANDS)
def test_object_takes_one_key(client: RawClient, subcommand: str) -> None:
    error = f"ERR wrong number of arguments for 'object|{subcommand.lower()}' command"
    assert client.cmd("OBJECT", subcommand) == error
    assert client.cmd("OBJECT", subcommand, "a", "b") == error


def test_object_refcount(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd("OBJECT", "REFCOUNT", "k") == 1


def test_object_freq_needs_an_lfu_policy(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert client.cmd("OBJECT", "FREQ", "k").startswith(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked."
    )


def test_object_unknown_subcommand(client: RawClient) -> None:
    error = "ERR unknown subcommand 'nonsense'. Try OBJECT HELP."
    assert client.cmd("OBJECT", "nonsense", "k") == error


def wait_idle(client: RawClient, key: str) -> None:
    """Wait until the key has not been used for a second or two."""
    wait_until(lambda: client.cmd("OBJECT", "IDLETIME", key) >= 1)


def assert_used(client: RawClient, *use: Any) -> None:
    """Assert that the command sets the idle time of k to zero.

    Once more if need be: the clock's second may end between the two commands.
    """
    for _ in range(3):
        client.cmd(*use)
        idle = client.cmd("OBJECT", "IDLETIME", "k")
        if idle == 0:
            return
    raise AssertionError(f"{use} left the idle time at {idle}")


def test_object_idletime_counts_from_the_last_use(client2: RawClient) -> None:
    client2.ok("SET", "k", "v", "EX", 1000)
    assert client2.cmd("OBJECT", "IDLETIME", "k") in (0, 1)
    wait_idle(client2, "k")
    # none of these is a use
    for command in ("TTL", "PTTL", "EXPIRETIME", "TYPE", "EXISTS", "PEXPIRETIME"):
        client2.cmd(command, "k")
        assert client2.cmd("OBJECT", "IDLETIME", "k") >= 1, command
    for subcommand in OBJECT_COMMANDS:
        client2.cmd("OBJECT", subcommand, "k")
        assert client2.cmd("OBJECT", "IDLETIME", "k") >= 1, subcommand
    for command in (["KEYS", "*"], ["KEYS", "k"], ["SCAN", 0], ["RANDOMKEY"]):
        client2.cmd(*command)
        assert client2.cmd("OBJECT", "IDLETIME", "k") >= 1, command
    assert_used(client2, "GET", "k")


@pytest.mark.parametrize(
    "use",
    [
        ["TOUCH", "k"],
        ["EXPIRE", "k", 100],
        ["COPY", "k", "other"],
        ["PERSIST", "k"],
        ["APPEND", "k", "x"],
    ],
)
def test_object_idletime_starts_again(client2: RawClient, use: list[Any]) -> None:
    client2.ok("SET", "k", "v", "EX", 1000)
    wait_idle(client2, "k")
    assert_used(client2, *use)
