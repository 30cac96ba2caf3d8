# SPDX-License-Identifier: BSD-3-Clause
"""Map from 128-bit ids, in their order, to pointers. See streamindex.pyx."""
from libc.stdint cimport uint16_t, uint64_t

# The id of a stream's entry: milliseconds, and a number within them.
cdef struct sid_t:
    uint64_t ms
    uint64_t seq

cdef struct sidx_entry_t:
    sid_t id
    void *value

cdef struct sidx_leaf_t:
    uint16_t n
    uint16_t cap
    sidx_leaf_t *prev
    sidx_leaf_t *next
    sidx_entry_t entries[1]     # cap of them

cdef struct sidx_t:
    void *root                  # a leaf when height is 0; NULL: empty
    sidx_leaf_t *first
    sidx_leaf_t *last
    size_t len
    int height                  # levels above the leaves

# A place; valid until the index changes.
cdef struct sidx_pos_t:
    sidx_leaf_t *leaf           # NULL: past the end
    unsigned int i

ctypedef void (*sidx_free_fn)(void *value) noexcept nogil

cdef void sidx_init(sidx_t *t) noexcept nogil
# free_value may be NULL; the index is empty afterwards
cdef void sidx_clear(sidx_t *t, sidx_free_fn free_value) noexcept nogil
# False: the id is there already, and nothing has changed
cdef bint sidx_insert(sidx_t *t, sid_t id, void *value) noexcept nogil
# the value that was removed; NULL: none
cdef void *sidx_remove(sidx_t *t, sid_t id) noexcept nogil
# the value; NULL: none
cdef void *sidx_find(const sidx_t *t, sid_t id) noexcept nogil
# the first entry at or behind an id; False: none
cdef bint sidx_seek(const sidx_t *t, sid_t id, sidx_pos_t *pos_out) noexcept nogil
# the last entry at or before an id; False: none
cdef bint sidx_seek_back(const sidx_t *t, sid_t id, sidx_pos_t *pos_out) noexcept nogil
cdef size_t sidx_nbytes(const sidx_t *t) noexcept nogil
# abort unless every invariant holds
cdef void sidx_check(const sidx_t *t) noexcept nogil


cdef inline int sid_cmp(sid_t a, sid_t b) noexcept nogil:
    """Return -1, 0 or 1."""
    if a.ms != b.ms:
        return -1 if a.ms < b.ms else 1
    if a.seq != b.seq:
        return -1 if a.seq < b.seq else 1
    return 0


cdef inline bint sidx_first(const sidx_t *t, sidx_pos_t *pos) noexcept nogil:
    """Go to the smallest id; False: the index is empty."""
    pos.leaf = t.first
    pos.i = 0
    return pos.leaf != NULL


cdef inline bint sidx_last(const sidx_t *t, sidx_pos_t *pos) noexcept nogil:
    """Go to the greatest id; False: the index is empty."""
    pos.leaf = t.last
    if pos.leaf == NULL:
        return False
    pos.i = pos.leaf.n - 1
    return True


cdef inline bint sidx_next(sidx_pos_t *pos) noexcept nogil:
    """Go on; False: that was the last."""
    pos.i += 1
    if pos.i < pos.leaf.n:
        return True
    pos.leaf = pos.leaf.next
    pos.i = 0
    return pos.leaf != NULL


cdef inline bint sidx_prev(sidx_pos_t *pos) noexcept nogil:
    """Go back; False: that was the first."""
    if pos.i:
        pos.i -= 1
        return True
    pos.leaf = pos.leaf.prev
    if pos.leaf == NULL:
        return False
    pos.i = pos.leaf.n - 1
    return True


cdef inline sidx_entry_t *sidx_at(const sidx_pos_t *pos) noexcept nogil:
    """Return the entry at a place; its value may be replaced."""
    return &pos.leaf.entries[pos.i]
