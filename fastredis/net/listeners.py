# SPDX-License-Identifier: BSD-3-Clause
r"""Where clients come in: the listening sockets, and the road that each kind takes.

    port, bind ------> TCP sockets  --+--> reactor             (net-transport epoll)
    unixsocket ------> Unix socket  --+--> acceptor, plain     (net-transport uvloop)
    tls-port, bind --> TCP sockets  -----> acceptor, with TLS  (always)

CONFIG SET of port, tls-port and bind closes the sockets concerned and opens others;
clients that are connected stay. If the new ones cannot be opened, the change is
refused, and the old ones are opened again. CONFIG SET of a tls-* directive makes a new
context for the connections to come, or is refused and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastredis.net.listener import ListenError, close_all, listen_tcp, listen_unix

if TYPE_CHECKING:
    import ssl

    from fastredis.engine.runtime import Engine
    from fastredis.net.acceptor import Acceptor
    from fastredis.net.reactor import Reactor

try:
    from fastredis.net import reactor as _reactor
except ImportError:  # a platform without epoll
    _reactor = None  # type: ignore[assignment]

# What the context for TLS is made from.
TLS_DIRECTIVES: Final = (
    "tls-cert-file",
    "tls-key-file",
    "tls-key-file-pass",
    "tls-client-cert-file",
    "tls-client-key-file",
    "tls-client-key-file-pass",
    "tls-dh-params-file",
    "tls-ca-cert-file",
    "tls-ca-cert-dir",
    "tls-auth-clients",
    "tls-protocols",
    "tls-ciphers",
    "tls-ciphersuites",
    "tls-prefer-server-ciphers",
    "tls-session-caching",
    "tls-session-cache-size",
    "tls-session-cache-timeout",
)


class Settings(Protocol):
    """What this module reads of the configuration."""

    def __getitem__(self, name: str) -> Any:
        """Return a directive's value."""

    def on_change(self, name: str, callback: Callable[[Any], None]) -> None:
        """Call back after a change; ValueError refuses it."""


class Log(Protocol):
    """What this module writes to the log."""

    def warning(self, message: str) -> None:
        """Write what asks for attention."""


class Listeners:
    """The listening sockets of one server.

    takes_any_port: port 0 means a free one, rather than no TCP at all.
    """

    def __init__(
        self, engine: Engine, settings: Settings, log: Log, *, takes_any_port: bool
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._log = log
        self._takes_any_port = takes_any_port
        self._tcp: list[socket.socket] = []
        self._tls: list[socket.socket] = []
        self._unix: socket.socket | None = None
        # what _tcp and _tls were opened for: addresses and port
        self._tcp_at: tuple[tuple[str, ...], int] = ((), 0)
        self._tls_at: tuple[tuple[str, ...], int] = ((), 0)
        self._context: ssl.SSLContext | None = None
        self._plain_acceptor: Acceptor | None = None
        self._tls_acceptor: Acceptor | None = None
        self._is_serving = False
        self.reactor: Reactor | None = None
        self.port = 0  # the one in use; 0: no TCP
        self.tls_port = 0
        self.unix_path = ""

    # --- Open --------------------------------------------------------------------

    def open(self) -> None:
        """Open the sockets that the configuration asks for.

        Raises: ListenError if one cannot be had, or if TLS is not set up for it.
        """
        settings = self._settings
        if settings["tls-port"]:
            self._context = self._make_context()
            if self._context is None:
                raise ListenError("Failed to configure TLS. Check logs for more info.")
        try:
            self._open_tcp()
            self._open_tls()
            if settings["unixsocket"]:
                self._unix = listen_unix(
                    settings["unixsocket"],
                    settings["unixsocketperm"],
                    settings["tcp-backlog"],
                    self._log.warning,
                )
                self.unix_path = os.path.abspath(settings["unixsocket"])
        except ListenError:
            self.close()
            raise

    @property
    def are_none(self) -> bool:
        """Whether the configuration asks for no socket at all."""
        return not self._tcp and not self._tls and self._unix is None

    def _open_tcp(self) -> None:
        settings = self._settings
        close_all(self._tcp)
        self._tcp, self.port = [], 0
        self._tcp_at = (settings["bind"], settings["port"])
        # bind "" leaves the Unix socket only
        if settings["bind"] and (settings["port"] or self._takes_any_port):
            self._tcp = self._listen(settings["port"])
            self.port = self._tcp[0].getsockname()[1]

    def _open_tls(self) -> None:
        settings = self._settings
        close_all(self._tls)
        self._tls, self.tls_port = [], 0
        self._tls_at = (settings["bind"], settings["tls-port"])
        if settings["bind"] and settings["tls-port"]:
            self._tls = self._listen(settings["tls-port"])
            self.tls_port = self._tls[0].getsockname()[1]

    def _listen(self, port: int) -> list[socket.socket]:
        settings = self._settings
        return listen_tcp(
            settings["bind"], port, settings["tcp-backlog"], self._log.warning
        )

    def _make_context(self) -> ssl.SSLContext | None:
        """Return a context for TLS; if there is none, the log says why."""
        from fastredis.net.tls import (
            TlsError,
            client_context,
            has_client_identity,
            server_context,
        )

        settings = {name: self._settings[name] for name in TLS_DIRECTIVES}
        try:
            if has_client_identity(settings):
                client_context(settings)  # nobody needs it yet, but it must be good
            return server_context(settings)
        except TlsError as error:
            self._log.warning(str(error))
            return None

    # --- Serve -------------------------------------------------------------------

    def serve(self) -> None:
        """Accept clients from now on; to be called within the event loop.

        Raises: ListenError if the platform lacks what the configuration asks for.
        """
        road = self._settings["net-transport"]
        if road == "epoll" and _reactor is None:
            raise ListenError("net-transport epoll: this platform has no epoll")
        if _reactor is not None and road != "uvloop":
            self.reactor = _reactor.Reactor(self._engine)
            loop = asyncio.get_running_loop()
            loop.add_reader(self.reactor.fileno(), self.reactor.tick)
        else:
            self._plain_acceptor = self._acceptor()
        self._is_serving = True
        self._serve_plain()
        self._serve_tls()

    def _acceptor(self) -> Acceptor:
        from fastredis.net.acceptor import Acceptor
        from fastredis.net.transport import TransportRoad

        engine, settings = self._engine, self._settings
        return Acceptor(
            TransportRoad(engine),
            failed=lambda number: engine.server.accept_failed(number),
            say=self._log.warning,
            is_full=lambda: engine.nclients >= settings["maxclients"],
        )

    def _serve_plain(self) -> None:
        sockets = list(self._tcp)
        if self._unix is not None:
            sockets.append(self._unix)
        if self._plain_acceptor is not None:
            self._plain_acceptor.listen(sockets)
        elif self.reactor is not None:
            self.reactor.remove_listeners()
            for sock in sockets:
                is_unix = sock is self._unix
                path = os.fsencode(self.unix_path) if is_unix else b""
                self.reactor.add_listener(sock, path)

    def _serve_tls(self) -> None:
        if self._tls and self._tls_acceptor is None:
            self._tls_acceptor = self._acceptor()
        if self._tls_acceptor is not None:
            self._tls_acceptor.context = self._context
            per_turn = self._settings["max-new-tls-connections-per-cycle"]
            self._tls_acceptor.per_turn = per_turn
            self._tls_acceptor.listen(self._tls)

    # --- Change ------------------------------------------------------------------

    def follow(self) -> None:
        """Obey CONFIG SET from now on."""
        settings = self._settings
        settings.on_change("port", self._port_changed)
        settings.on_change("tls-port", self._tls_port_changed)
        settings.on_change("bind", self._bind_changed)
        settings.on_change(
            "max-new-tls-connections-per-cycle", lambda _: self._serve_tls()
        )
        for name in TLS_DIRECTIVES:
            settings.on_change(name, self._tls_changed)

    def _port_changed(self, settings: Settings) -> None:
        try:
            self._reopen()
        except ListenError:
            raise ValueError(
                "Unable to listen on this port. Check server logs."
            ) from None

    def _bind_changed(self, settings: Settings) -> None:
        try:
            self._reopen()
        except ListenError:
            raise ValueError("Failed to bind to specified addresses.") from None

    def _tls_port_changed(self, settings: Settings) -> None:
        if settings["tls-port"] and self._context is None:
            self._tls_changed(settings)
        self._port_changed(settings)

    def _tls_changed(self, settings: Settings) -> None:
        if not settings["tls-port"]:
            self._context = None  # made when there is a port for it
            return
        context = self._make_context()
        if context is None:
            raise ValueError("Unable to update TLS configuration. Check server logs.")
        self._context = context
        if self._tls_acceptor is not None:
            self._tls_acceptor.context = context

    def _reopen(self) -> None:
        """Open other sockets where addresses or ports are others now."""
        settings = self._settings
        if not self._is_serving:
            return
        if self._tcp_at != (settings["bind"], settings["port"]):
            # the sets must not watch what is closed
            self._stop_plain()
            try:
                self._open_tcp()
            finally:
                self._serve_plain()
        if self._tls_at != (settings["bind"], settings["tls-port"]):
            if self._tls_acceptor is not None:
                self._tls_acceptor.listen([])
            try:
                self._open_tls()
            finally:
                self._serve_tls()

    def _stop_plain(self) -> None:
        if self._plain_acceptor is not None:
            self._plain_acceptor.listen([])
        elif self.reactor is not None:
            self.reactor.remove_listeners()

    # --- Connections that are made from here -------------------------------------

    def adopt(self, connection: int | asyncio.Transport) -> int:
        """Serve a connection as a client, and return the client's id.

        connection: the descriptor of a socket, for the reactor; or a transport.
        """
        if isinstance(connection, int):
            assert self.reactor is not None
            return int(self.reactor.adopt(connection))
        from fastredis.net.transport import TransportRoad

        return int(TransportRoad(self._engine)().adopt(connection))

    # --- Close -------------------------------------------------------------------

    def close(self) -> None:
        """Accept no more clients, and remove the Unix socket's file."""
        if self._is_serving:
            self._is_serving = False
            if self.reactor is not None:
                asyncio.get_running_loop().remove_reader(self.reactor.fileno())
            self._stop_plain()
            for acceptor in (self._plain_acceptor, self._tls_acceptor):
                if acceptor is not None:
                    acceptor.close()
        close_all([*self._tcp, *self._tls])
        self._tcp, self._tls = [], []
        if self._unix is not None:
            self._unix.close()
            self._unix = None
            with contextlib.suppress(OSError):
                os.unlink(self.unix_path)

    async def wait_closed(self) -> None:
        """Wait until nothing is under way any more, after close()."""
        for acceptor in (self._plain_acceptor, self._tls_acceptor):
            if acceptor is not None:
                await acceptor.wait_closed()
