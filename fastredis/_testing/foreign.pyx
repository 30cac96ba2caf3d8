# SPDX-License-Identifier: BSD-3-Clause
"""A key of a type that no command knows, to test what commands say of wrong types."""
from fastredis.engine.runtime cimport Engine
from fastredis.keyspace.db cimport DB_NO_TTL, db_set_pointer, dbkey, dbkey_t
from fastredis.keyspace.obj cimport OBJ_MODULE, obj_ops_set, obj_ops_t


cdef void _free(int enc, void *value) noexcept nogil:
    pass


cdef void *_copy(int enc, const void *value) noexcept nogil:
    return NULL


cdef size_t _nbytes(int enc, const void *value, size_t samples) noexcept nogil:
    return 0


cdef size_t _effort(int enc, const void *value) noexcept nogil:
    return 1


cdef const char *_encoding(int enc, const void *value) noexcept nogil:
    return b"raw"


def set_foreign(Engine engine, int db, bytes key):
    """Set a key to a value of type "module", which holds nothing."""
    cdef dbkey_t k = dbkey(key, len(key))
    db_set_pointer(&engine.srv.ks.dbs[db], &k, OBJ_MODULE, 0, NULL, DB_NO_TTL)


cdef obj_ops_t _ops
_ops.free = _free
_ops.copy = _copy
_ops.nbytes = _nbytes
_ops.effort = _effort
_ops.encoding = _encoding
obj_ops_set(OBJ_MODULE, &_ops)
