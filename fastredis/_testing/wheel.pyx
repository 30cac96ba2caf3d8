# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of keyspace.expire."""
from cython cimport final
from libc.stdint cimport int64_t, uint64_t

from fastredis.keyspace.expire cimport (
    WHEEL_DONE,
    WHEEL_MORE,
    WHEEL_REBUILD,
    WHEEL_TICK_MS,
    wheel_add,
    wheel_advance,
    wheel_check,
    wheel_drain,
    wheel_free,
    wheel_len,
    wheel_nbytes,
    wheel_new,
    wheel_same_tick,
    wheel_state_t,
    wheel_t,
)

DONE = <int>WHEEL_DONE
MORE = <int>WHEEL_MORE
REBUILD = <int>WHEEL_REBUILD
TICK_MS = <int>WHEEL_TICK_MS


cdef void _fire(void *ctx, uint64_t payload) noexcept nogil:
    with gil:
        (<Wheel>ctx)._fired(payload)


@final
cdef class Wheel:
    """A timing wheel of 40-bit payloads.

    on_fire, if given, is called with each payload that comes due; it may add.
    """
    cdef wheel_t *w
    cdef list fired
    cdef object error
    cdef public object on_fire

    def __cinit__(self, int64_t now_ms):
        self.w = wheel_new(now_ms)
        self.on_fire = None

    def __dealloc__(self):
        wheel_free(self.w)

    def __len__(self):
        return wheel_len(self.w)

    cdef void _fired(self, uint64_t payload) noexcept:
        self.fired.append(payload)
        if self.on_fire is not None:
            try:
                self.on_fire(payload)
            except Exception as error:
                self.error = error

    def add(self, uint64_t payload, int64_t when_ms):
        """Add; return whether it comes due when when_ms has passed, not earlier."""
        return bool(wheel_add(self.w, payload, when_ms))

    def advance(self, int64_t now_ms, size_t budget=<size_t>-1):
        """Return (state, payloads that came due, what is left of the budget)."""
        cdef wheel_state_t state
        self.fired = []
        self.error = None
        state = wheel_advance(self.w, now_ms, &budget, _fire, <void *>self)
        if self.error is not None:
            raise self.error
        return <int>state, self.fired, budget

    def drain(self, size_t n):
        """Take out up to n payloads."""
        cdef size_t taken
        self.fired = []
        taken = wheel_drain(self.w, n, _fire, <void *>self)
        if taken != <size_t>len(self.fired):
            raise AssertionError("wheel_drain miscounts")
        return self.fired

    def check(self):
        wheel_check(self.w)

    @property
    def nbytes(self):
        return wheel_nbytes(self.w)


def same_tick(int64_t a_ms, int64_t b_ms):
    return bool(wheel_same_tick(a_ms, b_ms))
