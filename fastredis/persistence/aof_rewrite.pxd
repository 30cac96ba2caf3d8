# SPDX-License-Identifier: BSD-3-Clause
"""Keys as the requests that make them. See aof_rewrite.pyx."""
from fastredis.keyspace.obj cimport obj_t
from fastredis.persistence.rdb_io cimport rdb_out_t
from libc.stdint cimport int64_t

cdef void aof_put_select(rdb_out_t *out, int db) noexcept nogil
# the requests that make a key, in an empty database; fields that have expired at now_ms
# are left out
cdef void aof_put_key(rdb_out_t *out, const obj_t *o, int64_t now_ms) noexcept nogil
