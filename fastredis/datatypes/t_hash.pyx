# SPDX-License-Identifier: BSD-3-Clause
r"""Hashes: a listpack while small, a hash table of fields when large.

    LISTPACK      field, value, field, value, ..            OBJECT ENCODING listpack
    LISTPACK_EX   field, value, time, field, value, time..                  listpackex
                  (ms; 0 for none), with the earliest time beside
    TABLE         hash_fields.pyx                                           hashtable

A hash starts as LISTPACK. The first expiry of a field makes a LISTPACK_EX of it, too
many fields or too long a value a TABLE; there is no way back, as in Redis. The two
listpacks are what RDB files hold.

A field whose time has come is deleted by the database's wheel of such times. Until
then readers leave it out: they look at the times of fields only if the earliest one of
the hash has passed. Writers that name such a field delete it first.

Cost: listpacks O(n) for each field named, tables O(1).
Threads: main thread only, but for what frees a value.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.core.status cimport C_ERR, C_OK, fr_assert, fr_likely, fr_unlikely
from fastredis.datatypes.hash_fields cimport (
    field_t,
    fields_t,
    hf_check,
    hf_copy,
    hf_delete,
    hf_expire,
    hf_expiry,
    hf_field,
    hf_find,
    hf_free,
    hf_nbytes,
    hf_new,
    hf_set,
    hf_set_expiry,
    hf_value,
)
from fastredis.ds.hashtable cimport (
    HT_BUCKET_ENTRIES,
    ht_bucket_t,
    ht_guess,
    ht_main_bucket,
    ht_prefetch,
    ht_prefetch_bucket,
    ht_scan,
    ht_t,
    ht_unpack,
)
from fastredis.ds.listpack cimport (
    LP_INT_BUF,
    LP_REPLACE,
    lp_append,
    lp_append_int,
    lp_copy,
    lp_delete_many,
    lp_entry_max,
    lp_find,
    lp_first,
    lp_fits,
    lp_free,
    lp_get,
    lp_insert_int,
    lp_insert,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_text,
    lp_value_t,
)
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_field_teller,
    db_fields_expired,
    db_fields_t,
    db_set_pointer,
    db_subexpire_changed,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_LISTPACK,
    OBJ_ENC_LISTPACK_EX,
    OBJ_ENC_TABLE,
    OBJ_HASH,
    OBJ_NO_EXPIRE,
    obj_enc,
    obj_lookup_t,
    obj_ops_set,
    obj_ops_t,
    obj_part_fn,
    obj_pointer,
    obj_prefetch_set,
    obj_set_enc,
    obj_set_pointer,
    obj_subexpire_init,
    obj_subexpire_ops_set,
    obj_subexpire_ops_t,
    obj_subexpire_t,
)
from libc.stdint cimport uint8_t

cdef enum:
    STEPS_PER_FIELD = 10        # bounds a scan step over a nearly empty table
    PREFETCH_MIN_BUCKETS = 1024
    ENTRY_TYPICAL = 32          # bytes of a field and its value

# --- The two listpacks ------------------------------------------------------------


cdef inline void _set_lp(obj_t *o, uint8_t *lp) noexcept nogil:
    if obj_enc(o) == OBJ_ENC_LISTPACK:
        obj_set_pointer(o, lp)
    else:
        (<listpack_ex_t *>obj_pointer(o)).lp = lp


cdef inline size_t _step(const obj_t *o) noexcept nogil:
    """Return the entries a field."""
    return 2 if obj_enc(o) == OBJ_ENC_LISTPACK else 3


cdef inline uint8_t *_lp_field(
    const obj_t *o, const char *field, size_t n
) noexcept nogil:
    """Return the entry of a field, or NULL."""
    cdef uint8_t *lp = hash_lp_of(o)
    return lp_find(lp, lp_first(lp), field, n, _step(o) - 1)


cdef inline int64_t _lp_time(const uint8_t *lp, const uint8_t *value) noexcept nogil:
    """Return the time that stands behind a value, or OBJ_NO_EXPIRE."""
    cdef lp_value_t v
    lp_get(lp_next(lp, value), &v)
    return v.num if v.num else OBJ_NO_EXPIRE


cdef obj_subexpire_t *_sub(int enc, void *value) noexcept nogil:
    """Return where the expiries of fields are kept, or NULL."""
    if enc == OBJ_ENC_LISTPACK_EX:
        return &(<listpack_ex_t *>value).sub
    if enc == OBJ_ENC_TABLE:
        return &(<fields_t *>value).sub
    return NULL


cdef bint hash_has_expired(const obj_t *o, int64_t now_ms) noexcept nogil:
    """Return whether any field's time has passed."""
    cdef obj_subexpire_t *sub
    if fr_likely(obj_enc(o) == OBJ_ENC_LISTPACK):
        return False
    sub = _sub(obj_enc(o), obj_pointer(o))
    return fr_unlikely(hash_is_past(sub.next_ms, now_ms))


cdef void _find_next(listpack_ex_t *x) noexcept nogil:
    """Find the earliest time anew."""
    cdef uint8_t *p = lp_first(x.lp)
    cdef lp_value_t v
    x.sub.next_ms = OBJ_NO_EXPIRE
    while p != NULL:
        p = lp_next(x.lp, lp_next(x.lp, p))
        lp_get(p, &v)
        if v.num and (x.sub.next_ms == OBJ_NO_EXPIRE or v.num < x.sub.next_ms):
            x.sub.next_ms = v.num
        p = lp_next(x.lp, p)


# --- Other encodings --------------------------------------------------------------


cdef void _to_listpack_ex(obj_t *o) noexcept nogil:
    """Make room for expiries in a LISTPACK."""
    cdef uint8_t *old = hash_lp_of(o)
    cdef uint8_t *p = lp_first(old)
    cdef listpack_ex_t *x = <listpack_ex_t *>zmalloc(sizeof(listpack_ex_t))
    cdef lp_value_t v
    cdef int part = 0
    obj_subexpire_init(&x.sub)
    x.lp = lp_new(lp_nbytes(old) + lp_len(old))
    while p != NULL:
        lp_get(p, &v)
        if v.ptr == NULL:
            x.lp = lp_append_int(x.lp, v.num)
        else:
            x.lp = lp_append(x.lp, v.ptr, v.len)
        part ^= 1
        if part == 0:
            x.lp = lp_append_int(x.lp, 0)
        p = lp_next(old, p)
    lp_free(old)
    obj_set_enc(o, OBJ_ENC_LISTPACK_EX, x)


cdef void _to_table(obj_t *o) noexcept nogil:
    """Make a TABLE of either listpack."""
    cdef fields_t *t = hf_new()
    cdef uint8_t *lp = hash_lp_of(o)
    cdef uint8_t *p = lp_first(lp)
    cdef listpack_ex_t *x = NULL
    cdef hash_pair_t pair
    if obj_enc(o) == OBJ_ENC_LISTPACK_EX:
        x = <listpack_ex_t *>obj_pointer(o)
    while p != NULL:
        p = hash_read_pair(o, lp, p, &pair)
        hf_set(t, pair.field.ptr, pair.field.len, pair.value.ptr, pair.value.len, False)
        if pair.expire_ms != OBJ_NO_EXPIRE:
            hf_set_expiry(
                t, hf_find(t, pair.field.ptr, pair.field.len), pair.expire_ms)
    if x != NULL:
        t.sub = x.sub       # the same fields, and the same place in the wheel
        zfree(x)
    lp_free(lp)
    obj_set_enc(o, OBJ_ENC_TABLE, t)


# --- Walk -------------------------------------------------------------------------


cdef inline void _read_text(
    const uint8_t *p, hash_text_t *text_out
) noexcept nogil:
    text_out.blob = NULL
    text_out.ptr = lp_text(p, text_out.digits, &text_out.len)


cdef uint8_t *hash_read_pair(
    const obj_t *o, const uint8_t *lp, const uint8_t *p, hash_pair_t *pair
) noexcept nogil:
    """Read the field at p of a listpack; return the next field's place, or NULL."""
    _read_text(p, &pair.field)
    p = lp_next(lp, p)
    _read_text(p, &pair.value)
    pair.expire_ms = OBJ_NO_EXPIRE
    if obj_enc(o) == OBJ_ENC_LISTPACK_EX:
        pair.expire_ms = _lp_time(lp, p)
        p = lp_next(lp, p)
    return lp_next(lp, p)


cdef void hash_read_field(
    const fields_t *t, const field_t *f, hash_pair_t *pair
) noexcept nogil:
    """Read an entry of a table."""
    pair.field.ptr = hf_field(f, &pair.field.len)
    pair.field.blob = NULL
    pair.value.ptr = hf_value(f, &pair.value.len, &pair.value.blob)
    pair.expire_ms = hf_expiry(t, f)


cdef struct walk_t:
    const fields_t *t
    int64_t now_ms
    hash_visit_fn visit
    void *ctx
    int64_t nseen
    hash_pair_t pair


cdef void _walk_entry(void *ctx, void *entry) noexcept nogil:
    cdef walk_t *w = <walk_t *>ctx
    w.nseen += 1
    hash_read_field(w.t, <const field_t *>entry, &w.pair)
    if not hash_is_past(w.pair.expire_ms, w.now_ms):
        w.visit(w.ctx, &w.pair)


cdef inline void _prefetch_bucket(const ht_bucket_t *b) noexcept nogil:
    """Have a bucket's entries loaded."""
    cdef int i
    for i in range(HT_BUCKET_ENTRIES):
        if b.tags[i]:
            ht_prefetch(ht_unpack(b.ptrs[i]))


cdef void _walk_table(walk_t *w) noexcept nogil:
    """Visit all entries, with those of the next bucket on their way."""
    cdef ht_bucket_t *b
    cdef size_t i, n = w.t.table.nbuckets
    cdef int k, last
    _prefetch_bucket(ht_main_bucket(w.t.table, 0))
    for i in range(n):
        b = ht_main_bucket(w.t.table, i)
        if i + 1 < n:
            _prefetch_bucket(ht_main_bucket(w.t.table, i + 1))
        while b != NULL:
            last = HT_BUCKET_ENTRIES - 1 if b.is_chained else HT_BUCKET_ENTRIES
            for k in range(last):
                if b.tags[k]:
                    _walk_entry(w, ht_unpack(b.ptrs[k]))
            b = <ht_bucket_t *>ht_unpack(b.ptrs[last]) if b.is_chained else NULL


cdef void hash_walk(
    const obj_t *o, int64_t now_ms, hash_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit every field; visit must not write."""
    cdef walk_t w
    cdef uint8_t *lp
    cdef uint8_t *p
    w.now_ms = now_ms
    w.visit = visit
    w.ctx = ctx
    if obj_enc(o) == OBJ_ENC_TABLE:
        w.t = hash_table_of(o)
        w.nseen = 0
        _walk_table(&w)
        return
    lp = hash_lp_of(o)
    p = lp_first(lp)
    while p != NULL:
        p = hash_read_pair(o, lp, p, &w.pair)
        if not hash_is_past(w.pair.expire_ms, now_ms):
            visit(ctx, &w.pair)


cdef uint64_t hash_scan(
    const obj_t *o, uint64_t cursor, int64_t count, int64_t now_ms,
    hash_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit some fields; all of them at once if the hash is a listpack."""
    cdef walk_t w
    cdef int64_t steps
    if obj_enc(o) != OBJ_ENC_TABLE:
        hash_walk(o, now_ms, visit, ctx)
        return 0
    w.t = hash_table_of(o)
    w.now_ms = now_ms
    w.visit = visit
    w.ctx = ctx
    w.nseen = 0
    steps = count if count < (<int64_t>1 << 56) else <int64_t>1 << 56
    steps *= STEPS_PER_FIELD
    while True:
        cursor = ht_scan(w.t.table, cursor, _walk_entry, &w)
        steps -= 1
        if cursor == 0 or w.nseen >= count or steps == 0:
            return cursor


# --- Read -------------------------------------------------------------------------


cdef size_t hash_len(const obj_t *o) noexcept nogil:
    """Return the number of fields."""
    if obj_enc(o) == OBJ_ENC_TABLE:
        return hash_table_of(o).table.used
    return lp_len(hash_lp_of(o)) // _step(o)


cdef void _count(void *ctx, const hash_pair_t *pair) noexcept nogil:
    (<size_t *>ctx)[0] += 1


cdef size_t hash_live(const obj_t *o, int64_t now_ms) noexcept nogil:
    """Return the number of fields that have not expired."""
    cdef size_t n = 0
    if fr_likely(not hash_has_expired(o, now_ms)):
        return hash_len(o)
    hash_walk(o, now_ms, _count, &n)
    return n


cdef bint hash_get(
    const obj_t *o, const char *field, size_t n, int64_t now_ms, hash_text_t *value_out
) noexcept nogil:
    """Find the value of a field."""
    cdef field_t *f
    cdef fields_t *t
    cdef uint8_t *p
    if obj_enc(o) == OBJ_ENC_TABLE:
        t = hash_table_of(o)
        f = hf_find(t, field, n)
        if f == NULL or (
            fr_unlikely(hash_is_past(t.sub.next_ms, now_ms))
            and hash_is_past(hf_expiry(t, f), now_ms)
        ):
            return False
        value_out.ptr = hf_value(f, &value_out.len, &value_out.blob)
        return True
    p = _lp_field(o, field, n)
    if p == NULL:
        return False
    p = lp_next(hash_lp_of(o), p)
    if hash_has_expired(o, now_ms) and hash_is_past(_lp_time(hash_lp_of(o), p), now_ms):
        return False
    _read_text(p, value_out)
    return True


cdef bint hash_exists(
    const obj_t *o, const char *field, size_t n, int64_t now_ms
) noexcept nogil:
    """Return whether a field is there."""
    cdef hash_text_t value
    return hash_get(o, field, n, now_ms, &value)


cdef void hash_prefetch(const obj_t *o, const char *field, size_t n) noexcept nogil:
    """Have the bucket of a field loaded, unless the hash is in the cache anyway."""
    cdef const ht_t *t
    if obj_enc(o) == OBJ_ENC_TABLE:
        t = hash_table_of(o).table
        if t.nbuckets >= PREFETCH_MIN_BUCKETS:
            ht_prefetch_bucket(t, keyhash(field, n))


# --- Write ------------------------------------------------------------------------


cdef obj_t *hash_new(db_t *db, const dbkey_t *key) noexcept nogil:
    """Put an empty hash under a key."""
    return db_set_pointer(db, key, OBJ_HASH, OBJ_ENC_LISTPACK, lp_new(0), DB_NO_TTL)


cdef bint _lp_set(
    obj_t *o, const char *field, size_t n, const char *value, size_t nbytes,
    bint is_kept
) noexcept nogil:
    """Set a field of a listpack that has room; return whether it is new."""
    cdef uint8_t *lp = hash_lp_of(o)
    cdef uint8_t *p = _lp_field(o, field, n)
    cdef bint had_time
    if p == NULL:
        lp = lp_append(lp, field, n)
        lp = lp_append(lp, value, nbytes)
        if obj_enc(o) == OBJ_ENC_LISTPACK_EX:
            lp = lp_append_int(lp, 0)
        _set_lp(o, lp)
        return True
    lp = lp_insert(lp, value, nbytes, lp_next(lp, p), LP_REPLACE, &p)
    _set_lp(o, lp)
    if obj_enc(o) == OBJ_ENC_LISTPACK_EX and not is_kept:
        had_time = _lp_time(lp, p) != OBJ_NO_EXPIRE
        if had_time:
            _set_lp(o, lp_insert_int(lp, 0, lp_next(lp, p), LP_REPLACE, NULL))
            _find_next(<listpack_ex_t *>obj_pointer(o))
    return False


cdef bint hash_set(
    obj_t *o, const char *field, size_t n, const char *value, size_t nbytes,
    bint is_kept, int64_t now_ms, const hash_limits_t *limits
) noexcept nogil:
    """Set a field; return whether it is new."""
    cdef bint is_new
    if hash_has_expired(o, now_ms):
        _drop_expired(o, field, n, now_ms)
    if obj_enc(o) == OBJ_ENC_TABLE:
        return hf_set(hash_table_of(o), field, n, value, nbytes, is_kept)
    if n > limits.max_value or nbytes > limits.max_value or not lp_fits(
            hash_lp_of(o), lp_entry_max(n) + lp_entry_max(nbytes) + lp_entry_max(8)):
        _to_table(o)
        return hf_set(hash_table_of(o), field, n, value, nbytes, is_kept)
    is_new = _lp_set(o, field, n, value, nbytes, is_kept)
    if is_new and hash_len(o) > limits.max_entries:
        _to_table(o)
    return is_new


cdef void _lp_delete(obj_t *o, uint8_t *p) noexcept nogil:
    """Delete the field at p of a listpack."""
    cdef listpack_ex_t *x
    _set_lp(o, lp_delete_many(hash_lp_of(o), p, _step(o), NULL))
    if obj_enc(o) == OBJ_ENC_LISTPACK_EX:
        x = <listpack_ex_t *>obj_pointer(o)
        if x.sub.next_ms != OBJ_NO_EXPIRE:
            _find_next(x)


cdef bint hash_delete(obj_t *o, const char *field, size_t n) noexcept nogil:
    """Delete a field, whatever its time; return whether it was there."""
    cdef uint8_t *p
    if obj_enc(o) == OBJ_ENC_TABLE:
        return hf_delete(hash_table_of(o), field, n)
    p = _lp_field(o, field, n)
    if p == NULL:
        return False
    _lp_delete(o, p)
    return True


cdef bint _drop_expired(
    obj_t *o, const char *field, size_t n, int64_t now_ms
) noexcept nogil:
    """Delete a field if its time has passed; return whether it had."""
    cdef int64_t when
    if hash_expiry(o, field, n, 0, &when) != C_OK or not hash_is_past(when, now_ms):
        return False
    return hash_delete(o, field, n)


cdef bint hash_done(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil:
    """End a change of a hash."""
    if hash_len(o) == 0:
        db_delete(db, key)
        return True
    if obj_enc(o) != OBJ_ENC_LISTPACK:
        db_subexpire_changed(db, key, o)
    return False


# --- Expiry of fields -------------------------------------------------------------


cdef status_t hash_expiry(
    const obj_t *o, const char *field, size_t n, int64_t now_ms, int64_t *expire_out
) noexcept nogil:
    """Find out when a field's time comes."""
    cdef field_t *f
    cdef uint8_t *p
    cdef int64_t when = OBJ_NO_EXPIRE
    if obj_enc(o) == OBJ_ENC_TABLE:
        f = hf_find(hash_table_of(o), field, n)
        if f == NULL:
            return C_ERR
        when = hf_expiry(hash_table_of(o), f)
    else:
        p = _lp_field(o, field, n)
        if p == NULL:
            return C_ERR
        if obj_enc(o) == OBJ_ENC_LISTPACK_EX:
            when = _lp_time(hash_lp_of(o), lp_next(hash_lp_of(o), p))
    if hash_is_past(when, now_ms):
        return C_ERR
    expire_out[0] = when
    return C_OK


cdef void hash_set_expiry(
    obj_t *o, const char *field, size_t n, int64_t when_ms
) noexcept nogil:
    """Change a field's expiry; it must be there."""
    cdef field_t *f
    cdef uint8_t *lp
    cdef uint8_t *p
    if obj_enc(o) == OBJ_ENC_LISTPACK:
        if when_ms == OBJ_NO_EXPIRE:
            return
        _to_listpack_ex(o)
    if obj_enc(o) == OBJ_ENC_TABLE:
        f = hf_find(hash_table_of(o), field, n)
        fr_assert(f != NULL)
        hf_set_expiry(hash_table_of(o), f, when_ms)
        return
    p = _lp_field(o, field, n)
    fr_assert(p != NULL)
    lp = hash_lp_of(o)
    p = lp_next(lp, lp_next(lp, p))
    _set_lp(o, lp_insert_int(
        lp, 0 if when_ms == OBJ_NO_EXPIRE else when_ms, p, LP_REPLACE, NULL))
    _find_next(<listpack_ex_t *>obj_pointer(o))


cdef obj_t *hash_purge(
    db_t *db, const dbkey_t *key, obj_t *o, const slice_t *args, int nargs, int step
) noexcept nogil:
    """Delete those of the fields named whose time has passed."""
    cdef obj_part_fn gone = db_field_teller(db)
    cdef db_fields_t fields
    cdef int i = 0
    cdef size_t n = 0
    fields.db = db
    fields.key = key
    if fr_likely(o == NULL or not hash_has_expired(o, db.ks.now_ms)) \
            or db.ks.is_expire_paused:
        return o
    while i < nargs:
        if _drop_expired(o, args[i].ptr, args[i].len, db.ks.now_ms):
            n += 1
            if gone != NULL:
                gone(&fields, args[i].ptr, args[i].len)
        i += step
    if n:
        db_fields_expired(db, key, o, n)
    return NULL if hash_done(db, key, o) else o


cdef obj_t *hash_purge_all(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil:
    """Delete all fields whose time has passed."""
    cdef db_fields_t fields
    if fr_likely(o == NULL or not hash_has_expired(o, db.ks.now_ms)) \
            or db.ks.is_expire_paused:
        return o
    fields.db = db
    fields.key = key
    db_fields_expired(db, key, o, _expire(
        o, db.ks.now_ms, hash_len(o), db_field_teller(db), &fields))
    return NULL if hash_done(db, key, o) else o


cdef void _tell_gone(
    const uint8_t *p, obj_part_fn gone, void *ctx
) noexcept nogil:
    """Tell of the field at p of a listpack."""
    cdef char[LP_INT_BUF] digits
    cdef size_t n
    cdef const char *field = lp_text(p, digits, &n)
    gone(ctx, field, n)


cdef size_t _expire(
    obj_t *o, int64_t now_ms, size_t budget, obj_part_fn gone, void *ctx
) noexcept nogil:
    """Delete fields whose time has passed; return how many."""
    cdef listpack_ex_t *x
    cdef uint8_t *p
    cdef size_t deleted = 0
    if obj_enc(o) == OBJ_ENC_TABLE:
        return hf_expire(hash_table_of(o), now_ms, budget, gone, ctx)
    x = <listpack_ex_t *>obj_pointer(o)
    p = lp_first(x.lp)
    while p != NULL and deleted < budget:
        if hash_is_past(_lp_time(x.lp, lp_next(x.lp, p)), now_ms):
            if gone != NULL:
                _tell_gone(p, gone, ctx)
            x.lp = lp_delete_many(x.lp, p, 3, &p)
            deleted += 1
        else:
            p = lp_next(x.lp, lp_next(x.lp, lp_next(x.lp, p)))
    _find_next(x)
    return deleted


# --- What the keyspace asks for ---------------------------------------------------


cdef void _free(int enc, void *value) noexcept nogil:
    if enc == OBJ_ENC_TABLE:
        hf_free(<fields_t *>value)
    elif enc == OBJ_ENC_LISTPACK:
        lp_free(<uint8_t *>value)
    else:
        lp_free((<listpack_ex_t *>value).lp)
        zfree(value)


cdef void *_copy(int enc, const void *value) noexcept nogil:
    cdef listpack_ex_t *x
    if enc == OBJ_ENC_TABLE:
        return hf_copy(<const fields_t *>value)
    if enc == OBJ_ENC_LISTPACK:
        return lp_copy(<const uint8_t *>value)
    x = <listpack_ex_t *>zmalloc(sizeof(listpack_ex_t))
    obj_subexpire_init(&x.sub)
    x.sub.next_ms = (<const listpack_ex_t *>value).sub.next_ms
    x.lp = lp_copy((<const listpack_ex_t *>value).lp)
    return x


cdef size_t _nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    if enc == OBJ_ENC_TABLE:
        return hf_nbytes(<const fields_t *>value, samples)
    if enc == OBJ_ENC_LISTPACK:
        return zsize(value)
    return zsize(value) + zsize((<const listpack_ex_t *>value).lp)


cdef size_t _effort(int enc, const void *value) noexcept nogil:
    return (<const fields_t *>value).table.used if enc == OBJ_ENC_TABLE else 1


cdef const char *_encoding(int enc, const void *value) noexcept nogil:
    if enc == OBJ_ENC_TABLE:
        return b"hashtable"
    return b"listpack" if enc == OBJ_ENC_LISTPACK else b"listpackex"


cdef void hash_check(const obj_t *o) noexcept nogil:
    """Walk every invariant; ends the process on a violation."""
    cdef listpack_ex_t *x
    cdef int64_t next_ms
    if obj_enc(o) == OBJ_ENC_TABLE:
        hf_check(hash_table_of(o))
        return
    fr_assert(lp_len(hash_lp_of(o)) % _step(o) == 0)
    if obj_enc(o) == OBJ_ENC_LISTPACK_EX:
        x = <listpack_ex_t *>obj_pointer(o)
        next_ms = x.sub.next_ms
        _find_next(x)
        fr_assert(next_ms == x.sub.next_ms)


cdef bint _prefetch(int enc, const void *value, obj_lookup_t *l) noexcept nogil:
    """Load a field's bucket, then its entry; a listpack at once."""
    cdef const ht_t *t
    if enc != OBJ_ENC_TABLE:
        ht_prefetch(value)
        return False
    t = (<const fields_t *>value).table
    if l.stage == 0:
        l.hash = keyhash(l.member, l.len)
        ht_prefetch_bucket(t, l.hash)
        return True
    l.entry = ht_guess(t, l.hash)
    if l.entry != NULL:
        ht_prefetch(l.entry)
        ht_prefetch(<const char *>l.entry + ENTRY_TYPICAL)   # perhaps another line
    return False


cdef obj_ops_t _ops
_ops.free = _free
_ops.copy = _copy
_ops.nbytes = _nbytes
_ops.effort = _effort
_ops.encoding = _encoding
obj_ops_set(OBJ_HASH, &_ops)
obj_prefetch_set(OBJ_HASH, _prefetch)

cdef obj_subexpire_ops_t _sub_ops
_sub_ops.state = _sub
_sub_ops.expire = _expire
_sub_ops.len = hash_len
obj_subexpire_ops_set(OBJ_HASH, &_sub_ops)
