# SPDX-License-Identifier: BSD-3-Clause
r"""The replication backlog: one copy of the stream of changes for all replicas.

    first                                                      last
    +-----------+      +-----------+      +-----------+      +-----+-----+
    | piece     | ---> | piece     | ---> | piece     | ---> | ... |free |
    +-----------+      +-----------+      +-----------+      +-----+-----+
      ^ kept for partial    ^                    ^                 ^
        resynchronization   replica B, slow      replica C waits   replica A
                            or syncing           for a snapshot    has got all

A replica is a position in it. It is sent from the pieces themselves: as many of them
as one round may send are put into its reply by reference, and the way of its
connection, whichever that is, does the rest. So a slow replica costs as much memory as
it lags behind, and two of them that lag cost no more than one.

The first piece goes when no replica is in it and what is behind it is at least `size`
bytes. A replica holds back all pieces from its own on; client-output-buffer-limit says
how far it may lag.

What a replica is sent before the stream: the answer to PSYNC and the snapshot's head
are ordinary reply; a snapshot on disk is read a megabyte at a time whenever the
socket has room; one that comes out of a pipe is handed over by primary.py.

Cost: a copy of each byte; O(replicas) a round in which something has changed.
Threads: the thread that executes commands.

Source: Redis's documentation of replication; the shared buffer of Redis 7.0's release
notes.
"""
from cython cimport final
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from fastredis.core.blob cimport blob_new, blob_release
from fastredis.core.mem cimport zcalloc, zfree, zsize
from fastredis.core.status cimport fr_unlikely
from fastredis.engine.blocking cimport blocking_poll
from fastredis.engine.client cimport (
    CLIENT_CLOSE_ASAP,
    CLIENT_REPLICA,
    CLIENT_WANT_WRITE,
    FEED_REPLICAS,
    LIMIT_REPLICA,
    client_close,
    client_queue_write,
    output_limit_t,
)
from fastredis.engine.propagate cimport (
    feed_reselect,
    feed_start,
    feed_stop,
    feed_write,
)
from fastredis.engine.pycall cimport Context
from fastredis.resp.writer cimport out_append_part, out_bytes, out_pending
from libc.errno cimport EINTR, errno
from libc.string cimport memcpy, strlen

cdef enum:
    PIECE_MIN = 16 * 1024
    PIECE_MAX = 256 * 1024
    PIECES = 16                     # that the size to keep is divided into
    LEND_MAX = 1024 * 1024 + 65536  # a little more than a round sends to one client
    FILE_READ = 256 * 1024

cdef const char *GETACK = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n"

cdef extern from *:
    """
    #include <errno.h>
    #include <unistd.h>
    """
    ssize_t read(int fd, void *buf, size_t n) nogil
    int close(int fd) nogil


cdef inline backlog_t *_own(const server_t *srv) noexcept nogil:
    return <backlog_t *>srv.backlog


cdef inline replica_t *_replica(const client_t *c) noexcept nogil:
    return <replica_t *>c.replica


# --- Pieces -----------------------------------------------------------------------


cdef void _add_piece(server_t *srv, backlog_t *b) noexcept nogil:
    """Begin another piece."""
    cdef piece_t *p = <piece_t *>zcalloc(sizeof(piece_t))
    p.blob = blob_new(min(max(b.size / PIECES, <size_t>PIECE_MIN), <size_t>PIECE_MAX))
    p.start = srv.repl_offset
    if b.last == NULL:
        b.first = p
    else:
        b.last.next = p
    b.last = p
    b.nbytes += zsize(p.blob) + zsize(p)


cdef void _drop_first(backlog_t *b) noexcept nogil:
    cdef piece_t *p = b.first
    b.first = p.next
    b.nbytes -= zsize(p.blob) + zsize(p)
    blob_release(p.blob)
    zfree(p)


cdef void _trim(server_t *srv, backlog_t *b) noexcept nogil:
    """Drop what is neither kept for later nor still to be sent to somebody."""
    while b.first != b.last and b.first.nreplicas == 0 and \
            srv.repl_offset - b.first.next.start >= <int64_t>b.size:
        _drop_first(b)


cdef inline int64_t _offset_of(const replica_t *r) noexcept nogil:
    """Return how many bytes of the stream were lent to a replica."""
    return r.piece.start + <int64_t>r.pos


cdef void _take_position(replica_t *r, piece_t *p, size_t pos) noexcept nogil:
    if r.piece != NULL:
        r.piece.nreplicas -= 1
    r.piece = p
    r.pos = pos
    p.nreplicas += 1


# --- Append -----------------------------------------------------------------------


cdef void _check_limit(server_t *srv, replica_t *r) noexcept nogil:
    """Close a replica that lags too far behind, at once or for too long."""
    cdef output_limit_t *limit = &srv.output_limits[LIMIT_REPLICA]
    cdef size_t n = out_pending(&r.c.out), hard = limit.hard_nbytes
    if r.piece == NULL or r.c.flags & CLIENT_CLOSE_ASAP:
        return
    n += srv.repl_offset - _offset_of(r)
    # less than what is kept anyway would be no limit but a trap
    if hard and hard < _own(srv).size:
        hard = _own(srv).size
    if hard == 0 or n < hard:
        if limit.soft_nbytes == 0 or n < limit.soft_nbytes:
            r.soft_since_ms = 0
            return
        if r.soft_since_ms == 0:
            r.soft_since_ms = srv.now_ms
            return
        if srv.now_ms - r.soft_since_ms <= limit.soft_ms:
            return
    srv.stats.output_limit_disconnections += 1
    with gil:
        _tell(srv, "lags_too_far", r.c.id)
    client_close(r.c)


cdef void _wake(server_t *srv, backlog_t *b) noexcept nogil:
    """Have replicas sent what was appended."""
    cdef replica_t *r = b.replicas
    cdef replica_t *following
    while r != NULL:
        following = r.next
        if r.is_flowing and not r.c.flags & CLIENT_WANT_WRITE:
            client_queue_write(r.c)
        else:
            _check_limit(srv, r)
        r = following


cdef void backlog_append(server_t *srv, const char *s, size_t nbytes) noexcept nogil:
    """Append to the stream."""
    cdef backlog_t *b = _own(srv)
    cdef blob_t *blob
    cdef size_t n
    if b == NULL:
        srv.repl_offset += nbytes
        return
    while nbytes:
        blob = b.last.blob
        n = min(nbytes, blob.cap - blob.len)
        if n == 0:
            _add_piece(srv, b)
            continue
        memcpy(blob.data + blob.len, s, n)
        blob.len += n
        srv.repl_offset += n
        s += n
        nbytes -= n
    _trim(srv, b)
    if b.replicas != NULL:
        _wake(srv, b)


cdef void _on_feed(server_t *srv, const char *s, size_t nbytes) noexcept nogil:
    """Take what has changed: server_t.write_replicas."""
    cdef backlog_t *b = _own(srv)
    if nbytes:
        backlog_append(srv, s, nbytes)
    if fr_unlikely(b.wants_acks):
        b.wants_acks = False
        if b.nreplicas:
            backlog_append(srv, GETACK, strlen(GETACK))


# --- Send -------------------------------------------------------------------------


cdef size_t _lend_file(replica_t *r) noexcept nogil:
    """Put the next bytes of the file into the reply; 0: there are no more."""
    cdef blob_t *blob
    cdef size_t total = 0
    cdef ssize_t n
    while r.file_left and total < LEND_MAX:
        blob = blob_new(FILE_READ)
        n = read(r.file_fd, blob.data, min(r.file_left, <uint64_t>FILE_READ))
        if n > 0:
            out_append_part(&r.c.out, blob, 0, n)
            r.file_left -= n
            total += n
        blob_release(blob)
        if n == 0 or (n < 0 and errno != EINTR):
            client_close(r.c)       # the file is shorter than it was
            return 0
    return total


cdef size_t _lend_stream(replica_t *r) noexcept nogil:
    """Put the next bytes of the stream into the reply; 0: there are no more."""
    cdef size_t total = 0, n
    while total < LEND_MAX:
        n = r.piece.blob.len - r.pos
        if n:
            out_append_part(&r.c.out, r.piece.blob, r.pos, n)
            r.pos += n
            total += n
        if r.piece.next == NULL:
            break
        _take_position(r, r.piece.next, 0)
    return total


cdef void _flush(client_t *c) noexcept nogil:
    """Send what is pending, then file and stream, until the socket is full."""
    cdef replica_t *r
    cdef bint has_lent, had_reply
    while True:
        r = _replica(c)
        has_lent = False
        had_reply = c.out.first != NULL
        if c.out.first == NULL and r != NULL:
            if r.file_fd >= 0:
                has_lent = _lend_file(r) != 0
                if c.flags & CLIENT_CLOSE_ASAP:
                    return
                if not has_lent:
                    close(r.file_fd)
                    r.file_fd = -1
                    with gil:
                        _tell(c.srv, "sent_file", c.id)
                    continue
            elif r.is_flowing:
                has_lent = _lend_stream(r) != 0
                _trim(c.srv, _own(c.srv))
        if r == NULL:
            return
        r.flush(c)
        if c.flags & CLIENT_CLOSE_ASAP or c.out.first != NULL:
            return
        if not has_lent and not had_reply:
            break
    if fr_unlikely(_own(c.srv).is_drain_told):
        _own(c.srv).is_drain_told = False
        with gil:
            _tell(c.srv, "drained", c.id)


# --- Replicas ---------------------------------------------------------------------


cdef void _tell(server_t *srv, str name, uint64_t client_id) noexcept:
    """Call a method of primary.py, which the server has while it runs."""
    try:
        server = (<Engine>srv.runtime).server
        if server is not None:
            getattr(server.replication.primary, name)(client_id)
    except Exception as error:
        (<Engine>srv.runtime).log_exception(f"replication {name}", error)


cdef void _forget(client_t *c) noexcept nogil:
    """A replica's connection has ended: server_t.forget_replica."""
    cdef server_t *srv = c.srv
    cdef backlog_t *b = _own(srv)
    cdef replica_t *r = _replica(c)
    cdef replica_t **link = &b.replicas
    while link[0] != r:
        link = &link[0].next
    link[0] = r.next
    b.nreplicas -= 1
    b.net_out += c.net_out - r.net_out
    if r.piece != NULL:
        r.piece.nreplicas -= 1
        _trim(srv, b)
    if r.file_fd >= 0:
        close(r.file_fd)
    c.flush = r.flush
    c.replica = NULL
    c.flags &= ~CLIENT_REPLICA
    zfree(r)
    with gil:
        _tell(srv, "lost", c.id)


cdef int backlog_count_acks(
    const server_t *srv, int64_t offset, bint is_synced
) noexcept nogil:
    """Count the replicas that have acknowledged an offset."""
    cdef backlog_t *b = _own(srv)
    cdef replica_t *r
    cdef int n = 0
    if b == NULL:
        return 0
    r = b.replicas
    while r != NULL:
        if r.is_flowing and (r.synced if is_synced else r.ack) >= offset:
            n += 1
        r = r.next
    return n


cdef void backlog_ask_acks(server_t *srv) noexcept nogil:
    """Have replicas asked at the end of the round how far they are."""
    cdef backlog_t *b = _own(srv)
    if b != NULL and not srv.is_replica:
        b.wants_acks = True
        srv.feed_waits = True


# --- For replication/primary.py ---------------------------------------------------


@final
cdef class Backlog:
    """The backlog of an engine, and its replicas, which are named by client ids."""

    def __cinit__(self, Engine engine):
        self.engine = engine
        engine.srv.forget_replica = _forget
        engine.srv.write_replicas = _on_feed
        engine.srv.count_acks = backlog_count_acks
        engine.srv.ask_acks = backlog_ask_acks

    def __dealloc__(self):
        if self.engine is not None and self.engine.srv.backlog != NULL:
            self.stop()

    # --- the stream

    @property
    def is_active(self):
        """Whether the stream is kept."""
        return self.engine.srv.backlog != NULL

    def start(self, size_t size):
        """Keep the stream from now on, at least so many bytes."""
        cdef server_t *srv = &self.engine.srv
        cdef backlog_t *b
        if srv.backlog != NULL:
            return
        b = <backlog_t *>zcalloc(sizeof(backlog_t))
        b.size = size
        _add_piece(srv, b)
        srv.backlog = b
        self.follow_role()

    def follow_role(self):
        """Take what changes here, unless it comes from a primary.

        That is to be called when the role has changed; a replica's stream is that of
        its primary (backlog_append).
        """
        cdef server_t *srv = &self.engine.srv
        if srv.backlog == NULL:
            return
        if srv.is_replica:
            feed_stop(srv, FEED_REPLICAS)
        elif not srv.feeds & FEED_REPLICAS:
            feed_start(srv, FEED_REPLICAS)

    def stop(self):
        """Close all replicas and forget the stream."""
        cdef server_t *srv = &self.engine.srv
        cdef backlog_t *b = _own(srv)
        if b == NULL:
            return
        while b.replicas != NULL:
            client_close(b.replicas.c)
        self.net_out_before += b.net_out
        feed_stop(srv, FEED_REPLICAS)
        while b.first != NULL:
            _drop_first(b)
        zfree(b)
        srv.backlog = NULL

    def resize(self, size_t size):
        """Keep at least so many bytes from now on."""
        cdef backlog_t *b = _own(&self.engine.srv)
        if b != NULL:
            b.size = size
            _trim(&self.engine.srv, b)

    def rebase(self, int64_t offset):
        """Say what offset the stream has reached, after nothing was kept of it."""
        cdef server_t *srv = &self.engine.srv
        cdef backlog_t *b = _own(srv)
        srv.repl_offset = offset
        if b != NULL:
            while b.first != NULL:
                _drop_first(b)
            b.last = NULL
            _add_piece(srv, b)

    def take(self, bint selects=False):
        """Append what has changed by now.

        selects: what follows is to begin by naming its database.
        """
        feed_write(&self.engine.srv)
        if selects:
            feed_reselect(&self.engine.srv)

    def append(self, bytes data):
        """Append bytes to the stream, behind all that has changed by now."""
        feed_write(&self.engine.srv)
        backlog_append(
            &self.engine.srv, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

    def ask_acks(self):
        """Have replicas asked at the end of the round how far they are."""
        backlog_ask_acks(&self.engine.srv)

    @property
    def start_offset(self):
        """Bytes of the stream before those that are kept."""
        cdef backlog_t *b = _own(&self.engine.srv)
        return self.engine.srv.repl_offset if b == NULL else b.first.start

    @property
    def nbytes(self):
        """Bytes of memory that the stream takes."""
        return 0 if self.engine.srv.backlog == NULL else _own(&self.engine.srv).nbytes

    @property
    def net_out(self):
        """Bytes that were sent to replicas."""
        cdef backlog_t *b = _own(&self.engine.srv)
        cdef uint64_t n = self.net_out_before
        cdef replica_t *r = NULL
        if b != NULL:
            n += b.net_out
            r = b.replicas
        while r != NULL:
            n += r.c.net_out - r.net_out
            r = r.next
        return n

    # --- replicas

    cdef replica_t *_find(self, uint64_t client_id) except? NULL:
        cdef backlog_t *b = _own(&self.engine.srv)
        cdef replica_t *r = NULL if b == NULL else b.replicas
        while r != NULL and r.c.id != client_id:
            r = r.next
        if r == NULL:
            raise KeyError(client_id)
        return r

    def has_pending(self, Context ctx not None):
        """Return whether the client has replies that were not sent."""
        return out_pending(&ctx.c.out) != 0

    def attach(self, Context ctx not None):
        """Make the client a replica, which has no position in the stream yet."""
        cdef client_t *c = ctx.c
        cdef backlog_t *b = _own(c.srv)
        cdef replica_t *r
        if c.replica != NULL:
            return
        r = <replica_t *>zcalloc(sizeof(replica_t))
        r.c = c
        r.file_fd = -1
        r.net_out = c.net_out
        r.flush = c.flush
        r.next = b.replicas
        b.replicas = r
        b.nreplicas += 1
        c.replica = r
        c.flags |= CLIENT_REPLICA
        c.flush = _flush

    def place_at_end(self, uint64_t client_id):
        """Have a replica go on with what comes now; return the offset."""
        cdef replica_t *r = self._find(client_id)
        cdef backlog_t *b = _own(&self.engine.srv)
        _take_position(r, b.last, b.last.blob.len)
        return self.engine.srv.repl_offset

    def place_as(self, uint64_t client_id, uint64_t other_id):
        """Have a replica go on where another does."""
        cdef replica_t *r = self._find(client_id)
        cdef replica_t *other = self._find(other_id)
        _take_position(r, other.piece, other.pos)

    def place_at(self, uint64_t client_id, int64_t offset):
        """Have a replica go on behind so many bytes; False: they are not kept."""
        cdef replica_t *r = self._find(client_id)
        cdef piece_t *p = _own(&self.engine.srv).first
        if offset < p.start or offset > self.engine.srv.repl_offset:
            return False
        while p.next != NULL and p.next.start <= offset:
            p = p.next
        _take_position(r, p, offset - p.start)
        return True

    def flow(self, uint64_t client_id):
        """Send a replica the stream from its position on."""
        cdef replica_t *r = self._find(client_id)
        r.is_flowing = True
        r.ack_ms = self.engine.srv.now_ms
        client_queue_write(r.c)

    def send(self, uint64_t client_id, bytes data):
        """Send a replica bytes before all else."""
        cdef replica_t *r = self._find(client_id)
        out_bytes(&r.c.out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        client_queue_write(r.c)

    def send_file(self, uint64_t client_id, int fd, uint64_t nbytes):
        """Send a replica the bytes of an open file, then call sent_file.

        The descriptor is consumed.
        """
        cdef replica_t *r = self._find(client_id)
        r.file_fd = fd
        r.file_left = nbytes
        client_queue_write(r.c)

    def is_full(self, uint64_t client_id):
        """Return whether a replica has not got yet what was sent.

        Then drained() is called once one of them has.
        """
        cdef replica_t *r = self._find(client_id)
        if r.c.out.first == NULL:
            return False
        _own(&self.engine.srv).is_drain_told = True
        return True

    def is_flowing(self, uint64_t client_id):
        """Return whether a replica is sent the stream."""
        return bool(self._find(client_id).is_flowing)

    def note_ack(self, uint64_t client_id, int64_t offset, int64_t synced):
        """Note how far a replica is, and its append-only file."""
        cdef replica_t *r = self._find(client_id)
        r.ack = max(r.ack, offset)
        r.synced = max(r.synced, synced)
        r.ack_ms = self.engine.srv.now_ms
        blocking_poll(&self.engine.srv)     # some may have waited for this

    def touch(self, uint64_t client_id):
        """Count a replica's silence from now on."""
        self._find(client_id).ack_ms = self.engine.srv.now_ms

    def progress(self, uint64_t client_id):
        """Return (acknowledged offset, ms since it was, bytes that wait)."""
        cdef replica_t *r = self._find(client_id)
        cdef int64_t waiting = out_pending(&r.c.out)
        if r.piece != NULL:
            waiting += self.engine.srv.repl_offset - _offset_of(r)
        return r.ack, self.engine.srv.now_ms - r.ack_ms, waiting

    def close(self, uint64_t client_id):
        """Close the connection of a replica."""
        client_close(self._find(client_id).c)

    def check_limits(self):
        """Close replicas that have lagged behind for too long."""
        cdef backlog_t *b = _own(&self.engine.srv)
        cdef replica_t *r = NULL if b == NULL else b.replicas
        cdef replica_t *following
        while r != NULL:
            following = r.next
            _check_limit(&self.engine.srv, r)
            r = following
