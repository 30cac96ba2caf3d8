# SPDX-License-Identifier: BSD-3-Clause
r"""String values: integers, short bytes within the object, long bytes in a blob.

    SET k 12         INT      the int64 itself             INCR adds in place
    SET k abc        INLINE   up to 1024 bytes             SETRANGE writes in place
    APPEND k def     BLOB     len, room to grow, refs  --> a reply may hold a
    SET k <2 KB>     BLOB                                  reference, too

A string that grows becomes a blob with room: the next appends cost no allocation. As
in Redis the room is as much as the string takes, at most 1 MB, so that n appends copy
O(n) bytes in all as long as the string is short, and a long one is moved by the
allocator (which remaps pages instead of copying).

A blob to which replies refer is never changed: who wants to write gets a copy.

Invariants: OBJ_F_RAW is set on what was changed in place, since clients see it in
OBJECT ENCODING; an integer in canonical form is INT, unless it came about by APPEND or
SETRANGE.

Cost: reads O(1), but O(n) for digest and comparison. Threads: main thread only.
"""
from fastredis.core.blob cimport (
    blob_release,
    blob_try_new,
    blob_try_reserve,
)
from fastredis.core.num cimport (
    NUM_I64_MAX_CHARS,
    num_digits_u64,
    num_parse_i64,
    num_parse_ld,
)
from fastredis.core.status cimport C_ERR, C_OK, fr_likely
from fastredis.core.xxh3 cimport xxh3_64
from fastredis.keyspace.db cimport (
    DB_KEEP_TTL,
    DB_NO_TTL,
    db_set_blob,
    db_set_bytes,
    db_set_int,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_INLINE,
    OBJ_F_RAW,
    OBJ_STRING,
    obj_set_int,
    obj_set_pointer,
    obj_type,
)
from libc.stdint cimport INT64_MAX, INT64_MIN, uint64_t
from libc.string cimport memcmp, memcpy, memset

cdef enum:
    GROWTH_MAX = 1024 * 1024    # room beyond what is needed; Redis's own limit


# --- Read -------------------------------------------------------------------------


cdef size_t str_len(const obj_t *o) noexcept nogil:
    """Return the length in bytes."""
    cdef int64_t n
    if obj_enc(o) == OBJ_ENC_INT:
        n = obj_int(o)
        # the cast takes care of the one number that has no positive counterpart
        return (n < 0) + num_digits_u64(-<uint64_t>n if n < 0 else <uint64_t>n)
    if obj_enc(o) == OBJ_ENC_BLOB:
        return (<blob_t *>obj_pointer(o)).len
    return obj_inline_len(o)


cdef bint str_equals(const obj_t *o, const char *s, size_t nbytes) noexcept nogil:
    """Return whether the string is (s, nbytes)."""
    cdef char[STR_INT_MAX] digits
    cdef size_t n
    cdef const char *bytes = str_bytes(o, digits, &n)
    return n == nbytes and memcmp(bytes, s, n) == 0


cdef void str_digest(const obj_t *o, char *hex_out) noexcept nogil:
    """Write the digits of the string's digest, leading zeros included."""
    cdef char[STR_INT_MAX] digits
    cdef size_t n
    cdef const char *bytes = str_bytes(o, digits, &n)
    cdef uint64_t h = xxh3_64(bytes, n)
    cdef const char *hex_digits = b"0123456789abcdef"
    cdef int i
    for i in range(STR_DIGEST_LEN):
        hex_out[STR_DIGEST_LEN - 1 - i] = hex_digits[h & 15]
        h >>= 4


cdef bint str_digest_is(const obj_t *o, const char *s, size_t nbytes) noexcept nogil:
    """Return whether (s, nbytes) is what str_digest writes, but for its case."""
    cdef char[STR_DIGEST_LEN] own
    cdef int i
    cdef char ch
    if nbytes != STR_DIGEST_LEN:
        return False
    str_digest(o, own)
    for i in range(STR_DIGEST_LEN):
        ch = s[i]
        if b"A" <= ch <= b"F":
            ch += 32
        if ch != own[i]:
            return False
    return True


cdef status_t str_to_i64(const obj_t *o, int64_t *value_out) noexcept nogil:
    """Read the string as an integer; fails if it is none."""
    cdef size_t n
    cdef const char *bytes
    if o == NULL:
        value_out[0] = 0
        return C_OK
    if fr_likely(obj_enc(o) == OBJ_ENC_INT):
        value_out[0] = obj_int(o)
        return C_OK
    bytes = str_bytes(o, NULL, &n)
    if n > NUM_I64_MAX_CHARS:
        return C_ERR
    return num_parse_i64(bytes, n, value_out)


cdef status_t str_to_ld(const obj_t *o, ld_t *value_out) noexcept nogil:
    """Read the string as a long double; fails if it is none."""
    cdef size_t n
    cdef const char *bytes
    if o == NULL:
        value_out[0] = 0
        return C_OK
    if obj_enc(o) == OBJ_ENC_INT:
        value_out[0] = <ld_t>obj_int(o)
        return C_OK
    bytes = str_bytes(o, NULL, &n)
    return num_parse_ld(bytes, n, value_out)


# --- Room to write ----------------------------------------------------------------


cdef inline size_t _with_room(size_t nbytes) noexcept nogil:
    """Return the capacity for a string of nbytes that is growing."""
    return nbytes + (nbytes if nbytes < GROWTH_MAX else GROWTH_MAX)


cdef blob_t *_blob_of(const obj_t *o, size_t cap) noexcept nogil:
    """Return a new blob with the string's bytes, or NULL; cap: at least their number.

    o may be NULL: the blob is empty.
    """
    cdef char[STR_INT_MAX] digits
    cdef size_t n
    cdef const char *bytes
    cdef blob_t *b = blob_try_new(cap)
    if b != NULL and o != NULL:
        bytes = str_bytes(o, digits, &n)
        memcpy(b.data, bytes, n)
        b.len = n
    return b


cdef blob_t *_own_blob(obj_t *o, size_t nbytes) noexcept nogil:
    """Return o's blob, made its own and with room for nbytes; NULL (o unchanged) if
    memory is short."""
    cdef blob_t *b = <blob_t *>obj_pointer(o)
    cdef blob_t *own = b
    cdef size_t cap = b.cap if nbytes <= b.cap else _with_room(nbytes)
    if b.refs > 1:
        # a pending reply owns these bytes, too
        own = _blob_of(o, cap)
        if own != NULL:
            blob_release(b)
    elif cap > b.cap:
        own = blob_try_reserve(b, cap)
    if own == NULL:
        return NULL
    if own != b:
        obj_set_pointer(o, own)
    o.flags |= OBJ_F_RAW
    return own


cdef inline void _fill(blob_t *b, size_t nbytes) noexcept nogil:
    """Append zeros up to nbytes, for which there is room."""
    if nbytes > b.len:
        memset(b.data + b.len, 0, nbytes - b.len)
        b.len = nbytes


cdef char *str_writable(
    db_t *db, const dbkey_t *key, obj_t *o, size_t nbytes
) noexcept nogil:
    """Return bytes that may be changed, at least nbytes of them."""
    cdef blob_t *b
    cdef size_t n = 0
    if o != NULL:
        if obj_enc(o) == OBJ_ENC_BLOB:
            b = _own_blob(o, nbytes)
            if b == NULL:
                return NULL
            _fill(b, nbytes)
            return b.data
        n = str_len(o)
        if obj_enc(o) == OBJ_ENC_INLINE and nbytes <= n:
            o.flags |= OBJ_F_RAW
            return obj_payload(o)
    b = _blob_of(o, n if n > nbytes else nbytes)
    if b == NULL:
        return NULL
    _fill(b, nbytes)
    db_set_blob(db, key, b, DB_NO_TTL if o == NULL else DB_KEEP_TTL)
    return b.data


cdef blob_t *str_reusable(obj_t *o, size_t nbytes) noexcept nogil:
    """Return a blob that no reply refers to, with room, but not twice too much."""
    cdef blob_t *b
    if o == NULL or obj_type(o) != OBJ_STRING or obj_enc(o) != OBJ_ENC_BLOB:
        return NULL
    b = <blob_t *>obj_pointer(o)
    if b.refs > 1 or b.cap < nbytes or b.cap // 2 > nbytes:
        return NULL
    return b


# --- Write ------------------------------------------------------------------------


cdef ssize_t str_append(
    db_t *db, const dbkey_t *key, obj_t *o, const char *s, size_t nbytes
) noexcept nogil:
    """Append bytes; amortised O(nbytes). A new string is stored as SET would."""
    cdef blob_t *b
    if o == NULL:
        db_set_bytes(db, key, s, nbytes, DB_NO_TTL)
        return nbytes
    if obj_enc(o) == OBJ_ENC_BLOB:
        b = _own_blob(o, (<blob_t *>obj_pointer(o)).len + nbytes)
    else:
        b = _blob_of(o, _with_room(str_len(o) + nbytes))
    if b == NULL:
        return -1
    memcpy(b.data + b.len, s, nbytes)
    b.len += nbytes
    if obj_enc(o) != OBJ_ENC_BLOB:
        db_set_blob(db, key, b, DB_KEEP_TTL)
    return b.len


cdef void str_set_int(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t value
) noexcept nogil:
    """Store an integer; the expiry stays."""
    if o == NULL:
        db_set_int(db, key, value, DB_NO_TTL)
    elif fr_likely(obj_enc(o) == OBJ_ENC_INT):
        obj_set_int(o, value)
    else:
        db_set_int(db, key, value, DB_KEEP_TTL)


cdef str_sum_t str_incr(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t delta, int64_t *sum_out
) noexcept nogil:
    """Add delta to an integer; the string is unchanged unless STR_SUM_OK."""
    cdef int64_t value
    if str_to_i64(o, &value) != C_OK:
        return STR_SUM_NOT_A_NUMBER
    if value > INT64_MAX - delta if delta > 0 else value < INT64_MIN - delta:
        return STR_SUM_OVERFLOW
    value += delta
    str_set_int(db, key, o, value)
    sum_out[0] = value
    return STR_SUM_OK
