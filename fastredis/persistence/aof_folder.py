# SPDX-License-Identifier: BSD-3-Clause
r"""The folder of an append-only file: the manifest on disk, and what may be removed.

    write temp-manifest, fsync -> rename it -> fsync the folder -> remove history
                 |                    |              |
    fails: the old set stays ---------'              '--- fails: either set may be there
                                                          after a loss of power, so
                                                          both stay

The manifest in memory is always the one that a process started now would find. Whether
it would still be found after a loss of power is another question (is_synced).

Texts of the log are those that tools and tests look for.

Threads: the one that runs the event loop.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fastredis.persistence.aof_manifest import SUFFIX, Manifest, ManifestError, Part
from fastredis.persistence.snapshots import LoadFailed

# What a file system answers that cannot sync folders.
_UNSYNCABLE: Final = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)


class AofFolder:
    """The files of one append-only file, but for what is in them."""

    def __init__(self, config: Any, log: Any) -> None:
        self._config = config
        self._log = log
        self.manifest = Manifest(self.name)
        self.is_synced = True  # what the manifest says would survive a loss of power

    @property
    def path(self) -> Path:
        """Where they are, below the working directory."""
        return Path(self._config["appenddirname"])

    @property
    def name(self) -> str:
        """What the files' names begin with."""
        return str(self._config["appendfilename"])

    def path_of(self, part: Part) -> Path:
        """Return where a file is."""
        return self.path / part.name

    def temp_increment(self) -> Path:
        """Return what an increment is called while there is no base for it."""
        return self.path / f"temp-{self.name}.incr.aof"

    def size_of(self, parts: Iterable[Part]) -> int:
        """Return the bytes in files, as far as they are there."""
        total = 0
        for part in parts:
            with contextlib.suppress(OSError):
                total += self.path_of(part).stat().st_size
        return total

    # --- Write -------------------------------------------------------------------

    def make(self) -> None:
        """Make the folder if it is not there, and have it survive a loss of power.

        Raises: OSError.
        """
        if not self.path.is_dir():
            self.path.mkdir(exist_ok=True)
            sync_folder(Path())

    def write(self, manifest: Manifest) -> None:
        """Replace the manifest.

        Raises: OSError, with another manifest in memory if that is on disk nonetheless.
        """
        temp = self.path / f"temp-{self.name}{SUFFIX}"
        try:
            with open(temp, "wb") as file:
                file.write(manifest.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            temp.replace(self.path / (self.name + SUFFIX))
        except OSError:
            with contextlib.suppress(OSError):
                temp.unlink()
            raise
        self.manifest = manifest
        self.is_synced = False
        self.sync()

    def sync(self) -> None:
        """Have the names of the files survive a loss of power.

        Raises: OSError.
        """
        sync_folder(self.path)
        self.is_synced = True

    def remove_history(self) -> None:
        """Remove the files that the manifest calls history, then forget them."""
        try:
            if not self.is_synced:
                self.sync()
            if not self.manifest.history or self._config["aof-disable-auto-gc"]:
                return
            manifest = self.manifest.copy()
            kept = {part.name for part in manifest.parts()}
            for part in manifest.history:
                self._log.notice(
                    f"Removing the history file {part.name} in the background"
                )
                if part.name not in kept:  # numbers may begin anew
                    remove(self.path_of(part))
            manifest.history.clear()
            self.write(manifest)
        except OSError as error:
            self._log.warning(f"Can't write the AOF manifest: {error}")

    # --- Find --------------------------------------------------------------------

    def find(self) -> None:
        """Read the manifest; there may be the layout before Redis 7 instead.

        Raises: LoadFailed; the log says why.
        """
        path = self.path / (self.name + SUFFIX)
        old = Path(self.name)
        try:
            self.manifest = manifest = Manifest.parse(self.name, path.read_bytes())
        except FileNotFoundError:
            self.manifest = manifest = Manifest(self.name)
            if not old.exists():
                return
            manifest.base = Part(self.name, 1)
            manifest.base_seq = 1
        except OSError as error:
            self._log.warning(
                f"Fatal error: can't open the AOF manifest {path.name}: {error}"
            )
            raise LoadFailed(str(error)) from None
        except ManifestError as error:
            self._explain(error)
            raise LoadFailed(str(error)) from None
        base = manifest.base
        if base is not None and base.name == self.name and not manifest.increments:
            self._move_in(manifest, old)

    def _explain(self, error: ManifestError) -> None:
        self._log.warning("*** FATAL AOF MANIFEST FILE ERROR ***")
        if error.line:
            shown = error.text[:200].decode("utf-8", "backslashreplace")
            self._log.warning(f"Reading the manifest file, at line {error.line}")
            self._log.warning(f">>> '{shown}'")
        self._log.warning(str(error))

    def _move_in(self, manifest: Manifest, old: Path) -> None:
        """Move a single old file into the folder; perhaps that was begun before."""
        if not old.exists() or (self.path / old).exists():
            return
        try:
            self.make()
            self.write(manifest)
            old.rename(self.path / old)
            self.sync()
        except OSError as error:
            self._log.warning(
                f"Error trying to move the old AOF file {old} into dir {self.path}: "
                f"{error.strerror}"
            )
            raise LoadFailed(str(error)) from None
        self._log.notice(
            f"Successfully migrated an old-style AOF configuration ({old}) into the "
            f"AOF directory ({self.path})."
        )


def remove(path: Path) -> None:
    """Remove a file if that is possible."""
    with contextlib.suppress(OSError):
        path.unlink()


def sync_folder(path: Path) -> None:
    """Have the names in a folder survive a loss of power, where that can be.

    Raises: OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _UNSYNCABLE:
            raise
    finally:
        os.close(fd)
