# SPDX-License-Identifier: BSD-3-Clause
"""Rate limiters, as one writes them with redis-py: a fixed and a sliding window."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer
from support.wait import wait_until

redis = pytest.importorskip("redis", reason="redis-py is not installed")


class FixedWindow:
    """So many calls in each window: a counter that expires."""

    def __init__(self, client: Any, limit: int, window_ms: int) -> None:
        self.client = client
        self.limit = limit
        self.window_ms = window_ms

    def allows(self, caller: str) -> bool:
        key = f"fixed:{caller}"
        pipe = self.client.pipeline(transaction=False)
        pipe.set(key, 0, px=self.window_ms, nx=True)
        pipe.incr(key)
        count: int = pipe.execute()[1]
        return count <= self.limit

    def wait_ms(self, caller: str) -> int:
        """Return how long the caller has to wait."""
        return max(0, self.client.pttl(f"fixed:{caller}"))


class SlidingWindow:
    """So many calls in any window: a sorted set of their times, in milliseconds."""

    def __init__(self, client: Any, limit: int, window_ms: int) -> None:
        self.client = client
        self.limit = limit
        self.window_ms = window_ms
        self.numbers = itertools.count()

    def allows(self, caller: str, now_ms: int) -> bool:
        key = f"sliding:{caller}"
        call = f"{now_ms}-{threading.get_ident()}-{next(self.numbers)}"
        pipe = self.client.pipeline(transaction=False)
        pipe.zremrangebyscore(key, "-inf", now_ms - self.window_ms)
        pipe.zadd(key, {call: now_ms})
        pipe.zrank(key, call)
        pipe.pexpire(key, 10 * self.window_ms)
        rank: int = pipe.execute()[2]
        if rank < self.limit:
            return True
        self.client.zrem(key, call)  # a call that was refused does not count
        return False


@pytest.fixture
def client(server: FastredisServer) -> Iterator[Any]:
    with redis.Redis(port=server.port) as connected:
        yield connected


def test_fixed_window(client: Any) -> None:
    limiter = FixedWindow(client, limit=5, window_ms=60_000)
    assert [limiter.allows("alice") for _ in range(8)] == [True] * 5 + [False] * 3
    assert limiter.allows("bob")
    assert 0 < limiter.wait_ms("alice") <= 60_000
    assert limiter.wait_ms("nobody") == 0


def test_a_new_window_opens(client: Any) -> None:
    limiter = FixedWindow(client, limit=2, window_ms=50)
    for _ in range(3):
        seen = [limiter.allows("alice") for _ in range(2)]
        assert seen[0]
        wait_until(lambda: client.exists("fixed:alice") == 0)


def test_sliding_window_against_a_model(client: Any) -> None:
    """The times are made up, so every answer is known."""
    limiter = SlidingWindow(client, limit=10, window_ms=1000)
    accepted: list[int] = []
    now = 1_700_000_000_000
    for step in range(600):
        now += (step * 37) % 90
        in_window = [at for at in accepted if at > now - 1000]
        expected = len(in_window) < 10
        assert limiter.allows("alice", now) == expected, step
        if expected:
            accepted.append(now)
    assert 100 < len(accepted) < 600
    assert client.zcard("sliding:alice") <= 11


def test_threads_share_the_limit(client: Any, server: FastredisServer) -> None:
    """Not one call too many gets through, whoever comes first."""
    fixed = FixedWindow(client, limit=100, window_ms=60_000)
    allowed: list[bool] = []

    def call() -> None:
        with redis.Redis(port=server.port) as own:
            limiter = FixedWindow(own, limit=100, window_ms=60_000)
            allowed.extend([limiter.allows("all") for _ in range(50)])

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert allowed.count(True) == 100
    assert not fixed.allows("all")


def test_keys_of_idle_callers_go_away(client: Any) -> None:
    limiter = SlidingWindow(client, limit=3, window_ms=10)
    for n in range(200):
        limiter.allows(f"caller-{n}", int(time.time() * 1000))
    assert client.dbsize() > 0
    wait_until(lambda: client.dbsize() == 0)
