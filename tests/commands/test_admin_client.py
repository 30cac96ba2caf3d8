# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT: lists, filters, pauses, eviction."""

from __future__ import annotations

import contextlib
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
    before = int(listed(client, "ID", ident)[0]["tot-net-in"])
    client2.send_raw(piece)

    def waiting() -> bool:
        # the last argument is not complete
        line = listed(client, "ID", ident)[0]
        return line["tot-net-in"] == str(before + len(piece))

    wait_until(waiting)
    (line,) = listed(client, "ID", ident)
    assert 0 < int(line["qbuf"]) < 60
    assert int(line["argv-mem"]) > 299 * 50
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
        (["TYPE", "normal", "ID"], SYNTAX),
        (["TYPE", "normal", "nonsense", "1"], SYNTAX),
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


# --- PAUSE and UNPAUSE ---------------------------------------------------------------


def blocked(client: RawClient) -> int:
    return int(client.info("clients")["blocked_clients"])


def test_pause_lets_writes_wait(client: RawClient, client2: RawClient) -> None:
    client.ok("CLIENT", "PAUSE", 100_000, "WRITE")
    client2.send("SET", "key", "value")
    client2.send("GET", "key")
    wait_until(lambda: blocked(client) == 1)
    assert client.cmd("GET", "key") is None
    assert "flags=b " in client.cmd("CLIENT", "LIST").decode()
    assert not client2.has_input(0.02)
    client.ok("CLIENT", "UNPAUSE")
    assert [client2.read(), client2.read()] == ["OK", b"value"]
    assert blocked(client) == 0


def test_pause_lets_all_wait_until_it_is_over(
    client: RawClient, client2: RawClient
) -> None:
    start = time.monotonic()
    client.ok("CLIENT", "PAUSE", 200)
    assert client2.cmd("PING") == "PONG"
    assert time.monotonic() - start >= 0.19
    client.ok("CLIENT", "UNPAUSE")


def test_pause_answers_wrong_requests_at_once(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("CLIENT", "PAUSE", 100_000, "WRITE")
    for args in (["SET", "key"], ["NOSUCH"], ["CLIENT", "NOSUCH"]):
        assert str(client2.cmd(*args)).startswith("ERR ")
    client.ok("CLIENT", "UNPAUSE")


def test_a_pause_is_not_shortened(client: RawClient, client2: RawClient) -> None:
    client.ok("CLIENT", "PAUSE", 100_000, "WRITE")
    client.ok("CLIENT", "PAUSE", 10, "WRITE")
    client2.send("SET", "key", 1)
    assert not client2.has_input(0.1)
    client.ok("CLIENT", "UNPAUSE")
    assert client2.read() == "OK"


def test_expired_keys_stay_during_a_pause(client: RawClient) -> None:
    client.ok("SET", "key", "value", "PX", 20)
    client.ok("CLIENT", "PAUSE", 100_000, "WRITE")
    wait_until(lambda: client.cmd("GET", "key") is None)
    assert client.cmd("RANDOMKEY") == b"key"
    assert client.cmd("DBSIZE") == 1
    client.ok("CLIENT", "UNPAUSE")
    wait_until(lambda: client.cmd("DBSIZE") == 0)


def test_a_paused_client_may_leave_or_be_killed(
    server: FastredisServer, client: RawClient, client2: RawClient
) -> None:
    client.ok("CLIENT", "PAUSE", 100_000, "WRITE")
    other = server.client()
    ident = other.cmd("CLIENT", "ID")
    for one in (client2, other):
        one.send("SET", "key", "value")
    wait_until(lambda: blocked(client) == 2)
    client2.close()
    wait_until(lambda: blocked(client) == 1)
    assert client.cmd("CLIENT", "UNBLOCK", ident) == 0
    assert client.cmd("CLIENT", "KILL", "ID", ident) == 1
    assert blocked(client) == 0
    client.ok("CLIENT", "UNPAUSE")
    assert client.cmd("GET", "key") is None


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([-1], "ERR timeout is negative"),
        (["x"], "ERR timeout is not an integer or out of range"),
        ([1, "READ"], "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        ([2**63 - 1], "ERR timeout is out of range"),
        (
            [1, "ALL", 3],
            "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try "
            "CLIENT HELP.",
        ),
    ],
)
def test_arguments_of_pause(client: RawClient, args: list[str], text: str) -> None:
    assert client.cmd("CLIENT", "PAUSE", *args) == text


# --- UNBLOCK -------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [[], ["TIMEOUT"], ["ERROR"]])
def test_unblock(client: RawClient, client2: RawClient, reason: list[str]) -> None:
    ident = client2.cmd("CLIENT", "ID")
    assert client.cmd("CLIENT", "UNBLOCK", ident, *reason) == 0
    client2.send("BLPOP", "list", 0)
    wait_until(lambda: blocked(client) == 1)
    assert client.cmd("CLIENT", "UNBLOCK", ident, *reason) == 1
    reply = client2.read()
    if reason == ["ERROR"]:
        assert reply == "UNBLOCKED client unblocked via CLIENT UNBLOCK"
    else:
        assert reply == client2.null_array
    assert client2.cmd("PING") == "PONG"


def test_arguments_of_unblock(client: RawClient) -> None:
    assert client.cmd("CLIENT", "UNBLOCK", 99999) == 0
    assert client.cmd("CLIENT", "UNBLOCK", 1, "NOW") == (
        "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
    )
    assert "integer" in str(client.cmd("CLIENT", "UNBLOCK", "x"))


# --- Eviction ------------------------------------------------------------------------

MB = 1024 * 1024


def test_the_largest_client_is_evicted(fresh_server: Fresh) -> None:
    """Rooms count, not bytes: that of the small one, for the argument it announces,
    stays below half the limit, so that whenever all exceed it the large one is larger.
    """
    server = fresh_server(maxmemory_clients="4mb")
    client, large, small, kept = (server.client() for _ in range(4))
    small.ok("CLIENT", "SETNAME", "small")
    kept.ok("CLIENT", "SETNAME", "kept")
    kept.ok("CLIENT", "NO-EVICT", "ON")
    assert "flags=e " in kept.cmd("CLIENT", "INFO").decode()
    kept.send_raw(b"*2\r\n$4\r\nECHO\r\n$6000000\r\n" + b"x" * (5 * MB))
    small.send_raw(b"*2\r\n$4\r\nECHO\r\n$600000\r\n" + b"x" * 500_000)

    def waits(name: str, nbytes: int) -> bool:
        (row,) = listed(client, "NAME", name)
        return int(row["qbuf"]) >= nbytes

    wait_until(lambda: waits("kept", 5 * MB) and waits("small", 500_000))
    assert client.info("stats")["evicted_clients"] == "0"
    with contextlib.suppress(ConnectionError):  # it is closed before all is sent
        large.send_raw(b"*2\r\n$4\r\nECHO\r\n$9000000\r\n" + b"x" * (4 * MB))
    assert large.is_closed()
    assert client.info("stats")["evicted_clients"] == "1"
    small.send_raw(b"x" * 100_000 + b"\r\n")
    assert small.read() == b"x" * 600_000
    assert client.cmd("PING") == "PONG"
    assert len(listed(client)) == 3


def test_a_lower_limit_evicts(fresh_server: Fresh) -> None:
    server = fresh_server(maxmemory="100mb")
    client, large = server.client(), server.client()
    large.send_raw(b"*2\r\n$4\r\nECHO\r\n$5000000\r\n" + b"x" * (2 * MB))
    wait_until(lambda: any(int(row["tot-mem"]) > MB for row in listed(client)))
    client.ok("CONFIG", "SET", "maxmemory-clients", "5%")
    client.cmd("PING")
    assert len(listed(client)) == 2
    client.ok("CONFIG", "SET", "maxmemory-clients", "1%")
    assert large.is_closed()
    assert client.cmd("PING") == "PONG"


# --- What a client says of itself ----------------------------------------------------


def test_no_tracking_yet(client: RawClient) -> None:
    assert client.cmd("CLIENT", "GETREDIR") == -1
    info = client.cmd("CLIENT", "TRACKINGINFO")
    flat = info if client.resp == 2 else [x for pair in info.pairs for x in pair]
    assert flat[0] == b"flags"
    assert list(flat[1]) == [b"off"]
    assert flat[2:] == [b"redirect", -1, b"prefixes", []]


def test_capabilities(client: RawClient) -> None:
    client.ok("CLIENT", "CAPA", "redirect", "unknown")
    assert "wrong number" in str(client.cmd("CLIENT", "CAPA"))
