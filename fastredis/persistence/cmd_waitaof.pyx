# SPDX-License-Identifier: BSD-3-Clause
r"""WAITAOF: a client waits until what it has changed is on the disk.

    SET k v        c.write_offset = 7                the stream of changes so far
    WAITAOF 1 0 0                                    --------------------------> 9
                   srv.repl_synced: 5 --> fsync --> 9     reply: [1, 0]

The append-only file of this server counts as the first number, those of replicas as
the second. A file that has no base yet (CONFIG SET appendonly yes) does not count
before it has one, since nothing could be restored from it.

Cost: O(clients) for each fsync while somebody waits. Threads: the thread that executes
commands.
Source: Redis documentation, WAITAOF.
"""
from fastredis.core.status cimport C_OK
from fastredis.engine.args cimport arg_count_or_error, arg_range_or_reply
from fastredis.engine.blocking cimport arg_timeout_ms_or_reply, block_until
from fastredis.engine.client cimport (
    CLIENT_DENY_BLOCKING,
    CLIENT_FAKE,
    client_t,
    server_t,
)
from fastredis.engine.reply cimport reply_array, reply_error, reply_int
from fastredis.persistence.aof_file cimport aof_t
from libc.stdint cimport int64_t

cdef const char *ERR_REPLICA = (
    b"ERR WAITAOF cannot be used with replica instances. Please also note that writes "
    b"to replicas are just local and are not propagated."
)
cdef const char *ERR_NO_FILE = (
    b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
)
cdef const char *ERR_COUNT = b"ERR value is out of range, must be positive"


cdef inline bint _is_synced(const client_t *c) noexcept nogil:
    """Return whether the client's changes are on this server's disk."""
    cdef const aof_t *a = <const aof_t *>c.srv.aof
    return a != NULL and not a.is_provisional and c.srv.repl_synced >= c.write_offset


cdef inline int _count(const client_t *c) noexcept nogil:
    """Count the replicas that have the client's changes on their disks."""
    if c.srv.count_acks == NULL:
        return 0
    return c.srv.count_acks(c.srv, c.write_offset, True)


cdef bint _is_enough(client_t *c) noexcept nogil:
    return _count(c) >= c.wanted_acks


cdef bint _is_done(client_t *c) noexcept nogil:
    # without a file the wait is over, too: with an error
    return c.srv.aof == NULL or (_is_synced(c) and _is_enough(c))


cdef void _reply(client_t *c) noexcept nogil:
    reply_array(c, 2)
    reply_int(c, _is_synced(c))
    reply_int(c, _count(c))


cdef void _end_local(client_t *c) noexcept nogil:
    """Reply to a client that has waited for this server's disk."""
    if c.srv.aof == NULL:
        reply_error(c, ERR_NO_FILE)
    else:
        _reply(c)


cdef api void cmd_waitaof(client_t *c) noexcept nogil:
    """WAITAOF numlocal numreplicas timeout"""
    cdef server_t *srv = c.srv
    cdef int64_t nlocal, nreplicas, deadline
    if arg_range_or_reply(c, 1, 0, 1, &nlocal) != C_OK \
            or arg_count_or_error(c, 2, ERR_COUNT, &nreplicas) != C_OK \
            or arg_timeout_ms_or_reply(c, 3, &deadline) != C_OK:
        return
    if srv.is_replica:
        reply_error(c, ERR_REPLICA)
        return
    if nlocal and srv.aof == NULL:
        reply_error(c, ERR_NO_FILE)
        return
    c.wanted_acks = nreplicas
    if c.flags & (CLIENT_DENY_BLOCKING | CLIENT_FAKE) \
            or ((nlocal == 0 or _is_synced(c)) and _is_enough(c)):
        _reply(c)
        return
    if nlocal:
        block_until(c, deadline, _is_done, _end_local)
    else:
        block_until(c, deadline, _is_enough, _reply)
    if nreplicas and srv.ask_acks != NULL:
        srv.ask_acks(srv)
