# SPDX-License-Identifier: BSD-3-Clause
"""MULTI, EXEC, DISCARD, WATCH and UNWATCH."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
import redis

import fastredis
from support.client import ConnectionClosed, Error, RawClient
from support.server import FastredisServer
from support.wait import wait_until

ABORTED = Error("EXECABORT Transaction discarded because of previous errors.")
NO_EXEC = Error("ERR EXEC without MULTI")
NOT_HERE = Error("ERR Command not allowed inside a transaction")


def queue(client: RawClient, *commands: tuple[Any, ...]) -> None:
    """Begin a transaction and queue commands."""
    client.ok("MULTI")
    for command in commands:
        assert client.cmd(*command) == "QUEUED"


def fields(client: RawClient) -> dict[str, str]:
    """Return what CLIENT INFO says of the connection."""
    line = client.cmd("CLIENT", "INFO").decode()
    return dict(part.partition("=")[::2] for part in line.split())


# --- The queue ---------------------------------------------------------------------


def test_nothing_is_executed_before_exec(client: RawClient, client2: RawClient) -> None:
    queue(client, ("SET", "a", "1"), ("INCR", "a"), ("GET", "a"))
    assert client2.cmd("GET", "a") is None
    assert client.cmd("EXEC") == ["OK", 2, b"2"]
    assert client2.cmd("GET", "a") == b"2"
    assert client.cmd("EXEC") == NO_EXEC


def test_an_empty_transaction_replies_an_empty_array(client: RawClient) -> None:
    client.ok("MULTI")
    assert client.cmd("EXEC") == []


def test_arguments_are_kept_whatever_follows(client: RawClient) -> None:
    values = [random.Random(n).randbytes(n * 7000) for n in range(12)]
    client.ok("MULTI")
    for n, value in enumerate(values):
        assert client.cmd("SET", f"key:{n}", value) == "QUEUED"
    assert client.cmd("EXEC") == ["OK"] * len(values)
    assert client.cmd("MGET", *[f"key:{n}" for n in range(12)]) == values


def test_many_commands_in_one_read(client: RawClient) -> None:
    commands = [("MULTI",), *[("INCR", "n")] * 1000, ("EXEC",), ("GET", "n")]
    replies = client.pipeline(commands)
    assert replies[1:1001] == ["QUEUED"] * 1000
    assert replies[1001] == list(range(1, 1001))
    assert replies[1002] == b"1000"


def test_discard_forgets_the_queue(client: RawClient) -> None:
    queue(client, ("SET", "a", "1"))
    client.ok("DISCARD")
    assert client.cmd("GET", "a") is None
    assert client.cmd("DISCARD") == Error("ERR DISCARD without MULTI")
    assert client.cmd("EXEC") == NO_EXEC


def test_run_time_errors_stop_nothing(client: RawClient) -> None:
    client.ok("SET", "a", "text")
    queue(client, ("SET", "b", "1"), ("INCR", "a"), ("INCR", "b"))
    ok, error, number = client.cmd("EXEC")
    assert (ok, number) == ("OK", 2)
    assert error == Error("ERR value is not an integer or out of range")


@pytest.mark.parametrize(
    "wrong",
    [
        ("GET",),
        ("nonsense", "x"),
        ("CONFIG", "nonsense"),
        ("OBJECT",),
        ("DISCARD", "x"),
        ("SHUTDOWN",),
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_errors_when_queueing_abort(client: RawClient, wrong: tuple[str, ...]) -> None:
    queue(client, ("SET", "a", "1"))
    assert isinstance(client.cmd(*wrong), Error)
    assert client.cmd("SET", "a", "2") == "QUEUED"
    assert client.cmd("EXEC") == ABORTED
    assert client.cmd("EXEC") == NO_EXEC
    assert client.cmd("EXISTS", "a") == 0
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]


def test_what_may_not_be_in_a_transaction(client: RawClient) -> None:
    client.ok("MULTI")
    assert client.cmd("SHUTDOWN") == NOT_HERE
    assert client.cmd("EXEC") == ABORTED


def test_multi_and_watch_within_multi_are_errors_that_do_not_abort(
    client: RawClient,
) -> None:
    queue(client, ("SET", "a", "1"))
    assert client.cmd("MULTI") == Error("ERR MULTI calls can not be nested")
    assert client.cmd("WATCH", "a") == Error("ERR WATCH inside MULTI is not allowed")
    assert client.cmd("EXEC") == ["OK"]


def test_exec_with_arguments_ends_the_transaction(client: RawClient) -> None:
    queue(client, ("SET", "a", "1"))
    assert client.cmd("EXEC", "x") == Error(
        "EXECABORT Transaction discarded because of: "
        "wrong number of arguments for 'exec' command"
    )
    assert client.cmd("EXEC") == NO_EXEC


def test_select_in_a_transaction_lasts(client: RawClient) -> None:
    queue(client, ("SELECT", "3"), ("SET", "a", "1"))
    assert client.cmd("EXEC") == ["OK", "OK"]
    assert client.cmd("GET", "a") == b"1"
    client.ok("SELECT", "0")
    assert client.cmd("GET", "a") is None


def test_python_commands_in_a_transaction(client: RawClient) -> None:
    queue(client, ("CONFIG", "GET", "maxclients"), ("SET", "a", "1"), ("DEBUG", "x"))
    _, ok, error = client.cmd("EXEC")
    assert ok == "OK"
    assert isinstance(error, Error)


def test_no_key_expires_between_the_commands(client: RawClient) -> None:
    client.ok("SET", "a", "1", "PX", "500")
    queue(client, ("EXISTS", "a"), ("DEBUG", "SLEEP", "0.6"), ("EXISTS", "a"))
    assert client.cmd("EXEC") == [1, "OK", 1]
    assert client.cmd("EXISTS", "a") == 0


def test_commands_are_counted_when_they_are_executed(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("CONFIG", "RESETSTAT")
    queue(client, ("GETSET", "a", "1"), ("GETSET", "a", "2"), ("INCRBY", "b", "x"))
    assert "cmdstat_getset" not in client2.info("commandstats")
    client.cmd("EXEC")
    stats = client.info("commandstats")
    assert stats["cmdstat_getset"].startswith("calls=2,")
    assert stats["cmdstat_incrby"].endswith("rejected_calls=0,failed_calls=1")
    assert stats["cmdstat_exec"].startswith("calls=1,")
    assert stats["cmdstat_exec"].endswith("failed_calls=0")


def test_reset_leaves_the_transaction(client2: RawClient) -> None:
    client2.ok("WATCH", "a")
    queue(client2, ("SET", "a", "1"))
    assert client2.cmd("RESET") == "RESET"
    assert client2.cmd("EXEC") == NO_EXEC
    assert client2.info("clients")["total_watched_keys"] == "0"


def test_quit_in_a_transaction(server: FastredisServer, client: RawClient) -> None:
    queue(client, ("SET", "a", "1"))
    client.ok("QUIT")
    assert client.is_closed()
    assert server.client().cmd("EXISTS", "a") == 0


def test_hello_within_a_transaction(client2: RawClient) -> None:
    client2.ok("MULTI")
    client2.send("HELLO", 3)
    assert client2.read() == "QUEUED"
    client2.send("EXEC")
    assert client2.read_raw(4) == b"*1\r\n"
    client2.resp = 3
    assert client2.read()["proto"] == 3


def test_authentication_is_asked_for_when_queueing(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server(requirepass="secret")
    client = server.client()
    noauth = Error("NOAUTH Authentication required.")
    assert client.cmd("MULTI") == noauth
    assert client.cmd("EXEC") == noauth
    client.ok("AUTH", "secret")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]


def test_muted_replies(client: RawClient) -> None:
    client.send("CLIENT", "REPLY", "OFF")
    for command in (("MULTI",), ("SET", "a", "1"), ("GET",), ("EXEC",)):
        client.send(*command)
    for command in (("MULTI",), ("SET", "b", "1"), ("EXEC",)):
        client.send(*command)
    client.ok("CLIENT", "REPLY", "ON")
    assert client.cmd("MGET", "a", "b") == [None, b"1"]
    client.send("CLIENT", "REPLY", "SKIP")
    client.send("MULTI")
    client.send("CLIENT", "REPLY", "SKIP")
    assert client.read() == "QUEUED"
    assert client.cmd("SET", "c", "1") == "QUEUED"
    client.send("EXEC")
    assert client.read_raw(4) == b"*2\r\n"  # SKIP replies nothing, as in Redis


def test_a_queue_is_limited_as_a_query_is(server: FastredisServer) -> None:
    admin, client = server.client(), server.client()
    admin.ok("CONFIG", "SET", "client-query-buffer-limit", "1mb")
    client.ok("MULTI")
    for _ in range(20):
        try:
            client.cmd("SET", "a", b"x" * 100_000)
        except OSError:
            break
    else:
        pytest.fail("more than a megabyte was queued")
    stats = admin.info("stats")
    assert stats["client_query_buffer_limit_disconnections"] != "0"
    admin.ok("CONFIG", "SET", "client-query-buffer-limit", "1gb")


def test_calls_without_a_connection_make_no_transaction() -> None:
    with fastredis.Server(port=0) as server:
        for command in (("MULTI",), ("WATCH", "a")):
            with pytest.raises(Exception, match="for clients with a connection"):
                server.call(*command)
        with pytest.raises(Exception, match="EXEC without MULTI"):
            server.call("EXEC")


# --- WATCH -------------------------------------------------------------------------


def test_watched_keys_that_stay(client: RawClient, client2: RawClient) -> None:
    client.ok("SET", "a", "1")
    client.ok("WATCH", "a", "b")
    client2.ok("SET", "c", "1")
    assert client2.cmd("GET", "a") == b"1"
    queue(client, ("GET", "a"))
    assert client.cmd("EXEC") == [b"1"]


CHANGES: list[tuple[Any, ...]] = [
    ("SET", "a", "2"),
    ("SET", "a", "2", "EXAT", "1"),
    ("SETEX", "a", "100", "x"),
    ("GETSET", "a", "1"),
    ("GETDEL", "a"),
    ("GETEX", "a", "EX", "100"),
    ("GETEX", "a", "EXAT", "1"),
    ("DELEX", "a"),
    ("DELIFEQ", "a", "1"),
    ("MSET", "z", "1", "a", "1"),
    ("MSETNX", "absent", "1"),
    ("MSETEX", "1", "a", "1"),
    ("APPEND", "a", "x"),
    ("SETRANGE", "a", "0", "x"),
    ("INCR", "a"),
    ("DECRBY", "a", "3"),
    ("INCRBYFLOAT", "a", "1"),
    ("INCREX", "a"),
    ("DEL", "a"),
    ("UNLINK", "z", "a"),
    ("RENAME", "a", "z"),
    ("RENAME", "other", "a"),
    ("RENAMENX", "a", "z"),
    ("MOVE", "a", "1"),
    ("COPY", "other", "a", "REPLACE"),
    ("COPY", "other", "absent"),
    ("EXPIRE", "a", "100"),
    ("EXPIRE", "a", "-1"),
    ("FLUSHDB",),
    ("FLUSHALL", "ASYNC"),
    ("SWAPDB", "0", "2"),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: "-".join(map(str, c)))
def test_every_change_is_seen(
    client: RawClient, client2: RawClient, change: tuple[Any, ...]
) -> None:
    client.pipeline([("SET", "a", "1"), ("SET", "other", "1")])
    client.ok("WATCH", "a", "absent")
    assert not isinstance(client2.cmd(*change), Error)
    queue(client, ("SET", "a", "mine"))
    assert client.cmd("EXEC") == client.null_array
    assert client.cmd("EXEC") == NO_EXEC
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]


@pytest.mark.parametrize(
    "no_change",
    [
        ("SETNX", "a", "2"),
        ("SET", "a", "2", "NX"),
        ("SET", "absent", "2", "XX"),
        ("MSETNX", "a", "1", "absent", "1"),
        ("DEL", "absent"),
        ("PERSIST", "a"),
        ("EXPIRE", "a", "100", "XX"),
        ("SETRANGE", "a", "0", ""),
        ("COPY", "other", "a"),
        ("RENAMENX", "other", "a"),
        ("MOVE", "absent", "1"),
        ("INCRBY", "a", "x"),
        ("SWAPDB", "0", "0"),
        ("SWAPDB", "3", "2"),
        ("SET", "a ", "1"),
    ],
    ids=lambda c: "-".join(map(str, c)),
)
def test_what_changes_nothing_is_not(
    client: RawClient, client2: RawClient, no_change: tuple[Any, ...]
) -> None:
    client.pipeline([("SET", "a", "1"), ("SET", "other", "1")])
    client.ok("WATCH", "a", "absent")
    client2.cmd(*no_change)
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]


def test_ones_own_changes_count(client: RawClient) -> None:
    client.ok("WATCH", "a")
    client.ok("SET", "a", "1")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == client.null_array


def test_unwatch_and_discard_forget(client: RawClient, client2: RawClient) -> None:
    for forget in (["UNWATCH"], ["MULTI", "DISCARD"]):
        client.ok("WATCH", "a")
        client2.ok("SET", "a", "1")
        for command in forget:
            client.ok(command)
        queue(client, ("PING",))
        assert client.cmd("EXEC") == ["PONG"]


def test_unwatch_within_multi_is_queued(client: RawClient, client2: RawClient) -> None:
    client.ok("WATCH", "a")
    queue(client, ("UNWATCH",))
    client2.ok("SET", "a", "1")
    assert client.cmd("EXEC") == client.null_array


def test_the_database_belongs_to_the_key(client: RawClient, client2: RawClient) -> None:
    client.ok("WATCH", "a")
    client.ok("SELECT", "1")
    client.ok("SET", "a", "1")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]
    client.ok("WATCH", "b")
    client.ok("SELECT", "0")
    client2.ok("SELECT", "1")
    client2.ok("SET", "b", "1")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == client.null_array


def test_move_and_copy_reach_keys_of_other_databases(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("SELECT", "1")
    for change in (("MOVE", "a", "1"), ("COPY", "b", "b", "DB", "1")):
        client.ok("WATCH", change[1])
        client2.ok("SET", change[1], "1")
        assert client2.cmd(*change) == 1
        queue(client, ("PING",))
        assert client.cmd("EXEC") == client.null_array


@pytest.mark.parametrize("active", ["0", "1"])
def test_a_key_that_expires_has_changed(client: RawClient, active: str) -> None:
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", active)
    client.pipeline([("SET", "a", "1", "PX", "30"), ("WATCH", "a")])
    client.ok("DEBUG", "SLEEP", "0.05")
    if active == "1":
        wait_until(lambda: client.cmd("DBSIZE") == 0)
    queue(client, ("PING",))
    assert client.cmd("EXEC") == client.null_array
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")


@pytest.mark.parametrize(
    "end", [("GET", "a"), ("DEL", "a"), ("FLUSHDB",), ("SWAPDB", "0", "1"), ("PING",)]
)
def test_a_key_that_has_expired_before_has_not(
    client: RawClient, client2: RawClient, end: tuple[str, ...]
) -> None:
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client.ok("SET", "a", "1", "PX", "1")
    client.ok("DEBUG", "SLEEP", "0.005")
    client.ok("WATCH", "a")
    client2.cmd(*end)
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")


def test_a_stale_key_that_a_swap_brings_is_absent(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client.ok("SET", "a", "1", "PX", "1")
    client.ok("DEBUG", "SLEEP", "0.005")
    client.ok("SELECT", "1")
    client.ok("WATCH", "a")
    client2.ok("SWAPDB", "0", "1")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == ["PONG"]
    # ... and setting it is a change
    client.ok("SET", "b", "1", "PX", "1")
    client.ok("DEBUG", "SLEEP", "0.005")
    client.ok("SELECT", "0")
    client.ok("WATCH", "b")
    client2.ok("SWAPDB", "0", "1")
    client2.ok("SET", "b", "1")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == client.null_array
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")


def test_watch_after_a_change_changes_nothing(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("WATCH", "a")
    client2.ok("SET", "a", "1")
    client.ok("WATCH", "b")
    queue(client, ("PING",))
    assert client.cmd("EXEC") == client.null_array


def test_a_closed_client_watches_nothing(server: FastredisServer) -> None:
    admin = server.client()
    clients = [server.client() for _ in range(5)]
    for number, client in enumerate(clients):
        client.ok("WATCH", *[f"key:{i}" for i in range(number + 1)])
    info = admin.info("clients")
    assert (info["watching_clients"], info["total_watched_keys"]) == ("5", "5")
    for client in clients:
        client.close()
    wait_until(lambda: admin.info("clients")["watching_clients"] == "0")
    assert admin.info("clients")["total_watched_keys"] == "0"
    admin.ok("SET", "key:0", "1")


class Model:
    """What clients that watch keys must get from EXEC."""

    def __init__(self, nclients: int) -> None:
        self.watched: list[set[tuple[int, str]]] = [set() for _ in range(nclients)]
        self.dirty = [False] * nclients

    def change(self, db: int, key: str) -> None:
        for number, watched in enumerate(self.watched):
            if (db, key) in watched:
                self.dirty[number] = True

    def forget(self, number: int) -> None:
        self.watched[number].clear()
        self.dirty[number] = False


@pytest.mark.parametrize("seed", range(3))
def test_watch_against_a_model(server: FastredisServer, seed: int) -> None:
    rng = random.Random(seed)
    clients = [server.client() for _ in range(6)]
    dbs = [0] * len(clients)
    model = Model(len(clients))
    data: set[tuple[int, str]] = set()
    for _ in range(1500):
        number = rng.randrange(len(clients))
        client, db = clients[number], dbs[number]
        key = f"key:{rng.randrange(6)}"
        action = rng.choice(["watch", "watch", "set", "del", "exec", "exec", "other"])
        if action == "watch":
            client.ok("WATCH", key, key)
            if not model.dirty[number]:
                model.watched[number].add((db, key))
        elif action == "set":
            client.ok("SET", key, "1")
            data.add((db, key))
            model.change(db, key)
        elif action == "del":
            if client.cmd("DEL", key):
                data.discard((db, key))
                model.change(db, key)
        elif action == "exec":
            client.ok("MULTI")
            client.cmd("SET", key, "2")
            if model.dirty[number]:
                assert client.cmd("EXEC") == client.null_array
                model.forget(number)
            else:
                assert client.cmd("EXEC") == ["OK"]
                model.forget(number)
                data.add((db, key))
                model.change(db, key)
        elif rng.random() < 0.3:
            dbs[number] = rng.randrange(2)
            client.ok("SELECT", dbs[number])
        elif rng.random() < 0.3:
            client.ok("UNWATCH")
            model.forget(number)
        elif rng.random() < 0.5:
            client.ok("FLUSHDB")
            for at, name in list(data):
                if at == db:
                    model.change(at, name)
                    data.discard((at, name))
        else:
            client.ok("SWAPDB", "0", "1")
            for _, name in list(data):
                model.change(0, name)
                model.change(1, name)
            data = {(1 - at, name) for at, name in data}
    for client in clients:
        client.close()


# --- What is shown of it -----------------------------------------------------------


def test_client_info_shows_transactions(client: RawClient, client2: RawClient) -> None:
    shown = fields(client2)
    assert (shown["multi"], shown["watch"], shown["flags"]) == ("-1", "0", "N")
    client2.ok("WATCH", "a", "b", "a")
    shown = fields(client2)
    assert (shown["multi"], shown["watch"], shown["flags"]) == ("-1", "2", "N")
    client.ok("SET", "a", "1")
    shown = fields(client2)
    assert (shown["watch"], shown["flags"]) == ("0", "d")
    queue(client2, ("PING",), ("GET", "x" * 1000))
    listed = client.cmd("CLIENT", "LIST").decode()
    (line,) = (x for x in listed.splitlines() if "multi=2" in x)
    assert " flags=xd " in line
    shown = dict(part.partition("=")[::2] for part in line.split())
    assert 1000 < int(shown["multi-mem"]) < 3000
    assert int(shown["tot-mem"]) > int(shown["multi-mem"])
    client2.ok("DISCARD")
    assert fields(client2)["multi-mem"] == "0"


# --- Client libraries --------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py(server: FastredisServer, protocol: int) -> None:
    with redis.Redis(port=server.port, protocol=protocol) as client:
        pipe = client.pipeline()  # a transaction by default
        pipe.set("a", 1).incr("a").get("a")
        assert pipe.execute() == [True, 2, b"2"]

        with client.pipeline() as pipe:
            pipe.watch("a")
            value = int(pipe.get("a"))
            client.set("a", 7)
            pipe.multi()
            pipe.set("a", value + 1)
            with pytest.raises(redis.WatchError):
                pipe.execute()

        def add(pipe: redis.client.Pipeline) -> None:
            value = int(pipe.get("a"))
            pipe.multi()
            pipe.set("a", value + 1)

        client.transaction(add, "a")
        assert client.get("a") == b"8"


# --- Clients that wait -------------------------------------------------------------


def test_nothing_waits_in_a_transaction(client: RawClient) -> None:
    queue(client, ("BLPOP", "list", "0"), ("RPUSH", "list", "a"), ("BLPOP", "list", 0))
    assert client.cmd("EXEC") == [client.null_array, 1, [b"list", b"a"]]


def test_who_waits_is_served_after_exec(
    server: FastredisServer, client: RawClient
) -> None:
    waiting = server.client()
    waiting.send("BLPOP", "list", "0")
    wait_until(lambda: client.info("clients")["blocked_clients"] == "1")
    queue(client, ("RPUSH", "list", "a"), ("DEL", "list"))
    assert client.cmd("EXEC") == [1, 1]
    assert client.info("clients")["blocked_clients"] == "1"
    queue(client, ("RPUSH", "list", "b"), ("LPUSH", "list", "c"), ("LLEN", "list"))
    assert client.cmd("EXEC") == [1, 2, 2]
    assert waiting.read() == [b"list", b"c"]


def test_what_a_waiting_client_takes_is_a_change(
    server: FastredisServer, client: RawClient
) -> None:
    waiting = server.client()
    waiting.send("BLMOVE", "list", "other", "LEFT", "LEFT", "0")
    wait_until(lambda: client.info("clients")["blocked_clients"] == "1")
    client.ok("WATCH", "other")
    assert server.client().cmd("RPUSH", "list", "a") == 1
    assert waiting.read() == b"a"
    queue(client, ("PING",))
    assert client.cmd("EXEC") == client.null_array


# --- Many --------------------------------------------------------------------------


def test_a_queue_of_100_000_commands(client: RawClient, client2: RawClient) -> None:
    client.ok("MULTI")
    replies = client.pipeline([["INCR", "n"]] * 100_000)
    assert set(replies) == {"QUEUED"}
    line = client2.cmd("CLIENT", "LIST", "ID", str(_client_id(client2, client)))
    found = re.search(rb"multi=(\d+).*multi-mem=(\d+).*tot-mem=(\d+)", line)
    assert found is not None
    count, queued, total = map(int, found.groups())
    assert count == 100_000
    assert 5_000_000 < queued < total < 25_000_000
    reply = client.cmd("EXEC")
    assert reply == list(range(1, 100_001))
    line = client2.cmd("CLIENT", "LIST", "ID", str(client.cmd("CLIENT", "ID")))
    assert b"multi=-1 " in line
    assert b"multi-mem=0 " in line


def _client_id(watcher: RawClient, client: RawClient) -> int:
    """Return the id of a client that is in a transaction."""
    port = client.sock.getsockname()[1]
    for line in watcher.cmd("CLIENT", "LIST").splitlines():
        if b":%d laddr" % port in line:
            return int(line.split()[0].removeprefix(b"id="))
    raise AssertionError("there is no such client")


def test_a_queue_counts_for_the_query_buffer_limit(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server(client_query_buffer_limit="1mb")
    with RawClient(server.port) as client, RawClient(server.port) as other:
        client.ok("MULTI")
        for _ in range(8):
            assert client.cmd("SET", "a", "x" * 100_000) == "QUEUED"
        client.send("SET", "a", "x" * 500_000)
        assert client.is_closed()
        stats = other.info("stats")
        assert stats["client_query_buffer_limit_disconnections"] == "1"
        # the same commands in smaller transactions
        for _ in range(20):
            other.ok("MULTI")
            assert other.cmd("SET", "a", "x" * 100_000) == "QUEUED"
            assert other.cmd("EXEC") == ["OK"]


def test_a_queue_counts_for_the_memory_of_clients(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server(maxmemory_clients="4mb")
    with RawClient(server.port) as client, RawClient(server.port) as other:
        client.ok("MULTI")
        with pytest.raises((ConnectionClosed, ConnectionError)):
            client.pipeline([["SET", "a", "x" * 200]] * 50_000)
        assert other.info("stats")["evicted_clients"] == "1"
        # a client that watches much is counted, too
        with RawClient(server.port) as watcher, contextlib.suppress(ConnectionError):
            for n in range(100_000):
                watcher.send("WATCH", f"{n:0100}")
        wait_until(lambda: other.info("stats")["evicted_clients"] == "2")
        assert other.info("clients")["total_watched_keys"] == "0"


def test_10_000_watched_keys(client: RawClient, client2: RawClient) -> None:
    keys = [f"key:{n}" for n in range(10_000)]
    for start in range(0, len(keys), 1000):
        client.ok("WATCH", *keys[start : start + 1000])
    client.ok("WATCH", *keys)  # once more changes nothing
    info = client2.info("clients")
    assert info["total_watched_keys"] == "10000"
    assert info["watching_clients"] == "1"
    client.ok("MULTI")
    assert client.cmd("PING") == "QUEUED"
    assert client.cmd("EXEC") == ["PONG"]
    assert client2.info("clients")["total_watched_keys"] == "0"
    client.ok("WATCH", *keys)
    client2.ok("SET", "key:7777", "1")
    assert client2.info("clients")["total_watched_keys"] == "0"
    client.ok("MULTI")
    assert client.cmd("EXEC") == client.null_array
    # keys that nobody watches are changed meanwhile
    client.ok("WATCH", *keys)
    client2.ok("MSET", *[word for n in range(20_000) for word in (f"other:{n}", "1")])
    client.ok("MULTI")
    assert client.cmd("EXEC") == []
