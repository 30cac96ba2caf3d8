# SPDX-License-Identifier: BSD-3-Clause
"""Genuine servers as replicas: they must hold what their primary holds.

What is compared is the digest of all databases, which Redis and Valkey compute alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from compat import (
    test_random_bitmaps,
    test_random_commands,
    test_random_geo,
    test_random_lists,
    test_random_sets,
    test_random_zset,
)
from hypothesis import Phase, given, settings

from support.client import RawClient
from support.grammar import Relative
from support.server import FastredisServer, GenuineServer
from support.wait import wait_until

LEFT_OUT = {b"SHUTDOWN", b"DEBUG", b"CLIENT", b"MULTI", b"EXEC", b"WATCH", b"DISCARD"}
# Of what Redis 7.0 does not know, nothing is sent.
GRAMMARS = {
    "bitmaps": test_random_bitmaps.all_steps,
    "geo": test_random_geo.both_steps,
    "keys": test_random_commands.both_steps,
    "lists": test_random_lists.some_steps,
    "sets": test_random_sets.steps,
    "sorted sets": test_random_zset.both_steps,
}
TIMEOUT_S = 30


def follow(replica: GenuineServer, primary: FastredisServer) -> None:
    """Have a server replicate another, and wait until it has its data."""
    replica.client().ok("REPLICAOF", "127.0.0.1", primary.port)
    wait_for_link(replica)


def wait_for_link(replica: GenuineServer) -> None:
    client = replica.client()
    wait_until(
        lambda: client.info("replication").get("master_link_status") == "up",
        TIMEOUT_S,
        message=replica.shown_log,
    )


def digest(client: RawClient) -> bytes:
    found: bytes = client.cmd("DEBUG", "DIGEST")
    return found


def same(primary: FastredisServer, replicas: Sequence[GenuineServer]) -> None:
    """Wait until all replicas have got all, and compare."""
    client = primary.client()
    wanted = int(client.info("replication")["master_repl_offset"])
    for replica in replicas:
        theirs = replica.client()
        wait_until(
            lambda c=theirs: int(c.info("replication")["master_repl_offset"]) >= wanted,
            TIMEOUT_S,
            message=replica.shown_log,
        )
        wait_until(
            lambda c=theirs: digest(c) == digest(client),
            message=f"{replica.kind} has other data than its primary",
        )


def sorted_sets(client: RawClient) -> dict[bytes, Any]:
    """Return what is in all keys of sorted sets, and the digests of others."""
    found: dict[bytes, Any] = {}
    for key in client.cmd("KEYS", "*"):
        if client.cmd("TYPE", key) == "zset":
            flat = client.cmd("ZRANGE", key, 0, -1, "WITHSCORES")
            found[key] = list(zip(flat[::2], map(float, flat[1::2]), strict=True))
        else:
            found[key] = client.cmd("DEBUG", "DIGEST-VALUE", key)
    return found


def fill(client: RawClient) -> None:
    """Make keys of all types, in all encodings that a snapshot knows."""
    client.pipeline(
        [("SET", f"s{i}", "x" * (i * 37 % 2000)) for i in range(300)]
        + [("SET", f"n{i}", i * 12345) for i in range(100)]
        + [("RPUSH", "list", *range(2000)), ("RPUSH", "small", "a", "b")]
        + [
            ("SADD", "ints", *range(100)),
            ("SADD", "set", *(f"m{i}" for i in range(900))),
        ]
        + [("ZADD", "zset", *(v for i in range(900) for v in (i / 4, f"m{i}")))]
        + [("HSET", "hash", *(v for i in range(900) for v in (f"f{i}", i)))]
        + [("HSET", "little", "a", "1"), ("ZADD", "short", 1, "a")]
        + [("XADD", "stream", f"{i}-1", "f", i) for i in range(1, 300)]
        + [
            ("XGROUP", "CREATE", "stream", "g", "0"),
            ("XGROUP", "CREATECONSUMER", "stream", "g", "c"),
            ("PFADD", "hll", *range(500)),
            ("SET", "temporary", "1", "EX", 10000),
        ]
    )


@pytest.fixture
def genuine() -> Iterator[Callable[..., GenuineServer]]:
    """Make genuine servers of the test's own."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **config: stack.enter_context(
            GenuineServer(*args, **config)
        )


@pytest.fixture
def primary(fresh_server: Callable[..., FastredisServer]) -> FastredisServer:
    return fresh_server(**{"repl-diskless-sync-delay": 0})


@pytest.mark.parametrize("is_diskless", [True, False])
@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_the_data_set_and_its_changes(
    primary: FastredisServer,
    genuine: Callable[..., GenuineServer],
    kind: str,
    is_diskless: bool,
) -> None:
    client = primary.client()
    client.ok("CONFIG", "SET", "repl-diskless-sync", "yes" if is_diskless else "no")
    fill(client)
    replica = genuine(kind)
    follow(replica, primary)
    same(primary, [replica])
    client.ok("SELECT", 5)
    fill(client)
    client.cmd("SPOP", "set", 100)
    client.ok("SET", "brief", "1", "PX", 20)
    wait_until(lambda: client.cmd("EXISTS", "brief") == 0)
    same(primary, [replica])
    client.ok("FLUSHALL")
    client.ok("SET", "last", "1")
    same(primary, [replica])
    assert client.cmd("WAIT", 1, 10000) == 1
    assert replica.client().cmd("DBSIZE") == 0


@pytest.fixture(scope="module")
def group(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[FastredisServer, list[GenuineServer]]]:
    """A primary with a Redis and a Valkey that follow it."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(
            FastredisServer(**{"repl-diskless-sync-delay": 0})
        )
        replicas = [
            stack.enter_context(GenuineServer(kind)) for kind in ("redis", "valkey")
        ]
        for replica in replicas:
            follow(replica, primary)
        yield primary, replicas


@pytest.mark.parametrize("name", GRAMMARS)
def test_random_traffic(
    group: tuple[FastredisServer, list[GenuineServer]], name: str
) -> None:
    primary, replicas = group
    client = primary.client()

    @settings(max_examples=25, phases=[Phase.generate])
    @given(GRAMMARS[name])
    def run(steps: Any) -> None:
        client.ok("FLUSHALL")
        client.ok("SELECT", 0)
        for index, step in enumerate(steps):
            args = [
                bytes(a.resolve(index) if isinstance(a, Relative) else a) for a in step
            ]
            if args and args[0].upper() not in LEFT_OUT:
                client.cmd(*args)
        if name == "sorted sets":
            # the digest is of scores as text, which is another in each version
            assert client.cmd("WAIT", len(replicas), 10000) == len(replicas)
            for replica in replicas:
                assert sorted_sets(replica.client()) == sorted_sets(client)
        else:
            same(primary, replicas)

    run()


def test_links_that_are_cut_go_on(
    group: tuple[FastredisServer, list[GenuineServer]],
) -> None:
    primary, replicas = group
    client = primary.client()
    client.ok("FLUSHALL")
    before = client.info("stats")
    for i in range(5):
        client.cmd("CLIENT", "KILL", "TYPE", "replica")
        fill(client)
        client.ok("SET", "round", i)
        for replica in replicas:
            wait_for_link(replica)
    same(primary, replicas)
    after = client.info("stats")
    assert after["sync_full"] == before["sync_full"]
    assert int(after["sync_partial_ok"]) >= int(before["sync_partial_ok"]) + 5


def test_a_replica_of_a_replica(
    primary: FastredisServer, genuine: Callable[..., GenuineServer]
) -> None:
    client = primary.client()
    fill(client)
    first = genuine("redis")
    follow(first, primary)
    second = genuine("redis")
    second.client().ok("REPLICAOF", "127.0.0.1", first.port)
    wait_for_link(second)
    client.ok("SET", "through", "1")
    same(primary, [first, second])


def test_a_promoted_replica_and_its_former_primary_part(
    primary: FastredisServer, genuine: Callable[..., GenuineServer]
) -> None:
    """The history of a primary that lives on is not that of what was promoted."""
    client = primary.client()
    replica = genuine("redis")
    follow(replica, primary)
    theirs = replica.client()
    theirs.ok("REPLICAOF", "NO", "ONE")
    theirs.ok("SET", "own", "1")
    client.ok("SET", "mine", "1")
    follow(replica, primary)
    same(primary, [replica])
    assert theirs.cmd("GET", "own") is None
    assert theirs.cmd("GET", "mine") == b"1"


@pytest.mark.parametrize("appendonly", ["no", "yes"])
def test_messages_reach_the_subscribers_of_a_replica(
    fresh_server: Callable[..., FastredisServer],
    genuine: Callable[..., GenuineServer],
    appendonly: str,
) -> None:
    """They are sent to replicas, but take no room in the file."""
    primary = fresh_server(appendonly=appendonly, repl_diskless_sync_delay=0)
    client = primary.client()
    replica = genuine("redis")
    follow(replica, primary)
    subscriber = replica.client()
    subscriber.cmd("SUBSCRIBE", "news")
    client.ok("SELECT", 3)
    client.ok("SET", "a", "1")
    assert client.cmd("PUBLISH", "news", "one") == 0
    client.ok("SET", "b", "2")
    assert client.pipeline([["MULTI"], ["PUBLISH", "news", "two"], ["EXEC"]])[-1] == [0]
    client.ok("SET", "c", "3")
    assert subscriber.read() == [b"message", b"news", b"one"]
    assert subscriber.read() == [b"message", b"news", b"two"]
    same(primary, [replica])
    if appendonly == "no":
        return
    (file,) = (primary.directory / "appendonlydir").glob("*.incr.aof")
    written = file.read_bytes()
    assert b"one" not in written
    assert written.count(b"\r\nSET\r\n") == 3
    digest = client.cmd("DEBUG", "DIGEST")
    client.ok("DEBUG", "LOADAOF")
    assert client.cmd("DEBUG", "DIGEST") == digest
