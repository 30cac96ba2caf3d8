# SPDX-License-Identifier: BSD-3-Clause
"""The timer of clients that wait. See alarm.pyx."""
from fastredis.engine.client cimport server_t

# a descriptor that is readable when alarm_ring is to be called; -1: none. The server's,
# which closes it at its end
cdef int alarm_open(server_t *srv) noexcept nogil
# have it ring when the nearest time limit is over; to be called when that may be
# another one
cdef void alarm_set(server_t *srv) noexcept nogil
# end what is over
cdef void alarm_ring(server_t *srv) noexcept nogil
