# SPDX-License-Identifier: BSD-3-Clause
"""Random commands from one-line templates.

A template reads as the commands' own syntax lines do::

    SET <key> <value> [NX|XX] [GET] [EX <rel_s>|PXAT <abs_ms>|KEEPTTL]

Words are literal, ``<slot>`` draws from the strategy of that name, ``[...]`` may be
missing, ``{...}`` must be there, ``|`` parts alternatives, and ``+`` after a slot or a
group repeats it one to three times. `commands()` gives a strategy of whole commands;
now and then it spoils one: an argument lost, doubled, swapped or replaced by junk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from hypothesis import strategies as st

Step = tuple[bytes, ...]
_TOKEN = re.compile(r"\s*(<\w+>|[\[\]{}|+]|[^\s\[\]{}|+<>]+)")
SPOIL_ONE_IN = 12  # often enough to see each error, rarely enough to build up state


@dataclass(frozen=True)
class Relative:
    """A time from now; `resolve` makes all of an example's differ.

    Two servers read their clocks at different moments, so two equal relative times
    may compare one way on one of them and another on the other (EXPIRE ... GT).
    """

    value: int
    spacing: int

    def resolve(self, index: int) -> bytes:
        """Return the argument for the command with this place in the example."""
        return b"%d" % (self.value + index * self.spacing)


def _joined(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def _parse(tokens: list[str], slots: Mapping[str, Any], until: str) -> Any:
    """Return a strategy of lists of arguments for the tokens up to `until`."""
    choices: list[Any] = []
    parts: list[Any] = []
    while True:
        token = tokens.pop(0) if tokens else ""
        if token in ("", "]", "}", "|"):
            choices.append(st.tuples(*parts).map(_joined))
            parts = []
            if token == "|":
                continue
            if token != until:
                raise ValueError(f"{token or 'end'} where {until or 'end'} is due")
            return st.one_of(choices)
        if token == "[":
            part = st.one_of(st.just([]), _parse(tokens, slots, "]"))
        elif token == "{":
            part = _parse(tokens, slots, "}")
        elif token.startswith("<"):
            part = slots[token[1:-1]].map(lambda value: [value])
        else:
            part = _word(token)
        if tokens and tokens[0] == "+":
            tokens.pop(0)
            part = st.lists(part, min_size=1, max_size=3).map(_joined)
        parts.append(part)


def _word(text: str) -> Any:
    """Return a strategy of a literal word, mostly as written."""
    upper = text.encode()
    spellings = [upper] * 6 + [upper.lower(), upper.title()]
    return st.sampled_from(spellings).map(lambda spelled: [spelled])


def template(line: str, slots: Mapping[str, Any]) -> Any:
    """Return a strategy of argument lists for one template."""
    tokens = _TOKEN.findall(line)
    if "".join(tokens) != "".join(line.split()):
        raise ValueError(f"cannot read {line!r}")
    return _parse(tokens, slots, "")


@st.composite
def _maybe_spoilt(draw: Any, command: Any, junk: Any) -> list[Any]:
    args = list(draw(command))
    if draw(st.integers(0, SPOIL_ONE_IN)) != SPOIL_ONE_IN or len(args) < 1:
        return args
    kind = draw(st.sampled_from(["drop", "add", "double", "swap", "junk"]))
    if kind == "add":
        return [*args, draw(junk)]
    if len(args) == 1:
        return args
    at = draw(st.integers(1, len(args) - 1))
    if kind == "drop":
        del args[at]
    elif kind == "double":
        args.insert(at, args[at])
    elif kind == "junk":
        args[at] = draw(junk)
    elif len(args) > 2:
        other = draw(st.integers(1, len(args) - 1))
        args[at], args[other] = args[other], args[at]
    return args


def commands(
    lines: Sequence[str], slots: Mapping[str, Any], junk: Any, max_size: int
) -> Any:
    """Return a strategy of lists of commands, each a tuple of bytes."""
    one = st.one_of([template(line, slots) for line in lines])

    def resolved(found: list[list[Any]]) -> list[Step]:
        return [
            tuple(
                arg.resolve(index) if isinstance(arg, Relative) else arg for arg in args
            )
            for index, args in enumerate(found)
        ]

    return st.lists(_maybe_spoilt(one, junk), min_size=1, max_size=max_size).map(
        resolved
    )
