# SPDX-License-Identifier: BSD-3-Clause
"""The stream of changes as replicas are sent it. See backlog.pyx."""
from fastredis.core.blob cimport blob_t
from fastredis.engine.client cimport client_t, server_t
from fastredis.engine.runtime cimport Engine
from libc.stdint cimport int64_t, uint64_t

# A piece of the stream.
cdef struct piece_t:
    piece_t *next
    blob_t *blob                # its bytes; replies may refer to them
    int64_t start               # bytes of the stream before it
    size_t nreplicas            # that are sent from here next

cdef struct backlog_t:
    piece_t *first
    piece_t *last               # the only one that grows; never NULL
    size_t size                 # bytes to keep, at least
    size_t nbytes               # memory of all pieces
    replica_t *replicas         # the latest first
    size_t nreplicas
    uint64_t net_out            # bytes sent to replicas that are gone
    bint wants_acks             # they are to be asked how far they are
    bint is_drain_told          # call drained() when a replica has got all

# A client that is sent the stream.
cdef struct replica_t:
    client_t *c
    replica_t *next
    piece_t *piece              # where it goes on; NULL: it has no position yet
    size_t pos                  # ... in the piece
    bint is_flowing             # sent what comes; else it is kept for it
    int file_fd                 # sent before; -1: none
    uint64_t file_left          # bytes of it
    uint64_t net_out            # of the client, before it was one
    int64_t ack                 # offset up to which it has executed
    int64_t ack_ms              # when it said so; 0: never
    int64_t synced              # offset up to which its append-only file has it
    int64_t soft_since_ms       # over the soft limit since; 0: is not
    void (*flush)(client_t *c) noexcept nogil   # that of its connection

# Append to the stream, whose offset grows by as much; also where there is no backlog.
# A replica appends what its primary sends.
cdef void backlog_append(server_t *srv, const char *s, size_t nbytes) noexcept nogil
# how many replicas have acknowledged the offset; by their append-only files
cdef int backlog_count_acks(
    const server_t *srv, int64_t offset, bint is_synced
) noexcept nogil
# have them asked, at the end of the round
cdef void backlog_ask_acks(server_t *srv) noexcept nogil


cdef class Backlog:
    cdef Engine engine
    cdef uint64_t net_out_before    # bytes sent to replicas of a backlog that is gone

    cdef replica_t *_find(self, uint64_t client_id) except? NULL
