# SPDX-License-Identifier: BSD-3-Clause
r"""Listpacks from outside that become values as they are.

    | header | field | value | field | value | ... | end |
               ^ each in the one form that this server would give it, none of them twice

To build a small hash or sorted set up field by field takes a search and a move of
memory for each. Most files have them as they would be made here, in a listpack. One
walk tells whether that is so; then the listpack is taken over whole.

Each entry must be encoded in the shortest way, text that is an integer as one, and
lengths must be within the limits. So entries are equal where their bytes are, and a
table of their hashes finds one that comes twice. Sorted sets must be in order, too.
Whatever else is right, if unusual, is left to the functions that take any listpack.

Cost: O(bytes), a hash of each field. Threads: any.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zmalloc
from fastredis.core.num cimport num_parse_double
from fastredis.core.status cimport C_OK
from fastredis.ds.bptree cimport bpt_compare_bytes
from fastredis.ds.listpack cimport LP_HEADER, LP_INT_BUF, lp_text
from fastredis.ds.lpentry cimport (
    LPE_END,
    LPE_INT_MAX,
    lp_value_t,
    lpe_after,
    lpe_body,
    lpe_get,
    lpe_put_int_head,
    lpe_put_str_head,
    lpe_text_int,
)
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

cdef enum:
    PAIRS_MAX = 512             # of larger ones, that a configuration allows, none
    SLOTS = 1024
    EXACT_INT_MAX = 1 << 53     # scores up to here are integers in a listpack


# Entries that were seen, for finding one that comes twice.
cdef struct seen_t:
    const uint8_t *base
    uint32_t mask
    uint32_t n
    uint32_t[PAIRS_MAX] offsets     # from base
    uint16_t[SLOTS] slots           # 1 + index in offsets; 0: free


cdef void _seen_init(seen_t *seen, const uint8_t *base, size_t n) noexcept nogil:
    cdef uint32_t nslots = 16
    while nslots < 2 * n:
        nslots *= 2
    seen.base = base
    seen.mask = nslots - 1
    seen.n = 0
    memset(seen.slots, 0, nslots * sizeof(uint16_t))


cdef bint _is_new(seen_t *seen, const uint8_t *p) noexcept nogil:
    """Note an entry; return whether it is the first with these bytes."""
    cdef size_t nbytes = lpe_body(p)
    cdef uint64_t i = keyhash(<const char *>p, nbytes) & seen.mask
    cdef const uint8_t *other
    while seen.slots[i]:
        other = seen.base + seen.offsets[seen.slots[i] - 1]
        # bodies tell their length, so the shorter is no part of the longer
        if other[0] == p[0] and lpe_body(other) == nbytes and \
                memcmp(other, p, nbytes) == 0:
            return False
        i = (i + 1) & seen.mask
    seen.offsets[seen.n] = <uint32_t>(p - seen.base)
    seen.n += 1
    seen.slots[i] = <uint16_t>seen.n
    return True


cdef bint _is_shortest(const uint8_t *p, size_t max_nbytes) noexcept nogil:
    """Return whether an entry is what its value would be here, and no longer."""
    cdef uint8_t[LPE_INT_MAX] head
    cdef lp_value_t v
    cdef int64_t number
    cdef int n
    lpe_get(p, &v)
    if v.ptr == NULL:
        n = lpe_put_int_head(head, v.num)
        return <size_t>n == lpe_body(p) and memcmp(head, p, n) == 0
    if v.len > max_nbytes or lpe_text_int(v.ptr, v.len, &number):
        return False
    n = lpe_put_str_head(head, v.len)
    return <const char *>p + n == v.ptr and memcmp(head, p, n) == 0


cdef size_t _npairs(const rdb_text_t *t, size_t max_pairs) noexcept nogil:
    """Return how many pairs the header tells of; 0: none, or not a right number."""
    cdef const uint8_t *lp = <const uint8_t *>t.ptr
    cdef size_t n = lp[4] | (lp[5] << 8)
    if n % 2 or n // 2 > min(max_pairs, <size_t>PAIRS_MAX):
        return 0
    return n // 2


cdef bint rdblp_is_hash(
    const rdb_text_t *t, const hash_limits_t *limits
) noexcept nogil:
    """Return whether this could be a hash of this server."""
    cdef const uint8_t *p = <const uint8_t *>t.ptr + LP_HEADER
    cdef size_t n = _npairs(t, limits.max_entries)
    cdef seen_t seen
    if n == 0:
        return False
    _seen_init(&seen, <const uint8_t *>t.ptr, n)
    while p[0] != LPE_END:
        if not _is_shortest(p, limits.max_value) or not _is_new(&seen, p):
            return False
        p = lpe_after(p)
        if not _is_shortest(p, limits.max_value):
            return False
        p = lpe_after(p)
    return True


cdef bint _score(const uint8_t *p, double *score_out) noexcept nogil:
    """Read a score; False: it is none, or has another form here."""
    cdef lp_value_t v
    lpe_get(p, &v)
    if v.ptr == NULL:
        score_out[0] = <double>v.num
        return -EXACT_INT_MAX <= v.num <= EXACT_INT_MAX
    if num_parse_double(v.ptr, v.len, score_out) != C_OK or isnan(score_out[0]):
        return False
    return not (-EXACT_INT_MAX <= score_out[0] <= EXACT_INT_MAX
                and <double>(<int64_t>score_out[0]) == score_out[0])


cdef bint _comes_before(const uint8_t *a, const uint8_t *b) noexcept nogil:
    """Return whether a member is less than another, as text."""
    cdef char[LP_INT_BUF] a_digits
    cdef char[LP_INT_BUF] b_digits
    cdef size_t a_len, b_len
    cdef const char *a_text = lp_text(a, a_digits, &a_len)
    cdef const char *b_text = lp_text(b, b_digits, &b_len)
    return bpt_compare_bytes(a_text, a_len, b_text, b_len) < 0


cdef bint rdblp_is_zset(
    const rdb_text_t *t, const zset_limits_t *limits
) noexcept nogil:
    """Return whether this could be a sorted set of this server."""
    cdef const uint8_t *p = <const uint8_t *>t.ptr + LP_HEADER
    cdef const uint8_t *before = NULL
    cdef size_t n = _npairs(t, limits.entries)
    cdef double score, last = 0
    cdef seen_t seen
    if n == 0:
        return False
    _seen_init(&seen, <const uint8_t *>t.ptr, n)
    while p[0] != LPE_END:
        if not _is_shortest(p, limits.value) or not _is_new(&seen, p):
            return False
        if not _is_shortest(lpe_after(p), LP_INT_BUF * 4) or \
                not _score(lpe_after(p), &score):
            return False
        if before != NULL and (score < last or (
                score == last and not _comes_before(before, p))):
            return False
        before = p
        last = score
        p = lpe_after(lpe_after(p))
    return True


cdef uint8_t *rdblp_take(rdb_text_t *t) noexcept nogil:
    """Return the listpack in memory of its own."""
    cdef uint8_t *lp = <uint8_t *>t.owned
    if lp == NULL:
        lp = <uint8_t *>zmalloc(t.len)
        memcpy(lp, t.ptr, t.len)
    t.owned = NULL
    return lp
