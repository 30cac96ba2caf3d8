# SPDX-License-Identifier: BSD-3-Clause
"""Random traffic with a rewrite in its middle, then loaded again.

Both kinds of base are tried: an RDB file, and requests that make the keys.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from support.client import RawClient
from support.grammar import Relative, Step
from support.server import FastredisServer
from support.traffic import GRAMMARS, LEFT_OUT, PAUSE, dataset_state
from support.wait import wait_until

# The tests' own: they would end the connection, or change what it is.
REFUSED = LEFT_OUT | {b"CONFIG", b"HELLO", b"SELECT", b"QUIT", b"RESET", b"AUTH"}
REFUSED |= {b"XCFGSET"}  # what producers sent has no place in an RDB file
DATABASES = range(16)
SOON_MS = 500  # until then, the two are compared


class Loaded:
    """A server with an append-only file that is loaded again and again."""

    def __init__(self, server: FastredisServer) -> None:
        self.client: RawClient = server.client(3)

    def ask(self, db: int, *words: Any) -> Any:
        """Execute a command in a database."""
        self.client.ok("SELECT", db)
        return self.client.cmd(*words)

    def run(self, steps: Sequence[Step]) -> None:
        """Execute commands; errors are as good as replies."""
        self.client.ok("SELECT", 0)
        for index, step in enumerate(steps):
            args = [a.resolve(index) if isinstance(a, Relative) else a for a in step]
            if args[:1] == [PAUSE]:
                time.sleep(0.003)
            elif (
                args
                and args[0].upper() not in REFUSED
                and not {a.upper() for a in args} & {b"IDMP", b"IDMPAUTO"}
            ):
                self.client.cmd(*args)

    def rewrite(self) -> None:
        """Begin a rewrite; what follows it is written while it goes on."""
        wait_until(lambda: self.rewrites() == "0")
        reply = self.client.cmd("BGREWRITEAOF")
        assert reply == "Background append only file rewriting started", reply

    def rewrites(self) -> str:
        return self.client.info("persistence")["aof_rewrite_in_progress"]

    def state(self) -> Any:
        """Return what there is, after all that is due has gone."""
        for db in DATABASES:
            for key in self.ask(db, "KEYS", "*"):
                self.ask(db, "HRANDFIELD", key)
        return dataset_state(self.ask, DATABASES)

    def settled(self) -> Any:
        """Return what there is once nothing of it is about to expire."""
        while True:
            state = self.state()
            now = time.time() * 1000
            times = [row[2] for row in state.values()]
            for row in state.values():
                if row[0] == "hash":
                    times += [when for _, when in row[3]]
            due = [when for when in times if 0 < when < now + SOON_MS]
            if any(row[0] == "none" for row in state.values()):
                continue  # one has gone while it was looked at
            if not due:
                return state
            time.sleep(max(0, max(due) - now) / 1000 + 0.002)

    def compare(self) -> None:
        """Load again what was written."""
        wait_until(lambda: self.rewrites() == "0", 20)
        status = self.client.info("persistence")
        assert status["aof_last_bgrewrite_status"] == "ok"
        before = self.settled()
        self.client.ok("DEBUG", "LOADAOF")
        after = self.state()
        assert after == before


@pytest.fixture(scope="module", params=["yes", "no"], ids=["rdb", "requests"])
def loaded(request: pytest.FixtureRequest) -> Iterator[Loaded]:
    """Start a server that rewrites its file in one of both formats."""
    with FastredisServer(
        appendonly="yes",
        appendfsync="no",
        aof_use_rdb_preamble=request.param,
        enable_debug_command="yes",
        save="",
    ) as server:
        yield Loaded(server)


@pytest.mark.parametrize("name", GRAMMARS)
def test_what_is_loaded_is_what_was_there(loaded: Loaded, name: str) -> None:
    @settings(max_examples=6, phases=[Phase.generate])
    @given(GRAMMARS[name], GRAMMARS[name])
    def run(before: list[Step], after: list[Step]) -> None:
        loaded.client.ok("FLUSHALL")
        loaded.run(before)
        loaded.rewrite()
        loaded.run(after)
        loaded.compare()

    run()


VALUES = st.sampled_from([b"", b"1", b"-70000", b"9223372036854775807", b"v" * 3000])


@settings(max_examples=10)
@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(1, 700))
def test_all_encodings(loaded: Loaded, values: list[bytes], n: int) -> None:
    """Collections of many sizes, with long members and without."""
    client = loaded.client
    client.ok("FLUSHALL")
    client.ok("SELECT", 0)
    items = [value + b"%d" % i for i in range(n) for value in values][:1500]
    pairs = [word for item in items for word in (item, item)]
    client.cmd("RPUSH", "list", *items)
    client.cmd("SADD", "set", *items)
    client.cmd("SADD", "numbers", *range(n))
    client.cmd("HSET", "hash", *pairs)
    client.cmd("HSET", "timed", *pairs)
    client.cmd("HPEXPIRE", "timed", 10**8, "FIELDS", 2, items[0], items[-1])
    client.cmd(
        "ZADD", "zset", *(word for i, item in enumerate(items) for word in (i, item))
    )
    client.cmd("PEXPIRE", "zset", 10**8)
    for value in values:
        client.ok("SET", value, value)
    for i, item in enumerate(items, 1):
        client.cmd("XADD", "stream", f"{i}-1", "f", item, item, "x")
    client.cmd("XGROUP", "CREATE", "stream", "g", "0")
    client.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", 20, "STREAMS", "stream", ">")
    loaded.rewrite()
    loaded.compare()


ODD_STREAMS = [
    # empty, and why
    ["XGROUP CREATE x g $ MKSTREAM"],
    ["XADD x MAXLEN 0 5-5 f v", "XGROUP CREATE x g 3-3 ENTRIESREAD 1"],
    ["XADD x 5-5 f v", "XADD x 6-6 f v", "XDEL x 5-5 6-6", "XSETID x 9-9"],
    ["XADD x 5-5 f v", "XDEL x 5-5", "XADD x 7-7 f v", "XGROUP CREATE x g $"],
    # pending, though it is gone; nobody's
    ["XADD x 1-1 f v", "XADD x 2-2 f v", "READ", "XDEL x 1-1"],
    ["XADD x 1-1 f v", "XADD x 2-2 f v", "READ", "XNACK x g FAIL IDS 1 2-2"],
    ["XADD x 1-1 f v", "READ", "XCLAIM x g d 0 1-1 IDLE 5000 RETRYCOUNT 7"],
    # consumers without anything pending
    ["XADD x 1-1 f v", "READ", "XACK x g 1-1", "XGROUP CREATECONSUMER x g d"],
]
READ = ["XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >"]


@pytest.mark.parametrize("lines", ODD_STREAMS, ids=" | ".join)
def test_odd_streams(loaded: Loaded, lines: list[str]) -> None:
    loaded.client.ok("FLUSHALL")
    loaded.client.ok("SELECT", 0)
    for line in lines:
        for command in READ if line == "READ" else [line]:
            loaded.client.cmd(*command.split())
    assert loaded.client.cmd("EXISTS", "x") == 1
    loaded.rewrite()
    loaded.compare()


def test_settings_of_producers_are_kept_by_requests(loaded: Loaded) -> None:
    loaded.client.ok("FLUSHALL")
    loaded.client.ok("SELECT", 0)
    loaded.client.cmd("XADD", "x", "1-1", "f", "v")
    loaded.client.cmd("XCFGSET", "x", "IDMP-DURATION", 7, "IDMP-MAXSIZE", 9)
    before = loaded.client.config("aof-use-rdb-preamble")
    loaded.client.ok("CONFIG", "SET", "aof-use-rdb-preamble", "no")
    loaded.rewrite()
    loaded.compare()
    loaded.client.ok("CONFIG", "SET", "aof-use-rdb-preamble", before)
