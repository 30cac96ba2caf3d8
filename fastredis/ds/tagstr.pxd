# SPDX-License-Identifier: BSD-3-Clause
"""Byte strings whose pointer may tell their length. See tagstr.pyx.

A tagstr is an opaque pointer below 2**48, as hash tables hold them. NULL is none.
"""
from libc.stdint cimport uint8_t, uint32_t, uintptr_t
from libc.string cimport memcpy

cdef enum:
    TSTR_UNIT = 16              # a tag counts these
    TSTR_TAGS = 7               # mask of the tag, in the pointer
    TSTR_WIDE = 255             # first byte: a 32-bit length follows
    TSTR_WIDE_HEADER = 5

# returned: a copy of the bytes, fewer than 2**32
cdef void *tstr_new(const char *s, size_t nbytes) noexcept nogil
cdef void tstr_free(void *t) noexcept nogil             # NULL is allowed
# bytes of its memory
cdef size_t tstr_nbytes(const void *t) noexcept nogil

cdef inline void *tstr_block(const void *t) noexcept nogil:
    """Return the allocation."""
    return <void *>(<uintptr_t>t & ~<uintptr_t>TSTR_TAGS)

cdef inline const char *tstr_bytes(const void *t, size_t *len_out) noexcept nogil:
    """Return the bytes, borrowed: an ht_key_fn."""
    cdef uintptr_t tag = <uintptr_t>t & TSTR_TAGS
    cdef const uint8_t *p
    cdef uint32_t n
    if tag:
        len_out[0] = tag * TSTR_UNIT
        return <const char *>t - tag
    p = <const uint8_t *>t
    if p[0] != TSTR_WIDE:
        len_out[0] = p[0]
        return <const char *>p + 1
    memcpy(&n, p + 1, 4)
    len_out[0] = n
    return <const char *>p + TSTR_WIDE_HEADER
