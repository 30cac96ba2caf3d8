# SPDX-License-Identifier: BSD-3-Clause
r"""Clients that wait for keys.

    table of a database         queue of a key, in order of arrival
    +-----------+               +---------+    +---------+
    | "jobs" ---+-> wait_key -> | waiter  | <> | waiter  |
    +-----------+    |          | client 7|    | client 9|
                     v          +---------+    +---------+
               srv's list of        |
               keys that changed    +--> client 7's block: its arguments, all its
                                         waiters, the time when it gives up

A blocking command is an ordinary one that found nothing: it is kept with a copy of its
arguments and runs again when one of its keys has changed. key_changed puts such a key
into the list; blocking_serve, after the command that did it, tries the key's clients
one after the other for as long as the key has a value of the type they wait for. What
one of them pushes elsewhere (BLMOVE) lengthens the list while it is worked off.

Times to give up, or to try again, are in a binary heap, the nearest first.

Cost: waiting and waking O(1) a key, O(log n) with a time limit; a change of a key that
nobody waits for is one look into a table, and nothing at all while no client waits.
Threads: the thread that executes commands.
"""
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zrealloc
from fastredis.core.num cimport ld_t, num_parse_ld
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.ds.hashtable cimport (
    ht_free,
    ht_insert,
    ht_locate,
    ht_new,
    ht_pos_t,
    ht_remove_at,
    ht_t,
    ht_unpack,
    ht_walk,
)
from fastredis.engine.args cimport arg_i64_or_error, arg_key
from fastredis.engine.client cimport (
    CHANGE_BLOCKED,
    CLIENT_BLOCKED,
    CLIENT_CLOSE_ASAP,
    CLIENT_DENY_BLOCKING,
    CLIENT_FAKE,
    client_queue_unblocked,
    client_queue_write,
    cmd_t,
    server_update_clock,
)
from fastredis.engine.reply cimport reply_error, reply_null, reply_null_array
from fastredis.keyspace.db cimport DB_LIVE, db_peek, db_state
from fastredis.keyspace.obj cimport obj_t, obj_type
from fastredis.resp.parser cimport slice_t
from libc.math cimport ceil
from libc.stdint cimport INT64_MAX, uint64_t
from libc.string cimport memcpy

cdef enum:
    NOT_IN_HEAP = -1

cdef char *ERR_TIMEOUT_FLOAT = b"ERR timeout is not a float or out of range"
cdef char *ERR_TIMEOUT_INTEGER = b"ERR timeout is not an integer or out of range"
cdef char *ERR_TIMEOUT_RANGE = b"ERR timeout is out of range"
cdef char *ERR_TIMEOUT_NEGATIVE = b"ERR timeout is negative"

# A key that clients wait for.
cdef struct wait_key_t:
    waiter_t *first
    waiter_t *last
    wait_key_t *next_changed
    uint64_t hash
    size_t len
    int db
    size_t nuntil_gone              # clients to which its end matters, too
    bint is_changed                 # in the list of changed keys
    bint is_held                    # its queue is being walked
    char key[1]

# A client's place in the queue of a key.
cdef struct waiter_t:
    client_t *client
    wait_key_t *key
    waiter_t *next
    waiter_t *prev

# What a waiting client keeps.
cdef struct block_t:
    cmd_t *cmd
    slice_t *argv                   # the array, and behind it the bytes
    int argc
    int type                        # of the value that it waits for
    block_reply_t empty
    bint is_waiting                 # False while the command runs again
    bint is_until_gone              # runs again, too, when a key is gone
    # of block_until, else NULL
    bint (*is_done)(client_t *c) noexcept nogil
    void (*reply)(client_t *c) noexcept nogil
    int64_t deadline_ms             # 0: none
    int64_t wake_ms                 # that, or when it is to be tried again before
    ssize_t heap_index
    size_t nwaiters
    waiter_t *waiters

# A server's part; made when a client waits for the first time.
cdef struct blocking_t:
    ht_t **tables                   # by database; NULL until needed
    wait_key_t *changed             # first in, first out
    wait_key_t *changed_last
    bint is_serving
    size_t nkeys_until_gone         # keys with such clients
    size_t nuntil                   # clients for which block_until was called
    client_t **heap
    size_t nheap
    size_t cap_heap


cdef const char *_key_of(const void *entry, size_t *len_out) noexcept nogil:
    len_out[0] = (<const wait_key_t *>entry).len
    return (<const wait_key_t *>entry).key


cdef inline blocking_t *_own(const server_t *srv) noexcept nogil:
    return <blocking_t *>srv.blocking


cdef inline block_t *_block(const client_t *c) noexcept nogil:
    return <block_t *>c.blocked


# --- Time limits ------------------------------------------------------------------


cdef inline void _heap_put(blocking_t *b, size_t i, client_t *c) noexcept nogil:
    b.heap[i] = c
    _block(c).heap_index = i


cdef void _heap_up(blocking_t *b, size_t i) noexcept nogil:
    """Move the client at i towards the top."""
    cdef client_t *c = b.heap[i]
    cdef size_t parent
    while i:
        parent = (i - 1) // 2
        if _block(b.heap[parent]).wake_ms <= _block(c).wake_ms:
            break
        _heap_put(b, i, b.heap[parent])
        i = parent
    _heap_put(b, i, c)


cdef void _heap_down(blocking_t *b, size_t i) noexcept nogil:
    """Move the client at i away from the top."""
    cdef client_t *c = b.heap[i]
    cdef size_t child
    while True:
        child = 2 * i + 1
        if child >= b.nheap:
            break
        if child + 1 < b.nheap and _block(b.heap[child + 1]).wake_ms \
                < _block(b.heap[child]).wake_ms:
            child += 1
        if _block(c).wake_ms <= _block(b.heap[child]).wake_ms:
            break
        _heap_put(b, i, b.heap[child])
        i = child
    _heap_put(b, i, c)


cdef void _heap_add(blocking_t *b, client_t *c) noexcept nogil:
    if b.nheap == b.cap_heap:
        b.cap_heap = 2 * b.cap_heap if b.cap_heap else 16
        b.heap = <client_t **>zrealloc(b.heap, b.cap_heap * sizeof(client_t *))
    b.heap[b.nheap] = c
    b.nheap += 1
    _heap_up(b, b.nheap - 1)


cdef void _heap_remove(blocking_t *b, client_t *c) noexcept nogil:
    cdef size_t i = _block(c).heap_index
    cdef client_t *moved
    b.nheap -= 1
    moved = b.heap[b.nheap]
    _block(c).heap_index = NOT_IN_HEAP
    if moved != c:
        _heap_put(b, i, moved)
        _heap_up(b, i)
        _heap_down(b, _block(moved).heap_index)


# --- Queues -----------------------------------------------------------------------


cdef wait_key_t *_key_for(server_t *srv, db_t *db, const dbkey_t *key) noexcept nogil:
    """Return the entry of a key, made if there is none."""
    cdef blocking_t *b = _own(srv)
    cdef ht_pos_t pos
    cdef wait_key_t *k
    if b.tables[db.id] == NULL:
        b.tables[db.id] = ht_new(_key_of)
    pos = ht_locate(b.tables[db.id], key.ptr, key.len, key.hash)
    if pos.bucket != NULL:
        return <wait_key_t *>ht_unpack(pos.bucket.ptrs[pos.index])
    k = <wait_key_t *>zcalloc(sizeof(wait_key_t) + key.len)
    k.hash = key.hash
    k.len = key.len
    k.db = db.id
    memcpy(k.key, key.ptr, key.len)
    ht_insert(b.tables[db.id], k, k.hash)
    return k


cdef void _drop_key(blocking_t *b, wait_key_t *k) noexcept nogil:
    """Forget a key for which nobody waits, unless it is in use."""
    cdef ht_t *t
    if k.first != NULL or k.is_changed or k.is_held:
        return
    t = b.tables[k.db]
    ht_remove_at(t, ht_locate(t, k.key, k.len, k.hash), k.hash)
    zfree(k)


cdef void _queue(server_t *srv, client_t *c, const dbkey_t *key) noexcept nogil:
    """Put the client at the end of a key's queue, unless it is there."""
    cdef wait_key_t *k = _key_for(srv, c.db, key)
    cdef block_t *own = _block(c)
    cdef waiter_t *w
    if k.last != NULL and k.last.client == c:
        return
    w = own.waiters + own.nwaiters
    own.nwaiters += 1
    w.client = c
    w.key = k
    w.next = NULL
    w.prev = k.last
    if k.last != NULL:
        k.last.next = w
    else:
        k.first = w
    k.last = w


cdef void _leave(client_t *c) noexcept nogil:
    """Take the client out of all queues and free what it kept."""
    cdef server_t *srv = c.srv
    cdef blocking_t *b = _own(srv)
    cdef block_t *own = _block(c)
    cdef waiter_t *w
    cdef size_t i
    for i in range(own.nwaiters):
        w = own.waiters + i
        if w.prev != NULL:
            w.prev.next = w.next
        else:
            w.key.first = w.next
        if w.next != NULL:
            w.next.prev = w.prev
        else:
            w.key.last = w.prev
        if own.is_until_gone:
            w.key.nuntil_gone -= 1
            b.nkeys_until_gone -= w.key.nuntil_gone == 0
        _drop_key(b, w.key)
    if own.heap_index != NOT_IN_HEAP:
        _heap_remove(b, c)
    if own.is_done != NULL:
        b.nuntil -= 1
    zfree(own.waiters)
    zfree(own.argv)
    zfree(own)
    c.blocked = NULL
    c.flags &= ~CLIENT_BLOCKED
    c.argv = NULL
    c.argc = 0
    srv.nblocked -= 1
    if srv.nblocked == 0:
        srv.change_hooks &= ~CHANGE_BLOCKED


cdef void _unblock(client_t *c) noexcept nogil:
    """Have the client's reply sent, and what it sent meanwhile executed."""
    _leave(c)
    client_queue_write(c)
    client_queue_unblocked(c)


# --- Wait -------------------------------------------------------------------------


cdef void _reply_empty(client_t *c, block_reply_t empty) noexcept nogil:
    if empty == BLOCK_NULL_ARRAY:
        reply_null_array(c)
    else:
        reply_null(c)


cdef void _keep_arguments(client_t *c, block_t *own) noexcept nogil:
    """Copy the client's arguments: they are borrowed from the read buffer."""
    cdef size_t nbytes = c.argc * sizeof(slice_t)
    cdef char *p
    cdef int i
    for i in range(c.argc):
        nbytes += c.argv[i].len
    own.argv = <slice_t *>zmalloc(nbytes)
    own.argc = c.argc
    p = <char *>(own.argv + c.argc)
    for i in range(c.argc):
        own.argv[i].ptr = p
        own.argv[i].len = c.argv[i].len
        memcpy(p, c.argv[i].ptr, c.argv[i].len)
        p += c.argv[i].len


cdef block_t *_block_new(client_t *c, int64_t deadline_ms) noexcept nogil:
    """Have the client wait, for nothing as yet."""
    cdef server_t *srv = c.srv
    cdef block_t *own = <block_t *>zcalloc(sizeof(block_t))
    if srv.blocking == NULL:
        srv.blocking = zcalloc(sizeof(blocking_t))
        _own(srv).tables = <ht_t **>zcalloc(srv.ks.ndbs * sizeof(ht_t *))
    own.cmd = c.cmd
    own.is_waiting = True
    own.deadline_ms = own.wake_ms = deadline_ms
    own.heap_index = NOT_IN_HEAP
    _keep_arguments(c, own)
    c.blocked = own
    c.forget_blocked = _leave
    c.flags |= CLIENT_BLOCKED
    srv.nblocked += 1
    srv.change_hooks |= CHANGE_BLOCKED
    if deadline_ms:
        _heap_add(_own(srv), c)
    return own


cdef void block_until(
    client_t *c,
    int64_t deadline_ms,
    bint (*is_done)(client_t *c) noexcept nogil,
    void (*reply)(client_t *c) noexcept nogil,
) noexcept nogil:
    """Have the client wait for something that is no key; see the header."""
    cdef block_t *own = _block_new(c, deadline_ms)
    c.cmd.calls -= 1        # counted at its end
    own.is_done = is_done
    own.reply = reply
    _own(c.srv).nuntil += 1


cdef void block_on_keys(
    client_t *c, int first, int n, int type, int64_t deadline_ms, block_reply_t empty
) noexcept nogil:
    """Have the client wait for the keys; see the header."""
    cdef server_t *srv = c.srv
    cdef block_t *own = _block(c)
    cdef dbkey_t key
    cdef int i
    if c.flags & (CLIENT_DENY_BLOCKING | CLIENT_FAKE):
        _reply_empty(c, empty)
        return
    c.cmd.calls -= 1        # the engine counts when the command has run; it has not
    if own != NULL:
        own.is_waiting = True
        return
    own = _block_new(c, deadline_ms)
    own.type = type
    own.empty = empty
    own.waiters = <waiter_t *>zmalloc(n * sizeof(waiter_t))
    for i in range(first, first + n):
        key = arg_key(c, i)
        _queue(srv, c, &key)


cdef void block_until_gone(client_t *c) noexcept nogil:
    """Have a client that waits hear of the end of a key, too."""
    cdef block_t *own = _block(c)
    cdef size_t i
    if own == NULL or own.is_until_gone:
        return
    own.is_until_gone = True
    for i in range(own.nwaiters):
        _own(c.srv).nkeys_until_gone += own.waiters[i].key.nuntil_gone == 0
        own.waiters[i].key.nuntil_gone += 1


cdef void block_retry_at(client_t *c, int64_t when_ms) noexcept nogil:
    """Have a client that waits tried again at a time."""
    cdef block_t *own = _block(c)
    if own == NULL or (own.deadline_ms and own.deadline_ms <= when_ms):
        return
    if own.heap_index != NOT_IN_HEAP:
        _heap_remove(_own(c.srv), c)
    own.wake_ms = when_ms
    _heap_add(_own(c.srv), c)


cdef status_t arg_timeout_or_reply(
    client_t *c, int i, int64_t *deadline_ms_out
) noexcept nogil:
    """Read a timeout in seconds; 0 seconds is no limit.

    It is read as widely as Redis does, which finds 1e400 out of range, but a number.
    """
    cdef ld_t seconds
    cdef int64_t ms
    if num_parse_ld(c.argv[i].ptr, c.argv[i].len, &seconds) != C_OK:
        reply_error(c, ERR_TIMEOUT_FLOAT)
        return C_ERR
    if seconds < 0:
        reply_error(c, ERR_TIMEOUT_NEGATIVE)
        return C_ERR
    if seconds >= 9223372036854775.0:   # int64 milliseconds
        reply_error(c, ERR_TIMEOUT_RANGE)
        return C_ERR
    ms = <int64_t>ceil(<double>(seconds * 1000))
    return _deadline_or_reply(c, ms, deadline_ms_out)


cdef status_t arg_timeout_ms_or_reply(
    client_t *c, int i, int64_t *deadline_ms_out
) noexcept nogil:
    """Read a timeout in milliseconds; 0 is no limit."""
    cdef int64_t ms
    if arg_i64_or_error(c, i, ERR_TIMEOUT_INTEGER, &ms) != C_OK:
        return C_ERR
    if ms < 0:
        reply_error(c, ERR_TIMEOUT_NEGATIVE)
        return C_ERR
    return _deadline_or_reply(c, ms, deadline_ms_out)


cdef inline status_t _deadline_or_reply(
    client_t *c, int64_t ms, int64_t *deadline_ms_out
) noexcept nogil:
    if ms >= INT64_MAX - c.srv.now_ms:
        reply_error(c, ERR_TIMEOUT_RANGE)
        return C_ERR
    deadline_ms_out[0] = block_deadline(c, ms)
    return C_OK


# --- Wake -------------------------------------------------------------------------


cdef void _note_changed(blocking_t *b, wait_key_t *k) noexcept nogil:
    if k.is_changed:
        return
    k.is_changed = True
    k.next_changed = NULL
    if b.changed_last != NULL:
        b.changed_last.next_changed = k
    else:
        b.changed = k
    b.changed_last = k


cdef void blocking_signal(db_t *db, server_t *srv, const dbkey_t *key) noexcept nogil:
    """Note that a key changed, if clients wait for it."""
    cdef blocking_t *b = _own(srv)
    cdef ht_pos_t pos
    if b.tables[db.id] == NULL:
        return
    pos = ht_locate(b.tables[db.id], key.ptr, key.len, key.hash)
    if pos.bucket != NULL:
        _note_changed(b, <wait_key_t *>ht_unpack(pos.bucket.ptrs[pos.index]))
        srv.has_changed_keys = True


cdef void _signal_entry(void *ctx, void *entry) noexcept nogil:
    _note_changed(<blocking_t *>ctx, <wait_key_t *>entry)


cdef void blocking_signal_all(server_t *srv, int db) noexcept nogil:
    """Note that any key of a database may have changed."""
    cdef blocking_t *b = _own(srv)
    if b == NULL or b.tables[db] == NULL:
        return
    ht_walk(b.tables[db], _signal_entry, b)
    srv.has_changed_keys = b.changed != NULL


cdef void _try_key(
    server_t *srv, wait_key_t *k, void (*rerun)(client_t *c) noexcept nogil
) noexcept nogil:
    """Run the commands of the clients that wait for a key now, the oldest first."""
    cdef waiter_t *w = k.first
    cdef waiter_t *end = k.last
    cdef waiter_t *following
    cdef client_t *c
    cdef block_t *own
    cdef obj_t *o
    cdef dbkey_t key
    key.ptr = k.key
    key.len = k.len
    key.hash = k.hash
    while w != NULL:
        following = w.next if w != end else NULL
        # one whose time has passed stays until somebody asks for it, as in Redis
        o = NULL
        if db_state(&srv.ks.dbs[k.db], &key) == DB_LIVE:
            o = db_peek(&srv.ks.dbs[k.db], &key)
        c = w.client
        own = _block(c)
        if (own.is_until_gone or (o != NULL and own.type == obj_type(o))) \
                and not c.flags & CLIENT_CLOSE_ASAP:
            own.is_waiting = False
            c.cmd = own.cmd
            c.argv = own.argv
            c.argc = own.argc
            c.has_key_hash = False
            c.flags &= ~CLIENT_BLOCKED
            rerun(c)
            if own.is_waiting:
                c.flags |= CLIENT_BLOCKED
                c.argv = NULL
                c.argc = 0
            else:
                _unblock(c)
        w = following


cdef void blocking_serve(
    server_t *srv, void (*rerun)(client_t *c) noexcept nogil
) noexcept nogil:
    """Try the clients of all keys that have changed."""
    cdef blocking_t *b = _own(srv)
    cdef wait_key_t *k
    srv.has_changed_keys = False
    if b.is_serving:
        return              # its caller's loop comes to it
    b.is_serving = True
    # what changed the key may have taken long: the key's time may be over by now
    server_update_clock(srv)
    while b.changed != NULL:
        k = b.changed
        b.changed = k.next_changed
        if b.changed == NULL:
            b.changed_last = NULL
        k.is_changed = False    # what the clients' commands do may change it again
        k.is_held = True
        _try_key(srv, k, rerun)
        k.is_held = False
        _drop_key(b, k)
    b.is_serving = False


cdef void blocking_cancel(client_t *c, const char *error) noexcept nogil:
    """End the waiting as if the time were over, or with an error."""
    cdef block_t *own = _block(c)
    if own == NULL:
        return
    own.cmd.calls += 1
    if error != NULL:
        own.cmd.failed_calls += 1
        reply_error(c, error)
    elif own.reply != NULL:
        own.reply(c)
    else:
        _reply_empty(c, own.empty)
    _unblock(c)


cdef void blocking_poll(server_t *srv) noexcept nogil:
    """End the waiting of those who wait for no key, if it is done."""
    cdef client_t *c = srv.clients
    if srv.blocking == NULL:
        return
    while c != NULL and _own(srv).nuntil:
        if c.blocked != NULL and _block(c).is_done != NULL and _block(c).is_done(c):
            blocking_cancel(c, NULL)
        c = c.next


cdef void _retry(server_t *srv, client_t *c) noexcept nogil:
    """Have a client's keys looked at as if they had changed."""
    cdef block_t *own = _block(c)
    cdef size_t i
    _heap_remove(_own(srv), c)
    own.wake_ms = own.deadline_ms
    if own.deadline_ms:
        _heap_add(_own(srv), c)
    for i in range(own.nwaiters):
        _note_changed(_own(srv), own.waiters[i].key)
    srv.has_changed_keys = True


cdef void blocking_expire(server_t *srv) noexcept nogil:
    """End the waiting of all whose time is over."""
    cdef blocking_t *b = _own(srv)
    cdef client_t *c
    if b == NULL:
        return
    while b.nheap and _block(b.heap[0]).wake_ms <= srv.now_ms:
        c = b.heap[0]
        if _block(c).wake_ms == _block(c).deadline_ms:
            blocking_cancel(c, NULL)
        else:
            _retry(srv, c)


cdef int64_t blocking_next_deadline(const server_t *srv) noexcept nogil:
    """Return when blocking_expire is to be called again; 0: not at all."""
    cdef const blocking_t *b = _own(srv)
    return 0 if b == NULL or b.nheap == 0 else _block(b.heap[0]).wake_ms


cdef size_t blocking_nkeys(const server_t *srv) noexcept nogil:
    """Return the number of keys that clients wait for."""
    cdef blocking_t *b = _own(srv)
    cdef size_t n = 0
    cdef int i
    if b == NULL:
        return 0
    for i in range(srv.ks.ndbs):
        if b.tables[i] != NULL:
            n += b.tables[i].used
    return n


cdef size_t blocking_nkeys_until_gone(const server_t *srv) noexcept nogil:
    """Return the number of keys whose end somebody waits for."""
    return 0 if srv.blocking == NULL else _own(srv).nkeys_until_gone


cdef void blocking_free(server_t *srv) noexcept nogil:
    """Free the server's part; no client waits any more."""
    cdef blocking_t *b = _own(srv)
    cdef wait_key_t *k
    cdef int i
    if b == NULL:
        return
    while b.changed != NULL:
        k = b.changed
        b.changed = k.next_changed
        k.is_changed = False
        _drop_key(b, k)
    for i in range(srv.ks.ndbs):
        ht_free(b.tables[i])
    zfree(b.tables)
    zfree(b.heap)
    zfree(b)
    srv.blocking = NULL
