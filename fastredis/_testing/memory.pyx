# SPDX-License-Identifier: BSD-3-Clause
"""Python views of core.mem, core.blob, core.keyhash, core.clock and core.rand.

Blocks and blobs are owned by Python objects, and what they hold is checked at the
border: a block that moves keeps its bytes, a zeroed one is zero.
"""
from cython cimport final
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from fastredis.core.blob cimport (
    blob_copy,
    blob_nbytes,
    blob_new,
    blob_release,
    blob_reserve,
    blob_retain,
    blob_t,
    blob_try_new,
    blob_try_reserve,
)
from fastredis.core.clock cimport (
    clock_cycles,
    clock_init,
    clock_mono_ns,
    clock_rate,
    clock_ticks_ns,
    clock_wall_us,
)
from fastredis.core.keyhash cimport keyhash, keyhash_equal, keyhash_raw, keyhash_seed, \
    keyseed_t
from fastredis.core.mem cimport (
    zalloc_aligned,
    zcalloc,
    zfree,
    zgood_size,
    zmalloc,
    zmem_name,
    zmem_purge,
    zrealloc,
    zsize,
    ztrymalloc,
    ztryrealloc,
    zused_memory,
)
from fastredis.core.rand cimport rand_below, rand_next, rand_t
from fastredis.keyspace.lazyfree cimport lazyfree_submit, lazyfree_wait

SIZE_MAX = <size_t>-1


# --- mem --------------------------------------------------------------------------


@final
cdef class Block:
    """A block of memory; freed with the object, or by free."""
    cdef void *p
    cdef size_t nbytes

    def __cinit__(self, size_t nbytes, str how="zmalloc", size_t align=0):
        cdef size_t i
        if how == "zmalloc":
            self.p = zmalloc(nbytes)
        elif how == "zcalloc":
            self.p = zcalloc(nbytes)
            for i in range(nbytes):
                if (<char *>self.p)[i]:
                    raise AssertionError("zcalloc: not zero")
        elif how == "ztrymalloc":
            self.p = ztrymalloc(nbytes)
            if self.p == NULL:
                raise MemoryError
        elif how == "zalloc_aligned":
            self.p = zalloc_aligned(align, nbytes)
            if <size_t>self.p % align:
                raise AssertionError("not aligned")
        else:
            raise ValueError(how)
        self.nbytes = nbytes
        if zsize(self.p) < nbytes:
            raise AssertionError("smaller than asked for")
        memset(self.p, 0xA5, nbytes)

    def __dealloc__(self):
        zfree(self.p)

    def free(self):
        zfree(self.p)
        self.p = NULL
        self.nbytes = 0

    def resize(self, size_t nbytes, bint is_try=False):
        """Resize; the bytes that stay must stay as they are."""
        cdef size_t i, keep = nbytes if nbytes < self.nbytes else self.nbytes
        cdef void *q
        if is_try:
            q = ztryrealloc(self.p, nbytes)
            if q == NULL:
                raise MemoryError
        else:
            q = zrealloc(self.p, nbytes)
        self.p = q
        self.nbytes = nbytes
        for i in range(keep):
            if (<unsigned char *>q)[i] != 0xA5:
                raise AssertionError("resize: bytes lost")
        memset(q, 0xA5, nbytes)

    @property
    def size(self):
        return zsize(self.p)


def used_memory():
    return zused_memory()


def good_size(size_t nbytes):
    return zgood_size(nbytes)


def allocator():
    return zmem_name().decode()


def purge():
    zmem_purge()


def free_null():
    zfree(NULL)
    blob_release(NULL)


cdef void _free_there(void *p) noexcept nogil:
    zfree(p)


def free_on_thread(Block block):
    """Free a block on the lazy-free thread and wait for it."""
    lazyfree_submit(_free_there, block.p, 1)
    block.p = NULL
    with nogil:
        lazyfree_wait()


# --- blob -------------------------------------------------------------------------


@final
cdef class Blob:
    """One reference to a blob."""
    cdef blob_t *b

    def __cinit__(self, bytes value=None, size_t cap=0, bint is_try=False):
        if value is not None:
            self.b = blob_copy(value, len(value), cap)
        elif is_try:
            self.b = blob_try_new(cap)
            if self.b == NULL:
                raise MemoryError
        else:
            self.b = blob_new(cap)

    def __dealloc__(self):
        blob_release(self.b)

    def retain(self):
        """Return another reference."""
        cdef Blob other = Blob.__new__(Blob, None, 0)
        blob_release(other.b)
        other.b = blob_retain(self.b)
        return other

    def reserve(self, size_t cap, bint is_try=False):
        cdef blob_t *b
        if is_try:
            b = blob_try_reserve(self.b, cap)
            if b == NULL:
                raise MemoryError
        else:
            b = blob_reserve(self.b, cap)
        self.b = b

    def fill(self):
        """Write every byte that there is room for."""
        memset(self.b.data, 0x5A, self.b.cap)
        self.b.len = self.b.cap

    def append(self, bytes s):
        if self.b.cap - self.b.len < <size_t>len(s):
            raise AssertionError("no room")
        memcpy(self.b.data + self.b.len, <const char *>s, len(s))
        self.b.len += len(s)

    @property
    def value(self):
        return self.b.data[:self.b.len]

    @property
    def cap(self):
        return self.b.cap

    @property
    def refs(self):
        return self.b.refs

    @property
    def nbytes(self):
        return blob_nbytes(self.b)


# --- keyhash ----------------------------------------------------------------------


def hash_seed():
    """Return the four words of the process's secret."""
    return tuple(keyhash_seed.w[i] for i in range(4))


def hash_bytes(bytes key, seed=None, Py_ssize_t start=0):
    """Hash key[start:] under the process's secret or another one.

    The bytes are copied into a block of just their size, so that a sanitizer sees a
    read beyond them.
    """
    cdef keyseed_t s
    cdef uint64_t result
    cdef int i
    cdef Py_ssize_t n = len(key) - start
    cdef char *p = <char *>zmalloc(n if n else 1)
    memcpy(p, <const char *>key + start, n)
    if seed is None:
        result = keyhash(p, n)
    else:
        for i in range(4):
            s.w[i] = seed[i]
        result = keyhash_raw(&s, p, n)
    zfree(p)
    return result


def equal(bytes a, bytes b):
    """Compare two keys of the same length."""
    cdef Py_ssize_t n = len(a)
    cdef char *p = <char *>zmalloc(n if n else 1)
    cdef char *q = <char *>zmalloc(n if n else 1)
    if len(b) != n:
        raise ValueError("lengths differ")
    memcpy(p, <const char *>a, n)
    memcpy(q, <const char *>b, n)
    result = keyhash_equal(p, q, n)
    zfree(p)
    zfree(q)
    return bool(result)


# --- clock and rand ---------------------------------------------------------------


def clock_setup():
    """Calibrate; return (has a counter, nanoseconds a tick)."""
    clock_init()
    return bool(clock_rate.has_counter), clock_rate.ns_per_tick


def wall_us():
    return clock_wall_us()


def mono_ns():
    return clock_mono_ns()


def cycles():
    return clock_cycles()


def ticks_ns(uint64_t ticks):
    return clock_ticks_ns(ticks)


def random_numbers(uint64_t state, int n, uint64_t bound=0):
    """Return n numbers of a generator; bound 0: all 64 bits."""
    cdef rand_t r
    r.state = state
    return [rand_next(&r) if bound == 0 else rand_below(&r, bound) for _ in range(n)]
