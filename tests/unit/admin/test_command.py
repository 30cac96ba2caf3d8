# SPDX-License-Identifier: BSD-3-Clause
"""COMMAND and its subcommands, called as functions."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from fastredis.admin.command import (
    _glob,
    command,
    command_count,
    command_docs,
    command_getkeys,
    command_getkeysandflags,
    command_help,
    command_info,
    command_list,
)
from fastredis.commands.registry import load_specs, table
from fastredis.commands.spec.model import (
    NO_MANDATORY_KEYS,
    Command,
    KeySpec,
    Keyword,
    Range,
    Unknown,
    counted_keys,
    string,
)
from fastredis.resp.values import ReplyError, ReplySet, SimpleString
from support.reference_server import SERVER, Reference, encode, reference_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SPECS = table(load_specs())
CTX = SimpleNamespace(server=SimpleNamespace(specs=SPECS))


def context(*specs: Command) -> Any:
    return SimpleNamespace(server=SimpleNamespace(specs=table(specs)))


def declare(name: str, **fields: Any) -> Command:
    return Command(name, **{"since": "1.0.0", "arity": -1, "summary": "X.", **fields})


# --- COMMAND, COUNT, INFO ----------------------------------------------------


def test_command_describes_everything() -> None:
    replies = command(CTX)
    assert [reply[0] for reply in replies] == list(SPECS)
    assert command_info(CTX) == replies
    assert command_count(CTX) == len(replies)


def test_info_of_a_command() -> None:
    (get,) = command_info(CTX, b"GET")
    assert get[:2] == ["get", 2]
    assert get[2] == ("readonly", "fast")
    assert get[3:6] == [1, 1, 1]
    assert get[6] == ("@read", "@string", "@fast")
    assert get[7] == ()
    assert get[8][0]["flags"] == ("RO", "access")
    assert get[8][0]["begin_search"] == {"type": "index", "spec": {"index": 1}}
    assert get[9] == ()
    assert all(type(get[place]) is ReplySet for place in (2, 6, 7, 8, 9))
    assert type(get[2][0]) is type(get[6][0]) is SimpleString


def test_info_of_subcommands_and_of_nothing() -> None:
    sub, nothing, container = command_info(CTX, b"config|GET", b"nosuch", b"object")
    assert sub[0] == "config|get"
    assert nothing is None
    assert [entry[0] for entry in container[9]] == [
        "object|encoding",
        "object|freq",
        "object|help",
        "object|idletime",
        "object|refcount",
    ]


def test_info_of_other_key_rules() -> None:
    ctx = context(
        declare(
            "X",
            keys=[
                KeySpec("RO", Keyword("STREAMS", 1), Range(-1, 1, 2), "Some notes"),
                counted_keys("RO"),
                KeySpec("OW", Unknown(), Unknown()),
            ],
        )
    )
    ((*_, key_specs, _),) = command_info(ctx, b"x")
    assert key_specs[0]["notes"] == "Some notes"
    assert key_specs[0]["begin_search"] == {
        "type": "keyword",
        "spec": {"keyword": "STREAMS", "startfrom": 1},
    }
    assert key_specs[0]["find_keys"] == {
        "type": "range",
        "spec": {"lastkey": -1, "keystep": 1, "limit": 2},
    }
    assert key_specs[1]["find_keys"] == {
        "type": "keynum",
        "spec": {"keynumidx": 0, "firstkey": 1, "keystep": 1},
    }
    assert key_specs[2]["begin_search"] == {"type": "unknown", "spec": {}}
    assert key_specs[2]["find_keys"] == {"type": "unknown", "spec": {}}


# --- DOCS --------------------------------------------------------------------


def test_docs_of_chosen_commands() -> None:
    docs = command_docs(CTX, b"GETSET", b"nosuch", b"config|set")
    assert list(docs) == ["getset", "config|set"]
    assert list(docs["getset"]) == [
        "summary",
        "since",
        "group",
        "complexity",
        "doc_flags",
        "deprecated_since",
        "replaced_by",
        "arguments",
    ]
    assert docs["getset"]["doc_flags"] == ("deprecated",)
    assert docs["config|set"]["group"] == "server"
    assert docs["config|set"]["history"][0][0] == "7.0.0"
    assert command_docs(CTX, b"nosuch") == {}


def test_docs_of_everything() -> None:
    docs = command_docs(CTX)
    assert list(docs) == list(SPECS)
    assert list(docs["config"]["subcommands"]) == [
        "config|get",
        "config|help",
        "config|resetstat",
        "config|rewrite",
        "config|set",
    ]
    assert docs["debug"]["doc_flags"] == ("syscmd",)
    assert "arguments" not in docs["quit"]


def test_docs_of_arguments() -> None:
    (arg,) = command_docs(CTX, b"copy")["copy"]["arguments"][2:3]
    assert arg == {
        "name": "destination-db",
        "type": "integer",
        "display_text": "destination-db",
        "token": "DB",
        "flags": ReplySet(["optional"]),
    }
    (block,) = command_docs(CTX, b"mset")["mset"]["arguments"]
    assert list(block) == ["name", "type", "flags", "arguments"]
    assert block["arguments"][0]["key_spec_index"] == 0


def test_docs_of_a_users_command() -> None:
    args = [string("s", summary="Text.", deprecated="2.0.0", since="1.5.0")]
    ctx = context(declare("X", group="custom", module="mine", args=args))
    docs = command_docs(ctx)["x"]
    assert list(docs) == ["summary", "since", "group", "module", "arguments"]
    assert docs["module"] == "mine"
    assert list(docs["arguments"][0].items())[3:] == [
        ("summary", "Text."),
        ("since", "1.5.0"),
        ("deprecated_since", "2.0.0"),
    ]


# --- LIST --------------------------------------------------------------------


def test_list_of_everything_has_subcommands() -> None:
    names = command_list(CTX)
    assert len(names) == len(set(names)) > len(SPECS)
    assert {"get", "config", "config|get"} <= set(names)


def test_list_by_category() -> None:
    names = command_list(CTX, b"FILTERBY", b"ACLCAT", b"String")
    assert sorted(names) == sorted(
        spec.full_name for spec in SPECS.values() if spec.group == "string"
    )
    assert command_list(CTX, b"filterby", b"aclcat", b"nosuch") == []
    assert command_list(CTX, b"filterby", b"aclcat", b"@string") == []


def test_list_by_pattern() -> None:
    assert command_list(CTX, b"filterby", b"pattern", b"*FIG|S*") == ["config|set"]
    assert command_list(CTX, b"filterby", b"pattern", b"nosuch") == []


def test_list_by_module() -> None:
    ctx = context(declare("X", module="mine"), declare("Y"), declare("Z", module="m"))
    assert command_list(ctx, b"filterby", b"module", b"mine") == ["x"]
    assert command_list(ctx, b"filterby", b"module", b"nosuch") == []


@pytest.mark.parametrize(
    "line", ["x", "filterby", "filterby module", "filterby x y", "x aclcat string"]
)
def test_list_by_something_else(line: str) -> None:
    with pytest.raises(ReplyError, match=r"^ERR syntax error$"):
        command_list(CTX, *line.encode().split())


# --- GETKEYS -----------------------------------------------------------------


def test_getkeys() -> None:
    assert command_getkeys(CTX, b"mset", b"a", b"1", b"b", b"2") == [b"a", b"b"]
    assert command_getkeys(CTX, b"OBJECT", b"freq", b"a") == [b"a"]


def test_getkeysandflags() -> None:
    ((name, flags),) = command_getkeysandflags(CTX, b"SET", b"a", b"1", b"GET")
    assert name == b"a"
    assert flags == ("RW", "access", "update")
    assert type(flags) is ReplySet


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("nosuch a", "ERR Invalid command specified"),
        ("object nosuch a", "ERR Invalid command specified"),
        ("ping a", "ERR The command has no key arguments"),
        ("object", "ERR The command has no key arguments"),
        ("config get a", "ERR The command has no key arguments"),
        ("get", "ERR Invalid number of arguments specified for command"),
        ("get a b", "ERR Invalid number of arguments specified for command"),
        ("msetex 3 a 1 b 2", "ERR Invalid arguments specified for command"),
    ],
)
def test_getkeys_errors(line: str, error: str) -> None:
    for function in (command_getkeys, command_getkeysandflags):
        with pytest.raises(ReplyError, match=f"^{error}$"):
            function(CTX, *line.encode().split())


def test_getkeys_where_keys_are_not_mandatory() -> None:
    spec = declare("X", keys=counted_keys("RO", at=2), flags=NO_MANDATORY_KEYS)
    assert command_getkeys(context(spec), b"x", b"script", b"0") == []
    assert command_getkeys(context(spec), b"x", b"script", b"1", b"a") == [b"a"]


def test_help() -> None:
    lines = command_help(CTX)
    assert any(line.startswith("GETKEYS <command>") for line in lines)
    assert all(type(line) is SimpleString for line in lines)


# --- Patterns ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("a*c", "abbc", True),
        ("a*c*", "abbcb", True),
        ("*a*b", "aacab", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[abc]x", "bx", True),
        ("[^abc]x", "bx", False),
        ("[a-c]x", "bx", True),
        ("[c-a]x", "bx", True),
        ("[a", "a", True),
        ("[]x", "x", False),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("[\\]]", "]", True),
        ("a**", "a", True),
        ("a\\", "a\\", True),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:
    assert _glob(pattern, text) == expected


# --- Against Redis -----------------------------------------------------------


@pytest.fixture(scope="module")
def redis() -> Iterator[Reference]:
    if SERVER is None:
        pytest.skip("no redis-server is installed")
    with reference_server() as server:
        yield server


@pytest.mark.parametrize("version", [2, 3])
def test_replies_byte_for_byte(redis: Reference, version: int) -> None:
    redis.ask("HELLO", str(version))
    try:
        names = "get mset copy ping dbsize config|set object|freq info del nosuch"
        words = [name.encode() for name in names.split()]
        assert encode(command_info(CTX, *words), version) == redis.ask(
            "COMMAND", "INFO", *words
        )
        for line in ("set a b GET", "copy a b", "exists a b", "object freq a"):
            words = line.encode().split()
            assert encode(command_getkeysandflags(CTX, *words), version) == redis.ask(
                "COMMAND", "GETKEYSANDFLAGS", *words
            )
            assert encode(command_getkeys(CTX, *words), version) == redis.ask(
                "COMMAND", "GETKEYS", *words
            )
    finally:
        redis.ask("HELLO", "2")


def test_patterns_as_redis_understands_them(redis: Reference) -> None:
    rng = random.Random(3)
    pieces = ["*", "?", "[a-g]", "[^ag]", "[", "]", "\\", "e", "t", "S", "[t-e]", "|"]
    theirs_all = redis.values("COMMAND", "LIST")
    ours_all = set(command_list(CTX)) & set(theirs_all)
    hits = 0
    for _ in range(400):
        pattern = "".join(rng.choices(pieces, k=rng.randrange(1, 7)))
        if pattern.endswith("\\"):
            continue  # what a lone backslash means is of no consequence
        theirs = redis.values("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern)
        ours = command_list(CTX, b"filterby", b"pattern", pattern.encode())
        assert set(ours) & ours_all == set(theirs) & ours_all, pattern
        hits += bool(theirs)
    assert hits > 20
