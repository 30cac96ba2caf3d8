# SPDX-License-Identifier: BSD-3-Clause
"""What a replica is sent, read off the wire by one that is nothing but a socket."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from support.client import RawClient
from support.server import FastredisServer
from support.wait import wait_until

NO_DELAY = {"repl-diskless-sync-delay": 0}


class Replica:
    """A client that speaks as a replica does."""

    def __init__(self, server: FastredisServer, *capabilities: str) -> None:
        self.client: RawClient = server.client(timeout=20)
        for word in capabilities:
            assert self.client.cmd("REPLCONF", "capa", word) == "OK"
        self.replid = ""
        self.offset = 0
        self.rdb = b""

    def line(self) -> bytes:
        """Read a line, passing over the empty ones that keep a connection alive."""
        while not (line := self.client.read_until(b"\n").strip()):
            pass
        return line

    def full(self, replid: str = "?", offset: int = -1) -> None:
        """Ask for synchronization, and take the snapshot that comes."""
        self.client.send("PSYNC", replid, offset)
        word, found, number = self.line().decode().split()
        assert word == "+FULLRESYNC"
        self.replid, self.offset = found, int(number)
        self.read_snapshot()

    def read_snapshot(self) -> None:
        head = self.line()
        if head.startswith(b"$EOF:"):
            mark = head[5:]
            assert len(mark) == 40
            self.rdb = self.client.read_until(mark)[:-40]
            self.ack()
        else:
            self.rdb = self.client.read_raw(int(head[1:]))
        assert self.rdb[:5] == b"REDIS"

    def ack(self) -> None:
        self.client.send("REPLCONF", "ACK", self.offset)

    def next(self) -> list[bytes]:
        """Return the next request of the stream."""
        text = self.line_counted()
        args = []
        assert text[:1] == b"*", text
        for _ in range(int(text[1:])):
            head = self.line_counted()
            args.append(self.client.read_raw(int(head[1:])))
            assert self.client.read_raw(2) == b"\r\n"
            self.offset += len(args[-1]) + 2
        return args

    def next_but_ping(self) -> list[bytes]:
        while (request := self.next()) in ([b"PING"], [b"REPLCONF", b"GETACK", b"*"]):
            if request != [b"PING"]:
                self.ack()
        return request

    def line_counted(self) -> bytes:
        line = self.client.read_until(b"\n")
        self.offset += len(line)
        return line.strip()


@pytest.fixture
def primary(fresh_server: Callable[..., FastredisServer]) -> FastredisServer:
    return fresh_server(**NO_DELAY)


@pytest.mark.parametrize("capabilities", [("eof", "psync2"), ("psync2",), ()])
def test_full_resynchronization(
    primary: FastredisServer, capabilities: tuple[str, ...]
) -> None:
    client = primary.client()
    client.ok("SET", "before", "1")
    replica = Replica(primary, *capabilities)
    replica.full()
    info = client.info("replication")
    assert replica.replid == info["master_replid"]
    assert b"before" in replica.rdb
    assert b"repl-id" in replica.rdb
    client.ok("SET", "after", "2")
    assert replica.next_but_ping() == [b"SELECT", b"0"]
    assert replica.next_but_ping() == [b"SET", b"after", b"2"]
    assert client.info("replication")["connected_slaves"] == "1"
    assert client.info("stats")["sync_full"] == "1"


def test_an_old_replica_is_sent_no_answer_but_the_data(
    primary: FastredisServer,
) -> None:
    primary.client().ok("SET", "before", "1")
    replica = Replica(primary)
    replica.client.send("SYNC")
    replica.read_snapshot()
    assert b"before" in replica.rdb
    primary.client().ok("SET", "after", "2")
    assert replica.next_but_ping() == [b"SELECT", b"0"]
    assert replica.next_but_ping() == [b"SET", b"after", b"2"]


def test_the_stream_names_databases_transactions_and_deletions(
    primary: FastredisServer,
) -> None:
    replica = Replica(primary, "eof", "psync2")
    replica.full()
    client = primary.client()
    client.ok("SELECT", 3)
    client.ok("SET", "k", "v", "PX", 30)
    assert replica.next_but_ping() == [b"SELECT", b"3"]
    request = replica.next_but_ping()
    assert request[:3] == [b"SET", b"k", b"v"]
    assert request[3].upper() == b"PXAT"
    assert replica.next_but_ping() in ([b"DEL", b"k"], [b"UNLINK", b"k"])
    client.ok("MULTI")
    client.cmd("SET", "a", "1")
    client.cmd("SET", "b", "2")
    client.cmd("EXEC")
    found = [replica.next_but_ping() for _ in range(4)]
    assert found == [
        [b"MULTI"], [b"SET", b"a", b"1"], [b"SET", b"b", b"2"], [b"EXEC"],
    ]  # fmt: skip


def test_times_are_for_the_file_alone(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    primary = fresh_server(
        appendonly=True, **{"aof-timestamp-enabled": True}, **NO_DELAY
    )
    replica = Replica(primary, "eof", "psync2")
    replica.full()
    primary.client().ok("SET", "k", "v")
    assert replica.next_but_ping() == [b"SELECT", b"0"]
    assert replica.next_but_ping() == [b"SET", b"k", b"v"]
    folder = primary.directory / "appendonlydir"
    text = b"".join(path.read_bytes() for path in folder.glob("*.incr.aof"))
    assert text.startswith(b"#TS:")
    assert text.endswith(b"SET\r\n$1\r\nk\r\n$1\r\nv\r\n")


def test_partial_resynchronization(primary: FastredisServer) -> None:
    client = primary.client()
    first = Replica(primary, "eof", "psync2")
    first.full()
    client.ok("SET", "a", "1")
    assert first.next_but_ping() == [b"SELECT", b"0"]
    assert first.next_but_ping() == [b"SET", b"a", b"1"]
    assert client.cmd("CLIENT", "KILL", "TYPE", "replica") == 1
    assert first.client.is_closed()
    client.ok("SET", "b", "2")
    second = Replica(primary, "eof", "psync2")
    second.offset = first.offset
    second.client.send("PSYNC", first.replid, first.offset + 1)
    assert second.line() == b"+CONTINUE " + first.replid.encode()
    assert second.next_but_ping() == [b"SET", b"b", b"2"]
    plain = Replica(primary)
    plain.client.send("PSYNC", first.replid, first.offset + 1)
    assert plain.line() == b"+CONTINUE"
    stats = client.info("stats")
    assert (stats["sync_full"], stats["sync_partial_ok"]) == ("1", "2")


def test_what_is_not_kept_needs_a_full_resynchronization(
    primary: FastredisServer,
) -> None:
    client = primary.client()
    client.ok("CONFIG", "SET", "repl-backlog-size", "16384")
    first = Replica(primary, "eof", "psync2")
    first.full()
    replid, offset = first.replid, first.offset
    first.client.close()
    for i in range(10):
        client.ok("SET", f"k{i}", "x" * 10000)
    info = client.info("replication")
    assert int(info["repl_backlog_first_byte_offset"]) > offset + 1
    assert 16384 <= int(info["repl_backlog_histlen"]) < 16384 * 4
    for wanted in (
        (replid, offset + 1),
        (replid, int(info["master_repl_offset"]) + 1000),
        ("f" * 40, 1),
    ):
        replica = Replica(primary, "eof", "psync2")
        replica.full(*wanted)
        replica.client.close()
    assert client.info("stats")["sync_partial_err"] == "3"


def test_several_that_wait_share_one_snapshot(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    primary = fresh_server(
        **{"repl-diskless-sync-delay": 60, "repl-diskless-sync-max-replicas": 3}
    )
    primary.client().ok("SET", "k", "v")
    replicas = [Replica(primary, "eof", "psync2") for _ in range(3)]
    threads = [threading.Thread(target=replica.full) for replica in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {replica.rdb for replica in replicas} == {replicas[0].rdb}
    assert b"k" in replicas[0].rdb
    assert primary.log().count("Starting BGSAVE for SYNC") == 1


@pytest.mark.parametrize("is_diskless", [True, False])
def test_a_large_snapshot_and_what_changes_meanwhile(
    fresh_server: Callable[..., FastredisServer], is_diskless: bool
) -> None:
    primary = fresh_server(
        **NO_DELAY,
        **{"repl-diskless-sync": is_diskless, "rdbcompression": False,
           "rdb-key-save-delay": 200},
    )  # fmt: skip
    client = primary.client()
    client.pipeline([("SET", f"key{i}", "v" * 20000) for i in range(300)])
    replica = Replica(primary, "eof", "psync2")
    replica.client.send("PSYNC", "?", -1)
    assert replica.line().startswith(b"+FULLRESYNC")
    client.ok("SET", "meanwhile", "1")
    head = replica.line()
    if is_diskless:
        data = replica.client.read_until(head[5:])
    else:
        data = replica.client.read_raw(int(head[1:]))
    assert len(data) > 300 * 20000
    assert b"meanwhile" not in data
    replica.ack()
    assert replica.next_but_ping() == [b"SELECT", b"0"]
    assert replica.next_but_ping() == [b"SET", b"meanwhile", b"1"]


def test_a_snapshot_that_fails_ends_the_connection(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    primary = fresh_server(**NO_DELAY, **{"rdb-key-save-delay": 1000000})
    client = primary.client()
    client.pipeline([("SET", f"key{i}", "v") for i in range(100)])
    replica = Replica(primary, "eof", "psync2")
    replica.client.send("PSYNC", "?", -1)
    assert replica.line().startswith(b"+FULLRESYNC")
    assert client.info("persistence")["rdb_bgsave_in_progress"] == "1"
    client.ok("FLUSHALL")
    replica.client.read_all()
    wait_until(lambda: client.info("replication")["connected_slaves"] == "0")


def test_the_child_ends_with_its_last_replica(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    primary = fresh_server(**NO_DELAY, **{"rdb-key-save-delay": 1000000})
    client = primary.client()
    client.pipeline([("SET", f"key{i}", "v") for i in range(100)])
    replica = Replica(primary, "eof", "psync2")
    replica.client.send("PSYNC", "?", -1)
    assert replica.line().startswith(b"+FULLRESYNC")
    replica.client.close()
    wait_until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == "0", 20)
    assert "last replica dropped" in primary.log()


def test_one_that_takes_nothing_of_its_snapshot_is_disconnected(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    """Others that get the same snapshot would wait for ever."""
    primary = fresh_server(**NO_DELAY, rdbcompression="no", repl_timeout=2)
    client = primary.client(timeout=20)
    client.ok("DEBUG", "POPULATE", 40_000, "key", 1000)
    stuck = Replica(primary, "eof", "psync2")
    stuck.client.send("PSYNC", "?", -1)
    wait_until(lambda: client.info("replication")["connected_slaves"] == "0", 20)
    assert "Disconnecting timedout replica (full sync)" in primary.log()
    other = Replica(primary, "eof", "psync2")
    other.full()
    wait_until(lambda: "state=online" in client.info("replication")["slave0"])


def test_a_slow_replica_is_disconnected(primary: FastredisServer) -> None:
    client = primary.client()
    client.ok("CONFIG", "SET", "client-output-buffer-limit", "replica 1mb 0 0")
    client.ok("CONFIG", "SET", "repl-backlog-size", "100kb")
    replica = Replica(primary, "eof", "psync2")
    replica.full()
    wait_until(lambda: "state=online" in client.info("replication")["slave0"])
    for _ in range(40):
        client.ok("SET", "k", "x" * 1_000_000)
        if client.info("replication")["connected_slaves"] == "0":
            break
    assert client.info("replication")["connected_slaves"] == "0"
    assert "overcoming of output buffer limits" in primary.log()
    assert int(client.info("memory")["mem_total_replication_buffers"]) < 2_000_000


def test_wait_counts_acknowledgements(primary: FastredisServer) -> None:
    client = primary.client(timeout=20)
    assert client.cmd("WAIT", 0, 10) == 0
    assert client.cmd("WAIT", 1, 10) == 0
    replica = Replica(primary, "eof", "psync2")
    replica.full()
    wait_until(lambda: "state=online" in client.info("replication")["slave0"])
    client.ok("SET", "k", "v")
    client.send("WAIT", 1, 0)
    while replica.next() != [b"REPLCONF", b"GETACK", b"*"]:
        pass
    assert not client.has_input()
    assert primary.client().info("clients")["blocked_clients"] == "1"
    replica.ack()
    assert client.read() == 1
    client.ok("SET", "k", "v2")
    assert client.cmd("WAIT", 1, 50) == 0
    client.ok("MULTI")
    assert client.cmd("WAIT", 1, 0) == "QUEUED"
    assert client.cmd("EXEC") == [0]
    other = primary.client()
    client.send("WAIT", 1, 0)
    number = wait_until(
        lambda: next(
            (
                line.split()[0].partition("=")[2]
                for line in other.cmd("CLIENT", "LIST").decode().splitlines()
                if "cmd=wait" in line and "flags=b" in line
            ),
            None,
        )
    )
    assert other.cmd("CLIENT", "UNBLOCK", number) == 1
    assert client.read() == 0
    for timeout, error in (
        ("x", "ERR timeout is not an integer or out of range"),
        (-1, "ERR timeout is negative"),
        (2**63 - 1, "ERR timeout is out of range"),
    ):
        assert str(client.cmd("WAIT", 1, timeout)) == error


def test_min_replicas_to_write(primary: FastredisServer) -> None:
    client = primary.client()
    client.ok("CONFIG", "SET", "min-replicas-to-write", "1")
    refused = client.cmd("SET", "k", "v")
    assert str(refused) == "NOREPLICAS Not enough good replicas to write."
    assert client.cmd("GET", "k") is None
    replica = Replica(primary, "eof", "psync2")
    replica.full()
    wait_until(lambda: str(client.cmd("SET", "k", "v")) == "OK")
    assert client.info("replication")["min_slaves_good_slaves"] == "1"
    replica.client.close()
    wait_until(lambda: "NOREPLICAS" in str(client.cmd("SET", "k", "v")))
    client.ok("CONFIG", "SET", "min-replicas-to-write", "0")
    client.ok("SET", "k", "v")


def test_the_backlog_goes_when_nobody_comes(primary: FastredisServer) -> None:
    client = primary.client()
    client.ok("CONFIG", "SET", "repl-backlog-ttl", "1")
    replica = Replica(primary, "eof", "psync2")
    replica.full()
    assert client.info("replication")["repl_backlog_active"] == "1"
    replica.client.close()
    wait_until(lambda: client.info("replication")["repl_backlog_active"] == "0", 20)
    assert client.info("replication")["master_replid"] != replica.replid


def test_replconf(primary: FastredisServer) -> None:
    client = primary.client()
    client.ok("REPLCONF", "listening-port", 1234, "ip-address", "10.1.2.3")
    client.ok("REPLCONF", "capa", "eof", "capa", "psync2", "version", "9.1.0")
    assert str(client.cmd("REPLCONF", "ack")) == "ERR syntax error"
    assert "Unrecognized REPLCONF option: x" in str(client.cmd("REPLCONF", "x", "y"))
    assert "Unsupported rdb-filter-only option: x" in str(
        client.cmd("REPLCONF", "rdb-filter-only", "x")
    )
    client.ok("REPLCONF")
    client.send("PSYNC", "?", -1)
    other = primary.client()
    row = wait_until(lambda: other.info("replication").get("slave0"))
    assert row.startswith("ip=10.1.2.3,port=1234,state=")
    assert "flags=S" in other.cmd("CLIENT", "LIST", "TYPE", "replica").decode()


def test_role(primary: FastredisServer) -> None:
    client = primary.client()
    assert client.cmd("ROLE") == [b"master", 0, []]
    replica = Replica(primary, "eof", "psync2")
    replica.client.ok("REPLCONF", "listening-port", 1234)
    replica.full()
    wait_until(lambda: client.cmd("ROLE")[2])
    name, _, rows = client.cmd("ROLE")
    assert name == b"master"
    assert rows[0][:2] == [b"127.0.0.1", b"1234"]


def test_a_restarted_primary_continues(primary: FastredisServer) -> None:
    client = primary.client()
    first = Replica(primary, "eof", "psync2")
    first.full()
    client.ok("SET", "a", "1")
    assert first.next_but_ping() == [b"SELECT", b"0"]
    assert first.next_but_ping() == [b"SET", b"a", b"1"]
    client.ok("SAVE")
    offset = int(client.info("replication")["master_repl_offset"])
    primary.restart()
    client = primary.client()
    info = client.info("replication")
    assert info["master_replid2"] == first.replid
    assert int(info["second_repl_offset"]) == offset + 1
    client.ok("SET", "b", "2")
    second = Replica(primary, "eof", "psync2")
    second.client.send("PSYNC", first.replid, offset + 1)
    assert second.line() == b"+CONTINUE " + info["master_replid"].encode()
    assert second.next_but_ping() == [b"SELECT", b"0"]
    assert second.next_but_ping() == [b"SET", b"b", b"2"]
