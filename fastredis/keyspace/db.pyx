# SPDX-License-Identifier: BSD-3-Clause
r"""Databases: a hash table of key objects and a timing wheel of their expiries.

    keyspace_t --> dbs[16]: db_t --> keys   hash table --> obj_t (key, expiry, value)
                                 --> wheel  40 bits of the hash of each key that
                                            has an expiry, in the slot of its time
                                 --> sub    the same of fields of hashes: subexpire.pyx

The wheel holds hashes, not pointers: an entry whose key has gone, or has been given
another time, is stale, and is dropped when it fires.

Invariant: every key with an expiry has an entry at or before its tick: exactly at its
tick if OBJ_F_LAG is clear, somewhere before if it is set. So

    a later time      leaves the entry alone and sets LAG;
    an earlier time   adds an entry and clears LAG (the old one is stale);
    firing            deletes the key if its time has come; else, with LAG, adds an
                      entry at its time and clears LAG; without, drops the stale one.

Stale entries (keys deleted and set again) are bounded: when there are more than twice
as many entries as keys with an expiry, the wheel is rebuilt; so it is when the clock
has jumped. The old one is drained into a new one a few entries at each turn and at each
addition; OBJ_F_WHEEL says which of the two holds a key's entry.

Cost: find, set, delete O(1). Threads: main thread only.
"""
from fastredis.core.blob cimport blob_release
from fastredis.core.clock cimport clock_mono_ns
from fastredis.core.mem cimport zcalloc, zfree, zmalloc
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_OK, fr_assert, fr_likely, fr_unlikely
from fastredis.ds.hashtable cimport (
    ht_check,
    ht_free,
    ht_guess,
    ht_insert,
    ht_locate_by,
    ht_new,
    ht_pos_t,
    ht_prefetch,
    ht_prefetch_bucket,
    ht_random,
    ht_remove_at,
    ht_replace,
    ht_reserve,
    ht_scan,
    ht_unpack,
    ht_visit_hash40,
    ht_walk,
)
from fastredis.keyspace.expire cimport (
    WHEEL_DONE,
    WHEEL_MORE,
    WHEEL_REBUILD,
    wheel_add,
    wheel_advance,
    wheel_check,
    wheel_drain,
    wheel_free,
    wheel_len,
    wheel_new,
    wheel_same_tick,
    wheel_state_t,
)
from fastredis.keyspace.lazyfree cimport lazyfree_submit
from fastredis.keyspace.lfu cimport LFU_START, lfu_pack, lfu_touch
from fastredis.keyspace.obj cimport (
    OBJ_ENC_BLOB,
    OBJ_ENC_INT,
    OBJ_F_LAG,
    OBJ_F_RAW,
    OBJ_F_WHEEL,
    OBJ_NO_EXPIRE,
    OBJ_STRING,
    obj_copy,
    obj_effort,
    obj_expire_ms,
    obj_free,
    obj_has_expire_field,
    obj_key,
    obj_key_of,
    obj_lru,
    obj_new_bytes,
    obj_new_int,
    obj_new_pointer,
    obj_overwrite_bytes,
    obj_part_fn,
    obj_pointer,
    obj_renamed,
    obj_set_int,
    obj_set_lru,
    obj_set_pointer,
    obj_subexpire,
    obj_subexpire_due,
    obj_subexpire_len,
    obj_subexpire_t,
    obj_type,
    obj_with_expire,
)
from fastredis.keyspace.subexpire cimport (
    subexpire_changed,
    subexpire_check,
    subexpire_forget,
    subexpire_free,
    subexpire_is_idle,
    subexpire_len,
    subexpire_new,
    subexpire_turn,
)

cdef enum:
    RANDOM_TRIES = 100              # of db_random while expired keys stay
    STALE_FACTOR = 2            # entries a key with an expiry before a rebuild ...
    STALE_MIN = 4096            # ... and always this many more
    DRAIN_PER_ADD = 4           # keeps a rebuild ahead of what is added meanwhile
    DRAIN_PER_TURN = 2048
    EXPIRE_STEP = 256           # entries between looks at the clock
    INT_DIGITS_MAX = 20
    PREFETCH_MIN_BUCKETS = 1024  # 64 KB, and ten times as much in objects
    LAZY_EFFORT = 64            # values of more allocations are freed on the thread
    # ... whatever the configuration says: 0.2 ms, and far more than waking the thread
    # costs. So are longer strings: their pages are given back one by one.
    MAIN_EFFORT = 2048
    MAIN_NBYTES = 1 << 23
    FIELDS_STEP = 128           # fields deleted between looks at the clock

cdef extern from *:
    """
    #define HASH40 ((((uint64_t)1) << 40) - 1)
    """
    const uint64_t HASH40


# --- Create and free --------------------------------------------------------------


cdef keyspace_t *ks_new(int ndbs) noexcept nogil:
    """Return ndbs empty databases."""
    cdef keyspace_t *ks = <keyspace_t *>zcalloc(sizeof(keyspace_t))
    cdef int i
    ks.dbs = <db_t *>zcalloc(ndbs * sizeof(db_t))
    ks.ndbs = ndbs
    ks.is_active_expire = True
    ks.rand.state = clock_mono_ns()
    for i in range(ndbs):
        ks.dbs[i].ks = ks
        ks.dbs[i].id = i
        ks.dbs[i].keys = ht_new(obj_key_of)
    return ks


cdef void _free_visit(void *ctx, void *entry) noexcept nogil:
    obj_free(<obj_t *>entry)


cdef void _free_contents(db_t *db) noexcept nogil:
    """Free a database's table, its objects and its wheels; db is left as it is."""
    ht_walk(db.keys, _free_visit, NULL)
    ht_free(db.keys)
    wheel_free(db.wheel)
    wheel_free(db.draining)
    subexpire_free(db.sub)


cdef void _free_flushed(void *db) noexcept nogil:
    _free_contents(<db_t *>db)
    zfree(db)


cdef void ks_free(keyspace_t *ks) noexcept nogil:
    """Free all databases and their keys; NULL is allowed."""
    cdef int i
    if ks == NULL:
        return
    for i in range(ks.ndbs):
        _free_contents(&ks.dbs[i])
    zfree(ks.dbs)
    zfree(ks)


cdef void ks_set_clock(keyspace_t *ks, int64_t now_ms) noexcept nogil:
    """Set the time that all following requests see."""
    ks.now_ms = now_ms
    ks.lru_clock = <uint32_t>(now_ms // 1000) & 0xFFFFFF


cdef void ks_swap(keyspace_t *ks, int a, int b) noexcept nogil:
    """Exchange the contents of two databases."""
    cdef db_t keep = ks.dbs[a]
    ks.dbs[a] = ks.dbs[b]
    ks.dbs[b] = keep
    ks.dbs[a].id = a
    ks.dbs[b].id = b


# --- Look up ----------------------------------------------------------------------


cdef inline ht_pos_t _locate(const db_t *db, const dbkey_t *key) noexcept nogil:
    return ht_locate_by(db.keys, obj_key_of, key.ptr, key.len, key.hash)


cdef inline obj_t *_find(const db_t *db, const dbkey_t *key) noexcept nogil:
    cdef ht_pos_t pos = _locate(db, key)
    if pos.bucket == NULL:
        return NULL
    return <obj_t *>ht_unpack(pos.bucket.ptrs[pos.index])


# --- Expiry and the wheel ---------------------------------------------------------


cdef inline bint _is_expired(const db_t *db, const obj_t *o) noexcept nogil:
    cdef int64_t when
    if fr_likely(not obj_has_expire_field(o)):
        return False
    when = obj_expire_ms(o)
    return when != OBJ_NO_EXPIRE and when <= db.ks.now_ms \
        and not db.ks.is_expired_shown


cdef void _wheel_put(
    db_t *db, obj_t *o, uint64_t hash, int64_t expire_ms
) noexcept nogil:
    """Add the entry that matters from now on."""
    if db.wheel == NULL:
        db.wheel = wheel_new(db.ks.now_ms)
    _enter(db, o, hash, expire_ms)
    if db.draining != NULL:
        _drain(db, DRAIN_PER_ADD)
    elif _is_stale(db):
        _rebuild(db)


cdef inline void _enter(
    db_t *db, obj_t *o, uint64_t hash, int64_t expire_ms
) noexcept nogil:
    wheel_add(db.wheel, hash & HASH40, expire_ms)
    o.flags &= ~(OBJ_F_LAG | OBJ_F_WHEEL)
    if db.wheel_gen:
        o.flags |= OBJ_F_WHEEL


cdef inline bint _is_stale(const db_t *db) noexcept nogil:
    """Return whether most of the wheel's entries must be stale."""
    return wheel_len(db.wheel) > STALE_MIN + STALE_FACTOR * (db.nexpires + 1)


cdef void _rebuild(db_t *db) noexcept nogil:
    """Start a new wheel, while none is being drained; what the old one holds is looked
    at step by step."""
    db.draining = db.wheel
    db.wheel = wheel_new(db.ks.now_ms)
    db.wheel_gen ^= 1


cdef void _drain_visit(void *ctx, void *entry) noexcept nogil:
    """Give a key whose entry was in the old wheel one in the new wheel."""
    cdef db_t *db = <db_t *>ctx
    cdef obj_t *o = <obj_t *>entry
    cdef int64_t when = obj_expire_ms(o)
    cdef size_t n
    cdef const char *k
    if when == OBJ_NO_EXPIRE:
        return
    if ((o.flags & OBJ_F_WHEEL) != 0) == (db.wheel_gen != 0):
        return
    k = obj_key(o, &n)
    _enter(db, o, keyhash(k, n), when)


cdef void _drain_fire(void *ctx, uint64_t payload) noexcept nogil:
    cdef db_t *db = <db_t *>ctx
    ht_visit_hash40(db.keys, payload, _drain_visit, ctx)


cdef void _drain(db_t *db, size_t n) noexcept nogil:
    """Move up to n entries of the old wheel to the new one."""
    if wheel_drain(db.draining, n, _drain_fire, db) < n:
        wheel_free(db.draining)
        db.draining = NULL


cdef void _fire_visit(void *ctx, void *entry) noexcept nogil:
    """Act on a key whose entry came due."""
    cdef db_t *db = <db_t *>ctx
    cdef obj_t *o = <obj_t *>entry
    cdef int64_t when = obj_expire_ms(o)
    cdef dbkey_t key
    if when == OBJ_NO_EXPIRE:
        return
    if when > db.ks.now_ms:
        if o.flags & OBJ_F_LAG:
            key.ptr = obj_key(o, &key.len)
            _enter(db, o, keyhash(key.ptr, key.len), when)
        return
    key.ptr = obj_key(o, &key.len)
    key.hash = keyhash(key.ptr, key.len)
    db.ks.expired_active += 1
    _count_expired(db, &key)
    _remove(db, _locate(db, &key), key.hash, db.ks.is_lazy_expire)


cdef void _fire(void *ctx, uint64_t payload) noexcept nogil:
    cdef db_t *db = <db_t *>ctx
    ht_visit_hash40(db.keys, payload, _fire_visit, ctx)


cdef bint _expire_db(db_t *db, uint64_t end_ns) noexcept nogil:
    """Delete what is due; return whether the time was up before all was done."""
    cdef int64_t now_ms = db.ks.now_ms
    cdef size_t budget
    cdef wheel_state_t state
    while True:
        state = WHEEL_DONE
        budget = EXPIRE_STEP
        if db.draining != NULL:
            state = wheel_advance(db.draining, now_ms, &budget, _fire, db)
        if state != WHEEL_MORE:
            budget = EXPIRE_STEP
            state = wheel_advance(db.wheel, now_ms, &budget, _fire, db)
        if state != WHEEL_MORE:
            break
        if clock_mono_ns() >= end_ns:
            return True
    if db.draining != NULL:
        _drain(db, DRAIN_PER_TURN)
    elif db.nexpires == 0 and not _is_stale(db):
        wheel_free(db.wheel)    # all of its few entries are stale
        db.wheel = NULL
    elif state == WHEEL_REBUILD or _is_stale(db):
        _rebuild(db)
    return False


cdef bint ks_expire_cycle(keyspace_t *ks, uint64_t max_ns) noexcept nogil:
    """Delete what is due; return whether the time was up before all was done."""
    cdef uint64_t end_ns
    cdef int _i
    cdef db_t *db
    if not ks.is_active_expire or ks.is_expire_paused:
        return False
    end_ns = clock_mono_ns() + max_ns
    for _i in range(ks.ndbs):
        db = &ks.dbs[ks.expire_db]
        # the next database has its turn, now or, if the time is up, in the next cycle
        ks.expire_db = ks.expire_db + 1 if ks.expire_db + 1 < ks.ndbs else 0
        if db.wheel != NULL and _expire_db(db, end_ns):
            return True
        if db.sub != NULL and _expire_fields(db, end_ns):
            return True
    return False


cdef bint ks_has_expires(const keyspace_t *ks) noexcept nogil:
    """Return whether any database has a wheel to turn."""
    cdef int i
    for i in range(ks.ndbs):
        if ks.dbs[i].wheel != NULL or ks.dbs[i].sub != NULL:
            return True
    return False


cdef void _expire_changed(
    db_t *db, obj_t *o, uint64_t hash, int64_t before, int64_t after
) noexcept nogil:
    """Keep count and wheel right after o's expiry was changed."""
    if after == OBJ_NO_EXPIRE:
        if before != OBJ_NO_EXPIRE:
            db.nexpires -= 1
    elif before == OBJ_NO_EXPIRE:
        db.nexpires += 1
        _wheel_put(db, o, hash, after)
    elif after < before:
        _wheel_put(db, o, hash, after)
    elif not wheel_same_tick(before, after):
        o.flags |= OBJ_F_LAG


# --- Expiry of fields -------------------------------------------------------------


cdef bint _fields_due(void *ctx, obj_t *o) noexcept nogil:
    """Delete some fields of a hash that have expired; return whether more have."""
    cdef db_t *db = <db_t *>ctx
    cdef obj_subexpire_t *sub
    cdef db_fields_t fields
    cdef dbkey_t key
    cdef size_t n
    key.ptr = obj_key(o, &key.len)
    key.hash = keyhash(key.ptr, key.len)
    fields.db = db
    fields.key = &key
    n = obj_subexpire_due(
        o, db.ks.now_ms, FIELDS_STEP, db_field_teller(db), &fields)
    if n:
        db_fields_expired(db, &key, o, n)
    if obj_subexpire_len(o) == 0:
        _remove(db, _locate(db, &key), key.hash, db.ks.is_lazy_expire)
        return False
    sub = obj_subexpire(o)
    if sub.next_ms != OBJ_NO_EXPIRE and sub.next_ms <= db.ks.now_ms:
        return True
    db_subexpire_changed(db, &key, o)
    return False


cdef void _tell_field(void *ctx, const char *field, size_t n) noexcept nogil:
    """Tell of a field that goes."""
    cdef db_fields_t *fields = <db_fields_t *>ctx
    cdef notify_hooks_t *hooks = &fields.db.ks.hooks
    hooks.field_expired(hooks.ctx, fields.db, fields.key, field, n)


cdef obj_part_fn db_field_teller(const db_t *db) noexcept nogil:
    """Return what is to be called for each field that goes."""
    if db.ks.hooks.field_expired == NULL:
        return NULL
    return _tell_field


cdef void db_fields_expired(
    db_t *db, const dbkey_t *key, obj_t *o, size_t n
) noexcept nogil:
    """Count fields that have expired, and tell that they are gone."""
    db.ks.expired_fields += n
    if db.ks.hooks.fields_expired != NULL:
        db.ks.hooks.fields_expired(db.ks.hooks.ctx, db, key)
    if obj_subexpire_len(o) == 0 and db.ks.hooks.emptied != NULL:
        db.ks.hooks.emptied(db.ks.hooks.ctx, db, key)


cdef bint _expire_fields(db_t *db, uint64_t end_ns) noexcept nogil:
    """Delete fields that are due; return whether the time was up before the end."""
    if subexpire_turn(db.sub, db.keys, db.ks.now_ms, end_ns, _fields_due, db):
        return True
    if subexpire_is_idle(db.sub):
        subexpire_free(db.sub)
        db.sub = NULL
    return False


cdef void db_subexpire_changed(
    db_t *db, const dbkey_t *key, obj_t *o
) noexcept nogil:
    """Keep the wheel of fields right."""
    cdef obj_subexpire_t *sub = obj_subexpire(o)
    if sub == NULL or (sub.next_ms == OBJ_NO_EXPIRE and not sub.is_counted):
        return
    if db.sub == NULL:
        db.sub = subexpire_new(db.ks.now_ms)
    subexpire_changed(db.sub, db.keys, key.hash, sub, db.ks.now_ms)


cdef size_t db_subexpire_len(const db_t *db) noexcept nogil:
    """Return how many keys have fields with an expiry."""
    return subexpire_len(db.sub)


cdef inline void _forget_fields(db_t *db, obj_t *o) noexcept nogil:
    """Leave out the fields of a key that goes; while it still has its place."""
    cdef obj_subexpire_t *sub
    if obj_type(o) == OBJ_STRING or db.sub == NULL:
        return
    sub = obj_subexpire(o)
    if sub != NULL:
        subexpire_forget(db.sub, sub)


# --- What is told to the layers above ---------------------------------------------


cdef void _count_expired(db_t *db, const dbkey_t *key) noexcept nogil:
    """Note that a key goes because its time has passed; it is still there."""
    db.ks.expired_keys += 1
    if db.ks.hooks.expired != NULL:
        db.ks.hooks.expired(db.ks.hooks.ctx, db, key)


cdef inline void _created(db_t *db, const dbkey_t *key) noexcept nogil:
    if fr_unlikely(db.ks.hooks.created != NULL):
        db.ks.hooks.created(db.ks.hooks.ctx, db, key)


cdef void db_missed(db_t *db, const dbkey_t *key) noexcept nogil:
    """Note that a reader looked for a key in vain."""
    db.ks.misses += 1
    if fr_unlikely(db.ks.hooks.missed != NULL):
        db.ks.hooks.missed(db.ks.hooks.ctx, db, key)


# --- Find -------------------------------------------------------------------------


cdef void _remove(
    db_t *db, ht_pos_t pos, uint64_t hash, bint is_lazy
) noexcept nogil:
    """Delete the key at a place."""
    cdef obj_t *o = <obj_t *>ht_unpack(pos.bucket.ptrs[pos.index])
    if obj_expire_ms(o) != OBJ_NO_EXPIRE:
        db.nexpires -= 1
    _forget_fields(db, o)
    ht_remove_at(db.keys, pos, hash)
    _dispose(o, is_lazy)


cdef void _free_obj(void *o) noexcept nogil:
    obj_free(<obj_t *>o)


cdef void _dispose(obj_t *o, bint is_lazy) noexcept nogil:
    """Free an object that is in no table any more.

    A large value goes to the other thread, as nothing else may wait for it to be freed;
    is_lazy: a not so small one, too, and INFO counts it.
    """
    cdef size_t effort = obj_effort(o)
    if is_lazy and effort > LAZY_EFFORT:
        lazyfree_submit(_free_obj, o, 1)
    elif fr_unlikely(effort > MAIN_EFFORT or _is_huge_string(o)):
        lazyfree_submit(_free_obj, o, 0)
    else:
        obj_free(o)


cdef inline bint _is_huge_string(const obj_t *o) noexcept nogil:
    """Return whether giving the memory back to the system takes long."""
    return o.kind == (OBJ_STRING | OBJ_ENC_BLOB << 4) \
        and (<blob_t *>obj_pointer(o)).len > MAIN_NBYTES


cdef void _expire_now(db_t *db, const dbkey_t *key) noexcept nogil:
    """Delete a key that a reader found to be past its time, if that is allowed."""
    if db.ks.is_expire_paused:
        return
    _count_expired(db, key)
    _remove(db, _locate(db, key), key.hash, db.ks.is_lazy_expire)


cdef obj_t *db_peek(db_t *db, const dbkey_t *key) noexcept nogil:
    """Return the key's object without any trace of the look-up."""
    cdef obj_t *o = _find(db, key)
    if o != NULL and fr_unlikely(_is_expired(db, o)):
        _expire_now(db, key)
        return NULL
    return o


cdef inline void _touch(db_t *db, obj_t *o) noexcept nogil:
    """Note that a key is used."""
    if fr_likely(not db.ks.is_lfu):
        obj_set_lru(o, db.ks.lru_clock)
    else:
        lfu_touch(o, &db.ks.lfu, db.ks.now_ms, &db.ks.rand)


cdef inline void _start_use(db_t *db, obj_t *o, const obj_t *old) noexcept nogil:
    """Note the first use of an object; old: the one it replaces, or NULL."""
    if fr_likely(not db.ks.is_lfu):
        obj_set_lru(o, db.ks.lru_clock)
    elif old == NULL:
        obj_set_lru(o, lfu_pack(db.ks.now_ms, LFU_START))
    else:
        # a key that is set again is as popular as it was, and used once more
        obj_set_lru(o, obj_lru(old))
        lfu_touch(o, &db.ks.lfu, db.ks.now_ms, &db.ks.rand)


cdef obj_t *db_find_read(db_t *db, const dbkey_t *key) noexcept nogil:
    """Return the key's object for a reader."""
    cdef obj_t *o = db_peek(db, key)
    if o == NULL:
        db_missed(db, key)
        return NULL
    db.ks.hits += 1
    if not db.ks.is_no_touch:
        _touch(db, o)
    return o


cdef obj_t *db_find_write(db_t *db, const dbkey_t *key) noexcept nogil:
    """Return the key's object for a writer."""
    cdef obj_t *o = db_peek(db, key)
    if o != NULL and not db.ks.is_no_touch:
        _touch(db, o)
    return o


cdef db_state_t db_state(const db_t *db, const dbkey_t *key) noexcept nogil:
    """Return whether a key is there, without a trace and without deleting it."""
    cdef const obj_t *o = _find(db, key)
    if o == NULL:
        return DB_ABSENT
    return DB_EXPIRED if _is_expired(db, o) else DB_LIVE


cdef void db_prefetch_bucket(const db_t *db, uint64_t hash) noexcept nogil:
    """Have the key's bucket loaded, unless the table is in the cache anyway."""
    if db.keys.nbuckets >= PREFETCH_MIN_BUCKETS:
        ht_prefetch_bucket(db.keys, hash)


cdef void db_prefetch_object(const db_t *db, uint64_t hash) noexcept nogil:
    """Have the object loaded that has the key's tag in its bucket."""
    cdef const obj_t *o
    if db.keys.nbuckets >= PREFETCH_MIN_BUCKETS:
        o = db_guess(db, hash)
        if o != NULL:
            ht_prefetch(o)


cdef const obj_t *db_guess(const db_t *db, uint64_t hash) noexcept nogil:
    """Return the object that has the key's tag in its bucket, or NULL."""
    return <const obj_t *>ht_guess(db.keys, hash)


# --- Set --------------------------------------------------------------------------


cdef obj_t *_put(
    db_t *db, const dbkey_t *key, ht_pos_t pos, obj_t *o, int64_t before, int64_t after
) noexcept nogil:
    """Put a new object in place of the one at pos, if any."""
    cdef obj_t *old
    if pos.bucket == NULL:
        _start_use(db, o, NULL)
        ht_insert(db.keys, o, key.hash)
        _created(db, key)
    else:
        old = <obj_t *>ht_unpack(pos.bucket.ptrs[pos.index])
        _start_use(db, o, old)
        o.flags |= old.flags & (OBJ_F_LAG | OBJ_F_WHEEL)
        ht_replace(pos, o)
        _forget_fields(db, old)
        _dispose(old, db.ks.is_lazy_server_del)
    if before != after:
        _expire_changed(db, o, key.hash, before, after)
    if obj_type(o) != OBJ_STRING:
        db_subexpire_changed(db, key, o)
    return o


cdef inline obj_t *_old(db_t *db, ht_pos_t pos) noexcept nogil:
    return NULL if pos.bucket == NULL else \
        <obj_t *>ht_unpack(pos.bucket.ptrs[pos.index])


cdef inline int64_t _expire_before(const obj_t *old) noexcept nogil:
    return OBJ_NO_EXPIRE if old == NULL else obj_expire_ms(old)


cdef void _replace_expired(db_t *db, const dbkey_t *key) noexcept nogil:
    """Note that what was found there had expired: what is put there is a new key."""
    _count_expired(db, key)
    _created(db, key)


cdef inline int64_t _expire_after(
    db_t *db, const dbkey_t *key, int64_t before, int64_t expire_ms
) noexcept nogil:
    """Return the expiry that the caller of a db_set function asked for."""
    if fr_unlikely(before != OBJ_NO_EXPIRE and before <= db.ks.now_ms
                   and not db.ks.is_expired_shown):
        _replace_expired(db, key)
        before = OBJ_NO_EXPIRE
    return before if expire_ms == DB_KEEP_TTL else expire_ms


cdef obj_t *_reuse(
    db_t *db, const dbkey_t *key, ht_pos_t pos, obj_t *o, int64_t before, int64_t after
) noexcept nogil:
    """The object at pos has got its new value in place; give it its expiry."""
    cdef obj_t *moved = o
    if before != after:
        moved = obj_with_expire(o, after)
        if moved != o:
            ht_replace(pos, moved)
        _expire_changed(db, moved, key.hash, before, after)
    _touch(db, moved)
    return moved


cdef obj_t *db_set_int(
    db_t *db, const dbkey_t *key, int64_t value, int64_t expire_ms
) noexcept nogil:
    """Set a key to an integer."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef obj_t *old = _old(db, pos)
    cdef int64_t before = _expire_before(old)
    cdef int64_t after = _expire_after(db, key, before, expire_ms)
    if old != NULL and old.kind == (OBJ_STRING | OBJ_ENC_INT << 4):
        obj_set_int(old, value)
        return _reuse(db, key, pos, old, before, after)
    return _put(db, key, pos, obj_new_int(key.ptr, key.len, value, after),
                before, after)


cdef obj_t *db_set_bytes(
    db_t *db, const dbkey_t *key, const char *value, size_t nbytes, int64_t expire_ms
) noexcept nogil:
    """Set a key to a string; an integer in canonical form is stored as one."""
    cdef int64_t number
    if 0 < nbytes <= INT_DIGITS_MAX and <unsigned char>value[nbytes - 1] <= 57:
        if num_parse_i64(value, nbytes, &number) == C_OK:
            return db_set_int(db, key, number, expire_ms)
    return db_set_text(db, key, value, nbytes, expire_ms)


cdef obj_t *db_set_text(
    db_t *db, const dbkey_t *key, const char *value, size_t nbytes, int64_t expire_ms
) noexcept nogil:
    """Set a key to a string that is stored as it is."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef obj_t *old = _old(db, pos)
    cdef int64_t before = _expire_before(old)
    cdef int64_t after = _expire_after(db, key, before, expire_ms)
    if old != NULL and obj_overwrite_bytes(old, value, nbytes):
        return _reuse(db, key, pos, old, before, after)
    return _put(db, key, pos,
                obj_new_bytes(key.ptr, key.len, value, nbytes, after), before, after)


cdef obj_t *db_set_pointer(
    db_t *db, const dbkey_t *key, int type, int enc, void *value, int64_t expire_ms
) noexcept nogil:
    """Set a key to a value of any type, which is consumed."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef int64_t before = _expire_before(_old(db, pos))
    cdef int64_t after = _expire_after(db, key, before, expire_ms)
    return _put(db, key, pos,
                obj_new_pointer(key.ptr, key.len, type, enc, value, after),
                before, after)


cdef obj_t *db_set_blob(
    db_t *db, const dbkey_t *key, blob_t *value, int64_t expire_ms
) noexcept nogil:
    """Set a key to a string that may be changed in place; value is consumed."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef obj_t *old = _old(db, pos)
    cdef obj_t *o
    cdef int64_t before = _expire_before(old)
    cdef int64_t after = _expire_after(db, key, before, expire_ms)
    cdef uint32_t used = 0 if old == NULL else obj_lru(old)
    cdef bint is_there = old != NULL
    if old != NULL and old.kind == (OBJ_STRING | OBJ_ENC_BLOB << 4) \
            and not _is_huge_string(old):
        blob_release(<blob_t *>obj_pointer(old))
        obj_set_pointer(old, value)
        old.flags |= OBJ_F_RAW
        o = _reuse(db, key, pos, old, before, after)
    else:
        o = obj_new_pointer(key.ptr, key.len, OBJ_STRING, OBJ_ENC_BLOB, value, after)
        o.flags |= OBJ_F_RAW
        o = _put(db, key, pos, o, before, after)
    if fr_unlikely(db.ks.is_lfu and is_there):
        # whoever changes a string in place has looked it up: one use, not two
        obj_set_lru(o, used)
    return o


cdef bint db_add(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil:
    """Put an object in, unless the key is there."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef int64_t when
    if pos.bucket != NULL:
        return False
    _start_use(db, o, NULL)
    ht_insert(db.keys, o, key.hash)
    when = obj_expire_ms(o)
    if when != OBJ_NO_EXPIRE:
        _expire_changed(db, o, key.hash, OBJ_NO_EXPIRE, when)
    if obj_type(o) != OBJ_STRING:
        db_subexpire_changed(db, key, o)
    return True


cdef void db_reserve(db_t *db, size_t n) noexcept nogil:
    """Make the hash table large enough for n keys."""
    if db.keys.used == 0:
        ht_reserve(db.keys, n)


# --- Delete -----------------------------------------------------------------------


cdef bint db_remove(db_t *db, const dbkey_t *key, bint is_lazy) noexcept nogil:
    """Delete a key; is_lazy: its value is freed on the other thread unless small."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef bint was_expired
    if pos.bucket == NULL:
        return False
    was_expired = _is_expired(db, _old(db, pos))
    if was_expired:
        _count_expired(db, key)
    _remove(db, pos, key.hash, is_lazy)
    return not was_expired


cdef bint db_delete(db_t *db, const dbkey_t *key) noexcept nogil:
    """Delete a key as a part of what another command does."""
    return db_remove(db, key, db.ks.is_lazy_server_del)


cdef size_t db_flush(db_t *db, bint is_async) noexcept nogil:
    """Delete all keys; is_async: free them on the other thread."""
    cdef db_t *flushed
    cdef size_t n = db.keys.used
    if is_async and n:
        flushed = <db_t *>zmalloc(sizeof(db_t))
        flushed[0] = db[0]
        lazyfree_submit(_free_flushed, flushed, n)
    else:
        _free_contents(db)
    db.keys = ht_new(obj_key_of)
    db.wheel = NULL
    db.draining = NULL
    db.sub = NULL
    db.nexpires = 0
    return n


# --- Change the expiry ------------------------------------------------------------


cdef obj_t *db_set_expire(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t expire_ms
) noexcept nogil:
    """Give a key an expiry; returns its object, which may have moved."""
    cdef int64_t before = obj_expire_ms(o)
    cdef obj_t *moved
    cdef ht_pos_t pos
    if before == expire_ms:
        return o
    pos = _locate(db, key)
    moved = obj_with_expire(o, expire_ms)
    if moved != o:
        ht_replace(pos, moved)
    _expire_changed(db, moved, key.hash, before, expire_ms)
    return moved


cdef bint db_persist(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil:
    """Take a key's expiry away; return whether it had one."""
    if obj_expire_ms(o) == OBJ_NO_EXPIRE:
        return False
    db_set_expire(db, key, o, OBJ_NO_EXPIRE)
    return True


# --- Move and copy ----------------------------------------------------------------


cdef obj_t *_take(db_t *db, const dbkey_t *key) noexcept nogil:
    """Take a key's object out of the table, without freeing it."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef obj_t *o
    fr_assert(pos.bucket != NULL)
    o = _old(db, pos)
    if obj_expire_ms(o) != OBJ_NO_EXPIRE:
        db.nexpires -= 1
    _forget_fields(db, o)
    ht_remove_at(db.keys, pos, key.hash)
    return o


cdef void _install(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t expire_ms
) noexcept nogil:
    """Put an object that has this expiry under a key, replacing what is there."""
    cdef ht_pos_t pos = _locate(db, key)
    cdef int64_t before = _expire_before(_old(db, pos))
    o.flags &= ~(OBJ_F_LAG | OBJ_F_WHEEL)
    if pos.bucket != NULL:
        if before != OBJ_NO_EXPIRE:
            db.nexpires -= 1
            if before <= db.ks.now_ms:
                _count_expired(db, key)
        _forget_fields(db, _old(db, pos))
        _dispose(_old(db, pos), db.ks.is_lazy_server_del)
        ht_replace(pos, o)
    else:
        ht_insert(db.keys, o, key.hash)
    _created(db, key)       # also if it replaces another, as in Redis
    _expire_changed(db, o, key.hash, OBJ_NO_EXPIRE, expire_ms)
    if obj_type(o) != OBJ_STRING:
        db_subexpire_changed(db, key, o)


cdef void db_rename(
    db_t *db, const dbkey_t *src, const dbkey_t *dst
) noexcept nogil:
    """Put src's value and expiry under dst; src != dst."""
    cdef obj_t *o = _take(db, src)
    cdef int64_t when = obj_expire_ms(o)
    _install(db, dst, obj_renamed(o, dst.ptr, dst.len, when), when)


cdef void db_move(db_t *db, const dbkey_t *key, db_t *target) noexcept nogil:
    """Put a key into another database."""
    cdef obj_t *o = _take(db, key)
    _install(target, key, o, obj_expire_ms(o))


cdef void db_copy(
    db_t *db, const dbkey_t *src, db_t *target, const dbkey_t *dst
) noexcept nogil:
    """Put a copy of src, with its expiry, under dst of another or the same database."""
    cdef obj_t *o = _find(db, src)
    cdef int64_t when
    fr_assert(o != NULL)
    when = obj_expire_ms(o)
    o = obj_copy(o, dst.ptr, dst.len, when)
    _start_use(db, o, NULL)
    _install(target, dst, o, when)


# --- Whole database ---------------------------------------------------------------


cdef size_t db_len(const db_t *db) noexcept nogil:
    """Return the number of keys; those past their time count until they are gone."""
    return db.keys.used


cdef obj_t *db_random(db_t *db) noexcept nogil:
    """Return a random key's object."""
    cdef obj_t *o
    cdef dbkey_t key
    cdef int tries = RANDOM_TRIES
    while db.keys.used:
        o = <obj_t *>ht_random(db.keys, &db.ks.rand)
        if not _is_expired(db, o):
            return o
        if db.ks.is_expire_paused:
            # they stay: one of them, rather than looking for a live one for ever
            tries -= 1
            if tries == 0:
                return o
            continue
        key.ptr = obj_key(o, &key.len)
        key.hash = keyhash(key.ptr, key.len)
        _expire_now(db, &key)
    return NULL


cdef struct visit_t:
    db_t *db
    db_visit_fn visit
    void *ctx


cdef void _live_visit(void *ctx, void *entry) noexcept nogil:
    cdef visit_t *v = <visit_t *>ctx
    if not _is_expired(v.db, <obj_t *>entry):
        v.visit(v.ctx, <obj_t *>entry)


cdef uint64_t db_scan(
    db_t *db, uint64_t cursor, db_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the keys of one cursor step; return the next cursor, 0 at the end."""
    cdef visit_t v
    v.db = db
    v.visit = visit
    v.ctx = ctx
    return ht_scan(db.keys, cursor, _live_visit, &v)


cdef void _any_visit(void *ctx, void *entry) noexcept nogil:
    cdef visit_t *v = <visit_t *>ctx
    v.visit(v.ctx, <obj_t *>entry)


cdef uint64_t db_scan_all(
    db_t *db, uint64_t cursor, db_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the keys of one cursor step, expired ones too; return the next cursor."""
    cdef visit_t v
    v.db = db
    v.visit = visit
    v.ctx = ctx
    return ht_scan(db.keys, cursor, _any_visit, &v)


cdef void db_walk(db_t *db, db_visit_fn visit, void *ctx) noexcept nogil:
    """Visit every key."""
    cdef visit_t v
    v.db = db
    v.visit = visit
    v.ctx = ctx
    ht_walk(db.keys, _live_visit, &v)


cdef int64_t db_avg_ttl(db_t *db) noexcept nogil:
    """Return the mean remaining lifetime of a sample of keys, in ms."""
    cdef int64_t total = 0, when
    cdef int n = 0, _i
    cdef obj_t *o
    if db.nexpires == 0:
        return 0
    for _i in range(64):
        o = <obj_t *>ht_random(db.keys, &db.ks.rand)
        when = obj_expire_ms(o)
        if when > db.ks.now_ms:
            total += (when - db.ks.now_ms - total) // (n + 1)
            n += 1
    return total


cdef void _count_expires(void *ctx, void *entry) noexcept nogil:
    if obj_expire_ms(<obj_t *>entry) != OBJ_NO_EXPIRE:
        (<size_t *>ctx)[0] += 1


cdef void _count_subexpires(void *ctx, void *entry) noexcept nogil:
    cdef obj_subexpire_t *sub = obj_subexpire(<obj_t *>entry)
    if sub == NULL or sub.next_ms == OBJ_NO_EXPIRE:
        return
    fr_assert(sub.is_counted)
    fr_assert(sub.wheel_ms != OBJ_NO_EXPIRE and sub.wheel_ms <= sub.next_ms)
    (<size_t *>ctx)[0] += 1


cdef void db_check(db_t *db) noexcept nogil:
    """Walk every invariant; ends the process on a violation."""
    cdef size_t n = 0, nsub = 0
    ht_walk(db.keys, _count_subexpires, &nsub)
    subexpire_check(db.sub, nsub)
    ht_check(db.keys)
    ht_walk(db.keys, _count_expires, &n)
    fr_assert(n == db.nexpires)
    if n:
        fr_assert(db.wheel != NULL)
        fr_assert(wheel_len(db.wheel) + (
            wheel_len(db.draining) if db.draining != NULL else 0) >= n)
    if db.wheel != NULL:
        wheel_check(db.wheel)
    if db.draining != NULL:
        fr_assert(db.wheel != NULL)
        wheel_check(db.draining)
