# SPDX-License-Identifier: BSD-3-Clause
"""Fieldsets: names of fields that a client has prepared. See fieldsets.pyx."""
from fastredis.core.status cimport status_t
from fastredis.engine.client cimport client_t
from fastredis.resp.parser cimport slice_t

# One allocation: this, the slices, the bytes of the name and of the fields.
cdef struct fieldset_t:
    slice_t name
    int nfields
    slice_t *fields

# copy a fieldset; another one of that name goes. C_ERR: a field occurs twice, and
# nothing has changed
cdef status_t fieldsets_put(
    client_t *c, const slice_t *name, const slice_t *fields, int nfields
) noexcept nogil
# borrowed until the client's fieldsets change; NULL: none of that name
cdef const fieldset_t *fieldsets_find(
    const client_t *c, const slice_t *name
) noexcept nogil
# True: it was there
cdef bint fieldsets_remove(client_t *c, const slice_t *name) noexcept nogil
# returns how many there were
cdef size_t fieldsets_clear(client_t *c) noexcept nogil
cdef size_t fieldsets_nbytes(const client_t *c) noexcept nogil
