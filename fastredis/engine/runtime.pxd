# SPDX-License-Identifier: BSD-3-Clause
"""The Engine: owner of a server_t, and the view that Python code has of it."""
from fastredis.engine.client cimport client_t, server_t
from fastredis.engine.table cimport CommandTable
from libc.stdint cimport int64_t


cdef class Engine:
    cdef server_t srv
    cdef readonly CommandTable commands
    cdef public object server           # the fastredis.server.Server, or None
    cdef client_t *fake                 # executes Engine.call
    cdef int nested                     # calls within calls
    cdef int64_t next_idle_check_ms
