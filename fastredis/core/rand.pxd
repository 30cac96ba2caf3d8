# SPDX-License-Identifier: BSD-3-Clause
"""Pseudo-random numbers for sampling (not for secrets): SplitMix64."""
from libc.stdint cimport uint64_t

cdef struct rand_t:
    uint64_t state

cdef inline uint64_t rand_next(rand_t *r) noexcept nogil:
    """Return 64 random bits."""
    cdef uint64_t z
    r.state += 0x9E3779B97F4A7C15ULL
    z = r.state
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL
    return z ^ (z >> 31)

cdef inline uint64_t rand_below(rand_t *r, uint64_t bound) noexcept nogil:
    """Return a number in [0, bound), bound > 0; the bias is below 2**-32 for
    bounds below 2**32."""
    return rand_next(r) % bound
