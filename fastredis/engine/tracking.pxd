# SPDX-License-Identifier: BSD-3-Clause
"""Client-side caching: clients are told when what they read changes. See tracking.pyx.
"""
from fastredis.engine.client cimport client_t, server_t
from fastredis.engine.prefixes cimport prefix_use_t
from fastredis.keyspace.db cimport dbkey_t
from libc.stdint cimport int64_t, uint32_t

# How a client is told.
cdef enum:
    TRACK_ON = 1 << 0
    TRACK_BCAST = 1 << 1            # of all keys with its prefixes, read or not
    TRACK_OPTIN = 1 << 2            # of what CLIENT CACHING YES precedes
    TRACK_OPTOUT = 1 << 3           # of what CLIENT CACHING NO does not precede
    TRACK_NOLOOP = 1 << 4           # not of what it changes itself
    TRACK_CACHING = 1 << 5          # CLIENT CACHING holds for the next command
    TRACK_BROKEN = 1 << 6           # the client that it redirects to has gone

# --- A client -----------------------------------------------------------------------

# begin, or change how; target: who is told in its place, or NULL
cdef void tracking_start(client_t *c, client_t *target, uint32_t flags) noexcept nogil
cdef void tracking_stop(client_t *c) noexcept nogil
# of a client with TRACK_BCAST
cdef void tracking_add_prefix(
    client_t *c, const char *prefix, size_t nbytes
) noexcept nogil
# in the order of the bytes
cdef const prefix_use_t *tracking_prefixes(const client_t *c) noexcept nogil
cdef size_t tracking_count_prefixes(const client_t *c) noexcept nogil
# CLIENT CACHING
cdef void tracking_set_caching(client_t *c) noexcept nogil
# TRACK_*; 0: off
cdef uint32_t tracking_flags(const client_t *c) noexcept nogil
# the id of who is told in its place; 0: nobody, -1: tracking is off
cdef int64_t tracking_target_id(const client_t *c) noexcept nogil
cdef size_t tracking_client_nbytes(const client_t *c) noexcept nogil

# --- For the engine -----------------------------------------------------------------

# a client with CLIENT_TRACKING has executed the reading command in c.argv
cdef void tracking_remember(client_t *c) noexcept nogil
# a request of such a client has been dealt with
cdef void tracking_end_request(client_t *c) noexcept nogil
# a key changed
cdef void tracking_touch(server_t *srv, const dbkey_t *key) noexcept nogil
# all keys change
cdef void tracking_forget_all(server_t *srv) noexcept nogil
# the end of a round with srv.has_broadcasts
cdef void tracking_broadcast(server_t *srv) noexcept nogil

# --- All of a server ----------------------------------------------------------------

cdef void tracking_set_max_keys(server_t *srv, size_t n) noexcept nogil
cdef size_t tracking_nclients(const server_t *srv) noexcept nogil
cdef size_t tracking_nkeys(const server_t *srv) noexcept nogil
# of each key, the clients
cdef size_t tracking_nitems(const server_t *srv) noexcept nogil
cdef size_t tracking_nprefixes(const server_t *srv) noexcept nogil
# free the tables; no client is left
cdef void tracking_free(server_t *srv) noexcept nogil
