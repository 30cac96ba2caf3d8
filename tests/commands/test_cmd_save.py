# SPDX-License-Identifier: BSD-3-Clause
"""SAVE, BGSAVE, LASTSAVE: replies, errors, and what INFO says of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from support.client import Error, RawClient
from support.server import FastredisServer
from support.wait import wait_until

IN_PROGRESS = "ERR Background save already in progress"
SYNTAX = "ERR syntax error"
NOT_RUNNING = "ERR Background saving is currently not in progress or scheduled"


def persistence(client: RawClient) -> dict[str, str]:
    return client.info("persistence")


def wait_saved(client: RawClient) -> dict[str, str]:
    """Wait until no child saves."""
    wait_until(lambda: persistence(client)["rdb_bgsave_in_progress"] == "0", 20)
    return persistence(client)


@pytest.fixture
def slow(client: RawClient) -> Iterator[RawClient]:
    """Have a child need ten seconds for each key."""
    client.ok("SET", "k", "v")
    client.ok("CONFIG", "SET", "rdb-key-save-delay", "10000000")
    yield client
    # a directive that is not listed, so that nobody else sets it back
    client.ok("CONFIG", "SET", "rdb-key-save-delay", "0")


def test_save_writes_the_file(server: FastredisServer, client: RawClient) -> None:
    client.ok("SET", "k", "v")
    path = server.directory / "dump.rdb"
    path.unlink(missing_ok=True)
    before = int(time.time())
    client.ok("SAVE")
    data = path.read_bytes()
    assert data.startswith(b"REDIS0010")
    assert b"\x00\x01k\x01v\xff" in data
    assert before <= client.cmd("LASTSAVE") <= int(time.time())
    told = persistence(client)
    assert told["rdb_changes_since_last_save"] == "0"
    assert told["rdb_last_save_time"] == str(client.cmd("LASTSAVE"))
    assert told["rdb_last_bgsave_status"] == "ok"
    client.ok("SET", "k", "w")
    assert persistence(client)["rdb_changes_since_last_save"] == "1"
    assert not list(server.directory.glob("temp-*.rdb"))


def test_bgsave_writes_what_was_there_when_it_began(
    server: FastredisServer, slow: RawClient
) -> None:
    path = server.directory / "dump.rdb"
    path.unlink(missing_ok=True)
    slow.ok("CONFIG", "SET", "rdb-key-save-delay", "200000")
    assert slow.cmd("BGSAVE") == "Background saving started"
    slow.ok("SET", "k", "changed")
    slow.ok("SET", "more", "changed")
    told = persistence(slow)
    assert told["rdb_bgsave_in_progress"] == "1"
    assert int(told["rdb_current_bgsave_time_sec"]) >= 0
    assert told["current_save_keys_total"] == "1"
    told = wait_saved(slow)
    assert told["rdb_last_bgsave_status"] == "ok"
    assert int(told["rdb_last_bgsave_time_sec"]) >= 0
    assert told["rdb_current_bgsave_time_sec"] == "-1"
    assert told["rdb_changes_since_last_save"] == "2"
    data = path.read_bytes()
    assert b"\x01k\x01v" in data
    assert b"changed" not in data
    assert int(slow.info("stats")["latest_fork_usec"]) > 0
    log = server.log()
    for text in (
        "Background saving started by pid",
        ":C ",
        "DB saved on disk",
        "Fork CoW for RDB: current ",
        "Background saving terminated with success",
    ):
        assert text in log


def test_one_child_at_a_time(slow: RawClient) -> None:
    assert slow.cmd("BGSAVE") == "Background saving started"
    assert slow.cmd("BGSAVE") == IN_PROGRESS
    assert slow.cmd("BGSAVE", "SCHEDULE") == IN_PROGRESS
    assert slow.cmd("SAVE") == IN_PROGRESS
    assert slow.cmd("BGSAVE", "cancel") == "Background saving cancelled"
    told = wait_saved(slow)
    # it was told to end: nothing has failed, and nothing was saved
    assert told["rdb_last_bgsave_status"] == "ok"
    assert int(told["rdb_changes_since_last_save"]) >= 1
    assert slow.cmd("BGSAVE", "CANCEL") == NOT_RUNNING


@pytest.mark.parametrize("args", [["x"], ["SCHEDULE", "SCHEDULE"], ["CANCEL", "x"]])
def test_bgsave_refuses(client: RawClient, args: list[str]) -> None:
    assert client.cmd("BGSAVE", *args) == SYNTAX
    assert persistence(client)["rdb_bgsave_in_progress"] == "0"


def test_bgsave_in_a_transaction_starts_after_it(client: RawClient) -> None:
    saves = int(persistence(client)["rdb_saves"])
    client.ok("MULTI")
    for args in (("SET", "k", "v"), ("BGSAVE",), ("SET", "k", "w")):
        assert client.cmd(*args) == "QUEUED"
    assert client.cmd("EXEC") == ["OK", "Background saving scheduled", "OK"]
    wait_until(lambda: int(persistence(client)["rdb_saves"]) == saves + 1)
    assert wait_saved(client)["rdb_changes_since_last_save"] == "0"


def test_save_is_not_for_transactions(client: RawClient) -> None:
    client.ok("MULTI")
    assert client.cmd("SAVE") == "ERR Command not allowed inside a transaction"
    assert isinstance(client.cmd("EXEC"), Error)


def test_flushall_ends_a_child(slow: RawClient) -> None:
    assert slow.cmd("BGSAVE") == "Background saving started"
    slow.ok("FLUSHALL")
    assert int(wait_saved(slow)["rdb_changes_since_last_save"]) >= 1
    slow.ok("SET", "k", "v")


def test_flushall_after_a_child_whose_end_nobody_saw(client: RawClient) -> None:
    client.ok("CONFIG", "SET", "save", "3600 1")
    client.ok("SET", "k", "v")
    assert client.cmd("BGSAVE") == "Background saving started"
    client.ok("SET", "k", "w")
    client.ok("MULTI")
    client.cmd("DEBUG", "SLEEP", "0.5")
    client.cmd("FLUSHALL")
    assert client.cmd("EXEC") == ["OK", "OK"]
    assert persistence(client)["rdb_changes_since_last_save"] == "0"


def test_flushall_empties_the_file_where_there_are_save_points(
    server: FastredisServer, client: RawClient
) -> None:
    client.ok("SET", "k", "value")
    client.ok("SAVE")
    path = server.directory / "dump.rdb"
    assert b"value" in path.read_bytes()
    client.ok("FLUSHALL")
    assert b"value" in path.read_bytes()
    client.ok("SET", "k", "value")
    client.ok("CONFIG", "SET", "save", "3600 1")
    client.ok("FLUSHALL")
    assert b"value" not in path.read_bytes()


@pytest.mark.parametrize("given", [0, 11, 12])
def test_version_of_the_file(
    server: FastredisServer, client: RawClient, given: int
) -> None:
    path = server.directory / "dump.rdb"
    mark = len(server.log())
    client.ok("CONFIG", "SET", "rdb-version", given)
    client.ok("SET", "k", "v")
    client.ok("SAVE")  # it may have had streams before
    client.ok("SAVE")
    assert path.read_bytes()[:9] == b"REDIS%04d" % max(10, given)
    client.cmd("HSET", "h", "f", "v")
    client.cmd("HEXPIRE", "h", 1000, "FIELDS", 1, "f")
    client.ok("SAVE")
    assert ("though rdb-version is" in server.log()[mark:]) == (given == 11)
    client.ok("CONFIG", "SET", "rdb-version", 0)
    assert path.read_bytes()[:9] == b"REDIS0012"


@pytest.mark.parametrize(("given", "version", "kind"), [(10, 10, 19), (11, 11, 21)])
def test_streams_of_an_older_version(
    server: FastredisServer, client: RawClient, given: int, version: int, kind: int
) -> None:
    client.ok("CONFIG", "SET", "rdb-version", given)
    client.cmd("XADD", "s", "1-1", "f", "v")
    client.ok("XGROUP", "CREATE", "s", "g", 0)
    client.cmd("XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">")
    payload = client.cmd("DUMP", "s")
    assert payload[0] == kind
    assert payload[-10:-8] == bytes([version, 0])
    client.ok("SAVE")
    path = server.directory / "dump.rdb"
    assert path.read_bytes()[:9] == b"REDIS%04d" % version
    before = client.cmd("XINFO", "STREAM", "s"), client.cmd("XPENDING", "s", "g")
    client.ok("DEBUG", "RELOAD")
    client.ok("CONFIG", "SET", "rdb-version", 0)
    after = client.cmd("XINFO", "STREAM", "s"), client.cmd("XPENDING", "s", "g")
    assert after == before
    client.ok("RESTORE", "s", 0, payload, "REPLACE")
    assert client.cmd("XPENDING", "s", "g") == before[1]


def test_versions_that_are_never_written(client: RawClient) -> None:
    for version in (1, 9):
        error = client.cmd("CONFIG", "SET", "rdb-version", version)
        assert "a version that this server writes: 10, 11 or 12" in str(error)
    assert isinstance(client.cmd("CONFIG", "SET", "rdb-version", 13), Error)


def test_streams_need_a_version_of_their_own(
    server: FastredisServer, client: RawClient
) -> None:
    path = server.directory / "dump.rdb"
    client.ok("DEBUG", "POPULATE", 1000)
    client.cmd("XADD", "s", "1-1", "f", "v")
    for _ in range(2):  # it is not known, then it is
        client.ok("SAVE")
        assert path.read_bytes()[:9] == b"REDIS0011"
        client.ok("DEBUG", "RELOAD", "NOSAVE")
        assert client.cmd("DBSIZE") == 1001
        assert client.cmd("XLEN", "s") == 1
    client.cmd("DEL", "s")
    client.ok("SAVE")
    client.ok("SAVE")
    assert path.read_bytes()[:9] == b"REDIS0010"


def test_checksum_can_be_left_out(fresh_server: Callable[..., FastredisServer]) -> None:
    server = fresh_server(rdbchecksum="no")
    client = server.client()
    client.ok("SET", "k", "v")
    client.ok("SAVE")
    assert (server.directory / "dump.rdb").read_bytes().endswith(b"\xff" + bytes(8))
    client.ok("DEBUG", "RELOAD")
    assert client.cmd("GET", "k") == b"v"
    assert "RDB file was saved with checksum disabled" in server.log()


def test_compression_can_be_left_out(
    server: FastredisServer, client: RawClient
) -> None:
    path = server.directory / "dump.rdb"
    client.ok("SET", "k", "abc" * 1000)
    client.ok("SAVE")
    assert path.stat().st_size < 1000
    client.ok("CONFIG", "SET", "rdbcompression", "no")
    client.ok("SAVE")
    assert b"abc" * 1000 in path.read_bytes()


def test_reload_keeps_everything(client: RawClient) -> None:
    client.ok("SET", "s", "v")
    client.ok("SET", "t", 5, "PX", 10**9)
    client.cmd("HSET", "h", "a", 1, "b", 2)
    client.cmd("HPEXPIREAT", "h", 4 * 10**12, "FIELDS", 1, "a")
    client.cmd("RPUSH", "l", *range(1000))
    client.cmd("SADD", "n", *range(1000))
    client.cmd("ZADD", "z", 1, "a", 2.5, "b")
    before = client.cmd("DEBUG", "DIGEST")
    expiry = client.cmd("PEXPIRETIME", "t")
    for _ in range(2):
        client.ok("DEBUG", "RELOAD")
        assert client.cmd("DEBUG", "DIGEST") == before
    assert client.cmd("PEXPIRETIME", "t") == expiry
    assert client.cmd("HPEXPIRETIME", "h", "FIELDS", 2, "a", "b") == [4 * 10**12, -1]
    assert persistence(client)["rdb_last_load_keys_loaded"] == "6"


def test_reload_without_saving(client: RawClient) -> None:
    client.ok("SET", "k", "old")
    client.ok("SAVE")
    client.ok("SET", "k", "new")
    client.ok("SET", "other", "1")
    client.ok("DEBUG", "RELOAD", "NOSAVE")
    assert client.cmd("GET", "k") == b"old"
    assert client.cmd("EXISTS", "other") == 0
    client.ok("SET", "k", "new", "PX", 10**9)
    client.ok("SET", "other", "1")
    client.ok("DEBUG", "RELOAD", "nosave", "noflush", "merge")
    assert client.cmd("GET", "k") == b"old"
    assert client.cmd("PTTL", "k") == -1
    assert client.cmd("GET", "other") == b"1"


def test_reload_refuses_other_words(client: RawClient) -> None:
    reply = client.cmd("DEBUG", "RELOAD", "x")
    assert (
        reply == "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
    )


def test_watched_keys_have_changed_after_a_reload(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    client.ok("WATCH", "k")
    client.ok("DEBUG", "RELOAD")
    client.ok("MULTI")
    client.cmd("GET", "k")
    assert client.cmd("EXEC") == client.null_array
