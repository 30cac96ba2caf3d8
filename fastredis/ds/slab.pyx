# SPDX-License-Identifier: BSD-3-Clause
r"""Slabs: pages of blocks of one size each.

    slab_t
      partial[0]   4 bytes   --> page --> page        pages with a free block
      full[0]                --> page                 pages without
      ..
      partial[31]  128 bytes

    page of 4096 bytes, at a multiple of 4096
    +--------------------------------+-------+-------+-------+-- .. --+
    | next prev size nused free fresh| block | block | block | unused |
    +--------------------------------+-------+-------+-------+-- .. --+
                          |     |        ^                      ^
                          |     +--------|--- the first one never used
                          +--------------+--- free ones, each with the next one's offset

An allocator for everybody rounds 34 bytes up to 48; here they take 36, and a page's
head costs a hundredth. In return the owner has to remember lengths, which it does
anyway where a block says how long it is.

A page that empties is given back at once, unless it is the last one of its size that
has room.

Cost: O(1), no search. Threads: one at a time, whichever.
Source: J. Bonwick, The slab allocator (USENIX 1994).
"""
from fastredis.core.mem cimport zalloc_aligned, zcalloc, zfree, zsize
from fastredis.core.status cimport fr_assert
from libc.stdint cimport uint16_t, uintptr_t
from libc.string cimport memcpy

cdef enum:
    PAGE_NBYTES = 4096
    GRAIN = 4
    CLASSES = SLAB_MAX // GRAIN

cdef struct page_t:
    page_t *next
    page_t *prev
    uint16_t size           # of each block
    uint16_t nused
    uint16_t free           # offset of the first free block; 0: none
    uint16_t fresh          # offset of the first block that was never used

cdef struct slab_t:
    page_t *partial[CLASSES]
    page_t *full[CLASSES]
    size_t npages


cdef inline int _class(size_t nbytes) noexcept nogil:
    return <int>((nbytes + GRAIN - 1) // GRAIN) - 1


cdef inline page_t *_page(void *block) noexcept nogil:
    return <page_t *>(<uintptr_t>block & ~<uintptr_t>(PAGE_NBYTES - 1))


cdef inline bint _is_full(const page_t *p) noexcept nogil:
    return p.free == 0 and p.fresh + p.size > PAGE_NBYTES


# --- Create and free --------------------------------------------------------------


cdef slab_t *slab_new() noexcept nogil:
    """Return a slab without pages."""
    return <slab_t *>zcalloc(sizeof(slab_t))


cdef void _free_pages(page_t *p) noexcept nogil:
    cdef page_t *following
    while p != NULL:
        following = p.next
        zfree(p)
        p = following


cdef void slab_free_all(slab_t *s) noexcept nogil:
    """Free the slab and all of its blocks."""
    cdef int i
    if s == NULL:
        return
    for i in range(CLASSES):
        _free_pages(s.partial[i])
        _free_pages(s.full[i])
    zfree(s)


# --- Lists of pages ---------------------------------------------------------------


cdef inline void _link(page_t **head, page_t *p) noexcept nogil:
    p.prev = NULL
    p.next = head[0]
    if p.next != NULL:
        p.next.prev = p
    head[0] = p


cdef inline void _unlink(page_t **head, page_t *p) noexcept nogil:
    if p.prev != NULL:
        p.prev.next = p.next
    else:
        head[0] = p.next
    if p.next != NULL:
        p.next.prev = p.prev


cdef page_t *_add_page(slab_t *s, int i) noexcept nogil:
    """Return a new page with room."""
    cdef page_t *p = <page_t *>zalloc_aligned(PAGE_NBYTES, PAGE_NBYTES)
    p.size = <uint16_t>((i + 1) * GRAIN)
    p.nused = 0
    p.free = 0
    p.fresh = sizeof(page_t)
    _link(&s.partial[i], p)
    s.npages += 1
    return p


# --- Blocks -----------------------------------------------------------------------


cdef void *slab_alloc(slab_t *s, size_t nbytes) noexcept nogil:
    """Return a block of at least nbytes."""
    cdef int i = _class(nbytes)
    cdef page_t *p = s.partial[i]
    cdef char *block
    if p == NULL:
        p = _add_page(s, i)
    if p.free:
        block = <char *>p + p.free
        memcpy(&p.free, block, 2)
    else:
        block = <char *>p + p.fresh
        p.fresh += p.size
    p.nused += 1
    if _is_full(p):
        _unlink(&s.partial[i], p)
        _link(&s.full[i], p)
    return block


cdef void slab_free(slab_t *s, void *block, size_t nbytes) noexcept nogil:
    """Free a block of nbytes."""
    cdef int i = _class(nbytes)
    cdef page_t *p = _page(block)
    cdef bint was_full = _is_full(p)
    fr_assert(p.size == (i + 1) * GRAIN)
    memcpy(block, &p.free, 2)
    p.free = <uint16_t>(<char *>block - <char *>p)
    p.nused -= 1
    if was_full:
        _unlink(&s.full[i], p)
        _link(&s.partial[i], p)
    elif p.nused == 0 and (p.next != NULL or p.prev != NULL):
        _unlink(&s.partial[i], p)
        zfree(p)
        s.npages -= 1


# --- Describe ---------------------------------------------------------------------


cdef size_t slab_size(size_t nbytes) noexcept nogil:
    """Return the length of the block that nbytes would get."""
    return <size_t>(_class(nbytes) + 1) * GRAIN


cdef size_t slab_nbytes(const slab_t *s) noexcept nogil:
    """Return the bytes of the slab and its pages."""
    return zsize(s) + s.npages * PAGE_NBYTES


cdef size_t _check_pages(const page_t *p, int i, bint is_full) noexcept nogil:
    """Check a list of pages; return how many there are."""
    cdef size_t n = 0, nfree
    cdef uint16_t offset
    while p != NULL:
        n += 1
        fr_assert(p.size == (i + 1) * GRAIN)
        fr_assert(_is_full(p) == is_full)
        fr_assert(p.next == NULL or p.next.prev == p)
        nfree = 0
        offset = p.free
        while offset:
            fr_assert((offset - sizeof(page_t)) % p.size == 0 and offset < p.fresh)
            memcpy(&offset, <const char *>p + offset, 2)
            nfree += 1
        fr_assert(p.nused + nfree == (p.fresh - sizeof(page_t)) // p.size)
        p = p.next
    return n


cdef void slab_check(const slab_t *s) noexcept nogil:
    """Walk every invariant."""
    cdef size_t n = 0
    cdef int i
    for i in range(CLASSES):
        n += _check_pages(s.partial[i], i, False)
        n += _check_pages(s.full[i], i, True)
    fr_assert(n == s.npages)
