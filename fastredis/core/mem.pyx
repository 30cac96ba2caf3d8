# SPDX-License-Identifier: BSD-3-Clause
r"""Memory: mimalloc behind one interface that counts every byte.

The count must be cheap (it is touched twice per SET) and right although other threads
allocate and free, too. So each thread adds to a share of its own, without an atomic
operation, and zused_memory adds the shares up; one may well be negative.

    main thread      shares[0]  +5000 --+
    lazy-free thread shares[1]  -1200 --+--> zused_memory() = 3800
    ...              shares[63] (all that come late, with atomic additions)

Where the build found no mimalloc (FASTREDIS_MIMALLOC undefined: sanitizer builds,
platforms without its wheel), the C library's allocator serves.
"""

cdef extern from *:
    """
    #include <stdint.h>
    #include <stdio.h>
    #include <stdlib.h>
    #ifdef FASTREDIS_MIMALLOC
      #include <mimalloc.h>
      #define raw_malloc mi_malloc
      #define raw_calloc(n) mi_zalloc(n)
      #define raw_realloc mi_realloc
      #define raw_aligned(a, n) mi_malloc_aligned(n, a)
      #define raw_free mi_free
      #define raw_size mi_usable_size
      #define raw_good_size mi_good_size
      #define raw_purge() mi_collect(1)
      #define raw_small_pages() mi_option_disable(mi_option_allow_thp)
      #define raw_report(out, arg) mi_stats_print_out(out, arg)
      #define RAW_NAME "mimalloc-" RAW_STR(MI_MALLOC_VERSION)
      #define RAW_STR(x) RAW_STR2(x)
      #define RAW_STR2(x) #x
    #else
      #ifdef __APPLE__
        #include <malloc/malloc.h>
        #define raw_size(p) malloc_size(p)
        #define raw_purge() ((void)0)
      #else
        #include <malloc.h>
        #define raw_size(p) malloc_usable_size((void *)(p))
        #ifdef __GLIBC__
          #define raw_purge() malloc_trim(0)
        #else
          #define raw_purge() ((void)0)
        #endif
      #endif
      #define raw_malloc malloc
      #define raw_calloc(n) calloc(1, n)
      #define raw_realloc realloc
      #define raw_free free
      /* glibc: a word of its own before each block, and 32 bytes at the least */
      #define raw_good_size(n) ((n) < 24 ? 24 : ((n) + 8 + 15) / 16 * 16 - 8)
      static void *raw_aligned(size_t align, size_t n) {
          void *p = NULL;
          return posix_memalign(&p, align, n) == 0 ? p : NULL;
      }
      #define RAW_NAME "libc"
    #endif
    #ifndef raw_report
      #ifdef __GLIBC__
        static void raw_report(void (*out)(const char *, void *), void *arg) {
            char *text = NULL;
            size_t n = 0;
            FILE *f = open_memstream(&text, &n);
            if (f == NULL) return;
            malloc_info(0, f);
            if (fclose(f) == 0) out(text, arg);
            free(text);
        }
      #else
        #define raw_report(out, arg) ((void)(out), (void)(arg))
      #endif
    #endif
    #ifndef raw_small_pages
      #define raw_small_pages() ((void)0)
    #endif
    typedef struct { int64_t n; char pad[56]; } zmem_share_t;   /* a cache line */
    #define ZMEM_SHARES 64
    static zmem_share_t zmem_shares[ZMEM_SHARES];
    static int zmem_nshares;
    #ifdef __linux__
      #define ZMEM_TLS __thread __attribute__((tls_model("initial-exec")))
    #else
      #define ZMEM_TLS __thread
    #endif
    static ZMEM_TLS zmem_share_t *zmem_own;
    static void zmem_join(void) {
        int i = __atomic_fetch_add(&zmem_nshares, 1, __ATOMIC_RELAXED);
        zmem_own = &zmem_shares[i < ZMEM_SHARES ? i : ZMEM_SHARES - 1];
    }
    static inline void zmem_add(int64_t n) {
        if (__builtin_expect(zmem_own == NULL, 0)) zmem_join();
        if (__builtin_expect(zmem_own == &zmem_shares[ZMEM_SHARES - 1], 0))
            __atomic_fetch_add(&zmem_own->n, n, __ATOMIC_RELAXED);  /* has company */
        else
            __atomic_store_n(
                &zmem_own->n, __atomic_load_n(&zmem_own->n, __ATOMIC_RELAXED) + n,
                __ATOMIC_RELAXED);
    }
    static int64_t zmem_sum(void) {
        int64_t sum = 0;
        for (int i = 0; i < ZMEM_SHARES; i++)
            sum += __atomic_load_n(&zmem_shares[i].n, __ATOMIC_RELAXED);
        return sum;
    }
    static void zmem_die(size_t n) {
        fprintf(stderr, "fastredis: out of memory allocating %zu bytes\\n", n);
        abort();
    }
    """
    void *raw_malloc(size_t n) noexcept nogil
    void *raw_calloc(size_t n) noexcept nogil
    void *raw_realloc(void *p, size_t n) noexcept nogil
    void *raw_aligned(size_t align, size_t n) noexcept nogil
    void raw_free(void *p) noexcept nogil
    size_t raw_size(const void *p) noexcept nogil
    size_t raw_good_size(size_t n) noexcept nogil
    void raw_purge() noexcept nogil
    void raw_small_pages() noexcept nogil
    void raw_report(zmem_out_fn out, void *arg) noexcept nogil
    const char *RAW_NAME
    void zmem_add(ssize_t n) noexcept nogil
    ssize_t zmem_sum() noexcept nogil
    void zmem_die(size_t n) noexcept nogil


# --- Allocate ---------------------------------------------------------------------


cdef void *ztrymalloc(size_t nbytes) noexcept nogil:
    """Return a block of nbytes, or NULL."""
    cdef void *p = raw_malloc(nbytes)
    if p != NULL:
        zmem_add(<ssize_t>raw_size(p))
    return p


cdef void *zmalloc(size_t nbytes) noexcept nogil:
    """Return a block of nbytes; ends the process on exhaustion."""
    cdef void *p = raw_malloc(nbytes)
    if p == NULL:
        zmem_die(nbytes)
    zmem_add(<ssize_t>raw_size(p))
    return p


cdef void *zcalloc(size_t nbytes) noexcept nogil:
    """Return a zeroed block of nbytes; ends the process on exhaustion."""
    cdef void *p = raw_calloc(nbytes)
    if p == NULL:
        zmem_die(nbytes)
    zmem_add(<ssize_t>raw_size(p))
    return p


cdef void *zalloc_aligned(size_t align, size_t nbytes) noexcept nogil:
    """Return a block at a multiple of align; ends the process on exhaustion."""
    # a block of a power of two is aligned as it comes, whereas mimalloc takes a size
    # class more when it is asked for alignment: 80 KB instead of 64
    cdef void *p = raw_malloc(nbytes)
    if p != NULL and <size_t>p & (align - 1):
        raw_free(p)
        p = raw_aligned(align, nbytes)
    if p == NULL:
        zmem_die(nbytes)
    zmem_add(<ssize_t>raw_size(p))
    return p


cdef void *ztryrealloc(void *p, size_t nbytes) noexcept nogil:
    """Resize a block; NULL leaves the old one as it was."""
    cdef ssize_t before = 0 if p == NULL else <ssize_t>raw_size(p)
    # to nothing: the C library would free the block and return NULL
    cdef void *q = raw_realloc(p, nbytes if nbytes else 1)
    if q != NULL:
        zmem_add(<ssize_t>raw_size(q) - before)
    return q


cdef void *zrealloc(void *p, size_t nbytes) noexcept nogil:
    """Resize a block; ends the process on exhaustion."""
    cdef void *q = ztryrealloc(p, nbytes)
    if q == NULL:
        zmem_die(nbytes)
    return q


cdef void zfree(void *p) noexcept nogil:
    """Release a block; NULL is allowed."""
    if p != NULL:
        zmem_add(-<ssize_t>raw_size(p))
        raw_free(p)


# --- Account ----------------------------------------------------------------------


cdef size_t zsize(const void *p) noexcept nogil:
    """Return the bytes the block really has."""
    return raw_size(p)


cdef size_t zgood_size(size_t nbytes) noexcept nogil:
    """Return the size that a request of nbytes would really take."""
    return raw_good_size(nbytes)


cdef size_t zused_memory() noexcept nogil:
    """Return the bytes in use."""
    cdef ssize_t n = zmem_sum()
    return <size_t>n if n > 0 else 0


cdef void zmem_purge() noexcept nogil:
    """Give free memory back to the system."""
    raw_purge()


cdef void zmem_report(zmem_out_fn out, void *arg) noexcept nogil:
    """Have the allocator tell of itself."""
    raw_report(out, arg)


cdef void zmem_small_pages() noexcept nogil:
    """Do without transparent huge pages, if nothing has been allocated yet.

    Their speed could not be measured (1M keys, P=16: 0.97 to 1.00 of the CPU), whereas
    an empty server grew by 4 MB, and a forked child would copy 2 MB for each byte.
    """
    raw_small_pages()


cdef const char *zmem_name() noexcept nogil:
    """Return the allocator's name."""
    return RAW_NAME
