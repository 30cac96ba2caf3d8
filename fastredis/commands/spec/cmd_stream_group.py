# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands of consumer groups, and of XINFO."""

from __future__ import annotations

from fastredis.commands.spec.cmd_stream import (
    COUNT,
    REPLY_LIMITS,
    STREAMS,
    VARIES,
    counted_ids,
    keys_after_streams,
    references,
)
from fastredis.commands.spec.model import (
    BLOCKING,
    DENYOOM,
    FAST,
    LOADING,
    READONLY,
    STALE,
    WRITE,
    Command,
    array,
    block,
    either,
    integer,
    key,
    mapping,
    nil,
    number,
    ok,
    one_key,
    oneof,
    string,
    token,
    unix_time,
)

_ID_OR_LAST = oneof("id-selector", string("id"), token("$"))
_LOG = "O(log n) for each id, n = entries pending"


def _help() -> Command:
    """Return a HELP subcommand."""
    return Command(
        "HELP",
        since="5.0.0",
        arity=2,
        flags=LOADING | STALE,
        python=True,
        reply=array("lines of text"),
        cost="O(1)",
        summary="Explains the subcommands.",
    )


XACK = Command(
    "XACK",
    group="stream",
    since="5.0.0",
    arity=-4,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), string("group"), string("id", multiple=True)],
    reply=number("how many of the entries were pending"),
    cost=_LOG,
    summary="Acknowledges entries: they are no longer pending in the group.",
)

XACKDEL = Command(
    "XACKDEL",
    group="stream",
    since="8.2.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE DELETE"),
    args=[key(), string("group"), references(), counted_ids()],
    reply=array("for each id 1: done, -1: was not pending, 2: not yet deleted"),
    cost=_LOG,
    summary="Acknowledges entries, and deletes those that no group needs.",
)

XAUTOCLAIM = Command(
    "XAUTOCLAIM",
    group="stream",
    since="6.2.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE"),
    args=[
        key(),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("start"),
        COUNT,
        token("JUSTID", optional=True),
    ],
    reply=array("where to go on; the entries, or their ids; ids that are gone"),
    cost="O(k), k = COUNT",
    history=(("7.0.0", "The ids of entries that are gone are replied, too."),),
    tips=VARIES,
    summary="Gives a consumer entries that have been pending for long.",
)

XCLAIM = Command(
    "XCLAIM",
    group="stream",
    since="5.0.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[
        key(),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("id", multiple=True),
        integer("ms", token="IDLE", optional=True),
        unix_time("unix-time-milliseconds", token="TIME", optional=True),
        integer("count", token="RETRYCOUNT", optional=True),
        token("FORCE", optional=True),
        token("JUSTID", optional=True),
        string("lastid", token="LASTID", optional=True),
    ],
    reply=array("the entries that were claimed, or their ids with JUSTID"),
    cost=_LOG,
    tips=VARIES,
    summary="Gives a consumer entries that are pending for others.",
)

XGROUP = Command(
    "XGROUP",
    group="stream",
    since="5.0.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Manages the consumer groups of a stream.",
    subcommands=[
        Command(
            "CREATE",
            since="5.0.0",
            arity=-5,
            flags=WRITE | DENYOOM,
            keys=one_key("RW INSERT", at=2),
            args=[
                key(),
                string("group"),
                _ID_OR_LAST,
                token("MKSTREAM", optional=True),
                integer("entries-read", token="ENTRIESREAD", optional=True),
            ],
            reply=ok(),
            cost="O(log n), n = groups",
            history=(("7.0.0", "`ENTRIESREAD` is new."),),
            summary="Makes a group that is given what comes behind an id.",
        ),
        Command(
            "CREATECONSUMER",
            since="6.2.0",
            arity=5,
            flags=WRITE | DENYOOM,
            keys=one_key("RW INSERT", at=2),
            args=[key(), string("group"), string("consumer")],
            reply=number("1 if it is new, otherwise 0"),
            cost="O(log n), n = consumers",
            summary="Makes a consumer in a group.",
        ),
        Command(
            "DELCONSUMER",
            since="5.0.0",
            arity=5,
            flags=WRITE,
            keys=one_key("RW DELETE", at=2),
            args=[key(), string("group"), string("consumer")],
            reply=number("how many entries were pending for it"),
            cost="O(k log n), k = entries pending for it, n = for the group",
            summary="Deletes a consumer, and forgets what is pending for it.",
        ),
        Command(
            "DESTROY",
            since="5.0.0",
            arity=4,
            flags=WRITE,
            keys=one_key("RW DELETE", at=2),
            args=[key(), string("group")],
            reply=number("1 if there was one, otherwise 0"),
            cost="O(n), n = entries pending",
            summary="Deletes a group.",
        ),
        _help(),
        Command(
            "SETID",
            since="5.0.0",
            arity=-5,
            flags=WRITE,
            keys=one_key("RW UPDATE", at=2),
            args=[
                key(),
                string("group"),
                _ID_OR_LAST,
                integer("entries-read", token="ENTRIESREAD", optional=True),
            ],
            reply=ok(),
            cost="O(1)",
            history=(("7.0.0", "`ENTRIESREAD` is new."),),
            summary="Sets the last entry that a group was given.",
        ),
    ],
)

XINFO = Command(
    "XINFO",
    group="stream",
    since="5.0.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Describes a stream, its groups and their consumers.",
    subcommands=[
        Command(
            "CONSUMERS",
            since="5.0.0",
            arity=4,
            flags=READONLY,
            keys=one_key("RO ACCESS", at=2),
            args=[key(), string("group")],
            reply=array("a map for each: name, pending, idle, inactive"),
            cost="O(n), n = consumers",
            history=(("7.2.0", "`inactive` is new."),),
            tips=VARIES,
            summary="Describes the consumers of a group.",
        ),
        Command(
            "GROUPS",
            since="5.0.0",
            arity=3,
            flags=READONLY,
            keys=one_key("RO ACCESS", at=2),
            args=[key()],
            reply=array("a map for each: name, consumers, pending, and how far it is"),
            cost="O(n), n = groups",
            history=(("7.0.0", "`entries-read` and `lag` are new."),),
            summary="Describes the groups of a stream.",
        ),
        _help(),
        Command(
            "STREAM",
            since="5.0.0",
            arity=-3,
            flags=READONLY,
            keys=one_key("RO ACCESS", at=2),
            args=[
                key(),
                block(
                    "full-block",
                    integer("count", token="COUNT", optional=True),
                    token="FULL",
                    optional=True,
                ),
            ],
            reply=mapping("its length, ids and groups; with FULL all there is"),
            cost="O(1); with FULL O(n), n = what is shown",
            history=(
                ("6.0.0", "`FULL` is new."),
                ("7.0.0", "More is told of ids and of how far groups are."),
                ("7.2.0", "`active-time` of consumers is new."),
            ),
            summary="Describes a stream.",
        ),
    ],
)

XNACK = Command(
    "XNACK",
    group="stream",
    since="8.8.0",
    arity=-7,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[
        key(),
        string("group"),
        oneof("mode", token("SILENT"), token("FAIL"), token("FATAL")),
        counted_ids(),
        integer("count", token="RETRYCOUNT", optional=True),
        token("FORCE", optional=True),
    ],
    reply=number("how many entries were given back"),
    cost=_LOG,
    summary="Gives entries back to the group, for another consumer to claim.",
)

XPENDING = Command(
    "XPENDING",
    group="stream",
    since="5.0.0",
    arity=-3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        string("group"),
        block(
            "filters",
            integer("min-idle-time", token="IDLE", optional=True, since="6.2.0"),
            string("start"),
            string("end"),
            integer("count"),
            string("consumer", optional=True),
            optional=True,
        ),
    ],
    reply=either(
        array("how many are pending, the first and last id, and each consumer's share"),
        array("id, consumer, ms since it was delivered, deliveries; of each entry"),
    ),
    cost="O(n), n = consumers; or entries that are looked at",
    history=(("6.2.0", "`IDLE`, and ranges that leave their ends out."),),
    tips=VARIES,
    summary="Shows the entries that a group was given and has not acknowledged.",
)

XREADGROUP = Command(
    "XREADGROUP",
    group="stream",
    since="5.0.0",
    arity=-7,
    flags=WRITE | BLOCKING,
    keys=[keys_after_streams(4)],
    args=[
        block("group-block", string("group"), string("consumer"), token="GROUP"),
        COUNT,
        *REPLY_LIMITS,
        integer("milliseconds", token="BLOCK", optional=True),
        integer("min-idle-time", token="CLAIM", optional=True, since="8.4.0"),
        token("NOACK", optional=True),
        STREAMS,
    ],
    reply=either(
        mapping("entries by the key of their stream"), nil("there are none in time")
    ),
    cost="O(log n + k) for each stream, n = its nodes, k = entries returned; with "
    "CLAIM O(m log m) besides, m = entries pending",
    history=(
        ("8.4.0", "`CLAIM` is new."),
        ("8.10.0", "`MAXCOUNT` and `MAXSIZE` are new."),
    ),
    summary="Returns entries new to a group, or pending; waits for some if told to.",
)
