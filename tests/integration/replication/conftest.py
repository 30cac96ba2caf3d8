# SPDX-License-Identifier: BSD-3-Clause
"""Servers and the ways between them, ended with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.replicas import Make, Proxy, start
from support.server import ServerProcess


@pytest.fixture
def make_server() -> Iterator[Make]:
    """Start servers by their kind: fastredis, redis or valkey."""
    made: list[ServerProcess] = []

    def make(kind: str, **config: Any) -> ServerProcess:
        made.append(start(kind, **config))
        return made[-1]

    yield make
    for server in reversed(made):
        try:
            if server.alive:
                server.stop()
        finally:
            server.kill()
            server.cleanup()


@pytest.fixture
def make_proxy() -> Iterator[Callable[[int], Proxy]]:
    """Make ways to ports."""
    made: list[Proxy] = []

    def make(port: int) -> Proxy:
        made.append(Proxy(port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
