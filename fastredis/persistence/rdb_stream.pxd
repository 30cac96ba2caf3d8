# SPDX-License-Identifier: BSD-3-Clause
"""Streams in the encoding of RDB files. See rdb_stream.pyx."""
from fastredis.keyspace.obj cimport obj_t
from fastredis.persistence.rdb_io cimport rdb_in_t, rdb_out_t

cdef enum:
    RDB_VERSION = 10            # what is written at least: Redis 7.0 and later read it

    RDB_TYPE_STREAM = 15        # Redis 5
    RDB_TYPE_STREAM_2 = 19      # Redis 7.0
    RDB_TYPE_STREAM_3 = 21      # Redis 7.2: what is written, unless an older version
    RDB_VERSION_STREAM = 11     # than this, which has it, is asked for

# with its type: 19 or 21
cdef void rdb_put_stream(rdb_out_t *out, const obj_t *o) noexcept nogil
# the version that it needs then
cdef inline int rdb_stream_version(const rdb_out_t *out) noexcept nogil:
    """Return the least version that reads a stream as it is written here."""
    if 0 < out.version < RDB_VERSION_STREAM:
        return RDB_VERSION
    return RDB_VERSION_STREAM
# returned; NULL: this is no stream
cdef obj_t *rdb_get_stream(rdb_in_t *src, int type) noexcept nogil
