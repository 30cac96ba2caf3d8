# SPDX-License-Identifier: BSD-3-Clause
r"""Sorted set commands on members: add, remove, look up, pick at random, scan.

Ranges are in cmd_zrange.pyx, taking from the ends in cmd_zpop.pyx, unions and their kin
in cmd_zcombine.pyx. Each is a look-up, one call of datatypes/t_zset or a few, a reply.
"""
from fastredis.core.mem cimport zfree, zmalloc, zrealloc
from fastredis.core.num cimport (
    NUM_DOUBLE_BUF,
    num_format_double,
    num_format_u64,
)
from fastredis.core.rand cimport rand_below
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.commands.scan cimport (
    SCAN_NOSCORES,
    scan_cursor_or_reply,
    scan_matches,
    scan_options_or_reply,
    scan_options_t,
    scan_steps,
)
from fastredis.commands.zset_key cimport (
    zset_after_removal,
    zset_limits,
    zset_member_or_reply,
    zset_read_or_reply,
    zset_write_or_reply,
)
from fastredis.datatypes.t_zset cimport (
    ZADD_GT,
    ZADD_INCR,
    ZADD_LT,
    ZADD_NX,
    ZADD_XX,
    ZSET_ADDED,
    ZSET_NAN,
    ZSET_REFUSED,
    ZSET_UPDATED,
    zset_add,
    zset_added_t,
    zset_entry_t,
    zset_is_compact,
    zset_iter_t,
    zset_keep,
    zset_len,
    zset_limits_t,
    zset_new,
    zset_next,
    zset_of,
    zset_pick,
    zset_pick_rank,
    zset_picker_free,
    zset_picker_init,
    zset_picker_t,
    zset_rank,
    zset_remove,
    zset_scan,
    zset_score,
    zset_seek,
    zset_t,
)
from fastredis.engine.args cimport (
    arg_double_or_reply,
    arg_is,
    arg_key,
    arg_range_or_reply,
)
from fastredis.engine.changed cimport NOTIFY_ZSET, key_changed
from fastredis.engine.client cimport client_check_output_limit, client_t
from fastredis.engine.errors cimport (
    ERR_SYNTAX,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_double,
    reply_error,
    reply_int,
    reply_null,
    reply_null_array,
    reply_wrong_arity,
)
from fastredis.keyspace.db cimport DB_NO_TTL, db_set_pointer, dbkey_t
from fastredis.keyspace.obj cimport OBJ_ZSET, obj_t
from libc.stdint cimport INT64_MAX, SIZE_MAX, int64_t, uint64_t

cdef enum:
    ZADD_CH = 1 << 10           # beside the ZADD_* of t_zset
    SCORES_ROOM = 32            # scores read ahead without an allocation
    SCAN_ROOM = 64
    LIMIT_CHECK = 1024          # members between two looks at the output limit


# --- Add --------------------------------------------------------------------------


cdef int _zadd_flag(client_t *c, int i) noexcept nogil:
    """Return what argument i stands for, 0 if it is no option."""
    if c.argv[i].len != 2:
        return ZADD_INCR if arg_is(c, i, b"incr") else 0
    if arg_is(c, i, b"nx"):
        return ZADD_NX
    if arg_is(c, i, b"xx"):
        return ZADD_XX
    if arg_is(c, i, b"ch"):
        return ZADD_CH
    if arg_is(c, i, b"gt"):
        return ZADD_GT
    if arg_is(c, i, b"lt"):
        return ZADD_LT
    return 0


cdef status_t _zadd_options_or_reply(
    client_t *c, int *first_out, int *flags_out
) noexcept nogil:
    """Read the options of ZADD; first_out: the first score."""
    cdef int i = 2, flags = 0, flag
    while i < c.argc:
        flag = _zadd_flag(c, i)
        if flag == 0:
            break
        flags |= flag
        i += 1
    if i == c.argc or (c.argc - i) % 2:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    if flags & ZADD_NX and flags & ZADD_XX:
        reply_error(c, b"ERR XX and NX options at the same time are not compatible")
        return C_ERR
    if (flags & ZADD_GT and flags & (ZADD_NX | ZADD_LT)) or (
            flags & ZADD_LT and flags & ZADD_NX):
        reply_error(
            c, b"ERR GT, LT, and/or NX options at the same time are not compatible")
        return C_ERR
    if flags & ZADD_INCR and c.argc - i > 2:
        reply_error(c, b"ERR INCR option supports a single increment-element pair")
        return C_ERR
    first_out[0] = i
    flags_out[0] = flags
    return C_OK


cdef void _zadd(client_t *c, int first, int flags) noexcept nogil:
    """Add the pairs of score and member from argument first on."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef zset_limits_t limits = zset_limits(c)
    cdef int npairs = (c.argc - first) // 2, i
    cdef double[SCORES_ROOM] room
    cdef double *scores = room
    cdef double score = 0
    cdef size_t longest = 0
    cdef int64_t nadded = 0, nupdated = 0
    cdef zset_added_t done = ZSET_REFUSED
    cdef obj_t *o
    cdef zset_t z
    if npairs > SCORES_ROOM:
        scores = <double *>zmalloc(npairs * sizeof(double))
    # nothing is changed before all scores have been read
    for i in range(npairs):
        if (arg_double_or_reply(c, first + 2 * i, &scores[i]) != C_OK
                or zset_member_or_reply(c, first + 2 * i + 1) != C_OK):
            if scores != room:
                zfree(scores)
            return
        longest = max(longest, c.argv[first + 2 * i + 1].len)
    if zset_write_or_reply(c, &key, &o) != C_OK:
        pass
    elif o == NULL and flags & ZADD_XX:
        if flags & ZADD_INCR:
            reply_null(c)
        else:
            reply_int(c, 0)
    else:
        z = zset_new(&limits, npairs, longest) if o == NULL else zset_of(o)
        for i in range(npairs):
            done = zset_add(
                &z, &limits, scores[i], c.argv[first + 2 * i + 1].ptr,
                c.argv[first + 2 * i + 1].len, flags, &score)
            nadded += done == ZSET_ADDED
            nupdated += done == ZSET_UPDATED
        if o == NULL:
            db_set_pointer(c.db, &key, OBJ_ZSET, z.enc, z.ptr, DB_NO_TTL)
        else:
            zset_keep(o, z)
        if flags & ZADD_INCR == 0:
            reply_int(c, nadded + nupdated if flags & ZADD_CH else nadded)
        elif done == ZSET_NAN:
            reply_error(c, b"ERR resulting score is not a number (NaN)")
        elif done == ZSET_REFUSED:
            reply_null(c)
        else:
            reply_double(c, score)
        if nadded or nupdated:
            key_changed(
                c, &key, NOTIFY_ZSET, b"zincr" if flags & ZADD_INCR else b"zadd")
    if scores != room:
        zfree(scores)


cdef api void cmd_zadd(client_t *c) noexcept nogil:
    """ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]"""
    cdef int first, flags
    if _zadd_options_or_reply(c, &first, &flags) == C_OK:
        _zadd(c, first, flags)


cdef api void cmd_zincrby(client_t *c) noexcept nogil:
    """ZINCRBY key increment member"""
    if _zadd_flag(c, 2):
        # as an option it would leave a score without a member
        reply_error(c, ERR_SYNTAX)
        return
    _zadd(c, 2, ZADD_INCR)


# --- Remove -----------------------------------------------------------------------


cdef api void cmd_zrem(client_t *c) noexcept nogil:
    """ZREM key member [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t nremoved = 0
    cdef int i
    cdef obj_t *o
    cdef zset_t z
    if zset_write_or_reply(c, &key, &o) != C_OK:
        return
    if o != NULL:
        z = zset_of(o)
        for i in range(2, c.argc):
            nremoved += zset_remove(&z, c.argv[i].ptr, c.argv[i].len)
            if zset_len(z) == 0:
                break
        if nremoved:
            zset_after_removal(c, &key, o, z, b"zrem")
    reply_int(c, nremoved)


# --- Look up ----------------------------------------------------------------------


cdef api void cmd_zcard(client_t *c) noexcept nogil:
    """ZCARD key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o
    if zset_read_or_reply(c, &key, &o) == C_OK:
        reply_int(c, 0 if o == NULL else <int64_t>zset_len(zset_of(o)))


cdef inline void _reply_score(client_t *c, const obj_t *o, int i) noexcept nogil:
    """Reply the score of the member that argument i is, or null."""
    cdef double score
    if o != NULL and zset_score(zset_of(o), c.argv[i].ptr, c.argv[i].len, &score):
        reply_double(c, score)
    else:
        reply_null(c)


cdef api void cmd_zscore(client_t *c) noexcept nogil:
    """ZSCORE key member"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o
    if zset_read_or_reply(c, &key, &o) == C_OK:
        _reply_score(c, o, 2)


cdef api void cmd_zmscore(client_t *c) noexcept nogil:
    """ZMSCORE key member [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o
    cdef int i
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    reply_array(c, c.argc - 2)
    for i in range(2, c.argc):
        _reply_score(c, o, i)


cdef inline void _zrank(client_t *c, bint is_reverse) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint with_score = c.argc == 4
    cdef double score
    cdef size_t rank
    cdef obj_t *o
    if c.argc > 4:
        reply_wrong_arity(c)
        return
    if with_score and not arg_is(c, 3, b"withscore"):
        reply_error(c, ERR_SYNTAX)
        return
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    if o == NULL or not zset_rank(
            zset_of(o), c.argv[2].ptr, c.argv[2].len, &rank, &score):
        if with_score:
            reply_null_array(c)
        else:
            reply_null(c)
        return
    if is_reverse:
        rank = zset_len(zset_of(o)) - 1 - rank
    if with_score:
        reply_array(c, 2)
    reply_int(c, rank)
    if with_score:
        reply_double(c, score)


cdef api void cmd_zrank(client_t *c) noexcept nogil:
    """ZRANK key member [WITHSCORE]"""
    _zrank(c, False)


cdef api void cmd_zrevrank(client_t *c) noexcept nogil:
    """ZREVRANK key member [WITHSCORE]"""
    _zrank(c, True)


# --- Pick at random ---------------------------------------------------------------


cdef inline void _reply_entry(
    client_t *c, const zset_entry_t *entry, bint with_scores
) noexcept nogil:
    """Reply a member, and its score: beside it in RESP2, both in a pair in RESP3."""
    if with_scores and c.out.resp > 2:
        reply_array(c, 2)
    reply_bulk(c, entry.member, entry.len)
    if with_scores:
        reply_double(c, entry.score)


cdef inline void _reply_entries_head(
    client_t *c, size_t n, bint with_scores
) noexcept nogil:
    reply_array(c, 2 * n if with_scores and c.out.resp == 2 else n)


cdef void _pick_with_repetition(
    client_t *c, zset_picker_t *picker, uint64_t n, bint with_scores
) noexcept nogil:
    cdef zset_entry_t entry
    cdef uint64_t i
    _reply_entries_head(c, n, with_scores)
    for i in range(n):
        zset_pick(picker, &entry)
        _reply_entry(c, &entry, with_scores)
        # any number may be asked for, of however few
        if i % LIMIT_CHECK == LIMIT_CHECK - 1 and client_check_output_limit(c):
            return


cdef void _pick_distinct(
    client_t *c, zset_picker_t *picker, size_t n, bint with_scores
) noexcept nogil:
    """Reply n different members; n is less than the set has.

    Of few out of many, ranks are drawn until they are new, which a small hash table
    tells; otherwise each member is taken with the chance that is left for it (Knuth's
    selection sampling).
    """
    cdef size_t len = zset_len(picker.z), need = n, i, cap = 16, at
    cdef size_t *taken
    cdef zset_entry_t entry
    cdef zset_iter_t it
    _reply_entries_head(c, n, with_scores)
    if n >= len // 8:
        zset_seek(picker.z, 0, False, &it)
        for i in range(len):
            zset_next(&it, &entry)
            if rand_below(picker.rand, len - i) < need:
                _reply_entry(c, &entry, with_scores)
                need -= 1
        return
    while cap < 2 * n:
        cap *= 2
    taken = <size_t *>zmalloc(cap * sizeof(size_t))
    for i in range(cap):
        taken[i] = SIZE_MAX
    while need:
        i = rand_below(picker.rand, len)
        at = (i * <size_t>0x9E3779B97F4A7C15ULL >> 20) & (cap - 1)
        while taken[at] != SIZE_MAX and taken[at] != i:
            at = (at + 1) & (cap - 1)
        if taken[at] == i:
            continue
        taken[at] = i
        need -= 1
        zset_pick_rank(picker, i, &entry)
        _reply_entry(c, &entry, with_scores)
    zfree(taken)


cdef void _reply_all(client_t *c, zset_t z, bint with_scores) noexcept nogil:
    cdef zset_entry_t entry
    cdef zset_iter_t it
    _reply_entries_head(c, zset_len(z), with_scores)
    zset_seek(z, 0, False, &it)
    while zset_next(&it, &entry):
        _reply_entry(c, &entry, with_scores)


cdef api void cmd_zrandmember(client_t *c) noexcept nogil:
    """ZRANDMEMBER key [count [WITHSCORES]]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef bint with_scores = False
    cdef int64_t count = 1
    cdef zset_picker_t picker
    cdef zset_entry_t entry
    cdef obj_t *o
    if c.argc > 2:
        if arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, &count) != C_OK:
            return
        if c.argc > 4 or (c.argc == 4 and not arg_is(c, 3, b"withscores")):
            reply_error(c, ERR_SYNTAX)
            return
        with_scores = c.argc == 4
        if with_scores and not -(INT64_MAX // 2) <= count <= INT64_MAX // 2:
            reply_error(c, b"ERR value is out of range")
            return
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    if o == NULL:
        if c.argc == 2:
            reply_null(c)
        else:
            reply_array(c, 0)
        return
    if count == 0:
        reply_array(c, 0)
        return
    if count > 0 and <uint64_t>count >= zset_len(zset_of(o)) and c.argc > 2:
        _reply_all(c, zset_of(o), with_scores)
        return
    zset_picker_init(&picker, zset_of(o), &c.srv.ks.rand)
    if c.argc == 2:
        zset_pick(&picker, &entry)
        reply_bulk(c, entry.member, entry.len)
    elif count < 0:
        _pick_with_repetition(c, &picker, -count, with_scores)
    else:
        _pick_distinct(c, &picker, count, with_scores)
    zset_picker_free(&picker)


# --- Scan -------------------------------------------------------------------------


cdef struct found_t:
    const char *member
    size_t len
    double score


# What ZSCAN was asked for, and what its steps have met: the cursor is replied first.
cdef struct zscan_t:
    scan_options_t options
    int64_t nseen
    found_t *found              # room, or memory of its own
    size_t nfound
    size_t cap
    found_t room[SCAN_ROOM]


cdef void _zscan_visit(
    void *ctx, const char *member, size_t nbytes, double score
) noexcept nogil:
    cdef zscan_t *s = <zscan_t *>ctx
    cdef found_t *more
    cdef size_t i
    s.nseen += 1
    if not scan_matches(&s.options, member, nbytes):
        return
    if s.nfound == s.cap:
        s.cap *= 2
        if s.found == s.room:
            more = <found_t *>zmalloc(s.cap * sizeof(found_t))
            for i in range(s.nfound):
                more[i] = s.room[i]
            s.found = more
        else:
            s.found = <found_t *>zrealloc(s.found, s.cap * sizeof(found_t))
    s.found[s.nfound].member = member
    s.found[s.nfound].len = nbytes
    s.found[s.nfound].score = score
    s.nfound += 1


cdef void _reply_scanned(client_t *c, const zscan_t *s, uint64_t cursor) noexcept nogil:
    """Reply the cursor and the members; scores are text, in RESP3, too."""
    cdef char[NUM_DOUBLE_BUF] text
    cdef size_t i
    reply_array(c, 2)
    reply_bulk(c, text, num_format_u64(text, cursor))
    reply_array(c, s.nfound if s.options.is_novalues else 2 * s.nfound)
    for i in range(s.nfound):
        reply_bulk(c, s.found[i].member, s.found[i].len)
        if not s.options.is_novalues:
            reply_bulk(
                c, text, num_format_double(text, NUM_DOUBLE_BUF, s.found[i].score))


cdef void _scan_compact(client_t *c, zset_t z, zscan_t *s) noexcept nogil:
    """Reply a set that is one block, whatever the cursor."""
    cdef size_t n = zset_len(z), i
    # each entry has room of its own for the text of a member that is an integer
    cdef zset_entry_t *entries = <zset_entry_t *>zmalloc(n * sizeof(zset_entry_t))
    cdef zset_iter_t it
    zset_seek(z, 0, False, &it)
    for i in range(n):
        zset_next(&it, &entries[i])
        _zscan_visit(s, entries[i].member, entries[i].len, entries[i].score)
    _reply_scanned(c, s, 0)
    zfree(entries)


cdef api void cmd_zscan(client_t *c) noexcept nogil:
    """ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t steps
    cdef uint64_t cursor
    cdef zscan_t s
    cdef obj_t *o
    if scan_cursor_or_reply(c, 2, &cursor) != C_OK:
        return
    if zset_read_or_reply(c, &key, &o) != C_OK:
        return
    s.nseen = 0
    s.found = s.room
    s.nfound = 0
    s.cap = SCAN_ROOM
    if o == NULL:
        s.options.is_novalues = False
        _reply_scanned(c, &s, 0)
        return
    if scan_options_or_reply(c, 3, SCAN_NOSCORES, &s.options) != C_OK:
        return
    if zset_is_compact(zset_of(o)):
        _scan_compact(c, zset_of(o), &s)
    else:
        steps = scan_steps(s.options.count)
        while True:
            cursor = zset_scan(zset_of(o), cursor, _zscan_visit, &s)
            steps -= 1
            if cursor == 0 or s.nseen >= s.options.count or steps == 0:
                break
        _reply_scanned(c, &s, cursor)
    if s.found != s.room:
        zfree(s.found)
