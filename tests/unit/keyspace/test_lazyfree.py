# SPDX-License-Identifier: BSD-3-Clause
"""keyspace.lazyfree: the thread that frees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastredis._testing import keyspace, memory
from fastredis._testing.keyspace import Keyspace, Pile
from support.wait import wait_until

LAZY_EFFORT = 64  # values of more allocations are freed on the thread, if lazy
MAIN_EFFORT = 2048  # ... and if not


@pytest.fixture(autouse=True)
def _idle() -> Iterator[None]:
    keyspace.lazy_wait()
    keyspace.lazy_reset()
    yield
    keyspace.lazy_gate(False)
    keyspace.lazy_wait()


def test_counts_what_waits_and_what_was_freed() -> None:
    passed = keyspace.lazy_passed()
    keyspace.lazy_gate(True)
    for weight in (1, 10, 100, 0):
        keyspace.lazy_submit(weight)
    # a job without a weight is not counted
    assert keyspace.lazy_pending() == 111
    assert keyspace.lazy_freed() == 0
    keyspace.lazy_gate(False)
    keyspace.lazy_wait()
    assert keyspace.lazy_pending() == 0
    assert keyspace.lazy_freed() == 111
    assert keyspace.lazy_passed() == passed + 4
    keyspace.lazy_reset()
    assert keyspace.lazy_freed() == 0


def test_many_jobs_are_all_done() -> None:
    passed = keyspace.lazy_passed()
    for i in range(20_000):
        keyspace.lazy_submit(1)
        if i % 1000 == 0:
            keyspace.lazy_wait()
    keyspace.lazy_wait()
    assert keyspace.lazy_passed() == passed + 20_000
    assert keyspace.lazy_freed() == 20_000


def test_memory_freed_there_is_counted_here() -> None:
    used = memory.used_memory()
    blocks = [memory.Block(1000) for _ in range(100)]
    assert memory.used_memory() >= used + 100 * 1000
    for block in blocks:
        memory.free_on_thread(block)
    assert memory.used_memory() == used


@pytest.mark.parametrize("effort", [1, LAZY_EFFORT, LAZY_EFFORT + 1, 1000])
def test_unlink_frees_large_values_on_the_thread(effort: int) -> None:
    ks = Keyspace()
    used = memory.used_memory()
    ks.set(0, b"key", Pile(effort))
    keyspace.lazy_gate(True)
    keyspace.lazy_submit(1)  # keeps the thread at the gate
    assert ks.unlink(0, b"key")
    is_lazy = effort > LAZY_EFFORT
    assert keyspace.lazy_pending() == 1 + is_lazy
    assert ks.get(0, b"key") is None
    assert ks.size(0) == 0
    keyspace.lazy_gate(False)
    keyspace.lazy_wait()
    assert keyspace.lazy_freed() == 1 + is_lazy
    assert memory.used_memory() == used


def test_delete_frees_here() -> None:
    ks = Keyspace()
    ks.set(0, b"key", Pile(1000))
    assert ks.delete(0, b"key")
    assert keyspace.lazy_pending() == keyspace.lazy_freed() == 0


@pytest.mark.parametrize("is_lazy", [True, False])
def test_replaced_values_are_counted_if_that_is_wanted(is_lazy: bool) -> None:
    ks = Keyspace()
    ks.configure(lazy_server_del=is_lazy)
    ks.set(0, b"key", Pile(1000))
    ks.set(0, b"key", b"text")
    ks.set(0, b"other", Pile(1000))
    ks.rename(0, b"key", b"other")
    keyspace.lazy_wait()
    assert keyspace.lazy_freed() == 2 * is_lazy
    assert ks.get(0, b"other") == b"text"


def big_delete(ks: Keyspace) -> None:
    assert ks.delete(0, b"key")


def big_expire(ks: Keyspace) -> None:
    ks.now_ms += 100
    assert ks.get(0, b"key") is None


def big_expire_cycle(ks: Keyspace) -> None:
    ks.now_ms += 100
    assert not ks.expire_cycle()


def big_overwrite(ks: Keyspace) -> None:
    ks.set(0, b"key", b"text")


def big_rename(ks: Keyspace) -> None:
    ks.set(0, b"other", b"text")
    ks.rename(0, b"other", b"key")


def big_move(ks: Keyspace) -> None:
    ks.set(1, b"key", b"text")
    ks.move(1, b"key", 0)


def big_copy(ks: Keyspace) -> None:
    ks.set(0, b"other", b"text")
    ks.copy(0, b"other", 0, b"key")


@pytest.mark.parametrize(
    "road",
    [
        *(big_delete, big_expire, big_expire_cycle),
        *(big_overwrite, big_rename, big_move, big_copy),
    ],
)
@pytest.mark.parametrize("effort", [MAIN_EFFORT, 1_000_000])
def test_nobody_waits_for_a_large_value_to_be_freed(road, effort: int) -> None:
    ks = Keyspace()
    ks.configure(lazy_expire=False, lazy_server_del=False)
    used = memory.used_memory()
    ks.set(0, b"key", Pile(effort), ks.now_ms + 50)
    keyspace.lazy_gate(True)
    keyspace.lazy_submit(0)  # keeps the thread at the gate
    freed = keyspace.piles_freed()
    road(ks)
    is_large = effort > MAIN_EFFORT
    assert keyspace.piles_freed() == freed + (not is_large)
    keyspace.lazy_gate(False)
    keyspace.lazy_wait()
    assert keyspace.piles_freed() == freed + 1
    assert keyspace.lazy_freed() == 0  # the configuration did not ask for it
    ks.flush(0)
    assert memory.used_memory() == used


def test_nobody_waits_for_the_pages_of_a_large_string() -> None:
    ks = Keyspace()
    size = 1 << 24
    for road in (big_delete, big_overwrite):
        ks.set(0, b"key", bytes(size))
        used = memory.used_memory()
        keyspace.lazy_gate(True)
        keyspace.lazy_submit(0)
        road(ks)
        assert memory.used_memory() > used - size
        keyspace.lazy_gate(False)
        keyspace.lazy_wait()
        assert memory.used_memory() < used - size + 1000


@pytest.mark.parametrize("is_lazy", [True, False])
@pytest.mark.parametrize("is_active", [True, False])
def test_expired_values(is_lazy: bool, is_active: bool) -> None:
    ks = Keyspace()
    used = memory.used_memory()
    ks.configure(lazy_expire=is_lazy)
    ks.set(0, b"key", Pile(1000), ks.now_ms + 100)
    ks.now_ms += 200
    if is_active:
        assert not ks.expire_cycle()
    assert ks.get(0, b"key") is None
    keyspace.lazy_wait()
    assert keyspace.lazy_freed() == int(is_lazy)
    ks.flush(0)
    assert memory.used_memory() == used


def test_flush_async_frees_everything_on_the_thread() -> None:
    ks = Keyspace(2)
    used = memory.used_memory()
    for i in range(5000):
        ks.set(i % 2, b"key:%d" % i, b"v" * (i % 100), ks.now_ms + 1 + i)
    ks.set(0, b"big", b"v" * 100_000)
    ks.set(0, b"pile", Pile(1000))
    keyspace.lazy_gate(True)
    keyspace.lazy_submit(1)
    assert ks.flush(0, is_async=True) == 2502
    assert keyspace.lazy_pending() == 2503
    assert ks.size(0) == 0
    assert ks.info(0)["nexpires"] == 0
    assert not ks.info(0)["has_wheel"]
    ks.check()
    # the emptied database is of use at once
    ks.set(0, b"key:0", b"new", ks.now_ms + 10)
    assert ks.get(0, b"key:0") == b"new"
    keyspace.lazy_gate(False)
    keyspace.lazy_wait()
    assert keyspace.lazy_freed() == 2503
    assert ks.flush(0) == 1
    assert ks.flush(1) == 2500
    assert ks.flush(1, is_async=True) == 0
    assert memory.used_memory() == used


def test_thread_works_while_this_one_goes_on() -> None:
    ks = Keyspace()
    for i in range(20_000):
        ks.set(0, b"%d" % i, Pile(3))
    ks.flush(0, is_async=True)
    wait_until(lambda: keyspace.lazy_pending() == 0, 20)
    assert keyspace.lazy_freed() == 20_000
