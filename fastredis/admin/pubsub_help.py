# SPDX-License-Identifier: BSD-3-Clause
"""PUBSUB HELP; the other subcommands are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastredis.commands.spec.syntax import help_lines

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString


def pubsub_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["pubsub"])
