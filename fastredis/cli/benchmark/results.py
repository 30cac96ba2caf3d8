# SPDX-License-Identifier: BSD-3-Clause
"""Samples and what follows from them: spreads, ratios per round, verdicts.

A sample is one scenario on one server in one round. Servers are compared within a
round, where they ran minutes apart at most, and the median of the rounds' ratios is
the result; a machine that slows down for a while then shifts both sides alike. For
every metric that is compared, less is better.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastredis.cli.benchmark.scenarios import Scenario, Target

FORMAT: Final = 1  # of the JSON document
DISTURBED_SHARE: Final = 0.05  # of the time ready to run, but without a core


@dataclass
class Sample:
    """One measurement; figures are empty if error is not."""

    scenario: str
    server: str
    round: int
    figures: dict[str, float] = field(default_factory=dict)
    error: str = ""
    histogram: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Spread:
    """The median of several values, and the ends of their range."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Return the spread of values, None if there are none."""
        known = list(values)
        if not known:
            return None
        return cls(median(known), min(known), max(known))


@dataclass(frozen=True)
class Verdict:
    """A target, what was measured against it, and whether it was met.

    clear: every round says the same.
    """

    target: Target
    measured: Spread
    passed: bool
    clear: bool

    @property
    def text(self) -> str:
        """``pass`` or ``FAIL``, with a question mark if the rounds disagree."""
        return ("pass" if self.passed else "FAIL") + ("" if self.clear else " ?")


class Results:
    """All samples of a run, in the order in which they were taken.

    servers: names in the order of the tables.   subject: the server that the targets
    are for; the others are its references.
    """

    def __init__(
        self, servers: Sequence[str], subject: str, samples: Iterable[Sample] = ()
    ) -> None:
        self.servers = list(servers)
        self.subject = subject
        self.samples = list(samples)

    @property
    def references(self) -> list[str]:
        """The servers that the subject is compared with."""
        return [name for name in self.servers if name != self.subject]

    def add(self, sample: Sample) -> None:
        """Keep a sample."""
        self.samples.append(sample)

    def of(self, scenario: str, server: str) -> list[Sample]:
        """Return the samples of one scenario on one server, failures included."""
        return [s for s in self.samples if (s.scenario, s.server) == (scenario, server)]

    def by_round(self, scenario: str, server: str, metric: str) -> dict[int, float]:
        """Return a metric's value in each round that has it."""
        return {
            s.round: s.figures[metric]
            for s in self.of(scenario, server)
            if metric in s.figures
        }

    def spread(self, scenario: str, server: str, metric: str) -> Spread | None:
        """Return the median and range of a metric over the rounds."""
        return Spread.of(self.by_round(scenario, server, metric).values())

    def ratio(
        self, scenario: str, server: str, against: str, metric: str
    ) -> Spread | None:
        """Return the spread of server / reference, taken round by round.

        against: a server, or ``better`` for the reference that is lowest in a round.
        Rounds in which a side is missing do not count; None if none is left.
        """
        mine = self.by_round(scenario, server, metric)
        names = self.references if against == "better" else [against]
        theirs = [self.by_round(scenario, name, metric) for name in names]
        ratios = []
        for turn, value in mine.items():
            # "the better one" means nothing in a round where one of them is missing
            others = [values[turn] for values in theirs if turn in values]
            if others and len(others) == len(theirs) and min(others) > 0:
                ratios.append(value / min(others))
        return Spread.of(ratios)

    def verdicts(self, scenario: Scenario) -> list[Verdict]:
        """Return how the subject stands against each target that can be judged."""
        found = []
        for target in scenario.targets:
            if target.against == "absolute":
                measured = self.spread(scenario.name, self.subject, target.metric)
            elif target.against in ("better", *self.references):
                measured = self.ratio(
                    scenario.name, self.subject, target.against, target.metric
                )
            else:
                measured = None
            if measured is not None:
                passed = measured.median <= target.limit
                edge = measured.high if passed else measured.low
                clear = (edge <= target.limit) == passed
                found.append(Verdict(target, measured, passed, clear))
        return found

    def errors(self) -> list[Sample]:
        """Return the samples that failed."""
        return [sample for sample in self.samples if sample.error]

    def disturbed(self) -> list[Sample]:
        """Return the samples during which something else had the server's core."""
        return [
            sample
            for sample in self.samples
            if sample.figures.get("wait_share", 0.0) > DISTURBED_SHARE
        ]


# --- JSON ---


def to_document(
    results: Results, scenarios: Sequence[Scenario], about: dict[str, Any]
) -> dict[str, Any]:
    """Return everything as a JSON value: what ran, each sample, what follows."""
    summary = []
    for scenario in scenarios:
        servers = {}
        for server in results.servers:
            metrics = sorted(
                {name for s in results.of(scenario.name, server) for name in s.figures}
            )
            spreads = {m: results.spread(scenario.name, server, m) for m in metrics}
            servers[server] = {m: asdict(s) for m, s in spreads.items() if s}
        metric = scenario.targets[0].metric
        ratios = {
            name: results.ratio(scenario.name, results.subject, name, metric)
            for name in results.references
        }
        summary.append(
            {
                "scenario": scenario.name,
                "about": scenario.summary,
                "servers": servers,
                "metric": metric,
                "ratios": {name: asdict(s) for name, s in ratios.items() if s},
                "verdicts": [
                    {
                        **asdict(verdict.target),
                        "measured": asdict(verdict.measured),
                        "passed": verdict.passed,
                        "clear": verdict.clear,
                    }
                    for verdict in results.verdicts(scenario)
                ],
            }
        )
    return {
        "format": FORMAT,
        **about,
        "servers": results.servers,
        "subject": results.subject,
        "scenarios": [scenario.name for scenario in scenarios],
        "summary": summary,
        "samples": [asdict(sample) for sample in results.samples],
    }


def from_document(document: dict[str, Any]) -> Results:
    """Return the results in a document that to_document made.

    Raises: ValueError if it is another kind of document.
    """
    if document.get("format") != FORMAT:
        raise ValueError(f"not results of this program (format {FORMAT})")
    try:
        samples = [
            Sample(
                scenario=str(raw["scenario"]),
                server=str(raw["server"]),
                round=int(raw["round"]),
                figures={str(k): float(v) for k, v in raw["figures"].items()},
                error=str(raw["error"]),
                histogram=[(float(edge), int(n)) for edge, n in raw["histogram"]],
            )
            for raw in document["samples"]
        ]
        return Results(document["servers"], document["subject"], samples)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the results are incomplete: {error!r}") from error
