# SPDX-License-Identifier: BSD-3-Clause
r"""Replies: a chain of blocks, sent from the front and appended to at the end.

    first                                          last
      v                                              v
    +-----------+     +-----------+     +----------------------------+
    | own bytes | --> | blob, 1MB | --> | own bytes ......|          |
    +-----------+     +-----------+     +----------------------------+
       ^ start           referenced                     ^ pos        ^ end

Blocks of OUT_BLOCK_BYTES come from a pool, last in, first out: a client holds one only
while something is pending, so that a server with ten thousand idle connections has no
ten thousand buffers, and the block in use is the one that is in the cache. Strings from
OUT_REFERENCE_MIN on are referred to.

The last block's nbytes is counted lazily (pos - start); out_seal writes it down.

An aggregate whose length is known only at its end (out_defer) starts a block with some
room before its data, into which out_resolve writes the head.

Threads: the thread that executes commands.
"""
from fastredis.core.blob cimport blob_release, blob_retain
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.core.num cimport num_format_double

cdef enum:
    # from here on a writev of one more piece is cheaper than the copy
    OUT_REFERENCE_MIN = 16384
    POOL_MAX_FREE = 64
    DOUBLE_MAX = 64

cdef extern from *:
    """
    #include <stddef.h>
    #define OUT_HEADER \
        offsetof(struct __pyx_t_9fastredis_4resp_6writer_out_block_t, data)
    """
    const size_t OUT_HEADER


# --- Blocks -----------------------------------------------------------------------


cdef out_block_t *_block_new(out_pool_t *pool, size_t nbytes) noexcept nogil:
    """Return an empty block with room for at least nbytes."""
    cdef out_block_t *b
    cdef size_t total = OUT_HEADER + nbytes
    pool.nblocks += 1
    if total <= OUT_BLOCK_BYTES:
        if pool.free != NULL:
            b = pool.free
            pool.free = b.next
            pool.nfree -= 1
        else:
            b = <out_block_t *>zmalloc(OUT_BLOCK_BYTES)
        b.cap = OUT_BLOCK_BYTES - OUT_HEADER
    else:
        b = <out_block_t *>zmalloc(total)
        b.cap = zsize(b) - OUT_HEADER
    b.next = NULL
    b.blob = NULL
    b.start = b.data
    b.nbytes = 0
    return b


cdef void _block_free(out_pool_t *pool, out_block_t *b) noexcept nogil:
    pool.nblocks -= 1
    if b.blob != NULL:
        blob_release(b.blob)
        zfree(b)
    elif b.cap == OUT_BLOCK_BYTES - OUT_HEADER and pool.nfree < POOL_MAX_FREE:
        b.next = pool.free
        pool.free = b
        pool.nfree += 1
    else:
        zfree(b)


cdef void out_pool_free(out_pool_t *pool) noexcept nogil:
    """Free the blocks kept for reuse."""
    cdef out_block_t *b
    while pool.free != NULL:
        b = pool.free
        pool.free = b.next
        zfree(b)
    pool.nfree = 0


cdef void out_seal(out_t *o) noexcept nogil:
    """Write down the last block's count."""
    if o.last != NULL and o.last.blob == NULL:
        o.last.nbytes = o.pos - o.last.start


cdef void _append_block(out_t *o, out_block_t *b) noexcept nogil:
    """Make b, whose bytes follow those pending, the last block."""
    if o.last == NULL:
        o.first = b
    else:
        out_seal(o)
        o.nsealed += o.last.nbytes
        o.last.next = b
    o.last = b
    if b.blob != NULL:
        o.pos = NULL
        o.end = NULL
    else:
        o.pos = b.data
        o.end = b.data + b.cap


cdef void out_grow(out_t *o, size_t nbytes) noexcept nogil:
    """Have room for nbytes in one piece."""
    _append_block(o, _block_new(o.pool, nbytes))


cdef void out_append_long(out_t *o, const char *s, size_t nbytes) noexcept nogil:
    """Append bytes that fill the last block, or more."""
    cdef size_t room = o.end - o.pos
    if room:
        memcpy(o.pos, s, room)
        o.pos += room
        s += room
        nbytes -= room
    if nbytes == 0:
        return
    out_grow(o, nbytes)
    memcpy(o.pos, s, nbytes)
    o.pos += nbytes


cdef void out_append_blob(out_t *o, blob_t *blob) noexcept nogil:
    """Append a blob's bytes, by reference if they are many."""
    out_append_part(o, blob, 0, blob.len)


cdef void out_append_part(
    out_t *o, blob_t *blob, size_t start, size_t nbytes
) noexcept nogil:
    """Append part of a blob, by reference if it is large."""
    cdef out_block_t *b
    if nbytes < OUT_REFERENCE_MIN:
        out_bytes(o, blob.data + start, nbytes)
        return
    b = <out_block_t *>zmalloc(OUT_HEADER)
    o.pool.nblocks += 1
    b.next = NULL
    b.blob = blob_retain(blob)
    b.start = blob.data + start
    b.nbytes = nbytes
    b.cap = 0
    _append_block(o, b)


# --- Deferred lengths -------------------------------------------------------------


cdef out_block_t *out_defer(out_t *o) noexcept nogil:
    """Leave room for an aggregate's head; return where, for out_resolve."""
    cdef out_block_t *b
    out_grow(o, OUT_HEAD_ROOM + OUT_NUMBER_MAX)
    b = o.last
    o.pos += OUT_HEAD_ROOM
    b.start = o.pos
    return b


cdef void out_resolve(
    out_t *o, out_block_t *mark, char kind, int64_t n
) noexcept nogil:
    """Write the head; kind is its RESP3 type byte (RESP2 gets an array)."""
    cdef char[OUT_NUMBER_MAX] head
    cdef int len
    if o.resp == 2 and kind != b"*":
        if kind == b"%":
            n *= 2
        kind = b"*"
    head[0] = kind
    len = 1 + num_format_i64(head + 1, n)
    head[len] = 13
    head[len + 1] = 10
    len += 2
    mark.start -= len
    memcpy(<char *>mark.start, head, len)
    if mark != o.last:
        mark.nbytes += len
        o.nsealed += len


# --- Pending bytes ----------------------------------------------------------------


cdef size_t out_pending(const out_t *o) noexcept nogil:
    """Return the bytes that wait to be sent."""
    if o.last == NULL:
        return 0
    if o.last.blob != NULL:
        return o.nsealed + o.last.nbytes
    return o.nsealed + (o.pos - o.last.start)


cdef size_t out_nbytes(const out_t *o) noexcept nogil:
    """Return the memory of the pending reply."""
    cdef size_t n = 0
    cdef const out_block_t *b = o.first
    while b != NULL:
        n += OUT_HEADER + (b.nbytes if b.blob != NULL else b.cap)
        b = b.next
    return n


cdef void out_consume(out_t *o, size_t nbytes) noexcept nogil:
    """Drop the first nbytes; blocks that empty go back to the pool."""
    cdef out_block_t *b
    out_seal(o)
    while o.first != NULL:
        b = o.first
        if nbytes < b.nbytes:
            b.start += nbytes
            b.nbytes -= nbytes
            if b != o.last:
                o.nsealed -= nbytes
            return
        nbytes -= b.nbytes
        o.first = b.next
        if b == o.last:
            o.last = NULL
            o.pos = NULL
            o.end = NULL
        else:
            o.nsealed -= b.nbytes
        _block_free(o.pool, b)


cdef void out_clear(out_t *o) noexcept nogil:
    """Drop everything that is pending."""
    out_consume(o, out_pending(o))
    while o.first != NULL:      # an empty block that was opened for a deferred head
        out_consume(o, 0)


cdef out_t out_apart(const out_t *o) noexcept nogil:
    """Return an empty reply beside o."""
    cdef out_t apart
    apart.pos = apart.end = NULL
    apart.first = apart.last = NULL
    apart.pool = <out_pool_t *>o.pool
    apart.nsealed = 0
    apart.resp = o.resp
    return apart


cdef void out_join(out_t *o, out_t *apart) noexcept nogil:
    """Put the blocks of apart behind those of o."""
    if apart.first == NULL:
        return
    if o.last == NULL:
        o.first = apart.first
    else:
        out_seal(o)
        o.nsealed += o.last.nbytes
        o.last.next = apart.first
    o.nsealed += apart.nsealed
    o.last = apart.last
    o.pos = apart.pos
    o.end = apart.end
    apart.first = apart.last = NULL
    apart.pos = apart.end = NULL
    apart.nsealed = 0


# --- Values that are rare ---------------------------------------------------------


cdef void resp_double(out_t *o, double value) noexcept nogil:
    """Append a double; a bulk string in RESP2."""
    cdef char[DOUBLE_MAX] text
    cdef int n = num_format_double(text, DOUBLE_MAX, value)
    if o.resp == 2:
        resp_bulk(o, text, n)
    else:
        out_bytes(o, b",", 1)
        out_bytes(o, text, n)
        out_bytes(o, b"\r\n", 2)


cdef void resp_error(out_t *o, const char *text, size_t nbytes) noexcept nogil:
    """Append an error; CR and LF within the text become spaces."""
    cdef size_t i
    cdef char *p
    out_bytes(o, b"-", 1)
    out_need(o, nbytes + 2)
    p = o.pos
    for i in range(nbytes):
        p[i] = 32 if text[i] == 10 or text[i] == 13 else text[i]
    p[nbytes] = 13
    p[nbytes + 1] = 10
    o.pos = p + nbytes + 2


cdef void resp_verbatim(
    out_t *o, const char *format, const char *s, size_t nbytes
) noexcept nogil:
    """Append a verbatim string; format is three bytes; a bulk string in RESP2."""
    if o.resp == 2:
        resp_bulk(o, s, nbytes)
        return
    _resp_number(o, b"=", <int64_t>nbytes + 4)
    out_bytes(o, format, 3)
    out_bytes(o, b":", 1)
    out_bytes(o, s, nbytes)
    out_bytes(o, b"\r\n", 2)
