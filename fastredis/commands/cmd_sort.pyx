# SPDX-License-Identifier: BSD-3-Clause
r"""SORT and SORT_RO.

    read the elements --> weights by BY, or their own --> sort --> LIMIT --> GET, reply
                                                                         or STORE

A pattern has one asterisk, which an element takes the place of; "->field" at its end
means a field of the hash of that name. "#" is the element itself. BY a pattern without
an asterisk means that nothing is to be sorted; then a list or sorted set is read only
where LIMIT says.

Elements are compared as bytes, not by the rules of a locale.
"""
from fastredis.core.mem cimport zfree, zmalloc, zrealloc
from fastredis.core.num cimport num_parse_double
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.datatypes.sorting cimport (
    SORT_ALPHA,
    SORT_BY_WEIGHT,
    SORT_DESC,
    sort_add,
    sort_batch_t,
    sort_free,
    sort_new,
    sort_run,
    sort_set_weight,
    sort_text_t,
    sort_value,
)
from fastredis.datatypes.t_hash cimport hash_get, hash_purge, hash_text_t
from fastredis.datatypes.t_list cimport (
    list_create,
    list_end,
    list_grow,
    list_iter_t,
    list_len,
    list_move,
    list_push,
    list_seek,
    list_text,
)
from fastredis.datatypes.t_set cimport (
    member_t,
    member_text,
    set_iter,
    set_iter_t,
    set_len,
    set_next,
    set_of,
)
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.datatypes.t_zset cimport (
    zset_entry_t,
    zset_iter_t,
    zset_len,
    zset_next,
    zset_of,
    zset_seek,
)
from fastredis.ds.listpack cimport LP_INT_BUF
from fastredis.ds.quicklist cimport QL_TAIL
from fastredis.engine.args cimport arg_i64_or_reply, arg_is, arg_key
from fastredis.engine.changed cimport (
    NOTIFY_GENERIC,
    NOTIFY_LIST,
    key_changed,
    key_changed_n,
)
from fastredis.engine.client cimport client_t
from fastredis.engine.errors cimport ERR_SYNTAX, ERR_WRONG_TYPE
from fastredis.engine.reply cimport (
    reply_array,
    reply_bulk,
    reply_error,
    reply_int,
    reply_null,
)
from fastredis.keyspace.db cimport (
    db_delete,
    db_find_read,
    db_visible_ms,
    dbkey,
    dbkey_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_HASH,
    OBJ_LIST,
    OBJ_SET,
    OBJ_STRING,
    OBJ_ZSET,
    obj_t,
    obj_type,
)
from fastredis.resp.parser cimport slice_t
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memchr, memcpy

cdef enum:
    KEY_ROOM = 256              # longer names of keys are made on the heap


# --- Patterns ---------------------------------------------------------------------

# A pattern, taken apart: name of the key before and after the asterisk, and the field.
cdef struct pattern_t:
    slice_t before
    slice_t after
    slice_t field               # len 0: the key's own value
    bint has_star
    bint is_element             # "#"

# What a look-up finds; bytes are borrowed, from the keyspace or from here. It is not to
# be copied.
cdef struct found_t:
    char[STR_INT_MAX] digits
    hash_text_t text
    const char *ptr             # NULL: nothing
    size_t len


cdef void _parse_pattern(const slice_t *s, pattern_t *p) noexcept nogil:
    """Take a pattern apart."""
    cdef const char *end = s.ptr + s.len
    cdef const char *star = <const char *>memchr(s.ptr, b"*", s.len)
    cdef const char *arrow
    p.is_element = s.len == 1 and s.ptr[0] == b"#"
    p.has_star = star != NULL
    p.before.ptr = s.ptr
    p.before.len = s.len
    p.after.ptr = end
    p.after.len = 0
    p.field = p.after
    if star == NULL:
        return
    p.before.len = star - s.ptr
    p.after.ptr = <char *>star + 1
    p.after.len = end - star - 1
    # an arrow with nothing behind it is part of the key's name
    arrow = star + 1
    while arrow + 2 < end:
        if arrow[0] == b"-" and arrow[1] == b">":
            p.field.ptr = <char *>arrow + 2
            p.field.len = end - arrow - 2
            p.after.len = arrow - star - 1
            return
        arrow += 1


cdef void _look_up(
    client_t *c, const pattern_t *p, const char *s, size_t nbytes, found_t *found_out
) noexcept nogil:
    """Find what a pattern means for one element."""
    cdef char[KEY_ROOM] room
    cdef char *name = room
    cdef size_t n = p.before.len + nbytes + p.after.len
    cdef dbkey_t key
    cdef obj_t *o
    found_out.ptr = NULL
    found_out.len = 0
    if p.is_element:
        found_out.ptr = s
        found_out.len = nbytes
        return
    if not p.has_star:
        return
    if n > KEY_ROOM:
        name = <char *>zmalloc(n)
    memcpy(name, p.before.ptr, p.before.len)
    memcpy(name + p.before.len, s, nbytes)
    memcpy(name + p.before.len + nbytes, p.after.ptr, p.after.len)
    key = dbkey(name, n)
    o = db_find_read(c.db, &key)
    if o != NULL and p.field.len != 0 and obj_type(o) == OBJ_HASH:
        # nothing that was found before is looked at again: what is over may go
        o = hash_purge(c.db, &key, o, &p.field, 1, 1)
    if name != room:
        zfree(name)
    if o == NULL:
        return
    if p.field.len == 0:
        if obj_type(o) == OBJ_STRING:
            found_out.ptr = str_bytes(o, found_out.digits, &found_out.len)
    elif obj_type(o) == OBJ_HASH and hash_get(
            o, p.field.ptr, p.field.len, db_visible_ms(c.db), &found_out.text):
        found_out.ptr = found_out.text.ptr
        found_out.len = found_out.text.len


# --- Options ----------------------------------------------------------------------

cdef struct sort_options_t:
    bint is_desc
    bint is_alpha
    bint is_unsorted            # BY without an asterisk
    bint has_by
    pattern_t by
    int store                   # the argument, or 0
    int64_t limit_start
    int64_t limit_count         # negative: no limit
    pattern_t *gets             # owned
    int ngets


cdef status_t _options_or_reply(
    client_t *c, bint is_readonly, sort_options_t *opts
) noexcept nogil:
    """Read the arguments after the key; opts.gets is the caller's in any case."""
    cdef int i = 2, left
    opts.is_desc = opts.is_alpha = opts.is_unsorted = opts.has_by = False
    opts.store = 0
    opts.limit_start = 0
    opts.limit_count = -1
    opts.gets = NULL
    opts.ngets = 0
    while i < c.argc:
        left = c.argc - i - 1
        if arg_is(c, i, b"asc"):
            opts.is_desc = False
        elif arg_is(c, i, b"desc"):
            opts.is_desc = True
        elif arg_is(c, i, b"alpha"):
            opts.is_alpha = True
        elif left >= 2 and arg_is(c, i, b"limit"):
            if arg_i64_or_reply(c, i + 1, &opts.limit_start) != C_OK:
                return C_ERR
            if arg_i64_or_reply(c, i + 2, &opts.limit_count) != C_OK:
                return C_ERR
            i += 2
        elif left >= 1 and not is_readonly and arg_is(c, i, b"store"):
            opts.store = i + 1
            i += 1
        elif left >= 1 and arg_is(c, i, b"by"):
            _parse_pattern(&c.argv[i + 1], &opts.by)
            opts.has_by = True
            # once it is said that nothing is sorted, a later BY does not undo that
            if not opts.by.has_star:
                opts.is_unsorted = True
            i += 1
        elif left >= 1 and arg_is(c, i, b"get"):
            opts.gets = <pattern_t *>zrealloc(
                opts.gets, (opts.ngets + 1) * sizeof(pattern_t))
            _parse_pattern(&c.argv[i + 1], &opts.gets[opts.ngets])
            opts.ngets += 1
            i += 1
        else:
            reply_error(c, ERR_SYNTAX)
            return C_ERR
        i += 1
    return C_OK


# --- Read and sort ----------------------------------------------------------------


cdef int64_t _length(const obj_t *o) noexcept nogil:
    if o == NULL:
        return 0
    if obj_type(o) == OBJ_LIST:
        return <int64_t>list_len(o)
    if obj_type(o) == OBJ_SET:
        return <int64_t>set_len(set_of(o))
    return <int64_t>zset_len(zset_of(o))


cdef void _read_list(
    sort_batch_t *b, obj_t *o, int64_t first, int64_t count, bint is_forward
) noexcept nogil:
    cdef char[LP_INT_BUF] digits
    cdef list_iter_t it
    cdef const char *s
    cdef size_t n
    cdef bint more = list_seek(o, first, &it)
    while more and count > 0:
        s = list_text(&it, digits, &n)
        sort_add(b, s, n)
        count -= 1
        more = list_move(&it, is_forward)
    list_end(&it)


cdef void _read_set(sort_batch_t *b, const obj_t *o) noexcept nogil:
    cdef set_iter_t it
    cdef member_t m
    set_iter(&it, set_of(o))
    while set_next(&it, &m):
        member_text(&m)
        sort_add(b, m.ptr, m.len)


cdef void _read_zset(
    sort_batch_t *b, const obj_t *o, int64_t first, int64_t count, bint is_reverse
) noexcept nogil:
    cdef zset_iter_t it
    cdef zset_entry_t entry
    zset_seek(zset_of(o), first, is_reverse, &it)
    while count > 0 and zset_next(&it, &entry):
        sort_add(b, entry.member, entry.len)
        count -= 1


cdef status_t _score(const char *s, size_t nbytes, double *score_out) noexcept nogil:
    """Read a number as strtod does: blanks may precede it, and nothing at all is 0."""
    cdef const char *nul
    if nbytes:
        nul = <const char *>memchr(s, 0, nbytes)
        if nul != NULL:
            nbytes = nul - s
    if nbytes == 0:
        score_out[0] = 0
        return C_OK
    while nbytes and (s[0] == b" " or 9 <= s[0] <= 13):
        s += 1
        nbytes -= 1
    return num_parse_double(s, nbytes, score_out)


cdef status_t _weigh_or_reply(
    client_t *c, sort_batch_t *b, const sort_options_t *opts
) noexcept nogil:
    """Give each item what it is compared by."""
    cdef sort_text_t value
    cdef found_t found
    cdef size_t i
    if opts.is_alpha and not opts.has_by:
        return C_OK
    for i in range(b.count):
        value = sort_value(b, i)
        if opts.has_by:
            _look_up(c, &opts.by, value.ptr, value.len, &found)
            if found.ptr == NULL:
                continue
        else:
            found.ptr = value.ptr
            found.len = value.len
        if opts.is_alpha:
            sort_set_weight(b, i, found.ptr, found.len)
        elif _score(found.ptr, found.len, &b.items[i].score) != C_OK:
            reply_error(c, b"ERR One or more scores can't be converted into double")
            return C_ERR
    return C_OK


# --- Reply and store --------------------------------------------------------------


cdef void _reply_items(
    client_t *c, const sort_batch_t *b, size_t start, size_t end,
    const sort_options_t *opts
) noexcept nogil:
    """Reply the items from start to below end, or what GET makes of them."""
    cdef sort_text_t value
    cdef found_t found
    cdef size_t i
    cdef int k
    reply_array(c, (end - start) * (opts.ngets if opts.ngets else 1))
    for i in range(start, end):
        value = sort_value(b, i)
        if opts.ngets == 0:
            reply_bulk(c, value.ptr, value.len)
        for k in range(opts.ngets):
            _look_up(c, &opts.gets[k], value.ptr, value.len, &found)
            if found.ptr == NULL:
                reply_null(c)
            else:
                reply_bulk(c, found.ptr, found.len)


cdef void _store_items(
    client_t *c, const sort_batch_t *b, size_t start, size_t end,
    const sort_options_t *opts
) noexcept nogil:
    """Store them as a list, under a key that GET may read until the end."""
    cdef dbkey_t key = arg_key(c, opts.store)
    cdef sort_batch_t *result = sort_new()
    cdef sort_text_t value
    cdef found_t found
    cdef size_t i
    cdef int k
    cdef obj_t *o
    for i in range(start, end):
        value = sort_value(b, i)
        if opts.ngets == 0:
            sort_add(result, value.ptr, value.len)
        for k in range(opts.ngets):
            _look_up(c, &opts.gets[k], value.ptr, value.len, &found)
            # what is not there is stored as an empty string
            if found.ptr == NULL:
                found.ptr = found.digits
            sort_add(result, found.ptr, found.len)
    if result.count:
        o = list_create(c.db, &key)
        for i in range(result.count):
            value = sort_value(result, i)
            list_grow(o, &c.srv.list_limits, value.len, 1)
            list_push(o, value.ptr, value.len, QL_TAIL)
        key_changed_n(c, &key, NOTIFY_LIST, b"sortstore", result.count)
    elif db_delete(c.db, &key):
        key_changed(c, &key, NOTIFY_GENERIC, b"del")
    reply_int(c, <int64_t>result.count)
    sort_free(result)


cdef void _sort(client_t *c, obj_t *o, sort_options_t *opts) noexcept nogil:
    cdef sort_batch_t *b
    cdef int64_t len = _length(o)
    cdef int64_t start = min(max(opts.limit_start, <int64_t>0), len)
    cdef int64_t count = len - start
    cdef uint32_t how
    # the order of a set is nobody's: what is stored has one
    if opts.is_unsorted and opts.store and o != NULL and obj_type(o) == OBJ_SET:
        opts.is_unsorted = opts.has_by = False
        opts.is_alpha = True
    if opts.limit_count >= 0:
        count = min(count, opts.limit_count)
    b = sort_new()
    if o != NULL and opts.is_unsorted and obj_type(o) == OBJ_LIST:
        _read_list(b, o, len - 1 - start if opts.is_desc else start, count,
                   not opts.is_desc)
        start = 0
    elif o != NULL and opts.is_unsorted and obj_type(o) == OBJ_ZSET:
        if count > 0:
            _read_zset(
                b, o, len - 1 - start if opts.is_desc else start, count, opts.is_desc)
        start = 0
    elif o != NULL:
        if obj_type(o) == OBJ_LIST:
            _read_list(b, o, 0, len, True)
        elif obj_type(o) == OBJ_SET:
            _read_set(b, o)
        else:
            _read_zset(b, o, 0, len, False)
    if not opts.is_unsorted:
        if _weigh_or_reply(c, b, opts) != C_OK:
            sort_free(b)
            return
        how = SORT_ALPHA if opts.is_alpha else 0
        if opts.has_by:
            how |= SORT_BY_WEIGHT
        if opts.is_desc:
            how |= SORT_DESC
        sort_run(b, how)
    if opts.store:
        _store_items(c, b, start, start + count, opts)
    else:
        _reply_items(c, b, start, start + count, opts)
    sort_free(b)


cdef void _sort_command(client_t *c, bint is_readonly) noexcept nogil:
    cdef dbkey_t key = arg_key(c, 1)
    cdef sort_options_t opts
    cdef obj_t *o
    cdef int type
    if _options_or_reply(c, is_readonly, &opts) == C_OK:
        o = db_find_read(c.db, &key)
        type = OBJ_LIST if o == NULL else obj_type(o)
        if type == OBJ_LIST or type == OBJ_SET or type == OBJ_ZSET:
            _sort(c, o, &opts)
        else:
            reply_error(c, ERR_WRONG_TYPE)
    zfree(opts.gets)


cdef api void cmd_sort(client_t *c) noexcept nogil:
    """SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]]
    [ASC | DESC] [ALPHA] [STORE destination]"""
    _sort_command(c, False)


cdef api void cmd_sort_ro(client_t *c) noexcept nogil:
    """SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]]
    [ASC | DESC] [ALPHA]"""
    _sort_command(c, True)
