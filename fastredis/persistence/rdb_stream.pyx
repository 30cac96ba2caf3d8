# SPDX-License-Identifier: BSD-3-Clause
r"""Streams in the encoding of RDB files.

    n, n of (string: master id, string: listpack)       the nodes, as t_stream has them
    length, last id
    first id, greatest deleted id, entries added        from type 19 on
    n, n groups:
        string: name, last id
        entries read                                    from type 19 on
        n, n of (id, ms, deliveries)                    pending in the group
        n, n consumers:
            string: name, ms: seen
            ms: active                                  in type 21
            n, n ids                                    pending for it

Type 19 is written where rdb-version says 10: read back, a consumer was last active when
it was last seen.

Ids are two lengths, or where (id) stands 16 bytes, big-endian, as in master ids. What
is pending without a consumer (XNACK) is written as if one without a name had it, with
a time of delivery of 0, since other servers expect a consumer; read back, it is
nobody's again.

What is read may come from anywhere. A node is walked element by element before it is
taken: its numbers are numbers and right, and the ids increase through the stream.

Cost: O(bytes). Threads: main thread only.
Source: the format of Redis's RDB files.
"""
from fastredis.core.mem cimport zmalloc
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.stream_groups cimport (
    SCONSUMER_NEVER,
    sconsumer_add,
    sconsumer_delete,
    sconsumer_find,
    sconsumer_t,
    sgroup_add,
    sgroup_t,
    snack_add,
    snack_move,
    snack_t,
)
from fastredis.datatypes.t_stream cimport (
    STREAM_DELETED,
    STREAM_SAME_FIELDS,
    sid,
    stream_add_node,
    stream_free,
    stream_new,
    stream_of,
    stream_reads_at,
    stream_settle,
    stream_t,
)
from fastredis.ds.listpack cimport LP_HEADER, lp_is_valid, lp_nbytes
from fastredis.ds.lpentry cimport LPE_END, lpe_after, lpe_int, lpe_is_int
from fastredis.ds.streamindex cimport (
    sid_cmp,
    sid_t,
    sidx_at,
    sidx_find,
    sidx_first,
    sidx_next,
    sidx_pos_t,
    sidx_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_STREAM,
    OBJ_NO_EXPIRE,
    OBJ_STREAM,
    obj_new_pointer,
)
from fastredis.persistence.rdb_io cimport (
    rdb_get_i64,
    rdb_get_len,
    rdb_get_text,
    rdb_put_bytes,
    rdb_put_i64,
    rdb_put_len,
    rdb_put_string,
    rdb_put_type,
    rdb_text_free,
    rdb_text_t,
)
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    ID_NBYTES = 16
    FLAGS_MAX = STREAM_DELETED | STREAM_SAME_FIELDS


# --- Ids --------------------------------------------------------------------------


cdef void _id_bytes(uint8_t *b, sid_t id) noexcept nogil:
    """Write an id as 16 bytes."""
    cdef int i
    for i in range(8):
        b[i] = (id.ms >> (56 - 8 * i)) & 255
        b[8 + i] = (id.seq >> (56 - 8 * i)) & 255


cdef sid_t _id_of_bytes(const uint8_t *b) noexcept nogil:
    cdef sid_t id = sid(0, 0)
    cdef int i
    for i in range(8):
        id.ms = id.ms << 8 | b[i]
        id.seq = id.seq << 8 | b[8 + i]
    return id


cdef inline void _put_id(rdb_out_t *out, sid_t id) noexcept nogil:
    rdb_put_len(out, id.ms)
    rdb_put_len(out, id.seq)


cdef inline status_t _get_id(rdb_in_t *src, sid_t *id_out) noexcept nogil:
    if rdb_get_len(src, &id_out.ms) != C_OK:
        return C_ERR
    return rdb_get_len(src, &id_out.seq)


cdef status_t _get_raw_id(rdb_in_t *src, sid_t *id_out) noexcept nogil:
    """Read 16 bytes that are an id."""
    if src.end - src.p < ID_NBYTES:
        src.is_short = True
        return C_ERR
    id_out[0] = _id_of_bytes(src.p)
    src.p += ID_NBYTES
    return C_OK


cdef status_t _get_time(rdb_in_t *src, int64_t least, int64_t *ms_out) noexcept nogil:
    """Read a time that is not less than that."""
    if rdb_get_i64(src, ms_out) != C_OK or ms_out[0] < least:
        return C_ERR
    return C_OK


# --- Write ------------------------------------------------------------------------


cdef void _put_ids(rdb_out_t *out, const sidx_t *pel, bint is_group) noexcept nogil:
    """Write what is pending; of a group with time and deliveries."""
    cdef uint8_t[ID_NBYTES] b
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(pel, &pos)
    rdb_put_len(out, pel.len)
    while more:
        _id_bytes(b, sidx_at(&pos).id)
        rdb_put_bytes(out, b, ID_NBYTES)
        if is_group:
            nack = <const snack_t *>sidx_at(&pos).value
            rdb_put_i64(out, nack.delivered_ms)
            rdb_put_len(out, nack.deliveries)
        more = sidx_next(&pos)


cdef void _put_consumer(
    rdb_out_t *out, const char *name, size_t nbytes, int64_t seen_ms, int64_t active_ms
) noexcept nogil:
    """Write a consumer but for its entries."""
    rdb_put_string(out, name, nbytes)
    rdb_put_i64(out, seen_ms)
    if rdb_stream_version(out) == RDB_VERSION_STREAM:
        rdb_put_i64(out, active_ms)


cdef void _put_nobodys(
    rdb_out_t *out, const sgroup_t *g, const sconsumer_t *nameless, uint64_t n
) noexcept nogil:
    """Write n entries of no consumer as those of one without a name, with its own."""
    cdef uint8_t[ID_NBYTES] b
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&g.pel, &pos)
    if nameless == NULL:
        _put_consumer(out, b"", 0, 0, SCONSUMER_NEVER)
    else:
        _put_consumer(out, b"", 0, nameless.seen_ms, nameless.active_ms)
        n += nameless.pel.len
    rdb_put_len(out, n)
    while more:
        nack = <const snack_t *>sidx_at(&pos).value
        if nack.consumer == NULL or nack.consumer == nameless:
            _id_bytes(b, sidx_at(&pos).id)
            rdb_put_bytes(out, b, ID_NBYTES)
        more = sidx_next(&pos)


cdef void _put_group(rdb_out_t *out, const sgroup_t *g) noexcept nogil:
    cdef const sconsumer_t *nameless = sconsumer_find(g, b"", 0)
    cdef const sconsumer_t *consumer
    cdef uint64_t nobodys = g.pel.len
    cdef unsigned int i
    for i in range(g.consumers.n):
        nobodys -= (<const sconsumer_t *>g.consumers.items[i]).pel.len
    rdb_put_string(out, g.name.ptr, g.name.len)
    _put_id(out, g.last_id)
    rdb_put_len(out, <uint64_t>g.entries_read)
    _put_ids(out, &g.pel, True)
    rdb_put_len(out, g.consumers.n + (nobodys != 0 and nameless == NULL))
    if nobodys:
        _put_nobodys(out, g, nameless, nobodys)
    for i in range(g.consumers.n):
        consumer = <const sconsumer_t *>g.consumers.items[i]
        if nobodys and consumer == nameless:
            continue
        _put_consumer(
            out, consumer.name.ptr, consumer.name.len, consumer.seen_ms,
            consumer.active_ms)
        _put_ids(out, &consumer.pel, False)


cdef void rdb_put_stream(rdb_out_t *out, const obj_t *o) noexcept nogil:
    """Write a stream."""
    cdef const stream_t *s = stream_of(o)
    cdef uint8_t[ID_NBYTES] b
    cdef const uint8_t *lp
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&s.nodes, &pos)
    cdef unsigned int i
    if rdb_stream_version(out) == RDB_VERSION_STREAM:
        rdb_put_type(out, RDB_TYPE_STREAM_3)
    else:
        rdb_put_type(out, RDB_TYPE_STREAM_2)
    rdb_put_len(out, s.nodes.len)
    while more:
        _id_bytes(b, sidx_at(&pos).id)
        rdb_put_string(out, <const char *>b, ID_NBYTES)
        lp = <const uint8_t *>sidx_at(&pos).value
        rdb_put_string(out, <const char *>lp, lp_nbytes(lp))
        more = sidx_next(&pos)
    rdb_put_len(out, s.length)
    _put_id(out, s.last_id)
    _put_id(out, s.first_id)
    _put_id(out, s.max_deleted_id)
    rdb_put_len(out, s.entries_added)
    rdb_put_len(out, s.groups.n)
    for i in range(s.groups.n):
        _put_group(out, <const sgroup_t *>s.groups.items[i])


# --- Read a node ------------------------------------------------------------------


# A node that is being checked.
cdef struct walk_t:
    const uint8_t *p            # next element
    sid_t last                  # the entry before
    bint has_last
    int64_t live
    int64_t deleted


cdef inline bint _number(walk_t *w, int64_t *v_out) noexcept nogil:
    """Read an element that is an integer; False: it is none, or there is none."""
    if w.p[0] == LPE_END or not lpe_is_int(w.p):
        return False
    v_out[0] = lpe_int(w.p)
    w.p = lpe_after(w.p)
    return True


cdef inline bint _skip(walk_t *w, int64_t n) noexcept nogil:
    """Pass n elements; False: there are fewer."""
    while n > 0:
        if w.p[0] == LPE_END:
            return False
        w.p = lpe_after(w.p)
        n -= 1
    return True


cdef bint _entry_is_good(walk_t *w, sid_t master, int64_t nmaster) noexcept nogil:
    """Check an entry and pass it."""
    cdef int64_t flags, ms, seq, n, count
    cdef sid_t id
    # in one byte: they are changed in place
    if w.p[0] > FLAGS_MAX or not _number(w, &flags):
        return False
    if not _number(w, &ms) or not _number(w, &seq):
        return False
    id = sid(master.ms + <uint64_t>ms, master.seq + <uint64_t>seq)
    if w.has_last and sid_cmp(id, w.last) <= 0:
        return False
    w.last = id
    w.has_last = True
    if flags & STREAM_SAME_FIELDS:
        n = nmaster
        count = 3 + n
    else:
        if not _number(w, &n) or not 0 <= n <= INT64_MAX // 4:
            return False
        count = 4 + 2 * n
        n *= 2
    if not _skip(w, n) or not _number(w, &n) or n != count:
        return False
    if flags & STREAM_DELETED:
        w.deleted += 1
    else:
        w.live += 1
    return True


cdef bint _node_is_good(
    const uint8_t *lp, size_t nbytes, sid_t master, walk_t *w
) noexcept nogil:
    """Check a node; w: what was found in those before it."""
    cdef int64_t live, deleted, nmaster, zero
    if not lp_is_valid(lp, nbytes):
        return False
    w.p = lp + LP_HEADER
    w.live = w.deleted = 0
    if not _number(w, &live) or not _number(w, &deleted) or live < 0 or deleted < 0:
        return False
    if not _number(w, &nmaster) or not 0 <= nmaster <= INT64_MAX // 4:
        return False
    if not _skip(w, nmaster) or not _number(w, &zero) or zero:
        return False
    if w.p[0] == LPE_END:
        return False
    while w.p[0] != LPE_END:
        if not _entry_is_good(w, master, nmaster):
            return False
    return w.live == live and w.deleted == deleted


cdef status_t _get_node(
    rdb_in_t *src, stream_t *s, walk_t *w, bint has_before, sid_t *master
) noexcept nogil:
    """Read a node; master: that of the one before, then its own."""
    cdef rdb_text_t t
    cdef uint8_t *lp
    cdef bint is_good
    cdef sid_t id
    if rdb_get_text(src, &t) != C_OK:
        return C_ERR
    is_good = t.len == ID_NBYTES
    if is_good:
        id = _id_of_bytes(<const uint8_t *>t.ptr)
    rdb_text_free(&t)
    if not is_good or (has_before and sid_cmp(id, master[0]) <= 0):
        return C_ERR
    master[0] = id
    if rdb_get_text(src, &t) != C_OK:
        return C_ERR
    is_good = _node_is_good(<const uint8_t *>t.ptr, t.len, id, w)
    if is_good:
        lp = <uint8_t *>zmalloc(t.len)
        memcpy(lp, t.ptr, t.len)
        stream_add_node(s, id, lp)
        s.length += <uint64_t>w.live
    rdb_text_free(&t)
    return C_OK if is_good else C_ERR


# --- Read a group -----------------------------------------------------------------


cdef status_t _get_group_pel(rdb_in_t *src, sgroup_t *g) noexcept nogil:
    """Read what is pending in a group; for whom comes later."""
    cdef uint64_t n, deliveries
    cdef snack_t *nack
    cdef int64_t ms
    cdef sid_t id
    if rdb_get_len(src, &n) != C_OK:
        return C_ERR
    while n:
        n -= 1
        if _get_raw_id(src, &id) != C_OK or _get_time(src, 0, &ms) != C_OK or \
                rdb_get_len(src, &deliveries) != C_OK:
            return C_ERR
        nack = snack_add(g, id, NULL, ms)
        if nack == NULL:
            return C_ERR
        nack.deliveries = deliveries
    return C_OK


cdef void _disown(sgroup_t *g, sconsumer_t *nameless) noexcept nogil:
    """Turn what was given back into what it was, see above."""
    cdef snack_t *nack
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&g.pel, &pos)
    cdef bint has_any = False
    while more:
        nack = <snack_t *>sidx_at(&pos).value
        if nack.consumer == nameless and nack.delivered_ms == 0:
            snack_move(nack, sidx_at(&pos).id, NULL)
            has_any = True
        more = sidx_next(&pos)
    if has_any and nameless.pel.len == 0 and nameless.seen_ms == 0:
        sconsumer_delete(g, nameless)


cdef status_t _get_consumer(rdb_in_t *src, int type, sgroup_t *g) noexcept nogil:
    cdef sconsumer_t *consumer
    cdef int64_t seen, active
    cdef snack_t *nack
    cdef rdb_text_t t
    cdef uint64_t n
    cdef sid_t id
    if rdb_get_text(src, &t) != C_OK:
        return C_ERR
    consumer = sconsumer_add(g, t.ptr, t.len, 0)
    rdb_text_free(&t)
    if consumer == NULL or _get_time(src, 0, &seen) != C_OK:
        return C_ERR
    active = seen           # what older servers did not tell apart
    if type == RDB_TYPE_STREAM_3 and _get_time(src, SCONSUMER_NEVER, &active) != C_OK:
        return C_ERR
    consumer.seen_ms = seen
    consumer.active_ms = active
    if rdb_get_len(src, &n) != C_OK:
        return C_ERR
    while n:
        n -= 1
        if _get_raw_id(src, &id) != C_OK:
            return C_ERR
        nack = <snack_t *>sidx_find(&g.pel, id)
        if nack == NULL or nack.consumer != NULL:
            return C_ERR
        snack_move(nack, id, consumer)
    return C_OK


cdef status_t _get_group(rdb_in_t *src, int type, stream_t *s) noexcept nogil:
    cdef sconsumer_t *nameless
    cdef uint64_t n, reads = 0
    cdef rdb_text_t t
    cdef sgroup_t *g
    if rdb_get_text(src, &t) != C_OK:
        return C_ERR
    g = sgroup_add(&s.groups, t.ptr, t.len, sid(0, 0), 0)
    rdb_text_free(&t)
    if g == NULL or _get_id(src, &g.last_id) != C_OK:
        return C_ERR
    if type == RDB_TYPE_STREAM:
        g.entries_read = stream_reads_at(s, g.last_id)
    elif rdb_get_len(src, &reads) != C_OK:
        return C_ERR
    else:
        g.entries_read = <int64_t>reads
        if g.entries_read < -1:
            return C_ERR
    if _get_group_pel(src, g) != C_OK or rdb_get_len(src, &n) != C_OK:
        return C_ERR
    while n:
        n -= 1
        if _get_consumer(src, type, g) != C_OK:
            return C_ERR
    nameless = sconsumer_find(g, b"", 0)
    if nameless != NULL:
        _disown(g, nameless)
    return C_OK


# --- Read a stream ----------------------------------------------------------------


cdef status_t _get_all(rdb_in_t *src, int type, stream_t *s) noexcept nogil:
    """Read everything into an empty stream."""
    cdef sid_t master = sid(0, 0), first
    cdef uint64_t n, i, length
    cdef walk_t w
    w.has_last = False
    if rdb_get_len(src, &n) != C_OK:
        return C_ERR
    for i in range(n):
        if _get_node(src, s, &w, i != 0, &master) != C_OK:
            return C_ERR
    if rdb_get_len(src, &length) != C_OK or length != s.length:
        return C_ERR
    if _get_id(src, &s.last_id) != C_OK:
        return C_ERR
    stream_settle(s)
    if sid_cmp(s.first_id, s.last_id) > 0:
        return C_ERR
    s.entries_added = length
    if type != RDB_TYPE_STREAM:
        # the first id is known from the entries
        if _get_id(src, &first) != C_OK or _get_id(src, &s.max_deleted_id) != C_OK or \
                rdb_get_len(src, &s.entries_added) != C_OK:
            return C_ERR
    if rdb_get_len(src, &n) != C_OK:
        return C_ERR
    while n:
        n -= 1
        if _get_group(src, type, s) != C_OK:
            return C_ERR
    return C_OK


cdef obj_t *rdb_get_stream(rdb_in_t *src, int type) noexcept nogil:
    """Read a stream."""
    cdef stream_t *s = stream_new()
    if _get_all(src, type, s) != C_OK:
        stream_free(s)
        return NULL
    return obj_new_pointer(b"", 0, OBJ_STREAM, OBJ_ENC_STREAM, s, OBJ_NO_EXPIRE)
