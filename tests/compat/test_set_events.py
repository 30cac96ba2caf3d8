# SPDX-License-Identifier: BSD-3-Clause
"""Keyspace notifications of set and bitmap commands beside a genuine server's."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.client import RawClient
from support.seeds import seeds
from support.server import FastredisServer, GenuineServer, ServerProcess

STEPS = 400
END = b"__keyevent@0__:end"


class Listener:
    """A server's events, by the commands that caused them."""

    def __init__(self, server: ServerProcess) -> None:
        self.client: RawClient = server.client(3)
        self.events: RawClient = server.client(2)
        self.client.ok("CONFIG", "SET", "notify-keyspace-events", "KEA")
        self.client.ok("FLUSHALL")
        self.events.cmd("PSUBSCRIBE", "__keyevent@0__:*")

    def play(self, step: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
        """Execute a command; return its events with their keys."""
        self.client.cmd(*step)
        self.client.cmd("PUBLISH", END, "end")
        found = []
        while True:
            message: Any = self.events.read()
            _, _, channel, key = message
            if channel == END:
                return found
            found.append((channel, key))


def any_step(rng: random.Random) -> tuple[str, ...]:
    """Return a command whose effect is no matter of chance."""
    a, b, c = (rng.choice("abc") for _ in range(3))
    s, t, u = (rng.choice("stu") for _ in range(3))
    m, n = (rng.choice("123xyz") for _ in range(2))
    bit, value = str(rng.randrange(40)), str(rng.randrange(2))
    incr = ("INCRBY", "u2", bit, "1", "GET", "u8", "0")
    return rng.choice(
        [
            ("SADD", a, m, n),
            ("SADD", a, m),
            ("SREM", a, m, n),
            ("SPOP", a, rng.choice(["0", "100"])),
            ("SMOVE", a, b, m),
            (rng.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]), a, b, c),
            ("DEL", rng.choice([a, s])),
            ("SETBIT", s, bit, value),
            ("BITOP", rng.choice(["AND", "OR", "XOR"]), s, t, u),
            ("BITOP", "NOT", s, t),
            ("BITFIELD", s, "SET", "u3", bit, value),
            ("BITFIELD", s, "OVERFLOW", "FAIL", *incr),
            ("BITFIELD", s, "GET", "u8", "0"),
        ]
    )


@pytest.mark.parametrize("seed", seeds(2))
def test_same_events(
    subject: FastredisServer, valkey: GenuineServer, seed: int
) -> None:
    rng = random.Random(seed)
    listeners = [Listener(subject), Listener(valkey)]
    steps, seen = [], set[bytes]()
    for _ in range(STEPS):
        steps.append(any_step(rng))
        mine, theirs = (listener.play(steps[-1]) for listener in listeners)
        assert mine == theirs, steps
        seen |= {channel for channel, _ in mine}
    names = {name.rpartition(b":")[2] for name in seen}
    assert {b"sadd", b"srem", b"spop", b"del", b"setbit", b"set"} <= names
    assert {b"sinterstore", b"sunionstore", b"sdiffstore"} <= names
    for server in (subject, valkey):
        server.close_clients()
