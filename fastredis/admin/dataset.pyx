# SPDX-License-Identifier: BSD-3-Clause
r"""The loops of DEBUG: over all keys, and over the buckets of a hash table.

The digest is the one that other servers compute, so that two data sets can be compared:

    key --mix--> d                         mix(d, x):  d = SHA1(d ^ SHA1(x))
    type --mix--> d                        add(d, x):  d = d ^ SHA1(x)
    the value's parts --mix or add--> d
    "!!expire!!" --add--> d                if the key has an expiry
    d --add--> digest                      so that the order of keys does not matter

The number of a database (four bytes, big-endian) is mixed into the digest before its
keys are; empty ones are left out.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from fastredis.core.blob cimport blob_t, blob_try_new
from fastredis.core.mem cimport zgood_size, zsize
from fastredis.core.num cimport (
    NUM_DOUBLE_BUF,
    NUM_INT_BUF,
    num_format_double,
    num_format_i64,
    num_format_u64,
)
from fastredis.core.sha1 cimport SHA1_NBYTES, sha1
from fastredis.core.status cimport fr_assert
from fastredis.datatypes.t_hash cimport hash_pair_t, hash_walk
from fastredis.datatypes.t_list cimport (
    list_end,
    list_info,
    list_info_t,
    list_iter_t,
    list_move,
    list_seek,
    list_text,
)
from fastredis.datatypes.t_set cimport (
    member_t,
    member_text,
    set_iter,
    set_iter_t,
    set_next,
    set_of,
)
from fastredis.datatypes.t_stream cimport (
    sid,
    sid_max,
    stream_field,
    stream_iter,
    stream_iter_t,
    stream_next,
    stream_of,
)
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.datatypes.t_zset cimport (
    zset_entry_t,
    zset_iter_t,
    zset_next,
    zset_of,
    zset_seek,
)
from fastredis.ds.hashtable cimport (
    HT_BUCKET_ENTRIES,
    ht_bucket_t,
    ht_main_bucket,
    ht_nbytes,
    ht_t,
    ht_unpack,
)
from fastredis.ds.listpack cimport LP_INT_BUF, lp_value_t
from fastredis.engine.client cimport client_t, cmd_t, server_t
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_len,
    db_peek,
    db_scan_all,
    db_set_blob,
    db_set_bytes,
    db_t,
    dbkey,
    dbkey_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_BLOB,
    OBJ_ENC_TABLE,
    OBJ_HASH,
    OBJ_LIST,
    OBJ_INLINE_MAX,
    OBJ_NO_EXPIRE,
    OBJ_SET,
    OBJ_STREAM,
    OBJ_STRING,
    OBJ_ZSET,
    obj_enc,
    obj_expire_ms,
    obj_key,
    obj_pointer,
    obj_t,
    obj_type,
)
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    /* volatile, so that the compiler cannot leave the access out */
    static void dataset_crash(void) { *(volatile int *)0 = 1; }
    """
    void dataset_crash() noexcept nogil

cdef enum:
    VALUE_HEAD = 6                  # bytes of "value:"
    CHAIN_SHOWN_MAX = 50            # chain lengths told apart


# --- Populate ---------------------------------------------------------------------


cdef int _populate_one(
    db_t *db, const dbkey_t *key, uint64_t number, size_t nbytes
) noexcept nogil:
    """Set a key to value:<number>, cut or filled with NULs to nbytes (0: as it is).

    Returns -1 if memory is short.
    """
    cdef char value[OBJ_INLINE_MAX]
    cdef char[VALUE_HEAD + NUM_INT_BUF] text
    cdef size_t used = VALUE_HEAD + num_format_u64(text + VALUE_HEAD, number)
    cdef blob_t *blob
    memcpy(text, b"value:", VALUE_HEAD)
    if nbytes == 0:
        nbytes = used
    if used > nbytes:
        used = nbytes
    if nbytes <= OBJ_INLINE_MAX:
        memcpy(value, text, used)
        memset(value + used, 0, nbytes - used)
        db_set_bytes(db, key, value, nbytes, DB_NO_TTL)
        return 0
    blob = blob_try_new(nbytes)
    if blob == NULL:
        return -1
    memcpy(blob.data, text, used)
    memset(blob.data + used, 0, nbytes - used)
    blob.len = nbytes
    db_set_blob(db, key, blob, DB_NO_TTL)
    return 0


def populate(Engine engine, int db, uint64_t count, bytes prefix, size_t nbytes):
    """Add the keys prefix:0 to prefix:<count - 1>; those that exist stay.

    nbytes: of each value; 0: as many as its text has.
    Raises: MemoryError; the keys made so far stay.
    """
    cdef db_t *target = &engine.srv.ks.dbs[db]
    cdef bytes room = prefix + b":" + bytes(NUM_INT_BUF)
    cdef char *text = PyBytes_AS_STRING(room)
    cdef size_t head = PyBytes_GET_SIZE(prefix) + 1
    cdef uint64_t i
    cdef int failed = 0
    cdef dbkey_t key
    # written in place: nobody else has seen these bytes
    with nogil:
        for i in range(count):
            key = dbkey(text, head + num_format_u64(text + head, i))
            if db_peek(target, &key) != NULL:
                continue
            failed = _populate_one(target, &key, i, nbytes)
            if failed:
                break
    if failed:
        raise MemoryError


# --- Digest -----------------------------------------------------------------------


cdef void _add(unsigned char *digest, const void *data, size_t nbytes) noexcept nogil:
    """Take bytes in, whatever their order among others."""
    cdef unsigned char hash[SHA1_NBYTES]
    cdef int i
    sha1(data, nbytes, hash)
    for i in range(SHA1_NBYTES):
        digest[i] ^= hash[i]


cdef void _mix(unsigned char *digest, const void *data, size_t nbytes) noexcept nogil:
    """Take bytes in, in their order."""
    _add(digest, data, nbytes)
    sha1(digest, SHA1_NBYTES, digest)


cdef void _mix_u32(unsigned char *digest, uint32_t value) noexcept nogil:
    """Take a number in as four bytes, big-endian."""
    cdef unsigned char b[4]
    b[0] = value >> 24
    b[1] = (value >> 16) & 255
    b[2] = (value >> 8) & 255
    b[3] = value & 255
    _mix(digest, b, 4)


cdef void _add_pair(void *ctx, const hash_pair_t *pair) noexcept nogil:
    """Take one field of a hash in, with whether it has an expiry."""
    cdef unsigned char own[SHA1_NBYTES]
    memset(own, 0, SHA1_NBYTES)
    _mix(own, pair.field.ptr, pair.field.len)
    _mix(own, pair.value.ptr, pair.value.len)
    if pair.expire_ms != OBJ_NO_EXPIRE:
        _add(own, b"!!hexpire!!", 11)
    _add(<unsigned char *>ctx, own, SHA1_NBYTES)


cdef void _add_zset(unsigned char *digest, const obj_t *o) noexcept nogil:
    """Take in the members of a sorted set, each mixed with the text of its score."""
    cdef unsigned char own[SHA1_NBYTES]
    cdef char[NUM_DOUBLE_BUF] text
    cdef zset_iter_t it
    cdef zset_entry_t entry
    zset_seek(zset_of(o), 0, False, &it)
    while zset_next(&it, &entry):
        memset(own, 0, SHA1_NBYTES)
        _mix(own, entry.member, entry.len)
        _mix(own, text, num_format_double(text, NUM_DOUBLE_BUF, entry.score))
        _add(digest, own, SHA1_NBYTES)


cdef void _mix_list(unsigned char *digest, const obj_t *o) noexcept nogil:
    """Take in the elements of a list, in their order."""
    cdef char[LP_INT_BUF] digits
    cdef list_iter_t it
    cdef const char *s
    cdef size_t n
    # a walk changes nothing, not even of compressed nodes
    cdef bint more = list_seek(<obj_t *>o, 0, &it)
    while more:
        s = list_text(&it, digits, &n)
        _mix(digest, s, n)
        more = list_move(&it, True)
    list_end(&it)


cdef void _mix_string(unsigned char *digest, const obj_t *o) noexcept nogil:
    cdef char[STR_INT_MAX] digits
    cdef size_t n
    cdef const char *s = str_bytes(o, digits, &n)
    _mix(digest, s, n)


cdef void _add_members(unsigned char *digest, const obj_t *o) noexcept nogil:
    """Take in a set's members, which have no order."""
    cdef set_iter_t it
    cdef member_t m
    set_iter(&it, set_of(o))
    while set_next(&it, &m):
        member_text(&m)
        _add(digest, m.ptr, m.len)


cdef void _mix_value(unsigned char *digest, const lp_value_t *v) noexcept nogil:
    cdef char[NUM_INT_BUF] digits
    if v.ptr == NULL:
        _mix(digest, digits, num_format_i64(digits, v.num))
    else:
        _mix(digest, v.ptr, v.len)


cdef void _mix_stream(unsigned char *digest, const obj_t *o) noexcept nogil:
    """Take in the entries of a stream, in their order; its groups are left out."""
    cdef char[2 * NUM_INT_BUF] text
    cdef lp_value_t name, value
    cdef stream_iter_t it
    cdef int64_t left
    cdef int n
    stream_iter(&it, stream_of(o), sid(0, 0), sid_max(), False)
    while stream_next(&it):
        n = num_format_u64(text, it.id.ms)
        text[n] = 46
        n += 1
        n += num_format_u64(text + n, it.id.seq)
        _mix(digest, text, n)
        left = it.nfields
        while left > 0:
            stream_field(&it, &name, &value)
            _mix_value(digest, &name)
            _mix_value(digest, &value)
            left -= 1


cdef void _mix_object(unsigned char *digest, const obj_t *o) noexcept nogil:
    """Take in type, value and whether there is an expiry; not the key."""
    _mix_u32(digest, obj_type(o))
    if obj_type(o) == OBJ_STRING:
        _mix_string(digest, o)
    elif obj_type(o) == OBJ_LIST:
        _mix_list(digest, o)
    elif obj_type(o) == OBJ_SET:
        _add_members(digest, o)
    elif obj_type(o) == OBJ_HASH:
        hash_walk(o, 0, _add_pair, digest)
    elif obj_type(o) == OBJ_ZSET:
        _add_zset(digest, o)
    elif obj_type(o) == OBJ_STREAM:
        _mix_stream(digest, o)
    else:
        fr_assert(False)
    if obj_expire_ms(o) != OBJ_NO_EXPIRE:
        _add(digest, b"!!expire!!", 10)


cdef void _add_key(void *ctx, obj_t *o) noexcept nogil:
    """Take one key into the digest of all."""
    cdef unsigned char own[SHA1_NBYTES]
    cdef size_t n
    cdef const char *name = obj_key(o, &n)
    memset(own, 0, SHA1_NBYTES)
    _mix(own, name, n)
    _mix_object(own, o)
    _add(<unsigned char *>ctx, own, SHA1_NBYTES)


def digest(Engine engine):
    """Return the hexadecimal digest of all databases, expired keys included."""
    cdef unsigned char total[SHA1_NBYTES]
    cdef db_t *db
    cdef uint64_t cursor
    cdef int i
    memset(total, 0, SHA1_NBYTES)
    with nogil:
        for i in range(engine.srv.ks.ndbs):
            db = &engine.srv.ks.dbs[i]
            if db_len(db) == 0:
                continue
            _mix_u32(total, i)
            cursor = db_scan_all(db, 0, _add_key, total)
            while cursor:
                cursor = db_scan_all(db, cursor, _add_key, total)
    return total[:SHA1_NBYTES].hex()


def digest_value(Engine engine, int db, bytes key):
    """Return the digest of one key's value; zeros if there is none."""
    cdef unsigned char own[SHA1_NBYTES]
    cdef dbkey_t k = dbkey(key, len(key))
    cdef obj_t *o = db_peek(&engine.srv.ks.dbs[db], &k)
    memset(own, 0, SHA1_NBYTES)
    if o != NULL:
        _mix_object(own, o)
    return own[:SHA1_NBYTES].hex()


# --- Single keys ------------------------------------------------------------------


def string_info(Engine engine, int db, bytes key):
    """Return the bytes of a string and what its memory is, or None.

    The result: value; bytes of room behind it; bytes of the key object's allocation;
    of the value's own allocation, 0 if it lies within the object.
    """
    cdef dbkey_t k = dbkey(key, len(key))
    cdef obj_t *o = db_peek(&engine.srv.ks.dbs[db], &k)
    cdef char[STR_INT_MAX] digits
    cdef const char *s
    cdef blob_t *blob
    cdef size_t n
    if o == NULL or obj_type(o) != OBJ_STRING:
        return None
    s = str_bytes(o, digits, &n)
    if obj_enc(o) != OBJ_ENC_BLOB:
        return s[:n], 0, zsize(o), 0
    blob = <blob_t *>obj_pointer(o)
    return s[:n], blob.cap - blob.len, zsize(o), zsize(blob)


def list_nodes(Engine engine, int db, bytes key):
    """Return the figures of a list's nodes, or None.

    The result: whether it is a quicklist; its nodes; elements; list-max-listpack-size
    and list-compress-depth as they were when it was made; bytes, not compressed.
    """
    cdef dbkey_t k = dbkey(key, len(key))
    cdef obj_t *o = db_peek(&engine.srv.ks.dbs[db], &k)
    cdef list_info_t found
    if o == NULL or obj_type(o) != OBJ_LIST:
        return None
    found = list_info(o)
    return (
        bool(found.is_quicklist), found.nnodes, found.count, found.fill, found.depth,
        found.nbytes)


def set_packed_threshold(Engine engine, size_t nbytes):
    """Give elements of lists from this size on a node of their own; 0: as usual."""
    engine.srv.list_limits.plain_nbytes = nbytes


# --- Tables -----------------------------------------------------------------------


cdef object _chain_lengths(const ht_t *t):
    """Return how many buckets have 0, 1, 2 ... buckets chained behind them."""
    cdef uint64_t counts[CHAIN_SHOWN_MAX + 1]
    cdef ht_bucket_t *b
    cdef size_t i, length
    memset(counts, 0, sizeof(counts))
    with nogil:
        for i in range(t.nbuckets):
            b = ht_main_bucket(t, i)
            length = 0
            while b.is_chained:
                b = <ht_bucket_t *>ht_unpack(b.ptrs[HT_BUCKET_ENTRIES - 1])
                length += 1
            counts[min(length, <size_t>CHAIN_SHOWN_MAX)] += 1
    length = CHAIN_SHOWN_MAX
    while length and counts[length] == 0:
        length -= 1
    return [counts[i] for i in range(length + 1)]


def chain_lengths(Engine engine, int db):
    """Return the lengths of chains in a database's table, see _chain_lengths."""
    return _chain_lengths(engine.srv.ks.dbs[db].keys)


def value_table(Engine engine, int db, bytes key):
    """Return the figures of the table that a value is kept in, None without one.

    They are those of Engine.table_info and, as "chains", those of chain_lengths.
    """
    cdef dbkey_t k = dbkey(key, len(key))
    cdef obj_t *o = db_peek(&engine.srv.ks.dbs[db], &k)
    cdef ht_t *t
    if o == NULL or obj_type(o) != OBJ_SET or obj_enc(o) != OBJ_ENC_TABLE:
        return None
    t = <ht_t *>obj_pointer(o)
    return {
        "used": t.used,
        "buckets": t.nbuckets,
        "overflow": t.noverflow,
        "nbytes": ht_nbytes(t),
        "chains": _chain_lengths(t),
    }


def struct_sizes():
    """Return the bytes of the structs that there are many of."""
    return {
        "obj": sizeof(obj_t),
        "blob": sizeof(blob_t),
        "bucket": sizeof(ht_bucket_t),
        "client": sizeof(client_t),
        "client_allocated": zgood_size(sizeof(client_t)),
        "command": sizeof(cmd_t),
        "server": sizeof(server_t),
        "slots_per_bucket": HT_BUCKET_ENTRIES,
    }


# --- Crashes ----------------------------------------------------------------------


def segfault():
    """Write where no memory is; the system ends the process with SIGSEGV."""
    with nogil:
        dataset_crash()


def fail_assertion():
    """Fail an assertion, which ends the process with SIGABRT."""
    with nogil:
        fr_assert(False)
