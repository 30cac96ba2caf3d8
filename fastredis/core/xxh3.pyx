# SPDX-License-Identifier: BSD-3-Clause
r"""XXH3 with 64 bits of output, seed 0 and the default secret.

    0..16 bytes     read in one or two overlapping words, one multiplication
    17..128         pairs of 16 bytes from both ends towards the middle
    129..240        16 bytes at a time, and the last 16
    241...          stripes of 64 bytes into eight lanes:

       block (1024)                       block                      rest
    +---------+---------+-- ... --+----+---------+-- ... --+------+-------+
    | stripe  | stripe  |         | 16 | stripe  |         |      | last  |
    +---------+---------+-- ... --+----+---------+-- ... --+------+-------+
       each stripe meets the secret 8 bytes further on    ^ scramble after a block
                                  the last stripe is the last 64 bytes, overlapping

Words are read in little-endian order, so the result is the same everywhere.

Cost: a few ns for a short key; long input at about five bytes a cycle. Written out
as vectors of two lanes (SSE2) it was no faster than the scalar code.  Threads: any.
Source: the XXH3 part of the xxHash specification, version 0.8.
"""
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy


cdef enum:
    SECRET_NBYTES = 192
    STRIPE_NBYTES = 64
    LANES = 8
    SECRET_STEP = 8  # how far one stripe moves on in the secret
    STRIPES_PER_BLOCK = (SECRET_NBYTES - STRIPE_NBYTES) // SECRET_STEP
    BLOCK_NBYTES = STRIPES_PER_BLOCK * STRIPE_NBYTES
    SCRAMBLE_OFFSET = SECRET_NBYTES - STRIPE_NBYTES
    LAST_STRIPE_OFFSET = SECRET_NBYTES - STRIPE_NBYTES - 7
    MERGE_OFFSET = 11
    MIDSIZE_MAX = 240
    MIDSIZE_START_OFFSET = 3  # in the secret, from the second round of eight on
    MIDSIZE_LAST_OFFSET = 136 - 17

cdef extern from *:
    """
    #ifndef __SIZEOF_INT128__
    #error "fastredis needs a compiler with 128-bit integers"
    #endif
    #include <stdint.h>
    #include <string.h>

    #define PRIME32_1 0x9E3779B1ULL
    #define PRIME32_2 0x85EBCA77ULL
    #define PRIME32_3 0xC2B2AE3DULL
    #define PRIME64_1 0x9E3779B185EBCA87ULL
    #define PRIME64_2 0xC2B2AE3D27D4EB4FULL
    #define PRIME64_3 0x165667B19E3779F9ULL
    #define PRIME64_4 0x85EBCA77C2B2AE63ULL
    #define PRIME64_5 0x27D4EB2F165667C5ULL
    #define PRIME_MX1 0x165667919E3779F9ULL
    #define PRIME_MX2 0x9FB21C651E98DF25ULL

    static const unsigned char XXH3_SECRET_BYTES[192] = {
        0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c,
        0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb,
        0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
        0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
        0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6,
        0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
        0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97,
        0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
        0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
        0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31,
        0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83,
        0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
        0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26,
        0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc,
        0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
        0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

    #define XXH3_SECRET ((const char *)XXH3_SECRET_BYTES)

    static inline uint64_t xxh3_mul_fold(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }

    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define XXH3_LE64(x) __builtin_bswap64(x)
    #define XXH3_LE32(x) __builtin_bswap32(x)
    #else
    #define XXH3_LE64(x) (x)
    #define XXH3_LE32(x) (x)
    #endif
    """
    const char *XXH3_SECRET
    uint64_t PRIME32_1
    uint64_t PRIME32_2
    uint64_t PRIME32_3
    uint64_t PRIME64_1
    uint64_t PRIME64_2
    uint64_t PRIME64_3
    uint64_t PRIME64_4
    uint64_t PRIME64_5
    uint64_t PRIME_MX1
    uint64_t PRIME_MX2
    uint64_t xxh3_mul_fold(uint64_t a, uint64_t b) noexcept nogil
    uint64_t XXH3_LE64(uint64_t x) noexcept nogil
    uint32_t XXH3_LE32(uint32_t x) noexcept nogil
    uint64_t __builtin_bswap64(uint64_t x) noexcept nogil


# --- Reading and mixing ------------------------------------------------------

cdef inline uint64_t _u64(const char *p) noexcept nogil:
    cdef uint64_t word

    memcpy(&word, p, 8)
    return XXH3_LE64(word)


cdef inline uint64_t _u32(const char *p) noexcept nogil:
    cdef uint32_t word

    memcpy(&word, p, 4)
    return XXH3_LE32(word)


cdef inline uint64_t _rotl(uint64_t x, int n) noexcept nogil:
    return (x << n) | (x >> (64 - n))


cdef inline uint64_t _avalanche(uint64_t h) noexcept nogil:
    h ^= h >> 37
    h *= PRIME_MX1
    return h ^ (h >> 32)


cdef inline uint64_t _avalanche_xxh64(uint64_t h) noexcept nogil:
    h ^= h >> 33
    h *= PRIME64_2
    h ^= h >> 29
    h *= PRIME64_3
    return h ^ (h >> 32)


cdef inline uint64_t _mix16(const char *p, const char *secret) noexcept nogil:
    return xxh3_mul_fold(_u64(p) ^ _u64(secret), _u64(p + 8) ^ _u64(secret + 8))


# --- Length classes ----------------------------------------------------------

cdef inline uint64_t _hash_0_to_16(const char *p, size_t n) noexcept nogil:
    cdef const char *secret = XXH3_SECRET
    cdef uint64_t low
    cdef uint64_t high
    cdef uint64_t h

    if n > 8:
        low = _u64(p) ^ _u64(secret + 24) ^ _u64(secret + 32)
        high = _u64(p + n - 8) ^ _u64(secret + 40) ^ _u64(secret + 48)
        return _avalanche(
            n + __builtin_bswap64(low) + high + xxh3_mul_fold(low, high))
    if n >= 4:
        h = _u32(p + n - 4) + (_u32(p) << 32)
        h ^= _u64(secret + 8) ^ _u64(secret + 16)
        h ^= _rotl(h, 49) ^ _rotl(h, 24)
        h *= PRIME_MX2
        h ^= (h >> 35) + n
        h *= PRIME_MX2
        return h ^ (h >> 28)
    if n:
        h = (
            <uint64_t><unsigned char>p[0] << 16
            | <uint64_t><unsigned char>p[n >> 1] << 24
            | <uint64_t><unsigned char>p[n - 1]
            | <uint64_t>n << 8
        )
        return _avalanche_xxh64(h ^ _u32(secret) ^ _u32(secret + 4))
    return _avalanche_xxh64(_u64(secret + 56) ^ _u64(secret + 64))


cdef uint64_t _hash_17_to_128(const char *p, size_t n) noexcept nogil:
    cdef const char *secret = XXH3_SECRET
    cdef uint64_t acc = n * PRIME64_1
    cdef size_t offset = 0

    # one pair for each 32 bytes begun
    while True:
        acc += _mix16(p + offset, secret + 2 * offset)
        acc += _mix16(p + n - 16 - offset, secret + 2 * offset + 16)
        offset += 16
        if n <= 2 * offset:
            return _avalanche(acc)


cdef uint64_t _hash_129_to_240(const char *p, size_t n) noexcept nogil:
    cdef const char *secret = XXH3_SECRET
    cdef uint64_t acc = n * PRIME64_1
    cdef size_t i

    for i in range(8):
        acc += _mix16(p + 16 * i, secret + 16 * i)
    acc = _avalanche(acc)
    for i in range(8, n // 16):
        acc += _mix16(p + 16 * i, secret + 16 * (i - 8) + MIDSIZE_START_OFFSET)
    acc += _mix16(p + n - 16, secret + MIDSIZE_LAST_OFFSET)
    return _avalanche(acc)


cdef inline void _accumulate(
    uint64_t *acc, const char *p, const char *secret
) noexcept nogil:
    """Add one stripe; a lane's input also goes to its neighbour unchanged."""
    cdef uint64_t words[LANES]
    cdef uint64_t keyed
    cdef int i

    for i in range(LANES):
        words[i] = _u64(p + 8 * i)
    for i in range(LANES):
        keyed = words[i] ^ _u64(secret + 8 * i)
        acc[i] += (keyed & 0xFFFFFFFFULL) * (keyed >> 32) + words[i ^ 1]


cdef inline void _scramble(uint64_t *acc) noexcept nogil:
    cdef int i

    for i in range(LANES):
        acc[i] ^= (acc[i] >> 47) ^ _u64(XXH3_SECRET + SCRAMBLE_OFFSET + 8 * i)
        acc[i] *= PRIME32_1


cdef uint64_t _hash_long(const char *p, size_t n) noexcept nogil:
    cdef const char *secret = XXH3_SECRET
    cdef const char *last = p + n - STRIPE_NBYTES
    cdef size_t nblocks = (n - 1) // BLOCK_NBYTES
    cdef int nstripes = <int>((n - 1 - nblocks * BLOCK_NBYTES) // STRIPE_NBYTES)
    cdef uint64_t acc[LANES]
    cdef uint64_t h = n * PRIME64_1
    cdef int i

    acc[0] = PRIME32_3
    acc[1] = PRIME64_1
    acc[2] = PRIME64_2
    acc[3] = PRIME64_3
    acc[4] = PRIME64_4
    acc[5] = PRIME32_2
    acc[6] = PRIME64_5
    acc[7] = PRIME32_1
    while nblocks:
        for i in range(STRIPES_PER_BLOCK):
            _accumulate(acc, p + i * STRIPE_NBYTES, secret + i * SECRET_STEP)
        _scramble(acc)
        p += BLOCK_NBYTES
        nblocks -= 1
    for i in range(nstripes):
        _accumulate(acc, p + i * STRIPE_NBYTES, secret + i * SECRET_STEP)
    _accumulate(acc, last, secret + LAST_STRIPE_OFFSET)
    secret += MERGE_OFFSET
    for i in range(0, LANES, 2):
        h += xxh3_mul_fold(
            acc[i] ^ _u64(secret + 8 * i), acc[i + 1] ^ _u64(secret + 8 * i + 8))
    return _avalanche(h)


cdef uint64_t xxh3_64(const char *s, size_t nbytes) noexcept nogil:
    if nbytes <= 16:
        return _hash_0_to_16(s, nbytes)
    if nbytes <= 128:
        return _hash_17_to_128(s, nbytes)
    if nbytes <= MIDSIZE_MAX:
        return _hash_129_to_240(s, nbytes)
    return _hash_long(s, nbytes)
