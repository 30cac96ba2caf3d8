# SPDX-License-Identifier: BSD-3-Clause
"""Commands that wait for keys: BLPOP and its kin. See blocking.pyx.

A handler that finds nothing to take calls block_on_keys and returns. The client then
waits; when one of the keys has changed (key_changed), the handler runs again with the
same arguments, and either replies or calls block_on_keys again, upon which the client
keeps its place in the queue. So a handler has no code of its own for being woken.
"""
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport client_t, server_t
from libc.stdint cimport int64_t

# What is replied when the time is over, or where blocking is not allowed (MULTI).
cdef enum block_reply_t:
    BLOCK_NULL = 0
    BLOCK_NULL_ARRAY = 1

# Wait until one of the keys argv[first .. first + n) changes. deadline_ms: wall clock;
# 0: no limit.
cdef void block_on_keys(
    client_t *c, int first, int n, int64_t deadline_ms, block_reply_t empty
) noexcept nogil
# the argument as a timeout in seconds: "ERR timeout is not a float or out of range",
# "ERR timeout is negative", "ERR timeout is out of range"
cdef status_t arg_timeout_or_reply(
    client_t *c, int i, int64_t *deadline_ms_out
) noexcept nogil
