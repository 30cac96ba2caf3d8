# SPDX-License-Identifier: BSD-3-Clause
"""Random commands, written down and replayed: the same data set comes of it.

The commands are those of the differential tests. A server executes them and writes
its changes to a file; another one replays the file. Then the digests of all values, the
encoding-independent ones of DEBUG DIGEST, all times of expiry, and all that groups know
of streams must be the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from compat import (
    test_random_bitmaps,
    test_random_commands,
    test_random_geo,
    test_random_hash,
    test_random_lists,
    test_random_sets,
    test_random_sort,
    test_random_stream,
    test_random_zset,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import fastredis
from fastredis.persistence.aof_file import AofFile
from fastredis.persistence.aof_load import AofLoader
from fastredis.resp.values import ReplyError
from support.grammar import Relative, Step, commands

# Not executed: they are about the server, or what they do is not written down.
LEFT_OUT = {b"SHUTDOWN", b"DEBUG", b"CLIENT", b"MULTI", b"EXEC", b"WATCH", b"DISCARD"}
PAUSE = b"PAUSE"  # not a command: some ms go by

# Of a stream: what no request tells, or depends on how it is stored.
UNTOLD = {"seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes"}
UNTOLD |= {"iids-duplicates", "iids-tracked", "pids-tracked", "iids-added"}


def told(info: Any) -> Any:
    """Leave out of a reply of XINFO STREAM what nobody is told."""
    if isinstance(info, dict):
        return {
            name: told(value)
            for name, value in info.items()
            if (name.decode() if isinstance(name, bytes) else name) not in UNTOLD
        }
    return [told(item) for item in info] if isinstance(info, list) else info


class Pair:
    """A server that writes its changes to a file, and one that replays them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "changes.aof"
        self.writer = fastredis.Server(logfile=os.devnull, enable_debug_command="yes")
        self.reader = fastredis.Server(logfile=os.devnull, enable_debug_command="yes")
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.file = AofFile(self.writer.engine)
        self.file.start(self.descriptor, 0)

    def run(self, steps: Sequence[Step]) -> None:
        """Execute, replay and compare."""
        for server in (self.writer, self.reader):
            server.call("FLUSHALL")
        assert self.file.flush()
        begin = os.fstat(self.descriptor).st_size
        for index, step in enumerate(steps):
            args = [
                bytes(a.resolve(index) if isinstance(a, Relative) else a) for a in step
            ]
            if args[:1] == [PAUSE]:
                time.sleep(0.003)
                self.writer.engine.cron()
            elif args and args[0].upper() not in LEFT_OUT:
                self.writer.engine.call_raw(args)
        self.expire()
        self.file.flush()
        with self.path.open("rb") as file:
            file.seek(begin)
            written = file.read()
        loader = AofLoader(self.reader.engine)
        # the first command for a database that a piece of the file begins in
        loader.feed(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
        loader.feed(written)
        loader.end()
        assert self.state(self.reader) == self.state(self.writer), written

    def expire(self) -> None:
        """Have all go whose time has passed, so that it is the same for both."""
        self.writer.engine.cron()
        for db, *_ in self.writer.engine.keyspace():
            for key in self.writer.engine.keys(db):
                if self.writer.call("TYPE", key, db=db) in (b"hash", "hash"):
                    self.writer.call("HRANDFIELD", key, db=db)

    def state(self, server: fastredis.Server) -> dict[tuple[int, bytes], Any]:
        """Return what is in all databases."""
        state = {}
        for db, *_ in server.engine.keyspace():
            for key in server.engine.keys(db):
                kind = server.call("TYPE", key, db=db)
                times: Any = server.call("PEXPIRETIME", key, db=db)
                fields: Any = []
                if kind == b"hash" or kind == "hash":
                    names = sorted(server.call("HKEYS", key, db=db))
                    found = names and server.call(
                        "HPEXPIRETIME", key, "FIELDS", len(names), *names, db=db
                    )
                    fields = list(zip(names, found or [], strict=False))
                if kind == b"stream" or kind == "stream":
                    fields = told(
                        server.call("XINFO", "STREAM", key, "FULL", "COUNT", 0, db=db)
                    )
                digest = server.call("DEBUG", "DIGEST-VALUE", key, db=db)
                state[db, key] = (kind, digest, times, fields)
        return state


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("replay")
    made = Pair(folder)
    yield made
    made.file.stop()
    os.close(made.descriptor)


STREAM_LINES = """
XADD <key> <newid> <field> <value>
XADD <key> * f <value> g <value>
XADD <key> [KEEPREF|DELREF|ACKED] MAXLEN ~ <n> [LIMIT <n>] * f <value>
XADD <key> [KEEPREF|DELREF|ACKED] MINID ~ <id> [LIMIT <n>] <newid> f <value>
XADD <key> IDMP <who> <value> * <field> <value>
XADD <key> IDMPAUTO <who> MAXLEN ~ 2 * <field> <value>
XCFGSET <key> IDMP-DURATION 1 [IDMP-MAXSIZE 2]
XTRIM <key> MAXLEN [=|~] <n> [LIMIT <n>] [KEEPREF|DELREF|ACKED]
XTRIM <key> MINID [=|~] <id> [LIMIT <n>] [KEEPREF|DELREF|ACKED]
XDEL <key> <id>+
XDELEX <key> [KEEPREF|DELREF|ACKED] IDS 1 <id>
XACKDEL <key> <group> [KEEPREF|DELREF|ACKED] IDS 2 <id> <id>
XNACK <key> <group> {SILENT|FAIL|FATAL} IDS 1 <id> [RETRYCOUNT <n>] [FORCE]
XSETID <key> <id> [ENTRIESADDED <n>] [MAXDELETEDID <id>]
XGROUP CREATE <key> <group> {<id>|$|0} MKSTREAM [ENTRIESREAD <n>]
XGROUP SETID <key> <group> {<id>|$} [ENTRIESREAD <n>]
XGROUP DESTROY <key> h
XGROUP DELCONSUMER <key> <group> <who>
XREADGROUP GROUP g <who> [COUNT <n>] [NOACK] STREAMS <key> <new>
XREADGROUP GROUP g <who> COUNT <n> STREAMS <key> {0|<id>}
XREADGROUP GROUP g <who> [COUNT <n>] CLAIM {0|2} STREAMS <key> <new>
XREADGROUP GROUP g <who> COUNT 2 STREAMS <key> <key> <new> 0
XACK <key> <group> <id>+
XCLAIM <key> g <who> {0|2} <id>+ [JUSTID] [FORCE] [RETRYCOUNT <n>] [LASTID <id>]
XAUTOCLAIM <key> g <who> {0|2} - [COUNT <n>] [JUSTID]
COPY <key> <key> REPLACE
PAUSE
DEL <key>
""".strip().splitlines()

IDS = [b"%d-1" % n for n in range(1, 13)]
STREAM_SLOTS = {
    "key": st.sampled_from([b"a", b"a", b"b"]),
    "id": st.sampled_from(IDS),
    "newid": st.sampled_from([b"13-*", b"14-*", b"99-*"]),
    "new": st.just(b">"),
    "field": st.sampled_from([b"f", b"g"]),
    "value": st.sampled_from([b"v", b"w", b"1"]),
    "n": st.sampled_from([b"1", b"3", b"8", b"10"]),
    "group": st.sampled_from([b"g", b"g", b"h"]),
    "who": st.sampled_from([b"c1", b"c2"]),
}
SOME_ENTRIES: list[Step] = [
    *((b"XADD", key, id_, b"f", b"v") for key in (b"a", b"b") for id_ in IDS),
    (b"XGROUP", b"CREATE", b"a", b"g", b"0"),
    (b"XGROUP", b"CREATE", b"b", b"g", b"3-1"),
    (b"XGROUP", b"CREATE", b"a", b"h", b"0"),
    (b"XREADGROUP", b"GROUP", b"h", b"c1", b"STREAMS", b"a", b">"),
    (b"XREADGROUP", b"GROUP", b"g", b"c2", b"COUNT", b"5", b"STREAMS", b"a", b">"),
]

HASH_LINES = """
HSET <key> <field> <value> [<field> <value>]
HSETEX <key> [FNX|FXX] PX <soon> FIELDS 1 <field> <value>
HSETEX <key> [FNX|FXX] {EX 100|PXAT 1|KEEPTTL} FIELDS 2 <field> <value> <field> <value>
HPEXPIRE <key> <soon> [NX|XX|GT|LT] FIELDS 2 <field> <field>
HEXPIRE <key> 100 [NX|XX|GT|LT] FIELDS 2 <field> <field>
HPEXPIREAT <key> 1 [NX|XX|GT|LT] FIELDS 1 <field>
HPERSIST <key> FIELDS 2 <field> <field>
HGETEX <key> [PX <soon>|EX 100|PXAT 1|PERSIST] FIELDS 2 <field> <field>
HGETDEL <key> FIELDS 2 <field> <field>
HDEL <key> <field> <field>
HINCRBY <key> <field> 2
HINCRBYFLOAT <key> <field> 0.5
HSETNX <key> <field> <value>
HGET <key> <field>
HRANDFIELD <key> 2
HIMPORT PREPARE set f g
HIMPORT SET <key> set <value> <value>
PEXPIRE <key> <soon>
SORT nums BY nosort GET <pattern> STORE list
COPY <key> <key> REPLACE
RENAME <key> <key>
DEL <key>
PAUSE
PAUSE
""".strip().splitlines()
HASH_SLOTS = {
    "key": st.sampled_from([b"h1", b"h2"]),
    "pattern": st.just(b"h*->f"),
    "field": st.sampled_from([b"f", b"g", b"1", b"long" * 20]),
    "value": st.sampled_from([b"1", b"2", b"v", b"w" * 70]),
    "soon": st.sampled_from([b"1", b"2", b"5"]),
}
NUMBERS: list[Step] = [(b"RPUSH", b"nums", b"1", b"2")]


def many(begin: list[Step], lines: list[str], slots: dict[str, Any]) -> Any:
    """Return a strategy of long lists of commands; the first of all are given."""
    some = commands(lines, slots, st.just(b"junk"), 30)
    return st.lists(some, min_size=3, max_size=4).map(
        lambda parts: [*begin, *(step for part in parts for step in part)]
    )


GRAMMARS = {
    "expiring fields": many(NUMBERS, HASH_LINES, HASH_SLOTS),
    "groups": many(SOME_ENTRIES, STREAM_LINES, STREAM_SLOTS),
    "streams": test_random_stream.some_steps,
    "bitmaps": test_random_bitmaps.all_steps,
    "geo": test_random_geo.both_steps,
    "hashes": test_random_hash.both_steps,
    "keys": test_random_commands.both_steps,
    "lists": test_random_lists.some_steps,
    "sets": test_random_sets.steps,
    "sort": test_random_sort.some_steps,
    "sorted sets": test_random_zset.both_steps,
}


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_is_replayed_is_what_was_there(pair: Pair, name: str) -> None:
    @settings(max_examples=60)
    @given(GRAMMARS[name])
    def run(steps: Any) -> None:
        pair.run(steps)

    run()


def test_an_error_changes_nothing_and_is_not_written(pair: Pair) -> None:
    pair.writer.call("SET", "s", "x")
    pair.file.flush()
    before = pair.file.size
    with pytest.raises(ReplyError):
        pair.writer.call("LPUSH", "s", "1")
    pair.writer.call("GET", "s")
    pair.writer.call("SADD", "set", "a")
    pair.file.flush()
    with pair.path.open("rb") as file:
        file.seek(before)
        assert file.read() == b"*3\r\n$4\r\nSADD\r\n$3\r\nset\r\n$1\r\na\r\n"
