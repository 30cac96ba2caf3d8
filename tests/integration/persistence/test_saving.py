# SPDX-License-Identifier: BSD-3-Clause
"""When a server saves by itself, and what it does when it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.client import RawClient
from support.server import FastredisServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

HOLD = "10000000"  # us for each key: long enough to look at the child


def status(client: RawClient) -> dict[str, str]:
    return client.info("persistence")


def child_of(server: FastredisServer) -> int:
    """Return the pid of the child that saves."""
    path = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    return int(wait_until(lambda: path.read_text().split())[0])


def wait_no_child(client: RawClient) -> dict[str, str]:
    wait_until(lambda: status(client)["rdb_bgsave_in_progress"] == "0", 20)
    return status(client)


def held_child(server: FastredisServer) -> tuple[RawClient, int]:
    """Start a child that stays at its first key."""
    client = server.client()
    client.ok("CONFIG", "SET", "rdb-key-save-delay", HOLD)
    client.ok("SET", "k", "v")
    assert client.cmd("BGSAVE") == "Background saving started"
    return client, child_of(server)


# --- Save points -------------------------------------------------------------------


def test_a_save_point_is_reached(fresh_server: Fresh) -> None:
    server = fresh_server(save="1 3")
    client = server.client()
    client.pipeline([("SET", f"k{i}", "v") for i in range(3)])
    path = server.directory / "dump.rdb"
    wait_until(path.exists, 10)
    told = wait_no_child(client)
    assert told["rdb_changes_since_last_save"] == "0"
    assert "3 changes in 1 seconds. Saving..." in server.log()


def test_too_few_changes_are_not_saved(fresh_server: Fresh) -> None:
    server = fresh_server(save=["1", "3", "2", "2"])
    client = server.client()
    client.ok("SET", "k", "v")
    # the second save point is reached with one more, after two seconds
    wait_until(lambda: time.time() - client.cmd("LASTSAVE") > 3, 10)
    assert not (server.directory / "dump.rdb").exists()
    client.ok("SET", "k", "w")
    wait_until((server.directory / "dump.rdb").exists, 10)
    assert "2 changes in 2 seconds. Saving..." in server.log()


# --- At the end --------------------------------------------------------------------


def end(server: FastredisServer, how: list[str]) -> None:
    """End a server by SIGTERM, or by SHUTDOWN with options."""
    if how == ["SIGTERM"]:
        os.kill(server.pid, signal.SIGTERM)
    else:
        client = server.client()
        client.send(*how)
        assert client.read_all() == b""
    assert server.wait_exit() == 0


@pytest.mark.parametrize(
    ("save", "how", "is_saved"),
    [
        ("3600 1", ["SIGTERM"], True),
        ("3600 1", ["SHUTDOWN"], True),
        ("3600 1", ["SHUTDOWN", "NOSAVE"], False),
        ("", ["SIGTERM"], False),
        ("", ["SHUTDOWN"], False),
        ("", ["SHUTDOWN", "SAVE"], True),
        ("", ["SHUTDOWN", "SAVE", "NOW", "FORCE"], True),
    ],
)
def test_saves_at_the_end(
    fresh_server: Fresh, save: str, how: list[str], is_saved: bool
) -> None:
    server = fresh_server(save=save)
    server.client().ok("SET", "k", "v")
    end(server, how)
    assert (server.directory / "dump.rdb").exists() == is_saved
    assert ("Saving the final RDB snapshot before exiting." in server.log()) == is_saved
    server.start()
    assert server.client().cmd("GET", "k") == (b"v" if is_saved else None)


@pytest.mark.parametrize(("option", "is_saved"), [("save", True), ("nosave", False)])
def test_what_a_signal_asks_for(
    fresh_server: Fresh, option: str, is_saved: bool
) -> None:
    save = "" if is_saved else "3600 1"
    server = fresh_server(save=save, shutdown_on_sigterm=option)
    server.client().ok("SET", "k", "v")
    end(server, ["SIGTERM"])
    assert (server.directory / "dump.rdb").exists() == is_saved


def test_a_child_that_saves_is_ended_first(fresh_server: Fresh) -> None:
    server = fresh_server()
    _, pid = held_child(server)
    end(server, ["SHUTDOWN", "NOSAVE"])
    assert not Path(f"/proc/{pid}").exists()
    assert "There is a child saving an .rdb. Killing it!" in server.log()
    assert not list(server.directory.glob("temp-*.rdb"))


def test_a_second_interrupt_ends_it_at_once(fresh_server: Fresh) -> None:
    server = fresh_server(save="3600 1", check_exit=False)
    client = server.client()
    client.pipeline([("SET", f"k{i}", "v") for i in range(100)])
    client.ok("CONFIG", "SET", "rdb-key-save-delay", 100_000)
    os.kill(server.pid, signal.SIGINT)
    temp = server.directory / f"temp-{server.pid}.rdb"
    wait_until(temp.exists, 10)
    os.kill(server.pid, signal.SIGINT)
    assert server.wait_exit(5) == 1
    assert not temp.exists()
    assert not (server.directory / "dump.rdb").exists()


def test_it_does_not_end_if_it_cannot_save(fresh_server: Fresh) -> None:
    server = fresh_server(save="3600 1")
    client = server.client()
    client.ok("SET", "k", "v")
    (server.directory / "dump.rdb").mkdir()
    assert client.cmd("SHUTDOWN") == "ERR Errors trying to SHUTDOWN. Check logs."
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: "Errors trying to shut down the server" in server.log())
    assert client.cmd("GET", "k") == b"v"
    assert "Error trying to save the DB, can't exit" in server.log()
    client.send("SHUTDOWN", "FORCE")
    assert client.read_all() == b""
    assert server.wait_exit() == 0


# --- The child ---------------------------------------------------------------------


def test_the_child_has_nothing_open_and_its_own_title(fresh_server: Fresh) -> None:
    server = fresh_server()
    client, pid = held_child(server)
    other = server.client()
    other.cmd("PING")
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= 5)
    assert "rdb-bgsave" in Path(f"/proc/{pid}/cmdline").read_text()
    # so that a client notices at once when the server hangs up on it
    ident = other.cmd("CLIENT", "ID")
    assert client.cmd("CLIENT", "KILL", "ID", ident) == 1
    other.sock.settimeout(5)
    assert other.sock.recv(1) == b""
    assert isinstance(other.sock, socket.socket)
    assert client.cmd("BGSAVE", "CANCEL") == "Background saving cancelled"
    wait_no_child(client)


def test_a_child_that_is_killed_keeps_the_old_file_and_stops_writes(
    fresh_server: Fresh,
) -> None:
    server = fresh_server(save="3600 1000")
    client = server.client()
    client.ok("SET", "k", "old")
    client.ok("SAVE")
    before = (server.directory / "dump.rdb").read_bytes()
    client, pid = held_child(server)
    os.kill(pid, signal.SIGKILL)
    told = wait_no_child(client)
    assert told["rdb_last_bgsave_status"] == "err"
    assert int(told["rdb_changes_since_last_save"]) > 0
    assert "Background saving terminated by signal 9" in server.log()
    assert (server.directory / "dump.rdb").read_bytes() == before
    assert not list(server.directory.glob("temp-*.rdb"))
    misconf = "MISCONF Redis is configured to save RDB snapshots, but it's currently"
    assert str(client.cmd("SET", "k", "x")).startswith(misconf)
    assert str(client.cmd("PING")).startswith(misconf)
    assert client.cmd("GET", "k") == b"v"
    client.ok("MULTI")
    assert str(client.cmd("SET", "k", "x")).startswith(misconf)
    assert str(client.cmd("EXEC")).startswith("EXECABORT")
    # each of these lets writes through again
    client.ok("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    client.ok("SET", "k", "x")
    client.ok("CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    assert str(client.cmd("SET", "k", "x")).startswith(misconf)
    client.ok("CONFIG", "SET", "save", "")
    client.ok("SET", "k", "x")
    client.ok("CONFIG", "SET", "save", "3600 1000")
    assert str(client.cmd("SET", "k", "x")).startswith(misconf)
    client.ok("CONFIG", "SET", "rdb-key-save-delay", 0)
    assert client.cmd("BGSAVE") == "Background saving started"
    assert wait_no_child(client)["rdb_last_bgsave_status"] == "ok"
    client.ok("SET", "k", "x")


def test_sigusr1_ends_a_child_without_a_failure(fresh_server: Fresh) -> None:
    server = fresh_server(save="3600 1000")
    client, pid = held_child(server)
    os.kill(pid, signal.SIGUSR1)
    assert wait_no_child(client)["rdb_last_bgsave_status"] == "ok"
    client.ok("SET", "k", "x")
    client.ok("CONFIG", "SET", "rdb-key-save-delay", 0)


def test_an_interrupt_does_not_reach_the_child(fresh_server: Fresh) -> None:
    server = fresh_server()
    client, pid = held_child(server)
    os.kill(pid, signal.SIGINT)
    assert client.cmd("PING") == "PONG"
    assert status(client)["rdb_bgsave_in_progress"] == "1"
    os.kill(pid, signal.SIGTERM)
    assert wait_no_child(client)["rdb_last_bgsave_status"] == "err"
    assert server.alive


def test_memory_and_progress_are_told_while_it_saves(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    client.ok("DEBUG", "POPULATE", 300, "key", 5000)
    client.ok("CONFIG", "SET", "rdb-key-save-delay", 10000)
    assert client.cmd("BGSAVE") == "Background saving started"
    for i in range(300):
        client.cmd("SETRANGE", f"key:{i}", 10, "x" * 4000)
    told = wait_until(
        lambda: int((t := status(client))["current_save_keys_processed"]) > 0 and t, 10
    )
    assert told["current_save_keys_total"] == "300"
    assert 0 < float(told["current_fork_perc"]) < 100
    assert int(told["current_cow_size"]) > 100_000
    assert int(told["current_cow_peak"]) >= int(told["current_cow_size"])
    client.ok("CONFIG", "SET", "rdb-key-save-delay", 0)
    told = wait_no_child(client)
    assert int(told["rdb_last_cow_size"]) > 100_000
    assert told["current_save_keys_processed"] == "0"


# --- Where it cannot write ---------------------------------------------------------


def test_a_name_that_is_taken(fresh_server: Fresh) -> None:
    server = fresh_server(save="3600 1000")
    client = server.client()
    (server.directory / "dump.rdb").mkdir()
    assert client.cmd("SAVE") == "ERR"
    assert "Error moving temp DB file" in server.log()
    assert not list(server.directory.glob("temp-*.rdb"))
    assert client.cmd("BGSAVE") == "Background saving started"
    assert wait_no_child(client)["rdb_last_bgsave_status"] == "err"
    assert "Background saving error" in server.log()
    assert str(client.cmd("SET", "k", "v")).startswith("MISCONF")
    (server.directory / "dump.rdb").rmdir()
    client.ok("SAVE")
    client.ok("SET", "k", "v")


def test_a_folder_that_is_gone(fresh_server: Fresh, tmp_path: Path) -> None:
    server = fresh_server(enable_protected_configs="yes")
    client = server.client()
    folder = tmp_path / "data"
    folder.mkdir()
    client.ok("CONFIG", "SET", "dir", str(folder))
    folder.rmdir()
    assert client.cmd("SAVE") == "ERR"
    log = server.log()
    assert "Failed opening the temp RDB file" in log
    assert "No such file or directory" in log
    client.ok("CONFIG", "SET", "dir", str(tmp_path))
    client.ok("SAVE")
    assert (tmp_path / "dump.rdb").exists()


def test_no_room_for_the_file(fresh_server: Fresh) -> None:
    """A limit on the size of files, as a full disk, keeps the old one in place."""
    server = fresh_server(limits={"RLIMIT_FSIZE": 100_000}, rdbcompression="no")
    client = server.client()
    client.ok("SET", "k", "v")
    client.ok("SAVE")
    before = (server.directory / "dump.rdb").read_bytes()
    client.ok("SET", "large", b"x" * 1_000_000)
    assert client.cmd("SAVE") == "ERR"
    assert client.cmd("BGSAVE") == "Background saving started"
    assert wait_no_child(client)["rdb_last_bgsave_status"] == "err"
    assert "Write error saving DB on disk: File too large" in server.log()
    assert (server.directory / "dump.rdb").read_bytes() == before
    assert not list(server.directory.glob("temp-*.rdb"))


def test_no_process_for_it(fresh_server: Fresh) -> None:
    if os.geteuid() == 0:
        pytest.skip("limits on processes do not bind root")
    server = fresh_server(limits={"RLIMIT_NPROC": 1})
    client = server.client()
    assert client.cmd("BGSAVE") == "ERR"
    assert status(client)["rdb_last_bgsave_status"] == "err"
    assert "Can't save in background: fork" in server.log()


# --- Files of its own --------------------------------------------------------------


def test_names_and_folders_can_be_changed(fresh_server: Fresh, tmp_path: Path) -> None:
    server = fresh_server(enable_protected_configs="yes", dbfilename="first.rdb")
    client = server.client()
    client.ok("SET", "k", "v")
    client.ok("SAVE")
    client.ok("CONFIG", "SET", "dbfilename", "second.rdb", "dir", str(tmp_path))
    client.ok("SET", "k", "w")
    client.ok("SAVE")
    shutil.copy(tmp_path / "second.rdb", server.directory / "first.rdb")
    server.restart()
    assert server.client().cmd("GET", "k") == b"w"
