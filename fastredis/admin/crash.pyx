# SPDX-License-Identifier: BSD-3-Clause
r"""Reports of crashes: what the log says before the process ends by a signal.

    SIGSEGV SIGBUS SIGFPE SIGILL SIGABRT                 on a stack of its own
      '-- report: signal, C stack, Python stacks, registers, figures, clients
            '-- the default action: core dump, exit status as without a report

    SIGALRM   the watchdog: a round of the event loop takes too long; its stacks
    SIGINT    after another one or SIGTERM: the process ends at once

The handlers run in the middle of anything, so they allocate nothing, take no lock and
call into Python nowhere: they format into buffers on the stack and write. Of what the
report shows, the server's own structs are read as they are; should they be destroyed,
the second fault ends the process. The Python stacks are written by the interpreter's
faulthandler, which is made for this: it is registered for a signal that nobody else
uses, which the report raises.

Threads: a report is written by the first thread that crashes; others wait for its end.
"""
from fastredis.core.mem cimport zused_memory
from fastredis.engine.client cimport client_t, server_t
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport db_len
from libc.stdint cimport int64_t

import faulthandler
import os
import signal
import time

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdarg.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/time.h>
    #include <time.h>
    #include <unistd.h>
    #if defined(__GLIBC__) || defined(__APPLE__)
    #include <execinfo.h>
    #define CRASH_HAS_BACKTRACE 1
    #else
    #define CRASH_HAS_BACKTRACE 0
    #endif
    #if defined(__linux__)
    #include <ucontext.h>
    #endif

    #define CRASH_FRAMES 100
    #define CRASH_STACK (256 * 1024)     /* of the handlers */
    static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

    static struct {
        char path[4096];                 /* of the log; empty: standard output */
        char pidfile[4096];              /* to remove; empty: none */
        char version[64];
        int fd;                          /* open while a report is written, or -1 */
        int python_fd;                   /* what faulthandler writes to */
        int python_signal;               /* what makes it write; 0: it does not */
        long zone_s;                     /* local time minus UTC */
        volatile sig_atomic_t busy;
        pthread_t owner;                 /* the thread that writes the report */
        volatile sig_atomic_t is_stopping;
        struct sigaction interrupt;      /* what SIGINT did before ... */
        struct sigaction terminate;      /* ... and SIGTERM */
        void (*body)(void);              /* writes what the server knows */
    } crash = {.fd = -1};

    static void crash_write(const char *s, size_t n) {
        while (n) {
            ssize_t done = write(crash.fd, s, n);
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) return;
            s += done;
            n -= (size_t)done;
        }
    }
    static void crash_text(const char *s) { crash_write(s, strlen(s)); }

    __attribute__((format(printf, 1, 2)))
    static void crash_raw(const char *format, ...) {
        char text[1024];
        va_list args;
        int n;
        va_start(args, format);
        n = vsnprintf(text, sizeof text, format, args);
        va_end(args);
        if (n > (int)sizeof text - 1) n = sizeof text - 1;
        if (n > 0) crash_write(text, (size_t)n);
    }

    /* Begin a line as the log does; localtime() takes a lock: compute the date. */
    static void crash_stamp(char mark) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct timespec now;
        long long s, days, era, doe, yoe, doy, mp;
        clock_gettime(CLOCK_REALTIME, &now);
        s = (long long)now.tv_sec + crash.zone_s;
        days = s / 86400 + 719468;       /* since 1 March of the year 0 */
        era = days / 146097;
        doe = days - era * 146097;
        yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        mp = (5 * doy + 2) / 153;
        crash_raw("%d:M %02d %.3s %d %02d:%02d:%02d.%03d %c ", (int)getpid(),
                  (int)(doy - (153 * mp + 2) / 5 + 1),
                  months + 3 * (mp < 10 ? mp + 2 : mp - 10),
                  (int)(yoe + era * 400 + (mp >= 10)), (int)(s / 3600 % 24),
                  (int)(s / 60 % 60), (int)(s % 60), (int)(now.tv_nsec / 1000000),
                  mark);
    }

    __attribute__((format(printf, 1, 2)))
    static void crash_line(const char *format, ...) {
        char text[1024];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text - 1, format, args);
        va_end(args);
        crash_stamp('#');
        crash_text(text);
        crash_text("\\n");
    }

    static int crash_open(void) {
        crash.fd = STDOUT_FILENO;
        if (crash.path[0])
            crash.fd = open(crash.path,
                            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        return crash.fd >= 0;
    }
    static void crash_close(void) {
        if (crash.fd > STDERR_FILENO) close(crash.fd);
        crash.fd = -1;
    }

    static void *crash_program_counter(void *context) {
    #if defined(__linux__) && defined(__x86_64__)
        return (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    #elif defined(__linux__) && defined(__aarch64__)
        return (void *)((ucontext_t *)context)->uc_mcontext.pc;
    #else
        (void)context;
        return NULL;
    #endif
    }

    static void crash_registers(void *context) {
    #if defined(__linux__) && defined(__x86_64__)
        static const struct {const char *name; int index;} regs[] = {
            {"RAX", REG_RAX}, {"RBX", REG_RBX}, {"RCX", REG_RCX}, {"RDX", REG_RDX},
            {"RDI", REG_RDI}, {"RSI", REG_RSI}, {"RBP", REG_RBP}, {"RSP", REG_RSP},
            {"R8 ", REG_R8}, {"R9 ", REG_R9}, {"R10", REG_R10}, {"R11", REG_R11},
            {"R12", REG_R12}, {"R13", REG_R13}, {"R14", REG_R14}, {"R15", REG_R15},
            {"RIP", REG_RIP}, {"EFL", REG_EFL}, {"CSGSFS", REG_CSGSFS},
        };
        greg_t *values = ((ucontext_t *)context)->uc_mcontext.gregs;
        size_t i, n = sizeof regs / sizeof *regs;
        crash_text("\\n------ REGISTERS ------\\n");
        for (i = 0; i < n; i++)
            crash_raw("%s:%016llx%s", regs[i].name,
                      (unsigned long long)values[regs[i].index],
                      i % 4 == 3 || i == n - 1 ? "\\n" : " ");
    #elif defined(__linux__) && defined(__aarch64__)
        mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
        int i;
        crash_text("\\n------ REGISTERS ------\\n");
        for (i = 0; i < 31; i++)
            crash_raw("X%d:%016llx%s", i, (unsigned long long)m->regs[i],
                      i % 4 == 3 ? "\\n" : " ");
        crash_raw("SP:%016llx\\nPC:%016llx PSTATE:%016llx\\n",
                  (unsigned long long)m->sp, (unsigned long long)m->pc,
                  (unsigned long long)m->pstate);
    #else
        (void)context;
    #endif
    }

    static void crash_stacks(void) {
        crash_text("\\n------ STACK TRACE ------\\n");
    #if CRASH_HAS_BACKTRACE
        {
            void *frames[CRASH_FRAMES];
            int n = backtrace(frames, CRASH_FRAMES);
            crash_text("Backtrace:\\n");
            backtrace_symbols_fd(frames, n, crash.fd);
        }
    #else
        crash_text("This C library keeps no record of its callers.\\n");
    #endif
        if (crash.python_signal) {
            crash_text("\\n------ PYTHON STACKS ------\\n");
            dup2(crash.fd, crash.python_fd);
            raise(crash.python_signal);
        }
    }

    static void crash_default(int number) {
        struct sigaction action;
        sigset_t set;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigemptyset(&action.sa_mask);
        sigaction(number, &action, NULL);
        sigemptyset(&set);
        sigaddset(&set, number);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }

    static void crash_on_fault(int number, siginfo_t *info, void *context) {
        if (__sync_lock_test_and_set(&crash.busy, 1)) {
            if (pthread_equal(crash.owner, pthread_self())) {
                crash_text("\\n!!! Crashed again while writing the report\\n");
                crash_default(number);
                raise(number);
                return;
            }
            for (;;) pause();           /* the end is near */
        }
        crash.owner = pthread_self();
        if (crash_open()) {
            crash_text("\\n\\n=== REDIS BUG REPORT START: Cut & paste starting from "
                       "here ===\\n");
            crash_line("Redis %s crashed by signal: %d, si_code: %d", crash.version,
                       number, info->si_code);
            if (number == SIGSEGV || number == SIGBUS)
                crash_line("Accessing address: %p",
                           info->si_code > 0 ? info->si_addr : NULL);
            if (info->si_code <= 0 && info->si_pid)
                crash_line("Killed by PID: %ld, UID: %d", (long)info->si_pid,
                           (int)info->si_uid);
            if (crash_program_counter(context))
                crash_line("Crashed running the instruction at: %p",
                           crash_program_counter(context));
            crash_stacks();
            crash_registers(context);
            if (crash.body) crash.body();
            crash_text(
                "\\n=== REDIS BUG REPORT END. Make sure to include from START to END. "
                "===\\n\\n"
                "    The report above says what the server did when it crashed. Please "
                "add it to a\\n    bug report, after removing from it what others must "
                "not read.\\n\\n");
            crash_close();
        }
        if (crash.pidfile[0]) unlink(crash.pidfile);
        crash_default(number);
        raise(number);
    }

    static void crash_on_alarm(int number, siginfo_t *info, void *context) {
        int saved = errno;
        (void)number;
        if (__sync_lock_test_and_set(&crash.busy, 1)) return;
        crash.owner = pthread_self();
        if (crash_open()) {
            crash_line("--- WATCHDOG TIMER EXPIRED ---");
            if (info->si_pid && info->si_code <= 0)
                crash_line("Received SIGALRM from PID %ld", (long)info->si_pid);
            if (crash_program_counter(context))
                crash_line("It was at: %p", crash_program_counter(context));
            crash_stacks();
            crash_line("--------");
            crash_close();
        }
        __sync_lock_release(&crash.busy);
        errno = saved;
    }

    /* SIGTERM and SIGINT: note that the server is told to end, which it may be too
       busy to hear, and let the handler of before do the rest. */
    /* What a save that is under way has written so far. */
    static void crash_remove_temp(void) {
        char path[32];
        snprintf(path, sizeof path, "temp-%ld.rdb", (long)getpid());
        unlink(path);
    }

    static void crash_on_interrupt(int number, siginfo_t *info, void *context) {
        struct sigaction *old =
            number == SIGINT ? &crash.interrupt : &crash.terminate;
        if (crash.is_stopping && number == SIGINT) {
            if (crash_open()) crash_line("You insist... exiting now.");
            if (crash.pidfile[0]) unlink(crash.pidfile);
            crash_remove_temp();
            _exit(1);
        }
        crash.is_stopping = 1;
        if (old->sa_flags & SA_SIGINFO)
            old->sa_sigaction(number, info, context);
        else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
            old->sa_handler(number);
    }

    static void crash_handle(
        int number, void (*handler)(int, siginfo_t *, void *), int flags,
        struct sigaction *old
    ) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        sigemptyset(&action.sa_mask);
        action.sa_flags = SA_SIGINFO | flags;
        action.sa_sigaction = handler;
        sigaction(number, &action, old);
    }

    /* Give this thread a stack for the handlers: its own may be what overflowed. */
    static void crash_own_stack(void) {
        static char stack[CRASH_STACK];
        stack_t ss;
        memset(&ss, 0, sizeof ss);
        ss.ss_sp = stack;
        ss.ss_size = sizeof stack;
        sigaltstack(&ss, NULL);
    }

    static void crash_install(void) {
        size_t i;
    #if CRASH_HAS_BACKTRACE
        void *frames[2];
        backtrace(frames, 2);            /* loads what a handler could not */
    #endif
        crash_own_stack();
        for (i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
            crash_handle(crash_signals[i], crash_on_fault,
                         SA_ONSTACK | SA_NODEFER, NULL);
    }

    static void crash_uninstall(void) {
        size_t i;
        for (i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
            crash_default(crash_signals[i]);
    }

    static void crash_install_watchdog(void) {
        crash_handle(SIGALRM, crash_on_alarm, SA_ONSTACK | SA_RESTART, NULL);
    }
    static void crash_install_interrupt(void) {
        crash_handle(SIGINT, crash_on_interrupt, SA_RESTART, &crash.interrupt);
        crash_handle(SIGTERM, crash_on_interrupt, SA_RESTART, &crash.terminate);
    }
    static void crash_set_stopping(int value) { crash.is_stopping = value; }
    static void crash_arm(long ms) {
        struct itimerval timer;
        memset(&timer, 0, sizeof timer);
        timer.it_value.tv_sec = ms / 1000;
        timer.it_value.tv_usec = ms % 1000 * 1000;
        setitimer(ITIMER_REAL, &timer, NULL);
    }
    static void crash_write_stacks(void) {
        if (__sync_lock_test_and_set(&crash.busy, 1)) return;
        if (crash_open()) {
            crash_stacks();
            crash_text("\\n");
            crash_close();
        }
        __sync_lock_release(&crash.busy);
    }
    static void crash_hide(const char *s, size_t n) {
        /* one line, whatever a client sent */
        char text[160];
        size_t i;
        int k = 0;
        for (i = 0; i < n && k < 150; i++)
            if (s[i] >= 32 && s[i] < 127 && s[i] != '\\\\' && s[i] != '"')
                text[k++] = s[i];
            else
                k += snprintf(text + k, 5, "\\\\x%02x", (unsigned char)s[i]);
        crash_write(text, (size_t)k);
        if (i < n) crash_raw("... (%zu more bytes)", n - i);
    }
    static void crash_set_body(void (*body)(void)) { crash.body = body; }
    static void crash_set(
        const char *path, const char *pidfile, const char *version, int fd, int number,
        long zone_s
    ) {
        snprintf(crash.path, sizeof crash.path, "%s", path);
        snprintf(crash.pidfile, sizeof crash.pidfile, "%s", pidfile);
        snprintf(crash.version, sizeof crash.version, "%s", version);
        crash.python_fd = fd;
        crash.python_signal = number;
        crash.zone_s = zone_s;
    }
    """
    void crash_install() noexcept nogil
    void crash_uninstall() noexcept nogil
    void crash_install_watchdog() noexcept nogil
    void crash_install_interrupt() noexcept nogil
    void crash_set_stopping(int value) noexcept nogil
    void crash_arm(long ms) noexcept nogil
    void crash_write_stacks() noexcept nogil
    void crash_raw(const char *format, ...) noexcept nogil
    void crash_text(const char *text) noexcept nogil
    void crash_hide(const char *s, size_t n) noexcept nogil
    void crash_set_body(void (*body)() noexcept nogil) noexcept nogil
    void crash_set(const char *path, const char *pidfile, const char *version, int fd,
                   int number, long zone_s) noexcept nogil
    int getpid() nogil

cdef enum:
    CLIENTS_SHOWN = 100
    ARGS_SHOWN = 32

# The server that runs in this process as a program, and what a report says about it.
cdef server_t *_server = NULL
cdef object _engine = None          # keeps _server alive
cdef bint _hides_data = False
cdef int64_t _started_ms = 0


# --- What the server knows --------------------------------------------------------


cdef void _show_client(client_t *c) noexcept nogil:
    cdef const char *name = b""
    cdef const char *command = b"NULL"
    if c.name != NULL and not _hides_data:
        name = c.name.data
    if c.last_cmd != NULL:
        command = c.last_cmd.name
    crash_raw(
        b"id=%llu addr=%s laddr=%s fd=%d name=%.64s age=%lld idle=%lld db=%d qbuf=%zu "
        b"cmd=%s\n",
        <unsigned long long>c.id, c.peer, c.local, c.fd, name,
        <long long>((c.srv.now_ms - c.created_ms) // 1000),
        <long long>((c.srv.now_ms - c.active_ms) // 1000),
        c.db.id, c.qlen, command)


cdef void _show_current(client_t *c) noexcept nogil:
    cdef int i
    crash_text(b"\n------ CURRENT CLIENT INFO ------\n")
    _show_client(c)
    if c.cmd != NULL:
        crash_raw(b"command: %s\n", c.cmd.name)
    crash_raw(b"argc: %d\n", c.argc)
    if c.argv == NULL:
        return
    for i in range(c.argc):
        if i == ARGS_SHOWN:
            crash_text(b"...\n")
            break
        if _hides_data and i > 0:
            crash_raw(b"argv[%d]: %zu bytes\n", i, c.argv[i].len)
        else:
            crash_raw(b"argv[%d]: \"", i)
            crash_hide(c.argv[i].ptr, c.argv[i].len)
            crash_text(b"\"\n")


cdef void _show_server() noexcept nogil:
    """Write figures, clients and the request that was being executed."""
    cdef server_t *srv = _server
    cdef client_t *c
    cdef int i
    if srv == NULL:
        return
    crash_text(b"\n------ INFO OUTPUT ------\n# Server\n")
    crash_raw(b"process_id:%d\nuptime_in_seconds:%lld\n", getpid(),
              <long long>((srv.now_ms - _started_ms) // 1000))
    crash_raw(b"\n# Clients\nconnected_clients:%zu\nmaxclients:%zu\n",
              srv.nclients, srv.max_clients)
    crash_raw(b"\n# Memory\nused_memory:%zu\nused_memory_peak:%zu\n",
              zused_memory(), srv.stats.peak_memory)
    crash_raw(
        b"\n# Stats\ntotal_connections_received:%llu\nrejected_connections:%llu\n"
        b"total_net_input_bytes:%llu\ntotal_net_output_bytes:%llu\n"
        b"total_error_replies:%llu\n",
        <unsigned long long>srv.stats.connections,
        <unsigned long long>srv.stats.rejected_connections,
        <unsigned long long>srv.stats.net_in,
        <unsigned long long>srv.stats.net_out,
        <unsigned long long>srv.stats.error_replies)
    crash_text(b"\n# Keyspace\n")
    for i in range(srv.ks.ndbs):
        if db_len(&srv.ks.dbs[i]):
            crash_raw(b"db%d:keys=%zu\n", i, <size_t>db_len(&srv.ks.dbs[i]))
    crash_text(b"\n------ CLIENT LIST OUTPUT ------\n")
    c = srv.clients
    i = 0
    while c != NULL and i < CLIENTS_SHOWN:
        _show_client(c)
        c = c.next
        i += 1
    if c != NULL:
        crash_text(b"...\n")
    if srv.current != NULL:
        _show_current(srv.current)


# --- Entry points -----------------------------------------------------------------


def install(Engine engine not None, str path not None, *, pidfile="", version="",
            bint reports=True):
    """Have crashes of this process reported to the log, and the watchdog ready.

    path: of the log; empty: standard output.   pidfile: removed after a crash.
    reports: whether crashes are reported (``crash-log-enabled``).
    For the thread that executes commands, which gets a stack for the handlers.
    """
    global _server, _engine, _started_ms
    cdef int fd = -1, number = 0
    # a signal that nobody uses: real-time ones are free where there are any
    number = getattr(signal, "SIGRTMAX", signal.SIGUSR2 + 2) - 2
    fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        faulthandler.register(number, file=fd, all_threads=True, chain=False)
    except (ValueError, RuntimeError, OSError):
        os.close(fd)
        fd, number = -1, 0
    _server = &engine.srv
    _engine = engine
    _started_ms = engine.srv.now_ms
    crash_set(os.fsencode(path), os.fsencode(pidfile), version.encode(), fd, number,
              time.localtime().tm_gmtoff)
    crash_set_body(_show_server)
    crash_install_watchdog()
    if reports:
        crash_install()


def set_reports(bint wanted):
    """Report crashes from now on, or leave them to the system."""
    if wanted:
        crash_install()
    else:
        crash_uninstall()


def set_hides_data(bint wanted):
    """Leave what clients sent out of reports (``hide-user-data-from-log``)."""
    global _hides_data
    _hides_data = wanted


def watch_interrupts():
    """Let SIGINT end the process at once if it has been told to end before.

    Otherwise SIGTERM and SIGINT go to the handlers that they had.
    """
    crash_install_interrupt()


def set_stopping(bint value):
    """Say that the server shuts down, so that SIGINT ends the process at once.

    SIGTERM and SIGINT say so themselves; False takes that back when the shutdown is
    given up.
    """
    crash_set_stopping(value)


def arm_watchdog(long ms):
    """Write all stacks to the log unless called again within this time; 0: never."""
    crash_arm(ms)


def write_stacks():
    """Write the C stack and the Python stacks to the log."""
    with nogil:
        crash_write_stacks()


def forget():
    """The server is gone: reports say nothing about it any more."""
    global _server, _engine
    _server = NULL
    _engine = None
