# SPDX-License-Identifier: BSD-3-Clause
"""DUMP payloads of streams travel between fastredis and genuine servers.

What fastredis writes is of a type that Valkey reads and Redis 7.0 does not know yet.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from support.client import Error, RawClient
from support.server import ServerProcess

Commands = list[tuple[Any, ...]]
# Redis 7.0 has no time of a consumer's last entry
LACKING = {b"active-time"}


def entries(n: int) -> Commands:
    return [
        ("XADD", "k", f"{i // 3 + 1}-{i % 3}", "a", i, "b", f"v{i}") for i in range(n)
    ]


def groups(n: int) -> Commands:
    """Have three groups read, each its part, and acknowledge some of it."""
    steps: Commands = []
    for name, count in (("g", n), ("h", n // 2), ("empty", 0)):
        steps.append(("XGROUP", "CREATE", "k", name, 0))
        for who in ("c1", "c2"):
            if count:
                read = ("XREADGROUP", "GROUP", name, who, "COUNT", count // 2)
                steps.append((*read, "STREAMS", "k", ">"))
    steps.append(("XGROUP", "CREATECONSUMER", "k", "empty", "idle"))
    steps.append(("XACK", "k", "g", *(f"{i + 1}-0" for i in range(n // 3))))
    steps.append(("XCLAIM", "k", "g", "c3", 0, "1-1", "1-2", "TIME", 12345, "JUSTID"))
    return steps


MIXED: Commands = [
    ("XADD", "k", "1-1", "f", b"\0\r\n" * 50),
    ("XADD", "k", "1-2", "f", -5, "g", 2**40),
    ("XADD", "k", "9-0", "x" * 100, "y" * 5000, "", ""),
    ("XADD", "k", f"{2**64 - 1}-{2**64 - 2}", "f", "007"),
]
VALUES: dict[str, Commands] = {
    "one": entries(1),
    "many": entries(500),
    "mixed": MIXED,
    "deleted": [*entries(300), ("XDEL", "k", "1-0", "5-1", "9-2", "100-2")],
    "trimmed": [*entries(300), ("XTRIM", "k", "MAXLEN", 77)],
    "empty": [*entries(5), ("XTRIM", "k", "MAXLEN", 0)],
    "never used": [("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")],
    "set by hand": [
        *entries(3),
        ("XSETID", "k", "99-9", "ENTRIESADDED", 50, "MAXDELETEDID", "1-1"),
    ],
    "with groups": [*entries(120), *groups(120)],
    "with groups that lost entries": [
        *entries(120),
        *groups(120),
        ("XTRIM", "k", "MAXLEN", 30),
    ],
    "with a group set back": [
        *entries(20),
        *groups(20),
        ("XGROUP", "SETID", "k", "g", "3-0"),
        ("XGROUP", "SETID", "k", "h", "$", "ENTRIESREAD", 5),
    ],
}


@pytest.fixture
def clients(
    subject: ServerProcess, redis: ServerProcess, valkey: ServerProcess
) -> Iterator[dict[str, RawClient]]:
    """Connect to the servers, fastredis first; they are empty."""
    servers = {"fastredis": subject, "redis": redis, "valkey": valkey}
    made = {name: RawClient(server.unixsocket) for name, server in servers.items()}
    for client in made.values():
        client.ok("FLUSHALL")
    yield made
    for client in made.values():
        client.close()


def full(client: RawClient, lacking: set[bytes] = LACKING) -> Any:
    """Return all there is to know of the stream, but what some do not know."""

    def without(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        pairs = list(zip(value[::2], value[1::2], strict=False))
        if any(name == b"radix-tree-nodes" for name, _ in pairs):
            # the shape of a tree is the server's own business
            value = [x for p in pairs if p[0] != b"radix-tree-nodes" for x in p]
        if any(isinstance(n, bytes) and n in lacking | {b"lag"} for n, _ in pairs):
            value = [x for p in pairs if p[0] not in lacking | {b"lag"} for x in p]
        return [without(item) for item in value]

    return without(client.cmd("XINFO", "STREAM", "k", "FULL", "COUNT", 0))


def make(client: RawClient, steps: Commands) -> None:
    for step in steps:
        assert not isinstance(client.cmd(*step), Error), step


@pytest.mark.parametrize("name", VALUES)
def test_from_genuine_servers(clients: dict[str, RawClient], name: str) -> None:
    ours = clients["fastredis"]
    for source in ("redis", "valkey"):
        theirs = clients[source]
        make(theirs, VALUES[name])
        ours.ok("RESTORE", "k", 0, theirs.cmd("DUMP", "k"), "REPLACE")
        lacking = LACKING if source == "redis" else set()
        assert full(ours, lacking) == full(theirs, lacking)
        assert ours.cmd("DEBUG", "DIGEST-VALUE", "k") != b"0" * 40
        # and it goes on as a stream
        last = ours.cmd("XINFO", "STREAM", "k")[7]
        if not last.startswith(b"18446744073709551615"):
            assert ours.cmd("XADD", "k", "*", "f", "v")


@pytest.mark.parametrize("name", VALUES)
def test_to_valkey_and_back(clients: dict[str, RawClient], name: str) -> None:
    ours, theirs = clients["fastredis"], clients["valkey"]
    make(ours, VALUES[name])
    payload = ours.cmd("DUMP", "k")
    theirs.ok("RESTORE", "k", 0, payload)
    assert full(theirs, set()) == full(ours, set())
    expected = full(ours, set())
    ours.ok("RESTORE", "k", 0, theirs.cmd("DUMP", "k"), "REPLACE")
    assert full(ours, set()) == expected
    ours.ok("RESTORE", "k", 0, payload, "REPLACE")
    assert full(ours, set()) == expected
    assert ours.cmd("DUMP", "k") == payload


def test_nobodys_entries_are_somebodys_elsewhere(clients: dict[str, RawClient]) -> None:
    ours, theirs = clients["fastredis"], clients["valkey"]
    make(ours, [*entries(10), *groups(10)])
    assert ours.cmd("XNACK", "k", "g", "FAIL", "IDS", 2, "1-1", "2-1") == 2
    pending = ours.cmd("XPENDING", "k", "g", "-", "+", 100)
    payload = ours.cmd("DUMP", "k")
    theirs.ok("RESTORE", "k", 0, payload)
    assert len(theirs.cmd("XPENDING", "k", "g", "-", "+", 100, "")) == 2
    # any consumer can have them there, too
    claimed = theirs.cmd("XAUTOCLAIM", "k", "g", "c9", 10**9, 0, "JUSTID")
    assert {b"1-1", b"2-1"} <= set(claimed[1])
    before = full(ours, set())
    ours.ok("RESTORE", "k", 0, payload, "REPLACE")
    assert full(ours, set()) == before
    found = ours.cmd("XPENDING", "k", "g", "-", "+", 100)
    assert [(r[0], r[1], r[3]) for r in found] == [(r[0], r[1], r[3]) for r in pending]


@pytest.mark.parametrize("name", VALUES)
def test_digests_are_those_of_genuine_servers(
    clients: dict[str, RawClient], name: str
) -> None:
    ours, theirs = clients["fastredis"], clients["redis"]
    for client in (ours, theirs):
        make(client, VALUES[name])
    mine = ours.cmd("DEBUG", "DIGEST-VALUE", "k")
    assert mine == theirs.cmd("DEBUG", "DIGEST-VALUE", "k")


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_payloads_are_refused_or_taken(
    clients: dict[str, RawClient], seed: int
) -> None:
    """Flipped bits never bring the server down, whatever is done with the stream."""
    rng = random.Random(seed)
    ours = clients["fastredis"]
    make(ours, [*entries(40), *groups(20), ("XDEL", "k", "3-0")])
    payload = ours.cmd("DUMP", "k")
    assert ours.cmd("CONFIG", "SET", "rdbcompression", "no")
    plain = ours.cmd("DUMP", "k")
    ours.ok("CONFIG", "SET", "rdbcompression", "yes")
    ours.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    taken = 0
    for number in range(600):
        spoilt = bytearray(rng.choice([payload, plain]))
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.randrange(len(spoilt) - 10)
            spoilt[place] ^= 1 << rng.randrange(8)
        if rng.random() < 0.1:
            place = rng.randrange(len(spoilt) - 10)
            del spoilt[place : place + rng.randrange(9)]
        reply = ours.cmd("RESTORE", "k", 0, bytes(spoilt), "REPLACE")
        if isinstance(reply, Error):
            continue
        taken += 1
        if ours.cmd("TYPE", "k") != "stream":
            ours.cmd("DEL", "k")
            continue
        replies = ours.pipeline(
            [
                ("XINFO", "STREAM", "k", "FULL", "COUNT", 0),
                ("XRANGE", "k", "-", "+"),
                ("XREVRANGE", "k", "+", "-"),
                ("XINFO", "GROUPS", "k"),
                ("XINFO", "CONSUMERS", "k", "g"),
                ("XAUTOCLAIM", "k", "g", "new", 0, "-"),
                ("XREADGROUP", "GROUP", "g", "c1", "STREAMS", "k", ">"),
                ("XREADGROUP", "GROUP", "g", "c1", "STREAMS", "k", "0"),
                ("XPENDING", "k", "g", "-", "+", 100),
                ("XADD", "k", "MAXLEN", 20, "*", "f", number),
                ("XDEL", "k", "10-0", "10-1", "12-2"),
                ("XTRIM", "k", "MINID", "9-2"),
                ("COPY", "k", "l", "REPLACE"),
                ("DUMP", "k"),
                ("XGROUP", "DESTROY", "k", "g"),
            ]
        )
        assert len(replies) == 15
        assert not isinstance(replies[13], Error)
        ours.ok("RESTORE", "k", 0, replies[13], "REPLACE")
    ours.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0)
    assert ours.cmd("PING") == "PONG"
    assert taken > 20  # else little was tried
