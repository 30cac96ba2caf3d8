# SPDX-License-Identifier: BSD-3-Clause
"""How large the nodes of a stream may be: configuration that t_stream.pyx is given."""
from libc.stdint cimport int64_t

cdef struct stream_limits_t:
    size_t node_max_nbytes      # stream-node-max-bytes; 0: that of any listpack
    int64_t node_max_entries    # stream-node-max-entries; 0: no limit
