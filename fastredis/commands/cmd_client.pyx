# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT: what one connection does to others, and what it says of itself.

The subcommands about names and replies are in cmd_connection; those that describe or
close connections are in Python (admin/client.py).
"""
from fastredis.core.status cimport C_OK
from fastredis.engine.args cimport arg_i64_or_error, arg_i64_or_reply, arg_is
from fastredis.engine.blocking cimport blocking_cancel
from fastredis.engine.client cimport (
    CLIENT_CAPA_REDIRECT,
    CLIENT_IMPORT_SOURCE,
    CLIENT_NO_EVICT,
    client_t,
)
from fastredis.engine.clientmem cimport clientmem_update
from fastredis.engine.errors cimport ERR_SYNTAX, ERR_UNBLOCKED
from fastredis.engine.pause cimport (
    PAUSE_ALL,
    PAUSE_WRITE,
    pause_end,
    pause_mode_t,
    pause_start,
)
from fastredis.engine.reply cimport (
    reply_error,
    reply_error_arg,
    reply_int,
    reply_ok,
)
from libc.stdint cimport int64_t

cdef int64_t TIME_MAX_MS = <int64_t>0x7FFFFFFFFFFFFFFF


cdef void _reply_bad_use(client_t *c) noexcept nogil:
    """Reply that the subcommand does not take so many arguments."""
    reply_error_arg(
        c, b"ERR unknown subcommand or wrong number of arguments for '", 1,
        b"'. Try CLIENT HELP.")


# --- Others -----------------------------------------------------------------------


cdef api void cmd_client_pause(client_t *c) noexcept nogil:
    """CLIENT PAUSE timeout [WRITE | ALL]"""
    cdef pause_mode_t mode = PAUSE_ALL
    cdef int64_t ms
    if c.argc > 4:
        _reply_bad_use(c)
        return
    if c.argc == 4:
        if arg_is(c, 3, b"write"):
            mode = PAUSE_WRITE
        elif not arg_is(c, 3, b"all"):
            reply_error(c, b"ERR CLIENT PAUSE mode must be WRITE or ALL")
            return
    if arg_i64_or_error(
            c, 2, b"ERR timeout is not an integer or out of range", &ms) != C_OK:
        return
    if ms < 0:
        reply_error(c, b"ERR timeout is negative")
        return
    if ms > TIME_MAX_MS - c.srv.now_ms:
        reply_error(c, b"ERR timeout is out of range")
        return
    pause_start(c.srv, mode, c.srv.now_ms + ms)
    reply_ok(c)


cdef api void cmd_client_unpause(client_t *c) noexcept nogil:
    """CLIENT UNPAUSE"""
    pause_end(c.srv)
    reply_ok(c)


cdef api void cmd_client_unblock(client_t *c) noexcept nogil:
    """CLIENT UNBLOCK client-id [TIMEOUT | ERROR]"""
    cdef client_t *other = c.srv.clients
    cdef bint with_error = False
    cdef int64_t id
    if c.argc == 4:
        with_error = arg_is(c, 3, b"error")
        if not with_error and not arg_is(c, 3, b"timeout"):
            reply_error(
                c, b"ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
            return
    elif c.argc > 4:
        _reply_bad_use(c)
        return
    if arg_i64_or_reply(c, 2, &id) != C_OK:
        return
    while other != NULL and other.id != <size_t>id:
        other = other.next
    # a client that is held back by a pause waits for nothing
    if other == NULL or other.blocked == NULL:
        reply_int(c, 0)
        return
    blocking_cancel(other, ERR_UNBLOCKED if with_error else NULL)
    reply_int(c, 1)


# --- The client itself ------------------------------------------------------------


cdef api void cmd_client_no_evict(client_t *c) noexcept nogil:
    """CLIENT NO-EVICT ON | OFF"""
    if arg_is(c, 2, b"on"):
        c.flags |= CLIENT_NO_EVICT
    elif arg_is(c, 2, b"off"):
        c.flags &= ~CLIENT_NO_EVICT
    else:
        reply_error(c, ERR_SYNTAX)
        return
    clientmem_update(c)
    reply_ok(c)


cdef api void cmd_client_import_source(client_t *c) noexcept nogil:
    """CLIENT IMPORT-SOURCE ON | OFF"""
    if not c.srv.is_import_mode and not arg_is(c, 2, b"off"):
        reply_error(c, b"ERR Server is not in import mode")
        return
    if arg_is(c, 2, b"on"):
        c.flags |= CLIENT_IMPORT_SOURCE
    elif arg_is(c, 2, b"off"):
        c.flags &= ~CLIENT_IMPORT_SOURCE
    else:
        reply_error(c, ERR_SYNTAX)
        return
    # the flag is looked at once a batch; the rest of this one shall obey it too
    c.srv.ks.is_expired_shown = (c.flags & CLIENT_IMPORT_SOURCE) != 0
    reply_ok(c)


cdef api void cmd_client_capa(client_t *c) noexcept nogil:
    """CLIENT CAPA capability [capability ...]: unknown ones are passed over."""
    cdef int i
    for i in range(2, c.argc):
        if arg_is(c, i, b"redirect"):
            c.flags |= CLIENT_CAPA_REDIRECT
    reply_ok(c)
