# SPDX-License-Identifier: BSD-3-Clause
r"""Sorted sets, in two encodings.

    LISTPACK  one block:  [member][score][member][score] ...   (zset_listpack.pyx)

    TREE      zset_tree_t
              +---------+      hash table (ds/hashtable)
              | members |----> by member ----.
              | tree    |                    v
              +----|----+               +-------+-----+--------+
                   |                    | score | len | member |   one allocation each
                   v                    +-------+-----+--------+
              B+ tree (ds/bptree)            ^
              by score and member -----------'

A set starts as a listpack and becomes a tree for good when it outgrows the limits;
sets that a command builds as a whole (ZUNIONSTORE, ZRANGESTORE) get what suits their
size.
OBJECT ENCODING calls the tree skiplist, which clients expect of a large sorted set.

Every range, by rank, score or member, is a range of ranks here: two borders, each
found in O(log n) by zset_count_below, and an iterator between them.

With members of 16 bytes a tree takes about 32 bytes for the element, 11 for its place
in the hash table and 13 in the tree.

Cost: listpack O(n) of all; tree O(1) by member, O(log n) for everything else.
Threads: the thread that executes commands; free runs on any.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.core.num cimport NUM_DOUBLE_BUF, num_parse_double
from fastredis.core.rand cimport rand_below
from fastredis.core.status cimport C_OK, fr_assert
from fastredis.datatypes.zset_listpack cimport (
    zlp_append,
    zlp_count_below,
    zlp_find,
    zlp_put,
    zlp_score,
)
from fastredis.ds.bptree cimport (
    bpt_append,
    bpt_at,
    bpt_check,
    bpt_clear,
    bpt_compare_bytes,
    bpt_count_below,
    bpt_elem,
    bpt_elem_new,
    bpt_elem_t,
    bpt_init,
    bpt_insert,
    bpt_leaf_t,
    bpt_nbytes,
    bpt_next,
    bpt_prefetch,
    bpt_prefetch_from,
    bpt_prefetch_score,
    bpt_prev,
    bpt_rank,
    bpt_remove,
    bpt_remove_at,
    bpt_rescore,
    bpt_unpack,
)
from fastredis.ds.hashtable cimport (
    ht_check,
    ht_free,
    ht_guess,
    ht_insert,
    ht_locate_by,
    ht_nbytes,
    ht_new,
    ht_pos_t,
    ht_prefetch,
    ht_prefetch_bucket,
    ht_remove_at,
    ht_scan,
    ht_unpack,
    ht_walk,
)
from fastredis.ds.listpack cimport (
    lp_copy,
    lp_delete_many,
    lp_delete_range,
    lp_entry_max,
    lp_first,
    lp_fits,
    lp_free,
    lp_len,
    lp_new,
    lp_next,
    lp_prev,
    lp_seek,
    lp_text,
)
from fastredis.keyspace.obj cimport (
    LOOKUP_BORDER,
    LOOKUP_MEMBER,
    LOOKUP_SCORE,
    OBJ_ENC_LISTPACK,
    OBJ_ENC_TREE,
    obj_lookup_t,
    obj_ops_set,
    obj_ops_t,
    obj_prefetch_set,
)
from libc.math cimport isnan
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport qsort

cdef enum:
    LP_NEW_CAP = 64
    # An iterator asks for the memory of a member so many steps before it comes.
    AHEAD = 6
    POPS_AHEAD = 3              # less than AHEAD

# --- Trees ------------------------------------------------------------------------


cdef const char *zset_member_of(const void *entry, size_t *len_out) noexcept nogil:
    """Return an element's member: the ht_key_fn of the hash table."""
    cdef const bpt_elem_t *e = <const bpt_elem_t *>entry
    len_out[0] = e.len
    return e.member


cdef zset_tree_t *_tree_new() noexcept nogil:
    cdef zset_tree_t *t = <zset_tree_t *>zmalloc(sizeof(zset_tree_t))
    t.members = ht_new(zset_member_of)
    bpt_init(&t.tree)
    return t


cdef void _tree_free(zset_tree_t *t) noexcept nogil:
    cdef bpt_leaf_t *leaf = t.tree.first
    cdef uint32_t i
    while leaf != NULL:
        for i in range(leaf.n):
            zfree(bpt_unpack(leaf.ptrs[i]))
        leaf = leaf.next
    bpt_clear(&t.tree)
    ht_free(t.members)
    zfree(t)


cdef inline bpt_elem_t *_tree_find(
    const zset_tree_t *t, const char *member, size_t nbytes
) noexcept nogil:
    cdef ht_pos_t pos = ht_locate_by(
        t.members, zset_member_of, member, nbytes, keyhash(member, nbytes))
    if pos.bucket == NULL:
        return NULL
    return <bpt_elem_t *>ht_unpack(pos.bucket.ptrs[pos.index])


cdef void _tree_append(
    zset_tree_t *t, double score, const char *member, size_t nbytes
) noexcept nogil:
    """Add a member behind all others."""
    cdef bpt_elem_t *e = bpt_elem_new(score, member, nbytes)
    ht_insert(t.members, e, keyhash(member, nbytes))
    bpt_append(&t.tree, e)


cdef void _tree_forget(zset_tree_t *t, bpt_elem_t *e) noexcept nogil:
    """Free an element that is no longer in the tree, but in the hash table."""
    cdef uint64_t hash = keyhash(e.member, e.len)
    ht_remove_at(
        t.members, ht_locate_by(t.members, zset_member_of, e.member, e.len, hash), hash)
    zfree(e)


# --- Create and free --------------------------------------------------------------


cdef zset_t zset_new(
    const zset_limits_t *limits, size_t n, size_t nbytes
) noexcept nogil:
    """Return an empty set in the encoding for n members of nbytes."""
    cdef zset_t z
    if n <= limits.entries and nbytes <= limits.value:
        z.enc = OBJ_ENC_LISTPACK
        z.ptr = lp_new(LP_NEW_CAP)
    else:
        z.enc = OBJ_ENC_TREE
        z.ptr = _tree_new()
    return z


cdef void zset_free(zset_t z) noexcept nogil:
    """Free a set that is no key's value."""
    _free(z.enc, z.ptr)


cdef zset_t zset_slice(
    zset_t z, size_t first, size_t n, const zset_limits_t *limits
) noexcept nogil:
    """Return a new set with n members of this one."""
    cdef zset_iter_t it
    cdef zset_entry_t entry
    cdef zset_t part
    cdef size_t _i, longest = 0, total = 0
    zset_seek(z, first, False, &it)
    if n <= limits.entries:
        for _i in range(n):
            zset_next(&it, &entry)
            longest = max(longest, entry.len)
            total += lp_entry_max(entry.len) + lp_entry_max(NUM_DOUBLE_BUF)
        zset_seek(z, first, False, &it)
    part = zset_new(limits, n, longest)
    if part.enc == OBJ_ENC_LISTPACK and not lp_fits(<uint8_t *>part.ptr, total):
        zset_to_tree(&part)
    for _i in range(n):
        zset_next(&it, &entry)
        _append(&part, entry.score, entry.member, entry.len)
    return part


cdef inline void _append(
    zset_t *z, double score, const char *member, size_t nbytes
) noexcept nogil:
    """Add a member behind all others; a listpack has room."""
    if z.enc == OBJ_ENC_TREE:
        _tree_append(<zset_tree_t *>z.ptr, score, member, nbytes)
    else:
        z.ptr = zlp_append(<uint8_t *>z.ptr, member, nbytes, score)


cdef int _compare(const void *a, const void *b) noexcept nogil:
    """Compare two elements, given pointers to them."""
    cdef const bpt_elem_t *x = (<const bpt_elem_t **>a)[0]
    cdef const bpt_elem_t *y = (<const bpt_elem_t **>b)[0]
    if x.score != y.score:
        return 1 if x.score > y.score else -1
    return bpt_compare_bytes(x.member, x.len, y.member, y.len)


cdef struct gather_t:
    bpt_elem_t **elems
    size_t n


cdef void _gather(void *ctx, void *entry) noexcept nogil:
    cdef gather_t *g = <gather_t *>ctx
    g.elems[g.n] = <bpt_elem_t *>entry
    g.n += 1


cdef zset_t zset_from_table(ht_t *members, const zset_limits_t *limits) noexcept nogil:
    """Return a set of the elements of a table; both are consumed. O(n log n).

    Of no elements at all: ptr is NULL.
    """
    cdef zset_tree_t *t
    cdef gather_t g
    cdef zset_t z
    cdef size_t i
    z.enc = OBJ_ENC_TREE
    z.ptr = NULL
    if members.used == 0:
        ht_free(members)
        return z
    g.elems = <bpt_elem_t **>zmalloc(members.used * sizeof(bpt_elem_t *))
    g.n = 0
    ht_walk(members, _gather, &g)
    qsort(g.elems, g.n, sizeof(bpt_elem_t *), _compare)
    t = <zset_tree_t *>zmalloc(sizeof(zset_tree_t))
    t.members = members
    bpt_init(&t.tree)
    for i in range(g.n):
        bpt_append(&t.tree, g.elems[i])
    zfree(g.elems)
    z.ptr = t
    zset_fit(&z, limits)
    return z


cdef void zset_to_tree(zset_t *z) noexcept nogil:
    """Make a set a tree, if it is none."""
    cdef zset_iter_t it
    cdef zset_entry_t entry
    cdef zset_t tree
    if z.enc == OBJ_ENC_TREE:
        return
    tree.enc = OBJ_ENC_TREE
    tree.ptr = _tree_new()
    zset_seek(z[0], 0, False, &it)
    while zset_next(&it, &entry):
        _append(&tree, entry.score, entry.member, entry.len)
    zset_free(z[0])
    z[0] = tree


cdef void zset_fit(zset_t *z, const zset_limits_t *limits) noexcept nogil:
    """Make a tree a listpack, if the limits allow."""
    cdef zset_t fitting
    cdef size_t n = zset_len(z[0])
    if z.enc == OBJ_ENC_LISTPACK or n > limits.entries:
        return
    fitting = zset_slice(z[0], 0, n, limits)
    zset_free(z[0])
    z[0] = fitting


# --- Read -------------------------------------------------------------------------


cdef size_t zset_len(zset_t z) noexcept nogil:
    """Return the number of members."""
    if z.enc == OBJ_ENC_TREE:
        return (<zset_tree_t *>z.ptr).tree.len
    return lp_len(<uint8_t *>z.ptr) // 2


cdef bint zset_score(
    zset_t z, const char *member, size_t nbytes, double *score_out
) noexcept nogil:
    """Find a member's score."""
    cdef bpt_elem_t *e
    cdef uint8_t *p
    if z.enc == OBJ_ENC_TREE:
        e = _tree_find(<zset_tree_t *>z.ptr, member, nbytes)
        if e == NULL:
            return False
        score_out[0] = e.score
        return True
    p = zlp_find(<uint8_t *>z.ptr, member, nbytes)
    if p == NULL:
        return False
    score_out[0] = zlp_score(lp_next(<uint8_t *>z.ptr, p))
    return True


cdef bint zset_rank(
    zset_t z, const char *member, size_t nbytes, size_t *rank_out, double *score_out
) noexcept nogil:
    """Find a member's rank, from 0, and its score."""
    cdef bpt_elem_t *e
    cdef uint8_t *lp
    cdef uint8_t *p
    cdef uint8_t *at
    cdef size_t rank = 0
    if z.enc == OBJ_ENC_TREE:
        e = _tree_find(<zset_tree_t *>z.ptr, member, nbytes)
        if e == NULL:
            return False
        rank_out[0] = bpt_rank(&(<zset_tree_t *>z.ptr).tree, e)
        score_out[0] = e.score
        return True
    lp = <uint8_t *>z.ptr
    at = zlp_find(lp, member, nbytes)
    if at == NULL:
        return False
    p = lp_first(lp)
    while p != at:
        p = lp_next(lp, lp_next(lp, p))
        rank += 1
    rank_out[0] = rank
    score_out[0] = zlp_score(lp_next(lp, at))
    return True


cdef size_t zset_count_below(
    zset_t z, bpt_border_t border, double score, const char *member, size_t nbytes
) noexcept nogil:
    """Return the rank of the first member that is not below a border."""
    cdef uint8_t *at
    if z.enc == OBJ_ENC_TREE:
        return bpt_count_below(
            &(<zset_tree_t *>z.ptr).tree, border, score, member, nbytes)
    return zlp_count_below(<uint8_t *>z.ptr, border, score, member, nbytes, &at)


cdef inline void _prefetch(const zset_iter_t *it, uint32_t distance) noexcept nogil:
    """Ask for the memory of the member that comes so many steps later."""
    cdef const bpt_leaf_t *leaf = it.pos.leaf
    cdef uint32_t i = it.pos.index
    if it.is_reverse:
        if i >= distance:
            ht_prefetch(bpt_unpack(leaf.ptrs[i - distance]))
    elif i + distance < leaf.n:
        ht_prefetch(bpt_unpack(leaf.ptrs[i + distance]))


cdef void zset_seek(
    zset_t z, size_t rank, bint is_reverse, zset_iter_t *it
) noexcept nogil:
    """Set an iterator to a rank; it is at the end if there is no such rank."""
    cdef int i
    it.is_reverse = is_reverse
    it.p = NULL
    if z.enc == OBJ_ENC_TREE:
        it.lp = NULL
        it.pos = bpt_at(&(<zset_tree_t *>z.ptr).tree, rank)
        if it.pos.leaf != NULL:
            for i in range(AHEAD):
                _prefetch(it, i)
        return
    it.lp = <uint8_t *>z.ptr
    if rank < lp_len(it.lp) // 2:
        it.p = lp_seek(it.lp, 2 * <int64_t>rank)


cdef inline void _entry_at(
    uint8_t *lp, uint8_t *p, zset_entry_t *entry
) noexcept nogil:
    entry.member = lp_text(p, entry.digits, &entry.len)
    entry.score = zlp_score(lp_next(lp, p))


cdef bint zset_next(zset_iter_t *it, zset_entry_t *entry_out) noexcept nogil:
    """Return the next member, and move on."""
    cdef bpt_elem_t *e
    if it.lp == NULL:
        if it.pos.leaf == NULL:
            return False
        _prefetch(it, AHEAD)
        e = bpt_elem(it.pos)
        entry_out.score = e.score
        entry_out.member = e.member
        entry_out.len = e.len
        if it.is_reverse:
            bpt_prev(&it.pos)
        else:
            bpt_next(&it.pos)
        return True
    if it.p == NULL:
        return False
    _entry_at(it.lp, it.p, entry_out)
    if it.is_reverse:
        it.p = lp_prev(it.lp, it.p)
        if it.p != NULL:
            it.p = lp_prev(it.lp, it.p)
    else:
        it.p = lp_next(it.lp, lp_next(it.lp, it.p))
    return True


cdef struct scan_t:
    zset_visit_fn visit
    void *ctx


cdef void _scan_visit(void *ctx, void *entry) noexcept nogil:
    cdef scan_t *s = <scan_t *>ctx
    cdef bpt_elem_t *e = <bpt_elem_t *>entry
    s.visit(s.ctx, e.member, e.len, e.score)


cdef uint64_t zset_scan(
    zset_t z, uint64_t cursor, zset_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit the members of one step; a listpack is done in one."""
    cdef zset_iter_t it
    cdef zset_entry_t entry
    cdef scan_t s
    if z.enc == OBJ_ENC_TREE:
        s.visit = visit
        s.ctx = ctx
        return ht_scan((<zset_tree_t *>z.ptr).members, cursor, _scan_visit, &s)
    zset_seek(z, 0, False, &it)
    while zset_next(&it, &entry):
        visit(ctx, entry.member, entry.len, entry.score)
    return 0


# --- Pick -------------------------------------------------------------------------


cdef void zset_picker_init(zset_picker_t *p, zset_t z, rand_t *rand) noexcept nogil:
    """Prepare for picks; the set must not change before zset_picker_free."""
    cdef uint8_t *lp
    cdef uint8_t *entry
    cdef size_t i = 0
    p.z = z
    p.rand = rand
    p.entries = NULL
    if z.enc == OBJ_ENC_LISTPACK:
        lp = <uint8_t *>z.ptr
        p.entries = <uint8_t **>zmalloc((zset_len(z) + 1) * sizeof(uint8_t *))
        entry = lp_first(lp)
        while entry != NULL:
            p.entries[i] = entry
            i += 1
            entry = lp_next(lp, lp_next(lp, entry))


cdef void zset_picker_free(zset_picker_t *p) noexcept nogil:
    """Free what picking took."""
    zfree(p.entries)


cdef void zset_pick_rank(
    zset_picker_t *p, size_t rank, zset_entry_t *entry_out
) noexcept nogil:
    """Return the member of a rank, which must exist."""
    cdef bpt_elem_t *e
    if p.entries != NULL:
        _entry_at(<uint8_t *>p.z.ptr, p.entries[rank], entry_out)
        return
    e = bpt_elem(bpt_at(&(<zset_tree_t *>p.z.ptr).tree, rank))
    entry_out.score = e.score
    entry_out.member = e.member
    entry_out.len = e.len


cdef void zset_pick(zset_picker_t *p, zset_entry_t *entry_out) noexcept nogil:
    """Return a random member."""
    zset_pick_rank(p, rand_below(p.rand, zset_len(p.z)), entry_out)


# --- Write ------------------------------------------------------------------------


cdef zset_added_t _new_score(
    double old, int flags, double *score
) noexcept nogil:
    """Decide on the score of a member that is there."""
    if flags & ZADD_NX:
        return ZSET_REFUSED
    if flags & ZADD_INCR:
        score[0] += old
        if isnan(score[0]):
            return ZSET_NAN
    if (flags & ZADD_LT and score[0] >= old) or (flags & ZADD_GT and score[0] <= old):
        return ZSET_REFUSED
    return ZSET_UNCHANGED if score[0] == old else ZSET_UPDATED


cdef bint _outgrows(
    const zset_t *z, const zset_limits_t *limits, size_t nbytes
) noexcept nogil:
    """Return whether a listpack has to become a tree to take a member."""
    return (zset_len(z[0]) + 1 > limits.entries or nbytes > limits.value
            or not lp_fits(<uint8_t *>z.ptr,
                           lp_entry_max(nbytes) + lp_entry_max(NUM_DOUBLE_BUF)))


cdef zset_added_t zset_add(
    zset_t *z, const zset_limits_t *limits, double score, const char *member,
    size_t nbytes, int flags, double *score_out
) noexcept nogil:
    """Add a member, or change its score; nbytes at most BPT_MEMBER_MAX."""
    cdef zset_added_t done
    cdef zset_tree_t *t
    cdef bpt_elem_t *e
    cdef uint64_t hash
    cdef ht_pos_t pos
    cdef uint8_t *p
    if z.enc == OBJ_ENC_LISTPACK:
        p = zlp_find(<uint8_t *>z.ptr, member, nbytes)
        if p != NULL:
            done = _new_score(zlp_score(lp_next(<uint8_t *>z.ptr, p)), flags, &score)
            if done == ZSET_UPDATED:
                z.ptr = lp_delete_many(<uint8_t *>z.ptr, p, 2, NULL)
                z.ptr = zlp_put(<uint8_t *>z.ptr, score, member, nbytes)
            if done <= ZSET_UPDATED:
                score_out[0] = score
            return done
        if flags & ZADD_XX:
            return ZSET_REFUSED
        if not _outgrows(z, limits, nbytes):
            z.ptr = zlp_put(<uint8_t *>z.ptr, score, member, nbytes)
            score_out[0] = score
            return ZSET_ADDED
        zset_to_tree(z)
    t = <zset_tree_t *>z.ptr
    hash = keyhash(member, nbytes)
    pos = ht_locate_by(t.members, zset_member_of, member, nbytes, hash)
    if pos.bucket != NULL:
        e = <bpt_elem_t *>ht_unpack(pos.bucket.ptrs[pos.index])
        done = _new_score(e.score, flags, &score)
        if done == ZSET_UPDATED:
            bpt_rescore(&t.tree, e, score)
        if done <= ZSET_UPDATED:
            score_out[0] = score
        return done
    if flags & ZADD_XX:
        return ZSET_REFUSED
    e = bpt_elem_new(score, member, nbytes)
    ht_insert(t.members, e, hash)
    bpt_insert(&t.tree, e)
    score_out[0] = score
    return ZSET_ADDED


cdef bint zset_remove(zset_t *z, const char *member, size_t nbytes) noexcept nogil:
    """Remove a member; the set may be empty then."""
    cdef zset_tree_t *t
    cdef bpt_elem_t *e
    cdef uint8_t *p
    cdef uint64_t hash
    cdef ht_pos_t pos
    if z.enc == OBJ_ENC_LISTPACK:
        p = zlp_find(<uint8_t *>z.ptr, member, nbytes)
        if p == NULL:
            return False
        z.ptr = lp_delete_many(<uint8_t *>z.ptr, p, 2, NULL)
        return True
    t = <zset_tree_t *>z.ptr
    hash = keyhash(member, nbytes)
    pos = ht_locate_by(t.members, zset_member_of, member, nbytes, hash)
    if pos.bucket == NULL:
        return False
    e = <bpt_elem_t *>ht_unpack(pos.bucket.ptrs[pos.index])
    ht_remove_at(t.members, pos, hash)
    bpt_remove(&t.tree, e)
    zfree(e)
    return True


cdef inline void _prefetch_next_pop(
    const zset_tree_t *t, bint is_first
) noexcept nogil:
    """Load the bucket of the member that is popped a few pops later.

    Its element is there already, by the iterator that read the one that goes now.
    """
    cdef const bpt_leaf_t *leaf = t.tree.first if is_first else t.tree.last
    cdef const bpt_elem_t *e
    if leaf.n <= POPS_AHEAD:
        return
    e = <const bpt_elem_t *>bpt_unpack(
        leaf.ptrs[POPS_AHEAD if is_first else leaf.n - 1 - POPS_AHEAD])
    ht_prefetch_bucket(t.members, keyhash(e.member, e.len))


cdef void zset_remove_ranks(zset_t *z, size_t first, size_t n) noexcept nogil:
    """Remove members by rank; O(n log n) in a tree."""
    cdef zset_tree_t *t
    cdef size_t _i
    if z.enc == OBJ_ENC_LISTPACK:
        z.ptr = lp_delete_range(<uint8_t *>z.ptr, 2 * <int64_t>first, 2 * n)
        return
    t = <zset_tree_t *>z.ptr
    if n == 1 and (first == 0 or first + 1 == t.tree.len):
        _prefetch_next_pop(t, first == 0)
    for _i in range(n):
        _tree_forget(t, bpt_remove_at(&t.tree, first))


# --- For keyspace/obj -------------------------------------------------------------


cdef void _free(int enc, void *value) noexcept nogil:
    if enc == OBJ_ENC_TREE:
        _tree_free(<zset_tree_t *>value)
    else:
        lp_free(<uint8_t *>value)


cdef void *_copy(int enc, const void *value) noexcept nogil:
    cdef const zset_tree_t *t = <const zset_tree_t *>value
    cdef zset_tree_t *made
    cdef const bpt_leaf_t *leaf
    cdef const bpt_elem_t *e
    cdef uint32_t i
    if enc == OBJ_ENC_LISTPACK:
        return lp_copy(<const uint8_t *>value)
    made = _tree_new()
    leaf = t.tree.first
    while leaf != NULL:
        for i in range(leaf.n):
            e = <const bpt_elem_t *>bpt_unpack(leaf.ptrs[i])
            _tree_append(made, e.score, e.member, e.len)
        leaf = leaf.next
    return made


cdef size_t _nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    """Return the bytes that a set takes; of the elements some are looked at, 0: all."""
    cdef const zset_tree_t *t = <const zset_tree_t *>value
    cdef const bpt_leaf_t *leaf
    cdef size_t seen = 0, total = 0
    cdef uint32_t i
    if enc == OBJ_ENC_LISTPACK:
        return zsize(value)
    leaf = t.tree.first
    while leaf != NULL and (samples == 0 or seen < samples):
        for i in range(leaf.n):
            total += zsize(bpt_unpack(leaf.ptrs[i]))
            seen += 1
            if seen == samples:
                break
        leaf = leaf.next
    if seen:
        total = <size_t>(<double>total / <double>seen * <double>t.tree.len)
    return zsize(t) + ht_nbytes(t.members) + bpt_nbytes(&t.tree) + total


cdef size_t _effort(int enc, const void *value) noexcept nogil:
    if enc == OBJ_ENC_LISTPACK:
        return 1
    return (<const zset_tree_t *>value).tree.len


cdef const char *_encoding(int enc, const void *value) noexcept nogil:
    return b"listpack" if enc == OBJ_ENC_LISTPACK else b"skiplist"


cdef bint _prefetch_border(const zset_tree_t *t, obj_lookup_t *l) noexcept nogil:
    """Load the leaf in which a range of scores begins, then its first elements."""
    cdef const char *s = l.member
    cdef size_t n = l.len
    if l.stage == 0:
        if n and s[0] == b"(":
            s += 1
            n -= 1
        if num_parse_double(s, n, &l.score) != C_OK:
            return False
        bpt_prefetch_score(&t.tree, l.score)
        return True
    bpt_prefetch_from(&t.tree, l.score)
    return False


cdef bint _prefetch_member(int enc, const void *value, obj_lookup_t *l) noexcept nogil:
    """Load a member's bucket, then its element, then its leaf; a listpack at once."""
    cdef const zset_tree_t *t = <const zset_tree_t *>value
    if enc != OBJ_ENC_TREE:
        ht_prefetch(value)
        return False
    if l.kind == LOOKUP_BORDER:
        return _prefetch_border(t, l)
    if l.stage == 0:
        l.hash = keyhash(l.member, l.len)
        ht_prefetch_bucket(t.members, l.hash)
        if l.kind == LOOKUP_SCORE and \
                num_parse_double(l.before, l.before_len, &l.score) == C_OK:
            bpt_prefetch_score(&t.tree, l.score)
        return True
    if l.stage == 1:
        l.entry = ht_guess(t.members, l.hash)
        if l.entry == NULL:
            return False
        ht_prefetch(l.entry)
        return l.kind != LOOKUP_MEMBER
    bpt_prefetch(&t.tree, <const bpt_elem_t *>l.entry)
    return False


cdef void _register() noexcept nogil:
    cdef obj_ops_t ops
    ops.free = _free
    ops.copy = _copy
    ops.nbytes = _nbytes
    ops.effort = _effort
    ops.encoding = _encoding
    obj_ops_set(OBJ_ZSET, &ops)
    obj_prefetch_set(OBJ_ZSET, _prefetch_member)


_register()


# --- Debug ------------------------------------------------------------------------


cdef void zset_check(zset_t z) noexcept nogil:
    """Walk every invariant."""
    cdef zset_iter_t it
    cdef zset_entry_t entry, before
    cdef zset_tree_t *t
    cdef bint is_first = True
    if z.enc == OBJ_ENC_TREE:
        t = <zset_tree_t *>z.ptr
        bpt_check(&t.tree)
        ht_check(t.members)
        fr_assert(t.members.used == t.tree.len)
    else:
        fr_assert(z.enc == OBJ_ENC_LISTPACK)
        fr_assert(lp_len(<uint8_t *>z.ptr) % 2 == 0)
    zset_seek(z, 0, False, &it)
    while zset_next(&it, &entry):
        if not is_first and before.score == entry.score:
            fr_assert(bpt_compare_bytes(
                before.member, before.len, entry.member, entry.len) < 0)
        elif not is_first:
            fr_assert(before.score < entry.score)
        if z.enc == OBJ_ENC_TREE:
            fr_assert(_tree_find(t, entry.member, entry.len) != NULL)
        before = entry
        if entry.member == entry.digits:
            before.member = before.digits
        is_first = False
