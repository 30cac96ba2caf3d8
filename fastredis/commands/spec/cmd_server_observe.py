# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands that watch the server: logs, latency, memory."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    ADMIN,
    FAST,
    LOADING,
    NOSCRIPT,
    READONLY,
    STALE,
    Command,
    array,
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
    verbatim,
)

_LOG = ADMIN | LOADING | STALE
_MONITOR = ADMIN | NOSCRIPT | LOADING | STALE
_NODES = ("request_policy:all_nodes", "nondeterministic_output")
_SHARDS = (
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
)
_EACH_NODE = (
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
)
_SUM = (
    "request_policy:all_nodes",
    "response_policy:agg_sum",
    "nondeterministic_output",
)
_SUCCEEDED = ("request_policy:all_nodes", "response_policy:all_succeeded")
_ENTRIES = array("the entries, the newest first: id, time, value, arguments, client")
_KIND = oneof("type", token("SLOW"), token("LARGE-REQUEST"), token("LARGE-REPLY"))


def _help(since: str) -> Command:
    return Command(
        "HELP",
        since=since,
        arity=2,
        flags=LOADING | STALE,
        python=True,
        reply=array("lines of text"),
        cost="O(1)",
        summary="Explains the subcommands.",
    )


COMMANDLOG = Command(
    "COMMANDLOG",
    group="server",
    since="8.1.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Remembers commands that took long, or were large.",
    subcommands=[
        Command(
            "GET",
            since="8.1.0",
            arity=4,
            flags=_LOG,
            python=True,
            args=[integer("count"), _KIND],
            reply=_ENTRIES,
            cost="O(n), n = number of entries returned",
            summary="Shows the latest entries of one log.",
            tips=_NODES,
        ),
        _help("8.1.0"),
        Command(
            "LEN",
            since="8.1.0",
            arity=3,
            flags=_LOG,
            python=True,
            args=[_KIND],
            reply=number("how many"),
            cost="O(1)",
            summary="Counts the entries of one log.",
            tips=_SUM,
        ),
        Command(
            "RESET",
            since="8.1.0",
            arity=3,
            flags=_LOG,
            python=True,
            args=[_KIND],
            reply=ok(),
            cost="O(n), n = number of entries",
            summary="Empties one log.",
            tips=_SUCCEEDED,
        ),
    ],
)

LATENCY = Command(
    "LATENCY",
    group="server",
    since="2.8.13",
    arity=-2,
    cost="That of the subcommand.",
    summary="Tells how long things take, and what was slow when.",
    subcommands=[
        Command(
            "DOCTOR",
            since="2.8.13",
            arity=2,
            flags=_MONITOR,
            python=True,
            reply=verbatim("a report for people"),
            cost="O(1)",
            summary="Reports on the latency monitor's samples, with advice.",
            tips=_EACH_NODE,
        ),
        Command(
            "GRAPH",
            since="2.8.13",
            arity=3,
            flags=_MONITOR,
            python=True,
            args=[string("event")],
            reply=verbatim("the graph"),
            cost="O(1)",
            summary="Draws the samples of one event.",
            tips=_EACH_NODE,
        ),
        _help("2.8.13"),
        Command(
            "HISTOGRAM",
            since="7.0.0",
            arity=-2,
            flags=_MONITOR,
            python=True,
            args=[string("command", optional=True, multiple=True)],
            reply=mapping("calls, and how many took at most how long, by command"),
            cost="O(n), n = number of commands shown",
            summary="Shows how the durations of commands are distributed.",
            tips=_EACH_NODE,
        ),
        Command(
            "HISTORY",
            since="2.8.13",
            arity=3,
            flags=_MONITOR,
            python=True,
            args=[string("event")],
            reply=array("pairs of a time and a duration in milliseconds"),
            cost="O(1)",
            summary="Lists the samples of one event.",
            tips=_EACH_NODE,
        ),
        Command(
            "LATEST",
            since="2.8.13",
            arity=2,
            flags=_MONITOR,
            python=True,
            reply=array("event, time, duration and longest duration, of each event"),
            cost="O(1)",
            summary="Shows the latest sample of each event.",
            tips=_EACH_NODE,
        ),
        Command(
            "RESET",
            since="2.8.13",
            arity=-2,
            flags=_MONITOR,
            python=True,
            args=[string("event", optional=True, multiple=True)],
            reply=number("how many events were forgotten"),
            cost="O(1)",
            summary="Forgets the samples of some events, or of all.",
            tips=_SUCCEEDED,
        ),
    ],
)

LOLWUT = Command(
    "LOLWUT",
    group="server",
    since="5.0.0",
    arity=-1,
    flags=READONLY | FAST,
    python=True,
    args=[integer("version", token="VERSION", optional=True)],
    reply=verbatim("a picture, and the version"),
    cost="O(1)",
    summary="Draws a picture.",
)

MEMORY = Command(
    "MEMORY",
    group="server",
    since="4.0.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Tells what memory is used for.",
    subcommands=[
        Command(
            "DOCTOR",
            since="4.0.0",
            arity=2,
            python=True,
            reply=verbatim("a report for people"),
            cost="O(1)",
            summary="Reports on the use of memory, with advice.",
            tips=_SHARDS,
        ),
        _help("4.0.0"),
        Command(
            "MALLOC-STATS",
            since="4.0.0",
            arity=2,
            python=True,
            reply=verbatim("the allocator's own report"),
            cost="O(1)",
            summary="Shows what the allocator says of itself.",
            tips=_SHARDS,
        ),
        Command(
            "PURGE",
            since="4.0.0",
            arity=2,
            python=True,
            reply=ok(),
            cost="Depends on how much memory is free.",
            summary="Gives free memory back to the system.",
            tips=("request_policy:all_shards", "response_policy:all_succeeded"),
        ),
        Command(
            "STATS",
            since="4.0.0",
            arity=2,
            python=True,
            reply=mapping("figures by name"),
            cost="O(n), n = number of clients",
            summary="Shows what memory is used for, in detail.",
            tips=_SHARDS,
        ),
        Command(
            "USAGE",
            since="4.0.0",
            arity=-3,
            flags=READONLY,
            python=True,
            keys=one_key("RO", at=2),
            args=[key("key"), integer("count", token="SAMPLES", optional=True)],
            reply=either(number("bytes"), nil("the key does not exist")),
            cost="O(n), n = number of elements measured",
            summary="Tells how much memory a key and its value take.",
        ),
    ],
)

MONITOR = Command(
    "MONITOR",
    group="server",
    since="1.0.0",
    arity=1,
    flags=_MONITOR,
    reply=ok("and then a line for each command"),
    cost="O(1); every command of the others costs more",
    summary="Shows this client all commands that the server executes.",
)

SLOWLOG = Command(
    "SLOWLOG",
    group="server",
    since="2.2.12",
    arity=-2,
    cost="That of the subcommand.",
    summary="Remembers the commands that took long.",
    subcommands=[
        Command(
            "GET",
            since="2.2.12",
            arity=-2,
            flags=_LOG,
            python=True,
            args=[integer("count", optional=True)],
            reply=_ENTRIES,
            cost="O(n), n = number of entries returned",
            summary="Shows the latest commands that took long.",
            history=[("4.0.0", "Shows the client's address and name.")],
            tips=_NODES,
        ),
        _help("6.2.0"),
        Command(
            "LEN",
            since="2.2.12",
            arity=2,
            flags=_LOG,
            python=True,
            reply=number("how many"),
            cost="O(1)",
            summary="Counts the commands remembered.",
            tips=_SUM,
        ),
        Command(
            "RESET",
            since="2.2.12",
            arity=2,
            flags=_LOG,
            python=True,
            reply=ok(),
            cost="O(n), n = number of entries",
            summary="Forgets the commands that took long.",
            tips=_SUCCEEDED,
        ),
    ],
)
