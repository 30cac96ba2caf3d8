# SPDX-License-Identifier: BSD-3-Clause
"""The command table in C: finding a command by its name. See table.pyx."""
from fastredis.engine.client cimport cmd_t
from fastredis.resp.parser cimport slice_t

cdef struct cmd_table_t

# the command, whatever the case of its name; NULL if there is none
cdef cmd_t *cmd_find(
    const cmd_table_t *t, const char *name, size_t nbytes
) noexcept nogil
# a container's subcommand; NULL if there is none
cdef cmd_t *cmd_find_sub(
    const cmd_t *container, const char *name, size_t nbytes
) noexcept nogil


cdef class CommandTable:
    cdef cmd_table_t *table
    cdef list owned             # Python handlers, kept alive
    cdef dict by_name           # bytes: address of the cmd_t

    cdef cmd_t *add_one(self, object bound, cmd_t *parent) except NULL
    cdef void reset_stats(self) noexcept
