# SPDX-License-Identifier: BSD-3-Clause
"""What the engine has noted of unusual commands and moments, as Python values.

Nothing is copied before it is asked for; an entry of a log costs about 2 us.
"""
from fastredis.core.mem cimport zmem_name, zmem_report
from fastredis.engine.cmdlog cimport (
    cmdlog_clear,
    cmdlog_entry_t,
    cmdlog_kind_t,
    cmdlog_of,
    cmdlog_t,
)
from fastredis.engine.runtime cimport Engine
from fastredis.engine.spikes cimport (
    SPIKE_SAMPLES,
    spike_event_t,
    spike_reset,
    spike_t,
    spikes_t,
)
from fastredis.datatypes.t_hash cimport hash_len
from fastredis.datatypes.t_list cimport list_len
from fastredis.datatypes.t_set cimport set_len, set_of
from fastredis.datatypes.t_string cimport STR_INT_MAX, str_bytes
from fastredis.datatypes.t_zset cimport zset_len, zset_of
from fastredis.keyspace.db cimport db_peek, db_walk, dbkey, dbkey_t
from fastredis.keyspace.obj cimport (
    OBJ_HASH,
    OBJ_LIST,
    OBJ_SET,
    OBJ_STRING,
    OBJ_ZSET,
    obj_nbytes,
    obj_t,
    obj_type,
)
from libc.stdint cimport uint64_t
from libc.string cimport memset

cdef enum:
    SIZE_BINS = 65              # of key_sizes

SIZE_NAMES = (
    (OBJ_STRING, "strings_sizes"),
    (OBJ_LIST, "lists_items"),
    (OBJ_SET, "sets_items"),
    (OBJ_ZSET, "zsets_items"),
    (OBJ_HASH, "hashes_items"),
)


# --- Logs of commands -------------------------------------------------------------


def command_log(Engine engine, int kind, Py_ssize_t count):
    """Return the latest entries of a log, the newest first; count -1: all.

    kind: 0 slow, 1 large requests, 2 large replies. An entry: id, second, value,
    arguments, peer, name of the client.
    """
    cdef cmdlog_t *log = cmdlog_of(&engine.srv, <cmdlog_kind_t>kind)
    cdef cmdlog_entry_t *e = log.newest
    cdef const char *p
    cdef list result = []
    cdef list args
    cdef int i
    while e != NULL and count != 0:
        args = []
        p = e.args
        for i in range(e.argc):
            args.append(p[:e.lens[i]])
            p += e.lens[i]
        name = b"" if e.name == NULL else e.name.data[:e.name.len]
        result.append((e.id, e.time_s, e.value, args, <bytes>e.peer, name))
        e = e.older
        count -= 1
    return result


def command_log_len(Engine engine, int kind):
    """Return how many entries a log has."""
    return cmdlog_of(&engine.srv, <cmdlog_kind_t>kind).len


def command_log_reset(Engine engine, int kind):
    """Empty a log."""
    cmdlog_clear(cmdlog_of(&engine.srv, <cmdlog_kind_t>kind))


# --- Latency monitor --------------------------------------------------------------


def spikes(Engine engine):
    """Return {event: (longest in ms of all times, [(second, ms), ...])}, oldest first.
    """
    cdef spikes_t *all = <spikes_t *>engine.srv.spikes
    cdef spike_event_t *e
    cdef spike_t *s
    cdef dict result = {}
    cdef list samples
    cdef int i, j
    if all == NULL:
        return result
    for i in range(all.nevents):
        e = all.events[i]
        samples = []
        for j in range(SPIKE_SAMPLES):
            s = &e.samples[(e.next + j) % SPIKE_SAMPLES]
            if s.ms:
                samples.append((s.time_s, s.ms))
        result[<bytes>e.name] = (e.max_ms, samples)
    return result


def reset_spikes(Engine engine, bytes name=None):
    """Forget the samples of an event, or of all; return how many events there were."""
    if name is None:
        return spike_reset(&engine.srv, NULL)
    return spike_reset(&engine.srv, name)


# --- Memory -----------------------------------------------------------------------


def memory_usage(Engine engine, int db, bytes key, size_t samples):
    """Return the bytes that a key and its value take, or None if there is none.

    samples: elements of a collection to measure; 0: all. The slot that the hash
    table of the database has for the key is counted.
    """
    cdef dbkey_t k = dbkey(key, len(key))
    cdef obj_t *o = db_peek(&engine.srv.ks.dbs[db], &k)
    if o == NULL:
        return None
    return obj_nbytes(o, samples) + sizeof(void *)


cdef void _collect_text(const char *text, void *arg) noexcept nogil:
    with gil:
        (<list>arg).append(text.decode("utf-8", "replace"))


def allocator_report():
    """Return what the allocator says of itself, with its name in front."""
    cdef list parts = [zmem_name().decode(), "\n"]
    zmem_report(_collect_text, <void *>parts)
    return "".join(parts)


# --- Sizes of values --------------------------------------------------------------


cdef struct sizes_t:
    uint64_t of[OBJ_HASH + 1][SIZE_BINS]    # by type


cdef int _bin(size_t n) noexcept nogil:
    """Return 0 for 0, else one more than the logarithm to base 2."""
    cdef int i = 0
    while n:
        n >>= 1
        i += 1
    return i


cdef size_t _size(const obj_t *o) noexcept nogil:
    """Return the bytes of a string, the elements of a collection."""
    cdef char[STR_INT_MAX] digits
    cdef size_t n = 0
    cdef int kind = obj_type(o)
    if kind == OBJ_STRING:
        str_bytes(o, digits, &n)
    elif kind == OBJ_LIST:
        n = list_len(o)
    elif kind == OBJ_SET:
        n = set_len(set_of(o))
    elif kind == OBJ_ZSET:
        n = zset_len(zset_of(o))
    elif kind == OBJ_HASH:
        n = hash_len(o)
    return n


cdef void _count_size(void *ctx, obj_t *o) noexcept nogil:
    if obj_type(o) <= OBJ_HASH:
        (<sizes_t *>ctx).of[obj_type(o)][_bin(_size(o))] += 1


def key_sizes(Engine engine, int db):
    """Return {type and unit: [count by bin]}; bin 0: empty, i: from 2 ** (i - 1) on.

    O(keys).
    """
    cdef sizes_t sizes
    cdef int kind, i
    memset(&sizes, 0, sizeof(sizes))
    with nogil:
        db_walk(&engine.srv.ks.dbs[db], _count_size, &sizes)
    return {
        name: [sizes.of[kind][i] for i in range(SIZE_BINS)]
        for kind, name in SIZE_NAMES
    }
