# SPDX-License-Identifier: BSD-3-Clause
r"""Sets: an intset, a listpack or a hash table.

    SADD s 1 2 3      INTSET     sorted integers           until one is no integer, or
                                                           there are too many
    SADD s 1 2 a      LISTPACK   members one after another until there are too many, or
                                                           one is too long
    SADD s <200 of>   TABLE      ds.hashtable of tagstr    for good

    intset --- too many members ---------------------> table
       \--- a member that is no integer --> listpack --/   (or table at once, if large)

A table's entry is one allocation with the member's bytes and nothing else (ds.tagstr):
16-byte members take 16 bytes and their 11 of the table.

A set is converted upwards only, as in Redis, whose OBJECT ENCODING clients may look at;
only the results of whole commands (SINTERSTORE, SPOP of nearly all) are made anew.

Members are described by a member_t: an integer that goes from an intset to a table is
written out once, and a member looked for in several tables is hashed once.

Invariants: members are unique; a listpack holds the canonical text of integers as
numbers; set_check walks them.
Cost: O(1) in a table, O(log n) or O(n) in the small encodings.
Threads: main thread only; what obj_ops_t frees with may run on the lazy-free thread.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zsize
from fastredis.core.num cimport num_digits_u64, num_format_i64, num_parse_i64
from fastredis.core.status cimport C_OK, fr_assert, fr_likely
from fastredis.ds.hashtable cimport (
    HT_BUCKET_ENTRIES,
    ht_check,
    ht_free,
    ht_guess,
    ht_insert,
    ht_locate_by,
    ht_main_bucket,
    ht_nbytes,
    ht_new,
    ht_pos_t,
    ht_prefetch,
    ht_prefetch_bucket,
    ht_remove_at,
    ht_reserve,
    ht_scan,
    ht_t,
    ht_unpack,
    ht_walk,
)
from fastredis.ds.intset cimport (
    INTSET_MAX_LEN,
    intset_add,
    intset_at,
    intset_copy,
    intset_free,
    intset_has,
    intset_is_valid,
    intset_len,
    intset_nbytes,
    intset_new,
    intset_remove,
)
from fastredis.ds.listpack cimport (
    lp_append,
    lp_append_int,
    lp_copy,
    lp_delete,
    lp_entry_max,
    lp_find,
    lp_first,
    lp_fits,
    lp_free,
    lp_get,
    lp_is_valid,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_shrink,
    lp_value_t,
)
from fastredis.ds.tagstr cimport (
    tstr_block,
    tstr_bytes,
    tstr_free,
    tstr_nbytes,
    tstr_new,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_INTSET,
    OBJ_ENC_LISTPACK,
    OBJ_ENC_TABLE,
    OBJ_SET,
    obj_lookup_t,
    obj_ops_set,
    obj_ops_t,
    obj_prefetch_set,
    obj_set_pointer,
)
from libc.stdint cimport uint32_t

cdef enum:
    LP_EMPTY = 7                # bytes of a listpack without entries


# --- Members ----------------------------------------------------------------------


cdef void member_text(member_t *m) noexcept nogil:
    """Have the member as text."""
    if m.ptr == NULL:
        m.len = num_format_i64(m.digits, m.num)
        m.ptr = m.digits


cdef bint member_is_int(member_t *m) noexcept nogil:
    """Return whether the member is an integer."""
    if not m.known & (MEMBER_INT | MEMBER_NO_INT):
        if num_parse_i64(m.ptr, m.len, &m.num) == C_OK:
            m.known |= MEMBER_INT
        else:
            m.known |= MEMBER_NO_INT
    return (m.known & MEMBER_INT) != 0


cdef uint64_t member_hash(member_t *m) noexcept nogil:
    """Return the hash of the member's text."""
    if not m.known & MEMBER_HASH:
        member_text(m)
        m.hash = keyhash(m.ptr, m.len)
        m.known |= MEMBER_HASH
    return m.hash


cdef void set_at_place(const uint8_t *place, member_t *m) noexcept nogil:
    """Describe the member that a listpack's entry is."""
    cdef lp_value_t v
    lp_get(place, &v)
    m.ptr = v.ptr
    m.len = v.len
    m.num = v.num
    m.place = <void *>place
    m.known = MEMBER_INT if v.ptr == NULL else MEMBER_NO_INT


# --- Create and free --------------------------------------------------------------


cdef set_t set_new_enc(int enc) noexcept nogil:
    """Return an empty set."""
    cdef set_t s
    s.enc = enc
    if enc == OBJ_ENC_INTSET:
        s.value = intset_new()
    elif enc == OBJ_ENC_LISTPACK:
        s.value = lp_new(0)
    else:
        s.value = ht_new(tstr_bytes)
    return s


cdef set_t _new_table(size_t n) noexcept nogil:
    """Return an empty table with room for n members, which must be about to come."""
    cdef set_t s = set_new_enc(OBJ_ENC_TABLE)
    ht_reserve(set_table(s), n)
    return s


cdef set_t set_new_result(
    const set_t *sources, size_t n, const set_limits_t *limits
) noexcept nogil:
    """Return an empty set for the union of sources (value NULL: absent).

    It has at least the members of the largest. If those are too many for the small
    encodings, it is a table at once, which adding them one by one would come to, too.
    """
    cdef size_t i, largest = 0
    for i in range(n):
        if sources[i].value != NULL:
            largest = max(largest, set_len(sources[i]))
    if largest > limits.intset_entries and largest > limits.listpack_entries:
        return _new_table(largest)
    return set_new_enc(OBJ_ENC_INTSET)


cdef set_t set_new(
    member_t *m, size_t expected, const set_limits_t *limits
) noexcept nogil:
    """Return an empty set of the encoding that will probably last."""
    if expected <= limits.intset_entries and member_is_int(m):
        return set_new_enc(OBJ_ENC_INTSET)
    if expected <= limits.listpack_entries:
        return set_new_enc(OBJ_ENC_LISTPACK)
    return set_new_enc(OBJ_ENC_TABLE)   # what is expected may be one member repeated


cdef void _free_entry(void *ctx, void *entry) noexcept nogil:
    tstr_free(entry)


cdef void set_free(set_t s) noexcept nogil:
    """Free the set and its members."""
    if s.enc == OBJ_ENC_INTSET:
        intset_free(set_small(s))
    elif s.enc == OBJ_ENC_LISTPACK:
        lp_free(set_small(s))
    else:
        ht_walk(set_table(s), _free_entry, NULL)
        ht_free(set_table(s))


cdef set_t set_copy(set_t s) noexcept nogil:
    """Return a copy of the same encoding."""
    cdef set_t copy
    cdef set_iter_t it
    cdef member_t m
    copy.enc = s.enc
    if s.enc == OBJ_ENC_INTSET:
        copy.value = intset_copy(set_small(s))
    elif s.enc == OBJ_ENC_LISTPACK:
        copy.value = lp_copy(set_small(s))
    else:
        copy.value = ht_new(tstr_bytes)
        ht_reserve(set_table(copy), set_len(s))
        set_iter(&it, s)
        while set_next(&it, &m):
            ht_insert(set_table(copy), tstr_new(m.ptr, m.len), member_hash(&m))
    return copy


cdef void set_store(obj_t *o, set_t s) noexcept nogil:
    """Make s the object's value."""
    o.kind = <uint8_t>(OBJ_SET | s.enc << 4)
    obj_set_pointer(o, s.value)


# --- Read -------------------------------------------------------------------------


cdef size_t set_len(set_t s) noexcept nogil:
    """Return the number of members."""
    if s.enc == OBJ_ENC_TABLE:
        return set_table(s).used
    if s.enc == OBJ_ENC_INTSET:
        return intset_len(set_small(s))
    return lp_len(set_small(s))


cdef inline ht_pos_t _locate(const ht_t *t, member_t *m) noexcept nogil:
    cdef uint64_t hash = member_hash(m)
    return ht_locate_by(t, tstr_bytes, m.ptr, m.len, hash)


cdef uint8_t *_find_small(set_t s, member_t *m) noexcept nogil:
    """Return a listpack's entry that is this member, or NULL."""
    cdef uint8_t *lp = set_small(s)
    member_text(m)
    return lp_find(lp, lp_first(lp), m.ptr, m.len, 0)


cdef bint set_has(set_t s, member_t *m) noexcept nogil:
    """Return whether m is a member."""
    if s.enc == OBJ_ENC_TABLE:
        return _locate(set_table(s), m).bucket != NULL
    if s.enc == OBJ_ENC_INTSET:
        return member_is_int(m) and intset_has(set_small(s), m.num)
    return _find_small(s, m) != NULL


cdef void set_prefetch(set_t s, member_t *m) noexcept nogil:
    """Load the bucket that a look-up of m will read."""
    if s.enc == OBJ_ENC_TABLE:
        ht_prefetch_bucket(set_table(s), member_hash(m))


cdef inline void _prefetch_entries(const ht_t *t, size_t index) noexcept nogil:
    """Load the entries of a main bucket, and the bucket after it."""
    cdef const ht_bucket_t *b
    cdef int i
    if index >= t.nbuckets:
        return
    b = ht_main_bucket(t, index)
    for i in range(HT_BUCKET_ENTRIES):
        if b.tags[i]:
            ht_prefetch(ht_unpack(b.ptrs[i]))
    if index + 1 < t.nbuckets:
        ht_prefetch(ht_main_bucket(t, index + 1))


cdef void set_iter(set_iter_t *it, set_t s) noexcept nogil:
    """Begin to walk the members."""
    it.enc = s.enc
    it.value = s.value
    it.index = 0
    it.p = NULL
    it.bucket = NULL
    if s.enc == OBJ_ENC_LISTPACK:
        it.p = lp_first(set_small(s))
    elif s.enc == OBJ_ENC_TABLE:
        it.bucket = ht_main_bucket(set_table(s), 0)
        it.slot = 0
        _prefetch_entries(set_table(s), 0)
        _prefetch_entries(set_table(s), 1)


cdef bint _next_entry(set_iter_t *it, member_t *m) noexcept nogil:
    cdef const ht_t *t = <const ht_t *>it.value
    cdef int last
    while it.bucket != NULL:
        last = HT_BUCKET_ENTRIES - 1 if it.bucket.is_chained else HT_BUCKET_ENTRIES
        while it.slot < last:
            it.slot += 1
            if it.bucket.tags[it.slot - 1]:
                set_from_entry(m, ht_unpack(it.bucket.ptrs[it.slot - 1]))
                return True
        it.slot = 0
        if it.bucket.is_chained:
            it.bucket = <const ht_bucket_t *>ht_unpack(
                it.bucket.ptrs[HT_BUCKET_ENTRIES - 1])
            continue
        it.index += 1
        if it.index == t.nbuckets:
            it.bucket = NULL
            return False
        it.bucket = ht_main_bucket(t, it.index)
        _prefetch_entries(t, it.index + 1)
    return False


cdef bint set_next(set_iter_t *it, member_t *m) noexcept nogil:
    """Describe the next member in m."""
    cdef const uint8_t *s
    if it.enc == OBJ_ENC_TABLE:
        return _next_entry(it, m)
    s = <const uint8_t *>it.value
    if it.enc == OBJ_ENC_INTSET:
        if it.index == intset_len(s):
            return False
        member_init_int(m, intset_at(s, <uint32_t>it.index))
        it.index += 1
        return True
    if it.p == NULL:
        return False
    set_at_place(it.p, m)
    it.p = lp_next(s, it.p)
    return True


# What set_scan passes through ht_scan.
cdef struct scan_t:
    set_visit_fn visit
    void *ctx


cdef void _scan_visit(void *ctx, void *entry) noexcept nogil:
    cdef scan_t *scan = <scan_t *>ctx
    cdef member_t m
    set_from_entry(&m, entry)
    scan.visit(scan.ctx, &m)


cdef uint64_t set_scan(
    set_t s, uint64_t cursor, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit some members: a table's bucket, or all of a small set."""
    cdef scan_t scan
    cdef set_iter_t it
    cdef member_t m
    if s.enc == OBJ_ENC_TABLE:
        scan.visit = visit
        scan.ctx = ctx
        return ht_scan(set_table(s), cursor, _scan_visit, &scan)
    set_iter(&it, s)
    while set_next(&it, &m):
        visit(ctx, &m)
    return 0


# --- Convert ----------------------------------------------------------------------


cdef void _to_table(set_t *s) noexcept nogil:
    """Convert a small set."""
    cdef set_t table = _new_table(set_len(s[0]) + 1)
    cdef set_iter_t it
    cdef member_t m
    cdef uint64_t hash
    set_iter(&it, s[0])
    while set_next(&it, &m):
        hash = member_hash(&m)
        ht_insert(set_table(table), tstr_new(m.ptr, m.len), hash)
    set_free(s[0])
    s[0] = table


cdef size_t _ndigits(int64_t v) noexcept nogil:
    """Return the length of an integer's text."""
    return (v < 0) + num_digits_u64(-<uint64_t>v if v < 0 else <uint64_t>v)


cdef bint _fits_listpack(
    const uint8_t *ints, member_t *m, const set_limits_t *limits
) noexcept nogil:
    """Return whether an intset and one member more may be a listpack."""
    cdef size_t n = intset_len(ints), longest = 0
    if n >= limits.listpack_entries or m.len > limits.listpack_value:
        return False
    if n:
        longest = _ndigits(intset_at(ints, 0))
        longest = max(longest, _ndigits(intset_at(ints, <uint32_t>n - 1)))
    if longest > limits.listpack_value:
        return False
    # the empty listpack that lp_fits asks about is not there yet
    return n * lp_entry_max(longest) + lp_entry_max(m.len) < (1 << 30) - LP_EMPTY


cdef void _to_listpack(set_t *s) noexcept nogil:
    """Convert an intset."""
    cdef uint8_t *ints = set_small(s[0])
    cdef uint8_t *lp = lp_new(LP_EMPTY + intset_nbytes(ints))
    cdef uint32_t i
    for i in range(intset_len(ints)):
        lp = lp_append_int(lp, intset_at(ints, i))
    intset_free(ints)
    s.enc = OBJ_ENC_LISTPACK
    s.value = lp


cdef inline size_t _intset_max(const set_limits_t *limits) noexcept nogil:
    """Return how many integers an intset may have."""
    return min(limits.intset_entries, <size_t>INTSET_MAX_LEN)


cdef void set_expect(
    set_t *s, size_t expected, const set_limits_t *limits
) noexcept nogil:
    """Convert before many members come, instead of when the limit is passed."""
    if (s.enc == OBJ_ENC_LISTPACK and expected > limits.listpack_entries) or (
            s.enc == OBJ_ENC_INTSET and expected > limits.intset_entries):
        _to_table(s)


cdef void set_settle(set_t *s, const set_limits_t *limits) noexcept nogil:
    """Make an intset of what is all integers, or shrink a listpack."""
    cdef set_iter_t it
    cdef member_t m
    cdef uint8_t *ints
    cdef bint added
    if s.enc == OBJ_ENC_INTSET:
        return
    if set_len(s[0]) <= _intset_max(limits):
        ints = intset_new()
        set_iter(&it, s[0])
        while True:
            if not set_next(&it, &m):
                set_free(s[0])
                s.enc = OBJ_ENC_INTSET
                s.value = ints
                return
            if not member_is_int(&m):
                break
            ints = intset_add(ints, m.num, &added)
        intset_free(ints)
    if s.enc == OBJ_ENC_LISTPACK:
        s.value = lp_shrink(set_small(s[0]))


# --- Change -----------------------------------------------------------------------


cdef bint _table_add(ht_t *t, member_t *m) noexcept nogil:
    if _locate(t, m).bucket != NULL:
        return False
    ht_insert(t, tstr_new(m.ptr, m.len), m.hash)
    return True


cdef bint _listpack_add(
    set_t *s, member_t *m, const set_limits_t *limits
) noexcept nogil:
    cdef uint8_t *lp = set_small(s[0])
    if _find_small(s[0], m) != NULL:
        return False
    if lp_len(lp) < limits.listpack_entries and m.len <= limits.listpack_value \
            and lp_fits(lp, lp_entry_max(m.len)):
        s.value = lp_append(lp, m.ptr, m.len)
    else:
        _to_table(s)
        _table_add(set_table(s[0]), m)
    return True


cdef bint _intset_add(
    set_t *s, member_t *m, const set_limits_t *limits
) noexcept nogil:
    cdef bint added
    if member_is_int(m):
        s.value = intset_add(set_small(s[0]), m.num, &added)
        if added and intset_len(set_small(s[0])) > _intset_max(limits):
            _to_table(s)
        return added
    if _fits_listpack(set_small(s[0]), m, limits):
        _to_listpack(s)
        s.value = lp_append(set_small(s[0]), m.ptr, m.len)
    else:
        _to_table(s)
        _table_add(set_table(s[0]), m)
    return True


cdef bint set_add(set_t *s, member_t *m, const set_limits_t *limits) noexcept nogil:
    """Add a member, if it is absent."""
    if fr_likely(s.enc == OBJ_ENC_TABLE):
        return _table_add(set_table(s[0]), m)
    if s.enc == OBJ_ENC_INTSET:
        return _intset_add(s, m, limits)
    return _listpack_add(s, m, limits)


cdef void _table_remove(ht_t *t, ht_pos_t pos, uint64_t hash) noexcept nogil:
    cdef void *entry = ht_unpack(pos.bucket.ptrs[pos.index])
    ht_remove_at(t, pos, hash)
    tstr_free(entry)


cdef bint set_remove(set_t *s, member_t *m) noexcept nogil:
    """Remove a member, if it is there; m's bytes may be gone afterwards."""
    cdef ht_pos_t pos
    cdef uint8_t *p
    cdef bint removed
    if fr_likely(s.enc == OBJ_ENC_TABLE):
        pos = _locate(set_table(s[0]), m)
        if pos.bucket == NULL:
            return False
        _table_remove(set_table(s[0]), pos, m.hash)
        return True
    if s.enc == OBJ_ENC_INTSET:
        if not member_is_int(m):
            return False
        s.value = intset_remove(set_small(s[0]), m.num, &removed)
        return removed
    p = _find_small(s[0], m)
    if p == NULL:
        return False
    s.value = lp_delete(set_small(s[0]), p, NULL)
    return True


# --- What keyspace asks of each type ----------------------------------------------


cdef set_t _as_set(int enc, const void *value) noexcept nogil:
    cdef set_t s
    s.enc = enc
    s.value = <void *>value
    return s


cdef void _ops_free(int enc, void *value) noexcept nogil:
    set_free(_as_set(enc, value))


cdef void *_ops_copy(int enc, const void *value) noexcept nogil:
    return set_copy(_as_set(enc, value)).value


cdef size_t _ops_nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    """Return the bytes of a set; samples: members to look at, 0 for all."""
    cdef set_t s = _as_set(enc, value)
    cdef size_t nseen = 0, nbytes = 0
    cdef set_iter_t it
    cdef member_t m
    if enc != OBJ_ENC_TABLE:
        return zsize(value)
    set_iter(&it, s)
    while (samples == 0 or nseen < samples) and set_next(&it, &m):
        nbytes += tstr_nbytes(m.place)
        nseen += 1
    if nseen:
        nbytes = <size_t>(<double>nbytes / nseen * set_len(s))
    return ht_nbytes(set_table(s)) + nbytes


cdef size_t _ops_effort(int enc, const void *value) noexcept nogil:
    return set_len(_as_set(enc, value)) if enc == OBJ_ENC_TABLE else 1


cdef const char *_ops_encoding(int enc, const void *value) noexcept nogil:
    if enc == OBJ_ENC_INTSET:
        return b"intset"
    return b"listpack" if enc == OBJ_ENC_LISTPACK else b"hashtable"


cdef bint _ops_prefetch(int enc, const void *value, obj_lookup_t *l) noexcept nogil:
    """Load a member's bucket, then its entry; a small set at once."""
    cdef const ht_t *t = <const ht_t *>value
    if enc != OBJ_ENC_TABLE:
        ht_prefetch(value)
        return False
    if l.stage == 0:
        l.hash = keyhash(l.member, l.len)
        ht_prefetch_bucket(t, l.hash)
        return True
    l.entry = ht_guess(t, l.hash)
    if l.entry != NULL:
        ht_prefetch(tstr_block(<void *>l.entry))
    return False


cdef obj_ops_t _ops
_ops.free = _ops_free
_ops.copy = _ops_copy
_ops.nbytes = _ops_nbytes
_ops.effort = _ops_effort
_ops.encoding = _ops_encoding
obj_ops_set(OBJ_SET, &_ops)
obj_prefetch_set(OBJ_SET, _ops_prefetch)


# --- Debug ------------------------------------------------------------------------


cdef void set_check(set_t s) noexcept nogil:
    """Walk every invariant; O(n), in a listpack O(n * n)."""
    cdef uint8_t *p = set_small(s)
    cdef set_iter_t it
    cdef member_t m
    cdef size_t n = 0
    if s.enc == OBJ_ENC_TABLE:
        ht_check(set_table(s))
    elif s.enc == OBJ_ENC_INTSET:
        fr_assert(intset_len(p) == 0 or intset_is_valid(p, intset_nbytes(p)))
    else:
        fr_assert(s.enc == OBJ_ENC_LISTPACK)
        fr_assert(lp_is_valid(p, lp_nbytes(p)))
    set_iter(&it, s)
    while set_next(&it, &m):
        n += 1
        if s.enc == OBJ_ENC_LISTPACK:
            fr_assert(_find_small(s, &m) == m.place)
        else:
            fr_assert(set_has(s, &m))
    fr_assert(n == set_len(s))
