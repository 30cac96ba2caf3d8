# SPDX-License-Identifier: BSD-3-Clause
"""The chart: one group of bars per figure, drawn as SVG.

    get_p16          fastredis  |#########|                   0.50 us
    CPU us/command   redis      |##################           1.16 us
                     valkey     |####################         1.29 us
                                0        0.5       1.0

A bar is the figure divided by the better reference's in the same round (median); the
thin line is the range of the rounds, the red mark the target. Shorter is better.
Scenarios differ by a factor of fifty in absolute terms, hence the common scale; the
absolute figure is written beside each bar. A PNG is made from the SVG by cairosvg or
by the program rsvg-convert, whichever is there.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from fastredis.cli.benchmark.report import number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fastredis.cli.benchmark.results import Results, Spread
    from fastredis.cli.benchmark.scenarios import Scenario, Target

_COLOURS: Final = ("#2563a8", "#9aa5b1", "#cdb892", "#8fb09a", "#b39cc0", "#6b7280")
_METRICS: Final = {
    "cpu_us": ("CPU per command", "µs"),
    "bytes_per_key": ("memory per key", "bytes"),
    "rss_mb": ("resident memory", "MB"),
    "worst_ms": ("slowest batch", "ms"),
    "worst_cpu_ms": ("most CPU for a batch", "ms"),
}

# sizes in pixels
_WIDTH: Final = 860
_LEFT: Final = 250  # where the bars begin
_RIGHT: Final = 700  # where the scale ends; figures are written beyond
_BAR: Final = 13
_STEP: Final = 17
_GAP: Final = 16  # between groups
_TOP: Final = 58
_BOTTOM: Final = 40
_LONGEST: Final = 3.0  # ratios beyond are cut off


class Group:
    """The bars of one scenario's figure."""

    def __init__(self, results: Results, scenario: Scenario, target: Target) -> None:
        self.name = scenario.name
        self.label, self.unit = _METRICS.get(target.metric, (target.metric, ""))
        against = "better" if results.references else results.subject
        self.bars: list[tuple[str, Spread | None, Spread]] = []
        for server in results.servers:
            figure = results.spread(scenario.name, server, target.metric)
            if figure is not None:
                ratio = results.ratio(scenario.name, server, against, target.metric)
                self.bars.append((server, ratio, figure))
        self.target = self._target_ratio(results, scenario.name, target)

    def _target_ratio(
        self, results: Results, scenario: str, target: Target
    ) -> float | None:
        """Return where the target lies on a scale where the better reference is 1."""
        if target.against == "better":
            return target.limit if results.references else None
        if target.against == "absolute":
            for _, ratio, figure in self.bars:
                if ratio is not None and figure.median > 0:
                    return target.limit * ratio.median / figure.median
            return None
        base = results.ratio(scenario, target.against, "better", target.metric)
        known = target.against in results.references
        return target.limit * base.median if base and known else None


def groups(results: Results, scenarios: Sequence[Scenario]) -> list[Group]:
    """Return the groups that have bars, in the order of the scenarios."""
    found = [
        Group(results, scenario, target)
        for scenario in scenarios
        for target in scenario.targets
    ]
    return [group for group in found if group.bars]


def svg(results: Results, scenarios: Sequence[Scenario], caption: str) -> str:
    """Return the chart as an SVG document."""
    drawn = groups(results, scenarios)
    longest = max(
        (
            max(ratio.high if ratio else 0.0, group.target or 0.0)
            for group in drawn
            for _, ratio, _ in group.bars
        ),
        default=1.0,
    )
    scale_end = min(max(longest * 1.05, 1.1), _LONGEST)
    height = _TOP + sum(_group_height(group) for group in drawn) + _BOTTOM
    body = [_rect(0, 0, _WIDTH, height, "#ffffff")]
    body.append(_text(16, 26, "Cost relative to the better reference", size=17))
    body.append(_text(16, 44, "shorter is better; red mark: target", colour="#555555"))
    body += _legend(results.servers)
    body += _scale(scale_end, height)
    y = _TOP
    for group in drawn:
        body += _draw(group, y, scale_end, results.servers)
        y += _group_height(group)
    body.append(_text(16, height - 12, caption, size=10, colour="#555555"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="Helvetica, Arial, sans-serif">\n'
        "<title>fastredis-benchmark: cost relative to the better reference</title>\n"
        f"<desc>{escape(caption)}</desc>\n" + "\n".join(body) + "\n</svg>\n"
    )


def _group_height(group: Group) -> int:
    """Return the height of a group with the gap after it."""
    return max(len(group.bars), 2) * _STEP + _GAP


def _x(ratio: float, scale_end: float) -> float:
    """Return the horizontal place of a ratio."""
    return _LEFT + min(ratio / scale_end, 1.0) * (_RIGHT - _LEFT)


def _scale(scale_end: float, height: int) -> list[str]:
    """Return the vertical lines and their numbers."""
    step = 0.25 if scale_end <= 2 else 0.5
    parts = []
    for place in range(int(scale_end / step) + 1):
        ratio = place * step
        x = _x(ratio, scale_end)
        strong = ratio == 1.0
        parts.append(
            _line(x, _TOP - 6, x, height - _BOTTOM, "#888888" if strong else "#e2e2e2")
        )
        parts.append(
            _text(x, height - _BOTTOM + 13, f"{ratio:g}", size=10, anchor="middle")
        )
    return parts


def _legend(servers: Sequence[str]) -> list[str]:
    """Return the coloured names at the top."""
    parts = []
    x = float(_LEFT + 110)
    for place, server in enumerate(servers):
        parts.append(_rect(x, 36, 10, 10, _colour(place)))
        parts.append(_text(x + 14, 45, server, size=11))
        x += 30 + 7 * len(server)
    return parts


def _draw(group: Group, y: int, scale_end: float, servers: Sequence[str]) -> list[str]:
    """Return the labels and bars of a group."""
    parts = [
        _text(16, y + 11, group.name, size=12),
        _text(16, y + 11 + _STEP, group.label, size=10, colour="#555555"),
    ]
    for place, (server, ratio, figure) in enumerate(group.bars):
        top = y + place * _STEP
        parts.append(
            _text(_LEFT - 6, top + 10, server, size=10, anchor="end", colour="#333333")
        )
        end = float(_LEFT)
        if ratio is not None:
            end = _x(ratio.median, scale_end)
            colour = _colour(servers.index(server))
            parts.append(_rect(_LEFT, top, end - _LEFT, _BAR, colour))
            low, high = _x(ratio.low, scale_end), _x(ratio.high, scale_end)
            middle = top + _BAR / 2
            if high - low >= 1:
                parts.append(_line(low, middle, high, middle, "#111111"))
            end = max(end, high)
        label = f"{number(figure.median)} {group.unit}".rstrip()
        if ratio is not None and ratio.median > scale_end:
            label += f" (x{number(ratio.median)})"
        parts.append(_text(end + 6, top + 10, label, size=10))
    if group.target is not None and group.target <= scale_end:
        x = _x(group.target, scale_end)
        bottom = y + len(group.bars) * _STEP
        parts.append(_line(x, y - 3, x, bottom, "#d00000", width=2))
    return parts


def _colour(place: int) -> str:
    """Return the colour of a server by its place in the list."""
    return _COLOURS[place % len(_COLOURS)]


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    anchor: str = "start",
    colour: str = "#111111",
) -> str:
    """Return a text element."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    """Return a filled rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}"/>'
    )


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: int = 1
) -> str:
    """Return a line."""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


# --- PNG ---


class NoConverter(Exception):
    """Nothing that turns SVG into PNG is installed."""


def write_png(document: str, path: Path) -> None:
    """Write an SVG document as a PNG, at twice its size.

    Raises: NoConverter; OSError.
    """
    if importlib.util.find_spec("cairosvg") is not None:
        try:
            cairosvg = importlib.import_module("cairosvg")
        except OSError as error:  # the package is there, the C library is not
            raise NoConverter(f"cairosvg cannot load cairo: {error}") from error
        cairosvg.svg2png(bytestring=document.encode(), write_to=str(path), scale=2)
        return
    program = shutil.which("rsvg-convert")
    if program is None:
        raise NoConverter("a PNG needs the package cairosvg or rsvg-convert in PATH")
    done = subprocess.run(
        [program, "--zoom", "2", "--output", str(path)],
        input=document.encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"rsvg-convert: {done.stderr.decode(errors='replace').strip()}")
