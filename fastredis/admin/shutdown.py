# SPDX-License-Identifier: BSD-3-Clause
"""SHUTDOWN: saves, if there are save points, and ends the server.

Nothing is executed once it is accepted, neither what follows in the same pipeline nor
requests of other clients; replies to what came before are still sent. The client gets
no reply but the end of its connection.
"""

from __future__ import annotations

from typing import Any

from fastredis.resp.values import NO_REPLY, OK, ReplyError

_OPTIONS = frozenset((b"nosave", b"save", b"now", b"force", b"abort"))


def shutdown(ctx: Any, *args: bytes) -> Any:
    """End the server.

    NOW (wait for no replica) changes nothing, since there are no replicas to wait for.
    Raises: ReplyError for options that exclude each other, and if the data set cannot
        be saved; with FORCE that is only logged.
    """
    options = {arg.lower() for arg in args}
    if (
        options - _OPTIONS
        or (b"abort" in options and len(options) > 1)
        or {b"save", b"nosave"} <= options
    ):
        raise ReplyError("ERR syntax error")
    if b"abort" in options:
        # one that has begun takes no time during which it could be aborted
        if not ctx.server.abort_shutdown():
            raise ReplyError("ERR No shutdown in progress.")
        return OK
    if not ctx.server.try_shutdown([option.decode() for option in options]):
        raise ReplyError("ERR Errors trying to SHUTDOWN. Check logs.")
    ctx.hang_up()
    return NO_REPLY
