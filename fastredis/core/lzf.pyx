# SPDX-License-Identifier: BSD-3-Clause
r"""LZF: literals and references to what came up to 8 KB before.

    000nnnnn  byte ...                 n + 1 literal bytes (1..32)
    lllooooo  oooooooo                 copy l + 2 bytes (3..8) from o + 1 bytes back
    111ooooo  llllllll  oooooooo       copy l + 9 bytes (9..264) from o + 1 bytes back

The compressor remembers, for each hash of three bytes, where they were seen last; the
first match is taken, the longest is not looked for. Small inputs use a small table,
since clearing it would cost more than they do.

Cost: O(n), about 3 ns a byte to compress and below 1 ns to decompress.
Threads: any.    Source: M. Lehmann's description of the format in liblzf.
"""
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t
from libc.string cimport memcpy, memset

cdef enum:
    LITERALS_MAX = 32
    OFFSET_MAX = 8192
    MATCH_MIN = 3
    MATCH_MAX = 264
    TABLE_BITS = 14
    # for inputs up to so many bytes
    SMALL_TABLE_BITS = 11
    SMALL_NBYTES = 16384
    TINY_TABLE_BITS = 8
    TINY_NBYTES = 160


cdef inline uint32_t _three(const uint8_t *p) noexcept nogil:
    """Return three bytes as a number."""
    return p[0] | (p[1] << 8) | (<uint32_t>p[2] << 16)


cdef inline uint32_t _hash(uint32_t three, int bits) noexcept nogil:
    """Return a hash of three bytes."""
    return (three * <uint32_t>0x9E3779B1) >> (32 - bits)


cdef size_t lzf_compress(
    const void *src, size_t nbytes, void *out, size_t cap
) noexcept nogil:
    """Compress; fails if the result is longer than cap."""
    cdef uint32_t table[1 << TABLE_BITS]    # positions + 1; 0: none
    cdef int bits = TABLE_BITS
    cdef const uint8_t *s = <const uint8_t *>src
    cdef uint8_t *o = <uint8_t *>out
    cdef size_t at = 0, done = 0, used = 0, n, longest, ref, offset, slot
    cdef uint32_t v
    if nbytes == 0 or nbytes >= UINT32_MAX:
        return 0
    if nbytes <= TINY_NBYTES:
        bits = TINY_TABLE_BITS
    elif nbytes <= SMALL_NBYTES:
        bits = SMALL_TABLE_BITS
    memset(table, 0, sizeof(uint32_t) << bits)
    while True:
        # find a match, or come to the end
        longest = 0
        offset = 0
        while at + MATCH_MIN <= nbytes:
            v = _three(s + at)
            slot = _hash(v, bits)
            ref = table[slot]
            table[slot] = <uint32_t>(at + 1)
            if ref and at + 1 - ref <= OFFSET_MAX:
                ref -= 1
                if _three(s + ref) == v:
                    longest = min(nbytes - at, <size_t>MATCH_MAX)
                    n = MATCH_MIN
                    while n < longest and s[ref + n] == s[at + n]:
                        n += 1
                    longest = n
                    offset = at - ref - 1
                    break
            at += 1
        if longest == 0:
            at = nbytes
        # what was passed over
        while done < at:
            n = min(at - done, <size_t>LITERALS_MAX)
            if used + 1 + n > cap:
                return 0
            o[used] = <uint8_t>(n - 1)
            memcpy(o + used + 1, s + done, n)
            used += 1 + n
            done += n
        if longest == 0:
            return used
        n = longest - 2
        if used + (2 if n < 7 else 3) > cap:
            return 0
        if n < 7:
            o[used] = <uint8_t>((n << 5) | (offset >> 8))
            used += 1
        else:
            o[used] = <uint8_t>((7 << 5) | (offset >> 8))
            o[used + 1] = <uint8_t>(n - 7)
            used += 2
        o[used] = offset & 255
        used += 1
        # the positions within the match are worth remembering: its last two
        done = at + longest
        at = done - 2
        while at < done and at + MATCH_MIN <= nbytes:
            table[_hash(_three(s + at), bits)] = <uint32_t>(at + 1)
            at += 1
        at = done


cdef size_t lzf_decompress(
    const void *src, size_t nbytes, void *out, size_t cap
) noexcept nogil:
    """Decompress; every length and offset is checked."""
    cdef const uint8_t *s = <const uint8_t *>src
    cdef uint8_t *o = <uint8_t *>out
    cdef size_t at = 0, used = 0, n, offset, i
    cdef const uint8_t *ref
    cdef uint8_t b
    while at < nbytes:
        b = s[at]
        at += 1
        if b < 32:
            n = <size_t>b + 1
            if n > nbytes - at or n > cap - used:
                return 0
            memcpy(o + used, s + at, n)
            at += n
            used += n
            continue
        n = b >> 5
        if n == 7:
            if at >= nbytes:
                return 0
            n += s[at]
            at += 1
        n += 2
        if at >= nbytes:
            return 0
        offset = ((<size_t>b & 31) << 8 | s[at]) + 1
        at += 1
        if offset > used or n > cap - used:
            return 0
        ref = o + used - offset
        if offset >= n:
            memcpy(o + used, ref, n)
        else:
            for i in range(n):      # overlapping: byte after byte
                o[used + i] = ref[i]
        used += n
    return used
