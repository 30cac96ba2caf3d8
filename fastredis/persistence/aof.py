# SPDX-License-Identifier: BSD-3-Clause
r"""The append-only file: what it consists of, when it is rewritten, how it is loaded.

    changes --> AofFile --> appendonly.aof.7.incr.aof       persistence/aof_file.pyx
    BGREWRITEAOF:  a new increment is begun, then a child writes what there is now
                   base 3, increments 6 7 | 8   -->   base 4, increment 8
    start:         base, then increments, one after the other

States:

    OFF ------ appendonly yes -----> WAITING --- the first base is written ---> ON
        <----- appendonly no ------                <------ start of a server with it

While WAITING, changes go to an increment of which nobody knows yet: only with a base
it is worth something. Each change of the set of files is first written down in the
manifest, and no file is removed before the manifest does without it.

Texts of the log are those that tools and tests look for.

Threads: the one that runs the event loop; fsync has one of its own.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastredis.persistence import rdb_child, rdb_save
from fastredis.persistence.aof_file import (
    SYNC_ALWAYS,
    SYNC_EVERYSEC,
    SYNC_NO,
    AofFile,
)
from fastredis.persistence.aof_manifest import SUFFIX, Manifest, ManifestError, Part
from fastredis.persistence.snapshots import Child, LoadFailed
from fastredis.resp.values import ReplyError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_POLICIES: Final = {
    "no": SYNC_NO,
    "everysec": SYNC_EVERYSEC,
    "always": SYNC_ALWAYS,
}
_READ: Final = 1024 * 1024
_LOG_PERIOD: Final = 30  # seconds between two lines about the same failure
_FILE_MODE: Final = 0o644
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
# A rewrite that fails so often in a row is tried again ever later, up to an hour.
_FAILURES_MAX: Final = 3
_DELAY_MAX: Final = 60
_TEMP_BASE: Final = "temp-rewriteaof-bg.aof"
_PREAMBLE: Final = b"REDIS"


class State(enum.Enum):
    """Whether changes are written."""

    OFF = 0
    ON = 1
    WAITING = 2


class AppendOnly:
    """The append-only file of one server."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._engine = server.engine
        self._config = server.config
        self._log = server.log
        self._file = AofFile(server.engine)
        self._fd = -1
        self._sync_pool: ThreadPoolExecutor | None = None
        self._sync: Future[None] | None = None
        self._sync_size = 0  # of the file when the latest fsync began
        self._sync_offset = 0  # of the changes in it by then
        self._sync_at = 0.0
        self._logged_at = -float(_LOG_PERIOD)
        self.state = State.OFF
        self.manifest = Manifest(self._config["appendfilename"])
        self.child: Child | None = None
        self.is_scheduled = False
        self.base_size = 0  # of all files after the latest rewrite
        self._temp_offset = 0  # of the changes when the temporary increment was begun
        self._closed_size = 0  # of all files but the one being written
        self.is_last_good = True
        self.last_seconds = -1
        self.last_cow = 0
        self.rewrites = 0
        self.failures = 0  # rewrites that failed, one after the other
        self._retry_at = 0.0
        self.delayed_syncs = 0
        self._is_loaded = False  # load() came to its end
        self._is_settled = False
        self._follow(self._config)
        for name in ("appendfsync", "aof-timestamp-enabled"):
            self._config.on_change(name, self._follow)
        self._config.on_change("appendonly", self._turn)
        self._config.on_change("aof-disable-auto-gc", lambda _: self._remove_history())

    # --- Files -------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The folder of the files, below the working directory."""
        return Path(self._config["appenddirname"])

    @property
    def name(self) -> str:
        """What the files' names begin with."""
        return str(self._config["appendfilename"])

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return self._closed_size + int(self._file.size)

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait to be written."""
        return int(self._file.waiting)

    @property
    def error(self) -> int:
        """The number of the error that keeps it from writing; 0: none."""
        return int(self._file.error)

    @property
    def is_syncing(self) -> bool:
        """Whether an fsync is under way on its thread."""
        return self._sync is not None

    def _follow(self, config: Any) -> None:
        self._file.policy = _POLICIES[config["appendfsync"]]
        self._file.has_times = config["aof-timestamp-enabled"]

    def _temp_increment(self) -> Path:
        return self.folder / f"temp-{self.name}.incr.aof"

    def _write_manifest(self, manifest: Manifest) -> None:
        """Replace the manifest on disk.

        Raises: OSError.
        """
        path = self.folder / (self.name + SUFFIX)
        temp = self.folder / f"temp-{self.name}{SUFFIX}"
        with open(temp, "wb") as file:
            file.write(manifest.to_bytes())
            file.flush()
            os.fsync(file.fileno())
        temp.replace(path)
        _sync_folder(self.folder)
        self.manifest = manifest

    def _remove_history(self) -> None:
        """Remove the files that the manifest calls history, then forget them."""
        manifest = self.manifest
        if not manifest.history or self._config["aof-disable-auto-gc"]:
            return
        for part in manifest.history:
            self._log.notice(f"Removing the history file {part.name} in the background")
            with contextlib.suppress(OSError):
                (self.folder / part.name).unlink()
        manifest = manifest.copy()
        manifest.history.clear()
        try:
            self._write_manifest(manifest)
        except OSError as error:
            self._warn(f"Can't write the AOF manifest: {error}")

    def _sizes(self, parts: Iterator[Part] | list[Part]) -> int:
        total = 0
        for part in parts:
            with contextlib.suppress(OSError):
                total += (self.folder / part.name).stat().st_size
        return total

    def _warn(self, text: str) -> None:
        self._log.warning(text)

    # --- Start of the server -----------------------------------------------------

    def load(self) -> Iterator[None]:
        """Load what the files hold, and yield in between for others to work.

        Raises: LoadFailed; the log says why.
        """
        from fastredis.persistence.aof_replay import Replay

        self.manifest = self._find()
        yield from Replay(self._server, self.folder).run(self.manifest)
        self._is_loaded = True

    def reload(self) -> None:
        """Write what waits, empty the databases and load the files again.

        Raises: LoadFailed.
        """
        from fastredis.persistence.aof_replay import Replay

        self._file.flush()
        self._engine.flush_all()
        for _ in Replay(self._server, self.folder).run(self.manifest):
            pass
        self._server.snapshots.forget_changes()
        self._log.notice("Append Only File loaded by DEBUG LOADAOF")

    def set_write_delay(self, us: int) -> None:
        """Sleep so long before each write, to test what that does to clients."""
        self._file.write_delay_us = us

    def settle(self) -> bool:
        """Begin to write, if the configuration says so, once the data set is loaded.

        Return whether the server can serve.
        """
        self._is_settled = True
        if not self._config["appendonly"]:
            return True
        if self._is_loaded:
            return self.open()
        try:
            self.enable()  # it was turned on while another file was loaded
        except ValueError as error:
            self._warn(str(error))
        return True

    def _find(self) -> Manifest:
        """Return the manifest of what is there, perhaps in the layout before Redis 7.

        Raises: LoadFailed.
        """
        path = self.folder / (self.name + SUFFIX)
        old = Path(self.name)
        try:
            manifest = Manifest.parse(self.name, path.read_bytes())
        except FileNotFoundError:
            manifest = Manifest(self.name)
            if not old.exists():
                return manifest
            manifest.base = Part(self.name, 1)
            manifest.base_seq = 1
        except OSError as error:
            self._warn(f"Fatal error: can't open the AOF manifest {path.name}: {error}")
            raise LoadFailed(str(error)) from None
        except ManifestError as error:
            self._warn("*** FATAL AOF MANIFEST FILE ERROR ***")
            if error.line:
                shown = error.text[:200].decode("utf-8", "backslashreplace")
                self._warn(f"Reading the manifest file, at line {error.line}")
                self._warn(f">>> '{shown}'")
            self._warn(str(error))
            raise LoadFailed(str(error)) from None
        base = manifest.base
        if base is not None and base.name == self.name and not manifest.increments:
            self._move_in(manifest, old)
        return manifest

    def _move_in(self, manifest: Manifest, old: Path) -> None:
        """Move a single old file into the folder; perhaps that was begun before."""
        if not old.exists() or (self.folder / old).exists():
            return
        try:
            self.folder.mkdir(exist_ok=True)
            self._write_manifest(manifest)
            old.rename(self.folder / old)
        except OSError as error:
            self._warn(
                f"Error trying to move the old AOF file {old} into dir {self.folder}: "
                f"{error.strerror}"
            )
            raise LoadFailed(str(error)) from None
        self._log.notice(
            f"Successfully migrated an old-style AOF configuration ({old}) into the "
            f"AOF directory ({self.folder})."
        )

    def open(self) -> bool:
        """Write changes from now on, after load(); return whether that is possible."""
        manifest = self.manifest.copy()
        self._take_offset(manifest)
        try:
            self.folder.mkdir(exist_ok=True)
            if manifest.base is None and not manifest.increments:
                is_rdb = self._config["aof-use-rdb-preamble"]
                base = manifest.new_base(is_rdb=is_rdb)
                self._log.notice(f"Creating AOF base file {base.name} on server start")
                self._save_base(self.folder / base.name, is_rdb=is_rdb)
            if not manifest.increments:
                part = manifest.new_increment(self._engine.repl_offset)
                self._log.notice(f"Creating AOF incr file {part.name} on server start")
            part = manifest.reopen_increment()
            self._fd = os.open(self.folder / part.name, _APPEND, _FILE_MODE)
            self._write_manifest(manifest)
        except OSError as error:
            self._warn(f"Can't open the append-only file: {error}")
            return False
        size = os.fstat(self._fd).st_size
        self._closed_size = self._sizes(manifest.parts()) - size
        self.base_size = self._closed_size + size
        self._file.start(self._fd, size)
        self.state = State.ON
        self._remove_history()
        return True

    def _take_offset(self, manifest: Manifest) -> None:
        """Go on with the offset that the changes had reached."""
        if not manifest.increments:
            return
        part = manifest.increments[-1]
        if part.end_offset is not None:
            self._engine.repl_offset = part.end_offset
        elif part.start_offset is not None:
            # no smaller than it was: a change takes more than a byte
            size = self._sizes([part])
            self._engine.repl_offset = part.start_offset + size

    def _write_end(self) -> None:
        """Note in the manifest which offset the changes have reached."""
        manifest = self.manifest.copy()
        if not manifest.end_increment(self._engine.repl_offset):
            return
        try:
            self._write_manifest(manifest)
        except OSError as error:
            self._warn(f"Can't write the AOF manifest: {error}")

    # --- On and off --------------------------------------------------------------

    def _turn(self, config: Any) -> None:
        """Follow the directive ``appendonly``.

        Raises: ValueError if it cannot be turned on.
        """
        if not self._is_settled:
            return
        if config["appendonly"]:
            self.enable()
        else:
            self.disable()

    def enable(self) -> None:
        """Begin, with a rewrite; after ``CONFIG SET appendonly yes``.

        Raises: ValueError if that is not possible.
        """
        if self.state is not State.OFF:
            return
        if self._engine.is_in_exec:
            self.is_scheduled = True
            self._warn(
                "AOF was enabled during a transaction. An AOF background was "
                "scheduled to start when possible."
            )
        elif self._other_child():
            self.is_scheduled = True
            self._warn(
                "AOF was enabled but there is already another background operation. "
                "An AOF background was scheduled to start when possible."
            )
        self.state = State.WAITING
        if not self.is_scheduled and not self.start():
            self.state = State.OFF
            raise ValueError("Unable to turn on AOF. Check server logs.")

    def disable(self) -> None:
        """Write what waits, and no more; after ``CONFIG SET appendonly no``."""
        if self.state is State.OFF:
            return
        self.kill_child()
        self.is_scheduled = False
        self._close()
        if self.state is State.ON:
            self._write_end()
        self.state = State.OFF

    def _close(self) -> None:
        self._file.stop()
        self._wait_sync()
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)
        os.close(self._fd)
        self._fd = -1
        if self.state is State.WAITING:
            self._remove_temp_increment()

    def finish(self) -> None:
        """Make the file complete before the server ends."""
        if self.state is State.OFF:
            return
        if self.child is not None:
            self._warn("There is a child rewriting the AOF. Killing it!")
            self.kill_child()
        if self.state is State.ON:
            self._log.notice("Calling fsync() on the AOF file.")
        self._close()
        if self.state is State.ON:
            self._write_end()
        if self._sync_pool is not None:
            self._sync_pool.shutdown()

    # --- Rewrite -----------------------------------------------------------------

    def _other_child(self) -> bool:
        return self.child is not None or self._server.snapshots.child is not None

    def rewrite(self) -> str:
        """Do what BGREWRITEAOF asks for; return its reply.

        Raises: ReplyError.
        """
        if self.child is not None:
            raise ReplyError(
                "ERR Background append only file rewriting already in progress"
            )
        if self._other_child() or self._engine.is_in_exec:
            self.is_scheduled = True
            return "Background append only file rewriting scheduled"
        if not self.start():
            raise ReplyError(
                "ERR Can't execute an AOF background rewriting. Please check the "
                "server logs for more information."
            )
        return "Background append only file rewriting started"

    def start(self) -> bool:
        """Begin a new increment and fork a child; return whether that worked."""
        self.is_scheduled = False
        self.rewrites += 1
        try:
            self.folder.mkdir(exist_ok=True)
            if self.state is State.ON:
                self._begin_increment()
            elif self.state is State.WAITING:
                self._begin_temp_increment()
            self._fork()
        except OSError as error:
            self._warn(f"Can't rewrite append only file in background: {error}")
            if self.state is State.WAITING and self._fd >= 0:
                self._close()
            self._note_failure()
            return False
        return True

    def _options(self, *, is_rdb: bool) -> dict[str, Any]:
        """Return the options of rdb_save for a base."""
        options: dict[str, Any] = self._server.snapshots.save_options()
        options["sync_early"] = self._config["aof-rewrite-incremental-fsync"]
        if not is_rdb and options["functions"]:
            self._log.notice(
                "The base is written in RDB format, whatever aof-use-rdb-preamble "
                "says: there are functions to be kept"
            )
            is_rdb = True
        return options | {
            "aof_base": True,
            "requests": not is_rdb,
            "times": self._config["aof-timestamp-enabled"],
        }

    def _save_base(self, path: Path, *, is_rdb: bool) -> None:
        """Write a base here and now.

        Raises: OSError.
        """
        step, error, *_ = rdb_save.save(
            self._engine, os.fsencode(path), self._options(is_rdb=is_rdb)
        )
        if step:
            raise OSError(error, os.strerror(error), str(path))

    def _fork(self) -> None:
        """Have a child write a base.

        Raises: OSError.
        """
        snapshots = self._server.snapshots
        pid, reports, snapshots.fork_us = rdb_child.start(
            self._engine,
            os.fsencode(self.folder / _TEMP_BASE),
            self._options(is_rdb=self._config["aof-use-rdb-preamble"]),
            self._server.child_title("aof-rewrite"),
            self._server.child_oom_score(),
        )
        self._server.affinity.apply("aof-rewrite-cpulist", pid)
        snapshots.forks += 1
        total = sum(row[1] for row in self._engine.keyspace())
        self.child = Child(pid, reports, self._engine.dirty, total)
        self._log.notice(f"Background append only file rewriting started by pid {pid}")

    def _begin_increment(self) -> None:
        """Go on in a new increment, which is in the manifest first."""
        if not self._file.flush():
            raise OSError(self._file.error, os.strerror(self._file.error))
        manifest = self.manifest.copy()
        part = manifest.new_increment(self._engine.repl_offset)
        fd = os.open(self.folder / part.name, _APPEND | os.O_TRUNC, _FILE_MODE)
        try:
            self._write_manifest(manifest)
        except OSError:
            os.close(fd)
            raise
        self._log.notice(f"Creating AOF incr file {part.name} on background rewrite")
        self._switch(fd)

    def _begin_temp_increment(self) -> None:
        """Collect what changes from now on, in a file that is no part of it yet."""
        fd = os.open(self._temp_increment(), _APPEND | os.O_TRUNC, _FILE_MODE)
        self._temp_offset = self._engine.repl_offset
        self._log.notice(
            f"Creating AOF incr file {self._temp_increment().name} on background "
            "rewrite"
        )
        if self._fd < 0:
            self._fd = fd
            self._closed_size = 0
            self._file.start(fd, 0, is_provisional=True)
        else:
            self._switch(fd)

    def _switch(self, fd: int) -> None:
        """Go on with another file.

        Raises: OSError if what waits cannot be written to the one before.
        """
        size = self._file.size
        if not self._file.switch(fd):
            os.close(fd)
            raise OSError(self._file.error, os.strerror(self._file.error))
        self._wait_sync()
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)
            self._file.note_synced(self._file.offset)
        os.close(self._fd)
        self._fd = fd
        self._closed_size += size

    def _take_base(self) -> None:
        """Take what a child has written as the base.

        Raises: OSError.
        """
        manifest = self.manifest.copy()
        is_rdb = (self.folder / _TEMP_BASE).read_bytes()[:5] == _PREAMBLE
        base = manifest.new_base(is_rdb=is_rdb)
        (self.folder / _TEMP_BASE).rename(self.folder / base.name)
        self._log.notice(
            f"Successfully renamed the temporary AOF base file {_TEMP_BASE} into "
            f"{base.name}"
        )
        if self.state is State.WAITING:
            part = manifest.new_increment(self._temp_offset)
            self._temp_increment().rename(self.folder / part.name)
            self._log.notice(
                f"Successfully renamed the temporary AOF incr file "
                f"{self._temp_increment().name} into {part.name}"
            )
        if self.state is State.OFF:
            manifest.retire_increments(but=0)
        else:
            manifest.retire_increments(but=1)
        self._write_manifest(manifest)
        if self.state is not State.OFF:
            self.state = State.ON
            self._file.is_provisional = False
            self._closed_size = self._sizes([base])
            self.base_size = self.size

    def _note_failure(self) -> None:
        self.is_last_good = False
        self.failures += 1
        if self.failures >= _FAILURES_MAX:
            minutes = min(1 << (self.failures - _FAILURES_MAX), _DELAY_MAX)
            self._retry_at = time.monotonic() + 60 * minutes
            self._warn(
                "Background AOF rewrite has repeatedly failed and triggered the limit, "
                f"will retry in {minutes} minutes"
            )

    def _poll_child(self, child: Child) -> None:
        """Take note of how a child has ended, if it has."""
        code = child.reap()
        if code is None:
            return
        self.child = None
        self.last_seconds = int(time.time() - child.started)
        if child.last.get("is_last"):
            self.last_cow = child.last["cow_peak"]
        if code == 0:
            self._log.notice("Background AOF rewrite terminated with success")
            try:
                self._take_base()
            except OSError as error:
                self._warn(f"Error trying to use the rewritten AOF base: {error}")
                code = 1
            else:
                self._log.notice("Background AOF rewrite finished successfully")
                self.is_last_good = True
                self.failures = 0
                self._remove_history()
                return
        elif code > 0:
            self._warn("Background AOF rewrite terminated with error")
        else:
            self._warn(f"Background AOF rewrite terminated by signal {-code}")
        self._give_up(is_failure=-code != signal.SIGUSR1)

    def _give_up(self, *, is_failure: bool) -> None:
        """Do without the rewrite."""
        with contextlib.suppress(OSError):
            (self.folder / _TEMP_BASE).unlink()
        if is_failure:
            self._note_failure()
        if self.state is State.WAITING:
            self._close()
            self.is_scheduled = True  # the first base is still wanted

    def _remove_temp_increment(self) -> None:
        with contextlib.suppress(OSError):
            self._temp_increment().unlink()
            self._log.notice(
                f"Removing the temp incr aof file {self._temp_increment().name} in "
                "the background"
            )

    def kill_child(self) -> None:
        """End a rewrite and wait for that; nothing of it stays."""
        child = self.child
        if child is None:
            return
        self._log.notice(f"Killing AOF child: {child.pid}")
        child.end()
        self.child = None
        self._give_up(is_failure=False)
        self.is_scheduled = False

    # --- Periodic work -----------------------------------------------------------

    def poll(self) -> bool:
        """See to the child, start what is due, have data reach the disk.

        Return whether there is a child.
        """
        if self.child is not None:
            self._poll_child(self.child)
        if not self._other_child():
            if self.is_scheduled and time.monotonic() >= self._retry_at:
                self.start()
            elif self.state is State.ON:
                self._check_growth()
        if self._fd >= 0:
            if self.error:
                self._file.flush()
            self._poll_sync()
        return self.child is not None

    def _check_growth(self) -> None:
        """Rewrite if the files have grown so much."""
        percentage = self._config["auto-aof-rewrite-percentage"]
        if not percentage or self.size <= self._config["auto-aof-rewrite-min-size"]:
            return
        if time.monotonic() < self._retry_at:
            return
        growth = self.size * 100 // max(self.base_size, 1) - 100
        if growth >= percentage:
            self._log.notice(f"Starting automatic rewriting of AOF on {growth}% growth")
            self.start()

    def _poll_sync(self) -> None:
        """Begin an fsync when it is time, take note of its end; not with ``no``."""
        if self._sync is not None:
            if not self._sync.done():
                return
            self._wait_sync()
        if self._file.policy == SYNC_NO or self._file.synced == self._file.size:
            return  # with "always", it is what was written before that was set
        if self._file.policy == SYNC_EVERYSEC and time.monotonic() - self._sync_at < 1:
            return
        if self._config["no-appendfsync-on-rewrite"] and self._other_child():
            return
        if self._sync_pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._sync_pool = ThreadPoolExecutor(
                1,
                "fastredis-fsync",
                initializer=self._server.affinity.apply,
                initargs=("bio-cpulist",),
            )
        self._sync_at = time.monotonic()
        self._sync_size = self._file.size
        self._sync_offset = self._file.offset
        self._sync = self._sync_pool.submit(os.fdatasync, self._fd)

    def _wait_sync(self) -> None:
        """Take note of how an fsync has ended."""
        if self._sync is None:
            return
        error = self._sync.exception()
        self._sync = None
        if error is None:
            self._file.synced = max(self._file.synced, self._sync_size)
            self._file.note_synced(self._sync_offset)
        elif time.monotonic() - self._logged_at >= _LOG_PERIOD:
            self._logged_at = time.monotonic()
            self._warn(f"Fsync of the AOF file failed: {error}")

    # --- Called by the file ------------------------------------------------------

    def write_failed(self, number: int, done: int, wanted: int) -> None:
        """Log it; with ``always`` the promise is broken, and the server ends."""
        if time.monotonic() - self._logged_at >= _LOG_PERIOD:
            self._logged_at = time.monotonic()
            if done:
                self._warn(
                    "Short write while writing to the AOF file: "
                    f"(nwritten={done}, expected={wanted})"
                )
            else:
                self._warn(f"Error writing to the AOF file: {os.strerror(number)}")
        if self._file.policy == SYNC_ALWAYS:
            self._warn(
                "Can't recover from AOF write error when the AOF fsync policy is "
                "'always'. Exiting..."
            )
            os._exit(1)
        self._engine.set_aof_error(number)

    def write_recovered(self) -> None:
        """Log that writing works again."""
        self._warn("AOF write error looks solved. The server can write again.")
        self._engine.set_aof_error(0)

    def fsync_failed(self, number: int) -> None:
        """End the server: what was written may not be on the disk."""
        self._warn(
            "Can't persist AOF for fsync error when the AOF fsync policy is 'always': "
            f"{os.strerror(number)}. Exiting..."
        )
        os._exit(1)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
