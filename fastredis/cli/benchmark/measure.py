# SPDX-License-Identifier: BSD-3-Clause
"""One measurement of each kind, on a server that runs.

Only what lies between two readings of the server's CPU clock counts, and between them
is nothing but the load: questions to the server are asked before and after. A run that
did not do what its scenario says (keys not found, commands refused) is refused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fastredis.cli.benchmark import proc
from fastredis.cli.benchmark.listen import subscribers
from fastredis.cli.benchmark.load import command_line, percentile, run_load
from fastredis.cli.benchmark.results import Sample
from fastredis.cli.benchmark.scenarios import CHANNEL, FIXED_KEY, SHORT_VALUE
from fastredis.cli.benchmark.servers import HOST
from fastredis.cli.benchmark.stream import (
    PROBE_BATCH,
    Stream,
    command_batches,
    entry_batches,
    field_batches,
    set_batches,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fastredis.cli.benchmark.load import LoadReport
    from fastredis.cli.benchmark.scenarios import Scenario
    from fastredis.cli.benchmark.servers import RunningServer

CALIBRATION: Final = 20_000  # requests of a trial run, for P=1 and for large values
CALIBRATION_FAST: Final = 100_000  # for the others, which are over much sooner
CALIBRATION_LARGE: Final = 1024  # bytes; from here on a value is large
MOST_REQUESTS: Final = 100_000_000
FEWEST_KEYS: Final = 1000
MISS_SHARE: Final = 0.001  # of reads that may find nothing
SETTLE_S: Final = 20.0  # at most, for a rehash to end and freed buffers to go
SETTLE_STEP_S: Final = 0.1
# A rehash frees the old table only at its end, so a moment without change says
# nothing; servers move on with it every 100 ms.
STEADY_STEPS: Final = 10
STEADY_BYTES: Final = 1024
ADD_BATCH: Final = 500  # members added by one request
# 1/g and 1/g**2 with g**3 = g + 1, and the degrees that GEOADD takes
LON_STEP: Final = 0.7548776662466927
LAT_STEP: Final = 0.5698402909980532
LON_RANGE: Final = 360.0
LAT_RANGE: Final = 170.0
CONTROL_SHARE: Final = 5  # one fifth of the keys is overwritten as a control


class MeasureError(Exception):
    """The server did not do what the scenario says."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    seconds: wall time a load aims at.   min_cpu_s: server CPU time it must at least
    take (0: no such rule).   scale: factor for the numbers of keys.
    """

    program: str
    seconds: float = 2.0
    min_cpu_s: float = 1.0
    scale: float = 1.0
    threads: int = 1

    def keys(self, count: int) -> int:
        """Return a number of keys at this scale; one key stays one key."""
        if count <= 1 or self.scale == 1.0:
            return count
        return max(int(count * self.scale), min(count, FEWEST_KEYS))


# --- Load ---


@dataclass(frozen=True)
class Counters:
    """What a server has counted so far; None where it does not say."""

    calls: int | None
    refused: int | None
    misses: int | None
    keys: int

    @classmethod
    def read(cls, server: RunningServer, command: str) -> Counters:
        """Ask the server."""
        stats: dict[str, Any] = server.info("commandstats")
        entry = stats.get(f"cmdstat_{command}")
        calls = refused = None
        if isinstance(entry, dict):
            calls = int(entry["calls"])
            refused = int(entry.get("rejected_calls", 0))
            refused += int(entry.get("failed_calls", 0))
        elif any(name.startswith("cmdstat_") for name in stats):
            calls = refused = 0  # it counts, and this command was not yet sent
        misses = server.info("stats").get("keyspace_misses")
        return cls(
            calls,
            refused,
            None if misses is None else int(misses),
            int(server.ask("DBSIZE")),
        )


def prepare(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    tick: Callable[[], None],
) -> None:
    """Store the keys and members that a load scenario wants to find."""
    if scenario.adds:
        add_members(server, scenario, settings, tick)
    count = settings.keys(scenario.preload)
    if count:
        value = (
            SHORT_VALUE.encode()
            if scenario.value_size == len(SHORT_VALUE)
            else b"x" * scenario.value_size
        )
        with Stream(HOST, server.port) as stream:
            stream.fill(set_batches(0, count, value), tick)
    fields = settings.keys(scenario.fields)
    if fields:
        with Stream(HOST, server.port) as stream:
            key, value = FIXED_KEY.encode(), SHORT_VALUE.encode()
            stream.fill(field_batches(key, fields, value), tick)


def add_members(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    tick: Callable[[], None],
) -> int:
    """Add the members that a scenario wants in a collection; return how many."""
    name, key, *fields = scenario.adds
    count = settings.keys(scenario.members)
    if name == "XADD":  # one entry a command
        with Stream(HOST, server.port) as stream:
            stream.fill(entry_batches(scenario.adds, count), tick)
        if int(server.ask("XLEN", key)) != count:
            raise MeasureError(f"{server.name} did not store {count} entries")
        return count
    for start in range(0, count, ADD_BATCH):
        numbers = range(start, min(start + ADD_BATCH, count))
        server.ask(name, key, *(_numbered(f, n) for n in numbers for f in fields))
        tick()
    return count


def _numbered(field: str, n: int) -> str:
    """Return what a field of Scenario.adds is for member n.

    Places follow the R2 sequence (M. Roberts, The unreasonable effectiveness of
    quasirandom sequences), which is even and needs no random numbers.
    """
    if field == "__lon__":
        return f"{(n * LON_STEP % 1 - 0.5) * LON_RANGE:.6f}"
    if field == "__lat__":
        return f"{(n * LAT_STEP % 1 - 0.5) * LAT_RANGE:.6f}"
    return field.replace("__rand_int__", f"{n:012}")


def calibrate(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    tick: Callable[[], None],
) -> int:
    """Return how many requests make a run of the wanted length; also warms up."""
    if scenario.requests_per_key:
        count = scenario.members or scenario.keyspace
        return int(settings.keys(count) * scenario.requests_per_key)
    slow = scenario.pipeline == 1 or scenario.value_size >= CALIBRATION_LARGE
    trial = CALIBRATION if slow else CALIBRATION_FAST
    report, cpu_ns, _, _ = _load(server, scenario, settings, trial, tick)
    return requests_for(report.rps, cpu_ns / trial, settings)


def requests_for(rps: float, cpu_ns_each: float, settings: Settings) -> int:
    """Return the requests for both the wall time and the least CPU time."""
    wanted = rps * settings.seconds
    if cpu_ns_each > 0:
        wanted = max(wanted, settings.min_cpu_s * 1e9 / cpu_ns_each)
    return int(min(max(wanted, CALIBRATION), MOST_REQUESTS))


def _load(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    requests: int,
    tick: Callable[[], None],
) -> tuple[LoadReport, int, int, int]:
    """Send the load; return the report, CPU ns, ns without a core, wall ns."""
    keys = settings.keys(scenario.keyspace)
    line = command_line(
        settings.program,
        HOST,
        server.port,
        scenario,
        requests,
        keys,
        settings.threads,
    )
    # generous: the slowest servers reach some 10,000 requests a second
    timeout_s = 60.0 + 10 * settings.seconds + requests / 2000
    with subscribers(HOST, server.port, scenario.subscribers, CHANNEL):
        wall, cpu, waited = (
            time.perf_counter_ns(),
            proc.cpu_ns(server.pid),
            proc.waited_ns(server.pid),
        )
        report = run_load(line, timeout_s, server.alive, tick)
        found = (
            report,
            proc.cpu_ns(server.pid) - cpu,
            proc.waited_ns(server.pid) - waited,
            time.perf_counter_ns() - wall,
        )
        _check_subscribers(server, scenario)
    return found


def _check_subscribers(server: RunningServer, scenario: Scenario) -> None:
    """Check that the subscribers have got all messages.

    Raises: MeasureError if the server has closed connections of some, or hears none.
    """
    if scenario.subscribers:
        _, count = server.ask("PUBSUB", "NUMSUB", CHANNEL)
        if int(count) != scenario.subscribers:
            raise MeasureError(
                f"{count} of {scenario.subscribers} subscribers are left: they did "
                f"not read fast enough"
            )


def measure_load(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    requests: int,
    turn: int,
    tick: Callable[[], None],
) -> Sample:
    """Measure a load scenario once.

    Raises: MeasureError, LoadError, ServerError.
    """
    if scenario.requests_per_key:
        prepare(server, scenario, settings, tick)
    before = Counters.read(server, scenario.counted)
    report, cpu_ns, waited_ns, wall_ns = _load(
        server, scenario, settings, requests, tick
    )
    after = Counters.read(server, scenario.counted)
    commands = check_counters(scenario, before, after, report.requests)
    if scenario.expires:
        _check_expires(server)
    return Sample(
        scenario.name,
        server.name,
        turn,
        {
            "cpu_us": cpu_ns / commands / 1000,
            "rps": report.rps,
            "cpu_share": cpu_ns / wall_ns,
            "wait_share": waited_ns / wall_ns,
            "commands": commands,
            "avg_ms": report.avg_ms,
            "p50_ms": report.p50_ms,
            "p99_ms": report.p99_ms,
            "p999_ms": report.percentile(99.9),
            "max_ms": report.max_ms,
        },
    )


def check_counters(
    scenario: Scenario, before: Counters, after: Counters, requests: int
) -> int:
    """Return how many commands the server ran.

    Its own count where it has one: redis-benchmark stops with requests in flight, so
    that the server runs slightly more than were asked for.

    Raises: MeasureError if the server did not do what the scenario says.
    """
    commands = requests
    if before.calls is not None and after.calls is not None:
        commands = after.calls - before.calls
        if commands < requests:
            raise MeasureError(f"{requests} requests, but {commands} commands counted")
    if before.refused is not None and after.refused is not None:
        refused = after.refused - before.refused
        if refused:
            raise MeasureError(f"{refused} of {commands} commands failed")
    if scenario.reads and before.misses is not None and after.misses is not None:
        reads = commands * max(len(scenario.command) - 1, 1)
        missed = (after.misses - before.misses) / reads
        if missed > MISS_SHARE:
            raise MeasureError(f"{missed:.1%} of the keys read were not found")
    if scenario.requests_per_key and not scenario.adds and after.keys >= before.keys:
        raise MeasureError("no key was deleted")
    return commands


def _check_expires(server: RunningServer) -> None:
    """Check that keys have a TTL.

    Raises: MeasureError if INFO keyspace says that none has.
    """
    db = server.info("keyspace").get("db0")
    if isinstance(db, dict) and not int(db.get("expires", 1)):
        raise MeasureError("no key has a TTL")


# --- Memory ---


def measure_memory(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    turn: int,
    tick: Callable[[], None],
) -> Sample:
    """Fill a new server and measure what the keys take.

    Raises: MeasureError, ServerError, StreamError.
    """
    count = settings.keys(scenario.keyspace)
    empty = _settled_memory(server)
    empty_rss = proc.rss_bytes(server.pid)
    if scenario.each:
        batches = command_batches(scenario.each, count)
    else:
        batches = set_batches(0, count, SHORT_VALUE.encode(), ttl=scenario.ttl)
    start = time.perf_counter()
    if scenario.adds:
        count = add_members(server, scenario, settings, tick)
    else:
        with Stream(HOST, server.port) as stream:
            stream.fill(batches, tick)
    took = time.perf_counter() - start
    _check_size(server, 1 if scenario.adds else count)
    if scenario.ttl:
        _check_expires(server)
    full = _settled_memory(server)
    rss = proc.rss_bytes(server.pid)
    return Sample(
        scenario.name,
        server.name,
        turn,
        {
            "bytes_per_key": (full - empty) / count,
            "rss_mb": rss / 2**20,
            "rss_empty_mb": empty_rss / 2**20,
            "rss_per_key": (rss - empty_rss) / count,
            "keys": count,
            "fill_rps": count / took,
        },
    )


def _settled_memory(server: RunningServer) -> int:
    """Return used_memory once it has stopped changing (or SETTLE_S are over)."""
    deadline = time.monotonic() + SETTLE_S
    last = int(server.info("memory")["used_memory"])
    steady = 0
    while steady < STEADY_STEPS and time.monotonic() < deadline:
        time.sleep(SETTLE_STEP_S)
        now = int(server.info("memory")["used_memory"])
        steady = steady + 1 if abs(now - last) <= STEADY_BYTES else 0
        last = now
    return last


def _check_size(server: RunningServer, count: int) -> None:
    """Check that the server holds so many keys.

    Raises: MeasureError if it does not.
    """
    held = int(server.ask("DBSIZE"))
    if held != count:
        raise MeasureError(f"{count} keys were stored, but DBSIZE says {held}")


# --- Latency ---

# Upper ends of the histogram's rows, in ms.
EDGES_MS: Final = (
    *(0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
    *(100.0, 200.0, 500.0, 1000.0, float("inf")),
)


def histogram(times_ns: Iterable[int]) -> list[tuple[float, int]]:
    """Return (upper end in ms, batches) of every row that is not empty.

    The last row's end is the slowest batch, if it is beyond all ends.
    """
    counts = dict.fromkeys(EDGES_MS, 0)
    slowest = 0.0
    for time_ns in times_ns:
        ms = time_ns / 1e6
        slowest = max(slowest, ms)
        counts[next(edge for edge in EDGES_MS if ms <= edge)] += 1
    return [
        (slowest if edge == EDGES_MS[-1] else edge, n)
        for edge, n in counts.items()
        if n
    ]


def measure_latency(
    server: RunningServer,
    scenario: Scenario,
    settings: Settings,
    turn: int,
    tick: Callable[[], None],
) -> Sample:
    """Store keys in a new server in small timed batches.

    Afterwards keys that exist are overwritten in the same way, as a control: there
    the table does not grow, so its slowest batch is what the machine itself adds. The
    most CPU time that the server took for a batch is not touched by the machine's
    pauses at all, but it leaves out time in which the server waited for something.

    Raises: MeasureError, ServerError, StreamError.
    """
    count = settings.keys(scenario.keyspace)
    value = SHORT_VALUE.encode()
    waited = proc.waited_ns(server.pid)
    start = time.perf_counter_ns()
    with Stream(HOST, server.port) as stream:
        times, worked = stream.probe(
            set_batches(0, count, value, batch=PROBE_BATCH),
            lambda: proc.cpu_ns(server.pid),
        )
        tick()
        wall_ns = time.perf_counter_ns() - start
        waited = proc.waited_ns(server.pid) - waited
        _check_size(server, count)
        again = max(count // CONTROL_SHARE, 1)
        control, _ = stream.probe(set_batches(0, again, value, batch=PROBE_BATCH))
    rising = [(ns / 1e6, rank) for rank, ns in enumerate(sorted(times), 1)]
    return Sample(
        scenario.name,
        server.name,
        turn,
        {
            "worst_ms": rising[-1][0],
            "worst_cpu_ms": max(worked) / 1e6,
            "p50_ms": percentile(rising, 50),
            "p99_ms": percentile(rising, 99),
            "p999_ms": percentile(rising, 99.9),
            "control_worst_ms": max(control) / 1e6,
            "wait_share": waited / wall_ns,
            "rps": count / (wall_ns / 1e9),
            "keys": count,
        },
        histogram=histogram(times),
    )
