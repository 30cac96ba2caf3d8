# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of datatypes.bitmap."""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.status cimport C_OK
from fastredis.datatypes.bitmap cimport (
    bitmap_combine,
    bitmap_count,
    bitmap_find,
    bitmap_get,
    bitmap_set,
    bitmap_t,
    bitop_t,
    field_add,
    field_get,
    field_set,
    field_t,
    overflow_t,
)
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy


# Copies of just the length, so that a sanitizer sees a read beyond it.
cdef uint8_t *_copied(bytes data) except NULL:
    cdef uint8_t *p = <uint8_t *>zmalloc(max(len(data), 1))
    memcpy(p, <const char *>data, len(data))
    return p


def count(bytes data, uint64_t first, uint64_t last):
    """Count the bits set in [first, last]."""
    cdef uint8_t *p = _copied(data)
    n = bitmap_count(p, first, last)
    zfree(p)
    return n


def find(bytes data, uint64_t first, uint64_t last, bint bit):
    """Find the first bit of [first, last] that is as asked, or -1."""
    cdef uint8_t *p = _copied(data)
    n = bitmap_find(p, first, last, bit)
    zfree(p)
    return n


def combine(int op, list sources):
    """Combine byte strings."""
    cdef size_t n = len(sources), longest = max(map(len, sources))
    cdef bitmap_t *maps = <bitmap_t *>zmalloc(n * sizeof(bitmap_t))
    cdef uint8_t *dst = <uint8_t *>zmalloc(longest + 1)
    for i in range(n):
        maps[i].ptr = _copied(sources[i])
        maps[i].len = len(sources[i])
    bitmap_combine(<bitop_t>op, dst, longest, maps, n)
    result = (<char *>dst)[:longest]
    for i in range(n):
        zfree(<void *>maps[i].ptr)
    zfree(maps)
    zfree(dst)
    return result


def get(bytes data, uint64_t index):
    """Read a bit."""
    return bool(bitmap_get(<const uint8_t *><const char *>data, len(data), index))


def set_bit(bytes data, uint64_t index, bint bit):
    """Return a copy with a bit changed."""
    cdef uint8_t *p = _copied(data)
    bitmap_set(p, index, bit)
    result = (<char *>p)[:len(data)]
    zfree(p)
    return result


cdef field_t _field(uint64_t offset, int nbits, bint is_signed) noexcept:
    cdef field_t f
    f.offset = offset
    f.nbits = nbits
    f.is_signed = is_signed
    return f


def field(bytes data, uint64_t offset, int nbits, bint is_signed):
    """Read an integer."""
    cdef uint8_t *p = _copied(data)
    value = field_get(p, len(data), _field(offset, nbits, is_signed))
    zfree(p)
    return value


def set_field(bytes data, uint64_t offset, int nbits, int64_t value):
    """Return a copy with an integer stored."""
    cdef uint8_t *p = _copied(data)
    field_set(p, _field(offset, nbits, True), value)
    result = (<char *>p)[:len(data)]
    zfree(p)
    return result


def add(int nbits, bint is_signed, int64_t value, int64_t delta, int mode):
    """Return a sum brought into the range of a field, or None."""
    cdef int64_t total
    if field_add(
            _field(0, nbits, is_signed), value, delta, <overflow_t>mode,
            &total) != C_OK:
        return None
    return total
