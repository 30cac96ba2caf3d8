# SPDX-License-Identifier: BSD-3-Clause
r"""Lists: one listpack while they are small, a quicklist from then on.

    LISTPACK    [a b c]                             up to list-max-listpack-size
    QUICKLIST   [a b ...] <--> [...] <--> [... z]   above; back at half of that size

The limit is that of one node of the quicklist, so a listpack becomes its first node and
the other way round without a copy. Going back at half the size keeps a list that is
pushed to and popped from at the limit from changing all the time.

Cost: both ends O(1), of a listpack O(its bytes); the middle as in ds/quicklist.
Threads: main thread only; free and effort may run on the lazy-free thread.
"""
from fastredis.core.mem cimport zsize
from fastredis.core.num cimport num_format_i64
from fastredis.ds.listpack cimport (
    LP_AFTER,
    LP_BEFORE,
    LP_REPLACE,
    lp_append,
    lp_copy,
    lp_delete,
    lp_delete_range,
    lp_equal,
    lp_free,
    lp_get,
    lp_insert,
    lp_last,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_prepend,
    lp_prev,
    lp_seek,
    lp_shrink,
)
from fastredis.ds.quicklist cimport (
    QL_TAIL,
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
    ql_move,
    ql_nbytes,
    ql_node_t,
    ql_push,
    ql_replace,
    ql_seek,
    quicklist_t,
)
from fastredis.keyspace.db cimport DB_NO_TTL, db_set_pointer
from fastredis.keyspace.obj cimport (
    OBJ_ENC_LISTPACK,
    OBJ_ENC_QUICKLIST,
    OBJ_LIST,
    obj_enc,
    obj_ops_set,
    obj_ops_t,
    obj_pointer,
    obj_set_pointer,
)


# --- Types and encodings ----------------------------------------------------------


cdef inline bint _is_listpack(const obj_t *o) noexcept nogil:
    return obj_enc(o) == OBJ_ENC_LISTPACK


cdef inline uint8_t *_lp(const obj_t *o) noexcept nogil:
    return <uint8_t *>obj_pointer(o)


cdef inline quicklist_t *_ql(const obj_t *o) noexcept nogil:
    return <quicklist_t *>obj_pointer(o)


cdef inline void _set_value(obj_t *o, int enc, void *value) noexcept nogil:
    """Replace the value by one that may have another encoding."""
    o.kind = <uint8_t>(OBJ_LIST | enc << 4)
    obj_set_pointer(o, value)


cdef obj_t *list_create(db_t *db, const dbkey_t *key) noexcept nogil:
    """Store an empty list without an expiry."""
    return db_set_pointer(db, key, OBJ_LIST, OBJ_ENC_LISTPACK, lp_new(0), DB_NO_TTL)


cdef size_t list_len(const obj_t *o) noexcept nogil:
    """Return the number of elements."""
    return lp_len(_lp(o)) if _is_listpack(o) else _ql(o).count


cdef void list_grow(
    obj_t *o, const ql_limits_t *lim, size_t nbytes, size_t n
) noexcept nogil:
    """Choose the encoding for a list that is about to grow."""
    cdef uint8_t *lp
    if not _is_listpack(o):
        # may be changed for lists that exist; the other limits stay
        _ql(o).lim.plain_nbytes = lim.plain_nbytes
        return
    lp = _lp(o)
    if ql_exceeds(lim.fill, lp_nbytes(lp) + nbytes, lp_len(lp) + n):
        _set_value(o, OBJ_ENC_QUICKLIST, ql_from_listpack(lp, lim))


cdef void list_settle(obj_t *o, const ql_limits_t *lim) noexcept nogil:
    """Choose the encoding for a list that has shrunk, and give back its room."""
    cdef quicklist_t *ql
    cdef uint8_t *lp
    # half of the limit, be it bytes or elements
    cdef size_t times = 2 if lim.fill < 0 else 1
    if _is_listpack(o):
        lp = _lp(o)
        if lp_nbytes(lp) * 2 < zsize(lp):
            obj_set_pointer(o, lp_shrink(lp))
        return
    ql = _ql(o)
    if ql.nnodes != 1 or ql.head.is_plain or ql_exceeds(
            lim.fill, ql.head.nbytes * times, ql.count * 2):
        return
    _set_value(o, OBJ_ENC_LISTPACK, ql_into_listpack(ql))


# --- Change -----------------------------------------------------------------------


cdef void list_push(
    obj_t *o, const char *s, size_t nbytes, ql_end_t end
) noexcept nogil:
    """Add an element at one end."""
    cdef uint8_t *lp
    if not _is_listpack(o):
        ql_push(_ql(o), s, nbytes, end)
        return
    lp = _lp(o)
    if end == QL_TAIL:
        lp = lp_append(lp, s, nbytes)
    else:
        lp = lp_prepend(lp, s, nbytes)
    obj_set_pointer(o, lp)


cdef void list_delete_range(obj_t *o, size_t index, size_t count) noexcept nogil:
    """Remove elements from a number on; fewer if there are fewer."""
    if _is_listpack(o):
        obj_set_pointer(o, lp_delete_range(_lp(o), <int64_t>index, count))
    else:
        ql_delete_range(_ql(o), index, count)


# --- Iterate ----------------------------------------------------------------------


cdef bint list_seek(obj_t *o, int64_t index, list_iter_t *it) noexcept nogil:
    """Begin at an element."""
    it.o = o
    it.is_listpack = _is_listpack(o)
    if not it.is_listpack:
        return ql_seek(_ql(o), index, &it.ql)
    it.p = lp_seek(_lp(o), index)
    return it.p != NULL


cdef void list_end(list_iter_t *it) noexcept nogil:
    """Close an iterator."""
    if not it.is_listpack:
        ql_end(&it.ql)


cdef bint list_move(list_iter_t *it, bint is_forward) noexcept nogil:
    """Go to the next or the previous element."""
    if not it.is_listpack:
        return ql_move(&it.ql, is_forward)
    it.p = lp_next(_lp(it.o), it.p) if is_forward else lp_prev(_lp(it.o), it.p)
    return it.p != NULL


cdef void list_get(const list_iter_t *it, lp_value_t *value_out) noexcept nogil:
    """Read the element."""
    if it.is_listpack:
        lp_get(it.p, value_out)
    else:
        ql_get(&it.ql, value_out)


cdef const char *list_text(
    const list_iter_t *it, char *buf, size_t *len_out
) noexcept nogil:
    """Return the element as text."""
    cdef lp_value_t v
    list_get(it, &v)
    if v.ptr == NULL:
        len_out[0] = num_format_i64(buf, v.num)
        return buf
    len_out[0] = v.len
    return v.ptr


cdef bint list_equal(
    const list_iter_t *it, const char *s, size_t nbytes
) noexcept nogil:
    """Return whether the element has this value."""
    if it.is_listpack:
        return lp_equal(it.p, s, nbytes)
    return ql_equal(&it.ql, s, nbytes)


cdef bint list_delete(list_iter_t *it, bint is_forward) noexcept nogil:
    """Remove the element and go on."""
    cdef uint8_t *lp
    cdef uint8_t *p = NULL
    if not it.is_listpack:
        return ql_delete(&it.ql, is_forward)
    lp = lp_delete(_lp(it.o), it.p, &p)
    obj_set_pointer(it.o, lp)
    if not is_forward:
        p = lp_last(lp) if p == NULL else lp_prev(lp, p)
    it.p = p
    return p != NULL


cdef void list_insert(
    list_iter_t *it, const char *s, size_t nbytes, bint is_after
) noexcept nogil:
    """Insert a value beside the element."""
    if not it.is_listpack:
        ql_insert(&it.ql, s, nbytes, is_after)
        return
    obj_set_pointer(it.o, lp_insert(
        _lp(it.o), s, nbytes, it.p, LP_AFTER if is_after else LP_BEFORE, NULL))


cdef void list_replace(list_iter_t *it, const char *s, size_t nbytes) noexcept nogil:
    """Replace the element by a value."""
    if not it.is_listpack:
        ql_replace(&it.ql, s, nbytes)
        return
    obj_set_pointer(
        it.o, lp_insert(_lp(it.o), s, nbytes, it.p, LP_REPLACE, NULL))


# --- Look inside ------------------------------------------------------------------


cdef list_info_t list_info(const obj_t *o) noexcept nogil:
    """Return the figures of a list's nodes."""
    cdef list_info_t found
    cdef const quicklist_t *ql
    cdef const ql_node_t *node
    found.is_quicklist = not _is_listpack(o)
    found.nnodes = 1
    found.count = list_len(o)
    found.fill = 0
    found.depth = 0
    found.nbytes = 0
    if not found.is_quicklist:
        found.nbytes = lp_nbytes(_lp(o))
        return found
    ql = _ql(o)
    found.nnodes = ql.nnodes
    found.fill = ql.lim.fill
    found.depth = ql.lim.depth
    node = ql.head
    while node != NULL:
        found.nbytes += node.nbytes
        node = node.next
    return found


# --- What the keyspace needs ------------------------------------------------------


cdef void _free(int enc, void *value) noexcept nogil:
    if enc == OBJ_ENC_LISTPACK:
        lp_free(<uint8_t *>value)
    else:
        ql_free(<quicklist_t *>value)


cdef void *_copy(int enc, const void *value) noexcept nogil:
    if enc == OBJ_ENC_LISTPACK:
        return lp_copy(<const uint8_t *>value)
    return ql_copy(<const quicklist_t *>value)


cdef size_t _nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    if enc == OBJ_ENC_LISTPACK:
        return zsize(value)
    return ql_nbytes(<const quicklist_t *>value, samples)


cdef size_t _effort(int enc, const void *value) noexcept nogil:
    if enc == OBJ_ENC_LISTPACK:
        return 1
    return (<const quicklist_t *>value).nnodes


cdef const char *_encoding(int enc, const void *value) noexcept nogil:
    return b"listpack" if enc == OBJ_ENC_LISTPACK else b"quicklist"


cdef obj_ops_t _ops
_ops.free = _free
_ops.copy = _copy
_ops.nbytes = _nbytes
_ops.effort = _effort
_ops.encoding = _encoding
obj_ops_set(OBJ_LIST, &_ops)
