#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What replicas cost: ``python bench/replication.py``.

Each server replicates to servers of its own kind; the kinds take turns, round after
round. Printed, with the ratio to the better of the others:

* the CPU time of the primary, and of its replicas together, for a SET at P=16 from
  redis-benchmark, with one replica and with three, until all have it;
* the time of a full resynchronisation of a million keys, from REPLICAOF until the link
  is up;
* SET and WAIT 1 from 50 clients, each of which waits for both replies: pairs a second.

The primary has a core of its own; replicas and clients share the other one.
"""

from __future__ import annotations

import argparse
import dataclasses
import selectors
import socket
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import load, proc
from fastredis.cli.benchmark.servers import (
    HOST,
    RunningServer,
    ServerError,
    ServerSpec,
    resolve,
)
from fastredis.cli.benchmark.stream import encode

PRIMARY_CPU: Final = [0]
OTHER_CPU: Final = [1]
CONNECTIONS: Final = 50
PIPELINE: Final = 16
TIMEOUT_S: Final = 120.0
OPTIONS: Final = (
    *("--repl-diskless-sync-delay", "0"),
    *("--enable-debug-command", "local"),
    *("--port", "{port}", "--bind", HOST, "--save", "", "--dir", "{dir}"),
)
PAIR: Final = encode(b"SET", b"key", b"xyz") + encode(b"WAIT", b"1", b"0")
PAIR_REPLY: Final = b"+OK\r\n:1\r\n"
# figure: its unit, its goal, whether more is better
FIGURES: Final = {
    "primary, 1 replica": ("us/SET", 0.55, False),
    "replica, 1 replica": ("us/SET", 0.55, False),
    "primary, 3 replicas": ("us/SET", 0.55, False),
    "replicas, 3 replicas": ("us/SET", 0.55, False),
    "full resync": ("s", 0.70, False),
    "SET and WAIT 1": ("pairs/s", 1.00, True),
}


def wait_until_linked(replicas: Sequence[RunningServer]) -> None:
    """Wait until all follow their primary.

    Raises: ServerError if that takes too long.
    """
    deadline = time.monotonic() + TIMEOUT_S
    for replica in replicas:
        while replica.info("replication").get("master_link_status") != "up":
            if time.monotonic() > deadline:
                raise ServerError(f"{replica.name}: no link\n{replica.log_tail()}")
            time.sleep(0.002)


def wait_until_equal(primary: RunningServer, replicas: Sequence[RunningServer]) -> None:
    """Wait until all have what the primary has sent.

    Raises: ServerError if that takes too long.
    """
    deadline = time.monotonic() + TIMEOUT_S
    offset = primary.info("replication")["master_repl_offset"]
    for replica in replicas:
        while replica.info("replication")["slave_repl_offset"] < offset:
            if time.monotonic() > deadline:
                raise ServerError(f"{replica.name}: lags\n{replica.log_tail()}")
            time.sleep(0.002)


@contextmanager
def group(
    spec: ServerSpec, nreplicas: int, keys: int = 0
) -> Iterator[tuple[RunningServer, list[RunningServer]]]:
    """Yield a primary with so many keys and its replicas, which follow it."""
    spec = dataclasses.replace(spec, command=(*spec.command, *OPTIONS))
    with ExitStack() as stack:
        primary = stack.enter_context(RunningServer(spec, PRIMARY_CPU))
        replicas = [
            stack.enter_context(RunningServer(spec, OTHER_CPU))
            for _ in range(nreplicas)
        ]
        if keys:
            primary.ask("DEBUG", "POPULATE", keys, "key", 16)
        for replica in replicas:
            replica.ask("REPLICAOF", HOST, primary.port)
        wait_until_linked(replicas)
        yield primary, replicas


def propagation(spec: ServerSpec, nreplicas: int, requests: int) -> tuple[float, float]:
    """Return the CPU microseconds of primary and replicas for a SET."""
    with group(spec, nreplicas) as (primary, replicas), proc.pinned(OTHER_CPU):
        processes = [primary, *replicas]
        before = [proc.cpu_ns(server.pid) for server in processes]
        load.run_load(
            [load.find_program(), "-h", HOST, "-p", str(primary.port),
             "-c", str(CONNECTIONS), "-P", str(PIPELINE), "-n", str(requests),
             "-r", "100000", "--precision", "3", "SET", "key:__rand_int__", "xyz"],
            TIMEOUT_S, primary.alive,
        )  # fmt: skip
        wait_until_equal(primary, replicas)
        spent = [
            (proc.cpu_ns(server.pid) - start) / 1000 / requests
            for server, start in zip(processes, before, strict=True)
        ]
    return spent[0], sum(spent[1:])


def resync(spec: ServerSpec, keys: int) -> float:
    """Return the seconds from REPLICAOF until the link is up."""
    with group(spec, 1) as (primary, (replica,)):
        replica.ask("REPLICAOF", "NO", "ONE")
        replica.ask("SET", "own", "history")
        primary.ask("DEBUG", "POPULATE", keys, "key", 16)
        start = time.monotonic()
        replica.ask("REPLICAOF", HOST, primary.port)
        wait_until_linked([replica])
        seconds = time.monotonic() - start
        found = replica.ask("DBSIZE")
    if found != keys:
        raise ServerError(f"{spec.name}: the replica has {found} keys")
    return seconds


def waiting(spec: ServerSpec, seconds: float) -> float:
    """Return the pairs of SET and WAIT 1 that clients have replied in a second."""
    with ExitStack() as stack:
        primary, _ = stack.enter_context(group(spec, 1))
        stack.enter_context(proc.pinned(OTHER_CPU))
        selector = stack.enter_context(selectors.DefaultSelector())
        received: dict[socket.socket, bytes] = {}
        for _ in range(CONNECTIONS):
            sock = stack.enter_context(socket.create_connection((HOST, primary.port)))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(sock, selectors.EVENT_READ)
            received[sock] = b""
            sock.sendall(PAIR)
        pairs = 0
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            for key, _ in selector.select(TIMEOUT_S):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                received[sock] += sock.recv(4096)
                if len(received[sock]) < len(PAIR_REPLY):
                    continue
                if received[sock] != PAIR_REPLY:
                    raise ServerError(f"{spec.name}: replied {received[sock]!r}")
                received[sock] = b""
                pairs += 1
                sock.sendall(PAIR)
        return pairs / (time.monotonic() - start)


def main() -> int:
    """Run the program."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--requests", type=int, default=1_000_000)
    options.add_argument("--keys", type=int, default=1_000_000)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument(
        "--servers",
        default="fastredis,redis,valkey",
        help="names or NAME=COMMAND, by commas; the first is compared with the others",
    )
    given = options.parse_args()
    specs = [resolve(word) for word in given.servers.split(",")]
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(given.rounds):
        for spec in specs:
            mine = found[spec.name]
            for nreplicas, words in ((1, ("replica", "1 replica")),
                                     (3, ("replicas", "3 replicas"))):  # fmt: skip
                primary, others = propagation(spec, nreplicas, given.requests)
                mine[f"primary, {words[1]}"].append(primary)
                mine[f"{words[0]}, {words[1]}"].append(others)
            mine["full resync"].append(resync(spec, given.keys))
            mine["SET and WAIT 1"].append(waiting(spec, given.seconds))
    names = [spec.name for spec in specs]
    heads = "".join(f"{name:>12}" for name in names)
    print(" " * 32 + heads + "   ratio          goal")
    for figure, (unit, goal, is_more_better) in FIGURES.items():
        rows = zip(*(found[name][figure] for name in names), strict=True)
        choose = max if is_more_better else min
        ratios = sorted(row[0] / choose(row[1:] or row) for row in rows)
        print(
            f"{figure:22}{unit:>10}"
            + "".join(f"{statistics.median(found[n][figure]):12.3f}" for n in names)
            + f"{statistics.median(ratios):8.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
            + f"{goal:7.2f}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
