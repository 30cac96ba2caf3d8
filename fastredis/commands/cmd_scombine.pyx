# SPDX-License-Identifier: BSD-3-Clause
r"""Set commands that combine several sets: union, intersection, difference.

    SUNION SINTER SDIFF          find the sets --> set_ops --> reply as members come
    ...STORE                                               --> a new set under the key
    SINTERCARD, SUNIONCARD ...                             --> count, up to a limit

All sets are found, and their types checked, before any member is looked at.
"""
from fastredis.commands.set_reply cimport set_reply_member
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.set_ops cimport (
    set_diff,
    set_inter,
    set_union,
    set_union_estimate,
)
from fastredis.datatypes.t_set cimport (
    member_t,
    set_add,
    set_free,
    set_iter,
    set_iter_t,
    set_len,
    set_limits_t,
    set_new_enc,
    set_new_result,
    set_next,
    set_of,
    set_settle,
    set_t,
    set_visit_fn,
)
from fastredis.engine.args cimport (
    ARG_KEYS_BATCH,
    arg_count_or_error,
    arg_i64_or_error,
    arg_is,
    arg_key,
    arg_keys,
)
from fastredis.engine.changed cimport NOTIFY_GENERIC, NOTIFY_SET, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.reply cimport (
    out_block_t,
    reply_defer,
    reply_error,
    reply_int,
    reply_resolve,
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_set_pointer,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_ENC_INTSET, OBJ_ENC_LISTPACK, OBJ_SET, obj_t
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SETS_ROOM = 16              # sets combined before memory is asked for


cdef void _visit_reply(void *ctx, member_t *m) noexcept nogil:
    """Reply a member: for functions that visit some."""
    set_reply_member(<client_t *>ctx, m)


ctypedef size_t (*combine_fn)(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil

# The sets that a command names; few need no memory of their own.
cdef struct sources_t:
    set_t *sets
    size_t n
    set_t room[SETS_ROOM]


cdef void _sources_free(sources_t *src) noexcept nogil:
    if src.sets != src.room:
        zfree(src.sets)


cdef status_t _sources_or_reply(
    client_t *c, int first, int n, sources_t *src
) noexcept nogil:
    """Find the sets of n keys; each must be one, or absent (value NULL)."""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int i = first, k, m, end = first + n
    cdef set_t *s
    cdef obj_t *o
    src.n = n
    src.sets = src.room
    if n > SETS_ROOM:
        src.sets = <set_t *>zmalloc(n * sizeof(set_t))
    while i < end:
        m = arg_keys(c, i, 1, end, keys)
        for k in range(m):
            o = db_find_read(c.db, &keys[k])
            if type_or_reply(c, o, OBJ_SET) != C_OK:
                _sources_free(src)
                return C_ERR
            s = &src.sets[i + k - first]
            if o == NULL:
                s.enc = OBJ_ENC_INTSET
                s.value = NULL
            else:
                s[0] = set_of(o)
        i += m
    return C_OK


cdef void _combine_reply(client_t *c, combine_fn combine) noexcept nogil:
    """Reply the result."""
    cdef sources_t src
    cdef out_block_t *mark
    cdef size_t n
    if _sources_or_reply(c, 1, c.argc - 1, &src) != C_OK:
        return
    mark = reply_defer(c)
    n = combine(src.sets, src.n, 0, _visit_reply, c)
    reply_resolve(c, mark, b"~", n)
    _sources_free(&src)


cdef api void cmd_sinter(client_t *c) noexcept nogil:
    """SINTER key [key ...]"""
    _combine_reply(c, set_inter)


cdef api void cmd_sunion(client_t *c) noexcept nogil:
    """SUNION key [key ...]"""
    _combine_reply(c, set_union)


cdef api void cmd_sdiff(client_t *c) noexcept nogil:
    """SDIFF key [key ...]"""
    _combine_reply(c, set_diff)


# A result that is being made.
cdef struct result_t:
    set_t s
    const set_limits_t *limits


cdef void _visit_store(void *ctx, member_t *m) noexcept nogil:
    """Add a member to a result."""
    cdef result_t *r = <result_t *>ctx
    set_add(&r.s, m, r.limits)


cdef void _store_result(
    client_t *c, result_t *r, const char *event
) noexcept nogil:
    """Set the key at argument 1 to a result, or delete it; reply how many members."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef size_t n = set_len(r.s)
    if n == 0:
        set_free(r.s)
        if db_delete(c.db, &key):
            key_changed(c, &key, NOTIFY_GENERIC, b"del")
    else:
        db_set_pointer(c.db, &key, OBJ_SET, r.s.enc, r.s.value, DB_NO_TTL)
        key_changed(c, &key, NOTIFY_SET, event)
    reply_int(c, n)


cdef api void cmd_sinterstore(client_t *c) noexcept nogil:
    """SINTERSTORE destination key [key ...]"""
    cdef sources_t src
    cdef result_t r
    cdef size_t i
    cdef int enc = OBJ_ENC_LISTPACK
    if _sources_or_reply(c, 2, c.argc - 2, &src) != C_OK:
        return
    for i in range(src.n):
        if src.sets[i].enc == OBJ_ENC_INTSET:
            enc = OBJ_ENC_INTSET    # of integers, so the result is, too
    r.s = set_new_enc(enc)
    r.limits = &c.srv.set_limits
    set_inter(src.sets, src.n, 0, _visit_store, &r)
    _sources_free(&src)
    set_settle(&r.s, r.limits)
    _store_result(c, &r, b"sinterstore")


cdef api void cmd_sunionstore(client_t *c) noexcept nogil:
    """SUNIONSTORE destination key [key ...]

    The result itself tells which members are new.
    """
    cdef sources_t src
    cdef result_t r
    cdef set_iter_t it
    cdef member_t m
    cdef size_t i
    if _sources_or_reply(c, 2, c.argc - 2, &src) != C_OK:
        return
    r.limits = &c.srv.set_limits
    r.s = set_new_result(src.sets, src.n, r.limits)
    for i in range(src.n):
        if src.sets[i].value != NULL:
            set_iter(&it, src.sets[i])
            while set_next(&it, &m):
                set_add(&r.s, &m, r.limits)
    _sources_free(&src)
    _store_result(c, &r, b"sunionstore")


cdef api void cmd_sdiffstore(client_t *c) noexcept nogil:
    """SDIFFSTORE destination key [key ...]"""
    cdef sources_t src
    cdef result_t r
    if _sources_or_reply(c, 2, c.argc - 2, &src) != C_OK:
        return
    r.s = set_new_enc(OBJ_ENC_INTSET)
    r.limits = &c.srv.set_limits
    set_diff(src.sets, src.n, 0, _visit_store, &r)
    _sources_free(&src)
    _store_result(c, &r, b"sdiffstore")


cdef status_t _counted_or_reply(
    client_t *c, int *nkeys_out, int64_t *limit_out, bint *approx
) noexcept nogil:
    """Read numkeys, and what follows the keys: LIMIT, and APPROX unless it is NULL."""
    cdef const char *error = b"ERR numkeys should be greater than 0"
    cdef const char *limit_error = b"ERR LIMIT can't be negative"
    cdef int64_t nkeys
    cdef int i
    if arg_i64_or_error(c, 1, error, &nkeys) != C_OK:
        return C_ERR
    if nkeys < 1:
        reply_error(c, error)
        return C_ERR
    if nkeys > c.argc - 2:
        reply_error(c, b"ERR Number of keys can't be greater than number of args")
        return C_ERR
    limit_out[0] = 0
    i = 2 + <int>nkeys
    while i < c.argc:
        if approx != NULL and arg_is(c, i, b"approx"):
            approx[0] = True
            i += 1
        elif arg_is(c, i, b"limit") and i + 1 < c.argc:
            if arg_count_or_error(c, i + 1, limit_error, limit_out) != C_OK:
                return C_ERR
            i += 2
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
    nkeys_out[0] = <int>nkeys
    return C_OK


cdef void _combine_count(
    client_t *c, combine_fn combine, bint may_approximate
) noexcept nogil:
    """Reply how many members the result has."""
    cdef sources_t src
    cdef int64_t limit
    cdef uint64_t n
    cdef int nkeys
    cdef bint approx = False
    if _counted_or_reply(
            c, &nkeys, &limit, &approx if may_approximate else NULL) != C_OK:
        return
    if _sources_or_reply(c, 2, nkeys, &src) != C_OK:
        return
    if approx:
        n = set_union_estimate(src.sets, src.n)
        if limit and n > <uint64_t>limit:
            n = limit
    else:
        n = combine(src.sets, src.n, limit, NULL, NULL)
    reply_int(c, n)
    _sources_free(&src)


cdef api void cmd_sintercard(client_t *c) noexcept nogil:
    """SINTERCARD numkeys key [key ...] [LIMIT limit]"""
    _combine_count(c, set_inter, False)


cdef api void cmd_sunioncard(client_t *c) noexcept nogil:
    """SUNIONCARD numkeys key [key ...] [APPROX] [LIMIT limit]"""
    _combine_count(c, set_union, True)


cdef api void cmd_sdiffcard(client_t *c) noexcept nogil:
    """SDIFFCARD numkeys key [key ...] [LIMIT limit]"""
    _combine_count(c, set_diff, False)
