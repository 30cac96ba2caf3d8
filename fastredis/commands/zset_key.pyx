# SPDX-License-Identifier: BSD-3-Clause
r"""The keys of sorted sets: look up, keep, delete when empty, say what has changed.

Shared by the handlers of the sorted set and the geo commands.
"""
from fastredis.core.status cimport C_ERR, C_OK
from fastredis.datatypes.t_zset cimport (
    zset_free,
    zset_keep,
    zset_len,
)
from fastredis.ds.bptree cimport BPT_MEMBER_MAX
from fastredis.engine.changed cimport NOTIFY_GENERIC, NOTIFY_ZSET, key_changed
from fastredis.engine.errors cimport ERR_STRING_TOO_LONG
from fastredis.engine.reply cimport reply_error, type_or_reply
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_find_write,
    db_set_pointer,
)
from fastredis.keyspace.obj cimport OBJ_ZSET


cdef status_t zset_read_or_reply(
    client_t *c, const dbkey_t *key, obj_t **o_out
) noexcept nogil:
    """Look a sorted set up to read it."""
    cdef obj_t *o = db_find_read(c.db, key)
    o_out[0] = o
    return type_or_reply(c, o, OBJ_ZSET)


cdef status_t zset_write_or_reply(
    client_t *c, const dbkey_t *key, obj_t **o_out
) noexcept nogil:
    """Look a sorted set up to change it."""
    cdef obj_t *o = db_find_write(c.db, key)
    o_out[0] = o
    return type_or_reply(c, o, OBJ_ZSET)


cdef status_t zset_member_or_reply(client_t *c, int i) noexcept nogil:
    """Check the length of a member."""
    if c.argv[i].len <= BPT_MEMBER_MAX:
        return C_OK
    reply_error(c, ERR_STRING_TOO_LONG)
    return C_ERR


cdef void zset_after_removal(
    client_t *c, const dbkey_t *key, obj_t *o, zset_t z, const char *event
) noexcept nogil:
    """Put the set back, or delete the key, and say what has changed."""
    cdef bint is_empty = zset_len(z) == 0
    zset_keep(o, z)
    if is_empty:
        db_delete(c.db, key)
    key_changed(c, key, NOTIFY_ZSET, event)
    if is_empty:
        key_changed(c, key, NOTIFY_GENERIC, b"del")


cdef size_t zset_store(
    client_t *c, const dbkey_t *key, zset_t z, const char *event
) noexcept nogil:
    """Store a result."""
    cdef size_t n = zset_len(z) if z.ptr != NULL else 0
    if n:
        db_set_pointer(c.db, key, OBJ_ZSET, z.enc, z.ptr, DB_NO_TTL)
        key_changed(c, key, NOTIFY_ZSET, event)
        return n
    if z.ptr != NULL:
        zset_free(z)
    if db_delete(c.db, key):
        key_changed(c, key, NOTIFY_GENERIC, b"del")
    return 0
