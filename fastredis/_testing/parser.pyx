# SPDX-License-Identifier: BSD-3-Clause
"""Python views of resp.parser.

What is parsed is copied into a block of just its size first, so that a sanitizer sees
a read beyond it.
"""
from cython cimport final
from libc.string cimport memcpy, memset

from fastredis.core.mem cimport zfree, zmalloc
from fastredis.resp.parser cimport (
    PARSE_ERROR,
    PARSE_MORE,
    PARSE_OK,
    argv_free,
    argv_t,
    parse_request,
    parse_t,
    parser_t,
    partial_free,
    partial_t,
    split_words,
)

OK = <int>PARSE_OK
MORE = <int>PARSE_MORE
ERROR = <int>PARSE_ERROR


@final
cdef class Parser:
    """A connection's parser: what is fed is kept until a request is complete."""
    cdef parser_t p
    cdef argv_t argv
    cdef partial_t *partial
    cdef bytes rest
    cdef readonly str error
    cdef readonly size_t need
    cdef readonly size_t bulk_nbytes
    # whether parse_request is called as seldom as `need` allows
    cdef readonly bint is_patient

    def __cinit__(self, size_t max_bulk_nbytes=512 * 1024 * 1024,
                  bint is_limited=False, bint is_patient=True):
        memset(&self.p, 0, sizeof(parser_t))
        memset(&self.argv, 0, sizeof(argv_t))
        self.p.argv = &self.argv
        self.p.max_bulk_nbytes = max_bulk_nbytes
        self.p.is_limited = is_limited
        self.partial = NULL
        self.rest = b""
        self.error = None
        self.is_patient = is_patient

    def __dealloc__(self):
        partial_free(self.partial)
        argv_free(&self.argv)

    @property
    def has_partial(self):
        return self.partial != NULL

    @property
    def pending(self):
        """The bytes of a request whose rest has not come."""
        return self.rest

    def feed(self, bytes data):
        """Return the requests that are complete now, as lists of bytes.

        After an error `error` holds its text, and nothing more is parsed.
        """
        cdef bytes all = self.rest + data
        cdef size_t n = len(all), i, first, before
        cdef char *buf
        cdef parse_t state
        cdef list requests = []
        if self.error is not None:
            raise AssertionError("fed after an error")
        if self.is_patient and n < self.need:
            self.rest = all
            return requests
        buf = <char *>zmalloc(n if n else 1)
        memcpy(buf, <const char *>all, n)
        self.p.pos = 0
        self.argv.len = 0
        while True:
            first = self.argv.len
            before = self.p.pos
            state = parse_request(&self.p, buf, n, &self.partial)
            if self.p.pos > n or self.p.pos < before:
                raise AssertionError(f"pos {self.p.pos} of {n}")
            if state != PARSE_OK:
                break
            if self.partial != NULL:
                raise AssertionError("a partial request after a whole one")
            if self.p.pos == before:
                raise AssertionError("a request of no bytes")
            requests.append([
                self.argv.args[i].ptr[:self.argv.args[i].len]
                for i in range(first, self.argv.len)])
        if self.argv.len != first:
            raise AssertionError("arguments of a request that is not complete")
        self.need = 0
        self.bulk_nbytes = 0
        if state == PARSE_ERROR:
            self.error = self.p.error.decode("latin-1")
            self.rest = all
        else:
            self.rest = all[self.p.pos:]
            self.need = self.p.need
            self.bulk_nbytes = self.p.bulk_nbytes
            if self.need <= <size_t>len(self.rest):
                raise AssertionError("need is there already")
        zfree(buf)
        return requests


def parse(bytes data, size_t max_bulk_nbytes=512 * 1024 * 1024, bint is_limited=False):
    """Parse data at once; return (requests, error or None, bytes that are left)."""
    parser = Parser(max_bulk_nbytes, is_limited)
    requests = parser.feed(data)
    return requests, parser.error, parser.pending


def words(bytes line):
    """Return the words of a line, or None if its quotes are unbalanced."""
    cdef argv_t argv
    cdef size_t n = len(line), i
    cdef char *buf = <char *>zmalloc(n if n else 1)
    cdef bint is_ok
    memset(&argv, 0, sizeof(argv_t))
    memcpy(buf, <const char *>line, n)
    is_ok = split_words(buf, n, &argv)
    result = [argv.args[i].ptr[:argv.args[i].len] for i in range(argv.len)]
    argv_free(&argv)
    zfree(buf)
    return result if is_ok else None
