# SPDX-License-Identifier: BSD-3-Clause
"""redis-py's client-side cache, and its pub/sub from threads and from asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer
from support.wait import wait_until

redis = pytest.importorskip("redis", minversion="5.1", reason="needs redis-py 5.1")

from redis import asyncio as aioredis  # noqa: E402
from redis.cache import CacheConfig  # noqa: E402


@pytest.fixture(scope="module")
def backend() -> Iterator[FastredisServer]:
    with FastredisServer() as server:
        yield server


@pytest.fixture
def plain(backend: FastredisServer) -> Iterator[Any]:
    """Return a client without a cache; the server is empty."""
    client = redis.Redis(port=backend.port, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def cached(backend: FastredisServer, plain: Any) -> Iterator[Any]:
    """Return a client with a cache."""
    client = redis.Redis(
        port=backend.port,
        protocol=3,
        cache_config=CacheConfig(max_size=1000),
        decode_responses=True,
    )
    yield client
    client.connection_pool.disconnect()
    client.close()


def calls(client: Any, command: str) -> int:
    """Return how often the server has executed a command."""
    stats = client.info("commandstats").get(f"cmdstat_{command}")
    return int(stats["calls"]) if stats else 0


# --- The cache ---------------------------------------------------------------------


def test_what_is_cached_is_not_asked_for_again(plain: Any, cached: Any) -> None:
    plain.set("a", "1")
    before = calls(plain, "get")
    assert [cached.get("a") for _ in range(100)] == ["1"] * 100
    assert calls(plain, "get") == before + 1
    assert cached.get_cache().size == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda client: client.set("a", "2"),
        lambda client: client.incr("a"),
        lambda client: client.pipeline().mset({"b": "1", "a": "2"}).execute(),
        lambda client: (client.delete("a"), client.set("a", "2")),
        lambda client: (client.flushall(), client.set("a", "2")),
        lambda client: (client.set("b", "2"), client.rename("b", "a")),
    ],
)
def test_a_change_by_another_client_is_seen(
    plain: Any, cached: Any, change: Any
) -> None:
    plain.set("a", "1")
    assert cached.get("a") == "1"
    change(plain)
    # the message was sent before the change was answered, so at most a moment ago
    wait_until(lambda: cached.get("a") == "2")


def test_a_key_that_expires_leaves_the_cache(plain: Any, cached: Any) -> None:
    plain.set("a", "1", px=50)
    assert cached.get("a") == "1"
    wait_until(lambda: cached.get("a") is None)


def test_own_changes_are_seen_at_once(cached: Any) -> None:
    for n in range(50):
        cached.set("a", n)
        assert cached.get("a") == str(n)


def test_values_of_all_types(plain: Any, cached: Any) -> None:
    plain.hset("h", mapping={"f": "1"})
    plain.rpush("l", "1", "2")
    plain.sadd("s", "1")
    plain.zadd("z", {"m": 1})

    def read() -> list[Any]:
        return [
            cached.hgetall("h"),
            cached.lrange("l", 0, -1),
            cached.smembers("s"),
            cached.zrange("z", 0, -1, withscores=True),
            cached.mget("x", "y"),
        ]

    first = read()
    before = sum(calls(plain, name) for name in ("hgetall", "lrange", "smembers"))
    assert read() == first
    after = sum(calls(plain, name) for name in ("hgetall", "lrange", "smembers"))
    assert after == before
    plain.hset("h", "f", "2")
    plain.lpop("l")
    plain.sadd("s", "2")
    plain.zincrby("z", 1, "m")
    plain.set("y", "1")
    expected = [{"f": "2"}, ["2"], {"1", "2"}, [["m", 2.0]], [None, "1"]]
    wait_until(lambda: read() == expected)


def test_threads_never_read_what_is_older_than_what_they_have_seen(
    backend: FastredisServer, plain: Any, cached: Any
) -> None:
    """A counter only grows, so whoever reads it must never see it shrink."""
    plain.set("n", 0)
    wrong: list[tuple[int, int]] = []
    done = threading.Event()

    def read() -> None:
        last = 0
        while not done.is_set():
            n = int(cached.get("n"))
            if n < last:
                wrong.append((last, n))
            last = n
            time.sleep(0.0002)  # the writer has to come by, too

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        plain.incr("n")
    done.set()
    for reader in readers:
        reader.join(10)
    assert not wrong
    wait_until(lambda: cached.get("n") == "100")


# --- Pub/sub -----------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3])
def test_handlers_in_a_thread(backend: FastredisServer, protocol: int) -> None:
    client = redis.Redis(port=backend.port, protocol=protocol, decode_responses=True)
    heard: list[tuple[str, str]] = []
    sub = client.pubsub(ignore_subscribe_messages=True)

    def note(message: dict[str, Any]) -> None:
        heard.append((message["channel"], message["data"]))

    sub.subscribe(**{"orders": note})
    sub.psubscribe(**{"log.*": note})
    thread = sub.run_in_thread(sleep_time=0.01)
    try:
        wait_until(lambda: client.publish("orders", "0") == 1)
        wait_until(lambda: client.publish("log.web", "0") == 1)
        for n in range(1, 100):
            assert client.publish("orders", n) == 1
            assert client.publish("log.web", n) == 1
            assert client.publish("other", n) == 0
        wait_until(lambda: len(heard) >= 200)
    finally:
        thread.stop()
        thread.join(10)
    for channel in ("orders", "log.web"):
        found = [int(text) for name, text in heard if name == channel]
        assert found[-100:] == list(range(100))
    client.close()


def test_a_chat_in_asyncio(backend: FastredisServer) -> None:
    async def guest(name: str, count: int, ready: asyncio.Semaphore) -> list[str]:
        client = aioredis.Redis(port=backend.port, decode_responses=True)
        said = []
        async with client.pubsub(ignore_subscribe_messages=True) as sub:
            await sub.subscribe("room")
            while await client.pubsub_numsub("room") == [("room", 0)]:
                await asyncio.sleep(0)
            ready.release()
            while len(said) < count:
                message = await sub.get_message(timeout=5)
                if message is not None:
                    said.append(message["data"])
        await client.aclose()
        return said

    async def chat() -> list[list[str]]:
        ready = asyncio.Semaphore(0)
        guests = [asyncio.create_task(guest(f"g{n}", 50, ready)) for n in range(10)]
        client = aioredis.Redis(port=backend.port, decode_responses=True)
        for _ in guests:
            await ready.acquire()
        while (await client.pubsub_numsub("room"))[0][1] < len(guests):
            await asyncio.sleep(0.005)
        for n in range(50):
            assert await client.publish("room", f"line {n}") == len(guests)
        found = await asyncio.gather(*guests)
        await client.aclose()
        return found

    said = asyncio.run(asyncio.wait_for(chat(), 20))
    assert said == [[f"line {n}" for n in range(50)]] * 10


def test_keyspace_events(backend: FastredisServer, plain: Any) -> None:
    plain.config_set("notify-keyspace-events", "KEA")
    sub = plain.pubsub()
    sub.psubscribe("__keyevent@0__:*")
    assert sub.get_message(timeout=5)["type"] == "psubscribe"
    plain.set("a", "1", px=30)
    events = [sub.get_message(timeout=5) for _ in range(3)]
    assert [event["channel"].partition(":")[2] for event in events] == [
        "set",
        "expire",
        "expired",
    ]
    sub.close()
    plain.config_set("notify-keyspace-events", "")
