# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE: a value as bytes that any server of the family reads."""
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.changed cimport NOTIFY_GENERIC, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_NO_MEMORY, ERR_SYNTAX
from fastredis.engine.propagate cimport (
    feed_args,
    feed_i64,
    feed_instead,
    feed_key,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport (
    reply_bulk,
    reply_error,
    reply_null,
    reply_ok,
)
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_find_write,
    dbkey_t,
)
from fastredis.keyspace.lfu cimport LFU_START, lfu_pack
from fastredis.keyspace.obj cimport (
    obj_free,
    obj_set_lru,
    obj_t,
    obj_type,
)
from fastredis.persistence.rdb cimport (
    RDB_READ_BAD,
    RDB_READ_EMPTY,
    RDB_READ_EXPIRED,
    rdb_bad_text,
    rdb_check_dump,
    rdb_dump,
    rdb_get_value,
    rdb_has_type,
    rdb_read_t,
    rdb_set_idle,
    rdb_store,
)
from fastredis.persistence.rdb_io cimport (
    rdb_in_t,
    rdb_out_free,
    rdb_out_init,
    rdb_out_t,
)
from libc.stdint cimport INT64_MAX, int64_t, uint32_t

cdef enum:
    NOT_GIVEN = -1
    FREQ_MAX = 255


cdef struct restore_t:
    bint is_replacing
    bint is_absolute            # the time is one of the wall clock
    int64_t idle_s
    int64_t freq


cdef api void cmd_dump(client_t *c) noexcept nogil:
    """DUMP key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef rdb_out_t out
    if o == NULL:
        reply_null(c)
        return
    if not rdb_has_type(obj_type(o)):
        reply_error(c, b"ERR values of this type cannot be dumped yet")
        return
    rdb_out_init(&out, c.srv.is_rdb_compressed, c.srv.rdb_version)
    if rdb_dump(&out, o, c.srv.now_ms) == C_OK:
        reply_bulk(c, out.buf, out.len)
    else:
        reply_error(c, ERR_NO_MEMORY)
    rdb_out_free(&out)


cdef status_t _options_or_reply(client_t *c, restore_t *r) noexcept nogil:
    """Read what follows the payload."""
    cdef int i = 4
    r.is_replacing = r.is_absolute = False
    r.idle_s = r.freq = NOT_GIVEN
    while i < c.argc:
        if arg_is(c, i, b"replace"):
            r.is_replacing = True
        elif arg_is(c, i, b"absttl"):
            r.is_absolute = True
        elif arg_is(c, i, b"idletime") and i + 1 < c.argc and r.freq == NOT_GIVEN:
            i += 1
            if arg_i64_or_reply(c, i, &r.idle_s) != C_OK:
                return C_ERR
            if r.idle_s < 0:
                reply_error(c, b"ERR Invalid IDLETIME value, must be >= 0")
                return C_ERR
        elif arg_is(c, i, b"freq") and i + 1 < c.argc and r.idle_s == NOT_GIVEN:
            i += 1
            if arg_i64_or_reply(c, i, &r.freq) != C_OK:
                return C_ERR
            if not 0 <= r.freq <= FREQ_MAX:
                reply_error(c, b"ERR Invalid FREQ value, must be >= 0 and <= 255")
                return C_ERR
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    return C_OK


cdef status_t _expiry_or_reply(
    client_t *c, bint is_absolute, int64_t *when_out
) noexcept nogil:
    """Read the time to live: 0 is none."""
    cdef int64_t ttl
    if arg_i64_or_reply(c, 2, &ttl) != C_OK:
        return C_ERR
    if ttl < 0:
        reply_error(c, b"ERR Invalid TTL value, must be >= 0")
        return C_ERR
    if ttl == 0:
        when_out[0] = DB_NO_TTL
    elif is_absolute:
        when_out[0] = ttl
    elif ttl > INT64_MAX - c.srv.now_ms:
        when_out[0] = INT64_MAX
    else:
        when_out[0] = ttl + c.srv.now_ms
    return C_OK


cdef void _log_bad(client_t *c) noexcept nogil:
    """Write into the log what is wrong with a payload, where such is of interest."""
    cdef const char *text = rdb_bad_text(<unsigned char>c.argv[3].ptr[0])
    with gil:
        try:
            (<Engine>c.srv.runtime).server.log.verbose(
                f"Internal error in RDB of RESTORE -> {text.decode()}")
        except Exception as error:
            (<Engine>c.srv.runtime).log_exception("restore", error)


cdef api void cmd_restore(client_t *c) noexcept nogil:
    """RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef rdb_read_t found
    cdef rdb_in_t src
    cdef restore_t r
    cdef int64_t when
    cdef int version
    cdef obj_t *o = NULL
    if _options_or_reply(c, &r) != C_OK:
        return
    if not r.is_replacing and db_find_write(c.db, &key) != NULL:
        reply_error(c, b"BUSYKEY Target key name already exists.")
        return
    if _expiry_or_reply(c, r.is_absolute, &when) != C_OK:
        return
    if rdb_check_dump(
            c.argv[3].ptr, c.argv[3].len, c.srv.is_checksum_skipped, &src,
            &version) != C_OK:
        reply_error(c, b"ERR DUMP payload version or checksum are wrong")
        return
    found = rdb_get_value(&src, version, c.srv, &o)
    if found == RDB_READ_BAD or found == RDB_READ_EMPTY or src.p != src.end:
        obj_free(o)
        _log_bad(c)
        reply_error(c, b"ERR Bad data format")
        return
    if found == RDB_READ_EXPIRED or (when != DB_NO_TTL and when <= c.srv.now_ms):
        # what is over is never stored
        obj_free(o)
        if db_delete(c.db, &key):
            key_changed(c, &key, NOTIFY_GENERIC, b"del")
            feed_key(c, b"UNLINK" if c.db.ks.is_lazy_server_del else b"DEL", &key)
        reply_ok(c)
        return
    o = rdb_store(c.db, &key, o, when)
    # only what the policy in force looks at is kept
    if r.idle_s != NOT_GIVEN and not c.srv.ks.is_lfu:
        rdb_set_idle(c.srv, o, r.idle_s)
    elif c.srv.ks.is_lfu:
        # a new key, also where it replaces one
        obj_set_lru(o, lfu_pack(
            c.srv.now_ms, LFU_START if r.freq == NOT_GIVEN else <uint32_t>r.freq))
    key_changed(c, &key, NOTIFY_GENERIC, b"restore")
    if when != DB_NO_TTL and not r.is_absolute and is_fed(c):
        feed_instead(c, c.argc + 1)
        feed_text(c, b"RESTORE")
        feed_args(c, 1, 2)
        feed_i64(c, when)
        feed_args(c, 3, c.argc)
        feed_text(c, b"ABSTTL")
    reply_ok(c)


cdef api void cmd_restore_asking(client_t *c) noexcept nogil:
    """RESTORE-ASKING: the same, from a node of a cluster that migrates a slot"""
    cmd_restore(c)
