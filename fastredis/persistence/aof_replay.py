# SPDX-License-Identifier: BSD-3-Clause
"""Loading of an append-only file: one file after the other.

A file begins with an RDB preamble (``REDIS``, ``VALKEY``), or with requests. Only the
last one may end within a request, as it does when the machine lost power: with
``aof-load-truncated yes`` it is cut off there, and the log says so. Empty increments
after it do not count.

Texts of the log are those that tools and tests look for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fastredis.persistence.aof_load import AofError, AofLoader
from fastredis.persistence.aof_manifest import SUFFIX, Manifest
from fastredis.persistence.rdb_load import RdbError, RdbLoader
from fastredis.persistence.snapshots import LoadFailed

_READ: Final = 1024 * 1024
_PREAMBLES: Final = (b"REDIS", b"VALKEY")


class Progress:
    """How far loading is, as INFO asks for it."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.offset = 0
        self.aux: dict[bytes, bytes] = {}


class Replay:
    """One loading of the files of a manifest, which are in a folder."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self._engine = server.engine
        self._config = server.config
        self._log = server.log
        self._folder = folder
        self._name = ""

    def run(self, manifest: Manifest) -> Iterator[None]:
        """Load, and yield in between for others to work.

        Raises: LoadFailed; the log says why.
        """
        parts = list(manifest.parts())
        self._name = manifest.name
        total = 0
        last = None  # increment that there is anything in
        for part in parts:
            try:
                size = (self._folder / part.name).stat().st_size
            except OSError as error:
                self._fail(
                    "Fatal error: can't open the append log file "
                    f"{part.name} for reading: {os.strerror(error.errno or 0)}"
                )
            total += size
            last = part if size and part is not manifest.base else last
        if total == 0:
            return
        started = time.monotonic()
        progress = Progress(total)
        snapshots = self._server.snapshots
        snapshots.loader = progress
        snapshots.load_started = time.time()
        self._engine.set_loading(True)
        try:
            for part in parts:
                begun = time.monotonic()
                yield from self._load_file(
                    part.name, progress, is_last=part in (last, parts[-1])
                )
                seconds = time.monotonic() - begun
                kind = "base" if part is manifest.base else "incr"
                self._log.notice(
                    f"DB loaded from {kind} file {part.name}: {seconds:.3f} seconds"
                )
        finally:
            snapshots.loader = None
            self._engine.set_loading(False)
        seconds = time.monotonic() - started
        self._log.notice(f"DB loaded from append only file: {seconds:.3f} seconds")

    def _fail(self, text: str) -> None:
        self._log.warning(text)
        raise LoadFailed(text)

    def _load_file(
        self, name: str, progress: Progress, *, is_last: bool
    ) -> Iterator[None]:
        path = self._folder / name
        with path.open("rb") as file:
            offset = 0
            if file.read(len(_PREAMBLES[-1])).startswith(_PREAMBLES):
                self._log.notice("Reading RDB base file on AOF loading...")
                try:
                    loader = RdbLoader(
                        self._engine,
                        os.fsencode(path),
                        checksum=self._config["rdbchecksum"],
                        keeps_expired=True,
                        delay_us=self._config["key-load-delay"],
                    )
                    before = progress.offset
                    while loader.step(
                        self._config["loading-process-events-interval-bytes"]
                    ):
                        progress.offset = before + loader.offset
                        yield
                except RdbError as error:
                    self._log.warning(
                        f"Reading the preamble, offset {error.offset}: {error}"
                    )
                    self._fail(
                        f"Error reading the RDB preamble of the AOF file {name}, AOF "
                        "loading aborted"
                    )
                self._server.snapshots.keep_functions(loader)
                offset = loader.offset
                progress.offset = before + offset
            file.seek(offset)
            yield from self._replay(path, file, offset, progress, is_last=is_last)

    def _replay(
        self,
        path: Path,
        file: Any,
        offset: int,
        progress: Progress,
        *,
        is_last: bool,
    ) -> Iterator[None]:
        """Execute the requests of a file from an offset on."""
        loader = AofLoader(
            self._engine, offset, delay_us=self._config["key-load-delay"]
        )
        every = self._config["loading-process-events-interval-bytes"]
        since = 0
        try:
            while piece := file.read(min(_READ, every or _READ)):
                loader.feed(piece)
                progress.offset += len(piece)
                since += len(piece)
                if every and since >= every:
                    since = 0
                    yield
            loader.end()
        except AofError as error:
            self._handle(path, error, is_last=is_last)

    def _handle(self, path: Path, error: AofError, *, is_last: bool) -> None:
        """Make the best of a file that cannot be executed to its end."""
        name = path.name
        manifest = self._name + SUFFIX
        if error.command:
            command = error.command.decode("utf-8", "backslashreplace")
            self._fail(
                f"Unknown command '{command}' reading the append only file {name}"
            )
        if not error.is_truncated:
            self._fail(
                f"Bad file format reading the append only file {name}: make a backup "
                "of your AOF file, then use fastredis-check-aof --fix "
                f"{manifest}"
            )
        if not is_last or not self._config["aof-load-truncated"]:
            self._fail(
                f"Unexpected end of file reading the append only file {name}. You can: "
                "1) Make a backup of your AOF file, then use fastredis-check-aof "
                f"--fix {manifest}. 2) Alternatively you can set the "
                "'aof-load-truncated' configuration option to yes and restart the "
                "server."
            )
        warn = self._log.warning
        warn(f"!!! Warning: short read while loading the AOF file {name}!!!")
        warn(f"Truncating the AOF {name} at offset {error.offset}")
        try:
            os.truncate(path, error.offset)
        except OSError as reason:
            text = os.strerror(reason.errno or 0)
            self._fail(f"Error truncating the AOF file {name}: {text}")
        warn(f"AOF {name} loaded anyway because aof-load-truncated is enabled")
