# SPDX-License-Identifier: BSD-3-Clause
"""Stream commands without groups, in nodes of different sizes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.client import Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until

NOT_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
BAD_ID = "ERR Invalid stream ID specified as stream command argument"
TOO_SMALL = (
    "ERR The ID specified in XADD is equal or smaller than the target stream top item"
)
TOP = 2**64 - 1

# stream-node-max-bytes and -entries
LIMITS = {"as configured": (4096, 100), "few entries": (4096, 2), "few bytes": (64, 0)}


@pytest.fixture(params=LIMITS.values(), ids=LIMITS.keys())
def streams(client: RawClient, request: pytest.FixtureRequest) -> Iterator[RawClient]:
    """Connect with nodes of one size."""
    nbytes, entries = request.param
    client.ok("CONFIG", "SET", "stream-node-max-bytes", nbytes)
    client.ok("CONFIG", "SET", "stream-node-max-entries", entries)
    yield client
    client.ok("CONFIG", "SET", "stream-node-max-bytes", 4096)
    client.ok("CONFIG", "SET", "stream-node-max-entries", 100)


def error(reply: Any) -> str:
    return str(reply)


def entries(client: RawClient, key: str = "s") -> list[bytes]:
    """Return the ids of all entries, having read them from both ends."""
    forward = client.cmd("XRANGE", key, "-", "+")
    assert client.cmd("XREVRANGE", key, "+", "-") == forward[::-1]
    assert client.cmd("XLEN", key) == len(forward)
    return [entry for entry, _ in forward]


def add(client: RawClient, *numbers: int, key: str = "s") -> None:
    for n in numbers:
        assert client.cmd("XADD", key, f"{n}-1", "n", n) == b"%d-1" % n


def info(client: RawClient, key: str = "s") -> dict[bytes, Any]:
    reply = client.cmd("XINFO", "STREAM", key)
    if isinstance(reply, Map):
        return dict(reply.pairs)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def of_streams(client: RawClient, *pairs: tuple[bytes, Any]) -> Any:
    """Return what XREAD replies for these keys and entries."""
    if client.resp == 3:
        return Map(list(pairs))
    return [list(pair) for pair in pairs]


# --- XADD --------------------------------------------------------------------------


def test_add_and_range(streams: RawClient) -> None:
    values = [b"", b"x", b"-7", b"70000", b"007", b"y" * 300, b"9" * 19, b"\0\r\n"]
    expected = []
    for i, value in enumerate(values):
        fields = [b"a", value] if i % 3 else [b"b", value, value, b"c"]
        assert streams.cmd("XADD", "s", f"{i}-{i + 1}", *fields) == b"%d-%d" % (
            i,
            i + 1,
        )
        expected.append([b"%d-%d" % (i, i + 1), fields])
    assert streams.cmd("XRANGE", "s", "-", "+") == expected
    assert streams.cmd("XREVRANGE", "s", "+", "-") == expected[::-1]
    assert streams.cmd("XRANGE", "s", 2, 4) == expected[2:5]
    assert streams.cmd("XRANGE", "s", "2-3", "(4-5") == expected[2:4]
    assert streams.cmd("XRANGE", "s", "(2-3", "+", "COUNT", 2) == expected[3:5]
    assert streams.cmd("XREVRANGE", "s", "(4-5", 2, "COUNT", 1) == [expected[3]]
    assert streams.cmd("XRANGE", "s", 5, 4) == []
    assert streams.cmd("XRANGE", "s", "-", "+", "COUNT", 0) == streams.null_array
    assert streams.cmd("XRANGE", "absent", "-", "+") == []
    assert streams.cmd("TYPE", "s") == "stream"
    assert streams.cmd("OBJECT", "ENCODING", "s") == b"stream"


def test_ids_are_made_from_the_clock(client: RawClient) -> None:
    before = int(time.time() * 1000)
    first = client.cmd("XADD", "s", "*", "a", 1)
    ms, seq = first.split(b"-")
    assert before <= int(ms) <= int(time.time() * 1000)
    assert seq == b"0"
    many = client.pipeline([("XADD", "s", "*", "a", i) for i in range(100)])
    numbers = [tuple(map(int, entry.split(b"-"))) for entry in many]
    assert numbers == sorted(set(numbers))
    # the clock is behind the last id
    client.cmd("XADD", "s", f"{before + 10**9}-5", "a", 1)
    assert client.cmd("XADD", "s", "*", "a", 1) == b"%d-6" % (before + 10**9)
    client.cmd("XADD", "s", f"{before + 10**9}-{TOP}", "a", 1)
    assert client.cmd("XADD", "s", "*", "a", 1) == b"%d-0" % (before + 10**9 + 1)


def test_ids_that_are_given(client: RawClient) -> None:
    assert client.cmd("XADD", "s", "0-*", "a", 1) == b"0-1"
    assert client.cmd("XADD", "s", "5-*", "a", 1) == b"5-0"
    assert client.cmd("XADD", "s", "5-*", "a", 1) == b"5-1"
    assert client.cmd("XADD", "s", "7", "a", 1) == b"7-0"
    for small in ("7", "7-0", "6-*", "0-1"):
        assert error(client.cmd("XADD", "s", small, "a", 1)) == TOO_SMALL
    assert error(client.cmd("XADD", "s", "0-0", "a", 1)) == (
        "ERR The ID specified in XADD must be greater than 0-0"
    )
    for bad in ("x", "1-x", "-", "+", "", "1-2-3", "-1", "1*", str(TOP + 1), "9" * 200):
        assert error(client.cmd("XADD", "s", bad, "a", 1)) == BAD_ID
    assert client.cmd("XADD", "s", f"{TOP}-{TOP - 1}", "a", 1)
    assert client.cmd("XADD", "s", "*", "a", 1) == b"%d-%d" % (TOP, TOP)
    for more in ("*", f"{TOP}-*", f"{TOP}-{TOP}"):
        assert error(client.cmd("XADD", "s", more, "a", 1)) == (
            "ERR The stream has exhausted the last possible ID, unable to add more "
            "items"
        )
    assert client.cmd("EXISTS", "t") == 0
    assert error(client.cmd("XADD", "t", "0-0", "a", 1)).startswith("ERR The ID")
    assert client.cmd("EXISTS", "t") == 0


def test_wrong_arguments(client: RawClient) -> None:
    arity = "ERR wrong number of arguments for 'xadd' command"
    for args in (["*", "a"], ["*", "a", 1, "b"], ["NOMKSTREAM", "*", "a"]):
        assert error(client.cmd("XADD", "s", *args)) in (arity, BAD_ID)
    client.ok("SET", "text", "x")
    for command in (
        ("XADD", "text", "*", "a", 1),
        ("XLEN", "text"),
        ("XRANGE", "text", "-", "+"),
        ("XDEL", "text", "1"),
        ("XTRIM", "text", "MAXLEN", 1),
        ("XREAD", "STREAMS", "text", "0"),
        ("XDELEX", "text", "IDS", 1, 1),
    ):
        assert error(client.cmd(*command)) == WRONG_TYPE
    assert client.cmd("XADD", "s", "NOMKSTREAM", "*", "a", 1) is None
    assert client.cmd("EXISTS", "s") == 0
    add(client, 1)
    assert client.cmd("XADD", "s", "nomkstream", "2-1", "a", 1) == b"2-1"
    for args, text in (
        (["MAXLEN", -1], "ERR The MAXLEN argument must be >= 0."),
        (["MAXLEN", "x"], NOT_INTEGER),
        (["MINID", "x"], BAD_ID),
        (
            ["MAXLEN", 1, "MINID", 1],
            "ERR syntax error, MAXLEN and MINID options at the "
            "same time are not compatible",
        ),
        (["MAXLEN", "~", 1, "LIMIT", -1], "ERR The LIMIT argument must be >= 0."),
        (
            ["MAXLEN", 1, "LIMIT", 1],
            "ERR syntax error, LIMIT cannot be used without the special ~ option",
        ),
        (
            ["LIMIT", 1],
            "ERR syntax error, LIMIT cannot be used without specifying a "
            "trimming strategy",
        ),
    ):
        assert error(client.cmd("XADD", "s", *args, "9-1", "a", 1)) == text
        assert error(client.cmd("XTRIM", "s", *args)) == text
    assert error(client.cmd("XTRIM", "s", "MAXLEN", 1, "x")) == SYNTAX
    assert error(client.cmd("XTRIM", "s", "KEEPREF", "ACKED")) == SYNTAX
    assert error(client.cmd("XRANGE", "s", "(x", "+")) == BAD_ID
    assert error(client.cmd("XRANGE", "s", f"({TOP}-{TOP}", "+")) == (
        "ERR invalid start ID for the interval"
    )
    assert error(client.cmd("XRANGE", "s", "-", "(0-0")) == (
        "ERR invalid end ID for the interval"
    )
    assert error(client.cmd("XRANGE", "s", "-", "+", "COUNT")) == SYNTAX
    assert error(client.cmd("XRANGE", "s", "-", "+", "COUNT", "x")) == NOT_INTEGER


def test_large_values(client: RawClient) -> None:
    big = b"v" * 100_000
    for i in range(1, 5):
        client.cmd("XADD", "s", f"{i}-1", "a", big, "b", i)
    assert client.cmd("XRANGE", "s", 3, 3) == [[b"3-1", [b"a", big, b"b", b"3"]]]
    assert info(client)[b"radix-tree-keys"] == 4
    many = [word for i in range(2000) for word in (f"field{i}", i)]
    client.cmd("XADD", "t", "1-1", *many)
    client.cmd("XADD", "t", "2-1", *many)
    first, second = client.cmd("XRANGE", "t", "-", "+")
    assert first[1] == second[1] == [str(word).encode() for word in many]


# --- Delete and trim ---------------------------------------------------------------


def test_delete(streams: RawClient) -> None:
    add(streams, *range(1, 8))
    assert streams.cmd("XDEL", "s", "3-1", "3-1", "9-9", 4) == 1
    assert entries(streams) == [b"%d-1" % n for n in (1, 2, 4, 5, 6, 7)]
    assert streams.cmd("XDEL", "s", "1-1", "2-1", "7-1") == 3
    assert entries(streams) == [b"4-1", b"5-1", b"6-1"]
    found = info(streams)
    assert found[b"recorded-first-entry-id"] == b"4-1"
    assert found[b"max-deleted-entry-id"] == b"7-1"
    assert found[b"last-generated-id"] == b"7-1"
    assert found[b"entries-added"] == 7
    assert found[b"first-entry"][0] == b"4-1"
    assert found[b"last-entry"][0] == b"6-1"
    assert error(streams.cmd("XDEL", "s", "4-1", "x")) == BAD_ID
    assert streams.cmd("XDEL", "s", "4-1", "5-1", "6-1") == 3
    assert entries(streams) == []
    assert streams.cmd("EXISTS", "s") == 1
    assert info(streams)[b"first-entry"] is None
    assert error(streams.cmd("XADD", "s", "7-1", "a", 1)) == TOO_SMALL
    assert streams.cmd("XDEL", "absent", "1") == 0
    add(streams, 8)
    assert entries(streams) == [b"8-1"]


@pytest.mark.parametrize("exact", [[], ["="]])
def test_trim(streams: RawClient, exact: list[str]) -> None:
    add(streams, *range(1, 11))
    assert streams.cmd("XTRIM", "s", "MAXLEN", *exact, 20) == 0
    assert streams.cmd("XTRIM", "s", "MAXLEN", *exact, 7) == 3
    assert entries(streams) == [b"%d-1" % n for n in range(4, 11)]
    assert streams.cmd("XTRIM", "s", "MINID", *exact, "6") == 2
    assert entries(streams) == [b"%d-1" % n for n in range(6, 11)]
    assert info(streams)[b"recorded-first-entry-id"] == b"6-1"
    assert info(streams)[b"max-deleted-entry-id"] == b"0-0"
    assert streams.cmd("XADD", "s", "MAXLEN", *exact, 2, "11-1", "a", 1) == b"11-1"
    assert entries(streams) == [b"10-1", b"11-1"]
    assert streams.cmd("XTRIM", "s", "MAXLEN", *exact, 0) == 2
    assert entries(streams) == []
    assert streams.cmd("XTRIM", "absent", "MAXLEN", 0) == 0


def test_trim_whole_nodes(client: RawClient) -> None:
    client.ok("CONFIG", "SET", "stream-node-max-entries", 10)
    try:
        add(client, *range(1, 101))
        assert client.cmd("XTRIM", "s", "MAXLEN", "~", 55) == 40
        assert client.cmd("XTRIM", "s", "MINID", "~", "59-1") == 10
        assert entries(client)[0] == b"51-1"
        assert client.cmd("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 25) == 20
        assert client.cmd("XTRIM", "s", "MAXLEN", "~", 0, "LIMIT", 0) == 30
    finally:
        client.ok("CONFIG", "SET", "stream-node-max-entries", 100)


# --- XSETID ------------------------------------------------------------------------


def test_set_id(client: RawClient) -> None:
    assert error(client.cmd("XSETID", "s", "5-0")) == "ERR no such key"
    add(client, 1, 2, 3)
    client.cmd("XDEL", "s", "3-1")
    client.ok("XSETID", "s", "100-0")
    assert error(client.cmd("XADD", "s", "50-1", "a", 1)) == TOO_SMALL
    for args, text in (
        (
            ["1-0"],
            "ERR The ID specified in XSETID is smaller than current "
            "max_deleted_entry_id",
        ),
        (["9-0", "ENTRIESADDED", -1], "ERR entries_added must be positive"),
        (
            ["9-0", "ENTRIESADDED", 1],
            "ERR The entries_added specified in XSETID is "
            "smaller than the target stream length",
        ),
        (
            ["9-0", "MAXDELETEDID", "9-1"],
            "ERR The ID specified in XSETID is smaller "
            "than the provided max_deleted_entry_id",
        ),
        (["9-0", "ENTRIESADDED"], SYNTAX),
        (["x"], BAD_ID),
    ):
        assert error(client.cmd("XSETID", "s", *args)) == text
    client.ok("XSETID", "s", "9-0", "ENTRIESADDED", 50, "MAXDELETEDID", "8-0")
    found = info(client)
    assert found[b"entries-added"] == 50
    assert found[b"max-deleted-entry-id"] == b"8-0"
    assert found[b"last-generated-id"] == b"9-0"


# --- XDELEX, references ------------------------------------------------------------


def pending(client: RawClient, group: str) -> list[bytes]:
    return [row[0] for row in client.cmd("XPENDING", "s", group, "-", "+", 100)]


def with_groups(client: RawClient) -> None:
    """Make five entries; g has read all and done 1-1, h has read and done 1-1."""
    add(client, 1, 2, 3, 4, 5)
    for group in ("g", "h"):
        client.ok("XGROUP", "CREATE", "s", group, 0)
    client.cmd("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    client.cmd("XREADGROUP", "GROUP", "h", "c", "COUNT", 2, "STREAMS", "s", ">")
    client.cmd("XACK", "s", "g", "1-1")
    client.cmd("XACK", "s", "h", "1-1")


def test_delete_with_references(client: RawClient) -> None:
    with_groups(client)
    assert client.cmd("XDELEX", "s", "ACKED", "IDS", 3, "1-1", "2-1", "9-1") == [
        1,
        2,
        -1,
    ]
    assert client.cmd("XDELEX", "s", "IDS", 1, "3-1", "DELREF") == [1]
    assert pending(client, "g") == [b"2-1", b"4-1", b"5-1"]
    assert client.cmd("XDELEX", "s", "IDS", 1, "4-1") == [1]
    assert pending(client, "g") == [b"2-1", b"4-1", b"5-1"]
    # there only by reference
    assert client.cmd("XDELEX", "s", "DELREF", "IDS", 1, "4-1") == [-1]
    assert pending(client, "g") == [b"2-1", b"5-1"]
    assert entries(client) == [b"2-1", b"5-1"]
    assert client.cmd("XDELEX", "absent", "IDS", 2, 1, 2) == [-1, -1]
    assert error(client.cmd("XDELEX", "s", "IDS", 3, 1, 2)) == (
        "ERR The `numids` parameter must match the number of arguments"
    )
    assert error(client.cmd("XDELEX", "s", "IDS", 0, 1)) == (
        "ERR Number of IDs must be a positive integer"
    )
    assert error(client.cmd("XDELEX", "s", "KEEPREF", "ACKED", "IDS", 1, 1)) == SYNTAX
    assert error(client.cmd("XDELEX", "s", "IDS", 1, "x")) == BAD_ID


def test_trim_with_references(streams: RawClient) -> None:
    with_groups(streams)
    assert streams.cmd("XTRIM", "s", "MAXLEN", 0, "ACKED") == 1
    assert entries(streams) == [b"2-1", b"3-1", b"4-1", b"5-1"]
    assert streams.cmd("XTRIM", "s", "MAXLEN", 3, "DELREF") == 1
    assert pending(streams, "g") == [b"3-1", b"4-1", b"5-1"]
    assert pending(streams, "h") == []
    assert streams.cmd("XTRIM", "s", "MAXLEN", 2) == 1
    assert pending(streams, "g") == [b"3-1", b"4-1", b"5-1"]
    assert streams.cmd("XADD", "s", "DELREF", "MINID", "5-1", "6-1", "a", 1) == b"6-1"
    assert pending(streams, "g") == [b"3-1", b"5-1"]
    assert entries(streams) == [b"5-1", b"6-1"]


def test_acknowledged_without_groups(client: RawClient) -> None:
    add(client, 1, 2)
    assert client.cmd("XDELEX", "s", "ACKED", "IDS", 1, "1-1") == [2]
    assert client.cmd("XTRIM", "s", "MAXLEN", 1, "ACKED") == 1
    assert entries(client) == [b"2-1"]


# --- XREAD -------------------------------------------------------------------------


def test_read(client: RawClient) -> None:
    add(client, 1, 2, 3)
    add(client, 5, key="t")
    rows = [[b"%d-1" % n, [b"n", b"%d" % n]] for n in (1, 2, 3, 5)]
    assert client.cmd("XREAD", "STREAMS", "s", "0") == of_streams(
        client, (b"s", rows[:3])
    )
    assert client.cmd("XREAD", "COUNT", 1, "STREAMS", "s", "t", "1-1", 0) == of_streams(
        client, (b"s", [rows[1]]), (b"t", [rows[3]])
    )
    assert client.cmd("XREAD", "STREAMS", "s", "t", "3-1", 0) == of_streams(
        client, (b"t", [rows[3]])
    )
    assert client.cmd("XREAD", "STREAMS", "s", "t", "+", "+") == of_streams(
        client, (b"s", [rows[2]]), (b"t", [rows[3]])
    )
    for nothing in (["s", "$"], ["s", "3-1"], ["absent", 0], ["s", f"{TOP}-{TOP}"]):
        assert client.cmd("XREAD", "STREAMS", *nothing) == client.null_array
    client.cmd("XDEL", "s", "3-1")
    assert client.cmd("XREAD", "STREAMS", "s", "+") == of_streams(
        client, (b"s", [rows[1]])
    )
    assert client.cmd("XREAD", "STREAMS", "s", "2-1") == client.null_array


def test_read_many(client: RawClient) -> None:
    keys = [f"s{i}" for i in range(40)]
    for key in keys:
        add(client, 1, key=key)
    reply = client.cmd("XREAD", "STREAMS", *keys, *["0"] * 40)
    pairs = reply.pairs if isinstance(reply, Map) else reply
    assert [pair[0] for pair in pairs] == [key.encode() for key in keys]


def test_wrong_reads(client: RawClient) -> None:
    add(client, 1)
    for args, text in (
        (
            ["COUNT", 1, "STREAMS", "s"],
            "ERR Unbalanced 'xread' list of streams: for each stream key "
            "an ID, '+', or '$' must be specified.",
        ),
        (
            ["STREAMS", "s", ">"],
            "ERR The > ID can be specified only when calling "
            "XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        (["COUNT", 1, "s"], SYNTAX),
        (
            ["BLOCK", "x", "STREAMS", "s", 0],
            "ERR timeout is not an integer or out of range",
        ),
        (["BLOCK", -1, "STREAMS", "s", 0], "ERR timeout is negative"),
        (["BLOCK", 2**63 - 1, "STREAMS", "s", 0], "ERR timeout is out of range"),
        (["COUNT", "x", "STREAMS", "s", 0], NOT_INTEGER),
        (
            ["NOACK", "STREAMS", "s", 0],
            "ERR The NOACK option is only supported by "
            "XREADGROUP. You called XREAD instead.",
        ),
        (
            ["GROUP", "g", "c", "STREAMS", "s", 0],
            "ERR The GROUP option is only supported "
            "by XREADGROUP. You called XREAD instead.",
        ),
        (["STREAMS", "s", "x"], BAD_ID),
    ):
        assert error(client.cmd("XREAD", *args)) == text


def wait_blocked(server: FastredisServer, n: int) -> None:
    with server.client() as watcher:
        wait_until(lambda: int(watcher.info("clients")["blocked_clients"]) == n, 5)


@pytest.mark.parametrize("last", ["$", "2-1"])
def test_wait(
    server: FastredisServer, client: RawClient, client2: RawClient, last: str
) -> None:
    add(client2, 1, 2)
    client.send("XREAD", "BLOCK", "0", "COUNT", "5", "STREAMS", "other", "s", "$", last)
    wait_blocked(server, 1)
    add(client2, 3)
    assert client.read() == of_streams(client, (b"s", [[b"3-1", [b"n", b"3"]]]))
    # what has come meanwhile needs no waiting
    assert client.cmd("XREAD", "BLOCK", 0, "STREAMS", "s", "2-1")


def test_dollar_is_that_of_the_call(
    server: FastredisServer, client: RawClient, client2: RawClient
) -> None:
    add(client2, 1)
    client.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    wait_blocked(server, 1)
    # one transaction, after which both are there
    client2.ok("MULTI")
    client2.cmd("XADD", "s", "2-1", "n", 2)
    client2.cmd("XADD", "s", "3-1", "n", 3)
    client2.cmd("EXEC")
    rows = [[b"2-1", [b"n", b"2"]], [b"3-1", [b"n", b"3"]]]
    assert client.read() == of_streams(client, (b"s", rows))


def test_all_that_wait_are_served(server: FastredisServer, client2: RawClient) -> None:
    waiters = [server.client(2) for _ in range(20)]
    for waiter in waiters:
        waiter.send("XREAD", "BLOCK", "0", "STREAMS", "s", "$")
    wait_blocked(server, 20)
    add(client2, 1)
    for waiter in waiters:
        assert waiter.read() == [[b"s", [[b"1-1", [b"n", b"1"]]]]]


def test_ten_thousand_streams_are_waited_for(
    server: FastredisServer, client2: RawClient
) -> None:
    waiters = [server.client(2) for _ in range(100)]
    for i, waiter in enumerate(waiters):
        keys = [f"{i}:{j}" for j in range(100)]
        waiter.send("XREAD", "BLOCK", "0", "STREAMS", *keys, *["$"] * 100)
    wait_blocked(server, 100)
    # an entry concerns those who wait for its stream, and nobody else
    add(client2, 1, key="nobody's")
    add(client2, 1, key="42:7")
    assert waiters[42].read() == [[b"42:7", [[b"1-1", [b"n", b"1"]]]]]
    wait_blocked(server, 99)
    assert not any(waiter.has_input(0) for waiter in waiters)


def test_waiting_ends(
    server: FastredisServer, client: RawClient, client2: RawClient
) -> None:
    start = time.monotonic()
    assert client.cmd("XREAD", "BLOCK", 50, "STREAMS", "s", "$") == client.null_array
    assert time.monotonic() - start >= 0.045
    client2.ok("MULTI")
    client2.cmd("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    assert client2.cmd("EXEC") == [client2.null_array]
    # the key comes, goes and is something else: no reply
    client.send("XREAD", "BLOCK", "0", "STREAMS", "s", "0")
    wait_blocked(server, 1)
    client2.ok("SET", "s", "text")
    client2.cmd("DEL", "s")
    client2.cmd("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
    assert not client.has_input(0.05)
    add(client2, 1)
    assert client.read() == of_streams(client, (b"s", [[b"1-1", [b"n", b"1"]]]))


# --- As a key like others ----------------------------------------------------------


def test_copies_are_independent(streams: RawClient) -> None:
    with_groups(streams)
    digest = streams.cmd("DEBUG", "DIGEST-VALUE", "s")
    assert streams.cmd("COPY", "s", "t") == 1
    assert streams.cmd("DEBUG", "DIGEST-VALUE", "t") == digest
    full = streams.cmd("XINFO", "STREAM", "s", "FULL")
    assert streams.cmd("XINFO", "STREAM", "t", "FULL") == full
    streams.cmd("XTRIM", "s", "MAXLEN", 0)
    streams.cmd("XGROUP", "DESTROY", "s", "g")
    assert streams.cmd("XINFO", "STREAM", "t", "FULL") == full
    assert streams.cmd("SCAN", 0, "TYPE", "stream", "COUNT", 1000)[1] in (
        [b"s", b"t"],
        [b"t", b"s"],
    )


def test_memory(client: RawClient) -> None:
    client.cmd("XADD", "s", "*", "a", 1)
    small = client.cmd("MEMORY", "USAGE", "s")
    assert small < 400
    calls = [
        ("XADD", "s", "*", "name", f"n{i % 1000}", "value", i) for i in range(3000)
    ]
    client.pipeline(calls)
    usage = client.cmd("MEMORY", "USAGE", "s", "SAMPLES", 0)
    assert 12 < usage / 3000 < 30
    sampled = client.cmd("MEMORY", "USAGE", "s")
    assert abs(sampled - usage) < usage / 5
    assert client.cmd("UNLINK", "s") == 1


def test_events(client: RawClient, client2: RawClient) -> None:
    client.ok("CONFIG", "SET", "notify-keyspace-events", "Kt")
    client2.cmd("SUBSCRIBE", "__keyspace@0__:s")
    client.cmd("XADD", "s", "1-1", "a", 1)
    client.cmd("XADD", "s", "MAXLEN", 1, "2-1", "a", 1)
    client.cmd("XDEL", "s", "9-9")
    client.cmd("XDEL", "s", "2-1")
    client.cmd("XTRIM", "s", "MAXLEN", 0)
    client.cmd("XADD", "s", "3-1", "a", 1)
    client.cmd("XTRIM", "s", "MAXLEN", 0)
    client.cmd("XSETID", "s", "5-1")
    client.cmd("XGROUP", "CREATE", "s", "g", 0)
    client.cmd("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">")
    client.cmd("XGROUP", "CREATECONSUMER", "s", "g", "d")
    client.cmd("XGROUP", "SETID", "s", "g", "$")
    client.cmd("XGROUP", "DELCONSUMER", "s", "g", "c")
    client.cmd("XGROUP", "DESTROY", "s", "g")
    expected = (
        "xadd xadd xtrim xdel xadd xtrim xsetid xgroup-create xgroup-createconsumer "
        "xgroup-createconsumer xgroup-setid xgroup-delconsumer xgroup-destroy"
    )
    seen = [client2.read()[2].decode() for _ in range(expected.count(" ") + 1)]
    assert " ".join(seen) == expected
    assert not client2.has_input(0.02)
    client.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_watch(client: RawClient, client2: RawClient) -> None:
    add(client2, 1)
    for change, is_seen in (
        (("XADD", "s", "*", "a", 1), True),
        (("XDEL", "s", "1-1"), True),
        (("XTRIM", "s", "MAXLEN", 0), True),
        (("XGROUP", "CREATE", "s", "g", 0), False),
        (("XTRIM", "s", "MAXLEN", 9), False),
    ):
        client.ok("WATCH", "s")
        client2.cmd(*change)
        client.ok("MULTI")
        client.cmd("PING")
        assert (client.cmd("EXEC") == client.null_array) == is_seen, change


# --- Producers' own ids ------------------------------------------------------------


def test_nothing_is_added_twice(client: RawClient) -> None:
    def send(producer: str, own: str, *fields: Any) -> bytes:
        reply: bytes = client.cmd("XADD", "s", "IDMP", producer, own, "*", *fields)
        return reply

    first = send("p", "i1", "a", 1)
    assert send("p", "i1", "a", 2) == first
    second = send("p", "i2", "a", 1)
    other = send("q", "i1", "a", 1)
    assert len({first, second, other}) == 3
    assert client.cmd("XLEN", "s") == 3
    made = client.cmd("XADD", "s", "IDMPAUTO", "p", "*", "a", 1, "b", 2)
    assert client.cmd("XADD", "s", "IDMPAUTO", "p", "*", "a", 1, "b", 2) == made
    assert client.cmd("XADD", "s", "IDMPAUTO", "p", "*", "a", 1, "b2", "") != made
    found = info(client)
    assert found[b"idmp-duration"] == found[b"idmp-maxsize"] == 100
    assert (found[b"pids-tracked"], found[b"iids-tracked"]) == (2, 5)
    assert (found[b"iids-added"], found[b"iids-duplicates"]) == (5, 2)
    assert client.cmd("COPY", "s", "t") == 1
    assert client.cmd("XADD", "t", "IDMP", "p", "i1", "*", "a", 1) == first
    assert info(client, "t")[b"iids-duplicates"] == 3
    assert client.cmd("MEMORY", "USAGE", "t") > 1000
    for args in (
        ["IDMP", "p", "i", "IDMP", "p", "i"],
        ["IDMP", "p", "i", "IDMPAUTO", "p"],
    ):
        assert error(client.cmd("XADD", "s", *args, "*", "a", 1)) == SYNTAX
    assert error(client.cmd("XADD", "s", "IDMPAUTO", "", "*", "a", 1)).startswith("ERR")
    assert client.cmd("XADD", "u", "NOMKSTREAM", "IDMPAUTO", "p", "*", "a", 1) is None


def test_producers_ids_are_forgotten(client: RawClient) -> None:
    assert error(client.cmd("XCFGSET", "s", "IDMP-DURATION", 5)) == "ERR no such key"
    add(client, 1)
    client.ok("XCFGSET", "s", "IDMP-MAXSIZE", 3, "IDMP-DURATION", 1)
    ids = [client.cmd("XADD", "s", "IDMP", "p", i, "*", "a", i) for i in range(5)]
    assert client.cmd("XADD", "s", "IDMP", "p", 4, "*", "a", 4) == ids[4]
    assert client.cmd("XADD", "s", "IDMP", "p", 0, "*", "a", 0) not in ids
    assert info(client)[b"iids-tracked"] == 3
    wait_until(lambda: info(client)[b"iids-tracked"] == 0, 5)
    assert info(client)[b"pids-tracked"] == 0
    assert client.cmd("XADD", "s", "IDMP", "p", 4, "*", "a", 4) not in ids
    # another setting begins anew, the same one does not
    client.ok("XCFGSET", "s", "IDMP-MAXSIZE", 3)
    assert info(client)[b"iids-tracked"] == 1
    client.ok("XCFGSET", "s", "IDMP-MAXSIZE", 4)
    assert info(client)[b"iids-tracked"] == 0
    for args, text in (
        ([], SYNTAX),
        (["IDMP-DURATION"], SYNTAX),
        (["IDMP-DURATION", 0], "ERR invalid duration"),
        (["IDMP-DURATION", 86_401], "ERR invalid duration"),
        (["IDMP-MAXSIZE", 10_001], "ERR invalid maxsize"),
        (["IDMP-MAXSIZE", "x"], NOT_INTEGER),
    ):
        assert error(client.cmd("XCFGSET", "s", *args)) == text
