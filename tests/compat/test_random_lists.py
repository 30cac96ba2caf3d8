# SPDX-License-Identifier: BSD-3-Clause
"""Random list commands, compared with genuine servers.

Small limits make quicklists of short lists, so that nodes are parted, joined and
compressed. The keys' values are read at the end, as further steps of the example.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step, contest
from support.grammar import commands
from support.server import FastredisServer, GenuineServer

KEYS = [b"a", b"b", b"c", b"str"]
SHORT = [b"x", b"y", b"", b"1", b"-1", b"007", b"12345678901234567890", b"x y\r\n"]
LONG = [b"v" * 43, b"w" * 100, b"z" * 5000, b"q" * 20000, b"\xff\x00" * 40]
ODD = [b"", b"x", b"1.5", b" 1", b"9223372036854775808", b"-9223372036854775809"]
INTEGERS = [0, 1, -1, 2, -2, 3, 5, -5, 10, 100, -100, 2**31, 2**63 - 1, -(2**63) + 1]

integers = st.one_of(
    st.integers(-6, 6).map(lambda n: b"%d" % n),
    st.sampled_from([b"%d" % n for n in INTEGERS]),
    st.sampled_from(ODD),
)
SLOTS = {
    "key": st.sampled_from(KEYS[:3] * 5 + KEYS[3:]),
    "value": st.one_of(
        st.sampled_from(SHORT * 3 + LONG), st.integers(-300, 300).map(b"%d".__mod__)
    ),
    "int": integers,
    "time": st.sampled_from(
        [b"0.01", b"0.001", b".002", b"-1", b"x", b"1e300", b"inf"]
    ),
}
JUNK = st.sampled_from([b"LEFT", b"COUNT", b"1", b"0", b"junk", b"", b"AFTER", b"a"])

LINES = """
SET str text
RPUSH <key> <value>+
LPUSH <key> <value>+
RPUSH <key> <value> <value> <value> <value>+
RPUSH <key> <value>+ <value>+ <value>+ <value>+
LPUSHX <key> <value>+
RPUSHX <key> <value>+
LPOP <key> [<int>]
RPOP <key> [<int>]
LPOP <key>
RPOP <key>
LLEN <key>
LINDEX <key> <int>
LINSERT <key> {BEFORE|AFTER|junk} <value> <value>
LINSERT <key> {BEFORE|AFTER} <value> <value>
LRANGE <key> <int> <int>
LSET <key> <int> <value>
LREM <key> <int> <value>
LTRIM <key> <int> <int>
LPOS <key> <value> [RANK <int>] [COUNT <int>] [MAXLEN <int>]
LMOVE <key> <key> {LEFT|RIGHT} {LEFT|RIGHT}
LMOVE <key> <key> {LEFT|RIGHT|junk} {LEFT|RIGHT|junk}
RPOPLPUSH <key> <key>
LMPOP {1|2|3|<int>} <key>+ {LEFT|RIGHT} [COUNT <int>] [COUNT <int>]
LMPOP 2 <key> <key> {LEFT|RIGHT} [COUNT <int>]
BLPOP <key>+ <time>
BRPOP <key>+ <time>
BLMOVE <key> <key> {LEFT|RIGHT} {LEFT|RIGHT} <time>
BRPOPLPUSH <key> <key> <time>
BLMPOP <time> {1|2} <key>+ {LEFT|RIGHT} [COUNT <int>]
DEL <key>
COPY <key> <key> REPLACE
RENAME <key> <key>
OBJECT ENCODING <key>
"""
TEMPLATES = LINES.strip().splitlines()
EXAMPLES = max(40, settings().max_examples // 2)  # more in a long run
STEPS = 40


def with_values(steps: list[Step]) -> list[Step]:
    """Read every list at the end, in both directions of the walk."""
    looks = []
    for key in KEYS:
        looks += [(b"LRANGE", key, b"0", b"-1"), (b"LINDEX", key, b"-1")]
    return steps + looks


some_steps = commands(TEMPLATES, SLOTS, JUNK, STEPS).map(with_values)


@pytest.fixture(
    scope="module", params=[(-2, 0), (-1, 1), (3, 0), (2, 1), (1, 2)], ids=str
)
def lists(request: Any) -> Iterator[Contest]:
    """Set fastredis beside Valkey, with limits on the size of lists and nodes."""
    fill, depth = request.param
    options = {"list_max_listpack_size": fill, "list_compress_depth": depth}
    with (
        FastredisServer(**options) as subject,
        GenuineServer("valkey", **options) as valkey,
        contest(subject, [valkey]) as held,
    ):
        yield held


@pytest.fixture(scope="module")
def lists_of_both() -> Iterator[Contest]:
    """Set fastredis beside both; Redis 7.0 has no short lists, so without encodings."""
    with (
        FastredisServer() as subject,
        GenuineServer("valkey") as valkey,
        GenuineServer("redis") as redis,
        contest(subject, [valkey, redis], encodings=False) as held,
    ):
        yield held


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=some_steps)
@settings(max_examples=EXAMPLES)
def test_lists_same_as_valkey(lists: Contest, resp: int, steps: list[Step]) -> None:
    lists.run(steps, resp)


@given(steps=some_steps)
@settings(max_examples=EXAMPLES)
def test_lists_same_as_one_of_both(lists_of_both: Contest, steps: list[Step]) -> None:
    lists_of_both.run(steps, 2)
