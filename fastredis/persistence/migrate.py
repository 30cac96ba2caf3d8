# SPDX-License-Identifier: BSD-3-Clause
r"""MIGRATE: keys move to another server.

::

    here                                                   there
      |-- AUTH | SELECT | RESTORE k1 ... | RESTORE k2 ... -->|
      |<------------- +OK | +OK | +OK | -BUSYKEY ------------|
      '-- DEL k1

A key is deleted here only after the other end has said that it has it. So it is never
lost; if the answer does not come, it may be at both ends.

Nothing else is executed meanwhile. Were other clients served, they might change a key
that is on its way, and the change would be lost with the key; refusing or delaying them
key by key would be of no use to scripts and transactions, which have to be one step.
How long it takes is bounded: the caller says how long connecting, sending some bytes
and waiting for some may each take, as in Redis, which waits in the same way.

Connections are kept for the next call, for some seconds. One that the other end has
closed in between is noticed when it is used; the call is then begun anew.

Threads: the one that executes commands.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any, Final

from fastredis.engine.python_args import integer
from fastredis.persistence.migrate_keys import delete_keys, restore_requests
from fastredis.resp.values import OK, ReplyError, SimpleString

KEPT_SECONDS: Final = 10
KEPT_MAX: Final = 64
DEFAULT_TIMEOUT_MS: Final = 1000
SEND_NBYTES: Final = 64 * 1024  # the timeout is for so much
LINE_MAX: Final = 64 * 1024

_INT64: Final = range(-(2**63), 2**63)


class Link:
    """A connection to another server."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unread = b""
        self.db: bytes | None = None  # selected there; None: unknown
        self.used_at = time.monotonic()

    def send(self, data: bytes, seconds: float) -> None:
        """Send bytes; raises: OSError."""
        self._sock.settimeout(seconds)
        with memoryview(data) as view:
            for at in range(0, len(view), SEND_NBYTES):
                self._sock.sendall(view[at : at + SEND_NBYTES])

    def read_line(self, seconds: float) -> bytes:
        """Return the next line; raises: OSError, also for one without an end."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
            piece = self._sock.recv(LINE_MAX)
            if not piece or len(self._unread) > LINE_MAX:
                raise ConnectionError
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def close(self) -> None:
        with suppress(OSError):
            self._sock.close()


class Links:
    """The connections that are kept."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._kept: dict[tuple[bytes, bytes], Link] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, host: bytes, port: bytes, seconds: float) -> tuple[Link, bool]:
        """Return a connection, and whether it has been used before.

        Raises: ReplyError if there is none to be had.
        """
        link = self._kept.get((host, port))
        if link is not None:
            link.used_at = time.monotonic()
            return link, True
        try:
            link = self._connect(host, port, seconds)
        except (OSError, ValueError, UnicodeError):
            raise ReplyError(
                "IOERR error or timeout connecting to the client"
            ) from None
        if len(self._kept) >= KEPT_MAX:
            self.drop(min(self._kept, key=lambda at: self._kept[at].used_at))
        self._kept[host, port] = link
        return link, False

    def _connect(self, host: bytes, port: bytes, seconds: float) -> Link:
        address = (host.decode(), int(port))
        sock = socket.create_connection(address, seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = self._server.config
        if not config["tls-cluster"]:
            return Link(sock)
        from fastredis.net.tls import TlsError, client_context

        try:
            return Link(client_context(config).wrap_socket(sock))
        except (OSError, TlsError) as error:
            sock.close()
            self._server.log.warning(f"No TLS for MIGRATE: {error}")
            raise OSError from error

    def drop(self, address: tuple[bytes, bytes]) -> None:
        """Close a connection, if it is there."""
        link = self._kept.pop(address, None)
        if link is not None:
            link.close()

    def close_idle(self, seconds: float = KEPT_SECONDS) -> None:
        """Close connections that nobody has used for so long."""
        before = time.monotonic() - seconds
        for address in [a for a, link in self._kept.items() if link.used_at <= before]:
            self.drop(address)


class _Options:
    """What follows the timeout."""

    def __init__(self, args: tuple[bytes, ...], key: bytes) -> None:
        self.is_copying = False
        self.is_replacing = False
        self.credentials: tuple[bytes, ...] = ()
        self.keys: list[bytes] = [key]
        i = 0
        while i < len(args):
            word, left = args[i].lower(), len(args) - 1 - i
            if word == b"copy":
                self.is_copying = True
            elif word == b"replace":
                self.is_replacing = True
            elif word == b"auth" and left:
                self.credentials = args[i + 1 : i + 2]
                i += 1
            elif word == b"auth2" and left >= 2:
                self.credentials = args[i + 1 : i + 3]
                i += 2
            elif word == b"keys":
                if key:
                    raise ReplyError(
                        "ERR When using MIGRATE KEYS option, the key argument must be "
                        "set to the empty string"
                    )
                self.keys = list(args[i + 1 :])
                break
            else:
                raise ReplyError("ERR syntax error")
            i += 1


def migrate(
    ctx: Any,
    host: bytes,
    port: bytes,
    key: bytes,
    db: bytes,
    timeout: bytes,
    *args: bytes,
) -> SimpleString:
    """Move keys to another server, or copy them with COPY.

    Raises: ReplyError if the other end cannot be reached, does not answer in time, or
    refuses a key; those it has taken are gone here all the same.
    """
    options = _Options(args, key)
    milliseconds = integer(timeout)
    number = b"%d" % integer(db)
    if milliseconds <= 0:
        milliseconds = DEFAULT_TIMEOUT_MS
    requests, keys = restore_requests(ctx, options.keys, options.is_replacing)
    if not keys:
        return SimpleString("NOKEY")
    move = _Move(ctx, host, port, number, milliseconds / 1000, options)
    if not move.run(requests, keys):
        # the connection had been closed since its last use: once more, with another
        move.run(requests, keys)
    return OK


class _Move:
    """One call of MIGRATE."""

    def __init__(
        self,
        ctx: Any,
        host: bytes,
        port: bytes,
        db: bytes,
        seconds: float,
        options: _Options,
    ) -> None:
        self._ctx = ctx
        self._links: Links = ctx.server.links
        self._address = (host, port)
        self._db = db
        self._seconds = seconds
        self._options = options

    def run(self, requests: bytes, keys: list[bytes]) -> bool:
        """Move the keys; return False if that may be tried again.

        Raises: ReplyError if it has not worked.
        """
        link, was_used = self._links.take(*self._address, self._seconds)
        head: list[tuple[bytes, ...]] = []
        if self._options.credentials:
            head.append((b"AUTH", *self._options.credentials))
        if link.db != self._db:
            head.append((b"SELECT", self._db))
        doing = "writing"
        taken: list[bytes] = []
        refusal = b""
        try:
            link.send(b"".join(map(_request, head)) + requests, self._seconds)
            doing = "reading"
            for _ in head:
                error = _error_of(link.read_line(self._seconds))
                refusal = refusal or error
            is_ready = not refusal
            for key in keys:
                error = _error_of(link.read_line(self._seconds))
                if not error and is_ready:
                    taken.append(key)
                refusal = refusal or error
        except OSError as failure:
            self._links.drop(self._address)
            if was_used and not taken and not isinstance(failure, TimeoutError):
                return False
            raise ReplyError(
                f"IOERR error or timeout {doing} to target instance"
            ) from None
        finally:
            if not self._options.is_copying:
                delete_keys(self._ctx, taken)
        link.db = None if refusal else self._db
        if refusal:
            text = refusal.decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR Target instance replied with error: {text}")
        return True


def _request(args: tuple[bytes, ...]) -> bytes:
    """Return a request in RESP."""
    parts = [b"*%d\r\n" % len(args)]
    parts += [b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args]
    return b"".join(parts)


def _error_of(line: bytes) -> bytes:
    """Return the text of a reply that is an error, otherwise nothing."""
    return line[1:] if line[:1] == b"-" else b""
