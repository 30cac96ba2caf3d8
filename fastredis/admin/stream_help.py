# SPDX-License-Identifier: BSD-3-Clause
"""XGROUP HELP and XINFO HELP; the other subcommands are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastredis.commands.spec.syntax import help_lines

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString


def xgroup_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands of XGROUP."""
    return help_lines(ctx.server.specs["xgroup"])


def xinfo_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands of XINFO."""
    return help_lines(ctx.server.specs["xinfo"])
