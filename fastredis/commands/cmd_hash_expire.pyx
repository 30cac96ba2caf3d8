# SPDX-License-Identifier: BSD-3-Clause
r"""Expiry of fields: HEXPIRE and HTTL with their kin, HGETEX, HSETEX, HGETDEL.

    HEXPIRE key time [NX | XX | GT | LT] FIELDS n field ..     reply: a code a field
    HTTL    key                          FIELDS n field ..
    HSETEX  key [FNX | FXX] [EX ..]      FIELDS n field value ..

A time to live becomes a time of the wall clock at once. Times lie below 2**46 ms, which
is the year 4199; one that has passed deletes the field.
"""
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.commands.options cimport (
    OPT_EX,
    OPT_EXAT,
    OPT_KEEPTTL,
    OPT_PERSIST,
    OPT_PX,
    OPT_TIME,
    opt_of,
)
from fastredis.datatypes.t_hash cimport (
    HASH_TIME_MAX,
    hash_delete,
    hash_done,
    hash_exists,
    hash_expiry,
    hash_get,
    hash_new,
    hash_purge,
    hash_set,
    hash_set_expiry,
    hash_text_t,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.changed cimport NOTIFY_GENERIC, NOTIFY_HASH, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.propagate cimport (
    feed_args,
    feed_i64,
    feed_instead,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_error,
    reply_error_arg,
    reply_int,
    reply_null,
    reply_wrong_arity,
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    db_find_read,
    db_find_write,
    db_visible_ms,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_HASH, OBJ_NO_EXPIRE, obj_t
from fastredis.resp.writer cimport resp_bulk_blob
from libc.stdint cimport INT32_MAX, int64_t, uint32_t
from libc.stdio cimport snprintf

cdef extern from *:
    """
    #define MISMATCH "ERR The `numfields` parameter must match the number of arguments"
    #define NOT_POSITIVE "ERR Number of fields must be a positive integer"
    """
    const char *MISMATCH
    const char *NOT_POSITIVE

cdef enum:
    # what is replied for a field
    FIELD_ABSENT = -2
    FIELD_NO_EXPIRY = -1
    FIELD_UNCHANGED = 0
    FIELD_CHANGED = 1
    FIELD_DELETED = 2

    # conditions of HEXPIRE and its kin
    IF_NO_EXPIRY = 1
    IF_EXPIRY = 2
    IF_LATER = 4
    IF_EARLIER = 8

    ERROR_MAX = 160             # room for an error text with a command's name

# The arguments that name fields.
cdef struct fields_arg_t:
    int first
    int end


# --- Arguments --------------------------------------------------------------------


cdef status_t _fields_or_reply(
    client_t *c, int i, int step, const char *error, const char *mismatch,
    fields_arg_t *fields_out
) noexcept nogil:
    """Read the number at argument i; it must count what follows, step arguments each.

    error: for a number that is not above 0; mismatch: for a wrong one, or NULL.
    """
    cdef int64_t n
    if num_parse_i64(c.argv[i].ptr, c.argv[i].len, &n) != C_OK \
            or not 0 < n <= INT32_MAX:
        reply_error(c, error)
        return C_ERR
    if n != (c.argc - i - 1) // step or (c.argc - i - 1) % step:
        if mismatch == NULL:
            reply_wrong_arity(c)
        else:
            reply_error(c, mismatch)
        return C_ERR
    fields_out.first = i + 1
    fields_out.end = c.argc
    return C_OK


cdef status_t _fields_at_or_reply(
    client_t *c, int i, const char *error, fields_arg_t *fields_out
) noexcept nogil:
    """Read FIELDS at argument i, the number, and the fields."""
    if i + 1 >= c.argc or not arg_is(c, i, b"fields"):
        return _missing_fields(c)
    return _fields_or_reply(
        c, i + 1, 1, error,
        MISMATCH, fields_out)


cdef status_t _missing_fields(client_t *c) noexcept nogil:
    reply_error(
        c, b"ERR Mandatory argument FIELDS is missing or not at the right position")
    return C_ERR


cdef status_t _invalid_time(client_t *c) noexcept nogil:
    cdef char[ERROR_MAX] text
    snprintf(text, ERROR_MAX, b"ERR invalid expire time in '%s' command", c.cmd.name)
    reply_error(c, text)
    return C_ERR


cdef status_t _time_or_reply(
    client_t *c, int i, int64_t from_ms, int64_t unit_ms, int64_t *when_out
) noexcept nogil:
    """Read a time in units of unit_ms after from_ms, as a time in ms."""
    cdef int64_t v
    if arg_i64_or_reply(c, i, &v) != C_OK:
        return C_ERR
    if v < 0:
        reply_error(c, b"ERR invalid expire time, must be >= 0")
        return C_ERR
    if v > HASH_TIME_MAX // unit_ms:
        return _invalid_time(c)
    v *= unit_ms
    if v > HASH_TIME_MAX - from_ms:
        return _invalid_time(c)
    when_out[0] = v + from_ms
    return C_OK


cdef obj_t *_purge(
    client_t *c, const dbkey_t *key, obj_t *o, const fields_arg_t *fields, int step
) noexcept nogil:
    """Delete those of the fields whose time has passed; return o, or NULL."""
    return hash_purge(
        c.db, key, o, c.argv + fields.first, fields.end - fields.first, step)


# --- Set an expiry ----------------------------------------------------------------


cdef bint _holds(int condition, int64_t before, int64_t after) noexcept nogil:
    """Return whether an expiry may be changed; a field without one never expires."""
    if condition == IF_NO_EXPIRY:
        return before == OBJ_NO_EXPIRE
    if condition == IF_EXPIRY:
        return before != OBJ_NO_EXPIRE
    if condition == IF_LATER:
        return before != OBJ_NO_EXPIRE and after > before
    if condition == IF_EARLIER:
        return before == OBJ_NO_EXPIRE or after < before
    return True


cdef int _condition(client_t *c, int i) noexcept nogil:
    """Return the condition that argument i names, or 0."""
    if arg_is(c, i, b"nx"):
        return IF_NO_EXPIRY
    if arg_is(c, i, b"xx"):
        return IF_EXPIRY
    if arg_is(c, i, b"gt"):
        return IF_LATER
    if arg_is(c, i, b"lt"):
        return IF_EARLIER
    return 0


cdef void _end(
    client_t *c, const dbkey_t *key, obj_t *o, bint is_expiring, bint is_deleting
) noexcept nogil:
    """End a change of a hash: delete it if it is empty, tell what happened."""
    cdef bint is_gone = hash_done(c.db, key, o)
    if is_deleting:
        key_changed(c, key, NOTIFY_HASH, b"hdel")
    if is_expiring:
        key_changed(c, key, NOTIFY_HASH, b"hexpire")
    if is_gone:
        key_changed(c, key, NOTIFY_GENERIC, b"del")


cdef void _feed_fields(
    client_t *c, const char *name, const fields_arg_t *fields
) noexcept nogil:
    """Have a command of a key and the fields written down."""
    feed_instead(c, 2 + fields.end - fields.first)
    feed_text(c, name)
    feed_args(c, 1, 2)
    feed_args(c, fields.first, fields.end)


cdef bint _expires_at(client_t *c, const obj_t *o, int i, int64_t when) noexcept nogil:
    """Return whether the field of argument i is there and expires then."""
    cdef int64_t own
    return hash_expiry(
        o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db), &own
    ) == C_OK and own == when


cdef void _feed_expiry(
    client_t *c, const obj_t *o, int64_t when, int condition,
    const fields_arg_t *fields
) noexcept nogil:
    """Have it written down which fields expire when; condition: an argument, or 0."""
    cdef int i, n = 0
    for i in range(fields.first, fields.end):
        n += _expires_at(c, o, i, when)
    feed_instead(c, 5 + (condition != 0) + n)
    feed_text(c, b"HPEXPIREAT")
    feed_args(c, 1, 2)
    feed_i64(c, when)
    if condition:
        feed_args(c, condition, condition + 1)
    feed_text(c, b"FIELDS")
    feed_i64(c, n)
    for i in range(fields.first, fields.end):
        if _expires_at(c, o, i, when):
            feed_args(c, i, i + 1)


cdef int _expire_field(
    client_t *c, obj_t *o, int i, int condition, int64_t when
) noexcept nogil:
    """Give the field of argument i an expiry; return what to reply."""
    cdef int64_t before
    if hash_expiry(
            o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db), &before) != C_OK:
        return FIELD_ABSENT
    if not _holds(condition, before, when):
        return FIELD_UNCHANGED
    if when <= c.srv.now_ms:
        hash_delete(o, c.argv[i].ptr, c.argv[i].len)
        feed_instead(c, 3)
        feed_text(c, b"HDEL")
        feed_args(c, 1, 2)
        feed_args(c, i, i + 1)
        return FIELD_DELETED
    hash_set_expiry(o, c.argv[i].ptr, c.argv[i].len, when)
    return FIELD_CHANGED


cdef void _expire(client_t *c, int64_t from_ms, int64_t unit_ms) noexcept nogil:
    """Set the expiry of fields to argument 2, in units of unit_ms after from_ms."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int condition = 0, i = 3, code
    cdef bint is_expiring = False, is_deleting = False
    cdef fields_arg_t fields
    cdef int64_t when
    cdef obj_t *o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if _time_or_reply(c, 2, from_ms, unit_ms, &when) != C_OK:
        return
    if not arg_is(c, 3, b"fields"):
        condition = _condition(c, 3)
        if condition:
            i = 4
    if _fields_at_or_reply(
            c, i, b"ERR Parameter `numFields` should be greater than 0",
            &fields) != C_OK:
        return
    o = _purge(c, &key, o, &fields, 1)
    reply_array(c, fields.end - fields.first)
    for i in range(fields.first, fields.end):
        if o == NULL:
            code = FIELD_ABSENT
        else:
            code = _expire_field(c, o, i, condition, when)
        is_expiring |= code == FIELD_CHANGED
        is_deleting |= code == FIELD_DELETED
        reply_int(c, code)
    if is_expiring and is_fed(c):
        _feed_expiry(c, o, when, 3 if condition else 0, &fields)
    if o != NULL:
        _end(c, &key, o, is_expiring, is_deleting)


cdef api void cmd_hexpire(client_t *c) noexcept nogil:
    """HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]"""
    _expire(c, c.srv.now_ms, 1000)


cdef api void cmd_hpexpire(client_t *c) noexcept nogil:
    """HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [..]"""
    _expire(c, c.srv.now_ms, 1)


cdef api void cmd_hexpireat(client_t *c) noexcept nogil:
    """HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS n field [..]"""
    _expire(c, 0, 1000)


cdef api void cmd_hpexpireat(client_t *c) noexcept nogil:
    """HPEXPIREAT key unix-time-ms [NX | XX | GT | LT] FIELDS numfields field [..]"""
    _expire(c, 0, 1)


cdef api void cmd_hpersist(client_t *c) noexcept nogil:
    """HPERSIST key FIELDS numfields field [field ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint is_changed = False
    cdef fields_arg_t fields
    cdef int64_t before
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int i
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if _fields_at_or_reply(
            c, 2, NOT_POSITIVE, &fields) != C_OK:
        return
    o = _purge(c, &key, o, &fields, 1)
    reply_array(c, fields.end - fields.first)
    for i in range(fields.first, fields.end):
        if o == NULL or hash_expiry(
                o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db), &before) != C_OK:
            reply_int(c, FIELD_ABSENT)
        elif before == OBJ_NO_EXPIRE:
            reply_int(c, FIELD_NO_EXPIRY)
        else:
            hash_set_expiry(o, c.argv[i].ptr, c.argv[i].len, OBJ_NO_EXPIRE)
            is_changed = True
            reply_int(c, FIELD_CHANGED)
    if is_changed:
        hash_done(c.db, &key, o)
        key_changed(c, &key, NOTIFY_HASH, b"hpersist")


# --- Ask for an expiry ------------------------------------------------------------


cdef void _reply_expiries(
    client_t *c, int64_t from_ms, int64_t unit_ms
) noexcept nogil:
    """Reply when fields expire, in units of unit_ms after from_ms."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef fields_arg_t fields
    cdef int64_t when
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef int i
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if _fields_at_or_reply(
            c, 2, NOT_POSITIVE, &fields) != C_OK:
        return
    o = _purge(c, &key, o, &fields, 1)
    reply_array(c, fields.end - fields.first)
    for i in range(fields.first, fields.end):
        if o == NULL or hash_expiry(
                o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db), &when) != C_OK:
            reply_int(c, FIELD_ABSENT)
        elif when == OBJ_NO_EXPIRE:
            reply_int(c, FIELD_NO_EXPIRY)
        else:
            # a second that has begun counts; only in import mode it may be over
            reply_int(c, max(
                <int64_t>0, (when - from_ms + unit_ms - 1) // unit_ms))


cdef api void cmd_httl(client_t *c) noexcept nogil:
    """HTTL key FIELDS numfields field [field ...]"""
    _reply_expiries(c, c.srv.now_ms, 1000)


cdef api void cmd_hpttl(client_t *c) noexcept nogil:
    """HPTTL key FIELDS numfields field [field ...]"""
    _reply_expiries(c, c.srv.now_ms, 1)


cdef api void cmd_hexpiretime(client_t *c) noexcept nogil:
    """HEXPIRETIME key FIELDS numfields field [field ...]"""
    _reply_expiries(c, 0, 1000)


cdef api void cmd_hpexpiretime(client_t *c) noexcept nogil:
    """HPEXPIRETIME key FIELDS numfields field [field ...]"""
    _reply_expiries(c, 0, 1)


# --- Values and expiries at once --------------------------------------------------


# What HGETEX and HSETEX were asked for.
cdef struct field_options_t:
    uint32_t expiry             # one of OPT_TIME, OPT_KEEPTTL, OPT_PERSIST; 0: none
    int64_t when                # of OPT_TIME, in ms
    bint is_fnx
    bint is_fxx
    fields_arg_t fields


cdef status_t _options_or_reply(
    client_t *c, bint is_set, field_options_t *o
) noexcept nogil:
    """Read options up to FIELDS; is_set: those of HSETEX, else those of HGETEX."""
    cdef uint32_t flag, allowed
    cdef int i = 2
    cdef int64_t unit_ms, from_ms
    allowed = OPT_TIME | (OPT_KEEPTTL if is_set else OPT_PERSIST)
    o.expiry = 0
    o.is_fnx = o.is_fxx = False
    while i < c.argc:
        if arg_is(c, i, b"fields"):
            if i + 1 == c.argc:
                reply_wrong_arity(c)
                return C_ERR
            if is_set:
                return _fields_or_reply(
                    c, i + 1, 2, b"ERR invalid number of fields", NULL, &o.fields)
            return _fields_or_reply(c, i + 1, 1, NOT_POSITIVE, MISMATCH, &o.fields)
        flag = opt_of(c, i) & allowed
        if flag:
            if o.expiry:
                if is_set:
                    reply_error(c, b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL "
                                   b"arguments can be specified")
                else:
                    reply_error(c, b"ERR Only one of EX, PX, EXAT, PXAT or PERSIST "
                                   b"arguments can be specified")
                return C_ERR
            o.expiry = flag
            if flag & OPT_TIME:
                i += 1
                if i == c.argc:
                    reply_error(c, b"ERR missing expire time")
                    return C_ERR
                unit_ms = 1000 if flag & (OPT_EX | OPT_EXAT) else 1
                from_ms = c.srv.now_ms if flag & (OPT_EX | OPT_PX) else 0
                if _time_or_reply(c, i, from_ms, unit_ms, &o.when) != C_OK:
                    return C_ERR
        elif is_set and (arg_is(c, i, b"fnx") or arg_is(c, i, b"fxx")):
            if o.is_fnx or o.is_fxx:
                reply_error(
                    c, b"ERR Only one of FXX or FNX arguments can be specified")
                return C_ERR
            o.is_fnx = arg_is(c, i, b"fnx")
            o.is_fxx = not o.is_fnx
        else:
            if not is_set:
                break
            reply_error_arg(c, b"ERR unknown argument: ", i, b"")
            return C_ERR
        i += 1
    return _missing_fields(c)


cdef bint _reply_value(client_t *c, const obj_t *o, int i) noexcept nogil:
    """Reply the value of argument i, or null; return whether it is there."""
    cdef hash_text_t value
    if o == NULL or not hash_get(
            o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db), &value):
        reply_null(c)
        return False
    if value.blob != NULL:
        resp_bulk_blob(&c.out, value.blob)
    else:
        reply_bulk(c, value.ptr, value.len)
    return True


cdef api void cmd_hgetex(client_t *c) noexcept nogil:
    """HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS n field [..]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint is_expiring = False, is_deleting = False, is_persisting = False
    cdef field_options_t options
    cdef int64_t before
    cdef int i, code
    cdef obj_t *o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if _options_or_reply(c, False, &options) != C_OK:
        return
    o = _purge(c, &key, o, &options.fields, 1)
    reply_array(c, options.fields.end - options.fields.first)
    for i in range(options.fields.first, options.fields.end):
        if not _reply_value(c, o, i):
            continue
        if options.expiry & OPT_TIME:
            code = _expire_field(c, o, i, 0, options.when)
            is_expiring |= code == FIELD_CHANGED
            is_deleting |= code == FIELD_DELETED
        elif options.expiry & OPT_PERSIST:
            if hash_expiry(o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db),
                           &before) == C_OK and before != OBJ_NO_EXPIRE:
                hash_set_expiry(o, c.argv[i].ptr, c.argv[i].len, OBJ_NO_EXPIRE)
                is_persisting = True
    if is_expiring and is_fed(c):
        _feed_expiry(c, o, options.when, 0, &options.fields)
    elif is_persisting:
        feed_instead(c, 4 + options.fields.end - options.fields.first)
        feed_text(c, b"HPERSIST")
        feed_args(c, 1, 2)
        feed_text(c, b"FIELDS")
        feed_args(c, options.fields.first - 1, options.fields.end)
    if is_expiring or is_deleting or is_persisting:
        _end(c, &key, o, is_expiring, is_deleting)
        if is_persisting:
            key_changed(c, &key, NOTIFY_HASH, b"hpersist")


cdef bint _may_set(
    client_t *c, const obj_t *o, const field_options_t *options
) noexcept nogil:
    """Return whether FNX or FXX is met by all fields."""
    cdef bint exists
    cdef int i
    if not options.is_fnx and not options.is_fxx:
        return True
    for i in range(options.fields.first, options.fields.end, 2):
        exists = o != NULL and hash_exists(
            o, c.argv[i].ptr, c.argv[i].len, db_visible_ms(c.db))
        if exists != options.is_fxx:
            return False
    return True


cdef api void cmd_hsetex(client_t *c) noexcept nogil:
    """HSETEX key [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
    FIELDS n field value [..]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint is_past
    cdef field_options_t options
    cdef int i
    cdef obj_t *o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if _options_or_reply(c, True, &options) != C_OK:
        return
    o = _purge(c, &key, o, &options.fields, 2)
    if not _may_set(c, o, &options):
        reply_int(c, 0)
        return
    if o == NULL:
        o = hash_new(c.db, &key)
    is_past = options.expiry & OPT_TIME and options.when <= c.srv.now_ms
    for i in range(options.fields.first, options.fields.end, 2):
        hash_set(o, c.argv[i].ptr, c.argv[i].len, c.argv[i + 1].ptr,
                 c.argv[i + 1].len, (options.expiry & OPT_KEEPTTL) != 0,
                 db_visible_ms(c.db), &c.srv.hash_limits)
        if is_past:
            hash_delete(o, c.argv[i].ptr, c.argv[i].len)
            feed_instead(c, 3)
            feed_text(c, b"HDEL")
            feed_args(c, 1, 2)
            feed_args(c, i, i + 1)
        elif options.expiry & OPT_TIME:
            hash_set_expiry(o, c.argv[i].ptr, c.argv[i].len, options.when)
    if options.expiry & OPT_TIME and not is_past:
        feed_instead(c, 6 + options.fields.end - options.fields.first)
        feed_text(c, b"HSETEX")
        feed_args(c, 1, 2)
        feed_text(c, b"PXAT")
        feed_i64(c, options.when)
        feed_text(c, b"FIELDS")
        feed_args(c, options.fields.first - 1, options.fields.end)
    key_changed(c, &key, NOTIFY_HASH, b"hset")
    _end(c, &key, o, not is_past and (options.expiry & OPT_TIME) != 0, is_past)
    reply_int(c, 1)


cdef api void cmd_hgetdel(client_t *c) noexcept nogil:
    """HGETDEL key FIELDS numfields field [field ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint is_deleting = False
    cdef fields_arg_t fields
    cdef int i
    cdef obj_t *o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    if _fields_at_or_reply(
            c, 2, NOT_POSITIVE, &fields) != C_OK:
        return
    o = _purge(c, &key, o, &fields, 1)
    reply_array(c, fields.end - fields.first)
    for i in range(fields.first, fields.end):
        if _reply_value(c, o, i):
            hash_delete(o, c.argv[i].ptr, c.argv[i].len)
            is_deleting = True
    if is_deleting:
        _feed_fields(c, b"HDEL", &fields)
        _end(c, &key, o, False, True)
