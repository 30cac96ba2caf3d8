# SPDX-License-Identifier: BSD-3-Clause
"""The declarations agree with themselves and, where one is installed, with Redis."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

import fastredis
from fastredis.admin.command import command as describe_all
from fastredis.admin.command import command_docs
from fastredis.commands.registry import load_specs, table
from fastredis.commands.spec import model
from fastredis.commands.spec.model import Command
from support.reference_server import SERVER, Reference, reference_server

ROOT = Path(fastredis.__file__).parent
SPECS = load_specs()
EVERY = [spec for top in SPECS for spec in top.walk()]
CTX = SimpleNamespace(server=SimpleNamespace(specs=table(SPECS)))

GEOSEARCH = ("GEOSEARCH", "GEOSEARCHSTORE")

# Where Redis 7.0 (the version most distributions have) and 8 differ, this follows 8.
NEWER_ARITY = {"command|getkeys", "command|getkeysandflags", "zrank", "zrevrank"}
NEWER_TIPS = {"client|setname", "config|resetstat", "msetnx", "randomkey", "scan"}

# Groups whose module is called differently; a large group has several modules.
FILES = {"sorted-set": "zset"}


def parent(file: str) -> str:
    """Return the group of a module like cmd_server_observe."""
    return file.partition("_")[0]


def named(specs: list[Command]) -> list[object]:
    return [pytest.param(spec, id=spec.full_name) for spec in specs]


# --- Each declaration by itself ----------------------------------------------


def test_modules_hold_one_group_each_under_the_commands_own_names() -> None:
    seen = 0
    for path in (ROOT / "commands" / "spec").glob("cmd_*.py"):
        module = import_module(f"fastredis.commands.spec.{path.stem}")
        for name, value in vars(module).items():
            if isinstance(value, Command):
                seen += 1
                assert name == value.name.replace(".", "_").replace("-", "_")
                file = path.stem.removeprefix("cmd_")
                assert FILES.get(value.group, value.group) in (file, parent(file))
    assert seen == len(SPECS) > 60


def test_commands_stand_in_the_order_of_the_alphabet() -> None:
    for path in (ROOT / "commands" / "spec").glob("cmd_*.py"):
        module = import_module(f"fastredis.commands.spec.{path.stem}")
        names = [v.name for v in vars(module).values() if isinstance(v, Command)]
        assert names == sorted(names)
    for spec in SPECS:
        assert list(spec.subcommands) == sorted(spec.subcommands)


@pytest.mark.parametrize("spec", named(EVERY))
def test_texts(spec: Command) -> None:
    assert spec.name == spec.name.upper()
    assert spec.summary[0].isupper()
    assert spec.summary.endswith(".")
    assert len(spec.summary) <= 78
    assert spec.cost
    assert all(part.isdigit() for part in spec.since.split("."))
    versions = [tuple(map(int, v.split("."))) for v, _ in spec.history]
    assert versions == sorted(versions)
    assert (spec.deprecated is None) == (spec.replaced_by is None)
    if spec.has_handler and spec.name != "DEBUG":  # its subcommands answer all sorts
        assert spec.reply is not None


@pytest.mark.parametrize("spec", named(EVERY))
def test_flags(spec: Command) -> None:
    reads, writes = spec.flags & model.READONLY, spec.flags & model.WRITE
    assert not (reads and writes)
    routed = all(key_spec.flags & model.KEY_NOT_KEY for key_spec in spec.keys)
    if spec.keys and not routed and spec.name != "WATCH":  # it looks at no value
        assert reads or writes
    for key_spec in spec.keys:
        kinds = key_spec.flags & (
            model.KEY_RO | model.KEY_RW | model.KEY_OW | model.KEY_RM
        )
        if key_spec.flags & model.KEY_NOT_KEY:
            assert kinds == 0
            continue
        assert kinds.bit_count() == 1
        if kinds != model.KEY_RO:
            assert writes or spec.flags & model.MAY_REPLICATE
        if key_spec.flags & model.KEY_VARIABLE:
            assert spec.find_keys is not None
    if spec.flags & model.DENYOOM:
        assert writes


def least_arguments(args: object) -> int:
    """Return how many words the arguments take at least."""
    total = 0
    for arg in args:
        if arg.optional:
            continue
        if arg.kind == "oneof":
            # An optional choice of a choice still has to be made.
            total += min(least_arguments([required(a)]) for a in arg.args)
        elif arg.kind == "block":
            total += least_arguments(arg.args)
        else:
            total += 1
        total += bool(arg.token) and arg.kind != "pure-token"
    return total


def required(arg: model.Arg) -> model.Arg:
    return model.Arg(arg.kind, arg.name, args=arg.args, token=arg.token)


def is_open_ended(args: object) -> bool:
    return any(
        arg.optional
        or arg.multiple
        or (arg.kind != "oneof" and is_open_ended(arg.args))
        for arg in args
    )


@pytest.mark.parametrize("spec", named(EVERY))
def test_arity_is_that_of_the_arguments(spec: Command) -> None:
    # FROMMEMBER and FROMLONLAT of GEOSEARCH are optional only with BYPOLYGON
    internal = ("PSYNC", "REPLCONF")  # what servers send each other
    if spec.subcommands or spec.name in ("DEBUG", "QUIT", *internal, *GEOSEARCH):
        pytest.skip("takes what the arguments do not tell")
    least = least_arguments(spec.args) + 1 + (spec.parent is not None)
    assert abs(spec.arity) == least
    if spec.name != "KILL":  # one of its two forms is open-ended
        assert (spec.arity < 0) == is_open_ended(spec.args)


@pytest.mark.parametrize("spec", named(EVERY))
def test_key_arguments_and_key_specifications_belong_together(spec: Command) -> None:
    def used(args: object) -> set[int]:
        found = {arg.key_spec for arg in args if arg.key_spec is not None}
        return found.union(*(used(arg.args) for arg in args))

    named = {i for i, k in enumerate(spec.keys) if not k.flags & model.KEY_NOT_KEY}
    assert used(spec.args) == named


def test_python_handlers_of_a_family_are_complete() -> None:
    """A family (COMMAND and its subcommands) is in admin/ entirely or not at all."""
    defined = set()
    for path in (ROOT / "admin").glob("*.py"):
        tree = ast.parse(path.read_text())
        defined |= {f.name for f in tree.body if isinstance(f, ast.FunctionDef)}
    missing = []
    for spec in SPECS:
        names = {s.handler_name for s in spec.walk() if s.python and s.has_handler}
        if names & defined:
            missing += sorted(names - defined)
    assert missing == []
    assert "command_docs" in defined


# --- Start-up ----------------------------------------------------------------


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from fastredis.commands.registry import load_specs\n"
        "load_specs()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert "fastredis.commands.spec.cmd_string" in loaded
    heavy = {"dataclasses", "inspect", "pkgutil", "textwrap", "runpy", "asyncio", "ast"}
    assert not loaded & heavy
    assert not any(name.startswith("fastredis.admin.") for name in loaded)


# --- Against Redis -----------------------------------------------------------


@pytest.fixture(scope="module")
def redis() -> object:
    if SERVER is None:
        pytest.skip("no redis-server is installed")
    with reference_server() as server:
        yield server


def plain(value: object) -> object:
    """Bring a reply into the form that RESP2 gives it."""
    if isinstance(value, dict):
        return [plain(item) for pair in value.items() for item in pair]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def by_name(entries: object) -> dict[str, list[object]]:
    found = {}
    for entry in entries:
        found[entry[0]] = entry
        found.update(by_name(entry[9]))
    return found


def without_notes(key_specs: list[list[object]]) -> list[list[object]]:
    return [spec[2:] if spec[0] == "notes" else spec for spec in key_specs]


def test_descriptions_equal_those_of_redis(redis: Reference) -> None:
    ours = by_name(plain(describe_all(CTX)))
    theirs = by_name(redis.values("COMMAND"))
    shared = ours.keys() & theirs.keys()
    assert len(shared) > 80
    differing_arity, differing_tips = set(), set()
    for name in shared:
        (_, arity, flags, *legacy, acl, tips, keys, _), other = ours[name], theirs[name]
        # before Redis 8, scripts could not wait; since then they just do not
        flags_7 = [f for f in other[2] if f != "noscript" or "blocking" not in other[2]]
        if name == "wait":  # that it blocks was not said before Redis 7.2
            flags, acl = ["noscript"], [c for c in acl if c != "@blocking"]
        assert [flags, *legacy, acl] == [flags_7, *other[3:7]], name
        assert without_notes(keys) == without_notes(other[8]), name
        if arity != other[1]:
            differing_arity.add(name)
        if tips != other[7]:
            differing_tips.add(name)
    assert differing_arity <= NEWER_ARITY
    assert differing_tips <= NEWER_TIPS


def test_documentation_is_in_our_own_words(redis: Reference) -> None:
    def texts(docs: list[object]) -> list[tuple[str, str]]:
        found = []
        for key, value in zip(docs[::2], docs[1::2], strict=True):
            fields = dict(zip(value[::2], value[1::2], strict=True))
            found.append((key, fields["summary"].rstrip(".").lower()))
            found += texts(fields.get("subcommands", []))
        return found

    ours = dict(texts(plain(command_docs(CTX))))
    theirs = dict(texts(redis.values("COMMAND", "DOCS")))
    assert len(ours.keys() & theirs.keys()) > 80
    assert not set(ours.values()) & set(theirs.values())
