# SPDX-License-Identifier: BSD-3-Clause
"""Transactions: the queue between MULTI and EXEC, and watched keys. See multi.pyx."""
from fastredis.engine.client cimport client_t, cmd_t, server_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.resp.parser cimport slice_t

# A request that waits for EXEC, its arguments copied.
cdef struct queued_t:
    cmd_t *cmd
    int argc
    slice_t *argv

# --- The queue ----------------------------------------------------------------------

cdef void multi_begin(client_t *c) noexcept nogil
# append the request in c.argv
cdef void multi_queue(client_t *c) noexcept nogil
cdef int multi_len(const client_t *c) noexcept nogil
# borrowed until multi_end
cdef const queued_t *multi_at(const client_t *c, int i) noexcept nogil
# leave the transaction, forget its queue and what was watched for it
cdef void multi_end(client_t *c) noexcept nogil
# bytes of the queued arguments
cdef size_t multi_args_nbytes(const client_t *c) noexcept nogil
# memory of the queue and of what is watched
cdef size_t multi_nbytes(const client_t *c) noexcept nogil

# --- Watched keys -------------------------------------------------------------------

# watch a key of the client's database
cdef void watch_add(client_t *c, const dbkey_t *key) noexcept nogil
cdef void watch_clear(client_t *c) noexcept nogil
# a watched key that has expired, whether or not it is still stored, has changed
cdef void watch_expire(client_t *c) noexcept nogil
cdef size_t watch_len(const client_t *c) noexcept nogil
# a key changed: EXEC of whoever watches it will fail
cdef void watch_touch(server_t *srv, db_t *db, const dbkey_t *key) noexcept nogil
# all keys of db are about to go, and to be replaced by those of other, or by none
cdef void watch_touch_all(server_t *srv, db_t *db, const db_t *other) noexcept nogil
cdef size_t watch_nclients(const server_t *srv) noexcept nogil
cdef size_t watch_nkeys(const server_t *srv) noexcept nogil
# free the table; no client is left
cdef void watch_free(server_t *srv) noexcept nogil
