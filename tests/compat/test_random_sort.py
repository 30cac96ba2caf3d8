# SPDX-License-Identifier: BSD-3-Clause
"""Random SORT commands on lists and sets, compared with genuine servers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step, contest
from support.grammar import commands
from support.server import FastredisServer, GenuineServer

NUMBERS = [b"1", b"2", b"10", b"-1", b"1.5", b"-0", b"1e3", b"+4", b"0x10", b" 7"]
NUMBERS += [b"1e-400", b"inf", b"-inf", b""]
WORDS = [b"a", b"b", b"c", b"d", b"word", b"Word", b"w1", b"\xff", b"nan", b"1 "]
PATTERNS = [b"w_*", b"h_*->f", b"h_*->none", b"nosort", b"#", b"*", b"x*y", b"w_*->"]
PATTERNS += [b"h_*->f->g", b"**", b"->*", b"w_"]

SLOTS = {
    "key": st.sampled_from([b"l", b"s", b"z", b"none", b"text"]),
    "number": st.sampled_from(NUMBERS),
    "value": st.sampled_from(NUMBERS * 2 + WORDS),
    "pattern": st.sampled_from(PATTERNS),
    "int": st.sampled_from([b"0", b"1", b"2", b"-1", b"5", b"100", b"-7", b"x"]),
    "weight": st.sampled_from([b"w_a", b"w_b", b"w_1", b"w_2", b"w_10", b"xay"]),
    "hash": st.sampled_from([b"h_a", b"h_1", b"h_2", b"h_10"]),
}
JUNK = st.sampled_from([b"ASC", b"BY", b"STORE", b"LIMIT", b"l", b""])
LINES = """
RPUSH l <number>+
RPUSH l <value>+
SADD s <number>+
SADD s <value>+
ZADD z 1 <value> 2 <value> 3 <number>
SET <weight> <value>
SET <weight> <number>
HSET <hash> f <number>
SET text x
SORT <key> [ALPHA] [ASC|DESC]
SORT <key> [ALPHA] [ASC|DESC] LIMIT <int> <int>
SORT <key> [BY <pattern>] [ALPHA] [DESC] [GET <pattern>] [GET <pattern>]
SORT {l|z} [BY <pattern>] [LIMIT <int> <int>] [DESC] [GET <pattern>]
SORT_RO <key> [BY <pattern>] [ALPHA] [GET #]
SORT <key> [BY <pattern>] [ALPHA] [GET <pattern>] STORE {dst|l}
"""
TEMPLATES = LINES.strip().splitlines()
EXAMPLES = max(600, settings().max_examples)  # many more in a long run


def settled(step: Step) -> bool:
    """Tell whether the order of the reply does not depend on chance.

    Members of sets that are not sorted come in any order, as do equal texts.
    """
    words = [word.upper() for word in step]
    if not words or words[0] not in (b"SORT", b"SORT_RO"):
        return True
    if words.count(b"BY") > 0 and b"ALPHA" in words:
        return False
    unsorted = any(a == b"BY" and b"*" not in b for a, b in pairwise(words))
    return not (unsorted and b"S" in words[1:2])


def without_chance(steps: list[Step]) -> list[Step]:
    """Leave out what servers may answer differently; look at what was stored."""
    looks = [(b"LRANGE", key, b"0", b"-1") for key in (b"dst", b"l")]
    return [step for step in steps if settled(step)] + looks


some_steps = commands(TEMPLATES, SLOTS, JUNK, 30).map(without_chance)


@pytest.fixture(scope="module")
def with_both() -> Iterator[Contest]:
    """Set fastredis beside both; Redis 7.0 has other encodings."""
    with (
        FastredisServer() as subject,
        GenuineServer("valkey") as valkey,
        GenuineServer("redis") as redis,
        contest(subject, [valkey, redis], encodings=False) as held,
    ):
        yield held


@given(steps=some_steps)
@settings(max_examples=EXAMPLES)
def test_sort_same_as_one_of_both(with_both: Contest, steps: list[Step]) -> None:
    with_both.run(steps, 2)
