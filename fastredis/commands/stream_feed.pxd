# SPDX-License-Identifier: BSD-3-Clause
"""What is written down of reading for groups and claiming. See stream_feed.pyx.

Where c is not fed, nothing is done; what is dropped is dropped all the same.
"""
from fastredis.datatypes.stream_groups cimport sgroup_t, snack_t
from fastredis.ds.streamindex cimport sid_t
from fastredis.engine.client cimport client_t
from fastredis.keyspace.db cimport dbkey_t

# an argument
cdef void feed_sid(client_t *c, sid_t id) noexcept nogil
# how an entry that has a consumer is pending now
cdef void feed_pending(
    client_t *c, const dbkey_t *key, const sgroup_t *g, sid_t id, const snack_t *nack
) noexcept nogil
# the entry that a group was given last, and how many it has read
cdef void feed_group_id(
    client_t *c, const dbkey_t *key, const sgroup_t *g
) noexcept nogil
# have a group forget an entry that the stream no longer has; False: it had forgotten
cdef bint stream_drop_pending(
    client_t *c, const dbkey_t *key, sgroup_t *g, sid_t id
) noexcept nogil
