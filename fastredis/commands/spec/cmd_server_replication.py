# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands of replication."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    SENTINEL,
    STALE,
    Command,
    array,
    integer,
    nothing,
    ok,
    string,
)

PSYNC = Command(
    "PSYNC",
    group="server",
    since="2.8.0",
    arity=-3,
    flags=ADMIN | NO_ASYNC_LOADING | NO_MULTI | NOSCRIPT,
    python=True,
    args=[string("replicationid"), integer("offset")],
    reply=nothing("what the replica lacks follows, in a form of its own"),
    cost="O(n), n = bytes of what the replica lacks",
    summary="Makes the connection a replica, which goes on where it was if possible.",
)

REPLCONF = Command(
    "REPLCONF",
    group="server",
    since="3.0.0",
    arity=-1,
    flags=ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY,
    python=True,
    reply=ok(),
    cost="O(1)",
    summary="Tells a primary about its replica; servers send it to each other.",
    syscmd=True,
)

ROLE = Command(
    "ROLE",
    group="server",
    since="2.8.12",
    arity=1,
    flags=NOSCRIPT | LOADING | STALE | FAST | SENTINEL,
    acl_extra="admin dangerous",
    python=True,
    reply=array("the role, then what goes with it: offset and replicas of a primary"),
    cost="O(n), n = number of replicas",
    summary="Tells whether the server is a primary or a replica, and of whom.",
)

SYNC = Command(
    "SYNC",
    group="server",
    since="1.0.0",
    arity=1,
    flags=ADMIN | NO_ASYNC_LOADING | NO_MULTI | NOSCRIPT,
    python=True,
    reply=nothing("the data set and its changes follow, in a form of their own"),
    cost="O(n), n = bytes of the data set",
    summary="Makes the connection a replica, as before Redis 2.8.",
)
