# SPDX-License-Identifier: BSD-3-Clause
"""A blocking client that sends exactly what it is told and reads strictly."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any, Self

from support.replies import (
    NULL_ARRAY,
    Attributed,
    BigNumber,
    BulkError,
    ConnectionClosed,
    Double,
    Error,
    Map,
    ProtocolViolation,
    Push,
    Set,
    SimpleString,
    Verbatim,
    exact,
    read_reply,
)

__all__ = [
    "NULL_ARRAY",
    "Attributed",
    "BigNumber",
    "BulkError",
    "ConnectionClosed",
    "Double",
    "Error",
    "Map",
    "ProtocolViolation",
    "Push",
    "RawClient",
    "Set",
    "SimpleString",
    "Verbatim",
    "encode",
    "exact",
]

Arg = bytes | str | int | float

# Their replies are pushes in RESP3.
_SUBSCRIBE = frozenset(
    [
        "SUBSCRIBE",
        "PSUBSCRIBE",
        "SSUBSCRIBE",
        "UNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "SUNSUBSCRIBE",
    ]
)


def encode(args: Sequence[Arg]) -> bytes:
    """Return the request with these arguments, str in UTF-8."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        if isinstance(arg, str):
            data = arg.encode()
        elif isinstance(arg, bytes):
            data = arg
        elif isinstance(arg, bool):
            raise TypeError("a request has no booleans")
        else:
            data = repr(arg).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class RawClient:
    """One connection. Every wait ends after `timeout` seconds with TimeoutError.

    address: a port on 127.0.0.1, (host, port), or the path of a Unix socket.
    """

    def __init__(
        self,
        address: int | str | tuple[str, int],
        *,
        resp: int = 2,
        timeout: float = 10.0,
        rcvbuf: int = 0,
    ) -> None:
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            self.sock = socket.socket(socket.AF_INET)
        target = ("127.0.0.1", address) if isinstance(address, int) else address
        try:
            self.sock.settimeout(timeout)
            if rcvbuf:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            self.sock.connect(target)
            if not isinstance(address, str):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.sock.close()
            raise
        self.timeout = timeout
        self.resp = 2
        self.pushes: list[Push] = []
        self._buffer = bytearray()
        self._pos = 0
        if resp != 2:
            try:
                self.hello(resp)
            except BaseException:
                self.sock.close()
                raise

    # --- Commands ----------------------------------------------------------------

    def cmd(self, *args: Arg) -> Any:
        """Send a command and return its reply; errors are values.

        Push messages that come before the reply are kept in `pushes`.
        """
        self.send(*args)
        if str(args[0]).upper() in _SUBSCRIBE:
            return self.read()
        return self.read_answer()

    def ok(self, *args: Arg) -> None:
        """Send a command whose reply must be OK."""
        reply = self.cmd(*args)
        assert isinstance(reply, SimpleString), reply
        assert reply == "OK", reply

    def hello(self, version: int = 3, *args: Arg) -> Any:
        """Change the protocol and return the server's answer, a Map or a list."""
        before, self.resp = self.resp, version
        reply = self.cmd("HELLO", version, *args)
        if isinstance(reply, Error):
            self.resp = before
        return reply

    def pipeline(self, commands: Iterable[Sequence[Arg]]) -> list[Any]:
        """Send all commands, reading while sending; return all replies."""
        requests = [encode(command) for command in commands]
        self.send_and_fill(b"".join(requests))
        return [self.read_answer() for _ in requests]

    def info(self, *sections: str) -> dict[str, str]:
        """Return the fields of INFO."""
        reply = self.cmd("INFO", *sections)
        assert isinstance(reply, bytes), reply
        fields = {}
        for line in reply.decode("utf-8", "surrogateescape").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and not line.startswith("#"):
                fields[name] = value
        return fields

    def config(self, name: str) -> str:
        """Return one configuration value."""
        reply = self.cmd("CONFIG", "GET", name)
        assert not isinstance(reply, Error), reply
        found = reply[name] if isinstance(reply, Map) else reply[1]
        return str(found, "utf-8")

    @property
    def null_array(self) -> Any:
        """What a null array looks like in the protocol in use."""
        return NULL_ARRAY if self.resp == 2 else None

    # --- Bytes -------------------------------------------------------------------

    def send(self, *args: Arg) -> None:
        """Send a command; read nothing."""
        self.sock.sendall(encode(args))

    def send_raw(self, data: bytes) -> None:
        """Send these bytes."""
        self.sock.sendall(data)

    def send_and_fill(self, data: bytes) -> None:
        """Send these bytes, keeping what comes meanwhile: neither side stalls."""
        view = memoryview(data)
        deadline = time.monotonic() + self.timeout
        self.sock.setblocking(False)
        try:
            while view:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{len(view)} bytes not sent")
                readable, writable, _ = select.select(
                    [self.sock], [self.sock], [], left
                )
                if readable:
                    self._receive()
                    deadline = time.monotonic() + self.timeout
                if writable:
                    with contextlib.suppress(BlockingIOError):
                        view = view[self.sock.send(view[: 1 << 18]) :]
                        deadline = time.monotonic() + self.timeout
        finally:
            self.sock.settimeout(self.timeout)

    def read(self) -> Any:
        """Read one reply or push message."""
        return read_reply(self._read_line, self._read_exactly, self.resp)

    def read_answer(self) -> Any:
        """Read one reply; keep the push messages before it."""
        while True:
            reply = self.read()
            if not isinstance(reply, Push):
                return reply
            self.pushes.append(reply)

    def read_raw(self, nbytes: int) -> bytes:
        """Read exactly that many bytes."""
        return self._read_exactly(nbytes)

    def read_until(self, mark: bytes) -> bytes:
        """Read up to a mark, and return the bytes with it."""
        start = self._pos
        while True:
            end = self._buffer.find(mark, start)
            if end >= 0:
                data = bytes(self._buffer[self._pos : end + len(mark)])
                self._pos = end + len(mark)
                return data
            searched = max(0, len(self._buffer) - self._pos - len(mark))
            self._receive()
            start = self._pos + searched

    def read_all(self) -> bytes:
        """Read until the server closes the connection; return the bytes."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self._receive()
        data = bytes(self._buffer[self._pos :])
        self._buffer.clear()
        self._pos = 0
        return data

    def has_input(self, timeout: float = 0.0) -> bool:
        """Tell whether bytes, or the end, are there to read within timeout seconds."""
        if len(self._buffer) > self._pos:
            return True
        return bool(select.select([self.sock], [], [], timeout)[0])

    def is_closed(self, timeout: float = 5.0) -> bool:
        """Tell whether the server closes within timeout seconds, sending no more."""
        if len(self._buffer) > self._pos:
            return False
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        finally:
            self.sock.settimeout(self.timeout)

    def close(self) -> None:
        """Close the connection."""
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Receive buffer ----------------------------------------------------------

    def _receive(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise ConnectionClosed(str(error)) from error
        if not data:
            raise ConnectionClosed("closed by the server")
        if self._pos > 1 << 20:
            del self._buffer[: self._pos]
            self._pos = 0
        self._buffer += data

    def _read_line(self) -> bytes:
        start = self._pos
        while True:
            end = self._buffer.find(b"\n", start)
            if end >= 0:
                line = bytes(self._buffer[self._pos : end + 1])
                self._pos = end + 1
                return line
            searched = len(self._buffer) - self._pos
            self._receive()
            start = self._pos + searched

    def _read_exactly(self, nbytes: int) -> bytes:
        while len(self._buffer) - self._pos < nbytes:
            self._receive()
        data = bytes(self._buffer[self._pos : self._pos + nbytes])
        self._pos += nbytes
        return data
