# SPDX-License-Identifier: BSD-3-Clause
"""When the fields of a database's hashes expire. See subexpire.pyx."""
from fastredis.ds.hashtable cimport ht_t
from fastredis.keyspace.obj cimport obj_subexpire_t, obj_t
from libc.stdint cimport int64_t, uint64_t

cdef struct subexpire_t

# Called for a key whose parts are due; returns whether some of them are left.
ctypedef bint (*subexpire_fn)(void *ctx, obj_t *o) noexcept nogil

# returned
cdef subexpire_t *subexpire_new(int64_t now_ms) noexcept nogil
cdef void subexpire_free(subexpire_t *s) noexcept nogil     # NULL is allowed
# keys that have such an expiry
cdef size_t subexpire_len(const subexpire_t *s) noexcept nogil
# sub.next_ms of the key with this hash may have changed
cdef void subexpire_changed(
    subexpire_t *s, const ht_t *keys, uint64_t hash, obj_subexpire_t *sub,
    int64_t now_ms
) noexcept nogil
# the key leaves the database
cdef void subexpire_forget(subexpire_t *s, obj_subexpire_t *sub) noexcept nogil
# have expired parts deleted by fn until end_ns; True: there is more to do
cdef bint subexpire_turn(
    subexpire_t *s, const ht_t *keys, int64_t now_ms, uint64_t end_ns,
    subexpire_fn fn, void *ctx
) noexcept nogil
# nothing is in it that matters
cdef bint subexpire_is_idle(const subexpire_t *s) noexcept nogil
# nkeys: how many keys have such an expiry
cdef void subexpire_check(const subexpire_t *s, size_t nkeys) noexcept nogil
