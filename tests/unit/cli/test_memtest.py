# SPDX-License-Identifier: BSD-3-Clause
"""--test-memory: finds a bit that is stuck, and lets good memory pass."""

from __future__ import annotations

import mmap
import subprocess

import pytest

from fastredis.cli import memtest
from support.server import fastredis_command

SIZE = 2 * memtest.MEGABYTE


class Broken:
    """Memory with one byte in which some bits are always set, or never."""

    def __init__(self, at: int, ones: int = 0, zeros: int = 0) -> None:
        self.memory = bytearray(SIZE)
        self.at, self.ones, self.zeros = at, ones, zeros

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, where: slice) -> bytes:
        return bytes(self.memory[where])

    def __setitem__(self, where: slice, value: bytes) -> None:
        self.memory[where] = value
        self.memory[self.at] = self.memory[self.at] & ~self.zeros | self.ones


class Mirrored(Broken):
    """Memory whose second megabyte is the first."""

    def __setitem__(self, where: slice, value: bytes) -> None:
        self.memory[: memtest.MEGABYTE] = self.memory[memtest.MEGABYTE :] = value


@pytest.mark.parametrize("at", [0, 7, memtest.MEGABYTE - 1, SIZE - 1])
@pytest.mark.parametrize(("ones", "zeros"), [(1, 0), (0x80, 0), (0, 1), (0, 0x10)])
def test_a_stuck_bit_is_found(at: int, ones: int, zeros: int) -> None:
    shown: list[str] = []
    assert not memtest.test(Broken(at, ones, zeros), 1, shown.append)
    assert f"MEMORY ERROR: the byte at offset {at} " in shown[-1]


def test_a_missing_address_line_is_found() -> None:
    shown: list[str] = []
    assert not memtest.test(Mirrored(0), 1, shown.append)
    assert "Addresses" in shown[-1]


def test_good_memory_passes() -> None:
    shown: list[str] = []
    with mmap.mmap(-1, SIZE) as block:
        assert memtest.test(block, 2, shown.append)
    assert "passed this test" in shown[-1]
    assert sum("[2/2]" in text for text in shown) == 6


def program(*words: str) -> tuple[int, str, str]:
    """Run the program; return exit code, output and errors."""
    command = [*fastredis_command(), "--test-memory", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_the_program() -> None:
    code, out, err = program("1")
    assert (code, err) == (0, "")
    assert "passed this test" in out


@pytest.mark.parametrize("words", [(), ("1", "2")])
def test_it_wants_one_number(words: tuple[str, ...]) -> None:
    code, out, _ = program(*words)
    assert code == 1
    assert "--test-memory 4096" in out


@pytest.mark.parametrize("word", ["x", "0", "-1", "1.5", ""])
def test_it_refuses_what_is_no_number(word: str) -> None:
    code, _, err = program(word)
    assert code == 1
    assert "Not a number of megabytes" in err


def test_it_refuses_more_than_there_is() -> None:
    code, _, err = program(str(1 << 40))
    assert code == 1
    assert "Unable to allocate" in err or "Not a number" in err
