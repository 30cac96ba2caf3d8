# SPDX-License-Identifier: BSD-3-Clause
"""The values in force: read by every part of the server, changed by CONFIG SET.

A Config has two sides. At start, ``assign`` takes one directive at a time and may
set anything. While the server runs, ``set_many`` takes the pairs of one CONFIG SET
and is atomic: every pair is checked, then the parts of the server that asked to be
told (``on_change``) apply the new values, and if one of them refuses, all values and
all parts go back to what they were.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from fastredis.config.spec import (
    BUILT,
    BY_NAME,
    HIDDEN,
    IMMUTABLE,
    MULTI,
    OPTIONS,
    PROTECTED,
    REDIS_VERSION,
    REPEATS,
    UNLISTED,
    VOLATILE,
    Option,
)
from fastredis.config.values import KINDS, WRONG_COUNT
from fastredis.resp.values import ReplyError


class Line(NamedTuple):
    """Where a directive stood: the number of the line, from 1, and its text.

    The number 0 stands for a variable of the environment.
    """

    number: int
    text: str


class FatalConfigError(Exception):
    """The server cannot start with what its file or its arguments say.

    report: what to write on standard error, or to log if to_log is set.
    """

    def __init__(
        self, message: str, line: Line | None = None, *, to_log: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.to_log = to_log

    @property
    def report(self) -> str:
        """Return the text in the form that tools which start servers look for."""
        if self.to_log:
            return self.message
        where = ""
        if self.line and not self.line.number:
            where = f"Reading the environment\n>>> '{self.line.text}'\n"
        elif self.line:
            where = (
                f"Reading the configuration file, at line {self.line.number}\n"
                f">>> '{self.line.text}'\n"
            )
        return (
            f"\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n"
            f"{where}{self.message}\n"
        )


class Config:
    """All directives and their values; ``config["port"]`` reads one.

    file: absolute path of the configuration file, or None.
    given: names that the file or the arguments mentioned, in that order.
    lines: for each directive that may be repeated, where its entries stood.
    unknown_variables: of the environment, named like directives that do not exist.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        """Start from the defaults, then assign the options, as keyword or as name.

        A value may be of any type that reads as the directive's text; several words
        may be a list, a tuple, or text. Raises ValueError for a bad name or value.
        """
        self.file: str | None = None
        self.given: dict[str, None] = {}
        self.lines: dict[str, list[Line]] = {}
        self.unknown_variables: list[str] = []
        self._values: dict[str, Any] = {o.name: o.default for o in OPTIONS}
        self._watchers: dict[str, list[Callable[[Config], None]]] = {}
        self._told: set[str] = set()  # directives whose lack of effect was logged
        for name, value in (options or {}).items():
            name = name.replace("_", "-")
            self.assign(name, _as_words(name, value))

    # --- Reading ---------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        """Return a value in its Python form; aliases and upper case are understood.

        Raises KeyError for a name that is no directive.
        """
        option = BY_NAME.get(name) or BY_NAME[name.lower()]
        if option.kind == "dir":
            return _working_directory()
        return self._values[option.name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value in its Python form, or default for an unknown name."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in BY_NAME

    def format(self, name: str) -> str:
        """Return a value as CONFIG GET shows it. Raises KeyError."""
        option = BY_NAME[name.lower()]
        return KINDS[option.kind][1](option, self[option.name])

    def without_effect(self, names: Iterable[str] | None = None) -> list[str]:
        """Return those of the names that no part of the server obeys, each only once.

        names: of directives that were set; None: those given at the start.
        """
        found = []
        for name in self.given if names is None else names:
            option = BY_NAME[name.lower()]
            if not option.flags & BUILT and option.name not in self._told:
                self._told.add(option.name)
                found.append(option.name)
        return found

    # --- Start -----------------------------------------------------------------

    def assign(self, name: str, words: Sequence[str], line: Line | None = None) -> None:
        """Set a directive from the words of a line; only before the server runs.

        ``dir`` takes effect at once: the names of files that follow it are relative
        to it. Raises ValueError with Redis's text.
        """
        option = BY_NAME.get(name.lower())
        if option is None:
            raise ValueError("Bad directive or wrong number of arguments")
        if not option.flags & (MULTI | REPEATS) and len(words) != 1:
            raise ValueError(WRONG_COUNT)
        current = self._values[option.name]
        if option.kind == "save" and "save" not in self.given:
            current = ()  # the first line replaces the default, the others add
        value = KINDS[option.kind][0](option, words, current)
        if option.kind == "save":
            value = () if list(words) == [""] else (*current, *value)
        elif option.kind == "dir":
            _change_directory(value)
        elif option.flags & REPEATS:
            self.lines.setdefault(option.name, []).append(line or Line(-1, name))
        self._values[option.name] = value
        self.given[option.name] = None

    def fatal(self, name: str, index: int, message: str) -> FatalConfigError:
        """Return the error to raise because of one entry of a repeated directive."""
        lines = self.lines.get(name, ())
        line = lines[index] if index < len(lines) else None
        is_known = line is not None and line.number >= 0
        return FatalConfigError(message, line if is_known else None)

    # --- CONFIG GET and SET ------------------------------------------------------

    @staticmethod
    def listed() -> list[str]:
        """Return the names that a pattern of CONFIG GET can match."""
        return [
            name
            for name, option in BY_NAME.items()
            if not option.flags & (HIDDEN | REPEATS) and name not in UNLISTED
        ]

    @staticmethod
    def is_shown(name: str) -> bool:
        """Return whether CONFIG GET knows the name when it is spelled out."""
        option = BY_NAME.get(name.lower())
        return option is not None and not _is_list(option)

    def on_change(self, name: str, callback: Callable[[Config], None]) -> None:
        """Call back after CONFIG SET gave the directive another value.

        The callback reads what it needs from the Config it gets; given for several
        names, it is called once for one CONFIG SET. It may raise ValueError(text) to
        refuse, and is then called again with the old values back in place.
        """
        self._watchers.setdefault(BY_NAME[name].name, []).append(callback)

    def set_many(
        self, pairs: Iterable[tuple[str, str]], *, allow_protected: bool = False
    ) -> None:
        """Do one CONFIG SET: all of the pairs, or none.

        Raises ReplyError with the reply's text.
        """
        chosen = self._options_to_set(pairs, allow_protected)
        before = dict(self._values)
        directory = _working_directory()
        at = ""  # the name being handled, for the error
        called: list[Callable[[Config], None]] = []
        try:
            for at, option, text in chosen:  # noqa: B007 - used when it raises
                self._set(option, text)
            for at, option, _ in chosen:  # noqa: B007
                is_new = self._values[option.name] != before[option.name]
                if is_new or option.flags & VOLATILE:
                    for callback in self._watchers.get(option.name, ()):
                        if callback not in called:
                            called.append(callback)
                            callback(self)
        except ValueError as error:
            self._values = before
            _restore_directory(directory)
            for callback in called:
                _call_quietly(callback, self)
            reason = f" - {error}" if str(error) else ""
            raise ReplyError(
                f"ERR CONFIG SET failed (possibly related to argument '{at}'){reason}"
            ) from None

    def _options_to_set(
        self, pairs: Iterable[tuple[str, str]], allow_protected: bool
    ) -> list[tuple[str, Option, str]]:
        """Return name, line of the table and new text of each pair, in order."""
        chosen: list[tuple[str, Option, str]] = []
        for typed, text in pairs:
            name = typed.lower()
            option = BY_NAME.get(name)
            if option is None or _is_list(option):
                raise ReplyError(
                    "ERR Unknown option or number of arguments for CONFIG SET - "
                    f"'{typed}'"
                )
            reason = ""
            if option.flags & IMMUTABLE:
                reason = "can't set immutable config"
            elif option.flags & PROTECTED and not allow_protected:
                reason = "can't set protected config"
            elif any(name == other for other, _, _ in chosen):
                reason = "duplicate parameter"  # an alias is another name
            if reason:
                raise ReplyError(
                    f"ERR CONFIG SET failed (possibly related to argument '{typed}') "
                    f"- {reason}"
                )
            chosen.append((name, option, text))
        return chosen

    def _set(self, option: Option, text: str) -> None:
        words: Sequence[str] = (text,)
        if option.flags & MULTI:
            words = text.split(" ") if text else ()
        current = self._values[option.name]
        value = KINDS[option.kind][0](option, words, current)
        if option.kind == "dir":
            _change_directory(value)
        self._values[option.name] = value


def _is_list(option: Option) -> bool:
    # python-commands is ours and is worth showing; Redis shows none of the others
    return bool(option.flags & REPEATS) and option.name != "python-commands"


def _as_words(name: str, value: Any) -> list[str]:
    option = BY_NAME.get(name)
    if isinstance(value, str) and value and option and option.flags & MULTI:
        return value.split()
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [os.fspath(value) if isinstance(value, os.PathLike) else str(value)]


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise ValueError(error.strerror) from None


def _restore_directory(path: str) -> None:
    if path and path != _working_directory():
        os.chdir(path)


def _call_quietly(callback: Callable[[Config], None], config: Config) -> None:
    # the old values were good before; there is nobody left to tell if they are not
    with suppress(ValueError):
        callback(config)
