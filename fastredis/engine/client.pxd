# SPDX-License-Identifier: BSD-3-Clause
"""The structs of the engine: server, command, client. See client.pyx."""
from cpython.object cimport PyObject
from fastredis.core.blob cimport blob_t
from fastredis.ds.quicklist cimport ql_limits_t
from fastredis.datatypes.hash_limits cimport hash_limits_t
from fastredis.datatypes.stream_limits cimport stream_limits_t
from fastredis.datatypes.t_set cimport set_limits_t
from fastredis.keyspace.db cimport db_t, dbkey_t, keyspace_t
from fastredis.resp.parser cimport argv_t, partial_t, slice_t
from fastredis.resp.writer cimport out_pool_t, out_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef enum:
    # client_t.flags
    CLIENT_CLOSE_ASAP = 1 << 0          # to be freed; execute nothing more
    CLIENT_CLOSE_AFTER_REPLY = 1 << 1   # to be freed once the reply is sent
    CLIENT_AUTHENTICATED = 1 << 2
    CLIENT_REPLY_OFF = 1 << 3
    CLIENT_REPLY_SKIP_NEXT = 1 << 4     # CLIENT REPLY SKIP was the last command
    CLIENT_REPLY_SKIP = 1 << 5          # ... so this one's reply is dropped
    CLIENT_NO_TOUCH = 1 << 6
    CLIENT_UNIX_SOCKET = 1 << 7
    CLIENT_FAKE = 1 << 8                # no connection: Server.client, ctx.call
    CLIENT_IN_WRITE_LIST = 1 << 9
    CLIENT_WANT_WRITE = 1 << 10         # the socket was full: waits until it drains
    CLIENT_REPLAY = 1 << 11             # replays a file of changes (AOF)
    CLIENT_TRANSPORT = 1 << 12          # on a uvloop transport, not on the epoll set
    CLIENT_BLOCKED = 1 << 13            # waits for keys; its input is only kept
    CLIENT_UNBLOCKED = 1 << 14          # in srv.unblocked
    CLIENT_MONITOR = 1 << 26            # is shown what the others execute
    CLIENT_NO_EVICT = 1 << 27           # not to be closed for the memory it takes
    CLIENT_PAUSED = 1 << 29             # CLIENT_BLOCKED because of CLIENT PAUSE
    CLIENT_CAPA_REDIRECT = 1 << 28      # CLIENT CAPA: understands being redirected
    CLIENT_IMPORT_SOURCE = 1 << 30      # CLIENT IMPORT-SOURCE: sees expired keys
    CLIENT_DENY_BLOCKING = 1 << 15      # within EXEC, and without a connection
    CLIENT_MULTI = 1 << 16              # between MULTI and EXEC: requests are queued
    CLIENT_DIRTY_CAS = 1 << 17          # a watched key has changed: EXEC replies null
    CLIENT_DIRTY_EXEC = 1 << 18         # a request could not be queued: EXEC refuses
    CLIENT_PUBSUB = 1 << 19             # has subscriptions
    CLIENT_TRACKING = 1 << 20           # is told when what it read has changed
    CLIENT_REDIRECTED = 1 << 21         # is told what others track
    CLIENT_MASTER = 1 << 22             # the link to the master: its stream is applied
    CLIENT_REPLICA = 1 << 23            # asked for PSYNC: is sent what is written down

    # server_t.change_hooks: who wants to hear of changes of keys
    CHANGE_BLOCKED = 1 << 0             # clients that wait (engine/blocking.pyx)
    CHANGE_WATCHED = 1 << 1             # clients that watch keys (engine/multi.pyx)
    CHANGE_EVENTS = 1 << 2              # notify-keyspace-events is not empty
    CHANGE_TRACKED = 1 << 3             # clients that cache (engine/tracking.pyx)
    CHANGE_LOCAL = 1 << 4               # a replica that may be written to

    # server_t.feeds: who writes changes down (engine/propagate.pyx)
    FEED_AOF = 1 << 0
    FEED_REPLICAS = 1 << 1

    # cmd_t.flags beyond those of the declaration (commands/spec/model.py, bits 0..25)
    CMD_READONLY = 1 << 0
    CMD_WRITE = 1 << 1
    CMD_ADMIN = 1 << 3
    CMD_LOADING = 1 << 7                # allowed while the data set loads
    CMD_STALE = 1 << 8                  # allowed on a replica that lost its master
    CMD_SKIP_MONITOR = 1 << 9
    CMD_SKIP_SLOWLOG = 1 << 10
    CMD_FAST = 1 << 12
    CMD_NO_AUTH = 1 << 13
    CMD_MAY_REPLICATE = 1 << 14
    CMD_NO_MULTI = 1 << 20
    CMD_TOUCHES_ARBITRARY_KEYS = 1 << 23
    CMD_SUBSCRIBER = 1 << 24            # allowed to a subscriber that speaks RESP2
    CMD_UNQUEUED = 1 << 25              # executed at once within MULTI
    CMD_PYTHON = 1 << 30

    # server_t.output_limits, by what a client is
    LIMIT_NORMAL = 0
    LIMIT_PUBSUB = 1
    LIMIT_REPLICA = 2
    NLIMITS = 3

    CMD_NAME_MAX = 64
    KEY_WORD_MAX = 16
    LATENCY_BUCKETS = 480               # see engine/stats.pyx

    # server_t.watch: why each request is looked at
    WATCH_MONITORS = 1 << 0             # somebody is shown it
    WATCH_SIZES = 1 << 1                # its size and its reply's are compared
    WATCH_PAUSE = 1 << 2                # it may have to wait
    WATCH_REFUSE = 1 << 3               # it may be refused: is_loading ...

# Which arguments of a command nobody is shown (logs, MONITOR).
cdef enum cmd_secrets_t:
    SECRETS_NONE = 0
    SECRETS_FROM_1 = 1                  # all
    SECRETS_FROM_2 = 2                  # all, of a subcommand
    SECRETS_AUTH = 3                    # the two after the word AUTH
    SECRETS_CONFIG = 4                  # values of secret directives

ctypedef void (*cmd_fn)(client_t *c) noexcept nogil

cdef struct cmd_t:
    char[CMD_NAME_MAX] name             # lower case; subcommands as config|get
    int name_len
    uint64_t name_head                  # its first and last eight bytes, see cmd_find
    uint64_t name_tail
    int arity                           # counts the name; negative: at least
    uint32_t flags
    int first_key, last_key, key_step   # 0: no keys
    int member                          # argument that is looked for ahead; 0: none
    int count_at, count_step            # the argument that counts more keys; 0: none
    char[KEY_WORD_MAX] key_word         # half of what follows it are keys; empty: none
    int lookup                          # what of it: LOOKUP_* of keyspace/obj.pxd
    cmd_fn fn
    PyObject *python                    # the handler of a CMD_PYTHON command
    cmd_t **subcommands                 # NULL-terminated, or NULL
    cmd_secrets_t secrets
    # statistics
    uint64_t calls
    uint64_t total_ticks                # of core.clock's counter
    uint64_t rejected_calls             # refused before execution
    uint64_t failed_calls               # replied with an error
    uint64_t *latency                   # LATENCY_BUCKETS counters, or NULL

cdef struct server_stats_t:
    uint64_t connections
    uint64_t rejected_connections
    uint64_t net_in
    uint64_t net_out
    uint64_t error_replies
    uint64_t protocol_errors
    uint64_t cross_protocol             # HTTP requests, refused
    uint64_t reads                      # recv calls that brought something
    uint64_t writes                     # send calls
    uint64_t rounds                     # of the reactor, each with something to do
    uint64_t output_limit_disconnections
    uint64_t query_limit_disconnections
    uint64_t evicted_clients
    uint64_t auth_failures
    uint64_t round_ticks                # time spent in rounds
    uint64_t round_max_ticks            # in the longest
    uint64_t round_max_commands         # executed in one
    uint64_t cron_ticks
    uint64_t expire_ticks
    uint64_t expire_caps                # expiry was interrupted by its time limit
    size_t peak_memory

cdef struct output_limit_t:
    size_t hard_nbytes                  # 0: none
    size_t soft_nbytes                  # 0: none
    int64_t soft_ms

# One server: the state that handlers and reactor share. Several may live in a process.
cdef struct server_t:
    keyspace_t *ks
    uint64_t dirty                      # changes of the data set since the start
    uint32_t events                     # NOTIFY_*, what notify-keyspace-events names
    bint is_in_exec                     # in a transaction: the clock stands still
    int64_t now_us                      # wall clock, as of the batch being executed
    int64_t now_ms
    out_pool_t pool
    size_t nquery_buffers               # clients with a qbuf
    void *commands                      # cmd_table_t, engine/table.pyx
    client_t *clients                   # all that are connected, doubly linked
    size_t nclients
    uint64_t next_client_id
    client_t *write_list                # clients whose reply waits to be sent
    client_t *unblocked                 # clients whose kept input is to be executed
    client_t *closing                   # clients to be freed at the end of the round
    client_t *current                   # the client whose requests are being executed
    uint64_t ncommands                  # requests taken from clients
    size_t current_nbytes               # bytes of the requests given by it
    bint is_loading                     # the data set: only CMD_LOADING is executed
    bint is_save_failing                # stop-writes-on-bgsave-error: no writes now
    int aof_error                       # errno that keeps changes from being written
    bint is_stopping                    # SHUTDOWN was accepted: execute nothing more
    server_stats_t stats
    uint32_t change_hooks               # CHANGE_*
    uint32_t feeds                      # FEED_*
    bint feed_waits                     # there is something to write
    void *feed                          # feed_t, engine/propagate.pyx; or NULL
    void (*write_feed)(server_t *srv) noexcept nogil    # empties it: the file
    # has bytes of it sent to replicas
    void (*write_replicas)(server_t *srv, const char *s, size_t n) noexcept nogil
    void *aof                           # aof_t, persistence/aof_file.pyx; or NULL
    # --- replication
    bint is_replica                     # has a master: writes are its alone
    bint is_read_only                   # ... and clients must not write
    bint is_stale                       # ... to which there is no link: do not serve
    int64_t repl_offset                 # bytes of the stream of changes so far
    int64_t repl_synced                 # of them, known to be on the disk (WAITAOF)
    void *backlog                       # backlog_t, replication/backlog.pyx; or NULL
    bint has_too_few_replicas           # min-replicas-to-write: no writes now
    void (*forget_replica)(client_t *c) noexcept nogil
    # how many replicas have an offset, or have it on the disk; NULL: there are none
    int (*count_acks)(
        const server_t *srv, int64_t offset, bint is_synced
    ) noexcept nogil
    # ask them, at the end of the round
    void (*ask_acks)(server_t *srv) noexcept nogil
    bint has_changed_keys               # blocking_serve has something to do
    size_t nblocked                     # clients that wait for keys
    size_t nflushing                    # clients that wait for their flush
    uint64_t flushes_started            # that a client waits for; see engine/flush.pyx
    uint64_t flushes_done
    int flush_fd                        # told of the end of one; -1: nobody can wait
    void *blocking                      # blocking_t, engine/blocking.pyx; or NULL
    void *error_counts                  # error_counts_t, engine/stats.pyx; or NULL
    # configuration that C code reads; set by Engine.set_option
    size_t max_clients
    int64_t idle_timeout_ms             # 0: none
    int keepalive_s                     # 0: none
    bint is_protected                   # without a password: local clients only
    size_t proto_max_bulk_len
    size_t query_buffer_limit
    size_t hll_sparse_max_bytes
    bint is_hll_simd_off                # PFDEBUG SIMD
    bint is_rdb_compressed
    int rdb_version                     # of what is written; 0: the least it needs
    bint is_checksum_skipped            # DEBUG SET-SKIP-CHECKSUM-VALIDATION
    output_limit_t output_limit         # of normal clients
    output_limit_t output_limits[NLIMITS]
    hash_limits_t hash_limits
    bint is_lazy_user_del
    bint is_lazy_user_flush
    bint is_import_mode                 # no key expires
    bint is_latency_tracked
    ql_limits_t list_limits             # of lists that are made or changed
    size_t zset_max_listpack_entries
    size_t zset_max_listpack_value
    set_limits_t set_limits
    stream_limits_t stream_limits
    blob_t *password                    # of the default user; NULL: none
    argv_t argv                         # arguments of the batch being executed
    char[16] redis_version              # what HELLO says
    # --- what is unusual (engine/cmdlog.pyx, spikes.pyx, monitor.pyx)
    uint32_t watch                      # WATCH_*
    uint64_t slow_ticks                 # commands that take this long are looked at
    size_t large_request_nbytes         # SIZE_MAX: no size is
    size_t large_reply_nbytes
    uint64_t spike_threshold_ms         # 0: nothing is kept
    void *cmdlogs
    void *spikes
    client_t *monitors                  # linked by next_monitor
    # --- what is held back or limited (engine/pause.pyx, clientmem.pyx)
    int pause_mode                      # pause_mode_t
    int64_t pause_until_ms
    size_t npaused                      # clients whose request waits
    size_t client_memory_limit          # 0: none
    size_t clients_nbytes               # sum of counted_nbytes
    int64_t peak_reset_ms               # the clients' out_peak is forgotten after it
    int64_t next_peak_reset_ms
    void *watched                       # watched_t, engine/multi.pyx; or NULL
    void *pubsub                        # pubsub_t, engine/pubsub.pyx; or NULL
    # free what the client_t fields of these names hold; set with the first such state
    void (*forget_multi)(client_t *c) noexcept nogil
    void (*forget_fieldsets)(client_t *c) noexcept nogil
    void (*forget_subscriber)(client_t *c) noexcept nogil
    # after FLUSHALL, so that what is on disk goes, too; or NULL
    void (*flushed_all)(server_t *srv) noexcept nogil
    # --- client-side caches (engine/tracking.pyx)
    void *tracking                      # tracking_t; or NULL
    size_t max_tracked_keys             # 0: no limit
    bint has_broadcasts                 # tracking_broadcast has something to send
    void (*forget_tracker)(client_t *c, bint is_closed) noexcept nogil
    # --- the timer of clients that wait (net/alarm.pyx)
    int alarm_fd                        # 0: none; closed by the Engine
    int64_t alarm_ms                    # set to; 0: is not
    PyObject *runtime                   # the Engine that owns this, borrowed

cdef struct client_t:
    out_t out                           # first, so that both share an address
    server_t *srv
    db_t *db
    slice_t *argv                       # borrowed, valid while the command runs
    int argc
    cmd_t *cmd
    uint64_t first_key_hash             # of argv[cmd.first_key] if has_key_hash
    bint has_key_hash
    uint32_t flags
    int fd                              # -1: none
    int epfd                            # the epoll set that watches fd
    uint32_t tick_id                    # the reactor's tick that last served it
    int error_count                     # errors replied by the command being executed
    uint64_t id
    # --- input that waits for its rest
    char *qbuf                          # NULL until something had to wait
    size_t qlen
    size_t qcap
    size_t read_room                    # for the next read into qbuf; 0: the least
    size_t qneed                        # no use parsing before qlen reaches this
    partial_t *partial                  # arguments already found in qbuf, or NULL
    size_t qpeak                        # largest qlen since the last client_trim
    # --- output
    void (*flush)(client_t *c) noexcept nogil   # sends c.out
    client_t *next_write
    int64_t soft_since_ms               # over the soft limit since; 0: is not
    size_t out_peak                     # most that one flush sent
    # --- waiting for keys
    void *blocked                       # block_t, engine/blocking.pyx; or NULL
    void (*forget_blocked)(client_t *c) noexcept nogil  # ends it without a reply
    client_t *next_unblocked
    out_t *pushes                       # while its command runs: what is to follow it
    uint64_t flush_ticket               # waits for this flush; 0: for none
    # --- transaction, subscriptions, and what else goes with the connection
    void *multi                         # multi_t, engine/multi.pyx; or NULL
    void *fieldsets                     # fieldsets_t, engine/fieldsets.pyx; or NULL
    void *subscriber                    # subscriber_t, engine/pubsub.pyx; or NULL
    void *tracker                       # tracker_t, engine/tracking.pyx; or NULL
    # replica_t, replication/backlog.pyx; of a CLIENT_MASTER: master_t, master.pxd
    void *replica                       # or NULL
    int64_t write_offset                # srv.repl_offset after its last write (WAIT)
    int64_t wanted_acks                 # replicas that it waits for (WAIT, WAITAOF)
    # --- identity
    blob_t *name
    blob_t *lib_name
    blob_t *lib_ver
    char[64] peer                       # address:port, or the socket's path
    char[64] local
    int64_t created_ms
    int64_t active_ms                   # last request
    uint64_t ncommands
    uint64_t net_in
    uint64_t net_out
    cmd_t *last_cmd
    client_t *next
    client_t *prev
    client_t *next_monitor
    size_t counted_nbytes               # by clientmem_update
    PyObject *protocol                  # owned; CLIENT_TRANSPORT clients
    void (*release)(client_t *c) noexcept nogil  # before it is freed; may be NULL

# Is what c is told to do what another server, or an earlier run, has done? Then it is
# taken as it is: times that have passed, limits that were kept.
cdef inline bint client_is_obeyed(const client_t *c) noexcept nogil:
    return (c.flags & (CLIENT_REPLAY | CLIENT_MASTER)) != 0

# --- Server -------------------------------------------------------------------------

# take the wall clock for the requests that follow
cdef void server_update_clock(server_t *srv) noexcept nogil

# --- Clients ------------------------------------------------------------------------

# returned; linked into srv.clients unless flags has CLIENT_FAKE
cdef client_t *client_new(server_t *srv, uint32_t flags) noexcept nogil
# free at the end of the round; nothing more is read, executed or sent
cdef void client_close(client_t *c) noexcept nogil
# free all clients of srv.closing
cdef void client_free_closing(server_t *srv) noexcept nogil
cdef void client_free(client_t *c) noexcept nogil
# out of srv.monitors
cdef void client_stop_monitor(client_t *c) noexcept nogil
# have the reply sent at the end of the round
cdef void client_queue_write(client_t *c) noexcept nogil
# have what the client sent while it waited executed at the end of the round
cdef void client_queue_unblocked(client_t *c) noexcept nogil
# over an output limit? Then the client is closed and True returned
cdef bint client_check_output_limit(client_t *c) noexcept nogil
# give back room of the query buffer that was not used lately
cdef void client_trim(client_t *c) noexcept nogil
# back to the state of a new connection (RESET)
cdef void client_reset(client_t *c) noexcept nogil
cdef size_t client_nbytes(const client_t *c) noexcept nogil
cdef void client_select(client_t *c, int index) noexcept nogil

cdef inline int client_db_id(const client_t *c) noexcept nogil:
    return c.db.id

cdef inline void mark_dirty(client_t *c, uint64_t changes) noexcept nogil:
    """Count changes that are of no single key; for the others, see engine.changed."""
    c.srv.dirty += changes
