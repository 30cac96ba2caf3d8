# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT LIST, INFO, KILL and HELP."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.client import RawClient, SimpleString, Verbatim, encode
from support.server import FastredisServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

SYNTAX = "ERR syntax error"
_FIELDS = (
    "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free "
    "argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp "
    "lib-name lib-ver io-thread tot-net-in tot-net-out tot-cmds"
)
FIELDS = _FIELDS.split()


def parse(line: str) -> dict[str, str]:
    """Return the fields of one line; their names must be those of Redis, in order."""
    fields = dict(word.split("=", 1) for word in line.split(" "))
    assert list(fields) == FIELDS
    return fields


def listed(client: RawClient, *args: str | int) -> list[dict[str, str]]:
    """Return what CLIENT LIST shows."""
    reply = client.cmd("CLIENT", "LIST", *args)
    assert isinstance(reply, Verbatim if client.resp == 3 else bytes), reply
    assert reply == b"" or reply.endswith(b"\n")
    return [parse(line) for line in reply.decode().splitlines()]


def own(client: RawClient) -> dict[str, str]:
    """Return what CLIENT INFO shows."""
    return parse(client.cmd("CLIENT", "INFO").decode().removesuffix("\n"))


def address(client: RawClient) -> str:
    """Return the client's end of a TCP connection."""
    host, port = client.sock.getsockname()
    return f"{host}:{port}"


# --- LIST and INFO -----------------------------------------------------------------


def test_line_of_the_one_that_asks(client: RawClient, server: FastredisServer) -> None:
    (line,) = listed(client)
    assert line == {
        **line,
        "id": str(client.cmd("CLIENT", "ID")),
        "addr": address(client),
        "laddr": f"127.0.0.1:{server.port}",
        "name": "",
        "flags": "N",
        "db": "0",
        "sub": "0",
        "psub": "0",
        "ssub": "0",
        "multi": "-1",
        "watch": "0",
        "qbuf": str(len(encode(["CLIENT", "LIST"]))),
        "argv-mem": str(len("CLIENTLIST")),
        "obl": "0",
        "oll": "0",
        "omem": "0",
        "events": "r",
        "cmd": "client|list",
        "user": "default",
        "redir": "-1",
        "resp": str(client.resp),
        "lib-name": "",
        "lib-ver": "",
        "io-thread": "0",
    }
    assert int(line["fd"]) > 0
    assert int(line["age"]) <= 10
    assert line["idle"] == "0"
    assert int(line["tot-mem"]) > 100


def test_info_is_the_own_line(client: RawClient, client2: RawClient) -> None:
    assert client2.cmd("PING") == "PONG"
    line = own(client)
    assert line["cmd"] == "client|info"
    assert line["id"] == str(client.cmd("CLIENT", "ID"))
    reply = client.cmd("CLIENT", "INFO")
    assert isinstance(reply, Verbatim) == (client.resp == 3)


def test_list_follows_what_clients_do(client: RawClient, client2: RawClient) -> None:
    client2.ok("CLIENT", "SETNAME", "worker")
    client2.ok("CLIENT", "SETINFO", "LIB-NAME", "lib")
    client2.ok("CLIENT", "SETINFO", "LIB-VER", "1.2")
    client2.ok("SELECT", 5)
    client2.ok("CLIENT", "NO-TOUCH", "ON")
    client2.cmd("GET", "nothing")
    ident = client2.cmd("CLIENT", "ID")
    (line,) = listed(client, "ID", ident)
    assert line == {
        **line,
        "name": "worker",
        "lib-name": "lib",
        "lib-ver": "1.2",
        "db": "5",
        "flags": "T",
        "cmd": "client|id",
        "qbuf": "0",
        "argv-mem": "0",
        "tot-cmds": "7",
    }


def test_oldest_first(
    client: RawClient, client2: RawClient, client3: RawClient
) -> None:
    for one in (client2, client3):
        one.cmd("PING")
    ids = [int(line["id"]) for line in listed(client)]
    assert len(ids) == 3
    assert ids == sorted(ids)


def test_traffic_is_counted(client: RawClient) -> None:
    before = own(client)
    client.ok("SET", "k", "x" * 1000)
    client.cmd("GET", "k")
    after = own(client)
    sent = len(encode(["SET", "k", "x" * 1000]) + encode(["GET", "k"]))
    sent += len(encode(["CLIENT", "INFO"]))
    assert int(after["tot-net-in"]) - int(before["tot-net-in"]) == sent
    assert int(after["tot-net-out"]) - int(before["tot-net-out"]) > 1000
    assert int(after["tot-cmds"]) - int(before["tot-cmds"]) == 3
    assert int(after["rbp"]) >= 1000


def test_a_request_without_its_end_is_shown(
    client: RawClient, client2: RawClient
) -> None:
    ident = client2.cmd("CLIENT", "ID")
    request = encode(["MGET", *["x" * 50] * 300])
    piece, rest = request[:-10], request[-10:]
    client2.send_raw(piece)

    def waiting() -> bool:
        return listed(client, "ID", ident)[0]["qbuf"] == str(len(piece))

    wait_until(waiting)
    (line,) = listed(client, "ID", ident)
    # where the arguments are that are complete
    assert int(line["argv-mem"]) > 300 * 8
    assert int(line["qbuf-free"]) >= 0
    assert int(line["tot-mem"]) > len(piece)
    client2.send_raw(rest)
    assert client2.read() == [None] * 300
    line = listed(client, "ID", ident)[0]
    # the buffer is kept for the next request of this kind, until the client is idle
    assert (line["qbuf"], line["argv-mem"]) == ("0", "0")


def test_a_reply_that_nobody_reads_is_shown(
    client: RawClient, client2: RawClient
) -> None:
    ident = client2.cmd("CLIENT", "ID")
    client.ok("SET", "k", "x" * 1_000_000)
    client2.send_raw(encode(["GET", "k"]) * 20 + encode(["PING"]) * 10)

    def waiting() -> bool:
        line = listed(client, "ID", ident)[0]
        return line["events"] == "rw" and int(line["oll"]) > 0

    wait_until(waiting)
    (line,) = listed(client, "ID", ident)
    assert int(line["omem"]) > 1_000_000
    assert int(line["tot-mem"]) >= int(line["omem"])
    assert int(line["rbs"]) > 0


def test_unix_socket(client: RawClient, server: FastredisServer) -> None:
    unix = server.client(unix=True)
    line = own(unix)
    assert line["flags"] == "U"
    assert line["addr"] == line["laddr"] == f"{server.unixsocket}:0"


def test_age_and_idle(client: RawClient, client2: RawClient) -> None:
    ident = client2.cmd("CLIENT", "ID")
    start = time.monotonic()
    wait_until(lambda: listed(client, "ID", ident)[0]["idle"] == "1", 10)
    (line,) = listed(client, "ID", ident)
    assert 1 <= int(line["age"]) <= time.monotonic() - start + 2
    assert own(client)["idle"] == "0"


@pytest.mark.parametrize("kind", ["normal", "NORMAL"])
def test_list_of_a_type(client: RawClient, kind: str) -> None:
    assert len(listed(client, "TYPE", kind)) == 1


@pytest.mark.parametrize("kind", ["master", "replica", "slave", "PubSub"])
def test_list_of_a_type_without_clients(client: RawClient, kind: str) -> None:
    assert listed(client, "TYPE", kind) == []


def test_list_by_id(client: RawClient, client2: RawClient) -> None:
    mine, other = client.cmd("CLIENT", "ID"), client2.cmd("CLIENT", "ID")
    ids = [line["id"] for line in listed(client, "ID", other, mine, 10**9, 0, -1, mine)]
    assert ids == [str(other), str(mine), str(mine)]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["TYPE", "x"], "ERR Unknown client type 'x'"),
        (["TYPE"], SYNTAX),
        (["ID"], SYNTAX),
        (["foo"], SYNTAX),
        (["TYPE", "normal", "ID", "1"], SYNTAX),
        (["ID", "a"], "ERR Invalid client ID"),
        (["ID", "1", "1.0"], "ERR Invalid client ID"),
        (["ID", "9223372036854775808"], "ERR Invalid client ID"),
        (["ID", "+1"], "ERR Invalid client ID"),
    ],
)
def test_list_refuses(client: RawClient, args: list[str], error: str) -> None:
    assert client.cmd("CLIENT", "LIST", *args) == error


# --- KILL --------------------------------------------------------------------------


def test_kill_by_address(client: RawClient, client2: RawClient) -> None:
    client2.cmd("PING")
    client.ok("CLIENT", "KILL", address(client2))
    assert client2.is_closed()
    assert client.cmd("CLIENT", "KILL", address(client2)) == "ERR No such client"
    assert len(listed(client)) == 1


def test_kill_oneself_gets_the_reply_first(client: RawClient) -> None:
    client.send_raw(encode(["CLIENT", "KILL", address(client)]) + encode(["PING"]))
    assert client.read() == "OK"
    assert client.is_closed()


@pytest.mark.parametrize("transport", ["epoll", "uvloop"])
def test_kill_on_each_road(fresh_server: Fresh, transport: str) -> None:
    server = fresh_server(net_transport=transport)
    client, victim = server.client(), server.client()
    ident = victim.cmd("CLIENT", "ID")
    assert client.cmd("CLIENT", "KILL", "ID", ident) == 1
    assert victim.is_closed()
    assert client.cmd("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 1
    assert client.is_closed()


def test_kill_by_id(client: RawClient, client2: RawClient) -> None:
    ident = client2.cmd("CLIENT", "ID")
    assert client.cmd("CLIENT", "KILL", "ID", ident) == 1
    assert client2.is_closed()
    assert client.cmd("CLIENT", "KILL", "ID", ident) == 0


def test_kill_skips_the_one_that_asks(
    client: RawClient, client2: RawClient, client3: RawClient
) -> None:
    client2.cmd("PING")
    client3.cmd("PING")
    mine = client.cmd("CLIENT", "ID")
    assert client.cmd("CLIENT", "KILL", "ID", mine) == 0
    assert client.cmd("CLIENT", "KILL", "TYPE", "normal") == 2
    assert client2.is_closed()
    assert client3.is_closed()
    assert client.cmd("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "YES") == 0
    assert client.cmd("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 1
    assert client.is_closed()


def test_kill_by_all_filters_at_once(
    client: RawClient, client2: RawClient, server: FastredisServer
) -> None:
    ident = client2.cmd("CLIENT", "ID")
    here = f"127.0.0.1:{server.port}"
    all_but_id = ["ADDR", address(client2), "LADDR", here, "USER", "default"]
    assert client.cmd("CLIENT", "KILL", *all_but_id, "TYPE", "pubsub") == 0
    assert client.cmd("CLIENT", "KILL", *all_but_id, "ID", ident + 1) == 0
    assert client.cmd("CLIENT", "KILL", *all_but_id, "MAXAGE", 1000) == 0
    assert client.cmd("CLIENT", "KILL", *all_but_id, "TYPE", "normal", "ID", ident) == 1
    assert client2.is_closed()


def test_kill_by_age(client: RawClient, client2: RawClient) -> None:
    client2.cmd("PING")
    assert client.cmd("CLIENT", "KILL", "MAXAGE", 1000) == 0
    wait_until(lambda: client.cmd("CLIENT", "KILL", "MAXAGE", 1) == 1, 10)
    assert client2.is_closed()


def test_kill_by_unix_address(client: RawClient, server: FastredisServer) -> None:
    unix = server.client(unix=True)
    unix.cmd("PING")
    client.ok("CLIENT", "KILL", f"{server.unixsocket}:0")
    assert unix.is_closed()


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["1.2.3.4:5"], "ERR No such client"),
        (["ID"], "ERR No such client"),
        (["ID", "a"], "ERR client-id should be greater than 0"),
        (["ID", "0"], "ERR client-id should be greater than 0"),
        (["ID", "-1"], "ERR client-id should be greater than 0"),
        (["TYPE", "x"], "ERR Unknown client type 'x'"),
        (["TYPE", "normal", "SKIPME", "maybe"], SYNTAX),
        (["USER", "nobody"], "ERR No such user 'nobody'"),
        (["MAXAGE", "a"], "ERR maxage is not an integer or out of range"),
        (["MAXAGE", "0"], "ERR maxage should be greater than 0"),
        (["foo", "bar"], SYNTAX),
        (["a", "b", "c"], SYNTAX),
    ],
)
def test_kill_refuses(client: RawClient, args: list[str], error: str) -> None:
    assert client.cmd("CLIENT", "KILL", *args) == error
    assert client.cmd("PING") == "PONG"


# --- HELP --------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["CLIENT", "OBJECT"])
def test_help(client: RawClient, container: str) -> None:
    lines = client.cmd(container, "HELP")
    assert all(isinstance(line, SimpleString) for line in lines)
    assert lines[0].startswith(f"{container} <subcommand> ")
    assert lines[-2] == "HELP"
    subcommand = {"CLIENT": "KILL ", "OBJECT": "ENCODING "}[container]
    assert any(line.startswith(subcommand) for line in lines)
