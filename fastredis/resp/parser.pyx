# SPDX-License-Identifier: BSD-3-Clause
r"""Parser of requests.

    *3\r\n $3\r\n SET \r\n $3\r\n key \r\n $5\r\n value \r\n
                  ^ptr,3         ^ptr,3          ^ptr,5      argv: slices, no copies

The parser looks at a request only as far as its bytes have come. It starts over when
more have come, which costs little: bulk strings are skipped by their length, and
`need` says when it is of use. Only for requests of many arguments it leaves a
partial_t, so that the time for an MSET of a million keys grows with its length alone,
however many reads it comes in.

A first byte other than '*' begins an inline command: a line of words, for people.
The words are unquoted in place: the buffer must be writable there.

Every length is checked before it is used. Error texts are Redis's.
Source: Redis protocol specification.
"""
from fastredis.core.mem cimport zcalloc, zfree, zrealloc, zsize
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_OK, fr_unlikely
from libc.stdio cimport snprintf
from libc.string cimport memchr, memmove

cdef enum:
    LINE_MAX = 64 * 1024            # of an inline command, or of a length
    UNAUTHENTICATED_ARGS = 10
    UNAUTHENTICATED_BULK = 16384
    ARGS_MAX = 0x7FFFFFFF
    PARTIAL_MIN = 64                # arguments found before it is worth keeping them


# --- Arguments --------------------------------------------------------------------


cdef void _argv_grow(argv_t *a) noexcept nogil:
    a.cap = a.cap * 2 if a.cap else 64
    a.args = <slice_t *>zrealloc(a.args, a.cap * sizeof(slice_t))


cdef inline void _argv_push(argv_t *a, const char *p, size_t n) noexcept nogil:
    if fr_unlikely(a.len == a.cap):
        _argv_grow(a)
    a.args[a.len].ptr = p
    a.args[a.len].len = n
    a.len += 1


cdef void argv_free(argv_t *a) noexcept nogil:
    """Free the array, leaving it empty."""
    zfree(a.args)
    a.args = NULL
    a.len = a.cap = 0


cdef void partial_free(partial_t *p) noexcept nogil:
    """Free what was kept of a request; NULL is allowed."""
    if p != NULL:
        zfree(p.offsets)
        zfree(p.lengths)
        zfree(p)


cdef size_t partial_nbytes(const partial_t *p) noexcept nogil:
    """Return the bytes of the struct and of its arrays."""
    cdef size_t n
    if p == NULL:
        return 0
    n = zsize(p)
    if p.offsets != NULL:
        n += zsize(p.offsets)
    if p.lengths != NULL:
        n += zsize(p.lengths)
    return n


cdef void _keep_partial(
    partial_t **partial, const slice_t *args, size_t n, const char *base, size_t pos,
    size_t nargs
) noexcept nogil:
    """Note n more arguments; pos is where the next one begins."""
    cdef partial_t *p = partial[0]
    cdef size_t i
    if p == NULL:
        if n < PARTIAL_MIN:
            return
        p = partial[0] = <partial_t *>zcalloc(sizeof(partial_t))
        p.nargs = nargs
    if p.ndone + n > p.cap:
        p.cap = 2 * (p.ndone + n)
        p.offsets = <size_t *>zrealloc(p.offsets, p.cap * sizeof(size_t))
        p.lengths = <size_t *>zrealloc(p.lengths, p.cap * sizeof(size_t))
    for i in range(n):
        p.offsets[p.ndone + i] = args[i].ptr - base
        p.lengths[p.ndone + i] = args[i].len
    p.ndone += n
    p.pos = pos


cdef void _put_partial(
    argv_t *a, size_t first, partial_t **partial, const char *base
) noexcept nogil:
    """Put what had been noted before the arguments from first on, and free it."""
    cdef partial_t *p = partial[0]
    cdef size_t i, n = a.len - first
    while a.cap < a.len + p.ndone:
        _argv_grow(a)
    memmove(a.args + first + p.ndone, a.args + first, n * sizeof(slice_t))
    for i in range(p.ndone):
        a.args[first + i].ptr = base + p.offsets[i]
        a.args[first + i].len = p.lengths[i]
    a.len += p.ndone
    partial_free(p)
    partial[0] = NULL


# --- Errors -----------------------------------------------------------------------


cdef parse_t _fail(parser_t *p, const char *text) noexcept nogil:
    snprintf(p.error, sizeof(p.error), b"%s", text)
    return PARSE_ERROR


# --- RESP arrays ------------------------------------------------------------------


cdef inline int _length_line(
    const char *s, size_t n, size_t *pos, int64_t *value_out
) noexcept nogil:
    """Read the number after a type byte, up to CR LF, and step over it.

    Returns 1, or 0 if the line has not come whole, or -1 if it is no number.
    """
    cdef size_t i = pos[0] + 1
    cdef size_t start = i
    cdef int64_t v = 0
    cdef unsigned char d
    cdef const char *cr
    # up to 15 digits without a leading zero; whatever else takes the careful way
    while i < n and i - start < 15:
        d = <unsigned char>(s[i] - 48)
        if d > 9:
            break
        v = v * 10 + d
        i += 1
    if i + 1 < n and s[i] == 13 and i > start and (s[start] != 48 or i == start + 1):
        value_out[0] = v
        pos[0] = i + 2
        return 1
    cr = <const char *>memchr(s + start, 13, n - start)
    if cr == NULL or <size_t>(cr - s) + 1 >= n:
        return 0
    if num_parse_i64(s + start, cr - (s + start), value_out) != C_OK:
        return -1
    pos[0] = cr - s + 2
    return 1


cdef parse_t _array(
    parser_t *p, const char *s, size_t n, partial_t **partial
) noexcept nogil:
    """Parse an array of bulk strings at s; n bytes are there."""
    cdef argv_t *a = p.argv
    cdef size_t first = a.len
    cdef size_t pos = 0, i, done = 0
    cdef int64_t nargs, length
    cdef int r
    if partial[0] != NULL:
        nargs = partial[0].nargs
        done = partial[0].ndone
        pos = partial[0].pos
    else:
        r = _length_line(s, n, &pos, &nargs)
        if r == 0:
            if n > LINE_MAX:
                return _fail(p, b"too big mbulk count string")
            p.need = n + 1
            return PARSE_MORE
        if r < 0 or nargs > ARGS_MAX:
            return _fail(p, b"invalid multibulk length")
        if p.is_limited and nargs > UNAUTHENTICATED_ARGS:
            return _fail(p, b"unauthenticated multibulk length")
    while <int64_t>done < nargs:
        if pos >= n:
            p.need = n + 1
            break
        if s[pos] != b"$":
            # Redis waits for the whole line before it looks at its first byte
            if memchr(s + pos, 13, n - pos) == NULL and n - pos <= LINE_MAX:
                p.need = n + 1
                break
            a.len = first
            if memchr(s + pos, 13, n - pos) == NULL:
                return _fail(p, b"too big bulk count string")
            snprintf(p.error, sizeof(p.error), b"expected '$', got '%c'", s[pos])
            return PARSE_ERROR
        i = pos
        r = _length_line(s, n, &i, &length)
        if r == 0:
            if n - pos > LINE_MAX:
                a.len = first
                return _fail(p, b"too big bulk count string")
            p.need = n + 1
            break
        if r < 0 or length < 0 or <size_t>length > p.max_bulk_nbytes:
            a.len = first
            return _fail(p, b"invalid bulk length")
        if p.is_limited and length > UNAUTHENTICATED_BULK:
            a.len = first
            return _fail(p, b"unauthenticated bulk length")
        if n - i < <size_t>length + 2:
            p.need = i + length + 2
            p.bulk_nbytes = length
            break
        _argv_push(a, s + i, length)
        pos = i + length + 2
        done += 1
    else:
        if partial[0] != NULL:
            _put_partial(a, first, partial, s)
        p.pos += pos
        return PARSE_OK
    _keep_partial(partial, a.args + first, a.len - first, s, pos, nargs)
    a.len = first
    return PARSE_MORE


# --- Inline commands --------------------------------------------------------------


cdef inline bint _is_space(char ch) noexcept nogil:
    return ch == 32 or 9 <= ch <= 13


cdef inline bint _ends_word(char ch) noexcept nogil:
    """Redis lets a vertical tab or form feed stand between words, but not end one."""
    return ch == 32 or 9 <= ch <= 10 or ch == 13


cdef inline int _hex(char ch) noexcept nogil:
    if 48 <= ch <= 57:
        return ch - 48
    ch |= 32
    if 97 <= ch <= 102:
        return ch - 87
    return -1


cdef bint split_words(char *line, size_t nbytes, argv_t *argv) noexcept nogil:
    """Append the words of a line to argv; False: unbalanced quotes."""
    cdef size_t r = 0, w, start
    cdef char quote, ch
    while True:
        while r < nbytes and _is_space(line[r]):
            r += 1
        if r >= nbytes or line[r] == 0:
            return True
        start = w = r
        quote = 0
        while True:
            if r >= nbytes or line[r] == 0:
                if quote:
                    return False
                break
            ch = line[r]
            if quote == 0:
                if _ends_word(ch):
                    break
                if ch == b'"' or ch == b"'":
                    quote = ch
                    r += 1
                    continue
            elif ch == quote:
                r += 1
                # a closing quote must end the word
                if r < nbytes and line[r] != 0 and not _is_space(line[r]):
                    return False
                break
            elif quote == b"'" and ch == 92 and r + 1 < nbytes and line[r + 1] == b"'":
                r += 1
                ch = b"'"
            elif quote == b'"' and ch == 92 and r + 1 < nbytes and line[r + 1] != 0:
                if (line[r + 1] == b"x" and r + 3 < nbytes
                        and _hex(line[r + 2]) >= 0 and _hex(line[r + 3]) >= 0):
                    ch = <char>(_hex(line[r + 2]) * 16 + _hex(line[r + 3]))
                    r += 3
                else:
                    r += 1
                    ch = line[r]
                    if ch == b"n":
                        ch = 10
                    elif ch == b"r":
                        ch = 13
                    elif ch == b"t":
                        ch = 9
                    elif ch == b"b":
                        ch = 8
                    elif ch == b"a":
                        ch = 7
            line[w] = ch
            w += 1
            r += 1
        _argv_push(argv, line + start, w - start)


cdef parse_t _inline(parser_t *p, const char *s, size_t n) noexcept nogil:
    cdef const char *end = <const char *>memchr(s, 10, n)
    cdef size_t length, first = p.argv.len
    if end == NULL:
        if n > LINE_MAX:
            return _fail(p, b"too big inline request")
        p.need = n + 1
        return PARSE_MORE
    length = end - s
    p.pos += length + 1
    if length and s[length - 1] == 13:
        length -= 1
    if not split_words(<char *>s, length, p.argv):
        p.argv.len = first
        return _fail(p, b"unbalanced quotes in request")
    return PARSE_OK


cdef parse_t parse_request(
    parser_t *p, const char *s, size_t nbytes, partial_t **partial
) noexcept nogil:
    """Parse the request at s[p.pos:nbytes]; see the header."""
    p.bulk_nbytes = 0
    if p.pos >= nbytes:
        p.need = 1
        return PARSE_MORE
    if s[p.pos] == b"*":
        return _array(p, s + p.pos, nbytes - p.pos, partial)
    return _inline(p, s + p.pos, nbytes - p.pos)
