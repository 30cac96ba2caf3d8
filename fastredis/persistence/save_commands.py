# SPDX-License-Identifier: BSD-3-Clause
"""SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE: the data set is written to a file."""

from __future__ import annotations

from typing import Any

from fastredis.resp.values import OK, ReplyError, SimpleString

_IN_PROGRESS = "ERR Background save already in progress"
_OTHER_CHILD = (
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE "
    "SCHEDULE in order to schedule a BGSAVE whenever possible."
)


def save(ctx: Any) -> SimpleString:
    """Write the file while nothing else is done.

    Raises: ReplyError if a child does that already, or if it fails; the log says why.
    """
    snapshots = ctx.server.snapshots
    if snapshots.child is not None:
        raise ReplyError(_IN_PROGRESS)
    if not snapshots.save():
        raise ReplyError("ERR")
    return OK


def bgsave(ctx: Any, *args: bytes) -> SimpleString:
    """Have a child write the file.

    SCHEDULE waits for a child that rewrites the append-only file.
    CANCEL stops saving. In a transaction the child starts after its end.
    Raises: ReplyError if it cannot start, or for another argument.
    """
    snapshots = ctx.server.snapshots
    word = args[0].lower() if args else b""
    if len(args) > 1 or word not in (b"", b"schedule", b"cancel"):
        raise ReplyError("ERR syntax error")
    if word == b"cancel":
        return SimpleString(snapshots.cancel())
    if snapshots.child is not None:
        raise ReplyError(_IN_PROGRESS)
    is_rewriting = ctx.server.aof.child is not None
    if is_rewriting and word != b"schedule":
        raise ReplyError(_OTHER_CHILD)
    if is_rewriting or ctx.server.engine.is_in_exec:
        snapshots.is_scheduled = True
        return SimpleString("Background saving scheduled")
    if not snapshots.start():
        raise ReplyError("ERR")
    return SimpleString("Background saving started")


def bgrewriteaof(ctx: Any) -> SimpleString:
    """Have a child write a new base of the append-only file.

    Raises: ReplyError if a child does that already, or if it cannot start.
    """
    return SimpleString(ctx.server.aof.rewrite())


def lastsave(ctx: Any) -> int:
    """Return when the data set was last saved: seconds since 1970."""
    return int(ctx.server.snapshots.last_save)
