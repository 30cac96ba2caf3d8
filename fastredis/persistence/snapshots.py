# SPDX-License-Identifier: BSD-3-Clause
r"""Snapshots: when the data set is written to an RDB file, by whom, and how it went.

    SAVE, shutdown, DEBUG RELOAD ------------> save()     here, nothing else runs
    BGSAVE, save points (cron) --> start() --> a child, polled by the cron until it ends
    start of the server ---------------------> load()     in steps, clients get -LOADING

How the files are made is the matter of rdb_save, rdb_child and rdb_load. Texts of
the log are those that tools and tests look for.

Threads: the one that runs the event loop.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastredis.admin.log import NOTICE, WARNING
from fastredis.persistence import rdb_child, rdb_save
from fastredis.resp.values import ReplyError

if TYPE_CHECKING:
    from fastredis.persistence.rdb_load import RdbLoader

# Seconds before another try after one that failed.
RETRY_DELAY: Final = 5
STEPS: Final = ("", "open", "write", "rename")  # save_step_t
_MB: Final = 1024 * 1024


class LoadFailed(Exception):
    """The data set could not be loaded; the log says why."""


class Child:
    """A process that saves."""

    def __init__(
        self, pid: int, reports: int, dirty: int, total: int, temp: Path
    ) -> None:
        self.pid = pid
        self.temp = temp  # the file that it writes
        self.reports = reports  # descriptor of the pipe
        self.dirty = dirty  # count of changes when it was forked
        self.total = total  # keys to be saved
        self.started = time.time()
        self.is_piped = False  # not into the file, but to replicas
        self.last: dict[str, int] = {}  # the latest report
        self.last_at = 0.0
        self.code: int | None = None  # how it ended, if it has

    def read(self) -> None:
        """Take what it has reported."""
        while report := rdb_child.read_report(self.reports):
            self.last = report
            self.last_at = time.time()

    def kill(self) -> None:
        """Have it end; that is no failure."""
        os.kill(self.pid, signal.SIGUSR1)

    def reap(self) -> int | None:
        """Return how it ended, negative for a signal; None: it has not."""
        self.read()
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            # the program that this server is part of has waited for it, or never does
            self.read()
            is_good = self.last.get("is_last") and not self.last["step"]
            pid, status = self.pid, 0 if is_good else 1 << 8
        if pid == 0:
            return None
        self.read()
        os.close(self.reports)
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """Have it end, and wait for that; nothing of it stays."""
        os.kill(self.pid, signal.SIGKILL)  # even if it is stopped
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self.reports)
        self.remove_temp()

    def remove_temp(self) -> None:
        """Remove what it has left if it was killed."""
        with suppress(OSError):
            self.temp.unlink()


class Snapshots:
    """Saving and loading of one server's data set."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._engine = server.engine
        self._config = server.config
        self._log = server.log
        self.child: Child | None = None
        self.is_scheduled = False  # as soon as no child runs
        self.is_last_good = True  # the latest save in the background
        self.last_save = int(server.started_at)
        self.last_try = 0.0
        self.last_seconds = -1
        self.last_cow = 0
        self.fork_us = 0
        self.forks = 0
        self.saves = 0
        self.functions = b""  # libraries, as they stand in a file
        self._told_version = 0  # rdb-version, that it is not kept to
        self._version = 0  # of files, that the last save needed
        self._saved_dirty = 0  # the count of changes that the last save had
        self.loader: RdbLoader | None = None
        self.load_started = 0.0
        self.loaded_aux: dict[bytes, bytes] = {}  # what the file said about itself
        self.last_loaded = (0, 0)  # keys loaded, keys expired
        self._engine.watch_flushall()
        for name in ("stop-writes-on-bgsave-error", "save"):
            self._config.on_change(name, lambda config: self._refuse_writes())

    @property
    def changes(self) -> int:
        """The number of changes since the last save."""
        return int(self._engine.dirty - self._saved_dirty)

    def forget_changes(self) -> None:
        """Count changes anew: what there is was loaded."""
        self._saved_dirty = self._engine.dirty

    # --- Save --------------------------------------------------------------------

    def save_options(self) -> dict[str, Any]:
        """Return the options of rdb_save.save that the configuration says."""
        config = self._config
        return {
            "compress": config["rdbcompression"],
            "checksum": config["rdbchecksum"],
            "sync_early": config["rdb-save-incremental-fsync"],
            "usage": config["maxmemory-policy"].endswith(("-lru", "-lfu")),
            "version": config["rdb-version"],
            "likely_version": self._version,
            "functions": self.functions,
            "delay_us": config["rdb-key-save-delay"],
        }

    def _history(self) -> dict[str, Any]:
        """Return the option that says what is known of the history of the data."""
        return {"history": self._server.replication.primary.snapshot_history()}

    def _path(self) -> bytes:
        name: str = self._config["dbfilename"]
        return name.encode("utf-8", "surrogateescape")

    def save(self) -> bool:
        """Write the file here and now; return whether that worked."""
        self.saves += 1
        step, error, keys, nbytes, self._version = rdb_save.save(
            self._engine, self._path(), self.save_options() | self._history()
        )
        if step:
            self._log.warning(self._why(step, error, os.getpid()))
            return False
        self._log.notice("DB saved on disk")
        self._note_version()
        self._log.verbose(f"{keys} keys saved, {nbytes} bytes written")
        self._saved_dirty = self._engine.dirty
        self.last_save = int(time.time())
        self.is_last_good = True
        self._refuse_writes()
        return True

    def _note_version(self) -> None:
        """Tell, once, if a file is of a later version than was asked for."""
        asked = self._config["rdb-version"]
        if not 0 < asked < self._version:
            self._told_version = 0
        elif asked != self._told_version:
            self._told_version = asked
            self._log.warning(
                f"The file has version {self._version}, though rdb-version is {asked}: "
                "there are hashes with fields that expire"
            )

    def _why(self, step: int, error: int, pid: int) -> str:
        """Say why a file was not written."""
        reason = os.strerror(error)
        name = self._config["dbfilename"]
        where = self._config["dir"] or "unknown"
        if STEPS[step] == "open":
            return (
                f"Failed opening the temp RDB file temp-{pid}.rdb (in server root dir "
                f"{where}) for saving: {reason}"
            )
        if STEPS[step] == "write":
            return f"Write error saving DB on disk: {reason}"
        return (
            f"Error moving temp DB file temp-{pid}.rdb on the final destination {name} "
            f"(in server root dir {where}): {reason}"
        )

    def _refuse_writes(self) -> None:
        """Refuse writes if nothing can be saved and the configuration says so."""
        config = self._config
        self._engine.set_save_failing(
            not self.is_last_good
            and bool(config["save"])
            and config["stop-writes-on-bgsave-error"]
        )

    # --- Save in the background ----------------------------------------------------

    def start(self, more: dict[str, Any] | None = None) -> bool:
        """Fork a child that saves; return whether that worked.

        more: options for a snapshot that is for replicas.
        """
        self.is_scheduled = False
        self.saves += 1
        self.last_try = time.time()
        dirty = self._engine.dirty
        try:
            pid, reports, self.fork_us = rdb_child.start(
                self._engine,
                self._path(),
                self.save_options() | self._history() | (more or {}),
                self._server.child_title("rdb-bgsave"),
                self._server.child_oom_score(),
            )
        except OSError as error:
            self.is_last_good = False
            self._log.warning(f"Can't save in background: fork: {error.strerror}")
            self._refuse_writes()
            return False
        self._server.affinity.apply("bgsave-cpulist", pid)
        self.forks += 1
        total = sum(row[1] for row in self._engine.keyspace())
        temp = Path(rdb_child.TEMP_RDB % pid)
        self.child = Child(pid, reports, dirty, total, temp)
        self.child.is_piped = more is not None and "fd" in more
        what = "RDB transfer" if self.child.is_piped else "saving"
        self._log.notice(f"Background {what} started by pid {pid}")
        return True

    def cancel(self) -> str:
        """Stop a child, and forget a save that was to come.

        Return what was stopped. Raises: ReplyError if there is nothing.
        """
        was_scheduled, self.is_scheduled = self.is_scheduled, False
        if self.child is not None:
            self._log.notice("Background saving will be aborted due to user request")
            self.child.kill()
            return "Background saving cancelled"
        if was_scheduled:
            return "Scheduled background saving cancelled"
        raise ReplyError(
            "ERR Background saving is currently not in progress or scheduled"
        )

    def poll(self) -> bool:
        """Do the periodic work: see to the child, start what is due.

        Return whether there is a child.
        """
        if self.child is not None:
            self._poll_child(self.child)
        if not self._server.has_child and self.loader is None:
            if self.is_scheduled:
                # after a failure not at once again
                if self.is_last_good or time.time() - self.last_try > RETRY_DELAY:
                    self.start()
            else:
                self._check_points()
        return self.child is not None

    def _check_points(self) -> None:
        """Save if a save point is reached."""
        now = time.time()
        if not self.is_last_good and now - self.last_try <= RETRY_DELAY:
            return
        for seconds, changes in self._config["save"]:
            if self.changes >= changes and int(now) - self.last_save > seconds:
                self._log.notice(f"{changes} changes in {seconds} seconds. Saving...")
                self.start()
                return

    def _poll_child(self, child: Child) -> None:
        if child.code is None:
            child.code = child.reap()
        if child.code is None:
            return
        primary = self._server.replication.primary
        if not primary.saved(is_good=child.code == 0, is_piped=child.is_piped):
            return  # replicas have not got all of it yet
        self.child = None
        if child.is_piped:
            self._note_end_of_transfer(child, child.code)
        else:
            self._note_end(child, child.code)

    def _note_end_of_transfer(self, child: Child, code: int) -> None:
        """Take note of how a child has ended that wrote for replicas."""
        self.last_seconds = int(time.time() - child.started)
        if code == 0:
            self._log.notice("Background RDB transfer terminated with success")
        elif code > 0:
            self._log.warning("Background transfer error")
        else:
            self._log.warning(f"Background transfer terminated by signal {-code}")

    def _note_end(self, child: Child, code: int) -> None:
        """Take note of how a child has ended: code is negative for a signal."""
        report = child.last
        now = time.time()
        if report.get("is_last"):
            self._log_child(child, report)
            self.last_cow = report["cow_peak"]
        self.last_seconds = int(now - child.started)
        if code == 0:
            self._log.notice("Background saving terminated with success")
            self._saved_dirty = child.dirty
            self._version = report.get("version", 0)
            self._note_version()
            self.last_save = int(now)
            self.is_last_good = True
        elif code > 0:
            self._log.warning("Background saving error")
            self.is_last_good = False
        else:
            self._log.warning(f"Background saving terminated by signal {-code}")
            child.remove_temp()
            if -code != signal.SIGUSR1:  # with that it was told to end
                self.is_last_good = False
        self._refuse_writes()

    def _log_child(self, child: Child, report: dict[str, int]) -> None:
        """Write what a child says at its end, which cannot log by itself."""
        if report["step"]:
            text = self._why(report["step"], report["error"], child.pid)
            self._log.of_child(child.pid, WARNING, text)
            return
        current, peak, average = (
            report[name] // _MB for name in ("cow_nbytes", "cow_peak", "cow_average")
        )
        for text in (
            f"BGSAVE done, {report['nkeys']} keys saved, {report['nbytes']} bytes "
            "written.",
            "DB saved on disk",
            f"Fork CoW for RDB: current {current} MB, peak {peak} MB, "
            f"average {average} MB",
        ):
            self._log.of_child(child.pid, NOTICE, text)

    def kill_child(self) -> None:
        """End a child and wait for that; nothing of it stays."""
        child = self.child
        if child is None:
            return
        if child.code is None:
            child.end()
        self.child = None
        self._server.replication.primary.saved(is_good=False, is_piped=child.is_piped)

    # --- What others do ------------------------------------------------------------

    def flushed_all(self) -> None:
        """Have nothing on disk either after FLUSHALL, if that is saved at all."""
        self.kill_child()  # what it writes is of the past
        if self._config["save"]:
            self.save()

    def finish(self, *, save: bool | None = None, force: bool = False) -> bool:
        """Save before the server ends; return whether it may end.

        save: whether to, None: if there are save points. force: end in any case.
        """
        if self.child is not None:
            self._log.warning("There is a child saving an .rdb. Killing it!")
            self.kill_child()
        if self.loader is not None:
            return True  # what is on disk is better than what is loaded by now
        if save is None:
            save = bool(self._config["save"])
        if not save:
            return True
        self._log.notice("Saving the final RDB snapshot before exiting.")
        if self.save():
            return True
        if force:
            self._log.warning("Error trying to save the DB. Exiting anyway.")
            return True
        self._log.warning("Error trying to save the DB, can't exit.")
        return False

    # --- Load ----------------------------------------------------------------------

    def load(self, *, replaces: bool = False) -> Iterator[None]:
        """Load the file, and yield in between for others to work.

        replaces: keys that are there give way to those of the file.
        Raises: LoadFailed.
        """
        from fastredis.persistence.rdb_load import RdbError, RdbLoader

        config, log = self._config, self._log
        path = self._path()
        started = time.monotonic()
        try:
            self.loader = loader = RdbLoader(
                self._engine,
                path,
                checksum=config["rdbchecksum"],
                replaces=replaces,
                any_version=config["rdb-version-check"] == "relaxed",
                delay_us=config["key-load-delay"],
            )
        except FileNotFoundError:
            return
        except (OSError, RdbError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            log.warning(f"Fatal error loading the DB: {reason}. Exiting.")
            raise LoadFailed(str(reason)) from None
        self.load_started = time.time()
        self._engine.set_loading(True)
        is_told = False
        try:
            while loader.step(config["loading-process-events-interval-bytes"]):
                if not is_told:
                    self._log_origin(loader)
                    is_told = True
                yield
            if not is_told:
                self._log_origin(loader)
        except RdbError as error:
            self._log_failure(loader, error)
            raise LoadFailed(str(error)) from None
        finally:
            self.loader = None
            self._engine.set_loading(False)
        self.loaded_aux = dict(loader.aux)
        self._log_loaded(loader)
        log.notice(f"DB loaded from disk: {time.monotonic() - started:.3f} seconds")

    def _log_origin(self, loader: RdbLoader) -> None:
        """Write where a file comes from."""
        aux = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in loader.aux.items()
        }
        version = aux.get("redis-ver") or aux.get("valkey-ver")
        if version is not None:
            self._log.notice(f"Loading RDB produced by version {version}")
        if aux.get("ctime", "").isdigit():
            age = max(0, int(time.time()) - int(aux["ctime"]))
            self._log.notice(f"RDB age {age} seconds")
        if aux.get("used-mem", "").isdigit():
            used = int(aux["used-mem"]) / _MB
            self._log.notice(f"RDB memory usage when created {used:.2f} Mb")

    def _log_failure(self, loader: RdbLoader, error: Any) -> None:
        """Write why a file could not be loaded."""
        log = self._log
        if error.kind == "short":
            log.warning(
                "Short read or OOM loading DB. Unrecoverable error, aborting now."
            )
        log.warning(
            f"Internal error in RDB reading offset {error.offset} of "
            f"{loader.nbytes} -> {_REASONS[error.kind].format(error)}"
        )
        kind, key = loader.current
        if key is not None:
            shown = key.decode("utf-8", "backslashreplace")
            log.warning(f"It was found in the key '{shown}', type {kind}: {error}")
        log.warning("Terminating server after rdb file reading failure.")

    def _log_loaded(self, loader: RdbLoader) -> None:
        loaded, _, expired, empty = loader.counts
        self.last_loaded = (loaded, expired)
        for name in loader.empties:
            shown = name.decode("utf-8", "backslashreplace")
            self._log.notice(f"The file has no value: skipping empty key: {shown}")
        self.keep_functions(loader)
        if loader.version >= 5 and not loader.has_checksum:
            self._log.notice(
                "RDB file was saved with checksum disabled: no check performed."
            )
        more = f", empty keys skipped: {empty}" if empty else ""
        self._log.notice(
            f"Done loading RDB, keys loaded: {loaded}, keys expired: {expired}{more}."
        )

    def keep_functions(self, loader: RdbLoader) -> None:
        """Keep the functions of a file for the next one, and tell what is not kept."""
        self.functions = b"".join(loader.functions)
        if loader.functions:
            self._log.warning(
                f"The file has {len(loader.functions)} libraries of functions. This "
                "server cannot call them yet; it keeps them and writes them into every "
                "RDB file."
            )
        for name in loader.modules:
            self._log.warning(
                f"The file has data of the module '{name}' beside its keys: skipped, "
                "since this server has no modules. The next file will not have it."
            )

    def reload(self, *, save: bool, flush: bool, merge: bool) -> None:
        """Save, empty the databases and load them again.

        Raises: ReplyError if it cannot be saved, LoadFailed.
        """
        if self.loader is not None:
            raise ReplyError("LOADING Redis is loading the dataset in memory")
        self.kill_child()
        if save and not self.save():
            raise ReplyError("ERR")
        if flush:
            self._engine.flush_all()
        for _ in self.load(replaces=merge):
            pass
        self._log.warning("DB reloaded by DEBUG RELOAD")


_REASONS: Final = {
    "short": "Unexpected EOF reading RDB file ({0})",
    "bad": "{0}",
    "checksum": "RDB CRC error: {0}",
    "refused": "The RDB file holds {0}",
}
