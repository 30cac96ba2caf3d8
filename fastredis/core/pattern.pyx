# SPDX-License-Identifier: BSD-3-Clause
r"""Glob-style matching that cannot be made slow.

    *        any bytes, also none          [abc] [a-z]  one byte of the class
    ?        one byte                      [^abc]       one byte outside it
    \x       the byte x itself             other        itself

Every element but * takes exactly one byte. So once the elements up to the next *
have been placed, the earlier * never need to move again, and one remembered position
is enough to go back to:

    pattern   a * b ? * c d          subject   a x b y z c c d
                      ^ star_p                         ^ star_s
              on a mismatch: star_s + 1, and again from star_p

Clients see the odd corners, so these are kept:
- an empty subject matches the empty pattern and no other, not even *;
- a class that is not closed reaches to the end of the pattern; [^ alone takes any byte;
- ] ends a class wherever it stands, unless escaped or the end of a range;
- the bounds of a range are put in order, as signed bytes, before case is folded;
- an escaped byte within a class keeps its case even when case is ignored;
- a pattern that gets past PATTERN_STARS_MAX of its * matches nothing.

Cost: O(plen * slen) at worst, nothing is allocated, no recursion.  Threads: any.
Source: behaviour of redis-server 7.0 and valkey-server 9.1.
"""
from libc.string cimport memchr


cdef enum:
    # Redis bounds its recursion here, and its tests look for the consequence.
    PATTERN_STARS_MAX = 1000


cdef inline int _lower(int c) noexcept nogil:
    return c + 32 if c"A" <= c <= c"Z" else c


cdef const char *_match_class(
    const char *p, const char *end, int c, bint nocase, bint *matches_out
) noexcept nogil:
    """Try c against the class that begins behind the bracket; return what follows."""
    cdef bint is_negated = p < end and p[0] == c"^"
    cdef bint is_member = False
    cdef int folded = _lower(c) if nocase else c
    cdef int low
    cdef int high

    if is_negated:
        p += 1
    while p < end and p[0] != c"]":
        low = <signed char>p[0]
        if low == c"\\" and end - p >= 2:
            is_member |= <signed char>p[1] == c
            p += 2
        elif end - p >= 3 and p[1] == c"-":
            high = <signed char>p[2]
            if low > high:
                low, high = high, low
            if nocase:
                low = _lower(low)
                high = _lower(high)
            is_member |= low <= folded <= high
            p += 3
        else:
            is_member |= (_lower(low) if nocase else low) == folded
            p += 1
    matches_out[0] = is_member != is_negated
    return p + 1 if p < end else p


cdef bint pattern_match(
    const char *pattern, size_t plen, const char *s, size_t slen, bint nocase
) noexcept nogil:
    cdef const char *p = pattern
    cdef const char *pend = pattern + plen
    cdef const char *send = s + slen
    cdef const char *star_p = NULL  # behind the latest *
    cdef const char *star_s = NULL  # where what follows it is being tried
    cdef int nstars = 0
    cdef bint star_wants_byte = False  # it is followed by a plain byte
    cdef bint matches
    cdef int c

    if plen == 0 or slen == 0:
        return plen == slen
    while True:
        # here s < send
        if p == pend:
            matches = False
        elif p[0] == c"*":
            while p < pend and p[0] == c"*":
                p += 1
            if p == pend:
                return True
            nstars += 1
            if nstars > PATTERN_STARS_MAX:
                return False
            star_p = p
            star_s = s
            star_wants_byte = not nocase and not (
                p[0] == c"?" or p[0] == c"[" or p[0] == c"\\")
            if star_wants_byte:
                s = <const char *>memchr(s, p[0], send - s)
                if s == NULL:
                    return False
                star_s = s
            continue
        else:
            c = <signed char>s[0]
            if p[0] == c"?":
                matches = True
                p += 1
            elif p[0] == c"[":
                p = _match_class(p + 1, pend, c, nocase, &matches)
            else:
                if p[0] == c"\\" and pend - p >= 2:
                    p += 1
                matches = <signed char>p[0] == c
                if nocase and not matches:
                    matches = _lower(<signed char>p[0]) == _lower(c)
                p += 1

        if matches:
            s += 1
            if s < send:
                continue
            while p < pend and p[0] == c"*":
                p += 1
            # To begin later would leave fewer bytes for the same elements.
            return p == pend

        if star_p == NULL:
            return False
        star_s += 1
        if star_s == send:
            return False
        if star_wants_byte:
            star_s = <const char *>memchr(star_s, star_p[0], send - star_s)
            if star_s == NULL:
                return False
        p = star_p
        s = star_s


cdef bint pattern_is_literal(const char *p, size_t n) noexcept nogil:
    cdef size_t i

    for i in range(n):
        if p[i] == c"*" or p[i] == c"?" or p[i] == c"[" or p[i] == c"\\":
            return False
    return True
