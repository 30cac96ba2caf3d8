# SPDX-License-Identifier: BSD-3-Clause
"""import-mode and CLIENT IMPORT-SOURCE: a tool that copies data sees what has expired.

Nothing expires while the server is in import mode; only its sources see such keys.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.client import RawClient
from support.server import FastredisServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

NOT_IN_MODE = "ERR Server is not in import mode"


@pytest.fixture
def server(fresh_server: Fresh) -> FastredisServer:
    """Start a server in import mode with keys and fields that have expired."""
    server = fresh_server(import_mode="yes")
    client = server.client()
    client.ok("CLIENT", "IMPORT-SOURCE", "ON")
    client.ok("SET", "k", "v", "PX", 1)
    client.ok("SET", "other", "v", "PX", 1)
    client.cmd("HSET", "h", "f", "v", "g", "w")
    client.cmd("HPEXPIRE", "h", 1, "FIELDS", 1, "f")
    wait_until(lambda: client.cmd("HPTTL", "h", "FIELDS", 1, "f") == [0])
    client.close()
    return server


@pytest.fixture
def source(server: FastredisServer) -> RawClient:
    client = server.client()
    client.ok("CLIENT", "IMPORT-SOURCE", "ON")
    return client


def test_a_source_sees_what_has_expired(source: RawClient) -> None:
    assert source.cmd("GET", "k") == b"v"
    assert source.cmd("EXISTS", "k", "other") == 2
    assert source.cmd("PTTL", "k") == 0
    assert sorted(source.cmd("KEYS", "*")) == [b"h", b"k", b"other"]
    assert sorted(source.cmd("SCAN", 0)[1]) == [b"h", b"k", b"other"]
    assert source.cmd("HGET", "h", "f") == b"v"
    assert source.cmd("HGETALL", "h") == [b"f", b"v", b"g", b"w"]
    assert source.cmd("HPTTL", "h", "FIELDS", 2, "f", "g") == [0, -1]
    assert source.cmd("APPEND", "k", "x") == 2


def test_others_do_not(server: FastredisServer) -> None:
    client = server.client()
    assert client.cmd("GET", "k") is None
    assert client.cmd("KEYS", "*") == [b"h"]
    assert client.cmd("SCAN", 0)[1] == [b"h"]
    assert client.cmd("HGETALL", "h") == [b"g", b"w"]
    # and yet it is all there
    assert client.cmd("DBSIZE") == 3
    assert client.cmd("HLEN", "h") == 2
    assert client.info("stats")["expired_keys"] == "0"
    client.ok("SET", "k", "new")
    assert client.cmd("TTL", "k") == -1


def test_the_end_of_the_mode(source: RawClient) -> None:
    source.ok("CONFIG", "SET", "import-mode", "no")
    assert source.cmd("GET", "k") is None
    wait_until(lambda: source.cmd("DBSIZE") == 1)
    wait_until(lambda: source.cmd("HLEN", "h") == 1)
    assert source.info("stats")["expired_keys"] == "2"


def test_a_pause_ends_and_the_mode_goes_on(source: RawClient) -> None:
    source.ok("CLIENT", "PAUSE", 1, "WRITE")
    source.ok("CLIENT", "UNPAUSE")
    assert source.cmd("GET", "k") == b"v"
    assert source.cmd("DBSIZE") == 3


def test_the_flag(source: RawClient) -> None:
    assert b" flags=I " in source.cmd("CLIENT", "INFO")
    source.ok("CLIENT", "IMPORT-SOURCE", "off")
    assert source.cmd("GET", "k") is None
    source.ok("CLIENT", "IMPORT-SOURCE", "on")
    assert source.cmd("GET", "k") == b"v"
    assert source.cmd("RESET") == "RESET"
    assert b" flags=N " in source.cmd("CLIENT", "INFO")
    assert source.cmd("GET", "k") is None


def test_refuses(source: RawClient, client: RawClient) -> None:
    assert source.cmd("CLIENT", "IMPORT-SOURCE", "x") == "ERR syntax error"
    source.ok("CONFIG", "SET", "import-mode", "no")
    for word in ("ON", "x"):
        assert source.cmd("CLIENT", "IMPORT-SOURCE", word) == NOT_IN_MODE
    source.ok("CLIENT", "IMPORT-SOURCE", "OFF")
