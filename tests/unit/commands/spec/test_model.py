# SPDX-License-Identifier: BSD-3-Clause
"""What follows from a declaration."""

from __future__ import annotations

import pytest

from fastredis.commands.spec.model import (
    ADMIN,
    BLOCKING,
    FAST,
    KEY_ACCESS,
    KEY_RO,
    MOVABLEKEYS,
    PROTECTED,
    PUBSUB,
    READONLY,
    WRITE,
    Command,
    Index,
    KeySpec,
    Keyword,
    Range,
    Unknown,
    bulk,
    counted_keys,
    either,
    key_flags,
    keys_from,
    nil,
    one_key,
)


def declare(**fields: object) -> Command:
    return Command("X", **{"since": "1.0.0", "arity": -1, "summary": "X.", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"group": "string", "flags": READONLY | FAST}, "@read @string @fast"),
        ({"group": "generic", "flags": WRITE}, "@keyspace @write @slow"),
        ({"group": "sorted-set", "flags": WRITE}, "@write @sortedset @slow"),
        ({"group": "server", "flags": ADMIN}, "@admin @slow @dangerous"),
        ({"group": "pubsub", "flags": PUBSUB | FAST}, "@pubsub @fast"),
        ({"group": "list", "flags": BLOCKING}, "@list @slow @blocking"),
        ({"group": "scripting", "flags": READONLY}, "@slow @scripting"),
        (
            {"group": "generic", "flags": WRITE, "acl": "set list"},
            "@write @set @list @slow",
        ),
        (
            {"group": "generic", "flags": READONLY, "acl_extra": "dangerous"},
            "@keyspace @read @slow @dangerous",
        ),
    ],
)
def test_acl_categories_follow_from_group_and_flags(
    fields: dict[str, object], expected: str
) -> None:
    assert declare(**fields).acl_names() == expected.split()


def test_a_container_has_no_category_of_its_group_but_its_subcommands_have() -> None:
    sub = Command("GET", since="1.0.0", arity=2, summary="X.", flags=FAST)
    container = declare(group="connection", subcommands=[sub])
    assert container.acl_names() == ["@slow"]
    assert sub.group == "connection"
    assert sub.acl_names() == ["@fast", "@connection"]
    assert (sub.full_name, sub.handler_name, sub.parent) == (
        "x|get",
        "x_get",
        container,
    )
    assert container.walk() == [container, sub]
    assert not container.has_handler
    assert sub.has_handler


def test_an_unknown_category_or_key_flag_is_refused() -> None:
    with pytest.raises(KeyError):
        _ = declare(acl_extra="fats").acl
    with pytest.raises(KeyError):
        one_key("RO READ")


@pytest.mark.parametrize(
    ("keys", "legacy", "movable"),
    [
        ((), (0, 0, 0), False),
        (one_key("RO"), (1, 1, 1), False),
        (one_key("RO", at=2), (2, 2, 1), False),
        (keys_from("OW", step=2), (1, -1, 2), False),
        (keys_from("RO", last=1), (1, 2, 1), False),
        (keys_from("RO", last=-2), (1, -2, 1), False),
        ([one_key("RO"), one_key("OW", at=2)], (1, 2, 1), False),
        ([one_key("OW", at=2), keys_from("RO", at=3)], (2, -1, 1), False),
        ([one_key("RO"), one_key("OW", at=3)], (1, 1, 1), True),
        (counted_keys("RO"), (0, 0, 0), True),
        ([one_key("OW"), counted_keys("RO", at=2)], (1, 1, 1), True),
        (one_key("RO INCOMPLETE"), (1, 1, 1), True),
        (KeySpec("RO", Keyword("STREAMS", 1), Range(-1, 1, 2)), (0, 0, 0), True),
        ([one_key("RO"), KeySpec("OW", Unknown(), Unknown())], (1, 1, 1), True),
        (KeySpec("RO", Index(1), Unknown()), (0, 0, 0), True),
    ],
)
def test_first_last_and_step(
    keys: object, legacy: tuple[int, int, int], movable: bool
) -> None:
    spec = declare(keys=keys)
    assert spec.key_range == legacy
    assert bool(spec.flags & MOVABLEKEYS) == movable


def test_flags_are_named_in_a_fixed_order_and_internal_ones_are_not() -> None:
    spec = declare(flags=FAST | ADMIN | WRITE | PROTECTED)
    assert spec.flag_names() == ["write", "admin", "fast"]
    spec = declare(flags=FAST | WRITE, module="mine")
    assert spec.flag_names() == ["write", "module", "fast"]


def test_key_flags() -> None:
    assert key_flags("RO ACCESS") == KEY_RO | KEY_ACCESS
    assert one_key("RO ACCESS").flags == KEY_RO | KEY_ACCESS


def test_reply_kinds() -> None:
    reply = either(bulk("x"), either(nil("y"), bulk("z")))
    assert reply.kinds() == {"bulk", "null"}
