# SPDX-License-Identifier: BSD-3-Clause
"""On which CPUs the server, its threads and its children run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastredis.config.values import parse_cpus
from support.server import FastredisServer
from support.wait import wait_until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="others have no means to choose CPUs"
)

Fresh = Callable[..., FastredisServer]
HERE = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else [0]
FIRST, LAST = {HERE[0]}, {HERE[-1]}


def threads(pid: int) -> dict[int, set[int]]:
    """Return the CPUs of each thread of a process."""
    found = (int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
    return {tid: os.sched_getaffinity(tid) for tid in found}


def child_of(server: FastredisServer) -> int:
    path = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    wait_until(lambda: path.read_text().split())
    return int(path.read_text().split()[0])


def test_server_and_its_threads(fresh_server: Fresh) -> None:
    server = fresh_server(server_cpulist=str(HERE[0]), bio_cpulist=str(HERE[-1]))
    client = server.client()
    client.ok("SET", "k", "v")
    client.ok("FLUSHALL", "ASYNC")
    found = threads(server.pid)
    assert found.pop(server.pid) == FIRST
    assert LAST in found.values()
    for name in ("server-cpulist", "server_cpulist"):
        assert client.cmd("CONFIG", "GET", name) == [name.encode(), b"%d" % HERE[0]]


@pytest.mark.parametrize(
    ("command", "directive"),
    [("BGSAVE", "bgsave-cpulist"), ("BGREWRITEAOF", "aof-rewrite-cpulist")],
)
def test_children(fresh_server: Fresh, command: str, directive: str) -> None:
    server = fresh_server(
        server_cpulist=str(HERE[0]), rdb_key_save_delay=10_000_000,
        **{directive: str(HERE[-1])},
    )  # fmt: skip
    client = server.client()
    client.ok("SET", "k", "v")
    client.cmd(command)
    pid = child_of(server)
    wait_until(lambda: os.sched_getaffinity(pid) == LAST)
    assert os.sched_getaffinity(server.pid) == FIRST


def test_cpus_that_are_not_there(fresh_server: Fresh) -> None:
    server = fresh_server(server_cpulist="1023")
    assert "server-cpulist 1023: " in server.log()
    assert os.sched_getaffinity(server.pid) == set(HERE)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("", set()),
        ("0", {0}),
        ("1,3", {1, 3}),
        ("0-3", {0, 1, 2, 3}),
        ("0-6:2, 9", {0, 2, 4, 6, 9}),
        ("5-5:9", {5}),
    ],
)
def test_lists(text: str, cpus: set[int]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize("text", ["x", "1-", "-1", "3-1", "1-3:0", "1:2", "99999"])
def test_no_lists(text: str) -> None:
    with pytest.raises(ValueError, match="must be a list of CPUs"):
        parse_cpus(text)
