# SPDX-License-Identifier: BSD-3-Clause
"""HyperLogLog: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from support.client import RawClient
from support.server import FastredisServer

REGISTERS = 16384
SPARSE, DENSE = 1, 0
DENSE_NBYTES = 16 + 12288
NOT_VALID = "WRONGTYPE Key is not a valid HyperLogLog string value."
CORRUPT = "INVALIDOBJ Corrupted HLL object detected"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
EMPTY = b"HYLL\x01" + bytes(10) + b"\x80\x7f\xff"
# What a genuine server 7.0 stores for PFADD k a b c a foo bar.
FIVE = bytes.fromhex(
    "48594c4c0100000000000000000000805cb390443e804621804a8e844bfb80425a"
)


def header(encoding: int, cache: bytes = b"\0" * 7 + b"\x80") -> bytes:
    return b"HYLL" + bytes([encoding, 0, 0, 0]) + cache


def zeros(run: int) -> bytes:
    """Return the instructions for a run of zeros."""
    if run <= 64:
        return bytes([run - 1]) if run else b""
    return bytes([0x40 | (run - 1) >> 8, (run - 1) & 255])


def value(value: int, run: int = 1) -> bytes:
    """Return the instruction for registers with a value."""
    return bytes([0x80 | (value - 1) << 2 | (run - 1)])


def add_many(client: RawClient, key: str, first: int, last: int) -> None:
    numbers = list(range(first, last))
    for at in range(0, len(numbers), 1000):
        client.cmd("PFADD", key, *numbers[at : at + 1000])


def encoding(client: RawClient, key: str = "k") -> str:
    reply: str = client.cmd("PFDEBUG", "ENCODING", key)
    return reply


@pytest.fixture
def simd_again(client: RawClient) -> Iterator[None]:
    yield
    client.cmd("PFDEBUG", "SIMD", "ON")


# --- PFADD -------------------------------------------------------------------------


def test_pfadd_tells_whether_a_register_changed(client: RawClient) -> None:
    assert client.cmd("PFADD", "k", "a", "b") == 1
    assert client.cmd("PFADD", "k", "a", "b", "a") == 0
    assert client.cmd("PFADD", "k", "a", "c") == 1
    assert client.cmd("PFADD", "k") == 0


def test_pfadd_without_elements_makes_an_empty_one(client: RawClient) -> None:
    assert client.cmd("PFADD", "k") == 1
    assert client.cmd("GET", "k") == EMPTY
    assert client.cmd("TYPE", "k") == "string"
    assert client.cmd("OBJECT", "ENCODING", "k") == b"raw"
    assert client.cmd("PFCOUNT", "k") == 0


def test_bytes_are_those_of_a_genuine_server(client: RawClient) -> None:
    client.cmd("PFADD", "k", "a", "b", "c", "a", "foo", "bar")
    assert client.cmd("GET", "k") == FIVE


def test_pfadd_keeps_the_expiry(client: RawClient) -> None:
    client.ok("SET", "k", EMPTY, "EX", 1000)
    assert client.cmd("PFADD", "k", "a") == 1
    add_many(client, "k", 0, 5000)
    assert encoding(client) == "dense"
    assert 0 < client.cmd("TTL", "k") <= 1000


def test_a_reply_on_its_way_is_not_changed(client: RawClient) -> None:
    """GET of a long string refers to its bytes until they are sent."""
    add_many(client, "k", 0, 20_000)
    before = client.cmd("GET", "k")
    replies = client.pipeline(
        [("GET", "k"), ("PFADD", "k", *range(20_000, 20_400)), ("GET", "k")]
    )
    assert replies[0] == before
    assert replies[1] == 1
    assert replies[2] != before


@pytest.mark.parametrize("limit", [0, 17, 18, 30, 100, 3000, 20_000])
def test_a_long_sparse_one_becomes_dense(
    server: FastredisServer, client: RawClient, limit: int
) -> None:
    client.ok("CONFIG", "SET", "hll-sparse-max-bytes", limit)
    last = EMPTY
    for number in range(3000):
        client.cmd("PFADD", "k", number)
        now = client.cmd("GET", "k")
        if now[4] == DENSE:
            break
        assert len(now) <= max(limit, len(EMPTY))
        last = now
    if limit == 20_000:
        assert now[4] == SPARSE
        return
    assert len(now) == DENSE_NBYTES
    # a change takes at most three bytes more
    assert len(last) + 3 > limit


# --- PFCOUNT -----------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 10, 100, 1000, 10_000, 100_000])
def test_estimates_are_near(client2: RawClient, count: int) -> None:
    client2.cmd("PFADD", "k")
    add_many(client2, "k", 0, count)
    estimate = client2.cmd("PFCOUNT", "k")
    assert abs(estimate - count) <= 0.05 * count
    assert client2.cmd("PFCOUNT", "k", "absent") == estimate


def test_pfcount_of_absent_keys(client: RawClient) -> None:
    assert client.cmd("PFCOUNT", "k") == 0
    assert client.cmd("PFCOUNT", "k", "l", "m") == 0
    assert client.cmd("EXISTS", "k") == 0


def test_pfcount_of_several_keys_is_of_their_union(client: RawClient) -> None:
    client.cmd("PFADD", "a", 1, 2, 3, 4)
    client.cmd("PFADD", "b", 3, 4, 5)
    assert client.cmd("PFCOUNT", "a", "b") == 5
    assert client.cmd("PFCOUNT", "a", "a") == 4


def test_estimate_is_kept_in_the_header_until_a_change(client: RawClient) -> None:
    client.cmd("PFADD", "k", 1, 2, 3)
    assert client.cmd("GET", "k")[8:16] == b"\0" * 7 + b"\x80"
    assert client.cmd("PFCOUNT", "k") == 3
    kept = client.cmd("GET", "k")
    assert kept[8:16] == (3).to_bytes(8, "little")
    client.cmd("PFADD", "k", 1)
    assert client.cmd("GET", "k") == kept
    client.cmd("PFADD", "k", 4)
    assert client.cmd("GET", "k")[15] == 0x80
    assert client.cmd("PFCOUNT", "k") == 4


def test_an_estimate_in_the_header_is_believed(client: RawClient) -> None:
    client.ok("SET", "k", header(SPARSE, (77).to_bytes(8, "little")) + zeros(REGISTERS))
    assert client.cmd("PFCOUNT", "k") == 77
    assert client.cmd("PFCOUNT", "k", "absent") == 0


# --- PFMERGE -----------------------------------------------------------------------


def test_pfmerge_makes_the_union(client: RawClient) -> None:
    client.cmd("PFADD", "a", 1, 2, 3)
    client.cmd("PFADD", "b", 3, 4, 5)
    client.cmd("PFADD", "c", 5, 6, 7)
    client.ok("PFMERGE", "k", "a", "b", "absent")
    assert client.cmd("PFCOUNT", "k") == 5
    client.ok("PFMERGE", "k", "c")
    assert client.cmd("PFCOUNT", "k") == 7
    assert encoding(client) == "sparse"
    assert client.cmd("PFCOUNT", "a") == 3


def test_pfmerge_without_sources(client: RawClient) -> None:
    client.ok("PFMERGE", "k")
    assert client.cmd("GET", "k") == EMPTY
    client.cmd("PFADD", "k", 1)
    client.ok("PFMERGE", "k")
    assert client.cmd("PFCOUNT", "k") == 1


def test_pfmerge_with_a_dense_one_is_dense(client: RawClient) -> None:
    client.cmd("PFADD", "a", 1, 2, 3)
    client.cmd("PFADD", "b", 3, 4)
    assert client.cmd("PFDEBUG", "TODENSE", "b") == 1
    client.ok("PFMERGE", "k", "a", "b")
    assert encoding(client) == "dense"
    assert client.cmd("PFCOUNT", "k") == 4


def test_pfmerge_equals_adding_all(client: RawClient) -> None:
    add_many(client, "a", 0, 3000)
    add_many(client, "b", 2000, 9000)
    add_many(client, "all", 0, 9000)
    client.ok("PFMERGE", "k", "a", "b")
    assert client.cmd("GET", "k") == client.cmd("GET", "all")


@pytest.mark.usefixtures("simd_again")
def test_vector_instructions_change_nothing(client2: RawClient) -> None:
    rng = random.Random(8)
    for name in "abcd":
        body = rng.randbytes(12288)
        client2.ok("SET", name, header(DENSE) + body)
    found = []
    for setting in ("ON", "OFF"):
        reply = client2.cmd("PFDEBUG", "SIMD", setting)
        assert reply == "disabled" or setting == "ON"
        client2.cmd("DEL", "k")
        client2.ok("PFMERGE", "k", "a", "b", "c", "d")
        found.append(
            (
                client2.cmd("GET", "k"),
                client2.cmd("PFCOUNT", "a", "b", "c"),
                client2.cmd("PFCOUNT", "k"),
            )
        )
    assert found[0] == found[1]


# --- What is no HyperLogLog, or a corrupt one --------------------------------------

USES = [
    ("PFADD", "k", "x"),
    ("PFCOUNT", "k"),
    ("PFCOUNT", "absent", "k"),
    ("PFMERGE", "k"),
    ("PFMERGE", "other", "k"),
    ("PFDEBUG", "GETREG", "k"),
    ("PFDEBUG", "TODENSE", "k"),
]
EACH_USE = pytest.mark.parametrize("use", USES, ids=" ".join)


@EACH_USE
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"12345",
        b"abc",
        b"HYLL",
        EMPTY[:15],
        b"hyll" + EMPTY[4:],
        header(2) + zeros(REGISTERS),
        header(255) + zeros(REGISTERS),
        header(DENSE) + bytes(12287),
        header(DENSE) + bytes(12289),
        header(DENSE),
    ],
)
def test_strings_that_are_none(
    client: RawClient, use: tuple[str, ...], text: bytes
) -> None:
    client.ok("SET", "k", text)
    assert client.cmd(*use) == NOT_VALID
    assert client.cmd("GET", "k") == text


@EACH_USE
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x40",  # the second byte is missing
        zeros(REGISTERS - 1),
        zeros(REGISTERS) + zeros(1),
        zeros(REGISTERS - 1) + value(1, 2),
        zeros(REGISTERS) + value(1),
        value(32, 4) * 4097,
        b"\x7f\xff" * 500,
        zeros(REGISTERS - 1) + b"\x40",
    ],
    ids=range(9),
)
def test_corrupt_ones(client: RawClient, use: tuple[str, ...], body: bytes) -> None:
    text = header(SPARSE) + body
    client.ok("SET", "k", text)
    reply = client.cmd(*use)
    if use[0] == "PFADD" and reply in (0, 1):
        return  # the instruction for the element's register is there
    assert reply == CORRUPT
    assert client.cmd("GET", "k") == text
    assert client.cmd("EXISTS", "other") == 0


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_do_no_harm(client2: RawClient, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        size = rng.choice([0, 1, 2, 3, 10, 100, 3000, 12287, 12288, 12289])
        encoding = rng.choice([SPARSE, SPARSE, DENSE])
        client2.ok("SET", "k", header(encoding, rng.randbytes(8)) + rng.randbytes(size))
        for use in rng.sample(USES, k=4):
            reply = client2.cmd(*use, *(use[0] == "PFADD") * [rng.randbytes(9)] * 40)
            if isinstance(reply, Exception):
                assert str(reply) in (NOT_VALID, CORRUPT)
        client2.cmd("PFDEBUG", "DECODE", "k")
    assert client2.cmd("PING") == "PONG"


# --- PFDEBUG, PFSELFTEST -----------------------------------------------------------


def test_pfdebug_shows_instructions_and_registers(client: RawClient) -> None:
    body = zeros(2) + value(7, 3) + zeros(70) + value(32) + zeros(REGISTERS - 76)
    client.ok("SET", "k", header(SPARSE) + body)
    assert client.cmd("PFDEBUG", "DECODE", "k") == b"z:2 v:7,3 Z:70 v:32,1 Z:16308"
    assert encoding(client) == "sparse"
    registers = [0] * 2 + [7] * 3 + [0] * 70 + [32] + [0] * (REGISTERS - 76)
    assert client.cmd("PFDEBUG", "GETREG", "k") == registers
    assert encoding(client) == "dense"
    assert client.cmd("PFDEBUG", "TODENSE", "k") == 0
    assert client.cmd("PFDEBUG", "GETREG", "k") == registers
    assert client.cmd("PFDEBUG", "DECODE", "k") == "ERR HLL encoding is not sparse"


def test_dense_registers_are_where_they_should_be(client: RawClient) -> None:
    registers = [(index * 7) % 64 for index in range(REGISTERS)]
    bits = sum(register << 6 * index for index, register in enumerate(registers))
    client.ok("SET", "k", header(DENSE) + bits.to_bytes(12288, "little"))
    assert client.cmd("PFDEBUG", "GETREG", "k") == registers


def test_pfdebug_errors(client: RawClient) -> None:
    absent = "ERR The specified key does not exist"
    assert client.cmd("PFDEBUG", "GETREG", "k") == absent
    assert client.cmd("PFDEBUG", "nonsense", "k") == absent
    client.cmd("PFADD", "k")
    unknown = "ERR Unknown PFDEBUG subcommand 'nonsense'"
    assert client.cmd("PFDEBUG", "nonsense", "k") == unknown
    assert client.cmd("PFDEBUG", "SIMD", "x") == "ERR Argument must be ON or OFF"


def test_pfselftest(client2: RawClient) -> None:
    client2.ok("PFSELFTEST")


# --- What changed ------------------------------------------------------------------


def test_changes_are_counted(server: FastredisServer, client: RawClient) -> None:
    def changes() -> int:
        return int(client.info("persistence")["rdb_changes_since_last_save"])

    start = changes()
    client.cmd("PFADD", "k", 1, 2, 3)  # the key, and three registers
    assert changes() == start + 4
    client.cmd("PFADD", "k", 1, 2, 3)
    assert changes() == start + 4
    client.cmd("PFCOUNT", "k")  # the header
    assert changes() == start + 5
    client.cmd("PFCOUNT", "k")
    assert changes() == start + 5
    client.ok("PFMERGE", "k")
    assert changes() == start + 6
    client.cmd("PFDEBUG", "TODENSE", "k")
    assert changes() == start + 7
