# SPDX-License-Identifier: BSD-3-Clause
"""Which arguments of a request are keys. See cmdkeys.pyx."""
from fastredis.engine.client cimport cmd_t
from fastredis.resp.parser cimport slice_t

# Keys are argv[first], argv[first + step], ...: n of them, all within the request.
cdef struct key_places_t:
    int first
    int n
    int step

# the keys of a command that reads; none if the request does not say
cdef key_places_t cmd_keys(
    const cmd_t *cmd, const slice_t *argv, int argc
) noexcept nogil
