# SPDX-License-Identifier: BSD-3-Clause
"""Random sorted set commands to fastredis and to genuine servers: the same replies.

Every example begins with the size up to which sets are listpacks, so that both
encodings come and become one another, and ends with all that the keys hold.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step
from support.grammar import commands

KEYS = [b"z", b"y", b"x", b"w", b"v"]
MEMBERS = [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"", b"-1", b"0", b"100"]
MEMBERS += [b"007", b"\x00\xff\r\n", b"m" * 63, b"m" * 70, b"[a", b"+"]
SCORES = [b"0", b"-0", b"1", b"2", b"3", b"1.5", b"-1.5", b"0.1", b"1e17", b"-1e300"]
SCORES += [b"inf", b"-inf", b"+inf", b"4503599627370497", b"3.14159265358979323846"]
SCORES += [b"nan", b"", b"x", b" 1", b"1 ", b"1e400", b"(1", b"1e-320"]
ENDS = [b"(1", b"(0", b"-inf", b"+inf", b"(", b"(inf", b"((1", b"(x", b"(1.5", b" (1"]
LEX = [b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[", b"(", b"[h", b"(\xff", b"a", b""]
LEX += [b"--", b"+x", b"[0", b"(007"]
RANKS = [b"%d" % n for n in (0, 1, 2, 3, -1, -2, -3, 5, 100, -100)]
RANKS += [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"x"]
SLOTS: dict[str, Any] = {
    "key": st.sampled_from(KEYS[:3] * 3 + KEYS),
    "member": st.sampled_from(MEMBERS[:8] * 3 + MEMBERS),
    "score": st.one_of(
        st.integers(-5, 9).map(lambda n: b"%d" % n),
        st.integers(-5, 9).map(lambda n: b"%d" % n),
        st.sampled_from(SCORES),
        st.floats(allow_nan=False).map(lambda x: repr(x).encode()),
    ),
    "end": st.one_of(
        st.integers(-5, 9).map(lambda n: b"%d" % n), st.sampled_from(ENDS + SCORES)
    ),
    "lex": st.sampled_from(LEX),
    "rank": st.sampled_from(RANKS[:8] * 3 + RANKS),
    "count": st.sampled_from([b"1", b"2", b"3", b"0", b"-1", b"100", b"x", b"-5"]),
    "float": st.sampled_from([b"1", b"2", b"-1", b"0.5", b"0", b"inf", b"-inf", b"x"]),
    "wait": st.sampled_from([b"0.01", b"-1", b"x", b"1e300", b"nan", b"inf"]),
}
JUNK = st.sampled_from(
    [b"NX", b"WITHSCORES", b"LIMIT", b"REV", b"BYLEX", b"", b"junk", b"1", b"-1", b"z"]
)

# Keys of one score only, the use for which ranges of members are defined.
EQUAL = "{l|m}"

MACROS = {
    "@LIMIT": "[LIMIT <count> <count>]",
    "@MERGE": "{1 <key>|2 <key> <key>|3 <key> <key> <key>|<count> <key>}",
    "@OPTS": "[WEIGHTS <float>+] [AGGREGATE {SUM|MIN|MAX|nonsense}]",
    "@EQUAL": EQUAL,
}

TEMPLATES = """
ZADD <key> {<score> <member>}+
ZADD <key> {<score> <member>}+
ZADD <key> [NX|XX] [GT|LT] [CH] [INCR] {<score> <member>}+
ZADD <key> [CH] [XX] [INCR|NX] <score> <member>
ZADD @EQUAL {0 <member>}+
ZADD @EQUAL {0 <member>}+
ZINCRBY <key> <score> <member>
ZREM <key> <member>+
ZCARD <key>
ZSCORE <key> <member>
ZMSCORE <key> <member>+
ZRANK <key> <member>
ZREVRANK <key> <member>
ZCOUNT <key> <end> <end>
ZLEXCOUNT @EQUAL <lex> <lex>
ZRANGE <key> <rank> <rank> [REV] [WITHSCORES]
ZRANGE <key> <end> <end> BYSCORE [REV] @LIMIT [WITHSCORES]
ZRANGE @EQUAL <lex> <lex> BYLEX [REV] @LIMIT
ZRANGE <key> <rank> <rank> [BYSCORE|BYLEX|REV] [LIMIT 0 <count>] [WITHSCORES] [REV]
ZREVRANGE <key> <rank> <rank> [WITHSCORES|LIMIT 0 1|REV]
ZRANGEBYSCORE <key> <end> <end> [WITHSCORES] @LIMIT
ZREVRANGEBYSCORE <key> <end> <end> @LIMIT [WITHSCORES|BYLEX]
ZRANGEBYLEX @EQUAL <lex> <lex> @LIMIT
ZREVRANGEBYLEX @EQUAL <lex> <lex> @LIMIT
ZRANGESTORE <key> <key> <rank> <rank> [REV] [WITHSCORES]
ZRANGESTORE <key> <key> <end> <end> BYSCORE [REV] @LIMIT
ZREMRANGEBYRANK <key> <rank> <rank>
ZREMRANGEBYSCORE <key> <end> <end>
ZREMRANGEBYLEX @EQUAL <lex> <lex>
ZPOPMIN <key> [<count>] [<count>]
ZPOPMAX <key> [<count>]
ZMPOP @MERGE {MIN|MAX|nonsense} [COUNT <count>] [COUNT 1]
BZPOPMIN <key>+ <wait>
BZPOPMAX <key>+ <wait>
BZMPOP <wait> @MERGE {MIN|MAX} [COUNT <count>]
ZRANDMEMBER <key> [<count> [WITHSCORES|nonsense]]
ZSCAN <key> 0 [COUNT 1000] [MATCH {*|a|[a-d]}]
ZSCAN <key> {0|x|-1} COUNT {0|1000|x} [nonsense]
ZUNION @MERGE @OPTS [WITHSCORES]
ZINTER @MERGE @OPTS [WITHSCORES]
ZDIFF @MERGE [WITHSCORES|WEIGHTS 1 2]
ZUNIONSTORE <key> @MERGE @OPTS
ZINTERSTORE <key> @MERGE @OPTS
ZDIFFSTORE <key> @MERGE [WITHSCORES]
ZINTERCARD @MERGE [LIMIT {0|1|2|-1|x}] [AGGREGATE SUM]
SET <key> string
SADD <key> <member>+
DEL <key>
COPY <key> <key> [REPLACE]
RENAME <key> <key>
OBJECT ENCODING <key>
"""

# Only Valkey has these of the servers to compare with.
NEWER = """
ZRANK <key> <member> [WITHSCORE|nonsense] [WITHSCORE]
ZREVRANK <key> <member> [WITHSCORE]
ZSCAN <key> 0 [NOSCORES] COUNT 1000
"""


def lines(text: str) -> list[str]:
    """Return the templates of a text, macros filled in."""
    for name, body in MACROS.items():
        text = text.replace(name, body)
    return text.strip().splitlines()


EVERY = lines(TEMPLATES)
EXAMPLES = max(400, settings().max_examples)  # many more in a long run
STEPS = 40
LOOKS: list[Step] = [
    look
    for key in [*KEYS, b"l", b"m"]
    for look in ((b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"), (b"ZCARD", key))
]


def framed(entries: int, steps: list[Step]) -> list[Step]:
    """Return an example with its beginning and its end."""
    size = (b"CONFIG", b"SET", b"zset-max-listpack-entries", b"%d" % entries)
    return [size, *steps, *LOOKS]


sizes = st.sampled_from([0, 2, 5, 128])
both_steps = st.builds(framed, sizes, commands(EVERY, SLOTS, JUNK, STEPS))
# Valkey takes no blanks before a number, Redis does.
STRICT = SLOTS | {
    "end": SLOTS["end"].filter(lambda text: b" " not in text),
    "score": SLOTS["score"].filter(lambda text: b" " not in text),
}
newer_steps = st.builds(
    framed, sizes, commands(EVERY + lines(NEWER) * 4, STRICT, JUNK, STEPS)
)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=both_steps)
@settings(max_examples=EXAMPLES)
def test_same_as_one_of_both(with_both: Contest, resp: int, steps: list[Step]) -> None:
    with_both.run(steps, resp)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=newer_steps)
@settings(max_examples=EXAMPLES)
def test_same_as_valkey(with_valkey: Contest, resp: int, steps: list[Step]) -> None:
    with_valkey.run(steps, resp)
