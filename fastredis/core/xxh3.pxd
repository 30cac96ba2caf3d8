# SPDX-License-Identifier: BSD-3-Clause
"""XXH3, the 64-bit hash, unseeded. Not keyed: no defence against chosen keys."""
from libc.stdint cimport uint64_t

# Equal on every platform; DIGEST and IFDEQ show it to clients.
cdef uint64_t xxh3_64(const char *s, size_t nbytes) noexcept nogil
