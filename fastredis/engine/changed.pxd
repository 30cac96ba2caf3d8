# SPDX-License-Identifier: BSD-3-Clause
"""The one place that hears of every change of a key. See changed.pyx."""
from fastredis.engine.client cimport client_t
from fastredis.keyspace.db cimport dbkey_t

# Classes of events, as the letters of notify-keyspace-events name them.
cdef enum:
    NOTIFY_GENERIC = 1 << 2         # g
    NOTIFY_STRING = 1 << 3          # $
    NOTIFY_LIST = 1 << 4            # l
    NOTIFY_SET = 1 << 5             # s
    NOTIFY_HASH = 1 << 6            # h
    NOTIFY_ZSET = 1 << 7            # z
    NOTIFY_EXPIRED = 1 << 8         # x
    NOTIFY_EVICTED = 1 << 9         # e
    NOTIFY_STREAM = 1 << 10         # t

# The command changed this key, in the client's database. event: what Redis calls it,
# such as "hset"; several changes of one key by one command are several calls.
cdef void key_changed(
    client_t *c, const dbkey_t *key, int event_class, const char *event
) noexcept nogil
