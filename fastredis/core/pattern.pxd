# SPDX-License-Identifier: BSD-3-Clause
"""Glob-style patterns over bytes, as KEYS, SCAN and PSUBSCRIBE understand them."""

# Whether all of (s, slen) matches; nocase folds ASCII letters only.
cdef bint pattern_match(
    const char *pattern, size_t plen, const char *s, size_t slen,
    bint nocase) noexcept nogil

# Whether no byte of the pattern is special, so that it matches only itself.
cdef bint pattern_is_literal(const char *p, size_t n) noexcept nogil
