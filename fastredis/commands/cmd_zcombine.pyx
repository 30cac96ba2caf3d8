# SPDX-License-Identifier: BSD-3-Clause
r"""Sorted set commands on several sets: ZUNION, ZINTER, ZDIFF, their STORE forms.

Sources may be sorted sets and sets, whose members all count with score 1. What is done
with them is in datatypes/zset_merge.
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.num cimport num_parse_double
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.commands.zset_key cimport zset_limits, zset_store
from fastredis.datatypes.t_zset cimport (
    zset_entry_t,
    zset_free,
    zset_iter_t,
    zset_len,
    zset_limits_t,
    zset_next,
    zset_seek,
    zset_t,
)
from fastredis.datatypes.zset_merge cimport (
    MERGE_COUNT,
    MERGE_DIFF,
    MERGE_INTER,
    MERGE_MAX,
    MERGE_MIN,
    MERGE_SUM,
    MERGE_UNION,
    merge_by_t,
    merge_op_t,
    merge_source_init,
    merge_source_t,
    merge_takes,
    zset_inter_len,
    zset_merge,
)
from fastredis.engine.args cimport arg_i64_or_error, arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_SYNTAX, ERR_WRONG_TYPE
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_double,
    reply_error,
    reply_error_len,
    reply_int,
)
from fastredis.keyspace.db cimport db_find_read, db_find_write, dbkey_t
from fastredis.keyspace.obj cimport obj_t, obj_type
from libc.stdint cimport SIZE_MAX, int64_t
from libc.stdio cimport snprintf

cdef enum:
    SOURCES_ROOM = 16           # sources without an allocation

# What is done with the result.
cdef enum use_t:
    USE_REPLY = 0
    USE_STORE = 1
    USE_COUNT = 2

cdef struct combine_t:
    merge_op_t op
    use_t use
    merge_by_t by
    bint with_scores
    size_t limit                # of USE_COUNT
    int n
    merge_source_t *sources     # room, or memory of its own
    merge_source_t room[SOURCES_ROOM]


# --- Read -------------------------------------------------------------------------


cdef status_t _numkeys_or_reply(client_t *c, int at, int *n_out) noexcept nogil:
    """Read the number of keys, which argument at gives."""
    cdef char[160] text
    cdef int64_t n
    if arg_i64_or_reply(c, at, &n) != C_OK:
        return C_ERR
    if n < 1:
        reply_error_len(c, text, snprintf(
            text, sizeof(text),
            b"ERR at least 1 input key is needed for '%s' command", c.cmd.name))
        return C_ERR
    if n > c.argc - at - 1:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    n_out[0] = <int>n
    return C_OK


cdef status_t _sources_or_reply(client_t *c, combine_t *m, int first) noexcept nogil:
    """Look the sources up; their keys are the arguments from first on."""
    cdef dbkey_t key
    cdef obj_t *o
    cdef int i
    for i in range(m.n):
        key = arg_key(c, first + i)
        if m.use == USE_STORE:
            o = db_find_write(c.db, &key)
        else:
            o = db_find_read(c.db, &key)
        if o != NULL and not merge_takes(obj_type(o)):
            reply_error(c, ERR_WRONG_TYPE)
            return C_ERR
        merge_source_init(&m.sources[i], o, i)
    return C_OK


cdef status_t _weights_or_reply(client_t *c, combine_t *m, int first) noexcept nogil:
    """Read a weight for each source from the arguments from first on."""
    cdef int i
    for i in range(m.n):
        if num_parse_double(c.argv[first + i].ptr, c.argv[first + i].len,
                            &m.sources[i].weight) != C_OK:
            reply_error(c, b"ERR weight value is not a float")
            return C_ERR
    return C_OK


cdef status_t _limit_or_reply(client_t *c, combine_t *m, int i) noexcept nogil:
    """Read the limit of ZINTERCARD; 0 is none."""
    cdef int64_t limit
    if arg_i64_or_error(c, i, b"ERR LIMIT can't be negative", &limit) != C_OK:
        return C_ERR
    if limit < 0:
        reply_error(c, b"ERR LIMIT can't be negative")
        return C_ERR
    m.limit = limit if limit else SIZE_MAX
    return C_OK


cdef status_t _options_or_reply(client_t *c, combine_t *m, int i) noexcept nogil:
    """Read what follows the keys, from argument i on."""
    cdef bint has_scores = m.op != MERGE_DIFF and m.use != USE_COUNT
    m.by = MERGE_SUM
    m.with_scores = False
    m.limit = SIZE_MAX
    while i < c.argc:
        if has_scores and i + m.n < c.argc and arg_is(c, i, b"weights"):
            if _weights_or_reply(c, m, i + 1) != C_OK:
                return C_ERR
            i += m.n + 1
        elif has_scores and i + 1 < c.argc and arg_is(c, i, b"aggregate"):
            if arg_is(c, i + 1, b"sum"):
                m.by = MERGE_SUM
            elif arg_is(c, i + 1, b"min"):
                m.by = MERGE_MIN
            elif arg_is(c, i + 1, b"max"):
                m.by = MERGE_MAX
            elif arg_is(c, i + 1, b"count"):
                m.by = MERGE_COUNT
            else:
                reply_error(c, ERR_SYNTAX)
                return C_ERR
            i += 2
        elif m.use == USE_REPLY and arg_is(c, i, b"withscores"):
            m.with_scores = True
            i += 1
        elif m.use == USE_COUNT and i + 1 < c.argc and arg_is(c, i, b"limit"):
            if _limit_or_reply(c, m, i + 1) != C_OK:
                return C_ERR
            i += 2
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
    return C_OK


# --- Combine ----------------------------------------------------------------------


cdef void _reply_set(client_t *c, zset_t z, bint with_scores) noexcept nogil:
    """Reply all members: with scores in pairs in RESP3, flat in RESP2."""
    cdef bint are_pairs = with_scores and c.out.resp > 2
    cdef zset_entry_t entry
    cdef zset_iter_t it
    if z.ptr == NULL:
        reply_array(c, 0)
        return
    reply_array(c, zset_len(z) * (2 if with_scores and not are_pairs else 1))
    zset_seek(z, 0, False, &it)
    while zset_next(&it, &entry):
        if are_pairs:
            reply_array(c, 2)
        reply_bulk(c, entry.member, entry.len)
        if with_scores:
            reply_double(c, entry.score)
    zset_free(z)


cdef const char *_event(merge_op_t op) noexcept nogil:
    if op == MERGE_UNION:
        return b"zunionstore"
    return b"zinterstore" if op == MERGE_INTER else b"zdiffstore"


cdef void _use(client_t *c, combine_t *m) noexcept nogil:
    """Merge the sources and reply, store or count the result."""
    cdef zset_limits_t limits = zset_limits(c)
    cdef dbkey_t target
    cdef zset_t result
    if m.use == USE_COUNT:
        reply_int(c, zset_inter_len(m.sources, m.n, m.limit))
        return
    result = zset_merge(m.op, m.sources, m.n, m.by, &limits)
    if m.use == USE_REPLY:
        _reply_set(c, result, m.with_scores)
        return
    target = arg_key(c, 1)
    reply_int(c, zset_store(c, &target, result, _event(m.op)))


cdef void _combine(client_t *c, merge_op_t op, use_t use) noexcept nogil:
    """Do a command whose number of keys is argument 1, or 2 if the result is stored."""
    cdef int at = 2 if use == USE_STORE else 1
    cdef combine_t m
    if _numkeys_or_reply(c, at, &m.n) != C_OK:
        return
    m.op = op
    m.use = use
    m.sources = m.room
    if m.n > SOURCES_ROOM:
        m.sources = <merge_source_t *>zmalloc(m.n * sizeof(merge_source_t))
    if (_sources_or_reply(c, &m, at + 1) == C_OK
            and _options_or_reply(c, &m, at + 1 + m.n) == C_OK):
        _use(c, &m)
    if m.sources != m.room:
        zfree(m.sources)


cdef api void cmd_zunion(client_t *c) noexcept nogil:
    """ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]]
    [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]"""
    _combine(c, MERGE_UNION, USE_REPLY)


cdef api void cmd_zinter(client_t *c) noexcept nogil:
    """ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]]
    [AGGREGATE <SUM | MIN | MAX | COUNT>] [WITHSCORES]"""
    _combine(c, MERGE_INTER, USE_REPLY)


cdef api void cmd_zdiff(client_t *c) noexcept nogil:
    """ZDIFF numkeys key [key ...] [WITHSCORES]"""
    _combine(c, MERGE_DIFF, USE_REPLY)


cdef api void cmd_zunionstore(client_t *c) noexcept nogil:
    """ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]
    [AGGREGATE <SUM | MIN | MAX | COUNT>]"""
    _combine(c, MERGE_UNION, USE_STORE)


cdef api void cmd_zinterstore(client_t *c) noexcept nogil:
    """ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]]
    [AGGREGATE <SUM | MIN | MAX | COUNT>]"""
    _combine(c, MERGE_INTER, USE_STORE)


cdef api void cmd_zdiffstore(client_t *c) noexcept nogil:
    """ZDIFFSTORE destination numkeys key [key ...]"""
    _combine(c, MERGE_DIFF, USE_STORE)


cdef api void cmd_zintercard(client_t *c) noexcept nogil:
    """ZINTERCARD numkeys key [key ...] [LIMIT limit]"""
    _combine(c, MERGE_INTER, USE_COUNT)
