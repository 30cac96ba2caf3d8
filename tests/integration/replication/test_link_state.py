# SPDX-License-Identifier: BSD-3-Clause
"""What a server does, and refuses, because it is a replica."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.repl_traffic import Traffic
from support.replicas import (
    WAIT_SECONDS,
    Make,
    Proxy,
    follow,
    wait_link,
    wait_same,
)
from support.server import ServerProcess
from support.wait import wait_until

READ_ONLY = "READONLY You can't write against a read only replica."

MakeProxy = Callable[[int], Proxy]


@pytest.fixture
def pair(make_server: Make) -> tuple[ServerProcess, ServerProcess]:
    """Return a genuine master, and fastredis as its replica."""
    master = make_server("redis")
    replica = make_server("fastredis")
    follow(replica, master)
    return master, replica


Pair = tuple[ServerProcess, ServerProcess]


# --- Clients -----------------------------------------------------------------------


def test_read_only(pair: Pair) -> None:
    """Clients read, but do not write; nor in a transaction."""
    master, replica = pair
    client = replica.client()
    master.client().ok("SET", "a", "1")
    wait_same(master, replica)
    assert client.cmd("GET", "a") == b"1"
    assert str(client.cmd("SET", "a", "2")) == READ_ONLY
    client.ok("MULTI")
    assert str(client.cmd("SET", "a", "2")) == READ_ONLY
    assert str(client.cmd("EXEC")).startswith("EXECABORT")
    client.ok("CONFIG", "SET", "replica-read-only", "no")
    client.ok("SET", "a", "2")
    client.ok("CONFIG", "SET", "replica-read-only", "yes")
    assert str(client.cmd("DEL", "a")) == READ_ONLY


def test_transaction_when_it_becomes_a_replica(make_server: Make) -> None:
    """What was queued before is refused by EXEC if it writes."""
    master, server = make_server("redis"), make_server("fastredis")
    writer, reader = server.client(), server.client()
    for client, name in ((writer, "SET"), (reader, "GET")):
        client.ok("MULTI")
        args = ["a", "1"] if name == "SET" else ["a"]
        assert str(client.cmd(name, *args)) == "QUEUED"
    follow(server, master)
    assert str(writer.cmd("EXEC")) == (
        f"EXECABORT Transaction discarded because of: {READ_ONLY}"
    )
    assert reader.cmd("EXEC") == [None]


def test_who_waits_is_told(make_server: Make) -> None:
    """A client that waits for a key is not left waiting on a replica."""
    master, server = make_server("redis"), make_server("fastredis")
    waiter = server.client()
    waiter.send("BLPOP", "list", "0")
    client = server.client()
    wait_until(lambda: client.info("clients")["blocked_clients"] == "1")
    follow(server, master)
    assert str(waiter.read()) == (
        "UNBLOCKED force unblock from blocking operation, instance state changed "
        "(master -> replica?)"
    )


def test_stale(pair: Pair, make_proxy: MakeProxy) -> None:
    """Without a link only a few commands work, if the configuration says so."""
    master, replica = pair
    proxy = make_proxy(master.port)
    follow(replica, master, proxy.port)
    client = replica.client()
    client.ok("CONFIG", "SET", "replica-serve-stale-data", "no")
    assert client.cmd("GET", "a") is None
    proxy.is_open = False
    proxy.cut()
    wait_until(
        lambda: client.info("replication")["master_link_status"] == "down", WAIT_SECONDS
    )
    assert str(client.cmd("GET", "a")) == (
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to "
        "'no'."
    )
    client.ok("CONFIG", "SET", "replica-serve-stale-data", "yes")
    assert client.cmd("GET", "a") is None
    proxy.is_open = True
    wait_link(replica)


def test_what_clients_see(pair: Pair) -> None:
    """CLIENT LIST, CLIENT KILL, ROLE, INFO and the log speak of the link."""
    master, replica = pair
    client = replica.client()
    listed = client.cmd("CLIENT", "LIST", "TYPE", "master").decode()
    assert " flags=M " in listed
    assert f" addr=127.0.0.1:{master.port} " in listed
    info = client.info("replication")
    assert info["role"] == "slave"
    assert (info["master_host"], info["master_port"]) == (
        "127.0.0.1", str(master.port),
    )  # fmt: skip
    assert client.cmd("CLIENT", "KILL", "TYPE", "master") == 1
    wait_until(lambda: "Connection with master lost." in replica.log(), WAIT_SECONDS)
    wait_link(replica)
    assert replica.log().count("Successful partial resynchronization") == 1
    rows = master.client().info("replication")
    assert rows["connected_slaves"] == "1"
    assert f"port={replica.port},state=online" in rows["slave0"]


def test_messages_and_events(pair: Pair) -> None:
    """What is published comes along, and what changes is told to who listens."""
    master, replica = pair
    replica.client().ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
    listener = replica.client()
    listener.cmd("PSUBSCRIBE", "*")
    sender = master.client()
    sender.cmd("PUBLISH", "news", "hello")
    sender.ok("SET", "a", "1")
    seen = [listener.read()[2:] for _ in range(3)]
    assert seen == [
        [b"news", b"hello"],
        [b"__keyspace@0__:a", b"set"],
        [b"__keyevent@0__:set", b"a"],
    ]


def test_written_to_the_file(make_server: Make) -> None:
    """CONFIG REWRITE remembers the master, within MULTI as Sentinel sends it, too."""
    master = make_server("redis")
    server = make_server("fastredis")
    path = server.directory / "own.conf"
    path.write_text(f"port {server.port}\nbind 127.0.0.1\nsave ''\n")
    server.stop()
    server.command = [*server.command, str(path)]
    server.config = {}
    server.start_again()
    client = server.client()
    client.ok("MULTI")
    for args in (
        ("REPLICAOF", "127.0.0.1", str(master.port)),
        ("CONFIG", "REWRITE"),
        ("CLIENT", "KILL", "TYPE", "normal"),
    ):
        assert str(client.cmd(*args)) == "QUEUED"
    assert [str(r) for r in client.cmd("EXEC")[:2]] == ["OK", "OK"]
    wait_link(server)
    assert f"replicaof 127.0.0.1 {master.port}" in path.read_text()


# --- Expiry ------------------------------------------------------------------------


def test_expired_keys_are_hidden_not_deleted(pair: Pair) -> None:
    """A key whose time is over goes when the master says so, not before."""
    master, replica = pair
    first, second = master.client(), replica.client()
    first.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    first.ok("SET", "a", "1", "PX", "30")
    first.ok("SET", "b", "1")
    wait_until(lambda: second.cmd("EXISTS", "b") == 1)
    wait_until(lambda: second.cmd("GET", "a") is None)
    assert second.cmd("EXISTS", "a") == 0
    assert second.cmd("DBSIZE") == 2
    assert second.info("stats")["expired_keys"] == "0"
    # the master's commands still see it
    assert first.cmd("GET", "a") is None
    wait_until(lambda: second.cmd("DBSIZE") == 1)


def test_expiry_of_keys_written_here(pair: Pair) -> None:
    """Of a key that a client wrote to the replica the master knows nothing."""
    _, replica = pair
    client = replica.client()
    client.ok("CONFIG", "SET", "replica-read-only", "no")
    client.ok("SET", "own", "1", "PX", "100")
    assert client.info("stats")["slave_expires_tracked_keys"] == "1"
    wait_until(lambda: client.cmd("DBSIZE") == 0)
    assert client.info("stats")["slave_expires_tracked_keys"] == "0"


# --- Files -------------------------------------------------------------------------


def test_append_only_file(make_server: Make) -> None:
    """What comes from the master is written down, too."""
    traffic = Traffic(7)
    master = make_server("redis")
    master.client().pipeline(traffic.take(300))
    replica = make_server("fastredis", appendonly="yes")
    follow(replica, master)
    master.client().pipeline(traffic.take(300))
    wait_same(master, replica)
    digest = master.client().cmd("DEBUG", "DIGEST")
    client = replica.client()
    wait_until(
        lambda: client.info("persistence")["aof_rewrite_in_progress"] == "0",
        WAIT_SECONDS,
    )
    replica.restart()
    assert replica.client().cmd("DEBUG", "DIGEST") == digest


@pytest.mark.parametrize("kind", ["redis", "fastredis"])
def test_restart(make_server: Make, kind: str) -> None:
    """A replica that is started again goes on from the file that it saved."""
    master = make_server(kind, repl_backlog_size="10mb")
    client = master.client()
    client.ok("SELECT", "3")
    replica = make_server("fastredis", save="900 1")
    follow(replica, master)
    client.ok("SET", "a", "1")
    wait_same(master, replica)
    replica.config["replicaof"] = ("127.0.0.1", master.port)
    replica.stop()
    client.ok("SET", "b", "2")
    replica.start_again()
    wait_link(replica)
    wait_same(master, replica)
    stats = master.client().info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == ("1", "1")


def test_flushall(pair: Pair) -> None:
    """FLUSHALL comes along, whether it waits for the memory or not."""
    master, replica = pair
    for mode in ("SYNC", "ASYNC"):
        master.client().pipeline([["SET", f"k{i}", "v"] for i in range(6000)])
        master.client().ok("FLUSHALL", mode)
        master.client().ok("SET", "after", "1")
        wait_same(master, replica)
        assert replica.client().cmd("DBSIZE") == 1
