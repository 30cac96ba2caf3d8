# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of core.lzf."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from fastredis.core.lzf cimport lzf_compress, lzf_decompress


def compress(bytes data, size_t cap):
    """Return the compressed bytes, or None if they are more than cap."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, cap)
    cdef size_t n = lzf_compress(
        PyBytes_AS_STRING(data), len(data), PyBytes_AS_STRING(out), cap)
    return out[:n] if n else None


def decompress(bytes data, size_t cap):
    """Return the bytes, or None if these are no LZF bytes or more than cap."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, cap)
    cdef size_t n = lzf_decompress(
        PyBytes_AS_STRING(data), len(data), PyBytes_AS_STRING(out), cap)
    return out[:n] if n else None
