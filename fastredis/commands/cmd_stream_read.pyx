# SPDX-License-Identifier: BSD-3-Clause
r"""XREAD and XREADGROUP: entries behind given ids, of several streams.

    XREAD        ids are the last that the client has seen; $ is the stream's last
    XREADGROUP   > is the last that the group was given: what follows is delivered to
                 the consumer, and pending until it is acknowledged
                 an id: what is pending for the consumer behind it, once more

    CLAIM        with >: first what has been pending for long, whoever has it

COUNT limits what is returned of each stream, MAXCOUNT and MAXSIZE limit the whole
reply: streams behind the one where a limit is reached are left out. One entry is
returned whatever its size.

Both may wait. The handler then runs again when one of the streams has changed; $ is
replaced by what it was in the arguments that are kept for that. With CLAIM it also runs
when the next pending entry will have waited long enough.
"""
from fastredis.commands.stream_args cimport (
    SID_BUF,
    arg_strict_sid_or_reply,
    reply_error_args,
    reply_sid,
    reply_stream_entry,
    reply_stream_entry_and,
    sid_format,
    stream_consumer,
    stream_entry_nbytes,
    stream_read_or_reply,
)
from fastredis.commands.stream_feed cimport (
    feed_group_id,
    feed_pending,
    stream_drop_pending,
)
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.stream_groups cimport (
    sconsumer_t,
    sgroup_find,
    sgroup_idle,
    sgroup_t,
    snack_add,
    snack_idle_t,
    snack_move,
    snack_t,
)
from fastredis.datatypes.t_stream cimport (
    sid,
    sid_decrement,
    sid_increment,
    sid_max,
    stream_delivered,
    stream_iter,
    stream_iter_t,
    stream_last_entry,
    stream_next,
    stream_t,
)
from fastredis.ds.streamindex cimport (
    sid_cmp,
    sid_t,
    sidx_at,
    sidx_find,
    sidx_next,
    sidx_pos_t,
    sidx_seek,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.blocking cimport (
    arg_timeout_ms_or_reply,
    BLOCK_NULL_ARRAY,
    block_on_keys,
    block_retry_at,
    block_until_gone,
)
from fastredis.engine.client cimport CLIENT_DENY_BLOCKING, client_t, mark_dirty
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.propagate cimport feed_instead, is_fed
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_bulk_int,
    reply_defer,
    reply_error,
    reply_map,
    reply_null_array,
    reply_resolve,
)
from fastredis.keyspace.db cimport dbkey_t
from fastredis.keyspace.obj cimport OBJ_STREAM
from fastredis.resp.parser cimport slice_t
from fastredis.resp.writer cimport out_block_t
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

cdef enum:
    NOT_BLOCKING = -1           # instead of a time
    NOT_GIVEN = -1
    PLACES_FEW = 8              # streams for which no memory is allocated

cdef struct read_t:
    int64_t count               # 0: no limit
    int64_t deadline_ms         # 0: none; or NOT_BLOCKING
    int first                   # index of the first key
    int n                       # streams
    int group                   # index of the group's name; 0: XREAD
    bint is_noack
    int64_t claim_ms            # CLAIM; NOT_GIVEN: none
    int64_t next_claim_ms       # when there will be more to claim; 0: never
    int64_t max_count           # of entries in all; 0: no limit
    size_t max_nbytes           # of all entries; 0: no limit
    int64_t total               # entries that are in the reply
    size_t nbytes               # ... and their bytes, if they are limited
    int nreplied                # streams that are in the reply
    out_block_t *mark           # where their number is to be, if n > 1

# One of the streams.
cdef struct place_t:
    stream_t *s                 # NULL: none
    sgroup_t *g
    sid_t after                 # what is behind it is wanted
    bint is_new                 # ">"
    bint is_last                # "$"


# --- Parse ------------------------------------------------------------------------


cdef status_t _positive_or_reply(
    client_t *c, int i, const char *error, int64_t *value_out
) noexcept nogil:
    """Read an integer above 0."""
    if arg_i64_or_reply(c, i, value_out) != C_OK:
        return C_ERR
    if value_out[0] > 0:
        return C_OK
    reply_error(c, error)
    return C_ERR


cdef status_t _options_or_reply(
    client_t *c, read_t *r, bint is_xreadgroup
) noexcept nogil:
    """Read everything up to STREAMS."""
    cdef int64_t nbytes
    cdef int i = 1
    r.count = r.max_count = r.total = r.next_claim_ms = 0
    r.max_nbytes = r.nbytes = 0
    r.claim_ms = NOT_GIVEN
    r.deadline_ms = NOT_BLOCKING
    r.first = r.group = r.nreplied = 0
    r.is_noack = False
    while i < c.argc:
        if i + 1 < c.argc and arg_is(c, i, b"block"):
            i += 1
            if arg_timeout_ms_or_reply(c, i, &r.deadline_ms) != C_OK:
                return C_ERR
        elif i + 1 < c.argc and arg_is(c, i, b"count"):
            i += 1
            if arg_i64_or_reply(c, i, &r.count) != C_OK:
                return C_ERR
            if r.count < 0:
                r.count = 0
        elif i + 1 < c.argc and arg_is(c, i, b"maxcount"):
            i += 1
            if _positive_or_reply(
                    c, i, b"ERR MAXCOUNT must be > 0", &r.max_count) != C_OK:
                return C_ERR
        elif i + 1 < c.argc and arg_is(c, i, b"maxsize"):
            i += 1
            if _positive_or_reply(
                    c, i, b"ERR MAXSIZE must be > 0", &nbytes) != C_OK:
                return C_ERR
            r.max_nbytes = nbytes
        elif i + 1 < c.argc and arg_is(c, i, b"claim"):
            if not is_xreadgroup:
                reply_error(
                    c, b"ERR The CLAIM option is only supported by XREADGROUP. You "
                    b"called XREAD instead.")
                return C_ERR
            i += 1
            if arg_i64_or_reply(c, i, &r.claim_ms) != C_OK:
                return C_ERR
            if r.claim_ms < 0:
                reply_error(c, b"ERR min-idle-time must be a positive integer")
                return C_ERR
        elif i + 1 < c.argc and arg_is(c, i, b"streams"):
            r.first = i + 1
            break
        elif i + 2 < c.argc and arg_is(c, i, b"group"):
            if not is_xreadgroup:
                reply_error(
                    c, b"ERR The GROUP option is only supported by XREADGROUP. You "
                    b"called XREAD instead.")
                return C_ERR
            r.group = i + 1
            i += 2
        elif arg_is(c, i, b"noack"):
            if not is_xreadgroup:
                reply_error(
                    c, b"ERR The NOACK option is only supported by XREADGROUP. You "
                    b"called XREAD instead.")
                return C_ERR
            r.is_noack = True
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    if r.first == 0:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    if (c.argc - r.first) & 1:
        if is_xreadgroup:
            reply_error(
                c, b"ERR Unbalanced 'xreadgroup' list of streams: for each stream key "
                b"an ID or '>' must be specified.")
        else:
            reply_error(
                c, b"ERR Unbalanced 'xread' list of streams: for each stream key an "
                b"ID, '+', or '$' must be specified.")
        return C_ERR
    r.n = (c.argc - r.first) // 2
    if is_xreadgroup and r.group == 0:
        reply_error(c, b"ERR Missing GROUP option for XREADGROUP")
        return C_ERR
    return C_OK


cdef inline bint _is_char(client_t *c, int i, char ch) noexcept nogil:
    return c.argv[i].len == 1 and c.argv[i].ptr[0] == ch


cdef status_t _place_or_reply(
    client_t *c, const read_t *r, int i, place_t *place
) noexcept nogil:
    """Find stream and group of the key at argument i, and from where on to read."""
    cdef dbkey_t key = arg_key(c, i)
    cdef int id = i + r.n
    if stream_read_or_reply(c, &key, &place.s) != C_OK:
        return C_ERR
    place.g = NULL
    place.after = sid(0, 0)
    place.is_new = place.is_last = False
    if r.group:
        if place.s != NULL:
            place.g = sgroup_find(
                &place.s.groups, c.argv[r.group].ptr, c.argv[r.group].len)
        if place.g == NULL:
            reply_error_args(
                c, b"NOGROUP No such key '", i, b"' or consumer group '", r.group,
                b"' in XREADGROUP with GROUP option")
            return C_ERR
    if _is_char(c, id, b"$"):
        if r.group:
            reply_error(
                c, b"ERR The $ ID is meaningless in the context of XREADGROUP: you "
                b"want to read the history of this consumer by specifying a proper "
                b"ID, or use the > ID to get new messages. The $ ID would just return "
                b"an empty result set.")
            return C_ERR
        place.is_last = True
        if place.s != NULL:
            place.after = place.s.last_id
        return C_OK
    if _is_char(c, id, b"+"):
        if r.group:
            reply_error(
                c, b"ERR The + ID is meaningless in the context of XREADGROUP: you "
                b"want to read the history of this consumer by specifying a proper "
                b"ID, or use the > ID to get new messages. The + ID would just return "
                b"an empty result set.")
            return C_ERR
        if place.s != NULL and place.s.length:
            place.after = stream_last_entry(place.s)
            sid_decrement(&place.after)
        return C_OK
    if _is_char(c, id, b">"):
        if not r.group:
            reply_error(
                c, b"ERR The > ID can be specified only when calling XREADGROUP using "
                b"the GROUP <group> <consumer> option.")
            return C_ERR
        place.is_new = True
        return C_OK
    return arg_strict_sid_or_reply(c, id, &place.after, NULL)


# --- Reply ------------------------------------------------------------------------


cdef void _reply_key(client_t *c, read_t *r, int i) noexcept nogil:
    """Begin a pair of key and entries, and with the first one the reply."""
    if r.nreplied == 0:
        if r.n > 1:
            r.mark = reply_defer(c)
        elif c.out.resp == 2:
            reply_array(c, 1)
        else:
            reply_map(c, 1)
    r.nreplied += 1
    if c.out.resp == 2:
        reply_array(c, 2)
    reply_bulk(c, c.argv[i].ptr, c.argv[i].len)


cdef void _deliver(
    client_t *c, const dbkey_t *key, place_t *place, sconsumer_t *consumer, sid_t id
) noexcept nogil:
    """Note that an entry is pending for a consumer, whoever had it before."""
    cdef snack_t *nack = snack_add(place.g, id, consumer, c.srv.now_ms)
    if nack == NULL:
        # the group was set back
        nack = <snack_t *>sidx_find(&place.g.pel, id)
        snack_move(nack, id, consumer)
        nack.delivered_ms = c.srv.now_ms
        nack.deliveries = 1
    consumer.active_ms = c.srv.now_ms
    feed_pending(c, key, place.g, id, nack)


cdef bint _has_room(read_t *r, int64_t n, const stream_iter_t *it) noexcept nogil:
    """Count one entry more, n of the stream being in the reply; False: over a limit.

    it: at the entry; NULL: it is gone, and its id alone is replied.
    """
    cdef size_t nbytes
    if r.count and n == r.count:
        return False
    if r.max_count and r.total == r.max_count:
        return False
    if r.max_nbytes:
        nbytes = SID_BUF if it == NULL else stream_entry_nbytes(it)
        if r.total and r.nbytes + nbytes > r.max_nbytes:
            r.max_count = r.total       # what follows is left out, too
            return False
        r.nbytes += nbytes
    r.total += 1
    return True


cdef inline void _reply_history(
    client_t *c, int64_t idle_ms, uint64_t deliveries
) noexcept nogil:
    """Reply what CLAIM tells of an entry; 0 and 0: it is new."""
    reply_bulk_int(c, idle_ms)
    reply_bulk_int(c, <int64_t>deliveries)


# The entries of one stream that are being replied.
cdef struct row_t:
    out_block_t *mark           # NULL: none so far
    int64_t n


cdef inline void _begin_row(
    client_t *c, read_t *r, int i, row_t *row
) noexcept nogil:
    """Begin an entry, and with the first one the pair of key and entries."""
    if row.mark == NULL:
        _reply_key(c, r, i)
        row.mark = reply_defer(c)
    row.n += 1


cdef void _reply_idle(
    client_t *c, read_t *r, int i, place_t *place, sconsumer_t *consumer, row_t *row
) noexcept nogil:
    """Reply what has been pending for long, and give it to the consumer."""
    cdef snack_idle_t *found
    cdef stream_iter_t it
    cdef dbkey_t key = arg_key(c, i)
    cdef snack_t *nack
    cdef int64_t idle_ms, next_ms
    cdef size_t k, n = sgroup_idle(
        place.g, c.srv.now_ms, r.claim_ms, &found, &next_ms)
    if next_ms and (r.next_claim_ms == 0 or next_ms < r.next_claim_ms):
        r.next_claim_ms = next_ms
    for k in range(n):
        nack = found[k].nack
        stream_iter(&it, place.s, found[k].id, found[k].id, False)
        if not stream_next(&it):
            stream_drop_pending(c, &key, place.g, found[k].id)
            continue
        if not _has_room(r, row.n, &it):
            break
        _begin_row(c, r, i, row)
        idle_ms = -1 if nack.consumer == NULL else c.srv.now_ms - nack.delivered_ms
        reply_stream_entry_and(c, &it, 4)
        _reply_history(c, idle_ms, nack.deliveries)
        snack_move(nack, it.id, consumer)
        nack.delivered_ms = c.srv.now_ms
        if nack.deliveries < <uint64_t>INT64_MAX:
            nack.deliveries += 1
        consumer.active_ms = c.srv.now_ms
        feed_pending(c, &key, place.g, it.id, nack)
    zfree(found)


cdef void _reply_entries(
    client_t *c, read_t *r, int i, place_t *place, sconsumer_t *consumer
) noexcept nogil:
    """Reply key and entries of a stream; nothing if there are none."""
    cdef bint is_claiming = place.g != NULL and r.claim_ms != NOT_GIVEN
    cdef sid_t start = place.after
    cdef dbkey_t key = arg_key(c, i)
    cdef bint is_further = False
    cdef stream_iter_t it
    cdef row_t row
    row.mark = NULL
    row.n = 0
    if is_claiming:
        _reply_idle(c, r, i, place, consumer, &row)
    if place.s.length and sid_increment(&start):
        stream_iter(&it, place.s, start, sid_max(), False)
        while stream_next(&it) and _has_room(r, row.n, &it):
            _begin_row(c, r, i, &row)
            if is_claiming:
                reply_stream_entry_and(c, &it, 4)
                _reply_history(c, 0, 0)
            else:
                reply_stream_entry(c, &it)
            if place.g != NULL:
                if sid_cmp(it.id, place.g.last_id) > 0:
                    stream_delivered(place.s, place.g, it.id)
                    is_further = True
                if not r.is_noack:
                    _deliver(c, &key, place, consumer, it.id)
            if row.n == r.count:
                break
    if row.mark == NULL:
        return
    reply_resolve(c, row.mark, b"*", row.n)
    if is_further:
        feed_group_id(c, &key, place.g)
    if r.group:
        mark_dirty(c, 1)


cdef void _reply_pending(
    client_t *c, read_t *r, int i, place_t *place, sconsumer_t *consumer
) noexcept nogil:
    """Reply what is pending for a consumer behind an id, and count it as delivered."""
    cdef out_block_t *mark
    cdef dbkey_t key = arg_key(c, i)
    cdef stream_iter_t it
    cdef sidx_pos_t pos
    cdef snack_t *nack
    cdef sid_t start = place.after, id
    cdef int64_t n = 0
    cdef bint more = False, is_there
    _reply_key(c, r, i)
    mark = reply_defer(c)
    if sid_increment(&start):
        more = sidx_seek(&consumer.pel, start, &pos)
    while more:
        id = sidx_at(&pos).id
        stream_iter(&it, place.s, id, id, False)
        is_there = stream_next(&it)
        if not _has_room(r, n, &it if is_there else NULL):
            break
        if is_there:
            reply_stream_entry(c, &it)
            nack = <snack_t *>sidx_at(&pos).value
            nack.delivered_ms = c.srv.now_ms
            nack.deliveries += 1
            feed_pending(c, &key, place.g, id, nack)
        else:
            # deleted since
            reply_array(c, 2)
            reply_sid(c, id)
            reply_null_array(c)
        n += 1
        more = sidx_next(&pos)
    reply_resolve(c, mark, b"*", n)


cdef void _reply_places(client_t *c, read_t *r, place_t *places) noexcept nogil:
    """Reply what there is; if that is nothing, nothing is said."""
    cdef sconsumer_t *consumer = NULL
    cdef place_t *place
    cdef dbkey_t key
    cdef int i
    for i in range(r.n):
        place = &places[i]
        if place.s == NULL or (r.max_count and r.total == r.max_count):
            continue
        if r.group:
            key = arg_key(c, r.first + i)
            consumer = stream_consumer(c, &key, place.g, r.group + 1)
            if not place.is_new:
                _reply_pending(c, r, r.first + i, place, consumer)
                continue
            place.after = place.g.last_id
        _reply_entries(c, r, r.first + i, place, consumer)
    if r.nreplied and r.n > 1:
        reply_resolve(c, r.mark, b"*" if c.out.resp == 2 else b"%", r.nreplied)


# --- Wait -------------------------------------------------------------------------


cdef void _wait(client_t *c, const read_t *r, place_t *places) noexcept nogil:
    """Wait until one of the streams changes; $ stays what it is now."""
    cdef char *texts
    cdef slice_t *kept
    cdef int i, id
    if c.flags & CLIENT_DENY_BLOCKING:
        reply_null_array(c)
        return
    kept = <slice_t *>zmalloc(r.n * (sizeof(slice_t) + SID_BUF))
    texts = <char *>(kept + r.n)
    for i in range(r.n):
        id = r.first + r.n + i
        kept[i] = c.argv[id]
        if places[i].is_last:
            c.argv[id].ptr = texts + i * SID_BUF
            c.argv[id].len = sid_format(texts + i * SID_BUF, places[i].after)
    block_on_keys(
        c, r.first, r.n, OBJ_STREAM, r.deadline_ms, BLOCK_NULL_ARRAY)
    if r.group:
        block_until_gone(c)
    if r.next_claim_ms:
        block_retry_at(c, r.next_claim_ms)
    # what is logged about the command is what the client sent
    for i in range(r.n):
        c.argv[r.first + r.n + i] = kept[i]
    zfree(kept)


cdef void _read(client_t *c, bint is_xreadgroup) noexcept nogil:
    cdef place_t few[PLACES_FEW]
    cdef place_t *places = few
    cdef bint is_good = True
    cdef read_t r
    cdef int i
    if _options_or_reply(c, &r, is_xreadgroup) != C_OK:
        return
    if r.n > PLACES_FEW:
        places = <place_t *>zmalloc(r.n * sizeof(place_t))
    for i in range(r.n):
        if _place_or_reply(c, &r, r.first + i, &places[i]) != C_OK:
            is_good = False
            break
    if is_good:
        if is_xreadgroup and is_fed(c):
            feed_instead(c, 0)      # but what comes of it
        _reply_places(c, &r, places)
        if r.nreplied == 0 and r.deadline_ms == NOT_BLOCKING:
            reply_null_array(c)
        elif r.nreplied == 0:
            _wait(c, &r, places)
    if places != few:
        zfree(places)


cdef api void cmd_xread(client_t *c) noexcept nogil:
    """XREAD [COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds]
    STREAMS key [key ...] id [id ...]"""
    _read(c, False)


cdef api void cmd_xreadgroup(client_t *c) noexcept nogil:
    """XREADGROUP GROUP group consumer [COUNT count] [MAXCOUNT maxcount]
    [MAXSIZE maxsize] [BLOCK milliseconds] [CLAIM min-idle-time] [NOACK]
    STREAMS key [key ...] id [id ...]"""
    _read(c, True)
