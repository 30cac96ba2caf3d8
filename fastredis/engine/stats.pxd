# SPDX-License-Identifier: BSD-3-Clause
"""Statistics: latency histograms (LATENCY_BUCKETS counters, 16 to each doubling), and
error replies by their code. See stats.pyx."""
from fastredis.engine.client cimport LATENCY_BUCKETS, cmd_t
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #ifndef FASTREDIS_STATS_H
    #define FASTREDIS_STATS_H
    #include <stdint.h>
    static inline int latency_index(uint64_t v) {
        int e, i;
        if (v < 16) return (int)v;
        e = 63 - __builtin_clzll(v);
        i = (e - 3) * 16 + (int)((v >> (e - 4)) & 15);
        return i < 480 ? i : 479;
    }
    #endif
    """
    int latency_index(uint64_t ticks) noexcept nogil

cdef uint64_t *latency_new() noexcept nogil
# the smallest duration, in ticks, that is counted in a bucket
cdef uint64_t latency_bucket_ticks(int index) noexcept nogil
# percentile: 0 to 100; ticks
cdef uint64_t latency_percentile(
    const uint64_t *counts, double percentile
) noexcept nogil

cdef inline void latency_record(cmd_t *cmd, uint64_t ticks) noexcept nogil:
    """Count one call of a command that took this long."""
    if cmd.latency == NULL:
        cmd.latency = latency_new()
    cmd.latency[latency_index(ticks)] += 1

# --- Error replies by code ----------------------------------------------------------

cdef enum:
    ERROR_CODES_MAX = 128               # clients could make up any number of codes
    ERROR_CODE_NBYTES_MAX = 64          # of a code that are kept

cdef struct error_code_t:
    char[ERROR_CODE_NBYTES_MAX] code    # not terminated
    size_t nbytes
    uint64_t count

cdef struct error_counts_t:
    size_t used
    error_code_t codes[ERROR_CODES_MAX]
    uint64_t others                     # errors with a code that found no room

# Count an error by its code, the word before the first blank; ERR without one.
# counts: an error_counts_t *, made when first needed and freed by zfree
cdef void errors_count(void **counts, const char *text, size_t nbytes) noexcept nogil
