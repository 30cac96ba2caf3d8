# SPDX-License-Identifier: BSD-3-Clause
"""Filters of CLIENT LIST and CLIENT KILL, those of Redis and those of Valkey."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.client import RawClient
from support.server import FastredisServer

Fresh = Callable[..., FastredisServer]

# What a server with the clients of `crowd` shows: filter, names
FILTERS = [
    (["NAME", "worker"], ["worker"]),
    (["NAME", "nobody"], []),
    (["NAME", ""], []),
    (["NAME", "worker", "NAME", "asker"], ["asker"]),
    (["NOT-NAME", "worker"], ["asker", "listener", ""]),
    (["TYPE", "pubsub"], ["listener"]),
    (["NOT-TYPE", "pubsub"], ["asker", "worker", ""]),
    (["TYPE", "normal", "NOT-NAME", "asker"], ["worker", ""]),
    (["TYPE", "primary"], []),
    (["DB", "3"], ["worker"]),
    (["NOT-DB", "3"], ["asker", "listener", ""]),
    (["LIB-NAME", "lib"], ["worker"]),
    (["LIB-VER", "1.2"], ["worker"]),
    (["NOT-LIB-NAME", "lib"], ["asker", "listener", ""]),
    (["NOT-LIB-VER", "1.2", "NOT-NAME", "asker"], ["listener", ""]),
    (["FLAGS", "P"], ["listener"]),
    (["FLAGS", "N"], ["asker", ""]),
    (["FLAGS", "T"], ["worker"]),
    (["FLAGS", "PT"], []),
    (["FLAGS", ""], ["asker", "worker", "listener", ""]),
    (["NOT-FLAGS", "P"], ["asker", "worker", ""]),
    (["NOT-FLAGS", "PT"], ["asker", "worker", "listener", ""]),
    (["CAPA", "r"], ["worker"]),
    (["NOT-CAPA", "r"], ["asker", "listener", ""]),
    (["IP", "127.0.0.1"], ["asker", "worker", "listener", ""]),
    (["IP", "127.0.0.2"], []),
    (["NOT-IP", "127.0.0.1"], []),
    (["ADDR", "127.0.0.1:1"], []),
    (["NOT-ADDR", "127.0.0.1:1", "DB", "3"], ["worker"]),
    (["NOT-LADDR", "127.0.0.1:1", "NAME", "worker"], ["worker"]),
    (["USER", "default"], ["asker", "worker", "listener", ""]),
    (["NOT-USER", "default"], []),
    (["SKIPME", "yes"], ["worker", "listener", ""]),
    (["SKIPME", "no"], ["asker", "worker", "listener", ""]),
    (["MAXAGE", "1000"], []),
    (["IDLE", "1000"], []),
]
ERRORS = [
    (["FLAGS", "Nq"], "ERR Unknown flags found in the provided filter: Nq"),
    (["NOT-FLAGS", "?"], "ERR Unknown flags found in the NOT-FLAGS filter: ?"),
    (["CAPA", "redirect"], "ERR Unknown capa found in the provided filter: redirect"),
    (["NOT-CAPA", "x"], "ERR Unknown capa found in the NOT-CAPA filter: x"),
    (["DB", "x"], "ERR DB is not an integer or out of range"),
    (["NOT-DB", "1.5"], "ERR NOT-DB is not an integer or out of range"),
    (["DB", "16"], "ERR DB number should be between 0 and 15"),
    (["NOT-DB", "-1"], "ERR NOT-DB number should be between 0 and 15"),
    (["IDLE", "x"], "ERR idle is not an integer or out of range"),
    (["IDLE", "0"], "ERR idle should be greater than 0"),
    (["MAXAGE", "-1"], "ERR maxage should be greater than 0"),
    (["NOT-ID", "x"], "ERR syntax error"),
    (["NOT-ID", "0"], "ERR client-id should be greater than 0"),
    (["NOT-USER", "x"], "ERR No such user 'x'"),
    (["NOT-TYPE", "x"], "ERR Unknown client type 'x'"),
    (["NOT-MAXAGE", "1"], "ERR syntax error"),
    (["NOT-IDLE", "1"], "ERR syntax error"),
    (["NOT-SKIPME", "yes"], "ERR syntax error"),
    (["ID", "1", "2", "NAME"], "ERR syntax error"),
]


@pytest.fixture
def crowd(client: RawClient, server: FastredisServer) -> dict[str, RawClient]:
    """Connect some clients, each in a state of its own."""
    worker, listener, nameless = (server.client() for _ in range(3))
    client.ok("CLIENT", "SETNAME", "asker")
    worker.ok("CLIENT", "SETNAME", "worker")
    worker.ok("CLIENT", "SETINFO", "LIB-NAME", "lib")
    worker.ok("CLIENT", "SETINFO", "LIB-VER", "1.2")
    worker.ok("CLIENT", "CAPA", "redirect")
    worker.ok("CLIENT", "NO-TOUCH", "ON")
    worker.ok("SELECT", 3)
    listener.ok("CLIENT", "SETNAME", "listener")
    listener.cmd("SUBSCRIBE", "channel")
    nameless.cmd("PING")
    return {"asker": client, "worker": worker, "listener": listener, "": nameless}


def names(client: RawClient, *args: str) -> list[str]:
    """Return the names that CLIENT LIST shows."""
    lines = client.cmd("CLIENT", "LIST", *args).decode().splitlines()
    return sorted(line.split(" name=")[1].split(" ")[0] for line in lines)


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
def test_list(
    crowd: dict[str, RawClient], filters: list[str], expected: list[str]
) -> None:
    assert names(crowd["asker"], *filters) == sorted(expected)


def test_list_of_ids(crowd: dict[str, RawClient]) -> None:
    asker = crowd["asker"]
    ids = {
        name: str(c.cmd("CLIENT", "ID"))
        for name, c in crowd.items()
        if name[:1] in "aw"
    }
    both = [ids["worker"], ids["asker"]]
    assert names(asker, "ID", *both, "DB", "3") == ["worker"]
    assert names(asker, "ID", both[0], "ID", both[1]) == ["asker", "worker"]
    assert names(asker, "NOT-ID", *both) == ["", "listener"]
    assert names(asker, "NOT-ID", both[0], "NOT-ID", both[1]) == ["", "listener"]


@pytest.mark.parametrize("subcommand", ["LIST", "KILL"])
@pytest.mark.parametrize(("filters", "error"), ERRORS)
def test_refuses(
    client: RawClient, subcommand: str, filters: list[str], error: str
) -> None:
    assert client.cmd("CLIENT", subcommand, *filters) == error
    assert client.cmd("PING") == "PONG"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [(f, e) for f, e in FILTERS if f[0] not in ("SKIPME", "NOT-LADDR")],
)
def test_kill(
    crowd: dict[str, RawClient], filters: list[str], expected: list[str]
) -> None:
    asker = crowd["asker"]
    victims = [name for name in expected if name != "asker"]
    assert asker.cmd("CLIENT", "KILL", *filters) == len(victims)
    for name in victims:
        assert crowd[name].is_closed()
    assert names(asker) == sorted(set(crowd) - set(victims))


def test_kill_several_ids(crowd: dict[str, RawClient]) -> None:
    worker = crowd["worker"].cmd("CLIENT", "ID")
    nameless = crowd[""].cmd("CLIENT", "ID")
    killed = crowd["asker"].cmd("CLIENT", "KILL", "ID", worker, nameless, 10**9)
    assert killed == 2
    assert names(crowd["asker"]) == ["asker", "listener"]
