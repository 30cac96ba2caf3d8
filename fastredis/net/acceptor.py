# SPDX-License-Identifier: BSD-3-Clause
"""Connections for the event loop's transports: plain ones, and those with TLS.

    listening socket --readable--> accept() --handshake--> road() --> ClientProtocol

Each connection is made with the context that is in force when it comes, so a changed
certificate needs no other listening socket. A handshake that fails or takes too long
costs its connection alone; until it is done, nothing of the client is executed, and
it is no client yet for CLIENT LIST and maxclients.

Threads: the thread of the event loop.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

HANDSHAKE_SECONDS: Final = 60.0
# How long to wait when there are no descriptors left.
PAUSE_SECONDS: Final = 0.1
PER_TURN: Final = 64  # plain connections; each turn serves the other clients, too
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Acceptor:
    """What accepts the clients of some listening sockets.

    context: for TLS, None for plain connections; may be replaced at any time.
    per_turn: how many connections at the most are accepted in one turn of the loop.
    is_full: whether there are as many clients as there may be; a connection is then
        closed before its handshake, which nobody would see an error text through.
    failed: called with an error number when no connection can be accepted.
    say: called with a line about a handshake that failed.
    """

    def __init__(
        self,
        road: Callable[[], asyncio.BaseProtocol],
        *,
        failed: Callable[[int], None],
        say: Callable[[str], None],
        is_full: Callable[[], bool] = lambda: False,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._road = road
        self._failed = failed
        self._say = say
        self._is_full = is_full
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.context = context
        self.per_turn = PER_TURN

    def listen(self, sockets: list[socket.socket]) -> None:
        """Accept from these sockets, and no longer from those of before.

        They stay the caller's, who may close those of before after this call.
        """
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())
        self._sockets = list(sockets)
        for sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def close(self) -> None:
        """Accept no more, and break off handshakes that are under way."""
        self.listen([])
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until no handshake is under way, after close()."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(self.per_turn):
            try:
                sock, _peer = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(listener)
                    self._failed(error.errno or 0)
                return
            sock.setblocking(False)
            if self.context is not None and self._is_full():
                sock.close()
                continue
            task = self._loop.create_task(self._connect(sock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _pause(self, listener: socket.socket) -> None:
        self._loop.remove_reader(listener.fileno())

        def go_on() -> None:
            if listener in self._sockets:
                self._loop.add_reader(listener.fileno(), self._accept, listener)

        self._loop.call_later(PAUSE_SECONDS, go_on)

    async def _connect(self, sock: socket.socket) -> None:
        peer = sock.getsockname() if sock.family == socket.AF_UNIX else "?"
        try:
            if sock.family != socket.AF_UNIX:
                peer = "{}:{}".format(*sock.getpeername()[:2])
            if self.context is None:
                await self._loop.connect_accepted_socket(self._road, sock)
            else:
                await self._loop.connect_accepted_socket(
                    self._road,
                    sock,
                    ssl=self.context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                )
        except (OSError, EOFError) as error:  # ssl.SSLError is an OSError
            sock.close()
            self._say(f"Error accepting a client connection: {error} (addr={peer})")
        except asyncio.CancelledError:
            sock.close()
            raise
