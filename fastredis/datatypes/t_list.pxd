# SPDX-License-Identifier: BSD-3-Clause
"""Operations on list values. See t_list.pyx.

o is a list object that a db_find function returned; writers may move its value, never
the object. A list that becomes empty is the caller's to delete.

An iterator ends with list_end, or with list_insert or list_replace. Values are borrowed
until it moves or the list changes.
"""
from fastredis.ds.listpack cimport LP_INT_BUF, lp_value_t
from fastredis.ds.quicklist cimport ql_end_t, ql_iter_t, ql_limits_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.keyspace.obj cimport obj_t
from libc.stdint cimport int64_t, uint8_t

cdef struct list_iter_t:
    obj_t *o
    uint8_t *p                  # the entry of a listpack-encoded list
    bint is_listpack
    ql_iter_t ql                # ... or the place in a quicklist

# an empty list, to be filled at once
cdef obj_t *list_create(db_t *db, const dbkey_t *key) noexcept nogil
cdef size_t list_len(const obj_t *o) noexcept nogil

# --- Encoding
# before n elements of nbytes in all are added: a listpack that grows too large becomes
# a quicklist
cdef void list_grow(
    obj_t *o, const ql_limits_t *lim, size_t nbytes, size_t n
) noexcept nogil
# after elements were removed or replaced: a quicklist of one small node becomes a
# listpack
cdef void list_settle(obj_t *o, const ql_limits_t *lim) noexcept nogil

# --- Change; list_grow comes first
cdef void list_push(
    obj_t *o, const char *s, size_t nbytes, ql_end_t end
) noexcept nogil
# remove count elements from a number on
cdef void list_delete_range(obj_t *o, size_t index, size_t count) noexcept nogil

# --- Iterate
# index: negative from the end; False: there is none
cdef bint list_seek(obj_t *o, int64_t index, list_iter_t *it_out) noexcept nogil
cdef void list_end(list_iter_t *it) noexcept nogil
# False: past the end
cdef bint list_move(list_iter_t *it, bint is_forward) noexcept nogil
cdef void list_get(const list_iter_t *it, lp_value_t *value_out) noexcept nogil
# the element as text: borrowed, or an integer's digits in buf (LP_INT_BUF)
cdef const char *list_text(
    const list_iter_t *it, char *buf, size_t *len_out
) noexcept nogil
cdef bint list_equal(const list_iter_t *it, const char *s, size_t nbytes) noexcept nogil
# go on to the next in that direction; False: none
cdef bint list_delete(list_iter_t *it, bint is_forward) noexcept nogil
cdef void list_insert(
    list_iter_t *it, const char *s, size_t nbytes, bint is_after
) noexcept nogil
cdef void list_replace(list_iter_t *it, const char *s, size_t nbytes) noexcept nogil

# --- Look inside, for DEBUG
cdef struct list_info_t:
    bint is_quicklist
    size_t nnodes
    size_t count
    int fill
    int depth
    size_t nbytes               # of all nodes, not compressed

cdef list_info_t list_info(const obj_t *o) noexcept nogil
