# SPDX-License-Identifier: BSD-3-Clause
"""Fields of a large hash: a hash table of entries, some with an expiry.

See hash_fields.pyx. An entry is borrowed and valid until it is set, is given an
expiry, or is deleted.
"""
from fastredis.core.blob cimport blob_t
from fastredis.ds.hashtable cimport ht_t
from fastredis.ds.slab cimport slab_t
from fastredis.keyspace.obj cimport obj_part_fn, obj_subexpire_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

cdef enum:
    # of an entry's first byte; without HF_TALL that byte is the field's length
    HF_TALL = 128           # flags follow, in the lower bits
    HF_LONG = 1             # 32-bit lengths
    HF_BLOB = 2             # the value is a blob_t *
    HF_TIMED = 4            # room for the number of its expiry
    HF_INLINE_MAX = 1024    # longer values are blobs, sent without a copy

cdef struct field_t:        # of bytes; see hash_fields.pyx
    uint8_t first

# When a field's time comes: 48-bit ms, 48-bit pointer.
cdef struct field_due_t:
    uint8_t[6] when
    uint8_t[6] field

cdef struct fields_t:
    obj_subexpire_t sub     # next_ms is kept by the functions here
    ht_t *table             # of field_t *
    field_due_t *heap       # the soonest first; NULL before the first expiry
    size_t ndue             # fields with an expiry
    size_t cap
    slab_t *slab            # of short entries; NULL while there are few

# returned
cdef fields_t *hf_new() noexcept nogil
cdef void hf_free(fields_t *t) noexcept nogil           # NULL is allowed
cdef fields_t *hf_copy(const fields_t *t) noexcept nogil
# NULL: absent
cdef field_t *hf_find(const fields_t *t, const char *field, size_t n) noexcept nogil
# True: the field is new. An old one's expiry stays if is_kept, else it goes.
cdef bint hf_set(
    fields_t *t, const char *field, size_t n, const char *value, size_t nbytes,
    bint is_kept
) noexcept nogil
# True: it was there
cdef bint hf_delete(fields_t *t, const char *field, size_t n) noexcept nogil
# ms, or OBJ_NO_EXPIRE
cdef int64_t hf_expiry(const fields_t *t, const field_t *f) noexcept nogil
# when_ms: OBJ_NO_EXPIRE to have none; f may move
cdef void hf_set_expiry(fields_t *t, field_t *f, int64_t when_ms) noexcept nogil
# delete up to budget fields whose time has passed; returns how many
cdef size_t hf_expire(
    fields_t *t, int64_t now_ms, size_t budget, obj_part_fn gone, void *ctx
) noexcept nogil
# bytes of all, estimated from that many entries (0: all are looked at)
cdef size_t hf_nbytes(const fields_t *t, size_t samples) noexcept nogil
# walk every invariant; ends the process on a violation
cdef void hf_check(const fields_t *t) noexcept nogil

cdef inline const char *hf_field(const void *entry, size_t *len_out) noexcept nogil:
    """Return an entry's field, borrowed: the ht_key_fn of the table."""
    cdef const uint8_t *p = <const uint8_t *>entry
    cdef uint32_t n
    if p[0] < HF_TALL:
        len_out[0] = p[0]
        return <const char *>p + 2
    if p[0] & HF_LONG:
        memcpy(&n, p + 1, 4)
        len_out[0] = n
        return <const char *>p + (13 if p[0] & HF_TIMED else 9)
    len_out[0] = p[1]
    return <const char *>p + (7 if p[0] & HF_TIMED else 3)

cdef inline const char *hf_value(
    const field_t *f, size_t *len_out, blob_t **blob_out
) noexcept nogil:
    """Return an entry's value, borrowed; blob_out: the blob that has it, or NULL."""
    cdef const uint8_t *p = <const uint8_t *>f
    cdef size_t n
    cdef const char *value = hf_field(f, &n)
    cdef uint32_t nbytes
    value += n
    blob_out[0] = NULL
    if p[0] < HF_TALL:
        len_out[0] = p[1]
    elif p[0] & HF_BLOB:
        memcpy(blob_out, value, sizeof(blob_t *))
        len_out[0] = blob_out[0].len
        return blob_out[0].data
    elif p[0] & HF_LONG:
        memcpy(&nbytes, p + 5, 4)
        len_out[0] = nbytes
    else:
        len_out[0] = p[2]
    return value
