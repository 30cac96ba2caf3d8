# SPDX-License-Identifier: BSD-3-Clause
"""Replies: a chain of blocks, and inline encoders that append to it. See writer.pyx.

RESP2 and RESP3 differ here and nowhere else. Every encoder appends one complete value,
or the head of an aggregate whose elements follow.
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.num cimport num_format_i64
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

cdef enum:
    OUT_BLOCK_BYTES = 16384         # a block as it comes from the pool, header included
    OUT_HEAD_ROOM = 32              # before the data of a block opened by out_defer
    OUT_NUMBER_MAX = 32             # type byte, a number, CR LF

# One piece of the pending reply: bytes of its own, or a reference to a blob's.
cdef struct out_block_t:
    out_block_t *next
    blob_t *blob                    # NULL: the bytes are in data
    const char *start               # the next byte to send
    size_t nbytes                   # bytes still to send (the last block: see out_t)
    size_t cap                      # bytes that data has room for
    char data[1]

# Blocks kept for reuse by all replies of a server.
cdef struct out_pool_t:
    out_block_t *free
    int nfree
    size_t nblocks                  # blocks in use, for INFO and leak checks

cdef struct out_t:
    char *pos                       # where the next byte goes, in the last block
    char *end                       # end of the last block's room
    out_block_t *first
    out_block_t *last
    out_pool_t *pool
    size_t nsealed                  # bytes pending in all blocks but the last
    int resp                        # 2 or 3

# Makes room for n more bytes in one piece, opening a block if need be.
cdef void out_grow(out_t *o, size_t nbytes) noexcept nogil
cdef void out_append_long(out_t *o, const char *s, size_t nbytes) noexcept nogil
# append the blob's bytes without copying them; retains the blob
cdef void out_append_blob(out_t *o, blob_t *blob) noexcept nogil
# part of a blob: nbytes from start on
cdef void out_append_part(
    out_t *o, blob_t *blob, size_t start, size_t nbytes
) noexcept nogil
# an aggregate's head whose length is not known yet, then the head itself
cdef out_block_t *out_defer(out_t *o) noexcept nogil
cdef void out_resolve(out_t *o, out_block_t *mark, char kind, int64_t n) noexcept nogil
# bytes pending
cdef size_t out_pending(const out_t *o) noexcept nogil
# bytes of memory that the pending reply takes
cdef size_t out_nbytes(const out_t *o) noexcept nogil
# forget the first n pending bytes: they have been sent
cdef void out_consume(out_t *o, size_t nbytes) noexcept nogil
cdef void out_clear(out_t *o) noexcept nogil
# close the last block's count so that the chain can be read; appending may go on
cdef void out_seal(out_t *o) noexcept nogil
# an empty reply of the same pool and protocol version; what is appended to it can be
# dropped by out_clear, or put behind o by out_join, which leaves it empty
cdef out_t out_apart(const out_t *o) noexcept nogil
cdef void out_join(out_t *o, out_t *apart) noexcept nogil
cdef void resp_double(out_t *o, double value) noexcept nogil
# text: as formatted by the caller (long doubles, big numbers)
cdef void resp_error(out_t *o, const char *text, size_t nbytes) noexcept nogil
cdef void resp_verbatim(
    out_t *o, const char *format, const char *s, size_t nbytes
) noexcept nogil
cdef void out_pool_free(out_pool_t *pool) noexcept nogil

# --- Append -------------------------------------------------------------------------

cdef inline void out_need(out_t *o, size_t nbytes) noexcept nogil:
    """Have room for nbytes at o.pos; nbytes is small."""
    if <size_t>(o.end - o.pos) < nbytes:
        out_grow(o, nbytes)

cdef inline void out_bytes(out_t *o, const char *s, size_t nbytes) noexcept nogil:
    """Append raw bytes."""
    if <size_t>(o.end - o.pos) <= nbytes:
        out_append_long(o, s, nbytes)
    else:
        memcpy(o.pos, s, nbytes)
        o.pos += nbytes

cdef inline void _resp_number(out_t *o, char kind, int64_t n) noexcept nogil:
    """Append a type byte, a decimal number and CR LF."""
    cdef char *p
    out_need(o, OUT_NUMBER_MAX)
    p = o.pos
    p[0] = kind
    if 0 <= n < 10:
        p[1] = <char>(48 + n)
        p += 2
    else:
        p += 1 + num_format_i64(p + 1, n)
    p[0] = 13
    p[1] = 10
    o.pos = p + 2

cdef inline void resp_int(out_t *o, int64_t n) noexcept nogil:
    """Append an integer."""
    _resp_number(o, b":", n)

cdef inline void resp_bulk(out_t *o, const char *s, size_t nbytes) noexcept nogil:
    """Append a bulk string."""
    _resp_number(o, b"$", <int64_t>nbytes)
    out_bytes(o, s, nbytes)
    out_bytes(o, b"\r\n", 2)

cdef inline void resp_bulk_int(out_t *o, int64_t n) noexcept nogil:
    """Append an integer as a bulk string."""
    cdef char[24] digits
    cdef int nbytes = num_format_i64(digits, n)
    resp_bulk(o, digits, nbytes)

cdef inline void resp_bulk_blob(out_t *o, blob_t *blob) noexcept nogil:
    """Append a bulk string; a long one is referred to, not copied."""
    _resp_number(o, b"$", <int64_t>blob.len)
    out_append_blob(o, blob)
    out_bytes(o, b"\r\n", 2)

cdef inline void resp_ok(out_t *o) noexcept nogil:
    """Append +OK."""
    out_bytes(o, b"+OK\r\n", 5)

cdef inline void resp_simple(out_t *o, const char *s, size_t nbytes) noexcept nogil:
    """Append a simple string; s has neither CR nor LF."""
    out_bytes(o, b"+", 1)
    out_bytes(o, s, nbytes)
    out_bytes(o, b"\r\n", 2)

cdef inline void resp_null(out_t *o) noexcept nogil:
    """Append a null."""
    if o.resp == 2:
        out_bytes(o, b"$-1\r\n", 5)
    else:
        out_bytes(o, b"_\r\n", 3)

cdef inline void resp_null_array(out_t *o) noexcept nogil:
    """Append a null where an array is expected."""
    if o.resp == 2:
        out_bytes(o, b"*-1\r\n", 5)
    else:
        out_bytes(o, b"_\r\n", 3)

cdef inline void resp_bool(out_t *o, bint value) noexcept nogil:
    """Append a boolean; 0 or 1 in RESP2."""
    if o.resp == 2:
        out_bytes(o, b":1\r\n" if value else b":0\r\n", 4)
    else:
        out_bytes(o, b"#t\r\n" if value else b"#f\r\n", 4)

cdef inline void resp_array(out_t *o, int64_t n) noexcept nogil:
    """Append the head of an array of n elements."""
    _resp_number(o, b"*", n)

cdef inline void resp_map(out_t *o, int64_t n) noexcept nogil:
    """Append the head of a map of n pairs; an array of 2 n in RESP2."""
    if o.resp == 2:
        _resp_number(o, b"*", 2 * n)
    else:
        _resp_number(o, b"%", n)

cdef inline void resp_set(out_t *o, int64_t n) noexcept nogil:
    """Append the head of a set of n elements; an array in RESP2."""
    _resp_number(o, b"*" if o.resp == 2 else b"~", n)

cdef inline void resp_push(out_t *o, int64_t n) noexcept nogil:
    """Append the head of a push of n elements; an array in RESP2."""
    _resp_number(o, b"*" if o.resp == 2 else b">", n)
