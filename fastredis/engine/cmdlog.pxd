# SPDX-License-Identifier: BSD-3-Clause
"""The logs of unusual commands: slow ones, and those with a large request or reply.
See cmdlog.pyx."""
from fastredis.core.blob cimport blob_t
from fastredis.engine.client cimport client_t, server_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum cmdlog_kind_t:
    CMDLOG_SLOW = 0             # value: microseconds
    CMDLOG_LARGE_REQUEST = 1    # value: bytes
    CMDLOG_LARGE_REPLY = 2      # value: bytes
    CMDLOG_KINDS = 3

# One command; its arguments, as they are shown, follow each other behind the struct.
cdef struct cmdlog_entry_t:
    cmdlog_entry_t *older
    cmdlog_entry_t *newer
    uint64_t id
    int64_t time_s                  # wall clock
    uint64_t value
    char[64] peer
    blob_t *name                    # the client's, or NULL
    int argc
    uint32_t *lens                  # of the arguments; within the same allocation
    char *args

cdef struct cmdlog_t:
    cmdlog_entry_t *newest
    cmdlog_entry_t *oldest
    size_t len
    size_t max_len
    int64_t threshold               # values from here on are logged; negative: none
    uint64_t next_id                # goes on when the log is emptied

# What the command just executed is logged as, if its value reaches the threshold.
cdef void cmdlog_add(client_t *c, cmdlog_kind_t kind, uint64_t value) noexcept nogil
cdef void cmdlog_set(
    server_t *srv, cmdlog_kind_t kind, int64_t threshold, size_t max_len
) noexcept nogil
cdef void cmdlog_clear(cmdlog_t *log) noexcept nogil
# whether argument i of the client's command is a secret, to be shown to nobody
cdef bint cmdlog_is_secret(client_t *c, int i) noexcept nogil
# names: of the directives whose values are secret, each between line feeds
cdef void cmdlog_set_secrets(server_t *srv, const char *names) noexcept nogil
cdef cmdlog_t *cmdlog_of(server_t *srv, cmdlog_kind_t kind) noexcept nogil
# frees srv.cmdlogs
cdef void cmdlog_free(server_t *srv) noexcept nogil
