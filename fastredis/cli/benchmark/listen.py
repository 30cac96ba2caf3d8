# SPDX-License-Identifier: BSD-3-Clause
"""Subscribers for a load scenario: connections that read and forget.

They live in a process of their own, so that neither redis-benchmark nor this program
waits for them, and read whatever is there at once: what is measured is the server.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_READY: Final = b"ready\n"
_READ_BYTES: Final = 1 << 18
_CONNECT_S: Final = 10.0


class ListenError(Exception):
    """The subscribers could not subscribe."""


@contextmanager
def subscribers(host: str, port: int, count: int, channel: str) -> Iterator[None]:
    """Have so many connections subscribed to a channel; none for a count of 0.

    Raises: ListenError
    """
    if not count:
        yield
        return
    line = [sys.executable, "-m", __name__, host, str(port), str(count), channel]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != _READY:
                raise ListenError(f"cannot subscribe {count} times to {channel}")
            yield
        finally:
            process.kill()


def _subscribe(host: str, port: int, channel: bytes) -> socket.socket:
    """Return a connection that has subscribed."""
    sock = socket.create_connection((host, port), _CONNECT_S)
    request = b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%b\r\n" % (len(channel), channel)
    sock.sendall(request)
    answer = b""
    while not answer.endswith(b":1\r\n"):
        answer += sock.recv(1024)
        if not answer.startswith(b"*"):
            raise ListenError(repr(answer))
    sock.setblocking(False)
    return sock


def main() -> None:
    """Subscribe, and read until standard input ends or a connection does."""
    host, port, count, channel = sys.argv[1:]
    selector = selectors.DefaultSelector()
    for _ in range(int(count)):
        sock = _subscribe(host, int(port), channel.encode())
        selector.register(sock, selectors.EVENT_READ, sock)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    os.write(1, _READY)
    room = bytearray(_READ_BYTES)
    while True:
        for key, _ in selector.select():
            if key.data is None or key.data.recv_into(room) == 0:
                return


if __name__ == "__main__":
    main()
