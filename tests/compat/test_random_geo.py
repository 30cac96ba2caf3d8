# SPDX-License-Identifier: BSD-3-Clause
"""Random geo commands to fastredis and to genuine servers: the same replies and scores.

Every example begins with the size up to which sets are listpacks and ends with all that
the keys hold. Positions lie close together and all over the world, at its edges and on
both sides of the date line.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.differential import Contest, Step
from support.grammar import commands

KEYS = [b"g", b"h"]
MEMBERS = [b"a", b"b", b"c", b"d", b"e", b"f", b"h", b"i", b"7", b"-12", b"m" * 70]


def texts(*numbers: float) -> list[bytes]:
    """Return the texts of numbers."""
    return [repr(number).encode() for number in numbers]


def degrees(limit: float) -> Any:
    """Return a strategy of coordinates."""
    return st.one_of(
        st.floats(-limit, limit).map(lambda x: b"%.7f" % x),
        st.floats(-3, 3).map(lambda x: b"%.7f" % (13 + x)),
        st.floats(-0.01, 0.01).map(lambda x: b"%.7f" % (13 + x)),
        st.sampled_from(
            texts(0, 1, -1, limit, -limit, limit / 2, 13.361389, 15.087269)
        ),
        st.sampled_from([b"x", b"", b"200", b"-200", b"86", b"inf", b"nan"]),
    )


SLOTS: dict[str, Any] = {
    "key": st.sampled_from(KEYS),
    "member": st.sampled_from(MEMBERS),
    "lon": degrees(180.0),
    "lat": degrees(85.05112878),
    "length": st.one_of(
        st.sampled_from([b"0", b"1", b"100", b"5000", b"300.5", b"20000", b"-1", b"x"]),
        st.floats(0, 30000).map(lambda x: b"%.3f" % x),
    ),
    "unit": st.sampled_from([b"m", b"km", b"km", b"km", b"KM", b"ft", b"mi", b"x"]),
    "count": st.sampled_from([b"1", b"2", b"3", b"100", b"0", b"-1", b"x"]),
    "box": st.one_of(
        st.sampled_from([b"0", b"1", b"400", b"20000", b"-1", b"x"]),
        st.floats(0, 9000).map(lambda x: b"%.3f" % x),
    ),
}
JUNK = st.sampled_from([b"ANY", b"WITHDIST", b"STORE", b"ASC", b"", b"1", b"g", b"km"])
MACROS = {
    "@WITH": "[WITHCOORD] [WITHDIST] [WITHHASH]",
    "@ORDER": "[ASC|DESC] [COUNT <count> [ANY]]",
    "@FROM": "{FROMMEMBER <member>|FROMLONLAT <lon> <lat>}",
    "@BY": "{BYRADIUS <length> <unit>|BYBOX <box> <box> <unit>}",
}
TEMPLATES = """
GEOADD <key> {<lon> <lat> <member>}+
GEOADD <key> {<lon> <lat> <member>}+
GEOADD <key> [NX|XX] [CH] {<lon> <lat> <member>}+
GEOPOS <key> <member>+
GEOHASH <key> <member>+
GEODIST <key> <member> <member> [<unit>]
GEOSEARCH <key> @FROM @BY [ASC|DESC] @WITH
GEOSEARCH <key> @FROM @BY ASC COUNT <count> @WITH
GEOSEARCH <key> @BY @FROM @ORDER [@BY|@FROM]
GEOSEARCHSTORE <key> <key> @FROM @BY [ASC|DESC] [STOREDIST|WITHDIST]
GEORADIUS <key> <lon> <lat> <length> <unit> @WITH [ASC|DESC]
GEORADIUS <key> <lon> <lat> <length> <unit> [STORE <key>|STOREDIST <key>] [WITHDIST]
GEORADIUSBYMEMBER <key> <member> <length> <unit> @WITH [ASC|DESC]
GEORADIUSBYMEMBER <key> <member> <length> <unit> [STORE <key>|STOREDIST <key>]
GEORADIUS_RO <key> <lon> <lat> <length> <unit> [COUNT <count>] [STORE h]
GEORADIUSBYMEMBER_RO <key> <member> <length> <unit> @WITH
ZADD <key> <count> <member>
ZREM <key> <member>
DEL <key>
"""
# Only Valkey has polygons of the servers to compare with.
POLYGONS = """
GEOSEARCH <key> BYPOLYGON 3 <lon> <lat> <lon> <lat> <lon> <lat> [ASC|DESC] @WITH
GEOSEARCH <key> BYPOLYGON 4 {<lon> <lat>}+ <lon> <lat> <lon> <lat> <lon> <lat>
GEOSEARCHSTORE <key> <key> BYPOLYGON 3 <lon> <lat> <lon> <lat> <lon> <lat> [STOREDIST]
GEOSEARCH <key> BYPOLYGON <count> <lon> <lat> <lon> <lat>
"""


def lines(text: str) -> list[str]:
    """Return the templates of a text, macros filled in."""
    for name, body in MACROS.items():
        text = text.replace(name, body)
    return list(filter(None, text.splitlines()))


EXAMPLES = max(150, settings().max_examples)  # many more in a long run
STEPS = 30
LOOKS: list[Step] = [(b"ZRANGE", key, b"0", b"-1", b"WITHSCORES") for key in KEYS]


def framed(entries: int, steps: list[Step]) -> list[Step]:
    """Return an example with its beginning and its end."""
    size = (b"CONFIG", b"SET", b"zset-max-listpack-entries", b"%d" % entries)
    return [size, *steps, *LOOKS]


sizes = st.sampled_from([2, 128])
both_steps = st.builds(framed, sizes, commands(lines(TEMPLATES), SLOTS, JUNK, STEPS))
valkey_steps = st.builds(
    framed, sizes, commands(lines(TEMPLATES + POLYGONS * 4), SLOTS, JUNK, STEPS)
)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=both_steps)
@settings(max_examples=EXAMPLES)
def test_same_as_one_of_both(with_both: Contest, resp: int, steps: list[Step]) -> None:
    with_both.run(steps, resp)


@pytest.mark.parametrize("resp", [2, 3])
@given(steps=valkey_steps)
@settings(max_examples=EXAMPLES)
def test_same_as_valkey(with_valkey: Contest, resp: int, steps: list[Step]) -> None:
    with_valkey.run(steps, resp)
