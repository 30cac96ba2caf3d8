# SPDX-License-Identifier: BSD-3-Clause
r"""From bytes to executed commands: one batch after the other.

    bytes of one read
    +------------+------------+------------+--------
    | GET a      | SET b 1    | GET c      | GE       rest: kept by the caller
    +------------+------------+------------+--------
     1. parse each, find its command, hash its first key, prefetch the bucket
     2. for each: prefetch the object that the bucket names; then, in the value, step by
        step what a look-up of the member named will read
     3. for each: check, execute, count; replies are appended to c.out

With a million keys nearly all of a command's time is two cache misses, and so it is
with a hash of a million fields; the passes let the misses of a whole batch overlap. A
batch ends after BATCH_MAX requests, so that what was prefetched is still there. What is
read into a batch is only executed while the client lives: a request may close it, or
change how the next ones are to be parsed (authentication lifts the parser's limits, so
a batch is one request before it).

Most clients are in none of the states that want a request treated otherwise, and one
test of their flags says so:

    REPLY_OFF, SKIP   the reply is written apart, and dropped
    MULTI             the request is checked, copied and queued
    PUBSUB            in RESP2 only a few commands are allowed; and what is published
                      to the client by its own command is to follow the reply
    TRACKING          the keys that a command reads are noted; what is told to the
    REDIRECTED        client in consequence of its own command is to follow the reply

The link to a master (CLIENT_MASTER) is a client of another kind: nothing is refused to
it, all that it is replied is dropped after each read, it sees keys whose time is over
until it deletes them, and it is noted how much of its stream has taken effect.

Threads: the thread that executes commands, without the GIL.
"""
from fastredis.core.clock cimport clock_cycles, clock_ticks_ns
from fastredis.core.keyhash cimport keyhash
from fastredis.core.status cimport fr_likely, fr_unlikely
from fastredis.engine.args cimport arg_is
from fastredis.engine.blocking cimport blocking_serve
from fastredis.engine.client cimport (
    CLIENT_AUTHENTICATED,
    CLIENT_BLOCKED,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSE_ASAP,
    CLIENT_DENY_BLOCKING,
    CLIENT_DIRTY_EXEC,
    CLIENT_MULTI,
    CLIENT_IMPORT_SOURCE,
    CLIENT_MASTER,
    CLIENT_NO_TOUCH,
    CLIENT_PUBSUB,
    CLIENT_REDIRECTED,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP,
    CLIENT_REPLY_SKIP_NEXT,
    CLIENT_TRACKING,
    CMD_ADMIN,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_AUTH,
    CMD_NO_MULTI,
    CMD_READONLY,
    CMD_SKIP_MONITOR,
    CMD_SKIP_SLOWLOG,
    CMD_STALE,
    CMD_SUBSCRIBER,
    CMD_UNQUEUED,
    CMD_WRITE,
    LIMIT_NORMAL,
    WATCH_MONITORS,
    WATCH_PAUSE,
    WATCH_REFUSE,
    WATCH_SIZES,
    client_check_output_limit,
    client_close,
    cmd_t,
    server_t,
)
from fastredis.engine.cmdlog cimport (
    CMDLOG_LARGE_REPLY,
    CMDLOG_LARGE_REQUEST,
    CMDLOG_SLOW,
    cmdlog_add,
)
from fastredis.engine.errors cimport (
    ERR_LOADING,
    ERR_MASTER_DOWN,
    ERR_MISCONF,
    ERR_NO_AUTH,
    ERR_NO_REPLICAS,
    ERR_NOT_IN_MULTI,
    ERR_READ_ONLY,
)
from fastredis.engine.master cimport master_t
from fastredis.engine.monitor cimport monitor_feed
from fastredis.engine.multi cimport (
    multi_args_nbytes,
    multi_at,
    multi_end,
    multi_len,
    multi_queue,
    queued_t,
    watch_clear,
)
from fastredis.engine.pause cimport pause_postpones
from fastredis.engine.propagate cimport feed_begin_unit, feed_call, feed_end_unit
from fastredis.engine.reply cimport (
    reply_array,
    reply_error,
    reply_error_len,
    reply_simple,
    reply_wrong_arity,
)
from fastredis.engine.spikes cimport spike_add
from fastredis.engine.stats cimport latency_record
from fastredis.engine.table cimport cmd_find, cmd_find_sub, cmd_table_t
from fastredis.engine.tracking cimport tracking_end_request, tracking_remember
from fastredis.keyspace.db cimport (
    db_guess,
    db_prefetch_bucket,
    db_prefetch_object,
    db_t,
)
from fastredis.keyspace.obj cimport obj_lookup_t, obj_prefetch, obj_t
from fastredis.resp.parser cimport (
    PARSE_ERROR,
    PARSE_MORE,
    argv_t,
    parse_request,
    parse_t,
    parser_t,
    partial_free,
    slice_t,
)
from fastredis.resp.writer cimport (
    out_apart,
    out_block_t,
    out_clear,
    out_join,
    out_pending,
    out_t,
)
from libc.stdint cimport uint32_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport strcmp, strerror

cdef extern from *:
    """
    #define ARG_MAX_NBYTES ((size_t)0xFFFFFFFF)  /* key objects hold 32-bit lengths */
    """
    const size_t ARG_MAX_NBYTES

cdef enum:
    BATCH_MAX = 32
    MUTED = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT
    STATEFUL = CLIENT_MULTI | CLIENT_PUBSUB | CLIENT_TRACKING
    SPECIAL = MUTED | STATEFUL | CLIENT_REDIRECTED
    CLOSING = CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY
    STOPPING = CLOSING | CLIENT_BLOCKED
    NOTED = STOPPING | CLIENT_MASTER    # there is something to do after a request
    # what _execute itself looks at needs no more
    LOOKED_AT = ~WATCH_REFUSE
    UNKNOWN_ARGS_SHOWN = 128

# A parsed request that waits for its turn.
cdef struct request_t:
    cmd_t *cmd
    size_t first                    # of its arguments in srv.argv
    size_t argc
    size_t end                      # bytes of the buffer up to its end
    uint64_t hash                   # of its first key
    bint has_key
    const obj_t *value              # in which its member is looked for ahead, or NULL
    obj_lookup_t lookup


# --- Execute one request ----------------------------------------------------------


cdef void _reply_unknown(client_t *c) noexcept nogil:
    """Reply that there is no such command, or subcommand."""
    cdef char[512] text
    cdef int n, i, head
    cdef size_t shown
    cdef slice_t *a = c.argv
    if c.cmd == NULL and (arg_is(c, 0, b"post") or arg_is(c, 0, b"host:")):
        # a browser that was made to talk to this port: not one more byte of it
        c.srv.stats.cross_protocol += 1
        client_close(c)
        return
    if c.cmd != NULL:
        n = 0
        n += snprintf(text, 512, b"ERR unknown subcommand '%.*s'. Try ",
                      <int>(a[1].len if a[1].len < 128 else 128), a[1].ptr)
        for i in range(c.cmd.name_len):
            text[n] = c.cmd.name[i] - 32 if 97 <= c.cmd.name[i] <= 122 \
                else c.cmd.name[i]
            n += 1
        n += snprintf(text + n, 512 - n, b" HELP.")
        reply_error_len(c, text, n)
        return
    n = snprintf(text, 512, b"ERR unknown command '%.*s', with args beginning with: ",
                 <int>(a[0].len if a[0].len < 128 else 128), a[0].ptr)
    head = n
    shown = 0
    for i in range(1, c.argc):
        if shown >= UNKNOWN_ARGS_SHOWN:
            break
        n += snprintf(
            text + n, 512 - n, b"'%.*s' ",
            <int>(a[i].len if a[i].len < UNKNOWN_ARGS_SHOWN - shown
                  else UNKNOWN_ARGS_SHOWN - shown), a[i].ptr)
        shown = n - head        # an argument ends at its first NUL here
        if n >= 500:
            n = 500
            break
    reply_error_len(c, text, n)


cdef bint _is_any(client_t *c, uint32_t flag, uint32_t wanted) noexcept nogil:
    """Has a request, or one of the transaction that it ends, the flag as wanted?

    wanted: the flag itself, or 0 for one that lacks it.
    """
    cdef int i
    if c.cmd.flags & flag == wanted:
        return True
    if c.flags & CLIENT_MULTI and strcmp(c.cmd.name, b"exec") == 0:
        for i in range(multi_len(c)):
            if multi_at(c, i).cmd.flags & flag == wanted:
                return True
    return False


cdef inline bint _is_write(client_t *c) noexcept nogil:
    return _is_any(c, CMD_WRITE, CMD_WRITE)


cdef inline bint _lacks(client_t *c, uint32_t flag) noexcept nogil:
    return _is_any(c, flag, 0)


cdef void _refuse(client_t *c, const char *why) noexcept nogil:
    """Reply an error; EXEC ends the transaction so, too."""
    cdef char[512] text
    cdef int n
    if not c.flags & CLIENT_MULTI or strcmp(c.cmd.name, b"exec") != 0:
        reply_error(c, why)
        return
    n = snprintf(text, sizeof(text), b"EXECABORT Transaction discarded because of: %s",
                 why)
    reply_error_len(c, text, n)
    multi_end(c)
    watch_clear(c)


cdef bint _is_refused_by_replica(client_t *c) noexcept nogil:
    """Reply an error and return True if a replica must not execute a request."""
    cdef server_t *srv = c.srv
    if srv.is_read_only and _is_write(c):
        _refuse(c, ERR_READ_ONLY)
    elif srv.is_stale and _lacks(c, CMD_STALE):
        _refuse(c, ERR_MASTER_DOWN)
    elif srv.is_loading and _lacks(c, CMD_LOADING):
        _refuse(c, ERR_LOADING)
    else:
        return False
    c.cmd.rejected_calls += 1
    return True


cdef bint _is_refused_for_now(client_t *c) noexcept nogil:
    """Reply an error and return True if the state of the data set forbids a request."""
    cdef server_t *srv = c.srv
    cdef char[256] text
    if c.flags & CLIENT_MASTER:
        return False        # what has happened there has to happen here
    if srv.is_replica and _is_refused_by_replica(c):
        return True
    if srv.is_save_failing and (_is_write(c) or strcmp(c.cmd.name, b"ping") == 0):
        _refuse(c, ERR_MISCONF)
    elif srv.aof_error and (_is_write(c) or strcmp(c.cmd.name, b"ping") == 0):
        snprintf(text, sizeof(text), b"MISCONF Errors writing to the AOF file: %s",
                 strerror(srv.aof_error))
        _refuse(c, text)
    elif srv.is_loading and _lacks(c, CMD_LOADING):
        _refuse(c, ERR_LOADING)
    elif srv.has_too_few_replicas and not srv.is_replica and _is_write(c):
        _refuse(c, ERR_NO_REPLICAS)
    else:
        return False
    c.cmd.rejected_calls += 1
    return True


cdef void _reply_wrong_arity(client_t *c) noexcept nogil:
    """Reply that the number of arguments is wrong; EXEC ends the transaction so, too.
    """
    if strcmp(c.cmd.name, b"exec") != 0:
        reply_wrong_arity(c)
        return
    reply_error(
        c, b"EXECABORT Transaction discarded because of: wrong number of arguments "
        b"for 'exec' command")
    if c.flags & CLIENT_MULTI:
        multi_end(c)


cdef bint _is_refused(client_t *c) noexcept nogil:
    """Reply an error and return True if the request must not be executed."""
    cdef cmd_t *cmd = c.cmd
    if fr_unlikely(cmd == NULL):
        _reply_unknown(c)
        return True
    if fr_unlikely(cmd.fn == NULL or (cmd.subcommands != NULL and c.argc > 1)):
        if c.argc > 1:
            _reply_unknown(c)
        else:
            reply_wrong_arity(c)
        cmd.rejected_calls += 1
        return True
    if fr_unlikely((cmd.arity > 0 and c.argc != cmd.arity) or c.argc < -cmd.arity):
        _reply_wrong_arity(c)
        cmd.rejected_calls += 1
        return True
    if fr_unlikely(not c.flags & CLIENT_AUTHENTICATED and not cmd.flags & CMD_NO_AUTH):
        reply_error(c, ERR_NO_AUTH)
        cmd.rejected_calls += 1
        return True
    return fr_unlikely(c.srv.watch & WATCH_REFUSE) and _is_refused_for_now(c)


cdef size_t _pending_before(
    const out_t *o, const char *pos, size_t nsealed
) noexcept nogil:
    """Return what was pending when o.pos and o.nsealed had these values."""
    cdef const out_block_t *b = o.first
    cdef size_t n = 0
    if pos == NULL:
        return 0
    while n < nsealed:
        n += b.nbytes
        b = b.next
    return nsealed + (pos - b.start)


cdef void _note_unusual(
    client_t *c, cmd_t *cmd, uint64_t ticks, const char *pos, size_t nsealed
) noexcept nogil:
    """Log a command that took long, or replied more than a block holds."""
    cdef server_t *srv = c.srv
    cdef uint64_t us
    cdef size_t n
    if c.flags & CLIENT_BLOCKED:
        return              # it has not run yet
    c.cmd = cmd
    if ticks >= srv.slow_ticks:
        us = clock_ticks_ns(ticks) // 1000
        if not cmd.flags & CMD_SKIP_SLOWLOG:
            cmdlog_add(c, CMDLOG_SLOW, us)
        spike_add(srv, b"fast-command" if cmd.flags & CMD_FAST else b"command", us)
    if c.out.nsealed != nsealed and not srv.watch & WATCH_SIZES:
        n = out_pending(&c.out) - _pending_before(&c.out, pos, nsealed)
        if n >= srv.large_reply_nbytes:
            cmdlog_add(c, CMDLOG_LARGE_REPLY, n)


cdef inline uint64_t _call(client_t *c, uint64_t start) noexcept nogil:
    """Execute c.argv; start and the result are readings of the counter."""
    cdef server_t *srv = c.srv
    cdef cmd_t *cmd = c.cmd
    cdef const char *pos = c.out.pos
    cdef size_t nsealed = c.out.nsealed
    cdef uint64_t end
    if fr_likely(srv.feeds == 0):
        cmd.fn(c)
    else:
        feed_call(c)
    end = clock_cycles()
    if fr_unlikely((end - start >= srv.slow_ticks) | (c.out.nsealed != nsealed)):
        _note_unusual(c, cmd, end - start, pos, nsealed)
    cmd.calls += 1
    cmd.total_ticks += end - start
    if srv.is_latency_tracked:
        latency_record(cmd, end - start)
    if fr_unlikely(c.error_count != 0):
        cmd.failed_calls += 1
    return end


cdef inline uint64_t _call_tracked(client_t *c, uint64_t start) noexcept nogil:
    """Execute c.argv, and note what it read if the client caches that."""
    cdef cmd_t *cmd = c.cmd
    start = _call(c, start)
    if c.flags & CLIENT_TRACKING and cmd.flags & CMD_READONLY:
        c.cmd = cmd
        tracking_remember(c)
    return start


cdef uint64_t _execute(client_t *c, uint64_t start) noexcept nogil:
    """Check and execute c.argv."""
    c.error_count = 0
    if fr_unlikely(_is_refused(c)):
        return clock_cycles()
    c.last_cmd = c.cmd
    return _call(c, start)


cdef bint _is_refused_here(client_t *c) noexcept nogil:
    """Reply an error and return True if the client's state forbids the request."""
    cdef cmd_t *cmd = c.cmd
    cdef char[256] text
    cdef int n
    if c.flags & CLIENT_MULTI and cmd.flags & CMD_NO_MULTI:
        reply_error(c, ERR_NOT_IN_MULTI)
    elif c.flags & CLIENT_PUBSUB and c.out.resp == 2 and not cmd.flags & CMD_SUBSCRIBER:
        n = snprintf(
            text, sizeof(text),
            b"ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
            b"QUIT / RESET are allowed in this context", cmd.name)
        reply_error_len(c, text, n)
    else:
        return False
    cmd.rejected_calls += 1
    return True


cdef uint64_t _execute_or_queue(client_t *c, uint64_t start) noexcept nogil:
    """Execute a request of a client that may be in a state that concerns it."""
    cdef cmd_t *cmd = c.cmd
    if not c.flags & STATEFUL:
        return _execute(c, start)
    c.error_count = 0
    if _is_refused(c) or _is_refused_here(c):
        if c.flags & CLIENT_MULTI:
            c.flags |= CLIENT_DIRTY_EXEC
        return clock_cycles()
    c.last_cmd = cmd
    if not c.flags & CLIENT_MULTI or cmd.flags & CMD_UNQUEUED:
        return _call_tracked(c, start)
    multi_queue(c)
    if multi_args_nbytes(c) > c.srv.query_buffer_limit:
        c.srv.stats.query_limit_disconnections += 1
        client_close(c)
    reply_simple(c, b"QUEUED")
    return clock_cycles()


cdef uint64_t _execute_muted(client_t *c, uint64_t start) noexcept nogil:
    """Execute a request whose reply is dropped: CLIENT REPLY OFF and SKIP."""
    cdef out_t kept = c.out
    if c.flags & CLIENT_REPLY_SKIP_NEXT:
        c.flags = (c.flags & ~CLIENT_REPLY_SKIP_NEXT) | CLIENT_REPLY_SKIP
    c.out = out_apart(&kept)
    start = _execute_or_queue(c, start)
    if c.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP):
        out_clear(&c.out)
    else:
        # CLIENT REPLY ON: its own reply is the first to be sent again
        out_join(&kept, &c.out)
    kept.resp = c.out.resp
    c.out = kept
    c.flags &= ~CLIENT_REPLY_SKIP
    return start


cdef uint64_t _execute_special(client_t *c, uint64_t start) noexcept nogil:
    """Execute a request of a client in one of the states of SPECIAL."""
    cdef out_t pushes = out_apart(&c.out)
    c.pushes = &pushes
    if c.flags & MUTED:
        start = _execute_muted(c, start)
    else:
        start = _execute_or_queue(c, start)
    if c.flags & CLIENT_TRACKING:
        tracking_end_request(c)
    c.pushes = NULL
    out_join(&c.out, &pushes)
    return start


cdef uint64_t _execute_watched(
    client_t *c, uint64_t start, size_t nbytes
) noexcept nogil:
    """Execute a request that is looked at, or of a client in a special state.

    nbytes: of the request.
    """
    cdef server_t *srv = c.srv
    cdef cmd_t *before = c.last_cmd
    cdef size_t pending = out_pending(&c.out)
    cdef bint is_executed
    c.last_cmd = NULL
    if c.flags & SPECIAL:
        start = _execute_special(c, start)
    else:
        start = _execute(c, start)
    is_executed = c.last_cmd != NULL
    if not is_executed:
        c.last_cmd = before
        return start
    c.cmd = c.last_cmd
    if c.flags & CLIENT_MULTI and not c.cmd.flags & CMD_UNQUEUED:
        return start        # it was queued
    if nbytes >= srv.large_request_nbytes:
        cmdlog_add(c, CMDLOG_LARGE_REQUEST, nbytes)
    if srv.watch & WATCH_SIZES:
        pending = out_pending(&c.out) - pending
        if pending >= srv.large_reply_nbytes:
            cmdlog_add(c, CMDLOG_LARGE_REPLY, pending)
    if srv.watch & WATCH_MONITORS and not c.cmd.flags & (CMD_SKIP_MONITOR | CMD_ADMIN):
        monitor_feed(c)
    return clock_cycles()


cdef void engine_execute_queued(client_t *c) noexcept nogil:
    """Execute the client's queue; an error in one request does not stop the next."""
    cdef slice_t *argv = c.argv
    cdef int argc = c.argc
    cdef cmd_t *cmd = c.cmd
    cdef const queued_t *q
    cdef int i, n = multi_len(c)
    cdef uint64_t now = clock_cycles()
    watch_clear(c)
    c.has_key_hash = False
    c.flags |= CLIENT_DENY_BLOCKING
    c.srv.is_in_exec = True
    feed_begin_unit(c.srv)
    reply_array(c, n)
    for i in range(n):
        q = multi_at(c, i)
        c.cmd = q.cmd
        c.argv = q.argv
        c.argc = q.argc
        c.error_count = 0
        now = _call_tracked(c, now)
        if c.srv.watch & WATCH_MONITORS \
                and not c.cmd.flags & (CMD_SKIP_MONITOR | CMD_ADMIN):
            monitor_feed(c)
    c.srv.is_in_exec = False
    feed_end_unit(c.srv)
    c.flags &= ~CLIENT_DENY_BLOCKING
    c.cmd = cmd
    c.argv = argv
    c.argc = argc
    c.error_count = 0       # EXEC itself has not failed
    multi_end(c)


cdef void _rerun(client_t *c) noexcept nogil:
    """Execute c.argv again, for a client that waited for it."""
    cdef server_t *srv = c.srv
    cdef client_t *current = srv.current
    srv.current = c
    if c.flags & SPECIAL:
        _execute_special(c, clock_cycles())
    else:
        _execute(c, clock_cycles())
    srv.current = current


cdef void engine_serve_blocked(server_t *srv) noexcept nogil:
    """Run the commands of clients whose keys have changed."""
    if srv.has_changed_keys:
        blocking_serve(srv, _rerun)


cdef void engine_execute(client_t *c) noexcept nogil:
    """Execute the request in c.argv for a client without a connection."""
    cdef cmd_t *sub
    c.cmd = cmd_find(<cmd_table_t *>c.srv.commands, c.argv[0].ptr, c.argv[0].len)
    if c.cmd != NULL and c.cmd.subcommands != NULL and c.argc > 1:
        sub = cmd_find_sub(c.cmd, c.argv[1].ptr, c.argv[1].len)
        if sub != NULL:
            c.cmd = sub
    c.has_key_hash = False
    _execute(c, clock_cycles())


# --- Batches ----------------------------------------------------------------------


cdef inline void _prepare(client_t *c, argv_t *argv, request_t *r) noexcept nogil:
    """Find a request's command and have its first key's bucket loaded."""
    cdef slice_t *a = argv.args + r.first
    cdef cmd_t *sub
    r.has_key = False
    r.cmd = cmd_find(<cmd_table_t *>c.srv.commands, a.ptr, a.len)
    if fr_unlikely(r.cmd == NULL):
        return
    if fr_unlikely(r.cmd.subcommands != NULL) and r.argc > 1:
        sub = cmd_find_sub(r.cmd, a[1].ptr, a[1].len)
        if sub != NULL:
            r.cmd = sub
    if 0 < r.cmd.first_key < <int>r.argc:
        a += r.cmd.first_key
        r.hash = keyhash(a.ptr, a.len)
        r.has_key = True
        db_prefetch_bucket(c.db, r.hash)


cdef void _prefetch_members(
    db_t *db, const argv_t *argv, request_t *batch, int n
) noexcept nogil:
    """Have what look-ups of members will read loaded, step by step.

    Nothing is executed meanwhile, so that all values stay where they are.
    """
    cdef const obj_t *o = NULL
    cdef const slice_t *a
    cdef request_t *r
    cdef uint64_t hash = 0
    cdef int left = 0, i
    for i in range(n):
        r = &batch[i]
        r.value = NULL
        if not r.has_key or r.cmd.member == 0 or r.cmd.member >= <int>r.argc:
            continue
        if o == NULL or r.hash != hash:
            hash = r.hash
            o = db_guess(db, hash)
            if o == NULL:
                continue
        a = argv.args + r.first + r.cmd.member
        r.lookup.member = a.ptr
        r.lookup.len = a.len
        r.lookup.kind = r.cmd.lookup
        r.lookup.before = a[-1].ptr     # the key at least
        r.lookup.before_len = a[-1].len
        r.lookup.stage = 0
        if obj_prefetch(o, &r.lookup):
            r.value = o
            left += 1
    while left:
        for i in range(n):
            r = &batch[i]
            if r.value != NULL and not obj_prefetch(r.value, &r.lookup):
                r.value = NULL
                left -= 1


cdef void _fail(client_t *c, const char *what) noexcept nogil:
    """Reply a protocol error; the client is closed when that has been sent."""
    cdef char[128] text
    cdef int n
    if not c.flags & CLIENT_REPLY_OFF:
        n = snprintf(text, sizeof(text), b"ERR Protocol error: %s", what)
        reply_error_len(c, text, n)
    c.srv.stats.protocol_errors += 1
    c.flags |= CLIENT_CLOSE_AFTER_REPLY


cdef size_t _feed(client_t *c, char *buf, size_t nbytes) noexcept nogil:
    """Execute the requests in buf, as engine_feed does."""
    cdef server_t *srv = c.srv
    cdef argv_t *argv = &srv.argv
    cdef parser_t p
    cdef parse_t state
    cdef request_t batch[BATCH_MAX]
    cdef request_t *r
    cdef size_t done = 0
    cdef int n, i, limit
    cdef uint64_t now
    cdef uint32_t is_large = nbytes >= srv.large_request_nbytes
    p.argv = argv
    p.pos = 0
    c.active_ms = srv.now_ms
    srv.ks.is_no_touch = (c.flags & CLIENT_NO_TOUCH) != 0
    srv.ks.is_expired_shown = (c.flags & CLIENT_MASTER) != 0 or (
        srv.is_import_mode and (c.flags & CLIENT_IMPORT_SOURCE) != 0)
    while True:
        # --- 1: parse
        p.max_bulk_nbytes = srv.proto_max_bulk_len
        if p.max_bulk_nbytes > ARG_MAX_NBYTES or c.flags & CLIENT_MASTER:
            p.max_bulk_nbytes = ARG_MAX_NBYTES
        p.is_limited = not c.flags & CLIENT_AUTHENTICATED
        limit = 1 if p.is_limited else BATCH_MAX
        argv.len = 0
        n = 0
        while n < limit:
            r = &batch[n]
            r.first = argv.len
            state = parse_request(&p, buf, nbytes, &c.partial)
            if state != 0:
                break
            r.argc = argv.len - r.first
            if r.argc == 0:
                if n == 0:
                    done = p.pos
                else:
                    batch[n - 1].end = p.pos
                continue
            r.end = p.pos
            _prepare(c, argv, r)
            n += 1
        # --- 2: prefetch
        if n > 1:
            for i in range(n):
                if batch[i].has_key:
                    db_prefetch_object(c.db, batch[i].hash)
            _prefetch_members(c.db, argv, batch, n)
        # --- 3: execute
        now = clock_cycles()
        for i in range(n):
            r = &batch[i]
            c.argv = argv.args + r.first
            c.argc = <int>r.argc
            c.cmd = r.cmd
            c.first_key_hash = r.hash
            c.has_key_hash = r.has_key
            if fr_likely(not (c.flags & SPECIAL | srv.watch & LOOKED_AT | is_large)):
                now = _execute(c, now)
            else:
                if srv.watch & WATCH_PAUSE and pause_postpones(c):
                    n = i
                    break
                now = _execute_watched(c, now, r.end - done)
            done = r.end
            if fr_unlikely(srv.has_changed_keys):
                blocking_serve(srv, _rerun)
            if fr_unlikely(c.flags & NOTED):
                if c.flags & (CLIENT_MASTER | CLIENT_MULTI) == CLIENT_MASTER:
                    (<master_t *>c.replica).applied = done
                if c.flags & STOPPING:
                    n = i + 1
                    break
        c.ncommands += n
        srv.ncommands += n
        if fr_unlikely(c.flags & CLIENT_BLOCKED):
            # what follows is parsed again when the client goes on
            partial_free(c.partial)
            c.partial = NULL
            c.qneed = 1
            return done
        if fr_unlikely(c.flags & CLOSING):
            return nbytes
        if state == PARSE_ERROR and n < limit:
            _fail(c, p.error)
            return nbytes
        if n < limit or p.pos >= nbytes:
            c.qneed = p.need if state == PARSE_MORE else 1
            return done
        if client_check_output_limit(c):
            return nbytes


cdef size_t _feed_stream(client_t *c, char *buf, size_t nbytes) noexcept nogil:
    """Execute what a master sent; see engine/master.pxd."""
    cdef master_t *m = <master_t *>c.replica
    cdef out_t kept = c.out
    cdef size_t used
    m.applied = 0
    c.out = out_apart(&kept)
    used = _feed(c, buf, nbytes)
    out_clear(&c.out)
    c.out = kept
    c.srv.ks.is_expired_shown = False
    if not c.flags & (CLIENT_MULTI | CLOSING):
        m.applied = used    # an empty line ends nothing
    m.fed(c, buf, used)
    return used


cdef size_t engine_feed(client_t *c, char *buf, size_t nbytes) noexcept nogil:
    """Execute the requests in buf; see the header."""
    cdef size_t used
    c.srv.current = c
    c.srv.current_nbytes = nbytes
    if fr_unlikely(c.flags & CLIENT_MASTER):
        used = _feed_stream(c, buf, nbytes)
        c.srv.current = NULL
        return used
    used = _feed(c, buf, nbytes)
    if fr_unlikely(c.srv.output_limits[LIMIT_NORMAL].hard_nbytes != 0):
        # also where it could be sent at once
        client_check_output_limit(c)
    c.srv.current = NULL
    return used
