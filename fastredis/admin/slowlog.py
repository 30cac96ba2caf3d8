# SPDX-License-Identifier: BSD-3-Clause
"""SLOWLOG, and COMMANDLOG, which knows large requests and replies as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastredis.admin import observed
from fastredis.commands.spec.syntax import help_lines
from fastredis.engine.python_args import integer
from fastredis.resp.values import OK, ReplyError

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString

_SLOW: Final = 0
_KINDS: Final = {b"slow": 0, b"large-request": 1, b"large-reply": 2}
_DEFAULT_COUNT: Final = 10


# --- SLOWLOG ----------------------------------------------------------------------


def slowlog_get(ctx: Any, *count: bytes) -> list[Any]:
    """Return the latest slow commands, ten or as many as asked for.

    Raises: ReplyError for a number that is none.
    """
    if len(count) > 1:
        raise ReplyError("ERR wrong number of arguments for 'slowlog|get' command")
    wanted = _count(count[0]) if count else _DEFAULT_COUNT
    return observed.command_log(ctx.server.engine, _SLOW, wanted)


def slowlog_len(ctx: Any) -> int:
    """Return how many slow commands are remembered."""
    return observed.command_log_len(ctx.server.engine, _SLOW)


def slowlog_reset(ctx: Any) -> SimpleString:
    """Forget the slow commands."""
    observed.command_log_reset(ctx.server.engine, _SLOW)
    return OK


def slowlog_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["slowlog"])


# --- COMMANDLOG -------------------------------------------------------------------


def commandlog_get(ctx: Any, count: bytes, kind: bytes) -> list[Any]:
    """Return the latest entries of one of the logs.

    Raises: ReplyError for a number that is none, or an unknown log.
    """
    wanted = _count(count)
    return observed.command_log(ctx.server.engine, _kind(kind), wanted)


def commandlog_len(ctx: Any, kind: bytes) -> int:
    """Return how many entries one of the logs has."""
    return observed.command_log_len(ctx.server.engine, _kind(kind))


def commandlog_reset(ctx: Any, kind: bytes) -> SimpleString:
    """Empty one of the logs."""
    observed.command_log_reset(ctx.server.engine, _kind(kind))
    return OK


def commandlog_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["commandlog"])


# --- Arguments --------------------------------------------------------------------


def _count(value: bytes) -> int:
    """Read how many entries are wanted; -1 is all.

    Raises: ReplyError.
    """
    number = integer(value)
    if number < -1:
        raise ReplyError("ERR count should be greater than or equal to -1")
    return number


def _kind(value: bytes) -> int:
    """Return the number of a log.

    Raises: ReplyError if there is no log of this name.
    """
    kind = _KINDS.get(value.lower())
    if kind is None:
        raise ReplyError(
            "ERR type should be one of the following: slow, large-request, large-reply"
        )
    return kind
