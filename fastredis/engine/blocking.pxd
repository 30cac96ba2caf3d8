# SPDX-License-Identifier: BSD-3-Clause
"""Commands that wait for keys: BLPOP and its kin. See blocking.pyx.

A handler that finds nothing to take calls block_on_keys and returns. The client then
waits; when one of the keys has changed (key_changed), the handler runs again with the
same arguments, and either replies or calls block_on_keys again, upon which the client
keeps its place in the queue. So a handler has no code of its own for being woken.
"""
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport client_t, server_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from libc.stdint cimport int64_t

# What is replied when the time is over, or where blocking is not allowed (MULTI).
cdef enum block_reply_t:
    BLOCK_NULL = 0
    BLOCK_NULL_ARRAY = 1

# Wait until one of the keys argv[first .. first + n) has a value of this type (OBJ_LIST
# and so on). deadline_ms: wall clock; 0: no limit.
cdef void block_on_keys(
    client_t *c, int first, int n, int type, int64_t deadline_ms, block_reply_t empty
) noexcept nogil
# ... and also once one of them is gone or has another type: the command then says so
cdef void block_until_gone(client_t *c) noexcept nogil
# ... and at a time (wall clock), if it waits for so long
cdef void block_retry_at(client_t *c, int64_t when_ms) noexcept nogil
# Wait for something that is no key: until is_done, which blocking_poll asks now and
# then. reply is called when it is done and when the time is over. There must be no
# other way for the client to reply: where it may not block, ask before.
cdef void block_until(
    client_t *c,
    int64_t deadline_ms,
    bint (*is_done)(client_t *c) noexcept nogil,
    void (*reply)(client_t *c) noexcept nogil,
) noexcept nogil
# when a client's waiting is over that begins now and lasts so long; 0 for 0: no limit
cdef inline int64_t block_deadline(const client_t *c, int64_t ms) noexcept nogil:
    """Return a time at which no less than ms have passed: now_ms is rounded down."""
    if ms == 0:
        return 0
    return c.srv.now_ms + ms + (c.srv.now_us % 1000 != 0)

# the argument as a timeout in seconds: "ERR timeout is not a float or out of range",
# "ERR timeout is negative", "ERR timeout is out of range"
cdef status_t arg_timeout_or_reply(
    client_t *c, int i, int64_t *deadline_ms_out
) noexcept nogil
# ... in milliseconds: "ERR timeout is not an integer or out of range"
cdef status_t arg_timeout_ms_or_reply(
    client_t *c, int i, int64_t *deadline_ms_out
) noexcept nogil

# --- For the engine -----------------------------------------------------------------

# a key changed: whoever waits for it is to be tried again
cdef void blocking_signal(db_t *db, server_t *srv, const dbkey_t *key) noexcept nogil
# any key of this database may have changed
cdef void blocking_signal_all(server_t *srv, int db) noexcept nogil
# run the commands of clients whose keys have changed
cdef void blocking_serve(
    server_t *srv, void (*rerun)(client_t *c) noexcept nogil
) noexcept nogil
# end the waiting of those for whom block_until was called, if it is done
cdef void blocking_poll(server_t *srv) noexcept nogil
# end the waiting: with an error, or, if that is NULL, as if the time were over
cdef void blocking_cancel(client_t *c, const char *error) noexcept nogil
# the same for all whose time is over; blocking_serve is to follow
cdef void blocking_expire(server_t *srv) noexcept nogil
# when that is to be called again; 0: not at all
cdef int64_t blocking_next_deadline(const server_t *srv) noexcept nogil
cdef size_t blocking_nkeys(const server_t *srv) noexcept nogil
# ... for which block_until_gone was called
cdef size_t blocking_nkeys_until_gone(const server_t *srv) noexcept nogil
cdef void blocking_free(server_t *srv) noexcept nogil
