# SPDX-License-Identifier: BSD-3-Clause
"""What SCAN and its kin for collections have in common. See scan.pyx."""
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport client_t
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SCAN_DEFAULT_COUNT = 10
    SCAN_STEPS_PER_ITEM = 10    # bounds the work of a scan of a nearly empty table

# What a command of the kin has besides MATCH and COUNT.
cdef enum scan_kind_t:
    SCAN_MEMBERS = 0            # SSCAN: nothing
    SCAN_NOVALUES = 1           # HSCAN: that word, which leaves half of the reply out
    SCAN_NOSCORES = 2           # ZSCAN: the same
    SCAN_KEYS = 3               # SCAN: TYPE

cdef struct scan_options_t:
    const char *pattern         # NULL: everything
    size_t pattern_len
    int64_t count
    bint is_novalues            # NOVALUES or NOSCORES
    int type_arg                # where the name of the type is; 0: none was given

# "ERR invalid cursor"
cdef status_t scan_cursor_or_reply(
    client_t *c, int i, uint64_t *cursor_out
) noexcept nogil
# options from argument i on
cdef status_t scan_options_or_reply(
    client_t *c, int i, scan_kind_t kind, scan_options_t *options_out
) noexcept nogil
# steps of a table that a call may take
cdef int64_t scan_steps(int64_t count) noexcept nogil
# is this name wanted?
cdef bint scan_matches(
    const scan_options_t *options, const char *s, size_t nbytes
) noexcept nogil
