# SPDX-License-Identifier: BSD-3-Clause
"""Parser of requests: arrays of bulk strings, and inline commands. See parser.pyx."""
from libc.stdint cimport int64_t, uint64_t

# Bytes borrowed from the buffer that was parsed.
cdef struct slice_t:
    const char *ptr
    size_t len

# Growing array of arguments.
cdef struct argv_t:
    slice_t *args
    size_t len
    size_t cap

# What was found of a request whose rest has not come yet.
cdef struct partial_t:
    size_t pos                  # bytes of the buffer that are done with
    size_t nargs                # arguments that the request has
    size_t ndone                # arguments found
    size_t cap                  # arguments that the arrays have room for
    size_t *offsets             # where they are in the buffer
    size_t *lengths

cdef enum parse_t:
    PARSE_OK = 0                # a request; argv may be empty: nothing to execute
    PARSE_MORE = 1              # the request goes on beyond the buffer
    PARSE_ERROR = 2             # not a request; see parser_t.error

cdef struct parser_t:
    argv_t *argv                # arguments are appended here
    size_t max_bulk_nbytes
    bint is_limited             # the client has not authenticated
    # results
    size_t pos                  # PARSE_OK: the byte after the request
    # PARSE_MORE: bytes from the request's start on that must be there before it is of
    # use to parse again
    size_t need
    size_t bulk_nbytes          # PARSE_MORE: length of the bulk string cut off, or 0
    char[64] error              # PARSE_ERROR: text for the client

# Parse one request at s[p.pos:nbytes]. partial: in, out; NULL, or what an earlier call
# with the same request's start found; the caller frees it.
cdef parse_t parse_request(
    parser_t *p, const char *s, size_t nbytes, partial_t **partial
) noexcept nogil
cdef void partial_free(partial_t *p) noexcept nogil
# memory of what was found; 0 for NULL
cdef size_t partial_nbytes(const partial_t *p) noexcept nogil
cdef void argv_free(argv_t *a) noexcept nogil
# Split a line as the inline protocol does, into words with quotes; the words are
# written over the line itself. False: unbalanced quotes.
cdef bint split_words(char *line, size_t nbytes, argv_t *argv) noexcept nogil
