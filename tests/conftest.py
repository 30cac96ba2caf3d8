# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures that every test may use.

server        a running fastredis, shared; emptied and reset between tests
client        a connection to it; the test runs twice, in RESP2 and in RESP3
client2       a connection in RESP2;  client3: in RESP3
fresh_server  make servers of the test's own: ``fresh_server("--arg", maxclients=9)``

At the end of a test every connection that came from ``server.client()`` is closed,
and the server's own counters must then be back where they started: no client left,
no block of a reply that nobody frees.

FASTREDIS_HYPOTHESIS=long runs the random tests longer and with new seeds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support import server as support_server
from support.client import Error, Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=_QUIET,
)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=5000,
    print_blob=True,
    suppress_health_check=_QUIET,
)
settings.load_profile(os.environ.get("FASTREDIS_HYPOTHESIS", "default"))


# --- Servers -----------------------------------------------------------------------


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
    expected = {"debug_clients": "1", "debug_reply_blocks": "0"}
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


@pytest.fixture(scope="session")
def shared_server() -> Iterator[SharedServer]:
    """Hold the server that `server` lends; tests ask for `server`."""
    shared = SharedServer()
    yield shared
    shared.stop()


@pytest.fixture
def server(shared_server: SharedServer) -> Iterator[FastredisServer]:
    """Lend a running, empty fastredis."""
    lent = shared_server.acquire()
    yield lent
    shared_server.release(lent)


@pytest.fixture
def fresh_server() -> Iterator[Callable[..., FastredisServer]]:
    """Make servers of the test's own; each must still be well at the end."""
    made: list[FastredisServer] = []

    def make(*args: str, **config: Any) -> FastredisServer:
        made.append(FastredisServer(*args, **config))
        return made[-1]

    yield make
    try:
        for one in made:
            one.stop()
    finally:
        for one in made:
            one.kill()
            one.cleanup()


# --- Clients -----------------------------------------------------------------------


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(server: FastredisServer, request: pytest.FixtureRequest) -> RawClient:
    """Connect in RESP2 and, the test run again, in RESP3."""
    return server.client(request.param)


@pytest.fixture
def client2(server: FastredisServer) -> RawClient:
    """Connect in RESP2."""
    return server.client(2)


@pytest.fixture
def client3(server: FastredisServer) -> RawClient:
    """Connect in RESP3."""
    return server.client(3)


# --- Reports -----------------------------------------------------------------------


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Show the logs of the running servers with a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        for server in list(support_server.running):
            report.sections.append((f"server {server.port}", server.shown_log()))
