# SPDX-License-Identifier: BSD-3-Clause
"""Sorted sets: unique members, each with a score, in the order of the scores.

See t_zset.pyx. A zset_t is a handle, passed around by value; a function that changes
the set takes a pointer, since the set may move or change its encoding. If the set is a
key's value, zset_keep must follow before anything else looks at the key.
"""
from fastredis.core.rand cimport rand_t
from fastredis.ds.bptree cimport bpt_border_t, bpt_pos_t, bpt_t
from fastredis.ds.hashtable cimport ht_t
from fastredis.ds.listpack cimport LP_INT_BUF
from fastredis.keyspace.obj cimport (
    OBJ_ENC_LISTPACK,
    OBJ_ZSET,
    obj_enc,
    obj_pointer,
    obj_set_pointer,
    obj_t,
)
from libc.stdint cimport uint8_t, uint64_t

# Above either of them a set is a tree (zset-max-listpack-entries and -value).
cdef struct zset_limits_t:
    size_t entries
    size_t value                        # bytes of the longest member

cdef struct zset_t:
    int enc                             # OBJ_ENC_LISTPACK or OBJ_ENC_TREE
    void *ptr                           # the listpack, or a zset_tree_t

cdef struct zset_tree_t:
    ht_t *members                       # bpt_elem_t, by member; owns none
    bpt_t tree                          # the same ones in order; owns them

# One member, as an iterator returns it. The bytes are borrowed until the set changes,
# or lie in digits.
cdef struct zset_entry_t:
    double score
    const char *member
    size_t len
    char[LP_INT_BUF] digits

cdef struct zset_iter_t:
    uint8_t *lp                         # NULL: it is a tree
    uint8_t *p                          # the next member, or NULL
    bpt_pos_t pos                       # ... in a tree
    bint is_reverse

cdef enum:
    # what zset_add may do
    ZADD_INCR = 1                       # add to the score that is there
    ZADD_NX = 2                         # add new members only
    ZADD_XX = 4                         # change old members only
    ZADD_GT = 8                         # change only to a greater score
    ZADD_LT = 16                        # ... to a smaller one

# What zset_add has done.
cdef enum zset_added_t:
    ZSET_UNCHANGED = 0                  # the conditions held, but it is the same score
    ZSET_ADDED = 1
    ZSET_UPDATED = 2
    ZSET_REFUSED = 3                    # by a condition
    ZSET_NAN = 4                        # the sum would be none

ctypedef void (*zset_visit_fn)(
    void *ctx, const char *member, size_t nbytes, double score
) noexcept nogil

cdef inline zset_t zset_of(const obj_t *o) noexcept nogil:
    """Return the sorted set that is a key's value."""
    cdef zset_t z
    z.enc = obj_enc(o)
    z.ptr = obj_pointer(o)
    return z

cdef inline void zset_keep(obj_t *o, zset_t z) noexcept nogil:
    """Make a set, changed, the value of the key that it was taken from."""
    o.kind = <uint8_t>(OBJ_ZSET | z.enc << 4)
    obj_set_pointer(o, z.ptr)

# --- Create and free
# returned: empty, for n members of at most nbytes to come
cdef zset_t zset_new(
    const zset_limits_t *limits, size_t n, size_t nbytes
) noexcept nogil
cdef void zset_free(zset_t z) noexcept nogil
# returned: the n members from rank first on
cdef zset_t zset_slice(
    zset_t z, size_t first, size_t n, const zset_limits_t *limits
) noexcept nogil

# an element's member: the ht_key_fn of a table for zset_from_table
cdef const char *zset_member_of(const void *elem, size_t *len_out) noexcept nogil
# returned: of the elements of a table, both consumed; ptr NULL if there are none
cdef zset_t zset_from_table(ht_t *members, const zset_limits_t *limits) noexcept nogil

# --- Read
cdef size_t zset_len(zset_t z) noexcept nogil
# False: there is no such member
cdef bint zset_score(
    zset_t z, const char *member, size_t nbytes, double *score_out
) noexcept nogil
cdef bint zset_rank(
    zset_t z, const char *member, size_t nbytes, size_t *rank_out, double *score_out
) noexcept nogil
# how many members are below a border (ds/bptree.pxd)
cdef size_t zset_count_below(
    zset_t z, bpt_border_t border, double score, const char *member, size_t nbytes
) noexcept nogil
# walk from a rank on, upwards or downwards
cdef void zset_seek(
    zset_t z, size_t rank, bint is_reverse, zset_iter_t *it
) noexcept nogil
# False at the end
cdef bint zset_next(zset_iter_t *it, zset_entry_t *entry_out) noexcept nogil
# Is the set one block, so that any step of a scan is the whole of it?
cdef inline bint zset_is_compact(zset_t z) noexcept nogil:
    return z.enc == OBJ_ENC_LISTPACK

# one step of a scan; the bytes are borrowed only for the visit if the set is compact.
# Returns the next cursor, 0 at the end
cdef uint64_t zset_scan(
    zset_t z, uint64_t cursor, zset_visit_fn visit, void *ctx
) noexcept nogil

# --- Pick members at random, each as likely as any other
cdef struct zset_picker_t:
    zset_t z
    rand_t *rand
    uint8_t **entries                   # of a listpack, by rank; else NULL

cdef void zset_picker_init(zset_picker_t *p, zset_t z, rand_t *rand) noexcept nogil
cdef void zset_picker_free(zset_picker_t *p) noexcept nogil
# a member of a set that is not empty
cdef void zset_pick(zset_picker_t *p, zset_entry_t *entry_out) noexcept nogil
cdef void zset_pick_rank(
    zset_picker_t *p, size_t rank, zset_entry_t *entry_out
) noexcept nogil

# --- Write
# score_out: the member's score afterwards; as it is if nothing was done
cdef zset_added_t zset_add(
    zset_t *z, const zset_limits_t *limits, double score, const char *member,
    size_t nbytes, int flags, double *score_out
) noexcept nogil
# True: it was there
cdef bint zset_remove(zset_t *z, const char *member, size_t nbytes) noexcept nogil
# the n members from rank first on, which are there
cdef void zset_remove_ranks(zset_t *z, size_t first, size_t n) noexcept nogil
# make the set a tree
cdef void zset_to_tree(zset_t *z) noexcept nogil
# make a tree a listpack if it is small enough
cdef void zset_fit(zset_t *z, const zset_limits_t *limits) noexcept nogil

# walk every invariant; ends the process on a violation
cdef void zset_check(zset_t z) noexcept nogil
