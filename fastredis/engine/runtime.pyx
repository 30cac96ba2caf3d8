# SPDX-License-Identifier: BSD-3-Clause
r"""The Engine: one server's state, and the view that Python code has of it.

    fastredis.server.Server  (Python: configuration, event loop, start and stop)
        |
      Engine  --owns-->  server_t  --> keyspace, clients, command table, statistics
        ^                    ^
        | Python: INFO,      | C: reactor, handlers
        | CLIENT LIST, ...   |

Nothing here is on the path of a data command. The Engine frees all that it owns when it
is deallocated; sockets are closed with their clients.
"""
from cython cimport final
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from fastredis.core.blob cimport blob_copy, blob_release
from fastredis.core.clock cimport (
    clock_cycles,
    clock_init,
    clock_mono_ns,
    clock_rate,
    clock_ticks_ns,
)
from fastredis.core.mem cimport (
    zfree,
    zmalloc,
    zmem_name,
    zmem_purge,
    zmem_small_pages,
    zused_memory,
)
from fastredis.engine.blocking cimport (
    blocking_cancel,
    blocking_expire,
    blocking_free,
    blocking_next_deadline,
    blocking_nkeys,
    blocking_nkeys_until_gone,
)
from fastredis.engine.changed cimport (
    NOTIFY_EVICTED,
    NOTIFY_EXPIRED,
    NOTIFY_GENERIC,
    NOTIFY_HASH,
    NOTIFY_KEYEVENT,
    NOTIFY_KEYSPACE,
    NOTIFY_KEY_MISS,
    NOTIFY_LIST,
    NOTIFY_MODULE,
    NOTIFY_NEW,
    NOTIFY_SET,
    NOTIFY_STREAM,
    NOTIFY_STRING,
    NOTIFY_ZSET,
    changed_set_events,
    changed_start,
    db_will_flush,
    dbs_will_flush,
)
from fastredis.engine.client cimport (
    CHANGE_LOCAL,
    CLIENT_AUTHENTICATED,
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_DENY_BLOCKING,
    CLIENT_FAKE,
    CLIENT_MASTER,
    CLIENT_MONITOR,
    CLIENT_REPLICA,
    WATCH_REFUSE,
    WATCH_SIZES,
    LIMIT_NORMAL,
    LIMIT_PUBSUB,
    LIMIT_REPLICA,
    client_check_output_limit,
    client_close,
    client_free,
    client_free_closing,
    client_nbytes,
    client_new,
    client_select,
    client_trim,
    output_limit_t,
    server_t,
    server_update_clock,
)
from fastredis.engine.clientmem cimport clientmem_set_limit
from fastredis.engine.cmdlog cimport (
    CMDLOG_LARGE_REPLY,
    CMDLOG_LARGE_REQUEST,
    CMDLOG_SLOW,
    cmdlog_free,
    cmdlog_of,
    cmdlog_set,
    cmdlog_set_secrets,
    cmdlog_t,
)
from fastredis.engine.describe cimport client_describe
from fastredis.engine.flush cimport flush_serve
from fastredis.engine.errors cimport ERR_UNBLOCKED, ERR_UNBLOCKED_BY_ROLE
from fastredis.engine.execute cimport engine_execute, engine_serve_blocked
from fastredis.engine.pause cimport (
    PAUSE_NONE,
    PAUSE_WRITE,
    pause_check,
    pause_end,
    pause_expiry,
    pause_start,
)
from fastredis.engine.spikes cimport spike_add, spike_free
from fastredis.engine.multi cimport watch_free, watch_nclients, watch_nkeys
from fastredis.engine.propagate cimport feed_free
from fastredis.engine.pubsub cimport (
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    PUBSUB_SHARD,
    pubsub_free,
    pubsub_nchannels,
    pubsub_nclients,
)
from fastredis.engine.stats cimport error_counts_t
from fastredis.engine.tracking cimport (
    tracking_free,
    tracking_nclients,
    tracking_nitems,
    tracking_nkeys,
    tracking_nprefixes,
    tracking_set_max_keys,
)
from fastredis.ds.hashtable cimport ht_nbytes
from fastredis.keyspace.db cimport (
    DB_EXPIRED,
    DB_LIVE,
    db_avg_ttl,
    db_check,
    db_flush,
    db_len,
    db_peek,
    db_state,
    db_state_t,
    db_subexpire_len,
    db_t,
    db_walk,
    dbkey,
    dbkey_t,
    ks_expire_cycle,
    ks_free,
    ks_has_expires,
    ks_new,
)
from fastredis.keyspace.expire cimport wheel_len, wheel_nbytes
from fastredis.keyspace.lazyfree cimport (
    lazyfree_freed,
    lazyfree_pending,
    lazyfree_reset_stats,
    lazyfree_start,
    lazyfree_wait,
)
from fastredis.keyspace.obj cimport (
    OBJ_NO_EXPIRE,
    obj_encoding_name,
    obj_expire_ms,
    obj_key,
    obj_lru,
    obj_nbytes,
    obj_t,
    obj_type,
)
from fastredis.resp.parser cimport argv_free, slice_t
from fastredis.resp.writer cimport (
    OUT_BLOCK_BYTES,
    out_block_t,
    out_clear,
    out_nbytes,
    out_pool_free,
    out_seal,
)
from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t
from libc.string cimport memset, strncpy

from fastredis.resp.values import ReplyError

cdef enum:
    EXPIRE_SLICE_NS = 1000000           # of expiry work between two looks at sockets
    ARGV_KEPT = 16 * 1024               # arguments that there is room for in any case
    PEAK_RESET_MS = 5000                # the rbp of CLIENT LIST is of so long
    CLIENTS_CHECK_MS = 100              # between two walks over the clients
    RATE_PERIOD_NS = 100000000          # between two samples of a rate
    # clients that may be silent as long as they like
    UNLIMITED = CLIENT_BLOCKED | CLIENT_MONITOR | CLIENT_MASTER | CLIENT_REPLICA

cdef uint64_t MAX_SLOW_US = <uint64_t>1 << 50   # some 35 years: converted without loss

cdef extern from "<unistd.h>" nogil:
    int close(int fd)

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define FR_COMPILER {__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__}
    #else
    #define FR_COMPILER {0, 0, 0}
    #endif
    static const int fr_compiler[3] = FR_COMPILER;
    """
    const int fr_compiler[3]

cdef object _ReplyError = ReplyError

cdef dict _OUTPUT_LIMITS = {
    "normal": LIMIT_NORMAL,
    "pubsub": LIMIT_PUBSUB,
    "slave": LIMIT_REPLICA,
}

cdef dict _EVENT_CLASSES = {
    "K": NOTIFY_KEYSPACE,
    "E": NOTIFY_KEYEVENT,
    "g": NOTIFY_GENERIC,
    "$": NOTIFY_STRING,
    "l": NOTIFY_LIST,
    "s": NOTIFY_SET,
    "h": NOTIFY_HASH,
    "z": NOTIFY_ZSET,
    "x": NOTIFY_EXPIRED,
    "e": NOTIFY_EVICTED,
    "t": NOTIFY_STREAM,
    "m": NOTIFY_KEY_MISS,
    "d": NOTIFY_MODULE,
    "n": NOTIFY_NEW,
    "A": NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH
    | NOTIFY_ZSET | NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE,
}


cdef str _text(const char *s):
    return s.decode("utf-8", "replace")


cdef void _collect_key(void *ctx, obj_t *o) noexcept nogil:
    cdef size_t n
    cdef const char *k = obj_key(o, &n)
    with gil:
        (<list>ctx).append(k[:n])


@final
cdef class Engine:
    """One server's state. All methods are for the thread that runs the event loop."""

    def __cinit__(self, int databases=16, bint huge_pages=False):
        clock_init()
        if not huge_pages:
            zmem_small_pages()
        memset(&self.srv, 0, sizeof(server_t))
        self.srv.ks = ks_new(databases)
        self.srv.runtime = <PyObject *>self
        self.srv.proto_max_bulk_len = 512 * 1024 * 1024
        self.srv.query_buffer_limit = 1024 * 1024 * 1024
        self.srv.max_clients = 10000
        self.srv.is_latency_tracked = True
        self.srv.flush_fd = -1
        self.srv.slow_ticks = <uint64_t>-1
        self.srv.peak_reset_ms = PEAK_RESET_MS
        self.srv.large_request_nbytes = self.srv.large_reply_nbytes = <size_t>-1
        self.commands = CommandTable()
        self.srv.commands = self.commands.table
        self.server = None
        changed_start(&self.srv)
        server_update_clock(&self.srv)

    def __dealloc__(self):
        _free_clients(&self.srv)
        if self.fake != NULL:
            client_free(self.fake)
        blocking_free(&self.srv)
        watch_free(&self.srv)
        pubsub_free(&self.srv)
        tracking_free(&self.srv)
        feed_free(&self.srv)
        ks_free(self.srv.ks)
        out_pool_free(&self.srv.pool)
        argv_free(&self.srv.argv)
        blob_release(self.srv.password)
        zfree(self.srv.error_counts)
        cmdlog_free(&self.srv)
        spike_free(&self.srv)
        if self.srv.alarm_fd:
            close(self.srv.alarm_fd)

    def close_clients(self):
        """Close every connection, without sending what waits."""
        _free_clients(&self.srv)

    # --- Configuration

    def set_option(self, str name, value):
        """Set what C code reads of the configuration.

        Raises: KeyError for a name that C code does not read.
        """
        if name == "proto-max-bulk-len":
            self.srv.proto_max_bulk_len = value
        elif name == "client-query-buffer-limit":
            self.srv.query_buffer_limit = value
        elif name == "hll-sparse-max-bytes":
            self.srv.hll_sparse_max_bytes = value
        elif name == "rdbcompression":
            self.srv.is_rdb_compressed = value
        elif name == "rdb-version":
            self.srv.rdb_version = value
        elif name == "maxclients":
            self.srv.max_clients = value
        elif name == "timeout":
            self.srv.idle_timeout_ms = <int64_t>value * 1000
        elif name == "tcp-keepalive":
            self.srv.keepalive_s = value
        elif name == "protected-mode":
            self.srv.is_protected = value
        elif name == "lazyfree-lazy-user-del":
            self.srv.is_lazy_user_del = value
        elif name == "lazyfree-lazy-user-flush":
            self.srv.is_lazy_user_flush = value
        elif name == "lazyfree-lazy-server-del":
            self.srv.ks.is_lazy_server_del = value
        elif name == "lazyfree-lazy-expire":
            self.srv.ks.is_lazy_expire = value
        elif name == "maxmemory-policy":
            self.srv.ks.is_lfu = value.endswith("lfu")
        elif name == "lfu-log-factor":
            self.srv.ks.lfu.log_factor = value
        elif name == "lfu-decay-time":
            self.srv.ks.lfu.decay_min = value
        elif name == "import-mode":
            self.srv.is_import_mode = value
            pause_expiry(&self.srv)
        elif name == "hash-max-listpack-entries":
            self.srv.hash_limits.max_entries = value
        elif name == "hash-max-listpack-value":
            self.srv.hash_limits.max_value = value
        elif name == "set-max-intset-entries":
            self.srv.set_limits.intset_entries = value
        elif name == "set-max-listpack-entries":
            self.srv.set_limits.listpack_entries = value
        elif name == "set-max-listpack-value":
            self.srv.set_limits.listpack_value = value
        elif name == "stream-node-max-bytes":
            self.srv.stream_limits.node_max_nbytes = value
        elif name == "stream-node-max-entries":
            self.srv.stream_limits.node_max_entries = value
        elif name == "latency-tracking":
            self.srv.is_latency_tracked = value
        elif name == "list-max-listpack-size":
            self.srv.list_limits.fill = value
        elif name == "list-compress-depth":
            self.srv.list_limits.depth = value
        elif name == "zset-max-listpack-entries":
            self.srv.zset_max_listpack_entries = value
        elif name == "zset-max-listpack-value":
            self.srv.zset_max_listpack_value = value
        elif name == "tracking-table-max-keys":
            tracking_set_max_keys(&self.srv, value)
        else:
            raise KeyError(name)

    def set_redis_version(self, str version):
        """Say which Redis this is compatible with, for HELLO."""
        cdef bytes text = version.encode("ascii")
        strncpy(self.srv.redis_version, text, sizeof(self.srv.redis_version) - 1)

    def set_output_limit(self, str kind, hard, soft, seconds):
        """Limit what may wait for a client of a kind: normal, pubsub or slave.

        hard, soft: bytes; soft: for so many seconds. 0: no limit.
        """
        cdef output_limit_t *limit = &self.srv.output_limits[_OUTPUT_LIMITS[kind]]
        limit.hard_nbytes = hard
        limit.soft_nbytes = soft
        limit.soft_ms = <int64_t>seconds * 1000

    def set_events(self, str letters):
        """Publish the keyspace events that the letters of notify-keyspace-events name.
        """
        cdef uint32_t events = 0
        for letter in letters:
            events |= _EVENT_CLASSES[letter]
        changed_set_events(&self.srv, events)

    def set_command_logs(self, slow, large_request, large_reply, spike_ms):
        """Say which commands are logged: (threshold, length of the log), each.

        Thresholds are in microseconds and bytes; a negative one: nothing. spike_ms:
        of the latency monitor; 0: nothing.
        """
        cdef uint64_t us = <uint64_t>-1
        cdef cmdlog_t *log
        cmdlog_set(&self.srv, CMDLOG_SLOW, slow[0], slow[1])
        cmdlog_set(
            &self.srv, CMDLOG_LARGE_REQUEST, large_request[0], large_request[1])
        cmdlog_set(&self.srv, CMDLOG_LARGE_REPLY, large_reply[0], large_reply[1])
        self.srv.spike_threshold_ms = spike_ms
        log = cmdlog_of(&self.srv, CMDLOG_SLOW)
        if log.threshold >= 0:
            us = log.threshold
        if spike_ms:
            us = min(us, <uint64_t>spike_ms * 1000)
        # rounded down, and compared again when it is looked at
        self.srv.slow_ticks = us
        if us < MAX_SLOW_US:
            self.srv.slow_ticks = <uint64_t>(us * 1000 / clock_rate.ns_per_tick)
        log = cmdlog_of(&self.srv, CMDLOG_LARGE_REQUEST)
        self.srv.large_request_nbytes = log.threshold   # -1 is the largest
        log = cmdlog_of(&self.srv, CMDLOG_LARGE_REPLY)
        self.srv.large_reply_nbytes = log.threshold
        self.srv.watch &= ~WATCH_SIZES
        if log.threshold >= 0 and <size_t>log.threshold < OUT_BLOCK_BYTES:
            self.srv.watch |= WATCH_SIZES       # smaller than what _execute notices

    def set_client_memory_limit(self, size_t nbytes):
        """Close the largest clients when all take more memory than this; 0: never."""
        clientmem_set_limit(&self.srv, nbytes)

    def set_peak_reset(self, int64_t ms):
        """Say how long the largest reply of a client is remembered; negative: always.
        """
        self.srv.peak_reset_ms = ms
        self.srv.next_peak_reset_ms = self.srv.now_ms + ms

    def set_secret_directives(self, names):
        """Name the directives whose values no log shows."""
        text = "".join("\n" + name for name in names).encode()
        cmdlog_set_secrets(&self.srv, text)

    def set_password(self, bytes password):
        """Require this password of new connections; empty: none is required."""
        blob_release(self.srv.password)
        self.srv.password = NULL
        if password:
            self.srv.password = blob_copy(password, len(password), len(password))

    # --- Time

    def cron(self):
        """Do the periodic work; return whether there is more of it at once."""
        cdef bint more
        cdef uint64_t started
        with nogil:
            server_update_clock(&self.srv)
            started = clock_cycles()
            more = not self.srv.is_loading and ks_expire_cycle(
                self.srv.ks, EXPIRE_SLICE_NS)
            _note_expiry(&self.srv, clock_cycles() - started, more)
            blocking_expire(&self.srv)
            # some wait for the end of a key, or for a time
            engine_serve_blocked(&self.srv)
            pause_check(&self.srv)
            if self.srv.now_ms >= self.next_check_ms:
                _check_clients(&self.srv)
                self.next_check_ms = self.srv.now_ms + CLIENTS_CHECK_MS
            client_free_closing(&self.srv)
            started = clock_cycles() - started
            self.srv.stats.cron_ticks += started
            # a turn of the event loop, too
            self.srv.stats.rounds += 1
            self.srv.stats.round_ticks += started
        if clock_mono_ns() - self.meter.at_ns >= RATE_PERIOD_NS:
            _sample_rates(&self.srv, &self.meter, self.commands.total_calls())
        return more

    def has_deadlines(self):
        """Return whether something has one that nothing but cron sees."""
        return ks_has_expires(self.srv.ks) or self.srv.pause_mode != PAUSE_NONE \
            or (blocking_next_deadline(&self.srv) != 0 and not self.srv.alarm_fd)

    @property
    def repl_offset(self):
        """Bytes of the stream of changes so far; requests, while nobody is sent it."""
        return self.srv.repl_offset

    @repl_offset.setter
    def repl_offset(self, int64_t value):
        self.srv.repl_offset = value

    @property
    def dirty(self):
        """The number of changes of the data set since the start."""
        return self.srv.dirty

    @property
    def is_in_exec(self):
        """Whether a transaction is being executed."""
        return self.srv.is_in_exec

    @property
    def now_ms(self):
        """The wall clock as of the last round, in ms."""
        return self.srv.now_ms

    # --- Replication

    @property
    def is_replica(self):
        """Whether the data comes from a primary, and only from it."""
        return self.srv.is_replica

    @property
    def is_paused(self):
        """Whether requests of clients wait: CLIENT PAUSE."""
        return self.srv.pause_mode != PAUSE_NONE

    # --- Commands from Python

    def call(self, args, int db=0):
        """Execute a command (name and arguments) and return its reply.

        Raises: ReplyError if the command replies an error.
        """
        cdef bytes raw = self.call_raw(args, db, 3)
        return decode_reply(raw) if raw else None

    def call_raw(self, args, int db=0, int resp=3):
        """Execute a command and return the bytes of its reply."""
        cdef list raw = [_as_bytes(a) for a in args]
        cdef client_t *c
        cdef slice_t *argv
        cdef Py_ssize_t i, n = len(raw)
        cdef bint is_spare
        cdef bytes reply
        if n == 0:
            raise ValueError("a command has a name")
        if not 0 <= db < self.srv.ks.ndbs:
            raise ValueError("no such database")
        is_spare = self.nested == 0
        if is_spare:
            if self.fake == NULL:
                self.fake = client_new(
                    &self.srv,
                    CLIENT_FAKE | CLIENT_AUTHENTICATED | CLIENT_DENY_BLOCKING)
            c = self.fake
        else:
            c = client_new(
                &self.srv, CLIENT_FAKE | CLIENT_AUTHENTICATED | CLIENT_DENY_BLOCKING)
        argv = <slice_t *>zmalloc(n * sizeof(slice_t))
        for i in range(n):
            argv[i].ptr = PyBytes_AS_STRING(raw[i])
            argv[i].len = PyBytes_GET_SIZE(raw[i])
        c.argv = argv
        c.argc = <int>n
        c.out.resp = resp
        client_select(c, db)
        self.nested += 1
        try:
            with nogil:
                if is_spare:
                    server_update_clock(&self.srv)
                engine_execute(c)
                if is_spare and self.srv.current == NULL:
                    engine_serve_blocked(&self.srv)
            reply = _take_reply(c)
        finally:
            self.nested -= 1
            zfree(argv)
            c.argv = NULL
            out_clear(&c.out)
            if not is_spare:
                client_free(c)
        return reply

    def log_exception(self, name, error):
        """Have the server log what a command's handler raised."""
        if self.server is not None:
            self.server.log_exception(name, error)

    # --- Clients

    def clients(self):
        """Return a dict for each connected client, the oldest first."""
        cdef client_t *c = self.srv.clients
        cdef list result = []
        while c != NULL:
            result.append(client_describe(c))
            c = c.next
        result.reverse()
        return result

    def client(self, uint64_t client_id):
        """Return a client's dict, or None."""
        cdef client_t *c = _find(&self.srv, client_id)
        return None if c == NULL else client_describe(c)

    def kill_clients(self, ids):
        """Close the clients with these ids, and return how many there were.

        The client whose command is being executed gets its reply first.
        """
        cdef client_t *c = self.srv.clients
        cdef client_t *following
        cdef int n = 0
        ids = frozenset(ids)
        while c != NULL:
            following = c.next
            if c.id in ids:
                n += 1
                if c == self.srv.current:
                    c.flags |= CLIENT_CLOSE_AFTER_REPLY
                else:
                    client_close(c)
            c = following
        return n

    def unblock_client(self, uint64_t client_id, bint with_error=False):
        """End a client's waiting; return False if it does not wait.

        with_error: it gets the error UNBLOCKED instead of the reply of a timeout.
        """
        cdef client_t *c = _find(&self.srv, client_id)
        if c == NULL or c.blocked == NULL:
            return False
        blocking_cancel(c, ERR_UNBLOCKED if with_error else NULL)
        return True

    @property
    def nblocked(self):
        """The number of clients that wait, for keys or for the end of a pause."""
        return self.srv.nblocked + self.srv.npaused + self.srv.nflushing

    @property
    def nblocking_keys(self):
        """The number of keys that clients wait for."""
        return blocking_nkeys(&self.srv)

    @property
    def nblocking_keys_until_gone(self):
        """The number of those whose end matters to some client, too."""
        return blocking_nkeys_until_gone(&self.srv)

    def stop_serving(self):
        """Execute no more requests, also not of those that have come already."""
        self.srv.is_stopping = True

    @property
    def nclients(self):
        """The number of connected clients."""
        return self.srv.nclients

    # --- Databases

    @property
    def ndatabases(self):
        """The number of databases."""
        return self.srv.ks.ndbs

    def keyspace(self):
        """Return what there is in the databases that are not empty.

        For each: its number, keys, keys with an expiry, their mean ttl in ms, hashes
        of which fields have an expiry.
        """
        cdef int i
        cdef db_t *db
        cdef list result = []
        for i in range(self.srv.ks.ndbs):
            db = &self.srv.ks.dbs[i]
            if db_len(db):
                result.append((
                    i, db_len(db), db.nexpires, db_avg_ttl(db), db_subexpire_len(db)))
        return result

    def keys(self, int db):
        """Return all keys of a database that have not expired."""
        cdef list result = []
        with nogil:
            db_walk(&self.srv.ks.dbs[db], _collect_key, <void *>result)
        return result

    def key_info(self, int db, bytes key):
        """Return what is known of a key without touching it, or None."""
        cdef dbkey_t k = dbkey(key, len(key))
        cdef obj_t *o = db_peek(&self.srv.ks.dbs[db], &k)
        if o == NULL:
            return None
        return {
            "type": obj_type(o),
            "encoding": _text(obj_encoding_name(o)),
            "expire_ms": obj_expire_ms(o),
            "lru": obj_lru(o),
            "idle_s": (self.srv.ks.lru_clock - obj_lru(o)) & 0xFFFFFF,
            "nbytes": obj_nbytes(o, 5),
            "address": <size_t>o,
        }

    def table_info(self, int db):
        """Return the figures of a database's hash table and timing wheel."""
        cdef db_t *d = &self.srv.ks.dbs[db]
        return {
            "used": d.keys.used,
            "buckets": d.keys.nbuckets,
            "overflow": d.keys.noverflow,
            "nbytes": ht_nbytes(d.keys),
            "wheel": 0 if d.wheel == NULL else wheel_len(d.wheel),
            "wheel_nbytes": 0 if d.wheel == NULL else wheel_nbytes(d.wheel),
        }

    def check(self):
        """Walk the invariants of every database; ends the process on a violation."""
        cdef int i
        for i in range(self.srv.ks.ndbs):
            db_check(&self.srv.ks.dbs[i])

    def set_frozen(self, bint value):
        """Keep the hash tables from growing and shrinking, or let them again."""
        cdef int i
        for i in range(self.srv.ks.ndbs):
            self.srv.ks.dbs[i].keys.is_frozen = value

    def set_loading(self, bint value):
        """Refuse what does not work while the data set is loaded, or end that."""
        self.srv.is_loading = value
        _watch_refusals(&self.srv)

    def set_save_failing(self, bint value):
        """Refuse writes since the data set cannot be saved, or end that."""
        self.srv.is_save_failing = value
        _watch_refusals(&self.srv)

    def set_aof_error(self, int number):
        """Refuse writes since they cannot be written down; 0: end that."""
        self.srv.aof_error = number
        _watch_refusals(&self.srv)

    def set_too_few_replicas(self, bint value):
        """Refuse writes since too few replicas get them, or end that."""
        if value != self.srv.has_too_few_replicas:
            self.srv.has_too_few_replicas = value
            _watch_refusals(&self.srv)

    def set_replica(self, bint value, *, bint read_only, bint stale):
        """Follow a master, whose keys expire when it says so, or end that.

        read_only: clients must not write; stale: they must not read either.
        """
        self.srv.is_replica = value
        self.srv.is_read_only = value and read_only
        self.srv.is_stale = value and stale
        if value and not read_only:
            self.srv.change_hooks |= CHANGE_LOCAL
        else:
            self.srv.change_hooks &= ~CHANGE_LOCAL
        pause_expiry(&self.srv)
        _watch_refusals(&self.srv)

    def note_local_expiry(self, int db, bytes key):
        """Have a key that was written to a replica seen to; see expire_key."""
        self.server.replication.note_local_expiry(db, key)

    def pause_writes(self):
        """Have requests that may write wait until end_pause."""
        pause_start(&self.srv, PAUSE_WRITE, INT64_MAX)

    def end_pause(self):
        """Have the requests that wait executed."""
        pause_end(&self.srv)

    def unblock_all(self):
        """End the waiting of all clients with an error: they may be behind here."""
        cdef client_t *c = self.srv.clients
        while c != NULL:
            if c.blocked != NULL:
                blocking_cancel(c, ERR_UNBLOCKED_BY_ROLE)
            c = c.next

    def expire_key(self, int db, bytes key):
        """Delete a key whose time has passed; return whether it is to be seen to again.

        For keys that were written to a replica, whose master knows nothing of them.
        """
        cdef db_t *d = &self.srv.ks.dbs[db]
        cdef dbkey_t k = dbkey(key, len(key))
        cdef db_state_t state = db_state(d, &k)
        cdef bint paused = self.srv.ks.is_expire_paused
        if state == DB_LIVE:
            return obj_expire_ms(db_peek(d, &k)) != OBJ_NO_EXPIRE
        if state == DB_EXPIRED:
            self.srv.ks.is_expire_paused = False
            db_peek(d, &k)
            self.srv.ks.is_expire_paused = paused
        return False

    def watch_flushall(self):
        """Have server.flushed_all called after each FLUSHALL."""
        self.srv.flushed_all = _flushed_all

    def flush_all(self, *, bint is_async=False):
        """Empty all databases; what clients watch has changed.

        is_async: another thread frees what was in them.
        """
        cdef int i
        with nogil:
            dbs_will_flush(&self.srv)
            for i in range(self.srv.ks.ndbs):
                db_will_flush(&self.srv, &self.srv.ks.dbs[i])
                db_flush(&self.srv.ks.dbs[i], is_async)

    def set_checksum_skipped(self, bint value):
        """Take serialized values whatever their checksum, for testing the server."""
        self.srv.is_checksum_skipped = value

    def set_active_expire(self, bint value):
        """Have keys deleted when their time comes, or only when they are read."""
        self.srv.ks.is_active_expire = value

    # --- Statistics

    def stats(self):
        """Return the counters as a dict."""
        cdef size_t used = zused_memory()
        if used > self.srv.stats.peak_memory:
            self.srv.stats.peak_memory = used
        return {
            "commands": self.commands.total_calls(),
            "connections": self.srv.stats.connections,
            "rejected_connections": self.srv.stats.rejected_connections,
            "net_in": self.srv.stats.net_in,
            "net_out": self.srv.stats.net_out,
            "error_replies": self.srv.stats.error_replies,
            "protocol_errors": self.srv.stats.protocol_errors,
            "cross_protocol": self.srv.stats.cross_protocol,
            "rounds": self.srv.stats.rounds,
            "reads": self.srv.stats.reads,
            "writes": self.srv.stats.writes,
            "output_limit_disconnections":
                self.srv.stats.output_limit_disconnections,
            "query_limit_disconnections": self.srv.stats.query_limit_disconnections,
            "auth_failures": self.srv.stats.auth_failures,
            "rounds_us": clock_ticks_ns(self.srv.stats.round_ticks) // 1000,
            "round_max_us": clock_ticks_ns(self.srv.stats.round_max_ticks) // 1000,
            "round_max_commands": self.srv.stats.round_max_commands,
            "cron_us": clock_ticks_ns(self.srv.stats.cron_ticks) // 1000,
            "expire_us": clock_ticks_ns(self.srv.stats.expire_ticks) // 1000,
            "expire_caps": self.srv.stats.expire_caps,
            "commands_us": self.commands.total_us(),
            "evicted_clients": self.srv.stats.evicted_clients,
            "hits": self.srv.ks.hits,
            "misses": self.srv.ks.misses,
            "expired_keys": self.srv.ks.expired_keys,
            "expired_active": self.srv.ks.expired_active,
            "expired_fields": self.srv.ks.expired_fields,
            "dirty": self.srv.dirty,
            "lazyfree_pending": lazyfree_pending(),
            "lazyfree_freed": lazyfree_freed(),
            "lru_clock": self.srv.ks.lru_clock,
            "used_memory": used,
            "peak_memory": self.srv.stats.peak_memory,
            "allocator": _text(zmem_name()),
            "reply_blocks": self.srv.pool.nblocks,
            "clients": self.srv.nclients,
            "watching_clients": watch_nclients(&self.srv),
            "watched_keys": watch_nkeys(&self.srv),
            "pubsub_clients": pubsub_nclients(&self.srv),
            "pubsub_channels": pubsub_nchannels(&self.srv, PUBSUB_CHANNEL),
            "pubsub_patterns": pubsub_nchannels(&self.srv, PUBSUB_PATTERN),
            "tracking_clients": tracking_nclients(&self.srv),
            "tracked_keys": tracking_nkeys(&self.srv),
            "tracked_items": tracking_nitems(&self.srv),
            "tracked_prefixes": tracking_nprefixes(&self.srv),
            "pubsub_shard_channels": pubsub_nchannels(&self.srv, PUBSUB_SHARD),
        }

    @property
    def cross_protocol(self):
        """The number of HTTP requests that were refused."""
        return self.srv.stats.cross_protocol

    def rates(self):
        """Return (commands, bytes in, bytes out, rounds, us in them) a second.

        The mean of the last 1.6 s.
        """
        cdef int i, j
        cdef uint64_t total
        cdef list result = []
        for i in range(NRATES):
            total = 0
            for j in range(RATE_SAMPLES):
                total += self.meter.of[i].samples[j]
            result.append(total // RATE_SAMPLES)
        return tuple(result)

    def error_stats(self):
        """Return {code: how many such errors were replied}, and of codes not kept."""
        cdef error_counts_t *t = <error_counts_t *>self.srv.error_counts
        cdef size_t i
        cdef dict result = {}
        if t == NULL:
            return result, 0
        for i in range(t.used):
            result[t.codes[i].code[:t.codes[i].nbytes]] = t.codes[i].count
        return result, t.others

    def buffers(self):
        """Return (clients' memory, largest input buffer, largest output memory)."""
        cdef client_t *c = self.srv.clients
        cdef size_t total = 0, largest_in = 0, largest_out = 0, n
        with nogil:
            while c != NULL:
                total += client_nbytes(c)
                n = self.srv.current_nbytes if c == self.srv.current else c.qcap
                largest_in = max(largest_in, n)
                n = out_nbytes(&c.out)
                largest_out = max(largest_out, n)
                c = c.next
        return total, largest_in, largest_out

    @staticmethod
    def platform():
        """Return (ticks of the duration counter a us or 0, (major, minor, patch)).

        The version is the C compiler's, as far as it says it is compatible with GCC.
        """
        ticks = 1000 / clock_rate.ns_per_tick if clock_rate.has_counter else 0
        return ticks, (fr_compiler[0], fr_compiler[1], fr_compiler[2])

    def reset_stats(self):
        """Set the counters to zero, as CONFIG RESETSTAT does; the peak stays."""
        cdef size_t peak = self.srv.stats.peak_memory
        memset(&self.srv.stats, 0, sizeof(self.srv.stats))
        self.srv.stats.peak_memory = peak
        zfree(self.srv.error_counts)
        self.srv.error_counts = NULL
        memset(&self.meter, 0, sizeof(self.meter))
        self.srv.ks.hits = self.srv.ks.misses = 0
        self.srv.ks.expired_keys = self.srv.ks.expired_active = 0
        self.srv.ks.expired_fields = 0
        lazyfree_reset_stats()
        self.commands.reset_stats()

    def purge_memory(self):
        """Give free memory back to the system."""
        zmem_purge()

    def start_lazyfree(self):
        """Start the lazy-free thread now, on the CPUs of the calling one."""
        lazyfree_start()

    def wait_lazyfree(self):
        """Wait until everything given to the lazy-free thread is freed."""
        with nogil:
            lazyfree_wait()

    def set_flush_fd(self, int fd):
        """Have a byte written there for each FLUSHALL that is over; -1: no more.

        Then serve_flushed is to be called. Until now, FLUSHALL holds up everybody.
        """
        if fd < 0 and self.srv.flushes_done != self.srv.flushes_started:
            self.wait_lazyfree()        # one of its jobs would still write there
        self.srv.flush_fd = fd

    def serve_flushed(self, size_t n):
        """Reply to the clients that waited for the next n flushes."""
        server_update_clock(&self.srv)
        flush_serve(&self.srv, n)


# --- Data set ---------------------------------------------------------------------


cdef void _watch_refusals(server_t *srv) noexcept:
    if srv.is_loading or srv.is_save_failing or srv.aof_error \
            or srv.has_too_few_replicas \
            or srv.is_read_only or srv.is_stale:
        srv.watch |= WATCH_REFUSE
    else:
        srv.watch &= ~WATCH_REFUSE


cdef void _flushed_all(server_t *srv) noexcept nogil:
    """Tell the server that FLUSHALL has emptied all databases."""
    with gil:
        try:
            (<Engine>srv.runtime).server.flushed_all()
        except Exception as error:
            (<Engine>srv.runtime).log_exception("flushall", error)


# --- Clients of a server ----------------------------------------------------------


cdef void _free_clients(server_t *srv) noexcept:
    while srv.clients != NULL:
        client_close(srv.clients)
    client_free_closing(srv)


cdef void _note_expiry(server_t *srv, uint64_t ticks, bint is_capped) noexcept nogil:
    """Count the time that expired keys took."""
    srv.stats.expire_ticks += ticks
    if is_capped:
        srv.stats.expire_caps += 1
    spike_add(srv, b"expire-cycle", clock_ticks_ns(ticks) // 1000)


cdef void _check_clients(server_t *srv) noexcept nogil:
    """Close clients that are idle for too long, trim buffers, note the memory's peak.

    The walk is left out when there is no time limit and no buffer.
    """
    cdef client_t *c = srv.clients
    cdef client_t *following
    cdef size_t used = zused_memory()
    if used > srv.stats.peak_memory:
        srv.stats.peak_memory = used
    if srv.argv.cap > ARGV_KEPT:
        argv_free(&srv.argv)    # a request with very many arguments has been executed
    if srv.peak_reset_ms >= 0 and srv.now_ms >= srv.next_peak_reset_ms:
        srv.next_peak_reset_ms = srv.now_ms + srv.peak_reset_ms
        while c != NULL:
            c.out_peak = 0
            c = c.next
        c = srv.clients
    if srv.idle_timeout_ms == 0 and srv.nquery_buffers == 0 \
            and srv.output_limits[LIMIT_NORMAL].soft_nbytes == 0 \
            and pubsub_nclients(srv) == 0:
        return
    while c != NULL:
        following = c.next
        client_trim(c)
        if c.soft_since_ms:
            client_check_output_limit(c)    # it may have asked for nothing since
        if srv.idle_timeout_ms and srv.now_ms - c.active_ms > srv.idle_timeout_ms \
                and not c.flags & UNLIMITED:
            client_close(c)
        c = following


cdef void _sample_rates(server_t *srv, meter_t *m, uint64_t ncalls) noexcept nogil:
    """Note how much the counters grew since the latest sample."""
    cdef uint64_t now = clock_mono_ns(), passed = now - m.at_ns
    cdef uint64_t values[NRATES]
    cdef int i
    values[0] = ncalls
    values[1] = srv.stats.net_in
    values[2] = srv.stats.net_out
    values[3] = srv.stats.rounds
    values[4] = clock_ticks_ns(srv.stats.round_ticks) // 1000
    for i in range(NRATES):
        if m.at_ns:
            m.of[i].samples[m.next] = <uint64_t>(
                <double>(values[i] - m.of[i].last) * 1e9 / passed)
        m.of[i].last = values[i]
    if m.at_ns:
        m.next = (m.next + 1) % RATE_SAMPLES
    m.at_ns = now


cdef client_t *_find(server_t *srv, uint64_t client_id) noexcept:
    cdef client_t *c = srv.clients
    while c != NULL and c.id != client_id:
        c = c.next
    return c


# --- Replies as Python values -----------------------------------------------------


cdef bytes _as_bytes(object value):
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return (<str>value).encode("utf-8", "surrogateescape")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value).encode()
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"an argument of a command cannot be a {type(value).__name__}")


cdef bytes _take_reply(client_t *c):
    cdef list parts = []
    cdef out_block_t *block
    out_seal(&c.out)
    block = c.out.first
    while block != NULL:
        parts.append(block.start[:block.nbytes])
        block = block.next
    return b"".join(parts)


def decode_reply(bytes raw):
    """Turn the bytes of one reply into a Python value.

    Raises: ReplyError if it is an error.
    """
    import hiredis      # 0.1 MB that a server asked by sockets only does without

    reader = hiredis.Reader(replyError=_ReplyError)
    reader.feed(raw)
    value = reader.gets()
    if isinstance(value, _ReplyError):
        raise value
    return value
