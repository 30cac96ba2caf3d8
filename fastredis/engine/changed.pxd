# SPDX-License-Identifier: BSD-3-Clause
"""The one place that hears of every change of a key. See changed.pyx."""
from fastredis.core.status cimport fr_unlikely
from fastredis.engine.client cimport client_t, server_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from libc.stdint cimport uint32_t, uint64_t

# Classes of events, as the letters of notify-keyspace-events name them.
cdef enum:
    NOTIFY_KEYSPACE = 1 << 0        # K: by the name of the key
    NOTIFY_KEYEVENT = 1 << 1        # E: by the name of the event
    NOTIFY_GENERIC = 1 << 2         # g
    NOTIFY_STRING = 1 << 3          # $
    NOTIFY_LIST = 1 << 4            # l
    NOTIFY_SET = 1 << 5             # s
    NOTIFY_HASH = 1 << 6            # h
    NOTIFY_ZSET = 1 << 7            # z
    NOTIFY_EXPIRED = 1 << 8         # x
    NOTIFY_EVICTED = 1 << 9         # e
    NOTIFY_STREAM = 1 << 10         # t
    NOTIFY_KEY_MISS = 1 << 11       # m
    NOTIFY_MODULE = 1 << 13         # d
    NOTIFY_NEW = 1 << 14            # n

# The command changed this key, in the client's database. event: what Redis calls it,
# such as "hset"; several changes of one key by one command are several calls.
cdef inline void key_changed(
    client_t *c, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Count the change and tell whoever wants to know."""
    c.srv.dirty += 1
    if fr_unlikely(c.srv.change_hooks):
        key_tell(c.srv, c.db, key, event_class, event)

# the same for n changes: elements pushed, members removed
cdef inline void key_changed_n(
    client_t *c, const dbkey_t *key, int event_class, const char *event, uint64_t n
) noexcept nogil:
    """Count the changes and tell whoever wants to know."""
    c.srv.dirty += n
    if fr_unlikely(c.srv.change_hooks):
        key_tell(c.srv, c.db, key, event_class, event)

# the same for a key of another database
cdef inline void key_changed_in(
    client_t *c, db_t *db, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Count the change and tell whoever wants to know."""
    c.srv.dirty += 1
    if fr_unlikely(c.srv.change_hooks):
        key_tell(c.srv, db, key, event_class, event)

# one more event of a change that has been counted: SET with an expiry is set and expire
cdef inline void key_event(
    client_t *c, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Tell whoever wants to know."""
    if fr_unlikely(c.srv.change_hooks):
        key_tell(c.srv, c.db, key, event_class, event)

# an event of what is no change of the value to those that watch it or wait for it,
# such as of a stream's groups
cdef inline void key_noted(
    client_t *c, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Tell whoever listens to events."""
    if fr_unlikely(c.srv.events):
        key_notify(c.srv, c.db, key, event_class, event)

cdef void key_notify(
    server_t *srv, db_t *db, const dbkey_t *key, uint32_t event_class,
    const char *event
) noexcept nogil
# what the others do when server_t.change_hooks is not 0
cdef void key_tell(
    server_t *srv, db_t *db, const dbkey_t *key, int event_class, const char *event
) noexcept nogil
# Called before all keys of a database go.
cdef void db_will_flush(server_t *srv, db_t *db) noexcept nogil
# Called once before one or more databases are flushed.
cdef void dbs_will_flush(server_t *srv) noexcept nogil
# Called before two databases exchange their contents.
cdef void db_will_swap(server_t *srv, db_t *a, db_t *b) noexcept nogil

# --- For the engine -----------------------------------------------------------------

# hear of what happens in the keyspace by itself
cdef void changed_start(server_t *srv) noexcept nogil
# publish the events of these classes (NOTIFY_*)
cdef void changed_set_events(server_t *srv, uint32_t events) noexcept nogil
