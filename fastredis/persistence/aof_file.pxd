# SPDX-License-Identifier: BSD-3-Clause
"""The file that changes are appended to. See aof_file.pyx."""
from fastredis.engine.runtime cimport Engine
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    FSYNC_NO = 0
    FSYNC_EVERYSEC = 1
    FSYNC_ALWAYS = 2

cdef struct aof_t:
    int fd
    int policy                  # FSYNC_*
    uint64_t size               # bytes in the file
    uint64_t synced             # of them known to be on the disk
    int64_t offset              # srv.repl_offset of what is in the file
    bint is_provisional         # worth nothing: there is no base yet
    bint has_times
    int64_t time_s              # the latest that was written; 0: none yet
    int write_delay_us
    int error                   # errno of the write that failed; 0: none did

cdef class AofFile:
    cdef Engine engine
    cdef aof_t state
