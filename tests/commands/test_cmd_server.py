# SPDX-License-Identifier: BSD-3-Clause
"""Commands about whole databases, and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.client import RawClient, encode
from support.server import FastredisServer
from support.wait import wait_until

SYNTAX = "ERR syntax error"
NO_DB = "ERR DB index is out of range"
FIRST = "ERR invalid first DB index"
SECOND = "ERR invalid second DB index"


def fill(client: RawClient, *dbs: int) -> None:
    """Set two keys in each database, one of them with an expiry."""
    for db in dbs:
        client.ok("SELECT", db)
        client.ok("SET", f"plain{db}", db)
        client.ok("SET", f"timed{db}", db, "EX", 1000)


def sizes(client: RawClient, *dbs: int) -> list[int]:
    """Return how many keys the databases have; the last one stays selected."""
    found = []
    for db in dbs:
        client.ok("SELECT", db)
        found.append(client.cmd("DBSIZE"))
    return found


# --- DBSIZE ------------------------------------------------------------------------


def test_dbsize_counts_the_keys_of_its_database(client: RawClient) -> None:
    assert client.cmd("DBSIZE") == 0
    fill(client, 0, 3)
    client.ok("SET", "more", "v")
    assert sizes(client, 0, 1, 3) == [2, 0, 3]


def test_dbsize_takes_no_argument(client: RawClient) -> None:
    error = "ERR wrong number of arguments for 'dbsize' command"
    assert client.cmd("DBSIZE", "x") == error


# --- FLUSHDB, FLUSHALL -------------------------------------------------------------

MODES = [[], ["SYNC"], ["ASYNC"], ["async"], ["Sync"]]


@pytest.mark.parametrize("mode", MODES)
def test_flushdb_empties_its_database_only(client: RawClient, mode: list[str]) -> None:
    fill(client, 0, 1, 2)
    client.ok("SELECT", 1)
    client.ok("FLUSHDB", *mode)
    assert sizes(client, 0, 1, 2) == [2, 0, 2]


@pytest.mark.parametrize("mode", MODES)
def test_flushall_empties_every_database(client: RawClient, mode: list[str]) -> None:
    fill(client, 0, 1, 15)
    client.ok("FLUSHALL", *mode)
    assert sizes(client, 0, 1, 15) == [0, 0, 0]
    client.ok("FLUSHALL", *mode)


@pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
@pytest.mark.parametrize("mode", MODES)
def test_flush_of_many_keys(client: RawClient, command: str, mode: list[str]) -> None:
    for _ in range(3):
        client.pipeline(
            [("SET", f"key:{i}", "x" * 2000, "EX", 1000) for i in range(3000)]
        )
        client.ok(command, *mode)
        assert client.cmd("DBSIZE") == 0
        assert client.cmd("GET", "key:7") is None
        assert client.cmd("KEYS", "*") == []
        assert client.cmd("RANDOMKEY") is None


def test_keys_set_after_a_flush_have_no_expiry(client: RawClient) -> None:
    fill(client, 0)
    client.ok("FLUSHDB")
    client.ok("SET", "timed0", "v")
    assert client.cmd("TTL", "timed0") == -1


@pytest.mark.parametrize("command", ["FLUSHDB", "FLUSHALL"])
@pytest.mark.parametrize(
    "mode", [["nonsense"], ["SYNC", "ASYNC"], ["SYNC", "SYNC"], [""], ["0"]]
)
def test_flush_refuses(client: RawClient, command: str, mode: list[str]) -> None:
    fill(client, 0)
    assert client.cmd(command, *mode) == SYNTAX
    assert client.cmd("DBSIZE") == 2


def test_lazy_user_flush_empties_all_the_same(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    client = fresh_server(lazyfree_lazy_user_flush="yes").client()
    for command in ("FLUSHDB", "FLUSHALL"):
        fill(client, 1, 0)
        client.ok(command)
        assert client.cmd("DBSIZE") == 0
    assert sizes(client, 1) == [0]


# --- SWAPDB ------------------------------------------------------------------------


def test_swapdb_exchanges_the_keys(client: RawClient) -> None:
    fill(client, 0, 1)
    client.ok("SELECT", 0)
    client.ok("SWAPDB", 0, 1)
    assert client.cmd("GET", "plain1") == b"1"
    assert client.cmd("GET", "plain0") is None
    assert 990 <= client.cmd("TTL", "timed1") <= 1000
    client.ok("SET", "mine", "v")
    assert sizes(client, 0, 1) == [3, 2]
    assert client.cmd("GET", "plain0") == b"0"
    client.ok("SWAPDB", 1, 0)
    assert client.cmd("GET", "mine") == b"v"


def test_swapdb_shows_at_once_to_other_clients(
    client: RawClient, client2: RawClient
) -> None:
    client2.ok("SELECT", 1)
    client.ok("SET", "k", "v")
    client.ok("SWAPDB", 0, 1)
    assert client2.cmd("GET", "k") == b"v"
    assert client.cmd("GET", "k") is None


def test_swapdb_with_itself(client: RawClient) -> None:
    fill(client, 2)
    client.ok("SWAPDB", 2, 2)
    assert sizes(client, 2) == [2]


def test_keys_expire_in_the_database_they_were_swapped_to(client: RawClient) -> None:
    client.ok("SET", "stays", "v", "EX", 1000)
    client.ok("SET", "goes", "v", "EX", 1000)
    client.ok("SWAPDB", 0, 5)
    assert client.cmd("EXISTS", "stays", "goes") == 0
    client.ok("SELECT", 5)
    assert client.cmd("PEXPIRE", "goes", 30) == 1
    assert client.cmd("PERSIST", "stays") == 1
    # without being looked at
    wait_until(lambda: client.cmd("DBSIZE") == 1)
    assert client.cmd("KEYS", "*") == [b"stays"]
    assert sizes(client, 0, 5) == [0, 1]


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ("a", "b", FIRST),
        ("99999999999", "1", FIRST),
        ("0", "b", SECOND),
        ("0", "99999999999", SECOND),
        ("0", "1.0", SECOND),
        ("0", "16", NO_DB),
        ("-1", "0", NO_DB),
        ("16", "16", NO_DB),
    ],
)
def test_swapdb_refuses(client: RawClient, first: str, second: str, error: str) -> None:
    assert client.cmd("SWAPDB", first, second) == error


# --- TIME --------------------------------------------------------------------------


def test_time_is_the_clock(client: RawClient) -> None:
    before = time.time()
    seconds, microseconds = client.cmd("TIME")
    after = time.time()
    assert 0 <= int(microseconds) < 10**6
    told = int(seconds) + int(microseconds) / 1e6
    assert before - 0.001 <= told <= after + 0.001


def test_time_goes_on_within_a_pipeline(client: RawClient) -> None:
    times = [
        int(seconds) * 10**6 + int(microseconds)
        for seconds, microseconds in client.pipeline([("TIME",)] * 100)
    ]
    assert times == sorted(times)
    assert times[0] < times[-1]


# --- FLUSHALL frees on another thread ------------------------------------------------

MANY = 20_000  # more than is waited for at once


def freed(client: RawClient) -> int:
    """Return how many keys the other thread has freed."""
    return int(client.info("memory")["lazyfreed_objects"])


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB"])
@pytest.mark.parametrize("n", [1, MANY])
def test_a_flush_has_freed_all_when_it_replies(
    fresh_server: Callable[..., FastredisServer], command: str, n: int
) -> None:
    client = fresh_server().client()
    for round_ in range(1, 4):
        client.ok("DEBUG", "POPULATE", n)
        client.ok(command)
        assert freed(client) == n * round_
        assert client.info("memory")["lazyfree_pending_objects"] == "0"


@pytest.mark.parametrize("road", ["epoll", "uvloop"])
def test_what_follows_a_flush_waits_for_it(
    fresh_server: Callable[..., FastredisServer], road: str
) -> None:
    client = fresh_server(net_transport=road).client()
    for _ in range(5):
        client.ok("DEBUG", "POPULATE", MANY)
        requests = [("FLUSHALL",), ("SET", "k", "v"), ("FLUSHDB",), ("DBSIZE",)]
        assert client.pipeline(requests) == ["OK", "OK", "OK", 0]


@pytest.mark.parametrize("road", ["epoll", "uvloop"])
def test_others_are_served_during_a_flush(
    fresh_server: Callable[..., FastredisServer], road: str
) -> None:
    server = fresh_server(net_transport=road)
    first, second, third = (server.client() for _ in range(3))
    for _ in range(5):
        first.ok("DEBUG", "POPULATE", MANY)
        first.send("FLUSHALL")
        second.send("FLUSHALL")
        third.ok("SET", "k", "v")  # new, or about to be flushed
        assert first.read() == second.read() == "OK"
        assert third.cmd("DBSIZE") in (0, 1)
    assert third.info("clients")["blocked_clients"] == "0"


def test_a_client_may_leave_during_a_flush(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server()
    client = server.client()
    for round_ in range(1, 6):
        client.ok("DEBUG", "POPULATE", MANY)
        gone = server.client()
        gone.send("FLUSHALL")
        gone.close()
        wait_until(lambda n=round_: freed(client) == n * MANY)
    assert client.info("clients")["blocked_clients"] == "0"


@pytest.mark.parametrize("before", [("MULTI",), ("CLIENT", "REPLY", "OFF")])
def test_a_flush_that_cannot_wait_frees_by_itself(
    fresh_server: Callable[..., FastredisServer], before: tuple[str, ...]
) -> None:
    server = fresh_server()
    client, other = server.client(), server.client()
    other.ok("DEBUG", "POPULATE", MANY)
    requests = [before, ("FLUSHALL",)]
    requests.append(("EXEC",) if before == ("MULTI",) else ("CLIENT", "REPLY", "ON"))
    client.send_raw(b"".join(map(encode, requests)))
    if before == ("MULTI",):
        assert [client.read() for _ in range(3)] == ["OK", "QUEUED", ["OK"]]
    else:
        assert client.read() == "OK"
    assert other.cmd("DBSIZE") == 0
    assert freed(other) == 0


def test_a_server_may_end_during_a_flush(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server()
    client, other = server.client(), server.client()
    client.ok("DEBUG", "POPULATE", 10 * MANY)
    client.send("FLUSHALL")
    other.send("SHUTDOWN", "NOSAVE")
    assert server.wait_exit() == 0
