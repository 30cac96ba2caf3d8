# SPDX-License-Identifier: BSD-3-Clause
r"""Client-side caching: clients are told when what they have read changes.

    server_t.tracking --> tracking_t
        keys       hash table     "user:1" -> tracked_key_t: numbers 3, 8, ...
        trackers   by number      [3] -> tracker_t <-> client_t.tracker
        prefixes   linked list    prefix_t "user:" --> use_t <-> use_t  its clients
                                     changed: hash table of the round's changes

A client that reads a key is noted in the table, by a number of 32 bits. When the key
changes, all clients noted for it are told, once, and the key leaves the table. Keys
are known by name alone: the same name in another database counts as the same key.
When there are more than max_tracked_keys, any one of them is taken out as if it had
changed. A client with BCAST leaves no trace in the table: at the end of a round it is
told all keys with its prefixes that changed in it, in one message, which is encoded
once for all clients of a prefix.

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
from fastredis.core.blob cimport blob_new, blob_release, blob_t
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zrealloc
from fastredis.core.num cimport num_format_i64
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
from libc.string cimport memcmp, memcpy, memmove, strncmp

cdef enum:
    FEW = 2                     # numbers that are kept in the key's entry itself
    HEAD_MAX = 32               # bytes of an array's or a bulk string's head and end

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
    use_t *uses                 # its prefixes, in the order of their bytes
    size_t nuses

# A client has a prefix.
cdef struct use_t:
    tracker_t *tracker
    prefix_t *prefix
    use_t *next_of_tracker
    use_t *next_of_prefix
    use_t *prev_of_prefix

cdef struct prefix_t:
    prefix_t *next
    prefix_t *prev
    use_t *first
    ht_t *changed               # of changed_t; NULL: none so far in this round
    changed_t *first_changed
    changed_t *last_changed
    size_t changed_nbytes       # of their names
    size_t len
    char name[1]

# A key with a prefix that has changed in this round.
cdef struct changed_t:
    changed_t *next
    uint64_t by                 # the id of the client whose command did it; 0: none
    size_t len
    char name[1]

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
    prefix_t *prefixes
    size_t nprefixes
    rand_t rand


cdef const char *_key_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const tracked_key_t *k = <const tracked_key_t *>entry
    len_out[0] = k.len
    return k.name


cdef const char *_changed_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const changed_t *ch = <const changed_t *>entry
    len_out[0] = ch.len
    return ch.name


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
    while t.uses != NULL:
        _end_use(all, t.uses)
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


cdef int _compare(
    const char *a, size_t na, const char *b, size_t nb
) noexcept nogil:
    cdef int order = memcmp(a, b, na if na < nb else nb)
    if order == 0 and na != nb:
        return -1 if na < nb else 1
    return order


cdef prefix_t *_prefix(
    tracking_t *all, const char *name, size_t nbytes
) noexcept nogil:
    """Return a prefix, made if need be; the list is in the order of the bytes."""
    cdef prefix_t **link = &all.prefixes
    cdef prefix_t *before = NULL
    cdef prefix_t *p
    cdef int order
    while link[0] != NULL:
        order = _compare(link[0].name, link[0].len, name, nbytes)
        if order == 0:
            return link[0]
        if order > 0:
            break
        before = link[0]
        link = &before.next
    p = <prefix_t *>zcalloc(sizeof(prefix_t) + nbytes)
    p.len = nbytes
    memcpy(p.name, name, nbytes)
    p.prev = before
    p.next = link[0]
    if p.next != NULL:
        p.next.prev = p
    link[0] = p
    all.nprefixes += 1
    return p


cdef void _forget_changed(prefix_t *p) noexcept nogil:
    """Free what has been noted in this round."""
    cdef changed_t *ch
    while p.first_changed != NULL:
        ch = p.first_changed
        p.first_changed = ch.next
        zfree(ch)
    p.last_changed = NULL
    p.changed_nbytes = 0
    ht_free(p.changed)
    p.changed = NULL


cdef void _end_use(tracking_t *all, use_t *u) noexcept nogil:
    """Take the first of a tracker's prefixes from it."""
    cdef prefix_t *p = u.prefix
    u.tracker.uses = u.next_of_tracker
    u.tracker.nuses -= 1
    if u.next_of_prefix != NULL:
        u.next_of_prefix.prev_of_prefix = u.prev_of_prefix
    if u.prev_of_prefix != NULL:
        u.prev_of_prefix.next_of_prefix = u.next_of_prefix
    else:
        p.first = u.next_of_prefix
    zfree(u)
    if p.first != NULL:
        return
    if p.next != NULL:
        p.next.prev = p.prev
    if p.prev != NULL:
        p.prev.next = p.next
    else:
        all.prefixes = p.next
    all.nprefixes -= 1
    _forget_changed(p)
    zfree(p)


cdef void tracking_add_prefix(
    client_t *c, const char *prefix, size_t nbytes
) noexcept nogil:
    """Tell the client of all keys with a prefix, unless it has it already."""
    cdef tracker_t *t = _tracker(c)
    cdef use_t **link = &t.uses
    cdef use_t *u
    cdef int order
    while link[0] != NULL:
        order = _compare(link[0].prefix.name, link[0].prefix.len, prefix, nbytes)
        if order == 0:
            return
        if order > 0:
            break
        link = &link[0].next_of_tracker
    u = <use_t *>zmalloc(sizeof(use_t))
    u.tracker = t
    u.prefix = _prefix(_own(c.srv), prefix, nbytes)
    u.next_of_tracker = link[0]
    link[0] = u
    u.prev_of_prefix = NULL
    u.next_of_prefix = u.prefix.first
    if u.next_of_prefix != NULL:
        u.next_of_prefix.prev_of_prefix = u
    u.prefix.first = u
    t.nuses += 1


cdef const char *tracking_overlapping(
    const client_t *c, const char *prefix, size_t nbytes, size_t *nbytes_out
) noexcept nogil:
    """Return a prefix of the client that this one begins with, or the reverse."""
    cdef const use_t *u = NULL if c.tracker == NULL else _tracker(c).uses
    cdef size_t n
    while u != NULL:
        n = u.prefix.len if u.prefix.len < nbytes else nbytes
        if memcmp(u.prefix.name, prefix, n) == 0:
            nbytes_out[0] = u.prefix.len
            return u.prefix.name
        u = u.next_of_tracker
    return NULL


cdef size_t tracking_count_prefixes(const client_t *c) noexcept nogil:
    """Return how many prefixes the client has."""
    return 0 if c.tracker == NULL else _tracker(c).nuses


cdef void tracking_walk_prefixes(
    const client_t *c, tracking_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the client's prefixes."""
    cdef const use_t *u = NULL if c.tracker == NULL else _tracker(c).uses
    while u != NULL:
        visit(ctx, u.prefix.name, u.prefix.len)
        u = u.next_of_tracker


cdef size_t tracking_client_nbytes(const client_t *c) noexcept nogil:
    """Return the memory of a client's prefixes, as if none were shared."""
    cdef const use_t *u
    cdef size_t n = 0
    if c.tracker == NULL:
        return 0
    u = _tracker(c).uses
    while u != NULL:
        n += sizeof(use_t) + sizeof(prefix_t) + u.prefix.len
        u = u.next_of_tracker
    return n + sizeof(tracker_t)


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


cdef void _note_changed(
    server_t *srv, prefix_t *p, const dbkey_t *key
) noexcept nogil:
    """Note that a key with a prefix has changed, and who did it last."""
    cdef changed_t *ch = NULL
    if p.changed == NULL:
        p.changed = ht_new(_changed_name)
        srv.has_broadcasts = True
    else:
        ch = <changed_t *>ht_find(p.changed, key.ptr, key.len, key.hash)
    if ch == NULL:
        ch = <changed_t *>zmalloc(sizeof(changed_t) + key.len)
        ch.next = NULL
        ch.len = key.len
        memcpy(ch.name, key.ptr, key.len)
        ht_insert(p.changed, ch, key.hash)
        if p.last_changed != NULL:
            p.last_changed.next = ch
        else:
            p.first_changed = ch
        p.last_changed = ch
        p.changed_nbytes += key.len
    ch.by = 0 if srv.current == NULL else srv.current.id


cdef void tracking_touch(server_t *srv, const dbkey_t *key) noexcept nogil:
    """Tell whoever caches a key that it has changed."""
    cdef prefix_t *p = _own(srv).prefixes
    while p != NULL:
        if key.len >= p.len and memcmp(key.ptr, p.name, p.len) == 0:
            _note_changed(srv, p, key)
        p = p.next
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


cdef char *_put_number(char *p, char kind, size_t n) noexcept nogil:
    """Write a type byte, a number and a line end; return its end."""
    p[0] = kind
    p += 1
    p += num_format_i64(p, <int64_t>n)
    memcpy(p, b"\r\n", 2)
    return p + 2


cdef blob_t *_encode(const prefix_t *p, uint64_t without) noexcept nogil:
    """Return the array of the keys that changed, but for those that a client changed.

    without: the client's id, or 0. NULL: no key is left.
    """
    cdef const changed_t *ch
    cdef size_t n = 0
    cdef blob_t *b
    cdef char *end
    ch = p.first_changed
    while ch != NULL:
        n += without == 0 or ch.by != without
        ch = ch.next
    if n == 0:
        return NULL
    b = blob_new(HEAD_MAX + n * HEAD_MAX + p.changed_nbytes)
    end = _put_number(b.data, b"*", n)
    ch = p.first_changed
    while ch != NULL:
        if without == 0 or ch.by != without:
            end = _put_number(end, b"$", ch.len)
            memcpy(end, ch.name, ch.len)
            memcpy(end + ch.len, b"\r\n", 2)
            end += ch.len + 2
        ch = ch.next
    b.len = end - b.data
    return b


cdef void _send_keys(tracker_t *t, blob_t *keys) noexcept nogil:
    """Tell a client an array of keys."""
    cdef client_t *to
    cdef out_t *o
    if keys == NULL:
        return
    o = _message(t, &to)
    if o != NULL:
        out_append_blob(o, keys)
        push_end(to)


cdef void tracking_broadcast(server_t *srv) noexcept nogil:
    """Tell the clients with prefixes what has changed in this round."""
    cdef tracking_t *all = _own(srv)
    cdef prefix_t *p = all.prefixes
    cdef use_t *u
    cdef blob_t *keys
    cdef blob_t *own
    srv.has_broadcasts = False
    while p != NULL:
        if p.changed == NULL:
            p = p.next
            continue
        keys = _encode(p, 0)
        u = p.first
        while u != NULL:
            if u.tracker.flags & TRACK_NOLOOP:
                own = _encode(p, u.tracker.id)
                _send_keys(u.tracker, own)
                blob_release(own)
            else:
                _send_keys(u.tracker, keys)
            u = u.next_of_prefix
        blob_release(keys)
        _forget_changed(p)
        p = p.next


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
    return 0 if srv.tracking == NULL else _own(srv).nprefixes


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
