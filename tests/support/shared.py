# SPDX-License-Identifier: BSD-3-Clause
"""One server for many tests: emptied, reset and checked between them."""

from __future__ import annotations

from typing import Any

from support.client import Error, Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until


class SharedServer:
    """A server for many tests; started again when a test has ended it."""

    def __init__(self, **config: Any) -> None:
        self.config = config
        self.server: FastredisServer | None = None
        self.options: dict[bytes, bytes] = {}

    def acquire(self) -> FastredisServer:
        """Return the running server, empty and with the options it began with."""
        if self.server is not None and not self.server.alive:
            self.server.cleanup()
            self.server = None
        if self.server is None:
            self.server = FastredisServer(**self.config)
            with RawClient(self.server.port) as client:
                self.options = config_options(client)
        with RawClient(self.server.port) as client:
            client.ok("FLUSHALL")
            client.cmd("CONFIG", "RESETSTAT")
        wait_for_counters(self.server)
        return self.server

    def release(self, server: FastredisServer) -> None:
        """Check what the test left behind and put the options back."""
        server.close_clients()
        assert server.alive, f"the server died\n{server.shown_log()}"
        with RawClient(server.port) as client:
            for name, value in config_options(client).items():
                if self.options.get(name, value) != value:
                    client.cmd("CONFIG", "SET", name, self.options[name])
        wait_for_counters(server)

    def stop(self) -> None:
        """End it; its exit code is checked."""
        if self.server is not None:
            with self.server:
                pass


def config_options(client: RawClient) -> dict[bytes, bytes]:
    """Return every option; empty from a server that cannot tell."""
    reply = client.cmd("CONFIG", "GET", "*")
    if isinstance(reply, Error):
        return {}
    if isinstance(reply, Map):
        return dict(reply.pairs)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def wait_for_counters(server: FastredisServer) -> None:
    """Wait until the server holds nothing but the connection that asks.

    Closing a socket here is seen by the server a moment later, hence the wait.
    """
    expected = {
        "debug_clients": "1",
        "debug_reply_blocks": "0",
        "debug_lazyfree_pending": "0",
        "debug_watched_keys": "0",
        "debug_subscribers": "0",
    }
    with RawClient(server.port) as client:
        left: dict[str, str] = {}

        def clean() -> bool:
            left.clear()
            reply = client.cmd("INFO", "debug")
            if isinstance(reply, Error):
                return True
            fields = dict(
                line.split(":", 1)
                for line in reply.decode().split("\r\n")
                if ":" in line
            )
            for name, value in expected.items():
                if fields.get(name, value) != value:
                    left[name] = fields[name]
            return not left

        wait_until(clean, 10, message=lambda: f"left behind by the test: {left}")
