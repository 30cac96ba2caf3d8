# SPDX-License-Identifier: BSD-3-Clause
r"""What producers have sent to a stream lately, so that nothing is added twice.

    producers, by name            ids of its own, by their bytes
    +--------+--------+           +-------+-------+-------+
    | "p1"   | "p2"   |           | "i7"  | "i8"  | "i9"  |
    +---|----+--------+           +---|---+---|---+---|---+
        v                             v       v       v
    producer ----------------------> {7-0} -> {8-0} -> {9-0}      the oldest first

An id is forgotten after duration_s, or when its producer has sent max_len more. The
ids of a producer are looked at whenever it sends; all are once every duration_s.

It is not part of what DUMP writes, which older servers have to read.

Cost: O(1) an entry. Threads: as for the stream.
Source: Redis documentation, "Idempotent message processing".
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zsize
from fastredis.ds.hashtable cimport (
    ht_free,
    ht_insert,
    ht_locate,
    ht_nbytes,
    ht_new,
    ht_pos_t,
    ht_remove_at,
    ht_unpack,
)
from libc.string cimport memcpy

cdef struct own_id_t:
    own_id_t *next              # the next younger one of the producer
    int64_t added_ms
    sid_t id
    size_t len
    char text[1]

cdef struct sidmp_producer_t:
    sidmp_producer_t *next
    ht_t *ids
    own_id_t *oldest
    own_id_t *youngest
    size_t n
    size_t len
    char name[1]


cdef const char *_id_key(const void *entry, size_t *len_out) noexcept nogil:
    len_out[0] = (<const own_id_t *>entry).len
    return (<const own_id_t *>entry).text


cdef const char *_producer_key(const void *entry, size_t *len_out) noexcept nogil:
    len_out[0] = (<const sidmp_producer_t *>entry).len
    return (<const sidmp_producer_t *>entry).name


# --- Create and free --------------------------------------------------------------


cdef sidmp_t *sidmp_new(int64_t now_ms) noexcept nogil:
    """Begin to keep what producers send."""
    cdef sidmp_t *m = <sidmp_t *>zcalloc(sizeof(sidmp_t))
    m.duration_s = SIDMP_DURATION_DEFAULT
    m.max_len = SIDMP_LEN_DEFAULT
    m.producers = ht_new(_producer_key)
    m.swept_ms = now_ms
    return m


cdef void _free_producer(sidmp_producer_t *p) noexcept nogil:
    cdef own_id_t *own
    while p.oldest != NULL:
        own = p.oldest
        p.oldest = own.next
        zfree(own)
    ht_free(p.ids)
    zfree(p)


cdef void sidmp_clear(sidmp_t *m) noexcept nogil:
    """Forget everything."""
    cdef sidmp_producer_t *p
    while m.first != NULL:
        p = m.first
        m.first = p.next
        _free_producer(p)
    ht_free(m.producers)
    m.producers = ht_new(_producer_key)
    m.nids = 0


cdef void sidmp_free(sidmp_t *m) noexcept nogil:
    """Free it."""
    if m == NULL:
        return
    sidmp_clear(m)
    ht_free(m.producers)
    zfree(m)


cdef sidmp_t *sidmp_copy(const sidmp_t *m) noexcept nogil:
    """Return a copy."""
    cdef sidmp_t *copy = sidmp_new(m.swept_ms)
    cdef const sidmp_producer_t *p = m.first
    cdef const own_id_t *own
    cdef slice_t producer, text
    copy.duration_s = m.duration_s
    copy.max_len = m.max_len
    while p != NULL:
        producer.ptr = p.name
        producer.len = p.len
        own = p.oldest
        while own != NULL:
            text.ptr = own.text
            text.len = own.len
            sidmp_add(copy, &producer, &text, own.added_ms, own.id)
            own = own.next
        p = p.next
    copy.added = m.added
    copy.duplicates = m.duplicates
    return copy


cdef size_t sidmp_nbytes(const sidmp_t *m) noexcept nogil:
    """Return the bytes it takes; an id's are taken from each producer's oldest."""
    cdef size_t n = zsize(m) + ht_nbytes(m.producers)
    cdef const sidmp_producer_t *p = m.first
    while p != NULL:
        n += zsize(p) + ht_nbytes(p.ids)
        if p.oldest != NULL:
            n += p.n * zsize(p.oldest)
        p = p.next
    return n


# --- Producers and ids ------------------------------------------------------------


cdef sidmp_producer_t *_producer(
    const sidmp_t *m, const slice_t *name, uint64_t hash
) noexcept nogil:
    cdef ht_pos_t pos = ht_locate(m.producers, name.ptr, name.len, hash)
    if pos.bucket == NULL:
        return NULL
    return <sidmp_producer_t *>ht_unpack(pos.bucket.ptrs[pos.index])


cdef void _drop_oldest(sidmp_t *m, sidmp_producer_t *p) noexcept nogil:
    cdef own_id_t *own = p.oldest
    cdef uint64_t hash = keyhash(own.text, own.len)
    ht_remove_at(p.ids, ht_locate(p.ids, own.text, own.len, hash), hash)
    p.oldest = own.next
    if p.oldest == NULL:
        p.youngest = NULL
    p.n -= 1
    m.nids -= 1
    zfree(own)


cdef void _drop_old(sidmp_t *m, sidmp_producer_t *p, int64_t now_ms) noexcept nogil:
    """Forget the ids of a producer that are too old."""
    while p.oldest != NULL and now_ms - p.oldest.added_ms >= m.duration_s * 1000:
        _drop_oldest(m, p)


cdef void sidmp_sweep(sidmp_t *m, int64_t now_ms) noexcept nogil:
    """Forget what is too old, and producers of whom nothing is left."""
    cdef sidmp_producer_t **link = &m.first
    cdef sidmp_producer_t *p
    cdef uint64_t hash
    m.swept_ms = now_ms
    while link[0] != NULL:
        p = link[0]
        _drop_old(m, p, now_ms)
        if p.n:
            link = &p.next
            continue
        link[0] = p.next
        hash = keyhash(p.name, p.len)
        ht_remove_at(
            m.producers, ht_locate(m.producers, p.name, p.len, hash), hash)
        _free_producer(p)


cdef bint sidmp_find(
    sidmp_t *m, const slice_t *producer, const slice_t *own, int64_t now_ms,
    sid_t *id_out
) noexcept nogil:
    """Find the entry that a producer's id stands for."""
    cdef sidmp_producer_t *p
    cdef ht_pos_t pos
    if now_ms - m.swept_ms >= m.duration_s * 1000:
        sidmp_sweep(m, now_ms)
    p = _producer(m, producer, keyhash(producer.ptr, producer.len))
    if p == NULL:
        return False
    _drop_old(m, p, now_ms)
    pos = ht_locate(p.ids, own.ptr, own.len, keyhash(own.ptr, own.len))
    if pos.bucket == NULL:
        return False
    id_out[0] = (<own_id_t *>ht_unpack(pos.bucket.ptrs[pos.index])).id
    return True


cdef void sidmp_add(
    sidmp_t *m, const slice_t *producer, const slice_t *own, int64_t now_ms, sid_t id
) noexcept nogil:
    """Note an id."""
    cdef uint64_t hash = keyhash(producer.ptr, producer.len)
    cdef sidmp_producer_t *p = _producer(m, producer, hash)
    cdef own_id_t *added
    cdef ht_pos_t pos
    if p == NULL:
        p = <sidmp_producer_t *>zcalloc(sizeof(sidmp_producer_t) + producer.len)
        p.len = producer.len
        memcpy(p.name, producer.ptr, producer.len)
        p.ids = ht_new(_id_key)
        p.next = m.first
        m.first = p
        ht_insert(m.producers, p, hash)
    hash = keyhash(own.ptr, own.len)
    pos = ht_locate(p.ids, own.ptr, own.len, hash)
    if pos.bucket != NULL:
        # known here for longer than where it comes from
        added = <own_id_t *>ht_unpack(pos.bucket.ptrs[pos.index])
        added.added_ms = now_ms
        added.id = id
        m.added += 1
        return
    while p.n and p.n >= <size_t>m.max_len:
        _drop_oldest(m, p)
    added = <own_id_t *>zmalloc(sizeof(own_id_t) + own.len)
    added.next = NULL
    added.added_ms = now_ms
    added.id = id
    added.len = own.len
    memcpy(added.text, own.ptr, own.len)
    if p.youngest != NULL:
        p.youngest.next = added
    else:
        p.oldest = added
    p.youngest = added
    ht_insert(p.ids, added, hash)
    p.n += 1
    m.nids += 1
    m.added += 1
