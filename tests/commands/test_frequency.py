# SPDX-License-Identifier: BSD-3-Clause
"""How often keys are used, under the LFU policies: OBJECT FREQ, RESTORE FREQ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.client import RawClient
from support.server import FastredisServer

Fresh = Callable[..., FastredisServer]

START = 5  # of a new key
NO_LFU = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
LFU = "ERR An LFU maxmemory policy is selected, idle time not tracked. "
ADJUST = (
    "Please note that when switching between policies at runtime LRU and LFU data "
    "will take some time to adjust."
)
USES = [
    ("GET", "k"),
    ("SET", "k", "other"),
    ("SET", "k", "12"),
    ("APPEND", "k", "x"),
    ("EXPIRE", "k", "100"),
    ("TOUCH", "k"),
]


@pytest.fixture
def lfu(fresh_server: Fresh) -> RawClient:
    """Connect to a server that counts each use, and takes nothing off."""
    server = fresh_server(
        maxmemory_policy="allkeys-lfu", lfu_log_factor=0, lfu_decay_time=0
    )
    return server.client(2)


def freq(client: RawClient, key: str = "k") -> Any:
    """Return what OBJECT FREQ tells."""
    return client.cmd("OBJECT", "FREQ", key)


@pytest.mark.parametrize("use", USES)
def test_each_use_counts(lfu: RawClient, use: tuple[str, ...]) -> None:
    lfu.ok("SET", "k", "value")
    assert freq(lfu) == START
    for n in range(1, 11):
        lfu.cmd(*use)
        assert freq(lfu) == START + n


@pytest.mark.parametrize(
    "look", [("TTL", "k"), ("TYPE", "k"), ("OBJECT", "FREQ", "k"), ("EXISTS", "k")]
)
def test_a_look_is_no_use(lfu: RawClient, look: tuple[str, ...]) -> None:
    lfu.ok("SET", "k", "value")
    for _ in range(10):
        lfu.cmd(*look)
    assert freq(lfu) == START


def test_no_touch_counts_nothing(lfu: RawClient) -> None:
    lfu.ok("SET", "k", "value")
    lfu.ok("CLIENT", "NO-TOUCH", "ON")
    for _ in range(10):
        lfu.cmd("GET", "k")
    assert freq(lfu) == START
    lfu.cmd("TOUCH", "k")
    assert freq(lfu) == START + 1


def test_it_ends_at_255(lfu: RawClient) -> None:
    lfu.ok("SET", "k", "value")
    lfu.pipeline([("GET", "k")] * 1000)
    assert freq(lfu) == 255


def test_the_value_may_change_its_type(lfu: RawClient) -> None:
    lfu.ok("SET", "k", "value")
    lfu.pipeline([("GET", "k")] * 20)
    lfu.cmd("SET", "k", "x" * 5000)
    assert freq(lfu) == START + 21
    lfu.cmd("RENAME", "k", "renamed")
    assert freq(lfu, "renamed") == START + 22
    lfu.cmd("COPY", "renamed", "copy")
    assert freq(lfu, "copy") == START
    lfu.cmd("DEL", "renamed")
    lfu.cmd("RPUSH", "renamed", "a")
    assert freq(lfu, "renamed") == START


def test_factors_slow_it_down(fresh_server: Fresh) -> None:
    server = fresh_server(maxmemory_policy="volatile-lfu", lfu_log_factor=10)
    client = server.client()
    # Redis documents 10, 18 and 142; six standard deviations to each side
    for uses, least, most in ((100, 6, 20), (1000, 6, 32), (100_000, 100, 190)):
        client.ok("SET", "k", "v")
        for _ in range(uses // 100):
            client.pipeline([("GET", "k")] * 100)
        assert least <= freq(client) <= most, uses
        client.cmd("DEL", "k")


@pytest.mark.parametrize("policy", ["allkeys-lfu", "volatile-lfu"])
def test_restore_brings_a_frequency(fresh_server: Fresh, policy: str) -> None:
    client = fresh_server(maxmemory_policy=policy).client()
    client.ok("SET", "k", "v")
    payload = client.cmd("DUMP", "k")
    for number in (0, 100, 255):
        client.ok("RESTORE", "k", 0, payload, "REPLACE", "FREQ", number)
        assert freq(client) == number
    client.ok("RESTORE", "k", 0, payload, "REPLACE", "IDLETIME", 1000)
    assert freq(client) == START


def test_each_policy_tells_its_own(fresh_server: Fresh) -> None:
    client = fresh_server().client()
    client.ok("SET", "k", "v")
    for policy in ("noeviction", "allkeys-lru", "volatile-lru", "allkeys-random"):
        client.ok("CONFIG", "SET", "maxmemory-policy", policy)
        assert freq(client) == NO_LFU + ADJUST
        assert client.cmd("OBJECT", "IDLETIME", "k") in (0, 1)
    for policy in ("allkeys-lfu", "volatile-lfu"):
        client.ok("CONFIG", "SET", "maxmemory-policy", policy)
        assert client.cmd("OBJECT", "IDLETIME", "k") == LFU + ADJUST
        assert client.cmd("OBJECT", "IDLETIME", "absent") is None
        client.ok("SET", policy, "v")
        assert freq(client, policy) == START
