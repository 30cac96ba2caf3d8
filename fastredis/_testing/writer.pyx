# SPDX-License-Identifier: BSD-3-Clause
"""Python views of resp.writer: replies that share a pool."""
from cython cimport final
from libc.stdint cimport int64_t
from libc.string cimport memset

from fastredis.core.blob cimport blob_copy, blob_release, blob_t
from fastredis.resp.writer cimport (
    OUT_BLOCK_BYTES,
    out_apart,
    out_append_blob,
    out_block_t,
    out_bytes,
    out_clear,
    out_consume,
    out_defer,
    out_join,
    out_nbytes,
    out_need,
    out_pending,
    out_pool_free,
    out_pool_t,
    out_resolve,
    out_seal,
    out_t,
    resp_array,
    resp_bool,
    resp_bulk,
    resp_bulk_blob,
    resp_bulk_int,
    resp_double,
    resp_error,
    resp_int,
    resp_map,
    resp_null,
    resp_null_array,
    resp_ok,
    resp_push,
    resp_set,
    resp_simple,
    resp_verbatim,
)

BLOCK_BYTES = <int>OUT_BLOCK_BYTES


@final
cdef class Pool:
    """Blocks for all replies of a test."""
    cdef out_pool_t pool

    def __cinit__(self):
        memset(&self.pool, 0, sizeof(out_pool_t))

    def __dealloc__(self):
        out_pool_free(&self.pool)

    @property
    def nblocks(self):
        """The blocks in use."""
        return self.pool.nblocks

    @property
    def nfree(self):
        return self.pool.nfree


@final
cdef class Blob:
    """A blob that replies may refer to."""
    cdef blob_t *b

    def __cinit__(self, bytes value):
        self.b = blob_copy(value, len(value), 0)

    def __dealloc__(self):
        blob_release(self.b)

    @property
    def refs(self):
        return self.b.refs


@final
cdef class Out:
    """A pending reply."""
    cdef out_t o
    cdef Pool pool
    cdef list marks     # of deferred heads: addresses, which stay where they are

    def __cinit__(self, Pool pool, int resp=2):
        memset(&self.o, 0, sizeof(out_t))
        self.pool = pool
        self.o.pool = &pool.pool
        self.o.resp = resp
        self.marks = []

    def __dealloc__(self):
        out_clear(&self.o)

    # --- Encoders

    def raw(self, bytes s):
        out_bytes(&self.o, s, len(s))

    def blob(self, Blob blob):
        out_append_blob(&self.o, blob.b)

    def int(self, int64_t n):
        resp_int(&self.o, n)

    def bulk(self, bytes s):
        resp_bulk(&self.o, s, len(s))

    def bulk_int(self, int64_t n):
        resp_bulk_int(&self.o, n)

    def bulk_blob(self, Blob blob):
        resp_bulk_blob(&self.o, blob.b)

    def ok(self):
        resp_ok(&self.o)

    def simple(self, bytes s):
        resp_simple(&self.o, s, len(s))

    def null(self):
        resp_null(&self.o)

    def null_array(self):
        resp_null_array(&self.o)

    def bool(self, bint value):
        resp_bool(&self.o, value)

    def array(self, int64_t n):
        resp_array(&self.o, n)

    def map(self, int64_t n):
        resp_map(&self.o, n)

    def set(self, int64_t n):
        resp_set(&self.o, n)

    def push(self, int64_t n):
        resp_push(&self.o, n)

    def double(self, double value):
        resp_double(&self.o, value)

    def error(self, bytes text):
        resp_error(&self.o, text, len(text))

    def verbatim(self, bytes format, bytes s):
        if len(format) != 3:
            raise ValueError("a format is three bytes")
        resp_verbatim(&self.o, format, s, len(s))

    # --- Deferred heads

    def defer(self):
        """Leave room for a head; return its number for resolve."""
        self.marks.append(<size_t>out_defer(&self.o))
        return len(self.marks) - 1

    def resolve(self, Py_ssize_t mark, str kind, int64_t n):
        cdef size_t address = self.marks[mark]
        if self.o.last == NULL:
            raise AssertionError("no head can be open")
        out_resolve(&self.o, <out_block_t *>address, <char>ord(kind), n)

    # --- Pending bytes

    @property
    def pending(self):
        return out_pending(&self.o)

    @property
    def nbytes(self):
        return out_nbytes(&self.o)

    @property
    def nblocks(self):
        cdef out_block_t *b = self.o.first
        cdef int n = 0
        while b != NULL:
            n += 1
            b = b.next
        return n

    def peek(self):
        """Return all pending bytes, read off the chain."""
        cdef out_block_t *b
        cdef list parts = []
        out_seal(&self.o)
        b = self.o.first
        while b != NULL:
            parts.append(b.start[:b.nbytes])
            if b.next == NULL and b != self.o.last:
                raise AssertionError("the chain does not end at last")
            b = b.next
        return b"".join(parts)

    def consume(self, size_t n):
        out_consume(&self.o, n)

    def clear(self):
        out_clear(&self.o)

    def need(self, size_t n):
        """Have room for n bytes in one piece; nothing is appended."""
        out_need(&self.o, n)
        if <size_t>(self.o.end - self.o.pos) < n:
            raise AssertionError("no room")

    # --- Replies beside it

    def apart(self):
        cdef Out other = Out.__new__(Out, self.pool, 2)
        other.o = out_apart(&self.o)
        return other

    def join(self, Out other):
        """Put other behind; return what to add to the numbers of its open heads."""
        cdef Py_ssize_t offset = len(self.marks)
        out_join(&self.o, &other.o)
        self.marks += other.marks
        other.marks = []
        return offset
