# SPDX-License-Identifier: BSD-3-Clause
r"""The link of a replica to its master: from the address to the stream of changes.

                     follow()                        unfollow()
            NONE ---------------> CONNECT <--------------------------- any state
                                  |   ^
           at once, or a second   |   | the connection failed, or was refused
           after a failure        v   |
                                 CONNECTING        TCP, and TLS with tls-replication
                                  |
                                  v                PING, AUTH, REPLCONF
                                 HANDSHAKE -----.  PSYNC replid offset
                   +FULLRESYNC    |             |
                                  v             | +CONTINUE
                                 TRANSFER       |  the data set comes: sync.py
                                  |             |
                                  v             v
                                 CONNECTED         the stream: master_client.pyx
                                  |
                                  '--> CONNECT     at once: the link is broken

What a replica has of the history of the data set (history.py) is what it asks to be
continued. If the master cannot, all data is replaced. While a data set is received and
loaded there is no history: a link that breaks then begins anew.

Texts of the log are those that tools and tests look for.

Threads: the one that runs the event loop.
Source: Redis's documentation of replication; the protocol as Redis 7.0 speaks it.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from fastredis.replication.wire import Wire, WireError, connect

if TYPE_CHECKING:
    from fastredis.replication.history import History
    from fastredis.replication.master_client import MasterClient
    from fastredis.replication.sync import Transfer

# Seconds between a failure and the next attempt, and between two reports of the offset.
RETRY_DELAY: Final = 1.0
ACK_PERIOD: Final = 1.0
_REPLID_NBYTES: Final = 40


class State(Enum):
    """Where the link is; the values are what ROLE calls it."""

    NONE = "none"  # there is no master
    CONNECT = "connect"  # a connection will be made
    CONNECTING = "connecting"  # it is being made
    HANDSHAKE = "handshake"  # the two are getting to know each other
    TRANSFER = "sync"  # the data set is received, or loaded
    CONNECTED = "connected"  # the stream of changes is applied


class LinkError(Exception):
    """This attempt has failed; the text is for the log."""


class Link:
    """The link of one server."""

    def __init__(self, server: Any, history: History) -> None:
        self._server = server
        self._engine = server.engine
        self._config = server.config
        self._log = server.log
        self._history = history
        self._task: asyncio.Task[None] | None = None
        self._client: MasterClient | None = None
        self._broken = asyncio.Event()
        self._db = 0  # that the stream was in when the link broke
        self._acked_at = 0.0
        self._heard_at = time.monotonic()  # before there is a client
        self._down_since = 0.0
        self.state = State.NONE
        self.transfer: Transfer | None = None  # in State.TRANSFER
        self.has_history = False  # that a master may continue
        self.full_syncs = 0
        self._config.on_change("repl-diskless-load", _check_load)
        for name in ("replica-read-only", "replica-serve-stale-data"):
            self._config.on_change(name, lambda config: self._tell_engine())

    # --- Who the master is -------------------------------------------------------

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of the master; None: there is none."""
        address: tuple[str, int] | None = self._config["replicaof"]
        return address

    @property
    def is_up(self) -> bool:
        """Whether the stream of changes comes."""
        return self.state is State.CONNECTED

    def follow(self, host: str, port: int) -> None:
        """Become a replica of a master, or of another one than so far."""
        was_master = self.address is None
        if was_master:
            self._server.replication.primary.backlog.take()
        self._config.assign("replicaof", [host, str(port)])
        self._engine.unblock_all()
        self._stop()
        if was_master:
            # what there is may be what the master has, too
            self.has_history = True
            self._db = 0
        self.start()

    def start(self) -> None:
        """Begin to follow the master of the configuration, if it names one."""
        if self.address is None:
            return
        self._log.role = "S"
        self._down_since = time.time()
        self._set_state(State.CONNECT)
        self._server.replication.became_replica()
        host, port = self.address
        self._log.notice(f"Connecting to MASTER {host}:{port}")
        self._task = asyncio.get_running_loop().create_task(self._run())

    def restore(self, db: int) -> None:
        """Have the history of a file that was loaded continued.

        db: that the master's stream was in.
        """
        self._db = db
        self.has_history = True

    @property
    def stream_db(self) -> int:
        """The database that the master's stream is in; 0 where there is no master."""
        if self.address is None:
            return 0
        return self._db if self._client is None else self._client.db

    def unfollow(self) -> None:
        """Become a master; the history goes on under another name."""
        if self.address is None:
            return
        self._config.assign("replicaof", ["no", "one"])
        self._stop()
        self._set_state(State.NONE)
        self._log.role = "M"
        self._history.shift()
        self._log.notice(
            f"Setting secondary replication ID to {self._history.replid2}, valid up to "
            f"offset: {self._history.second_offset}. New replication ID is "
            f"{self._history.replid}"
        )
        self._server.replication.became_master()

    def close(self) -> None:
        """End the link; the server stops."""
        self._stop()

    def _stop(self) -> None:
        """Break the link off, whatever it is doing."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        client, self._client = self._client, None
        if client is not None:
            self._db = client.db
            client.close()
        self.transfer = None

    def _set_state(self, state: State) -> None:
        if self.state is State.CONNECTED is not state:
            self._down_since = time.time()
        self.state = state
        self._tell_engine()

    def _tell_engine(self) -> None:
        config = self._config
        self._engine.set_replica(
            self.state is not State.NONE,
            read_only=config["replica-read-only"],
            stale=not self.is_up and not config["replica-serve-stale-data"],
        )

    # --- The task ----------------------------------------------------------------

    async def _run(self) -> None:
        """Keep the link up until it is cancelled."""
        while True:
            self._set_state(State.CONNECT)
            try:
                await self._attempt()
            except (LinkError, WireError) as error:
                self._log.warning(str(error))
            except TimeoutError:
                self._log.warning(self._timeout_text())
            except OSError as error:
                self._log.warning(f"Error condition on socket for SYNC: {error}")
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._log.report(error, "the link to the master failed")
            else:
                continue  # it was up: again at once
            finally:
                self.transfer = None
            self._set_state(State.CONNECT)
            await asyncio.sleep(RETRY_DELAY)

    def _timeout_text(self) -> str:
        if self.state is State.TRANSFER:
            return (
                "Timeout receiving bulk data from MASTER... If the problem persists "
                "try to set the 'repl-timeout' parameter in redis.conf to a larger "
                "value."
            )
        return "Timeout connecting to the MASTER..."

    async def _attempt(self) -> None:
        """Make the link, and return when it is broken.

        Raises: LinkError, WireError, OSError, TimeoutError.
        """
        assert self.address is not None
        self._set_state(State.CONNECTING)
        self._log.notice("MASTER <-> REPLICA sync started")
        seconds = self._config["repl-timeout"]
        async with asyncio.timeout(seconds):
            wire = await self._connect(*self.address)
        try:
            self._log.notice("Non blocking connect for SYNC fired the event.")
            self._set_state(State.HANDSHAKE)
            async with asyncio.timeout(seconds):
                await self._introduce(wire)
            db = await self._psync(wire)
            self._serve(wire, db)
        finally:
            wire.close()
        await self._broken.wait()
        client, self._client = self._client, None
        if client is not None:
            self._db = client.db
        self._log.notice("Connection with master lost.")
        self._log.notice("Caching the disconnected master state.")
        assert self.address is not None
        self._log.notice(f"Reconnecting to MASTER {self.address[0]}:{self.address[1]}")

    async def _connect(self, host: str, port: int) -> Wire:
        context = None
        if self._config["tls-replication"]:
            from fastredis.net.listeners import TLS_DIRECTIVES
            from fastredis.net.tls import TlsError, client_context

            try:
                context = client_context({n: self._config[n] for n in TLS_DIRECTIVES})
            except TlsError as error:
                raise LinkError(f"Unable to connect to MASTER: {error}") from None
        try:
            return await connect(
                host,
                port,
                self._config["bind-source-addr"],
                context,
                plain=self._server.uses_epoll,
            )
        except OSError as error:
            raise LinkError(f"Error condition on socket for SYNC: {error}") from None

    # --- Handshake ---------------------------------------------------------------

    async def _introduce(self, wire: Wire) -> None:
        """Say who this is: PING, AUTH, REPLCONF.

        Raises: LinkError if the master wants nothing of it.
        """
        config = self._config
        await wire.send("PING")
        reply = await self._reply(wire)
        if reply.startswith(b"+") or reply.startswith(
            (b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")
        ):
            self._log.notice("Master replied to PING, replication can continue...")
        else:
            raise LinkError(f"Error reply to PING from master: '{_shown(reply)}'")
        if config["masterauth"]:
            login = [config["masterauth"]]
            if config["masteruser"]:
                login.insert(0, config["masteruser"])
            await wire.send(
                "AUTH", *(word.encode("utf-8", "surrogateescape") for word in login)
            )
            reply = await self._reply(wire)
            if reply.startswith(b"-"):
                raise LinkError(f"Unable to AUTH to MASTER: {_shown(reply)}")
        port = config["replica-announce-port"] or (
            self._server.tls_port if config["tls-replication"] else self._server.port
        )
        asked: dict[str, tuple[Any, ...]] = {"listening-port": (port,)}
        if config["replica-announce-ip"]:
            asked["ip-address"] = (config["replica-announce-ip"],)
        asked["capa"] = ("eof", "capa", "psync2")
        for what, words in asked.items():
            await wire.send("REPLCONF", what, *words)
        for what in asked:
            reply = await self._reply(wire)
            if reply.startswith(b"-"):
                self._log.notice(
                    f"(Non critical) Master does not understand REPLCONF {what}: "
                    f"{_shown(reply)}"
                )

    async def _reply(self, wire: Wire) -> bytes:
        """Return the line of a reply; empty ones only say that the master lives."""
        while True:
            line = await wire.line()
            self._heard_at = time.monotonic()
            if line:
                return line

    async def _psync(self, wire: Wire) -> int:
        """Have the history continued, or get all; return the stream's database.

        Raises: LinkError, WireError, OSError, TimeoutError.
        """
        history = self._history
        if self.has_history:
            replid, offset = history.replid, history.offset + 1
            self._log.notice(
                f"Trying a partial resynchronization (request {replid}:{offset})."
            )
        else:
            replid, offset = "?", -1
            self._log.notice(
                "Partial resynchronization not possible (no cached master)"
            )
        failover = self._server.replication.failover
        words = ["FAILOVER"] if failover.is_in_progress else []
        await wire.send("PSYNC", replid, offset, *words)
        while True:
            # the master may be busy, but shows that it lives
            async with asyncio.timeout(self._config["repl-timeout"]):
                line = await wire.line()
            if line:
                break
        found = line.split() or [b""]
        if found[0] == b"+CONTINUE":
            failover.continued()
            self._continue(found[1].decode() if len(found) > 1 else "")
            return self._db
        if failover.is_in_progress:
            # what follows is executed when this task, which ends with it, lets it
            asyncio.get_running_loop().call_soon(failover.refused)
            raise LinkError("Failover target rejected psync request")
        if found[0] == b"+FULLRESYNC":
            return await self._sync_fully(wire, found)
        if found[0] in (b"-NOMASTERLINK", b"-LOADING"):
            raise LinkError(
                "Master is currently unable to PSYNC but should be in the future: "
                f"{_shown(line)}"
            )
        if line.startswith(b"-"):
            raise LinkError(
                "Master does not support PSYNC or is in error state (reply: "
                f"{_shown(line)})"
            )
        raise LinkError(f"Unexpected reply to PSYNC from master: {_shown(line)}")

    def _continue(self, replid: str) -> None:
        """Go on with the history."""
        history = self._history
        self._log.notice("Successful partial resynchronization with master.")
        if replid and replid != history.replid:
            history.continue_as(replid)
            self._log.notice(f"Master replication ID changed to {replid}")
            self._server.replication.renamed()
        self._server.replication.primary.start_backlog()
        self._log.notice(
            "MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization."
        )

    async def _sync_fully(self, wire: Wire, words: list[bytes]) -> int:
        """Replace all data by the master's; return the stream's database."""
        from fastredis.replication.sync import Transfer

        if len(words) < 3 or len(words[1]) != _REPLID_NBYTES or not words[2].isdigit():
            raise LinkError("Master replied with wrong +FULLRESYNC syntax.")
        replid, offset = words[1].decode(), int(words[2])
        self._log.notice(f"Full resync from master: {replid}:{offset}")
        if self.has_history:
            self._log.notice("Discarding previously cached master state.")
        self.has_history = False
        self.full_syncs += 1
        self._set_state(State.TRANSFER)
        self.transfer = Transfer(self._server, wire)
        await self.transfer.receive()
        self._server.replication.will_sync()
        await self.transfer.load()
        db = self.transfer.db
        self._history.adopt(replid, offset)
        self.has_history = True
        self.transfer = None
        self._server.replication.synced()
        self._log.notice("MASTER <-> REPLICA sync: Finished with success")
        return db

    # --- The stream --------------------------------------------------------------

    def _serve(self, wire: Wire, db: int) -> None:
        """Apply what comes from now on."""
        from fastredis.replication.master_client import MasterClient

        self._broken.clear()
        client_id = wire.adopt(self._server)
        self._client = client = MasterClient(
            self._engine, client_id, db, self._on_end, self._on_error
        )
        self._set_state(State.CONNECTED)
        client.ack()
        client.receive(wire.rest)
        self._server.end_round()

    def _on_end(self) -> None:
        self._broken.set()

    def _on_error(self, text: str, command: str) -> None:
        self._log.warning(
            "== CRITICAL == This replica is sending an error to its master: "
            f"'{text}' after processing the command '{command or '<unknown>'}'"
        )

    def poll(self) -> None:
        """Report the offset, and break a link off on which nothing comes."""
        client = self._client
        if client is None or not client.is_open:
            return
        now = time.monotonic()
        if now - self._acked_at >= ACK_PERIOD:
            self._acked_at = now
            client.ack()
        if client.idle_ms > self._config["repl-timeout"] * 1000:
            self._log.warning("MASTER timeout: no data nor PING received...")
            client.close()

    def acknowledge(self) -> None:
        """Report the offset once the request that asks for it has been executed."""
        if self._client is not None:
            self._client.ack_later()

    @property
    def client_id(self) -> int:
        """The id of the client that is the link; 0: there is none."""
        return 0 if self._client is None else self._client.id

    # --- What is shown -----------------------------------------------------------

    def role(self) -> list[Any]:
        """Return what ROLE replies on a replica."""
        assert self.address is not None
        host, port = self.address
        offset = self._history.offset if self.is_up else -1
        return [b"slave", host, port, self.state.value.encode(), offset]

    def info(self) -> list[tuple[str, Any]]:
        """Return the fields of INFO that only a replica has."""
        assert self.address is not None
        host, port = self.address
        client = self._client
        idle = -1
        if self.is_up and client is not None:
            idle = client.idle_ms // 1000
        offset = self._history.offset if self.has_history else 1
        fields: list[tuple[str, Any]] = [
            ("master_host", host),
            ("master_port", port),
            ("master_link_status", "up" if self.is_up else "down"),
            ("master_last_io_seconds_ago", idle),
            ("master_sync_in_progress", int(self.state is State.TRANSFER)),
            (
                "slave_read_repl_offset",
                offset + (0 if client is None else client.waiting),
            ),
            ("slave_repl_offset", offset),
        ]
        if self.transfer is not None:
            fields += self.transfer.info()
        if not self.is_up:
            seconds = int(time.time() - self._down_since) if self._down_since else -1
            fields.append(("master_link_down_since_seconds", max(seconds, -1)))
        config = self._config
        fields += [
            ("slave_priority", config["replica-priority"]),
            ("slave_read_only", int(config["replica-read-only"])),
            ("replica_announced", int(config["replica-announced"])),
        ]
        return fields


def _check_load(config: Any) -> None:
    """Refuse what is not built: old data that is served while the new is loaded.

    Raises: ValueError.
    """
    if config["repl-diskless-load"] == "swapdb":
        raise ValueError("repl-diskless-load swapdb is not supported yet")


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")
