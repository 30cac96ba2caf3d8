# SPDX-License-Identifier: BSD-3-Clause
r"""SHA-1 (FIPS 180-4).

    bytes --> blocks of 64 --> 80 rounds over five 32-bit words, a block after the other
    end: 0x80, zeros, the number of bits in 8 bytes (big-endian), to a whole block

The names a...e, f, k, w are those of the standard.

Cost: about 3 ns a byte; 200 ns for what fits one block.    Threads: any.
"""
from libc.string cimport memcpy, memset


cdef inline uint32_t _rol(uint32_t x, int n) noexcept nogil:
    return (x << n) | (x >> (32 - n))


cdef void _compress(uint32_t *state, const unsigned char *p) noexcept nogil:
    """Take one block into the state."""
    cdef uint32_t w[80]
    cdef uint32_t a, b, c, d, e, f, k, t
    cdef int i
    for i in range(16):
        w[i] = (<uint32_t>p[4 * i] << 24) | (<uint32_t>p[4 * i + 1] << 16) \
            | (<uint32_t>p[4 * i + 2] << 8) | <uint32_t>p[4 * i + 3]
    for i in range(16, 80):
        w[i] = _rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1)
    a, b, c, d, e = state[0], state[1], state[2], state[3], state[4]
    for i in range(80):
        if i < 20:
            f = (b & c) | (~b & d)
            k = 0x5A827999
        elif i < 40:
            f = b ^ c ^ d
            k = 0x6ED9EBA1
        elif i < 60:
            f = (b & c) | (b & d) | (c & d)
            k = 0x8F1BBCDC
        else:
            f = b ^ c ^ d
            k = 0xCA62C1D6
        t = _rol(a, 5) + f + e + k + w[i]
        e = d
        d = c
        c = _rol(b, 30)
        b = a
        a = t
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


cdef void sha1_init(sha1_t *h) noexcept nogil:
    """Begin."""
    h.state[0] = 0x67452301
    h.state[1] = 0xEFCDAB89
    h.state[2] = 0x98BADCFE
    h.state[3] = 0x10325476
    h.state[4] = 0xC3D2E1F0
    h.nbytes = 0


cdef void sha1_update(sha1_t *h, const void *data, size_t nbytes) noexcept nogil:
    """Take more bytes."""
    cdef const unsigned char *p = <const unsigned char *>data
    cdef size_t used = h.nbytes % SHA1_BLOCK_NBYTES, n
    h.nbytes += nbytes
    if used:
        n = SHA1_BLOCK_NBYTES - used
        if nbytes < n:
            memcpy(h.block + used, p, nbytes)
            return
        memcpy(h.block + used, p, n)
        _compress(h.state, h.block)
        p += n
        nbytes -= n
    while nbytes >= SHA1_BLOCK_NBYTES:
        _compress(h.state, p)
        p += SHA1_BLOCK_NBYTES
        nbytes -= SHA1_BLOCK_NBYTES
    if nbytes:
        memcpy(h.block, p, nbytes)


cdef void sha1_final(sha1_t *h, unsigned char *digest_out) noexcept nogil:
    """End, and write the digest."""
    cdef unsigned char end[72]
    cdef uint64_t nbits = h.nbytes * 8
    cdef size_t used = h.nbytes % SHA1_BLOCK_NBYTES
    cdef size_t pad = (56 if used < 56 else 120) - used
    cdef int i
    memset(end, 0, sizeof(end))
    end[0] = 0x80
    for i in range(8):
        end[pad + i] = (nbits >> (56 - 8 * i)) & 255
    sha1_update(h, end, pad + 8)
    for i in range(SHA1_NBYTES):
        digest_out[i] = (h.state[i // 4] >> (24 - 8 * (i % 4))) & 255


cdef void sha1(
    const void *data, size_t nbytes, unsigned char *digest_out
) noexcept nogil:
    """Write the digest of some bytes, which may be where it is written."""
    cdef sha1_t h
    sha1_init(&h)
    sha1_update(&h, data, nbytes)
    sha1_final(&h, digest_out)
