# SPDX-License-Identifier: BSD-3-Clause
r"""Client eviction: a limit of the memory of all clients (maxmemory-clients).

    read, executed --clientmem_update--> c.counted_nbytes, srv.clients_nbytes
    end of the round: clients_nbytes > limit?
        count all anew (what was sent since counts no more)
        close the largest, and so on until the rest keeps within the limit

Clients with CLIENT NO-EVICT are neither counted nor closed.

Cost: without a limit, one comparison for each read from a socket. With one, a few
nanoseconds for each; O(clients) for each client closed.
Threads: the thread that executes commands.
"""
from fastredis.engine.client cimport (
    CLIENT_CLOSE_ASAP,
    CLIENT_NO_EVICT,
    client_close,
    client_nbytes,
)
from fastredis.engine.fieldsets cimport fieldsets_nbytes
from fastredis.engine.multi cimport multi_nbytes
from fastredis.engine.pubsub cimport pubsub_client_nbytes
from fastredis.engine.tracking cimport tracking_client_nbytes

cdef enum:
    LIMIT_MIN = 128 * 1024          # with less, nobody could talk to the server


cdef void clientmem_update(client_t *c) noexcept nogil:
    """Count the client's memory as it is now."""
    cdef size_t n = 0
    if not c.flags & (CLIENT_NO_EVICT | CLIENT_CLOSE_ASAP):
        n = client_nbytes(c) + multi_nbytes(c) + fieldsets_nbytes(c) \
            + pubsub_client_nbytes(c) + tracking_client_nbytes(c)
    c.srv.clients_nbytes += n - c.counted_nbytes
    c.counted_nbytes = n


cdef void _count_all(server_t *srv) noexcept nogil:
    cdef client_t *c = srv.clients
    while c != NULL:
        clientmem_update(c)
        c = c.next


cdef void clientmem_set_limit(server_t *srv, size_t nbytes) noexcept nogil:
    """Set the limit; it takes effect at the end of the round."""
    if nbytes and nbytes < LIMIT_MIN:
        nbytes = LIMIT_MIN
    srv.client_memory_limit = nbytes
    _count_all(srv)


cdef void clientmem_evict(server_t *srv) noexcept nogil:
    """Close the largest clients until the others keep within the limit."""
    cdef client_t *c
    cdef client_t *largest
    if srv.clients_nbytes <= srv.client_memory_limit:
        return
    _count_all(srv)
    while srv.clients_nbytes > srv.client_memory_limit:
        largest = NULL
        c = srv.clients
        while c != NULL:
            if c.counted_nbytes and \
                    (largest == NULL or c.counted_nbytes > largest.counted_nbytes):
                largest = c
            c = c.next
        if largest == NULL:
            return
        srv.stats.evicted_clients += 1
        client_close(largest)
