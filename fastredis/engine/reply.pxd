# SPDX-License-Identifier: BSD-3-Clause
"""Replies of handlers: the encoders of resp.writer, given a client. Exactly one value
is replied by each command; aggregates are a head and then their elements."""
from fastredis.core.blob cimport blob_t
from fastredis.core.status cimport C_ERR, C_OK, fr_likely, status_t
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_WRONG_TYPE
from fastredis.keyspace.obj cimport obj_t, obj_type
from fastredis.resp.writer cimport (
    out_block_t,
    resp_array,
    resp_bool,
    resp_bulk,
    resp_bulk_int,
    resp_double,
    resp_int,
    resp_map,
    resp_null,
    resp_null_array,
    resp_ok,
    resp_set,
    resp_simple,
)
from libc.stdint cimport int64_t
from libc.string cimport strlen

# an error; text is a constant of engine.errors or formatted by the caller, with its
# code ("ERR ..."), without the leading dash
cdef void reply_error(client_t *c, const char *text) noexcept nogil
cdef void reply_error_len(client_t *c, const char *text, size_t nbytes) noexcept nogil
# prefix, then the argument's bytes (at most 2048, to the first NUL), then suffix
cdef void reply_error_arg(
    client_t *c, const char *prefix, int i, const char *suffix
) noexcept nogil
cdef void reply_wrong_arity(client_t *c) noexcept nogil
# a string object's value as a bulk string; its type must be OBJ_STRING
cdef void reply_string_obj(client_t *c, const obj_t *o) noexcept nogil
# arrays whose length is known at the end; kind b"*", b"%", b"~" as in RESP3
cdef out_block_t *reply_defer(client_t *c) noexcept nogil
cdef void reply_resolve(
    client_t *c, out_block_t *mark, char kind, int64_t n
) noexcept nogil
# the lines of a HELP subcommand: NULL-terminated; head and tail are added
cdef void reply_help(client_t *c, const char **lines) noexcept nogil

cdef inline status_t type_or_reply(
    client_t *c, const obj_t *o, int type
) noexcept nogil:
    """Check that o is of this type, or NULL; else reply WRONGTYPE."""
    if fr_likely(o == NULL or obj_type(o) == type):
        return C_OK
    reply_error(c, ERR_WRONG_TYPE)
    return C_ERR

cdef inline void reply_ok(client_t *c) noexcept nogil:
    resp_ok(&c.out)

cdef inline void reply_int(client_t *c, int64_t n) noexcept nogil:
    resp_int(&c.out, n)

cdef inline void reply_bulk(client_t *c, const char *s, size_t nbytes) noexcept nogil:
    resp_bulk(&c.out, s, nbytes)

cdef inline void reply_cstring(client_t *c, const char *s) noexcept nogil:
    """Reply a bulk string that ends with NUL."""
    resp_bulk(&c.out, s, strlen(s))

cdef inline void reply_bulk_int(client_t *c, int64_t n) noexcept nogil:
    resp_bulk_int(&c.out, n)

cdef inline void reply_simple(client_t *c, const char *s) noexcept nogil:
    """Reply a simple string that ends with NUL."""
    resp_simple(&c.out, s, strlen(s))

cdef inline void reply_null(client_t *c) noexcept nogil:
    resp_null(&c.out)

cdef inline void reply_null_array(client_t *c) noexcept nogil:
    resp_null_array(&c.out)

cdef inline void reply_bool(client_t *c, bint value) noexcept nogil:
    resp_bool(&c.out, value)

cdef inline void reply_double(client_t *c, double value) noexcept nogil:
    resp_double(&c.out, value)

cdef inline void reply_array(client_t *c, int64_t n) noexcept nogil:
    resp_array(&c.out, n)

cdef inline void reply_map(client_t *c, int64_t npairs) noexcept nogil:
    resp_map(&c.out, npairs)

cdef inline void reply_set(client_t *c, int64_t n) noexcept nogil:
    resp_set(&c.out, n)
