# SPDX-License-Identifier: BSD-3-Clause
"""MONITOR: clients that are shown what the others execute. See monitor.pyx."""
from fastredis.engine.client cimport client_t

# show the client every command from now on, until client_stop_monitor
cdef void monitor_start(client_t *c) noexcept nogil
# show the monitors the command that this client executed
cdef void monitor_feed(client_t *c) noexcept nogil
