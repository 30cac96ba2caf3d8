# SPDX-License-Identifier: BSD-3-Clause
"""Streams in the encoding of RDB files. See rdb_stream.pyx."""
from fastredis.keyspace.obj cimport obj_t
from fastredis.persistence.rdb_io cimport rdb_in_t, rdb_out_t

cdef enum:
    RDB_TYPE_STREAM = 15        # Redis 5
    RDB_TYPE_STREAM_2 = 19      # Redis 7.0
    RDB_TYPE_STREAM_3 = 21      # Redis 7.2: what is written
    RDB_VERSION_STREAM = 11     # the version that has it

# with its type
cdef void rdb_put_stream(rdb_out_t *out, const obj_t *o) noexcept nogil
# returned; NULL: this is no stream
cdef obj_t *rdb_get_stream(rdb_in_t *src, int type) noexcept nogil
