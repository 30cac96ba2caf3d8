# SPDX-License-Identifier: BSD-3-Clause
"""One thread that frees what the main thread has given up. See lazyfree.pyx."""
from libc.stdint cimport uint64_t

ctypedef void (*lazyfree_fn)(void *what) noexcept nogil

# what: consumed, freed by fn on the other thread; weight: objects, for INFO; 0: none
cdef void lazyfree_submit(lazyfree_fn fn, void *what, uint64_t weight) noexcept nogil
# start the thread before there is a job
cdef void lazyfree_start() noexcept nogil
# objects not yet freed, and freed so far
cdef uint64_t lazyfree_pending() noexcept nogil
cdef uint64_t lazyfree_freed() noexcept nogil
cdef void lazyfree_reset_stats() noexcept nogil
# wait until nothing is pending
cdef void lazyfree_wait() noexcept nogil
