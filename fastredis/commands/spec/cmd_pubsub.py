# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the publish/subscribe commands."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    FAST,
    LOADING,
    MAY_REPLICATE,
    NOSCRIPT,
    SENTINEL,
    STALE,
    SUBSCRIBER,
    Command,
    array,
    keys_from,
    number,
    one_key,
    pattern,
    string,
)
from fastredis.commands.spec.model import PUBSUB as PUBSUB_FLAG

_SUBSCRIBES = PUBSUB_FLAG | NOSCRIPT | LOADING | STALE | SUBSCRIBER
_PUBLISHES = PUBSUB_FLAG | LOADING | STALE | FAST | MAY_REPLICATE
_ASKS = PUBSUB_FLAG | LOADING | STALE
_CONFIRMED = array("for each name a push: the command, the name, how many are left")

PSUBSCRIBE = Command(
    "PSUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    arity=-2,
    flags=_SUBSCRIBES | SENTINEL,
    args=[pattern(multiple=True)],
    reply=_CONFIRMED,
    cost="O(n), n = number of patterns",
    summary="Has messages delivered of all channels that match these patterns.",
)

PUBLISH = Command(
    "PUBLISH",
    group="pubsub",
    since="2.0.0",
    arity=3,
    flags=_PUBLISHES | SENTINEL,
    args=[string("channel"), string("message")],
    reply=number("how many clients it was sent to"),
    cost="O(n + m), n = number of subscribers, m = number of patterns in use",
    summary="Sends a message to whoever has subscribed to the channel.",
)

PUBSUB = Command(
    "PUBSUB",
    group="pubsub",
    since="2.8.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Shows which channels and patterns have subscribers.",
    subcommands=[
        Command(
            "CHANNELS",
            since="2.8.0",
            arity=-2,
            flags=_ASKS,
            args=[pattern(optional=True)],
            reply=array("the channels"),
            cost="O(n), n = number of channels",
            summary="Lists the channels that have subscribers.",
        ),
        Command(
            "HELP",
            since="6.2.0",
            arity=2,
            flags=LOADING | STALE,
            python=True,
            reply=array("lines of text"),
            cost="O(1)",
            summary="Explains the subcommands.",
        ),
        Command(
            "NUMPAT",
            since="2.8.0",
            arity=2,
            flags=_ASKS,
            reply=number("how many patterns"),
            cost="O(1)",
            summary="Counts the patterns that anybody has subscribed to.",
        ),
        Command(
            "NUMSUB",
            since="2.8.0",
            arity=-2,
            flags=_ASKS,
            args=[string("channel", optional=True, multiple=True)],
            reply=array("each channel, followed by its number of subscribers"),
            cost="O(n), n = number of channels named",
            summary="Counts the subscribers of channels, patterns left aside.",
        ),
        Command(
            "SHARDCHANNELS",
            since="7.0.0",
            arity=-2,
            flags=_ASKS,
            args=[pattern(optional=True)],
            reply=array("the shard channels"),
            cost="O(n), n = number of shard channels",
            summary="Lists the shard channels that have subscribers.",
        ),
        Command(
            "SHARDNUMSUB",
            since="7.0.0",
            arity=-2,
            flags=_ASKS,
            args=[string("shardchannel", optional=True, multiple=True)],
            reply=array("each shard channel, followed by its number of subscribers"),
            cost="O(n), n = number of shard channels named",
            summary="Counts the subscribers of shard channels.",
        ),
    ],
)

PUNSUBSCRIBE = Command(
    "PUNSUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    arity=-1,
    flags=_SUBSCRIBES | SENTINEL,
    args=[pattern(optional=True, multiple=True)],
    reply=_CONFIRMED,
    cost="O(n), n = number of patterns",
    summary="Ends subscriptions to patterns, to all of them if none is named.",
)

SPUBLISH = Command(
    "SPUBLISH",
    group="pubsub",
    since="7.0.0",
    arity=3,
    flags=_PUBLISHES,
    keys=one_key("NOT_KEY"),
    args=[string("shardchannel"), string("message")],
    reply=number("how many clients it was sent to"),
    cost="O(n), n = number of subscribers",
    summary="Sends a message to whoever has subscribed to the shard channel.",
)

SSUBSCRIBE = Command(
    "SSUBSCRIBE",
    group="pubsub",
    since="7.0.0",
    arity=-2,
    flags=_SUBSCRIBES,
    keys=keys_from("NOT_KEY"),
    args=[string("shardchannel", multiple=True)],
    reply=_CONFIRMED,
    cost="O(n), n = number of shard channels",
    summary="Has messages delivered of these shard channels.",
)

SUBSCRIBE = Command(
    "SUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    arity=-2,
    flags=_SUBSCRIBES | SENTINEL,
    args=[string("channel", multiple=True)],
    reply=_CONFIRMED,
    cost="O(n), n = number of channels",
    summary="Has messages delivered of these channels.",
)

SUNSUBSCRIBE = Command(
    "SUNSUBSCRIBE",
    group="pubsub",
    since="7.0.0",
    arity=-1,
    flags=_SUBSCRIBES,
    keys=keys_from("NOT_KEY"),
    args=[string("shardchannel", optional=True, multiple=True)],
    reply=_CONFIRMED,
    cost="O(n), n = number of shard channels",
    summary="Ends subscriptions to shard channels, to all if none is named.",
)

UNSUBSCRIBE = Command(
    "UNSUBSCRIBE",
    group="pubsub",
    since="2.0.0",
    arity=-1,
    flags=_SUBSCRIBES | SENTINEL,
    args=[string("channel", optional=True, multiple=True)],
    reply=_CONFIRMED,
    cost="O(n), n = number of channels",
    summary="Ends subscriptions to channels, to all of them if none is named.",
)
