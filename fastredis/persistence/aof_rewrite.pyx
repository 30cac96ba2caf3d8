# SPDX-License-Identifier: BSD-3-Clause
r"""Keys as the requests that make them: a base without an RDB preamble.

    string   SET k v                    hash    HSET k f v f v ...   (64 at a time)
    list     RPUSH k e e ...                    HPEXPIREAT k ms FIELDS 1 f
    set      SADD k m m ...             any     PEXPIREAT k ms
    zset     ZADD k s m s m ...

    stream   XADD k id f v ...          (once for each entry)
             XSETID k id ENTRIESADDED n MAXDELETEDID id
             XGROUP CREATE k g id ENTRIESREAD n
             XGROUP CREATECONSUMER k g c
             XCLAIM k g c 0 id TIME ms RETRYCOUNT n FORCE JUSTID

What groups have pending though the stream has it no more, or nobody has any more,
cannot be said in that way: RESTORE k 0 payload. When consumers were seen is not
written.

Cost: O(bytes), for sorted sets as for walking them. Threads: any, so long as the
values do not change: a forked child has them to itself.
"""
from fastredis.core.num cimport (
    NUM_DOUBLE_BUF,
    num_format_double,
    num_format_i64,
    num_format_u64,
)
from fastredis.datatypes.stream_groups cimport (
    sconsumer_t,
    sgroup_t,
    snack_t,
)
from fastredis.datatypes.stream_idmp cimport (
    SIDMP_DURATION_DEFAULT,
    SIDMP_LEN_DEFAULT,
    sidmp_t,
)
from fastredis.datatypes.t_hash cimport hash_live, hash_pair_t, hash_walk
from fastredis.datatypes.t_list cimport (
    list_end,
    list_iter_t,
    list_len,
    list_move,
    list_seek,
    list_text,
)
from fastredis.datatypes.t_set cimport (
    member_t,
    member_text,
    set_iter,
    set_iter_t,
    set_len,
    set_next,
    set_of,
)
from fastredis.datatypes.t_stream cimport (
    sid,
    sid_is_zero,
    sid_max,
    stream_field,
    stream_has,
    stream_iter,
    stream_iter_t,
    stream_next,
    stream_of,
    stream_t,
)
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.datatypes.t_zset cimport (
    zset_entry_t,
    zset_iter_t,
    zset_len,
    zset_next,
    zset_of,
    zset_seek,
    zset_t,
)
from fastredis.core.status cimport C_OK
from fastredis.ds.listpack cimport LP_INT_BUF, lp_value_t
from fastredis.ds.streamindex cimport (
    sid_cmp,
    sid_t,
    sidx_at,
    sidx_first,
    sidx_next,
    sidx_pos_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_HASH,
    OBJ_LIST,
    OBJ_NO_EXPIRE,
    OBJ_SET,
    OBJ_STREAM,
    OBJ_STRING,
    obj_expire_ms,
    obj_key,
    obj_type,
)
from fastredis.persistence.rdb cimport rdb_dump
from fastredis.persistence.rdb_io cimport rdb_out_free, rdb_out_init, rdb_put_bytes
from libc.stdint cimport INT64_MAX, uint64_t
from libc.string cimport strlen

cdef enum:
    DIGITS = 24
    ITEMS = 64                      # elements, members or fields of one request


# --- Requests ---------------------------------------------------------------------


cdef void _put_count(rdb_out_t *out, char kind, uint64_t n) noexcept nogil:
    cdef char[DIGITS + 3] line
    cdef int len
    line[0] = kind
    len = 1 + num_format_u64(line + 1, n)
    line[len] = b"\r"
    line[len + 1] = b"\n"
    rdb_put_bytes(out, line, len + 2)


cdef void _put_arg(rdb_out_t *out, const char *s, size_t nbytes) noexcept nogil:
    _put_count(out, b"$", nbytes)
    rdb_put_bytes(out, s, nbytes)
    rdb_put_bytes(out, b"\r\n", 2)


cdef void _put_i64(rdb_out_t *out, int64_t v) noexcept nogil:
    cdef char[DIGITS] digits
    _put_arg(out, digits, num_format_i64(digits, v))


cdef void _put_key(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef size_t n
    cdef const char *key = obj_key(o, &n)
    _put_arg(out, key, n)


cdef void _begin(
    rdb_out_t *out, int argc, const char *name, const obj_t *o
) noexcept nogil:
    """Begin a request whose first argument is the key."""
    _put_count(out, b"*", argc)
    _put_arg(out, name, strlen(name))
    _put_key(out, o)


# A collection that is put out some items at a time.
cdef struct run_t:
    rdb_out_t *out
    const obj_t *o
    const char *name
    int nargs                       # of an item
    size_t left                     # items that are still to come
    size_t room                     # for so many in the request that is open


cdef void _run_init(
    run_t *r, rdb_out_t *out, const obj_t *o, const char *name, int nargs, size_t n
) noexcept nogil:
    r.out = out
    r.o = o
    r.name = name
    r.nargs = nargs
    r.left = n
    r.room = 0


cdef void _run_next(run_t *r) noexcept nogil:
    """Make room for an item, whose arguments follow."""
    if r.room == 0:
        r.room = min(r.left, <size_t>ITEMS)
        _begin(r.out, 2 + r.nargs * <int>r.room, r.name, r.o)
    r.room -= 1
    r.left -= 1


# --- Values -----------------------------------------------------------------------


cdef void _put_list(rdb_out_t *out, obj_t *o) noexcept nogil:
    cdef char[LP_INT_BUF] digits
    cdef list_iter_t it
    cdef const char *s
    cdef size_t n, i, len = list_len(o)
    cdef run_t r
    _run_init(&r, out, o, b"RPUSH", 1, len)
    list_seek(o, 0, &it)
    for i in range(len):
        if i:
            list_move(&it, True)
        s = list_text(&it, digits, &n)
        _run_next(&r)
        _put_arg(out, s, n)
    list_end(&it)


cdef void _put_set(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef set_iter_t it
    cdef member_t m
    cdef run_t r
    _run_init(&r, out, o, b"SADD", 1, set_len(set_of(o)))
    set_iter(&it, set_of(o))
    while set_next(&it, &m):
        member_text(&m)
        _run_next(&r)
        _put_arg(out, m.ptr, m.len)


cdef void _put_zset(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef char[NUM_DOUBLE_BUF] digits
    cdef zset_t z = zset_of(o)
    cdef zset_entry_t entry
    cdef zset_iter_t it
    cdef run_t r
    _run_init(&r, out, o, b"ZADD", 2, zset_len(z))
    zset_seek(z, 0, False, &it)
    while zset_next(&it, &entry):
        _run_next(&r)
        _put_arg(out, digits, num_format_double(digits, NUM_DOUBLE_BUF, entry.score))
        _put_arg(out, entry.member, entry.len)


cdef void _put_pair(void *ctx, const hash_pair_t *pair) noexcept nogil:
    """Put a field out: a hash_visit_fn."""
    cdef run_t *r = <run_t *>ctx
    _run_next(r)
    _put_arg(r.out, pair.field.ptr, pair.field.len)
    _put_arg(r.out, pair.value.ptr, pair.value.len)


cdef void _put_time(void *ctx, const hash_pair_t *pair) noexcept nogil:
    """Put the expiry of a field out, if it has one: a hash_visit_fn."""
    cdef run_t *r = <run_t *>ctx
    if pair.expire_ms == OBJ_NO_EXPIRE:
        return
    _begin(r.out, 6, b"HPEXPIREAT", r.o)
    _put_i64(r.out, pair.expire_ms)
    _put_arg(r.out, b"FIELDS", 6)
    _put_i64(r.out, 1)
    _put_arg(r.out, pair.field.ptr, pair.field.len)


cdef void _put_hash(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    cdef run_t r
    _run_init(&r, out, o, b"HSET", 2, hash_live(o, now_ms))
    hash_walk(o, now_ms, _put_pair, &r)
    hash_walk(o, now_ms, _put_time, &r)


cdef void _put_string(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef char[STR_INT_MAX] digits
    cdef size_t n
    cdef const char *s = str_bytes(o, digits, &n)
    _begin(out, 3, b"SET", o)
    _put_arg(out, s, n)


# --- Streams ----------------------------------------------------------------------


cdef void _put_text(rdb_out_t *out, const char *s) noexcept nogil:
    _put_arg(out, s, strlen(s))


cdef void _put_sid(rdb_out_t *out, sid_t id) noexcept nogil:
    cdef char[2 * DIGITS] text
    cdef int n = num_format_u64(text, id.ms)
    text[n] = b"-"
    n += 1
    _put_arg(out, text, n + num_format_u64(text + n, id.seq))


cdef void _put_value(rdb_out_t *out, const lp_value_t *v) noexcept nogil:
    if v.ptr == NULL:
        _put_i64(out, v.num)
    else:
        _put_arg(out, v.ptr, v.len)


cdef bint _can_claim_all(const stream_t *s, const sgroup_t *g) noexcept nogil:
    """Return whether XCLAIM can make all that is pending in a group."""
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&g.pel, &pos)
    while more:
        nack = <const snack_t *>sidx_at(&pos).value
        if nack.consumer == NULL or nack.delivered_ms < 0 \
                or nack.deliveries > <uint64_t>INT64_MAX \
                or not stream_has(s, sidx_at(&pos).id):
            return False
        more = sidx_next(&pos)
    return True


cdef bint _can_be_made(const stream_t *s) noexcept nogil:
    """Return whether requests can make a stream; one from elsewhere may be odd."""
    cdef unsigned int i
    if s.entries_added < s.length or s.entries_added > <uint64_t>INT64_MAX \
            or sid_cmp(s.last_id, s.max_deleted_id) < 0:
        return False
    for i in range(s.groups.n):
        if not _can_claim_all(s, <const sgroup_t *>s.groups.items[i]):
            return False
    return True


cdef void _put_dump(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    """Put a key out as its payload."""
    cdef rdb_out_t dump
    rdb_out_init(&dump, out.is_compressing, out.version)
    if rdb_dump(&dump, o, now_ms) == C_OK:
        _begin(out, 4, b"RESTORE", o)
        _put_text(out, b"0")
        _put_arg(out, dump.buf, dump.len)
    else:
        out.has_failed = True
    rdb_out_free(&dump)


cdef void _put_entries(rdb_out_t *out, const obj_t *o) noexcept nogil:
    """Put the entries of a stream out, or make it without any."""
    cdef const stream_t *s = stream_of(o)
    cdef lp_value_t name, value
    cdef stream_iter_t it
    stream_iter(&it, s, sid(0, 0), sid_max(), False)
    while stream_next(&it):
        _begin(out, 3 + 2 * <int>it.nfields, b"XADD", o)
        _put_sid(out, it.id)
        for _ in range(it.nfields):
            stream_field(&it, &name, &value)
            _put_value(out, &name)
            _put_value(out, &value)
    if s.length == 0:
        # what is added is trimmed at once
        _begin(out, 7, b"XADD", o)
        _put_text(out, b"MAXLEN")
        _put_text(out, b"0")
        _put_sid(out, sid(0, 1) if sid_is_zero(s.last_id) else s.last_id)
        _put_text(out, b"x")
        _put_text(out, b"y")


cdef void _put_consumer(
    rdb_out_t *out, const obj_t *o, const sgroup_t *g, const sconsumer_t *consumer
) noexcept nogil:
    """Put a consumer out and what is pending for it."""
    cdef const snack_t *nack
    cdef sidx_pos_t pos
    cdef bint more = sidx_first(&consumer.pel, &pos)
    if not more:
        _put_count(out, b"*", 5)
        _put_text(out, b"XGROUP")
        _put_text(out, b"CREATECONSUMER")
        _put_key(out, o)
        _put_arg(out, g.name.ptr, g.name.len)
        _put_arg(out, consumer.name.ptr, consumer.name.len)
    while more:
        nack = <const snack_t *>sidx_at(&pos).value
        _begin(out, 12, b"XCLAIM", o)
        _put_arg(out, g.name.ptr, g.name.len)
        _put_arg(out, consumer.name.ptr, consumer.name.len)
        _put_text(out, b"0")
        _put_sid(out, sidx_at(&pos).id)
        _put_text(out, b"TIME")
        _put_i64(out, nack.delivered_ms)
        _put_text(out, b"RETRYCOUNT")
        _put_i64(out, <int64_t>nack.deliveries)
        _put_text(out, b"JUSTID")
        _put_text(out, b"FORCE")
        more = sidx_next(&pos)


cdef void _put_group(
    rdb_out_t *out, const obj_t *o, const sgroup_t *g
) noexcept nogil:
    """Put a consumer group out."""
    cdef unsigned int i
    _put_count(out, b"*", 7)
    _put_text(out, b"XGROUP")
    _put_text(out, b"CREATE")
    _put_key(out, o)
    _put_arg(out, g.name.ptr, g.name.len)
    _put_sid(out, g.last_id)
    _put_text(out, b"ENTRIESREAD")
    _put_i64(out, g.entries_read)
    for i in range(g.consumers.n):
        _put_consumer(out, o, g, <const sconsumer_t *>g.consumers.items[i])


cdef void _put_stream(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    cdef const stream_t *s = stream_of(o)
    cdef const sidmp_t *idmp = <const sidmp_t *>s.idmp
    cdef unsigned int i
    if _can_be_made(s):
        _put_entries(out, o)
        _begin(out, 7, b"XSETID", o)
        _put_sid(out, s.last_id)
        _put_text(out, b"ENTRIESADDED")
        _put_i64(out, <int64_t>s.entries_added)
        _put_text(out, b"MAXDELETEDID")
        _put_sid(out, s.max_deleted_id)
        for i in range(s.groups.n):
            _put_group(out, o, <const sgroup_t *>s.groups.items[i])
    else:
        _put_dump(out, o, now_ms)
    if idmp != NULL and (idmp.duration_s != SIDMP_DURATION_DEFAULT
                         or idmp.max_len != SIDMP_LEN_DEFAULT):
        _begin(out, 6, b"XCFGSET", o)
        _put_text(out, b"IDMP-DURATION")
        _put_i64(out, idmp.duration_s)
        _put_text(out, b"IDMP-MAXSIZE")
        _put_i64(out, idmp.max_len)


# --- Keys -------------------------------------------------------------------------


cdef void aof_put_select(rdb_out_t *out, int db) noexcept nogil:
    """Put out which database the keys that follow are in."""
    _put_count(out, b"*", 2)
    _put_arg(out, b"SELECT", 6)
    _put_i64(out, db)


cdef void aof_put_key(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    """Put out the requests that make a key."""
    cdef int type = obj_type(o)
    if type == OBJ_STRING:
        _put_string(out, o)
    elif type == OBJ_LIST:
        _put_list(out, <obj_t *>o)
    elif type == OBJ_SET:
        _put_set(out, o)
    elif type == OBJ_HASH:
        _put_hash(out, o, now_ms)
    elif type == OBJ_STREAM:
        _put_stream(out, o, now_ms)
    else:
        _put_zset(out, o)
    if obj_expire_ms(o) != OBJ_NO_EXPIRE:
        _begin(out, 3, b"PEXPIREAT", o)
        _put_i64(out, obj_expire_ms(o))
