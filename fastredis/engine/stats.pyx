# SPDX-License-Identifier: BSD-3-Clause
r"""Latency histograms of commands, and counters of error replies.

    ticks   0 1 2 ... 15 | 16 17 ... 31 | 32 34 ... 62 | 64 68 ... 124 | ...
    bucket  0 1 2 ... 15 | 16 17 ... 31 | 32 33 ... 47 | 48 49 ...  63 | ... 479

A bucket is at most 6 % wide, which is what percentiles are quoted to; counting is one
increment. Durations are in ticks of core.clock's counter and are converted when read;
480 buckets reach 2**33 ticks, over a second, and the last one takes what is longer.
"""
from fastredis.core.mem cimport zcalloc
from libc.string cimport memchr, memcmp, memcpy


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


cdef void errors_count(void **counts, const char *text, size_t nbytes) noexcept nogil:
    """Count an error; O(codes), which few servers have more than ten of."""
    cdef error_counts_t *t = <error_counts_t *>counts[0]
    cdef error_code_t *e
    cdef const char *blank = <const char *>memchr(text, b" ", nbytes)
    cdef size_t n, i
    if t == NULL:
        t = <error_counts_t *>zcalloc(sizeof(error_counts_t))
        counts[0] = t
    if blank == NULL:
        text = b"ERR"
        n = 3
    else:
        n = blank - text
    if n > ERROR_CODE_NBYTES_MAX:
        n = ERROR_CODE_NBYTES_MAX
    for i in range(t.used):
        e = &t.codes[i]
        if e.nbytes == n and memcmp(e.code, text, n) == 0:
            e.count += 1
            return
    if t.used == ERROR_CODES_MAX:
        t.others += 1
        return
    e = &t.codes[t.used]
    t.used += 1
    memcpy(e.code, text, n)
    e.nbytes = n
    e.count = 1
