# SPDX-License-Identifier: BSD-3-Clause
"""How often a key is used, for the LFU policies of maxmemory-policy. See lfu.pyx."""
from fastredis.core.rand cimport rand_t
from fastredis.keyspace.obj cimport obj_t
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    LFU_START = 5           # counter of a new key: it is not the first to be evicted
    LFU_COUNTER_MAX = 255

# How counters grow and shrink; part of keyspace_t.
cdef struct lfu_rates_t:
    uint32_t log_factor     # the larger, the more uses it takes to grow
    uint32_t decay_min      # minutes without use that take one off; 0: nothing does

# the 24 bits of obj_lru for a counter, as of now
cdef uint32_t lfu_pack(int64_t now_ms, uint32_t counter) noexcept nogil
# the counter of o with what the time since its last use takes off
cdef uint32_t lfu_counter(
    const obj_t *o, const lfu_rates_t *rates, int64_t now_ms
) noexcept nogil
# o is used
cdef void lfu_touch(
    obj_t *o, const lfu_rates_t *rates, int64_t now_ms, rand_t *rand
) noexcept nogil
