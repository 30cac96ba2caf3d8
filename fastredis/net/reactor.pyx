# SPDX-License-Identifier: BSD-3-Clause
r"""The reactor: an epoll set of sockets, nested in the event loop.

    uvloop's epoll set                   the reactor's epoll set
    +--------------------------+         +---------------------------------+
    | timers, signals, TLS,    |  ready  | listening sockets               |
    | child processes, links   | <------ | clients                         |
    | reactor.fileno() --------+-------> |                                 |
    +--------------------------+  tick() +---------------------------------+

tick() runs rounds without the GIL: take the ready sockets, read, execute and reply for
each, free what was closed. Under load it is an ordinary epoll loop: after a round it
waits up to linger_ms for more work in its own set, rather than returning to the event
loop for each handful of requests, which costs about a microsecond a time and, with one
request a client, is half of our own share of a request. It goes back when nothing came,
after TICK_MAX_NS at the latest, so that timers run and the event loop's own sockets
wait no longer than that.

A server that is faster than its clients would be woken for every two or three requests,
and each time the kernel's going to sleep and waking up costs as much as a request. So,
like a network card that coalesces interrupts, a round that found little waits
coalesce_us before the next one, if at least COALESCE_CLIENTS clients were served in
this tick or the one before: with 50 clients the CPU time of a request falls by a fifth
to a quarter. A client that talks to the server alone, or with a few others, never waits
for this.

Clients are watched edge-triggered, which saves the kernel a second look at each socket
in each round. A read that filled its buffer may have left something: then the client is
watched anew (EPOLL_CTL_MOD), upon which the set reports it again.

A client that does not read makes the socket full: its reply stays in c.out, and the set
reports when there is room (WANT_WRITE). At most WRITE_MAX bytes are sent to one client
in a round, and one buffer read from it, so that none keeps the others waiting.

When file descriptors run out, accepting pauses (ACCEPT_PAUSE_MS) instead of spinning on
a listening socket that stays ready.

Threads: the thread that executes commands.
"""
from cython cimport final
from fastredis.core.clock cimport clock_cycles, clock_mono_ns
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.status cimport fr_unlikely
from fastredis.engine.client cimport (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSE_ASAP,
    CLIENT_UNIX_SOCKET,
    CLIENT_WANT_WRITE,
    client_check_output_limit,
    client_close,
    client_new,
    client_queue_write,
    client_t,
    server_t,
    server_update_clock,
)
from fastredis.engine.runtime cimport Engine
from fastredis.net.alarm cimport alarm_open, alarm_ring
from fastredis.net.conn cimport (
    conn_end_round,
    conn_read_buffer,
    conn_received,
    conn_refusal,
)
from fastredis.resp.writer cimport out_block_t, out_consume, out_seal
from libc.errno cimport EAGAIN, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdint cimport uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, memset, strlen, strncpy

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <arpa/inet.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/prctl.h>
    #include <sys/socket.h>
    #include <sys/uio.h>
    #include <sys/un.h>
    #include <time.h>
    #include <unistd.h>
    /* accept4 is a GNU extension; its declaration depends on what was included first */
    extern int accept4(int, struct sockaddr *, socklen_t *, int);
    static int reactor_accept(int fd, struct sockaddr_storage *ss, socklen_t *len) {
        *len = sizeof *ss;
        return accept4(fd, (struct sockaddr *)ss, len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    static void reactor_name(const struct sockaddr_storage *ss, char *out, size_t n) {
        char ip[INET6_ADDRSTRLEN] = "";
        if (ss->ss_family == AF_INET) {
            const struct sockaddr_in *a = (const struct sockaddr_in *)ss;
            inet_ntop(AF_INET, &a->sin_addr, ip, sizeof ip);
            snprintf(out, n, "%s:%d", ip, ntohs(a->sin_port));
        } else if (ss->ss_family == AF_INET6) {
            const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)ss;
            inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof ip);
            snprintf(out, n, "[%s]:%d", ip, ntohs(a->sin6_port));
        } else {
            snprintf(out, n, "?:0");
        }
    }
    static void reactor_local_name(int fd, char *out, size_t n) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;
        memset(&ss, 0, sizeof ss);
        getsockname(fd, (struct sockaddr *)&ss, &len);
        reactor_name(&ss, out, n);
    }
    static void reactor_peer_name(int fd, char *out, size_t n) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;
        memset(&ss, 0, sizeof ss);
        getpeername(fd, (struct sockaddr *)&ss, &len);
        reactor_name(&ss, out, n);
    }
    static void reactor_tune(int fd, int keepalive_s) {
        int v = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, sizeof v);
        if (keepalive_s <= 0) return;
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof v);
        v = keepalive_s;
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v);
        v = keepalive_s / 3 ? keepalive_s / 3 : 1;
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &v, sizeof v);
        v = 3;
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &v, sizeof v);
    }
    /* Timers are late by the thread's slack, 50 us unless set: as much as the nap. */
    static void reactor_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 5000); }
    static void reactor_nap(int us) {
        struct timespec t = {0, us * 1000L};
        nanosleep(&t, NULL);
    }
    static ssize_t reactor_sendv(int fd, struct iovec *iov, int n) {
        struct msghdr m;
        memset(&m, 0, sizeof m);
        m.msg_iov = iov;
        m.msg_iovlen = n;
        return sendmsg(fd, &m, MSG_NOSIGNAL);
    }
    """
    ctypedef union epoll_data_t:
        void *ptr
        uint64_t u64
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    cdef struct iovec:
        void *iov_base
        size_t iov_len
    cdef struct sockaddr_storage:
        pass
    ctypedef unsigned int socklen_t
    enum:
        EPOLLIN
        EPOLLOUT
        EPOLLERR
        EPOLLET
        EPOLLHUP
        EPOLLRDHUP
        EPOLL_CTL_ADD
        EPOLL_CTL_MOD
        EPOLL_CTL_DEL
        EPOLL_CLOEXEC
        MSG_NOSIGNAL
    int epoll_create1(int flags) nogil
    int epoll_ctl(int epfd, int op, int fd, epoll_event *event) nogil
    int epoll_wait(int epfd, epoll_event *events, int n, int timeout_ms) nogil
    ssize_t recv(int fd, void *buf, size_t n, int flags) nogil
    ssize_t send(int fd, const void *buf, size_t n, int flags) nogil
    int close(int fd) nogil
    int reactor_accept(int fd, sockaddr_storage *ss, socklen_t *len) nogil
    void reactor_name(const sockaddr_storage *ss, char *out, size_t n) nogil
    void reactor_local_name(int fd, char *out, size_t n) nogil
    void reactor_peer_name(int fd, char *out, size_t n) nogil
    void reactor_tune(int fd, int keepalive_s) nogil
    void reactor_exact_timers() nogil
    void reactor_nap(int us) nogil
    ssize_t reactor_sendv(int fd, iovec *iov, int n) nogil

cdef enum:
    EVENTS_MAX = 512                # ready sockets taken in one round
    READ_BYTES = 64 * 1024          # the shared read buffer
    WRITE_MAX = 1024 * 1024         # sent to one client in one round
    IOV_MAX_USED = 64
    LISTENERS_MAX = 64
    ACCEPTS_PER_ROUND = 64
    TICK_MAX_NS = 2000000
    ACCEPT_PAUSE_MS = 100
    COALESCE_CLIENTS = 16           # served within a tick: below, latency counts more
    COALESCE_ENOUGH = 16            # ready in one round: no need to wait for more
    LISTENER_TAG = 1                # low bit of epoll's data: a listener's index ...
    ALARM = (LISTENERS_MAX << 1) | LISTENER_TAG     # ... or the timer

cdef struct listener_t:
    int fd
    bint is_unix
    char path[108]


# --- Send -------------------------------------------------------------------------


cdef void _watch(client_t *c) noexcept nogil:
    """Tell the set what the client waits for; what is ready now is reported again."""
    cdef epoll_event e
    e.data.ptr = c
    e.events = EPOLLET
    if not c.flags & CLIENT_CLOSE_AFTER_REPLY:
        e.events |= EPOLLIN | EPOLLRDHUP
    if c.flags & CLIENT_WANT_WRITE:
        e.events |= EPOLLOUT
    epoll_ctl(c.epfd, EPOLL_CTL_MOD, c.fd, &e)


cdef ssize_t _send_some(client_t *c) noexcept nogil:
    """Send the first blocks of what is pending."""
    cdef iovec iov[IOV_MAX_USED]
    cdef out_block_t *b
    cdef int n = 0
    out_seal(&c.out)
    b = c.out.first
    if b.next == NULL:
        return send(c.fd, b.start, b.nbytes, MSG_NOSIGNAL)
    while b != NULL and n < IOV_MAX_USED:
        iov[n].iov_base = <void *>b.start
        iov[n].iov_len = b.nbytes
        n += 1
        b = b.next
    return reactor_sendv(c.fd, iov, n)


cdef void _flush(client_t *c) noexcept nogil:
    """Send what is pending until the socket is full."""
    cdef ssize_t n
    cdef size_t sent = 0
    cdef bint wanted = (c.flags & CLIENT_WANT_WRITE) != 0
    while c.out.first != NULL and sent < WRITE_MAX:
        n = _send_some(c)
        c.srv.stats.writes += 1
        if n < 0:
            if errno == EINTR:
                continue
            if errno != EAGAIN:
                client_close(c)
                return
            break
        out_consume(&c.out, n)
        sent += n
    c.net_out += sent
    c.srv.stats.net_out += sent
    if sent > c.out_peak:
        c.out_peak = sent
    if c.out.first == NULL:
        c.soft_since_ms = 0
        if c.flags & CLIENT_CLOSE_AFTER_REPLY:
            client_close(c)
            return
        if wanted:
            c.flags &= ~CLIENT_WANT_WRITE
            _watch(c)
    elif not client_check_output_limit(c) and (not wanted or sent >= WRITE_MAX):
        c.flags |= CLIENT_WANT_WRITE
        _watch(c)


# --- The reactor ------------------------------------------------------------------


@final
cdef class Reactor:
    """The sockets of one server. linger_ms, coalesce_us: see the module's text."""

    cdef Engine engine
    cdef server_t *srv
    cdef int epfd
    cdef int nlisteners
    cdef listener_t listeners[LISTENERS_MAX]
    cdef epoll_event *events
    cdef char *shared
    cdef readonly int accept_errno          # why accepting pauses; 0: it does not
    cdef uint64_t accept_again_ns
    cdef uint32_t tick_id
    cdef int nserved                        # clients served in this tick ...
    cdef int nserved_before                 # ... and in the one before, if it was busy
    cdef public int linger_ms
    cdef public int coalesce_us

    def __cinit__(self, Engine engine, int linger_ms=1, int coalesce_us=50):
        self.engine = engine
        self.srv = &engine.srv
        self.linger_ms = linger_ms
        self.coalesce_us = coalesce_us
        self.events = <epoll_event *>zmalloc(EVENTS_MAX * sizeof(epoll_event))
        self.shared = <char *>zmalloc(READ_BYTES)
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        if self.epfd < 0:
            raise OSError(errno, "epoll_create1 failed")
        self._watch_alarm()

    def __dealloc__(self):
        if self.epfd >= 0:
            close(self.epfd)
        zfree(self.events)
        zfree(self.shared)

    def fileno(self):
        """Return the descriptor that is readable when there is work for tick()."""
        return self.epfd

    def add_listener(self, sock, bytes path=b""):
        """Accept clients from a listening, non-blocking socket; it stays the caller's.

        path: of a Unix socket, to show to clients.
        """
        cdef listener_t *item
        if self.nlisteners == LISTENERS_MAX:
            raise ValueError("too many listening sockets")
        item = &self.listeners[self.nlisteners]
        memset(item, 0, sizeof(listener_t))
        item.fd = sock.fileno()
        item.is_unix = bool(path)
        strncpy(item.path, path, sizeof(item.path) - 1)
        self.nlisteners += 1
        if self._watch_listener(self.nlisteners - 1, EPOLL_CTL_ADD) < 0:
            raise OSError(errno, "cannot watch the listening socket")

    cdef void _watch_alarm(self) noexcept nogil:
        """Be woken for time limits; without a descriptor for that the cron sees them.
        """
        cdef epoll_event e
        e.events = EPOLLIN | EPOLLET
        e.data.u64 = ALARM
        if alarm_open(self.srv) >= 0:
            epoll_ctl(self.epfd, EPOLL_CTL_ADD, self.srv.alarm_fd, &e)

    cdef int _watch_listener(self, int i, int op) noexcept nogil:
        cdef epoll_event e
        e.events = EPOLLIN
        e.data.u64 = (<uint64_t>i << 1) | LISTENER_TAG
        return epoll_ctl(self.epfd, op, self.listeners[i].fd, &e)

    def adopt(self, int fd):
        """Serve a connection that was made from here; return its client's id.

        fd: of a connected, non-blocking socket; the client closes it.
        """
        cdef client_t *c = client_new(self.srv, 0)
        cdef epoll_event e
        c.fd = fd
        c.epfd = self.epfd
        c.flush = _flush
        reactor_peer_name(fd, c.peer, sizeof(c.peer))
        reactor_local_name(fd, c.local, sizeof(c.local))
        reactor_tune(fd, self.srv.keepalive_s)
        e.events = EPOLLIN | EPOLLRDHUP | EPOLLET
        e.data.ptr = c
        if epoll_ctl(self.epfd, EPOLL_CTL_ADD, fd, &e) < 0:
            number = errno
            client_close(c)
            raise OSError(number, "the connection cannot be watched")
        return c.id

    def remove_listeners(self):
        """Accept no more clients."""
        cdef int i
        if self.accept_errno == 0:
            for i in range(self.nlisteners):
                self._watch_listener(i, EPOLL_CTL_DEL)
        self.nlisteners = 0

    def tick(self):
        """Serve what is ready; see the module's text."""
        cdef int before = self.accept_errno
        with nogil:
            self._rounds()
        if self.accept_errno != before and self.accept_errno:
            self.engine.server.accept_failed(self.accept_errno)

    def resume_accept(self):
        """Accept again after a pause; to be called now and then."""
        cdef int i
        if self.accept_errno and clock_mono_ns() >= self.accept_again_ns:
            self.accept_errno = 0
            for i in range(self.nlisteners):
                self._watch_listener(i, EPOLL_CTL_ADD)

    cdef void _rounds(self) noexcept nogil:
        cdef uint64_t end = clock_mono_ns() + TICK_MAX_NS
        cdef int n, i, timeout = 0
        cdef epoll_event *e
        cdef uint64_t started, ncommands
        if self.tick_id == 0:
            reactor_exact_timers()
        self.tick_id += 1
        self.nserved = 0
        while True:
            n = epoll_wait(self.epfd, self.events, EVENTS_MAX, timeout)
            if n <= 0:
                self.nserved_before = 0
                return
            started = clock_cycles()
            ncommands = self.srv.ncommands
            server_update_clock(self.srv)
            self.srv.stats.rounds += 1
            for i in range(n):
                e = &self.events[i]
                if e.data.u64 == ALARM:
                    alarm_ring(self.srv)
                elif e.data.u64 & LISTENER_TAG:
                    self._accept(&self.listeners[e.data.u64 >> 1])
                else:
                    self._serve(<client_t *>e.data.ptr, e.events)
            conn_end_round(self.srv)
            self._count_round(
                clock_cycles() - started, self.srv.ncommands - ncommands)
            if clock_mono_ns() >= end:
                self.nserved_before = self.nserved
                return
            timeout = self.linger_ms
            if n < COALESCE_ENOUGH and self.coalesce_us and (
                    self.nserved >= COALESCE_CLIENTS
                    or self.nserved_before >= COALESCE_CLIENTS):
                reactor_nap(self.coalesce_us)

    cdef inline void _count_round(
        self, uint64_t ticks, uint64_t ncommands
    ) noexcept nogil:
        """Count a round of the event loop for INFO."""
        self.srv.stats.round_ticks += ticks
        if ticks > self.srv.stats.round_max_ticks:
            self.srv.stats.round_max_ticks = ticks
        if ncommands > self.srv.stats.round_max_commands:
            self.srv.stats.round_max_commands = ncommands

    cdef void _serve(self, client_t *c, uint32_t events) noexcept nogil:
        """Write to, then read from, a client that is ready."""
        cdef char *buf
        cdef size_t room
        cdef ssize_t n
        if c.flags & CLIENT_CLOSE_ASAP:
            return
        if c.tick_id != self.tick_id:
            c.tick_id = self.tick_id
            self.nserved += 1
        if events & EPOLLOUT:
            if fr_unlikely(self.srv.feed_waits):
                client_queue_write(c)   # a reply may be of what is not written yet
            else:
                c.flush(c)
            if c.flags & CLIENT_CLOSE_ASAP:
                return
        if not events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP):
            return
        if c.flags & CLIENT_CLOSE_AFTER_REPLY:
            if events & (EPOLLERR | EPOLLHUP):
                client_close(c)
            return
        if not conn_read_buffer(c, self.shared, READ_BYTES, &buf, &room):
            return
        n = recv(c.fd, buf, room, 0)
        if n <= 0:
            if n == 0 or (errno != EAGAIN and errno != EINTR):
                client_close(c)
            return
        conn_received(c, buf, n)
        if c.flags & CLIENT_CLOSE_ASAP:
            return
        if <size_t>n == room or events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP):
            _watch(c)
        if c.out.first != NULL:
            if fr_unlikely(self.srv.feed_waits):
                client_queue_write(c)   # after what it changed
            elif not c.flags & CLIENT_WANT_WRITE:
                c.flush(c)
            else:
                client_check_output_limit(c)
        elif c.flags & CLIENT_CLOSE_AFTER_REPLY:
            client_close(c)

    cdef void _accept(self, listener_t *listener) noexcept nogil:
        cdef sockaddr_storage ss
        cdef socklen_t len
        cdef int fd, _i
        cdef const char *refusal
        cdef char[64] peer
        cdef client_t *c
        cdef epoll_event e
        for _i in range(ACCEPTS_PER_ROUND):
            fd = reactor_accept(listener.fd, &ss, &len)
            if fd < 0:
                if errno == EMFILE or errno == ENFILE or errno == ENOBUFS \
                        or errno == ENOMEM:
                    self._pause_accept(errno)
                return
            reactor_name(&ss, peer, sizeof(peer))
            refusal = conn_refusal(self.srv, peer, listener.is_unix)
            if refusal != NULL:
                send(fd, refusal, strlen(refusal), MSG_NOSIGNAL)
                close(fd)
                self.srv.stats.rejected_connections += 1
                continue
            c = client_new(self.srv, CLIENT_UNIX_SOCKET if listener.is_unix else 0)
            c.fd = fd
            c.epfd = self.epfd
            c.flush = _flush
            if listener.is_unix:
                snprintf(c.peer, sizeof(c.peer), b"%.60s:0", listener.path)
                memcpy(c.local, c.peer, sizeof(c.peer))
            else:
                memcpy(c.peer, peer, sizeof(peer))
                reactor_local_name(fd, c.local, sizeof(c.local))
                reactor_tune(fd, self.srv.keepalive_s)
            self.srv.stats.connections += 1
            e.events = EPOLLIN | EPOLLRDHUP | EPOLLET
            e.data.ptr = c
            if epoll_ctl(self.epfd, EPOLL_CTL_ADD, fd, &e) < 0:
                client_close(c)

    cdef void _pause_accept(self, int why) noexcept nogil:
        """Stop watching the listening sockets for a while."""
        cdef int i
        if self.accept_errno:
            return
        self.accept_errno = why
        self.accept_again_ns = clock_mono_ns() + <uint64_t>ACCEPT_PAUSE_MS * 1000000
        for i in range(self.nlisteners):
            self._watch_listener(i, EPOLL_CTL_DEL)
