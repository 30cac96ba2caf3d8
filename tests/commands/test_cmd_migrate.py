# SPDX-License-Identifier: BSD-3-Clause
"""MIGRATE between two servers, and to others that answer badly or not at all."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from support.client import NULL_ARRAY, Error, RawClient
from support.server import FastredisServer, free_port

READING = "IOERR error or timeout reading to target instance"
CONNECTING = "IOERR error or timeout connecting to the client"


@pytest.fixture
def other() -> Iterator[FastredisServer]:
    """Start a server that keys go to; connections to it are kept for a while."""
    with FastredisServer() as server:
        yield server


def there(other: FastredisServer, db: int = 9) -> RawClient:
    client = other.client()
    client.ok("SELECT", db)
    return client


def migrate(client: RawClient, port: int, *words: str | int) -> object:
    return client.cmd("MIGRATE", "127.0.0.1", port, *words)


@contextlib.contextmanager
def answering(*replies: bytes) -> Iterator[int]:
    """Listen, and give each connection one of the replies; None of bytes: hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            kept = []
            for reply in replies:
                with contextlib.suppress(OSError):
                    peer, _ = listener.accept()
                    kept.append(peer)
                    peer.recv(65536)
                    peer.sendall(reply)
                    if not reply:
                        peer.close()
            done.wait()
            for peer in kept:
                peer.close()

        done = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_a_key_moves_with_its_expiry(client: RawClient, other: FastredisServer) -> None:
    client.ok("SET", "k", "v", "PX", 100_000)
    client.cmd("RPUSH", "l", "a", "b")
    assert migrate(client, other.port, "k", 9, 5000) == "OK"
    assert migrate(client, other.port, "l", 9, 5000) == "OK"
    assert client.cmd("DBSIZE") == 0
    target = there(other)
    assert target.cmd("GET", "k") == b"v"
    assert 90_000 < target.cmd("PTTL", "k") <= 100_000
    assert target.cmd("LRANGE", "l", 0, -1) == [b"a", b"b"]
    assert target.cmd("TTL", "l") == -1


def test_copy_and_replace(client: RawClient, other: FastredisServer) -> None:
    client.ok("SET", "k", "new")
    target = there(other)
    target.ok("SET", "k", "old")
    refusal = Error(
        "ERR Target instance replied with error: BUSYKEY Target key name already "
        "exists."
    )
    assert migrate(client, other.port, "k", 9, 5000, "copy") == refusal
    assert target.cmd("GET", "k") == b"old"
    assert migrate(client, other.port, "k", 9, 5000, "COPY", "REPLACE") == "OK"
    assert target.cmd("GET", "k") == b"new"
    assert client.cmd("EXISTS", "k") == 1
    assert migrate(client, other.port, "k", 9, 5000, "REPLACE") == "OK"
    assert client.cmd("EXISTS", "k") == 0


def test_several_keys(client: RawClient, other: FastredisServer) -> None:
    for name in ("a", "b", "c", "d"):
        client.ok("SET", name, name)
    target = there(other)
    target.ok("SET", "b", "taken")
    words = ("", 9, 5000, "KEYS", "a", "none", "b", "c", "a")
    reply = migrate(client, other.port, *words)
    assert str(reply).startswith("ERR Target instance replied with error: BUSYKEY")
    # what was taken is gone, the rest is not
    assert sorted(client.cmd("KEYS", "*")) == [b"b", b"d"]
    assert sorted(target.cmd("KEYS", "*")) == [b"a", b"b", b"c"]
    assert target.cmd("GET", "b") == b"taken"
    assert migrate(client, other.port, "", 9, 5000, "KEYS", "x", "y") == "NOKEY"
    assert migrate(client, other.port, "x", 9, 5000) == "NOKEY"


def test_another_database_over_the_same_connection(
    client: RawClient, other: FastredisServer
) -> None:
    for db in (9, 3, 3, 0):
        client.ok("SET", f"k{db}", "v")
        migrate(client, other.port, f"k{db}", db, 5000)
        assert there(other, db).cmd("GET", f"k{db}") == b"v"


def test_passwords(client: RawClient) -> None:
    with FastredisServer(requirepass="secret") as other:
        _try_passwords(client, other)


def _try_passwords(client: RawClient, other: FastredisServer) -> None:
    client.ok("SET", "k", "v")
    refused = "ERR Target instance replied with error: "
    reply = migrate(client, other.port, "k", 9, 5000)
    assert str(reply).startswith(refused + "NOAUTH")
    reply = migrate(client, other.port, "k", 9, 5000, "AUTH", "wrong")
    assert str(reply).startswith(refused + "WRONGPASS")
    reply = migrate(client, other.port, "k", 9, 5000, "AUTH2", "default", "wrong")
    assert str(reply).startswith(refused + "WRONGPASS")
    assert client.cmd("EXISTS", "k") == 1
    words = ("k", 9, 5000, "COPY", "AUTH2", "default", "secret")
    assert migrate(client, other.port, *words) == "OK"
    words = ("k", 9, 5000, "AUTH", "secret", "REPLACE")
    assert migrate(client, other.port, *words) == "OK"
    assert client.cmd("EXISTS", "k") == 0


def test_a_connection_that_was_closed_is_made_anew(
    client: RawClient, other: FastredisServer
) -> None:
    client.ok("SET", "a", "v")
    assert migrate(client, other.port, "a", 9, 5000) == "OK"
    target = there(other)
    target.cmd("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client.ok("SET", "b", "v")
    assert migrate(client, other.port, "b", 9, 5000) == "OK"
    assert target.cmd("EXISTS", "a", "b") == 2


def test_nobody_listens(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    assert migrate(client, free_port(), "k", 9, 1000) == Error(CONNECTING)
    assert migrate(client, "port", "k", 9, 1000) == Error(CONNECTING)
    assert client.cmd("GET", "k") == b"v"


def test_no_answer_in_time(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    with answering(b"+OK\r\n") as port:
        assert migrate(client, port, "k", 9, 100) == Error(READING)
    assert client.cmd("GET", "k") == b"v"


def test_the_connection_ends_too_early(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    with answering(b"") as port:
        assert migrate(client, port, "k", 9, 5000) == Error(READING)
    assert client.cmd("GET", "k") == b"v"


def test_keys_that_were_acknowledged_are_gone(client: RawClient) -> None:
    client.ok("MSET", "a", 1, "b", 2, "c", 3)
    with answering(b"+OK\r\n+OK\r\n+OK\r\n") as port:
        reply = migrate(client, port, "", 9, 100, "KEYS", "a", "b", "c")
        assert reply == Error(READING)
    assert client.cmd("KEYS", "*") == [b"c"]


def test_arguments(client: RawClient) -> None:
    not_int = Error("ERR value is not an integer or out of range")
    syntax = Error("ERR syntax error")
    assert migrate(client, 1, "k", "x", 1000) == not_int
    assert migrate(client, 1, "k", 0, "1.5") == not_int
    assert migrate(client, 1, "k", 0, 1000, "AUTH") == syntax
    assert migrate(client, 1, "k", 0, 1000, "AUTH2", "x") == syntax
    assert migrate(client, 1, "k", 0, 1000, "NX") == syntax
    assert migrate(client, 1, "k", 0, 1000, "KEYS", "a") == Error(
        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty "
        "string"
    )
    assert migrate(client, 1, "", 0, 1000, "KEYS") == "NOKEY"


def test_getkeys(client: RawClient) -> None:
    def keys(*words: str) -> object:
        return client.cmd("COMMAND", "GETKEYS", "MIGRATE", "h", "1", *words)

    assert keys("k", "0", "1") == [b"k"]
    assert keys("", "0", "1", "KEYS", "a", "b") == [b"a", b"b"]
    assert keys("", "0", "1", "AUTH", "KEYS", "COPY", "KEYS", "b") == [b"b"]
    assert keys("", "0", "1", "AUTH2", "KEYS", "KEYS", "KEYS", "b") == [b"b"]


def test_events_and_watchers(client: RawClient, other: FastredisServer) -> None:
    client.ok("SET", "k", "v")
    client.ok("WATCH", "k")
    assert migrate(client, other.port, "k", 9, 5000) == "OK"
    client.ok("MULTI")
    client.cmd("PING")
    assert client.cmd("EXEC") in (None, NULL_ARRAY)


def test_in_a_transaction(client: RawClient, other: FastredisServer) -> None:
    client.ok("MULTI")
    client.cmd("SET", "k", "v")
    migrate(client, other.port, "k", 9, 5000)
    client.cmd("EXISTS", "k")
    assert client.cmd("EXEC") == ["OK", "OK", 0]
    assert there(other).cmd("GET", "k") == b"v"
