# SPDX-License-Identifier: BSD-3-Clause
"""keyspace.lfu on a simulated clock: counters grow, and time wears them down."""

from __future__ import annotations

import pytest

from fastredis._testing import keyspace

MINUTE = 60_000
START = 5
DAYS_45 = 65_536 * MINUTE  # where the minutes, 16 bits, begin again


def used(n: int, *, decay_min: int = 1, now_ms: int = 10 * MINUTE) -> keyspace.Keyspace:
    """Return a keyspace with a key that was used n times, each of which counted."""
    ks = keyspace.Keyspace(now_ms=now_ms)
    ks.set_lfu(0, decay_min)
    ks.set(0, b"k", b"v")
    for _ in range(n):
        ks.get(0, b"k", "read")
    assert ks.frequency(0, b"k") == START + n
    return ks


@pytest.mark.parametrize("decay_min", [1, 2, 7])
@pytest.mark.parametrize("start_ms", [10 * MINUTE, DAYS_45 - 20 * MINUTE])
def test_time_takes_off(decay_min: int, start_ms: int) -> None:
    ks = used(20, decay_min=decay_min, now_ms=start_ms)
    for minutes in (0, 1, decay_min, 3 * decay_min, 30, 24 * decay_min):
        ks.now_ms = start_ms + minutes * MINUTE
        assert ks.frequency(0, b"k") == max(0, START + 20 - minutes // decay_min)
    ks.now_ms = start_ms + 1000 * MINUTE * decay_min
    assert ks.frequency(0, b"k") == 0


def test_time_may_take_nothing_off() -> None:
    ks = used(20, decay_min=0)
    ks.now_ms += 1000 * MINUTE
    assert ks.frequency(0, b"k") == START + 20


def test_a_look_does_not_stop_the_decay() -> None:
    ks = used(20)
    for minutes in range(1, 10):
        ks.now_ms += MINUTE
        assert ks.frequency(0, b"k") == START + 20 - minutes


def test_a_use_takes_off_first_and_begins_the_time_again() -> None:
    ks = used(20)
    ks.now_ms += 10 * MINUTE
    ks.get(0, b"k", "read")
    assert ks.frequency(0, b"k") == START + 20 - 10 + 1
    ks.now_ms += 2 * MINUTE
    assert ks.frequency(0, b"k") == START + 20 - 10 + 1 - 2


def test_what_is_below_the_start_grows_at_once() -> None:
    ks = keyspace.Keyspace(now_ms=10 * MINUTE)
    ks.set_lfu(1_000_000, 1)  # from the start on, hardly any use counts
    ks.set(0, b"k", b"v")
    ks.now_ms += 5 * MINUTE
    for n in range(1, START + 2):
        ks.get(0, b"k", "read")
        assert ks.frequency(0, b"k") == n
    for _ in range(20):
        ks.get(0, b"k", "read")
    assert ks.frequency(0, b"k") <= START + 2


@pytest.mark.parametrize("factor", [1, 10, 100])
def test_the_share_of_uses_that_count(factor: int) -> None:
    """From START + d on, the mean number of uses for one more is d * factor + 1."""
    ks = keyspace.Keyspace(now_ms=10 * MINUTE)
    ks.set_lfu(factor, 0)
    goal, total, rounds = START + 4, 0, 200
    for _ in range(rounds):
        ks.delete(0, b"k")
        ks.set(0, b"k", b"v")
        while ks.frequency(0, b"k") < goal:
            ks.get(0, b"k", "read")
            total += 1
    mean = sum(d * factor + 1 for d in range(4))
    assert 0.7 * mean < total / rounds < 1.4 * mean
