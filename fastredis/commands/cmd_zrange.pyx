# SPDX-License-Identifier: BSD-3-Clause
r"""Sorted set commands on ranges: return, count, store or remove the members of one.

Whatever names a range, it becomes one of ranks, and the rest is the same for all:

    ranks 2 -1       \
    scores (1 5       >   [first, first + n)  -->  reply | store | remove | count
    members [a (c    /    LIMIT and REV move and cut it

A border by score or member is found in O(log n), so that counting costs nothing else.
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.num cimport num_parse_double
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.commands.zset_key cimport (
    zset_after_removal,
    zset_limits,
    zset_read_or_reply,
    zset_store,
    zset_write_or_reply,
)
from fastredis.datatypes.t_zset cimport (
    zset_count_below,
    zset_entry_t,
    zset_iter_t,
    zset_len,
    zset_limits_t,
    zset_next,
    zset_of,
    zset_remove_ranks,
    zset_seek,
    zset_slice,
    zset_t,
)
from fastredis.ds.bptree cimport (
    BPT_AFTER_MEMBER,
    BPT_AFTER_SCORE,
    BPT_BEFORE_MEMBER,
    BPT_BEFORE_SCORE,
    bpt_border_t,
)
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_double,
    reply_error,
    reply_int,
)
from fastredis.keyspace.db cimport dbkey, dbkey_t
from fastredis.keyspace.obj cimport obj_t
from libc.math cimport isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport strtod
from libc.string cimport memcpy

cdef enum:
    SCORE_ROOM = 128            # text of a score without an allocation

# What the ends of a range are.
cdef enum by_t:
    BY_AUTO = 0                 # ranks, unless an option says otherwise
    BY_RANK = 1
    BY_SCORE = 2
    BY_MEMBER = 3

# One end by score or member.
cdef struct end_t:
    bint is_first               # before all members
    bint is_last                # behind all
    bint is_exclusive
    double score
    const char *member
    size_t len

cdef struct range_t:
    by_t by
    int64_t ranks[2]
    end_t ends[2]

# Ranks from first to first + n - 1.
cdef struct span_t:
    size_t first
    size_t n


# --- Read the ends ----------------------------------------------------------------


cdef status_t _parse_score(const char *s, size_t n, double *score_out) noexcept nogil:
    """Read a number as strtod does: blanks before it, no text for 0, 1e999 for inf."""
    cdef char[SCORE_ROOM] room
    cdef char *text = room
    cdef char *end
    cdef double score
    cdef bint is_number
    if num_parse_double(s, n, score_out) == C_OK:
        return C_OK
    if n >= SCORE_ROOM:
        text = <char *>zmalloc(n + 1)
    memcpy(text, s, n)
    text[n] = 0
    score = strtod(text, &end)
    is_number = end[0] == 0 and not isnan(score)
    if text != room:
        zfree(text)
    if is_number:
        score_out[0] = score
    return C_OK if is_number else C_ERR


cdef status_t _score_end_or_reply(client_t *c, int i, end_t *end) noexcept nogil:
    """Read a score, which may be exclusive: `(1.5`."""
    cdef const char *s = c.argv[i].ptr
    cdef size_t n = c.argv[i].len
    end.is_first = False
    end.is_last = False
    end.is_exclusive = n > 0 and s[0] == b"("
    if end.is_exclusive:
        s += 1
        n -= 1
    if _parse_score(s, n, &end.score) == C_OK:
        return C_OK
    reply_error(c, b"ERR min or max is not a float")
    return C_ERR


cdef status_t _member_end_or_reply(client_t *c, int i, end_t *end) noexcept nogil:
    """Read a member with its bracket, `[a` or `(a`, or one of `-` and `+`."""
    cdef const char *s = c.argv[i].ptr
    cdef size_t n = c.argv[i].len
    end.is_first = n == 1 and s[0] == b"-"
    end.is_last = n == 1 and s[0] == b"+"
    end.is_exclusive = False
    if end.is_first or end.is_last:
        return C_OK
    if n and (s[0] == b"(" or s[0] == b"["):
        end.is_exclusive = s[0] == b"("
        end.member = s + 1
        end.len = n - 1
        return C_OK
    reply_error(c, b"ERR min or max not valid string range item")
    return C_ERR


cdef status_t _range_or_reply(
    client_t *c, by_t by, int low, int high, range_t *range
) noexcept nogil:
    """Read a range whose ends are the arguments low and high."""
    range.by = by
    if by == BY_RANK:
        if arg_i64_or_reply(c, low, &range.ranks[0]) != C_OK:
            return C_ERR
        return arg_i64_or_reply(c, high, &range.ranks[1])
    if by == BY_SCORE:
        if _score_end_or_reply(c, low, &range.ends[0]) != C_OK:
            return C_ERR
        return _score_end_or_reply(c, high, &range.ends[1])
    if _member_end_or_reply(c, low, &range.ends[0]) != C_OK:
        return C_ERR
    return _member_end_or_reply(c, high, &range.ends[1])


# --- Find the ranks ---------------------------------------------------------------


cdef size_t _border(
    zset_t z, by_t by, const end_t *end, bint is_upper
) noexcept nogil:
    """Return how many members lie below an end of a range."""
    cdef bpt_border_t border
    if end.is_first:
        return 0
    if end.is_last:
        return zset_len(z)
    if is_upper != end.is_exclusive:
        border = BPT_AFTER_SCORE if by == BY_SCORE else BPT_AFTER_MEMBER
    else:
        border = BPT_BEFORE_SCORE if by == BY_SCORE else BPT_BEFORE_MEMBER
    return zset_count_below(z, border, end.score, end.member, end.len)


cdef span_t _ranks(int64_t len, int64_t first, int64_t last) noexcept nogil:
    """Return the ranks from first to last, which count from the end if negative."""
    cdef span_t span
    span.first = 0
    span.n = 0
    if first < 0:
        first = max(first + len, 0)
    if last < 0:
        last += len
    last = min(last, len - 1)
    if first <= last:
        span.first = first
        span.n = last - first + 1
    return span


cdef span_t _span(zset_t z, const range_t *range) noexcept nogil:
    """Return the ranks of a range."""
    cdef size_t high
    cdef span_t span
    if range.by == BY_RANK:
        return _ranks(zset_len(z), range.ranks[0], range.ranks[1])
    span.first = _border(z, range.by, &range.ends[0], False)
    high = _border(z, range.by, &range.ends[1], True)
    span.n = high - span.first if high > span.first else 0
    return span


# --- Return or store --------------------------------------------------------------


cdef struct request_t:
    by_t by
    bint is_reverse
    bint is_direction_known
    bint with_scores
    bint has_limit
    int64_t offset
    int64_t limit               # negative: none


cdef status_t _options_or_reply(
    client_t *c, int i, bint is_store, request_t *r
) noexcept nogil:
    """Read the options of ZRANGE and its kin from argument i on."""
    cdef bint is_by_known = r.by != BY_AUTO
    r.with_scores = False
    r.has_limit = False
    r.offset = 0
    r.limit = -1
    while i < c.argc:
        if not is_store and arg_is(c, i, b"withscores"):
            r.with_scores = True
        elif i + 2 < c.argc and arg_is(c, i, b"limit"):
            if (arg_i64_or_reply(c, i + 1, &r.offset) != C_OK
                    or arg_i64_or_reply(c, i + 2, &r.limit) != C_OK):
                return C_ERR
            r.has_limit = r.limit != -1
            i += 2
        elif not r.is_direction_known and arg_is(c, i, b"rev"):
            r.is_reverse = True
            r.is_direction_known = True
        elif not is_by_known and arg_is(c, i, b"bylex"):
            r.by = BY_MEMBER
            is_by_known = True
        elif not is_by_known and arg_is(c, i, b"byscore"):
            r.by = BY_SCORE
            is_by_known = True
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    if r.by == BY_AUTO:
        r.by = BY_RANK
    if r.has_limit and r.by == BY_RANK:
        reply_error(
            c, b"ERR syntax error, LIMIT is only supported in combination with either "
            b"BYSCORE or BYLEX")
        return C_ERR
    if r.with_scores and r.by == BY_MEMBER:
        reply_error(
            c, b"ERR syntax error, WITHSCORES not supported in combination with BYLEX")
        return C_ERR
    return C_OK


cdef void _cut(span_t *span, const request_t *r) noexcept nogil:
    """Apply LIMIT, which counts from the end that the reply starts at."""
    cdef size_t n = span.n
    if r.offset < 0 or <size_t>r.offset >= n:
        span.n = 0
        return
    n -= r.offset
    if r.limit >= 0 and <size_t>r.limit < n:
        n = r.limit
    if r.is_reverse:
        span.first += span.n - r.offset - n
    else:
        span.first += r.offset
    span.n = n


cdef void _reply_span(
    client_t *c, zset_t z, const span_t *span, const request_t *r
) noexcept nogil:
    """Reply members: with scores in pairs in RESP3, one after the other in RESP2."""
    cdef bint are_pairs = r.with_scores and c.out.resp > 2
    cdef zset_entry_t entry
    cdef zset_iter_t it
    cdef size_t _i
    reply_array(c, 2 * span.n if r.with_scores and not are_pairs else span.n)
    if span.n == 0:
        return
    zset_seek(
        z, span.first + span.n - 1 if r.is_reverse else span.first, r.is_reverse, &it)
    for _i in range(span.n):
        zset_next(&it, &entry)
        if are_pairs:
            reply_array(c, 2)
        reply_bulk(c, entry.member, entry.len)
        if r.with_scores:
            reply_double(c, entry.score)


cdef void _zrange(
    client_t *c, int at, by_t by, bint is_reverse, bint is_direction_known
) noexcept nogil:
    """Do a ZRANGE whose source is argument at; 2: the result is stored at the first."""
    cdef bint is_store = at == 2
    cdef dbkey_t key, target
    cdef zset_limits_t limits
    cdef request_t r
    cdef range_t range
    cdef span_t span
    cdef zset_t result
    cdef obj_t *o
    cdef bint swapped
    r.by = by
    r.is_reverse = is_reverse
    r.is_direction_known = is_direction_known
    if _options_or_reply(c, at + 3, is_store, &r) != C_OK:
        return
    # where REV goes with scores or members, the greater end comes first
    swapped = r.is_reverse and r.by != BY_RANK
    if _range_or_reply(
            c, r.by, at + 2 if swapped else at + 1, at + 1 if swapped else at + 2,
            &range) != C_OK:
        return
    key = arg_key(c, at) if not is_store else dbkey(c.argv[at].ptr, c.argv[at].len)
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    span.first = 0
    span.n = 0
    if o != NULL:
        span = _span(zset_of(o), &range)
        if r.by == BY_RANK and r.is_reverse:
            # ranks count from the other end
            span = _ranks(zset_len(zset_of(o)), -1 - range.ranks[1],
                          -1 - range.ranks[0])
        if r.by != BY_RANK:
            _cut(&span, &r)
    if not is_store:
        if o == NULL:
            reply_array(c, 0)
        else:
            _reply_span(c, zset_of(o), &span, &r)
        return
    target = arg_key(c, 1)
    result.ptr = NULL
    if span.n:
        limits = zset_limits(c)
        result = zset_slice(zset_of(o), span.first, span.n, &limits)
    reply_int(c, zset_store(c, &target, result, b"zrangestore"))


cdef api void cmd_zrange(client_t *c) noexcept nogil:
    """ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]
    [WITHSCORES]"""
    _zrange(c, 1, BY_AUTO, False, False)


cdef api void cmd_zrangestore(client_t *c) noexcept nogil:
    """ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]"""
    _zrange(c, 2, BY_AUTO, False, False)


cdef api void cmd_zrevrange(client_t *c) noexcept nogil:
    """ZREVRANGE key start stop [WITHSCORES]"""
    _zrange(c, 1, BY_RANK, True, True)


cdef api void cmd_zrangebyscore(client_t *c) noexcept nogil:
    """ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]"""
    _zrange(c, 1, BY_SCORE, False, True)


cdef api void cmd_zrevrangebyscore(client_t *c) noexcept nogil:
    """ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]"""
    _zrange(c, 1, BY_SCORE, True, True)


cdef api void cmd_zrangebylex(client_t *c) noexcept nogil:
    """ZRANGEBYLEX key min max [LIMIT offset count]"""
    _zrange(c, 1, BY_MEMBER, False, True)


cdef api void cmd_zrevrangebylex(client_t *c) noexcept nogil:
    """ZREVRANGEBYLEX key max min [LIMIT offset count]"""
    _zrange(c, 1, BY_MEMBER, True, True)


# --- Count ------------------------------------------------------------------------


cdef inline void _zcount(client_t *c, by_t by) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef range_t range
    cdef obj_t *o
    if _range_or_reply(c, by, 2, 3, &range) != C_OK:
        return
    if zset_read_or_reply(c, &key, &o) == C_OK:
        reply_int(c, 0 if o == NULL else <int64_t>_span(zset_of(o), &range).n)


cdef api void cmd_zcount(client_t *c) noexcept nogil:
    """ZCOUNT key min max"""
    _zcount(c, BY_SCORE)


cdef api void cmd_zlexcount(client_t *c) noexcept nogil:
    """ZLEXCOUNT key min max"""
    _zcount(c, BY_MEMBER)


# --- Remove -----------------------------------------------------------------------


cdef inline void _zremrange(client_t *c, by_t by, const char *event) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef range_t range
    cdef span_t span
    cdef obj_t *o
    cdef zset_t z
    if _range_or_reply(c, by, 2, 3, &range) != C_OK:
        return
    if zset_write_or_reply(c, &key, &o) != C_OK:
        return
    if o == NULL:
        reply_int(c, 0)
        return
    z = zset_of(o)
    span = _span(z, &range)
    if span.n:
        zset_remove_ranks(&z, span.first, span.n)
        zset_after_removal(c, &key, o, z, event)
    reply_int(c, span.n)


cdef api void cmd_zremrangebyrank(client_t *c) noexcept nogil:
    """ZREMRANGEBYRANK key start stop"""
    _zremrange(c, BY_RANK, b"zremrangebyrank")


cdef api void cmd_zremrangebyscore(client_t *c) noexcept nogil:
    """ZREMRANGEBYSCORE key min max"""
    _zremrange(c, BY_SCORE, b"zremrangebyscore")


cdef api void cmd_zremrangebylex(client_t *c) noexcept nogil:
    """ZREMRANGEBYLEX key min max"""
    _zremrange(c, BY_MEMBER, b"zremrangebylex")
