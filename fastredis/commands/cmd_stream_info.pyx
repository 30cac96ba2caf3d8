# SPDX-License-Identifier: BSD-3-Clause
"""XINFO: what there is to know about a stream, its groups and their consumers."""
from fastredis.commands.stream_args cimport (
    reply_error_args,
    reply_sid,
    reply_stream_entry,
    stream_read_or_reply,
)
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.stream_groups cimport (
    SCONSUMER_NEVER,
    SGROUP_READS_UNKNOWN,
    sconsumer_t,
    sgroup_find,
    sgroup_t,
    snack_t,
)
from fastredis.datatypes.stream_idmp cimport sidmp_sweep, sidmp_t
from fastredis.datatypes.t_stream cimport (
    sid,
    sid_max,
    stream_iter,
    stream_iter_t,
    stream_lag,
    stream_next,
    stream_t,
)
from fastredis.ds.streamindex cimport (
    sidx_at,
    sidx_first,
    sidx_next,
    sidx_pos_t,
    sidx_t,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_NO_KEY
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_cstring,
    reply_error,
    reply_error_arg,
    reply_int,
    reply_map,
    reply_null,
)
from fastredis.keyspace.db cimport dbkey_t
from libc.stdint cimport int64_t

cdef enum:
    FULL_COUNT = 10             # entries and pending ones that FULL shows


# --- Parts ------------------------------------------------------------------------


cdef status_t _stream_or_reply(client_t *c, stream_t **s_out) noexcept nogil:
    """Look up the stream that argument 2 names."""
    cdef dbkey_t key = arg_key(c, 2)
    if stream_read_or_reply(c, &key, s_out) != C_OK:
        return C_ERR
    if s_out[0] != NULL:
        return C_OK
    reply_error(c, ERR_NO_KEY)
    return C_ERR


cdef inline void _pair_int(client_t *c, const char *name, int64_t v) noexcept nogil:
    reply_cstring(c, name)
    reply_int(c, v)


cdef void _reply_head(client_t *c, const stream_t *s) noexcept nogil:
    """Reply the pairs that both forms of XINFO STREAM begin with."""
    cdef sidmp_t *m = <sidmp_t *>s.idmp
    _pair_int(c, b"length", <int64_t>s.length)
    _pair_int(c, b"radix-tree-keys", <int64_t>s.nodes.len)
    # a tree of n keys has a root besides; it is none of ours, but clients read it
    _pair_int(c, b"radix-tree-nodes", <int64_t>s.nodes.len + 1)
    reply_cstring(c, b"last-generated-id")
    reply_sid(c, s.last_id)
    reply_cstring(c, b"max-deleted-entry-id")
    reply_sid(c, s.max_deleted_id)
    _pair_int(c, b"entries-added", <int64_t>s.entries_added)
    reply_cstring(c, b"recorded-first-entry-id")
    reply_sid(c, s.first_id)
    if m == NULL:
        return
    sidmp_sweep(m, c.srv.now_ms)
    _pair_int(c, b"idmp-duration", m.duration_s)
    _pair_int(c, b"idmp-maxsize", m.max_len)
    _pair_int(c, b"pids-tracked", <int64_t>m.producers.used)
    _pair_int(c, b"iids-tracked", <int64_t>m.nids)
    _pair_int(c, b"iids-added", <int64_t>m.added)
    _pair_int(c, b"iids-duplicates", <int64_t>m.duplicates)


cdef inline int64_t _head_len(const stream_t *s) noexcept nogil:
    """Return how many pairs _reply_head replies."""
    return 7 if s.idmp == NULL else 13


cdef void _reply_progress(
    client_t *c, const stream_t *s, const sgroup_t *g
) noexcept nogil:
    """Reply last-delivered-id, entries-read and lag."""
    cdef int64_t lag
    reply_cstring(c, b"last-delivered-id")
    reply_sid(c, g.last_id)
    reply_cstring(c, b"entries-read")
    if g.entries_read == SGROUP_READS_UNKNOWN:
        reply_null(c)
    else:
        reply_int(c, g.entries_read)
    reply_cstring(c, b"lag")
    if stream_lag(s, g, &lag):
        reply_int(c, lag)
    else:
        reply_null(c)


cdef inline int64_t _least(size_t len, int64_t count) noexcept nogil:
    """Return how many of len are shown; count 0: all."""
    return <int64_t>len if count == 0 or <int64_t>len < count else count


cdef void _reply_pel(
    client_t *c, const sidx_t *pel, int64_t count, bint has_consumers
) noexcept nogil:
    """Reply entries that are pending: id, consumer, time of delivery, deliveries."""
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef int64_t n = _least(pel.len, count)
    reply_array(c, n)
    sidx_first(pel, &pos)
    while n > 0:
        nack = <const snack_t *>sidx_at(&pos).value
        reply_array(c, 4 if has_consumers else 3)
        reply_sid(c, sidx_at(&pos).id)
        if has_consumers:
            if nack.consumer == NULL:
                reply_bulk(c, b"", 0)
            else:
                reply_bulk(c, nack.consumer.name.ptr, nack.consumer.name.len)
        reply_int(c, nack.delivered_ms)
        reply_int(c, <int64_t>nack.deliveries)
        n -= 1
        sidx_next(&pos)


# --- XINFO STREAM -----------------------------------------------------------------


cdef void _reply_end(client_t *c, const stream_t *s, bint is_last) noexcept nogil:
    """Reply the first or the last entry."""
    cdef stream_iter_t it
    stream_iter(&it, s, sid(0, 0), sid_max(), is_last)
    if stream_next(&it):
        reply_stream_entry(c, &it)
    else:
        reply_null(c)


cdef void _reply_full_group(
    client_t *c, const stream_t *s, const sgroup_t *g, int64_t count
) noexcept nogil:
    cdef const sconsumer_t *consumer
    cdef unsigned int i
    reply_map(c, 7)
    reply_cstring(c, b"name")
    reply_bulk(c, g.name.ptr, g.name.len)
    _reply_progress(c, s, g)
    _pair_int(c, b"pel-count", <int64_t>g.pel.len)
    reply_cstring(c, b"pending")
    _reply_pel(c, &g.pel, count, True)
    reply_cstring(c, b"consumers")
    reply_array(c, g.consumers.n)
    for i in range(g.consumers.n):
        consumer = <const sconsumer_t *>g.consumers.items[i]
        reply_map(c, 5)
        reply_cstring(c, b"name")
        reply_bulk(c, consumer.name.ptr, consumer.name.len)
        _pair_int(c, b"seen-time", consumer.seen_ms)
        _pair_int(c, b"active-time", consumer.active_ms)
        _pair_int(c, b"pel-count", <int64_t>consumer.pel.len)
        reply_cstring(c, b"pending")
        _reply_pel(c, &consumer.pel, count, False)


cdef void _reply_full(client_t *c, const stream_t *s, int64_t count) noexcept nogil:
    """Reply everything, of entries and pending ones up to count each."""
    cdef int64_t n = _least(s.length, count)
    cdef stream_iter_t it
    cdef unsigned int i
    reply_map(c, _head_len(s) + 2)
    _reply_head(c, s)
    reply_cstring(c, b"entries")
    reply_array(c, n)
    stream_iter(&it, s, sid(0, 0), sid_max(), False)
    while n > 0 and stream_next(&it):
        reply_stream_entry(c, &it)
        n -= 1
    reply_cstring(c, b"groups")
    reply_array(c, s.groups.n)
    for i in range(s.groups.n):
        _reply_full_group(c, s, <const sgroup_t *>s.groups.items[i], count)


cdef api void cmd_xinfo_stream(client_t *c) noexcept nogil:
    """XINFO STREAM key [FULL [COUNT count]]"""
    cdef int64_t count = FULL_COUNT
    cdef stream_t *s
    if _stream_or_reply(c, &s) != C_OK:
        return
    if c.argc == 3:
        reply_map(c, _head_len(s) + 3)
        _reply_head(c, s)
        _pair_int(c, b"groups", s.groups.n)
        reply_cstring(c, b"first-entry")
        _reply_end(c, s, False)
        reply_cstring(c, b"last-entry")
        _reply_end(c, s, True)
        return
    if (c.argc != 4 and c.argc != 6) or not arg_is(c, 3, b"full"):
        reply_error_arg(
            c, b"ERR unknown subcommand or wrong number of arguments for '", 1,
            b"'. Try XINFO HELP.")
        return
    if c.argc == 6:
        if not arg_is(c, 4, b"count"):
            reply_error_arg(
                c, b"ERR unknown subcommand or wrong number of arguments for '", 1,
                b"'. Try XINFO HELP.")
            return
        if arg_i64_or_reply(c, 5, &count) != C_OK:
            return
        if count < 0:
            count = FULL_COUNT
    _reply_full(c, s, count)


# --- XINFO GROUPS, CONSUMERS ------------------------------------------------------


cdef api void cmd_xinfo_groups(client_t *c) noexcept nogil:
    """XINFO GROUPS key"""
    cdef const sgroup_t *g
    cdef stream_t *s
    cdef unsigned int i
    if _stream_or_reply(c, &s) != C_OK:
        return
    reply_array(c, s.groups.n)
    for i in range(s.groups.n):
        g = <const sgroup_t *>s.groups.items[i]
        reply_map(c, 6)
        reply_cstring(c, b"name")
        reply_bulk(c, g.name.ptr, g.name.len)
        _pair_int(c, b"consumers", g.consumers.n)
        _pair_int(c, b"pending", <int64_t>g.pel.len)
        _reply_progress(c, s, g)


cdef api void cmd_xinfo_consumers(client_t *c) noexcept nogil:
    """XINFO CONSUMERS key group"""
    cdef const sconsumer_t *consumer
    cdef const sgroup_t *g
    cdef stream_t *s
    cdef int64_t idle, inactive
    cdef unsigned int i
    if _stream_or_reply(c, &s) != C_OK:
        return
    g = sgroup_find(&s.groups, c.argv[3].ptr, c.argv[3].len)
    if g == NULL:
        reply_error_args(
            c, b"NOGROUP No such consumer group '", 3, b"' for key name '", 2, b"'")
        return
    reply_array(c, g.consumers.n)
    for i in range(g.consumers.n):
        consumer = <const sconsumer_t *>g.consumers.items[i]
        idle = c.srv.now_ms - consumer.seen_ms
        inactive = SCONSUMER_NEVER
        if consumer.active_ms != SCONSUMER_NEVER:
            inactive = c.srv.now_ms - consumer.active_ms
            if inactive < 0:
                inactive = 0
        reply_map(c, 4)
        reply_cstring(c, b"name")
        reply_bulk(c, consumer.name.ptr, consumer.name.len)
        _pair_int(c, b"pending", <int64_t>consumer.pel.len)
        _pair_int(c, b"idle", idle if idle > 0 else 0)
        _pair_int(c, b"inactive", inactive)
