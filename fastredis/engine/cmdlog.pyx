# SPDX-License-Identifier: BSD-3-Clause
r"""The logs of unusual commands: slow ones, large requests, large replies.

    log.newest                                       log.oldest
       v                                                 v
    +-------+  older   +-------+            +-------+
    | id 17 | -------> | id 16 | -- ... --> | id 3  |    at most max_len entries
    +-------+ <------- +-------+            +-------+
     lens | argument bytes                 one allocation for each entry

Of a long command the first 31 arguments are kept, and the number of the others; of a
long argument the first 128 bytes, and how many more there were. Secrets are replaced:
passwords, whatever ACL is told of users, values of secret directives.

Cost: nothing here runs for a command that is neither slow nor large; an entry costs
O(bytes kept).      Threads: the thread that executes commands.
"""
from fastredis.core.blob cimport blob_release, blob_retain
from fastredis.core.mem cimport zcalloc, zfree, zmalloc
from fastredis.engine.args cimport arg_is
from fastredis.engine.client cimport (
    SECRETS_CONFIG,
    SECRETS_FROM_1,
    SECRETS_FROM_2,
    SECRETS_NONE,
    cmd_secrets_t,
)
from fastredis.resp.parser cimport slice_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strlen

cdef enum:
    ARGS_MAX = 32               # arguments shown, the note about others included
    ARG_NBYTES_MAX = 128        # bytes shown of an argument
    NOTE_ROOM = 64              # for "... (N more bytes)"

cdef struct cmdlogs_t:
    cmdlog_t of[CMDLOG_KINDS]
    char *secrets               # names of directives, see cmdlog_set_secrets; or NULL

cdef const char *REDACTED = b"(redacted)"


cdef cmdlogs_t *_logs(server_t *srv) noexcept nogil:
    """Return the server's logs, made when first asked for."""
    cdef cmdlogs_t *logs = <cmdlogs_t *>srv.cmdlogs
    cdef int i
    if logs == NULL:
        logs = <cmdlogs_t *>zcalloc(sizeof(cmdlogs_t))
        for i in range(CMDLOG_KINDS):
            logs.of[i].threshold = -1
        srv.cmdlogs = logs
    return logs


cdef cmdlog_t *cmdlog_of(server_t *srv, cmdlog_kind_t kind) noexcept nogil:
    """Return one of the logs."""
    return &_logs(srv).of[<int>kind]


# --- Secrets ----------------------------------------------------------------------


cdef void cmdlog_set_secrets(server_t *srv, const char *names) noexcept nogil:
    """Remember which directives' values are secret."""
    cdef cmdlogs_t *logs = _logs(srv)
    cdef size_t n = strlen(names) + 1
    zfree(logs.secrets)
    logs.secrets = <char *>zmalloc(n)
    memcpy(logs.secrets, names, n)


cdef bint _is_secret_directive(server_t *srv, const slice_t *name) noexcept nogil:
    """Return whether this is the name of a directive with a secret value."""
    cdef const char *p = _logs(srv).secrets
    cdef size_t i
    cdef int a
    while p != NULL and p[0]:
        p += 1                  # the line feed before each name
        i = 0
        while p[i] and p[i] != 10:
            if i < name.len:
                a = name.ptr[i]
                if 65 <= a <= 90:
                    a += 32
                if a != p[i]:
                    break
            i += 1
        if i == name.len and (p[i] == 10 or p[i] == 0):
            return True
        while p[0] and p[0] != 10:
            p += 1
    return False


cdef bint cmdlog_is_secret(client_t *c, int i) noexcept nogil:
    """Return whether argument i must not be shown."""
    cdef cmd_secrets_t rule = SECRETS_NONE if c.cmd == NULL else c.cmd.secrets
    if rule == SECRETS_NONE or i == 0:
        return False
    if rule == SECRETS_FROM_1:
        return True
    if rule == SECRETS_FROM_2:
        return i > 1
    if rule == SECRETS_CONFIG:
        return i > 2 and i % 2 == 1 and _is_secret_directive(c.srv, &c.argv[i - 1])
    return i > 1 and (
        arg_is(c, i - 1, b"auth") or arg_is(c, i - 1, b"auth2")
        or arg_is(c, i - 2, b"auth") or arg_is(c, i - 2, b"auth2"))


# --- Entries ----------------------------------------------------------------------


cdef size_t _shown(client_t *c, int i, int shown, char *out) noexcept nogil:
    """Write what is shown of argument i, of `shown` in all; out NULL: only measure."""
    cdef char[NOTE_ROOM] note
    cdef size_t n, m = 0
    cdef const char *s
    if c.argc > shown and i == shown - 1:
        n = snprintf(note, NOTE_ROOM, b"... (%d more arguments)", c.argc - shown + 1)
        s = note
    elif cmdlog_is_secret(c, i):
        s = REDACTED
        n = strlen(REDACTED)
    else:
        s = c.argv[i].ptr
        n = c.argv[i].len
        if n > ARG_NBYTES_MAX:
            m = snprintf(note, NOTE_ROOM, b"... (%zu more bytes)", n - ARG_NBYTES_MAX)
            n = ARG_NBYTES_MAX
    if out != NULL:
        memcpy(out, s, n)
        memcpy(out + n, note, m)
    return n + m


cdef void cmdlog_add(client_t *c, cmdlog_kind_t kind, uint64_t value) noexcept nogil:
    """Put a command into a log; the oldest entries leave."""
    cdef cmdlog_t *log = cmdlog_of(c.srv, kind)
    cdef cmdlog_entry_t *e
    cdef size_t lens[ARGS_MAX]
    cdef size_t total = 0
    cdef int n = c.argc if c.argc < ARGS_MAX else ARGS_MAX
    cdef int i
    cdef char *p
    if log.threshold < 0 or value < <uint64_t>log.threshold:
        return
    if log.max_len == 0:
        cmdlog_clear(log)
        return
    for i in range(n):
        lens[i] = _shown(c, i, n, NULL)
        total += lens[i]
    e = <cmdlog_entry_t *>zmalloc(
        sizeof(cmdlog_entry_t) + n * sizeof(uint32_t) + total)
    e.id = log.next_id
    log.next_id += 1
    e.time_s = c.srv.now_ms // 1000
    e.value = value
    memcpy(e.peer, c.peer, sizeof(e.peer))
    e.name = NULL if c.name == NULL else blob_retain(c.name)
    e.argc = n
    e.lens = <uint32_t *>(e + 1)
    e.args = <char *>(e.lens + n)
    p = e.args
    for i in range(n):
        e.lens[i] = <uint32_t>lens[i]
        p += _shown(c, i, n, p)
    e.newer = NULL
    e.older = log.newest
    if log.newest != NULL:
        log.newest.newer = e
    else:
        log.oldest = e
    log.newest = e
    log.len += 1
    _trim(log, log.max_len)


cdef void _trim(cmdlog_t *log, size_t len) noexcept nogil:
    """Free the oldest entries until there are len."""
    cdef cmdlog_entry_t *e
    while log.len > len:
        e = log.oldest
        log.oldest = e.newer
        if log.oldest != NULL:
            log.oldest.older = NULL
        else:
            log.newest = NULL
        log.len -= 1
        blob_release(e.name)
        zfree(e)


cdef void cmdlog_clear(cmdlog_t *log) noexcept nogil:
    """Free all entries; ids go on."""
    _trim(log, 0)


cdef void cmdlog_set(
    server_t *srv, cmdlog_kind_t kind, int64_t threshold, size_t max_len
) noexcept nogil:
    """Set what is logged, and how much; entries beyond it stay until the next."""
    cdef cmdlog_t *log = cmdlog_of(srv, kind)
    log.threshold = threshold
    log.max_len = max_len


cdef void cmdlog_free(server_t *srv) noexcept nogil:
    """Free the logs."""
    cdef cmdlogs_t *logs = <cmdlogs_t *>srv.cmdlogs
    cdef int i
    if logs == NULL:
        return
    for i in range(CMDLOG_KINDS):
        cmdlog_clear(&logs.of[i])
    zfree(logs.secrets)
    zfree(logs)
    srv.cmdlogs = NULL
