# SPDX-License-Identifier: BSD-3-Clause
r"""Replay of an append-only file: its requests, executed by a client of its own.

    file --read--> buffer --parse--> SELECT 0 | SET k 1 | MULTI | ... | EXEC | ...
                                     executed   executed    queued      executed

What MULTI begins is executed at its EXEC and not before, so that a file that ends in
between leaves nothing of it. Lines that begin with # are annotations (timestamps).

While requests are executed the clock stands at 0: nothing has expired, since what had
expired was deleted by a request that is in the file, too. What has expired meanwhile
goes when the clock goes on.

Cost: O(bytes). Threads: the thread that executes commands.
Source: Redis documentation, "Redis persistence", log rewriting and file format.
"""
from cython cimport final
from fastredis.core.mem cimport zfree, zrealloc
from fastredis.engine.client cimport (
    CLIENT_AUTHENTICATED,
    CLIENT_DENY_BLOCKING,
    CLIENT_FAKE,
    CLIENT_MULTI,
    CLIENT_REPLAY,
    client_free,
    client_new,
    client_t,
    cmd_t,
    server_t,
    server_update_clock,
)
from fastredis.engine.multi cimport (
    multi_at,
    multi_begin,
    multi_end,
    multi_len,
    multi_queue,
    queued_t,
)
from fastredis.engine.runtime cimport Engine
from fastredis.engine.table cimport cmd_find, cmd_find_sub, cmd_table_t
from fastredis.resp.parser cimport (
    PARSE_ERROR,
    PARSE_MORE,
    argv_free,
    argv_t,
    parse_request,
    parse_t,
    parser_t,
    partial_free,
)
from fastredis.resp.writer cimport out_clear
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcpy, memmove, strcmp

cdef enum:
    CHUNK = 1024 * 1024

cdef extern from *:
    """
    #include <unistd.h>
    #define AOF_MAX_BULK ((size_t)0xFFFFFFFF)
    """
    int usleep(unsigned int us) nogil
    const size_t AOF_MAX_BULK


class AofError(Exception):
    """A file that cannot be replayed.

    offset: where the first request begins that cannot be; is_truncated: the file ends
    within it; command: its name, if the name is what is wrong.
    """

    def __init__(self, message, offset, *, is_truncated=False, command=b""):
        super().__init__(message)
        self.offset = offset
        self.is_truncated = is_truncated
        self.command = command


@final
cdef class AofLoader:
    """Replays what it is fed, piece by piece."""

    cdef Engine engine
    cdef client_t *c
    cdef char *buf
    cdef size_t len                 # bytes in it
    cdef size_t cap
    cdef size_t need                # no use parsing with fewer
    cdef argv_t argv                # not the server's: a command may be under way
    cdef uint64_t done              # bytes of the file executed, or queued
    cdef uint64_t multi_at          # where the MULTI begins that is open
    cdef readonly uint64_t ncommands
    cdef bytes unknown
    cdef int delay_us               # after each request (key-load-delay, for tests)

    def __cinit__(self, Engine engine, uint64_t offset=0, *, int delay_us=0):
        self.delay_us = max(delay_us, 0)
        self.engine = engine
        self.done = offset
        self.c = client_new(
            &engine.srv,
            CLIENT_FAKE | CLIENT_AUTHENTICATED | CLIENT_DENY_BLOCKING | CLIENT_REPLAY)
        self.unknown = b""

    def __dealloc__(self):
        if self.c != NULL:
            client_free(self.c)
        argv_free(&self.argv)
        zfree(self.buf)

    def feed(self, const unsigned char[:] piece):
        """Execute what is complete of the file so far.

        Raises: AofError if that cannot be.
        """
        cdef size_t n = piece.shape[0]
        cdef int status
        if n == 0:
            return
        if self.cap - self.len < n:
            self.cap = max(2 * self.cap, self.len + n)
            self.buf = <char *>zrealloc(self.buf, self.cap)
        memcpy(self.buf + self.len, &piece[0], n)
        self.len += n
        if self.len < self.need:
            return
        with nogil:
            status = self._replay()
        if status < 0:
            if self.unknown:
                raise AofError("unknown command", self.done, command=self.unknown)
            raise AofError("bad file format", self.done)

    def end(self):
        """Say that this was all.

        Raises: AofError if the file ends within a request or a transaction.
        """
        if self.c.flags & CLIENT_MULTI:
            raise AofError(
                "the file ends within a transaction", self.multi_at, is_truncated=True)
        if self.len:
            raise AofError(
                "the file ends within a request", self.done, is_truncated=True)

    cdef int _replay(self) noexcept nogil:
        """Execute the complete requests in the buffer; -1: there is a bad one."""
        cdef server_t *srv = &self.engine.srv
        cdef client_t *c = self.c
        cdef parser_t p
        cdef parse_t state = PARSE_MORE
        cdef size_t begin = 0
        cdef const char *newline
        cdef int status = 0
        cdef uint64_t dirty = srv.dirty
        # what is over was deleted by a request of the file
        srv.now_ms = srv.now_us = srv.ks.now_ms = 0
        p.argv = &self.argv
        p.max_bulk_nbytes = AOF_MAX_BULK
        p.is_limited = False
        self.need = 1
        while begin < self.len:
            if self.buf[begin] == b"#":
                newline = <const char *>memchr(
                    self.buf + begin, b"\n", self.len - begin)
                if newline == NULL:
                    break
                begin = newline - self.buf + 1
                continue
            if self.buf[begin] != b"*":
                status = -1
                break
            p.pos = begin
            self.argv.len = 0
            state = parse_request(&p, self.buf, self.len, &c.partial)
            if state == PARSE_MORE:
                partial_free(c.partial)
                c.partial = NULL
                self.need = p.need
                break
            if state == PARSE_ERROR or self.argv.len == 0 or not self._execute(
                    self.done + begin):
                status = -1
                break
            begin = p.pos
        self.done += begin
        self.len -= begin
        memmove(self.buf, self.buf + begin, self.len)
        server_update_clock(srv)
        srv.dirty = dirty       # nothing has changed that is not in the file
        return status

    cdef bint _execute(self, uint64_t offset) noexcept nogil:
        """Execute or queue the request that was parsed; False: it cannot be."""
        cdef server_t *srv = &self.engine.srv
        cdef client_t *c = self.c
        cdef argv_t *argv = &self.argv
        cdef cmd_t *sub
        cdef int i, n
        cdef const queued_t *q
        c.argv = argv.args
        c.argc = <int>argv.len
        c.has_key_hash = False
        c.cmd = cmd_find(<cmd_table_t *>srv.commands, c.argv[0].ptr, c.argv[0].len)
        if c.cmd != NULL and c.cmd.subcommands != NULL and c.argc > 1:
            sub = cmd_find_sub(c.cmd, c.argv[1].ptr, c.argv[1].len)
            if sub != NULL:
                c.cmd = sub
        if c.cmd == NULL or c.cmd.fn == NULL:
            with gil:
                self.unknown = c.argv[0].ptr[:min(c.argv[0].len, <size_t>128)]
            return False
        if (c.cmd.arity > 0 and c.argc != c.cmd.arity) or c.argc < -c.cmd.arity:
            return False
        self.ncommands += 1
        if self.delay_us:
            usleep(self.delay_us)
        if strcmp(c.cmd.name, b"multi") == 0:
            if c.flags & CLIENT_MULTI:
                return False
            multi_begin(c)
            self.multi_at = offset
        elif strcmp(c.cmd.name, b"exec") == 0:
            if not c.flags & CLIENT_MULTI:
                return False
            n = multi_len(c)
            for i in range(n):
                q = multi_at(c, i)
                c.cmd = q.cmd
                c.argv = q.argv
                c.argc = q.argc
                self._call()
            multi_end(c)
        elif c.flags & CLIENT_MULTI:
            multi_queue(c)
        else:
            self._call()
        return True

    cdef inline void _call(self) noexcept nogil:
        self.c.error_count = 0
        self.c.cmd.fn(self.c)
        out_clear(&self.c.out)
