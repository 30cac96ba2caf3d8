# SPDX-License-Identifier: BSD-3-Clause
r"""MONITOR: clients that are shown what the others execute.

    srv.monitors --> client --> client        (next_monitor)

    +1700000000.123456 [0 127.0.0.1:41234] "set" "key" "two\nlines"
     seconds, us        database and peer   arguments; secrets as (redacted)

While there is a monitor, WATCH_MONITORS is set in srv.watch, and requests take the road
past _execute_watched; otherwise nothing here costs anything.

Cost: O(bytes of the arguments), once, and a copy for each monitor.
Threads: the thread that executes commands.
"""
from fastredis.core.clock cimport clock_wall_us
from fastredis.core.mem cimport zfree, ztrymalloc
from fastredis.engine.client cimport (
    CLIENT_CLOSE_ASAP,
    CLIENT_FAKE,
    CLIENT_MONITOR,
    CLIENT_UNIX_SOCKET,
    WATCH_MONITORS,
    client_queue_write,
    server_t,
)
from fastredis.engine.cmdlog cimport cmdlog_is_secret
from fastredis.resp.writer cimport out_bytes
from libc.stdint cimport int64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy

cdef enum:
    HEAD_ROOM = 160                 # time, database, peer

cdef const char *DIGITS = b"0123456789abcdef"


cdef void monitor_start(client_t *c) noexcept nogil:
    """Put a client among the monitors."""
    if c.flags & CLIENT_MONITOR:
        return
    c.flags |= CLIENT_MONITOR
    c.next_monitor = c.srv.monitors
    c.srv.monitors = c
    c.srv.watch |= WATCH_MONITORS


cdef char _escape_letter(char ch) noexcept nogil:
    """Return the letter that stands for a character after a backslash, or 0."""
    if ch == b'"' or ch == b"\\":
        return ch
    if ch == 10:
        return b"n"
    if ch == 13:
        return b"r"
    if ch == 9:
        return b"t"
    if ch == 7:
        return b"a"
    if ch == 8:
        return b"b"
    return 0


cdef char *_quote(char *p, const char *s, size_t nbytes) noexcept nogil:
    """Write bytes between quotes, at most 4 for each; return the end."""
    cdef size_t i
    cdef char letter
    p[0] = b'"'
    p += 1
    for i in range(nbytes):
        letter = _escape_letter(s[i])
        if letter:
            p[0] = b"\\"
            p[1] = letter
            p += 2
        elif 32 <= <unsigned char>s[i] <= 126:
            p[0] = s[i]
            p += 1
        else:
            p[0] = b"\\"
            p[1] = b"x"
            p[2] = DIGITS[<unsigned char>s[i] >> 4]
            p[3] = DIGITS[<unsigned char>s[i] & 15]
            p += 4
    p[0] = b'"'
    return p + 1


cdef void monitor_feed(client_t *c) noexcept nogil:
    """Append the command to the output of every monitor."""
    cdef server_t *srv = c.srv
    cdef client_t *m
    cdef size_t room = HEAD_ROOM
    cdef int64_t now_us = clock_wall_us()
    cdef const char *origin = b""
    cdef const char *peer = c.peer
    cdef char *line
    cdef char *p
    cdef int i, n
    for i in range(c.argc):
        room += 4 * c.argv[i].len + 16
    line = <char *>ztrymalloc(room)
    if line == NULL:
        return
    if c.flags & CLIENT_UNIX_SOCKET:
        origin = b"unix:"
    elif c.flags & CLIENT_FAKE:
        peer = b"internal"
    n = c.db.id
    p = line + snprintf(
        line, HEAD_ROOM, b"+%lld.%06lld [%d %s%s]", <long long>(now_us // 1000000),
        <long long>(now_us % 1000000), n, origin, peer)
    for i in range(c.argc):
        p[0] = b" "
        p += 1
        if cmdlog_is_secret(c, i):
            p = _quote(p, b"(redacted)", 10)
        else:
            p = _quote(p, c.argv[i].ptr, c.argv[i].len)
    memcpy(p, b"\r\n", 2)
    p += 2
    m = srv.monitors
    while m != NULL:
        if not m.flags & CLIENT_CLOSE_ASAP:
            out_bytes(&m.out, line, p - line)
            client_queue_write(m)
        m = m.next_monitor
    zfree(line)
