# SPDX-License-Identifier: BSD-3-Clause
"""Publish/subscribe: channels, patterns, shard channels. See pubsub.pyx."""
from fastredis.engine.client cimport client_t, server_t
from fastredis.resp.writer cimport out_t
from libc.stdint cimport int64_t

cdef enum pubsub_kind_t:
    PUBSUB_CHANNEL = 0
    PUBSUB_PATTERN = 1
    PUBSUB_SHARD = 2
    PUBSUB_KINDS = 3

ctypedef void (*pubsub_visit_fn)(
    void *ctx, const char *name, size_t nbytes, size_t nsubscribers) noexcept nogil

# --- Subscriptions. True: something changed.
cdef bint pubsub_subscribe(
    client_t *c, int kind, const char *name, size_t nbytes
) noexcept nogil
cdef bint pubsub_unsubscribe(
    client_t *c, int kind, const char *name, size_t nbytes
) noexcept nogil
# end one of the client's subscriptions of a kind; visit hears its name first.
# False: there was none
cdef bint pubsub_unsubscribe_one(
    client_t *c, int kind, pubsub_visit_fn visit, void *ctx
) noexcept nogil
# how many the client has
cdef size_t pubsub_count(const client_t *c, int kind) noexcept nogil
cdef size_t pubsub_client_nbytes(const client_t *c) noexcept nogil

# --- Messages
# send a message to the subscribers of a channel (for PUBSUB_CHANNEL: also of the
# patterns that match it); returns to how many
cdef int64_t pubsub_publish(
    server_t *srv, int kind, const char *channel, size_t nbytes,
    const char *message, size_t message_nbytes
) noexcept nogil
# where a message to a client is to be written, with its version of the protocol: behind
# the reply of the command that it executes, if any. NULL: it is being closed
cdef out_t *push_begin(client_t *c) noexcept nogil
# have it sent
cdef void push_end(client_t *c) noexcept nogil

# --- All of a server
cdef size_t pubsub_nchannels(const server_t *srv, int kind) noexcept nogil
cdef size_t pubsub_nsubscribers(
    const server_t *srv, int kind, const char *name, size_t nbytes
) noexcept nogil
cdef size_t pubsub_nclients(const server_t *srv) noexcept nogil
cdef void pubsub_walk(
    const server_t *srv, int kind, pubsub_visit_fn visit, void *ctx
) noexcept nogil
# free the tables; no client is left
cdef void pubsub_free(server_t *srv) noexcept nogil
