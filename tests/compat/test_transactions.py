# SPDX-License-Identifier: BSD-3-Clause
"""Transactions beside genuine servers: replies, and what is left in the databases."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step
from support.grammar import commands

KEYS = [b"a", b"b", b"c", b"{t}1"]
SLOTS = {
    "key": st.sampled_from(KEYS),
    "value": st.sampled_from([b"", b"x", b"5", b"-7", b"hello", b"w" * 100]),
    "int": st.sampled_from([b"1", b"-3", b"99", b"x"]),
    "db": st.sampled_from([b"0", b"1", b"2"]),
}
JUNK = st.sampled_from([b"", b"junk", b"a"])

# MULTI within MULTI is left to the unit tests: the servers differ about it.
TRANSACTIONS = """
MULTI
EXEC
EXEC
DISCARD
WATCH <key>+
UNWATCH
"""
REST = """
GET <key>
SET <key> <value>
SET <key> <value> [NX|XX] [GET]
SET <key> <value> EXAT 4102444807
INCRBY <key> <int>
APPEND <key> <value>
MSET {<key> <value>}+
DEL <key>+
EXISTS <key>+
RENAME <key> <key>
COPY <key> <key> [DB <db>] [REPLACE]
MOVE <key> <db>
EXPIREAT <key> 4102444807 [NX|XX]
PERSIST <key>
SELECT <db>
FLUSHDB
SWAPDB <db> <db>
PING [<value>]
ECHO
nonsense <value>
CONFIG nonsense
RESET
"""


def lines() -> list[str]:
    """Return the templates, those of transactions four times as often."""
    return TRANSACTIONS.strip().splitlines() * 4 + REST.strip().splitlines()


def without_nesting(steps: list[Step]) -> list[Step]:
    """Leave out MULTI and WATCH within a transaction."""
    kept = []
    is_open = False
    for step in steps:
        name = step[0].upper()
        if is_open and name in (b"MULTI", b"WATCH"):
            continue
        if name == b"MULTI" and len(step) == 1:
            is_open = True
        elif (name in (b"DISCARD", b"RESET") and len(step) == 1) or name == b"EXEC":
            is_open = False
        kept.append(step)
    return kept


steps = commands(lines(), SLOTS, JUNK, 60).map(without_nesting)


@pytest.mark.parametrize("resp", [2, 3])
@given(played=steps)
@settings(max_examples=max(200, settings().max_examples))
def test_same_as_one_of_both(with_both: Contest, resp: int, played: Any) -> None:
    with_both.run(played, resp)


@pytest.mark.parametrize("resp", [2, 3])
def test_replies_that_redis_gives(with_both: Contest, resp: int) -> None:
    played: list[Step] = [
        (b"EXEC",),
        (b"DISCARD",),
        (b"MULTI",),
        (b"EXEC", b"x"),
        (b"EXEC",),
        (b"MULTI", b"x"),
        (b"MULTI",),
        (b"DISCARD", b"x"),
        (b"GET",),
        (b"DISCARD",),
        (b"MULTI",),
        (b"SSUBSCRIBE", b"a"),
        (b"CLIENT", b"ID", b"x"),
        (b"EXEC",),
        (b"WATCH",),
        (b"UNWATCH", b"x"),
        (b"PUBLISH", b"a"),
        (b"PUBLISH", b"a", b"b"),
        (b"PUBSUB",),
        (b"PUBSUB", b"nonsense"),
        (b"PUBSUB", b"NUMPAT", b"x"),
        (b"PUBSUB", b"CHANNELS", b"x", b"y"),
        (b"PUBSUB", b"shardchannels", b"x", b"y"),
        (b"PUBSUB", b"NUMSUB"),
        (b"PUBSUB", b"SHARDNUMSUB", b"a", b"b"),
        (b"SUBSCRIBE",),
        (b"SPUBLISH", b"a"),
    ]
    with_both.run(played, resp)
