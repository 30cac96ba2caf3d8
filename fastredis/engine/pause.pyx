# SPDX-License-Identifier: BSD-3-Clause
r"""CLIENT PAUSE: requests that wait until it is over.

    request --pause_postpones--> executed               no pause, or it only reads
                 |
                 v
         stays in c.qbuf, c is CLIENT_BLOCKED | CLIENT_PAUSED
                 | pause_end (CLIENT UNPAUSE, or its time is over)
                 v
         srv.unblocked: parsed again, and executed

While there is a pause, WATCH_PAUSE is set in srv.watch. Keys whose time is over look
absent but stay, so that the data does not change under those who paused it.

Cost: one look at each request during a pause; ending it is O(clients).
Threads: the thread that executes commands.
"""
from fastredis.engine.client cimport (
    CLIENT_AUTHENTICATED,
    CLIENT_BLOCKED,
    CLIENT_MULTI,
    CLIENT_PAUSED,
    CMD_MAY_REPLICATE,
    CMD_WRITE,
    WATCH_PAUSE,
    client_queue_unblocked,
    cmd_t,
)
from fastredis.engine.multi cimport multi_at, multi_len
from libc.stdint cimport uint32_t
from libc.string cimport strcmp


cdef void pause_expiry(server_t *srv) noexcept nogil:
    """Have keys expire by themselves, or not."""
    srv.ks.is_expire_paused = (
        srv.is_import_mode or srv.is_replica or srv.pause_mode != PAUSE_NONE)


cdef void pause_start(
    server_t *srv, pause_mode_t mode, int64_t until_ms
) noexcept nogil:
    """Begin a pause, or extend the one in force."""
    if mode > srv.pause_mode:
        srv.pause_mode = mode
    if until_ms > srv.pause_until_ms:
        srv.pause_until_ms = until_ms
    srv.watch |= WATCH_PAUSE
    pause_expiry(srv)


cdef void pause_end(server_t *srv) noexcept nogil:
    """Have the clients that wait go on."""
    cdef client_t *c = srv.clients
    srv.pause_mode = PAUSE_NONE
    srv.pause_until_ms = 0
    srv.watch &= ~WATCH_PAUSE
    pause_expiry(srv)
    while c != NULL and srv.npaused:
        if c.flags & CLIENT_PAUSED:
            c.flags &= ~(CLIENT_BLOCKED | CLIENT_PAUSED)
            srv.npaused -= 1
            client_queue_unblocked(c)
        c = c.next


cdef void pause_check(server_t *srv) noexcept nogil:
    """End the pause if its time is over."""
    if srv.pause_mode != PAUSE_NONE and srv.now_ms >= srv.pause_until_ms:
        pause_end(srv)


cdef bint _may_write(client_t *c) noexcept nogil:
    """Return whether the request, or the transaction that it ends, may change data."""
    cdef uint32_t flags = c.cmd.flags
    cdef int i
    if c.flags & CLIENT_MULTI and strcmp(c.cmd.name, b"exec") == 0:
        for i in range(multi_len(c)):
            flags |= multi_at(c, i).cmd.flags
    return flags & (CMD_WRITE | CMD_MAY_REPLICATE) != 0


cdef bint pause_postpones(client_t *c) noexcept nogil:
    """Return whether the request has to wait; an invalid one gets its error at once."""
    cdef server_t *srv = c.srv
    cdef cmd_t *cmd = c.cmd
    if cmd == NULL or cmd.fn == NULL or not c.flags & CLIENT_AUTHENTICATED \
            or (cmd.arity > 0 and c.argc != cmd.arity) or c.argc < -cmd.arity:
        return False
    if srv.pause_mode == PAUSE_WRITE and not _may_write(c):
        return False
    c.flags |= CLIENT_BLOCKED | CLIENT_PAUSED
    srv.npaused += 1
    return True
