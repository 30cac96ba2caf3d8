# SPDX-License-Identifier: BSD-3-Clause
r"""Values of every type in the encoding of RDB files: a byte for the type, the value.

    type                    what follows
     0  string              string
     1  list                n, n strings
     2  set                 n, n strings
     3  sorted set          n, n of (string, score as text)
     4  hash                n, n of (string, string)
     5  sorted set          n, n of (string, double)
     9  hash                string: a zipmap                         (read only)
    10  list                string: a ziplist                        (read only)
    11  set                 string: an intset
    12  sorted set          string: a ziplist                        (read only)
    13  hash                string: a ziplist                        (read only)
    14  list                n, n strings: ziplists                   (read only)
    16  hash                string: a listpack
    17  sorted set          string: a listpack
    18  list                n, n of (1: string | 2: string: a listpack)
    20  set                 string: a listpack                       (read only)
    22  hash, Valkey 9      n, n of (string, string, ms or -1)       (read only)
    24  hash                ms, n, n of (0 or ms + 1, string, string): expiries
    25  hash                ms, string: a listpack of triples        (read only)
    15, 19, 21  stream      see rdb_stream.pyx; 21 is written, or 19

What is written is what Redis 7.0 reads, except where fields of a hash expire (24) and,
unless rdb-version says 10, for streams (21).

What is read may come from anywhere. A value is built up member by member with the
functions that commands use, so that no structure from outside is taken for one's own: a
listpack, ziplist or intset is only walked, after it was checked; or, if it is entry by
entry what would be made here, taken over (rdb_listpack.pyx). A length costs memory
only as far as bytes follow. Members must be unique, and no collection empty.

Cost: O(bytes), for sorted sets O(n log n). Threads: main thread only.

Source: the format of Redis's RDB files.
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.crc64 cimport crc64
from fastredis.core.mem cimport zfree
from fastredis.core.num cimport num_parse_double, num_parse_i64
from fastredis.core.status cimport C_ERR, C_OK, fr_assert
from fastredis.datatypes.hash_fields cimport hf_new
from fastredis.datatypes.t_hash cimport (
    HASH_TIME_MAX,
    hash_len,
    hash_live,
    hash_pair_t,
    hash_set,
    hash_set_expiry,
    hash_walk,
)
from fastredis.datatypes.t_list cimport list_grow, list_len, list_push, list_settle
from fastredis.datatypes.t_set cimport (
    member_init,
    member_init_int,
    member_t,
    member_text,
    set_add,
    set_free,
    set_iter,
    set_iter_t,
    set_len,
    set_new,
    set_next,
    set_of,
    set_t,
)
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.datatypes.t_zset cimport (
    ZSET_ADDED,
    zset_add,
    zset_entry_t,
    zset_free,
    zset_iter_t,
    zset_len,
    zset_limits_t,
    zset_new,
    zset_next,
    zset_of,
    zset_seek,
    zset_t,
)
from fastredis.ds.intset cimport (
    intset_at,
    intset_is_valid,
    intset_len,
    intset_nbytes,
)
from fastredis.ds.listpack cimport (
    lp_first,
    lp_is_valid,
    lp_len,
    lp_nbytes,
    lp_new,
    lp_next,
    lp_text,
)
from fastredis.ds.quicklist cimport QL_TAIL, ql_node_t, quicklist_t
from fastredis.keyspace.db cimport (
    db_set_blob,
    db_set_bytes,
    db_set_int,
    db_set_pointer,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_BLOB,
    OBJ_ENC_INT,
    OBJ_ENC_INTSET,
    OBJ_ENC_LISTPACK,
    OBJ_ENC_TABLE,
    OBJ_HASH,
    OBJ_LIST,
    OBJ_LRU_MAX,
    OBJ_NO_EXPIRE,
    OBJ_SET,
    OBJ_STREAM,
    OBJ_STRING,
    OBJ_ZSET,
    obj_enc,
    obj_free,
    obj_inline_len,
    obj_int,
    obj_new_bytes,
    obj_new_int,
    obj_new_pointer,
    obj_payload,
    obj_pointer,
    obj_set_lru,
    obj_t,
    obj_type,
)
from fastredis.persistence.rdb_io cimport (
    rdb_get_byte,
    rdb_get_double,
    rdb_get_i64,
    rdb_get_len,
    rdb_get_text,
    rdb_get_text_double,
    rdb_put_bytes,
    rdb_put_double,
    rdb_put_i64,
    rdb_put_int_string,
    rdb_put_len,
    rdb_put_lzf,
    rdb_put_string,
    rdb_put_type,
    rdb_text_free,
    rdb_text_t,
)
from fastredis.persistence.rdb_listpack cimport (
    rdblp_is_hash,
    rdblp_is_zset,
    rdblp_take,
)
from fastredis.persistence.rdb_stream cimport (
    RDB_TYPE_STREAM,
    RDB_TYPE_STREAM_2,
    RDB_TYPE_STREAM_3,
    RDB_VERSION,
    rdb_get_stream,
    rdb_put_stream,
    rdb_stream_version,
)
from fastredis.persistence.ziplist cimport (
    zipmap_next,
    zipmap_open,
    ziplist_next,
    ziplist_open,
    ziplist_t,
)
from libc.math cimport isnan
from libc.stdint cimport INT64_MAX, uint16_t, uint32_t
from libc.string cimport memcpy

cdef enum:
    TYPE_STRING = 0
    TYPE_LIST = 1
    TYPE_SET = 2
    TYPE_ZSET_TEXT = 3
    TYPE_HASH = 4
    TYPE_ZSET = 5
    TYPE_HASH_ZIPMAP = 9
    TYPE_LIST_ZIPLIST = 10
    TYPE_SET_INTSET = 11
    TYPE_ZSET_ZIPLIST = 12
    TYPE_HASH_ZIPLIST = 13
    TYPE_LIST_ZIPLISTS = 14
    TYPE_HASH_LISTPACK = 16
    TYPE_ZSET_LISTPACK = 17
    TYPE_LIST_NODES = 18
    TYPE_SET_LISTPACK = 20
    TYPE_HASH_VALKEY = 22
    TYPE_HASH_TIMES = 24
    TYPE_HASH_LISTPACK_TIMES = 25
    TYPE_LAST = 25

    NODE_PLAIN = 1
    NODE_LISTPACK = 2

    INT_TEXT_MAX = 20           # of any 64-bit integer


# --- Write ------------------------------------------------------------------------


cdef inline void _put_listpack(rdb_out_t *out, const uint8_t *lp) noexcept nogil:
    rdb_put_string(out, <const char *>lp, lp_nbytes(lp))


cdef void _put_string_obj(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef char[STR_INT_MAX] digits
    cdef const char *s
    cdef size_t nbytes
    rdb_put_type(out, TYPE_STRING)
    if obj_enc(o) == OBJ_ENC_INT:
        rdb_put_int_string(out, obj_int(o))
    else:
        s = str_bytes(o, digits, &nbytes)
        rdb_put_string(out, s, nbytes)


cdef void _put_list(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef quicklist_t *ql
    cdef ql_node_t *node
    rdb_put_type(out, TYPE_LIST_NODES)
    if obj_enc(o) == OBJ_ENC_LISTPACK:
        rdb_put_len(out, 1)
        rdb_put_len(out, NODE_LISTPACK)
        _put_listpack(out, <uint8_t *>obj_pointer(o))
        return
    ql = <quicklist_t *>obj_pointer(o)
    rdb_put_len(out, ql.nnodes)
    node = ql.head
    while node != NULL:
        rdb_put_len(out, NODE_PLAIN if node.is_plain else NODE_LISTPACK)
        if node.lzf_nbytes:
            rdb_put_lzf(out, node.data, node.lzf_nbytes, node.nbytes)
        else:
            rdb_put_string(out, <const char *>node.data, node.nbytes)
        node = node.next


cdef void _put_set(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef uint8_t *intset
    cdef set_iter_t it
    cdef member_t m
    if obj_enc(o) == OBJ_ENC_INTSET:
        intset = <uint8_t *>obj_pointer(o)
        rdb_put_type(out, TYPE_SET_INTSET)
        rdb_put_string(out, <const char *>intset, intset_nbytes(intset))
        return
    rdb_put_type(out, TYPE_SET)     # a listpack, too: version 10 has none in sets
    rdb_put_len(out, set_len(set_of(o)))
    set_iter(&it, set_of(o))
    while set_next(&it, &m):
        member_text(&m)
        rdb_put_string(out, m.ptr, m.len)


cdef void _put_zset(rdb_out_t *out, const obj_t *o) noexcept nogil:
    cdef zset_t z = zset_of(o)
    cdef zset_iter_t it
    cdef zset_entry_t entry
    if obj_enc(o) == OBJ_ENC_LISTPACK:
        rdb_put_type(out, TYPE_ZSET_LISTPACK)
        _put_listpack(out, <uint8_t *>obj_pointer(o))
        return
    rdb_put_type(out, TYPE_ZSET)
    rdb_put_len(out, zset_len(z))
    # downwards: Redis puts what it reads before what it has
    zset_seek(z, zset_len(z) - 1, True, &it)
    while zset_next(&it, &entry):
        rdb_put_string(out, entry.member, entry.len)
        rdb_put_double(out, entry.score)


cdef struct hash_out_t:
    rdb_out_t *out
    bint has_times
    int64_t first_ms


cdef void _find_first(void *ctx, const hash_pair_t *pair) noexcept nogil:
    """Find the earliest expiry: a hash_visit_fn."""
    cdef hash_out_t *h = <hash_out_t *>ctx
    if pair.expire_ms != OBJ_NO_EXPIRE and pair.expire_ms < h.first_ms:
        h.first_ms = pair.expire_ms


cdef void _put_pair(void *ctx, const hash_pair_t *pair) noexcept nogil:
    """Write a field: a hash_visit_fn."""
    cdef hash_out_t *h = <hash_out_t *>ctx
    if h.has_times:
        if pair.expire_ms == OBJ_NO_EXPIRE:
            rdb_put_len(h.out, 0)
        else:
            rdb_put_len(h.out, pair.expire_ms - h.first_ms + 1)
    rdb_put_string(h.out, pair.field.ptr, pair.field.len)
    rdb_put_string(h.out, pair.value.ptr, pair.value.len)


cdef int _put_hash(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    cdef hash_out_t h
    if obj_enc(o) == OBJ_ENC_LISTPACK:
        rdb_put_type(out, TYPE_HASH_LISTPACK)
        _put_listpack(out, <uint8_t *>obj_pointer(o))
        return RDB_VERSION
    h.out = out
    h.first_ms = INT64_MAX
    hash_walk(o, now_ms, _find_first, &h)
    h.has_times = h.first_ms != INT64_MAX
    if h.has_times:
        rdb_put_type(out, TYPE_HASH_TIMES)
        rdb_put_i64(out, h.first_ms)
    else:
        rdb_put_type(out, TYPE_HASH)
    rdb_put_len(out, hash_live(o, now_ms))
    hash_walk(o, now_ms, _put_pair, &h)
    return RDB_VERSION_FIELDS if h.has_times else RDB_VERSION


cdef bint rdb_has_type(int type) noexcept nogil:
    return type in (OBJ_STRING, OBJ_LIST, OBJ_SET, OBJ_ZSET, OBJ_HASH, OBJ_STREAM)


cdef int rdb_put_value(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    """Write a type and a value."""
    cdef int type = obj_type(o)
    if type == OBJ_STRING:
        _put_string_obj(out, o)
    elif type == OBJ_LIST:
        _put_list(out, o)
    elif type == OBJ_SET:
        _put_set(out, o)
    elif type == OBJ_ZSET:
        _put_zset(out, o)
    elif type == OBJ_STREAM:
        rdb_put_stream(out, o)
        return rdb_stream_version(out)
    else:
        fr_assert(type == OBJ_HASH)
        return _put_hash(out, o, now_ms)
    return RDB_VERSION


# --- What is read: a run of elements ----------------------------------------------


cdef enum source_t:
    FROM_STRINGS = 0            # n strings
    FROM_LISTPACK = 1
    FROM_ZIPLIST = 2
    FROM_ZIPMAP = 3


# Elements of a collection, whatever they are encoded in.
cdef struct elements_t:
    source_t source
    rdb_in_t *src               # FROM_STRINGS
    uint64_t left               # ... how many strings are still to be read
    rdb_text_t blob             # else: what encodes all of them
    uint8_t *lp
    uint8_t *p                  # the next entry, or NULL
    ziplist_t zl
    uint64_t len                # how many there are, or are said to be


# One of them. Its bytes are borrowed until the next one is read.
cdef struct element_t:
    const char *ptr
    size_t len
    rdb_text_t text


cdef status_t _elements_open(
    elements_t *e, source_t source, rdb_in_t *src
) noexcept nogil:
    """Begin to read elements; _elements_close ends it, unless this fails."""
    cdef bint is_right
    e.source = source
    e.src = src
    e.blob.owned = NULL
    if source == FROM_STRINGS:
        if rdb_get_len(src, &e.left) != C_OK:
            return C_ERR
        e.len = e.left
        return C_OK
    if rdb_get_text(src, &e.blob) != C_OK:
        return C_ERR
    if source == FROM_LISTPACK:
        is_right = lp_is_valid(<const uint8_t *>e.blob.ptr, e.blob.len)
        if is_right:
            e.lp = <uint8_t *>e.blob.ptr
            e.p = lp_first(e.lp)
            e.len = lp_len(e.lp)
    elif source == FROM_ZIPLIST:
        is_right = ziplist_open(
            &e.zl, <const uint8_t *>e.blob.ptr, e.blob.len, &e.len) == C_OK
    else:
        is_right = zipmap_open(
            &e.zl, <const uint8_t *>e.blob.ptr, e.blob.len, &e.len) == C_OK
    if is_right:
        return C_OK
    rdb_text_free(&e.blob)
    return C_ERR


cdef void _elements_close(elements_t *e) noexcept nogil:
    rdb_text_free(&e.blob)


cdef void _element_free(element_t *x) noexcept nogil:
    rdb_text_free(&x.text)


cdef int _elements_next(elements_t *e, element_t *x) noexcept nogil:
    """Read the next element; 1, 0 at the end, -1 if there should be one.

    It is followed by _element_free if it returns 1.
    """
    x.text.owned = NULL
    if e.source == FROM_STRINGS:
        # a pair's second string is read although only pairs are counted
        if rdb_get_text(e.src, &x.text) != C_OK:
            return -1
        x.ptr = x.text.ptr
        x.len = x.text.len
        return 1
    if e.source == FROM_LISTPACK:
        if e.p == NULL:
            return 0
        x.ptr = lp_text(e.p, x.text.digits, &x.len)
        e.p = lp_next(e.lp, e.p)
        return 1
    if e.source == FROM_ZIPLIST:
        return ziplist_next(&e.zl, x.text.digits, &x.ptr, &x.len)
    return zipmap_next(&e.zl, &x.ptr, &x.len)


cdef inline bint _elements_more(elements_t *e) noexcept nogil:
    """Count one item more; False: all of a number given before were read."""
    if e.source != FROM_STRINGS:
        return True
    if e.left == 0:
        return False
    e.left -= 1
    return True


# --- Read a string ----------------------------------------------------------------


cdef obj_t *_get_string(rdb_in_t *src) noexcept nogil:
    cdef rdb_text_t t
    cdef int64_t v
    cdef obj_t *o
    if rdb_get_text(src, &t) != C_OK:
        return NULL
    if t.len <= INT_TEXT_MAX and num_parse_i64(t.ptr, t.len, &v) == C_OK:
        o = obj_new_int(b"", 0, v, OBJ_NO_EXPIRE)
    else:
        o = obj_new_bytes(b"", 0, t.ptr, t.len, OBJ_NO_EXPIRE)
    rdb_text_free(&t)
    return o


# --- Read a list ------------------------------------------------------------------


cdef void _push(obj_t *o, const server_t *srv, const char *s, size_t n) noexcept nogil:
    list_grow(o, &srv.list_limits, n, 1)
    list_push(o, s, n, QL_TAIL)


cdef status_t _push_all(
    obj_t *o, const server_t *srv, source_t source, rdb_in_t *src
) noexcept nogil:
    """Append the elements of one run."""
    cdef elements_t e
    cdef element_t x
    cdef int found = 0
    if _elements_open(&e, source, src) != C_OK:
        return C_ERR
    while _elements_more(&e):
        found = _elements_next(&e, &x)
        if found != 1:
            break
        _push(o, srv, x.ptr, x.len)
        _element_free(&x)
    _elements_close(&e)
    return C_ERR if found == -1 else C_OK


cdef status_t _push_nodes(
    obj_t *o, const server_t *srv, int type, rdb_in_t *src
) noexcept nogil:
    """Append the elements of all nodes of a quicklist."""
    cdef uint64_t nnodes, kind
    cdef rdb_text_t t
    if rdb_get_len(src, &nnodes) != C_OK:
        return C_ERR
    while nnodes:
        nnodes -= 1
        kind = NODE_LISTPACK
        if type == TYPE_LIST_NODES and rdb_get_len(src, &kind) != C_OK:
            return C_ERR
        if kind == NODE_PLAIN:
            if rdb_get_text(src, &t) != C_OK or t.len == 0:
                return C_ERR    # what has a node of its own is large
            _push(o, srv, t.ptr, t.len)
            rdb_text_free(&t)
        elif kind != NODE_LISTPACK or _push_all(
                o, srv,
                FROM_LISTPACK if type == TYPE_LIST_NODES else FROM_ZIPLIST,
                src) != C_OK:
            return C_ERR
    return C_OK


cdef rdb_read_t _get_list(
    rdb_in_t *src, int type, const server_t *srv, obj_t **o_out
) noexcept nogil:
    cdef obj_t *o = obj_new_pointer(
        b"", 0, OBJ_LIST, OBJ_ENC_LISTPACK, lp_new(0), OBJ_NO_EXPIRE)
    cdef status_t status
    if type == TYPE_LIST:
        status = _push_all(o, srv, FROM_STRINGS, src)
    elif type == TYPE_LIST_ZIPLIST:
        status = _push_all(o, srv, FROM_ZIPLIST, src)
    else:
        status = _push_nodes(o, srv, type, src)
    if status != C_OK or list_len(o) == 0:
        obj_free(o)
        return RDB_READ_BAD if status != C_OK else RDB_READ_EMPTY
    list_settle(o, &srv.list_limits)
    o_out[0] = o
    return RDB_READ_OK


# --- Read a set -------------------------------------------------------------------


cdef rdb_read_t _get_intset(
    rdb_in_t *src, const server_t *srv, obj_t **o_out
) noexcept nogil:
    cdef uint32_t i, n
    cdef rdb_text_t t
    cdef member_t m
    cdef set_t s
    cdef const uint8_t *p
    if rdb_get_text(src, &t) != C_OK:
        return RDB_READ_BAD
    p = <const uint8_t *>t.ptr
    n = 0
    if intset_is_valid(p, t.len):
        n = intset_len(p)
        if n == 0:
            rdb_text_free(&t)
            return RDB_READ_EMPTY
    if n == 0:
        rdb_text_free(&t)
        return RDB_READ_BAD
    member_init_int(&m, intset_at(p, 0))
    s = set_new(&m, n, &srv.set_limits)
    for i in range(n):
        member_init_int(&m, intset_at(p, i))
        member_text(&m)
        set_add(&s, &m, &srv.set_limits)
    rdb_text_free(&t)
    o_out[0] = obj_new_pointer(b"", 0, OBJ_SET, s.enc, s.value, OBJ_NO_EXPIRE)
    return RDB_READ_OK


cdef rdb_read_t _get_set(
    rdb_in_t *src, source_t source, const server_t *srv, obj_t **o_out
) noexcept nogil:
    cdef elements_t e
    cdef element_t x
    cdef member_t m
    cdef set_t s
    cdef int found = 0
    if _elements_open(&e, source, src) != C_OK:
        return RDB_READ_BAD
    s.value = NULL
    while _elements_more(&e):
        found = _elements_next(&e, &x)
        if found != 1:
            break
        member_init(&m, x.ptr, x.len)
        if s.value == NULL:
            s = set_new(&m, e.len, &srv.set_limits)
        if not set_add(&s, &m, &srv.set_limits):
            found = -1
        _element_free(&x)
        if found == -1:
            break
    _elements_close(&e)
    if found == -1:
        if s.value != NULL:
            set_free(s)
        return RDB_READ_BAD
    if s.value == NULL:
        return RDB_READ_EMPTY
    o_out[0] = obj_new_pointer(b"", 0, OBJ_SET, s.enc, s.value, OBJ_NO_EXPIRE)
    return RDB_READ_OK


# --- Read a sorted set ------------------------------------------------------------


cdef status_t _get_score(
    elements_t *e, int type, rdb_in_t *src, double *score_out
) noexcept nogil:
    """Read the score that follows a member; fails if it is no number."""
    cdef status_t status
    cdef element_t x
    if type == TYPE_ZSET:
        status = rdb_get_double(src, score_out)
    elif type == TYPE_ZSET_TEXT:
        status = rdb_get_text_double(src, score_out)
    elif _elements_next(e, &x) != 1:
        return C_ERR
    else:
        status = num_parse_double(x.ptr, x.len, score_out)
        _element_free(&x)
    if status != C_OK or isnan(score_out[0]):
        return C_ERR
    return C_OK


cdef rdb_read_t _get_zset(
    rdb_in_t *src, int type, const server_t *srv, obj_t **o_out
) noexcept nogil:
    cdef source_t source = FROM_STRINGS
    cdef zset_limits_t limits
    cdef bint is_good = True
    cdef elements_t e
    cdef element_t member
    cdef uint64_t n
    cdef double score
    cdef zset_t z
    cdef int found
    limits.entries = srv.zset_max_listpack_entries
    limits.value = srv.zset_max_listpack_value
    if type == TYPE_ZSET_LISTPACK:
        source = FROM_LISTPACK
    elif type == TYPE_ZSET_ZIPLIST:
        source = FROM_ZIPLIST
    if _elements_open(&e, source, src) != C_OK:
        return RDB_READ_BAD
    if source == FROM_LISTPACK and rdblp_is_zset(&e.blob, &limits):
        o_out[0] = obj_new_pointer(
            b"", 0, OBJ_ZSET, OBJ_ENC_LISTPACK, rdblp_take(&e.blob), OBJ_NO_EXPIRE)
        return RDB_READ_OK
    n = e.len if source == FROM_STRINGS else e.len / 2
    z = zset_new(&limits, n, 0)
    while is_good and _elements_more(&e):
        found = _elements_next(&e, &member)
        if found == 0:
            break
        is_good = found == 1
        if is_good:
            is_good = (
                _get_score(&e, type, src, &score) == C_OK
                and zset_add(
                    &z, &limits, score, member.ptr, member.len, 0, &score)
                == ZSET_ADDED)
            _element_free(&member)
    _elements_close(&e)
    if not is_good or zset_len(z) == 0:
        zset_free(z)
        return RDB_READ_EMPTY if is_good else RDB_READ_BAD
    o_out[0] = obj_new_pointer(b"", 0, OBJ_ZSET, z.enc, z.ptr, OBJ_NO_EXPIRE)
    return RDB_READ_OK


# --- Read a hash ------------------------------------------------------------------


cdef status_t _get_time_before(
    rdb_in_t *src, int64_t first_ms, int64_t *when_out
) noexcept nogil:
    """Read the expiry that stands before a field, counted from the earliest."""
    cdef uint64_t n
    if rdb_get_len(src, &n) != C_OK:
        return C_ERR
    if n == 0:
        when_out[0] = OBJ_NO_EXPIRE
        return C_OK
    n -= 1
    if n > <uint64_t>(HASH_TIME_MAX - first_ms):
        return C_ERR
    when_out[0] = first_ms + <int64_t>n
    return C_OK


cdef status_t _get_time_after(
    elements_t *e, int type, rdb_in_t *src, int64_t *when_out
) noexcept nogil:
    """Read the expiry that stands behind a value; -1 and 0 are none."""
    cdef status_t status
    cdef element_t x
    if type == TYPE_HASH_VALKEY:
        status = rdb_get_i64(src, when_out)
    elif _elements_next(e, &x) != 1:
        return C_ERR
    else:
        status = num_parse_i64(x.ptr, x.len, when_out)
        _element_free(&x)
    if status != C_OK or when_out[0] < -1 or when_out[0] > HASH_TIME_MAX:
        return C_ERR
    if when_out[0] == 0:
        when_out[0] = OBJ_NO_EXPIRE
    return C_OK


cdef int _get_field(
    obj_t *o, elements_t *e, int type, rdb_in_t *src, int64_t first_ms,
    const server_t *srv, int64_t now_ms
) noexcept nogil:
    """Read a field into a hash; 1, 0 at the end, -1 if something is wrong."""
    cdef int64_t when = OBJ_NO_EXPIRE
    cdef element_t field, value
    cdef bint is_good
    cdef int found
    if type == TYPE_HASH_TIMES and _get_time_before(src, first_ms, &when) != C_OK:
        return -1
    found = _elements_next(e, &field)
    if found != 1:
        return found
    is_good = _elements_next(e, &value) == 1
    if is_good:
        if type == TYPE_HASH_VALKEY or type == TYPE_HASH_LISTPACK_TIMES:
            is_good = _get_time_after(e, type, src, &when) == C_OK
        if is_good and (when == OBJ_NO_EXPIRE or when > now_ms):
            is_good = hash_set(
                o, field.ptr, field.len, value.ptr, value.len, False, 0,
                &srv.hash_limits)
            if is_good and when != OBJ_NO_EXPIRE:
                hash_set_expiry(o, field.ptr, field.len, when)
        _element_free(&value)
    _element_free(&field)
    return 1 if is_good else -1


cdef rdb_read_t _get_hash(
    rdb_in_t *src, int type, const server_t *srv, int64_t now_ms, obj_t **o_out
) noexcept nogil:
    cdef source_t source = FROM_STRINGS
    cdef int64_t first_ms = 0
    cdef bint is_empty = True
    cdef int found = 1
    cdef elements_t e
    cdef obj_t *o
    if type == TYPE_HASH_TIMES or type == TYPE_HASH_LISTPACK_TIMES:
        if rdb_get_i64(src, &first_ms) != C_OK:
            return RDB_READ_BAD
        if not 0 <= first_ms <= HASH_TIME_MAX:
            return RDB_READ_BAD
    if type == TYPE_HASH_LISTPACK or type == TYPE_HASH_LISTPACK_TIMES:
        source = FROM_LISTPACK
    elif type == TYPE_HASH_ZIPLIST:
        source = FROM_ZIPLIST
    elif type == TYPE_HASH_ZIPMAP:
        source = FROM_ZIPMAP
    if _elements_open(&e, source, src) != C_OK:
        return RDB_READ_BAD
    if type == TYPE_HASH_LISTPACK and rdblp_is_hash(&e.blob, &srv.hash_limits):
        o_out[0] = obj_new_pointer(
            b"", 0, OBJ_HASH, OBJ_ENC_LISTPACK, rdblp_take(&e.blob), OBJ_NO_EXPIRE)
        return RDB_READ_OK
    if source == FROM_STRINGS and e.len > srv.hash_limits.max_entries:
        # at once what it would become: a search of a growing listpack is slow
        o = obj_new_pointer(
            b"", 0, OBJ_HASH, OBJ_ENC_TABLE, hf_new(), OBJ_NO_EXPIRE)
    else:
        o = obj_new_pointer(
            b"", 0, OBJ_HASH, OBJ_ENC_LISTPACK, lp_new(0), OBJ_NO_EXPIRE)
    while _elements_more(&e):
        found = _get_field(o, &e, type, src, first_ms, srv, now_ms)
        if found != 1:
            break
        is_empty = False
    _elements_close(&e)
    if found == -1 or is_empty:
        obj_free(o)
        return RDB_READ_BAD if found == -1 else RDB_READ_EMPTY
    if hash_len(o) == 0:
        obj_free(o)
        return RDB_READ_EXPIRED
    o_out[0] = o
    return RDB_READ_OK


# --- Read -------------------------------------------------------------------------


cdef rdb_read_t rdb_get_value(
    rdb_in_t *src, int version, const server_t *srv, obj_t **o_out
) noexcept nogil:
    """Read a type and a value."""
    cdef int type
    if rdb_get_byte(src, &type) != C_OK:
        return RDB_READ_BAD
    return rdb_get_body(src, type, version, srv, srv.now_ms, o_out)


cdef rdb_read_t rdb_get_body(
    rdb_in_t *src, int type, int version, const server_t *srv, int64_t now_ms,
    obj_t **o_out
) noexcept nogil:
    """Read a value of a type."""
    if type == TYPE_STRING:
        o_out[0] = _get_string(src)
        return RDB_READ_OK if o_out[0] != NULL else RDB_READ_BAD
    if type in (TYPE_LIST, TYPE_LIST_ZIPLIST, TYPE_LIST_ZIPLISTS, TYPE_LIST_NODES):
        return _get_list(src, type, srv, o_out)
    if type == TYPE_SET_INTSET:
        return _get_intset(src, srv, o_out)
    if type == TYPE_SET:
        return _get_set(src, FROM_STRINGS, srv, o_out)
    if type == TYPE_SET_LISTPACK:
        return _get_set(src, FROM_LISTPACK, srv, o_out)
    if type in (TYPE_ZSET_TEXT, TYPE_ZSET, TYPE_ZSET_ZIPLIST, TYPE_ZSET_LISTPACK):
        return _get_zset(src, type, srv, o_out)
    if type in (RDB_TYPE_STREAM, RDB_TYPE_STREAM_2, RDB_TYPE_STREAM_3):
        o_out[0] = rdb_get_stream(src, type)
        return RDB_READ_OK if o_out[0] != NULL else RDB_READ_BAD
    if type in (
            TYPE_HASH, TYPE_HASH_ZIPMAP, TYPE_HASH_ZIPLIST, TYPE_HASH_LISTPACK,
            TYPE_HASH_TIMES, TYPE_HASH_LISTPACK_TIMES):
        return _get_hash(src, type, srv, now_ms, o_out)
    if type == TYPE_HASH_VALKEY and version >= RDB_VERSION_VALKEY:
        return _get_hash(src, type, srv, now_ms, o_out)
    return RDB_READ_BAD


cdef const char *rdb_bad_text(int type) noexcept nogil:
    """Say that a value is none of its type."""
    if type in (TYPE_LIST_ZIPLISTS, TYPE_LIST_NODES):
        return b"Quicklist integrity check failed."
    if type == TYPE_LIST_ZIPLIST:
        return b"List ziplist integrity check failed."
    if type == TYPE_SET_INTSET:
        return b"Intset integrity check failed."
    if type == TYPE_SET_LISTPACK:
        return b"Set listpack integrity check failed."
    if type == TYPE_ZSET_ZIPLIST:
        return b"Zset ziplist integrity check failed."
    if type == TYPE_ZSET_LISTPACK:
        return b"Zset listpack integrity check failed."
    if type == TYPE_HASH_ZIPMAP:
        return b"Zipmap integrity check failed."
    if type == TYPE_HASH_ZIPLIST:
        return b"Hash ziplist integrity check failed."
    if type in (TYPE_HASH_LISTPACK, TYPE_HASH_LISTPACK_TIMES):
        return b"Hash listpack integrity check failed."
    if type in (RDB_TYPE_STREAM, RDB_TYPE_STREAM_2, RDB_TYPE_STREAM_3):
        return b"Stream listpack integrity check failed."
    if type > TYPE_LAST:
        return b"Unknown RDB encoding type."
    return b"Value integrity check failed."


cdef obj_t *rdb_store(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t expire_ms
) noexcept nogil:
    """Put a value that was read under a key."""
    cdef int type = obj_type(o)
    cdef int enc = obj_enc(o)
    cdef obj_t *kept
    if type != OBJ_STRING:
        kept = db_set_pointer(db, key, type, enc, obj_pointer(o), expire_ms)
    elif enc == OBJ_ENC_INT:
        kept = db_set_int(db, key, obj_int(o), expire_ms)
    elif enc == OBJ_ENC_BLOB:
        kept = db_set_blob(db, key, <blob_t *>obj_pointer(o), expire_ms)
    else:
        kept = db_set_bytes(db, key, obj_payload(o), obj_inline_len(o), expire_ms)
    zfree(o)            # its value has another owner now, or was copied
    return kept


cdef void rdb_set_idle(const server_t *srv, obj_t *o, int64_t idle_s) noexcept nogil:
    """Set a key's access time to so many seconds ago."""
    cdef int64_t clock = srv.ks.lru_clock
    if idle_s <= clock:
        obj_set_lru(o, <uint32_t>(clock - idle_s))
    else:
        obj_set_lru(o, <uint32_t>(clock + OBJ_LRU_MAX // 2) % OBJ_LRU_MAX)


# --- DUMP -------------------------------------------------------------------------


cdef status_t rdb_dump(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil:
    """Write a value with its footer; fails if memory is short."""
    cdef uint16_t version = <uint16_t>max(rdb_put_value(out, o, now_ms), out.version)
    cdef uint64_t crc
    rdb_put_bytes(out, &version, 2)
    if out.has_failed:
        return C_ERR
    crc = crc64(0, out.buf, out.len)
    rdb_put_bytes(out, &crc, 8)
    return C_ERR if out.has_failed else C_OK


cdef status_t rdb_check_dump(
    const char *s, size_t nbytes, bint is_unchecked, rdb_in_t *src_out,
    int *version_out
) noexcept nogil:
    """Check version and checksum."""
    cdef uint16_t version
    cdef uint64_t crc
    if nbytes < RDB_FOOTER_NBYTES:
        return C_ERR
    memcpy(&version, s + nbytes - RDB_FOOTER_NBYTES, 2)
    memcpy(&crc, s + nbytes - 8, 8)
    if version > RDB_VERSION_MAX and version != RDB_VERSION_VALKEY:
        return C_ERR
    if not is_unchecked and crc != crc64(0, s, nbytes - 8):
        return C_ERR
    src_out.p = <const uint8_t *>s
    src_out.end = src_out.p + nbytes - RDB_FOOTER_NBYTES
    src_out.is_short = False
    version_out[0] = version
    return C_OK
