# SPDX-License-Identifier: BSD-3-Clause
"""Bitmap commands over a socket; their arithmetic is tested in unit/datatypes."""

from __future__ import annotations

import random

import pytest

from support.client import RawClient

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_INTEGER = "ERR value is not an integer or out of range"
BAD_OFFSET = "ERR bit offset is not an integer or out of range"
BAD_BIT = "ERR bit is not an integer or out of range"
BAD_TYPE = (
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
    "supported but i64 is."
)
SYNTAX = "ERR syntax error"

# One value for each way to store a string.
VALUES: dict[str, bytes] = {
    "int": b"12345678901234567",
    "inline": b"a short string",
    "longest inline": b"\xf0" * 1024,
    "blob": b"\x0f" * 5000,
    "sent by reference": bytes(range(256)) * 400,
}
EACH_VALUE = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())


def ones(data: bytes) -> int:
    return int.from_bytes(data, "big").bit_count()


@EACH_VALUE
def test_count_get_and_find_in_each_string(client: RawClient, value: bytes) -> None:
    client.ok("SET", "k", value)
    bits = "".join(f"{byte:08b}" for byte in value)
    assert client.cmd("BITCOUNT", "k") == ones(value)
    assert client.cmd("BITCOUNT", "k", "1", "-2") == ones(value[1:-1])
    assert client.cmd("BITCOUNT", "k", "3", "-4", "BIT") == bits[3:-3].count("1")
    assert client.cmd("BITPOS", "k", "1") == bits.find("1")
    assert client.cmd("BITPOS", "k", "0", "5", "-1", "BIT") == bits.find("0", 5)
    for i in (0, 1, 7, 8, len(bits) - 1):
        assert client.cmd("GETBIT", "k", str(i)) == int(bits[i])
    assert client.cmd("GETBIT", "k", str(len(bits))) == 0
    assert client.cmd("GET", "k") == value


@EACH_VALUE
def test_set_each_string_in_place_and_beyond(client: RawClient, value: bytes) -> None:
    client.ok("SET", "k", value, "EX", "1000")
    model = bytearray(value)
    for i in (0, 9, len(value) * 8 - 1, len(value) * 8 + 100, 70_000 * 8):
        if i // 8 >= len(model):
            model += bytes(i // 8 + 1 - len(model))
        mask = 0x80 >> (i % 8)
        for bit in (1, 1, 0, 1):
            before = int(bool(model[i // 8] & mask))
            assert client.cmd("SETBIT", "k", str(i), str(bit)) == before
            model[i // 8] = model[i // 8] | mask if bit else model[i // 8] & ~mask
            assert client.cmd("GET", "k") == bytes(model)
    assert client.cmd("OBJECT", "ENCODING", "k") == b"raw"
    assert client.cmd("TTL", "k") > 990


def test_a_reply_that_refers_to_the_string_stays_as_it_was(client2: RawClient) -> None:
    value = b"\x00" * 40_000
    client2.ok("SET", "k", value)
    replies = client2.pipeline([("GET", "k"), ("SETBIT", "k", "0", "1"), ("GET", "k")])
    assert replies[0] == value
    assert replies[2] == b"\x80" + value[1:]


def test_absent_keys_have_no_bits(client: RawClient) -> None:
    assert client.cmd("GETBIT", "k", "5") == 0
    assert client.cmd("BITCOUNT", "k") == 0
    assert client.cmd("BITCOUNT", "k", "0", "-1", "BIT") == 0
    assert client.cmd("BITPOS", "k", "0") == 0
    assert client.cmd("BITPOS", "k", "1") == -1
    assert client.cmd("BITPOS", "k", "0", "5") == 0
    assert client.cmd("BITFIELD", "k", "GET", "u8", "0") == [0]
    assert client.cmd("BITFIELD_RO", "k", "GET", "i8", "#9") == [0]
    assert client.cmd("BITFIELD", "k") == []
    assert client.cmd("EXISTS", "k") == 0


def test_what_follows_a_string_is_zeros_unless_the_end_is_given(
    client: RawClient,
) -> None:
    client.ok("SET", "k", b"\xff\xff\xff")
    assert client.cmd("BITPOS", "k", "0") == 24
    assert client.cmd("BITPOS", "k", "0", "1") == 24
    assert client.cmd("BITPOS", "k", "0", "1", "-1") == -1
    assert client.cmd("BITPOS", "k", "0", "3") == -1
    assert client.cmd("BITPOS", "k", "1", "2", "1") == -1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("SETBIT k -1 0", BAD_OFFSET),
        ("SETBIT k x 0", BAD_OFFSET),
        (f"SETBIT k {2**32} 0", BAD_OFFSET),
        ("SETBIT k 0 2", BAD_BIT),
        ("SETBIT k 0 x", BAD_BIT),
        ("GETBIT k -1", BAD_OFFSET),
        ("GETBIT k #1", BAD_OFFSET),
        ("BITCOUNT k 0", SYNTAX),
        ("BITCOUNT k 0 x", NOT_INTEGER),
        ("BITCOUNT k x 0", NOT_INTEGER),
        ("BITCOUNT k 0 1 nonsense", SYNTAX),
        ("BITCOUNT k 0 1 BIT x", SYNTAX),
        ("BITPOS k 2", "ERR The bit argument must be 1 or 0."),
        ("BITPOS k x", NOT_INTEGER),
        ("BITPOS k 0 x", NOT_INTEGER),
        ("BITPOS k 0 1 x", NOT_INTEGER),
        ("BITPOS k 0 1 2 nonsense", SYNTAX),
        ("BITPOS k 0 1 2 BIT x", SYNTAX),
        ("BITOP nonsense d k", SYNTAX),
        ("BITOP NOT d k k", "ERR BITOP NOT must be called with a single source key."),
        (
            "BITOP DIFF d k",
            "ERR BITOP DIFF must be called with at least two source keys.",
        ),
        (
            "BITOP ANDOR d k",
            "ERR BITOP ANDOR must be called with at least two source keys.",
        ),
        ("BITFIELD k GET u64 0", BAD_TYPE),
        ("BITFIELD k GET i65 0", BAD_TYPE),
        ("BITFIELD k GET u0 0", BAD_TYPE),
        ("BITFIELD k GET 8 0", BAD_TYPE),
        ("BITFIELD k GET u8 -1", BAD_OFFSET),
        (f"BITFIELD k GET u8 #{2**61}", BAD_OFFSET),
        ("BITFIELD k SET u8 0 x", NOT_INTEGER),
        ("BITFIELD k GET u8", SYNTAX),
        ("BITFIELD k OVERFLOW", SYNTAX),
        ("BITFIELD k OVERFLOW x GET u8 0", "ERR Invalid OVERFLOW type specified"),
        ("BITFIELD k SET u8 0 1 nonsense", SYNTAX),
        (
            "BITFIELD_RO k GET u8 0 SET u8 0 1",
            "ERR BITFIELD_RO only supports the GET subcommand",
        ),
    ],
)
def test_errors_change_nothing(client: RawClient, words: str, error: str) -> None:
    client.ok("SET", "k", "abc")
    assert client.cmd(*words.split()) == error
    assert client.cmd("GET", "k") == b"abc"
    assert client.cmd("EXISTS", "d") == 0


@pytest.mark.parametrize(
    "words",
    [
        "SETBIT s 0 1",
        "GETBIT s 0",
        "BITCOUNT s",
        "BITPOS s 0",
        "BITOP AND d k s",
        "BITFIELD s GET u8 0",
        "BITFIELD s SET u8 0 1",
        "BITFIELD_RO s GET u8 0",
    ],
)
def test_wrong_type(client: RawClient, words: str) -> None:
    client.cmd("SADD", "s", "a")
    client.ok("SET", "d", "old")
    assert client.cmd(*words.split()) == WRONG_TYPE
    assert client.cmd("GET", "d") == b"old"


def test_limit_of_a_strings_length_is_configuration(client: RawClient) -> None:
    limit = client.config("proto-max-bulk-len")
    try:
        client.ok("CONFIG", "SET", "proto-max-bulk-len", "1048576")
        assert client.cmd("SETBIT", "k", str(8 * 2**20 - 1), "1") == 0
        assert client.cmd("SETBIT", "k", str(8 * 2**20), "1") == BAD_OFFSET
        assert client.cmd("STRLEN", "k") == 2**20
    finally:
        client.ok("CONFIG", "SET", "proto-max-bulk-len", limit)


# --- BITOP -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("AND", "0000000100000000"),
        ("or", "0111111100000011"),
        ("Xor", "0110100100000011"),
        ("DIFF", "0000100000000000"),
        ("DIFF1", "0111000000000011"),
        ("ANDOR", "0000011100000000"),
        ("ONE", "0110100000000011"),
    ],
)
def test_operations(client: RawClient, operation: str, expected: str) -> None:
    for key, bits in (("a", "00001111"), ("b", "0011001100000011"), ("c", "01010101")):
        client.ok("SET", key, int(bits, 2).to_bytes(len(bits) // 8, "big"))
    client.ok("SET", "d", "replaced", "EX", "100")
    assert client.cmd("BITOP", operation, "d", "a", "b", "c") == 2
    got = client.cmd("GET", "d")
    assert f"{int.from_bytes(got, 'big'):016b}" == expected
    assert client.cmd("TTL", "d") == -1
    assert client.cmd("OBJECT", "ENCODING", "d") == b"raw"


def test_operation_on_its_own_source_and_on_integers(client: RawClient) -> None:
    client.ok("SET", "a", "123")
    client.ok("SET", "b", "99")
    assert client.cmd("BITOP", "OR", "a", "a", "b", "absent") == 3
    assert client.cmd("GET", "a") == bytes(x | y for x, y in zip(b"123", b"99\0"))  # noqa: B905
    assert client.cmd("BITOP", "NOT", "a", "b") == 2
    assert client.cmd("GET", "a") == bytes(x ^ 255 for x in b"99")


@pytest.mark.parametrize("operation", ["AND", "OR", "XOR"])
@pytest.mark.parametrize("lengths", [(40, 40), (5000, 4999), (4096, 9001), (9001, 33)])
def test_two_long_strings(
    client: RawClient, operation: str, lengths: tuple[int, int]
) -> None:
    rng = random.Random(sum(lengths))
    one, two = (rng.randbytes(n) for n in lengths)
    op = {"AND": int.__and__, "OR": int.__or__, "XOR": int.__xor__}[operation]
    size = max(lengths)
    expected = bytes(map(op, one.ljust(size, b"\0"), two.ljust(size, b"\0")))
    for target in ("c", "a", "b"):
        client.ok("SET", "a", one)
        client.ok("SET", "b", two)
        assert client.cmd("BITOP", operation, target, "a", "b") == size
        assert client.cmd("GET", target) == expected


def test_results_in_the_place_of_long_strings(client: RawClient) -> None:
    a, b = b"\xf0" * 9000, b"\x3c" * 8000
    both = bytes(x & y for x, y in zip(a, b.ljust(9000, b"\0"), strict=True))
    client.ok("SET", "a", a, "EX", "100")
    client.ok("SET", "b", b)
    assert client.cmd("BITOP", "AND", "d", "a", "b") == 9000
    assert client.cmd("BITOP", "AND", "d", "b", "a") == 9000
    assert client.cmd("GET", "d") == both
    # the destination is a source, first or not
    assert client.cmd("BITOP", "XOR", "d", "a", "d") == 9000
    assert client.cmd("GET", "d") == bytes(x ^ y for x, y in zip(a, both, strict=True))
    assert client.cmd("BITOP", "AND", "a", "a", "b") == 9000
    assert client.cmd("GET", "a") == both
    assert client.cmd("TTL", "a") == -1
    # a shorter result in longer memory, then a reply that still refers to it
    assert client.cmd("BITOP", "NOT", "a", "b") == 8000
    assert client.cmd("GET", "a") == bytes(x ^ 255 for x in b)


def test_a_result_does_not_change_a_reply_under_way(client2: RawClient) -> None:
    value = b"\x0f" * 40_000
    client2.ok("SET", "d", value)
    replies = client2.pipeline([("GET", "d"), ("BITOP", "NOT", "d", "d"), ("GET", "d")])
    assert replies == [value, 40_000, b"\xf0" * 40_000]


def test_a_result_without_bytes_deletes_the_key(client: RawClient) -> None:
    client.ok("SET", "d", "old")
    assert client.cmd("BITOP", "AND", "d", "absent", "absent2") == 0
    assert client.cmd("EXISTS", "d") == 0


def test_operation_on_many_keys(client: RawClient) -> None:
    keys = [f"k{n}" for n in range(40)]
    for n, key in enumerate(keys):
        client.cmd("SETBIT", key, str(n), "1")
        client.cmd("SETBIT", key, "100", "1")
    assert client.cmd("BITOP", "ONE", "d", *keys) == 13
    assert client.cmd("BITCOUNT", "d") == 40
    assert client.cmd("BITOP", "AND", "d", *keys) == 13
    assert client.cmd("BITPOS", "d", "1") == 100


# --- BITFIELD ----------------------------------------------------------------------


def test_operations_are_executed_in_their_order(client: RawClient) -> None:
    operations = (
        "SET u8 0 200 GET u8 0 INCRBY u8 0 100 INCRBY i4 #2 -1 "
        "OVERFLOW SAT INCRBY u8 0 250 OVERFLOW FAIL INCRBY u8 0 1 "
        "SET u8 8 255 GET i8 8"
    )
    reply = client.cmd("BITFIELD", "k", *operations.split())
    assert reply == [0, 200, 44, -1, 255, None, 240, -1]
    assert client.cmd("GET", "k") == b"\xff\xff"


def test_field_at_a_multiple_of_its_width(client: RawClient) -> None:
    client.cmd("BITFIELD", "k", "SET", "u12", "#3", "2748")
    assert client.cmd("BITFIELD_RO", "k", "GET", "u12", "36", "GET", "u4", "#10") == [
        0xABC,
        0xB,
    ]
    assert client.cmd("STRLEN", "k") == 6


def test_a_write_that_fails_has_made_the_string_longer(client: RawClient) -> None:
    operation = "OVERFLOW FAIL SET u8 16 256"
    assert client.cmd("BITFIELD", "k", *operation.split()) == [None]
    assert client.cmd("GET", "k") == b"\0\0\0"


def test_more_operations_than_have_room_beforehand(client: RawClient) -> None:
    words = [w for n in range(100) for w in ("SET", "u8", f"#{n}", str(n))]
    assert client.cmd("BITFIELD", "k", *words) == [0] * 100
    assert client.cmd("GET", "k") == bytes(range(100))


@pytest.mark.parametrize("seed", range(3))
def test_long_run_against_a_number(client2: RawClient, seed: int) -> None:
    rng = random.Random(seed)
    model, nbytes = 0, 0
    for _ in range(400):
        nbits = rng.randrange(1, 64)
        offset = rng.randrange(3000)
        value = rng.getrandbits(nbits)
        need = (offset + nbits - 1) // 8 + 1
        if need > nbytes:
            model <<= 8 * (need - nbytes)
            nbytes = need
        shift = 8 * nbytes - offset - nbits
        mask = (1 << nbits) - 1
        before = (model >> shift) & mask
        model = (model & ~(mask << shift)) | (value << shift)
        got = client2.cmd("BITFIELD", "k", "SET", f"u{nbits}", offset, value)
        assert got == [before]
        assert client2.cmd("BITCOUNT", "k") == model.bit_count()
    assert client2.cmd("GET", "k") == model.to_bytes(nbytes, "big")


def test_keys_of_bitfield_by_what_it_does(client: RawClient) -> None:
    words = ("COMMAND", "GETKEYSANDFLAGS", "BITFIELD", "k")
    reading = client.cmd(*words, "GET", "u8", "0")
    writing = client.cmd(*words, "SET", "u8", "0", "1")
    assert [set(flags) for _, flags in reading] == [{"RO", "access"}]
    assert [set(flags) for _, flags in writing] == [{"RW", "access", "update"}]
