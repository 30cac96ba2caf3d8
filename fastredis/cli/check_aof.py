# SPDX-License-Identifier: BSD-3-Clause
r"""The program fastredis-check-aof: is an append-only file complete, or up to where?

    appendonly.aof.manifest        all files it names, each read to its end
    a single file                  the layout before Redis 7

    file:  [RDB preamble]  *3 $3 SET $1 k $1 v  #TS:1700000000  *1 $5 MULTI ...
           fastredis-check-rdb     requests and annotations

A file is good up to the end of the last request that is whole, and not within MULTI
and EXEC. With ``--fix`` the last file is cut off there; with
``--truncate-to-timestamp`` it is cut off where the first later annotation stands.

What is printed, and the exit codes, are those of redis-check-aof 7.0, on which scripts
rely. Two things differ: lines are counted for each file, not through all of them, and
errors of the manifest are not in the form of a log.
"""

from __future__ import annotations

import mmap
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NoReturn

from fastredis.cli.progress import Progress
from fastredis.persistence.aof_manifest import Manifest, ManifestError

USAGE: Final = """\
Usage: fastredis-check-aof <file.manifest | file.aof>
       fastredis-check-aof --fix <file.manifest | file.aof>
       fastredis-check-aof --truncate-to-timestamp <seconds> <file.manifest | file.aof>
       fastredis-check-aof -v | --version
       fastredis-check-aof -h | --help

Reads the files of an append-only file, which a server keeps in appenddirname, and tells
whether they are whole. Name the manifest (appendonly.aof.manifest); a file of a server
before Redis 7 is named itself.

  --fix                     cut the last file off behind its last whole request, after
                            a question
  --truncate-to-timestamp   cut the last file off where the first change after this
                            Unix time stands; needs aof-timestamp-enabled yes

Stop the server first, and keep a copy of the files. The exit code is 0 if all is good,
or is now, else 1.
"""

_PREAMBLES: Final = (b"REDIS", b"VALKEY")
_PREAMBLE_MIN: Final = 8  # with the version; a shorter file is read as requests
_LINE_MAX: Final = 127  # bytes of a line with a number
_ANNOTATION_MAX: Final = 1023  # of one with an annotation, beyond: an error
_MANIFEST_LINE_MAX: Final = 1024
_NUMBER: Final = re.compile(rb"\s*[+-]?\d+")
_NREQUESTS: Final = 10_000  # between two looks at the clock
_HASH, _STAR = b"#*"


class _Bad(Exception):
    """A file is wrong here. Its text says how; empty: it ends."""


@dataclass
class Report:
    """What a file holds.

    good: so many bytes are; line: where reading ended; error: why it did, or empty;
    cut: where the first annotation stands that is later than what was asked for.
    """

    size: int
    good: int = 0
    line: int = 1
    error: str = ""
    cut: int | None = None


class Scanner:
    """Reads the requests of a file, from an offset on."""

    def __init__(self, data: mmap.mmap, offset: int, name: str, until: int) -> None:
        self._data = data
        self._pos = offset
        self._at = offset  # what is being read begins there
        self._name = name
        self._until = until  # a timestamp; 0: none
        self._multi = 0  # MULTI that are open
        self._report = Report(len(data), good=offset)

    def scan(self) -> Report:
        """Read to the end, or to what is wrong."""
        report = self._report
        progress = Progress(report.size)
        n = 0
        try:
            while self._pos < report.size:
                kind = self._data[self._pos]
                if kind == _STAR:
                    self._read_request()
                elif kind == _HASH:
                    self._read_annotation()
                    if report.cut is not None:
                        break
                else:
                    raise _Bad(f"AOF {self._name} format error")
                if not self._multi:
                    report.good = self._pos
                n += 1
                if n % _NREQUESTS == 0:
                    progress.show(self._pos)
            else:
                raise _Bad
        except _Bad as bad:
            report.error = str(bad)
            if not report.error and self._multi:
                report.error = self._where("Reached EOF before reading EXEC for MULTI")
        progress.end()
        return report

    def _where(self, text: str) -> str:
        return f"0x{self._at:16x}: {text}"

    def _read_annotation(self) -> None:
        """Read a line; note if it is later than what is asked for."""
        self._at = self._pos
        limit = self._pos + _ANNOTATION_MAX
        end = self._data.find(b"\n", self._pos, limit) + 1
        self._pos = end or min(limit, self._report.size)
        line = self._data[self._at : self._pos]
        if not self._until or not line.startswith(b"#TS:"):
            return
        match = re.fullmatch(rb"(\s*[+-]?\d+)\r.*", line[4:], re.DOTALL)
        if match is None:
            _fail("Invalid timestamp annotation")
        if int(match[1]) > self._until:
            self._report.cut = self._at

    def _read_number(self, prefix: bytes) -> int:
        data = self._data
        self._at = begin = self._pos
        end = data.find(b"\n", begin, begin + _LINE_MAX) + 1
        line = data[begin : end or begin + _LINE_MAX]
        if not line:
            raise _Bad
        if line[:1] != prefix:
            got = line[:1].decode("latin-1")
            raise _Bad(
                self._where(f"Expected prefix '{prefix.decode()}', got: '{got}'")
            )
        digits = line[1:-2]
        if digits.isdigit() and line[-2:] == b"\r\n":
            number = int(digits)
        else:
            match = _NUMBER.match(line, 1)
            number = int(match[0]) if match else 0
            self._check_newline(line[match.end() if match else 1 :][:2])
        self._pos += len(line)
        self._report.line += 1
        return number

    def _check_newline(self, found: bytes) -> None:
        if found != b"\r\n":
            shown = found.ljust(2, b"\0").hex()
            raise _Bad(self._where(f"Expected \\r\\n, got: {shown}"))

    def _read_request(self) -> None:
        for i in range(self._read_number(b"*")):
            nbytes = self._read_number(b"$")
            if nbytes < 0:
                raise _Bad(
                    self._where(
                        f"Expected to read string of {nbytes} bytes, which is not in "
                        "the suitable range"
                    )
                )
            self._at = begin = self._pos
            end = begin + nbytes
            left = self._report.size - begin
            if left < nbytes + 2:
                raise _Bad(
                    self._where(
                        f"Expected to read {nbytes + 2} bytes, got {left} bytes"
                    )
                )
            self._check_newline(self._data[end : end + 2])
            self._pos = end + 2
            self._report.line += 1
            if i == 0:
                self._follow(self._data[begin:end].lower())

    def _follow(self, name: bytes) -> None:
        """Note the begin and end of transactions."""
        if name == b"multi":
            self._multi += 1
            if self._multi > 1:
                raise _Bad(self._where(f"Unexpected MULTI in AOF {self._name}"))
        elif name == b"exec":
            self._multi -= 1
            if self._multi:
                raise _Bad(self._where(f"Unexpected EXEC in AOF {self._name}"))


class Checker:
    """One run of the program, which _fail may end at any time.

    until: the timestamp to truncate to; 0: none.
    """

    def __init__(self, *, is_fixing: bool, until: int) -> None:
        self._is_fixing = is_fixing
        self._until = until

    def check_single(self, path: str) -> None:
        """Check a file that stands for itself."""
        print("Start checking Old-Style AOF")
        has_preamble = _has_preamble(path)
        self._check(path, path, "AOF", has_preamble=has_preamble, is_last=True)

    def check_manifest(self, path: str) -> None:
        """Check the files of a manifest."""
        print("Start checking Multi Part AOF")
        manifest = _read_manifest(path)
        folder = os.path.dirname(path) or "."
        if manifest.base is not None:
            name = manifest.base.name
            has_preamble = _has_preamble(f"{folder}/{name}")
            kind = "RDB" if has_preamble else "RESP"
            print(f"Start to check BASE AOF ({kind} format).")
            self._check(
                f"{folder}/{name}",
                name,
                "BASE AOF",
                has_preamble=has_preamble,
                is_last=not manifest.increments,
            )
        if manifest.increments:
            print("Start to check INCR files.")
        for part in manifest.increments:
            self._check(
                f"{folder}/{part.name}",
                part.name,
                "INCR AOF",
                has_preamble=False,
                is_last=part is manifest.increments[-1],
            )
        print("All AOF files and manifest are valid")

    def _check(
        self, path: str, name: str, kind: str, *, has_preamble: bool, is_last: bool
    ) -> None:
        """Check one file; return only if it is good, or is now."""
        try:
            file = open(path, "r+b")  # noqa: SIM115 - closed below
        except OSError as error:
            _fail(f"Cannot open file {path}: {error.strerror}, aborting...")
        with file:
            if os.fstat(file.fileno()).st_size == 0:
                print(f"{kind} {name} is empty")
                return
            offset = _check_preamble(path) if has_preamble else 0
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                report = Scanner(data, offset, path, self._until).scan()
            if report.cut is not None:
                self._cut(file, path, report.cut, is_last=is_last)
                print(f"Successfully truncated AOF {name} to timestamp {self._until}")
            elif self._judge(file, name, report, is_last=is_last):
                print(f"{kind} {name} is valid")
            else:
                print(f"Successfully truncated AOF {name}")

    def _judge(
        self, file: IO[bytes], name: str, report: Report, *, is_last: bool
    ) -> bool:
        """Tell of a file that was read; return whether all is good, or is now."""
        if report.error:
            print(report.error.replace(f"AOF {file.name} format", f"AOF {name} format"))
        nbad = report.size - report.good
        if self._until and not nbad:
            print(f"Truncate nothing in AOF {name} to timestamp {self._until}")
            return True
        print(
            f"AOF analyzed: filename={name}, size={report.size}, "
            f"ok_up_to={report.good}, ok_up_to_line={report.line}, diff={nbad}"
        )
        if not nbad:
            return True
        if not self._is_fixing:
            _fail(f"AOF {name} is not valid. Use the --fix option to try fixing it.")
        if not is_last:
            _fail(f"Failed to truncate AOF {name} because it is not the last file")
        print(
            f"This will shrink the AOF {name} from {report.size} bytes, with {nbad} "
            f"bytes, to {report.good} bytes"
        )
        print("Continue? [y/N]: ", end="", flush=True)
        if not sys.stdin.readline().lower().startswith("y"):
            _fail("Aborting...")
        try:
            file.truncate(report.good)
        except OSError:
            _fail(f"Failed to truncate AOF {name}")
        return False

    def _cut(self, file: IO[bytes], path: str, offset: int, *, is_last: bool) -> None:
        """Truncate a file to what was written up to a time."""
        if offset == 0:
            _fail(f"AOF {path} has nothing before timestamp {self._until}, aborting...")
        what = f"AOF {path} to timestamp {self._until}"
        if not is_last:
            print(
                f"Failed to truncate {what} to offset {offset} because it is not the "
                "last file."
            )
            _fail(
                "To do that nevertheless, remove the files after this one, and their "
                "lines in the manifest, then run fastredis-check-aof again."
            )
        try:
            file.truncate(offset)
        except OSError:
            _fail(f"Failed to truncate {what}")


# --- Files ------------------------------------------------------------------------


def _check_preamble(path: str) -> int:
    """Check the RDB preamble of a file; return where it ends."""
    from fastredis.cli import check_rdb

    offset = check_rdb.check_preamble(path)
    if offset is None:
        _fail("RDB preamble of AOF file is not sane, aborting.")
    print("RDB preamble is OK, proceeding with AOF tail...")
    return offset


def _has_preamble(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            begin = file.read(_PREAMBLE_MIN)
    except OSError as error:
        _fail(f"Cannot open file {path}: {error.strerror}")
    return len(begin) == _PREAMBLE_MIN and begin.startswith(_PREAMBLES)


def _is_manifest(path: str) -> bool:
    """Return whether a file is a manifest: its first lines say ``file``."""
    try:
        with open(path, "rb") as file:
            while line := file.readline(_MANIFEST_LINE_MAX):
                if not line.startswith(b"#"):
                    return line.startswith(b"file")
    except OSError as error:
        _fail(f"Cannot open file {path}: {error.strerror}")
    return False


def _read_manifest(path: str) -> Manifest:
    name = Path(path).name.removesuffix(".manifest")
    try:
        return Manifest.parse(name, Path(path).read_bytes())
    except OSError as error:
        _fail(f"Cannot open file {path}: {error.strerror}")
    except ManifestError as error:
        print("\n*** FATAL AOF MANIFEST FILE ERROR ***")
        if error.line:
            shown = error.text.decode("utf-8", "backslashreplace")
            print(f"Reading the manifest file, at line {error.line}")
            print(f">>> '{shown}'")
        _fail(str(error))


# --- Command line -----------------------------------------------------------------


def _fail(text: str) -> NoReturn:
    print(text, flush=True)
    raise SystemExit(1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code.

    argv: the arguments without the program's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["-v"], ["--version"]):
        from fastredis import __version__

        print(f"fastredis-check-aof {__version__}")
        return 0
    if arguments in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    is_fixing, until = False, 0
    if arguments[:1] == ["--fix"] and len(arguments) == 2:
        is_fixing = True
    elif arguments[:1] == ["--truncate-to-timestamp"] and len(arguments) == 3:
        try:
            until = int(arguments[1])
        except ValueError:
            _fail("Invalid timestamp, aborting...")
    elif len(arguments) != 1:
        print(USAGE, end="", file=sys.stderr)
        return 1
    path = arguments[-1]
    checker = Checker(is_fixing=is_fixing, until=until)
    if _is_manifest(path):
        checker.check_manifest(path)
    else:
        checker.check_single(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
