# SPDX-License-Identifier: BSD-3-Clause
"""Usage lines and HELP."""

from __future__ import annotations

import pytest

from fastredis.commands.registry import load_specs, table
from fastredis.commands.spec.model import (
    Command,
    block,
    integer,
    key,
    oneof,
    string,
    token,
)
from fastredis.commands.spec.syntax import help_lines, usage
from fastredis.resp.values import SimpleString

SPECS = table(load_specs())


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], "X"),
        ([key()], "X <key>"),
        ([string("a", display="b")], "X <b>"),
        ([key(multiple=True)], "X <key> [<key> ...]"),
        ([string("s" * 200, multiple=True)], f"X <{'s' * 200}> [...]"),
        ([key(multiple=True, optional=True)], "X [<key> ...]"),
        ([integer("n", token="COUNT", optional=True)], "X [COUNT <n>]"),
        ([integer("n", token="ID", multiple=True)], "X ID <n> [<n> ...]"),
        (
            [string("p", token="PREFIX", multiple=True, multiple_token=True)],
            "X PREFIX <p> [PREFIX <p> ...]",
        ),
        ([oneof("o", token("NX"), token("XX"), optional=True)], "X [NX | XX]"),
        ([oneof("o", token("ON"), token("OFF"))], "X <ON | OFF>"),
        (
            [oneof("o", token("A"), string("s", optional=True), token="BY")],
            "X BY <A | <s>>",
        ),
        (
            [block("b", key(), string("value"), multiple=True)],
            "X <key> <value> [<key> <value> ...]",
        ),
        (
            [block("b", string("u"), string("p"), token="AUTH", optional=True)],
            "X [AUTH <u> <p>]",
        ),
    ],
)
def test_usage(args: list[object], expected: str) -> None:
    spec = Command("X", since="1.0.0", arity=-1, summary="X.", args=args)
    assert usage(spec) == expected


def test_help() -> None:
    lines = help_lines(SPECS["object"])
    assert all(type(line) is SimpleString for line in lines)
    assert lines[0].startswith("OBJECT <subcommand>")
    at = lines.index("ENCODING <key>")
    assert lines[at + 1].startswith("    ")
    assert lines[-2] == "HELP"
    assert len(lines) == 1 + 2 * len(SPECS["object"].subcommands)


def test_help_of_a_container_that_also_works_alone() -> None:
    lines = help_lines(SPECS["command"])
    assert lines[1] == "(none)"
    assert lines[2] == "    " + SPECS["command"].summary
