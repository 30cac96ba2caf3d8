# SPDX-License-Identifier: BSD-3-Clause
"""What is written down of a change: the request, or what came of it.

What depends on the time, on chance or on who waits is written as its result, in the
forms of Redis. ``NOW`` stands for any time less than a day away.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastredis
from fastredis.persistence.aof_file import AofFile
from support.wait import wait_until

Request = list[str]
NOW = "NOW"
DAY = 86400


class Recorder:
    """A server, and what it has written down since it was last asked."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "changes.aof"
        self.server = fastredis.Server(port=0, logfile=os.devnull)
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.file = AofFile(self.server.engine)
        self.file.start(self.descriptor, 0)
        self.offset = 0

    def call(self, line: str) -> None:
        """Execute a command; words are separated by blanks."""
        self.server.call(*line.split())

    def written(self) -> list[str]:
        """Return the requests that were written, each as a line."""
        self.file.flush()
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        self.offset += len(text)
        return [" ".join(map(_shown, request)) for request in _requests(text)]


def _shown(word: str) -> str:
    """Show points in time, in s or ms, as NOW."""
    for scale in (1, 1000):
        if (
            re.fullmatch(r"\d{10,13}", word)
            and abs(int(word) / scale - time.time()) < DAY
        ):
            return NOW
    return word


def _requests(text: bytes) -> Iterator[Request]:
    at = 0
    while at < len(text):
        end = text.index(b"\r\n", at)
        assert text[at : at + 1] == b"*", text[at:]
        n = int(text[at + 1 : end])
        at = end + 2
        words = []
        for _ in range(n):
            end = text.index(b"\r\n", at)
            assert text[at : at + 1] == b"$", text[at:]
            size = int(text[at + 1 : end])
            words.append(text[end + 2 : end + 2 + size].decode("latin-1"))
            at = end + 2 + size + 2
        yield words


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path)
    yield made
    made.file.stop()
    os.close(made.descriptor)


CASES: list[tuple[str, str, list[str]]] = [
    # what was there before; the command; what is written of it
    ("", "SET k v", ["SET k v"]),
    ("", "SET k v EX 100", ["SET k v PXAT NOW"]),
    ("", "SET k v PX 100000 NX", ["SET k v PXAT NOW"]),
    ("SET k v EX 100", "SET k w KEEPTTL", ["SET k w KEEPTTL"]),
    ("SET k v", "SET k w IFEQ v", ["SET k w"]),
    ("SET k v", "SET k w IFEQ x", []),
    ("SET k v", "SET k w NX", []),
    ("SET k v", "SET k w EXAT 1", ["DEL k"]),
    ("", "SETEX k 100 v", ["SET k v PXAT NOW"]),
    ("", "PSETEX k 100000 v", ["SET k v PXAT NOW"]),
    ("", "MSET a 1 b 2", ["MSET a 1 b 2"]),
    (
        "",
        "MSETEX 2 a 1 b 2 EX 100",
        ["MULTI", "SET a 1 PXAT NOW", "SET b 2 PXAT NOW", "EXEC"],
    ),
    ("SET k v", "GETDEL k", ["DEL k"]),
    ("SET k v", "GETEX k EX 100", ["PEXPIREAT k NOW"]),
    ("SET k v EX 100", "GETEX k PERSIST", ["PERSIST k"]),
    ("SET k v", "GETEX k PXAT 1", ["DEL k"]),
    ("SET k v", "GETEX k", []),
    ("SET k v", "DELIFEQ k v", ["DEL k"]),
    ("SET k v", "DELEX k IFEQ v", ["DEL k"]),
    ("SET k v", "EXPIRE k 100", ["PEXPIREAT k NOW"]),
    ("SET k v", "PEXPIREAT k 1", ["DEL k"]),
    ("SET k v", "EXPIRE k 100 GT", []),
    ("SET k v", "GET k", []),
    ("SET k 1", "INCR k", ["INCR k"]),
    ("SET k 1", "INCRBYFLOAT k 0.1", ["SET k 1.1 KEEPTTL"]),
    (
        "SET k 1",
        "INCREX k BYINT 2 EX 100",
        ["MULTI", "SET k 3 KEEPTTL", "PEXPIREAT k NOW", "EXEC"],
    ),
    ("", "FLUSHALL", ["FLUSHALL"]),
    ("", "FLUSHDB ASYNC", ["FLUSHDB ASYNC"]),
    ("RPUSH l a b c", "BLPOP none l 1", ["LPOP l"]),
    ("RPUSH l a b c", "LMPOP 2 none l RIGHT COUNT 9", ["RPOP l 3"]),
    ("RPUSH l a b c", "BLMPOP 1 1 l LEFT", ["LPOP l 1"]),
    ("RPUSH l a b c", "BLMOVE l m LEFT RIGHT 1", ["LMOVE l m LEFT RIGHT"]),
    ("RPUSH l a b c", "BRPOPLPUSH l l 1", ["RPOPLPUSH l l"]),
    ("RPUSH l a", "BLPOP none 0.001", []),
    ("ZADD z 1 a 2 b", "BZPOPMIN z 1", ["ZPOPMIN z"]),
    ("ZADD z 1 a 2 b", "ZMPOP 1 z MAX COUNT 5", ["ZPOPMAX z 2"]),
    ("ZADD z 1 a 2 b", "BZMPOP 1 1 z MIN", ["ZPOPMIN z 1"]),
    ("SADD s a", "SPOP s", ["SREM s a"]),
    ("SADD s a b", "SPOP s 2", ["DEL s"]),
    ("SADD s 1 1", "SPOP s", ["SREM s 1"]),
    ("HSET h f 1", "HINCRBYFLOAT h f 0.5", ["HSET h f 1.5"]),
    (
        "HSETEX h EX 100 FIELDS 1 f 1",
        "HINCRBYFLOAT h f 0.5",
        ["HSETEX h KEEPTTL FIELDS 1 f 1.5"],
    ),
    ("HSET h f 1 g 2", "HEXPIRE h 100 FIELDS 1 f", ["HPEXPIREAT h NOW FIELDS 1 f"]),
    (
        "HSET h f 1",
        "HEXPIRE h 100 NX FIELDS 2 f g",
        ["HPEXPIREAT h NOW NX FIELDS 1 f"],
    ),
    ("HSET h f 1 g 2", "HPEXPIREAT h 1 FIELDS 1 f", ["HDEL h f"]),
    ("HSET h f 1", "HGETEX h EX 100 FIELDS 1 f", ["HPEXPIREAT h NOW FIELDS 1 f"]),
    (
        "HSETEX h EX 100 FIELDS 1 f 1",
        "HGETEX h PERSIST FIELDS 1 f",
        ["HPERSIST h FIELDS 1 f"],
    ),
    ("HSET h f 1", "HGETEX h FIELDS 1 f", []),
    ("", "HSETEX h EX 100 FIELDS 1 f v", ["HSETEX h PXAT NOW FIELDS 1 f v"]),
    ("HSET h f 1 g 2", "HGETDEL h FIELDS 2 f g", ["HDEL h f g"]),
    ("SADD s a", "SADD s a", []),
    ("SET k v", "RENAME k l", ["RENAME k l"]),
    ("", "SWAPDB 0 1", ["SWAPDB 0 1"]),
    ("RPUSH l 2 1", "SORT l STORE m", ["SORT l STORE m"]),
]


@pytest.mark.parametrize(("before", "command", "expected"), CASES)
def test_form(
    recorder: Recorder, before: str, command: str, expected: list[str]
) -> None:
    recorder.call("FLUSHALL")
    if before:
        recorder.call(before)
    recorder.written()
    recorder.call(command)
    assert recorder.written() == expected


def test_some_members_taken_at_random_are_named(recorder: Recorder) -> None:
    members = {f"m{i}" for i in range(20)}
    recorder.server.call("SADD", "s", *members)
    recorder.written()
    taken = {m.decode() for m in recorder.server.call("SPOP", "s", 7)}
    (line,) = recorder.written()
    name, key, *named = line.split()
    assert (name, key) == ("SREM", "s")
    assert set(named) == taken


def test_restore_is_written_with_a_point_in_time(recorder: Recorder) -> None:
    server = recorder.server
    server.call("SET", "k", "v")
    payload = server.call("DUMP", "k")
    recorder.written()
    server.call("RESTORE", "l", 100_000, payload, "REPLACE")
    (line,) = recorder.written()
    words = line.split(" ")
    assert words[:3] == ["RESTORE", "l", NOW]
    assert words[-2:] == ["REPLACE", "ABSTTL"]


def test_the_database_is_named_when_it_changes(recorder: Recorder) -> None:
    server = recorder.server
    server.call("SET", "a", 1)
    server.call("SET", "b", 1)
    server.call("SET", "c", 1, db=3)
    server.call("GET", "a", db=1)
    server.call("SET", "d", 1, db=3)
    server.call("SET", "e", 1)
    assert recorder.written() == [
        "SELECT 0",
        "SET a 1",
        "SET b 1",
        "SELECT 3",
        "SET c 1",
        "SET d 1",
        "SELECT 0",
        "SET e 1",
    ]


def test_an_expired_key_is_deleted_before_what_finds_it_gone(
    recorder: Recorder,
) -> None:
    recorder.server.engine.set_active_expire(False)
    recorder.call("SET k v PX 1")
    time.sleep(0.01)
    recorder.server.engine.cron()
    recorder.written()
    recorder.call("GET k")
    assert recorder.written() == ["DEL k"]
    recorder.call("SET k v PX 1")
    time.sleep(0.01)
    recorder.server.engine.cron()
    recorder.written()
    recorder.call("APPEND k w")
    assert recorder.written() == ["MULTI", "DEL k", "APPEND k w", "EXEC"]


def test_keys_that_expire_by_themselves_are_not_one_transaction(
    recorder: Recorder,
) -> None:
    recorder.call("SET a v PX 1")
    recorder.call("SET b v PX 1")
    recorder.written()
    found: list[str] = []

    def both_gone() -> bool:
        recorder.server.engine.cron()
        found.extend(recorder.written())
        return len(found) == 2

    wait_until(both_gone)
    assert sorted(found) == ["DEL a", "DEL b"]


def test_scan_does_not_wrap_what_it_finds_expired(recorder: Recorder) -> None:
    recorder.server.engine.set_active_expire(False)
    recorder.call("SET a v PX 1")
    recorder.call("SET b v PX 1")
    time.sleep(0.01)
    recorder.server.engine.cron()
    recorder.written()
    recorder.call("SCAN 0")
    assert sorted(recorder.written()) == ["DEL a", "DEL b"]


def test_a_transaction_is_wrapped(recorder: Recorder) -> None:
    import redis

    with recorder.server as server, redis.Redis(port=server.port) as client:
        pipe = client.pipeline()
        pipe.set("a", 1)
        pipe.get("a")
        pipe.lpush("l", 1)
        pipe.execute()
        assert recorder.written() == [
            "MULTI",
            "SELECT 0",
            "SET a 1",
            "LPUSH l 1",
            "EXEC",
        ]
        pipe.get("a")
        pipe.set("b", 1)
        pipe.execute()
        assert recorder.written() == ["SET b 1"]  # one needs no frame
        pipe.get("a")
        pipe.execute()
        assert recorder.written() == []
