# SPDX-License-Identifier: BSD-3-Clause
"""What handlers do with the key of a sorted set before and after. See zset_key.pyx."""
from fastredis.core.status cimport status_t
from fastredis.datatypes.t_zset cimport zset_limits_t, zset_t
from fastredis.engine.client cimport client_t
from fastredis.keyspace.db cimport dbkey_t
from fastredis.keyspace.obj cimport obj_t

cdef inline zset_limits_t zset_limits(const client_t *c) noexcept nogil:
    """Return up to what size a sorted set is a listpack."""
    cdef zset_limits_t limits
    limits.entries = c.srv.zset_max_listpack_entries
    limits.value = c.srv.zset_max_listpack_value
    return limits

# The key's object, NULL if it is absent. C_ERR: it is no sorted set, which was replied.
cdef status_t zset_read_or_reply(
    client_t *c, const dbkey_t *key, obj_t **o_out
) noexcept nogil
cdef status_t zset_write_or_reply(
    client_t *c, const dbkey_t *key, obj_t **o_out
) noexcept nogil
# Argument i, and the member after it, are no longer than a set can hold.
cdef status_t zset_member_or_reply(client_t *c, int i) noexcept nogil
# After removals from o's set: keep it, or delete the key with the set if that is empty.
cdef void zset_after_removal(
    client_t *c, const dbkey_t *key, obj_t *o, zset_t z, const char *event
) noexcept nogil
# Make a set, consumed, the value of a key, or delete the key if the set is empty; its
# length. z.ptr NULL: no set at all.
cdef size_t zset_store(
    client_t *c, const dbkey_t *key, zset_t z, const char *event
) noexcept nogil
