# SPDX-License-Identifier: BSD-3-Clause
r"""What is written down of reading for groups and claiming, in the forms of Redis.

What a consumer gets depends on who reads first and on the time, so it is written as the
state that it leaves. Each entry that is delivered or claimed:

    XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id

where LASTID is how far the group has read. How many entries that were is behind them:

    XGROUP SETID key group id ENTRIESREAD n

Consumers that reading or claiming makes are written when they are made (XGROUP
CREATECONSUMER), for they may get nothing. An entry that the stream no longer has is
dropped by the same XCLAIM wherever that is executed.

Cost: O(1) for each entry. Threads: the thread that executes commands.
"""
from fastredis.commands.stream_args cimport SID_BUF, sid_format
from fastredis.datatypes.stream_groups cimport snack_remove
from fastredis.ds.streamindex cimport sidx_find
from fastredis.engine.client cimport mark_dirty
from fastredis.engine.propagate cimport (
    feed_bytes,
    feed_i64,
    feed_instead,
    feed_text,
    is_fed,
)
from libc.stdint cimport int64_t


cdef void feed_sid(client_t *c, sid_t id) noexcept nogil:
    """Append an id."""
    cdef char[SID_BUF] text
    feed_bytes(c, text, sid_format(text, id))


cdef void _name_group(
    client_t *c, const dbkey_t *key, const sgroup_t *g
) noexcept nogil:
    feed_bytes(c, key.ptr, key.len)
    feed_bytes(c, g.name.ptr, g.name.len)


cdef void feed_pending(
    client_t *c, const dbkey_t *key, const sgroup_t *g, sid_t id, const snack_t *nack
) noexcept nogil:
    """Have it written down how an entry is pending."""
    if not is_fed(c):
        return
    feed_instead(c, 14)
    feed_text(c, b"XCLAIM")
    _name_group(c, key, g)
    feed_bytes(c, nack.consumer.name.ptr, nack.consumer.name.len)
    feed_text(c, b"0")
    feed_sid(c, id)
    feed_text(c, b"TIME")
    feed_i64(c, nack.delivered_ms)
    feed_text(c, b"RETRYCOUNT")
    feed_i64(c, <int64_t>nack.deliveries)
    feed_text(c, b"FORCE")
    feed_text(c, b"JUSTID")
    feed_text(c, b"LASTID")
    feed_sid(c, g.last_id)


cdef void feed_group_id(
    client_t *c, const dbkey_t *key, const sgroup_t *g
) noexcept nogil:
    """Have it written down how far a group has read."""
    if not is_fed(c):
        return
    feed_instead(c, 7)
    feed_text(c, b"XGROUP")
    feed_text(c, b"SETID")
    _name_group(c, key, g)
    feed_sid(c, g.last_id)
    feed_text(c, b"ENTRIESREAD")
    feed_i64(c, g.entries_read)


cdef bint stream_drop_pending(
    client_t *c, const dbkey_t *key, sgroup_t *g, sid_t id
) noexcept nogil:
    """Forget that an entry is pending: nobody can have it any more."""
    cdef const snack_t *nack = <const snack_t *>sidx_find(&g.pel, id)
    if nack == NULL:
        return False
    if is_fed(c) and nack.consumer != NULL:
        feed_pending(c, key, g, id, nack)
    elif is_fed(c):
        feed_instead(c, 4)
        feed_text(c, b"XACK")
        _name_group(c, key, g)
        feed_sid(c, id)
    snack_remove(g, id)
    mark_dirty(c, 1)
    return True
