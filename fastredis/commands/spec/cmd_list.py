# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the list commands. LMOVEM and BLMOVEM are those of Redis 8.10."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    BLOCKING,
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
    keys_from,
    nil,
    number,
    ok,
    one_key,
    oneof,
    string,
    token,
)

_TAKEN = one_key("RW ACCESS DELETE")
_ADDED_TO = one_key("RW INSERT", at=2)
_POP_HISTORY = (("6.2.0", "`count` is new."),)
_PUSH_HISTORY = (("2.4.0", "Takes more than one `element`."),)
_PUSHX_HISTORY = (("4.0.0", "Takes more than one `element`."),)
_TIMEOUT_HISTORY = (("6.0.0", "`timeout` may have a fraction."),)
_ONE_OR_MORE = "O(1) for each element"
_LENGTH = number("the length of the list afterwards")
_LENGTH_OR_0 = number("the length of the list afterwards, 0 if there is none")
_POPPED = either(
    nil("there is no such list"),
    bulk("the element, without count"),
    array("the elements, with count"),
)
_KEY_AND_ELEMENT = either(
    array("the key of the list and its element"),
    nil("nothing could be popped in time"),
)
_MOVED = either(bulk("the element"), nil("the source does not exist"))
_MOVED_IN_TIME = either(bulk("the element"), nil("nothing could be moved in time"))


def _end(name: str) -> Arg:
    """Return the choice of one end of a list."""
    return oneof(name, token("LEFT"), token("RIGHT"))


_FROM_TO = (key("source"), key("destination", 1), _end("wherefrom"), _end("whereto"))
_HOW_MANY = block(
    "how-many",
    oneof(
        "selector", integer("count", token="COUNT"), integer("exactly", token="EXACTLY")
    ),
    oneof("ordering", token("OBO"), token("BULK")),
    optional=True,
)

BLMOVE = Command(
    "BLMOVE",
    group="list",
    since="6.2.0",
    arity=6,
    flags=WRITE | DENYOOM | BLOCKING,
    keys=[_TAKEN, _ADDED_TO],
    args=[
        *_FROM_TO,
        double("timeout"),
    ],
    reply=_MOVED_IN_TIME,
    cost="O(1)",
    summary="Moves an element between lists; waits until there is one.",
)

BLMOVEM = Command(
    "BLMOVEM",
    group="list",
    since="8.10.0",
    arity=-6,
    flags=WRITE | DENYOOM | BLOCKING,
    keys=[_TAKEN, _ADDED_TO],
    args=[
        *_FROM_TO,
        double("timeout"),
        _HOW_MANY,
    ],
    reply=either(
        array("the elements, in the order in which the destination has them"),
        nil("there were not enough elements in time"),
    ),
    cost="O(n), n = elements moved",
    summary="Moves several elements between lists; waits until there are enough.",
)

BLMPOP = Command(
    "BLMPOP",
    group="list",
    since="7.0.0",
    arity=-5,
    flags=WRITE | BLOCKING,
    keys=counted_keys("RW ACCESS DELETE", at=2),
    args=[
        double("timeout"),
        integer("numkeys"),
        key(multiple=True),
        _end("where"),
        integer("count", token="COUNT", optional=True),
    ],
    reply=either(
        array("the key of the list and an array of its elements"),
        nil("nothing could be popped in time"),
    ),
    cost="O(k+n), k = keys given, n = elements popped",
    summary="Pops elements from the first list that has any; waits for one.",
)

BLPOP = Command(
    "BLPOP",
    group="list",
    since="2.0.0",
    arity=-3,
    flags=WRITE | BLOCKING,
    keys=keys_from("RW ACCESS DELETE", last=-2),
    args=[key(multiple=True), double("timeout")],
    reply=_KEY_AND_ELEMENT,
    cost="O(k), k = keys given",
    history=_TIMEOUT_HISTORY,
    summary="Pops the first element of the first list that has any; waits for one.",
)

BRPOP = Command(
    "BRPOP",
    group="list",
    since="2.0.0",
    arity=-3,
    flags=WRITE | BLOCKING,
    keys=keys_from("RW ACCESS DELETE", last=-2),
    args=[key(multiple=True), double("timeout")],
    reply=_KEY_AND_ELEMENT,
    cost="O(k), k = keys given",
    history=_TIMEOUT_HISTORY,
    summary="Pops the last element of the first list that has any; waits for one.",
)

BRPOPLPUSH = Command(
    "BRPOPLPUSH",
    group="list",
    since="2.2.0",
    arity=4,
    flags=WRITE | DENYOOM | BLOCKING,
    keys=[_TAKEN, _ADDED_TO],
    args=[key("source"), key("destination", 1), double("timeout")],
    reply=_MOVED_IN_TIME,
    cost="O(1)",
    history=_TIMEOUT_HISTORY,
    summary="Moves a list's last element to the front of a list; waits for it.",
    deprecated="6.2.0",
    replaced_by="`BLMOVE` with `RIGHT` and `LEFT`",
)

LINDEX = Command(
    "LINDEX",
    group="list",
    since="1.0.0",
    arity=3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), integer("index")],
    reply=either(bulk("the element"), nil("there is none")),
    cost="O(n), n = distance from the nearer end; O(1) at both ends",
    summary="Returns the element at a place; places count from 0, or back from -1.",
)

LINSERT = Command(
    "LINSERT",
    group="list",
    since="2.2.0",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=one_key("RW INSERT"),
    args=[
        key(),
        oneof("where", token("BEFORE"), token("AFTER")),
        string("pivot"),
        string("element"),
    ],
    reply=number("the length of the list; 0 without a list, -1 without the pivot"),
    cost="O(n), n = elements before the pivot",
    summary="Puts an element beside the first one that equals the pivot.",
)

LLEN = Command(
    "LLEN",
    group="list",
    since="1.0.0",
    arity=2,
    flags=READONLY | FAST,
    keys=one_key("RO"),
    args=[key()],
    reply=number("the number of elements"),
    cost="O(1)",
    summary="Counts the elements of a list.",
)

LMOVE = Command(
    "LMOVE",
    group="list",
    since="6.2.0",
    arity=5,
    flags=WRITE | DENYOOM,
    keys=[_TAKEN, _ADDED_TO],
    args=[
        *_FROM_TO,
    ],
    reply=_MOVED,
    cost="O(1)",
    summary="Takes an element from one list and adds it to another.",
)

LMOVEM = Command(
    "LMOVEM",
    group="list",
    since="8.10.0",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=[_TAKEN, _ADDED_TO],
    args=[
        *_FROM_TO,
        _HOW_MANY,
    ],
    reply=either(
        array("the elements, in the order in which the destination has them"),
        nil("the source does not exist, or has fewer elements than exactly asked for"),
    ),
    cost="O(n), n = elements moved",
    summary="Takes several elements from one list and adds them to another.",
)

LMPOP = Command(
    "LMPOP",
    group="list",
    since="7.0.0",
    arity=-4,
    flags=WRITE,
    keys=counted_keys("RW ACCESS DELETE"),
    args=[
        integer("numkeys"),
        key(multiple=True),
        _end("where"),
        integer("count", token="COUNT", optional=True),
    ],
    reply=either(
        array("the key of the list and an array of its elements"),
        nil("none of the lists exists"),
    ),
    cost="O(k+n), k = keys given, n = elements popped",
    summary="Pops elements from the first of several lists that has any.",
)

LPOP = Command(
    "LPOP",
    group="list",
    since="1.0.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=_TAKEN,
    args=[key(), integer("count", optional=True, since="6.2.0")],
    reply=_POPPED,
    cost=_ONE_OR_MORE,
    history=_POP_HISTORY,
    summary="Removes the first element, or several, and returns them.",
)

LPOS = Command(
    "LPOS",
    group="list",
    since="6.0.6",
    arity=-3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        string("element"),
        integer("rank", token="RANK", optional=True),
        integer("num-matches", token="COUNT", optional=True),
        integer("len", token="MAXLEN", optional=True),
    ],
    reply=either(
        number("the place of the match, without COUNT"),
        array("the places of the matches, with COUNT"),
        nil("there is no match"),
    ),
    cost="O(n), n = elements compared",
    summary="Finds the places of elements that equal a value.",
)

LPUSH = Command(
    "LPUSH",
    group="list",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    args=[key(), string("element", multiple=True)],
    reply=_LENGTH,
    cost=_ONE_OR_MORE,
    history=_PUSH_HISTORY,
    summary="Adds elements before the first, one after the other.",
)

LPUSHX = Command(
    "LPUSHX",
    group="list",
    since="2.2.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    args=[key(), string("element", multiple=True)],
    reply=_LENGTH_OR_0,
    cost=_ONE_OR_MORE,
    history=_PUSHX_HISTORY,
    summary="Adds elements before the first of a list that exists.",
)

LRANGE = Command(
    "LRANGE",
    group="list",
    since="1.0.0",
    arity=4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), integer("start"), integer("stop")],
    reply=array("the elements from start to stop, both included"),
    cost="O(s+n), s = distance of start from the nearer end, n = elements returned",
    summary="Returns a part of a list.",
)

LREM = Command(
    "LREM",
    group="list",
    since="1.0.0",
    arity=4,
    flags=WRITE,
    keys=one_key("RW DELETE"),
    args=[key(), integer("count"), string("element")],
    reply=number("how many were removed"),
    cost="O(n), n = length of the list",
    summary="Removes elements that equal a value, from either end, some or all.",
)

LSET = Command(
    "LSET",
    group="list",
    since="1.0.0",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=one_key("RW UPDATE"),
    args=[key(), integer("index"), string("element")],
    reply=ok(),
    cost="O(n), n = distance from the nearer end; O(1) at both ends",
    summary="Replaces the element at a place.",
)

LTRIM = Command(
    "LTRIM",
    group="list",
    since="1.0.0",
    arity=4,
    flags=WRITE,
    keys=one_key("RW DELETE"),
    args=[key(), integer("start"), integer("stop")],
    reply=ok(),
    cost="O(n), n = elements removed",
    summary="Removes all elements but those from start to stop.",
)

RPOP = Command(
    "RPOP",
    group="list",
    since="1.0.0",
    arity=-2,
    flags=WRITE | FAST,
    keys=_TAKEN,
    args=[key(), integer("count", optional=True, since="6.2.0")],
    reply=_POPPED,
    cost=_ONE_OR_MORE,
    history=_POP_HISTORY,
    summary="Removes the last element, or several, and returns them.",
)

RPOPLPUSH = Command(
    "RPOPLPUSH",
    group="list",
    since="1.2.0",
    arity=3,
    flags=WRITE | DENYOOM,
    keys=[_TAKEN, _ADDED_TO],
    args=[key("source"), key("destination", 1)],
    reply=_MOVED,
    cost="O(1)",
    summary="Takes a list's last element and adds it to the front of another.",
    deprecated="6.2.0",
    replaced_by="`LMOVE` with `RIGHT` and `LEFT`",
)

RPUSH = Command(
    "RPUSH",
    group="list",
    since="1.0.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    args=[key(), string("element", multiple=True)],
    reply=_LENGTH,
    cost=_ONE_OR_MORE,
    history=_PUSH_HISTORY,
    summary="Adds elements after the last, one after the other.",
)

RPUSHX = Command(
    "RPUSHX",
    group="list",
    since="2.2.0",
    arity=-3,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    args=[key(), string("element", multiple=True)],
    reply=_LENGTH_OR_0,
    cost=_ONE_OR_MORE,
    history=_PUSHX_HISTORY,
    summary="Adds elements after the last of a list that exists.",
)
