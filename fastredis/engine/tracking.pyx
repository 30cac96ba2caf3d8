# SPDX-License-Identifier: BSD-3-Clause
r"""Client-side caching: clients are told when what they have read changes.

    server_t.tracking --> tracking_t
        keys       hash table     "user:1" -> tracked_key_t: numbers 3, 8, ...
        trackers   by number      [3] -> tracker_t <-> client_t.tracker
        prefixes   of clients with BCAST: see prefixes.pyx

A client that reads a key is noted in the table, by a number of 32 bits. When the key
changes, all clients noted for it are told, once, and the key leaves the table. Keys
are known by name alone: the same name in another database counts as the same key.
When there are more than max_tracked_keys, any one of them is taken out as if it had
changed. A client with BCAST leaves no trace in the table: at the end of a round it is
told all keys with its prefixes that changed in it, in one message.

A tracker outlives its client until no key and no redirection refers to it. Hence a
number is never given to another client while an old key still names it, and who
redirects to a client finds out without a search that it has gone.

A message goes to the client itself, if it speaks RESP3, or to the one it redirects to,
if that speaks RESP3 or has subscribed to anything: then in the form of a message of the
channel __redis__:invalidate. It never comes between the parts of a reply: such clients
are in a state that engine/execute.pyx treats apart, with client_t.pushes.

Cost: reading O(log clients of the key) a key; a change one look into the table, and one
comparison for each prefix. Memory: 24 bytes and the name for a key that one or two
clients have read, 4 bytes for each further one.
Threads: the thread that executes commands.
Source: Redis documentation, "Client-side caching in Redis".
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zrealloc
from fastredis.core.rand cimport rand_t
from fastredis.ds.hashtable cimport (
    ht_find,
    ht_free,
    ht_insert,
    ht_locate,
    ht_new,
    ht_pos_t,
    ht_random,
    ht_remove_at,
    ht_t,
    ht_unpack,
    ht_walk,
)
from fastredis.engine.client cimport (
    CHANGE_TRACKED,
    CLIENT_CLOSE_ASAP,
    CLIENT_MULTI,
    CLIENT_PUBSUB,
    CLIENT_REDIRECTED,
    CLIENT_TRACKING,
)
from fastredis.engine.cmdkeys cimport cmd_keys, key_places_t
from fastredis.engine.prefixes cimport (
    prefix_broadcast,
    prefix_end_uses,
    prefix_nbytes,
    prefix_note,
    prefix_use,
    prefix_use_t,
    prefixes_t,
)
from fastredis.engine.pubsub cimport push_begin, push_end
from fastredis.resp.writer cimport (
    out_append_blob,
    out_t,
    resp_array,
    resp_bulk,
    resp_int,
    resp_null,
    resp_push,
)
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memmove, strncmp

cdef enum:
    FEW = 2                     # numbers that are kept in the key's entry itself

cdef const char *CHANNEL = b"__redis__:invalidate"

cdef union numbers_t:
    uint32_t few[FEW]
    uint32_t *many              # if there are more; room for a power of two

# A key that clients have read.
cdef struct tracked_key_t:
    numbers_t of                # of the clients' trackers, in ascending order
    uint32_t n
    uint32_t len
    char name[1]

cdef struct tracker_t:
    client_t *c                 # NULL: it has been closed
    uint64_t id                 # the client's
    uint32_t number
    uint32_t flags              # TRACK_*
    size_t nrefs                # keys, redirections to it, and one while c is there
    tracker_t *target           # whom it redirects to, or NULL
    prefix_use_t *prefixes      # in the order of their bytes
    size_t nprefixes

cdef struct tracking_t:
    ht_t *keys
    size_t nitems
    tracker_t **trackers        # by number; NULL: free
    uint32_t *free_numbers
    size_t nfree
    size_t ntrackers            # numbers given so far
    size_t cap
    size_t nalive               # trackers whose client is there
    size_t nclients             # clients with TRACK_ON
    prefixes_t prefixes
    rand_t rand


cdef const char *_key_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const tracked_key_t *k = <const tracked_key_t *>entry
    len_out[0] = k.len
    return k.name


cdef inline tracking_t *_own(const server_t *srv) noexcept nogil:
    return <tracking_t *>srv.tracking


cdef inline tracker_t *_tracker(const client_t *c) noexcept nogil:
    return <tracker_t *>c.tracker


# --- Trackers ---------------------------------------------------------------------


cdef tracking_t *_tracking(server_t *srv) noexcept nogil:
    """Return a server's part, made if need be."""
    cdef tracking_t *all = _own(srv)
    if all == NULL:
        all = <tracking_t *>zcalloc(sizeof(tracking_t))
        all.keys = ht_new(_key_name)
        all.rand.state = 1
        srv.tracking = all
        srv.forget_tracker = _forget
    return all


cdef tracker_t *_tracker_for(client_t *c) noexcept nogil:
    """Return the tracker of a client, made if need be."""
    cdef tracking_t *all = _tracking(c.srv)
    cdef tracker_t *t = _tracker(c)
    if t != NULL:
        return t
    t = <tracker_t *>zcalloc(sizeof(tracker_t))
    t.c = c
    t.id = c.id
    t.nrefs = 1
    if all.nfree:
        all.nfree -= 1
        t.number = all.free_numbers[all.nfree]
    else:
        if all.ntrackers == all.cap:
            all.cap = 2 * all.cap if all.cap else 16
            all.trackers = <tracker_t **>zrealloc(
                all.trackers, all.cap * sizeof(tracker_t *))
            all.free_numbers = <uint32_t *>zrealloc(
                all.free_numbers, all.cap * sizeof(uint32_t))
        t.number = <uint32_t>all.ntrackers
        all.ntrackers += 1
    all.trackers[t.number] = t
    all.nalive += 1
    c.tracker = t
    return t


cdef void _release(tracking_t *all, tracker_t *t) noexcept nogil:
    """Take one reference away, and the tracker with the last one."""
    t.nrefs -= 1
    if t.nrefs:
        return
    all.trackers[t.number] = NULL
    all.free_numbers[all.nfree] = t.number
    all.nfree += 1
    zfree(t)


cdef void _set_target(tracking_t *all, tracker_t *t, tracker_t *target) noexcept nogil:
    """Redirect to another client, or to none."""
    if target != NULL:
        target.nrefs += 1
        target.c.flags |= CLIENT_REDIRECTED
    if t.target != NULL:
        _release(all, t.target)
    t.target = target


cdef void tracking_start(client_t *c, client_t *target, uint32_t flags) noexcept nogil:
    """Tell the client, or the target, of changes."""
    cdef tracking_t *all = _tracking(c.srv)
    cdef tracker_t *t = _tracker_for(c)
    if not t.flags & TRACK_ON:
        all.nclients += 1
    t.flags = flags | TRACK_ON
    _set_target(all, t, NULL if target == NULL else _tracker_for(target))
    c.flags |= CLIENT_TRACKING
    c.srv.change_hooks |= CHANGE_TRACKED


cdef void tracking_stop(client_t *c) noexcept nogil:
    """Tell the client of no more changes; what it has read stays noted."""
    cdef tracking_t *all = _own(c.srv)
    cdef tracker_t *t = _tracker(c)
    if t == NULL or not t.flags & TRACK_ON:
        return
    prefix_end_uses(&all.prefixes, &t.prefixes)
    t.nprefixes = 0
    _set_target(all, t, NULL)
    t.flags = 0
    c.flags &= ~CLIENT_TRACKING
    all.nclients -= 1


cdef void _forget(client_t *c, bint is_closed) noexcept nogil:
    """Stop for a client that is reset, or closed."""
    cdef tracking_t *all = _own(c.srv)
    cdef tracker_t *t = _tracker(c)
    tracking_stop(c)
    if not is_closed:
        return
    t.c = NULL
    c.tracker = NULL
    _release(all, t)
    all.nalive -= 1
    if all.nalive == 0:
        # nobody is left who could be told
        _forget_keys(all)
        c.srv.change_hooks &= ~CHANGE_TRACKED


cdef void tracking_set_caching(client_t *c) noexcept nogil:
    """Have the next command treated otherwise than OPTIN or OPTOUT do."""
    _tracker(c).flags |= TRACK_CACHING


cdef uint32_t tracking_flags(const client_t *c) noexcept nogil:
    """Return how the client is told; 0: it is not."""
    return 0 if c.tracker == NULL else _tracker(c).flags


cdef int64_t tracking_target_id(const client_t *c) noexcept nogil:
    """Return the id of who is told in its place; 0: nobody, -1: tracking is off."""
    cdef const tracker_t *t = _tracker(c)
    if t == NULL or not t.flags & TRACK_ON:
        return -1
    return 0 if t.target == NULL else <int64_t>t.target.id


# --- Prefixes ---------------------------------------------------------------------


cdef void tracking_add_prefix(
    client_t *c, const char *prefix, size_t nbytes
) noexcept nogil:
    """Tell the client of all keys with a prefix, unless it has it already."""
    cdef tracker_t *t = _tracker(c)
    t.nprefixes += prefix_use(&_own(c.srv).prefixes, &t.prefixes, t, prefix, nbytes)


cdef const prefix_use_t *tracking_prefixes(const client_t *c) noexcept nogil:
    """Return the client's prefixes."""
    return NULL if c.tracker == NULL else _tracker(c).prefixes


cdef size_t tracking_count_prefixes(const client_t *c) noexcept nogil:
    """Return how many prefixes the client has."""
    return 0 if c.tracker == NULL else _tracker(c).nprefixes


cdef size_t tracking_client_nbytes(const client_t *c) noexcept nogil:
    """Return the memory of a client's prefixes, as if none were shared."""
    if c.tracker == NULL:
        return 0
    return sizeof(tracker_t) + prefix_nbytes(_tracker(c).prefixes)


# --- Keys -------------------------------------------------------------------------


cdef inline uint32_t *_numbers(tracked_key_t *k) noexcept nogil:
    if k.n <= FEW:
        return &k.of.few[0]
    return k.of.many


cdef void _free_key(tracked_key_t *k) noexcept nogil:
    if k.n > FEW:
        zfree(k.of.many)
    zfree(k)


cdef bint _insert_number(tracked_key_t *k, uint32_t number) noexcept nogil:
    """Note a number for a key; False: it is noted already."""
    cdef const uint32_t *numbers = _numbers(k)
    cdef uint32_t *grown
    cdef uint32_t low = 0, high = k.n, middle
    while low < high:
        middle = low + (high - low) // 2
        if numbers[middle] < number:
            low = middle + 1
        else:
            high = middle
    if low < k.n and numbers[low] == number:
        return False
    if k.n == FEW:
        grown = <uint32_t *>zmalloc(2 * FEW * sizeof(uint32_t))
        memcpy(grown, k.of.few, FEW * sizeof(uint32_t))
        k.of.many = grown
    elif k.n > FEW and k.n & (k.n - 1) == 0:
        k.of.many = <uint32_t *>zrealloc(k.of.many, 2 * k.n * sizeof(uint32_t))
    grown = k.of.many if k.n >= FEW else &k.of.few[0]
    memmove(grown + low + 1, grown + low, (k.n - low) * sizeof(uint32_t))
    grown[low] = number
    k.n += 1
    return True


cdef void _note(
    tracking_t *all, tracker_t *t, const char *name, size_t nbytes
) noexcept nogil:
    """Note that a client has read a key."""
    cdef uint64_t hash = keyhash(name, nbytes)
    cdef tracked_key_t *k = <tracked_key_t *>ht_find(all.keys, name, nbytes, hash)
    if k == NULL:
        k = <tracked_key_t *>zmalloc(sizeof(tracked_key_t) + nbytes)
        k.n = 0
        k.len = <uint32_t>nbytes
        memcpy(k.name, name, nbytes)
        ht_insert(all.keys, k, hash)
    if _insert_number(k, t.number):
        all.nitems += 1
        t.nrefs += 1


cdef void _take_out(
    server_t *srv, const dbkey_t *key, const client_t *by
) noexcept nogil:
    """Tell all who have read a key that it has changed.

    by: the client that changed it, or NULL.
    """
    cdef tracking_t *all = _own(srv)
    cdef ht_pos_t pos = ht_locate(all.keys, key.ptr, key.len, key.hash)
    cdef const uint32_t *numbers
    cdef tracked_key_t *k
    cdef tracker_t *t
    cdef uint32_t i
    if pos.bucket == NULL:
        return
    k = <tracked_key_t *>ht_unpack(pos.bucket.ptrs[pos.index])
    ht_remove_at(all.keys, pos, key.hash)
    numbers = _numbers(k)
    for i in range(k.n):
        t = all.trackers[numbers[i]]
        if t.c != NULL and (t.flags & (TRACK_ON | TRACK_BCAST)) == TRACK_ON \
                and not (t.flags & TRACK_NOLOOP and t.c == by):
            _send_key(t, k.name, k.len)
        _release(all, t)
    all.nitems -= k.n
    _free_key(k)


cdef void _forget_key(void *ctx, void *entry) noexcept nogil:
    cdef tracking_t *all = <tracking_t *>ctx
    cdef tracked_key_t *k = <tracked_key_t *>entry
    cdef const uint32_t *numbers = _numbers(k)
    cdef uint32_t i
    for i in range(k.n):
        _release(all, all.trackers[numbers[i]])
    _free_key(k)


cdef void _forget_keys(tracking_t *all) noexcept nogil:
    """Empty the table."""
    ht_walk(all.keys, _forget_key, all)
    ht_free(all.keys)
    all.keys = ht_new(_key_name)
    all.nitems = 0


cdef void _limit(server_t *srv) noexcept nogil:
    """Take keys out until there are not more than allowed."""
    cdef tracking_t *all = _own(srv)
    cdef tracked_key_t *k
    cdef dbkey_t key
    while srv.max_tracked_keys and all.keys.used > srv.max_tracked_keys:
        k = <tracked_key_t *>ht_random(all.keys, &all.rand)
        key.ptr = k.name
        key.len = k.len
        key.hash = keyhash(k.name, k.len)
        _take_out(srv, &key, NULL)


cdef void tracking_set_max_keys(server_t *srv, size_t n) noexcept nogil:
    """Set the limit of keys in the table; 0: none."""
    srv.max_tracked_keys = n
    if srv.tracking != NULL:
        _limit(srv)


cdef void tracking_remember(client_t *c) noexcept nogil:
    """Note the keys that the client has just read."""
    cdef tracking_t *all = _own(c.srv)
    cdef tracker_t *t = _tracker(c)
    cdef bint is_chosen = (t.flags & TRACK_CACHING) != 0
    cdef key_places_t places
    cdef int _i
    if t.flags & TRACK_BCAST or (t.flags & TRACK_OPTIN and not is_chosen) \
            or (t.flags & TRACK_OPTOUT and is_chosen):
        return
    places = cmd_keys(c.cmd, c.argv, c.argc)
    for _i in range(places.n):
        _note(all, t, c.argv[places.first].ptr, c.argv[places.first].len)
        places.first += places.step
    _limit(c.srv)


cdef void tracking_end_request(client_t *c) noexcept nogil:
    """End the effect of CLIENT CACHING, unless it has just been said, or in MULTI."""
    if c.flags & CLIENT_MULTI:
        return
    if c.cmd != NULL and strncmp(c.cmd.name, b"client|", 7) == 0:
        return
    _tracker(c).flags &= ~TRACK_CACHING


# --- Changes ----------------------------------------------------------------------


cdef void tracking_touch(server_t *srv, const dbkey_t *key) noexcept nogil:
    """Tell whoever caches a key that it has changed."""
    cdef tracking_t *all = _own(srv)
    if all.prefixes.first != NULL and prefix_note(
            &all.prefixes, key, 0 if srv.current == NULL else srv.current.id):
        srv.has_broadcasts = True
    _take_out(srv, key, srv.current)


cdef void tracking_forget_all(server_t *srv) noexcept nogil:
    """Tell all clients that everything they cache has changed."""
    cdef tracking_t *all = _own(srv)
    cdef tracker_t *t
    cdef client_t *to
    cdef out_t *o
    cdef size_t i
    for i in range(all.ntrackers):
        t = all.trackers[i]
        if t == NULL or t.c == NULL or not t.flags & TRACK_ON:
            continue
        o = _message(t, &to)
        if o != NULL:
            resp_null(o)
            push_end(to)
    _forget_keys(all)


# --- Messages ---------------------------------------------------------------------


cdef out_t *_message(tracker_t *t, client_t **to_out) noexcept nogil:
    """Begin a message, whose keys are to follow; NULL: there is nobody to get it."""
    cdef client_t *c = t.c
    cdef out_t *o
    if t.target != NULL:
        c = t.target.c
        if c == NULL or c.flags & CLIENT_CLOSE_ASAP:
            t.flags |= TRACK_BROKEN
            if t.c.out.resp == 2:
                return NULL
            o = push_begin(t.c)
            if o != NULL:
                resp_push(o, 2)
                resp_bulk(o, b"tracking-redir-broken", 21)
                resp_int(o, <int64_t>t.target.id)
                push_end(t.c)
            return NULL
    if c.out.resp == 2 and (t.target == NULL or not c.flags & CLIENT_PUBSUB):
        return NULL
    o = push_begin(c)
    if o == NULL:
        return NULL
    if o.resp == 2:
        resp_array(o, 3)
        resp_bulk(o, b"message", 7)
        resp_bulk(o, CHANNEL, 20)
    else:
        resp_push(o, 2)
        resp_bulk(o, b"invalidate", 10)
    to_out[0] = c
    return o


cdef void _send_key(tracker_t *t, const char *name, size_t nbytes) noexcept nogil:
    """Tell a client that a key has changed."""
    cdef client_t *to
    cdef out_t *o = _message(t, &to)
    if o != NULL:
        resp_array(o, 1)
        resp_bulk(o, name, nbytes)
        push_end(to)


cdef uint64_t _left_out(const void *owner) noexcept nogil:
    """Return the client whose changes a tracker is not told; 0: none."""
    cdef const tracker_t *t = <const tracker_t *>owner
    return t.id if t.flags & TRACK_NOLOOP else 0


cdef void _send_keys(void *owner, blob_t *keys) noexcept nogil:
    """Tell a client an array of keys."""
    cdef client_t *to
    cdef out_t *o = _message(<tracker_t *>owner, &to)
    if o != NULL:
        out_append_blob(o, keys)
        push_end(to)


cdef void tracking_broadcast(server_t *srv) noexcept nogil:
    """Tell the clients with prefixes what has changed in this round."""
    srv.has_broadcasts = False
    prefix_broadcast(&_own(srv).prefixes, _left_out, _send_keys)


# --- All of a server --------------------------------------------------------------


cdef size_t tracking_nclients(const server_t *srv) noexcept nogil:
    """Return how many clients are told of changes."""
    return 0 if srv.tracking == NULL else _own(srv).nclients


cdef size_t tracking_nkeys(const server_t *srv) noexcept nogil:
    """Return how many keys are in the table."""
    return 0 if srv.tracking == NULL else _own(srv).keys.used


cdef size_t tracking_nitems(const server_t *srv) noexcept nogil:
    """Return how many clients are noted for all of them."""
    return 0 if srv.tracking == NULL else _own(srv).nitems


cdef size_t tracking_nprefixes(const server_t *srv) noexcept nogil:
    """Return how many prefixes clients have."""
    return 0 if srv.tracking == NULL else _own(srv).prefixes.n


cdef void tracking_free(server_t *srv) noexcept nogil:
    """Free the tables, which are empty."""
    cdef tracking_t *all = _own(srv)
    if all == NULL:
        return
    ht_free(all.keys)
    zfree(all.trackers)
    zfree(all.free_numbers)
    zfree(all)
    srv.tracking = NULL
