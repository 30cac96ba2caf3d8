# SPDX-License-Identifier: BSD-3-Clause
"""CONFIG GET, SET, REWRITE, RESETSTAT and HELP."""

from __future__ import annotations

from typing import Final, Protocol

from fastredis.config.parse import decode, encode
from fastredis.config.store import Config
from fastredis.resp.values import OK, ReplyError, SimpleString

_FIXED_WHILE_LOADING: Final = "dir"  # the files that are read are in it


class Engine(Protocol):
    """What these commands use of the engine."""

    def reset_stats(self) -> object:
        """Set the counters that INFO reports to zero."""


class Log(Protocol):
    """What these commands use of the log."""

    def warning(self, message: str) -> None:
        """Write what asks for attention."""


class Server(Protocol):
    """What these commands use of the server."""

    @property
    def config(self) -> Config:
        """The values in force."""

    @property
    def engine(self) -> Engine:
        """What executes commands."""

    @property
    def log(self) -> Log:
        """Where it writes its log."""

    @property
    def is_loading(self) -> bool:
        """Whether the data set is being loaded."""


class Client(Protocol):
    """What these commands use of the client that calls."""

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: a Unix socket or the loopback interface."""


class Context(Protocol):
    """What a handler is called with."""

    @property
    def server(self) -> Server:
        """The server that got the command."""

    @property
    def client(self) -> Client:
        """The client that sent it."""


def config_get(ctx: Context, *patterns: bytes) -> dict[bytes, bytes]:
    """Return the parameters that match any of the patterns, and their values.

    A parameter that is spelled out is returned under the name as it was spelled.
    """
    config = ctx.server.config
    # lower case, in which names are compared, to the name to return
    found: dict[str, str] = {}
    for raw in patterns:
        pattern = decode(raw)
        if any(c in pattern for c in "[*?"):
            matches = GlobMatcher(pattern)
            for name in config.listed():
                if name not in found and matches(name):
                    found[name] = name
        elif config.is_shown(pattern):
            found.setdefault(pattern.lower(), pattern)
    return {encode(shown): encode(config.format(name)) for name, shown in found.items()}


def config_set(ctx: Context, *arguments: bytes) -> SimpleString:
    """Set parameters to values: all of them, or none if one is refused."""
    if not arguments or len(arguments) % 2:
        raise ReplyError("ERR syntax error")
    words = [decode(argument) for argument in arguments]
    config = ctx.server.config
    names = [name.lower() for name in words[::2]]
    if ctx.server.is_loading and _FIXED_WHILE_LOADING in names:
        raise ReplyError("LOADING Redis is loading the dataset in memory")
    config.set_many(
        zip(words[::2], words[1::2], strict=True),
        allow_protected=is_allowed(ctx, "enable-protected-configs"),
    )
    ignored = config.without_effect(names)
    if ignored:
        ctx.server.log.warning("Directives without effect yet: " + ", ".join(ignored))
    return OK


def config_rewrite(ctx: Context) -> SimpleString:
    """Write the values in force into the configuration file.

    Raises: ReplyError if the server has no such file or cannot write it.
    """
    return rewrite(ctx)


def rewrite(ctx: Context, *, force_all: bool = False) -> SimpleString:
    """Do what CONFIG REWRITE does; force_all writes default values, too.

    Raises: ReplyError.
    """
    server = ctx.server
    if server.config.file is None:
        raise ReplyError("ERR The server is running without a config file")
    from fastredis.config.rewrite import rewrite_file

    try:
        rewrite_file(server.config, force_all=force_all)
    except OSError as error:
        server.log.warning(f"CONFIG REWRITE failed: {error.strerror}")
        raise ReplyError(f"ERR Rewriting config file: {error.strerror}") from None
    server.log.warning("CONFIG REWRITE executed with success.")
    return OK


def config_resetstat(ctx: Context) -> SimpleString:
    """Set the statistics of INFO to zero."""
    ctx.server.engine.reset_stats()
    return OK


def config_help(ctx: Context) -> list[SimpleString]:
    """Return a line or two about each subcommand."""
    return [SimpleString(line) for line in HELP.splitlines()]


HELP = """\
CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
GET <pattern> [<pattern> ...]
    Show the parameters whose names match a glob-style pattern.
SET <parameter> <value> [<parameter> <value> ...]
    Change parameters while the server runs: all of them or none.
REWRITE
    Write the values in force into the file that the server was started with.
RESETSTAT
    Start the statistics of INFO anew.
HELP
    Show this text."""


def is_allowed(ctx: Context, name: str) -> bool:
    """Return whether a directive whose values are no, yes and local lets a client in.

    Such are enable-protected-configs, enable-debug-command, enable-module-command.
    """
    value = ctx.server.config[name]
    return value == "yes" or (value == "local" and ctx.client.is_local)


# --- Patterns --------------------------------------------------------------------


class _Class:
    """What stands between brackets: single characters, ranges, perhaps negated."""

    __slots__ = ("is_negated", "ranges")

    def __init__(self, is_negated: bool, ranges: list[tuple[str, str]]) -> None:
        self.is_negated = is_negated
        self.ranges = ranges

    def matches(self, c: str) -> bool:
        return any(low <= c <= high for low, high in self.ranges) != self.is_negated


_ANY_ONE = _Class(True, [])
_NOTHING = _Class(False, [])


def _read_class(pattern: str, i: int) -> tuple[_Class, int]:
    """Read a class that starts after its bracket; return it and what follows it.

    As in Redis, the pattern's end closes a class, and ``x-]`` is a range.
    """
    is_negated = pattern[i : i + 1] == "^"
    i += is_negated
    ranges = []
    while i < len(pattern) and pattern[i] != "]":
        if pattern[i] == "\\" and i + 1 < len(pattern):
            ranges.append((pattern[i + 1], pattern[i + 1]))
            i += 2
        elif i + 2 < len(pattern) and pattern[i + 1] == "-":
            low, high = sorted((pattern[i], pattern[i + 2]))
            ranges.append((low, high))
            i += 3
        else:
            ranges.append((pattern[i], pattern[i]))
            i += 1
    return _Class(is_negated, ranges), i + 1


class GlobMatcher:
    """A glob-style pattern, ready to be called with names in lower case.

    ``*`` any characters, ``?`` any one, ``[ab] [^a] [a-z]`` a class, ``\\x`` x itself.
    Cost of a match: O(length of pattern * length of name).
    """

    def __init__(self, pattern: str) -> None:
        self._parts: list[_Class | None] = []  # None is a star
        pattern = pattern.lower()
        i = 0
        while i < len(pattern):
            c = pattern[i]
            i += 1
            if c == "*":
                if self._parts[-1:] != [None]:
                    self._parts.append(None)
            elif c == "?":
                self._parts.append(_ANY_ONE)
            elif c == "[":
                part, i = _read_class(pattern, i)
                self._parts.append(part)
            else:
                if c == "\\" and i < len(pattern):
                    c = pattern[i]
                    i += 1
                self._parts.append(_Class(False, [(c, c)]))

    def __call__(self, name: str) -> bool:
        parts = self._parts
        p = i = 0
        # where to go on when a part fails: the last star takes one character more
        star, star_end = -1, 0
        while i < len(name):
            part = parts[p] if p < len(parts) else _NOTHING
            if part is None:
                star, star_end = p, i
                p += 1
            elif part.matches(name[i]):
                p += 1
                i += 1
            elif star >= 0:
                star_end += 1
                p, i = star + 1, star_end
            else:
                return False
        return all(part is None for part in parts[p:])
