# SPDX-License-Identifier: BSD-3-Clause
r"""Intersection, union and difference of sets.

Intersection    Members of the smallest set are looked for in the others, the next
                smallest first, until one lacks them. Those of a table are read in
                batches, so that the memory of one batch's look-ups comes in at once.

Union           The largest set is visited as it is. Members of the others are new if
                they are not in it and not in a table of what the others have brought
                so far; the last one's need not be noted any more.

Difference      Either members of the first set are looked for in the others, largest
                first (1), or the first set is noted in a table, from which the members
                of the others are taken out (2). By the look-ups that may be needed:
                (1) at most size(first) * n, halved since they stop at a hit; (2) the
                sizes of all.

A table of what was met borrows its entries where the members are a table's own, so no
member is copied; integers and listpack entries are copied once.

Cost: O(members looked at); union and difference (2) a table of pointers besides.
Threads: main thread only.
Source: Redis documentation of SINTER and SDIFF.
"""
from fastredis.core.mem cimport zcalloc, zfree, zrealloc
from fastredis.datatypes.hyperloglog cimport HLL_REGISTERS, hll_count
from fastredis.datatypes.t_set cimport (
    member_hash,
    set_has,
    set_iter,
    set_iter_t,
    set_len,
    set_next,
    set_prefetch,
)
from fastredis.ds.hashtable cimport (
    ht_free,
    ht_insert,
    ht_locate_by,
    ht_new,
    ht_pos_t,
    ht_remove_at,
    ht_reserve,
    ht_t,
    ht_walk,
)
from fastredis.ds.tagstr cimport tstr_bytes, tstr_free, tstr_new
from fastredis.keyspace.obj cimport OBJ_ENC_LISTPACK, OBJ_ENC_TABLE
from libc.stdint cimport uint8_t
from libc.stdlib cimport qsort

cdef enum:
    BATCH = 16                  # look-ups whose memory is loaded together
    NOTES_ROOM = 64

    # of a hash: the low bits choose a register, the rest is what it counts zeros of
    HLL_BITS = 14
    HLL_RANK_MAX = 64 - HLL_BITS


# --- Order ------------------------------------------------------------------------


cdef inline size_t _len(const set_t *s) noexcept nogil:
    """Return the number of members; 0 for an absent key."""
    return 0 if s.value == NULL else set_len(s[0])


cdef int _ascending(const void *a, const void *b) noexcept nogil:
    cdef size_t x = _len(<const set_t *>a), y = _len(<const set_t *>b)
    return (x > y) - (x < y)


cdef int _descending(const void *a, const void *b) noexcept nogil:
    return _ascending(b, a)


# --- What was met -----------------------------------------------------------------


# A table of members: entries borrowed from sets, and those made here, to be freed.
cdef struct notes_t:
    ht_t *table
    void **made
    size_t nmade
    size_t cap


cdef void _notes_init(notes_t *notes) noexcept nogil:
    notes.table = ht_new(tstr_bytes)
    notes.made = NULL
    notes.nmade = 0
    notes.cap = 0


cdef void _notes_free(notes_t *notes) noexcept nogil:
    cdef size_t i
    ht_free(notes.table)
    for i in range(notes.nmade):
        tstr_free(notes.made[i])
    zfree(notes.made)


cdef inline ht_pos_t _noted(const notes_t *notes, member_t *m) noexcept nogil:
    """Return where a member is noted; bucket NULL: nowhere."""
    cdef uint64_t hash = member_hash(m)
    return ht_locate_by(notes.table, tstr_bytes, m.ptr, m.len, hash)


cdef void _note(notes_t *notes, member_t *m, int enc) noexcept nogil:
    """Note a member that is not noted yet; enc: of the set it comes from."""
    cdef uint64_t hash = member_hash(m)
    cdef void *entry = m.place
    if enc != OBJ_ENC_TABLE:
        entry = tstr_new(m.ptr, m.len)
        if notes.nmade == notes.cap:
            notes.cap = 2 * notes.cap if notes.cap else <size_t>NOTES_ROOM
            notes.made = <void **>zrealloc(notes.made, notes.cap * sizeof(void *))
        notes.made[notes.nmade] = entry
        notes.nmade += 1
    ht_insert(notes.table, entry, hash)


# --- Intersection -----------------------------------------------------------------


cdef inline bint _in_all(const set_t *sets, size_t n, member_t *m) noexcept nogil:
    """Return whether m is in each of sets[1 .. n)."""
    cdef size_t i
    for i in range(1, n):
        # a key named twice need not be looked at twice
        if sets[i].value != sets[0].value and not set_has(sets[i], m):
            return False
    return True


cdef size_t set_inter(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the members that all sets have."""
    cdef member_t batch[BATCH]
    cdef set_iter_t it
    cdef size_t found = 0
    cdef int i, filled = BATCH
    for i in range(<int>n):
        if _len(&sets[i]) == 0:
            return 0
    qsort(sets, n, sizeof(set_t), _ascending)
    set_iter(&it, sets[0])
    while filled == BATCH:
        filled = 0
        while filled < BATCH and set_next(&it, &batch[filled]):
            if n > 1:
                set_prefetch(sets[1], &batch[filled])
            filled += 1
        for i in range(filled):
            if not _in_all(sets, n, &batch[i]):
                continue
            found += 1
            if visit != NULL:
                visit(ctx, &batch[i])
            if found == limit:
                return found
    return found


# --- Union ------------------------------------------------------------------------


cdef size_t set_union(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the members that any set has, each once."""
    cdef notes_t notes
    cdef set_iter_t it
    cdef member_t m
    cdef size_t found = 0, i, last
    cdef bint is_base       # what the largest set has is looked up there
    qsort(sets, n, sizeof(set_t), _descending)
    while n and _len(&sets[n - 1]) == 0:
        n -= 1
    if n == 0:
        return 0
    if visit == NULL and n == 1:
        found = _len(&sets[0])
        return min(found, limit) if limit else found
    _notes_init(&notes)
    is_base = sets[0].enc != OBJ_ENC_LISTPACK
    last = n - 1
    for i in range(n):
        if i and sets[i].value == sets[0].value:
            continue
        if i == 0 and is_base and visit == NULL:
            found = set_len(sets[0])
            if limit and found >= limit:
                found = limit
                break
            continue
        set_iter(&it, sets[i])
        while set_next(&it, &m):
            if i:
                if is_base and set_has(sets[0], &m):
                    continue
                if notes.table.used and _noted(&notes, &m).bucket != NULL:
                    continue
            if i < last and not (i == 0 and is_base):
                _note(&notes, &m, sets[i].enc)
            found += 1
            if visit != NULL:
                visit(ctx, &m)
            if found == limit:
                break
        if limit and found == limit:
            break
    _notes_free(&notes)
    return found


# --- Difference -------------------------------------------------------------------


cdef inline bint _in_any(const set_t *sets, size_t n, member_t *m) noexcept nogil:
    """Return whether m is in one of sets[1 .. n)."""
    cdef size_t i
    for i in range(1, n):
        if set_has(sets[i], m):
            return True
    return False


cdef size_t _diff_by_looking(
    const set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Look for each member of the first set in the others."""
    cdef member_t batch[BATCH]
    cdef set_iter_t it
    cdef size_t found = 0
    cdef int i, filled = BATCH
    set_iter(&it, sets[0])
    while filled == BATCH:
        filled = 0
        while filled < BATCH and set_next(&it, &batch[filled]):
            if n > 1:
                set_prefetch(sets[1], &batch[filled])
            filled += 1
        for i in range(filled):
            if _in_any(sets, n, &batch[i]):
                continue
            found += 1
            if visit != NULL:
                visit(ctx, &batch[i])
            if found == limit:
                return found
    return found


# What _diff_by_removal passes through ht_walk.
cdef struct visits_t:
    set_visit_fn visit
    void *ctx
    size_t left


cdef void _visit_noted(void *ctx, void *entry) noexcept nogil:
    cdef visits_t *v = <visits_t *>ctx
    cdef member_t m
    if v.left == 0:
        return
    v.left -= 1
    m.ptr = tstr_bytes(entry, &m.len)
    m.place = NULL
    m.known = 0
    v.visit(v.ctx, &m)


cdef size_t _diff_by_removal(
    const set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Note the members of the first set, and take out those of the others."""
    cdef notes_t notes
    cdef visits_t v
    cdef set_iter_t it
    cdef member_t m
    cdef ht_pos_t pos
    cdef size_t found, i
    _notes_init(&notes)
    ht_reserve(notes.table, set_len(sets[0]))
    set_iter(&it, sets[0])
    while set_next(&it, &m):
        _note(&notes, &m, sets[0].enc)
    for i in range(1, n):
        set_iter(&it, sets[i])
        while notes.table.used and set_next(&it, &m):
            pos = _noted(&notes, &m)
            if pos.bucket != NULL:
                ht_remove_at(notes.table, pos, m.hash)
    found = notes.table.used
    if limit and found > limit:
        found = limit
    if visit != NULL:
        v.visit = visit
        v.ctx = ctx
        v.left = found
        ht_walk(notes.table, _visit_noted, &v)
    _notes_free(&notes)
    return found


cdef size_t set_diff(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the members of the first set that no other has."""
    cdef size_t i, total = 0, nonempty = 0
    if _len(&sets[0]) == 0:
        return 0
    for i in range(n):
        if i and sets[i].value == sets[0].value:
            return 0
        if sets[i].value != NULL:
            nonempty += 1
            total += set_len(sets[i])
    qsort(sets + 1, n - 1, sizeof(set_t), _descending)
    # absent keys are last now
    n = nonempty
    if set_len(sets[0]) * n // 2 <= total:
        return _diff_by_looking(sets, n, limit, visit, ctx)
    return _diff_by_removal(sets, n, limit, visit, ctx)


# --- Estimate ---------------------------------------------------------------------


cdef uint64_t set_union_estimate(const set_t *sets, size_t n) noexcept nogil:
    """Return about how many members the union has."""
    cdef uint8_t *registers = <uint8_t *>zcalloc(HLL_REGISTERS)
    cdef set_iter_t it
    cdef member_t m
    cdef uint64_t hash, result
    cdef size_t i, index
    cdef uint8_t rank
    for i in range(n):
        if sets[i].value == NULL:
            continue
        set_iter(&it, sets[i])
        while set_next(&it, &m):
            hash = member_hash(&m)
            index = hash & (HLL_REGISTERS - 1)
            hash >>= HLL_BITS
            rank = 1
            while rank <= HLL_RANK_MAX and not hash & 1:
                rank += 1
                hash >>= 1
            if rank > registers[index]:
                registers[index] = rank
    result = hll_count(registers)
    zfree(registers)
    return result
