# SPDX-License-Identifier: BSD-3-Clause
"""Listpacks from outside that become values as they are. See rdb_listpack.pyx."""
from fastredis.datatypes.hash_limits cimport hash_limits_t
from fastredis.datatypes.t_zset cimport zset_limits_t
from fastredis.persistence.rdb_io cimport rdb_text_t
from libc.stdint cimport uint8_t

# Could it have been made here, of a hash or sorted set within the limits? t: a valid
# listpack (lp_is_valid). False: it is to be read element by element.
cdef bint rdblp_is_hash(
    const rdb_text_t *t, const hash_limits_t *limits
) noexcept nogil
cdef bint rdblp_is_zset(
    const rdb_text_t *t, const zset_limits_t *limits
) noexcept nogil
# returned: the listpack; t has nothing to be freed afterwards
cdef uint8_t *rdblp_take(rdb_text_t *t) noexcept nogil
