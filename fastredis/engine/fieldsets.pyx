# SPDX-License-Identifier: BSD-3-Clause
r"""Fieldsets: names of fields that a client has prepared (HIMPORT).

    client_t.fieldsets --> fieldsets_t: table --> fieldset_t, one allocation each:
                                        nbytes    | name nfields | slices | bytes |

A client that imports many hashes with the same fields names these once; with each hash
it sends only the values. What it has prepared is its own: nobody else sees it, and it
goes with the connection, or with RESET. Other databases (SELECT) and transactions leave
it alone.

Without a fieldset, a client has no table either.

Cost: O(1) to find one or to remove it; O(n) to prepare n fields, for which a table of
them, short of life, tells whether one occurs twice: whatever a client sends, it cannot
make that slow, as hashes are keyed.
Threads: the thread that executes commands.
"""
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.core.status cimport C_ERR, C_OK
from fastredis.ds.hashtable cimport (
    ht_find,
    ht_free,
    ht_insert,
    ht_locate,
    ht_nbytes,
    ht_new,
    ht_pos_t,
    ht_remove_at,
    ht_replace,
    ht_reserve,
    ht_t,
    ht_walk,
)
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef struct fieldsets_t:
    ht_t *table
    size_t nbytes               # of the fieldsets


cdef const char *_name_of(const void *entry, size_t *len_out) noexcept nogil:
    cdef const fieldset_t *s = <const fieldset_t *>entry
    len_out[0] = s.name.len
    return s.name.ptr


cdef const char *_bytes_of(const void *entry, size_t *len_out) noexcept nogil:
    cdef const slice_t *field = <const slice_t *>entry
    len_out[0] = field.len
    return field.ptr


cdef bint _has_duplicates(const slice_t *fields, int nfields) noexcept nogil:
    """Return whether a field occurs twice."""
    cdef ht_t *seen
    cdef bint is_twice = False
    cdef uint64_t hash
    cdef int i
    if nfields < 2:
        return False
    seen = ht_new(_bytes_of)
    ht_reserve(seen, nfields)
    for i in range(nfields):
        hash = keyhash(fields[i].ptr, fields[i].len)
        if ht_find(seen, fields[i].ptr, fields[i].len, hash) != NULL:
            is_twice = True
            break
        ht_insert(seen, <void *>(fields + i), hash)
    ht_free(seen)
    return is_twice


cdef fieldset_t *_copy(
    const slice_t *name, const slice_t *fields, int nfields
) noexcept nogil:
    """Return a fieldset with bytes of its own."""
    cdef size_t head = sizeof(fieldset_t) + nfields * sizeof(slice_t)
    cdef size_t nbytes = name.len
    cdef fieldset_t *s
    cdef char *p
    cdef int i
    for i in range(nfields):
        nbytes += fields[i].len
    s = <fieldset_t *>zmalloc(head + nbytes)
    s.nfields = nfields
    s.fields = <slice_t *>(s + 1)
    p = <char *>s + head
    memcpy(p, name.ptr, name.len)
    s.name.ptr = p
    s.name.len = name.len
    p += name.len
    for i in range(nfields):
        memcpy(p, fields[i].ptr, fields[i].len)
        s.fields[i].ptr = p
        s.fields[i].len = fields[i].len
        p += fields[i].len
    return s


cdef void _free_visit(void *ctx, void *entry) noexcept nogil:
    zfree(entry)


cdef void _forget(client_t *c) noexcept nogil:
    """Free the client's fieldsets, of which there are some."""
    cdef fieldsets_t *all = <fieldsets_t *>c.fieldsets
    ht_walk(all.table, _free_visit, NULL)
    ht_free(all.table)
    zfree(all)
    c.fieldsets = NULL


cdef status_t fieldsets_put(
    client_t *c, const slice_t *name, const slice_t *fields, int nfields
) noexcept nogil:
    """Prepare a fieldset; it takes the place of another of that name."""
    cdef fieldsets_t *all
    cdef fieldset_t *s
    cdef fieldset_t *old
    cdef uint64_t hash = keyhash(name.ptr, name.len)
    cdef ht_pos_t pos
    if _has_duplicates(fields, nfields):
        return C_ERR
    if c.fieldsets == NULL:
        all = <fieldsets_t *>zmalloc(sizeof(fieldsets_t))
        all.table = ht_new(_name_of)
        all.nbytes = 0
        c.fieldsets = all
        c.srv.forget_fieldsets = _forget
    all = <fieldsets_t *>c.fieldsets
    s = _copy(name, fields, nfields)
    all.nbytes += zsize(s)
    pos = ht_locate(all.table, name.ptr, name.len, hash)
    if pos.bucket == NULL:
        ht_insert(all.table, s, hash)
    else:
        old = <fieldset_t *>ht_find(all.table, name.ptr, name.len, hash)
        ht_replace(pos, s)
        all.nbytes -= zsize(old)
        zfree(old)
    return C_OK


cdef const fieldset_t *fieldsets_find(
    const client_t *c, const slice_t *name
) noexcept nogil:
    """Return the client's fieldset of that name, or NULL."""
    if c.fieldsets == NULL:
        return NULL
    return <const fieldset_t *>ht_find(
        (<fieldsets_t *>c.fieldsets).table, name.ptr, name.len,
        keyhash(name.ptr, name.len))


cdef bint fieldsets_remove(client_t *c, const slice_t *name) noexcept nogil:
    """Forget one fieldset; return whether it was there."""
    cdef fieldsets_t *all = <fieldsets_t *>c.fieldsets
    cdef fieldset_t *s = <fieldset_t *>fieldsets_find(c, name)
    cdef uint64_t hash
    if s == NULL:
        return False
    if all.table.used == 1:
        _forget(c)
        return True
    hash = keyhash(name.ptr, name.len)
    ht_remove_at(
        all.table, ht_locate(all.table, name.ptr, name.len, hash), hash)
    all.nbytes -= zsize(s)
    zfree(s)
    return True


cdef size_t fieldsets_clear(client_t *c) noexcept nogil:
    """Forget all fieldsets; return how many there were."""
    cdef size_t n
    if c.fieldsets == NULL:
        return 0
    n = (<fieldsets_t *>c.fieldsets).table.used
    _forget(c)
    return n


cdef size_t fieldsets_nbytes(const client_t *c) noexcept nogil:
    """Return the memory of the client's fieldsets."""
    cdef const fieldsets_t *all = <fieldsets_t *>c.fieldsets
    if all == NULL:
        return 0
    return zsize(all) + ht_nbytes(all.table) + all.nbytes
