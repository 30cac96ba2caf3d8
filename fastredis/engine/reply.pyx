# SPDX-License-Identifier: BSD-3-Clause
"""Replies that need more than an encoder: errors, string objects, HELP: see reply.pxd.
"""
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.engine.client cimport CLIENT_MASTER
from fastredis.engine.master cimport master_t
from fastredis.engine.stats cimport errors_count
from fastredis.keyspace.obj cimport (
    OBJ_ENC_BLOB,
    OBJ_ENC_INT,
    obj_enc,
    obj_int,
    obj_pointer,
)
from fastredis.resp.writer cimport out_defer, out_resolve, resp_bulk_blob, resp_error
from libc.stdio cimport snprintf

cdef enum:
    ARG_SHOWN_MAX = 2048        # bytes of a client's argument in an error text
    ARG_TEXT_ROOM = ARG_SHOWN_MAX + 256


cdef void reply_error_len(
    client_t *c, const char *text, size_t nbytes
) noexcept nogil:
    """Reply an error and count it."""
    if c.flags & CLIENT_MASTER:
        (<master_t *>c.replica).failed(c, text, nbytes)
    c.error_count += 1
    c.srv.stats.error_replies += 1
    errors_count(&c.srv.error_counts, text, nbytes)
    resp_error(&c.out, text, nbytes)


cdef void reply_error(client_t *c, const char *text) noexcept nogil:
    """Reply an error that ends with NUL."""
    reply_error_len(c, text, strlen(text))


cdef void reply_error_arg(
    client_t *c, const char *prefix, int i, const char *suffix
) noexcept nogil:
    """Reply an error that shows an argument."""
    cdef char[ARG_TEXT_ROOM] text
    cdef size_t n = c.argv[i].len
    cdef int len
    if n > ARG_SHOWN_MAX:
        n = ARG_SHOWN_MAX
    len = snprintf(text, sizeof(text), b"%s%.*s%s", prefix, <int>n, c.argv[i].ptr,
                   suffix)
    reply_error_len(c, text, len if len < ARG_TEXT_ROOM else ARG_TEXT_ROOM - 1)


cdef void reply_wrong_arity(client_t *c) noexcept nogil:
    """Reply that the number of arguments is wrong."""
    cdef char[160] text
    cdef int n = snprintf(
        text, sizeof(text), b"ERR wrong number of arguments for '%s' command",
        c.cmd.name)
    reply_error_len(c, text, n)


cdef void reply_string_obj(client_t *c, const obj_t *o) noexcept nogil:
    """Reply a string's value; a long one is referred to, not copied."""
    cdef char[STR_INT_MAX] digits
    cdef const char *s
    cdef size_t n
    if obj_enc(o) == OBJ_ENC_BLOB:
        resp_bulk_blob(&c.out, <blob_t *>obj_pointer(o))
    elif obj_enc(o) == OBJ_ENC_INT:
        resp_bulk_int(&c.out, obj_int(o))
    else:
        s = str_bytes(o, digits, &n)
        resp_bulk(&c.out, s, n)


cdef out_block_t *reply_defer(client_t *c) noexcept nogil:
    """Begin an aggregate whose length reply_resolve will give."""
    return out_defer(&c.out)


cdef void reply_resolve(
    client_t *c, out_block_t *mark, char kind, int64_t n
) noexcept nogil:
    """Give the length of the aggregate begun at mark."""
    out_resolve(&c.out, mark, kind, n)


cdef void reply_help(client_t *c, const char **lines) noexcept nogil:
    """Reply the lines of a HELP subcommand, with the head and tail that all have."""
    cdef char[160] text
    cdef int n = 0, i, len
    while lines[n] != NULL:
        n += 1
    reply_array(c, n + 3)
    len = 0
    while c.cmd.name[len] != 0 and c.cmd.name[len] != b"|":
        text[len] = c.cmd.name[len] - 32 if 97 <= c.cmd.name[len] <= 122 \
            else c.cmd.name[len]
        len += 1
    len += snprintf(
        text + len, sizeof(text) - len,
        b" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
    resp_simple(&c.out, text, len)
    for i in range(n):
        reply_simple(c, lines[i])
    reply_simple(c, b"HELP")
    reply_simple(c, b"    Print this help.")
