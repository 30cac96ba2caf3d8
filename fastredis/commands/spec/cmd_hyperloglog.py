# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the HyperLogLog commands."""

from __future__ import annotations

from fastredis.commands.spec.model import (
    ADMIN,
    DENYOOM,
    FAST,
    MAY_REPLICATE,
    READONLY,
    WRITE,
    Command,
    array,
    bulk,
    either,
    key,
    keys_from,
    number,
    ok,
    one_key,
    status,
    string,
)

PFADD = Command(
    "PFADD",
    group="hyperloglog",
    since="2.8.9",
    arity=-2,
    flags=WRITE | DENYOOM | FAST,
    keys=one_key("RW INSERT"),
    args=[key(), string("element", optional=True, multiple=True)],
    reply=number("1 if the estimate may have changed or the key is new, otherwise 0"),
    cost="O(n), n = number of elements",
    summary="Adds elements to a HyperLogLog, which is created if it is not there.",
)

PFCOUNT = Command(
    "PFCOUNT",
    group="hyperloglog",
    since="2.8.9",
    arity=-2,
    flags=READONLY | MAY_REPLICATE,
    keys=keys_from("RW ACCESS", notes="RW: the estimate is kept in the value"),
    args=[key(multiple=True)],
    reply=number("the estimate, 0 if no key exists"),
    cost="O(1) for one key; O(n) with a large factor for n keys",
    summary="Estimates how many distinct elements were added to HyperLogLogs.",
)

PFDEBUG = Command(
    "PFDEBUG",
    group="hyperloglog",
    since="2.8.9",
    arity=3,
    flags=WRITE | DENYOOM | ADMIN,
    keys=one_key("RW ACCESS", at=2),
    args=[string("subcommand"), key()],
    reply=either(
        array("GETREG: the registers' values"),
        bulk("DECODE: the instructions of the sparse form"),
        number("TODENSE: 1 if it was sparse, otherwise 0"),
        status("ENCODING: dense or sparse; SIMD: enabled or disabled"),
    ),
    cost="O(n), n = bytes of the value",
    summary="Shows or changes how a HyperLogLog is stored, for testing the server.",
    syscmd=True,
)

PFMERGE = Command(
    "PFMERGE",
    group="hyperloglog",
    since="2.8.9",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=[one_key("RW ACCESS INSERT"), keys_from("RO ACCESS", at=2)],
    args=[key("destkey"), key("sourcekey", 1, optional=True, multiple=True)],
    reply=ok(),
    cost="O(n), n = number of keys, with a large factor",
    summary="Makes a HyperLogLog the union of itself and others.",
)

PFSELFTEST = Command(
    "PFSELFTEST",
    group="hyperloglog",
    since="2.8.9",
    arity=1,
    flags=ADMIN,
    reply=ok("the tests passed"),
    cost="about a second, during which nothing else is served",
    summary="Tests the code for HyperLogLogs with random elements.",
    syscmd=True,
)
