# SPDX-License-Identifier: BSD-3-Clause
"""Longest common subsequence of two byte strings. See lcs.pyx."""

cdef struct lcs_t

# A run of bytes that follow each other in both strings.
cdef struct lcs_run_t:
    size_t a                # where it starts in the first string
    size_t b                # and in the second
    size_t len

# returned; NULL: memory is short. The strings are borrowed until lcs_free. Without
# is_traced only the length can be asked for, and memory is O(length of b).
cdef lcs_t *lcs_new(
    const char *a, size_t a_len, const char *b, size_t b_len, bint is_traced
) noexcept nogil
cdef void lcs_free(lcs_t *t) noexcept nogil
cdef size_t lcs_len(const lcs_t *t) noexcept nogil
# the next run, from the strings' ends to their starts; False: there is none
cdef bint lcs_next(lcs_t *t, lcs_run_t *run_out) noexcept nogil
