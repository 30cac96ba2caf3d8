# SPDX-License-Identifier: BSD-3-Clause
"""HyperLogLog in a string: how many distinct elements were added, about.

See hyperloglog.pyx. The functions that take (s, nbytes) read the string of a key that
passed hll_is_valid, and check every offset within it again: what is in a string is for
a client to say. max_bytes: the longest sparse string (hll-sparse-max-bytes).
"""
from fastredis.core.blob cimport blob_t
from fastredis.core.rand cimport rand_t
from fastredis.core.status cimport status_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.keyspace.obj cimport obj_t
from libc.stdint cimport uint8_t, uint64_t

cdef enum:
    HLL_REGISTERS = 16384       # 2 ** 14
    HLL_DENSE = 0               # encodings, as the header says them
    HLL_SPARSE = 1
    HLL_CORRUPT = -1            # instead of a result

# A key's HyperLogLog, opened to be changed; valid until the key is written otherwise.
cdef struct hll_t:
    obj_t *o
    blob_t *b                   # o's own: no reply refers to it

# One instruction of the sparse form.
cdef struct hll_op_t:
    int value                   # of the registers; 0: zeros
    int run                     # how many of them
    int nbytes                  # of the instruction

# --- Read ---------------------------------------------------------------------------

# whether a string has a HyperLogLog's header, and the length that goes with it
cdef bint hll_is_valid(const char *s, size_t nbytes) noexcept nogil
cdef int hll_encoding(const char *s) noexcept nogil
# registers: HLL_REGISTERS bytes; each becomes the greater of it and the string's.
# Fails, with some of that done, if the string is corrupt.
cdef status_t hll_merge(
    uint8_t *registers, const char *s, size_t nbytes, bint is_simd
) noexcept nogil
# the estimate
cdef uint64_t hll_count(const uint8_t *registers) noexcept nogil
# the same for one string; fails if it is corrupt
cdef status_t hll_count_one(
    const char *s, size_t nbytes, bint is_simd, uint64_t *count_out
) noexcept nogil
# the estimate that the header keeps; False: it is out of date
cdef bint hll_cached(const char *s, uint64_t *count_out) noexcept nogil
# the instruction at *pos, which moves on; 1, 0 at the end, or HLL_CORRUPT
cdef int hll_next(
    const char *s, size_t nbytes, size_t *pos, hll_op_t *op_out
) noexcept nogil
# whether hll_merge has instructions for is_simd on this processor
cdef bint hll_has_simd() noexcept nogil

# --- Change -------------------------------------------------------------------------

# open the HyperLogLog of a key; o NULL: create an empty one. Fails: memory is short.
cdef status_t hll_open(
    db_t *db, const dbkey_t *key, obj_t *o, hll_t *h_out
) noexcept nogil
# 1: a register changed; 0; or HLL_CORRUPT
cdef int hll_add(
    hll_t *h, const char *element, size_t nbytes, size_t max_bytes
) noexcept nogil
# raise registers to these, of which none may be less than it is; is_dense: have the
# dense form, whatever max_bytes
cdef status_t hll_raise(
    hll_t *h, const uint8_t *registers, bint is_dense, size_t max_bytes
) noexcept nogil
cdef status_t hll_to_dense(hll_t *h) noexcept nogil
cdef void hll_set_cached(hll_t *h, uint64_t count) noexcept nogil

# --- Test ---------------------------------------------------------------------------

# NULL, or what is wrong; counts to ten million
cdef const char *hll_selftest(rand_t *random, size_t max_bytes) noexcept nogil
