# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of ds.bptree: a tree that owns its elements."""
from cython cimport final
from fastredis.core.mem cimport zfree
from fastredis.ds.bptree cimport (
    BPT_AFTER_MEMBER,
    BPT_AFTER_SCORE,
    BPT_AT_ELEMENT,
    BPT_BEFORE_MEMBER,
    BPT_BEFORE_SCORE,
    BPT_LEAF_CAP,
    bpt_append,
    bpt_at,
    bpt_border_t,
    bpt_check,
    bpt_clear,
    bpt_count_below,
    bpt_elem,
    bpt_elem_new,
    bpt_elem_t,
    bpt_init,
    bpt_insert,
    bpt_nbytes,
    bpt_next,
    bpt_pos_t,
    bpt_prev,
    bpt_rank,
    bpt_remove,
    bpt_remove_at,
    bpt_rescore,
    bpt_t,
)
from libc.stdint cimport uintptr_t

LEAF_CAP = <int>BPT_LEAF_CAP
AT_ELEMENT = <int>BPT_AT_ELEMENT
BEFORE_SCORE = <int>BPT_BEFORE_SCORE
AFTER_SCORE = <int>BPT_AFTER_SCORE
BEFORE_MEMBER = <int>BPT_BEFORE_MEMBER
AFTER_MEMBER = <int>BPT_AFTER_MEMBER


@final
cdef class Tree:
    """A tree of (score, member); elements are found by the number insert returned."""
    cdef bpt_t t

    def __cinit__(self):
        bpt_init(&self.t)

    def __dealloc__(self):
        cdef bpt_pos_t pos = bpt_at(&self.t, 0)
        while pos.leaf != NULL:
            zfree(bpt_elem(pos))
            bpt_next(&pos)
        bpt_clear(&self.t)

    def __len__(self):
        return self.t.len

    @property
    def height(self):
        """The number of inner nodes above each leaf."""
        return self.t.height

    @property
    def nleaves(self):
        """The number of leaves."""
        return self.t.nleaves

    def nbytes(self):
        """Return the bytes of all nodes."""
        return bpt_nbytes(&self.t)

    def insert(self, double score, bytes member):
        """Put an element in and return its handle."""
        cdef bpt_elem_t *e = bpt_elem_new(score, member, len(member))
        bpt_insert(&self.t, e)
        return <uintptr_t>e

    def append(self, double score, bytes member):
        """Put an element behind all others and return its handle."""
        cdef bpt_elem_t *e = bpt_elem_new(score, member, len(member))
        bpt_append(&self.t, e)
        return <uintptr_t>e

    def remove(self, uintptr_t handle):
        """Take an element out."""
        cdef bpt_elem_t *e = <bpt_elem_t *>handle
        bpt_remove(&self.t, e)
        zfree(e)

    def remove_at(self, size_t rank):
        """Take the element of a rank out and return its score and member."""
        cdef bpt_elem_t *e = bpt_remove_at(&self.t, rank)
        found = (e.score, e.member[:e.len])
        zfree(e)
        return found

    def rescore(self, uintptr_t handle, double score):
        """Give an element another score."""
        bpt_rescore(&self.t, <bpt_elem_t *>handle, score)

    def rank(self, uintptr_t handle):
        """Return an element's rank."""
        return bpt_rank(&self.t, <bpt_elem_t *>handle)

    def count_below(self, int border, double score=0, bytes member=b""):
        """Return how many elements are below a border."""
        return bpt_count_below(
            &self.t, <bpt_border_t>border, score, member, len(member))

    def at(self, size_t rank):
        """Return score and member of a rank, or None."""
        cdef bpt_pos_t pos = bpt_at(&self.t, rank)
        if pos.leaf == NULL:
            return None
        return bpt_elem(pos).score, bpt_elem(pos).member[:bpt_elem(pos).len]

    def items(self, bint is_reverse=False):
        """Return all scores and members."""
        cdef bpt_pos_t pos
        cdef bpt_elem_t *e
        found = []
        if self.t.len == 0:
            return found
        pos = bpt_at(&self.t, self.t.len - 1 if is_reverse else 0)
        while pos.leaf != NULL:
            e = bpt_elem(pos)
            found.append((e.score, e.member[:e.len]))
            if is_reverse:
                bpt_prev(&pos)
            else:
                bpt_next(&pos)
        return found

    def check(self):
        """Walk every invariant; ends the process on a violation."""
        bpt_check(&self.t)
