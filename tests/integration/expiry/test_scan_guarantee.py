# SPDX-License-Identifier: BSD-3-Clause
"""SCAN shows every key that is there from its start to its end, whatever happens.

What comes and goes meanwhile makes the table grow and shrink under the cursor.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from support.client import Error, RawClient

STAY = 2000


def pipeline(client: RawClient, commands: list[tuple[Any, ...]]) -> None:
    for reply in client.pipeline(commands):
        assert not isinstance(reply, Error), reply


def scan_all(
    client: RawClient,
    *options: Any,
    between: Callable[[], None] = lambda: None,
    count: Callable[[], int] = lambda: 10,
) -> list[bytes]:
    """Scan from start to end; return all keys, repeated ones too."""
    cursor = b"0"
    found: list[bytes] = []
    for _ in range(1_000_000):
        reply = client.cmd("SCAN", cursor, "COUNT", count(), *options)
        cursor, keys = reply
        assert cursor.isdigit()
        found += keys
        if cursor == b"0":
            return found
        between()
    raise AssertionError("SCAN does not end")


class Changer:
    """Adds and removes keys between the steps of a scan."""

    def __init__(self, client: RawClient, rng: random.Random, how: str) -> None:
        self.client = client
        self.rng = rng
        self.how = how
        self.number = 0
        self.present: list[str] = []
        self.ever: set[bytes] = set()

    def add(self, number: int) -> None:
        """Add that many keys."""
        names = [f"comes:{self.number + n}" for n in range(number)]
        self.number += number
        self.present += names
        self.ever.update(name.encode() for name in names)
        pipeline(self.client, [("SET", name, "v") for name in names])

    def remove(self, number: int) -> None:
        """Remove that many keys, the ones that came last."""
        gone, self.present = self.present[-number:], self.present[:-number]
        if gone:
            pipeline(self.client, [("UNLINK", name) for name in gone])

    def step(self) -> None:
        """Change the table as `how` says."""
        how = self.how
        if how == "both":
            how = self.rng.choice(["grows", "shrinks"])
        if how == "grows" and self.number < 60_000:
            self.add(self.rng.randrange(1500))
        elif how == "shrinks":
            self.remove(self.rng.randrange(1500))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("how", ["grows", "shrinks", "both"])
def test_scan_misses_nothing(client2: RawClient, how: str, seed: int) -> None:
    rng = random.Random(f"{how} {seed}")
    client = client2
    stay = {b"stays:%d" % n for n in range(STAY)}
    pipeline(client, [("SET", f"gone:{n}", "v") for n in range(500)])
    pipeline(client, [("SET", key, "v") for key in sorted(stay)])
    changer = Changer(client, rng, how)
    changer.add(60_000 if how == "shrinks" else 1000)
    pipeline(client, [("DEL", f"gone:{n}") for n in range(500)])
    found = scan_all(
        client,
        between=changer.step,
        count=lambda: rng.choice([1, 10, 50, 200, 1000]),
    )
    assert stay <= set(found)
    assert set(found) <= stay | changer.ever


@pytest.mark.parametrize("number", [0, 1, 6, 7, 8, 100, 10_000])
@pytest.mark.parametrize("count", [1, 10, 999, 1_000_000])
def test_still_table_shows_each_key_once(
    client2: RawClient, number: int, count: int
) -> None:
    keys = [b"key:%d" % n for n in range(number)]
    pipeline(client2, [("SET", key, "v") for key in keys])
    found = scan_all(client2, count=lambda: count)
    # A resize of the table may be under way, and then a key may be shown twice.
    assert set(found) == set(keys)
    assert len(found) <= 2 * number


def test_match_and_type_filter(client: RawClient) -> None:
    pipeline(client, [("SET", f"a:{n}", "v") for n in range(1000)])
    pipeline(client, [("SET", f"b:{n}", "v") for n in range(1000)])
    found = set(scan_all(client, "MATCH", "a:*"))
    assert found == {b"a:%d" % n for n in range(1000)}
    found = set(scan_all(client, "MATCH", "b:??", "TYPE", "string"))
    assert found == {b"b:%d" % n for n in range(10, 100)}
    assert scan_all(client, "MATCH", "c*") == []
    assert scan_all(client, "TYPE", "list") == []


def test_scan_does_not_show_keys_whose_time_is_over(client2: RawClient) -> None:
    client = client2
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    try:
        pipeline(client, [("SET", f"goes:{n}", "v", "PX", 1) for n in range(100)])
        pipeline(client, [("SET", f"stays:{n}", "v") for n in range(100)])
        while client.cmd("PTTL", "goes:99") != -2:
            pass
        assert set(scan_all(client)) == {b"stays:%d" % n for n in range(100)}
    finally:
        client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")


def test_any_cursor_is_answered(client2: RawClient) -> None:
    client = client2
    pipeline(client, [("SET", f"key:{n}", "v") for n in range(1000)])
    rng = random.Random(3)
    for _ in range(500):
        cursor = rng.getrandbits(rng.randrange(1, 64))
        following, keys = client.cmd("SCAN", cursor)
        assert following.isdigit()
        assert all(key.startswith(b"key:") for key in keys)
    assert client.cmd("SCAN", 2**64 - 1)[0].isdigit()
    for bad in ("x", "1x", "-", str(2**64)):
        assert client.cmd("SCAN", bad) == Error("ERR invalid cursor"), bad
