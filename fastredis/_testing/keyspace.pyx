# SPDX-License-Identifier: BSD-3-Clause
"""Python views of keyspace.obj, keyspace.db and keyspace.lazyfree.

Values are bytes; a string that is stored as an integer is read as its digits. For
values that are behind a pointer there is a type of this module's own, on the number of
OBJ_MODULE: so many blocks of memory, given and read as an int, as many allocations as
`effort` says, each of which a leak check would miss.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cython cimport final
from libc.stdint cimport int64_t, uint32_t, uint64_t

from fastredis.core.blob cimport blob_copy, blob_t
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zfree, zmalloc, zsize
from fastredis.keyspace.db cimport (
    DB_KEEP_TTL,
    DB_NO_TTL,
    db_avg_ttl,
    db_check,
    db_copy,
    db_delete,
    db_find_read,
    db_find_write,
    db_flush,
    db_len,
    db_move,
    db_peek,
    db_persist,
    db_prefetch_bucket,
    db_prefetch_object,
    db_random,
    db_remove,
    db_rename,
    db_scan,
    db_scan_all,
    db_set_blob,
    db_set_bytes,
    db_set_expire,
    db_set_int,
    db_set_pointer,
    db_t,
    db_walk,
    dbkey_t,
    keyspace_t,
    ks_expire_cycle,
    ks_free,
    ks_has_expires,
    ks_new,
    ks_set_clock,
    ks_swap,
)
from fastredis.keyspace.expire cimport wheel_len, wheel_nbytes
from fastredis.keyspace.lazyfree cimport (
    lazyfree_freed,
    lazyfree_pending,
    lazyfree_reset_stats,
    lazyfree_submit,
    lazyfree_wait,
)
from fastredis.keyspace.lfu cimport lfu_counter
from fastredis.keyspace.obj cimport (
    OBJ_EMBSTR_MAX,
    OBJ_ENC_BLOB,
    OBJ_ENC_INLINE,
    OBJ_ENC_INT,
    OBJ_F_EXPIRE,
    OBJ_F_EXPIRE_WIDE,
    OBJ_F_LAG,
    OBJ_F_RAW,
    OBJ_F_WHEEL,
    OBJ_F_WIDE,
    OBJ_INLINE_MAX,
    OBJ_MODULE,
    OBJ_NO_EXPIRE,
    OBJ_STRING,
    obj_copy,
    obj_effort,
    obj_enc,
    obj_encoding_name,
    obj_expire_ms,
    obj_free,
    obj_has_expire_field,
    obj_inline_len,
    obj_int,
    obj_key,
    obj_lru,
    obj_nbytes,
    obj_new_bytes,
    obj_new_int,
    obj_new_pointer,
    obj_ops_set,
    obj_ops_t,
    obj_overwrite_bytes,
    obj_payload,
    obj_pointer,
    obj_renamed,
    obj_set_int,
    obj_set_lru,
    obj_t,
    obj_type,
    obj_type_name,
    obj_with_expire,
)

NO_EXPIRE = <int>OBJ_NO_EXPIRE
NO_TTL = <int>DB_NO_TTL
KEEP_TTL = <int>DB_KEEP_TTL
INLINE_MAX = <int>OBJ_INLINE_MAX
EMBSTR_MAX = <int>OBJ_EMBSTR_MAX
TEST_ENC = 3

_ENCODINGS = {<int>OBJ_ENC_INLINE: "inline", <int>OBJ_ENC_INT: "int",
              <int>OBJ_ENC_BLOB: "blob"}
_FLAGS = {"wide": <int>OBJ_F_WIDE, "expire": <int>OBJ_F_EXPIRE,
          "expire_wide": <int>OBJ_F_EXPIRE_WIDE, "lag": <int>OBJ_F_LAG,
          "wheel": <int>OBJ_F_WHEEL, "raw": <int>OBJ_F_RAW}

# --- A type behind a pointer ------------------------------------------------------

cdef extern from *:
    """
    static uint64_t npiles_freed;
    static void pile_count_freed(void) {
        __atomic_fetch_add(&npiles_freed, 1, __ATOMIC_RELEASE);
    }
    static uint64_t piles_freed_count(void) {
        return __atomic_load_n(&npiles_freed, __ATOMIC_ACQUIRE);
    }
    """
    void pile_count_freed() noexcept nogil
    uint64_t piles_freed_count() noexcept nogil

cdef struct pile_t:
    size_t n
    void *blocks[1]


cdef pile_t *_pile_new(size_t n) noexcept nogil:
    cdef pile_t *p = <pile_t *>zmalloc(sizeof(size_t) + (n + 1) * sizeof(void *))
    cdef size_t i
    p.n = n
    for i in range(n):
        p.blocks[i] = zmalloc(16)
    return p


# A pile may be NULL: the key that foreign.set_foreign makes, which holds nothing.

cdef void _pile_free(int enc, void *value) noexcept nogil:
    cdef pile_t *p = <pile_t *>value
    pile_count_freed()
    cdef size_t i
    if p == NULL:
        return
    for i in range(p.n):
        zfree(p.blocks[i])
    zfree(p)


cdef void *_pile_copy(int enc, const void *value) noexcept nogil:
    return _pile_new((<const pile_t *>value).n) if value != NULL else NULL


cdef size_t _pile_nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    cdef const pile_t *p = <const pile_t *>value
    if p == NULL:
        return 0
    return zsize(p) + (p.n * zsize(p.blocks[0]) if p.n else 0)


cdef size_t _pile_effort(int enc, const void *value) noexcept nogil:
    return (<const pile_t *>value).n if value != NULL else 1


cdef const char *_pile_encoding(int enc, const void *value) noexcept nogil:
    return b"pile"


cdef void _register() noexcept:
    cdef obj_ops_t ops
    ops.free = _pile_free
    ops.copy = _pile_copy
    ops.nbytes = _pile_nbytes
    ops.effort = _pile_effort
    ops.encoding = _pile_encoding
    obj_ops_set(OBJ_MODULE, &ops)


_register()


# --- obj --------------------------------------------------------------------------


cdef object _value(const obj_t *o):
    cdef blob_t *b
    if obj_type(o) == OBJ_MODULE:
        return (<pile_t *>obj_pointer(o)).n
    if obj_type(o) != OBJ_STRING:
        raise AssertionError("type")
    if obj_enc(o) == OBJ_ENC_INT:
        return b"%d" % obj_int(o)
    if obj_enc(o) == OBJ_ENC_BLOB:
        b = <blob_t *>obj_pointer(o)
        return b.data[:b.len]
    return obj_payload(o)[:obj_inline_len(o)]


cdef bytes _key(const obj_t *o):
    cdef size_t n
    cdef const char *k = obj_key(o, &n)
    return k[:n]


cdef frozenset _flags(const obj_t *o):
    return frozenset(name for name, bit in _FLAGS.items() if o.flags & <int>bit)


cdef dict _describe(const obj_t *o):
    return {
        "key": _key(o),
        "value": _value(o),
        "expire_ms": obj_expire_ms(o),
        "has_field": bool(obj_has_expire_field(o)),
        "type": obj_type_name(obj_type(o)).decode(),
        "stored": _ENCODINGS.get(obj_enc(o), obj_enc(o)),
        "encoding": obj_encoding_name(o).decode(),
        "flags": _flags(o),
        "lru": obj_lru(o),
        "nbytes": obj_nbytes(o, 5),
        "block": zsize(o),
        "effort": obj_effort(o),
        "address": <size_t>o,
    }


@final
cdef class Obj:
    """A key object of its own, in no database.

    value: bytes (blob=True: as a blob however short), an int, or a Pile.
    """
    cdef obj_t *o

    def __cinit__(self, bytes key, value, int64_t expire_ms=OBJ_NO_EXPIRE,
                  bint blob=False):
        self.o = _obj_new(key, value, expire_ms, blob)

    def __dealloc__(self):
        obj_free(self.o)

    def describe(self):
        """Return all that the accessors say."""
        return _describe(self.o)

    def with_expire(self, int64_t expire_ms):
        self.o = obj_with_expire(self.o, expire_ms)

    def rename(self, bytes key, int64_t expire_ms):
        self.o = obj_renamed(self.o, key, len(key), expire_ms)

    def copy(self, bytes key, int64_t expire_ms=OBJ_NO_EXPIRE):
        cdef Obj other = Obj.__new__(Obj, b"", b"")
        obj_free(other.o)
        other.o = obj_copy(self.o, key, len(key), expire_ms)
        return other

    def overwrite(self, bytes value):
        """Return whether the value was put into the object itself."""
        return bool(obj_overwrite_bytes(self.o, value, len(value)))

    def set_int(self, int64_t value):
        obj_set_int(self.o, value)

    def set_lru(self, int value):
        obj_set_lru(self.o, value)

    def set_flags(self, *names):
        for name in names:
            self.o.flags |= <int>_FLAGS[name]


@final
cdef class Pile:
    """What to give as a value for so many blocks of memory."""
    cdef readonly size_t n

    def __init__(self, size_t n):
        self.n = n


cdef obj_t *_obj_new(
    bytes key, object value, int64_t expire_ms, bint blob
) except NULL:
    cdef bytes s
    if isinstance(value, int):
        return obj_new_int(key, len(key), value, expire_ms)
    if isinstance(value, Pile):
        return obj_new_pointer(key, len(key), OBJ_MODULE, TEST_ENC,
                               _pile_new((<Pile>value).n), expire_ms)
    s = value
    if blob:
        return obj_new_pointer(key, len(key), OBJ_STRING, OBJ_ENC_BLOB,
                               blob_copy(s, len(s), 0), expire_ms)
    return obj_new_bytes(key, len(key), s, len(s), expire_ms)


def type_name(int type):
    return obj_type_name(type).decode()


# --- db ---------------------------------------------------------------------------


cdef dbkey_t _dbkey(bytes key) noexcept:
    cdef dbkey_t k
    k.ptr = PyBytes_AS_STRING(key)
    k.len = PyBytes_GET_SIZE(key)
    k.hash = keyhash(k.ptr, k.len)
    return k


cdef void _collect(void *ctx, obj_t *o) noexcept nogil:
    with gil:
        (<list>ctx).append(_key(o))


@final
cdef class Keyspace:
    """Databases with a clock of their own. Methods take the database's number first."""
    cdef keyspace_t *ks

    def __cinit__(self, int ndbs=2, int64_t now_ms=1_000_000):
        self.ks = ks_new(ndbs)
        ks_set_clock(self.ks, now_ms)

    def __dealloc__(self):
        ks_free(self.ks)

    cdef db_t *_db(self, int db) except NULL:
        if not 0 <= db < self.ks.ndbs:
            raise IndexError(db)
        return &self.ks.dbs[db]

    cdef obj_t *_present(self, int db, bytes key) except NULL:
        cdef dbkey_t k = _dbkey(key)
        cdef obj_t *o = db_peek(self._db(db), &k)
        if o == NULL:
            raise KeyError(key)
        return o

    # --- Clock

    @property
    def now_ms(self):
        return self.ks.now_ms

    @now_ms.setter
    def now_ms(self, int64_t value):
        ks_set_clock(self.ks, value)

    def expire_cycle(self, uint64_t max_ns=10_000_000_000):
        """Return whether there is more to do."""
        return bool(ks_expire_cycle(self.ks, max_ns))

    def has_expires(self):
        return bool(ks_has_expires(self.ks))

    def configure(
        self, active_expire=None, lazy_expire=None, no_touch=None, lazy_server_del=None
    ):
        if lazy_server_del is not None:
            self.ks.is_lazy_server_del = lazy_server_del
        if active_expire is not None:
            self.ks.is_active_expire = active_expire
        if lazy_expire is not None:
            self.ks.is_lazy_expire = lazy_expire
        if no_touch is not None:
            self.ks.is_no_touch = no_touch

    def set_lfu(self, uint32_t log_factor, uint32_t decay_min):
        """Count uses from now on."""
        self.ks.is_lfu = True
        self.ks.lfu.log_factor = log_factor
        self.ks.lfu.decay_min = decay_min

    def frequency(self, int db, bytes key):
        """Return the counter of a key that is there."""
        return lfu_counter(self._present(db, key), &self.ks.lfu, self.ks.now_ms)

    # --- Read

    def get(self, int db, bytes key, str how="peek"):
        """Return the value, or None; how: peek, read or write."""
        cdef dbkey_t k = _dbkey(key)
        cdef db_t *d = self._db(db)
        cdef obj_t *o
        db_prefetch_bucket(d, k.hash)
        db_prefetch_object(d, k.hash)
        if how == "read":
            o = db_find_read(d, &k)
        elif how == "write":
            o = db_find_write(d, &k)
        else:
            o = db_peek(d, &k)
        return None if o == NULL else _value(o)

    def describe(self, int db, bytes key):
        """Return all that is known of a key, or None."""
        cdef dbkey_t k = _dbkey(key)
        cdef obj_t *o = db_peek(self._db(db), &k)
        return None if o == NULL else _describe(o)

    def expire_ms(self, int db, bytes key):
        """Return a key's expiry, NO_EXPIRE, or None if it is absent."""
        cdef dbkey_t k = _dbkey(key)
        cdef obj_t *o = db_peek(self._db(db), &k)
        return None if o == NULL else obj_expire_ms(o)

    # --- Write

    def set(self, int db, bytes key, value, int64_t expire_ms=DB_NO_TTL,
            bint blob=False):
        """Set a key; value as for Obj."""
        cdef dbkey_t k = _dbkey(key)
        cdef db_t *d = self._db(db)
        cdef obj_t *o
        cdef bytes s
        if isinstance(value, int):
            o = db_set_int(d, &k, value, expire_ms)
        elif isinstance(value, Pile):
            o = db_set_pointer(d, &k, OBJ_MODULE, TEST_ENC,
                               _pile_new((<Pile>value).n), expire_ms)
        else:
            s = value
            if blob:
                o = db_set_blob(d, &k, blob_copy(s, len(s), 0), expire_ms)
            else:
                o = db_set_bytes(d, &k, s, len(s), expire_ms)
        if _key(o) != key:
            raise AssertionError("not the key's object")

    def delete(self, int db, bytes key):
        cdef dbkey_t k = _dbkey(key)
        return bool(db_delete(self._db(db), &k))

    def unlink(self, int db, bytes key):
        cdef dbkey_t k = _dbkey(key)
        return bool(db_remove(self._db(db), &k, True))

    def flush(self, int db, bint is_async=False):
        return db_flush(self._db(db), is_async)

    def expire(self, int db, bytes key, int64_t expire_ms):
        """Give a key, which must exist, an expiry."""
        cdef dbkey_t k = _dbkey(key)
        cdef obj_t *o = db_set_expire(
            self._db(db), &k, self._present(db, key), expire_ms)
        if _key(o) != key or obj_expire_ms(o) != expire_ms:
            raise AssertionError("not the key's object")

    def persist(self, int db, bytes key):
        cdef dbkey_t k = _dbkey(key)
        return bool(db_persist(self._db(db), &k, self._present(db, key)))

    def rename(self, int db, bytes src, bytes dst):
        cdef dbkey_t s = _dbkey(src)
        cdef dbkey_t d = _dbkey(dst)
        self._present(db, src)
        db_rename(self._db(db), &s, &d)

    def move(self, int db, bytes key, int target):
        cdef dbkey_t k = _dbkey(key)
        self._present(db, key)
        db_move(self._db(db), &k, self._db(target))

    def copy(self, int db, bytes src, int target, bytes dst):
        cdef dbkey_t s = _dbkey(src)
        cdef dbkey_t d = _dbkey(dst)
        self._present(db, src)
        db_copy(self._db(db), &s, self._db(target), &d)

    def swap(self, int a, int b):
        self._db(a)
        self._db(b)
        ks_swap(self.ks, a, b)

    # --- Whole database

    def size(self, int db):
        return db_len(self._db(db))

    def random(self, int db):
        cdef obj_t *o = db_random(self._db(db))
        return None if o == NULL else _key(o)

    def scan(self, int db, uint64_t cursor, bint all=False):
        """Return (the next cursor, keys)."""
        cdef list keys = []
        if all:
            cursor = db_scan_all(self._db(db), cursor, _collect, <void *>keys)
        else:
            cursor = db_scan(self._db(db), cursor, _collect, <void *>keys)
        return cursor, keys

    def walk(self, int db):
        cdef list keys = []
        db_walk(self._db(db), _collect, <void *>keys)
        return keys

    def avg_ttl(self, int db):
        return db_avg_ttl(self._db(db))

    # --- Debug

    def check(self):
        cdef int i
        for i in range(self.ks.ndbs):
            db_check(&self.ks.dbs[i])
            if self.ks.dbs[i].id != i or self.ks.dbs[i].ks != self.ks:
                raise AssertionError("a database does not know its place")

    def set_frozen(self, int db, bint value):
        self._db(db).keys.is_frozen = value

    def info(self, int db):
        """Return figures of a database."""
        cdef db_t *d = self._db(db)
        return {
            "nexpires": d.nexpires,
            "wheel": 0 if d.wheel == NULL else wheel_len(d.wheel),
            "draining": 0 if d.draining == NULL else wheel_len(d.draining),
            "has_wheel": d.wheel != NULL,
            "is_draining": d.draining != NULL,
            "generation": d.wheel_gen,
            "wheel_nbytes": (0 if d.wheel == NULL else wheel_nbytes(d.wheel))
            + (0 if d.draining == NULL else wheel_nbytes(d.draining)),
            "buckets": d.keys.nbuckets,
        }

    def counters(self):
        return {
            "hits": self.ks.hits,
            "misses": self.ks.misses,
            "expired": self.ks.expired_keys,
            "expired_active": self.ks.expired_active,
        }


# --- lazyfree ---------------------------------------------------------------------

cdef extern from *:
    """
    #include <unistd.h>
    static int gate_shut;
    static uint64_t gate_passed;
    static void gate_pass(void *ignored) {
        (void)ignored;
        while (__atomic_load_n(&gate_shut, __ATOMIC_ACQUIRE)) usleep(100);
        __atomic_fetch_add(&gate_passed, 1, __ATOMIC_RELEASE);
    }
    static void gate_set(int shut) {
        __atomic_store_n(&gate_shut, shut, __ATOMIC_RELEASE);
    }
    static uint64_t gate_count(void) {
        return __atomic_load_n(&gate_passed, __ATOMIC_ACQUIRE);
    }
    """
    void gate_pass(void *ignored) noexcept nogil
    void gate_set(int shut) noexcept nogil
    uint64_t gate_count() noexcept nogil


def lazy_submit(uint64_t weight):
    """Submit a job that waits at the gate."""
    lazyfree_submit(gate_pass, NULL, weight)


def lazy_gate(bint is_shut):
    """Hold the thread at its next job, or let it go on."""
    gate_set(is_shut)


def lazy_passed():
    """Return the number of jobs that have passed the gate."""
    return gate_count()


def piles_freed():
    """Return the number of piles freed so far, on any thread."""
    return piles_freed_count()


def lazy_pending():
    return lazyfree_pending()


def lazy_freed():
    return lazyfree_freed()


def lazy_reset():
    lazyfree_reset_stats()


def lazy_wait():
    with nogil:
        lazyfree_wait()
