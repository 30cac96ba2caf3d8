# SPDX-License-Identifier: BSD-3-Clause
"""What is written down of the changes of the data set. See propagate.pyx."""
from fastredis.engine.client cimport client_t, server_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from libc.stdint cimport int64_t, uint64_t

# The bytes that wait to be written: requests in RESP.
cdef struct feed_t:
    char *buf                   # owned
    size_t len
    size_t cap
    size_t taken                # of them, by the replicas
    int db                      # that the requests are for from here on; -1: unknown
    # --- the unit of execution that is under way
    size_t unit_at              # where it begins in buf
    size_t unit_ncommands       # written for it
    bint is_unit_open
    bint is_unwrapped           # whatever their number, they stand for themselves
    # --- the command that is under way
    bint is_replaced            # the handler said what to write instead of the request
    bint is_forced              # to be written though it changed nothing
    bint is_message             # ... for replicas alone, where that is possible

# --- For handlers -------------------------------------------------------------------

# Is anything written down? Otherwise the functions below need not be called.
cdef inline bint is_fed(const client_t *c) noexcept nogil:
    return c.srv.feeds != 0

# Begin a request of argc arguments in place of the one being executed; may be called
# several times, or with 0: nothing is written. Exactly argc arguments follow each.
cdef void feed_instead(client_t *c, int argc) noexcept nogil
cdef void feed_text(client_t *c, const char *s) noexcept nogil
cdef void feed_bytes(client_t *c, const char *s, size_t nbytes) noexcept nogil
cdef void feed_i64(client_t *c, int64_t v) noexcept nogil
# arguments first to last - 1 of the request
cdef void feed_args(client_t *c, int first, int last) noexcept nogil
# the whole of the most frequent ones: name key; name key value
cdef void feed_key(client_t *c, const char *name, const dbkey_t *key) noexcept nogil
cdef void feed_key_i64(
    client_t *c, const char *name, const dbkey_t *key, int64_t v
) noexcept nogil
# write the request down whether or not it has changed anything
cdef void feed_anyway(client_t *c) noexcept nogil
# have the request sent to the replicas, where it is of use, too (PUBLISH)
cdef void feed_message(client_t *c) noexcept nogil

# --- For the engine -----------------------------------------------------------------

# execute c.cmd, and write down what it changed
cdef void feed_call(client_t *c) noexcept nogil
# what is written between the two takes effect together
cdef void feed_begin_unit(server_t *srv) noexcept nogil
cdef void feed_end_unit(server_t *srv) noexcept nogil
# a key is deleted because its time has passed, or to make room
cdef void feed_deletion(
    server_t *srv, db_t *db, const dbkey_t *key, bint is_lazy
) noexcept nogil
# have what waits written; called before replies are sent
cdef inline void feed_write(server_t *srv) noexcept nogil:
    if srv.feeds and srv.feed_waits:
        feed_write_all(srv)
cdef void feed_write_all(server_t *srv) noexcept nogil

# --- For what writes ----------------------------------------------------------------

# begin and end to collect; which: one of FEED_*
cdef void feed_start(server_t *srv, int which) noexcept nogil
cdef void feed_stop(server_t *srv, int which) noexcept nogil
# what waits, and forget it
cdef feed_t *feed_of(server_t *srv) noexcept nogil
cdef void feed_clear(server_t *srv) noexcept nogil
# put bytes before all that waits; the replicas have had theirs
cdef void feed_prepend(server_t *srv, const char *s, size_t nbytes) noexcept nogil
# name the database anew before the next request
cdef void feed_reselect(server_t *srv) noexcept nogil
cdef void feed_free(server_t *srv) noexcept nogil
