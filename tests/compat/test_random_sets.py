# SPDX-License-Identifier: BSD-3-Clause
"""Random set commands to fastredis and a genuine server, at small and usual limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step, contest
from support.grammar import commands
from support.server import FastredisServer, GenuineServer

INT64_MAX = 2**63 - 1
KEYS = [b"s", b"t", b"u", b"v", b"", b"\x00\xff\r\n"]
TEXTS = [b"", b"a", b"b", b"c", b"hello", b"\x00\xff\r\n", b"01", b"-0", b"+1", b"1.5"]
TEXTS += [b"x" * n for n in (15, 16, 17, 32, 63, 64, 65, 112, 128, 254, 255, 300)]
NUMBERS = [0, 1, 2, 3, 10, -1, 2**15 - 1, 2**15, -(2**15), -(2**15) - 1, 2**31 - 1]
NUMBERS += [2**31, -(2**31), -(2**31) - 1, INT64_MAX, -INT64_MAX - 1, INT64_MAX + 1]
COUNTS = [0, 1, 2, 5, -1, -3, 100, 2**31, INT64_MAX, INT64_MAX + 1, -INT64_MAX - 1]
ODD = [b"", b"abc", b"1.5", b" 1", b"01"]
PATTERNS = [b"*", b"?", b"x*", b"[0-9]*", b"1*", b"-*", b"", b"**", b"h?llo"]


def _numbers(values: list[int]) -> Any:
    return st.sampled_from([b"%d" % value for value in values])


members = st.one_of(
    st.sampled_from(TEXTS),
    _numbers(NUMBERS),
    st.integers(-20, 60).map(lambda n: b"%d" % n),
    st.integers(0, 40).map(lambda n: b"member:%d" % n),
)
SLOTS = {
    "key": st.sampled_from(KEYS[:4] * 4 + KEYS),
    "member": members,
    "all": st.sampled_from([b"100000", b"%d" % INT64_MAX, b"0", b"-1", b"x"]),
    "draw": st.one_of(
        _numbers([n for n in COUNTS if abs(n) < 1000 or abs(n) > INT64_MAX]),
        st.sampled_from(ODD),
    ),
    "n": st.one_of(_numbers([1, 2, 2, 3, 0, -1, 4, INT64_MAX]), st.sampled_from(ODD)),
    "limit": st.one_of(_numbers(COUNTS), st.sampled_from(ODD)),
    "pattern": st.sampled_from(PATTERNS),
    "cursor": st.sampled_from([b"0", b"7", b"x1", b"-1x", b""]),
    "count": st.sampled_from([b"1", b"10", b"1000", b"0", b"-1", b"x"]),
}
JUNK = st.one_of(members, st.sampled_from([b"LIMIT", b"COUNT", b"0", *KEYS]))

TEMPLATES = """
SADD <key> <member>+
SADD <key> <member>+
SADD <key> <member> <member> <member> <member>+
SREM <key> <member>+
SCARD <key>
SISMEMBER <key> <member>
SMISMEMBER <key> <member>+
SMEMBERS <key>
SPOP <key> <all>
SPOP <key> <all> <all>
SRANDMEMBER <key> [<draw>]
SRANDMEMBER <key> <draw> <draw>
SMOVE <key> <key> <member>
SINTER <key>+
SINTERSTORE <key> <key>+
SINTERCARD <n> <key> [<key>] [<key>] [LIMIT <limit>] [LIMIT <limit>|<member>]
SUNION <key>+
SUNIONSTORE <key> <key>+
SDIFF <key>+
SDIFFSTORE <key> <key>+
SSCAN <key> 0 COUNT 1000 [MATCH <pattern>]
SSCAN <key> <cursor> [MATCH <pattern>] [COUNT <count>] [MATCH|COUNT|TYPE set|<member>]
SET <key> text
DEL <key>
COPY <key> <key> [REPLACE]
RENAME <key> <key>
EXPIRE <key> 1000000
OBJECT ENCODING <key>
TYPE <key>
SCAN 0 COUNT 5000 TYPE {set|SET|string}
""".strip().splitlines()


def _limits(intset: int, entries: int, length: int) -> list[Step]:
    values = {b"intset-entries": intset, b"listpack-entries": entries}
    values[b"listpack-value"] = length
    return [
        (b"CONFIG", b"SET", b"set-max-" + name, b"%d" % n) for name, n in values.items()
    ]


def _fill(key: bytes, first: int, count: int, prefix: bytes) -> Step:
    names = (b"%b%d" % (prefix, n) for n in range(first, first + count))
    return (b"SADD", key, *names)


limits = st.one_of(
    st.just(_limits(512, 128, 64)),
    st.builds(
        _limits,
        st.sampled_from([0, 1, 3, 8]),
        st.sampled_from([0, 1, 4, 9]),
        st.sampled_from([0, 1, 5, 20]),
    ),
)
fills = st.lists(
    st.builds(
        _fill,
        st.sampled_from(KEYS[:4]),
        st.sampled_from([-5, 0, 30, 100]),
        st.sampled_from([3, 20, 127, 128, 129, 511, 512, 513, 700]),
        st.sampled_from([b"", b"", b"member:"]),
    ),
    max_size=4,
)
steps = st.tuples(limits, fills, commands(TEMPLATES, SLOTS, JUNK, 40)).map(
    lambda parts: [step for part in parts for step in part]
)
EXAMPLES = max(250, settings().max_examples)


@pytest.fixture(scope="module")
def sets(subject: FastredisServer, valkey: GenuineServer) -> Iterator[Contest]:
    """Set fastredis beside Valkey, which has the same three encodings."""
    with contest(subject, [valkey]) as held:
        yield held


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=steps)
@settings(max_examples=EXAMPLES)
def test_sets_same_as_valkey(sets: Contest, resp: int, steps: list[Step]) -> None:
    sets.run(steps, resp)
