# SPDX-License-Identifier: BSD-3-Clause
r"""fsync of the append-only file once a second, by a thread of its own.

    poll --1 s--> submit fdatasync ... poll: done, so many bytes are on the disk
                                       poll: failed -> writes are refused until one
                                             succeeds; then all is written anew

After an fsync that failed the kernel may have dropped what it could not write, and the
next one succeeds without it. So what was written before is no longer certain, and only
a rewrite from memory makes it so.

Threads: the one that runs the event loop; fdatasync alone is called by another.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from fastredis.persistence.aof_file import AofFile

# as on the platforms that have it
sync_data: Final = getattr(os, "fdatasync", os.fsync)
_PERIOD: Final = 1.0  # seconds
_LATE: Final = 2.0  # seconds that an fsync takes before that is worth a word
_LOG_PERIOD: Final = 30.0  # seconds between two lines about the same


class AofSync:
    """Makes one file after the other reach the disk."""

    def __init__(self, file: AofFile, log: Any, affinity: Any) -> None:
        self._file = file
        self._log = log
        self._affinity = affinity
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None
        self._size = 0  # of the file when the latest fsync began
        self._offset = 0  # of the changes in it by then
        self._begun = 0.0
        self._is_late = False  # the one that runs
        self._logged_at = -_LOG_PERIOD
        self.delayed = 0  # times that one was still running when more was written
        self.error = 0  # errno of the latest, 0: it succeeded

    @property
    def is_running(self) -> bool:
        """Whether one is under way."""
        return self._running is not None

    def poll(self, fd: int, *, at_once: bool) -> bool:
        """Begin one when it is time; return whether one has succeeded after failures.

        fd: of the file. at_once: it is time. To be called several times a second.
        """
        has_recovered = False
        if self._running is not None:
            if not self._running.done():
                self._watch()
                return False
            has_recovered = self.wait()
        if self._file.synced >= self._file.size and not self.error:
            return has_recovered
        if not at_once and time.monotonic() - self._begun < _PERIOD:
            return has_recovered
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(
                1,
                "fastredis-fsync",
                initializer=self._affinity.apply,
                initargs=("bio-cpulist",),
            )
        self._begun = time.monotonic()
        self._is_late = False
        self._size = self._file.size
        self._offset = self._file.offset
        self._running = self._pool.submit(sync_data, fd)
        return has_recovered

    def _watch(self) -> None:
        """Count one that takes long though there is more to be synced."""
        if self._is_late or self._file.size == self._size:
            return
        if time.monotonic() - self._begun < _LATE:
            return
        self._is_late = True
        self.delayed += 1
        self._log.notice(
            "Asynchronous AOF fsync is taking too long (disk is busy?). Writing goes "
            "on without waiting for it, this may slow down the server."
        )

    def wait(self) -> bool:
        """Wait for the one that runs; return whether it has recovered from failures."""
        if self._running is None:
            return False
        error = self._running.exception()
        self._running = None
        if error is None:
            self._file.synced = max(self._file.synced, self._size)
            self._file.note_synced(self._offset)
        return self._note(error)

    def sync(self, fd: int) -> None:
        """Make the file reach the disk here and now.

        Raises: OSError.
        """
        self.wait()
        if self._file.synced >= self._file.size and not self.error:
            return
        size = self._file.size
        try:
            sync_data(fd)
        except OSError as error:
            self._note(error)
            raise
        self._file.synced = size
        self._file.note_synced(self._file.offset)

    def _note(self, error: BaseException | None) -> bool:
        """Remember how one has ended; return whether that is a recovery."""
        had_failed, self.error = self.error != 0, 0
        if error is None:
            if had_failed:
                self._log.notice("Fsync of the AOF file works again.")
            return had_failed
        self.error = getattr(error, "errno", None) or 1
        if time.monotonic() - self._logged_at >= _LOG_PERIOD:
            self._logged_at = time.monotonic()
            self._log.warning(f"Fail to fsync the AOF file: {error}")
        return False

    def forget(self) -> None:
        """Go on as if nothing had failed: no file is written, or nothing promised."""
        self.error = 0

    def close(self) -> None:
        """End the thread."""
        if self._pool is not None:
            self._pool.shutdown()
