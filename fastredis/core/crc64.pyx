# SPDX-License-Identifier: BSD-3-Clause
r"""CRC-64 with the polynomial of D. T. Jones, lowest bit first, eight bytes at a time.

    byte by byte            crc = T0[(crc ^ byte) & 255] ^ crc >> 8

    eight at a time         x = crc ^ the next 8 bytes
                            +----+----+----+----+----+----+----+----+
                            | x0 | x1 | x2 | x3 | x4 | x5 | x6 | x7 |
                            +----+----+----+----+----+----+----+----+
                              T7   T6   T5   T4   T3   T2   T1   T0     xor of all

Table k has what a byte does to the checksum when k bytes that are zero follow it, so
that the eight look-ups do not wait for each other. The tables are made at import.

Cost: about 0.6 ns a byte; 16 KB of tables.    Threads: any.

Source: T. Kounavis, F. Berry, "A Systematic Approach to Building High Performance
Software-based CRC Generators" (2005); the parameters are those of Redis's checksum.
"""
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

cdef uint64_t POLYNOMIAL = 0x95AC9329AC4BC9B5u      # 0xAD93D23594C935A9, bits reversed

cdef uint64_t[8 * 256] _tables


cdef void _make_tables() noexcept nogil:
    cdef uint64_t crc
    cdef int i, _k
    for i in range(256):
        crc = i
        for _k in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
        _tables[i] = crc
    for i in range(256, 8 * 256):
        crc = _tables[i - 256]
        _tables[i] = _tables[crc & 255] ^ crc >> 8


cdef uint64_t crc64(uint64_t crc, const void *data, size_t n) noexcept nogil:
    """Continue a checksum."""
    cdef const uint8_t *p = <const uint8_t *>data
    cdef const uint64_t *t = _tables
    cdef uint64_t x
    while n >= 8:
        memcpy(&x, p, 8)
        x ^= crc
        crc = (
            t[7 * 256 + (x & 255)]
            ^ t[6 * 256 + (x >> 8 & 255)]
            ^ t[5 * 256 + (x >> 16 & 255)]
            ^ t[4 * 256 + (x >> 24 & 255)]
            ^ t[3 * 256 + (x >> 32 & 255)]
            ^ t[2 * 256 + (x >> 40 & 255)]
            ^ t[256 + (x >> 48 & 255)]
            ^ t[x >> 56]
        )
        p += 8
        n -= 8
    while n:
        crc = t[(crc ^ p[0]) & 255] ^ crc >> 8
        p += 1
        n -= 1
    return crc


_make_tables()
