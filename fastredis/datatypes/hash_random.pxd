# SPDX-License-Identifier: BSD-3-Clause
"""Random fields of hashes. See hash_random.pyx."""
from fastredis.core.rand cimport rand_t
from fastredis.datatypes.t_hash cimport hash_visit_fn
from fastredis.keyspace.obj cimport obj_t
from libc.stdint cimport int64_t, uint64_t

# visit n different fields, n <= hash_live
cdef void hash_sample(
    const obj_t *o, size_t n, rand_t *rand, int64_t now_ms, hash_visit_fn visit,
    void *ctx
) noexcept nogil
# visit n fields, each drawn from all; none if there is none
cdef void hash_draw(
    const obj_t *o, uint64_t n, rand_t *rand, int64_t now_ms, hash_visit_fn visit,
    void *ctx
) noexcept nogil
