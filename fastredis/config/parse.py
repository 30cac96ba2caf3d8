# SPDX-License-Identifier: BSD-3-Clause
r"""From redis.conf and the command line to a Config.

Four sources, of which a later one wins:

    the file, if the first argument names one
    standard input, if the first or the last argument is ``-``
    the environment: ``FASTREDIS_<NAME>``, the name in capitals with _ for -
    the arguments: ``--name value ...`` becomes the line ``name "value" ...``

The file, standard input and the arguments are one text, whose lines errors number.

A line is words between blanks. A word in double quotes may hold blanks and the
escapes ``\n \r \t \b \a \" \\ \xHH``; in single quotes only ``\'`` is special. A
closing quote must end the word. Lines that start with ``#`` are comments.

Errors name the line as it stood, in the words of Redis, since tools and tests read
them. Lines are handled as bytes, so that any byte may be part of a secret.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from fastredis.config.spec import BY_NAME, DEPRECATED, MULTI, REPEATS
from fastredis.config.store import Config, FatalConfigError, Line

# An include that includes itself must end in an error rather than in a crash.
MAX_INCLUDE_DEPTH = 100

_BLANK = b" \t\n\v\f\r"
_TRIMMED = b" \t\r\n"
_ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
_SHOWN = {10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b"}
_HEX = b"0123456789abcdefABCDEF"
_QUOTE = ord('"')
_APOSTROPHE = ord("'")
_BACKSLASH = ord("\\")


def decode(raw: bytes) -> str:
    """Return bytes as the text that values are kept in; encode undoes it."""
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return the bytes of a value's text."""
    return text.encode("utf-8", "surrogateescape")


# --- Words ---------------------------------------------------------------------


def split_words(line: bytes) -> list[bytes] | None:
    """Split a line into words, or return None if its quotes are unbalanced."""
    if b'"' not in line and b"'" not in line:
        return line.split()
    words: list[bytes] = []
    i, end = 0, len(line)
    while True:
        while i < end and line[i] in _BLANK:
            i += 1
        if i == end:
            return words
        word = bytearray()
        while i < end and line[i] not in _BLANK:
            c = line[i]
            i += 1
            if c not in (_QUOTE, _APOSTROPHE):
                word.append(c)
                continue
            i = _quoted(line, i, c, word)
            if i < 0 or (i < end and line[i] not in _BLANK):
                return None
        words.append(bytes(word))


def _quoted(line: bytes, i: int, quote: int, word: bytearray) -> int:
    """Append what stands between quotes; return what follows them, or -1."""
    end = len(line)
    while i < end:
        c = line[i]
        if c == quote:
            return i + 1
        if c == _BACKSLASH and i + 1 < end:
            following = line[i + 1]
            if quote == _APOSTROPHE:
                if following == _APOSTROPHE:
                    i += 1
                    c = following
            elif following == ord("x") and _is_hex(line[i + 2 : i + 4]):
                c = int(line[i + 2 : i + 4], 16)
                i += 3
            else:
                c = _ESCAPES.get(following, following)
                i += 1
        word.append(c)
        i += 1
    return -1


def _is_hex(pair: bytes) -> bool:
    return len(pair) == 2 and pair[0] in _HEX and pair[1] in _HEX


def quote(word: bytes) -> bytes:
    """Return a word in double quotes, such that split_words gives it back."""
    parts = [b'"']
    for c in word:
        if c in (_QUOTE, _BACKSLASH):
            parts.append(b"\\%c" % c)
        elif c in _SHOWN:
            parts.append(_SHOWN[c])
        else:
            parts.append(b"%c" % c if 32 <= c < 127 else b"\\x%02x" % c)
    parts.append(b'"')
    return b"".join(parts)


# --- Lines ---------------------------------------------------------------------


def load_text(config: Config, text: bytes, depth: int = 0, before: int = 0) -> None:
    """Assign every line of a text; the first follows as many lines as before says.

    Raises FatalConfigError.
    """
    for number, raw in enumerate(text.split(b"\n"), before + 1):
        stripped = raw.strip(_TRIMMED)
        if not stripped or stripped[0] == ord("#"):
            continue
        line = Line(number, decode(stripped))
        words = split_words(stripped)
        if words is None:
            raise FatalConfigError("Unbalanced quotes in configuration line", line)
        try:
            _load_line(config, line, words, depth)
        except ValueError as error:
            raise FatalConfigError(str(error), line) from None
    _check_together(config)


def _load_line(config: Config, line: Line, words: list[bytes], depth: int) -> None:
    name = decode(words[0]).lower()
    arguments = [decode(word) for word in words[1:]]
    option = BY_NAME.get(name)
    if option is not None:
        if option.flags & MULTI and len(arguments) == 1 and arguments[0]:
            # one word may hold them all: --save "3600 1 300 100"
            arguments = [decode(word) for word in split_words(words[1]) or ()]
        config.assign(name, arguments, line)
    elif name == "include" and len(arguments) == 1:
        if depth == MAX_INCLUDE_DEPTH:
            raise ValueError("Too many levels of include")
        load_text(config, read_files(arguments[0]), depth + 1)
    elif name == "sentinel":
        raise ValueError("sentinel directive while not in sentinel mode")
    elif "." in name:
        if not arguments:
            raise ValueError("Module config specified without value")
        raise FatalConfigError(
            "Module Configuration detected without loadmodule directive or no "
            "ApplyConfig call: aborting",
            to_log=True,
        )
    elif name not in DEPRECATED or len(arguments) != 1:
        raise ValueError("Bad directive or wrong number of arguments")


def _check_together(config: Config) -> None:
    """Check what concerns several directives, or the world. Raises FatalConfigError."""
    if config["logfile"]:
        try:
            with open(config["logfile"], "ab"):
                pass
        except OSError as error:
            message = f"Can't open the log file: {error.strerror}"
            raise FatalConfigError(message) from None
    if config["cluster-enabled"] and config["replicaof"]:
        raise FatalConfigError("replicaof directive not allowed in cluster mode")


def read_files(path: str) -> bytes:
    """Return the text of a file, or of the files that a pattern matches.

    A pattern may match nothing; a plain name must exist. Raises FatalConfigError.
    """
    paths = [path]
    if any(c in path for c in "*?["):
        from glob import glob

        paths = sorted(glob(path))
    parts = []
    for name in paths:
        try:
            with open(name, "rb") as file:
                parts.append(file.read())
        except OSError as error:
            raise FatalConfigError(
                f"Fatal error, can't open config file '{name}': {error.strerror}",
                to_log=True,
            ) from None
    return b"".join(parts)


# --- Environment -----------------------------------------------------------------

PREFIX = "FASTREDIS_"


def load_environment(config: Config, environ: Mapping[str, str]) -> None:
    """Assign what variables named FASTREDIS_<NAME> say.

    The value is what follows the directive's name in a file; of a directive that takes
    one word it is the word itself, without quotes. An empty value is an empty word.
    Variables that name no directive are left in ``config.unknown_variables``.
    Raises FatalConfigError.
    """
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        value = environ[variable]
        option = BY_NAME.get(variable[len(PREFIX) :].lower().replace("_", "-"))
        # orchestrators name a variable so that points to a service called fastredis
        is_link = option is not None and option.name == "port" and "://" in value
        if option is None or is_link:
            config.unknown_variables.append(variable)
            continue
        words: list[str] | None = [value]
        if option.flags & (MULTI | REPEATS) and value:
            found = split_words(encode(value))
            words = None if found is None else [decode(word) for word in found]
        line = Line(0, f"{variable}={value}")
        if words is None:
            raise FatalConfigError("Unbalanced quotes in configuration line", line)
        config.given.pop("save" if option.name == "save" else "", None)  # no addition
        try:
            config.assign(option.name, words, line)
        except ValueError as error:
            raise FatalConfigError(str(error), line) from None


# --- Command line ----------------------------------------------------------------


def options_as_text(arguments: Sequence[bytes], after_file: bool) -> tuple[bytes, bool]:
    """Return the lines that the options stand for, and whether ``-`` is there.

    after_file: the first argument, not among these, was the name of a file.
    A value may start with ``--`` where an option still lacks its first value.
    """
    parts: list[bytes] = []
    reads_stdin = False
    complete = True  # the option before has a value, so that "--" starts another
    last = len(arguments) - 1
    for i, argument in enumerate(arguments):
        if argument == b"-" and (i == last or (i == 0 and not after_file)):
            reads_stdin = True
        elif complete and argument.startswith(b"--"):
            if parts:
                parts.append(b"\n")
            parts.append(argument[2:] + b" ")
            complete = len(split_words(argument) or ()) != 1
            if not complete and argument.lower() == b"--save":
                # an option whose value may be left out
                if i == last:
                    parts.append(b'""')
                elif arguments[i + 1].startswith(b"--"):
                    parts.append(b'""')
                    complete = True
        else:
            parts.append(quote(argument) + b" ")
            complete = True
    return b"".join(parts), reads_stdin


def load_arguments(
    argv: Sequence[str],
    read_stdin: Callable[[], bytes] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Return the Config for the arguments of the server, without its own name.

    read_stdin is called if they say ``-``. environ: where FASTREDIS_<NAME> may be.
    Raises FatalConfigError.
    """
    config = Config()
    arguments = [encode(argument) for argument in argv]
    first_is_file = bool(arguments) and not arguments[0].startswith(b"-")
    text = b""
    if first_is_file:
        # before any "dir" changes what a relative name means
        config.file = os.path.abspath(argv[0])
    options, reads_stdin = options_as_text(arguments[first_is_file:], first_is_file)
    if config.file:
        text = read_files(config.file)
    if reads_stdin and read_stdin:
        text += read_stdin()
    load_text(config, text)
    if environ:
        load_environment(config, environ)
    load_text(config, options, before=text.count(b"\n") + 1)
    return config
