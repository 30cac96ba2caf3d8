# SPDX-License-Identifier: BSD-3-Clause
"""The default user's password."""
from fastredis.engine.client cimport server_t

# takes the same time wherever the two differ
cdef bint auth_check(
    const server_t *srv, const char *password, size_t nbytes
) noexcept nogil
