# SPDX-License-Identifier: BSD-3-Clause
"""Keyed 64-bit hash of byte strings, for hash tables.

Built on the 64x64->128-bit multiplication that folds both halves (the wyhash family):
16 bytes take about 3 ns where SipHash-1-3 takes 13. Each word is xored with a secret
word before it is multiplied, so that a client, who does not know the secret drawn at
start, can neither make a factor zero nor predict which keys share a bucket. Not a
cryptographic hash; it must not be shown to clients.
"""
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #ifndef FASTREDIS_KEYHASH_H
    #define FASTREDIS_KEYHASH_H
    #include <stdint.h>
    #include <string.h>
    typedef struct { uint64_t w[4]; } keyseed_t;
    static inline uint64_t keyhash_fold(uint64_t a, uint64_t b) {
        __uint128_t m = (__uint128_t)a * b;
        return (uint64_t)m ^ (uint64_t)(m >> 64);
    }
    static inline uint64_t keyhash_r8(const char *p) {
        uint64_t v; memcpy(&v, p, 8); return v;
    }
    static inline uint64_t keyhash_r4(const char *p) {
        uint32_t v; memcpy(&v, p, 4); return v;
    }
    static inline uint64_t keyhash(const keyseed_t *s, const char *p, size_t n) {
        uint64_t a, b, h = s->w[0] ^ n;
        size_t left = n;
        if (n <= 16) {
            if (n >= 8) {
                a = keyhash_r8(p);
                b = keyhash_r8(p + n - 8);
            } else if (n >= 4) {
                a = keyhash_r4(p);
                b = keyhash_r4(p + n - 4);
            } else if (n > 0) {
                a = ((uint64_t)(uint8_t)p[0] << 16)
                    | ((uint64_t)(uint8_t)p[n >> 1] << 8) | (uint8_t)p[n - 1];
                b = 0;
            } else {
                a = b = 0;
            }
        } else {
            while (left > 16) {
                h = keyhash_fold(keyhash_r8(p) ^ s->w[1], keyhash_r8(p + 8) ^ h);
                p += 16;
                left -= 16;
            }
            a = keyhash_r8(p + left - 16);
            b = keyhash_r8(p + left - 8);
        }
        h = keyhash_fold(a ^ s->w[2], b ^ h);
        return keyhash_fold(h ^ s->w[3], s->w[1]);
    }
    /* are n bytes the same? most keys are short: then two loads and no call */
    static inline int keyhash_equal(const char *a, const char *b, size_t n) {
        if (n > 16) return memcmp(a, b, n) == 0;
        if (n >= 8)
            return ((keyhash_r8(a) ^ keyhash_r8(b))
                    | (keyhash_r8(a + n - 8) ^ keyhash_r8(b + n - 8))) == 0;
        if (n >= 4)
            return ((keyhash_r4(a) ^ keyhash_r4(b))
                    | (keyhash_r4(a + n - 4) ^ keyhash_r4(b + n - 4))) == 0;
        while (n--) if (a[n] != b[n]) return 0;
        return 1;
    }
    #endif
    """
    ctypedef struct keyseed_t:
        uint64_t w[4]
    uint64_t keyhash_raw "keyhash"(
        const keyseed_t *seed, const char *p, size_t n
    ) noexcept nogil

    bint keyhash_equal(const char *a, const char *b, size_t n) noexcept nogil

# The process's secret; set once by keyhash_seed_set.
cdef keyseed_t keyhash_seed

cdef void keyhash_seed_set(const keyseed_t *seed) noexcept nogil

cdef inline uint64_t keyhash(const char *p, size_t n) noexcept nogil:
    """Return the hash of n bytes under the process's secret."""
    return keyhash_raw(&keyhash_seed, p, n)
