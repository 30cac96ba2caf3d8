# SPDX-License-Identifier: BSD-3-Clause
"""Sorted array of unique integers, the smallest encoding of a set. See intset.pyx.

An intset is one allocation of core.mem; functions that change one consume it and
return it, since it may move. Its bytes are those of RDB files.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef enum:
    INTSET_HEADER = 8
    INTSET_MAX_LEN = 1 << 30

# returned: empty
cdef uint8_t *intset_new() noexcept nogil
cdef void intset_free(uint8_t *s) noexcept nogil            # NULL is allowed
cdef uint8_t *intset_copy(const uint8_t *s) noexcept nogil
cdef size_t intset_nbytes(const uint8_t *s) noexcept nogil  # header included
cdef uint32_t intset_len(const uint8_t *s) noexcept nogil
# by rank, from 0 to the length - 1
cdef int64_t intset_at(const uint8_t *s, uint32_t index) noexcept nogil
cdef bint intset_has(const uint8_t *s, int64_t value) noexcept nogil
# added_out: whether it was absent
cdef uint8_t *intset_add(uint8_t *s, int64_t value, bint *added_out) noexcept nogil
# removed_out: whether it was there
cdef uint8_t *intset_remove(
    uint8_t *s, int64_t value, bint *removed_out
) noexcept nogil
cdef uint8_t *intset_remove_at(uint8_t *s, uint32_t index) noexcept nogil
# keep the first n integers
cdef uint8_t *intset_truncate(uint8_t *s, uint32_t n) noexcept nogil
# put the integer of one rank at a lower one, for who compacts and then truncates
cdef void intset_shift(uint8_t *s, uint32_t index, uint32_t to) noexcept nogil
# Is this an intset, sorted and whole? For bytes from outside.
cdef bint intset_is_valid(const uint8_t *s, size_t nbytes) noexcept nogil
