# SPDX-License-Identifier: BSD-3-Clause
"""Arguments of the command being executed: see args.pxd."""
from fastredis.core.num cimport num_parse_double, num_parse_i64
from fastredis.core.status cimport C_ERR, C_OK
from fastredis.engine.errors cimport (
    ERR_DB_RANGE,
    ERR_NOT_FLOAT,
    ERR_NOT_INTEGER,
)
from fastredis.engine.reply cimport reply_error, reply_error_len
from fastredis.keyspace.db cimport db_prefetch_bucket, db_prefetch_object
from libc.limits cimport INT_MAX, INT_MIN
from libc.stdio cimport snprintf


cdef int arg_keys(
    client_t *c, int first, int step, int end, dbkey_t *keys
) noexcept nogil:
    """Hash keys and have their memory loaded: buckets first, then objects."""
    cdef int n = 0, k
    while n < ARG_KEYS_BATCH and first < end:
        keys[n] = arg_key(c, first)
        db_prefetch_bucket(c.db, keys[n].hash)
        first += step
        n += 1
    if n > 1:
        for k in range(n):
            db_prefetch_object(c.db, keys[k].hash)
    return n


cdef bint arg_is(client_t *c, int i, const char *word) noexcept nogil:
    """Return whether argument i is this word, in whatever case."""
    cdef const char *s = c.argv[i].ptr
    cdef size_t n = c.argv[i].len, k
    cdef char ch
    for k in range(n):
        ch = s[k]
        if 65 <= ch <= 90:
            ch += 32
        if ch != word[k] or word[k] == 0:
            return False
    return word[n] == 0


cdef status_t arg_i64_or_error(
    client_t *c, int i, const char *error, int64_t *value_out
) noexcept nogil:
    """Read an integer, or reply the error given."""
    if num_parse_i64(c.argv[i].ptr, c.argv[i].len, value_out) == C_OK:
        return C_OK
    reply_error(c, error)
    return C_ERR


cdef status_t arg_count_or_error(
    client_t *c, int i, const char *error, int64_t *value_out
) noexcept nogil:
    """Read an integer that is not negative; whatever else it is, the error is one."""
    cdef int64_t v
    if arg_i64_or_error(c, i, error, &v) != C_OK:
        return C_ERR
    if v < 0:
        reply_error(c, error)
        return C_ERR
    value_out[0] = v
    return C_OK


cdef status_t arg_i64_or_reply(
    client_t *c, int i, int64_t *value_out
) noexcept nogil:
    """Read an integer, or reply that it is none."""
    return arg_i64_or_error(c, i, ERR_NOT_INTEGER, value_out)


cdef status_t arg_range_or_reply(
    client_t *c, int i, int64_t low, int64_t high, int64_t *value_out
) noexcept nogil:
    """Read an integer in [low, high], or reply that it is not."""
    cdef int64_t v
    cdef char[128] text
    cdef int n
    if arg_i64_or_reply(c, i, &v) != C_OK:
        return C_ERR
    if low <= v <= high:
        value_out[0] = v
        return C_OK
    if low == 0 and high > (<int64_t>1 << 31):
        reply_error(c, b"ERR value is out of range, must be positive")
    else:
        n = snprintf(
            text, sizeof(text),
            b"ERR value is out of range, value must between %lld and %lld",
            <long long>low, <long long>high)
        reply_error_len(c, text, n)
    return C_ERR


cdef status_t arg_double_or_reply(
    client_t *c, int i, double *value_out
) noexcept nogil:
    """Read a double, or reply that it is none."""
    if num_parse_double(c.argv[i].ptr, c.argv[i].len, value_out) == C_OK:
        return C_OK
    reply_error(c, ERR_NOT_FLOAT)
    return C_ERR


cdef status_t arg_db_or_reply(client_t *c, int i, int *index_out) noexcept nogil:
    """Read the number of a database, or reply that there is no such."""
    cdef int64_t v
    if arg_range_or_reply(c, i, INT_MIN, INT_MAX, &v) != C_OK:
        return C_ERR
    if not 0 <= v < c.srv.ks.ndbs:
        reply_error(c, ERR_DB_RANGE)
        return C_ERR
    index_out[0] = <int>v
    return C_OK
