# SPDX-License-Identifier: BSD-3-Clause
"""Random members of sets. See set_random.pyx."""
from fastredis.core.rand cimport rand_t
from fastredis.datatypes.t_set cimport member_t, set_limits_t, set_t, set_visit_fn
from libc.stdint cimport uint8_t

# any member, each as likely; the set is not empty
cdef void set_random(set_t s, rand_t *rand, member_t *m) noexcept nogil
# visit count different members, 0 < count < set_len
cdef void set_sample(
    set_t s, size_t count, rand_t *rand, set_visit_fn visit, void *ctx
) noexcept nogil
# the same; those that are visited are removed
cdef void set_pop(
    set_t *s, size_t count, rand_t *rand, const set_limits_t *limits,
    set_visit_fn visit, void *ctx
) noexcept nogil
# pointers to all entries of a listpack, for who draws many; returned: to be zfreed
cdef uint8_t **set_places(set_t s) noexcept nogil
