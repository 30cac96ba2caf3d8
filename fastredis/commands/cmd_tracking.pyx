# SPDX-License-Identifier: BSD-3-Clause
r"""CLIENT TRACKING and its companions: caches of clients that are told of changes.

    TRACKING ON                the keys that this connection reads
             ON OPTIN          ... by commands that CLIENT CACHING YES precedes
             ON OPTOUT         ... but those that CLIENT CACHING NO precedes
             ON BCAST PREFIX   all keys with these prefixes, read or not
"""
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.args cimport arg_i64_or_reply, arg_is
from fastredis.engine.client cimport CLIENT_FAKE, client_t
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.prefixes cimport prefix_overlapping, prefix_use_t
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_cstring,
    reply_error,
    reply_error_len,
    reply_int,
    reply_map,
    reply_ok,
    reply_set,
)
from fastredis.engine.tracking cimport (
    TRACK_BCAST,
    TRACK_BROKEN,
    TRACK_CACHING,
    TRACK_NOLOOP,
    TRACK_ON,
    TRACK_OPTIN,
    TRACK_OPTOUT,
    tracking_add_prefix,
    tracking_count_prefixes,
    tracking_flags,
    tracking_prefixes,
    tracking_set_caching,
    tracking_start,
    tracking_stop,
    tracking_target_id,
)
from libc.stdint cimport int64_t, uint32_t
from libc.stdio cimport snprintf
from libc.string cimport memcmp

cdef enum:
    OVERLAP_ROOM = 160          # of the words around two prefixes

# What CLIENT TRACKING is given. Prefixes stay where they are: after each word PREFIX.
cdef struct request_t:
    uint32_t flags
    int nprefixes
    client_t *target


# --- Arguments --------------------------------------------------------------------


cdef status_t _target_or_reply(client_t *c, int i, request_t *r) noexcept nogil:
    """Find the client that REDIRECT names."""
    cdef client_t *target = c.srv.clients
    cdef int64_t id
    if r.target != NULL:
        reply_error(c, b"ERR A client can only redirect to a single other client")
        return C_ERR
    if arg_i64_or_reply(c, i, &id) != C_OK:
        return C_ERR
    while target != NULL and <int64_t>target.id != id:
        target = target.next
    if target == NULL:
        reply_error(c, b"ERR The client ID you want redirect to does not exist")
        return C_ERR
    r.target = target
    return C_OK


cdef status_t _options_or_reply(client_t *c, request_t *r) noexcept nogil:
    """Read the options of CLIENT TRACKING."""
    cdef int i = 3
    r.flags = 0
    r.nprefixes = 0
    r.target = NULL
    while i < c.argc:
        if arg_is(c, i, b"redirect") and i + 1 < c.argc:
            i += 1
            if _target_or_reply(c, i, r) != C_OK:
                return C_ERR
        elif arg_is(c, i, b"bcast"):
            r.flags |= TRACK_BCAST
        elif arg_is(c, i, b"optin"):
            r.flags |= TRACK_OPTIN
        elif arg_is(c, i, b"optout"):
            r.flags |= TRACK_OPTOUT
        elif arg_is(c, i, b"noloop"):
            r.flags |= TRACK_NOLOOP
        elif arg_is(c, i, b"prefix") and i + 1 < c.argc:
            i += 1
            r.nprefixes += 1
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    return C_OK


cdef int _next_prefix(client_t *c, int i) noexcept nogil:
    """Return the first argument from i on that is a prefix; argc if there is none."""
    while i < c.argc:
        if arg_is(c, i, b"prefix"):
            return i + 1
        i += 2 if arg_is(c, i, b"redirect") else 1
    return c.argc


cdef status_t _refuse_overlap(
    client_t *c, int i, const char *which, const char *other, size_t nbytes
) noexcept nogil:
    """Reply that argument i and another prefix have keys in common."""
    cdef size_t room = c.argv[i].len + nbytes + OVERLAP_ROOM
    cdef char *text = <char *>zmalloc(room)
    cdef int n = snprintf(
        text, room, b"ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a "
        b"single client must not overlap.", <int>c.argv[i].len, c.argv[i].ptr, which,
        <int>nbytes, other)
    reply_error_len(c, text, n)
    zfree(text)
    return C_ERR


cdef status_t _check_overlaps_or_reply(client_t *c) noexcept nogil:
    """Check that no key has two of the client's prefixes, old and new."""
    cdef const prefix_use_t *old
    cdef size_t n
    cdef int i = _next_prefix(c, 3), j
    while i < c.argc:
        old = prefix_overlapping(
            tracking_prefixes(c), c.argv[i].ptr, c.argv[i].len)
        if old != NULL:
            return _refuse_overlap(c, i, b"an existing", old.name, old.len)
        j = _next_prefix(c, i + 1)
        while j < c.argc:
            n = c.argv[i].len if c.argv[i].len < c.argv[j].len else c.argv[j].len
            if memcmp(c.argv[i].ptr, c.argv[j].ptr, n) == 0:
                return _refuse_overlap(
                    c, i, b"another provided", c.argv[j].ptr, c.argv[j].len)
            j = _next_prefix(c, j + 1)
        i = _next_prefix(c, i + 1)
    return C_OK


cdef status_t _check_modes_or_reply(client_t *c, const request_t *r) noexcept nogil:
    """Check that the modes go together, and with the one that is in force."""
    cdef uint32_t now = tracking_flags(c)
    cdef const char *error = NULL
    if r.nprefixes and not r.flags & TRACK_BCAST:
        error = b"ERR PREFIX option requires BCAST mode to be enabled"
    elif now & TRACK_ON and (now ^ r.flags) & TRACK_BCAST:
        error = (
            b"ERR You can't switch BCAST mode on/off before disabling tracking for "
            b"this client, and then re-enabling it with a different mode.")
    elif r.flags & TRACK_BCAST and r.flags & (TRACK_OPTIN | TRACK_OPTOUT):
        error = b"ERR OPTIN and OPTOUT are not compatible with BCAST"
    elif r.flags & TRACK_OPTIN and r.flags & TRACK_OPTOUT:
        error = b"ERR You can't specify both OPTIN mode and OPTOUT mode"
    elif (r.flags & TRACK_OPTIN and now & TRACK_OPTOUT) \
            or (r.flags & TRACK_OPTOUT and now & TRACK_OPTIN):
        error = (
            b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for "
            b"this client, and then re-enabling it with a different mode.")
    if error == NULL:
        return C_OK
    reply_error(c, error)
    return C_ERR


# --- Commands ---------------------------------------------------------------------


cdef void _start(client_t *c, const request_t *r) noexcept nogil:
    cdef int i
    tracking_start(c, r.target, r.flags)
    if not r.flags & TRACK_BCAST:
        return
    if r.nprefixes == 0:
        tracking_add_prefix(c, b"", 0)      # all keys
        return
    i = _next_prefix(c, 3)
    while i < c.argc:
        tracking_add_prefix(c, c.argv[i].ptr, c.argv[i].len)
        i = _next_prefix(c, i + 1)


cdef api void cmd_client_tracking(client_t *c) noexcept nogil:
    """CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN]
    [OPTOUT] [NOLOOP]"""
    cdef request_t r
    if c.flags & CLIENT_FAKE:
        reply_error(c, b"ERR CLIENT TRACKING is for connections only")
        return
    if _options_or_reply(c, &r) != C_OK:
        return
    if arg_is(c, 2, b"on"):
        if _check_modes_or_reply(c, &r) != C_OK:
            return
        if r.nprefixes and _check_overlaps_or_reply(c) != C_OK:
            return
        _start(c, &r)
    elif arg_is(c, 2, b"off"):
        tracking_stop(c)
    else:
        reply_error(c, ERR_SYNTAX)
        return
    reply_ok(c)


cdef api void cmd_client_caching(client_t *c) noexcept nogil:
    """CLIENT CACHING YES | NO"""
    cdef uint32_t flags = tracking_flags(c)
    if not flags & TRACK_ON:
        reply_error(
            c, b"ERR CLIENT CACHING can be called only when the client is in tracking "
            b"mode with OPTIN or OPTOUT mode enabled")
        return
    if arg_is(c, 2, b"yes"):
        if not flags & TRACK_OPTIN:
            reply_error(
                c, b"ERR CLIENT CACHING YES is only valid when tracking is enabled in "
                b"OPTIN mode.")
            return
    elif arg_is(c, 2, b"no"):
        if not flags & TRACK_OPTOUT:
            reply_error(
                c, b"ERR CLIENT CACHING NO is only valid when tracking is enabled in "
                b"OPTOUT mode.")
            return
    else:
        reply_error(c, ERR_SYNTAX)
        return
    tracking_set_caching(c)
    reply_ok(c)


cdef api void cmd_client_getredir(client_t *c) noexcept nogil:
    """CLIENT GETREDIR"""
    reply_int(c, tracking_target_id(c))


cdef api void cmd_client_trackinginfo(client_t *c) noexcept nogil:
    """CLIENT TRACKINGINFO"""
    cdef uint32_t flags = tracking_flags(c)
    cdef const prefix_use_t *p = tracking_prefixes(c)
    cdef const char *words[6]
    cdef int n = 1, i
    words[0] = b"on" if flags & TRACK_ON else b"off"
    if flags & TRACK_BCAST:
        words[n] = b"bcast"
        n += 1
    if flags & (TRACK_OPTIN | TRACK_OPTOUT):
        words[n] = b"optin" if flags & TRACK_OPTIN else b"optout"
        n += 1
        if flags & TRACK_CACHING:
            words[n] = b"caching-yes" if flags & TRACK_OPTIN else b"caching-no"
            n += 1
    if flags & TRACK_NOLOOP:
        words[n] = b"noloop"
        n += 1
    if flags & TRACK_BROKEN:
        words[n] = b"broken_redirect"
        n += 1
    reply_map(c, 3)
    reply_cstring(c, b"flags")
    reply_set(c, n)
    for i in range(n):
        reply_cstring(c, words[i])
    reply_cstring(c, b"redirect")
    reply_int(c, tracking_target_id(c))
    reply_cstring(c, b"prefixes")
    reply_array(c, tracking_count_prefixes(c))
    while p != NULL:
        reply_bulk(c, p.name, p.len)
        p = p.next
