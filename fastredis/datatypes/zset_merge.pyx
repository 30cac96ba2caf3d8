# SPDX-License-Identifier: BSD-3-Clause
r"""Union, intersection and difference of sorted sets, and of sets among them.

    union   every source ----> hash table: member -> score   \
    inter   the smallest one, looked up in the others  -->    >  sort --> sorted set
    diff    the first one, looked up in the others     -->   /

The result is collected unordered in the hash table that it needs anyway; its elements
are then sorted and put into the tree one behind the other.

Sources are taken from the smallest to the largest, as other servers do: sums of doubles
depend on their order. A sum of infinities of both signs is 0, not NaN.

Cost: union and difference O(s + r log r) for s members in all sources and r in the
result; intersection O(k m + r log r) for k sources, the smallest of m members.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.datatypes.t_set cimport (
    member_init,
    member_t,
    member_text,
    set_has,
    set_iter,
    set_iter_t,
    set_len,
    set_next,
    set_of,
)
from fastredis.datatypes.t_zset cimport (
    zset_entry_t,
    zset_from_table,
    zset_iter_t,
    zset_len,
    zset_member_of,
    zset_next,
    zset_of,
    zset_score,
    zset_seek,
)
from fastredis.ds.bptree cimport bpt_elem_new, bpt_elem_t
from fastredis.ds.hashtable cimport ht_find, ht_insert, ht_new, ht_t
from fastredis.keyspace.obj cimport OBJ_SET, OBJ_ZSET, obj_type
from libc.math cimport isnan
from libc.stdint cimport uint64_t
from libc.stdlib cimport qsort


# --- Sources ----------------------------------------------------------------------


cdef bint merge_takes(int type) noexcept nogil:
    """Return whether objects of a type can be merged."""
    return type == OBJ_ZSET or type == OBJ_SET


cdef void merge_source_init(
    merge_source_t *s, const obj_t *o, int index
) noexcept nogil:
    """Make an object a source, with weight 1."""
    s.o = o
    s.weight = 1
    s.index = index
    s.len = 0
    if o != NULL:
        s.len = zset_len(zset_of(o)) if obj_type(o) == OBJ_ZSET else set_len(set_of(o))


cdef bint _find(
    const merge_source_t *s, const zset_entry_t *entry, double *score_out
) noexcept nogil:
    """Look the member of an entry up in a source."""
    cdef member_t member
    if s.len == 0:
        return False
    if obj_type(s.o) == OBJ_ZSET:
        return zset_score(zset_of(s.o), entry.member, entry.len, score_out)
    member_init(&member, entry.member, entry.len)
    score_out[0] = 1
    return set_has(set_of(s.o), &member)


# A walk over a source of either type.
cdef struct walk_t:
    bint is_set
    zset_iter_t scored
    set_iter_t plain
    member_t member


cdef void _walk(const merge_source_t *s, walk_t *w) noexcept nogil:
    """Start to walk a source that is not empty."""
    w.is_set = obj_type(s.o) == OBJ_SET
    if w.is_set:
        set_iter(&w.plain, set_of(s.o))
    else:
        zset_seek(zset_of(s.o), 0, False, &w.scored)


cdef bint _next(walk_t *w, zset_entry_t *entry_out) noexcept nogil:
    """Return the next member; those of a set have score 1. False at the end."""
    if not w.is_set:
        return zset_next(&w.scored, entry_out)
    if not set_next(&w.plain, &w.member):
        return False
    member_text(&w.member)
    entry_out.member = w.member.ptr
    entry_out.len = w.member.len
    entry_out.score = 1
    return True


cdef int _compare(const void *a, const void *b) noexcept nogil:
    cdef const merge_source_t *x = <const merge_source_t *>a
    cdef const merge_source_t *y = <const merge_source_t *>b
    if x.len != y.len:
        return 1 if x.len > y.len else -1
    return x.index - y.index


# --- Scores -----------------------------------------------------------------------


cdef inline double _weighted(
    const merge_source_t *s, double score, merge_by_t by
) noexcept nogil:
    if by == MERGE_COUNT:
        return s.weight
    return s.weight * score


cdef inline double _aggregate(double a, double b, merge_by_t by) noexcept nogil:
    cdef double sum
    if by == MERGE_MIN:
        return b if b < a else a
    if by == MERGE_MAX:
        return b if b > a else a
    sum = a + b
    return 0 if isnan(sum) else sum


# --- Merge ------------------------------------------------------------------------


cdef void _put(
    ht_t *found, const zset_entry_t *entry, double score, uint64_t hash
) noexcept nogil:
    ht_insert(found, bpt_elem_new(score, entry.member, entry.len), hash)


cdef void _unite(
    ht_t *found, const merge_source_t *s, merge_by_t by
) noexcept nogil:
    """Take all members of a source into the union."""
    cdef walk_t walk
    cdef zset_entry_t entry
    cdef bpt_elem_t *e
    cdef uint64_t hash
    cdef double score
    if s.len == 0:
        return
    _walk(s, &walk)
    while _next(&walk, &entry):
        score = _weighted(s, entry.score, by)
        if isnan(score):
            score = 0
        hash = keyhash(entry.member, entry.len)
        e = <bpt_elem_t *>ht_find(found, entry.member, entry.len, hash)
        if e == NULL:
            _put(found, &entry, score, hash)
        else:
            e.score = _aggregate(e.score, score, by)


cdef bint _in_all(
    const merge_source_t *sources, int n, const zset_entry_t *entry, merge_by_t by,
    double *score_out
) noexcept nogil:
    """Return whether all sources have a member of the first; score_out: its score."""
    cdef double score = _weighted(&sources[0], entry.score, by)
    cdef double other = 0
    cdef int i
    if isnan(score):
        score = 0
    for i in range(1, n):
        if not _find(&sources[i], entry, &other):
            return False
        score = _aggregate(score, _weighted(&sources[i], other, by), by)
    score_out[0] = score
    return True


cdef void _intersect(
    ht_t *found, const merge_source_t *sources, int n, merge_by_t by
) noexcept nogil:
    cdef walk_t walk
    cdef zset_entry_t entry
    cdef double score = 0
    if sources[0].len == 0:
        return
    _walk(&sources[0], &walk)
    while _next(&walk, &entry):
        if _in_all(sources, n, &entry, by, &score):
            _put(found, &entry, score, keyhash(entry.member, entry.len))


cdef void _subtract(ht_t *found, const merge_source_t *sources, int n) noexcept nogil:
    cdef walk_t walk
    cdef zset_entry_t entry
    cdef double score
    cdef bint is_elsewhere
    cdef int i
    if sources[0].len == 0:
        return
    _walk(&sources[0], &walk)
    while _next(&walk, &entry):
        is_elsewhere = False
        for i in range(1, n):
            if _find(&sources[i], &entry, &score):
                is_elsewhere = True
                break
        if not is_elsewhere:
            _put(found, &entry, entry.score, keyhash(entry.member, entry.len))


cdef zset_t zset_merge(
    merge_op_t op, merge_source_t *sources, int n, merge_by_t by,
    const zset_limits_t *limits
) noexcept nogil:
    """Return the union, intersection or difference of the sources."""
    cdef ht_t *found = ht_new(zset_member_of)
    cdef int i
    if op == MERGE_DIFF:
        _subtract(found, sources, n)
        return zset_from_table(found, limits)
    qsort(sources, n, sizeof(merge_source_t), _compare)
    if op == MERGE_INTER:
        _intersect(found, sources, n, by)
    else:
        for i in range(n):
            _unite(found, &sources[i], by)
    return zset_from_table(found, limits)


cdef size_t zset_inter_len(
    merge_source_t *sources, int n, size_t limit
) noexcept nogil:
    """Count the members that all sources have; stop at the limit."""
    cdef walk_t walk
    cdef zset_entry_t entry
    cdef double score
    cdef size_t count = 0
    qsort(sources, n, sizeof(merge_source_t), _compare)
    if sources[0].len == 0:
        return 0
    _walk(&sources[0], &walk)
    while count < limit and _next(&walk, &entry):
        count += _in_all(sources, n, &entry, MERGE_COUNT, &score)
    return count
