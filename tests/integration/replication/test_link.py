# SPDX-License-Identifier: BSD-3-Clause
"""A replica of genuine servers: full and partial resynchronization, promotion."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from support.repl_traffic import Traffic
from support.replicas import (
    WAIT_SECONDS,
    Make,
    Proxy,
    follow,
    offset,
    wait_link,
    wait_same,
)
from support.server import ServerProcess
from support.wait import wait_until

MASTERS = ("redis", "valkey")

MakeProxy = Callable[[int], Proxy]


def send(server: ServerProcess, traffic: Traffic, n: int = 400) -> None:
    """Have a server execute n random commands."""
    server.client().pipeline(traffic.take(n))


def synced(server: ServerProcess) -> tuple[int, int]:
    """Return how many full and partial resynchronizations a master has done."""
    stats = server.client().info("stats")
    return int(stats["sync_full"]), int(stats["sync_partial_ok"])


# --- Full resynchronization --------------------------------------------------------


@pytest.mark.parametrize("kind", MASTERS)
@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize("load", ["disabled", "flush-before-load"])
def test_gets_all_and_follows(
    make_server: Make, kind: str, diskless: str, load: str
) -> None:
    """All data comes, then all changes, however it is sent and received."""
    traffic = Traffic(1)
    master = make_server(kind, repl_diskless_sync=diskless)
    send(master, traffic)
    replica = make_server("fastredis", repl_diskless_load=load)
    replica.client().ok("SET", "of its own", "1")
    follow(replica, master)
    wait_same(master, replica)
    assert replica.client().cmd("GET", "of its own") is None
    for _ in range(3):
        send(master, traffic)
        wait_same(master, replica)


def test_of_the_configuration(make_server: Make) -> None:
    """A server that is configured as a replica becomes one at its start."""
    master = make_server("redis")
    master.client().ok("SET", "a", "1")
    replica = make_server("fastredis", replicaof=("127.0.0.1", master.port))
    wait_link(replica)
    assert replica.client().cmd("GET", "a") == b"1"
    assert replica.client().cmd("ROLE") == [
        b"slave", b"127.0.0.1", master.port, b"connected", offset(replica),
    ]  # fmt: skip


def test_waits_for_its_master(make_server: Make) -> None:
    """A replica whose master is not there yet tries until it is."""
    master = make_server("redis")
    master.kill()
    replica = make_server("fastredis", replicaof=("127.0.0.1", master.port))
    client = replica.client()
    assert client.info("replication")["master_link_status"] == "down"
    master.start_again()
    wait_link(replica)
    wait_same(master, replica)


@pytest.mark.parametrize("kind", MASTERS)
def test_password(make_server: Make, kind: str) -> None:
    """masterauth opens a master with a password; without, the log says why not."""
    master = make_server(kind, masterauth="secret")
    master.client().ok("CONFIG", "SET", "requirepass", "secret")
    replica = make_server("fastredis")
    replica.client().ok("REPLICAOF", "127.0.0.1", master.port)
    wait_until(lambda: "NOAUTH" in replica.log(), WAIT_SECONDS)
    replica.client().ok("CONFIG", "SET", "masterauth", "wrong")
    wait_until(lambda: "Unable to AUTH to MASTER" in replica.log(), WAIT_SECONDS)
    replica.client().ok("CONFIG", "SET", "masterauth", "secret")
    wait_link(replica)


def test_old_data_stays_if_the_new_does_not_come(
    make_server: Make, make_proxy: MakeProxy
) -> None:
    """A link that breaks while the data set comes leaves the old one in place."""
    master = make_server("redis")
    client = master.client()
    client.pipeline([["SET", f"key:{i}", os.urandom(1000)] for i in range(500)])
    replica = make_server("fastredis")
    replica.client().ok("SET", "old", "1")
    proxy = make_proxy(master.port)
    proxy.limit = 100_000
    replica.client().ok("REPLICAOF", "127.0.0.1", proxy.port)
    wait_until(lambda: "Connection closed" in replica.log(), WAIT_SECONDS)
    wait_link(replica)
    wait_same(master, replica)
    # it was there until all had come
    before, _, after = replica.log().partition("Connection closed")
    assert "Flushing old data" not in before
    assert "Flushing old data" in after


# --- Partial resynchronization -----------------------------------------------------


@pytest.mark.parametrize("kind", MASTERS)
def test_broken_link(make_server: Make, make_proxy: MakeProxy, kind: str) -> None:
    """A link that breaks, in the middle of a request or not, is continued."""
    traffic = Traffic(2)
    master = make_server(kind, repl_backlog_size="10mb")
    send(master, traffic)
    replica = make_server("fastredis")
    proxy = make_proxy(master.port)
    follow(replica, master, proxy.port)
    for turn in range(12):
        proxy.limit = 997 * (turn + 1)  # anywhere, also within a transaction
        connections = proxy.connections
        while proxy.connections == connections:
            send(master, traffic, 100)
        wait_same(master, replica)
    full, partial = synced(master)
    assert (full, partial >= 12) == (1, True)


def test_cut_transaction(make_server: Make, make_proxy: MakeProxy) -> None:
    """What has come of a transaction that is cut off is not executed, nor counted."""
    master = make_server("redis", repl_backlog_size="10mb")
    replica = make_server("fastredis")
    proxy = make_proxy(master.port)
    follow(replica, master, proxy.port)
    wait_same(master, replica)
    client = master.client()
    client.ok("SET", "n", "0")
    wait_same(master, replica)
    before = offset(replica)
    proxy.is_open = False
    proxy.limit = 200_000
    client.pipeline(
        [["MULTI"], ["INCR", "n"], ["SET", "s", "x" * 300_000], ["INCR", "n"], ["EXEC"]]
    )
    own = replica.client()
    wait_until(
        lambda: own.info("replication")["master_link_status"] == "down", WAIT_SECONDS
    )
    assert own.cmd("GET", "n") == b"0"
    assert offset(replica) == before
    proxy.is_open = True
    wait_link(replica)
    wait_same(master, replica)
    assert own.cmd("GET", "n") == b"2"


def test_too_far_behind(make_server: Make, make_proxy: MakeProxy) -> None:
    """A replica that missed more than the backlog holds gets all data again."""
    traffic = Traffic(3)
    master = make_server("redis", repl_backlog_size="16kb")
    replica = make_server("fastredis")
    proxy = make_proxy(master.port)
    follow(replica, master, proxy.port)
    proxy.is_open = False
    proxy.cut()
    for _ in range(5):
        send(master, traffic)
    proxy.is_open = True
    wait_link(replica)
    wait_same(master, replica)
    assert synced(master)[0] == 2


@pytest.mark.parametrize("kind", MASTERS)
def test_master_is_killed(make_server: Make, kind: str) -> None:
    """When the master comes back without its data, the replica has none either."""
    master = make_server(kind)
    master.client().ok("SET", "a", "1")
    replica = make_server("fastredis")
    follow(replica, master)
    master.kill()
    client = replica.client()
    wait_until(
        lambda: client.info("replication")["master_link_status"] == "down", WAIT_SECONDS
    )
    assert client.cmd("GET", "a") == b"1"
    master.start_again()
    wait_link(replica)
    assert client.cmd("GET", "a") is None


# --- Promotion ---------------------------------------------------------------------


def test_becomes_a_master(make_server: Make) -> None:
    """NO ONE makes a replica a master of the same history, under a new name."""
    master = make_server("redis")
    master.client().ok("SET", "a", "1")
    replica = make_server("fastredis")
    follow(replica, master)
    wait_same(master, replica)
    client = replica.client()
    before = client.info("replication")
    client.ok("REPLICAOF", "NO", "ONE")
    after = client.info("replication")
    assert after["role"] == "master"
    assert after["master_replid2"] == before["master_replid"]
    assert int(after["second_repl_offset"]) == int(after["master_repl_offset"]) + 1
    client.ok("SET", "a", "2")
    # and back: the history of the other one is still the same up to here
    client.ok("REPLICAOF", "127.0.0.1", master.port)
    wait_link(replica)
    wait_same(master, replica)
    assert client.cmd("GET", "a") == b"1"


@pytest.mark.parametrize("kind", ["redis", "valkey", "fastredis"])
def test_chain(make_server: Make, kind: str) -> None:
    """A replica is sent from by its master's master; promoted, it keeps its replicas.

    The middle one is fastredis; genuine servers, or fastredis, are at the ends.
    """
    traffic = Traffic(4)
    top = make_server(kind, repl_backlog_size="10mb")
    send(top, traffic)
    middle = make_server("fastredis", repl_backlog_size="10mb")
    follow(middle, top)
    low = [make_server(each) for each in ("fastredis", kind)]
    for server in low:
        follow(server, middle)
    for _ in range(3):
        send(top, traffic)
        wait_same(top, middle, *low)
    ids = {s.client().info("replication")["master_replid"] for s in (top, *low)}
    assert len(ids) == 1
    # the top goes, the middle takes its place
    syncs = synced(middle)[0]
    top.kill()
    middle.client().ok("REPLICAOF", "NO", "ONE")
    for server in low:
        wait_link(server)
    send(middle, traffic)
    wait_same(middle, *low)
    assert synced(middle)[0] == syncs


@pytest.mark.parametrize("kind", ["redis", "valkey", "fastredis"])
def test_sibling_is_promoted(make_server: Make, kind: str) -> None:
    """Replicas of one master follow the one of them that is promoted, partially."""
    traffic = Traffic(5)
    master = make_server(kind, repl_backlog_size="10mb")
    send(master, traffic)
    chosen = make_server("fastredis", repl_backlog_size="10mb")
    others = [make_server("fastredis"), make_server(kind)]
    for server in (chosen, *others):
        follow(server, master)
    send(master, traffic)
    wait_same(master, chosen, *others)
    master.kill()
    chosen.client().ok("REPLICAOF", "NO", "ONE")
    send(chosen, traffic)
    for server in others:
        follow(server, chosen)
    send(chosen, traffic)
    wait_same(chosen, *others)
    assert synced(chosen)[0] == 0
