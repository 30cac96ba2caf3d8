# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the commands that work on keys of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastredis.commands.spec.model import (
    BLOCKING,
    DENYOOM,
    FAST,
    LIMIT,
    LOADING,
    ORDER,
    READONLY,
    STALE,
    TOUCHES_ARBITRARY_KEYS,
    WRITE,
    Arg,
    Command,
    KeySpec,
    Keyword,
    Range,
    Unknown,
    array,
    block,
    bulk,
    either,
    integer,
    key,
    key_flags,
    keys_from,
    nil,
    number,
    ok,
    one_key,
    oneof,
    pattern,
    status,
    string,
    token,
    unix_time,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_MULTI_SHARD = ("request_policy:multi_shard", "response_policy:agg_sum")
_VARIES = ("nondeterministic_output",)
_EXPIRE_CONDITION = oneof(
    "condition",
    token("NX"),
    token("XX"),
    token("GT"),
    token("LT"),
    optional=True,
    since="7.0.0",
)
_EXPIRE_HISTORY = (("7.0.0", "`NX`, `XX`, `GT` and `LT` are new."),)
_EXPIRE_REPLY = number("1 if the expiry was set, 0 if there is no key or a condition")
_TTL_HISTORY = (("2.8.0", "Answers -2 for a key that does not exist."),)

RESTORE_ARGS = (
    key(),
    integer("ttl"),
    string("serialized-value"),
    token("REPLACE", optional=True, since="3.0.0"),
    token("ABSTTL", optional=True, since="5.0.0"),
    integer("seconds", token="IDLETIME", optional=True, since="5.0.0"),
    integer("frequency", token="FREQ", optional=True, since="5.0.0"),
)
RESTORE_HISTORY = (
    ("3.0.0", "`REPLACE` is new."),
    ("5.0.0", "`ABSTTL`, `IDLETIME` and `FREQ` are new."),
)
_SORTED = one_key("RO ACCESS")
_PATTERN_KEYS = KeySpec(
    "RO ACCESS",
    Unknown(),
    Unknown(),
    notes="Those that the patterns of BY and GET make of the elements",
)
_SORT_ARGS = [
    key(),
    Arg(
        "pattern",
        "by-pattern",
        key_spec=1,
        display="pattern",
        token="BY",
        optional=True,
    ),
    LIMIT,
    Arg(
        "pattern",
        "get-pattern",
        key_spec=1,
        display="pattern",
        token="GET",
        optional=True,
        multiple=True,
        multiple_token=True,
    ),
    ORDER,
    token("ALPHA", optional=True),
]
_SORT_COST = "O(n+m*log(n)), n = length, m = elements returned; O(m) if not sorted"
_SORT_SKIPPED = {b"limit": 2, b"get": 1, b"by": 1}  # arguments of the other options


def _sort_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the key of SORT and that of the last STORE."""
    found = [(1, key_flags("RO ACCESS"))]
    stored = 0
    i = 2
    while i < len(argv):
        word = argv[i].lower()
        if word == b"store" and i + 1 < len(argv):
            stored = i + 1
            i += 1
        i += 1 + _SORT_SKIPPED.get(word, 0)
    if stored:
        found.append((stored, key_flags("OW UPDATE")))
    return found


def _sort_ro_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the key of SORT_RO."""
    return [(1, key_flags("RO ACCESS"))]


_MIGRATE_SKIPPED = {b"auth": 1, b"auth2": 2}


def _migrate_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the key of MIGRATE, or those behind KEYS."""
    flags = key_flags("RW ACCESS DELETE")
    i = 6
    while i < len(argv):
        word = argv[i].lower()
        if word == b"keys":
            if argv[3]:
                return []
            return [(j, flags) for j in range(i + 1, len(argv))]
        i += 1 + _MIGRATE_SKIPPED.get(word, 0)
    return [(3, flags)]


COPY = Command(
    "COPY",
    group="generic",
    since="6.2.0",
    arity=-3,
    flags=WRITE | DENYOOM,
    keys=[one_key("RO ACCESS"), one_key("OW UPDATE", at=2)],
    args=[
        key("source"),
        key("destination", 1),
        integer("destination-db", token="DB", optional=True),
        token("REPLACE", optional=True),
    ],
    reply=number("1 if the value was copied, otherwise 0"),
    cost="O(n), n = elements of the value; O(1) for a string",
    summary="Copies a value, with its expiry, to another key.",
)

DEL = Command(
    "DEL",
    group="generic",
    since="1.0.0",
    arity=-2,
    flags=WRITE,
    keys=keys_from("RM DELETE"),
    args=[key(multiple=True)],
    reply=number("how many keys were deleted"),
    cost="O(n), n = number of keys, and the elements of values that are not strings",
    summary="Deletes keys and frees their values.",
    tips=_MULTI_SHARD,
)

DUMP = Command(
    "DUMP",
    group="generic",
    since="2.6.0",
    arity=2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=either(bulk("the value as bytes for RESTORE"), nil("the key does not exist")),
    cost="O(n), n = bytes of the value; the more elements it has, the more each takes",
    summary="Serializes a value, for RESTORE on this server or another.",
    tips=_VARIES,
)

EXISTS = Command(
    "EXISTS",
    group="generic",
    since="1.0.0",
    arity=-2,
    flags=READONLY | FAST,
    keys=keys_from("RO"),
    args=[key(multiple=True)],
    reply=number("how many exist; a key that is named twice counts twice"),
    cost="O(n), n = number of keys",
    summary="Counts which of the given keys exist.",
    history=[("3.0.3", "Takes several keys.")],
    tips=_MULTI_SHARD,
)

EXPIRE = Command(
    "EXPIRE",
    group="generic",
    since="1.0.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), integer("seconds"), _EXPIRE_CONDITION],
    reply=_EXPIRE_REPLY,
    cost="O(1)",
    summary="Lets a key expire after a time in seconds.",
    history=_EXPIRE_HISTORY,
)

EXPIREAT = Command(
    "EXPIREAT",
    group="generic",
    since="1.2.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), unix_time("unix-time-seconds"), _EXPIRE_CONDITION],
    reply=_EXPIRE_REPLY,
    cost="O(1)",
    summary="Lets a key expire at a point in time, in seconds since 1970.",
    history=_EXPIRE_HISTORY,
)

EXPIRETIME = Command(
    "EXPIRETIME",
    group="generic",
    since="7.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=number("seconds since 1970, -1 without expiry, -2 without key"),
    cost="O(1)",
    summary="Tells when a key expires, in seconds since 1970.",
)

KEYS = Command(
    "KEYS",
    group="generic",
    since="1.0.0",
    arity=2,
    flags=READONLY,
    acl_extra="dangerous",
    args=[pattern()],
    reply=array("the names, in no order"),
    cost="O(n), n = number of keys in the database",
    summary="Lists every key whose name matches; SCAN does it in small steps.",
    tips=("request_policy:all_shards", "nondeterministic_output_order"),
)

MIGRATE = Command(
    "MIGRATE",
    group="generic",
    since="2.6.0",
    arity=-6,
    flags=WRITE,
    keys=[
        one_key("RW ACCESS DELETE", at=3),
        KeySpec("RW ACCESS DELETE INCOMPLETE", Keyword("KEYS", -2), Range(-1, 1, 0)),
    ],
    find_keys=_migrate_keys,
    args=[
        string("host"),
        integer("port"),
        oneof("key-selector", key(), Arg("pure-token", "empty-string", token="")),
        integer("destination-db"),
        integer("timeout"),
        token("COPY", optional=True, since="3.0.0"),
        token("REPLACE", optional=True, since="3.0.0"),
        oneof(
            "authentication",
            string("auth", token="AUTH", display="password", since="4.0.7"),
            block(
                "auth2",
                string("username"),
                string("password"),
                token="AUTH2",
                since="6.0.0",
            ),
            optional=True,
        ),
        key(
            "keys",
            1,
            token="KEYS",
            display="key",
            optional=True,
            multiple=True,
            since="3.0.6",
        ),
    ],
    reply=status("OK, or NOKEY if there is none of the keys"),
    cost="O(n), n = bytes of the values, which also travel through the network",
    summary="Moves or copies keys to another server.",
    history=[
        ("3.0.0", "`COPY` and `REPLACE` are new."),
        ("3.0.6", "`KEYS` is new."),
        ("4.0.7", "`AUTH` is new."),
        ("6.0.0", "`AUTH2` is new."),
    ],
    tips=_VARIES,
    acl_extra="dangerous",
    python=True,
)

MOVE = Command(
    "MOVE",
    group="generic",
    since="1.0.0",
    arity=3,
    flags=WRITE | FAST,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), integer("db")],
    reply=number("1 if the key was moved, 0 if it is missing here or present there"),
    cost="O(1)",
    summary="Puts a key, with its value and expiry, into a different database.",
)

_OBJECT_KEY = one_key("RO", at=2)

OBJECT = Command(
    "OBJECT",
    group="generic",
    since="2.2.3",
    arity=-2,
    cost="That of the subcommand.",
    summary="Looks behind a key: how its value is stored and used.",
    subcommands=[
        Command(
            "ENCODING",
            since="2.2.3",
            arity=3,
            flags=READONLY,
            keys=_OBJECT_KEY,
            args=[key()],
            reply=either(bulk("the name"), nil("the key does not exist")),
            cost="O(1)",
            summary="Names the representation in which a value is held.",
            tips=_VARIES,
        ),
        Command(
            "FREQ",
            since="4.0.0",
            arity=3,
            flags=READONLY,
            keys=_OBJECT_KEY,
            args=[key()],
            reply=either(number("the counter"), nil("the key does not exist")),
            cost="O(1)",
            summary="Shows how often a key is used, under an LFU eviction policy.",
            tips=_VARIES,
        ),
        Command(
            "HELP",
            since="6.2.0",
            arity=2,
            flags=LOADING | STALE,
            python=True,
            reply=array("lines of text"),
            cost="O(1)",
            summary="Explains the subcommands.",
        ),
        Command(
            "IDLETIME",
            since="2.2.3",
            arity=3,
            flags=READONLY,
            keys=_OBJECT_KEY,
            args=[key()],
            reply=either(number("seconds"), nil("the key does not exist")),
            cost="O(1)",
            summary="Shows for how long a key has not been used.",
            tips=_VARIES,
        ),
        Command(
            "REFCOUNT",
            since="2.2.3",
            arity=3,
            flags=READONLY,
            keys=_OBJECT_KEY,
            args=[key()],
            reply=either(number("the count"), nil("the key does not exist")),
            cost="O(1)",
            summary="Shows how many references a value has.",
            tips=_VARIES,
        ),
    ],
)

PERSIST = Command(
    "PERSIST",
    group="generic",
    since="2.2.0",
    arity=2,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key()],
    reply=number("1 if the key had an expiry, otherwise 0"),
    cost="O(1)",
    summary="Lets a key stay: takes its expiry away.",
)

PEXPIRE = Command(
    "PEXPIRE",
    group="generic",
    since="2.6.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), integer("milliseconds"), _EXPIRE_CONDITION],
    reply=_EXPIRE_REPLY,
    cost="O(1)",
    summary="Lets a key expire after a time in milliseconds.",
    history=_EXPIRE_HISTORY,
)

PEXPIREAT = Command(
    "PEXPIREAT",
    group="generic",
    since="2.6.0",
    arity=-3,
    flags=WRITE | FAST,
    keys=one_key("RW UPDATE"),
    args=[key(), unix_time("unix-time-milliseconds"), _EXPIRE_CONDITION],
    reply=_EXPIRE_REPLY,
    cost="O(1)",
    summary="Lets a key expire at a point in time, in milliseconds since 1970.",
    history=_EXPIRE_HISTORY,
)

PEXPIRETIME = Command(
    "PEXPIRETIME",
    group="generic",
    since="7.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=number("milliseconds since 1970, -1 without expiry, -2 without key"),
    cost="O(1)",
    summary="Tells when a key expires, in milliseconds since 1970.",
)

PTTL = Command(
    "PTTL",
    group="generic",
    since="2.6.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=number("milliseconds, -1 without expiry, -2 without key"),
    cost="O(1)",
    summary="Tells how long a key has to live, in milliseconds.",
    history=_TTL_HISTORY,
    tips=_VARIES,
)

RANDOMKEY = Command(
    "RANDOMKEY",
    group="generic",
    since="1.0.0",
    arity=1,
    flags=READONLY | TOUCHES_ARBITRARY_KEYS,
    reply=either(bulk("a name"), nil("the database is empty")),
    cost="O(1)",
    summary="Picks a key at random.",
    tips=(
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ),
)

RENAME = Command(
    "RENAME",
    group="generic",
    since="1.0.0",
    arity=3,
    flags=WRITE,
    keys=[one_key("RW ACCESS DELETE"), one_key("OW UPDATE", at=2)],
    args=[key(), key("newkey", 1)],
    reply=ok(),
    cost="O(1), besides freeing a value that was in the way",
    summary="Gives a key another name; a key of that name is replaced.",
    history=[("3.2.0", "The two names may be the same.")],
)

RENAMENX = Command(
    "RENAMENX",
    group="generic",
    since="1.0.0",
    arity=3,
    flags=WRITE | FAST,
    keys=[one_key("RW ACCESS DELETE"), one_key("OW INSERT", at=2)],
    args=[key(), key("newkey", 1)],
    reply=number("1 if the key was renamed, 0 if the new name was taken"),
    cost="O(1)",
    summary="Gives a key another name unless that name is taken.",
    history=[("3.2.0", "The two names may be the same.")],
)

RESTORE = Command(
    "RESTORE",
    group="generic",
    since="2.6.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=one_key("OW UPDATE"),
    args=RESTORE_ARGS,
    reply=ok(),
    cost="O(n), n = bytes of the payload; for sorted sets O(n log n) of the members",
    summary="Creates a key from what DUMP gave.",
    history=RESTORE_HISTORY,
    acl_extra="dangerous",
)

SCAN = Command(
    "SCAN",
    group="generic",
    since="2.8.0",
    arity=-2,
    flags=READONLY | TOUCHES_ARBITRARY_KEYS,
    args=[
        integer("cursor"),
        pattern(token="MATCH", optional=True),
        integer("count", token="COUNT", optional=True),
        string("type", token="TYPE", optional=True, since="6.0.0"),
    ],
    reply=array("the cursor for the next call, 0 at the end, and some names"),
    cost="O(1) a call, O(n) until the cursor is 0 again, n = number of keys",
    summary="Walks through the key names of a database in small steps.",
    history=[("6.0.0", "`TYPE` is new.")],
    tips=(
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ),
)

SORT = Command(
    "SORT",
    group="generic",
    since="1.0.0",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=[
        _SORTED,
        _PATTERN_KEYS,
        KeySpec(
            "OW UPDATE",
            Unknown(),
            Unknown(),
            notes="Follows the last STORE, which may stand anywhere after the key",
        ),
    ],
    find_keys=_sort_keys,
    args=[*_SORT_ARGS, key("destination", 2, token="STORE", optional=True)],
    reply=either(
        array("the elements in order, or what GET makes of them"),
        number("the number of elements stored, with STORE"),
    ),
    cost=_SORT_COST,
    acl="set sortedset list dangerous",
    summary="Sorts a list, a set or a sorted set; the result can be stored.",
)

SORT_RO = Command(
    "SORT_RO",
    group="generic",
    since="7.0.0",
    arity=-2,
    flags=READONLY,
    keys=[_SORTED, _PATTERN_KEYS],
    find_keys=_sort_ro_keys,
    args=_SORT_ARGS,
    reply=array("the elements in order, or what GET makes of them"),
    cost=_SORT_COST,
    acl="set sortedset list dangerous",
    summary="Sorts a list, a set or a sorted set, and stores nothing.",
)

TOUCH = Command(
    "TOUCH",
    group="generic",
    since="3.2.1",
    arity=-2,
    flags=READONLY | FAST,
    keys=keys_from("RO"),
    args=[key(multiple=True)],
    reply=number("how many of the keys exist"),
    cost="O(n), n = number of keys",
    summary="Marks keys as used just now.",
    tips=_MULTI_SHARD,
)

TTL = Command(
    "TTL",
    group="generic",
    since="1.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key()],
    reply=number("seconds, -1 without expiry, -2 without key"),
    cost="O(1)",
    summary="Tells how long a key has to live, in seconds.",
    history=_TTL_HISTORY,
    tips=_VARIES,
)

TYPE = Command(
    "TYPE",
    group="generic",
    since="1.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=status("the name of the type, none if the key does not exist"),
    cost="O(1)",
    summary="Names the type of the value at a key.",
)

UNLINK = Command(
    "UNLINK",
    group="generic",
    since="4.0.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=keys_from("RM DELETE"),
    args=[key(multiple=True)],
    reply=number("how many keys were deleted"),
    cost="O(1) a key; large values are freed in the background",
    summary="Deletes keys and leaves the freeing of large values for later.",
    tips=_MULTI_SHARD,
)

WAIT = Command(
    "WAIT",
    group="generic",
    since="3.0.0",
    arity=3,
    flags=BLOCKING,
    acl="connection",
    args=[integer("numreplicas"), integer("timeout")],
    reply=number("how many replicas have the client's writes"),
    cost="O(n), n = number of replicas",
    summary="Waits until so many replicas have what the client has written.",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)

WAITAOF = Command(
    "WAITAOF",
    group="generic",
    since="7.2.0",
    arity=4,
    flags=BLOCKING,
    acl="connection",
    args=[integer("numlocal"), integer("numreplicas"), integer("timeout")],
    reply=array("0 or 1 for this server, and how many replicas"),
    cost="O(1)",
    summary="Waits until what the client has changed is on disks.",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
)
