# SPDX-License-Identifier: BSD-3-Clause
r"""Stream commands: add entries, read ranges, delete.

XADD is the hot path: one look-up, the id, and the entry's bytes written at the end of
the last node. What trims (XADD, XTRIM) reads the same options.

Reading from several streams, at once or when there is something, is in
cmd_stream_read.pyx; consumer groups are in cmd_stream_group.pyx.
"""
from fastredis.commands.stream_args cimport (
    arg_sid_range_or_reply,
    arg_sids_and_refs_or_reply,
    arg_stream_refs,
    arg_strict_sid_or_reply,
    reply_sid,
    reply_stream_entry,
    stream_check_ids_or_reply,
    stream_read_or_reply,
    stream_was_deleted,
    stream_write_or_reply,
)
from fastredis.commands.stream_feed cimport feed_sid
from fastredis.core.sha1 cimport SHA1_NBYTES, sha1
from fastredis.core.status cimport C_ERR, C_OK, fr_unlikely, status_t
from fastredis.datatypes.stream_idmp cimport (
    SIDMP_DURATION_MAX,
    SIDMP_LEN_MAX,
    sidmp_add,
    sidmp_clear,
    sidmp_find,
    sidmp_new,
    sidmp_t,
)
from fastredis.datatypes.t_stream cimport (
    STREAM_ACKED,
    STREAM_DELREF,
    STREAM_KEEPREF,
    STREAM_TRIM_MAXLEN,
    STREAM_TRIM_MINID,
    STREAM_TRIM_NONE,
    sid_is_zero,
    sid_max,
    stream_append,
    stream_create,
    stream_delete,
    stream_has,
    stream_is_awaited,
    stream_iter,
    stream_iter_t,
    stream_last_entry,
    stream_make_id,
    stream_next,
    stream_refs_t,
    stream_t,
    stream_trim,
    stream_trim_t,
    stream_trimming_t,
    stream_unreference,
)
from fastredis.ds.streamindex cimport sid_cmp, sid_t
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.changed cimport NOTIFY_STREAM, key_changed, key_event, key_noted
from fastredis.engine.client cimport client_is_obeyed, client_t, mark_dirty
from fastredis.engine.errors cimport ERR_NO_KEY, ERR_SYNTAX
from fastredis.engine.propagate cimport (
    feed_args,
    feed_i64,
    feed_instead,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_defer,
    reply_error,
    reply_int,
    reply_null,
    reply_null_array,
    reply_ok,
    reply_resolve,
    reply_wrong_arity,
)
from fastredis.keyspace.db cimport dbkey_t
from fastredis.resp.parser cimport slice_t
from fastredis.resp.writer cimport out_block_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset

cdef enum:
    # entries that an approximate trimming deletes at the most, if it does not say:
    # this many nodes' worth, within bounds
    TRIM_NODES = 100
    TRIM_LIMIT_DEFAULT = 10000
    TRIM_LIMIT_MAX = 1000000

# What XADD or XTRIM was asked to do.
cdef struct stream_add_t:
    stream_trimming_t trim
    bint is_nomkstream
    bint has_id                 # not "*"
    bint has_seq                # not "1-*"
    sid_t id
    int producer                # index of the producer's name; 0: none
    bint is_auto                # its own id is made of the fields; else it follows
    int threshold               # index of what follows MAXLEN or MINID; 0: none
    int limit                   # index of what follows LIMIT; 0: none


# --- Options of XADD and XTRIM ----------------------------------------------------


cdef int _threshold_or_reply(
    client_t *c, int i, stream_trimming_t *trim, stream_trim_t by
) noexcept nogil:
    """Read what follows MAXLEN or MINID at argument i; return the last index, or -1."""
    cdef const char *s
    if trim.by != STREAM_TRIM_NONE:
        reply_error(
            c, b"ERR syntax error, MAXLEN and MINID options at the same time are not "
            b"compatible")
        return -1
    trim.is_approx = False
    i += 1
    s = c.argv[i].ptr
    if i + 1 < c.argc and c.argv[i].len == 1 and (s[0] == 126 or s[0] == 61):
        trim.is_approx = s[0] == 126
        i += 1
    if by == STREAM_TRIM_MINID:
        if arg_strict_sid_or_reply(c, i, &trim.minid, NULL) != C_OK:
            return -1
    else:
        if arg_i64_or_reply(c, i, &trim.maxlen) != C_OK:
            return -1
        if trim.maxlen < 0:
            reply_error(c, b"ERR The MAXLEN argument must be >= 0.")
            return -1
    trim.by = by
    return i


cdef status_t _settle_limit_or_reply(
    client_t *c, stream_trimming_t *trim, bint has_limit
) noexcept nogil:
    """Check LIMIT, or choose it for a trimming that is approximate."""
    if client_is_obeyed(c):
        # it has been kept; other servers leave it in what they write down
        trim.limit = 0
        return C_OK
    if trim.limit and trim.by == STREAM_TRIM_NONE:
        reply_error(
            c, b"ERR syntax error, LIMIT cannot be used without specifying a trimming "
            b"strategy")
        return C_ERR
    if has_limit:
        if trim.is_approx:
            return C_OK
        reply_error(
            c, b"ERR syntax error, LIMIT cannot be used without the special ~ option")
        return C_ERR
    if trim.is_approx:
        trim.limit = TRIM_LIMIT_DEFAULT
        if 0 < c.srv.stream_limits.node_max_entries <= TRIM_LIMIT_MAX // TRIM_NODES:
            trim.limit = TRIM_NODES * c.srv.stream_limits.node_max_entries
        elif c.srv.stream_limits.node_max_entries:
            trim.limit = TRIM_LIMIT_MAX
    return C_OK


cdef int _producer_or_reply(
    client_t *c, stream_add_t *add, int i, bint is_auto
) noexcept nogil:
    """Read a producer's name and maybe its id; return the last index, or -1."""
    if add.producer:
        reply_error(c, ERR_SYNTAX)
        return -1
    add.producer = i
    add.is_auto = is_auto
    if c.argv[i].len == 0 or (not is_auto and c.argv[i + 1].len == 0):
        reply_error(c, b"ERR producer ID and idempotent ID must not be empty")
        return -1
    return i if is_auto else i + 1


cdef int _add_options_or_reply(
    client_t *c, stream_add_t *add, bint is_xadd
) noexcept nogil:
    """Read the options of XADD or XTRIM; return the index behind them, or -1.

    For XADD that is the index of the id.
    """
    cdef bint has_limit = False, has_refs = False
    cdef int i = 2
    add.trim.by = STREAM_TRIM_NONE
    add.trim.refs = STREAM_KEEPREF
    add.trim.is_approx = False
    add.trim.limit = 0
    add.is_nomkstream = add.has_id = False
    add.has_seq = True
    add.producer = add.threshold = add.limit = 0
    while i < c.argc:
        if is_xadd and c.argv[i].len == 1 and c.argv[i].ptr[0] == 42:
            break
        if i + 1 < c.argc and arg_is(c, i, b"maxlen"):
            i = add.threshold = _threshold_or_reply(
                c, i, &add.trim, STREAM_TRIM_MAXLEN)
        elif i + 1 < c.argc and arg_is(c, i, b"minid"):
            i = add.threshold = _threshold_or_reply(
                c, i, &add.trim, STREAM_TRIM_MINID)
        elif i + 1 < c.argc and arg_is(c, i, b"limit"):
            i = add.limit = i + 1
            if arg_i64_or_reply(c, i, &add.trim.limit) != C_OK:
                return -1
            if add.trim.limit < 0:
                reply_error(c, b"ERR The LIMIT argument must be >= 0.")
                return -1
            has_limit = True
        elif is_xadd and i + 1 < c.argc and arg_is(c, i, b"idmpauto"):
            i = _producer_or_reply(c, add, i + 1, True)
        elif is_xadd and i + 2 < c.argc and arg_is(c, i, b"idmp"):
            i = _producer_or_reply(c, add, i + 1, False)
        elif is_xadd and arg_is(c, i, b"nomkstream"):
            add.is_nomkstream = True
        elif arg_stream_refs(c, i, &add.trim.refs):
            if has_refs:
                reply_error(c, ERR_SYNTAX)
                return -1
            has_refs = True
        elif is_xadd:
            if arg_strict_sid_or_reply(c, i, &add.id, &add.has_seq) != C_OK:
                return -1
            add.has_id = True
            break
        else:
            reply_error(c, ERR_SYNTAX)
            return -1
        if i < 0:
            return -1
        i += 1
    if not is_xadd and add.trim.by == STREAM_TRIM_NONE and not add.trim.limit:
        reply_error(
            c, b"ERR syntax error, XTRIM must be called with a trimming strategy")
        return -1
    if _settle_limit_or_reply(c, &add.trim, has_limit) != C_OK:
        return -1
    return i


# --- Add --------------------------------------------------------------------------


cdef void _digest(client_t *c, int first, unsigned char *digest) noexcept nogil:
    """Make an id of the arguments from first on: one that their contents have alone."""
    cdef unsigned char parts[2 * SHA1_NBYTES]
    cdef int i
    memset(parts, 0, sizeof(parts))
    for i in range(first, c.argc):
        sha1(c.argv[i].ptr, c.argv[i].len, parts + SHA1_NBYTES)
        sha1(parts, sizeof(parts), parts)
    memcpy(digest, parts, SHA1_NBYTES)


# How a producer calls what it adds.
cdef struct sent_t:
    slice_t own
    unsigned char digest[SHA1_NBYTES]


cdef bint _was_sent(
    client_t *c, const stream_add_t *add, int first, stream_t *s, sent_t *sent
) noexcept nogil:
    """Reply the id of an entry that its producer had added before; False: it had not.

    sent: how it calls this one, if it has a name.
    """
    cdef sidmp_t *m
    cdef sid_t id
    if add.producer == 0:
        return False
    if add.is_auto:
        _digest(c, first, sent.digest)
        sent.own.ptr = <const char *>sent.digest
        sent.own.len = SHA1_NBYTES
    else:
        sent.own = c.argv[add.producer + 1]
    if s.idmp == NULL:
        s.idmp = sidmp_new(c.srv.now_ms)
    if client_is_obeyed(c):
        return False            # the other's clock may have been ahead
    m = <sidmp_t *>s.idmp
    if not sidmp_find(m, &c.argv[add.producer], &sent.own, c.srv.now_ms, &id):
        return False
    m.duplicates += 1
    reply_sid(c, id)
    return True


# What is written down of an approximate trimming is what it came to: nodes, and limits
# on how many entries go at once, may differ elsewhere.


cdef inline int _nargs_made_exact(client_t *c, const stream_add_t *add) noexcept nogil:
    """Count the arguments of a request without its LIMIT."""
    return c.argc - (2 if add.limit else 0)


cdef void _feed_made_exact(
    client_t *c, const stream_t *s, const stream_add_t *add, int end
) noexcept nogil:
    """Have arguments 1 to end - 1 written, with the trimming that was approximate.

    Of a stream of n entries that are left, as many are left by MAXLEN n; what ACKED
    passes over is the same, since both look from the front on.
    """
    cdef bint is_minid = add.trim.by == STREAM_TRIM_MINID \
        and add.trim.refs != STREAM_ACKED
    cdef int i = 1
    while i < end:
        if i == add.threshold - 2:
            if is_minid:
                feed_text(c, b"MINID")
                feed_text(c, b"=")
                feed_sid(c, s.first_id if s.length else sid_max())
            else:
                feed_text(c, b"MAXLEN")
                feed_text(c, b"=")
                feed_i64(c, <int64_t>s.length)
            i += 3
        elif i == add.limit - 1:
            i += 2
        else:
            feed_args(c, i, i + 1)
            i += 1


cdef void _feed_add(
    client_t *c, const stream_t *s, const stream_add_t *add, int first, sid_t id
) noexcept nogil:
    """Have it written down what was added, under which id, and what was trimmed."""
    if not add.trim.is_approx:
        if add.has_id and add.has_seq:
            return              # as it is
        feed_instead(c, c.argc)
        feed_args(c, 0, first - 1)
    else:
        feed_instead(c, _nargs_made_exact(c, add))
        feed_text(c, b"XADD")
        _feed_made_exact(c, s, add, first - 1)
    feed_sid(c, id)
    feed_args(c, first, c.argc)


cdef api void cmd_xadd(client_t *c) noexcept nogil:
    """XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO pid | IDMP pid iid]
    [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value ..."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef stream_add_t add
    cdef sent_t sent
    cdef stream_t *s
    cdef sid_t id
    cdef int first = _add_options_or_reply(c, &add, True)
    if first < 0:
        return
    first += 1
    if c.argc - first < 2 or (c.argc - first) & 1:
        reply_wrong_arity(c)
        return
    if fr_unlikely(add.has_id and add.has_seq and sid_is_zero(add.id)):
        reply_error(c, b"ERR The ID specified in XADD must be greater than 0-0")
        return
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    if s == NULL:
        if add.is_nomkstream:
            reply_null(c)
            return
        s = stream_create(c.db, &key)
    elif fr_unlikely(sid_cmp(s.last_id, sid_max()) == 0):
        reply_error(
            c, b"ERR The stream has exhausted the last possible ID, unable to add more "
            b"items")
        return
    if fr_unlikely(_was_sent(c, &add, first, s, &sent)):
        return
    if stream_make_id(
            s, c.srv.now_ms, &add.id if add.has_id else NULL, add.has_seq,
            &id) != C_OK:
        reply_error(
            c, b"ERR The ID specified in XADD is equal or smaller than the target "
            b"stream top item")
        return
    if stream_append(
            s, c.argv + first, (c.argc - first) // 2, id,
            &c.srv.stream_limits) != C_OK:
        reply_error(c, b"ERR Elements are too large to be stored")
        return
    if fr_unlikely(add.producer != 0):
        # while a file is replayed no clock goes; the id tells when that was
        sidmp_add(
            <sidmp_t *>s.idmp, &c.argv[add.producer], &sent.own,
            c.srv.now_ms if c.srv.now_ms else <int64_t>id.ms, id)
    reply_sid(c, id)
    key_changed(c, &key, NOTIFY_STREAM, b"xadd")
    if add.trim.by != STREAM_TRIM_NONE and stream_trim(s, &add.trim):
        key_event(c, &key, NOTIFY_STREAM, b"xtrim")
    if is_fed(c):
        _feed_add(c, s, &add, first, id)


cdef api void cmd_xtrim(client_t *c) noexcept nogil:
    """XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]
    [KEEPREF | DELREF | ACKED]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef stream_add_t add
    cdef stream_t *s
    cdef int64_t n
    if _add_options_or_reply(c, &add, False) < 0:
        return
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    n = 0 if s == NULL else stream_trim(s, &add.trim)
    if n:
        key_changed(c, &key, NOTIFY_STREAM, b"xtrim")
        mark_dirty(c, n - 1)
        if add.trim.is_approx:
            feed_instead(c, _nargs_made_exact(c, &add))
            feed_text(c, b"XTRIM")
            _feed_made_exact(c, s, &add, c.argc)
    reply_int(c, n)


# --- Read -------------------------------------------------------------------------


cdef api void cmd_xlen(client_t *c) noexcept nogil:
    """XLEN key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef stream_t *s
    if stream_read_or_reply(c, &key, &s) == C_OK:
        reply_int(c, 0 if s == NULL else <int64_t>s.length)


cdef inline void _range(
    client_t *c, int first, int last, bint is_reverse
) noexcept nogil:
    """Reply the entries of a range, whose ends are two arguments."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count = -1, n = 0
    cdef sid_t start, end
    cdef stream_iter_t it
    cdef out_block_t *mark
    cdef stream_t *s
    cdef int i = 4
    if arg_sid_range_or_reply(c, first, last, &start, &end) != C_OK:
        return
    while i < c.argc:
        if i + 1 >= c.argc or not arg_is(c, i, b"count"):
            reply_error(c, ERR_SYNTAX)
            return
        if arg_i64_or_reply(c, i + 1, &count) != C_OK:
            return
        if count < 0:
            count = 0
        i += 2
    if stream_read_or_reply(c, &key, &s) != C_OK:
        return
    if s == NULL:
        reply_array(c, 0)
        return
    if count == 0:
        reply_null_array(c)
        return
    mark = reply_defer(c)
    stream_iter(&it, s, start, end, is_reverse)
    while n != count and stream_next(&it):
        reply_stream_entry(c, &it)
        n += 1
    reply_resolve(c, mark, b"*", n)


cdef api void cmd_xrange(client_t *c) noexcept nogil:
    """XRANGE key start end [COUNT count]"""
    _range(c, 2, 3, False)


cdef api void cmd_xrevrange(client_t *c) noexcept nogil:
    """XREVRANGE key end start [COUNT count]"""
    _range(c, 3, 2, True)


# --- Delete -----------------------------------------------------------------------


cdef api void cmd_xdel(client_t *c) noexcept nogil:
    """XDEL key id [id ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t n = 0
    cdef stream_t *s
    cdef sid_t id
    cdef int i
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    if s == NULL:
        reply_int(c, 0)
        return
    if stream_check_ids_or_reply(c, 2, c.argc - 2) != C_OK:
        return
    for i in range(2, c.argc):
        arg_strict_sid_or_reply(c, i, &id, NULL)
        n += stream_delete(s, id)
    stream_was_deleted(c, &key, s, n)
    reply_int(c, n)


cdef int _delete_by(
    client_t *c, stream_t *s, sid_t id, stream_refs_t refs
) noexcept nogil:
    """Delete an entry; -1: there is none, 2: a group still needs it, 1: done."""
    if refs == STREAM_DELREF:
        mark_dirty(c, stream_unreference(s, id))
    elif refs == STREAM_ACKED and stream_has(s, id) and stream_is_awaited(s, id):
        return 2
    return 1 if stream_delete(s, id) else -1


cdef api void cmd_xdelex(client_t *c) noexcept nogil:
    """XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef stream_refs_t refs = STREAM_KEEPREF
    cdef int first, nids, i, code
    cdef int64_t n = 0
    cdef stream_t *s
    cdef sid_t id
    if arg_sids_and_refs_or_reply(c, 2, &refs, &first, &nids) != C_OK:
        return
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    if stream_check_ids_or_reply(c, first, nids) != C_OK:
        return
    reply_array(c, nids)
    for i in range(first, first + nids):
        code = -1
        if s != NULL:
            arg_strict_sid_or_reply(c, i, &id, NULL)
            code = _delete_by(c, s, id, refs)
        n += code == 1
        reply_int(c, code)
    if s != NULL:
        stream_was_deleted(c, &key, s, n)


# --- Settings ---------------------------------------------------------------------


cdef api void cmd_xcfgset(client_t *c) noexcept nogil:
    """XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE maxsize]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t duration = 0, maxsize = 0
    cdef stream_t *s
    cdef sidmp_t *m
    cdef int i = 2
    while i < c.argc:
        if i + 1 < c.argc and arg_is(c, i, b"idmp-duration"):
            if arg_i64_or_reply(c, i + 1, &duration) != C_OK:
                return
            if not 1 <= duration <= SIDMP_DURATION_MAX:
                reply_error(c, b"ERR invalid duration")
                return
        elif i + 1 < c.argc and arg_is(c, i, b"idmp-maxsize"):
            if arg_i64_or_reply(c, i + 1, &maxsize) != C_OK:
                return
            if not 1 <= maxsize <= SIDMP_LEN_MAX:
                reply_error(c, b"ERR invalid maxsize")
                return
        else:
            reply_error(c, ERR_SYNTAX)
            return
        i += 2
    if duration == 0 and maxsize == 0:
        reply_error(c, ERR_SYNTAX)
        return
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    if s == NULL:
        reply_error(c, ERR_NO_KEY)
        return
    if s.idmp == NULL:
        s.idmp = sidmp_new(c.srv.now_ms)
    m = <sidmp_t *>s.idmp
    if (duration and duration != m.duration_s) or (maxsize and maxsize != m.max_len):
        sidmp_clear(m)
    if duration:
        m.duration_s = duration
    if maxsize:
        m.max_len = maxsize
    mark_dirty(c, 1)
    reply_ok(c)


# --- Set the last id --------------------------------------------------------------


cdef api void cmd_xsetid(client_t *c) noexcept nogil:
    """XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t entries_added = -1
    cdef sid_t id, max_deleted
    cdef stream_t *s
    cdef int i = 3
    max_deleted.ms = max_deleted.seq = 0
    if arg_strict_sid_or_reply(c, 2, &id, NULL) != C_OK:
        return
    while i < c.argc:
        if i + 1 < c.argc and arg_is(c, i, b"entriesadded"):
            if arg_i64_or_reply(c, i + 1, &entries_added) != C_OK:
                return
            if entries_added < 0:
                reply_error(c, b"ERR entries_added must be positive")
                return
        elif i + 1 < c.argc and arg_is(c, i, b"maxdeletedid"):
            if arg_strict_sid_or_reply(c, i + 1, &max_deleted, NULL) != C_OK:
                return
            if sid_cmp(id, max_deleted) < 0:
                reply_error(
                    c, b"ERR The ID specified in XSETID is smaller than the provided "
                    b"max_deleted_entry_id")
                return
        else:
            reply_error(c, ERR_SYNTAX)
            return
        i += 2
    if stream_write_or_reply(c, &key, &s) != C_OK:
        return
    if s == NULL:
        reply_error(c, ERR_NO_KEY)
        return
    if sid_cmp(id, s.max_deleted_id) < 0:
        reply_error(
            c, b"ERR The ID specified in XSETID is smaller than current "
            b"max_deleted_entry_id")
        return
    if s.length:
        if sid_cmp(id, stream_last_entry(s)) < 0:
            reply_error(
                c, b"ERR The ID specified in XSETID is smaller than the target stream "
                b"top item")
            return
        if entries_added != -1 and s.length > <uint64_t>entries_added:
            reply_error(
                c, b"ERR The entries_added specified in XSETID is smaller than the "
                b"target stream length")
            return
    s.last_id = id
    if entries_added != -1:
        s.entries_added = entries_added
    if not sid_is_zero(max_deleted):
        s.max_deleted_id = max_deleted
    reply_ok(c)
    key_noted(c, &key, NOTIFY_STREAM, b"xsetid")
    mark_dirty(c, 1)
