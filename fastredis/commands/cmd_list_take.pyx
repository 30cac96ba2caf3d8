# SPDX-License-Identifier: BSD-3-Clause
r"""List commands that take elements: pop them, or move them to another list.

    LPOP, RPOP, LMPOP          BLPOP, BRPOP, BLMPOP                 reply them
    LMOVE, RPOPLPUSH, LMOVEM   BLMOVE, BRPOPLPUSH, BLMOVEM          push them elsewhere

The forms with a B wait if there is nothing to take. Such a handler calls block_on_keys
and returns; it runs again with the same arguments when one of the keys has changed. So
both forms are one function, and the engine keeps the deadline.
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.num cimport num_format_i64
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.t_list cimport (
    list_create,
    list_delete,
    list_delete_range,
    list_end,
    list_get,
    list_grow,
    list_iter_t,
    list_len,
    list_move,
    list_push,
    list_seek,
    list_settle,
    list_text,
)
from fastredis.ds.listpack cimport LP_INT_BUF, lp_value_t
from fastredis.ds.quicklist cimport (
    QL_HEAD,
    QL_TAIL,
    ql_end,
    ql_end_t,
    ql_free,
    ql_get,
    ql_iter_t,
    ql_move,
    ql_new,
    ql_push,
    ql_seek,
    quicklist_t,
)
from fastredis.engine.args cimport (
    arg_i64_or_error,
    arg_is,
    arg_key,
)
from fastredis.engine.blocking cimport (
    BLOCK_NULL_ARRAY,
    arg_timeout_or_reply,
    block_on_keys,
)
from fastredis.engine.changed cimport (
    NOTIFY_GENERIC,
    NOTIFY_LIST,
    key_changed_n,
    key_event,
)
from fastredis.engine.client cimport (
    CLIENT_DENY_BLOCKING,
    client_t,
)
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.propagate cimport (
    feed_args,
    feed_instead,
    feed_key,
    feed_key_i64,
    feed_text,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_bulk_int,
    reply_error,
    reply_null,
    reply_null_array,
    reply_wrong_arity,
    type_or_reply,
)
from fastredis.keyspace.db cimport db_delete, db_find_write, dbkey_t
from fastredis.keyspace.obj cimport OBJ_LIST, obj_t
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    NOT_BLOCKING = -1           # instead of a deadline


# --- Shared -----------------------------------------------------------------------


cdef inline void _reply_element(client_t *c, const list_iter_t *it) noexcept nogil:
    cdef lp_value_t v
    list_get(it, &v)
    if v.ptr == NULL:
        reply_bulk_int(c, v.num)
    else:
        reply_bulk(c, v.ptr, v.len)


cdef void _popped(
    client_t *c, const dbkey_t *key, obj_t *o, ql_end_t end, int64_t n
) noexcept nogil:
    """Report n elements taken, and delete a list that became empty.

    They count as n changes, wherever else they may have been pushed to.
    """
    cdef bint is_empty = list_len(o) == 0
    if not is_empty:
        list_settle(o, &c.srv.list_limits)
    key_changed_n(c, key, NOTIFY_LIST, b"lpop" if end == QL_HEAD else b"rpop", n)
    if is_empty:
        db_delete(c.db, key)
        key_event(c, key, NOTIFY_GENERIC, b"del")


cdef void _pop_one(
    client_t *c, const dbkey_t *key, obj_t *o, ql_end_t end
) noexcept nogil:
    """Reply the element at one end and remove it."""
    cdef list_iter_t it
    list_seek(o, 0 if end == QL_HEAD else -1, &it)
    _reply_element(c, &it)
    list_delete(&it, True)
    list_end(&it)
    _popped(c, key, o, end, 1)


cdef void _pop_many(
    client_t *c, const dbkey_t *key, obj_t *o, ql_end_t end, int64_t count
) noexcept nogil:
    """Reply an array of up to count elements from one end, and remove them."""
    cdef int64_t len = <int64_t>list_len(o), i
    cdef list_iter_t it
    if count > len:
        count = len
    reply_array(c, count)
    list_seek(o, 0 if end == QL_HEAD else -1, &it)
    for i in range(count):
        if i:
            list_move(&it, end == QL_HEAD)
        _reply_element(c, &it)
    list_end(&it)
    list_delete_range(o, 0 if end == QL_HEAD else len - count, count)
    _popped(c, key, o, end, count)


cdef status_t _end_or_reply(client_t *c, int i, ql_end_t *end_out) noexcept nogil:
    """Read LEFT or RIGHT."""
    if arg_is(c, i, b"left"):
        end_out[0] = QL_HEAD
    elif arg_is(c, i, b"right"):
        end_out[0] = QL_TAIL
    else:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    return C_OK


cdef status_t _at_least_or_error(
    client_t *c, int i, int64_t low, const char *error, int64_t *value_out
) noexcept nogil:
    """Read an integer that is at least low."""
    cdef int64_t v
    if arg_i64_or_error(c, i, error, &v) != C_OK:
        return C_ERR
    if v < low:
        reply_error(c, error)
        return C_ERR
    value_out[0] = v
    return C_OK


# --- Pop --------------------------------------------------------------------------


cdef inline void _pop(client_t *c, ql_end_t end) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count = -1
    cdef obj_t *o
    if c.argc > 3:
        reply_wrong_arity(c)
        return
    if c.argc == 3 and _at_least_or_error(
            c, 2, 0, b"ERR value is out of range, must be positive", &count) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if o == NULL:
        if count >= 0:
            reply_null_array(c)
        else:
            reply_null(c)
        return
    if type_or_reply(c, o, OBJ_LIST) != C_OK:
        return
    if count < 0:
        _pop_one(c, &key, o, end)
    elif count == 0:
        reply_array(c, 0)
    else:
        _pop_many(c, &key, o, end, count)


cdef api void cmd_lpop(client_t *c) noexcept nogil:
    """LPOP key [count]"""
    _pop(c, QL_HEAD)


cdef api void cmd_rpop(client_t *c) noexcept nogil:
    """RPOP key [count]"""
    _pop(c, QL_TAIL)


cdef void _pop_first_of(
    client_t *c, int first, int nkeys, ql_end_t end, int64_t count, int64_t deadline
) noexcept nogil:
    """Pop from the first list that is there, and reply its key, too.

    count: 0: one element, not an array. deadline: as in block_on_keys, or NOT_BLOCKING.
    """
    cdef dbkey_t key
    cdef obj_t *o
    cdef int i
    for i in range(first, first + nkeys):
        key = arg_key(c, i)
        o = db_find_write(c.db, &key)
        if o == NULL:
            continue
        if type_or_reply(c, o, OBJ_LIST) != C_OK:
            return
        reply_array(c, 2)
        reply_bulk(c, key.ptr, key.len)
        if count == 0:
            feed_key(c, b"LPOP" if end == QL_HEAD else b"RPOP", &key)
            _pop_one(c, &key, o, end)
        else:
            feed_key_i64(c, b"LPOP" if end == QL_HEAD else b"RPOP", &key,
                         min(count, <int64_t>list_len(o)))
            _pop_many(c, &key, o, end, count)
        return
    if deadline == NOT_BLOCKING:
        reply_null_array(c)
    else:
        block_on_keys(c, first, nkeys, OBJ_LIST, deadline, BLOCK_NULL_ARRAY)


cdef inline void _blocking_pop(client_t *c, ql_end_t end) noexcept nogil:
    cdef int64_t deadline
    if arg_timeout_or_reply(c, c.argc - 1, &deadline) == C_OK:
        _pop_first_of(c, 1, c.argc - 2, end, 0, deadline)


cdef api void cmd_blpop(client_t *c) noexcept nogil:
    """BLPOP key [key ...] timeout"""
    _blocking_pop(c, QL_HEAD)


cdef api void cmd_brpop(client_t *c) noexcept nogil:
    """BRPOP key [key ...] timeout"""
    _blocking_pop(c, QL_TAIL)


cdef void _mpop(client_t *c, int i, bint is_blocking) noexcept nogil:
    """Read numkeys at argument i and what follows, and pop."""
    cdef int64_t nkeys, count = 0, deadline = NOT_BLOCKING
    cdef ql_end_t end
    cdef int where, j
    if _at_least_or_error(
            c, i, 1, b"ERR numkeys should be greater than 0", &nkeys) != C_OK:
        return
    if nkeys >= c.argc - i - 1:
        reply_error(c, ERR_SYNTAX)
        return
    where = i + 1 + <int>nkeys
    if _end_or_reply(c, where, &end) != C_OK:
        return
    j = where + 1
    while j < c.argc:
        if count or j + 1 >= c.argc or not arg_is(c, j, b"count"):
            reply_error(c, ERR_SYNTAX)
            return
        if _at_least_or_error(
                c, j + 1, 1, b"ERR count should be greater than 0", &count) != C_OK:
            return
        j += 2
    if is_blocking and arg_timeout_or_reply(c, 1, &deadline) != C_OK:
        return
    _pop_first_of(c, i + 1, <int>nkeys, end, count if count else 1, deadline)


cdef api void cmd_lmpop(client_t *c) noexcept nogil:
    """LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count]"""
    _mpop(c, 1, False)


cdef api void cmd_blmpop(client_t *c) noexcept nogil:
    """BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]"""
    _mpop(c, 2, True)


# --- Move one ---------------------------------------------------------------------


cdef bint _is_same_key(client_t *c, int a, int b) noexcept nogil:
    return c.argv[a].len == c.argv[b].len and \
        memcmp(c.argv[a].ptr, c.argv[b].ptr, c.argv[a].len) == 0


cdef void _rotate(
    client_t *c, const dbkey_t *key, obj_t *o, ql_end_t where_from, ql_end_t where_to
) noexcept nogil:
    """Move one element within a list, and reply it."""
    cdef char[LP_INT_BUF] digits
    cdef list_iter_t it
    cdef char *copy
    cdef const char *s
    cdef size_t n
    list_seek(o, 0 if where_from == QL_HEAD else -1, &it)
    s = list_text(&it, digits, &n)
    reply_bulk(c, s, n)
    copy = <char *>zmalloc(n + (n == 0))
    memcpy(copy, s, n)
    list_delete(&it, True)
    list_end(&it)
    list_grow(o, &c.srv.list_limits, n, 1)
    list_push(o, copy, n, where_to)
    zfree(copy)
    key_event(c, key, NOTIFY_LIST, b"lpush" if where_to == QL_HEAD else b"rpush")
    _popped(c, key, o, where_from, 1)


cdef void _feed_move(client_t *c) noexcept nogil:
    """Have what BLMOVE and BRPOPLPUSH did written down without the time limit."""
    feed_instead(c, c.argc - 1)
    feed_text(c, b"RPOPLPUSH" if c.argc == 4 else b"LMOVE")
    feed_args(c, 1, c.argc - 1)


cdef void _move(
    client_t *c, ql_end_t where_from, ql_end_t where_to, int64_t deadline
) noexcept nogil:
    """Move one element from list argv[1] to list argv[2], and reply it."""
    cdef dbkey_t src = arg_key(c, 1), dst = arg_key(c, 2)
    cdef char[LP_INT_BUF] digits
    cdef obj_t *from_o = db_find_write(c.db, &src)
    cdef obj_t *to_o
    cdef list_iter_t it
    cdef const char *s
    cdef size_t n
    if from_o == NULL:
        # when the time is over, the reply is the other null, as in Redis
        if deadline == NOT_BLOCKING or c.flags & CLIENT_DENY_BLOCKING:
            reply_null(c)
        else:
            block_on_keys(c, 1, 1, OBJ_LIST, deadline, BLOCK_NULL_ARRAY)
        return
    if type_or_reply(c, from_o, OBJ_LIST) != C_OK:
        return
    if _is_same_key(c, 1, 2):
        if deadline != NOT_BLOCKING:
            _feed_move(c)
        _rotate(c, &src, from_o, where_from, where_to)
        return
    to_o = db_find_write(c.db, &dst)
    if type_or_reply(c, to_o, OBJ_LIST) != C_OK:
        return
    if deadline != NOT_BLOCKING:
        _feed_move(c)
    if to_o == NULL:
        to_o = list_create(c.db, &dst)
    list_seek(from_o, 0 if where_from == QL_HEAD else -1, &it)
    s = list_text(&it, digits, &n)
    reply_bulk(c, s, n)
    list_grow(to_o, &c.srv.list_limits, n, 1)
    list_push(to_o, s, n, where_to)
    list_delete(&it, True)
    list_end(&it)
    key_event(c, &dst, NOTIFY_LIST, b"lpush" if where_to == QL_HEAD else b"rpush")
    _popped(c, &src, from_o, where_from, 1)


cdef api void cmd_lmove(client_t *c) noexcept nogil:
    """LMOVE source destination LEFT | RIGHT LEFT | RIGHT"""
    cdef ql_end_t where_from, where_to
    if _end_or_reply(c, 3, &where_from) != C_OK:
        return
    if _end_or_reply(c, 4, &where_to) != C_OK:
        return
    _move(c, where_from, where_to, NOT_BLOCKING)


cdef api void cmd_rpoplpush(client_t *c) noexcept nogil:
    """RPOPLPUSH source destination"""
    _move(c, QL_TAIL, QL_HEAD, NOT_BLOCKING)


cdef api void cmd_blmove(client_t *c) noexcept nogil:
    """BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout"""
    cdef ql_end_t where_from, where_to
    cdef int64_t deadline
    if _end_or_reply(c, 3, &where_from) != C_OK:
        return
    if _end_or_reply(c, 4, &where_to) != C_OK:
        return
    if arg_timeout_or_reply(c, 5, &deadline) == C_OK:
        _move(c, where_from, where_to, deadline)


cdef api void cmd_brpoplpush(client_t *c) noexcept nogil:
    """BRPOPLPUSH source destination timeout"""
    cdef int64_t deadline
    if arg_timeout_or_reply(c, 3, &deadline) == C_OK:
        _move(c, QL_TAIL, QL_HEAD, deadline)


# --- Move several -----------------------------------------------------------------


cdef void _push_batch(
    client_t *c, obj_t *o, quicklist_t *batch, ql_end_t end
) noexcept nogil:
    """Add a batch of elements, in its order, at one end of a list; reply them."""
    cdef char[LP_INT_BUF] digits
    cdef lp_value_t v
    cdef ql_iter_t it
    cdef bint is_forward = end == QL_TAIL
    cdef bint more
    reply_array(c, <int64_t>batch.count)
    more = ql_seek(batch, 0, &it)
    while more:
        ql_get(&it, &v)
        if v.ptr == NULL:
            reply_bulk_int(c, v.num)
        else:
            reply_bulk(c, v.ptr, v.len)
        more = ql_move(&it, True)
    ql_end(&it)
    more = ql_seek(batch, 0 if is_forward else -1, &it)
    while more:
        ql_get(&it, &v)
        if v.ptr == NULL:
            v.len = num_format_i64(digits, v.num)
            v.ptr = digits
        list_grow(o, &c.srv.list_limits, v.len, 1)
        list_push(o, v.ptr, v.len, end)
        more = ql_move(&it, is_forward)
    ql_end(&it)


cdef quicklist_t *_take_batch(
    client_t *c, obj_t *o, ql_end_t end, int64_t count, bint is_reversed
) noexcept nogil:
    """Return count elements from one end of a list, from which they are removed.

    The list must have so many. is_reversed: the last of them comes first.
    """
    cdef quicklist_t *batch = ql_new(&c.srv.list_limits)
    cdef int64_t first = 0 if end == QL_HEAD else <int64_t>list_len(o) - count
    cdef char[LP_INT_BUF] digits
    cdef list_iter_t it
    cdef const char *s
    cdef size_t n
    cdef int64_t i
    list_seek(o, first + count - 1 if is_reversed else first, &it)
    for i in range(count):
        if i:
            list_move(&it, not is_reversed)
        s = list_text(&it, digits, &n)
        ql_push(batch, s, n, QL_TAIL)
    list_end(&it)
    list_delete_range(o, first, count)
    return batch


cdef void _move_many(
    client_t *c, ql_end_t where_from, ql_end_t where_to, int i, int64_t deadline
) noexcept nogil:
    """Move several elements; argument i, if any: COUNT or EXACTLY, then how.

    One by one, at the same end on both sides, turns their order round; BULK never does.
    """
    cdef dbkey_t src = arg_key(c, 1), dst = arg_key(c, 2)
    cdef int64_t count = 1, len
    cdef bint is_exact = False, is_bulk = False
    cdef obj_t *from_o
    cdef obj_t *to_o
    cdef quicklist_t *batch
    if c.argc > i:
        if c.argc != i + 3:
            reply_error(c, ERR_SYNTAX)
            return
        is_exact = arg_is(c, i, b"exactly")
        is_bulk = arg_is(c, i + 2, b"bulk")
        if not (is_exact or arg_is(c, i, b"count")) or not (
                is_bulk or arg_is(c, i + 2, b"obo")):
            reply_error(c, ERR_SYNTAX)
            return
        if _at_least_or_error(
                c, i + 1, 1, b"ERR count should be greater than 0", &count) != C_OK:
            return
    from_o = db_find_write(c.db, &src)
    if type_or_reply(c, from_o, OBJ_LIST) != C_OK:
        return
    len = 0 if from_o == NULL else <int64_t>list_len(from_o)
    if len == 0 or (is_exact and len < count):
        if deadline == NOT_BLOCKING:
            reply_null_array(c)
        else:
            block_on_keys(c, 1, 1, OBJ_LIST, deadline, BLOCK_NULL_ARRAY)
        return
    if count > len:
        count = len
    to_o = db_find_write(c.db, &dst)
    if type_or_reply(c, to_o, OBJ_LIST) != C_OK:
        return
    if deadline != NOT_BLOCKING:
        feed_instead(c, c.argc - 1)
        feed_text(c, b"LMOVEM")
        feed_args(c, 1, 5)
        feed_args(c, 6, c.argc)
    if to_o == NULL:
        to_o = list_create(c.db, &dst)
    batch = _take_batch(
        c, from_o, where_from, count, not is_bulk and where_from == where_to)
    _push_batch(c, to_o, batch, where_to)
    ql_free(batch)
    key_event(c, &dst, NOTIFY_LIST, b"lpush" if where_to == QL_HEAD else b"rpush")
    _popped(c, &src, from_o, where_from, count)


cdef api void cmd_lmovem(client_t *c) noexcept nogil:
    """LMOVEM source destination LEFT | RIGHT LEFT | RIGHT
    [COUNT count | EXACTLY exactly OBO | BULK]"""
    cdef ql_end_t where_from, where_to
    if _end_or_reply(c, 3, &where_from) != C_OK:
        return
    if _end_or_reply(c, 4, &where_to) != C_OK:
        return
    _move_many(c, where_from, where_to, 5, NOT_BLOCKING)


cdef api void cmd_blmovem(client_t *c) noexcept nogil:
    """BLMOVEM source destination LEFT | RIGHT LEFT | RIGHT timeout
    [COUNT count | EXACTLY exactly OBO | BULK]"""
    cdef ql_end_t where_from, where_to
    cdef int64_t deadline
    if _end_or_reply(c, 3, &where_from) != C_OK:
        return
    if _end_or_reply(c, 4, &where_to) != C_OK:
        return
    if arg_timeout_or_reply(c, 5, &deadline) == C_OK:
        _move_many(c, where_from, where_to, 6, deadline)
