# SPDX-License-Identifier: BSD-3-Clause
r"""Small sorted sets: members and scores in one listpack.

    [member][score][member][score] ...      by score, then by member

Scores that are whole numbers up to 2**52 are integer entries, others are text.

Cost: O(n) of all.
Threads: none of its own.
"""
from fastredis.core.num cimport NUM_DOUBLE_BUF, num_format_double, num_parse_double
from fastredis.ds.bptree cimport (
    BPT_AFTER_MEMBER,
    BPT_AFTER_SCORE,
    BPT_AT_ELEMENT,
    BPT_BEFORE_MEMBER,
    BPT_BEFORE_SCORE,
    bpt_compare_bytes,
)
from fastredis.ds.listpack cimport (
    LP_AFTER,
    LP_BEFORE,
    LP_INT_BUF,
    lp_append,
    lp_append_int,
    lp_find,
    lp_first,
    lp_get,
    lp_insert,
    lp_insert_int,
    lp_next,
    lp_text,
    lp_value_t,
)
from libc.stdint cimport int64_t

cdef extern from *:
    """
    /* 2**52: whole numbers up to here are exact as doubles, and stored as integers */
    #define EXACT_INT_MAX 4503599627370496.0
    """
    const double EXACT_INT_MAX


cdef double zlp_score(const uint8_t *p) noexcept nogil:
    """Return the score that an entry is."""
    cdef lp_value_t v
    cdef double score = 0
    lp_get(p, &v)
    if v.ptr == NULL:
        return <double>v.num
    num_parse_double(v.ptr, v.len, &score)
    return score


cdef inline bint _is_exact_int(double score) noexcept nogil:
    return (-EXACT_INT_MAX <= score <= EXACT_INT_MAX
            and <double>(<int64_t>score) == score)


cdef uint8_t *zlp_append(
    uint8_t *lp, const char *member, size_t nbytes, double score
) noexcept nogil:
    """Add a member and its score behind all others."""
    cdef char[NUM_DOUBLE_BUF] text
    lp = lp_append(lp, member, nbytes)
    if _is_exact_int(score):
        return lp_append_int(lp, <int64_t>score)
    return lp_append(lp, text, num_format_double(text, NUM_DOUBLE_BUF, score))


cdef uint8_t *_insert(
    uint8_t *lp, uint8_t *before, const char *member, size_t nbytes, double score
) noexcept nogil:
    """Insert a member and its score before another; NULL: at the end."""
    cdef char[NUM_DOUBLE_BUF] text
    cdef uint8_t *p
    if before == NULL:
        return zlp_append(lp, member, nbytes, score)
    lp = lp_insert(lp, member, nbytes, before, LP_BEFORE, &p)
    if _is_exact_int(score):
        return lp_insert_int(lp, <int64_t>score, p, LP_AFTER, NULL)
    return lp_insert(
        lp, text, num_format_double(text, NUM_DOUBLE_BUF, score), p, LP_AFTER, NULL)


cdef uint8_t *zlp_find(
    const uint8_t *lp, const char *member, size_t nbytes
) noexcept nogil:
    """Return a member's entry, or NULL."""
    cdef uint8_t *p = lp_first(lp)
    return NULL if p == NULL else lp_find(lp, p, member, nbytes, 1)


cdef bint _is_below(
    uint8_t *lp, uint8_t *p, bpt_border_t border, double score, const char *member,
    size_t nbytes
) noexcept nogil:
    """Return whether the member at p is below a border."""
    cdef double own
    cdef char[LP_INT_BUF] digits
    cdef const char *s
    cdef size_t n
    cdef int order
    if border < BPT_BEFORE_MEMBER:
        own = zlp_score(lp_next(lp, p))
        if border == BPT_BEFORE_SCORE:
            return own < score
        if border == BPT_AFTER_SCORE:
            return own <= score
        if own != score:
            return own < score
    s = lp_text(p, digits, &n)
    order = bpt_compare_bytes(s, n, member, nbytes)
    return order <= 0 if border == BPT_AFTER_MEMBER else order < 0


cdef size_t zlp_count_below(
    uint8_t *lp, bpt_border_t border, double score, const char *member, size_t nbytes,
    uint8_t **at_out
) noexcept nogil:
    """Return how many members are below a border, and the first that is not."""
    cdef uint8_t *p = lp_first(lp)
    cdef size_t n = 0
    while p != NULL and _is_below(lp, p, border, score, member, nbytes):
        p = lp_next(lp, lp_next(lp, p))
        n += 1
    at_out[0] = p
    return n


cdef uint8_t *zlp_put(
    uint8_t *lp, double score, const char *member, size_t nbytes
) noexcept nogil:
    """Insert a member that is not there; there must be room."""
    cdef uint8_t *at
    zlp_count_below(lp, BPT_AT_ELEMENT, score, member, nbytes, &at)
    return _insert(lp, at, member, nbytes, score)
