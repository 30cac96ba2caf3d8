#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Saving and loading: ``python bench/persistence.py``.

Each server gets the same values: strings, or with --data collections, of which one in a
hundred has a thousand elements, and the others ten. Then, the servers in turn and round
after round: SAVE, BGSAVE, and a start that loads the file which the server itself
wrote. Printed are the medians of the wall time and of the CPU time that the kernel
counted, and their ratio to the better of the other servers.

CPU of SAVE is the server's, of BGSAVE the child's and what the fork cost the server; of
a start, what it took beyond a start without a file. The wall time of a start is what
the server's log says of the loading; that of BGSAVE lasts until INFO says that it is
over. Disks differ more than servers: --dir puts the files elsewhere, as in /dev/shm.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import proc
from fastredis.cli.benchmark.servers import (
    HOST,
    RunningServer,
    ServerError,
    ServerSpec,
    connect,
    resolve,
)

SERVER_CPU: Final = [0]
CLIENT_CPU: Final = [1]
BATCH: Final = 1000
BGSAVE_TIMEOUT_S: Final = 300.0
LOADED: Final = re.compile(r"DB loaded from \w+: ([0-9.]+) seconds")
KINDS: Final = ("hash", "list", "set", "zset", "stream")
SMALL: Final = 10  # elements,
LARGE: Final = 1000  # of one collection in
LARGE_EVERY: Final = 100
NOISE: Final = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

Figures = dict[str, list[float]]


def spec_in(spec: ServerSpec, folder: Path) -> ServerSpec:
    """Return the server with its files in a folder."""
    options = ("--port", "{port}", "--bind", HOST, "--save", "", "--dir", str(folder))
    return ServerSpec(spec.name, (*spec.command, *options))


def value_of(n: int, nbytes: int) -> bytes:
    """Return a value of so many bytes, which differs from others; no integer."""
    start = n * 7 % len(NOISE)
    text = b"v%d:" % n + (NOISE[start:] + NOISE[:start]) * (nbytes // len(NOISE) + 1)
    return text[:nbytes]


def collection(kind: str, n: int, size: int, nbytes: int) -> tuple[str | bytes, ...]:
    """Return the command that makes a collection, or adds an entry to a stream."""
    items = [value_of(n + i, nbytes) for i in range(size)]
    key = f"{kind}:{n:012d}"
    if kind == "list":
        return ("RPUSH", key, *items)
    if kind == "set":
        return ("SADD", key, *items)
    if kind == "zset":
        scored = ((str((n + i) * 7 % 1000 / 4), item) for i, item in enumerate(items))
        return ("ZADD", key, *(word for pair in scored for word in pair))
    named = ((f"field:{i}", item) for i, item in enumerate(items))
    return ("HSET", key, *(word for pair in named for word in pair))


def store_collections(port: int, kinds: Sequence[str], keys: int, nbytes: int) -> None:
    """Store collections of these kinds in turn."""
    client = connect(port)
    for first in range(0, keys, BATCH):
        pipe = client.pipeline(transaction=False)
        for n in range(first, min(first + BATCH, keys)):
            kind = kinds[n % len(kinds)]
            size = LARGE if n // len(kinds) % LARGE_EVERY == 0 else SMALL
            if kind != "stream":
                pipe.execute_command(*collection(kind, n, size, nbytes))
                continue
            for i in range(size):
                words = (f"{i + 1}-1", "sensor", n, "value", value_of(n + i, nbytes))
                pipe.execute_command("XADD", f"stream:{n:012d}", *words)
        pipe.execute()
    client.close()


def store(port: int, keys: int, nbytes: int, share_with_ttl: float) -> None:
    """Store the strings; some of them expire in a day or later."""
    client = connect(port)
    every = round(1 / share_with_ttl) if share_with_ttl else 0
    for first in range(0, keys, BATCH):
        pipe = client.pipeline(transaction=False)
        for n in range(first, min(first + BATCH, keys)):
            ttl = 86400 + n if every and n % every == 0 else None
            pipe.set(f"key:{n:012d}", value_of(n, nbytes), ex=ttl)
        pipe.execute()
    client.close()


@contextmanager
def measured(server: RunningServer, figures: Figures, what: str) -> Iterator[None]:
    """Add the wall and the CPU time of the block, in ms."""
    cpu, wall = proc.cpu_ns(server.pid), time.perf_counter()
    yield
    figures[f"{what} wall"].append((time.perf_counter() - wall) * 1e3)
    figures[f"{what} CPU"].append((proc.cpu_ns(server.pid) - cpu) / 1e6)


def children_ms(server: RunningServer) -> float:
    """Return the CPU time of children that have ended."""
    told = server.info("cpu")
    return 1e3 * (
        float(told["used_cpu_sys_children"]) + float(told["used_cpu_user_children"])
    )


def bgsave(server: RunningServer, figures: Figures) -> None:
    """Have a child save, and wait until it has."""
    before = children_ms(server)
    deadline = time.monotonic() + BGSAVE_TIMEOUT_S
    with measured(server, figures, "BGSAVE"):
        server.ask("BGSAVE")
        while server.info("persistence")["rdb_bgsave_in_progress"]:
            if time.monotonic() > deadline:
                raise ServerError(f"{server.name}: BGSAVE does not end")
            time.sleep(0.02)
    if server.info("persistence")["rdb_last_bgsave_status"] != "ok":
        raise ServerError(f"{server.name}: BGSAVE failed")
    figures["BGSAVE CPU"][-1] += children_ms(server) - before
    figures["fork wall"].append(server.info("stats")["latest_fork_usec"] / 1e3)


def load(spec: ServerSpec, empty: ServerSpec, figures: Figures, keys: int) -> None:
    """Start a server without a file, and one that loads it."""
    with RunningServer(empty, SERVER_CPU) as server:
        cpu = proc.cpu_ns(server.pid)
    with RunningServer(spec, SERVER_CPU) as server:
        figures["load CPU"].append((proc.cpu_ns(server.pid) - cpu) / 1e6)
        if server.ask("DBSIZE") != keys:
            raise ServerError(f"{server.name}: not all keys were loaded")
        told = LOADED.search(server.log_tail())
        if told is None:
            raise ServerError(f"{server.name}: its log does not tell of loading")
        figures["load wall"].append(float(told[1]) * 1e3)


def print_table(names: Sequence[str], results: dict[str, Figures]) -> None:
    """Print medians in ms, and the first server's ratio to the best of the others."""
    print(f"\n| ms | {' | '.join(names)} | ratio |")
    print("|:--|" + "--:|" * (len(names) + 1))
    for what in results[names[0]]:
        medians = [statistics.median(results[name][what]) for name in names]
        ratio = f"{medians[0] / min(medians[1:]):.2f}" if len(names) > 1 else ""
        shown = " | ".join(f"{value:.1f}" for value in medians)
        print(f"| {what} | {shown} | {ratio} |")


def main() -> int:
    """Run the program."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = options.add_argument
    add("--servers", nargs="+", default=["fastredis", "redis", "valkey"])
    add("--data", choices=("string", *KINDS, "mixed"), default="string")
    add("--keys", type=int, default=None, help="default: 1000000, collections 50000")
    add("--value", type=int, default=16, metavar="BYTES", help="of each value")
    add("--ttl", type=float, default=0.0, metavar="SHARE", help="of keys that expire")
    add("--rounds", type=int, default=5)
    add("--dir", default=None, help="where the files are written")
    given = options.parse_args()
    if given.keys is None:
        given.keys = 1_000_000 if given.data == "string" else 50_000
    kinds = KINDS if given.data == "mixed" else (given.data,)
    specs = [resolve(word) for word in given.servers]
    results: dict[str, Figures] = {spec.name: defaultdict(list) for spec in specs}
    with tempfile.TemporaryDirectory(prefix="bench-rdb-", dir=given.dir) as top:
        folders = {}
        for spec in specs:
            folders[spec.name] = Path(top) / spec.name
            for name in ("data", "empty"):
                (folders[spec.name] / name).mkdir(parents=True)
            with RunningServer(
                spec_in(spec, folders[spec.name] / "data"), SERVER_CPU
            ) as server:
                with proc.pinned(CLIENT_CPU):
                    if given.data == "string":
                        store(server.port, given.keys, given.value, given.ttl)
                    else:
                        store_collections(server.port, kinds, given.keys, given.value)
                server.ask("SAVE")
                print(f"{spec.name}: {server.describe()['version']}")
        for _ in range(given.rounds):
            for spec in specs:
                data = spec_in(spec, folders[spec.name] / "data")
                empty = spec_in(spec, folders[spec.name] / "empty")
                figures = results[spec.name]
                load(data, empty, figures, given.keys)
                with RunningServer(data, SERVER_CPU) as server:
                    with measured(server, figures, "SAVE"):
                        server.ask("SAVE")
                    bgsave(server, figures)
        sizes = [(folders[s.name] / "data" / "dump.rdb").stat().st_size for s in specs]
    print_table([spec.name for spec in specs], results)
    print("\nbytes of the file: " + ", ".join(f"{size:,}" for size in sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
