# SPDX-License-Identifier: BSD-3-Clause
"""MONITOR: what it shows, and how, is in engine/monitor.pyx."""
from fastredis.engine.client cimport client_t
from fastredis.engine.monitor cimport monitor_start
from fastredis.engine.reply cimport reply_ok


cdef api void cmd_monitor(client_t *c) noexcept nogil:
    """MONITOR: until RESET, or the end of the connection."""
    monitor_start(c)
    reply_ok(c)
