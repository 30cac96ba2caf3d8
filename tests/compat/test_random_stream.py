# SPDX-License-Identifier: BSD-3-Clause
"""Random stream commands, compared with genuine servers.

Ids are given, never made from the clock, so that they are the same everywhere; small
limits make streams of many nodes. At the end all of every stream is read, as further
steps of the example. What Redis has changed since the servers that are at hand is
levelled: how far a group is behind after XDEL, and the ids that `+` stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.client import Map
from support.differential import CONTAINERS, LEVELLERS, Contest, Step, contest
from support.grammar import commands
from support.server import FastredisServer, GenuineServer

KEYS = [b"a", b"b", b"str"]
IDS = [b"%d-%d" % (ms, seq) for ms in range(1, 9) for seq in range(4)]
ODD_IDS = [
    b"0",
    b"3",
    b"7",
    b"0-0",
    b"5-*",
    b"9-*",
    b"007-1",
    b"+5-1",
    b"x",
    b"1-",
    b"-1",
]
ODD_IDS += [b"18446744073709551615-18446744073709551615", b"18446744073709551616"]
ENDS = [b"-", b"+", b"-", b"+", b"(1-1", b"(3", b"(0-0", b"3", b"6"]
VALUES = [b"x", b"", b"1", b"-5", b"70000", b"007", b"v" * 70, b"w" * 300, b"\xff\r\n"]
VALUES += [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808"]
MASKED = {b"idle", b"inactive", b"seen-time", b"active-time", b"lag", b"entries-read"}
MASKED |= {b"radix-tree-nodes"}

ids = st.sampled_from(IDS * 2 + ODD_IDS)
SLOTS = {
    "key": st.sampled_from(KEYS[:2] * 6 + KEYS[2:]),
    "id": ids,
    "new": st.just(b">"),
    "newid": st.one_of(ids, st.integers(1, 40).map(b"%d-*".__mod__)),
    "end": st.one_of(ids, st.sampled_from(ENDS)),
    "field": st.sampled_from([b"f", b"f", b"f", b"g", b"12", b""]),
    "value": st.sampled_from(VALUES),
    "n": st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"10", b"-1", b"x"]),
    "group": st.sampled_from([b"g", b"g", b"g", b"h", b"nog"]),
    "who": st.sampled_from([b"c1", b"c1", b"c2", b"c3"]),
    "idle": st.sampled_from([b"0", b"0", b"0", b"-1", b"100000000", b"x"]),
}
JUNK = st.sampled_from(
    [b"COUNT", b"MAXLEN", b"~", b"1", b"junk", b"", b"STREAMS", b"*"]
)

LINES = """
SET str text
XADD <key> <newid> <field> <value> [<field> <value>]
XADD <key> <newid> <field> <value>
XADD <key> <newid> f <value> g <value>
XADD <key> NOMKSTREAM <newid> <field> <value>
XADD <key> MAXLEN [=|~] <n> [LIMIT <n>] <newid> <field> <value>
XADD <key> MINID [=|~] <id> [LIMIT <n>] <newid> <field> <value>
XTRIM <key> MAXLEN [=|~] <n> [LIMIT <n>]
XTRIM <key> MINID [=|~] <id> [LIMIT <n>]
XDEL <key> <id>+
XLEN <key>
XRANGE <key> <end> <end> [COUNT <n>]
XREVRANGE <key> <end> <end> [COUNT <n>]
XRANGE <key> - + [COUNT <n>]
XREVRANGE <key> + - [COUNT <n>]
XREAD [COUNT <n>] STREAMS <key> {<id>|$}
XREAD [COUNT <n>] STREAMS <key> <key> <id> <id>
XREAD COUNT <n> BLOCK 1 STREAMS <key> {<id>|$|<new>}
XSETID <key> <id> [ENTRIESADDED <n>] [MAXDELETEDID <id>]
XGROUP CREATE <key> <group> {<id>|$|0} [MKSTREAM] [ENTRIESREAD <n>]
XGROUP CREATE <key> g 0 MKSTREAM
XGROUP SETID <key> <group> {<id>|$|-|+} [ENTRIESREAD <n>]
XGROUP DESTROY <key> h
XGROUP CREATECONSUMER <key> <group> <who>
XGROUP DELCONSUMER <key> <group> <who>
XREADGROUP GROUP <group> <who> [COUNT <n>] [NOACK] STREAMS <key> <new>
XREADGROUP GROUP g <who> COUNT <n> STREAMS <key> <new>
XREADGROUP GROUP <group> <who> [COUNT <n>] STREAMS <key> {<id>|0|$|+}
XREADGROUP GROUP g <who> COUNT <n> STREAMS <key> <key> {<new>|<id>} {<new>|<id>}
XREADGROUP GROUP g <who> BLOCK 1 STREAMS <key> <new>
XACK <key> <group> <id>+
XPENDING <key> <group>
XPENDING <key> <group> [IDLE <idle>] <end> <end> <n> [<who>]
XCLAIM <key> <group> <who> <idle> <id>+ [JUSTID] [FORCE] [RETRYCOUNT <n>]
XCLAIM <key> g <who> 0 <id>+ {IDLE 5|TIME 5|FORCE|LASTID <id>}
XAUTOCLAIM <key> <group> <who> <idle> <end> [COUNT <n>] [JUSTID]
XINFO STREAM <key> [FULL [COUNT <n>]]
XINFO GROUPS <key>
XINFO CONSUMERS <key> <group>
DEL <key>
COPY <key> <key> REPLACE
RENAME <key> <key>
OBJECT ENCODING <key>
"""
TEMPLATES = LINES.strip().splitlines()
EXAMPLES = max(40, settings().max_examples // 2)  # more in a long run
STEPS = 50


def _masked(reply: Any) -> Any:
    """Leave out times, and what newer servers count otherwise."""
    if isinstance(reply, Map):
        return Map(
            [
                (name, None if name in MASKED else _masked(value))
                for name, value in reply.pairs
            ]
        )
    if not isinstance(reply, list):
        return reply
    # of what is pending: id, consumer, time, deliveries
    if len(reply) in (3, 4) and isinstance(reply[-1], int):
        return [*reply[:-2], reply[-1]]
    found = [_masked(item) for item in reply]
    for place in range(0, len(found) - 1, 2):
        if isinstance(found[place], bytes) and found[place] in MASKED:
            found[place + 1] = None
    return found


def _xinfo(reply: Any, _step: Step) -> Any:
    return _masked(reply)


def _error_of_xread(reply: Any, _step: Step) -> Any:
    """Give the error that names `+`, too, the text of older servers."""
    if isinstance(reply, str):
        return type(reply)(str(reply).replace("an ID, '+', or '$'", "an ID or '$'"))
    return reply


CONTAINERS.add(b"XINFO")
LEVELLERS.update(
    {
        b"XINFO STREAM": _xinfo,
        b"XINFO GROUPS": _xinfo,
        b"XINFO CONSUMERS": _xinfo,
        b"XPENDING": _xinfo,
        b"XREAD": _error_of_xread,
    }
)


def with_values(steps: list[Step]) -> list[Step]:
    """Read all of every stream at the end."""
    looks: list[Step] = []
    for key in KEYS:
        looks += [
            (b"XRANGE", key, b"-", b"+"),
            (b"XREVRANGE", key, b"+", b"-"),
            (b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"),
        ]
    return steps + looks


some_steps = commands(TEMPLATES, SLOTS, JUNK, STEPS).map(with_values)


@pytest.fixture(scope="module", params=[(4096, 100), (4096, 3), (120, 0)], ids=str)
def streams(request: Any) -> Iterator[Contest]:
    """Set fastredis beside Valkey, with limits on the size of nodes."""
    nbytes, entries = request.param
    options = {"stream_node_max_bytes": nbytes, "stream_node_max_entries": entries}
    with (
        FastredisServer(**options) as subject,
        GenuineServer("valkey", **options) as valkey,
        contest(subject, [valkey]) as held,
    ):
        yield held


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=some_steps)
@settings(max_examples=EXAMPLES)
def test_streams_same_as_valkey(streams: Contest, resp: int, steps: list[Step]) -> None:
    streams.run(steps, resp)
