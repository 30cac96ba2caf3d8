# SPDX-License-Identifier: BSD-3-Clause
"""The tables, as text for a terminal or as Markdown for a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastredis.cli.benchmark.results import Results, Spread, Verdict
    from fastredis.cli.benchmark.scenarios import Scenario

Style = Literal["text", "markdown"]

LOAD_LEGEND: Final = (
    "CPU us: server CPU time (user + system) per command, median and range of the "
    "rounds.",
    "core: share of the server's core in use; below 100 % the load program was the "
    "bottleneck, and req/s says little.",
)
LATENCY_LEGEND: Final = (
    "worst ms: the slowest of all batches of 16 SETs, as the client saw it; control "
    "ms: the same while existing keys are overwritten, which is what the machine adds.",
    "worst CPU ms: the most CPU time that the server spent on one batch.",
)
LEGEND: Final = (
    "vs: this server's figure / the reference's, per round: median and range; less "
    "is better.",
    "A question mark: at least one round is on the other side of the target.",
)

# --- Tables in general ---


class Table:
    """Rows of strings under a header; the first two columns are names."""

    def __init__(self, header: Sequence[str]) -> None:
        self.header = list(header)
        self.rows: list[list[str]] = []

    def add(self, *cells: str) -> None:
        """Append a row.

        Raises: ValueError if it is not as long as the header.
        """
        if len(cells) != len(self.header):
            raise ValueError(f"{len(cells)} cells under {len(self.header)} headings")
        self.rows.append(list(cells))

    def render(self, style: Style) -> str:
        """Return the table's lines."""
        return self._markdown() if style == "markdown" else self._text()

    def _text(self) -> str:
        """Return aligned columns, a rule under the header."""
        widths = [max(map(len, column)) for column in zip(*self._all(), strict=True)]
        lines = []
        for row in [self.header, ["-" * width for width in widths], *self.rows]:
            cells = [
                cell.ljust(width) if place < 2 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def _markdown(self) -> str:
        """Return a pipe table."""
        rule = [":--" if place < 2 else "--:" for place in range(len(self.header))]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self._all()]
        return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])

    def _all(self) -> list[list[str]]:
        """Return the header and the rows."""
        return [self.header, *self.rows]


def number(value: float) -> str:
    """Return a figure with about three significant digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def ratio(value: float) -> str:
    """Return a ratio with two decimals."""
    return f"{value:.2f}"


def spread_text(spread: Spread | None, form: Callable[[float], str] = number) -> str:
    """Return ``median (low-high)``, a dash for nothing."""
    if spread is None:
        return "-"
    text, low, high = form(spread.median), form(spread.low), form(spread.high)
    return text if low == high else f"{text} ({low}-{high})"


def _middle(results: Results, scenario: str, server: str, metric: str) -> str:
    """Return the median of a metric, a dash if there is none."""
    spread = results.spread(scenario, server, metric)
    return number(spread.median) if spread else "-"


def _against(results: Results) -> list[str]:
    """Return the names of the ratio columns."""
    names = results.references
    return [*names, "better"] if len(names) > 1 else names


def _ratios(results: Results, scenario: Scenario, server: str) -> list[str]:
    """Return the ratio columns of a row; the references' rows leave them empty."""
    if server != results.subject:
        return [""] * len(_against(results))
    metric = scenario.targets[0].metric
    return [
        spread_text(results.ratio(scenario.name, server, name, metric), ratio)
        for name in _against(results)
    ]


def _targets(results: Results, scenario: Scenario, server: str) -> list[str]:
    """Return a row's last two columns: the targets, and whether they are met."""
    if server != results.subject:
        return ["", ""]
    limits = "; ".join(f"{target.limit:g}" for target in scenario.targets)
    return [limits, "; ".join(v.text for v in results.verdicts(scenario)) or "-"]


# --- The three kinds ---


def load_table(results: Results, scenarios: Sequence[Scenario]) -> Table:
    """Return the table of the load scenarios."""
    table = Table(
        [
            *("scenario", "server", "req/s", "CPU us", "core"),
            *("p50 ms", "p99 ms", "p99.9 ms"),
            *(f"vs {name}" for name in _against(results)),
            *("target", "verdict"),
        ]
    )
    for scenario in scenarios:
        for server in results.servers:
            share = results.spread(scenario.name, server, "cpu_share")
            table.add(
                scenario.name,
                server,
                _middle(results, scenario.name, server, "rps"),
                spread_text(results.spread(scenario.name, server, "cpu_us")),
                f"{share.median:.0%}" if share else "-",
                *(
                    _middle(results, scenario.name, server, metric)
                    for metric in ("p50_ms", "p99_ms", "p999_ms")
                ),
                *_ratios(results, scenario, server),
                *_targets(results, scenario, server),
            )
    return table


def memory_table(results: Results, scenarios: Sequence[Scenario]) -> Table:
    """Return the table of the memory scenarios."""
    table = Table(
        [
            *("scenario", "server", "bytes/key", "RSS MB"),
            *("RSS empty MB", "RSS bytes/key", "RSS vs valkey", "targets", "verdicts"),
        ]
    )
    for scenario in scenarios:
        for server in results.servers:
            rss = ""
            if server == results.subject and "valkey" in results.references:
                rss = spread_text(
                    results.ratio(scenario.name, server, "valkey", "rss_mb"), ratio
                )
            table.add(
                scenario.name,
                server,
                *(
                    _middle(results, scenario.name, server, metric)
                    for metric in (
                        "bytes_per_key",
                        "rss_mb",
                        "rss_empty_mb",
                        "rss_per_key",
                    )
                ),
                rss,
                *_targets(results, scenario, server),
            )
    return table


def latency_table(results: Results, scenarios: Sequence[Scenario]) -> Table:
    """Return the table of the latency scenarios."""
    table = Table(
        [
            *("scenario", "server", "worst ms", "control ms", "worst CPU ms"),
            *("p50 ms", "p99 ms", "p99.9 ms"),
            *(f"vs {name}" for name in _against(results)),
            *("targets", "verdicts"),
        ]
    )
    for scenario in scenarios:
        for server in results.servers:
            table.add(
                scenario.name,
                server,
                *(
                    spread_text(results.spread(scenario.name, server, metric))
                    for metric in ("worst_ms", "control_worst_ms", "worst_cpu_ms")
                ),
                *(
                    _middle(results, scenario.name, server, metric)
                    for metric in ("p50_ms", "p99_ms", "p999_ms")
                ),
                *_ratios(results, scenario, server),
                *_targets(results, scenario, server),
            )
    return table


def histogram_table(results: Results, scenario: Scenario) -> Table:
    """Return how many batches took how long, all rounds together.

    A row holds the batches between the end before it and its own. The slowest batch
    of a server may be beyond the last fixed end; its row is then its own time.
    """
    columns: dict[str, dict[float, int]] = {}
    for server in results.servers:
        column = columns.setdefault(server, {})
        for sample in results.of(scenario.name, server):
            for edge, count in sample.histogram:
                column[edge] = column.get(edge, 0) + count
    table = Table([scenario.name, "up to ms", *results.servers])
    for edge in sorted({edge for column in columns.values() for edge in column}):
        counts = [columns[server].get(edge, 0) for server in results.servers]
        table.add("", f"{edge:g}", *(f"{count:,}" if count else "" for count in counts))
    return table


# --- The whole report ---


def facts(about: dict[str, Any]) -> list[str]:
    """Return the lines that say what was measured, where and how."""
    machine = about.get("machine", {})
    settings = about.get("settings", {})
    lines = [
        f"{machine.get('cpu', machine.get('architecture', '?'))}, "
        f"{machine.get('cpus', '?')} cores, {machine.get('memory_gb', '?')} GB, "
        f"{machine.get('system', '?')}, {about.get('started', '?')}",
    ]
    for server in about.get("server_facts", []):
        allocator = server.get("allocator")
        lines.append(
            f"{server['name']}: {server.get('program', '?')} "
            f"{server.get('version', '')}".rstrip()
            + (f", allocator {allocator}" if allocator else "")
        )
    lines.append(
        f"{settings.get('rounds', '?')} rounds of {settings.get('seconds', '?')} s, "
        f"server on core {settings.get('server_cpu', '?')}, "
        f"load on core {settings.get('client_cpu', '?')}, "
        f"{about.get('load_program', 'redis-benchmark')}"
    )
    if settings.get("scale", 1.0) != 1.0:
        lines.append(
            f"numbers of keys scaled by {settings['scale']:g}: a trial, not the "
            "scenarios as they are named"
        )
    if about.get("interrupted"):
        lines.append("interrupted: what follows is incomplete")
    return lines


def problems(results: Results) -> list[str]:
    """Return what a reader must know before trusting the figures."""
    lines = [
        f"{sample.scenario}, {sample.server}, round {sample.round}: "
        + sample.error.splitlines()[0]
        for sample in results.errors()
    ]
    disturbed = results.disturbed()
    if disturbed:
        worst = max(disturbed, key=lambda sample: sample.figures["wait_share"])
        lines.append(
            f"something else ran on the server's core in {len(disturbed)} of "
            f"{len(results.samples)} measurements; worst: {worst.scenario}, "
            f"{worst.server}, round {worst.round}, "
            f"{worst.figures['wait_share']:.0%} of the time"
        )
    return lines


def unmet(verdicts: Sequence[Verdict]) -> bool:
    """Tell whether a target was missed."""
    return any(not verdict.passed for verdict in verdicts)


def render(
    results: Results,
    scenarios: Sequence[Scenario],
    about: dict[str, Any],
    style: Style,
) -> str:
    """Return the whole report."""
    bullet = "- " if style == "markdown" else ""
    parts = ["\n".join(bullet + line for line in facts(about))]
    kinds = {
        kind: [s for s in scenarios if s.kind == kind and _measured(results, s)]
        for kind in ("load", "memory", "latency")
    }
    if kinds["load"]:
        parts.append(load_table(results, kinds["load"]).render(style))
    if kinds["memory"]:
        parts.append(memory_table(results, kinds["memory"]).render(style))
    if kinds["latency"]:
        parts.append(latency_table(results, kinds["latency"]).render(style))
        parts += [histogram_table(results, s).render(style) for s in kinds["latency"]]
    notes = problems(results)
    if kinds["load"]:
        notes += LOAD_LEGEND
    if kinds["latency"]:
        notes += LATENCY_LEGEND
    notes += LEGEND
    parts.append("\n".join(bullet + line for line in notes))
    return "\n\n".join(parts) + "\n"


def _measured(results: Results, scenario: Scenario) -> bool:
    """Tell whether there is any sample of a scenario."""
    return any(sample.scenario == scenario.name for sample in results.samples)
