# SPDX-License-Identifier: BSD-3-Clause
r"""Latency histograms of commands.

    ticks   0 1 2 ... 15 | 16 17 ... 31 | 32 34 ... 62 | 64 68 ... 124 | ...
    bucket  0 1 2 ... 15 | 16 17 ... 31 | 32 33 ... 47 | 48 49 ...  63 | ... 479

A bucket is at most 6 % wide, which is what percentiles are quoted to; counting is one
increment. Durations are in ticks of core.clock's counter and are converted when read;
480 buckets reach 2**33 ticks, over a second, and the last one takes what is longer.
"""
from fastredis.core.mem cimport zcalloc


cdef uint64_t *latency_new() noexcept nogil:
    """Return counters at zero."""
    return <uint64_t *>zcalloc(LATENCY_BUCKETS * sizeof(uint64_t))


cdef uint64_t latency_bucket_ticks(int index) noexcept nogil:
    """Return the lower bound of a bucket."""
    cdef int e
    if index < 16:
        return index
    e = index / 16 + 3
    return (<uint64_t>(16 + index % 16)) << (e - 4)


cdef uint64_t latency_percentile(
    const uint64_t *counts, double percentile
) noexcept nogil:
    """Return the duration that this share of the calls did not exceed; 0: no calls."""
    cdef uint64_t total = 0, seen = 0
    cdef double wanted
    cdef int i
    for i in range(LATENCY_BUCKETS):
        total += counts[i]
    wanted = total * percentile / 100
    for i in range(LATENCY_BUCKETS):
        seen += counts[i]
        if counts[i] and seen >= wanted:
            return latency_bucket_ticks(i + 1)
    return 0
