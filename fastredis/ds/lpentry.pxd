# SPDX-License-Identifier: BSD-3-Clause
"""Entries of a listpack, byte for byte: what listpack.pyx is built on, inline.

Also for code that writes or reads many entries in one go, as a stream's nodes are:
lpe_put_... write an entry at a place that has room for it (LPE_INT_MAX bytes, or
LPE_MAX more than the string) and return where it ends; listpack.pyx explains the
format. Header and end mark are the caller's to keep right.
"""
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_OK
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

# The value of an entry; bytes are borrowed.
cdef struct lp_value_t:
    const char *ptr             # NULL: an integer
    size_t len
    int64_t num

cdef enum:
    LPE_END = 0xFF
    LPE_COUNT_UNKNOWN = 65535
    LPE_TEXT_INT_MAX = 20       # longer text is no integer
    LPE_INT_MAX = 10            # of an entry that is an integer
    LPE_MAX = 10                # more than a string has
    LPE_STR12 = 0xE0
    LPE_STR32 = 0xF0
    LPE_INT16 = 0xF1
    LPE_INT24 = 0xF2
    LPE_INT32 = 0xF3
    LPE_INT64 = 0xF4


cdef inline uint32_t lpe_load32(const uint8_t *p) noexcept nogil:
    return p[0] | (p[1] << 8) | (p[2] << 16) | (<uint32_t>p[3] << 24)


cdef inline void lpe_store32(uint8_t *p, uint32_t v) noexcept nogil:
    p[0] = v & 255
    p[1] = (v >> 8) & 255
    p[2] = (v >> 16) & 255
    p[3] = (v >> 24) & 255


cdef inline size_t lpe_body(const uint8_t *p) noexcept nogil:
    """Return the bytes of head and data of the entry at p."""
    cdef uint8_t b = p[0]
    if b < 0x80:
        return 1
    if b < 0xC0:
        return 1 + (b & 63)
    if b < 0xE0:
        return 2
    if b < 0xF0:
        return 2 + (((b & 15) << 8) | p[1])
    if b == LPE_STR32:
        return 5 + <size_t>lpe_load32(p + 1)
    if b == LPE_INT16:
        return 3
    if b == LPE_INT24:
        return 4
    if b == LPE_INT32:
        return 5
    return 9


cdef inline int lpe_back_size(size_t body) noexcept nogil:
    """Return the bytes that the backward length takes."""
    if body < 128:
        return 1
    if body < 16384:
        return 2
    if body < 2097152:
        return 3
    if body < 268435456:
        return 4
    return 5


cdef inline uint8_t *lpe_after(const uint8_t *p) noexcept nogil:
    """Return where the entry at p ends."""
    cdef size_t n = lpe_body(p)
    return <uint8_t *>p + n + lpe_back_size(n)


cdef inline int lpe_store_back(uint8_t *p, size_t body) noexcept nogil:
    """Write the backward length at p; return its bytes."""
    cdef int n, i
    if body < 128:
        p[0] = <uint8_t>body
        return 1
    n = lpe_back_size(body)
    for i in range(n):
        p[n - 1 - i] = (body & 127) | (128 if i < n - 1 else 0)
        body >>= 7
    return n


cdef inline size_t lpe_load_back(const uint8_t *last) noexcept nogil:
    """Return the backward length whose last byte is at last."""
    cdef size_t v = 0
    cdef int shift = 0
    while True:
        v |= <size_t>(last[0] & 127) << shift
        if not last[0] & 128 or shift >= 28:
            return v
        shift += 7
        last -= 1


cdef inline uint8_t *lpe_before(const uint8_t *p) noexcept nogil:
    """Return where the entry begins that ends at p; there must be one."""
    cdef size_t body = lpe_load_back(p - 1)
    return <uint8_t *>p - body - lpe_back_size(body)


# --- Read -------------------------------------------------------------------------


cdef inline int64_t lpe_int(const uint8_t *p) noexcept nogil:
    """Return the value of an entry that is an integer; 0 for a string."""
    cdef uint8_t b = p[0]
    cdef int64_t v
    if b < 0x80:
        return b
    if 0xC0 <= b < 0xE0:
        v = ((b & 31) << 8) | p[1]
        return v - 8192 if v >= 4096 else v
    if b == LPE_INT16:
        v = p[1] | (p[2] << 8)
        return v - 65536 if v >= 32768 else v
    if b == LPE_INT24:
        v = p[1] | (p[2] << 8) | (p[3] << 16)
        return v - 16777216 if v >= 8388608 else v
    if b == LPE_INT32:
        return <int32_t>lpe_load32(p + 1)
    if b == LPE_INT64:
        return <int64_t>(lpe_load32(p + 1) | (<uint64_t>lpe_load32(p + 5) << 32))
    return 0


cdef inline bint lpe_is_int(const uint8_t *p) noexcept nogil:
    """Return whether the entry is an integer."""
    return p[0] < 0x80 or 0xC0 <= p[0] < 0xE0 or p[0] > LPE_STR32


cdef inline void lpe_get(const uint8_t *p, lp_value_t *v) noexcept nogil:
    """Read the value of an entry."""
    cdef uint8_t b = p[0]
    v.ptr = NULL
    v.len = 0
    v.num = 0
    if 0x80 <= b < 0xC0:
        v.ptr = <const char *>p + 1
        v.len = b & 63
    elif 0xE0 <= b < 0xF0:
        v.ptr = <const char *>p + 2
        v.len = ((b & 15) << 8) | p[1]
    elif b == LPE_STR32:
        v.ptr = <const char *>p + 5
        v.len = lpe_load32(p + 1)
    else:
        v.num = lpe_int(p)


# --- Write ------------------------------------------------------------------------


cdef inline int lpe_put_int_head(uint8_t *p, int64_t v) noexcept nogil:
    """Write an integer's head and bytes at p; return how many."""
    cdef uint64_t u = <uint64_t>v
    cdef int n, i
    if 0 <= v <= 127:
        p[0] = <uint8_t>v
        return 1
    if -4096 <= v <= 4095:
        p[0] = 0xC0 | ((u >> 8) & 31)
        p[1] = u & 255
        return 2
    if -32768 <= v <= 32767:
        p[0] = LPE_INT16
        n = 2
    elif -8388608 <= v <= 8388607:
        p[0] = LPE_INT24
        n = 3
    elif -2147483648 <= v <= 2147483647:
        p[0] = LPE_INT32
        n = 4
    else:
        p[0] = LPE_INT64
        n = 8
    for i in range(n):
        p[1 + i] = (u >> (8 * i)) & 255
    return 1 + n


cdef inline uint8_t *lpe_put_int(uint8_t *p, int64_t v) noexcept nogil:
    """Write an entry that is an integer; return where it ends."""
    cdef int n
    if 0 <= v <= 127:
        p[0] = <uint8_t>v
        p[1] = 1
        return p + 2
    n = lpe_put_int_head(p, v)
    p[n] = <uint8_t>n
    return p + n + 1


cdef inline bint lpe_text_int(
    const char *s, size_t nbytes, int64_t *v_out
) noexcept nogil:
    """Return whether this text is that of an integer, which is stored as such."""
    # most text is not: its first byte says so
    if nbytes == 0 or nbytes > LPE_TEXT_INT_MAX or not (
            48 <= s[0] <= 57 or s[0] == 45):
        return False
    return num_parse_i64(s, nbytes, v_out) == C_OK


cdef inline int lpe_put_str_head(uint8_t *p, size_t nbytes) noexcept nogil:
    """Write the head of a string at p; return its bytes."""
    if nbytes < 64:
        p[0] = 0x80 | <uint8_t>nbytes
        return 1
    if nbytes < 4096:
        p[0] = LPE_STR12 | (nbytes >> 8)
        p[1] = nbytes & 255
        return 2
    p[0] = LPE_STR32
    lpe_store32(p + 1, <uint32_t>nbytes)
    return 5


cdef inline uint8_t *lpe_put(uint8_t *p, const char *s, size_t nbytes) noexcept nogil:
    """Write an entry; return where it ends."""
    cdef int64_t v
    cdef int head
    if lpe_text_int(s, nbytes, &v):
        return lpe_put_int(p, v)
    head = lpe_put_str_head(p, nbytes)
    memcpy(p + head, s, nbytes)
    p += head + nbytes
    return p + lpe_store_back(p, head + nbytes)


cdef inline void lpe_close(
    uint8_t *lp, uint8_t *end, unsigned int added
) noexcept nogil:
    """Finish a listpack to which entries were added: end mark and header."""
    cdef uint32_t n = lp[4] | (lp[5] << 8)
    end[0] = LPE_END
    lpe_store32(lp, <uint32_t>(end + 1 - lp))
    if n != LPE_COUNT_UNKNOWN:
        n += added
        if n > LPE_COUNT_UNKNOWN:
            n = LPE_COUNT_UNKNOWN
        lp[4] = n & 255
        lp[5] = n >> 8
