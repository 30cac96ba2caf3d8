# SPDX-License-Identifier: BSD-3-Clause
"""Commands whose handler is a Python function. See pycall.pyx."""
from fastredis.engine.client cimport client_t
from fastredis.resp.writer cimport out_t

# the cmd_fn of every command with CMD_PYTHON
cdef void cmd_call_python(client_t *c) noexcept nogil
# append a Python value as resp/values.py says
cdef int write_value(out_t *o, object value) except -1


cdef class Context:
    cdef client_t *c
    cdef readonly object engine
