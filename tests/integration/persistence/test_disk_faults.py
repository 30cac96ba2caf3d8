# SPDX-License-Identifier: BSD-3-Clause
"""The append-only file and snapshots on a disk that fails: see support.disk."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.client import ConnectionClosed, Error, RawClient
from support.disk import Disk
from support.server import FastredisServer
from support.wait import wait_until

INCREMENT = ".incr.aof"
MISCONF = "MISCONF Errors writing to the AOF file: "


class Case:
    """A server on a disk that fails."""

    def __init__(self, folder: Path) -> None:
        self.disk = Disk(folder)
        self.server: FastredisServer | None = None

    def start(self, **options: Any) -> RawClient:
        """Start the server, or start it again with other options."""
        if self.server is not None:
            self.server.kill()
        told = {"appendonly": "yes", "auto-aof-rewrite-percentage": 0, **options}
        self.server = FastredisServer(
            directory=self.disk.data, env=self.disk.env, check_exit=False, **told
        )
        return self.server.client()

    @property
    def data(self) -> Path:
        return self.disk.data

    @property
    def files(self) -> Path:
        return self.data / "appendonlydir"

    @property
    def log(self) -> str:
        assert self.server is not None
        return self.server.log()

    def increment(self) -> Path:
        """Return the increment that is being written."""
        numbered = self.files.glob("appendonly.aof.*" + INCREMENT)
        return max(numbered, key=lambda path: int(path.name.split(".")[2]))

    def kill(self) -> None:
        """End the server, and children, as the kernel does."""
        assert self.server is not None
        child = self.child()
        self.server.kill()
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def child(self) -> int:
        """Return the pid of the child; 0: there is none."""
        assert self.server is not None
        pid = self.server.pid
        try:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return int(found[0]) if found else 0

    def held_child(self, client: RawClient, command: str) -> int:
        """Start a child and have it wait when its file is written; return its pid."""
        name = "temp-" if command == "BGSAVE" else "temp-rewriteaof"
        self.disk.hold("fsync", name)
        assert not isinstance(client.cmd(command), Error)
        pid = self.child()
        assert pid
        wait_until(lambda: list(self.data.glob(f"{name}*{pid}.*")))
        return pid

    def named(self) -> set[str]:
        """Return the files that the manifest names, and the manifest."""
        path = self.files / "appendonly.aof.manifest"
        return {line.split()[1] for line in path.read_text().splitlines()} | {path.name}


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    if made.server is not None:
        made.kill()
    made.disk.heal()


def wait_no_child(client: RawClient) -> dict[str, str]:
    """Wait until a child has been taken note of."""

    def ended() -> dict[str, str] | None:
        told = client.info("persistence")
        is_busy = "1" in (
            told["aof_rewrite_in_progress"],
            told["rdb_bgsave_in_progress"],
        )
        return None if is_busy else told

    return wait_until(ended, 20)


# --- Writing -----------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("policy", ["everysec", "no"])
@pytest.mark.parametrize("can_cut", [True, False])
def test_a_full_disk_refuses_writes_until_there_is_room(
    case: Case, policy: str, number: int, can_cut: bool
) -> None:
    client = case.start(appendfsync=policy)
    client.cmd("RPUSH", "list", 0)
    if not can_cut:
        case.disk.fail("truncate", INCREMENT, errno.EIO)
    case.disk.fail("write", INCREMENT, number, case.increment().stat().st_size + 15)
    # it is in memory, and it waits
    assert client.cmd("RPUSH", "list", 1) == 2
    assert client.cmd("RPUSH", "list", 2) == MISCONF + os.strerror(number)
    assert client.cmd("PING") == MISCONF + os.strerror(number)
    assert client.cmd("LRANGE", "list", 0, -1) == [b"0", b"1"]
    told = client.info("persistence")
    assert told["aof_last_write_status"] == "err"
    assert int(told["aof_buffer_length"]) > 0
    case.disk.heal()
    wait_until(lambda: client.cmd("PING") == "PONG", 10)
    assert "AOF write error looks solved. The server can write again." in case.log
    assert client.cmd("RPUSH", "list", 3) == 3
    assert client.info("persistence")["aof_last_write_status"] == "ok"
    case.kill()
    client = case.start()
    assert client.cmd("LRANGE", "list", 0, -1) == [b"0", b"1", b"3"]
    assert "Truncating" not in case.log


def test_half_a_transaction_is_never_loaded(case: Case) -> None:
    client = case.start(appendfsync="no")
    client.cmd("RPUSH", "list", 0)
    case.disk.fail("truncate", INCREMENT, errno.EIO)
    begun = case.increment().stat().st_size
    case.disk.fail("write", INCREMENT, errno.ENOSPC, begun + 60)
    client.pipeline([("MULTI",), ("RPUSH", "list", 1), ("RPUSH", "list", 2), ("EXEC",)])
    assert case.increment().stat().st_size == begun + 60
    case.kill()
    case.disk.heal()
    client = case.start()
    assert client.cmd("LRANGE", "list", 0, -1) == [b"0"]
    assert case.increment().stat().st_size == begun
    assert "Truncating the AOF" in case.log


def test_a_transaction_is_completed_when_there_is_room(case: Case) -> None:
    client = case.start(appendfsync="no")
    client.cmd("RPUSH", "list", 0)
    case.disk.fail("truncate", INCREMENT, errno.EIO)
    begun = case.increment().stat().st_size
    for more in (5, 40, 70, 90):  # room for it comes little by little
        case.disk.heal()
        case.disk.fail("truncate", INCREMENT, errno.EIO)
        case.disk.fail("write", INCREMENT, errno.ENOSPC, begun + more)
        if more == 5:
            client.pipeline(
                [("MULTI",), ("RPUSH", "list", 1), ("RPUSH", "list", 2), ("EXEC",)]
            )
        wait_until(lambda size=begun + more: case.increment().stat().st_size == size)
    case.disk.heal()
    wait_until(lambda: client.cmd("PING") == "PONG", 10)
    case.kill()
    client = case.start(aof_load_truncated="no")
    assert client.cmd("LRANGE", "list", 0, -1) == [b"0", b"1", b"2"]


def test_what_was_queued_before_is_refused_too(case: Case) -> None:
    client = case.start(appendfsync="no")
    other = case.server.client()
    client.ok("MULTI")
    assert client.cmd("SET", "k", "v") == "QUEUED"
    case.disk.fail("write", INCREMENT, errno.ENOSPC)
    other.ok("SET", "other", 1)
    assert client.cmd("EXEC") == (
        "EXECABORT Transaction discarded because of: "
        "MISCONF Errors writing to the AOF file: No space left on device"
    )
    assert client.cmd("EXISTS", "k") == 0
    client.ok("MULTI")
    assert client.cmd("GET", "other") == "QUEUED"
    assert client.cmd("EXEC") == [b"1"]


def test_turning_it_off_ends_the_refusal(case: Case) -> None:
    client = case.start(appendfsync="no")
    case.disk.fail("write", INCREMENT, errno.ENOSPC)
    client.ok("SET", "k", 1)
    assert isinstance(client.cmd("SET", "k", 2), Error)
    client.ok("CONFIG", "SET", "appendonly", "no")
    client.ok("SET", "k", 3)
    assert "could not be written to the AOF file" in case.log
    case.disk.heal()
    client.ok("CONFIG", "SET", "appendonly", "yes")
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    case.kill()
    assert case.start().cmd("GET", "k") == b"3"


@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_always_ends_when_it_cannot_keep_its_promise(
    case: Case, operation: str
) -> None:
    client = case.start(appendfsync="always")
    assert client.cmd("INCR", "n") == 1
    case.disk.fail(operation, INCREMENT, errno.EIO)
    client.send("INCR", "n")
    assert client.read_all() == b""
    assert case.server.wait_exit() == 1
    assert {
        "write": "Can't recover from AOF write error when the AOF fsync policy is "
        "'always'. Exiting...",
        "fsync": "Can't persist AOF for fsync error when the AOF fsync policy is "
        "'always': Input/output error. Exiting...",
    }[operation] in case.log
    case.disk.heal()
    # what was written but never acknowledged may be there
    assert case.start().cmd("GET", "n") in (
        [b"1"] if operation == "write" else [b"1", b"2"]
    )


def test_fsync_that_fails_refuses_writes_and_then_all_is_written_anew(
    case: Case,
) -> None:
    client = case.start(appendfsync="everysec")
    case.disk.fail("fsync", INCREMENT, errno.EIO)
    client.ok("SET", "k", 1)
    refused = MISCONF + os.strerror(errno.EIO)
    wait_until(lambda: client.cmd("SET", "k", 2) == refused, 10)
    assert client.info("persistence")["aof_last_write_status"] == "err"
    case.disk.heal()
    wait_until(lambda: client.cmd("PING") == "PONG", 10)
    told = wait_until(
        lambda: (
            client.info("persistence")["aof_base_size"] != "0" and wait_no_child(client)
        ),
        10,
    )
    assert told["aof_last_write_status"] == "ok"
    wait_until(lambda: (case.files / "appendonly.aof.2.base.rdb").exists(), 10)
    client.ok("SET", "k", 3)


def test_all_clients_of_a_round_share_one_fsync(case: Case) -> None:
    client = case.start(appendfsync="always")
    clients = [case.server.client() for _ in range(30)]
    for one in clients:
        one.cmd("PING")
    before = case.disk.count("sync")
    client.send("DEBUG", "SLEEP", 0.5)  # meanwhile all of them ask
    for i, one in enumerate(clients):
        one.send("SET", f"k{i}", i)
    for one in clients:
        assert one.read() == "OK"
    assert client.read() == "OK"
    # a second round is possible, should one of them be late
    assert case.disk.count("sync") - before <= 3
    assert case.disk.synced(case.increment()) == case.increment().stat().st_size


def test_no_reply_precedes_the_fsync(case: Case) -> None:
    client = case.start(appendfsync="always")
    client.ok("SET", "k", 0)
    clients = [case.server.client() for _ in range(10)]
    blocked = case.server.client()
    blocked.send("BLPOP", "list", 0)
    wait_until(lambda: client.info("clients")["blocked_clients"] == "1")
    case.disk.kill("fsync", INCREMENT)
    client.send("DEBUG", "SLEEP", 0.3)
    for one in clients:
        one.send("RPUSH", "list", 1)
    for one in (*clients, blocked):
        assert one.read_all() == b""


# --- Rewriting ---------------------------------------------------------------------

# What a rewrite does, in order; the second manifest is written when it has ended.
STEPS = [
    ("fsync", "appendonly.aof.1.incr"),
    ("open", "appendonly.aof.2.incr"),
    ("open", "temp-appendonly.aof.manifest"),
    ("write", "temp-appendonly.aof.manifest"),
    ("fsync", "temp-appendonly.aof.manifest"),
    ("rename", "appendonly.aof.manifest"),
    ("fsync", "appendonlydir"),
    ("open", "temp-rewriteaof"),
    ("write", "temp-rewriteaof"),
    ("fsync", "temp-rewriteaof"),
    ("rename", "appendonly.aof.2.base"),
]
LATE_STEPS = [
    ("open", "temp-appendonly.aof.manifest"),
    ("write", "temp-appendonly.aof.manifest"),
    ("fsync", "temp-appendonly.aof.manifest"),
    ("rename", "appendonly.aof.manifest"),
    ("fsync", "appendonlydir"),
]
ALL_STEPS = [(*step, False) for step in STEPS] + [(*step, True) for step in LATE_STEPS]


def expected(n: int) -> list[bytes]:
    return [str(i).encode() for i in range(n)]


@pytest.mark.parametrize(("operation", "name", "is_late"), ALL_STEPS)
def test_a_rewrite_that_fails_changes_nothing(
    case: Case, operation: str, name: str, is_late: bool
) -> None:
    preamble = "no" if operation in ("write", "fsync") else "yes"
    client = case.start(appendfsync="everysec", aof_use_rdb_preamble=preamble)
    client.cmd("RPUSH", "list", 0)
    if is_late:
        case.held_child(client, "BGREWRITEAOF")
    case.disk.fail(operation, name, errno.EIO)
    client.cmd("RPUSH", "list", 1)
    if is_late:
        case.disk.release()
    else:
        client.cmd("BGREWRITEAOF")
    told = wait_no_child(client)
    is_done = is_late and name == "appendonlydir"  # only it might not outlive the power
    assert told["aof_last_bgrewrite_status"] == ("ok" if is_done else "err")
    assert case.disk.count("fault") >= 1
    # what was there stays, and is gone on with
    if operation == "fsync" and INCREMENT[:5] in name:
        case.disk.heal()
        wait_until(lambda: client.cmd("PING") == "PONG", 10)
    assert client.cmd("RPUSH", "list", 2) == 3
    case.kill()
    case.disk.heal()
    client = case.start(aof_load_truncated="no", aof_use_rdb_preamble=preamble)
    assert client.cmd("LRANGE", "list", 0, -1) == expected(3)
    # the next rewrite leaves nothing behind
    client.cmd("BGREWRITEAOF")
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    assert client.cmd("RPUSH", "list", 3) == 4
    assert {path.name for path in case.files.iterdir()} == case.named()
    assert not list(case.data.glob("temp-*"))
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(4)


@pytest.mark.parametrize("after", [False, True], ids=["in its midst", "after it"])
@pytest.mark.parametrize(("operation", "name", "is_late"), ALL_STEPS)
def test_a_server_that_dies_in_a_rewrite_has_lost_nothing(
    case: Case, operation: str, name: str, is_late: bool, after: bool
) -> None:
    client = case.start(appendfsync="always")
    client.cmd("RPUSH", "list", 0)
    if is_late:
        case.held_child(client, "BGREWRITEAOF")
    if "1.incr" in name:
        client.ok("CONFIG", "SET", "appendfsync", "no")
    client.cmd("RPUSH", "list", 1)
    case.disk.kill(operation, name, after=after)
    if is_late:
        case.disk.release()
    else:
        client.send("BGREWRITEAOF")
    if "temp-rewriteaof" in name:  # it is the child that dies
        client.read()
        assert wait_no_child(client)["aof_last_bgrewrite_status"] == "err"
        assert not list(case.data.glob("temp-*"))
        client.cmd("RPUSH", "list", 2)
        case.kill()
    else:
        assert case.server.wait_exit() == -signal.SIGKILL
    case.disk.heal()
    client = case.start(aof_load_truncated="no")
    n = 3 if "temp-rewriteaof" in name else 2
    assert client.cmd("LRANGE", "list", 0, -1) == expected(n)
    client.cmd("BGREWRITEAOF")
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    client.cmd("RPUSH", "list", n)
    assert {path.name for path in case.files.iterdir()} == case.named()
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(n + 1)


TURN_STEPS = [
    ("open", "temp-appendonly.aof.incr"),
    ("write", "temp-rewriteaof"),
    ("rename", "appendonly.aof.2.base"),
    ("rename", "appendonly.aof.2.incr"),
    ("rename", "appendonly.aof.manifest"),
    ("fsync", "temp-appendonly.aof.manifest"),
]


@pytest.mark.parametrize(("operation", "name"), TURN_STEPS)
def test_turning_it_on_is_tried_again(case: Case, operation: str, name: str) -> None:
    client = case.start(appendfsync="everysec")
    client.cmd("RPUSH", "list", 0)
    client.ok("CONFIG", "SET", "appendonly", "no")
    client.cmd("RPUSH", "list", 1)
    case.disk.fail(operation, name, errno.EIO)
    reply = client.cmd("CONFIG", "SET", "appendonly", "yes")
    if operation == "open":
        assert "Unable to turn on AOF" in str(reply)
        assert client.config("appendonly") == "no"
        case.disk.heal()
        client.ok("CONFIG", "SET", "appendonly", "yes")
    else:
        assert reply == "OK"
        wait_until(lambda: "err" in client.info()["aof_last_bgrewrite_status"], 10)
        case.disk.heal()
    client.cmd("RPUSH", "list", 2)

    def is_on() -> bool:
        if "repeatedly failed" in case.log:
            client.cmd("BGREWRITEAOF")  # else it is tried in a minute
        return (
            client.info()["aof_rewrite_scheduled"] == "0"
            and wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
        )

    wait_until(is_on, 20)
    client.cmd("RPUSH", "list", 3)
    case.kill()
    assert {path.name for path in case.files.iterdir()} == case.named()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(4)


# --- Snapshots ---------------------------------------------------------------------

SAVE_STEPS = [
    ("open", "temp-"),
    ("write", "temp-"),
    ("fsync", "temp-"),
    ("rename", "dump.rdb"),
]


@pytest.mark.parametrize("command", ["SAVE", "BGSAVE"])
@pytest.mark.parametrize(("operation", "name"), SAVE_STEPS)
@pytest.mark.parametrize("limit", [0, 70])
def test_a_snapshot_that_fails_leaves_the_one_before(
    case: Case, command: str, operation: str, name: str, limit: int
) -> None:
    client = case.start(appendonly="no", save="3600 100000")
    client.ok("SET", "k", "old")
    client.ok("SAVE")
    before = (case.data / "dump.rdb").read_bytes()
    client.ok("SET", "k", "new")
    case.disk.fail(operation, name, errno.ENOSPC, limit)
    reply = client.cmd(command)
    if command == "SAVE":
        assert isinstance(reply, Error)
    else:
        assert reply == "Background saving started"
        assert wait_no_child(client)["rdb_last_bgsave_status"] == "err"
        assert client.cmd("SET", "k", "more").startswith("MISCONF")
    assert (case.data / "dump.rdb").read_bytes() == before
    assert not list(case.data.glob("temp-*"))
    assert os.strerror(errno.ENOSPC) in case.log
    case.disk.heal()
    client.ok("SAVE")
    client.ok("SET", "l", "w")
    case.kill()
    client = case.start(appendonly="no")
    assert client.cmd("MGET", "k", "l") == [b"new", None]


def test_a_snapshot_whose_name_is_not_durable_has_failed(case: Case) -> None:
    client = case.start(appendonly="no")
    client.ok("SET", "k", "v")
    case.disk.fail("fsync", "data", errno.EIO)
    assert isinstance(client.cmd("SAVE"), Error)
    case.disk.heal()
    client.ok("SAVE")


@pytest.mark.parametrize("after", [False, True], ids=["in its midst", "after it"])
@pytest.mark.parametrize(("operation", "name"), SAVE_STEPS)
def test_a_server_that_dies_while_it_saves(
    case: Case, operation: str, name: str, after: bool
) -> None:
    client = case.start(appendonly="no")
    client.ok("SET", "k", "old")
    client.ok("SAVE")
    client.ok("SET", "k", "new")
    case.disk.kill(operation, name, after=after)
    client.send("SAVE")
    assert case.server.wait_exit() == -signal.SIGKILL
    case.disk.heal()
    is_new = operation == "rename" and after
    assert case.start(appendonly="no").cmd("GET", "k") == (b"new" if is_new else b"old")


# --- Children, ends and leftovers --------------------------------------------------


@pytest.mark.parametrize("command", ["BGSAVE", "BGREWRITEAOF"])
def test_a_child_that_is_killed_leaves_nothing(case: Case, command: str) -> None:
    client = case.start()
    client.cmd("RPUSH", "list", 0)
    os.kill(case.held_child(client, command), signal.SIGKILL)
    case.disk.release()
    told = wait_no_child(client)
    is_save = command == "BGSAVE"
    assert told["rdb_last_bgsave_status"] == ("err" if is_save else "ok")
    assert told["aof_last_bgrewrite_status"] == ("ok" if is_save else "err")
    assert not list(case.data.glob("temp-*"))
    client.ok("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    client.cmd("RPUSH", "list", 1)
    assert not isinstance(client.cmd(command), Error)
    wait_no_child(client)
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(2)


@pytest.mark.parametrize("command", ["BGSAVE", "BGREWRITEAOF"])
def test_a_child_whose_server_was_killed_comes_to_nothing(
    case: Case, command: str
) -> None:
    client = case.start()
    client.ok("SET", "k", "old")
    child = case.held_child(client, command)
    (temp,) = case.data.glob("temp-*")
    case.disk.hold("fsync", f"={temp.name}")
    case.server.kill()
    client = case.start()
    client.ok("SET", "k", "new")
    client.ok("SAVE")
    before = (case.data / "dump.rdb").read_bytes()
    case.disk.release()
    wait_until(lambda: not Path(f"/proc/{child}").exists() or _is_zombie(child), 20)
    assert (case.data / "dump.rdb").read_bytes() == before
    assert not list(case.data.glob("temp-*"))
    client.cmd("BGREWRITEAOF")
    wait_no_child(client)
    case.kill()
    assert case.start().cmd("GET", "k") == b"new"


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    return True


def test_a_server_that_is_told_to_end_ends_the_rewrite(case: Case) -> None:
    client = case.start()
    client.cmd("RPUSH", "list", 0)
    case.held_child(client, "BGREWRITEAOF")
    client.cmd("RPUSH", "list", 1)
    os.kill(case.server.pid, signal.SIGTERM)
    assert case.server.wait_exit() == 0
    assert "There is a child rewriting the AOF. Killing it!" in case.log
    assert not list(case.data.glob("temp-*"))
    assert {path.name for path in case.files.iterdir()} == case.named()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(2)


def test_a_server_whose_first_base_is_being_written_does_not_end(case: Case) -> None:
    client = case.start(appendonly="no")
    client.cmd("RPUSH", "list", 0)
    case.disk.hold("fsync", "temp-rewriteaof")
    client.ok("CONFIG", "SET", "appendonly", "yes")
    assert str(client.cmd("SHUTDOWN")).startswith("ERR Errors trying to SHUTDOWN")
    assert "Writing initial AOF, can't exit." in case.log
    case.disk.release()
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    client.send("SHUTDOWN")
    assert case.server.wait_exit() == 0
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(1)


def test_leftovers_do_not_matter(case: Case) -> None:
    client = case.start()
    client.cmd("RPUSH", "list", 0)
    case.kill()
    garbage = b"*1\r\n$8\r\nFLUSHALL\r\nand more"
    for name in (
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.2.base.rdb",
        "temp-appendonly.aof.incr.aof",
        "temp-appendonly.aof.manifest",
    ):
        (case.files / name).write_bytes(garbage)
    for name in ("temp-1.rdb", "temp-rewriteaof-bg-1.aof"):
        (case.data / name).write_bytes(garbage)
    history = case.files / "appendonly.aof.0.incr.aof"
    history.write_bytes(garbage)
    manifest = case.files / "appendonly.aof.manifest"
    lines = manifest.read_text()
    manifest.write_text(lines + f"file {history.name} seq 1 type h\n")
    client = case.start()
    wait_until(lambda: not history.exists())
    assert client.cmd("LRANGE", "list", 0, -1) == expected(1)
    client.cmd("BGREWRITEAOF")
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    client.cmd("RPUSH", "list", 1)
    client.ok("CONFIG", "SET", "appendonly", "no")
    client.ok("CONFIG", "SET", "appendonly", "yes")
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(2)


def test_history_that_bears_the_name_of_the_increment_is_not_removed(
    case: Case,
) -> None:
    client = case.start(aof_disable_auto_gc="yes")
    client.cmd("RPUSH", "list", 0)
    client.ok("CONFIG", "SET", "appendonly", "no")
    client.cmd("BGREWRITEAOF")  # numbers of increments begin anew
    wait_no_child(client)
    client.ok("CONFIG", "SET", "appendonly", "yes")
    wait_no_child(client)
    client.cmd("RPUSH", "list", 1)
    client.ok("CONFIG", "SET", "aof-disable-auto-gc", "no")
    client.cmd("RPUSH", "list", 2)
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(3)


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("mkdir", "appendonlydir"),
        ("write", "temp-appendonly.aof.manifest"),
        ("rename", "appendonly.aof.manifest"),
        ("rename", "=appendonly.aof"),
        ("open", "appendonly.aof.1.incr"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["in its midst", "after it"])
def test_the_old_layout_is_moved_however_often_that_is_interrupted(
    case: Case, operation: str, name: str, after: bool
) -> None:
    client = case.start()
    client.cmd("RPUSH", "list", 0, 1)
    case.kill()
    content = case.increment().read_bytes()
    for path in case.files.iterdir():
        path.unlink()
    case.files.rmdir()
    (case.data / "appendonly.aof").write_bytes(content)
    case.disk.kill(operation, name, after=after)
    with pytest.raises(AssertionError, match="exited with -9"):
        case.start()
    case.disk.heal()
    client = case.start()
    assert client.cmd("LRANGE", "list", 0, -1) == expected(2)
    client.cmd("RPUSH", "list", 2)
    client.cmd("BGREWRITEAOF")
    assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(3)
    assert not (case.data / "appendonly.aof").exists()


def test_traffic_while_it_is_turned_off_and_on(case: Case) -> None:
    client = case.start(appendfsync="everysec")
    has_ended = threading.Event()
    counts: list[int] = []

    def push(one: RawClient) -> None:
        n = 0
        while not has_ended.is_set():
            n = one.cmd("RPUSH", "list", n)
        counts.append(n)

    thread = threading.Thread(target=push, args=(case.server.client(),), daemon=True)
    thread.start()
    for _ in range(5):
        client.ok("CONFIG", "SET", "appendonly", "no")
        client.ok("CONFIG", "SET", "appendonly", "yes")
        assert wait_no_child(client)["aof_last_bgrewrite_status"] == "ok"
    has_ended.set()
    thread.join(20)
    case.kill()
    client = case.start(aof_load_truncated="no")
    assert client.cmd("LRANGE", "list", 0, -1) == expected(counts[0])


# --- In the middle of a transaction --------------------------------------------------


def test_turned_off_within_a_transaction_nothing_of_it_is_written(case: Case) -> None:
    client = case.start()
    client.cmd("RPUSH", "list", 0)
    replies = client.pipeline(
        [
            ("MULTI",),
            ("RPUSH", "list", 1),
            ("CONFIG", "SET", "appendonly", "no"),
            ("RPUSH", "list", 2),
            ("EXEC",),
        ]
    )
    assert replies[-1] == [2, "OK", 3]
    case.kill()
    assert case.start().cmd("LRANGE", "list", 0, -1) == expected(1)


def test_a_connection_that_ends_is_no_error(case: Case) -> None:
    """What was read before the end of a client is written down like the rest."""
    client = case.start(appendfsync="always")
    other = case.server.client()
    other.send("RPUSH", "list", 0)
    other.close()
    wait_until(lambda: client.cmd("LLEN", "list") == 1)
    case.kill()
    with contextlib.suppress(ConnectionClosed):
        client.close()
    assert case.start().cmd("LLEN", "list") == 1
