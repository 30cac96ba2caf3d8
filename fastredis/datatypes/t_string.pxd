# SPDX-License-Identifier: BSD-3-Clause
"""Operations on string values. See t_string.pyx."""
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
from fastredis.core.blob cimport blob_t
from fastredis.core.num cimport num_format_i64

cdef enum:
    STR_INT_MAX = 24            # room for the digits of an int64

cdef inline const char *str_bytes(const obj_t *o, char *digits, size_t *len_out) noexcept nogil:
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
