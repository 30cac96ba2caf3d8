# SPDX-License-Identifier: BSD-3-Clause
r"""Bitmap commands: single bits, counts, searches, combinations, BITFIELD.

A bitmap is a string. Writers have it made writable and long enough (str_writable), so
a long one grows in place; a key that does not exist is one without bits.

    BITFIELD k SET u8 0 1 OVERFLOW SAT INCRBY i5 #3 9 GET u8 0
             \--- all read first, so that an error changes nothing --> executed in order
"""
from fastredis.core.blob cimport blob_t, blob_try_new
from fastredis.core.mem cimport zfree, zmalloc, zrealloc
from fastredis.core.num cimport num_parse_i64
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.bitmap cimport (
    BITOP_AND,
    BITOP_ANDOR,
    BITOP_DIFF,
    BITOP_DIFF1,
    BITOP_NOT,
    BITOP_ONE,
    BITOP_OR,
    BITOP_XOR,
    OVERFLOW_FAIL,
    OVERFLOW_SAT,
    OVERFLOW_WRAP,
    bitmap_combine,
    bitmap_count,
    bitmap_find,
    bitmap_get,
    bitmap_set,
    bitmap_t,
    bitop_t,
    field_add,
    field_get,
    field_set,
    field_t,
    overflow_t,
)
from fastredis.datatypes.t_string cimport (
    STR_INT_MAX,
    str_bytes,
    str_len,
    str_reusable,
    str_writable,
)
from fastredis.engine.args cimport (
    ARG_KEYS_BATCH,
    arg_i64_or_error,
    arg_i64_or_reply,
    arg_is,
    arg_key,
    arg_keys,
)
from fastredis.engine.changed cimport NOTIFY_GENERIC, NOTIFY_STRING, key_changed
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_NO_MEMORY, ERR_SYNTAX
from fastredis.engine.reply cimport (
    reply_array,
    reply_error,
    reply_int,
    reply_null,
    type_or_reply,
)
from fastredis.keyspace.db cimport (
    DB_NO_TTL,
    db_delete,
    db_find_read,
    db_find_write,
    db_persist,
    db_set_blob,
    dbkey_t,
)
from fastredis.keyspace.obj cimport OBJ_STRING, obj_t
from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t
from libc.stdio cimport snprintf

cdef enum:
    SOURCES_ROOM = 16           # bitmaps combined before memory is asked for
    OPS_ROOM = 16               # operations of BITFIELD, likewise
    ERROR_MAX = 80              # room for an error with an operation's name


# --- Arguments --------------------------------------------------------------------


cdef status_t _offset_or_reply(
    client_t *c, int i, int nbits, uint64_t *offset_out
) noexcept nogil:
    """Read the offset of a bit, which must be one that a string may have.

    nbits: if not 0, #n stands for the n-th field of so many bits.
    """
    cdef const char *s = c.argv[i].ptr
    cdef size_t n = c.argv[i].len
    cdef bint is_index = nbits and n and s[0] == b"#"
    cdef int64_t v
    if is_index:
        s += 1
        n -= 1
    if num_parse_i64(s, n, &v) == C_OK and v >= 0 and (
            not is_index or v <= INT64_MAX // nbits):
        if is_index:
            v *= nbits
        if <uint64_t>v >> 3 < c.srv.proto_max_bulk_len:
            offset_out[0] = v
            return C_OK
    reply_error(c, b"ERR bit offset is not an integer or out of range")
    return C_ERR


cdef status_t _string_or_reply(
    client_t *c, const dbkey_t *key, char *digits, bitmap_t *b, bint *exists_out
) noexcept nogil:
    """Find the string of a key to read from; without one b is empty."""
    cdef obj_t *o = db_find_read(c.db, key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return C_ERR
    b.ptr = NULL
    b.len = 0
    exists_out[0] = o != NULL
    if o != NULL:
        b.ptr = <const uint8_t *>str_bytes(o, digits, &b.len)
    return C_OK


# --- Single bits ------------------------------------------------------------------


cdef api void cmd_getbit(client_t *c) noexcept nogil:
    """GETBIT key offset"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[STR_INT_MAX] digits
    cdef uint64_t offset
    cdef bitmap_t b
    cdef bint exists
    if _offset_or_reply(c, 2, 0, &offset) != C_OK:
        return
    if _string_or_reply(c, &key, digits, &b, &exists) == C_OK:
        reply_int(c, bitmap_get(b.ptr, b.len, offset))


cdef api void cmd_setbit(client_t *c) noexcept nogil:
    """SETBIT key offset value"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef const char *error = b"ERR bit is not an integer or out of range"
    cdef uint64_t offset
    cdef int64_t bit
    cdef size_t len, need
    cdef uint8_t *s
    cdef bint before
    cdef obj_t *o
    if _offset_or_reply(c, 2, 0, &offset) != C_OK:
        return
    if arg_i64_or_error(c, 3, error, &bit) != C_OK:
        return
    if bit != 0 and bit != 1:
        reply_error(c, error)
        return
    o = db_find_write(c.db, &key)
    if type_or_reply(c, o, OBJ_STRING) != C_OK:
        return
    len = 0 if o == NULL else str_len(o)
    need = (offset >> 3) + 1
    s = <uint8_t *>str_writable(c.db, &key, o, need)
    if s == NULL:
        reply_error(c, ERR_NO_MEMORY)
        return
    before = bitmap_get(s, need, offset)
    if need > len or before != bit:
        bitmap_set(s, offset, bit)
        key_changed(c, &key, NOTIFY_STRING, b"setbit")
    reply_int(c, before)


# --- Count and search -------------------------------------------------------------


# A range of a string, as it was asked for and then as bits.
cdef struct range_t:
    int64_t start
    int64_t end
    bint is_bits                # counted in bits, not bytes


cdef status_t _unit_or_reply(client_t *c, int i, bint *is_bits_out) noexcept nogil:
    """Read BYTE or BIT."""
    is_bits_out[0] = arg_is(c, i, b"bit")
    if is_bits_out[0] or arg_is(c, i, b"byte"):
        return C_OK
    reply_error(c, ERR_SYNTAX)
    return C_ERR


cdef bint _clip(range_t *r, size_t nbytes) noexcept nogil:
    """Turn a range into the bits [start, end] of a string; False: it is empty.

    Negative numbers count from the end, as in GETRANGE.
    """
    cdef int64_t n = <int64_t>nbytes * 8 if r.is_bits else <int64_t>nbytes
    if r.start < 0:
        r.start = max(r.start + n, <int64_t>0)
    if r.end < 0:
        r.end = max(r.end + n, <int64_t>0)
    if r.end >= n:
        r.end = n - 1
    if r.start > r.end:
        return False
    if not r.is_bits:
        r.start *= 8
        r.end = r.end * 8 + 7
    return True


cdef api void cmd_bitcount(client_t *c) noexcept nogil:
    """BITCOUNT key [start end [BYTE | BIT]]"""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[STR_INT_MAX] digits
    cdef range_t r
    cdef bitmap_t b
    cdef bint exists
    r.start = 0
    r.end = -1
    r.is_bits = False
    if c.argc == 3 or c.argc > 5:
        reply_error(c, ERR_SYNTAX)
        return
    if c.argc > 3:
        if arg_i64_or_reply(c, 2, &r.start) != C_OK:
            return
        if arg_i64_or_reply(c, 3, &r.end) != C_OK:
            return
    if c.argc == 5 and _unit_or_reply(c, 4, &r.is_bits) != C_OK:
        return
    if _string_or_reply(c, &key, digits, &b, &exists) != C_OK:
        return
    # both before the beginning, and crossed: not the first byte, but none
    if r.start < 0 and r.end < 0 and r.start > r.end:
        reply_int(c, 0)
        return
    if b.len == 0 or not _clip(&r, b.len):
        reply_int(c, 0)
        return
    reply_int(c, bitmap_count(b.ptr, r.start, r.end))


cdef api void cmd_bitpos(client_t *c) noexcept nogil:
    """BITPOS key bit [start [end [BYTE | BIT]]]

    What follows a string counts as zeros, unless the end of the range was given.
    """
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[STR_INT_MAX] digits
    cdef int64_t bit, found
    cdef range_t r
    cdef bitmap_t b
    cdef bint exists
    r.start = 0
    r.end = -1
    r.is_bits = False
    if arg_i64_or_reply(c, 2, &bit) != C_OK:
        return
    if bit != 0 and bit != 1:
        reply_error(c, b"ERR The bit argument must be 1 or 0.")
        return
    if c.argc > 6:
        reply_error(c, ERR_SYNTAX)
        return
    if c.argc > 3 and arg_i64_or_reply(c, 3, &r.start) != C_OK:
        return
    if c.argc == 6 and _unit_or_reply(c, 5, &r.is_bits) != C_OK:
        return
    if c.argc > 4 and arg_i64_or_reply(c, 4, &r.end) != C_OK:
        return
    if _string_or_reply(c, &key, digits, &b, &exists) != C_OK:
        return
    if not exists:
        reply_int(c, -1 if bit else 0)
        return
    if not _clip(&r, b.len):
        reply_int(c, -1)
        return
    found = bitmap_find(b.ptr, r.start, r.end, bit)
    if found < 0 and not bit and c.argc < 5:
        found = <int64_t>b.len * 8
    reply_int(c, found)


# --- BITOP ------------------------------------------------------------------------


cdef status_t _operation_or_reply(client_t *c, bitop_t *op_out) noexcept nogil:
    """Read the operation, and check how many sources there are."""
    cdef char[ERROR_MAX] text
    cdef const char *name = b"ANDOR"
    if arg_is(c, 1, b"and"):
        op_out[0] = BITOP_AND
    elif arg_is(c, 1, b"or"):
        op_out[0] = BITOP_OR
    elif arg_is(c, 1, b"xor"):
        op_out[0] = BITOP_XOR
    elif arg_is(c, 1, b"one"):
        op_out[0] = BITOP_ONE
    elif arg_is(c, 1, b"not"):
        op_out[0] = BITOP_NOT
        if c.argc != 4:
            reply_error(c, b"ERR BITOP NOT must be called with a single source key.")
            return C_ERR
    else:
        if arg_is(c, 1, b"diff"):
            op_out[0] = BITOP_DIFF
            name = b"DIFF"
        elif arg_is(c, 1, b"diff1"):
            op_out[0] = BITOP_DIFF1
            name = b"DIFF1"
        elif arg_is(c, 1, b"andor"):
            op_out[0] = BITOP_ANDOR
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        if c.argc < 5:
            snprintf(
                text, ERROR_MAX,
                b"ERR BITOP %s must be called with at least two source keys.", name)
            reply_error(c, text)
            return C_ERR
    return C_OK


# The bitmaps that a command names, with room for the text of integers.
cdef struct sources_t:
    bitmap_t *maps
    char *digits
    bitmap_t maps_room[SOURCES_ROOM]
    char digits_room[SOURCES_ROOM * STR_INT_MAX]


cdef void _sources_free(sources_t *src) noexcept nogil:
    if src.maps != src.maps_room:
        zfree(src.maps)
        zfree(src.digits)


cdef status_t _sources_or_reply(
    client_t *c, int first, sources_t *src, size_t *longest_out
) noexcept nogil:
    """Find the bitmaps of the keys from an argument to the last."""
    cdef dbkey_t[ARG_KEYS_BATCH] keys
    cdef int i = first, k, n, at, total = c.argc - first
    cdef bint exists
    src.maps = src.maps_room
    src.digits = src.digits_room
    if total > SOURCES_ROOM:
        src.maps = <bitmap_t *>zmalloc(total * sizeof(bitmap_t))
        src.digits = <char *>zmalloc(total * STR_INT_MAX)
    longest_out[0] = 0
    while i < c.argc:
        n = arg_keys(c, i, 1, c.argc, keys)
        for k in range(n):
            at = i + k - first
            if _string_or_reply(
                    c, &keys[k], src.digits + at * STR_INT_MAX, &src.maps[at],
                    &exists) != C_OK:
                _sources_free(src)
                return C_ERR
            longest_out[0] = max(longest_out[0], src.maps[at].len)
        i += n
    return C_OK


cdef api void cmd_bitop(client_t *c) noexcept nogil:
    """BITOP operation destkey key [key ...]"""
    cdef dbkey_t dst = arg_key(c, 2)
    cdef sources_t src
    cdef bitop_t op
    cdef size_t longest
    cdef bint is_new
    cdef blob_t *b
    cdef obj_t *o
    if _operation_or_reply(c, &op) != C_OK:
        return
    if _sources_or_reply(c, 3, &src, &longest) != C_OK:
        return
    if longest == 0:
        if db_delete(c.db, &dst):
            key_changed(c, &dst, NOTIFY_GENERIC, b"del")
    else:
        # new memory would cost more than the result, page by page
        o = db_find_write(c.db, &dst)
        b = str_reusable(o, longest)
        is_new = b == NULL
        if is_new:
            b = blob_try_new(longest)
        if b == NULL:
            _sources_free(&src)
            reply_error(c, ERR_NO_MEMORY)
            return
        bitmap_combine(op, <uint8_t *>b.data, longest, src.maps, c.argc - 3)
        b.len = longest
        if is_new:
            db_set_blob(c.db, &dst, b, DB_NO_TTL)
        else:
            db_persist(c.db, &dst, o)
        key_changed(c, &dst, NOTIFY_STRING, b"set")
    _sources_free(&src)
    reply_int(c, longest)


# --- BITFIELD ---------------------------------------------------------------------


cdef enum op_kind_t:
    FIELD_GET = 0
    FIELD_SET = 1
    FIELD_INCR = 2

cdef struct op_t:
    op_kind_t kind
    overflow_t overflow
    field_t field
    int64_t operand

# The operations of one command; few need no memory of their own.
cdef struct ops_t:
    op_t *ops
    int n
    int cap
    bint has_writes
    uint64_t highest            # bit that any of them writes
    op_t room[OPS_ROOM]


cdef void _ops_free(ops_t *all) noexcept nogil:
    if all.ops != all.room:
        zfree(all.ops)


cdef op_t *_ops_next(ops_t *all) noexcept nogil:
    """Return room for one operation more."""
    cdef op_t *more
    cdef int i
    if all.n == all.cap:
        all.cap *= 2
        if all.ops == all.room:
            more = <op_t *>zmalloc(all.cap * sizeof(op_t))
            for i in range(all.n):
                more[i] = all.room[i]
            all.ops = more
        else:
            all.ops = <op_t *>zrealloc(all.ops, all.cap * sizeof(op_t))
    all.n += 1
    return &all.ops[all.n - 1]


cdef status_t _field_type_or_reply(client_t *c, int i, field_t *f) noexcept nogil:
    """Read a type such as i16 or u8."""
    cdef const char *s = c.argv[i].ptr
    cdef size_t n = c.argv[i].len
    cdef int64_t nbits
    if n >= 2 and (s[0] == b"i" or s[0] == b"u"):
        f.is_signed = s[0] == b"i"
        if num_parse_i64(s + 1, n - 1, &nbits) == C_OK and (
                1 <= nbits <= (64 if f.is_signed else 63)):
            f.nbits = <int>nbits
            return C_OK
    reply_error(
        c, b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
        b"not supported but i64 is.")
    return C_ERR


cdef status_t _overflow_or_reply(
    client_t *c, int i, overflow_t *mode_out
) noexcept nogil:
    """Read WRAP, SAT or FAIL."""
    if arg_is(c, i, b"wrap"):
        mode_out[0] = OVERFLOW_WRAP
    elif arg_is(c, i, b"sat"):
        mode_out[0] = OVERFLOW_SAT
    elif arg_is(c, i, b"fail"):
        mode_out[0] = OVERFLOW_FAIL
    else:
        reply_error(c, b"ERR Invalid OVERFLOW type specified")
        return C_ERR
    return C_OK


cdef status_t _ops_or_reply(client_t *c, ops_t *all) noexcept nogil:
    """Read all operations."""
    cdef overflow_t mode = OVERFLOW_WRAP
    cdef int i = 2, left
    cdef op_t op
    while i < c.argc:
        left = c.argc - i - 1
        op.operand = 0
        if arg_is(c, i, b"get") and left >= 2:
            op.kind = FIELD_GET
        elif arg_is(c, i, b"set") and left >= 3:
            op.kind = FIELD_SET
        elif arg_is(c, i, b"incrby") and left >= 3:
            op.kind = FIELD_INCR
        elif arg_is(c, i, b"overflow") and left >= 1:
            if _overflow_or_reply(c, i + 1, &mode) != C_OK:
                return C_ERR
            i += 2
            continue
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        op.overflow = mode
        if _field_type_or_reply(c, i + 1, &op.field) != C_OK:
            return C_ERR
        if _offset_or_reply(c, i + 2, op.field.nbits, &op.field.offset) != C_OK:
            return C_ERR
        i += 3
        if op.kind != FIELD_GET:
            if arg_i64_or_reply(c, i, &op.operand) != C_OK:
                return C_ERR
            i += 1
            all.has_writes = True
            all.highest = max(all.highest, op.field.offset + op.field.nbits - 1)
        _ops_next(all)[0] = op
    return C_OK


cdef bint _write_field(
    client_t *c, const op_t *op, uint8_t *s, size_t nbytes
) noexcept nogil:
    """Execute SET or INCRBY and reply; return whether the value is another now."""
    cdef int64_t before = field_get(s, nbytes, op.field), after
    cdef status_t status
    if op.kind == FIELD_INCR:
        status = field_add(op.field, before, op.operand, op.overflow, &after)
    else:
        status = field_add(op.field, op.operand, 0, op.overflow, &after)
    if status != C_OK:
        reply_null(c)
        return False
    reply_int(c, after if op.kind == FIELD_INCR else before)
    field_set(s, op.field, after)
    return before != after


cdef void _bitfield(client_t *c, ops_t *all) noexcept nogil:
    """Execute the operations."""
    cdef dbkey_t key = arg_key(c, 1)
    cdef char[STR_INT_MAX] digits
    cdef size_t len, need
    cdef uint8_t *s = NULL
    cdef bitmap_t b
    cdef bint exists, is_changed
    cdef const op_t *op
    cdef obj_t *o
    cdef int i
    if not all.has_writes:
        if _string_or_reply(c, &key, digits, &b, &exists) != C_OK:
            return
        is_changed = False
    else:
        o = db_find_write(c.db, &key)
        if type_or_reply(c, o, OBJ_STRING) != C_OK:
            return
        len = 0 if o == NULL else str_len(o)
        need = (all.highest >> 3) + 1
        s = <uint8_t *>str_writable(c.db, &key, o, need)
        if s == NULL:
            reply_error(c, ERR_NO_MEMORY)
            return
        b.ptr = s
        b.len = max(len, need)
        is_changed = need > len
    reply_array(c, all.n)
    for i in range(all.n):
        op = &all.ops[i]
        if op.kind == FIELD_GET:
            reply_int(c, field_get(b.ptr, b.len, op.field))
        elif _write_field(c, op, s, b.len):
            is_changed = True
    if is_changed:
        key_changed(c, &key, NOTIFY_STRING, b"setbit")


cdef void _read_and_execute(client_t *c, bint is_readonly) noexcept nogil:
    cdef ops_t all
    all.ops = all.room
    all.n = 0
    all.cap = OPS_ROOM
    all.has_writes = False
    all.highest = 0
    if _ops_or_reply(c, &all) == C_OK:
        if is_readonly and all.has_writes:
            reply_error(c, b"ERR BITFIELD_RO only supports the GET subcommand")
        else:
            _bitfield(c, &all)
    _ops_free(&all)


cdef api void cmd_bitfield(client_t *c) noexcept nogil:
    """BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL]
    SET type offset value | INCRBY type offset increment ...]"""
    _read_and_execute(c, False)


cdef api void cmd_bitfield_ro(client_t *c) noexcept nogil:
    """BITFIELD_RO key [GET type offset ...]"""
    _read_and_execute(c, True)
