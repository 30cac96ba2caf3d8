# SPDX-License-Identifier: BSD-3-Clause
"""Hash table of pointers to entries that carry their own key. See hashtable.pyx.

The table owns no entry: whoever puts one in takes it out or walks them before
ht_free. Entries are pointers below 2**48. Hashes are those of core.keyhash.
"""
from fastredis.core.keyhash cimport keyhash_equal
from fastredis.core.rand cimport rand_t
from libc.stdint cimport uint8_t, uint16_t, uint64_t

cdef enum:
    HT_BUCKET_ENTRIES = 9
    HT_SEGMENT_BITS = 10                  # 1024 buckets, 64 KB
    HT_SEGMENT_BUCKETS = 1 << HT_SEGMENT_BITS

# One cache line: tags, packed 48-bit pointers, flag of an overflow bucket.
cdef struct ht_bucket_t:
    uint8_t tags[HT_BUCKET_ENTRIES]       # 0: free; else 8 bits of the hash
    uint8_t ptrs[HT_BUCKET_ENTRIES][6]    # the last one leads on if is_chained
    uint8_t is_chained

# The key of an entry, borrowed.
ctypedef const char *(*ht_key_fn)(const void *entry, size_t *len_out) noexcept nogil
# Called by scans and walks for each entry.
ctypedef void (*ht_visit_fn)(void *ctx, void *entry) noexcept nogil

cdef struct ht_t:
    ht_bucket_t **segments
    ht_key_fn key_of
    size_t used                           # entries
    size_t nbuckets                       # main buckets, without overflow
    size_t mask                           # 2**k - 1, smallest that is >= nbuckets - 1
    size_t noverflow                      # overflow buckets
    size_t cap_segments                   # pointers that segments has room for
    size_t cap_first                      # buckets of the first segment
    bint is_frozen                        # DEBUG: neither grow nor shrink

# Where an entry sits; valid until the table changes.
cdef struct ht_pos_t:
    ht_bucket_t *bucket                   # NULL: not found
    int index

# returned; the table starts with one bucket
cdef ht_t *ht_new(ht_key_fn key_of) noexcept nogil
# have the buckets that n entries need; of an empty table
cdef void ht_reserve(ht_t *t, size_t n) noexcept nogil
# frees the table, not the entries; NULL is allowed
cdef void ht_free(ht_t *t) noexcept nogil
cdef void *ht_find(
    const ht_t *t, const char *key, size_t nbytes, uint64_t hash
) noexcept nogil
cdef ht_pos_t ht_locate(
    const ht_t *t, const char *key, size_t nbytes, uint64_t hash
) noexcept nogil
# entry: its key must not be in the table yet
cdef void ht_insert(ht_t *t, void *entry, uint64_t hash) noexcept nogil
# put another entry with the same key where pos is
cdef void ht_replace(ht_pos_t pos, void *entry) noexcept nogil
# take the entry at pos out; hash is that of its key
cdef void ht_remove_at(ht_t *t, ht_pos_t pos, uint64_t hash) noexcept nogil
cdef void ht_walk(const ht_t *t, ht_visit_fn visit, void *ctx) noexcept nogil
# one step of SCAN: visits the buckets of cursor, returns the next cursor, 0 at the end
cdef uint64_t ht_scan(
    const ht_t *t, uint64_t cursor, ht_visit_fn visit, void *ctx
) noexcept nogil
# each entry about as likely as any other; NULL when empty
cdef void *ht_random(const ht_t *t, rand_t *rand) noexcept nogil
# entries whose hash has the low 40 bits hash40; returns how many were visited
cdef int ht_visit_hash40(
    const ht_t *t, uint64_t hash40, ht_visit_fn visit, void *ctx
) noexcept nogil
cdef size_t ht_nbytes(const ht_t *t) noexcept nogil
# walk every invariant; ends the process on a violation
cdef void ht_check(const ht_t *t) noexcept nogil

cdef inline size_t ht_index(const ht_t *t, uint64_t hash) noexcept nogil:
    """Return the main bucket of a hash."""
    cdef size_t i = hash & t.mask
    if i >= t.nbuckets:
        i &= t.mask >> 1
    return i

cdef inline ht_bucket_t *ht_main_bucket(const ht_t *t, size_t index) noexcept nogil:
    """Return a main bucket by its number."""
    return t.segments[index >> HT_SEGMENT_BITS] + (index & (HT_SEGMENT_BUCKETS - 1))

cdef inline void ht_prefetch_bucket(const ht_t *t, uint64_t hash) noexcept nogil:
    """Have the main bucket of a hash loaded."""
    ht_prefetch(ht_main_bucket(t, ht_index(t, hash)))

cdef inline void *ht_guess(const ht_t *t, uint64_t hash) noexcept nogil:
    """Return an entry that is likely to have this hash, unread; or NULL.

    It is the first one in the main bucket whose tag agrees: another one's tag does so
    in one of 40 cases, and an entry in an overflow bucket is not found.
    """
    cdef ht_bucket_t *b = ht_main_bucket(t, ht_index(t, hash))
    cdef unsigned int m = ht_match(b, ht_tag(hash))
    return ht_unpack(b.ptrs[ht_lowest(m)]) if m else NULL

cdef inline ht_pos_t ht_locate_by(
    const ht_t *t, ht_key_fn key_of, const char *key, size_t nbytes, uint64_t hash
) noexcept nogil:
    """Do what ht_locate does; key_of is a constant, which the compiler inlines."""
    cdef ht_pos_t pos
    cdef ht_bucket_t *b = ht_main_bucket(t, ht_index(t, hash))
    cdef uint8_t tag = ht_tag(hash)
    cdef unsigned int m
    cdef size_t n
    cdef const char *k
    while True:
        m = ht_match(b, tag)
        if b.is_chained:
            m &= (1 << (HT_BUCKET_ENTRIES - 1)) - 1
        while m:
            pos.index = ht_lowest(m)
            k = key_of(ht_unpack(b.ptrs[pos.index]), &n)
            if n == nbytes and keyhash_equal(k, key, n):
                pos.bucket = b
                return pos
            m &= m - 1
        if not b.is_chained:
            break
        b = <ht_bucket_t *>ht_unpack(b.ptrs[HT_BUCKET_ENTRIES - 1])
    pos.bucket = NULL
    pos.index = 0
    return pos

cdef extern from *:
    """
    #ifndef FASTREDIS_HT_MATCH_H
    #define FASTREDIS_HT_MATCH_H
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #endif
    #define ht_prefetch(p) __builtin_prefetch(p)
    static inline uint8_t ht_tag(uint64_t hash) {
        uint8_t t = (uint8_t)(hash >> 32);
        return t ? t : 1;
    }
    /* bit i set: tags[i] == tag; reads 16 bytes of the 64-byte bucket */
    static inline unsigned ht_match(const void *bucket, uint8_t tag) {
    #if defined(__SSE2__)
        __m128i v = _mm_loadu_si128((const __m128i *)bucket);
        return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)tag)))
               & 0x1ffu;
    #else
        const uint8_t *t = (const uint8_t *)bucket;
        unsigned m = 0;
        for (int i = 0; i < 9; i++) m |= (unsigned)(t[i] == tag) << i;
        return m;
    #endif
    }
    static inline int ht_lowest(unsigned mask) { return __builtin_ctz(mask); }
    static inline void *ht_unpack(const uint8_t *p) {
        uint64_t v = 0;
        memcpy(&v, p, 6);
        return (void *)(uintptr_t)v;
    }
    static inline void ht_pack(uint8_t *p, const void *e) {
        uint64_t v = (uint64_t)(uintptr_t)e;
        memcpy(p, &v, 6);
    }
    #endif
    """
    void ht_prefetch(const void *p) noexcept nogil
    uint8_t ht_tag(uint64_t hash) noexcept nogil
    unsigned int ht_match(const void *bucket, uint8_t tag) noexcept nogil
    int ht_lowest(unsigned int mask) noexcept nogil
    void *ht_unpack(const uint8_t *p) noexcept nogil
    void ht_pack(uint8_t *p, const void *entry) noexcept nogil
