# SPDX-License-Identifier: BSD-3-Clause
"""SHUTDOWN: the process ends, and nothing is executed any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.client import RawClient, encode
from support.server import FastredisServer

Fresh = Callable[..., FastredisServer]

SYNTAX = "ERR syntax error"
NOT_IN_PROGRESS = "ERR No shutdown in progress."


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["NOSAVE"],
        ["nosave", "now", "force"],
        ["NOW"],
        ["FORCE"],
        ["NOSAVE", "NOSAVE"],
        ["SAVE", "FORCE"],
    ],
)
def test_ends_the_process_without_a_reply(
    fresh_server: Fresh, options: list[str]
) -> None:
    server = fresh_server()
    client = server.client()
    client.send("SHUTDOWN", *options)
    assert client.read_all() == b""
    assert server.wait_exit() == 0
    assert "ready to exit, bye bye" in server.log()


def test_save_points_do_not_keep_it_from_ending(fresh_server: Fresh) -> None:
    server = fresh_server(save="3600 1")
    client = server.client()
    client.ok("SET", "k", "v")
    client.send("SHUTDOWN")
    assert client.read_all() == b""
    assert server.wait_exit() == 0


@pytest.mark.parametrize("transport", ["epoll", "uvloop"])
def test_only_what_came_before_is_executed(fresh_server: Fresh, transport: str) -> None:
    server = fresh_server(net_transport=transport)
    client = server.client()
    before = [("SET", "k", "v"), ("GET", "k")]
    after = [("GET", "k"), ("DEBUG", "LOG", "executed after the end")]
    client.send_raw(b"".join(map(encode, [*before, ("SHUTDOWN", "NOSAVE"), *after])))
    assert client.read_all() == b"+OK\r\n$1\r\nv\r\n"
    assert server.wait_exit() == 0
    assert "executed after the end" not in server.log()


def test_requests_of_others_are_not_executed_either(fresh_server: Fresh) -> None:
    server = fresh_server()
    first, second = server.client(), server.client()
    # both wait in their sockets while the server sleeps; epoll reports them in the
    # order in which they became readable
    sleeper = server.client()
    sleeper.send("DEBUG", "SLEEP", "0.5")
    first.send("SHUTDOWN", "NOSAVE")
    second.send("DEBUG", "LOG", "executed after the end")
    assert second.read_all() == b""
    assert server.wait_exit() == 0
    assert "executed after the end" not in server.log()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["nonsense"], SYNTAX),
        (["SAVE", "NOSAVE"], SYNTAX),
        (["NOSAVE", "SAVE"], SYNTAX),
        (["ABORT", "NOW"], SYNTAX),
        (["NOW", "FORCE", "ABORT"], SYNTAX),
        (["NOSAVE", "x"], SYNTAX),
        (["ABORT"], NOT_IN_PROGRESS),
        (["abort", "ABORT"], NOT_IN_PROGRESS),
    ],
)
def test_refuses(client: RawClient, options: list[str], error: str) -> None:
    assert client.cmd("SHUTDOWN", *options) == error
    assert client.cmd("PING") == "PONG"
