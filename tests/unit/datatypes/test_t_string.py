# SPDX-License-Identifier: BSD-3-Clause
"""What string commands do to a database, seen from inside a process.

There is no socket here: an Engine executes the commands and shows what its keyspace
holds, how many changes were counted, and how much memory a key takes.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from fastredis._testing.foreign import set_foreign
from fastredis.commands import cmd_lcs, cmd_number, cmd_string, registry
from fastredis.commands.spec import cmd_string as spec
from fastredis.commands.spec.model import Command
from fastredis.engine.runtime import Engine
from fastredis.resp.values import ReplyError

PAST = 1  # a second of 1970
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


@pytest.fixture
def engine() -> Any:
    """Make an engine that knows the string commands and no others."""
    made = Engine()
    specs = [value for value in vars(spec).values() if isinstance(value, Command)]
    modules = [cmd_lcs, cmd_number, cmd_string]
    for bound in registry.bind(specs, modules, []):
        made.commands.add(bound)
    yield made
    made.check()


def info(engine: Any, key: bytes = b"k") -> dict[str, Any]:
    found: dict[str, Any] = engine.key_info(0, key)
    return found


# --- Changes of the data set -------------------------------------------------------

CHANGES: list[tuple[list[Any], int]] = [
    (["GET", "k"], 0),
    (["STRLEN", "k"], 0),
    (["GETRANGE", "k", 0, 1], 0),
    (["LCS", "k", "k"], 0),
    (["DIGEST", "k"], 0),
    (["MGET", "k", "n"], 0),
    (["SET", "k", "v"], 1),
    (["SET", "k", "v", "NX"], 0),
    (["SET", "absent", "v", "XX"], 0),
    (["SET", "k", "v", "NX", "GET"], 0),
    (["SET", "k", "v", "IFEQ", "no"], 0),
    (["SET", "k", "v", "EXAT", PAST], 1),
    (["SETNX", "k", "v"], 0),
    (["SETNX", "absent", "v"], 1),
    (["SETEX", "k", 100, "v"], 1),
    (["GETSET", "k", "v"], 1),
    (["GETEX", "k"], 0),
    (["GETEX", "k", "PERSIST"], 0),
    (["GETEX", "k", "EX", 100], 1),
    (["GETEX", "k", "EXAT", PAST], 1),
    (["GETDEL", "k"], 1),
    (["GETDEL", "absent"], 0),
    (["DELIFEQ", "k", "no"], 0),
    (["DELIFEQ", "k", "value"], 1),
    (["DELEX", "absent"], 0),
    (["DELEX", "k", "IFNE", "value"], 0),
    (["DELEX", "k"], 1),
    (["MSET", "a", 1, "b", 2], 2),
    (["MSETNX", "a", 1, "b", 2], 2),
    (["MSETNX", "a", 1, "k", 2], 0),
    (["MSETEX", 2, "a", 1, "b", 2], 2),
    (["MSETEX", 2, "a", 1, "k", 2, "NX"], 0),
    (["APPEND", "k", ""], 1),
    (["SETRANGE", "k", 1, ""], 0),
    (["SETRANGE", "k", 1, "x"], 1),
    (["INCR", "n"], 1),
    (["INCRBYFLOAT", "n", 1], 1),
    (["INCREX", "n"], 1),
    (["INCREX", "n", "UBOUND", 0], 0),
]


@pytest.mark.parametrize(("line", "count"), CHANGES)
def test_changes_are_counted(engine: Any, line: list[Any], count: int) -> None:
    engine.call(["MSET", "k", "value", "n", 1])
    before = engine.stats()["dirty"]
    engine.call(line)
    assert engine.stats()["dirty"] - before == count


@pytest.mark.parametrize(
    "line",
    [
        ["INCR", "k"],
        ["SETEX", "k", 0, "v"],
        ["SET", "k", "v", "EX", "x"],
        ["INCRBYFLOAT", "k", 1],
        ["SETRANGE", "k", -1, "v"],
        ["DELEX", "k", "FOO", "v"],
    ],
)
def test_an_error_changes_nothing(engine: Any, line: list[Any]) -> None:
    engine.call(["SET", "k", "value"])
    before = engine.stats()["dirty"]
    with pytest.raises(ReplyError):
        engine.call(line)
    assert engine.stats()["dirty"] == before
    assert engine.call(["GET", "k"]) == b"value"


def test_hits_and_misses_are_those_of_readers(engine: Any) -> None:
    engine.call(["SET", "k", "1"])
    engine.call(["INCR", "k"])
    engine.call(["APPEND", "absent", "x"])
    assert (engine.stats()["hits"], engine.stats()["misses"]) == (0, 0)
    engine.call(["MGET", "k", "nothing", "k"])
    engine.call(["GET", "k"])
    engine.call(["STRLEN", "nothing"])
    assert (engine.stats()["hits"], engine.stats()["misses"]) == (3, 2)


# --- Keys of another type ----------------------------------------------------------

WRONG = [
    ["GET", "f"],
    ["STRLEN", "f"],
    ["GETRANGE", "f", 0, 1],
    ["SUBSTR", "f", 0, 1],
    ["DIGEST", "f"],
    ["GETSET", "f", "v"],
    ["GETDEL", "f"],
    ["GETEX", "f"],
    ["GETEX", "f", "EX", 0],
    ["SET", "f", "v", "GET"],
    ["SET", "f", "v", "NX", "GET"],
    ["SET", "f", "v", "IFEQ", "v"],
    ["SET", "f", "v", "IFDNE", "0" * 16],
    ["DELIFEQ", "f", "v"],
    ["APPEND", "f", "v"],
    ["SETRANGE", "f", 0, "v"],
    ["SETRANGE", "f", 0, ""],
    ["INCR", "f"],
    ["DECR", "f"],
    ["INCRBY", "f", 1],
    ["DECRBY", "f", 1],
    ["INCRBYFLOAT", "f", "abc"],
    ["INCREX", "f"],
    ["INCREX", "f", "BYFLOAT", 1],
]


@pytest.mark.parametrize("line", WRONG)
def test_commands_refuse_other_types(engine: Any, line: list[Any]) -> None:
    set_foreign(engine, 0, b"f")
    with pytest.raises(ReplyError) as caught:
        engine.call(line)
    assert str(caught.value) == WRONG_TYPE
    assert info(engine, b"f")["type"] == 5
    assert engine.stats()["dirty"] == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (["LCS", "f", "k"], "ERR The specified keys must contain string values"),
        (["LCS", "k", "f", "?"], "ERR The specified keys must contain string values"),
        (
            ["DELEX", "f", "IFEQ", "v"],
            "ERR Key should be of string type if conditions are specified",
        ),
        (
            ["DELEX", "f", "FOO", "v"],
            "ERR Key should be of string type if conditions are specified",
        ),
        # arguments are looked at before the key
        (["SETRANGE", "f", -1, "v"], "ERR offset is out of range"),
        (["INCRBY", "f", "x"], "ERR value is not an integer or out of range"),
        (["GETEX", "f", "FOO"], "ERR syntax error"),
    ],
)
def test_commands_with_errors_of_their_own(
    engine: Any, line: list[Any], text: str
) -> None:
    set_foreign(engine, 0, b"f")
    engine.call(["SET", "k", "v"])
    with pytest.raises(ReplyError) as caught:
        engine.call(line)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (["SET", "f", "v"], b"OK"),
        (["SET", "f", "v", "XX"], b"OK"),
        (["SETEX", "f", 100, "v"], b"OK"),
        (["MSET", "f", "v"], b"OK"),
        (["MSETEX", 1, "f", "v", "XX"], 1),
    ],
)
def test_set_replaces_other_types(engine: Any, line: list[Any], reply: Any) -> None:
    set_foreign(engine, 0, b"f")
    assert engine.call(line) == reply
    assert engine.call(["GET", "f"]) == b"v"


def test_other_types_exist_for_all_that_ask_no_more(engine: Any) -> None:
    set_foreign(engine, 0, b"f")
    assert engine.call(["MGET", "f", "f"]) == [None, None]
    assert engine.call(["SETNX", "f", "v"]) == 0
    assert engine.call(["MSETNX", "f", "v"]) == 0
    assert engine.call(["SET", "f", "v", "NX"]) is None
    assert engine.call(["DELEX", "f"]) == 1
    assert info(engine, b"f") is None


# --- Encodings and memory ----------------------------------------------------------


def test_a_write_in_place_keeps_the_object(engine: Any) -> None:
    engine.call(["SET", "k", "x" * 1000])
    address = info(engine)["address"]
    engine.call(["SETRANGE", "k", 998, "yz"])
    assert info(engine)["address"] == address
    assert info(engine)["encoding"] == "raw"
    engine.call(["SETRANGE", "k", 999, "yz"])
    assert engine.call(["GET", "k"]) == b"x" * 998 + b"yyz"


def test_a_value_set_anew_is_not_raw_any_more(engine: Any) -> None:
    engine.call(["SET", "k", "hello"])
    assert info(engine)["encoding"] == "embstr"
    engine.call(["SETRANGE", "k", 0, "j"])
    assert info(engine)["encoding"] == "raw"
    engine.call(["SET", "k", "world"])
    assert info(engine)["encoding"] == "embstr"
    engine.call(["APPEND", "k", "!"])
    engine.call(["SET", "k", "world"])
    assert info(engine)["encoding"] == "embstr"


def test_a_growing_string_has_room_but_not_much(engine: Any) -> None:
    engine.call(["SET", "k", "x" * 4_000_000])
    engine.call(["APPEND", "k", "x" * 1_000_000])
    # a megabyte, and what the allocator rounds up
    assert 5_000_000 < info(engine)["nbytes"] < 7_000_000
    engine.call(["SET", "k", "x" * 100])
    engine.call(["APPEND", "k", "x"])
    assert 200 < info(engine)["nbytes"] < 400


def test_appends_rarely_move_the_string(engine: Any) -> None:
    engine.call(["SET", "k", ""])
    sizes = set()
    for _ in range(20_000):
        engine.call(["APPEND", "k", b"x" * 10])
        sizes.add(info(engine)["nbytes"])
    assert engine.call(["STRLEN", "k"]) == 200_000
    assert len(sizes) < 25


def test_memory_comes_back(engine: Any) -> None:
    def work() -> None:
        rng = random.Random(1)
        for i in range(2000):
            key = b"k%d" % (i % 7)
            data = b"d" * rng.choice([0, 3, 300, 3000, 30_000])
            line = rng.choice(
                [
                    ["SET", key, data],
                    ["APPEND", key, data],
                    ["SETRANGE", key, rng.randrange(5000), data],
                    ["GETSET", key, data],
                    ["GETDEL", key],
                    ["LCS", key, key],
                    ["LCS", key, key, "IDX"],
                    ["SET", key, data, "EXAT", PAST],
                    ["MSET", key, data, b"k1", data],
                ]
            )
            engine.call_raw(line)
        for i in range(7):
            engine.call(["GETDEL", b"k%d" % i])

    work()
    before = engine.stats()["used_memory"]
    work()
    assert engine.stats()["reply_blocks"] == 0
    assert abs(engine.stats()["used_memory"] - before) < 10_000
