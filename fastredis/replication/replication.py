# SPDX-License-Identifier: BSD-3-Clause
r"""Replication of one server: its history, its replicas, its link to a primary.

    primary <-- link -- this server -- primary (part) --> replicas
                             |
                          history: replid, offset

Threads: the one that runs the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastredis.replication.failover import Failover
from fastredis.replication.history import NO_ID, History
from fastredis.replication.link import Link
from fastredis.replication.primary import Primary


class Replication:
    """What a server has to do with others that hold the same data."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.history = History(server.engine)
        self.primary = Primary(server, self.history)
        self.link = Link(server, self.history)
        self.failover = Failover(server, self.primary, self.link)
        # keys with an expiry that clients wrote while this was a replica: (db, key)
        self._local_expiries: set[tuple[int, bytes]] = set()
        self._is_aof_wanted = False  # it is to begin anew after a synchronization

    @property
    def is_replica(self) -> bool:
        """Whether the data comes from a primary."""
        return bool(self._server.engine.is_replica)

    def restore(self, aux: Mapping[bytes, bytes]) -> None:
        """Take over the history that a file says the data set has.

        A primary goes on under another name, since it cannot know whether the file has
        all that replicas were sent; those that have no more than it go on from there.
        """
        replid = aux.get(b"repl-id", b"").decode("latin-1")
        offset = aux.get(b"repl-offset", b"").decode("latin-1")
        if len(replid) != len(NO_ID) or not offset.isdigit():
            return
        history = self.history
        history.offset = int(offset)
        if self._server.config["replicaof"]:
            history.adopt(replid, int(offset))
            db = aux.get(b"repl-stream-db", b"")
            self.link.restore(int(db) if db.isdigit() else 0)
            return
        history.replid2 = replid
        history.second_offset = history.offset + 1
        self.primary.start_backlog()

    def poll(self) -> bool:
        """Do the periodic work; return whether it should be called again soon."""
        self.link.poll()
        if self._is_aof_wanted:
            self._restart_aof()
        if self._local_expiries:
            self._expire_local()
        is_waiting = self.failover.poll()
        return self.primary.poll() or is_waiting

    # --- Keys that are written to a replica ----------------------------------------

    def note_local_expiry(self, db: int, key: bytes) -> None:
        """Have a key deleted when its time comes; the primary knows nothing of it."""
        self._local_expiries.add((db, key))

    def _expire_local(self) -> None:
        for db, key in list(self._local_expiries):
            if not self._server.engine.expire_key(db, key):
                self._local_expiries.discard((db, key))

    # --- Called by the link --------------------------------------------------------

    def became_replica(self) -> None:
        """See to what a replica does not do: its changes come from its primary."""
        self.primary.backlog.follow_role()
        self._server.role_changed()

    def became_master(self) -> None:
        """See to what a primary does: replicas ask for its own changes."""
        self._local_expiries.clear()
        self.primary.disconnect_all()
        self.primary.start_backlog()
        self.primary.backlog.follow_role()
        self._server.role_changed()

    def renamed(self) -> None:
        """See to replicas that know the history by its name before."""
        self.primary.disconnect_all()

    def will_sync(self) -> None:
        """See to replicas and backlog: all data is about to be replaced."""
        self._local_expiries.clear()
        self.primary.backlog.stop()
        self._server.snapshots.kill_child()  # what it writes is of the past
        self._server.aof.disable()

    def synced(self) -> None:
        """See to it that what has been loaded is followed and written down."""
        self.primary.start_backlog()
        self._is_aof_wanted = self._server.config["appendonly"]
        self._restart_aof()

    def _restart_aof(self) -> None:
        """Begin a new append-only file, if that is wanted and possible."""
        if not self._is_aof_wanted or not self._server.config["appendonly"]:
            self._is_aof_wanted = False
            return
        try:
            self._server.aof.enable()
        except ValueError:
            return  # the log says why; it is tried again
        self._is_aof_wanted = False

    @property
    def nlocal_expiries(self) -> int:
        """The number of keys with an expiry of which the primary knows nothing."""
        return len(self._local_expiries)
