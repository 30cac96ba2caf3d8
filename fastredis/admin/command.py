# SPDX-License-Identifier: BSD-3-Clause
"""COMMAND and its subcommands: what the server tells clients about its commands.

Everything here is read from the declarations in ``ctx.server.specs``, which maps the
lower-case name of each command, including those that users registered, to its
declaration. Replies have the shape that Redis gives them; what varies between its
versions follows Redis 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastredis.commands.registry import arity_fits, find, getkeys, has_keys, lookup
from fastredis.commands.spec.model import (
    ACL_BITS,
    KEY_FLAG_NAMES,
    NO_MANDATORY_KEYS,
    Index,
    KeyNum,
    Keyword,
    Range,
    names_of,
)
from fastredis.commands.spec.syntax import help_lines
from fastredis.resp.values import ReplyError, ReplySet, SimpleString

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fastredis.commands.spec.model import Arg, Command, KeySpec

_SYNTAX_ERROR = "ERR syntax error"


# --- Handlers ---------------------------------------------------------------


def command(ctx: Any) -> list[Any]:
    """Describe every command."""
    return [_info(spec) for spec in ctx.server.specs.values()]


def command_count(ctx: Any) -> int:
    """Count the commands; subcommands do not count."""
    return len(ctx.server.specs)


def command_info(ctx: Any, *names: bytes) -> list[Any]:
    """Describe the named commands, or all."""
    if not names:
        return command(ctx)
    found = [find(ctx.server.specs, name) for name in names]
    return [_info(spec) if spec else None for spec in found]


def command_docs(ctx: Any, *names: bytes) -> dict[str, Any]:
    """Document the named commands, or all; unknown names are passed over."""
    specs: Mapping[str, Command] = ctx.server.specs
    chosen: Iterable[Command | None] = specs.values()
    if names:
        chosen = [find(specs, name) for name in names]
    return {spec.full_name: _docs(spec) for spec in chosen if spec}


def command_list(ctx: Any, *args: bytes) -> list[str]:
    """Name the commands and subcommands, or those that pass a filter.

    Raises: ReplyError for arguments that are no filter.
    """
    every = [spec for top in ctx.server.specs.values() for spec in top.walk()]
    if not args:
        return [spec.full_name for spec in every]
    if len(args) != 3 or args[0].lower() != b"filterby":
        raise ReplyError(_SYNTAX_ERROR)
    passes = _filter(args[1].lower(), args[2].decode("latin-1"))
    return [spec.full_name for spec in every if passes(spec)]


def command_getkeys(ctx: Any, *argv: bytes) -> list[bytes]:
    """Find the keys of a command line.

    Raises: ReplyError if there is no such command, or it cannot have keys, or the
        arguments do not suit it.
    """
    return [argv[index] for index, _ in _keys_of(ctx, argv)]


def command_getkeysandflags(ctx: Any, *argv: bytes) -> list[list[Any]]:
    """Find the keys of a command line, and what the command does to each.

    Raises: ReplyError as command_getkeys does.
    """
    return [[argv[index], _key_flags(flags)] for index, flags in _keys_of(ctx, argv)]


def command_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["command"])


# --- COMMAND INFO -----------------------------------------------------------


def _info(spec: Command) -> list[Any]:
    """Return the ten fields that describe a command."""
    first, last, step = spec.key_range
    subcommands = [_info(sub) for sub in spec.subcommands.values()]
    return [
        spec.full_name,
        spec.arity,
        _simple_set(spec.flag_names()),
        first,
        last,
        step,
        _simple_set(spec.acl_names()),
        ReplySet(spec.tips),
        ReplySet(map(_key_spec, spec.keys)),
        subcommands or ReplySet(),
    ]


def _simple_set(names: Iterable[str]) -> ReplySet:
    """Return names as a set of simple strings."""
    return ReplySet(map(SimpleString, names))


def _key_flags(flags: int) -> ReplySet:
    """Return the names of key flags."""
    return _simple_set(names_of(flags, KEY_FLAG_NAMES))


def _key_spec(spec: KeySpec) -> dict[str, Any]:
    """Return the map that describes a key specification."""
    begin, find_rule = spec.begin, spec.find
    begin_type, begin_spec = "unknown", dict[str, Any]()
    if isinstance(begin, Index):
        begin_type, begin_spec = "index", {"index": begin.pos}
    elif isinstance(begin, Keyword):
        begin_type = "keyword"
        begin_spec = {"keyword": begin.word, "startfrom": begin.start}
    find_type, find_spec = "unknown", dict[str, Any]()
    if isinstance(find_rule, Range):
        find_type = "range"
        find_spec = {
            "lastkey": find_rule.last,
            "keystep": find_rule.step,
            "limit": find_rule.limit,
        }
    elif isinstance(find_rule, KeyNum):
        find_type = "keynum"
        find_spec = {
            "keynumidx": find_rule.count,
            "firstkey": find_rule.first,
            "keystep": find_rule.step,
        }
    reply: dict[str, Any] = {"notes": spec.notes} if spec.notes else {}
    reply["flags"] = _key_flags(spec.flags)
    reply["begin_search"] = {"type": begin_type, "spec": begin_spec}
    reply["find_keys"] = {"type": find_type, "spec": find_spec}
    return reply


# --- COMMAND DOCS -----------------------------------------------------------


def _docs(spec: Command) -> dict[str, Any]:
    """Return the map that documents a command; what is empty is left out."""
    reply: dict[str, Any] = {
        "summary": spec.summary,
        "since": spec.since,
        "group": spec.group,
    }
    if spec.cost:
        reply["complexity"] = spec.cost
    if spec.module is not None:
        reply["module"] = spec.module
    doc_flags = [
        name
        for name, is_set in (("deprecated", spec.deprecated), ("syscmd", spec.syscmd))
        if is_set
    ]
    if doc_flags:
        reply["doc_flags"] = _simple_set(doc_flags)
    if spec.deprecated is not None:
        reply["deprecated_since"] = spec.deprecated
    if spec.replaced_by is not None:
        reply["replaced_by"] = spec.replaced_by
    if spec.history:
        reply["history"] = ReplySet(list(change) for change in spec.history)
    if spec.args:
        reply["arguments"] = [_arg(arg) for arg in spec.args]
    if spec.subcommands:
        reply["subcommands"] = {
            sub.full_name: _docs(sub) for sub in spec.subcommands.values()
        }
    return reply


def _arg(arg: Arg) -> dict[str, Any]:
    """Return the map that documents an argument."""
    reply: dict[str, Any] = {"name": arg.name, "type": arg.kind}
    if not arg.args:
        reply["display_text"] = arg.display
    if arg.key_spec is not None:
        reply["key_spec_index"] = arg.key_spec
    extras = {
        "token": arg.token,
        "summary": arg.summary,
        "since": arg.since,
        "deprecated_since": arg.deprecated,
    }
    reply.update((name, text) for name, text in extras.items() if text is not None)
    flags = [
        name
        for name, is_set in (
            ("optional", arg.optional),
            ("multiple", arg.multiple),
            ("multiple_token", arg.multiple_token),
        )
        if is_set
    ]
    if flags:
        reply["flags"] = _simple_set(flags)
    if arg.args:
        reply["arguments"] = [_arg(inner) for inner in arg.args]
    return reply


# --- COMMAND LIST -----------------------------------------------------------


def _filter(kind: bytes, value: str) -> Callable[[Command], bool]:
    """Return the test for COMMAND LIST FILTERBY.

    Raises: ReplyError if there is no such filter.
    """
    if kind == b"module":
        return lambda spec: spec.module == value
    if kind == b"aclcat":
        bit = ACL_BITS.get(value.lower(), 0)
        return lambda spec: bool(spec.acl & bit)
    if kind == b"pattern":
        return lambda spec: _glob(value.lower(), spec.full_name)
    raise ReplyError(_SYNTAX_ERROR)


def _glob(pattern: str, text: str) -> bool:
    """Match a glob-style pattern as Redis does, both given in lower case.

    ``*`` any text, ``?`` one character, ``[abc]``, ``[a-z]`` and ``[^abc]`` one of a
    set, which a missing bracket leaves open to the end, and ``\\`` takes the next
    character literally.
    """
    at = star = 0
    resume = -1  # where the text goes on when the latest * takes one character more
    place = 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            at += 1
            star, resume = at, place
            continue
        end = _glob_one(pattern, at, text[place]) if at < len(pattern) else 0
        if end:
            at, place = end, place + 1
        elif resume >= 0:
            resume += 1
            at, place = star, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _glob_one(pattern: str, at: int, char: str) -> int:
    """Match one character; return where the pattern goes on, 0 for no match."""
    if pattern[at] == "?":
        return at + 1
    if pattern[at] != "[":
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
        return at + 1 if pattern[at] == char else 0
    at += 1
    negated = pattern[at : at + 1] == "^"
    at += negated
    matches = False
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            matches = matches or pattern[at] == char
        elif at + 2 < len(pattern) and pattern[at + 1] == "-":
            low, high = sorted((pattern[at], pattern[at + 2]))
            matches = matches or low <= char <= high
            at += 2
        else:
            matches = matches or pattern[at] == char
        at += 1
    return min(at + 1, len(pattern)) if matches != negated else 0


# --- COMMAND GETKEYS --------------------------------------------------------


def _keys_of(ctx: Any, argv: tuple[bytes, ...]) -> list[tuple[int, int]]:
    """Return index and flags of each key of a command line."""
    spec = lookup(ctx.server.specs, argv)
    if spec is None:
        raise ReplyError("ERR Invalid command specified")
    if not has_keys(spec):
        raise ReplyError("ERR The command has no key arguments")
    if not arity_fits(spec, len(argv)):
        raise ReplyError("ERR Invalid number of arguments specified for command")
    try:
        return getkeys(spec, argv)
    except ReplyError:
        if spec.flags & NO_MANDATORY_KEYS:
            return []
        raise
