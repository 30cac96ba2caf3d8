# SPDX-License-Identifier: BSD-3-Clause
"""The result of C functions that can fail, and assertions.

fr_assert stays in release builds, for invariants whose loss would corrupt data;
debug_assert is compiled only where FASTREDIS_CHECKS is defined.
"""

cdef enum status_t:
    C_OK = 0
    C_ERR = -1

cdef extern from *:
    """
    #ifndef FASTREDIS_STATUS_H
    #define FASTREDIS_STATUS_H
    #include <stdio.h>
    #include <stdlib.h>
    #define fr_likely(x) __builtin_expect(!!(x), 1)
    #define fr_unlikely(x) __builtin_expect(!!(x), 0)
    #define fr_assert(cond) do { if (fr_unlikely(!(cond))) { \
        fprintf(stderr, "fastredis: ASSERTION FAILED: %s (%s:%d)\\n", \
                #cond, __FILE__, __LINE__); \
        abort(); } } while (0)
    #ifdef FASTREDIS_CHECKS
    #define debug_assert(cond) fr_assert(cond)
    #else
    #define debug_assert(cond) ((void)0)
    #endif
    #endif
    """
    void fr_assert(bint cond) noexcept nogil
    void debug_assert(bint cond) noexcept nogil
    bint fr_likely(bint cond) noexcept nogil
    bint fr_unlikely(bint cond) noexcept nogil
