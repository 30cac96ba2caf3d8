# SPDX-License-Identifier: BSD-3-Clause
"""A TCP proxy between servers, whose links tests cut, stall and delay."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Self

_CHUNK = 64 * 1024
_HOST = "127.0.0.1"


class Proxy:
    """Forwards connections to a port of this machine, unless told otherwise.

    ::

        client ---> proxy.port ---> target

    Its methods may be called from any thread.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._is_cut = False
        self._delay = 0.0
        self._pairs: set[asyncio.StreamWriter] = set()
        self._listener = socket.create_server((_HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._flows: asyncio.Event = asyncio.Event()
        self._flows.set()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self._listener)
        )
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    # --- What happens to the link ------------------------------------------------

    def cut(self) -> None:
        """Close all connections, and those that come, at once."""
        self._is_cut = True
        self.break_connections()

    def break_connections(self) -> None:
        """Close all connections; new ones are served."""
        self._call(self._abort)

    def stall(self) -> None:
        """Forward nothing; both ends believe that they are connected."""
        self._call(self._flows.clear)

    def delay(self, seconds: float) -> None:
        """Forward each piece so much later."""
        self._delay = seconds

    def heal(self) -> None:
        """Forward all, at once."""
        self._is_cut = False
        self._delay = 0.0
        self._call(self._flows.set)

    def close(self) -> None:
        """End it and its connections."""
        self._call(self._server.close)
        self._call(self._abort)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                self._loop.run_until_complete(task)
        self._loop.close()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- On its thread -----------------------------------------------------------

    def _call(self, function: object) -> None:
        """Call a function on the thread, and return when it has been."""
        done = threading.Event()

        def run() -> None:
            assert callable(function)
            function()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(10)

    def _abort(self) -> None:
        for writer in self._pairs:
            writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(_HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._pairs |= ends
        try:
            await asyncio.gather(
                self._pump(reader, far_writer), self._pump(far_reader, writer)
            )
        except OSError:
            pass
        finally:
            self._pairs -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._flows.wait()
            writer.write(data)
            await writer.drain()
        writer.write_eof()
