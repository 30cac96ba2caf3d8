# SPDX-License-Identifier: BSD-3-Clause
"""Commands of one's own, in Python.

A function becomes a command by a decorator. It takes the context and then the
command's arguments as bytes, and returns what ``fastredis.resp.values`` lists::

    import fastredis

    @fastredis.command("GREET")
    def greet(ctx, name: bytes) -> str:
        \"\"\"Greet someone, and count the greetings.\"\"\"
        ctx.call("INCR", b"greetings:" + name)
        return f"hello, {name.decode()}"

``ctx.call`` runs any command, ``ctx.client`` is the client that asks, ``ctx.server``
the server. Errors are raised: ``raise fastredis.ReplyError("ERR no such person")``.

How many arguments are right follows from the function: ``def f(ctx, a, b=b"")`` takes
one or two, ``def f(ctx, key, *members)`` one or more. Arguments that are keys are
declared, for clients of a cluster, ACL rules and COMMAND GETKEYS::

    from fastredis.commands.spec.model import WRITE, FAST, one_key

    @fastredis.command("CAPPEND", flags=WRITE | FAST, keys=one_key("RW INSERT"))
    def cappend(ctx, key: bytes, value: bytes) -> int:
        \"\"\"Append with a comma.\"\"\"
        return ctx.call("APPEND", key, b"," + value)

``REGISTERED`` holds what was registered; a server takes it over when it starts.
``load_file`` runs a file of such functions.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from fastredis.commands.registry import load_specs, table
from fastredis.commands.spec.model import Command
from fastredis.resp.values import ReplyError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from fastredis.commands.spec.model import Arg, KeySpec

    Function = TypeVar("Function", bound=Callable[..., Any])

MAX_NAME_LENGTH: Final = 63  # with its final NUL, as much as the C table holds
# __name__ in a file of commands, so that a file json.py does not hide the module json.
_FILE_PREFIX: Final = "commandfile."
_VARARGS: Final = 0x04  # CO_VARARGS of a code object: the function has *args

REGISTERED: list[Command] = []
_builtin: dict[str, Command] = {}


def command(
    name: str,
    *,
    arity: int | None = None,
    flags: int = 0,
    keys: KeySpec | Sequence[KeySpec] = (),
    args: Sequence[Arg] = (),
    summary: str | None = None,
    group: str = "custom",
    since: str = "1.0.0",
) -> Callable[[Function], Function]:
    """Make the function below this a command of that name.

    arity: number of arguments with the name, negative if it is a minimum; by default
        that of the function.
    flags, keys, args: as in a declaration of ``fastredis.commands.spec``.
    summary: by default the first line of the function's docstring.

    A command that was registered before is replaced if it is the same function, as
    when a notebook's cell runs again.

    Raises: ValueError for a name that is malformed, built in, or taken; TypeError
        for a function that cannot be called as a command.
    """
    _check_name(name)

    def register(function: Function) -> Function:
        least, most = _argument_range(function)
        text = summary or (function.__doc__ or "").strip().partition("\n")[0]
        fits = -(least + 1) if most is None or most > least else least + 1
        handler: Callable[..., Any] = function
        if most is not None and most > least:
            # The arity cannot express a maximum.
            handler = _limited(function, name, most)
        spec = Command(
            name.upper(),
            group=group,
            since=since,
            arity=fits if arity is None else arity,
            flags=flags,
            keys=keys,
            args=args or _arguments(function),
            summary=text,
            handler=handler,
            module=function.__module__.removeprefix(_FILE_PREFIX),
        )
        _add(spec, function)
        return function

    return register


def load_file(path: str | os.PathLike[str]) -> list[Command]:
    """Run a Python file and return the commands that it registered.

    If the file raises, nothing of it stays registered.
    """
    import runpy
    from pathlib import Path

    before = list(REGISTERED)
    try:
        runpy.run_path(str(path), run_name=_FILE_PREFIX + Path(path).stem)
    except BaseException:
        REGISTERED[:] = before
        raise
    return [spec for spec in REGISTERED if spec not in before]


# --- Checks -----------------------------------------------------------------


def _check_name(name: str) -> None:
    """Refuse a name that no client could send, or that means something already."""
    if not name or len(name) > MAX_NAME_LENGTH:
        raise ValueError(
            f"a command's name has 1 to {MAX_NAME_LENGTH} characters, not {len(name)}"
        )
    if any(not "!" <= char <= "~" or char == "|" for char in name):
        raise ValueError(
            f"a command's name is of visible ASCII characters but '|': {name!r}"
        )
    if not _builtin:
        _builtin.update(table(load_specs()))
    if name.lower() in _builtin:
        raise ValueError(f"{name.upper()} is a built-in command")


def _argument_range(function: Callable[..., Any]) -> tuple[int, int | None]:
    """Return the least and the greatest number of arguments, None for no limit."""
    code = getattr(function, "__code__", None)
    if code is None:
        raise TypeError(f"a command must be a Python function, not {function!r}")
    required = set(code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount])
    required -= set(function.__kwdefaults__ or ())
    if required:
        raise TypeError(f"{function.__name__}() needs keyword arguments")
    varargs = bool(code.co_flags & _VARARGS)
    if code.co_argcount == 0 and not varargs:
        raise TypeError(f"{function.__name__}() must take the context first")
    defaults = len(function.__defaults__ or ())
    most = max(code.co_argcount - 1, 0)
    least = max(code.co_argcount - defaults - 1, 0)
    return least, None if varargs else most


def _arguments(function: Callable[..., Any]) -> list[Arg]:
    """Describe the arguments by the names that they have in the function."""
    from fastredis.commands.spec.model import string

    code = function.__code__
    names = code.co_varnames[1 : code.co_argcount]
    optional_from = len(names) - len(function.__defaults__ or ())
    found = [
        string(name, optional=place >= optional_from)
        for place, name in enumerate(names)
    ]
    if code.co_flags & _VARARGS:
        rest = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
        found.append(string(rest, optional=True, multiple=True))
    return found


def _limited(function: Callable[..., Any], name: str, most: int) -> Callable[..., Any]:
    """Return the function with a check of the greatest number of arguments."""

    @wraps(function)
    def checked(ctx: Any, *args: bytes) -> Any:
        if len(args) > most:
            raise ReplyError(
                f"ERR wrong number of arguments for '{name.lower()}' command"
            )
        return function(ctx, *args)

    return checked


def _add(spec: Command, function: Callable[..., Any]) -> None:
    """Put a command into REGISTERED, in the place of its former self if it has one."""
    for place, other in enumerate(REGISTERED):
        if other.full_name != spec.full_name:
            continue
        former = other.handler
        if (former.__module__, former.__qualname__) != (  # type: ignore[union-attr]
            function.__module__,
            function.__qualname__,
        ):
            raise ValueError(f"{spec.name} is registered already, by {former!r}")
        REGISTERED[place] = spec
        return
    REGISTERED.append(spec)
