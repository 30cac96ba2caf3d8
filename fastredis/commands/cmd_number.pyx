# SPDX-License-Identifier: BSD-3-Clause
r"""Strings as numbers: INCR and its kin, INCRBYFLOAT, INCREX.

Integers are 64 bits wide, floats are long doubles, whose text is what is stored.

INCREX adds within bounds. What happens to a result beyond them:

    LBOUND <= sum <= UBOUND    stored; reply [sum, increment]
    else, with SATURATE        the bound is stored; reply [bound, bound - old]
    else                       nothing changes, the expiry included; reply [old, 0]
"""
from fastredis.core.num cimport (
    NUM_LD_HUMAN_BUF,
    ld_t,
    num_format_ld_human,
    num_parse_i64,
    num_parse_ld,
)
from fastredis.core.status cimport C_ERR, C_OK, fr_likely, status_t
from fastredis.commands.options cimport (
    OPT_BY,
    OPT_BYFLOAT,
    OPT_ENX,
    OPT_LBOUND,
    OPT_PERSIST,
    OPT_SATURATE,
    OPT_TIME,
    OPT_UBOUND,
    opt_expiry_or_reply,
    opt_read_or_reply,
    options_t,
)
from fastredis.datatypes.t_string cimport (
    STR_INT_MAX,
    STR_SUM_NOT_A_NUMBER,
    STR_SUM_OK,
    str_bytes,
    str_incr,
    str_set_int,
    str_to_i64,
    str_to_ld,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_key
from fastredis.engine.changed cimport (
    NOTIFY_GENERIC,
    NOTIFY_STRING,
    key_changed,
    key_event,
)
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport (
    ERR_NAN_OR_INFINITY,
    ERR_NOT_FLOAT,
    ERR_NOT_INTEGER,
    ERR_OVERFLOW,
    ERR_SYNTAX,
)
from fastredis.engine.propagate cimport (
    feed_bytes,
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
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    DB_KEEP_TTL,
    db_delete,
    db_find_write,
    db_persist,
    db_set_text,
    db_set_expire,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_NO_EXPIRE, OBJ_STRING, obj_expire_ms, obj_t
from fastredis.resp.writer cimport out_bytes
from libc.float cimport LDBL_MAX
from libc.math cimport isinf, isnan
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t
from libc.stdio cimport snprintf

cdef extern from *:
    # True: the exact result does not fit, and *out is of no use
    bint add_overflows "__builtin_add_overflow"(
        int64_t a, int64_t b, int64_t *out) noexcept nogil
    bint sub_overflows "__builtin_sub_overflow"(
        int64_t a, int64_t b, int64_t *out) noexcept nogil

cdef enum:
    ERROR_MAX = 160             # room for an error text with an operand's name
    OPTIONS_OF_INCREX = (
        OPT_TIME | OPT_PERSIST | OPT_BY | OPT_LBOUND | OPT_UBOUND | OPT_SATURATE
        | OPT_ENX)


# --- Add --------------------------------------------------------------------------


cdef inline void _incr(client_t *c, int64_t delta) noexcept nogil:
    """Add to the integer at argument 1 and reply the sum."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int64_t total
    cdef int result
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    result = str_incr(c.db, &key, o, delta, &total)
    if fr_likely(result == STR_SUM_OK):
        key_changed(c, &key, NOTIFY_STRING, b"incrby")
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
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if str_to_ld(o, &value) != C_OK or num_parse_ld(
            c.argv[2].ptr, c.argv[2].len, &delta) != C_OK:
        reply_error(c, ERR_NOT_FLOAT)
        return
    value += delta
    if isnan(value) or isinf(value):
        reply_error(c, ERR_NAN_OR_INFINITY)
        return
    n = num_format_ld_human(text, NUM_LD_HUMAN_BUF, value)
    db_set_text(c.db, &key, text, n, DB_KEEP_TTL)
    key_changed(c, &key, NOTIFY_STRING, b"incrbyfloat")
    if is_fed(c):
        _feed_number(c, &key, text, n)
    reply_bulk(c, text, n)


cdef void _feed_number(
    client_t *c, const dbkey_t *key, const char *text, int n
) noexcept nogil:
    """Have the sum written down: how it is formatted is not for others to decide."""
    feed_instead(c, 4)
    feed_text(c, b"SET")
    feed_bytes(c, key.ptr, key.len)
    feed_bytes(c, text, n)
    feed_text(c, b"KEEPTTL")


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


cdef void _reply_crossed(client_t *c) noexcept nogil:
    reply_error(c, b"ERR LBOUND can't be greater than UBOUND")


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
        _reply_crossed(c)
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
        _reply_crossed(c)
        return C_ERR
    if str_to_ld(o, &value) != C_OK:
        reply_error(c, ERR_NOT_FLOAT)
        return C_ERR
    if isinf(value) or isinf(delta):
        # not a step past a bound: there would be no way back
        reply_error(c, ERR_NAN_OR_INFINITY)
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
    if isinf(total) or isinf(delta):
        reply_error(c, ERR_NAN_OR_INFINITY)
        return C_ERR
    n = num_format_ld_human(text, NUM_LD_HUMAN_BUF, total)
    db_set_text(c.db, key, text, n, DB_KEEP_TTL)
    reply_array(c, 2)
    _reply_ld(c, text, n)
    _reply_ld(c, text, num_format_ld_human(text, NUM_LD_HUMAN_BUF, delta))
    return C_OK


cdef api void cmd_increx(client_t *c) noexcept nogil:
    """INCREX key [BYINT integer | BYFLOAT float] [LBOUND low] [UBOUND high] [SATURATE]
    [EX s | PX ms | EXAT s | PXAT ms | PERSIST] [ENX]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef options_t opts
    cdef char[STR_INT_MAX] digits
    cdef const char *number
    cdef size_t nbytes
    cdef int64_t when
    cdef status_t status
    cdef obj_t *o
    if opt_read_or_reply(c, 2, OPTIONS_OF_INCREX, OPTIONS_OF_INCREX, &opts) != C_OK:
        return
    if opts.flags & OPT_ENX and not opts.flags & OPT_TIME:
        if opts.flags & OPT_PERSIST:
            reply_error(c, ERR_SYNTAX)
        else:
            reply_error(c, b"ERR ENX flag requires an expiration")
        return
    if opt_expiry_or_reply(c, &opts, &when) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    if opts.flags & OPT_BYFLOAT:
        status = _increx_float(c, &key, o, &opts)
    else:
        status = _increx_int(c, &key, o, &opts)
    if status != C_OK:
        return
    if is_fed(c):
        o = db_find_write(c.db, &key)
        number = str_bytes(o, digits, &nbytes)
        _feed_number(c, &key, number, nbytes)
    if opts.flags & OPT_BYFLOAT:
        key_changed(c, &key, NOTIFY_STRING, b"incrbyfloat")
    else:
        key_changed(c, &key, NOTIFY_STRING, b"incrby")
    if not opts.flags & (OPT_TIME | OPT_PERSIST):
        return
    o = db_find_write(c.db, &key)
    if opts.flags & OPT_PERSIST:
        if db_persist(c.db, &key, o):
            key_event(c, &key, NOTIFY_GENERIC, b"persist")
            feed_key(c, b"PERSIST", &key)
    elif not opts.flags & OPT_ENX or obj_expire_ms(o) == OBJ_NO_EXPIRE:
        if when <= c.srv.now_ms:
            db_delete(c.db, &key)
            key_event(c, &key, NOTIFY_GENERIC, b"del")
            feed_key(c, b"DEL", &key)
        else:
            db_set_expire(c.db, &key, o, when)
            key_event(c, &key, NOTIFY_GENERIC, b"expire")
            feed_key_i64(c, b"PEXPIREAT", &key, when)
