# SPDX-License-Identifier: BSD-3-Clause
"""LZF: fast, modest compression, in the format that RDB files use. See lzf.pyx."""

# bytes written to out, at most cap; 0: it does not fit, or nbytes is over 4 GB
cdef size_t lzf_compress(
    const void *src, size_t nbytes, void *out, size_t cap
) noexcept nogil
# bytes written to out, at most cap; 0: these are no LZF bytes, or it does not fit
cdef size_t lzf_decompress(
    const void *src, size_t nbytes, void *out, size_t cap
) noexcept nogil
