#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a consumer group costs: ``python bench/groups.py``.

One connection reads a stream through a group, ten entries at a time, and acknowledges
them: sixteen pairs of XREADGROUP and XACK in flight. The ids are chosen, so that it is
known which ten come next. redis-benchmark cannot do that: its requests do not depend on
what was replied. The servers take turns; printed is the server's CPU time for a pair.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import proc
from fastredis.cli.benchmark.servers import HOST, RunningServer, resolve
from fastredis.cli.benchmark.stream import encode

SERVER_CPU: Final = [0]
CLIENT_CPU: Final = [1]
COUNT: Final = 10  # entries a read
PIPELINE: Final = 16  # pairs in flight
FILL: Final = 1000  # entries stored at a time
GOAL: Final = 0.60
READ: Final = encode(
    *(b"XREADGROUP", b"GROUP", b"g", b"c", b"COUNT", b"%d" % COUNT),
    *(b"STREAMS", b"s", b">"),
)
SERVERS: Final = ("fastredis", "redis", "valkey")


def entry(number: int) -> bytes:
    """Return how an entry is replied."""
    text = b"0-%d" % number
    return b"*2\r\n$%d\r\n%b\r\n*2\r\n$5\r\nfield\r\n$3\r\nxyz\r\n" % (len(text), text)


def exchange(sock: socket.socket, requests: bytes, expected: bytes) -> None:
    """Send requests, and read the replies.

    Raises: RuntimeError if they are others than expected.
    """
    sock.sendall(requests)
    data = b""
    while len(data) < len(expected):
        piece = sock.recv(1 << 20)
        if not piece:
            raise ConnectionError("the server closed the connection")
        data += piece
    if data != expected:
        raise RuntimeError(f"not what was expected: {data[:200]!r}")


def fill(sock: socket.socket, entries: int) -> None:
    """Make the stream and its group."""
    exchange(sock, encode(b"FLUSHALL"), b"+OK\r\n")
    for start in range(1, entries + 1, FILL):
        numbers = range(start, min(start + FILL, entries + 1))
        ids = [b"0-%d" % number for number in numbers]
        exchange(
            sock,
            b"".join(encode(b"XADD", b"s", i, b"field", b"xyz") for i in ids),
            b"".join(b"$%d\r\n%b\r\n" % (len(i), i) for i in ids),
        )
    exchange(sock, encode(b"XGROUP", b"CREATE", b"s", b"g", b"0"), b"+OK\r\n")


def pairs(first: int) -> tuple[bytes, bytes]:
    """Return what reads and acknowledges from an entry on, and its replies."""
    requests, replies = [], []
    for start in range(first, first + COUNT * PIPELINE, COUNT):
        numbers = range(start, start + COUNT)
        ids = [b"0-%d" % number for number in numbers]
        requests += [READ, encode(b"XACK", b"s", b"g", *ids)]
        replies.append(b"*1\r\n*2\r\n$1\r\ns\r\n*%d\r\n" % COUNT)
        replies += [entry(number) for number in numbers]
        replies.append(b":%d\r\n" % COUNT)
    return b"".join(requests), b"".join(replies)


def measure(server: RunningServer, entries: int) -> float:
    """Return the CPU microseconds that a pair takes."""
    step = COUNT * PIPELINE
    entries -= entries % step
    with proc.pinned(CLIENT_CPU), socket.create_connection((HOST, server.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fill(sock, entries)
        load = [pairs(first) for first in range(1, entries + 1, step)]
        before = proc.cpu_ns(server.pid)
        for requests, expected in load:
            exchange(sock, requests, expected)
        used = proc.cpu_ns(server.pid) - before
    return used / 1000 / (entries // COUNT)


def main() -> int:
    """Run the program."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--entries", type=int, default=500_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    found: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(given.rounds):
        for name in SERVERS:
            with RunningServer(resolve(name), SERVER_CPU) as server:
                found[name].append(measure(server, given.entries))
    for name, values in found.items():
        low, high = min(values), max(values)
        median = statistics.median(values)
        print(f"{name:10} {median:6.2f} us a pair ({low:.2f}-{high:.2f})")
    ratios = [
        mine / min(others)
        for mine, *others in zip(*(found[name] for name in SERVERS), strict=True)
    ]
    low, high = min(ratios), max(ratios)
    print(
        f"ratio to the better reference {statistics.median(ratios):.2f} "
        f"({low:.2f}-{high:.2f}); goal {GOAL:.2f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
