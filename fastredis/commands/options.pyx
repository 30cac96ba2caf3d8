# SPDX-License-Identifier: BSD-3-Clause
r"""Options of SET, GETEX, MSETEX, INCREX: words in any order, some with an argument.

    SET k v  XX  GET  EX 60         words of a group exclude each other:
             |    |   |
       condition  |   expiry        NX XX IFEQ .. | EX PX .. KEEPTTL PERSIST | BY..
              no group

Which words there are is said once, here; a command says which of them it has. A time to
live becomes a time of the wall clock at once, that of the request.
"""
from fastredis.core.status cimport C_ERR, C_OK
from fastredis.engine.args cimport arg_i64_or_reply, arg_is
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.reply cimport reply_error
from fastredis.keyspace.db cimport DB_KEEP_TTL, DB_NO_TTL
from libc.stdint cimport INT64_MAX
from libc.stdio cimport snprintf

cdef enum:
    ERROR_MAX = 160             # room for an error text with a command's name
    OPT_WITH_ARGUMENT = OPT_TIME | OPT_MATCH | OPT_BY | OPT_LBOUND | OPT_UBOUND


cdef uint32_t opt_of(client_t *c, int i) noexcept nogil:
    """Return the option that argument i names, or 0."""
    cdef size_t n = c.argv[i].len
    if n == 2:
        if arg_is(c, i, b"ex"):
            return OPT_EX
        if arg_is(c, i, b"px"):
            return OPT_PX
        if arg_is(c, i, b"nx"):
            return OPT_NX
        if arg_is(c, i, b"xx"):
            return OPT_XX
    elif n == 3:
        if arg_is(c, i, b"get"):
            return OPT_GET
        if arg_is(c, i, b"enx"):
            return OPT_ENX
    elif n == 4:
        if arg_is(c, i, b"exat"):
            return OPT_EXAT
        if arg_is(c, i, b"pxat"):
            return OPT_PXAT
        if arg_is(c, i, b"ifeq"):
            return OPT_IFEQ
        if arg_is(c, i, b"ifne"):
            return OPT_IFNE
    elif n == 5:
        if arg_is(c, i, b"ifdeq"):
            return OPT_IFDEQ
        if arg_is(c, i, b"ifdne"):
            return OPT_IFDNE
        if arg_is(c, i, b"byint"):
            return OPT_BYINT
    elif n == 6:
        if arg_is(c, i, b"lbound"):
            return OPT_LBOUND
        if arg_is(c, i, b"ubound"):
            return OPT_UBOUND
    elif n == 7:
        if arg_is(c, i, b"keepttl"):
            return OPT_KEEPTTL
        if arg_is(c, i, b"persist"):
            return OPT_PERSIST
        if arg_is(c, i, b"byfloat"):
            return OPT_BYFLOAT
    elif n == 8:
        if arg_is(c, i, b"saturate"):
            return OPT_SATURATE
    return 0


cdef status_t opt_read_or_reply(
    client_t *c, int i, uint32_t allowed, uint32_t once, options_t *opts
) noexcept nogil:
    """Read the options from argument i on.

    once: those that must not be repeated. Of others the last one counts.
    """
    cdef uint32_t flag, given, rivals
    opts.flags = 0
    while i < c.argc:
        flag = opt_of(c, i) & allowed
        given = opts.flags & (~flag | once)
        rivals = flag
        if flag & OPT_EXPIRY:
            rivals = OPT_EXPIRY
        elif flag & OPT_CONDITION:
            rivals = OPT_CONDITION
        elif flag & OPT_BY:
            rivals = OPT_BY
        if flag == 0 or given & rivals:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        opts.flags |= flag
        if flag & OPT_WITH_ARGUMENT:
            i += 1
            if i == c.argc:
                reply_error(c, ERR_SYNTAX)
                return C_ERR
            if flag & OPT_TIME:
                opts.time = i
            elif flag & OPT_MATCH:
                opts.match = i
            elif flag & OPT_BY:
                opts.by = i
            elif flag & OPT_LBOUND:
                opts.low = i
            else:
                opts.high = i
        i += 1
    return C_OK


cdef status_t opt_time_or_reply(
    client_t *c, int i, uint32_t unit, int64_t *when_out
) noexcept nogil:
    """Read argument i as the time of an expiry, in ms of the wall clock.

    unit: one of OPT_TIME, which says in what and from when on it counts.
    """
    cdef int64_t n
    cdef char[ERROR_MAX] text
    if arg_i64_or_reply(c, i, &n) != C_OK:
        return C_ERR
    if n > 0 and unit & (OPT_EX | OPT_EXAT):
        n = n * 1000 if n <= INT64_MAX // 1000 else 0
    if n > 0 and unit & (OPT_EX | OPT_PX):
        n = n + c.srv.now_ms if n <= INT64_MAX - c.srv.now_ms else 0
    if n <= 0:
        snprintf(text, ERROR_MAX, b"ERR invalid expire time in '%s' command",
                 c.cmd.name)
        reply_error(c, text)
        return C_ERR
    when_out[0] = n
    return C_OK


cdef status_t opt_expiry_or_reply(
    client_t *c, const options_t *opts, int64_t *when_out
) noexcept nogil:
    """Return the time that the options ask for, DB_KEEP_TTL or DB_NO_TTL."""
    if opts.flags & OPT_TIME:
        return opt_time_or_reply(c, opts.time, opts.flags & OPT_TIME, when_out)
    when_out[0] = DB_KEEP_TTL if opts.flags & OPT_KEEPTTL else DB_NO_TTL
    return C_OK
