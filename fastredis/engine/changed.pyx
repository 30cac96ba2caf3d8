# SPDX-License-Identifier: BSD-3-Clause
"""What a change of a key sets off.

Handlers call key_changed once for each change, with the event's name. So whatever has
to know of changes is told here, and no handler is touched when that grows.

Threads: the thread that executes commands.
"""


cdef void key_changed(
    client_t *c, const dbkey_t *key, int event_class, const char *event
) noexcept nogil:
    """Count the change."""
    c.srv.dirty += 1
