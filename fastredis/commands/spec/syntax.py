# SPDX-License-Identifier: BSD-3-Clause
"""Write declarations out for people: usage lines and the replies of HELP.

>>> from fastredis.commands.spec.cmd_string import GETEX
>>> usage(GETEX)  # doctest: +ELLIPSIS
'GETEX <key> [EX <seconds> | PX <milliseconds> | ... | PERSIST]'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastredis.resp.values import SimpleString

if TYPE_CHECKING:
    from fastredis.commands.spec.model import Arg, Command


LONG = 200  # characters that are not written a second time


def usage(command: Command) -> str:
    """Return the command's name and arguments in the usual notation.

    Words in capitals stand for themselves, <...> for a value, [...] is optional,
    and ... means once more.
    """
    return " ".join([command.name, *map(_written, command.args)])


def _written(arg: Arg, *, optional: bool | None = None) -> str:
    """Return one argument in that notation.

    optional: overrules what the argument says of itself.
    """
    optional = arg.optional if optional is None else optional
    if arg.kind == "pure-token":
        text = arg.token or '""'
    elif arg.kind == "block":
        text = " ".join(map(_written, arg.args))
    elif arg.kind == "oneof":
        # Of a choice one is taken, even if it is marked as optional by itself.
        text = " | ".join(_written(choice, optional=False) for choice in arg.args)
        # Brackets already hold the choice together; if not, angles must.
        if arg.token or arg.multiple or not optional:
            text = f"<{text}>"
    else:
        text = f"<{arg.display}>"
    token = f"{arg.token} " if arg.token and arg.kind != "pure-token" else ""
    if arg.multiple and optional and not token:
        return f"[{text} ...]"
    if arg.multiple and len(text) > LONG:
        text += " [...]"
    elif arg.multiple:
        text = f"{text} [{token if arg.multiple_token else ''}{text} ...]"
    text = token + text
    return f"[{text}]" if optional else text


def help_lines(container: Command) -> list[SimpleString]:
    """Return the reply of a container's HELP subcommand."""
    lines = [f"{container.name} <subcommand> [<argument> ...]. The subcommands:"]
    if container.bare:
        lines += ["(none)", "    " + container.summary]
    last = container.subcommands.get("help")
    for sub in container.subcommands.values():
        if sub is not last:
            lines += [usage(sub), "    " + sub.summary]
    if last is not None:
        lines += [usage(last), "    " + last.summary]
    return [SimpleString(line) for line in lines]
