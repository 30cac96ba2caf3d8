# SPDX-License-Identifier: BSD-3-Clause
"""Time limits of commands that wait, without the cron: it comes every 100 ms only."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from support.client import RawClient
from support.server import FastredisServer
from support.wait import wait_until


@pytest.fixture
def server() -> Iterator[FastredisServer]:
    """Start a server whose cron does nothing."""
    with FastredisServer(enable_debug_command="yes") as started:
        with RawClient(started.port) as client:
            client.ok("DEBUG", "PAUSE-CRON", "1")
        yield started
        with RawClient(started.port) as client:
            client.ok("DEBUG", "PAUSE-CRON", "0")


@pytest.mark.parametrize("seconds", ["0.001", "0.01", "0.15"])
def test_a_limit_ends_by_itself(server: FastredisServer, seconds: str) -> None:
    with RawClient(server.port) as client:
        for _ in range(5):
            started = time.monotonic()
            assert client.cmd("BLPOP", "none", seconds) == client.null_array
            # the server's clock is cut to milliseconds
            assert time.monotonic() - started > float(seconds) - 0.002


def test_limits_end_in_their_order(server: FastredisServer) -> None:
    rng = random.Random(3)
    limits = [rng.randrange(5, 300) / 1000 for _ in range(60)]
    clients = [RawClient(server.port) for _ in limits]
    try:
        started = time.monotonic()
        for client, limit in zip(clients, limits, strict=True):
            client.send("BZPOPMIN", "none", str(limit))
        for limit, client in sorted(zip(limits, clients, strict=True), key=_limit):
            assert client.read() == client.null_array
            assert time.monotonic() - started > limit - 0.002
    finally:
        for client in clients:
            client.close()


def _limit(pair: tuple[float, RawClient]) -> float:
    return pair[0]


def test_the_nearest_limit_may_go_and_come(server: FastredisServer) -> None:
    with (
        RawClient(server.port) as far,
        RawClient(server.port) as near,
        RawClient(server.port) as other,
    ):
        far.send("BLPOP", "none", "0.2")
        gone = RawClient(server.port)
        gone.send("BLPOP", "none", "0.1")
        near.send("BLPOP", "list", "0.1")
        wait_until(lambda: other.info("clients")["blocked_clients"] == "3")
        gone.close()
        other.cmd("RPUSH", "list", "1")
        assert near.read() == [b"list", b"1"]
        near.send("BLPOP", "none", "0.05")
        assert near.read() == near.null_array
        assert far.read() == far.null_array
        assert other.info("clients")["blocked_clients"] == "0"


@pytest.mark.parametrize("seconds", ["100", "4000", "9e15", "9220000000000000"])
def test_waiting_for_long_does_not_wake_the_server(
    server: FastredisServer, seconds: str
) -> None:
    with RawClient(server.port) as waiting, RawClient(server.port) as other:
        waiting.send("BLPOP", "none", seconds)
        wait_until(lambda: other.info("clients")["blocked_clients"] == "1")
        before = int(other.info("stats")["eventloop_cycles"])
        time.sleep(0.3)
        after = int(other.info("stats")["eventloop_cycles"])
        assert after - before <= 2  # those of INFO
