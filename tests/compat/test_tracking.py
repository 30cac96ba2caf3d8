# SPDX-License-Identifier: BSD-3-Clause
"""Client-side caching beside genuine servers: what each client hears at each step.

Ids of connections differ from server to server. A step that names one says @0, @1 or
@2, and so do replies here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.client import Error, Push, RawClient, Set
from support.differential import Step
from support.grammar import commands
from support.server import FastredisServer, GenuineServer, ServerProcess

END = b"<end of what this step has brought>"
CHANNEL = b"__redis__:invalidate"
TRANSACTION_MAX = 4  # commands

Act = tuple[int, list[Step]]  # who, and what is sent at once

SLOTS = {
    "key": st.sampled_from([b"a", b"b", b"ab", b"abc", b"c", b""]),
    "prefix": st.sampled_from([b"a", b"ab", b"b", b"", b"x y"]),
    "value": st.sampled_from([b"1", b"x", b"22"]),
    "id": st.sampled_from([b"@0", b"@1", b"@2", b"@2", b"0", b"99999", b"-1", b"x"]),
    "db": st.sampled_from([b"0", b"0", b"0", b"1"]),
}
JUNK = st.sampled_from([b"", b"junk", b"a"])

STATES = """
CLIENT TRACKING on
CLIENT TRACKING on
CLIENT TRACKING on NOLOOP
CLIENT TRACKING on OPTIN
CLIENT TRACKING on OPTOUT
CLIENT TRACKING on BCAST
CLIENT TRACKING on BCAST PREFIX <prefix> [PREFIX <prefix>] [NOLOOP]
CLIENT TRACKING on [BCAST] [OPTIN] [OPTOUT] [NOLOOP] [PREFIX <prefix>]
CLIENT TRACKING off
CLIENT CACHING YES|NO
CLIENT CACHING <value>
CLIENT GETREDIR
CLIENT TRACKINGINFO
RESET
"""
REDIRECTIONS = """
CLIENT TRACKING on REDIRECT <id>
CLIENT TRACKING on REDIRECT <id>
CLIENT TRACKING on REDIRECT <id> [BCAST] [NOLOOP] [OPTIN]
CLIENT TRACKING on [REDIRECT <id>] REDIRECT <id>
"""
READS = """
GET <key>
MGET <key>+
EXISTS <key>+
STRLEN <key>
TYPE <key>
TTL <key>
OBJECT ENCODING <value>
SINTERCARD 2 <key> <key>
SINTERCARD <value> <key> <key>
ZUNION 1 <key>
LCS <key> <key>
SORT_RO <key>
HGET <key> <value>
DBSIZE
"""
WRITES = """
SET <key> <value>
SET <key> <value> GET
MSET {<key> <value>}+
MSETNX {<key> <value>}+
INCR <key>
APPEND <key> <value>
DEL <key>+
GETDEL <key>
GETEX <key> PERSIST
EXPIREAT <key> 4102444807
EXPIREAT <key> 1
PERSIST <key>
RENAME <key> <key>
COPY <key> <key> REPLACE
MOVE <key> 1
SADD <key> <value>+
SREM <key> <value>
SUNIONSTORE <key> <key>
ZADD <key> 1 <value>
HSET <key> <value> <value>
LPUSH <key> <value>
RPOPLPUSH <key> <key>
SORT <key> STORE <key>
PFADD <key> <value>
SETBIT <key> 1 1
RESTORE <key> 0 junk
"""
OTHERS = """
SELECT <db>
MULTI
EXEC
EXEC
DISCARD
PING
nonsense
"""
FLUSHES = """
FLUSHALL
FLUSHDB
"""


def lines(*groups: str) -> list[str]:
    """Return the templates, the states more often than the other commands."""
    every = STATES * 2 + READS + WRITES + OTHERS + "".join(groups)
    return [line for line in every.splitlines() if line]


def heard(client: RawClient) -> list[Any]:
    """Return all that has come to a client."""
    client.send("PING", END)
    found = []
    while True:
        reply = client.read()
        if reply == END or (isinstance(reply, list) and reply[-1:] == [END]):
            return found
        found.append(reply)


class Play:
    """Connections to one server, and what they hear."""

    def __init__(self, server: ServerProcess, versions: Sequence[int]) -> None:
        self.clients = [
            RawClient(server.port, resp=resp, timeout=4) for resp in versions
        ]
        self.clients[0].cmd("FLUSHALL")
        self.ids = [b"%d" % client.cmd("CLIENT", "ID") for client in self.clients]
        for client in self.clients[2:]:
            client.cmd("SUBSCRIBE", CHANNEL)

    def close(self) -> None:
        """Close all."""
        for client in self.clients:
            client.close()

    def act(self, actor: int, steps: Sequence[Step]) -> list[list[Any]]:
        """Let one client act; return what each hears."""
        for step in steps:
            args = [self.ids[int(a[1:])] if a[:1] == b"@" else a for a in step]
            self.clients[actor].send(*args)
        # in two rounds: broadcasts come after the round that caused them
        own = heard(self.clients[actor]) + heard(self.clients[actor])
        return [
            [self._named(item) for item in (own if client == actor else heard(other))]
            for client, other in enumerate(self.clients)
        ]

    def _named(self, item: Any) -> Any:
        """Return a reply with ids named, and keys and flags in a certain order."""
        if isinstance(item, Push) and item[0] == b"invalidate" and item[1]:
            return ["push", b"invalidate", sorted(item[1])]
        if isinstance(item, list) and item[:2] == [b"message", CHANNEL] and item[2]:
            return [b"message", CHANNEL, sorted(item[2])]
        if isinstance(item, int) and b"%d" % item in self.ids:
            return f"@{self.ids.index(b'%d' % item)}"
        if isinstance(item, Push | list):
            return [type(item).__name__, *map(self._named, item)]
        if isinstance(item, Set):
            return sorted(item)
        if hasattr(item, "pairs"):
            return [(name, self._named(value)) for name, value in item.pairs]
        return repr(item) if isinstance(item, Error) else item


def _is_message(item: Any) -> bool:
    return isinstance(item, list) and item[0] in ("push", "Push", b"message")


def in_order(found: list[Any]) -> list[Any]:
    """Sort messages that come one after the other: of several prefixes, of a flush."""
    result: list[Any] = []
    run: list[Any] = []
    for item in found:
        if _is_message(item):
            run.append(item)
            continue
        result += [*sorted(run, key=repr), item]
        run = []
    return result + sorted(run, key=repr)


def apart(found: list[Any]) -> list[Any]:
    """Put the messages behind the replies.

    Redis 7.0 sends messages that the target of a redirection causes itself before,
    and even amidst, the reply; later versions behind it.
    """
    messages = [item for item in found if _is_message(item)]
    rest = [item for item in found if not _is_message(item)]
    return rest + sorted(messages, key=repr)


def acts(steps: Sequence[tuple[int, Step]]) -> list[Act]:
    """Gather transactions, which are sent as one: amidst one nothing can be heard.

    Left out: RESET, which changes the version of the protocol, and more than two
    prefixes at a time, of which Redis 7.0 refuses some and accepts them none the less.
    """
    gathered: list[Act] = []
    queue: list[Step] | None = None
    for actor, step in steps:
        name = step[0].upper()
        if name == b"RESET" or [a.upper() for a in step].count(b"PREFIX") > 2:
            continue
        if queue is not None:
            if name == b"MULTI":
                continue
            if name in (b"EXEC", b"DISCARD") or len(queue) > TRANSACTION_MAX:
                queue.append([b"DISCARD" if name == b"DISCARD" else b"EXEC"])
                queue = None
            else:
                queue.append(step)
        elif name == b"MULTI" and len(step) == 1:
            queue = [step]
            gathered.append((actor, queue))
        else:
            gathered.append((actor, [step]))
    if queue is not None:
        queue.append([b"EXEC"])
    return gathered


def compare(
    subject: ServerProcess,
    other: ServerProcess,
    versions: Sequence[int],
    script: Sequence[Act],
    level: Any,
) -> None:
    """Play a script on both servers and compare step by step."""
    mine, theirs = Play(subject, versions), Play(other, versions)
    try:
        for index, (actor, steps) in enumerate(script):
            own, genuine = mine.act(actor, steps), theirs.act(actor, steps)
            assert [level(found) for found in own] == [
                level(found) for found in genuine
            ], (actor, steps, script[: index + 1])
    finally:
        mine.close()
        theirs.close()


def scripts(groups: Sequence[str], actors: int) -> Any:
    """Return a strategy of steps with their actors."""
    steps = commands(lines(*groups), SLOTS, JUNK, 50)
    who = st.lists(st.integers(0, actors - 1), min_size=50, max_size=50)
    return st.tuples(who, steps).map(
        lambda drawn: acts(list(zip(*drawn, strict=False)))
    )


EXAMPLES = max(60, settings().max_examples // 4)


@pytest.fixture(params=["redis", "valkey"])
def genuine(request: pytest.FixtureRequest) -> GenuineServer:
    """Return one genuine server after the other."""
    found: GenuineServer = request.getfixturevalue(request.param)
    return found


@given(script=scripts([FLUSHES], 2))
@settings(max_examples=EXAMPLES)
def test_pushes_are_the_same_and_in_the_same_place(
    subject: FastredisServer, genuine: GenuineServer, script: list[Act]
) -> None:
    compare(subject, genuine, (3, 3), script, in_order)


@given(script=scripts([FLUSHES, REDIRECTIONS], 3))
@settings(max_examples=EXAMPLES)
def test_redirected_pushes_are_the_same(
    subject: FastredisServer, genuine: GenuineServer, script: list[Act]
) -> None:
    compare(subject, genuine, (3, 3, 3), script, apart)


@given(script=scripts([FLUSHES, REDIRECTIONS * 2], 2))
@settings(max_examples=EXAMPLES)
def test_redirected_messages_are_the_same(
    subject: FastredisServer, genuine: GenuineServer, script: list[Act]
) -> None:
    compare(subject, genuine, (2, 2, 2), script, apart)


@given(script=scripts([REDIRECTIONS], 2))
@settings(max_examples=EXAMPLES)
def test_messages_between_versions_are_the_same(
    subject: FastredisServer, genuine: GenuineServer, script: list[Act]
) -> None:
    compare(subject, genuine, (3, 2, 2), script, apart)


def test_connections_are_described_alike(
    subject: FastredisServer, redis: GenuineServer
) -> None:
    found = []
    for server in (subject, redis):
        play = Play(server, (3, 3, 3))
        shown = []
        try:
            for words in (
                "CLIENT TRACKING ON",
                "CLIENT TRACKING ON REDIRECT @1",
                "CLIENT TRACKING OFF",
                "CLIENT TRACKING ON BCAST PREFIX b PREFIX a REDIRECT @2",
            ):
                play.act(0, [words.encode().split()])
                line = str(play.clients[1].cmd("CLIENT", "LIST", "ID", play.ids[0]))
                flags = re.search(r"flags=(\w+)", line)
                redirect = re.search(r"redir=(-?\d+)", line)
                assert flags is not None
                assert redirect is not None
                redirected = redirect[1].encode()
                if redirected in play.ids:
                    redirected = b"@%d" % play.ids.index(redirected)
                shown.append((words, "".join(sorted(flags[1])), redirected))
        finally:
            play.close()
        found.append(shown)
    assert found[0] == found[1]
