# SPDX-License-Identifier: BSD-3-Clause
r"""The latency monitor: the latest moments at which something took long.

    srv.spikes --> events[]: "command", "fast-command", "expire-cycle", ...
                      |
                      v        next
    samples  | 12:01 40 | 12:07 25 | . . . . |     a ring of 160, one a second

Two samples of the same second are one: the longer. An event is made by its first
sample, so nothing is kept as long as nothing was slow.

Cost: O(events) for a sample, of which there are a handful.
Threads: the thread that executes commands.
"""
from fastredis.core.mem cimport zcalloc, zfree
from libc.string cimport strcmp, strncpy


cdef spike_event_t *_event(server_t *srv, const char *name) noexcept nogil:
    """Return an event by its name, made if it is new; NULL if there are too many."""
    cdef spikes_t *all = <spikes_t *>srv.spikes
    cdef spike_event_t *e
    cdef int i
    if all == NULL:
        all = <spikes_t *>zcalloc(sizeof(spikes_t))
        srv.spikes = all
    for i in range(all.nevents):
        if strcmp(all.events[i].name, name) == 0:
            return all.events[i]
    if all.nevents == SPIKE_EVENTS_MAX:
        return NULL
    e = <spike_event_t *>zcalloc(sizeof(spike_event_t))
    strncpy(e.name, name, SPIKE_NAME_MAX - 1)
    all.events[all.nevents] = e
    all.nevents += 1
    return e


cdef void spike_add(server_t *srv, const char *name, uint64_t us) noexcept nogil:
    """Keep a sample, if it is one."""
    cdef uint64_t ms = us / 1000
    cdef uint32_t now_s = <uint32_t>(srv.now_ms // 1000)
    cdef spike_event_t *e
    cdef spike_t *last
    if srv.spike_threshold_ms == 0 or ms < srv.spike_threshold_ms:
        return
    e = _event(srv, name)
    if e == NULL:
        return
    if ms > <uint32_t>-1:
        ms = <uint32_t>-1
    if ms > e.max_ms:
        e.max_ms = <uint32_t>ms
    last = &e.samples[(e.next + SPIKE_SAMPLES - 1) % SPIKE_SAMPLES]
    if last.ms and last.time_s == now_s:
        if ms > last.ms:
            last.ms = <uint32_t>ms
        return
    e.samples[e.next].time_s = now_s
    e.samples[e.next].ms = <uint32_t>ms
    e.next = (e.next + 1) % SPIKE_SAMPLES


cdef int spike_reset(server_t *srv, const char *name) noexcept nogil:
    """Forget samples."""
    cdef spikes_t *all = <spikes_t *>srv.spikes
    cdef int i, kept = 0, n
    if all == NULL:
        return 0
    n = all.nevents
    for i in range(n):
        if name == NULL or strcmp(all.events[i].name, name) == 0:
            zfree(all.events[i])
        else:
            all.events[kept] = all.events[i]
            kept += 1
    all.nevents = kept
    return n - kept


cdef void spike_free(server_t *srv) noexcept nogil:
    """Free all that is kept."""
    spike_reset(srv, NULL)
    zfree(srv.spikes)
    srv.spikes = NULL
