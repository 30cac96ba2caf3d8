# SPDX-License-Identifier: BSD-3-Clause
r"""Longest common subsequence, 64 cells of the table at a time.

The table of L(i, j), the length for the first i bytes of a and the first j bytes of b,
grows by 0 or 1 from one column to the next. A row is therefore kept as one bit a cell:
0 where L(i, j) = L(i, j - 1) + 1.

              b:  b  d  c  a                    b  d  c  a
    L(i, j)     0 1  1  1  1    i = 1, a "b"    0  1  1  1     bit 0 is b's first byte
                0 1  1  2  2    i = 2, a "c"    0  1  0  1

A row follows from the one above by an addition, whose carries run to the next column
where a byte of b equals a's byte (M has those columns):

    V = (V + (V & M)) | (V & ~M)

The way back from the last cell needs no more than these bits: where the two bytes
differ, the cell above is greater than the one to the left exactly where the bit is 0.
Of subsequences of the same length it takes the one that Redis reports.

Cost: O(a_len * b_len / 64) time; with is_traced as many words of memory, and for each
different byte of a one row of masks.   Threads: any.
Source: Crochemore, Iliopoulos, Pinzon, Reid, "A fast and practical bit-vector algorithm
for the longest common subsequence problem", 2001.
"""
from fastredis.core.mem cimport zcalloc, zfree, ztrymalloc
from libc.stdint cimport uint64_t
from libc.string cimport memset

cdef extern from *:
    int __builtin_popcountll(unsigned long long x) noexcept nogil

cdef enum:
    NBYTE_VALUES = 256

cdef struct lcs_t:
    const char *a
    const char *b
    size_t nwords               # of one row
    uint64_t *rows              # row i follows a[i - 1]; only the last if not traced
    size_t len
    # where the way back has come to: bytes of a and b that are still before it
    size_t i
    size_t j


# --- Create and free --------------------------------------------------------------


cdef inline uint64_t _add(uint64_t x, uint64_t y, uint64_t *carry) noexcept nogil:
    """Return x + y + carry, and the carry of that."""
    cdef uint64_t s = x + y
    cdef uint64_t t = s + carry[0]
    carry[0] = (s < x) | (t < s)
    return t


cdef uint64_t *_masks(
    const lcs_t *t, size_t a_len, size_t b_len, uint64_t **mask_of
) noexcept nogil:
    """Return a block with a row of masks for each byte value in a, or NULL.

    mask_of: NBYTE_VALUES pointers, set for the values that occur in a.
    """
    cdef bint[NBYTE_VALUES] is_in_a
    cdef size_t k, ndistinct = 0
    cdef unsigned char ch
    cdef uint64_t *masks
    memset(is_in_a, 0, sizeof(is_in_a))
    for k in range(a_len):
        ch = <unsigned char>t.a[k]
        ndistinct += not is_in_a[ch]
        is_in_a[ch] = True
    masks = <uint64_t *>ztrymalloc(ndistinct * t.nwords * sizeof(uint64_t))
    if masks == NULL:
        return NULL
    memset(masks, 0, ndistinct * t.nwords * sizeof(uint64_t))
    ndistinct = 0
    for k in range(NBYTE_VALUES):
        mask_of[k] = NULL
        if is_in_a[k]:
            mask_of[k] = masks + ndistinct * t.nwords
            ndistinct += 1
    for k in range(b_len):
        ch = <unsigned char>t.b[k]
        if is_in_a[ch]:
            mask_of[ch][k >> 6] |= <uint64_t>1 << (k & 63)
    return masks


cdef void _next_row(
    const uint64_t *above, uint64_t *row, const uint64_t *mask, size_t nwords
) noexcept nogil:
    """Compute a row; it may be the one above, which is replaced then."""
    cdef uint64_t carry = 0, v, m
    cdef size_t k
    for k in range(nwords):
        v = above[k]
        m = mask[k]
        row[k] = _add(v, v & m, &carry) | (v & ~m)


cdef size_t _count_zeros(const uint64_t *row, size_t nbits) noexcept nogil:
    """Return how many of the first nbits are 0: all bits after them are 1."""
    cdef size_t k, ones = 0
    for k in range((nbits + 63) >> 6):
        ones += __builtin_popcountll(row[k])
    return ((nbits + 63) & ~<size_t>63) - ones


cdef lcs_t *lcs_new(
    const char *a, size_t a_len, const char *b, size_t b_len, bint is_traced
) noexcept nogil:
    """Compute the table; the product of the lengths is for the caller to bound."""
    cdef lcs_t *t = <lcs_t *>zcalloc(sizeof(lcs_t))
    cdef uint64_t *masks
    cdef uint64_t *row
    cdef uint64_t *above
    cdef uint64_t *mask_of[NBYTE_VALUES]
    cdef size_t k
    t.a = a
    t.b = b
    t.i = a_len
    t.j = b_len
    t.nwords = (b_len + 63) >> 6
    if a_len == 0 or b_len == 0:
        return t
    masks = _masks(t, a_len, b_len, mask_of)
    # one row more than a has bytes: the one above the first
    t.rows = <uint64_t *>ztrymalloc(
        (a_len + 1 if is_traced else 1) * t.nwords * sizeof(uint64_t))
    if masks == NULL or t.rows == NULL:
        zfree(masks)
        lcs_free(t)
        return NULL
    above = row = t.rows
    memset(row, 255, t.nwords * sizeof(uint64_t))
    for k in range(a_len):
        if is_traced:
            row = above + t.nwords
        _next_row(above, row, mask_of[<unsigned char>a[k]], t.nwords)
        above = row
    zfree(masks)
    t.len = _count_zeros(row, b_len)
    return t


cdef void lcs_free(lcs_t *t) noexcept nogil:
    """Free the table; NULL is allowed."""
    if t != NULL:
        zfree(t.rows)
        zfree(t)


# --- Read -------------------------------------------------------------------------


cdef size_t lcs_len(const lcs_t *t) noexcept nogil:
    """Return the length of the longest common subsequence."""
    return t.len


cdef bint lcs_next(lcs_t *t, lcs_run_t *run_out) noexcept nogil:
    """Go back to the next run of bytes of the subsequence; t must be traced."""
    cdef size_t i = t.i, j = t.j, n = 0
    cdef const uint64_t *row = t.rows + i * t.nwords
    while i and j:
        if t.a[i - 1] == t.b[j - 1]:
            n += 1
            i -= 1
            j -= 1
            row -= t.nwords
        elif n:
            break
        elif row[(j - 1) >> 6] >> ((j - 1) & 63) & 1:
            j -= 1
        else:
            i -= 1
            row -= t.nwords
    t.i = i
    t.j = j
    run_out.a = i
    run_out.b = j
    run_out.len = n
    return n > 0
