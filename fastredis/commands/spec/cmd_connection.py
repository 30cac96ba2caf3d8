# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands about the connection itself."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_AUTH,
    NOSCRIPT,
    SENTINEL,
    STALE,
    SUBSCRIBER,
    UNQUEUED,
    Arg,
    Command,
    array,
    block,
    bulk,
    either,
    integer,
    mapping,
    nil,
    nothing,
    number,
    ok,
    oneof,
    status,
    string,
    token,
    verbatim,
)

_ANYTIME = NOSCRIPT | LOADING | STALE
_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")
_VARIES = ("nondeterministic_output",)


def _types(name: str, word: str) -> Arg:
    """Return a filter of CLIENT LIST by the type of a client."""
    return oneof(
        name,
        token("NORMAL"),
        token("MASTER"),
        token("REPLICA"),
        token("PUBSUB"),
        token=word,
        optional=True,
        since="5.0.0" if word == "TYPE" else "9.0.0",
    )


def _texts(*words: str, since: str) -> list[Arg]:
    """Return filters by a text, each named by its word."""
    found = []
    for word in words:
        name = word.lower().replace("user", "username")
        shown = "ip:port" if word.endswith("ADDR") else name
        found.append(
            string(name, display=shown, token=word, optional=True, since=since)
        )
    return found


def _numbers(*words: str, since: str, multiple: bool = False) -> list[Arg]:
    """Return filters by a number, each named by its word."""
    return [
        integer(
            word.lower().replace("id", "client-id") if multiple else word.lower(),
            token=word,
            optional=True,
            multiple=multiple,
            since=since,
        )
        for word in words
    ]


# The filters that CLIENT LIST and CLIENT KILL have in common since Valkey 9.0.
_FILTERS = [
    *_texts("NAME", since="9.0.0"),
    *_numbers("IDLE", since="9.0.0"),
    *_texts("FLAGS", "LIB-NAME", "LIB-VER", since="9.0.0"),
    *_numbers("DB", since="9.0.0"),
    *_texts("CAPA", "IP", since="9.0.0"),
    _types("not-client-type", "NOT-TYPE"),
    *_numbers("NOT-ID", since="9.0.0", multiple=True),
    *_texts(
        *("NOT-USER", "NOT-ADDR", "NOT-LADDR", "NOT-NAME", "NOT-FLAGS"),
        *("NOT-LIB-NAME", "NOT-LIB-VER"),
        since="9.0.0",
    ),
    *_numbers("NOT-DB", since="9.0.0"),
    *_texts("NOT-CAPA", "NOT-IP", since="9.0.0"),
]

AUTH = Command(
    "AUTH",
    group="connection",
    since="1.0.0",
    arity=-2,
    flags=_ANYTIME | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY,
    args=[string("username", optional=True, since="6.0.0"), string("password")],
    reply=ok(),
    cost="O(n), n = number of passwords of the user",
    summary="Logs the connection in.",
    history=[("6.0.0", "Takes a user's name before the password.")],
)

CLIENT = Command(
    "CLIENT",
    group="connection",
    since="2.4.0",
    arity=-2,
    flags=SENTINEL,
    cost="That of the subcommand.",
    summary="Shows and steers the connections of clients.",
    subcommands=[
        Command(
            "CACHING",
            since="6.0.0",
            arity=3,
            flags=_ANYTIME | SENTINEL,
            args=[oneof("mode", token("YES"), token("NO"))],
            reply=ok(),
            cost="O(1)",
            summary="Has the keys of the next command tracked, or not.",
        ),
        Command(
            "CAPA",
            since="8.0.0",
            arity=-3,
            flags=_ANYTIME | ALLOW_BUSY,
            args=[oneof("capability", token("REDIRECT"), multiple=True)],
            reply=ok(),
            cost="O(1)",
            summary="Tells the server what this client can deal with.",
        ),
        Command(
            "GETNAME",
            since="2.6.9",
            arity=2,
            flags=_ANYTIME | SENTINEL,
            reply=either(bulk("the name"), nil("the connection has none")),
            cost="O(1)",
            summary="Tells the name that CLIENT SETNAME gave to this connection.",
        ),
        Command(
            "GETREDIR",
            since="6.0.0",
            arity=2,
            flags=_ANYTIME | SENTINEL,
            reply=either(
                number("-1: tracking is off"),
                number("0: invalidations come to this connection"),
                number("the id of the connection that they go to"),
            ),
            cost="O(1)",
            summary="Tells where invalidation messages for this connection go.",
        ),
        Command(
            "HELP",
            since="5.0.0",
            arity=2,
            flags=LOADING | STALE | SENTINEL,
            python=True,
            reply=array("lines of text"),
            cost="O(1)",
            summary="Explains the subcommands.",
        ),
        Command(
            "ID",
            since="5.0.0",
            arity=2,
            flags=_ANYTIME | SENTINEL,
            reply=number("the id: never used twice, and growing"),
            cost="O(1)",
            summary="Tells the number of this connection.",
        ),
        Command(
            "IMPORT-SOURCE",
            since="8.1.0",
            arity=3,
            flags=_ANYTIME,
            args=[oneof("enabled", token("ON"), token("OFF"))],
            reply=ok(),
            cost="O(1)",
            summary="Lets this connection see expired keys while the server imports.",
        ),
        Command(
            "INFO",
            since="6.2.0",
            arity=2,
            flags=_ANYTIME | SENTINEL,
            python=True,
            reply=verbatim("one line of CLIENT LIST"),
            cost="O(1)",
            summary="Describes this connection in the format of CLIENT LIST.",
            tips=_VARIES,
        ),
        Command(
            "KILL",
            since="2.4.0",
            arity=-3,
            flags=ADMIN | _ANYTIME | SENTINEL,
            python=True,
            args=[
                oneof(
                    "filter",
                    string("old-format", display="ip:port", deprecated="2.8.12"),
                    oneof(
                        "new-format",
                        *_numbers("ID", since="2.8.12", multiple=True),
                        oneof(
                            "client-type",
                            token("NORMAL"),
                            token("MASTER", since="3.2.0"),
                            token("SLAVE"),
                            token("REPLICA", since="5.0.0"),
                            token("PUBSUB"),
                            token="TYPE",
                            optional=True,
                            since="2.8.12",
                        ),
                        string("username", token="USER", optional=True),
                        string("addr", display="ip:port", token="ADDR", optional=True),
                        string(
                            "laddr",
                            display="ip:port",
                            token="LADDR",
                            optional=True,
                            since="6.2.0",
                        ),
                        oneof(
                            "skipme",
                            token("YES"),
                            token("NO"),
                            token="SKIPME",
                            optional=True,
                        ),
                        integer("maxage", token="MAXAGE", optional=True, since="7.4.0"),
                        *_FILTERS,
                        multiple=True,
                    ),
                )
            ],
            reply=either(
                ok("the one connection was closed (old form)"),
                number("how many connections were closed"),
            ),
            cost="O(n), n = number of connections",
            summary="Closes the connections that pass the given filters.",
            history=[
                ("2.8.12", "Filters are new, among them `ID`."),
                ("3.2.0", "`TYPE` knows `master`."),
                ("5.0.0", "`TYPE` knows `replica`, the new word for `slave`."),
                ("6.2.0", "`LADDR` is new."),
                ("7.4.0", "`MAXAGE` is new."),
                ("8.1.0", "`ID` takes several ids."),
                ("9.0.0", "Filters by name, library, database and others, and `NOT-`."),
            ],
        ),
        Command(
            "LIST",
            since="2.4.0",
            arity=-2,
            flags=ADMIN | _ANYTIME | SENTINEL,
            python=True,
            args=[
                _types("client-type", "TYPE"),
                *_numbers("ID", since="6.2.0", multiple=True),
                *_texts("USER", "ADDR", "LADDR", since="8.1.0"),
                oneof(
                    "skipme",
                    token("YES"),
                    token("NO"),
                    token="SKIPME",
                    optional=True,
                    since="8.1.0",
                ),
                *_numbers("MAXAGE", since="8.1.0"),
                *_FILTERS,
            ],
            reply=verbatim("a line of name=value pairs for each connection"),
            cost="O(n), n = number of connections",
            summary="Describes the open connections, a line each.",
            history=[
                ("2.8.12", "Shows `id`."),
                ("5.0.0", "`TYPE` is new."),
                ("6.0.0", "Shows `user`."),
                (
                    "6.2.0",
                    "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`; `ID` is new.",
                ),
                ("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."),
                ("7.0.3", "Shows `ssub`."),
                ("7.2.0", "Shows `lib-name` and `lib-ver`."),
                ("7.4.0", "Shows `watch`."),
                ("8.0.0", "Shows `io-thread`."),
                ("8.1.0", "The filters of CLIENT KILL are new."),
                ("9.0.0", "Filters by name, library, database and others, and `NOT-`."),
            ],
            tips=_VARIES,
        ),
        Command(
            "NO-EVICT",
            since="7.0.0",
            arity=3,
            flags=ADMIN | _ANYTIME | SENTINEL,
            args=[oneof("enabled", token("ON"), token("OFF"))],
            reply=ok(),
            cost="O(1)",
            summary="Switches whether this connection may be closed to save memory.",
        ),
        Command(
            "NO-TOUCH",
            since="7.2.0",
            arity=3,
            flags=_ANYTIME,
            args=[oneof("enabled", token("ON"), token("OFF"))],
            reply=ok(),
            cost="O(1)",
            summary="Switches whether this connection's reads count as use of a key.",
        ),
        Command(
            "PAUSE",
            since="3.0.0",
            arity=-3,
            flags=ADMIN | _ANYTIME | SENTINEL,
            args=[
                integer("timeout"),
                oneof(
                    "mode", token("WRITE"), token("ALL"), optional=True, since="6.2.0"
                ),
            ],
            reply=ok(),
            cost="O(1)",
            summary="Lets requests wait for a while, all or those that write.",
            history=[("6.2.0", "`WRITE` is new.")],
        ),
        Command(
            "REPLY",
            since="3.2.0",
            arity=3,
            flags=_ANYTIME | SENTINEL,
            args=[oneof("action", token("ON"), token("OFF"), token("SKIP"))],
            reply=either(ok("with ON"), nothing("with OFF and SKIP")),
            cost="O(1)",
            summary="Switches the replies on or off, or leaves out the next one.",
        ),
        Command(
            "SETINFO",
            since="7.2.0",
            arity=4,
            flags=_ANYTIME | SENTINEL,
            args=[
                oneof(
                    "attr",
                    string("libname", token="LIB-NAME"),
                    string("libver", token="LIB-VER"),
                )
            ],
            reply=ok(),
            cost="O(1)",
            summary="Tells the server which client library is in use.",
            tips=_ALL_NODES,
        ),
        Command(
            "SETNAME",
            since="2.6.9",
            arity=3,
            flags=_ANYTIME | SENTINEL,
            args=[string("connection-name")],
            reply=ok(),
            cost="O(1)",
            summary="Names this connection; an empty name takes the name away.",
            tips=_ALL_NODES,
        ),
        Command(
            "TRACKING",
            since="6.0.0",
            arity=-3,
            flags=_ANYTIME | SENTINEL,
            args=[
                oneof("status", token("ON"), token("OFF")),
                integer("client-id", token="REDIRECT", optional=True),
                string(
                    "prefix",
                    token="PREFIX",
                    optional=True,
                    multiple=True,
                    multiple_token=True,
                ),
                token("BCAST", optional=True),
                token("OPTIN", optional=True),
                token("OPTOUT", optional=True),
                token("NOLOOP", optional=True),
            ],
            reply=ok(),
            cost="O(1), O(n) to end with BCAST, n = number of its prefixes",
            summary="Has this connection told when keys change that it has read.",
        ),
        Command(
            "TRACKINGINFO",
            since="6.2.0",
            arity=2,
            flags=_ANYTIME | SENTINEL,
            reply=mapping("flags, redirect and prefixes"),
            cost="O(1)",
            summary="Describes how this connection's keys are tracked.",
        ),
        Command(
            "UNBLOCK",
            since="5.0.0",
            arity=-3,
            flags=ADMIN | _ANYTIME | SENTINEL,
            args=[
                integer("client-id"),
                oneof("unblock-type", token("TIMEOUT"), token("ERROR"), optional=True),
            ],
            reply=either(number("1: it goes on"), number("0: it did not wait")),
            cost="O(log n), n = number of connections",
            summary="Ends another connection's waiting in a blocking command.",
        ),
        Command(
            "UNPAUSE",
            since="6.2.0",
            arity=2,
            flags=ADMIN | _ANYTIME | SENTINEL,
            reply=ok(),
            cost="O(n), n = number of connections",
            summary="Ends a pause: what waited is executed.",
        ),
    ],
)

ECHO = Command(
    "ECHO",
    group="connection",
    since="1.0.0",
    arity=2,
    flags=LOADING | STALE | FAST,
    args=[string("message")],
    reply=bulk("the message"),
    cost="O(1)",
    summary="Sends the message back.",
)

HELLO = Command(
    "HELLO",
    group="connection",
    since="6.0.0",
    arity=-1,
    flags=_ANYTIME | FAST | NO_AUTH | SENTINEL | ALLOW_BUSY,
    args=[
        block(
            "arguments",
            integer("protover"),
            block(
                "auth",
                string("username"),
                string("password"),
                token="AUTH",
                optional=True,
            ),
            string("clientname", token="SETNAME", optional=True),
            optional=True,
        )
    ],
    reply=mapping("what the server is, and how it talks to this client"),
    cost="O(1)",
    summary="Opens the talk: agrees on the protocol, logs in, names the connection.",
    history=[("6.2.0", "The version may be left out, to learn what is in use.")],
)

PING = Command(
    "PING",
    group="connection",
    since="1.0.0",
    arity=-1,
    flags=FAST | SENTINEL | SUBSCRIBER,
    args=[string("message", optional=True)],
    reply=either(
        status("PONG"),
        bulk("the message"),
        array("pong and the message, to a subscriber that speaks RESP2"),
    ),
    cost="O(1)",
    summary="Answers, to show that the server is there.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)

QUIT = Command(
    "QUIT",
    group="connection",
    since="1.0.0",
    arity=-1,
    flags=_ANYTIME | FAST | NO_AUTH | ALLOW_BUSY | SUBSCRIBER | UNQUEUED,
    reply=ok(),
    cost="O(1)",
    summary="Asks the server to close this connection.",
    deprecated="7.2.0",
    replaced_by="closing the connection",
)

RESET = Command(
    "RESET",
    group="connection",
    since="6.2.0",
    arity=1,
    flags=_ANYTIME | FAST | NO_AUTH | ALLOW_BUSY | SUBSCRIBER | UNQUEUED,
    reply=status("RESET"),
    cost="O(1)",
    summary="Puts this connection back into the state of a new one.",
)

SELECT = Command(
    "SELECT",
    group="connection",
    since="1.0.0",
    arity=2,
    flags=LOADING | STALE | FAST,
    args=[integer("index")],
    reply=ok(),
    cost="O(1)",
    summary="Takes this connection to another database.",
)
