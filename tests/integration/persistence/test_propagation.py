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
    word, dash, rest = word.partition("-")
    for scale in (1, 1000):
        if (
            re.fullmatch(r"\d{10,13}", word)
            and abs(int(word) / scale - time.time()) < DAY
        ):
            return NOW + dash + rest
    return word + dash + rest


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
    ("HSET h f 1 g 2", "HEXPIRE h 100 FIELDS 2 x g", ["HPEXPIREAT h NOW FIELDS 1 g"]),
    (
        "HSET h f 1 g 2",
        "HGETEX h PXAT 1 FIELDS 3 f g x",
        ["MULTI", "HDEL h f", "HDEL h g", "EXEC"],
    ),
    ("HSET h f 1", "HPERSIST h FIELDS 1 f", []),
    ("HSET h f 1", "HSETEX h FNX FIELDS 1 g 2", ["HSETEX h FNX FIELDS 1 g 2"]),
    ("", "HSETEX h PXAT 1 FIELDS 1 f v", ["HDEL h f"]),
    ("XADD x 1-1 f v", "XADD x * g w", ["XADD x NOW-0 g w"]),
    ("XADD x 1-1 f v", "XADD x 5-* g w", ["XADD x 5-0 g w"]),
    (
        "XADD x 1-1 f v",
        "XADD x MAXLEN ~ 1 LIMIT 9 * g w",
        ["XADD x MAXLEN = 2 NOW-0 g w"],
    ),
    (
        "XADD x 1-1 f v",
        "XADD x LIMIT 9 IDMP p i MINID ~ 1-1 NOMKSTREAM 2-2 g w",
        ["XADD x IDMP p i MINID = 1-1 NOMKSTREAM 2-2 g w"],
    ),
    ("XADD x 1-1 f v", "XTRIM x MAXLEN ~ 0 ACKED", ["XTRIM x MAXLEN = 0 ACKED"]),
    ("XADD x 1-1 f v", "XTRIM x MAXLEN ~ 0 DELREF", ["XTRIM x MAXLEN = 0 DELREF"]),
    ("XADD x 1-1 f v", "XDELEX x DELREF IDS 1 1-1", ["XDELEX x DELREF IDS 1 1-1"]),
    ("XADD x 1-1 f v", "XDELEX x DELREF IDS 1 7-7", []),
    ("XADD x 1-1 f v", "XCFGSET x IDMP-MAXSIZE 5", ["XCFGSET x IDMP-MAXSIZE 5"]),
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


# What comes of reading for a group: the group is g, c and d are consumers. There are
# three entries, of which c has the first.
CLAIMED = "FORCE JUSTID LASTID"
GROUP_CASES: list[tuple[str, list[str]]] = [
    (
        "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
        [
            "MULTI",
            f"XCLAIM x g c 0 2-1 TIME NOW RETRYCOUNT 1 {CLAIMED} 2-1",
            "XGROUP SETID x g 2-1 ENTRIESREAD 2",
            "EXEC",
        ],
    ),
    (
        "XREADGROUP GROUP g c NOACK STREAMS x >",
        ["XGROUP SETID x g 3-1 ENTRIESREAD 3"],
    ),
    (
        "XREADGROUP GROUP g c STREAMS x 0",
        [f"XCLAIM x g c 0 1-1 TIME NOW RETRYCOUNT 2 {CLAIMED} 1-1"],
    ),
    ("XREADGROUP GROUP g d STREAMS x 0", ["XGROUP CREATECONSUMER x g d"]),
    (
        "XREADGROUP GROUP g c COUNT 1 CLAIM 0 STREAMS x >",
        [f"XCLAIM x g c 0 1-1 TIME NOW RETRYCOUNT 2 {CLAIMED} 1-1"],
    ),
    (
        "XCLAIM x g c 0 1-1 IDLE 7 RETRYCOUNT 9",
        [f"XCLAIM x g c 0 1-1 TIME NOW RETRYCOUNT 9 {CLAIMED} 1-1"],
    ),
    ("XCLAIM x g c 0 7-7", []),
    ("XCLAIM x g c 0 7-7 LASTID 9-9", ["XGROUP SETID x g 9-9 ENTRIESREAD 1"]),
    (
        "XAUTOCLAIM x g d 0 0",
        [
            "MULTI",
            "XGROUP CREATECONSUMER x g d",
            f"XCLAIM x g d 0 1-1 TIME NOW RETRYCOUNT 2 {CLAIMED} 1-1",
            "EXEC",
        ],
    ),
    ("XAUTOCLAIM x g c 100000 0", []),
    ("XNACK x g FAIL IDS 1 1-1", ["XNACK x g FAIL IDS 1 1-1"]),
    ("XACK x g 1-1 7-7", ["XACK x g 1-1 7-7"]),
    ("XACK x g 7-7", []),
    ("XACKDEL x h DELREF IDS 1 1-1", []),  # no such group
]


@pytest.mark.parametrize(("command", "expected"), GROUP_CASES)
def test_form_of_groups(recorder: Recorder, command: str, expected: list[str]) -> None:
    for number in (1, 2, 3):
        recorder.call(f"XADD x {number}-1 f v")
    recorder.call("XGROUP CREATE x g 0")
    recorder.call("XREADGROUP GROUP g c COUNT 1 STREAMS x >")
    recorder.written()
    recorder.call(command)
    assert recorder.written() == expected


def test_what_is_pending_of_entries_that_are_gone_is_dropped(
    recorder: Recorder,
) -> None:
    for line in ("XADD x 1-1 f v", "XADD x 2-1 f v", "XGROUP CREATE x g 0"):
        recorder.call(line)
    recorder.call("XREADGROUP GROUP g c STREAMS x >")
    recorder.call("XNACK x g FAIL IDS 1 2-1")
    recorder.call("XDEL x 1-1 2-1")
    recorder.written()
    recorder.call("XAUTOCLAIM x g c 0 0")
    assert recorder.written() == [
        "MULTI",
        f"XCLAIM x g c 0 1-1 TIME NOW RETRYCOUNT 1 {CLAIMED} 2-1",
        "XACK x g 2-1",
        "EXEC",
    ]


def test_references_alone_are_a_change(recorder: Recorder) -> None:
    recorder.call("XADD x 1-1 f v")
    recorder.call("XGROUP CREATE x g 0")
    recorder.call("XREADGROUP GROUP g c STREAMS x >")
    recorder.call("XDEL x 1-1")
    recorder.written()
    recorder.call("XDELEX x DELREF IDS 1 1-1")
    assert recorder.written() == ["XDELEX x DELREF IDS 1 1-1"]


def test_an_imported_hash_is_written_with_its_fields(recorder: Recorder) -> None:
    import redis

    with recorder.server as server, redis.Redis(port=server.port) as client:
        client.execute_command("HIMPORT", "PREPARE", "set", "f", "g")
        client.execute_command("HIMPORT", "SET", "h", "set", "1", "2")
        client.execute_command("HIMPORT", "SET", "h", "set", "3", "4")
    assert recorder.written() == [
        "SELECT 0",
        "HSET h f 1 g 2",
        "MULTI",
        "DEL h",
        "HSET h f 3 g 4",
        "EXEC",
    ]


def test_who_waits_is_written_behind_what_serves_it(recorder: Recorder) -> None:
    import redis

    def is_waiting() -> bool:
        return client.info("clients")["blocked_clients"] == 1

    with recorder.server as server, redis.Redis(port=server.port) as client:
        client.execute_command("XGROUP", "CREATE", "x", "g", "$", "MKSTREAM")
        with redis.Redis(port=server.port) as waiter:
            connection = waiter.connection_pool.get_connection()
            connection.send_command(
                "XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "x", ">"
            )
            wait_until(is_waiting)
            assert recorder.written() == [
                "SELECT 0",
                "XGROUP CREATE x g $ MKSTREAM",
                "XGROUP CREATECONSUMER x g c",
            ]
            client.execute_command("XADD", "x", "1-1", "f", "v")
            assert connection.read_response()
            connection.disconnect()
    assert recorder.written() == [
        "XADD x 1-1 f v",
        "MULTI",
        f"XCLAIM x g c 0 1-1 TIME NOW RETRYCOUNT 1 {CLAIMED} 1-1",
        "XGROUP SETID x g 1-1 ENTRIESREAD 1",
        "EXEC",
    ]


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


def test_fields_that_expire_are_deleted_one_by_one(recorder: Recorder) -> None:
    for size in (1, 600):  # a listpack, and a table
        recorder.server.call("HSET", "h", *(w for i in range(size) for w in (i, "v")))
        recorder.call("HSETEX h PX 1 FIELDS 2 a 1 b 2")
        recorder.written()
        found: list[str] = []

        def both_gone(found: list[str] = found) -> bool:
            recorder.server.engine.cron()
            found.extend(recorder.written())
            return len(found) == 2

        wait_until(both_gone)
        assert sorted(found) == ["HDEL h a", "HDEL h b"]
        recorder.call("DEL h")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("HGET h a", ["HDEL h a"]),
        ("HMGET h a b", ["MULTI", "HDEL h a", "HDEL h b", "EXEC"]),
        ("HRANDFIELD h 2", ["MULTI", "HDEL h a", "HDEL h b", "EXEC"]),
        ("HINCRBY h a 2", ["MULTI", "HDEL h a", "HINCRBY h a 2", "EXEC"]),
        ("HSETNX h a 2", ["MULTI", "HDEL h a", "HSETNX h a 2", "EXEC"]),
        ("HSET h a 2", ["HSET h a 2"]),
        ("HGETEX h EX 100 FIELDS 1 a", ["HDEL h a"]),
        (
            "HSETEX h KEEPTTL FIELDS 1 a 2",
            ["MULTI", "HDEL h a", "HSETEX h KEEPTTL FIELDS 1 a 2", "EXEC"],
        ),
        ("HPERSIST h FIELDS 1 b", ["HDEL h b"]),
        ("HGETDEL h FIELDS 1 b", ["HDEL h b"]),
        ("HLEN h", []),
        ("HGETALL h", []),
    ],
)
@pytest.mark.parametrize("more", ["1 v", ""])
def test_an_expired_field_is_deleted_before_what_finds_it_gone(
    recorder: Recorder, more: str, command: str, expected: list[str]
) -> None:
    recorder.server.engine.set_active_expire(False)
    recorder.call("HSETEX h PX 1 FIELDS 2 a 1 b 2")
    if more:
        recorder.call(f"HSET h {more}")
    time.sleep(0.01)
    recorder.server.engine.cron()
    recorder.written()
    recorder.call(command)
    assert recorder.written() == expected


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


def test_keys_that_moved_to_another_server_are_deleted(recorder: Recorder) -> None:
    with fastredis.Server(port=0, logfile=os.devnull) as other:
        words = ("MIGRATE", "127.0.0.1", other.port, "", 0, 1000)
        recorder.call("MSET a 1 b 2 c 3")
        recorder.written()
        recorder.server.call(*words, "COPY", "KEYS", "a")
        assert recorder.written() == []
        recorder.server.call(*words, "REPLACE", "KEYS", "a", "none", "b")
        assert recorder.written() == ["DEL a b"]
        other.call("SET", "c", 1)
        with pytest.raises(fastredis.ReplyError):
            recorder.server.call(*words, "KEYS", "c")
        assert recorder.written() == []
        recorder.server.links.close_idle(0)
