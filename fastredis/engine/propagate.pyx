# SPDX-License-Identifier: BSD-3-Clause
r"""What is written down of the changes of the data set: for the append-only file, and
for replicas.

    SET k 1 --> handler ----------------------------> changed something: SET k 1
    SPOP s  --> handler: feed_instead, SREM s a ----> SREM s a
    GET k   --> keyspace: expired, feed_deletion ---> DEL k

    feed_t.buf   SELECT 0 | SET k 1 | SREM s a | MULTI | ... | EXEC | DEL k | ...
                                                 <---- a unit ---->

A request that has changed something is written as it came, unless its handler has said
what to write instead: whatever depends on the time, on chance or on who waits is
written as its result. One command, or the commands of one EXEC, are a unit: if more
than one request comes of it, they are wrapped, so that they take effect together or not
at all.

The buffer is emptied at the end of each round of the event loop, before any reply of
that round is sent: it is appended to what replicas are sent (server_t.write_replicas),
then to a file (write_feed). What a client was told has been written.

Nothing of this is done while nobody writes (server_t.feeds is 0).

Cost: O(bytes) for each change. Threads: the thread that executes commands.
"""
from fastredis.core.mem cimport zcalloc, zfree, zrealloc, zsize
from fastredis.core.num cimport num_format_i64, num_format_u64
from fastredis.core.status cimport fr_unlikely
from fastredis.engine.client cimport (
    CMD_MAY_REPLICATE,
    CMD_TOUCHES_ARBITRARY_KEYS,
    CMD_WRITE,
    FEED_AOF,
    FEED_REPLICAS,
)
from fastredis.resp.parser cimport argv_t
from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memmove, strlen

cdef enum:
    BUFFER_MIN = 16 * 1024
    BUFFER_KEPT = 1024 * 1024       # a larger one is given back when it is empty
    DIGITS = 24
    UNKNOWN_DB = -1

cdef const char *MULTI = b"*1\r\n$5\r\nMULTI\r\n"
cdef const char *EXEC = b"*1\r\n$4\r\nEXEC\r\n"


# --- Bytes ------------------------------------------------------------------------


cdef inline feed_t *_own(server_t *srv) noexcept nogil:
    return <feed_t *>srv.feed


cdef void _grow(feed_t *f, size_t nbytes) noexcept nogil:
    f.cap = max(2 * f.cap, f.len + nbytes, <size_t>BUFFER_MIN)
    f.buf = <char *>zrealloc(f.buf, f.cap)
    f.cap = zsize(f.buf)


cdef inline void _put(feed_t *f, const void *s, size_t nbytes) noexcept nogil:
    if f.cap - f.len < nbytes:
        _grow(f, nbytes)
    memcpy(f.buf + f.len, s, nbytes)
    f.len += nbytes


cdef inline void _put_count(feed_t *f, char kind, uint64_t n) noexcept nogil:
    """Append the line that says how many arguments, or bytes, follow."""
    cdef char[DIGITS + 3] line
    cdef int len
    line[0] = kind
    len = 1 + num_format_u64(line + 1, n)
    line[len] = b"\r"
    line[len + 1] = b"\n"
    _put(f, line, len + 2)


cdef inline void _put_arg(feed_t *f, const char *s, size_t nbytes) noexcept nogil:
    _put_count(f, b"$", nbytes)
    _put(f, s, nbytes)
    _put(f, b"\r\n", 2)


cdef inline int _ndigits(uint64_t n) noexcept nogil:
    cdef int k = 1
    while n >= 10:
        n //= 10
        k += 1
    return k


cdef bint _is_as_sent(const client_t *c) noexcept nogil:
    """Return whether the arguments stand in the client's request as in the file.

    That is so for requests from a connection, which are in the buffer that was read,
    unless they are inline.
    """
    cdef const argv_t *argv = &c.srv.argv
    cdef const char *end
    cdef int i
    if c.argv < argv.args or c.argv >= argv.args + argv.len:
        return False        # arguments from elsewhere, which are apart in memory
    for i in range(1, c.argc):
        end = c.argv[i - 1].ptr + c.argv[i - 1].len
        # "\r\n$", the length, "\r\n"
        if c.argv[i].ptr - end != 5 + _ndigits(c.argv[i].len) or end[1] != b"\n":
            return False
    return True


cdef void _put_request(feed_t *f, const client_t *c) noexcept nogil:
    """Append the arguments of a request: in one copy, if that is possible."""
    cdef const char *first = c.argv[0].ptr
    cdef int i
    if not _is_as_sent(c):
        for i in range(c.argc):
            _put_arg(f, c.argv[i].ptr, c.argv[i].len)
        return
    _put_count(f, b"$", c.argv[0].len)
    _put(f, first, c.argv[c.argc - 1].ptr + c.argv[c.argc - 1].len - first)
    _put(f, b"\r\n", 2)


cdef inline void _count(server_t *srv, int n) noexcept nogil:
    """Note that requests were written.

    Replicas are sent bytes, and count those. Without them any number that grows does,
    so that clients can wait until what they changed is on the disk.
    """
    if not srv.feeds & FEED_REPLICAS and not srv.is_replica:
        srv.repl_offset += n


cdef inline int64_t _offset(const server_t *srv, const feed_t *f) noexcept nogil:
    """Return the offset of what was written by now."""
    if not srv.feeds & FEED_REPLICAS:
        return srv.repl_offset
    return srv.repl_offset + <int64_t>(f.len - f.taken)


cdef void _begin(server_t *srv, int db, int argc) noexcept nogil:
    """Begin a request for a database."""
    cdef feed_t *f = _own(srv)
    cdef char[DIGITS] digits
    srv.feed_waits = True
    if f.db != db:
        f.db = db
        _put_count(f, b"*", 2)
        _put_arg(f, b"SELECT", 6)
        _put_arg(f, digits, num_format_i64(digits, db))
    f.unit_ncommands += 1
    _count(srv, 1)
    _put_count(f, b"*", argc)


# --- For handlers -----------------------------------------------------------------


cdef void feed_instead(client_t *c, int argc) noexcept nogil:
    """Begin a request in place of the one being executed."""
    if c.srv.feeds == 0:
        return
    _own(c.srv).is_replaced = True
    if argc:
        _begin(c.srv, c.db.id, argc)


cdef void feed_text(client_t *c, const char *s) noexcept nogil:
    """Append an argument."""
    if c.srv.feeds:
        _put_arg(_own(c.srv), s, strlen(s))


cdef void feed_bytes(client_t *c, const char *s, size_t nbytes) noexcept nogil:
    """Append an argument."""
    if c.srv.feeds:
        _put_arg(_own(c.srv), s, nbytes)


cdef void feed_i64(client_t *c, int64_t v) noexcept nogil:
    """Append an argument, as decimal digits."""
    cdef char[DIGITS] digits
    if c.srv.feeds:
        _put_arg(_own(c.srv), digits, num_format_i64(digits, v))


cdef void feed_args(client_t *c, int first, int last) noexcept nogil:
    """Append arguments of the request itself."""
    cdef int i
    if c.srv.feeds:
        for i in range(first, last):
            _put_arg(_own(c.srv), c.argv[i].ptr, c.argv[i].len)


cdef void feed_key(client_t *c, const char *name, const dbkey_t *key) noexcept nogil:
    """Have a request of a key alone written instead."""
    feed_instead(c, 2)
    feed_text(c, name)
    feed_bytes(c, key.ptr, key.len)


cdef void feed_key_i64(
    client_t *c, const char *name, const dbkey_t *key, int64_t v
) noexcept nogil:
    """Have a request of a key and a number written instead."""
    feed_instead(c, 3)
    feed_text(c, name)
    feed_bytes(c, key.ptr, key.len)
    feed_i64(c, v)


cdef void feed_anyway(client_t *c) noexcept nogil:
    """Have the request written though nothing has changed."""
    if c.srv.feeds:
        _own(c.srv).is_forced = True


cdef void feed_message(client_t *c) noexcept nogil:
    """Have the request sent to the replicas; it changes nothing that is kept."""
    if c.srv.feeds & FEED_REPLICAS:
        _own(c.srv).is_forced = _own(c.srv).is_message = True


# --- For the engine ---------------------------------------------------------------


cdef void feed_begin_unit(server_t *srv) noexcept nogil:
    """Begin a unit."""
    cdef feed_t *f = _own(srv)
    if srv.feeds == 0:
        return
    f.is_unit_open = True
    f.is_unwrapped = False
    f.unit_at = f.len
    f.unit_ncommands = 0


cdef void feed_end_unit(server_t *srv) noexcept nogil:
    """End a unit: wrap it if it has several requests."""
    cdef feed_t *f = _own(srv)
    cdef size_t n = strlen(MULTI)
    if srv.feeds == 0 or not f.is_unit_open:
        return
    f.is_unit_open = False
    if f.unit_ncommands < 2 or f.is_unwrapped:
        return
    if f.cap - f.len < n:
        _grow(f, n)
    memmove(f.buf + f.unit_at + n, f.buf + f.unit_at, f.len - f.unit_at)
    memcpy(f.buf + f.unit_at, MULTI, n)
    f.len += n
    _put(f, EXEC, strlen(EXEC))
    _count(srv, 2)


cdef void _send_message(server_t *srv, feed_t *f) noexcept nogil:
    """Hand the unit, a message, to the replicas, and keep it out of the file.

    Within a transaction it stays where it is: what surrounds it has to surround it.
    """
    srv.write_replicas(srv, f.buf + f.taken, f.len - f.taken)
    f.len = f.taken = f.unit_at
    f.db = UNKNOWN_DB           # the file has not been told which it is


cdef void feed_call(client_t *c) noexcept nogil:
    """Execute c.cmd, and write the request down if need be."""
    cdef server_t *srv = c.srv
    cdef feed_t *f = _own(srv)
    cdef uint64_t dirty = srv.dirty
    cdef int64_t offset = _offset(srv, f)
    cdef bint is_outer = not f.is_unit_open
    cdef bint was_replaced = f.is_replaced
    cdef bint was_forced = f.is_forced
    cdef uint32_t flags = c.cmd.flags
    if is_outer:
        feed_begin_unit(srv)
        f.is_unwrapped = (c.cmd.flags & CMD_TOUCHES_ARBITRARY_KEYS) != 0
    f.is_replaced = f.is_forced = False
    c.cmd.fn(c)
    # what else changes something, as DEBUG RELOAD, is not to be done once more
    if (srv.dirty != dirty or f.is_forced) and not f.is_replaced and srv.feeds \
            and flags & (CMD_WRITE | CMD_MAY_REPLICATE):
        _begin(srv, c.db.id, c.argc)
        _put_request(f, c)
    # what a command executes stands for it: EXEC, commands written in Python
    f.is_replaced = was_replaced or srv.dirty != dirty
    f.is_forced = was_forced
    if is_outer:
        feed_end_unit(srv)
        if fr_unlikely(f.is_message):
            f.is_message = False
            if srv.feeds & FEED_AOF and c.cmd.flags & CMD_MAY_REPLICATE:
                _send_message(srv, f)
        if _offset(srv, f) != offset:
            c.write_offset = _offset(srv, f)


cdef void feed_deletion(
    server_t *srv, db_t *db, const dbkey_t *key, bint is_lazy
) noexcept nogil:
    """Write down that a key goes by itself."""
    if not _own(srv).is_unit_open:
        _own(srv).unit_ncommands = 0
    _begin(srv, db.id, 2)
    if is_lazy:
        _put_arg(_own(srv), b"UNLINK", 6)
    else:
        _put_arg(_own(srv), b"DEL", 3)
    _put_arg(_own(srv), key.ptr, key.len)


cdef void _on_field_expired(
    void *ctx, db_t *db, const dbkey_t *key, const char *field, size_t n
) noexcept nogil:
    """Write down that a field of a hash goes by itself; with the last, its key does."""
    cdef server_t *srv = <server_t *>ctx
    if not _own(srv).is_unit_open:
        _own(srv).unit_ncommands = 0
    _begin(srv, db.id, 3)
    _put_arg(_own(srv), b"HDEL", 4)
    _put_arg(_own(srv), key.ptr, key.len)
    _put_arg(_own(srv), field, n)


# --- For what writes --------------------------------------------------------------


cdef void feed_write_all(server_t *srv) noexcept nogil:
    """Hand what waits to all that write."""
    cdef feed_t *f = _own(srv)
    if srv.feeds & FEED_REPLICAS:
        srv.write_replicas(srv, f.buf + f.taken, f.len - f.taken)
    f.taken = f.len             # should the file fail, it has it once more
    if srv.feeds & FEED_AOF:
        srv.write_feed(srv)
    else:
        feed_clear(srv)


cdef void feed_start(server_t *srv, int which) noexcept nogil:
    """Collect from now on."""
    cdef feed_t *f
    if srv.feed == NULL:
        srv.feed = zcalloc(sizeof(feed_t))
        _own(srv).db = UNKNOWN_DB
    f = _own(srv)
    srv.feeds |= which
    srv.ks.hooks.field_expired = _on_field_expired
    f.db = UNKNOWN_DB
    f.is_unit_open = srv.is_in_exec
    f.unit_at = f.len
    f.unit_ncommands = 0


cdef void feed_stop(server_t *srv, int which) noexcept nogil:
    """Collect no more for one of those that write."""
    srv.feeds &= ~which
    if srv.feeds == 0:
        srv.ks.hooks.field_expired = NULL
        feed_clear(srv)


cdef feed_t *feed_of(server_t *srv) noexcept nogil:
    """Return what waits to be written."""
    return _own(srv)


cdef void feed_clear(server_t *srv) noexcept nogil:
    """Forget what waits: it has been written."""
    cdef feed_t *f = _own(srv)
    srv.feed_waits = False
    if f == NULL:
        return
    f.len = f.unit_at = f.taken = 0
    if f.cap > BUFFER_KEPT:
        zfree(f.buf)
        f.buf = NULL
        f.cap = 0


cdef void feed_prepend(server_t *srv, const char *s, size_t nbytes) noexcept nogil:
    """Put bytes before all that waits."""
    cdef feed_t *f = _own(srv)
    if f.cap - f.len < nbytes:
        _grow(f, nbytes)
    memmove(f.buf + nbytes, f.buf, f.len)
    memcpy(f.buf, s, nbytes)
    f.len += nbytes
    f.unit_at += nbytes
    f.taken += nbytes


cdef void feed_reselect(server_t *srv) noexcept nogil:
    """Name the database anew: what follows is read by itself."""
    if srv.feed != NULL:
        _own(srv).db = UNKNOWN_DB


cdef void feed_free(server_t *srv) noexcept nogil:
    """Free the buffer."""
    if srv.feed != NULL:
        zfree(_own(srv).buf)
        zfree(srv.feed)
        srv.feed = NULL
