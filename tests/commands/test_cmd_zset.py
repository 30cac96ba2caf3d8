# SPDX-License-Identifier: BSD-3-Clause
"""Sorted set commands: members, ranges, ends, several sets, waiting; each encoding."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.client import Double, RawClient
from support.server import FastredisServer
from support.wait import wait_until

SYNTAX = "ERR syntax error"
NOT_FLOAT = "ERR value is not a valid float"
NOT_INTEGER = "ERR value is not an integer or out of range"
BAD_SCORE = "ERR min or max is not a float"
BAD_LEX = "ERR min or max not valid string range item"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"

ABC = ["1", "a", "2", "b", "3", "c"]
LONG = "x" * 65  # more than zset-max-listpack-value


def levelled(reply: Any) -> Any:
    """Return a reply of RESP3 as it is in RESP2: scores are text, pairs are flat."""
    if isinstance(reply, Double):
        return reply.text.encode()
    if not isinstance(reply, list):
        return reply
    if reply and all(
        isinstance(item, list) and len(item) == 2 and isinstance(item[1], Double)
        for item in reply
    ):
        return [levelled(part) for item in reply for part in item]
    return [levelled(item) for item in reply]


class Plain:
    """A client whose replies are levelled; what RESP3 looks like has its own tests."""

    def __init__(self, raw: RawClient) -> None:
        self.raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def cmd(self, *args: Any) -> Any:
        return levelled(self.raw.cmd(*args))

    def read(self) -> Any:
        return levelled(self.raw.read())


@pytest.fixture
def client(client: RawClient) -> Plain:
    """Take each protocol in turn."""
    return Plain(client)


def flattened(reply: Any) -> list[Any]:
    if not isinstance(reply, list):
        return [reply]
    return [part for item in reply for part in flattened(item)]


def in_pairs(flat: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


@pytest.fixture(params=["listpack", "skiplist"])
def fill(request: pytest.FixtureRequest, client: Plain) -> Iterator[Any]:
    """Give a function that makes a sorted set in one of the encodings."""
    entries = "128" if request.param == "listpack" else "0"
    before = client.config("zset-max-listpack-entries")
    client.ok("CONFIG", "SET", "zset-max-listpack-entries", entries)

    def made(*pairs: str, key: str = "z") -> None:
        client.cmd("DEL", key)
        assert client.cmd("ZADD", key, *pairs) == len(pairs) // 2
        assert client.cmd("OBJECT", "ENCODING", key) == request.param.encode()

    yield made
    client.ok("CONFIG", "SET", "zset-max-listpack-entries", before)


Fill = Callable[..., None]


def listed(client: Plain, key: str = "z") -> list[Any]:
    return list(client.cmd("ZRANGE", key, "0", "-1", "WITHSCORES"))


# --- Add, remove, look up ----------------------------------------------------------


def test_add_and_update(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    assert client.cmd("ZADD", "z", "5", "a", "7", "d") == 1
    assert client.cmd("ZADD", "z", "CH", "6", "a", "8", "e", "7", "d") == 2
    assert listed(client) == [
        b"b",
        b"2",
        b"c",
        b"3",
        b"a",
        b"6",
        b"d",
        b"7",
        b"e",
        b"8",
    ]
    assert client.cmd("ZCARD", "z") == 5
    assert client.cmd("TYPE", "z") == "zset"


def test_add_conditions(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    assert client.cmd("ZADD", "z", "NX", "9", "a", "4", "d") == 1
    assert client.cmd("ZADD", "z", "XX", "CH", "9", "a", "4", "new") == 1
    assert client.cmd("ZADD", "z", "GT", "CH", "8", "a", "5", "d", "0", "new") == 2
    assert client.cmd("ZADD", "z", "LT", "CH", "8", "a", "6", "d") == 1
    assert client.cmd("ZMSCORE", "z", "a", "d", "new", "none") == [
        b"8",
        b"5",
        b"0",
        None,
    ]
    assert client.cmd("ZADD", "absent", "XX", "1", "a") == 0
    assert client.cmd("EXISTS", "absent") == 0


def test_add_incr(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    assert client.cmd("ZADD", "z", "INCR", "1.5", "a") == b"2.5"
    assert client.cmd("ZADD", "z", "INCR", "NX", "1", "a") is None
    assert client.cmd("ZADD", "z", "INCR", "XX", "1", "new") is None
    assert client.cmd("ZADD", "absent", "INCR", "XX", "1", "new") is None
    assert client.cmd("ZINCRBY", "z", "-2.5", "a") == b"0"
    assert client.cmd("ZINCRBY", "z", "inf", "a") == b"inf"
    nan = client.cmd("ZINCRBY", "z", "-inf", "a")
    assert str(nan) == "ERR resulting score is not a number (NaN)"
    assert client.cmd("ZSCORE", "z", "a") == b"inf"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("1",), "ERR wrong number of arguments for 'zadd' command"),
        (("1", "a", "2"), SYNTAX),
        (
            ("NX", "XX", "1", "a"),
            "ERR XX and NX options at the same time are not compatible",
        ),
        (
            ("GT", "LT", "1", "a"),
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ),
        (
            ("NX", "GT", "1", "a"),
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ),
        (
            ("INCR", "1", "a", "2", "b"),
            "ERR INCR option supports a single increment-element pair",
        ),
        (("x", "a"), NOT_FLOAT),
        (("1", "a", "nan", "b"), NOT_FLOAT),
    ],
)
def test_add_errors_change_nothing(
    client: Plain, args: tuple[str, ...], error: str
) -> None:
    assert str(client.cmd("ZADD", "z", *args)) == error
    assert client.cmd("EXISTS", "z") == 0


def test_many_members_at_once(client: Plain) -> None:
    pairs = [str(i % 7) if i % 2 == 0 else f"m{i}" for i in range(400)]
    assert client.cmd("ZADD", "z", *pairs) == 200
    assert client.cmd("OBJECT", "ENCODING", "z") == b"skiplist"
    assert client.cmd("ZCARD", "z") == 200
    assert str(client.cmd("ZADD", "z", *pairs, "x", "m1")) == NOT_FLOAT


def test_encoding_follows_the_options(client: Plain) -> None:
    client.cmd("ZADD", "z", "1", "x" * 64)
    assert client.cmd("OBJECT", "ENCODING", "z") == b"listpack"
    client.cmd("ZADD", "z", "1", LONG)
    assert client.cmd("OBJECT", "ENCODING", "z") == b"skiplist"
    client.cmd("ZREM", "z", LONG)
    assert client.cmd("OBJECT", "ENCODING", "z") == b"skiplist"
    client.cmd("ZUNIONSTORE", "z", "1", "z")
    assert client.cmd("OBJECT", "ENCODING", "z") == b"listpack"


def test_remove(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    assert client.cmd("ZREM", "z", "a", "none", "c", "a") == 2
    assert client.cmd("ZREM", "z", "b", "more") == 1
    assert client.cmd("EXISTS", "z") == 0
    assert client.cmd("ZREM", "z", "b") == 0


def test_rank(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    assert client.cmd("ZRANK", "z", "a") == 0
    assert client.cmd("ZREVRANK", "z", "a") == 2
    assert client.cmd("ZRANK", "z", "c", "WITHSCORE") == [2, b"3"]
    assert client.cmd("ZRANK", "z", "none") is None
    assert str(client.cmd("ZRANK", "z", "a", "x")) == SYNTAX
    assert "wrong number" in str(client.cmd("ZRANK", "z", "a", "WITHSCORE", "x"))


def test_scores_as_doubles(client3: RawClient) -> None:
    client = client3
    client.cmd("ZADD", "z", "1.5", "a", "inf", "b")
    assert client.cmd("ZSCORE", "z", "a") == Double("1.5")
    assert client.cmd("ZMSCORE", "z", "b", "x") == [Double("inf"), None]
    assert client.cmd("ZINCRBY", "z", "1", "a") == Double("2.5")
    assert client.cmd("ZRANK", "z", "a", "WITHSCORE") == [0, Double("2.5")]
    assert client.cmd("ZRANGE", "z", "0", "0", "WITHSCORES") == [[b"a", Double("2.5")]]
    assert client.cmd("ZPOPMIN", "z") == [b"a", Double("2.5")]
    assert client.cmd("ZPOPMIN", "z", "1") == [[b"b", Double("inf")]]


def test_pairs_in_resp3(client3: RawClient) -> None:
    client3.cmd("ZADD", "x", "2", "a")
    pair = [b"a", Double("2")]
    assert client3.cmd("ZINTER", "1", "x", "WITHSCORES") == [pair]
    assert client3.cmd("ZRANDMEMBER", "x", "-2", "WITHSCORES") == [pair, pair]
    assert client3.cmd("ZSCAN", "x", "0") == [b"0", [b"a", b"2"]]
    assert client3.cmd("ZMPOP", "1", "x", "MIN") == [b"x", [pair]]


def test_pairs_in_resp2(client2: RawClient) -> None:
    client2.cmd("ZADD", "x", "2", "a")
    assert client2.cmd("ZINTER", "1", "x", "WITHSCORES") == [b"a", b"2"]
    assert client2.cmd("ZRANDMEMBER", "x", "-2", "WITHSCORES") == [b"a", b"2"] * 2
    assert client2.cmd("ZMPOP", "1", "x", "MIN") == [b"x", [[b"a", b"2"]]]


@pytest.mark.parametrize(
    "command",
    [
        "ZADD k 1 a",
        "ZINCRBY k 1 a",
        "ZREM k a",
        "ZCARD k",
        "ZSCORE k a",
        "ZMSCORE k a",
        "ZRANK k a",
        "ZREVRANK k a",
        "ZCOUNT k 0 1",
        "ZLEXCOUNT k - +",
        "ZRANGE k 0 1",
        "ZREVRANGE k 0 1",
        "ZRANGEBYSCORE k 0 1",
        "ZREVRANGEBYSCORE k 0 1",
        "ZRANGEBYLEX k - +",
        "ZREVRANGEBYLEX k + -",
        "ZRANGESTORE d k 0 1",
        "ZREMRANGEBYRANK k 0 1",
        "ZREMRANGEBYSCORE k 0 1",
        "ZREMRANGEBYLEX k - +",
        "ZPOPMIN k",
        "ZPOPMAX k 2",
        "ZMPOP 1 k MIN",
        "BZPOPMIN k 1",
        "BZPOPMAX k 1",
        "BZMPOP 1 1 k MAX",
        "ZRANDMEMBER k",
        "ZSCAN k 0",
        "ZUNION 1 k",
        "ZINTER 1 k",
        "ZDIFF 1 k",
        "ZINTERCARD 1 k",
        "ZUNIONSTORE d 1 k",
        "ZINTERSTORE d 1 k",
        "ZDIFFSTORE d 1 k",
    ],
)
def test_wrong_type(client: Plain, command: str) -> None:
    client.ok("SET", "k", "text")
    assert str(client.cmd(*command.split())) == WRONG_TYPE
    assert client.cmd("GET", "k") == b"text"


# --- Ranges ------------------------------------------------------------------------


def test_ranges_by_rank(client: Plain, fill: Fill) -> None:
    names = [b"m%02d" % i for i in range(30)]
    fill(*itertools.chain(*((str(i), f"m{i:02}") for i in range(30))))
    for low, high in itertools.product(
        [0, 1, 5, 29, 30, -1, -2, -30, -31, 99], repeat=2
    ):
        start = max(low + 30, 0) if low < 0 else low
        stop = high + 30 if high < 0 else high
        expected = names[start : stop + 1] if stop >= 0 else []
        assert client.cmd("ZRANGE", "z", str(low), str(high)) == expected
        rev = names[::-1][start : stop + 1] if stop >= 0 else []
        assert client.cmd("ZREVRANGE", "z", str(low), str(high)) == rev
        assert client.cmd("ZRANGE", "z", str(low), str(high), "REV") == rev


def test_ranges_by_score(client: Plain, fill: Fill) -> None:
    fill("1", "a", "2", "b", "2", "b2", "3", "c", "inf", "z", "-inf", "0")
    by = "ZRANGEBYSCORE"
    assert client.cmd(by, "z", "2", "3") == [b"b", b"b2", b"c"]
    assert client.cmd(by, "z", "(2", "3") == [b"c"]
    assert client.cmd(by, "z", "2", "(3", "WITHSCORES") == [b"b", b"2", b"b2", b"2"]
    assert client.cmd(by, "z", "-inf", "(1") == [b"0"]
    assert client.cmd(by, "z", "(3", "+inf") == [b"z"]
    assert client.cmd(by, "z", "3", "2") == []
    assert client.cmd(by, "z", "-inf", "inf", "LIMIT", "1", "2") == [b"a", b"b"]
    assert client.cmd(by, "z", "-inf", "inf", "LIMIT", "4", "-1") == [b"c", b"z"]
    assert client.cmd(by, "z", "-inf", "inf", "LIMIT", "-1", "2") == []
    rev = client.cmd("ZREVRANGEBYSCORE", "z", "3", "(1", "LIMIT", "1", "9")
    assert rev == [b"b2", b"b"]
    assert client.cmd("ZCOUNT", "z", "(1", "3") == 3
    assert client.cmd("ZCOUNT", "none", "(1", "3") == 0
    for args in (("x", "1"), ("1", "((2"), ("1", "nan")):
        assert str(client.cmd(by, "z", *args)) == BAD_SCORE


def test_ranges_by_member(client: Plain, fill: Fill) -> None:
    fill(*itertools.chain(*(("0", name) for name in "abcdefg")))
    assert client.cmd("ZRANGEBYLEX", "z", "-", "[c") == [b"a", b"b", b"c"]
    assert client.cmd("ZRANGEBYLEX", "z", "(b", "(e") == [b"c", b"d"]
    assert client.cmd("ZRANGEBYLEX", "z", "[aa", "+", "LIMIT", "1", "2") == [b"c", b"d"]
    assert client.cmd("ZREVRANGEBYLEX", "z", "[c", "-") == [b"c", b"b", b"a"]
    assert client.cmd("ZRANGEBYLEX", "z", "+", "-") == []
    assert client.cmd("ZLEXCOUNT", "z", "[b", "(f") == 4
    for low, high in (("a", "[b"), ("[a", ""), ("--", "+")):
        assert str(client.cmd("ZRANGEBYLEX", "z", low, high)) == BAD_LEX


def test_range_options_that_exclude_each_other(client: Plain) -> None:
    limit = client.cmd("ZRANGE", "z", "0", "1", "LIMIT", "0", "1")
    assert str(limit) == (
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE "
        "or BYLEX"
    )
    lex = client.cmd("ZRANGE", "z", "-", "+", "BYLEX", "WITHSCORES")
    assert str(lex) == (
        "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
    )
    assert str(client.cmd("ZRANGE", "z", "0", "1", "BYLEX", "BYSCORE")) == SYNTAX
    assert str(client.cmd("ZREVRANGE", "z", "0", "1", "REV")) == SYNTAX
    assert str(client.cmd("ZRANGE", "z", "x", "1")) == NOT_INTEGER


def test_store_a_range(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    client.ok("SET", "d", "replaced", "EX", "100")
    assert client.cmd("ZRANGESTORE", "d", "z", "1", "-1") == 2
    assert listed(client, "d") == [b"b", b"2", b"c", b"3"]
    assert client.cmd("TTL", "d") == -1
    assert (
        client.cmd("ZRANGESTORE", "d", "z", "(1", "inf", "BYSCORE", "LIMIT", "0", "1")
        == 1
    )
    assert listed(client, "d") == [b"b", b"2"]
    rev = ("z", "inf", "-inf", "BYSCORE", "REV", "LIMIT", "0", "2")
    assert client.cmd("ZRANGESTORE", "z", *rev) == 2
    assert listed(client) == [b"b", b"2", b"c", b"3"]
    assert client.cmd("ZRANGESTORE", "d", "none", "0", "-1") == 0
    assert client.cmd("EXISTS", "d") == 0
    assert str(client.cmd("ZRANGESTORE", "d", "z", "0", "-1", "WITHSCORES")) == SYNTAX


def test_remove_ranges(client: Plain, fill: Fill) -> None:
    fill(*itertools.chain(*((str(i), f"m{i}") for i in range(10))))
    assert client.cmd("ZREMRANGEBYRANK", "z", "1", "2") == 2
    assert client.cmd("ZREMRANGEBYSCORE", "z", "(3", "5") == 2
    assert client.cmd("ZREMRANGEBYRANK", "z", "5", "3") == 0
    assert client.cmd("ZRANGE", "z", "0", "-1") == [
        b"m0",
        b"m3",
        b"m6",
        b"m7",
        b"m8",
        b"m9",
    ]
    assert client.cmd("ZREMRANGEBYSCORE", "z", "-inf", "inf") == 6
    assert client.cmd("EXISTS", "z") == 0
    fill("0", "a", "0", "b", "0", "c")
    assert client.cmd("ZREMRANGEBYLEX", "z", "(a", "+") == 2
    assert client.cmd("ZRANGE", "z", "0", "-1") == [b"a"]


# --- The ends ----------------------------------------------------------------------


def test_pop(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    assert client.cmd("ZPOPMIN", "z") == [b"a", b"1"]
    assert client.cmd("ZPOPMAX", "z", "0") == []
    assert client.cmd("ZPOPMAX", "z", "9") == [b"c", b"3", b"b", b"2"]
    assert client.cmd("EXISTS", "z") == 0
    assert client.cmd("ZPOPMIN", "z") == []
    negative = client.cmd("ZPOPMIN", "z", "-1")
    assert str(negative) == "ERR value is out of range, must be positive"


def test_pop_of_several(client: Plain, fill: Fill) -> None:
    fill(*ABC)
    first = client.cmd("ZMPOP", "2", "none", "z", "MIN")
    assert flattened(first) == [b"z", b"a", b"1"]
    both = client.cmd("ZMPOP", "1", "z", "MAX", "COUNT", "10")
    assert flattened(both) == [b"z", b"c", b"3", b"b", b"2"]
    assert client.cmd("ZMPOP", "1", "z", "MAX") is client.null_array
    for args, error in (
        (("0", "z", "MIN"), "ERR numkeys should be greater than 0"),
        (("1", "z", "MIN", "COUNT", "0"), "ERR count should be greater than 0"),
        (("3", "z", "MIN"), SYNTAX),
        (("1", "z", "MID"), SYNTAX),
    ):
        assert str(client.cmd("ZMPOP", *args)) == error


def wait_blocked(client: Plain, n: int) -> None:
    wait_until(lambda: client.info("clients")["blocked_clients"] == str(n))


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("BZPOPMIN none z 0", [b"z", b"a", b"1"]),
        ("BZPOPMAX z none 5", [b"z", b"c", b"3"]),
        ("BZMPOP 0 2 none z MAX COUNT 2", [b"z", b"c", b"3", b"b", b"2"]),
    ],
)
def test_wait_for_a_member(
    server: FastredisServer, client: Plain, command: str, reply: Any
) -> None:
    with RawClient(server.unixsocket) as other:
        other.send(*command.split())
        wait_blocked(client, 1)
        client.ok("SET", "z", "no sorted set")
        client.cmd("DEL", "z")
        assert client.cmd("ZADD", "z", *ABC) == 3
        assert flattened(other.read()) == reply
        wait_blocked(client, 0)
        taken = 2 if "COUNT" in command else 1
        assert client.cmd("ZCARD", "z") == 3 - taken


def test_wait_in_vain(client: Plain) -> None:
    started = time.monotonic()
    assert client.cmd("BZPOPMIN", "z", "0.05") is client.null_array
    assert client.cmd("BZMPOP", "0.05", "1", "z", "MIN") is client.null_array
    assert time.monotonic() - started >= 0.09
    assert str(client.cmd("BZPOPMIN", "z", "-1")) == "ERR timeout is negative"
    bad = client.cmd("BZPOPMAX", "z", "x")
    assert str(bad) == "ERR timeout is not a float or out of range"


# --- Random and scan ---------------------------------------------------------------


def test_random_members(client: Plain, fill: Fill) -> None:
    names = {b"m%d" % i for i in range(60)}
    fill(*itertools.chain(*((str(i), f"m{i}") for i in range(60))))
    assert client.cmd("ZRANDMEMBER", "z") in names
    for count in (1, 5, 30, 59, 60, 100):
        found = client.cmd("ZRANDMEMBER", "z", str(count))
        assert len(set(found)) == len(found) == min(count, 60)
        assert set(found) <= names
    again = client.cmd("ZRANDMEMBER", "z", "-200")
    assert len(again) == 200
    assert set(again) <= names
    pairs = client.cmd("ZRANDMEMBER", "z", "-3", "WITHSCORES")
    assert all(b"m" + score == name for name, score in in_pairs(pairs))
    assert client.cmd("ZRANDMEMBER", "none") is None
    assert client.cmd("ZRANDMEMBER", "none", "3") == []
    assert client.cmd("ZRANDMEMBER", "z", "0") == []
    assert str(client.cmd("ZRANDMEMBER", "z", "1", "x")) == SYNTAX
    huge = client.cmd("ZRANDMEMBER", "z", str(-(2**63 - 1)), "WITHSCORES")
    assert str(huge) == "ERR value is out of range"


@pytest.mark.parametrize("count", [2, 10])
def test_random_members_are_fair(client: Plain, fill: Fill, count: int) -> None:
    """Also where the two ways to choose different members part."""
    n = 40
    fill(*itertools.chain(*((str(i), f"m{i}") for i in range(n))))
    draws = 3000
    replies = client.raw.pipeline([("ZRANDMEMBER", "z", str(count))] * draws)
    seen = Counter(itertools.chain.from_iterable(replies))
    expected = draws * count / n
    assert len(seen) == n
    assert sum((k - expected) ** 2 / expected for k in seen.values()) < 85


def test_scan(client: Plain, fill: Fill) -> None:
    pairs = {b"m%d" % i: b"%d" % i for i in range(120)}
    fill(*itertools.chain(*((str(i), f"m{i}") for i in range(120))))
    found: dict[bytes, bytes] = {}
    cursor = b"0"
    while True:
        cursor, part = client.cmd("ZSCAN", "z", cursor, "COUNT", "7")
        found |= dict(in_pairs(part))
        if cursor == b"0":
            break
    assert found == pairs
    scan = ("ZSCAN", "z", "0", "COUNT", "1000")
    assert sorted(client.cmd(*scan, "MATCH", "m11?", "NOSCORES")[1]) == [
        b"m11%d" % i for i in range(10)
    ]
    assert client.cmd("ZSCAN", "none", "0") == [b"0", []]
    assert str(client.cmd("ZSCAN", "z", "x")) == "ERR invalid cursor"
    assert str(client.cmd("ZSCAN", "z", "0", "COUNT", "0")) == SYNTAX


def test_scan_of_integers_in_a_listpack(client: Plain) -> None:
    client.cmd("ZADD", "z", "1", "10", "2", "200", "3", "-7")
    assert client.cmd("ZSCAN", "z", "0") == [
        b"0",
        [b"10", b"1", b"200", b"2", b"-7", b"3"],
    ]
    assert set(client.cmd("ZRANDMEMBER", "z", "-50")) <= {b"10", b"200", b"-7"}


# --- Several sets ------------------------------------------------------------------


@pytest.fixture
def two(client: Plain, fill: Fill) -> Plain:
    fill("1", "a", "2", "b", key="x")
    fill("10", "b", "20", "c", key="y")
    client.cmd("SADD", "s", "b", "c", "7")
    return client


def test_union(two: Plain) -> None:
    scores = ("WITHSCORES",)
    assert two.cmd("ZUNION", "2", "x", "y") == [b"a", b"b", b"c"]
    union = two.cmd("ZUNION", "2", "x", "y", *scores)
    assert union == [b"a", b"1", b"b", b"12", b"c", b"20"]
    weighted = two.cmd("ZUNION", "2", "x", "y", "WEIGHTS", "10", "-1", *scores)
    assert weighted == [b"c", b"-20", b"a", b"10", b"b", b"10"]
    for how, b in (("MIN", b"2"), ("MAX", b"10"), ("SUM", b"12"), ("COUNT", b"2")):
        found = two.cmd("ZUNION", "2", "x", "y", *scores, "AGGREGATE", how)
        assert dict(in_pairs(found))[b"b"] == b
    plain = two.cmd("ZUNION", "2", "x", "s", *scores)
    assert plain == [b"7", b"1", b"a", b"1", b"c", b"1", b"b", b"3"]


def test_inter_and_diff(two: Plain) -> None:
    assert two.cmd("ZINTER", "2", "x", "y", "WITHSCORES") == [b"b", b"12"]
    assert two.cmd("ZINTER", "2", "x", "s", "WITHSCORES") == [b"b", b"3"]
    assert two.cmd("ZINTER", "3", "x", "y", "none") == []
    assert two.cmd("ZDIFF", "2", "y", "x", "WITHSCORES") == [b"c", b"20"]
    assert two.cmd("ZDIFF", "2", "x", "s", "WITHSCORES") == [b"a", b"1"]
    assert two.cmd("ZDIFF", "2", "s", "x", "WITHSCORES") == [b"7", b"1", b"c", b"1"]
    assert two.cmd("ZINTERCARD", "2", "y", "s") == 2
    assert two.cmd("ZINTERCARD", "2", "y", "s", "LIMIT", "1") == 1
    assert two.cmd("ZINTERCARD", "2", "y", "none") == 0


def test_count_with_weights_is_their_sum(two: Plain) -> None:
    args = ("WEIGHTS", "2", "3", "AGGREGATE", "COUNT")
    assert two.cmd("ZUNIONSTORE", "d", "2", "x", "y", *args) == 3
    assert listed(two, "d") == [b"a", b"2", b"c", b"3", b"b", b"5"]
    assert two.cmd("ZINTERSTORE", "d", "2", "x", "y", *args) == 1
    assert listed(two, "d") == [b"b", b"5"]


def test_stored_results(two: Plain) -> None:
    assert two.cmd("ZUNIONSTORE", "x", "2", "x", "y") == 3
    assert listed(two, "x") == [b"a", b"1", b"b", b"12", b"c", b"20"]
    assert two.cmd("ZINTERSTORE", "x", "2", "x", "y", "AGGREGATE", "MIN") == 2
    assert listed(two, "x") == [b"b", b"10", b"c", b"20"]
    assert two.cmd("ZDIFFSTORE", "x", "2", "x", "y") == 0
    assert two.cmd("EXISTS", "x") == 0


def test_infinities_add_up_to_zero(client: Plain) -> None:
    client.cmd("ZADD", "x", "inf", "a")
    client.cmd("ZADD", "y", "-inf", "a")
    assert client.cmd("ZUNION", "2", "x", "y", "WITHSCORES") == [b"a", b"0"]
    assert client.cmd("ZUNION", "1", "x", "WEIGHTS", "0", "WITHSCORES") == [b"a", b"0"]


def test_many_sources(client: Plain) -> None:
    keys = [f"k{i}" for i in range(40)]
    for i, key in enumerate(keys):
        client.cmd("ZADD", key, str(i), "all", "1", f"m{i}")
    assert client.cmd("ZINTER", "40", *keys, "WITHSCORES") == [b"all", b"780"]
    assert client.cmd("ZUNIONSTORE", "d", "40", *keys) == 41


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("ZUNION 0 x", "ERR at least 1 input key is needed for 'zunion' command"),
        (
            "ZINTERSTORE d 0 x",
            "ERR at least 1 input key is needed for 'zinterstore' command",
        ),
        ("ZUNION x x", NOT_INTEGER),
        ("ZUNION 3 x y", SYNTAX),
        ("ZUNION 1 x WEIGHTS", SYNTAX),
        ("ZUNION 1 x WEIGHTS a", "ERR weight value is not a float"),
        ("ZUNION 1 x AGGREGATE AVG", SYNTAX),
        ("ZDIFF 1 x WEIGHTS 1", SYNTAX),
        ("ZUNIONSTORE d 1 x WITHSCORES", SYNTAX),
        ("ZINTERCARD 1 x LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZINTERCARD 1 x WITHSCORES", SYNTAX),
    ],
)
def test_errors_of_several(client: Plain, command: str, error: str) -> None:
    assert str(client.cmd(*command.split())) == error


# --- Whole keys --------------------------------------------------------------------


def test_copy_and_digest(client: Plain, fill: Fill) -> None:
    fill("1", "a", "2.5", "b", "-inf", "7")
    assert client.cmd("COPY", "z", "copy") == 1
    assert listed(client, "copy") == listed(client)
    same = [client.cmd("DEBUG", "DIGEST-VALUE", key) for key in ("z", "copy")]
    assert same[0] == same[1]
    client.cmd("ZADD", "copy", "3", "b")
    assert client.cmd("DEBUG", "DIGEST-VALUE", "copy") != same[0]
    assert client.cmd("ZSCORE", "z", "b") == b"2.5"
    assert sorted(client.cmd("SCAN", "0", "TYPE", "zset")[1]) == [b"copy", b"z"]


def test_a_large_set_goes_without_a_pause(client: Plain) -> None:
    """UNLINK hands the members to the other thread."""
    n = 20_000
    pairs = [part for i in range(n) for part in (str(i), f"m{i}")]
    client.cmd("ZADD", "z", *pairs)
    before = int(client.info("memory")["lazyfreed_objects"])
    assert client.cmd("UNLINK", "z") == 1
    wait_until(lambda: int(client.info("memory")["lazyfreed_objects"]) == before + 1)


def test_a_member_that_has_expired_by_then_wakes_nobody(
    server: FastredisServer, client: Plain
) -> None:
    """The transaction lasts longer than what it adds."""
    client.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    with RawClient(server.unixsocket) as other:
        other.send("BZPOPMIN", "z", "0.3")
        wait_blocked(client, 1)
        client.ok("MULTI")
        for command in ("ZADD z 1 a", "PEXPIRE z 20", "DEBUG SLEEP 0.05"):
            client.cmd(*command.split())
        assert client.cmd("EXEC") == [1, 1, "OK"]
        assert other.read() is other.null_array
    client.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "1")
