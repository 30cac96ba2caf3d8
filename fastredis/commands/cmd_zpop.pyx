# SPDX-License-Identifier: BSD-3-Clause
r"""Sorted set commands that take members from the ends, and those that wait for some.

The waiting forms look for something to take as the others do. If there is nothing, the
client waits, and the handler runs again when one of its keys has become a sorted set.
"""
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.commands.zset_key cimport (
    zset_after_removal,
    zset_write_or_reply,
)
from fastredis.datatypes.t_zset cimport (
    zset_entry_t,
    zset_iter_t,
    zset_len,
    zset_next,
    zset_of,
    zset_remove_ranks,
    zset_seek,
    zset_t,
)
from fastredis.engine.args cimport (
    arg_i64_or_error,
    arg_is,
    arg_key,
)
from fastredis.engine.blocking cimport (
    BLOCK_NULL_ARRAY,
    arg_timeout_or_reply,
    block_on_keys,
)
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.propagate cimport feed_key, feed_key_i64
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_double,
    reply_error,
    reply_null_array,
)
from fastredis.keyspace.db cimport dbkey_t
from fastredis.keyspace.obj cimport OBJ_ZSET, obj_t
from libc.stdint cimport int64_t

cdef enum pop_reply_t:
    POP_FLAT = 0                # member, score, member, score ...
    POP_PAIRS = 1               # [member, score] ...
    POP_KEY_FLAT = 2            # key, member, score
    POP_KEY_PAIRS = 3           # key, [[member, score] ...]


cdef char *ERR_NOT_POSITIVE = b"ERR value is out of range, must be positive"


cdef status_t _least_or_error(
    client_t *c, int i, int64_t least, const char *error, int64_t *value_out
) noexcept nogil:
    """Read an integer that is not less than this, or reply the error."""
    cdef int64_t v
    if arg_i64_or_error(c, i, error, &v) != C_OK:
        return C_ERR
    if v >= least:
        value_out[0] = v
        return C_OK
    reply_error(c, error)
    return C_ERR


# --- Take -------------------------------------------------------------------------


cdef void _pop(
    client_t *c, const dbkey_t *key, obj_t *o, bint is_max, int64_t count,
    pop_reply_t form
) noexcept nogil:
    """Reply, and remove, up to count members, count > 0, from one end of o's set."""
    cdef zset_t z = zset_of(o)
    cdef size_t len = zset_len(z)
    cdef size_t n = min(<size_t>count, len), _i
    cdef bint are_pairs = form == POP_PAIRS or form == POP_KEY_PAIRS
    cdef zset_entry_t entry
    cdef zset_iter_t it
    if form == POP_KEY_FLAT:
        reply_array(c, 3)
        reply_bulk(c, key.ptr, key.len)
    else:
        if form == POP_KEY_PAIRS:
            reply_array(c, 2)
            reply_bulk(c, key.ptr, key.len)
        reply_array(c, n if are_pairs else 2 * n)
    if form == POP_KEY_FLAT:
        feed_key(c, b"ZPOPMAX" if is_max else b"ZPOPMIN", key)
    elif form == POP_KEY_PAIRS:
        feed_key_i64(c, b"ZPOPMAX" if is_max else b"ZPOPMIN", key, n)
    zset_seek(z, len - 1 if is_max else 0, is_max, &it)
    for _i in range(n):
        zset_next(&it, &entry)
        if are_pairs:
            reply_array(c, 2)
        reply_bulk(c, entry.member, entry.len)
        reply_double(c, entry.score)
    zset_remove_ranks(&z, len - n if is_max else 0, n)
    zset_after_removal(c, key, o, z, b"zpopmax" if is_max else b"zpopmin")


cdef bint _pop_first(
    client_t *c, int first, int n, bint is_max, int64_t count, pop_reply_t form,
) noexcept nogil:
    """Take from the first of n keys that has a sorted set; an error is a reply, too.

    False: none of the keys exists.
    """
    cdef dbkey_t key
    cdef obj_t *o
    cdef int i
    for i in range(first, first + n):
        key = arg_key(c, i)
        if zset_write_or_reply(c, &key, &o) != C_OK:
            return True
        if o != NULL:
            _pop(c, &key, o, is_max, count, form)
            return True
    return False


cdef inline void _zpop(client_t *c, bint is_max) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count = 1
    cdef obj_t *o
    if c.argc > 3:
        reply_error(c, ERR_SYNTAX)
        return
    if c.argc == 3 and _least_or_error(c, 2, 0, ERR_NOT_POSITIVE, &count) != C_OK:
        return
    if zset_write_or_reply(c, &key, &o) != C_OK:
        return
    if o == NULL or count == 0:
        reply_array(c, 0)
        return
    _pop(c, &key, o, is_max, count,
         POP_PAIRS if c.argc == 3 and c.out.resp > 2 else POP_FLAT)


cdef api void cmd_zpopmin(client_t *c) noexcept nogil:
    """ZPOPMIN key [count]"""
    _zpop(c, False)


cdef api void cmd_zpopmax(client_t *c) noexcept nogil:
    """ZPOPMAX key [count]"""
    _zpop(c, True)


cdef struct mpop_t:
    int nkeys
    bint is_max
    int64_t count


cdef status_t _mpop_or_reply(client_t *c, int at, mpop_t *m) noexcept nogil:
    """Read numkeys, which is argument at, and what follows it."""
    cdef int64_t n
    cdef int i
    cdef bint has_count = False
    if _least_or_error(
            c, at, 1, b"ERR numkeys should be greater than 0", &n) != C_OK:
        return C_ERR
    if n >= c.argc - at - 1:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    m.nkeys = <int>n
    i = at + m.nkeys + 1
    m.is_max = arg_is(c, i, b"max")
    if not m.is_max and not arg_is(c, i, b"min"):
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    m.count = 1
    i += 1
    while i < c.argc:
        if has_count or i + 1 == c.argc or not arg_is(c, i, b"count"):
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        if _least_or_error(
                c, i + 1, 1, b"ERR count should be greater than 0", &m.count) != C_OK:
            return C_ERR
        has_count = True
        i += 2
    return C_OK


cdef api void cmd_zmpop(client_t *c) noexcept nogil:
    """ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]"""
    cdef mpop_t m
    if _mpop_or_reply(c, 1, &m) != C_OK:
        return
    if not _pop_first(c, 2, m.nkeys, m.is_max, m.count, POP_KEY_PAIRS):
        reply_null_array(c)


# --- Wait -------------------------------------------------------------------------


cdef inline void _bzpop(client_t *c, bint is_max) noexcept nogil:
    cdef int64_t deadline_ms
    if arg_timeout_or_reply(c, c.argc - 1, &deadline_ms) != C_OK:
        return
    if not _pop_first(c, 1, c.argc - 2, is_max, 1, POP_KEY_FLAT):
        block_on_keys(c, 1, c.argc - 2, OBJ_ZSET, deadline_ms, BLOCK_NULL_ARRAY)


cdef api void cmd_bzpopmin(client_t *c) noexcept nogil:
    """BZPOPMIN key [key ...] timeout"""
    _bzpop(c, False)


cdef api void cmd_bzpopmax(client_t *c) noexcept nogil:
    """BZPOPMAX key [key ...] timeout"""
    _bzpop(c, True)


cdef api void cmd_bzmpop(client_t *c) noexcept nogil:
    """BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]"""
    cdef int64_t deadline_ms
    cdef mpop_t m
    if _mpop_or_reply(c, 2, &m) != C_OK:
        return
    if arg_timeout_or_reply(c, 1, &deadline_ms) != C_OK:
        return
    if not _pop_first(c, 3, m.nkeys, m.is_max, m.count, POP_KEY_PAIRS):
        block_on_keys(c, 3, m.nkeys, OBJ_ZSET, deadline_ms, BLOCK_NULL_ARRAY)
