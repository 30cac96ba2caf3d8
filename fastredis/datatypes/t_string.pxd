# SPDX-License-Identifier: BSD-3-Clause
"""Operations on string values. See t_string.pyx.

o is a string object that a db_find function returned, or, where it is said, NULL for
a key that is absent. The writers look the key up again only if the object must be
replaced. None of them checks a limit on the length.
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.num cimport ld_t, num_format_i64
from fastredis.core.status cimport status_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.keyspace.obj cimport (
    OBJ_ENC_BLOB,
    OBJ_ENC_INT,
    obj_enc,
    obj_inline_len,
    obj_int,
    obj_payload,
    obj_pointer,
    obj_t,
)
from libc.stdint cimport int64_t

cdef enum:
    STR_INT_MAX = 24            # room for the digits of an int64
    STR_DIGEST_LEN = 16         # hexadecimal digits

# What came of adding to a number.
cdef enum str_sum_t:
    STR_SUM_OK = 0
    STR_SUM_NOT_A_NUMBER = 1    # the string is none
    STR_SUM_OVERFLOW = 2        # the result is not representable

# --- Read ---------------------------------------------------------------------------

cdef inline const char *str_bytes(
    const obj_t *o, char *digits, size_t *len_out
) noexcept nogil:
    """Return a string's bytes, borrowed: from the object, its blob, or digits.

    digits: room for STR_INT_MAX bytes, used for integers.
    """
    cdef blob_t *b
    if obj_enc(o) == OBJ_ENC_INT:
        len_out[0] = num_format_i64(digits, obj_int(o))
        return digits
    if obj_enc(o) == OBJ_ENC_BLOB:
        b = <blob_t *>obj_pointer(o)
        len_out[0] = b.len
        return b.data
    len_out[0] = obj_inline_len(o)
    return obj_payload(o)

cdef size_t str_len(const obj_t *o) noexcept nogil
cdef bint str_equals(const obj_t *o, const char *s, size_t nbytes) noexcept nogil
# hex_out: STR_DIGEST_LEN lower-case digits of the string's XXH3, without NUL
cdef void str_digest(const obj_t *o, char *hex_out) noexcept nogil
# whether (s, nbytes) are the digits of the string's digest, in either case
cdef bint str_digest_is(const obj_t *o, const char *s, size_t nbytes) noexcept nogil
# the number that the string is, in canonical form; NULL is 0
cdef status_t str_to_i64(const obj_t *o, int64_t *value_out) noexcept nogil
# the number that the string is, as num_parse_ld reads it; NULL is 0
cdef status_t str_to_ld(const obj_t *o, ld_t *value_out) noexcept nogil

# --- Write --------------------------------------------------------------------------

# The string's bytes to change in place, borrowed until the next call that writes the
# key; zeros are appended up to nbytes. o may be NULL. NULL: memory is short.
cdef char *str_writable(
    db_t *db, const dbkey_t *key, obj_t *o, size_t nbytes
) noexcept nogil
# The string's own blob, if it suits a string of nbytes that replaces all of its bytes;
# else NULL. o may be NULL, or no string.
cdef blob_t *str_reusable(obj_t *o, size_t nbytes) noexcept nogil
# the length afterwards; -1: memory is short. o may be NULL.
cdef ssize_t str_append(
    db_t *db, const dbkey_t *key, obj_t *o, const char *s, size_t nbytes
) noexcept nogil
# Add to an integer, keeping the expiry; o may be NULL.
cdef str_sum_t str_incr(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t delta, int64_t *sum_out
) noexcept nogil
# Store an integer in place of the one that o is, keeping the expiry; o may be NULL.
cdef void str_set_int(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t value
) noexcept nogil
