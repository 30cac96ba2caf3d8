# SPDX-License-Identifier: BSD-3-Clause
r"""Listpack: small values in one block, read from either end.

    +-------------+-----------+---------+---------+-- ... --+------+
    | bytes (u32) | count u16 | entry   | entry   |         | 0xFF |
    +-------------+-----------+---------+---------+-- ... --+------+
    entry:  | encoding (+ length) | data | length of the two, readable backwards |

    0xxxxxxx                        integer 0..127
    10xxxxxx data                   string of up to 63 bytes
    110xxxxx xxxxxxxx               integer of 13 bits, signed
    1110xxxx xxxxxxxx data          string of up to 4095 bytes
    11110000 u32 data               string
    11110001 .. 11110100            integer of 2, 3, 4 or 8 bytes, little endian

The length at an entry's end is written in groups of seven bits, the lowest first in
the order of reading from the right; all groups but the leftmost one have bit 7 set.
A count of 65535 means that the entries have to be counted.

The format is that of RDB files and of DUMP, so saving and loading copy it.

Cost: an insertion or deletion moves what is behind it; search O(n).
Threads: the one that owns the block.
Source: S. Sanfilippo's listpack specification (github.com/antirez/listpack).
"""
from fastredis.core.mem cimport zfree, zmalloc, zrealloc, zsize
from fastredis.core.num cimport num_format_i64
from fastredis.core.status cimport fr_assert
from fastredis.ds.lpentry cimport (
    LPE_COUNT_UNKNOWN as COUNT_UNKNOWN,
    LPE_END as END,
    LPE_INT64 as INT64,
    LPE_STR32 as STR32,
    lpe_after as _after,
    lpe_back_size as _back_size,
    lpe_body as _body,
    lpe_get,
    lpe_load32 as _load32,
    lpe_load_back as _load_back,
    lpe_put_int_head,
    lpe_put_str_head,
    lpe_store32 as _store32,
    lpe_store_back as _store_back,
    lpe_text_int,
)
from libc.stdint cimport uint32_t
from libc.string cimport memcmp, memcpy, memmove

cdef enum:
    HEAD_MAX = 9                # an encoding byte and eight of an integer
    BACK_MAX = 5

# An entry about to be written: head (and an integer's bytes), data, backward length.
cdef struct entry_t:
    uint8_t head[HEAD_MAX]
    int nhead
    const char *data
    size_t ndata
    uint8_t back[BACK_MAX]
    int nback


# --- Header -----------------------------------------------------------------------


cdef inline uint32_t _count(const uint8_t *lp) noexcept nogil:
    return lp[4] | (lp[5] << 8)


cdef inline void _add_count(uint8_t *lp, int64_t change) noexcept nogil:
    """Note a change of the number of entries; an unknown number stays unknown."""
    cdef int64_t n = _count(lp)
    if n == COUNT_UNKNOWN:
        return
    n += change
    if n > COUNT_UNKNOWN:
        n = COUNT_UNKNOWN
    lp[4] = n & 255
    lp[5] = (n >> 8) & 255


cdef uint8_t *lp_new(size_t cap) noexcept nogil:
    """Return an empty listpack."""
    cdef uint8_t *lp
    if cap < LP_HEADER + 1:
        cap = LP_HEADER + 1
    lp = <uint8_t *>zmalloc(cap)
    _store32(lp, LP_HEADER + 1)
    lp[4] = 0
    lp[5] = 0
    lp[LP_HEADER] = END
    return lp


cdef void lp_free(uint8_t *lp) noexcept nogil:
    """Free the listpack."""
    zfree(lp)


cdef uint8_t *lp_copy(const uint8_t *lp) noexcept nogil:
    """Return a copy without room to spare."""
    cdef size_t n = lp_nbytes(lp)
    cdef uint8_t *copy = <uint8_t *>zmalloc(n)
    memcpy(copy, lp, n)
    return copy


cdef size_t lp_nbytes(const uint8_t *lp) noexcept nogil:
    """Return the length in bytes, header and end included."""
    return _load32(lp)


cdef size_t lp_len(const uint8_t *lp) noexcept nogil:
    """Return the number of entries; O(n) beyond 65534."""
    cdef size_t n = _count(lp)
    cdef const uint8_t *p
    if n != COUNT_UNKNOWN:
        return n
    n = 0
    p = lp + LP_HEADER
    while p[0] != END:
        p = _after(p)
        n += 1
    return n


cdef bint lp_fits(const uint8_t *lp, size_t nbytes) noexcept nogil:
    """Return whether nbytes more are allowed."""
    return nbytes < LP_MAX_NBYTES and lp_nbytes(lp) + nbytes <= LP_MAX_NBYTES


cdef size_t lp_entry_max(size_t nbytes) noexcept nogil:
    """Return the most that an entry of nbytes takes."""
    return nbytes + 5 + BACK_MAX


cdef uint8_t *lp_shrink(uint8_t *lp) noexcept nogil:
    """Give back room at the end, if the allocator has a smaller block."""
    cdef size_t n = lp_nbytes(lp)
    if zsize(lp) > n:
        return <uint8_t *>zrealloc(lp, n)
    return lp


# --- Entries ----------------------------------------------------------------------


cdef uint8_t *lp_first(const uint8_t *lp) noexcept nogil:
    """Return the first entry, or NULL."""
    cdef uint8_t *p = <uint8_t *>lp + LP_HEADER
    return NULL if p[0] == END else p


cdef uint8_t *lp_last(const uint8_t *lp) noexcept nogil:
    """Return the last entry, or NULL."""
    return lp_prev(lp, lp + lp_nbytes(lp) - 1)


cdef uint8_t *lp_next(const uint8_t *lp, const uint8_t *p) noexcept nogil:
    """Return the entry after p, or NULL."""
    cdef uint8_t *q = _after(p)
    return NULL if q[0] == END else q


cdef uint8_t *lp_prev(const uint8_t *lp, const uint8_t *p) noexcept nogil:
    """Return the entry before p (an entry, or the end), or NULL."""
    cdef size_t body
    if p == lp + LP_HEADER:
        return NULL
    body = _load_back(p - 1)
    return <uint8_t *>p - body - _back_size(body)


cdef uint8_t *lp_seek(const uint8_t *lp, int64_t index) noexcept nogil:
    """Return an entry by its number, from the nearer end if the count is known."""
    cdef int64_t n = _count(lp)
    cdef uint8_t *p
    if n != COUNT_UNKNOWN:
        if index < 0:
            index += n
        if index < 0 or index >= n:
            return NULL
        if index > n // 2:
            index -= n
    if index >= 0:
        p = lp_first(lp)
        while p != NULL and index > 0:
            p = lp_next(lp, p)
            index -= 1
        return p
    p = lp_last(lp)
    while p != NULL and index < -1:
        p = lp_prev(lp, p)
        index += 1
    return p


# --- Read -------------------------------------------------------------------------


cdef void lp_get(const uint8_t *p, lp_value_t *v) noexcept nogil:
    """Read the value of an entry."""
    lpe_get(p, v)


cdef const char *lp_text(const uint8_t *p, char *buf, size_t *len_out) noexcept nogil:
    """Return the value as text."""
    cdef lp_value_t v
    lp_get(p, &v)
    if v.ptr != NULL:
        len_out[0] = v.len
        return v.ptr
    len_out[0] = num_format_i64(buf, v.num)
    return buf


cdef bint lp_equal(const uint8_t *p, const char *s, size_t nbytes) noexcept nogil:
    """Return whether the entry has this value."""
    cdef lp_value_t v
    cdef int64_t num
    lp_get(p, &v)
    if v.ptr != NULL:
        return v.len == nbytes and memcmp(v.ptr, s, nbytes) == 0
    return lpe_text_int(s, nbytes, &num) and num == v.num


cdef uint8_t *lp_find(
    const uint8_t *lp, const uint8_t *p, const char *s, size_t nbytes, size_t skip
) noexcept nogil:
    """Return the first entry with this value."""
    cdef lp_value_t v
    cdef int64_t num = 0
    cdef bint is_int = lpe_text_int(s, nbytes, &num)
    cdef size_t left = 0
    if p == NULL:
        return NULL
    while p[0] != END:
        if left:
            left -= 1
        else:
            left = skip
            lp_get(p, &v)
            if v.ptr == NULL:
                if is_int and v.num == num:
                    return <uint8_t *>p
            elif v.len == nbytes and memcmp(v.ptr, s, nbytes) == 0:
                return <uint8_t *>p
        p = _after(p)
    return NULL


# --- Change -----------------------------------------------------------------------


cdef void _encode_int(entry_t *e, int64_t v) noexcept nogil:
    """Prepare an entry with an integer."""
    e.data = NULL
    e.ndata = 0
    e.nhead = lpe_put_int_head(e.head, v)
    e.nback = _store_back(e.back, e.nhead)


cdef void _encode(entry_t *e, const char *s, size_t nbytes) noexcept nogil:
    """Prepare an entry with a string, or the integer that it is the text of."""
    cdef int64_t num
    if lpe_text_int(s, nbytes, &num):
        _encode_int(e, num)
        return
    e.data = s
    e.ndata = nbytes
    e.nhead = lpe_put_str_head(e.head, nbytes)
    e.nback = _store_back(e.back, e.nhead + nbytes)


cdef uint8_t *_splice(
    uint8_t *lp, size_t at, size_t removed, const entry_t *e
) noexcept nogil:
    """Put an entry, or nothing, in the place of removed bytes at an offset."""
    cdef size_t old = lp_nbytes(lp)
    cdef size_t added = 0 if e == NULL else e.nhead + e.ndata + e.nback
    cdef size_t size = old - removed + added
    cdef uint8_t *p
    fr_assert(size <= LP_MAX_NBYTES)
    if size > old and zsize(lp) < size:
        lp = <uint8_t *>zrealloc(lp, size)
    p = lp + at
    if removed != added:
        memmove(p + added, p + removed, old - at - removed)
        _store32(lp, <uint32_t>size)
    if e != NULL:
        memcpy(p, e.head, e.nhead)
        if e.ndata:
            memcpy(p + e.nhead, e.data, e.ndata)
        memcpy(p + e.nhead + e.ndata, e.back, e.nback)
    return lp


cdef uint8_t *_put(
    uint8_t *lp, const entry_t *e, uint8_t *p, lp_where_t where, uint8_t **entry_out
) noexcept nogil:
    """Insert an entry before or after that at p, or in its place."""
    cdef size_t at, removed = 0
    if where == LP_AFTER:
        p = _after(p)
    elif where == LP_REPLACE:
        removed = _after(p) - p
    at = p - lp
    lp = _splice(lp, at, removed, e)
    if where != LP_REPLACE:
        _add_count(lp, 1)
    if entry_out != NULL:
        entry_out[0] = lp + at
    return lp


cdef uint8_t *lp_append(uint8_t *lp, const char *s, size_t nbytes) noexcept nogil:
    """Add a value at the end."""
    cdef entry_t e
    _encode(&e, s, nbytes)
    return _put(lp, &e, lp + lp_nbytes(lp) - 1, LP_BEFORE, NULL)


cdef uint8_t *lp_append_int(uint8_t *lp, int64_t v) noexcept nogil:
    """Add an integer at the end."""
    cdef entry_t e
    _encode_int(&e, v)
    return _put(lp, &e, lp + lp_nbytes(lp) - 1, LP_BEFORE, NULL)


cdef uint8_t *lp_prepend(uint8_t *lp, const char *s, size_t nbytes) noexcept nogil:
    """Add a value at the beginning."""
    cdef entry_t e
    _encode(&e, s, nbytes)
    return _put(lp, &e, lp + LP_HEADER, LP_BEFORE, NULL)


cdef uint8_t *lp_insert(
    uint8_t *lp, const char *s, size_t nbytes, uint8_t *p, lp_where_t where,
    uint8_t **entry_out
) noexcept nogil:
    """Add a value beside an entry, or replace the entry."""
    cdef entry_t e
    _encode(&e, s, nbytes)
    return _put(lp, &e, p, where, entry_out)


cdef uint8_t *lp_insert_int(
    uint8_t *lp, int64_t v, uint8_t *p, lp_where_t where, uint8_t **entry_out
) noexcept nogil:
    """Add an integer beside an entry, or replace the entry."""
    cdef entry_t e
    _encode_int(&e, v)
    return _put(lp, &e, p, where, entry_out)


cdef uint8_t *lp_delete(uint8_t *lp, uint8_t *p, uint8_t **next_out) noexcept nogil:
    """Remove an entry."""
    return lp_delete_many(lp, p, 1, next_out)


cdef uint8_t *lp_delete_many(
    uint8_t *lp, uint8_t *p, size_t count, uint8_t **next_out
) noexcept nogil:
    """Remove count entries from p on."""
    cdef uint8_t *end = p
    cdef size_t n = 0, at = p - lp
    while n < count and end[0] != END:
        end = _after(end)
        n += 1
    lp = _splice(lp, at, end - p, NULL)
    _add_count(lp, -<int64_t>n)
    if next_out != NULL:
        next_out[0] = NULL if lp[at] == END else lp + at
    return lp


cdef uint8_t *lp_delete_range(
    uint8_t *lp, int64_t index, size_t count
) noexcept nogil:
    """Remove count entries from a number on."""
    cdef uint8_t *p = lp_seek(lp, index)
    if p == NULL:
        return lp
    return lp_delete_many(lp, p, count, NULL)


cdef uint8_t *lp_concat(uint8_t *dst, const uint8_t *src) noexcept nogil:
    """Add the entries of src at the end of dst."""
    cdef size_t have = lp_nbytes(dst), more = lp_nbytes(src) - LP_HEADER - 1
    cdef size_t size = have + more
    cdef uint32_t n = _count(src)
    fr_assert(size <= LP_MAX_NBYTES)
    if zsize(dst) < size:
        dst = <uint8_t *>zrealloc(dst, size)
    memcpy(dst + have - 1, src + LP_HEADER, more + 1)
    _store32(dst, <uint32_t>size)
    # an unknown number on either side makes the sum unknown
    _add_count(dst, n)
    return dst


# --- Check ------------------------------------------------------------------------


cdef bint lp_is_valid(const uint8_t *s, size_t nbytes) noexcept nogil:
    """Return whether these bytes are a listpack."""
    cdef const uint8_t *p
    cdef const uint8_t *end
    cdef size_t left, body, n = 0
    cdef int head, back
    cdef uint8_t b
    if nbytes < LP_HEADER + 1 or nbytes > LP_MAX_NBYTES or _load32(s) != nbytes:
        return False
    end = s + nbytes - 1
    if end[0] != END:
        return False
    p = s + LP_HEADER
    while p < end:
        b = p[0]
        left = end - p
        if b == STR32:
            head = 5
        elif 0xE0 <= b < 0xF0:
            head = 2
        else:
            head = 1
        if b > INT64 or left < <size_t>head:
            return False
        body = _body(p)
        back = _back_size(body)
        if body + back > left or _load_back(p + body + back - 1) != body:
            return False
        if p[body] & 128:   # the length would go on into the data
            return False
        p += body + back
        n += 1
    return p == end and (_count(s) == COUNT_UNKNOWN or _count(s) == n)
