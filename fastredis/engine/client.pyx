# SPDX-License-Identifier: BSD-3-Clause
r"""Clients: made on accept, freed at the end of a round of the reactor.

    client_new --> srv.clients <--> ... (connected)
                      | client_close: CLOSE_ASAP, unlinked
                      v
                   srv.closing --> client_free_closing, when nobody up the stack
                                   can hold the pointer any more

A client that has something to send is in srv.write_list; the reactor flushes the list
at the end of a round, so that all replies of a round leave in one send a client.

Memory: about 600 bytes for an idle client; query and reply buffers only while
something waits in them.
Threads: the thread that executes commands.
"""
from fastredis.core.blob cimport blob_nbytes, blob_release
from fastredis.core.clock cimport clock_wall_us
from fastredis.core.mem cimport zcalloc, zfree, zrealloc, zsize
from fastredis.keyspace.db cimport ks_set_clock
from fastredis.resp.parser cimport partial_free, partial_nbytes
from fastredis.resp.writer cimport out_clear, out_nbytes, out_pending

cdef extern from "<unistd.h>" nogil:
    int close(int fd)


cdef enum:
    QUERY_BUFFER_MIN = 16 * 1024        # room left for a read
    QUERY_BUFFER_TRIM = 32 * 1024       # smaller ones are not worth a reallocation
    QUERY_BUFFER_IDLE_MS = 2000
    # pending replies of a client that has not given the password: Redis's static
    # buffer and a kilobyte more
    UNAUTHENTICATED_OUT = 17 * 1024

# --- Server -----------------------------------------------------------------------


cdef void server_update_clock(server_t *srv) noexcept nogil:
    """Take the wall clock, unless a transaction is executed: no key expires in it."""
    if srv.is_in_exec:
        return
    srv.now_us = clock_wall_us()
    srv.now_ms = srv.now_us // 1000
    ks_set_clock(srv.ks, srv.now_ms)


# --- Create and free --------------------------------------------------------------


cdef client_t *client_new(server_t *srv, uint32_t flags) noexcept nogil:
    """Return a client of database 0 that speaks RESP2."""
    cdef client_t *c = <client_t *>zcalloc(sizeof(client_t))
    c.srv = srv
    c.db = &srv.ks.dbs[0]
    c.out.pool = &srv.pool
    c.out.resp = 2
    c.fd = -1
    c.flags = flags
    srv.next_client_id += 1
    c.id = srv.next_client_id
    c.created_ms = c.active_ms = srv.now_ms
    if srv.password == NULL:
        c.flags |= CLIENT_AUTHENTICATED
    if not flags & CLIENT_FAKE:
        c.next = srv.clients
        if c.next != NULL:
            c.next.prev = c
        srv.clients = c
        srv.nclients += 1
    return c


cdef void client_close(client_t *c) noexcept nogil:
    """Have the client freed at the end of the round."""
    cdef server_t *srv = c.srv
    if c.flags & CLIENT_CLOSE_ASAP:
        return
    c.flags |= CLIENT_CLOSE_ASAP
    if c.prev != NULL:
        c.prev.next = c.next
    else:
        srv.clients = c.next
    if c.next != NULL:
        c.next.prev = c.prev
    srv.nclients -= 1
    client_stop_monitor(c)
    if c.flags & CLIENT_REPLICA:
        srv.forget_replica(c)
    if c.flags & CLIENT_PAUSED:
        srv.npaused -= 1
    if c.flush_ticket:
        srv.nflushing -= 1
    srv.clients_nbytes -= c.counted_nbytes
    c.counted_nbytes = 0
    c.prev = NULL
    c.next = srv.closing
    srv.closing = c


cdef void client_stop_monitor(client_t *c) noexcept nogil:
    """Show a client no more of what the others execute."""
    cdef client_t **link = &c.srv.monitors
    if not c.flags & CLIENT_MONITOR:
        return
    c.flags &= ~CLIENT_MONITOR
    while link[0] != c:
        link = &link[0].next_monitor
    link[0] = c.next_monitor
    if c.srv.monitors == NULL:
        c.srv.watch &= ~WATCH_MONITORS


cdef void _forget(client_t *c) noexcept nogil:
    """End a client's transaction and subscriptions, forget its fieldsets."""
    if c.multi != NULL:
        c.srv.forget_multi(c)
    if c.fieldsets != NULL:
        c.srv.forget_fieldsets(c)
    if c.subscriber != NULL:
        c.srv.forget_subscriber(c)


cdef void client_free(client_t *c) noexcept nogil:
    """Free a client that is in no list; its socket is closed."""
    _forget(c)
    if c.tracker != NULL:
        c.srv.forget_tracker(c, True)
    if c.release != NULL:
        c.release(c)
    if c.blocked != NULL:
        c.forget_blocked(c)
    if c.fd >= 0:
        close(c.fd)
    out_clear(&c.out)
    partial_free(c.partial)
    if c.qbuf != NULL:
        zfree(c.qbuf)
        c.srv.nquery_buffers -= 1
    blob_release(c.name)
    blob_release(c.lib_name)
    blob_release(c.lib_ver)
    zfree(c)


cdef void client_free_closing(server_t *srv) noexcept nogil:
    """Free the clients that were closed in this round."""
    cdef client_t *c
    cdef client_t *w
    cdef client_t **link
    if srv.closing == NULL:
        return
    link = &srv.write_list
    while link[0] != NULL:
        w = link[0]
        if w.flags & CLIENT_CLOSE_ASAP:
            link[0] = w.next_write
        else:
            link = &w.next_write
    link = &srv.unblocked
    while link[0] != NULL:
        w = link[0]
        if w.flags & CLIENT_CLOSE_ASAP:
            link[0] = w.next_unblocked
        else:
            link = &w.next_unblocked
    while srv.closing != NULL:
        c = srv.closing
        srv.closing = c.next
        client_free(c)


# --- State ------------------------------------------------------------------------


cdef void client_select(client_t *c, int index) noexcept nogil:
    """Make another database the client's; index is in range."""
    c.db = &c.srv.ks.dbs[index]


cdef void client_reset(client_t *c) noexcept nogil:
    """Put a client back into the state of a new connection, as RESET does."""
    client_stop_monitor(c)
    _forget(c)
    if c.tracker != NULL:
        c.srv.forget_tracker(c, False)
    c.flags &= ~(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP
                 | CLIENT_NO_TOUCH | CLIENT_NO_EVICT | CLIENT_IMPORT_SOURCE
                 | CLIENT_AUTHENTICATED)
    if c.srv.password == NULL:
        c.flags |= CLIENT_AUTHENTICATED
    client_select(c, 0)
    c.out.resp = 2
    blob_release(c.name)
    c.name = NULL


cdef void client_queue_write(client_t *c) noexcept nogil:
    """Have c.out sent at the end of the round."""
    if not c.flags & (CLIENT_IN_WRITE_LIST | CLIENT_CLOSE_ASAP):
        c.flags |= CLIENT_IN_WRITE_LIST
        c.next_write = c.srv.write_list
        c.srv.write_list = c


cdef void client_queue_unblocked(client_t *c) noexcept nogil:
    """Have the client's kept input executed at the end of the round."""
    if not c.flags & (CLIENT_UNBLOCKED | CLIENT_CLOSE_ASAP):
        c.flags |= CLIENT_UNBLOCKED
        c.next_unblocked = c.srv.unblocked
        c.srv.unblocked = c


cdef inline int _limit_of(const client_t *c) noexcept nogil:
    """Return the index of the limit that holds for a client."""
    return LIMIT_PUBSUB if c.flags & CLIENT_PUBSUB else LIMIT_NORMAL


cdef bint client_check_output_limit(client_t *c) noexcept nogil:
    """Close a client that lets too much wait, at once or for too long."""
    cdef output_limit_t *limit = &c.srv.output_limits[_limit_of(c)]
    cdef size_t n
    if c.flags & CLIENT_REPLICA:
        return False        # the stream that it is sent from has limits of its own
    if not c.flags & CLIENT_AUTHENTICATED and \
            out_pending(&c.out) > UNAUTHENTICATED_OUT:
        c.srv.stats.output_limit_disconnections += 1
        client_close(c)
        return True
    if limit.hard_nbytes == 0 and limit.soft_nbytes == 0:
        return False
    n = out_pending(&c.out)
    if limit.hard_nbytes and n >= limit.hard_nbytes:
        c.srv.stats.output_limit_disconnections += 1
        client_close(c)
        return True
    if limit.soft_nbytes == 0 or n < limit.soft_nbytes:
        c.soft_since_ms = 0
        return False
    if c.soft_since_ms == 0:
        c.soft_since_ms = c.srv.now_ms
        return False
    if c.srv.now_ms - c.soft_since_ms <= limit.soft_ms:
        return False
    c.srv.stats.output_limit_disconnections += 1
    client_close(c)
    return True


cdef void client_trim(client_t *c) noexcept nogil:
    """Shrink a query buffer to what was used since the last call, or free it."""
    cdef size_t want = c.qlen + QUERY_BUFFER_MIN
    cdef bint is_idle = c.srv.now_ms - c.active_ms > QUERY_BUFFER_IDLE_MS
    if c.qbuf == NULL:
        return
    c.read_room //= 2
    if c.qlen == 0 and is_idle:
        zfree(c.qbuf)
        c.qbuf = NULL
        c.qcap = 0
        c.srv.nquery_buffers -= 1
    elif c.qcap > QUERY_BUFFER_TRIM and (is_idle or c.qlen == 0):
        if not is_idle and c.qpeak > want:
            want = c.qpeak
        if want < c.qcap / 2:
            c.qbuf = <char *>zrealloc(c.qbuf, want)
            c.qcap = zsize(c.qbuf)
    c.qpeak = c.qlen


cdef size_t client_nbytes(const client_t *c) noexcept nogil:
    """Return the memory of the client and of its buffers."""
    cdef size_t n = zsize(c) + out_nbytes(&c.out)
    if c.qbuf != NULL:
        n += zsize(c.qbuf)
    if c.name != NULL:
        n += blob_nbytes(c.name)
    if c.lib_name != NULL:
        n += blob_nbytes(c.lib_name)
    if c.lib_ver != NULL:
        n += blob_nbytes(c.lib_ver)
    if c.partial != NULL:
        n += partial_nbytes(c.partial)
    return n
