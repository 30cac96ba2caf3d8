# SPDX-License-Identifier: BSD-3-Clause
r"""What Python code sees of a client.

Input and output are told as CLIENT LIST wants them:

    input    qbuf         bytes waiting for their rest; for the client whose requests
                          are being executed, the bytes that they came in
             argv_memory  what was found of a request whose rest is to come; for the
                          one being executed, its arguments
    output   obl          bytes pending in the first block
             oll, omem    the blocks behind it, and their memory

Cost: about 3 us a client.
"""
from fastredis.core.blob cimport blob_t
from fastredis.engine.client cimport (
    CLIENT_BLOCKED,
    CLIENT_CAPA_REDIRECT,
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_DIRTY_CAS,
    CLIENT_FAKE,
    CLIENT_IMPORT_SOURCE,
    CLIENT_MASTER,
    CLIENT_MONITOR,
    CLIENT_MULTI,
    CLIENT_NO_EVICT,
    CLIENT_NO_TOUCH,
    CLIENT_PUBSUB,
    CLIENT_REPLICA,
    CLIENT_TRANSPORT,
    CLIENT_UNIX_SOCKET,
    CLIENT_WANT_WRITE,
    client_nbytes,
)
from fastredis.engine.fieldsets cimport fieldsets_nbytes
from fastredis.engine.multi cimport multi_len, multi_nbytes, watch_len
from fastredis.engine.pubsub cimport (
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    PUBSUB_SHARD,
    pubsub_client_nbytes,
    pubsub_count,
)
from fastredis.engine.tracking cimport (
    TRACK_BCAST,
    TRACK_BROKEN,
    TRACK_ON,
    tracking_client_nbytes,
    tracking_flags,
    tracking_target_id,
)
from fastredis.resp.parser cimport partial_nbytes
from fastredis.resp.writer cimport out_block_t, out_nbytes, out_pending, out_seal


cdef enum:
    LENGTH_MAX = 24                 # bytes of "$", a length, CR LF


cdef str _text(const char *s):
    return s.decode("utf-8", "replace")


cdef str _blob_text(const blob_t *b):
    return "" if b == NULL else b.data[:b.len].decode("utf-8", "replace")


cdef size_t _argv_memory(const client_t *c) noexcept:
    """Return the bytes of the arguments known so far."""
    cdef size_t n = 0
    cdef int i
    if c == c.srv.current:
        for i in range(c.argc):
            n += c.argv[i].len
    elif c.partial != NULL:
        n = partial_nbytes(c.partial) + c.partial.pos
    return n


cdef size_t _query_nbytes(const client_t *c) noexcept:
    """Return the bytes that came in and are not arguments yet."""
    cdef size_t pos = 0
    if c == c.srv.current:
        return c.srv.current_nbytes
    if c.partial != NULL:
        pos = c.partial.pos
    # neither the lengths that precede an argument whose bytes are coming
    pos = _after_length(c, pos, b"*")
    return c.qlen - _after_length(c, pos, b"$")


cdef size_t _after_length(const client_t *c, size_t pos, char kind) noexcept:
    """Return where the line of a length ends, pos if there is none."""
    cdef size_t i
    if pos < c.qlen and c.qbuf[pos] == kind:
        for i in range(pos, min(c.qlen, pos + LENGTH_MAX)):
            if c.qbuf[i] == 10:
                return i + 1
    return pos


cdef dict client_describe(client_t *c):
    """Return what is known of a client."""
    cdef out_block_t *b
    cdef size_t memory = out_nbytes(&c.out), first = 0, cap = 0
    cdef int nblocks = 0
    out_seal(&c.out)
    b = c.out.first
    if b != NULL:
        first = b.nbytes
        cap = b.nbytes if b.blob != NULL else b.cap
        b = b.next
        memory -= cap
    while b != NULL:
        nblocks += 1
        b = b.next
    return {
        "id": c.id,
        "addr": _text(c.peer),
        "laddr": _text(c.local),
        "fd": c.fd,
        "name": _blob_text(c.name),
        "age_ms": c.srv.now_ms - c.created_ms,
        "idle_ms": c.srv.now_ms - c.active_ms,
        "db": c.db.id,
        "resp": c.out.resp,
        "qbuf": _query_nbytes(c),
        "qbuf_free": 0 if c.qbuf == NULL else c.qcap - c.qlen,
        "output": out_pending(&c.out),
        "output_memory": out_nbytes(&c.out),
        "output_peak": c.out_peak,
        "block": cap,
        "obl": first,
        "oll": nblocks,
        "omem": memory if nblocks else 0,
        "memory": client_nbytes(c) + multi_nbytes(c) + fieldsets_nbytes(c)
        + pubsub_client_nbytes(c) + tracking_client_nbytes(c),
        "multi": multi_len(c) if c.flags & CLIENT_MULTI else -1,
        "multi_memory": multi_nbytes(c),
        "watch": watch_len(c),
        "sub": pubsub_count(c, PUBSUB_CHANNEL),
        "psub": pubsub_count(c, PUBSUB_PATTERN),
        "ssub": pubsub_count(c, PUBSUB_SHARD),
        "argv_memory": _argv_memory(c),
        "cmd": "NULL" if c.last_cmd == NULL else _text(c.last_cmd.name),
        "lib_name": _blob_text(c.lib_name),
        "lib_ver": _blob_text(c.lib_ver),
        "commands": c.ncommands,
        "net_in": c.net_in,
        "net_out": c.net_out,
        "is_blocked": bool(c.flags & CLIENT_BLOCKED),
        "is_unix": bool(c.flags & CLIENT_UNIX_SOCKET),
        "is_multi": bool(c.flags & CLIENT_MULTI),
        "is_dirty": bool(c.flags & CLIENT_DIRTY_CAS),
        "is_pubsub": bool(c.flags & CLIENT_PUBSUB),
        "is_tracking": bool(tracking_flags(c) & TRACK_ON),
        "is_replica": bool(c.flags & CLIENT_REPLICA),
        "is_primary": bool(c.flags & CLIENT_MASTER),
        "is_broken": bool(tracking_flags(c) & TRACK_BROKEN),
        "is_bcast": bool(tracking_flags(c) & TRACK_BCAST),
        "redirect": tracking_target_id(c),
        "is_no_touch": bool(c.flags & CLIENT_NO_TOUCH),
        "is_import_source": bool(c.flags & CLIENT_IMPORT_SOURCE),
        "is_redirectable": bool(c.flags & CLIENT_CAPA_REDIRECT),
        "is_no_evict": bool(c.flags & CLIENT_NO_EVICT),
        "is_monitor": bool(c.flags & CLIENT_MONITOR),
        "is_closing": bool(c.flags & CLIENT_CLOSE_AFTER_REPLY),
        "is_transport": bool(c.flags & CLIENT_TRANSPORT),
        "is_fake": bool(c.flags & CLIENT_FAKE),
        "wants_write": bool(c.flags & CLIENT_WANT_WRITE),
    }
