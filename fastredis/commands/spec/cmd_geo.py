# SPDX-License-Identifier: BSD-3-Clause
"""Declarations of the geo commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastredis.commands.spec.model import (
    DENYOOM,
    ORDER,
    READONLY,
    WRITE,
    Arg,
    Command,
    KeySpec,
    Keyword,
    Range,
    array,
    block,
    bulk,
    double,
    either,
    integer,
    key,
    key_flags,
    nil,
    number,
    one_key,
    oneof,
    string,
    token,
)

_UNIT = oneof("unit", token("M"), token("KM"), token("FT"), token("MI"))
_FROM = oneof(
    "from",
    string("member", token="FROMMEMBER"),
    block("fromlonlat", double("longitude"), double("latitude"), token="FROMLONLAT"),
    optional=True,
)
_BY = oneof(
    "by",
    block("circle", double("radius", token="BYRADIUS"), _UNIT),
    block("box", double("width", token="BYBOX"), double("height"), _UNIT),
    block(
        "polygon",
        integer("num-vertices", token="BYPOLYGON"),
        block("vertices", double("longitude"), double("latitude"), multiple=True),
        since="9.0.0",
    ),
)
_COUNT = block(
    "count-block",
    integer("count", token="COUNT"),
    token("ANY", optional=True),
    optional=True,
)
_OLD_COUNT = block(
    "count-block",
    integer("count", token="COUNT"),
    token("ANY", optional=True, since="6.2.0"),
    optional=True,
)
_STORE = oneof(
    "store",
    key("storekey", 1, token="STORE", display="key"),
    key("storedistkey", 2, token="STOREDIST", display="key"),
    optional=True,
)
_FOUND = either(
    array("members found; with WITH options, arrays of the member and the rest"),
    number("with STORE or STOREDIST: size of the result"),
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOURCE = key_flags("RO ACCESS")
_TARGET = key_flags("OW UPDATE")


def _radius_keys(argv: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find the keys of GEORADIUS and its kin: of several targets the last counts."""
    target = 0
    for i in range(5, len(argv) - 1):
        if argv[i].lower() in (b"store", b"storedist"):
            target = i + 1
    return [(1, _SOURCE), (target, _TARGET)] if target else [(1, _SOURCE)]


GEOADD = Command(
    "GEOADD",
    group="geo",
    since="3.2.0",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=one_key("RW UPDATE"),
    member=4,
    ranked=True,
    args=[
        key(),
        oneof("condition", token("NX"), token("XX"), optional=True, since="6.2.0"),
        Arg("pure-token", "change", token="CH", optional=True, since="6.2.0"),
        block(
            "data",
            double("longitude"),
            double("latitude"),
            string("member"),
            multiple=True,
        ),
    ],
    reply=number("members added, with CH also those moved"),
    cost="O(m log n), m = members given, n = members of the set",
    history=[("6.2.0", "`CH`, `NX` and `XX` are new.")],
    summary="Adds members with a longitude and a latitude to a sorted set.",
)

GEODIST = Command(
    "GEODIST",
    group="geo",
    since="3.2.0",
    arity=-4,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    member=2,
    args=[
        key(),
        string("member1"),
        string("member2"),
        oneof("unit", token("M"), token("KM"), token("FT"), token("MI"), optional=True),
    ],
    reply=either(bulk("the distance, four decimals"), nil("a member is missing")),
    cost="O(1)",
    summary="Computes the distance between two members.",
)

GEOHASH = Command(
    "GEOHASH",
    group="geo",
    since="3.2.0",
    arity=-2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[key(), string("member", optional=True, multiple=True)],
    reply=array("for each member a text of 11 characters, or null"),
    cost="O(m), m = members given",
    summary="Returns the positions of members as standard geohashes.",
)

GEOPOS = Command(
    "GEOPOS",
    group="geo",
    since="3.2.0",
    arity=-2,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    member=2,
    args=[key(), string("member", optional=True, multiple=True)],
    reply=array("for each member its longitude and latitude, or null"),
    cost="O(m), m = members given",
    summary="Returns the positions of members.",
)

GEORADIUS = Command(
    "GEORADIUS",
    group="geo",
    since="3.2.0",
    arity=-6,
    flags=WRITE | DENYOOM,
    keys=[
        one_key("RO ACCESS"),
        KeySpec("OW UPDATE", Keyword("STORE", 6), Range(0, 1, 0)),
        KeySpec("OW UPDATE", Keyword("STOREDIST", 6), Range(0, 1, 0)),
    ],
    find_keys=_radius_keys,
    args=[
        key(),
        double("longitude"),
        double("latitude"),
        double("radius"),
        _UNIT,
        token("WITHCOORD", optional=True),
        token("WITHDIST", optional=True),
        token("WITHHASH", optional=True),
        _OLD_COUNT,
        ORDER,
        _STORE,
    ],
    reply=_FOUND,
    cost="O(a + log n), a = members in the cells searched, n = members of the set",
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`",
    history=[
        ("6.2.0", "`COUNT` has the option `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ],
    summary="Finds the members around a position, and may store them.",
)

GEORADIUSBYMEMBER = Command(
    "GEORADIUSBYMEMBER",
    group="geo",
    since="3.2.0",
    arity=-5,
    flags=WRITE | DENYOOM,
    keys=[
        one_key("RO ACCESS"),
        KeySpec("OW UPDATE", Keyword("STORE", 5), Range(0, 1, 0)),
        KeySpec("OW UPDATE", Keyword("STOREDIST", 5), Range(0, 1, 0)),
    ],
    find_keys=_radius_keys,
    args=[
        key(),
        string("member"),
        double("radius"),
        _UNIT,
        token("WITHCOORD", optional=True),
        token("WITHDIST", optional=True),
        token("WITHHASH", optional=True),
        _COUNT,
        ORDER,
        _STORE,
    ],
    reply=_FOUND,
    cost="O(a + log n), a = members in the cells searched, n = members of the set",
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`",
    history=[
        ("6.2.0", "`COUNT` has the option `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ],
    summary="Finds the members around another member, and may store them.",
)

GEORADIUSBYMEMBER_RO = Command(
    "GEORADIUSBYMEMBER_RO",
    group="geo",
    since="3.2.10",
    arity=-5,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        string("member"),
        double("radius"),
        _UNIT,
        token("WITHCOORD", optional=True),
        token("WITHDIST", optional=True),
        token("WITHHASH", optional=True),
        _COUNT,
        ORDER,
    ],
    reply=array("members found; with WITH options, arrays of the member and the rest"),
    cost="O(a + log n), a = members in the cells searched, n = members of the set",
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`",
    history=[
        ("6.2.0", "`COUNT` has the option `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ],
    summary="Finds the members around another member.",
)

GEORADIUS_RO = Command(
    "GEORADIUS_RO",
    group="geo",
    since="3.2.10",
    arity=-6,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        double("longitude"),
        double("latitude"),
        double("radius"),
        _UNIT,
        token("WITHCOORD", optional=True),
        token("WITHDIST", optional=True),
        token("WITHHASH", optional=True),
        _OLD_COUNT,
        ORDER,
    ],
    reply=array("members found; with WITH options, arrays of the member and the rest"),
    cost="O(a + log n), a = members in the cells searched, n = members of the set",
    deprecated="6.2.0",
    replaced_by="`GEOSEARCH` with `BYRADIUS`",
    history=[
        ("6.2.0", "`COUNT` has the option `ANY`."),
        ("7.0.0", "Units may be in upper case."),
    ],
    summary="Finds the members around a position.",
)

GEOSEARCH = Command(
    "GEOSEARCH",
    group="geo",
    since="6.2.0",
    arity=-7,
    flags=READONLY,
    keys=one_key("RO ACCESS"),
    args=[
        key(),
        _FROM,
        _BY,
        ORDER,
        _COUNT,
        token("WITHCOORD", optional=True),
        token("WITHDIST", optional=True),
        token("WITHHASH", optional=True),
    ],
    reply=array("members found; with WITH options, arrays of the member and the rest"),
    cost="O(a + log n), a = members in the cells searched, n = members of the set",
    history=[
        ("7.0.0", "Units may be in upper case."),
        ("9.0.0", "`BYPOLYGON` is new."),
    ],
    summary="Finds the members within a circle, a box or a polygon.",
)

GEOSEARCHSTORE = Command(
    "GEOSEARCHSTORE",
    group="geo",
    since="6.2.0",
    arity=-8,
    flags=WRITE | DENYOOM,
    keys=[one_key("OW UPDATE"), one_key("RO ACCESS", at=2)],
    args=[
        key("destination"),
        key("source", 1),
        _FROM,
        _BY,
        ORDER,
        _COUNT,
        token("STOREDIST", optional=True),
    ],
    reply=number("size of the result"),
    cost="O(a + log n), a = members in the cells searched, n = members of the set",
    history=[
        ("7.0.0", "Units may be in upper case."),
        ("9.0.0", "`BYPOLYGON` is new."),
    ],
    summary="Stores the members within a circle, a box or a polygon.",
)
