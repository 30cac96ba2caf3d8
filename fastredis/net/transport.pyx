# SPDX-License-Identifier: BSD-3-Clause
r"""The portable road: clients on the event loop's transports.

    transport --get_buffer--> shared buffer, or the client's own --> conn_received
    transport <--write------- c.out, when the round ends

For platforms without epoll, and for TLS, which the event loop does. The clients are the
same as the reactor's, as is all that is executed; a request costs about a microsecond
more, and a connection some Python objects.

While the transport's own buffer is full (pause_writing), replies wait in c.out, where
the output limits see them.

Threads: the thread of the event loop, with the GIL.
"""
from cython cimport final
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.engine.client cimport (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSE_ASAP,
    CLIENT_TRANSPORT,
    CLIENT_UNIX_SOCKET,
    CLIENT_WANT_WRITE,
    client_check_output_limit,
    client_close,
    client_new,
    client_t,
    server_t,
    server_update_clock,
)
from fastredis.engine.propagate cimport feed_write
from fastredis.engine.runtime cimport Engine
from fastredis.net.conn cimport (
    conn_end_round,
    conn_read_buffer,
    conn_received,
    conn_refusal,
)
from fastredis.resp.writer cimport out_block_t, out_consume, out_seal
from libc.string cimport memset, strncpy

import socket

cdef enum:
    READ_BYTES = 64 * 1024
    WRITE_HIGH = 256 * 1024         # bytes in a transport before c.out holds the rest


@final
cdef class Window:
    """A piece of memory that the event loop reads into."""

    cdef char *start
    cdef size_t nbytes

    def __len__(self):
        return self.nbytes

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.nbytes, 0, flags)


@final
cdef class TransportRoad:
    """What the clients of one server on this road share."""

    cdef Engine engine
    cdef char *shared
    cdef readonly int nclients

    def __cinit__(self, Engine engine):
        self.engine = engine
        self.shared = <char *>zmalloc(READ_BYTES)

    def __dealloc__(self):
        zfree(self.shared)

    def __call__(self):
        """Return the protocol of a new connection."""
        return ClientProtocol(self)


cdef void _flush(client_t *c) noexcept nogil:
    """Hand what is pending to the transport, unless that is full."""
    if c.flags & CLIENT_WANT_WRITE:
        client_check_output_limit(c)
        return
    with gil:
        _write(c)


cdef void _write(client_t *c) noexcept:
    cdef out_block_t *b
    cdef object transport = (<ClientProtocol>c.protocol).transport
    cdef size_t total
    cdef list parts
    try:
        while c.out.first != NULL and not c.flags & CLIENT_WANT_WRITE:
            out_seal(&c.out)
            parts = []
            total = 0
            b = c.out.first
            while b != NULL and total < WRITE_HIGH:
                parts.append(b.start[:b.nbytes])
                total += b.nbytes
                b = b.next
            out_consume(&c.out, total)
            c.net_out += total
            if total > c.out_peak:
                c.out_peak = total
            c.srv.stats.net_out += total
            c.srv.stats.writes += 1
            transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if c.flags & CLIENT_CLOSE_AFTER_REPLY and c.out.first == NULL:
            client_close(c)
    except Exception:
        client_close(c)


cdef void _release(client_t *c) noexcept nogil:
    """The client is about to be freed: the transport closes when it has sent all."""
    with gil:
        _release_protocol(c)


cdef void _release_protocol(client_t *c) noexcept:
    cdef ClientProtocol protocol = <ClientProtocol>c.protocol
    c.protocol = NULL
    Py_DECREF(protocol)
    protocol.c = NULL
    protocol.road.nclients -= 1
    if protocol.transport is not None:
        protocol.transport.close()


@final
cdef class ClientProtocol:
    """One connection; the event loop calls the methods of asyncio.BufferedProtocol."""

    cdef TransportRoad road
    cdef client_t *c                # NULL before the connection and after its end
    cdef object transport
    cdef Window window

    def __cinit__(self, TransportRoad road):
        self.road = road
        self.window = Window()

    def connection_made(self, transport):
        """Make the client, or refuse it."""
        cdef server_t *srv = &self.road.engine.srv
        cdef const char *refusal
        cdef char[64] peer
        cdef bint is_unix
        memset(peer, 0, sizeof(peer))
        sock = transport.get_extra_info("socket")
        self.transport = transport
        is_unix = sock.family == socket.AF_UNIX
        address = sock.getsockname() if is_unix else sock.getpeername()
        _set_name(peer, sizeof(peer), address)
        refusal = conn_refusal(srv, peer, is_unix)
        if refusal != NULL:
            transport.write(<bytes>refusal)
            transport.close()
            srv.stats.rejected_connections += 1
            return
        self._serve(sock, peer, is_unix)
        srv.stats.connections += 1
        if not is_unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    cdef int _serve(self, object sock, const char *peer, bint is_unix) except -1:
        """Make the client."""
        cdef server_t *srv = &self.road.engine.srv
        cdef client_t *c
        server_update_clock(srv)
        c = client_new(srv, CLIENT_TRANSPORT | (CLIENT_UNIX_SOCKET if is_unix else 0))
        c.flush = _flush
        c.release = _release
        c.protocol = <PyObject *>self
        Py_INCREF(self)
        strncpy(c.peer, peer, sizeof(c.peer) - 1)
        _set_name(c.local, sizeof(c.local), sock.getsockname())
        self.c = c
        self.road.nclients += 1
        self.transport.set_write_buffer_limits(high=WRITE_HIGH)
        return 0

    def adopt(self, transport):
        """Serve a connection that was made from here; return its client's id.

        The transport's protocol is this one then; what it has read before is the
        caller's.
        """
        cdef char[64] peer
        sock = transport.get_extra_info("socket")
        self.transport = transport
        memset(peer, 0, sizeof(peer))
        _set_name(peer, sizeof(peer), sock.getpeername())
        self._serve(sock, peer, False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_protocol(self)
        return self.c.id

    def connection_lost(self, exc):
        """Free the client, unless the server did."""
        self.transport = None
        if self.c != NULL:
            client_close(self.c)
            conn_end_round(&self.road.engine.srv)

    def get_buffer(self, Py_ssize_t sizehint):
        """Say where the next bytes go."""
        cdef size_t room
        cdef char *buf
        self.window.start = self.road.shared
        self.window.nbytes = READ_BYTES
        if self.c != NULL and conn_read_buffer(
                self.c, self.road.shared, READ_BYTES, &buf, &room):
            self.window.start = buf
            self.window.nbytes = room
        return self.window

    def buffer_updated(self, Py_ssize_t nbytes):
        """Execute what has come."""
        cdef client_t *c = self.c
        cdef server_t *srv = &self.road.engine.srv
        if c == NULL or c.flags & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY):
            return
        with nogil:
            server_update_clock(srv)
            conn_received(c, self.window.start, nbytes)
            feed_write(srv)
            if not c.flags & CLIENT_CLOSE_ASAP:
                c.flush(c)
            conn_end_round(srv)

    def eof_received(self):
        """Close: a client that sends no more wants nothing more, as in Redis."""
        return False

    def pause_writing(self):
        """Let replies wait in c.out."""
        if self.c != NULL:
            self.c.flags |= CLIENT_WANT_WRITE

    def resume_writing(self):
        """Send what waits in c.out."""
        if self.c != NULL:
            self.c.flags &= ~CLIENT_WANT_WRITE
            self.c.flush(self.c)
            conn_end_round(&self.road.engine.srv)


cdef int _set_name(char *out, size_t cap, object address) except -1:
    """Write an address as CLIENT LIST shows it."""
    if isinstance(address, tuple):
        host, port = address[:2]
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    else:
        text = f"{address}:0"
    strncpy(out, text.encode("utf-8", "surrogateescape"), cap - 1)
    return 0
