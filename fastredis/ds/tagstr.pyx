# SPDX-License-Identifier: BSD-3-Clause
r"""Byte strings whose pointer may tell their length: members of large sets.

The allocator gives blocks of 16, 32, 48 ... bytes (and of 8). A length before the bytes
costs nothing as long as it fits into the rest of the block; but a string of exactly 16
bytes, as identifiers often are, would take 32 for one byte of length. Blocks of 16
bytes and more are aligned by 16, so the low bits of the pointer are free:

    pointer ...000   +-----+-------------------+
                     | len | bytes             |       up to 254 bytes
                     +-----+-------------------+
                     | 255 | u32 len | bytes   |       longer
                     +-----+---------+---------+
    pointer ...ttt   +-------------------------+
                     | bytes, 16 * ttt of them |       16, 32, ... 112 bytes
                     +-------------------------+

So 16 bytes take 16, a UUID's 36 take 48, and a digest in hexadecimal (32, 64) takes
what it is long.

Invariant: who stores such a pointer keeps all 48 bits of it.
Cost: one allocation each. Threads: tstr_free may run on the lazy-free thread.
"""
from fastredis.core.mem cimport zfree, zmalloc, zsize


cdef void *tstr_new(const char *s, size_t nbytes) noexcept nogil:
    """Return a string of its own."""
    cdef uint8_t *p
    cdef uint32_t n
    if nbytes % TSTR_UNIT == 0 and 0 < nbytes <= TSTR_UNIT * TSTR_TAGS:
        p = <uint8_t *>zmalloc(nbytes)
        # every allocator we know aligns such blocks; one that does not is no bug
        if <uintptr_t>p % TSTR_UNIT == 0:
            memcpy(p, s, nbytes)
            return p + nbytes // TSTR_UNIT
        zfree(p)
    if nbytes < TSTR_WIDE:
        p = <uint8_t *>zmalloc(1 + nbytes)
        p[0] = <uint8_t>nbytes
        memcpy(p + 1, s, nbytes)
        return p
    p = <uint8_t *>zmalloc(TSTR_WIDE_HEADER + nbytes)
    p[0] = TSTR_WIDE
    n = <uint32_t>nbytes
    memcpy(p + 1, &n, 4)
    memcpy(p + TSTR_WIDE_HEADER, s, nbytes)
    return p


cdef void tstr_free(void *t) noexcept nogil:
    """Free the string."""
    zfree(tstr_block(t))


cdef size_t tstr_nbytes(const void *t) noexcept nogil:
    """Return what the string takes of the allocator."""
    return zsize(tstr_block(t))
