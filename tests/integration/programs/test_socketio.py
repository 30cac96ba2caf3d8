# SPDX-License-Identifier: BSD-3-Clause
"""python-socketio: web servers and workers that reach each other's clients by Redis."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer
from support.wait import wait_until

socketio = pytest.importorskip("socketio", reason="python-socketio is not installed")
pytest.importorskip("requests", reason="python-socketio[client] is not installed")
serving = pytest.importorskip("werkzeug.serving", reason="Werkzeug is not installed")
pytest.importorskip("redis", reason="redis-py is not installed")


@pytest.fixture(scope="module")
def backend() -> Iterator[FastredisServer]:
    with FastredisServer() as server:
        yield server


class Site:
    """A web server with a room that clients can enter."""

    def __init__(self, url: str) -> None:
        self.sio = socketio.Server(
            async_mode="threading",
            client_manager=socketio.RedisManager(url),
            cors_allowed_origins="*",
        )
        self.sio.on("enter", self.enter)
        self.sio.on("say", self.say)
        app = socketio.WSGIApp(self.sio)
        self.server = serving.make_server("127.0.0.1", 0, app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def enter(self, sid: str, room: str) -> str:
        self.sio.enter_room(sid, room)
        return "welcome"

    def say(self, sid: str, room: str, text: str) -> None:
        self.sio.emit("said", text, room=room)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join(10)


@pytest.fixture
def sites(backend: FastredisServer) -> Iterator[list[Site]]:
    url = f"redis://127.0.0.1:{backend.port}/0"
    made = [Site(url), Site(url)]
    yield made
    for site in made:
        site.close()


class Guest:
    """A browser, as far as a server can tell."""

    def __init__(self, site: Site) -> None:
        self.heard: list[Any] = []
        self.client = socketio.Client(reconnection=False)
        self.client.on("said", self.heard.append)
        self.client.connect(site.url, transports=["polling"], wait_timeout=10)

    def enter(self, room: str) -> None:
        assert self.client.call("enter", room, timeout=10) == "welcome"


def test_guests_of_two_sites_share_a_room(
    backend: FastredisServer, sites: list[Site]
) -> None:
    guests = [Guest(site) for site in sites]
    stranger = Guest(sites[0])
    try:
        with backend.client() as watcher:
            # each site listens on the channel of the managers
            wait_until(lambda: watcher.cmd("PUBSUB", "NUMSUB", "socketio")[1] == 2)
        for guest in guests:
            guest.enter("lobby")
        for n in range(5):
            guests[n % 2].client.emit("say", ("lobby", f"line {n}"))
            wait_until(lambda n=n: all(len(g.heard) > n for g in guests), 10)
        # a worker that serves nobody tells all of them
        url = f"redis://127.0.0.1:{backend.port}/0"
        worker = socketio.RedisManager(url, write_only=True)
        worker.emit("said", "from the worker", room="lobby")
        worker.emit("said", "to everybody")
        expected = [*(f"line {n}" for n in range(5)), "from the worker", "to everybody"]
        for guest in guests:
            wait_until(lambda g=guest: g.heard == expected, 10)
        wait_until(lambda: stranger.heard == ["to everybody"], 10)
    finally:
        for guest in [*guests, stranger]:
            guest.client.disconnect()
