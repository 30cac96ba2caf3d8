# SPDX-License-Identifier: BSD-3-Clause
r"""Fields of a large hash: one block of memory each, in a hash table.

    fields_t --> table   hash table --> field_t (field, value)
             --> heap    [when | field_t *] by time, of the fields with an expiry
             --> slab    where the blocks are, from SLAB_FROM fields on

    short entry                         field up to 127 bytes, value up to 255
    +------+------+---------+---------+
    | flen | vlen | field.. | value.. |
    +------+------+---------+---------+
    tall entry: flags with bit 7 set, lengths of 8 or 32 bits (LONG)
    +-------+-------+-------+-------------+---------+-------------------------+
    | flags | flen  | vlen  | number (u32)| field.. | value.., or a blob_t *  |
    +-------+-------+-------+-------------+---------+-------------------------+
                             TIMED only: place in the heap, all ones for none

A 16-byte field with a 16-byte value takes 36 bytes and 11 of the table. With an expiry
it takes 40 and 12 of the heap: the time is in the heap only, and the entry says where.
Readers rarely need it: while the soonest time of the hash has not come, no field can
have expired.

Below SLAB_FROM fields, and for entries of more than 128 bytes, the allocator serves, as
pages that fill slowly would cost more than they save (there 36 bytes take 48).

The heap has four children a node, so that half as many entries as in a binary one have
to be told that they moved.

Invariants: sub.next_ms is the heap's first time, or OBJ_NO_EXPIRE; the entry of heap[i]
has the number i.

Cost: find, set, delete O(1), O(log n) with an expiry, n = fields that have one.
Threads: hf_free may run on the lazy-free thread; all else on the main thread.
"""
from fastredis.core.blob cimport blob_copy, blob_nbytes, blob_release
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zrealloc, zsize
from fastredis.core.status cimport fr_assert
from fastredis.ds.hashtable cimport (
    HT_BUCKET_ENTRIES,
    ht_bucket_t,
    ht_check,
    ht_free,
    ht_insert,
    ht_locate_by,
    ht_main_bucket,
    ht_nbytes,
    ht_new,
    ht_pack,
    ht_pos_t,
    ht_remove_at,
    ht_replace,
    ht_scan,
    ht_unpack,
    ht_walk,
)
from fastredis.ds.slab cimport (
    SLAB_MAX,
    slab_alloc,
    slab_check,
    slab_free,
    slab_free_all,
    slab_new,
    slab_size,
)
from fastredis.keyspace.obj cimport (
    OBJ_NO_EXPIRE,
    obj_load48,
    obj_store48,
    obj_subexpire_init,
)
from libc.stdint cimport uint64_t

cdef enum:
    SHORT_FIELD_MAX = 127
    SHORT_VALUE_MAX = 255
    LENGTH8_MAX = 255
    ARITY = 4
    HEAP_MIN = 4
    WASTE_FROM = 64         # blocks above this are not left half empty
    SLAB_FROM = 4096        # fields; making the slab then takes a quarter of a ms
    SLAB_UNTIL = 1024       # ... and fewer than this need none

cdef extern from *:
    """
    #define FIELD_NO_NUMBER ((uint32_t)0xFFFFFFFF)
    """
    const uint32_t FIELD_NO_NUMBER


# --- Entries ----------------------------------------------------------------------


cdef inline int _form(size_t n, size_t nbytes, bint is_timed) noexcept nogil:
    """Return the first byte's flags of an entry, 0 for the short form."""
    cdef int flags = 0
    if nbytes > HF_INLINE_MAX:
        flags |= HF_BLOB
        nbytes = 0
    if n > LENGTH8_MAX or nbytes > LENGTH8_MAX:
        flags |= HF_LONG
    if is_timed:
        flags |= HF_TIMED
    if flags == 0 and n <= SHORT_FIELD_MAX and nbytes <= SHORT_VALUE_MAX:
        return 0
    return HF_TALL | flags


cdef inline size_t _header(int form) noexcept nogil:
    """Return the bytes before the field."""
    if form == 0:
        return 2
    return (9 if form & HF_LONG else 3) + (4 if form & HF_TIMED else 0)


cdef inline int _form_of(const field_t *f) noexcept nogil:
    return f.first if f.first & HF_TALL else 0


cdef inline void _store_value_len(field_t *f, size_t nbytes) noexcept nogil:
    cdef uint8_t *p = <uint8_t *>f
    cdef uint32_t n = <uint32_t>nbytes
    if not p[0] & HF_TALL:
        p[1] = <uint8_t>nbytes
    elif p[0] & HF_LONG:
        memcpy(p + 5, &n, 4)
    else:
        p[2] = <uint8_t>nbytes


cdef inline uint32_t _number(const field_t *f) noexcept nogil:
    """Return the place of a field's expiry in the heap, or FIELD_NO_NUMBER."""
    cdef const uint8_t *p = <const uint8_t *>f
    cdef uint32_t i
    if p[0] & (HF_TALL | HF_TIMED) != HF_TALL | HF_TIMED:
        return FIELD_NO_NUMBER
    memcpy(&i, p + (9 if p[0] & HF_LONG else 3), 4)
    return i


cdef inline void _set_number(field_t *f, uint32_t i) noexcept nogil:
    """Note the place; the entry must have room for it."""
    cdef uint8_t *p = <uint8_t *>f
    memcpy(p + (9 if p[0] & HF_LONG else 3), &i, 4)


cdef inline size_t _entry_nbytes(const field_t *f) noexcept nogil:
    """Return the length of an entry."""
    cdef size_t n, nbytes
    cdef blob_t *blob
    cdef const char *value = hf_value(f, &nbytes, &blob)
    if blob == NULL:
        return <size_t>(value - <const char *>f) + nbytes
    value = hf_field(f, &n) + n
    return <size_t>(value - <const char *>f) + sizeof(blob_t *)


cdef inline void *_alloc(fields_t *t, size_t nbytes) noexcept nogil:
    if t.slab != NULL and nbytes <= SLAB_MAX:
        return slab_alloc(t.slab, nbytes)
    return zmalloc(nbytes)


cdef inline void _free_entry(fields_t *t, field_t *f, size_t nbytes) noexcept nogil:
    """Free an entry of this length; its blob stays."""
    if t.slab != NULL and nbytes <= SLAB_MAX:
        slab_free(t.slab, f, nbytes)
    else:
        zfree(f)


cdef inline size_t _room(const fields_t *t, const field_t *f) noexcept nogil:
    """Return the bytes that an entry's block has."""
    cdef size_t nbytes
    if t.slab == NULL:
        return zsize(f)
    nbytes = _entry_nbytes(f)
    return slab_size(nbytes) if nbytes <= SLAB_MAX else zsize(f)


cdef field_t *_new_field(
    fields_t *t, const char *field, size_t n, const char *value, size_t nbytes,
    blob_t *blob, bint is_timed
) noexcept nogil:
    """Return an entry; a blob (consumed) is the value, else the bytes are copied."""
    cdef int form = _form(n, blob.len if blob != NULL else nbytes, is_timed)
    cdef size_t header = _header(form)
    cdef uint32_t len32 = <uint32_t>n
    cdef uint8_t *p
    if form & HF_BLOB:
        if blob == NULL:
            blob = blob_copy(value, nbytes, nbytes)
        p = <uint8_t *>_alloc(t, header + n + sizeof(blob_t *))
        nbytes = 0
    else:
        p = <uint8_t *>_alloc(t, header + n + nbytes)
    if form == 0:
        p[0] = <uint8_t>n
    else:
        p[0] = <uint8_t>form
        if form & HF_LONG:
            memcpy(p + 1, &len32, 4)
        else:
            p[1] = <uint8_t>n
        if form & HF_TIMED:
            _set_number(<field_t *>p, FIELD_NO_NUMBER)
    _store_value_len(<field_t *>p, nbytes)
    memcpy(p + header, field, n)
    if form & HF_BLOB:
        memcpy(p + header + n, &blob, sizeof(blob_t *))
    else:
        memcpy(p + header + n, value, nbytes)
    return <field_t *>p


cdef inline blob_t *_blob(const field_t *f) noexcept nogil:
    """Return the blob that is the value, or NULL."""
    cdef size_t n
    cdef blob_t *blob
    if not f.first & HF_TALL or not f.first & HF_BLOB:
        return NULL
    hf_value(f, &n, &blob)
    return blob


cdef void _free_field(fields_t *t, field_t *f) noexcept nogil:
    cdef size_t nbytes = _entry_nbytes(f)
    blob_release(_blob(f))
    _free_entry(t, f, nbytes)


cdef bint _overwrite(
    fields_t *t, field_t *f, size_t n, const char *value, size_t nbytes
) noexcept nogil:
    """Replace the value within the entry, if it fits well; n: the field's length."""
    cdef int form = _form_of(f)
    cdef size_t header = _header(form), room, total
    cdef blob_t *blob
    if form & HF_BLOB:
        if nbytes <= HF_INLINE_MAX:
            return False
        blob_release(_blob(f))
        blob = blob_copy(value, nbytes, nbytes)
        memcpy(<char *>f + header + n, &blob, sizeof(blob_t *))
        return True
    if nbytes > (HF_INLINE_MAX if form & HF_LONG else SHORT_VALUE_MAX):
        return False
    room = _room(t, f)
    total = header + n + nbytes
    if total > room:
        return False
    if t.slab != NULL and (room <= SLAB_MAX or total <= SLAB_MAX):
        # the entry's length tells where its block is from
        if room > SLAB_MAX or slab_size(total) != room:
            return False
    elif room > WASTE_FROM and total < room / 2:
        return False
    _store_value_len(f, nbytes)
    memcpy(<char *>f + header + n, value, nbytes)
    return True


# --- Heap -------------------------------------------------------------------------


cdef inline int64_t _when(const fields_t *t, size_t i) noexcept nogil:
    return obj_load48(<const char *>t.heap[i].when)


cdef inline void _place(fields_t *t, size_t i, const field_due_t *due) noexcept nogil:
    """Put an expiry into a place and tell its entry."""
    t.heap[i] = due[0]
    _set_number(<field_t *>ht_unpack(due.field), <uint32_t>i)


cdef inline void _note_next(fields_t *t) noexcept nogil:
    t.sub.next_ms = _when(t, 0) if t.ndue else OBJ_NO_EXPIRE


cdef void _sift(fields_t *t, size_t i) noexcept nogil:
    """Move the expiry at a place to where its time belongs."""
    cdef field_due_t due = t.heap[i]
    cdef int64_t when = _when(t, i)
    cdef size_t other, k, best
    while i:
        other = (i - 1) // ARITY
        if _when(t, other) <= when:
            break
        _place(t, i, &t.heap[other])
        i = other
    while True:
        k = i * ARITY + 1
        if k >= t.ndue:
            break
        best = k
        for other in range(k + 1, min(k + ARITY, t.ndue)):
            if _when(t, other) < _when(t, best):
                best = other
        if _when(t, best) >= when:
            break
        _place(t, i, &t.heap[best])
        i = best
    _place(t, i, &due)
    _note_next(t)


cdef void _heap_add(fields_t *t, field_t *f, int64_t when_ms) noexcept nogil:
    """Give an entry, which has room for its number, an expiry."""
    if t.ndue == t.cap:
        t.cap = t.cap + t.cap // 4 if t.cap > HEAP_MIN * 4 else t.cap * 2
        if t.cap < HEAP_MIN:
            t.cap = HEAP_MIN
        t.heap = <field_due_t *>zrealloc(t.heap, t.cap * sizeof(field_due_t))
    fr_assert(t.ndue < FIELD_NO_NUMBER)
    obj_store48(<char *>t.heap[t.ndue].when, when_ms)
    ht_pack(t.heap[t.ndue].field, f)
    t.ndue += 1
    _sift(t, t.ndue - 1)


cdef void _heap_remove(fields_t *t, size_t i) noexcept nogil:
    """Take the expiry at a place away; its entry keeps its old number."""
    t.ndue -= 1
    if i < t.ndue:
        t.heap[i] = t.heap[t.ndue]
        _sift(t, i)
    else:
        _note_next(t)
    if t.ndue == 0:
        zfree(t.heap)
        t.heap = NULL
        t.cap = 0
    elif t.cap > 2 * HEAP_MIN and t.ndue < t.cap // 4:
        t.cap //= 2
        t.heap = <field_due_t *>zrealloc(t.heap, t.cap * sizeof(field_due_t))


# --- Create and free --------------------------------------------------------------


cdef fields_t *hf_new() noexcept nogil:
    """Return an empty table."""
    cdef fields_t *t = <fields_t *>zcalloc(sizeof(fields_t))
    t.table = ht_new(hf_field)
    obj_subexpire_init(&t.sub)
    return t


cdef void _free_visit(void *ctx, void *entry) noexcept nogil:
    """Free what is in no slab; slabs go as a whole."""
    cdef size_t nbytes = _entry_nbytes(<field_t *>entry)    # reads the blob
    blob_release(_blob(<field_t *>entry))
    if (<fields_t *>ctx).slab == NULL or nbytes > SLAB_MAX:
        zfree(entry)


cdef void hf_free(fields_t *t) noexcept nogil:
    """Free the table with all entries."""
    if t == NULL:
        return
    ht_walk(t.table, _free_visit, t)
    ht_free(t.table)
    slab_free_all(t.slab)
    zfree(t.heap)
    zfree(t)


cdef struct copy_t:
    const fields_t *src
    fields_t *dst


cdef void _copy_visit(void *ctx, void *entry) noexcept nogil:
    cdef copy_t *copy = <copy_t *>ctx
    cdef const field_t *f = <const field_t *>entry
    cdef int64_t when = hf_expiry(copy.src, f)
    cdef blob_t *blob
    cdef size_t n, nbytes
    cdef const char *field = hf_field(f, &n)
    cdef const char *value = hf_value(f, &nbytes, &blob)
    cdef field_t *made = _new_field(
        copy.dst, field, n, value, nbytes, NULL, when != OBJ_NO_EXPIRE)
    ht_insert(copy.dst.table, made, keyhash(field, n))
    if when != OBJ_NO_EXPIRE:
        _heap_add(copy.dst, made, when)


cdef fields_t *hf_copy(const fields_t *t) noexcept nogil:
    """Return a copy, expiries included; it is in no database's wheel."""
    cdef copy_t copy
    copy.src = t
    copy.dst = hf_new()
    if t.slab != NULL:
        copy.dst.slab = slab_new()
    ht_walk(t.table, _copy_visit, &copy)
    return copy.dst


# --- Where entries are ------------------------------------------------------------


cdef void _move_entries(fields_t *t, slab_t *slab) noexcept nogil:
    """Put all entries into a slab (consumed), or, if it is NULL, out of theirs."""
    cdef slab_t *old = t.slab
    cdef ht_bucket_t *b
    cdef field_t *f
    cdef field_t *moved
    cdef size_t i, nbytes
    cdef uint32_t number
    cdef int k, last
    for i in range(t.table.nbuckets):
        b = ht_main_bucket(t.table, i)
        while b != NULL:
            last = HT_BUCKET_ENTRIES - 1 if b.is_chained else HT_BUCKET_ENTRIES
            for k in range(last):
                if not b.tags[k]:
                    continue
                f = <field_t *>ht_unpack(b.ptrs[k])
                nbytes = _entry_nbytes(f)
                if nbytes > SLAB_MAX:
                    continue        # such entries are in no slab
                t.slab = slab
                moved = <field_t *>_alloc(t, nbytes)
                memcpy(moved, f, nbytes)
                ht_pack(b.ptrs[k], moved)
                number = _number(moved)
                if number != FIELD_NO_NUMBER:
                    ht_pack(t.heap[number].field, moved)
                t.slab = old
                _free_entry(t, f, nbytes)
            b = <ht_bucket_t *>ht_unpack(b.ptrs[last]) if b.is_chained else NULL
    t.slab = slab
    slab_free_all(old)


cdef inline void _shrink(fields_t *t) noexcept nogil:
    """After a deletion: do without the slab if few entries are left."""
    if t.slab != NULL and t.table.used < SLAB_UNTIL:
        _move_entries(t, NULL)


# --- Read and write ---------------------------------------------------------------


cdef inline ht_pos_t _locate(
    const fields_t *t, const char *field, size_t n, uint64_t hash
) noexcept nogil:
    return ht_locate_by(t.table, hf_field, field, n, hash)


cdef inline field_t *_at(ht_pos_t pos) noexcept nogil:
    return <field_t *>ht_unpack(pos.bucket.ptrs[pos.index])


cdef field_t *hf_find(const fields_t *t, const char *field, size_t n) noexcept nogil:
    """Return the entry of a field, also of one whose time has passed."""
    cdef ht_pos_t pos = _locate(t, field, n, keyhash(field, n))
    return NULL if pos.bucket == NULL else _at(pos)


cdef bint hf_set(
    fields_t *t, const char *field, size_t n, const char *value, size_t nbytes,
    bint is_kept
) noexcept nogil:
    """Set a field; return whether it is new."""
    cdef uint64_t hash = keyhash(field, n)
    cdef ht_pos_t pos = _locate(t, field, n, hash)
    cdef field_t *f
    cdef field_t *made
    cdef uint32_t i
    if pos.bucket == NULL:
        ht_insert(
            t.table, _new_field(t, field, n, value, nbytes, NULL, False), hash)
        if t.table.used >= SLAB_FROM and t.slab == NULL:
            _move_entries(t, slab_new())
        return True
    f = _at(pos)
    i = _number(f)
    if i != FIELD_NO_NUMBER and not is_kept:
        _heap_remove(t, i)
        _set_number(f, FIELD_NO_NUMBER)
        i = FIELD_NO_NUMBER
    if not _overwrite(t, f, n, value, nbytes):
        made = _new_field(t, field, n, value, nbytes, NULL, i != FIELD_NO_NUMBER)
        _moved(t, pos, made, i)
        _free_field(t, f)
    return False


cdef inline void _moved(
    fields_t *t, ht_pos_t pos, field_t *made, uint32_t i
) noexcept nogil:
    """Put an entry into another's place in table and heap."""
    ht_replace(pos, made)
    if i != FIELD_NO_NUMBER:
        ht_pack(t.heap[i].field, made)
        _set_number(made, i)


cdef bint hf_delete(fields_t *t, const char *field, size_t n) noexcept nogil:
    """Delete a field."""
    cdef uint64_t hash = keyhash(field, n)
    cdef ht_pos_t pos = _locate(t, field, n, hash)
    cdef field_t *f
    cdef uint32_t i
    if pos.bucket == NULL:
        return False
    f = _at(pos)
    i = _number(f)
    if i != FIELD_NO_NUMBER:
        _heap_remove(t, i)
    ht_remove_at(t.table, pos, hash)
    _free_field(t, f)
    _shrink(t)
    return True


# --- Expiry -----------------------------------------------------------------------


cdef int64_t hf_expiry(const fields_t *t, const field_t *f) noexcept nogil:
    """Return when a field's time comes."""
    cdef uint32_t i = _number(f)
    return OBJ_NO_EXPIRE if i == FIELD_NO_NUMBER else _when(t, i)


cdef void hf_set_expiry(fields_t *t, field_t *f, int64_t when_ms) noexcept nogil:
    """Change a field's expiry; 0 <= when_ms < 2**48 or OBJ_NO_EXPIRE."""
    cdef uint32_t i = _number(f)
    cdef field_t *made
    cdef const char *field
    cdef const char *value
    cdef blob_t *blob
    cdef size_t n, nbytes
    if i != FIELD_NO_NUMBER:
        if when_ms == OBJ_NO_EXPIRE:
            _heap_remove(t, i)
            _set_number(f, FIELD_NO_NUMBER)
        else:
            obj_store48(<char *>t.heap[i].when, when_ms)
            _sift(t, i)
        return
    if when_ms == OBJ_NO_EXPIRE:
        return
    if not f.first & HF_TALL or not f.first & HF_TIMED:
        field = hf_field(f, &n)
        value = hf_value(f, &nbytes, &blob)
        made = _new_field(t, field, n, value, nbytes, blob, True)
        ht_replace(_locate(t, field, n, keyhash(field, n)), made)
        _free_entry(t, f, _entry_nbytes(f))     # the new entry has its blob
        f = made
    _heap_add(t, f, when_ms)


cdef size_t hf_expire(
    fields_t *t, int64_t now_ms, size_t budget, obj_part_fn gone, void *ctx
) noexcept nogil:
    """Delete fields whose time has passed, the earliest first."""
    cdef size_t deleted = 0, n
    cdef field_t *f
    cdef const char *field
    cdef uint64_t hash
    while deleted < budget and t.ndue and _when(t, 0) <= now_ms:
        f = <field_t *>ht_unpack(t.heap[0].field)
        field = hf_field(f, &n)
        hash = keyhash(field, n)
        if gone != NULL:
            gone(ctx, field, n)
        _heap_remove(t, 0)
        ht_remove_at(t.table, _locate(t, field, n, hash), hash)
        _free_field(t, f)
        deleted += 1
    _shrink(t)
    return deleted


# --- Describe ---------------------------------------------------------------------


cdef struct size_sum_t:
    const fields_t *t
    size_t nbytes
    size_t seen


cdef void _size_visit(void *ctx, void *entry) noexcept nogil:
    cdef size_sum_t *s = <size_sum_t *>ctx
    cdef blob_t *blob = _blob(<field_t *>entry)
    s.nbytes += _room(s.t, <field_t *>entry)
    if blob != NULL:
        s.nbytes += blob_nbytes(blob)
    s.seen += 1


cdef size_t hf_nbytes(const fields_t *t, size_t samples) noexcept nogil:
    """Return the bytes of table and entries."""
    cdef size_t total = zsize(t) + ht_nbytes(t.table)
    cdef uint64_t cursor = 0
    cdef size_sum_t s
    s.t = t
    s.nbytes = s.seen = 0
    if t.heap != NULL:
        total += zsize(t.heap)
    while True:
        cursor = ht_scan(t.table, cursor, _size_visit, &s)
        if cursor == 0 or (samples and s.seen >= samples):
            break
    if cursor == 0 or s.seen == 0:
        return total + s.nbytes
    return total + <size_t>(<double>s.nbytes / s.seen * t.table.used)


cdef struct check_t:
    const fields_t *t
    size_t ndue


cdef void _check_visit(void *ctx, void *entry) noexcept nogil:
    cdef check_t *check = <check_t *>ctx
    cdef const field_t *f = <const field_t *>entry
    cdef uint32_t i = _number(f)
    cdef size_t n, nbytes
    cdef blob_t *blob
    cdef const char *field = hf_field(f, &n)
    cdef const char *value = hf_value(f, &nbytes, &blob)
    if blob == NULL:
        fr_assert(<size_t>(value - <const char *>f) + nbytes <= _room(check.t, f))
    else:
        fr_assert(nbytes > HF_INLINE_MAX)
    fr_assert(field + n <= <const char *>f + _room(check.t, f))
    if i != FIELD_NO_NUMBER:
        fr_assert(i < check.t.ndue)
        fr_assert(ht_unpack(check.t.heap[i].field) == entry)
        check.ndue += 1


cdef void hf_check(const fields_t *t) noexcept nogil:
    """Walk every invariant."""
    cdef check_t check
    cdef size_t i
    check.t = t
    check.ndue = 0
    ht_check(t.table)
    if t.slab != NULL:
        slab_check(t.slab)
    ht_walk(t.table, _check_visit, &check)
    fr_assert(check.ndue == t.ndue and t.ndue <= t.cap)
    for i in range(1, t.ndue):
        fr_assert(_when(t, (i - 1) // ARITY) <= _when(t, i))
    fr_assert(t.sub.next_ms == (_when(t, 0) if t.ndue else OBJ_NO_EXPIRE))
