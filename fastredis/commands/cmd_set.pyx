# SPDX-License-Identifier: BSD-3-Clause
r"""Set commands: add and remove, ask, draw at random, combine, scan.

A change works on the set apart from its key, which is put back or deleted at the end:

    find the object --> set_of --> set_add ... set_remove --> set_store, key_changed
                                                          \-> empty: delete, "del"

Members of several-argument commands and of combinations are handled in batches, the
memory of one batch's look-ups being loaded at once (in datatypes.set_ops, and in SADD
and SMISMEMBER here).
"""
from fastredis.commands.scan cimport (
    SCAN_MEMBERS,
    scan_cursor_or_reply,
    scan_matches,
    scan_options_or_reply,
    scan_options_t,
    scan_steps,
)
from fastredis.commands.set_reply cimport set_reply_member
from fastredis.core.mem cimport zfree, zrealloc
from fastredis.core.num cimport NUM_INT_BUF, num_format_i64, num_format_u64
from fastredis.core.rand cimport rand_below, rand_t
from fastredis.core.status cimport C_OK, fr_likely
from fastredis.datatypes.set_random cimport set_places, set_pop, set_random, set_sample
from fastredis.datatypes.t_set cimport (
    member_init,
    member_t,
    member_text,
    set_add,
    set_at_place,
    set_expect,
    set_has,
    set_iter,
    set_iter_t,
    set_len,
    set_limits_t,
    set_new,
    set_next,
    set_of,
    set_prefetch,
    set_remove,
    set_scan,
    set_store,
    set_t,
)
from fastredis.engine.args cimport arg_count_or_error, arg_key, arg_range_or_reply
from fastredis.engine.changed cimport (
    NOTIFY_GENERIC,
    NOTIFY_SET,
    key_changed,
    key_changed_n,
)
from fastredis.engine.client cimport (
    CLIENT_CLOSE_ASAP,
    client_check_output_limit,
    client_t,
)
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.propagate cimport (
    feed_bytes,
    feed_instead,
    feed_key,
    feed_text,
    is_fed,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_bulk_int,
    reply_error,
    reply_int,
    reply_null,
    reply_set,
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_find_write,
    db_set_pointer,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_ENC_LISTPACK, OBJ_SET, obj_t
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    BATCH = 16                  # members whose memory is loaded together
    LIMIT_CHECK = 4096          # random members between two looks at output limits
    FOUND_ROOM = 64             # members found by SSCAN before memory is asked for


# --- Keys and replies -------------------------------------------------------------


cdef void _visit_reply(void *ctx, member_t *m) noexcept nogil:
    """Reply a member: for functions that visit some."""
    set_reply_member(<client_t *>ctx, m)


cdef void _visit_popped(void *ctx, member_t *m) noexcept nogil:
    """Reply a member, and have it written down."""
    cdef client_t *c = <client_t *>ctx
    cdef member_t copy
    set_reply_member(c, m)
    if is_fed(c):
        copy = m[0]
        member_text(&copy)
        feed_bytes(c, copy.ptr, copy.len)


cdef inline void _arg_member(client_t *c, int i, member_t *m) noexcept nogil:
    member_init(m, c.argv[i].ptr, c.argv[i].len)


cdef void _put_back(
    client_t *c, const dbkey_t *key, obj_t *o, set_t s, const char *event, size_t n
) noexcept nogil:
    """Put a set that lost n members back into its object, or delete it."""
    set_store(o, s)
    key_changed_n(c, key, NOTIFY_SET, event, n)
    if set_len(s) == 0:
        db_delete(c.db, key)
        key_changed(c, key, NOTIFY_GENERIC, b"del")


cdef void _reply_all(client_t *c, set_t s) noexcept nogil:
    """Reply each member, after the head."""
    cdef set_iter_t it
    cdef member_t m
    set_iter(&it, s)
    while set_next(&it, &m):
        set_reply_member(c, &m)


# --- Add and remove ---------------------------------------------------------------


cdef int64_t _add_args(client_t *c, set_t *s, int i) noexcept nogil:
    """Add the arguments from i on; return how many were absent."""
    cdef const set_limits_t *limits = &c.srv.set_limits
    cdef member_t batch[BATCH]
    cdef int64_t added = 0
    cdef int k, n
    while i < c.argc:
        n = min(c.argc - i, <int>BATCH)
        for k in range(n):
            _arg_member(c, i + k, &batch[k])
            if n > 1:
                set_prefetch(s[0], &batch[k])
        for k in range(n):
            added += set_add(s, &batch[k], limits)
        i += n
    return added


cdef api void cmd_sadd(client_t *c) noexcept nogil:
    """SADD key member [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int64_t added
    cdef member_t m
    cdef set_t s
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if fr_likely(o != NULL):
        s = set_of(o)
        set_expect(&s, c.argc - 2, &c.srv.set_limits)
    else:
        _arg_member(c, 2, &m)
        s = set_new(&m, c.argc - 2, &c.srv.set_limits)
    added = _add_args(c, &s, 2)
    if fr_likely(o != NULL):
        set_store(o, s)
    else:
        db_set_pointer(c.db, &key, OBJ_SET, s.enc, s.value, DB_NO_TTL)
    if added:
        key_changed_n(c, &key, NOTIFY_SET, b"sadd", added)
    reply_int(c, added)


cdef api void cmd_srem(client_t *c) noexcept nogil:
    """SREM key member [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int64_t removed = 0
    cdef member_t m
    cdef set_t s
    cdef int i
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL:
        reply_int(c, 0)
        return
    s = set_of(o)
    for i in range(2, c.argc):
        _arg_member(c, i, &m)
        if set_remove(&s, &m):
            removed += 1
            if set_len(s) == 0:
                break
    if removed:
        _put_back(c, &key, o, s, b"srem", removed)
    reply_int(c, removed)


cdef api void cmd_smove(client_t *c) noexcept nogil:
    """SMOVE source destination member"""
    cdef dbkey_t src_key = arg_key(c, 1), dst_key = arg_key(c, 2)
    cdef obj_t *src = db_find_write(c.db, &src_key)
    cdef obj_t *dst = db_find_write(c.db, &dst_key)
    cdef set_t s
    cdef member_t m
    cdef bint added
    if src == NULL:
        reply_int(c, 0)
        return
    if type_or_reply(c, src, OBJ_SET) != C_OK:
        return
    if type_or_reply(c, dst, OBJ_SET) != C_OK:
        return
    _arg_member(c, 3, &m)
    s = set_of(src)
    if src == dst:
        reply_int(c, set_has(s, &m))
        return
    if not set_remove(&s, &m):
        reply_int(c, 0)
        return
    _put_back(c, &src_key, src, s, b"srem", 1)
    if dst != NULL:
        s = set_of(dst)
    else:
        s = set_new(&m, 1, &c.srv.set_limits)
    added = set_add(&s, &m, &c.srv.set_limits)
    if dst != NULL:
        set_store(dst, s)
    else:
        db_set_pointer(c.db, &dst_key, OBJ_SET, s.enc, s.value, DB_NO_TTL)
    if added:
        key_changed(c, &dst_key, NOTIFY_SET, b"sadd")
    reply_int(c, 1)


# --- Ask --------------------------------------------------------------------------


cdef api void cmd_scard(client_t *c) noexcept nogil:
    """SCARD key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_SET) == C_OK:
        reply_int(c, 0 if o == NULL else <int64_t>set_len(set_of(o)))


cdef api void cmd_sismember(client_t *c) noexcept nogil:
    """SISMEMBER key member"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef member_t m
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    _arg_member(c, 2, &m)
    reply_int(c, o != NULL and set_has(set_of(o), &m))


cdef api void cmd_smismember(client_t *c) noexcept nogil:
    """SMISMEMBER key member [member ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef member_t batch[BATCH]
    cdef int i = 2, k, n
    cdef set_t s
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    reply_array(c, c.argc - 2)
    if o == NULL:
        while i < c.argc:
            reply_int(c, 0)
            i += 1
        return
    s = set_of(o)
    while i < c.argc:
        n = min(c.argc - i, <int>BATCH)
        for k in range(n):
            _arg_member(c, i + k, &batch[k])
            set_prefetch(s, &batch[k])
        for k in range(n):
            reply_int(c, set_has(s, &batch[k]))
        i += n


cdef api void cmd_smembers(client_t *c) noexcept nogil:
    """SMEMBERS key"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef set_t s
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL:
        reply_set(c, 0)
        return
    s = set_of(o)
    reply_set(c, set_len(s))
    _reply_all(c, s)


# --- Random members ---------------------------------------------------------------


cdef inline rand_t *_rand(client_t *c) noexcept nogil:
    return &c.db.ks.rand


cdef void _spop_count(client_t *c) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef size_t len
    cdef int64_t count
    cdef obj_t *o
    cdef set_t s
    if arg_count_or_error(
            c, 2, b"ERR value is out of range, must be positive", &count) != C_OK:
        return
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL or count == 0:
        reply_set(c, 0)
        return
    s = set_of(o)
    len = set_len(s)
    if <size_t>count >= len:
        reply_set(c, len)
        _reply_all(c, s)
        key_changed_n(c, &key, NOTIFY_SET, b"spop", len)
        db_delete(c.db, &key)
        key_changed(c, &key, NOTIFY_GENERIC, b"del")
        feed_key(c, b"UNLINK" if c.db.ks.is_lazy_server_del else b"DEL", &key)
        return
    reply_set(c, count)
    feed_instead(c, 2 + <int>count)
    feed_text(c, b"SREM")
    feed_bytes(c, key.ptr, key.len)
    set_pop(&s, count, _rand(c), &c.srv.set_limits, _visit_popped, c)
    _put_back(c, &key, o, s, b"spop", count)


cdef api void cmd_spop(client_t *c) noexcept nogil:
    """SPOP key [count]"""
    cdef dbkey_t key
    cdef obj_t *o
    cdef member_t m
    cdef set_t s
    if c.argc == 3:
        _spop_count(c)
        return
    if c.argc > 3:
        reply_error(c, ERR_SYNTAX)
        return
    key = arg_key(c, 1)
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL:
        reply_null(c)
        return
    s = set_of(o)
    set_random(s, _rand(c), &m)
    feed_instead(c, 3)
    feed_text(c, b"SREM")
    feed_bytes(c, key.ptr, key.len)
    _visit_popped(c, &m)
    set_remove(&s, &m)
    _put_back(c, &key, o, s, b"spop", 1)


cdef void _repeat_random(client_t *c, set_t s, int64_t count) noexcept nogil:
    """Reply count random members, any of them as often as it comes."""
    cdef uint8_t **places = NULL
    cdef size_t len = set_len(s)
    cdef member_t m
    cdef int64_t i
    reply_array(c, count)
    if s.enc == OBJ_ENC_LISTPACK:
        places = set_places(s)
    for i in range(count):
        if places != NULL:
            set_at_place(places[rand_below(_rand(c), len)], &m)
        else:
            set_random(s, _rand(c), &m)
        set_reply_member(c, &m)
        # the client may ask for more than anybody's memory holds
        if i % LIMIT_CHECK == LIMIT_CHECK - 1:
            if client_check_output_limit(c) or c.flags & CLIENT_CLOSE_ASAP:
                break
    zfree(places)


cdef void _srandmember_count(client_t *c) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef int64_t count
    cdef size_t len
    cdef obj_t *o
    cdef set_t s
    if arg_range_or_reply(c, 2, -INT64_MAX, INT64_MAX, &count) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL or count == 0:
        reply_array(c, 0)
        return
    s = set_of(o)
    len = set_len(s)
    if count < 0:
        _repeat_random(c, s, -count)
    elif <size_t>count >= len:
        reply_array(c, len)
        _reply_all(c, s)
    else:
        reply_array(c, count)
        set_sample(s, count, _rand(c), _visit_reply, c)


cdef api void cmd_srandmember(client_t *c) noexcept nogil:
    """SRANDMEMBER key [count]"""
    cdef dbkey_t key
    cdef obj_t *o
    cdef member_t m
    if c.argc == 3:
        _srandmember_count(c)
        return
    if c.argc > 3:
        reply_error(c, ERR_SYNTAX)
        return
    key = arg_key(c, 1)
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL:
        reply_null(c)
        return
    set_random(set_of(o), _rand(c), &m)
    set_reply_member(c, &m)


# --- Scan -------------------------------------------------------------------------


# A member found: bytes of the set, or a number (ptr NULL).
cdef struct found_t:
    const char *ptr
    size_t len
    int64_t num

# What SSCAN has found; the cursor comes before it in the reply.
cdef struct sscan_t:
    scan_options_t options
    int64_t nseen               # whether they match or not
    found_t *found              # room, or memory of its own
    size_t nfound
    size_t cap
    found_t room[FOUND_ROOM]


cdef bint _matches(const scan_options_t *options, const member_t *m) noexcept nogil:
    """Return whether a member is wanted; an integer is written out only to be asked."""
    cdef char[NUM_INT_BUF] digits
    if options.pattern == NULL:
        return True
    if m.ptr != NULL:
        return scan_matches(options, m.ptr, m.len)
    return scan_matches(options, digits, num_format_i64(digits, m.num))


cdef void _sscan_visit(void *ctx, member_t *m) noexcept nogil:
    cdef sscan_t *s = <sscan_t *>ctx
    cdef found_t *more
    s.nseen += 1
    if not _matches(&s.options, m):
        return
    if s.nfound == s.cap:
        more = NULL if s.found == s.room else s.found
        more = <found_t *>zrealloc(more, 2 * s.cap * sizeof(found_t))
        if s.found == s.room:
            memcpy(more, s.room, s.nfound * sizeof(found_t))
        s.found = more
        s.cap *= 2
    s.found[s.nfound].ptr = m.ptr
    s.found[s.nfound].len = m.len
    s.found[s.nfound].num = m.num
    s.nfound += 1


cdef api void cmd_sscan(client_t *c) noexcept nogil:
    """SSCAN key cursor [MATCH pattern] [COUNT count]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[NUM_INT_BUF] digits
    cdef uint64_t cursor
    cdef int64_t steps
    cdef size_t i
    cdef obj_t *o
    cdef sscan_t s
    if scan_cursor_or_reply(c, 2, &cursor) != C_OK:
        return
    o = db_find_read(c.db, &key)
    if type_or_reply(c, o, OBJ_SET) != C_OK:
        return
    if o == NULL:
        reply_array(c, 2)
        reply_bulk(c, b"0", 1)
        reply_array(c, 0)
        return
    if scan_options_or_reply(c, 3, SCAN_MEMBERS, &s.options) != C_OK:
        return
    s.nseen = 0
    s.found = s.room
    s.nfound = 0
    s.cap = FOUND_ROOM
    steps = scan_steps(s.options.count)
    while True:
        cursor = set_scan(set_of(o), cursor, _sscan_visit, &s)
        steps -= 1
        if cursor == 0 or s.nseen >= s.options.count or steps == 0:
            break
    reply_array(c, 2)
    reply_bulk(c, digits, num_format_u64(digits, cursor))
    reply_array(c, s.nfound)
    for i in range(s.nfound):
        if s.found[i].ptr == NULL:
            reply_bulk_int(c, s.found[i].num)
        else:
            reply_bulk(c, s.found[i].ptr, s.found[i].len)
    if s.found != s.room:
        zfree(s.found)
