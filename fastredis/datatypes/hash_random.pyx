# SPDX-License-Identifier: BSD-3-Clause
r"""Random fields of hashes.

A few different fields of many are drawn one by one, with those drawn in an array by the
hash of their address; else one walk decides about each field. Fields that may repeat
are drawn from the table itself, or, where some have expired or there is no table, from
an array of the places of those that have not.

Cost: O(1) for each field of a table of which few are wanted, else O(n) in all.
Threads: as t_hash.
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.rand cimport rand_below
from fastredis.datatypes.hash_fields cimport field_t, fields_t, hf_expiry
from fastredis.datatypes.t_hash cimport (
    hash_has_expired,
    hash_is_past,
    hash_len,
    hash_live,
    hash_lp_of,
    hash_pair_t,
    hash_read_field,
    hash_read_pair,
    hash_table_of,
    hash_walk,
)
from fastredis.ds.hashtable cimport ht_random, ht_scan
from fastredis.ds.listpack cimport lp_first
from fastredis.keyspace.obj cimport OBJ_ENC_TABLE, obj_enc
from libc.stdint cimport uint8_t

cdef enum:
    # draw different fields one by one if no more than one in so many is wanted
    SPARSE = 3
    SEEN_MIN = 16


cdef struct sample_t:
    rand_t *rand
    size_t left             # fields still to come
    size_t wanted           # of these
    hash_visit_fn visit
    void *ctx


cdef void _sample_visit(void *ctx, const hash_pair_t *pair) noexcept nogil:
    """Take a field with the chance that is right for those still wanted."""
    cdef sample_t *s = <sample_t *>ctx
    if rand_below(s.rand, s.left) < s.wanted:
        s.wanted -= 1
        s.visit(s.ctx, pair)
    s.left -= 1


cdef void _draw_different(
    const fields_t *t, size_t n, rand_t *rand, hash_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit n different entries of a table that has many more, none of them expired."""
    cdef size_t cap = SEEN_MIN, i, drawn = 0
    cdef void **seen
    cdef void *f
    cdef hash_pair_t pair
    while cap < 2 * n:
        cap *= 2
    seen = <void **>zmalloc(cap * sizeof(void *))
    for i in range(cap):
        seen[i] = NULL
    while drawn < n:
        f = ht_random(t.table, rand)
        i = (<size_t>f >> 3) * 0x9E3779B1ULL & (cap - 1)
        while seen[i] != NULL and seen[i] != f:
            i = (i + 1) & (cap - 1)
        if seen[i] == f:
            continue
        seen[i] = f
        drawn += 1
        hash_read_field(t, <field_t *>f, &pair)
        visit(ctx, &pair)
    zfree(seen)


cdef void hash_sample(
    const obj_t *o, size_t n, rand_t *rand, int64_t now_ms, hash_visit_fn visit,
    void *ctx
) noexcept nogil:
    """Visit n different fields, every set of n with the same chance.

    A few of many are drawn one by one; else one walk decides about each field.
    Source: D. Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
    """
    cdef sample_t s
    if obj_enc(o) == OBJ_ENC_TABLE and not hash_has_expired(o, now_ms) \
            and n < hash_len(o) // SPARSE:
        _draw_different(hash_table_of(o), n, rand, visit, ctx)
        return
    s.rand = rand
    s.left = hash_live(o, now_ms)
    s.wanted = n
    s.visit = visit
    s.ctx = ctx
    hash_walk(o, now_ms, _sample_visit, &s)


# The places of all fields that have not expired.
cdef struct places_t:
    void **places
    size_t len


cdef void _place_visit(void *ctx, void *entry) noexcept nogil:
    cdef places_t *all = <places_t *>ctx
    all.places[all.len] = entry
    all.len += 1


cdef void _live_places(
    const obj_t *o, int64_t now_ms, places_t *all
) noexcept nogil:
    """Note where the fields are that have not expired."""
    cdef const fields_t *t
    cdef uint8_t *lp
    cdef uint8_t *p
    cdef uint8_t *following
    cdef uint64_t cursor = 0
    cdef size_t i, n = 0
    cdef hash_pair_t pair
    all.places = <void **>zmalloc((hash_len(o) + 1) * sizeof(void *))
    all.len = 0
    if obj_enc(o) == OBJ_ENC_TABLE:
        t = hash_table_of(o)
        while True:
            cursor = ht_scan(t.table, cursor, _place_visit, all)
            if cursor == 0:
                break
        for i in range(all.len):
            if not hash_is_past(hf_expiry(t, <field_t *>all.places[i]), now_ms):
                all.places[n] = all.places[i]
                n += 1
        all.len = n
        return
    lp = hash_lp_of(o)
    p = lp_first(lp)
    while p != NULL:
        following = hash_read_pair(o, lp, p, &pair)
        if not hash_is_past(pair.expire_ms, now_ms):
            _place_visit(all, p)
        p = following


cdef void hash_draw(
    const obj_t *o, uint64_t n, rand_t *rand, int64_t now_ms, hash_visit_fn visit,
    void *ctx
) noexcept nogil:
    """Visit n fields, each drawn from all, so that some may come several times."""
    cdef places_t all
    cdef hash_pair_t pair
    cdef void *place
    cdef const fields_t *t = hash_table_of(o)
    if obj_enc(o) == OBJ_ENC_TABLE and not hash_has_expired(o, now_ms):
        while n:
            n -= 1
            hash_read_field(t, <field_t *>ht_random(t.table, rand), &pair)
            visit(ctx, &pair)
        return
    _live_places(o, now_ms, &all)
    while n and all.len:
        n -= 1
        place = all.places[rand_below(rand, all.len)]
        if obj_enc(o) == OBJ_ENC_TABLE:
            hash_read_field(t, <field_t *>place, &pair)
        else:
            hash_read_pair(o, hash_lp_of(o), <uint8_t *>place, &pair)
        visit(ctx, &pair)
    zfree(all.places)
