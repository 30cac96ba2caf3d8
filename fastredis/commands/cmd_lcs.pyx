# SPDX-License-Identifier: BSD-3-Clause
"""LCS: what two strings have in common. See datatypes/lcs.pyx for the algorithm."""
from fastredis.core.mem cimport zfree, ztrymalloc
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.lcs cimport (
    lcs_free,
    lcs_len,
    lcs_new,
    lcs_next,
    lcs_run_t,
    lcs_t,
)
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_NO_MEMORY, ERR_SYNTAX
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_cstring,
    reply_defer,
    reply_error,
    reply_int,
    reply_map,
    reply_resolve,
)
from fastredis.keyspace.db cimport db_find_read, dbkey_t
from fastredis.keyspace.obj cimport OBJ_STRING, obj_t, obj_type
from fastredis.resp.writer cimport out_block_t
from libc.stdint cimport UINT32_MAX, int64_t
from libc.string cimport memcpy


cdef void _reply_lcs_text(client_t *c, lcs_t *t, const char *a) noexcept nogil:
    """Reply the subsequence itself."""
    cdef size_t nbytes = lcs_len(t), pos = nbytes
    cdef char *text = <char *>ztrymalloc(nbytes + 1)
    cdef lcs_run_t run
    if text == NULL:
        reply_error(c, ERR_NO_MEMORY)
        return
    while lcs_next(t, &run):
        pos -= run.len
        memcpy(text + pos, a + run.a, run.len)
    reply_bulk(c, text, nbytes)
    zfree(text)


cdef void _reply_lcs_runs(
    client_t *c, lcs_t *t, int64_t min_len, bint has_len
) noexcept nogil:
    """Reply where the runs of at least min_len are, and the length in all."""
    cdef out_block_t *mark
    cdef lcs_run_t run
    cdef int64_t n = 0
    reply_map(c, 2)
    reply_cstring(c, b"matches")
    mark = reply_defer(c)
    while lcs_next(t, &run):
        if <int64_t>run.len < min_len:
            continue
        n += 1
        reply_array(c, 3 if has_len else 2)
        reply_array(c, 2)
        reply_int(c, run.a)
        reply_int(c, run.a + run.len - 1)
        reply_array(c, 2)
        reply_int(c, run.b)
        reply_int(c, run.b + run.len - 1)
        if has_len:
            reply_int(c, run.len)
    reply_resolve(c, mark, b"*", n)
    reply_cstring(c, b"len")
    reply_int(c, lcs_len(t))


cdef status_t _lcs_size_or_reply(
    client_t *c, size_t a_len, size_t b_len
) noexcept nogil:
    """Check that the strings are no longer than Redis allows, whose table has four
    bytes for each pair of positions: this bounds the time, too."""
    if a_len >= UINT32_MAX - 1 or b_len >= UINT32_MAX - 1:
        reply_error(c, b"ERR String too long for LCS")
        return C_ERR
    if (a_len + 1) * (b_len + 1) > c.srv.proto_max_bulk_len // 4:
        reply_error(
            c, b"ERR Insufficient memory, transient memory for LCS exceeds "
            b"proto-max-bulk-len")
        return C_ERR
    return C_OK


cdef api void cmd_lcs(client_t *c) noexcept nogil:
    """LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min] [WITHMATCHLEN]"""
    cdef dbkey_t key_a = arg_key(c, 1), key_b = arg_key(c, 2)
    cdef obj_t *o_a = db_find_read(c.db, &key_a)
    cdef obj_t *o_b = db_find_read(c.db, &key_b)
    cdef bint is_len = False, is_idx = False, has_len = False
    cdef int64_t min_len = 0
    cdef char[STR_INT_MAX] digits_a, digits_b
    cdef const char *a = b""
    cdef const char *b = b""
    cdef size_t a_len = 0, b_len = 0
    cdef lcs_t *t
    cdef int i = 3
    if (o_a != NULL and obj_type(o_a) != OBJ_STRING) or (
            o_b != NULL and obj_type(o_b) != OBJ_STRING):
        reply_error(c, b"ERR The specified keys must contain string values")
        return
    while i < c.argc:
        if arg_is(c, i, b"idx"):
            is_idx = True
        elif arg_is(c, i, b"len"):
            is_len = True
        elif arg_is(c, i, b"withmatchlen"):
            has_len = True
        elif arg_is(c, i, b"minmatchlen") and i + 1 < c.argc:
            i += 1
            if arg_i64_or_reply(c, i, &min_len) != C_OK:
                return
        else:
            reply_error(c, ERR_SYNTAX)
            return
        i += 1
    if is_idx and is_len:
        reply_error(
            c, b"ERR If you want both the length and indexes, please just use IDX.")
        return
    if o_a != NULL:
        a = str_bytes(o_a, digits_a, &a_len)
    if o_b != NULL:
        b = str_bytes(o_b, digits_b, &b_len)
    if _lcs_size_or_reply(c, a_len, b_len) != C_OK:
        return
    t = lcs_new(a, a_len, b, b_len, not is_len)
    if t == NULL:
        reply_error(c, b"ERR Insufficient memory, failed allocating transient memory "
                    b"for LCS")
        return
    if is_idx:
        _reply_lcs_runs(c, t, min_len, has_len)
    elif is_len:
        reply_int(c, lcs_len(t))
    else:
        _reply_lcs_text(c, t, a)
    lcs_free(t)
