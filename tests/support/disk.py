# SPDX-License-Identifier: BSD-3-Clause
r"""A disk for one server that fails on demand, and that can lose what was not synced.

    server --open, write, fsync, rename--> disk.c (preloaded) --> the real disk
                                             |        ^
                              journal, store v        | rules
                                             Disk, here

Faults: ``disk.fail("write", ".incr.aof", errno.ENOSPC, 1000)`` lets files whose names
contain that grow to 1000 bytes and no further ("=name": those of that name). The
operations are open (to write), write, fsync (fdatasync, too), truncate, rename (by the
new name), unlink and mkdir; ``disk.kill`` has the process die there instead,
``disk.hold`` has it wait.

Loss: a process that is killed loses nothing that it wrote, since the kernel keeps it; a
machine without power does. So ``disk.lose`` makes of the folder what a disk may then
hold at least: of each file the bytes that were there when it was last synced, or some
of those after them, and of each folder the names that were in it when *it* was last
synced, or after some of the changes since. Every file ever made is held by a second
link in the store, so that one that was removed or replaced can come back.

There is none where there is no C compiler, no Linux, or a sanitizer in the server.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
FOLDER = -1  # the "inode" of a name that is a folder


@cache
def library() -> Path | None:
    """Build what is preloaded; None where that cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    has_sanitizer = "asan" in os.environ.get("LD_PRELOAD", "")
    if compiler is None or has_sanitizer or not sys.platform.startswith("linux"):
        return None
    built = Path(tempfile.mkdtemp(prefix="fr-disk-")) / "disk.so"
    flags = ["-O1", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-ldl"]
    made = subprocess.run([compiler, *flags], capture_output=True, check=False)
    return built if made.returncode == 0 else None


class Disk:
    """The folder of a server, ``data`` below a folder of the test."""

    def __init__(self, folder: Path) -> None:
        built = library()
        if built is None:
            pytest.skip("no library that makes a disk fail can be built or preloaded")
        self.data = folder.resolve() / "data"
        self._rules = folder / "rules"
        self._journal = folder / "journal"
        self._store = folder / "store"
        self._folder = folder
        self.data.mkdir()
        self._rules.touch()
        before = os.environ.get("LD_PRELOAD", "")
        self.env = {
            "LD_PRELOAD": f"{built} {before}".strip(),
            "DISK_FOLDER": str(self.data),
            "DISK_RULES": str(self._rules.resolve()),
            "DISK_JOURNAL": str(self._journal.resolve()),
            "DISK_STORE": str(self._store.resolve()),
        }
        self.begin()

    # --- Faults ------------------------------------------------------------------

    def fail(self, operation: str, name: str, error: int, limit: int = 0) -> None:
        """Have an operation on files whose names contain this fail from now on."""
        self._add(f"{operation} {name} {error} {limit}")

    def kill(self, operation: str, name: str, *, after: bool = False) -> None:
        """Have the process that does it die in its midst, or after it."""
        self._add(f"{operation} {name} {'kill-after' if after else 'kill'}")

    def hold(self, operation: str, name: str) -> None:
        """Have the process that does it wait before it; all other rules end."""
        self._set([f"{operation} {name} hold"])

    def release(self) -> None:
        """Have what waits go on."""
        rules = self._rules.read_text().splitlines()
        self._set([rule for rule in rules if not rule.endswith(" hold")])

    def heal(self) -> None:
        """Have nothing fail, and nothing wait, any more."""
        self._set([])

    def _add(self, rule: str) -> None:
        self._set([*self._rules.read_text().splitlines(), rule])

    def _set(self, rules: list[str]) -> None:
        temp = self._rules.with_suffix(".new")
        temp.write_text("".join(rule + "\n" for rule in rules))
        temp.replace(self._rules)

    # --- What has happened -------------------------------------------------------

    def lines(self) -> list[list[str]]:
        """Return the journal: operation and what it was done to."""
        # a line may be under way
        text = self._journal.read_text().rpartition("\n")[0]
        return [line.split(" ") for line in text.splitlines()]

    def count(self, operation: str) -> int:
        """Return how often something has happened: sync, folder, fault, ..."""
        return sum(line[0] == operation for line in self.lines())

    def begin(self) -> None:
        """Take what is there now for durable."""
        shutil.rmtree(self._store, ignore_errors=True)
        self._store.mkdir()
        self._journal.write_text("")
        self._names = {str(self.data): FOLDER}
        self._synced: dict[int, int] = {}
        for path in self.data.rglob("*"):
            info = path.lstat()
            if path.is_dir():
                self._names[str(path)] = FOLDER
            elif path.is_file():
                self._names[str(path)] = info.st_ino
                self._synced[info.st_ino] = info.st_size
                os.link(path, self._store / str(info.st_ino))

    # --- Loss --------------------------------------------------------------------

    def synced(self, path: Path) -> int:
        """Return how many bytes of a file are on the disk for sure."""
        sizes, _, _ = self._replay()
        return sizes.get(path.stat().st_ino, 0)

    def lose(self, rng: random.Random) -> None:
        """Make of the folder what a disk may hold after the power was lost.

        No process may write to it any more.
        """
        sizes, names, pending = self._replay()
        # the changes of folders may have got that far
        for path, inode in pending[: rng.choice([0, 0, rng.randint(0, len(pending))])]:
            _apply(names, path, inode)
        is_torn = rng.random() < 0.5
        lost = self._folder / "lost"
        shutil.rmtree(lost, ignore_errors=True)
        self.data.rename(lost)
        self.data.mkdir()
        for path in sorted(names):
            if not self._holds(names, path):
                continue
            if names[path] == FOLDER:
                Path(path).mkdir(exist_ok=True)
                continue
            content = (self._store / str(names[path])).read_bytes()
            size = min(sizes.get(names[path], 0), len(content))
            if is_torn:
                size = rng.randint(size, len(content))
            Path(path).write_bytes(content[:size])
        self.begin()

    def _holds(self, names: dict[str, int], path: str) -> bool:
        """Return whether the folders above are there, too."""
        parents = Path(path).relative_to(self.data).parents
        return all(str(self.data / parent) in names for parent in parents)

    def _replay(
        self,
    ) -> tuple[dict[int, int], dict[str, int], list[tuple[str, int | None]]]:
        """Return sizes and names that are durable, and the names' later changes."""
        sizes = dict(self._synced)
        names = dict(self._names)
        pending: list[tuple[str, int | None]] = []
        for what, *rest in self.lines():
            if what == "make":
                sizes[int(rest[0])] = 0
            elif what == "sync":
                sizes[int(rest[0])] = int(rest[1])
            elif what == "cut":
                sizes[int(rest[0])] = min(sizes.get(int(rest[0]), 0), int(rest[1]))
            elif what == "folder":
                for path, inode in pending:
                    if os.path.dirname(path) == rest[0]:
                        _apply(names, path, inode)
                pending = [
                    change
                    for change in pending
                    if os.path.dirname(change[0]) != rest[0]
                ]
            pending += _changes(what, rest)
        return sizes, names, pending


def _changes(what: str, rest: list[str]) -> Iterator[tuple[str, int | None]]:
    """Yield the names that an operation changes, and what they then stand for."""
    if what == "make":
        yield rest[1], int(rest[0])
    elif what == "rename":
        yield rest[2], int(rest[0])
        yield rest[1], None
    elif what == "unlink":
        yield rest[0], None
    elif what == "mkdir":
        yield rest[0], FOLDER


def _apply(names: dict[str, int], path: str, inode: int | None) -> None:
    if inode is None:
        names.pop(path, None)
    else:
        names[path] = inode
