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

from fastredis.replication.history import NO_ID, History
from fastredis.replication.primary import Primary


class Replication:
    """What a server has to do with others that hold the same data."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.history = History(server.engine)
        self.primary = Primary(server, self.history)
        self.link: Any = None  # to the primary, if this is a replica

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
            return
        history.replid2 = replid
        history.second_offset = history.offset + 1
        self.primary.start_backlog()

    def poll(self) -> bool:
        """Do the periodic work; return whether it should be called again soon."""
        return self.primary.poll()
