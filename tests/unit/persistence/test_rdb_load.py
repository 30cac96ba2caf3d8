# SPDX-License-Identifier: BSD-3-Clause
"""Files with every kind of damage are refused or loaded, and nothing worse comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastredis.admin.dataset import digest, populate
from fastredis.persistence import rdb_save
from fastredis.persistence.rdb_load import RdbError, RdbLoader
from fastredis.server import Server

OPTIONS = {
    "compress": True,
    "checksum": True,
    "sync_early": False,
    "usage": False,
    "version": 0,
    "likely_version": 0,
    "delay_us": 0,
    "functions": b"",
}
STEP = 1 << 20


@pytest.fixture(scope="module")
def server() -> Server:
    """Return a server that is asked without a socket."""
    return Server(port=0, logfile="/dev/null")


@pytest.fixture
def file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Write a small file with something of each type in it."""
    monkeypatch.chdir(tmp_path)
    for args in (
        ("SET", "s", "text"),
        ("SET", "i", 12345),
        ("SET", "z", b"ab" * 40),
        ("SET", "e", "v", "PXAT", 4_000_000_000_000),
        ("RPUSH", "l", "a", 1, "bc"),
        ("SADD", "si", 1, 2, 70000),
        ("SADD", "sm", "a", "b"),
        ("ZADD", "zs", 1, "a", 2.5, "b"),
        ("HSET", "h", "f", "v", "g", 1),
        ("XADD", "x", "1-1", "f", "v"),
        ("XGROUP", "CREATE", "x", "g", 0),
        ("XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"),
        ("HSET", "t", "f", "v", "g", 1),
        ("HPEXPIREAT", "t", 4_000_000_000_000, "FIELDS", 1, "f"),
    ):
        server.call(*args)
    server.call("RPUSH", "ql", b"x" * 9000, b"y" * 9000)
    saved = rdb_save.save(server.engine, b"small.rdb", OPTIONS)
    assert saved[0] == 0
    yield tmp_path / "small.rdb"
    server.engine.flush_all()


def load(server: Server, path: Path, *, checks: bool = True) -> tuple[int, ...]:
    """Load or check a file to its end; return the counts."""
    loader = RdbLoader(server.engine, path, checksum=False, checks=checks)
    while loader.step(STEP):
        pass
    return loader.counts


def _finish(loader: RdbLoader) -> None:
    """Read the rest."""
    while loader.step(STEP):
        pass


def attempt(server: Server, path: Path, *, checks: bool = True) -> str:
    """Load a file that may be bad; return what came of it."""
    try:
        load(server, path, checks=checks)
    except RdbError as error:
        return "refused" if str(error) else "no reason given"
    return "loaded"


def put(path: Path, at: int, byte: int) -> None:
    """Change a byte of a file where it is: to write it anew waits for the disk."""
    with path.open("r+b", buffering=0) as f:
        f.seek(at)
        f.write(bytes([byte]))


def test_all_is_read_again(server: Server, file: Path) -> None:
    before = server.call("DBSIZE")
    assert load(server, file)[:3] == (before, 1, 0)
    server.engine.flush_all()
    assert load(server, file, checks=False)[:3] == (before, 1, 0)
    assert server.call("DBSIZE") == before
    server.engine.check()


@pytest.mark.parametrize("keys", [8191, 8192, 300_000])
def test_many_keys(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: int
) -> None:
    """Tables that are walked in the order of memory, in one window and in several."""
    monkeypatch.chdir(tmp_path)
    populate(server.engine, 0, keys, b"key", 0)
    before = digest(server.engine)
    step, _, nkeys, nbytes, version = rdb_save.save(server.engine, b"many.rdb", OPTIONS)
    assert (step, nkeys, version) == (0, keys, 10)
    assert (tmp_path / "many.rdb").stat().st_size == nbytes
    server.engine.flush_all()
    assert load(server, tmp_path / "many.rdb", checks=False)[0] == keys
    assert digest(server.engine) == before
    server.engine.check()
    server.engine.flush_all()


@pytest.mark.parametrize("step", [1, 7, 100])
def test_in_small_steps(server: Server, file: Path, step: int) -> None:
    before = server.call("DBSIZE")
    server.engine.flush_all()
    loader = RdbLoader(server.engine, file)
    nsteps, offset = 0, loader.offset
    while loader.step(step):
        nsteps += 1
        assert loader.offset > offset
        offset = loader.offset
    assert nsteps >= 2
    assert loader.has_checksum
    assert loader.offset == loader.nbytes
    assert server.call("DBSIZE") == before


def test_every_bit_flipped(server: Server, file: Path) -> None:
    """Without a checksum, a value may have changed; that is all."""
    data = file.read_bytes()
    server.engine.flush_all()
    outcomes = {"loaded": 0, "refused": 0}
    for at in range(len(data)):
        for bit in range(8):
            put(file, at, data[at] ^ 1 << bit)
            # some of them are kept for a moment, so that their invariants are checked
            is_kept = (at * 8 + bit) % 16 == 0
            outcomes[attempt(server, file, checks=not is_kept)] += 1
            if is_kept:
                server.engine.check()
                server.engine.flush_all()
        put(file, at, data[at])
    assert outcomes["loaded"] > 100
    assert outcomes["refused"] > 100


def test_every_byte_set(server: Server, file: Path) -> None:
    for at, byte in enumerate(file.read_bytes()):
        for value in (0, 0x7F, 0x80, 0x81, 0xC3, 0xFF):
            put(file, at, value)
            attempt(server, file)
        put(file, at, byte)


def test_every_length(server: Server, file: Path) -> None:
    data = file.read_bytes()
    for nbytes in range(len(data)):
        file.write_bytes(data[:nbytes])
        with pytest.raises(RdbError) as caught:
            load(server, file)
        assert caught.value.kind == "short", nbytes


def test_a_flipped_bit_is_found_by_the_checksum(server: Server, file: Path) -> None:
    data = bytearray(file.read_bytes())
    at = data.index(b"text")
    data[at] ^= 1
    file.write_bytes(data)
    with pytest.raises(RdbError) as caught:
        RdbLoader(server.engine, file, checks=True).step(STEP)
    assert caught.value.kind == "checksum"


def test_a_number_of_keys_that_is_not_there_takes_no_memory(
    server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "f"
    huge = b"\x81" + b"\xff" * 8
    path.write_bytes(b"REDIS0010\xfe\x00\xfb" + huge + huge + b"\xff" + bytes(8))
    server.engine.flush_all()
    before = server.engine.stats()["used_memory"]
    assert load(server, path, checks=False)[0] == 0
    assert server.engine.stats()["used_memory"] < before + 100_000


def test_empty_collections_are_left_out(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "f"
    content = b"".join(
        bytes([kind]) + b"\x02e%d" % (i % 10) + b"\x00"
        for i, kind in enumerate((1, 2, 3, 4, 5, 14, 18))
    )
    path.write_bytes(b"REDIS0010" + content + b"\x00\x01k\x01v\xff" + bytes(8))
    loader = RdbLoader(server.engine, path, checks=True)
    while loader.step(STEP):
        pass
    assert loader.counts[3] == 7
    assert loader.empties == [b"e%d" % i for i in range(7)]
    assert loader.counts[0] == 1


def test_a_file_that_is_cut_off_while_it_is_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mapped pages behind the new end are gone; the process goes on."""
    monkeypatch.chdir(tmp_path)
    populate(server.engine, 0, 50_000, b"key", 100)
    rdb_save.save(server.engine, b"f.rdb", OPTIONS | {"compress": False})
    server.engine.flush_all()
    path = tmp_path / "f.rdb"
    before = signal.getsignal(signal.SIGBUS)
    for rest in (0, 5000, 1 << 20):
        whole = path.read_bytes()
        loader = RdbLoader(server.engine, path, checks=True)
        assert loader.step(1000)
        os.truncate(path, rest)
        with pytest.raises(RdbError) as caught:
            _finish(loader)
        assert caught.value.kind == "short"
        assert loader.current == (-1, None)
        path.write_bytes(whole)
    assert signal.getsignal(signal.SIGBUS) is before
    assert load(server, path)[0] == 50_000


def test_what_a_module_has_beside_its_keys(server: Server, tmp_path: Path) -> None:
    number = sum(25 << (58 - 6 * i) for i in range(9)) | 3  # "ZZZZZZZZZ", version 3
    head = b"\xf7\x81" + number.to_bytes(8, "big") + b"\x02\x02"
    body = (
        b"\x01\x05"  # signed
        b"\x02\x41\x00"  # unsigned
        b"\x03\x00\x00\x80\x3f"  # float
        b"\x04" + bytes(8) + b"\x05\x03abc"  # double, string
    )
    path = tmp_path / "f"
    rest = b"\x00\x01k\x01v\xff" + bytes(8)
    path.write_bytes(b"REDIS0011" + head + body + b"\x00" + rest)
    loader = RdbLoader(server.engine, path, checks=True)
    assert not loader.step(STEP)
    assert loader.modules == ["ZZZZZZZZZ"]
    assert loader.counts[0] == 1
    path.write_bytes(b"REDIS0011" + head + b"\x06\x00" + rest)
    assert attempt(server, path) == "refused"
    for end in range(len(head + body)):
        path.write_bytes(b"REDIS0011" + (head + body)[:end])
        with pytest.raises(RdbError) as caught:
            load(server, path)
        assert caught.value.kind == "short"


def test_functions_are_kept_as_they_stand(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # a text, and one that is the text of a number
    records = [b"\xf5\x05code1", b"\xf5\xc0\x07"]
    path = tmp_path / "f"
    path.write_bytes(b"REDIS0010" + b"".join(records) + b"\xff" + bytes(8))
    loader = RdbLoader(server.engine, path)
    assert not loader.step(STEP)
    assert loader.functions == records
    options = OPTIONS | {"functions": b"".join(loader.functions)}
    rdb_save.save(server.engine, b"g", options)
    again = RdbLoader(server.engine, tmp_path / "g")
    assert not again.step(STEP)
    assert again.functions == records
