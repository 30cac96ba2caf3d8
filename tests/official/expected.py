# SPDX-License-Identifier: BSD-3-Clause
"""The list of failures that are known: expected-failures.tsv.

One line for each: unit, name of the test, reason. The reason says what the server
lacks ("needs lists"), so that whoever adds it can find the lines to remove. Names
in brackets stand for things that are no tests, see harness.Result; one more is
``[unit] runs M of N tests``, which fails when fewer tests ran than units.txt says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from official.harness import ERR, OK, Result, UnitRun

HERE = Path(__file__).parent
LIST = HERE / "expected-failures.tsv"
UNITS = HERE / "units.txt"
HEADER = ("unit", "test", "reason")
UNKNOWN = "?"  # a reason that somebody still has to write

Key = tuple[str, str]


class ListError(Exception):
    """A line of a list cannot be read."""


@dataclass(frozen=True)
class Unit:
    """One unit that is run by default: a line of units.txt."""

    tests: int
    over_tls: bool = False


@dataclass(frozen=True)
class Surprise:
    """Something that the list does not say, or no longer says rightly."""

    unit: str
    name: str
    kind: str  # "fails", "passes" or "missing"
    detail: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the lines that are shown."""
        told = {
            "fails": "FAILED",
            "passes": "PASSED, but is listed: remove its line from " + LIST.name,
            "missing": "NOT RUN, but is listed: remove its line from " + LIST.name,
        }[self.kind]
        lines = [f"{self.unit}: {self.name}: {told}"]
        return "\n    ".join([*lines, *self.detail])


# --- Files ---


def read_units(path: Path = UNITS) -> dict[str, Unit]:
    """Return the units to run by name.

    Raises: ListError for a line that is not ``name count`` or ``name count tls``.
    """
    units = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            unit, count, *marks = line.split()
            if marks not in ([], ["tls"]):
                raise ListError(f"{path.name}:{number}: unknown mark: {marks}")
            units[unit] = Unit(int(count), over_tls=bool(marks))
    return units


def read(path: Path = LIST) -> dict[Key, str]:
    """Return the reason of each known failure by unit and test.

    Raises: ListError for a line that is not three columns, or is there twice.
    """
    known: dict[Key, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[:1] != ["\t".join(HEADER)]:
        raise ListError(f"{path.name}: the first line is not the header")
    for number, line in enumerate(lines[1:], 2):
        columns = line.split("\t")
        if len(columns) != len(HEADER) or not all(columns):
            raise ListError(f"{path.name}:{number}: not three columns")
        unit, name, reason = columns
        if (unit, name) in known:
            raise ListError(f"{path.name}:{number}: there is such a line already")
        known[unit, name] = reason
    return known


def write(known: Mapping[Key, str], path: Path = LIST) -> None:
    """Write the list, sorted."""
    rows = [HEADER, *((*key, reason) for key, reason in sorted(known.items()))]
    text = "".join("\t".join(row) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


# --- Comparison ---


def outcomes(run: UnitRun, tests: int | None) -> dict[str, Result]:
    """Return one result for each name; a test that ran more than once fails if once.

    tests: how many tests the unit has, if that is known.
    """
    merged: dict[str, Result] = {}
    for result in run.results:
        if result.name not in merged or result.status == ERR:
            merged[result.name] = result
    if tests is not None and run.ran() < tests:
        name = f"[unit] runs {run.ran()} of {tests} tests"
        merged[name] = Result(name, ERR)
    return merged


def compare(
    unit: str, results: Mapping[str, Result], known: Mapping[Key, str]
) -> list[Surprise]:
    """Return where the results of a unit and the list disagree."""
    found = []
    for name, result in results.items():
        is_known = (unit, name) in known
        if result.status == ERR and not is_known:
            found.append(Surprise(unit, name, "fails", tuple(result.detail)))
        elif result.status == OK and is_known:
            found.append(Surprise(unit, name, "passes"))
    for listed_unit, name in known:
        if listed_unit != unit:
            continue
        # what stands for a test leaves no trace when it goes well
        if name not in results:
            kind = "passes" if name.startswith("[") else "missing"
            found.append(Surprise(unit, name, kind))
        elif results[name].status not in (OK, ERR):
            found.append(Surprise(unit, name, "missing"))
    return found


def still_there(first: Sequence[Surprise], again: Sequence[Surprise]) -> list[Surprise]:
    """Return the surprises of the second run that the first one had too.

    A server that crashed once has crashed: that counts whatever the second run says.
    """
    crashes = [each for each in first if each.name.startswith("[crash]")]
    before = {(each.name, each.kind) for each in first}
    return crashes + [
        each
        for each in again
        if (each.name, each.kind) in before and not each.name.startswith("[crash]")
    ]


def renewed(
    known: Mapping[Key, str], results: Mapping[str, Mapping[str, Result]]
) -> dict[Key, str]:
    """Return the list as these results want it.

    Lines of units that did not run stay; a reason that was known stays; a new line
    has UNKNOWN and the error's text, as a hint, for its reason.
    """
    fresh = {key: reason for key, reason in known.items() if key[0] not in results}
    for unit, by_name in results.items():
        for name, result in by_name.items():
            if result.status == ERR:
                guess = f"{UNKNOWN} {hint(result)}".strip()
                fresh[unit, name] = known.get((unit, name), guess)
    return fresh


def hint(result: Result) -> str:
    """Return the few words of a failure's text that may explain it."""
    text = " ".join(" ".join(result.detail).split())
    lacking = re.search(r"unknown (sub)?command '[^']*'", text)
    return lacking[0] if lacking else text[:80]
