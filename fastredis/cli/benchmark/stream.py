# SPDX-License-Identifier: BSD-3-Clause
"""Requests that the tool itself sends: filling a server, and timing SETs.

A client library encodes one request at a time, which would take a minute for a few
million keys. Here a batch of SETs is one byte template with the key numbers left
out, so that encoding a batch is one ``%`` operation; replies are compared as bytes.
"""

from __future__ import annotations

import gc
import socket
import time
from array import array
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_NUMBER: Final = b"__rand_int__"
FILL_BATCH: Final = 1000  # about 100 KB of requests with 64-byte values
PROBE_BATCH: Final = 16  # small: one batch is what one pipelining client sends
TTL_FIRST: Final = 10_000  # seconds; five digits, so that all requests are as long
TTL_SPREAD: Final = 10_000
_OK: Final = b"+OK\r\n"


class StreamError(Exception):
    """The server did not answer as it must."""


# --- Encoding ---


def encode(*args: bytes) -> bytes:
    """Return one request."""
    parts = [b"*%d\r\n" % len(args)]
    parts += [b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args]
    return b"".join(parts)


def _one_set(value: bytes, ttl: bool) -> bytes:
    """Return a template of one SET that takes the key's number (and the TTL)."""
    literal = value.replace(b"%", b"%%")
    head = b"*%d\r\n$3\r\nSET\r\n" % (5 if ttl else 3)
    key = b"$16\r\nkey:%012d\r\n"
    body = b"$%d\r\n%b\r\n" % (len(value), literal)
    return head + key + body + (b"$2\r\nEX\r\n$5\r\n%05d\r\n" if ttl else b"")


def set_batches(
    first: int, count: int, value: bytes, *, ttl: bool = False, batch: int = FILL_BATCH
) -> Iterator[tuple[bytes, int]]:
    """Yield (requests, how many) that SET count keys, numbered from first on."""
    one = _one_set(value, ttl)
    template = one * batch
    end = first + count
    for start in range(first, end, batch):
        n = min(batch, end - start)
        numbers: list[int] | range = range(start, start + n)
        if ttl:
            numbers = [
                field
                for number in numbers
                for field in (number, TTL_FIRST + number % TTL_SPREAD)
            ]
        yield (template if n == batch else one * n) % tuple(numbers), n


def field_batches(
    key: bytes, count: int, value: bytes, *, batch: int = FILL_BATCH
) -> Iterator[tuple[bytes, int]]:
    """Yield (requests, how many) that set count fields of one hash."""
    for start in range(0, count, batch):
        n = min(batch, count - start)
        pairs = [
            part
            for number in range(start, start + n)
            for part in (b"key:%012d" % number, value)
        ]
        yield encode(b"HMSET", key, *pairs), 1


def command_batches(
    command: Sequence[str], count: int, *, batch: int = FILL_BATCH
) -> Iterator[tuple[bytes, int]]:
    """Yield (requests, how many) of a command, its ``__rand_int__`` from 0 to count.

    The command names it once.
    """
    text = encode(
        *(part.replace("__rand_int__", "0" * 12).encode() for part in command)
    )
    head, tail = text.split(b"0" * 12)
    for start in range(0, count, batch):
        n = min(batch, count - start)
        numbers = range(start, start + n)
        yield b"".join(b"%b%012d%b" % (head, number, tail) for number in numbers), n


def entry_batches(
    command: Sequence[str], count: int, *, batch: int = FILL_BATCH
) -> Iterator[tuple[bytes, int]]:
    """Yield (requests, how many replies) that add count entries, one a command.

    ``__rand_int__`` in the command is the entry's number, from 1 on. There is a reply
    to the last of a batch only: the entries are to be counted afterwards.
    """
    words = [word.encode() for word in command]
    off, on = encode(b"CLIENT", b"REPLY", b"OFF"), encode(b"CLIENT", b"REPLY", b"ON")
    for start in range(1, count + 1, batch):
        requests = [off]
        for number in range(start, min(start + batch, count + 1)):
            digits = b"%012d" % number
            requests.append(encode(*(w.replace(_NUMBER, digits) for w in words)))
        yield b"".join([*requests, on]), 1


# --- Sending ---


class Stream:
    """One blocking connection that sends batches whose replies must all be OK."""

    def __init__(self, host: str, port: int, timeout_s: float = 60.0) -> None:
        self._socket = socket.create_connection((host, port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _expect_ok(self, count: int) -> None:
        """Read the replies of count SETs.

        Raises: StreamError if one of them is not OK.
        """
        expected = _OK * count
        got = bytearray()
        while len(got) < len(expected):
            part = self._socket.recv(len(expected) - len(got))
            if not part:
                raise StreamError("the server closed the connection")
            got += part
            if not expected.startswith(got):
                break
        if got != expected:
            wrong = next(
                line for line in got.split(b"\r\n") if not _OK.startswith(line)
            )
            raise StreamError(f"SET was answered with {wrong[:200].decode()!r}")

    def fill(
        self,
        batches: Iterator[tuple[bytes, int]],
        tick: Callable[[], None] = lambda: None,
    ) -> int:
        """Send all batches, one ahead of the replies; return how many requests."""
        total = unanswered = 0
        for requests, count in batches:
            self._socket.sendall(requests)
            if unanswered:
                self._expect_ok(unanswered)
            unanswered = count
            total += count
            tick()
        if unanswered:
            self._expect_ok(unanswered)
        return total

    def probe(
        self,
        batches: Iterator[tuple[bytes, int]],
        server_clock: Callable[[], int] = lambda: 0,
    ) -> tuple[array[int], array[int]]:
        """Send one batch after another; return each one's times in ns.

        The first array is the round trips. Nothing is in flight between two batches,
        so no pause of the server can hide between measurements: it delays exactly one
        of them. The second is how far server_clock (the server's CPU time) moved,
        which tells a pause of the server from one of the machine.
        """
        times, worked = array("Q"), array("Q")
        clock = time.perf_counter_ns
        send, expect = self._socket.sendall, self._expect_ok
        collecting = gc.isenabled()
        gc.disable()  # a collection of ours would look like a pause of the server
        try:
            before = server_clock()
            for requests, count in batches:
                start = clock()
                send(requests)
                expect(count)
                times.append(clock() - start)
                after = server_clock()
                worked.append(after - before)
                before = after
        finally:
            if collecting:
                gc.enable()
        return times, worked
