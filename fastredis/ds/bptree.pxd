# SPDX-License-Identifier: BSD-3-Clause
"""B+ tree of scored members, ordered by score and then by bytes. See bptree.pyx.

The tree owns no element: who puts one in frees it after taking it out. Elements are
pointers below 2**48, and no two in a tree have the same member. Scores are never NaN.
A position is valid until the tree changes.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    BPT_LEAF_CAP = 100
    BPT_INNER_CAP = 64
    BPT_MEMBER_MAX = 0xFFFFFFFF         # bytes of a member

# One member: an allocation of core.mem, shared with the hash table beside the tree.
cdef packed struct bpt_elem_t:
    double score
    uint32_t len
    char member[1]                      # len bytes

# 1024 bytes. Entry i has the upper half of its score's order key, and its pointer.
cdef struct bpt_leaf_t:
    bpt_leaf_t *prev
    bpt_leaf_t *next
    uint32_t n
    uint32_t prefixes[BPT_LEAF_CAP]
    uint8_t ptrs[BPT_LEAF_CAP][6]

cdef struct bpt_t:
    void *root                          # a leaf if height is 0; never NULL
    bpt_leaf_t *first
    bpt_leaf_t *last
    size_t len                          # elements
    size_t nleaves
    size_t ninner
    int height                          # inner nodes above each leaf

cdef struct bpt_pos_t:
    bpt_leaf_t *leaf                    # NULL: there is no such element
    uint32_t index

# A border between elements: some are below it, all others are not.
cdef enum bpt_border_t:
    BPT_AT_ELEMENT = 0                  # below: less than (score, member)
    BPT_BEFORE_SCORE = 1                # below: score less than this
    BPT_AFTER_SCORE = 2                 # ... not greater than this
    BPT_BEFORE_MEMBER = 3               # below: member less than this; scores are equal
    BPT_AFTER_MEMBER = 4                # ... not greater than this

# returned: an element that is in no tree
cdef bpt_elem_t *bpt_elem_new(
    double score, const char *member, size_t nbytes
) noexcept nogil
# negative, 0, positive: as memcmp, a prefix of the other comes first
cdef int bpt_compare_bytes(
    const char *a, size_t alen, const char *b, size_t blen
) noexcept nogil

cdef void bpt_init(bpt_t *t) noexcept nogil
# frees the nodes, not the elements
cdef void bpt_clear(bpt_t *t) noexcept nogil

# --- Read. Ranks count from 0.
# how many elements are below a border; member may be NULL where it does not matter
cdef size_t bpt_count_below(
    const bpt_t *t, bpt_border_t border, double score, const char *member, size_t nbytes
) noexcept nogil
# e: in the tree
cdef size_t bpt_rank(const bpt_t *t, const bpt_elem_t *e) noexcept nogil
# have the leaf loaded in which e is, or in which a score begins
cdef void bpt_prefetch(const bpt_t *t, const bpt_elem_t *e) noexcept nogil
cdef void bpt_prefetch_score(const bpt_t *t, double score) noexcept nogil
# have the first elements loaded that have at least this score
cdef void bpt_prefetch_from(const bpt_t *t, double score) noexcept nogil
# leaf NULL if rank is not below t.len
cdef bpt_pos_t bpt_at(const bpt_t *t, size_t rank) noexcept nogil

# --- Write
cdef void bpt_insert(bpt_t *t, bpt_elem_t *e) noexcept nogil
# e is greater than all that are in the tree: fills the leaves completely
cdef void bpt_append(bpt_t *t, bpt_elem_t *e) noexcept nogil
# take e out
cdef void bpt_remove(bpt_t *t, bpt_elem_t *e) noexcept nogil
# take out, and return, the element of a rank below t.len
cdef bpt_elem_t *bpt_remove_at(bpt_t *t, size_t rank) noexcept nogil
# give e another score and its new place
cdef void bpt_rescore(bpt_t *t, bpt_elem_t *e, double score) noexcept nogil

cdef size_t bpt_nbytes(const bpt_t *t) noexcept nogil
# walk every invariant; ends the process on a violation
cdef void bpt_check(const bpt_t *t) noexcept nogil

cdef extern from *:
    """
    #ifndef FASTREDIS_BPT_H
    #define FASTREDIS_BPT_H
    #include <stdint.h>
    #include <string.h>
    #define bpt_prefetch_line(p) __builtin_prefetch(p)
    static inline void *bpt_unpack(const uint8_t *p) {
        uint64_t v = 0;
        memcpy(&v, p, 6);
        return (void *)(uintptr_t)v;
    }
    static inline void bpt_pack(uint8_t *p, const void *e) {
        uint64_t v = (uint64_t)(uintptr_t)e;
        memcpy(p, &v, 6);
    }
    /* a number that is ordered as the scores are; -0 is 0 */
    static inline uint64_t bpt_key(double score) {
        uint64_t v;
        score += 0.0;
        memcpy(&v, &score, 8);
        return v >> 63 ? ~v : v | 0x8000000000000000ULL;
    }
    #endif
    """
    void bpt_prefetch_line(const void *p) noexcept nogil
    void *bpt_unpack(const uint8_t *p) noexcept nogil
    void bpt_pack(uint8_t *p, const void *e) noexcept nogil
    uint64_t bpt_key(double score) noexcept nogil

cdef inline bpt_elem_t *bpt_elem(bpt_pos_t pos) noexcept nogil:
    """Return the element at a position."""
    return <bpt_elem_t *>bpt_unpack(pos.leaf.ptrs[pos.index])

cdef inline bint bpt_next(bpt_pos_t *pos) noexcept nogil:
    """Move on to the next greater element; False, and leaf NULL, at the end."""
    pos.index += 1
    if pos.index < pos.leaf.n:
        return True
    pos.leaf = pos.leaf.next
    pos.index = 0
    return pos.leaf != NULL

cdef inline bint bpt_prev(bpt_pos_t *pos) noexcept nogil:
    """Move on to the next smaller element; False, and leaf NULL, at the end."""
    if pos.index:
        pos.index -= 1
        return True
    pos.leaf = pos.leaf.prev
    if pos.leaf == NULL:
        return False
    pos.index = pos.leaf.n - 1
    return True
