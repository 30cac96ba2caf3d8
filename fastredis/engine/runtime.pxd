# SPDX-License-Identifier: BSD-3-Clause
"""The Engine: owner of a server_t, and the view that Python code has of it."""
from fastredis.engine.client cimport client_t, server_t
from fastredis.engine.table cimport CommandTable
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    NRATES = 5                          # commands, bytes in, out, rounds, their us
    RATE_SAMPLES = 16                   # that a rate is the mean of

cdef struct rate_t:
    uint64_t last                       # the counter at the latest sample
    uint64_t samples[RATE_SAMPLES]      # growth a second

# How fast the counters of stats grow, sampled by cron.
cdef struct meter_t:
    rate_t of[NRATES]
    int next                            # the sample to be taken next
    uint64_t at_ns                      # of the latest sample; 0: none yet


cdef class Engine:
    cdef server_t srv
    cdef readonly CommandTable commands
    cdef public object server           # the fastredis.server.Server, or None
    cdef client_t *fake                 # executes Engine.call
    cdef int nested                     # calls within calls
    cdef int64_t next_check_ms
    cdef meter_t meter
    cdef public size_t startup_memory   # in use when the server began to serve
