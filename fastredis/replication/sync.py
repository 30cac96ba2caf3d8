# SPDX-License-Identifier: BSD-3-Clause
r"""The data set of a master, received and loaded: a full resynchronization.

    $<length>            length bytes of an RDB file, then the stream
    $EOF:<40 bytes>      an RDB file, and at its end the same 40 bytes again

    wire --> file                            repl-diskless-load disabled
         --> memory, a file without a name   otherwise
                 |
                 '--> complete --> databases emptied --> loaded, in steps

Nothing is thrown away before all has come: a link that breaks on the way leaves the
old data in place. While it is loaded, clients are replied LOADING.

Cost: the size of the file, on the disk or in memory; loading is that of rdb_load.
Threads: the one that runs the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import Any, BinaryIO, Final

from fastredis.persistence.rdb_load import RdbError, RdbLoader
from fastredis.replication.wire import Wire, WireError

_MARK_NBYTES: Final = 40
_MARK: Final = b"$EOF:"
# Seconds between two signs of life to a master, whose data is loaded.
_SIGN_PERIOD: Final = 1.0
_SYNC_EVERY: Final = 8 * 1024 * 1024


class Transfer:
    """One full resynchronization."""

    def __init__(self, server: Any, wire: Wire) -> None:
        self._server = server
        self._config = server.config
        self._log = server.log
        self._wire = wire
        self._path = ""  # of the file; empty: it is in memory
        self._file: BinaryIO | None = None
        self.total = 0  # bytes; 0: not known
        self.done = 0
        self.db = 0  # that the stream goes on in
        self.heard_at = time.monotonic()

    # --- Receive -----------------------------------------------------------------

    async def receive(self) -> None:
        """Receive the file.

        Raises: WireError, OSError, TimeoutError.
        """
        head = await self._head()
        in_memory = self._is_for_memory()
        where = "to parser" if in_memory else "to disk"
        if head.startswith(_MARK):
            mark = head[len(_MARK) :]
            if len(mark) != _MARK_NBYTES:
                raise WireError("Bad protocol from MASTER, the mark has a wrong length")
            self._log.notice(
                "MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF "
                f"{where}"
            )
        else:
            mark = b""
            self.total = int(head[1:])
            self._log.notice(
                f"MASTER <-> REPLICA sync: receiving {self.total} bytes from master "
                f"{where}"
            )
        self._open(in_memory=in_memory)
        try:
            if mark:
                await self._receive_to_mark(mark)
            else:
                await self._receive_all()
        except BaseException:
            self.discard()
            raise

    def _is_for_memory(self) -> bool:
        """Return whether memory, rather than a file, is to take the data.

        Raises: WireError for what is not built, which a file of directives may ask for.
        """
        mode = self._config["repl-diskless-load"]
        if mode == "on-empty-db":
            return not self._server.engine.keyspace()
        if mode == "swapdb":
            raise WireError("repl-diskless-load swapdb is not supported yet")
        return bool(mode != "disabled")

    async def _head(self) -> bytes:
        while True:
            async with asyncio.timeout(self._config["repl-timeout"]):
                line = await self._wire.line()
            self.heard_at = time.monotonic()
            if not line:
                continue  # the file is being made
            if line.startswith(b"-"):
                text = line[1:].decode("utf-8", "replace")
                raise WireError(f"MASTER aborted replication with an error: {text}")
            if line.startswith(_MARK) or (line[:1] == b"$" and line[1:].isdigit()):
                return line
            text = line.decode("utf-8", "backslashreplace")
            raise WireError(
                f"Bad protocol from MASTER, the first byte is not '$' (we received "
                f"'{text}'), are you sure the host and port are right?"
            )

    def _open(self, *, in_memory: bool) -> None:
        if in_memory and hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("fastredis-sync"), "w+b", 0)
            return
        self._path = f"temp-{int(time.time())}.{os.getpid()}.rdb"
        self._file = open(self._path, "w+b", 0)  # noqa: SIM115

    async def _read(self) -> bytes:
        async with asyncio.timeout(self._config["repl-timeout"]):
            data = await self._wire.read()
        self.heard_at = time.monotonic()
        return data

    def _write(self, data: bytes | memoryview) -> None:
        assert self._file is not None
        view = memoryview(data)
        before = self.done
        while view:
            n = self._file.write(view)
            view = view[n:]
            self.done += n
        if self._path and before // _SYNC_EVERY != self.done // _SYNC_EVERY:
            os.fdatasync(self._file.fileno())  # not all at the end

    async def _receive_all(self) -> None:
        while self.done < self.total:
            data = await self._read()
            left = self.total - self.done
            if len(data) > left:
                self._wire.unread(data[left:])
                data = data[:left]
            self._write(data)

    async def _receive_to_mark(self, mark: bytes) -> None:
        """Read until what has come ends with the mark; the master waits then."""
        assert self._file is not None
        tail = b""
        while True:
            data = await self._read()
            self._write(data)
            tail = (tail + data)[-_MARK_NBYTES:]
            if tail == mark:
                break
        self._file.truncate(self.done - _MARK_NBYTES)

    def discard(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._path = ""

    # --- Load --------------------------------------------------------------------

    async def load(self) -> None:
        """Empty the databases and load the file; it is kept if the server saves.

        Raises: WireError if it cannot be loaded, OSError.
        """
        assert self._file is not None
        server = self._server
        try:
            path = self._path or f"/proc/self/fd/{self._file.fileno()}"
            if self._path:
                os.fsync(self._file.fileno())
                server.snapshots.kill_child()  # what it writes is of the past
                if server.keeps_data:
                    path = self._config["dbfilename"]
                    os.rename(self._path, path)
                    self._path = ""
            self._log.notice("MASTER <-> REPLICA sync: Flushing old data")
            is_lazy = self._config["replica-lazy-flush"]
            server.engine.flush_all(is_async=is_lazy)
            self._log.notice("MASTER <-> REPLICA sync: Loading DB in memory")
            await self._load(path)
        finally:
            self.discard()

    async def _load(self, path: str) -> None:
        server, config = self._server, self._config
        try:
            loader = RdbLoader(
                server.engine,
                path,
                checksum=config["rdbchecksum"],
                any_version=config["rdb-version-check"] == "relaxed",
                keeps_expired=True,
                delay_us=config["key-load-delay"],
            )
            server.snapshots.loader = loader
            server.snapshots.load_started = time.time()
            server.engine.set_loading(True)
            signed = time.monotonic()
            try:
                while loader.step(config["loading-process-events-interval-bytes"]):
                    if time.monotonic() - signed >= _SIGN_PERIOD:
                        signed = time.monotonic()
                        await self._wire.write(b"\n")
                    await asyncio.sleep(0)
            finally:
                server.snapshots.loader = None
                server.engine.set_loading(False)
        except RdbError as error:
            server.engine.flush_all()
            raise WireError(
                "Failed trying to load the MASTER synchronization DB from disk, check "
                f"server logs: {error}"
            ) from None
        server.snapshots.keep_functions(loader)
        loaded, _, expired, _ = loader.counts
        self._log.notice(
            f"Done loading RDB, keys loaded: {loaded}, keys expired: {expired}."
        )
        server.snapshots.forget_changes()
        db = loader.aux.get(b"repl-stream-db", b"0")
        self.db = int(db) if db.isdigit() else 0

    def info(self) -> list[tuple[str, Any]]:
        """Return the fields of INFO about what is under way."""
        done, total = self.done, self.total
        idle = int(time.monotonic() - self.heard_at)
        return [
            ("master_sync_total_bytes", total),
            ("master_sync_read_bytes", done),
            ("master_sync_left_bytes", total - done),
            ("master_sync_perc", f"{100 * done / total if total else 0:.2f}"),
            ("master_sync_last_io_seconds_ago", idle),
        ]
