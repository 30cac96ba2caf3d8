# SPDX-License-Identifier: BSD-3-Clause
r"""The timer of clients that wait: blocking commands with a time limit.

    end of a round --alarm_set--> timerfd --(reactor's epoll set)--> alarm_ring
                        ^                                                |
                        +-- the nearest limit has changed        time-outs replied

The kernel wakes the reactor at the nearest time limit, so a BLPOP with 0.01 s is
answered after 10 ms, and a server whose clients wait for long is not woken for it. The
timer is set only when the nearest limit is another one than before. The cron ends what
is over, too: where there is no reactor, and after the wall clock has been set.

Cost: one comparison a round while clients wait; a system call when the limit changes.
Threads: the thread that executes commands.
"""
from fastredis.core.clock cimport clock_wall_us
from fastredis.engine.blocking cimport blocking_expire, blocking_next_deadline
from fastredis.engine.client cimport server_update_clock
from fastredis.engine.execute cimport engine_serve_blocked
from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #include <string.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/timerfd.h>
    static int alarm_create(void) {
        return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    }
    /* us: from now; 0: never */
    static void alarm_arm(int fd, long long us) {
        struct itimerspec t;
        memset(&t, 0, sizeof t);
        t.it_value.tv_sec = us / 1000000;
        t.it_value.tv_nsec = us % 1000000 * 1000;
        timerfd_settime(fd, 0, &t, NULL);
    }
    #else
    /* there is no reactor that could wait for it: the cron sees the limits */
    static int alarm_create(void) { return -1; }
    static void alarm_arm(int fd, long long us) { (void)fd; (void)us; }
    #endif
    """
    int alarm_create() nogil
    void alarm_arm(int fd, long long us) nogil
    ssize_t read(int fd, void *buf, size_t n) nogil


cdef int64_t FAR_MS = 3600 * 1000      # limits may be longer than a timer takes


cdef int alarm_open(server_t *srv) noexcept nogil:
    """Return the timer, made if need be."""
    cdef int fd
    if not srv.alarm_fd:
        fd = alarm_create()
        if fd < 0:
            return -1
        srv.alarm_fd = fd
        srv.alarm_ms = 0
    return srv.alarm_fd


cdef void alarm_set(server_t *srv) noexcept nogil:
    """Have it ring when the nearest time limit is over."""
    cdef int64_t deadline = blocking_next_deadline(srv), us = 0, now
    if deadline == srv.alarm_ms or not srv.alarm_fd:
        return
    srv.alarm_ms = deadline
    if deadline:
        now = clock_wall_us()
        if deadline - now // 1000 > FAR_MS:
            us = FAR_MS * 1000      # it rings in vain, and is set anew
        else:
            us = deadline * 1000 - now
            if us < 1:
                us = 1
    alarm_arm(srv.alarm_fd, us)


cdef void alarm_ring(server_t *srv) noexcept nogil:
    """End the waiting of all whose time is over."""
    cdef uint64_t count
    read(srv.alarm_fd, &count, sizeof(count))
    srv.alarm_ms = 0        # it has run down; the end of the round sets it again
    server_update_clock(srv)
    blocking_expire(srv)
    engine_serve_blocked(srv)       # some are only to be tried again
