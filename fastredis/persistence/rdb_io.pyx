# SPDX-License-Identifier: BSD-3-Clause
r"""Lengths, strings and numbers in the encoding of RDB files.

    length   00nnnnnn                       below 64
             01nnnnnn n                     below 16384, high bits first
             10000000 nnnn                  below 2**32, big-endian
             10000001 nnnnnnnn              64 bits, big-endian
             11tttttt                       no length: a string of another kind follows

    string   length, bytes
             11000000 v                     the text of an integer of 8 bits,
             11000001 vv                    16,
             11000010 vvvv                  32, little-endian
             11000011 length length bytes   LZF: of the bytes here, and unpacked

    number   int64 and double: 8 bytes, little-endian

A short string that is the text of a 32-bit integer is written as one. Others over 20
bytes are compressed where that saves at least four.

Cost: O(bytes). Threads: any, for buffers of their own.

Source: the format of Redis's RDB files, as versions 1 to 12 have it.
"""
from fastredis.core.lzf cimport lzf_compress, lzf_decompress
from fastredis.core.mem cimport zfree, ztrymalloc, ztryrealloc
from fastredis.core.num cimport num_format_i64, num_parse_double, num_parse_i64
from fastredis.core.status cimport C_ERR, C_OK, fr_likely, fr_unlikely
from libc.math cimport INFINITY, NAN
from libc.stdint cimport (
    INT8_MAX,
    INT8_MIN,
    INT16_MAX,
    INT16_MIN,
    INT32_MAX,
    INT32_MIN,
    UINT32_MAX,
    int8_t,
    int16_t,
    int32_t,
    uint32_t,
)
from libc.string cimport memcpy, memmove

cdef enum:
    LEN_6 = 0x00
    LEN_14 = 0x40
    LEN_32 = 0x80
    LEN_64 = 0x81
    KIND_INT8 = 0xC0
    KIND_INT16 = 0xC1
    KIND_INT32 = 0xC2
    KIND_LZF = 0xC3

    INT_TEXT_MAX = 11           # "-2147483648"
    COMPRESS_MIN = 21           # shorter strings are left alone
    COMPRESS_SAVES = 4          # bytes, at the least
    # The most that one byte of LZF stands for: three bytes repeat up to 264.
    LZF_RATIO = 264 // 3

    OUT_FIRST = 256
    IN_PLACE_MAX = 64 * 1024    # longer strings are compressed in memory of their own
    LZF_HEAD_MAX = 1 + 5 + 5    # kind and lengths of a shorter one

    DOUBLE_NAN = 253            # instead of the length of a text
    DOUBLE_INF = 254
    DOUBLE_NEG_INF = 255

cdef extern from *:
    uint32_t bswap32 "__builtin_bswap32"(uint32_t v) noexcept nogil
    uint64_t bswap64 "__builtin_bswap64"(uint64_t v) noexcept nogil


# --- Write ------------------------------------------------------------------------


cdef void rdb_out_init(
    rdb_out_t *out, bint is_compressing, int version
) noexcept nogil:
    out.buf = NULL
    out.len = out.cap = 0
    out.is_compressing = is_compressing
    out.version = version
    out.has_failed = False
    out.drain = NULL
    out.key = NULL


cdef void rdb_out_free(rdb_out_t *out) noexcept nogil:
    zfree(out.buf)
    out.buf = NULL


cdef char *_room(rdb_out_t *out, size_t nbytes) noexcept nogil:
    """Return where nbytes may be written; NULL: memory is, or was, short."""
    cdef size_t cap
    cdef char *buf
    if fr_unlikely(nbytes > out.cap - out.len):
        if out.drain != NULL and nbytes <= out.cap:
            rdb_out_flush(out)
            return out.buf
        if out.has_failed or nbytes > <size_t>-1 / 4 - out.len:
            out.has_failed = True
            return NULL
        cap = out.cap * 2 if out.cap else OUT_FIRST
        if cap < out.len + nbytes:
            cap = out.len + nbytes
        buf = <char *>ztryrealloc(out.buf, cap)
        if buf == NULL:
            out.has_failed = True
            return NULL
        out.buf = buf
        out.cap = cap
    return out.buf + out.len


cdef void rdb_out_flush(rdb_out_t *out) noexcept nogil:
    """Hand over what is in the buffer, which is empty then."""
    cdef size_t n = out.len
    out.len = 0
    if n:
        out.drain(out, out.buf, n)


cdef void rdb_put_bytes(rdb_out_t *out, const void *s, size_t nbytes) noexcept nogil:
    cdef char *p
    if fr_unlikely(out.drain != NULL and nbytes > out.cap):
        rdb_out_flush(out)
        out.drain(out, s, nbytes)
        return
    p = _room(out, nbytes)
    if p != NULL:
        memcpy(p, s, nbytes)
        out.len += nbytes


cdef void rdb_put_byte(rdb_out_t *out, int b) noexcept nogil:
    cdef char *p = _room(out, 1)
    if p != NULL:
        p[0] = <char>b
        out.len += 1


cdef void rdb_put_type(rdb_out_t *out, int type) noexcept nogil:
    """Write the type that a value begins with."""
    rdb_put_byte(out, type)
    if out.key != NULL:
        rdb_put_string(out, out.key, out.key_len)


cdef void rdb_put_len(rdb_out_t *out, uint64_t n) noexcept nogil:
    """Write a length."""
    cdef uint32_t n32
    if n < 1 << 6:
        rdb_put_byte(out, LEN_6 | <int>n)
    elif n < 1 << 14:
        rdb_put_byte(out, LEN_14 | <int>(n >> 8))
        rdb_put_byte(out, <int>(n & 255))
    elif n <= UINT32_MAX:
        rdb_put_byte(out, LEN_32)
        n32 = bswap32(<uint32_t>n)
        rdb_put_bytes(out, &n32, 4)
    else:
        rdb_put_byte(out, LEN_64)
        n = bswap64(n)
        rdb_put_bytes(out, &n, 8)


cdef void rdb_put_i64(rdb_out_t *out, int64_t v) noexcept nogil:
    rdb_put_bytes(out, &v, 8)


cdef void rdb_put_double(rdb_out_t *out, double v) noexcept nogil:
    rdb_put_bytes(out, &v, 8)


cdef bint _put_int(rdb_out_t *out, int64_t v) noexcept nogil:
    """Write the string of a 32-bit integer; False: it has more bits."""
    if INT8_MIN <= v <= INT8_MAX:
        rdb_put_byte(out, KIND_INT8)
        rdb_put_bytes(out, &v, 1)
    elif INT16_MIN <= v <= INT16_MAX:
        rdb_put_byte(out, KIND_INT16)
        rdb_put_bytes(out, &v, 2)
    elif INT32_MIN <= v <= INT32_MAX:
        rdb_put_byte(out, KIND_INT32)
        rdb_put_bytes(out, &v, 4)
    else:
        return False
    return True


cdef void rdb_put_int_string(rdb_out_t *out, int64_t v) noexcept nogil:
    """Write the string of an integer."""
    cdef char[RDB_DIGITS] digits
    cdef int n
    if not _put_int(out, v):
        n = num_format_i64(digits, v)
        rdb_put_len(out, n)
        rdb_put_bytes(out, digits, n)


cdef void rdb_put_lzf(
    rdb_out_t *out, const void *lzf, size_t lzf_nbytes, size_t nbytes
) noexcept nogil:
    """Write a compressed string."""
    rdb_put_byte(out, KIND_LZF)
    rdb_put_len(out, lzf_nbytes)
    rdb_put_len(out, nbytes)
    rdb_put_bytes(out, lzf, lzf_nbytes)


cdef bint _put_compressed(
    rdb_out_t *out, const char *s, size_t nbytes
) noexcept nogil:
    """Compress and write a string; False: it is no shorter, or memory is short."""
    cdef size_t cap = nbytes - COMPRESS_SAVES
    cdef size_t n
    cdef char *lzf
    if nbytes <= IN_PLACE_MAX:
        # into the buffer, then to where it belongs: behind lengths of its own
        lzf = _room(out, LZF_HEAD_MAX + nbytes)
        if lzf == NULL:
            return False
        lzf += LZF_HEAD_MAX
        n = lzf_compress(s, nbytes, lzf, cap)
        if n:
            rdb_put_byte(out, KIND_LZF)
            rdb_put_len(out, n)
            rdb_put_len(out, nbytes)
            memmove(out.buf + out.len, lzf, n)
            out.len += n
        return n != 0
    lzf = <char *>ztrymalloc(cap)
    if lzf == NULL:
        return False
    n = lzf_compress(s, nbytes, lzf, cap)
    if n:
        rdb_put_lzf(out, lzf, n, nbytes)
    zfree(lzf)
    return n != 0


cdef void rdb_put_string(rdb_out_t *out, const char *s, size_t nbytes) noexcept nogil:
    """Write a string in the shortest way."""
    cdef int64_t v
    if nbytes <= INT_TEXT_MAX:
        if num_parse_i64(s, nbytes, &v) == C_OK and _put_int(out, v):
            return
    elif out.is_compressing and nbytes >= COMPRESS_MIN:
        if _put_compressed(out, s, nbytes):
            return
    rdb_put_len(out, nbytes)
    rdb_put_bytes(out, s, nbytes)


# --- Read -------------------------------------------------------------------------


cdef inline const uint8_t *_take(rdb_in_t *src, uint64_t nbytes) noexcept nogil:
    """Return the next nbytes, borrowed; NULL: there are fewer."""
    cdef const uint8_t *p = src.p
    if fr_unlikely(nbytes > <uint64_t>(src.end - p)):
        src.is_short = True
        return NULL
    src.p += nbytes
    return p


cdef status_t rdb_get_byte(rdb_in_t *src, int *b_out) noexcept nogil:
    cdef const uint8_t *p = _take(src, 1)
    if p == NULL:
        return C_ERR
    b_out[0] = p[0]
    return C_OK


cdef status_t rdb_get_i64(rdb_in_t *src, int64_t *v_out) noexcept nogil:
    cdef const uint8_t *p = _take(src, 8)
    if p == NULL:
        return C_ERR
    memcpy(v_out, p, 8)
    return C_OK


cdef status_t rdb_get_double(rdb_in_t *src, double *v_out) noexcept nogil:
    cdef const uint8_t *p = _take(src, 8)
    if p == NULL:
        return C_ERR
    memcpy(v_out, p, 8)
    return C_OK


cdef status_t rdb_get_text_double(rdb_in_t *src, double *v_out) noexcept nogil:
    cdef rdb_in_t at = src[0]
    cdef const uint8_t *p
    cdef int n
    if rdb_get_byte(&at, &n) != C_OK:
        src.is_short = True
        return C_ERR
    if n == DOUBLE_NEG_INF:
        v_out[0] = -INFINITY
    elif n == DOUBLE_INF:
        v_out[0] = INFINITY
    elif n == DOUBLE_NAN:
        v_out[0] = NAN
    else:
        p = _take(&at, n)
        if p == NULL or num_parse_double(<const char *>p, n, v_out) != C_OK:
            src.is_short = at.is_short
            return C_ERR
    src[0] = at
    return C_OK


cdef status_t _get_len(rdb_in_t *src, uint64_t *n_out, int *kind_out) noexcept nogil:
    """Read a length; *kind_out is 0, or the kind of string that there is instead."""
    cdef const uint8_t *p
    cdef uint32_t n32
    cdef int b
    kind_out[0] = 0
    if rdb_get_byte(src, &b) != C_OK:
        return C_ERR
    if b < LEN_14:
        n_out[0] = b
        return C_OK
    if b < LEN_32:
        p = _take(src, 1)
        if p == NULL:
            return C_ERR
        n_out[0] = (b & 63) << 8 | p[0]
        return C_OK
    if b == LEN_32:
        p = _take(src, 4)
        if p == NULL:
            return C_ERR
        memcpy(&n32, p, 4)
        n_out[0] = bswap32(n32)
        return C_OK
    if b == LEN_64:
        p = _take(src, 8)
        if p == NULL:
            return C_ERR
        memcpy(n_out, p, 8)
        n_out[0] = bswap64(n_out[0])
        return C_OK
    kind_out[0] = b
    return C_OK


cdef status_t rdb_get_len(rdb_in_t *src, uint64_t *n_out) noexcept nogil:
    """Read a length."""
    cdef rdb_in_t at = src[0]
    cdef uint64_t n
    cdef int kind
    if _get_len(&at, &n, &kind) != C_OK or kind:
        src.is_short = at.is_short
        return C_ERR
    n_out[0] = n
    src[0] = at
    return C_OK


cdef status_t _get_int_text(rdb_in_t *src, int kind, rdb_text_t *t) noexcept nogil:
    """Read an integer as its text."""
    cdef const uint8_t *p
    cdef int16_t v16
    cdef int32_t v32
    cdef int64_t v
    if kind == KIND_INT8:
        p = _take(src, 1)
        if p == NULL:
            return C_ERR
        v = <int8_t>p[0]
    elif kind == KIND_INT16:
        p = _take(src, 2)
        if p == NULL:
            return C_ERR
        memcpy(&v16, p, 2)
        v = v16
    elif kind == KIND_INT32:
        p = _take(src, 4)
        if p == NULL:
            return C_ERR
        memcpy(&v32, p, 4)
        v = v32
    else:
        return C_ERR
    t.len = num_format_i64(t.digits, v)
    t.ptr = t.digits
    return C_OK


cdef status_t _get_lzf(rdb_in_t *src, rdb_text_t *t) noexcept nogil:
    """Read a compressed string into memory of its own."""
    cdef uint64_t lzf_nbytes, nbytes
    cdef const uint8_t *p
    if rdb_get_len(src, &lzf_nbytes) != C_OK or rdb_get_len(src, &nbytes) != C_OK:
        return C_ERR
    p = _take(src, lzf_nbytes)
    # a few bytes cannot claim memory that they do not fill
    if p == NULL or nbytes == 0 or nbytes / LZF_RATIO > lzf_nbytes:
        return C_ERR
    t.owned = <char *>ztrymalloc(nbytes)
    if t.owned == NULL:
        return C_ERR
    if lzf_decompress(p, lzf_nbytes, t.owned, nbytes) != nbytes:
        zfree(t.owned)
        return C_ERR
    t.ptr = t.owned
    t.len = nbytes
    return C_OK


cdef status_t rdb_get_text(rdb_in_t *src, rdb_text_t *t_out) noexcept nogil:
    """Read a string."""
    cdef rdb_in_t at = src[0]
    cdef const uint8_t *p
    cdef uint64_t n
    cdef int kind
    cdef status_t status = _get_len(&at, &n, &kind)
    if fr_likely(status == C_OK):
        t_out.owned = NULL
        if fr_likely(kind == 0):
            p = _take(&at, n)
            t_out.ptr = <const char *>p
            t_out.len = n
            status = C_OK if p != NULL else C_ERR
        elif kind == KIND_LZF:
            status = _get_lzf(&at, t_out)
        else:
            status = _get_int_text(&at, kind, t_out)
    if fr_unlikely(status != C_OK):
        src.is_short = at.is_short
        return C_ERR
    src[0] = at
    return C_OK


cdef void rdb_text_free(rdb_text_t *t) noexcept nogil:
    zfree(t.owned)
    t.owned = NULL
