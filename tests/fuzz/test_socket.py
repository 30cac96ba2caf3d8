# SPDX-License-Identifier: BSD-3-Clause
"""Bytes that no client would send: the server stays up and answers the others.

Each round is made from a number, its seed, and played over a new connection: valid
requests, some of them mutated, cut into pieces at random. A failure prints its seed;
seeds that once found something are kept in ``seeds.txt`` and played first. More rounds:
FASTREDIS_FUZZ_ROUNDS=100000, starting at FASTREDIS_FUZZ_FIRST.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client import RawClient, encode
from support.replies import ConnectionClosed, ProtocolViolation
from support.server import FastredisServer
from support.wait import wait_until

ROUNDS = int(os.environ.get("FASTREDIS_FUZZ_ROUNDS", "1500"))
FIRST = int(os.environ.get("FASTREDIS_FUZZ_FIRST", "1"))
SEEDS = [
    int(line.split("#")[0])
    for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines()
    if line.split("#")[0].strip()
]

KEYS = [b"a", b"b", b"", b"k" * 300, b"\x00\r\n", b"{tag}x"]
NUMBERS = [b"0", b"1", b"-1", b"9223372036854775807", b"-9223372036854775808", b"1e400"]
NUMBERS += [b"4294967296", b"536870912", b"18446744073709551615", b"nan", b"", b"0x7"]
WORDS = b"""GET
SET GETSET GETDEL GETEX SETEX PSETEX SETNX MGET MSET MSETNX APPEND STRLEN
INCR DECR INCRBY DECRBY INCRBYFLOAT SETRANGE GETRANGE SUBSTR LCS DEL UNLINK
EXISTS TOUCH TYPE RENAME RENAMENX COPY MOVE KEYS RANDOMKEY SCAN OBJECT EXPIRE
PEXPIRE EXPIREAT PEXPIREAT PERSIST TTL PTTL EXPIRETIME PEXPIRETIME PING ECHO
SELECT AUTH HELLO RESET CLIENT DBSIZE TIME SWAPDB COMMAND CONFIG INFO FLUSHDB
MSETEX DELIFEQ DELEX DIGEST INCREX MEMORY""".split()
OPTIONS = b"""NX
XX GT LT EX PX EXAT PXAT KEEPTTL PERSIST GET IFEQ IFNE IFDEQ MATCH COUNT
TYPE string LEN IDX MINMATCHLEN WITHMATCHLEN REPLACE DB ENCODING ID INFO LIST
GETNAME SETNAME REPLY ON OFF SKIP DOCS GETKEYS GETKEYSANDFLAGS HELP 2 3 * a*
[a""".split()
# CONFIG SET, DEBUG and SHUTDOWN could end the server rightly, CLIENT KILL the others.
LENGTHS = [b"0", b"-1", b"1", b"2", b"10", b"1048576", b"2147483647", b"2147483648"]
LENGTHS += [b"9223372036854775807", b"9223372036854775808", b"-2", b"", b"x", b"01"]
LINE_ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\x00\r\n"]


def argument(rng: random.Random) -> bytes:
    """Return an argument of some command."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.choice(KEYS)
    if kind == 1:
        return rng.choice(NUMBERS)
    if kind == 2:
        return rng.choice(OPTIONS)
    if kind == 3:
        return rng.randbytes(rng.choice([0, 1, 5, 44, 45, 1000]))
    if kind == 4:
        return b"%d" % rng.randrange(-1000, 1000)
    return b"v" * rng.choice([1, 100, 16_384, 33_000, 70_000])


def request(rng: random.Random) -> bytes:
    """Return one request, well formed."""
    args = [rng.choice(WORDS), *(argument(rng) for _ in range(rng.randrange(5)))]
    if rng.random() < 0.1:
        return b" ".join(args).replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
    return encode(args)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """Spoil a few places of a stream."""
    spoilt = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 5, 20])):
        if not spoilt:
            break
        at = rng.randrange(len(spoilt))
        kind = rng.randrange(8)
        if kind == 0:
            spoilt[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            spoilt[at] = rng.randrange(256)
        elif kind == 2:
            del spoilt[at : at + rng.choice([1, 2, 10, 1000])]
        elif kind == 3:
            spoilt[at:at] = rng.randbytes(rng.choice([1, 2, 10, 1000]))
        elif kind == 4:
            spoilt[at:at] = rng.choice([b"*", b"$"]) + rng.choice(LENGTHS) + b"\r\n"
        elif kind == 5:
            spoilt[at:at] = rng.choice(LINE_ENDS)
        elif kind == 6:
            spoilt[at:at] = spoilt[rng.randrange(len(spoilt)) :][:100]
        else:
            # A length field, where there is one, says something else.
            start = max(spoilt.find(b"$", at), 0)
            end = spoilt.find(b"\r\n", start)
            if end > start:
                spoilt[start + 1 : end] = rng.choice(LENGTHS)
    return bytes(spoilt)


def stream(rng: random.Random) -> bytes:
    """Return the bytes of one round."""
    kind = rng.randrange(10)
    if kind == 0:
        return rng.randbytes(rng.choice([1, 10, 1000, 100_000]))
    if kind == 1:
        pieces = [
            *LINE_ENDS,
            b"*",
            b"$",
            b"1",
            b"-",
            b"PING",
            b"\x00",
            b'"',
            b"'",
            b"\\",
        ]
        return b"".join(rng.choice(pieces) for _ in range(rng.randrange(200)))
    data = b"".join(request(rng) for _ in range(rng.randrange(1, 20)))
    return mutate(rng, data)


def forbidden(data: bytes) -> bool:
    """Tell whether a stream might do what ends or changes the server rightly."""
    upper = data.upper()
    words = (b"SHUTDOWN", b"CONFIG", b"DEBUG", b"KILL", b"PAUSE", b"FLUSHALL")
    return any(word in upper for word in words)


def play(server: FastredisServer, seed: int) -> None:
    """Play one round; the reply to each whole request must be well formed."""
    rng = random.Random(seed)
    data = stream(rng)
    while forbidden(data):
        data = stream(rng)
    with RawClient(server.unixsocket, resp=rng.choice([2, 3])) as client:
        with contextlib.suppress(ConnectionError):
            start = 0
            while start < len(data):
                nbytes = rng.choice([1, 3, 20, 1000, 100_000, 100_000])
                client.send_and_fill(data[start : start + nbytes])
                start += nbytes
        how = rng.randrange(3)
        if how == 0:
            return  # gone without a word
        with contextlib.suppress(OSError):
            client.sock.shutdown(1)
        if how == 1:
            client.read_all()
        else:
            words = (b"HELLO", b"RESET")
            read_strictly(client, switches=any(word in data.upper() for word in words))


def read_strictly(client: RawClient, *, switches: bool) -> None:
    """Read replies to the end of the connection; each must be well formed.

    Where the stream may have changed the protocol's version, both are accepted.
    """
    if switches:
        client.read_all()
        return
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.read()


@pytest.fixture(scope="module", params=[{}, {"net_transport": "uvloop"}],
                ids=["reactor", "uvloop"])  # fmt: skip
def target(request: pytest.FixtureRequest) -> Iterator[FastredisServer]:
    """Start a server that nobody can shut down by chance."""
    config = {"enable-debug-command": "no", "proto-max-bulk-len": 1024 * 1024}
    with FastredisServer(**config, **request.param) as server:
        yield server


def test_rounds(target: FastredisServer) -> None:
    bystander = target.client(unix=True)
    seeds = [*SEEDS, *range(FIRST, FIRST + ROUNDS)]
    for number, seed in enumerate(seeds):
        try:
            play(target, seed)
            assert bystander.cmd("ECHO", str(seed)) == b"%d" % seed
        except (OSError, AssertionError) as error:
            state = "lives" if target.alive else f"died: {target.process}"
            raise AssertionError(
                f"seed {seed}: {error!r}; the server {state}"
            ) from error
        if number % 100 == 99:
            bystander.ok("FLUSHALL")
    bystander.ok("FLUSHALL")
    wait_until(lambda: bystander.info("clients")["connected_clients"] == "1")


def test_a_reply_cannot_be_smuggled_into_an_error(target: FastredisServer) -> None:
    # Error texts repeat what the client sent: no line break may get through.
    with target.client() as client:
        for evil in (b"\r\n+OK\r\n", b"\n", b"\r", b"\x00", b"a" * 5000, b"\xff\xfe"):
            for args in (
                [evil],
                [b"GET", evil, evil],
                [b"nonsense", evil, evil],
                [b"CLIENT", evil],
                [b"OBJECT", evil, b"x"],
                [b"CLIENT", b"SETNAME", evil],
                [b"COMMAND", b"DOCS", evil],
                [b"HELLO", evil],
                [b"HELLO", b"2", b"SETNAME", evil],
                [b"AUTH", evil, evil],
                [b"SCAN", b"0", b"TYPE", evil],
                [b"SET", b"k", b"v", evil],
            ):
                client.send_raw(encode(args) + encode(["ECHO", "after"]))
                try:
                    replies = [client.read(), client.read()]
                except ProtocolViolation as violation:
                    raise AssertionError(f"{args!r}") from violation
                assert replies[1] == b"after", (args, replies)
