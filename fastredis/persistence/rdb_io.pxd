# SPDX-License-Identifier: BSD-3-Clause
"""Lengths, strings and numbers in the encoding of RDB files. See rdb_io.pyx.

Writing: an rdb_out_t collects bytes; when memory runs out it says so at the end.
Reading: an rdb_in_t is what is left of bytes from outside. No length in them is
trusted: every rdb_get function fails rather than read behind the end, and moves on only
when it succeeds.
"""
from fastredis.core.status cimport status_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef enum:
    RDB_DIGITS = 24             # room for an integer's text

# --- Write
cdef struct rdb_out_t:
    char *buf                   # owned
    size_t len
    size_t cap
    bint is_compressing         # strings by LZF, where that makes them shorter
    int version                 # asked for; 0: whatever the values need
    bint has_failed             # memory was short: what is in buf is not all
    # Takes what was written; NULL: the buffer grows. May set has_failed.
    void (*drain)(rdb_out_t *out, const void *s, size_t nbytes) noexcept nogil
    # of the next value, borrowed: written behind its type; NULL: none
    const char *key
    size_t key_len

cdef void rdb_out_init(
    rdb_out_t *out, bint is_compressing, int version
) noexcept nogil
cdef void rdb_out_free(rdb_out_t *out) noexcept nogil
cdef void rdb_put_bytes(rdb_out_t *out, const void *s, size_t nbytes) noexcept nogil
cdef void rdb_put_byte(rdb_out_t *out, int b) noexcept nogil
# the type of a value, and the key if there is one
cdef void rdb_put_type(rdb_out_t *out, int type) noexcept nogil
# have what is in the buffer drained
cdef void rdb_out_flush(rdb_out_t *out) noexcept nogil
cdef void rdb_put_len(rdb_out_t *out, uint64_t n) noexcept nogil
cdef void rdb_put_i64(rdb_out_t *out, int64_t v) noexcept nogil
cdef void rdb_put_double(rdb_out_t *out, double v) noexcept nogil
# a string: as an integer if it is one, compressed if that is shorter
cdef void rdb_put_string(rdb_out_t *out, const char *s, size_t nbytes) noexcept nogil
# a string that is an integer's text
cdef void rdb_put_int_string(rdb_out_t *out, int64_t v) noexcept nogil
# a string of nbytes that is compressed already
cdef void rdb_put_lzf(
    rdb_out_t *out, const void *lzf, size_t lzf_nbytes, size_t nbytes
) noexcept nogil

# --- Read
cdef struct rdb_in_t:
    const uint8_t *p
    const uint8_t *end
    bint is_short               # something failed since bytes were missing at the end

# A string: within the input, in digits, or in memory of its own.
cdef struct rdb_text_t:
    const char *ptr
    size_t len
    char *owned                 # or NULL
    char digits[RDB_DIGITS]

cdef status_t rdb_get_byte(rdb_in_t *src, int *b_out) noexcept nogil
cdef status_t rdb_get_len(rdb_in_t *src, uint64_t *n_out) noexcept nogil
cdef status_t rdb_get_i64(rdb_in_t *src, int64_t *v_out) noexcept nogil
cdef status_t rdb_get_double(rdb_in_t *src, double *v_out) noexcept nogil
# as text, the way of the oldest files; may be infinite or NaN
cdef status_t rdb_get_text_double(rdb_in_t *src, double *v_out) noexcept nogil
# followed by rdb_text_free, unless it fails
cdef status_t rdb_get_text(rdb_in_t *src, rdb_text_t *t_out) noexcept nogil
cdef void rdb_text_free(rdb_text_t *t) noexcept nogil
