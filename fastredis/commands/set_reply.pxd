# SPDX-License-Identifier: BSD-3-Clause
"""How a member of a set is replied."""
from fastredis.datatypes.t_set cimport member_t
from fastredis.engine.client cimport client_t
from fastredis.engine.reply cimport reply_bulk, reply_bulk_int

cdef inline void set_reply_member(client_t *c, const member_t *m) noexcept nogil:
    """Reply a member; one that is known as a number is written out in the reply."""
    if m.ptr == NULL:
        reply_bulk_int(c, m.num)
    else:
        reply_bulk(c, m.ptr, m.len)
