# SPDX-License-Identifier: BSD-3-Clause
r"""Prefixes of keys, and what has changed with each of them.

    prefixes_t --> prefix_t "user:" <--> prefix_t "video:"        by their bytes
                     |   uses    prefix_use_t <-> prefix_use_t    its owners
                     |   changed hash table and list: changed_t "user:7" -> "user:8"
                     v
                   prefix_broadcast: one array, encoded once for all owners

A key that changes is noted with each prefix that it begins with, once, however often
it changes until the next broadcast, and with the number of who changed it last: an
owner may want to be told only what others did, which is then encoded for it alone.

Cost: a change is compared with each prefix.
Threads: the thread that executes commands.
"""
from fastredis.core.blob cimport blob_new, blob_release
from fastredis.core.mem cimport zcalloc, zfree, zmalloc
from fastredis.core.num cimport num_format_i64
from fastredis.ds.hashtable cimport ht_find, ht_free, ht_insert, ht_new, ht_t
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    HEAD_MAX = 32               # bytes of an array's or a bulk string's head and end

cdef struct prefix_t:
    prefix_t *next
    prefix_t *prev
    prefix_use_t *first
    ht_t *changed               # of changed_t; NULL: none since the last broadcast
    changed_t *first_changed
    changed_t *last_changed
    size_t changed_nbytes       # of their names
    size_t len
    char name[1]

# A key with a prefix that has changed.
cdef struct changed_t:
    changed_t *next
    uint64_t by                 # who changed it last; 0: nobody
    size_t len
    char name[1]


cdef const char *_changed_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const changed_t *ch = <const changed_t *>entry
    len_out[0] = ch.len
    return ch.name


# --- Prefixes ---------------------------------------------------------------------


cdef int _compare(
    const char *a, size_t na, const char *b, size_t nb
) noexcept nogil:
    cdef int order = memcmp(a, b, na if na < nb else nb)
    if order == 0 and na != nb:
        return -1 if na < nb else 1
    return order


cdef prefix_t *_prefix(
    prefixes_t *all, const char *name, size_t nbytes
) noexcept nogil:
    """Return a prefix, made if need be; the list is in the order of the bytes."""
    cdef prefix_t **link = &all.first
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
    all.n += 1
    return p


cdef void _forget_changed(prefix_t *p) noexcept nogil:
    """Free what has been noted."""
    cdef changed_t *ch
    while p.first_changed != NULL:
        ch = p.first_changed
        p.first_changed = ch.next
        zfree(ch)
    p.last_changed = NULL
    p.changed_nbytes = 0
    ht_free(p.changed)
    p.changed = NULL


cdef void _free_prefix(prefixes_t *all, prefix_t *p) noexcept nogil:
    if p.next != NULL:
        p.next.prev = p.prev
    if p.prev != NULL:
        p.prev.next = p.next
    else:
        all.first = p.next
    all.n -= 1
    _forget_changed(p)
    zfree(p)


cdef bint prefix_use(
    prefixes_t *all, prefix_use_t **uses, void *owner, const char *name, size_t nbytes
) noexcept nogil:
    """Add a prefix to an owner's; False: it has it already."""
    cdef prefix_use_t *u
    cdef prefix_t *p
    cdef int order
    while uses[0] != NULL:
        order = _compare(uses[0].name, uses[0].len, name, nbytes)
        if order == 0:
            return False
        if order > 0:
            break
        uses = &uses[0].next
    p = _prefix(all, name, nbytes)
    u = <prefix_use_t *>zmalloc(sizeof(prefix_use_t))
    u.name = p.name
    u.len = nbytes
    u.owner = owner
    u.prefix = p
    u.next = uses[0]
    uses[0] = u
    u.prev_of_prefix = NULL
    u.next_of_prefix = p.first
    if p.first != NULL:
        p.first.prev_of_prefix = u
    p.first = u
    return True


cdef void prefix_end_uses(prefixes_t *all, prefix_use_t **uses) noexcept nogil:
    """Take all of an owner's prefixes away; those that nobody has any more go."""
    cdef prefix_use_t *u
    cdef prefix_t *p
    while uses[0] != NULL:
        u = uses[0]
        uses[0] = u.next
        p = u.prefix
        if u.next_of_prefix != NULL:
            u.next_of_prefix.prev_of_prefix = u.prev_of_prefix
        if u.prev_of_prefix != NULL:
            u.prev_of_prefix.next_of_prefix = u.next_of_prefix
        else:
            p.first = u.next_of_prefix
        zfree(u)
        if p.first == NULL:
            _free_prefix(all, p)


cdef const prefix_use_t *prefix_overlapping(
    const prefix_use_t *uses, const char *name, size_t nbytes
) noexcept nogil:
    """Return one that begins with this prefix, or the reverse; NULL: there is none."""
    cdef const prefix_use_t *u = uses
    while u != NULL:
        if memcmp(u.name, name, u.len if u.len < nbytes else nbytes) == 0:
            return u
        u = u.next
    return NULL


cdef size_t prefix_nbytes(const prefix_use_t *uses) noexcept nogil:
    """Return the memory of an owner's prefixes, as if it shared none."""
    cdef const prefix_use_t *u = uses
    cdef size_t n = 0
    while u != NULL:
        n += sizeof(prefix_use_t) + sizeof(prefix_t) + u.len
        u = u.next
    return n


# --- Changes ----------------------------------------------------------------------


cdef void _note(prefix_t *p, const dbkey_t *key, uint64_t by) noexcept nogil:
    """Note that a key has changed, and who did it last."""
    cdef changed_t *ch = NULL
    if p.changed == NULL:
        p.changed = ht_new(_changed_name)
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
    ch.by = by


cdef bint prefix_note(
    prefixes_t *all, const dbkey_t *key, uint64_t by
) noexcept nogil:
    """Note a change of a key; True: some have a prefix of it."""
    cdef prefix_t *p = all.first
    cdef bint found = False
    while p != NULL:
        if key.len >= p.len and memcmp(key.ptr, p.name, p.len) == 0:
            _note(p, key, by)
            found = True
        p = p.next
    return found


cdef char *_put_number(char *p, char kind, size_t n) noexcept nogil:
    """Write a type byte, a number and a line end; return its end."""
    p[0] = kind
    p += 1
    p += num_format_i64(p, <int64_t>n)
    memcpy(p, b"\r\n", 2)
    return p + 2


cdef blob_t *_encode(const prefix_t *p, uint64_t without) noexcept nogil:
    """Return the array of the keys that changed; NULL: there is none.

    without: leave out what this one changed; 0: nothing.
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


cdef void prefix_broadcast(
    prefixes_t *all, prefix_left_out_fn left_out, prefix_send_fn send
) noexcept nogil:
    """Send what has been noted to the owners; they must not change meanwhile."""
    cdef prefix_t *p = all.first
    cdef prefix_use_t *u
    cdef blob_t *keys
    cdef blob_t *own
    cdef uint64_t without
    while p != NULL:
        if p.changed != NULL:
            keys = _encode(p, 0)
            u = p.first
            while u != NULL:
                without = left_out(u.owner)
                if without == 0:
                    send(u.owner, keys)
                else:
                    own = _encode(p, without)
                    if own != NULL:
                        send(u.owner, own)
                    blob_release(own)
                u = u.next_of_prefix
            blob_release(keys)
            _forget_changed(p)
        p = p.next
