# SPDX-License-Identifier: BSD-3-Clause
"""Commands about whole databases, and the clock.

FLUSHALL and FLUSHDB free the keys here or give the whole table to the lazy-free
thread; either way the databases are empty when the reply is sent.
"""
from fastredis.core.clock cimport clock_wall_us
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.args cimport arg_i64_or_error, arg_is
from fastredis.engine.blocking cimport blocking_signal_all
from fastredis.engine.changed cimport db_will_flush, db_will_swap, dbs_will_flush
from fastredis.engine.client cimport CHANGE_BLOCKED, client_t, mark_dirty
from fastredis.engine.errors cimport ERR_DB_RANGE, ERR_SYNTAX
from fastredis.engine.propagate cimport feed_anyway
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk_int,
    reply_error,
    reply_int,
    reply_ok,
)
from fastredis.engine.flush cimport flush_sync
from fastredis.keyspace.db cimport db_flush, db_len, ks_swap
from libc.limits cimport INT_MAX, INT_MIN
from libc.stdint cimport int64_t


cdef api void cmd_dbsize(client_t *c) noexcept nogil:
    """DBSIZE"""
    reply_int(c, db_len(c.db))


# --- Flush ------------------------------------------------------------------------


cdef status_t _flush_mode_or_reply(client_t *c, bint *is_async_out) noexcept nogil:
    """Read the one argument that FLUSHALL and FLUSHDB may have."""
    if c.argc == 1:
        is_async_out[0] = c.srv.is_lazy_user_flush
    elif c.argc == 2 and arg_is(c, 1, b"async"):
        is_async_out[0] = True
    elif c.argc == 2 and arg_is(c, 1, b"sync"):
        is_async_out[0] = False
    else:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    return C_OK


cdef api void cmd_flushdb(client_t *c) noexcept nogil:
    """FLUSHDB [ASYNC | SYNC]"""
    cdef bint is_async
    if _flush_mode_or_reply(c, &is_async) != C_OK:
        return
    feed_anyway(c)
    dbs_will_flush(c.srv)
    if not is_async:
        flush_sync(c, c.db.id, 1)
        return
    db_will_flush(c.srv, c.db)
    mark_dirty(c, db_flush(c.db, True))
    reply_ok(c)


cdef api void cmd_flushall(client_t *c) noexcept nogil:
    """FLUSHALL [ASYNC | SYNC]"""
    cdef bint is_async
    cdef size_t n = 0
    cdef int i
    if _flush_mode_or_reply(c, &is_async) != C_OK:
        return
    feed_anyway(c)
    dbs_will_flush(c.srv)
    if not is_async:
        flush_sync(c, 0, c.srv.ks.ndbs)
    else:
        for i in range(c.srv.ks.ndbs):
            db_will_flush(c.srv, &c.srv.ks.dbs[i])
            n += db_flush(&c.srv.ks.dbs[i], True)
        mark_dirty(c, n)
        reply_ok(c)
    if c.srv.flushed_all != NULL:
        c.srv.flushed_all(c.srv)


# --- Swap, time -------------------------------------------------------------------


cdef status_t _index_or_error(
    client_t *c, int i, const char *error, int64_t *index_out
) noexcept nogil:
    """Read a number that fits an int, or reply the error."""
    if arg_i64_or_error(c, i, error, index_out) != C_OK:
        return C_ERR
    if not INT_MIN <= index_out[0] <= INT_MAX:
        reply_error(c, error)
        return C_ERR
    return C_OK


cdef api void cmd_swapdb(client_t *c) noexcept nogil:
    """SWAPDB index1 index2: clients of the one see the keys of the other at once."""
    cdef int64_t a, b, n = c.srv.ks.ndbs
    if _index_or_error(c, 1, b"ERR invalid first DB index", &a) != C_OK:
        return
    if _index_or_error(c, 2, b"ERR invalid second DB index", &b) != C_OK:
        return
    if not (0 <= a < n and 0 <= b < n):
        reply_error(c, ERR_DB_RANGE)
        return
    db_will_swap(c.srv, &c.srv.ks.dbs[a], &c.srv.ks.dbs[b])
    ks_swap(c.srv.ks, <int>a, <int>b)
    if c.srv.change_hooks & CHANGE_BLOCKED:
        blocking_signal_all(c.srv, <int>a)
        blocking_signal_all(c.srv, <int>b)
    reply_ok(c)
    mark_dirty(c, 1)


cdef api void cmd_time(client_t *c) noexcept nogil:
    """TIME"""
    cdef int64_t now_us = clock_wall_us()
    reply_array(c, 2)
    reply_bulk_int(c, now_us // 1000000)
    reply_bulk_int(c, now_us % 1000000)
