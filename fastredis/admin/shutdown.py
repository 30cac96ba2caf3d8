# SPDX-License-Identifier: BSD-3-Clause
"""SHUTDOWN: ends the server.

Nothing is executed once it is accepted, neither what follows in the same pipeline nor
requests of other clients; replies to what came before are still sent. The client gets
no reply but the end of its connection.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastredis.resp.values import NO_REPLY, ReplyError

_OPTIONS = frozenset((b"nosave", b"save", b"now", b"force", b"abort"))


def shutdown(ctx: Any, *args: bytes) -> Any:
    """End the server.

    NOW (wait for no replica) changes nothing, since there are no replicas to wait for.
    Raises: ReplyError for options that exclude each other, and for SAVE without FORCE,
        since nothing can be saved; with FORCE that is only logged.
    """
    options = {arg.lower() for arg in args}
    if (
        options - _OPTIONS
        or (b"abort" in options and len(options) > 1)
        or {b"save", b"nosave"} <= options
    ):
        raise ReplyError("ERR syntax error")
    if b"abort" in options:
        # a shutdown takes no time during which it could be aborted
        raise ReplyError("ERR No shutdown in progress.")
    reason = refusal(tuple(option.decode() for option in options))
    if reason:
        raise ReplyError(f"ERR SHUTDOWN SAVE is not available: {reason}")
    if b"save" in options:
        ctx.server.log.warning("Nothing is saved: this server does not save data yet.")
    ctx.hang_up()
    ctx.server.shutdown()
    return NO_REPLY


def refusal(options: Collection[str]) -> str:
    """Return why the server cannot end as these options ask, or nothing if it can.

    They are those of SHUTDOWN, and of the directives shutdown-on-sigint and -sigterm.
    """
    if "save" in options and "force" not in options:
        return "this server does not save data yet"
    return ""
