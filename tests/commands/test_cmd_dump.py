# SPDX-License-Identifier: BSD-3-Clause
"""DUMP and RESTORE: values as bytes, from good hands and bad ones."""

from __future__ import annotations

import random
from typing import Any

import pytest

from support.client import Error, Map, RawClient
from support.payloads import (
    DOUBLE,
    FAR,
    GOOD,
    HASH_TIMES,
    MS,
    TIMES,
    intset,
    length,
    listpack,
    sealed,
    string,
    strings,
    ziplist,
    zipmap,
)
from support.server import FastredisServer

WRONG = "ERR DUMP payload version or checksum are wrong"
BAD = "ERR Bad data format"
BUSY = "BUSYKEY Target key name already exists."
HELLO = b"\x00\x05hello\n\x00cr\xdfve4 \n"  # as Redis 7.0 wrote it


def look(client: RawClient) -> Any:
    """Return all of the value at k."""
    kind = client.cmd("TYPE", "k")
    if kind == "string":
        return client.cmd("GET", "k")
    if kind == "list":
        return client.cmd("LRANGE", "k", 0, -1)
    if kind == "set":
        return set(client.cmd("SMEMBERS", "k"))
    if kind == "zset":
        found = client.cmd("ZRANGE", "k", 0, -1, "WITHSCORES")
        if client.resp == 2:
            found = zip(found[::2], found[1::2], strict=True)
        return [(member, float(score)) for member, score in found]
    found = client.cmd("HGETALL", "k")
    if isinstance(found, Map):
        return dict(found.pairs)
    return dict(zip(found[::2], found[1::2], strict=True))


# --- DUMP, RESTORE -----------------------------------------------------------------


def test_a_string_from_redis_and_back(client: RawClient) -> None:
    client.ok("RESTORE", "k", 0, HELLO)
    assert client.cmd("GET", "k") == b"hello"
    assert client.cmd("DUMP", "k") == HELLO
    assert client.cmd("DUMP", "absent") is None


def test_dump_reads_and_nothing_more(client: RawClient) -> None:
    client.ok("SET", "k", "v", "EX", 1000)
    payload = client.cmd("DUMP", "k")
    client.ok("RESTORE", "l", 0, payload)
    assert client.cmd("TTL", "l") == -1
    assert client.cmd("DUMP", "k") == payload


def test_restore_replaces_only_when_told(client: RawClient) -> None:
    client.cmd("RPUSH", "k", "x")
    assert client.cmd("RESTORE", "k", 0, HELLO) == BUSY
    client.ok("RESTORE", "k", 0, HELLO, "replace")
    assert client.cmd("GET", "k") == b"hello"


def test_restore_with_a_time(client: RawClient) -> None:
    client.ok("RESTORE", "k", 100_000, HELLO)
    assert 90_000 < client.cmd("PTTL", "k") <= 100_000
    client.ok("RESTORE", "k", FAR, HELLO, "ABSTTL", "REPLACE")
    assert client.cmd("PEXPIRETIME", "k") == FAR
    client.ok("RESTORE", "k", 2**63 - 1, HELLO, "REPLACE")
    assert client.cmd("PTTL", "k") > FAR


def test_what_is_over_is_not_stored(client: RawClient) -> None:
    client.ok("RESTORE", "k", 1, HELLO, "ABSTTL")
    assert client.cmd("EXISTS", "k") == 0
    client.ok("SET", "k", "old")
    client.ok("RESTORE", "k", 1, HELLO, "ABSTTL", "REPLACE")
    assert client.cmd("EXISTS", "k") == 0


def test_a_bad_payload_leaves_the_old_value(client: RawClient) -> None:
    client.ok("SET", "k", "old")
    assert client.cmd("RESTORE", "k", 0, HELLO[:-1], "REPLACE") == WRONG
    assert client.cmd("RESTORE", "k", 0, sealed(b"\x00\x05hell"), "REPLACE") == BAD
    assert client.cmd("GET", "k") == b"old"


def test_idle_time(client: RawClient) -> None:
    client.ok("RESTORE", "k", 0, HELLO, "IDLETIME", 1000)
    assert 1000 <= client.cmd("OBJECT", "IDLETIME", "k") <= 1003
    client.ok("RESTORE", "k", 0, HELLO, "FREQ", 100, "REPLACE")


@pytest.mark.parametrize(
    ("version", "is_good"),
    [
        *((v, True) for v in (0, 1, 10, 12, 80)),
        *((v, False) for v in (13, 79, 81, 65535)),
    ],
)
def test_versions(client: RawClient, version: int, is_good: bool) -> None:
    reply = client.cmd("RESTORE", "k", 0, sealed(b"\x00\x01x", version))
    assert reply == ("OK" if is_good else WRONG)


@pytest.mark.parametrize("at", range(len(HELLO) * 8))
def test_a_flipped_bit_is_noticed(client2: RawClient, at: int) -> None:
    payload = bytearray(HELLO)
    payload[at // 8] ^= 1 << at % 8
    assert client2.cmd("RESTORE", "k", 0, bytes(payload)) == WRONG


def test_checksums_may_be_skipped(client: RawClient) -> None:
    """What is read is as sound as ever; the version counts, too."""
    client.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    client.ok("RESTORE", "k", 0, HELLO[:-8] + bytes(8))
    assert client.cmd("GET", "k") == b"hello"
    assert client.cmd("RESTORE", "l", 0, b"\x00\x05hell\n\x00" + bytes(8)) == BAD
    assert client.cmd("RESTORE", "l", 0, HELLO[:-10] + b"\x0d\x00" + bytes(8)) == WRONG
    client.ok("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 0)
    assert client.cmd("RESTORE", "l", 0, HELLO[:-8] + bytes(8)) == WRONG


def test_changes_are_counted(server: FastredisServer, client: RawClient) -> None:
    def changes() -> int:
        return int(client.info("persistence")["rdb_changes_since_last_save"])

    start = changes()
    client.ok("RESTORE", "k", 0, HELLO)
    assert changes() == start + 1
    client.cmd("DUMP", "k")
    assert client.cmd("RESTORE", "k", 0, HELLO) == BUSY
    assert changes() == start + 1
    client.ok("RESTORE", "k", 1, HELLO, "ABSTTL", "REPLACE")
    assert changes() == start + 2


@pytest.mark.parametrize("compression", ["yes", "no"])
def test_compression_is_a_directive(client: RawClient, compression: str) -> None:
    client.ok("CONFIG", "SET", "rdbcompression", compression)
    client.ok("SET", "k", "ab" * 5000)
    payload = client.cmd("DUMP", "k")
    assert (len(payload) < 1000) == (compression == "yes")
    client.ok("RESTORE", "l", 0, payload)
    assert client.cmd("GET", "l") == b"ab" * 5000
    client.ok("CONFIG", "SET", "rdbcompression", "yes")


# --- Every type that files may have ------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_every_type_is_read(client: RawClient, name: str) -> None:
    kind, body, expected = GOOD[name]
    client.ok("RESTORE", "k", 0, sealed(bytes([kind]) + body))
    assert look(client) == expected
    payload = client.cmd("DUMP", "k")
    client.ok("RESTORE", "k", 0, payload, "REPLACE")
    assert look(client) == expected


@pytest.mark.parametrize("name", TIMES)
def test_fields_that_expire(client: RawClient, name: str) -> None:
    version, body = TIMES[name]
    for _ in range(2):
        client.ok("RESTORE", "k", 0, sealed(body, version), "REPLACE")
        assert look(client) == {b"f": b"v", b"g": b"w", b"h": b"x"}
        times = client.cmd("HPEXPIRETIME", "k", "FIELDS", 3, "f", "g", "h")
        assert times == [-1, FAR, FAR + 10]
        payload = client.cmd("DUMP", "k")
        body, version = payload[:-10], 12
        assert payload == sealed(body, 12)


def test_fields_that_have_expired_are_left_out(client: RawClient) -> None:
    """They may have expired on the way; without any field there is no hash."""
    head = bytes([HASH_TIMES]) + MS(1000)
    fields = b"\x01" + strings(b"f", b"v"), b"\x00" + strings(b"g", b"w")
    client.ok("RESTORE", "k", 0, sealed(head + length(2) + b"".join(fields), 12))
    assert look(client) == {b"g": b"w"}
    client.ok("RESTORE", "k", 0, sealed(head + length(1) + fields[0], 12), "REPLACE")
    assert client.cmd("EXISTS", "k") == 0


def test_an_expiry_that_was_restored_comes_about(client: RawClient) -> None:
    client.cmd("HSET", "k", "f", "v", "g", "w")
    client.cmd("HPEXPIRE", "k", 30, "FIELDS", 1, "f")
    payload = client.cmd("DUMP", "k")
    client.cmd("DEL", "k")
    client.cmd("RESTORE", "k", 0, payload)
    while client.cmd("HLEN", "k") == 2:
        pass
    assert client.cmd("HKEYS", "k") == [b"g"]


# --- What is no value --------------------------------------------------------------

HUGE = b"\x81" + b"\xff" * 8
BADLY: dict[str, bytes] = {
    "nothing": b"",
    "unknown type": b"\x06\x01a",
    "stream, cut off": b"\x0f",
    "no string": b"\x00",
    "string, cut off": b"\x00\x05hell",
    "string, huge": b"\x00" + HUGE + b"x",
    "string, more behind": b"\x00\x01xy",
    "string, unknown kind": b"\x00\xc4\x01",
    "string, length encoded wrongly": b"\x00\x82\x01",
    "int, cut off": b"\x00\xc2\x01\x02\x03",
    "lzf of nothing": b"\x00\xc3\x00\x05",
    "lzf, cut off": b"\x00\xc3\x09\x0a\x00a\xe0",
    "lzf, too short": b"\x00\xc3\x05\x0b\x00a\xe0\x00\x00",
    "lzf, too long": b"\x00\xc3\x05\x09\x00a\xe0\x00\x00",
    "lzf, claims terabytes": b"\x00\xc3\x05"
    + b"\x81\0\0\x7f"
    + b"\xff" * 5
    + b"\0" * 9,
    "lzf, from before the start": b"\x00\xc3\x03\x09\xe0\x00\x05",
    "empty list": b"\x01\x00",
    "list, huge": b"\x01" + HUGE + b"\x01a",
    "list without nodes": b"\x12\x00",
    "list of an empty node": b"\x12\x01\x02" + string(listpack()),
    "list, unknown node": b"\x12\x01\x03\x01a",
    "list, one node too few": b"\x12\x02\x02" + string(listpack(b"a")),
    "empty set": b"\x02\x00",
    "set, twice the same": b"\x02\x02\x01a\x01a",
    "set, huge": b"\x02" + HUGE + b"\x01a",
    "set of a listpack, twice": b"\x14" + string(listpack(b"a", b"a")),
    "empty intset": b"\x0b" + string(intset(2)),
    "intset, not in order": b"\x0b" + string(intset(2, 2, 1)),
    "intset, twice the same": b"\x0b" + string(intset(2, 1, 1)),
    "intset, cut off": b"\x0b" + string(intset(4, 1, 2)[:-1]),
    "intset, odd width": b"\x0b" + string(b"\x03" + intset(4, 1)[1:]),
    "empty sorted set": b"\x05\x00",
    "sorted set, twice the same": b"\x05\x02" + (b"\x01a" + DOUBLE(1)) * 2,
    "sorted set, NaN": b"\x05\x01\x01a" + DOUBLE(float("nan")),
    "sorted set, text NaN": b"\x03\x01\x01a\xfd",
    "sorted set, no score": b"\x11" + string(listpack(b"a", b"1", b"b")),
    "sorted set, no number": b"\x11" + string(listpack(b"a", b"one")),
    "sorted set, member twice": b"\x11" + string(listpack(b"a", b"1.5", b"a", b"2.5")),
    "empty hash": b"\x04\x00",
    "empty hash listpack": b"\x10" + string(listpack()),
    "hash, odd": b"\x10" + string(listpack(b"f", b"v", b"g")),
    "hash, twice the same": b"\x10" + string(listpack(b"f", b"v", b"f", b"w")),
    "hash, huge": b"\x04" + HUGE + b"\x01f\x01v",
    "hash, Valkey's": b"\x16\x01\x01f\x01v" + b"\xff" * 8,
    "hash, time too far": b"\x18" + MS(2**60) + b"\x01\x01\x01f\x01v",
    "hash, negative time": b"\x18" + MS(-5) + b"\x01\x01\x01f\x01v",
    "hash, no time": b"\x19" + MS(FAR) + string(listpack(b"f", b"v")),
    "ziplist, entries lie": b"\x0a" + string(ziplist(b"a", b"b")[:-3] + b"\x09b\xff"),
    "ziplist, last lies": b"\x0a"
    + string(ziplist(b"a")[:4] + b"\x0b\0\0\0" + ziplist(b"a")[8:]),
    "ziplist, count lies": b"\x0a"
    + string(ziplist(b"a")[:8] + b"\x02\0" + ziplist(b"a")[10:]),
    "ziplist without end": b"\x0a" + string(ziplist(b"a")[:-1] + b"\x00"),
    "empty ziplist": b"\x0a" + string(ziplist()),
    "zipmap, odd": b"\x09" + string(b"\x01\x01f\xff"),
    "zipmap, too short": b"\x09" + string(b"\x01\x01f\x09\x00v\xff"),
    "empty zipmap": b"\x09" + string(zipmap()),
    "zipmap, twice the same": b"\x09" + string(zipmap((b"f", b"v"), (b"f", b"w"))),
    "listpack, bytes lie": b"\x10" + string(b"\xff" + listpack(b"f", b"v")[1:]),
    "listpack, count lies": b"\x10"
    + string(listpack(b"f", b"v")[:4] + b"\x04\0" + listpack(b"f", b"v")[6:]),
}


@pytest.mark.parametrize("name", BADLY)
def test_what_is_no_value_is_refused(client2: RawClient, name: str) -> None:
    assert client2.cmd("RESTORE", "k", 0, sealed(BADLY[name])) == BAD
    assert client2.cmd("EXISTS", "k") == 0


@pytest.mark.parametrize("name", GOOD)
def test_each_byte_is_needed(client2: RawClient, name: str) -> None:
    kind, body, _ = GOOD[name]
    body = bytes([kind]) + body
    places = range(len(body)) if len(body) < 300 else range(0, len(body), 977)
    for end in places:
        assert client2.cmd("RESTORE", "k", 0, sealed(body[:end])) == BAD, end


READS = (
    ("DUMP", "k"),
    ("OBJECT", "ENCODING", "k"),
    ("SORT", "k", "ALPHA"),
    ("COPY", "k", "l"),
    ("RPOP", "k"),
    ("LINSERT", "k", "BEFORE", "a", "x"),
    ("SREM", "k", "a"),
    ("SADD", "k", "new"),
    ("ZADD", "k", 5, "new"),
    ("ZPOPMIN", "k"),
    ("HSET", "k", "new", "1"),
    ("HDEL", "k", "f"),
    ("DUMP", "k"),
)


@pytest.mark.parametrize("seed", range(12))
def test_changed_bytes_do_no_harm(
    server: FastredisServer, client2: RawClient, seed: int
) -> None:
    """The checksum is right again: what is restored must be a sound value."""
    rng = random.Random(seed)
    bodies = [bytes([kind]) + body for kind, body, _ in GOOD.values()]
    bodies += [body for _, body in TIMES.values()]
    restored = 0
    for _ in range(400):
        body = bytearray(rng.choice(bodies))
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.randrange(min(len(body), 60))
            body[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        version = rng.choice([10, 12, 80])
        reply = client2.cmd("RESTORE", "k", 0, sealed(bytes(body), version), "REPLACE")
        if isinstance(reply, Error):
            assert reply == BAD
            continue
        restored += 1
        if client2.cmd("EXISTS", "k"):
            look(client2)
            for read in READS:
                client2.cmd(*read)
    assert restored > 20
    client2.ok("FLUSHALL")
    assert server.alive
