# SPDX-License-Identifier: BSD-3-Clause
"""The connections that MIGRATE keeps."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import fastredis
from fastredis.persistence import migrate
from fastredis.persistence.migrate import Links


@pytest.fixture
def address() -> Iterator[tuple[bytes, bytes]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield b"127.0.0.1", b"%d" % listener.getsockname()[1]


@pytest.fixture
def links() -> Iterator[Links]:
    made = Links(SimpleNamespace(config={"tls-cluster": False}))
    yield made
    made.close_idle(0)
    assert len(made) == 0


def test_a_connection_is_used_again(links: Links, address: tuple[bytes, bytes]) -> None:
    first, was_used = links.take(*address, 1)
    assert not was_used
    assert links.take(*address, 1) == (first, True)
    assert links.take(b"localhost", address[1], 1)[0] is not first
    assert len(links) == 2
    links.drop(address)
    links.drop(address)
    assert links.take(*address, 1)[1] is False


def test_idle_ones_are_closed(links: Links, address: tuple[bytes, bytes]) -> None:
    link, _ = links.take(*address, 1)
    links.close_idle()
    assert len(links) == 1
    link.used_at -= migrate.KEPT_SECONDS
    links.close_idle()
    assert len(links) == 0


def test_there_is_a_limit(
    links: Links, address: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "KEPT_MAX", 2)
    links.take(*address, 1)
    links.take(b"localhost", address[1], 1)
    links.take(*address, 1)
    links.take(b"127.1", address[1], 1)  # the least recently used one goes
    assert len(links) == 2
    assert links.take(*address, 1)[1] is True


def test_info_counts_them() -> None:
    quiet = {"port": 0, "logfile": os.devnull}
    with fastredis.Server(quiet) as here, fastredis.Server(quiet) as there:
        assert b"migrate_cached_sockets:0\r\n" in here.call("INFO", "stats")
        here.call("SET", "k", "v")
        here.call("MIGRATE", "127.0.0.1", there.port, "k", 0, 1000)
        assert b"migrate_cached_sockets:1\r\n" in here.call("INFO", "stats")
