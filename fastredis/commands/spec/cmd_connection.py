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
            "GETNAME",
            since="2.6.9",
            arity=2,
            flags=_ANYTIME | SENTINEL,
            reply=either(bulk("the name"), nil("the connection has none")),
            cost="O(1)",
            summary="Tells the name that CLIENT SETNAME gave to this connection.",
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
                        integer("client-id", token="ID", optional=True, since="2.8.12"),
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
            ],
        ),
        Command(
            "LIST",
            since="2.4.0",
            arity=-2,
            flags=ADMIN | _ANYTIME | SENTINEL,
            python=True,
            args=[
                oneof(
                    "client-type",
                    token("NORMAL"),
                    token("MASTER"),
                    token("REPLICA"),
                    token("PUBSUB"),
                    token="TYPE",
                    optional=True,
                    since="5.0.0",
                ),
                integer(
                    "client-id",
                    token="ID",
                    optional=True,
                    multiple=True,
                    since="6.2.0",
                ),
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
            ],
            tips=_VARIES,
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
    flags=FAST | SENTINEL,
    args=[string("message", optional=True)],
    reply=either(status("PONG"), bulk("the message")),
    cost="O(1)",
    summary="Answers, to show that the server is there.",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
)

QUIT = Command(
    "QUIT",
    group="connection",
    since="1.0.0",
    arity=-1,
    flags=_ANYTIME | FAST | NO_AUTH | ALLOW_BUSY,
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
    flags=_ANYTIME | FAST | NO_AUTH | ALLOW_BUSY,
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
