# SPDX-License-Identifier: BSD-3-Clause
r"""What SORT sorts: copies of values, each with a score or a text to go by.

    items  | score, value, weight | score, value, weight | ...      moved by the sort
               |       |
    bytes  | value|value|weight|...                                  never moved

The values are copied, since looking weights up may change the keyspace (keys expire),
and since elements of compressed lists exist only while an iterator is at them.

Items are sorted by merging, which is stable: the result does not depend on chance where
weights are equal. Scores that are equal are told apart by the values, as in Redis.

Cost: O(n log n) comparisons, memory for the items twice.
Threads: the one that owns the batch.
"""
from fastredis.core.mem cimport zcalloc, zfree, zmalloc, zrealloc
from libc.string cimport memcmp, memcpy

cdef enum:
    ITEMS_MIN = 16
    BYTES_MIN = 256
    RUN_LEN = 8                 # sorted by insertion before runs are merged


cdef sort_batch_t *sort_new() noexcept nogil:
    """Return an empty batch."""
    return <sort_batch_t *>zcalloc(sizeof(sort_batch_t))


cdef void sort_free(sort_batch_t *b) noexcept nogil:
    """Free the batch with its copies."""
    if b == NULL:
        return
    zfree(b.items)
    zfree(b.bytes)
    zfree(b)


cdef size_t _keep(sort_batch_t *b, const char *s, size_t nbytes) noexcept nogil:
    """Copy bytes into the batch; return where they are."""
    cdef size_t at = b.nbytes
    if nbytes > b.cap_bytes - at:
        b.cap_bytes = max((at + nbytes) * 2, <size_t>BYTES_MIN)
        b.bytes = <char *>zrealloc(b.bytes, b.cap_bytes)
    if nbytes:
        memcpy(b.bytes + at, s, nbytes)
        b.nbytes += nbytes
    return at


cdef void sort_add(sort_batch_t *b, const char *s, size_t nbytes) noexcept nogil:
    """Add a value."""
    cdef sort_item_t *item
    if b.count == b.cap:
        b.cap = max(b.cap * 2, <size_t>ITEMS_MIN)
        b.items = <sort_item_t *>zrealloc(b.items, b.cap * sizeof(sort_item_t))
    item = &b.items[b.count]
    item.score = 0
    item.value_at = _keep(b, s, nbytes)
    item.value_len = nbytes
    item.weight_at = 0
    item.weight_len = 0
    item.has_weight = False
    b.count += 1


cdef void sort_set_weight(
    sort_batch_t *b, size_t i, const char *s, size_t nbytes
) noexcept nogil:
    """Give an item a text to go by."""
    b.items[i].weight_at = _keep(b, s, nbytes)
    b.items[i].weight_len = nbytes
    b.items[i].has_weight = True


cdef sort_text_t sort_value(const sort_batch_t *b, size_t i) noexcept nogil:
    """Return an item's value, borrowed."""
    cdef sort_text_t text
    text.ptr = b.bytes + b.items[i].value_at
    text.len = b.items[i].value_len
    return text


# --- Sort -------------------------------------------------------------------------


cdef inline int _compare_bytes(
    const char *a, size_t na, const char *b, size_t nb
) noexcept nogil:
    cdef int found = memcmp(a, b, min(na, nb))
    if found:
        return found
    return (na > nb) - (na < nb)


cdef int _compare(
    const char *bytes, const sort_item_t *a, const sort_item_t *b, uint32_t how
) noexcept nogil:
    """Compare two items, ascending."""
    if how & SORT_BY_WEIGHT and how & SORT_ALPHA:
        if not a.has_weight or not b.has_weight:
            return a.has_weight - b.has_weight
        return _compare_bytes(
            bytes + a.weight_at, a.weight_len, bytes + b.weight_at, b.weight_len)
    if not how & SORT_ALPHA:
        if a.score != b.score:
            return 1 if a.score > b.score else -1
    return _compare_bytes(
        bytes + a.value_at, a.value_len, bytes + b.value_at, b.value_len)


cdef inline bint _is_after(
    const char *bytes, const sort_item_t *a, const sort_item_t *b, uint32_t how
) noexcept nogil:
    """Return whether a, which came first, must come after b."""
    cdef int found = _compare(bytes, a, b, how)
    return found < 0 if how & SORT_DESC else found > 0


cdef void sort_run(sort_batch_t *b, uint32_t how) noexcept nogil:
    """Sort the items: short runs by insertion, then merged pairwise."""
    cdef sort_item_t *src = b.items
    cdef sort_item_t *dst
    cdef sort_item_t held
    cdef size_t n = b.count, start, i, j, width, mid, end, out
    if n < 2:
        return
    start = 0
    while start < n:
        end = min(start + RUN_LEN, n)
        for i in range(start + 1, end):
            held = src[i]
            j = i
            while j > start and _is_after(b.bytes, &src[j - 1], &held, how):
                src[j] = src[j - 1]
                j -= 1
            src[j] = held
        start = end
    dst = <sort_item_t *>zmalloc(n * sizeof(sort_item_t))
    width = RUN_LEN
    while width < n:
        start = 0
        while start < n:
            mid = min(start + width, n)
            end = min(mid + width, n)
            i = start
            j = mid
            for out in range(start, end):
                if i < mid and (
                        j == end or not _is_after(b.bytes, &src[i], &src[j], how)):
                    dst[out] = src[i]
                    i += 1
                else:
                    dst[out] = src[j]
                    j += 1
            start = end
        src, dst = dst, src
        width *= 2
    b.items = src
    b.cap = n
    zfree(dst)
