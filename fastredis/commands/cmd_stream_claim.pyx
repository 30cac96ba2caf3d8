# SPDX-License-Identifier: BSD-3-Clause
r"""XCLAIM and XAUTOCLAIM: a consumer takes over what is pending for others.

XCLAIM names the entries, XAUTOCLAIM looks for those that have waited long enough, a
stretch of the group's list at a time. Entries that the stream no longer has are
forgotten.
"""
from fastredis.commands.stream_args cimport (
    arg_strict_sid_or_reply,
    reply_sid,
    reply_stream_entry,
    sid_parse_strict,
    stream_consumer,
    stream_end_or_reply,
    stream_group_or_reply,
)
from fastredis.commands.stream_feed cimport (
    feed_group_id,
    feed_pending,
    stream_drop_pending,
)
from fastredis.core.mem cimport zfree, ztrymalloc
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.stream_groups cimport (
    sconsumer_t,
    sgroup_t,
    snack_add,
    snack_move,
    snack_t,
)
from fastredis.datatypes.t_stream cimport (
    sid,
    sid_increment,
    stream_has,
    stream_iter,
    stream_iter_t,
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
from fastredis.engine.args cimport arg_i64_or_error, arg_is, arg_key
from fastredis.engine.client cimport client_is_obeyed, client_t, mark_dirty
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.propagate cimport feed_instead
from fastredis.engine.reply cimport (
    reply_array,
    reply_defer,
    reply_error,
    reply_error_arg,
    reply_resolve,
)
from fastredis.keyspace.db cimport dbkey_t
from fastredis.resp.writer cimport out_block_t
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

cdef enum:
    NOT_GIVEN = -1
    AUTO_COUNT = 100            # entries that XAUTOCLAIM takes, if it does not say
    AUTO_LOOKS = 10             # entries looked at for each that may be taken

cdef struct claim_t:
    int64_t min_idle_ms
    int64_t delivered_ms        # NOT_GIVEN: now
    int64_t deliveries          # NOT_GIVEN: one more
    bint is_forced
    bint is_justid
    sid_t last_id
    int nids                    # from argument 5 on


cdef bint _take(
    client_t *c, const dbkey_t *key, sgroup_t *g, snack_t *nack, sid_t id,
    sconsumer_t *consumer, const claim_t *claim
) noexcept nogil:
    """Give an entry to a consumer, if nobody has been busy with it for long enough."""
    if nack.consumer != NULL and claim.min_idle_ms and \
            c.srv.now_ms - nack.delivered_ms < claim.min_idle_ms:
        return False
    snack_move(nack, id, consumer)
    nack.delivered_ms = claim.delivered_ms
    if claim.deliveries >= 0:
        nack.deliveries = claim.deliveries
    elif not claim.is_justid and nack.deliveries < <uint64_t>INT64_MAX:
        nack.deliveries += 1
    consumer.active_ms = c.srv.now_ms
    feed_pending(c, key, g, id, nack)
    mark_dirty(c, 1)
    return True


cdef void _reply_claimed(
    client_t *c, const stream_t *s, sid_t id, bint is_justid
) noexcept nogil:
    """Reply an entry, or its id."""
    cdef stream_iter_t it
    if is_justid:
        reply_sid(c, id)
        return
    stream_iter(&it, s, id, id, False)
    stream_next(&it)
    reply_stream_entry(c, &it)


# --- XCLAIM -----------------------------------------------------------------------


cdef status_t _claim_options_or_reply(client_t *c, claim_t *claim) noexcept nogil:
    """Read the ids and what follows them."""
    cdef int64_t now = c.srv.now_ms
    cdef int i = 5
    cdef sid_t id
    claim.delivered_ms = claim.deliveries = NOT_GIVEN
    claim.is_forced = claim.is_justid = False
    claim.last_id = sid(0, 0)
    while i < c.argc and sid_parse_strict(c, i, &id) == C_OK:
        i += 1
    claim.nids = i - 5
    while i < c.argc:
        if arg_is(c, i, b"force"):
            claim.is_forced = True
        elif arg_is(c, i, b"justid"):
            claim.is_justid = True
        elif i + 1 < c.argc and arg_is(c, i, b"idle"):
            i += 1
            if arg_i64_or_error(
                    c, i, b"ERR Invalid IDLE option argument for XCLAIM",
                    &claim.delivered_ms) != C_OK:
                return C_ERR
            # an overflow makes it a time to come, which is no time
            claim.delivered_ms = <int64_t>(
                <uint64_t>now - <uint64_t>claim.delivered_ms)
        elif i + 1 < c.argc and arg_is(c, i, b"time"):
            i += 1
            if arg_i64_or_error(
                    c, i, b"ERR Invalid TIME option argument for XCLAIM",
                    &claim.delivered_ms) != C_OK:
                return C_ERR
        elif i + 1 < c.argc and arg_is(c, i, b"retrycount"):
            i += 1
            if arg_i64_or_error(
                    c, i, b"ERR Invalid RETRYCOUNT option argument for XCLAIM",
                    &claim.deliveries) != C_OK:
                return C_ERR
        elif i + 1 < c.argc and arg_is(c, i, b"lastid"):
            i += 1
            if arg_strict_sid_or_reply(c, i, &claim.last_id, NULL) != C_OK:
                return C_ERR
        else:
            reply_error_arg(c, b"ERR Unrecognized XCLAIM option '", i, b"'")
            return C_ERR
        i += 1
    if claim.delivered_ms < 0 or (
            claim.delivered_ms > now and not client_is_obeyed(c)):
        claim.delivered_ms = now        # the client's clock may be ahead
    return C_OK


cdef api void cmd_xclaim(client_t *c) noexcept nogil:
    """XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME ms]
    [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef sconsumer_t *consumer
    cdef out_block_t *mark
    cdef snack_t *nack
    cdef claim_t claim
    cdef int64_t n = 0
    cdef sgroup_t *g
    cdef stream_t *s
    cdef bint is_further
    cdef sid_t id
    cdef int i
    if stream_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    if arg_i64_or_error(
            c, 4, b"ERR Invalid min-idle-time argument for XCLAIM",
            &claim.min_idle_ms) != C_OK:
        return
    if claim.min_idle_ms < 0:
        claim.min_idle_ms = 0
    if _claim_options_or_reply(c, &claim) != C_OK:
        return
    feed_instead(c, 0)      # but what comes of it
    is_further = sid_cmp(claim.last_id, g.last_id) > 0
    if is_further:
        g.last_id = claim.last_id
        mark_dirty(c, 1)
    consumer = stream_consumer(c, &key, g, 3)
    mark = reply_defer(c)
    for i in range(5, 5 + claim.nids):
        sid_parse_strict(c, i, &id)
        if not stream_has(s, id):
            stream_drop_pending(c, &key, g, id)
            continue
        nack = <snack_t *>sidx_find(&g.pel, id)
        if nack == NULL and claim.is_forced:
            nack = snack_add(g, id, NULL, c.srv.now_ms)
        if nack != NULL and _take(c, &key, g, nack, id, consumer, &claim):
            _reply_claimed(c, s, id, claim.is_justid)
            n += 1
    if is_further and n == 0:       # else it has been said with each
        feed_group_id(c, &key, g)
    reply_resolve(c, mark, b"*", n)


# --- XAUTOCLAIM -------------------------------------------------------------------


cdef status_t _auto_options_or_reply(
    client_t *c, claim_t *claim, int64_t *count_out
) noexcept nogil:
    """Read what follows the id to start from."""
    cdef int i = 6
    count_out[0] = AUTO_COUNT
    claim.is_justid = False
    while i < c.argc:
        if i + 1 < c.argc and arg_is(c, i, b"count"):
            i += 1
            if arg_i64_or_error(
                    c, i, b"ERR COUNT must be > 0", count_out) != C_OK:
                return C_ERR
            if not 1 <= count_out[0] <= INT64_MAX // 16:
                reply_error(c, b"ERR COUNT must be > 0")
                return C_ERR
        elif arg_is(c, i, b"justid"):
            claim.is_justid = True
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    return C_OK


cdef sid_t _take_stretch(
    client_t *c, const dbkey_t *key, stream_t *s, sgroup_t *g, sconsumer_t *consumer,
    sid_t start, const claim_t *claim, int64_t count, sid_t *ids, int64_t *ntaken_out,
    int64_t *ngone_out
) noexcept nogil:
    """Take up to count entries from an id on; return where to go on, 0-0 at the end.

    ids: room for count; those taken are put at its begin, those that the stream no
    longer has at its end, the first of them last.
    """
    cdef int64_t looks = count * AUTO_LOOKS, taken = 0, gone = 0
    cdef sidx_pos_t pos
    cdef snack_t *nack
    cdef sid_t id
    cdef bint more = sidx_seek(&g.pel, start, &pos)
    while more and looks and taken + gone < count:
        looks -= 1
        id = sidx_at(&pos).id
        nack = <snack_t *>sidx_at(&pos).value
        if not stream_has(s, id):
            stream_drop_pending(c, key, g, id)
            gone += 1
            ids[count - gone] = id
            more = sidx_seek(&g.pel, id, &pos)
            continue
        if _take(c, key, g, nack, id, consumer, claim):
            ids[taken] = id
            taken += 1
        more = sidx_next(&pos)
    ntaken_out[0] = taken
    ngone_out[0] = gone
    return sidx_at(&pos).id if more else sid(0, 0)


cdef api void cmd_xautoclaim(client_t *c) noexcept nogil:
    """XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count, taken, gone, i
    cdef sconsumer_t *consumer
    cdef claim_t claim
    cdef sgroup_t *g
    cdef stream_t *s
    cdef sid_t start
    cdef sid_t *ids
    cdef bint is_open
    claim.delivered_ms = c.srv.now_ms
    claim.deliveries = NOT_GIVEN
    if arg_i64_or_error(
            c, 4, b"ERR Invalid min-idle-time argument for XAUTOCLAIM",
            &claim.min_idle_ms) != C_OK:
        return
    if claim.min_idle_ms < 0:
        claim.min_idle_ms = 0
    if stream_end_or_reply(c, 5, 0, &start, &is_open) != C_OK:
        return
    if is_open and not sid_increment(&start):
        reply_error(c, b"ERR invalid start ID for the interval")
        return
    if _auto_options_or_reply(c, &claim, &count) != C_OK:
        return
    if stream_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    if count > <int64_t>g.pel.len + 1:
        count = <int64_t>g.pel.len + 1      # no more can be found
    ids = <sid_t *>ztrymalloc(count * sizeof(sid_t))
    if ids == NULL:
        reply_error(
            c, b"ERR Insufficient memory, failed allocating transient memory, COUNT "
            b"too high.")
        return
    feed_instead(c, 0)      # but what comes of it
    consumer = stream_consumer(c, &key, g, 3)
    start = _take_stretch(
        c, &key, s, g, consumer, start, &claim, count, ids, &taken, &gone)
    reply_array(c, 3)
    reply_sid(c, start)
    reply_array(c, taken)
    for i in range(taken):
        _reply_claimed(c, s, ids[i], claim.is_justid)
    reply_array(c, gone)
    for i in range(gone):
        reply_sid(c, ids[count - 1 - i])
    zfree(ids)
