# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the bitmap commands; BITOP with the operations of Redis 8.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastredis.commands.spec.model import (
    DENYOOM,
    FAST,
    READONLY,
    WRITE,
    Command,
    array,
    block,
    integer,
    key,
    key_flags,
    keys_from,
    number,
    one_key,
    oneof,
    string,
    token,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNIT = oneof("unit", token("BYTE"), token("BIT"), optional=True, since="7.0.0")
_FIELD = (string("encoding"), integer("offset"))
_UNIT_HISTORY = [("7.0.0", "`BYTE` and `BIT` are new.")]

_BITFIELD_READING = key_flags("RO ACCESS")
_BITFIELD_WRITING = key_flags("RW ACCESS UPDATE")


def _bitfield_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the key of BITFIELD: with GET alone it is only read."""
    words = {word.lower() for word in argv[2:]}
    writes = words & {b"set", b"incrby"}
    return [(1, _BITFIELD_WRITING if writes else _BITFIELD_READING)]


BITCOUNT = Command(
    "BITCOUNT",
    group="bitmap",
    since="2.6.0",
    arity=-2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        block("range", integer("start"), integer("end"), _UNIT, optional=True),
    ],
    reply=number("how many bits are set"),
    cost="O(n), n = bytes of the range",
    summary="Counts the bits that are set in a string or a part of it.",
    history=_UNIT_HISTORY,
)

BITFIELD = Command(
    "BITFIELD",
    group="bitmap",
    since="3.2.0",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=one_key(
        "RW ACCESS UPDATE VARIABLE_FLAGS",
        notes="With GET as the only operation the key is just read.",
    ),
    find_keys=_bitfield_keys,
    args=[
        key(),
        oneof(
            "operation",
            block("get-block", *_FIELD, token="GET"),
            block(
                "write",
                oneof(
                    "overflow-block",
                    token("WRAP"),
                    token("SAT"),
                    token("FAIL"),
                    token="OVERFLOW",
                    optional=True,
                ),
                oneof(
                    "write-operation",
                    block("set-block", *_FIELD, integer("value"), token="SET"),
                    block(
                        "incrby-block", *_FIELD, integer("increment"), token="INCRBY"
                    ),
                ),
            ),
            optional=True,
            multiple=True,
        ),
    ],
    reply=array("a number for each operation, or null where OVERFLOW FAIL forbade it"),
    cost="O(1) for each operation",
    summary="Reads and changes integers of any width within a string.",
)

BITFIELD_RO = Command(
    "BITFIELD_RO",
    group="bitmap",
    since="6.0.0",
    arity=-2,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        block(
            "get-block",
            *_FIELD,
            token="GET",
            optional=True,
            multiple=True,
            multiple_token=True,
        ),
    ],
    reply=array("a number for each operation"),
    cost="O(1) for each operation",
    summary="Reads integers of any width within a string.",
)

BITOP = Command(
    "BITOP",
    group="bitmap",
    since="2.6.0",
    arity=-4,
    flags=WRITE | DENYOOM,
    keys=(one_key("OW UPDATE", at=2), keys_from("RO ACCESS", at=3)),
    args=[
        oneof(
            "operation",
            token("AND"),
            token("OR"),
            token("XOR"),
            token("NOT"),
            token("DIFF"),
            token("DIFF1"),
            token("ANDOR"),
            token("ONE"),
        ),
        key("destkey"),
        key(spec=1, multiple=True),
    ],
    reply=number("the length of the result in bytes, that of the longest string"),
    cost="O(n), n = bytes of all strings",
    summary="Combines strings bit by bit and stores the result.",
    history=[("8.2.0", "`DIFF`, `DIFF1`, `ANDOR` and `ONE` are new.")],
)

BITPOS = Command(
    "BITPOS",
    group="bitmap",
    since="2.8.7",
    arity=-3,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        integer("bit"),
        block(
            "range",
            integer("start"),
            block("end-unit-block", integer("end"), _UNIT, optional=True),
            optional=True,
        ),
    ],
    reply=number("the number of the bit, -1 if there is none"),
    cost="O(n), n = bytes looked at",
    summary="Finds the first bit that is set, or the first that is not.",
    history=_UNIT_HISTORY,
)

GETBIT = Command(
    "GETBIT",
    group="bitmap",
    since="2.2.0",
    arity=3,
    flags=READONLY | FAST,
    keys=one_key("RO ACCESS"),
    args=[key(), integer("offset")],
    reply=number("the bit, 0 behind the end of the string"),
    cost="O(1)",
    summary="Reads one bit of a string.",
)

SETBIT = Command(
    "SETBIT",
    group="bitmap",
    since="2.2.0",
    arity=4,
    flags=WRITE | DENYOOM,
    keys=one_key("RW ACCESS UPDATE"),
    args=[key(), integer("offset"), integer("value")],
    reply=number("the bit as it was before"),
    cost="O(1), and O(n) where n zero bytes have to be appended",
    summary="Changes one bit of a string, which grows if it must.",
)
