# SPDX-License-Identifier: BSD-3-Clause
"""Ids and entries of streams in requests and replies. See stream_args.pyx."""
from fastredis.core.status cimport status_t
from fastredis.datatypes.stream_groups cimport sconsumer_t, sgroup_t
from fastredis.datatypes.t_stream cimport (
    stream_iter_t,
    stream_refs_t,
    stream_t,
)
from fastredis.ds.streamindex cimport sid_t
from fastredis.engine.client cimport client_t
from fastredis.keyspace.db cimport dbkey_t
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SID_BUF = 48                # room for an id's text

# An id with or without its second number, which then is missing_seq; "-" and "+" are
# the smallest and the greatest. "ERR Invalid stream ID specified as stream command ..."
cdef status_t arg_sid_or_reply(
    client_t *c, int i, uint64_t missing_seq, sid_t *id_out
) noexcept nogil
# the same without "-" and "+". has_seq_out: False for "1-*"; NULL: that is an error
cdef status_t arg_strict_sid_or_reply(
    client_t *c, int i, sid_t *id_out, bint *has_seq_out
) noexcept nogil
# the same, but nothing is replied if it is none
cdef status_t sid_parse_strict(client_t *c, int i, sid_t *id_out) noexcept nogil
# one end of a range; is_open_out: it began with "("
cdef status_t stream_end_or_reply(
    client_t *c, int i, uint64_t missing_seq, sid_t *id_out, bint *is_open_out
) noexcept nogil
# both ends, of which an open one is moved by one
cdef status_t arg_sid_range_or_reply(
    client_t *c, int first, int last, sid_t *start_out, sid_t *end_out
) noexcept nogil
# text without NUL; returns its length
cdef int sid_format(char *buf, sid_t id) noexcept nogil
cdef void reply_sid(client_t *c, sid_t id) noexcept nogil
# an array of id and fields
cdef void reply_stream_entry(client_t *c, stream_iter_t *it) noexcept nogil
# the first two of n elements of an array: the others are the caller's to reply
cdef void reply_stream_entry_and(
    client_t *c, stream_iter_t *it, int64_t n
) noexcept nogil
# bytes that these two are in a reply, about
cdef size_t stream_entry_nbytes(const stream_iter_t *it) noexcept nogil

# The stream at argument i for writing; *s_out is NULL if there is none.
cdef status_t stream_write_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out
) noexcept nogil
cdef status_t stream_read_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out
) noexcept nogil

# KEEPREF, DELREF or ACKED; False: argument i is none of them
cdef bint arg_stream_refs(client_t *c, int i, stream_refs_t *refs_out) noexcept nogil
# IDS, their number and they themselves, at argument i: *first_out is the first of n
cdef status_t arg_sids_or_reply(
    client_t *c, int i, int *first_out, int *n_out
) noexcept nogil
# an error that shows two arguments
cdef void reply_error_args(
    client_t *c, const char *head, int i, const char *middle, int j, const char *tail
) noexcept nogil
# Both of the former, in either order, from argument i to the last.
cdef status_t arg_sids_and_refs_or_reply(
    client_t *c, int i, stream_refs_t *refs_out, int *first_out, int *n_out
) noexcept nogil
cdef status_t stream_check_ids_or_reply(client_t *c, int first, int n) noexcept nogil
# n entries of a stream were deleted
cdef void stream_was_deleted(
    client_t *c, const dbkey_t *key, stream_t *s, int64_t n
) noexcept nogil

# Stream and group, which argument 2 names; "NOGROUP No such key ..."
cdef status_t stream_group_or_reply(
    client_t *c, const dbkey_t *key, stream_t **s_out, sgroup_t **g_out
) noexcept nogil
# the consumer that argument i names, made if there is none; it was seen now
cdef sconsumer_t *stream_consumer(
    client_t *c, const dbkey_t *key, sgroup_t *g, int i
) noexcept nogil
