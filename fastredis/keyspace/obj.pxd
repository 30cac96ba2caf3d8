# SPDX-License-Identifier: BSD-3-Clause
"""Key objects: a key, its expiry and its value in one allocation. See obj.pyx."""
from fastredis.core.blob cimport blob_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum obj_type_t:
    OBJ_STRING = 0
    OBJ_LIST = 1
    OBJ_SET = 2
    OBJ_ZSET = 3
    OBJ_HASH = 4
    OBJ_MODULE = 5
    OBJ_STREAM = 6

# How the value is stored (not what OBJECT ENCODING says: see obj_encoding_name).
cdef enum obj_enc_t:
    OBJ_ENC_INLINE = 0      # the bytes, within the object
    OBJ_ENC_INT = 1         # an int64
    OBJ_ENC_BLOB = 2        # a blob_t *
    # pointers to what the type's module knows:
    OBJ_ENC_LISTPACK = 3    # a listpack (ds/listpack)
    OBJ_ENC_QUICKLIST = 4   # a list of listpacks
    OBJ_ENC_INTSET = 5      # sorted integers
    OBJ_ENC_TABLE = 6       # a hash table
    OBJ_ENC_TREE = 7        # a sorted set's tree and hash table
    OBJ_ENC_STREAM = 8
    OBJ_ENC_LISTPACK_EX = 9     # a listpack with an expiry for each field

cdef enum:
    # flags; the low three choose the header's size
    OBJ_F_WIDE = 1          # key or value length over 255: 32-bit lengths
    OBJ_F_EXPIRE = 2        # a 48-bit expiry follows the header
    OBJ_F_EXPIRE_WIDE = 4   # a 64-bit one (times after the year 10889)
    OBJ_F_LAG = 8           # the wheel's entry is earlier than the expiry
    OBJ_F_WHEEL = 16        # which of the wheel's two generations has the entry
    OBJ_F_RAW = 32          # changed in place: OBJECT ENCODING says raw
    OBJ_HEADER_FLAGS = 7

    OBJ_INLINE_MAX = 1024   # longer values are blobs, sent without a copy
    OBJ_EMBSTR_MAX = 44     # OBJECT ENCODING's border between embstr and raw
    OBJ_LRU_MAX = 0xFFFFFF

    OBJ_NO_EXPIRE = -1      # instead of a time in ms

cdef struct obj_t:
    uint8_t kind            # obj_type_t | obj_enc_t << 4
    uint8_t flags           # OBJ_F_*
    uint8_t lru[3]          # seconds of the LRU clock, or LFU minutes and counter
    uint8_t key_len         # small header only
    uint8_t value_len       # small header only

cdef enum:
    LOOKUP_MEMBER = 0
    LOOKUP_RANK = 1         # and its place in the order
    LOOKUP_SCORE = 2        # and that of its score to be, the argument before it
    LOOKUP_BORDER = 3       # no member: a score at which a range begins

# A member or field that will soon be looked for in a value.
cdef struct obj_lookup_t:
    const char *member
    size_t len
    const char *before      # the argument before it
    size_t before_len
    int kind                # LOOKUP_*
    int stage               # what has been done for it
    uint64_t hash           # for the type's own use, as is entry
    const void *entry
    double score

# Have memory loaded that the look-up will read, one step; True: when that is there,
# there will be more to load.
ctypedef bint (*obj_prefetch_fn)(
    int enc, const void *value, obj_lookup_t *l
) noexcept nogil

# What the layers above give for each type; set by obj_ops_set.
cdef struct obj_ops_t:
    void (*free)(int enc, void *value) noexcept nogil
    # returned: a copy; the encoding is the same
    void *(*copy)(int enc, const void *value) noexcept nogil
    size_t (*nbytes)(int enc, const void *value, size_t samples) noexcept nogil
    # number of allocations to free, to decide on lazy freeing
    size_t (*effort)(int enc, const void *value) noexcept nogil
    const char *(*encoding)(int enc, const void *value) noexcept nogil

cdef void obj_ops_set(int type, const obj_ops_t *ops) noexcept nogil
# of types whose members are worth looking for ahead
cdef void obj_prefetch_set(int type, obj_prefetch_fn fn) noexcept nogil

# Expiries within a value, those of a hash's fields: where the value stands in the
# wheel of its database. See subexpire.pyx.
cdef struct obj_subexpire_t:
    int64_t next_ms         # the earliest; OBJ_NO_EXPIRE: none
    int64_t wheel_ms        # time of its entry in the wheel; OBJ_NO_EXPIRE: none
    uint8_t wheel_gen       # which of the wheel's two generations has the entry
    bint is_counted         # among the keys that have such expiries

# Called with a part that is about to be deleted.
ctypedef void (*obj_part_fn)(void *ctx, const char *part, size_t n) noexcept nogil

cdef struct obj_subexpire_ops_t:
    # NULL: the value has no room for an expiry
    obj_subexpire_t *(*state)(int enc, void *value) noexcept nogil
    # delete up to budget parts whose time has passed; returns how many. gone: is told
    # of each; or NULL
    size_t (*expire)(
        obj_t *o, int64_t now_ms, size_t budget, obj_part_fn gone, void *ctx
    ) noexcept nogil
    # parts left, expired ones included
    size_t (*len)(const obj_t *o) noexcept nogil

cdef void obj_subexpire_ops_set(int type, const obj_subexpire_ops_t *ops) noexcept nogil
# NULL: none, and no room for any
cdef obj_subexpire_t *obj_subexpire(const obj_t *o) noexcept nogil
cdef size_t obj_subexpire_due(
    obj_t *o, int64_t now_ms, size_t budget, obj_part_fn gone, void *ctx
) noexcept nogil
cdef size_t obj_subexpire_len(const obj_t *o) noexcept nogil

cdef inline void obj_subexpire_init(obj_subexpire_t *s) noexcept nogil:
    """Begin without any expiry."""
    s.next_ms = OBJ_NO_EXPIRE
    s.wheel_ms = OBJ_NO_EXPIRE
    s.wheel_gen = 0
    s.is_counted = False

# returned; expire_ms OBJ_NO_EXPIRE for none. The value is copied (bytes) or consumed.
cdef obj_t *obj_new_bytes(
    const char *key, size_t key_len, const char *value, size_t nbytes,
    int64_t expire_ms
) noexcept nogil
cdef obj_t *obj_new_int(
    const char *key, size_t key_len, int64_t value, int64_t expire_ms
) noexcept nogil
cdef obj_t *obj_new_pointer(
    const char *key, size_t key_len, int type, int enc, void *value,
    int64_t expire_ms
) noexcept nogil
# returned; another key with the value of o, copied; without flags and expiry of o
cdef obj_t *obj_copy(
    const obj_t *o, const char *key, size_t key_len, int64_t expire_ms
) noexcept nogil
# consumed and returned: the same object with room for an expiry, or under another key
cdef obj_t *obj_with_expire(obj_t *o, int64_t expire_ms) noexcept nogil
cdef obj_t *obj_renamed(
    obj_t *o, const char *key, size_t key_len, int64_t expire_ms
) noexcept nogil
# True: the new value was put into the object itself
cdef bint obj_overwrite_bytes(obj_t *o, const char *value, size_t nbytes) noexcept nogil
# frees object and value; NULL is allowed
cdef void obj_free(obj_t *o) noexcept nogil
cdef size_t obj_nbytes(const obj_t *o, size_t samples) noexcept nogil
cdef size_t obj_effort(const obj_t *o) noexcept nogil
cdef bint obj_prefetch(const obj_t *o, obj_lookup_t *l) noexcept nogil
cdef const char *obj_encoding_name(const obj_t *o) noexcept nogil
cdef const char *obj_type_name(int type) noexcept nogil

cdef extern from *:
    """
    #ifndef FASTREDIS_OBJ_H
    #define FASTREDIS_OBJ_H
    #include <stdint.h>
    #include <string.h>
    /* bytes before the key, by flags & OBJ_HEADER_FLAGS: header and expiry */
    static const uint8_t obj_header_nbytes[8] = {7, 16, 13, 22, 15, 24, 15, 24};
    static inline int64_t obj_load48(const char *p) {
        uint64_t v = 0; memcpy(&v, p, 6); return (int64_t)v;
    }
    static inline void obj_store48(char *p, int64_t v) { memcpy(p, &v, 6); }
    #define OBJ_EXPIRE48_NONE ((int64_t)0xFFFFFFFFFFFF)
    #endif
    """
    const uint8_t obj_header_nbytes[8]
    int64_t obj_load48(const char *p) noexcept nogil
    void obj_store48(char *p, int64_t v) noexcept nogil
    const int64_t OBJ_EXPIRE48_NONE

# --- Accessors ----------------------------------------------------------------------

cdef inline int obj_type(const obj_t *o) noexcept nogil:
    return o.kind & 15

cdef inline int obj_enc(const obj_t *o) noexcept nogil:
    return o.kind >> 4

cdef inline void obj_set_enc(obj_t *o, int enc, void *value) noexcept nogil:
    """Replace a pointer by one of another encoding."""
    o.kind = <uint8_t>((o.kind & 15) | enc << 4)
    obj_set_pointer(o, value)

cdef inline char *obj_key(const obj_t *o, size_t *len_out) noexcept nogil:
    """Return the key's bytes, borrowed."""
    cdef uint32_t n
    if o.flags & OBJ_F_WIDE:
        memcpy(&n, <const char *>o + 8, 4)
        len_out[0] = n
    else:
        len_out[0] = o.key_len
    return <char *>o + obj_header_nbytes[o.flags & OBJ_HEADER_FLAGS]

cdef inline const char *obj_key_of(const void *entry, size_t *len_out) noexcept nogil:
    """Return an object's key: the ht_key_fn of a database's table."""
    return obj_key(<const obj_t *>entry, len_out)

cdef inline char *obj_payload(const obj_t *o) noexcept nogil:
    """Return where the value is stored: its bytes, its int64, or its pointer
    (none of them aligned)."""
    cdef size_t n
    cdef char *k = obj_key(o, &n)
    return k + n

cdef inline size_t obj_inline_len(const obj_t *o) noexcept nogil:
    """Return the length of an OBJ_ENC_INLINE value."""
    cdef uint32_t n
    if o.flags & OBJ_F_WIDE:
        memcpy(&n, <const char *>o + 12, 4)
        return n
    return o.value_len

cdef inline int64_t obj_int(const obj_t *o) noexcept nogil:
    """Return an OBJ_ENC_INT value."""
    cdef int64_t v
    memcpy(&v, obj_payload(o), 8)
    return v

cdef inline void obj_set_int(obj_t *o, int64_t v) noexcept nogil:
    """Replace an OBJ_ENC_INT value."""
    memcpy(obj_payload(o), &v, 8)

cdef inline void *obj_pointer(const obj_t *o) noexcept nogil:
    """Return the pointer that is the value of every other encoding."""
    cdef void *v
    memcpy(&v, obj_payload(o), sizeof(void *))
    return v

cdef inline void obj_set_pointer(obj_t *o, void *v) noexcept nogil:
    """Replace the pointer, after the value has moved."""
    memcpy(obj_payload(o), &v, sizeof(void *))

cdef inline bint obj_has_expire_field(const obj_t *o) noexcept nogil:
    """Return whether the object has room for an expiry, set or not."""
    return (o.flags & (OBJ_F_EXPIRE | OBJ_F_EXPIRE_WIDE)) != 0

cdef inline int64_t obj_expire_ms(const obj_t *o) noexcept nogil:
    """Return the expiry in ms of the wall clock, or OBJ_NO_EXPIRE."""
    cdef int64_t v
    cdef const char *p
    if not obj_has_expire_field(o):
        return OBJ_NO_EXPIRE
    p = <const char *>o + (16 if o.flags & OBJ_F_WIDE else 7)
    if o.flags & OBJ_F_EXPIRE_WIDE:
        memcpy(&v, p, 8)
        return v
    v = obj_load48(p)
    return OBJ_NO_EXPIRE if v == OBJ_EXPIRE48_NONE else v

cdef inline uint32_t obj_lru(const obj_t *o) noexcept nogil:
    return o.lru[0] | (o.lru[1] << 8) | (<uint32_t>o.lru[2] << 16)

cdef inline void obj_set_lru(obj_t *o, uint32_t v) noexcept nogil:
    """Store 24 bits; a clean cache line stays clean if nothing changed."""
    if obj_lru(o) != v:
        o.lru[0] = v & 255
        o.lru[1] = (v >> 8) & 255
        o.lru[2] = (v >> 16) & 255
