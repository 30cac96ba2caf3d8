# SPDX-License-Identifier: BSD-3-Clause
"""Many small blocks for one owner, to four bytes exact. See slab.pyx.

Blocks are multiples of four bytes long and at multiples of four, no more. The owner
knows the length of each block: it gives it back when it frees the block.
"""

cdef enum:
    SLAB_MAX = 128          # bytes; longer blocks are not for slabs

cdef struct slab_t

# returned; slab_free_all gives up all blocks with it, NULL is allowed
cdef slab_t *slab_new() noexcept nogil
cdef void slab_free_all(slab_t *s) noexcept nogil
# nbytes: 1 .. SLAB_MAX
cdef void *slab_alloc(slab_t *s, size_t nbytes) noexcept nogil
cdef void slab_free(slab_t *s, void *block, size_t nbytes) noexcept nogil
# bytes that a block of nbytes really has
cdef size_t slab_size(size_t nbytes) noexcept nogil
# bytes of all pages
cdef size_t slab_nbytes(const slab_t *s) noexcept nogil
# walk every invariant; ends the process on a violation
cdef void slab_check(const slab_t *s) noexcept nogil
