# SPDX-License-Identifier: BSD-3-Clause
"""keyspace.expire: the timing wheel against a sorted model, on a simulated clock."""

from __future__ import annotations

import random

import pytest

from fastredis._testing import memory
from fastredis._testing.wheel import DONE, MORE, REBUILD, TICK_MS, Wheel, same_tick
from support.seeds import seeds

SECOND = 1000
DAY = 86_400 * SECOND
YEAR = 365 * DAY
NOW = 1_790_000_000_000  # some time in 2026; not a multiple of anything
LEVEL_MS = [TICK_MS, TICK_MS * 256, TICK_MS * 256**2, TICK_MS * 256**3]
HALF_WAY_MS = TICK_MS * 2**31  # 1.09 years: then a wheel is to be rebuilt
PAYLOAD_MAX = 2**40 - 1


class Model:
    """A wheel beside what it should do; every step is checked."""

    def __init__(self, now_ms: int) -> None:
        self.wheel = Wheel(now_ms)
        self.now_ms = now_ms
        self.hand_ms = now_ms  # the latest time that the wheel has seen
        self.waiting: dict[int, int] = {}
        self.missed_ms: dict[int, int] = {}  # where the hand was when it was added
        self.next_payload = 0
        self.rebuilds = 0

    def add(self, when_ms: int) -> int:
        payload = self.next_payload
        self.next_payload += 1
        self.wheel.add(payload, when_ms)
        self.waiting[payload] = when_ms
        self.missed_ms[payload] = self.hand_ms
        return payload

    def check(self) -> None:
        self.wheel.check()
        assert len(self.wheel) == len(self.waiting)

    def take(self, fired: list[int]) -> None:
        """Check what fired: no payload twice, and none before its time."""
        for payload in fired:
            when_ms = self.waiting.pop(payload)
            assert when_ms <= self.now_ms

    def rebuild(self) -> None:
        self.rebuilds += 1
        drained: list[int] = []
        while len(self.wheel):
            drained += self.wheel.drain(7)
            self.wheel.check()
        assert sorted(drained) == sorted(self.waiting)
        self.wheel = Wheel(self.now_ms)
        for payload in drained:
            self.wheel.add(payload, self.waiting[payload])
            self.missed_ms[payload] = self.now_ms
        self.hand_ms = self.now_ms

    def advance(self, now_ms: int, budget: int = 2**60) -> int:
        self.now_ms = now_ms
        while True:
            state, fired, left = self.wheel.advance(now_ms, budget)
            assert 0 <= left <= budget
            assert len(fired) <= budget - left
            self.take(fired)
            if state != MORE:
                break
            assert left == 0
            self.check()
        if state == REBUILD:
            self.rebuild()
            return self.advance(now_ms, budget)
        self.hand_ms = max(self.hand_ms, now_ms)
        # nothing whose tick has come waits; a payload whose tick was past when it was
        # added waits for the next one
        tick_ms = now_ms - now_ms % TICK_MS
        for payload, when_ms in self.waiting.items():
            assert when_ms > tick_ms or self.missed_ms[payload] >= tick_ms
        return state


# --- Against the model -------------------------------------------------------------


def delay(rng: random.Random) -> int:
    """Return a delay in ms, of any magnitude, often near a border of levels."""
    kind = rng.randrange(6)
    if kind == 0:
        return rng.randrange(-5 * SECOND, 5 * SECOND)
    if kind == 1:
        return rng.choice(LEVEL_MS) * rng.choice([1, 2, 255, 256]) + rng.randrange(
            -40, 40
        )
    if kind == 2:
        return rng.randrange(3 * YEAR)
    return int(10 ** rng.uniform(0, 11))


@pytest.mark.parametrize("seed", seeds(30))
def test_random_operations(seed: int) -> None:
    rng = random.Random(seed)
    now = NOW + rng.randrange(YEAR)
    model = Model(now)
    for _ in range(400):
        for _ in range(rng.randrange(8)):
            model.add(now + delay(rng))
        model.check()
        if rng.random() < 0.02:
            now -= rng.choice([SECOND // 2, 2 * SECOND, DAY])
        elif rng.random() < 0.05:
            # to just before, or onto, a border of some level
            level = rng.choice(LEVEL_MS)
            now += level - now % level + rng.randrange(-1, 2)
        else:
            now += abs(delay(rng)) // rng.choice([1, 10, 1000])
        model.advance(now, rng.choice([1, 3, 50, 2**60]))
        model.check()
    while model.waiting:
        now = max(now + TICK_MS, min(model.waiting.values()) + TICK_MS)
        model.advance(now)
        model.check()


@pytest.mark.parametrize("delay_ms", [1, 15, 16, 17, 4095, 4096, 4097, 65_536, 10**6])
@pytest.mark.parametrize("start", range(0, 3 * TICK_MS, 5))
def test_comes_due_within_a_tick(delay_ms: int, start: int) -> None:
    """Step by the millisecond around the time: never early, at most a tick late."""
    now = NOW + start
    wheel = Wheel(now)
    wheel.add(7, now + delay_ms)
    state, fired, _ = wheel.advance(now + delay_ms - 1)
    assert (state, fired) == (DONE, [])
    for late in range(TICK_MS):
        fired += wheel.advance(now + delay_ms + late)[1]
    assert fired == [7]


def test_past_times_come_due_with_the_next_tick() -> None:
    wheel = Wheel(NOW)
    for payload, when_ms in enumerate([NOW, NOW - 1, NOW - YEAR, 0, -1, -(2**63)]):
        wheel.add(payload, when_ms)
    assert sorted(wheel.advance(NOW + TICK_MS)[1]) == [0, 1, 2, 3, 4, 5]


def test_payload_keeps_its_forty_bits() -> None:
    wheel = Wheel(NOW)
    payloads = [0, 1, PAYLOAD_MAX, PAYLOAD_MAX - 1, 0x5555555555, 2**39]
    for payload in payloads:
        for delay_ms in (20, 10**4, 10**7, 10**9):
            wheel.add(payload, NOW + delay_ms)
    fired = wheel.advance(NOW + 2 * 10**9)[1]
    assert sorted(fired) == sorted(payloads * 4)


def test_same_tick() -> None:
    assert same_tick(1, TICK_MS)
    assert not same_tick(0, 1)
    assert not same_tick(TICK_MS, TICK_MS + 1)
    assert same_tick(-1, -(10**15))


# --- Budget ------------------------------------------------------------------------


def test_budget_ends_a_cascade_in_its_middle() -> None:
    model = Model(NOW)
    base = NOW + 3 * LEVEL_MS[2]
    for i in range(500):
        model.add(base + i * 40)
    steps = 0
    now = base + 500 * 40 + TICK_MS
    model.now_ms = now
    while True:
        state, fired, left = model.wheel.advance(now, 10)
        model.take(fired)
        model.check()
        steps += 1
        if state == DONE:
            break
        assert state == MORE
        assert left == 0
        # what is added while a cascade waits to go on is not lost, nor early
        if steps % 10 == 1:
            model.add(now + 1 + 17 * steps)
            model.add(base)
    # each of the first 500 moved down at least once and fired
    assert steps > 100
    model.advance(now + DAY)
    assert not model.waiting


def test_budget_of_zero_does_nothing() -> None:
    wheel = Wheel(NOW)
    wheel.add(1, NOW + 1)
    assert wheel.advance(NOW + 100, 0) == (MORE, [], 0)
    assert wheel.advance(NOW + 100, 1) == (DONE, [1], 0)


# --- Long steps --------------------------------------------------------------------


@pytest.mark.parametrize("level", range(4))
def test_steps_over_empty_stretches(level: int) -> None:
    """A clock that was far behind is caught up at once: empty slots cost nothing.

    Turning tick by tick through a year takes seconds, through those since 1970 minutes.
    """
    wheel = Wheel(NOW)
    times = [NOW + n * LEVEL_MS[level] + 3 for n in (1, 2, 100, 120)]
    for payload, when_ms in enumerate(times):
        wheel.add(payload, when_ms)
        wheel.check()
    start = memory.mono_ns()
    fired = []
    for _ in range(50):
        fired += wheel.advance(NOW + HALF_WAY_MS - 20)[1]
        wheel.check()
    elapsed_ns = memory.mono_ns() - start
    assert fired == [0, 1, 2, 3]
    assert elapsed_ns < 50 * SECOND * 10**6


def test_hand_does_not_run_ahead_of_the_clock() -> None:
    """Nothing waits near, something far: what is added then, for soon, is on time."""
    wheel = Wheel(NOW)
    wheel.add(1, NOW + 10 * LEVEL_MS[2])
    now = NOW
    for step in range(300):
        now += 1 + 37 * step
        assert wheel.advance(now)[1] == []
        wheel.add(2, now + 50)
        assert wheel.advance(now + 49)[1] == []
        now += 50 + TICK_MS
        assert wheel.advance(now)[1] == [2]
        wheel.check()


# --- Far and back ------------------------------------------------------------------


def test_asks_for_a_new_wheel_half_way() -> None:
    wheel = Wheel(NOW)
    wheel.add(1, NOW + 10 * YEAR)
    wheel.add(2, 2**63 - 1)
    wheel.add(3, NOW + HALF_WAY_MS - 1000)
    assert wheel.advance(NOW + HALF_WAY_MS - 100)[:2] == (DONE, [3])
    state, fired, _ = wheel.advance(NOW + HALF_WAY_MS + 100)
    assert (state, fired) == (REBUILD, [])
    wheel.check()
    assert sorted(wheel.drain(10)) == [1, 2]
    wheel.check()


def test_time_beyond_the_last_level_is_not_early() -> None:
    model = Model(NOW)
    for years in (1, 2, 3, 5, 20):
        model.add(NOW + years * YEAR)
    now = NOW
    while model.waiting:
        now += 40 * DAY
        model.advance(now)
        model.check()
    assert model.rebuilds > 5


def test_empty_wheel_follows_any_clock() -> None:
    wheel = Wheel(NOW)
    for now in (NOW + 10 * YEAR, NOW - 10 * YEAR, 0, NOW):
        assert wheel.advance(now)[0] == DONE
        wheel.add(1, now + 100)
        assert wheel.advance(now + 100 + TICK_MS)[:2] == (DONE, [1])
        wheel.check()


def test_clock_back_by_little_is_waited_out() -> None:
    wheel = Wheel(NOW)
    wheel.add(1, NOW + 2000)
    assert wheel.advance(NOW + 1000)[0] == DONE
    assert wheel.advance(NOW + 100)[:2] == (DONE, [])
    wheel.add(2, NOW + 200)  # the hand is beyond: fires when the clock is there again
    assert wheel.advance(NOW + 300)[:2] == (DONE, [])
    assert wheel.advance(NOW + 1000 + TICK_MS)[1] == [2]
    assert wheel.advance(NOW + 2000 + TICK_MS)[1] == [1]


def test_clock_back_by_more_asks_for_a_new_wheel() -> None:
    wheel = Wheel(NOW)
    wheel.add(1, NOW + 10_000)
    assert wheel.advance(NOW + 5000)[0] == DONE
    assert wheel.advance(NOW + 3000)[:2] == (REBUILD, [])
    assert len(wheel) == 1
    assert wheel.advance(NOW - YEAR)[:2] == (REBUILD, [])


# --- Adding while firing -----------------------------------------------------------


def test_adding_from_within_fire() -> None:
    wheel = Wheel(NOW)
    now = NOW + 50_000
    added = []

    def on_fire(payload: int) -> None:
        if payload < 1000:
            when_ms = now + [1, 16, 5000, 10**6, 10**9][payload % 5]
            wheel.add(1000 + payload, when_ms)
            added.append((when_ms, 1000 + payload))

    wheel.on_fire = on_fire
    for payload in range(200):
        wheel.add(payload, NOW + 250 * payload)
    assert sorted(wheel.advance(now)[1]) == list(range(200))
    wheel.check()
    fired = []
    for when_ms, _ in sorted(added):
        assert len(wheel) == 200 - len(fired)
        before = {payload for at, payload in added if at <= when_ms}
        fired += wheel.advance(when_ms + TICK_MS)[1]
        assert set(fired) >= before
        wheel.check()
    assert sorted(fired) == sorted(payload for _, payload in added)


# --- Drain -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds(4))
def test_drain_while_the_wheel_turns(seed: int) -> None:
    """Each payload comes once, by its time or by the drain, whatever moves."""
    rng = random.Random(seed)
    wheel = Wheel(NOW)
    for payload in range(3000):
        wheel.add(payload, NOW + int(10 ** rng.uniform(1, 10)))
    now, seen = NOW, []
    while len(wheel):
        if rng.random() < 0.3:
            now += int(10 ** rng.uniform(0, 7))
            state, fired, _ = wheel.advance(now, rng.choice([1, 10, 100]))
            assert state in (DONE, MORE)
            seen += fired
        n = rng.randrange(0, 12)
        drained = wheel.drain(n)
        assert len(drained) == min(n, 3000 - len(seen))
        seen += drained
        wheel.check()
    assert sorted(seen) == list(range(3000))
    assert wheel.drain(5) == []


def test_drain_comes_back_to_a_slot_that_a_cascade_has_filled() -> None:
    wheel = Wheel(NOW - NOW % TICK_MS)
    wheel.add(1, NOW + 250 * TICK_MS)
    wheel.add(2, NOW + 300 * TICK_MS)
    assert wheel.drain(1) == [1]
    assert wheel.advance(NOW + 257 * TICK_MS)[:2] == (DONE, [])
    assert wheel.drain(1) == [2]
    assert wheel.drain(1) == []


def test_drain_takes_the_soonest_levels_first() -> None:
    wheel = Wheel(NOW)
    for payload, delay_ms in enumerate([10**10, 10**7, 10**5, 100]):
        wheel.add(payload, NOW + delay_ms)
    assert wheel.drain(10) == [3, 2, 1, 0]


# --- Memory ------------------------------------------------------------------------


def test_takes_about_eight_bytes_for_an_entry() -> None:
    used = memory.used_memory()
    wheel = Wheel(NOW)
    rng = random.Random(5)
    n = 200_000
    for payload in range(n):
        wheel.add(payload, NOW + rng.randrange(DAY))
    wheel.check()
    # each slot in use has one chunk that is not full
    assert wheel.nbytes / n < 9.5
    assert abs(memory.used_memory() - used - wheel.nbytes) < 0.02 * wheel.nbytes
    wheel.advance(NOW + 2 * DAY)
    wheel.check()
    assert wheel.nbytes < 64 * 1024
    del wheel
    assert memory.used_memory() == used
