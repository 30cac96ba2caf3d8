# SPDX-License-Identifier: BSD-3-Clause
"""A key of a type that no command knows, to test what commands say of wrong types."""
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport DB_NO_TTL, db_set_pointer, dbkey, dbkey_t
from fastredis.keyspace.obj cimport OBJ_MODULE

# It gives the type its operations. A type has one set of them in a process, and the
# shims are in one process.
from importlib import import_module

import_module("fastredis._testing.keyspace")


def set_foreign(Engine engine, int db, bytes key):
    """Set a key to a value of type "module", which holds nothing."""
    cdef dbkey_t k = dbkey(key, len(key))
    db_set_pointer(&engine.srv.ks.dbs[db], &k, OBJ_MODULE, 0, NULL, DB_NO_TTL)
