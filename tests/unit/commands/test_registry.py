# SPDX-License-Identifier: BSD-3-Clause
"""Joining declarations with handlers, and finding keys."""

from __future__ import annotations

import ctypes
import random
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from fastredis.commands.registry import (
    Bound,
    PythonHandler,
    RegistryError,
    arity_fits,
    bind,
    find,
    getkeys,
    has_keys,
    load_specs,
    lookup,
    resolve_all,
    table,
)
from fastredis.commands.spec.model import (
    KEY_FLAG_NAMES,
    NO_MANDATORY_KEYS,
    READONLY,
    Command,
    Index,
    KeyNum,
    KeySpec,
    Keyword,
    Range,
    Unknown,
    counted_keys,
    keys_from,
    names_of,
    one_key,
)
from fastredis.resp.values import ReplyError
from support.reference_server import SERVER, Reference, reference_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPECS = table(load_specs())
HANDLER = b"void (struct __pyx_t_9fastredis_6engine_6client_client_t *)"
_kept = [HANDLER]  # a capsule does not own its name

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def compiled(*names: str, signature: bytes = HANDLER) -> ModuleType:
    """Return what looks like a compiled module that exports these functions."""
    _kept.append(signature)
    module = ModuleType("compiled")
    module.__pyx_capi__ = {
        name: _new_capsule(place, signature, None)
        for place, name in enumerate(names, start=1)
    }
    return module


def declare(name: str, **fields: Any) -> Command:
    return Command(name, **{"since": "1.0.0", "arity": -1, "summary": "X.", **fields})


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that makes a module which can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


# --- Lookup ------------------------------------------------------------------


def test_find_by_full_name() -> None:
    assert find(SPECS, b"GeT") is SPECS["get"]
    assert find(SPECS, b"CONFIG|get") is SPECS["config"].subcommands["get"]
    for name in (b"", b"nosuch", b"config|nosuch", b"config|get|x", b"get|x", b"\xff"):
        assert find(SPECS, name) is None


def test_lookup_by_command_line() -> None:
    assert lookup(SPECS, [b"GET", b"config"]) is SPECS["get"]
    assert lookup(SPECS, [b"Object", b"Help"]) is SPECS["object"].subcommands["help"]
    assert lookup(SPECS, [b"object"]) is SPECS["object"]
    assert lookup(SPECS, [b"object", b"nosuch", b"x"]) is None
    assert lookup(SPECS, [b"object|encoding", b"x"]) is None


def test_arity() -> None:
    assert arity_fits(SPECS["get"], 2)
    assert not arity_fits(SPECS["get"], 3)
    assert arity_fits(SPECS["set"], 9)
    assert not arity_fits(SPECS["set"], 2)


def test_a_name_declared_twice() -> None:
    with pytest.raises(RegistryError, match="GET is declared twice"):
        table([declare("GET"), declare("GET")])


# --- Binding -----------------------------------------------------------------


def test_compiled_handlers_are_found_by_name() -> None:
    sub = declare("NO-TOUCH", arity=3)
    specs = [declare("GET", keys=keys_from("RO")), declare("CLIENT", subcommands=[sub])]
    module = compiled("cmd_get", "cmd_client_no_touch", "other")
    get, client = bind(specs, [compiled(), module], [])
    assert get.name == b"get"
    assert get.handler is module.__pyx_capi__["cmd_get"]
    assert (get.first_key, get.last_key, get.key_step) == (1, -1, 1)
    assert (client.handler, client.python) == (None, False)
    assert client.subcommands[0].name == b"client|no-touch"
    assert client.subcommands[0].arity == 3
    assert client.subcommands[0].handler is module.__pyx_capi__["cmd_client_no_touch"]


def test_where_compiled_code_finds_keys() -> None:
    """It knows a range, a number before the keys, and a word before them."""
    ranged, counted, both, worded, plain = (
        Bound(declare("X", keys=keys), None, [])
        for keys in (
            keys_from("RO"),
            counted_keys("RO", at=2, step=2),
            [one_key("OW"), counted_keys("RO", at=2)],
            KeySpec("RO", Keyword("STREAMS", 1), Range(-1, 1, 2)),
            [],
        )
    )
    assert (ranged.first_key, ranged.counted, ranged.key_word) == (1, (0, 0), b"")
    assert (counted.first_key, counted.counted, counted.key_word) == (0, (2, 2), b"")
    assert (both.first_key, both.counted) == (1, (2, 1))
    assert (worded.first_key, worded.counted) == (0, (0, 0))
    assert worded.key_word == b"streams"
    assert (plain.first_key, plain.counted, plain.key_word) == (0, (0, 0), b"")


@pytest.mark.parametrize("name", [n for n, s in SPECS.items() if s.flags & READONLY])
def test_compiled_code_finds_all_keys_of_commands_that_read(name: str) -> None:
    """What clients cache depends on it (fastredis/engine/cmdkeys.pyx)."""
    for spec in (SPECS[name], *SPECS[name].subcommands.values()):
        bound = Bound(spec, None, [])
        ways = [bound.first_key, bound.counted[0], len(bound.key_word)]
        certain = [k for k in spec.keys if not isinstance(k.begin, Unknown)]
        assert len([way for way in ways if way]) == bool(certain)


def test_every_declaration_can_be_bound() -> None:
    names = [
        "cmd_" + spec.handler_name
        for top in SPECS.values()
        for spec in top.walk()
        if spec.has_handler and not spec.python
    ]
    bound = bind(SPECS.values(), [compiled(*names)], ["fastredis.admin.command"])
    everything = [one for top in bound for one in (top, *top.subcommands)]
    assert {b.name.decode() for b in everything} == {
        spec.full_name for top in SPECS.values() for spec in top.walk()
    }
    assert all(isinstance(b.handler, PythonHandler) == b.python for b in everything)
    command = next(b for b in bound if b.name == b"command")
    resolve_all([command])


def test_a_declaration_without_handler() -> None:
    with pytest.raises(RegistryError, match=r"config\|get has no handler"):
        bind([declare("CONFIG", subcommands=[declare("GET")])], [compiled()], [])


def test_a_handler_without_declaration() -> None:
    module = compiled("cmd_get", "cmd_gte")
    with pytest.raises(RegistryError, match="cmd_gte"):
        bind([declare("GET")], [module], [])
    container = declare("CONFIG", subcommands=[declare("GET")])
    with pytest.raises(RegistryError, match=r"cmd_config$"):
        bind([container], [compiled("cmd_config", "cmd_config_get")], [])


def test_a_handler_in_two_modules() -> None:
    with pytest.raises(RegistryError, match="cmd_get is exported by two"):
        bind([declare("GET")], [compiled("cmd_get"), compiled("cmd_get")], [])


@pytest.mark.parametrize(
    "signature",
    [
        b"int (struct __pyx_t_client_t *)",
        b"void (struct __pyx_t_client_t *, int)",
        b"void (int, struct __pyx_t_client_t *)",
        b"void (struct __pyx_t_db_t *)",
        b"void (void)",
    ],
)
def test_a_function_that_is_no_handler(signature: bytes) -> None:
    with pytest.raises(RegistryError, match="is no handler but"):
        bind([declare("GET")], [compiled("cmd_get", signature=signature)], [])


def test_a_function_that_came_with_its_declaration() -> None:
    (bound,) = bind([declare("MINE", handler=lambda ctx: 1)], [], [])
    assert bound.python
    assert bound.handler(None) == 1


def test_python_handlers_are_imported_at_the_first_call(importable: Any) -> None:
    other = importable("registry_other", "raise ImportError('not needed')")
    home = importable("registry_thing", "def thing_do(ctx, a): return [ctx, a]")
    spec = declare("THING", subcommands=[declare("DO", python=True)])
    (thing,) = bind([spec], [], [other, home])
    handler = thing.subcommands[0].handler
    assert home not in sys.modules
    assert handler("ctx", b"a") == ["ctx", b"a"]
    assert home in sys.modules
    assert other not in sys.modules
    assert handler.resolve() is sys.modules[home].thing_do


def test_python_handlers_are_looked_for_everywhere(importable: Any) -> None:
    first = importable("registry_a", "x = 1")
    second = importable("registry_b", "def shutdown(ctx): return 'down'")
    (bound,) = bind([declare("SHUTDOWN", python=True)], [], [first, second])
    assert bound.handler(None) == "down"


def test_a_python_handler_that_does_not_exist(importable: Any) -> None:
    module = importable("registry_c", "debug = 'not a function'")
    bound = bind([declare("DEBUG", python=True)], [], [module])
    with pytest.raises(RegistryError, match=r"no handler debug\(\) in registry_c"):
        resolve_all(bound)
    assert isinstance(bound[0], Bound)


# --- Keys --------------------------------------------------------------------


def keys(spec: Command, line: str) -> list[str]:
    argv = line.encode().split()
    return [argv[index].decode() for index, _ in getkeys(spec, argv)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET a", "a"),
        ("COPY a b", "a b"),
        ("LCS a b LEN", "a b"),
        ("DEL a b c", "a b c"),
        ("MSET a 1 b 2", "a b"),
        ("MSET a 1 b", "a b"),
        ("MSETEX 2 a 1 b 2 EX 10", "a b"),
        ("MSETEX 1 a 1 b 2", "a"),
        ("OBJECT ENCODING a", "a"),
        ("DELEX a IFEQ b", "a"),
        ("PING", ""),
    ],
)
def test_keys_of_a_line(line: str, expected: str) -> None:
    spec = lookup(SPECS, line.encode().split())
    assert spec is not None
    assert keys(spec, line) == expected.split()


@pytest.mark.parametrize("count", ["0", "-1", "x", "3", "2147483648", "1e1", ""])
def test_impossible_numbers_of_keys(count: str) -> None:
    argv = [b"MSETEX", count.encode(), b"a", b"1", b"b", b"2"]
    with pytest.raises(ReplyError, match=r"^ERR Invalid arguments"):
        getkeys(SPECS["msetex"], argv)


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("SET a b", "OW update"),
        ("SET a b EX 10 NX", "OW update"),
        ("SET a GET", "OW update"),
        ("SET a b Get", "RW access update"),
        ("SET a b IFEQ c", "RW access update"),
        ("SET a b IFDNE c", "RW access update"),
        ("DELEX a", "RM delete"),
        ("DELEX a IFNE b", "RW access delete"),
        ("GET a", "RO access"),
    ],
)
def test_flags_that_depend_on_the_arguments(line: str, flags: str) -> None:
    argv = line.encode().split()
    ((index, bits),) = getkeys(SPECS[argv[0].decode().lower()], argv)
    assert index == 1
    assert names_of(bits, KEY_FLAG_NAMES) == flags.split()


def test_keywords_and_unknown_rules() -> None:
    streams = declare("X", keys=KeySpec("RO", Keyword("STREAMS", 1), Range(-1, 1, 2)))
    assert keys(streams, "X COUNT 1 streams a b 1 2") == ["a", "b"]
    assert keys(streams, "X COUNT 1") == []
    assert keys(streams, "X STREAMS") == []
    backwards = declare("X", keys=KeySpec("RO", Keyword("KEYS", -2), Range(-1, 1, 0)))
    assert keys(backwards, "X KEYS KEYS a b") == ["a", "b"]
    unknown = declare("X", keys=KeySpec("RO", Unknown(), Unknown()))
    assert keys(unknown, "X a b") == []
    assert has_keys(unknown)


def test_what_only_looks_like_a_key_is_none() -> None:
    spec = declare("X", keys=one_key("RO NOT_KEY"))
    assert not has_keys(spec)
    assert keys(spec, "X channel") == []
    assert not has_keys(SPECS["ping"])
    assert has_keys(SPECS["get"])


def test_several_specifications_are_searched_in_order() -> None:
    spec = declare("X", keys=[one_key("OW"), counted_keys("RO", at=2)])
    assert keys(spec, "X d 2 a b") == ["d", "a", "b"]


# --- Against Redis -----------------------------------------------------------


@pytest.fixture(scope="module")
def redis() -> Iterator[Reference]:
    if SERVER is None:
        pytest.skip("no redis-server is installed")
    with reference_server() as server:
        yield server


def declared_by(entry: list[Any]) -> Command:
    """Turn an entry of COMMAND INFO into a declaration."""

    def rule(kind: str, spec: list[Any]) -> Any:
        values = spec[1::2]
        return {
            "index": Index,
            "keyword": Keyword,
            "range": Range,
            "keynum": KeyNum,
            "unknown": Unknown,
        }[kind](*values)

    key_specs = []
    for spec in entry[8]:
        fields = dict(zip(spec[::2], spec[1::2], strict=True))
        key_specs.append(
            KeySpec(
                " ".join(fields["flags"]).upper(),
                rule(*fields["begin_search"][1::2]),
                rule(*fields["find_keys"][1::2]),
            )
        )
    return Command(
        entry[0].partition("|")[2] or entry[0],
        since="1.0.0",
        arity=entry[1],
        summary="",
        flags=NO_MANDATORY_KEYS if "no_mandatory_keys" in entry[2] else 0,
        keys=key_specs,
        subcommands=[declared_by(sub) for sub in entry[9]],
    )


def test_keys_of_every_command_of_redis(redis: Reference) -> None:
    """Feed the server's own key specifications to the search for keys.

    The commands left out have specifications that do not suffice, and code in their
    place, in Redis as here.
    """
    rng = random.Random(7)
    words = ["a", "b", "1", "2", "3", "STORE", "STREAMS", "KEYS", "0", "x", "COUNT"]
    special = {"sort", "sort_ro", "migrate", "bitfield", "xreadgroup", "xread", "set"}
    tried = 0
    for entry in redis.values("COMMAND"):
        top = declared_by(entry)
        assert top.key_range == tuple(entry[3:6]), top
        for spec in top.walk():
            if spec.full_name in special or not has_keys(spec):
                continue
            name = spec.full_name.split("|")
            for _ in range(12):
                more = rng.randrange(5) if spec.arity < 0 else 0
                count = abs(spec.arity) - len(name) + more
                argv = [*name, *rng.choices(words, k=count)]
                try:
                    line = [word.encode() for word in argv]
                    ours: Any = [argv[index] for index, _ in getkeys(spec, line)]
                except ReplyError as error:
                    ours = [] if spec.flags & NO_MANDATORY_KEYS else str(error)
                theirs = redis.values("COMMAND", "GETKEYS", *argv)
                if len(argv) > 1:  # Redis 7.0 wants at least one argument
                    assert ours == theirs, argv
                    tried += 1
    assert tried > 1000
