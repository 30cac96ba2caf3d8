# SPDX-License-Identifier: BSD-3-Clause
"""What a change of a key sets off.

Handlers call key_changed once for each change, with the event's name. So whatever has
to know of changes is told here, and no handler is touched when that grows.

Threads: the thread that executes commands.
"""
from fastredis.core.status cimport fr_unlikely
from fastredis.engine.blocking cimport blocking_signal
from fastredis.engine.client cimport CHANGE_BLOCKED


cdef void key_changed(
    client_t *c, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Count the change, and tell whoever wants to hear of it."""
    c.srv.dirty += 1
    if fr_unlikely(c.srv.change_hooks != 0):
        if c.srv.change_hooks & CHANGE_BLOCKED:
            blocking_signal(c.db, c.srv, key)
