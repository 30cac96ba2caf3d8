# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT PAUSE: requests that wait until it is over. See pause.pyx."""
from fastredis.engine.client cimport client_t, server_t
from libc.stdint cimport int64_t

cdef enum pause_mode_t:
    PAUSE_NONE = 0
    PAUSE_WRITE = 1         # commands that change data wait
    PAUSE_ALL = 2           # all commands wait

# until_ms: wall clock. A pause that is in force is made neither shorter nor laxer.
cdef void pause_start(
    server_t *srv, pause_mode_t mode, int64_t until_ms
) noexcept nogil
# whether keys expire by themselves: not during a pause, nor on a replica, nor imported
cdef void pause_expiry(server_t *srv) noexcept nogil
# have those that wait go on
cdef void pause_end(server_t *srv) noexcept nogil
# ... if the time is over
cdef void pause_check(server_t *srv) noexcept nogil
# True: the request c.argv has to wait; the client keeps it, and is CLIENT_BLOCKED
cdef bint pause_postpones(client_t *c) noexcept nogil
