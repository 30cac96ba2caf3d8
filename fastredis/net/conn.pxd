# SPDX-License-Identifier: BSD-3-Clause
"""What both roads of the network share: input that waits, the end of a round."""
from fastredis.engine.client cimport client_t, server_t

# Where the next read of the client goes, and how much room is there; False: memory is
# short, the client has been closed. shared: a buffer for clients with nothing waiting.
cdef bint conn_read_buffer(
    client_t *c, char *shared, size_t nshared, char **buf_out, size_t *room_out
) noexcept nogil
# nbytes have been read to where conn_read_buffer said: execute what is complete
cdef void conn_received(client_t *c, char *buf, size_t nbytes) noexcept nogil
# send what was queued for other clients, free those that were closed
cdef void conn_end_round(server_t *srv) noexcept nogil
# what to send a new client, by its address, before closing it; NULL: it may stay
cdef const char *conn_refusal(
    server_t *srv, const char *peer, bint is_unix
) noexcept nogil
