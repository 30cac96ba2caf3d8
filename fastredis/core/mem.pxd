# SPDX-License-Identifier: BSD-3-Clause
"""The one allocator interface; no other module calls malloc. See mem.pyx.

zmalloc, zcalloc, zrealloc and zalloc_aligned end the process on exhaustion;
ztrymalloc and ztryrealloc return NULL and are for sizes that a client or a file chose.
zfree accepts NULL. All may be called from any thread.
"""

cdef void *zmalloc(size_t nbytes) noexcept nogil
cdef void *zcalloc(size_t nbytes) noexcept nogil
cdef void *zrealloc(void *p, size_t nbytes) noexcept nogil
cdef void *ztrymalloc(size_t nbytes) noexcept nogil
cdef void *ztryrealloc(void *p, size_t nbytes) noexcept nogil
# align: a power of two; released by zfree like the others
cdef void *zalloc_aligned(size_t align, size_t nbytes) noexcept nogil
cdef void zfree(void *p) noexcept nogil
# bytes that the block really has, at least what was asked for
cdef size_t zsize(const void *p) noexcept nogil
# the size a request of nbytes would really take
cdef size_t zgood_size(size_t nbytes) noexcept nogil
# bytes in use, counted by zsize
cdef size_t zused_memory() noexcept nogil
# give free memory back to the system
cdef void zmem_purge() noexcept nogil
# the allocator's report about itself, in pieces of text; none from some allocators
ctypedef void (*zmem_out_fn)(const char *text, void *arg) noexcept nogil
cdef void zmem_report(zmem_out_fn out, void *arg) noexcept nogil
# ask for no huge pages; before the first allocation
cdef void zmem_small_pages() noexcept nogil
# name of the allocator, for INFO; a static string
cdef const char *zmem_name() noexcept nogil
