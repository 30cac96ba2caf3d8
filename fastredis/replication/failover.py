# SPDX-License-Identifier: BSD-3-Clause
r"""FAILOVER: a primary and one of its replicas exchange their roles, and lose nothing.

    NONE --start()--> WAITING ------------------> IN_PROGRESS ----------> NONE
                      writes wait; until a        follows the target,
                      replica has everything,     which becomes a primary
                      or, with FORCE, until the   with PSYNC ... FAILOVER
                      time is over                and continues the history

It is given up when the time is over, when the target refuses, or with ABORT. Clients
whose writes waited go on then; after a success they are told READONLY.

Texts of the log are those that tools and tests look for.

Threads: the one that runs the event loop.
Source: Redis's documentation of the command FAILOVER.
"""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING, Any

from fastredis.resp.values import ReplyError

if TYPE_CHECKING:
    from fastredis.replication.link import Link
    from fastredis.replication.primary import Primary


class State(Enum):
    """Where it is; the values are what INFO calls it."""

    NONE = "no-failover"
    WAITING = "waiting-for-sync"
    IN_PROGRESS = "failover-in-progress"


class Failover:
    """The exchange of roles of one server."""

    def __init__(self, server: Any, primary: Primary, link: Link) -> None:
        self._server = server
        self._log = server.log
        self._primary = primary
        self._link = link
        self._target: tuple[str, int] | None = None  # None: whoever is first
        self._deadline = 0.0  # 0: there is none
        self._is_forced = False
        self.state = State.NONE

    def start(
        self, target: tuple[str, int] | None, timeout_ms: int, *, is_forced: bool
    ) -> None:
        """Begin.

        target: address of a replica. timeout_ms: 0: none.
        Raises: ReplyError.
        """
        if self.state is not State.NONE:
            raise ReplyError("ERR FAILOVER already in progress.")
        if self._link.address is not None:
            raise ReplyError("ERR FAILOVER is not valid when server is a replica.")
        rows = self._primary.rows()
        if not rows:
            raise ReplyError("ERR FAILOVER requires connected replicas.")
        if is_forced and not (timeout_ms and target):
            raise ReplyError(
                "ERR FAILOVER with force option requires both a timeout and target "
                "HOST and IP."
            )
        if target is not None:
            found = [r["state"] for r in rows if (r["ip"], r["port"]) == target]
            if not found:
                raise ReplyError("ERR FAILOVER target HOST and PORT is not a replica.")
            if "online" not in found:
                raise ReplyError("ERR FAILOVER target replica is not online.")
        self._target = target
        self._deadline = time.monotonic() + timeout_ms / 1000 if timeout_ms else 0.0
        self._is_forced = is_forced
        where = f" to {target[0]}:{target[1]}" if target else ""
        self._log.notice(f"FAILOVER requested{where}.")
        self.state = State.WAITING
        self._server.engine.pause_writes()
        # once: each time the offset grows, which they have to reach
        self._primary.backlog.ask_acks()

    def abort(self) -> None:
        """Give up because somebody asks for that.

        Raises: ReplyError if there is nothing to give up.
        """
        if self.state is State.NONE:
            raise ReplyError("ERR No failover in progress.")
        self._give_up("Failover manually aborted")

    def _give_up(self, why: str) -> None:
        target = self._target
        where = f" to {target[0]}:{target[1]}" if target else ""
        self._log.notice(f"Aborting a failover{where}: {why}")
        was_following = self.state is State.IN_PROGRESS
        self._end()
        if was_following:
            self._link.unfollow()

    def _end(self) -> None:
        self.state = State.NONE
        self._target = None
        self._server.engine.end_pause()

    def poll(self) -> bool:
        """Go on when a replica has everything; return whether one is waited for."""
        if self.state is not State.WAITING:
            return False
        offset = self._server.replication.history.offset
        for row in self._primary.rows():
            address = (row["ip"], row["port"])
            if (
                row["state"] == "online"
                and row["offset"] == offset
                and self._target in (None, address)
            ):
                self._log.notice(
                    f"Failover target {address[0]}:{address[1]} is synced, failing "
                    "over."
                )
                self._exchange(address)
                return False
        if self._deadline and time.monotonic() >= self._deadline:
            if self._is_forced and self._target is not None:
                self._log.notice(
                    f"Failover to {self._target[0]}:{self._target[1]} time out "
                    "exceeded, failing over."
                )
                self._exchange(self._target)
            else:
                self._give_up("Replica never caught up before timeout")
            return False
        return True

    def _exchange(self, target: tuple[str, int]) -> None:
        self.state = State.IN_PROGRESS
        self._target = target
        self._link.follow(*target)

    # --- Called by the link --------------------------------------------------------

    @property
    def is_in_progress(self) -> bool:
        """Whether the server that is followed is to become a primary."""
        return self.state is State.IN_PROGRESS

    def continued(self) -> None:
        """Take note that the target goes on with the history."""
        if self.state is State.IN_PROGRESS:
            self._end()

    def refused(self) -> None:
        """Take note that the target does not."""
        self._give_up("Failover target rejected psync request")
