# SPDX-License-Identifier: BSD-3-Clause
"""Consumer groups of a stream. See stream_groups.pyx.

Names are ordered by their bytes. Pointers to groups and consumers stay valid until they
are deleted.
"""
from fastredis.ds.streamindex cimport sid_t, sidx_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    SGROUP_READS_UNKNOWN = -1   # instead of a number of entries read
    SCONSUMER_NEVER = -1        # instead of a time

# What a group and a consumer begin with.
cdef struct sname_t:
    const char *ptr
    size_t len

# Groups of a stream, or consumers of a group, in the order of their names.
cdef struct snames_t:
    sname_t **items             # NULL: none
    uint32_t n
    uint32_t cap

cdef struct sgroup_t:
    sname_t name
    sid_t last_id               # the last entry delivered
    int64_t entries_read        # ever, or SGROUP_READS_UNKNOWN
    sidx_t pel                  # snack_t by id: delivered, not acknowledged
    snames_t consumers

cdef struct sconsumer_t:
    sname_t name
    int64_t seen_ms             # last command in its name
    int64_t active_ms           # last entry it got, or SCONSUMER_NEVER
    sidx_t pel                  # its part of the group's; the same snack_t

# An entry that is not acknowledged. Owned by the group's index.
cdef struct snack_t:
    sconsumer_t *consumer       # who got it; NULL: nobody any more (XNACK)
    int64_t delivered_ms
    uint64_t deliveries

# --- Names
cdef sname_t *snames_find(
    const snames_t *names, const char *s, size_t nbytes
) noexcept nogil

# --- Groups of a stream
# borrowed; NULL: there is one of this name
cdef sgroup_t *sgroup_add(
    snames_t *groups, const char *name, size_t nbytes, sid_t last_id,
    int64_t entries_read
) noexcept nogil
cdef void sgroup_delete(snames_t *groups, sgroup_t *g) noexcept nogil
# all of them
cdef void sgroup_clear(snames_t *groups) noexcept nogil
cdef void sgroup_copy_all(snames_t *dst, const snames_t *groups) noexcept nogil
cdef size_t sgroup_nbytes(const snames_t *groups) noexcept nogil
# entries that are not acknowledged, of all groups
cdef size_t sgroup_npending(const snames_t *groups) noexcept nogil
# abort unless every invariant holds
cdef void sgroup_check(const snames_t *groups) noexcept nogil

# --- Consumers of a group
# borrowed; NULL: there is one of this name
cdef sconsumer_t *sconsumer_add(
    sgroup_t *g, const char *name, size_t nbytes, int64_t now_ms
) noexcept nogil
# with what it has not acknowledged
cdef void sconsumer_delete(sgroup_t *g, sconsumer_t *consumer) noexcept nogil

# --- Entries that are not acknowledged
# a new one, of deliveries 1; NULL: the id is there
cdef snack_t *snack_add(
    sgroup_t *g, sid_t id, sconsumer_t *consumer, int64_t now_ms
) noexcept nogil
# True: it was there
cdef bint snack_remove(sgroup_t *g, sid_t id) noexcept nogil
# consumer: the new one, or NULL
cdef void snack_move(snack_t *nack, sid_t id, sconsumer_t *consumer) noexcept nogil

# One that nobody has been busy with for long.
cdef struct snack_idle_t:
    snack_t *nack
    sid_t id

# Those of a group that were delivered min_idle_ms ago or longer, or given back, the
# longest first; returned: how many, and *found_out, to be freed by zfree (NULL: none).
# next_ms_out: when there will be one more; 0: none is left
cdef size_t sgroup_idle(
    const sgroup_t *g, int64_t now_ms, int64_t min_idle_ms, snack_idle_t **found_out,
    int64_t *next_ms_out
) noexcept nogil


cdef inline sgroup_t *sgroup_find(
    const snames_t *groups, const char *s, size_t nbytes
) noexcept nogil:
    """Return a group, or NULL."""
    return <sgroup_t *>snames_find(groups, s, nbytes)


cdef inline sconsumer_t *sconsumer_find(
    const sgroup_t *g, const char *s, size_t nbytes
) noexcept nogil:
    """Return a consumer, or NULL."""
    return <sconsumer_t *>snames_find(&g.consumers, s, nbytes)
