# SPDX-License-Identifier: BSD-3-Clause
r"""Saving in the background: a forked child writes what the parent had at that moment.

    parent                                        child
      |-- fork ------------------------------------>|  all memory, shared until written
      | goes on; pages it writes are copied         |  signals as if it were new,
      |                                             |  every descriptor closed but one
      |<-- report: keys done, memory copied --------|  once a second
      |<-- report: done, or what failed ------------|
      |                                             '  _exit(0) or _exit(1)
      '-- waitpid, from the cron

A child whose parent was killed comes to nothing: its file is of the past when another
server has begun where the parent ended.

Of the parent's threads the child has only the one that forked. So it runs no Python,
takes no lock, and gives nothing to the lazy-free thread; it does not return from here.
The descriptors it inherited are closed at once: a client that the parent hangs up on
would else not notice before the child ends.

A report is one write of less than PIPE_BUF bytes, hence read in one piece.

How much memory had to be copied is what the kernel calls the child's private dirty
pages (Linux only; 0 elsewhere).

Cost: the fork itself takes some 10 ms a gigabyte, in which no command is executed.
Threads: the one that owns the data.
"""
from fastredis.core.clock cimport clock_mono_ns
from fastredis.core.proctitle cimport proctitle_replace
from fastredis.engine.runtime cimport Engine
from fastredis.engine.spikes cimport spike_add
from fastredis.persistence.rdb_save cimport (
    SAVE_PATH_MAX,
    rdb_save,
    rdb_save_init,
    rdb_save_t,
)
from libc.errno cimport errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memset, strlen

import os

cdef enum:
    REPORT_EVERY_NS = 1000000000
    PIPE_FD = 3                 # the child's descriptors beyond the standard ones:
    DATA_FD = 4                 # for reports; for the data, if that goes to no file
    MIN_ASKS_NS = 10            # asking for the copied memory takes a tenth at most

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <signal.h>
    #include <stdint.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/syscall.h>
    #endif

    /* fork with all signals blocked, so that none meets a handler of the parent's in
       the child; the child unblocks them when it has handlers of its own. */
    static pid_t child_fork(sigset_t *before) {
        sigset_t all;
        pid_t pid;
        int saved;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, before);
        pid = fork();
        if (pid != 0) {
            saved = errno;
            sigprocmask(SIG_SETMASK, before, NULL);
            errno = saved;
        }
        return pid;
    }
    /* A terminal's interrupt is the parent's affair; so are broken pipes and limits
       on the size of files, which are to be errors of write. */
    static void child_reset_signals(const sigset_t *before) {
        static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGXFSZ};
        static const int plain[] = {
            SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGABRT, SIGSEGV, SIGBUS,
            SIGFPE, SIGILL, SIGQUIT,
        };
        size_t i;
        for (i = 0; i < sizeof ignored / sizeof *ignored; i++)
            signal(ignored[i], SIG_IGN);
        for (i = 0; i < sizeof plain / sizeof *plain; i++) signal(plain[i], SIG_DFL);
        sigprocmask(SIG_SETMASK, before, NULL);
    }
    static void child_close_from(int first) {
        int fd;
    #if defined(__linux__) && defined(SYS_close_range)
        if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
    #endif
        for (fd = first; fd < 65536; fd++) close(fd);
    }
    static int child_dup_above(int fd, int above) {
        return fcntl(fd, F_DUPFD, above + 1);
    }
    static void child_set_oom_score(int score) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", score);
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd < 0) return;
        (void)!write(fd, text, (size_t)n);
        close(fd);
    }
    /* The bytes of memory that are this process's own by now. */
    static uint64_t child_private_dirty(void) {
        static const char name[] = "Private_Dirty:";
        char text[4096], *p;
        ssize_t n;
        uint64_t total = 0;
        int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
        if (fd < 0) return 0;
        n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = 0;
        for (p = text; (p = strstr(p, name)) != NULL; p += sizeof name)
            total += strtoull(p + sizeof name - 1, NULL, 10);
        return total * 1024;
    }
    """
    ctypedef int pid_t
    ctypedef struct sigset_t:
        pass
    pid_t child_fork(sigset_t *before) noexcept nogil
    void child_reset_signals(const sigset_t *before) noexcept nogil
    void child_close_from(int first) noexcept nogil
    int child_dup_above(int fd, int above) noexcept nogil
    void child_set_oom_score(int score) noexcept nogil
    uint64_t child_private_dirty() noexcept nogil
    int getpid() noexcept nogil
    int getppid() noexcept nogil
    int unlink(const char *path) noexcept nogil
    int dup2(int old, int new) noexcept nogil
    ssize_t write(int fd, const void *p, size_t n) noexcept nogil
    void _exit(int status) noexcept nogil

# Names of the file that a child of some pid writes.
TEMP_RDB = "temp-%d.rdb"
TEMP_AOF = "temp-rewriteaof-bg-%d.aof"

cdef struct report_t:
    int64_t is_last
    int64_t step                # save_step_t
    int64_t error
    uint64_t nkeys
    uint64_t nbytes
    int64_t version             # that the values need
    uint64_t cow_nbytes         # copied at present,
    uint64_t cow_peak           # at most
    uint64_t cow_average

cdef struct child_t:
    rdb_save_t save
    const char *temp_format     # the name of its file, by its pid
    const char *title           # or NULL
    int oom_score
    bint has_oom_score
    uint64_t next_ns            # the next report is due
    uint64_t cow_peak
    uint64_t cow_sum
    uint64_t ncow


cdef void _report(child_t *child, bint is_last) noexcept nogil:
    """Tell the parent how far saving is."""
    cdef report_t r
    cdef uint64_t started = clock_mono_ns()
    memset(&r, 0, sizeof(r))
    r.is_last = is_last
    r.step = child.save.step
    r.error = child.save.error
    r.nkeys = child.save.nkeys
    r.nbytes = child.save.nbytes
    r.version = child.save.needed_version
    r.cow_nbytes = child_private_dirty()
    child.cow_peak = max(child.cow_peak, r.cow_nbytes)
    child.cow_sum += r.cow_nbytes
    child.ncow += 1
    r.cow_peak = child.cow_peak
    r.cow_average = child.cow_sum // child.ncow
    write(PIPE_FD, &r, sizeof(r))       # nobody listens any more: then never mind
    started = clock_mono_ns() - started
    child.next_ns = clock_mono_ns() + max(
        <uint64_t>REPORT_EVERY_NS, started * MIN_ASKS_NS)


cdef void _progress(rdb_save_t *s) noexcept nogil:
    cdef child_t *child = <child_t *>s.ctx
    if clock_mono_ns() < child.next_ns:
        return
    if getppid() != s.owner:
        unlink(s.temp_path)
        _exit(1)
    _report(child, False)


cdef void _keep_pipes(child_t *child, int fd) noexcept nogil:
    """Close all that was inherited but the pipes, which get fixed numbers."""
    cdef int data = child.save.fd
    if not child.save.is_piped:
        if fd != PIPE_FD:
            dup2(fd, PIPE_FD)
        child_close_from(PIPE_FD + 1)
        return
    # out of each other's way first
    fd = child_dup_above(fd, DATA_FD)
    data = child_dup_above(data, DATA_FD)
    dup2(fd, PIPE_FD)
    dup2(data, DATA_FD)
    child.save.fd = DATA_FD
    child_close_from(DATA_FD + 1)


cdef void _run(child_t *child, int fd, const sigset_t *before) noexcept nogil:
    """Be the child: save, report, end."""
    cdef char[SAVE_PATH_MAX] temp_path
    cdef bint is_saved
    child_reset_signals(before)
    _keep_pipes(child, fd)
    if child.title != NULL:
        proctitle_replace(child.title, strlen(child.title))
    if child.has_oom_score:
        child_set_oom_score(child.oom_score)
    snprintf(temp_path, sizeof(temp_path), child.temp_format, getpid())
    child.save.progress = _progress
    child.save.ctx = child
    child.next_ns = clock_mono_ns() + REPORT_EVERY_NS
    is_saved = rdb_save(&child.save, temp_path)
    _report(child, True)
    _exit(0 if is_saved else 1)


def start(
    Engine engine not None, bytes path not None, dict options not None,
    bytes title=None, oom_score=None
):
    """Fork a child that writes all databases to a file in the working directory.

    path: what the file is called in the end; empty: TEMP_AOF with the child's pid.
    options: as for rdb_save.save; with fd it writes there, and path does not matter.
    title: of the child. oom_score: the kernel's score for it, None: the parent's.
    Return (pid, descriptor that its reports come from, us that fork took).
    Raises: OSError if it cannot fork.
    """
    cdef child_t child
    cdef sigset_t before
    cdef uint64_t started
    cdef int pid, fd, error
    cdef bytes temp_format
    memset(&child, 0, sizeof(child))
    rdb_save_init(&child.save, &engine.srv, path, options)
    child.save.owner = getpid()
    temp_format = (TEMP_RDB if path else TEMP_AOF).encode()
    child.temp_format = temp_format
    child.title = NULL
    if title is not None:
        child.title = title
    if oom_score is not None:
        child.has_oom_score = True
        child.oom_score = oom_score
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    fd = writer
    with nogil:
        started = clock_mono_ns()
        pid = child_fork(&before)
        error = errno
        if pid == 0:
            _run(&child, fd, &before)
        started = clock_mono_ns() - started
    os.close(writer)
    if pid < 0:
        os.close(reader)
        raise OSError(error, os.strerror(error))
    spike_add(&engine.srv, b"fork", started // 1000)
    return pid, reader, started // 1000


def read_report(int fd):
    """Return the next report of a child as a dict; None: there is none now."""
    cdef report_t r
    cdef bytes raw
    try:
        raw = os.read(fd, sizeof(r))
    except BlockingIOError:
        return None
    if len(raw) != sizeof(r):
        return None
    return (<report_t *><const char *>raw)[0]
