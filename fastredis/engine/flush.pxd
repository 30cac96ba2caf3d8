# SPDX-License-Identifier: BSD-3-Clause
"""FLUSHALL and FLUSHDB that hold up nobody but their own client. See flush.pyx."""
from fastredis.engine.client cimport client_t, server_t

# delete all keys of n databases from first on, and reply OK
cdef void flush_sync(client_t *c, int first, int n) noexcept nogil
# n more of the flushes that clients wait for have been done
cdef void flush_serve(server_t *srv, size_t n) noexcept nogil
