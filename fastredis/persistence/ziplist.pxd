# SPDX-License-Identifier: BSD-3-Clause
"""Ziplists and zipmaps, which files of older servers have. See ziplist.pyx.

Both are only read: opening one checks all of it, then its elements are walked.
"""
from fastredis.core.status cimport status_t
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    ZL_DIGITS = 24              # room for an integer's text

cdef struct ziplist_t:
    const uint8_t *p            # the next element
    const uint8_t *end          # the byte that ends the list
    bint is_value               # zipmap: a value comes next

# s: borrowed until the walk is over. len_out: how many elements there are. Fails if it
# is not whole and well-formed.
cdef status_t ziplist_open(
    ziplist_t *zl, const uint8_t *s, size_t nbytes, uint64_t *len_out
) noexcept nogil
# 1: an element as text, borrowed, or an integer's in digits (ZL_DIGITS); 0: the end
cdef int ziplist_next(
    ziplist_t *zl, char *digits, const char **s_out, size_t *nbytes_out
) noexcept nogil
# the elements of a zipmap are fields and values in turn
cdef status_t zipmap_open(
    ziplist_t *zl, const uint8_t *s, size_t nbytes, uint64_t *len_out
) noexcept nogil
cdef int zipmap_next(
    ziplist_t *zl, const char **s_out, size_t *nbytes_out
) noexcept nogil
