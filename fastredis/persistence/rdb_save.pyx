# SPDX-License-Identifier: BSD-3-Clause
r"""All databases written to an RDB file.

    REDIS0010                           magic, version
    FA name value ...                   who wrote this, and when
    FE db  FB keys expiries             a database that is not empty
      [FC ms] [F8 idle | F9 frequency] type key value     its keys, in any order
      ...
    FF checksum                         of all that is before, 8 bytes; 0: none

The version is the least that the values need, so that as many servers as possible
read the file: 10, which Redis 7.0 has, 11 for streams, and 12 where fields of a hash
expire. When a value turns out to need more than was thought, the file is begun anew;
what the save before needed is a good guess.

    objects --> buffer of 256 KB --> checksum, write(2) --> temp-<pid>.rdb
                                                        --> fsync, rename, fsync dir

The file of before stays until the new one is complete and on the disk. Where the
system can, it is told to begin with that every 4 MB, so that the last fsync finds
little left and other programs are not held up.

Nothing here calls Python or takes a lock: it runs in a forked child, too, in which
there are no other threads. Nothing is changed: a child would have to copy it.

Cost: O(bytes), some 0.1 s for a million short strings. Threads: the one that owns the
data, or a child of it.

Source: the format of Redis's RDB files.
"""
from fastredis.core.clock cimport clock_wall_us
from fastredis.core.crc64 cimport crc64
from fastredis.core.mem cimport ztrymalloc, zused_memory
from fastredis.core.rand cimport rand_next, rand_t
from fastredis.core.status cimport fr_likely, fr_unlikely
from fastredis.ds.htwalk cimport ht_walk_near
from fastredis.engine.client cimport server_t
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport db_len, db_subexpire_len, db_t
from fastredis.keyspace.lfu cimport lfu_counter
from fastredis.keyspace.obj cimport (
    OBJ_ENC_INLINE,
    OBJ_LRU_MAX,
    OBJ_NO_EXPIRE,
    OBJ_STRING,
    obj_enc,
    obj_expire_ms,
    obj_inline_len,
    obj_key,
    obj_lru,
    obj_t,
    obj_type,
)
from fastredis.persistence.aof_rewrite cimport aof_put_key, aof_put_select
from fastredis.persistence.rdb cimport RDB_VERSION_FIELDS, rdb_put_value
from fastredis.persistence.rdb_io cimport (
    rdb_out_flush,
    rdb_out_free,
    rdb_out_init,
    rdb_put_byte,
    rdb_put_bytes,
    rdb_put_i64,
    rdb_put_int_string,
    rdb_put_len,
    rdb_put_string,
)
from fastredis.persistence.rdb_stream cimport RDB_VERSION, rdb_stream_version
from libc.errno cimport EINTR, ENAMETOOLONG, ENOMEM, ENOSPC, ESRCH, errno
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strlen, strncpy

import os

cdef enum:
    TYPE_STRING = 0
    OP_IDLE = 0xF8
    OP_FREQ = 0xF9
    OP_AUX = 0xFA
    OP_RESIZE = 0xFB
    OP_EXPIRE_MS = 0xFC
    OP_SELECT = 0xFE
    OP_END = 0xFF

    BUFFER_NBYTES = 256 * 1024      # stays in the second-level cache
    WRITE_NBYTES = 1 << 30          # at once, at the most
    SYNC_NBYTES = 4 * 1024 * 1024   # between two requests to begin writing
    PROGRESS_KEYS = 1024            # between two calls of progress
    FILE_MODE = 0o644
    SHORT_MAX = 63                  # lengths of one byte
    PLAIN_MAX = 20                  # longer values are worth trying to compress
    WITH_EXPIRED_FIELDS = -1

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <stdio.h>
    #include <unistd.h>

    #include <string.h>

    /* Might rdb_put_string write it as an integer? Only digits and a sign, up to 11. */
    static inline int save_may_be_int(const char *s, size_t n) {
        return n - 1 < 11 && (s[0] == '-' || (unsigned char)(s[0] - '0') < 10);
    }
    /* memcpy of up to 64 bytes without a call: a few moves that may overlap */
    static inline void save_copy(char *to, const char *from, size_t n) {
        if (n >= 16) {
            size_t at = 0;
            for (; at + 16 <= n; at += 16) memcpy(to + at, from + at, 16);
            memcpy(to + n - 16, from + n - 16, 16);
        } else if (n >= 8) {
            memcpy(to, from, 8);
            memcpy(to + n - 8, from + n - 8, 8);
        } else if (n >= 4) {
            memcpy(to, from, 4);
            memcpy(to + n - 4, from + n - 4, 4);
        } else {
            while (n--) to[n] = from[n];
        }
    }
    static int save_open(const char *path, int mode) {
        return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    }
    /* Have bytes written to the disk without waiting for them, but for those before. */
    static void save_sync_range(int fd, off_t from, off_t nbytes) {
    #ifdef __linux__
        sync_file_range(fd, from, nbytes, SYNC_FILE_RANGE_WRITE);
        if (from >= nbytes)
            sync_file_range(fd, from - nbytes, nbytes, SYNC_FILE_RANGE_WAIT_BEFORE |
                SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    #else
        (void)fd; (void)from; (void)nbytes;
    #endif
    }
    static int save_sync(int fd) {
    #ifdef __APPLE__
        return fcntl(fd, F_FULLFSYNC) < 0 ? fsync(fd) : 0;
    #else
        return fsync(fd);
    #endif
    }
    /* The file's name must not be lost, either, where folders can be synced. */
    static int save_sync_dir(void) {
        int fd = open(".", O_RDONLY | O_CLOEXEC);
        int result, saved;
        if (fd < 0) return 0;
        result = fsync(fd);
        saved = errno;
        close(fd);
        errno = saved;
        return result == 0 || saved == EINVAL || saved == EBADF || saved == ENOTSUP
            ? 0 : -1;
    }
    """
    bint save_may_be_int(const char *s, size_t n) noexcept nogil
    void save_copy(char *to, const char *source, size_t n) noexcept nogil
    int save_open(const char *path, int mode) noexcept nogil
    void save_sync_range(int fd, int64_t start, int64_t nbytes) noexcept nogil
    int save_sync(int fd) noexcept nogil
    int save_sync_dir() noexcept nogil
    int getppid() noexcept nogil
    ssize_t write(int fd, const void *p, size_t n) noexcept nogil
    int close(int fd) noexcept nogil
    int unlink(const char *path) noexcept nogil
    int rename(const char *old, const char *new) noexcept nogil
    int64_t lseek(int fd, int64_t pos, int whence) noexcept nogil
    int ftruncate(int fd, int64_t nbytes) noexcept nogil
    int usleep(unsigned int us) noexcept nogil


# --- The file ---------------------------------------------------------------------


cdef void _fail(rdb_save_t *s, save_step_t step, int error) noexcept nogil:
    """Remember the first failure; nothing more is written after it."""
    if s.step == SAVE_DONE:
        s.step = step
        s.error = error
    s.out.has_failed = True


cdef void _drain(rdb_out_t *out, const void *data, size_t nbytes) noexcept nogil:
    """Write bytes to the file: the drain of an rdb_out_t."""
    cdef rdb_save_t *s = <rdb_save_t *>out
    cdef const char *p = <const char *>data
    cdef ssize_t n
    if out.has_failed:
        return
    if s.has_checksum:
        s.crc = crc64(s.crc, p, nbytes)
    s.nbytes += nbytes
    while nbytes:
        n = write(s.fd, p, min(nbytes, <size_t>WRITE_NBYTES))
        if n > 0:
            p += n
            nbytes -= n
        elif n == 0 or errno != EINTR:
            _fail(s, SAVE_WRITE, errno if n < 0 else ENOSPC)
            return
    if s.is_synced_early and not s.is_piped and s.nbytes - s.synced >= SYNC_NBYTES:
        save_sync_range(s.fd, s.synced, s.nbytes - s.synced)
        s.synced = s.nbytes


# --- What is in it ----------------------------------------------------------------


cdef void _put_aux(rdb_out_t *out, const char *name, const char *value) noexcept nogil:
    rdb_put_byte(out, OP_AUX)
    rdb_put_string(out, name, strlen(name))
    rdb_put_string(out, value, strlen(value))


cdef void _put_aux_int(rdb_out_t *out, const char *name, int64_t v) noexcept nogil:
    rdb_put_byte(out, OP_AUX)
    rdb_put_string(out, name, strlen(name))
    rdb_put_int_string(out, v)


cdef void _put_head(rdb_save_t *s) noexcept nogil:
    cdef char[16] magic
    cdef rdb_out_t *out = &s.out
    snprintf(magic, sizeof(magic), b"REDIS%04d", s.version)
    rdb_put_bytes(out, magic, 9)
    _put_aux(out, b"redis-ver", s.srv.redis_version)
    _put_aux_int(out, b"redis-bits", sizeof(void *) * 8)
    _put_aux_int(out, b"ctime", clock_wall_us() // 1000000)
    _put_aux_int(out, b"used-mem", zused_memory())
    if s.has_history:
        _put_aux_int(out, b"repl-stream-db", s.repl_db)
        _put_aux(out, b"repl-id", s.replid)
        _put_aux_int(out, b"repl-offset", s.repl_offset)
    _put_aux_int(out, b"aof-base", s.is_aof_base)


cdef void _delay(int64_t us) noexcept nogil:
    """Sleep so long; a negative number: one microsecond once in so many calls."""
    cdef rand_t rand
    if us < 0:
        rand.state = clock_wall_us()
        us = rand_next(&rand) % <uint64_t>-us == 0
    if us:
        usleep(<unsigned int>us)


cdef bint _put_short(rdb_save_t *s, const obj_t *o) noexcept nogil:
    """Write a short string the short way; False: it is not that short."""
    cdef rdb_out_t *out = &s.out
    cdef size_t key_len, n
    cdef const char *key = obj_key(o, &key_len)
    cdef const char *value = key + key_len
    cdef char *p
    n = obj_inline_len(o)
    if key_len > SHORT_MAX or n > SHORT_MAX or (n > PLAIN_MAX and s.is_compressing):
        return False
    if out.cap - out.len < 2 * (SHORT_MAX + 1) + 1:
        rdb_out_flush(out)
    if save_may_be_int(key, key_len) or save_may_be_int(value, n):
        return False
    p = out.buf + out.len
    p[0] = TYPE_STRING
    p[1] = <char>key_len
    save_copy(p + 2, key, key_len)
    p += 2 + key_len
    p[0] = <char>n
    save_copy(p + 1, value, n)
    out.len = p + 1 + n - out.buf
    return True


cdef void _put_key(void *ctx, void *entry) noexcept nogil:
    """Write a key: an ht_visit_fn."""
    cdef rdb_save_t *s = <rdb_save_t *>ctx
    cdef rdb_out_t *out = &s.out
    cdef obj_t *o = <obj_t *>entry
    cdef int64_t when
    cdef int version
    if fr_unlikely(out.has_failed or s.needed_version > s.version):
        return
    when = obj_expire_ms(o)
    if when != OBJ_NO_EXPIRE:
        rdb_put_byte(out, OP_EXPIRE_MS)
        rdb_put_i64(out, when)
    if s.has_usage:
        if s.srv.ks.is_lfu:
            rdb_put_byte(out, OP_FREQ)
            rdb_put_byte(out, lfu_counter(o, &s.srv.ks.lfu, s.srv.ks.now_ms))
        else:
            rdb_put_byte(out, OP_IDLE)
            rdb_put_len(out, (s.srv.ks.lru_clock - obj_lru(o)) & OBJ_LRU_MAX)
    if fr_likely(obj_type(o) == OBJ_STRING and obj_enc(o) == OBJ_ENC_INLINE) \
            and _put_short(s, o):
        version = RDB_VERSION
    else:
        out.key = obj_key(o, &out.key_len)
        version = rdb_put_value(out, o, WITH_EXPIRED_FIELDS)
    if fr_unlikely(version > s.needed_version):
        s.needed_version = version
    _after_key(s)


cdef void _after_key(rdb_save_t *s) noexcept nogil:
    """Count a key, and tell how far it is."""
    s.nkeys += 1
    if fr_unlikely(s.delay_us != 0):
        _delay(s.delay_us)
        if s.progress != NULL:
            s.progress(s)
    elif s.nkeys % PROGRESS_KEYS == 0 and s.progress != NULL:
        s.progress(s)


cdef void _put_requests_of(void *ctx, void *entry) noexcept nogil:
    """Write the requests that make a key: an ht_visit_fn."""
    cdef rdb_save_t *s = <rdb_save_t *>ctx
    if fr_unlikely(s.out.has_failed):
        return
    aof_put_key(&s.out, <obj_t *>entry, s.srv.now_ms)
    _after_key(s)


cdef void _put_requests(rdb_save_t *s) noexcept nogil:
    """Write the whole file as requests."""
    cdef char[32] line
    cdef int i
    if s.has_times:
        i = snprintf(line, sizeof(line), b"#TS:%lld\r\n", clock_wall_us() // 1000000)
        rdb_put_bytes(&s.out, line, i)
    for i in range(s.srv.ks.ndbs):
        if db_len(&s.srv.ks.dbs[i]):
            aof_put_select(&s.out, i)
            ht_walk_near(s.srv.ks.dbs[i].keys, _put_requests_of, s)
    rdb_out_flush(&s.out)


cdef void _put_all(rdb_save_t *s) noexcept nogil:
    """Write the whole file."""
    if s.has_requests:
        _put_requests(s)
    else:
        _put_rdb(s)


cdef void _put_rdb(rdb_save_t *s) noexcept nogil:
    """Write the whole file in RDB format."""
    cdef rdb_out_t *out = &s.out
    cdef db_t *db
    cdef uint64_t crc
    cdef int i
    _put_head(s)
    rdb_put_bytes(out, s.functions, s.functions_nbytes)
    for i in range(s.srv.ks.ndbs):
        db = &s.srv.ks.dbs[i]
        if db_len(db) == 0 or s.has_no_keys:
            continue
        rdb_put_byte(out, OP_SELECT)
        rdb_put_len(out, i)
        rdb_put_byte(out, OP_RESIZE)
        rdb_put_len(out, db_len(db))
        rdb_put_len(out, db.nexpires)
        ht_walk_near(db.keys, _put_key, s)
        out.key = NULL
    rdb_put_byte(out, OP_END)
    rdb_out_flush(out)
    crc = s.crc
    rdb_put_bytes(out, &crc, 8)
    rdb_out_flush(out)


# --- Save -------------------------------------------------------------------------


cdef void _begin(rdb_save_t *s) noexcept nogil:
    s.crc = s.synced = s.nkeys = s.nbytes = 0
    s.out.len = 0
    s.version = max(s.version, s.needed_version)
    s.needed_version = RDB_VERSION


cdef bint _open(rdb_save_t *s, const char *temp_path) noexcept nogil:
    """Make the temporary file."""
    cdef int n = snprintf(s.temp_path, SAVE_PATH_MAX, b"%s", temp_path)
    if n >= SAVE_PATH_MAX:
        _fail(s, SAVE_OPEN, ENAMETOOLONG)
        return False
    s.fd = save_open(temp_path, FILE_MODE)
    if s.fd < 0:
        _fail(s, SAVE_OPEN, errno)
        return False
    return True


cdef bint _settle(rdb_save_t *s, const char *temp_path) noexcept nogil:
    """Bring the file to the disk and give it its name; or remove it."""
    if not s.out.has_failed and save_sync(s.fd) != 0:
        _fail(s, SAVE_WRITE, errno)
    if close(s.fd) != 0:
        _fail(s, SAVE_WRITE, errno)
    if s.step == SAVE_DONE and s.owner and getppid() != s.owner:
        _fail(s, SAVE_RENAME, ESRCH)    # nobody has asked for it any more
    if s.step == SAVE_DONE and s.path[0] and rename(temp_path, s.path) != 0:
        _fail(s, SAVE_RENAME, errno)
    if s.step != SAVE_DONE:
        unlink(temp_path)
        return False
    if s.path[0] and save_sync_dir() != 0:
        _fail(s, SAVE_RENAME, errno)
        return False
    return True


cdef void _begin_anew(rdb_save_t *s) noexcept nogil:
    """Begin the file once more: its version was too low for what is in it."""
    _begin(s)
    if ftruncate(s.fd, 0) != 0 or lseek(s.fd, 0, 0) != 0:
        _fail(s, SAVE_WRITE, errno)


cdef bint rdb_save(rdb_save_t *s, const char *temp_path) noexcept nogil:
    """Write the file."""
    cdef int likely, i
    rdb_out_init(&s.out, s.is_compressing, s.least_version)
    s.step = SAVE_DONE
    # whether fields expire is known, whether there are streams is guessed; from a pipe
    # nothing can be taken back
    likely = rdb_stream_version(&s.out)
    if not s.is_piped:
        likely = min(s.likely_version, likely)
    s.version = max(s.least_version, likely)
    s.needed_version = RDB_VERSION
    for i in range(s.srv.ks.ndbs):
        if db_subexpire_len(&s.srv.ks.dbs[i]):
            s.needed_version = RDB_VERSION_FIELDS
    if not s.is_piped and not _open(s, temp_path):
        return False
    s.out.buf = <char *>ztrymalloc(BUFFER_NBYTES)
    if s.out.buf == NULL:
        _fail(s, SAVE_WRITE, ENOMEM)
    s.out.cap = BUFFER_NBYTES
    s.out.drain = _drain
    _begin(s)
    _put_all(s)
    while s.needed_version > s.version and not s.out.has_failed:
        _begin_anew(s)
        _put_all(s)
    rdb_out_free(&s.out)
    return s.step == SAVE_DONE if s.is_piped else _settle(s, temp_path)


# --- From Python ------------------------------------------------------------------


cdef int rdb_save_init(
    rdb_save_t *s, const server_t *srv, bytes path, options
) except -1:
    """Fill in what is to be done."""
    cdef bytes functions
    if len(path) >= SAVE_PATH_MAX:
        raise ValueError("the file's name is too long")
    memset(s, 0, sizeof(rdb_save_t))
    s.srv = srv
    memcpy(s.path, <const char *>path, len(path) + 1)
    s.is_compressing = options["compress"]
    s.has_checksum = options["checksum"]
    s.is_synced_early = options["sync_early"]
    s.has_usage = options["usage"]
    s.least_version = options["version"]
    s.likely_version = options["likely_version"]
    s.delay_us = options["delay_us"]
    s.is_aof_base = options.get("aof_base", False)
    s.has_requests = options.get("requests", False)
    s.has_times = options.get("times", False)
    functions = options["functions"]
    s.functions = functions
    s.functions_nbytes = len(functions)
    s.owner = 0
    s.has_no_keys = options.get("no_keys", False)
    s.is_piped = "fd" in options
    s.fd = options.get("fd", -1)
    history = options.get("history")
    s.has_history = history is not None
    if s.has_history:
        replid, s.repl_offset, s.repl_db = history
        strncpy(s.replid, <bytes>replid.encode("ascii"), REPLID_MAX - 1)
    s.progress = NULL
    s.ctx = NULL
    return 0


def save(Engine engine not None, bytes path not None, dict options not None):
    """Write all databases to a file in the working directory.

    options: compress, checksum, sync_early, usage (whether), version (unless the
        values need a later one; 0), likely_version (that they need), delay_us (after
        each key), functions (as they stand in a file); optional:
        aof_base (it is the base of an append-only file), requests (it holds requests
        that make the keys), times (after a line with the time), history (replid,
        offset and database of the stream of changes), no_keys, fd (a pipe to write to,
        instead of a file).
    Return (step, errno, keys, bytes, version that the values need); the step is 0 if
    all went well, else that which failed: 1 opening, 2 writing, 3 renaming.
    """
    cdef rdb_save_t s
    cdef bytes temp = b"temp-%d.rdb" % os.getpid()
    cdef const char *temp_path = temp
    rdb_save_init(&s, &engine.srv, path, options)
    with nogil:
        rdb_save(&s, temp_path)
    return s.step, s.error, s.nkeys, s.nbytes, s.needed_version
