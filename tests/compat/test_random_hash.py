# SPDX-License-Identifier: BSD-3-Clause
"""Random hash commands to fastredis and to genuine servers: the same replies.

Every example begins with the number of fields up to which hashes are listpacks. Times
of fields are points in time that lie far off, so that both servers agree about them;
their error texts for options are not compared, since Valkey's are not those of Redis.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step
from support.grammar import commands

KEYS = [b"h", b"g", b"i", b""]
FIELDS = [b"a", b"b", b"c", b"d", b"e", b"", b"0", b"-1", b"007", b"\x00\xff\r\n"]
FIELDS += [b"9223372036854775807", b"f" * 64, b"f" * 65, b"f" * 130]
VALUES = [b"", b"x", b"v" * 64, b"v" * 65, b"v" * 300, b"v" * 3000, b"\x00\r\n", b"01"]
NUMBERS = [b"0", b"1", b"-1", b"10", b"9223372036854775807", b"-9223372036854775808"]
NUMBERS += [b"9223372036854775808", b"x", b"", b" 1", b"1.5", b"+1", b"00"]
FLOATS = [b"1.5", b"-1.5", b"3.0e3", b"0.1", b"1e17", b"1e5000", b"inf", b"-inf"]
FLOATS += [b"nan", b"", b" 1", b"0x1p3", b"1e", b"5e-20", b"123456789.123456789"]
FAR_MS = 4_102_444_800_007
SLOTS: dict[str, Any] = {
    "key": st.sampled_from(KEYS[:2] * 4 + KEYS),
    "field": st.sampled_from(FIELDS[:5] * 3 + FIELDS),
    "value": st.one_of(
        st.sampled_from(VALUES + NUMBERS + FLOATS),
        st.integers(-100, 10**6).map(lambda n: b"%d" % n),
        st.binary(max_size=70),
    ),
    "int": st.sampled_from(NUMBERS),
    "float": st.sampled_from(FLOATS + NUMBERS),
    "count": st.sampled_from(
        [b"1", b"2", b"3", b"-3", b"0", b"100", b"-100", b"x", b"9223372036854775808"]
    ),
    "pattern": st.sampled_from([b"*", b"a", b"[a-c]", b"?", b"f*", b"nothing"]),
    "abs_ms": st.integers(0, 3).map(lambda n: b"%d" % (FAR_MS + n * 1_000_000)),
    "abs_s": st.integers(0, 3).map(lambda n: b"%d" % (FAR_MS // 1000 + n * 1000)),
}
JUNK = st.sampled_from(
    [b"", b"junk", b"1", b"-1", b"WITHVALUES", b"NX", b"a", b"COUNT"]
)

TEMPLATES = """
HSET <key> {<field> <value>}+
HSET <key> {<field> <value>}+
HSET <key> {<field> <value>}+ [<field>]
HMSET <key> {<field> <value>}+
HSETNX <key> <field> <value>
HGET <key> <field>
HMGET <key> <field>+
HGETALL <key>
HKEYS <key>
HVALS <key>
HLEN <key>
HSTRLEN <key> <field>
HEXISTS <key> <field>
HDEL <key> <field>+
HINCRBY <key> <field> <int>
HINCRBYFLOAT <key> <field> <float>
HRANDFIELD <key> [<count> [WITHVALUES|nonsense]]
HSCAN <key> 0 COUNT 1000 [MATCH <pattern>]
HSCAN <key> {0|x|-1} COUNT {0|1000|x} [nonsense]
SET <key> string
DEL <key>
COPY <key> <key> [REPLACE]
RENAME <key> <key>
TYPE <key>
SCAN 0 COUNT 1000 TYPE hash
OBJECT ENCODING <key>
"""

# Well-formed ones only: of these Redis 7.0 has none.
TIMES = """
HEXPIREAT <key> <abs_s> [NX|XX|GT|LT] FIELDS 2 <field> <field>
HPEXPIREAT <key> <abs_ms> [NX|XX|GT|LT] FIELDS 1 <field>
HPEXPIREAT <key> <abs_ms> FIELDS 3 <field> <field> <field>
HEXPIREAT <key> 1 [NX|XX|GT|LT] FIELDS 1 <field>
HPEXPIRE <key> 0 FIELDS 2 <field> <field>
HPERSIST <key> FIELDS 2 <field> <field>
HEXPIRETIME <key> FIELDS 1 <field>
HPEXPIRETIME <key> FIELDS 2 <field> <field>
HGETEX <key> [EXAT <abs_s>|PXAT <abs_ms>|PERSIST|PXAT 1] FIELDS 1 <field>
HGETEX <key> PXAT <abs_ms> FIELDS 2 <field> <field>
HSETEX <key> [FNX|FXX] [EXAT <abs_s>|PXAT <abs_ms>|KEEPTTL] FIELDS 1 <field> <value>
HSETEX <key> [PXAT <abs_ms>|KEEPTTL] FIELDS 2 <field> <value> <field> <value>
HGETDEL <key> FIELDS 2 <field> <field>
HSCAN <key> 0 NOVALUES COUNT 1000
"""

EVERY = TEMPLATES.strip().splitlines()
# SCAN of a type that does not exist is as in Redis.
TIMED = [line for line in EVERY if not line.startswith(("SCAN", "OBJECT"))]
TIMED += TIMES.strip().splitlines() * 2
EXAMPLES = max(300, settings().max_examples)  # many more in a long run
STEPS = 40
LOOKS: list[Step] = [
    (b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(FIELDS), *FIELDS) for key in KEYS
]


def framed(entries: int, steps: list[Step], looks: list[Step]) -> list[Step]:
    """Return an example with its beginning and its end."""
    size = (b"CONFIG", b"SET", b"hash-max-listpack-entries", b"%d" % entries)
    return [size, *steps, *looks]


sizes = st.sampled_from([0, 2, 5, 512])
both_steps = st.builds(framed, sizes, commands(EVERY, SLOTS, JUNK, STEPS), st.just([]))


def is_whole(step: Step) -> bool:
    """Tell whether no argument of a command with times was spoilt."""
    words = [word.upper() for word in step]
    if b"FIELDS" not in words:
        return not (
            words and words[0].startswith((b"HEXP", b"HPE", b"HGETEX", b"HSETEX"))
        )
    at = words.index(b"FIELDS")
    each = 2 if words[0] == b"HSETEX" else 1
    count = words[at + 1] if at + 1 < len(words) else b""
    if not count.isdigit() or int(count) * each != len(words) - at - 2 or count == b"0":
        return False
    known = (b"NX", b"XX", b"GT", b"LT", b"FNX", b"FXX", b"KEEPTTL", b"PERSIST")
    known += (b"EXAT", b"PXAT")
    middle = words[
        3
        if words[0].startswith(b"HEXP") or words[0] in (b"HPEXPIREAT", b"HPEXPIRE")
        else 2 : at
    ]
    if words[0] in (b"HEXPIRETIME", b"HPEXPIRETIME", b"HPERSIST", b"HGETDEL", b"HTTL"):
        return at == 2
    if not all(
        word in known or (word.isdigit() and i) for i, word in enumerate(middle)
    ):
        return False
    if words[0] in (b"HEXPIREAT", b"HPEXPIREAT", b"HPEXPIRE"):
        return words[2].isdigit() and len(middle) <= 1
    return b"NX" not in middle and b"XX" not in middle


timed_steps = st.builds(
    framed,
    sizes,
    commands(TIMED, SLOTS, JUNK, STEPS).map(
        lambda steps: [step for step in steps if is_whole(step)]
    ),
    st.just(LOOKS),
)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=both_steps)
@settings(max_examples=EXAMPLES)
def test_same_as_one_of_both(with_both: Contest, resp: int, steps: list[Step]) -> None:
    with_both.run(steps, resp)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=timed_steps)
@settings(max_examples=EXAMPLES)
def test_times_of_fields_as_in_valkey(
    with_valkey: Contest, resp: int, steps: list[Step]
) -> None:
    with_valkey.run(steps, resp)
