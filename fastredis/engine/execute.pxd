# SPDX-License-Identifier: BSD-3-Clause
"""From bytes to executed commands. See execute.pyx."""
from fastredis.engine.client cimport client_t, server_t

# Execute the requests in buf; returns how many bytes are done with (all of them if the
# client is to be closed). The rest is to be given again, with what follows it.
cdef size_t engine_feed(client_t *c, char *buf, size_t nbytes) noexcept nogil
# Reply to EXEC: an array of the replies of what was queued.
cdef void engine_execute_queued(client_t *c) noexcept nogil
# Execute the one request in c.argv.
cdef void engine_execute(client_t *c) noexcept nogil
# After commands from elsewhere: run those of clients that waited for what they changed.
cdef void engine_serve_blocked(server_t *srv) noexcept nogil
