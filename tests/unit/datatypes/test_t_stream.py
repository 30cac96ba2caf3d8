# SPDX-License-Identifier: BSD-3-Clause
"""datatypes.t_stream against a sorted dict; stream_check walks it after each step."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from fastredis._testing.t_stream import Stream

TOP = 2**64 - 1
KEEP, DROP, ACKED = range(3)
names = st.sampled_from([b"f", b"f", b"f", b"g", b"12", b""])
values = st.one_of(
    st.binary(max_size=80),
    st.integers(-(2**63), 2**63 - 1).map(b"%d".__mod__),
    st.integers(-130, 130).map(b"%d".__mod__),
)
pairs = st.lists(st.tuples(names, values), min_size=1, max_size=4)
places = st.tuples(st.integers(0, 60), st.integers(0, 3))


class Machine(RuleBasedStateMachine):
    """A stream with one group, and what should be in it."""

    @initialize(
        nbytes=st.sampled_from([4096, 0, 60, 200]),
        entries=st.sampled_from([100, 0, 1, 3]),
    )
    def start(self, nbytes: int, entries: int) -> None:
        self.stream = Stream(nbytes, entries)
        self.stream.add_group(b"g", (0, 0))
        self.model: dict[tuple[int, int], list[bytes]] = {}
        self.last = self.deleted = self.delivered = (0, 0)
        self.pending: dict[tuple[int, int], bytes] = {}

    @rule(step=places, args=pairs)
    def append(self, step: tuple[int, int], args: list[tuple[bytes, bytes]]) -> None:
        entry_id = (self.last[0] + step[0] // 8, step[1])
        if entry_id <= self.last:
            entry_id = (self.last[0], self.last[1] + 1)
        flat = [part for pair in args for part in pair]
        assert self.stream.append(entry_id, flat)
        self.model[entry_id] = flat
        self.last = entry_id

    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        known = st.sampled_from(sorted(self.model)) if self.model else places
        entry_id = data.draw(st.one_of(known, places))
        was_there = self.model.pop(entry_id, None) is not None
        assert self.stream.delete(entry_id) == was_there
        if was_there:
            self.deleted = max(self.deleted, entry_id)

    def goes(self, entry_id: tuple[int, int], refs: int) -> bool:
        if refs == ACKED:
            return entry_id <= self.delivered and entry_id not in self.pending
        if refs == DROP:
            self.pending.pop(entry_id, None)
        return True

    @rule(n=st.integers(0, 30), refs=st.sampled_from([KEEP, KEEP, DROP, ACKED]))
    def trim_to_length(self, n: int, refs: int) -> None:
        too_many = len(self.model) - n
        removed = 0
        for entry_id in sorted(self.model):
            if removed < too_many and self.goes(entry_id, refs):
                del self.model[entry_id]
                removed += 1
        assert self.stream.trim(n, None, refs=refs) == max(removed, 0)

    @rule(border=places, refs=st.sampled_from([KEEP, KEEP, DROP, ACKED]))
    def trim_to_id(self, border: tuple[int, int], refs: int) -> None:
        found = [i for i in sorted(self.model) if i < border and self.goes(i, refs)]
        for entry_id in found:
            del self.model[entry_id]
        assert self.stream.trim(None, border, refs=refs) == len(found)

    @rule(n=st.integers(0, 30), limit=st.sampled_from([0, 0, 5]))
    def trim_whole_nodes(self, n: int, limit: int) -> None:
        removed = self.stream.trim(n, None, is_approx=True, limit=limit)
        assert removed <= max(len(self.model) - n, 0)
        assert not limit or removed <= limit
        for entry_id in sorted(self.model)[:removed]:
            del self.model[entry_id]

    @rule(start=places, end=places, is_reverse=st.booleans())
    def read(self, start: Any, end: Any, is_reverse: bool) -> None:
        expected = [(i, a) for i, a in sorted(self.model.items()) if start <= i <= end]
        found = self.stream.entries(start, end, is_reverse)
        assert found == (expected[::-1] if is_reverse else expected)

    @precondition(lambda self: self.model)
    @rule(who=st.sampled_from([b"a", b"b", b"c"]), data=st.data())
    def deliver(self, who: bytes, data: Any) -> None:
        entry_id = data.draw(st.sampled_from(sorted(self.model)))
        is_new = entry_id not in self.pending
        assert self.stream.deliver(b"g", who, entry_id) == is_new
        self.pending.setdefault(entry_id, who)
        self.delivered = max(self.delivered, entry_id)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def acknowledge(self, data: Any) -> None:
        entry_id = data.draw(st.sampled_from(sorted(self.pending)))
        assert self.stream.acknowledge(b"g", entry_id)
        assert not self.stream.acknowledge(b"g", entry_id)
        del self.pending[entry_id]

    @rule(who=st.sampled_from([b"a", b"b"]))
    def drop_consumer(self, who: bytes) -> None:
        self.stream.drop_consumer(b"g", who)
        self.pending = {i: w for i, w in self.pending.items() if w != who}

    @rule()
    def go_on_with_a_copy(self) -> None:
        self.stream = self.stream.copy()

    @invariant()
    def is_as_it_should_be(self) -> None:
        if not hasattr(self, "stream"):
            return
        self.stream.check()
        assert len(self.stream) == len(self.model)
        assert self.stream.entries() == sorted(self.model.items())
        assert self.stream.pending(b"g") == sorted(self.pending.items())
        first = min(self.model) if self.model else (0, 0)
        assert self.stream.ends() == (first, self.last, self.deleted)


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=60)
TestStream = Machine.TestCase


@given(now=st.integers(0, 50), asked=places, has_seq=st.booleans(), last=places)
def test_ids(now: int, asked: Any, has_seq: bool, last: Any) -> None:
    stream = Stream()
    stream.append(last, [b"a", b"b"])
    expected = (now, 0) if now > last[0] else (last[0], last[1] + 1)
    assert stream.next_id(now, None, True) == expected
    if not has_seq:
        asked = (asked[0], last[1] + 1 if asked[0] == last[0] else 0)
        found = stream.next_id(now, (asked[0], 0), False)
    else:
        found = stream.next_id(now, asked, True)
    assert found == (asked if asked > last else None)


@pytest.mark.parametrize("last", [(5, TOP), (TOP, TOP - 1), (TOP, TOP)])
def test_ids_at_the_end(last: tuple[int, int]) -> None:
    stream = Stream()
    stream.append(last, [b"a", b"b"])
    following = (6, 0) if last[0] == 5 else (TOP, TOP)
    expected = None if last == (TOP, TOP) else following
    assert stream.next_id(3, None, True) == expected
    assert stream.next_id(3, (last[0], 0), False) == (
        expected if last[1] != TOP else None
    )


def test_nodes_are_as_large_as_allowed() -> None:
    for nbytes, entries, expected in ((4096, 10, 10), (0, 7, 15), (4096, 0, 1)):
        stream = Stream(nbytes, entries)
        for i in range(1, 101):
            stream.append((i, 0), [b"a", b"%d" % i])
        assert stream.nnodes() == expected
    stream = Stream(100, 0)
    for i in range(1, 101):
        stream.append((i, 0), [b"a", b"x" * 50])
    assert stream.nnodes() == 100
