#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How little a server over TCP can cost on this machine: ``python bench/floor.py``.

floor.c, compiled here with cc, answers every request with a canned reply and does
nothing else. It takes turns with fastredis and the references under the same loads; a
goal below its ratio is one that no server can reach over a socket of this kernel.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import load, measure, proc
from fastredis.cli.benchmark.scenarios import SCENARIOS, Scenario
from fastredis.cli.benchmark.servers import (
    HOST,
    RunningServer,
    free_port,
    resolve,
)

SERVER_CPU: Final = [0]
CLIENT_CPU: Final = [1]
NAP_US: Final = 50  # the default of coalesce-us
# Scenarios by the bytes of the value that their reply carries.
STATUS: Final = 0
NUMBER: Final = -1
REPLIES: Final = {
    "ping_p16": STATUS,
    "get_p16": 3,
    "set_p16": STATUS,
    "incr_p16": NUMBER,
    "get_1m": 64,
    "set_1m": STATUS,
    "get_16k": 16384,
    "set_16k": STATUS,
    "lpush_p16": NUMBER,
    "rpush_p16": NUMBER,
    "lpop_1m": 20,
    "rpop_1m": 20,
    "sadd_p16": NUMBER,
    "sadd_1m": NUMBER,
    "spop_p16": STATUS,  # a null is as long
    "spop_1m": 20,
    "hset_p16": NUMBER,
    "hset_1m": NUMBER,
    "hget_1m": 3,
    "zadd_1m": NUMBER,
    "zrank_1m": NUMBER,
    "zscore_1m": 6,
}


def measure_floor(
    program: Path, scenario: Scenario, requests: int, settings: measure.Settings
) -> float:
    """Return the CPU microseconds that floor takes for a request."""
    port = free_port()
    reply = str(REPLIES[scenario.name])
    with proc.pinned(SERVER_CPU):
        floor = subprocess.Popen([program, str(port), reply, str(NAP_US)])
    try:
        time.sleep(0.1)
        line = load.command_line(
            settings.program, HOST, port, scenario, requests, scenario.keyspace
        )
        load.run_load(line, 60, lambda: floor.poll() is None)  # warms up
        before = proc.cpu_ns(floor.pid)
        load.run_load(line, 60, lambda: floor.poll() is None)
        return (proc.cpu_ns(floor.pid) - before) / requests / 1000
    finally:
        floor.kill()
        floor.wait()


def compare(
    program: Path, scenario: Scenario, rounds: int, settings: measure.Settings
) -> None:
    """Measure one scenario and print its line."""
    floors: list[float] = []
    costs: dict[str, list[float]] = {}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(RunningServer(resolve(name), SERVER_CPU))
            for name in ("fastredis", "redis", "valkey")
        ]
        stack.enter_context(proc.pinned(CLIENT_CPU))
        requests = {}
        for server in servers:
            measure.prepare(server, scenario, settings, lambda: None)
            requests[server.name] = measure.calibrate(
                server, scenario, settings, lambda: None
            )
        for turn in range(1, rounds + 1):
            n = requests["fastredis"]
            floors.append(measure_floor(program, scenario, n, settings))
            for server in servers:
                n = requests[server.name]
                sample = measure.measure_load(
                    server, scenario, settings, n, turn, lambda: None
                )
                costs.setdefault(server.name, []).append(sample.figures["cpu_us"])
    best = [min(pair) for pair in zip(costs["redis"], costs["valkey"], strict=True)]

    def ratio(values: list[float]) -> float:
        return statistics.median(v / b for v, b in zip(values, best, strict=True))

    print(
        f"{scenario.name:12} {statistics.median(floors):8.3f} "
        f"{statistics.median(costs['fastredis']):9.3f} {statistics.median(best):9.3f}"
        f" {ratio(floors):7.2f} {ratio(costs['fastredis']):9.2f}"
        f" {scenario.targets[0].limit:6.2f}",
        flush=True,
    )


def main() -> int:
    """Run the program."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.0)
    options.add_argument("scenarios", nargs="*", metavar="SCENARIO", default=[*REPLIES])
    given = options.parse_args()
    settings = measure.Settings(load.find_program(), given.seconds, given.seconds / 2)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "floor"
        source = Path(__file__).with_name("floor.c")
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
        print(
            "CPU us       |  floor  fastredis reference | ratio: floor fastredis  goal"
        )
        for name in given.scenarios:
            compare(program, SCENARIOS[name], given.rounds, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
