# SPDX-License-Identifier: BSD-3-Clause
r"""The primary's side: replicas that attach, get the data set and follow.

    PSYNC ---> WAITING ---> SAVING ----> SENDING ------> ONLINE
      |           a snapshot   |  from a file              ^ ^
      |           for it has   |                           | |
      |           begun        '-------> LOADING ----------' |
      |                           through a pipe,  its first |
      |                           directly           ACK     |
      '-- partial: the backlog has what it lacks ------------'

Whatever changes from SAVING on is kept for the replica in the backlog, where it has a
position from then on (replication/backlog.pyx). Every state ends with the connection,
if that ends, if the snapshot fails, or if the replica lags too far behind.

One snapshot serves all replicas that wait when it begins. One that comes while a file
is written is served by it, too, from the same position; while a pipe is, it waits for
the next.

Source: Redis's documentation of replication. Texts of the log are those that tools and
tests look for.

Threads: the one that runs the event loop.
"""

from __future__ import annotations

import contextlib
import enum
import os
import time
from dataclasses import dataclass, field
from typing import Any, Final

from fastredis.net.conn import end_round
from fastredis.replication.backlog import Backlog
from fastredis.replication.history import NO_ID, History
from fastredis.resp.values import NO_REPLY, ReplyError

_PIPE_READ: Final = 256 * 1024
_MARK_BYTES: Final = 20
# The version of RDB files that Redis 7.0 reads.
_OLD_VERSION: Final = 10
# The first version that reads streams as they are written since.
_NEW_STREAMS: Final = (7, 2)


class State(enum.Enum):
    """Where a replica is; see the module's text."""

    WAITING = 0  # for a snapshot to begin
    SAVING = 1  # a child writes its snapshot, into a file or into a pipe
    SENDING = 2  # it is sent the file
    LOADING = 3  # it has got what came out of the pipe, but has not said so
    ONLINE = 4  # it is sent the stream


_SHOWN: Final = {
    State.WAITING: "wait_bgsave",
    State.SAVING: "wait_bgsave",
    State.SENDING: "send_bulk",
    State.LOADING: "online",
    State.ONLINE: "online",
}


@dataclass
class Peer:
    """What a connection says of itself before it asks for synchronization."""

    port: int = 0
    ip: str = ""
    capabilities: set[str] = field(default_factory=set)
    version: tuple[int, ...] = ()
    is_rdb_only: bool = False  # it wants the snapshot and no stream
    has_no_keys: bool = False  # ... without keys


@dataclass
class Replica:
    """A replica. id: of its client."""

    id: int
    peer: Peer
    name: str
    state: State = State.WAITING
    is_old: bool = False  # it came with SYNC, and does not acknowledge
    is_piped: bool = False  # its snapshot comes out of a pipe
    offset: int = 0  # of its snapshot
    since: float = field(default_factory=time.monotonic)

    def can_share(self, other: Replica) -> bool:
        """Return whether the snapshot of one serves the other."""
        return (
            self.peer.has_no_keys == other.peer.has_no_keys
            and self.reads_new_streams >= other.reads_new_streams
        )

    @property
    def reads_new_streams(self) -> bool:
        """Whether it reads what Redis 7.0 does not."""
        return self.peer.version >= _NEW_STREAMS


class Primary:
    """The replicas of one server."""

    def __init__(self, server: Any, history: History) -> None:
        self._server = server
        self._engine = server.engine
        self._config = server.config
        self._log = server.log
        self._history = history
        self.backlog = Backlog(server.engine)
        self.replicas: dict[int, Replica] = {}
        self._peers: dict[int, Peer] = {}
        self._pipe = -1  # the snapshot comes out of it; -1: none does
        self._mark = b""  # ... and ends with this
        self._is_pipe_watched = False
        self._no_replicas_since = time.monotonic()
        self._next_second = 0.0
        self._next_ping = 0.0
        self.full_syncs = 0
        self.partial_syncs = 0
        self.refused_partial_syncs = 0
        for name in ("min-replicas-to-write", "min-replicas-max-lag"):
            self._config.on_change(name, lambda _: self._count_good())
        self._config.on_change(
            "repl-backlog-size",
            lambda config: self.backlog.resize(config["repl-backlog-size"]),
        )

    # --- What replicas say ---------------------------------------------------------

    def peer(self, client_id: int) -> Peer:
        """Return what is known of a connection that may become a replica."""
        replica = self.replicas.get(client_id)
        if replica is not None:
            return replica.peer
        return self._peers.setdefault(client_id, Peer())

    def acknowledge(self, client_id: int, offset: int, synced: int) -> None:
        """Note how far a replica is, and its append-only file."""
        replica = self.replicas.get(client_id)
        if replica is None:
            return
        self.backlog.note_ack(client_id, offset, synced)
        if replica.state is State.LOADING:
            self._put_online(replica)
            self.backlog.note_ack(client_id, offset, synced)
        self._count_good()

    def synchronize(self, ctx: Any, replid: str = "?", offset: int = -1) -> Any:
        """Make the client a replica that is sent what it lacks.

        offset: of the first byte that it wants; replid "": it speaks SYNC.
        Raises: ReplyError.
        """
        client_id = ctx.client.id
        if client_id in self.replicas:
            return NO_REPLY
        link = self._server.replication.link
        if link.address is not None and not link.is_up:
            raise ReplyError(
                "NOMASTERLINK Can't SYNC while not connected with my master"
            )
        if self.backlog.has_pending(ctx):
            raise ReplyError("ERR SYNC and PSYNC are invalid with pending output")
        replica = Replica(client_id, self.peer(client_id), self._name(client_id))
        replica.is_old = not replid
        self._log.notice(f"Replica {replica.name} asks for synchronization")
        if replid and self._can_continue(replica, replid, offset):
            self._attach(ctx, replica)
            self._continue(replica, offset)
            return NO_REPLY
        if replid not in ("", "?"):
            self.refused_partial_syncs += 1
        self.full_syncs += 1
        if not self.backlog.is_active:
            # changes of before were not kept: nobody may continue from them
            self._history.renew()
            self.start_backlog()
            self._log.notice(
                "Replication backlog created, my new replication IDs are "
                f"'{self._history.replid}' and '{self._history.replid2}'"
            )
        self._attach(ctx, replica)
        self._wait_for_snapshot(replica)
        return NO_REPLY

    def start_backlog(self) -> None:
        """Keep the stream of changes from now on."""
        self.backlog.start(self._config["repl-backlog-size"])
        self._no_replicas_since = time.monotonic()

    def _attach(self, ctx: Any, replica: Replica) -> None:
        self.backlog.attach(ctx)
        self.replicas[replica.id] = replica
        self._peers.pop(replica.id, None)

    def _address(self, client_id: int) -> str:
        """Return where a connection comes from, without the port."""
        info = self._engine.client(client_id)
        return "" if info is None else info["addr"].rpartition(":")[0].strip("[]")

    def _name(self, client_id: int) -> str:
        peer = self.peer(client_id)
        ip = peer.ip or self._address(client_id)
        return f"{ip}:{peer.port}" if peer.port else f"client id #{client_id}"

    # --- Partial resynchronization ---------------------------------------------------

    def _can_continue(self, replica: Replica, replid: str, offset: int) -> bool:
        """Return whether the backlog has all that follows; else say why not."""
        history, name = self._history, replica.name
        if replid == "?":
            self._log.notice(f"Full resync requested by replica {name}")
            return False
        if not history.covers(replid, offset):
            if replid == history.replid2 and replid != NO_ID:
                self._log.notice(
                    "Partial resynchronization not accepted: Requested offset for "
                    f"second ID was {offset}, but I can reply up to "
                    f"{history.second_offset}"
                )
            else:
                self._log.notice(
                    "Partial resynchronization not accepted: Replication ID mismatch "
                    f"(Replica asked for '{replid}', my replication IDs are "
                    f"'{history.replid}' and '{history.replid2}')"
                )
            return False
        self.backlog.take()
        if (
            self.backlog.is_active
            and self.backlog.start_offset < offset <= history.offset + 1
        ):
            return True
        self._log.notice(
            f"Unable to partial resync with replica {name} for lack of backlog "
            f"(Replica request was: {offset})."
        )
        if offset > history.offset:
            self._log.warning(
                f"Warning: replica {name} tried to PSYNC with an offset that is "
                "greater than the master replication offset."
            )
        return False

    def _continue(self, replica: Replica, offset: int) -> None:
        """Send a replica what it lacks."""
        self.partial_syncs += 1
        self.backlog.place_at(replica.id, offset - 1)
        if "psync2" in replica.peer.capabilities:
            answer = f"+CONTINUE {self._history.replid}\r\n"
        else:
            answer = "+CONTINUE\r\n"
        self.backlog.send(replica.id, answer.encode())
        self._log.notice(
            f"Partial resynchronization request from {replica.name} accepted. Sending "
            f"{self._history.offset - offset + 1} bytes of backlog starting from "
            f"offset {offset}."
        )
        replica.state = State.ONLINE
        self.backlog.flow(replica.id)
        self._count_good()

    # --- Full resynchronization: the snapshot begins ---------------------------------

    def _wait_for_snapshot(self, replica: Replica) -> None:
        """Have a snapshot made for a replica, now or when that is possible."""
        log = self._log.notice
        child = self._server.snapshots.child
        if child is not None and self._pipe >= 0:
            log("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
        elif child is not None:
            other = self._other_on_disk(replica)
            if other is None:
                log(
                    "Can't attach the replica to the current BGSAVE. Waiting for next "
                    "BGSAVE for SYNC"
                )
                return
            self.backlog.place_as(replica.id, other.id)
            self._answer(replica, other.offset)
            log("Waiting for end of BGSAVE for SYNC")
        elif self._can_pipe([replica]) and self._config["repl-diskless-sync-delay"]:
            log("Delay next BGSAVE for diskless SYNC")
        elif self._server.has_child:
            log(
                "No BGSAVE in progress, but another BG operation is active. BGSAVE for "
                "replication delayed"
            )
        else:
            self._begin()

    def _other_on_disk(self, replica: Replica) -> Replica | None:
        """Return a replica whose snapshot, which is being written, serves another."""
        for other in self.replicas.values():
            if other.state is State.SAVING and replica.can_share(other):
                return other
        return None

    def _can_pipe(self, replicas: list[Replica]) -> bool:
        """Return whether the snapshot is to go directly to replicas."""
        if not all("eof" in r.peer.capabilities for r in replicas):
            return False
        return self._config["repl-diskless-sync"] or replicas[0].peer.has_no_keys

    def _begin(self) -> None:
        """Begin a snapshot for all that wait and want the same."""
        waiting = [r for r in self.replicas.values() if r.state is State.WAITING]
        first = waiting[0]
        waiting = [r for r in waiting if r.peer.has_no_keys == first.peer.has_no_keys]
        is_piped = self._can_pipe(waiting)
        target = "replicas sockets" if is_piped else "disk"
        self._log.notice(f"Starting BGSAVE for SYNC with target: {target}")
        self.backlog.take(selects=not self._engine.is_replica)
        options: dict[str, Any] = {
            "no_keys": first.peer.has_no_keys,
        }
        if not all(r.reads_new_streams for r in waiting):
            options["version"] = _OLD_VERSION
        reader = -1
        if is_piped:
            reader, options["fd"] = os.pipe()
        is_started = self._server.snapshots.start(options)
        if is_piped:
            os.close(options["fd"])
        if not is_started:
            self._log.warning("BGSAVE for replication failed")
            if is_piped:
                os.close(reader)
            self._fail(waiting, "BGSAVE failed, replication can't continue")
            return
        for replica in waiting:
            replica.is_piped = is_piped
            self._answer(replica, self.backlog.place_at_end(replica.id))
        if is_piped:
            self._open_pipe(reader, waiting)

    def _answer(self, replica: Replica, offset: int) -> None:
        """Tell a replica what history and offset its snapshot has."""
        replica.state = State.SAVING
        replica.offset = offset
        if not replica.is_old:
            text = f"+FULLRESYNC {self._history.replid} {offset}\r\n"
            self.backlog.send(replica.id, text.encode())

    def _fail(self, replicas: list[Replica], why: str) -> None:
        for replica in replicas:
            self._log.warning(f"SYNC failed for replica {replica.name}: {why}")
            self.backlog.close(replica.id)

    # --- The snapshot comes out of a pipe --------------------------------------------

    def _open_pipe(self, fd: int, replicas: list[Replica]) -> None:
        os.set_blocking(fd, False)
        self._pipe = fd
        self._mark = os.urandom(_MARK_BYTES).hex().encode()
        for replica in replicas:
            self.backlog.send(replica.id, b"$EOF:" + self._mark + b"\r\n")
        self._watch_pipe(True)

    def _watch_pipe(self, value: bool) -> None:
        if value != self._is_pipe_watched:
            self._is_pipe_watched = value
            if value:
                self._server.loop.add_reader(self._pipe, self._read_pipe)
            else:
                self._server.loop.remove_reader(self._pipe)

    def _receivers(self) -> list[Replica]:
        """Return the replicas that get what comes out of the pipe."""
        return [
            r for r in self.replicas.values() if r.state is State.SAVING and r.is_piped
        ]

    def _read_pipe(self) -> None:
        """Hand over what has come, unless one of the replicas has not got the rest."""
        receivers = self._receivers()
        if any([self.backlog.is_full(r.id) for r in receivers]):
            self._watch_pipe(False)  # until drained() is called
            return
        try:
            data = os.read(self._pipe, _PIPE_READ)
        except BlockingIOError:
            return
        if not data:
            self._close_pipe()
            self._server.snapshots.poll()
            return
        for replica in receivers:
            self.backlog.send(replica.id, data)
        end_round(self._engine)

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._watch_pipe(False)
            os.close(self._pipe)
            self._pipe = -1

    def drained(self, client_id: int) -> None:
        """Go on: a replica has got all that it was sent."""
        self.backlog.touch(client_id)
        if self._pipe >= 0:
            self._watch_pipe(True)

    # --- The snapshot is complete ----------------------------------------------------

    def saved(self, *, is_good: bool, is_piped: bool) -> bool:
        """Take note of the end of a child that saves.

        Return False if it is not over yet: the pipe has more.
        """
        if is_piped and is_good and self._pipe >= 0 and self._receivers():
            return False
        saving = [
            r
            for r in self.replicas.values()
            if r.state is State.SAVING and r.is_piped == is_piped
        ]
        self._close_pipe()
        if not is_good:
            self._fail(saving, "BGSAVE child returned an error")
        elif is_piped:
            for replica in saving:
                self._end_pipe(replica)
        elif saving:
            self._send_file(saving)
        return True

    def _end_pipe(self, replica: Replica) -> None:
        """Mark the end of a snapshot; the stream waits until it has been loaded."""
        self.backlog.send(replica.id, self._mark)
        self.backlog.touch(replica.id)
        self._log.notice(
            f"Streamed replica synchronization with {replica.name} succeeded "
            "(socket). Waiting for REPLCONF ACK from replica to enable streaming"
        )
        replica.state = State.LOADING

    def _send_file(self, replicas: list[Replica]) -> None:
        path = self._config["dbfilename"]
        for replica in replicas:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                size = os.fstat(fd).st_size
            except OSError as error:
                self._fail([replica], f"Can't open/stat DB after BGSAVE: {error}")
                continue
            replica.state = State.SENDING
            self.backlog.send(replica.id, b"$%d\r\n" % size)
            self.backlog.send_file(replica.id, fd, size)
        config = self._config
        if (
            config["rdb-del-sync-files"]
            and not config["save"]
            and not config["appendonly"]
        ):
            self._log.notice("Removing the RDB file used to feed replicas")
            with contextlib.suppress(OSError):
                os.unlink(path)

    def sent_file(self, client_id: int) -> None:
        """Take note that a replica has been sent the file."""
        replica = self.replicas[client_id]
        if replica.peer.is_rdb_only:
            self._log.notice(
                f"Close the connection with replica {replica.name} as RDB transfer is "
                "complete"
            )
            self.backlog.close(client_id)
            return
        self._put_online(replica)

    def _put_online(self, replica: Replica) -> None:
        replica.state = State.ONLINE
        self.backlog.flow(replica.id)
        self._log.notice(f"Synchronization with replica {replica.name} succeeded")
        self._count_good()

    # --- Replicas that go ------------------------------------------------------------

    def lost(self, client_id: int) -> None:
        """Take note that a replica's connection has ended."""
        replica = self.replicas.pop(client_id, None)
        if replica is None:
            return
        self._log.notice(f"Connection with replica {replica.name} lost.")
        if not self.replicas:
            self._no_replicas_since = time.monotonic()
        self._count_good()
        if self._pipe >= 0 and not self._receivers():
            self._log.notice(
                "Diskless rdb transfer, last replica dropped, killing fork child."
            )
            self._close_pipe()
            if self._server.snapshots.child is not None:
                self._server.snapshots.child.kill()
        elif self._pipe >= 0:
            self._watch_pipe(True)  # perhaps it was the one that was waited for

    def lags_too_far(self, client_id: int) -> None:
        """Log that a replica is disconnected because too much waits for it."""
        replica = self.replicas.get(client_id)
        if replica is not None:
            self._log.warning(
                f"Client {replica.name} scheduled to be closed ASAP for overcoming of "
                "output buffer limits."
            )

    def disconnect_all(self) -> None:
        """Close all replicas, so that they ask for synchronization anew."""
        for client_id in list(self.replicas):
            self.backlog.close(client_id)

    # --- Periodic work ---------------------------------------------------------------

    def poll(self) -> bool:
        """Do the periodic work; return whether it should be called again soon."""
        now = time.monotonic()
        if self.replicas:
            self._start_waiting(now)
            self.backlog.check_limits()
        if now >= self._next_second:
            self._next_second = now + 1
            self._do_every_second(now)
        return any(r.state is not State.ONLINE for r in self.replicas.values())

    def _start_waiting(self, now: float) -> None:
        """Begin a snapshot for those that wait, if it is time."""
        waiting = [r for r in self.replicas.values() if r.state is State.WAITING]
        if not waiting or self._server.has_child or self._server.is_loading:
            return
        if self._can_pipe(waiting):
            most = self._config["repl-diskless-sync-max-replicas"]
            delay = self._config["repl-diskless-sync-delay"]
            oldest = min(r.since for r in waiting)
            if now - oldest < delay and not 0 < most <= len(waiting):
                return
        self._begin()

    def _do_every_second(self, now: float) -> None:
        for client_id in list(self._peers):
            if self._engine.client(client_id) is None:
                del self._peers[client_id]
        self._count_good()
        self._forget_backlog(now)
        if not self.replicas:
            self._next_ping = now + self._config["repl-ping-replica-period"]
            return
        if now >= self._next_ping and not self._engine.is_replica:
            self._next_ping = now + self._config["repl-ping-replica-period"]
            if not self._engine.is_paused:
                self.backlog.append(b"*1\r\n$4\r\nPING\r\n")
        for replica in list(self.replicas.values()):
            self._check_silence(replica)
        end_round(self._engine)

    def _check_silence(self, replica: Replica) -> None:
        """Show a replica that waits that we are there; end one that is not."""
        if replica.state is State.WAITING or (
            replica.state is State.SAVING and not replica.is_piped
        ):
            self.backlog.send(replica.id, b"\n")
            return
        if replica.state is State.SAVING:
            self._check_progress(replica)
            return
        if replica.state not in (State.ONLINE, State.LOADING) or replica.is_old:
            return
        silent = self.backlog.progress(replica.id)[1]
        if silent > 1000 * self._config["repl-timeout"]:
            self._log.warning(
                f"Disconnecting timedout replica (streaming sync): {replica.name}"
            )
            self.backlog.close(replica.id)

    def _check_progress(self, replica: Replica) -> None:
        """End a replica that takes nothing of a snapshot that others wait for, too."""
        if not self.backlog.is_full(replica.id):
            self.backlog.touch(replica.id)
            return
        if self.backlog.progress(replica.id)[1] > 1000 * self._config["repl-timeout"]:
            self._log.warning(
                f"Disconnecting timedout replica (full sync): {replica.name}"
            )
            self.backlog.close(replica.id)

    def _forget_backlog(self, now: float) -> None:
        """Keep the stream no more if no replica has come for so long."""
        ttl = self._config["repl-backlog-ttl"]
        if not ttl or self.replicas or not self.backlog.is_active:
            return
        if self._engine.is_replica or now - self._no_replicas_since <= ttl:
            return
        # whoever comes later lacks changes that were not kept
        self._history.renew()
        self.backlog.stop()
        self._log.notice(
            f"Replication backlog freed after {ttl} seconds without connected replicas."
        )

    @property
    def good_replicas(self) -> int:
        """The number of replicas that have acknowledged something lately."""
        most = 1000 * self._config["min-replicas-max-lag"]
        return sum(
            r.state is State.ONLINE
            and self.backlog.progress(r.id)[1] // 1000 * 1000 <= most
            for r in self.replicas.values()
        )

    def _count_good(self) -> None:
        """Refuse writes if too few replicas get them."""
        least = self._config["min-replicas-to-write"]
        if not least or not self._config["min-replicas-max-lag"]:
            self._engine.set_too_few_replicas(False)
            return
        self._engine.set_too_few_replicas(
            not self._engine.is_replica and self.good_replicas < least
        )

    # --- For INFO, ROLE and snapshots ------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """Return what is known of each replica, the oldest first."""
        rows = []
        for replica in self.replicas.values():
            ack, silent, waiting = self.backlog.progress(replica.id)
            rows.append(
                {
                    "ip": replica.peer.ip or self._address(replica.id),
                    "port": replica.peer.port,
                    "state": _SHOWN[replica.state],
                    "offset": ack,
                    "lag": silent // 1000 if replica.state is State.ONLINE else 0,
                    "waiting": waiting,
                }
            )
        return rows

    def snapshot_history(self) -> tuple[str, int, int] | None:
        """Return what a file with the data set says of its history, or None."""
        if not self.backlog.is_active:
            return None
        db = self._server.replication.link.stream_db
        return self._history.replid, self._history.offset, db
