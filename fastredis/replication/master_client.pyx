# SPDX-License-Identifier: BSD-3-Clause
r"""The link to a master as a client, once the data set is there.

    socket --reactor--> engine_feed --> requests executed
                            |
                            +--> fed: bytes applied --> backlog, repl_offset
                                      bytes of an open transaction --> held

The client is served as any other; what makes it the link is CLIENT_MASTER and the
master_t that hangs on it. MasterClient is what link.py holds of it.

Cost: a copy of the stream to the backlog. Threads: the one that executes commands.
"""
from cython cimport final
from fastredis.core.mem cimport zfree, zrealloc, zsize
from fastredis.core.num cimport num_format_i64
from fastredis.engine.client cimport (
    CLIENT_AUTHENTICATED,
    CLIENT_CLOSE_ASAP,
    CLIENT_MASTER,
    client_close,
    client_queue_write,
    client_select,
    client_t,
    server_update_clock,
)
from fastredis.engine.master cimport master_t
from fastredis.engine.runtime cimport Engine
from fastredis.net.conn cimport conn_received
from fastredis.replication.backlog cimport backlog_append
from fastredis.resp.writer cimport out_bytes
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset, strlen

cdef const char *ACK = b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$"

cdef enum:
    DIGITS = 24
    HELD_KEPT = 1024 * 1024     # a larger buffer is given back when it is empty


# --- The stream -------------------------------------------------------------------


cdef void _hold(master_t *m, const char *s, size_t n) noexcept nogil:
    """Keep bytes that are executed but have not taken effect yet."""
    if m.held_cap - m.nheld < n:
        m.held_cap = max(2 * m.held_cap, m.nheld + n)
        m.held = <char *>zrealloc(m.held, m.held_cap)
        m.held_cap = zsize(m.held)
    memcpy(m.held + m.nheld, s, n)
    m.nheld += n


cdef void _fed(client_t *c, const char *buf, size_t used) noexcept nogil:
    """Count what has taken effect, and pass it on."""
    cdef master_t *m = <master_t *>c.replica
    if m.applied:
        if m.nheld:
            backlog_append(c.srv, m.held, m.nheld)
            m.nheld = 0
            if m.held_cap > HELD_KEPT:
                zfree(m.held)
                m.held = NULL
                m.held_cap = 0
        backlog_append(c.srv, buf, m.applied)
    if used > m.applied:
        _hold(m, buf + m.applied, used - m.applied)
    if m.wants_ack:
        m.wants_ack = False
        _ack(c)


cdef void _ack(client_t *c) noexcept nogil:
    """Tell the master how much has been applied."""
    cdef char[DIGITS] number
    cdef char[DIGITS] length
    cdef int n = num_format_i64(number, c.srv.repl_offset)
    if c.flags & CLIENT_CLOSE_ASAP:
        return
    out_bytes(&c.out, ACK, strlen(ACK))
    out_bytes(&c.out, length, num_format_i64(length, n))
    out_bytes(&c.out, b"\r\n", 2)
    out_bytes(&c.out, number, n)
    out_bytes(&c.out, b"\r\n", 2)
    client_queue_write(c)


cdef void _failed(client_t *c, const char *text, size_t nbytes) noexcept nogil:
    """Log an error that a request of the stream was replied."""
    cdef master_t *m = <master_t *>c.replica
    with gil:
        (<MasterClient>m.owner).note_error(
            text[:nbytes], b"" if c.cmd == NULL else <bytes>c.cmd.name)


cdef void _release(client_t *c) noexcept nogil:
    """The client is about to be freed: the link is broken."""
    cdef master_t *m = <master_t *>c.replica
    c.replica = NULL
    if m.release != NULL:
        m.release(c)
    zfree(m.held)
    m.held = NULL
    with gil:
        (<MasterClient>m.owner).note_end()


# --- From Python ------------------------------------------------------------------


@final
cdef class MasterClient:
    """A client that is made the link to the master.

    db: the database that the stream goes on in. rest: of the stream, read before.
    on_end(): called when the connection has ended. on_error(text, command): called
    with what a request of the stream was replied.
    """

    cdef Engine engine
    cdef client_t *c                # NULL after its end
    cdef master_t state
    cdef object on_end
    cdef object on_error
    cdef int last_db                # of the stream when it ended

    def __cinit__(self, Engine engine, uint64_t client_id, int db, on_end, on_error):
        cdef client_t *c = engine.srv.clients
        memset(&self.state, 0, sizeof(self.state))
        while c != NULL and c.id != client_id:
            c = c.next
        if c == NULL:
            raise ConnectionResetError("the connection is closed")
        self.engine = engine
        self.on_end = on_end
        self.on_error = on_error
        self.c = c
        self.last_db = db
        self.state.fed = _fed
        self.state.failed = _failed
        self.state.release = c.release
        self.state.owner = <void *>self
        c.release = _release
        c.replica = &self.state
        c.flags |= CLIENT_MASTER | CLIENT_AUTHENTICATED
        client_select(c, db if 0 <= db < engine.srv.ks.ndbs else 0)

    def __dealloc__(self):
        if self.c != NULL:
            self.c.flags &= ~CLIENT_MASTER
            self.c.replica = NULL
            self.c.release = self.state.release
            client_close(self.c)
            zfree(self.state.held)

    def receive(self, bytes rest):
        """Execute what was read of the stream before the client was made."""
        cdef char *s = rest
        cdef size_t n = len(rest)
        if self.c != NULL and n:
            with nogil:
                server_update_clock(&self.engine.srv)
                conn_received(self.c, s, n)

    def ack(self):
        """Tell the master how much has been applied."""
        if self.c != NULL:
            _ack(self.c)

    def ack_later(self):
        """Do so when what is being executed has been."""
        self.state.wants_ack = True

    def close(self):
        """End the connection, at the end of the round."""
        if self.c != NULL:
            client_close(self.c)

    def note_error(self, bytes text, bytes command):
        """Pass an error on; called by the engine."""
        self.on_error(text.decode("utf-8", "replace"), command.decode())

    def note_end(self):
        """Pass on that the connection has ended; called by the engine."""
        if self.c != NULL:
            self.last_db = self.c.db.id
            self.c = NULL
            self.on_end()

    @property
    def is_open(self):
        """Whether the connection is there."""
        return self.c != NULL and not self.c.flags & CLIENT_CLOSE_ASAP

    @property
    def id(self):
        """The client's id; 0: it has ended."""
        return 0 if self.c == NULL else self.c.id

    @property
    def db(self):
        """The database that the stream is in."""
        return self.last_db if self.c == NULL else self.c.db.id

    @property
    def idle_ms(self):
        """How long ago something came."""
        return 0 if self.c == NULL else self.engine.srv.now_ms - self.c.active_ms

    @property
    def waiting(self):
        """Bytes that were read, but have not taken effect yet."""
        return 0 if self.c == NULL else self.state.nheld + self.c.qlen
