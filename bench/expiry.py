#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Expiry nobody waits for: ``python bench/expiry.py``.

Keys whose times are spread over some seconds go while one client pings without pause.
Printed: when the last key was gone by DBSIZE, and the slowest pings, beside those of a
time without expiry, which are what the machine adds.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import proc
from fastredis.cli.benchmark.servers import HOST, RunningServer, resolve

SERVER_CPU: Final = [0]
CLIENT_CPU: Final = [1]
CONTROL_S: Final = 5.0
LOAD_RATE: Final = 100_000  # keys a second, at the least
BATCH: Final = 5000
OK: Final = b"+OK\r\n"


def encode(*words: bytes) -> bytes:
    """Return a request."""
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in words
    )


def read(sock: socket.socket, nbytes: int) -> bytes:
    """Read exactly so much."""
    data = b""
    while len(data) < nbytes:
        piece = sock.recv(nbytes - len(data))
        if not piece:
            raise ConnectionError("the server closed the connection")
        data += piece
    return data


def load(sock: socket.socket, keys: int, first: float, seconds: float) -> None:
    """Store the keys; the last one's time is first + seconds."""
    for start in range(0, keys, BATCH):
        some = range(start, min(start + BATCH, keys))
        sock.sendall(
            b"".join(
                encode(
                    b"SET",
                    b"key:%012d" % n,
                    b"xyz",
                    b"PXAT",
                    b"%d" % ((first + seconds * (n + 1) / keys) * 1000),
                )
                for n in some
            )
        )
        if read(sock, len(OK) * len(some)) != OK * len(some):
            raise RuntimeError("a SET was refused")


def count(sock: socket.socket) -> int:
    """Return DBSIZE."""
    sock.sendall(b"DBSIZE\r\n")
    return int(sock.recv(64)[1:])


def ping(sock: socket.socket, until: float, what: str) -> None:
    """Ping until then and print the slowest."""
    times = []
    while time.time() < until:
        start = time.perf_counter()
        sock.sendall(b"PING\r\n")
        sock.recv(64)
        times.append(time.perf_counter() - start)
    times.sort(reverse=True)
    slow = ", ".join(f"{t * 1000:.2f}" for t in times[:5])
    p999 = times[len(times) // 1000] * 1000
    print(f"{what}: {len(times):,} pings, slowest {slow} ms, p99.9 {p999:.2f} ms")


def main() -> int:
    """Run the program."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--server", default="fastredis")
    options.add_argument("--keys", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=20.0)
    given = options.parse_args()
    with (
        RunningServer(resolve(given.server), SERVER_CPU) as server,
        proc.pinned(CLIENT_CPU),
        socket.create_connection((HOST, server.port)) as sock,
    ):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = time.time() + CONTROL_S + given.keys / LOAD_RATE
        load(sock, given.keys, first, given.seconds)
        if time.time() > first - CONTROL_S:
            raise RuntimeError("loading took longer than thought")
        print(f"{count(sock):,} keys are stored")
        ping(sock, first, "before")
        ping(sock, first + given.seconds, "while they expire")
        while count(sock):
            pass
        late = time.time() - first - given.seconds
        print(f"all gone {late * 1000:.0f} ms after the last one's time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
