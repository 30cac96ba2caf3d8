# SPDX-License-Identifier: BSD-3-Clause
"""A genuine redis-server to compare with, if one is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastredis.resp.values import ReplySet, SimpleString

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = shutil.which("redis-server")
_MARKER = b"$16\r\nend-of-this-test\r\n"


class Reference:
    """A running server, asked over one connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def ask(self, *command: bytes | str) -> bytes:
        """Return the raw reply to a command."""
        self.socket.sendall(_request(*command) + _request("ECHO", "end-of-this-test"))
        received = b""
        while not received.endswith(_MARKER):
            chunk = self.socket.recv(1 << 20)
            if not chunk:
                raise ConnectionError("the reference server closed the connection")
            received += chunk
        return received.removesuffix(_MARKER)

    def values(self, *command: bytes | str) -> Any:
        """Return the reply as Python values: RESP2, nested lists, errors as str."""
        return parse(self.ask(*command))[0]


def _request(*command: bytes | str) -> bytes:
    words = [word if isinstance(word, bytes) else word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in words
    )


def parse(data: bytes, at: int = 0) -> tuple[Any, int]:
    """Return one RESP2 value and where the next one begins."""
    end = data.index(b"\r\n", at)
    kind, rest, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind in b"+-":
        return rest.decode(), after
    if kind == b":":
        return int(rest), after
    length = int(rest)
    if length < 0:
        return None, after
    if kind == b"$":
        return data[after : after + length].decode("latin-1"), after + length + 2
    items = []
    for _ in range(length):
        item, after = parse(data, after)
        items.append(item)
    return items, after


def encode(value: Any, version: int) -> bytes:
    """Write a reply of a Python handler as the engine would, in RESP2 or RESP3."""

    def header(kind: bytes, count: int) -> bytes:
        return b"%s%d\r\n" % (kind if version == 3 else b"*", count)

    if value is None:
        return b"_\r\n" if version == 3 else b"$-1\r\n"
    if isinstance(value, bool):
        raise TypeError("no command of these tests answers with a boolean")
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, SimpleString):
        return b"+%s\r\n" % value.encode()
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return b"$%d\r\n%s\r\n" % (len(value), value)
    if isinstance(value, dict):
        size = len(value) if version == 3 else 2 * len(value)
        parts = [item for pair in value.items() for item in pair]
        return header(b"%", size) + b"".join(encode(part, version) for part in parts)
    kind = b"~" if isinstance(value, ReplySet) else b"*"
    return header(kind, len(value)) + b"".join(encode(item, version) for item in value)


@contextmanager
def reference_server() -> Iterator[Reference]:
    """Run redis-server on a free port; the caller has checked that SERVER is set."""
    assert SERVER is not None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [SERVER, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            server = _connect(port, process)
            try:
                yield server
            finally:
                server.socket.close()
        finally:
            process.terminate()


def _connect(port: int, process: subprocess.Popen[bytes]) -> Reference:
    deadline = time.monotonic() + 20
    while True:
        try:
            return Reference(port)
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # between attempts to connect; nothing to wait on
