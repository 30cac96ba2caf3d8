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

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import fastredis
from support import server as support_server
from support.client import RawClient
from support.server import FastredisServer
from support.shared import SharedServer, wait_for_counters

# A server that a test starts runs the package that the test imported: "python -m"
# would put the current folder first, where nothing may be compiled.
os.environ["PYTHONSAFEPATH"] = "1"
os.environ["PYTHONPATH"] = str(Path(fastredis.__file__).parents[1])

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
            if one.alive:
                one.close_clients()
                with contextlib.suppress(ConnectionRefusedError):  # port 0
                    wait_for_counters(one)
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


# --- The run as a whole ------------------------------------------------------------


def pytest_configure() -> None:
    """Have a run that is told to end take its servers with it."""
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=3))


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
