# SPDX-License-Identifier: BSD-3-Clause
"""Random commands to fastredis and to genuine servers: same replies, same state."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step
from support.grammar import Relative, commands

# --- What arguments look like ------------------------------------------------------

INT64_MAX = 2**63 - 1
INTEGERS = [0, 1, -1, 2, 7, 10, 100, -100, 9999, 10000, 2**31 - 1, 2**31, -(2**31) - 1]
INTEGERS += [INT64_MAX, INT64_MAX - 1, INT64_MAX + 1, -INT64_MAX, -INT64_MAX - 1]
INTEGERS += [-INT64_MAX - 2, 2**64 - 1, 2**64, 10**18, -(10**18), 10**25]
ODD_INTEGERS = [b"", b"-", b"+1", b"01", b"-0", b" 1", b"1 ", b"1.0", b"0x10", b"1e3"]
ODD_INTEGERS += [b"abc", b"1\x00", b"\xff", b"9" * 40]
FLOATS = [b"0", b"1.5", b"-1.5", b"3.0e3", b"0.1", b"1e-5", b"5e-20", b"1e17", b"1e300"]
FLOATS += [b"123456789.123456789", b"1e5000", b"inf", b"-inf", b"nan", b"+2", b"-0.0"]
FLOATS += [b".5", b"5.", b" 1.5", b"1.5 ", b"0x1p3", b"1,5", b"", b"1e", b"1_0"]
FLOATS += [b"3.14159265358979323846", b"99999999999999999.5", b"0.30000000000000004"]
KEYS = [
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"{t}1",
    b"{t}2",
    b"",
    b"\x00\xff\r\n",
    b"k" * 300,
]
TEXTS = [
    b"",
    b"x",
    b"hello world",
    b"\x00\x01\xff\r\n",
    b"v" * 43,
    b"v" * 44,
    b"v" * 45,
]
TEXTS += [
    b"ohmytext",
    b"mynewtext",
    b"w" * 64,
    b"w" * 1000,
    b"\xe2\x82\xac",
    b"00",
    b"-",
]


class Long(bytes):
    """A value of 40 KB: read straight into its place; too long for LCS of two."""

    def __repr__(self) -> str:
        return "LONG"


LONG = Long(b"0123456789abcdef" * 2500)
PATTERNS = [b"*", b"?", b"a*", b"[a-c]", b"[^a]", b"\\a", b"*[", b"[z-a]", b"{t}*", b""]
PATTERNS += [b"**", b"?*?", b"\x00*", b"[", b"[]", b"k*k", b"\\", b"[\\]-a]"]

# Absolute times lie far off, and prime to 10, so that they are known on sight.
FAR_S = 4_102_444_800
ABSOLUTE_S = [FAR_S + 7, FAR_S + 1007, FAR_S * 2 + 1, 1, 1_500_000_000, 10**10 + 1]
ABSOLUTE_S += [INT64_MAX // 1000, INT64_MAX // 1000 + 1, INT64_MAX, 0, -1, -(2**63)]
ABSOLUTE_MS = [s * 1000 + 3 for s in ABSOLUTE_S[:6]]
ABSOLUTE_MS += [INT64_MAX, INT64_MAX - 1, INT64_MAX + 1, 0, -1, 999]


def _numbers(values: list[int]) -> Any:
    return st.sampled_from([b"%d" % value for value in values])


integers = st.one_of(
    _numbers(INTEGERS),
    st.integers(-20, 20).map(lambda n: b"%d" % n),
    st.sampled_from(ODD_INTEGERS),
)
values = st.one_of(
    st.sampled_from(TEXTS),
    st.integers(-100, 100_000).map(lambda n: b"%d" % n),
    _numbers(INTEGERS),
    st.sampled_from(ODD_INTEGERS + FLOATS),
    st.just(LONG),
    st.binary(max_size=70),
)
relative_s = st.one_of(
    st.builds(Relative, st.sampled_from([600_000, 5_000_000, 10**9]), st.just(10)),
    _numbers([0, -1, -1000, INT64_MAX, INT64_MAX // 1000, -INT64_MAX - 1, 10**16]),
    st.sampled_from(ODD_INTEGERS),
)
relative_ms = st.one_of(
    st.builds(Relative, st.sampled_from([10**6, 5 * 10**6, 10**12]), st.just(10_000)),
    _numbers([0, -1, -1000, INT64_MAX, INT64_MAX - 1000, -INT64_MAX - 1]),
    st.sampled_from(ODD_INTEGERS),
)
# A string may be 512 MB long: offsets up to there would make the servers fill that.
OFFSETS = [0, 1, 5, 44, 1000, -1, 2**29, 2**29 + 1, 2**31, 2**32, INT64_MAX]
SLOTS = {
    "key": st.sampled_from(KEYS[:5] * 4 + KEYS[5:]),
    "value": values,
    "int": integers,
    "float": st.one_of(st.sampled_from(FLOATS), integers),
    "offset": st.one_of(_numbers(OFFSETS), st.sampled_from(ODD_INTEGERS)),
    "index": integers,
    "rel_s": relative_s,
    "rel_ms": relative_ms,
    "abs_s": st.one_of(_numbers(ABSOLUTE_S), st.sampled_from(ODD_INTEGERS)),
    "abs_ms": st.one_of(_numbers(ABSOLUTE_MS), st.sampled_from(ODD_INTEGERS)),
    "pattern": st.sampled_from(PATTERNS),
    "db": st.one_of(
        _numbers([0, 0, 1, 1, 2, 2, 16, -1, 2**31, 2**32]),
        st.sampled_from(ODD_INTEGERS),
    ),
    "count": st.one_of(_numbers([1, 10, 1000, 5000]), integers),
    # Genuine servers take a negative cursor modulo 2**64, which nobody depends on.
    "cursor": st.sampled_from([b"0", b"1", b"7", b"4096", b"%d" % INT64_MAX, b"x1"]),
    # What an example sets stays set, so it must not change how commands work.
    "harmless": st.sampled_from([b"slowlog-max-len", b"lfu-decay-time", b"nonsense"]),
    "setting": st.sampled_from([b"", b"1", b"100", b"1mb", b"yes", b"no", b"-1", b"x"]),
    "type": st.sampled_from([b"string", b"STRING", b"list", b"hash", b"nonsense"]),
    "text": st.sampled_from(TEXTS),
    "name": st.sampled_from([b"", b"me", b"a b", b"x\n", b"\xc3\xa9", b"~!"]),
    "nobody": st.sampled_from([b"0", b"-1", b"x", b"", b"99999999", b"%d" % INT64_MAX]),
    "option": st.sampled_from(
        [b"maxmemory", b"MAXMEMORY", b"timeout", b"nonsense", b"hz", b"appendonly"]
    ),
}
SLOTS["twice"] = SLOTS["key"]
JUNK = st.one_of(
    st.sampled_from([b"NX", b"XX", b"GET", b"EX", b"KEEPTTL", b"", b"junk", b"1"]),
    st.sampled_from(ODD_INTEGERS),
    st.sampled_from(KEYS),
    integers,
)

# --- Commands ----------------------------------------------------------------------

MACROS = {
    "@TTL": "EX <rel_s>|PX <rel_ms>|EXAT <abs_s>|PXAT <abs_ms>",
    "@LCS": "LEN|IDX|MINMATCHLEN <int>|WITHMATCHLEN",
    "@HELLO": "AUTH default <text>|SETNAME <name>|AUTH default|nonsense",
}

STRINGS = """
GET <key>
SET <key> <value>
SET <key> <value> [NX|XX] [GET] [@TTL|KEEPTTL]
SET <key> <value> [GET|KEEPTTL|EX <rel_s>] [NX|XX|GET|PX <rel_ms>]
GETSET <key> <value>
GETDEL <key>
GETEX <key> [@TTL|PERSIST] [PERSIST|EX <rel_s>]
SETEX <key> <rel_s> <value>
PSETEX <key> <rel_ms> <value>
SETNX <key> <value>
MGET <key>+
MSET {<key> <value>}+
MSETNX {<key> <value>}+
APPEND <key> <value>
STRLEN <key>
INCR <key>
DECR <key>
INCRBY <key> <int>
DECRBY <key> <int>
INCRBYFLOAT <key> <float>
SETRANGE <key> <offset> <text>
GETRANGE <key> <index> <index>
SUBSTR <key> <index> <index>
LCS <key> <key> [@LCS] [@LCS] [@LCS]
"""

GENERIC = """
DEL <key>+
UNLINK <key>+
EXISTS <key>+
TOUCH <key>+
TYPE <key>
RENAME <key> <key>
RENAMENX <key> <key>
COPY <key> <key> [DB <db>] [REPLACE]
COPY <key> <key> [REPLACE] [DB <db>]
MOVE <key> <db>
KEYS <pattern>
RANDOMKEY
SCAN 0 [MATCH <pattern>] COUNT 5000 [TYPE <type>]
SCAN <cursor> [COUNT <count>] [MATCH <pattern>] [TYPE <type>]
OBJECT {ENCODING|REFCOUNT|IDLETIME|FREQ|nonsense} <key>
"""

EXPIRY = """
EXPIRE <key> <rel_s> [NX|XX|GT|LT]
PEXPIRE <key> <rel_ms> [NX|XX|GT|LT]
EXPIREAT <key> <abs_s> [NX|XX|GT|LT] [XX|GT|LT]
PEXPIREAT <key> <abs_ms> [NX|XX|GT|LT] [XX|NX|nonsense]
PERSIST <key>
TTL <key>
PTTL <key>
EXPIRETIME <key>
PEXPIRETIME <key>
"""

CONNECTION = """
PING [<text>]
ECHO <text>
SELECT <db>
SELECT {0|1|2}
AUTH [default] <text>
AUTH nobody <text>
HELLO [2|3|<int>] [@HELLO] [@HELLO]
RESET
CLIENT {ID|INFO|LIST|GETNAME|nonsense}
CLIENT SETNAME <name>
CLIENT LIST {ID <int>|TYPE normal|TYPE nonsense|nonsense}
CLIENT KILL {ID <nobody>|TYPE nonsense|ADDR <name>|<name>} [SKIPME {yes|no|nonsense}]
"""

SERVER = """
DBSIZE
TIME
FLUSHDB [SYNC|ASYNC|nonsense]
FLUSHALL [SYNC|ASYNC|<int>]
SWAPDB <db> <db>
COMMAND COUNT <text>
COMMAND GETKEYS {GET <key>|MSET <key> <value>|SET <key>|PING|nonsense|COPY <key> <key>}
COMMAND GETKEYSANDFLAGS {GET <key>|MSET <key> <value>|SET <key> <value> [GET]|PING}
COMMAND nonsense
CONFIG GET <option>+
CONFIG SET <harmless> <setting>
CONFIG {GET|SET|nonsense}
nonsense <value> <value>
"""

# Only Valkey has these of the servers to compare with.
NEWER = """
SET <key> <value> [IFEQ <value>] [GET] [EX <rel_s>|PXAT <abs_ms>|KEEPTTL]
SET <key> <value> {IFEQ <value>|NX|XX} [IFEQ <value>|GET]
DELIFEQ <key> <value>
MSETEX {1|2|<int>} <key> <value> [<key> <value>] [NX|XX] [@TTL|KEEPTTL]
CLIENT SETINFO {LIB-NAME|LIB-VER|nonsense} <name>
CLIENT NO-TOUCH {ON|OFF|nonsense}
"""


def lines(*groups: str) -> list[str]:
    """Return the templates of these groups, macros filled in."""
    text = "\n".join(group.strip() for group in groups)
    for name, body in MACROS.items():
        text = text.replace(name, body)
    return text.splitlines()


EVERY = lines(STRINGS, GENERIC, EXPIRY, CONNECTION, SERVER)

# --- Tests -------------------------------------------------------------------------


EXAMPLES = max(300, settings().max_examples)  # many more in a long run
STEPS = 40


def is_brief(step: Step) -> bool:
    """Tell whether a key would expire while the servers are compared."""
    name = step[0].upper()
    times: list[bytes] = []
    if name in (b"SETEX", b"PSETEX", b"EXPIRE", b"PEXPIRE"):
        times = list(step[2:3])
    else:
        pairs = pairwise(step)
        times = [value for word, value in pairs if word.upper() in (b"EX", b"PX")]
    return any(time.isdigit() and 0 < int(time) < 600_000 for time in times)


def without_brief(steps: list[Step]) -> list[Step]:
    """Leave out what depends on how long comparing takes."""
    return [step for step in steps if not is_brief(step)]


both_steps = commands(EVERY, SLOTS, JUNK, STEPS).map(without_brief)
# Without those whose answers by Redis 7.0 are as right as Valkey's and differ.
DISPUTED = ("GETEX", "SCAN", "CONFIG", "CLIENT LIST", "CLIENT KILL")
UNDISPUTED = [line for line in EVERY if not line.startswith(DISPUTED)]
templates = UNDISPUTED + lines(NEWER) * 4
valkey_steps = commands(templates, SLOTS, JUNK, STEPS).map(without_brief)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=both_steps)
@settings(max_examples=EXAMPLES)
def test_same_as_one_of_both(with_both: Contest, resp: int, steps: list[Step]) -> None:
    with_both.run(steps, resp)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=valkey_steps)
@settings(max_examples=EXAMPLES)
def test_newer_commands_same_as_valkey(
    with_valkey: Contest, resp: int, steps: list[Step]
) -> None:
    with_valkey.run(steps, resp)
