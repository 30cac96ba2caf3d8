# SPDX-License-Identifier: BSD-3-Clause
r"""How often a key is used: a logarithmic counter that time wears down.

Under an LFU policy the 24 bits of an object that are otherwise the time of its last
use hold

    | minutes: 16 | counter: 8 |

A use first takes off what the minutes since the last one are worth (one for each
decay_min), then adds one with the probability 1 / ((counter - 5) * log_factor + 1). So
255 stands for about a million uses with a factor of 10. A new key starts at 5, else it
would be the first to go.

Cost: 10 ns a use. Threads: main thread only.
Source: Redis documentation, "Key eviction", the new LFU mode.
"""
from fastredis.core.rand cimport rand_next
from fastredis.keyspace.obj cimport obj_lru, obj_set_lru
from libc.stdint cimport uint64_t

cdef enum:
    MINUTE_MS = 60000
    MINUTES_MASK = 0xFFFF

cdef extern from *:
    """
    #define RAND_SPAN 18446744073709551616.0
    """
    const double RAND_SPAN      # 2 ** 64


cdef inline uint32_t _minutes(int64_t now_ms) noexcept nogil:
    return <uint32_t>(now_ms // MINUTE_MS) & MINUTES_MASK


cdef uint32_t lfu_pack(int64_t now_ms, uint32_t counter) noexcept nogil:
    """Return the 24 bits of a counter, as of now."""
    return _minutes(now_ms) << 8 | counter


cdef uint32_t lfu_counter(
    const obj_t *o, const lfu_rates_t *rates, int64_t now_ms
) noexcept nogil:
    """Return the counter of o, with what the time since its last use takes off."""
    cdef uint32_t bits = obj_lru(o)
    cdef uint32_t counter = bits & LFU_COUNTER_MAX
    cdef uint32_t elapsed = (_minutes(now_ms) - (bits >> 8)) & MINUTES_MASK
    cdef uint32_t lost
    if rates.decay_min == 0:
        return counter
    lost = elapsed // rates.decay_min
    return counter - lost if counter > lost else 0


cdef void lfu_touch(
    obj_t *o, const lfu_rates_t *rates, int64_t now_ms, rand_t *rand
) noexcept nogil:
    """Count a use of o."""
    cdef uint32_t counter = lfu_counter(o, rates, now_ms)
    cdef uint64_t above = counter - LFU_START if counter > LFU_START else 0
    if counter < LFU_COUNTER_MAX and (
            above == 0
            or <double>rand_next(rand) * (<double>above * rates.log_factor + 1)
            < RAND_SPAN):
        counter += 1
    obj_set_lru(o, lfu_pack(now_ms, counter))
