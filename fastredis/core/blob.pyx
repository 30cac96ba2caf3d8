# SPDX-License-Identifier: BSD-3-Clause
r"""Counted byte strings, so that a long value is sent without being copied.

      len   cap   refs  data...
    +-----+-----+------+--------------------+-----------+
    |  5  | 64  |  2   | h e l l o          | room      |
    +-----+-----+------+--------------------+-----------+

A key object owns one reference; each reply that refers to the bytes owns another until
they are sent. Who wants to change a blob must be its only owner, else copy it.

Threads: references are counted by the main thread only. The lazy-free thread releases
whole values that the main thread has given up; the decrement is atomic for its sake.
"""
from fastredis.core.mem cimport (
    zfree,
    zmalloc,
    zrealloc,
    zsize,
    ztrymalloc,
    ztryrealloc,
)
from fastredis.core.status cimport fr_assert
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #define BLOB_HEADER offsetof(struct __pyx_t_9fastredis_4core_4blob_blob_t, data)
    #define blob_decrement(p) __atomic_sub_fetch((p), 1, __ATOMIC_ACQ_REL)
    """
    const size_t BLOB_HEADER
    uint32_t blob_decrement(uint32_t *refs) noexcept nogil


cdef blob_t *_blob_init(void *p) noexcept nogil:
    cdef blob_t *b = <blob_t *>p
    if b != NULL:
        b.len = 0
        b.cap = zsize(p) - BLOB_HEADER
        b.refs = 1
    return b


cdef blob_t *blob_new(size_t cap) noexcept nogil:
    """Return an empty blob with room for at least cap bytes."""
    return _blob_init(zmalloc(BLOB_HEADER + cap))


cdef blob_t *blob_try_new(size_t cap) noexcept nogil:
    """Return an empty blob with room for cap bytes, or NULL."""
    if cap > (<size_t>-1) - BLOB_HEADER:
        return NULL
    return _blob_init(ztrymalloc(BLOB_HEADER + cap))


cdef blob_t *blob_copy(const char *s, size_t nbytes, size_t cap) noexcept nogil:
    """Return a blob that holds s, with room for at least cap bytes."""
    cdef blob_t *b = blob_new(cap if cap > nbytes else nbytes)
    memcpy(b.data, s, nbytes)
    b.len = nbytes
    return b


cdef blob_t *blob_reserve(blob_t *b, size_t cap) noexcept nogil:
    """Return b, perhaps moved, with room for at least cap bytes."""
    fr_assert(b.refs == 1)
    if cap <= b.cap:
        return b
    b = <blob_t *>zrealloc(b, BLOB_HEADER + cap)
    b.cap = zsize(b) - BLOB_HEADER
    return b


cdef blob_t *blob_try_reserve(blob_t *b, size_t cap) noexcept nogil:
    """Return b, perhaps moved, with room for at least cap bytes, or NULL."""
    fr_assert(b.refs == 1)
    if cap <= b.cap:
        return b
    if cap > (<size_t>-1) - BLOB_HEADER:
        return NULL
    b = <blob_t *>ztryrealloc(b, BLOB_HEADER + cap)
    if b != NULL:
        b.cap = zsize(b) - BLOB_HEADER
    return b


cdef void blob_release(blob_t *b) noexcept nogil:
    """Give up one reference; NULL is allowed."""
    if b != NULL and blob_decrement(&b.refs) == 0:
        zfree(b)


cdef size_t blob_nbytes(const blob_t *b) noexcept nogil:
    """Return the bytes that the blob takes from the allocator."""
    return zsize(b)
