# SPDX-License-Identifier: BSD-3-Clause
"""Protected mode: without a password, clients of this machine only.

A client counts as one from elsewhere when it connects to an address of the machine
that is not a loopback address; its bytes do not leave the machine.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from support.server import FastredisServer, GenuineServer, ServerProcess

Fresh = Callable[..., FastredisServer]


def own_address() -> str:
    """Return an address of this machine that is not a loopback address, or ""."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return ""
        address = str(sock.getsockname()[0])
    return "" if address.startswith("127.") else address


pytestmark = pytest.mark.skipif(not own_address(), reason="only loopback addresses")


def answer(server: ServerProcess, send: bytes = b"PING\r\n") -> bytes:
    """Return what a client from elsewhere is told, up to the end or one line."""
    with socket.create_connection((own_address(), server.port), timeout=20) as sock:
        data = b""
        try:
            sock.sendall(send)
            while not data.endswith(b"\r\n"):
                part = sock.recv(65536)
                if not part:
                    break
                data += part
        except ConnectionError:
            pass
        return data


@pytest.mark.parametrize("road", ["auto", "uvloop"])
def test_denied(fresh_server: Fresh, road: str) -> None:
    server = fresh_server(bind=["127.0.0.1", own_address()], net_transport=road)
    assert answer(server, b"").startswith(b"-DENIED Redis is running in protected mode")
    client = server.client()
    assert client.info("stats")["rejected_connections"] == "1"
    client.ok("CONFIG", "SET", "protected-mode", "no")
    assert answer(server) == b"+PONG\r\n"
    client.ok("CONFIG", "SET", "protected-mode", "yes", "requirepass", "secret")
    assert answer(server).startswith(b"-NOAUTH ")
    assert server.client(unix=True).cmd("PING") != "PONG"  # NOAUTH: it may connect


def test_same_words(fresh_server: Fresh) -> None:
    bind = ["127.0.0.1", own_address()]
    with GenuineServer("redis", bind=bind, protected_mode=True) as genuine:
        theirs = answer(genuine, b"")
    assert answer(fresh_server(bind=bind), b"") == theirs
