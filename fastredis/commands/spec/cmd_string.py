# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the string commands.

The conditional commands come from two lines of servers: SET IFEQ and its siblings,
DELEX, DIGEST, MSETEX and INCREX as in Redis 8.4 to 8.8, DELIFEQ as in Valkey 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    counted_keys,
    double,
    either,
    integer,
    key,
    key_flags,
    keys_from,
    mapping,
    nil,
    number,
    ok,
    one_key,
    oneof,
    string,
    token,
    unix_time,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_MULTI_SHARD = ("request_policy:multi_shard", "response_policy:all_succeeded")
_SECONDS = integer("seconds", token="EX")
_MILLISECONDS = integer("milliseconds", token="PX")
_AT_SECONDS = unix_time("unix-time-seconds", token="EXAT")
_AT_MILLISECONDS = unix_time("unix-time-milliseconds", token="PXAT")


def _expiration(last: Arg) -> Arg:
    """Return the choice of EX, PX, EXAT, PXAT and one word more."""
    return oneof(
        "expiration",
        _SECONDS,
        _MILLISECONDS,
        _AT_SECONDS,
        _AT_MILLISECONDS,
        last,
        optional=True,
    )


def _conditions(since: str | None = None) -> list[Arg]:
    """Return the four comparisons with the stored value."""
    return [
        Arg("string", "ifeq-value", token="IFEQ", since=since),
        Arg("string", "ifne-value", token="IFNE", since=since),
        Arg("string", "ifdeq-digest", token="IFDEQ", since=since),
        Arg("string", "ifdne-digest", token="IFDNE", since=since),
    ]


_SET_BLIND = key_flags("OW UPDATE")
_SET_READING = key_flags("RW ACCESS UPDATE")
_SET_READING_WORDS = frozenset((b"get", b"ifeq", b"ifne", b"ifdeq", b"ifdne"))


def _set_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the key of SET: GET and the comparisons make it a reader too."""
    reads = any(word.lower() in _SET_READING_WORDS for word in argv[3:])
    return [(1, _SET_READING if reads else _SET_BLIND)]


_DELEX_BLIND = key_flags("RM DELETE")
_DELEX_READING = key_flags("RW ACCESS DELETE")


def _delex_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the key of DELEX: without a condition its value is of no interest."""
    return [(1, _DELEX_READING if len(argv) > 2 else _DELEX_BLIND)]


APPEND = Command(
    "APPEND",
    group="string",
    since="2.0.0",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    args=[key(), string("value")],
    reply=number("the length of the string afterwards"),
    cost="O(1) amortised for small values: the string keeps room to grow",
    summary="Adds bytes to the end of a string, which may not exist yet.",
)

DECR = Command(
    "DECR",
    group="string",
    since="1.0.0",
    arity=2,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key()],
    reply=number("the new value"),
    cost="O(1)",
    summary="Subtracts one from an integer; a missing key counts as 0.",
)

DECRBY = Command(
    "DECRBY",
    group="string",
    since="1.0.0",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), integer("decrement")],
    reply=number("the new value"),
    cost="O(1)",
    summary="Subtracts a number from an integer; a missing key counts as 0.",
)

DELEX = Command(
    "DELEX",
    group="string",
    since="8.4.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=one_key("RW DELETE VARIABLE_FLAGS"),
    find_keys=_delex_keys,
    args=[key(), oneof("condition", *_conditions(), optional=True)],
    reply=number("1 if the key was deleted, otherwise 0"),
    cost="O(1), with IFDEQ and IFDNE O(n), n = length of the string",
    summary="Deletes a key if its string compares as asked, by value or by digest.",
)

DELIFEQ = Command(
    "DELIFEQ",
    group="string",
    since="9.0.0",
    arity=3,
    flags=WRITE | FAST,
    keys=one_key("RM DELETE"),
    args=[key(), string("value")],
    reply=number("1 if the key was deleted, otherwise 0"),
    cost="O(1)",
    summary="Deletes a key if it holds exactly the given string.",
)

DIGEST = Command(
    "DIGEST",
    group="string",
    since="8.4.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=either(bulk("16 hexadecimal digits"), nil("the key does not exist")),
    cost="O(n), n = length of the string",
    summary="Computes the XXH3 checksum of a string, for SET and DELEX to compare.",
)

GET = Command(
    "GET",
    group="string",
    since="1.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=either(bulk("the string"), nil("the key does not exist")),
    cost="O(1)",
    summary="Reads the string stored at a key.",
)

GETDEL = Command(
    "GETDEL",
    group="string",
    since="6.2.0",
    arity=2,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS DELETE"),
    args=[key()],
    reply=either(bulk("the string"), nil("the key does not exist")),
    cost="O(1)",
    summary="Reads a string and deletes its key in one step.",
)

GETEX = Command(
    "GETEX",
    group="string",
    since="6.2.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=one_key(
        "RW ACCESS UPDATE", notes="An update because the time to live can change"
    ),
    args=[key(), _expiration(token("PERSIST"))],
    reply=either(bulk("the string"), nil("the key does not exist")),
    cost="O(1)",
    summary="Reads a string and can set or remove its expiry.",
)

GETRANGE = Command(
    "GETRANGE",
    group="string",
    since="2.4.0",
    arity=4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), integer("start"), integer("end")],
    reply=bulk("the bytes from start to end, both included"),
    cost="O(n), n = bytes returned",
    summary="Cuts a piece out of a string, by the positions of its ends.",
)

GETSET = Command(
    "GETSET",
    group="string",
    since="1.0.0",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), string("value")],
    reply=either(bulk("the old string"), nil("the key did not exist")),
    cost="O(1)",
    summary="Stores a new string and answers with the old one.",
    deprecated="6.2.0",
    replaced_by="`SET` with the `GET` option",
)

INCR = Command(
    "INCR",
    group="string",
    since="1.0.0",
    arity=2,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key()],
    reply=number("the new value"),
    cost="O(1)",
    summary="Adds one to an integer; a missing key counts as 0.",
)

INCRBY = Command(
    "INCRBY",
    group="string",
    since="1.0.0",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), integer("increment")],
    reply=number("the new value"),
    cost="O(1)",
    summary="Adds a number to an integer; a missing key counts as 0.",
)

INCRBYFLOAT = Command(
    "INCRBYFLOAT",
    group="string",
    since="2.6.0",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), double("increment")],
    reply=bulk("the new value"),
    cost="O(1)",
    summary="Adds a floating-point number to a number; a missing key counts as 0.",
)

INCREX = Command(
    "INCREX",
    group="string",
    since="8.8.0",
    arity=-2,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[
        key(),
        oneof(
            "increment",
            double("float", token="BYFLOAT"),
            integer("integer", token="BYINT"),
            optional=True,
        ),
        token(
            "SATURATE",
            optional=True,
            summary="Stop at the bound instead of leaving the value as it is.",
        ),
        string(
            "lowerbound",
            token="LBOUND",
            optional=True,
            summary="The least result allowed: an integer, with BYFLOAT a float.",
        ),
        string(
            "upperbound",
            token="UBOUND",
            optional=True,
            summary="The greatest result allowed: an integer, with BYFLOAT a float.",
        ),
        _expiration(token("PERSIST")),
        token(
            "ENX",
            optional=True,
            summary="Set the expiry only if the key has none; not with PERSIST.",
        ),
    ],
    reply=array("the value afterwards, and by how much it changed"),
    cost="O(1)",
    summary="Adds to a number within bounds and sets its expiry: a rate limiter.",
)

LCS = Command(
    "LCS",
    group="string",
    since="7.0.0",
    arity=-3,
    flags=READONLY,
    keys=keys_from("RO ACCESS", last=1),
    args=[
        key("key1"),
        key("key2"),
        token("LEN", optional=True),
        token("IDX", optional=True),
        integer("min-match-len", token="MINMATCHLEN", optional=True),
        token("WITHMATCHLEN", optional=True),
    ],
    reply=either(
        bulk("the common subsequence"),
        number("with LEN: its length"),
        mapping("with IDX: the matching ranges, and the length"),
    ),
    cost="O(n * m), n and m = lengths of the two strings",
    summary="Finds the longest subsequence that two strings have in common.",
)

MGET = Command(
    "MGET",
    group="string",
    since="1.0.0",
    arity=-2,
    flags=READONLY | FAST,
    keys=keys_from("RO ACCESS"),
    args=[key(multiple=True)],
    reply=array("the strings, null for each key without one"),
    cost="O(n), n = number of keys",
    summary="Reads the strings of several keys.",
    tips=["request_policy:multi_shard"],
)

MSET = Command(
    "MSET",
    group="string",
    since="1.0.1",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=keys_from("OW UPDATE", step=2),
    args=[block("data", key(), string("value"), multiple=True)],
    reply=ok(),
    cost="O(n), n = number of keys",
    summary="Stores strings at several keys in one step.",
    tips=_MULTI_SHARD,
)

MSETEX = Command(
    "MSETEX",
    group="string",
    since="8.4.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=counted_keys("OW UPDATE", step=2),
    args=[
        integer("numkeys"),
        block("data", key(), string("value"), multiple=True),
        oneof("condition", token("NX"), token("XX"), optional=True),
        _expiration(token("KEEPTTL")),
    ],
    reply=number("1 if all keys were set, 0 if none"),
    cost="O(n), n = number of keys",
    summary="Stores strings at several keys, with a condition and a shared expiry.",
    tips=_MULTI_SHARD,
)

MSETNX = Command(
    "MSETNX",
    group="string",
    since="1.0.1",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=keys_from("OW INSERT", step=2),
    args=[block("data", key(), string("value"), multiple=True)],
    reply=number("1 if all keys were set, 0 if none"),
    cost="O(n), n = number of keys",
    summary="Stores strings at several keys unless one of the keys exists.",
)

PSETEX = Command(
    "PSETEX",
    group="string",
    since="2.6.0",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=one_key("OW UPDATE"),
    args=[key(), integer("milliseconds"), string("value")],
    reply=ok(),
    cost="O(1)",
    summary="Stores a string that expires after a time in milliseconds.",
    deprecated="2.6.12",
    replaced_by="`SET` with the `PX` option",
)

SET = Command(
    "SET",
    group="string",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=one_key(
        "RW ACCESS UPDATE VARIABLE_FLAGS",
        notes="Read only with GET or a comparison, otherwise overwritten unseen",
    ),
    find_keys=_set_keys,
    args=[
        key(),
        string("value"),
        oneof(
            "condition",
            token("NX"),
            token("XX"),
            *_conditions("8.4.0"),
            optional=True,
            since="2.6.12",
        ),
        token("GET", optional=True, since="6.2.0"),
        oneof(
            "expiration",
            integer("seconds", token="EX", since="2.6.12"),
            integer("milliseconds", token="PX", since="2.6.12"),
            unix_time("unix-time-seconds", token="EXAT", since="6.2.0"),
            unix_time("unix-time-milliseconds", token="PXAT", since="6.2.0"),
            token("KEEPTTL", since="6.0.0"),
            optional=True,
        ),
    ],
    reply=either(
        ok("the string was stored"),
        nil("a condition did not hold, or with GET: there was no old string"),
        bulk("with GET: the old string"),
    ),
    cost="O(1)",
    summary="Stores a string at a key, whatever was there before.",
    history=[
        ("2.6.12", "`EX`, `PX`, `NX` and `XX` are new."),
        ("6.0.0", "`KEEPTTL` is new."),
        ("6.2.0", "`GET`, `EXAT` and `PXAT` are new."),
        ("7.0.0", "`NX` and `GET` may go together."),
        ("8.4.0", "`IFEQ`, `IFNE`, `IFDEQ` and `IFDNE` are new."),
    ],
)

SETEX = Command(
    "SETEX",
    group="string",
    since="2.0.0",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=one_key("OW UPDATE"),
    args=[key(), integer("seconds"), string("value")],
    reply=ok(),
    cost="O(1)",
    summary="Stores a string that expires after a time in seconds.",
    deprecated="2.6.12",
    replaced_by="`SET` with the `EX` option",
)

SETNX = Command(
    "SETNX",
    group="string",
    since="1.0.0",
    arity=3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("OW INSERT"),
    args=[key(), string("value")],
    reply=number("1 if the string was stored, 0 if the key existed"),
    cost="O(1)",
    summary="Stores a string unless the key exists.",
    deprecated="2.6.12",
    replaced_by="`SET` with the `NX` option",
)

SETRANGE = Command(
    "SETRANGE",
    group="string",
    since="2.2.0",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=one_key("RW UPDATE"),
    args=[key(), integer("offset"), string("value")],
    reply=number("the length of the string afterwards"),
    cost="O(n), n = bytes written, and zero bytes to fill a gap",
    summary="Writes over part of a string, which grows with zero bytes if needed.",
)

STRLEN = Command(
    "STRLEN",
    group="string",
    since="2.2.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=number("the length in bytes, 0 if the key does not exist"),
    cost="O(1)",
    summary="Counts the bytes of a string.",
)

SUBSTR = Command(
    "SUBSTR",
    group="string",
    since="1.0.0",
    arity=4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), integer("start"), integer("end")],
    reply=bulk("the bytes from start to end, both included"),
    cost="O(n), n = bytes returned",
    summary="Does what GETRANGE does, under its old name.",
    deprecated="2.0.0",
    replaced_by="`GETRANGE`",
)
