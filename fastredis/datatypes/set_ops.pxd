# SPDX-License-Identifier: BSD-3-Clause
"""Intersection, union and difference of sets. See set_ops.pyx.

`sets` is an array of n sets, borrowed; where a key is absent, `value` is NULL. Each
function visits the members of the result and returns how many there are. visit: NULL
to count only; limit: stop at so many, 0 for no limit. The sets must not change while
they are visited; a member is valid until visit returns.
"""
from fastredis.datatypes.t_set cimport member_t, set_t, set_visit_fn
from libc.stdint cimport uint64_t

# sorts the array: the smallest set first
cdef size_t set_inter(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil
# sorts the array: the largest set first
cdef size_t set_union(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil
# members of the first that are in no other; sorts the others
cdef size_t set_diff(
    set_t *sets, size_t n, size_t limit, set_visit_fn visit, void *ctx
) noexcept nogil
# about how many members the union has (standard error 0.8 %), in 16 KB of memory
cdef uint64_t set_union_estimate(const set_t *sets, size_t n) noexcept nogil
