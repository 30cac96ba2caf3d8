# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of the command being executed.

The arg_..._or_reply functions have queued the error reply when they return C_ERR;
their caller returns. Indexes count the command's name as 0 (subcommands: 1).
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport client_t
from fastredis.keyspace.db cimport dbkey_t
from libc.stdint cimport int64_t, uint64_t

cdef inline dbkey_t arg_key(client_t *c, int i) noexcept nogil:
    """Return argument i as a key; its hash may be known already."""
    cdef dbkey_t k
    k.ptr = c.argv[i].ptr
    k.len = c.argv[i].len
    if c.has_key_hash and i == c.cmd.first_key:
        k.hash = c.first_key_hash
    else:
        k.hash = keyhash(k.ptr, k.len)
    return k

cdef enum:
    ARG_KEYS_BATCH = 16     # keys whose memory is loaded ahead; 16 misses overlap

# the arguments first, first + step ... below end as keys, up to ARG_KEYS_BATCH of them,
# with their memory on its way; returns how many
cdef int arg_keys(
    client_t *c, int first, int step, int end, dbkey_t *keys
) noexcept nogil
# case-insensitive; word in lower case
cdef bint arg_is(client_t *c, int i, const char *word) noexcept nogil
# "ERR value is not an integer or out of range"
cdef status_t arg_i64_or_reply(client_t *c, int i, int64_t *value_out) noexcept nogil
# the same with another error text
cdef status_t arg_i64_or_error(
    client_t *c, int i, const char *error, int64_t *value_out
) noexcept nogil
# the same for a number that is not negative, with one text for whatever is wrong
cdef status_t arg_count_or_error(
    client_t *c, int i, const char *error, int64_t *value_out
) noexcept nogil
# "ERR value is out of range, must be positive" or "... value is not an integer ..."
cdef status_t arg_range_or_reply(
    client_t *c, int i, int64_t low, int64_t high, int64_t *value_out
) noexcept nogil
# "ERR value is not a valid float"
cdef status_t arg_double_or_reply(client_t *c, int i, double *value_out) noexcept nogil
# a database index; "ERR value is not an integer ..." or "ERR DB index is out of range"
cdef status_t arg_db_or_reply(client_t *c, int i, int *index_out) noexcept nogil
