# SPDX-License-Identifier: BSD-3-Clause
r"""The stream of a master, which a replica's client of CLIENT_MASTER executes.

    bytes of the stream, as they are executed
    +---------+---------+-------+---------+---------+------+-------
    | SET a 1 | SET b 2 | MULTI | INCR c  | DEL d   | EXEC | SET..
    +---------+---------+-------+---------+---------+------+-------
              applied --^                           ^-- applied next

Bytes count, and are passed on, once their request has taken effect; those of a
transaction do so together. So a replica whose link breaks asks for what it has not
applied, and nothing twice. The bytes of a transaction that comes in pieces are held
until its end.

The struct hangs on client_t.replica; see replication/master_client.pyx.
"""
from fastredis.engine.client cimport client_t

cdef struct master_t:
    size_t applied          # bytes of the buffer being executed that have taken effect
    # the buffer was executed up to used
    void (*fed)(client_t *c, const char *buf, size_t used) noexcept nogil
    # a request of the stream replied an error
    void (*failed)(client_t *c, const char *text, size_t nbytes) noexcept nogil
    bint wants_ack          # REPLCONF GETACK
    char *held              # what is executed, but not applied yet
    size_t nheld
    size_t held_cap
    # what client_t.release was before, or NULL
    void (*release)(client_t *c) noexcept nogil
    void *owner             # PyObject, borrowed
