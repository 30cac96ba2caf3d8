# SPDX-License-Identifier: BSD-3-Clause
"""Hierarchical timing wheel: 40-bit payloads that come due at a time. See the .pyx."""
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    WHEEL_TICK_MS = 16      # a payload is handed out at most this late by the wheel

cdef enum wheel_state_t:
    WHEEL_DONE = 0          # all that was due has been handed out
    WHEEL_MORE = 1          # the budget ended first
    WHEEL_REBUILD = 2       # the clock is out of its reach: drain it into a new one

cdef struct wheel_t

# Called for each payload that comes due; may add to the wheel.
ctypedef void (*wheel_fire_fn)(void *ctx, uint64_t payload) noexcept nogil

# returned
cdef wheel_t *wheel_new(int64_t now_ms) noexcept nogil
cdef void wheel_free(wheel_t *w) noexcept nogil
# payload: below 2**40; O(1). Not to be added from within fire: a time that has passed.
cdef void wheel_add(wheel_t *w, uint64_t payload, int64_t when_ms) noexcept nogil
# hand out what is due at now_ms, budget payloads moved or fired at the most
cdef wheel_state_t wheel_advance(
    wheel_t *w, int64_t now_ms, size_t *budget, wheel_fire_fn fire, void *ctx
) noexcept nogil
# take out up to n payloads, in any order, whatever their time; returns how many
cdef size_t wheel_drain(
    wheel_t *w, size_t n, wheel_fire_fn fn, void *ctx
) noexcept nogil
cdef size_t wheel_len(const wheel_t *w) noexcept nogil
cdef size_t wheel_nbytes(const wheel_t *w) noexcept nogil
# whether two times fall into the same tick
cdef bint wheel_same_tick(int64_t a_ms, int64_t b_ms) noexcept nogil
# walk every invariant; ends the process on a violation
cdef void wheel_check(const wheel_t *w) noexcept nogil
