# SPDX-License-Identifier: BSD-3-Clause
"""Run the official Tcl test suite of Redis 8.0.2 against fastredis-server.

    python tests/official/run.py                          the units of units.txt
    python tests/official/run.py unit/type/string         this unit
    python tests/official/run.py --only 'SET 10000 numeric keys' unit/keyspace
    python tests/official/run.py --write-expected         renew the list

A test that fails must be listed in expected-failures.tsv with a reason, and a
listed one must fail. Exit status: 0 if all is as expected, 1 if not, 2 if the
suite cannot be run here.

Environment: FASTREDIS_SUITE_CACHE (the suite and the results; default: a folder
fastredis-suite in the user's cache folder).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from official import certificates, expected, harness, obtain
from official.adapt import AdaptError
from official.expected import Surprise
from official.harness import ERR, OK, SKIP, Limits, Result, UnitRun, WorkCopy

# Tests of what only the redis-cli of a newer release can do. Most read, without a
# limit, what an older one never prints. A slash: a regular expression.
NEEDS_NEWER_CLI = {
    "integration/redis-cli": (
        "/^Interactive CLI: (should |upon submitting search|db_num showed)",
        "/^Interactive (non-TTY )?CLI: Subscribed mode",
        "/Test command-line hinting",
    ),
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("units", nargs="*", metavar="unit", help="default: those of units.txt")
    add(
        "--server",
        metavar="CMD",
        help="command run in place of redis-server, one shell-quoted string "
        "(default: the fastredis-server beside this Python, or on PATH)",
    )
    add("--jobs", type=int, default=1, help="units that run at a time (default 1)")
    add(
        "--retry",
        type=int,
        default=0,
        metavar="N",
        help="run a unit with surprises again, alone, up to N times; what does not "
        "happen each time is reported as unstable, not as a failure",
    )
    add("--only", action="append", default=[], metavar="TEST", help="only this test")
    add(
        "--tags",
        metavar="LIST",
        help="the suite's tags to run or, with a minus sign, not: -slow,-needs:debug",
    )
    add(
        "--write-expected",
        action="store_true",
        help="renew expected-failures.tsv from this run: reasons that are known stay, "
        "new lines get a question mark to be replaced",
    )
    add("--timeout", type=int, default=Limits.unit, help="seconds for a unit")
    add("--reply-timeout", type=int, default=Limits.reply, help="seconds for a reply")
    add("--tarball", type=Path, help=f"take the suite from this {obtain.TARBALL}")
    add("--list", action="store_true", help="print the names of all units and stop")
    add(
        "--keep", action="store_true", help="keep working copies, servers' logs in them"
    )
    add("-v", "--verbose", action="store_true", help="print each test's result")
    arguments = parser.parse_args()
    if arguments.write_expected and (arguments.only or arguments.tags):
        parser.error("--write-expected needs whole units: no --only, no --tags")
    return arguments


def server_command(given: str | None) -> list[str]:
    """Return the server's command with its program as a path that holds anywhere.

    Raises: HarnessError if there is no such program.
    """
    words = shlex.split(given or "fastredis-server")
    program = words[0] if "/" in words[0] else shutil.which(words[0])
    if not given:
        beside = Path(sys.executable).with_name(words[0])
        program = str(beside) if beside.exists() else program
    if not program or not os.access(program, os.X_OK):
        raise harness.HarnessError(f"no such server command: {words[0]}")
    return [os.path.abspath(program), *words[1:]]


def skip_options(unit: str) -> list[str]:
    """Return the suite's options that leave out what needs newer tools."""
    return [
        word for test in NEEDS_NEWER_CLI.get(unit, ()) for word in ("--skiptest", test)
    ]


class Runner:
    """One run over some units: where its results go, and how it is set up."""

    def __init__(self, arguments: argparse.Namespace, copies: list[WorkCopy]) -> None:
        self.limits = Limits(arguments.timeout, arguments.reply_timeout)
        self.options = [word for test in arguments.only for word in ("--only", test)]
        if arguments.tags:
            self.options += ["--tags", arguments.tags]
        if arguments.keep:
            self.options += ["--dont-clean"]
        self.is_partial = bool(arguments.only or arguments.tags)
        self.is_verbose = arguments.verbose
        self.retries = arguments.retry
        self.copies = copies
        self.free: SimpleQueue[WorkCopy] = SimpleQueue()
        for copy in copies:
            self.free.put(copy)
        self.known = expected.read()
        self.listed = expected.read_units()
        self.folder = results_folder(obtain.cache_dir())
        self.results: dict[str, dict[str, Result]] = {}
        self.passed: dict[str, int] = {}

    def run_unit(self, unit: str, suffix: str = "") -> UnitRun:
        """Run one unit in a free working copy."""
        copy = self.free.get()
        try:
            log = self.folder / (unit.replace("/", "_") + suffix + ".log")
            options = [*self.options, *skip_options(unit)]
            over_tls = self.is_over_tls(unit)
            return copy.run(unit, log, self.limits, options, over_tls)
        finally:
            self.free.put(copy)

    def is_over_tls(self, unit: str) -> bool:
        """Tell whether the list of units wants this one to run over TLS."""
        return unit in self.listed and self.listed[unit].over_tls

    def run_all(self, units: list[str]) -> list[Surprise]:
        """Run all units; print, and return what is not as expected."""
        surprises = {}
        with ThreadPoolExecutor(len(self.copies)) as pool:
            try:
                for run in pool.map(self.run_unit, units):
                    surprises[run.unit] = self.judge(run)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for copy in self.copies:
                    copy.stop()
                raise
        for unit in units:
            for attempt in range(1, self.retries + 1):
                if not surprises[unit]:
                    break
                print(f"# {unit} again, for {len(surprises[unit])} surprises")
                again = self.judge(self.run_unit(unit, f".retry{attempt}"))
                lasting = expected.still_there(surprises[unit], again)
                for surprise in surprises[unit] + again:
                    if surprise.name not in {each.name for each in lasting}:
                        print(f"unstable: {unit}: {surprise.name} ({surprise.kind})")
                surprises[unit] = lasting
        return [surprise for unit in units for surprise in surprises[unit]]

    def judge(self, run: UnitRun) -> list[Surprise]:
        """Record and print the run of a unit; return its surprises."""
        size = None
        if run.unit in self.listed and not self.is_partial:
            size = self.listed[run.unit].tests
        results = expected.outcomes(run, size)
        surprises = expected.compare(run.unit, results, self.known)
        if self.is_partial:  # what was left out says nothing about the list
            surprises = [
                each
                for each in surprises
                if each.name in results and each.kind != "missing"
            ]
        self.results[run.unit] = results
        self.passed[run.unit] = run.count(OK)
        failing = [result for result in results.values() if result.status == ERR]
        if self.is_verbose:
            for result in run.results:
                print(f"{result.status:4} {run.unit}: {result.name}")
        print(
            f"{run.unit:18} {run.count(OK):3} passed {len(failing):3} failed "
            f"({len(surprises)} surprises) {run.count(SKIP):3} skipped "
            f"{run.seconds:6.1f} s",
            flush=True,
        )
        return surprises

    def write_results(self) -> None:
        """Write one line for each test to results.tsv in the results folder."""
        with (self.folder / "results.tsv").open("w", encoding="utf-8") as table:
            table.write("unit\ttest\tstatus\tdetail\n")
            for unit, results in self.results.items():
                for result in results.values():
                    detail = " ".join(" ".join(result.detail).split())
                    row = (unit, result.name, result.status, detail)
                    table.write("\t".join(row) + "\n")


def results_folder(cache: Path) -> Path:
    """Make a new folder for the logs and results of this run."""
    stem = time.strftime("%Y%m%d-%H%M%S")
    folder = cache / "results" / f"{stem}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def work_copies(arguments: argparse.Namespace, count: int) -> Iterator[list[WorkCopy]]:
    """Obtain the suite and make so many working copies of it."""
    cache = obtain.cache_dir()
    suite = obtain.obtain(cache, arguments.tarball)
    command = ["true"] if arguments.list else server_command(arguments.server)
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                harness.work_copy(suite, cache, command, arguments.keep)
            )
            for _ in range(count)
        ]


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    arguments = parse_arguments()
    # so that a kill runs the clean-up, too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    units = arguments.units or list(expected.read_units())
    with work_copies(arguments, max(1, min(arguments.jobs, len(units)))) as copies:
        every = copies[0].units()
        if arguments.list:
            print("\n".join(every))
            return 0
        for unit in units:
            if unit not in every:
                raise harness.HarnessError(f"the suite has no unit {unit}")
        for tool in copies[0].missing_tools:
            print(f"# {tool} is not installed; some units need it")
        runner = Runner(arguments, copies)
        if any(map(runner.is_over_tls, units)):
            certificates.check_tools(copies[0].tclsh)
        surprises = runner.run_all(units)
        runner.write_results()
        if arguments.keep:
            print("# working copies:", *(copy.path for copy in copies))
    print(f"# logs and results.tsv: {runner.folder}")
    if arguments.write_expected:
        expected.write(expected.renewed(runner.known, runner.results))
        print(f"# written: {expected.LIST}")
    for surprise in surprises:
        print(surprise)
    print(f"{sum(runner.passed.values())} passed, {len(surprises)} failed")
    return 1 if surprises and not arguments.write_expected else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (
        AdaptError,
        certificates.CertificateError,
        expected.ListError,
        harness.HarnessError,
        obtain.ObtainError,
    ) as error:
        print(f"run.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
