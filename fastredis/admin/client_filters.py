# SPDX-License-Identifier: BSD-3-Clause
"""Filters of CLIENT LIST and CLIENT KILL.

    CLIENT LIST TYPE normal NOT-NAME worker IDLE 60
                ^ each names a property; a connection has to pass all of them

Of a filter that is given twice the last counts; ids add up. ``ids`` keeps their order,
for CLIENT LIST shows them in it where nothing else is asked for. The names are those of
Redis 8.0 and of Valkey 9.1. A word that Redis itself would have refused in place of an
id gets the error that Redis has for it, which differs between the two commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fastredis.resp.values import ReplyError

Info = Mapping[str, Any]
Test = Callable[[Info], bool]

SYNTAX_ERROR: Final = "ERR syntax error"
_BAD_ID: Final = "ERR client-id should be greater than 0"
_DEFAULT_USER: Final = b"default"
_I64_MAX: Final = 2**63 - 1

# The words of TYPE; slave and master are what replica and primary were called.
_TYPES: Final = frozenset((b"normal", b"master", b"primary", b"slave", b"replica",
                           b"pubsub"))  # fmt: skip
_TYPE_OF: Final = {b"primary": "master", b"slave": "replica"}
# The letters that CLIENT LIST may show.
_FLAGS: Final = frozenset("bcdeirtuxABEIMNOPRSTU")
_CAPABILITIES: Final = frozenset("r")


@dataclass
class Filters:
    """What the arguments ask for."""

    tests: dict[bytes, Test] = field(default_factory=dict)
    skips_me: bool | None = None  # None: it was not said
    ids: list[int] = field(default_factory=list)  # as given

    def pass_(self, info: Info) -> bool:
        """Return whether a connection has all that is asked for."""
        return all(test(info) for test in self.tests.values())


def read_filters(server: Any, args: tuple[bytes, ...], *, kills: bool) -> Filters:
    """Read pairs of a filter's name and its value; ids may be several.

    kills: they are those of CLIENT KILL.
    Raises: ReplyError.
    """
    found = Filters()
    ids: dict[bytes, list[int]] = {b"id": found.ids, b"not-id": []}
    i = 0
    while i < len(args):
        name = args[i].lower()
        i += 1
        if i == len(args):
            raise ReplyError(SYNTAX_ERROR)
        if name in ids:
            numbers = _read_ids(args[i:], kills=kills, is_not=name != b"id")
            i += len(numbers)
            ids[name] += numbers
            found.tests[name] = _test_of_ids(frozenset(ids[name]), is_not=name != b"id")
            continue
        if name == b"skipme":
            found.skips_me = _yes_no(args[i])
        else:
            found.tests[name] = _test_of(server, name, args[i])
        i += 1
    return found


# --- Ids --------------------------------------------------------------------------


def _read_ids(args: tuple[bytes, ...], *, kills: bool, is_not: bool) -> list[int]:
    """Read numbers up to a word that is none.

    Raises: ReplyError if there is no number, or for a word that no filter begins with.
    """
    numbers: list[int] = []
    for arg in args:
        number = _integer(arg)
        if number is None:
            if arg.lower() in _NAMES and numbers:
                break
            if not kills and not is_not:
                raise ReplyError("ERR Invalid client ID")
            raise ReplyError(SYNTAX_ERROR if numbers or is_not else _BAD_ID)
        if number < 1 and (kills or is_not):
            raise ReplyError(_BAD_ID)
        numbers.append(number)
    return numbers


def _test_of_ids(ids: frozenset[int], *, is_not: bool) -> Test:
    return lambda info: (info["id"] in ids) != is_not


# --- Other filters ----------------------------------------------------------------


def _test_of(server: Any, name: bytes, value: bytes) -> Test:
    """Return the test for one filter.

    Raises: ReplyError if there is no such filter, or for its value.
    """
    if name in (b"maxage", b"idle"):
        # these two have no opposite
        key = "age_ms" if name == b"maxage" else "idle_ms"
        least = _positive(name.decode(), value)
        return lambda info: bool(info[key] // 1000 >= least)
    is_not = name.startswith(b"not-")
    reader = _READERS.get(name.removeprefix(b"not-"))
    if reader is None:
        raise ReplyError(SYNTAX_ERROR)
    test = reader(server, name, value)
    return (lambda info: not test(info)) if is_not else test


def _test_of_type(server: Any, _name: bytes, value: bytes) -> Test:
    kind = value.lower()
    if kind not in _TYPES:
        text = value[:128].decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR Unknown client type '{text}'")
    name = _TYPE_OF.get(kind, kind.decode())
    return lambda info: type_of(info) == name


def type_of(info: Info) -> str:
    """Return what a connection counts as."""
    if info["is_primary"]:
        return "master"
    if info["is_replica"]:
        return "replica"
    return "pubsub" if info["is_pubsub"] else "normal"


def _test_of_user(server: Any, name: bytes, value: bytes) -> Test:
    if value != _DEFAULT_USER:
        text = value.decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR No such user '{text}'")
    return lambda info: True


def _test_of_text(key: str) -> Callable[[Any, bytes, bytes], Test]:
    """Return a reader for a property that has to be equal to the value."""

    def read(server: Any, name: bytes, value: bytes) -> Test:
        text = value.decode("utf-8", "replace")
        # what has not been set is equal to nothing
        return lambda info: bool(info[key] == text != "")

    return read


def _test_of_ip(server: Any, name: bytes, value: bytes) -> Test:
    text = value.decode("utf-8", "replace")
    return lambda info: bool(info["addr"].rpartition(":")[0].strip("[]") == text)


def _test_of_db(server: Any, name: bytes, value: bytes) -> Test:
    word = name.decode().upper()
    number = _integer(value)
    if number is None:
        raise ReplyError(f"ERR {word} is not an integer or out of range")
    last = server.config["databases"] - 1
    if not 0 <= number <= last:
        raise ReplyError(f"ERR {word} number should be between 0 and {last}")
    return lambda info: bool(info["db"] == number)


def _test_of_letters(
    what: str, known: frozenset[str], shown: Callable[[Info], str]
) -> Callable[[Any, bytes, bytes], Test]:
    """Return a reader for letters all of which a connection has to show."""

    def read(server: Any, name: bytes, value: bytes) -> Test:
        letters = value.decode("latin-1")
        if not known.issuperset(letters):
            where = name.decode().upper() if name.startswith(b"not-") else "provided"
            text = value.decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR Unknown {what} found in the {where} filter: {text}")
        return lambda info: set(letters) <= set(shown(info))

    return read


def flags_of(info: Info) -> str:
    """Return the letters that CLIENT LIST shows for the state of a connection."""
    return (
        ("O" if info["is_monitor"] else "")
        + ("S" if info["is_replica"] else "")
        + ("M" if info["is_primary"] else "")
        + ("P" if info["is_pubsub"] else "")
        + ("x" if info["is_multi"] else "")
        + ("b" if info["is_blocked"] else "")
        + ("t" if info["is_tracking"] else "")
        + ("R" if info["is_broken"] else "")
        + ("B" if info["is_bcast"] else "")
        + ("d" if info["is_dirty"] else "")
        + ("c" if info["is_closing"] else "")
        + ("U" if info["is_unix"] else "")
        + ("e" if info["is_no_evict"] else "")
        + ("T" if info["is_no_touch"] else "")
        + ("I" if info["is_import_source"] else "")
    ) or "N"


def _capabilities_of(info: Info) -> str:
    return "r" if info["is_redirectable"] else ""


_READERS: Final[Mapping[bytes, Callable[[Any, bytes, bytes], Test]]] = {
    b"type": _test_of_type,
    b"user": _test_of_user,
    b"addr": _test_of_text("addr"),
    b"laddr": _test_of_text("laddr"),
    b"name": _test_of_text("name"),
    b"lib-name": _test_of_text("lib_name"),
    b"lib-ver": _test_of_text("lib_ver"),
    b"ip": _test_of_ip,
    b"db": _test_of_db,
    b"flags": _test_of_letters("flags", _FLAGS, flags_of),
    b"capa": _test_of_letters("capa", _CAPABILITIES, _capabilities_of),
}
_NAMES: Final = frozenset(
    (b"id", b"not-id", b"maxage", b"idle", b"skipme", *_READERS)
).union(b"not-" + name for name in _READERS)


# --- Values -----------------------------------------------------------------------


def _integer(value: bytes) -> int | None:
    """Read a 64-bit integer, written as Redis writes it; None: it is none."""
    digits = value.removeprefix(b"-")
    if digits.isdigit() and len(digits) < 20 and abs(int(value)) <= _I64_MAX:
        number = int(value)
        if b"%d" % number == value:
            return number
    return None


def _positive(name: str, value: bytes) -> int:
    """Read a number of seconds, at least one.

    Raises: ReplyError.
    """
    number = _integer(value)
    if number is None:
        raise ReplyError(f"ERR {name} is not an integer or out of range")
    if number < 1:
        raise ReplyError(f"ERR {name} should be greater than 0")
    return number


def _yes_no(value: bytes) -> bool:
    """Read yes or no.

    Raises: ReplyError for anything else.
    """
    word = value.lower()
    if word not in (b"yes", b"no"):
        raise ReplyError(SYNTAX_ERROR)
    return word == b"yes"
