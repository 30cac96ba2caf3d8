# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the hash commands."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    DENYOOM,
    FAST,
    READONLY,
    WRITE,
    Arg,
    Command,
    array,
    block,
    bulk,
    double,
    either,
    integer,
    key,
    mapping,
    nil,
    number,
    ok,
    one_key,
    oneof,
    pattern,
    string,
    token,
    unix_time,
)

_ORDERLESS = ("nondeterministic_output_order",)
_RANDOM = ("nondeterministic_output",)
_PAIRS = block("data", string("field"), string("value"), multiple=True)
_FIELDS = block(
    "fields", integer("numfields"), string("field", multiple=True), token="FIELDS"
)
_CONDITION = oneof(
    "condition", token("NX"), token("XX"), token("GT"), token("LT"), optional=True
)
_COST = "O(n), n = number of fields named"
_SET_REPLY = array(
    "for each field 1 if its expiry was set, 0 if the condition is not met, "
    "2 if it was deleted, -2 if it is absent"
)


def _expiration(last: str) -> Arg:
    """Return the choice of EX, PX, EXAT, PXAT and one word more."""
    return oneof(
        "expiration",
        integer("seconds", token="EX"),
        integer("milliseconds", token="PX"),
        unix_time("unix-time-seconds", token="EXAT"),
        unix_time("unix-time-milliseconds", token="PXAT"),
        token(last),
        optional=True,
    )


HDEL = Command(
    "HDEL",
    group="hash",
    since="2.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE"),
    member=2,
    args=[key(), string("field", multiple=True)],
    reply=number("how many of the fields were there"),
    cost="O(n), n = number of fields named",
    summary="Deletes fields of a hash, and the key with the last of them.",
    history=[("2.4.0", "Several fields may be named.")],
)

HEXISTS = Command(
    "HEXISTS",
    group="hash",
    since="2.0.0",
    arity=3,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    member=2,
    args=[key(), string("field")],
    reply=number("1 if the field is there, 0 if not"),
    cost="O(1)",
    summary="Tells whether a hash has a field.",
)

HEXPIRE = Command(
    "HEXPIRE",
    group="hash",
    since="7.4.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), integer("seconds"), _CONDITION, _FIELDS],
    reply=_SET_REPLY,
    cost=_COST,
    summary="Gives fields of a hash a time to live in seconds.",
)

HEXPIREAT = Command(
    "HEXPIREAT",
    group="hash",
    since="7.4.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), unix_time("unix-time-seconds"), _CONDITION, _FIELDS],
    reply=_SET_REPLY,
    cost=_COST,
    summary="Has fields of a hash expire at a time in seconds.",
)

HEXPIRETIME = Command(
    "HEXPIRETIME",
    group="hash",
    since="7.4.0",
    arity=-5,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), _FIELDS],
    reply=array(
        "for each field a time in seconds, -1 without expiry, -2 if it is absent"
    ),
    cost=_COST,
    summary="Tells when fields of a hash expire, in seconds since 1970.",
)

HGET = Command(
    "HGET",
    group="hash",
    since="2.0.0",
    arity=3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    member=2,
    args=[key(), string("field")],
    reply=either(bulk("the value"), nil("the field or the key does not exist")),
    cost="O(1)",
    summary="Returns the value of a field.",
)

HGETALL = Command(
    "HGETALL",
    group="hash",
    since="2.0.0",
    arity=2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=mapping("every field with its value"),
    cost="O(n), n = number of fields",
    summary="Returns all fields of a hash with their values.",
    tips=_ORDERLESS,
)

HGETDEL = Command(
    "HGETDEL",
    group="hash",
    since="8.0.0",
    arity=-5,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS DELETE"),
    args=[key(), _FIELDS],
    reply=array("for each field its value, null if it is absent"),
    cost=_COST,
    summary="Returns the values of fields and deletes the fields.",
)

HGETEX = Command(
    "HGETEX",
    group="hash",
    since="8.0.0",
    arity=-5,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), _expiration("PERSIST"), _FIELDS],
    reply=array("for each field its value, null if it is absent"),
    cost=_COST,
    summary="Returns the values of fields and changes when the fields expire.",
)

HIMPORT = Command(
    "HIMPORT",
    group="hash",
    since="8.10.0",
    arity=-2,
    cost="That of the subcommand.",
    summary="Makes hashes that have their fields in common.",
    subcommands=[
        Command(
            "DISCARD",
            since="8.10.0",
            arity=3,
            args=[string("fieldset-name")],
            reply=number("1 if there was one of that name, otherwise 0"),
            cost="O(1)",
            summary="Forgets a fieldset of the connection.",
        ),
        Command(
            "DISCARDALL",
            since="8.10.0",
            arity=2,
            reply=number("how many there were"),
            cost="O(n), n = number of fieldsets",
            summary="Forgets all fieldsets of the connection.",
        ),
        Command(
            "PREPARE",
            since="8.10.0",
            arity=-4,
            args=[string("fieldset-name"), string("field", multiple=True)],
            reply=ok(),
            cost="O(n), n = number of fields",
            summary="Names the fields of hashes to come, for this connection only.",
        ),
        Command(
            "SET",
            since="8.10.0",
            arity=-5,
            flags=WRITE | DENYOOM,
            keys=one_key("OW UPDATE", at=2),
            args=[key(), string("fieldset-name"), string("value", multiple=True)],
            reply=ok(),
            cost="O(n), n = number of fields",
            summary="Makes a hash, or replaces one, from values for a fieldset.",
        ),
    ],
)

HINCRBY = Command(
    "HINCRBY",
    group="hash",
    since="2.0.0",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    member=2,
    args=[key(), string("field"), integer("increment")],
    reply=number("the new value"),
    cost="O(1)",
    summary="Adds to the integer in a field; a missing field counts as 0.",
)

HINCRBYFLOAT = Command(
    "HINCRBYFLOAT",
    group="hash",
    since="2.6.0",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    member=2,
    args=[key(), string("field"), double("increment")],
    reply=bulk("the new value"),
    cost="O(1)",
    summary="Adds to the number in a field; a missing field counts as 0.",
)

HKEYS = Command(
    "HKEYS",
    group="hash",
    since="2.0.0",
    arity=2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=array("the names of all fields"),
    cost="O(n), n = number of fields",
    summary="Returns the names of all fields of a hash.",
    tips=_ORDERLESS,
)

HLEN = Command(
    "HLEN",
    group="hash",
    since="2.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=number("how many fields there are, 0 without key"),
    cost="O(1)",
    summary="Counts the fields of a hash.",
)

HMGET = Command(
    "HMGET",
    group="hash",
    since="2.0.0",
    arity=-3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), string("field", multiple=True)],
    reply=array("for each field its value, null if it is absent"),
    cost="O(n), n = number of fields named",
    summary="Returns the values of several fields.",
)

HMSET = Command(
    "HMSET",
    group="hash",
    since="2.0.0",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW UPDATE"),
    member=2,
    args=[key(), _PAIRS],
    reply=ok(),
    cost="O(n), n = number of fields set",
    summary="Sets several fields of a hash, like HSET with another reply.",
    deprecated="4.0.0",
    replaced_by="`HSET` with several fields",
)

HPERSIST = Command(
    "HPERSIST",
    group="hash",
    since="7.4.0",
    arity=-5,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), _FIELDS],
    reply=array("for each field 1 if it had an expiry, -1 if not, -2 if it is absent"),
    cost=_COST,
    summary="Takes the expiry of fields of a hash away.",
)

HPEXPIRE = Command(
    "HPEXPIRE",
    group="hash",
    since="7.4.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), integer("milliseconds"), _CONDITION, _FIELDS],
    reply=_SET_REPLY,
    cost=_COST,
    summary="Gives fields of a hash a time to live in milliseconds.",
)

HPEXPIREAT = Command(
    "HPEXPIREAT",
    group="hash",
    since="7.4.0",
    arity=-6,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), unix_time("unix-time-milliseconds"), _CONDITION, _FIELDS],
    reply=_SET_REPLY,
    cost=_COST,
    summary="Has fields of a hash expire at a time in milliseconds.",
)

HPEXPIRETIME = Command(
    "HPEXPIRETIME",
    group="hash",
    since="7.4.0",
    arity=-5,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), _FIELDS],
    reply=array(
        "for each field a time in milliseconds, -1 without expiry, -2 if it is absent"
    ),
    cost=_COST,
    summary="Tells when fields of a hash expire, in milliseconds since 1970.",
)

HPTTL = Command(
    "HPTTL",
    group="hash",
    since="7.4.0",
    arity=-5,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), _FIELDS],
    reply=array("for each field milliseconds, -1 without expiry, -2 if it is absent"),
    cost=_COST,
    summary="Tells how long fields of a hash have to live, in milliseconds.",
    tips=_RANDOM,
)

HRANDFIELD = Command(
    "HRANDFIELD",
    group="hash",
    since="6.2.0",
    arity=-2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        block(
            "options",
            integer("count"),
            token("WITHVALUES", optional=True),
            optional=True,
        ),
    ],
    reply=either(
        bulk("a field, if no count was given"),
        nil("no count was given and there is no such key"),
        array("fields, each with its value if they were asked for"),
    ),
    cost="O(n), n = fields returned; of the whole hash if they are a third of it",
    summary="Picks fields at random; a negative count may repeat them.",
    tips=_RANDOM,
)

HSCAN = Command(
    "HSCAN",
    group="hash",
    since="2.8.0",
    arity=-3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        integer("cursor"),
        pattern(token="MATCH", optional=True),
        integer("count", token="COUNT", optional=True),
        token("NOVALUES", optional=True, since="7.4.0"),
    ],
    reply=array("the cursor for the next call, 0 at the end, and some fields"),
    cost="O(1) a call, O(n) until the cursor is 0 again, n = number of fields",
    summary="Walks through the fields of a hash in small steps.",
    history=[("7.4.0", "`NOVALUES` is new.")],
    tips=_RANDOM,
)

HSET = Command(
    "HSET",
    group="hash",
    since="2.0.0",
    arity=-4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW UPDATE"),
    member=2,
    args=[key(), _PAIRS],
    reply=number("how many of the fields are new"),
    cost="O(n), n = number of fields set",
    summary="Sets fields of a hash, which is made if need be.",
    history=[("4.0.0", "Several fields may be set.")],
)

HSETEX = Command(
    "HSETEX",
    group="hash",
    since="8.0.0",
    arity=-6,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW UPDATE"),
    args=[
        key(),
        oneof("condition", token("FNX"), token("FXX"), optional=True),
        _expiration("KEEPTTL"),
        block("fields", integer("numfields"), _PAIRS, token="FIELDS"),
    ],
    reply=number("1 if the fields were set, 0 if the condition is not met"),
    cost=_COST,
    summary="Sets fields of a hash and when they expire.",
)

HSETNX = Command(
    "HSETNX",
    group="hash",
    since="2.0.0",
    arity=4,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    member=2,
    args=[key(), string("field"), string("value")],
    reply=number("1 if the field was set, 0 if it was there"),
    cost="O(1)",
    summary="Sets a field of a hash unless it is there.",
)

HSTRLEN = Command(
    "HSTRLEN",
    group="hash",
    since="3.2.0",
    arity=3,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    member=2,
    args=[key(), string("field")],
    reply=number("bytes, 0 if the field is absent"),
    cost="O(1)",
    summary="Tells how long the value of a field is.",
)

HTTL = Command(
    "HTTL",
    group="hash",
    since="7.4.0",
    arity=-5,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), _FIELDS],
    reply=array("for each field seconds, -1 without expiry, -2 if it is absent"),
    cost=_COST,
    summary="Tells how long fields of a hash have to live, in seconds.",
    tips=_RANDOM,
)

HVALS = Command(
    "HVALS",
    group="hash",
    since="2.0.0",
    arity=2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=array("the values of all fields"),
    cost="O(n), n = number of fields",
    summary="Returns the values of all fields of a hash.",
    tips=_ORDERLESS,
)
