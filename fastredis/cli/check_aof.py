# SPDX-License-Identifier: BSD-3-Clause
"""``fastredis-check-aof``: is an append-only file complete, and if not, up to where?

Works on a manifest and all files it names, or on a single file in the layout before
Redis 7. Output and exit codes are those of redis-check-aof: 0 if all is valid.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NoReturn

import fastredis
from fastredis.persistence.aof_manifest import Manifest, ManifestError

_PREAMBLE: Final = b"REDIS"
_MANIFEST_MARK: Final = b"file"
_MAX_BULK: Final = 512 * 1024 * 1024
_PROGRESS: Final = 64 * 1024 * 1024  # bytes between two lines about the progress


class _Stop(Exception):
    """A file ends, or is wrong, here. Its text says how; empty: it ends properly."""


@dataclass
class Found:
    """What a file holds: bytes, of which so many are good; the line after those."""

    size: int
    good: int
    good_line: int
    reason: str = ""


class Scanner:
    """Reads the requests of a file, from an offset on."""

    def __init__(self, file: IO[bytes], offset: int, size: int, until: int) -> None:
        self._file = file
        self._pos = offset
        self._size = size
        self._line = 1
        self._until = until  # a timestamp, 0: none
        self.cut: int | None = None  # where the first later timestamp stands
        file.seek(offset)

    def scan(self) -> Found:
        """Read to the end, or to what is wrong."""
        found = Found(self._size, self._pos, self._line)
        multi = False
        shown = self._pos
        try:
            while True:
                first = self._read_line(found)
                if first.startswith(b"#"):
                    if self._is_after(first, found.good):
                        break
                    if not multi:
                        found.good, found.good_line = self._pos, self._line
                    continue
                words = self._arguments(first)
                name = words.lower()
                if name == b"multi":
                    if multi:
                        raise _Stop(self._at("Unexpected MULTI"))
                    multi = True
                elif name == b"exec":
                    if not multi:
                        raise _Stop(self._at("Unexpected EXEC"))
                    multi = False
                if not multi:
                    found.good, found.good_line = self._pos, self._line
                if self._pos - shown >= _PROGRESS:
                    shown = self._pos
                    percent = 100 * self._pos // max(self._size, 1)
                    print(f"... {percent}% of {self._size} bytes", file=sys.stderr)
        except _Stop as stop:
            found.reason = str(stop)
        if multi and not found.reason:
            found.reason = "Reached EOF before reading EXEC for MULTI"
        return found

    def _at(self, text: str) -> str:
        return f"0x{self._pos:16x}: {text}"

    def _is_after(self, line: bytes, offset: int) -> bool:
        """Note a timestamp that is later than the one that is asked for."""
        if not self._until or not line.startswith(b"#TS:"):
            return False
        try:
            stamp = int(line[4:])
        except ValueError:
            raise _Stop(self._at("Invalid timestamp annotation")) from None
        if stamp <= self._until:
            return False
        self.cut = offset
        return True

    def _read_line(self, found: Found) -> bytes:
        line = self._file.readline(64 * 1024)
        if not line:
            raise _Stop("")
        if not line.endswith(b"\n"):
            raise _Stop(self._at("Expected \\r\\n, got the end of the file"))
        self._pos += len(line)
        self._line += 1
        return line.rstrip(b"\r\n")

    def _number(self, line: bytes, prefix: bytes) -> int:
        if line[:1] != prefix:
            got = line[:1].decode("latin-1") or "nothing"
            raise _Stop(self._at(f"Expected prefix '{prefix.decode()}', got: '{got}'"))
        try:
            number = int(line[1:])
        except ValueError:
            number = -1
        if number < 0 or number > _MAX_BULK:
            raise _Stop(self._at("Expected a length"))
        return number

    def _arguments(self, first: bytes) -> bytes:
        """Read a request; return its name."""
        n = self._number(first, b"*")
        if n == 0:
            raise _Stop(self._at("Expected an argument"))
        name = b""
        for i in range(n):
            line = self._file.readline(64)
            if not line.endswith(b"\r\n"):
                raise _Stop(self._at("Expected a line that ends with \\r\\n"))
            self._pos += len(line)
            self._line += 1
            nbytes = self._number(line[:-2], b"$")
            data = self._file.read(nbytes + 2)
            if len(data) != nbytes + 2:
                raise _Stop(
                    self._at(f"Expected to read {nbytes + 2} bytes, got {len(data)}")
                )
            if data[-2:] != b"\r\n":
                raise _Stop(self._at("Expected \\r\\n after an argument"))
            self._pos += len(data)
            self._line += 1 + data[:-2].count(b"\n")
            if i == 0:
                name = data[:-2]
        return name


class Checker:
    """One run of the program."""

    def __init__(self, *, is_fixing: bool, until: int) -> None:
        self._is_fixing = is_fixing
        self._until = until

    def check_single(self, path: Path) -> int:
        """Check a file that stands for itself."""
        print("Start checking Old-Style AOF")
        self._check_file(path, "AOF", is_last=True)
        return 0

    def check_manifest(self, path: Path) -> int:
        """Check the files of a manifest."""
        print("Start checking Multi Part AOF")
        name = path.name.removesuffix(".manifest")
        try:
            manifest = Manifest.parse(name, path.read_bytes())
        except ManifestError as error:
            shown = error.text[:200].decode("utf-8", "backslashreplace")
            if error.line:
                print(f"Reading the manifest file, at line {error.line}")
                print(f">>> '{shown}'")
            _fail(str(error))
        folder = path.parent
        base = manifest.base
        if base is not None:
            file = folder / base.name
            kind = "RDB" if _is_rdb(file) else "RESP"
            print(f"Start to check BASE AOF ({kind} format).")
            self._check_file(file, "BASE AOF", is_last=not manifest.increments)
        if manifest.increments:
            print("Start to check INCR files.")
        for part in manifest.increments:
            is_last = part is manifest.increments[-1]
            self._check_file(folder / part.name, "INCR AOF", is_last=is_last)
        print("All AOF files and manifest are valid")
        return 0

    def _check_file(self, path: Path, kind: str, *, is_last: bool) -> None:
        """Check one file; ends the program unless it is good, or is now."""
        name = path.name
        try:
            size = path.stat().st_size
        except OSError as error:
            _fail(f"Cannot open file {name}: {error.strerror}, aborting...")
        if size == 0:
            print(f"{kind} {name} is empty")
            return
        with path.open("rb") as file:
            offset = self._check_preamble(path, size) if _is_rdb(path) else 0
            scanner = Scanner(file, offset, size, self._until)
            found = scanner.scan()
        if self._until:
            self._cut(path, found, scanner.cut, is_last=is_last)
            return
        bad = size - found.good
        if found.reason:
            print(found.reason)
        print(
            f"AOF analyzed: filename={name}, size={size}, ok_up_to={found.good}, "
            f"ok_up_to_line={found.good_line}, diff={bad}"
        )
        if not bad:
            print(f"{kind} {name} is valid")
            return
        if not self._is_fixing:
            _fail(f"{kind} {name} is not valid. Use the --fix option to try fixing it.")
        if not is_last:
            _fail(f"Failed to truncate AOF {name} because it is not the last file")
        print(
            f"This will shrink the AOF {name} from {size} bytes, with {bad} bytes, to "
            f"{found.good} bytes"
        )
        print("Continue? [y/N]: ", end="", flush=True)
        if sys.stdin.readline()[:1].lower() != "y":
            _fail("Aborting...")
        try:
            os.truncate(path, found.good)
        except OSError as error:
            _fail(f"Failed to truncate AOF {name}: {error.strerror}")
        print(f"Successfully truncated AOF {name}")

    def _check_preamble(self, path: Path, size: int) -> int:
        """Check the RDB preamble of a file; return where it ends."""
        from fastredis.cli import check_rdb

        offset = check_rdb.check_preamble(str(path))
        if offset is None:
            _fail("RDB preamble of AOF file is not sane, aborting.")
        if offset < size:
            print("RDB preamble is OK, proceeding with AOF tail...")
        else:
            print("RDB preamble is OK.")
        return offset

    def _cut(self, path: Path, found: Found, cut: int | None, *, is_last: bool) -> None:
        """Truncate a file to what was written up to a time."""
        what = f"AOF {path.name} to timestamp {self._until}"
        if cut is None:
            print(f"Truncate nothing in {what}")
            return
        if not is_last:
            _fail(f"Failed to truncate {what} because it is not the last file")
        if cut == 0:
            _fail(f"AOF {path.name} has nothing before timestamp {self._until}")
        try:
            os.truncate(path, cut)
        except OSError as error:
            _fail(f"Failed to truncate {what}: {error.strerror}")
        print(f"Successfully truncated {what}")


def _is_rdb(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_PREAMBLE)) == _PREAMBLE
    except OSError as error:
        _fail(f"Cannot open file {path.name}: {error.strerror}, aborting...")


def _is_manifest(path: Path) -> bool:
    """Return whether a file is a manifest: its first lines begin with ``file``."""
    with path.open("rb") as file:
        for _ in range(64):
            line = file.readline(1024)
            if not line:
                return False
            if not line.startswith(b"#"):
                return line.split(b" ")[0] == _MANIFEST_MARK
    return False


def _fail(text: str) -> NoReturn:
    print(text, flush=True)
    raise SystemExit(1)


def main(argv: list[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="fastredis-check-aof",
        description="Check an append-only file, and cut off what is incomplete.",
        epilog="FILE: a manifest (appendonly.aof.manifest), or a single file in the "
        "layout before Redis 7.",
    )
    parser.add_argument("--version", action="version", version=fastredis.__version__)
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--fix",
        action="store_true",
        help="cut the last file off where it is no longer valid, after a question",
    )
    group.add_argument(
        "--truncate-to-timestamp",
        type=int,
        metavar="SECONDS",
        default=0,
        help="cut the last file off at the first change after this Unix time "
        "(needs a file written with aof-timestamp-enabled)",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    path = options.file
    try:
        is_manifest = _is_manifest(path)
    except OSError as error:
        _fail(f"Cannot open file {path}: {error.strerror}, aborting...")
    checker = Checker(is_fixing=options.fix, until=options.truncate_to_timestamp)
    if is_manifest:
        return checker.check_manifest(path)
    return checker.check_single(path)


if __name__ == "__main__":
    sys.exit(main())
