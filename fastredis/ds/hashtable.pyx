# SPDX-License-Identifier: BSD-3-Clause
r"""Hash table that grows by one bucket at a time (linear hashing).

    segments                       bucket: one cache line of 64 bytes
    +---+     +--------------+     +---------+-----------------------+---+
    | 0 |---> | 1024 buckets |     | 9 tags  | 9 pointers of 6 bytes | c |
    +---+     +--------------+     +---------+-----------------------+---+
    | 1 |---> | 1024 buckets |       c set: the ninth pointer leads to an
    +---+     +--------------+       overflow bucket of the same form

A tag is 8 bits of the hash; the search compares all nine at once and looks at an
entry only where its tag agrees. The table has nbuckets main buckets, whatever the
number; bucket i takes the hashes that end in i, by `mask` or, where that bucket does
not exist yet, by half the mask:

    nbuckets = 6, mask = 7:   0 1 2 3 4 5 | 6 7 not there: hashes ...110 go to 2,
                                              hashes ...111 go to 3

When the table has more than GROW entries a bucket, the bucket nbuckets - mask/2 - 1
is split in two by one more bit; when it has fewer than SHRINK, the last one is merged
back. So there is no resize: an insertion moves the entries of one bucket at the most,
and no command ever waits; memory follows the number of entries to within a segment,
where doubling wastes up to half (a key takes 43 bytes in all, at every number of keys,
where it would take 48 just after doubling). Only the first segment doubles up to its
1024 buckets, since most tables are small.

SCAN's cursor counts with its bits reversed: the buckets that end in the cursor's bits
are one bucket, or its two halves after a split, and the order of visits stays the same
through both. An entry that is there from the first call to the last is visited.

Cost: find, insert, remove O(1); one to two cache lines and the entry.
Threads: main thread only (or the one thread that owns the table).
Source: W. Litwin, Linear hashing (VLDB 1980); Valkey src/hashtable.c for tags and the
reversed cursor.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zalloc_aligned, zcalloc, zfree, zmalloc, zrealloc, zsize
from fastredis.core.rand cimport rand_below
from fastredis.core.status cimport fr_assert, fr_unlikely
from libc.string cimport memcpy, memset

cdef enum:
    LAST = HT_BUCKET_ENTRIES - 1
    ALL_TAGS = (1 << HT_BUCKET_ENTRIES) - 1
    BUCKET_BYTES = 64
    # Entries a main bucket: 6.5 to grow keeps the table at 10.5 to 11.5 bytes an
    # entry with one entry in ten in an overflow bucket. 2 to shrink: hysteresis.
    GROW_NUM = 13
    GROW_DEN = 2
    SHRINK = 2
    # Places from which ht_random draws: two buckets of a chain, and what follows them.
    # Fewer would reach the end of a chain less, more would be taken more seldom.
    TAIL_PLACES = 4
    PLACES = 2 * LAST + TAIL_PLACES
    RANDOM_TRIES = 4096
    ENTRY_REACH = 40            # bytes of an entry that a visit looks at, mostly
    WALK_AHEAD = 4              # buckets whose entries ht_walk has prefetched


# --- Create and free --------------------------------------------------------------


cdef ht_bucket_t *_new_buckets(size_t n) noexcept nogil:
    cdef ht_bucket_t *b = <ht_bucket_t *>zalloc_aligned(BUCKET_BYTES, n * BUCKET_BYTES)
    memset(b, 0, n * BUCKET_BYTES)
    return b


cdef ht_t *ht_new(ht_key_fn key_of) noexcept nogil:
    """Return an empty table of one bucket."""
    cdef ht_t *t = <ht_t *>zcalloc(sizeof(ht_t))
    fr_assert(sizeof(ht_bucket_t) == BUCKET_BYTES)
    t.key_of = key_of
    t.segments = <ht_bucket_t **>zmalloc(sizeof(ht_bucket_t *))
    t.cap_segments = 1
    t.segments[0] = _new_buckets(1)
    t.cap_first = 1
    t.nbuckets = 1
    return t


cdef void _free_chain(const ht_bucket_t *b) noexcept nogil:
    """Free the overflow buckets behind b."""
    cdef ht_bucket_t *o
    cdef ht_bucket_t *following
    if not b.is_chained:
        return
    o = <ht_bucket_t *>ht_unpack(b.ptrs[LAST])
    while True:
        following = <ht_bucket_t *>ht_unpack(o.ptrs[LAST]) if o.is_chained else NULL
        zfree(o)
        if following == NULL:
            return
        o = following


cdef void ht_free(ht_t *t) noexcept nogil:
    """Free the table, not its entries."""
    cdef size_t i, nsegments
    if t == NULL:
        return
    if t.noverflow:
        for i in range(t.nbuckets):
            _free_chain(ht_main_bucket(t, i))
    nsegments = (t.nbuckets + HT_SEGMENT_BUCKETS - 1) >> HT_SEGMENT_BITS
    for i in range(nsegments):
        zfree(t.segments[i])
    zfree(t.segments)
    zfree(t)


# --- Read -------------------------------------------------------------------------


cdef inline ht_bucket_t *_next(const ht_bucket_t *b) noexcept nogil:
    return <ht_bucket_t *>ht_unpack(b.ptrs[LAST]) if b.is_chained else NULL


cdef ht_pos_t ht_locate(
    const ht_t *t, const char *key, size_t nbytes, uint64_t hash
) noexcept nogil:
    """Return where the entry with this key sits; bucket NULL if it is absent."""
    return ht_locate_by(t, t.key_of, key, nbytes, hash)


cdef void *ht_find(
    const ht_t *t, const char *key, size_t nbytes, uint64_t hash
) noexcept nogil:
    """Return the entry with this key, or NULL."""
    cdef ht_pos_t pos = ht_locate(t, key, nbytes, hash)
    if pos.bucket == NULL:
        return NULL
    return ht_unpack(pos.bucket.ptrs[pos.index])


# --- Write ------------------------------------------------------------------------


cdef inline void _set(ht_bucket_t *b, int i, uint8_t tag, const void *e) noexcept nogil:
    b.tags[i] = tag
    ht_pack(b.ptrs[i], e)


cdef void _bucket_insert(
    ht_t *t, ht_bucket_t *b, uint8_t tag, const void *entry
) noexcept nogil:
    """Put an entry into the first free place of a chain, lengthening it if full."""
    cdef unsigned int m
    cdef ht_bucket_t *o
    while True:
        m = ht_match(b, 0)
        if b.is_chained:
            m &= (1 << LAST) - 1
        if m:
            _set(b, ht_lowest(m), tag, entry)
            return
        if not b.is_chained:
            break
        b = _next(b)
    o = _new_buckets(1)
    t.noverflow += 1
    _set(o, 0, b.tags[LAST], ht_unpack(b.ptrs[LAST]))
    _set(o, 1, tag, entry)
    b.tags[LAST] = 0
    ht_pack(b.ptrs[LAST], o)
    b.is_chained = 1


cdef void _add_bucket(ht_t *t) noexcept nogil:
    """Make room for, and count, one more main bucket; it is empty."""
    cdef size_t i = t.nbuckets
    cdef ht_bucket_t *first
    if i < HT_SEGMENT_BUCKETS:
        if i == t.cap_first:
            first = _new_buckets(2 * i)
            memcpy(first, t.segments[0], i * BUCKET_BYTES)
            zfree(t.segments[0])
            t.segments[0] = first
            t.cap_first = 2 * i
    elif (i & (HT_SEGMENT_BUCKETS - 1)) == 0:
        if (i >> HT_SEGMENT_BITS) == t.cap_segments:
            t.cap_segments *= 2
            t.segments = <ht_bucket_t **>zrealloc(
                t.segments, t.cap_segments * sizeof(ht_bucket_t *))
        t.segments[i >> HT_SEGMENT_BITS] = _new_buckets(HT_SEGMENT_BUCKETS)
    t.nbuckets += 1
    if i > t.mask:
        t.mask = 2 * t.mask + 1


cdef void ht_reserve(ht_t *t, size_t n) noexcept nogil:
    """Have as many buckets as n insertions would make, which then need not split any.

    Removals shrink the table as always, so reserve just before inserting.
    """
    fr_assert(t.used == 0)
    if n <= HT_BUCKET_ENTRIES:
        return
    while t.nbuckets * GROW_NUM < n * GROW_DEN:
        _add_bucket(t)


cdef void _redistribute(ht_t *t, ht_bucket_t *b) noexcept nogil:
    """Take all entries out of b's chain and insert each where its hash says."""
    cdef ht_bucket_t head = b[0]
    cdef ht_bucket_t *o = &head
    cdef ht_bucket_t *following
    cdef uint64_t h
    cdef size_t n
    cdef const char *k
    cdef int i, last
    for i in range(HT_BUCKET_ENTRIES):
        if head.tags[i]:
            ht_prefetch(ht_unpack(head.ptrs[i]))
    memset(b, 0, BUCKET_BYTES)
    while o != NULL:
        last = LAST if o.is_chained else HT_BUCKET_ENTRIES
        following = _next(o)
        if following != NULL:
            for i in range(HT_BUCKET_ENTRIES):
                if following.tags[i]:
                    ht_prefetch(ht_unpack(following.ptrs[i]))
        for i in range(last):
            if o.tags[i]:
                k = t.key_of(ht_unpack(o.ptrs[i]), &n)
                h = keyhash(k, n)
                _bucket_insert(
                    t, ht_main_bucket(t, ht_index(t, h)), o.tags[i],
                    ht_unpack(o.ptrs[i]))
        if o != &head:
            zfree(o)
            t.noverflow -= 1
        o = following


cdef void _split(ht_t *t) noexcept nogil:
    """Add a bucket and move to it what belongs there."""
    _add_bucket(t)
    _redistribute(t, ht_main_bucket(t, (t.nbuckets - 1) & (t.mask >> 1)))


cdef void _merge(ht_t *t) noexcept nogil:
    """Empty the last main bucket into the one it was split from, and drop it."""
    cdef size_t last = t.nbuckets - 1
    cdef ht_bucket_t *b = ht_main_bucket(t, last)
    cdef ht_bucket_t *first
    t.nbuckets = last
    if last - 1 <= (t.mask >> 1):
        t.mask >>= 1        # the buckets left are numbered by one bit less
    _redistribute(t, b)
    if last >= HT_SEGMENT_BUCKETS:
        if (last & (HT_SEGMENT_BUCKETS - 1)) == 0:
            zfree(t.segments[last >> HT_SEGMENT_BITS])
            if t.cap_segments > 1 and (last >> HT_SEGMENT_BITS) <= t.cap_segments / 4:
                t.cap_segments /= 2
                t.segments = <ht_bucket_t **>zrealloc(
                    t.segments, t.cap_segments * sizeof(ht_bucket_t *))
    elif last == 1 or last <= t.cap_first / 4:
        # one bucket is what a table begins with, and is shrunk to
        t.cap_first = 1 if last == 1 else t.cap_first / 2
        first = _new_buckets(t.cap_first)
        memcpy(first, t.segments[0], last * BUCKET_BYTES)
        zfree(t.segments[0])
        t.segments[0] = first


cdef void ht_insert(ht_t *t, void *entry, uint64_t hash) noexcept nogil:
    """Add an entry whose key is absent; O(1), at most one bucket is split."""
    _bucket_insert(t, ht_main_bucket(t, ht_index(t, hash)), ht_tag(hash), entry)
    t.used += 1
    if t.used * GROW_DEN > t.nbuckets * GROW_NUM:
        # the very first bucket may fill up: most small tables never have a second
        if not t.is_frozen and (t.nbuckets > 1 or t.used > HT_BUCKET_ENTRIES):
            _split(t)


cdef void ht_replace(ht_pos_t pos, void *entry) noexcept nogil:
    """Put another entry of the same key at a place."""
    ht_pack(pos.bucket.ptrs[pos.index], entry)


cdef void _drop_empty(ht_t *t, ht_bucket_t *b, ht_bucket_t *main) noexcept nogil:
    """After a removal from b, a bucket of main's chain: free b if that emptied it."""
    cdef ht_bucket_t *before = main
    if b == main or ht_match(b, 0) != ALL_TAGS:
        return
    while _next(before) != b:
        before = _next(before)
    if b.is_chained:
        ht_pack(before.ptrs[LAST], _next(b))
    else:
        before.is_chained = 0
    zfree(b)
    t.noverflow -= 1


cdef void ht_remove_at(ht_t *t, ht_pos_t pos, uint64_t hash) noexcept nogil:
    """Take the entry at pos out; O(1), at most one bucket is merged."""
    pos.bucket.tags[pos.index] = 0
    t.used -= 1
    if fr_unlikely(t.noverflow):
        _drop_empty(t, pos.bucket, ht_main_bucket(t, ht_index(t, hash)))
    if t.nbuckets > 1 and t.used < t.nbuckets * SHRINK and not t.is_frozen:
        _merge(t)


# --- Iterate ----------------------------------------------------------------------


cdef void _visit_chain(
    const ht_bucket_t *b, ht_visit_fn visit, void *ctx
) noexcept nogil:
    cdef int i, last
    while b != NULL:
        last = LAST if b.is_chained else HT_BUCKET_ENTRIES
        for i in range(last):
            if b.tags[i]:
                visit(ctx, ht_unpack(b.ptrs[i]))
        b = _next(b)


cdef void ht_walk(const ht_t *t, ht_visit_fn visit, void *ctx) noexcept nogil:
    """Visit every entry; visit must not change the table.

    It may free the entry: no other one is looked at, only prefetched, which is no
    access. A walk through many entries would else wait for memory at each of them.
    """
    cdef ht_bucket_t *b
    cdef size_t i
    cdef int j
    for i in range(t.nbuckets):
        if i + WALK_AHEAD < t.nbuckets:
            if i + 2 * WALK_AHEAD < t.nbuckets:
                ht_prefetch(ht_main_bucket(t, i + 2 * WALK_AHEAD))
            b = ht_main_bucket(t, i + WALK_AHEAD)
            for j in range(HT_BUCKET_ENTRIES):
                if b.tags[j]:
                    ht_prefetch(ht_unpack(b.ptrs[j]))
                    ht_prefetch(<char *>ht_unpack(b.ptrs[j]) + ENTRY_REACH)
        _visit_chain(ht_main_bucket(t, i), visit, ctx)


cdef inline uint64_t _reverse(uint64_t v) noexcept nogil:
    v = ((v >> 1) & 0x5555555555555555ULL) | ((v & 0x5555555555555555ULL) << 1)
    v = ((v >> 2) & 0x3333333333333333ULL) | ((v & 0x3333333333333333ULL) << 2)
    v = ((v >> 4) & 0x0F0F0F0F0F0F0F0FULL) | ((v & 0x0F0F0F0F0F0F0F0FULL) << 4)
    v = ((v >> 8) & 0x00FF00FF00FF00FFULL) | ((v & 0x00FF00FF00FF00FFULL) << 8)
    v = ((v >> 16) & 0x0000FFFF0000FFFFULL) | ((v & 0x0000FFFF0000FFFFULL) << 16)
    return (v >> 32) | (v << 32)


cdef uint64_t ht_scan(
    const ht_t *t, uint64_t cursor, ht_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the bucket of a cursor; return the next cursor, 0 when all are done.

    A cursor names a class of hashes, those that end in its bits. The class visited
    is as wide as the bucket that holds it: a bucket not yet split spans both classes
    of the longer mask.
    """
    cdef size_t i = cursor & t.mask
    cdef size_t mask = t.mask
    if i >= t.nbuckets:
        mask >>= 1
        i &= mask
    elif i <= (mask >> 1) and i + (mask >> 1) + 1 >= t.nbuckets:
        mask >>= 1      # its other half is not there: it still is the whole class
    _visit_chain(ht_main_bucket(t, i), visit, ctx)
    # increment the bits under the mask, most significant class bit first
    cursor |= ~<uint64_t>mask
    return _reverse(_reverse(cursor) + 1)


cdef void *ht_random(const ht_t *t, rand_t *rand) noexcept nogil:
    """Return a random entry.

    A bucket and one of PLACES places in its chain are drawn until the place is taken,
    so every entry has the same chance. Only in a chain of more than PLACES entries (a
    bucket has 6 on average) those behind the second bucket share the last places.
    """
    cdef ht_bucket_t *b
    cdef void *entry
    cdef int _tries
    cdef size_t i
    if t.used == 0:
        return NULL
    for _tries in range(RANDOM_TRIES):
        b = ht_main_bucket(t, rand_below(rand, t.nbuckets))
        i = rand_below(rand, PLACES)
        if i >= LAST and b.is_chained:
            i -= LAST
            b = _next(b)
            if i >= LAST and b.is_chained:
                entry = _random_of_tail(_next(b), i - LAST, rand)
                if entry != NULL:
                    return entry
                continue
        if i < HT_BUCKET_ENTRIES and b.tags[i]:
            return ht_unpack(b.ptrs[i])
    # a table that was not let shrink: the first entry from a random bucket on
    i = rand_below(rand, t.nbuckets)
    while True:
        entry = _nth_of_chain(ht_main_bucket(t, i), 0)
        if entry != NULL:
            return entry
        i = i + 1 if i + 1 < t.nbuckets else 0


cdef void *_nth_of_chain(const ht_bucket_t *b, size_t n) noexcept nogil:
    """Return an entry by its number in a chain, or NULL."""
    cdef int i
    while b != NULL:
        for i in range(LAST if b.is_chained else HT_BUCKET_ENTRIES):
            if b.tags[i]:
                if n == 0:
                    return ht_unpack(b.ptrs[i])
                n -= 1
        b = _next(b)
    return NULL


cdef void *_random_of_tail(
    const ht_bucket_t *b, size_t place, rand_t *rand
) noexcept nogil:
    """Return the entry at a place of what follows a chain's second bucket, or NULL."""
    cdef size_t n = 0
    while _nth_of_chain(b, n) != NULL:
        n += 1
    if n > TAIL_PLACES:
        place = rand_below(rand, n)
    return _nth_of_chain(b, place)


cdef int ht_visit_hash40(
    const ht_t *t, uint64_t hash40, ht_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the entries whose hash agrees in its low 40 bits; usually one.

    visit is called after the search and may remove the entry it is given, but nothing
    else; only the first eight are visited (nine would be an accident of 2**-300).
    """
    cdef void *found[8]
    cdef int nfound = 0, i
    cdef unsigned int m
    cdef uint8_t tag = ht_tag(hash40)
    cdef size_t n
    cdef const char *k
    cdef ht_bucket_t *b = ht_main_bucket(t, ht_index(t, hash40))
    while b != NULL:
        m = ht_match(b, tag)
        if b.is_chained:
            m &= (1 << LAST) - 1
        while m and nfound < 8:
            i = ht_lowest(m)
            k = t.key_of(ht_unpack(b.ptrs[i]), &n)
            if ((keyhash(k, n) ^ hash40) & 0xFFFFFFFFFFULL) == 0:
                found[nfound] = ht_unpack(b.ptrs[i])
                nfound += 1
            m &= m - 1
        b = _next(b)
    for i in range(nfound):
        visit(ctx, found[i])
    return nfound


# --- Debug ------------------------------------------------------------------------


cdef size_t ht_nbytes(const ht_t *t) noexcept nogil:
    """Return the bytes of the table itself."""
    cdef size_t n = zsize(t) + zsize(t.segments) + t.noverflow * BUCKET_BYTES
    if t.nbuckets <= HT_SEGMENT_BUCKETS:
        return n + t.cap_first * BUCKET_BYTES
    return n + ((t.nbuckets + HT_SEGMENT_BUCKETS - 1) & ~(HT_SEGMENT_BUCKETS - 1)) \
        * BUCKET_BYTES


cdef void ht_check(const ht_t *t) noexcept nogil:
    """Walk every invariant."""
    cdef size_t i, n, used = 0, noverflow = 0
    cdef ht_bucket_t *b
    cdef const char *k
    cdef uint64_t h
    cdef int j
    fr_assert(t.nbuckets >= 1)
    fr_assert(t.nbuckets - 1 <= t.mask)
    fr_assert((t.mask & (t.mask + 1)) == 0)
    fr_assert(t.mask == 0 or t.nbuckets - 1 > (t.mask >> 1))
    for i in range(t.nbuckets):
        b = ht_main_bucket(t, i)
        while b != NULL:
            fr_assert(b == ht_main_bucket(t, i) or ht_match(b, 0) != ALL_TAGS)
            for j in range(LAST if b.is_chained else HT_BUCKET_ENTRIES):
                if b.tags[j]:
                    k = t.key_of(ht_unpack(b.ptrs[j]), &n)
                    h = keyhash(k, n)
                    fr_assert(ht_index(t, h) == i)
                    fr_assert(ht_tag(h) == b.tags[j])
                    used += 1
            if b.is_chained:
                fr_assert(b.tags[LAST] == 0)
                noverflow += 1
            b = _next(b)
    fr_assert(used == t.used)
    fr_assert(noverflow == t.noverflow)
