# SPDX-License-Identifier: BSD-3-Clause
"""The manifest of an append-only file: which files it consists of, in which order.

::

    appendonlydir/
        appendonly.aof.manifest       file appendonly.aof.1.base.rdb seq 1 type b
        appendonly.aof.1.base.rdb     file appendonly.aof.1.incr.aof seq 1 type i
        appendonly.aof.1.incr.aof

The base holds the data set as it was at one moment, the increments what changed since,
one after the other. A rewrite makes a new base; what it replaces becomes history, which
is deleted afterwards, so that no interruption leaves files that nobody knows of.

The format is that of Redis 7 and later; as in Redis 8 a line of an increment may tell
at which replication offset it begins and ends. Names with unusual characters are in
quotes, as in configuration files.
Source: Redis documentation, "Redis persistence", "Redis 7.0.0 onwards".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from fastredis.config.parse import decode, encode, quote, split_words

SUFFIX: Final = ".manifest"
BASE: Final = "b"
HISTORY: Final = "h"
INCREMENT: Final = "i"
LINE_MAX: Final = 1022  # bytes, as in Redis
# Characters that stand in a name without quotes.
_PLAIN: Final = frozenset(range(0x21, 0x7F)) - frozenset(b"\\\"'")


class ManifestError(ValueError):
    """A manifest that is not one. line: its number, 0: of none; text: what is there."""

    def __init__(self, message: str, line: int = 0, text: bytes = b"") -> None:
        super().__init__(message)
        self.line = line
        self.text = text


@dataclass(frozen=True, slots=True)
class Part:
    """One file: its name within the folder, and the number it was given.

    Of an increment, too, where in the stream of changes it begins, and ends if it was
    closed; None: unknown.
    """

    name: str
    seq: int
    start_offset: int | None = None
    end_offset: int | None = None


@dataclass(slots=True)
class Manifest:
    """The files of an append-only file called name (``appendfilename``)."""

    name: str
    base: Part | None = None
    increments: list[Part] = field(default_factory=list)
    history: list[Part] = field(default_factory=list)
    base_seq: int = 0  # of the latest base there was
    increment_seq: int = 0

    def copy(self) -> Manifest:
        """Return one that may be changed without this one."""
        return Manifest(
            self.name,
            self.base,
            list(self.increments),
            list(self.history),
            self.base_seq,
            self.increment_seq,
        )

    def parts(self) -> Iterator[Part]:
        """Yield the files to load, in order."""
        if self.base is not None:
            yield self.base
        yield from self.increments

    def new_base(self, *, is_rdb: bool) -> Part:
        """Take a new base into use; the one before becomes history."""
        if self.base is not None:
            self.history.insert(0, self.base)
        self.base_seq += 1
        kind = "rdb" if is_rdb else "aof"
        self.base = Part(f"{self.name}.{self.base_seq}.base.{kind}", self.base_seq)
        return self.base

    def new_increment(self, start_offset: int) -> Part:
        """Add an increment, the one to be written from now on."""
        self.increment_seq += 1
        name = f"{self.name}.{self.increment_seq}.incr.aof"
        part = Part(name, self.increment_seq, start_offset)
        self.increments.append(part)
        return part

    def end_increment(self, offset: int) -> bool:
        """Note where the last increment ends; False: not even its begin is known."""
        if not self.increments or self.increments[-1].start_offset is None:
            return False
        self.increments[-1] = replace(self.increments[-1], end_offset=offset)
        return True

    def reopen_increment(self) -> Part:
        """Return the last increment, to be written on."""
        self.increments[-1] = replace(self.increments[-1], end_offset=None)
        return self.increments[-1]

    def retire_increments(self, *, but: int) -> None:
        """Make history of all increments but the last ones."""
        retired = self.increments[: len(self.increments) - but]
        del self.increments[: len(retired)]
        for part in retired:
            self.history.insert(0, part)
        if not self.increments:
            self.increment_seq = 0

    def to_bytes(self) -> bytes:
        """Return the text of the file."""
        lines = []
        if self.base is not None:
            lines.append(_line(self.base, BASE))
        lines += [_line(part, HISTORY) for part in self.history]
        lines += [_line(part, INCREMENT) for part in self.increments]
        return b"".join(lines)

    @classmethod
    def parse(cls, name: str, text: bytes) -> Manifest:
        """Return what a file says.

        Raises: ManifestError.
        """
        manifest = cls(name)
        if not text:
            raise ManifestError("Found an empty AOF manifest")
        lines = text.split(b"\n")
        if lines.pop():
            # cut off: what there is of the last line may be wrong
            raise ManifestError("The AOF manifest file contains too long line")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_MAX:
                raise ManifestError("The AOF manifest file contains too long line")
            if line.startswith(b"#"):
                continue
            try:
                manifest._add(line)
            except ManifestError as error:
                raise ManifestError(str(error), number, line) from None
        return manifest

    def _add(self, line: bytes) -> None:
        """Take in a line."""
        words = split_words(line)
        if words is None or len(words) < 6 or len(words) % 2:
            raise ManifestError("Invalid AOF manifest file format")
        # words that a later version has added are left alone
        pairs = {words[i].lower(): words[i + 1] for i in range(len(words) - 2, -1, -2)}
        try:
            name = decode(pairs[b"file"])
            seq = int(pairs[b"seq"])
            kind = pairs[b"type"][:1].decode("latin-1")
            start, end = (
                int(pairs[word]) if word in pairs else None
                for word in (b"startoffset", b"endoffset")
            )
        except (KeyError, ValueError):
            raise ManifestError("Invalid AOF manifest file format") from None
        if "/" in name:
            raise ManifestError("File can't be a path, just a filename")
        if seq <= 0 or not kind:
            raise ManifestError("Invalid AOF manifest file format")
        part = Part(name, seq, start, end)
        if kind == BASE:
            if self.base is not None:
                raise ManifestError("Found duplicate base file information")
            self.base = part
            self.base_seq = seq
        elif kind == HISTORY:
            self.history.append(part)
        elif kind == INCREMENT:
            if self.increments and seq <= self.increment_seq:
                raise ManifestError("Found a non-monotonic sequence number")
            self.increments.append(part)
            self.increment_seq = seq
        else:
            raise ManifestError("Unknown AOF file type")


def _line(part: Part, kind: str) -> bytes:
    name = encode(part.name)
    if not name or not _PLAIN.issuperset(name):
        name = quote(name)
    line = b"file %b seq %d type %b" % (name, part.seq, kind.encode())
    if part.start_offset is not None:
        line += b" startoffset %d" % part.start_offset
    if part.end_offset is not None:
        line += b" endoffset %d" % part.end_offset
    return line + b"\n"
