# SPDX-License-Identifier: BSD-3-Clause
"""The latency monitor: what took long, and when. See spikes.pyx."""
from fastredis.engine.client cimport server_t
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    SPIKE_SAMPLES = 160         # kept of each event
    SPIKE_EVENTS_MAX = 64       # kinds of events
    SPIKE_NAME_MAX = 32

cdef struct spike_t:
    uint32_t time_s             # wall clock
    uint32_t ms                 # how long it took; 0: no sample

cdef struct spike_event_t:
    char[SPIKE_NAME_MAX] name
    int next                    # where the next sample goes
    uint32_t max_ms             # of all times since the last reset
    spike_t samples[SPIKE_SAMPLES]

cdef struct spikes_t:
    int nevents
    spike_event_t *events[SPIKE_EVENTS_MAX]

# Something took this long; kept if it reaches latency-monitor-threshold. name: a
# constant such as b"expire-cycle"
cdef void spike_add(server_t *srv, const char *name, uint64_t us) noexcept nogil
# frees the samples of one event, or of all (name NULL); returns how many events
cdef int spike_reset(server_t *srv, const char *name) noexcept nogil
cdef void spike_free(server_t *srv) noexcept nogil
