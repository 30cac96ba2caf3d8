# SPDX-License-Identifier: BSD-3-Clause
"""A Python view of ds.intset, ds.tagstr, datatypes.t_set and datatypes.set_ops."""
from cython cimport final
from fastredis.core.mem cimport zfree, zmalloc
from fastredis.core.rand cimport rand_t
from fastredis.datatypes.set_ops cimport (
    set_diff,
    set_inter,
    set_union,
    set_union_estimate,
)
from fastredis.datatypes.set_random cimport set_places, set_pop, set_random, set_sample
from fastredis.datatypes.t_set cimport (
    member_init,
    member_t,
    member_text,
    set_add,
    set_at_place,
    set_check,
    set_copy,
    set_expect,
    set_free,
    set_has,
    set_iter,
    set_iter_t,
    set_len,
    set_limits_t,
    set_new,
    set_next,
    set_remove,
    set_scan,
    set_settle,
    set_t,
)
from fastredis.ds.intset cimport (
    intset_add,
    intset_at,
    intset_copy,
    intset_free,
    intset_has,
    intset_is_valid,
    intset_len,
    intset_nbytes,
    intset_new,
    intset_remove,
    intset_remove_at,
    intset_shift,
    intset_truncate,
)
from fastredis.ds.tagstr cimport tstr_bytes, tstr_free, tstr_nbytes, tstr_new
from fastredis.keyspace.obj cimport (
    OBJ_SET,
    obj_encoding_name,
    obj_free,
    obj_nbytes,
    obj_new_pointer,
    obj_t,
)
from libc.stdint cimport int64_t, uint8_t, uint64_t


def intset_valid(bytes data):
    """Tell whether these bytes are an intset."""
    return intset_is_valid(<const uint8_t *><const char *>data, len(data))


def tagstr(bytes value):
    """Make a tagstr; return what it reads as, and the bytes it takes."""
    cdef void *t = tstr_new(value, len(value))
    cdef size_t n
    cdef const char *s = tstr_bytes(t, &n)
    found = (s[:n], tstr_nbytes(t))
    tstr_free(t)
    return found


@final
cdef class Intset:
    """One intset."""

    cdef uint8_t *s

    def __cinit__(self):
        self.s = intset_new()

    def __dealloc__(self):
        intset_free(self.s)

    def __len__(self):
        return intset_len(self.s)

    def __bytes__(self):
        return (<const char *>self.s)[:intset_nbytes(self.s)]

    def __contains__(self, int64_t value):
        return intset_has(self.s, value)

    def values(self):
        """Return the integers in their order."""
        return [intset_at(self.s, i) for i in range(intset_len(self.s))]

    def add(self, int64_t value):
        """Add an integer; tell whether it was absent."""
        cdef bint added
        self.s = intset_add(self.s, value, &added)
        return added

    def remove(self, int64_t value):
        """Remove an integer; tell whether it was there."""
        cdef bint removed
        self.s = intset_remove(self.s, value, &removed)
        return removed

    def remove_at(self, int index):
        """Remove the integer of a rank."""
        self.s = intset_remove_at(self.s, index)

    def keep(self, indexes):
        """Compact to the integers of these ascending ranks."""
        for to, index in enumerate(indexes):
            intset_shift(self.s, index, to)
        self.s = intset_truncate(self.s, len(indexes))

    def copy(self):
        """Return a copy."""
        cdef Intset made = Intset()
        intset_free(made.s)
        made.s = intset_copy(self.s)
        return made


cdef bytes _text(member_t *m):
    member_text(m)
    return m.ptr[:m.len]


cdef void _collect(void *ctx, member_t *m) noexcept nogil:
    with gil:
        (<list>ctx).append(_text(m))


@final
cdef class SetValue:
    """One set value, outside of any database."""

    cdef set_t s
    cdef set_limits_t limits
    cdef rand_t rand

    def __cinit__(self, bytes first, size_t expected=1, limits=(512, 128, 64), seed=1):
        cdef member_t m
        (self.limits.intset_entries, self.limits.listpack_entries,
         self.limits.listpack_value) = limits
        self.rand.state = seed
        member_init(&m, first, len(first))
        self.s = set_new(&m, expected, &self.limits)

    def __dealloc__(self):
        set_free(self.s)

    def __len__(self):
        return set_len(self.s)

    def __contains__(self, bytes member):
        cdef member_t m
        member_init(&m, member, len(member))
        return set_has(self.s, &m)

    cdef obj_t *_object(self) except NULL:
        """Return a key object with a copy of the set; to be freed."""
        return obj_new_pointer(
            b"k", 1, OBJ_SET, self.s.enc, set_copy(self.s).value, -1)

    @property
    def encoding(self):
        """What OBJECT ENCODING would say."""
        cdef obj_t *o = self._object()
        name = obj_encoding_name(o).decode()
        obj_free(o)
        return name

    @property
    def nbytes(self):
        """What MEMORY USAGE would say of a copy under a short key."""
        cdef obj_t *o = self._object()
        n = obj_nbytes(o, 0)
        obj_free(o)
        return n

    def members(self):
        """Return all members, in the order of iteration."""
        cdef set_iter_t it
        cdef member_t m
        found = []
        set_iter(&it, self.s)
        while set_next(&it, &m):
            found.append(_text(&m))
        return found

    def scan(self, uint64_t cursor):
        """Take one step of SSCAN; return the next cursor and what was met."""
        found = []
        cursor = set_scan(self.s, cursor, _collect, <void *>found)
        return cursor, found

    def add(self, bytes member):
        """Add a member; tell whether it was absent."""
        cdef member_t m
        member_init(&m, member, len(member))
        return set_add(&self.s, &m, &self.limits)

    def remove(self, bytes member):
        """Remove a member; tell whether it was there."""
        cdef member_t m
        member_init(&m, member, len(member))
        return set_remove(&self.s, &m)

    def expect(self, size_t n):
        """Convert for so many members to come."""
        set_expect(&self.s, n, &self.limits)

    def settle(self):
        """Make the set as small as it can be."""
        set_settle(&self.s, &self.limits)

    def random(self):
        """Return a random member."""
        cdef member_t m
        set_random(self.s, &self.rand, &m)
        return _text(&m)

    def at_places(self):
        """Return a listpack's members by set_places."""
        cdef uint8_t **places = set_places(self.s)
        cdef member_t m
        found = []
        for i in range(set_len(self.s)):
            set_at_place(places[i], &m)
            found.append(_text(&m))
        zfree(places)
        return found

    def sample(self, size_t count):
        """Return different random members."""
        found = []
        set_sample(self.s, count, &self.rand, _collect, <void *>found)
        return found

    def pop(self, size_t count):
        """Remove and return different random members."""
        found = []
        set_pop(&self.s, count, &self.rand, &self.limits, _collect, <void *>found)
        return found

    def copy(self):
        """Return a copy."""
        cdef SetValue made = SetValue(b"")
        set_free(made.s)
        made.s = set_copy(self.s)
        made.limits = self.limits
        made.rand = self.rand
        return made

    def check(self):
        """Walk the invariants; ends the process on a violation."""
        set_check(self.s)


cdef set_t *_array(sets) except NULL:
    cdef set_t *array = <set_t *>zmalloc((len(sets) + 1) * sizeof(set_t))
    cdef SetValue one
    for i, given in enumerate(sets):
        array[i].enc = 0
        array[i].value = NULL
        if given is not None:
            one = given
            array[i] = one.s
    return array


def combine(str how, sets, size_t limit=0):
    """Return how many members inter, union or diff has, and those visited."""
    cdef set_t *array = _array(sets)
    cdef size_t n = len(sets), count
    found = []
    if how == "inter":
        count = set_inter(array, n, limit, _collect, <void *>found)
    elif how == "union":
        count = set_union(array, n, limit, _collect, <void *>found)
    else:
        count = set_diff(array, n, limit, _collect, <void *>found)
    zfree(array)
    return count, found


def combine_count(str how, sets, size_t limit=0):
    """Return how many members inter, union or diff has, without visiting any."""
    cdef set_t *array = _array(sets)
    cdef size_t n = len(sets), count
    if how == "inter":
        count = set_inter(array, n, limit, NULL, NULL)
    elif how == "union":
        count = set_union(array, n, limit, NULL, NULL)
    else:
        count = set_diff(array, n, limit, NULL, NULL)
    zfree(array)
    return count


def union_estimate(sets):
    """Return about how many members the union has."""
    cdef set_t *array = _array(sets)
    count = set_union_estimate(array, len(sets))
    zfree(array)
    return count
