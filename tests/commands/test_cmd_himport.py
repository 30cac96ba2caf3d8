# SPDX-License-Identifier: BSD-3-Clause
"""HIMPORT: fieldsets of a connection, and the hashes that are made of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import pytest

from support.client import Arg, Error, Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NO_FIELDSET = "ERR no such fieldset"
DUPLICATE = "ERR duplicate field name in fieldset"
MISMATCH = "ERR value count does not match fieldset field count"


def error(client: RawClient, text: str, *args: Arg) -> None:
    """Check that a command fails with this text."""
    reply = client.cmd(*args)
    assert isinstance(reply, Error)
    assert reply == text


def getall(client: RawClient, key: str = "h") -> list[tuple[bytes, bytes]]:
    """Return what HGETALL replies, in its order, in either protocol."""
    reply = client.cmd("HGETALL", key)
    if isinstance(reply, Map):
        return list(reply.pairs)
    return list(zip(reply[::2], reply[1::2], strict=True))


def total_memory(client: RawClient) -> int:
    """Return the memory that the client takes, as it is told."""
    found = re.search(rb"tot-mem=(\d+)", bytes(client.cmd("CLIENT", "INFO")))
    assert found
    return int(found[1])


def used_memory(client: RawClient) -> int:
    """Return the memory that the server takes."""
    return int(client.info("memory")["used_memory"])


# --- Prepare and set ---------------------------------------------------------------


def test_values_are_paired_with_the_prepared_fields(client: RawClient) -> None:
    client.ok("HIMPORT", "PREPARE", "user", "name", "mail", "age")
    client.ok("HIMPORT", "SET", "h", "user", "Ada", "", "36")
    client.ok("himport", "set", "g", "user", "Bob", "b@b", "x" * 100)
    assert getall(client) == [(b"name", b"Ada"), (b"mail", b""), (b"age", b"36")]
    assert client.cmd("HGET", "g", "age") == b"x" * 100
    assert client.cmd("TYPE", "h") == "hash"
    assert client.cmd("OBJECT", "ENCODING", "h") == b"listpack"
    assert client.cmd("OBJECT", "ENCODING", "g") == b"hashtable"
    assert client.cmd("HINCRBY", "h", "age", 1) == 37


def test_bytes_may_be_any(client: RawClient) -> None:
    client.ok("HIMPORT", "PREPARE", "", b"\0\r\n", "", b"\xff")
    client.ok("HIMPORT", "SET", "", "", b"\r\n", b"\0", "")
    assert getall(client, "") == [(b"\0\r\n", b"\r\n"), (b"", b"\0"), (b"\xff", b"")]
    assert client.cmd("HIMPORT", "DISCARD", "") == 1


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 512, 513, 5000])
def test_any_number_of_fields(client2: RawClient, n: int) -> None:
    limit = int(client2.config("hash-max-listpack-entries"))
    fields = [f"field{i}" for i in range(n)]
    client2.ok("HIMPORT", "PREPARE", "f", *fields)
    for turn in ("a", "b"):
        client2.ok("HIMPORT", "SET", "h", "f", *[f"{turn}{i}" for i in range(n)])
        assert dict(getall(client2)) == {
            f"field{i}".encode(): f"{turn}{i}".encode() for i in range(n)
        }
    kind = b"listpack" if n <= limit else b"hashtable"
    assert client2.cmd("OBJECT", "ENCODING", "h") == kind


def test_the_newest_of_a_name_counts(client: RawClient) -> None:
    client.ok("HIMPORT", "PREPARE", "f", "a", "b")
    client.ok("HIMPORT", "SET", "h", "f", "1", "2")
    client.ok("HIMPORT", "PREPARE", "f", "c")
    error(client, MISMATCH, "HIMPORT", "SET", "h", "f", "1", "2")
    assert getall(client) == [(b"a", b"1"), (b"b", b"2")]
    client.ok("HIMPORT", "SET", "h", "f", "3")
    assert getall(client) == [(b"c", b"3")]
    assert client.cmd("HIMPORT", "DISCARDALL") == 1


def test_names_are_told_apart_by_case(client: RawClient) -> None:
    client.ok("HIMPORT", "PREPARE", "f", "a", "A")
    client.ok("HIMPORT", "PREPARE", "F", "b")
    client.ok("HIMPORT", "SET", "h", "f", "1", "2")
    assert getall(client) == [(b"a", b"1"), (b"A", b"2")]
    assert client.cmd("HIMPORT", "DISCARDALL") == 2


@pytest.mark.parametrize("size", [2, 300])
def test_a_hash_is_replaced_with_its_expiries(client: RawClient, size: int) -> None:
    pairs = [text for i in range(size) for text in (f"old{i}", f"{i}")]
    client.cmd("HSET", "h", *pairs)
    client.cmd("HEXPIRE", "h", 1000, "FIELDS", 1, "old0")
    client.cmd("EXPIRE", "h", 1000)
    client.ok("HIMPORT", "PREPARE", "f", "old0", "new")
    client.ok("HIMPORT", "SET", "h", "f", "x", "y")
    assert getall(client) == [(b"old0", b"x"), (b"new", b"y")]
    assert client.cmd("TTL", "h") == -1
    assert client.cmd("HTTL", "h", "FIELDS", 2, "old0", "new") == [-1, -1]
    keyspace = client.info("keyspace")["db0"]
    assert "expires=0" in keyspace
    assert "subexpiry=0" in keyspace


def test_a_key_of_another_type_stays(client: RawClient) -> None:
    client.cmd("SET", "k", "v", "EX", 1000)
    client.ok("HIMPORT", "PREPARE", "f", "a")
    error(client, WRONG_TYPE, "HIMPORT", "SET", "k", "f", "1")
    assert client.cmd("GET", "k") == b"v"
    assert client.cmd("TTL", "k") > 900


# --- Errors ------------------------------------------------------------------------


def test_a_field_must_not_occur_twice(client: RawClient) -> None:
    error(client, DUPLICATE, "HIMPORT", "PREPARE", "f", "a", "b", "a")
    error(client, NO_FIELDSET, "HIMPORT", "SET", "h", "f", "1", "2", "3")
    client.ok("HIMPORT", "PREPARE", "f", "a")
    many = [str(i) for i in range(1000)]
    error(client, DUPLICATE, "HIMPORT", "PREPARE", "f", *many, "999")
    error(client, DUPLICATE, "HIMPORT", "PREPARE", "f", "", "")
    client.ok("HIMPORT", "SET", "h", "f", "1")  # as it was
    assert getall(client) == [(b"a", b"1")]


def test_the_number_of_values_must_be_right(client: RawClient) -> None:
    client.ok("HIMPORT", "PREPARE", "f", "a", "b")
    for values in (["1"], ["1", "2", "3"]):
        error(client, MISMATCH, "HIMPORT", "SET", "h", "f", *values)
    assert client.cmd("EXISTS", "h") == 0


@pytest.mark.parametrize(
    "args",
    [
        ("PREPARE",),
        ("PREPARE", "f"),
        ("SET",),
        ("SET", "h"),
        ("SET", "h", "f"),
        ("DISCARD",),
        ("DISCARD", "f", "g"),
        ("DISCARDALL", "f"),
    ],
)
def test_arity(client: RawClient, args: tuple[str, ...]) -> None:
    text = f"ERR wrong number of arguments for 'himport|{args[0].lower()}' command"
    error(client, text, "HIMPORT", *args)


def test_unknown_subcommands(client: RawClient) -> None:
    text = "ERR unknown subcommand 'GET'. Try HIMPORT HELP."
    error(client, text, "HIMPORT", "GET", "f")


# --- How long fieldsets live -------------------------------------------------------


def test_discard(client: RawClient) -> None:
    assert client.cmd("HIMPORT", "DISCARD", "f") == 0
    assert client.cmd("HIMPORT", "DISCARDALL") == 0
    for name in ("f", "g", "h"):
        client.ok("HIMPORT", "PREPARE", name, "a")
    client.ok("HIMPORT", "SET", "k", "g", "1")
    assert client.cmd("HIMPORT", "DISCARD", "g") == 1
    assert client.cmd("HIMPORT", "DISCARD", "g") == 0
    error(client, NO_FIELDSET, "HIMPORT", "SET", "k", "g", "2")
    client.ok("HIMPORT", "SET", "k2", "f", "1")
    assert client.cmd("HIMPORT", "DISCARDALL") == 2
    assert client.cmd("HIMPORT", "DISCARDALL") == 0
    error(client, NO_FIELDSET, "HIMPORT", "SET", "k", "f", "2")
    assert getall(client, "k") == getall(client, "k2") == [(b"a", b"1")]
    client.ok("HIMPORT", "PREPARE", "f", "b")
    client.ok("HIMPORT", "SET", "k", "f", "1")
    assert client.cmd("HIMPORT", "DISCARD", "f") == 1
    error(client, NO_FIELDSET, "HIMPORT", "SET", "k", "f", "2")


def test_a_fieldset_is_of_one_client(client2: RawClient, client3: RawClient) -> None:
    client2.ok("HIMPORT", "PREPARE", "f", "a")
    error(client3, NO_FIELDSET, "HIMPORT", "SET", "h", "f", "1")
    client3.ok("HIMPORT", "PREPARE", "f", "b", "c")
    client3.ok("HIMPORT", "SET", "h3", "f", "1", "2")
    client2.ok("HIMPORT", "SET", "h2", "f", "3")
    assert client3.cmd("HIMPORT", "DISCARDALL") == 1
    client2.ok("HIMPORT", "SET", "h", "f", "4")
    assert getall(client2, "h2") == [(b"a", b"3")]
    assert getall(client2, "h3") == [(b"b", b"1"), (b"c", b"2")]


def test_reset_forgets_select_does_not(client2: RawClient) -> None:
    client2.ok("HIMPORT", "PREPARE", "f", "a")
    client2.ok("SELECT", 3)
    client2.ok("HIMPORT", "SET", "h", "f", "1")
    assert getall(client2) == [(b"a", b"1")]
    client2.cmd("FLUSHALL")
    client2.hello(2)
    client2.ok("HIMPORT", "SET", "h", "f", "1")
    assert client2.cmd("RESET") == "RESET"
    error(client2, NO_FIELDSET, "HIMPORT", "SET", "h", "f", "1")
    assert client2.cmd("HIMPORT", "DISCARDALL") == 0


# --- Transactions, events, memory --------------------------------------------------


def test_within_a_transaction(client: RawClient) -> None:
    client.ok("HIMPORT", "PREPARE", "f", "a")
    client.ok("MULTI")
    for args in (
        ("SET", "h", "f", "1"),
        ("PREPARE", "f", "b", "c"),
        ("SET", "h", "f", "1"),
        ("SET", "h2", "f", "1", "2"),
        ("DISCARD", "f"),
        ("SET", "h2", "f", "3", "4"),
        ("PREPARE", "g", "d"),
    ):
        assert client.cmd("HIMPORT", *args) == "QUEUED"
    replies = client.cmd("EXEC")
    assert replies == ["OK", "OK", MISMATCH, "OK", 1, NO_FIELDSET, "OK"]
    assert getall(client) == [(b"a", b"1")]
    assert getall(client, "h2") == [(b"b", b"1"), (b"c", b"2")]
    client.ok("MULTI")
    assert client.cmd("HIMPORT", "DISCARDALL") == "QUEUED"
    client.ok("DISCARD")
    client.ok("HIMPORT", "SET", "h", "g", "5")
    assert getall(client) == [(b"d", b"5")]


def test_watchers_learn_of_it(client2: RawClient, client3: RawClient) -> None:
    client3.ok("HIMPORT", "PREPARE", "f", "a")
    client2.ok("WATCH", "h", "other")
    client2.ok("MULTI")
    client2.cmd("PING")
    client3.ok("HIMPORT", "SET", "h", "f", "1")
    assert client2.cmd("EXEC") == client2.null_array


def test_one_event_and_one_change_for_each_hash(
    client2: RawClient, client3: RawClient
) -> None:
    def changes() -> int:
        return int(client3.info("persistence")["rdb_changes_since_last_save"])

    client2.ok("CONFIG", "SET", "notify-keyspace-events", "EAn")
    client2.cmd("PSUBSCRIBE", "__key*__:*")
    before = changes()
    client3.ok("HIMPORT", "PREPARE", "f", "a", "b")
    client3.ok("HIMPORT", "SET", "h", "f", "1", "2")
    client3.ok("HIMPORT", "SET", "h", "f", "3", "4")
    client3.cmd("HIMPORT", "DISCARD", "f")
    assert changes() == before + 2
    client3.cmd("DEL", "h")
    seen = [bytes(client2.read()[2]).partition(b":")[2] for _ in range(4)]
    assert seen == [b"new", b"hset", b"hset", b"del"]
    client3.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_memory_is_counted_and_freed(server: FastredisServer) -> None:
    client, admin = server.client(2), server.client(2)
    start = used_memory(admin)
    told = total_memory(client)
    fields = ["x" * 1000 + str(i) for i in range(1000)]
    for name in ("f", "g", "h"):
        client.ok("HIMPORT", "PREPARE", name, *fields)
    client.ok("HIMPORT", "PREPARE", "g", *fields)  # takes the place of the other
    assert 3_000_000 < total_memory(client) - told < 6_000_000
    assert used_memory(admin) - start > 3_000_000
    assert client.cmd("HIMPORT", "DISCARD", "f") == 1
    assert 2_000_000 < total_memory(client) - told < 4_500_000
    assert client.cmd("HIMPORT", "DISCARDALL") == 2
    assert total_memory(client) - told < 2_000_000  # the query buffer stays a while
    client.ok("HIMPORT", "PREPARE", "f", *fields)
    client.cmd("RESET")
    client.ok("HIMPORT", "PREPARE", "f", *fields)
    client.close()
    wait_until(lambda: used_memory(admin) - start < 500_000)


def test_a_client_with_too_large_fieldsets_is_closed(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server(**{"maxmemory-clients": "1mb"})
    client, admin = server.client(2), server.client(2)
    with contextlib.suppress(ConnectionError):  # it is closed before all is sent
        for i in range(20):
            client.ok("HIMPORT", "PREPARE", f"f{i}", "x" * 100_000)
        pytest.fail("twice the limit was accepted")
    assert admin.info("stats")["evicted_clients"] == "1"
    assert admin.cmd("PING") == "PONG"
