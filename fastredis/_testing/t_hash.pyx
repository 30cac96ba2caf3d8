# SPDX-License-Identifier: BSD-3-Clause
"""Views of datatypes.t_hash and ds.slab for tests."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cython cimport final
from fastredis.core.mem cimport zused_memory
from fastredis.core.rand cimport rand_t
from fastredis.core.status cimport C_OK
from fastredis.datatypes.hash_fields cimport fields_t
from fastredis.datatypes.hash_limits cimport hash_limits_t
from fastredis.datatypes.hash_random cimport hash_draw, hash_sample
from fastredis.datatypes.t_hash cimport (
    hash_check,
    hash_delete,
    hash_done,
    hash_expiry,
    hash_get,
    hash_len,
    hash_live,
    hash_new,
    hash_pair_t,
    hash_purge_all,
    hash_scan,
    hash_set,
    hash_set_expiry,
    hash_text_t,
    hash_walk,
)
from fastredis.ds.slab cimport (
    slab_alloc,
    slab_check,
    slab_free,
    slab_free_all,
    slab_nbytes,
    slab_new,
    slab_t,
)
from fastredis.keyspace.db cimport (
    db_check,
    db_copy,
    db_delete,
    db_move,
    db_peek,
    db_rename,
    db_subexpire_len,
    db_t,
    dbkey,
    dbkey_t,
    ks_expire_cycle,
    ks_free,
    ks_new,
    ks_set_clock,
    keyspace_t,
)
from fastredis.keyspace.obj cimport (
    OBJ_ENC_TABLE,
    OBJ_NO_EXPIRE,
    obj_effort,
    obj_enc,
    obj_encoding_name,
    obj_nbytes,
    obj_pointer,
    obj_t,
)
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset


cdef void _collect(void *ctx, const hash_pair_t *pair) noexcept nogil:
    with gil:
        (<list>ctx).append((
            pair.field.ptr[:pair.field.len],
            pair.value.ptr[:pair.value.len],
            None if pair.expire_ms == OBJ_NO_EXPIRE else pair.expire_ms,
        ))


cdef bint _has_slab(const obj_t *o) noexcept nogil:
    return obj_enc(o) == OBJ_ENC_TABLE and (<fields_t *>obj_pointer(o)).slab != NULL


@final
cdef class Hashes:
    """Two databases with a clock of their own, and hashes in them."""
    cdef keyspace_t *ks
    cdef hash_limits_t limits
    cdef rand_t rand

    def __cinit__(self, size_t max_entries=8, size_t max_value=64,
                  int64_t now_ms=1_000_000):
        self.ks = ks_new(2)
        self.ks.is_active_expire = True
        self.limits.max_entries = max_entries
        self.limits.max_value = max_value
        self.rand.state = 12345
        ks_set_clock(self.ks, now_ms)

    def __dealloc__(self):
        ks_free(self.ks)

    cdef db_t *_db(self, int db) except NULL:
        if not 0 <= db < 2:
            raise IndexError(db)
        return &self.ks.dbs[db]

    cdef obj_t *_o(self, bytes key, int db) except? NULL:
        cdef dbkey_t k = dbkey(key, len(key))
        return db_peek(self._db(db), &k)

    def set(self, bytes key, bytes field, bytes value, bint keep=False, int db=0):
        """Return whether the field is new."""
        cdef dbkey_t k = dbkey(key, len(key))
        cdef obj_t *o = db_peek(self._db(db), &k)
        if o == NULL:
            o = hash_new(self._db(db), &k)
        new = hash_set(o, field, len(field), value, len(value), keep,
                       self.ks.now_ms, &self.limits)
        hash_done(self._db(db), &k, o)
        return bool(new)

    def get(self, bytes key, bytes field, int db=0):
        cdef obj_t *o = self._o(key, db)
        cdef hash_text_t value
        if o == NULL or not hash_get(o, field, len(field), self.ks.now_ms, &value):
            return None
        return value.ptr[:value.len]

    def delete(self, bytes key, bytes field, int db=0):
        """Return whether the field was there."""
        cdef dbkey_t k = dbkey(key, len(key))
        cdef obj_t *o = db_peek(self._db(db), &k)
        if o == NULL:
            return False
        was = hash_delete(o, field, len(field))
        hash_done(self._db(db), &k, o)
        return bool(was)

    def expiry(self, bytes key, bytes field, int db=0):
        """Return the field's time; 0: it has none; None: it is absent."""
        cdef obj_t *o = self._o(key, db)
        cdef int64_t when
        if o == NULL or hash_expiry(
                o, field, len(field), self.ks.now_ms, &when) != C_OK:
            return None
        return 0 if when == OBJ_NO_EXPIRE else when

    def set_expiry(self, bytes key, bytes field, when, int db=0):
        """Give a field that is there a time; None: none."""
        cdef dbkey_t k = dbkey(key, len(key))
        cdef obj_t *o = db_peek(self._db(db), &k)
        hash_set_expiry(
            o, field, len(field), OBJ_NO_EXPIRE if when is None else when)
        hash_done(self._db(db), &k, o)

    def purge(self, bytes key, int db=0):
        cdef dbkey_t k = dbkey(key, len(key))
        hash_purge_all(self._db(db), &k, db_peek(self._db(db), &k))

    def items(self, bytes key, int db=0):
        """Return (field, value, time or None) of all that has not expired."""
        cdef obj_t *o = self._o(key, db)
        cdef list found = []
        if o != NULL:
            hash_walk(o, self.ks.now_ms, _collect, <void *>found)
        return found

    def scan(self, bytes key, uint64_t cursor, int64_t count, int db=0):
        cdef list found = []
        cursor = hash_scan(self._o(key, db), cursor, count, self.ks.now_ms,
                           _collect, <void *>found)
        return cursor, found

    def sample(self, bytes key, size_t n, int db=0):
        cdef list found = []
        hash_sample(self._o(key, db), n, &self.rand, self.ks.now_ms, _collect,
                    <void *>found)
        return found

    def draw(self, bytes key, uint64_t n, int db=0):
        cdef list found = []
        hash_draw(self._o(key, db), n, &self.rand, self.ks.now_ms, _collect,
                  <void *>found)
        return found

    def describe(self, bytes key, int db=0):
        """Return encoding, fields with expired ones, live ones, bytes, effort."""
        cdef obj_t *o = self._o(key, db)
        if o == NULL:
            return None
        return {
            "encoding": obj_encoding_name(o).decode(),
            "len": hash_len(o),
            "live": hash_live(o, self.ks.now_ms),
            "nbytes": obj_nbytes(o, 0),
            "sampled": obj_nbytes(o, 5),
            "effort": obj_effort(o),
            "has_slab": bool(_has_slab(o)),
        }

    def drop(self, bytes key, int db=0):
        cdef dbkey_t k = dbkey(key, len(key))
        return bool(db_delete(self._db(db), &k))

    def rename(self, bytes key, bytes other):
        cdef dbkey_t k = dbkey(key, len(key)), to = dbkey(other, len(other))
        db_rename(self._db(0), &k, &to)

    def copy(self, bytes key, bytes other, int db=0):
        cdef dbkey_t k = dbkey(key, len(key)), to = dbkey(other, len(other))
        db_copy(self._db(0), &k, self._db(db), &to)

    def move(self, bytes key):
        cdef dbkey_t k = dbkey(key, len(key))
        db_move(self._db(0), &k, self._db(1))

    def advance(self, int64_t ms, bint expire=True, uint64_t max_ns=10**9):
        """Let time pass; return whether there is more to expire."""
        ks_set_clock(self.ks, self.ks.now_ms + ms)
        return bool(ks_expire_cycle(self.ks, max_ns)) if expire else None

    @property
    def now_ms(self):
        return self.ks.now_ms

    @property
    def expired(self):
        """Fields that have expired so far."""
        return self.ks.expired_fields

    def nsub(self, int db=0):
        """Return the number of keys that have fields with a time."""
        return db_subexpire_len(self._db(db))

    def has_wheel(self, int db=0):
        return self._db(db).sub != NULL

    def check(self, bytes key=None, int db=0):
        cdef obj_t *o
        db_check(self._db(0))
        db_check(self._db(1))
        if key is not None:
            o = self._o(key, db)
            if o != NULL:
                hash_check(o)


@final
cdef class Slab:
    """A slab, and the blocks that it gave, by their addresses."""
    cdef slab_t *s

    def __cinit__(self):
        self.s = slab_new()

    def __dealloc__(self):
        slab_free_all(self.s)

    def alloc(self, bytes content):
        """Return the address of a block with this content."""
        cdef char *p = <char *>slab_alloc(self.s, PyBytes_GET_SIZE(content))
        memcpy(p, PyBytes_AS_STRING(content), len(content))
        return <size_t>p

    def read(self, size_t address, size_t nbytes):
        return (<char *>address)[:nbytes]

    def free(self, size_t address, size_t nbytes):
        memset(<void *>address, 0xDD, nbytes)
        slab_free(self.s, <void *>address, nbytes)

    @property
    def nbytes(self):
        return slab_nbytes(self.s)

    def check(self):
        slab_check(self.s)


def used_memory():
    return zused_memory()
