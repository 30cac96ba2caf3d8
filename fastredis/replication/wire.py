# SPDX-License-Identifier: BSD-3-Clause
r"""The connection to a master, until it becomes a client.

    PlainWire   socket --sock_recv--> read()          adopted by the reactor
    LoopWire    transport --data_received--> read()   adopted by a ClientProtocol

What was read and not used when the connection is handed over goes along with it. The
second is for TLS, and for platforms where clients are served by the event loop.

Threads: the one that runs the event loop.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    import ssl

READ_NBYTES: Final = 256 * 1024
# Of what has come and was not read yet; then the sender waits.
_WAITING_MAX: Final = 4 * 1024 * 1024
_LINE_MAX: Final = 64 * 1024


class WireError(Exception):
    """The connection ended, or the master does not speak the protocol."""


async def connect(
    host: str, port: int, source: str, context: ssl.SSLContext | None, *, plain: bool
) -> Wire:
    """Return a connection.

    source: the address to connect from, or empty. plain: the reactor can adopt it.
    Raises: OSError.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    error: OSError = OSError(f"no address for {host}")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            if source:
                sock.bind((source, 0))
            await loop.sock_connect(sock, address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if plain and context is None:
                return PlainWire(sock)
            inbox = _Inbox()
            transport, _ = await loop.create_connection(
                lambda inbox=inbox: inbox,
                sock=sock,
                ssl=context,
                server_hostname=host if context is not None else None,
            )
            return LoopWire(transport, inbox)
        except OSError as reason:
            sock.close()
            error = reason
        except BaseException:
            sock.close()
            raise
    raise error


class Wire(abc.ABC):
    """A connection; what is here is common to both kinds."""

    def __init__(self) -> None:
        self.rest = b""  # was read, and not used yet

    @abc.abstractmethod
    async def _receive(self) -> bytes:
        """Return what has come; empty: the connection has ended."""

    @abc.abstractmethod
    async def write(self, data: bytes) -> None:
        """Send. Raises: OSError."""

    @abc.abstractmethod
    def adopt(self, server: Any) -> int:
        """Make it a client of the server, and return the client's id."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close it, unless it was adopted."""

    @abc.abstractmethod
    def local_address(self) -> str:
        """Return the address that this end has."""

    async def read(self) -> bytes:
        """Return what has come, at least a byte.

        Raises: WireError at the end of the connection, OSError.
        """
        if self.rest:
            data, self.rest = self.rest, b""
            return data
        data = await self._receive()
        if not data:
            raise WireError("I/O error reading from master: Connection closed")
        return data

    def unread(self, data: bytes) -> None:
        """Give back the end of what was read."""
        self.rest = data + self.rest

    async def line(self) -> bytes:
        """Return a line without its end; an empty one is a sign of life.

        Raises: WireError, OSError.
        """
        found = b""
        while True:
            data = await self.read()
            head, newline, tail = data.partition(b"\n")
            found += head
            if newline:
                self.unread(tail)
                return found.removesuffix(b"\r")
            if len(found) > _LINE_MAX:
                raise WireError("The master sent a line that is too long")

    async def send(self, *args: bytes | str | int) -> None:
        """Send a request."""
        parts = [b"*%d\r\n" % len(args)]
        for arg in args:
            raw = arg if isinstance(arg, bytes) else str(arg).encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
        await self.write(b"".join(parts))


class PlainWire(Wire):
    """A socket without TLS."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock: socket.socket | None = sock

    async def _receive(self) -> bytes:
        assert self._sock is not None
        return await asyncio.get_running_loop().sock_recv(self._sock, READ_NBYTES)

    async def write(self, data: bytes) -> None:
        """Send."""
        assert self._sock is not None
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    def adopt(self, server: Any) -> int:
        """Have the reactor serve it."""
        assert self._sock is not None
        fd = self._sock.detach()
        self._sock = None
        return int(server.adopt(fd))

    def close(self) -> None:
        """Close it."""
        if self._sock is not None:
            self._sock.close()

    def local_address(self) -> str:
        """Return the address of this end."""
        assert self._sock is not None
        return str(self._sock.getsockname()[0])


class _Inbox(asyncio.Protocol):
    """What has come on a transport."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.pieces: list[bytes] = []
        self.nbytes = 0
        self.is_closed = False
        self.is_paused = False
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.has_news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.nbytes += len(data)
        self.has_news.set()
        if self.nbytes > _WAITING_MAX and not self.is_paused and self.transport:
            self.is_paused = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self.has_news.set()
        self.has_room.set()

    def pause_writing(self) -> None:
        self.has_room.clear()

    def resume_writing(self) -> None:
        self.has_room.set()

    def take(self) -> bytes:
        """Return all that has come and was not taken yet."""
        data = b"".join(self.pieces)
        self.pieces.clear()
        self.nbytes = 0
        self.has_news.clear()
        if self.is_paused and self.transport:
            self.is_paused = False
            self.transport.resume_reading()
        return data


class LoopWire(Wire):
    """A transport of the event loop, with or without TLS."""

    def __init__(self, transport: asyncio.Transport, inbox: _Inbox) -> None:
        super().__init__()
        self._transport: asyncio.Transport | None = transport
        self._inbox = inbox

    async def _receive(self) -> bytes:
        while not self._inbox.pieces:
            if self._inbox.is_closed:
                return b""
            await self._inbox.has_news.wait()
        return self._inbox.take()

    async def write(self, data: bytes) -> None:
        """Send."""
        assert self._transport is not None
        if self._inbox.is_closed:
            raise ConnectionResetError("the connection is closed")
        self._transport.write(data)
        await self._inbox.has_room.wait()

    def adopt(self, server: Any) -> int:
        """Have the event loop serve it."""
        transport, self._transport = self._transport, None
        if transport is None or self._inbox.is_closed:
            raise ConnectionResetError("the connection is closed")
        self.rest += self._inbox.take()
        return int(server.adopt(transport))

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):
                self._transport.abort()

    def local_address(self) -> str:
        """Return the address of this end."""
        assert self._transport is not None
        return str(self._transport.get_extra_info("sockname")[0])
