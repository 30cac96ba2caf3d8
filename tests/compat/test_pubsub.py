# SPDX-License-Identifier: BSD-3-Clause
"""What subscribers hear, beside genuine servers: messages and keyspace events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.client import Error, Push, RawClient
from support.differential import Step
from support.grammar import commands
from support.server import FastredisServer, GenuineServer, ServerProcess

END = b"<end of what this step has brought>"

CHANNELS = [b"a", b"b", b"ab", b"news.1", b""]
SLOTS = {
    "name": st.sampled_from(CHANNELS),
    "pattern": st.sampled_from([b"*", b"a*", b"?", b"news.[0-4]", b"a"]),
    "text": st.sampled_from([b"", b"hello", b"\r\n\x00", b"x" * 20_000]),
    "key": st.sampled_from([b"a", b"b", b"c", b"d"]),
    "value": st.sampled_from([b"1", b"x", b"22", b""]),
    "int": st.sampled_from([b"1", b"-3", b"x"]),
    "far": st.sampled_from([b"4102444807", b"4102445807"]),
}
JUNK = st.sampled_from([b"", b"junk"])

SUBSCRIBERS = """
SUBSCRIBE <name>+
PSUBSCRIBE <pattern>+
SSUBSCRIBE <name>+
UNSUBSCRIBE <name>+
PUNSUBSCRIBE <pattern>+
SUNSUBSCRIBE <name>+
PUBLISH <name> <text>
SPUBLISH <name> <text>
PUBSUB NUMSUB <name>+
PUBSUB SHARDNUMSUB <name>+
PUBSUB NUMPAT
PUBSUB nonsense
PING [<text>]
GET <key>
"""

CHANGES = """
SET <key> <value>
SET <key> <value> [NX|XX] [GET] [EXAT <far>|KEEPTTL]
SETNX <key> <value>
SETEX <key> 1000000 <value>
GETSET <key> <value>
GETDEL <key>
GETEX <key> [EXAT <far>|PERSIST]
MSET {<key> <value>}+
MSETNX {<key> <value>}+
APPEND <key> <value>
SETRANGE <key> 2 <value>
INCRBY <key> <int>
DECR <key>
INCRBYFLOAT <key> <int>
DEL <key>+
UNLINK <key>+
RENAME <key> <key>
RENAMENX <key> <key>
COPY <key> <key> [DB 1] [REPLACE]
MOVE <key> 1
EXPIREAT <key> <far> [NX|XX|GT|LT]
PERSIST <key>
GET <key>
MGET <key>+
EXISTS <key>+
TYPE <key>
TTL <key>
STRLEN <key>
TOUCH <key>+
GETRANGE <key> 0 1
OBJECT ENCODING <key>
FLUSHDB
MULTI
EXEC
"""


def heard(client: RawClient) -> list[Any]:
    """Return all that has come to a client."""
    client.send("PING", END)
    found = []
    while True:
        reply = client.read()
        if reply == END or (isinstance(reply, list) and reply[-1:] == [END]):
            return found
        found.append(list(reply) if isinstance(reply, Push | list) else reply)


def play(server: ServerProcess, steps: Sequence[tuple[int, Step]]) -> list[Any]:
    """Let two subscribers and a publisher act; return what all hear at each step."""
    clients = [
        RawClient(server.port, resp=2),
        RawClient(server.port, resp=3),
        RawClient(server.port, resp=3),
    ]
    played = []
    try:
        for actor, step in steps:
            clients[actor].send(*step)
            played.append([heard(client) for client in clients])
    finally:
        for client in clients:
            client.close()
    return played


def _unordered(message: Any) -> Any:
    return repr(message)


def level(step: Step, played: Any) -> Any:
    """Sort what comes in no certain order: pmessages of several patterns, and, since
    Redis 7.2, a message to oneself and the reply of the command that caused it."""
    if step[0].upper() in (b"PUBLISH", b"SPUBLISH"):
        return [sorted(found, key=_unordered) for found in played]
    return played


actors = st.integers(0, 2)
one_step = commands(SUBSCRIBERS.strip().splitlines(), SLOTS, JUNK, 40)


@given(steps=one_step, who=st.lists(actors, min_size=40, max_size=40))
@settings(max_examples=max(60, settings().max_examples // 4))
def test_subscribers_hear_the_same(
    subject: FastredisServer, valkey: GenuineServer, steps: list[Step], who: list[int]
) -> None:
    script = list(zip(who, steps, strict=False))
    mine, theirs = play(subject, script), play(valkey, script)
    for (actor, step), own, other in zip(script, mine, theirs, strict=True):
        assert level(step, own) == level(step, other), (actor, step)


def events(
    server: ServerProcess, steps: Sequence[Step], letters: str
) -> list[list[tuple[bytes, bytes]]]:
    """Return the channels and texts of the events of each step."""
    found = []
    with RawClient(server.port) as client, RawClient(server.port, resp=3) as listener:
        client.ok("FLUSHALL")
        client.ok("CONFIG", "SET", "notify-keyspace-events", letters)
        listener.send("PSUBSCRIBE", "__key*")
        listener.read()
        for step in steps:
            reply = client.cmd(*step)
            told = [(message[2], message[3]) for message in heard(listener)]
            found.append(
                [*told, (b"failed", b"")] if isinstance(reply, Error) else told
            )
        client.cmd("DISCARD")
        client.ok("CONFIG", "SET", "notify-keyspace-events", "")
    return found


@pytest.mark.parametrize("letters", ["KEA", "KEAnm", "Kg", "E$n"])
@given(steps=commands(CHANGES.strip().splitlines(), SLOTS, JUNK, 50))
@settings(max_examples=max(60, settings().max_examples // 4))
def test_changes_cause_the_same_events(
    subject: FastredisServer, redis: GenuineServer, letters: str, steps: list[Step]
) -> None:
    mine, theirs = (events(server, steps, letters) for server in (subject, redis))
    for index, step in enumerate(steps):
        assert mine[index] == theirs[index], (step, steps[: index + 1])
