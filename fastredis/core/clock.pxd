# SPDX-License-Identifier: BSD-3-Clause
"""Time: wall clock for expiry, a monotonic one for durations, a cycle counter.

Durations of single commands are taken with the processor's counter (about 8 ns
where clock_gettime costs 25); clock_cycles_init measures its rate. Where the counter
does not run at a constant rate, clock_cycles falls back to nanoseconds.
"""
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #ifndef FASTREDIS_CLOCK_H
    #define FASTREDIS_CLOCK_H
    #include <stdint.h>
    #include <time.h>
    #if defined(__x86_64__)
    #include <x86intrin.h>
    #endif
    static inline int64_t clock_wall_us(void) {
        struct timespec ts;
        clock_gettime(CLOCK_REALTIME, &ts);
        return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    }
    static inline uint64_t clock_mono_ns(void) {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
    }
    static inline uint64_t clock_counter(int has_counter) {
    #if defined(__x86_64__)
        if (has_counter) return __rdtsc();
    #elif defined(__aarch64__)
        if (has_counter) {
            uint64_t v;
            __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
            return v;
        }
    #endif
        return clock_mono_ns();
    }
    #endif
    """
    int64_t clock_wall_us() noexcept nogil
    uint64_t clock_mono_ns() noexcept nogil
    uint64_t clock_counter(bint has_counter) noexcept nogil

cdef struct clock_rate_t:
    bint has_counter        # the counter runs at a constant rate
    double ns_per_tick      # 1.0 without a counter

# The process's rate; set once by clock_init.
cdef clock_rate_t clock_rate

cdef void clock_init() noexcept nogil

cdef inline uint64_t clock_cycles() noexcept nogil:
    """Return a counter for durations; scale a difference with clock_ticks_ns."""
    return clock_counter(clock_rate.has_counter)

cdef inline uint64_t clock_ticks_ns(uint64_t ticks) noexcept nogil:
    """Return a difference of clock_cycles in nanoseconds."""
    return <uint64_t>(<double>ticks * clock_rate.ns_per_tick)
