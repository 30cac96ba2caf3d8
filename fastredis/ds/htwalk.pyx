# SPDX-License-Identifier: BSD-3-Clause
r"""A walk through a large hash table in the order of memory.

    buckets, in turn      e7 e2 e9 | e1 | e5 e3 | ...      131072 entries at a time
    sorted by page        page 1: e3 e1 e7   page 2: e9 e2 ...
    visited               each page's entries after each other

Entries lie in memory where the allocator put them, which has nothing to do with their
hash. To visit them as buckets name them is to miss the processor's table of pages at
nearly each, and prefetching does not help: it is the prefetch that waits then, on a
virtual machine for long. Sorted, a page is looked up once for all of its entries in the
window.

Measured with a million strings of 16 bytes, as CPU time of SAVE: 118 ms in the order of
buckets, prefetching; 70 ms with this.

Cost: O(n), about 10 ns an entry beyond the visit; 2 MB while it lasts, without which
(memory is short, the table is small) it is ht_walk.

Threads: the one that owns the table, or a forked child of it.
"""
from fastredis.core.mem cimport zfree, ztrymalloc
from fastredis.ds.hashtable cimport (
    HT_BUCKET_ENTRIES,
    ht_bucket_t,
    ht_main_bucket,
    ht_prefetch,
    ht_unpack,
    ht_walk,
)
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memset

cdef enum:
    SMALL = 8192                # entries: their pages are all known at once
    WINDOW = 1 << 17            # entries that are sorted at a time
    RADIX_BITS = 11
    RADIX = 1 << RADIX_BITS
    PAGE_BITS = 12
    AHEAD = 16                  # entries that are prefetched before their visit
    ENTRY_REACH = 40            # bytes of an entry that a visit looks at, mostly

cdef struct window_t:
    uint64_t *entries           # their addresses
    uint64_t *other             # room for as many
    size_t len
    ht_visit_fn visit
    void *ctx


cdef void _sort_digit(window_t *w, uint64_t least, int shift) noexcept nogil:
    """Sort by one digit of the page's number, counted from least; stable."""
    cdef uint32_t starts[RADIX]
    cdef uint64_t *swap
    cdef uint32_t total = 0, n
    cdef size_t i, nstarts = RADIX
    memset(starts, 0, sizeof(starts))
    for i in range(w.len):
        starts[(w.entries[i] - least) >> shift & (RADIX - 1)] += 1
    for i in range(nstarts):
        n = starts[i]
        starts[i] = total
        total += n
    for i in range(w.len):
        n = <uint32_t>((w.entries[i] - least) >> shift & (RADIX - 1))
        w.other[starts[n]] = w.entries[i]
        starts[n] += 1
    swap = w.entries
    w.entries = w.other
    w.other = swap


cdef void _visit_window(window_t *w) noexcept nogil:
    """Sort and visit what has been collected."""
    cdef uint64_t least = <uint64_t>-1, most = 0
    cdef int shift = PAGE_BITS
    cdef size_t i
    for i in range(w.len):
        least = min(least, w.entries[i])
        most = max(most, w.entries[i])
    while w.len and (most - least) >> shift:
        _sort_digit(w, least, shift)
        shift += RADIX_BITS
    for i in range(w.len):
        if i + AHEAD < w.len:
            ht_prefetch(<void *>w.entries[i + AHEAD])
            ht_prefetch(<char *>w.entries[i + AHEAD] + ENTRY_REACH)
        w.visit(w.ctx, <void *>w.entries[i])
    w.len = 0


cdef void ht_walk_near(const ht_t *t, ht_visit_fn visit, void *ctx) noexcept nogil:
    """Visit every entry."""
    cdef uint64_t *room = NULL
    cdef const ht_bucket_t *b
    cdef window_t w
    cdef size_t i
    cdef int j, last
    if t.used >= SMALL:
        room = <uint64_t *>ztrymalloc(2 * WINDOW * sizeof(uint64_t))
    if room == NULL:
        ht_walk(t, visit, ctx)
        return
    w.entries = room
    w.other = room + WINDOW
    w.len = 0
    w.visit = visit
    w.ctx = ctx
    for i in range(t.nbuckets):
        b = ht_main_bucket(t, i)
        while b != NULL:
            if w.len + HT_BUCKET_ENTRIES > WINDOW:
                _visit_window(&w)
            last = HT_BUCKET_ENTRIES - 1 if b.is_chained else HT_BUCKET_ENTRIES
            for j in range(last):
                if b.tags[j]:
                    w.entries[w.len] = <uint64_t>ht_unpack(b.ptrs[j])
                    w.len += 1
            if not b.is_chained:
                break
            b = <const ht_bucket_t *>ht_unpack(b.ptrs[HT_BUCKET_ENTRIES - 1])
    _visit_window(&w)
    zfree(room)
