# SPDX-License-Identifier: BSD-3-Clause
r"""Consumer groups: make them, acknowledge, look at what is pending.

    XGROUP CREATE, SETID, DESTROY, CREATECONSUMER, DELCONSUMER
    XACK, XACKDEL       the consumer has done with an entry
    XNACK               it has not, and gives the entry back
    XPENDING            what is delivered and not acknowledged

Taking pending entries over from other consumers is in cmd_stream_claim.pyx.

Changes of groups are no changes of the stream to those that watch the key or wait for
entries; only the end of a group wakes those that read for it.
"""
from fastredis.commands.stream_args cimport (
    arg_sid_or_reply,
    arg_sid_range_or_reply,
    arg_sids_and_refs_or_reply,
    arg_sids_or_reply,
    arg_strict_sid_or_reply,
    reply_error_args,
    reply_sid,
    stream_check_ids_or_reply,
    stream_group_or_reply,
    stream_read_or_reply,
    stream_was_deleted,
    stream_write_or_reply,
)
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.stream_groups cimport (
    SGROUP_READS_UNKNOWN,
    sconsumer_add,
    sconsumer_delete,
    sconsumer_find,
    sconsumer_t,
    sgroup_add,
    sgroup_delete,
    sgroup_find,
    sgroup_t,
    snack_add,
    snack_move,
    snack_remove,
    snack_t,
)
from fastredis.datatypes.t_stream cimport (
    STREAM_ACKED,
    STREAM_DELREF,
    STREAM_KEEPREF,
    sid,
    stream_create,
    stream_delete,
    stream_has,
    stream_is_awaited,
    stream_refs_t,
    stream_t,
    stream_unreference,
)
from fastredis.ds.streamindex cimport (
    sid_cmp,
    sid_t,
    sidx_at,
    sidx_find,
    sidx_first,
    sidx_last,
    sidx_next,
    sidx_pos_t,
    sidx_seek,
    sidx_t,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.blocking cimport blocking_signal
from fastredis.engine.changed cimport NOTIFY_STREAM, key_changed, key_noted
from fastredis.engine.client cimport CHANGE_BLOCKED, client_t, mark_dirty
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_bulk_int,
    reply_defer,
    reply_error,
    reply_error_arg,
    reply_int,
    reply_null,
    reply_null_array,
    reply_ok,
    reply_resolve,
)
from fastredis.keyspace.db cimport dbkey_t
from fastredis.resp.writer cimport out_block_t
from libc.stdint cimport INT64_MAX, int64_t

# What XGROUP CREATE and SETID are told.
cdef struct group_options_t:
    bint is_mkstream
    int64_t entries_read


# --- XGROUP -----------------------------------------------------------------------


cdef status_t _group_options_or_reply(
    client_t *c, group_options_t *opts, bint is_create
) noexcept nogil:
    """Read MKSTREAM and ENTRIESREAD."""
    cdef int i = 5
    opts.is_mkstream = False
    opts.entries_read = SGROUP_READS_UNKNOWN
    while i < c.argc:
        if is_create and arg_is(c, i, b"mkstream"):
            opts.is_mkstream = True
        elif i + 1 < c.argc and arg_is(c, i, b"entriesread"):
            i += 1
            if arg_i64_or_reply(c, i, &opts.entries_read) != C_OK:
                return C_ERR
            if opts.entries_read < 0 and opts.entries_read != SGROUP_READS_UNKNOWN:
                reply_error(c, b"ERR value for ENTRIESREAD must be positive or -1")
                return C_ERR
        else:
            reply_error_arg(
                c, b"ERR unknown subcommand or wrong number of arguments for '", 1,
                b"'. Try XGROUP HELP.")
            return C_ERR
        i += 1
    return C_OK


cdef status_t _stream_of_group_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out
) noexcept nogil:
    """Look up the stream of an XGROUP subcommand, which must be there."""
    if stream_write_or_reply(c, key, s_out) != C_OK:
        return C_ERR
    if s_out[0] != NULL:
        return C_OK
    reply_error(
        c, b"ERR The XGROUP subcommand requires the key to exist. Note that for CREATE "
        b"you may want to use the MKSTREAM option to create an empty stream "
        b"automatically.")
    return C_ERR


cdef status_t _named_group_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out, sgroup_t **g_out
) noexcept nogil:
    """Look up stream and group of an XGROUP subcommand, which must be there."""
    if _stream_of_group_or_reply(c, key, s_out) != C_OK:
        return C_ERR
    g_out[0] = sgroup_find(&s_out[0].groups, c.argv[3].ptr, c.argv[3].len)
    if g_out[0] != NULL:
        return C_OK
    reply_error_args(
        c, b"NOGROUP No such consumer group '", 3, b"' for key name '", 2, b"'")
    return C_ERR


cdef inline bint _is_dollar(client_t *c, int i) noexcept nogil:
    return c.argv[i].len == 1 and c.argv[i].ptr[0] == 36


cdef api void cmd_xgroup_create(client_t *c) noexcept nogil:
    """XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]"""
    cdef dbkey_t key = arg_key(c, 2)
    cdef group_options_t opts
    cdef stream_t *s
    cdef sid_t id
    if _group_options_or_reply(c, &opts, True) != C_OK:
        return
    if opts.is_mkstream:
        if stream_write_or_reply(c, &key, &s) != C_OK:
            return
    elif _stream_of_group_or_reply(c, &key, &s) != C_OK:
        return
    if _is_dollar(c, 4):
        id = sid(0, 0) if s == NULL else s.last_id
    elif arg_strict_sid_or_reply(c, 4, &id, NULL) != C_OK:
        return
    if s == NULL:
        s = stream_create(c.db, &key)
        key_changed(c, &key, NOTIFY_STREAM, b"xgroup-create")
    elif sgroup_find(&s.groups, c.argv[3].ptr, c.argv[3].len) != NULL:
        reply_error(c, b"BUSYGROUP Consumer Group name already exists")
        return
    else:
        key_noted(c, &key, NOTIFY_STREAM, b"xgroup-create")
        mark_dirty(c, 1)
    sgroup_add(&s.groups, c.argv[3].ptr, c.argv[3].len, id, opts.entries_read)
    reply_ok(c)


cdef api void cmd_xgroup_setid(client_t *c) noexcept nogil:
    """XGROUP SETID key group id | $ [ENTRIESREAD entries-read]"""
    cdef dbkey_t key = arg_key(c, 2)
    cdef group_options_t opts
    cdef sgroup_t *g
    cdef stream_t *s
    cdef sid_t id
    if _group_options_or_reply(c, &opts, False) != C_OK:
        return
    if _named_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    if _is_dollar(c, 4):
        id = s.last_id
    elif arg_sid_or_reply(c, 4, 0, &id) != C_OK:
        return
    g.last_id = id
    g.entries_read = opts.entries_read
    reply_ok(c)
    key_noted(c, &key, NOTIFY_STREAM, b"xgroup-setid")
    mark_dirty(c, 1)


cdef api void cmd_xgroup_destroy(client_t *c) noexcept nogil:
    """XGROUP DESTROY key group"""
    cdef dbkey_t key = arg_key(c, 2)
    cdef sgroup_t *g
    cdef stream_t *s
    if _stream_of_group_or_reply(c, &key, &s) != C_OK:
        return
    g = sgroup_find(&s.groups, c.argv[3].ptr, c.argv[3].len)
    if g == NULL:
        reply_int(c, 0)
        return
    sgroup_delete(&s.groups, g)
    reply_int(c, 1)
    key_noted(c, &key, NOTIFY_STREAM, b"xgroup-destroy")
    mark_dirty(c, 1)
    if c.srv.change_hooks & CHANGE_BLOCKED:
        blocking_signal(c.db, c.srv, &key)      # who reads for it has an error


cdef api void cmd_xgroup_createconsumer(client_t *c) noexcept nogil:
    """XGROUP CREATECONSUMER key group consumer"""
    cdef dbkey_t key = arg_key(c, 2)
    cdef sgroup_t *g
    cdef stream_t *s
    if _named_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    if sconsumer_add(g, c.argv[4].ptr, c.argv[4].len, c.srv.now_ms) == NULL:
        reply_int(c, 0)
        return
    reply_int(c, 1)
    key_noted(c, &key, NOTIFY_STREAM, b"xgroup-createconsumer")
    mark_dirty(c, 1)


cdef api void cmd_xgroup_delconsumer(client_t *c) noexcept nogil:
    """XGROUP DELCONSUMER key group consumer"""
    cdef dbkey_t key = arg_key(c, 2)
    cdef sconsumer_t *consumer
    cdef sgroup_t *g
    cdef stream_t *s
    if _named_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    consumer = sconsumer_find(g, c.argv[4].ptr, c.argv[4].len)
    if consumer == NULL:
        reply_int(c, 0)
        return
    reply_int(c, <int64_t>consumer.pel.len)
    sconsumer_delete(g, consumer)
    key_noted(c, &key, NOTIFY_STREAM, b"xgroup-delconsumer")
    mark_dirty(c, 1)


# --- Acknowledge ------------------------------------------------------------------


cdef api void cmd_xack(client_t *c) noexcept nogil:
    """XACK key group id [id ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef sgroup_t *g = NULL
    cdef int64_t n = 0
    cdef stream_t *s
    cdef sid_t id
    cdef int i
    if stream_read_or_reply(c, &key, &s) != C_OK:
        return
    if s != NULL:
        g = sgroup_find(&s.groups, c.argv[2].ptr, c.argv[2].len)
    if g == NULL:
        reply_int(c, 0)
        return
    if c.argc > 4 and stream_check_ids_or_reply(c, 3, c.argc - 3) != C_OK:
        return
    for i in range(3, c.argc):
        if arg_strict_sid_or_reply(c, i, &id, NULL) != C_OK:
            return
        n += snack_remove(g, id)
    mark_dirty(c, n)
    reply_int(c, n)


cdef int _ack_and_delete(
    client_t *c, stream_t *s, sgroup_t *g, sid_t id, stream_refs_t refs,
    bint *is_deleted_out
) noexcept nogil:
    """Acknowledge an entry and delete it if it may; return the code to reply."""
    cdef bint is_acked = snack_remove(g, id)
    is_deleted_out[0] = False
    if refs == STREAM_DELREF:
        mark_dirty(c, stream_unreference(s, id))
    if not is_acked:
        return -1
    if refs == STREAM_ACKED and stream_has(s, id) and stream_is_awaited(s, id):
        return 2
    is_deleted_out[0] = stream_delete(s, id)
    return 1


cdef api void cmd_xackdel(client_t *c) noexcept nogil:
    """XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef stream_refs_t refs = STREAM_KEEPREF
    cdef int64_t n = 0, nacked = 0
    cdef sgroup_t *g = NULL
    cdef int first, nids, i, code
    cdef bint is_deleted
    cdef stream_t *s
    cdef sid_t id
    if arg_sids_and_refs_or_reply(c, 3, &refs, &first, &nids) != C_OK:
        return
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    if s != NULL:
        g = sgroup_find(&s.groups, c.argv[2].ptr, c.argv[2].len)
    if stream_check_ids_or_reply(c, first, nids) != C_OK:
        return
    reply_array(c, nids)
    for i in range(first, first + nids):
        code = -1
        if g != NULL:
            arg_strict_sid_or_reply(c, i, &id, NULL)
            code = _ack_and_delete(c, s, g, id, refs, &is_deleted)
            nacked += code != -1
            n += is_deleted
        reply_int(c, code)
    if s != NULL:
        stream_was_deleted(c, &key, s, n)
        mark_dirty(c, nacked - n)


# --- Give back --------------------------------------------------------------------


cdef enum nack_mode_t:
    NACK_SILENT = 0             # as if it had not been delivered
    NACK_FAIL = 1
    NACK_FATAL = 2              # nobody is to try again


cdef struct nack_options_t:
    nack_mode_t mode
    int64_t retry_count         # -1: as the mode says
    bint is_forced
    int first
    int n


cdef status_t _nack_options_or_reply(
    client_t *c, nack_options_t *opts
) noexcept nogil:
    """Read what follows the group."""
    cdef int i
    opts.retry_count = -1
    opts.is_forced = False
    if arg_is(c, 3, b"silent"):
        opts.mode = NACK_SILENT
    elif arg_is(c, 3, b"fail"):
        opts.mode = NACK_FAIL
    elif arg_is(c, 3, b"fatal"):
        opts.mode = NACK_FATAL
    else:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    if not arg_is(c, 4, b"ids"):
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    if arg_sids_or_reply(c, 4, &opts.first, &opts.n) != C_OK:
        return C_ERR
    i = opts.first + opts.n
    while i < c.argc:
        if arg_is(c, i, b"force"):
            opts.is_forced = True
        elif i + 1 < c.argc and arg_is(c, i, b"retrycount"):
            i += 1
            if arg_i64_or_reply(c, i, &opts.retry_count) != C_OK:
                return C_ERR
            if opts.retry_count < 0:
                reply_error(c, b"ERR RETRYCOUNT must be >= 0")
                return C_ERR
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    return C_OK


cdef bint _give_back(
    stream_t *s, sgroup_t *g, sid_t id, const nack_options_t *opts
) noexcept nogil:
    """Take an entry from its consumer, so that another can claim it at once."""
    cdef snack_t *nack = <snack_t *>sidx_find(&g.pel, id)
    if nack == NULL:
        if not opts.is_forced or not stream_has(s, id):
            return False
        nack = snack_add(g, id, NULL, 0)
        nack.deliveries = 0
    elif opts.mode == NACK_SILENT and nack.deliveries:
        nack.deliveries -= 1
    snack_move(nack, id, NULL)
    nack.delivered_ms = 0
    if opts.mode == NACK_FATAL:
        nack.deliveries = INT64_MAX
    if opts.retry_count >= 0:
        nack.deliveries = opts.retry_count
    return True


cdef api void cmd_xnack(client_t *c) noexcept nogil:
    """XNACK key group SILENT | FAIL | FATAL IDS numids id [id ...]
    [RETRYCOUNT count] [FORCE]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef nack_options_t opts
    cdef int64_t n = 0
    cdef sgroup_t *g
    cdef stream_t *s
    cdef sid_t id
    cdef int i
    if _nack_options_or_reply(c, &opts) != C_OK:
        return
    if stream_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    if stream_check_ids_or_reply(c, opts.first, opts.n) != C_OK:
        return
    for i in range(opts.first, opts.first + opts.n):
        arg_strict_sid_or_reply(c, i, &id, NULL)
        n += _give_back(s, g, id, &opts)
    mark_dirty(c, n)
    reply_int(c, n)
    if n and c.srv.change_hooks & CHANGE_BLOCKED:
        blocking_signal(c.db, c.srv, &key)      # XREADGROUP CLAIM may take them


# --- Pending ----------------------------------------------------------------------


cdef void _reply_summary(client_t *c, const sgroup_t *g) noexcept nogil:
    """Reply how many entries are pending, the first and the last, and whose they are.
    """
    cdef const sconsumer_t *consumer
    cdef out_block_t *mark
    cdef sidx_pos_t pos
    cdef int64_t n = 0
    cdef unsigned int i
    reply_array(c, 4)
    reply_int(c, <int64_t>g.pel.len)
    if not sidx_first(&g.pel, &pos):
        reply_null(c)
        reply_null(c)
        reply_null_array(c)
        return
    reply_sid(c, sidx_at(&pos).id)
    sidx_last(&g.pel, &pos)
    reply_sid(c, sidx_at(&pos).id)
    mark = reply_defer(c)
    for i in range(g.consumers.n):
        consumer = <const sconsumer_t *>g.consumers.items[i]
        if consumer.pel.len == 0:
            continue
        reply_array(c, 2)
        reply_bulk(c, consumer.name.ptr, consumer.name.len)
        reply_bulk_int(c, <int64_t>consumer.pel.len)
        n += 1
    reply_resolve(c, mark, b"*", n)


cdef void _reply_nack(client_t *c, sid_t id, const snack_t *nack) noexcept nogil:
    """Reply an entry that is pending: id, consumer, time since, deliveries."""
    cdef int64_t idle_ms = c.srv.now_ms - nack.delivered_ms
    reply_array(c, 4)
    reply_sid(c, id)
    if nack.consumer == NULL:
        reply_bulk(c, b"", 0)
        reply_int(c, -1)
    else:
        reply_bulk(c, nack.consumer.name.ptr, nack.consumer.name.len)
        reply_int(c, idle_ms if idle_ms > 0 else 0)
    reply_int(c, <int64_t>nack.deliveries)


cdef api void cmd_xpending(client_t *c) noexcept nogil:
    """XPENDING key group [[IDLE min-idle-time] start end count [consumer]]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t min_idle_ms = 0, count = 0, n = 0
    cdef sconsumer_t *consumer
    cdef out_block_t *mark
    cdef const sidx_t *pel
    cdef const snack_t *nack
    cdef sid_t start, end
    cdef sidx_pos_t pos
    cdef sgroup_t *g
    cdef stream_t *s
    cdef int i = 3
    cdef bint more
    if c.argc != 3 and not 6 <= c.argc <= 9:
        reply_error(c, ERR_SYNTAX)
        return
    if c.argc > 3:
        if arg_is(c, 3, b"idle"):
            if arg_i64_or_reply(c, 4, &min_idle_ms) != C_OK:
                return
            if c.argc < 8:
                reply_error(c, ERR_SYNTAX)
                return
            i = 5
        if arg_i64_or_reply(c, i + 2, &count) != C_OK:
            return
        if arg_sid_range_or_reply(c, i, i + 1, &start, &end) != C_OK:
            return
    if stream_group_or_reply(c, &key, &s, &g) != C_OK:
        return
    if c.argc == 3:
        _reply_summary(c, g)
        return
    pel = &g.pel
    if i + 3 < c.argc:
        consumer = sconsumer_find(g, c.argv[i + 3].ptr, c.argv[i + 3].len)
        if consumer == NULL:
            reply_array(c, 0)
            return
        pel = &consumer.pel
    mark = reply_defer(c)
    more = sidx_seek(pel, start, &pos)
    while more and n < count and sid_cmp(sidx_at(&pos).id, end) <= 0:
        nack = <const snack_t *>sidx_at(&pos).value
        if min_idle_ms == 0 or c.srv.now_ms - nack.delivered_ms >= min_idle_ms:
            _reply_nack(c, sidx_at(&pos).id, nack)
            n += 1
        more = sidx_next(&pos)
    reply_resolve(c, mark, b"*", n)
