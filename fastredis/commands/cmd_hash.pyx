# SPDX-License-Identifier: BSD-3-Clause
r"""Hash commands: set, read, count, draw and scan fields.

What concerns the expiry of fields is in cmd_hash_expire.pyx.

A hash of a million fields is as large as a database: of a command that names several
fields the buckets of all are loaded ahead, as MGET does with keys.
"""
from fastredis.core.num cimport (
    NUM_INT_BUF,
    NUM_LD_HUMAN_BUF,
    ld_t,
    num_format_i64,
    num_format_ld_human,
    num_format_u64,
    num_parse_i64,
    num_parse_ld,
)
from fastredis.core.status cimport C_OK, fr_likely
from fastredis.commands.scan cimport (
    SCAN_NOVALUES,
    scan_cursor_or_reply,
    scan_matches,
    scan_options_or_reply,
    scan_options_t,
)
from fastredis.datatypes.hash_random cimport hash_draw, hash_sample
from fastredis.datatypes.t_hash cimport (
    hash_delete,
    hash_done,
    hash_exists,
    hash_expiry,
    hash_get,
    hash_len,
    hash_live,
    hash_new,
    hash_pair_t,
    hash_prefetch,
    hash_purge,
    hash_purge_all,
    hash_scan,
    hash_set,
    hash_text_t,
    hash_walk,
)
from fastredis.engine.args cimport (
    arg_i64_or_reply,
    arg_is,
    arg_key,
    arg_range_or_reply,
)
from fastredis.engine.changed cimport NOTIFY_GENERIC, NOTIFY_HASH, key_changed
from fastredis.engine.client cimport (
    CLIENT_CLOSE_ASAP,
    client_check_output_limit,
    client_t,
)
from fastredis.engine.errors cimport (
    ERR_HASH_NOT_FLOAT,
    ERR_HASH_NOT_INTEGER,
    ERR_NAN_OR_INFINITY,
    ERR_NOT_FLOAT,
    ERR_OVERFLOW,
    ERR_SYNTAX,
    ERR_VALUE_NAN,
    ERR_VALUE_RANGE,
)
from fastredis.engine.propagate cimport (
    feed_args,
    feed_bytes,
    feed_instead,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport (
    out_block_t,
    reply_array,
    reply_bulk,
    reply_defer,
    reply_error,
    reply_int,
    reply_map,
    reply_null,
    reply_ok,
    reply_resolve,
    reply_wrong_arity,
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    db_find_read,
    db_find_write,
    db_peek,
    db_visible_ms,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_HASH, OBJ_NO_EXPIRE, obj_t
from fastredis.resp.writer cimport out_apart, out_join, out_t, resp_bulk_blob
from libc.math cimport isinf, isnan
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

cdef extern from *:
    # True: the exact result does not fit, and *out is of no use
    bint add_overflows "__builtin_add_overflow"(
        int64_t a, int64_t b, int64_t *out) noexcept nogil

cdef enum:
    FIELDS_BATCH = 16       # fields whose memory is loaded ahead
    DRAW_BATCH = 1000       # replies of HRANDFIELD between looks at the client


cdef inline void _reply_text(client_t *c, const hash_text_t *text) noexcept nogil:
    """Reply a field or value; a long one is referred to, not copied."""
    if text.blob != NULL:
        resp_bulk_blob(&c.out, text.blob)
    else:
        reply_bulk(c, text.ptr, text.len)


# --- Set --------------------------------------------------------------------------


cdef int64_t _set_pairs(client_t *c) noexcept nogil:
    """Set the pairs from argument 2 on; return how many fields are new, or -1.

    -1: an error has been replied.
    """
    cdef dbkey_t key
    cdef obj_t *o
    cdef int64_t ncreated = 0
    cdef int i, ahead = 2
    if c.argc % 2:
        reply_wrong_arity(c)
        return -1
    key = arg_key(c, 1)
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return -1
    if o == NULL:
        o = hash_new(c.db, &key)
    for i in range(2, c.argc, 2):
        if i == ahead and c.argc > 4:
            ahead = _prefetch(c, o, i, 2)
        ncreated += hash_set(
            o, c.argv[i].ptr, c.argv[i].len, c.argv[i + 1].ptr, c.argv[i + 1].len,
            False, db_visible_ms(c.db), &c.srv.hash_limits)
    hash_done(c.db, &key, o)
    key_changed(c, &key, NOTIFY_HASH, b"hset")
    return ncreated


cdef int _prefetch(client_t *c, const obj_t *o, int i, int step) noexcept nogil:
    """Have the memory of the next fields loaded; return where they end."""
    cdef int end = i + FIELDS_BATCH * step
    if end > c.argc:
        end = c.argc
    while i < end:
        hash_prefetch(o, c.argv[i].ptr, c.argv[i].len)
        i += step
    return end


cdef api void cmd_hset(client_t *c) noexcept nogil:
    """HSET key field value [field value ...]"""
    cdef int64_t ncreated = _set_pairs(c)
    if ncreated >= 0:
        reply_int(c, ncreated)


cdef api void cmd_hmset(client_t *c) noexcept nogil:
    """HMSET key field value [field value ...]"""
    if _set_pairs(c) >= 0:
        reply_ok(c)


cdef api void cmd_hsetnx(client_t *c) noexcept nogil:
    """HSETNX key field value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, 1, 1)
    if o != NULL and hash_exists(o, c.argv[2].ptr, c.argv[2].len, db_visible_ms(c.db)):
        reply_int(c, 0)
        return
    if o == NULL:
        o = hash_new(c.db, &key)
    hash_set(o, c.argv[2].ptr, c.argv[2].len, c.argv[3].ptr, c.argv[3].len, False,
             db_visible_ms(c.db), &c.srv.hash_limits)
    hash_done(c.db, &key, o)
    key_changed(c, &key, NOTIFY_HASH, b"hset")
    reply_int(c, 1)


# --- Numbers ----------------------------------------------------------------------


cdef void _store_number(
    client_t *c, const dbkey_t *key, obj_t *o, const char *text, int n,
    const char *event
) noexcept nogil:
    """Set the field of argument 2; its expiry stays."""
    if o == NULL:
        o = hash_new(c.db, key)
    hash_set(o, c.argv[2].ptr, c.argv[2].len, text, n, True, db_visible_ms(c.db),
             &c.srv.hash_limits)
    hash_done(c.db, key, o)
    key_changed(c, key, NOTIFY_HASH, event)


cdef api void cmd_hincrby(client_t *c) noexcept nogil:
    """HINCRBY key field increment"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[NUM_INT_BUF] text
    cdef int64_t value = 0, delta
    cdef hash_text_t old
    cdef obj_t *o
    if arg_i64_or_reply(c, 3, &delta) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, 1, 1)
    if o != NULL and hash_get(
            o, c.argv[2].ptr, c.argv[2].len, db_visible_ms(c.db), &old):
        if num_parse_i64(old.ptr, old.len, &value) != C_OK:
            reply_error(c, ERR_HASH_NOT_INTEGER)
            return
    if add_overflows(value, delta, &value):
        reply_error(c, ERR_OVERFLOW)
        return
    _store_number(c, &key, o, text, num_format_i64(text, value), b"hincrby")
    reply_int(c, value)


cdef api void cmd_hincrbyfloat(client_t *c) noexcept nogil:
    """HINCRBYFLOAT key field increment"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[NUM_LD_HUMAN_BUF] text
    cdef ld_t value = 0, delta
    cdef hash_text_t old
    cdef obj_t *o
    cdef int n
    if num_parse_ld(c.argv[3].ptr, c.argv[3].len, &delta) != C_OK:
        reply_error(c, ERR_NOT_FLOAT)
        return
    if isnan(delta) or isinf(delta):
        reply_error(c, ERR_VALUE_NAN)
        return
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, 1, 1)
    if o != NULL and hash_get(
            o, c.argv[2].ptr, c.argv[2].len, db_visible_ms(c.db), &old):
        if num_parse_ld(old.ptr, old.len, &value) != C_OK:
            reply_error(c, ERR_HASH_NOT_FLOAT)
            return
    value += delta
    if isnan(value) or isinf(value):
        reply_error(c, ERR_NAN_OR_INFINITY)
        return
    n = num_format_ld_human(text, NUM_LD_HUMAN_BUF, value)
    _store_number(c, &key, o, text, n, b"hincrbyfloat")
    if is_fed(c):
        _feed_number(c, &key, text, n)
    reply_bulk(c, text, n)


cdef void _feed_number(
    client_t *c, const dbkey_t *key, const char *text, int n
) noexcept nogil:
    """Have the sum written down: how it is formatted is not for others to decide."""
    cdef int64_t when
    cdef obj_t *o = db_peek(c.db, key)
    hash_expiry(o, c.argv[2].ptr, c.argv[2].len, c.srv.now_ms, &when)
    if when == OBJ_NO_EXPIRE:
        feed_instead(c, 4)
        feed_text(c, b"HSET")
        feed_args(c, 1, 3)
    else:
        feed_instead(c, 7)
        feed_text(c, b"HSETEX")
        feed_args(c, 1, 2)
        feed_text(c, b"KEEPTTL")
        feed_text(c, b"FIELDS")
        feed_text(c, b"1")
        feed_args(c, 2, 3)
    feed_bytes(c, text, n)


# --- Read -------------------------------------------------------------------------


cdef api void cmd_hget(client_t *c) noexcept nogil:
    """HGET key field"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef hash_text_t value
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, 1, 1)
    if fr_likely(o != NULL) and hash_get(
            o, c.argv[2].ptr, c.argv[2].len, db_visible_ms(c.db), &value):
        _reply_text(c, &value)
    else:
        reply_null(c)


cdef api void cmd_hmget(client_t *c) noexcept nogil:
    """HMGET key field [field ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef hash_text_t value
    cdef int i, ahead = 2
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, c.argc - 2, 1)
    reply_array(c, c.argc - 2)
    for i in range(2, c.argc):
        if o == NULL:
            reply_null(c)
            continue
        if i == ahead and c.argc > 3:
            ahead = _prefetch(c, o, i, 1)
        if hash_get(o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db), &value):
            _reply_text(c, &value)
        else:
            reply_null(c)


cdef void _both_visit(void *ctx, const hash_pair_t *pair) noexcept nogil:
    _reply_text(<client_t *>ctx, &pair.field)
    _reply_text(<client_t *>ctx, &pair.value)


cdef void _pair_visit(void *ctx, const hash_pair_t *pair) noexcept nogil:
    reply_array(<client_t *>ctx, 2)
    _both_visit(ctx, pair)


cdef void _field_visit(void *ctx, const hash_pair_t *pair) noexcept nogil:
    _reply_text(<client_t *>ctx, &pair.field)


cdef void _value_visit(void *ctx, const hash_pair_t *pair) noexcept nogil:
    _reply_text(<client_t *>ctx, &pair.value)


cdef api void cmd_hgetall(client_t *c) noexcept nogil:
    """HGETALL key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if o == NULL:
        reply_map(c, 0)
        return
    reply_map(c, hash_live(o, db_visible_ms(c.db)))
    hash_walk(o, db_visible_ms(c.db), _both_visit, c)


cdef api void cmd_hkeys(client_t *c) noexcept nogil:
    """HKEYS key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if o == NULL:
        reply_array(c, 0)
        return
    reply_array(c, hash_live(o, db_visible_ms(c.db)))
    hash_walk(o, db_visible_ms(c.db), _field_visit, c)


cdef api void cmd_hvals(client_t *c) noexcept nogil:
    """HVALS key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if o == NULL:
        reply_array(c, 0)
        return
    reply_array(c, hash_live(o, db_visible_ms(c.db)))
    hash_walk(o, db_visible_ms(c.db), _value_visit, c)


cdef api void cmd_hlen(client_t *c) noexcept nogil:
    """HLEN key: fields past their time count until they are gone."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) == C_OK:
        reply_int(c, 0 if o == NULL else hash_len(o))


cdef api void cmd_hstrlen(client_t *c) noexcept nogil:
    """HSTRLEN key field"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef hash_text_t value
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, 1, 1)
    if o == NULL or not hash_get(
            o, c.argv[2].ptr, c.argv[2].len, db_visible_ms(c.db), &value):
        reply_int(c, 0)
    else:
        reply_int(c, value.len)


cdef api void cmd_hexists(client_t *c) noexcept nogil:
    """HEXISTS key field"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge(c.db, &key, o, c.argv + 2, 1, 1)
    reply_int(c, o != NULL and hash_exists(
        o, c.argv[2].ptr, c.argv[2].len, db_visible_ms(c.db)))


# --- Delete -----------------------------------------------------------------------


cdef api void cmd_hdel(client_t *c) noexcept nogil:
    """HDEL key field [field ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int64_t ndeleted = 0
    cdef bint is_gone
    cdef int i
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if o != NULL:
        for i in range(2, c.argc):
            ndeleted += hash_delete(o, c.argv[i].ptr, c.argv[i].len)
        is_gone = hash_done(c.db, &key, o)
        if ndeleted:
            key_changed(c, &key, NOTIFY_HASH, b"hdel")
        if is_gone:
            key_changed(c, &key, NOTIFY_GENERIC, b"del")
    reply_int(c, ndeleted)


# --- Draw -------------------------------------------------------------------------


cdef void _draw(
    client_t *c, const obj_t *o, uint64_t n, bint has_values
) noexcept nogil:
    """Reply n fields, each drawn from all."""
    cdef uint64_t batch
    cdef void (*visit)(void *ctx, const hash_pair_t *pair) noexcept nogil
    visit = _field_visit
    if has_values:
        visit = _pair_visit if c.out.resp > 2 else _both_visit
    reply_array(c, n * (2 if has_values and c.out.resp == 2 else 1))
    while n:
        batch = n if n < DRAW_BATCH else DRAW_BATCH
        hash_draw(o, batch, &c.db.ks.rand, db_visible_ms(c.db), visit, c)
        n -= batch
        if n and (c.flags & CLIENT_CLOSE_ASAP or client_check_output_limit(c)):
            return


cdef void _sample(
    client_t *c, const obj_t *o, uint64_t n, size_t nlive, bint has_values
) noexcept nogil:
    """Reply up to n different fields."""
    cdef void (*visit)(void *ctx, const hash_pair_t *pair) noexcept nogil
    visit = _field_visit
    if has_values:
        visit = _pair_visit if c.out.resp > 2 else _both_visit
    if n > nlive:
        n = nlive
    reply_array(c, n * (2 if has_values and c.out.resp == 2 else 1))
    if n == nlive:
        hash_walk(o, db_visible_ms(c.db), visit, c)
    else:
        hash_sample(o, n, &c.db.ks.rand, db_visible_ms(c.db), visit, c)


cdef api void cmd_hrandfield(client_t *c) noexcept nogil:
    """HRANDFIELD key [count [WITHVALUES]]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count = 1
    cdef bint has_values = c.argc > 3
    cdef size_t nlive = 0
    cdef obj_t *o
    if c.argc > 2:
        if arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, &count) != C_OK:
            return
        if c.argc > 4 or (has_values and not arg_is(c, 3, b"withvalues")):
            reply_error(c, ERR_SYNTAX)
            return
        if has_values and not -INT64_MAX // 2 <= count <= INT64_MAX // 2:
            reply_error(c, ERR_VALUE_RANGE)
            return
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    o = hash_purge_all(c.db, &key, o)
    if o != NULL:
        nlive = hash_live(o, db_visible_ms(c.db))
    if c.argc == 2:
        if nlive:
            hash_draw(o, 1, &c.db.ks.rand, db_visible_ms(c.db), _field_visit, c)
        else:
            reply_null(c)
    elif nlive == 0 or count == 0:
        reply_array(c, 0)
    elif count < 0:
        _draw(c, o, -count, has_values)
    else:
        _sample(c, o, count, nlive, has_values)


# --- Scan -------------------------------------------------------------------------


cdef struct hscan_t:
    client_t *c
    scan_options_t options
    int64_t nreplied


cdef void _scan_visit(void *ctx, const hash_pair_t *pair) noexcept nogil:
    cdef hscan_t *s = <hscan_t *>ctx
    if not scan_matches(&s.options, pair.field.ptr, pair.field.len):
        return
    _reply_text(s.c, &pair.field)
    s.nreplied += 1
    if not s.options.is_novalues:
        _reply_text(s.c, &pair.value)
        s.nreplied += 1


cdef api void cmd_hscan(client_t *c) noexcept nogil:
    """HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[NUM_INT_BUF] digits
    cdef out_t fields
    cdef out_block_t *mark
    cdef hscan_t s
    cdef uint64_t cursor
    cdef out_t kept
    cdef obj_t *o
    if scan_cursor_or_reply(c, 2, &cursor) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if o == NULL:
        reply_array(c, 2)
        reply_bulk(c, b"0", 1)
        reply_array(c, 0)
        return
    if scan_options_or_reply(c, 3, SCAN_NOVALUES, &s.options) != C_OK:
        return
    s.c = c
    s.nreplied = 0
    # the cursor comes before the fields, but is known after them
    kept = c.out
    c.out = out_apart(&kept)
    mark = reply_defer(c)
    cursor = hash_scan(
        o, cursor, s.options.count, db_visible_ms(c.db), _scan_visit, &s)
    reply_resolve(c, mark, b"*", s.nreplied)
    fields = c.out
    c.out = kept
    reply_array(c, 2)
    reply_bulk(c, digits, num_format_u64(digits, cursor))
    out_join(&c.out, &fields)
