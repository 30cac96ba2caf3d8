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
from hypothesis import given, settings

import fastredis
from fastredis.persistence.aof_file import AofFile
from fastredis.persistence.aof_load import AofLoader
from fastredis.resp.values import ReplyError
from support.grammar import Relative, Step
from support.traffic import GRAMMARS, LEFT_OUT, PAUSE, dataset_state

ATTEMPTS = 5  # what expires between two looks makes them differ
OPTIONS: dict[str, Any] = {
    "logfile": os.devnull,
    "save": "",
    "enable-debug-command": "yes",
}


class Pair:
    """A server that writes its changes to a file, and one that replays them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "changes.aof"
        self.writer = fastredis.Server(**OPTIONS)
        self.reader = fastredis.Server(**OPTIONS)
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
        loader = AofLoader(self.reader.engine)
        # the first command for a database that a piece of the file begins in
        loader.feed(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n")
        for _ in range(ATTEMPTS):
            self.expire()
            self.file.flush()
            with self.path.open("rb") as file:
                file.seek(begin)
                written = file.read()
            begin += len(written)
            loader.feed(written)
            read, wrote = self.state(self.reader), self.state(self.writer)
            if read == wrote:
                break
            # unless something has expired while the two were looked at
        loader.end()
        assert read == wrote

    def expire(self) -> None:
        """Have all go whose time has passed, so that it is the same for both."""
        self.writer.engine.cron()
        for db, *_ in self.writer.engine.keyspace():
            for key in self.writer.engine.keys(db):
                if self.writer.call("TYPE", key, db=db) in (b"hash", "hash"):
                    self.writer.call("HRANDFIELD", key, db=db)

    def state(self, server: fastredis.Server) -> dict[tuple[int, bytes], Any]:
        """Return what is in all databases."""

        def ask(db: int, *words: Any) -> Any:
            return server.call(*words, db=db)

        return dataset_state(ask, [db for db, *_ in server.engine.keyspace()])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("replay")
    made = Pair(folder)
    yield made
    made.file.stop()
    os.close(made.descriptor)


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
