# SPDX-License-Identifier: BSD-3-Clause
r"""The file at the end of the append-only file: what has changed is written to it.

    feed_t.buf --write--> the increment --fdatasync--> disk
      end of each round    appendfsync always: at once, in the same call
                           everysec: by another thread, see persistence/aof.py

The whole buffer is one write, before the replies of the round are sent; with `always`
one fdatasync serves all clients of a round. If a write fails, what did get into the
file is cut off again, the buffer stays, and it is tried again with the next round;
meanwhile clients that want to write are refused (server_t.aof_error).

Cost: O(bytes) and a system call a round with changes. Threads: the thread that executes
commands.
"""
from cython cimport final
from fastredis.core.clock cimport clock_mono_ns
from fastredis.engine.blocking cimport blocking_poll
from fastredis.engine.client cimport FEED_AOF, server_t
from fastredis.engine.propagate cimport (
    feed_clear,
    feed_of,
    feed_prepend,
    feed_reselect,
    feed_start,
    feed_stop,
    feed_t,
    feed_write_all,
)
from fastredis.engine.runtime cimport Engine
from fastredis.engine.spikes cimport spike_add
from libc.errno cimport EINTR, ENOSPC, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memmove

cdef extern from *:
    """
    #include <errno.h>
    #include <unistd.h>
    #if defined(__APPLE__)
    #include <fcntl.h>
    #define aof_sync(fd) fcntl(fd, F_FULLFSYNC)
    #else
    #define aof_sync(fd) fdatasync(fd)
    #endif
    """
    int aof_sync(int fd) nogil
    ssize_t write(int fd, const void *buf, size_t n) nogil
    int ftruncate(int fd, long size) nogil
    int usleep(unsigned int us) nogil

cdef enum:
    TIME_MAX = 40               # bytes of the line with the time

SYNC_NO = FSYNC_NO
SYNC_EVERYSEC = FSYNC_EVERYSEC
SYNC_ALWAYS = FSYNC_ALWAYS


# --- Write ------------------------------------------------------------------------


cdef size_t _write_all(
    int fd, const char *buf, size_t nbytes, int *error_out
) noexcept nogil:
    """Write until all is written or it fails; return how much was."""
    cdef size_t done = 0
    cdef ssize_t n
    while done < nbytes:
        n = write(fd, buf + done, nbytes - done)
        if n < 0 and errno == EINTR:
            continue
        if n <= 0:
            error_out[0] = errno if n else ENOSPC
            break
        done += n
    return done


cdef void _fail(server_t *srv, int number, size_t done, size_t wanted) noexcept nogil:
    """Tell the server, which logs it and may end the process."""
    with gil:
        (<Engine><object>srv.runtime).server.aof_write_failed(number, done, wanted)


cdef inline size_t _complete(const feed_t *f) noexcept nogil:
    """The bytes of complete units: of one that is under way nothing is written."""
    return f.unit_at if f.is_unit_open else f.len


cdef void _put_time(server_t *srv, aof_t *a, feed_t *f) noexcept nogil:
    """Put a line before what waits that says what time it is, once a second."""
    cdef char[TIME_MAX] line
    cdef int64_t now = srv.now_ms // 1000
    cdef int n
    if now == a.time_s:
        return
    a.time_s = now
    n = snprintf(line, sizeof(line), b"#TS:%lld\r\n", <long long>now)
    feed_prepend(srv, line, n)


cdef void _on_write(server_t *srv) noexcept nogil:
    """Write what waits; see the module's text."""
    cdef aof_t *a = <aof_t *>srv.aof
    cdef feed_t *f = feed_of(srv)
    cdef size_t wanted, done
    cdef uint64_t started = clock_mono_ns()
    cdef int number = 0
    if _complete(f) == 0:
        srv.feed_waits = f.len != 0
        return
    if a.write_delay_us:
        usleep(a.write_delay_us)
    if a.has_times and a.error == 0:    # what failed may continue a request
        _put_time(srv, a, f)
    wanted = _complete(f)
    done = _write_all(a.fd, f.buf, wanted, &number)
    if done < wanted:
        if done and ftruncate(a.fd, a.size) == 0:
            done = 0
        a.size += done
        if done:
            _forget(srv, f, done)   # it could not be cut off: the rest is to follow it
        a.error = number
        _fail(srv, number, done, wanted)
        return
    spike_add(srv, b"aof-write", (clock_mono_ns() - started) // 1000)
    a.size += wanted
    if wanted == f.len:
        a.offset = srv.repl_offset
    _forget(srv, f, wanted)
    if a.policy == FSYNC_ALWAYS:
        started = clock_mono_ns()
        if aof_sync(a.fd) != 0:
            number = errno
            with gil:
                (<Engine><object>srv.runtime).server.aof_fsync_failed(number)
            return
        spike_add(srv, b"aof-fsync-always", (clock_mono_ns() - started) // 1000)
        a.synced = a.size
        _note_synced(srv, a.offset)
    if a.error:
        a.error = 0
        with gil:
            (<Engine><object>srv.runtime).server.aof_write_recovered()


cdef void _note_synced(server_t *srv, int64_t offset) noexcept nogil:
    """Note what is on the disk, and tell who has waited for it."""
    srv.repl_synced = max(srv.repl_synced, offset)
    blocking_poll(srv)


cdef void _forget(server_t *srv, feed_t *f, size_t done) noexcept nogil:
    """Forget the first bytes of the buffer: they have been written."""
    if done == f.len:
        feed_clear(srv)
        return
    f.len -= done
    f.unit_at -= min(done, f.unit_at)
    f.taken -= min(done, f.taken)
    memmove(f.buf, f.buf + done, f.len)


# --- For persistence/aof.py -------------------------------------------------------


@final
cdef class AofFile:
    """Writes an engine's changes to one file after the other.

    The descriptors are the caller's to open and to close.
    """

    def __cinit__(self, Engine engine):
        self.engine = engine
        self.state.fd = -1

    def start(self, int fd, uint64_t size, *, bint is_provisional=False):
        """Write to a file that is open for appending and has this size.

        is_provisional: it is worth nothing until that is set to False.
        """
        cdef server_t *srv = &self.engine.srv
        self.state.is_provisional = is_provisional
        self.state.offset = srv.repl_synced = srv.repl_offset
        self.state.fd = fd
        self.state.size = self.state.synced = size
        self.state.error = 0
        srv.aof = &self.state
        srv.write_feed = _on_write
        self.state.time_s = 0
        feed_start(srv, FEED_AOF)

    def switch(self, int fd):
        """Go on with another file, which is empty.

        Returns: whether all that was meant for the file before is in it.
        """
        if not self.flush():
            return False
        self.state.fd = fd
        self.state.size = self.state.synced = self.state.time_s = 0
        feed_reselect(&self.engine.srv)
        return True

    def stop(self):
        """Write what waits, and no more from then on; return whether all was written.
        """
        cdef bint is_complete = self.flush()
        feed_stop(&self.engine.srv, FEED_AOF)
        self.engine.srv.aof = NULL
        self.state.fd = -1
        self.state.error = 0
        blocking_poll(&self.engine.srv)
        return is_complete

    def flush(self):
        """Write what waits; return whether all of it was written."""
        cdef server_t *srv = &self.engine.srv
        if self.state.fd < 0:
            return True
        if srv.feed_waits:
            with nogil:
                feed_write_all(srv)
        return self.state.error == 0

    @property
    def policy(self):
        """When data is made to reach the disk: one of SYNC_*."""
        return self.state.policy

    @policy.setter
    def policy(self, int value):
        self.state.policy = value

    @property
    def has_times(self):
        """Whether the time is written between requests, once a second."""
        return self.state.has_times

    @has_times.setter
    def has_times(self, bint value):
        self.state.has_times = value

    @property
    def write_delay_us(self):
        """How long each write is preceded by a sleep: DEBUG AOF-FLUSH-SLEEP."""
        return self.state.write_delay_us

    @write_delay_us.setter
    def write_delay_us(self, int value):
        self.state.write_delay_us = max(value, 0)

    @property
    def size(self):
        """Bytes in the file."""
        return self.state.size

    @property
    def synced(self):
        """How many of them are known to be on the disk."""
        return self.state.synced

    @synced.setter
    def synced(self, uint64_t value):
        self.state.synced = value

    @property
    def offset(self):
        """The offset, in the stream of changes, of what is in the file."""
        return self.state.offset

    def note_synced(self, int64_t offset):
        """Note that changes up to this offset are on the disk."""
        with nogil:
            _note_synced(&self.engine.srv, offset)

    @property
    def is_provisional(self):
        """Whether what is in the file is worth nothing yet, for want of a base."""
        return self.state.is_provisional

    @is_provisional.setter
    def is_provisional(self, bint value):
        self.state.is_provisional = value
        with nogil:
            blocking_poll(&self.engine.srv)

    @property
    def error(self):
        """The number of the error that keeps it from writing; 0: none."""
        return self.state.error

    @property
    def waiting(self):
        """Bytes that wait to be written."""
        cdef feed_t *f = feed_of(&self.engine.srv)
        return 0 if f == NULL else f.len
