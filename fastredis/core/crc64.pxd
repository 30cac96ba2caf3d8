# SPDX-License-Identifier: BSD-3-Clause
"""CRC-64 of Jones, the checksum of RDB files and DUMP. See crc64.pyx."""
from libc.stdint cimport uint64_t

# the checksum of what gave crc (at first 0) and n bytes more
cdef uint64_t crc64(uint64_t crc, const void *data, size_t n) noexcept nogil
