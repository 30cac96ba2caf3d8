# SPDX-License-Identifier: BSD-3-Clause
"""SHA-1, for digests that other servers compute alike, not for secrets."""
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    SHA1_NBYTES = 20
    SHA1_BLOCK_NBYTES = 64

cdef struct sha1_t:
    uint32_t state[5]
    uint64_t nbytes                             # given so far
    unsigned char block[SHA1_BLOCK_NBYTES]      # the block that is not full yet

cdef void sha1_init(sha1_t *h) noexcept nogil
cdef void sha1_update(sha1_t *h, const void *data, size_t nbytes) noexcept nogil
# digest_out: SHA1_NBYTES bytes
cdef void sha1_final(sha1_t *h, unsigned char *digest_out) noexcept nogil
# the three in one
cdef void sha1(
    const void *data, size_t nbytes, unsigned char *digest_out) noexcept nogil
