# SPDX-License-Identifier: BSD-3-Clause
"""Prefixes of keys, and what has changed with each of them. See prefixes.pyx.

Who has a prefix is an owner, of which nothing is known here.
"""
from fastredis.core.blob cimport blob_t
from fastredis.keyspace.db cimport dbkey_t
from libc.stdint cimport uint64_t

cdef struct prefix_t

# An owner's prefix; all of them are linked in the order of their bytes.
cdef struct prefix_use_t:
    prefix_use_t *next
    const char *name                # borrowed from the prefix
    size_t len
    void *owner
    prefix_t *prefix
    prefix_use_t *next_of_prefix
    prefix_use_t *prev_of_prefix

# All prefixes of a server; zeros: none.
cdef struct prefixes_t:
    prefix_t *first
    size_t n

# whose changes an owner is not told; 0: none
ctypedef uint64_t (*prefix_left_out_fn)(const void *owner) noexcept nogil
# keys: an encoded array; borrowed, may be retained
ctypedef void (*prefix_send_fn)(void *owner, blob_t *keys) noexcept nogil

# add a prefix to an owner's; False: it has it already
cdef bint prefix_use(
    prefixes_t *all, prefix_use_t **uses, void *owner, const char *name, size_t nbytes
) noexcept nogil
# take all of an owner's prefixes away
cdef void prefix_end_uses(prefixes_t *all, prefix_use_t **uses) noexcept nogil
# one with which a prefix has keys in common, or NULL
cdef const prefix_use_t *prefix_overlapping(
    const prefix_use_t *uses, const char *name, size_t nbytes
) noexcept nogil
# memory of an owner's prefixes, as if it shared none
cdef size_t prefix_nbytes(const prefix_use_t *uses) noexcept nogil
# a key has been changed by whoever has this number; True: some have its prefix
cdef bint prefix_note(
    prefixes_t *all, const dbkey_t *key, uint64_t by
) noexcept nogil
# send what has been noted since the last call to the owners
cdef void prefix_broadcast(
    prefixes_t *all, prefix_left_out_fn left_out, prefix_send_fn send
) noexcept nogil
