# SPDX-License-Identifier: BSD-3-Clause
"""A whole server: connections that come and go in every state, keys likewise.

Each round does the same. What the first ones leave is kept for reuse (blocks of
replies, the array of arguments, histograms); from then on nothing may be added.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time

import fastredis

WARM_UP = 5
ROUNDS = 25
LEFT_MAX = 20_000  # bytes in 25 rounds: less than any single object that a round makes


def request(*args: bytes) -> bytes:
    parts = [b"*%d\r\n" % len(args)]
    parts += [b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args]
    return b"".join(parts)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def receive(sock: socket.socket, nbytes: int) -> bytes:
    data = b""
    while len(data) < nbytes:
        piece = sock.recv(1 << 20)
        assert piece, "the server closed the connection"
        data += piece
    return data


def round_of(port: int) -> None:
    rng = random.Random(1)
    # well-behaved: values of all sizes, by themselves and in a pipeline
    with connect(port) as sock:
        for n in (1, 100, 5000, 20_000, 200_000):
            value = rng.randbytes(n)
            sock.sendall(request(b"SET", b"key:%d" % n, value))
            assert receive(sock, 5) == b"+OK\r\n"
            sock.sendall(request(b"GET", b"key:%d" % n))
            expected = b"$%d\r\n%s\r\n" % (n, value)
            assert receive(sock, len(expected)) == expected
        many = b"".join(
            request(b"SET", b"k%d" % i, b"v" * (i % 300), b"EX", b"1000")
            for i in range(2000)
        )
        sock.sendall(many)
        assert receive(sock, 5 * 2000) == b"+OK\r\n" * 2000
        sock.sendall(request(b"KEYS", b"*") + request(b"SCAN", b"0", b"COUNT", b"3000"))
        sock.sendall(b"PING\r\n" + request(b"ECHO", b"end"))
        data = b""
        while not data.endswith(b"+PONG\r\n$3\r\nend\r\n"):
            data += receive(sock, 1)
    # closed with replies that were never read
    with connect(port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            sock.sendall(request(b"GET", b"key:200000") * 20)
    # closed in the middle of a request: of a long string, of many arguments, of a line
    for data in (
        b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1000000\r\n" + b"x" * 300_000,
        b"*1000\r\n" + b"$1\r\nx\r\n" * 500,
        b"*2\r\n$3\r\nGET",
        b"ECHO 'ab",
        b"",
    ):
        with connect(port) as sock:
            sock.sendall(data)
    # closed in a transaction, with watched keys and subscriptions; others go through
    with connect(port) as sock, connect(port) as other:
        for name in (b"WATCH", b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE"):
            names = [b"%d" % i for i in range(100)]
            end = b":200\r\n" if name == b"PSUBSCRIBE" else b":100\r\n"
            sock.sendall(request(name, *names))
            data = receive(sock, 5)
            while name != b"WATCH" and not data.endswith(end):
                data += receive(sock, 1)
        other.sendall(request(b"PUBLISH", b"7", b"x" * 50_000))
        assert receive(other, 4) == b":2\r\n"
        other.sendall(request(b"SET", b"7", b"x") + request(b"WATCH", b"7", b"8"))
        other.sendall(request(b"MULTI") + request(b"SET", b"8", b"y" * 1000) * 20)
        expected = b"+OK\r\n" * 3 + b"+QUEUED\r\n" * 20
        assert receive(other, len(expected)) == expected
    # protocol errors: the server closes
    for data in (
        b"*x\r\n",
        b"*1\r\n$-5\r\n",
        b"'\r\n",
        b"*99\r\n" + b"$1\r\nx\r\n" * 70 + b"?\r\n",
    ):
        with connect(port) as sock:
            sock.sendall(data)
            while sock.recv(4096):
                pass
    with connect(port) as sock:
        sock.sendall(request(b"FLUSHALL", b"SYNC"))
        assert receive(sock, 5) == b"+OK\r\n"


def wait_idle(server: fastredis.Server) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        stats = server.engine.stats()
        if stats["clients"] == 0 and stats["reply_blocks"] == 0:
            return
        time.sleep(0.005)
    raise AssertionError(
        f"left: {stats['clients']} clients, {stats['reply_blocks']} blocks"
    )


def main() -> None:
    with fastredis.Server(port=0) as server:
        used = 0
        for turn in range(WARM_UP + ROUNDS):
            round_of(server.port)
            wait_idle(server)
            if turn == WARM_UP - 1:
                used = server.engine.stats()["used_memory"]
        left = server.engine.stats()["used_memory"] - used
    assert left < LEFT_MAX, f"{left} bytes more after {ROUNDS} rounds"


main()
