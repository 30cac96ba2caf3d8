# SPDX-License-Identifier: BSD-3-Clause
"""DUMP payloads with every bit flipped: refused, or sound values; nothing worse.

Checksums are not looked at, so that it is the decoder which has to notice.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import pytest

from fastredis.resp.values import ReplyError
from fastredis.server import Server
from support.payloads import GOOD, TIMES, sealed
from support.values import VALUES, Commands

STREAM: Commands = [
    *(("XADD", "k", f"{i + 1}-1", "field", i, "other", "x" * i) for i in range(7)),
    ("XADD", "k", "9-1", "another", 300),
    ("XGROUP", "CREATE", "k", "g", 0),
    ("XREADGROUP", "GROUP", "g", "alice", "COUNT", 3, "STREAMS", "k", ">"),
    ("XREADGROUP", "GROUP", "g", "bob", "COUNT", 2, "STREAMS", "k", ">"),
    ("XDEL", "k", "2-1", "7-1"),
]
MADE: dict[str, Commands] = {
    **VALUES,
    "stream": STREAM,
    "empty stream": [("XADD", "k", "1-1", "f", "v"), ("XDEL", "k", "1-1")],
    "fields that expire": [
        ("HSET", "k", "f", "v", "g", 1, "h", 2),
        ("HPEXPIREAT", "k", 4_000_000_000_000, "FIELDS", 2, "f", "h"),
    ],
}
EXHAUSTIVE_NBYTES = 160  # of longer ones, so many at the ends, and some between
SAMPLES = 60
# What looks at all of a value, and what changes it, by its type.
USES: dict[bytes, Commands] = {
    b"string": [("APPEND", "k", "x"), ("GETRANGE", "k", 0, -1), ("PFCOUNT", "k")],
    b"list": [("LRANGE", "k", 0, -1), ("LPOP", "k"), ("LSET", "k", -1, "x" * 9000)],
    b"set": [("SMEMBERS", "k"), ("SADD", "k", "new", 7), ("SPOP", "k")],
    b"zset": [("ZRANGE", "k", 0, -1, "WITHSCORES"), ("ZADD", "k", 5, "new"),
              ("ZPOPMIN", "k"), ("ZREVRANK", "k", "new")],
    b"hash": [("HGETALL", "k"), ("HSET", "k", "new", 1), ("HDEL", "k", "f"),
              ("HPTTL", "k", "FIELDS", 1, "g"), ("HPERSIST", "k", "FIELDS", 1, "g")],
    b"stream": [("XRANGE", "k", "-", "+"), ("XINFO", "STREAM", "k", "FULL"),
                ("XAUTOCLAIM", "k", "g", "carol", 0, 0), ("XDEL", "k", "3-1"),
                ("XTRIM", "k", "MAXLEN", 2), ("XADD", "k", "*", "f", "v")],
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Server:
    """Return a server that is asked without a socket and believes any checksum."""
    made = Server(port=0, logfile="/dev/null", enable_debug_command="yes")
    made.engine.set_checksum_skipped(True)
    return made


def places(nbytes: int, rng: random.Random) -> list[int]:
    """Return which bytes are changed."""
    if nbytes <= EXHAUSTIVE_NBYTES:
        return list(range(nbytes))
    half = EXHAUSTIVE_NBYTES // 2
    middle = rng.sample(range(half, nbytes - half), min(SAMPLES, nbytes - 2 * half))
    return [*range(half), *sorted(middle), *range(nbytes - half, nbytes)]


def changed(payload: bytes, rng: random.Random) -> Iterator[bytes]:
    """Return payloads with one bit flipped, or one byte set; the footer stays."""
    data = bytearray(payload)
    for at in places(len(payload) - 10, rng):
        kept = data[at]
        values = {kept ^ 1 << bit for bit in range(8)} | {0, 0x7F, 0x80, 0xF1, 0xFF}
        for value in sorted(values):
            data[at] = value
            yield bytes(data)
        data[at] = kept


def use(server: Server) -> None:
    """Execute what works with the value at k; the memory is sound afterwards."""
    for command in USES[server.call("TYPE", "k")]:
        with contextlib.suppress(ReplyError):
            server.call(*command)
    if server.call("EXISTS", "k"):
        server.call("DEBUG", "DIGEST-VALUE", "k")
        server.call("DUMP", "k")
    server.engine.check()


def flip(server: Server, payload: bytes) -> tuple[int, int]:
    """Restore changed payloads; return how many were taken, and refused."""
    rng = random.Random(len(payload))
    taken = refused = 0
    refusals: set[str] = set()
    for bad in changed(payload, rng):
        try:
            server.call("RESTORE", "k", 0, bad, "REPLACE")
        except ReplyError as error:
            refusals.add(str(error))
            refused += 1
            continue
        taken += 1
        # some of them, lest it takes too long
        if taken % 8 == 0 and server.call("EXISTS", "k"):
            use(server)
    server.engine.flush_all()
    assert refusals <= {"ERR Bad data format"}
    return taken, refused


@pytest.mark.parametrize(
    ("name", "version"), [*((name, 0) for name in MADE), ("stream", 10)]
)
def test_what_this_server_writes(server: Server, name: str, version: int) -> None:
    server.config.set_many([("rdb-version", str(version))])
    server.engine.flush_all()
    for command in MADE[name]:
        server.call(*command)
    payload = server.call("DUMP", "k")
    server.config.set_many([("rdb-version", "0")])
    taken, refused = flip(server, payload)
    assert taken + refused > 20


@pytest.mark.parametrize("name", [*GOOD, *TIMES])
def test_what_others_write(server: Server, name: str) -> None:
    if name in GOOD:
        kind, body, _ = GOOD[name]
        payload = sealed(bytes([kind]) + body)
    else:
        version, body = TIMES[name]
        payload = sealed(body, version)
    taken, refused = flip(server, payload)
    assert taken + refused > 20
