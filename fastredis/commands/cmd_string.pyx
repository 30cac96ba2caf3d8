# SPDX-License-Identifier: BSD-3-Clause
r"""String commands.

GET, SET, INCR, MGET, MSET and their kin are what servers spend most of their time on:
each looks a key up once where it can, since the look-up (two cache misses) is most of
the cost. MGET and MSET have the memory of a batch of keys loaded before they need it:

    hash 16 keys, prefetch their buckets --> prefetch their objects --> read or set

Options of SET, GETEX, MSETEX and INCREX are words that exclude each other in groups;
they are read by _options_or_reply into an options_t, of which each command allows some.

A time to live is turned into a time of the wall clock at once. A time that has passed
already deletes the key, it is never stored.
"""
from fastredis.core.mem cimport zfree, ztrymalloc
from fastredis.core.num cimport (
    NUM_LD_HUMAN_BUF,
    ld_t,
    num_format_ld_human,
    num_parse_i64,
    num_parse_ld,
)
from fastredis.core.status cimport C_ERR, C_OK, fr_likely, fr_unlikely, status_t
from fastredis.datatypes.lcs cimport (
    lcs_free,
    lcs_len,
    lcs_new,
    lcs_next,
    lcs_run_t,
    lcs_t,
)
from fastredis.datatypes.t_string cimport (
    STR_DIGEST_LEN,
    STR_INT_MAX,
    STR_SUM_NOT_A_NUMBER,
    STR_SUM_OK,
    str_append,
    str_bytes,
    str_digest,
    str_digest_is,
    str_equals,
    str_incr,
    str_len,
    str_set_int,
    str_to_i64,
    str_to_ld,
    str_writable,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.client cimport client_t, mark_dirty
from fastredis.engine.errors cimport (
    ERR_NOT_FLOAT,
    ERR_NOT_INTEGER,
    ERR_OVERFLOW,
    ERR_STRING_TOO_LONG,
    ERR_SYNTAX,
    ERR_WRONG_TYPE,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_cstring,
    reply_defer,
    reply_error,
    reply_int,
    reply_map,
    reply_null,
    reply_ok,
    reply_resolve,
    reply_string_obj,
    reply_wrong_arity,
)
from fastredis.keyspace.db cimport (
    DB_KEEP_TTL,
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_find_write,
    db_persist,
    db_prefetch_bucket,
    db_prefetch_object,
    db_set_bytes,
    db_set_expire,
    db_unlink,
    dbkey_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_NO_EXPIRE,
    OBJ_STRING,
    obj_expire_ms,
    obj_t,
    obj_type,
)
from fastredis.resp.parser cimport slice_t
from fastredis.resp.writer cimport out_block_t, out_bytes
from libc.float cimport LDBL_MAX
from libc.math cimport isinf, isnan
from libc.stdint cimport (
    INT32_MAX,
    INT64_MAX,
    INT64_MIN,
    UINT32_MAX,
    int64_t,
    uint32_t,
    uint64_t,
)
from libc.stdio cimport snprintf
from libc.string cimport memcpy

cdef extern from *:
    # True: the exact result does not fit, and *out is of no use
    bint add_overflows "__builtin_add_overflow"(
        int64_t a, int64_t b, int64_t *out) noexcept nogil
    bint sub_overflows "__builtin_sub_overflow"(
        int64_t a, int64_t b, int64_t *out) noexcept nogil

cdef enum:
    BATCH = 16                  # keys whose memory is loaded ahead; 16 misses overlap
    ERROR_MAX = 160             # room for an error text with a command's name

    # options
    OPT_EX = 1 << 0
    OPT_PX = 1 << 1
    OPT_EXAT = 1 << 2
    OPT_PXAT = 1 << 3
    OPT_KEEPTTL = 1 << 4
    OPT_PERSIST = 1 << 5
    OPT_NX = 1 << 6
    OPT_XX = 1 << 7
    OPT_IFEQ = 1 << 8
    OPT_IFNE = 1 << 9
    OPT_IFDEQ = 1 << 10
    OPT_IFDNE = 1 << 11
    OPT_BYINT = 1 << 12
    OPT_BYFLOAT = 1 << 13
    OPT_LBOUND = 1 << 14
    OPT_UBOUND = 1 << 15
    OPT_SATURATE = 1 << 16
    OPT_ENX = 1 << 17
    OPT_GET = 1 << 18

    OPT_TIME = OPT_EX | OPT_PX | OPT_EXAT | OPT_PXAT
    OPT_MATCH = OPT_IFEQ | OPT_IFNE | OPT_IFDEQ | OPT_IFDNE
    OPT_DIGEST = OPT_IFDEQ | OPT_IFDNE
    # groups of words that exclude each other
    OPT_EXPIRY = OPT_TIME | OPT_KEEPTTL | OPT_PERSIST
    OPT_CONDITION = OPT_NX | OPT_XX | OPT_MATCH
    OPT_BY = OPT_BYINT | OPT_BYFLOAT

    OPTIONS_OF_SET = OPT_TIME | OPT_KEEPTTL | OPT_CONDITION | OPT_GET
    OPTIONS_OF_GETEX = OPT_TIME | OPT_PERSIST
    OPTIONS_OF_MSETEX = OPT_TIME | OPT_KEEPTTL | OPT_NX | OPT_XX
    OPTIONS_OF_INCREX = (OPT_TIME | OPT_PERSIST | OPT_BY | OPT_LBOUND | OPT_UBOUND
                         | OPT_SATURATE | OPT_ENX)

cdef struct options_t:
    uint32_t flags              # OPT_* that were given
    # indexes of the arguments that belong to them
    int time
    int match
    int by
    int low
    int high


# --- Arguments --------------------------------------------------------------------


cdef uint32_t _option(client_t *c, int i) noexcept nogil:
    """Return the option that argument i names, or 0."""
    cdef size_t n = c.argv[i].len
    if n == 2:
        if arg_is(c, i, b"ex"):
            return OPT_EX
        if arg_is(c, i, b"px"):
            return OPT_PX
        if arg_is(c, i, b"nx"):
            return OPT_NX
        if arg_is(c, i, b"xx"):
            return OPT_XX
    elif n == 3:
        if arg_is(c, i, b"get"):
            return OPT_GET
        if arg_is(c, i, b"enx"):
            return OPT_ENX
    elif n == 4:
        if arg_is(c, i, b"exat"):
            return OPT_EXAT
        if arg_is(c, i, b"pxat"):
            return OPT_PXAT
        if arg_is(c, i, b"ifeq"):
            return OPT_IFEQ
        if arg_is(c, i, b"ifne"):
            return OPT_IFNE
    elif n == 5:
        if arg_is(c, i, b"ifdeq"):
            return OPT_IFDEQ
        if arg_is(c, i, b"ifdne"):
            return OPT_IFDNE
        if arg_is(c, i, b"byint"):
            return OPT_BYINT
    elif n == 6:
        if arg_is(c, i, b"lbound"):
            return OPT_LBOUND
        if arg_is(c, i, b"ubound"):
            return OPT_UBOUND
    elif n == 7:
        if arg_is(c, i, b"keepttl"):
            return OPT_KEEPTTL
        if arg_is(c, i, b"persist"):
            return OPT_PERSIST
        if arg_is(c, i, b"byfloat"):
            return OPT_BYFLOAT
    elif n == 8:
        if arg_is(c, i, b"saturate"):
            return OPT_SATURATE
    return 0


cdef status_t _options_or_reply(
    client_t *c, int i, uint32_t allowed, uint32_t once, options_t *opts
) noexcept nogil:
    """Read the options from argument i on.

    once: those that must not be repeated. Of others the last one counts.
    """
    cdef uint32_t flag, given, rivals
    opts.flags = 0
    while i < c.argc:
        flag = _option(c, i) & allowed
        given = opts.flags & (~flag | once)
        rivals = flag
        if flag & OPT_EXPIRY:
            rivals = OPT_EXPIRY
        elif flag & OPT_CONDITION:
            rivals = OPT_CONDITION
        elif flag & OPT_BY:
            rivals = OPT_BY
        if flag == 0 or given & rivals:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        opts.flags |= flag
        if flag & (OPT_TIME | OPT_MATCH | OPT_BY | OPT_LBOUND | OPT_UBOUND):
            i += 1
            if i == c.argc:
                reply_error(c, ERR_SYNTAX)
                return C_ERR
            if flag & OPT_TIME:
                opts.time = i
            elif flag & OPT_MATCH:
                opts.match = i
            elif flag & OPT_BY:
                opts.by = i
            elif flag & OPT_LBOUND:
                opts.low = i
            else:
                opts.high = i
        i += 1
    return C_OK


cdef status_t _time_or_reply(
    client_t *c, int i, uint32_t unit, int64_t *when_out
) noexcept nogil:
    """Read argument i as the time of an expiry, in ms of the wall clock.

    unit: one of OPT_TIME, which says in what and from when on it counts.
    """
    cdef int64_t n
    cdef char[ERROR_MAX] text
    if arg_i64_or_reply(c, i, &n) != C_OK:
        return C_ERR
    if n > 0 and unit & (OPT_EX | OPT_EXAT):
        n = n * 1000 if n <= INT64_MAX // 1000 else 0
    if n > 0 and unit & (OPT_EX | OPT_PX):
        n = n + c.srv.now_ms if n <= INT64_MAX - c.srv.now_ms else 0
    if n <= 0:
        snprintf(text, ERROR_MAX, b"ERR invalid expire time in '%s' command",
                 c.cmd.name)
        reply_error(c, text)
        return C_ERR
    when_out[0] = n
    return C_OK


cdef status_t _expiry_or_reply(
    client_t *c, const options_t *opts, int64_t *when_out
) noexcept nogil:
    """Return the time that the options ask for, DB_KEEP_TTL or DB_NO_TTL."""
    if opts.flags & OPT_TIME:
        return _time_or_reply(c, opts.time, opts.flags & OPT_TIME, when_out)
    when_out[0] = DB_KEEP_TTL if opts.flags & OPT_KEEPTTL else DB_NO_TTL
    return C_OK


cdef status_t _string_or_reply(client_t *c, const obj_t *o) noexcept nogil:
    """Check that o is a string or NULL."""
    if fr_likely(o == NULL or obj_type(o) == OBJ_STRING):
        return C_OK
    reply_error(c, ERR_WRONG_TYPE)
    return C_ERR


cdef status_t _length_or_reply(
    client_t *c, uint64_t nbytes, uint64_t more
) noexcept nogil:
    """Check that a string of nbytes + more is not too long."""
    cdef uint64_t limit = c.srv.proto_max_bulk_len
    if fr_likely(nbytes <= limit and more <= limit - nbytes):
        return C_OK
    reply_error(c, ERR_STRING_TOO_LONG)
    return C_ERR


cdef void _reply_no_memory(client_t *c) noexcept nogil:
    reply_error(c, b"ERR insufficient memory")


# --- Read -------------------------------------------------------------------------


cdef inline bint _get(client_t *c, const dbkey_t *key) noexcept nogil:
    """Reply a string, or null, or an error; return whether there is a string."""
    cdef obj_t *o = db_find_read(c.db, key)
    if o == NULL:
        reply_null(c)
        return False
    if _string_or_reply(c, o) != C_OK:
        return False
    reply_string_obj(c, o)
    return True


cdef api void cmd_get(client_t *c) noexcept nogil:
    """GET key"""
    cdef dbkey_t key = arg_key(c, 1)
    _get(c, &key)


cdef int _load_batch(
    client_t *c, int first, int step, int end, dbkey_t *keys
) noexcept nogil:
    """Hash up to BATCH keys and have their memory loaded; return how many."""
    cdef int n = 0, k
    while n < BATCH and first < end:
        keys[n] = arg_key(c, first)
        db_prefetch_bucket(c.db, keys[n].hash)
        first += step
        n += 1
    if n > 1:
        for k in range(n):
            db_prefetch_object(c.db, keys[k].hash)
    return n


cdef api void cmd_mget(client_t *c) noexcept nogil:
    """MGET key [key ...]"""
    cdef dbkey_t[BATCH] keys
    cdef int i = 1, k, n
    cdef obj_t *o
    reply_array(c, c.argc - 1)
    while i < c.argc:
        n = _load_batch(c, i, 1, c.argc, keys)
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
    if _string_or_reply(c, o) != C_OK:
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
    if _string_or_reply(c, o) != C_OK:
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
    if _string_or_reply(c, o) != C_OK:
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
    if _string_or_reply(c, o) != C_OK:
        return
    if o == NULL:
        reply_null(c)
    else:
        reply_string_obj(c, o)
    db_set_bytes(c.db, &key, c.argv[2].ptr, c.argv[2].len, DB_NO_TTL)
    mark_dirty(c, 1)


cdef api void cmd_getdel(client_t *c) noexcept nogil:
    """GETDEL key"""
    cdef dbkey_t key = arg_key(c, 1)
    if _get(c, &key):
        db_delete(c.db, &key)
        mark_dirty(c, 1)


cdef api void cmd_getex(client_t *c) noexcept nogil:
    """GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef options_t opts
    cdef int64_t when
    cdef obj_t *o
    if _options_or_reply(c, 2, OPTIONS_OF_GETEX, 0, &opts) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if o == NULL:
        reply_null(c)       # whatever the time: it is not looked at, as in Redis
        return
    if _string_or_reply(c, o) != C_OK:
        return
    if _expiry_or_reply(c, &opts, &when) != C_OK:
        return
    reply_string_obj(c, o)
    if opts.flags & OPT_TIME:
        if when <= c.srv.now_ms:
            db_delete(c.db, &key)
        else:
            db_set_expire(c.db, &key, o, when)
        mark_dirty(c, 1)
    elif opts.flags & OPT_PERSIST and db_persist(c.db, &key, o):
        mark_dirty(c, 1)


cdef api void cmd_delifeq(client_t *c) noexcept nogil:
    """DELIFEQ key value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    if _string_or_reply(c, o) != C_OK:
        return
    if o == NULL or not str_equals(o, c.argv[2].ptr, c.argv[2].len):
        reply_int(c, 0)
        return
    db_delete(c.db, &key)
    mark_dirty(c, 1)
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
        condition = _option(c, 2) & OPT_MATCH
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
    if c.srv.is_lazy_user_del:
        db_unlink(c.db, &key)
    else:
        db_delete(c.db, &key)
    mark_dirty(c, 1)
    reply_int(c, 1)


# --- Set --------------------------------------------------------------------------


cdef inline void _store(
    client_t *c, const dbkey_t *key, int i, int64_t when
) noexcept nogil:
    """Set a key to argument i; when: as for db_set_bytes, or a time that is over."""
    if fr_unlikely(0 < when <= c.srv.now_ms):
        db_unlink(c.db, key)
    else:
        db_set_bytes(c.db, key, c.argv[i].ptr, c.argv[i].len, when)


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
    if _options_or_reply(c, 3, OPTIONS_OF_SET, OPT_MATCH, &opts) != C_OK:
        return
    if _expiry_or_reply(c, &opts, &when) != C_OK:
        return
    if opts.flags & OPT_DIGEST and _digest_or_reply(c, opts.match) != C_OK:
        return
    if not opts.flags & (OPT_CONDITION | OPT_GET):
        _store(c, key, 2, when)
        mark_dirty(c, 1)
        reply_ok(c)
        return
    if opts.flags & OPT_GET:
        o = db_find_read(c.db, key)
    else:
        o = db_find_write(c.db, key)
    if opts.flags & (OPT_GET | OPT_MATCH) and _string_or_reply(c, o) != C_OK:
        return
    is_set = _may_set(c, &opts, o)
    if opts.flags & OPT_GET and o != NULL:
        reply_string_obj(c, o)
    elif opts.flags & OPT_GET or not is_set:
        reply_null(c)
    else:
        reply_ok(c)
    if is_set:
        _store(c, key, 2, when)
        mark_dirty(c, 1)


cdef api void cmd_set(client_t *c) noexcept nogil:
    """SET key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]
    [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]"""
    cdef dbkey_t key = arg_key(c, 1)
    if c.argc > 3:
        _set_with_options(c, &key)
        return
    db_set_bytes(c.db, &key, c.argv[2].ptr, c.argv[2].len, DB_NO_TTL)
    mark_dirty(c, 1)
    reply_ok(c)


cdef api void cmd_setnx(client_t *c) noexcept nogil:
    """SETNX key value"""
    cdef dbkey_t key = arg_key(c, 1)
    if db_find_write(c.db, &key) != NULL:
        reply_int(c, 0)
        return
    db_set_bytes(c.db, &key, c.argv[2].ptr, c.argv[2].len, DB_NO_TTL)
    mark_dirty(c, 1)
    reply_int(c, 1)


cdef inline void _set_with_ttl(client_t *c, uint32_t unit) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t when
    if _time_or_reply(c, 2, unit, &when) != C_OK:
        return
    db_set_bytes(c.db, &key, c.argv[3].ptr, c.argv[3].len, when)
    mark_dirty(c, 1)
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
    cdef dbkey_t[BATCH] keys
    cdef int k, n
    while i < end:
        n = _load_batch(c, i, 2, end, keys)
        for k in range(n):
            _store(c, &keys[k], i + 2 * k + 1, when)
        i += 2 * n


cdef int _count_existing(client_t *c, int i, int end) noexcept nogil:
    """Return how many of the keys at i, i + 2, ... exist."""
    cdef dbkey_t[BATCH] keys
    cdef int k, n, found = 0
    while i < end:
        n = _load_batch(c, i, 2, end, keys)
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
    mark_dirty(c, (c.argc - 1) // 2)
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
    mark_dirty(c, (c.argc - 1) // 2)
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
    if _options_or_reply(c, end, OPTIONS_OF_MSETEX, 0, &opts) != C_OK:
        return
    if _expiry_or_reply(c, &opts, &when) != C_OK:
        return
    if opts.flags & OPT_CONDITION:
        found = _count_existing(c, 2, end)
        if found != (0 if opts.flags & OPT_NX else <int>npairs):
            reply_int(c, 0)
            return
    _set_pairs(c, 2, end, when)
    mark_dirty(c, npairs)
    reply_int(c, 1)


# --- Change part of a string ------------------------------------------------------


cdef api void cmd_append(client_t *c) noexcept nogil:
    """APPEND key value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef ssize_t len
    if _string_or_reply(c, o) != C_OK:
        return
    if o != NULL and _length_or_reply(c, str_len(o), c.argv[2].len) != C_OK:
        return
    len = str_append(c.db, &key, o, c.argv[2].ptr, c.argv[2].len)
    if len < 0:
        _reply_no_memory(c)
        return
    mark_dirty(c, 1)
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
    if _string_or_reply(c, o) != C_OK:
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
        _reply_no_memory(c)
        return
    memcpy(bytes + offset, value.ptr, value.len)
    mark_dirty(c, 1)
    reply_int(c, end if end > len else len)


# --- Numbers ----------------------------------------------------------------------


cdef inline void _incr(client_t *c, int64_t delta) noexcept nogil:
    """Add to the integer at argument 1 and reply the sum."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int64_t total
    cdef int result
    if _string_or_reply(c, o) != C_OK:
        return
    result = str_incr(c.db, &key, o, delta, &total)
    if fr_likely(result == STR_SUM_OK):
        mark_dirty(c, 1)
        reply_int(c, total)
    elif result == STR_SUM_NOT_A_NUMBER:
        reply_error(c, ERR_NOT_INTEGER)
    else:
        reply_error(c, ERR_OVERFLOW)


cdef api void cmd_incr(client_t *c) noexcept nogil:
    """INCR key"""
    _incr(c, 1)


cdef api void cmd_decr(client_t *c) noexcept nogil:
    """DECR key"""
    _incr(c, -1)


cdef api void cmd_incrby(client_t *c) noexcept nogil:
    """INCRBY key increment"""
    cdef int64_t delta
    if arg_i64_or_reply(c, 2, &delta) == C_OK:
        _incr(c, delta)


cdef api void cmd_decrby(client_t *c) noexcept nogil:
    """DECRBY key decrement"""
    cdef int64_t delta
    if arg_i64_or_reply(c, 2, &delta) != C_OK:
        return
    if delta == INT64_MIN:
        reply_error(c, b"ERR decrement would overflow")
        return
    _incr(c, -delta)


cdef api void cmd_incrbyfloat(client_t *c) noexcept nogil:
    """INCRBYFLOAT key increment"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[NUM_LD_HUMAN_BUF] text
    cdef ld_t value, delta
    cdef int n
    cdef obj_t *o = db_find_write(c.db, &key)
    if _string_or_reply(c, o) != C_OK:
        return
    if str_to_ld(o, &value) != C_OK or num_parse_ld(
            c.argv[2].ptr, c.argv[2].len, &delta) != C_OK:
        reply_error(c, ERR_NOT_FLOAT)
        return
    value += delta
    if isnan(value) or isinf(value):
        reply_error(c, b"ERR increment would produce NaN or Infinity")
        return
    n = num_format_ld_human(text, NUM_LD_HUMAN_BUF, value)
    db_set_bytes(c.db, &key, text, n, DB_KEEP_TTL)
    mark_dirty(c, 1)
    reply_bulk(c, text, n)


# --- INCREX -----------------------------------------------------------------------


cdef status_t _operand_or_reply(
    client_t *c, int i, const char *name, int64_t *value_out
) noexcept nogil:
    """Read argument i as an integer; name is for the error."""
    cdef char[ERROR_MAX] text
    if num_parse_i64(c.argv[i].ptr, c.argv[i].len, value_out) == C_OK:
        return C_OK
    snprintf(text, ERROR_MAX, b"ERR %s is not an integer or out of range", name)
    reply_error(c, text)
    return C_ERR


cdef status_t _float_operand_or_reply(
    client_t *c, int i, const char *name, ld_t *value_out
) noexcept nogil:
    """Read argument i as a long double; name is for the error."""
    cdef char[ERROR_MAX] text
    if num_parse_ld(c.argv[i].ptr, c.argv[i].len, value_out) == C_OK:
        return C_OK
    snprintf(text, ERROR_MAX, b"ERR %s is not a valid float", name)
    reply_error(c, text)
    return C_ERR


cdef void _reply_ld(client_t *c, const char *text, int nbytes) noexcept nogil:
    """Reply a number that has been formatted; a bulk string in RESP2."""
    if c.out.resp == 2:
        reply_bulk(c, text, nbytes)
        return
    out_bytes(&c.out, b",", 1)
    out_bytes(&c.out, text, nbytes)
    out_bytes(&c.out, b"\r\n", 2)


cdef status_t _increx_int(
    client_t *c, const dbkey_t *key, obj_t *o, const options_t *opts
) noexcept nogil:
    """Add within bounds and reply; C_ERR: the key is as it was."""
    cdef int64_t value, total, delta = 1, low = INT64_MIN, high = INT64_MAX
    cdef bint is_below = False, is_above = False
    if opts.flags & OPT_BY and _operand_or_reply(
            c, opts.by, b"Increment", &delta) != C_OK:
        return C_ERR
    if opts.flags & OPT_LBOUND and _operand_or_reply(
            c, opts.low, b"LBOUND", &low) != C_OK:
        return C_ERR
    if opts.flags & OPT_UBOUND and _operand_or_reply(
            c, opts.high, b"UBOUND", &high) != C_OK:
        return C_ERR
    if low > high:
        reply_error(c, b"ERR LBOUND can't be greater than UBOUND")
        return C_ERR
    if str_to_i64(o, &value) != C_OK:
        reply_error(c, ERR_NOT_INTEGER)
        return C_ERR
    if add_overflows(value, delta, &total):
        is_below = delta < 0
        is_above = delta > 0
    else:
        is_below = total < low
        is_above = total > high
    if is_below or is_above:
        if not opts.flags & OPT_SATURATE:
            reply_array(c, 2)
            reply_int(c, value)
            reply_int(c, 0)
            return C_ERR
        total = low if is_below else high
        if sub_overflows(total, value, &delta):
            reply_error(c, ERR_OVERFLOW)
            return C_ERR
    str_set_int(c.db, key, o, total)
    reply_array(c, 2)
    reply_int(c, total)
    reply_int(c, delta)
    return C_OK


cdef status_t _increx_float(
    client_t *c, const dbkey_t *key, obj_t *o, const options_t *opts
) noexcept nogil:
    """Add within bounds and reply; C_ERR: the key is as it was."""
    cdef char[NUM_LD_HUMAN_BUF] text
    cdef ld_t value, delta, total, low = -LDBL_MAX, high = LDBL_MAX
    cdef int n
    if _float_operand_or_reply(c, opts.by, b"Increment", &delta) != C_OK:
        return C_ERR
    if opts.flags & OPT_LBOUND and _float_operand_or_reply(
            c, opts.low, b"LBOUND", &low) != C_OK:
        return C_ERR
    if opts.flags & OPT_UBOUND and _float_operand_or_reply(
            c, opts.high, b"UBOUND", &high) != C_OK:
        return C_ERR
    if low > high:
        reply_error(c, b"ERR LBOUND can't be greater than UBOUND")
        return C_ERR
    if str_to_ld(o, &value) != C_OK:
        reply_error(c, ERR_NOT_FLOAT)
        return C_ERR
    total = value + delta
    if total < low or total > high:
        if not opts.flags & OPT_SATURATE:
            reply_array(c, 2)
            _reply_ld(c, text, num_format_ld_human(text, NUM_LD_HUMAN_BUF, value))
            _reply_ld(c, b"0", 1)
            return C_ERR
        total = low if total < low else high
    delta = total - value
    if isnan(total) or isinf(total) or isnan(delta) or isinf(delta):
        reply_error(c, b"ERR increment would produce NaN or Infinity")
        return C_ERR
    n = num_format_ld_human(text, NUM_LD_HUMAN_BUF, total)
    db_set_bytes(c.db, key, text, n, DB_KEEP_TTL)
    reply_array(c, 2)
    _reply_ld(c, text, n)
    _reply_ld(c, text, num_format_ld_human(text, NUM_LD_HUMAN_BUF, delta))
    return C_OK


cdef api void cmd_increx(client_t *c) noexcept nogil:
    """INCREX key [BYINT integer | BYFLOAT float] [LBOUND low] [UBOUND high] [SATURATE]
    [EX s | PX ms | EXAT s | PXAT ms | PERSIST] [ENX]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef options_t opts
    cdef int64_t when
    cdef status_t status
    cdef obj_t *o
    if _options_or_reply(c, 2, OPTIONS_OF_INCREX, OPTIONS_OF_INCREX, &opts) != C_OK:
        return
    if opts.flags & OPT_ENX and not opts.flags & OPT_TIME:
        if opts.flags & OPT_PERSIST:
            reply_error(c, ERR_SYNTAX)
        else:
            reply_error(c, b"ERR ENX flag requires an expiration")
        return
    if _expiry_or_reply(c, &opts, &when) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if _string_or_reply(c, o) != C_OK:
        return
    if opts.flags & OPT_BYFLOAT:
        status = _increx_float(c, &key, o, &opts)
    else:
        status = _increx_int(c, &key, o, &opts)
    if status != C_OK:
        return
    mark_dirty(c, 1)
    if not opts.flags & (OPT_TIME | OPT_PERSIST):
        return
    o = db_find_write(c.db, &key)
    if opts.flags & OPT_PERSIST:
        db_persist(c.db, &key, o)
    elif not opts.flags & OPT_ENX or obj_expire_ms(o) == OBJ_NO_EXPIRE:
        if when <= c.srv.now_ms:
            db_delete(c.db, &key)
        else:
            db_set_expire(c.db, &key, o, when)


# --- LCS --------------------------------------------------------------------------


cdef void _reply_lcs_text(client_t *c, lcs_t *t, const char *a) noexcept nogil:
    """Reply the subsequence itself."""
    cdef size_t nbytes = lcs_len(t), pos = nbytes
    cdef char *text = <char *>ztrymalloc(nbytes + 1)
    cdef lcs_run_t run
    if text == NULL:
        _reply_no_memory(c)
        return
    while lcs_next(t, &run):
        pos -= run.len
        memcpy(text + pos, a + run.a, run.len)
    reply_bulk(c, text, nbytes)
    zfree(text)


cdef void _reply_lcs_runs(
    client_t *c, lcs_t *t, int64_t min_len, bint has_len
) noexcept nogil:
    """Reply where the runs of at least min_len are, and the length in all."""
    cdef out_block_t *mark
    cdef lcs_run_t run
    cdef int64_t n = 0
    reply_map(c, 2)
    reply_cstring(c, b"matches")
    mark = reply_defer(c)
    while lcs_next(t, &run):
        if <int64_t>run.len < min_len:
            continue
        n += 1
        reply_array(c, 3 if has_len else 2)
        reply_array(c, 2)
        reply_int(c, run.a)
        reply_int(c, run.a + run.len - 1)
        reply_array(c, 2)
        reply_int(c, run.b)
        reply_int(c, run.b + run.len - 1)
        if has_len:
            reply_int(c, run.len)
    reply_resolve(c, mark, b"*", n)
    reply_cstring(c, b"len")
    reply_int(c, lcs_len(t))


cdef status_t _lcs_size_or_reply(
    client_t *c, size_t a_len, size_t b_len
) noexcept nogil:
    """Check that the strings are no longer than Redis allows, whose table has four
    bytes for each pair of positions: this bounds the time, too."""
    if a_len >= UINT32_MAX - 1 or b_len >= UINT32_MAX - 1:
        reply_error(c, b"ERR String too long for LCS")
        return C_ERR
    if (a_len + 1) * (b_len + 1) > c.srv.proto_max_bulk_len // 4:
        reply_error(
            c, b"ERR Insufficient memory, transient memory for LCS exceeds "
            b"proto-max-bulk-len")
        return C_ERR
    return C_OK


cdef api void cmd_lcs(client_t *c) noexcept nogil:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min] [WITHMATCHLEN]"""
    cdef dbkey_t key_a = arg_key(c, 1), key_b = arg_key(c, 2)
    cdef obj_t *o_a = db_find_read(c.db, &key_a)
    cdef obj_t *o_b = db_find_read(c.db, &key_b)
    cdef bint is_len = False, is_idx = False, has_len = False
    cdef int64_t min_len = 0
    cdef char[STR_INT_MAX] digits_a, digits_b
    cdef const char *a = b""
    cdef const char *b = b""
    cdef size_t a_len = 0, b_len = 0
    cdef lcs_t *t
    cdef int i = 3
    if (o_a != NULL and obj_type(o_a) != OBJ_STRING) or (
            o_b != NULL and obj_type(o_b) != OBJ_STRING):
        reply_error(c, b"ERR The specified keys must contain string values")
        return
    while i < c.argc:
        if arg_is(c, i, b"idx"):
            is_idx = True
        elif arg_is(c, i, b"len"):
            is_len = True
        elif arg_is(c, i, b"withmatchlen"):
            has_len = True
        elif arg_is(c, i, b"minmatchlen") and i + 1 < c.argc:
            i += 1
            if arg_i64_or_reply(c, i, &min_len) != C_OK:
                return
        else:
            reply_error(c, ERR_SYNTAX)
            return
        i += 1
    if is_idx and is_len:
        reply_error(
            c, b"ERR If you want both the length and indexes, please just use IDX.")
        return
    if o_a != NULL:
        a = str_bytes(o_a, digits_a, &a_len)
    if o_b != NULL:
        b = str_bytes(o_b, digits_b, &b_len)
    if _lcs_size_or_reply(c, a_len, b_len) != C_OK:
        return
    t = lcs_new(a, a_len, b, b_len, not is_len)
    if t == NULL:
        reply_error(c, b"ERR Insufficient memory, failed allocating transient memory "
                    b"for LCS")
        return
    if is_idx:
        _reply_lcs_runs(c, t, min_len, has_len)
    elif is_len:
        reply_int(c, lcs_len(t))
    else:
        _reply_lcs_text(c, t, a)
    lcs_free(t)
