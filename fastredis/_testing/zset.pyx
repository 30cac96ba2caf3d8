# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of datatypes.t_zset: a sorted set that is no key's value."""
from cython cimport final
from fastredis.core.rand cimport rand_t
from fastredis.datatypes.t_zset cimport (
    ZADD_GT,
    ZADD_INCR,
    ZADD_LT,
    ZADD_NX,
    ZADD_XX,
    ZSET_ADDED,
    ZSET_NAN,
    ZSET_REFUSED,
    ZSET_UNCHANGED,
    ZSET_UPDATED,
    zset_add,
    zset_check,
    zset_count_below,
    zset_entry_t,
    zset_fit,
    zset_free,
    zset_is_compact,
    zset_iter_t,
    zset_len,
    zset_limits_t,
    zset_new,
    zset_next,
    zset_pick,
    zset_picker_free,
    zset_picker_init,
    zset_picker_t,
    zset_rank,
    zset_remove,
    zset_remove_ranks,
    zset_scan,
    zset_score,
    zset_seek,
    zset_slice,
    zset_t,
    zset_to_tree,
)
from fastredis.ds.bptree cimport bpt_border_t
from fastredis.keyspace.obj cimport (
    OBJ_NO_EXPIRE,
    OBJ_ZSET,
    obj_copy,
    obj_effort,
    obj_encoding_name,
    obj_free,
    obj_nbytes,
    obj_new_pointer,
    obj_pointer,
    obj_set_pointer,
    obj_t,
)
from libc.stdint cimport uint64_t

INCR = <int>ZADD_INCR
NX = <int>ZADD_NX
XX = <int>ZADD_XX
GT = <int>ZADD_GT
LT = <int>ZADD_LT
UNCHANGED = <int>ZSET_UNCHANGED
ADDED = <int>ZSET_ADDED
UPDATED = <int>ZSET_UPDATED
REFUSED = <int>ZSET_REFUSED
NAN = <int>ZSET_NAN


cdef void _collect(
    void *ctx, const char *member, size_t nbytes, double score
) noexcept nogil:
    with gil:
        (<list>ctx).append((member[:nbytes], score))


@final
cdef class SortedSet:
    """A sorted set with its limits."""
    cdef zset_t z
    cdef zset_limits_t limits
    cdef rand_t rand

    def __cinit__(self, size_t entries=128, size_t value=64, uint64_t seed=1):
        self.limits.entries = entries
        self.limits.value = value
        self.rand.state = seed
        self.z = zset_new(&self.limits, 0, 0)

    def __dealloc__(self):
        zset_free(self.z)

    def __len__(self):
        return zset_len(self.z)

    @property
    def is_compact(self):
        """Whether it is a listpack."""
        return zset_is_compact(self.z)

    def add(self, double score, bytes member, int flags=0):
        """Add a member; return what was done, and the score afterwards or None."""
        cdef double after = 0
        cdef int done = zset_add(
            &self.z, &self.limits, score, member, len(member), flags, &after)
        return done, after if done <= ZSET_UPDATED else None

    def remove(self, bytes member):
        """Remove a member; return whether it was there."""
        return zset_remove(&self.z, member, len(member))

    def remove_ranks(self, size_t first, size_t n):
        """Remove n members from a rank on."""
        zset_remove_ranks(&self.z, first, n)

    def score(self, bytes member):
        """Return a member's score, or None."""
        cdef double score
        if zset_score(self.z, member, len(member), &score):
            return score
        return None

    def rank(self, bytes member):
        """Return a member's rank and score, or None."""
        cdef double score
        cdef size_t rank
        if zset_rank(self.z, member, len(member), &rank, &score):
            return rank, score
        return None

    def count_below(self, int border, double score=0, bytes member=b""):
        """Return how many members are below a border."""
        return zset_count_below(
            self.z, <bpt_border_t>border, score, member, len(member))

    def items(self, rank=None, bint is_reverse=False):
        """Return members and scores from a rank on."""
        cdef zset_iter_t it
        cdef zset_entry_t entry
        cdef size_t start
        if rank is None:
            start = zset_len(self.z) - 1 if is_reverse and zset_len(self.z) else 0
        else:
            start = rank
        found = []
        zset_seek(self.z, start, is_reverse, &it)
        while zset_next(&it, &entry):
            found.append((entry.member[:entry.len], entry.score))
        return found

    def scan(self, uint64_t cursor):
        """Return the next cursor and what one step of a scan meets."""
        found = []
        cursor = zset_scan(self.z, cursor, _collect, <void *>found)
        return cursor, found

    def pick_counts(self, int n):
        """Return how often each member came in n picks."""
        cdef zset_picker_t picker
        cdef zset_entry_t entry
        cdef int _i
        counts = {}
        zset_picker_init(&picker, self.z, &self.rand)
        for _i in range(n):
            zset_pick(&picker, &entry)
            member = entry.member[:entry.len]
            counts[member] = counts.get(member, 0) + 1
        zset_picker_free(&picker)
        return counts

    def slice(self, size_t first, size_t n):
        """Return a new set of n members from a rank on."""
        cdef SortedSet made = SortedSet(self.limits.entries, self.limits.value)
        zset_free(made.z)
        made.z = zset_slice(self.z, first, n, &self.limits)
        return made

    def to_tree(self):
        """Make it a tree."""
        zset_to_tree(&self.z)

    def fit(self):
        """Make it a listpack if the limits allow."""
        zset_fit(&self.z, &self.limits)

    def as_object(self):
        """Return encoding, bytes and effort that a key with this set has, and a copy.

        The set becomes the key's for as long as that takes.
        """
        cdef obj_t *o = obj_new_pointer(
            b"k", 1, OBJ_ZSET, self.z.enc, self.z.ptr, OBJ_NO_EXPIRE)
        cdef obj_t *copy = obj_copy(o, b"c", 1, OBJ_NO_EXPIRE)
        cdef SortedSet made = SortedSet(self.limits.entries, self.limits.value)
        found = (obj_encoding_name(o), obj_nbytes(o, 0), obj_effort(o), made)
        zset_free(made.z)
        made.z.enc = copy.kind >> 4
        made.z.ptr = _taken(copy)
        _taken(o)
        return found

    def check(self):
        """Walk every invariant; ends the process on a violation."""
        zset_check(self.z)


cdef void *_taken(obj_t *o) noexcept nogil:
    """Free an object but not its value, which is returned."""
    cdef zset_limits_t limits
    cdef void *value = obj_pointer(o)
    cdef zset_t empty
    limits.entries = 1
    limits.value = 1
    empty = zset_new(&limits, 0, 0)
    o.kind = <unsigned char>(OBJ_ZSET | empty.enc << 4)
    obj_set_pointer(o, empty.ptr)
    obj_free(o)
    return value
