# SPDX-License-Identifier: BSD-3-Clause
"""Values to be sorted, by themselves or by weights of their own. See sorting.pyx."""
from libc.stdint cimport uint32_t

# Bytes of the batch; valid until it is freed, or something is added.
cdef struct sort_text_t:
    const char *ptr             # NULL: there is none
    size_t len

cdef struct sort_item_t:
    double score                # what numbers are compared by
    size_t value_at
    size_t value_len
    size_t weight_at            # what texts are compared by
    size_t weight_len
    bint has_weight

cdef struct sort_batch_t:
    sort_item_t *items
    size_t count
    size_t cap
    char *bytes
    size_t nbytes
    size_t cap_bytes

cdef enum:
    SORT_ALPHA = 1              # compare texts, not scores
    SORT_BY_WEIGHT = 2          # ... those of the weights; none is less than any
    SORT_DESC = 4

cdef sort_batch_t *sort_new() noexcept nogil            # returned
cdef void sort_free(sort_batch_t *b) noexcept nogil
# copies the value; without score and weight
cdef void sort_add(sort_batch_t *b, const char *s, size_t nbytes) noexcept nogil
cdef void sort_set_weight(
    sort_batch_t *b, size_t i, const char *s, size_t nbytes
) noexcept nogil
cdef sort_text_t sort_value(const sort_batch_t *b, size_t i) noexcept nogil
# equal ones stay in the order in which they were added, or go by their values
cdef void sort_run(sort_batch_t *b, uint32_t how) noexcept nogil
