# SPDX-License-Identifier: BSD-3-Clause
"""Bits of strings: count, search, combine, integers of any width. See bitmap.pyx.

Bit 0 is the highest bit of the first byte. Bytes are borrowed; nothing here knows of
keys or limits.
"""
from fastredis.core.status cimport status_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef struct bitmap_t:
    const uint8_t *ptr
    size_t len

cdef enum bitop_t:
    BITOP_AND = 0
    BITOP_OR = 1
    BITOP_XOR = 2
    BITOP_NOT = 3
    BITOP_DIFF = 4              # in the first, but in none of the others
    BITOP_DIFF1 = 5             # in any of the others, but not in the first
    BITOP_ANDOR = 6             # in the first, and in any of the others
    BITOP_ONE = 7               # in exactly one

# What to do when an integer does not fit into its field.
cdef enum overflow_t:
    OVERFLOW_WRAP = 0
    OVERFLOW_SAT = 1
    OVERFLOW_FAIL = 2

# An integer within a string: at most 64 bits, 63 if unsigned.
cdef struct field_t:
    uint64_t offset             # of its first bit
    int nbits
    bint is_signed

# bits that are set among the bits [first, last], which are in the string
cdef uint64_t bitmap_count(
    const uint8_t *s, uint64_t first, uint64_t last
) noexcept nogil
# the first bit among [first, last] that is as asked; -1: none
cdef int64_t bitmap_find(
    const uint8_t *s, uint64_t first, uint64_t last, bint bit
) noexcept nogil
# dst has room for the longest source, and may be one; shorter ones end in zeros
cdef void bitmap_combine(
    bitop_t op, uint8_t *dst, size_t nbytes, const bitmap_t *sources, size_t n
) noexcept nogil

cdef inline bint bitmap_get(const uint8_t *s, size_t nbytes, uint64_t i) noexcept nogil:
    """Return a bit; it is 0 behind the end."""
    return (i >> 3) < nbytes and (s[i >> 3] >> (7 - (i & 7))) & 1

cdef inline void bitmap_set(uint8_t *s, uint64_t i, bint bit) noexcept nogil:
    """Change a bit, which is in the string."""
    cdef uint8_t mask = <uint8_t>(0x80 >> (i & 7))
    s[i >> 3] = (s[i >> 3] | mask) if bit else (s[i >> 3] & ~mask)

# the integer in a field; unsigned ones fit, too. Bits behind the end are 0.
cdef int64_t field_get(const uint8_t *s, size_t nbytes, field_t f) noexcept nogil
# the field is in the string; the value's low bits are stored
cdef void field_set(uint8_t *s, field_t f, int64_t value) noexcept nogil
# value + delta as it can be stored; C_ERR: it does not fit, and mode is to fail.
# value is any int64: of an unsigned field it is read as an uint64
cdef status_t field_add(
    field_t f, int64_t value, int64_t delta, overflow_t mode, int64_t *sum_out
) noexcept nogil
