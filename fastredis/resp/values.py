# SPDX-License-Identifier: BSD-3-Clause
"""Python values that a command written in Python may return, beyond the plain ones.

==================  =======================  ==================================
Python              RESP3                    RESP2
==================  =======================  ==================================
None                null                     null bulk string
bool                boolean                  integer 0 or 1
int                 integer                  integer
float               double                   bulk string
bytes, str          bulk string              bulk string (str in UTF-8)
list, tuple         array                    array
dict                map                      array of key, value, key, value ...
set, frozenset      set                      array
ReplySet            set, in the given order  array
SimpleString        simple string            simple string
Verbatim            verbatim string          bulk string
ReplyError          error                    error (raised or returned)
NULL_ARRAY          null                     null array
RawReply            the bytes as they are    the bytes as they are
NO_REPLY            nothing                  nothing
==================  =======================  ==================================
"""

from __future__ import annotations

from typing import Any, Final


class SimpleString(str):
    """A status reply such as OK; must hold neither CR nor LF."""

    __slots__ = ()


class Verbatim(str):
    """Text for people; RESP3 clients are told that it is plain text."""

    __slots__ = ()


class RawReply(bytes):
    """One reply as it goes over the wire; the handler answers for its form."""

    __slots__ = ()


class ReplySet(tuple[Any, ...]):
    """A set whose members have an order, or cannot be hashed, as maps cannot."""

    __slots__ = ()


class ReplyError(Exception):
    """An error reply: the text starts with its code, as in ``ERR no such key``."""


class _NullArray:
    """The one value NULL_ARRAY."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NULL_ARRAY"


class _NoReply:
    """The one value NO_REPLY."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NO_REPLY"


OK: Final = SimpleString("OK")
NULL_ARRAY: Final = _NullArray()
# For the whole of a reply only: the client is told nothing, as by SHUTDOWN.
NO_REPLY: Final = _NoReply()
