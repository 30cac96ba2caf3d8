# SPDX-License-Identifier: BSD-3-Clause
r"""Streams: entries in listpacks, which are the nodes of an index by id.

    nodes (ds/streamindex)
    1700000000000-0        1700000000417-0        1700000001002-3
         |                      |                      |
         v                      v                      v
    +----------+-----------+-----------+-- ... --+-----------+
    | master   | entry     | entry     |         | entry     |      one listpack
    +----------+-----------+-----------+-- ... --+-----------+

    master:  entries | deleted ones | n | n names | 0
    entry:   flags | ms - master's | seq - master's | fields | elements before this
    fields:  the values alone (SAME_FIELDS: names and their number are the master's)
             or n | name | value | name | value ...

The master entry is made with the first entry, which is stored like the others. An entry
that is deleted stays, with a flag, until its node has no other; the number at its end
is for walking backwards. This is the format of RDB files and of DUMP.

A node is full when it has as many bytes or entries as the limits say. The last one has
room for more: it doubles as it grows, and gives the rest back when it is full.

Cost: append O(fields); look-up O(log nodes + node); trimming O(1) for each node that
goes. Threads: the one that executes commands; free and effort may run on the lazy-free
thread.
Source: Redis's and Valkey's RDB format.
"""
from fastredis.core.mem cimport zcalloc, zfree, zgood_size, zrealloc, zsize
from fastredis.core.status cimport C_ERR, C_OK, fr_assert, fr_likely
from fastredis.datatypes.stream_groups cimport (
    SGROUP_READS_UNKNOWN,
    sgroup_check,
    sgroup_clear,
    sgroup_copy_all,
    sgroup_nbytes,
    sgroup_npending,
    snack_remove,
)
from fastredis.datatypes.stream_idmp cimport (
    sidmp_copy,
    sidmp_free,
    sidmp_nbytes,
    sidmp_t,
)
from fastredis.ds.listpack cimport (
    LP_MAX_NBYTES,
    LP_HEADER,
    LP_REPLACE,
    lp_copy,
    lp_free,
    lp_insert_int,
    lp_is_valid,
    lp_nbytes,
    lp_new,
)
from fastredis.ds.lpentry cimport (
    LPE_END,
    LPE_INT_MAX,
    LPE_MAX,
    lpe_after,
    lpe_before,
    lpe_close,
    lpe_get,
    lpe_int,
    lpe_put,
    lpe_put_int,
    lpe_text_int,
)
from fastredis.ds.streamindex cimport (
    sid_cmp,
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
    sidx_prev,
    sidx_remove,
    sidx_seek,
    sidx_seek_back,
)
from fastredis.keyspace.db cimport DB_NO_TTL, db_set_pointer
from fastredis.keyspace.obj cimport (
    OBJ_ENC_STREAM,
    OBJ_STREAM,
    obj_ops_set,
    obj_ops_t,
)
from libc.string cimport memcmp

cdef enum:
    NODE_CAP_MIN = 96           # bytes of a first node: about four small entries
    # elements of an entry beside its fields: flags, two differences, number of fields
    # and of elements; and two that may grow in the master
    ENTRY_EXTRA = 7


# --- Create and free --------------------------------------------------------------


cdef stream_t *stream_new() noexcept nogil:
    """Return an empty stream."""
    cdef stream_t *s = <stream_t *>zcalloc(sizeof(stream_t))
    sidx_init(&s.nodes)
    return s


cdef void _free_node(void *lp) noexcept nogil:
    lp_free(<uint8_t *>lp)


cdef void stream_free(stream_t *s) noexcept nogil:
    """Free a stream with its groups."""
    sidx_clear(&s.nodes, _free_node)
    sgroup_clear(&s.groups)
    sidmp_free(<sidmp_t *>s.idmp)
    zfree(s)


cdef stream_t *stream_create(db_t *db, const dbkey_t *key) noexcept nogil:
    """Store an empty stream without an expiry."""
    cdef stream_t *s = stream_new()
    db_set_pointer(db, key, OBJ_STREAM, OBJ_ENC_STREAM, s, DB_NO_TTL)
    return s


# --- Ids --------------------------------------------------------------------------


cdef bint sid_increment(sid_t *id) noexcept nogil:
    """Go to the next id."""
    if id.seq != UINT64_MAX:
        id.seq += 1
        return True
    if id.ms == UINT64_MAX:
        return False
    id.ms += 1
    id.seq = 0
    return True


cdef bint sid_decrement(sid_t *id) noexcept nogil:
    """Go to the previous id."""
    if id.seq:
        id.seq -= 1
        return True
    if id.ms == 0:
        return False
    id.ms -= 1
    id.seq = UINT64_MAX
    return True


cdef status_t stream_make_id(
    const stream_t *s, int64_t now_ms, const sid_t *asked, bint has_seq, sid_t *id_out
) noexcept nogil:
    """Choose the id of a new entry."""
    cdef sid_t id = s.last_id
    if asked == NULL:
        if <uint64_t>now_ms > id.ms:    # else the clock stands, or went backwards
            id_out[0] = sid(now_ms, 0)
            return C_OK
        if not sid_increment(&id):
            return C_ERR
    elif has_seq or asked.ms != id.ms:
        id = asked[0]
    elif id.seq == UINT64_MAX:
        return C_ERR
    else:
        id.seq += 1
    if sid_cmp(id, s.last_id) <= 0:
        return C_ERR
    id_out[0] = id
    return C_OK


# --- Nodes ------------------------------------------------------------------------


cdef uint8_t *_put_number(uint8_t *lp, size_t at, int64_t v) noexcept nogil:
    """Replace the integer at an offset; the listpack may move."""
    cdef uint8_t *p = lp + at
    if fr_likely(0 <= v <= 127 and p[0] < 0x80):
        p[0] = <uint8_t>v
        return lp
    return lp_insert_int(lp, v, p, LP_REPLACE, NULL)


cdef uint8_t *_put_counts(
    uint8_t *lp, int64_t live, int64_t deleted
) noexcept nogil:
    """Write the numbers of entries of a node; it may move."""
    lp = _put_number(lp, LP_HEADER, live)
    return _put_number(lp, lpe_after(lp + LP_HEADER) - lp, deleted)


cdef uint8_t *_shrunk(uint8_t *lp) noexcept nogil:
    """Return a node that will hardly grow any more, without room to spare."""
    cdef uint8_t *copy
    if zgood_size(lp_nbytes(lp)) >= zsize(lp):
        return lp
    copy = lp_copy(lp)
    lp_free(lp)
    return copy


cdef void stream_add_node(stream_t *s, sid_t master, uint8_t *lp) noexcept nogil:
    """Add a node behind the others."""
    sidx_insert(&s.nodes, master, lp)


# --- Append -----------------------------------------------------------------------


cdef bint _has_fields(
    const uint8_t *names, int64_t n, const slice_t *args
) noexcept nogil:
    """Return whether the names at a place are those of the arguments."""
    cdef lp_value_t v
    cdef int64_t i, num
    for i in range(n):
        lpe_get(names, &v)
        if v.ptr != NULL:
            if v.len != args[2 * i].len or memcmp(v.ptr, args[2 * i].ptr, v.len):
                return False
        elif not lpe_text_int(args[2 * i].ptr, args[2 * i].len, &num) or num != v.num:
            return False
        names = lpe_after(names)
    return True


cdef uint8_t *_with_room(
    uint8_t *lp, size_t nbytes, size_t more, const stream_limits_t *limits
) noexcept nogil:
    """Return a node of nbytes with room for more."""
    cdef size_t need = nbytes + more, cap
    if fr_likely(zsize(lp) >= need):
        return lp
    cap = 2 * nbytes
    if limits.node_max_nbytes and cap > limits.node_max_nbytes:
        cap = limits.node_max_nbytes
    return <uint8_t *>zrealloc(lp, cap if cap > need else need)


cdef bint _is_full(
    const uint8_t *lp, size_t nbytes, size_t more, int64_t entries,
    const stream_limits_t *limits
) noexcept nogil:
    """Return whether a node of so many bytes and entries can take more bytes."""
    cdef size_t most = limits.node_max_nbytes
    if most == 0 or most > LP_MAX_NBYTES:
        most = LP_MAX_NBYTES
    if nbytes + more >= most:
        return True
    return limits.node_max_entries != 0 and entries >= limits.node_max_entries


cdef status_t stream_append(
    stream_t *s, const slice_t *args, int64_t nfields, sid_t id,
    const stream_limits_t *limits
) noexcept nogil:
    """Add an entry behind the others."""
    cdef size_t payload = 0, nbytes = 0, room
    cdef int64_t live = 0, deleted = 0, i, flags, n
    cdef uint8_t *lp = NULL
    cdef uint8_t *p
    cdef sidx_pos_t pos
    cdef sid_t master = id
    cdef bint is_new
    cdef unsigned int added
    for i in range(2 * nfields):
        payload += args[i].len
    room = payload + LPE_MAX * 2 * nfields + LPE_INT_MAX * ENTRY_EXTRA
    if room > LP_MAX_NBYTES - LP_HEADER - 1:
        return C_ERR
    if sidx_last(&s.nodes, &pos):
        lp = <uint8_t *>sidx_at(&pos).value
        nbytes = lp_nbytes(lp)
        live = lpe_int(lp + LP_HEADER)
        p = lpe_after(lp + LP_HEADER)
        deleted = lpe_int(p)
        if _is_full(lp, nbytes, payload, live + deleted, limits) or \
                nbytes + room > LP_MAX_NBYTES:
            sidx_at(&pos).value = _shrunk(lp)
            lp = NULL
    is_new = lp == NULL
    if is_new:
        flags = STREAM_SAME_FIELDS
        lp = lp_new(room if room > NODE_CAP_MIN else NODE_CAP_MIN)
        p = lpe_put_int(lp + LP_HEADER, 1)
        p = lpe_put_int(p, 0)
        p = lpe_put_int(p, nfields)
        for i in range(nfields):
            p = lpe_put(p, args[2 * i].ptr, args[2 * i].len)
        p = lpe_put_int(p, 0)
        added = <unsigned int>(nfields + STREAM_MASTER_HEAD + 1)
    else:
        master = sidx_at(&pos).id
        p = lpe_after(p)
        n = lpe_int(p)
        flags = 0
        if n == nfields and _has_fields(lpe_after(p), n, args):
            flags = STREAM_SAME_FIELDS
        lp = _with_room(lp, nbytes, room, limits)
        p = lp + nbytes - 1
        added = 0
    p = lpe_put_int(p, flags)
    p = lpe_put_int(p, <int64_t>(id.ms - master.ms))
    p = lpe_put_int(p, <int64_t>(id.seq - master.seq))
    if flags:
        for i in range(nfields):
            p = lpe_put(p, args[2 * i + 1].ptr, args[2 * i + 1].len)
        n = nfields + 3
    else:
        p = lpe_put_int(p, nfields)
        for i in range(2 * nfields):
            p = lpe_put(p, args[i].ptr, args[i].len)
        n = 2 * nfields + 4
    p = lpe_put_int(p, n)
    lpe_close(lp, p, added + <unsigned int>n + 1)
    if is_new:
        sidx_insert(&s.nodes, master, lp)
    else:
        sidx_at(&pos).value = _put_number(lp, LP_HEADER, live + 1)
    s.length += 1
    s.entries_added += 1
    s.last_id = id
    if s.length == 1:
        s.first_id = id
    return C_OK


# --- Iterate ----------------------------------------------------------------------


cdef void stream_iter(
    stream_iter_t *it, const stream_t *s, sid_t start, sid_t end, bint is_reverse
) noexcept nogil:
    """Begin to read the entries from one id to another, both included."""
    it.s = s
    it.start = start
    it.end = end
    it.is_reverse = is_reverse
    it.is_open = False
    if not sidx_seek_back(&s.nodes, end if is_reverse else start, &it.pos) \
            and not is_reverse:
        sidx_first(&s.nodes, &it.pos)
    if it.pos.leaf != NULL:
        _seek_in_node(it)


cdef void _open_node(stream_iter_t *it) noexcept nogil:
    """Go to the begin, or the end, of the node at pos."""
    cdef uint8_t *lp = <uint8_t *>sidx_at(&it.pos).value
    cdef uint8_t *p = lpe_after(lpe_after(lp + LP_HEADER))
    it.master = sidx_at(&it.pos).id
    it.nmaster = lpe_int(p)
    p = lpe_after(p)
    it.names = p
    for _ in range(it.nmaster):
        p = lpe_after(p)
    it.first = lpe_after(p)
    it.entry = it.p = lp + lp_nbytes(lp) - 1 if it.is_reverse else it.first
    it.rest = -1
    it.is_open = True


cdef inline const uint8_t *_take_number(
    const uint8_t *p, uint64_t *v_out
) noexcept nogil:
    """Read an integer, mostly a small one; return where it ends."""
    if p[0] < 0x80:
        v_out[0] = p[0]
        return p + 2
    v_out[0] = <uint64_t>lpe_int(p)
    return lpe_after(p)


cdef uint8_t *_find_entry(const stream_iter_t *it, sid_t id) noexcept nogil:
    """Return the first entry of the open node that is not before an id, or its end."""
    cdef const uint8_t *p = it.first
    cdef const uint8_t *entry
    cdef sid_t master = it.master, at
    cdef int64_t nmaster = it.nmaster, left
    cdef uint64_t ms, seq
    while p[0] != LPE_END:
        entry = p
        p = _take_number(p + 2, &ms)
        p = _take_number(p, &seq)
        at = sid(master.ms + ms, master.seq + seq)
        if sid_cmp(at, id) >= 0:
            return <uint8_t *>entry
        left = nmaster
        if not entry[0] & STREAM_SAME_FIELDS:
            left = 2 * lpe_int(p) + 1
        while left > 0:
            p = lpe_after(p)
            left -= 1
        p += 2 if p[0] < 0x80 else lpe_after(p) - p
    return <uint8_t *>p


cdef void _seek_in_node(stream_iter_t *it) noexcept nogil:
    """Open the node with which an iterator begins, where its range does."""
    cdef sid_t id = it.start
    _open_node(it)
    if it.is_reverse:
        id = it.end
        if not sid_increment(&id):
            return          # from the end of all
    if sid_cmp(id, it.master) > 0:
        it.entry = it.p = _find_entry(it, id)


cdef bint _step(stream_iter_t *it) noexcept nogil:
    """Go to the begin of the next entry; False: the node has no more."""
    cdef uint8_t *p
    cdef int64_t n
    if it.is_reverse:
        if it.entry == it.first:
            return False
        p = lpe_before(it.entry)
        n = lpe_int(p)
        while n > 0:
            p = lpe_before(p)
            n -= 1
        it.entry = p
        return True
    p = it.p
    # what is left of the fields, and the number at the end
    n = it.rest
    while n >= 0:
        p = lpe_after(p)
        n -= 1
    it.entry = p
    return p[0] != LPE_END


cdef bint stream_next(stream_iter_t *it) noexcept nogil:
    """Go to the next entry that is within the range and not deleted."""
    cdef uint8_t *p
    while True:
        if it.pos.leaf == NULL:
            return False
        if not it.is_open:
            _open_node(it)
        if not _step(it):
            it.is_open = False
            if it.is_reverse:
                sidx_prev(&it.pos)
            else:
                sidx_next(&it.pos)
            continue
        p = it.entry
        it.flags = lpe_int(p)
        p = lpe_after(p)
        it.id.ms = it.master.ms + <uint64_t>lpe_int(p)
        p = lpe_after(p)
        it.id.seq = it.master.seq + <uint64_t>lpe_int(p)
        p = lpe_after(p)
        if it.flags & STREAM_SAME_FIELDS:
            it.nfields = it.rest = it.nmaster
            it.name = it.names
        else:
            it.nfields = lpe_int(p)
            it.rest = 2 * it.nfields
            it.name = NULL
            p = lpe_after(p)
        it.p = p
        if it.is_reverse:
            if sid_cmp(it.id, it.start) < 0:
                return False
            if it.flags & STREAM_DELETED or sid_cmp(it.id, it.end) > 0:
                continue
        else:
            if sid_cmp(it.id, it.end) > 0:
                return False
            if it.flags & STREAM_DELETED or sid_cmp(it.id, it.start) < 0:
                continue
        return True


cdef void stream_field(
    stream_iter_t *it, lp_value_t *name_out, lp_value_t *value_out
) noexcept nogil:
    """Read the next field of the current entry."""
    if it.name != NULL:
        lpe_get(it.name, name_out)
        it.name = lpe_after(it.name)
    else:
        lpe_get(it.p, name_out)
        it.p = lpe_after(it.p)
        it.rest -= 1
    lpe_get(it.p, value_out)
    it.p = lpe_after(it.p)
    it.rest -= 1


cdef bint stream_has(const stream_t *s, sid_t id) noexcept nogil:
    """Return whether there is an entry with an id."""
    cdef stream_iter_t it
    stream_iter(&it, s, id, id, False)
    return stream_next(&it)


cdef sid_t stream_last_entry(const stream_t *s) noexcept nogil:
    """Return the id of the last entry."""
    cdef stream_iter_t it
    stream_iter(&it, s, sid(0, 0), sid_max(), True)
    return it.id if stream_next(&it) else sid(0, 0)


# --- Delete -----------------------------------------------------------------------


cdef void _mark_deleted(
    stream_t *s, sidx_pos_t *pos, uint8_t *entry
) noexcept nogil:
    """Delete an entry of the node at pos, and the node if it was the last."""
    cdef uint8_t *lp = <uint8_t *>sidx_at(pos).value
    cdef int64_t live = lpe_int(lp + LP_HEADER)
    cdef int64_t deleted = lpe_int(lpe_after(lp + LP_HEADER))
    s.length -= 1
    if live == 1:
        sidx_remove(&s.nodes, sidx_at(pos).id)
        lp_free(lp)
        return
    entry[0] |= STREAM_DELETED      # flags are a small integer: one byte
    sidx_at(pos).value = _put_counts(lp, live - 1, deleted + 1)


cdef bint stream_delete(stream_t *s, sid_t id) noexcept nogil:
    """Delete an entry."""
    cdef stream_iter_t it
    stream_iter(&it, s, id, id, False)
    if not stream_next(&it):
        return False
    _mark_deleted(s, &it.pos, it.entry)
    if sid_cmp(id, s.max_deleted_id) > 0:
        s.max_deleted_id = id
    return True


cdef void stream_settle(stream_t *s) noexcept nogil:
    """Find the first entry anew, after some were deleted."""
    cdef stream_iter_t it
    stream_iter(&it, s, sid(0, 0), sid_max(), False)
    s.first_id = it.id if stream_next(&it) else sid(0, 0)


# --- Trim -------------------------------------------------------------------------


cdef sid_t _last_of_node(const stream_t *s, sidx_pos_t pos) noexcept nogil:
    """Return the id of a node's last entry, be it deleted."""
    cdef const uint8_t *lp = <const uint8_t *>sidx_at(&pos).value
    cdef const uint8_t *p = lp + lp_nbytes(lp) - 1
    cdef sid_t id = sidx_at(&pos).id
    cdef int64_t n
    p = lpe_before(p)
    n = lpe_int(p)
    while n > 0:
        p = lpe_before(p)
        n -= 1
    p = lpe_after(p)
    id.ms += <uint64_t>lpe_int(p)
    id.seq += <uint64_t>lpe_int(lpe_after(p))
    return id


cdef bint _may_go(
    stream_t *s, sid_t id, const stream_trimming_t *how
) noexcept nogil:
    """Decide about an entry that is to be trimmed; what groups have of it may go."""
    if s.groups.n == 0:
        return True
    if how.refs == STREAM_ACKED:
        return not stream_is_awaited(s, id)
    if how.refs == STREAM_DELREF:
        stream_unreference(s, id)
    return True


cdef bint _is_enough(
    const stream_t *s, sid_t id, const stream_trimming_t *how
) noexcept nogil:
    """Return whether an entry is the first that is to stay."""
    if how.by == STREAM_TRIM_MAXLEN:
        return s.length <= <uint64_t>how.maxlen
    return sid_cmp(id, how.minid) >= 0


cdef bint _goes_whole(
    const stream_t *s, sidx_pos_t pos, int64_t live, const stream_trimming_t *how
) noexcept nogil:
    """Return whether all of a node is beyond what is to stay."""
    if how.by == STREAM_TRIM_MAXLEN:
        return s.length - live >= <uint64_t>how.maxlen
    return sid_cmp(_last_of_node(s, pos), how.minid) < 0


cdef int64_t _trim_node(
    stream_t *s, sidx_pos_t *pos, const stream_trimming_t *how
) noexcept nogil:
    """Delete entries of a node one by one, as far as they are to go; return how many.

    The node stays, even if nothing in it does.
    """
    cdef uint8_t *lp = <uint8_t *>sidx_at(pos).value
    cdef int64_t live = lpe_int(lp + LP_HEADER)
    cdef int64_t deleted = lpe_int(lpe_after(lp + LP_HEADER))
    cdef int64_t n = 0
    cdef stream_iter_t it
    it.pos = pos[0]
    it.is_reverse = False
    _open_node(&it)
    while _step(&it):
        it.flags = lpe_int(it.entry)
        it.p = lpe_after(it.entry)
        it.id.ms = it.master.ms + <uint64_t>lpe_int(it.p)
        it.p = lpe_after(it.p)
        it.id.seq = it.master.seq + <uint64_t>lpe_int(it.p)
        it.p = lpe_after(it.p)
        if _is_enough(s, it.id, how):
            break
        if it.flags & STREAM_SAME_FIELDS:
            it.rest = it.nmaster
        else:
            it.rest = 2 * lpe_int(it.p) + 1
        if not it.flags & STREAM_DELETED and _may_go(s, it.id, how):
            it.entry[0] |= STREAM_DELETED
            s.length -= 1
            n += 1
    if n:
        sidx_at(pos).value = _put_counts(lp, live - n, deleted + n)
    return n


cdef int64_t stream_trim(stream_t *s, const stream_trimming_t *how) noexcept nogil:
    """Delete entries from the front."""
    cdef int64_t total = 0, live, n
    cdef sidx_pos_t pos
    cdef uint8_t *lp
    cdef sid_t id
    cdef bint is_whole
    cdef bint more = sidx_first(&s.nodes, &pos)
    while more:
        if how.by == STREAM_TRIM_MAXLEN and s.length <= <uint64_t>how.maxlen:
            break
        lp = <uint8_t *>sidx_at(&pos).value
        live = lpe_int(lp + LP_HEADER)
        if how.limit and total + live > how.limit:
            break
        is_whole = _goes_whole(s, pos, live, how)
        if not is_whole and how.is_approx:
            break
        if is_whole and how.refs == STREAM_KEEPREF:
            n = live
            s.length -= live
        else:
            n = _trim_node(s, &pos, how)
            lp = <uint8_t *>sidx_at(&pos).value
        total += n
        if is_whole and n == live:
            id = sidx_at(&pos).id
            sidx_remove(&s.nodes, id)
            lp_free(lp)
            more = sidx_seek(&s.nodes, id, &pos)
            continue
        if not is_whole and (
                how.by == STREAM_TRIM_MINID or how.refs != STREAM_ACKED):
            break           # else what may go is looked for further on
        more = sidx_next(&pos)
    if total:
        stream_settle(s)
    return total


# --- With groups ------------------------------------------------------------------


cdef bint _has_gap_from(const stream_t *s, sid_t id) noexcept nogil:
    """Return whether XDEL may have deleted an entry from an id on."""
    if s.length == 0 or sid_is_zero(s.max_deleted_id):
        return False
    if sid_cmp(s.first_id, s.max_deleted_id) > 0:
        return False
    return sid_cmp(id, s.max_deleted_id) <= 0


cdef int64_t stream_reads_at(const stream_t *s, sid_t id) noexcept nogil:
    """Count the entries ever added up to an id, where that is possible."""
    cdef int c
    if s.entries_added == 0:
        return 0
    if s.length == 0 and sid_cmp(id, s.last_id) <= 0:
        return <int64_t>s.entries_added
    if not sid_is_zero(id) and sid_cmp(id, s.max_deleted_id) < 0:
        return SGROUP_READS_UNKNOWN
    c = sid_cmp(id, s.last_id)
    if c == 0:
        return <int64_t>s.entries_added
    if c > 0:
        return SGROUP_READS_UNKNOWN
    c = sid_cmp(id, s.first_id)
    if sid_is_zero(s.max_deleted_id) or sid_cmp(s.max_deleted_id, s.first_id) < 0:
        # nothing is missing behind the first entry
        if c < 0:
            return <int64_t>(s.entries_added - s.length)
        if c == 0:
            return <int64_t>(s.entries_added - s.length + 1)
    return SGROUP_READS_UNKNOWN


cdef bint stream_lag(
    const stream_t *s, const sgroup_t *g, int64_t *lag_out
) noexcept nogil:
    """Count the entries that a group was not given yet, where that is possible."""
    cdef int64_t reads
    if s.entries_added == 0 or s.length == 0:
        lag_out[0] = 0
        return True
    if sid_cmp(g.last_id, s.first_id) < 0 and \
            sid_cmp(s.max_deleted_id, s.first_id) < 0:
        lag_out[0] = <int64_t>s.length      # it has all of them before it
        return True
    reads = g.entries_read
    if reads == SGROUP_READS_UNKNOWN or _has_gap_from(s, g.last_id):
        reads = stream_reads_at(s, g.last_id)
        if reads == SGROUP_READS_UNKNOWN:
            return False
    lag_out[0] = <int64_t>s.entries_added - reads
    return True


cdef void stream_delivered(const stream_t *s, sgroup_t *g, sid_t id) noexcept nogil:
    """Move a group on to an entry, and count it."""
    if g.entries_read != SGROUP_READS_UNKNOWN and \
            sid_cmp(g.last_id, s.first_id) >= 0 and not _has_gap_from(s, g.last_id):
        g.entries_read += 1
    elif s.entries_added:
        g.entries_read = stream_reads_at(s, id)
    g.last_id = id


cdef bint stream_is_awaited(const stream_t *s, sid_t id) noexcept nogil:
    """Return whether any group still needs an entry; without any, one may come."""
    cdef const sgroup_t *g
    cdef unsigned int i
    if s.groups.n == 0:
        return True
    for i in range(s.groups.n):
        g = <const sgroup_t *>s.groups.items[i]
        if sid_cmp(id, g.last_id) > 0 or sidx_find(&g.pel, id) != NULL:
            return True
    return False


cdef int64_t stream_unreference(stream_t *s, sid_t id) noexcept nogil:
    """Have all groups forget an entry."""
    cdef int64_t n = 0
    cdef unsigned int i
    for i in range(s.groups.n):
        n += snack_remove(<sgroup_t *>s.groups.items[i], id)
    return n


# --- Debug ------------------------------------------------------------------------


cdef void stream_check(const stream_t *s) noexcept nogil:
    """Abort unless the invariants hold."""
    cdef uint64_t length = 0
    cdef int64_t live, deleted
    cdef sid_t before = sid(0, 0)
    cdef sid_t first = sid(0, 0)
    cdef stream_iter_t it
    cdef uint8_t *lp
    cdef bint more = sidx_first(&s.nodes, &it.pos)
    sidx_check(&s.nodes)
    sgroup_check(&s.groups)
    while more:
        lp = <uint8_t *>sidx_at(&it.pos).value
        fr_assert(lp_is_valid(lp, lp_nbytes(lp)) and zsize(lp) >= lp_nbytes(lp))
        it.is_reverse = False
        _open_node(&it)
        live = deleted = 0
        while _step(&it):
            it.flags = lpe_int(it.entry)
            it.p = lpe_after(it.entry)
            it.id.ms = it.master.ms + <uint64_t>lpe_int(it.p)
            it.p = lpe_after(it.p)
            it.id.seq = it.master.seq + <uint64_t>lpe_int(it.p)
            it.p = lpe_after(it.p)
            if it.flags & STREAM_SAME_FIELDS:
                it.rest = it.nmaster
            else:
                it.rest = 2 * lpe_int(it.p) + 1
            if it.flags & STREAM_DELETED:
                deleted += 1
                continue
            fr_assert(sid_cmp(before, it.id) < 0)
            before = it.id
            live += 1
            if length == 0 and live == 1:
                first = it.id
        fr_assert(live == lpe_int(lp + LP_HEADER))
        fr_assert(deleted == lpe_int(lpe_after(lp + LP_HEADER)))
        length += live
        more = sidx_next(&it.pos)
    fr_assert(length == s.length)
    fr_assert(sid_cmp(first, s.first_id) == 0)
    fr_assert(sid_cmp(before, s.last_id) <= 0)


# --- What the keyspace needs ------------------------------------------------------


cdef void _free(int enc, void *value) noexcept nogil:
    stream_free(<stream_t *>value)


cdef void *_copy(int enc, const void *value) noexcept nogil:
    cdef const stream_t *s = <const stream_t *>value
    cdef stream_t *copy = stream_new()
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&s.nodes, &pos)
    while more:
        stream_add_node(
            copy, sidx_at(&pos).id, lp_copy(<const uint8_t *>sidx_at(&pos).value))
        more = sidx_next(&pos)
    copy.length = s.length
    copy.first_id = s.first_id
    copy.last_id = s.last_id
    copy.max_deleted_id = s.max_deleted_id
    copy.entries_added = s.entries_added
    sgroup_copy_all(&copy.groups, &s.groups)
    if s.idmp != NULL:
        copy.idmp = sidmp_copy(<const sidmp_t *>s.idmp)
    return copy


cdef size_t _nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    cdef const stream_t *s = <const stream_t *>value
    cdef size_t n = 0, seen = 0
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&s.nodes, &pos)
    while more and (samples == 0 or seen < samples):
        n += zsize(sidx_at(&pos).value)
        seen += 1
        more = sidx_next(&pos)
    if more:
        n = <size_t>(<double>n / seen * (s.nodes.len - 1))
        sidx_last(&s.nodes, &pos)
        n += zsize(sidx_at(&pos).value)
    if s.idmp != NULL:
        n += sidmp_nbytes(<const sidmp_t *>s.idmp)
    return zsize(s) + sidx_nbytes(&s.nodes) + n + sgroup_nbytes(&s.groups)


cdef size_t _effort(int enc, const void *value) noexcept nogil:
    cdef const stream_t *s = <const stream_t *>value
    return s.nodes.len + sgroup_npending(&s.groups)


cdef const char *_encoding(int enc, const void *value) noexcept nogil:
    return b"stream"


cdef obj_ops_t _ops
_ops.free = _free
_ops.copy = _copy
_ops.nbytes = _nbytes
_ops.effort = _effort
_ops.encoding = _encoding
obj_ops_set(OBJ_STREAM, &_ops)
