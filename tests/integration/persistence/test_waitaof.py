# SPDX-License-Identifier: BSD-3-Clause
"""WAITAOF: clients that wait until what they changed is on the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.client import Error, RawClient
from support.differential import Step
from support.server import FastredisServer, GenuineServer, find_genuine
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

NO_FILE = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."


def reply(client: RawClient, *args: Any) -> Any:
    """Return a reply; of an error, its text."""
    got = client.cmd(*args)
    return str(got) if isinstance(got, Error) else got


@pytest.mark.parametrize("resp", [2, 3])
@pytest.mark.parametrize("policy", ["everysec", "always"])
def test_the_disk_is_waited_for(fresh_server: Fresh, policy: str, resp: int) -> None:
    client = fresh_server(appendonly="yes", appendfsync=policy).client(resp)
    assert client.cmd("WAITAOF", 1, 0, 0) == [1, 0]  # nothing was changed
    client.ok("SET", "k", "v")
    assert client.cmd("WAITAOF", 1, 0, 0) == [1, 0]
    assert client.pipeline([["INCR", "n"], ["WAITAOF", 1, 0, 0], ["INCR", "n"]]) == [
        1,
        [1, 0],
        2,
    ]


def test_its_time_is_limited(fresh_server: Fresh) -> None:
    server = fresh_server(appendonly="yes", appendfsync="no")
    client, other = server.client(), server.client()
    client.ok("SET", "k", "v")
    assert client.cmd("WAITAOF", 1, 0, 20) == [0, 0]
    # who has changed nothing has nothing to wait for
    assert other.cmd("WAITAOF", 1, 0, 0) == [1, 0]
    # what had been written before counts, too, once the policy is another
    client.send("WAITAOF", 1, 0, 0)
    wait_until(lambda: other.info("clients")["blocked_clients"] == "1")
    other.ok("CONFIG", "SET", "appendfsync", "always")
    assert client.read() == [1, 0]


def test_replicas_are_waited_for(fresh_server: Fresh) -> None:
    client = fresh_server(appendonly="yes", appendfsync="always").client()
    client.ok("SET", "k", "v")
    assert client.cmd("WAITAOF", 0, 1, 20) == [1, 0]
    assert client.cmd("WAITAOF", 1, 1, 20) == [1, 0]


def test_nothing_waits_in_a_transaction(fresh_server: Fresh) -> None:
    client = fresh_server(appendonly="yes", appendfsync="no").client()
    client.ok("SET", "k", "v")
    client.ok("MULTI")
    client.cmd("WAITAOF", 1, 0, 0)
    client.cmd("WAITAOF", 0, 3, 0)
    assert client.cmd("EXEC") == [[0, 0], [0, 0]]


def test_the_file_is_given_up_meanwhile(fresh_server: Fresh) -> None:
    server = fresh_server(appendonly="yes", appendfsync="no")
    client, other = server.client(), server.client()
    client.ok("SET", "k", "v")
    client.send("WAITAOF", 1, 0, 0)
    wait_until(lambda: other.info("clients")["blocked_clients"] == "1")
    other.ok("CONFIG", "SET", "appendonly", "no")
    got = client.read()
    assert isinstance(got, Error)
    assert str(got) == NO_FILE
    assert reply(client, "WAITAOF", 1, 0, 0) == NO_FILE
    assert client.cmd("WAITAOF", 0, 0, 0) == [0, 0]


def test_a_file_without_base_does_not_count(fresh_server: Fresh) -> None:
    server = fresh_server(appendonly="no", appendfsync="always")
    client, other = server.client(), server.client()
    client.ok("SET", "k", "v")
    client.ok("CONFIG", "SET", "rdb-key-save-delay", 10_000_000)
    client.ok("CONFIG", "SET", "appendonly", "yes")
    client.ok("SET", "k", "w")
    assert client.cmd("WAITAOF", 1, 0, 20) == [0, 0]
    client.send("WAITAOF", 1, 0, 0)
    other.ok("CONFIG", "SET", "rdb-key-save-delay", 0)
    wait_until(lambda: other.info("clients")["blocked_clients"] == "1")
    # the child that is slow is replaced by one that is not
    other.ok("CONFIG", "SET", "appendonly", "no")
    got = client.read()
    assert isinstance(got, Error)
    assert str(got) == NO_FILE
    other.ok("CONFIG", "SET", "appendonly", "yes")
    assert client.cmd("WAITAOF", 1, 0, 0) == [1, 0]
    assert other.info("persistence")["aof_rewrite_in_progress"] == "0"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("TIMEOUT", [0, 0]), ("ERROR", "UNBLOCKED client unblocked via CLIENT UNBLOCK")],
)
def test_another_client_ends_it(
    fresh_server: Fresh, reason: str, expected: Any
) -> None:
    server = fresh_server(appendonly="yes", appendfsync="no")
    client, other = server.client(), server.client()
    number = client.cmd("CLIENT", "ID")
    client.ok("SET", "k", "v")
    client.send("WAITAOF", 1, 0, 0)
    wait_until(lambda: other.info("clients")["blocked_clients"] == "1")
    assert other.cmd("CLIENT", "UNBLOCK", number, reason) == 1
    got = client.read()
    assert (str(got) if isinstance(got, Error) else got) == expected
    assert other.info("clients")["blocked_clients"] == "0"
    assert "cmdstat_waitaof:calls=1," in str(other.cmd("INFO", "commandstats"))


def test_who_waits_may_go(fresh_server: Fresh) -> None:
    server = fresh_server(appendonly="yes", appendfsync="no")
    client, other = server.client(), server.client()
    client.ok("SET", "k", "v")
    client.send("WAITAOF", 1, 0, 0)
    wait_until(lambda: other.info("clients")["blocked_clients"] == "1")
    client.close()
    wait_until(lambda: other.info("clients")["blocked_clients"] == "0")
    other.ok("CONFIG", "SET", "appendfsync", "everysec")


STEPS: list[Step] = [
    (b"WAITAOF", a, b, c)
    for a, b, c in [
        (b"0", b"0", b"0"),
        (b"1", b"0", b"0"),
        (b"2", b"0", b"0"),
        (b"-1", b"0", b"0"),
        (b"x", b"y", b"z"),
        (b"1", b"y", b"z"),
        (b"1", b"-1", b"0"),
        (b"0", b"9223372036854775808", b"1"),
        (b"0", b"9223372036854775807", b"1"),
        (b"0", b"1", b"10"),
        (b"1", b"0", b"-1"),
        (b"1", b"0", b"x"),
        (b"1", b"0", b"1.5"),
        (b"1", b"0", b"9223372036854775807"),
        (b"1", b"0", b"9223372036854775808"),
    ]
]


@pytest.mark.skipif(find_genuine("valkey") is None, reason="no Valkey")
@pytest.mark.parametrize("resp", [2, 3])
def test_replies_are_those_of_valkey(fresh_server: Fresh, resp: int) -> None:
    ours = fresh_server(appendonly="yes", appendfsync="always")
    with GenuineServer("valkey", appendonly="yes", appendfsync="always") as genuine:
        clients = [server.client(resp) for server in (ours, genuine)]
        for appendonly in ("yes", "no"):
            for step in STEPS:
                for client in clients:
                    client.ok("SET", "k", "v")
                replies = [reply(client, *step) for client in clients]
                assert replies[0] == replies[1], step
            for client in clients:
                client.ok("MULTI")
                client.cmd("SET", "k", "v")
                client.cmd("WAITAOF", 0, 1, 0)
            replies = [client.cmd("EXEC") for client in clients]
            assert replies[0] == replies[1]
            if appendonly == "yes":
                for client in clients:
                    client.ok("CONFIG", "SET", "appendonly", "no")
