# SPDX-License-Identifier: BSD-3-Clause
r"""Sorted array of unique integers of 2, 4 or 8 bytes each.

    +-----------+---------+------+------+-- ... --+
    | width u32 | len u32 |  -5  |   1  |   300   |     ascending, little endian
    +-----------+---------+------+------+-- ... --+

The width is that of the widest integer that was ever added: the array is rewritten
when a wider one comes, and never made narrower again.

The format is that of RDB files and of DUMP, so saving and loading copy it (as the
layout in memory it needs a little-endian processor).

Invariants: the integers ascend; width is 2, 4 or 8; len is below INTSET_MAX_LEN.
Cost: search O(log n), insertion and removal O(n) for what is behind, moved at once.
Threads: the one that owns the block. Source: Redis's RDB format.
"""
from fastredis.core.mem cimport zfree, zmalloc, zrealloc, zsize
from fastredis.core.status cimport fr_assert
from libc.stdint cimport INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, int16_t, int32_t
from libc.string cimport memcpy, memmove

# The first bytes of the block; the integers follow.
cdef struct header_t:
    uint32_t width
    uint32_t len


cdef inline header_t *_head(const uint8_t *s) noexcept nogil:
    return <header_t *>s


# --- Create and free --------------------------------------------------------------


cdef uint8_t *intset_new() noexcept nogil:
    """Return an empty intset of the smallest width."""
    cdef uint8_t *s = <uint8_t *>zmalloc(INTSET_HEADER)
    _head(s).width = 2
    _head(s).len = 0
    return s


cdef void intset_free(uint8_t *s) noexcept nogil:
    """Free the intset."""
    zfree(s)


cdef uint8_t *intset_copy(const uint8_t *s) noexcept nogil:
    """Return a copy without room to spare."""
    cdef size_t n = intset_nbytes(s)
    cdef uint8_t *copy = <uint8_t *>zmalloc(n)
    memcpy(copy, s, n)
    return copy


cdef inline uint8_t *_resized(uint8_t *s, size_t nbytes) noexcept nogil:
    """Return s with room for nbytes; given back only if half would be unused."""
    cdef size_t room = zsize(s)
    if nbytes > room:
        # an eighth more, so that building a large one copies it a few times only
        return <uint8_t *>zrealloc(s, nbytes + nbytes // 8)
    if nbytes < room // 2:
        return <uint8_t *>zrealloc(s, nbytes)
    return s


# --- Read -------------------------------------------------------------------------


cdef inline uint32_t _load32(const uint8_t *p) noexcept nogil:
    """Read a field of the header; one in a file may be at any address."""
    cdef uint32_t v
    memcpy(&v, p, 4)
    return v


cdef size_t intset_nbytes(const uint8_t *s) noexcept nogil:
    """Return the length in bytes."""
    return INTSET_HEADER + <size_t>_head(s).width * _head(s).len


cdef uint32_t intset_len(const uint8_t *s) noexcept nogil:
    """Return the number of integers."""
    return _load32(s + 4)


cdef inline int64_t _get(const uint8_t *s, uint32_t i, uint32_t width) noexcept nogil:
    cdef const uint8_t *p = s + INTSET_HEADER + <size_t>i * width
    cdef int16_t v16
    cdef int32_t v32
    cdef int64_t v64
    if width == 2:
        memcpy(&v16, p, 2)
        return v16
    if width == 4:
        memcpy(&v32, p, 4)
        return v32
    memcpy(&v64, p, 8)
    return v64


cdef inline void _set(
    uint8_t *s, uint32_t i, uint32_t width, int64_t value
) noexcept nogil:
    # little endian: the low bytes come first, whatever the width
    memcpy(s + INTSET_HEADER + <size_t>i * width, &value, width)


cdef int64_t intset_at(const uint8_t *s, uint32_t index) noexcept nogil:
    """Return an integer by its rank."""
    return _get(s, index, _load32(s))


cdef inline uint32_t _width_of(int64_t value) noexcept nogil:
    if INT16_MIN <= value <= INT16_MAX:
        return 2
    if INT32_MIN <= value <= INT32_MAX:
        return 4
    return 8


cdef bint _search(const uint8_t *s, int64_t value, uint32_t *index_out) noexcept nogil:
    """Return whether value is there; index_out: its rank, or where it belongs."""
    cdef uint32_t width = _head(s).width, n = _head(s).len
    cdef uint32_t low = 0, half
    if n == 0 or _get(s, n - 1, width) < value:
        index_out[0] = n        # integers often come in ascending order
        return False
    # narrows [low, low + n] without a branch that depends on the data
    while n > 1:
        half = n // 2
        low += half if _get(s, low + half - 1, width) < value else 0
        n -= half
    index_out[0] = low
    return _get(s, low, width) == value


cdef bint intset_has(const uint8_t *s, int64_t value) noexcept nogil:
    """Return whether value is there."""
    cdef uint32_t index
    if _width_of(value) > _head(s).width:
        return False
    return _search(s, value, &index)


# --- Change -----------------------------------------------------------------------


cdef uint8_t *_widened(uint8_t *s, int64_t value, uint32_t width) noexcept nogil:
    """Return s with wider integers and value, which is beyond either end."""
    cdef uint32_t old = _head(s).width, n = _head(s).len, i
    cdef uint32_t shift = 1 if value < 0 else 0
    cdef size_t need = INTSET_HEADER + (<size_t>n + 1) * width
    if zsize(s) < need:
        s = <uint8_t *>zrealloc(s, need)
    i = n
    while i > 0:        # from the end, since it grows into itself
        i -= 1
        _set(s, i + shift, width, _get(s, i, old))
    _set(s, 0 if value < 0 else n, width, value)
    _head(s).width = width
    _head(s).len = n + 1
    return s


cdef uint8_t *intset_add(uint8_t *s, int64_t value, bint *added_out) noexcept nogil:
    """Add an integer, if it is absent."""
    cdef uint32_t width = _width_of(value), n = _head(s).len, i
    cdef uint8_t *p
    added_out[0] = True
    fr_assert(n < INTSET_MAX_LEN)
    if width > _head(s).width:
        return _widened(s, value, width)
    if _search(s, value, &i):
        added_out[0] = False
        return s
    width = _head(s).width
    s = _resized(s, INTSET_HEADER + (<size_t>n + 1) * width)
    p = s + INTSET_HEADER + <size_t>i * width
    memmove(p + width, p, <size_t>(n - i) * width)
    _set(s, i, width, value)
    _head(s).len = n + 1
    return s


cdef uint8_t *intset_remove_at(uint8_t *s, uint32_t index) noexcept nogil:
    """Remove the integer of a rank."""
    cdef uint32_t width = _head(s).width, n = _head(s).len - 1
    cdef uint8_t *p = s + INTSET_HEADER + <size_t>index * width
    memmove(p, p + width, <size_t>(n - index) * width)
    return intset_truncate(s, n)


cdef uint8_t *intset_remove(
    uint8_t *s, int64_t value, bint *removed_out
) noexcept nogil:
    """Remove an integer, if it is there."""
    cdef uint32_t index
    removed_out[0] = _width_of(value) <= _head(s).width and _search(s, value, &index)
    return intset_remove_at(s, index) if removed_out[0] else s


cdef uint8_t *intset_truncate(uint8_t *s, uint32_t n) noexcept nogil:
    """Keep the n lowest integers."""
    _head(s).len = n
    return _resized(s, intset_nbytes(s))


cdef void intset_shift(uint8_t *s, uint32_t index, uint32_t to) noexcept nogil:
    """Copy the integer of rank index to rank to."""
    _set(s, to, _head(s).width, intset_at(s, index))


# --- Check ------------------------------------------------------------------------


cdef bint intset_is_valid(const uint8_t *s, size_t nbytes) noexcept nogil:
    """Return whether these bytes are an intset; O(n)."""
    cdef header_t head
    cdef uint32_t i
    if nbytes < INTSET_HEADER:
        return False
    memcpy(&head, s, INTSET_HEADER)
    if head.width != 2 and head.width != 4 and head.width != 8:
        return False
    if head.len == 0 or head.len > INTSET_MAX_LEN:
        return False
    if nbytes != INTSET_HEADER + <size_t>head.width * head.len:
        return False
    for i in range(1, head.len):
        if _get(s, i, head.width) <= _get(s, i - 1, head.width):
            return False
    return True
