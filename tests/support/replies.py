# SPDX-License-Identifier: BSD-3-Clause
r"""The replies of RESP2 and RESP3 as Python values, and a parser that accepts no slip.

==========  =================  ====================================================
Type byte   Value              Remark
==========  =================  ====================================================
``+``       SimpleString       equal to the same plain str
``-``       Error              a value, never raised; ``.code`` is its first word
``:``       int
``$``       bytes              ``$-1`` is None (RESP2 only)
``*``       list               ``*-1`` is NULL_ARRAY (RESP2 only)
``_``       None
``#``       bool
``,``       Double             a float that keeps its text
``(``       BigNumber          an int
``!``       BulkError          an Error
``=``       Verbatim           bytes with ``.format``; equal to the same plain bytes
``%``       Map                pairs in the order they came
``~``       Set                members in the order they came
``>``       Push               a list
``|``       Attributed         attributes and the reply they belong to
==========  =================  ====================================================

Tests read best with plain values (``reply == b"x"``, ``reply == "OK"``); where the
type matters too, compare `exact(reply)`: it tells ``1`` from ``True`` and ``1.0``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

MAX_DEPTH = 64  # deeper replies than this are a mistake of the server's


class ProtocolViolation(AssertionError):
    """The server sent what no RESP server may send."""


class ConnectionClosed(ConnectionError):
    """The server closed the connection."""


class SimpleString(str):
    """A status reply."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) in (SimpleString, str) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __repr__(self) -> str:
        return f"+{str.__str__(self)}"


class Error(str):
    """An error reply, its text in Latin-1 so that any byte survives."""

    __slots__ = ()

    @property
    def code(self) -> str:
        """The first word, such as ERR or WRONGTYPE."""
        return self.split(" ", 1)[0]

    def __eq__(self, other: object) -> bool:
        return type(other) in (type(self), str) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __repr__(self) -> str:
        return f"-{str.__str__(self)}"


class BulkError(Error):
    """An error reply with its length in front (RESP3)."""

    __slots__ = ()
    __hash__ = str.__hash__


class Double(float):
    """A RESP3 double; `text` is what was sent."""

    text: str

    def __new__(cls, text: str) -> Self:
        self = super().__new__(cls, text)
        self.text = text
        return self


class BigNumber(int):
    """A RESP3 big number."""


class Verbatim(bytes):
    """A RESP3 verbatim string; `format` is txt or mkd."""

    format: str

    def __new__(cls, data: bytes, fmt: str = "txt") -> Self:
        self = super().__new__(cls, data)
        self.format = fmt
        return self


class Map:
    """A RESP3 map: pairs in the order they came."""

    def __init__(self, pairs: list[tuple[Any, Any]]) -> None:
        self.pairs = pairs

    def __getitem__(self, key: Any) -> Any:
        for name, value in self.pairs:
            if name == key or (isinstance(key, str) and name == key.encode()):
                return value
        raise KeyError(key)

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Any]:
        return (name for name, _ in self.pairs)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Map):
            return self.pairs == other.pairs
        if isinstance(other, dict):
            return len(self.pairs) == len(other) and dict(self.pairs) == other
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Map({self.pairs!r})"


class Set:
    """A RESP3 set: members in the order they came, doubles included."""

    def __init__(self, members: list[Any]) -> None:
        self.members = members

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.members)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Set):
            return sorted(map(repr, self)) == sorted(map(repr, other))
        if isinstance(other, (set, frozenset)):
            return len(self) == len(other) and set(self.members) == other
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Set({self.members!r})"


class Push(list[Any]):
    """A RESP3 push message."""

    def __repr__(self) -> str:
        return f"Push({list.__repr__(self)})"


class Attributed:
    """A reply with RESP3 attributes before it."""

    def __init__(self, attributes: Map, reply: Any) -> None:
        self.attributes = attributes
        self.reply = reply

    def __repr__(self) -> str:
        return f"Attributed({self.attributes!r}, {self.reply!r})"


class _NullArray:
    def __repr__(self) -> str:
        return "NULL_ARRAY"

    def __bool__(self) -> bool:
        return False


NULL_ARRAY: Final = _NullArray()
OK: Final = SimpleString("OK")
QUEUED: Final = SimpleString("QUEUED")
PONG: Final = SimpleString("PONG")


def exact(reply: Any) -> Any:
    """Return the reply as nested tuples that name each type, for strict comparison."""
    kind = type(reply).__name__
    if isinstance(reply, list):
        return (kind, *(exact(item) for item in reply))
    if isinstance(reply, Set):
        return (kind, *(exact(item) for item in reply.members))
    if isinstance(reply, Map):
        return (kind, *((exact(k), exact(v)) for k, v in reply.pairs))
    if isinstance(reply, Attributed):
        return (kind, exact(reply.attributes), exact(reply.reply))
    if isinstance(reply, Double):
        return (kind, reply.text)
    if isinstance(reply, Verbatim):
        return (kind, reply.format, bytes(reply))
    return (kind, str.__str__(reply) if isinstance(reply, str) else reply)


# --- Parser --------------------------------------------------------------------

_INTEGER = re.compile(rb"(?:0|-?[1-9][0-9]*)\Z")
_LENGTH = re.compile(rb"(?:0|[1-9][0-9]*)\Z")
_DOUBLE = re.compile(
    rb"(?:inf|-inf|nan|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\Z"
)
_RESP3_ONLY = frozenset(b"_#,(!=%~>|")


def read_reply(
    read_line: Callable[[], bytes],
    read_exactly: Callable[[int], bytes],
    resp: int = 2,
    depth: int = 0,
) -> Any:
    """Read one reply.

    read_line returns bytes up to and including a LF, read_exactly that many bytes.

    Raises: ProtocolViolation for anything that is not the one right spelling.
    """
    line = read_line()
    if not line.endswith(b"\r\n"):
        raise ProtocolViolation(f"line without CRLF: {line[:200]!r}")
    kind, rest = line[:1], line[1:-2]
    if b"\r" in rest:
        raise ProtocolViolation(f"CR inside a line: {line[:200]!r}")
    if depth > MAX_DEPTH:
        raise ProtocolViolation("reply nested too deep")
    if resp < 3 and kind and kind[0] in _RESP3_ONLY:
        raise ProtocolViolation(f"RESP3 type in RESP2: {line[:200]!r}")

    def item() -> Any:
        return read_reply(read_line, read_exactly, resp, depth + 1)

    def length() -> int:
        if not _LENGTH.match(rest):
            raise ProtocolViolation(f"bad length: {line[:200]!r}")
        return int(rest)

    def bulk() -> bytes:
        nbytes = length()
        data = read_exactly(nbytes + 2)
        if not data.endswith(b"\r\n"):
            raise ProtocolViolation(f"bulk of {nbytes} bytes without CRLF after it")
        return data[:-2]

    match kind:
        case b"+":
            return SimpleString(rest.decode("latin-1"))
        case b"-":
            if not rest:
                raise ProtocolViolation("empty error")
            return Error(rest.decode("latin-1"))
        case b":":
            if not _INTEGER.match(rest):
                raise ProtocolViolation(f"bad integer: {line[:200]!r}")
            return int(rest)
        case b"$":
            if rest == b"-1" and resp < 3:
                return None
            return bulk()
        case b"*":
            if rest == b"-1" and resp < 3:
                return NULL_ARRAY
            return [item() for _ in range(length())]
        case b"_":
            if rest:
                raise ProtocolViolation(f"bad null: {line[:200]!r}")
            return None
        case b"#":
            if rest not in (b"t", b"f"):
                raise ProtocolViolation(f"bad boolean: {line[:200]!r}")
            return rest == b"t"
        case b",":
            if not _DOUBLE.match(rest):
                raise ProtocolViolation(f"bad double: {line[:200]!r}")
            return Double(rest.decode())
        case b"(":
            if not _INTEGER.match(rest):
                raise ProtocolViolation(f"bad big number: {line[:200]!r}")
            return BigNumber(rest)
        case b"!":
            return BulkError(bulk().decode("latin-1"))
        case b"=":
            data = bulk()
            if len(data) < 4 or data[3:4] != b":":
                raise ProtocolViolation(f"bad verbatim string: {data[:200]!r}")
            return Verbatim(data[4:], data[:3].decode("latin-1"))
        case b"%":
            return Map([(item(), item()) for _ in range(length())])
        case b"~":
            return Set([item() for _ in range(length())])
        case b">":
            if depth:
                raise ProtocolViolation("push inside a reply")
            return Push(item() for _ in range(length()))
        case b"|":
            attributes = Map([(item(), item()) for _ in range(length())])
            return Attributed(attributes, item())
    raise ProtocolViolation(f"unknown reply type: {line[:200]!r}")
