# SPDX-License-Identifier: BSD-3-Clause
"""Union, intersection and difference of sorted sets. See zset_merge.pyx."""
from fastredis.datatypes.t_zset cimport zset_limits_t, zset_t
from fastredis.keyspace.obj cimport obj_t

cdef enum merge_op_t:
    MERGE_UNION = 0
    MERGE_INTER = 1
    MERGE_DIFF = 2

# How the scores that a member has in several sources become one.
cdef enum merge_by_t:
    MERGE_SUM = 0
    MERGE_MIN = 1
    MERGE_MAX = 2
    MERGE_COUNT = 3             # whatever the scores, the sum of the sources' weights

cdef struct merge_source_t:
    const obj_t *o              # of a type that merge_takes; NULL: empty
    double weight
    int index                   # in the order given
    size_t len

# May an object of this type be a source?
cdef bint merge_takes(int type) noexcept nogil
cdef void merge_source_init(
    merge_source_t *s, const obj_t *o, int index
) noexcept nogil
# returned; ptr NULL if there are no members. The sources are put in another order.
cdef zset_t zset_merge(
    merge_op_t op, merge_source_t *sources, int n, merge_by_t by,
    const zset_limits_t *limits
) noexcept nogil
# size of the intersection, or limit if that is less
cdef size_t zset_inter_len(
    merge_source_t *sources, int n, size_t limit
) noexcept nogil
