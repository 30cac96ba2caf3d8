# SPDX-License-Identifier: BSD-3-Clause
"""Values of directives: from the words of a file to Python, and back to CONFIG GET.

==============  ==============================================  ==================
kind            Python value                                    shown as
==============  ==============================================  ==================
bool            bool                                            yes, no
int             int                                             decimal
octal           int                                             octal
memory          int, bytes                                      decimal
percent         int, bytes; -N means N percent of maxmemory     decimal, N%
enum, oom       str, one of the choices in lower case           the same
string, dir     str                                             the same
notify          str, the event classes in canonical order       the same
save            tuple of (seconds, changes)                     3600 1 300 100
client-limits   dict: normal, slave, pubsub to (hard bytes,     normal 0 0 0 ...
                soft bytes, soft seconds)
oom-values      tuple of three int                              0 200 800
signal          tuple of str, empty means default               nosave force
bind            tuple of str                                    * -::*
percentiles     tuple of float                                  50 99 99.9
replicaof       (host, port) or None                            host port
list            tuple of tuple of str                           never shown
==============  ==============================================  ==================

A reader takes ``(option, words, current value)`` and raises ValueError with the
text that Redis gives. Text is str in which bytes that are not UTF-8 are surrogate
escapes; other text is exact, so a secret may hold any byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastredis.config.spec import LONG_MAX, ON_SIGNAL, Option

WRONG_COUNT = "wrong number of arguments"
MAX_BIND_ADDRESSES = 16  # as in Redis

Reader = Callable[[Option, Sequence[str], Any], Any]
Writer = Callable[[Option, Any], str]

_WRAP = 2**64
_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}
_MEMORY_DIGITS = 127  # more are refused
_SPACE = " \t\n\v\f\r"


# --- Numbers -------------------------------------------------------------------


def strict_int(word: str) -> int | None:
    """Return the number, or None unless it is written in the one shortest way."""
    if len(word) > 20:
        return None
    try:
        value = int(word)
    except ValueError:
        return None
    return value if str(value) == word and -LONG_MAX - 1 <= value <= LONG_MAX else None


def loose_int(word: str, base: int = 10) -> int | None:
    """Return the number as C's strtoll reads it, or None if anything follows it.

    Leading blanks, a sign and leading zeros are allowed; nothing at all is 0.
    """
    if not word:
        return 0
    digits = word.lstrip(_SPACE)
    sign = -1 if digits[:1] == "-" else 1
    if digits[:1] in ("-", "+"):
        digits = digits[1:]
    allowed = "01234567" if base == 8 else "0123456789"
    if not digits or digits.strip(allowed):
        return None
    # longer numbers have no other meaning than "out of range"
    value = sign * int(digits[:64], base)
    return max(-LONG_MAX - 1, min(LONG_MAX, value))


def memory_bytes(word: str) -> int | None:
    """Return a number of bytes below 2**64, or None if it is not one.

    The number is cut to 64 bits as in C, and no digits at all are 0.
    """
    digits = word.rstrip("bBgGkKmM")
    unit = _UNITS.get(word[len(digits) :].lower())
    if unit is None or len(digits) > _MEMORY_DIGITS or digits.strip("0123456789"):
        return None
    return min(int(digits or "0"), _WRAP - 1) * unit % _WRAP


def _in_bounds(option: Option, value: int) -> int:
    low, high = option.low, option.high
    if low <= value <= high:
        return value
    if option.kind == "octal":
        raise ValueError(f"argument must be between {low:o} and {high:o} inclusive")
    raise ValueError(f"argument must be between {low} and {high} inclusive")


def read_int(option: Option, words: Sequence[str], current: int) -> int:
    """Read a decimal integer."""
    value = strict_int(words[0])
    if value is None:
        raise ValueError("argument couldn't be parsed into an integer")
    _in_bounds(option, value)
    if option.check:
        CHECKS[option.check](value)
    if option.clamp:
        value = max(option.clamp[0], min(option.clamp[1], value))
    return value


def read_octal(option: Option, words: Sequence[str], current: int) -> int:
    """Read an octal integer, such as file permissions."""
    value = loose_int(words[0], 8)
    if value is None:
        raise ValueError("argument couldn't be parsed as an octal number")
    return _in_bounds(option, value)


def read_memory(option: Option, words: Sequence[str], current: int) -> int:
    """Read a number of bytes."""
    value = memory_bytes(words[0])
    if value is None:
        raise ValueError("argument must be a memory value")
    return _in_bounds(option, value)


def read_percent(option: Option, words: Sequence[str], current: int) -> int:
    """Read a number of bytes, or a percentage, which becomes a negative number."""
    word = words[0]
    value = memory_bytes(word)
    if value is None:
        percent = strict_int(word[:-1]) if word[-1:] == "%" else None
        if percent is None or percent < 0:
            raise ValueError("argument must be a memory or percent value")
        value = -percent
    elif value > LONG_MAX:
        value -= _WRAP
    if value < option.low:
        limit = -option.low
        raise ValueError(f"percentage argument must be less or equal to {limit}")
    return value


# --- Words ---------------------------------------------------------------------


def read_bool(option: Option, words: Sequence[str], current: bool) -> bool:
    """Read yes or no."""
    value = {"yes": True, "no": False}.get(words[0].lower())
    if value is None:
        raise ValueError("argument must be 'yes' or 'no'")
    if option.check:
        CHECKS[option.check](value)
    return value


def _must_be_one_of(choices: Sequence[str]) -> ValueError:
    names = ", ".join(choices)
    return ValueError(f"argument(s) must be one of the following: {names}")


def read_enum(option: Option, words: Sequence[str], current: str) -> str:
    """Read one of the choices, in any case."""
    if len(words) == 1:
        word = words[0].lower()
        for name in option.choices:
            if name.lower() == word:
                return name
    raise _must_be_one_of(option.choices)


def read_oom(option: Option, words: Sequence[str], current: str) -> str:
    """Read what oom-score-adj is relative to; ``yes`` is short for relative."""
    choices = ("no", "yes", "relative", "absolute")
    word = words[0].lower()
    if word not in choices:
        raise _must_be_one_of(choices)
    return "yes" if word == "relative" else word


def read_signal(
    option: Option, words: Sequence[str], current: tuple[str, ...]
) -> tuple[str, ...]:
    """Read how to shut down on a signal: any of several words."""
    given = {word.lower() for word in words}
    if not given or not given.issubset(ON_SIGNAL):
        raise _must_be_one_of(ON_SIGNAL)
    if {"save", "nosave"} <= given:
        raise ValueError(
            "shutdown options SAVE and NOSAVE can't be used simultaneously"
        )
    return tuple(name for name in ON_SIGNAL[1:] if name in given)


def read_string(option: Option, words: Sequence[str], current: str) -> str:
    """Read any text."""
    if option.check:
        CHECKS[option.check](words[0])
    return words[0]


# The classes in the order in which CONFIG GET shows them.
_EVENTS = "g$lshzxetd"
_EVENT_EXTRAS = "nKEm"


def read_notify(option: Option, words: Sequence[str], current: str) -> str:
    """Read classes of keyspace events; ``A`` stands for most of them."""
    given = set(words[0])
    if given.difference("A", _EVENTS, _EVENT_EXTRAS):
        raise ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    if "A" in given or given.issuperset(_EVENTS):
        classes = "A"
    else:
        classes = "".join(c for c in _EVENTS if c in given)
    return classes + "".join(c for c in _EVENT_EXTRAS if c in given)


# --- Several words -------------------------------------------------------------


def read_save(
    option: Option, words: Sequence[str], current: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, int], ...]:
    """Read pairs of seconds and changes; nothing at all means never."""
    if list(words) == [""]:
        words = ()
    numbers = [loose_int(word) for word in words]
    if len(numbers) % 2:
        raise ValueError("Invalid save parameters")
    points = []
    for seconds, changes in zip(numbers[::2], numbers[1::2], strict=True):
        if seconds is None or changes is None or seconds < 1 or changes < 0:
            raise ValueError("Invalid save parameters")
        points.append((seconds, changes))
    return tuple(points)


def read_client_limits(
    option: Option, words: Sequence[str], current: dict[str, tuple[int, int, int]]
) -> dict[str, tuple[int, int, int]]:
    """Read limits of output buffers; the classes not named keep theirs."""
    what = "buffer limit configuration."
    if len(words) % 4:
        raise ValueError(f"Wrong number of arguments in {what}")
    limits = dict(current)
    for i in range(0, len(words), 4):
        name = words[i].lower()
        name = "slave" if name == "replica" else name
        if name not in limits:
            raise ValueError(f"Invalid client class specified in {what}")
        hard = memory_bytes(words[i + 1])
        soft = memory_bytes(words[i + 2])
        seconds = loose_int(words[i + 3])
        if hard is None or soft is None or seconds is None or seconds < 0:
            raise ValueError(f"Error in hard, soft or soft_seconds setting in {what}")
        limits[name] = (hard, soft, seconds)
    return limits


def read_oom_values(
    option: Option, words: Sequence[str], current: tuple[int, ...]
) -> tuple[int, ...]:
    """Read the scores of a master, a replica and a background child."""
    if len(words) != 3:
        raise ValueError(WRONG_COUNT)
    values = [loose_int(word) for word in words]
    scores = tuple(v for v in values if v is not None and -2000 <= v <= 2000)
    if len(scores) != 3:
        raise ValueError(
            "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
        )
    return scores


def read_bind(
    option: Option, words: Sequence[str], current: tuple[str, ...]
) -> tuple[str, ...]:
    """Read addresses; one empty word means none."""
    if len(words) > MAX_BIND_ADDRESSES:
        raise ValueError("Too many bind addresses specified.")
    return () if list(words) == [""] else tuple(words)


def read_percentiles(
    option: Option, words: Sequence[str], current: tuple[float, ...]
) -> tuple[float, ...]:
    """Read the percentiles of latency that INFO shows; an empty word means none."""
    if list(words) == [""]:
        return ()
    values = []
    for word in words:
        try:
            # float() would also take blanks around the number and 1_000
            value = float("" if word.strip(_SPACE) != word or "_" in word else word)
        except ValueError:
            value = float("nan")
        if value != value:
            raise ValueError("Invalid latency-tracking-info-percentiles parameters")
        if not 0.0 <= value <= 100.0:
            raise ValueError(
                "latency-tracking-info-percentiles parameters "
                "should sit between [0.0,100.0]"
            )
        values.append(value)
    return tuple(values)


def read_replicaof(
    option: Option, words: Sequence[str], current: tuple[str, int] | None
) -> tuple[str, int] | None:
    """Read host and port of a master, or ``no one``."""
    if len(words) != 2:
        raise ValueError(WRONG_COUNT)
    if [word.lower() for word in words] == ["no", "one"]:
        return None
    port = loose_int(words[1])
    if port is None or not 0 <= port <= 65535:
        raise ValueError("Invalid master port")
    return words[0], port


def read_list(
    option: Option, words: Sequence[str], current: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    """Add one line to those of a directive that may be given many times."""
    if not option.low <= len(words) <= option.high:
        raise ValueError("Bad directive or wrong number of arguments")
    entry = tuple(words)
    if option.name == "user" and any(entry[0] == other[0] for other in current):
        raise ValueError(
            f"Error in user declaration '{entry[0]}': Duplicate user found. "
            "A user can only be defined once in config files"
        )
    return (*current, entry)


# --- Checks --------------------------------------------------------------------


def _check_file_name(name: str, what: str, may_be_empty: bool = False) -> None:
    if not name and not may_be_empty:
        raise ValueError(f"{what} can't be empty")
    if "/" in name or "\\" in name:
        kind = "dirname" if what == "appenddirname" else "filename"
        raise ValueError(f"{what} can't be a path, just a {kind}")


def _check_title(template: str) -> None:
    # it must make a title whatever the variables that may be empty are
    sample = {name: "" if name in MAY_BE_EMPTY else "x" for name in TITLE_VARIABLES}
    if not (fill_title(template, sample) or "").strip():
        raise ValueError("template format is invalid or contains unknown variables")


def _check_defrag(value: bool) -> None:
    if value:
        raise ValueError(
            "Active defragmentation cannot be enabled: it requires a Redis server "
            "compiled with a modified Jemalloc like the one shipped by default with "
            "the Redis source distribution"
        )


def parse_cpus(text: str) -> frozenset[int]:
    """Return the CPUs of a list such as ``0,2,4-7,8-14:2``: to the end in steps of two.

    Raises: ValueError.
    """
    cpus: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        span, has_step, step = part.partition(":")
        first, has_last, last = span.partition("-")
        words = (first, last if has_last else first, step if has_step else "1")
        if not all(word.isdecimal() and len(word) <= 4 for word in words):
            raise ValueError("argument must be a list of CPUs, as in 0,2,4-7,8-14:2")
        low, high, width = map(int, words)
        if low > high or width == 0 or (has_step and not has_last):
            raise ValueError("argument must be a list of CPUs, as in 0,2,4-7,8-14:2")
        cpus.update(range(low, high + 1, width))
    return frozenset(cpus)


def _check_rdb_version(version: int) -> None:
    if 0 < version < 10:
        raise ValueError(
            "argument must be 0, or a version that this server writes: 10, 11 or 12"
        )


def _check_hostname(name: str) -> None:
    if len(name) >= 256:
        raise ValueError("Hostnames must be less than 256 characters")
    if not name.isascii() or not name.replace("-", "a").replace(".", "a").isalnum():
        if not name:
            return
        raise ValueError(
            "Hostnames may only contain alphanumeric characters, hyphens or dots"
        )


def _check_nodename(name: str) -> None:
    # it is stored in nodes.conf, between separators of its own
    if any(c in "!#$%&()*+;<>?@[]^{|}~" for c in name):
        raise ValueError("Announced human node name contained invalid character")


def _check_address(name: str, family: str) -> None:
    from ipaddress import IPv4Address, IPv6Address

    try:
        if name:
            (IPv4Address if family == "IPv4" else IPv6Address)(name)
    except ValueError:
        raise ValueError(f"Invalid {family} address") from None


CHECKS: dict[str, Callable[[Any], object]] = {
    "title": _check_title,
    "defrag": _check_defrag,
    "hostname": _check_hostname,
    "rdb-version": _check_rdb_version,
    "cpus": parse_cpus,
    "nodename": _check_nodename,
    "ipv4": lambda name: _check_address(name, "IPv4"),
    "ipv6": lambda name: _check_address(name, "IPv6"),
    "dbfilename": lambda name: _check_file_name(name, "dbfilename", may_be_empty=True),
    "appendfilename": lambda name: _check_file_name(name, "appendfilename"),
    "appenddirname": lambda name: _check_file_name(name, "appenddirname"),
}


# --- Process title ---------------------------------------------------------------

TITLE_VARIABLES = (
    "title",
    "listen-addr",
    "server-mode",
    "port",
    "tls-port",
    "unixsocket",
    "config-file",
)
MAY_BE_EMPTY = ("title", "server-mode", "unixsocket")


def fill_title(template: str, variables: Mapping[str, str]) -> str | None:
    """Return the template with each {name} replaced, or None if it is malformed.

    ``{{`` stands for a brace; a name that variables lack makes it malformed.
    """
    parts = []
    rest = template
    while rest:
        before, brace, rest = rest.partition("{")
        parts.append(before)
        if not brace:
            break
        if rest[:1] == "{":
            parts.append("{")
            rest = rest[1:]
            continue
        name, end, rest = rest.partition("}")
        if not end or name not in variables:
            return None
        parts.append(variables[name])
    return "".join(parts)


# --- Writers -------------------------------------------------------------------


def write_text(option: Option, value: Any) -> str:
    """Show a value whose Python form is what CONFIG GET shows."""
    return str(value)


def write_words(option: Option, value: Sequence[Any]) -> str:
    """Show a tuple as words."""
    return " ".join(map(str, value))


def write_percentiles(option: Option, value: Sequence[float]) -> str:
    """Show numbers without the zeros that say nothing."""
    return " ".join(f"{v:f}".rstrip("0").rstrip(".") for v in value)


KINDS: dict[str, tuple[Reader, Writer]] = {
    "bool": (read_bool, lambda option, value: "yes" if value else "no"),
    "int": (read_int, write_text),
    "octal": (read_octal, lambda option, value: f"{value:o}"),
    "memory": (read_memory, write_text),
    "percent": (read_percent, lambda o, v: f"{-v}%" if v < 0 else str(v)),
    "enum": (read_enum, write_text),
    "oom": (read_oom, write_text),
    "string": (read_string, write_text),
    "dir": (read_string, write_text),
    "notify": (read_notify, write_text),
    "save": (read_save, lambda o, v: " ".join(f"{s} {c}" for s, c in v)),
    "client-limits": (
        read_client_limits,
        lambda o, v: " ".join(f"{k} {h} {s} {t}" for k, (h, s, t) in v.items()),
    ),
    "oom-values": (read_oom_values, write_words),
    "signal": (read_signal, lambda option, value: " ".join(value) or "default"),
    "bind": (read_bind, write_words),
    "percentiles": (read_percentiles, write_percentiles),
    "replicaof": (read_replicaof, lambda o, v: f"{v[0]} {v[1]}" if v else ""),
    "list": (read_list, lambda o, v: " ".join(" ".join(words) for words in v)),
}
