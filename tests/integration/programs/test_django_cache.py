# SPDX-License-Identifier: BSD-3-Clause
"""Django with its own Redis cache backend: the cache, and a site with sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer
from support.wait import wait_until

django = pytest.importorskip("django", reason="Django is not installed")
pytest.importorskip("redis", reason="redis-py is not installed")

from django.conf import settings  # noqa: E402
from django.core.cache import caches  # noqa: E402

if not settings.configured:
    settings.configure(
        SECRET_KEY="for tests",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="support.django_site",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        SESSION_CACHE_ALIAS="default",
        USE_TZ=True,
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:1",  # the server of `cache` takes over
                "KEY_PREFIX": "site",
            }
        },
    )
    django.setup()


@pytest.fixture(scope="module")
def backend() -> Iterator[FastredisServer]:
    with FastredisServer() as server:
        yield server


@pytest.fixture
def cache(backend: FastredisServer) -> Iterator[Any]:
    """Return Django's cache, empty, on a server of this module."""
    settings.CACHES["default"]["LOCATION"] = f"redis://127.0.0.1:{backend.port}/1"
    caches.settings = caches.configure_settings(settings.CACHES)
    if hasattr(caches._connections, "default"):
        del caches["default"]
    cache = caches["default"]
    cache.clear()
    yield cache
    for pool in cache._cache._pools.values():
        pool.disconnect()


# --- The cache ---------------------------------------------------------------------


def test_values_of_all_sorts(cache: Any) -> None:
    values = {
        "int": 5,
        "big": 2**80,
        "text": "Fußgängerübergänge",
        "bytes": bytes(range(256)) * 500,
        "none": None,
        "tree": {"list": [1, 2.5, {"deep": (True, b"x")}]},
    }
    for key, value in values.items():
        cache.set(key, value)
    for key, value in values.items():
        assert cache.get(key, "absent") == value
    assert cache.get_many([*values, "absent"]) == values
    assert cache.get("absent", "default") == "default"


def test_add_keeps_what_is_there(cache: Any) -> None:
    assert cache.add("k", 1)
    assert not cache.add("k", 2)
    assert cache.get("k") == 1
    assert cache.get_or_set("k", 3) == 1
    assert cache.get_or_set("l", lambda: 4) == 4


def test_counters(cache: Any) -> None:
    cache.set("n", 10)
    assert cache.incr("n") == 11
    assert cache.incr("n", 9) == 20
    assert cache.decr("n", 25) == -5
    with pytest.raises(ValueError, match="not found"):
        cache.incr("absent")


def test_times(cache: Any, backend: FastredisServer) -> None:
    cache.set("brief", "x", timeout=0.05)
    cache.set("over", "x", timeout=0)
    cache.set("forever", "x", timeout=None)
    cache.set("minutes", "x", timeout=300)
    assert cache.get("over") is None
    wait_until(lambda: cache.get("brief") is None)
    assert cache.touch("forever", 200)
    assert not cache.touch("absent", 200)
    with backend.client() as client:
        client.ok("SELECT", 1)
        assert 190 < client.cmd("TTL", "site:1:forever") <= 200
        assert 290 < client.cmd("TTL", "site:1:minutes") <= 300
    assert cache.touch("minutes", None)
    assert cache.has_key("minutes")


def test_many_at_once(cache: Any) -> None:
    values = {f"k{i}": i for i in range(300)}
    assert cache.set_many(values, timeout=100) == []
    assert cache.get_many(values) == values
    cache.delete_many(list(values)[:100])
    assert len(cache.get_many(values)) == 200
    assert cache.delete("k200")
    assert not cache.delete("k200")


def test_versions_of_a_key(cache: Any) -> None:
    cache.set("k", "one", version=1)
    cache.set("k", "two", version=2)
    assert cache.get("k", version=2) == "two"
    cache.incr_version("k")
    assert cache.get("k", version=1) is None
    assert cache.get("k", version=2) == "one"


def test_clear_empties_one_database(cache: Any, backend: FastredisServer) -> None:
    with backend.client() as client:
        client.ok("SET", "elsewhere", "x")
        cache.set("k", 1)
        cache.clear()
        assert cache.get("k") is None
        assert client.cmd("GET", "elsewhere") == b"x"


def test_threads_share_a_counter(cache: Any) -> None:
    cache.set("n", 0)

    def work() -> None:
        for _ in range(200):
            caches["default"].incr("n")
        for pool in caches["default"]._cache._pools.values():
            pool.disconnect()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("n") == 1000


# --- A site ------------------------------------------------------------------------


def test_a_site_with_sessions_and_cached_pages(cache: Any) -> None:
    from django.test import Client

    from support import django_site

    alice, bob = Client(), Client()
    for n in range(1, 4):
        assert alice.get("/visit").json() == {"visits": n}
    assert bob.get("/visit").json() == {"visits": 1}
    alice.post("/basket", {"item": "tea", "count": "2"})
    alice.post("/basket", {"item": "milk", "count": "1"})
    assert alice.get("/basket").json() == {"tea": 2, "milk": 1}
    assert bob.get("/basket").json() == {}

    django_site.rendered = 0
    pages = {client.get("/report").content for client in (alice, bob, alice, bob)}
    assert len(pages) == 1
    assert django_site.rendered == 1

    alice.post("/logout")
    assert alice.get("/basket").json() == {}
    assert bob.get("/visit").json() == {"visits": 2}
