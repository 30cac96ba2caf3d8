# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT LIST, INFO, KILL and HELP.

A connection is described in one line, in the format and with the fields of Redis 8.
Fields of features that there are none of yet say so: no tracking is redirected; every
connection is that of the default user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastredis.commands.spec.syntax import help_lines
from fastredis.resp.values import OK, ReplyError, Verbatim

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString

Info = Mapping[str, Any]
Test = Callable[[Info], bool]

_SYNTAX_ERROR = "ERR syntax error"
_DEFAULT_USER = b"default"
_I64_MAX = 2**63 - 1

# The words of TYPE; slave is what replicas were called.
_TYPES = frozenset((b"normal", b"master", b"slave", b"replica", b"pubsub"))


# --- Handlers ---------------------------------------------------------------------


def client_list(ctx: Any, *args: bytes) -> Verbatim:
    """Describe the connections, all or those of a type or with certain ids.

    Raises: ReplyError for arguments that are no filter.
    """
    engine = ctx.server.engine
    if not args:
        return _lines(engine.clients())
    option = args[0].lower()
    if option == b"type" and len(args) == 2:
        test = _type_test(args[1])
        return _lines(filter(test, engine.clients()))
    if option == b"id" and len(args) > 1:
        ids = [_number(arg, "ERR Invalid client ID") for arg in args[1:]]
        found = map(engine.client, (i for i in ids if i > 0))
        return _lines(info for info in found if info is not None)
    raise ReplyError(_SYNTAX_ERROR)


def client_info(ctx: Any) -> Verbatim:
    """Describe the connection that asks."""
    return _lines([ctx.describe_client()])


def client_kill(ctx: Any, *args: bytes) -> SimpleString | int:
    """Close the connection from an address, or those that pass all filters.

    The one that asks gets its reply before it is closed.
    Raises: ReplyError if no connection has the address, or for a bad filter.
    """
    engine = ctx.server.engine
    if len(args) == 1:
        address = args[0].decode("utf-8", "replace")
        victims = [c["id"] for c in engine.clients() if c["addr"] == address]
        if not victims:
            raise ReplyError("ERR No such client")
        engine.kill_clients(victims)
        return OK
    if len(args) % 2:
        raise ReplyError(_SYNTAX_ERROR)
    tests: list[Test] = []
    skips_me = True
    for name, value in zip(args[::2], args[1::2], strict=True):
        if name.lower() == b"skipme":
            skips_me = _yes_no(value)
        else:
            tests.append(_filter(name.lower(), value))
    own_id = ctx.client.id
    return int(
        engine.kill_clients(
            info["id"]
            for info in engine.clients()
            if all(test(info) for test in tests)
            and not (skips_me and info["id"] == own_id)
        )
    )


def client_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["client"])


# --- Lines ------------------------------------------------------------------------


def _lines(infos: Any) -> Verbatim:
    """Return a line for each connection."""
    return Verbatim("".join([describe(info) + "\n" for info in infos]))


def describe(info: Info) -> str:
    """Return the line about a connection, without its end."""
    flags = (
        ("O" if info["is_monitor"] else "")
        + ("P" if info["is_pubsub"] else "")
        + ("x" if info["is_multi"] else "")
        + ("b" if info["is_blocked"] else "")
        + ("d" if info["is_dirty"] else "")
        + ("c" if info["is_closing"] else "")
        + ("U" if info["is_unix"] else "")
        + ("e" if info["is_no_evict"] else "")
        + ("T" if info["is_no_touch"] else "")
    ) or "N"
    # nothing more is read from a connection that is about to be closed
    events = ("" if info["is_closing"] or info["is_fake"] else "r") + (
        "w" if info["wants_write"] else ""
    )
    return (
        f"id={info['id']} addr={info['addr']} laddr={info['laddr']} fd={info['fd']} "
        f"name={info['name']} age={info['age_ms'] // 1000} "
        f"idle={info['idle_ms'] // 1000} flags={flags} db={info['db']} "
        f"sub={info['sub']} psub={info['psub']} ssub={info['ssub']} "
        f"multi={info['multi']} watch={info['watch']} "
        f"qbuf={info['qbuf']} qbuf-free={info['qbuf_free']} "
        f"argv-mem={info['argv_memory']} multi-mem={info['multi_memory']} "
        f"rbs={info['block']} rbp={info['output_peak']} "
        f"obl={info['obl']} oll={info['oll']} omem={info['omem']} "
        f"tot-mem={info['memory']} events={events} cmd={info['cmd']} user=default "
        f"redir=-1 resp={info['resp']} "
        f"lib-name={info['lib_name']} lib-ver={info['lib_ver']} io-thread=0 "
        f"tot-net-in={info['net_in']} tot-net-out={info['net_out']} "
        f"tot-cmds={info['commands']}"
    )


# --- Filters ----------------------------------------------------------------------


def _filter(name: bytes, value: bytes) -> Test:
    """Return the test for one filter of CLIENT KILL.

    Raises: ReplyError if there is no such filter, or for its value.
    """
    if name == b"id":
        error = "ERR client-id should be greater than 0"
        number = _number(value, error)
        if number < 1:
            raise ReplyError(error)
        return lambda info: bool(info["id"] == number)
    if name == b"type":
        return _type_test(value)
    if name == b"user":
        if value != _DEFAULT_USER:
            text = value.decode("utf-8", "surrogateescape")
            raise ReplyError(f"ERR No such user '{text}'")
        return lambda info: True
    if name in (b"addr", b"laddr"):
        field, address = name.decode(), value.decode("utf-8", "replace")
        return lambda info: bool(info[field] == address)
    if name == b"maxage":
        seconds = _number(value, "ERR maxage is not an integer or out of range")
        if seconds < 1:
            raise ReplyError("ERR maxage should be greater than 0")
        return lambda info: bool(info["age_ms"] // 1000 >= seconds)
    raise ReplyError(_SYNTAX_ERROR)


def _type_test(value: bytes) -> Test:
    """Return the test for a type of client.

    Raises: ReplyError if there is no such type.
    """
    kind = value.lower()
    if kind not in _TYPES:
        text = value[:128].decode("utf-8", "surrogateescape")
        raise ReplyError(f"ERR Unknown client type '{text}'")
    if kind == b"pubsub":
        return lambda info: bool(info["is_pubsub"])
    return lambda info: kind == b"normal" and not info["is_pubsub"]


def _yes_no(value: bytes) -> bool:
    """Read yes or no.

    Raises: ReplyError for anything else.
    """
    word = value.lower()
    if word not in (b"yes", b"no"):
        raise ReplyError(_SYNTAX_ERROR)
    return word == b"yes"


def _number(value: bytes, error: str) -> int:
    """Read a 64-bit integer, written as Redis writes it.

    Raises: ReplyError with the error.
    """
    digits = value.removeprefix(b"-")
    if digits.isdigit() and len(digits) < 20 and abs(int(value)) <= _I64_MAX:
        number = int(value)
        if b"%d" % number == value:
            return number
    raise ReplyError(error)
