# SPDX-License-Identifier: BSD-3-Clause
"""Geo commands: positions as scores, distances, searches by circle, box and polygon."""

from __future__ import annotations

import math
import random

import pytest

from support.client import Double, RawClient

SYNTAX = "ERR syntax error"
SICILY = ["13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"]
SCORES = [b"3479099956230698", b"3479447370796909"]  # what any Redis makes of them
EARTH = 6372797.560856


@pytest.fixture
def sicily(client2: RawClient) -> RawClient:
    assert client2.cmd("GEOADD", "g", *SICILY) == 2
    return client2


# --- Positions ---------------------------------------------------------------------


def test_scores_are_those_of_redis(sicily: RawClient) -> None:
    found = sicily.cmd("ZRANGE", "g", "0", "-1", "WITHSCORES")
    assert found == [b"Palermo", SCORES[0], b"Catania", SCORES[1]]


def test_positions(sicily: RawClient) -> None:
    palermo = [b"13.36138933897018433", b"38.11555639549629859"]
    assert sicily.cmd("GEOPOS", "g", "Palermo", "x") == [palermo, sicily.null_array]
    assert sicily.cmd("GEOPOS", "none", "x") == [sicily.null_array]
    assert sicily.cmd("GEOPOS", "g") == []
    assert sicily.cmd("GEOHASH", "g", "Palermo", "x") == [b"sqc8b49rny0", None]


def test_positions_in_resp3(client3: RawClient) -> None:
    client3.cmd("GEOADD", "g", *SICILY)
    [[lon, lat]] = client3.cmd("GEOPOS", "g", "Palermo")
    assert isinstance(lon, Double)
    assert (lon.text, lat.text) == ("13.36138933897018433", "38.11555639549629859")
    assert client3.cmd("GEODIST", "g", "Palermo", "Catania") == b"166274.1516"


def test_the_edges_of_the_world(client2: RawClient) -> None:
    edges = ("180", "85.05112878", "ne", "-180", "-85.05112878", "sw")
    assert client2.cmd("GEOADD", "g", *edges) == 2
    assert client2.cmd("GEOPOS", "g", "ne") == [[b"180", b"85.0511287799999991"]]
    assert client2.cmd("GEOHASH", "g", "ne") == [b"bp05b5048p0"]
    for lon, lat in (("180.1", "0"), ("0", "85.06"), ("0", "-86"), ("-181", "0")):
        reply = client2.cmd("GEOADD", "g", "1", "1", "kept out", lon, lat, "x")
        expected = f"{float(lon):f},{float(lat):f}"
        assert str(reply) == f"ERR invalid longitude,latitude pair {expected}"
    assert client2.cmd("ZCARD", "g") == 2


def test_add_options(sicily: RawClient) -> None:
    assert sicily.cmd("GEOADD", "g", "NX", "0", "0", "Palermo", "1", "1", "new") == 1
    assert (
        sicily.cmd("GEOADD", "g", "XX", "CH", "0", "0", "Palermo", "1", "1", "n2") == 1
    )
    assert sicily.cmd("ZCARD", "g") == 3
    assert sicily.cmd("GEOADD", "none", "XX", "0", "0", "a") == 0
    assert str(sicily.cmd("GEOADD", "g", "0", "0", "a", "1")) == SYNTAX
    assert str(sicily.cmd("GEOADD", "g", "NX", "XX", "0", "0", "a")) == SYNTAX
    assert str(sicily.cmd("GEOADD", "g", "x", "0", "a")) == (
        "ERR value is not a valid float"
    )


def test_distances(sicily: RawClient) -> None:
    for unit, expected in (
        ((), b"166274.1516"),
        (("m",), b"166274.1516"),
        (("KM",), b"166.2742"),
        (("ft",), b"545518.8700"),
        (("mi",), b"103.3182"),
    ):
        assert sicily.cmd("GEODIST", "g", "Palermo", "Catania", *unit) == expected
    assert sicily.cmd("GEODIST", "g", "Palermo", "Palermo") == b"0.0000"
    assert sicily.cmd("GEODIST", "g", "Palermo", "none") is None
    assert str(sicily.cmd("GEODIST", "g", "Palermo", "Catania", "au")) == (
        "ERR unsupported unit provided. please use M, KM, FT, MI"
    )


# --- Searches ----------------------------------------------------------------------


def test_search(sicily: RawClient) -> None:
    circle = ("FROMLONLAT", "15", "37", "BYRADIUS", "200", "km")
    assert sicily.cmd("GEOSEARCH", "g", *circle, "ASC") == [b"Catania", b"Palermo"]
    assert sicily.cmd("GEOSEARCH", "g", *circle, "DESC") == [b"Palermo", b"Catania"]
    assert sicily.cmd("GEOSEARCH", "g", *circle, "COUNT", "1") == [b"Catania"]
    assert len(sicily.cmd("GEOSEARCH", "g", *circle, "COUNT", "1", "ANY")) == 1
    full = ("ASC", "COUNT", "1", "WITHCOORD", "WITHDIST", "WITHHASH")
    assert sicily.cmd("GEOSEARCH", "g", *circle, *full) == [
        [
            b"Catania",
            b"56.4413",
            int(SCORES[1]),
            [b"15.08726745843887329", b"37.50266842333162032"],
        ]
    ]
    box = ("FROMMEMBER", "Palermo", "BYBOX", "340", "400", "km", "ASC")
    assert sicily.cmd("GEOSEARCH", "g", *box, "WITHDIST") == [
        [b"Palermo", b"0.0000"],
        [b"Catania", b"166.2742"],
    ]
    narrow = ("FROMMEMBER", "Palermo", "BYBOX", "200", "400", "km")
    assert sicily.cmd("GEOSEARCH", "g", *narrow) == [b"Palermo"]
    triangle = ("BYPOLYGON", "3", "14", "38", "16", "38", "15", "37")
    assert sicily.cmd("GEOSEARCH", "g", *triangle) == [b"Catania"]
    assert sicily.cmd("GEOSEARCH", "none", *circle) == []


def test_older_commands(sicily: RawClient) -> None:
    circle = ("15", "37", "100", "km")
    for name in ("GEORADIUS", "GEORADIUS_RO"):
        assert sicily.cmd(name, "g", *circle) == [b"Catania"]
    for name in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"):
        found = sicily.cmd(name, "g", "Palermo", "200", "km", "ASC", "WITHDIST")
        assert found == [[b"Palermo", b"0.0000"], [b"Catania", b"166.2742"]]
    assert sicily.cmd("GEORADIUS", "g", "15", "37", "200", "km", "STORE", "d") == 2
    assert sicily.cmd("ZRANGE", "d", "0", "-1", "WITHSCORES")[1] == SCORES[0]
    assert str(sicily.cmd("GEORADIUS_RO", "g", *circle, "STORE", "d")) == SYNTAX
    assert str(sicily.cmd("GEORADIUS", "g", *circle, "STORE", "d", "WITHDIST")) == (
        "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and "
        "WITHCOORD options"
    )


def test_store(sicily: RawClient) -> None:
    circle = ("FROMLONLAT", "15", "37", "BYRADIUS", "200", "km")
    assert sicily.cmd("GEOSEARCHSTORE", "d", "g", *circle, "STOREDIST") == 2
    assert sicily.cmd("ZRANGE", "d", "0", "-1", "WITHSCORES") == [
        b"Catania",
        b"56.4412578701582",
        b"Palermo",
        b"190.44242984775784",
    ]
    assert sicily.cmd("GEOSEARCHSTORE", "g", "g", *circle, "COUNT", "1") == 1
    assert sicily.cmd("ZRANGE", "g", "0", "-1") == [b"Catania"]
    far = ("FROMLONLAT", "0", "0", "BYRADIUS", "1", "m")
    assert sicily.cmd("GEOSEARCHSTORE", "d", "g", *far) == 0
    assert sicily.cmd("EXISTS", "d") == 0


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ("FROMLONLAT 15 37 ASC DESC", "ERR exactly one of BYRADIUS and BYBOX can be"),
        ("BYRADIUS 1 km ASC DESC ASC", "ERR exactly one of FROMMEMBER or FROMLONLAT"),
        ("FROMLONLAT 15 37 FROMMEMBER a BYRADIUS 1 m", SYNTAX),
        ("FROMLONLAT 15 37 BYRADIUS 1 m BYBOX 1 1 m", SYNTAX),
        ("FROMLONLAT 15 37 BYRADIUS 1 m ANY", "ERR the ANY argument requires COUNT"),
        ("FROMLONLAT 15 37 BYRADIUS 1 m COUNT 0", "ERR COUNT must be > 0"),
        ("FROMLONLAT 15 37 BYRADIUS x m", "ERR need numeric radius"),
        ("FROMLONLAT 15 37 BYRADIUS -1 m", "ERR radius cannot be negative"),
        ("FROMLONLAT 15 37 BYBOX x 1 m", "ERR need numeric width"),
        ("FROMLONLAT 15 37 BYBOX 1 x m", "ERR need numeric height"),
        ("FROMLONLAT 15 37 BYBOX 1 -1 m", "ERR height or width cannot be negative"),
        ("FROMMEMBER none BYRADIUS 1 m", "ERR could not decode requested zset member"),
        ("BYPOLYGON x 1 1 2 2", "ERR invalid number of vertices"),
        (
            "BYPOLYGON 2 1 1 2 2",
            "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices",
        ),
        ("BYPOLYGON 4 1 1 2 2 3 3", "ERR GEOSEARCH BYPOLYGON must have at least 3"),
        ("BYPOLYGON 3 1 1 2 2 3 300", "ERR invalid longitude,latitude pair 3.0"),
    ],
)
def test_search_errors(sicily: RawClient, args: str, error: str) -> None:
    assert str(sicily.cmd("GEOSEARCH", "g", *args.split())).startswith(error)


@pytest.mark.parametrize(
    "command",
    [
        "GEOADD k 1 1 a",
        "GEOPOS k a",
        "GEOHASH k a",
        "GEODIST k a b",
        "GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m",
        "GEOSEARCHSTORE d k FROMLONLAT 1 1 BYRADIUS 1 m",
        "GEORADIUS k 1 1 1 m",
        "GEORADIUSBYMEMBER_RO k a 1 m",
    ],
)
def test_wrong_type(client2: RawClient, command: str) -> None:
    client2.ok("SET", "k", "text")
    assert str(client2.cmd(*command.split())).startswith("WRONGTYPE")


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    (lon_a, lat_a), (lon_b, lat_b) = (tuple(map(math.radians, p)) for p in (a, b))
    u, v = math.sin((lat_b - lat_a) / 2), math.sin((lon_b - lon_a) / 2)
    return (
        2
        * EARTH
        * math.asin(math.sqrt(u * u + math.cos(lat_a) * math.cos(lat_b) * v * v))
    )


def test_circles_find_what_looking_at_all_finds(client2: RawClient) -> None:
    """The cells that are searched leave out nothing."""
    rng = random.Random(11)
    args = []
    for i in range(2000):
        args += [
            f"{rng.uniform(-180, 180):.6f}",
            f"{rng.uniform(-85, 85):.6f}",
            f"m{i}",
        ]
    client2.cmd("GEOADD", "g", *args)
    names = args[2::3]
    stored = client2.cmd("GEOPOS", "g", *names)
    places = [(float(lon), float(lat)) for lon, lat in stored]
    for turn in range(300):
        # the cells do not reach over a pole, nor a large circle over the map's edge
        far = turn % 2
        center = (
            rng.uniform(-180, 180) if far else rng.uniform(-150, 150),
            rng.uniform(-84, 84) if far else rng.uniform(-60, 60),
        )
        radius = rng.choice([1e4, 1e5, 2e5] if far else [5e5, 1e6, 2e6]) * rng.random()
        found = client2.cmd(
            "GEOSEARCH", "g", "FROMLONLAT", f"{center[0]:.9f}", f"{center[1]:.9f}",
            "BYRADIUS", f"{radius:.3f}", "m",
        )  # fmt: skip
        expected = {
            name.encode()
            for name, place in zip(names, places, strict=True)
            if distance(center, place) <= radius
        }
        assert set(found) == expected
        assert len(found) == len(expected)
