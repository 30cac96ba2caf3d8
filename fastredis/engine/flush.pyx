# SPDX-License-Identifier: BSD-3-Clause
r"""FLUSHALL and FLUSHDB that hold up nobody but their own client.

    client --FLUSHALL--> databases --> lazyfree thread: [free db0] [free db1] [tell]
       |                                                                        |
       | waits with its ticket                  srv.flush_fd  <----- a byte ----+
       +<---- OK ---- flush_serve <-- event loop <---+

The keys are gone at once; what takes long is to free them. The other thread does that,
and the client, which asked for a flush that is over when it is answered, waits while
the others are served. Its jobs are done in order, so one number says how far they are.

A small database is waited for here: that takes less than a turn of the event loop.

Threads: the thread that executes commands; _tell is called on the other one.
Source: Redis 8.0 release notes, blocking FLUSHALL and FLUSHDB in the background.
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.engine.changed cimport db_will_flush
from fastredis.engine.client cimport (
    CLIENT_BLOCKED,
    CLIENT_DENY_BLOCKING,
    CLIENT_FAKE,
    CLIENT_MASTER,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP,
    client_queue_unblocked,
    client_queue_write,
    mark_dirty,
)
from fastredis.engine.reply cimport reply_ok
from fastredis.keyspace.db cimport db_flush
from fastredis.keyspace.lazyfree cimport (
    lazyfree_pending,
    lazyfree_submit,
    lazyfree_wait,
)
from posix.unistd cimport write

cdef enum:
    WAIT_HERE_MAX = 4096        # keys that are freed in less than a millisecond
    # clients that get no reply later: within EXEC, without a connection, muted
    NO_LATER_REPLY = CLIENT_DENY_BLOCKING | CLIENT_FAKE | CLIENT_REPLY_OFF \
        | CLIENT_REPLY_SKIP


cdef void _tell(void *what) noexcept nogil:
    """Tell the event loop that what was given up before this job is free."""
    cdef int fd = (<int *>what)[0]
    # a pipe has room for more bytes than there can be clients
    write(fd, b"f", 1)
    zfree(what)


cdef void flush_sync(client_t *c, int first, int n) noexcept nogil:
    """Delete all keys of n databases, and reply when their memory is free."""
    cdef server_t *srv = c.srv
    cdef bint is_here = (c.flags & NO_LATER_REPLY) != 0
    cdef bint was_idle = lazyfree_pending() == 0
    cdef size_t nkeys = 0
    cdef int *fd
    cdef int i
    for i in range(first, first + n):
        db_will_flush(srv, &srv.ks.dbs[i])
        nkeys += db_flush(&srv.ks.dbs[i], not is_here)
    mark_dirty(c, nkeys)
    if is_here or nkeys == 0 or c.flags & CLIENT_MASTER:
        reply_ok(c)
        return
    if srv.flush_fd < 0 or (was_idle and nkeys <= WAIT_HERE_MAX):
        lazyfree_wait()
        reply_ok(c)
        return
    srv.flushes_started += 1
    c.flush_ticket = srv.flushes_started
    c.flags |= CLIENT_BLOCKED
    srv.nflushing += 1
    fd = <int *>zmalloc(sizeof(int))
    fd[0] = srv.flush_fd
    lazyfree_submit(_tell, fd, 0)


cdef void flush_serve(server_t *srv, size_t n) noexcept nogil:
    """Reply to the clients whose flushes are among those done by now."""
    cdef client_t *c = srv.clients
    srv.flushes_done += n
    while c != NULL and srv.nflushing:
        if c.flush_ticket and c.flush_ticket <= srv.flushes_done:
            c.flush_ticket = 0
            srv.nflushing -= 1
            c.flags &= ~CLIENT_BLOCKED
            reply_ok(c)
            client_queue_write(c)
            client_queue_unblocked(c)
        c = c.next
