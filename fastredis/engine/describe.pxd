# SPDX-License-Identifier: BSD-3-Clause
"""A client as a dict, for CLIENT LIST and whoever else asks in Python."""
from fastredis.engine.client cimport client_t

cdef dict client_describe(client_t *c)
