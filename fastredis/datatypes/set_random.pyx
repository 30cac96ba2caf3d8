# SPDX-License-Identifier: BSD-3-Clause
r"""Random members of sets, looked at or taken out.

A table's come from ht_random. Several different ones are drawn one by
one while they are few (and kept apart by a table of those drawn), else all entries are
put into an array of which the beginning is shuffled. Of an intset or listpack they are
chosen in one pass, each with the chance (still wanted) / (still to come).

Cost: O(1) for each member of a table or intset while few are wanted, else O(n) in all.
Threads: as t_set.
"""
from fastredis.core.mem cimport zcalloc, zfree, zmalloc
from fastredis.core.rand cimport rand_below
from fastredis.datatypes.t_set cimport (
    member_init_int,
    set_add,
    set_at_place,
    set_free,
    set_from_entry,
    set_has,
    set_iter,
    set_iter_t,
    set_len,
    set_new_enc,
    set_next,
    set_remove,
    set_small,
    set_table,
)
from fastredis.ds.hashtable cimport ht_free, ht_insert, ht_random, ht_t, ht_walk
from fastredis.ds.intset cimport intset_at, intset_len, intset_shift, intset_truncate
from fastredis.ds.listpack cimport (
    lp_append,
    lp_append_int,
    lp_first,
    lp_free,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_seek,
    lp_shrink,
)
from fastredis.keyspace.obj cimport OBJ_ENC_INTSET, OBJ_ENC_LISTPACK, OBJ_ENC_TABLE
from libc.stdint cimport int64_t, uint32_t

cdef enum:
    # SPOP of so many times what remains makes a new set of what remains
    POP_FACTOR = 5
    # a sample of more than a third is taken by shuffling all
    SAMPLE_FACTOR = 3


cdef void set_random(set_t s, rand_t *rand, member_t *m) noexcept nogil:
    """Describe a random member in m."""
    cdef uint8_t *p
    if s.enc == OBJ_ENC_TABLE:
        set_from_entry(m, ht_random(set_table(s), rand))
    elif s.enc == OBJ_ENC_INTSET:
        member_init_int(m, intset_at(
            set_small(s), <uint32_t>rand_below(rand, intset_len(set_small(s)))))
    else:
        p = set_small(s)
        set_at_place(lp_seek(p, <int64_t>rand_below(rand, lp_len(p))), m)


cdef uint8_t **set_places(set_t s) noexcept nogil:
    """Return pointers to a listpack's entries."""
    cdef uint8_t *lp = set_small(s)
    cdef uint8_t **places = <uint8_t **>zmalloc(lp_len(lp) * sizeof(uint8_t *))
    cdef uint8_t *p = lp_first(lp)
    cdef size_t n = 0
    while p != NULL:
        places[n] = p
        n += 1
        p = lp_next(lp, p)
    return places


cdef void _sample_pass(
    set_t s, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit count members of a small set, chosen in one pass."""
    cdef set_iter_t it
    cdef member_t m
    cdef size_t left = set_len(s)
    set_iter(&it, s)
    while count and set_next(&it, &m):
        if rand_below(rand, left) < count:
            visit(ctx, &m)
            count -= 1
        left -= 1


cdef void _sample_ranks(
    const uint8_t *ints, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit a few integers of many: draws ranks, a bit each tells those drawn."""
    cdef size_t n = intset_len(ints), i
    cdef uint8_t *drawn = <uint8_t *>zcalloc(n // 8 + 1)
    cdef member_t m
    while count:
        i = rand_below(rand, n)
        if drawn[i >> 3] & (1 << (i & 7)):
            continue
        drawn[i >> 3] |= 1 << (i & 7)
        member_init_int(&m, intset_at(ints, <uint32_t>i))
        visit(ctx, &m)
        count -= 1
    zfree(drawn)


cdef void _sample_few(
    const ht_t *t, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit a few entries of many; a table of them tells which were drawn."""
    cdef set_t drawn = set_new_enc(OBJ_ENC_TABLE)    # borrows the entries
    cdef member_t m
    while count:
        set_from_entry(&m, ht_random(t, rand))
        if set_has(drawn, &m):
            continue
        ht_insert(set_table(drawn), m.place, m.hash)
        visit(ctx, &m)
        count -= 1
    ht_free(set_table(drawn))


# Entries of a table in an array.
cdef struct entries_t:
    void **entries
    size_t n


cdef void _collect(void *ctx, void *entry) noexcept nogil:
    cdef entries_t *all = <entries_t *>ctx
    all.entries[all.n] = entry
    all.n += 1


cdef void _sample_many(
    const ht_t *t, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit a large part of the entries: the beginning of their shuffled array."""
    cdef entries_t all
    cdef member_t m
    cdef size_t i, j
    all.entries = <void **>zmalloc(t.used * sizeof(void *))
    all.n = 0
    ht_walk(t, _collect, &all)
    for i in range(count):
        j = i + rand_below(rand, all.n - i)
        set_from_entry(&m, all.entries[j])
        all.entries[j] = all.entries[i]
        visit(ctx, &m)
    zfree(all.entries)


cdef void set_sample(
    set_t s, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit different random members; the set must not change meanwhile."""
    cdef bint is_few = count < set_len(s) // SAMPLE_FACTOR
    if s.enc == OBJ_ENC_TABLE:
        if is_few:
            _sample_few(set_table(s), count, rand, visit, ctx)
        else:
            _sample_many(set_table(s), count, rand, visit, ctx)
    elif s.enc == OBJ_ENC_INTSET and is_few:
        _sample_ranks(set_small(s), count, rand, visit, ctx)
    else:
        _sample_pass(s, count, rand, visit, ctx)


cdef void _pop_intset(
    set_t *s, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit and take out integers in one pass; the rest moves up."""
    cdef uint8_t *ints = set_small(s[0])
    cdef uint32_t n = intset_len(ints), i, kept = 0
    cdef member_t m
    for i in range(n):
        if rand_below(rand, n - i) < count:
            count -= 1
            member_init_int(&m, intset_at(ints, i))
            visit(ctx, &m)
        else:
            intset_shift(ints, i, kept)
            kept += 1
    s.value = intset_truncate(ints, kept)


cdef void _pop_listpack(
    set_t *s, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit and take out entries in one pass, into a listpack of the rest."""
    cdef uint8_t *lp = set_small(s[0])
    cdef uint8_t *rest = lp_new(lp_nbytes(lp))
    cdef size_t left = lp_len(lp)
    cdef set_iter_t it
    cdef member_t m
    set_iter(&it, s[0])
    while set_next(&it, &m):
        if rand_below(rand, left) < count:
            count -= 1
            visit(ctx, &m)
        elif m.ptr == NULL:
            rest = lp_append_int(rest, m.num)
        else:
            rest = lp_append(rest, m.ptr, m.len)
        left -= 1
    lp_free(lp)
    s.value = lp_shrink(rest)


cdef void _pop_drawn(
    set_t *s, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit and remove entries of a table one by one."""
    cdef member_t m
    while count:
        set_from_entry(&m, ht_random(set_table(s[0]), rand))
        visit(ctx, &m)
        set_remove(s, &m)
        count -= 1


cdef void _pop_most(
    set_t *s, size_t remaining, rand_t *rand, const set_limits_t *limits,
    set_visit_fn visit, void *ctx
) noexcept nogil:
    """Draw the few members that remain, and visit and free all others."""
    cdef set_t rest = set_new_enc(OBJ_ENC_LISTPACK)
    cdef ht_t *t = set_table(s[0])
    cdef set_iter_t it
    cdef member_t m
    while remaining:
        set_from_entry(&m, ht_random(t, rand))
        set_add(&rest, &m, limits)
        set_remove(s, &m)
        remaining -= 1
    set_iter(&it, s[0])
    while set_next(&it, &m):
        visit(ctx, &m)
    set_free(s[0])
    s[0] = rest


cdef void set_pop(
    set_t *s, size_t count, rand_t *rand, const set_limits_t *limits,
    set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit and remove different random members, 0 < count < set_len."""
    cdef size_t remaining = set_len(s[0]) - count
    if s.enc == OBJ_ENC_INTSET:
        _pop_intset(s, count, rand, visit, ctx)
    elif s.enc == OBJ_ENC_LISTPACK:
        _pop_listpack(s, count, rand, visit, ctx)
    elif count // POP_FACTOR < remaining:
        _pop_drawn(s, count, rand, visit, ctx)
    else:
        _pop_most(s, remaining, rand, limits, visit, ctx)
