# SPDX-License-Identifier: BSD-3-Clause
"""Small sorted sets: members and scores in one listpack. See zset_listpack.pyx.

A function that returns a listpack has consumed the one that it was given.
"""
from fastredis.ds.bptree cimport bpt_border_t
from libc.stdint cimport uint8_t

# the score that an entry is
cdef double zlp_score(const uint8_t *p) noexcept nogil
# a member's entry, or NULL; its score is the next one
cdef uint8_t *zlp_find(
    const uint8_t *lp, const char *member, size_t nbytes
) noexcept nogil
# how many members are below a border, and the entry of the first that is not
cdef size_t zlp_count_below(
    uint8_t *lp, bpt_border_t border, double score, const char *member, size_t nbytes,
    uint8_t **at_out
) noexcept nogil
# add a member that is not there, behind all others or where it belongs
cdef uint8_t *zlp_append(
    uint8_t *lp, const char *member, size_t nbytes, double score
) noexcept nogil
cdef uint8_t *zlp_put(
    uint8_t *lp, double score, const char *member, size_t nbytes
) noexcept nogil
