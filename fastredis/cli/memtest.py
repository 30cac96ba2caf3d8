# SPDX-License-Identifier: BSD-3-Clause
"""``fastredis-server --test-memory MB``: looks for memory that does not keep its bits.

A block is filled with patterns, one after the other, and read back::

    addresses     each word holds its own offset: finds lines that are short-circuited
    random        another megabyte each time: finds bits that hang together
    solid         all bits the same, first 0, then 1
    checkerboard  neighbouring bits differ, first 01..., then 10...

Bytes are written and compared a megabyte at a time, at the speed of memcpy. It finds
what is broken for good; a program that owns the whole machine finds more.
"""

from __future__ import annotations

import mmap
import random
import sys
from array import array
from collections.abc import Callable, Iterator
from typing import Final, Protocol

MEGABYTE: Final = 1 << 20
PASSES: Final = 50
_WORD: Final = 8

# From the number of a megabyte, what is to be in it.
Pattern = Callable[[int], bytes]


class Block(Protocol):
    """Memory that can be written and read in slices, as an mmap can."""

    def __len__(self) -> int: ...
    def __getitem__(self, where: slice) -> bytes: ...
    def __setitem__(self, where: slice, value: bytes) -> None: ...


def run(words: list[str]) -> int:
    """Test as many megabytes as the one word says; return the exit code."""
    if len(words) != 1:
        print(
            "Please say how many megabytes of memory to test.\n"
            "Example: fastredis-server --test-memory 4096"
        )
        return 1
    try:
        megabytes = int(words[0])
        if megabytes < 1:
            raise ValueError
        block = mmap.mmap(-1, megabytes * MEGABYTE)
    except (ValueError, OverflowError):
        print(f"Not a number of megabytes: {words[0]}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Unable to allocate {megabytes} MB: {error.strerror}", file=sys.stderr)
        return 1
    with block:
        return 0 if test(block, PASSES, _show) else 1


def test(block: Block, passes: int, show: Callable[[str], None]) -> bool:
    """Return whether the block keeps all patterns, each of them so many times."""
    for number in range(1, passes + 1):
        for name, pattern in _patterns(number):
            show(f"\r{name} [{number}/{passes}]".ljust(32))
            bad = find_error(block, pattern)
            if bad is not None:
                show(
                    f"\n*** MEMORY ERROR: the byte at offset {bad} lost its value "
                    f"(pattern: {name})\n"
                )
                return False
    show(
        "\nYour memory passed this test.\n"
        "In case of doubt test it with memtest86 or memtester, too.\n"
    )
    return True


def find_error(block: Block, pattern: Pattern) -> int | None:
    """Fill the block and return the offset of the first byte that differs, if any."""
    n = len(block) // MEGABYTE
    for i in range(n):
        block[i * MEGABYTE : (i + 1) * MEGABYTE] = pattern(i)
    for i in range(n):
        found, wanted = block[i * MEGABYTE : (i + 1) * MEGABYTE], pattern(i)
        if found != wanted:
            pairs = enumerate(zip(found, wanted, strict=True))
            return i * MEGABYTE + next(k for k, (a, b) in pairs if a != b)
    return None


def _patterns(number: int) -> Iterator[tuple[str, Pattern]]:
    """Return the patterns of a pass, with their names."""

    def same(byte: int) -> Pattern:
        filled = bytes((byte,)) * MEGABYTE
        return lambda i: filled

    yield "Addresses", _addresses
    yield "Random", lambda i: random.Random(f"{number} {i}").randbytes(MEGABYTE)
    yield "Solid 0", same(0x00)
    yield "Solid 1", same(0xFF)
    yield "Checkerboard 01", same(0x55)
    yield "Checkerboard 10", same(0xAA)


def _addresses(i: int) -> bytes:
    words = range(i * MEGABYTE, (i + 1) * MEGABYTE, _WORD)
    return array("Q", words).tobytes()


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
