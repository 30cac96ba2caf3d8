# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands that make transactions."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    ALLOW_BUSY,
    FAST,
    LOADING,
    NOSCRIPT,
    SKIP_SLOWLOG,
    STALE,
    UNQUEUED,
    Command,
    array,
    either,
    key,
    keys_from,
    nil,
    ok,
)

_ANYTIME = NOSCRIPT | LOADING | STALE

DISCARD = Command(
    "DISCARD",
    group="transactions",
    since="2.0.0",
    arity=1,
    flags=_ANYTIME | FAST | ALLOW_BUSY | UNQUEUED,
    reply=ok(),
    cost="O(n), n = number of queued commands",
    summary="Leaves a transaction without executing what was queued.",
)

EXEC = Command(
    "EXEC",
    group="transactions",
    since="1.2.0",
    arity=1,
    flags=_ANYTIME | SKIP_SLOWLOG | UNQUEUED,
    reply=either(
        array("the replies of the queued commands, in their order"),
        nil("a watched key has changed; nothing was executed"),
    ),
    cost="That of the queued commands.",
    summary="Executes the queued commands, with nothing in between.",
)

MULTI = Command(
    "MULTI",
    group="transactions",
    since="1.2.0",
    arity=1,
    flags=_ANYTIME | FAST | ALLOW_BUSY | UNQUEUED,
    reply=ok(),
    cost="O(1)",
    summary="Begins a transaction: what follows is queued until EXEC.",
)

UNWATCH = Command(
    "UNWATCH",
    group="transactions",
    since="2.2.0",
    arity=1,
    flags=_ANYTIME | FAST | ALLOW_BUSY,
    reply=ok(),
    cost="O(n), n = number of watched keys",
    summary="Takes back every WATCH of this connection.",
)

WATCH = Command(
    "WATCH",
    group="transactions",
    since="2.2.0",
    arity=-2,
    flags=_ANYTIME | FAST | ALLOW_BUSY | UNQUEUED,
    keys=keys_from("RO"),
    args=[key(multiple=True)],
    reply=ok(),
    cost="O(n), n = number of keys",
    summary="Lets the next EXEC fail if one of these keys changes before it.",
)
