# SPDX-License-Identifier: BSD-3-Clause
"""A counted byte string with room to grow: the value of long strings. See blob.pyx."""
from libc.stdint cimport uint32_t

cdef struct blob_t:
    size_t len              # bytes in use
    size_t cap              # bytes that data has room for
    uint32_t refs           # owners: the key object, and replies that refer to it
    char data[1]

# returned; refs 1, len 0. blob_try_new returns NULL when memory is short.
cdef blob_t *blob_new(size_t cap) noexcept nogil
cdef blob_t *blob_try_new(size_t cap) noexcept nogil
cdef blob_t *blob_copy(const char *s, size_t nbytes, size_t cap) noexcept nogil
# room for cap bytes; only while refs is 1; may move; consumed and returned
cdef blob_t *blob_reserve(blob_t *b, size_t cap) noexcept nogil
# the same; NULL (b unchanged) when memory is short
cdef blob_t *blob_try_reserve(blob_t *b, size_t cap) noexcept nogil
cdef void blob_release(blob_t *b) noexcept nogil
cdef size_t blob_nbytes(const blob_t *b) noexcept nogil

cdef inline blob_t *blob_retain(blob_t *b) noexcept nogil:
    """Return b with one more owner."""
    b.refs += 1
    return b
