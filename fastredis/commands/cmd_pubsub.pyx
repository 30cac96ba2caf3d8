# SPDX-License-Identifier: BSD-3-Clause
r"""Publish/subscribe commands.

    kind      subscribes   unsubscribes   publishes   is told
    channel   SUBSCRIBE    UNSUBSCRIBE    PUBLISH     message channel text
    pattern   PSUBSCRIBE   PUNSUBSCRIBE               pmessage pattern channel text
    shard     SSUBSCRIBE   SUNSUBSCRIBE   SPUBLISH    smessage channel text

Subscribing is confirmed by one push a channel, whatever CLIENT REPLY says. Shard
channels are a name space of their own, and belong to one node of a cluster.
"""
from fastredis.core.pattern cimport pattern_match
from fastredis.core.status cimport C_ERR, C_OK, status_t
from fastredis.engine.client cimport (
    CLIENT_DENY_BLOCKING,
    CLIENT_MULTI,
    CLIENT_REPLY_OFF,
    CLIENT_REPLY_SKIP,
    client_t,
)
from fastredis.engine.propagate cimport feed_message
from fastredis.engine.pubsub cimport (
    PUBSUB_CHANNEL,
    PUBSUB_PATTERN,
    PUBSUB_SHARD,
    pubsub_count,
    pubsub_nchannels,
    pubsub_nsubscribers,
    pubsub_publish,
    pubsub_subscribe,
    pubsub_unsubscribe,
    pubsub_unsubscribe_one,
    pubsub_walk,
)
from fastredis.engine.reply cimport (
    out_block_t,
    reply_array,
    reply_bulk,
    reply_defer,
    reply_error,
    reply_error_arg,
    reply_int,
    reply_resolve,
)
from fastredis.resp.writer cimport (
    out_t,
    resp_bulk,
    resp_int,
    resp_null,
    resp_push,
)
from libc.stdint cimport int64_t
from libc.string cimport strlen


# --- Subscribe and unsubscribe ----------------------------------------------------


cdef int64_t _count(const client_t *c, int kind) noexcept nogil:
    """Return the number that a confirmation shows."""
    if kind == PUBSUB_SHARD:
        return pubsub_count(c, kind)
    return pubsub_count(c, PUBSUB_CHANNEL) + pubsub_count(c, PUBSUB_PATTERN)


cdef void _confirm(
    client_t *c, int kind, const char *word, const char *name, size_t nbytes
) noexcept nogil:
    """Tell a client that a subscription has begun or ended; name NULL: there was none.
    """
    cdef out_t *o = &c.out
    if c.flags & (CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP) and c.pushes != NULL:
        o = c.pushes        # the reply proper will be dropped
        o.resp = c.out.resp
    resp_push(o, 3)
    resp_bulk(o, word, strlen(word))
    if name == NULL:
        resp_null(o)
    else:
        resp_bulk(o, name, nbytes)
    resp_int(o, _count(c, kind))


cdef void _subscribe(client_t *c, int kind, const char *word) noexcept nogil:
    cdef int i
    for i in range(1, c.argc):
        pubsub_subscribe(c, kind, c.argv[i].ptr, c.argv[i].len)
        _confirm(c, kind, word, c.argv[i].ptr, c.argv[i].len)


cdef struct ending_t:
    client_t *c
    int kind
    const char *word


cdef void _on_unsubscribed(
    void *ctx, const char *name, size_t nbytes, size_t nsubscribers
) noexcept nogil:
    cdef ending_t *e = <ending_t *>ctx
    _confirm(e.c, e.kind, e.word, name, nbytes)


cdef void _unsubscribe(client_t *c, int kind, const char *word) noexcept nogil:
    """End the subscriptions named, or all of the kind."""
    cdef ending_t e
    cdef int i
    for i in range(1, c.argc):
        pubsub_unsubscribe(c, kind, c.argv[i].ptr, c.argv[i].len)
        _confirm(c, kind, word, c.argv[i].ptr, c.argv[i].len)
    if c.argc > 1:
        return
    if pubsub_count(c, kind) == 0:
        _confirm(c, kind, word, NULL, 0)
        return
    e.c = c
    e.kind = kind
    e.word = word
    while pubsub_unsubscribe_one(c, kind, _on_unsubscribed, &e):
        pass


cdef status_t _may_subscribe_or_reply(
    client_t *c, bint is_allowed, const char *error
) noexcept nogil:
    """Check that the client can be told something later on."""
    if is_allowed or not c.flags & CLIENT_DENY_BLOCKING:
        return C_OK
    reply_error(c, error)
    return C_ERR


cdef api void cmd_subscribe(client_t *c) noexcept nogil:
    """SUBSCRIBE channel [channel ...]: allowed in a transaction, as it has always been.
    """
    if _may_subscribe_or_reply(
        c, (c.flags & CLIENT_MULTI) != 0,
        b"ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client"
    ) == C_OK:
        _subscribe(c, PUBSUB_CHANNEL, b"subscribe")


cdef api void cmd_psubscribe(client_t *c) noexcept nogil:
    """PSUBSCRIBE pattern [pattern ...]"""
    if _may_subscribe_or_reply(
        c, (c.flags & CLIENT_MULTI) != 0,
        b"ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client"
    ) == C_OK:
        _subscribe(c, PUBSUB_PATTERN, b"psubscribe")


cdef api void cmd_ssubscribe(client_t *c) noexcept nogil:
    """SSUBSCRIBE shardchannel [shardchannel ...]"""
    if _may_subscribe_or_reply(
        c, False, b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"
    ) == C_OK:
        _subscribe(c, PUBSUB_SHARD, b"ssubscribe")


cdef api void cmd_unsubscribe(client_t *c) noexcept nogil:
    """UNSUBSCRIBE [channel ...]"""
    _unsubscribe(c, PUBSUB_CHANNEL, b"unsubscribe")


cdef api void cmd_punsubscribe(client_t *c) noexcept nogil:
    """PUNSUBSCRIBE [pattern ...]"""
    _unsubscribe(c, PUBSUB_PATTERN, b"punsubscribe")


cdef api void cmd_sunsubscribe(client_t *c) noexcept nogil:
    """SUNSUBSCRIBE [shardchannel ...]"""
    _unsubscribe(c, PUBSUB_SHARD, b"sunsubscribe")


# --- Publish ----------------------------------------------------------------------


cdef void _publish(client_t *c, int kind) noexcept nogil:
    reply_int(c, pubsub_publish(
        c.srv, kind, c.argv[1].ptr, c.argv[1].len, c.argv[2].ptr, c.argv[2].len))
    feed_message(c)


cdef api void cmd_publish(client_t *c) noexcept nogil:
    """PUBLISH channel message"""
    _publish(c, PUBSUB_CHANNEL)


cdef api void cmd_spublish(client_t *c) noexcept nogil:
    """SPUBLISH shardchannel message"""
    _publish(c, PUBSUB_SHARD)


# --- PUBSUB -----------------------------------------------------------------------


cdef struct listing_t:
    client_t *c
    int64_t nreplied


cdef void _list_visit(
    void *ctx, const char *name, size_t nbytes, size_t nsubscribers
) noexcept nogil:
    cdef listing_t *l = <listing_t *>ctx
    cdef client_t *c = l.c
    if c.argc > 2 and not pattern_match(
            c.argv[2].ptr, c.argv[2].len, name, nbytes, False):
        return
    reply_bulk(c, name, nbytes)
    l.nreplied += 1


cdef void _reply_channels(client_t *c, int kind) noexcept nogil:
    """Reply the channels of a kind that match argument 2, if there is one."""
    cdef out_block_t *mark
    cdef listing_t l
    if c.argc > 3:
        reply_error_arg(
            c, b"ERR unknown subcommand or wrong number of arguments for '", 1,
            b"'. Try PUBSUB HELP.")
        return
    l.c = c
    l.nreplied = 0
    mark = reply_defer(c)
    pubsub_walk(c.srv, kind, _list_visit, &l)
    reply_resolve(c, mark, b"*", l.nreplied)


cdef void _reply_numbers(client_t *c, int kind) noexcept nogil:
    """Reply how many subscribers each of the channels has that are named."""
    cdef int i
    reply_array(c, 2 * (c.argc - 2))
    for i in range(2, c.argc):
        reply_bulk(c, c.argv[i].ptr, c.argv[i].len)
        reply_int(c, pubsub_nsubscribers(c.srv, kind, c.argv[i].ptr, c.argv[i].len))


cdef api void cmd_pubsub_channels(client_t *c) noexcept nogil:
    """PUBSUB CHANNELS [pattern]"""
    _reply_channels(c, PUBSUB_CHANNEL)


cdef api void cmd_pubsub_shardchannels(client_t *c) noexcept nogil:
    """PUBSUB SHARDCHANNELS [pattern]"""
    _reply_channels(c, PUBSUB_SHARD)


cdef api void cmd_pubsub_numsub(client_t *c) noexcept nogil:
    """PUBSUB NUMSUB [channel ...]"""
    _reply_numbers(c, PUBSUB_CHANNEL)


cdef api void cmd_pubsub_shardnumsub(client_t *c) noexcept nogil:
    """PUBSUB SHARDNUMSUB [shardchannel ...]"""
    _reply_numbers(c, PUBSUB_SHARD)


cdef api void cmd_pubsub_numpat(client_t *c) noexcept nogil:
    """PUBSUB NUMPAT: patterns, not subscribers to them"""
    reply_int(c, pubsub_nchannels(c.srv, PUBSUB_PATTERN))
