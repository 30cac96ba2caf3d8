# SPDX-License-Identifier: BSD-3-Clause
"""HyperLogLogs beside genuine servers: same replies and the same bytes.

The bytes are compared by GET after the commands of each example. They also travel:
what one server stored is SET on another, which goes on with it.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.client import RawClient
from support.differential import Contest, Step
from support.grammar import commands
from support.server import ServerProcess

EXAMPLES = max(150, settings().max_examples)

KEYS = [b"a", b"b", b"c", b"d"]
EMPTY = b"HYLL\x01" + bytes(10) + b"\x80\x7f\xff"


def complete(text: bytes) -> bytes:
    """Give the last instruction its second byte.

    The genuine servers take one that is cut off for one that ends in a zero byte,
    which stands behind the string in their memory; here such a string is corrupt.
    """
    if text[4:5] != b"\x01":
        return text
    at = 16
    while at < len(text):
        at += 2 if text[at] >> 6 == 1 else 1
    return text + b"\x07" if at > len(text) > 16 else text


@st.composite
def sparse(draw: st.DrawFn) -> bytes:
    """Draw a string that may be a sparse HyperLogLog, whole or corrupt."""
    parts, left = [], 16384
    while left > 0 and draw(st.integers(0, 40)):
        run = draw(st.sampled_from([1, 2, 3, 4, 5, 64, 65, 1000, 16384]))
        if draw(st.booleans()):
            run = min(run, 4)
            value = draw(st.sampled_from([1, 2, 2, 2, 31, 32]))
            parts.append(bytes([0x80 | (value - 1) << 2 | (run - 1)]))
        elif run <= 64 and draw(st.booleans()):
            parts.append(bytes([run - 1]))
        else:
            parts.append(bytes([0x40 | (run - 1) >> 8, (run - 1) & 255]))
        left -= run
    if left > 0 and draw(st.integers(0, 5)):
        parts.append(bytes([0x40 | (left - 1) >> 8, (left - 1) & 255]))
    stale = draw(st.sampled_from([b"\x80", b"\x80", b"\0"]))
    return (
        b"HYLL\x01\0\0\0"
        + draw(st.binary(min_size=7, max_size=7))
        + stale
        + (b"".join(parts))
    )


elements = st.one_of(
    st.integers(0, 300).map(lambda n: b"%d" % n),
    st.integers(0, 10**9).map(lambda n: b"%d" % n),
    st.binary(max_size=40),
)
SLOTS = {
    "key": st.sampled_from(KEYS),
    "element": elements,
    "hll": st.one_of(sparse(), st.just(EMPTY), st.binary(max_size=30)).map(complete),
    "limit": st.sampled_from([b"0", b"18", b"40", b"60", b"3000", b"20000"]),
}
TEMPLATES = """
PFADD <key> <element>+
PFADD <key> <element>+ <element>+ <element>+
PFADD <key> <element>+ <element>+ <element>+ <element>+ <element>+ <element>+
PFADD <key>
PFCOUNT <key>
PFCOUNT <key>+
PFMERGE <key> <key>
PFMERGE <key> [<key>] [<key>]
PFDEBUG {GETREG|DECODE|ENCODING|TODENSE|nonsense} <key>
SET <key> <hll>
GET <key>
COPY <key> <key> REPLACE
DEL <key>
CONFIG SET hll-sparse-max-bytes <limit>
""".strip().splitlines()


def with_default(steps: list[Step]) -> list[Step]:
    """Set the limit at the start to what it is by default."""
    return [(b"CONFIG", b"SET", b"hll-sparse-max-bytes", b"3000"), *steps]


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=commands(TEMPLATES, SLOTS, elements, 40).map(with_default))
@settings(max_examples=EXAMPLES)
def test_random_commands(with_both: Contest, resp: int, steps: list[Step]) -> None:
    with_both.run(steps, resp)


@pytest.mark.parametrize("limit", [0, 200, 3000, 20_000])
@pytest.mark.parametrize("seed", range(3))
def test_growth_step_by_step(with_both: Contest, seed: int, limit: int) -> None:
    rng = random.Random(seed)
    steps: list[Step] = [(b"CONFIG", b"SET", b"hll-sparse-max-bytes", b"%d" % limit)]
    for _ in range(600):
        more = [b"%d" % rng.getrandbits(64) for _ in range(rng.choice([1, 1, 2, 30]))]
        steps += [(b"PFADD", b"k", *more), (b"GET", b"k"), (b"PFCOUNT", b"k")]
        if rng.random() < 0.1:
            steps += [(b"PFMERGE", b"m", b"k"), (b"GET", b"m"), (b"DEL", b"m")]
    steps.append((b"CONFIG", b"SET", b"hll-sparse-max-bytes", b"3000"))
    with_both.run(steps, 2)


@pytest.mark.parametrize("seed", range(40))
def test_changed_bytes(with_both: Contest, seed: int) -> None:
    """Change bytes of a good string at random; errors and results are the same."""
    rng = random.Random(seed)
    subject = with_both.subject
    with RawClient(subject.unixsocket) as client:
        client.cmd("DEL", "k")
        for _ in range(rng.choice([1, 5, 40])):
            client.cmd("PFADD", "k", *[rng.getrandbits(60) for _ in range(20)])
        good = client.cmd("GET", "k")
    steps: list[Step] = []
    for _ in range(30):
        text = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(16) if rng.random() < 0.3 else rng.randrange(len(text))
            text[at] = rng.randrange(256)
        if rng.random() < 0.2:
            del text[rng.randrange(len(text)) :]
        steps += [
            (b"SET", b"k", complete(bytes(text))),
            (b"PFCOUNT", b"k"),
            (b"PFCOUNT", b"k", b"absent"),
            (b"PFMERGE", b"m", b"k"),
            (b"PFADD", b"k", *[b"%d" % rng.getrandbits(60) for _ in range(5)]),
            (b"GET", b"k"),
            (b"GET", b"m"),
            (b"PFDEBUG", b"DECODE", b"k"),
            (b"PFDEBUG", b"TODENSE", b"k"),
            (b"GET", b"k"),
            (b"DEL", b"m"),
        ]
    with_both.run(steps, 2)


@pytest.mark.parametrize("count", [0, 1, 50, 1000, 30_000])
def test_strings_travel(
    subject: ServerProcess, redis: ServerProcess, valkey: ServerProcess, count: int
) -> None:
    """Three servers take turns with one HyperLogLog; one does all by itself."""
    rng = random.Random(count)
    with (
        RawClient(subject.unixsocket) as ours,
        RawClient(redis.unixsocket) as seven,
        RawClient(valkey.unixsocket) as nine,
    ):
        clients = [ours, seven, nine]
        for client in clients:
            client.ok("FLUSHALL")
            client.ok("CONFIG", "SET", "hll-sparse-max-bytes", 3000)
        carried = EMPTY
        for turn in range(9):
            client = clients[turn % 3]
            client.ok("SET", "k", carried)
            added = [rng.getrandbits(64) for _ in range(count // 9 + 1)]
            client.cmd("PFADD", "k", *added)
            seven.cmd("PFADD", "all", *added)
            carried = client.cmd("GET", "k")
        assert carried == seven.cmd("GET", "all")
        for client in clients:
            client.ok("SET", "k", carried)
        assert len({client.cmd("PFCOUNT", "k") for client in clients}) == 1
