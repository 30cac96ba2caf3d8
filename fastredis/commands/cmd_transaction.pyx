# SPDX-License-Identifier: BSD-3-Clause
r"""Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

             WATCH                 request --> QUEUED, or an error: DIRTY_EXEC
               v                     |
    ordinary ------- MULTI -----> queueing -- EXEC --> what was queued, in one go
        ^                            |                 null if a watched key changed
        +----- DISCARD, RESET -------+                 EXECABORT after an error
        +------------- EXEC ---------+

The requests are queued, and executed one after the other, by engine/execute.pyx; the
queue and the watched keys are kept by engine/multi.pyx.
"""
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.args cimport arg_key
from fastredis.engine.client cimport (
    CLIENT_DIRTY_CAS,
    CLIENT_DIRTY_EXEC,
    CLIENT_FAKE,
    CLIENT_MULTI,
    client_t,
)
from fastredis.engine.errors cimport ERR_EXEC_ABORT
from fastredis.engine.execute cimport engine_execute_queued
from fastredis.engine.multi cimport (
    multi_begin,
    multi_end,
    watch_add,
    watch_clear,
    watch_expire,
)
from fastredis.engine.reply cimport (
    reply_error,
    reply_null_array,
    reply_ok,
)
from fastredis.keyspace.db cimport dbkey_t


cdef status_t _connection_or_reply(client_t *c) noexcept nogil:
    """Check that the client is one whose next request will be known as its own."""
    if not c.flags & CLIENT_FAKE:
        return C_OK
    reply_error(c, b"ERR transactions are for clients with a connection")
    return C_ERR


cdef api void cmd_multi(client_t *c) noexcept nogil:
    """MULTI"""
    if _connection_or_reply(c) != C_OK:
        return
    if c.flags & CLIENT_MULTI:
        reply_error(c, b"ERR MULTI calls can not be nested")
        return
    multi_begin(c)
    reply_ok(c)


cdef api void cmd_discard(client_t *c) noexcept nogil:
    """DISCARD"""
    if not c.flags & CLIENT_MULTI:
        reply_error(c, b"ERR DISCARD without MULTI")
        return
    multi_end(c)
    reply_ok(c)


cdef api void cmd_exec(client_t *c) noexcept nogil:
    """EXEC"""
    if not c.flags & CLIENT_MULTI:
        reply_error(c, b"ERR EXEC without MULTI")
        return
    watch_expire(c)
    if c.flags & CLIENT_DIRTY_EXEC:
        reply_error(c, ERR_EXEC_ABORT)
        multi_end(c)
    elif c.flags & CLIENT_DIRTY_CAS:
        reply_null_array(c)
        multi_end(c)
    else:
        engine_execute_queued(c)


cdef api void cmd_watch(client_t *c) noexcept nogil:
    """WATCH key [key ...]"""
    cdef dbkey_t key
    cdef int i
    if _connection_or_reply(c) != C_OK:
        return
    if c.flags & CLIENT_MULTI:
        reply_error(c, b"ERR WATCH inside MULTI is not allowed")
        return
    if not c.flags & CLIENT_DIRTY_CAS:      # else EXEC fails already
        for i in range(1, c.argc):
            key = arg_key(c, i)
            watch_add(c, &key)
    reply_ok(c)


cdef api void cmd_unwatch(client_t *c) noexcept nogil:
    """UNWATCH"""
    watch_clear(c)
    c.flags &= ~CLIENT_DIRTY_CAS
    reply_ok(c)
