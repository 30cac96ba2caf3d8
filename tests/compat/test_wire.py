# SPDX-License-Identifier: BSD-3-Clause
"""The same bytes to fastredis and to genuine servers; the very bytes that come back.

Each exchange ends when the client stops sending and the server closes, so that a
missing, a superfluous or a cut reply shows.
"""

from __future__ import annotations

import random
import socket

import pytest

from support.client import RawClient, encode
from support.differential import Contest

EXCHANGES = [
    # inline
    b"PING\r\n",
    b"PING\n",
    b"ping\r\nPing\r\n",
    b"\r\n\n\r\nPING\r\n",
    b"   PING   \r\n",
    b"\tPING\r\n",
    b"PING 'a b'\r\nPING \"a\\tb\"\r\nPING \"\\x4a\\x4A\\xzz\"\r\nPING '\\''\r\n",
    b'PING "a\r\n',
    b"PING 'a\r\n",
    b'PING "a"b\r\n',
    b"PING 'a'b\r\n",
    b'PING a"b"\r\n',
    b"PING a'b\r\n",
    b"SET a 1\r\nINCR a\r\nGET a\r\n",
    b"SET a\r\n",
    b"+PING\r\n",
    b"$4\r\nPING\r\n",
    b":1\r\n",
    b"PING\r\r\n",
    b"PI",
    b"PING",
    # arrays
    b"*1\r\n$4\r\nPING\r\n",
    b"*0\r\n*1\r\n$4\r\nPING\r\n",
    b"*-1\r\n*1\r\n$4\r\nPING\r\n",
    b"*-2147483648\r\nPING\r\n",
    b"*-99999999999999999999\r\nPING\r\n",
    b"*1\r\n$0\r\n\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n",
    b"*1\r\n$4\r\nPINGxxPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n$2\r\nabc\r\n",
    b"*1\r\n$4\r\nPIN",
    b"*1\r\n$4",
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI",
    b"*2147483647\r\n",
    b"*2147483648\r\n",
    b"*1048576\r\n",
    b"*1048577\r\n",
    b"*a\r\n",
    b"*\r\n",
    b"*1a\r\n",
    b"*--1\r\n",
    b"*-\r\n",
    b"*-0\r\n",
    b"*+1\r\n",
    b"*01\r\n",
    b"* 1\r\n",
    b"*1 \r\n",
    b"*1.5\r\n",
    b"**1\r\n",
    b"*1\r\n4\r\nPING\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n\r\n",
    b"*1\r\n$-1\r\n",
    b"*1\r\n$-2\r\n",
    b"*1\r\n$\r\n",
    b"*1\r\n$a\r\n",
    b"*1\r\n$4a\r\n",
    b"*1\r\n$+4\r\n",
    b"*1\r\n$ 4\r\n",
    b"*1\r\n$536870912\r\n",
    b"*1\r\n$536870913\r\n",
    b"*1\r\n$9223372036854775807\r\n",
    b"*1\r\n$9223372036854775808\r\n",
    b"*1\r\n$$4\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n_\r\n",
    # mistakes after good requests
    encode(["PING"]) * 3 + b"*x\r\n" + encode(["PING"]),
    encode(["SET", "a", "b"]) + b'GET "a\r\n',
    # names and arity
    encode([""]),
    encode(["", "a"]),
    encode(["x" * 127]),
    encode(["x" * 128, "y"]),
    encode(["x" * 129, "y" * 200]),
    encode(["nonsense", "x" * 127]),
    encode(["nonsense", "x" * 128, "y"]),
    encode(["nonsense", *["a"] * 100]),
    encode(["nonsense", b"\x00\r\n\xff'\"\\"]),
    encode([b"no\r\nnsense", "a"]),
    encode([b"no\x00nsense", "a"]),
    encode(["GET"]),
    encode(["get", "a", "b"]),
    encode(["CLIENT"]),
    encode(["CLIENT", "nonsense"]),
    encode(["CLIENT", "SETNAME"]),
    encode(["CLIENT", b"\r\nx"]),
    encode(["CLIENT", "x" * 200]),
    encode(["CONFIG", "GET"]),
    encode(["OBJECT", "ENCODING"]),
    # the end
    encode(["QUIT"]) + encode(["PING"]),
    b"QUIT\r\nPING\r\n",
    encode(["QUIT", "a"]) + encode(["PING"]),
    b"POST / HTTP/1.1\r\n",
    b"post / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    encode(["HOST:", "x"]) + encode(["PING"]),
    # replies on and off
    encode(["CLIENT", "REPLY", "SKIP"]) + encode(["PING"]) + encode(["PING", "2"]),
    encode(["CLIENT", "REPLY", "OFF"]) + encode(["PING"]) * 3,
    encode(["CLIENT", "REPLY", "OFF"])
    + encode(["PING"])
    + encode(["CLIENT", "REPLY", "ON"])
    + encode(["PING"]),
    encode(["CLIENT", "REPLY", "SKIP"]) * 2 + encode(["PING"]) * 2,
    encode(["CLIENT", "REPLY", "SKIP"])
    + encode(["CLIENT", "REPLY", "ON"])
    + encode(["PING"]),
    encode(["CLIENT", "REPLY", "OFF"])
    + encode(["CLIENT", "REPLY", "SKIP"])
    + encode(["PING"]) * 2
    + encode(["CLIENT", "REPLY", "ON"]),
    encode(["CLIENT", "REPLY", "nonsense"]) + encode(["PING"]),
    encode(["CLIENT", "REPLY", "SKIP"]) + encode(["nonsense"]) + encode(["PING"]),
    encode(["CLIENT", "REPLY", "OFF"]) + b"*x\r\n",
    encode(["CLIENT", "REPLY", "OFF"]) + encode(["QUIT"]),
    # protocol versions
    encode(["HELLO", "4"]) + encode(["GET", "a"]),
    encode(["HELLO", "a"]) + encode(["GET", "a"]),
    encode(["HELLO", "3", "nonsense"]) + encode(["GET", "a"]),
    encode(["HELLO", "3", "AUTH", "a"]) + encode(["GET", "a"]),
    encode(["HELLO", "3", "AUTH", "a", "b"]) + encode(["GET", "a"]),
    encode(["HELLO", "3", "SETNAME", "a b"]) + encode(["GET", "a"]),
    encode(["RESET"]) + encode(["PING"]),
    encode(["RESET", "x"]) + encode(["PING"]),
]


def exchange(address: str, data: bytes) -> bytes:
    """Send the bytes, stop sending, and return all that comes."""
    with RawClient(address) as client:
        client.send_raw(data)
        client.sock.shutdown(socket.SHUT_WR)
        return client.read_all()


def compare(contest: Contest, data: bytes) -> None:
    """Compare the answers; that of one of the genuine servers will do."""
    for server in contest.servers:
        with RawClient(server.unixsocket) as client:
            client.ok("FLUSHALL")
    mine, *theirs = (exchange(server.unixsocket, data) for server in contest.servers)
    assert mine in theirs, f"{data!r} answered {mine!r}, by the others {theirs!r}"


@pytest.mark.parametrize("data", EXCHANGES, ids=lambda data: repr(data)[2:42])
def test_exchange(with_both: Contest, data: bytes) -> None:
    compare(with_both, data)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_streams(with_both: Contest, seed: int) -> None:
    rng = random.Random(seed)
    pieces = [b"\r\n", b"*1\r\n", b"*2\r\n", b"*3\r\n", b"$4\r\n", b"$3\r\n", b"$1\r\n"]
    pieces += [b"PING\r\n", b"ECHO\r\n", b"SET\r\n", b"a\r\n", b"*0\r\n", b"$0\r\n\r\n"]
    pieces += [encode(["PING"]), encode(["ECHO", "x"]), encode(["SET", "a", "b"])] * 2
    for _ in range(40):
        data = b"".join(rng.choice(pieces) for _ in range(rng.randrange(1, 12)))
        compare(with_both, data)
