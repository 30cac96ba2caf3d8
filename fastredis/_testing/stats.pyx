# SPDX-License-Identifier: BSD-3-Clause
"""Python views of engine.stats."""
from cython cimport final
from libc.stdint cimport uint64_t
from libc.string cimport memset

from fastredis.core.mem cimport zfree
from fastredis.engine.client cimport LATENCY_BUCKETS, cmd_t
from fastredis.engine.stats cimport (
    latency_bucket_ticks,
    latency_index,
    latency_percentile,
    latency_record,
)

BUCKETS = <int>LATENCY_BUCKETS


def index(uint64_t ticks):
    return latency_index(ticks)


def bucket_ticks(int index):
    return latency_bucket_ticks(index)


@final
cdef class Histogram:
    """The histogram of a command that is in no table."""
    cdef cmd_t cmd

    def __cinit__(self):
        memset(&self.cmd, 0, sizeof(cmd_t))

    def __dealloc__(self):
        zfree(self.cmd.latency)

    def record(self, uint64_t ticks):
        latency_record(&self.cmd, ticks)

    def add(self, int index, uint64_t n):
        """Count n calls in a bucket."""
        if not 0 <= index < LATENCY_BUCKETS:
            raise IndexError(index)
        self.cmd.latency[index] += n

    def counts(self):
        cdef int i
        if self.cmd.latency == NULL:
            return None
        return [self.cmd.latency[i] for i in range(LATENCY_BUCKETS)]

    def percentile(self, double p):
        return latency_percentile(self.cmd.latency, p)
