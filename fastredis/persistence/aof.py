# SPDX-License-Identifier: BSD-3-Clause
r"""The append-only file: what it consists of, when it is rewritten, how it is loaded.

    changes --> AofFile --> appendonly.aof.7.incr.aof       persistence/aof_file.pyx
    BGREWRITEAOF:  a new increment is begun, then a child writes what there is now
                   base 3, increments 6 7 | 8   -->   base 4, increment 8
    start:         base, then increments, one after the other

States:

    OFF ------ appendonly yes -----> WAITING --- the first base is written ---> ON
        <----- appendonly no ------                <------ start of a server with it

Files are the matter of persistence/aof_folder.py, fsync that of aof_sync.py.

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
from typing import Any, Final

from fastredis.admin.log import WARNING
from fastredis.persistence import rdb_child, rdb_save
from fastredis.persistence.aof_file import (
    SYNC_ALWAYS,
    SYNC_EVERYSEC,
    SYNC_NO,
    AofFile,
)
from fastredis.persistence.aof_folder import AofFolder, remove
from fastredis.persistence.aof_manifest import Manifest
from fastredis.persistence.aof_sync import AofSync, sync_data
from fastredis.persistence.snapshots import Child
from fastredis.resp.values import ReplyError

_POLICIES: Final = {
    "no": SYNC_NO,
    "everysec": SYNC_EVERYSEC,
    "always": SYNC_ALWAYS,
}
_LOG_PERIOD: Final = 30  # seconds between two lines about the same failure
_FILE_MODE: Final = 0o644
_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
# A rewrite that fails so often in a row is tried again ever later, up to an hour.
_FAILURES_MAX: Final = 3
_DELAY_MAX: Final = 60
_RETRY: Final = 1.0  # seconds until what failed on the folder is tried again


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
        self._sync = AofSync(self._file, server.log, server.affinity)
        self._fd = -1
        self._logged_at = -float(_LOG_PERIOD)
        self.state = State.OFF
        self.files = AofFolder(server.config, server.log)
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
        self._retry_at = 0.0  # 0: no retry has been put off
        self._retry_minutes = 0
        self._folder_retry_at = 0.0
        self._is_rdb = False  # the base that the child writes
        self._is_loaded = False  # load() came to its end
        self._is_settled = False
        self._follow(self._config)
        for name in ("appendfsync", "aof-timestamp-enabled"):
            self._config.on_change(name, self._follow)
        self._config.on_change("appendonly", self._turn)
        self._config.on_change(
            "aof-disable-auto-gc", lambda _: self.files.remove_history()
        )

    # --- Figures -----------------------------------------------------------------

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
        """The number of the error that keeps data from the disk; 0: none."""
        return int(self._file.error) or self._sync.error

    @property
    def is_syncing(self) -> bool:
        """Whether an fsync is under way on its thread."""
        return self._sync.is_running

    @property
    def delayed_syncs(self) -> int:
        """How often one has taken so long that it held back the next."""
        return self._sync.delayed

    @property
    def manifest(self) -> Manifest:
        """The files it consists of."""
        return self.files.manifest

    def _refuse_writes(self) -> None:
        """Have clients told if data does not reach the disk, or that it does again."""
        self._engine.set_aof_error(self.error)

    def _follow(self, config: Any) -> None:
        self._file.policy = _POLICIES[config["appendfsync"]]
        if self._file.policy != SYNC_EVERYSEC:
            self._sync.forget()
            self._refuse_writes()
        self._file.has_times = config["aof-timestamp-enabled"]

    # --- Start of the server -----------------------------------------------------

    def load(self) -> Iterator[None]:
        """Load what the files hold, and yield in between for others to work.

        Raises: LoadFailed; the log says why.
        """
        from fastredis.persistence.aof_replay import Replay

        self.files.find()
        yield from Replay(self._server, self.files.path).run(self.manifest)
        self._is_loaded = True

    def reload(self) -> None:
        """Write what waits, empty the databases and load the files again.

        Raises: LoadFailed.
        """
        from fastredis.persistence.aof_replay import Replay

        self._file.flush()
        self._engine.flush_all()
        for _ in Replay(self._server, self.files.path).run(self.manifest):
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
            self._log.warning(str(error))
        return True

    def open(self) -> bool:
        """Write changes from now on, after load(); return whether that is possible."""
        manifest = self.manifest.copy()
        self._take_offset(manifest)
        try:
            self.files.make()
            if manifest.base is None and not manifest.increments:
                is_rdb = self._config["aof-use-rdb-preamble"]
                base = manifest.new_base(is_rdb=is_rdb)
                self._log.notice(f"Creating AOF base file {base.name} on server start")
                self._save_base(self.files.path_of(base), is_rdb=is_rdb)
            if not manifest.increments:
                part = manifest.new_increment(self._engine.repl_offset)
                self._log.notice(f"Creating AOF incr file {part.name} on server start")
            part = manifest.reopen_increment()
            self._fd = self._open(self.files.path_of(part))
            self.files.write(manifest)
            self._sync_loaded()
        except OSError as error:
            self._log.warning(f"Can't open the append-only file: {error}")
            return False
        size = os.fstat(self._fd).st_size
        self._closed_size = self.files.size_of(manifest.parts()) - size
        self.base_size = self._closed_size + size
        self._file.start(self._fd, size)
        self.state = State.ON
        self.files.remove_history()
        return True

    def _open(self, path: Path, *, is_new: bool = False) -> int:
        return os.open(path, _APPEND | (os.O_TRUNC if is_new else 0), _FILE_MODE)

    def _sync_loaded(self) -> None:
        """Have reach the disk what a server that was killed had only written.

        Raises: OSError.
        """
        for part in self.manifest.increments:
            fd = os.open(self.files.path_of(part), os.O_RDONLY | os.O_CLOEXEC)
            try:
                sync_data(fd)
            finally:
                os.close(fd)

    def _take_offset(self, manifest: Manifest) -> None:
        """Go on with the offset that the changes had reached."""
        if not manifest.increments:
            return
        part = manifest.increments[-1]
        if part.end_offset is not None:
            self._engine.repl_offset = part.end_offset
        elif part.start_offset is not None:
            # no smaller than it was: a change takes more than a byte
            size = self.files.size_of([part])
            self._engine.repl_offset = part.start_offset + size

    def _write_end(self) -> None:
        """Note in the manifest which offset the changes have reached."""
        manifest = self.manifest.copy()
        if not manifest.end_increment(self._engine.repl_offset):
            return
        try:
            self.files.write(manifest)
        except OSError as error:
            self._log.warning(f"Can't write the AOF manifest: {error}")

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
            self._log.warning(
                "AOF was enabled during a transaction. An AOF background was "
                "scheduled to start when possible."
            )
        elif self._other_child():
            self.is_scheduled = True
            self._log.warning(
                "AOF was enabled but there is already another background operation. "
                "An AOF background was scheduled to start when possible."
            )
        self.state = State.WAITING
        if not self.is_scheduled and not self.start():
            self.state = State.OFF
            self.is_scheduled = False
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
        """Write what waits and close the file."""
        if self._fd < 0:
            return
        waiting = self.waiting_bytes
        if not self._file.stop() and self.state is State.ON:
            self._log.warning(
                f"The last {waiting} bytes of changes could not be written to the AOF "
                "file and are not in it."
            )
        try:
            self._sync.sync(self._fd)
        except OSError as error:
            self._log.warning(f"Fail to fsync the AOF file: {error.strerror}")
        os.close(self._fd)
        self._fd = -1
        self._sync.forget()
        self._refuse_writes()
        if self.state is State.WAITING:
            self._remove_temp_increment()

    def may_finish(self, *, force: bool) -> bool:
        """Return whether the server may end; the log says why not."""
        if self.child is None or self.state is not State.WAITING:
            return True
        if force:
            self._log.warning("Writing initial AOF. Exit anyway.")
            return True
        self._log.warning("Writing initial AOF, can't exit.")
        return False

    def finish(self) -> None:
        """Make the file complete before the server ends."""
        if self.child is not None:
            self._log.warning("There is a child rewriting the AOF. Killing it!")
            self.kill_child()
        if self.state is State.ON:
            self._log.notice("Calling fsync() on the AOF file.")
        self._close()
        if self.state is State.ON:
            self._write_end()
        self._sync.close()

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
            self.files.make()
            if self.state is State.ON:
                self._begin_increment()
            elif self.state is State.WAITING:
                self._begin_temp_increment()
            self._fork()
        except OSError as error:
            self._log.warning(f"Can't rewrite append only file in background: {error}")
            self._give_up(is_failure=True)
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
        options = self._options(is_rdb=self._config["aof-use-rdb-preamble"])
        self._is_rdb = not options["requests"]
        snapshots = self._server.snapshots
        pid, reports, snapshots.fork_us = rdb_child.start(
            self._engine,
            b"",
            options,
            self._server.child_title("aof-rewrite"),
            self._server.child_oom_score(),
        )
        self._server.affinity.apply("aof-rewrite-cpulist", pid)
        snapshots.forks += 1
        total = sum(row[1] for row in self._engine.keyspace())
        temp = Path(rdb_child.TEMP_AOF % pid)
        self.child = Child(pid, reports, self._engine.dirty, total, temp)
        self._log.notice(f"Background append only file rewriting started by pid {pid}")

    def _begin_increment(self) -> None:
        """Go on in a new increment, which is in the manifest first.

        The increment before is complete on the disk by then: only the last one that
        the manifest names may be torn.
        Raises: OSError.
        """
        before = self.manifest
        manifest = before.copy()
        self._flush()
        part = manifest.new_increment(self._engine.repl_offset)
        fd = self._open(self.files.path_of(part), is_new=True)
        try:
            self.files.write(manifest)
        except OSError:
            os.close(fd)
            if self.manifest is not before:
                with contextlib.suppress(OSError):
                    self.files.write(before)
            if self.manifest is before:
                remove(self.files.path_of(part))
            raise
        self._log.notice(f"Creating AOF incr file {part.name} on background rewrite")
        self._switch(fd)

    def _begin_temp_increment(self) -> None:
        """Collect what changes from now on, in a file that is no part of it yet.

        Raises: OSError.
        """
        temp = self.files.temp_increment()
        fd = self._open(temp, is_new=True)
        self._log.notice(f"Creating AOF incr file {temp.name} on background rewrite")
        self._fd = fd
        self._closed_size = 0
        self._temp_offset = self._engine.repl_offset
        self._file.start(fd, 0, is_provisional=True)

    def _flush(self) -> None:
        """Have all that was written down so far reach the disk.

        Raises: OSError.
        """
        if not self._file.flush():
            raise OSError(self._file.error, os.strerror(self._file.error))
        try:
            self._sync.sync(self._fd)
        finally:
            self._refuse_writes()

    def _switch(self, fd: int) -> None:
        """Go on with another file; _flush() comes before."""
        size = self._file.size
        self._file.switch(fd)
        os.close(self._fd)
        self._fd = fd
        self._closed_size += size

    def _take_base(self, child: Child) -> None:
        """Take what a child has written as the base.

        Raises: OSError; then all is as it was.
        """
        before = self.manifest
        manifest = before.copy()
        base = manifest.new_base(is_rdb=self._is_rdb)
        path = self.files.path_of(base)
        renamed = None
        try:
            child.temp.rename(path)
            self._log.notice(
                f"Successfully renamed the temporary AOF base file {child.temp} into "
                f"{base.name}"
            )
            if self.state is State.WAITING:
                temp = self.files.temp_increment()
                part = manifest.new_increment(self._temp_offset)
                temp.rename(self.files.path_of(part))
                renamed = self.files.path_of(part)
                self._log.notice(
                    f"Successfully renamed the temporary AOF incr file {temp.name} "
                    f"into {part.name}"
                )
            manifest.retire_increments(but=0 if self.state is State.OFF else 1)
            self.files.write(manifest)
        except OSError as error:
            if self.manifest is before:
                remove(path)
                if renamed is not None:
                    remove(renamed)
                raise
            # it is on disk; what it replaces stays until it is known to stay there
            self._log.warning(f"Fail to fsync the AOF directory: {error}")
        if self.state is not State.OFF:
            self.state = State.ON
            self._file.is_provisional = False
            self._closed_size = self.files.size_of([base])
            self.base_size = self.size

    def _note_failure(self) -> None:
        self.is_last_good = False
        self.failures += 1

    def _is_limited(self) -> bool:
        """Return whether it is too early to try again after so many failures."""
        if self.failures < _FAILURES_MAX:
            self._retry_at = 0.0
            self._retry_minutes = 0
            return False
        now = time.monotonic()
        if self._retry_at:
            if now < self._retry_at:
                return True
            self._retry_at = 0.0
            return False
        self._retry_minutes = min(2 * self._retry_minutes or 1, _DELAY_MAX)
        self._retry_at = now + 60 * self._retry_minutes
        self._log.warning(
            "Background AOF rewrite has repeatedly failed and triggered the limit, "
            f"will retry in {self._retry_minutes} minutes"
        )
        return True

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
                self._take_base(child)
            except OSError as error:
                self._log.warning(
                    f"Error trying to use the rewritten AOF base: {error}"
                )
            else:
                self._log.notice("Background AOF rewrite finished successfully")
                self.is_last_good = True
                self.failures = 0
                if self.files.is_synced:
                    self.files.remove_history()
                return
        elif code > 0:
            self._log.warning("Background AOF rewrite terminated with error")
            self._log_reason(child)
        else:
            self._log.warning(f"Background AOF rewrite terminated by signal {-code}")
        child.remove_temp()
        self._give_up(is_failure=-code != signal.SIGUSR1)

    def _log_reason(self, child: Child) -> None:
        """Write why a child could not, which cannot log by itself."""
        if child.last.get("error"):
            self._log.of_child(
                child.pid,
                WARNING,
                f"Write error writing append only file on disk: "
                f"{os.strerror(child.last['error'])}",
            )

    def _give_up(self, *, is_failure: bool) -> None:
        """Do without the rewrite."""
        if is_failure:
            self._note_failure()
        if self.state is State.WAITING:
            self._close()
            self.is_scheduled = True  # the first base is still wanted

    def _remove_temp_increment(self) -> None:
        temp = self.files.temp_increment()
        with contextlib.suppress(OSError):
            temp.unlink()
            self._log.notice(
                f"Removing the temp incr aof file {temp.name} in the background"
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
            if self.is_scheduled:
                if not self._is_limited():
                    self.start()
            elif self.state is State.ON:
                self._check_growth()
        if self._fd >= 0:
            if self._file.error:
                self._file.flush()
            self._poll_sync()
        self._poll_folder()
        return self.child is not None

    def _poll_sync(self) -> None:
        """Have an fsync begun when it is time; not with ``no``.

        With ``always`` that is for what was written before that was set.
        """
        is_always = self._file.policy == SYNC_ALWAYS
        if self._file.policy == SYNC_NO:
            if self._sync.is_running:
                self._sync.wait()
                self._sync.forget()
            return
        if self._config["no-appendfsync-on-rewrite"] and self._other_child():
            return
        error = self.error
        if self._sync.poll(self._fd, at_once=is_always):
            self.is_scheduled = True  # what was dropped is written by a rewrite alone
        if self.error != error:
            self._refuse_writes()

    def _poll_folder(self) -> None:
        """Try again to have the names of files reach the disk, if that has failed."""
        if self.files.is_synced or time.monotonic() < self._folder_retry_at:
            return
        self._folder_retry_at = time.monotonic() + _RETRY
        self.files.remove_history()

    def _check_growth(self) -> None:
        """Rewrite if the files have grown so much."""
        percentage = self._config["auto-aof-rewrite-percentage"]
        if not percentage or self.size <= self._config["auto-aof-rewrite-min-size"]:
            return
        growth = self.size * 100 // max(self.base_size, 1) - 100
        if growth >= percentage and not self._is_limited():
            self._log.notice(f"Starting automatic rewriting of AOF on {growth}% growth")
            self.start()

    # --- Called by the file ------------------------------------------------------

    def write_failed(self, number: int, done: int, wanted: int) -> None:
        """Log it; with ``always`` the promise is broken, and the server ends."""
        if time.monotonic() - self._logged_at >= _LOG_PERIOD:
            self._logged_at = time.monotonic()
            if done:
                self._log.warning(
                    "Short write while writing to the AOF file: "
                    f"(nwritten={done}, expected={wanted})"
                )
            else:
                self._log.warning(
                    f"Error writing to the AOF file: {os.strerror(number)}"
                )
        if self._file.policy == SYNC_ALWAYS:
            self._log.warning(
                "Can't recover from AOF write error when the AOF fsync policy is "
                "'always'. Exiting..."
            )
            os._exit(1)
        self._refuse_writes()

    def write_recovered(self) -> None:
        """Log that writing works again."""
        self._log.warning("AOF write error looks solved. The server can write again.")
        self._refuse_writes()

    def fsync_failed(self, number: int) -> None:
        """End the server: what was written may not be on the disk."""
        self._log.warning(
            "Can't persist AOF for fsync error when the AOF fsync policy is 'always': "
            f"{os.strerror(number)}. Exiting..."
        )
        os._exit(1)
