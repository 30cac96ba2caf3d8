# SPDX-License-Identifier: BSD-3-Clause
"""DUMP payloads travel between fastredis and genuine servers, in every direction."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from support.client import Error, RawClient
from support.server import ServerProcess
from support.values import VALUES, Commands, pairs

# Their encoding is another as soon as they are stored at once.
CHANGED_IN_PLACE = ("string appended to", "hyperloglog")
LOOKS = {
    "string": ("GET", "k"),
    "list": ("LRANGE", "k", 0, -1),
    "set": ("SMEMBERS", "k"),
    "zset": ("ZRANGE", "k", 0, -1, "WITHSCORES"),
    "hash": ("HGETALL", "k"),
}


def look(client: RawClient) -> Any:
    """Return all of the value at k, in an order of its own."""
    kind = client.cmd("TYPE", "k")
    found = client.cmd(*LOOKS[kind])
    if kind == "set":
        return kind, sorted(found)
    if kind == "hash":
        return kind, sorted(zip(found[::2], found[1::2], strict=True))
    if kind == "zset":  # servers write scores in different ways
        return kind, [
            (m, float(s)) for m, s in zip(found[::2], found[1::2], strict=True)
        ]
    return kind, found


@pytest.fixture
def clients(
    subject: ServerProcess, redis: ServerProcess, valkey: ServerProcess
) -> Iterator[dict[str, RawClient]]:
    """Connect to the servers, fastredis first; they are empty."""
    servers = {"fastredis": subject, "redis": redis, "valkey": valkey}
    made = {name: RawClient(server.unixsocket) for name, server in servers.items()}
    for client in made.values():
        client.ok("FLUSHALL")
        client.ok("CONFIG", "SET", "list-compress-depth", 0)
    yield made
    for client in made.values():
        client.close()


@pytest.mark.parametrize("name", VALUES)
def test_each_restores_what_each_dumps(
    clients: dict[str, RawClient], name: str
) -> None:
    for source in clients.values():
        for step in VALUES[name]:
            assert not isinstance(source.cmd(*step), Error), step[0]
    made = {source: look(client) for source, client in clients.items()}
    encodings = {
        source: client.cmd("OBJECT", "ENCODING", "k")
        for source, client in clients.items()
    }
    payloads = {source: client.cmd("DUMP", "k") for source, client in clients.items()}
    assert made["fastredis"] == made["redis"]
    for source, payload in payloads.items():
        for target, client in clients.items():
            if "fastredis" not in (source, target):
                continue
            client.ok("RESTORE", "k", 0, payload, "REPLACE")
            assert look(client) == made["redis"], (source, target)
            if target == "fastredis" and name not in CHANGED_IN_PLACE:
                assert client.cmd("OBJECT", "ENCODING", "k") == encodings[target]
            assert client.cmd("PTTL", "k") == -1


@pytest.mark.parametrize("name", [n for n in VALUES if n.startswith("string")])
@pytest.mark.parametrize("compression", ["yes", "no"])
def test_strings_are_dumped_as_redis_does(
    clients: dict[str, RawClient], name: str, compression: str
) -> None:
    ours, theirs = clients["fastredis"], clients["redis"]
    for client in (ours, theirs):
        client.ok("CONFIG", "SET", "rdbcompression", compression)
        for step in VALUES[name]:
            client.cmd(*step)
    mine, other = ours.cmd("DUMP", "k"), theirs.cmd("DUMP", "k")
    for client in (ours, theirs):
        client.ok("CONFIG", "SET", "rdbcompression", "yes")
    if compression == "no" or b"\xc3" not in (mine[1:2], other[1:2]):
        assert mine == other
    else:  # compressors may differ, but not in what is worth it
        assert mine[1] == other[1]
        assert abs(len(mine) - len(other)) <= 16 + len(other) // 8


def test_fields_that_expire_come_from_valkey(clients: dict[str, RawClient]) -> None:
    ours, theirs = clients["fastredis"], clients["valkey"]
    theirs.cmd("HSET", "k", "a", 1, "b", 2, "c", 3)
    theirs.cmd("HPEXPIREAT", "k", 4_000_000_000_000, "FIELDS", 1, "b")
    payload = theirs.cmd("DUMP", "k")
    ours.ok("RESTORE", "k", 0, payload)
    assert ours.cmd("HGETALL", "k") == theirs.cmd("HGETALL", "k")
    expected = [-1, 4_000_000_000_000, -1]
    assert ours.cmd("HPEXPIRETIME", "k", "FIELDS", 3, "a", "b", "c") == expected


@pytest.mark.parametrize("seed", range(20))
def test_random_values(clients: dict[str, RawClient], seed: int) -> None:
    """Sizes and contents around the borders between encodings."""
    rng = random.Random(seed)

    def text() -> bytes:
        if rng.random() < 0.4:
            return b"%d" % rng.randrange(-(10 ** rng.randrange(1, 20)), 10**19)
        return rng.randbytes(rng.choice([0, 1, 5, 62, 63, 64, 65, 70]))

    n = rng.choice([1, 2, 3, 127, 128, 129, 511, 512, 513])
    members = list({text() for _ in range(n)})
    kind = rng.choice(["RPUSH", "SADD", "ZADD", "HSET"])
    if kind == "ZADD":
        arguments = pairs([rng.uniform(-9, 9) for _ in members], members)
    elif kind == "HSET":
        arguments = pairs(members, [text() for _ in members])
    else:
        arguments = members
    for client in clients.values():
        client.cmd(kind, "k", *arguments)
    expected = look(clients["redis"])
    ours = clients["fastredis"]
    for source in clients.values():
        payload = source.cmd("DUMP", "k")
        assert look(source) == expected
        for target in clients.values() if source is ours else [ours]:
            target.ok("RESTORE", "k", 0, payload, "REPLACE")
            assert look(target) == expected


def test_errors_are_the_same(clients: dict[str, RawClient]) -> None:
    good = b"\x00\x05hello\n\x00cr\xdfve4 \n"
    calls: Commands = [
        ("DUMP", "absent"),
        ("RESTORE", "k", 0, good),
        ("RESTORE", "k", 0, good),
        ("RESTORE", "k", 0, good, "REPLACE"),
        ("RESTORE", "k", -1, good),
        ("RESTORE", "l", -1, good),
        ("RESTORE", "l", "x", good),
        ("RESTORE", "l", 0, good[:-1] + b"\x0b"),
        ("RESTORE", "l", 0, b""),
        ("RESTORE", "l", 0, good[:9]),
        ("RESTORE", "l", 0, good, "nonsense"),
        ("RESTORE", "l", 0, good, "IDLETIME"),
        ("RESTORE", "l", 0, good, "IDLETIME", -1),
        ("RESTORE", "l", 0, good, "IDLETIME", "x"),
        ("RESTORE", "l", 0, good, "FREQ", 256),
        ("RESTORE", "l", 0, good, "FREQ", -1),
        ("RESTORE", "l", 0, good, "FREQ", 1, "IDLETIME", 1),
        ("RESTORE", "l", 0, good, "IDLETIME", 1, "FREQ", 1),
        ("RESTORE", "l", 0, good, "IDLETIME", 1000),
        ("OBJECT", "IDLETIME", "l"),
        ("RESTORE", "m", 10**6, good),
        ("RESTORE", "k", 1, good, "REPLACE", "ABSTTL"),
        ("EXISTS", "k"),
        ("RESTORE", "m", 4 * 10**12, good, "absttl", "replace"),
        ("PEXPIRETIME", "m"),
        ("RESTORE-ASKING", "n", 0, good),
        ("GET", "n"),
    ]
    for call in calls:
        replies = {name: client.cmd(*call) for name, client in clients.items()}
        mine, *others = replies.values()
        assert any(mine == other for other in others), (call, replies)
