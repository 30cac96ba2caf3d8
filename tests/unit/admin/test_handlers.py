# SPDX-License-Identifier: BSD-3-Clause
"""Every command that is declared as handled in Python has its function."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest

from fastredis.commands.registry import (
    Bound,
    PythonHandler,
    RegistryError,
    bind,
    load_specs,
    resolve_all,
)
from fastredis.server import HANDLER_MODULES, PYTHON_MODULES


def bound_with(modules: tuple[str, ...]) -> list[Bound]:
    """Bind all declarations, Python handlers being looked for in these modules."""
    return bind(load_specs(), map(import_module, HANDLER_MODULES), modules)


def python_handlers(commands: list[Bound]) -> Iterator[tuple[Bound, PythonHandler]]:
    """Return the commands handled in Python, subcommands included."""
    for command in commands:
        if isinstance(command.handler, PythonHandler):
            yield command, command.handler
        yield from python_handlers(command.subcommands)


def test_every_python_handler_is_found() -> None:
    bound = bound_with(PYTHON_MODULES)
    resolve_all(bound)
    assert {"info", "debug", "shutdown"} <= {
        command.name.decode() for command, _ in python_handlers(bound)
    }


@pytest.mark.parametrize("missing", PYTHON_MODULES)
def test_every_module_has_a_handler(missing: str) -> None:
    others = tuple(name for name in PYTHON_MODULES if name != missing)
    with pytest.raises(RegistryError, match="no handler"):
        resolve_all(bound_with(others))


def test_handlers_take_what_the_arity_lets_through() -> None:
    for command, handler in python_handlers(bound_with(PYTHON_MODULES)):
        if command.subcommands:
            continue  # called without arguments only; all others are subcommands
        parameters = list(inspect.signature(handler.resolve()).parameters.values())
        names = 1 + command.name.count(b"|")
        fewest = abs(command.arity) - names
        is_open = parameters[-1].kind is inspect.Parameter.VAR_POSITIONAL
        required = [
            p
            for p in parameters[1:]
            if p.kind is not inspect.Parameter.VAR_POSITIONAL and p.default is p.empty
        ]
        assert is_open == (command.arity < 0), command
        assert len(required) <= fewest, command
        if not is_open:
            assert len(parameters) - 1 == fewest, command
