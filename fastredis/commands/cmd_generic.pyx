# SPDX-License-Identifier: BSD-3-Clause
r"""Commands on keys of any type: delete, rename, expire, scan, look behind them.

Look-ups come in three kinds here:

    _look          counts a hit or a miss, leaves the access time alone (EXISTS, TTL,
                   TYPE, OBJECT: asking about a key is no use of its value)
    db_find_read   counts and touches (TOUCH, COPY)
    db_find_write  touches (EXPIRE, PERSIST, RENAME, MOVE)

No type is named: values are copied, measured and freed through obj_ops_t.
"""
from fastredis.commands.scan cimport (
    SCAN_KEYS,
    scan_cursor_or_reply,
    scan_matches,
    scan_options_or_reply,
    scan_options_t,
    scan_steps,
)
from fastredis.core.mem cimport zfree, zmalloc, zrealloc
from fastredis.core.num cimport num_format_u64
from fastredis.core.pattern cimport pattern_is_literal, pattern_match
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.args cimport (
    ARG_KEYS_BATCH,
    arg_db_or_reply,
    arg_i64_or_reply,
    arg_is,
    arg_key,
    arg_keys,
)
from fastredis.engine.changed cimport (
    NOTIFY_GENERIC,
    key_changed,
    key_changed_in,
    key_event,
    key_tell,
)
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport (
    ERR_NO_KEY,
    ERR_SAME_OBJECT,
    ERR_SYNTAX,
)
from fastredis.engine.propagate cimport feed_key, feed_key_i64
from fastredis.engine.reply cimport (
    out_block_t,
    reply_array,
    reply_bulk,
    reply_cstring,
    reply_defer,
    reply_error,
    reply_error_arg,
    reply_error_len,
    reply_int,
    reply_null,
    reply_ok,
    reply_resolve,
    reply_simple,
)
from fastredis.keyspace.db cimport (
    db_copy,
    db_find_read,
    db_find_write,
    db_missed,
    db_move,
    db_peek,
    db_persist,
    db_random,
    db_remove,
    db_rename,
    db_scan_all,
    db_visible_ms,
    db_set_expire,
    db_t,
    db_walk,
    dbkey,
    dbkey_t,
)
from fastredis.keyspace.lfu cimport lfu_counter
from fastredis.keyspace.obj cimport (
    OBJ_LRU_MAX,
    OBJ_MODULE,
    OBJ_NO_EXPIRE,
    OBJ_STREAM,
    OBJ_STRING,
    obj_encoding_name,
    obj_expire_ms,
    obj_key,
    obj_lru,
    obj_t,
    obj_type,
    obj_type_name,
)
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp, memcpy

cdef enum:
    TTL_NO_EXPIRY = -1          # what TTL and its kin answer
    TTL_NO_KEY = -2

    SCAN_FOUND_ROOM = 64        # keys found before memory is asked for
    SCAN_ANY_TYPE = -1
    SCAN_NO_TYPE = -2           # the client's type is none that exists

    # EXPIRE's conditions
    IF_NO_EXPIRY = 1
    IF_EXPIRY = 2
    IF_LATER = 4
    IF_EARLIER = 8


cdef obj_t *_look(db_t *db, const dbkey_t *key) noexcept nogil:
    """Return a key's object without making it seem used; NULL: absent."""
    cdef obj_t *o = db_peek(db, key)
    if o == NULL:
        db_missed(db, key)
    else:
        db.ks.hits += 1
    return o


cdef inline bint _is_same_arg(client_t *c, int a, int b) noexcept nogil:
    return c.argv[a].len == c.argv[b].len and \
        memcmp(c.argv[a].ptr, c.argv[b].ptr, c.argv[a].len) == 0


# --- Delete, count, type ----------------------------------------------------------


cdef void _delete_keys(client_t *c, bint is_lazy) noexcept nogil:
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int64_t ndeleted = 0
    cdef int i = 1, k, n
    while i < c.argc:
        n = arg_keys(c, i, 1, c.argc, keys)
        for k in range(n):
            if db_remove(c.db, &keys[k], is_lazy):
                ndeleted += 1
                key_changed(c, &keys[k], NOTIFY_GENERIC, b"del")
        i += n
    reply_int(c, ndeleted)


cdef api void cmd_del(client_t *c) noexcept nogil:
    """DEL key [key ...]"""
    _delete_keys(c, c.srv.is_lazy_user_del)


cdef api void cmd_unlink(client_t *c) noexcept nogil:
    """UNLINK key [key ...]"""
    _delete_keys(c, True)


cdef api void cmd_exists(client_t *c) noexcept nogil:
    """EXISTS key [key ...]: a key named twice counts twice."""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int64_t nfound = 0
    cdef int i = 1, k, n
    while i < c.argc:
        n = arg_keys(c, i, 1, c.argc, keys)
        for k in range(n):
            nfound += _look(c.db, &keys[k]) != NULL
        i += n
    reply_int(c, nfound)


cdef api void cmd_touch(client_t *c) noexcept nogil:
    """TOUCH key [key ...]"""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef bint was_no_touch = c.db.ks.is_no_touch
    cdef int64_t nfound = 0
    cdef int i = 1, k, n
    # a client in CLIENT NO-TOUCH mode that says TOUCH means it
    c.db.ks.is_no_touch = False
    while i < c.argc:
        n = arg_keys(c, i, 1, c.argc, keys)
        for k in range(n):
            nfound += db_find_read(c.db, &keys[k]) != NULL
        i += n
    c.db.ks.is_no_touch = was_no_touch
    reply_int(c, nfound)


cdef api void cmd_type(client_t *c) noexcept nogil:
    """TYPE key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = _look(c.db, &key)
    if o == NULL:
        reply_simple(c, b"none")
    else:
        reply_simple(c, obj_type_name(obj_type(o)))


# --- Rename, move, copy -----------------------------------------------------------


cdef void _rename(client_t *c, bint is_nx) noexcept nogil:
    cdef dbkey_t src = arg_key(c, 1), dst = arg_key(c, 2)
    if db_find_write(c.db, &src) == NULL:
        reply_error(c, ERR_NO_KEY)
        return
    if not _is_same_arg(c, 1, 2):
        if is_nx and db_find_write(c.db, &dst) != NULL:
            reply_int(c, 0)
            return
        db_rename(c.db, &src, &dst)
        key_changed(c, &src, NOTIFY_GENERIC, b"rename_from")
        key_event(c, &dst, NOTIFY_GENERIC, b"rename_to")
    elif is_nx:
        reply_int(c, 0)
        return
    if is_nx:
        reply_int(c, 1)
    else:
        reply_ok(c)


cdef api void cmd_rename(client_t *c) noexcept nogil:
    """RENAME key newkey"""
    _rename(c, False)


cdef api void cmd_renamenx(client_t *c) noexcept nogil:
    """RENAMENX key newkey"""
    _rename(c, True)


cdef api void cmd_move(client_t *c) noexcept nogil:
    """MOVE key db"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef db_t *target
    cdef int index
    if arg_db_or_reply(c, 2, &index) != C_OK:
        return
    target = &c.srv.ks.dbs[index]
    if target == c.db:
        reply_error(c, ERR_SAME_OBJECT)
        return
    if db_find_write(c.db, &key) == NULL or db_find_write(target, &key) != NULL:
        reply_int(c, 0)
        return
    db_move(c.db, &key, target)
    reply_int(c, 1)
    key_changed(c, &key, NOTIFY_GENERIC, b"move_from")
    if c.srv.change_hooks:
        key_tell(c.srv, target, &key, NOTIFY_GENERIC, b"move_to")


cdef api void cmd_copy(client_t *c) noexcept nogil:
    """COPY source destination [DB destination-db] [REPLACE]"""
    cdef dbkey_t src = arg_key(c, 1), dst = arg_key(c, 2)
    cdef db_t *target = c.db
    cdef bint is_replace = False
    cdef int index, i = 3
    while i < c.argc:
        if arg_is(c, i, b"replace"):
            is_replace = True
            i += 1
        elif arg_is(c, i, b"db") and i + 1 < c.argc:
            if arg_db_or_reply(c, i + 1, &index) != C_OK:
                return
            target = &c.srv.ks.dbs[index]
            i += 2
        else:
            reply_error(c, ERR_SYNTAX)
            return
    if target == c.db and _is_same_arg(c, 1, 2):
        reply_error(c, ERR_SAME_OBJECT)
        return
    if db_find_read(c.db, &src) == NULL:
        reply_int(c, 0)
        return
    if not is_replace and db_find_write(target, &dst) != NULL:
        reply_int(c, 0)
        return
    db_copy(c.db, &src, target, &dst)
    reply_int(c, 1)
    key_changed_in(c, target, &dst, NOTIFY_GENERIC, b"copy_to")


# --- Expiry -----------------------------------------------------------------------


cdef status_t _conditions_or_reply(
    client_t *c, int i, uint64_t *conditions_out
) noexcept nogil:
    """Read NX, XX, GT and LT from argument i on."""
    cdef uint64_t found = 0
    while i < c.argc:
        if arg_is(c, i, b"nx"):
            found |= IF_NO_EXPIRY
        elif arg_is(c, i, b"xx"):
            found |= IF_EXPIRY
        elif arg_is(c, i, b"gt"):
            found |= IF_LATER
        elif arg_is(c, i, b"lt"):
            found |= IF_EARLIER
        else:
            reply_error_arg(c, b"ERR Unsupported option ", i, b"")
            return C_ERR
        i += 1
    if found & IF_NO_EXPIRY and found != IF_NO_EXPIRY:
        reply_error(
            c, b"ERR NX and XX, GT or LT options at the same time are not compatible")
        return C_ERR
    if found & IF_LATER and found & IF_EARLIER:
        reply_error(
            c, b"ERR GT and LT options at the same time are not compatible")
        return C_ERR
    conditions_out[0] = found
    return C_OK


cdef status_t _expire_time_or_reply(
    client_t *c, int i, int64_t from_ms, int64_t unit_ms, int64_t *when_out
) noexcept nogil:
    """Read a time in units of unit_ms (1 or 1000) after from_ms, as a time in ms.

    It may be in the past, even negative, but must fit.
    """
    cdef int64_t v
    cdef char[128] text
    cdef int n
    if arg_i64_or_reply(c, i, &v) != C_OK:
        return C_ERR
    if INT64_MIN // unit_ms <= v <= INT64_MAX // unit_ms:
        v *= unit_ms
        if v <= INT64_MAX - from_ms:
            when_out[0] = v + from_ms
            return C_OK
    n = snprintf(
        text, sizeof(text), b"ERR invalid expire time in '%s' command", c.cmd.name)
    reply_error_len(c, text, n)
    return C_ERR


cdef bint _conditions_hold(
    uint64_t conditions, int64_t before, int64_t after
) noexcept nogil:
    """Return whether an expiry may be changed; a key without one never expires."""
    if conditions & IF_NO_EXPIRY and before != OBJ_NO_EXPIRE:
        return False
    if conditions & IF_EXPIRY and before == OBJ_NO_EXPIRE:
        return False
    if conditions & IF_LATER and (before == OBJ_NO_EXPIRE or after <= before):
        return False
    return not (
        conditions & IF_EARLIER and before != OBJ_NO_EXPIRE and after >= before)


cdef void _expire(client_t *c, int64_t from_ms, int64_t unit_ms) noexcept nogil:
    """Set the expiry of argument 1 to argument 2; a time that has passed deletes."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef uint64_t conditions
    cdef int64_t when
    cdef obj_t *o
    if _conditions_or_reply(c, 3, &conditions) != C_OK:
        return
    if _expire_time_or_reply(c, 2, from_ms, unit_ms, &when) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if o == NULL or not _conditions_hold(conditions, obj_expire_ms(o), when):
        reply_int(c, 0)
        return
    if when <= c.db.ks.now_ms:
        db_remove(c.db, &key, c.db.ks.is_lazy_expire)
        key_changed(c, &key, NOTIFY_GENERIC, b"del")
        feed_key(c, b"UNLINK" if c.db.ks.is_lazy_expire else b"DEL", &key)
    else:
        db_set_expire(c.db, &key, o, when)
        key_changed(c, &key, NOTIFY_GENERIC, b"expire")
        feed_key_i64(c, b"PEXPIREAT", &key, when)
    reply_int(c, 1)


cdef api void cmd_expire(client_t *c) noexcept nogil:
    """EXPIRE key seconds [NX | XX | GT | LT]"""
    _expire(c, c.db.ks.now_ms, 1000)


cdef api void cmd_pexpire(client_t *c) noexcept nogil:
    """PEXPIRE key milliseconds [NX | XX | GT | LT]"""
    _expire(c, c.db.ks.now_ms, 1)


cdef api void cmd_expireat(client_t *c) noexcept nogil:
    """EXPIREAT key unix-time-seconds [NX | XX | GT | LT]"""
    _expire(c, 0, 1000)


cdef api void cmd_pexpireat(client_t *c) noexcept nogil:
    """PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]"""
    _expire(c, 0, 1)


cdef void _reply_expiry(client_t *c, int64_t from_ms, bint is_seconds) noexcept nogil:
    """Reply when argument 1 expires, counted from from_ms on."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = _look(c.db, &key)
    cdef int64_t left
    if o == NULL:
        reply_int(c, TTL_NO_KEY)
        return
    left = obj_expire_ms(o)
    if left == OBJ_NO_EXPIRE:
        reply_int(c, TTL_NO_EXPIRY)
        return
    left = left - from_ms if left > from_ms else 0
    if is_seconds:
        # rounded to the nearest second, in a way that cannot overflow
        left = left // 1000 + (left % 1000 >= 500)
    reply_int(c, left)


cdef api void cmd_ttl(client_t *c) noexcept nogil:
    """TTL key"""
    _reply_expiry(c, c.db.ks.now_ms, True)


cdef api void cmd_pttl(client_t *c) noexcept nogil:
    """PTTL key"""
    _reply_expiry(c, c.db.ks.now_ms, False)


cdef api void cmd_expiretime(client_t *c) noexcept nogil:
    """EXPIRETIME key"""
    _reply_expiry(c, 0, True)


cdef api void cmd_pexpiretime(client_t *c) noexcept nogil:
    """PEXPIRETIME key"""
    _reply_expiry(c, 0, False)


cdef api void cmd_persist(client_t *c) noexcept nogil:
    """PERSIST key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    if o == NULL or not db_persist(c.db, &key, o):
        reply_int(c, 0)
        return
    reply_int(c, 1)
    key_changed(c, &key, NOTIFY_GENERIC, b"persist")


# --- Walk through the keys --------------------------------------------------------


cdef struct walk_t:
    client_t *c
    const char *pattern         # NULL: every key
    size_t pattern_len
    int64_t nreplied


cdef void _keys_visit(void *ctx, obj_t *o) noexcept nogil:
    cdef walk_t *w = <walk_t *>ctx
    cdef size_t n
    cdef const char *key = obj_key(o, &n)
    if w.pattern == NULL or pattern_match(w.pattern, w.pattern_len, key, n, False):
        reply_bulk(w.c, key, n)
        w.nreplied += 1


cdef api void cmd_keys(client_t *c) noexcept nogil:
    """KEYS pattern"""
    cdef walk_t w
    cdef dbkey_t key
    cdef out_block_t *mark
    w.c = c
    w.pattern = c.argv[1].ptr
    w.pattern_len = c.argv[1].len
    w.nreplied = 0
    if pattern_is_literal(w.pattern, w.pattern_len):
        key = arg_key(c, 1)
        if db_peek(c.db, &key) == NULL:
            reply_array(c, 0)
        else:
            reply_array(c, 1)
            reply_bulk(c, key.ptr, key.len)
        return
    if w.pattern_len == 1 and w.pattern[0] == b"*":
        w.pattern = NULL
    mark = reply_defer(c)
    db_walk(c.db, _keys_visit, &w)
    reply_resolve(c, mark, b"*", w.nreplied)


cdef api void cmd_randomkey(client_t *c) noexcept nogil:
    """RANDOMKEY"""
    cdef obj_t *o = db_random(c.db)
    cdef size_t n
    cdef const char *key
    if o == NULL:
        reply_null(c)
        return
    key = obj_key(o, &n)
    reply_bulk(c, key, n)


# What SCAN was asked for, and the keys that its steps have met. Replies cannot be
# written on the way, since the cursor comes before the keys.
cdef struct scan_t:
    scan_options_t options
    int type                    # obj_type_t, SCAN_ANY_TYPE or SCAN_NO_TYPE
    int64_t now_ms
    int64_t nseen               # keys met, whether they match or not
    obj_t **found               # keys that match; room, or memory of its own
    size_t nfound
    size_t cap
    obj_t *room[SCAN_FOUND_ROOM]


cdef inline bint _is_past(const obj_t *o, int64_t now_ms) noexcept nogil:
    """Return whether a key has expired: whatever its type, it is deleted then."""
    cdef int64_t when = obj_expire_ms(o)
    return when != OBJ_NO_EXPIRE and when <= now_ms


cdef void _scan_visit(void *ctx, obj_t *o) noexcept nogil:
    cdef scan_t *s = <scan_t *>ctx
    cdef size_t n
    cdef const char *key
    cdef obj_t **more
    s.nseen += 1
    if s.type >= 0 and obj_type(o) != s.type and not _is_past(o, s.now_ms):
        return
    key = obj_key(o, &n)
    if not scan_matches(&s.options, key, n):
        return
    if s.nfound == s.cap:
        s.cap *= 2
        if s.found == s.room:
            more = <obj_t **>zmalloc(s.cap * sizeof(obj_t *))
            memcpy(more, s.room, s.nfound * sizeof(obj_t *))
            s.found = more
        else:
            s.found = <obj_t **>zrealloc(s.found, s.cap * sizeof(obj_t *))
    s.found[s.nfound] = o
    s.nfound += 1


cdef int _type_named(client_t *c, int i) noexcept nogil:
    """Return the type that argument i names, or SCAN_NO_TYPE."""
    cdef int t
    for t in range(OBJ_STRING, OBJ_STREAM + 1):
        if t != OBJ_MODULE and arg_is(c, i, obj_type_name(t)):
            return t
    return SCAN_NO_TYPE


cdef void _reply_scanned(client_t *c, scan_t *s, uint64_t cursor) noexcept nogil:
    """Reply the cursor and the keys found; delete those whose time has passed.

    Deleting waits until here, since a scan step must not change the table.
    """
    cdef char[24] digits
    cdef size_t i, n, nlive = 0
    cdef const char *ptr
    cdef dbkey_t key
    cdef obj_t *o
    for i in range(s.nfound):
        o = s.found[i]
        if _is_past(o, s.now_ms):
            ptr = obj_key(o, &n)
            key = dbkey(ptr, n)
            db_peek(c.db, &key)
        elif s.type != SCAN_NO_TYPE:
            s.found[nlive] = o
            nlive += 1
    reply_array(c, 2)
    reply_bulk(c, digits, num_format_u64(digits, cursor))
    reply_array(c, nlive)
    for i in range(nlive):
        ptr = obj_key(s.found[i], &n)
        reply_bulk(c, ptr, n)


cdef api void cmd_scan(client_t *c) noexcept nogil:
    """SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]

    COUNT bounds the keys looked at, not those that match, so that no call is slow.
    A type that does not exist matches nothing, which is no error in Redis.
    """
    cdef scan_t s
    cdef uint64_t cursor
    cdef int64_t steps
    s.nseen = 0
    s.found = s.room
    s.nfound = 0
    s.cap = SCAN_FOUND_ROOM
    if scan_cursor_or_reply(c, 1, &cursor) != C_OK:
        return
    if scan_options_or_reply(c, 2, SCAN_KEYS, &s.options) != C_OK:
        return
    s.now_ms = db_visible_ms(c.db)
    s.type = SCAN_ANY_TYPE
    if s.options.type_arg:
        s.type = _type_named(c, s.options.type_arg)
    steps = scan_steps(s.options.count)
    while True:
        cursor = db_scan_all(c.db, cursor, _scan_visit, &s)
        steps -= 1
        if cursor == 0 or s.nseen >= s.options.count or steps == 0:
            break
    _reply_scanned(c, &s, cursor)
    if s.found != s.room:
        zfree(s.found)


# --- OBJECT -----------------------------------------------------------------------


cdef obj_t *_object_or_reply(client_t *c) noexcept nogil:
    """Return the object of OBJECT's key; a null has been replied if it is NULL."""
    cdef dbkey_t key = arg_key(c, 2)
    cdef obj_t *o = db_peek(c.db, &key)
    if o == NULL:
        c.db.ks.misses += 1     # without the event, as in Redis
        reply_null(c)
    else:
        c.db.ks.hits += 1
    return o


cdef api void cmd_object_encoding(client_t *c) noexcept nogil:
    """OBJECT ENCODING key"""
    cdef obj_t *o = _object_or_reply(c)
    if o != NULL:
        reply_cstring(c, obj_encoding_name(o))


cdef api void cmd_object_freq(client_t *c) noexcept nogil:
    """OBJECT FREQ key"""
    cdef obj_t *o = _object_or_reply(c)
    if o == NULL:
        return
    if c.db.ks.is_lfu:
        reply_int(c, lfu_counter(o, &c.db.ks.lfu, c.srv.now_ms))
    else:
        reply_error(
            c, b"ERR An LFU maxmemory policy is not selected, access frequency not "
            b"tracked. Please note that when switching between policies at runtime "
            b"LRU and LFU data will take some time to adjust.")


cdef api void cmd_object_idletime(client_t *c) noexcept nogil:
    """OBJECT IDLETIME key: in seconds; the 24-bit clock wraps around."""
    cdef obj_t *o = _object_or_reply(c)
    if o == NULL:
        return
    if not c.db.ks.is_lfu:
        reply_int(c, (c.db.ks.lru_clock - obj_lru(o)) & OBJ_LRU_MAX)
    else:
        reply_error(
            c, b"ERR An LFU maxmemory policy is selected, idle time not tracked. "
            b"Please note that when switching between policies at runtime LRU and LFU "
            b"data will take some time to adjust.")


cdef api void cmd_object_refcount(client_t *c) noexcept nogil:
    """OBJECT REFCOUNT key: values are not shared between keys."""
    if _object_or_reply(c) != NULL:
        reply_int(c, 1)
