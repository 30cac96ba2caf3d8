# SPDX-License-Identifier: BSD-3-Clause
"""For tests of replication: who follows whom, and whether their data is the same."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from support.server import (
    START_SECONDS,
    FastredisServer,
    GenuineServer,
    ServerProcess,
)
from support.wait import wait_until

WAIT_SECONDS = START_SECONDS

Make = Callable[..., ServerProcess]


def follow(replica: ServerProcess, master: ServerProcess, port: int = 0) -> None:
    """Make a server a replica, and wait until it has the data.

    port: to connect to, instead of the master's own.
    """
    client = replica.client()
    client.ok("REPLICAOF", "127.0.0.1", str(port or master.port))
    wait_link(replica)


def wait_link(replica: ServerProcess) -> None:
    """Wait until a replica's link is up."""
    client = replica.client()
    wait_until(
        lambda: client.info("replication").get("master_link_status") == "up",
        WAIT_SECONDS,
        message=lambda: f"the link does not come up\n{replica.shown_log()}",
    )


def offset(server: ServerProcess) -> int:
    """Return how much of the history a server has."""
    return int(server.client().info("replication")["master_repl_offset"])


def wait_same(master: ServerProcess, *replicas: ServerProcess) -> None:
    """Wait until replicas have all; then their data must be the master's."""
    own = [server.client() for server in replicas]
    first = master.client()

    def is_same() -> bool:
        wanted = first.info("replication")["master_repl_offset"]
        return all(c.info("replication")["master_repl_offset"] == wanted for c in own)

    wait_until(is_same, WAIT_SECONDS, message="the replicas do not catch up")
    digest = first.cmd("DEBUG", "DIGEST")
    for server, client in zip(replicas, own, strict=True):
        wait_until(
            lambda client=client: client.cmd("DEBUG", "DIGEST") == digest,
            5,
            message=f"other data\n{server.shown_log()}",
        )


class Proxy:
    """A way to a port that can be cut, and closed for some time.

    Each socket is read by one thread, which closes it in the end.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.is_open = True
        self.connections = 0
        self.limit = -1  # bytes to the client before the next cut; -1: none
        self._run(self._accept)

    def _run(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = None
            with contextlib.suppress(OSError):
                if self.is_open:
                    far = socket.create_connection(("127.0.0.1", self._target))
            if far is None:
                near.close()
                continue
            with self._lock:
                self._sockets += [near, far]
                self.connections += 1
                self._run(self._pump, near, far, False)
                self._run(self._pump, far, near, True)

    def _pump(self, source: socket.socket, sink: socket.socket, counts: bool) -> None:
        with source:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    if counts and self.limit >= 0:
                        data = data[: self.limit]
                        self.limit -= len(data)
                    sink.sendall(data)
                    if counts and self.limit == 0:
                        self.limit = -1
                        break
            _end(sink)
            _end(source)

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for sock in sockets:
            _end(sock)

    def close(self) -> None:
        """End it."""
        _end(self._listener)
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def start(kind: str, **config: Any) -> ServerProcess:
    """Start a server of a kind: fastredis, redis or valkey."""
    config.setdefault("repl_diskless_sync_delay", 0)
    if kind == "fastredis":
        return FastredisServer(**config)
    return GenuineServer(kind, **config)
