# SPDX-License-Identifier: BSD-3-Clause
"""Cursor and options of SCAN and its kin.

    SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
    SSCAN key cursor [MATCH pattern] [COUNT count]
    HSCAN, ZSCAN the same, with NOVALUES and NOSCORES

Cost: O(1). Threads: the thread that executes commands.
"""
from fastredis.core.num cimport num_parse_i64
from fastredis.core.pattern cimport pattern_match
from fastredis.core.status cimport C_ERR, C_OK
from fastredis.engine.args cimport arg_i64_or_reply, arg_is
from fastredis.engine.errors cimport ERR_CURSOR, ERR_SYNTAX
from fastredis.engine.reply cimport reply_error
from libc cimport errno
from libc.stdint cimport INT64_MAX
from libc.stdlib cimport strtoull
from libc.string cimport memcpy

cdef enum:
    CURSOR_ROOM = 64            # longer text is no cursor


cdef status_t scan_cursor_or_reply(
    client_t *c, int i, uint64_t *cursor_out
) noexcept nogil:
    """Read a cursor: an int64 that is not negative, or else what strtoull takes.

    No server gives a client anything but digits; the rest is for clients that made
    their cursor themselves, and found that it works.
    """
    cdef const char *s = c.argv[i].ptr
    cdef size_t n = c.argv[i].len
    cdef char[CURSOR_ROOM] text
    cdef char *end
    cdef int64_t number
    cdef unsigned long long v
    if num_parse_i64(s, n, &number) == C_OK:
        if number >= 0:
            cursor_out[0] = number
            return C_OK
    elif n < CURSOR_ROOM:
        memcpy(text, s, n)
        text[n] = 0
        errno.errno = 0
        v = strtoull(text, &end, 10)
        if errno.errno == 0 and end != text and end[0] == 0:
            cursor_out[0] = v
            return C_OK
    reply_error(c, ERR_CURSOR)
    return C_ERR


cdef status_t scan_options_or_reply(
    client_t *c, int i, scan_kind_t kind, scan_options_t *options
) noexcept nogil:
    """Read MATCH, COUNT and what else this kind of command has."""
    options.pattern = NULL
    options.pattern_len = 0
    options.count = SCAN_DEFAULT_COUNT
    options.is_novalues = False
    options.type_arg = 0
    while i < c.argc:
        if arg_is(c, i, b"novalues"):
            if kind != SCAN_NOVALUES:
                reply_error(c, b"ERR NOVALUES option can only be used in HSCAN")
                return C_ERR
            options.is_novalues = True
            i += 1
            continue
        if arg_is(c, i, b"noscores"):
            if kind != SCAN_NOSCORES:
                reply_error(c, b"ERR NOSCORES option can only be used in ZSCAN")
                return C_ERR
            options.is_novalues = True
            i += 1
            continue
        if i + 1 == c.argc:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        if arg_is(c, i, b"match"):
            options.pattern = c.argv[i + 1].ptr
            options.pattern_len = c.argv[i + 1].len
            if options.pattern_len == 1 and options.pattern[0] == b"*":
                options.pattern = NULL
        elif arg_is(c, i, b"count"):
            if arg_i64_or_reply(c, i + 1, &options.count) != C_OK:
                return C_ERR
            if options.count < 1:
                reply_error(c, ERR_SYNTAX)
                return C_ERR
        elif kind == SCAN_KEYS and arg_is(c, i, b"type"):
            options.type_arg = i + 1
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 2
    return C_OK


cdef int64_t scan_steps(int64_t count) noexcept nogil:
    """Return how many steps are allowed to find count items."""
    if count < INT64_MAX // SCAN_STEPS_PER_ITEM:
        return count * SCAN_STEPS_PER_ITEM
    return INT64_MAX


cdef bint scan_matches(
    const scan_options_t *options, const char *s, size_t nbytes
) noexcept nogil:
    """Return whether a name is wanted."""
    return options.pattern == NULL or pattern_match(
        options.pattern, options.pattern_len, s, nbytes, False)
