# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of ds.quicklist: one list; every change is followed by ql_check."""
from cython cimport final
from fastredis.core.num cimport NUM_INT_BUF, num_format_i64
from fastredis.ds.listpack cimport lp_append, lp_new, lp_value_t
from fastredis.ds.quicklist cimport (
    QL_HEAD,
    QL_TAIL,
    ql_check,
    ql_copy,
    ql_delete,
    ql_delete_range,
    ql_end,
    ql_equal,
    ql_exceeds,
    ql_free,
    ql_from_listpack,
    ql_get,
    ql_insert,
    ql_into_listpack,
    ql_is_large,
    ql_iter_t,
    ql_limits_t,
    ql_move,
    ql_nbytes,
    ql_new,
    ql_node_t,
    ql_push,
    ql_replace,
    ql_seek,
    quicklist_t,
)
from libc.stdint cimport int64_t, uint8_t


def exceeds(int fill, size_t nbytes, size_t count):
    """Tell whether a listpack is too large."""
    return ql_exceeds(fill, nbytes, count)


cdef bytes _value(const ql_iter_t *it):
    cdef char[NUM_INT_BUF] digits
    cdef lp_value_t v
    ql_get(it, &v)
    if v.ptr == NULL:
        return digits[:num_format_i64(digits, v.num)]
    return v.ptr[:v.len]


@final
cdef class Quicklist:
    """One list."""

    cdef quicklist_t *ql

    def __cinit__(self, int fill=-2, int depth=0, size_t plain_nbytes=0, values=()):
        cdef ql_limits_t lim
        cdef uint8_t *lp = lp_new(0)
        lim.fill = fill
        lim.depth = depth
        lim.plain_nbytes = plain_nbytes
        for value in values:
            lp = lp_append(lp, value, len(value))
        self.ql = ql_from_listpack(lp, &lim)

    def __dealloc__(self):
        ql_free(self.ql)

    def __len__(self):
        return self.ql.count

    def nodes(self):
        """Return of each node: elements, bytes, compressed bytes or 0, plain or not."""
        cdef ql_node_t *node = self.ql.head
        found = []
        while node != NULL:
            found.append(
                (node.count, node.nbytes, node.lzf_nbytes, bool(node.is_plain)))
            node = node.next
        return found

    def nbytes(self, size_t samples=0):
        """Return the bytes of memory."""
        return ql_nbytes(self.ql, samples)

    def is_large(self, size_t nbytes):
        """Tell whether an element gets a node of its own."""
        return ql_is_large(&self.ql.lim, nbytes)

    def values(self, int64_t index=0, bint is_forward=True):
        """Return the values from a place on, in either direction."""
        cdef ql_iter_t it
        cdef bint more = ql_seek(self.ql, index, &it)
        found = []
        while more:
            found.append(_value(&it))
            more = ql_move(&it, is_forward)
        ql_end(&it)
        ql_check(self.ql)
        return found

    def at(self, int64_t index):
        """Return a value, or None."""
        cdef ql_iter_t it
        if not ql_seek(self.ql, index, &it):
            return None
        value = _value(&it)
        assert ql_equal(&it, value, len(value))
        assert not ql_equal(&it, value + b"x", len(value) + 1)
        ql_end(&it)
        return value

    def push(self, bytes value, bint at_tail):
        """Add a value at an end."""
        ql_push(self.ql, value, len(value), QL_TAIL if at_tail else QL_HEAD)
        ql_check(self.ql)

    def insert(self, int64_t index, bytes value, bint is_after):
        """Insert a value beside an element."""
        cdef ql_iter_t it
        assert ql_seek(self.ql, index, &it)
        ql_insert(&it, value, len(value), is_after)
        ql_end(&it)
        ql_check(self.ql)

    def replace(self, int64_t index, bytes value):
        """Replace an element."""
        cdef ql_iter_t it
        assert ql_seek(self.ql, index, &it)
        ql_replace(&it, value, len(value))
        ql_end(&it)
        ql_check(self.ql)

    def delete_range(self, size_t index, size_t count):
        """Remove elements."""
        ql_delete_range(self.ql, index, count)
        ql_check(self.ql)

    def delete_equal(self, bytes value, int64_t index, bint is_forward, size_t most):
        """Remove up to most elements that equal a value, walking from a place on."""
        cdef ql_iter_t it
        cdef bint more = ql_seek(self.ql, index, &it)
        cdef size_t n = 0
        while more and n < most:
            if ql_equal(&it, value, len(value)):
                n += 1
                more = ql_delete(&it, is_forward)
            else:
                more = ql_move(&it, is_forward)
        ql_end(&it)
        ql_check(self.ql)
        return n

    def copy(self):
        """Return a copy."""
        cdef Quicklist made = Quicklist()
        ql_free(made.ql)
        made.ql = ql_copy(self.ql)
        ql_check(made.ql)
        return made

    def through_listpack(self):
        """Turn the one node into a listpack and back."""
        cdef ql_limits_t lim = self.ql.lim
        self.ql = ql_from_listpack(ql_into_listpack(self.ql), &lim)
        ql_check(self.ql)

    def clear(self):
        """Begin anew."""
        cdef ql_limits_t lim = self.ql.lim
        ql_free(self.ql)
        self.ql = ql_new(&lim)
