# SPDX-License-Identifier: BSD-3-Clause
r"""WAIT: a client waits until replicas have what it has written.

    SET k v      c.write_offset = 1000
    WAIT 2 500   --> the stream: REPLCONF GETACK *
                     replica A: REPLCONF ACK 1000 --> one
                     replica B: REPLCONF ACK 1040 --> two: the client is replied 2

What is counted are acknowledgements of the offset that the client's own last write has
reached, so that writes of others do not keep it waiting.

Cost: O(clients * replicas) an acknowledgement while somebody waits.
Threads: the thread that executes commands.
"""
from fastredis.core.status cimport C_OK
from fastredis.engine.args cimport arg_i64_or_reply
from fastredis.engine.blocking cimport arg_timeout_ms_or_reply, block_until
from fastredis.engine.client cimport (
    CLIENT_DENY_BLOCKING,
    CLIENT_FAKE,
    client_t,
)
from fastredis.engine.reply cimport reply_error, reply_int
from fastredis.replication.backlog cimport backlog_ask_acks, backlog_count_acks
from libc.stdint cimport int64_t

cdef const char *ERR_REPLICA = (
    b"ERR WAIT cannot be used with replica instances. Please also note that writes to "
    b"replicas are just local and are not propagated."
)


cdef inline int _count(const client_t *c) noexcept nogil:
    return backlog_count_acks(c.srv, c.write_offset, False)


cdef bint _is_done(client_t *c) noexcept nogil:
    return _count(c) >= c.wanted_acks


cdef void _reply(client_t *c) noexcept nogil:
    reply_int(c, _count(c))


cdef api void cmd_wait(client_t *c) noexcept nogil:
    """WAIT numreplicas timeout"""
    cdef int64_t deadline
    if c.srv.is_replica:
        reply_error(c, ERR_REPLICA)
        return
    if arg_i64_or_reply(c, 1, &c.wanted_acks) != C_OK \
            or arg_timeout_ms_or_reply(c, 2, &deadline) != C_OK:
        return
    if _is_done(c) or c.flags & (CLIENT_DENY_BLOCKING | CLIENT_FAKE):
        _reply(c)
        return
    block_until(c, deadline, _is_done, _reply)
    backlog_ask_acks(c.srv)
