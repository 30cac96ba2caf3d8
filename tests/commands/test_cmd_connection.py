# SPDX-License-Identifier: BSD-3-Clause
"""Commands about the connection: AUTH, HELLO, CLIENT, SELECT, PING and the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.client import ConnectionClosed, Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until

SYNTAX = "ERR syntax error"
WRONG_PASS = "WRONGPASS invalid username-password pair or user is disabled."
NO_AUTH = "NOAUTH Authentication required."
NO_PASSWORD = (
    "ERR AUTH <password> called without any password configured for the default user."
    " Are you sure your configuration is correct?"
)
HELLO_NO_AUTH = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise"
    " the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the"
    " client and select the RESP protocol version at the same time"
)
BAD_NAME = "ERR Client names cannot contain spaces, newlines or special characters."
BAD_VERSION = "ERR Protocol version is not an integer or out of range"
NO_PROTO = "NOPROTO unsupported protocol version"
NOT_PLAIN = ["a b", "a\nb", "a\x00", "\x7f", "\xe9", " "]


def greeting(reply: Any) -> dict[bytes, Any]:
    """Return HELLO's reply as a dict, whichever the protocol."""
    if isinstance(reply, Map):
        return dict(reply.pairs)
    return dict(zip(reply[::2], reply[1::2], strict=True))


@pytest.fixture
def guarded(fresh_server: Callable[..., FastredisServer]) -> FastredisServer:
    """Start a server with the password secret."""
    return fresh_server(requirepass="secret")


# --- PING, ECHO, QUIT --------------------------------------------------------------


def test_ping(client: RawClient) -> None:
    assert client.cmd("PING") == "PONG"
    assert client.cmd("ping", "hi") == b"hi"
    assert client.cmd("PING", "") == b""
    assert client.cmd("PING", b"\r\n\x00\xff") == b"\r\n\x00\xff"
    error = "ERR wrong number of arguments for 'ping' command"
    assert client.cmd("PING", "a", "b") == error


def test_echo(client: RawClient) -> None:
    for text in (b"", b"hi", b"\r\n\x00\xff", b"x" * 100_000):
        assert client.cmd("ECHO", text) == text


def test_quit_answers_and_closes(client: RawClient) -> None:
    client.send("PING")
    client.send("QUIT")
    client.send("PING")
    assert client.read() == "PONG"
    assert client.read() == "OK"
    with pytest.raises(ConnectionClosed):
        client.read()


def test_nothing_after_quit_is_executed(client: RawClient, client2: RawClient) -> None:
    client.send_raw(b"SET a 1\r\nQUIT\r\nSET b 1\r\n")
    assert client.read() == "OK"
    assert client.read() == "OK"
    assert client.is_closed()
    assert client2.cmd("EXISTS", "a", "b") == 1


# --- SELECT ------------------------------------------------------------------------


def test_select_is_of_the_connection(client: RawClient, client2: RawClient) -> None:
    client.ok("SET", "k", "zero")
    client.ok("SELECT", 15)
    assert client.cmd("GET", "k") is None
    client.ok("SET", "k", "fifteen")
    assert client2.cmd("GET", "k") == b"zero"
    client.ok("SELECT", 0)
    assert client.cmd("GET", "k") == b"zero"


def test_select_within_a_pipeline(client: RawClient) -> None:
    steps = [("SET", "k", 0), ("SELECT", 1), ("GET", "k"), ("SET", "k", 1)]
    steps += [("SELECT", 0), ("GET", "k"), ("SELECT", 1), ("GET", "k")]
    expected = ["OK", "OK", None, "OK", "OK", b"0", "OK", b"1"]
    assert client.pipeline(steps) == expected


@pytest.mark.parametrize(
    ("db", "error"),
    [
        ("abc", "ERR value is not an integer or out of range"),
        ("", "ERR value is not an integer or out of range"),
        ("1.5", "ERR value is not an integer or out of range"),
        ("99999999999999999999", "ERR value is not an integer or out of range"),
        (
            "2147483648",
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
        ("2147483647", "ERR DB index is out of range"),
        ("-1", "ERR DB index is out of range"),
        ("16", "ERR DB index is out of range"),
    ],
)
def test_select_refuses(client: RawClient, db: str, error: str) -> None:
    client.ok("SELECT", 3)
    client.ok("SET", "k", "v")
    assert client.cmd("SELECT", db) == error
    assert client.cmd("GET", "k") == b"v"


def test_databases_is_an_option(fresh_server: Callable[..., FastredisServer]) -> None:
    client = fresh_server(databases=3).client()
    client.ok("SELECT", 2)
    assert client.cmd("SELECT", 3) == "ERR DB index is out of range"


# --- AUTH --------------------------------------------------------------------------


def test_auth_without_a_password(client: RawClient) -> None:
    assert client.cmd("AUTH", "x") == NO_PASSWORD
    client.ok("AUTH", "default", "anything")
    assert client.cmd("AUTH", "somebody", "x") == WRONG_PASS
    assert client.cmd("AUTH", "a", "b", "c") == SYNTAX
    assert client.cmd("PING") == "PONG"


@pytest.mark.parametrize(
    "args",
    [
        ["wrong!"],
        ["wrong"],
        [""],
        ["secre"],
        ["secret0"],
        ["secretsecret"],
        ["SECRET"],
        ["secret\x00"],
        ["default", "wrong"],
        ["Default", "secret"],
        ["default ", "secret"],
        ["", "secret"],
        ["somebody", "secret"],
    ],
)
def test_auth_refuses(guarded: FastredisServer, args: list[str]) -> None:
    client = guarded.client()
    assert client.cmd("AUTH", *args) == WRONG_PASS
    assert client.cmd("GET", "k") == NO_AUTH


@pytest.mark.parametrize("args", [["secret"], ["default", "secret"]])
def test_auth_lets_in(guarded: FastredisServer, args: list[str]) -> None:
    client = guarded.client()
    assert client.cmd("SET", "k", "v") == NO_AUTH
    assert client.cmd("PING") == NO_AUTH
    client.ok("AUTH", *args)
    client.ok("SET", "k", "v")
    # a failure takes nothing away
    assert client.cmd("AUTH", "wrong") == WRONG_PASS
    assert client.cmd("GET", "k") == b"v"


def test_auth_is_of_the_connection(guarded: FastredisServer) -> None:
    first, second = guarded.client(), guarded.client()
    first.ok("AUTH", "secret")
    assert second.cmd("GET", "k") == NO_AUTH


def test_auth_within_a_pipeline(guarded: FastredisServer) -> None:
    client = guarded.client()
    steps = [("GET", "k"), ("AUTH", "secret"), ("SET", "k", "v"), ("GET", "k")]
    assert client.pipeline(steps) == [NO_AUTH, "OK", "OK", b"v"]


def test_auth_syntax_before_authentication(guarded: FastredisServer) -> None:
    client = guarded.client()
    error = "ERR wrong number of arguments for 'auth' command"
    assert client.cmd("AUTH") == error
    assert client.cmd("AUTH", "a", "b", "c") == SYNTAX


def test_what_needs_no_authentication(guarded: FastredisServer) -> None:
    assert guarded.client().cmd("RESET") == "RESET"
    assert guarded.client().cmd("HELLO", "3") == HELLO_NO_AUTH
    assert guarded.client().cmd("QUIT") == "OK"


# --- HELLO -------------------------------------------------------------------------


def test_hello_describes_the_server(client: RawClient) -> None:
    hello = greeting(client.hello(client.resp))
    assert list(hello) == [
        b"server",
        b"version",
        b"proto",
        b"id",
        b"mode",
        b"role",
        b"modules",
    ]
    assert hello[b"server"] == b"redis"
    assert tuple(map(int, hello[b"version"].split(b"."))) >= (8, 0, 0)
    assert hello[b"proto"] == client.resp
    assert hello[b"id"] == client.cmd("CLIENT", "ID")
    assert hello[b"mode"] == b"standalone"
    assert hello[b"role"] == b"master"
    assert hello[b"modules"] == []


def test_hello_without_a_version_keeps_the_one_in_use(client: RawClient) -> None:
    assert greeting(client.cmd("HELLO"))[b"proto"] == client.resp


def test_hello_changes_the_version_to_and_fro(client: RawClient) -> None:
    for version in (3, 2, 2, 3, 3, 2):
        assert greeting(client.hello(version))[b"proto"] == version
        assert client.cmd("GET", "absent") is None


def test_hello_changes_the_version_within_a_pipeline(client2: RawClient) -> None:
    client2.send_raw(b"GET a\r\nHELLO 3\r\nGET a\r\nHELLO 2\r\nGET a\r\n")
    assert client2.read_raw(5) == b"$-1\r\n"
    client2.resp = 3
    assert client2.read()["proto"] == 3
    assert client2.read_raw(3) == b"_\r\n"
    client2.resp = 2
    assert greeting(client2.read())[b"proto"] == 2
    assert client2.read_raw(5) == b"$-1\r\n"


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["abc"], BAD_VERSION),
        (["3.0"], BAD_VERSION),
        (["99999999999999999999"], BAD_VERSION),
        (["1"], NO_PROTO),
        (["4"], NO_PROTO),
        (["-1"], NO_PROTO),
        (["4", "nonsense"], NO_PROTO),
        (["3", "nonsense"], "ERR Syntax error in HELLO option 'nonsense'"),
        (["2", "a\r\nb"], "ERR Syntax error in HELLO option 'a  b'"),
        (["3", "AUTH"], "ERR Syntax error in HELLO option 'AUTH'"),
        (["3", "auth", "x"], "ERR Syntax error in HELLO option 'auth'"),
        (["3", "SETNAME"], "ERR Syntax error in HELLO option 'SETNAME'"),
        (["3", "SETNAME", "a b"], BAD_NAME),
        (["3", "AUTH", "somebody", "x"], WRONG_PASS),
        (["3", "AUTH", "somebody", "x", "SETNAME", "a b"], BAD_NAME),
    ],
)
def test_hello_refuses_and_changes_nothing(
    client: RawClient, args: list[str], error: str
) -> None:
    client.ok("CLIENT", "SETNAME", "before")
    assert client.cmd("HELLO", *args) == error
    assert client.cmd("CLIENT", "GETNAME") == b"before"
    assert greeting(client.cmd("HELLO"))[b"proto"] == client.resp


def test_hello_sets_the_name(client: RawClient) -> None:
    client.hello(3, "SETNAME", "first", "setname", "me", "AUTH", "default", "any")
    assert client.cmd("CLIENT", "GETNAME") == b"me"
    client.hello(2, "SETNAME", "")
    assert client.cmd("CLIENT", "GETNAME") is None


def test_hello_authenticates(guarded: FastredisServer) -> None:
    client = guarded.client()
    assert client.cmd("HELLO") == HELLO_NO_AUTH
    assert client.hello(3) == HELLO_NO_AUTH
    assert client.hello(3, "SETNAME", "me") == HELLO_NO_AUTH
    assert client.hello(3, "AUTH", "default", "wrong") == WRONG_PASS
    assert client.cmd("GET", "k") == NO_AUTH
    hello = client.hello(3, "AUTH", "default", "secret", "SETNAME", "me")
    assert greeting(hello)[b"proto"] == 3
    assert client.cmd("CLIENT", "GETNAME") == b"me"
    assert client.cmd("GET", "k") is None


# --- RESET -------------------------------------------------------------------------


def test_reset_forgets_everything(client: RawClient) -> None:
    client.ok("SET", "k", "zero")
    client.ok("SELECT", 3)
    client.ok("CLIENT", "SETNAME", "me")
    client.ok("CLIENT", "NO-TOUCH", "ON")
    assert client.cmd("RESET") == "RESET"
    client.resp = 2
    assert client.cmd("GET", "k") == b"zero"
    assert client.cmd("CLIENT", "GETNAME") is None
    assert greeting(client.cmd("HELLO"))[b"proto"] == 2


def test_reset_ends_authentication(guarded: FastredisServer) -> None:
    client = guarded.client()
    client.ok("AUTH", "secret")
    assert client.cmd("RESET") == "RESET"
    assert client.cmd("GET", "k") == NO_AUTH


def test_reset_switches_replies_on_again(client2: RawClient) -> None:
    client2.send_raw(b"CLIENT REPLY OFF\r\nPING\r\nRESET\r\nPING\r\n")
    assert client2.read() == "RESET"
    assert client2.read() == "PONG"


# --- CLIENT ID, GETNAME, SETNAME, SETINFO ------------------------------------------


def test_client_ids_grow(server: FastredisServer) -> None:
    ids = [server.client().cmd("CLIENT", "ID") for _ in range(3)]
    assert ids == sorted(set(ids))


def test_client_setname(client: RawClient) -> None:
    assert client.cmd("CLIENT", "GETNAME") is None
    for name in ("me", "other-Name_1", "!~", "n" * 1000):
        client.ok("CLIENT", "SETNAME", name)
        assert client.cmd("CLIENT", "GETNAME") == name.encode()
    client.ok("CLIENT", "SETNAME", "")
    assert client.cmd("CLIENT", "GETNAME") is None


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_client_setname_refuses(client: RawClient, name: str) -> None:
    client.ok("CLIENT", "SETNAME", "before")
    assert client.cmd("CLIENT", "SETNAME", name) == BAD_NAME
    assert client.cmd("CLIENT", "GETNAME") == b"before"


def test_client_setinfo(client: RawClient) -> None:
    client.ok("CLIENT", "SETINFO", "LIB-NAME", "my-library(1.0)")
    client.ok("CLIENT", "SETINFO", "lib-ver", "1.2.3")
    info = client.cmd("CLIENT", "INFO").split()
    assert b"lib-name=my-library(1.0)" in info
    assert b"lib-ver=1.2.3" in info
    client.ok("CLIENT", "SETINFO", "lib-name", "")
    info = client.cmd("CLIENT", "INFO").split()
    assert b"lib-name=" in info
    assert b"lib-ver=1.2.3" in info


@pytest.mark.parametrize("value", NOT_PLAIN)
@pytest.mark.parametrize("field", ["lib-name", "LIB-VER"])
def test_client_setinfo_refuses(client: RawClient, field: str, value: str) -> None:
    error = f"ERR {field} cannot contain spaces, newlines or special characters."
    assert client.cmd("CLIENT", "SETINFO", field, value) == error


def test_client_setinfo_of_an_unknown_field(client: RawClient) -> None:
    error = "ERR Unrecognized option 'nonsense'"
    assert client.cmd("CLIENT", "SETINFO", "nonsense", "x y") == error


# --- CLIENT NO-TOUCH ---------------------------------------------------------------


def test_no_touch_leaves_the_access_time_alone(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("SET", "k", "v")
    client.ok("SET", "other", "v")
    # within one pipeline, for others keep their ways
    replies = client.pipeline(
        [("CLIENT", "NO-TOUCH", "ON"), ("GET", "k"), ("EXPIRE", "k", 1000)]
    )
    assert replies == ["OK", b"v", 1]

    def is_idle() -> bool:
        client.pipeline([("GET", "k"), ("EXPIRE", "k", 1000), ("EXISTS", "k")])
        return bool(client2.cmd("OBJECT", "IDLETIME", "k") >= 1)

    wait_until(is_idle)

    def is_fresh(who: RawClient, key: str, *use: Any) -> bool:
        """Use a key and tell whether that counted, unless the second just ended."""
        who.pipeline(use)
        return bool(client2.cmd("OBJECT", "IDLETIME", key) == 0)

    wait_until(lambda: is_fresh(client2, "other", ("GET", "other")))
    assert client2.cmd("OBJECT", "IDLETIME", "k") >= 1
    # TOUCH means what it says
    wait_until(lambda: is_fresh(client, "k", ("TOUCH", "k")))
    wait_until(is_idle)
    off = ("CLIENT", "NO-TOUCH", "off")
    wait_until(lambda: is_fresh(client, "k", off, ("GET", "k")))


def test_no_touch_refuses(client: RawClient) -> None:
    assert client.cmd("CLIENT", "NO-TOUCH", "nonsense") == SYNTAX


# --- CLIENT REPLY ------------------------------------------------------------------


def test_reply_off_and_on(client: RawClient) -> None:
    client.send("CLIENT", "REPLY", "OFF")
    client.send("PING", "unheard")
    client.send("SET", "k", "v")
    client.send("nonsense")
    client.send("CLIENT", "REPLY", "SKIP")
    client.send("GET", "k")
    client.send("CLIENT", "REPLY", "nonsense")
    client.send("CLIENT", "REPLY", "ON")
    assert client.read() == "OK"
    assert client.cmd("GET", "k") == b"v"


def test_reply_skip_leaves_out_one(client: RawClient) -> None:
    client.send("CLIENT", "REPLY", "SKIP")
    client.send("SET", "k", "v")
    assert client.cmd("GET", "k") == b"v"
    client.send_raw(
        b"CLIENT REPLY SKIP\r\nPING 1\r\nPING 2\r\n"
        b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING 3\r\nPING 4\r\n"
        b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING 5\r\n"
        b"CLIENT REPLY SKIP\r\nnonsense\r\nPING 6\r\n"
    )
    replies = [client.read() for _ in range(5)]
    assert replies == [b"2", b"4", "OK", b"5", b"6"]


def test_reply_on_answers(client: RawClient) -> None:
    client.ok("CLIENT", "REPLY", "ON")
    assert client.cmd("CLIENT", "REPLY", "nonsense") == SYNTAX


def test_reply_off_drops_large_replies(client: RawClient) -> None:
    client.ok("SET", "k", "x" * 200_000)
    client.send("CLIENT", "REPLY", "OFF")
    for _ in range(20):
        client.send("GET", "k")
    client.send("CLIENT", "REPLY", "ON")
    assert client.read() == "OK"
    assert client.cmd("STRLEN", "k") == 200_000


def test_quit_while_replies_are_off(client: RawClient) -> None:
    client.send_raw(b"CLIENT REPLY OFF\r\nQUIT\r\n")
    assert client.is_closed()
