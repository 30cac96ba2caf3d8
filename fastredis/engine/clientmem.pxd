# SPDX-License-Identifier: BSD-3-Clause
"""Client eviction: a limit of the memory of all clients. See clientmem.pyx."""
from fastredis.engine.client cimport client_t, server_t

# count what the client takes now; only of use if srv.client_memory_limit is set
cdef void clientmem_update(client_t *c) noexcept nogil
# set the limit; 0: none
cdef void clientmem_set_limit(server_t *srv, size_t nbytes) noexcept nogil
# close the largest clients until the others keep within the limit
cdef void clientmem_evict(server_t *srv) noexcept nogil
