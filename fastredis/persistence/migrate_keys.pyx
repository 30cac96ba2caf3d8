# SPDX-License-Identifier: BSD-3-Clause
"""The keys of a MIGRATE: as requests for another server, and how they go here.

Cost: O(bytes) of the values. Threads: the one that executes commands.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from fastredis.core.num cimport num_format_i64, num_format_u64
from fastredis.core.status cimport C_OK, status_t
from fastredis.engine.changed cimport NOTIFY_GENERIC, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.propagate cimport feed_bytes, feed_instead, feed_text
from fastredis.engine.pycall cimport Context
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_find_read,
    dbkey,
    dbkey_t,
)
from fastredis.keyspace.obj cimport obj_expire_ms, obj_t
from fastredis.persistence.rdb cimport rdb_dump
from fastredis.persistence.rdb_io cimport (
    rdb_out_free,
    rdb_out_init,
    rdb_out_t,
    rdb_put_bytes,
)
from libc.stdint cimport int64_t

cdef enum:
    DIGITS = 24


cdef void _put_count(rdb_out_t *out, char kind, size_t n) noexcept nogil:
    """Write the line that says how many arguments, or bytes, follow."""
    cdef char[DIGITS] digits
    cdef int len = num_format_u64(digits, n)
    rdb_put_bytes(out, &kind, 1)
    rdb_put_bytes(out, digits, len)
    rdb_put_bytes(out, b"\r\n", 2)


cdef void _put_arg(rdb_out_t *out, const char *s, size_t nbytes) noexcept nogil:
    _put_count(out, b"$", nbytes)
    rdb_put_bytes(out, s, nbytes)
    rdb_put_bytes(out, b"\r\n", 2)


cdef status_t _put_restore(
    client_t *c, rdb_out_t *out, const dbkey_t *key, const obj_t *o, bint is_replacing
) noexcept nogil:
    """Write the request that makes the key at the other end."""
    cdef char[DIGITS] digits
    cdef rdb_out_t value
    cdef int64_t ttl = obj_expire_ms(o)
    cdef status_t status
    if ttl == DB_NO_TTL:
        ttl = 0
    else:
        ttl = max(ttl - c.srv.now_ms, <int64_t>1)       # 0 is none
    rdb_out_init(&value, c.srv.is_rdb_compressed, c.srv.rdb_version)
    status = rdb_dump(&value, o, c.srv.now_ms)
    if status == C_OK:
        _put_count(out, b"*", 4 + is_replacing)
        _put_arg(out, b"RESTORE", 7)
        _put_arg(out, key.ptr, key.len)
        _put_arg(out, digits, num_format_i64(digits, ttl))
        _put_arg(out, value.buf, value.len)
        if is_replacing:
            _put_arg(out, b"REPLACE", 7)
    rdb_out_free(&value)
    return status


def restore_requests(Context ctx not None, keys, bint is_replacing):
    """Return (requests, keys): what makes those of the keys that exist elsewhere.

    Raises: MemoryError.
    """
    cdef rdb_out_t out
    cdef dbkey_t k
    cdef obj_t *o
    cdef list found = []
    cdef bytes key
    cdef status_t status
    ctx._check()
    rdb_out_init(&out, False, 0)
    try:
        for key in keys:
            k = dbkey(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
            with nogil:
                o = db_find_read(ctx.c.db, &k)
                status = C_OK
                if o != NULL:
                    status = _put_restore(ctx.c, &out, &k, o, is_replacing)
            if o == NULL:
                continue
            if status != C_OK or out.has_failed:
                raise MemoryError
            found.append(key)
        return out.buf[:out.len] if found else b"", found
    finally:
        rdb_out_free(&out)


def delete_keys(Context ctx not None, keys):
    """Delete keys that are elsewhere now, and have that written down as one DEL."""
    cdef client_t *c = ctx.c
    cdef dbkey_t k
    cdef list gone = []
    cdef bytes key
    ctx._check()
    for key in keys:
        k = dbkey(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        if db_delete(c.db, &k):
            key_changed(c, &k, NOTIFY_GENERIC, b"del")
            gone.append(key)
    if not gone:
        return
    feed_instead(c, <int>len(gone) + 1)
    feed_text(c, b"DEL")
    for key in gone:
        feed_bytes(c, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
