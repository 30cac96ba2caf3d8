# SPDX-License-Identifier: BSD-3-Clause
"""FAILOVER: a primary and one of its replicas exchange their roles."""

from __future__ import annotations

import os
import signal

import pytest

from support.replicas import WAIT_SECONDS, Make, follow, wait_link, wait_same
from support.server import ServerProcess
from support.wait import wait_until


def state(server: ServerProcess) -> str:
    """Return what INFO says of a failover."""
    return server.client().info("replication")["master_failover_state"]


@pytest.mark.parametrize("kind", ["redis", "valkey", "fastredis"])
def test_to_a_replica(make_server: Make, kind: str) -> None:
    """The replica becomes the primary, its primary its replica; nothing is copied."""
    primary, replica = make_server("fastredis"), make_server(kind)
    follow(replica, primary)
    primary.client().ok("SET", "a", "1")
    primary.client().ok("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", 20000)
    wait_until(lambda: state(primary) == "no-failover", WAIT_SECONDS)
    wait_link(primary)
    assert replica.client().info("replication")["role"] == "master"
    assert replica.client().info("stats")["sync_full"] == "0"
    replica.client().ok("SET", "b", "2")
    wait_same(replica, primary)
    assert "READONLY" in str(primary.client().cmd("SET", "c", "3"))


def test_from_a_genuine_primary(make_server: Make) -> None:
    """A genuine server hands over to fastredis."""
    primary, replica = make_server("redis"), make_server("fastredis")
    follow(replica, primary)
    primary.client().ok("FAILOVER")
    wait_until(lambda: "master_host" in primary.client().info("replication"), 30)
    wait_link(primary)
    replica.client().ok("SET", "b", "2")
    wait_same(replica, primary)
    assert replica.client().info("stats")["sync_full"] == "0"


def test_writes_wait_until_it_is_given_up(make_server: Make) -> None:
    """Clients that write wait for the replica, and go on when the time is over."""
    primary, replica = make_server("fastredis"), make_server("fastredis")
    follow(replica, primary)
    wait_same(primary, replica)
    os.kill(replica.pid, signal.SIGSTOP)
    client = primary.client()
    client.ok("SET", "a", "1")  # what it does not acknowledge in time
    client.ok("FAILOVER", "TIMEOUT", 300)
    assert state(primary) == "waiting-for-sync"
    writer = primary.client()
    writer.send("SET", "b", "2")
    assert client.cmd("GET", "b") is None
    assert str(client.cmd("FAILOVER")) == "ERR FAILOVER already in progress."
    assert "not allowed while failing over" in str(
        client.cmd("REPLICAOF", "127.0.0.1", replica.port)
    )
    assert str(writer.read()) == "OK"
    assert state(primary) == "no-failover"
    assert "Replica never caught up before timeout" in primary.log()
    os.kill(replica.pid, signal.SIGCONT)
    wait_same(primary, replica)


def test_refused(make_server: Make) -> None:
    """What cannot be done is refused, and ABORT gives up."""
    server = make_server("fastredis")
    client = server.client()

    def error(*args: str) -> str:
        return str(client.cmd("FAILOVER", *args))

    assert error() == "ERR FAILOVER requires connected replicas."
    assert error("ABORT") == "ERR No failover in progress."
    assert error("TIMEOUT", "0") == "ERR FAILOVER timeout must be greater than 0"
    assert error("NOW") == "ERR syntax error"
    replica = make_server("fastredis")
    follow(replica, server)
    assert error("TO", "127.0.0.1", "1") == (
        "ERR FAILOVER target HOST and PORT is not a replica."
    )
    assert error("FORCE", "TIMEOUT", "10").startswith(
        "ERR FAILOVER with force option requires both a timeout and target"
    )
    assert str(replica.client().cmd("FAILOVER")) == (
        "ERR FAILOVER is not valid when server is a replica."
    )
    wait_same(server, replica)
    replica.client().send("DEBUG", "SLEEP", "1")
    client.ok("SET", "a", "1")
    client.ok("FAILOVER")
    client.ok("FAILOVER", "ABORT")
    assert state(server) == "no-failover"
    client.ok("SET", "a", "2")
    wait_same(server, replica)
