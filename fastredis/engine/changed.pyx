# SPDX-License-Identifier: BSD-3-Clause
r"""What a change of a key sets off.

                                            +--> clients that wait for the key
    handler --> key_changed --> key_tell ---+--> WATCH: EXEC will fail
                                            +--> clients that cache the key
                                            +--> keyspace notifications
    keyspace: expired --------------------->+

                only if server_t.change_hooks is not 0

Handlers call key_changed once for each change, with the name of the event. So whatever
has to know of changes is told here, and no handler is touched when that grows. As long
as nobody wants to know, a change costs one addition and the test of one word.

A notification is a message on one or two channels, which exist only by their names:

    K   __keyspace@<db>__:<key>     the event
    E   __keyevent@<db>__:<event>   the key

Threads: the thread that executes commands.
Source: Redis documentation, "Redis keyspace notifications".
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.engine.blocking cimport blocking_signal, blocking_signal_all
from fastredis.engine.client cimport (
    CHANGE_BLOCKED,
    CHANGE_EVENTS,
    CHANGE_LOCAL,
    CHANGE_TRACKED,
    CHANGE_WATCHED,
    CLIENT_MASTER,
)
from fastredis.engine.multi cimport watch_touch, watch_touch_all
from fastredis.engine.propagate cimport feed_deletion
from fastredis.engine.pubsub cimport (
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    pubsub_nchannels,
    pubsub_publish,
)
from fastredis.engine.tracking cimport tracking_forget_all, tracking_touch
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strcmp, strlen

cdef enum:
    NAME_ROOM = 256             # of a channel's name; longer ones take the heap
    PREFIX_ROOM = 40            # __keyspace@<db>__: with any number


# --- Notifications ----------------------------------------------------------------


cdef void _publish(
    server_t *srv, const char *prefix, const char *name, size_t nbytes,
    const char *message, size_t message_nbytes
) noexcept nogil:
    """Publish on the channel whose name is a prefix and a name."""
    cdef char[NAME_ROOM] room
    cdef char *channel = room
    cdef size_t n = strlen(prefix)
    if n + nbytes > NAME_ROOM:
        channel = <char *>zmalloc(n + nbytes)
    memcpy(channel, prefix, n)
    memcpy(channel + n, name, nbytes)
    pubsub_publish(srv, PUBSUB_CHANNEL, channel, n + nbytes, message, message_nbytes)
    if channel != room:
        zfree(channel)


cdef void key_notify(
    server_t *srv, db_t *db, const dbkey_t *key, uint32_t event_class,
    const char *event
) noexcept nogil:
    """Publish an event, if its class is asked for and anybody listens to anything."""
    cdef char[PREFIX_ROOM] prefix
    if not srv.events & event_class:
        return
    if pubsub_nchannels(srv, PUBSUB_CHANNEL) == 0 and \
            pubsub_nchannels(srv, PUBSUB_PATTERN) == 0:
        return
    if srv.events & NOTIFY_KEYSPACE:
        snprintf(prefix, PREFIX_ROOM, b"__keyspace@%d__:", db.id)
        _publish(srv, prefix, key.ptr, key.len, event, strlen(event))
    if srv.events & NOTIFY_KEYEVENT:
        snprintf(prefix, PREFIX_ROOM, b"__keyevent@%d__:", db.id)
        _publish(srv, prefix, event, strlen(event), key.ptr, key.len)


# --- Keys -------------------------------------------------------------------------


cdef void key_tell(
    server_t *srv, db_t *db, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Tell whoever wants to know of a change."""
    if srv.change_hooks & CHANGE_BLOCKED:
        blocking_signal(db, srv, key)
    _tell(srv, db, key, event_class, event)


cdef void _tell(
    server_t *srv, db_t *db, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Do so but for clients that wait: they wait for what comes, not for what goes."""
    if srv.change_hooks & CHANGE_WATCHED:
        watch_touch(srv, db, key)
    if srv.change_hooks & CHANGE_TRACKED:
        tracking_touch(srv, key)
    if srv.change_hooks & CHANGE_EVENTS:
        key_notify(srv, db, key, event_class, event)
    if srv.change_hooks & CHANGE_LOCAL and event_class == NOTIFY_GENERIC \
            and strcmp(event, b"expire") == 0:
        _note_local_expiry(srv, db, key)


cdef void _note_local_expiry(
    server_t *srv, db_t *db, const dbkey_t *key
) noexcept nogil:
    """Have a key that a client of a replica wrote deleted when its time comes."""
    if srv.current != NULL and srv.current.flags & CLIENT_MASTER:
        return
    with gil:
        (<object>srv.runtime).note_local_expiry(db.id, key.ptr[:key.len])


cdef void _on_expired(void *ctx, db_t *db, const dbkey_t *key) noexcept nogil:
    cdef server_t *srv = <server_t *>ctx
    if srv.feeds:
        feed_deletion(srv, db, key, db.ks.is_lazy_expire)
    if srv.change_hooks & CHANGE_BLOCKED:
        blocking_signal(db, srv, key)   # some wait for the end of a key
    if srv.change_hooks:
        _tell(srv, db, key, NOTIFY_EXPIRED, b"expired")


cdef void _on_fields_expired(void *ctx, db_t *db, const dbkey_t *key) noexcept nogil:
    cdef server_t *srv = <server_t *>ctx
    if srv.change_hooks:
        _tell(srv, db, key, NOTIFY_HASH, b"hexpired")


cdef void _on_emptied(void *ctx, db_t *db, const dbkey_t *key) noexcept nogil:
    cdef server_t *srv = <server_t *>ctx
    if srv.change_hooks:
        _tell(srv, db, key, NOTIFY_GENERIC, b"del")


cdef void _on_created(void *ctx, db_t *db, const dbkey_t *key) noexcept nogil:
    key_notify(<server_t *>ctx, db, key, NOTIFY_NEW, b"new")


cdef void _on_missed(void *ctx, db_t *db, const dbkey_t *key) noexcept nogil:
    key_notify(<server_t *>ctx, db, key, NOTIFY_KEY_MISS, b"keymiss")


# --- Databases --------------------------------------------------------------------


cdef void db_will_flush(server_t *srv, db_t *db) noexcept nogil:
    """Tell that all keys of a database go."""
    if srv.change_hooks & CHANGE_WATCHED:
        watch_touch_all(srv, db, NULL)
    if srv.change_hooks & CHANGE_BLOCKED:
        blocking_signal_all(srv, db.id)


cdef void dbs_will_flush(server_t *srv) noexcept nogil:
    """Tell that FLUSHDB or FLUSHALL begins."""
    if srv.change_hooks & CHANGE_TRACKED:
        tracking_forget_all(srv)


cdef void db_will_swap(server_t *srv, db_t *a, db_t *b) noexcept nogil:
    """Tell that two databases exchange their contents."""
    if a != b and srv.change_hooks & CHANGE_WATCHED:
        watch_touch_all(srv, a, b)
        watch_touch_all(srv, b, a)
    if a != b and srv.change_hooks & CHANGE_TRACKED:
        # clients know keys by their names alone, whatever the database
        tracking_forget_all(srv)


# --- Set up -----------------------------------------------------------------------


cdef void changed_start(server_t *srv) noexcept nogil:
    """Hear of what happens in the keyspace by itself."""
    srv.ks.hooks.ctx = srv
    srv.ks.hooks.expired = _on_expired
    srv.ks.hooks.fields_expired = _on_fields_expired
    srv.ks.hooks.emptied = _on_emptied


cdef void changed_set_events(server_t *srv, uint32_t events) noexcept nogil:
    """Publish the events of these classes."""
    if not events & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT):
        events = 0      # there is no channel to publish them on
    srv.events = events
    if events:
        srv.change_hooks |= CHANGE_EVENTS
    else:
        srv.change_hooks &= ~CHANGE_EVENTS
    srv.ks.hooks.created = NULL
    if events & NOTIFY_NEW:
        srv.ks.hooks.created = _on_created
    srv.ks.hooks.missed = NULL
    if events & NOTIFY_KEY_MISS:
        srv.ks.hooks.missed = _on_missed
