# SPDX-License-Identifier: BSD-3-Clause
"""Listpack: a list of strings and integers in one block of memory. See listpack.pyx.

A listpack is one allocation of core.mem; functions that change one consume it and
return it, since it may move. An entry is a pointer into it, valid until the next
change. Lengths are below 1 GB for the whole (LP_MAX_NBYTES): callers check lp_fits
first.
"""
from fastredis.ds.lpentry cimport lp_value_t
from libc.stdint cimport int64_t, uint8_t

cdef enum:
    LP_HEADER = 6
    LP_MAX_NBYTES = 1 << 30
    LP_INT_BUF = 24             # room for an integer's text

# Where lp_insert puts an entry, seen from another.
cdef enum lp_where_t:
    LP_BEFORE = 0
    LP_AFTER = 1
    LP_REPLACE = 2

# returned: empty; room for cap bytes in all without moving
cdef uint8_t *lp_new(size_t cap) noexcept nogil
cdef void lp_free(uint8_t *lp) noexcept nogil           # NULL is allowed
cdef uint8_t *lp_copy(const uint8_t *lp) noexcept nogil
cdef size_t lp_nbytes(const uint8_t *lp) noexcept nogil
cdef size_t lp_len(const uint8_t *lp) noexcept nogil    # entries
# may the listpack grow by so many bytes?
cdef bint lp_fits(const uint8_t *lp, size_t nbytes) noexcept nogil
# bytes that an entry with this value takes at the most
cdef size_t lp_entry_max(size_t nbytes) noexcept nogil
# give back room at the end
cdef uint8_t *lp_shrink(uint8_t *lp) noexcept nogil

# --- Walk. NULL: no such entry.
cdef uint8_t *lp_first(const uint8_t *lp) noexcept nogil
cdef uint8_t *lp_last(const uint8_t *lp) noexcept nogil
cdef uint8_t *lp_next(const uint8_t *lp, const uint8_t *p) noexcept nogil
cdef uint8_t *lp_prev(const uint8_t *lp, const uint8_t *p) noexcept nogil
# negative from the end: -1 is the last
cdef uint8_t *lp_seek(const uint8_t *lp, int64_t index) noexcept nogil

# --- Read
cdef void lp_get(const uint8_t *p, lp_value_t *value_out) noexcept nogil
# the value as text: borrowed bytes, or an integer written to buf (LP_INT_BUF)
cdef const char *lp_text(const uint8_t *p, char *buf, size_t *len_out) noexcept nogil
cdef bint lp_equal(const uint8_t *p, const char *s, size_t nbytes) noexcept nogil
# the first entry from p on with this value; looks at every (skip + 1)-th
cdef uint8_t *lp_find(
    const uint8_t *lp, const uint8_t *p, const char *s, size_t nbytes, size_t skip
) noexcept nogil

# --- Change. Values that are canonical integers are stored as such.
cdef uint8_t *lp_append(uint8_t *lp, const char *s, size_t nbytes) noexcept nogil
cdef uint8_t *lp_append_int(uint8_t *lp, int64_t v) noexcept nogil
cdef uint8_t *lp_prepend(uint8_t *lp, const char *s, size_t nbytes) noexcept nogil
# entry_out: the new entry; may be NULL
cdef uint8_t *lp_insert(
    uint8_t *lp, const char *s, size_t nbytes, uint8_t *p, lp_where_t where,
    uint8_t **entry_out
) noexcept nogil
cdef uint8_t *lp_insert_int(
    uint8_t *lp, int64_t v, uint8_t *p, lp_where_t where, uint8_t **entry_out
) noexcept nogil
# next_out: the entry after the deleted, or NULL; may be NULL itself
cdef uint8_t *lp_delete(uint8_t *lp, uint8_t *p, uint8_t **next_out) noexcept nogil
# count entries from p on, or as many as there are
cdef uint8_t *lp_delete_many(
    uint8_t *lp, uint8_t *p, size_t count, uint8_t **next_out
) noexcept nogil
# index: negative from the end
cdef uint8_t *lp_delete_range(
    uint8_t *lp, int64_t index, size_t count
) noexcept nogil
# dst with the entries of src behind its own; dst is consumed, src stays
cdef uint8_t *lp_concat(uint8_t *dst, const uint8_t *src) noexcept nogil

# Is this a listpack, whole and well-formed? For bytes from outside.
cdef bint lp_is_valid(const uint8_t *s, size_t nbytes) noexcept nogil
