# SPDX-License-Identifier: BSD-3-Clause
"""All databases written to an RDB file. See rdb_save.pyx."""
from fastredis.engine.client cimport server_t
from fastredis.persistence.rdb_io cimport rdb_out_t
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SAVE_PATH_MAX = 1024        # of the file's names, with the NUL
    REPLID_MAX = 41

# Where saving stopped.
cdef enum save_step_t:
    SAVE_DONE = 0
    SAVE_OPEN = 1               # the temporary file could not be made,
    SAVE_WRITE = 2              # filled or brought to the disk,
    SAVE_RENAME = 3             # or given its name

cdef struct rdb_save_t:
    rdb_out_t out               # first, so that what drains it finds the rest
    # --- what to do, filled in by the caller
    const server_t *srv
    char[SAVE_PATH_MAX] path    # empty: the file keeps its temporary name
    int owner                   # process whose file it is, if this is a child; or 0
    bint is_compressing
    bint has_checksum
    bint is_synced_early        # have the disk work while the rest is written
    bint has_usage              # of keys: how long ago, or how often with an LFU policy
    int least_version           # of the file; 0: what the values need
    int likely_version          # that the values need, to begin with
    bint is_aof_base            # to be part of an append-only file
    bint has_times              # with the time before them (aof-timestamp-enabled)
    bint has_requests           # ... as requests that make the keys, no RDB file
    const char *functions       # libraries, as in a file; borrowed
    size_t functions_nbytes
    bint has_no_keys            # only what is said about the file
    bint is_piped               # fd is the caller's, no file: a replica's snapshot
    bint has_history            # of replication: the three that follow
    char[REPLID_MAX] replid
    int64_t repl_offset
    int repl_db                 # that the stream of changes is at
    int64_t delay_us            # after each key; negative: after one of so many
    # called now and then; or NULL
    void (*progress)(rdb_save_t *s) noexcept nogil
    void *ctx
    # --- the file
    char[SAVE_PATH_MAX] temp_path
    int fd                      # is_piped: to be filled in
    uint64_t crc
    uint64_t synced             # bytes whose writing to the disk was begun
    # --- how far it is
    uint64_t nkeys
    uint64_t nbytes
    int version                 # of the file
    int needed_version          # by the values written so far
    save_step_t step            # where it failed, or SAVE_DONE
    int error                   # errno then

# Write temp_path and give it the name path; True: done, else step and error say why.
cdef bint rdb_save(rdb_save_t *s, const char *temp_path) noexcept nogil
# fill in from the arguments of Python functions; raises ValueError
cdef int rdb_save_init(
    rdb_save_t *s, const server_t *srv, bytes path, options
) except -1
