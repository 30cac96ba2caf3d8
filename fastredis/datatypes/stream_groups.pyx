# SPDX-License-Identifier: BSD-3-Clause
r"""Consumer groups: who was given which entries of a stream and has not thanked yet.

    stream's groups, by name
    +-------+-------+
    | "g1"  | "g2"  |
    +---|---+-------+
        v                              index by id (ds/streamindex)
    group: last id,  pel ----------->  1-0    1-1    2-0    2-1
           entries   consumers          |      |      |      |
           read        |                v      v      v      v
                       v               nack   nack   nack   nack   {consumer, time,
               "a"   "b"                ^      ^      ^      ^      deliveries}
                |      `-- pel: 1-1 ----|------'      |      |
                `--------- pel: 1-0 ----'   2-0 ------'  2-1-'

An entry that is not acknowledged (a nack) is one allocation that the group's index and
that of its consumer share; the group's owns it. A nack without a consumer was given
back (XNACK), and is in the group's index alone.

Cost: by name O(log n), a new name moves n pointers; by id as in ds/streamindex, which
is O(1) where entries are delivered in their order. Threads: as for the stream.
"""
from fastredis.core.mem cimport zfree, zmalloc, zrealloc, zsize
from fastredis.core.status cimport fr_assert
from fastredis.ds.streamindex cimport (
    sid_cmp,
    sidx_at,
    sidx_check,
    sidx_clear,
    sidx_find,
    sidx_first,
    sidx_init,
    sidx_insert,
    sidx_nbytes,
    sidx_next,
    sidx_pos_t,
    sidx_remove,
)
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy, memmove


# --- Names ------------------------------------------------------------------------


cdef int _compare(const sname_t *name, const char *s, size_t nbytes) noexcept nogil:
    """Compare bytes; of two that begin alike the shorter is first."""
    cdef size_t n = name.len if name.len < nbytes else nbytes
    cdef int c = memcmp(name.ptr, s, n)
    if c:
        return c
    return 0 if name.len == nbytes else (-1 if name.len < nbytes else 1)


cdef uint32_t _place(
    const snames_t *names, const char *s, size_t nbytes, bint *is_found
) noexcept nogil:
    """Return where a name is or would be."""
    cdef uint32_t low = 0, high = names.n, mid
    cdef int c
    is_found[0] = False
    while low < high:
        mid = (low + high) >> 1
        c = _compare(names.items[mid], s, nbytes)
        if c == 0:
            is_found[0] = True
            return mid
        if c < 0:
            low = mid + 1
        else:
            high = mid
    return low


cdef sname_t *snames_find(
    const snames_t *names, const char *s, size_t nbytes
) noexcept nogil:
    """Return what has a name, or NULL."""
    cdef bint is_found
    cdef uint32_t i = _place(names, s, nbytes, &is_found)
    return names.items[i] if is_found else NULL


cdef void *_add(
    snames_t *names, size_t size, const char *s, size_t nbytes
) noexcept nogil:
    """Return size bytes, uninitialised behind their name, entered; NULL: it is taken.
    """
    cdef bint is_found
    cdef uint32_t i = _place(names, s, nbytes, &is_found)
    cdef sname_t *item
    if is_found:
        return NULL
    if names.n == names.cap:
        names.cap = names.cap * 2 if names.cap else 2
        names.items = <sname_t **>zrealloc(
            names.items, names.cap * sizeof(sname_t *))
    memmove(
        names.items + i + 1, names.items + i, (names.n - i) * sizeof(sname_t *))
    item = <sname_t *>zmalloc(size + nbytes)
    item.ptr = <char *>item + size
    item.len = nbytes
    memcpy(<char *>item + size, s, nbytes)
    names.items[i] = item
    names.n += 1
    return item


cdef void _take_out(snames_t *names, const sname_t *item) noexcept nogil:
    cdef bint is_found
    cdef uint32_t i = _place(names, item.ptr, item.len, &is_found)
    fr_assert(is_found)
    names.n -= 1
    memmove(
        names.items + i, names.items + i + 1, (names.n - i) * sizeof(sname_t *))
    if names.n == 0:
        zfree(names.items)
        names.items = NULL
        names.cap = 0


# --- Groups -----------------------------------------------------------------------


cdef sgroup_t *sgroup_add(
    snames_t *groups, const char *name, size_t nbytes, sid_t last_id,
    int64_t entries_read
) noexcept nogil:
    """Add a group without consumers."""
    cdef sgroup_t *g = <sgroup_t *>_add(groups, sizeof(sgroup_t), name, nbytes)
    if g == NULL:
        return NULL
    g.last_id = last_id
    g.entries_read = entries_read
    sidx_init(&g.pel)
    g.consumers.items = NULL
    g.consumers.n = g.consumers.cap = 0
    return g


cdef void _free_group(sgroup_t *g) noexcept nogil:
    cdef sconsumer_t *consumer
    cdef uint32_t i
    for i in range(g.consumers.n):
        consumer = <sconsumer_t *>g.consumers.items[i]
        sidx_clear(&consumer.pel, NULL)
        zfree(consumer)
    zfree(g.consumers.items)
    sidx_clear(&g.pel, zfree)
    zfree(g)


cdef void sgroup_delete(snames_t *groups, sgroup_t *g) noexcept nogil:
    """Delete a group."""
    _take_out(groups, &g.name)
    _free_group(g)


cdef void sgroup_clear(snames_t *groups) noexcept nogil:
    """Delete all groups."""
    cdef uint32_t i
    for i in range(groups.n):
        _free_group(<sgroup_t *>groups.items[i])
    zfree(groups.items)
    groups.items = NULL
    groups.n = groups.cap = 0


cdef void _copy_group(snames_t *dst, const sgroup_t *g) noexcept nogil:
    cdef const sconsumer_t *consumer
    cdef sconsumer_t *own
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef snack_t *copied
    cdef bint more
    cdef uint32_t i
    cdef sgroup_t *copy = sgroup_add(
        dst, g.name.ptr, g.name.len, g.last_id, g.entries_read)
    for i in range(g.consumers.n):
        consumer = <const sconsumer_t *>g.consumers.items[i]
        own = sconsumer_add(
            copy, consumer.name.ptr, consumer.name.len, consumer.seen_ms)
        own.active_ms = consumer.active_ms
    more = sidx_first(&g.pel, &pos)
    while more:
        nack = <const snack_t *>sidx_at(&pos).value
        own = NULL
        if nack.consumer != NULL:
            own = sconsumer_find(
                copy, nack.consumer.name.ptr, nack.consumer.name.len)
        copied = snack_add(copy, sidx_at(&pos).id, own, nack.delivered_ms)
        copied.deliveries = nack.deliveries
        more = sidx_next(&pos)


cdef void sgroup_copy_all(snames_t *dst, const snames_t *groups) noexcept nogil:
    """Copy all groups into an empty list of such."""
    cdef uint32_t i
    for i in range(groups.n):
        _copy_group(dst, <const sgroup_t *>groups.items[i])


cdef size_t sgroup_nbytes(const snames_t *groups) noexcept nogil:
    """Return the bytes of all groups."""
    cdef const sgroup_t *g
    cdef const sconsumer_t *consumer
    cdef size_t n = 0, nack = 0
    cdef uint32_t i, k
    cdef sidx_pos_t pos
    if groups.items != NULL:
        n += zsize(groups.items)
    for i in range(groups.n):
        g = <const sgroup_t *>groups.items[i]
        n += zsize(g) + sidx_nbytes(&g.pel)
        if sidx_first(&g.pel, &pos):
            nack = zsize(sidx_at(&pos).value)
        n += nack * g.pel.len
        if g.consumers.items != NULL:
            n += zsize(g.consumers.items)
        for k in range(g.consumers.n):
            consumer = <const sconsumer_t *>g.consumers.items[k]
            n += zsize(consumer) + sidx_nbytes(&consumer.pel)
    return n


cdef size_t sgroup_npending(const snames_t *groups) noexcept nogil:
    """Return the number of entries that are not acknowledged, each group's counted."""
    cdef size_t n = 0
    cdef uint32_t i
    for i in range(groups.n):
        n += (<const sgroup_t *>groups.items[i]).pel.len
    return n


# --- Consumers --------------------------------------------------------------------


cdef sconsumer_t *sconsumer_add(
    sgroup_t *g, const char *name, size_t nbytes, int64_t now_ms
) noexcept nogil:
    """Add a consumer."""
    cdef sconsumer_t *consumer = <sconsumer_t *>_add(
        &g.consumers, sizeof(sconsumer_t), name, nbytes)
    if consumer == NULL:
        return NULL
    consumer.seen_ms = now_ms
    consumer.active_ms = SCONSUMER_NEVER
    sidx_init(&consumer.pel)
    return consumer


cdef void sconsumer_delete(sgroup_t *g, sconsumer_t *consumer) noexcept nogil:
    """Delete a consumer; what it was given is nobody's any more."""
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&consumer.pel, &pos)
    while more:
        zfree(sidx_remove(&g.pel, sidx_at(&pos).id))
        more = sidx_next(&pos)
    sidx_clear(&consumer.pel, NULL)
    _take_out(&g.consumers, &consumer.name)
    zfree(consumer)


# --- Entries that are not acknowledged --------------------------------------------


cdef snack_t *snack_add(
    sgroup_t *g, sid_t id, sconsumer_t *consumer, int64_t now_ms
) noexcept nogil:
    """Note that an entry was delivered."""
    cdef snack_t *nack = <snack_t *>zmalloc(sizeof(snack_t))
    if not sidx_insert(&g.pel, id, nack):
        zfree(nack)
        return NULL
    nack.consumer = consumer
    nack.delivered_ms = now_ms
    nack.deliveries = 1
    if consumer != NULL:
        sidx_insert(&consumer.pel, id, nack)
    return nack


cdef bint snack_remove(sgroup_t *g, sid_t id) noexcept nogil:
    """Forget an entry: it was acknowledged, or is gone."""
    cdef snack_t *nack = <snack_t *>sidx_remove(&g.pel, id)
    if nack == NULL:
        return False
    if nack.consumer != NULL:
        sidx_remove(&nack.consumer.pel, id)
    zfree(nack)
    return True


cdef void snack_move(snack_t *nack, sid_t id, sconsumer_t *consumer) noexcept nogil:
    """Give an entry to another consumer, or to none."""
    if nack.consumer == consumer:
        return
    if nack.consumer != NULL:
        sidx_remove(&nack.consumer.pel, id)
    nack.consumer = consumer
    if consumer != NULL:
        sidx_insert(&consumer.pel, id, nack)


cdef int _compare_idle(const void *a, const void *b) noexcept nogil:
    """Order by the time of delivery, then by id: for qsort."""
    cdef const snack_idle_t *x = <const snack_idle_t *>a
    cdef const snack_idle_t *y = <const snack_idle_t *>b
    if x.nack.delivered_ms != y.nack.delivered_ms:
        return -1 if x.nack.delivered_ms < y.nack.delivered_ms else 1
    return sid_cmp(x.id, y.id)


cdef size_t sgroup_idle(
    const sgroup_t *g, int64_t now_ms, int64_t min_idle_ms, snack_idle_t **found_out,
    int64_t *next_ms_out
) noexcept nogil:
    """Find what has waited for long; O(n log n), n = entries pending."""
    cdef snack_idle_t *found = NULL
    cdef snack_t *nack
    cdef sidx_pos_t pos
    cdef size_t n = 0, cap = 0
    cdef bint more = sidx_first(&g.pel, &pos)
    next_ms_out[0] = 0
    while more:
        nack = <snack_t *>sidx_at(&pos).value
        if nack.consumer != NULL and now_ms - nack.delivered_ms < min_idle_ms:
            if next_ms_out[0] == 0 or nack.delivered_ms < next_ms_out[0] - min_idle_ms:
                next_ms_out[0] = nack.delivered_ms + min_idle_ms
        else:
            if n == cap:
                cap = 2 * cap if cap else 8
                found = <snack_idle_t *>zrealloc(found, cap * sizeof(snack_idle_t))
            found[n].nack = nack
            found[n].id = sidx_at(&pos).id
            n += 1
        more = sidx_next(&pos)
    if n > 1:
        qsort(found, n, sizeof(snack_idle_t), _compare_idle)
    found_out[0] = found
    return n


# --- Debug ------------------------------------------------------------------------


cdef void _check_names(const snames_t *names) noexcept nogil:
    cdef uint32_t i
    fr_assert(names.n <= names.cap)
    fr_assert((names.items == NULL) == (names.cap == 0))
    for i in range(1, names.n):
        fr_assert(_compare(
            names.items[i - 1], names.items[i].ptr, names.items[i].len) < 0)


cdef void sgroup_check(const snames_t *groups) noexcept nogil:
    """Abort unless the invariants hold."""
    cdef const sgroup_t *g
    cdef const sconsumer_t *consumer
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef uint32_t i, k
    cdef size_t n, unowned
    cdef bint more
    _check_names(groups)
    for i in range(groups.n):
        g = <const sgroup_t *>groups.items[i]
        _check_names(&g.consumers)
        sidx_check(&g.pel)
        unowned = 0
        more = sidx_first(&g.pel, &pos)
        while more:
            nack = <const snack_t *>sidx_at(&pos).value
            if nack.consumer == NULL:
                unowned += 1
            else:
                fr_assert(sidx_find(&nack.consumer.pel, sidx_at(&pos).id) == nack)
            more = sidx_next(&pos)
        n = unowned
        for k in range(g.consumers.n):
            consumer = <const sconsumer_t *>g.consumers.items[k]
            sidx_check(&consumer.pel)
            n += consumer.pel.len
        fr_assert(n == g.pel.len)
