# SPDX-License-Identifier: BSD-3-Clause
"""Append-only files that are damaged: torn, zeroed, with flipped bits.

The server loads a state that there once was, or refuses and says why.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import flips
from support.client import encode
from support.server import FastredisServer

Fresh = Callable[..., FastredisServer]
# Of each byte: all of them takes a minute, some with a sanitizer.
IS_LONG = os.environ.get("FASTREDIS_HYPOTHESIS") == "long"
BITS = list("01234567" if IS_LONG else "036")
COMMANDS = [
    ("SET", "s", "v", "PXAT", 4_000_000_000_000),
    ("RPUSH", "l", "a", 1, "b"),
    ("HSET", "h", "f", "v"),
    ("SADD", "i", 1, 2),
    ("ZADD", "z", "1.5", "m"),
    ("XADD", "x", "1-1", "f", "v"),
]
UNITS = [
    [("SELECT", 0), ("RPUSH", "l", 1)],
    [("MULTI",), ("RPUSH", "l", 2), ("INCR", "n"), ("EXEC",)],
    [("RPUSH", "l", 3)],
    [("MULTI",), ("RPUSH", "l", 4), ("SELECT", 1), ("SET", "k", "v"), ("EXEC",)],
    [("INCR", "n")],
]


def write(folder: Path, increment: bytes, base: bytes = b"") -> Path:
    """Make an append-only file; return the path of its increment."""
    files = folder / "appendonlydir"
    files.mkdir(exist_ok=True)
    (files / "appendonly.aof.1.base.aof").write_bytes(base)
    path = files / "appendonly.aof.1.incr.aof"
    path.write_bytes(increment)
    (files / "appendonly.aof.manifest").write_text(
        "file appendonly.aof.1.base.aof seq 1 type b\n"
        "file appendonly.aof.1.incr.aof seq 1 type i\n"
    )
    return path


def requests(units: list[list[tuple[str | int, ...]]]) -> bytes:
    return b"".join(encode(command) for unit in units for command in unit)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_flipped_bits(fresh_server: Fresh, preamble: str) -> None:
    server = fresh_server(appendonly="yes", aof_use_rdb_preamble=preamble)
    client = server.client()
    # streams have no other form than a preamble's, as far as this test goes
    commands = COMMANDS if preamble == "yes" else COMMANDS[:-1]
    client.pipeline(commands)
    client.ok("CONFIG", "SET", "appendonly", "no")
    client.ok("CONFIG", "SET", "appendonly", "yes")
    files = server.directory / "appendonlydir"
    base = files / f"appendonly.aof.2.base.{'rdb' if preamble == 'yes' else 'aof'}"
    while not base.exists() or client.info()["aof_rewrite_in_progress"] != "0":
        pass
    client.pipeline([("MULTI",), *commands[:2], ("EXEC",), *commands[2:4]])
    server.stop()
    done = subprocess.run(
        [sys.executable, "-m", "support.flips", str(server.directory), *BITS],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(flips.__file__).parents[1]), os.environ["PYTHONPATH"]]
            ),
        },
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    counts = json.loads(done.stdout)
    assert set(counts) == {path.name for path in files.iterdir()}
    for name, count in counts.items():
        assert count["refused"], name
        # an RDB file has a checksum, and so is none of it believed
        is_checked = name.endswith(".rdb")
        assert bool(count["loaded"]) != is_checked, (name, count)


def test_an_increment_torn_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    strict = flips.Reader(aof_load_truncated="no")
    content = requests(UNITS)
    ends = {}
    for n in range(len(UNITS) + 1):
        before = requests(UNITS[:n])
        write(tmp_path, before)
        ends[len(before)] = strict.load()
    # the first request changes nothing
    ends[len(encode(("SELECT", 0)))] = ends[0]
    assert len(set(ends.values())) == len(UNITS) + 1
    lenient = flips.Reader(aof_load_truncated="yes")
    for size in range(len(content) + 1):
        path = write(tmp_path, content[:size])
        assert strict.load() == ends.get(size)
        assert path.stat().st_size == size
        kept = max(end for end in ends if end <= size)
        assert lenient.load() == ends[kept]
        assert path.stat().st_size == kept
        assert strict.load() == ends[kept]


def test_only_the_last_file_may_be_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lenient = flips.Reader(aof_load_truncated="yes")
    torn = requests(UNITS)[:-1]
    write(tmp_path, b"", base=torn)
    assert lenient.load() is None
    files = tmp_path / "appendonlydir"
    write(tmp_path, torn)
    second = files / "appendonly.aof.2.incr.aof"
    with (files / "appendonly.aof.manifest").open("a") as file:
        file.write(f"file {second.name} seq 2 type i\n")
    second.write_bytes(encode(("SET", "a", "b")))
    assert lenient.load() is None
    # of one that is named before anything is written to it, the one before is the last
    second.write_bytes(b"")
    assert lenient.load() is not None


@pytest.mark.parametrize("truncated", ["yes", "no"])
@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\r\n", b"\xff" * 9, b"+OK\r\n"])
def test_what_is_no_request_is_refused(
    fresh_server: Fresh, tmp_path: Path, tail: bytes, truncated: str
) -> None:
    path = write(tmp_path, requests(UNITS) + tail)
    server = fresh_server(
        start=False,
        directory=tmp_path,
        appendonly="yes",
        aof_load_truncated=truncated,
        check_exit=False,
    )
    server.spawn()
    assert server.wait_exit() == 1
    assert f"Bad file format reading the append only file {path.name}" in server.log()
    assert path.read_bytes().endswith(tail)


@pytest.mark.parametrize("size", [1, 30, 44, 60, 86])
def test_half_a_manifest_is_refused(
    fresh_server: Fresh, tmp_path: Path, size: int
) -> None:
    write(tmp_path, requests(UNITS))
    manifest = tmp_path / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_bytes(manifest.read_bytes()[:size])
    server = fresh_server(
        start=False, directory=tmp_path, appendonly="yes", check_exit=False
    )
    if size == 44:  # all of a line: a manifest without increments is one
        server.start()
        return
    server.spawn()
    assert server.wait_exit() == 1
    assert "FATAL AOF MANIFEST FILE ERROR" in server.log()
