# SPDX-License-Identifier: BSD-3-Clause
"""Up to where a hash is a listpack: configuration that t_hash.pyx is given."""

cdef struct hash_limits_t:
    size_t max_entries      # hash-max-listpack-entries
    size_t max_value        # hash-max-listpack-value, bytes of a field or value
