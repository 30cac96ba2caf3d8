# SPDX-License-Identifier: BSD-3-Clause
"""Values of every type in the encoding of RDB files. See rdb.pyx."""
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport server_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.keyspace.obj cimport obj_t
from fastredis.persistence.rdb_io cimport rdb_in_t, rdb_out_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

# what is written: Redis 7.0 and later read RDB_VERSION (rdb_stream.pxd)
cdef enum:
    RDB_VERSION_FIELDS = 12     # where fields of a hash expire: Redis 7.4 and later
    RDB_VERSION_MAX = 12        # what is read
    RDB_VERSION_VALKEY = 80     # read, too: Valkey 9's own

    RDB_FOOTER_NBYTES = 10      # of DUMP: version (2), checksum (8)

# What came of reading a value.
cdef enum rdb_read_t:
    RDB_READ_OK = 0
    RDB_READ_BAD = 1            # no such value: cut off, corrupt, or of unknown type
    RDB_READ_EXPIRED = 2        # a hash of which no field is left
    RDB_READ_EMPTY = 3          # a collection of nothing, as there may be in old files

# whether rdb_put_value knows values of this type (OBJ_STRING ...)
cdef bint rdb_has_type(int type) noexcept nogil
# Write a value's type and the value; returns the least version that knows it.
# now_ms: fields that have expired by then are left out.
cdef int rdb_put_value(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil

# Read a type and a value of a version; returned in *o_out: an object with an empty key,
# to be given to rdb_store or obj_free.
cdef rdb_read_t rdb_get_value(
    rdb_in_t *src, int version, const server_t *srv, obj_t **o_out
) noexcept nogil
# the same behind a type that has been read, as in files. now_ms: fields of a hash that
# have expired by then are left out
cdef rdb_read_t rdb_get_body(
    rdb_in_t *src, int type, int version, const server_t *srv, int64_t now_ms,
    obj_t **o_out
) noexcept nogil
# what is to be said of one that could not be read, after RDB_READ_BAD
cdef const char *rdb_bad_text(int type) noexcept nogil
# put what was read under a key; o is consumed. expire_ms: as for db_set functions.
cdef obj_t *rdb_store(
    db_t *db, const dbkey_t *key, obj_t *o, int64_t expire_ms
) noexcept nogil

# have a key look unused for so long, as far as the 24-bit clock goes back
cdef void rdb_set_idle(const server_t *srv, obj_t *o, int64_t idle_s) noexcept nogil

# --- DUMP: a value, the version, the checksum
cdef status_t rdb_dump(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil
# is the footer right? Then *src_out is the value. The checksum may be any with
# is_unchecked.
cdef status_t rdb_check_dump(
    const char *s, size_t nbytes, bint is_unchecked, rdb_in_t *src_out,
    int *version_out
) noexcept nogil
