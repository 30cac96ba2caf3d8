# SPDX-License-Identifier: BSD-3-Clause
"""Operations on sets. See t_set.pyx.

A set_t is a value apart from its key: `set_of` takes it out of an object, and
`set_store` puts it back after a change, which may have moved or converted it. A set
that has become empty is for the caller to delete.
"""
from fastredis.ds.hashtable cimport ht_bucket_t, ht_t
from fastredis.ds.tagstr cimport tstr_bytes
from fastredis.keyspace.obj cimport obj_enc, obj_pointer, obj_t
from libc.stdint cimport int64_t, uint8_t, uint64_t

# How large a set may be in which encoding: set-max-intset-entries,
# set-max-listpack-entries, set-max-listpack-value.
cdef struct set_limits_t:
    size_t intset_entries
    size_t listpack_entries
    size_t listpack_value

cdef struct set_t:
    int enc                     # OBJ_ENC_INTSET, OBJ_ENC_LISTPACK or OBJ_ENC_TABLE
    void *value

cdef enum:
    # member_t.known
    MEMBER_INT = 1              # num
    MEMBER_NO_INT = 2           # it is not the canonical text of an integer
    MEMBER_HASH = 4             # hash
    MEMBER_DIGITS = 24

# A member, as given or found. What else an encoding needs of it (the number, the text,
# the hash) is worked out when it is first asked for. Not to be copied.
cdef struct member_t:
    const char *ptr             # borrowed; NULL: num, not written out yet
    size_t len
    int64_t num
    uint64_t hash
    void *place                 # found: entry of the table or listpack; else NULL
    int known
    char digits[MEMBER_DIGITS]  # what ptr points to if the text is our own

ctypedef void (*set_visit_fn)(void *ctx, member_t *m) noexcept nogil

cdef struct set_iter_t:
    int enc
    const void *value
    size_t index                # rank in an intset; number of the main bucket
    const uint8_t *p            # next entry of a listpack
    const ht_bucket_t *bucket   # of the chain that is being walked
    int slot

# --- Members ------------------------------------------------------------------------

cdef inline void member_init(member_t *m, const char *s, size_t nbytes) noexcept nogil:
    """Describe a member by its bytes, borrowed."""
    m.ptr = s
    m.len = nbytes
    m.place = NULL
    m.known = 0

cdef inline void member_init_int(member_t *m, int64_t v) noexcept nogil:
    """Describe a member by its number."""
    m.ptr = NULL
    m.num = v
    m.place = NULL
    m.known = MEMBER_INT

# write the text out; afterwards ptr and len hold it
cdef void member_text(member_t *m) noexcept nogil
# is it the canonical text of an integer? Then num holds it
cdef bint member_is_int(member_t *m) noexcept nogil
cdef uint64_t member_hash(member_t *m) noexcept nogil

# --- Create -------------------------------------------------------------------------

# returned: an empty set for a first member and about so many members
cdef set_t set_new(
    member_t *m, size_t expected, const set_limits_t *limits
) noexcept nogil
# returned: an empty set for the union of n others
cdef set_t set_new_result(
    const set_t *sources, size_t n, const set_limits_t *limits
) noexcept nogil
# returned: an empty set of an encoding
cdef set_t set_new_enc(int enc) noexcept nogil
cdef void set_free(set_t s) noexcept nogil
cdef set_t set_copy(set_t s) noexcept nogil

cdef inline set_t set_of(const obj_t *o) noexcept nogil:
    """Return the set that an object holds, borrowed."""
    cdef set_t s
    s.enc = obj_enc(o)
    s.value = obj_pointer(o)
    return s

# put a changed set back into its object
cdef void set_store(obj_t *o, set_t s) noexcept nogil

# --- Read ---------------------------------------------------------------------------

cdef size_t set_len(set_t s) noexcept nogil
cdef bint set_has(set_t s, member_t *m) noexcept nogil
# have the memory that a look-up needs on its way
cdef void set_prefetch(set_t s, member_t *m) noexcept nogil
cdef void set_iter(set_iter_t *it, set_t s) noexcept nogil
# False: there are no more. The set must not change meanwhile.
cdef bint set_next(set_iter_t *it, member_t *m) noexcept nogil
# one step of SSCAN; returns the next cursor, 0 at the end
cdef uint64_t set_scan(
    set_t s, uint64_t cursor, set_visit_fn visit, void *ctx
) noexcept nogil

# --- Change -------------------------------------------------------------------------

# True: it was absent
cdef bint set_add(set_t *s, member_t *m, const set_limits_t *limits) noexcept nogil
# True: it was there
cdef bint set_remove(set_t *s, member_t *m) noexcept nogil
# convert if so many members are about to come
cdef void set_expect(
    set_t *s, size_t expected, const set_limits_t *limits
) noexcept nogil
# make a result as small as it can be: an intset, or a listpack without room
cdef void set_settle(set_t *s, const set_limits_t *limits) noexcept nogil

# --- For set_random -----------------------------------------------------------------

cdef inline ht_t *set_table(set_t s) noexcept nogil:
    """Return the table of a set in that encoding."""
    return <ht_t *>s.value

cdef inline uint8_t *set_small(set_t s) noexcept nogil:
    """Return the intset or listpack."""
    return <uint8_t *>s.value

cdef inline void set_from_entry(member_t *m, void *entry) noexcept nogil:
    """Describe the member that a table's entry is."""
    m.ptr = tstr_bytes(entry, &m.len)
    m.place = entry
    m.known = 0

# a member by the place of its entry in a listpack
cdef void set_at_place(const uint8_t *place, member_t *m) noexcept nogil

# walk every invariant; ends the process on a violation
cdef void set_check(set_t s) noexcept nogil
