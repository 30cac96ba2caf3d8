# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of datatypes.t_stream and stream_groups: one stream."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cython cimport final
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.status cimport C_OK
from fastredis.datatypes.stream_groups cimport (
    sconsumer_add,
    sconsumer_delete,
    sconsumer_find,
    sconsumer_t,
    sgroup_add,
    sgroup_find,
    sgroup_t,
    snack_add,
    snack_remove,
    snack_t,
)
from fastredis.datatypes.stream_limits cimport stream_limits_t
from fastredis.datatypes.t_stream cimport (
    STREAM_TRIM_MAXLEN,
    STREAM_TRIM_MINID,
    sid,
    stream_append,
    stream_check,
    stream_delete,
    stream_field,
    stream_has,
    stream_iter,
    stream_iter_t,
    stream_make_id,
    stream_new,
    stream_next,
    stream_of,
    stream_refs_t,
    stream_settle,
    stream_t,
    stream_trim,
    stream_trimming_t,
)
from fastredis.ds.listpack cimport lp_value_t
from fastredis.ds.streamindex cimport (
    sid_cmp,
    sid_t,
    sidx_at,
    sidx_first,
    sidx_next,
    sidx_pos_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_STREAM,
    OBJ_NO_EXPIRE,
    OBJ_STREAM,
    obj_copy,
    obj_free,
    obj_new_pointer,
    obj_t,
)
from fastredis.resp.parser cimport slice_t
from libc.stdint cimport int64_t


cdef sid_t _id(pair) noexcept:
    return sid(pair[0], pair[1])


cdef bytes _text(const lp_value_t *v):
    return b"%d" % v.num if v.ptr == NULL else v.ptr[:v.len]


@final
cdef class Stream:
    """A stream that is the value of an object."""
    cdef obj_t *o
    cdef stream_t *s
    cdef stream_limits_t limits

    def __cinit__(self, max_nbytes=4096, max_entries=100):
        self.s = stream_new()
        self.o = obj_new_pointer(
            b"", 0, OBJ_STREAM, OBJ_ENC_STREAM, self.s, OBJ_NO_EXPIRE)
        self.limits.node_max_nbytes = max_nbytes
        self.limits.node_max_entries = max_entries

    def __dealloc__(self):
        obj_free(self.o)

    def __len__(self):
        return self.s.length

    def append(self, entry_id, list args):
        """Add an entry of names and values in turn."""
        cdef int64_t n = len(args), i
        cdef slice_t *slices = <slice_t *>zmalloc(n * sizeof(slice_t) + 1)
        for i in range(n):
            slices[i].ptr = PyBytes_AS_STRING(args[i])
            slices[i].len = PyBytes_GET_SIZE(args[i])
        try:
            return stream_append(
                self.s, slices, n // 2, _id(entry_id), &self.limits) == C_OK
        finally:
            zfree(slices)

    def next_id(self, int64_t now_ms, asked, bint has_seq):
        """Return the id of a new entry, or None."""
        cdef sid_t wanted = sid(0, 0)
        cdef sid_t id
        if asked is not None:
            wanted = _id(asked)
        if stream_make_id(
                self.s, now_ms, NULL if asked is None else &wanted, has_seq,
                &id) != C_OK:
            return None
        return id.ms, id.seq

    def delete(self, entry_id):
        """Delete an entry."""
        cdef bint was_there = stream_delete(self.s, _id(entry_id))
        stream_settle(self.s)
        return was_there

    def trim(self, maxlen, minid, bint is_approx=False, int64_t limit=0, int refs=0):
        """Trim to a length or to an id."""
        cdef stream_trimming_t how
        how.by = STREAM_TRIM_MINID if maxlen is None else STREAM_TRIM_MAXLEN
        how.maxlen = 0 if maxlen is None else maxlen
        how.minid = sid(0, 0) if minid is None else _id(minid)
        how.is_approx = is_approx
        how.limit = limit
        how.refs = <stream_refs_t>refs
        return stream_trim(self.s, &how)

    def entries(self, start=(0, 0), end=(2**64 - 1, 2**64 - 1), bint is_reverse=False):
        """Return the entries of a range."""
        cdef lp_value_t name, value
        cdef stream_iter_t it
        found = []
        stream_iter(&it, self.s, _id(start), _id(end), is_reverse)
        while stream_next(&it):
            args = []
            for _ in range(it.nfields):
                stream_field(&it, &name, &value)
                args += [_text(&name), _text(&value)]
            found.append(((it.id.ms, it.id.seq), args))
        return found

    def has(self, entry_id):
        """Return whether an entry is there."""
        return stream_has(self.s, _id(entry_id))

    def ends(self):
        """Return the first id, the last, and the greatest that was deleted."""
        cdef stream_t *s = self.s
        return (
            (s.first_id.ms, s.first_id.seq), (s.last_id.ms, s.last_id.seq),
            (s.max_deleted_id.ms, s.max_deleted_id.seq))

    def add_group(self, bytes name, last_id):
        """Add a group; False if there is one."""
        return sgroup_add(&self.s.groups, name, len(name), _id(last_id), -1) != NULL

    def deliver(self, bytes name, bytes consumer, entry_id):
        """Deliver an entry to a consumer, made if need be; False if it is pending."""
        cdef sgroup_t *g = sgroup_find(&self.s.groups, name, len(name))
        cdef sconsumer_t *who = sconsumer_find(g, consumer, len(consumer))
        cdef sid_t id = _id(entry_id)
        if who == NULL:
            who = sconsumer_add(g, consumer, len(consumer), 1)
        if sid_cmp(id, g.last_id) > 0:
            g.last_id = id
        return snack_add(g, id, who, 1) != NULL

    def acknowledge(self, bytes name, entry_id):
        """Acknowledge an entry; False if it is not pending."""
        return snack_remove(
            sgroup_find(&self.s.groups, name, len(name)), _id(entry_id))

    def drop_consumer(self, bytes name, bytes consumer):
        """Delete a consumer; False if there is none."""
        cdef sgroup_t *g = sgroup_find(&self.s.groups, name, len(name))
        cdef sconsumer_t *who = sconsumer_find(g, consumer, len(consumer))
        if who == NULL:
            return False
        sconsumer_delete(g, who)
        return True

    def pending(self, bytes name):
        """Return what is pending, each with its consumer."""
        cdef sgroup_t *g = sgroup_find(&self.s.groups, name, len(name))
        cdef sidx_pos_t pos
        cdef snack_t *nack
        cdef bint more = sidx_first(&g.pel, &pos)
        found = []
        while more:
            nack = <snack_t *>sidx_at(&pos).value
            found.append((
                (sidx_at(&pos).id.ms, sidx_at(&pos).id.seq),
                nack.consumer.name.ptr[:nack.consumer.name.len]))
            more = sidx_next(&pos)
        return found

    def nnodes(self):
        """Return the number of listpacks."""
        return self.s.nodes.len

    def copy(self):
        """Return a copy."""
        cdef Stream other = Stream(self.limits.node_max_nbytes,
                                   self.limits.node_max_entries)
        obj_free(other.o)
        other.o = obj_copy(self.o, b"", 0, OBJ_NO_EXPIRE)
        other.s = stream_of(other.o)
        return other

    def check(self):
        """Abort unless the invariants hold."""
        stream_check(self.s)
