# SPDX-License-Identifier: BSD-3-Clause
r"""The history of a data set: which stream of changes made it, and how far.

    replid A   |------ 1000 ------|
    promoted                      v second_offset 1001
    replid B   |------ as A ------|---- 300 ----| offset 1300

Two servers with the same name and the same offset have the same data. So a replica
tells a primary both, and is sent only what it lacks. A replica that becomes a primary
gives its history a new name, because what follows is its alone; it remembers the old
one, and up to where that was the same.

Source: Redis's documentation of replication, "Partial resynchronization".
"""

from __future__ import annotations

import os
from typing import Any, Final

NO_ID: Final = "0" * 40


def new_id() -> str:
    """Return a name for a history that no other has."""
    return os.urandom(20).hex()


class History:
    """The history of one server's data set."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.replid = new_id()
        self.replid2 = NO_ID  # the name before, NO_ID: there is none
        self.second_offset = -1  # the first that replid2 does not cover; -1: none

    @property
    def offset(self) -> int:
        """Bytes of the stream of changes so far."""
        return int(self._engine.repl_offset)

    @offset.setter
    def offset(self, value: int) -> None:
        self._engine.repl_offset = value

    def renew(self) -> None:
        """Give it a new name: what there is is no continuation of anything."""
        self.replid = new_id()
        self._forget_second()

    def shift(self) -> None:
        """Give it a new name but remember the old one, upon promotion."""
        self.replid2 = self.replid
        self.second_offset = self.offset + 1
        self.replid = new_id()

    def adopt(self, replid: str, offset: int) -> None:
        """Take over the history of a primary, after a full resynchronization."""
        self.replid = replid
        self.offset = offset
        self._forget_second()

    def continue_as(self, replid: str) -> None:
        """Take over the new name that a primary has given to this history."""
        self.replid2 = self.replid
        self.second_offset = self.offset + 1
        self.replid = replid

    def _forget_second(self) -> None:
        self.replid2 = NO_ID
        self.second_offset = -1

    def covers(self, replid: str, offset: int) -> bool:
        """Return whether a stream that was read up to this offset is part of it.

        offset: of the next byte that is wanted, counted from 1.
        """
        if replid == self.replid:
            return True
        return replid == self.replid2 and offset <= self.second_offset
