# SPDX-License-Identifier: BSD-3-Clause
r"""An RDB file read into the databases, some of it at a time.

    file, mapped
    +-----------+--------+-----+-----+-----+------------------------+----+-----+
    | REDISnnnn | AUX .. | key | key | key | not read yet           | FF | crc |
    +-----------+--------+-----+-----+-----+------------------------+----+-----+
                                           ^ p
    step(nbytes)  reads on for so many bytes; in between the server answers clients

    key --> object --> batch of 16, whose buckets are prefetched --> db_add

Files of Redis's versions 1 to 12 are read, and those of Valkey 9, which has its own
magic and counts from 80. Nothing in a file is trusted: rdb.pyx says how values are
read. A key may come once only.

A page of a file that somebody has cut off meanwhile cannot be read: the kernel sends
SIGBUS. While the loader reads, a handler puts a page of zeros in its place and notes
that; so the file is found to be too short, and nothing else happens to the process.

Libraries of functions and what modules have beside their keys can be told apart without
being understood. The former are kept as they stand, to be written into the next file.

Cost: O(bytes), some 0.15 us a short string. Threads: the one that owns the data.

Source: the format of Redis's RDB files.
"""
from cython cimport final
from fastredis.core.crc64 cimport crc64
from fastredis.core.num cimport num_parse_i64
from fastredis.core.rand cimport rand_next, rand_t
from fastredis.core.status cimport C_ERR, C_OK, fr_likely, fr_unlikely, status_t
from fastredis.engine.client cimport server_t, server_update_clock
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport (
    db_add,
    db_delete,
    db_prefetch_bucket,
    db_reserve,
    db_t,
    dbkey,
    dbkey_t,
)
from fastredis.keyspace.lfu cimport lfu_pack
from fastredis.keyspace.obj cimport (
    OBJ_NO_EXPIRE,
    obj_free,
    obj_key,
    obj_new_bytes,
    obj_new_int,
    obj_renamed,
    obj_set_lru,
    obj_t,
)
from fastredis.persistence.rdb cimport (
    RDB_READ_BAD,
    RDB_READ_EMPTY,
    RDB_READ_OK,
    RDB_VERSION_MAX,
    RDB_VERSION_VALKEY,
    rdb_bad_text,
    rdb_get_body,
    rdb_read_t,
    rdb_set_idle,
)
from fastredis.persistence.rdb_io cimport (
    rdb_get_byte,
    rdb_get_double,
    rdb_get_i64,
    rdb_get_len,
    rdb_get_text,
    rdb_in_t,
    rdb_text_free,
    rdb_text_t,
)
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

import os

cdef enum:
    OP_SLOT_IMPORT = 0xF3
    OP_SLOT_INFO = 0xF4
    OP_FUNCTION = 0xF5
    OP_FUNCTION_OLD = 0xF6
    OP_MODULE_AUX = 0xF7
    OP_IDLE = 0xF8
    OP_FREQ = 0xF9
    OP_AUX = 0xFA
    OP_RESIZE = 0xFB
    OP_EXPIRE_MS = 0xFC
    OP_EXPIRE_S = 0xFD
    OP_SELECT = 0xFE
    OP_END = 0xFF
    OP_FIRST = OP_SLOT_IMPORT

    MODULE_END = 0              # kinds of what modules write
    MODULE_SIGNED = 1
    MODULE_UNSIGNED = 2
    MODULE_FLOAT = 3
    MODULE_DOUBLE = 4
    MODULE_STRING = 5
    MODULE_SHIFT = 58           # of the first of nine letters in a module's number

    TYPE_STRING = 0
    TYPE_MODULE_OLD = 6
    TYPE_MODULE = 7

    MAGIC_NBYTES = 9
    CRC_NBYTES = 8
    CRC_VERSION = 5             # the first that ends with a checksum
    BATCH = 16
    SUM_NBYTES = 64 * 1024      # summed up while they are in the cache
    KEY_NBYTES_MIN = 3          # type, empty key, empty value
    INT_TEXT_MAX = 20
    EMPTIES_NAMED = 10
    NOT_GIVEN = -1
    KEEP_EXPIRED_FIELDS = -1    # they are deleted when their turn comes

_MODULE_CHARS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

cdef extern from *:
    """
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <unistd.h>

    /* The mapped file that a thread reads. */
    typedef struct {
        const char *base;
        size_t nbytes;
        uintptr_t page_nbytes;
        volatile sig_atomic_t is_cut_off;
    } guard_t;
    static __thread guard_t *guard_now;
    static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
    static int nguards;                     /* threads that are reading */
    static struct sigaction guard_before;   /* what was done before the first of them */

    static void guard_on_bus_error(int number, siginfo_t *info, void *context) {
        guard_t *g = guard_now;
        const char *at = (const char *)info->si_addr;
        (void)context;
        if (g != NULL && at >= g->base && at < g->base + g->nbytes) {
            void *page = (void *)((uintptr_t)at & ~(g->page_nbytes - 1));
            if (mmap(page, g->page_nbytes, PROT_READ,
                     MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
                g->is_cut_off = 1;
                return;
            }
        }
        /* none of ours: it comes again, to whoever was there before */
        sigaction(number, &guard_before, NULL);
    }
    static void guard_begin(guard_t *g, const void *base, size_t nbytes) {
        struct sigaction action;
        g->base = (const char *)base;
        g->nbytes = nbytes;
        g->page_nbytes = (uintptr_t)sysconf(_SC_PAGESIZE);
        guard_now = g;
        memset(&action, 0, sizeof action);
        action.sa_sigaction = guard_on_bus_error;
        action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
        sigemptyset(&action.sa_mask);
        pthread_mutex_lock(&guard_lock);
        if (nguards++ == 0) sigaction(SIGBUS, &action, &guard_before);
        pthread_mutex_unlock(&guard_lock);
    }
    static void guard_end(void) {
        pthread_mutex_lock(&guard_lock);
        if (--nguards == 0) sigaction(SIGBUS, &guard_before, NULL);
        pthread_mutex_unlock(&guard_lock);
        guard_now = NULL;
    }
    """
    ctypedef struct guard_t:
        int is_cut_off
    void guard_begin(guard_t *g, const void *base, size_t nbytes) noexcept nogil
    void guard_end() noexcept nogil

cdef extern from "<sys/mman.h>" nogil:
    void *mmap(void *p, size_t n, int prot, int flags, int fd, int64_t start) noexcept
    int munmap(void *p, size_t n) noexcept
    int madvise(void *p, size_t n, int advice) noexcept
    enum:
        PROT_READ
        MAP_PRIVATE
        MADV_SEQUENTIAL
        MADV_DONTNEED

cdef extern from *:
    int usleep(unsigned int us) noexcept nogil

# What came of reading on.
cdef enum load_state_t:
    LOAD_MORE = 0
    LOAD_DONE = 1
    LOAD_SHORT = 2              # the file ends too early
    LOAD_BAD = 3                # `what` says what is wrong
    LOAD_BAD_SUM = 4
    LOAD_REFUSED = 5            # something that this server has not: `what`

cdef struct waiting_t:
    obj_t *o
    uint64_t hash
    int64_t idle_s
    int freq

cdef struct load_t:
    server_t *srv
    db_t *db
    rdb_in_t src
    const uint8_t *base
    size_t nbytes               # of the file
    guard_t guard
    int version
    bint has_checksum           # of the file is to be compared
    bint is_replacing           # keys that are there give way
    bint is_checking            # nothing is stored
    int64_t delay_us
    rand_t rand
    # --- checksum
    const uint8_t *summed       # up to here
    uint64_t crc
    uint64_t expected_crc
    # --- of the next key
    int64_t expire_ms
    int64_t idle_s
    int freq
    # --- results
    load_state_t state
    const char *what
    const uint8_t *at           # where what is being read begins
    uint64_t nkeys
    uint64_t nexpired
    uint64_t nblank
    uint64_t nwith_expiry       # of nkeys
    int nwaiting
    waiting_t waiting[BATCH]


class RdbError(Exception):
    """A file that cannot be loaded.

    kind: ``short``, ``bad``, ``checksum``, ``refused``, or ``version`` and ``magic``.
    """

    def __init__(self, kind, message, offset=0):
        super().__init__(message)
        self.kind = kind
        self.offset = offset


# --- Keys -------------------------------------------------------------------------


cdef void _fail(load_t *l, load_state_t state, const char *what) noexcept nogil:
    if l.state == LOAD_MORE:
        l.state = state
        l.what = what


cdef void _fail_reading(load_t *l, const char *what) noexcept nogil:
    """Note that something could not be read: since it is not there, or is wrong."""
    _fail(l, LOAD_SHORT if l.src.is_short else LOAD_BAD, what)


cdef void _add_waiting(load_t *l) noexcept nogil:
    """Put the keys of the batch into the database."""
    cdef waiting_t *w
    cdef dbkey_t key
    cdef int i
    for i in range(l.nwaiting):
        w = &l.waiting[i]
        key.ptr = obj_key(w.o, &key.len)
        key.hash = w.hash
        if fr_unlikely(not db_add(l.db, &key, w.o)):
            if not l.is_replacing:
                _fail(l, LOAD_BAD, b"a key that comes twice")
                obj_free(w.o)
                continue
            db_delete(l.db, &key)
            db_add(l.db, &key, w.o)
        # only what the policy in force looks at
        if w.freq != NOT_GIVEN and l.srv.ks.is_lfu:
            obj_set_lru(w.o, lfu_pack(l.srv.now_ms, w.freq))
        elif w.idle_s != NOT_GIVEN and not l.srv.ks.is_lfu:
            rdb_set_idle(l.srv, w.o, w.idle_s)
    l.nwaiting = 0


cdef void _add(load_t *l, obj_t *o, const dbkey_t *key) noexcept nogil:
    """Have an object put into the database, or freed if its time has passed."""
    cdef waiting_t *w
    if l.expire_ms != OBJ_NO_EXPIRE:
        if l.expire_ms <= l.srv.now_ms:
            l.nexpired += 1
            obj_free(o)
            return
        l.nwith_expiry += 1
    l.nkeys += 1
    if fr_unlikely(l.is_checking):
        obj_free(o)
        return
    db_prefetch_bucket(l.db, key.hash)
    w = &l.waiting[l.nwaiting]
    w.o = o
    w.hash = key.hash
    w.idle_s = l.idle_s
    w.freq = l.freq
    l.nwaiting += 1
    if l.nwaiting == BATCH:
        _add_waiting(l)


cdef obj_t *_get_string(load_t *l, const dbkey_t *key) noexcept nogil:
    """Read a string into an object that has its key; NULL: there is none."""
    cdef rdb_text_t t
    cdef int64_t v
    cdef obj_t *o
    if rdb_get_text(&l.src, &t) != C_OK:
        return NULL
    if t.len <= INT_TEXT_MAX and num_parse_i64(t.ptr, t.len, &v) == C_OK:
        o = obj_new_int(key.ptr, key.len, v, l.expire_ms)
    else:
        o = obj_new_bytes(key.ptr, key.len, t.ptr, t.len, l.expire_ms)
    if fr_unlikely(t.owned != NULL):
        rdb_text_free(&t)
    return o


cdef void _note_empty(load_t *l, const dbkey_t *key, list names) noexcept:
    if len(names) < EMPTIES_NAMED:
        names.append(key.ptr[:key.len])


cdef void _get_key(load_t *l, int type, void *names) noexcept nogil:
    """Read a key and its value."""
    cdef rdb_text_t t
    cdef dbkey_t key
    cdef rdb_read_t found = RDB_READ_OK
    cdef obj_t *o = NULL
    if fr_unlikely(rdb_get_text(&l.src, &t) != C_OK):
        _fail_reading(l, b"the name of a key")
        return
    key = dbkey(t.ptr, t.len)
    if fr_likely(type == TYPE_STRING):
        o = _get_string(l, &key)
        if o == NULL:
            found = RDB_READ_BAD
    else:
        found = rdb_get_body(
            &l.src, type, l.version, l.srv, KEEP_EXPIRED_FIELDS, &o)
        if found == RDB_READ_OK:
            o = obj_renamed(o, key.ptr, key.len, l.expire_ms)
    if fr_likely(found == RDB_READ_OK):
        _add(l, o, &key)
    elif found == RDB_READ_BAD:
        _fail_reading(l, rdb_bad_text(type))
    elif found == RDB_READ_EMPTY:
        l.nblank += 1
        with gil:
            _note_empty(l, &key, <list>names)
    else:
        l.nexpired += 1         # a hash of which no field is left
    if fr_unlikely(t.owned != NULL):
        rdb_text_free(&t)
    l.expire_ms = OBJ_NO_EXPIRE
    l.idle_s = l.freq = NOT_GIVEN
    if fr_unlikely(l.delay_us != 0):
        if l.delay_us > 0:
            usleep(<unsigned int>l.delay_us)
        elif rand_next(&l.rand) % <uint64_t>-l.delay_us == 0:
            usleep(1)


# --- What stands between keys -----------------------------------------------------


cdef void _note_aux(const rdb_text_t *name, const rdb_text_t *value, dict aux) noexcept:
    aux[name.ptr[:name.len]] = value.ptr[:value.len]


cdef status_t _get_aux(load_t *l, void *aux) noexcept nogil:
    """Read what a file says about itself."""
    cdef rdb_text_t name, value
    cdef status_t status = rdb_get_text(&l.src, &name)
    if status != C_OK:
        return status
    status = rdb_get_text(&l.src, &value)
    if status == C_OK:
        with gil:
            _note_aux(&name, &value, <dict>aux)
        rdb_text_free(&value)
    rdb_text_free(&name)
    return status


cdef status_t _get_select(load_t *l) noexcept nogil:
    cdef uint64_t n
    cdef status_t status = rdb_get_len(&l.src, &n)
    if status != C_OK:
        return status
    if n >= <uint64_t>l.srv.ks.ndbs:
        if not l.is_checking:
            _fail(l, LOAD_REFUSED, b"the file has more databases than this server")
        return C_OK
    _add_waiting(l)
    l.db = &l.srv.ks.dbs[n]
    return C_OK


cdef status_t _get_size(load_t *l) noexcept nogil:
    """Read how many keys follow, and make room for as many as may be there."""
    cdef uint64_t nkeys, nexpires
    cdef status_t status = rdb_get_len(&l.src, &nkeys)
    if status == C_OK:
        status = rdb_get_len(&l.src, &nexpires)
    if status != C_OK:
        return status
    if not l.is_checking:
        db_reserve(l.db, min(nkeys, <uint64_t>(l.src.end - l.src.p) / KEY_NBYTES_MIN))
    return C_OK


cdef status_t _get_expiry(load_t *l, bint in_ms) noexcept nogil:
    cdef const uint8_t *p = l.src.p
    cdef uint32_t seconds
    cdef status_t status
    if in_ms:
        status = rdb_get_i64(&l.src, &l.expire_ms)
        if status == C_OK and l.expire_ms < 0:
            l.expire_ms = 0     # long ago; -1 would be never
        return status
    if l.src.end - p < 4:
        l.src.is_short = True
        return C_ERR
    memcpy(&seconds, p, 4)
    l.src.p += 4
    l.expire_ms = <int64_t>seconds * 1000
    return C_OK


cdef status_t _get_lens(load_t *l, int n) noexcept nogil:
    """Pass over n numbers."""
    cdef status_t status = C_OK
    cdef uint64_t unused
    while n and status == C_OK:
        status = rdb_get_len(&l.src, &unused)
        n -= 1
    return status


cdef void _note_function(load_t *l, list functions) noexcept:
    functions.append(l.at[:l.src.p - l.at])


cdef status_t _get_function(load_t *l, void *functions) noexcept nogil:
    """Keep a library of functions."""
    cdef rdb_text_t t
    cdef status_t status = rdb_get_text(&l.src, &t)
    if status == C_OK:
        rdb_text_free(&t)
        with gil:
            _note_function(l, <list>functions)
    return status


cdef void _note_module(uint64_t id, list modules) noexcept:
    """Note a module by its name, which its number stands for."""
    cdef int i
    name = "".join(
        [_MODULE_CHARS[(id >> (MODULE_SHIFT - 6 * i)) & 63] for i in range(9)])
    if name not in modules:
        modules.append(name)


cdef status_t _get_module_aux(load_t *l, void *modules) noexcept nogil:
    """Pass over what a module has beside its keys."""
    cdef uint64_t id = 0, kind, unused
    cdef double number
    cdef rdb_text_t t
    cdef status_t status = rdb_get_len(&l.src, &id)
    # a kind, when it is to be read, the end of that
    if status == C_OK:
        status = _get_lens(l, 2)
    while status == C_OK:
        status = rdb_get_len(&l.src, &kind)
        if status != C_OK or kind == MODULE_END:
            break
        if kind == MODULE_SIGNED or kind == MODULE_UNSIGNED:
            status = rdb_get_len(&l.src, &unused)
        elif kind == MODULE_DOUBLE:
            status = rdb_get_double(&l.src, &number)
        elif kind == MODULE_FLOAT:
            if l.src.end - l.src.p < 4:
                l.src.is_short = True
                return C_ERR
            l.src.p += 4
        elif kind == MODULE_STRING:
            status = rdb_get_text(&l.src, &t)
            if status == C_OK:
                rdb_text_free(&t)
        else:
            status = C_ERR
    if status == C_OK:
        with gil:
            _note_module(id, <list>modules)
    return status


cdef void _end(load_t *l) noexcept nogil:
    """Compare the checksum at the end."""
    _add_waiting(l)
    _sum_up(l)
    _fail(l, LOAD_DONE, NULL)
    if l.version < CRC_VERSION:
        return
    if l.src.end - l.src.p < CRC_NBYTES:
        l.state = LOAD_SHORT
        l.what = b"the checksum"
        return
    memcpy(&l.expected_crc, l.src.p, CRC_NBYTES)
    l.src.p += CRC_NBYTES
    if l.has_checksum and l.expected_crc != 0 and l.expected_crc != l.crc:
        l.state = LOAD_BAD_SUM


# Python objects that what is no key is noted in, borrowed.
cdef struct notes_t:
    void *empties
    void *aux
    void *functions
    void *modules


cdef void _get_special(load_t *l, int op, const notes_t *notes) noexcept nogil:
    """Read what is no key."""
    cdef status_t status = C_OK
    cdef uint64_t n = 0
    if op == OP_EXPIRE_MS or op == OP_EXPIRE_S:
        status = _get_expiry(l, op == OP_EXPIRE_MS)
    elif op == OP_IDLE:
        status = rdb_get_len(&l.src, &n)
        l.idle_s = min(n, <uint64_t>0xFFFFFF)
    elif op == OP_FREQ:
        status = rdb_get_byte(&l.src, &l.freq)
    elif op == OP_SELECT:
        status = _get_select(l)
    elif op == OP_RESIZE:
        status = _get_size(l)
    elif op == OP_AUX:
        status = _get_aux(l, notes.aux)
    elif op == OP_SLOT_INFO:
        status = _get_lens(l, 3)
    elif op == OP_FUNCTION:
        status = _get_function(l, notes.functions)
    elif op == OP_MODULE_AUX:
        status = _get_module_aux(l, notes.modules)
    elif op == OP_END:
        _end(l)
    elif op == OP_FUNCTION_OLD:
        _fail(l, LOAD_REFUSED, b"functions of a pre-release of Redis 7")
    else:
        _fail(l, LOAD_REFUSED, b"a slot that is being imported into a cluster")
    if status != C_OK:
        _fail_reading(l, b"what stands between keys")


# --- Read on ----------------------------------------------------------------------


cdef void _sum_up(load_t *l) noexcept nogil:
    """Have the checksum of all that was read."""
    if l.has_checksum:
        l.crc = crc64(l.crc, l.summed, l.src.p - l.summed)
    l.summed = l.src.p


cdef void _load(load_t *l, size_t nbytes, const notes_t *notes) noexcept nogil:
    """Read so many bytes, or a little more."""
    cdef const uint8_t *start = l.src.p
    cdef const uint8_t *until = l.src.end
    cdef int type
    if nbytes < <size_t>(l.src.end - start):
        until = start + nbytes
    while l.state == LOAD_MORE:
        l.at = l.src.p
        if fr_unlikely(rdb_get_byte(&l.src, &type) != C_OK):
            _fail_reading(l, b"the end of the file")
            break
        if fr_likely(type < OP_FIRST):
            if fr_unlikely(type == TYPE_MODULE or type == TYPE_MODULE_OLD):
                _fail(l, LOAD_REFUSED,
                      b"a value of a module, and this server has no modules")
                break
            _get_key(l, type, notes.empties)
        else:
            _get_special(l, type, notes)
        if l.src.p - l.summed >= SUM_NBYTES and l.state == LOAD_MORE:
            _sum_up(l)
        if l.src.p >= until:
            break
    _add_waiting(l)
    if l.state == LOAD_MORE:
        _drop_pages(l, start)


cdef void _drop_pages(load_t *l, const uint8_t *start) noexcept nogil:
    """Give back the mapped pages that are read, lest they count as the server's."""
    cdef size_t first = <size_t>start & ~<size_t>4095
    cdef size_t end = <size_t>l.src.p & ~<size_t>4095
    if end > first:
        madvise(<void *>first, end - first, MADV_DONTNEED)


# --- From Python ------------------------------------------------------------------


@final
cdef class RdbLoader:
    """A file that is being loaded, or checked.

    Raises: OSError if it cannot be read, RdbError if it is no file of a version that
        is understood.
    """

    cdef load_t l
    cdef Engine engine
    cdef readonly list empties      # the first keys that hold nothing
    cdef readonly dict aux          # what the file says about itself
    cdef readonly list functions    # libraries, as they stand in the file
    cdef readonly list modules      # names of those whose own data was passed over
    cdef readonly bint is_valkey
    cdef bint keeps_expired         # requests follow that may be about such keys

    def __cinit__(
        self, Engine engine not None, path, *, bint checksum=True,
        bint replaces=False, bint checks=False, bint any_version=False,
        bint keeps_expired=False, delay_us=0
    ):
        cdef void *p
        cdef bytes magic = b""
        self.engine = engine
        self.empties = []
        self.aux = {}
        self.functions = []
        self.modules = []
        memset(&self.l, 0, sizeof(self.l))
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.l.nbytes = os.fstat(fd).st_size
            if self.l.nbytes:
                p = mmap(NULL, self.l.nbytes, PROT_READ, MAP_PRIVATE, fd, 0)
                if <ssize_t>p == -1:
                    self.l.nbytes = 0
                    raise OSError(0, "the file cannot be mapped into memory", path)
                self.l.base = <const uint8_t *>p
                magic = os.pread(fd, MAGIC_NBYTES, 0)
                madvise(p, self.l.nbytes, MADV_SEQUENTIAL)
        finally:
            os.close(fd)
        self.l.srv = &engine.srv
        self.l.db = &engine.srv.ks.dbs[0]
        self.l.src.p = self.l.summed = self.l.at = self.l.base
        self.l.src.end = self.l.base + self.l.nbytes
        self.l.has_checksum = checksum
        self.l.is_replacing = replaces
        self.l.is_checking = checks
        self.keeps_expired = keeps_expired
        self.l.delay_us = delay_us
        self.l.rand.state = 1
        self.l.expire_ms = OBJ_NO_EXPIRE
        self.l.idle_s = self.l.freq = NOT_GIVEN
        self._read_magic(magic, any_version)
        server_update_clock(&engine.srv)

    def __dealloc__(self):
        cdef int i
        if self.l.base != NULL:
            munmap(<void *>self.l.base, self.l.nbytes)
        for i in range(self.l.nwaiting):
            obj_free(self.l.waiting[i].o)

    def _read_magic(self, bytes magic, bint any_version):
        if len(magic) < MAGIC_NBYTES:
            raise RdbError("short", "the file is shorter than its first line")
        for prefix in (b"REDIS", b"VALKEY"):
            digits = magic.removeprefix(prefix)
            if digits != magic and digits.isdigit():
                break
        else:
            raise RdbError("magic", "Wrong signature trying to load DB from file")
        self.is_valkey = prefix == b"VALKEY"
        self.l.version = int(digits)
        if self.is_valkey:
            is_known = self.l.version == RDB_VERSION_VALKEY
        else:
            is_known = 1 <= self.l.version <= RDB_VERSION_MAX
        if not is_known and not (any_version and self.l.version > 0):
            raise RdbError(
                "version", f"Can't handle RDB format version {self.l.version}")
        self.l.src.p += MAGIC_NBYTES

    def step(self, size_t nbytes):
        """Read so many bytes; return whether there are more.

        Raises: RdbError if the file cannot be loaded. What was read stays.
        """
        cdef load_t *l = &self.l
        cdef notes_t notes
        notes.empties = <void *>self.empties
        notes.aux = <void *>self.aux
        notes.functions = <void *>self.functions
        notes.modules = <void *>self.modules
        if self.keeps_expired:
            self.engine.srv.now_ms = self.engine.srv.ks.now_ms = 0
        with nogil:
            guard_begin(&l.guard, l.base, l.nbytes)
            _load(l, nbytes, &notes)
            guard_end()
        if l.guard.is_cut_off:
            l.state = LOAD_SHORT
            l.what = b"a part that was cut off while it was read"
        if self.keeps_expired:
            server_update_clock(&self.engine.srv)
        if l.state == LOAD_MORE:
            return True
        if l.state == LOAD_DONE:
            return False
        offset = l.at - l.base
        if l.state == LOAD_BAD_SUM:
            raise RdbError(
                "checksum",
                f"Wrong RDB checksum expected: ({l.expected_crc:x}) but got "
                f"({l.crc:x}). Aborting now.", offset)
        kind = {LOAD_SHORT: "short", LOAD_BAD: "bad"}.get(l.state, "refused")
        raise RdbError(kind, l.what.decode(), offset)

    @property
    def offset(self):
        """The number of bytes read."""
        return self.l.src.p - self.l.base

    @property
    def nbytes(self):
        """The length of the file."""
        return self.l.nbytes

    @property
    def version(self):
        """The version of the file's format."""
        return self.l.version

    @property
    def has_checksum(self):
        """Whether the file, read to its end, had a checksum."""
        return self.l.version >= CRC_VERSION and self.l.expected_crc != 0

    @property
    def current(self):
        """What is being read, or could not be: (type or opcode, key or None)."""
        cdef rdb_in_t src = self.l.src
        cdef rdb_text_t t
        cdef int type
        key = None
        src.p = self.l.at
        if self.l.guard.is_cut_off or rdb_get_byte(&src, &type) != C_OK:
            return -1, None
        if type < OP_FIRST and rdb_get_text(&src, &t) == C_OK:
            key = t.ptr[:t.len]
            rdb_text_free(&t)
        return type, key

    @property
    def counts(self):
        """The numbers of keys so far.

        (loaded, of these with an expiry, expired, empty)
        """
        return self.l.nkeys, self.l.nwith_expiry, self.l.nexpired, self.l.nblank
