# SPDX-License-Identifier: BSD-3-Clause
"""Quicklist: a doubly linked list of listpacks. See quicklist.pyx.

An iterator is valid until the list is changed by other means than the iterator itself;
ql_end closes it, whatever happened in between. Values that it gives are borrowed until
it moves.
"""
from fastredis.ds.listpack cimport lp_value_t
from libc.stdint cimport int64_t, uint8_t, uint32_t

cdef enum ql_end_t:
    QL_HEAD = 0
    QL_TAIL = 1

# What a list is to look like; the caller's configuration.
cdef struct ql_limits_t:
    int fill                    # list-max-listpack-size: entries; -1 .. -5: 4 .. 64 KB
    int depth                   # list-compress-depth: nodes at either end left alone
    size_t plain_nbytes         # larger elements get their own nodes; 0: as fill says

cdef struct ql_node_t:
    ql_node_t *prev
    ql_node_t *next
    uint8_t *data               # a listpack; plain: the element; packed: LZF bytes
    size_t nbytes               # of the listpack or element, not compressed
    uint32_t count              # elements
    uint32_t lzf_nbytes         # of the LZF bytes; 0: not compressed
    bint is_plain

cdef struct quicklist_t:
    ql_node_t *head
    ql_node_t *tail
    size_t count                # elements in all nodes
    size_t nnodes
    ql_limits_t lim

cdef struct ql_iter_t:
    quicklist_t *ql
    ql_node_t *node             # NULL: past the end
    uint8_t *lp                 # the node's listpack, or the copy below
    uint8_t *p                  # the entry; of a plain node: NULL
    uint8_t *copy               # owned: what a compressed node unpacks to, or NULL
    bint is_opened              # the node was compressed and is not now

# How large may a listpack be? By this fill, with count entries in nbytes.
cdef bint ql_exceeds(int fill, size_t nbytes, size_t count) noexcept nogil
# is an element too large to share a node with others?
cdef bint ql_is_large(const ql_limits_t *lim, size_t nbytes) noexcept nogil

# --- Whole lists
cdef quicklist_t *ql_new(const ql_limits_t *lim) noexcept nogil     # returned
cdef void ql_free(quicklist_t *ql) noexcept nogil                   # NULL is allowed
cdef quicklist_t *ql_copy(const quicklist_t *ql) noexcept nogil     # returned
# one node from a listpack, which is consumed
cdef quicklist_t *ql_from_listpack(
    uint8_t *lp, const ql_limits_t *lim
) noexcept nogil
# the listpack of a list with one node that is not plain (returned; ql is freed)
cdef uint8_t *ql_into_listpack(quicklist_t *ql) noexcept nogil
cdef size_t ql_nbytes(const quicklist_t *ql, size_t samples) noexcept nogil

# --- Change
cdef void ql_push(
    quicklist_t *ql, const char *s, size_t nbytes, ql_end_t end
) noexcept nogil
# remove count elements from a number on (from 0; fewer if there are fewer)
cdef void ql_delete_range(quicklist_t *ql, size_t index, size_t count) noexcept nogil

# --- Iterate. index: negative from the end; False: there is no such element.
cdef bint ql_seek(quicklist_t *ql, int64_t index, ql_iter_t *it_out) noexcept nogil
cdef void ql_end(ql_iter_t *it) noexcept nogil
# False: past the end
cdef bint ql_move(ql_iter_t *it, bint is_forward) noexcept nogil
cdef void ql_get(const ql_iter_t *it, lp_value_t *value_out) noexcept nogil
cdef bint ql_equal(const ql_iter_t *it, const char *s, size_t nbytes) noexcept nogil
# remove the element; the iterator is at the next one in that direction (False: none)
cdef bint ql_delete(ql_iter_t *it, bint is_forward) noexcept nogil
# put a value beside the element, or in its place; these end the iterator
cdef void ql_insert(
    ql_iter_t *it, const char *s, size_t nbytes, bint is_after
) noexcept nogil
cdef void ql_replace(ql_iter_t *it, const char *s, size_t nbytes) noexcept nogil

# walks every invariant
cdef void ql_check(const quicklist_t *ql) noexcept nogil
