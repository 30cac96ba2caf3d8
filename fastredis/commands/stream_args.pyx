# SPDX-License-Identifier: BSD-3-Clause
"""Ids and entries of streams in requests and replies.

    1526919030474-55    milliseconds and a number within them
    1526919030474       the number is the least, or at the end of a range the greatest
    1526919030474-*     the next number (XADD)
    - +                 the smallest and the greatest id, at the ends of ranges
    (1526919030474-55   an end that is not included
"""
from fastredis.core.num cimport (
    num_digits_u64,
    num_format_i64,
    num_format_u64,
    num_parse_i64,
    num_parse_u64,
)
from fastredis.core.status cimport C_ERR, C_OK
from fastredis.datatypes.stream_groups cimport (
    sconsumer_add,
    sconsumer_find,
    sgroup_find,
)
from fastredis.datatypes.t_stream cimport (
    STREAM_ACKED,
    STREAM_DELREF,
    STREAM_KEEPREF,
    sid,
    sid_decrement,
    sid_increment,
    sid_max,
    stream_field,
    stream_of,
    stream_settle,
)
from fastredis.ds.listpack cimport LP_INT_BUF, lp_value_t
from fastredis.engine.args cimport arg_is
from fastredis.engine.changed cimport NOTIFY_STREAM, key_changed, key_noted
from fastredis.engine.client cimport mark_dirty
from fastredis.engine.errors cimport ERR_SYNTAX
from fastredis.engine.propagate cimport (
    feed_args,
    feed_bytes,
    feed_instead,
    feed_text,
)
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_bulk_int,
    reply_error,
    reply_error_len,
    type_or_reply,
)
from fastredis.keyspace.db cimport db_find_read, db_find_write
from fastredis.keyspace.obj cimport OBJ_STREAM, obj_t
from libc.stdint cimport UINT64_MAX, int64_t
from libc.stdio cimport snprintf
from libc.string cimport memchr, memcpy

cdef extern from *:
    """
    #include <errno.h>
    #include <stdlib.h>
    /* s ends with NUL at s[n] */
    static int sid_strtoull(const char *s, size_t n, uint64_t *v) {
        char *end;
        errno = 0;
        *v = strtoull(s, &end, 10);
        return errno == 0 && end == s + n;
    }
    """
    bint sid_strtoull(const char *s, size_t n, uint64_t *v) noexcept nogil

cdef enum:
    ID_TEXT_MAX = 127           # longer text is no id, as in Redis
    ARG_SHOWN_MAX = 1024

cdef char *ERR_ID = b"ERR Invalid stream ID specified as stream command argument"


# --- Ids --------------------------------------------------------------------------


cdef inline bint _digits(const char *s, size_t n, uint64_t *v_out) noexcept nogil:
    """Read a number of up to 19 digits, which cannot overflow."""
    cdef uint64_t v = 0
    cdef size_t i
    if n == 0 or n > 19:
        return False
    for i in range(n):
        if not 48 <= s[i] <= 57:
            return False
        v = 10 * v + <uint64_t>(s[i] - 48)
    v_out[0] = v
    return True


cdef status_t _number(const char *s, size_t n, uint64_t *v_out) noexcept nogil:
    """Read one half of an id; like Redis, not only in its canonical form."""
    cdef char[ID_TEXT_MAX + 1] text
    cdef int64_t negative
    if _digits(s, n, v_out) or num_parse_u64(s, n, v_out) == C_OK:
        return C_OK
    if n == 0 or n > ID_TEXT_MAX or num_parse_i64(s, n, &negative) == C_OK:
        return C_ERR
    memcpy(text, s, n)
    text[n] = 0
    if text[0] == 32 or 9 <= text[0] <= 13:
        return C_ERR
    return C_OK if sid_strtoull(text, n, v_out) else C_ERR


cdef status_t _parse(
    const char *s, size_t n, uint64_t missing_seq, sid_t *id_out, bint *has_seq_out
) noexcept nogil:
    """Read an id that is neither "-" nor "+"."""
    cdef const char *dash
    cdef sid_t id
    cdef size_t left
    if n == 0 or n > ID_TEXT_MAX or memchr(s, 0, n) != NULL:
        return C_ERR
    dash = <const char *>memchr(s, 45, n)
    left = n if dash == NULL else dash - s
    if _number(s, left, &id.ms) != C_OK:
        return C_ERR
    id.seq = missing_seq
    if has_seq_out != NULL:
        has_seq_out[0] = True
    if dash != NULL:
        n -= left + 1
        if has_seq_out != NULL and n == 1 and dash[1] == 42:
            id.seq = 0
            has_seq_out[0] = False
        elif _number(dash + 1, n, &id.seq) != C_OK:
            return C_ERR
    id_out[0] = id
    return C_OK


cdef status_t arg_sid_or_reply(
    client_t *c, int i, uint64_t missing_seq, sid_t *id_out
) noexcept nogil:
    """Read an id, or an end of all."""
    if c.argv[i].len == 1 and c.argv[i].ptr[0] == 45:
        id_out[0] = sid(0, 0)
        return C_OK
    if c.argv[i].len == 1 and c.argv[i].ptr[0] == 43:
        id_out[0] = sid_max()
        return C_OK
    if _parse(c.argv[i].ptr, c.argv[i].len, missing_seq, id_out, NULL) == C_OK:
        return C_OK
    reply_error(c, ERR_ID)
    return C_ERR


cdef status_t arg_strict_sid_or_reply(
    client_t *c, int i, sid_t *id_out, bint *has_seq_out
) noexcept nogil:
    """Read an id."""
    if _parse(c.argv[i].ptr, c.argv[i].len, 0, id_out, has_seq_out) == C_OK:
        return C_OK
    reply_error(c, ERR_ID)
    return C_ERR


cdef status_t sid_parse_strict(client_t *c, int i, sid_t *id_out) noexcept nogil:
    """Read an id, if argument i is one."""
    return _parse(c.argv[i].ptr, c.argv[i].len, 0, id_out, NULL)


cdef status_t stream_end_or_reply(
    client_t *c, int i, uint64_t missing_seq, sid_t *id_out, bint *is_open_out
) noexcept nogil:
    """Read one end of a range."""
    is_open_out[0] = c.argv[i].len > 1 and c.argv[i].ptr[0] == 40
    if not is_open_out[0]:
        return arg_sid_or_reply(c, i, missing_seq, id_out)
    if _parse(
            c.argv[i].ptr + 1, c.argv[i].len - 1, missing_seq, id_out, NULL) == C_OK:
        return C_OK
    reply_error(c, ERR_ID)
    return C_ERR


cdef status_t arg_sid_range_or_reply(
    client_t *c, int first, int last, sid_t *start_out, sid_t *end_out
) noexcept nogil:
    """Read both ends of a range."""
    cdef bint is_open
    if stream_end_or_reply(c, first, 0, start_out, &is_open) != C_OK:
        return C_ERR
    if is_open and not sid_increment(start_out):
        reply_error(c, b"ERR invalid start ID for the interval")
        return C_ERR
    if stream_end_or_reply(c, last, UINT64_MAX, end_out, &is_open) != C_OK:
        return C_ERR
    if is_open and not sid_decrement(end_out):
        reply_error(c, b"ERR invalid end ID for the interval")
        return C_ERR
    return C_OK


cdef int sid_format(char *buf, sid_t id) noexcept nogil:
    """Write an id's text."""
    cdef int n = num_format_u64(buf, id.ms)
    buf[n] = 45
    return n + 1 + num_format_u64(buf + n + 1, id.seq)


cdef void reply_sid(client_t *c, sid_t id) noexcept nogil:
    """Reply an id."""
    cdef char[SID_BUF] text
    reply_bulk(c, text, sid_format(text, id))


# --- Entries ----------------------------------------------------------------------


cdef inline void _reply_value(client_t *c, const lp_value_t *v) noexcept nogil:
    if v.ptr == NULL:
        reply_bulk_int(c, v.num)
    else:
        reply_bulk(c, v.ptr, v.len)


cdef void reply_stream_entry_and(
    client_t *c, stream_iter_t *it, int64_t n
) noexcept nogil:
    """Begin an array of n with the current entry of an iterator."""
    cdef lp_value_t name, value
    reply_array(c, n)
    reply_sid(c, it.id)
    reply_array(c, 2 * it.nfields)
    for _ in range(it.nfields):
        stream_field(it, &name, &value)
        _reply_value(c, &name)
        _reply_value(c, &value)


cdef void reply_stream_entry(client_t *c, stream_iter_t *it) noexcept nogil:
    """Reply the current entry of an iterator."""
    reply_stream_entry_and(c, it, 2)


cdef inline size_t _bulk_nbytes(const lp_value_t *v) noexcept nogil:
    """Return the bytes of a bulk string: $, length, CR LF, text, CR LF."""
    cdef char[LP_INT_BUF] digits
    cdef size_t n = v.len
    if v.ptr == NULL:
        n = num_format_i64(digits, v.num)
    return n + 5 + num_digits_u64(n)


cdef size_t stream_entry_nbytes(const stream_iter_t *it) noexcept nogil:
    """Count what reply_stream_entry would write."""
    cdef stream_iter_t own = it[0]
    cdef lp_value_t name, value
    cdef char[SID_BUF] text
    cdef size_t n = sid_format(text, it.id)
    n += 4 + 5 + num_digits_u64(n) + 3 + num_digits_u64(2 * it.nfields)
    for _ in range(own.nfields):
        stream_field(&own, &name, &value)
        n += _bulk_nbytes(&name) + _bulk_nbytes(&value)
    return n


# --- Keys and options -------------------------------------------------------------


cdef status_t stream_write_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out
) noexcept nogil:
    """Look a stream up that may be changed."""
    cdef obj_t *o = db_find_write(c.db, key)
    if type_or_reply(c, o, OBJ_STREAM) != C_OK:
        return C_ERR
    s_out[0] = NULL if o == NULL else stream_of(o)
    return C_OK


cdef status_t stream_read_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out
) noexcept nogil:
    """Look a stream up."""
    cdef obj_t *o = db_find_read(c.db, key)
    if type_or_reply(c, o, OBJ_STREAM) != C_OK:
        return C_ERR
    s_out[0] = NULL if o == NULL else stream_of(o)
    return C_OK


cdef bint arg_stream_refs(client_t *c, int i, stream_refs_t *refs_out) noexcept nogil:
    """Read what becomes of references to entries that are deleted."""
    if arg_is(c, i, b"keepref"):
        refs_out[0] = STREAM_KEEPREF
    elif arg_is(c, i, b"delref"):
        refs_out[0] = STREAM_DELREF
    elif arg_is(c, i, b"acked"):
        refs_out[0] = STREAM_ACKED
    else:
        return False
    return True


cdef status_t arg_sids_or_reply(
    client_t *c, int i, int *first_out, int *n_out
) noexcept nogil:
    """Read how many ids follow the word IDS; they are not looked at."""
    cdef int64_t n
    if i + 1 >= c.argc or num_parse_i64(
            c.argv[i + 1].ptr, c.argv[i + 1].len, &n) != C_OK or n <= 0:
        reply_error(c, b"ERR Number of IDs must be a positive integer")
        return C_ERR
    if n > c.argc - i - 2:
        reply_error(
            c, b"ERR The `numids` parameter must match the number of arguments")
        return C_ERR
    first_out[0] = i + 2
    n_out[0] = <int>n
    return C_OK


cdef void reply_error_args(
    client_t *c, const char *head, int i, const char *middle, int j, const char *tail
) noexcept nogil:
    """Reply an error that shows two arguments, each up to ARG_SHOWN_MAX bytes."""
    cdef char[2 * ARG_SHOWN_MAX + 256] text
    cdef size_t a = c.argv[i].len, b = c.argv[j].len
    cdef int n
    if a > ARG_SHOWN_MAX:
        a = ARG_SHOWN_MAX
    if b > ARG_SHOWN_MAX:
        b = ARG_SHOWN_MAX
    n = snprintf(
        text, sizeof(text), b"%s%.*s%s%.*s%s", head, <int>a, c.argv[i].ptr, middle,
        <int>b, c.argv[j].ptr, tail)
    reply_error_len(c, text, n)


cdef status_t arg_sids_and_refs_or_reply(
    client_t *c, int i, stream_refs_t *refs_out, int *first_out, int *n_out
) noexcept nogil:
    """Read IDS with what follows, and what becomes of references, in either order."""
    cdef bint has_refs = False
    first_out[0] = 0
    while i < c.argc:
        if first_out[0] == 0 and arg_is(c, i, b"ids"):
            if arg_sids_or_reply(c, i, first_out, n_out) != C_OK:
                return C_ERR
            i = first_out[0] + n_out[0]
        elif not has_refs and arg_stream_refs(c, i, refs_out):
            has_refs = True
            i += 1
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
    if first_out[0] == 0:
        reply_error(c, ERR_SYNTAX)
        return C_ERR
    return C_OK


cdef status_t stream_check_ids_or_reply(client_t *c, int first, int n) noexcept nogil:
    """Check all ids, so that none is deleted if one is wrong."""
    cdef sid_t id
    cdef int i
    for i in range(first, first + n):
        if arg_strict_sid_or_reply(c, i, &id, NULL) != C_OK:
            return C_ERR
    return C_OK


cdef void stream_was_deleted(
    client_t *c, const dbkey_t *key, stream_t *s, int64_t n
) noexcept nogil:
    """Report n entries deleted."""
    if n == 0:
        return
    stream_settle(s)
    key_changed(c, key, NOTIFY_STREAM, b"xdel")
    mark_dirty(c, n - 1)


# --- Groups -----------------------------------------------------------------------


cdef status_t stream_group_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out, sgroup_t **g_out
) noexcept nogil:
    """Look up a stream and the group that argument 2 names."""
    if stream_read_or_reply(c, key, s_out) != C_OK:
        return C_ERR
    if s_out[0] != NULL:
        g_out[0] = sgroup_find(&s_out[0].groups, c.argv[2].ptr, c.argv[2].len)
        if g_out[0] != NULL:
            return C_OK
    reply_error_args(
        c, b"NOGROUP No such key '", 1, b"' or consumer group '", 2, b"'")
    return C_ERR


cdef void _feed_consumer(
    client_t *c, const dbkey_t *key, const sgroup_t *g, int i
) noexcept nogil:
    """Have it written down that a consumer was made: it may get nothing."""
    feed_instead(c, 5)
    feed_text(c, b"XGROUP")
    feed_text(c, b"CREATECONSUMER")
    feed_bytes(c, key.ptr, key.len)
    feed_bytes(c, g.name.ptr, g.name.len)
    feed_args(c, i, i + 1)


cdef sconsumer_t *stream_consumer(
    client_t *c, const dbkey_t *key, sgroup_t *g, int i
) noexcept nogil:
    """Return the consumer that argument i names, made if there is none."""
    cdef sconsumer_t *consumer = sconsumer_find(g, c.argv[i].ptr, c.argv[i].len)
    if consumer == NULL:
        consumer = sconsumer_add(g, c.argv[i].ptr, c.argv[i].len, c.srv.now_ms)
        key_noted(c, key, NOTIFY_STREAM, b"xgroup-createconsumer")
        mark_dirty(c, 1)
        _feed_consumer(c, key, g, i)
    consumer.seen_ms = c.srv.now_ms
    return consumer
