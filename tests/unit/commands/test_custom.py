# SPDX-License-Identifier: BSD-3-Clause
"""Commands that users register."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import fastredis
from fastredis.commands import custom
from fastredis.commands.custom import REGISTERED, command, load_file
from fastredis.commands.registry import bind
from fastredis.commands.spec.model import READONLY, one_key
from fastredis.resp.values import ReplyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = list(REGISTERED)
    REGISTERED.clear()
    yield
    REGISTERED[:] = before


def test_a_function_becomes_a_command() -> None:
    @command("Cart.Add", flags=READONLY, keys=one_key("RO"))
    def add(ctx: Any, cart: bytes, item: bytes) -> list[Any]:
        """Put something into a cart.

        More about it.
        """
        return [ctx, cart, item]

    assert add(1, b"c", b"i") == [1, b"c", b"i"]  # the function stays what it was
    (spec,) = REGISTERED
    assert (spec.name, spec.full_name, spec.arity) == ("CART.ADD", "cart.add", 3)
    assert (spec.group, spec.python, spec.module) == ("custom", True, __name__)
    assert spec.summary == "Put something into a cart."
    assert spec.key_range == (1, 1, 1)
    assert [arg.name for arg in spec.args] == ["cart", "item"]
    assert spec.flag_names() == ["readonly", "module"]
    (bound,) = bind(REGISTERED, [], [])
    assert bound.handler(1, b"c", b"i") == [1, b"c", b"i"]


def test_the_decorator_is_part_of_the_package() -> None:
    assert fastredis.command is command


@pytest.mark.parametrize(
    ("function", "arity"),
    [
        (lambda ctx: 0, 1),
        (lambda ctx, a, b: 0, 3),
        (lambda ctx, a, b=b"": 0, -2),
        (lambda ctx, a=b"": 0, -1),
        (lambda ctx, a, *more: 0, -2),
        (lambda ctx, *more: 0, -1),
        (lambda *everything: 0, -1),
        (lambda ctx, a, *, option=1: 0, 2),
    ],
)
def test_arity_follows_from_the_function(function: Any, arity: int) -> None:
    command("MY.CMD", summary="X.")(function)
    assert REGISTERED[0].arity == arity


def test_arity_can_be_given() -> None:
    command("MY.CMD", arity=-4)(lambda ctx, *args: 0)
    assert REGISTERED[0].arity == -4


def test_more_arguments_than_the_function_takes() -> None:
    @command("MY.CMD")
    def mine(ctx: Any, a: bytes, b: bytes = b"default") -> list[bytes]:
        return [a, b]

    handler = REGISTERED[0].handler
    assert handler is not None
    assert handler(None, b"1") == [b"1", b"default"]
    assert handler(None, b"1", b"2") == [b"1", b"2"]
    with pytest.raises(
        ReplyError, match=r"^ERR wrong number of arguments for 'my.cmd' command$"
    ):
        handler(None, b"1", b"2", b"3")


@pytest.mark.parametrize(
    "name", ["", "a b", "a\tb", "a\n", "a|b", "x\u00e9", "\x7f", "x" * 64]
)
def test_names_that_no_client_could_send(name: str) -> None:
    with pytest.raises(ValueError, match="a command's name"):
        command(name)


def test_the_longest_name() -> None:
    command("x" * 63)(lambda ctx: 0)
    assert len(REGISTERED) == 1


@pytest.mark.parametrize("name", ["GET", "get", "Config"])
def test_built_in_names(name: str) -> None:
    with pytest.raises(ValueError, match="is a built-in command"):
        command(name)


def test_a_name_that_another_function_has() -> None:
    command("MY.CMD")(lambda ctx: 0)

    def other(ctx: Any) -> int:
        return 1

    with pytest.raises(ValueError, match=r"MY\.CMD is registered already"):
        command("my.cmd")(other)


def test_the_same_function_again_replaces_itself() -> None:
    def define(result: int) -> None:
        @command("MY.CMD")
        def mine(ctx: Any, a: bytes = b"") -> int:
            return result

    define(1)
    define(2)
    (spec,) = REGISTERED
    assert spec.handler is not None
    assert spec.handler(None) == 2


@pytest.mark.parametrize("thing", [len, int, object()])
def test_what_is_no_function(thing: Any) -> None:
    with pytest.raises(TypeError, match="must be a Python function"):
        command("MY.CMD")(thing)


def test_functions_that_cannot_be_called_as_commands() -> None:
    with pytest.raises(TypeError, match="must take the context first"):
        command("MY.CMD")(lambda: 0)
    with pytest.raises(TypeError, match="needs keyword arguments"):
        command("MY.CMD")(lambda ctx, *, needed: 0)
    assert REGISTERED == []


# --- Files -------------------------------------------------------------------

FILE = """
import json
import fastredis

@fastredis.command("FILE.{name}")
def handler(ctx, text: bytes):
    '''Parse JSON.'''
    return json.loads(text)
"""


def test_load_file(tmp_path: Path) -> None:
    # The file may have the name of a module that it imports.
    path = tmp_path / "json.py"
    path.write_text(FILE.format(name="ONE"))
    command("MY.CMD")(lambda ctx: 0)
    (spec,) = load_file(path)
    assert (spec.name, spec.module, spec.summary) == ("FILE.ONE", "json", "Parse JSON.")
    assert spec.handler is not None
    assert spec.handler(None, b"[1]") == [1]
    assert spec is REGISTERED[1]


def test_load_file_again_replaces(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="ONE"))
    load_file(path)
    (spec,) = load_file(str(path))
    assert [spec] == REGISTERED


def test_a_file_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(name="ONE") + "\n1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_file(path)
    assert REGISTERED == []


def test_the_examples_of_the_documentation(tmp_path: Path) -> None:
    text = custom.__doc__ or ""
    blocks = [part for part in text.split("::\n")[1:]]
    code = ""
    for part in blocks:
        lines = part.split("\n")
        code += "\n".join(
            line[4:] for line in lines if line.startswith("    ") or not line
        )
    path = tmp_path / "examples.py"
    path.write_text(code)
    greet, cappend = load_file(path)
    assert (greet.full_name, greet.arity) == ("greet", 2)
    assert (cappend.full_name, cappend.arity) == ("cappend", 3)
    assert cappend.flag_names() == ["write", "module", "fast"]

    class Context:
        def call(self, *command: bytes | str) -> Any:
            self.called = command
            return 7

    ctx = Context()
    assert greet.handler is not None
    assert greet.handler(ctx, b"world") == "hello, world"
    assert ctx.called == ("INCR", b"greetings:world")
    assert cappend.handler is not None
    assert cappend.handler(ctx, b"k", b"v") == 7
    assert ctx.called == ("APPEND", b"k", b",v")
