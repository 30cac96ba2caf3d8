# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the set commands; SUNIONCARD and SDIFFCARD as in Redis 8.10."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    DENYOOM,
    FAST,
    READONLY,
    WRITE,
    Command,
    Reply,
    array,
    bulk,
    counted_keys,
    either,
    integer,
    key,
    keys_from,
    nil,
    number,
    one_key,
    pattern,
    string,
    token,
)

_LIMIT = integer("limit", token="LIMIT", optional=True)
_UNORDERED = ("nondeterministic_output_order",)
_RANDOM = ("nondeterministic_output",)
_STORED = (one_key("OW UPDATE"), keys_from("RO ACCESS", at=2))


def _members(text: str) -> Reply:
    """Describe a set (an array in RESP2)."""
    return Reply("set", text)


SADD = Command(
    "SADD",
    group="set",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    member=2,
    args=[key(), string("member", multiple=True)],
    reply=number("how many members were not there before"),
    cost="O(n), n = number of members given",
    summary="Adds members to a set, which may not exist yet.",
    history=[("2.4.0", "Several members may be given.")],
)

SCARD = Command(
    "SCARD",
    group="set",
    since="1.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=number("the number of members, 0 if the key does not exist"),
    cost="O(1)",
    summary="Counts the members of a set.",
)

SDIFF = Command(
    "SDIFF",
    group="set",
    since="1.0.0",
    arity=-2,
    flags=READONLY,
    keys=keys_from("RO ACCESS"),
    args=[key(multiple=True)],
    reply=_members("members of the first set that no other set has"),
    cost="O(n), n = number of members of all sets",
    summary="Subtracts sets from the first one.",
    tips=_UNORDERED,
)

SDIFFCARD = Command(
    "SDIFFCARD",
    group="set",
    since="8.10.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[integer("numkeys"), key(multiple=True), _LIMIT],
    reply=number("how many members SDIFF would reply, at most the limit"),
    cost="O(n), n = number of members of all sets",
    summary="Counts what is left of the first set when others are subtracted.",
)

SDIFFSTORE = Command(
    "SDIFFSTORE",
    group="set",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=_STORED,
    args=[key("destination"), key(spec=1, multiple=True)],
    reply=number("the number of members stored"),
    cost="O(n), n = number of members of all sets",
    summary="Subtracts sets from the first one and stores what is left.",
)

SINTER = Command(
    "SINTER",
    group="set",
    since="1.0.0",
    arity=-2,
    flags=READONLY,
    keys=keys_from("RO ACCESS"),
    args=[key(multiple=True)],
    reply=_members("the members that every set has"),
    cost="O(n * m), n = members of the smallest set, m = number of sets",
    summary="Finds the members that several sets share.",
    tips=_UNORDERED,
)

SINTERCARD = Command(
    "SINTERCARD",
    group="set",
    since="7.0.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[integer("numkeys"), key(multiple=True), _LIMIT],
    reply=number("how many members SINTER would reply, at most the limit"),
    cost="O(n * m), n = members of the smallest set, m = number of sets",
    summary="Counts the members that several sets share.",
)

SINTERSTORE = Command(
    "SINTERSTORE",
    group="set",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=(one_key("RW UPDATE"), keys_from("RO ACCESS", at=2)),
    args=[key("destination"), key(spec=1, multiple=True)],
    reply=number("the number of members stored"),
    cost="O(n * m), n = members of the smallest set, m = number of sets",
    summary="Stores the members that several sets share.",
)

SISMEMBER = Command(
    "SISMEMBER",
    group="set",
    since="1.0.0",
    arity=3,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    member=2,
    args=[key(), string("member")],
    reply=number("1 if it is a member, otherwise 0"),
    cost="O(1)",
    summary="Tells whether something is a member of a set.",
)

SMEMBERS = Command(
    "SMEMBERS",
    group="set",
    since="1.0.0",
    arity=2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=_members("all members"),
    cost="O(n), n = number of members",
    summary="Lists the members of a set.",
    tips=_UNORDERED,
)

SMISMEMBER = Command(
    "SMISMEMBER",
    group="set",
    since="6.2.0",
    arity=-3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), string("member", multiple=True)],
    reply=array("1 for each argument that is a member, 0 for the others"),
    cost="O(n), n = number of arguments",
    summary="Tells which of several values are members of a set.",
)

SMOVE = Command(
    "SMOVE",
    group="set",
    since="1.0.0",
    arity=4,
    flags=WRITE | FAST,
    keys=(one_key("RW ACCESS DELETE"), one_key("RW INSERT", at=2)),
    member=3,
    args=[key("source"), key("destination", 1), string("member")],
    reply=number("1 if it was moved, 0 if the source does not have it"),
    cost="O(1)",
    summary="Takes a member out of one set and adds it to another.",
)

SPOP = Command(
    "SPOP",
    group="set",
    since="1.0.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS DELETE"),
    args=[key(), integer("count", optional=True, since="3.2.0")],
    reply=either(
        bulk("the member"),
        nil("the key does not exist, and there is no count"),
        _members("with a count: the members"),
    ),
    cost="O(n), n = count",
    summary="Removes random members from a set.",
    history=[("3.2.0", "`count` is new.")],
    tips=_RANDOM,
)

SRANDMEMBER = Command(
    "SRANDMEMBER",
    group="set",
    since="1.0.0",
    arity=-2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        integer(
            "count",
            optional=True,
            since="2.6.0",
            summary="Positive: different members. Negative: some may come repeatedly.",
        ),
    ],
    reply=either(
        bulk("the member"),
        nil("the key does not exist, and there is no count"),
        array("with a count: the members"),
    ),
    cost="O(n), n = count without its sign",
    summary="Picks random members of a set.",
    history=[("2.6.0", "`count` is new.")],
    tips=_RANDOM,
)

SREM = Command(
    "SREM",
    group="set",
    since="1.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE"),
    member=2,
    args=[key(), string("member", multiple=True)],
    reply=number("how many members were removed"),
    cost="O(n), n = number of members given",
    summary="Removes members from a set; an empty set is deleted.",
    history=[("2.4.0", "Several members may be given.")],
)

SSCAN = Command(
    "SSCAN",
    group="set",
    since="2.8.0",
    arity=-3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        integer("cursor"),
        pattern(token="MATCH", optional=True),
        integer("count", token="COUNT", optional=True),
    ],
    reply=array("the cursor for the next call, 0 at the end, and some members"),
    cost="O(1) a call, O(n) until the cursor is 0 again, n = number of members",
    summary="Walks through the members of a set in small steps.",
    tips=_RANDOM,
)

SUNION = Command(
    "SUNION",
    group="set",
    since="1.0.0",
    arity=-2,
    flags=READONLY,
    keys=keys_from("RO ACCESS"),
    args=[key(multiple=True)],
    reply=_members("the members that any of the sets has"),
    cost="O(n), n = number of members of all sets",
    summary="Unites several sets.",
    tips=_UNORDERED,
)

SUNIONCARD = Command(
    "SUNIONCARD",
    group="set",
    since="8.10.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[
        integer("numkeys"),
        key(multiple=True),
        token(
            "APPROX",
            optional=True,
            summary="Estimate the number (standard error 0.8 %) in little memory.",
        ),
        _LIMIT,
    ],
    reply=number("how many members SUNION would reply, at most the limit"),
    cost="O(n), n = number of members of all sets",
    summary="Counts the different members of several sets.",
)

SUNIONSTORE = Command(
    "SUNIONSTORE",
    group="set",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=_STORED,
    args=[key("destination"), key(spec=1, multiple=True)],
    reply=number("the number of members stored"),
    cost="O(n), n = number of members of all sets",
    summary="Unites several sets and stores the result.",
)
