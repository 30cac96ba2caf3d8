# SPDX-License-Identifier: BSD-3-Clause
r"""List commands: push, read, change in place.

Pushing is the hot path: one look-up, one check of the size, one append per element.
Elements that are integers are stored as such and replied without being text in between.

What takes elements out of lists, at once or when there are some, is in
cmd_list_take.pyx.
"""
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.t_list cimport (
    list_create,
    list_delete,
    list_delete_range,
    list_end,
    list_equal,
    list_get,
    list_grow,
    list_insert,
    list_iter_t,
    list_len,
    list_move,
    list_push,
    list_replace,
    list_seek,
    list_settle,
)
from fastredis.ds.listpack cimport lp_value_t
from fastredis.ds.quicklist cimport QL_HEAD, QL_TAIL, ql_end_t
from fastredis.engine.args cimport (
    arg_count_or_error,
    arg_i64_or_reply,
    arg_is,
    arg_key,
)
from fastredis.engine.changed cimport (
    NOTIFY_GENERIC,
    NOTIFY_LIST,
    key_changed,
    key_changed_n,
    key_event,
)
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport (
    ERR_NO_KEY,
    ERR_OUT_OF_RANGE,
    ERR_SYNTAX,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_bulk_int,
    reply_defer,
    reply_error,
    reply_int,
    reply_null,
    reply_ok,
    reply_resolve,
    type_or_reply,
)
from fastredis.keyspace.db cimport db_delete, db_find_read, db_find_write, dbkey_t
from fastredis.keyspace.obj cimport OBJ_LIST, obj_t
from fastredis.resp.writer cimport out_block_t
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

cdef extern from *:
    """
    static const char list_out_of_bounds[] =
        "ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807";
    """
    const char *list_out_of_bounds


# --- Push -------------------------------------------------------------------------


cdef inline void _push(client_t *c, ql_end_t end, bint is_x) noexcept nogil:
    """Push the arguments from the second on; is_x: only to a list that exists."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef size_t nbytes = 0
    cdef int i
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    if o == NULL:
        if is_x:
            reply_int(c, 0)
            return
        o = list_create(c.db, &key)
    for i in range(2, c.argc):
        nbytes += c.argv[i].len
    list_grow(o, &c.srv.list_limits, nbytes, c.argc - 2)
    for i in range(2, c.argc):
        list_push(o, c.argv[i].ptr, c.argv[i].len, end)
    reply_int(c, <int64_t>list_len(o))
    key_changed_n(
        c, &key, NOTIFY_LIST, b"rpush" if end == QL_TAIL else b"lpush", c.argc - 2)


cdef api void cmd_lpush(client_t *c) noexcept nogil:
    """LPUSH key element [element ...]"""
    _push(c, QL_HEAD, False)


cdef api void cmd_rpush(client_t *c) noexcept nogil:
    """RPUSH key element [element ...]"""
    _push(c, QL_TAIL, False)


cdef api void cmd_lpushx(client_t *c) noexcept nogil:
    """LPUSHX key element [element ...]"""
    _push(c, QL_HEAD, True)


cdef api void cmd_rpushx(client_t *c) noexcept nogil:
    """RPUSHX key element [element ...]"""
    _push(c, QL_TAIL, True)


# --- Read -------------------------------------------------------------------------


cdef inline void _reply_element(client_t *c, const list_iter_t *it) noexcept nogil:
    cdef lp_value_t v
    list_get(it, &v)
    if v.ptr == NULL:
        reply_bulk_int(c, v.num)
    else:
        reply_bulk(c, v.ptr, v.len)


cdef api void cmd_llen(client_t *c) noexcept nogil:
    """LLEN key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    reply_int(c, 0 if o == NULL else <int64_t>list_len(o))


cdef api void cmd_lindex(client_t *c) noexcept nogil:
    """LINDEX key index"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef list_iter_t it
    cdef int64_t index
    if o == NULL:
        reply_null(c)       # whatever the index: it is not looked at, as in Redis
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    if arg_i64_or_reply(c, 2, &index) != C_OK:
        return
    if list_seek(o, index, &it):
        _reply_element(c, &it)
        list_end(&it)
    else:
        reply_null(c)


cdef bint _clip(int64_t len, int64_t *start, int64_t *end) noexcept nogil:
    """Turn what a client calls a range into numbers of elements; False: it is empty."""
    if start[0] < 0:
        start[0] += len
        if start[0] < 0:
            start[0] = 0
    if end[0] < 0:
        end[0] += len
    if end[0] >= len:
        end[0] = len - 1
    return start[0] <= end[0]


cdef api void cmd_lrange(client_t *c) noexcept nogil:
    """LRANGE key start stop"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t start, end
    cdef list_iter_t it
    cdef obj_t *o
    if arg_i64_or_reply(c, 2, &start) != C_OK:
        return
    if arg_i64_or_reply(c, 3, &end) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    if o == NULL or not _clip(<int64_t>list_len(o), &start, &end):
        reply_array(c, 0)
        return
    reply_array(c, end - start + 1)
    list_seek(o, start, &it)
    while True:
        _reply_element(c, &it)
        if start == end:
            break
        start += 1
        list_move(&it, True)
    list_end(&it)


cdef status_t _bounded_or_reply(
    client_t *c, int i, int64_t *value_out
) noexcept nogil:
    """Read an integer whose absolute value is one, too."""
    cdef int64_t v
    if arg_i64_or_reply(c, i, &v) != C_OK:
        return C_ERR
    if v == INT64_MIN:
        reply_error(c, list_out_of_bounds)
        return C_ERR
    value_out[0] = v
    return C_OK


cdef api void cmd_lpos(client_t *c) noexcept nogil:
    """LPOS key element [RANK rank] [COUNT count] [MAXLEN len]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t rank = 1, count = -1, maxlen = 0, index, len, nseen = 0, nfound = 0
    cdef bint is_forward
    cdef out_block_t *mark = NULL
    cdef list_iter_t it
    cdef obj_t *o
    cdef int i = 3
    while i < c.argc:
        if arg_is(c, i, b"rank") and i + 1 < c.argc:
            if _bounded_or_reply(c, i + 1, &rank) != C_OK:
                return
            if rank == 0:
                reply_error(
                    c, b"ERR RANK can't be zero: use 1 to start from the first match, "
                    b"2 from the second ... or use negative to start from the end of "
                    b"the list")
                return
        elif arg_is(c, i, b"count") and i + 1 < c.argc:
            if arg_count_or_error(
                    c, i + 1, b"ERR COUNT can't be negative", &count) != C_OK:
                return
        elif arg_is(c, i, b"maxlen") and i + 1 < c.argc:
            if arg_count_or_error(
                    c, i + 1, b"ERR MAXLEN can't be negative", &maxlen) != C_OK:
                return
        else:
            reply_error(c, ERR_SYNTAX)
            return
        i += 2
    o = db_find_read(c.db, &key)
    if o == NULL:
        if count >= 0:
            reply_array(c, 0)
        else:
            reply_null(c)
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    is_forward = rank > 0
    rank = rank - 1 if is_forward else -rank - 1      # matches to pass over
    len = <int64_t>list_len(o)
    index = 0 if is_forward else len - 1
    if count >= 0:
        mark = reply_defer(c)
    list_seek(o, index, &it)
    while True:
        if list_equal(&it, c.argv[2].ptr, c.argv[2].len):
            if rank:
                rank -= 1
            else:
                nfound += 1
                reply_int(c, index)
                if count < 0 or nfound == count:
                    break
        nseen += 1
        if nseen == maxlen or not list_move(&it, is_forward):
            break
        index += 1 if is_forward else -1
    list_end(&it)
    if count >= 0:
        reply_resolve(c, mark, b"*", nfound)
    elif nfound == 0:
        reply_null(c)


# --- Change in place --------------------------------------------------------------


cdef api void cmd_lset(client_t *c) noexcept nogil:
    """LSET key index element"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef list_iter_t it
    cdef int64_t index
    if o == NULL:
        reply_error(c, ERR_NO_KEY)
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    if arg_i64_or_reply(c, 2, &index) != C_OK:
        return
    list_grow(o, &c.srv.list_limits, c.argv[3].len, 1)
    if not list_seek(o, index, &it):
        reply_error(c, ERR_OUT_OF_RANGE)
        return
    list_replace(&it, c.argv[3].ptr, c.argv[3].len)
    list_settle(o, &c.srv.list_limits)
    reply_ok(c)
    key_changed(c, &key, NOTIFY_LIST, b"lset")


cdef api void cmd_linsert(client_t *c) noexcept nogil:
    """LINSERT key BEFORE | AFTER pivot element"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint is_after = arg_is(c, 2, b"after")
    cdef list_iter_t it
    cdef obj_t *o
    cdef bint is_there
    if not is_after and not arg_is(c, 2, b"before"):
        reply_error(c, ERR_SYNTAX)
        return
    o = db_find_write(c.db, &key)
    if o == NULL:
        reply_int(c, 0)
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    # before the search, since the iterator does not outlive a conversion
    list_grow(o, &c.srv.list_limits, c.argv[4].len, 1)
    is_there = list_seek(o, 0, &it)
    while is_there and not list_equal(&it, c.argv[3].ptr, c.argv[3].len):
        is_there = list_move(&it, True)
    if not is_there:
        list_end(&it)
        reply_int(c, -1)
        return
    list_insert(&it, c.argv[4].ptr, c.argv[4].len, is_after)
    reply_int(c, <int64_t>list_len(o))
    key_changed(c, &key, NOTIFY_LIST, b"linsert")


cdef void _removed(
    client_t *c, const dbkey_t *key, obj_t *o, const char *event, int64_t n
) noexcept nogil:
    """Report n elements removed, and delete a list that became empty."""
    cdef bint is_empty = list_len(o) == 0
    if not is_empty:
        list_settle(o, &c.srv.list_limits)
    key_changed_n(c, key, NOTIFY_LIST, event, max(n, 1))   # LTRIM of nothing is one
    if is_empty:
        db_delete(c.db, key)
        key_event(c, key, NOTIFY_GENERIC, b"del")


cdef api void cmd_lrem(client_t *c) noexcept nogil:
    """LREM key count element"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count, nremoved = 0
    cdef bint is_forward, is_there
    cdef list_iter_t it
    cdef obj_t *o
    if _bounded_or_reply(c, 2, &count) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if o == NULL:
        reply_int(c, 0)
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    is_forward = count >= 0
    if count == 0:
        count = INT64_MAX
    elif count < 0:
        count = -count
    is_there = list_seek(o, 0 if is_forward else -1, &it)
    while is_there and nremoved < count:
        if list_equal(&it, c.argv[3].ptr, c.argv[3].len):
            nremoved += 1
            is_there = list_delete(&it, is_forward)
        else:
            is_there = list_move(&it, is_forward)
    list_end(&it)
    reply_int(c, nremoved)
    if nremoved:
        _removed(c, &key, o, b"lrem", nremoved)


cdef api void cmd_ltrim(client_t *c) noexcept nogil:
    """LTRIM key start stop"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t start, end, len
    cdef obj_t *o
    if arg_i64_or_reply(c, 2, &start) != C_OK:
        return
    if arg_i64_or_reply(c, 3, &end) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if o == NULL:
        reply_ok(c)
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    len = <int64_t>list_len(o)
    if _clip(len, &start, &end):
        list_delete_range(o, end + 1, len - 1 - end)
        list_delete_range(o, 0, start)
    else:
        list_delete_range(o, 0, len)
    reply_ok(c)
    _removed(c, &key, o, b"ltrim", len - <int64_t>list_len(o))
