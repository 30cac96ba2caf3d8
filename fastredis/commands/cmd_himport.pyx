# SPDX-License-Identifier: BSD-3-Clause
r"""HIMPORT: hashes that have their fields in common, the fields named only once.

    HIMPORT PREPARE user name mail      --> a fieldset of this client
    HIMPORT SET user:1 user Ada a@b     --> the hash {name: Ada, mail: a@b}
    HIMPORT SET user:2 user Bob b@b

The hashes are like any others, with their fields in the order they were prepared in.
HIMPORT SET makes a hash anew: nothing stays of one that was there, neither fields nor
expiry. Only a hash is replaced; a key of another type is refused and stays.

Cost: HIMPORT SET as HSET of the same fields, without their transfer.
Source: the command's public documentation; error texts as clients know them.
"""
from fastredis.core.status cimport C_OK
from fastredis.datatypes.t_hash cimport hash_done, hash_new, hash_set
from fastredis.engine.args cimport arg_key
from fastredis.engine.changed cimport NOTIFY_HASH, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.fieldsets cimport (
    fieldset_t,
    fieldsets_clear,
    fieldsets_find,
    fieldsets_put,
    fieldsets_remove,
)
from fastredis.engine.propagate cimport (
    feed_bytes,
    feed_instead,
    feed_key,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport reply_error, reply_int, reply_ok, type_or_reply
from fastredis.keyspace.db cimport db_find_write, db_visible_ms, dbkey_t
from fastredis.keyspace.obj cimport OBJ_HASH, obj_t
from fastredis.resp.parser cimport slice_t


cdef api void cmd_himport_prepare(client_t *c) noexcept nogil:
    """HIMPORT PREPARE fieldset-name field [field ...]"""
    if fieldsets_put(c, c.argv + 2, c.argv + 3, c.argc - 3) != C_OK:
        reply_error(c, b"ERR duplicate field name in fieldset")
    else:
        reply_ok(c)


cdef void _feed_hash(
    client_t *c, const dbkey_t *key, const fieldset_t *s, const slice_t *values,
    bint is_old
) noexcept nogil:
    """Have the hash written down with its fields: others know no fieldset."""
    cdef int i
    if is_old:
        feed_key(c, b"DEL", key)
    feed_instead(c, 2 + 2 * s.nfields)
    feed_text(c, b"HSET")
    feed_bytes(c, key.ptr, key.len)
    for i in range(s.nfields):
        feed_bytes(c, s.fields[i].ptr, s.fields[i].len)
        feed_bytes(c, values[i].ptr, values[i].len)


cdef api void cmd_himport_set(client_t *c) noexcept nogil:
    """HIMPORT SET key fieldset-name value [value ...]"""
    cdef const fieldset_t *s = fieldsets_find(c, c.argv + 3)
    cdef const slice_t *values = c.argv + 4
    cdef dbkey_t key
    cdef bint is_old
    cdef obj_t *o
    cdef int i
    if s == NULL:
        reply_error(c, b"ERR no such fieldset")
        return
    if c.argc - 4 != s.nfields:
        reply_error(c, b"ERR value count does not match fieldset field count")
        return
    key = arg_key(c, 2)
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_HASH) != C_OK:
        return
    is_old = o != NULL
    o = hash_new(c.db, &key)
    for i in range(s.nfields):
        hash_set(o, s.fields[i].ptr, s.fields[i].len, values[i].ptr, values[i].len,
                 False, db_visible_ms(c.db), &c.srv.hash_limits)
    hash_done(c.db, &key, o)
    key_changed(c, &key, NOTIFY_HASH, b"hset")
    if is_fed(c):
        _feed_hash(c, &key, s, values, is_old)
    reply_ok(c)


cdef api void cmd_himport_discard(client_t *c) noexcept nogil:
    """HIMPORT DISCARD fieldset-name"""
    reply_int(c, fieldsets_remove(c, c.argv + 2))


cdef api void cmd_himport_discardall(client_t *c) noexcept nogil:
    """HIMPORT DISCARDALL"""
    reply_int(c, fieldsets_clear(c))
