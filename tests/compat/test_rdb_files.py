# SPDX-License-Identifier: BSD-3-Clause
"""RDB files travel between fastredis and genuine servers; DEBUG DIGEST tells."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.client import Error, RawClient
from support.server import FastredisServer, GenuineServer, ServerProcess
from support.values import Commands, dataset

NAMES = ("fastredis", "redis", "valkey")


@contextmanager
def reading(name: str, folder: Path) -> Iterator[ServerProcess]:
    """Run a server that finds its files in a folder."""
    if name == "fastredis":
        with FastredisServer(directory=folder) as server:
            yield server
    else:
        with GenuineServer(name, directory=folder) as server:
            yield server


def fill(client: RawClient, commands: Commands) -> None:
    """Execute commands, of which none may fail."""
    for command, reply in zip(commands, client.pipeline(commands), strict=True):
        assert not isinstance(reply, Error), (command[:2], reply)


def digest(client: RawClient) -> bytes:
    found = client.cmd("DEBUG", "DIGEST")
    assert len(found) == 40
    return found


def contents(client: RawClient) -> dict[Any, Any]:
    """Return all data; Redis 7.0's digest takes in how it writes scores."""
    found = {}
    for name in client.info("keyspace"):
        client.ok("SELECT", name.removeprefix("db"))
        for key in client.cmd("KEYS", "*"):
            kind = client.cmd("TYPE", key)
            if kind == "zset":
                flat = client.cmd("ZRANGE", key, 0, -1, "WITHSCORES")
                scores = [float(score) for score in flat[1::2]]
                value = list(zip(flat[::2], scores, strict=True))
            else:
                value = client.cmd("DEBUG", "DIGEST-VALUE", key)
            found[name, key] = (kind, value, client.cmd("PEXPIRETIME", key))
    return found


def hand_over(source: ServerProcess, target: str, folder: Path) -> None:
    """Have a server save, another read the file, and compare what they have."""
    client = source.client()
    client.ok("SAVE")
    shutil.copy(source.directory / "dump.rdb", folder / "dump.rdb")
    with reading(target, folder) as server:
        other = server.client()
        assert contents(other) == contents(client)
        if "redis" not in (target, getattr(source, "kind", "")):
            assert digest(other) == digest(client)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(("fastredis", name) for name in NAMES),
        ("redis", "fastredis"),
        ("valkey", "fastredis"),
    ],
)
@pytest.mark.parametrize("compression", ["yes", "no"])
def test_every_encoding(
    tmp_path: Path, source: str, target: str, compression: str
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    with reading(source, tmp_path / "source") as server:
        client = server.client()
        client.ok("CONFIG", "SET", "rdbcompression", compression)
        fill(client, dataset())
        hand_over(server, target, tmp_path / "target")


@pytest.mark.parametrize("compress_depth", [0, 1])
def test_compressed_lists(tmp_path: Path, compress_depth: int) -> None:
    (tmp_path / "target").mkdir()
    with FastredisServer(list_compress_depth=compress_depth) as server:
        client = server.client()
        client.cmd("RPUSH", "l", *[b"the same words again " * 50] * 400)
        client.cmd("RPUSH", "m", *(f"element-{i}" for i in range(4000)))
        hand_over(server, "redis", tmp_path / "target")


@pytest.mark.parametrize("seed", range(4))
def test_random_data(tmp_path: Path, seed: int) -> None:
    """Sizes around the borders between encodings, and keys that look like numbers."""
    rng = random.Random(seed)

    def text() -> bytes:
        if rng.random() < 0.4:
            return b"%d" % rng.randrange(-(10 ** rng.randrange(1, 20)), 10**19)
        return rng.randbytes(rng.choice([0, 1, 11, 12, 20, 21, 62, 63, 64, 65, 300]))

    commands: Commands = []
    for _ in range(300):
        commands.append(("SELECT", rng.choice([0, 0, 0, 1, 15])))
        key = text() + b":%d" % rng.randrange(10**6)
        if rng.random() < 0.2:
            key = b"%d" % rng.randrange(-(10**12), 10**12)
        members = list({text() for _ in range(rng.choice([1, 2, 10, 128, 129, 513]))})
        kind = rng.choice(["SET", "SET", "SET", "RPUSH", "SADD", "ZADD", "HSET"])
        if kind == "SET":
            commands.append(("SET", key, text()))
        elif kind == "ZADD":
            pairs = [x for m in members for x in (rng.uniform(-9, 9), m)]
            commands.append(("ZADD", key, *pairs))
        elif kind == "HSET":
            commands.append(("HSET", key, *(x for m in members for x in (m, text()))))
        else:
            commands.append((kind, key, *members))
        if rng.random() < 0.3:
            commands.append(("PEXPIREAT", key, rng.randrange(3 * 10**12, 4 * 10**12)))
    for name in ("source", "redis", "valkey"):
        (tmp_path / name).mkdir()
    with FastredisServer(directory=tmp_path / "source") as server:
        client = server.client()
        # a key may be of another type by chance
        client.pipeline(commands)
        for name in ("redis", "valkey"):
            hand_over(server, name, tmp_path / name)
        before = digest(client)
        client.ok("DEBUG", "RELOAD")
        assert digest(client) == before


def test_fields_that_expire_come_from_valkey(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    (tmp_path / "ours").mkdir()
    with GenuineServer("valkey", directory=tmp_path / "valkey") as server:
        client = server.client()
        for key, n in (("small", 5), ("large", 1000)):
            pairs = [x for i in range(n) for x in (f"field-{i}", i)]
            client.cmd("HSET", key, *pairs)
            client.cmd(
                "HPEXPIREAT", key, 4_000_000_000_000, "FIELDS", 2, "field-1", "field-3"
            )
        client.ok("SAVE")
    shutil.copy(tmp_path / "valkey" / "dump.rdb", tmp_path / "ours" / "dump.rdb")
    with FastredisServer(directory=tmp_path / "ours") as server:
        client = server.client()
        for key, n in (("small", 5), ("large", 1000)):
            assert client.cmd("HLEN", key) == n
            assert client.cmd(
                "HPEXPIRETIME", key, "FIELDS", 3, "field-0", "field-1", "field-3"
            ) == [-1, 4_000_000_000_000, 4_000_000_000_000]


def test_frequencies_under_an_lfu_policy(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    (tmp_path / "back").mkdir()
    policy = {"maxmemory_policy": "allkeys-lfu", "lfu_decay_time": 0}
    with GenuineServer("redis", directory=tmp_path / "redis", **policy) as server:
        client = server.client()
        client.ok("SET", "new", "v")
        payload = client.cmd("DUMP", "new")
        client.ok("RESTORE", "often", 0, payload, "FREQ", 200)
        client.ok("SAVE")
    with FastredisServer(directory=tmp_path / "redis", **policy) as server:
        client = server.client()
        assert client.cmd("OBJECT", "FREQ", "often") == 200
        assert client.cmd("OBJECT", "FREQ", "new") < 10
        client.ok("DEBUG", "RELOAD")
        assert client.cmd("OBJECT", "FREQ", "often") == 200
    shutil.copy(tmp_path / "redis" / "dump.rdb", tmp_path / "back" / "dump.rdb")
    with GenuineServer("redis", directory=tmp_path / "back", **policy) as server:
        assert server.client().cmd("OBJECT", "FREQ", "often") == 200


def test_idle_times_under_an_lru_policy(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with GenuineServer(
        "redis", directory=tmp_path / "redis", maxmemory_policy="allkeys-lru"
    ) as server:
        client = server.client()
        client.ok("SET", "k", "v")
        payload = client.cmd("DUMP", "k")
        client.ok("RESTORE", "old", 0, payload, "IDLETIME", 5000)
        client.ok("SAVE")
    with FastredisServer(
        directory=tmp_path / "redis", maxmemory_policy="allkeys-lru"
    ) as server:
        client = server.client()
        assert 5000 <= client.cmd("OBJECT", "IDLETIME", "old") < 5060
        assert client.cmd("OBJECT", "IDLETIME", "k") < 60
        client.ok("DEBUG", "RELOAD")
        assert 5000 <= client.cmd("OBJECT", "IDLETIME", "old") < 5060


STREAMS: Commands = [
    *(("XADD", "s", f"{i + 1}-1", "field", i, "other", "x" * i) for i in range(300)),
    ("XGROUP", "CREATE", "s", "g", 0),
    ("XREADGROUP", "GROUP", "g", "alice", "COUNT", 5, "STREAMS", "s", ">"),
    ("XREADGROUP", "GROUP", "g", "bob", "COUNT", 5, "STREAMS", "s", ">"),
    ("XACK", "s", "g", "2-1"),
    ("XDEL", "s", "7-1", "8-1"),
    ("XADD", "e", "1-1", "f", "v"),
    ("XDEL", "e", "1-1"),
    ("SET", "k", "v"),
]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("fastredis", "fastredis"),
        ("fastredis", "valkey"),
        ("fastredis", "redis"),
        ("redis", "fastredis"),
        ("valkey", "fastredis"),
    ],
)
def test_streams(tmp_path: Path, source: str, target: str) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    with reading(source, tmp_path / "source") as server:
        client = server.client()
        fill(client, STREAMS)
        if target == "redis":
            client.ok("CONFIG", "SET", "rdb-version", 10)
        client.ok("SAVE")
        shutil.copy(tmp_path / "source" / "dump.rdb", tmp_path / "target" / "dump.rdb")
        with reading(target, tmp_path / "target") as reader:
            other = reader.client()
            for call in (
                ("DBSIZE",),
                ("XRANGE", "s", "-", "+"),
                ("XPENDING", "s", "g"),
                ("XLEN", "e"),
                ("XINFO", "GROUPS", "s"),
            ):
                assert other.cmd(*call) == client.cmd(*call)


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_functions_survive(tmp_path: Path, kind: str) -> None:
    code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
    for name in ("source", "ours", "back"):
        (tmp_path / name).mkdir()
    with GenuineServer(kind, directory=tmp_path / "source") as server:
        client = server.client()
        assert client.cmd("FUNCTION", "LOAD", code + "\n--" + "x" * 500) == b"lib"
        libraries = client.cmd("FUNCTION", "DUMP")
        client.ok("SAVE")
    shutil.copy(tmp_path / "source" / "dump.rdb", tmp_path / "ours" / "dump.rdb")
    with FastredisServer(directory=tmp_path / "ours") as server:
        client = server.client()
        client.ok("SET", "k", "v")
        client.ok("SAVE")
    shutil.copy(tmp_path / "ours" / "dump.rdb", tmp_path / "back" / "dump.rdb")
    with GenuineServer(kind, directory=tmp_path / "back") as server:
        client = server.client()
        assert client.cmd("FUNCTION", "DUMP") == libraries
        assert client.cmd("FCALL", "f", 0) == 1
