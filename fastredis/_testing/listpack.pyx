# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of ds.listpack: one listpack, its entries by number."""
from cython cimport final
from fastredis.ds.listpack cimport (
    LP_AFTER,
    LP_BEFORE,
    LP_INT_BUF,
    LP_REPLACE,
    lp_append,
    lp_append_int,
    lp_concat,
    lp_copy,
    lp_delete,
    lp_delete_range,
    lp_entry_max,
    lp_equal,
    lp_find,
    lp_first,
    lp_fits,
    lp_free,
    lp_get,
    lp_insert,
    lp_insert_int,
    lp_is_valid,
    lp_last,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_prepend,
    lp_prev,
    lp_seek,
    lp_shrink,
    lp_text,
    lp_value_t,
    lp_where_t,
)
from libc.stdint cimport int64_t, uint8_t

BEFORE = <int>LP_BEFORE
AFTER = <int>LP_AFTER
REPLACE = <int>LP_REPLACE


def is_valid(bytes data):
    """Tell whether these bytes are a listpack."""
    return lp_is_valid(<const uint8_t *><const char *>data, len(data))


def entry_max(size_t nbytes):
    """Return the most that an entry of nbytes takes."""
    return lp_entry_max(nbytes)


cdef object _value(const uint8_t *p):
    cdef lp_value_t v
    cdef char[LP_INT_BUF] buf
    cdef size_t n
    cdef const char *s = lp_text(p, buf, &n)
    lp_get(p, &v)
    if v.ptr == NULL:
        assert s[:n] == b"%d" % v.num
        return v.num
    return s[:n]


@final
cdef class Listpack:
    """One listpack."""

    cdef uint8_t *lp

    def __cinit__(self, size_t cap=0):
        self.lp = lp_new(cap)

    def __dealloc__(self):
        lp_free(self.lp)

    def __len__(self):
        return lp_len(self.lp)

    def __bytes__(self):
        return (<const char *>self.lp)[:lp_nbytes(self.lp)]

    def values(self):
        """Return all values, walked forwards: bytes, or int where stored as such."""
        cdef uint8_t *p = lp_first(self.lp)
        found = []
        while p != NULL:
            found.append(_value(p))
            p = lp_next(self.lp, p)
        return found

    def backwards(self):
        """Return all values, walked backwards."""
        cdef uint8_t *p = lp_last(self.lp)
        found = []
        while p != NULL:
            found.append(_value(p))
            p = lp_prev(self.lp, p)
        return found

    def at(self, int64_t index):
        """Return a value by its number, or None."""
        cdef uint8_t *p = lp_seek(self.lp, index)
        return None if p == NULL else _value(p)

    def equals(self, int64_t index, bytes value):
        """Tell whether the entry has this value."""
        return lp_equal(lp_seek(self.lp, index), value, len(value))

    def find(self, int64_t index, bytes value, size_t skip=0):
        """Return the number of the first entry from index on with this value, or -1."""
        cdef uint8_t *p = lp_find(
            self.lp, lp_seek(self.lp, index), value, len(value), skip)
        cdef int64_t n = 0
        if p == NULL:
            return -1
        while p != lp_first(self.lp):
            p = lp_prev(self.lp, p)
            n += 1
        return n

    def fits(self, size_t nbytes):
        """Tell whether so many bytes more are allowed."""
        return lp_fits(self.lp, nbytes)

    def append(self, value):
        """Add bytes or an int at the end."""
        if isinstance(value, int):
            self.lp = lp_append_int(self.lp, value)
        else:
            self.lp = lp_append(self.lp, value, len(value))

    def prepend(self, bytes value):
        """Add bytes at the beginning."""
        self.lp = lp_prepend(self.lp, value, len(value))

    def insert(self, int64_t index, value, int where):
        """Add bytes or an int beside an entry, or replace it; return the new one."""
        cdef uint8_t *p = lp_seek(self.lp, index)
        cdef uint8_t *entry = NULL
        if isinstance(value, int):
            self.lp = lp_insert_int(self.lp, value, p, <lp_where_t>where, &entry)
        else:
            self.lp = lp_insert(
                self.lp, value, len(value), p, <lp_where_t>where, &entry)
        return _value(entry)

    def delete(self, int64_t index):
        """Remove an entry; return the value after it, or None."""
        cdef uint8_t *following = NULL
        self.lp = lp_delete(self.lp, lp_seek(self.lp, index), &following)
        return None if following == NULL else _value(following)

    def delete_range(self, int64_t index, size_t count):
        """Remove entries from a number on."""
        self.lp = lp_delete_range(self.lp, index, count)

    def concat(self, Listpack other):
        """Add the entries of another."""
        self.lp = lp_concat(self.lp, other.lp)

    def copy(self):
        """Return a copy."""
        cdef Listpack made = Listpack()
        lp_free(made.lp)
        made.lp = lp_copy(self.lp)
        return made

    def shrink(self):
        """Give back room at the end."""
        self.lp = lp_shrink(self.lp)
