# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the stream commands; those of groups are in cmd_stream_group.py."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    BLOCKING,
    DENYOOM,
    FAST,
    READONLY,
    WRITE,
    Arg,
    Command,
    KeySpec,
    Keyword,
    Range,
    array,
    block,
    bulk,
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
)

VARIES = ("nondeterministic_output",)
_OPEN_RANGES = (("6.2.0", "Either end may be left out of the range."),)
_RANGE_COST = "O(log n + k), n = nodes of the stream, k = entries returned"
COUNT = integer("count", token="COUNT", optional=True)
_REFS_HISTORY = ("8.2.0", "`KEEPREF`, `DELREF` and `ACKED` are new.")
REPLY_LIMITS = (
    integer("maxcount", token="MAXCOUNT", optional=True, since="8.10.0"),
    integer("maxsize", token="MAXSIZE", optional=True, since="8.10.0"),
)
STREAMS = block(
    "streams", key(multiple=True), string("id", multiple=True), token="STREAMS"
)


def keys_after_streams(start: int) -> KeySpec:
    """Say that the first half of what follows STREAMS are keys."""
    return KeySpec("RO ACCESS", Keyword("STREAMS", start), Range(-1, 1, 2))


def references() -> Arg:
    """Return the choice of what becomes of references to deleted entries."""
    return oneof(
        "condition",
        token("KEEPREF"),
        token("DELREF"),
        token("ACKED"),
        optional=True,
        since="8.2.0",
    )


def _trim(*, optional: bool) -> Arg:
    """Return the arguments that say how to trim."""
    return block(
        "trim",
        oneof("strategy", token("MAXLEN"), token("MINID", since="6.2.0")),
        oneof("operator", token("="), token("~"), optional=True),
        string("threshold"),
        integer("count", token="LIMIT", optional=True, since="6.2.0"),
        optional=optional,
    )


def counted_ids() -> Arg:
    """Return the arguments of a counted list of ids."""
    return block("ids", integer("numids"), string("id", multiple=True), token="IDS")


XADD = Command(
    "XADD",
    group="stream",
    since="5.0.0",
    arity=-5,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW UPDATE", notes="Trimming may delete entries, too."),
    args=[
        key(),
        token("NOMKSTREAM", optional=True, since="6.2.0"),
        references(),
        oneof(
            "idmp",
            string("producer-id", token="IDMPAUTO"),
            block(
                "idmp-block",
                string("producer-id"),
                string("idempotent-id"),
                token="IDMP",
            ),
            optional=True,
            since="8.6.0",
        ),
        _trim(optional=True),
        oneof("id-selector", token("*"), string("id")),
        block("data", string("field"), string("value"), multiple=True),
    ],
    reply=either(
        bulk("the id of the new entry"), nil("there is no stream, with NOMKSTREAM")
    ),
    cost="O(1); with trimming O(n), n = entries deleted",
    history=(
        ("6.2.0", "`NOMKSTREAM`, `MINID` and `LIMIT` are new."),
        ("7.0.0", "The id may leave the second number to the server: `<ms>-*`."),
        _REFS_HISTORY,
        ("8.6.0", "`IDMP` and `IDMPAUTO` are new."),
    ),
    tips=VARIES,
    summary="Adds an entry to a stream, which is made if there is none.",
)

XCFGSET = Command(
    "XCFGSET",
    group="stream",
    since="8.6.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[
        key(),
        integer("idmp-duration", token="IDMP-DURATION", optional=True),
        integer("idmp-maxsize", token="IDMP-MAXSIZE", optional=True),
    ],
    reply=ok(),
    cost="O(1); O(n) when a value changes, n = ids that producers gave",
    summary="Says for how long a stream knows the ids that producers gave.",
)

XDEL = Command(
    "XDEL",
    group="stream",
    since="5.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE"),
    args=[key(), string("id", multiple=True)],
    reply=number("how many entries there were"),
    cost="O(log n) for each id, n = nodes of the stream",
    summary="Deletes entries of a stream by their ids.",
)

XDELEX = Command(
    "XDELEX",
    group="stream",
    since="8.2.0",
    arity=-5,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE"),
    args=[key(), references(), counted_ids()],
    reply=array("for each id 1: deleted, -1: not there, 2: still needed by a group"),
    cost="O(log n) for each id, n = nodes of the stream",
    summary="Deletes entries, and says what becomes of groups' references to them.",
)

XLEN = Command(
    "XLEN",
    group="stream",
    since="5.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=number("the number of entries"),
    cost="O(1)",
    summary="Counts the entries of a stream.",
)

XRANGE = Command(
    "XRANGE",
    group="stream",
    since="5.0.0",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), string("start"), string("end"), COUNT],
    reply=array("entries: an id and an array of fields and values, each"),
    cost=_RANGE_COST,
    history=_OPEN_RANGES,
    summary="Returns the entries between two ids.",
)

XREAD = Command(
    "XREAD",
    group="stream",
    since="5.0.0",
    arity=-4,
    flags=READONLY | BLOCKING,
    keys=[keys_after_streams(1)],
    args=[
        COUNT,
        *REPLY_LIMITS,
        integer("milliseconds", token="BLOCK", optional=True),
        STREAMS,
    ],
    reply=either(
        mapping("entries by the key of their stream"), nil("there are none in time")
    ),
    cost="O(log n + k) for each stream, n = its nodes, k = entries returned",
    history=(("8.10.0", "`MAXCOUNT` and `MAXSIZE` are new."),),
    summary="Returns entries behind given ids; waits for some if told to.",
)

XREVRANGE = Command(
    "XREVRANGE",
    group="stream",
    since="5.0.0",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), string("end"), string("start"), COUNT],
    reply=array("entries, the last first: id and array of fields and values, each"),
    cost=_RANGE_COST,
    history=_OPEN_RANGES,
    summary="Returns the entries between two ids, the last first.",
)

XSETID = Command(
    "XSETID",
    group="stream",
    since="5.0.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW UPDATE"),
    args=[
        key(),
        string("last-id"),
        integer("entries-added", token="ENTRIESADDED", optional=True, since="7.0.0"),
        string("max-deleted-id", token="MAXDELETEDID", optional=True, since="7.0.0"),
    ],
    reply=ok(),
    cost="O(1)",
    history=(("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID` are new."),),
    summary="Sets the last id of a stream; meant for replication.",
)

XTRIM = Command(
    "XTRIM",
    group="stream",
    since="5.0.0",
    arity=-4,
    flags=WRITE,
    keys=one_key("RW DELETE"),
    args=[key(), _trim(optional=False), references()],
    reply=number("how many entries were deleted"),
    cost="O(n), n = entries deleted; whole nodes of them at a time",
    history=(("6.2.0", "`MINID` and `LIMIT` are new."), _REFS_HISTORY),
    tips=VARIES,
    summary="Deletes the oldest entries of a stream, up to a length or an id.",
)
