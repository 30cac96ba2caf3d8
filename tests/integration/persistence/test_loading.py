# SPDX-License-Identifier: BSD-3-Clause
"""Loading at the start: clients meanwhile, keys that expired, files that are bad."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fastredis.server import Server
from support.client import ConnectionClosed, Error, RawClient
from support.server import FastredisServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

LOADING = "LOADING Redis is loading the dataset in memory"
FOOTER = 9  # the end's code and the checksum


def saved(fresh_server: Fresh, keys: int = 100) -> FastredisServer:
    """Return a server that was ended after it had saved so many keys."""
    server = fresh_server(rdbcompression="no")
    client = server.client()
    client.ok("DEBUG", "POPULATE", keys, "key", 100)
    client.ok("SAVE")
    server.stop()
    return server


def refused(server: FastredisServer) -> str:
    """Start a server that is to end with code 1; return its log."""
    before = len(server.log())
    server.check_exit = False
    server.spawn()
    assert server.wait_exit() == 1
    return server.log()[before:]


# --- What was saved is there -------------------------------------------------------


def test_what_the_log_tells(fresh_server: Fresh) -> None:
    server = saved(fresh_server)
    server.start()
    client = server.client()
    assert client.cmd("DBSIZE") == 100
    log = server.log()
    lines = [
        "Loading RDB produced by version 8.0.2",
        "RDB age ",
        "RDB memory usage when created ",
        "Done loading RDB, keys loaded: 100, keys expired: 0.",
        "DB loaded from disk: 0.",
        "Ready to accept connections",
    ]
    places = [log.rindex(line) for line in lines]
    assert places == sorted(places)
    told = client.info("persistence")
    assert told["loading"] == "0"
    assert told["rdb_last_load_keys_loaded"] == "100"
    assert told["rdb_last_load_keys_expired"] == "0"
    assert told["rdb_changes_since_last_save"] == "0"


def test_keys_that_expired_meanwhile_are_dropped(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    for i in range(100):
        client.ok("SET", f"short:{i}", "v", "PX", 1)
        client.ok("SET", f"long:{i}", "v", "EX", 1000)
    client.ok("SAVE")
    server.restart()
    client = server.client()
    assert client.cmd("DBSIZE") == 100
    assert 0 < client.cmd("PTTL", "long:5") <= 1_000_000
    told = client.info("persistence")
    assert told["rdb_last_load_keys_loaded"] == "100"
    assert told["rdb_last_load_keys_expired"] == "100"


def test_keys_expire_after_they_were_loaded(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    when = int((time.time() + 3) * 1000)
    client.ok("SET", "k", "v", "PXAT", when)
    client.cmd("HSET", "h", "a", 1, "b", 2)
    client.cmd("HPEXPIREAT", "h", when, "FIELDS", 1, "a")
    client.ok("SAVE")
    server.restart()
    client = server.client()
    assert client.cmd("PEXPIRETIME", "k") == when
    wait_until(lambda: client.cmd("DBSIZE") == 1, 10)
    wait_until(lambda: client.cmd("HLEN", "h") == 1, 10)
    assert client.info("stats")["expired_keys"] == "1"


def test_databases(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    for db in (0, 3, 15):
        client.ok("SELECT", db)
        client.ok("SET", "k", db)
    client.ok("SAVE")
    server.stop()
    server.config["databases"] = 4
    assert "more databases than this server" in refused(server)
    server.config["databases"] = 16
    server.start()
    client = server.client()
    for db in (0, 3, 15):
        client.ok("SELECT", db)
        assert client.cmd("GET", "k") == b"%d" % db


def test_an_embedded_server_keeps_nothing_unless_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"port": 0, "bind": "127.0.0.1", "logfile": str(tmp_path / "log")}
    with Server(options) as server:
        server.call("SET", "k", "v")
    assert not (tmp_path / "dump.rdb").exists()
    for expected in (None, b"v"):
        with Server(options, save="3600 1") as server:
            assert server.call("GET", "k") == expected
            server.call("SET", "k", "v")
    assert (tmp_path / "dump.rdb").exists()
    with Server(options) as server:
        assert server.call("GET", "k") is None
        assert server.call("CONFIG", "GET", "save") == {b"save": b""}


# --- Meanwhile ---------------------------------------------------------------------


def test_clients_are_answered_while_it_loads(fresh_server: Fresh) -> None:
    server = saved(fresh_server, 2000)
    server.config.update(
        key_load_delay=5000, loading_process_events_interval_bytes=1024
    )
    server.config = {name.replace("_", "-"): v for name, v in server.config.items()}
    before = len(server.log())
    server.spawn()

    def connected() -> RawClient | None:
        try:
            return server.client()
        except OSError:
            return None

    client = wait_until(connected, 20)
    assert client is not None
    assert client.cmd("PING") == LOADING
    assert client.cmd("GET", "key:0") == LOADING
    assert client.cmd("SET", "key:0", "x") == LOADING
    client.ok("MULTI")
    assert client.cmd("GET", "key:0") == LOADING
    client.ok("DISCARD")
    assert client.cmd("CONFIG", "SET", "hz", "20", "DIR", ".") == LOADING
    assert client.config("hz") == "10"
    told = client.info("persistence")
    assert told["loading"] == "1"
    assert int(told["loading_total_bytes"]) > 200_000
    assert 0 < int(told["loading_loaded_bytes"]) < int(told["loading_total_bytes"])
    assert 0 < float(told["loading_loaded_perc"]) < 100
    assert int(told["loading_eta_seconds"]) >= 0
    assert abs(int(told["loading_start_time"]) - time.time()) < 60
    assert client.config("maxclients") == "10000"
    assert isinstance(client.cmd("LASTSAVE"), int)
    assert "Ready to accept" not in server.log()[before:]
    # so can it be made quicker
    client.ok("CONFIG", "SET", "key-load-delay", 0)
    os.kill(server.pid, signal.SIGTERM)
    assert server.wait_exit() == 0
    # what had been loaded by then is not what is to be kept
    log = server.log()[before:]
    assert "Saving the final RDB snapshot" not in log
    assert "Ready to accept" not in log


# --- Files that are bad ------------------------------------------------------------


def test_no_file_is_an_empty_server(fresh_server: Fresh) -> None:
    server = fresh_server()
    assert server.client().cmd("DBSIZE") == 0
    assert "DB loaded from disk" not in server.log()


def test_checksum(fresh_server: Fresh) -> None:
    server = saved(fresh_server)
    path = server.directory / "dump.rdb"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    log = refused(server)
    assert "Wrong RDB checksum expected" in log
    assert "RDB CRC error" in log
    assert "Terminating server after rdb file reading failure." in log
    # where nobody wants it compared
    server.config["rdbchecksum"] = "no"
    server.check_exit = True
    server.start()
    assert server.client().cmd("DBSIZE") == 100


def test_truncated(fresh_server: Fresh) -> None:
    server = saved(fresh_server)
    path = server.directory / "dump.rdb"
    data = path.read_bytes()
    for nbytes in (len(data) // 2, len(data) - FOOTER, len(data) - 1, 5, 0):
        path.write_bytes(data[:nbytes])
        log = refused(server)
        if nbytes > 10:
            assert "Short read or OOM loading DB" in log
            assert "Internal error in RDB reading offset" in log
            assert "Unexpected EOF reading RDB file" in log
        else:
            assert "Fatal error loading the DB" in log
        assert "Ready to accept" not in log
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"NOTREDIS0010", "Wrong signature trying to load DB from file"),
        (b"REDIS001x\xff", "Wrong signature trying to load DB from file"),
        (b"REDIS0013\xff", "Can't handle RDB format version 13"),
        (b"REDIS0000\xff", "Can't handle RDB format version 0"),
        (b"VALKEY079\xff", "Can't handle RDB format version 79"),
        (b"REDIS0010\xf6\x00", "pre-release"),
        (b"REDIS0010\x07\x01k\x00", "a value of a module"),
        (b"REDIS0010\xf3\x00", "imported into a cluster"),
        (b"REDIS0010\x63\x01k\x00", "Unknown RDB encoding type"),
        (b"REDIS0010\x00\x01k\x01v\x00\x01k\x01w\xff", "a key that comes twice"),
        (b"REDIS0010\xfe\x7f", "more databases"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "dump.rdb").write_bytes(content + bytes(8))
    server = FastredisServer(directory=tmp_path, start=False)
    assert text in refused(server)


def test_a_version_of_the_future_where_that_is_allowed(tmp_path: Path) -> None:
    content = b"REDIS0099\x00\x01k\x01v\xff" + bytes(8)
    (tmp_path / "dump.rdb").write_bytes(content)
    with FastredisServer(directory=tmp_path, rdb_version_check="relaxed") as server:
        assert server.client().cmd("GET", "k") == b"v"


def test_old_versions_and_what_is_passed_over(tmp_path: Path) -> None:
    content = (
        b"REDIS0001\xfe\x03\xfd\xff\xff\xff\xff\x00\x01k\x01v"
        b"\xfd\x01\x00\x00\x00\x00\x01l\x01v"  # in 1970
        b"\x03\x01z\x02\x01a\x031.5\x01b\xfe\xff"
    )
    (tmp_path / "dump.rdb").write_bytes(content)
    with FastredisServer(directory=tmp_path) as server:
        client = server.client()
        client.ok("SELECT", 3)
        assert client.cmd("GET", "k") == b"v"
        assert client.cmd("EXPIRETIME", "k") == 2**32 - 1
        assert client.cmd("EXISTS", "l") == 0
        assert client.cmd("ZRANGE", "z", 0, -1, "WITHSCORES") == [
            b"a", b"1.5", b"b", b"inf",
        ]  # fmt: skip


def test_functions_are_kept_and_told_of(tmp_path: Path) -> None:
    library = b"\xf5\x04code"
    content = b"REDIS0010" + library + b"\xf4\x01\x02\x03\x00\x01k\x01v\xff"
    path = tmp_path / "dump.rdb"
    path.write_bytes(content + bytes(8))
    with FastredisServer(directory=tmp_path) as server:
        client = server.client()
        assert client.cmd("GET", "k") == b"v"
        assert "The file has 1 libraries of functions." in server.log()
        client.ok("FLUSHALL")
        path.unlink()
        client.cmd("BGSAVE")
        wait_until(lambda: path.exists() and library in path.read_bytes())
        client.ok("DEBUG", "RELOAD")
        client.ok("SAVE")
        assert library in path.read_bytes()


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_functions_are_kept_in_an_append_only_file(
    tmp_path: Path, preamble: str
) -> None:
    library = b"\xf5\x04code"
    content = b"REDIS0010" + library + b"\x00\x01k\x01v\xff" + bytes(8)
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.1.base.rdb").write_bytes(content)
    manifest = folder / "appendonly.aof.manifest"
    manifest.write_text("file appendonly.aof.1.base.rdb seq 1 type b\n")
    with FastredisServer(
        directory=tmp_path, appendonly="yes", aof_use_rdb_preamble=preamble
    ) as server:
        client = server.client()
        assert client.cmd("GET", "k") == b"v"
        client.cmd("BGREWRITEAOF")
        wait_until(lambda: " seq 2 type b" in manifest.read_text())
        (base,) = folder.glob("*.2.base.*")
        assert library in base.read_bytes()


def test_data_of_a_module_is_told_of(tmp_path: Path) -> None:
    number = sum(25 << (58 - 6 * i) for i in range(9))
    module = b"\xf7\x81" + number.to_bytes(8, "big") + b"\x02\x02\x05\x03abc\x00"
    content = b"REDIS0011" + module + b"\x00\x01k\x01v\xff" + bytes(8)
    (tmp_path / "dump.rdb").write_bytes(content)
    with FastredisServer(directory=tmp_path) as server:
        assert server.client().cmd("GET", "k") == b"v"
        assert "The file has data of the module 'ZZZZZZZZZ'" in server.log()


def test_a_reload_that_fails_ends_the_server(fresh_server: Fresh) -> None:
    server = fresh_server(check_exit=False)
    client = server.client()
    client.ok("SET", "k", "v")
    client.ok("SAVE")
    path = server.directory / "dump.rdb"
    path.write_bytes(path.read_bytes()[:-12])
    client.send("DEBUG", "RELOAD", "NOSAVE")
    with pytest.raises((ConnectionClosed, ConnectionError)):
        client.read()
    assert server.wait_exit() == 1


# --- The program that checks files -------------------------------------------------


def check(path: Path, *args: str) -> tuple[int, str]:
    """Run fastredis-check-rdb."""
    done = subprocess.run(
        [sys.executable, "-m", "fastredis.cli.check_rdb", *args, str(path)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_check_tells_what_is_there(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    client.ok("DEBUG", "POPULATE", 50)
    client.ok("SET", "a", "v", "EX", 1000)
    client.ok("SET", "b", "v", "PX", 1)
    assert not isinstance(client.cmd("HSET", "h", "f", "v"), Error)
    client.ok("SAVE")
    path = server.directory / "dump.rdb"
    code, told = check(path)
    assert code == 0
    for text in (
        "AUX FIELD redis-ver = '8.0.2'",
        "Checksum OK",
        "\\o/ RDB looks OK! \\o/",
        "[info] 53 keys read",
        "[info] 2 expires",
        "[info] 1 already expired",
    ):
        assert text in told
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-20])
    code, told = check(path)
    assert code == 1
    assert "--- RDB ERROR DETECTED ---" in told
    assert "Unexpected EOF reading RDB file" in told
    data[-2] ^= 1
    path.write_bytes(data)
    code, told = check(path)
    assert code == 1
    assert "Wrong RDB checksum" in told


def test_check_names_the_key_that_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "bad.rdb"
    path.write_bytes(b"REDIS0010\x00\x01k\x01v\x10\x03bad\x04what\xff" + bytes(8))
    code, told = check(path)
    assert code == 1
    assert "Reading key 'bad'" in told
    assert "Reading type 16 (hash-listpack)" in told
    assert "Hash listpack integrity check failed." in told
    assert "[info] 1 keys read" in told


def test_check_of_no_file(tmp_path: Path) -> None:
    assert check(tmp_path / "absent")[0] == 1
    assert check(tmp_path)[0] == 1
    code, told = check(tmp_path, "one", "more")
    assert code == 1
    assert told.startswith("Usage: fastredis-check-rdb")
    path = tmp_path / "empty"
    path.touch()
    assert check(path)[0] == 1
