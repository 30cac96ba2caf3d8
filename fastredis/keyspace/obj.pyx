# SPDX-License-Identifier: BSD-3-Clause
r"""Key objects: a key, its expiry and its value in one allocation.

    small header, 7 bytes                    expiry
    +------+-------+-------+------+--------+--------+--------+---------------------+
    | kind | flags | lru 3 | klen | vlen   | 0 or 6 | key .. | value               |
    +------+-------+-------+------+--------+--------+--------+---------------------+
    wide header, 16 bytes (F_WIDE)           or 8     value: the bytes (INLINE),
    +------+-------+-------+--+-----+------+                 8 bytes of int64 (INT),
    | kind | flags | lru 3 |  | klen| vlen |                 or a pointer (others)
    +------+-------+-------+--+-----+------+
     0      1       2       5  8     12

With a 16-byte key and a 3-byte value the object is 26 bytes, with an expiry 32: both
take 32 from the allocator. An expiry is milliseconds in 48 bits, all ones for none; a
time that does not fit takes 64 bits (F_EXPIRE_WIDE). PERSIST leaves the field in place.

Values up to OBJ_INLINE_MAX bytes are inline; longer ones are blobs, which replies refer
to instead of copying. Integers in canonical form are INT. Other types are a pointer
that the type's obj_ops_t frees and copies; strings are known here.

Cost: new and free, one allocation. Threads: obj_free may run on the lazy-free thread.
"""
from fastredis.core.blob cimport blob_copy, blob_nbytes, blob_release
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.core.status cimport fr_assert

cdef enum:
    NTYPES = 8
    EXPIRE_FLAGS = OBJ_F_EXPIRE | OBJ_F_EXPIRE_WIDE
    # flags that describe the value, not the place of the object's parts
    VALUE_FLAGS = OBJ_F_RAW

cdef obj_ops_t[NTYPES] _ops
cdef obj_subexpire_ops_t[NTYPES] _subexpire_ops
cdef obj_prefetch_fn[NTYPES] _prefetch


cdef void obj_ops_set(int type, const obj_ops_t *ops) noexcept nogil:
    """Give the operations of a type; done once, when its module is imported."""
    fr_assert(0 < type < NTYPES)
    _ops[type] = ops[0]


cdef void obj_prefetch_set(int type, obj_prefetch_fn fn) noexcept nogil:
    """Say how members of a type's values are looked for ahead."""
    fr_assert(0 < type < NTYPES)
    _prefetch[type] = fn


cdef void obj_subexpire_ops_set(
    int type, const obj_subexpire_ops_t *ops
) noexcept nogil:
    """Say that values of a type may have expiries within."""
    fr_assert(0 < type < NTYPES)
    _subexpire_ops[type] = ops[0]


# --- Create and free --------------------------------------------------------------


cdef inline int _expire_flag(int64_t expire_ms) noexcept nogil:
    if expire_ms == OBJ_NO_EXPIRE:
        return 0
    if 0 <= expire_ms < OBJ_EXPIRE48_NONE:
        return OBJ_F_EXPIRE
    return OBJ_F_EXPIRE_WIDE


cdef inline void _store_expire(obj_t *o, int64_t expire_ms) noexcept nogil:
    """Write the expiry into the field, whose width must be right."""
    cdef char *p = <char *>o + (16 if o.flags & OBJ_F_WIDE else 7)
    if o.flags & OBJ_F_EXPIRE_WIDE:
        memcpy(p, &expire_ms, 8)
    else:
        obj_store48(p, OBJ_EXPIRE48_NONE if expire_ms == OBJ_NO_EXPIRE else expire_ms)


cdef obj_t *_new(
    const char *key, size_t key_len, int kind, size_t inline_len, size_t payload,
    int64_t expire_ms
) noexcept nogil:
    """Return an object whose payload is still to be written."""
    cdef int flags = _expire_flag(expire_ms)
    cdef size_t header
    cdef obj_t *o
    cdef uint32_t n
    if key_len > 255 or inline_len > 255:
        flags |= OBJ_F_WIDE
    header = obj_header_nbytes[flags]
    o = <obj_t *>zmalloc(header + key_len + payload)
    o.kind = <uint8_t>kind
    o.flags = <uint8_t>flags
    o.lru[0] = o.lru[1] = o.lru[2] = 0
    if flags & OBJ_F_WIDE:
        n = <uint32_t>key_len
        memcpy(<char *>o + 8, &n, 4)
        n = <uint32_t>inline_len
        memcpy(<char *>o + 12, &n, 4)
    else:
        o.key_len = <uint8_t>key_len
        o.value_len = <uint8_t>inline_len
    if flags & EXPIRE_FLAGS:
        _store_expire(o, expire_ms)
    memcpy(<char *>o + header, key, key_len)
    return o


cdef obj_t *obj_new_bytes(
    const char *key, size_t key_len, const char *value, size_t nbytes,
    int64_t expire_ms
) noexcept nogil:
    """Return a string object; the value is copied and not looked at."""
    cdef obj_t *o
    if nbytes > OBJ_INLINE_MAX:
        return obj_new_pointer(key, key_len, OBJ_STRING, OBJ_ENC_BLOB,
                               blob_copy(value, nbytes, nbytes), expire_ms)
    o = _new(key, key_len, OBJ_STRING | OBJ_ENC_INLINE << 4, nbytes, nbytes, expire_ms)
    memcpy(obj_payload(o), value, nbytes)
    return o


cdef obj_t *obj_new_int(
    const char *key, size_t key_len, int64_t value, int64_t expire_ms
) noexcept nogil:
    """Return a string object that is an integer."""
    cdef obj_t *o = _new(key, key_len, OBJ_STRING | OBJ_ENC_INT << 4, 0, 8, expire_ms)
    obj_set_int(o, value)
    return o


cdef obj_t *obj_new_pointer(
    const char *key, size_t key_len, int type, int enc, void *value, int64_t expire_ms
) noexcept nogil:
    """Return an object of any type; value is consumed."""
    cdef obj_t *o = _new(key, key_len, type | enc << 4, 0, sizeof(void *), expire_ms)
    obj_set_pointer(o, value)
    return o


cdef void obj_free(obj_t *o) noexcept nogil:
    """Free an object and its value."""
    if o == NULL:
        return
    if o.kind == (OBJ_STRING | OBJ_ENC_BLOB << 4):
        blob_release(<blob_t *>obj_pointer(o))
    elif obj_type(o) != OBJ_STRING:
        _ops[obj_type(o)].free(obj_enc(o), obj_pointer(o))
    zfree(o)


cdef obj_t *obj_copy(
    const obj_t *o, const char *key, size_t key_len, int64_t expire_ms
) noexcept nogil:
    """Return a new object under another key with a copy of o's value."""
    cdef obj_t *c
    cdef blob_t *b
    if obj_type(o) != OBJ_STRING:
        return obj_new_pointer(
            key, key_len, obj_type(o), obj_enc(o),
            _ops[obj_type(o)].copy(obj_enc(o), obj_pointer(o)), expire_ms)
    if obj_enc(o) == OBJ_ENC_INT:
        c = obj_new_int(key, key_len, obj_int(o), expire_ms)
    elif obj_enc(o) == OBJ_ENC_BLOB:
        b = <blob_t *>obj_pointer(o)
        c = obj_new_pointer(key, key_len, OBJ_STRING, OBJ_ENC_BLOB,
                            blob_copy(b.data, b.len, b.len), expire_ms)
    else:
        c = obj_new_bytes(key, key_len, obj_payload(o), obj_inline_len(o), expire_ms)
    c.flags |= o.flags & VALUE_FLAGS
    return c


# --- Change -----------------------------------------------------------------------


cdef obj_t *_remade(
    obj_t *o, const char *key, size_t key_len, int64_t expire_ms
) noexcept nogil:
    """Return a new allocation with o's value; o is freed, its value is not."""
    cdef size_t payload = sizeof(void *), inline_len = 0
    cdef obj_t *n
    if obj_type(o) == OBJ_STRING:
        if obj_enc(o) == OBJ_ENC_INLINE:
            inline_len = payload = obj_inline_len(o)
        elif obj_enc(o) == OBJ_ENC_INT:
            payload = 8
    n = _new(key, key_len, o.kind, inline_len, payload, expire_ms)
    memcpy(obj_payload(n), obj_payload(o), payload)
    memcpy(n.lru, o.lru, 3)
    n.flags |= o.flags & (VALUE_FLAGS | OBJ_F_LAG | OBJ_F_WHEEL)
    zfree(o)
    return n


cdef obj_t *obj_with_expire(obj_t *o, int64_t expire_ms) noexcept nogil:
    """Return o, perhaps moved, with this expiry (OBJ_NO_EXPIRE to have none)."""
    cdef int want = _expire_flag(expire_ms)
    cdef int has = o.flags & EXPIRE_FLAGS
    cdef size_t key_len
    cdef char *key
    if has == want or (has and not want) or (has & OBJ_F_EXPIRE_WIDE):
        if has:
            _store_expire(o, expire_ms)
        return o
    key = obj_key(o, &key_len)
    return _remade(o, key, key_len, expire_ms)


cdef obj_t *obj_renamed(
    obj_t *o, const char *key, size_t key_len, int64_t expire_ms
) noexcept nogil:
    """Return o's value under another key; o is consumed. key must not be o's own."""
    return _remade(o, key, key_len, expire_ms)


cdef bint obj_overwrite_bytes(
    obj_t *o, const char *value, size_t nbytes
) noexcept nogil:
    """Replace a string's value within the object, if it fits well.

    Returns False (o unchanged) if it does not: the lengths need another header, the
    block is too small, or more than half of a block over 64 bytes would be unused.
    """
    cdef size_t key_len, total, room
    cdef char *key
    cdef uint32_t n
    if obj_type(o) != OBJ_STRING or obj_enc(o) == OBJ_ENC_BLOB:
        return False
    key = obj_key(o, &key_len)
    if nbytes > (OBJ_INLINE_MAX if o.flags & OBJ_F_WIDE else 255):
        return False
    total = <size_t>(key - <char *>o) + key_len + nbytes
    room = zsize(o)
    if total > room or (room > 64 and total < room / 2):
        return False
    if o.flags & OBJ_F_WIDE:
        n = <uint32_t>nbytes
        memcpy(<char *>o + 12, &n, 4)
    else:
        o.value_len = <uint8_t>nbytes
    o.kind = OBJ_STRING | OBJ_ENC_INLINE << 4
    o.flags &= ~OBJ_F_RAW
    memcpy(key + key_len, value, nbytes)
    return True


# --- Expiries within values -------------------------------------------------------


cdef obj_subexpire_t *obj_subexpire(const obj_t *o) noexcept nogil:
    """Return how the value's own expiries stand."""
    if _subexpire_ops[obj_type(o)].state == NULL:
        return NULL
    return _subexpire_ops[obj_type(o)].state(obj_enc(o), obj_pointer(o))


cdef size_t obj_subexpire_due(
    obj_t *o, int64_t now_ms, size_t budget, obj_part_fn gone, void *ctx
) noexcept nogil:
    """Delete what has expired within a value for which obj_subexpire is not NULL."""
    return _subexpire_ops[obj_type(o)].expire(o, now_ms, budget, gone, ctx)


cdef size_t obj_subexpire_len(const obj_t *o) noexcept nogil:
    """Return how many parts such a value has."""
    return _subexpire_ops[obj_type(o)].len(o)


# --- Look ahead -------------------------------------------------------------------


cdef bint obj_prefetch(const obj_t *o, obj_lookup_t *l) noexcept nogil:
    """Load some of what a look-up of a member will read; return if there is more."""
    cdef bint is_more
    if _prefetch[obj_type(o)] == NULL:
        return False
    is_more = _prefetch[obj_type(o)](obj_enc(o), obj_pointer(o), l)
    l.stage += 1
    return is_more


# --- Describe ---------------------------------------------------------------------


cdef size_t obj_nbytes(const obj_t *o, size_t samples) noexcept nogil:
    """Return the bytes of object and value; big values are sampled."""
    cdef size_t n = zsize(o)
    if o.kind == (OBJ_STRING | OBJ_ENC_BLOB << 4):
        n += blob_nbytes(<blob_t *>obj_pointer(o))
    elif obj_type(o) != OBJ_STRING:
        n += _ops[obj_type(o)].nbytes(obj_enc(o), obj_pointer(o), samples)
    return n


cdef size_t obj_effort(const obj_t *o) noexcept nogil:
    """Return about how many allocations it takes to free the object."""
    if obj_type(o) == OBJ_STRING:
        return 1
    return _ops[obj_type(o)].effort(obj_enc(o), obj_pointer(o))


cdef const char *obj_encoding_name(const obj_t *o) noexcept nogil:
    """Return what OBJECT ENCODING says; a static string."""
    if obj_type(o) != OBJ_STRING:
        return _ops[obj_type(o)].encoding(obj_enc(o), obj_pointer(o))
    if obj_enc(o) == OBJ_ENC_INT:
        return b"int"
    if obj_enc(o) == OBJ_ENC_BLOB or o.flags & OBJ_F_RAW:
        return b"raw"
    return b"embstr" if obj_inline_len(o) <= OBJ_EMBSTR_MAX else b"raw"


cdef const char *obj_type_name(int type) noexcept nogil:
    """Return what TYPE says; a static string."""
    if type == OBJ_STRING:
        return b"string"
    if type == OBJ_LIST:
        return b"list"
    if type == OBJ_SET:
        return b"set"
    if type == OBJ_ZSET:
        return b"zset"
    if type == OBJ_HASH:
        return b"hash"
    if type == OBJ_STREAM:
        return b"stream"
    return b"module"
