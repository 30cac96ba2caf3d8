# SPDX-License-Identifier: BSD-3-Clause
"""Numbers to and from text: integers, doubles and long doubles.

Every parser takes the whole of (s, nbytes), which need not end in NUL, and leaves
*value_out alone when it fails. No function depends on the locale.
"""
from libc.stdint cimport int64_t, uint64_t

from fastredis.core.status cimport status_t

ctypedef long double ld_t

cdef enum:
    NUM_I64_MAX_CHARS = 20  # "-9223372036854775808"
    NUM_U64_MAX_CHARS = 20  # "18446744073709551615"
    NUM_INT_BUF = 24  # room for either
    NUM_DOUBLE_BUF = 32  # room for num_format_double; "-1.2345678901234567e-308"
    NUM_LD_HUMAN_BUF = 5120  # room for any long double in num_format_ld_human


# --- Integers ----------------------------------------------------------------

# Only the canonical text of a number: no blanks, no '+', no leading zeros, no "-0".
cdef status_t num_parse_i64(
    const char *s, size_t nbytes, int64_t *value_out) noexcept nogil
cdef status_t num_parse_u64(
    const char *s, size_t nbytes, uint64_t *value_out) noexcept nogil

# Write the decimal text, without NUL; at most 20 bytes. Return its length.
cdef int num_format_i64(char *buf, int64_t value) noexcept nogil
cdef int num_format_u64(char *buf, uint64_t value) noexcept nogil

cdef inline int num_digits_u64(uint64_t value) noexcept nogil:
    """Number of decimal digits; 1 for 0."""
    cdef int n = 1

    while value >= 10000:
        value //= 10000
        n += 4
    if value < 100:
        return n + (value >= 10)
    return n + 2 + (value >= 1000)


# --- Floating point ----------------------------------------------------------

# What strtod accepts in the C locale and nothing around it; never NaN.
cdef status_t num_parse_double(
    const char *s, size_t nbytes, double *value_out) noexcept nogil
cdef status_t num_parse_ld(
    const char *s, size_t nbytes, ld_t *value_out) noexcept nogil

# Text that reads back as the same double, nearly always the shortest; digit by digit
# what Redis prints, also "inf", "-inf", "nan", "-0". Return the length, without NUL;
# 0 if cap is too small (NUM_DOUBLE_BUF is always enough).
cdef int num_format_double(char *buf, size_t cap, double value) noexcept nogil

# Fixed point with at most 17 decimals, no trailing zeros. Return the length, without
# NUL; 0 if cap is too small (NUM_LD_HUMAN_BUF is always enough).
cdef int num_format_ld_human(char *buf, size_t cap, ld_t value) noexcept nogil
