# SPDX-License-Identifier: BSD-3-Clause
"""Clients that die, hang, flood or are too many: the others notice nothing."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from support.client import ConnectionClosed, Error, RawClient, encode
from support.server import FastredisServer
from support.wait import wait_until

MIB = 1024 * 1024
FLOOD_BYTES = int(os.environ.get("FASTREDIS_TEST_FLOOD_MB", "256")) * MIB

Fresh = Callable[..., FastredisServer]


def connected(client: RawClient) -> int:
    """Return how many clients the server has."""
    return int(client.info("clients")["connected_clients"])


def wait_connected(client: RawClient, number: int, timeout: float = 10.0) -> None:
    """Wait until the server has that many clients."""
    wait_until(
        lambda: connected(client) == number,
        timeout,
        message=lambda: f"{connected(client)} clients, not {number}",
    )


def reset_connection(client: RawClient) -> None:
    """Close with a TCP reset, as a crashed host's successor would answer."""
    linger = struct.pack("ii", 1, 0)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.close()


# --- Clients that go away ----------------------------------------------------------

HALF_A_REQUEST = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b"*3\\r\\n$3\\r\\nSET\\r\\n$3\\r\\nkey\\r\\n$1000000\\r\\n")
sock.sendall(b"x" * 500000)
print("sent", flush=True)
sys.stdin.read()
"""


def test_client_process_killed_in_a_request(server: FastredisServer) -> None:
    keeper = server.client()
    children = []
    try:
        for _ in range(5):
            child = subprocess.Popen(
                [sys.executable, "-c", HALF_A_REQUEST, str(server.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            children.append(child)
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"sent\n"
        wait_connected(keeper, 6)
        for child in children:
            child.send_signal(signal.SIGKILL)
        wait_connected(keeper, 1)
        assert keeper.cmd("EXISTS", "key") == 0
    finally:
        for child in children:
            child.kill()
            with child:
                pass


def test_reset_in_a_request_and_in_a_reply(server: FastredisServer) -> None:
    keeper = server.client()
    keeper.ok("SET", "big", b"x" * (4 * MIB))
    request = encode(["SET", "key", b"x" * 100_000])
    for _ in range(10):
        cut = server.client()
        cut.send_raw(request[:60_000])
        reset_connection(cut)
        # Four megabytes a reply: far more than the socket's buffers hold.
        reader = server.client(rcvbuf=4096)
        reader.send_raw(encode(["GET", "big"]) * 20)
        assert reader.read_raw(10).startswith(b"$4194304\r")
        reset_connection(reader)
        # Connected and gone before the server may have accepted.
        reset_connection(server.client())
    wait_connected(keeper, 1)
    assert keeper.cmd("EXISTS", "key") == 0
    assert keeper.cmd("STRLEN", "big") == 4 * MIB


def test_half_open_connections_are_closed_after_the_timeout(
    server: FastredisServer,
) -> None:
    keeper = server.client()
    keeper.ok("CONFIG", "SET", "timeout", 1)
    silent = [server.client() for _ in range(20)]
    for index, client in enumerate(silent):
        client.send_raw(encode(["SET", "key", "value"])[:index])
    wait_connected(keeper, 21)
    deadline = time.monotonic() + 10
    # The keeper asks all the time, so its own connection stays.
    wait_connected(keeper, 1, timeout=10)
    assert time.monotonic() < deadline
    assert all(client.is_closed() for client in silent)


def test_client_that_stops_reading_but_not_sending_ends(
    server: FastredisServer,
) -> None:
    keeper = server.client()
    keeper.ok("SET", "big", b"x" * MIB)
    client = server.client(rcvbuf=4096)
    client.send_raw(encode(["GET", "big"]) * 50)
    assert client.read_raw(10).startswith(b"$1048576\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    # Its replies may still be on their way; the server must not wait for ever.
    reset_connection(client)
    wait_connected(keeper, 1)


# --- Clients that do not read ------------------------------------------------------


def flood(client: RawClient, request: bytes, nbytes: int, each: int) -> int:
    """Send requests for that many bytes of replies, reading none.

    Return how many whole requests were sent. The server may stop reading from a
    client that does not read; then this stops too.
    """
    stream = memoryview(request * max(1, nbytes // each))
    sent = 0
    client.sock.setblocking(False)
    while sent < len(stream):
        if not select.select([], [client.sock], [], 1.0)[1]:
            break
        with contextlib.suppress(BlockingIOError):
            sent += client.sock.send(stream[sent : sent + MIB])
    client.sock.settimeout(client.timeout)
    # Finish the request that was cut, reading as far as is needed for it.
    rest = -sent % len(request)
    if rest:
        client.send_and_fill(request[-rest:])
    return -(-sent // len(request))


@pytest.mark.parametrize("how", ["small requests", "big requests"])
def test_flood_without_reading_leaves_others_alone(
    server: FastredisServer, how: str
) -> None:
    other = server.client()
    value = b"v" * MIB
    if how == "small requests":
        other.ok("SET", "big", value)
        request = encode(["GET", "big"])
    else:
        request = encode(["ECHO", value])
    flooder = server.client(timeout=60)
    asked = flood(flooder, request, FLOOD_BYTES, MIB)
    for number in range(200):
        assert other.cmd("INCR", "counter") == number + 1
    assert asked > 0
    for _ in range(asked):
        assert flooder.read() == value
    assert flooder.cmd("PING") == "PONG"
    assert other.cmd("GET", "counter") == b"200"


def test_hard_output_limit_closes_the_client(server: FastredisServer) -> None:
    keeper = server.client()
    keeper.ok("SET", "big", b"x" * MIB)
    keeper.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 5mb 0 0")
    client = server.client(rcvbuf=4096)
    # The socket's own buffers take a few megabytes of these 64.
    client.send_raw(encode(["GET", "big"]) * 64)
    wait_connected(keeper, 1)
    assert len(client.read_all()) < 64 * MIB
    # Within the limit nothing happens, and the limit can be taken away.
    client = server.client()
    assert client.pipeline([("GET", "big")] * 3) == [b"x" * MIB] * 3
    keeper.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    client = server.client(rcvbuf=4096)
    client.send_raw(encode(["GET", "big"]) * 64)
    assert [client.read() for _ in range(64)] == [b"x" * MIB] * 64


def test_soft_output_limit_closes_after_its_seconds(server: FastredisServer) -> None:
    keeper = server.client()
    keeper.ok("SET", "big", b"x" * MIB)
    keeper.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 0 5mb 2")
    started = time.monotonic()
    client = server.client(rcvbuf=4096)
    client.send_raw(encode(["GET", "big"]) * 64)
    wait_connected(keeper, 1, timeout=15)
    assert time.monotonic() - started >= 1.9
    assert len(client.read_all()) < 64 * MIB


def test_soft_output_limit_forgives_who_reads_in_time(
    server: FastredisServer,
) -> None:
    keeper = server.client()
    keeper.ok("SET", "big", b"x" * MIB)
    keeper.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 0 5mb 3")
    client = server.client(rcvbuf=4096)
    for _ in range(3):
        started = time.monotonic()
        client.send_raw(encode(["GET", "big"]) * 32)
        # Above the limit for a while, below it again before the time is over.
        while time.monotonic() - started < 1.3:
            assert keeper.cmd("PING") == "PONG"
            time.sleep(0.05)
        assert [client.read() for _ in range(32)] == [b"x" * MIB] * 32
    assert client.cmd("PING") == "PONG"


# --- Too many clients --------------------------------------------------------------


@pytest.fixture
def many_files() -> Iterator[int]:
    """Raise this process's own limit of open files as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections(fresh_server: Fresh, many_files: int) -> None:
    wanted = 10_000
    if many_files < wanted + 200:
        pytest.skip(f"only {many_files} open files permitted")
    server = fresh_server(maxclients=wanted + 10, limits={"RLIMIT_NOFILE": many_files})
    keeper = server.client(timeout=30)
    before = server.rss_bytes()
    idle = [server.client(timeout=30) for _ in range(wanted)]
    wait_connected(keeper, wanted + 1, timeout=30)
    each = (server.rss_bytes() - before) / wanted
    print(f"{each:.0f} bytes of memory for each idle connection")
    for number in range(1000):
        assert keeper.cmd("INCR", "counter") == number + 1
    # Each of them works, in any order.
    for client in idle[::7]:
        client.send("PING")
    for client in idle[::7]:
        assert client.read() == "PONG"
    server.close_clients()
    keeper = server.client(timeout=30)
    wait_connected(keeper, 1, timeout=30)


def test_maxclients(fresh_server: Fresh) -> None:
    server = fresh_server(maxclients=10)
    clients = [server.client() for _ in range(10)]
    assert all(client.cmd("PING") == "PONG" for client in clients)
    for unix in (False, True):
        refused = server.client(unix=unix)
        assert refused.read() == Error("ERR max number of clients reached")
        assert refused.is_closed()
    assert clients[0].info("stats")["rejected_connections"] == "2"
    assert connected(clients[0]) == 10
    clients.pop().close()
    wait_connected(clients[0], 9)
    assert server.client().cmd("PING") == "PONG"
    clients[0].ok("CONFIG", "SET", "maxclients", 12)
    more = [server.client(), server.client()]
    assert [client.cmd("PING") for client in more] == ["PONG"] * 2
    assert server.client().read() == Error("ERR max number of clients reached")


def test_few_files_permitted_from_the_start(fresh_server: Fresh) -> None:
    server = fresh_server(limits={"RLIMIT_NOFILE": 128})
    client = server.client()
    limit = int(client.config("maxclients"))
    # As many clients as the descriptors allow, some of them kept for other use.
    assert 0 < limit <= 128 - 32
    clients = [server.client() for _ in range(limit - 1)]
    assert all(client.cmd("PING") == "PONG" for client in clients)
    assert server.client().read() == Error("ERR max number of clients reached")
    assert client.cmd("PING") == "PONG"


def test_out_of_file_descriptors(fresh_server: Fresh) -> None:
    server = fresh_server()
    keeper = server.client()
    assert keeper.cmd("PING") == "PONG"
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    limit = server.open_files() + 5
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, hard))
    crowd = [server.client() for _ in range(30)]
    for client in crowd:
        client.send("PING")
    for number in range(100):
        assert keeper.cmd("INCR", "counter") == number + 1
    answered = [client for client in crowd if client.has_input(0.2)]
    assert 0 < len(answered) < len(crowd)
    for client in answered:
        assert client.read() == "PONG"
        client.close()
    # Their descriptors go to clients that waited.
    waiting = [client for client in crowd if client not in answered]
    wait_until(lambda: any(client.has_input() for client in waiting))
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
    for client in waiting:
        # A server may turn a client away that it has no descriptor for.
        with contextlib.suppress(ConnectionClosed):
            reply = client.read()
            assert reply == "PONG" or isinstance(reply, Error)
    assert server.client().cmd("PING") == "PONG"
    assert keeper.cmd("PING") == "PONG"
