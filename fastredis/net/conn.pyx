# SPDX-License-Identifier: BSD-3-Clause
r"""Input of a client, whatever it comes by.

    nothing waits:  socket --> shared buffer --> execute;  a cut-off rest --> c.qbuf
    a rest waits:   socket --> c.qbuf + qlen --> execute from c.qbuf's start

So a client gets a buffer of its own only when it is in the middle of a request. The
parser says how long the request will be (c.qneed), and c.qbuf grows towards that at
most twice as fast as bytes come in. It is kept for the next such request, shrinks when
that turns out smaller, and goes when the client is idle (client_trim).
"""
from fastredis.core.mem cimport zsize, ztryrealloc
from fastredis.core.status cimport fr_likely, fr_unlikely
from fastredis.engine.client cimport (
    CLIENT_BLOCKED,
    CLIENT_CLOSE_ASAP,
    CLIENT_IN_WRITE_LIST,
    CLIENT_MASTER,
    CLIENT_UNBLOCKED,
    client_close,
    client_free_closing,
    client_queue_write,
)
from fastredis.engine.clientmem cimport clientmem_evict, clientmem_update
from fastredis.engine.execute cimport engine_feed
from fastredis.engine.propagate cimport feed_write
from fastredis.engine.runtime cimport Engine
from fastredis.engine.tracking cimport tracking_broadcast
from fastredis.net.alarm cimport alarm_set
from libc.string cimport memcpy, memmove, strncmp

cdef enum:
    READ_MIN = 16 * 1024            # room for a read into c.qbuf at first ...
    READ_MAX = 256 * 1024           # ... and as long as reads fill their room
    GROW_STEP = 1024 * 1024         # c.qbuf grows by this much beyond doubling


# --- New clients ------------------------------------------------------------------


cdef const char *_FULL = b"-ERR max number of clients reached\r\n"
# The words that clients and their users know, those of Redis.
cdef const char *_DENIED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and "
    b"no password is set for the default user. In this mode connections are only "
    b"accepted from the loopback interface. If you want to connect from external "
    b"computers to Redis you may adopt one of the following solutions: 1) Just disable "
    b"protected mode sending the command 'CONFIG SET protected-mode no' from the "
    b"loopback interface by connecting to Redis from the same host the server is "
    b"running, however MAKE SURE Redis is not publicly accessible from internet if you "
    b"do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you "
    b"can just disable the protected mode by editing the Redis configuration file, and "
    b"setting the protected mode option to 'no', and then restarting the server. 3) If "
    b"you started the server manually just for testing, restart it with the "
    b"'--protected-mode no' option. 4) Setup a an authentication password for the "
    b"default user. NOTE: You only need to do one of the above things in order for the "
    b"server to start accepting connections from the outside.\r\n"
)


cdef const char *conn_refusal(
    server_t *srv, const char *peer, bint is_unix
) noexcept nogil:
    """Say why a new client cannot stay, if it cannot; see the header."""
    if srv.nclients >= srv.max_clients:
        return _FULL
    if srv.is_protected and srv.password == NULL and not is_unix and \
            strncmp(peer, b"127.", 4) != 0 and strncmp(peer, b"[::1]", 5) != 0 and \
            strncmp(peer, b"[::ffff:127.", 12) != 0:
        return _DENIED
    return NULL


# --- Input ------------------------------------------------------------------------


cdef bint _reserve(client_t *c, size_t cap) noexcept nogil:
    """Have room for cap bytes in c.qbuf, or close the client."""
    cdef char *p
    if cap <= c.qcap:
        return True
    p = <char *>ztryrealloc(c.qbuf, cap)
    if p == NULL:
        client_close(c)
        return False
    if c.qbuf == NULL:
        c.srv.nquery_buffers += 1
    c.qbuf = p
    c.qcap = zsize(p)
    return True


cdef size_t _room_for(const client_t *c, size_t qlen) noexcept nogil:
    """Return how large c.qbuf is to be when qlen bytes wait in it."""
    cdef size_t want = qlen + (READ_MIN if c.read_room < READ_MIN else c.read_room)
    cdef size_t most = 2 * qlen + GROW_STEP
    if c.qneed > want:
        want = c.qneed if c.qneed < most else most
    return want


cdef bint conn_read_buffer(
    client_t *c, char *shared, size_t nshared, char **buf_out, size_t *room_out
) noexcept nogil:
    """Say where the next read of the client goes."""
    if c.qlen == 0:
        buf_out[0] = shared
        room_out[0] = nshared
        return True
    if not _reserve(c, _room_for(c, c.qlen)):
        return False
    buf_out[0] = c.qbuf + c.qlen
    room_out[0] = c.qcap - c.qlen
    return True


cdef void _execute_kept(client_t *c) noexcept nogil:
    """Execute what is complete in c.qbuf."""
    cdef size_t used = engine_feed(c, c.qbuf, c.qlen)
    if c.qlen > c.qpeak:
        c.qpeak = c.qlen
    c.qlen -= used
    if used and c.qlen and not c.flags & CLIENT_CLOSE_ASAP:
        memmove(c.qbuf, c.qbuf + used, c.qlen)


cdef void conn_received(client_t *c, char *buf, size_t nbytes) noexcept nogil:
    """Execute what is complete and keep the rest."""
    _received(c, buf, nbytes)
    if fr_unlikely(c.srv.client_memory_limit != 0):
        clientmem_update(c)


cdef void _received(client_t *c, char *buf, size_t nbytes) noexcept nogil:
    cdef server_t *srv = c.srv
    cdef size_t used, rest
    if srv.is_stopping:
        return
    srv.stats.net_in += nbytes
    srv.stats.reads += 1
    c.net_in += nbytes
    if c.qlen == 0:
        used = 0 if c.flags & CLIENT_BLOCKED else engine_feed(c, buf, nbytes)
        rest = nbytes - used
        if rest == 0 or c.flags & CLIENT_CLOSE_ASAP:
            return
        if not _reserve(c, _room_for(c, rest)):
            return
        memcpy(c.qbuf, buf + used, rest)
        c.qlen = rest
    else:
        if nbytes == c.qcap - c.qlen:
            # more is coming than there was room for: fewer and larger reads
            c.read_room = 2 * READ_MIN if c.read_room < READ_MIN else 2 * c.read_room
            if c.read_room > READ_MAX:
                c.read_room = READ_MAX
        c.qlen += nbytes
        if c.qlen > srv.query_buffer_limit and not c.flags & CLIENT_MASTER:
            # before the request is executed that has become too long
            srv.stats.query_limit_disconnections += 1
            client_close(c)
        elif c.flags & CLIENT_BLOCKED:
            pass
        elif c.qlen < c.qneed:
            c.active_ms = srv.now_ms
        else:
            _execute_kept(c)
    if c.qlen > srv.query_buffer_limit \
            and not c.flags & (CLIENT_CLOSE_ASAP | CLIENT_MASTER):
        srv.stats.query_limit_disconnections += 1
        client_close(c)


cdef void conn_end_round(server_t *srv) noexcept nogil:
    """Go on with clients that waited, send what was queued, free what was closed."""
    cdef client_t *c
    while True:
        while srv.unblocked != NULL:
            c = srv.unblocked
            srv.unblocked = c.next_unblocked
            c.flags &= ~CLIENT_UNBLOCKED
            if c.qlen and not c.flags & (CLIENT_CLOSE_ASAP | CLIENT_BLOCKED) \
                    and not srv.is_stopping:
                _execute_kept(c)
                client_queue_write(c)
        if fr_unlikely(srv.has_broadcasts):
            tracking_broadcast(srv)
        feed_write(srv)
        if fr_likely(srv.unblocked == NULL):
            break       # else it is on the disk what they have waited for
    if srv.blocking != NULL:
        alarm_set(srv)
    while srv.write_list != NULL:
        c = srv.write_list
        srv.write_list = c.next_write
        c.flags &= ~CLIENT_IN_WRITE_LIST
        if not c.flags & CLIENT_CLOSE_ASAP:
            c.flush(c)
            if fr_unlikely(srv.client_memory_limit != 0):
                clientmem_update(c)
    if fr_unlikely(srv.client_memory_limit != 0):
        clientmem_evict(srv)
    client_free_closing(srv)


def end_round(Engine engine):
    """Do so for what was not read from a socket: timers, calls within the process.

    Nothing is done while a client's command runs: its own round goes on.
    """
    if engine.srv.current == NULL:
        with nogil:
            conn_end_round(&engine.srv)
