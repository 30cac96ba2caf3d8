# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands about which server follows which."""

from __future__ import annotations

from typing import Any

from fastredis.commands.spec.model import (
    ADMIN,
    NO_ASYNC_LOADING,
    NOSCRIPT,
    STALE,
    Command,
    block,
    integer,
    ok,
    oneof,
    string,
    token,
)

_MASTER = oneof(
    "args",
    block("host-port", string("host"), integer("port")),
    block("no-one", token("NO"), token("ONE")),
)

FAILOVER = Command(
    "FAILOVER",
    group="server",
    since="6.2.0",
    arity=-1,
    flags=ADMIN | NOSCRIPT | STALE,
    python=True,
    args=[
        block(
            "target",
            string("host"),
            integer("port"),
            token("FORCE", optional=True),
            token="TO",
            optional=True,
        ),
        token("ABORT", optional=True),
        integer("milliseconds", token="TIMEOUT", optional=True),
    ],
    reply=ok(),
    cost="O(1)",
    summary="Has the server and one of its replicas exchange their roles.",
)

_FOLLOWS: dict[str, Any] = {
    "group": "server",
    "arity": 3,
    "flags": NO_ASYNC_LOADING | ADMIN | NOSCRIPT | STALE,
    "python": True,
    "args": [_MASTER],
    "reply": ok(),
    "cost": "O(1)",
    "summary": (
        "Makes the server follow another one and hold its data, or none any more."
    ),
}

REPLICAOF = Command("REPLICAOF", since="5.0.0", **_FOLLOWS)

SLAVEOF = Command(
    "SLAVEOF",
    since="1.0.0",
    deprecated="5.0.0",
    replaced_by="`REPLICAOF`",
    **_FOLLOWS,
)
