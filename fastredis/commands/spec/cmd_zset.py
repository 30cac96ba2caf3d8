# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the sorted set commands."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    BLOCKING,
    DENYOOM,
    FAST,
    LIMIT,
    READONLY,
    WRITE,
    Arg,
    Command,
    array,
    block,
    bulk,
    counted_keys,
    double,
    either,
    integer,
    key,
    keys_from,
    nil,
    number,
    one_key,
    oneof,
    pattern,
    real,
    string,
    token,
)

_AGGREGATE = oneof(
    "aggregate",
    token("SUM"),
    token("MIN"),
    token("MAX"),
    token("COUNT", since="8.8.0"),
    token="AGGREGATE",
    optional=True,
)
_WEIGHTS = integer("weight", token="WEIGHTS", optional=True, multiple=True)
_RANK = either(
    number("the rank, from 0"),
    array("with WITHSCORE: rank and score"),
    nil("there is no such member"),
)
_POPPED_IN_TIME = either(
    array("the key, the member and its score"), nil("the time is over")
)
_POPPED = array("members and their scores; with a count pairs in RESP3")

BZMPOP = Command(
    "BZMPOP",
    group="sorted-set",
    since="7.0.0",
    arity=-5,
    flags=WRITE | BLOCKING,
    keys=counted_keys("RW ACCESS DELETE", at=2),
    args=[
        double("timeout"),
        integer("numkeys"),
        key(multiple=True),
        oneof("where", token("MIN"), token("MAX")),
        integer("count", token="COUNT", optional=True),
    ],
    reply=either(
        array("the key, and pairs of member and score"), nil("the time is over")
    ),
    cost="O(k + m log n), k keys, m = members removed, n = members of the set",
    summary="Removes members from an end of a set, and waits for one that has any.",
)

BZPOPMAX = Command(
    "BZPOPMAX",
    group="sorted-set",
    since="5.0.0",
    arity=-3,
    flags=WRITE | BLOCKING | FAST,
    keys=keys_from("RW ACCESS DELETE", at=1, last=-2),
    args=[key(multiple=True), double("timeout")],
    reply=_POPPED_IN_TIME,
    cost="O(k + log n), k keys, n = members of the set",
    history=[("6.0.0", "The timeout may have a fraction.")],
    summary="Removes the member with the highest score; waits until there is one.",
)

BZPOPMIN = Command(
    "BZPOPMIN",
    group="sorted-set",
    since="5.0.0",
    arity=-3,
    flags=WRITE | BLOCKING | FAST,
    keys=keys_from("RW ACCESS DELETE", at=1, last=-2),
    args=[key(multiple=True), double("timeout")],
    reply=_POPPED_IN_TIME,
    cost="O(k + log n), k keys, n = members of the set",
    history=[("6.0.0", "The timeout may have a fraction.")],
    summary="Removes the member with the lowest score; waits until there is one.",
)

ZADD = Command(
    "ZADD",
    group="sorted-set",
    since="1.2.0",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW UPDATE"),
    member=3,
    scored=True,
    args=[
        key(),
        oneof("condition", token("NX"), token("XX"), optional=True, since="3.0.2"),
        oneof("comparison", token("GT"), token("LT"), optional=True, since="6.2.0"),
        Arg("pure-token", "change", token="CH", optional=True, since="3.0.2"),
        Arg("pure-token", "increment", token="INCR", optional=True, since="3.0.2"),
        block("data", double("score"), string("member"), multiple=True),
    ],
    reply=either(
        number("members added, with CH also those changed"),
        real("with INCR, the new score"),
        nil("with INCR, a condition did not hold"),
    ),
    cost="O(m log n), m = members given, n = members of the set",
    history=[
        ("2.4.0", "Takes several members."),
        ("3.0.2", "`XX`, `NX`, `CH` and `INCR` are new."),
        ("6.2.0", "`GT` and `LT` are new."),
    ],
    summary="Adds members to a sorted set, or gives them other scores.",
)

ZCARD = Command(
    "ZCARD",
    group="sorted-set",
    since="1.2.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=number("how many members there are"),
    cost="O(1)",
    summary="Counts the members of a sorted set.",
)

ZCOUNT = Command(
    "ZCOUNT",
    group="sorted-set",
    since="2.0.0",
    arity=4,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    border=2,
    args=[key(), double("min"), double("max")],
    reply=number("how many members there are in the range"),
    cost="O(log n), n = members of the set",
    summary="Counts the members whose scores lie in a range.",
)

ZDIFF = Command(
    "ZDIFF",
    group="sorted-set",
    since="6.2.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[integer("numkeys"), key(multiple=True), token("WITHSCORES", optional=True)],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(s + r log r), s = size of all sets, r = size of the result",
    summary="Returns the members of the first set that no other set has.",
)

ZDIFFSTORE = Command(
    "ZDIFFSTORE",
    group="sorted-set",
    since="6.2.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=[one_key("OW UPDATE"), counted_keys("RO ACCESS", at=2)],
    args=[key("destination"), integer("numkeys"), key("key", 1, multiple=True)],
    reply=number("size of the result"),
    cost="O(s + r log r), s = size of all sets, r = size of the result",
    summary="Stores the members of the first set that no other set has.",
)

ZINCRBY = Command(
    "ZINCRBY",
    group="sorted-set",
    since="1.2.0",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    member=3,
    ranked=True,
    args=[key(), integer("increment"), string("member")],
    reply=real("the new score"),
    cost="O(log n), n = members of the set",
    summary="Adds a number to a member's score; a missing member counts as 0.",
)

ZINTER = Command(
    "ZINTER",
    group="sorted-set",
    since="6.2.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[
        integer("numkeys"),
        key(multiple=True),
        _WEIGHTS,
        _AGGREGATE,
        token("WITHSCORES", optional=True),
    ],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(k m + r log r), k sets, m = size of the smallest, r = size of the result",
    history=[("8.8.0", "`AGGREGATE COUNT` is new.")],
    summary="Returns the members that all of the sets have.",
)

ZINTERCARD = Command(
    "ZINTERCARD",
    group="sorted-set",
    since="7.0.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[
        integer("numkeys"),
        key(multiple=True),
        integer("limit", token="LIMIT", optional=True),
    ],
    reply=number("size of the intersection, at most the limit"),
    cost="O(k m), k sets, m = size of the smallest",
    summary="Counts the members that all of the sets have, up to a limit.",
)

ZINTERSTORE = Command(
    "ZINTERSTORE",
    group="sorted-set",
    since="2.0.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=[one_key("OW UPDATE"), counted_keys("RO ACCESS", at=2)],
    args=[
        key("destination"),
        integer("numkeys"),
        key("key", 1, multiple=True),
        _WEIGHTS,
        _AGGREGATE,
    ],
    reply=number("size of the result"),
    cost="O(k m + r log r), k sets, m = size of the smallest, r = size of the result",
    history=[("8.8.0", "`AGGREGATE COUNT` is new.")],
    summary="Stores the members that all of the sets have.",
)

ZLEXCOUNT = Command(
    "ZLEXCOUNT",
    group="sorted-set",
    since="2.8.9",
    arity=4,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), string("min"), string("max")],
    reply=number("how many members there are in the range"),
    cost="O(log n), n = members of the set",
    summary="Counts the members between two others in a set of equal scores.",
)

ZMPOP = Command(
    "ZMPOP",
    group="sorted-set",
    since="7.0.0",
    arity=-4,
    flags=WRITE,
    keys=counted_keys("RW ACCESS DELETE"),
    args=[
        integer("numkeys"),
        key(multiple=True),
        oneof("where", token("MIN"), token("MAX")),
        integer("count", token="COUNT", optional=True),
    ],
    reply=either(
        array("the key, and pairs of member and score"), nil("all sets are empty")
    ),
    cost="O(k + m log n), k keys, m = members removed, n = members of the set",
    summary="Removes members from an end of the first set that has any.",
)

ZMSCORE = Command(
    "ZMSCORE",
    group="sorted-set",
    since="6.2.0",
    arity=-3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), string("member", multiple=True)],
    reply=array("for each member its score, or null"),
    cost="O(m), m = members given",
    summary="Reads the scores of several members.",
)

ZPOPMAX = Command(
    "ZPOPMAX",
    group="sorted-set",
    since="5.0.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS DELETE"),
    args=[key(), integer("count", optional=True)],
    reply=_POPPED,
    cost="O(m log n), m = members removed, n = members of the set",
    summary="Removes and returns the members with the highest scores.",
)

ZPOPMIN = Command(
    "ZPOPMIN",
    group="sorted-set",
    since="5.0.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS DELETE"),
    args=[key(), integer("count", optional=True)],
    reply=_POPPED,
    cost="O(m log n), m = members removed, n = members of the set",
    summary="Removes and returns the members with the lowest scores.",
)

ZRANDMEMBER = Command(
    "ZRANDMEMBER",
    group="sorted-set",
    since="6.2.0",
    arity=-2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        block(
            "options",
            integer("count"),
            token("WITHSCORES", optional=True),
            optional=True,
        ),
    ],
    reply=either(
        bulk("a member"),
        nil("the key does not exist"),
        array("with a count: members, with WITHSCORES their scores too"),
    ),
    cost="O(m log n), m = members chosen, n = members of the set",
    tips=["nondeterministic_output"],
    summary="Returns members that are chosen at random.",
)

ZRANGE = Command(
    "ZRANGE",
    group="sorted-set",
    since="1.2.0",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        string("start"),
        string("stop"),
        oneof("sortby", token("BYSCORE"), token("BYLEX"), optional=True, since="6.2.0"),
        token("REV", optional=True, since="6.2.0"),
        block(
            "limit",
            integer("offset"),
            integer("count"),
            token="LIMIT",
            optional=True,
            since="6.2.0",
        ),
        token("WITHSCORES", optional=True),
    ],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(log n + r), n = members of the set, r = members returned",
    history=[("6.2.0", "`BYSCORE`, `BYLEX`, `REV` and `LIMIT` are new.")],
    summary="Returns a range of members by rank, by score or by name.",
)

ZRANGEBYLEX = Command(
    "ZRANGEBYLEX",
    group="sorted-set",
    since="2.8.9",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        string("min"),
        string("max"),
        LIMIT,
    ],
    reply=array("members, in their order"),
    cost="O(log n + r), n = members of the set, r = members returned",
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with `BYLEX`",
    summary="Returns the members between two others in a set of equal scores.",
)

ZRANGEBYSCORE = Command(
    "ZRANGEBYSCORE",
    group="sorted-set",
    since="1.0.5",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    border=2,
    args=[
        key(),
        double("min"),
        double("max"),
        token("WITHSCORES", optional=True, since="2.0.0"),
        LIMIT,
    ],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(log n + r), n = members of the set, r = members returned",
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with `BYSCORE`",
    history=[("2.0.0", "`WITHSCORES` is new.")],
    summary="Returns the members whose scores lie in a range, lowest first.",
)

ZRANGESTORE = Command(
    "ZRANGESTORE",
    group="sorted-set",
    since="6.2.0",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=[one_key("OW UPDATE"), one_key("RO ACCESS", at=2)],
    args=[
        key("dst"),
        key("src", 1),
        string("min"),
        string("max"),
        oneof("sortby", token("BYSCORE"), token("BYLEX"), optional=True),
        token("REV", optional=True),
        LIMIT,
    ],
    reply=number("size of the result"),
    cost="O(log n + r), n = members of the set, r = members stored",
    summary="Stores a range of members of a set at another key.",
)

ZRANK = Command(
    "ZRANK",
    group="sorted-set",
    since="2.0.0",
    arity=-3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    member=2,
    ranked=True,
    args=[key(), string("member"), token("WITHSCORE", optional=True)],
    reply=_RANK,
    cost="O(log n), n = members of the set",
    history=[("7.2.0", "`WITHSCORE` is new.")],
    summary="Tells a member's place in the order, from the lowest score on.",
)

ZREM = Command(
    "ZREM",
    group="sorted-set",
    since="1.2.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE"),
    member=2,
    ranked=True,
    args=[key(), string("member", multiple=True)],
    reply=number("how many members were removed"),
    cost="O(m log n), m = members given, n = members of the set",
    history=[("2.4.0", "Takes several members.")],
    summary="Removes members from a sorted set; one without members is deleted.",
)

ZREMRANGEBYLEX = Command(
    "ZREMRANGEBYLEX",
    group="sorted-set",
    since="2.8.9",
    arity=4,
    flags=WRITE,
    keys=one_key("RW DELETE"),
    args=[key(), string("min"), string("max")],
    reply=number("how many members were removed"),
    cost="O(log n + m log n), m = members removed, n = members of the set",
    summary="Removes the members between two others in a set of equal scores.",
)

ZREMRANGEBYRANK = Command(
    "ZREMRANGEBYRANK",
    group="sorted-set",
    since="2.0.0",
    arity=4,
    flags=WRITE,
    keys=one_key("RW DELETE"),
    args=[key(), integer("start"), integer("stop")],
    reply=number("how many members were removed"),
    cost="O(log n + m log n), m = members removed, n = members of the set",
    summary="Removes the members whose ranks lie in a range.",
)

ZREMRANGEBYSCORE = Command(
    "ZREMRANGEBYSCORE",
    group="sorted-set",
    since="1.2.0",
    arity=4,
    flags=WRITE,
    keys=one_key("RW DELETE"),
    args=[key(), double("min"), double("max")],
    reply=number("how many members were removed"),
    cost="O(log n + m log n), m = members removed, n = members of the set",
    summary="Removes the members whose scores lie in a range.",
)

ZREVRANGE = Command(
    "ZREVRANGE",
    group="sorted-set",
    since="1.2.0",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), integer("start"), integer("stop"), token("WITHSCORES", optional=True)],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(log n + r), n = members of the set, r = members returned",
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with `REV`",
    summary="Returns a range of members by rank, highest score first.",
)

ZREVRANGEBYLEX = Command(
    "ZREVRANGEBYLEX",
    group="sorted-set",
    since="2.8.9",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        string("max"),
        string("min"),
        LIMIT,
    ],
    reply=array("members, in reverse order"),
    cost="O(log n + r), n = members of the set, r = members returned",
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with `REV` and `BYLEX`",
    summary="Returns the members between two others, in reverse order.",
)

ZREVRANGEBYSCORE = Command(
    "ZREVRANGEBYSCORE",
    group="sorted-set",
    since="2.2.0",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        double("max"),
        double("min"),
        token("WITHSCORES", optional=True),
        LIMIT,
    ],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(log n + r), n = members of the set, r = members returned",
    deprecated="6.2.0",
    replaced_by="`ZRANGE` with `REV` and `BYSCORE`",
    history=[("2.1.6", "Both ends can be exclusive.")],
    summary="Returns the members whose scores lie in a range, highest first.",
)

ZREVRANK = Command(
    "ZREVRANK",
    group="sorted-set",
    since="2.0.0",
    arity=-3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    member=2,
    ranked=True,
    args=[key(), string("member"), token("WITHSCORE", optional=True)],
    reply=_RANK,
    cost="O(log n), n = members of the set",
    history=[("7.2.0", "`WITHSCORE` is new.")],
    summary="Tells a member's place in the order, from the highest score on.",
)

ZSCAN = Command(
    "ZSCAN",
    group="sorted-set",
    since="2.8.0",
    arity=-3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        integer("cursor"),
        pattern(token="MATCH", optional=True),
        integer("count", token="COUNT", optional=True),
        token("NOSCORES", optional=True),
    ],
    reply=array("the next cursor, and members with their scores"),
    cost="O(1) a step, O(n) in all, n = members of the set",
    history=[("8.0.0", "`NOSCORES` is new.")],
    tips=["nondeterministic_output"],
    summary="Walks over a sorted set in steps.",
)

ZSCORE = Command(
    "ZSCORE",
    group="sorted-set",
    since="1.2.0",
    arity=3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    member=2,
    args=[key(), string("member")],
    reply=either(real("the score"), nil("there is no such member")),
    cost="O(1)",
    summary="Reads the score of a member.",
)

ZUNION = Command(
    "ZUNION",
    group="sorted-set",
    since="6.2.0",
    arity=-3,
    flags=READONLY,
    keys=counted_keys("RO ACCESS"),
    args=[
        integer("numkeys"),
        key(multiple=True),
        _WEIGHTS,
        _AGGREGATE,
        token("WITHSCORES", optional=True),
    ],
    reply=array("members, with WITHSCORES their scores too; pairs in RESP3"),
    cost="O(s + r log r), s = size of all sets, r = size of the result",
    history=[("8.8.0", "`AGGREGATE COUNT` is new.")],
    summary="Returns the members that any of the sets has.",
)

ZUNIONSTORE = Command(
    "ZUNIONSTORE",
    group="sorted-set",
    since="2.0.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=[one_key("OW UPDATE"), counted_keys("RO ACCESS", at=2)],
    args=[
        key("destination"),
        integer("numkeys"),
        key("key", 1, multiple=True),
        _WEIGHTS,
        _AGGREGATE,
    ],
    reply=number("size of the result"),
    cost="O(s + r log r), s = size of all sets, r = size of the result",
    history=[("8.8.0", "`AGGREGATE COUNT` is new.")],
    summary="Stores the members that any of the sets has.",
)
