# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of ds.streamindex: values are numbers above 0."""
from cython cimport final
from fastredis.ds.streamindex cimport (
    sid_t,
    sidx_at,
    sidx_check,
    sidx_clear,
    sidx_find,
    sidx_first,
    sidx_init,
    sidx_insert,
    sidx_last,
    sidx_nbytes,
    sidx_next,
    sidx_pos_t,
    sidx_prev,
    sidx_remove,
    sidx_seek,
    sidx_seek_back,
    sidx_t,
)
from libc.stdint cimport uint64_t, uintptr_t

LEAF_CAP = 41       # as in streamindex.pyx


cdef inline sid_t _id(uint64_t ms, uint64_t seq) noexcept:
    cdef sid_t id
    id.ms = ms
    id.seq = seq
    return id


@final
cdef class Index:
    """An index that owns nothing but itself."""
    cdef sidx_t t

    def __cinit__(self):
        sidx_init(&self.t)

    def __dealloc__(self):
        sidx_clear(&self.t, NULL)

    def __len__(self):
        return self.t.len

    def insert(self, uint64_t ms, uint64_t seq, uintptr_t value):
        """Add an id; False if it is there."""
        return sidx_insert(&self.t, _id(ms, seq), <void *>value)

    def remove(self, uint64_t ms, uint64_t seq):
        """Remove an id and return its value."""
        cdef void *value = sidx_remove(&self.t, _id(ms, seq))
        return None if value == NULL else <uintptr_t>value

    def find(self, uint64_t ms, uint64_t seq):
        """Return the value of an id."""
        cdef void *value = sidx_find(&self.t, _id(ms, seq))
        return None if value == NULL else <uintptr_t>value

    def at_or_after(self, uint64_t ms, uint64_t seq):
        """Return the first id from this one on."""
        cdef sidx_pos_t pos
        if not sidx_seek(&self.t, _id(ms, seq), &pos):
            return None
        return sidx_at(&pos).id.ms, sidx_at(&pos).id.seq

    def at_or_before(self, uint64_t ms, uint64_t seq):
        """Return the last id up to this one."""
        cdef sidx_pos_t pos
        if not sidx_seek_back(&self.t, _id(ms, seq), &pos):
            return None
        return sidx_at(&pos).id.ms, sidx_at(&pos).id.seq

    def items(self):
        """Return all (ms, seq, value), in their order."""
        cdef sidx_pos_t pos
        cdef bint more = sidx_first(&self.t, &pos)
        found = []
        while more:
            found.append((
                sidx_at(&pos).id.ms, sidx_at(&pos).id.seq,
                <uintptr_t>sidx_at(&pos).value))
            more = sidx_next(&pos)
        return found

    def items_back(self):
        """Return all, the last first."""
        cdef sidx_pos_t pos
        cdef bint more = sidx_last(&self.t, &pos)
        found = []
        while more:
            found.append((
                sidx_at(&pos).id.ms, sidx_at(&pos).id.seq,
                <uintptr_t>sidx_at(&pos).value))
            more = sidx_prev(&pos)
        return found

    def clear(self):
        """Remove everything."""
        sidx_clear(&self.t, NULL)

    def nbytes(self):
        """Return the bytes of its nodes."""
        return sidx_nbytes(&self.t)

    def check(self):
        """Abort unless the invariants hold."""
        sidx_check(&self.t)
