# SPDX-License-Identifier: BSD-3-Clause
r"""Transactions: the queue between MULTI and EXEC, and watched keys.

    client_t.multi --> multi_t: queue    [queued_t *, ...]    one allocation each:
                                         | cmd argc argv | slices | bytes |
                                watches  watch_t --> watch_t --> ...
                                            |           |
    server_t.watched --> one hash table     v           v
          a database --> watched_key_t "a", watched_key_t "b"
                            first --> watch_t <--> watch_t   of other clients

A watch_t belongs to one client and one key, and is in the list of each. A change of a
key finds the key in the table of its database, marks every client in its list as
DIRTY_CAS, and ends all watches of these clients: there is nothing more to learn for
them. So the next change of a hot key costs one look-up that finds nothing.

A key that has expired when it is watched is deleted then, so an expired one found later
expired meanwhile, which is a change. Only SWAPDB can bring one that was expired before;
that is what is_stale is for.

The tables stay once made; CHANGE_WATCHED is in server_t.change_hooks while any key is
watched.

Cost: WATCH O(1) for a client with few watches; a change O(clients that watch the key).
Threads: the thread that executes commands.
"""
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zrealloc, zsize
from fastredis.ds.hashtable cimport (
    ht_find,
    ht_free,
    ht_insert,
    ht_locate,
    ht_new,
    ht_remove_at,
    ht_t,
    ht_walk,
)
from fastredis.engine.client cimport (
    CLIENT_DIRTY_CAS,
    CLIENT_DIRTY_EXEC,
    CLIENT_MULTI,
    CHANGE_WATCHED,
)
from fastredis.keyspace.db cimport (
    DB_ABSENT,
    DB_EXPIRED,
    DB_LIVE,
    db_peek,
    db_state,
    db_state_t,
)
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef enum:
    QUEUE_MIN = 8               # requests that a queue has room for at first

# A key that is watched by somebody.
cdef struct watched_key_t:
    watch_t *first
    int db
    bint is_stale               # what is stored there has always counted as absent
    uint64_t hash
    size_t len
    char name[1]

# A client watches a key.
cdef struct watch_t:
    client_t *c
    watched_key_t *key
    watch_t *next_of_key
    watch_t *prev_of_key
    watch_t *next_of_client

cdef struct multi_t:
    queued_t **queue
    int nqueued
    int cap
    size_t args_nbytes
    size_t nbytes               # memory of what is queued
    watch_t *watches            # the newest first
    size_t nwatches
    client_t *next_touched      # see watch_touch_all

# All that is watched on a server.
cdef struct watched_t:
    size_t nkeys
    size_t nclients             # that watch anything
    ht_t *tables[1]             # by the number of the database; NULL: none so far


# --- The queue --------------------------------------------------------------------


cdef multi_t *_state(client_t *c) noexcept nogil:
    """Return the client's state, made if need be."""
    if c.multi == NULL:
        c.multi = zcalloc(sizeof(multi_t))
        c.srv.forget_multi = _forget
    return <multi_t *>c.multi


cdef void _free_queue(multi_t *m) noexcept nogil:
    cdef int i
    for i in range(m.nqueued):
        zfree(m.queue[i])
    if m.queue != NULL:
        zfree(m.queue)
    m.queue = NULL
    m.nqueued = m.cap = 0
    m.args_nbytes = m.nbytes = 0


cdef void _forget(client_t *c) noexcept nogil:
    """Free the client's state, as if it had never said MULTI or WATCH."""
    watch_clear(c)
    _free_queue(<multi_t *>c.multi)
    zfree(c.multi)
    c.multi = NULL
    c.flags &= ~(CLIENT_MULTI | CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC)


cdef void multi_begin(client_t *c) noexcept nogil:
    """Queue what follows."""
    _state(c)
    c.flags |= CLIENT_MULTI


cdef void multi_queue(client_t *c) noexcept nogil:
    """Append a copy of the request in c.argv."""
    cdef multi_t *m = <multi_t *>c.multi
    cdef size_t nargs = 0, head = sizeof(queued_t) + c.argc * sizeof(slice_t)
    cdef queued_t *q
    cdef char *p
    cdef int i
    if m.nqueued == m.cap:
        m.cap = 2 * m.cap if m.cap else QUEUE_MIN
        m.queue = <queued_t **>zrealloc(m.queue, m.cap * sizeof(queued_t *))
    for i in range(c.argc):
        nargs += c.argv[i].len
    q = <queued_t *>zmalloc(head + nargs)
    q.cmd = c.cmd
    q.argc = c.argc
    q.argv = <slice_t *>(q + 1)
    p = <char *>q + head
    for i in range(c.argc):
        memcpy(p, c.argv[i].ptr, c.argv[i].len)
        q.argv[i].ptr = p
        q.argv[i].len = c.argv[i].len
        p += c.argv[i].len
    m.queue[m.nqueued] = q
    m.nqueued += 1
    m.args_nbytes += nargs
    m.nbytes += zsize(q)


cdef int multi_len(const client_t *c) noexcept nogil:
    """Return the number of queued requests."""
    return 0 if c.multi == NULL else (<multi_t *>c.multi).nqueued


cdef const queued_t *multi_at(const client_t *c, int i) noexcept nogil:
    """Return a queued request."""
    return (<multi_t *>c.multi).queue[i]


cdef void multi_end(client_t *c) noexcept nogil:
    """Leave the transaction."""
    _forget(c)


cdef size_t multi_args_nbytes(const client_t *c) noexcept nogil:
    """Return the bytes of the queued arguments."""
    return 0 if c.multi == NULL else (<multi_t *>c.multi).args_nbytes


cdef size_t multi_nbytes(const client_t *c) noexcept nogil:
    """Return the memory of the queue and of what is watched."""
    cdef const multi_t *m = <multi_t *>c.multi
    cdef size_t n
    if m == NULL:
        return 0
    n = m.nbytes + m.nwatches * (sizeof(watch_t) + sizeof(watched_key_t))
    if m.queue != NULL:
        n += zsize(m.queue)
    return n


# --- Watched keys -----------------------------------------------------------------


cdef const char *_key_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const watched_key_t *k = <const watched_key_t *>entry
    len_out[0] = k.len
    return k.name


cdef watched_t *_watched(server_t *srv) noexcept nogil:
    """Return what is watched on the server, made if need be."""
    if srv.watched == NULL:
        srv.watched = zcalloc(sizeof(watched_t) + srv.ks.ndbs * sizeof(ht_t *))
    return <watched_t *>srv.watched


cdef watched_key_t *_find(
    const server_t *srv, const db_t *db, const dbkey_t *key
) noexcept nogil:
    """Return a key that is watched, or NULL."""
    cdef const watched_t *w = <watched_t *>srv.watched
    cdef const ht_t *t = w.tables[db.id]
    return NULL if t == NULL else \
        <watched_key_t *>ht_find(t, key.ptr, key.len, key.hash)


cdef bint _is_watched_by(const watched_key_t *k, const multi_t *m) noexcept nogil:
    """Return whether a client watches a key; looks through the shorter of the lists."""
    cdef const watch_t *of_key = k.first
    cdef const watch_t *of_client = m.watches
    while of_key != NULL and of_client != NULL:
        if <multi_t *>of_key.c.multi == m or of_client.key == k:
            return True
        of_key = of_key.next_of_key
        of_client = of_client.next_of_client
    return False


cdef void watch_add(client_t *c, const dbkey_t *key) noexcept nogil:
    """Watch a key of the client's database."""
    cdef watched_t *all = _watched(c.srv)
    cdef multi_t *m = _state(c)
    cdef ht_t *t = all.tables[c.db.id]
    cdef watched_key_t *k
    cdef watch_t *w
    db_peek(c.db, key)      # deletes it if its time has passed
    if t == NULL:
        t = all.tables[c.db.id] = ht_new(_key_name)
    k = _find(c.srv, c.db, key)
    if k == NULL:
        k = <watched_key_t *>zmalloc(sizeof(watched_key_t) + key.len)
        k.first = NULL
        k.db = c.db.id
        k.is_stale = False
        k.hash = key.hash
        k.len = key.len
        memcpy(k.name, key.ptr, key.len)
        ht_insert(t, k, key.hash)
        all.nkeys += 1
    elif _is_watched_by(k, m):
        return
    w = <watch_t *>zmalloc(sizeof(watch_t))
    w.c = c
    w.key = k
    w.prev_of_key = NULL
    w.next_of_key = k.first
    if k.first != NULL:
        k.first.prev_of_key = w
    k.first = w
    w.next_of_client = m.watches
    m.watches = w
    if m.nwatches == 0:
        all.nclients += 1
    m.nwatches += 1
    c.srv.change_hooks |= CHANGE_WATCHED


cdef void watch_clear(client_t *c) noexcept nogil:
    """Watch nothing any more."""
    cdef watched_t *all = <watched_t *>c.srv.watched
    cdef multi_t *m = <multi_t *>c.multi
    cdef watched_key_t *k
    cdef watch_t *w
    if m == NULL or m.watches == NULL:
        return
    while m.watches != NULL:
        w = m.watches
        m.watches = w.next_of_client
        k = w.key
        if w.next_of_key != NULL:
            w.next_of_key.prev_of_key = w.prev_of_key
        if w.prev_of_key != NULL:
            w.prev_of_key.next_of_key = w.next_of_key
        else:
            k.first = w.next_of_key
        zfree(w)
        if k.first == NULL:
            ht_remove_at(all.tables[k.db], ht_locate(
                all.tables[k.db], k.name, k.len, k.hash), k.hash)
            zfree(k)
            all.nkeys -= 1
    m.nwatches = 0
    all.nclients -= 1
    if all.nclients == 0:
        c.srv.change_hooks &= ~CHANGE_WATCHED


cdef void watch_expire(client_t *c) noexcept nogil:
    """Let EXEC fail if a watched key has expired, though it may still be stored."""
    cdef multi_t *m = <multi_t *>c.multi
    cdef watch_t *w = m.watches
    cdef dbkey_t key
    while w != NULL:
        key.ptr = w.key.name
        key.len = w.key.len
        key.hash = w.key.hash
        if not w.key.is_stale and \
                db_state(&c.srv.ks.dbs[w.key.db], &key) == DB_EXPIRED:
            c.flags |= CLIENT_DIRTY_CAS
            watch_clear(c)
            return
        w = w.next_of_client


cdef size_t watch_len(const client_t *c) noexcept nogil:
    """Return how many keys the client watches."""
    return 0 if c.multi == NULL else (<multi_t *>c.multi).nwatches


cdef void watch_touch(server_t *srv, db_t *db, const dbkey_t *key) noexcept nogil:
    """Let EXEC fail for all who watch a key."""
    cdef watched_key_t *k = _find(srv, db, key)
    cdef client_t *c
    cdef watch_t *w
    cdef bint is_last
    if k == NULL:
        return
    if k.is_stale and db_state(db, key) == DB_EXPIRED:
        k.is_stale = False      # it goes: absent before and after
        return
    while True:
        w = k.first
        is_last = w.next_of_key == NULL     # then k goes with this watch
        c = w.c
        c.flags |= CLIENT_DIRTY_CAS
        watch_clear(c)
        if is_last:
            return


# The clients to be touched are collected first: to end their watches changes the table
# that is being walked through.
cdef struct sweep_t:
    const db_t *db
    const db_t *other
    client_t *touched


cdef void _sweep_visit(void *ctx, void *entry) noexcept nogil:
    cdef sweep_t *s = <sweep_t *>ctx
    cdef watched_key_t *k = <watched_key_t *>entry
    cdef watch_t *w = k.first
    cdef dbkey_t key
    cdef db_state_t before, after = DB_ABSENT
    key.ptr = k.name
    key.len = k.len
    key.hash = k.hash
    before = db_state(s.db, &key)
    if before == DB_EXPIRED and k.is_stale:
        before = DB_ABSENT
    if s.other != NULL:
        after = db_state(s.other, &key)
    k.is_stale = after == DB_EXPIRED
    if before == DB_ABSENT and after != DB_LIVE:
        return
    while w != NULL:
        if not w.c.flags & CLIENT_DIRTY_CAS:
            w.c.flags |= CLIENT_DIRTY_CAS
            (<multi_t *>w.c.multi).next_touched = s.touched
            s.touched = w.c
        w = w.next_of_key


cdef void watch_touch_all(
    server_t *srv, db_t *db, const db_t *other
) noexcept nogil:
    """Let EXEC fail for all who watch a key that goes, or that takes its place."""
    cdef const watched_t *all = <watched_t *>srv.watched
    cdef sweep_t s
    cdef client_t *c
    if all.tables[db.id] == NULL:
        return
    s.db = db
    s.other = other
    s.touched = NULL
    ht_walk(all.tables[db.id], _sweep_visit, &s)
    while s.touched != NULL:
        c = s.touched
        s.touched = (<multi_t *>c.multi).next_touched
        watch_clear(c)


cdef size_t watch_nclients(const server_t *srv) noexcept nogil:
    """Return how many clients watch anything."""
    return 0 if srv.watched == NULL else (<watched_t *>srv.watched).nclients


cdef size_t watch_nkeys(const server_t *srv) noexcept nogil:
    """Return how many keys are watched by anybody."""
    return 0 if srv.watched == NULL else (<watched_t *>srv.watched).nkeys


cdef void watch_free(server_t *srv) noexcept nogil:
    """Free the table, which is empty."""
    cdef watched_t *all = <watched_t *>srv.watched
    cdef int i
    if all == NULL:
        return
    for i in range(srv.ks.ndbs):
        ht_free(all.tables[i])
    zfree(all)
    srv.watched = NULL
