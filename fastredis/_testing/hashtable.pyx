# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of ds.hashtable: a table of entries that it owns."""
from cython cimport final
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.rand cimport rand_t
from fastredis.ds.hashtable cimport (
    HT_BUCKET_ENTRIES,
    HT_SEGMENT_BUCKETS,
    ht_check,
    ht_find,
    ht_free,
    ht_insert,
    ht_locate,
    ht_nbytes,
    ht_new,
    ht_pos_t,
    ht_random,
    ht_remove_at,
    ht_replace,
    ht_reserve,
    ht_scan,
    ht_t,
    ht_unpack,
    ht_visit_hash40,
    ht_walk,
)

BUCKET_ENTRIES = <int>HT_BUCKET_ENTRIES
SEGMENT_BUCKETS = <int>HT_SEGMENT_BUCKETS

cdef struct entry_t:
    uint64_t value
    size_t len
    char key[1]


cdef entry_t *_entry_new(bytes key, uint64_t value) except NULL:
    # of just the key's size, so that a sanitizer sees a read beyond it
    cdef entry_t *e = <entry_t *>zmalloc(2 * sizeof(size_t) + len(key))
    e.value = value
    e.len = len(key)
    memcpy(e.key, <const char *>key, len(key))
    return e


cdef const char *_key_of(const void *entry, size_t *len_out) noexcept nogil:
    len_out[0] = (<const entry_t *>entry).len
    return (<const entry_t *>entry).key


cdef void _free_entry(void *ctx, void *entry) noexcept nogil:
    zfree(entry)


cdef void _collect(void *ctx, void *entry) noexcept nogil:
    cdef entry_t *e = <entry_t *>entry
    with gil:
        (<list>ctx).append(e.key[:e.len])


cdef void _remove_visited(void *ctx, void *entry) noexcept nogil:
    cdef entry_t *e = <entry_t *>entry
    cdef ht_t *t = <ht_t *>ctx
    cdef uint64_t hash = keyhash(e.key, e.len)
    ht_remove_at(t, ht_locate(t, e.key, e.len, hash), hash)
    zfree(e)


@final
cdef class Table:
    """A hash table of bytes to integers."""
    cdef ht_t *t
    cdef rand_t rand

    def __cinit__(self, uint64_t seed=1):
        self.t = ht_new(_key_of)
        self.rand.state = seed

    def __dealloc__(self):
        ht_walk(self.t, _free_entry, NULL)
        ht_free(self.t)

    def __len__(self):
        return self.t.used

    # --- Read

    def find(self, bytes key):
        """Return the key's value, or None."""
        cdef uint64_t hash = keyhash(key, len(key))
        cdef entry_t *e = <entry_t *>ht_find(self.t, key, len(key), hash)
        cdef ht_pos_t pos = ht_locate(self.t, key, len(key), hash)
        if e == NULL:
            if pos.bucket != NULL:
                raise AssertionError("ht_locate found what ht_find did not")
            return None
        if ht_unpack(pos.bucket.ptrs[pos.index]) != e:
            raise AssertionError("ht_locate and ht_find disagree")
        return e.value

    def random(self):
        """Return a random key, or None."""
        cdef entry_t *e = <entry_t *>ht_random(self.t, &self.rand)
        return None if e == NULL else e.key[:e.len]

    def random_counts(self, int n):
        """Return how often each key came in n draws."""
        cdef dict counts = {}
        cdef int _i
        for _i in range(n):
            key = self.random()
            counts[key] = counts.get(key, 0) + 1
        return counts

    # --- Write

    def insert(self, bytes key, uint64_t value=0):
        """Insert a key that must be absent."""
        cdef uint64_t hash = keyhash(key, len(key))
        if ht_find(self.t, key, len(key), hash) != NULL:
            raise KeyError(key)
        ht_insert(self.t, _entry_new(key, value), hash)

    def insert_many(self, keys, uint64_t value=0):
        """Insert keys that must be absent, without looking."""
        cdef bytes key
        for key in keys:
            ht_insert(self.t, _entry_new(key, value), keyhash(key, len(key)))

    def reserve(self, size_t n):
        """Make room for n entries; the table must be empty."""
        ht_reserve(self.t, n)

    def replace(self, bytes key, uint64_t value):
        """Put another entry in place of the key's, which must be present."""
        cdef ht_pos_t pos = ht_locate(
            self.t, key, len(key), keyhash(key, len(key)))
        cdef void *old
        if pos.bucket == NULL:
            raise KeyError(key)
        old = ht_unpack(pos.bucket.ptrs[pos.index])
        ht_replace(pos, _entry_new(key, value))
        zfree(old)

    def remove(self, bytes key):
        """Remove a key; return whether it was there."""
        cdef uint64_t hash = keyhash(key, len(key))
        cdef ht_pos_t pos = ht_locate(self.t, key, len(key), hash)
        cdef void *old
        if pos.bucket == NULL:
            return False
        old = ht_unpack(pos.bucket.ptrs[pos.index])
        ht_remove_at(self.t, pos, hash)
        zfree(old)
        return True

    # --- Iterate

    def walk(self):
        cdef list keys = []
        ht_walk(self.t, _collect, <void *>keys)
        return keys

    def scan(self, uint64_t cursor):
        """Do one step; return (the next cursor, the keys seen)."""
        cdef list keys = []
        cdef uint64_t following = ht_scan(self.t, cursor, _collect, <void *>keys)
        return following, keys

    def visit_hash40(self, bytes key):
        """Return the keys whose hash agrees with key's in 40 bits."""
        cdef list keys = []
        cdef int n = ht_visit_hash40(
            self.t, keyhash(key, len(key)) & 0xFFFFFFFFFFULL, _collect, <void *>keys)
        if n != len(keys):
            raise AssertionError("ht_visit_hash40 miscounts")
        return keys

    def remove_hash40(self, bytes key):
        """Remove, from within the visit, the keys that visit_hash40 returns."""
        return ht_visit_hash40(
            self.t, keyhash(key, len(key)) & 0xFFFFFFFFFFULL, _remove_visited, self.t)

    # --- Debug

    def check(self):
        ht_check(self.t)

    @property
    def nbuckets(self):
        return self.t.nbuckets

    @property
    def noverflow(self):
        return self.t.noverflow

    @property
    def nbytes(self):
        return ht_nbytes(self.t)

    @property
    def is_frozen(self):
        return bool(self.t.is_frozen)

    @is_frozen.setter
    def is_frozen(self, bint value):
        self.t.is_frozen = value
