# SPDX-License-Identifier: BSD-3-Clause
"""Streams: entries in the order of their ids. See t_stream.pyx.

A stream_t stays where it is for as long as its key has it. An empty stream is a value
like any other: its last id lives on.
"""
from fastredis.core.status cimport status_t
from fastredis.datatypes.stream_groups cimport sgroup_t, snames_t
from fastredis.datatypes.stream_limits cimport stream_limits_t
from fastredis.ds.listpack cimport lp_value_t
from fastredis.ds.streamindex cimport sid_t, sidx_pos_t, sidx_t
from fastredis.keyspace.db cimport db_t, dbkey_t
from fastredis.keyspace.obj cimport obj_pointer, obj_t
from fastredis.resp.parser cimport slice_t
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint64_t

cdef enum:
    STREAM_DELETED = 1          # flags of an entry within a node
    STREAM_SAME_FIELDS = 2      # ... its fields are those of the node's first entry
    # entries before the fields of the first: count, deleted, number of fields
    STREAM_MASTER_HEAD = 3

cdef struct stream_t:
    sidx_t nodes                # listpacks, by the ids of their first entries
    uint64_t length             # entries
    sid_t first_id              # 0-0: none
    sid_t last_id               # ever added, or set by XSETID
    sid_t max_deleted_id        # greatest that XDEL deleted; 0-0: none
    uint64_t entries_added      # ever
    snames_t groups
    void *idmp                  # sidmp_t: what producers have sent; NULL: none

cdef struct stream_iter_t:
    const stream_t *s
    sidx_pos_t pos              # of the node
    sid_t start, end            # both included
    bint is_reverse
    bint is_open                # pos is a node that is being walked
    sid_t master                # id that those in the node are counted from
    int64_t nmaster             # fields of the first entry
    uint8_t *names              # the first of them
    uint8_t *first              # first entry
    uint8_t *p                  # next element of the current entry
    int64_t rest                # its elements from p on, without the last
    # --- the current entry
    uint8_t *entry
    sid_t id
    int64_t nfields
    int64_t flags
    uint8_t *name               # next field's name in the first entry; NULL: it is at p

# What may be trimmed.
cdef enum stream_trim_t:
    STREAM_TRIM_NONE = 0
    STREAM_TRIM_MAXLEN = 1
    STREAM_TRIM_MINID = 2

# What becomes of what groups have of an entry that is deleted.
cdef enum stream_refs_t:
    STREAM_KEEPREF = 0          # it stays
    STREAM_DELREF = 1           # it goes, too
    STREAM_ACKED = 2            # only what all groups have acknowledged is deleted

cdef struct stream_trimming_t:
    stream_trim_t by
    int64_t maxlen
    sid_t minid
    bint is_approx              # whole nodes only
    int64_t limit               # entries at most; 0: no limit
    stream_refs_t refs

# --- Create
cdef stream_t *stream_new() noexcept nogil
cdef void stream_free(stream_t *s) noexcept nogil
# an empty stream, stored under a key
cdef stream_t *stream_create(db_t *db, const dbkey_t *key) noexcept nogil

# --- Ids
# False: there is none greater
cdef bint sid_increment(sid_t *id) noexcept nogil
# False: there is none smaller
cdef bint sid_decrement(sid_t *id) noexcept nogil
# The id of a new entry. asked: NULL: any; has_seq: with that number, too. Fails if it
# would not be greater than the last.
cdef status_t stream_make_id(
    const stream_t *s, int64_t now_ms, const sid_t *asked, bint has_seq, sid_t *id_out
) noexcept nogil

# --- Change
# args: names and values in turn, nfields of each; id: from stream_make_id. Fails if
# they are too large.
cdef status_t stream_append(
    stream_t *s, const slice_t *args, int64_t nfields, sid_t id,
    const stream_limits_t *limits
) noexcept nogil
# True: it was there. stream_settle is to be called afterwards.
cdef bint stream_delete(stream_t *s, sid_t id) noexcept nogil
cdef void stream_settle(stream_t *s) noexcept nogil
# returns how many entries were deleted
cdef int64_t stream_trim(stream_t *s, const stream_trimming_t *how) noexcept nogil
# a node read from elsewhere, behind those that are there; consumed
cdef void stream_add_node(stream_t *s, sid_t master, uint8_t *lp) noexcept nogil

# --- Read
cdef void stream_iter(
    stream_iter_t *it, const stream_t *s, sid_t start, sid_t end, bint is_reverse
) noexcept nogil
# False: there is no further entry
cdef bint stream_next(stream_iter_t *it) noexcept nogil
# the next of the nfields fields of the current entry
cdef void stream_field(
    stream_iter_t *it, lp_value_t *name_out, lp_value_t *value_out
) noexcept nogil
cdef bint stream_has(const stream_t *s, sid_t id) noexcept nogil
# id of the last entry that is there, 0-0 without any
cdef sid_t stream_last_entry(const stream_t *s) noexcept nogil

# --- With groups
# entries added up to an id, or SGROUP_READS_UNKNOWN
cdef int64_t stream_reads_at(const stream_t *s, sid_t id) noexcept nogil
# entries that the group is still to be given; False: it cannot be known
cdef bint stream_lag(
    const stream_t *s, const sgroup_t *g, int64_t *lag_out
) noexcept nogil
# the group was given this entry, behind its last
cdef void stream_delivered(
    const stream_t *s, sgroup_t *g, sid_t id
) noexcept nogil
# is an entry still to be given to a group, or to be acknowledged by one?
cdef bint stream_is_awaited(const stream_t *s, sid_t id) noexcept nogil
# have all groups forget an entry; returns how many had it pending
cdef int64_t stream_unreference(stream_t *s, sid_t id) noexcept nogil

# abort unless every invariant holds
cdef void stream_check(const stream_t *s) noexcept nogil


cdef inline stream_t *stream_of(const obj_t *o) noexcept nogil:
    """Return the stream of an object."""
    return <stream_t *>obj_pointer(o)


cdef inline sid_t sid(uint64_t ms, uint64_t seq) noexcept nogil:
    """Return an id."""
    cdef sid_t id
    id.ms = ms
    id.seq = seq
    return id


cdef inline sid_t sid_max() noexcept nogil:
    """Return the greatest id."""
    return sid(UINT64_MAX, UINT64_MAX)


cdef inline bint sid_is_zero(sid_t id) noexcept nogil:
    return id.ms == 0 and id.seq == 0
