# SPDX-License-Identifier: BSD-3-Clause
r"""String commands: read, set, change in part.

GET, SET, MGET, MSET and their kin are what servers spend most of their time on: each
looks a key up once where it can, since the look-up (two cache misses) is most of the
cost. MGET and MSET have the memory of a batch of keys loaded before they need it:

    hash 16 keys, prefetch their buckets --> prefetch their objects --> read or set

A time to live that is over already deletes the key; it is never stored.

INCR and its kin are in cmd_number.pyx, LCS is in cmd_lcs.pyx.
"""
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_ERR, C_OK, fr_likely, fr_unlikely, status_t
from fastredis.commands.options cimport (
    OPT_CONDITION,
    OPT_DIGEST,
    OPT_GET,
    OPT_EX,
    OPT_IFDEQ,
    OPT_IFDNE,
    OPT_IFEQ,
    OPT_IFNE,
    OPT_KEEPTTL,
    OPT_MATCH,
    OPT_NX,
    OPT_PERSIST,
    OPT_PX,
    OPT_PXAT,
    OPT_TIME,
    OPT_XX,
    opt_expiry_or_reply,
    opt_of,
    opt_read_or_reply,
    opt_time_or_reply,
    options_t,
)
from fastredis.datatypes.t_string cimport (
    STR_DIGEST_LEN,
    STR_INT_MAX,
    str_append,
    str_bytes,
    str_digest,
    str_digest_is,
    str_equals,
    str_len,
    str_writable,
)
from fastredis.engine.args cimport (
    ARG_KEYS_BATCH,
    arg_i64_or_reply,
    arg_key,
    arg_keys,
)
from fastredis.engine.changed cimport (
    NOTIFY_EXPIRED,
    NOTIFY_GENERIC,
    NOTIFY_NEW,
    NOTIFY_STRING,
    key_changed,
    key_event,
)
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport (
    ERR_NO_MEMORY,
    ERR_STRING_TOO_LONG,
    ERR_SYNTAX,
)
from fastredis.engine.propagate cimport (
    feed_args,
    feed_bytes,
    feed_i64,
    feed_instead,
    feed_key,
    feed_key_i64,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_error,
    reply_int,
    reply_null,
    reply_ok,
    reply_string_obj,
    reply_wrong_arity,
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    DB_KEEP_TTL,
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_find_write,
    db_persist,
    db_remove,
    db_set_bytes,
    db_set_expire,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_STRING, obj_t, obj_type
from fastredis.resp.parser cimport slice_t
from libc.stdint cimport INT32_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    OPTIONS_OF_SET = OPT_TIME | OPT_KEEPTTL | OPT_CONDITION | OPT_GET
    OPTIONS_OF_GETEX = OPT_TIME | OPT_PERSIST
    OPTIONS_OF_MSETEX = OPT_TIME | OPT_KEEPTTL | OPT_NX | OPT_XX


# --- Read -------------------------------------------------------------------------


cdef inline bint _get(client_t *c, const dbkey_t *key) noexcept nogil:
    """Reply a string, or null, or an error; return whether there is a string."""
    cdef obj_t *o = db_find_read(c.db, key)
    if o == NULL:
        reply_null(c)
        return False
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return False
    reply_string_obj(c, o)
    return True


cdef api void cmd_get(client_t *c) noexcept nogil:
    """GET key"""
    cdef dbkey_t key = arg_key(c, 1)
    _get(c, &key)


cdef api void cmd_mget(client_t *c) noexcept nogil:
    """MGET key [key ...]"""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int i = 1, k, n
    cdef obj_t *o
    reply_array(c, c.argc - 1)
    while i < c.argc:
        n = arg_keys(c, i, 1, c.argc, keys)
        for k in range(n):
            o = db_find_read(c.db, &keys[k])
            if o == NULL or obj_type(o) != OBJ_STRING:
                reply_null(c)
            else:
                reply_string_obj(c, o)
        i += n


cdef api void cmd_strlen(client_t *c) noexcept nogil:
    """STRLEN key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    reply_int(c, 0 if o == NULL else <int64_t>str_len(o))


cdef api void cmd_getrange(client_t *c) noexcept nogil:
    """GETRANGE key start end"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t start, end, len
    cdef char[STR_INT_MAX] digits
    cdef const char *bytes
    cdef size_t nbytes
    cdef obj_t *o
    if arg_i64_or_reply(c, 2, &start) != C_OK:
        return
    if arg_i64_or_reply(c, 3, &end) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if o == NULL:
        reply_bulk(c, b"", 0)
        return
    bytes = str_bytes(o, digits, &nbytes)
    len = <int64_t>nbytes
    if start < 0:
        start += len
        if start < 0:
            start = 0
    if end < 0:
        end += len
    if end >= len:
        end = len - 1
    # an end before the first byte is an empty range (as of Redis 8)
    if start > end:
        reply_bulk(c, b"", 0)
    else:
        reply_bulk(c, bytes + start, end - start + 1)


cdef api void cmd_substr(client_t *c) noexcept nogil:
    """SUBSTR key start end"""
    cmd_getrange(c)


cdef api void cmd_digest(client_t *c) noexcept nogil:
    """DIGEST key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[STR_DIGEST_LEN] digits
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if o == NULL:
        reply_null(c)
        return
    str_digest(o, digits)
    reply_bulk(c, digits, STR_DIGEST_LEN)


# --- Read and change or delete ----------------------------------------------------


cdef api void cmd_getset(client_t *c) noexcept nogil:
    """GETSET key value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if o == NULL:
        reply_null(c)
    else:
        reply_string_obj(c, o)
    db_set_bytes(c.db, &key, c.argv[2].ptr, c.argv[2].len, DB_NO_TTL)
    key_changed(c, &key, NOTIFY_STRING, b"set")
    if is_fed(c):
        _feed_set(c, &key, 2, DB_NO_TTL)


cdef api void cmd_getdel(client_t *c) noexcept nogil:
    """GETDEL key"""
    cdef dbkey_t key = arg_key(c, 1)
    if _get(c, &key):
        db_delete(c.db, &key)
        key_changed(c, &key, NOTIFY_GENERIC, b"del")
        feed_key(c, b"DEL", &key)


cdef api void cmd_getex(client_t *c) noexcept nogil:
    """GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef options_t opts
    cdef int64_t when
    cdef obj_t *o
    if opt_read_or_reply(c, 2, OPTIONS_OF_GETEX, 0, &opts) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if o == NULL:
        reply_null(c)       # whatever the time: it is not looked at, as in Redis
        return
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if opt_expiry_or_reply(c, &opts, &when) != C_OK:
        return
    reply_string_obj(c, o)
    if opts.flags & OPT_TIME:
        if when <= c.srv.now_ms:
            db_delete(c.db, &key)
            key_changed(c, &key, NOTIFY_GENERIC, b"del")
            feed_key(c, b"DEL", &key)
        else:
            db_set_expire(c.db, &key, o, when)
            key_changed(c, &key, NOTIFY_GENERIC, b"expire")
            feed_key_i64(c, b"PEXPIREAT", &key, when)
    elif opts.flags & OPT_PERSIST and db_persist(c.db, &key, o):
        key_changed(c, &key, NOTIFY_GENERIC, b"persist")
        feed_key(c, b"PERSIST", &key)


cdef api void cmd_delifeq(client_t *c) noexcept nogil:
    """DELIFEQ key value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if o == NULL or not str_equals(o, c.argv[2].ptr, c.argv[2].len):
        reply_int(c, 0)
        return
    db_delete(c.db, &key)
    key_changed(c, &key, NOTIFY_GENERIC, b"del")
    feed_key(c, b"DEL", &key)
    reply_int(c, 1)


cdef status_t _digest_or_reply(client_t *c, int i) noexcept nogil:
    """Check that argument i can be a digest."""
    if c.argv[i].len == STR_DIGEST_LEN:
        return C_OK
    reply_error(c, b"ERR must be exactly 16 hexadecimal characters")
    return C_ERR


cdef bint _matches(const obj_t *o, uint32_t condition, const slice_t *s) noexcept nogil:
    """Return whether a string satisfies one of OPT_MATCH, with the operand s."""
    if condition & OPT_DIGEST:
        return str_digest_is(o, s.ptr, s.len) == (condition == OPT_IFDEQ)
    return str_equals(o, s.ptr, s.len) == (condition == OPT_IFEQ)


cdef api void cmd_delex(client_t *c) noexcept nogil:
    """DELEX key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef uint32_t condition
    cdef obj_t *o
    if c.argc != 2 and c.argc != 4:
        reply_wrong_arity(c)
        return
    o = db_find_write(c.db, &key)
    if o == NULL:
        reply_int(c, 0)
        return
    if c.argc == 4:
        condition = opt_of(c, 2) & OPT_MATCH
        if obj_type(o) != OBJ_STRING:
            reply_error(
                c, b"ERR Key should be of string type if conditions are specified")
            return
        if condition == 0:
            reply_error(c, b"ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
            return
        if condition & OPT_DIGEST and _digest_or_reply(c, 3) != C_OK:
            return
        if not _matches(o, condition, &c.argv[3]):
            reply_int(c, 0)
            return
    db_remove(c.db, &key, c.srv.is_lazy_user_del)
    key_changed(c, &key, NOTIFY_GENERIC, b"del")
    feed_key(c, b"DEL", &key)
    reply_int(c, 1)


# --- Set --------------------------------------------------------------------------


cdef inline void _store(
    client_t *c, const dbkey_t *key, int i, int64_t when, bint is_as_told
) noexcept nogil:
    """Set a key to argument i; when: as for db_set_bytes, or a time that is over.

    is_as_told: the request says so in words that mean the same at any time.
    """
    if fr_unlikely(0 < when <= c.srv.now_ms):
        _store_expired(c, key)
        return
    db_set_bytes(c.db, key, c.argv[i].ptr, c.argv[i].len, when)
    key_changed(c, key, NOTIFY_STRING, b"set")
    if when > 0:
        key_event(c, key, NOTIFY_GENERIC, b"expire")
        if is_fed(c) and not is_as_told:
            _feed_set(c, key, i, when)


cdef void _feed_set(
    client_t *c, const dbkey_t *key, int i, int64_t when
) noexcept nogil:
    """Have it written down what a key was set to; when: as for db_set_bytes."""
    feed_instead(c, 3 if when == DB_NO_TTL else 4 if when == DB_KEEP_TTL else 5)
    feed_text(c, b"SET")
    feed_bytes(c, key.ptr, key.len)
    feed_args(c, i, i + 1)
    if when == DB_KEEP_TTL:
        feed_text(c, b"KEEPTTL")
    elif when != DB_NO_TTL:
        feed_text(c, b"PXAT")
        feed_i64(c, when)


cdef void _store_expired(client_t *c, const dbkey_t *key) noexcept nogil:
    """Let go a key whose new value has expired already; the events tell both."""
    if not db_delete(c.db, key):
        key_event(c, key, NOTIFY_NEW, b"new")
    key_changed(c, key, NOTIFY_STRING, b"set")
    key_event(c, key, NOTIFY_GENERIC, b"expire")
    key_event(c, key, NOTIFY_EXPIRED, b"expired")
    feed_key(c, b"DEL", key)


cdef bint _may_set(
    client_t *c, const options_t *opts, const obj_t *o
) noexcept nogil:
    """Return whether a condition of SET holds for what is there."""
    cdef uint32_t condition = opts.flags & OPT_CONDITION
    if condition == 0:
        return True
    if o == NULL:
        return (condition & (OPT_NX | OPT_IFNE | OPT_IFDNE)) != 0
    if condition & OPT_MATCH:
        return _matches(o, condition, &c.argv[opts.match])
    return condition == OPT_XX


cdef void _set_with_options(client_t *c, const dbkey_t *key) noexcept nogil:
    cdef options_t opts
    cdef int64_t when
    cdef obj_t *o
    cdef bint is_set
    if opt_read_or_reply(c, 3, OPTIONS_OF_SET, OPT_MATCH, &opts) != C_OK:
        return
    if opt_expiry_or_reply(c, &opts, &when) != C_OK:
        return
    if opts.flags & OPT_DIGEST and _digest_or_reply(c, opts.match) != C_OK:
        return
    if not opts.flags & (OPT_CONDITION | OPT_GET):
        _store(c, key, 2, when, (opts.flags & OPT_PXAT) != 0)
        reply_ok(c)
        return
    if opts.flags & OPT_GET:
        o = db_find_read(c.db, key)
    else:
        o = db_find_write(c.db, key)
    if opts.flags & (OPT_GET | OPT_MATCH) and type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    is_set = _may_set(c, &opts, o)
    if opts.flags & OPT_GET and o != NULL:
        reply_string_obj(c, o)
    elif opts.flags & OPT_GET or not is_set:
        reply_null(c)
    else:
        reply_ok(c)
    if is_set:
        # others do not know OPT_MATCH, and OPT_GET is of no use to them
        _store(c, key, 2, when,
               opts.flags & (OPT_PXAT | OPT_MATCH | OPT_GET) == OPT_PXAT)
        if opts.flags & (OPT_MATCH | OPT_GET) and when <= 0 and is_fed(c):
            _feed_set(c, key, 2, when)


cdef api void cmd_set(client_t *c) noexcept nogil:
    """SET key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]
    [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]"""
    cdef dbkey_t key = arg_key(c, 1)
    if c.argc > 3:
        _set_with_options(c, &key)
        return
    db_set_bytes(c.db, &key, c.argv[2].ptr, c.argv[2].len, DB_NO_TTL)
    key_changed(c, &key, NOTIFY_STRING, b"set")
    reply_ok(c)


cdef api void cmd_setnx(client_t *c) noexcept nogil:
    """SETNX key value"""
    cdef dbkey_t key = arg_key(c, 1)
    if db_find_write(c.db, &key) != NULL:
        reply_int(c, 0)
        return
    db_set_bytes(c.db, &key, c.argv[2].ptr, c.argv[2].len, DB_NO_TTL)
    key_changed(c, &key, NOTIFY_STRING, b"set")
    reply_int(c, 1)


cdef inline void _set_with_ttl(client_t *c, uint32_t unit) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t when
    if opt_time_or_reply(c, 2, unit, &when) != C_OK:
        return
    db_set_bytes(c.db, &key, c.argv[3].ptr, c.argv[3].len, when)
    key_changed(c, &key, NOTIFY_STRING, b"set")
    key_event(c, &key, NOTIFY_GENERIC, b"expire")
    if is_fed(c):
        _feed_set(c, &key, 3, when)
    reply_ok(c)


cdef api void cmd_setex(client_t *c) noexcept nogil:
    """SETEX key seconds value"""
    _set_with_ttl(c, OPT_EX)


cdef api void cmd_psetex(client_t *c) noexcept nogil:
    """PSETEX key milliseconds value"""
    _set_with_ttl(c, OPT_PX)


# --- Set several keys -------------------------------------------------------------


cdef void _set_pairs(client_t *c, int i, int end, int64_t when) noexcept nogil:
    """Set keys to values, which alternate from argument i to end."""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int k, n
    while i < end:
        n = arg_keys(c, i, 2, end, keys)
        for k in range(n):
            _store(c, &keys[k], i + 2 * k + 1, when, False)
        i += 2 * n


cdef int _count_existing(client_t *c, int i, int end) noexcept nogil:
    """Return how many of the keys at i, i + 2, ... exist."""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int k, n, found = 0
    while i < end:
        n = arg_keys(c, i, 2, end, keys)
        for k in range(n):
            found += db_find_write(c.db, &keys[k]) != NULL
        i += 2 * n
    return found


cdef api void cmd_mset(client_t *c) noexcept nogil:
    """MSET key value [key value ...]"""
    if c.argc % 2 == 0:
        reply_wrong_arity(c)
        return
    _set_pairs(c, 1, c.argc, DB_NO_TTL)
    reply_ok(c)


cdef api void cmd_msetnx(client_t *c) noexcept nogil:
    """MSETNX key value [key value ...]"""
    if c.argc % 2 == 0:
        reply_wrong_arity(c)
        return
    if _count_existing(c, 1, c.argc):
        reply_int(c, 0)
        return
    _set_pairs(c, 1, c.argc, DB_NO_TTL)
    reply_int(c, 1)


cdef api void cmd_msetex(client_t *c) noexcept nogil:
    """MSETEX numkeys key value [key value ...] [NX | XX]
    [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]"""
    cdef options_t opts
    cdef int64_t npairs, when
    cdef int end, found
    if num_parse_i64(c.argv[1].ptr, c.argv[1].len, &npairs) != C_OK or not (
            0 < npairs <= INT32_MAX):
        reply_error(c, b"ERR invalid numkeys value or out of range")
        return
    if npairs > (c.argc - 2) // 2:
        reply_error(c, ERR_SYNTAX)
        return
    end = 2 + 2 * <int>npairs
    if opt_read_or_reply(c, end, OPTIONS_OF_MSETEX, 0, &opts) != C_OK:
        return
    if opt_expiry_or_reply(c, &opts, &when) != C_OK:
        return
    if opts.flags & OPT_CONDITION:
        found = _count_existing(c, 2, end)
        if found != (0 if opts.flags & OPT_NX else <int>npairs):
            reply_int(c, 0)
            return
    _set_pairs(c, 2, end, when)
    reply_int(c, 1)


# --- Change part of a string ------------------------------------------------------


cdef status_t _length_or_reply(
    client_t *c, uint64_t nbytes, uint64_t more
) noexcept nogil:
    """Check that a string of nbytes + more is not too long."""
    cdef uint64_t limit = c.srv.proto_max_bulk_len
    if fr_likely(nbytes <= limit and more <= limit - nbytes):
        return C_OK
    reply_error(c, ERR_STRING_TOO_LONG)
    return C_ERR


cdef api void cmd_append(client_t *c) noexcept nogil:
    """APPEND key value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef ssize_t len
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if o != NULL and _length_or_reply(c, str_len(o), c.argv[2].len) != C_OK:
        return
    len = str_append(c.db, &key, o, c.argv[2].ptr, c.argv[2].len)
    if len < 0:
        reply_error(c, ERR_NO_MEMORY)
        return
    key_changed(c, &key, NOTIFY_STRING, b"append")
    reply_int(c, len)


cdef api void cmd_setrange(client_t *c) noexcept nogil:
    """SETRANGE key offset value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef const slice_t *value = &c.argv[3]
    cdef int64_t offset
    cdef size_t len, end
    cdef obj_t *o
    cdef char *bytes
    if arg_i64_or_reply(c, 2, &offset) != C_OK:
        return
    if offset < 0:
        reply_error(c, b"ERR offset is out of range")
        return
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    len = 0 if o == NULL else str_len(o)
    if value.len == 0:
        reply_int(c, len)
        return
    if _length_or_reply(c, offset, value.len) != C_OK:
        return
    end = <size_t>offset + value.len
    bytes = str_writable(c.db, &key, o, end)
    if bytes == NULL:
        reply_error(c, ERR_NO_MEMORY)
        return
    memcpy(bytes + offset, value.ptr, value.len)
    key_changed(c, &key, NOTIFY_STRING, b"setrange")
    reply_int(c, end if end > len else len)
