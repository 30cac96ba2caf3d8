# SPDX-License-Identifier: BSD-3-Clause
"""Operations on hashes. See t_hash.pyx.

o is a hash object that a db_find function returned. A field whose time has passed at
now_ms is absent to every function that takes now_ms, though it may still be there.
After a change, hash_done is to be called: it deletes a hash that has become empty.
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.status cimport status_t
from fastredis.datatypes.hash_fields cimport field_t, fields_t
from fastredis.datatypes.hash_limits cimport hash_limits_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.keyspace.obj cimport (
    OBJ_ENC_LISTPACK,
    OBJ_NO_EXPIRE,
    obj_enc,
    obj_pointer,
    obj_subexpire_t,
    obj_t,
)
from fastredis.resp.parser cimport slice_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    HASH_INT_BUF = 24

# Bytes of a field or value, borrowed; digits is where an integer's text is put, so
# the struct must stay where it is.
cdef struct hash_text_t:
    const char *ptr
    size_t len
    blob_t *blob            # that has the bytes, or NULL
    char[HASH_INT_BUF] digits

cdef struct hash_pair_t:
    hash_text_t field
    hash_text_t value
    int64_t expire_ms       # OBJ_NO_EXPIRE: none

ctypedef void (*hash_visit_fn)(void *ctx, const hash_pair_t *pair) noexcept nogil

# --- Read ---------------------------------------------------------------------------
# fields, those that have expired but are still there included
cdef size_t hash_len(const obj_t *o) noexcept nogil
# without them; O(n) while there are any
cdef size_t hash_live(const obj_t *o, int64_t now_ms) noexcept nogil
# False: absent
cdef bint hash_get(
    const obj_t *o, const char *field, size_t n, int64_t now_ms, hash_text_t *value_out
) noexcept nogil
cdef bint hash_exists(
    const obj_t *o, const char *field, size_t n, int64_t now_ms
) noexcept nogil
cdef void hash_walk(
    const obj_t *o, int64_t now_ms, hash_visit_fn visit, void *ctx
) noexcept nogil
# one step of a scan: some fields, about count of them; the next cursor, 0 at the end
cdef uint64_t hash_scan(
    const obj_t *o, uint64_t cursor, int64_t count, int64_t now_ms,
    hash_visit_fn visit, void *ctx
) noexcept nogil

# have the field's memory loaded
cdef void hash_prefetch(const obj_t *o, const char *field, size_t n) noexcept nogil

# --- Write --------------------------------------------------------------------------
# the key with an empty hash; whatever was there goes, its expiry, too
cdef obj_t *hash_new(db_t *db, const dbkey_t *key) noexcept nogil
# True: the field is new. An old one's expiry goes unless is_kept.
cdef bint hash_set(
    obj_t *o, const char *field, size_t n, const char *value, size_t nbytes,
    bint is_kept, int64_t now_ms, const hash_limits_t *limits
) noexcept nogil
# True: it was there, whether its time had passed or not
cdef bint hash_delete(obj_t *o, const char *field, size_t n) noexcept nogil
# True: the hash was empty and the key is deleted. Else o stays valid.
cdef bint hash_done(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil

# --- Expiry of fields ---------------------------------------------------------------
cdef extern from *:
    """
    #ifndef FASTREDIS_HASH_H
    #define FASTREDIS_HASH_H
    #define HASH_TIME_MAX ((int64_t)0x3FFFFFFFFFFF)  /* as in Redis */
    #endif
    """
    const int64_t HASH_TIME_MAX     # ms; the latest time that clients may set

# Delete those of the fields args[0], args[step] .. args[nargs - 1] that have expired,
# or all of the hash that have. o may be NULL; NULL: the hash is gone.
cdef obj_t *hash_purge(
    db_t *db, const dbkey_t *key, obj_t *o, const slice_t *args, int nargs, int step
) noexcept nogil
cdef obj_t *hash_purge_all(db_t *db, const dbkey_t *key, obj_t *o) noexcept nogil
# C_ERR: no such field; expire_out: ms, or OBJ_NO_EXPIRE
cdef status_t hash_expiry(
    const obj_t *o, const char *field, size_t n, int64_t now_ms, int64_t *expire_out
) noexcept nogil
# the field must be there; when_ms: OBJ_NO_EXPIRE to have none
cdef void hash_set_expiry(
    obj_t *o, const char *field, size_t n, int64_t when_ms
) noexcept nogil

cdef void hash_check(const obj_t *o) noexcept nogil

# --- For hash_random ----------------------------------------------------------------

# A listpack whose entries come in threes, and its earliest time.
cdef struct listpack_ex_t:
    obj_subexpire_t sub
    uint8_t *lp

cdef inline fields_t *hash_table_of(const obj_t *o) noexcept nogil:
    """Return the table of a hash in that encoding."""
    return <fields_t *>obj_pointer(o)

cdef inline uint8_t *hash_lp_of(const obj_t *o) noexcept nogil:
    """Return the listpack of a hash in one of the others."""
    if obj_enc(o) == OBJ_ENC_LISTPACK:
        return <uint8_t *>obj_pointer(o)
    return (<listpack_ex_t *>obj_pointer(o)).lp

cdef inline bint hash_is_past(int64_t when, int64_t now_ms) noexcept nogil:
    """Return whether a time has come."""
    return when != OBJ_NO_EXPIRE and when <= now_ms

# has any field's time come?
cdef bint hash_has_expired(const obj_t *o, int64_t now_ms) noexcept nogil
# the entry of a table
cdef void hash_read_field(
    const fields_t *t, const field_t *f, hash_pair_t *pair
) noexcept nogil
# the field at p of a listpack; returns the next one's place, or NULL
cdef uint8_t *hash_read_pair(
    const obj_t *o, const uint8_t *lp, const uint8_t *p, hash_pair_t *pair
) noexcept nogil
