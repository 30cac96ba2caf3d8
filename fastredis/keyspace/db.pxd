# SPDX-License-Identifier: BSD-3-Clause
"""Databases: the only door to keys. See db.pyx.

Every function that looks a key up treats one whose time has passed as absent and
deletes it. An obj_t * is borrowed and valid until the next call that writes that key.
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.keyhash cimport keyhash
from fastredis.core.rand cimport rand_t
from fastredis.ds.hashtable cimport ht_t
from fastredis.keyspace.expire cimport wheel_t
from fastredis.keyspace.lfu cimport lfu_rates_t
from fastredis.keyspace.obj cimport obj_part_fn, obj_t
from fastredis.keyspace.subexpire cimport subexpire_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

# A key to look up; its bytes are borrowed.
cdef struct dbkey_t:
    const char *ptr
    size_t len
    uint64_t hash

cdef inline dbkey_t dbkey(const char *ptr, size_t nbytes) noexcept nogil:
    """Return a key with its hash."""
    cdef dbkey_t k
    k.ptr = ptr
    k.len = nbytes
    k.hash = keyhash(ptr, nbytes)
    return k

# For the expire_ms of the db_set functions, beside a time in ms:
cdef enum:
    DB_NO_TTL = -1          # the key shall have no expiry (OBJ_NO_EXPIRE)
    DB_KEEP_TTL = -2        # the key keeps the one it has

cdef struct db_t:
    keyspace_t *ks
    ht_t *keys
    wheel_t *wheel          # NULL before the first expiry
    wheel_t *draining       # the wheel being rebuilt into `wheel`, or NULL
    size_t nexpires         # keys with an expiry
    int wheel_gen           # 0 or 1: OBJ_F_WHEEL of keys whose entry is in `wheel`
    subexpire_t *sub        # expiries of fields of hashes; NULL: none
    int id

# Called with a key whose bytes are valid during the call; must not write the key.
ctypedef void (*db_key_fn)(void *ctx, db_t *db, const dbkey_t *key) noexcept nogil

# The same with one of its fields that is about to be deleted.
ctypedef void (*db_field_fn)(
    void *ctx, db_t *db, const dbkey_t *key, const char *field, size_t n
) noexcept nogil

# What the layers above want to hear of what happens here by itself. NULL: nothing.
cdef struct notify_hooks_t:
    void *ctx
    db_key_fn expired       # its time has passed, it is about to be deleted
    db_key_fn created       # it is there, and was not before
    db_key_fn missed        # a reader looked for it in vain
    db_key_fn fields_expired    # some of its fields have gone, their time had passed
    db_field_fn field_expired   # one of them goes, its time has passed
    db_key_fn emptied       # the last of them has: it is about to be deleted

# What all databases of a server share.
cdef struct keyspace_t:
    db_t *dbs
    int ndbs
    int64_t now_ms          # wall clock, as of the request being executed
    uint32_t lru_clock      # 24 bits, seconds
    bint is_active_expire   # DEBUG SET-ACTIVE-EXPIRE
    bint is_expire_paused   # keys whose time is over look absent, but stay
    # whether a large value of a key that expires, or is overwritten, is freed as
    # UNLINK does: any number of allocations, and counted
    bint is_lazy_expire
    bint is_lazy_server_del
    bint is_no_touch        # reads leave the access time alone
    bint is_lfu             # ... which is a frequency instead: see lfu.pyx
    bint is_expired_shown   # a client in import mode sees keys whose time is over
    lfu_rates_t lfu
    int expire_db           # the database whose turn ks_expire_cycle takes next
    rand_t rand
    notify_hooks_t hooks
    # counters
    uint64_t hits
    uint64_t misses
    uint64_t expired_keys
    uint64_t expired_active
    uint64_t expired_fields

cdef inline int64_t db_visible_ms(const db_t *db) noexcept nogil:
    """Return the time up to which what has expired is not to be seen."""
    return -1 if db.ks.is_expired_shown else db.ks.now_ms

cdef enum db_state_t:
    DB_ABSENT = 0
    DB_LIVE = 1
    DB_EXPIRED = 2          # still stored, but its time has passed

cdef keyspace_t *ks_new(int ndbs) noexcept nogil
cdef void ks_free(keyspace_t *ks) noexcept nogil
cdef void ks_set_clock(keyspace_t *ks, int64_t now_ms) noexcept nogil
# expire what is due, about max_ns of work; True: there is more to do
cdef bint ks_expire_cycle(keyspace_t *ks, uint64_t max_ns) noexcept nogil
cdef bint ks_has_expires(const keyspace_t *ks) noexcept nogil
cdef void ks_swap(keyspace_t *ks, int a, int b) noexcept nogil

# --- Find. NULL: absent.
# counts hits and misses, touches
cdef obj_t *db_find_read(db_t *db, const dbkey_t *key) noexcept nogil
cdef obj_t *db_find_write(db_t *db, const dbkey_t *key) noexcept nogil  # touches
cdef obj_t *db_peek(db_t *db, const dbkey_t *key) noexcept nogil        # neither
# count a miss of a reader that used db_peek
cdef void db_missed(db_t *db, const dbkey_t *key) noexcept nogil
# the same without deleting one whose time has passed
cdef db_state_t db_state(const db_t *db, const dbkey_t *key) noexcept nogil
# bring the key's cache lines near: bucket first, then the object
cdef void db_prefetch_bucket(const db_t *db, uint64_t hash) noexcept nogil
cdef void db_prefetch_object(const db_t *db, uint64_t hash) noexcept nogil
# the object that has the key's tag in its bucket: very likely the key's, if it is there
cdef const obj_t *db_guess(const db_t *db, uint64_t hash) noexcept nogil

# --- Set: replaces whatever was there. expire_ms: a time, DB_NO_TTL or DB_KEEP_TTL.
# bytes are copied; canonical integers are stored as such
cdef obj_t *db_set_bytes(
    db_t *db, const dbkey_t *key, const char *value, size_t nbytes,
    int64_t expire_ms
) noexcept nogil
# the same, but never stored as an integer
cdef obj_t *db_set_text(
    db_t *db, const dbkey_t *key, const char *value, size_t nbytes,
    int64_t expire_ms
) noexcept nogil
cdef obj_t *db_set_int(
    db_t *db, const dbkey_t *key, int64_t value, int64_t expire_ms
) noexcept nogil
# value: consumed; OBJECT ENCODING says raw
cdef obj_t *db_set_blob(
    db_t *db, const dbkey_t *key, blob_t *value, int64_t expire_ms
) noexcept nogil
# a value of any type; consumed
cdef obj_t *db_set_pointer(
    db_t *db, const dbkey_t *key, int type, int enc, void *value,
    int64_t expire_ms
) noexcept nogil

# --- Delete. True: it was there. No large value is freed here, whatever is_lazy says.
# is_lazy: free it as UNLINK does, see keyspace_t
cdef bint db_remove(db_t *db, const dbkey_t *key, bint is_lazy) noexcept nogil
# as a part of what another command does
cdef bint db_delete(db_t *db, const dbkey_t *key) noexcept nogil
# returns how many keys there were
cdef size_t db_flush(db_t *db, bint is_async) noexcept nogil

# put an object in that has its key and expiry, if there is no such key yet; consumed.
# False: there is, and o is still the caller's
cdef bint db_add(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil
# have room for n keys; only in an empty database
cdef void db_reserve(db_t *db, size_t n) noexcept nogil

# --- Expiry. o: what a find returned; the result replaces it (it may have moved).
cdef obj_t *db_set_expire(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t expire_ms
) noexcept nogil
# True: it had one
cdef bint db_persist(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil

# fields of o were given an expiry, lost it, or are gone
cdef void db_subexpire_changed(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil
# the fields of a key that go because their time has passed are told of one by one
cdef struct db_fields_t:
    db_t *db
    const dbkey_t *key

# an obj_part_fn whose ctx is a db_fields_t; NULL: nobody wants to hear of them
cdef obj_part_fn db_field_teller(const db_t *db) noexcept nogil
# n > 0 fields of o have expired and are gone; said before the key is deleted, if it is
cdef void db_fields_expired(
    db_t *db, const dbkey_t *key, obj_t *o, size_t n
) noexcept nogil
# keys with such fields
cdef size_t db_subexpire_len(const db_t *db) noexcept nogil

# --- Move and copy. src must exist; what dst names is replaced. The expiry goes along.
cdef void db_rename(db_t *db, const dbkey_t *src, const dbkey_t *dst) noexcept nogil
cdef void db_move(db_t *db, const dbkey_t *key, db_t *target) noexcept nogil
cdef void db_copy(
    db_t *db, const dbkey_t *src, db_t *target, const dbkey_t *dst
) noexcept nogil

# --- Whole database
cdef size_t db_len(const db_t *db) noexcept nogil
# a random key whose time has not passed; NULL: none
cdef obj_t *db_random(db_t *db) noexcept nogil
ctypedef void (*db_visit_fn)(void *ctx, obj_t *o) noexcept nogil
# logically expired keys are left out; visit must not write
cdef uint64_t db_scan(
    db_t *db, uint64_t cursor, db_visit_fn visit, void *ctx
) noexcept nogil
# the same with them, for a caller that deletes them afterwards
cdef uint64_t db_scan_all(
    db_t *db, uint64_t cursor, db_visit_fn visit, void *ctx
) noexcept nogil
cdef void db_walk(db_t *db, db_visit_fn visit, void *ctx) noexcept nogil
# mean of the remaining lifetimes of some keys, ms; 0 without any
cdef int64_t db_avg_ttl(db_t *db) noexcept nogil
cdef void db_check(db_t *db) noexcept nogil
