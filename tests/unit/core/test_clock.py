# SPDX-License-Identifier: BSD-3-Clause
"""core.clock and core.rand."""

from __future__ import annotations

import time
from collections import Counter

from fastredis._testing import memory

MASK = 2**64 - 1


def test_wall_clock_is_that_of_the_system() -> None:
    before = time.time_ns() // 1000
    now = memory.wall_us()
    assert before <= now <= time.time_ns() // 1000


def test_monotonic_clock_is_that_of_the_system() -> None:
    before = time.monotonic_ns()
    now = memory.mono_ns()
    assert before <= now <= time.monotonic_ns()
    times = [memory.mono_ns() for _ in range(1000)]
    assert times == sorted(times)


def test_counter_goes_at_its_rate() -> None:
    """A duration by the counter is about that of the clock, whatever it counts."""
    has_counter, ns_per_tick = memory.clock_setup()
    assert (has_counter, ns_per_tick) == memory.clock_setup()
    assert has_counter or ns_per_tick == 1.0
    assert 0.01 < ns_per_tick < 1000
    ratios = []
    for _ in range(5):
        start, ticks = memory.mono_ns(), memory.cycles()
        while memory.mono_ns() - start < 2_000_000:
            pass
        ticks, elapsed = memory.cycles() - ticks, memory.mono_ns() - start
        ratios.append(memory.ticks_ns(ticks) / elapsed)
    # one of five undisturbed by whatever else the machine does
    assert min(abs(ratio - 1) for ratio in ratios) < 0.02


def test_ticks_of_a_duration() -> None:
    _, ns_per_tick = memory.clock_setup()
    assert memory.ticks_ns(0) == 0
    assert memory.ticks_ns(10**6) == int(10**6 * ns_per_tick)


# --- rand --------------------------------------------------------------------------


def split_mix(state: int, n: int) -> list[int]:
    numbers = []
    for _ in range(n):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
        numbers.append(z ^ (z >> 31))
    return numbers


def test_random_numbers_are_those_of_splitmix() -> None:
    # the published sequence of seed 1234567
    assert memory.random_numbers(1234567, 3) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
    for state in (0, 1, 2**63, MASK):
        assert memory.random_numbers(state, 100) == split_mix(state, 100)


def test_random_numbers_below_a_bound() -> None:
    for bound in (1, 2, 3, 10, 1000, 2**40):
        assert all(0 <= n < bound for n in memory.random_numbers(5, 1000, bound))
    counts = Counter(memory.random_numbers(6, 60_000, 6))
    assert all(9_500 < counts[i] < 10_500 for i in range(6))
