# SPDX-License-Identifier: BSD-3-Clause
r"""Ziplists and zipmaps: how Redis kept small collections before listpacks.

    ziplist  | bytes 4 | last 4 | len 2 | entry | entry | ... | 255 |   little-endian
    entry    length of the one before: 1 byte, or 254 and 4 bytes; then
             00nnnnnn  bytes              01nnnnnn n  bytes     10...... nnnn  bytes
             11000000  int16   11010000  int32   11100000  int64   11110000  int24
             11111110  int8    1111vvvv  v - 1, which is 0 to 12
    zipmap   | len 1 | field | value | field | value | ... | 255 |
    field    length: 1 byte, or 254 and 4 bytes; bytes
    value    length likewise; 1 byte: how many unused ones follow; bytes; the unused

`last` is where the last entry starts. A len of 65535 (of a zipmap: 254) or more is not
kept; then, and in any case, entries are counted.

Cost: O(bytes) to open, O(1) an element. Threads: any.

Source: the format of Redis's RDB files up to version 9, and 3 for zipmaps.
"""
from fastredis.core.num cimport num_format_i64
from fastredis.core.status cimport C_ERR, C_OK
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint16_t, uint32_t
from libc.string cimport memcpy

cdef enum:
    HEADER = 10
    END = 255
    WIDE = 254                  # a length of four bytes follows
    LEN_UNKNOWN = 0xFFFF
    MAP_LEN_UNKNOWN = 254

    STR_14 = 0x40
    STR_32 = 0x80
    INT_16 = 0xC0
    INT_32 = 0xD0
    INT_64 = 0xE0
    INT_24 = 0xF0
    INT_4_FIRST = 0xF1
    INT_4_LAST = 0xFD
    INT_8 = 0xFE


cdef struct entry_t:
    uint32_t before             # bytes of the entry before, as it says
    const uint8_t *s            # bytes; NULL: an integer
    size_t nbytes
    int64_t num
    const uint8_t *next


cdef inline bint _has(const uint8_t *p, const uint8_t *end, uint64_t n) noexcept nogil:
    return n <= <uint64_t>(end - p)


cdef status_t _read_int(
    const uint8_t *p, const uint8_t *end, int kind, entry_t *e
) noexcept nogil:
    """Read the integer at p of an entry of that kind."""
    cdef int16_t v16
    cdef int32_t v32
    cdef int nbytes
    if INT_4_FIRST <= kind <= INT_4_LAST:
        e.num = (kind & 15) - 1
        e.next = p
        return C_OK
    if kind == INT_8:
        nbytes = 1
    elif kind == INT_16:
        nbytes = 2
    elif kind == INT_24:
        nbytes = 3
    elif kind == INT_32:
        nbytes = 4
    elif kind == INT_64:
        nbytes = 8
    else:
        return C_ERR
    if not _has(p, end, nbytes):
        return C_ERR
    if nbytes == 1:
        e.num = <int8_t>p[0]
    elif nbytes == 2:
        memcpy(&v16, p, 2)
        e.num = v16
    elif nbytes == 3:
        v32 = p[0] | p[1] << 8 | p[2] << 16
        e.num = v32 - (1 << 24) if v32 & 1 << 23 else v32
    elif nbytes == 4:
        memcpy(&v32, p, 4)
        e.num = v32
    else:
        memcpy(&e.num, p, 8)
    e.next = p + nbytes
    return C_OK


cdef status_t _read(const uint8_t *p, const uint8_t *end, entry_t *e) noexcept nogil:
    """Read the entry at p; fails if it goes beyond end."""
    cdef uint64_t n
    cdef int kind
    if not _has(p, end, 2):
        return C_ERR
    e.before = p[0]
    p += 1
    if e.before == WIDE:
        if not _has(p, end, 5):
            return C_ERR
        memcpy(&e.before, p, 4)
        p += 4
    kind = p[0]
    p += 1
    e.s = NULL
    if kind >= INT_16:
        return _read_int(p, end, kind, e)
    if kind < STR_14:
        n = kind
    elif kind < STR_32:
        if not _has(p, end, 1):
            return C_ERR
        n = (kind & 63) << 8 | p[0]
        p += 1
    else:
        if not _has(p, end, 4):
            return C_ERR
        n = <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]
        p += 4
    if not _has(p, end, n):
        return C_ERR
    e.s = p
    e.nbytes = n
    e.next = p + n
    return C_OK


cdef status_t ziplist_open(
    ziplist_t *zl, const uint8_t *s, size_t nbytes, uint64_t *len_out
) noexcept nogil:
    """Check a ziplist and begin to walk it."""
    cdef const uint8_t *p = s + HEADER
    cdef const uint8_t *last = p
    cdef uint64_t n = 0, before = 0
    cdef uint32_t total, last_at
    cdef uint16_t len
    cdef entry_t e
    if nbytes < HEADER + 1 or s[nbytes - 1] != END:
        return C_ERR
    memcpy(&total, s, 4)
    memcpy(&last_at, s + 4, 4)
    memcpy(&len, s + 8, 2)
    zl.p = p
    zl.end = s + nbytes - 1
    while p < zl.end:
        if _read(p, zl.end, &e) != C_OK or e.before != before:
            return C_ERR
        before = e.next - p
        last = p
        p = e.next
        n += 1
    if total != nbytes or last_at != <size_t>(last - s):
        return C_ERR
    if len != LEN_UNKNOWN and len != n:
        return C_ERR
    len_out[0] = n
    return C_OK


cdef int ziplist_next(
    ziplist_t *zl, char *digits, const char **s_out, size_t *nbytes_out
) noexcept nogil:
    """Read an element of a ziplist that was opened."""
    cdef entry_t e
    if zl.p >= zl.end or _read(zl.p, zl.end, &e) != C_OK:
        return 0
    zl.p = e.next
    if e.s == NULL:
        nbytes_out[0] = num_format_i64(digits, e.num)
        s_out[0] = digits
    else:
        nbytes_out[0] = e.nbytes
        s_out[0] = <const char *>e.s
    return 1


cdef status_t _map_read(ziplist_t *zl, const uint8_t **s, size_t *n) noexcept nogil:
    """Read a field or value of a zipmap; fails if it goes beyond the end."""
    cdef const uint8_t *p = zl.p
    cdef uint32_t wide
    cdef uint64_t unused = 0
    if not _has(p, zl.end, 1) or p[0] == END:
        return C_ERR
    n[0] = p[0]
    p += 1
    if n[0] == WIDE:
        if not _has(p, zl.end, 4):
            return C_ERR
        memcpy(&wide, p, 4)
        n[0] = wide
        p += 4
    if zl.is_value:
        if not _has(p, zl.end, 1):
            return C_ERR
        unused = p[0]
        p += 1
    if not _has(p, zl.end, n[0] + unused):
        return C_ERR
    s[0] = p
    zl.p = p + n[0] + unused
    zl.is_value = not zl.is_value
    return C_OK


cdef status_t zipmap_open(
    ziplist_t *zl, const uint8_t *s, size_t nbytes, uint64_t *len_out
) noexcept nogil:
    """Check a zipmap and begin to walk it."""
    cdef const uint8_t *text
    cdef uint64_t n = 0
    cdef size_t len
    if nbytes < 2 or s[nbytes - 1] != END:
        return C_ERR
    zl.p = s + 1
    zl.end = s + nbytes - 1
    zl.is_value = False
    while zl.p < zl.end:
        if _map_read(zl, &text, &len) != C_OK:
            return C_ERR
        n += 1
    if n & 1 or (s[0] < MAP_LEN_UNKNOWN and s[0] != n // 2):
        return C_ERR
    zl.p = s + 1
    len_out[0] = n
    return C_OK


cdef int zipmap_next(
    ziplist_t *zl, const char **s_out, size_t *nbytes_out
) noexcept nogil:
    """Read an element of a zipmap that was opened."""
    cdef const uint8_t *s
    if zl.p >= zl.end or _map_read(zl, &s, nbytes_out) != C_OK:
        return 0
    s_out[0] = <const char *>s
    return 1
