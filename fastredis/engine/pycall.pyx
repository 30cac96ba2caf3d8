# SPDX-License-Identifier: BSD-3-Clause
r"""Commands whose handler is a Python function.

    client_t: argv --> bytes --> handler(ctx, *args) --> value --> write_value --> reply

The GIL is taken for the call alone. What a handler raises never goes further: a
ReplyError is the reply; any other exception is logged with its traceback, and the
client is told that the command failed.
"""
from cython cimport final
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from fastredis.engine.client cimport (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_FAKE,
    CLIENT_UNIX_SOCKET,
    server_update_clock,
)
from fastredis.engine.describe cimport client_describe
from fastredis.engine.reply cimport reply_error_len
from fastredis.resp.writer cimport (
    out_apart,
    out_bytes,
    out_clear,
    out_join,
    out_t,
    resp_array,
    resp_bool,
    resp_bulk,
    resp_double,
    resp_error,
    resp_int,
    resp_map,
    resp_null,
    resp_null_array,
    resp_set,
    resp_simple,
    resp_verbatim,
)
from libc.string cimport strncmp

from fastredis.resp.values import (
    NO_REPLY,
    NULL_ARRAY,
    RawReply,
    ReplySet,
    ReplyError,
    SimpleString,
    Verbatim,
)

cdef object _no_reply = NO_REPLY
cdef object _null_array = NULL_ARRAY
cdef object _RawReply = RawReply
cdef object _ReplySet = ReplySet
cdef object _ReplyError = ReplyError
cdef object _SimpleString = SimpleString
cdef object _Verbatim = Verbatim


# --- Values -----------------------------------------------------------------------


cdef int write_value(out_t *o, object value) except -1:
    """Append a Python value as a reply.

    Raises: TypeError for a type that has no RESP form, OverflowError for an integer
    of more than 64 bits.
    """
    cdef bytes raw
    if value is None:
        resp_null(o)
    elif isinstance(value, bytes):
        if isinstance(value, _RawReply):
            out_bytes(o, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        else:
            resp_bulk(o, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    elif isinstance(value, bool):
        resp_bool(o, value)
    elif isinstance(value, int):
        resp_int(o, value)
    elif isinstance(value, float):
        resp_double(o, value)
    elif isinstance(value, str):
        raw = (<str>value).encode("utf-8", "surrogateescape")
        if isinstance(value, _SimpleString):
            resp_simple(o, PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
        elif isinstance(value, _Verbatim):
            resp_verbatim(o, b"txt", PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
        else:
            resp_bulk(o, PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
    elif isinstance(value, (set, frozenset, _ReplySet)):
        resp_set(o, len(value))
        for item in value:
            write_value(o, item)
    elif isinstance(value, (list, tuple)):
        resp_array(o, len(value))
        for item in value:
            write_value(o, item)
    elif isinstance(value, dict):
        resp_map(o, len(value))
        for key, item in (<dict>value).items():
            write_value(o, key)
            write_value(o, item)
    elif value is _null_array:
        resp_null_array(o)
    elif isinstance(value, _ReplyError):
        raw = str(value).encode("utf-8", "surrogateescape")
        resp_error(o, PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))
    elif isinstance(value, (bytearray, memoryview)):
        write_value(o, bytes(value))
    else:
        raise TypeError(f"a command cannot reply a {type(value).__name__}")
    return 0


# --- Calls ------------------------------------------------------------------------


cdef bint _is_local(client_t *c) noexcept:
    """Return whether a client is on this machine."""
    return c.flags & (CLIENT_UNIX_SOCKET | CLIENT_FAKE) or \
        strncmp(c.peer, b"127.", 4) == 0 or strncmp(c.peer, b"[::1]", 5) == 0 or \
        strncmp(c.peer, b"[::ffff:127.", 12) == 0


@final
cdef class Caller:
    """The client that sent a command: its id, its database, the version of the protocol
    it speaks, and whether it is on this machine."""

    cdef readonly object id
    cdef readonly int db
    cdef readonly int resp
    cdef readonly bint is_local


@final
cdef class Context:
    """What a handler knows of its caller; valid during the call only."""

    @property
    def server(self):
        """The fastredis.server.Server that runs the command."""
        return self.engine.server

    @property
    def client(self):
        """The client that sent the command."""
        cdef Caller caller = Caller.__new__(Caller)
        self._check()
        caller.id = self.c.id
        caller.db = self.c.db.id
        caller.resp = self.c.out.resp
        caller.is_local = _is_local(self.c)
        return caller

    def call(self, *args):
        """Execute a command in the client's database and return its reply.

        Raises: ReplyError if the command replies an error.
        """
        self._check()
        return self.engine.call(args, self.c.db.id)

    def describe_client(self):
        """Return the dict of Engine.client for the client that sent the command."""
        self._check()
        return client_describe(self.c)

    def hang_up(self):
        """Close the client once its reply is sent; it executes nothing more.

        A caller without a connection (Server.call) stays as it is.
        """
        self._check()
        if not self.c.flags & CLIENT_FAKE:
            self.c.flags |= CLIENT_CLOSE_AFTER_REPLY

    def _check(self):
        if self.c is NULL:
            raise RuntimeError("the context of a command is used after its call")


cdef void _reply_exception(client_t *c, object error) noexcept:
    """Reply what an exception says."""
    cdef bytes raw
    if isinstance(error, _ReplyError):
        raw = str(error).encode("utf-8", "surrogateescape")
    else:
        text = f"ERR {type(error).__name__} in command: {error}"
        raw = text.encode("utf-8", "replace")
    reply_error_len(c, PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw))


cdef void _call(client_t *c) noexcept with gil:
    cdef Context ctx = Context.__new__(Context)
    cdef int first = 1, i
    cdef list args = []
    cdef object handler = <object>c.cmd.python
    ctx.c = c
    ctx.engine = <object>c.srv.runtime
    try:
        for i in range(c.cmd.name_len):
            if c.cmd.name[i] == b"|":
                first = 2
                break
        for i in range(first, c.argc):
            args.append(c.argv[i].ptr[:c.argv[i].len])
        value = handler(ctx, *args)
        if isinstance(value, _ReplyError):
            _reply_exception(c, value)
        elif value is not _no_reply:
            _write_whole(c, value)
    except _ReplyError as error:
        _reply_exception(c, error)
    except BaseException as error:
        _reply_exception(c, error)
        try:
            ctx.engine.log_exception(c.cmd.name.decode("utf-8", "replace"), error)
        except Exception:
            pass
    ctx.c = NULL


cdef int _write_whole(client_t *c, object value) except -1:
    """Append a value, or nothing at all if part of it has no RESP form."""
    cdef out_t own = out_apart(&c.out)
    try:
        write_value(&own, value)
    except BaseException:
        out_clear(&own)
        raise
    out_join(&c.out, &own)
    return 0


cdef void cmd_call_python(client_t *c) noexcept nogil:
    """Call the handler of a command that is written in Python."""
    _call(c)
    server_update_clock(c.srv)
