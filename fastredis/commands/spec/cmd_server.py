# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands about the server as a whole."""

from __future__ import annotations

from fastredis.commands.spec.cmd_generic import RESTORE_ARGS, RESTORE_HISTORY
from fastredis.commands.spec.model import (
    ADMIN,
    ALLOW_BUSY,
    ASKING,
    DENYOOM,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    PROTECTED,
    READONLY,
    SENTINEL,
    STALE,
    WRITE,
    Command,
    array,
    block,
    either,
    integer,
    mapping,
    nothing,
    number,
    ok,
    one_key,
    oneof,
    pattern,
    status,
    string,
    token,
    verbatim,
)

_ANYTIME = NOSCRIPT | LOADING | STALE
_LOOKUP = LOADING | STALE | SENTINEL
_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")
_ALL_SHARDS = ("request_policy:all_shards", "response_policy:all_succeeded")
_UNORDERED = ("nondeterministic_output_order",)
_FLUSH_HISTORY = (("4.0.0", "`ASYNC` is new."), ("6.2.0", "`SYNC` is new."))
_FLUSH_TYPE = oneof(
    "flush-type",
    token("ASYNC", since="4.0.0"),
    token("SYNC", since="6.2.0"),
    optional=True,
)
_NAMES = string("command-name", optional=True, multiple=True)
_WHOLE_COMMAND = (string("command"), string("arg", optional=True, multiple=True))

BGREWRITEAOF = Command(
    "BGREWRITEAOF",
    group="server",
    since="1.0.0",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    python=True,
    reply=status("what happens: rewriting started, or is scheduled"),
    cost="O(n) to start, n = memory in use; the rest is done by another process",
    summary="Has another process write the append-only file anew, without detours.",
)

BGSAVE = Command(
    "BGSAVE",
    group="server",
    since="1.0.0",
    arity=-1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING,
    python=True,
    args=[
        oneof(
            "operation",
            token("SCHEDULE", since="3.2.2"),
            token("CANCEL", since="8.1.0"),
            optional=True,
        )
    ],
    reply=status("what happens: saving started, is scheduled, or was cancelled"),
    cost="O(n) to start, n = memory in use; the rest is done by another process",
    summary="Has another process save the data set, as it is now, to a file.",
    history=[
        ("3.2.2", "`SCHEDULE` is new."),
        ("8.1.0", "`CANCEL` is new, and known to Valkey only."),
    ],
)

# COMMAND belongs to the group server, but to the ACL category connection: any client
# may ask what the server can do.
COMMAND = Command(
    "COMMAND",
    group="server",
    since="2.8.13",
    arity=-1,
    flags=_LOOKUP,
    acl_extra="connection",
    python=True,
    bare=True,
    reply=array("COMMAND INFO of every command"),
    cost="O(n), n = number of commands",
    summary="Describes all commands, for client libraries.",
    tips=_UNORDERED,
    subcommands=[
        Command(
            "COUNT",
            since="2.8.13",
            arity=2,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            reply=number("how many"),
            cost="O(1)",
            summary="Counts the commands of this server.",
        ),
        Command(
            "DOCS",
            since="7.0.0",
            arity=-2,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            args=[_NAMES],
            reply=mapping("the documentation by name"),
            cost="O(n), n = number of commands asked for",
            summary="Documents commands: purpose, arguments, cost, history.",
            tips=_UNORDERED,
        ),
        Command(
            "GETKEYS",
            since="2.8.13",
            arity=-3,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            args=_WHOLE_COMMAND,
            reply=array("the keys"),
            cost="O(n), n = number of arguments",
            summary="Finds the keys among the arguments of a command.",
        ),
        Command(
            "GETKEYSANDFLAGS",
            since="7.0.0",
            arity=-3,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            args=_WHOLE_COMMAND,
            reply=array("pairs of a key and its flags"),
            cost="O(n), n = number of arguments",
            summary="Finds the keys of a command, and what it does to each.",
        ),
        Command(
            "HELP",
            since="5.0.0",
            arity=2,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            reply=array("lines of text"),
            cost="O(1)",
            summary="Explains the subcommands.",
        ),
        Command(
            "INFO",
            since="2.8.13",
            arity=-2,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            args=[_NAMES],
            reply=array(
                "a description for each name, null if there is no such command"
            ),
            cost="O(n), n = number of commands asked for",
            summary="Describes commands: arity, flags, keys, ACL categories.",
            history=[("7.0.0", "Without names, it describes every command.")],
            tips=_UNORDERED,
        ),
        Command(
            "LIST",
            since="7.0.0",
            arity=-2,
            flags=_LOOKUP,
            acl_extra="connection",
            python=True,
            args=[
                oneof(
                    "filterby",
                    string("module-name", token="MODULE"),
                    string("category", token="ACLCAT"),
                    pattern(token="PATTERN"),
                    token="FILTERBY",
                    optional=True,
                )
            ],
            reply=array("the names"),
            cost="O(n), n = number of commands",
            summary="Names the commands, all or those that pass a filter.",
            tips=_UNORDERED,
        ),
    ],
)

CONFIG = Command(
    "CONFIG",
    group="server",
    since="2.0.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Shows and changes the configuration of the running server.",
    subcommands=[
        Command(
            "GET",
            since="2.0.0",
            arity=-3,
            flags=ADMIN | _ANYTIME,
            python=True,
            args=[string("parameter", multiple=True)],
            reply=mapping("the values by parameter"),
            cost="O(n), n = number of patterns times number of parameters",
            summary="Shows the parameters that match the given patterns.",
            history=[("7.0.0", "Takes several patterns.")],
        ),
        Command(
            "HELP",
            since="5.0.0",
            arity=2,
            flags=LOADING | STALE,
            python=True,
            reply=array("lines of text"),
            cost="O(1)",
            summary="Explains the subcommands.",
        ),
        Command(
            "RESETSTAT",
            since="2.0.0",
            arity=2,
            flags=ADMIN | _ANYTIME,
            python=True,
            reply=ok(),
            cost="O(1)",
            summary="Sets the counters that INFO shows back to zero.",
            tips=_ALL_NODES,
        ),
        Command(
            "REWRITE",
            since="2.8.0",
            arity=2,
            flags=ADMIN | _ANYTIME,
            python=True,
            reply=ok(),
            cost="O(n), n = lines of the configuration file",
            summary="Writes the values in force into the configuration file.",
        ),
        Command(
            "SET",
            since="2.0.0",
            arity=-4,
            flags=ADMIN | _ANYTIME,
            python=True,
            args=[block("data", string("parameter"), string("value"), multiple=True)],
            reply=ok(),
            cost="O(n), n = number of parameters set",
            summary="Changes parameters, all of them or none.",
            history=[("7.0.0", "Takes several parameters.")],
            tips=_ALL_NODES,
        ),
    ],
)

DBSIZE = Command(
    "DBSIZE",
    group="server",
    since="1.0.0",
    arity=1,
    flags=READONLY | FAST,
    acl_extra="keyspace",
    reply=number("how many"),
    cost="O(1)",
    summary="Counts the keys of this database.",
    tips=("request_policy:all_shards", "response_policy:agg_sum"),
)

DEBUG = Command(
    "DEBUG",
    group="server",
    since="1.0.0",
    arity=-2,
    flags=ADMIN | _ANYTIME | PROTECTED,
    python=True,
    cost="That of the subcommand.",
    summary="Looks into the server and upsets it, for tests.",
    syscmd=True,
)

FLUSHALL = Command(
    "FLUSHALL",
    group="server",
    since="1.0.0",
    arity=-1,
    flags=WRITE,
    acl_extra="keyspace dangerous",
    args=[_FLUSH_TYPE],
    reply=ok(),
    cost="O(n), n = number of keys",
    summary="Empties every database.",
    history=_FLUSH_HISTORY,
    tips=_ALL_SHARDS,
)

FLUSHDB = Command(
    "FLUSHDB",
    group="server",
    since="1.0.0",
    arity=-1,
    flags=WRITE,
    acl_extra="keyspace dangerous",
    args=[_FLUSH_TYPE],
    reply=ok(),
    cost="O(n), n = number of keys in the database",
    summary="Empties this database.",
    history=_FLUSH_HISTORY,
    tips=_ALL_SHARDS,
)

INFO = Command(
    "INFO",
    group="server",
    since="1.0.0",
    arity=-1,
    flags=_LOOKUP,
    acl_extra="dangerous",
    python=True,
    args=[string("section", optional=True, multiple=True)],
    reply=verbatim("lines of name:value, in sections"),
    cost="O(1)",
    summary="Reports on the server: version, memory, clients, persistence, and more.",
    history=[("7.0.0", "Takes several sections.")],
    tips=(
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ),
)

LASTSAVE = Command(
    "LASTSAVE",
    group="server",
    since="1.0.0",
    arity=1,
    flags=LOADING | STALE | FAST,
    acl_extra="admin dangerous",
    python=True,
    reply=number("seconds since 1970"),
    cost="O(1)",
    summary="Tells when the data set was last saved to a file.",
    tips=("nondeterministic_output",),
)

RESTORE_ASKING = Command(
    "RESTORE-ASKING",
    group="server",
    since="3.0.0",
    arity=-4,
    flags=WRITE | DENYOOM | ASKING,
    keys=one_key("OW UPDATE"),
    args=RESTORE_ARGS,
    reply=ok(),
    cost="O(n), n = bytes of the payload; for sorted sets O(n log n) of the members",
    summary="Creates a key, like RESTORE, while its slot moves to this node.",
    history=RESTORE_HISTORY,
    acl_extra="keyspace dangerous",
    syscmd=True,
)

SAVE = Command(
    "SAVE",
    group="server",
    since="1.0.0",
    arity=1,
    flags=ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI,
    python=True,
    reply=ok(),
    cost="O(n), n = bytes of the data set; nothing else is executed meanwhile",
    summary="Saves the data set to a file.",
)

SHUTDOWN = Command(
    "SHUTDOWN",
    group="server",
    since="1.0.0",
    arity=-1,
    flags=ADMIN | _ANYTIME | NO_MULTI | SENTINEL | ALLOW_BUSY,
    python=True,
    args=[
        oneof("save-selector", token("NOSAVE"), token("SAVE"), optional=True),
        token("NOW", optional=True, since="7.0.0"),
        token("FORCE", optional=True, since="7.0.0"),
        token("ABORT", optional=True, since="7.0.0"),
    ],
    reply=either(nothing("the connection ends"), ok("with ABORT")),
    cost="O(n) when it saves, n = number of keys, otherwise O(1)",
    summary="Ends the server, after saving if it is configured to save.",
    history=[("7.0.0", "`NOW`, `FORCE` and `ABORT` are new.")],
)

SWAPDB = Command(
    "SWAPDB",
    group="server",
    since="4.0.0",
    arity=3,
    flags=WRITE | FAST,
    acl_extra="keyspace dangerous",
    args=[integer("index1"), integer("index2")],
    reply=ok(),
    cost="O(n), n = number of clients that watch or wait for keys of the two",
    summary="Exchanges the contents of two databases.",
)

TIME = Command(
    "TIME",
    group="server",
    since="2.6.0",
    arity=1,
    flags=LOADING | STALE | FAST,
    reply=array("seconds since 1970, and microseconds"),
    cost="O(1)",
    summary="Tells the server's clock.",
    tips=("nondeterministic_output",),
)
