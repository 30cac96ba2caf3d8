# SPDX-License-Identifier: BSD-3-Clause
r"""Keys as the requests that make them: a base without an RDB preamble.

    string   SET k v                    hash    HSET k f v f v ...   (64 at a time)
    list     RPUSH k e e ...                    HPEXPIREAT k ms FIELDS 1 f
    set      SADD k m m ...             any     PEXPIREAT k ms
    zset     ZADD k s m s m ...

Cost: O(bytes), for sorted sets as for walking them. Threads: any, so long as the
values do not change: a forked child has them to itself.
"""
from fastredis.core.num cimport (
    NUM_DOUBLE_BUF,
    num_format_double,
    num_format_i64,
    num_format_u64,
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
from fastredis.ds.listpack cimport LP_INT_BUF
from fastredis.keyspace.obj cimport (
    OBJ_HASH,
    OBJ_LIST,
    OBJ_NO_EXPIRE,
    OBJ_SET,
    OBJ_STRING,
    obj_expire_ms,
    obj_key,
    obj_type,
)
from fastredis.persistence.rdb_io cimport rdb_put_bytes
from libc.stdint cimport uint64_t
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


cdef void _begin(
    rdb_out_t *out, int argc, const char *name, const obj_t *o
) noexcept nogil:
    """Begin a request whose first argument is the key."""
    cdef size_t n
    cdef const char *key = obj_key(o, &n)
    _put_count(out, b"*", argc)
    _put_arg(out, name, strlen(name))
    _put_arg(out, key, n)


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
    else:
        _put_zset(out, o)
    if obj_expire_ms(o) != OBJ_NO_EXPIRE:
        _begin(out, 3, b"PEXPIREAT", o)
        _put_i64(out, obj_expire_ms(o))
