# SPDX-License-Identifier: BSD-3-Clause
"""Append-only files travel between fastredis and genuine servers, in both directions.

A folder has a manifest, a base and increments. Each kind of base is written by a
rewrite, and changes of every type follow it in an increment.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from compat.test_rdb_files import STREAMS, contents, fill

from support.client import RawClient
from support.server import FastredisServer, GenuineServer, ServerProcess
from support.values import Commands, dataset
from support.wait import wait_until

# What changes what is there, in forms that are written down as they are, and others.
CHANGES: Commands = [
    ("SELECT", 0),
    ("SET", "new", "value", "EX", 100_000),
    ("SETEX", "new:2", 100_000, "value"),
    ("SETRANGE", "new", 3, "x"),
    ("INCRBYFLOAT", "float", "1.5"),
    ("INCRBY", "int", 7),
    ("RPUSH", "l", *range(300)),
    ("LMOVE", "l", "m", "LEFT", "RIGHT"),
    ("LREM", "l", 1, 17),
    ("BLPOP", "l", 1),
    ("SADD", "s", *range(50), "text"),
    ("SPOP", "s", 7),
    ("SPOP", "s"),
    ("ZADD", "z", 1, "a", 2.5, "b", "inf", "c"),
    ("ZINCRBY", "z", 0.25, "a"),
    ("ZPOPMAX", "z"),
    ("HSET", "h", "f", 1, "g", 2, "long", "x" * 300),
    ("HINCRBYFLOAT", "h", "f", "0.5"),
    ("HDEL", "h", "g"),
    ("PFADD", "hll", *range(100)),
    ("GEOADD", "geo", 13.361389, 38.115556, "Palermo"),
    ("SELECT", 9),
    ("SET", "gone", "v"),
    ("DEL", "gone"),
    ("EXPIRE", "new", 100),
    ("MULTI",),
    ("SET", "a", 1),
    ("INCR", "a"),
    ("EXEC",),
    ("COPY", "a", "b", "DB", 3),
    ("SELECT", 3),
    ("RENAME", "b", "c"),
]
OPTIONS = {"appendonly": "yes", "appendfsync": "no"}


@contextmanager
def running(name: str, folder: Path, **options: str) -> Iterator[ServerProcess]:
    """Run a server that keeps an append-only file in a folder."""
    make = FastredisServer if name == "fastredis" else GenuineServer
    first = () if name == "fastredis" else (name,)
    with make(*first, directory=folder, **OPTIONS, **options) as server:
        yield server


def rewritten(client: RawClient) -> None:
    """Have a new base written, and wait for it."""

    def is_over() -> bool:
        told = client.info("persistence")
        return (
            told["aof_rewrite_in_progress"] == "0"
            and told["aof_rewrite_scheduled"] == "0"
        )

    wait_until(is_over, 20)  # the first base may still be written
    client.cmd("BGREWRITEAOF")
    wait_until(is_over, 20)
    assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("fastredis", "redis"),
        ("fastredis", "valkey"),
        ("redis", "fastredis"),
        ("valkey", "fastredis"),
    ],
)
def test_a_folder_is_read(
    tmp_path: Path, source: str, target: str, preamble: str
) -> None:
    options = {"aof_use_rdb_preamble": preamble, "aof_timestamp_enabled": "yes"}
    if source == "fastredis" and target == "redis":
        options["rdb_version"] = "10"
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with running(source, here, **options) as server:
        client = server.client()
        fill(client, dataset())
        fill(client, STREAMS)
        rewritten(client)
        fill(client, CHANGES)
        before = contents(client)
        # what is in memory is written at the latest when the server ends
    shutil.copytree(here / "appendonlydir", there / "appendonlydir")
    if preamble == "yes":
        (base,) = (there / "appendonlydir").glob("*.base.rdb")
        assert base.read_bytes().startswith((b"REDIS00", b"VALKEY0"))
    else:
        (base,) = (there / "appendonlydir").glob("*.base.aof")
        assert base.read_bytes().startswith(b"#TS:")
    with running(target, there) as server:
        assert contents(server.client()) == before


def test_the_same_file_goes_on(tmp_path: Path) -> None:
    """Each of the servers goes on where the one before has stopped."""
    folder = tmp_path / "shared"
    folder.mkdir()
    names = ("redis", "fastredis", "redis", "fastredis", "fastredis", "redis")
    for i, name in enumerate(names):
        with running(name, folder) as server:
            client = server.client()
            assert client.cmd("DBSIZE") == min(i, 1)
            assert client.cmd("RPUSH", "l", name) == i + 1
    with running("fastredis", folder) as server:
        found = server.client().cmd("LRANGE", "l", 0, -1)
        assert found == [name.encode() for name in names]
