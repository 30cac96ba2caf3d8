# SPDX-License-Identifier: BSD-3-Clause
"""A walk through a large hash table in the order of memory. See htwalk.pyx."""
from fastredis.ds.hashtable cimport ht_t, ht_visit_fn

# visit every entry; visit must not change the table
cdef void ht_walk_near(const ht_t *t, ht_visit_fn visit, void *ctx) noexcept nogil
