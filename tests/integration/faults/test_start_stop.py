# SPDX-License-Identifier: BSD-3-Clause
"""Starting where it cannot work, and stopping in the middle of things."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from support.client import encode
from support.server import FastredisServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]


@pytest.fixture
def attempt() -> Iterator[Fresh]:
    """Start a server that is expected to give up; return it after its end."""
    started = []

    def start(*args: str, **config: object) -> FastredisServer:
        server = FastredisServer(*args, start=False, check_exit=False, **config)
        started.append(server)
        server.spawn()
        server.wait_exit()
        return server

    yield start
    for server in started:
        server.kill()
        server.cleanup()


def test_port_in_use(attempt: Fresh) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = attempt(port=taken.getsockname()[1])
        assert "Failed listening on port" in server.log()
        assert server.process is not None
        assert server.process.returncode == 1


def test_port_of_a_running_server(server: FastredisServer, attempt: Fresh) -> None:
    second = attempt(port=server.port)
    assert "Failed listening on port" in second.log()
    assert second.process is not None
    assert second.process.returncode == 1
    assert server.client().cmd("PING") == "PONG"


def test_address_of_another_host(attempt: Fresh) -> None:
    server = attempt(bind="192.0.2.1")  # reserved for documentation
    assert server.process is not None
    assert server.process.returncode == 1


def test_directory_that_is_not_there(attempt: Fresh) -> None:
    server = attempt("--dir", "/nonexistent/directory")
    assert server.process is not None
    assert server.process.returncode == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_in_the_middle_of_a_pipeline(fresh_server: Fresh, how: int) -> None:
    server = fresh_server()
    clients = [server.client() for _ in range(20)]
    for client in clients:
        client.send_raw(encode(["SET", "key", b"x" * 10_000]) * 20 + b"*3\r\n$3\r\nSE")
    assert clients[0].read() == "OK"
    os.kill(server.pid, how)
    assert server.wait_exit() == 0
    assert "ready to exit, bye bye" in server.log()
    for client in clients:
        client.read_all()
        assert client.is_closed()
    assert not os.path.exists(server.unixsocket)


def test_shutdown_command(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    other = server.client()
    client.send("SHUTDOWN", "NOSAVE")
    assert server.wait_exit() == 0
    assert client.is_closed()
    assert other.is_closed()
    assert not os.path.exists(server.unixsocket)


def test_killed_server_starts_again(fresh_server: Fresh) -> None:
    # The Unix socket's file is still there, and the port in TIME_WAIT.
    server = fresh_server()
    server.client(unix=True).ok("SET", "key", "value")
    server.client()
    os.kill(server.pid, signal.SIGKILL)
    assert server.wait_exit() == -signal.SIGKILL
    assert os.path.exists(server.unixsocket)
    server.close_clients()
    server.start()
    assert server.client(unix=True).cmd("PING") == "PONG"
    assert server.client().cmd("EXISTS", "key") == 0


def test_stopped_and_continued(server: FastredisServer) -> None:
    # SIGSTOP as a stand-in for a machine that stalls for a while.
    client = server.client()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        client.send_raw(encode(["INCR", "counter"]) * 100)
        waiting = [server.client() for _ in range(50)]  # the kernel accepts them
        for one in waiting:
            one.send("INCR", "counter")
        assert not client.has_input(0.1)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    seen = [client.read() for _ in range(100)] + [one.read() for one in waiting]
    assert sorted(seen) == list(range(1, 151))
    assert client.cmd("GET", "counter") == b"150"


def test_log_is_flushed_while_running(fresh_server: Fresh) -> None:
    server = fresh_server()
    wait_until(lambda: "Ready to accept" in server.stdout())
    assert str(server.pid) in server.stdout()
