# SPDX-License-Identifier: BSD-3-Clause
"""List commands, in each encoding, and those that wait."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.client import RawClient
from support.server import FastredisServer
from support.wait import wait_until

NOT_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_POSITIVE = "ERR value is out of range, must be positive"

# list-max-listpack-size and list-compress-depth; with 2, four elements are a quicklist
LIMITS = {"listpack": (-2, 0), "quicklist": (2, 0), "compressed": (3, 1)}


@pytest.fixture(params=LIMITS.values(), ids=LIMITS.keys())
def lists(client: RawClient, request: pytest.FixtureRequest) -> Iterator[RawClient]:
    """Connect with limits that make lists of one kind."""
    fill, depth = request.param
    client.ok("CONFIG", "SET", "list-max-listpack-size", fill)
    client.ok("CONFIG", "SET", "list-compress-depth", depth)
    yield client
    client.ok("CONFIG", "SET", "list-max-listpack-size", -2)
    client.ok("CONFIG", "SET", "list-compress-depth", 0)


def values(client: RawClient, key: str = "l") -> list[bytes]:
    reply: list[bytes] = client.cmd("LRANGE", key, 0, -1)
    return reply


def error(reply: Any) -> str:
    return str(reply)


def blocked(server: FastredisServer) -> int:
    with server.client() as watcher:
        return int(watcher.info("clients")["blocked_clients"])


def wait_blocked(server: FastredisServer, n: int) -> None:
    wait_until(lambda: blocked(server) == n, 5)


# --- Push, read --------------------------------------------------------------------


def test_push_and_range(lists: RawClient) -> None:
    assert lists.cmd("RPUSH", "l", "c", "4", "e" * 100) == 3
    assert lists.cmd("LPUSH", "l", "b", "-1", "") == 6
    assert values(lists) == [b"", b"-1", b"b", b"c", b"4", b"e" * 100]
    assert lists.cmd("LLEN", "l") == 6
    assert lists.cmd("LRANGE", "l", 1, 3) == [b"-1", b"b", b"c"]
    assert lists.cmd("LRANGE", "l", -2, 100) == [b"4", b"e" * 100]
    assert lists.cmd("LRANGE", "l", 3, 2) == []
    assert lists.cmd("LRANGE", "l", 100, 200) == []
    assert lists.cmd("LRANGE", "absent", 0, -1) == []
    assert lists.cmd("TYPE", "l") == "list"


def test_pushx_needs_a_list(client: RawClient) -> None:
    assert client.cmd("RPUSHX", "l", "a") == 0
    assert client.cmd("LPUSHX", "l", "a") == 0
    assert client.cmd("EXISTS", "l") == 0
    client.cmd("RPUSH", "l", "a")
    assert client.cmd("RPUSHX", "l", "b", "c") == 3
    assert client.cmd("LPUSHX", "l", "z") == 4
    assert values(client) == [b"z", b"a", b"b", b"c"]


def test_wrong_type(client: RawClient) -> None:
    client.ok("SET", "s", "x")
    for command in (
        ("LPUSH", "s", "a"),
        ("RPUSHX", "s", "a"),
        ("LPOP", "s"),
        ("RPOP", "s", "2"),
        ("LLEN", "s"),
        ("LINDEX", "s", "0"),
        ("LRANGE", "s", "0", "-1"),
        ("LSET", "s", "0", "a"),
        ("LINSERT", "s", "BEFORE", "a", "b"),
        ("LREM", "s", "0", "a"),
        ("LTRIM", "s", "0", "1"),
        ("LPOS", "s", "a"),
        ("LMOVE", "s", "d", "LEFT", "LEFT"),
        ("LMOVEM", "s", "d", "LEFT", "LEFT"),
        ("LMPOP", "1", "s", "LEFT"),
        ("BLPOP", "s", "0"),
        ("BLMOVE", "s", "d", "LEFT", "LEFT", "0"),
    ):
        assert error(client.cmd(*command)) == WRONG_TYPE
    client.cmd("RPUSH", "l", "a")
    assert error(client.cmd("LMOVE", "l", "s", "LEFT", "LEFT")) == WRONG_TYPE
    assert error(client.cmd("LMOVEM", "l", "s", "LEFT", "LEFT")) == WRONG_TYPE
    assert values(client) == [b"a"]


def test_index_set_insert(lists: RawClient) -> None:
    lists.cmd("RPUSH", "l", *range(9))
    for i in range(-10, 11):
        expected = b"%d" % (i % 9) if -9 <= i < 9 else None
        assert lists.cmd("LINDEX", "l", i) == expected
    lists.ok("LSET", "l", 4, "four")
    lists.ok("LSET", "l", -1, "last" * 50)
    assert error(lists.cmd("LSET", "l", 9, "x")) == "ERR index out of range"
    assert error(lists.cmd("LSET", "absent", 0, "x")) == "ERR no such key"
    assert lists.cmd("LINSERT", "l", "before", "four", "3.5") == 10
    assert lists.cmd("LINSERT", "l", "AFTER", "four", "4.5") == 11
    assert lists.cmd("LINSERT", "l", "AFTER", "none", "x") == -1
    assert lists.cmd("LINSERT", "absent", "AFTER", "none", "x") == 0
    assert error(lists.cmd("LINSERT", "l", "beside", "four", "x")) == SYNTAX
    assert values(lists) == [
        *(b"0", b"1", b"2", b"3", b"3.5", b"four", b"4.5", b"5", b"6", b"7"),
        b"last" * 50,
    ]


def test_remove_and_trim(lists: RawClient) -> None:
    lists.cmd("RPUSH", "l", *"abacadaeaf")
    assert lists.cmd("LREM", "l", 2, "a") == 2
    assert values(lists) == list(map(str.encode, "bcadaeaf"))
    assert lists.cmd("LREM", "l", -1, "a") == 1
    assert values(lists) == list(map(str.encode, "bcadaef"))
    assert lists.cmd("LREM", "l", 0, "a") == 2
    assert lists.cmd("LREM", "l", 0, "a") == 0
    lists.ok("LTRIM", "l", 1, -2)
    assert values(lists) == [b"c", b"d", b"e"]
    lists.ok("LTRIM", "l", 5, 7)
    assert lists.cmd("EXISTS", "l") == 0
    lists.cmd("RPUSH", "l", "x", "x")
    assert lists.cmd("LREM", "l", 0, "x") == 2
    assert lists.cmd("EXISTS", "l") == 0


def test_positions(lists: RawClient) -> None:
    lists.cmd("RPUSH", "l", *"abcabcabc", "7")
    assert lists.cmd("LPOS", "l", "b") == 1
    assert lists.cmd("LPOS", "l", "7") == 9
    assert lists.cmd("LPOS", "l", "b", "RANK", 2) == 4
    assert lists.cmd("LPOS", "l", "b", "RANK", -1) == 7
    assert lists.cmd("LPOS", "l", "b", "COUNT", 0) == [1, 4, 7]
    assert lists.cmd("LPOS", "l", "b", "COUNT", 2, "RANK", -2) == [4, 1]
    assert lists.cmd("LPOS", "l", "c", "MAXLEN", 2) is None
    assert lists.cmd("LPOS", "l", "c", "MAXLEN", 3, "COUNT", 5) == [2]
    assert lists.cmd("LPOS", "absent", "c") is None
    assert lists.cmd("LPOS", "absent", "c", "COUNT", 0) == []
    assert error(lists.cmd("LPOS", "l", "c", "RANK", 0)).startswith("ERR RANK can't be")
    assert error(lists.cmd("LPOS", "l", "c", "COUNT", -1)) == (
        "ERR COUNT can't be negative"
    )
    assert error(lists.cmd("LPOS", "l", "c", "MAXLEN", "x")) == (
        "ERR MAXLEN can't be negative"
    )


# --- Pop, move ---------------------------------------------------------------------


def test_pop(lists: RawClient) -> None:
    lists.cmd("RPUSH", "l", *range(10))
    assert lists.cmd("LPOP", "l") == b"0"
    assert lists.cmd("RPOP", "l") == b"9"
    assert lists.cmd("LPOP", "l", 2) == [b"1", b"2"]
    assert lists.cmd("RPOP", "l", 2) == [b"8", b"7"]
    assert lists.cmd("RPOP", "l", 0) == []
    assert error(lists.cmd("LPOP", "l", -1)) == NOT_POSITIVE
    assert error(lists.cmd("LPOP", "l", "x")) == NOT_POSITIVE
    assert lists.cmd("LPOP", "l", 100) == [b"3", b"4", b"5", b"6"]
    assert lists.cmd("EXISTS", "l") == 0
    assert lists.cmd("LPOP", "l") is None
    assert lists.cmd("LPOP", "l", 3) == lists.null_array


def test_lmpop(lists: RawClient) -> None:
    lists.cmd("RPUSH", "b", *"123456")
    assert lists.cmd("LMPOP", 2, "a", "b", "LEFT") == [b"b", [b"1"]]
    assert lists.cmd("LMPOP", 2, "a", "b", "RIGHT", "COUNT", 2) == [b"b", [b"6", b"5"]]
    assert lists.cmd("LMPOP", 2, "a", "b", "LEFT", "COUNT", 99) == [
        b"b",
        [b"2", b"3", b"4"],
    ]
    assert lists.cmd("LMPOP", 2, "a", "b", "LEFT") == lists.null_array
    assert error(lists.cmd("LMPOP", 0, "a", "LEFT")) == (
        "ERR numkeys should be greater than 0"
    )
    assert error(lists.cmd("LMPOP", 1, "a", "LEFT", "COUNT", 0)) == (
        "ERR count should be greater than 0"
    )
    for wrong in (
        (1, "a", "MIDDLE"),
        (3, "a", "b", "LEFT"),
        (2**63 - 1, "a", "LEFT"),
        (1, "a", "LEFT", "COUNT"),
        (1, "a", "LEFT", "COUNT", 1, "COUNT", 2),
    ):
        assert error(lists.cmd("LMPOP", *wrong)) == SYNTAX


@pytest.mark.parametrize("whereto", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("wherefrom", ["LEFT", "RIGHT"])
def test_move(lists: RawClient, wherefrom: str, whereto: str) -> None:
    model = {"a": [b"%d" % i for i in range(7)], "b": [b"x"]}
    lists.cmd("RPUSH", "a", *model["a"])
    lists.cmd("RPUSH", "b", *model["b"])
    for source, target in [("a", "b"), ("a", "a"), ("b", "b"), *[("a", "b")] * 6]:
        moved = model[source].pop(0 if wherefrom == "LEFT" else -1)
        model[target].insert(0 if whereto == "LEFT" else len(model[target]), moved)
        assert lists.cmd("LMOVE", source, target, wherefrom, whereto) == moved
        assert (values(lists, "a"), values(lists, "b")) == (model["a"], model["b"])
    assert lists.cmd("EXISTS", "a") == 0
    assert lists.cmd("LMOVE", "a", "b", wherefrom, whereto) is None


def test_rpoplpush(client: RawClient) -> None:
    client.cmd("RPUSH", "a", "1", "2")
    assert client.cmd("RPOPLPUSH", "a", "new") == b"2"
    assert client.cmd("RPOPLPUSH", "a", "a") == b"1"
    assert client.cmd("RPOPLPUSH", "a", "new") == b"1"
    assert values(client, "new") == [b"1", b"2"]
    assert client.cmd("EXISTS", "a") == 0


@pytest.mark.parametrize("how", ["OBO", "BULK"])
@pytest.mark.parametrize("whereto", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("wherefrom", ["LEFT", "RIGHT"])
def test_move_several(lists: RawClient, wherefrom: str, whereto: str, how: str) -> None:
    lists.cmd("RPUSH", "a", *range(8))
    lists.cmd("RPUSH", "b", "x", "y")
    taken = [b"0", b"1", b"2"] if wherefrom == "LEFT" else [b"5", b"6", b"7"]
    kept = [b"%d" % i for i in range(8) if b"%d" % i not in taken]
    if how == "OBO" and wherefrom == whereto:
        taken.reverse()
    reply = lists.cmd("LMOVEM", "a", "b", wherefrom, whereto, "EXACTLY", 3, how)
    assert reply == taken
    ends = [b"x", b"y"]
    assert values(lists, "b") == (taken + ends if whereto == "LEFT" else ends + taken)
    assert values(lists, "a") == kept
    reply = lists.cmd("LMOVEM", "a", "b", wherefrom, whereto, "EXACTLY", 6, how)
    assert reply == lists.null_array
    assert values(lists, "a") == kept
    lists.cmd("LMOVEM", "a", "a", wherefrom, whereto, "COUNT", 2, how)
    assert sorted(values(lists, "a")) == kept
    assert len(lists.cmd("LMOVEM", "a", "b", wherefrom, whereto, "COUNT", 9, how)) == 5
    assert lists.cmd("EXISTS", "a") == 0
    assert lists.cmd("LMOVEM", "a", "b", wherefrom, whereto) == lists.null_array


def test_move_several_arguments(client: RawClient) -> None:
    client.cmd("RPUSH", "a", "1")
    for wrong in (
        ("LEFT", "MIDDLE"),
        ("LEFT", "LEFT", "COUNT", 1),
        ("LEFT", "LEFT", "COUNT", 1, "SOME"),
        ("LEFT", "LEFT", "ABOUT", 1, "OBO"),
        ("LEFT", "LEFT", "COUNT", 1, "OBO", "OBO"),
    ):
        assert error(client.cmd("LMOVEM", "a", "b", *wrong)) == SYNTAX
    assert error(client.cmd("LMOVEM", "a", "b", "LEFT", "LEFT", "COUNT", 0, "OBO")) == (
        "ERR count should be greater than 0"
    )
    assert client.cmd("LMOVEM", "a", "b", "LEFT", "LEFT") == [b"1"]


# --- Encodings ---------------------------------------------------------------------


def test_encoding_follows_the_size(client: RawClient) -> None:
    def encoding() -> bytes:
        reply: bytes = client.cmd("OBJECT", "ENCODING", "l")
        return reply

    client.cmd("RPUSH", "l", *["x" * 100] * 70)
    assert encoding() == b"listpack"
    client.cmd("RPUSH", "l", *["x" * 100] * 30)
    assert encoding() == b"quicklist"
    client.ok("LTRIM", "l", 0, 60)
    assert encoding() == b"quicklist"  # only below half of the limit
    client.ok("LTRIM", "l", 0, 30)
    assert encoding() == b"listpack"
    client.ok("LSET", "l", 3, "y" * 9000)
    assert encoding() == b"quicklist"
    assert client.cmd("LINDEX", "l", 3) == b"y" * 9000
    client.ok("LSET", "l", 3, "y")
    assert values(client) == [b"x" * 100] * 3 + [b"y"] + [b"x" * 100] * 27
    client.cmd("COPY", "l", "copy")
    assert values(client, "copy") == values(client)


def test_debug_object_and_digest(client: RawClient) -> None:
    client.cmd("RPUSH", "l", *range(5000))
    shown = str(client.cmd("DEBUG", "OBJECT", "l"))
    assert " ql_nodes:" in shown
    assert "ql_listpack_max:-2 ql_compressed:0" in shown
    client.cmd("RPUSH", "m", *range(4999))
    assert client.cmd("DEBUG", "DIGEST-VALUE", "l") != client.cmd(
        "DEBUG", "DIGEST-VALUE", "m"
    )
    client.cmd("RPUSH", "m", 4999)
    assert client.cmd("DEBUG", "DIGEST-VALUE", "l") == client.cmd(
        "DEBUG", "DIGEST-VALUE", "m"
    )
    client.ok("LSET", "m", 0, 1)
    client.ok("LSET", "m", 1, 0)  # the same elements in another order
    assert client.cmd("DEBUG", "DIGEST-VALUE", "l") != client.cmd(
        "DEBUG", "DIGEST-VALUE", "m"
    )


def test_large_elements_have_their_own_nodes(client: RawClient) -> None:
    client.ok("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "20b")
    client.ok("CONFIG", "SET", "list-max-listpack-size", 4)
    try:
        client.cmd("RPUSH", "l", *["s", "L" * 30, "t", "u", "v" * 20])
        assert "ql_nodes:4 " in str(client.cmd("DEBUG", "OBJECT", "l"))
        assert values(client) == [b"s", b"L" * 30, b"t", b"u", b"v" * 20]
    finally:
        client.ok("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")
        client.ok("CONFIG", "SET", "list-max-listpack-size", -2)
    assert "argument must be a memory value" in error(
        client.cmd("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "5gb")
    )


@pytest.mark.parametrize("seed", range(3))
def test_against_a_list(lists: RawClient, seed: int) -> None:
    rng = random.Random(seed)
    model: list[bytes] = []
    for _ in range(300):
        value = b"%d" % rng.randrange(20) if rng.random() < 0.8 else b"v" * 50
        at = rng.randrange(len(model)) if model else 0
        match rng.randrange(7):
            case 0 | 1:
                lists.cmd("RPUSH", "l", value)
                model.append(value)
            case 2:
                lists.cmd("LPUSH", "l", value)
                model.insert(0, value)
            case 3 if value in model:
                lists.cmd("LINSERT", "l", "AFTER", value, "new")
                model.insert(model.index(value) + 1, b"new")
            case 4 if model:
                lists.ok("LSET", "l", at, value)
                model[at] = value
            case 5 if model:
                assert lists.cmd("LREM", "l", 1, value) == (value in model)
                if value in model:
                    model.remove(value)
            case 6 if model:
                lists.ok("LTRIM", "l", 1, -2)
                model = model[1:-1]
    assert values(lists) == model


# --- Waiting -----------------------------------------------------------------------

Waiters = Callable[[int], list[RawClient]]


@pytest.fixture
def waiters(server: FastredisServer) -> Waiters:
    """Make so many connections."""
    return lambda n: [server.client() for _ in range(n)]


@pytest.mark.parametrize("command", ["BLPOP", "BRPOP"])
def test_blocking_pop_takes_what_is_there(client: RawClient, command: str) -> None:
    client.cmd("RPUSH", "b", "1", "2")
    taken = b"1" if command == "BLPOP" else b"2"
    assert client.cmd(command, "a", "b", "0") == [b"b", taken]
    assert client.cmd("BLMPOP", "0", 2, "a", "b", "LEFT", "COUNT", 5) == [
        b"b",
        [b"2" if command == "BLPOP" else b"1"],
    ]


def test_first_come_first_served(server: FastredisServer, waiters: Waiters) -> None:
    clients = waiters(4)
    for n, waiter in enumerate(clients):
        waiter.send("BLPOP", "l", "0")
        wait_blocked(server, n + 1)
    with server.client() as pusher:
        assert pusher.cmd("RPUSH", "l", "1", "2", "3") == 3
        assert [w.read() for w in clients[:3]] == [[b"l", b"%d" % i] for i in (1, 2, 3)]
        assert not clients[3].has_input(0.05)
        assert pusher.cmd("EXISTS", "l") == 0
        pusher.cmd("LPUSH", "l", "4")
    assert clients[3].read() == [b"l", b"4"]


def test_keys_are_tried_in_the_order_of_the_arguments(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    (waiter,) = waiters(1)
    waiter.send("BLPOP", "a", "b", "c", "0")
    wait_blocked(server, 1)
    client2.send_raw(b"MULTI\r\nRPUSH c 3\r\nRPUSH b 2\r\nEXEC\r\n")
    for _ in range(4):
        client2.read()
    assert waiter.read() == [b"b", b"2"]
    assert values(client2, "c") == [b"3"]


def test_moves_wake_others(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    first, second, third = waiters(3)
    third.send("BLPOP", "c", "0")
    wait_blocked(server, 1)
    second.send("BLMOVE", "b", "c", "LEFT", "RIGHT", "0")
    wait_blocked(server, 2)
    first.send("BRPOPLPUSH", "a", "b", "0")
    wait_blocked(server, 3)
    client2.cmd("LPUSH", "a", "x")
    assert (first.read(), second.read(), third.read()) == (b"x", b"x", [b"c", b"x"])
    assert client2.cmd("EXISTS", "a", "b", "c") == 0


def test_another_type_does_not_wake(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    (waiter,) = waiters(1)
    waiter.send("BLPOP", "l", "0")
    wait_blocked(server, 1)
    client2.ok("SET", "l", "text")
    client2.cmd("DEL", "l")
    assert not waiter.has_input(0.05)
    client2.cmd("LPUSH", "l", "x")
    assert waiter.read() == [b"l", b"x"]


def test_destination_of_another_type(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    (waiter,) = waiters(1)
    client2.ok("SET", "text", "x")
    waiter.send("BLMOVE", "l", "text", "LEFT", "LEFT", "0")
    wait_blocked(server, 1)
    client2.cmd("RPUSH", "l", "a")
    assert error(waiter.read()) == WRONG_TYPE
    assert values(client2) == [b"a"]


def test_rename_and_copy_and_swapdb_wake(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    for move in (
        ("RENAME", "src", "l"),
        ("COPY", "src", "l"),
        ("RENAMENX", "src", "l"),
    ):
        (waiter,) = waiters(1)
        waiter.send("BLPOP", "l", "0")
        wait_blocked(server, 1)
        client2.cmd("RPUSH", "src", "x")
        client2.cmd(*move)
        assert waiter.read() == [b"l", b"x"]
        client2.cmd("DEL", "src")
    (waiter,) = waiters(1)
    waiter.send("BLPOP", "l", "0")
    wait_blocked(server, 1)
    client2.ok("SELECT", 1)
    client2.cmd("RPUSH", "l", "y")
    client2.ok("SWAPDB", 0, 1)
    assert waiter.read() == [b"l", b"y"]


@pytest.mark.parametrize("timeout", ["0.05", "0.001", ".1"])
def test_timeouts(client: RawClient, timeout: str) -> None:
    for command in (
        ("BLPOP", "a", "b", timeout),
        ("BLMOVE", "a", "b", "LEFT", "LEFT", timeout),
        ("BRPOPLPUSH", "a", "b", timeout),
        ("BLMPOP", timeout, 1, "a", "LEFT"),
        ("BLMOVEM", "a", "b", "LEFT", "LEFT", timeout),
    ):
        start = time.monotonic()
        assert client.cmd(*command) == client.null_array
        assert time.monotonic() - start >= float(timeout) * 0.9


def test_wrong_timeouts(client: RawClient) -> None:
    for negative in ("-1", "-0.001", "-inf", "-1e400"):
        assert error(client.cmd("BLPOP", "a", negative)) == "ERR timeout is negative"
    for large in ("1e16", "inf", "1e400", "9223372036854775807"):
        assert error(client.cmd("BLPOP", "a", large)) == "ERR timeout is out of range"
    for command in (
        ("BLPOP", "a", "x"),
        ("BRPOPLPUSH", "a", "b", "x"),
        ("BLMOVE", "a", "b", "LEFT", "LEFT", "x"),
    ):
        assert error(client.cmd(*command)) == (
            "ERR timeout is not a float or out of range"
        )


def test_closed_while_waiting(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    gone, waiter = waiters(2)
    gone.send("BLPOP", "l", "0")
    wait_blocked(server, 1)
    waiter.send("BLPOP", "l", "0")
    wait_blocked(server, 2)
    gone.close()
    wait_blocked(server, 1)
    client2.cmd("LPUSH", "l", "x")
    assert waiter.read() == [b"l", b"x"]


def test_commands_behind_a_blocking_one_wait(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    (waiter,) = waiters(1)
    waiter.send_raw(b"BLPOP l 0\r\nRPUSH other 1\r\nPING\r\n")
    wait_blocked(server, 1)
    assert client2.cmd("EXISTS", "other") == 0
    client2.cmd("LPUSH", "l", "x")
    assert [waiter.read() for _ in range(3)] == [[b"l", b"x"], 1, "PONG"]


def test_enough_elements_are_waited_for(
    server: FastredisServer, client2: RawClient, waiters: Waiters
) -> None:
    several, one = waiters(2)
    several.send("BLMOVEM", "l", "d", "LEFT", "RIGHT", "0", "EXACTLY", "3", "BULK")
    wait_blocked(server, 1)
    client2.cmd("RPUSH", "l", "a", "b")
    assert not several.has_input(0.05)
    # who wants less may overtake
    assert one.cmd("BLPOP", "l", "0") == [b"l", b"a"]
    client2.cmd("RPUSH", "l", "c", "d")
    assert several.read() == [b"b", b"c", b"d"]
    assert values(client2, "d") == [b"b", b"c", b"d"]


def test_unblock(server: FastredisServer, client2: RawClient, waiters: Waiters) -> None:
    for how in ("TIMEOUT", "ERROR"):
        (waiter,) = waiters(1)
        number = waiter.cmd("CLIENT", "ID")
        waiter.send("BLMPOP", "0", "1", "l", "LEFT")
        wait_blocked(server, 1)
        assert client2.cmd("CLIENT", "UNBLOCK", number, how) == 1
        reply = waiter.read()
        if how == "ERROR":
            assert error(reply) == "UNBLOCKED client unblocked via CLIENT UNBLOCK"
        else:
            assert reply == waiter.null_array
        assert client2.cmd("CLIENT", "UNBLOCK", number) == 0
