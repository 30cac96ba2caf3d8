# SPDX-License-Identifier: BSD-3-Clause
r"""Publish/subscribe: channels, patterns, shard channels.

    server_t.pubsub --> pubsub_t: three hash tables, by name
                                      |
                        channel_t "news"          client_t.subscriber --> subscriber_t:
                           first --> sub_t <------------- three hash tables, by name
                                       v
                                     sub_t  of other clients

A subscription (sub_t) is in the list of its channel and in a table of its client, so
that neither clients with many channels nor channels with many clients make subscribing
slow. A channel exists while it has subscribers. Patterns are channels that are linked
together as well, since every message looks at all of them.

A message for several subscribers is encoded once: RESP2 and RESP3 differ in its first
byte only, and the rest is a blob, which long messages share. It is written to a client
at once, unless the client is executing a command itself, whose reply comes first: then
client_t.pushes takes it. While a client is being closed (at the end of the round) its
subscriptions are still there, so lists do not change while a message goes round.

Cost: subscribing O(1); a message O(subscribers + patterns).
Threads: the thread that executes commands.
"""
from fastredis.core.blob cimport blob_new, blob_release, blob_t
from fastredis.core.keyhash cimport keyhash
from fastredis.core.mem cimport zcalloc, zfree, zmalloc
from fastredis.core.num cimport num_format_i64
from fastredis.core.pattern cimport pattern_match
from fastredis.core.rand cimport rand_t
from fastredis.ds.hashtable cimport (
    ht_find,
    ht_free,
    ht_insert,
    ht_locate,
    ht_nbytes,
    ht_new,
    ht_random,
    ht_remove_at,
    ht_t,
    ht_walk,
)
from fastredis.engine.client cimport (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSE_ASAP,
    CLIENT_PUBSUB,
    client_check_output_limit,
    client_queue_write,
)
from fastredis.resp.writer cimport out_append_blob, out_bytes, resp_bulk, resp_push
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, strlen

cdef enum:
    FRAME_ROOM = 128            # of a message's lengths, line ends and its first word

# A channel, a pattern or a shard channel that somebody has subscribed to.
cdef struct channel_t:
    sub_t *first
    size_t nsubs
    channel_t *next             # patterns only
    channel_t *prev
    uint64_t hash
    size_t len
    char name[1]

# A client's subscription.
cdef struct sub_t:
    client_t *c
    channel_t *channel
    sub_t *next
    sub_t *prev

cdef struct subscriber_t:
    ht_t *subs[PUBSUB_KINDS]        # of sub_t; NULL: none

cdef struct pubsub_t:
    ht_t *channels[PUBSUB_KINDS]    # of channel_t
    channel_t *patterns             # the oldest first
    channel_t *last_pattern
    size_t nclients
    rand_t rand

cdef struct message_t:
    const char *word            # message, pmessage, smessage
    const channel_t *pattern    # of a pmessage, or NULL
    const char *channel
    size_t channel_nbytes
    const char *text
    size_t text_nbytes
    blob_t *encoded             # all but the first byte; NULL: not encoded yet


# --- Tables -----------------------------------------------------------------------


cdef const char *_channel_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const channel_t *ch = <const channel_t *>entry
    len_out[0] = ch.len
    return ch.name


cdef const char *_sub_name(const void *entry, size_t *len_out) noexcept nogil:
    cdef const channel_t *ch = (<const sub_t *>entry).channel
    len_out[0] = ch.len
    return ch.name


cdef pubsub_t *_pubsub(server_t *srv) noexcept nogil:
    """Return what is subscribed to on a server, made if need be."""
    cdef pubsub_t *p
    cdef int kind
    if srv.pubsub == NULL:
        p = <pubsub_t *>zcalloc(sizeof(pubsub_t))
        for kind in range(PUBSUB_KINDS):
            p.channels[kind] = ht_new(_channel_name)
        p.rand.state = 1
        srv.pubsub = p
        srv.forget_subscriber = _forget
    return <pubsub_t *>srv.pubsub


cdef channel_t *_channel(
    pubsub_t *p, int kind, const char *name, size_t nbytes
) noexcept nogil:
    """Return a channel, made if need be."""
    cdef uint64_t hash = keyhash(name, nbytes)
    cdef channel_t *ch = <channel_t *>ht_find(p.channels[kind], name, nbytes, hash)
    if ch != NULL:
        return ch
    ch = <channel_t *>zmalloc(sizeof(channel_t) + nbytes)
    ch.first = NULL
    ch.nsubs = 0
    ch.next = ch.prev = NULL
    ch.hash = hash
    ch.len = nbytes
    memcpy(ch.name, name, nbytes)
    ht_insert(p.channels[kind], ch, hash)
    if kind == PUBSUB_PATTERN:
        ch.prev = p.last_pattern
        if ch.prev != NULL:
            ch.prev.next = ch
        else:
            p.patterns = ch
        p.last_pattern = ch
    return ch


cdef void _free_channel(pubsub_t *p, int kind, channel_t *ch) noexcept nogil:
    """Take a channel without subscribers away."""
    ht_remove_at(p.channels[kind], ht_locate(
        p.channels[kind], ch.name, ch.len, ch.hash), ch.hash)
    if kind == PUBSUB_PATTERN:
        if ch.prev != NULL:
            ch.prev.next = ch.next
        else:
            p.patterns = ch.next
        if ch.next != NULL:
            ch.next.prev = ch.prev
        else:
            p.last_pattern = ch.prev
    zfree(ch)


# --- Subscriptions ----------------------------------------------------------------


cdef bint pubsub_subscribe(
    client_t *c, int kind, const char *name, size_t nbytes
) noexcept nogil:
    """Subscribe a client; False: it has subscribed to that already."""
    cdef pubsub_t *p = _pubsub(c.srv)
    cdef channel_t *ch = _channel(p, kind, name, nbytes)
    cdef subscriber_t *s = <subscriber_t *>c.subscriber
    cdef sub_t *sub
    if s == NULL:
        s = <subscriber_t *>zcalloc(sizeof(subscriber_t))
        c.subscriber = s
        c.flags |= CLIENT_PUBSUB
        p.nclients += 1
    if s.subs[kind] == NULL:
        s.subs[kind] = ht_new(_sub_name)
    elif ht_find(s.subs[kind], name, nbytes, ch.hash) != NULL:
        return False
    sub = <sub_t *>zmalloc(sizeof(sub_t))
    sub.c = c
    sub.channel = ch
    sub.prev = NULL
    sub.next = ch.first
    if ch.first != NULL:
        ch.first.prev = sub
    ch.first = sub
    ch.nsubs += 1
    ht_insert(s.subs[kind], sub, ch.hash)
    return True


cdef void _remove(client_t *c, int kind, sub_t *sub) noexcept nogil:
    """End a subscription; the last one makes the client an ordinary one again."""
    cdef pubsub_t *p = <pubsub_t *>c.srv.pubsub
    cdef subscriber_t *s = <subscriber_t *>c.subscriber
    cdef channel_t *ch = sub.channel
    ht_remove_at(s.subs[kind], ht_locate(
        s.subs[kind], ch.name, ch.len, ch.hash), ch.hash)
    if sub.next != NULL:
        sub.next.prev = sub.prev
    if sub.prev != NULL:
        sub.prev.next = sub.next
    else:
        ch.first = sub.next
    ch.nsubs -= 1
    if ch.nsubs == 0:
        _free_channel(p, kind, ch)
    zfree(sub)
    if s.subs[kind].used:
        return
    ht_free(s.subs[kind])
    s.subs[kind] = NULL
    for kind in range(PUBSUB_KINDS):
        if s.subs[kind] != NULL:
            return
    zfree(s)
    c.subscriber = NULL
    c.flags &= ~CLIENT_PUBSUB
    p.nclients -= 1


cdef sub_t *_find_sub(
    const client_t *c, int kind, const char *name, size_t nbytes
) noexcept nogil:
    cdef const subscriber_t *s = <subscriber_t *>c.subscriber
    if s == NULL or s.subs[kind] == NULL:
        return NULL
    return <sub_t *>ht_find(s.subs[kind], name, nbytes, keyhash(name, nbytes))


cdef bint pubsub_unsubscribe(
    client_t *c, int kind, const char *name, size_t nbytes
) noexcept nogil:
    """End a subscription; False: there was none."""
    cdef sub_t *sub = _find_sub(c, kind, name, nbytes)
    if sub == NULL:
        return False
    _remove(c, kind, sub)
    return True


cdef bint pubsub_unsubscribe_one(
    client_t *c, int kind, pubsub_visit_fn visit, void *ctx
) noexcept nogil:
    """End any one of the client's subscriptions of a kind, telling its name."""
    cdef pubsub_t *p = <pubsub_t *>c.srv.pubsub
    cdef subscriber_t *s = <subscriber_t *>c.subscriber
    cdef channel_t *ch
    cdef sub_t *sub
    cdef char *name
    cdef size_t nbytes
    if s == NULL or s.subs[kind] == NULL:
        return False
    sub = <sub_t *>ht_random(s.subs[kind], &p.rand)
    ch = sub.channel
    if visit == NULL:
        _remove(c, kind, sub)
        return True
    # the channel may go with its last subscriber
    nbytes = ch.len
    name = <char *>zmalloc(nbytes + 1)
    memcpy(name, ch.name, nbytes)
    _remove(c, kind, sub)
    visit(ctx, name, nbytes, 0)
    zfree(name)
    return True


cdef void _forget(client_t *c) noexcept nogil:
    """End all subscriptions of a client."""
    cdef int kind
    for kind in range(PUBSUB_KINDS):
        while pubsub_unsubscribe_one(c, kind, NULL, NULL):
            pass


cdef size_t pubsub_count(const client_t *c, int kind) noexcept nogil:
    """Return how many subscriptions of a kind a client has."""
    cdef const subscriber_t *s = <subscriber_t *>c.subscriber
    return 0 if s == NULL or s.subs[kind] == NULL else s.subs[kind].used


cdef size_t pubsub_client_nbytes(const client_t *c) noexcept nogil:
    """Return the memory of a client's subscriptions."""
    cdef const subscriber_t *s = <subscriber_t *>c.subscriber
    cdef size_t n = 0
    cdef int kind
    if s == NULL:
        return 0
    for kind in range(PUBSUB_KINDS):
        if s.subs[kind] != NULL:
            n += ht_nbytes(s.subs[kind]) + s.subs[kind].used * sizeof(sub_t)
    return n + sizeof(subscriber_t)


# --- Messages ---------------------------------------------------------------------


cdef out_t *push_begin(client_t *c) noexcept nogil:
    """Return where a message to a client is to be written."""
    cdef out_t *o
    if c.flags & (CLIENT_CLOSE_ASAP | CLIENT_CLOSE_AFTER_REPLY):
        return NULL
    o = &c.out
    if c.pushes != NULL:
        o = c.pushes
        o.resp = c.out.resp
    return o


cdef void push_end(client_t *c) noexcept nogil:
    """Have the message sent, unless the client lets too many wait."""
    if not client_check_output_limit(c):
        client_queue_write(c)


cdef char *_put(char *p, const char *s, size_t nbytes) noexcept nogil:
    """Write a bulk string; return its end."""
    p[0] = b"$"
    p += 1
    p += num_format_i64(p, nbytes)
    memcpy(p, b"\r\n", 2)
    memcpy(p + 2, s, nbytes)
    memcpy(p + 2 + nbytes, b"\r\n", 2)
    return p + nbytes + 4


cdef blob_t *_encode(const message_t *m) noexcept nogil:
    """Return the message without its first byte."""
    cdef size_t n = FRAME_ROOM + m.channel_nbytes + m.text_nbytes
    cdef blob_t *b
    cdef char *p
    if m.pattern != NULL:
        n += m.pattern.len
    b = blob_new(n)
    p = b.data
    p[0] = b"3" if m.pattern == NULL else b"4"
    memcpy(p + 1, b"\r\n", 2)
    p = _put(p + 3, m.word, strlen(m.word))
    if m.pattern != NULL:
        p = _put(p, m.pattern.name, m.pattern.len)
    p = _put(p, m.channel, m.channel_nbytes)
    p = _put(p, m.text, m.text_nbytes)
    b.len = p - b.data
    return b


cdef void _deliver(client_t *c, message_t *m, bint is_only) noexcept nogil:
    """Write a message to a client; is_only: to no other one."""
    cdef out_t *o = push_begin(c)
    if o == NULL:
        return
    if not is_only:
        if m.encoded == NULL:
            m.encoded = _encode(m)
        out_bytes(o, b"*" if o.resp == 2 else b">", 1)
        out_append_blob(o, m.encoded)
    else:
        resp_push(o, 3 if m.pattern == NULL else 4)
        resp_bulk(o, m.word, strlen(m.word))
        if m.pattern != NULL:
            resp_bulk(o, m.pattern.name, m.pattern.len)
        resp_bulk(o, m.channel, m.channel_nbytes)
        resp_bulk(o, m.text, m.text_nbytes)
    push_end(c)


cdef int64_t _send(const channel_t *ch, message_t *m) noexcept nogil:
    """Send a message to all subscribers of a channel or pattern."""
    cdef sub_t *sub = ch.first
    while sub != NULL:
        _deliver(sub.c, m, ch.nsubs == 1)
        sub = sub.next
    blob_release(m.encoded)
    m.encoded = NULL
    return ch.nsubs


cdef int64_t pubsub_publish(
    server_t *srv, int kind, const char *channel, size_t nbytes,
    const char *message, size_t message_nbytes
) noexcept nogil:
    """Send a message; return to how many."""
    cdef const pubsub_t *p = <pubsub_t *>srv.pubsub
    cdef const channel_t *ch
    cdef message_t m
    cdef int64_t n = 0
    if p == NULL:
        return 0
    m.word = b"smessage" if kind == PUBSUB_SHARD else b"message"
    m.pattern = NULL
    m.channel = channel
    m.channel_nbytes = nbytes
    m.text = message
    m.text_nbytes = message_nbytes
    m.encoded = NULL
    ch = <channel_t *>ht_find(p.channels[kind], channel, nbytes,
                              keyhash(channel, nbytes))
    if ch != NULL:
        n += _send(ch, &m)
    if kind == PUBSUB_CHANNEL:
        m.word = b"pmessage"
        ch = p.patterns
        while ch != NULL:
            if pattern_match(ch.name, ch.len, channel, nbytes, False):
                m.pattern = ch
                n += _send(ch, &m)
            ch = ch.next
    return n


# --- All of a server --------------------------------------------------------------


cdef size_t pubsub_nchannels(const server_t *srv, int kind) noexcept nogil:
    """Return how many channels, patterns or shard channels there are."""
    cdef const pubsub_t *p = <pubsub_t *>srv.pubsub
    return 0 if p == NULL else p.channels[kind].used


cdef size_t pubsub_nsubscribers(
    const server_t *srv, int kind, const char *name, size_t nbytes
) noexcept nogil:
    """Return how many have subscribed to a channel, patterns left aside."""
    cdef const pubsub_t *p = <pubsub_t *>srv.pubsub
    cdef const channel_t *ch
    if p == NULL:
        return 0
    ch = <channel_t *>ht_find(p.channels[kind], name, nbytes, keyhash(name, nbytes))
    return 0 if ch == NULL else ch.nsubs


cdef size_t pubsub_nclients(const server_t *srv) noexcept nogil:
    """Return how many clients have subscriptions."""
    return 0 if srv.pubsub == NULL else (<pubsub_t *>srv.pubsub).nclients


cdef struct walk_t:
    pubsub_visit_fn visit
    void *ctx


cdef void _walk_visit(void *ctx, void *entry) noexcept nogil:
    cdef walk_t *w = <walk_t *>ctx
    cdef const channel_t *ch = <channel_t *>entry
    w.visit(w.ctx, ch.name, ch.len, ch.nsubs)


cdef void pubsub_walk(
    const server_t *srv, int kind, pubsub_visit_fn visit, void *ctx
) noexcept nogil:
    """Visit all channels of a kind; visit must not subscribe or unsubscribe."""
    cdef const pubsub_t *p = <pubsub_t *>srv.pubsub
    cdef walk_t w
    if p != NULL:
        w.visit = visit
        w.ctx = ctx
        ht_walk(p.channels[kind], _walk_visit, &w)


cdef void pubsub_free(server_t *srv) noexcept nogil:
    """Free the tables, which are empty."""
    cdef pubsub_t *p = <pubsub_t *>srv.pubsub
    cdef int kind
    if p == NULL:
        return
    for kind in range(PUBSUB_KINDS):
        ht_free(p.channels[kind])
    zfree(p)
    srv.pubsub = NULL
