# SPDX-License-Identifier: BSD-3-Clause
"""Set commands: every encoding, RESP2 and RESP3, what they report and refuse."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.client import RawClient, Set

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"
SYNTAX = "ERR syntax error"
POSITIVE = "ERR value is out of range, must be positive"
INT64_MAX = 2**63 - 1

# Members for each encoding.
CONTENTS: dict[str, list[str]] = {
    "intset": [str(n) for n in (*range(-30, 30), 40_000, 2**40, -(2**63))],
    "listpack": [*(f"member:{n}" for n in range(60)), "12", "", "-7"],
    "hashtable": [*(f"member:{n}" for n in range(400)), "12", "", "x" * 300],
}
EACH_ENCODING = pytest.mark.parametrize("encoding", CONTENTS)


def fill(client: RawClient, key: str, encoding: str) -> set[bytes]:
    """Make a set of this encoding; return its members."""
    members = CONTENTS[encoding]
    assert client.cmd("SADD", key, *members) == len(members)
    assert client.cmd("OBJECT", "ENCODING", key) == encoding.encode()
    return {m.encode() for m in members}


def members(client: RawClient, *command: str) -> set[bytes]:
    """Return the members of a reply, which must be a set in RESP3."""
    reply = client.cmd(*command)
    assert isinstance(reply, Set if client.resp == 3 else list), reply
    found = set(reply)
    assert len(found) == len(list(reply))
    return found


# --- Add, remove, ask --------------------------------------------------------------


@EACH_ENCODING
def test_members_and_membership(client: RawClient, encoding: str) -> None:
    expected = fill(client, "s", encoding)
    assert members(client, "SMEMBERS", "s") == expected
    assert client.cmd("SCARD", "s") == len(expected)
    assert client.cmd("TYPE", "s") == "set"
    for member in CONTENTS[encoding]:
        assert client.cmd("SISMEMBER", "s", member) == 1
        assert client.cmd("SADD", "s", member) == 0
    for other in ("nobody", "999999", "+12", "012", "y" * 16):
        assert client.cmd("SISMEMBER", "s", other) == 0
    asked = [CONTENTS[encoding][0], "nobody", *CONTENTS[encoding][-3:], "999999"]
    assert client.cmd("SMISMEMBER", "s", *asked) == [1, 0, 1, 1, 1, 0]


@EACH_ENCODING
def test_remove_one_by_one_until_the_key_is_gone(
    client: RawClient, encoding: str
) -> None:
    expected = fill(client, "s", encoding)
    order = sorted(expected)
    random.Random(3).shuffle(order)
    for member in order:
        assert client.cmd("SREM", "s", "nobody", member, member) == 1
        expected.discard(member)
        assert client.cmd("SCARD", "s") == len(expected)
        assert client.cmd("SREM", "s", member) == 0
    assert client.cmd("EXISTS", "s") == 0


def test_adding_counts_what_is_new(client: RawClient) -> None:
    assert client.cmd("SADD", "s", "a", "b", "a") == 2
    assert client.cmd("SADD", "s", "b", "c", "1") == 2
    assert client.cmd("SREM", "s", "a", "1", "x") == 2
    assert members(client, "SMEMBERS", "s") == {b"b", b"c"}


def test_absent_keys_are_empty_sets(client: RawClient) -> None:
    assert members(client, "SMEMBERS", "s") == set()
    assert client.cmd("SCARD", "s") == 0
    assert client.cmd("SISMEMBER", "s", "a") == 0
    assert client.cmd("SMISMEMBER", "s", "a", "b") == [0, 0]
    assert client.cmd("SREM", "s", "a") == 0
    assert client.cmd("SPOP", "s") is None
    assert members(client, "SPOP", "s", "3") == set()
    assert client.cmd("SRANDMEMBER", "s") is None
    assert client.cmd("SRANDMEMBER", "s", "3") == []
    assert client.cmd("SMOVE", "s", "t", "a") == 0
    assert client.cmd("SSCAN", "s", "0") == [b"0", []]
    assert client.cmd("EXISTS", "s", "t") == 0


COMMANDS = [
    "SADD k a",
    "SREM k a",
    "SCARD k",
    "SISMEMBER k a",
    "SMISMEMBER k a b",
    "SMEMBERS k",
    "SPOP k",
    "SPOP k 2",
    "SRANDMEMBER k",
    "SRANDMEMBER k -2",
    "SMOVE k s a",
    "SMOVE s k a",
    "SINTER s k",
    "SINTER absent k",
    "SINTERSTORE d s k",
    "SINTERCARD 2 s k",
    "SUNION s k",
    "SUNIONSTORE d s k",
    "SUNIONCARD 2 s k",
    "SUNIONCARD 2 s k APPROX",
    "SDIFF s k",
    "SDIFF k s",
    "SDIFFSTORE d absent k",
    "SDIFFCARD 2 s k",
    "SSCAN k 0",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_type(client: RawClient, command: str) -> None:
    client.ok("SET", "k", "text")
    client.cmd("SADD", "s", "a")
    client.cmd("SADD", "d", "old")
    assert client.cmd(*command.split()) == WRONG_TYPE
    assert client.cmd("GET", "k") == b"text"
    assert members(client, "SMEMBERS", "s") == {b"a"}
    assert members(client, "SMEMBERS", "d") == {b"old"}


@pytest.mark.parametrize(
    "command",
    [
        "SADD k",
        "SREM k",
        "SCARD",
        "SCARD k k",
        "SISMEMBER k",
        "SMISMEMBER k",
        "SMEMBERS",
        "SPOP",
        "SMOVE a b",
        "SINTER",
        "SINTERSTORE d",
        "SINTERCARD 1",
        "SUNION",
        "SDIFF",
        "SSCAN k",
    ],
)
def test_wrong_arity(client: RawClient, command: str) -> None:
    name = command.split()[0].lower()
    expected = f"ERR wrong number of arguments for '{name}' command"
    assert client.cmd(*command.split()) == expected


def test_other_commands_on_sets_say_so(client: RawClient) -> None:
    client.cmd("SADD", "s", "a")
    for command in ("GET s", "INCR s", "APPEND s x", "GETBIT s 0", "BITCOUNT s"):
        assert client.cmd(*command.split()) == WRONG_TYPE
    client.ok("SET", "s", "now a string")
    assert client.cmd("TYPE", "s") == "string"


# --- Encodings ---------------------------------------------------------------------


def test_limits_are_configuration(client: RawClient) -> None:
    try:
        client.ok("CONFIG", "SET", "set-max-intset-entries", "3")
        client.ok("CONFIG", "SET", "set-max-listpack-entries", "4")
        client.ok("CONFIG", "SET", "set-max-listpack-value", "5")
        for key, values, encoding in [
            ("a", "1 2 3", b"intset"),
            ("b", "1 2 3 4", b"listpack"),
            ("c", "a b c d", b"listpack"),
            ("d", "a b c d e", b"hashtable"),
            ("e", "12345", b"intset"),
            ("f", "abcde", b"listpack"),
            ("g", "abcdef", b"hashtable"),
        ]:
            client.cmd("SADD", key, *values.split())
            assert client.cmd("OBJECT", "ENCODING", key) == encoding, key
        client.cmd("SADD", "a", "4")
        assert client.cmd("OBJECT", "ENCODING", "a") == b"hashtable"
    finally:
        client.ok("CONFIG", "SET", "set-max-intset-entries", "512")
        client.ok("CONFIG", "SET", "set-max-listpack-entries", "128")
        client.ok("CONFIG", "SET", "set-max-listpack-value", "64")


@EACH_ENCODING
def test_copy_rename_and_expiry_keep_the_set(client: RawClient, encoding: str) -> None:
    expected = fill(client, "s", encoding)
    assert client.cmd("COPY", "s", "t") == 1
    assert client.cmd("SADD", "t", "another one") == 1
    client.ok("RENAME", "s", "u")
    assert client.cmd("EXPIRE", "u", 1000) == 1
    assert client.cmd("SADD", "u", "more") == 1
    assert client.cmd("TTL", "u") > 990
    assert client.cmd("OBJECT", "ENCODING", "t") != b"intset"
    assert members(client, "SMEMBERS", "u") == expected | {b"more"}
    assert members(client, "SMEMBERS", "t") == expected | {b"another one"}


def test_scan_finds_sets_by_type(client: RawClient) -> None:
    client.cmd("SADD", "s", "a")
    client.ok("SET", "k", "v")
    assert client.cmd("SCAN", "0", "COUNT", "1000", "TYPE", "set") == [b"0", [b"s"]]


@EACH_ENCODING
def test_digest_is_that_of_the_members(client: RawClient, encoding: str) -> None:
    fill(client, "s", encoding)
    for member in reversed(CONTENTS[encoding]):
        client.cmd("SADD", "t", member)
    client.cmd("SADD", "t", "extra" if encoding != "intset" else "777")
    first = client.cmd("DEBUG", "DIGEST-VALUE", "s", "t")
    assert first[0] != first[1]
    client.cmd("SREM", "t", "extra", "777")
    first = client.cmd("DEBUG", "DIGEST-VALUE", "s", "t")
    assert first[0] == first[1]


def test_figures_of_a_table(client: RawClient) -> None:
    fill(client, "s", "hashtable")
    client.cmd("SADD", "small", "1")
    text = bytes(client.cmd("DEBUG", "HTSTATS-KEY", "s", "full")).decode()
    assert " number of elements: 403\n" in text
    assert "overflow buckets behind a bucket" in text
    assert client.cmd("DEBUG", "HTSTATS-KEY", "small").endswith(
        "is not represented using an hash table"
    )


# --- Move --------------------------------------------------------------------------


@pytest.mark.parametrize("source", CONTENTS)
@pytest.mark.parametrize("target", [*CONTENTS, ""])
def test_move(client: RawClient, source: str, target: str) -> None:
    a = fill(client, "a", source)
    b = fill(client, "b", target) if target else set()
    moved = CONTENTS[source][2].encode()
    assert client.cmd("SMOVE", "a", "b", moved) == 1
    assert members(client, "SMEMBERS", "a") == a - {moved}
    assert members(client, "SMEMBERS", "b") == b | {moved}
    assert client.cmd("SMOVE", "a", "b", moved) == 0
    assert client.cmd("SMOVE", "b", "b", moved) == 1
    assert client.cmd("SMOVE", "b", "b", "nobody") == 0


def test_moving_the_last_member_deletes_the_source(client: RawClient) -> None:
    client.cmd("SADD", "a", "x")
    client.cmd("SADD", "b", "x")
    assert client.cmd("SMOVE", "a", "b", "x") == 1
    assert client.cmd("EXISTS", "a") == 0
    assert members(client, "SMEMBERS", "b") == {b"x"}


# --- Random members ----------------------------------------------------------------


@EACH_ENCODING
def test_pop_one_by_one(client: RawClient, encoding: str) -> None:
    expected = fill(client, "s", encoding)
    while expected:
        member = client.cmd("SPOP", "s")
        assert member in expected
        expected.discard(member)
    assert client.cmd("EXISTS", "s") == 0


@EACH_ENCODING
@pytest.mark.parametrize("share", [0.02, 0.5, 0.8, 0.9, 0.99, 1, 2])
def test_pop_several(client: RawClient, encoding: str, share: float) -> None:
    expected = fill(client, "s", encoding)
    count = max(1, int(len(expected) * share))
    popped = members(client, "SPOP", "s", str(count))
    assert len(popped) == min(count, len(expected))
    assert popped <= expected
    assert members(client, "SMEMBERS", "s") == expected - popped
    assert client.cmd("EXISTS", "s") == (count < len(expected))


def test_pop_of_none_changes_nothing(client: RawClient) -> None:
    client.cmd("SADD", "s", "a")
    before = client.info("persistence")["rdb_changes_since_last_save"]
    assert members(client, "SPOP", "s", "0") == set()
    after = client.info("persistence")["rdb_changes_since_last_save"]
    assert before == after


@EACH_ENCODING
@pytest.mark.parametrize("count", [1, 5, 20, 30, 62, 1000])
def test_random_members_differ(client: RawClient, encoding: str, count: int) -> None:
    expected = fill(client, "s", encoding)
    reply = client.cmd("SRANDMEMBER", "s", str(count))
    assert isinstance(reply, list)
    assert len(set(reply)) == len(reply) == min(count, len(expected))
    assert set(reply) <= expected
    assert client.cmd("SCARD", "s") == len(expected)


@EACH_ENCODING
def test_random_members_may_repeat(client: RawClient, encoding: str) -> None:
    expected = fill(client, "s", encoding)
    reply = client.cmd("SRANDMEMBER", "s", "-5000")
    assert isinstance(reply, list)
    assert len(reply) == 5000
    assert len(set(reply)) > len(expected) * 0.9
    assert set(reply) <= expected
    assert client.cmd("SRANDMEMBER", "s") in expected
    assert client.cmd("SRANDMEMBER", "s", "0") == []


def test_counts_that_are_none(client: RawClient) -> None:
    client.cmd("SADD", "s", "a")
    for bad in ("-1", "x", "", "1.0", str(2**63)):
        assert client.cmd("SPOP", "s", bad) == POSITIVE
    for bad in ("x", "", "1.0", str(2**63)):
        assert client.cmd("SRANDMEMBER", "s", bad) == NOT_INTEGER
    assert client.cmd("SRANDMEMBER", "s", str(-(2**63))) == (
        f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}"
    )
    assert client.cmd("SPOP", "s", "1", "2") == SYNTAX
    assert client.cmd("SRANDMEMBER", "s", "1", "2") == SYNTAX


# --- Combine -----------------------------------------------------------------------


def combine(how: str, sets: list[set[bytes]]) -> set[bytes]:
    if how == "SINTER":
        return set.intersection(*sets)
    if how == "SUNION":
        return set.union(*sets)
    return sets[0].difference(*sets[1:])


@pytest.mark.parametrize("how", ["SINTER", "SUNION", "SDIFF"])
@pytest.mark.parametrize("third", [*CONTENTS, "absent", "again"])
@pytest.mark.parametrize("second", CONTENTS)
@pytest.mark.parametrize("first", CONTENTS)
def test_combinations(
    client3: RawClient, how: str, first: str, second: str, third: str
) -> None:
    client = client3
    sets = [fill(client, "a", first), fill(client, "b", second)]
    client.cmd("SADD", "b", "12", "1", "2")
    sets[1] |= {b"12", b"1", b"2"}
    keys = ["a", "b", "c"]
    if third == "again":
        keys[2] = "a"
        sets.append(sets[0])
    else:
        sets.append(fill(client, "c", third) if third in CONTENTS else set())
    expected = combine(how, sets)
    assert members(client, how, *keys) == expected
    assert client.cmd(how + "CARD", "3", *keys) == len(expected)
    assert client.cmd(how + "CARD", "3", *keys, "LIMIT", "2") == min(2, len(expected))
    assert client.cmd(how + "CARD", "3", *keys, "LIMIT", "0") == len(expected)
    assert client.cmd(how + "STORE", "d", *keys) == len(expected)
    assert members(client, "SMEMBERS", "d") == expected
    assert client.cmd(how + "STORE", "a", *keys) == len(expected)
    assert members(client, "SMEMBERS", "a") == expected


@pytest.mark.parametrize("how", ["SINTER", "SUNION", "SDIFF"])
def test_of_one_key(client: RawClient, how: str) -> None:
    for encoding in CONTENTS:
        expected = fill(client, encoding, encoding)
        assert members(client, how, encoding) == expected
        assert client.cmd(how + "CARD", "1", encoding) == len(expected)
        assert client.cmd(how + "STORE", "d", encoding) == len(expected)
        assert client.cmd("OBJECT", "ENCODING", "d") == encoding.encode()
        assert members(client, how, "absent") == set()
        assert client.cmd(how + "STORE", "d", "absent") == 0
        assert client.cmd("EXISTS", "d") == 0


def test_many_keys(client: RawClient) -> None:
    keys = [f"k{n}" for n in range(40)]
    for n, key in enumerate(keys):
        client.cmd("SADD", key, "all", f"only:{n}")
    assert members(client, "SINTER", *keys) == {b"all"}
    assert client.cmd("SUNIONCARD", "40", *keys) == 41
    assert members(client, "SDIFF", *keys) == {b"only:0"}
    assert client.cmd("SUNIONSTORE", "d", *keys) == 41
    client.ok("SET", "k39", "text")
    assert client.cmd("SINTER", *keys) == WRONG_TYPE


def test_a_result_replaces_whatever_was_there(client: RawClient) -> None:
    client.cmd("SADD", "s", "1", "2")
    client.ok("SET", "d", "text", "EX", "100")
    assert client.cmd("SUNIONSTORE", "d", "s") == 2
    assert client.cmd("TTL", "d") == -1
    assert members(client, "SMEMBERS", "d") == {b"1", b"2"}


def test_what_is_left_of_a_table_is_an_intset_if_it_can_be(client: RawClient) -> None:
    numbers = [str(n) for n in range(300)]
    client.cmd("SADD", "a", *numbers, "x")
    client.cmd("SADD", "b", *numbers, "y")
    assert client.cmd("OBJECT", "ENCODING", "a") == b"hashtable"
    assert client.cmd("SINTERSTORE", "d", "a", "b") == 300
    assert client.cmd("OBJECT", "ENCODING", "d") == b"intset"


@pytest.mark.parametrize("name", ["SINTERCARD", "SUNIONCARD", "SDIFFCARD"])
def test_arguments_of_counts(client: RawClient, name: str) -> None:
    numkeys = "ERR numkeys should be greater than 0"
    too_many = "ERR Number of keys can't be greater than number of args"
    negative = "ERR LIMIT can't be negative"
    for words, error in [
        ("0 a", numkeys),
        ("-1 a", numkeys),
        ("x a", numkeys),
        ("2 a", too_many),
        (f"{INT64_MAX} a", too_many),
        ("1 a b", SYNTAX),
        ("1 a LIMIT", SYNTAX),
        ("1 a LIMIT -1", negative),
        ("1 a LIMIT x", negative),
        ("1 a LIMIT 1 b", SYNTAX),
    ]:
        assert client.cmd(name, *words.split()) == error, words
    if name != "SUNIONCARD":
        assert client.cmd(name, "1", "a", "APPROX") == SYNTAX


def test_estimate_of_a_union(client: RawClient) -> None:
    for key, first in (("a", 0), ("b", 5000)):
        for start in range(first, first + 10_000, 1000):
            client.cmd("SADD", key, *(f"m:{n}" for n in range(start, start + 1000)))
    estimate = client.cmd("SUNIONCARD", "2", "a", "b", "APPROX")
    assert abs(estimate - 15_000) < 15_000 * 0.05
    assert client.cmd("SUNIONCARD", "2", "a", "b", "LIMIT", "7", "APPROX") == 7
    assert client.cmd("SUNIONCARD", "2", "a", "b") == 15_000


def test_keys_are_found_behind_their_number(client: RawClient) -> None:
    words = ("SUNIONCARD", "2", "a", "b", "APPROX", "LIMIT", "3")
    assert client.cmd("COMMAND", "GETKEYS", *words) == [b"a", b"b"]


# --- Scan --------------------------------------------------------------------------


def scan(client: RawClient, *words: str) -> list[bytes]:
    """Return all that SSCAN of s brings until its cursor is 0."""
    cursor, found = b"0", list[bytes]()
    while True:
        cursor, more = client.cmd("SSCAN", "s", cursor, *words)
        found += more
        if cursor == b"0":
            return found


@EACH_ENCODING
def test_scan_brings_every_member(client: RawClient, encoding: str) -> None:
    expected = fill(client, "s", encoding)
    assert set(scan(client)) == expected
    assert set(scan(client, "COUNT", "1")) == expected
    assert set(scan(client, "COUNT", "100000", "MATCH", "*")) == expected
    matching = {m for m in expected if m.startswith(b"-") or b":1" in m}
    found = scan(client, "MATCH", "-*") + scan(client, "MATCH", "*:1*")
    assert set(found) == matching


def test_small_sets_come_at_once(client: RawClient) -> None:
    expected = fill(client, "s", "listpack")
    cursor, found = client.cmd("SSCAN", "s", "0", "COUNT", "1")
    assert cursor == b"0"
    assert set(found) == expected


def test_scan_keeps_its_guarantee_while_the_set_changes(client2: RawClient) -> None:
    stay = {b"stay:%d" % n for n in range(2000)}
    client2.cmd("SADD", "s", *stay)
    rng = random.Random(1)
    cursor, found, step = b"0", set[bytes](), 0
    while True:
        cursor, more = client2.cmd("SSCAN", "s", cursor)
        found |= set(more)
        if cursor == b"0":
            break
        step += 1
        if step < 100:
            client2.cmd("SADD", "s", *(f"more:{step}:{n}" for n in range(100)))
        elif step % 20 == 0:
            old = rng.randrange(1, 100)
            client2.cmd("SREM", "s", *(f"more:{old}:{n}" for n in range(100)))
    assert stay <= found


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("x", "ERR invalid cursor"),
        ("0 COUNT 0", SYNTAX),
        ("0 COUNT x", NOT_INTEGER),
        ("0 COUNT", SYNTAX),
        ("0 MATCH", SYNTAX),
        ("0 TYPE set", SYNTAX),
        ("0 NOVALUES", "ERR NOVALUES option can only be used in HSCAN"),
    ],
)
def test_arguments_of_scan(client: RawClient, words: str, error: str) -> None:
    client.cmd("SADD", "s", "a")
    assert client.cmd("SSCAN", "s", *words.split()) == error


# --- Against a model ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_long_run_against_python_sets(client2: RawClient, seed: int) -> None:
    rng = random.Random(seed)
    keys = ["a", "b", "c"]
    model: dict[str, set[bytes]] = {key: set() for key in keys}
    span = rng.choice([50, 300, 2000])
    form = rng.choice(["%d", "m:%d", "x" * 14 + "%02d"])

    def some() -> list[bytes]:
        return [
            (form % rng.randrange(span)).encode() for _ in range(rng.randrange(1, 40))
        ]

    for _ in range(600):
        key, other = rng.sample(keys, 2)
        batch = some()
        match rng.randrange(7):
            case 0 | 1 | 2:
                new = len(set(batch) - model[key])
                assert client2.cmd("SADD", key, *batch) == new
                model[key] |= set(batch)
            case 3:
                gone = len(set(batch) & model[key])
                assert client2.cmd("SREM", key, *batch) == gone
                model[key] -= set(batch)
            case 4:
                popped: Any = client2.cmd("SPOP", key, str(len(batch)))
                assert len(popped) == min(len(batch), len(model[key]))
                assert set(popped) <= model[key]
                model[key] -= set(popped)
            case 5:
                is_there = batch[0] in model[key]
                assert client2.cmd("SMOVE", key, other, batch[0]) == is_there
                if is_there:
                    model[key].discard(batch[0])
                    model[other].add(batch[0])
            case _:
                how = rng.choice(["SINTER", "SUNION", "SDIFF"])
                expected = combine(how, [model[key], model[other]])
                assert set(client2.cmd(how, key, other)) == expected
        assert client2.cmd("SCARD", key) == len(model[key])
    for key in keys:
        assert set(client2.cmd("SMEMBERS", key)) == model[key]
