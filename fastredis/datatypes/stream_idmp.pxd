# SPDX-License-Identifier: BSD-3-Clause
"""What producers have sent to a stream lately, by their own ids: stream_idmp.pyx."""
from fastredis.ds.hashtable cimport ht_t
from fastredis.ds.streamindex cimport sid_t
from fastredis.resp.parser cimport slice_t
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    SIDMP_DURATION_DEFAULT = 100        # seconds
    SIDMP_DURATION_MAX = 86400
    SIDMP_LEN_DEFAULT = 100             # ids of each producer
    SIDMP_LEN_MAX = 10000

cdef struct sidmp_producer_t            # opaque

cdef struct sidmp_t:
    int64_t duration_s                  # for how long an id is known
    int64_t max_len                     # and how many of each producer
    uint64_t added                      # entries that came with an id
    uint64_t duplicates                 # of them refused, since they had come before
    size_t nids                         # known now
    ht_t *producers                     # by name
    sidmp_producer_t *first             # all of them
    int64_t swept_ms

# returned: empty
cdef sidmp_t *sidmp_new(int64_t now_ms) noexcept nogil
cdef void sidmp_free(sidmp_t *m) noexcept nogil         # NULL is allowed
cdef sidmp_t *sidmp_copy(const sidmp_t *m) noexcept nogil
cdef size_t sidmp_nbytes(const sidmp_t *m) noexcept nogil
# forget everything
cdef void sidmp_clear(sidmp_t *m) noexcept nogil
# forget what is too old
cdef void sidmp_sweep(sidmp_t *m, int64_t now_ms) noexcept nogil
# the entry that a producer's id stands for; False: it is not known
cdef bint sidmp_find(
    sidmp_t *m, const slice_t *producer, const slice_t *own, int64_t now_ms,
    sid_t *id_out
) noexcept nogil
# note that a producer's id stands for an entry, whatever it stood for
cdef void sidmp_add(
    sidmp_t *m, const slice_t *producer, const slice_t *own, int64_t now_ms, sid_t id
) noexcept nogil
