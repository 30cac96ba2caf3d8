# SPDX-License-Identifier: BSD-3-Clause
r"""Commands about the connection itself: who it is, how it talks, where it is.

         AUTH, HELLO ... AUTH                   CLIENT REPLY OFF / SKIP
    new ----------------------> authenticated <-----------------------> silent
     ^                                |                CLIENT REPLY ON
     +------------- RESET ------------+

A server without a password takes every connection for authenticated. QUIT closes once
the reply has been sent.
"""
from fastredis.core.blob cimport blob_copy, blob_release, blob_t
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.args cimport arg_db_or_reply, arg_i64_or_error, arg_is
from fastredis.engine.auth cimport auth_check
from fastredis.engine.client cimport (
    CLIENT_AUTHENTICATED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_NO_TOUCH,
    CLIENT_PUBSUB,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP,
    CLIENT_REPLY_SKIP_NEXT,
    client_reset,
    client_select,
    client_t,
)
from fastredis.engine.errors cimport ERR_NO_PROTO, ERR_SYNTAX, ERR_WRONG_PASS
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_cstring,
    reply_error,
    reply_error_arg,
    reply_int,
    reply_map,
    reply_null,
    reply_ok,
    reply_simple,
    reply_wrong_arity,
)
from libc.stdint cimport int64_t
from libc.string cimport memcmp


# --- Authentication ---------------------------------------------------------------


cdef status_t _log_in_or_reply(client_t *c, int user, int password) noexcept nogil:
    """Authenticate with two arguments; user 0 stands for the default user.

    A failure changes nothing: who was authenticated stays so.
    """
    cdef bint is_known = user == 0 or (
        c.argv[user].len == 7 and memcmp(c.argv[user].ptr, b"default", 7) == 0)
    # checked for unknown users too, so that the time tells nothing
    cdef bint is_right = auth_check(
        c.srv, c.argv[password].ptr, c.argv[password].len)
    if not (is_known and is_right):
        c.srv.stats.auth_failures += 1
        reply_error(c, ERR_WRONG_PASS)
        return C_ERR
    c.flags |= CLIENT_AUTHENTICATED
    return C_OK


cdef api void cmd_auth(client_t *c) noexcept nogil:
    """AUTH [username] password"""
    if c.argc > 3:
        reply_error(c, ERR_SYNTAX)
        return
    if c.argc == 2 and c.srv.password == NULL:
        reply_error(
            c, b"ERR AUTH <password> called without any password configured for the "
            b"default user. Are you sure your configuration is correct?")
        return
    if _log_in_or_reply(c, 1 if c.argc == 3 else 0, c.argc - 1) == C_OK:
        reply_ok(c)


# --- Names ------------------------------------------------------------------------


cdef bint _is_plain(const char *s, size_t nbytes) noexcept nogil:
    """Return whether the text can stand in CLIENT LIST: printable, without blanks."""
    cdef size_t i
    for i in range(nbytes):
        if not 33 <= <unsigned char>s[i] <= 126:
            return False
    return True


cdef void _set_text(client_t *c, blob_t **field, int i) noexcept nogil:
    """Keep a copy of argument i; the empty string takes away what there is."""
    blob_release(field[0])
    field[0] = NULL
    if c.argv[i].len:
        field[0] = blob_copy(c.argv[i].ptr, c.argv[i].len, 0)


cdef status_t _check_name_or_reply(client_t *c, int i) noexcept nogil:
    if _is_plain(c.argv[i].ptr, c.argv[i].len):
        return C_OK
    reply_error(
        c, b"ERR Client names cannot contain spaces, newlines or special characters.")
    return C_ERR


cdef api void cmd_client_id(client_t *c) noexcept nogil:
    """CLIENT ID"""
    reply_int(c, c.id)


cdef api void cmd_client_getname(client_t *c) noexcept nogil:
    """CLIENT GETNAME"""
    if c.name == NULL:
        reply_null(c)
    else:
        reply_bulk(c, c.name.data, c.name.len)


cdef api void cmd_client_setname(client_t *c) noexcept nogil:
    """CLIENT SETNAME connection-name"""
    if _check_name_or_reply(c, 2) == C_OK:
        _set_text(c, &c.name, 2)
        reply_ok(c)


cdef api void cmd_client_setinfo(client_t *c) noexcept nogil:
    """CLIENT SETINFO LIB-NAME name | LIB-VER version"""
    cdef blob_t **field
    if arg_is(c, 2, b"lib-name"):
        field = &c.lib_name
    elif arg_is(c, 2, b"lib-ver"):
        field = &c.lib_ver
    else:
        reply_error_arg(c, b"ERR Unrecognized option '", 2, b"'")
        return
    if not _is_plain(c.argv[3].ptr, c.argv[3].len):
        reply_error_arg(
            c, b"ERR ", 2, b" cannot contain spaces, newlines or special characters.")
        return
    _set_text(c, field, 3)
    reply_ok(c)


# --- Behaviour of the connection --------------------------------------------------


cdef api void cmd_client_no_touch(client_t *c) noexcept nogil:
    """CLIENT NO-TOUCH ON | OFF"""
    cdef bint is_on = arg_is(c, 2, b"on")
    if not is_on and not arg_is(c, 2, b"off"):
        reply_error(c, ERR_SYNTAX)
        return
    if is_on:
        c.flags |= CLIENT_NO_TOUCH
    else:
        c.flags &= ~CLIENT_NO_TOUCH
    # the flag is looked at once a batch; the rest of this one shall obey it too
    c.srv.ks.is_no_touch = is_on
    reply_ok(c)


cdef api void cmd_client_reply(client_t *c) noexcept nogil:
    """CLIENT REPLY ON | OFF | SKIP: only ON is answered."""
    if arg_is(c, 2, b"on"):
        c.flags &= ~(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)
        reply_ok(c)
    elif arg_is(c, 2, b"off"):
        c.flags |= CLIENT_REPLY_OFF
    elif arg_is(c, 2, b"skip"):
        if not c.flags & CLIENT_REPLY_OFF:
            c.flags |= CLIENT_REPLY_SKIP_NEXT
    else:
        reply_error(c, ERR_SYNTAX)


cdef api void cmd_select(client_t *c) noexcept nogil:
    """SELECT index"""
    cdef int index
    if arg_db_or_reply(c, 1, &index) == C_OK:
        client_select(c, index)
        reply_ok(c)


cdef api void cmd_quit(client_t *c) noexcept nogil:
    """QUIT"""
    reply_ok(c)
    c.flags |= CLIENT_CLOSE_AFTER_REPLY


cdef api void cmd_reset(client_t *c) noexcept nogil:
    """RESET"""
    client_reset(c)
    c.srv.ks.is_no_touch = False
    c.srv.ks.is_expired_shown = False
    reply_simple(c, b"RESET")


# --- Greetings --------------------------------------------------------------------


cdef api void cmd_ping(client_t *c) noexcept nogil:
    """PING [message]"""
    if c.argc > 2:
        reply_wrong_arity(c)
    elif c.flags & CLIENT_PUBSUB and c.out.resp == 2:
        # like a message, since a subscriber of RESP2 expects nothing else
        reply_array(c, 2)
        reply_cstring(c, b"pong")
        if c.argc == 1:
            reply_cstring(c, b"")
        else:
            reply_bulk(c, c.argv[1].ptr, c.argv[1].len)
    elif c.argc == 1:
        reply_simple(c, b"PONG")
    else:
        reply_bulk(c, c.argv[1].ptr, c.argv[1].len)


cdef api void cmd_echo(client_t *c) noexcept nogil:
    """ECHO message"""
    reply_bulk(c, c.argv[1].ptr, c.argv[1].len)


cdef void _reply_greeting(client_t *c) noexcept nogil:
    """Reply what HELLO tells: the server as client libraries want to know it."""
    reply_map(c, 7)
    reply_cstring(c, b"server")
    reply_cstring(c, b"redis")
    reply_cstring(c, b"version")
    # the version whose behaviour this is, not that of this package: libraries
    # decide by it what they may use
    reply_cstring(c, c.srv.redis_version)
    reply_cstring(c, b"proto")
    reply_int(c, c.out.resp)
    reply_cstring(c, b"id")
    reply_int(c, c.id)
    reply_cstring(c, b"mode")
    reply_cstring(c, b"standalone")
    reply_cstring(c, b"role")
    reply_cstring(c, b"master")
    reply_cstring(c, b"modules")
    reply_array(c, 0)


cdef api void cmd_hello(client_t *c) noexcept nogil:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]"""
    cdef int64_t proto = 0
    cdef int user = 0, name = 0, i = 2
    if c.argc > 1:
        if arg_i64_or_error(
            c, 1, b"ERR Protocol version is not an integer or out of range", &proto
        ) != C_OK:
            return
        if not 2 <= proto <= 3:
            reply_error(c, ERR_NO_PROTO)
            return
    while i < c.argc:
        if arg_is(c, i, b"auth") and i + 2 < c.argc:
            user = i + 1
            i += 3
        elif arg_is(c, i, b"setname") and i + 1 < c.argc:
            name = i + 1
            if _check_name_or_reply(c, name) != C_OK:
                return
            i += 2
        else:
            reply_error_arg(c, b"ERR Syntax error in HELLO option '", i, b"'")
            return
    if user and _log_in_or_reply(c, user, user + 1) != C_OK:
        return
    if not c.flags & CLIENT_AUTHENTICATED:
        reply_error(
            c, b"NOAUTH HELLO must be called with the client already authenticated, "
            b"otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
            b"authenticate the client and select the RESP protocol version at the "
            b"same time")
        return
    if name:
        _set_text(c, &c.name, name)
    if proto:
        c.out.resp = <int>proto
    _reply_greeting(c)
