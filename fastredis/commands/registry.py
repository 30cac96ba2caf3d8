# SPDX-License-Identifier: BSD-3-Clause
"""Joins declarations and handlers, and answers questions about declarations.

::

    spec/cmd_*.py ── load_specs() ──► [Command, ...]
                                          │ bind()
    *.so __pyx_capi__ "cmd_get" ─────────►├──► [Bound, ...] ──► the C command table
    admin/*.py   def info(ctx) ──────────►┘     (built elsewhere)

A handler is found by its name alone. GET is ``cmd_get`` in the C API of some compiled
module, CONFIG GET is ``cmd_config_get``, CLIENT NO-TOUCH is ``cmd_client_no_touch``;
a declaration that says ``python=True`` has a function of that name without the prefix
in one of the Python modules. A declaration without a handler, or a compiled handler
without a declaration, ends the start of the server with a RegistryError.

Python modules are imported when the first of their commands runs, since most servers
never hear CONFIG SET or COMMAND DOCS and a server has to start quickly.
``resolve_all`` finds every handler at once, for tests.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastredis.commands.spec.model import (
    KEY_NOT_KEY,
    Command,
    Index,
    KeyNum,
    KeySpec,
    Keyword,
    Range,
)
from fastredis.resp.values import ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import ModuleType


class RegistryError(Exception):
    """Declarations and handlers do not fit together."""


# --- Loading ----------------------------------------------------------------


def load_specs() -> list[Command]:
    """Import every ``spec/cmd_*.py`` and return the commands declared there.

    Raises: RegistryError if a name is declared twice.
    """
    package = import_module("fastredis.commands.spec")
    files = {
        entry.split(".")[0]
        for entry in os.listdir(package.__path__[0])
        if entry.startswith("cmd_") and entry.endswith((".py", ".pyc"))
    }
    specs: list[Command] = []
    for name in sorted(files):
        module = import_module(f"{package.__name__}.{name}")
        specs += [
            value for value in vars(module).values() if isinstance(value, Command)
        ]
    table(specs)
    return specs


def table(specs: Iterable[Command]) -> dict[str, Command]:
    """Return the commands by lower-case name, containers without their subcommands.

    Raises: RegistryError if a name occurs twice.
    """
    by_name: dict[str, Command] = {}
    for spec in specs:
        if by_name.setdefault(spec.full_name, spec) is not spec:
            raise RegistryError(f"{spec.name} is declared twice")
    return by_name


def find(specs: Mapping[str, Command], name: bytes) -> Command | None:
    """Find a declaration by its full name, as in ``get`` or ``config|get``."""
    first, bar, second = name.decode("latin-1").lower().partition("|")
    command = specs.get(first)
    if command is None or not bar:
        return command
    return command.subcommands.get(second)


def lookup(specs: Mapping[str, Command], argv: Sequence[bytes]) -> Command | None:
    """Find the declaration that a whole command line runs."""
    command = specs.get(argv[0].decode("latin-1").lower())
    if command is None or not command.subcommands or len(argv) < 2:
        return command
    return command.subcommands.get(argv[1].decode("latin-1").lower())


def arity_fits(spec: Command, argc: int) -> bool:
    """Tell whether a number of arguments, with the name, suits the command."""
    return argc == spec.arity if spec.arity >= 0 else argc >= -spec.arity


# --- Binding ----------------------------------------------------------------


class PythonHandler:
    """A handler in Python that is imported at the first call."""

    __slots__ = ("_function", "modules", "name")

    def __init__(self, name: str, modules: Sequence[str]) -> None:
        self.name = name
        # The likely module first: client_list looks in admin.client before others.
        word = name.partition("_")[0]
        self.modules = sorted(modules, key=lambda m: word not in m.rpartition(".")[2])
        self._function: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return f"<PythonHandler {self.name}>"

    def resolve(self) -> Callable[..., Any]:
        """Return the function itself.

        Raises: RegistryError if no module has it.
        """
        if self._function is None:
            for module in self.modules:
                function = getattr(import_module(module), self.name, None)
                if callable(function):
                    self._function = function
                    return self._function
            raise RegistryError(
                f"no handler {self.name}() in {', '.join(self.modules) or 'no module'}"
            )
        return self._function

    def __call__(self, ctx: Any, *args: bytes) -> Any:
        return self.resolve()(ctx, *args)


class Bound:
    """A command as the C table needs it.

    ``handler`` is a capsule with the C function, or, if ``python`` is set, a callable
    that takes the context and the arguments; it is None for a container that does
    nothing itself. ``name`` is lower case, ``config|get`` for a subcommand.
    """

    __slots__ = (
        "arity",
        "counted",
        "first_key",
        "flags",
        "handler",
        "key_step",
        "key_word",
        "last_key",
        "name",
        "python",
        "spec",
        "subcommands",
    )

    def __init__(self, spec: Command, handler: Any, subcommands: list[Bound]) -> None:
        self.spec = spec
        self.name = spec.full_name.encode("ascii")
        self.arity = spec.arity
        self.flags = spec.flags
        self.first_key, self.last_key, self.key_step = spec.key_range
        self.counted = (0, 0)
        self.key_word = b""
        for keys in spec.keys:
            begin, find = keys.begin, keys.find
            if isinstance(begin, Index) and isinstance(find, KeyNum):
                self.counted = begin.pos + find.count, find.step
            elif (
                isinstance(begin, Keyword)
                and isinstance(find, Range)
                and (find.limit, begin.start) == (2, 1)
            ):
                self.key_word = begin.word.lower().encode("ascii")
        self.python = spec.python
        self.handler = handler
        self.subcommands = subcommands

    def __repr__(self) -> str:
        return f"<Bound {self.spec.full_name}>"


def bind(
    specs: Iterable[Command],
    modules: Iterable[ModuleType],
    python_modules: Sequence[str],
) -> list[Bound]:
    """Join each declaration with its handler.

    modules: compiled modules whose C API holds the ``cmd_*`` handlers.
    python_modules: names of the modules in which ``python=True`` handlers are.
    Raises: RegistryError if one lacks the other or a C signature is not a handler's.
    """
    capsules = _handlers_of(modules)
    specs = list(specs)
    table(specs)
    bound = [_bind_one(spec, capsules, python_modules) for spec in specs]
    if capsules:
        left = ", ".join(sorted(capsules))
        raise RegistryError(f"compiled handlers without a declaration: {left}")
    return bound


def resolve_all(bound: Iterable[Bound]) -> None:
    """Import every Python handler now.

    Raises: RegistryError if one of them does not exist.
    """
    for command in bound:
        if isinstance(command.handler, PythonHandler):
            command.handler.resolve()
        resolve_all(command.subcommands)


def _handlers_of(modules: Iterable[ModuleType]) -> dict[str, object]:
    """Collect the compiled handlers by name, and check what they are."""
    capsules: dict[str, object] = {}
    for module in modules:
        for name, capsule in getattr(module, "__pyx_capi__", {}).items():
            if not name.startswith("cmd_"):
                continue
            if name in capsules:
                raise RegistryError(f"{name} is exported by two modules")
            signature = _signature(capsule)
            if not _is_handler(signature):
                raise RegistryError(
                    f"{module.__name__}.{name} is no handler but {signature}"
                )
            capsules[name] = capsule
    return capsules


def _signature(capsule: object) -> str:
    """Return the C signature of a capsule, which is its name and part of its repr."""
    _, _, rest = repr(capsule).partition('<capsule object "')
    signature, quote, _ = rest.rpartition('" at ')
    return signature if quote else repr(capsule)


def _is_handler(signature: str) -> bool:
    """Tell whether a C signature is that of a handler: one client_t *, no result.

    The name of the type may have a prefix, by which Cython tells modules apart.
    """
    return (
        signature.startswith("void (")
        and signature.endswith("client_t *)")
        and "," not in signature
    )


def _bind_one(
    spec: Command, capsules: dict[str, object], python_modules: Sequence[str]
) -> Bound:
    """Bind a command and its subcommands; take what is used out of ``capsules``."""
    subcommands = [
        _bind_one(sub, capsules, python_modules) for sub in spec.subcommands.values()
    ]
    handler: Any = None
    if spec.handler is not None:
        handler = spec.handler
    elif spec.has_handler and spec.python:
        handler = PythonHandler(spec.handler_name, python_modules)
    elif spec.has_handler:
        handler = capsules.pop("cmd_" + spec.handler_name, None)
        if handler is None:
            raise RegistryError(f"{spec.full_name} has no handler")
    return Bound(spec, handler, subcommands)


# --- Keys -------------------------------------------------------------------


def has_keys(spec: Command) -> bool:
    """Tell whether the command can have keys among its arguments."""
    return spec.find_keys is not None or any(
        not key_spec.flags & KEY_NOT_KEY for key_spec in spec.keys
    )


def getkeys(spec: Command, argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the keys of a command line: index in argv, and KEY_* flags, of each.

    The number of arguments must fit the arity.
    Raises: ReplyError if the arguments say something impossible about the keys.
    """
    if spec.find_keys is not None:
        return spec.find_keys(argv)
    keys: list[tuple[int, int]] = []
    for key_spec in spec.keys:
        if not key_spec.flags & KEY_NOT_KEY:
            keys += [(index, key_spec.flags) for index in _positions(key_spec, argv)]
    return keys


def _positions(spec: KeySpec, argv: Sequence[bytes]) -> Iterator[int]:
    """Return where the keys of one specification stand."""
    first = _begin(spec.begin, argv)
    if first is None:
        return iter(())
    find, argc = spec.find, len(argv)
    if isinstance(find, Range):
        if find.last >= 0:
            last = first + find.last
        elif find.limit > 1:
            last = first + (argc - first) // find.limit + find.last
        else:
            last = argc + find.last
    elif isinstance(find, KeyNum):
        at = first + find.count
        count = _count(argv[at]) if at < argc else 0
        first += find.first
        last = first + (count - 1) * find.step
    else:
        return iter(())
    if not 0 < first <= last < argc:
        raise ReplyError("ERR Invalid arguments specified for command")
    return iter(range(first, last + 1, find.step))


def _begin(begin: object, argv: Sequence[bytes]) -> int | None:
    """Return where the search for keys begins, None if there are none."""
    if isinstance(begin, Index):
        return begin.pos
    if isinstance(begin, Keyword):
        argc = len(argv)
        if begin.start > 0:
            places = range(begin.start, argc)
        else:
            places = range(argc + begin.start, 0, -1)
        word = begin.word.lower().encode()
        for place in places:
            if argv[place].lower() == word:
                return place + 1 if place + 1 < argc else None
    return None


def _count(text: bytes) -> int:
    """Return a number of keys; 0, which is never right, if it is no number."""
    digits = text.isdigit() and len(text) < 10
    return int(text) if digits else 0
