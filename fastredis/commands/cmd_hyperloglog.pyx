# SPDX-License-Identifier: BSD-3-Clause
"""HyperLogLog: add elements, count distinct ones, merge. The strings in which they are
kept are in datatypes/hyperloglog.pyx."""
from fastredis.core.mem cimport zfree, ztrymalloc
from fastredis.core.num cimport num_format_i64
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.hyperloglog cimport (
    HLL_CORRUPT,
    HLL_DENSE,
    HLL_REGISTERS,
    HLL_SPARSE,
    hll_add,
    hll_cached,
    hll_count,
    hll_count_one,
    hll_encoding,
    hll_has_simd,
    hll_is_valid,
    hll_merge,
    hll_next,
    hll_op_t,
    hll_open,
    hll_raise,
    hll_selftest,
    hll_set_cached,
    hll_t,
    hll_to_dense,
)
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.engine.args cimport arg_is, arg_key
from fastredis.engine.changed cimport NOTIFY_STRING, key_changed, key_changed_n
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_NO_MEMORY
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_error,
    reply_error_arg,
    reply_int,
    reply_ok,
    reply_simple,
    type_or_reply,
)
from fastredis.keyspace.db cimport db_find_read, db_find_write, dbkey_t
from fastredis.keyspace.obj cimport OBJ_STRING, obj_t
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memset

cdef enum:
    NO_EVENT = 0                # the string changed, but not what it stands for
    DECODED_MAX = 8             # characters for an instruction: "Z:16384 "


cdef status_t _string_or_reply(
    client_t *c, const obj_t *o, const char **s_out, size_t *nbytes_out
) noexcept nogil:
    """Return the bytes of a HyperLogLog, borrowed; o must not be NULL."""
    cdef char[STR_INT_MAX] digits
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return C_ERR
    # an integer's digits are too short to be valid, so they do not leave
    s_out[0] = str_bytes(o, digits, nbytes_out)
    if hll_is_valid(s_out[0], nbytes_out[0]):
        return C_OK
    reply_error(c, b"WRONGTYPE Key is not a valid HyperLogLog string value.")
    return C_ERR


cdef inline void _reply_corrupt(client_t *c) noexcept nogil:
    reply_error(c, b"INVALIDOBJ Corrupted HLL object detected")


cdef status_t _merge_or_reply(
    client_t *c, int first, uint8_t *registers, bint *is_dense_out
) noexcept nogil:
    """Merge the HyperLogLogs of the keys from argument first on."""
    cdef const char *s
    cdef size_t nbytes
    cdef dbkey_t key
    cdef obj_t *o
    cdef int i
    memset(registers, 0, HLL_REGISTERS)
    is_dense_out[0] = False
    for i in range(first, c.argc):
        key = arg_key(c, i)
        o = db_find_read(c.db, &key)
        if o == NULL:
            continue
        if _string_or_reply(c, o, &s, &nbytes) != C_OK:
            return C_ERR
        if hll_encoding(s) == HLL_DENSE:
            is_dense_out[0] = True
        if hll_merge(registers, s, nbytes, not c.srv.is_hll_simd_off) != C_OK:
            _reply_corrupt(c)
            return C_ERR
    return C_OK


cdef api void cmd_pfadd(client_t *c) noexcept nogil:
    """PFADD key [element ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_write(c.db, &key)
    cdef int changes = o == NULL
    cdef int i, changed = 0
    cdef const char *s
    cdef size_t nbytes
    cdef hll_t h
    if o != NULL and _string_or_reply(c, o, &s, &nbytes) != C_OK:
        return
    if hll_open(c.db, &key, o, &h) != C_OK:
        reply_error(c, ERR_NO_MEMORY)
        return
    for i in range(2, c.argc):
        changed = hll_add(
            &h, c.argv[i].ptr, c.argv[i].len, c.srv.hll_sparse_max_bytes)
        if changed == HLL_CORRUPT:
            break
        changes += changed
    if changes:
        # each change counts, also those before an instruction that is corrupt
        key_changed_n(c, &key, NOTIFY_STRING, b"pfadd", changes)
    if changed == HLL_CORRUPT:
        _reply_corrupt(c)
    else:
        reply_int(c, changes > 0)


cdef void _count_one(client_t *c) noexcept nogil:
    """Reply the estimate that the key's header has, or make it and keep it there."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef obj_t *o = db_find_read(c.db, &key)
    cdef const char *s
    cdef size_t nbytes
    cdef uint64_t count
    cdef hll_t h
    if o == NULL:
        reply_int(c, 0)
        return
    if _string_or_reply(c, o, &s, &nbytes) != C_OK:
        return
    if hll_open(c.db, &key, o, &h) != C_OK:
        reply_error(c, ERR_NO_MEMORY)
        return
    if not hll_cached(h.b.data, &count):
        if hll_count_one(
                h.b.data, h.b.len, not c.srv.is_hll_simd_off, &count) != C_OK:
            _reply_corrupt(c)
            return
        hll_set_cached(&h, count)
        key_changed(c, &key, NO_EVENT, b"")
    reply_int(c, count)


cdef api void cmd_pfcount(client_t *c) noexcept nogil:
    """PFCOUNT key [key ...]"""
    cdef uint8_t[HLL_REGISTERS] registers
    cdef bint is_dense
    if c.argc == 2:
        _count_one(c)
    elif _merge_or_reply(c, 1, registers, &is_dense) == C_OK:
        reply_int(c, hll_count(registers))


cdef api void cmd_pfmerge(client_t *c) noexcept nogil:
    """PFMERGE destkey [sourcekey ...]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef uint8_t[HLL_REGISTERS] registers
    cdef bint is_dense
    cdef hll_t h
    if _merge_or_reply(c, 1, registers, &is_dense) != C_OK:
        return
    if hll_open(c.db, &key, db_find_write(c.db, &key), &h) != C_OK:
        reply_error(c, ERR_NO_MEMORY)
        return
    if hll_raise(&h, registers, is_dense, c.srv.hll_sparse_max_bytes) != C_OK:
        _reply_corrupt(c)
        return
    key_changed(c, &key, NOTIFY_STRING, b"pfadd")
    reply_ok(c)


# --- Debugging --------------------------------------------------------------------


cdef void _reply_registers(client_t *c, const char *s, size_t nbytes) noexcept nogil:
    cdef uint8_t[HLL_REGISTERS] registers
    cdef int i
    memset(registers, 0, HLL_REGISTERS)
    if hll_merge(registers, s, nbytes, False) != C_OK:
        _reply_corrupt(c)
        return
    reply_array(c, HLL_REGISTERS)
    for i in range(HLL_REGISTERS):
        reply_int(c, registers[i])


cdef void _reply_decoded(client_t *c, const char *s, size_t nbytes) noexcept nogil:
    """Reply the instructions of a sparse one as text."""
    cdef size_t pos = 0
    cdef hll_op_t op
    cdef char *text
    cdef char *p
    cdef int found
    if hll_encoding(s) != HLL_SPARSE:
        reply_error(c, b"ERR HLL encoding is not sparse")
        return
    text = <char *>ztrymalloc(nbytes * DECODED_MAX)
    if text == NULL:
        reply_error(c, ERR_NO_MEMORY)
        return
    p = text
    while True:
        found = hll_next(s, nbytes, &pos, &op)
        if found != 1:
            break
        if op.value:
            p[0] = b"v"
            p[1] = b":"
            p += 2 + num_format_i64(p + 2, op.value)
            p[0] = b","
            p += 1
        else:
            p[0] = b"z" if op.nbytes == 1 else b"Z"
            p[1] = b":"
            p += 2
        p += num_format_i64(p, op.run)
        p[0] = b" "
        p += 1
    if found == HLL_CORRUPT:
        _reply_corrupt(c)
    else:
        reply_bulk(c, text, p - text - (1 if p > text else 0))
    zfree(text)


cdef int _to_dense_or_reply(
    client_t *c, const dbkey_t *key, hll_t *h
) noexcept nogil:
    """Make it dense; 1: it was sparse, -1: it is corrupt."""
    if hll_encoding(h.b.data) == HLL_DENSE:
        return 0
    if hll_to_dense(h) != C_OK:
        _reply_corrupt(c)
        return -1
    key_changed(c, key, NO_EVENT, b"")
    return 1


cdef void _set_simd(client_t *c) noexcept nogil:
    if arg_is(c, 2, b"on"):
        c.srv.is_hll_simd_off = False
    elif arg_is(c, 2, b"off"):
        c.srv.is_hll_simd_off = True
    else:
        reply_error(c, b"ERR Argument must be ON or OFF")
        return
    if hll_has_simd() and not c.srv.is_hll_simd_off:
        reply_simple(c, b"enabled")
    else:
        reply_simple(c, b"disabled")


cdef api void cmd_pfdebug(client_t *c) noexcept nogil:
    """PFDEBUG GETREG | DECODE | ENCODING | TODENSE key, PFDEBUG SIMD ON | OFF"""
    cdef dbkey_t key
    cdef const char *s
    cdef size_t nbytes
    cdef int changed
    cdef obj_t *o
    cdef hll_t h
    if arg_is(c, 1, b"simd"):
        _set_simd(c)
        return
    key = arg_key(c, 2)
    o = db_find_write(c.db, &key)
    if o == NULL:
        reply_error(c, b"ERR The specified key does not exist")
        return
    if _string_or_reply(c, o, &s, &nbytes) != C_OK:
        return
    if hll_open(c.db, &key, o, &h) != C_OK:
        reply_error(c, ERR_NO_MEMORY)
        return
    if arg_is(c, 1, b"decode"):
        _reply_decoded(c, h.b.data, h.b.len)
    elif arg_is(c, 1, b"encoding"):
        reply_simple(
            c, b"dense" if hll_encoding(h.b.data) == HLL_DENSE else b"sparse")
    elif arg_is(c, 1, b"getreg"):
        if _to_dense_or_reply(c, &key, &h) >= 0:
            _reply_registers(c, h.b.data, h.b.len)
    elif arg_is(c, 1, b"todense"):
        changed = _to_dense_or_reply(c, &key, &h)
        if changed >= 0:
            reply_int(c, changed)
    else:
        reply_error_arg(c, b"ERR Unknown PFDEBUG subcommand '", 1, b"'")


cdef api void cmd_pfselftest(client_t *c) noexcept nogil:
    """PFSELFTEST"""
    cdef const char *wrong = hll_selftest(
        &c.srv.ks.rand, c.srv.hll_sparse_max_bytes)
    if wrong != NULL:
        reply_error(c, wrong)
    else:
        reply_ok(c)
