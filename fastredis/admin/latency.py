# SPDX-License-Identifier: BSD-3-Clause
"""LATENCY: samples of what was slow, histograms of how long commands take.

The two are independent: the monitor keeps single moments that were over
``latency-monitor-threshold``; histograms count every call, unless ``latency-tracking``
is off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from fastredis.admin import observed
from fastredis.commands.spec.syntax import help_lines
from fastredis.resp.values import ReplyError, Verbatim

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString

    Samples = list[tuple[int, int]]  # second and ms, the oldest first

_GRAPH_COLUMNS: Final = 80
_GRAPH_ROWS: Final = 4
_STEPS: Final = " _o#"  # an empty cell, and three heights within a cell
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
# The bounds of LATENCY HISTOGRAM: each the double of the one before, as a histogram of
# two significant digits has them. Pairs: the largest ns counted, us as shown.
_FIRST_BOUND: Final = 1024
_DIGITS: Final = 256  # values below 2 * this have a bucket of their own


# --- Samples ----------------------------------------------------------------------


def latency_latest(ctx: Any) -> list[Any]:
    """Return the latest sample of each event, and the longest of all times."""
    return [
        [name, *samples[-1], longest]
        for name, (longest, samples) in observed.spikes(ctx.server.engine).items()
    ]


def latency_history(ctx: Any, event: bytes) -> list[Any]:
    """Return the samples of an event; none for one that never happened."""
    found = observed.spikes(ctx.server.engine).get(event)
    return [] if found is None else [list(sample) for sample in found[1]]


def latency_reset(ctx: Any, *events: bytes) -> int:
    """Forget the samples of some events, or of all."""
    engine = ctx.server.engine
    if not events:
        return observed.reset_spikes(engine)
    return sum(observed.reset_spikes(engine, event) for event in events)


def latency_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["latency"])


# --- Graph ------------------------------------------------------------------------


def latency_graph(ctx: Any, event: bytes) -> Verbatim:
    """Draw the latest samples of an event, with their age below.

    Raises: ReplyError for an event that has none.
    """
    found = observed.spikes(ctx.server.engine).get(event)
    if found is None:
        text = event.decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR No samples available for event '{text}'")
    longest, samples = found
    name = event.decode("utf-8", "surrogateescape")
    return Verbatim(graph(name, longest, samples[-_GRAPH_COLUMNS:], int(time.time())))


def graph(name: str, longest: int, samples: Samples, now: int) -> str:
    """Return the picture of samples: a column each, the latest on the right."""
    values = [ms for _, ms in samples]
    low, high = min(values), max(values)
    steps = len(_STEPS) - 1
    # the lowest is one step high, the highest reaches the top
    span = max(1, high - low)
    heights = [1 + (v - low) * (_GRAPH_ROWS * steps - 1) // span for v in values]
    rows = [
        "".join(_STEPS[min(max(h - floor, 0), steps)] for h in heights)
        for floor in range((_GRAPH_ROWS - 1) * steps, -1, -steps)
    ]
    ages = [age(max(0, now - second)) for second, _ in samples]
    depth = max(map(len, ages))
    labels = ["".join(a[i] if i < len(a) else " " for a in ages) for i in range(depth)]
    head = f"{name} - high {high} ms, low {low} ms (all time high {longest} ms)"
    lines = [head, "-" * _GRAPH_COLUMNS, *rows, "", *labels]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def age(seconds: int) -> str:
    """Write a time span in its largest unit, as in 5m."""
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return "0s"


# --- Doctor -----------------------------------------------------------------------

_ADVICE: Final = {
    b"command": (
        "Commands whose cost grows with the data were slow. SLOWLOG GET names those "
        "that took long; CONFIG SET slowlog-log-slower-than makes it name more.",
        "KEYS, and reading or deleting whole collections, keep all other clients "
        "waiting: SCAN and its kin, and UNLINK instead of DEL, do the same in steps.",
    ),
    b"fast-command": (
        "Commands that are cheap by themselves were slow. Something else held the "
        "process up then: a busy machine, memory that was swapped out, a virtual "
        "machine that was paused. redis-cli --intrinsic-latency measures that.",
    ),
    b"expire-cycle": (
        "Many keys expired at once. If that was not intended, add a random part to "
        "the times given to EXPIRE; for large values, set lazyfree-lazy-expire.",
    ),
}
_OTHERWISE: Final = ("There is no particular advice about this event.",)


def latency_doctor(ctx: Any) -> Verbatim:
    """Report on the samples, with advice for each kind of event."""
    threshold = ctx.server.config["latency-monitor-threshold"]
    events = observed.spikes(ctx.server.engine)
    if not events and not threshold:
        return Verbatim(
            "The latency monitor is off, so there is nothing to report on. To turn it "
            "on: CONFIG SET latency-monitor-threshold <milliseconds>\n"
        )
    if not events:
        return Verbatim(
            f"Nothing took {threshold} ms or longer since the monitor was turned on "
            "or reset.\n"
        )
    lines = ["What was slow:", ""]
    for i, (name, (longest, samples)) in enumerate(events.items(), 1):
        lines.append(f"{i}. {name.decode()}: {summary(longest, samples)}")
    lines += ["", "What may help:", ""]
    for name in events:
        lines += [f"- {advice}" for advice in _ADVICE.get(name, _OTHERWISE)]
    return Verbatim("\n".join(lines) + "\n")


def summary(longest: int, samples: Samples) -> str:
    """Return a line about the samples of one event."""
    values = [ms for _, ms in samples]
    mean = sum(values) / len(values)
    deviation = sum(abs(value - mean) for value in values) / len(values)
    span = samples[-1][0] - samples[0][0]
    often = f", one every {span / (len(samples) - 1):.0f} s" if len(samples) > 1 else ""
    return (
        f"{len(samples)} samples{often}; mean {mean:.0f} ms, mean deviation "
        f"{deviation:.0f} ms, longest of all times {longest} ms."
    )


# --- Histograms -------------------------------------------------------------------


def latency_histogram(ctx: Any, *names: bytes) -> dict[bytes, Any]:
    """Return calls and histogram of the commands called: those named, or all.

    The name of a container stands for its subcommands; unknown names are passed over.
    """
    commands = ctx.server.engine.commands
    calls = {name: row[0] for name, row in commands.stats().items() if row[0]}
    wanted: dict[bytes, None] = {}
    for name in names:
        word = name.lower().replace(b" ", b"|")
        wanted |= {n: None for n in calls if n == word or n.startswith(word + b"|")}
    result = {}
    for name in wanted if names else calls:
        buckets = commands.latency_histogram(name)
        if buckets:
            result[name] = {
                "calls": calls[name],
                "histogram_usec": dict(cumulate(buckets)),
            }
    return result


def cumulate(buckets: list[tuple[float, int]]) -> Iterator[tuple[int, int]]:
    """Return how many calls took at most how many us, where that number grows.

    buckets: upper bound in us and number of calls, in ascending order.
    """
    bound, total, shown = _FIRST_BOUND, 0, 0
    for upper, count in buckets:
        while upper * 1000 > _largest(bound):
            if total > shown:
                yield _largest(bound) // 1000, total
                shown = total
            bound *= 2
        total += count
    if total > shown:
        yield _largest(bound) // 1000, total


def _largest(bound: int) -> int:
    """Return the largest value that is not told apart from the bound."""
    return bound + max(1, bound // (_DIGITS // 2)) - 1
