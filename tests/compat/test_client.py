# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT beside genuine servers: names, infos, filters, kills, replies, errors.

Texts are equal where the two agree; where they differ, either is right. Ids and
addresses are put in by name: {own}, {other}, {gone}.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from support.client import Error, RawClient, encode
from support.differential import Contest
from support.server import FastredisServer, GenuineServer, ServerProcess

# What only Valkey knows, so that only Valkey is asked.
NEWER = {
    "IDLE", "FLAGS", "NAME", "LIB-NAME", "LIB-VER", "DB", "CAPA", "IP", "NOT-ID",
    "NOT-TYPE", "NOT-ADDR", "NOT-LADDR", "NOT-USER", "NOT-FLAGS", "NOT-NAME",
    "NOT-LIB-NAME", "NOT-LIB-VER", "NOT-DB", "NOT-CAPA", "NOT-IP",
}  # fmt: skip
LIST_NEWER = {"USER", "ADDR", "LADDR", "SKIPME", "MAXAGE"}
KILL_NEWER = {"MAXAGE"}
VALUES = {
    "ID": ["{own}", "{other}", "{gone}", "0", "-1", "x", "1.5", "99999999999999999999"],
    "TYPE": ["normal", "NORMAL", "pubsub", "master", "replica", "slave", "x", ""],
    "USER": ["default", "nobody", ""],
    "ADDR": ["{own_addr}", "{other_addr}", "x", ""],
    "LADDR": ["{own_laddr}", "x"],
    "SKIPME": ["yes", "NO", "x", ""],
    "MAXAGE": ["1000", "0", "-1", "x"],
    "IDLE": ["1000", "0", "-1", "x"],
    "FLAGS": ["N", "P", "T", "NP", "", "q", "?"],
    "NAME": ["one", "two", "", "x"],
    "LIB-NAME": ["lib", "", "x"],
    "LIB-VER": ["1", "", "x"],
    "DB": ["0", "2", "15", "16", "-1", "x"],
    "CAPA": ["r", "", "x"],
    "IP": ["127.0.0.1", "127.0.0.2", "", "127.0.0.1:1"],
    "NONSENSE": ["1"],
}
NEGATED = [n for n in VALUES if f"NOT-{n}" in NEWER]


def pairs() -> list[tuple[str, str]]:
    """Return each filter with each value."""
    found = [(name, value) for name, values in VALUES.items() for value in values]
    return found + [(f"NOT-{name}", v) for name in NEGATED for v in VALUES[name]]


class Talk:
    """One server with two clients, the one that asks and another."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.own, self.other = server.client(), server.client()
        gone = server.client()
        self.places = {
            "own": str(self.own.cmd("CLIENT", "ID")),
            "other": str(self.other.cmd("CLIENT", "ID")),
            "gone": str(gone.cmd("CLIENT", "ID")),
            "own_addr": "{}:{}".format(*self.own.sock.getsockname()),
            "own_laddr": "{}:{}".format(*self.own.sock.getpeername()),
            "other_addr": "{}:{}".format(*self.other.sock.getsockname()),
        }
        gone.close()
        self.own.ok("CLIENT", "SETNAME", "one")
        self.other.ok("CLIENT", "SETNAME", "two")
        self.other.ok("SELECT", 2)

    def ask(self, *request: str) -> Any:
        """Send a request; return the reply with the names of clients for lines."""
        words = [word.format(**self.places) for word in request]
        reply = self.own.cmd(*words)
        if isinstance(reply, bytes):
            lines = reply.decode().splitlines()
            found = [line.split(" name=")[1].split(" ")[0] for line in lines]
            return [name for name in found if name]
        return str(reply) if isinstance(reply, Error) else reply

    def close(self) -> None:
        self.own.close()
        self.other.close()


def is_new(subcommand: str, name: str) -> bool:
    """Return whether Redis 7.0 does not know a filter."""
    older = LIST_NEWER if subcommand == "LIST" else KILL_NEWER
    return name in NEWER or name in older


@pytest.mark.parametrize(("name", "value"), pairs())
@pytest.mark.parametrize("subcommand", ["LIST", "KILL"])
def test_one_filter(
    subject: FastredisServer,
    redis: GenuineServer,
    valkey: GenuineServer,
    subcommand: str,
    name: str,
    value: str,
) -> None:
    oracles = [valkey] if is_new(subcommand, name) else [redis, valkey]
    replies = []
    for server in (subject, *oracles):
        talk = Talk(server)
        try:
            reply = talk.ask("CLIENT", subcommand, name, value)
            # what is left: a client that closed itself got its reply first
            own, other = (_is_alive(c) for c in (talk.own, talk.other))
            replies.append((reply, own, other))
        finally:
            talk.close()
    assert replies[0] in replies[1:]


def _is_alive(client: RawClient) -> bool:
    try:
        return bool(client.cmd("PING") == "PONG")
    except (ConnectionError, EOFError, AssertionError):
        return False


COMBINED = [
    ("TYPE", "normal", "NAME", "two"),
    ("NAME", "one", "NAME", "two"),
    ("ID", "{own}", "{other}"),
    ("ID", "{other}", "DB", "0"),
    ("DB", "2", "SKIPME", "no"),
    ("ID", "{own}", "ID", "{other}", "NOT-DB", "0"),
    ("NOT-ID", "{own}", "NOT-ID", "{other}"),
    ("NOT-NAME", "one", "NOT-NAME", "two", "TYPE", "normal"),
    ("SKIPME", "yes", "IP", "127.0.0.1"),
    ("ADDR", "{own_addr}", "ADDR", "{other_addr}"),
    ("TYPE", "pubsub", "TYPE", "normal"),
    ("DB", "0", "NOT-DB", "0"),
    ("NAME",),
    ("ID", "{own}", "NAME"),
    ("TYPE", "normal", "x"),
    ("TYPE", "normal", "x", "y"),
    ("NOT-ID", "{own}", "NAME", "two"),
    ("USER", "default", "LADDR", "{own_laddr}", "NAME", "two"),
]


@pytest.mark.parametrize("filters", COMBINED)
def test_several_filters(
    subject: FastredisServer, valkey: GenuineServer, filters: tuple[str, ...]
) -> None:
    replies = []
    for server in (subject, valkey):
        talk = Talk(server)
        try:
            reply = talk.ask("CLIENT", "LIST", *filters)
            replies.append(sorted(reply) if isinstance(reply, list) else reply)
        finally:
            talk.close()
    assert replies[0] == replies[1]


# --- What a connection says of itself ----------------------------------------------

NAMES = [b"", b"n", b"a b", b"a\nb", b"\x7f", b"\x80", b"~!", b"x" * 1000, b"a\x00b"]
INFO_VALUES = [b"", b"lib", b"a b", b"1.2.3", b"a\n", b"\xff", b"lib(x_v1)"]


def test_names(with_both: Contest) -> None:
    steps: list[tuple[bytes, ...]] = []
    for name in NAMES:
        steps += [(b"CLIENT", b"SETNAME", name), (b"CLIENT", b"GETNAME")]
        steps += [(b"HELLO", b"2", b"SETNAME", name), (b"CLIENT", b"GETNAME")]
    steps += [(b"RESET",), (b"CLIENT", b"GETNAME"), (b"CLIENT", b"SETNAME")]
    steps += [(b"CLIENT", b"GETNAME", b"x"), (b"CLIENT", b"SETNAME", b"a", b"b")]
    with_both.run(steps, 2)


def test_library(with_valkey: Contest) -> None:
    steps = [
        (b"CLIENT", b"SETINFO", attribute, value)
        for attribute, value in product((b"LIB-NAME", b"lib-ver", b"x"), INFO_VALUES)
    ]
    steps += [(b"CLIENT", b"SETINFO", b"LIB-NAME"), (b"CLIENT", b"SETINFO")]
    with_valkey.run(steps, 2)


SWITCHES = [b"ON", b"off", b"x", b"", b"YES"]


@pytest.mark.parametrize("resp", [2, 3])
def test_switches(with_both: Contest, resp: int) -> None:
    steps = [(b"CLIENT", b"NO-EVICT", word) for word in SWITCHES]
    steps += [(b"CLIENT", b"NO-EVICT"), (b"CLIENT", b"NO-EVICT", b"ON", b"x")]
    steps += [(b"CLIENT", b"UNPAUSE"), (b"CLIENT", b"UNPAUSE", b"x")]
    steps += [(b"CLIENT", b"REPLY", word) for word in (b"ON", b"x", b"")]
    steps += [(b"CLIENT", b"REPLY"), (b"CLIENT", b"ID", b"x"), (b"CLIENT",)]
    steps += [
        (b"CLIENT", b"INFO", b"x"),
        (b"CLIENT", b"nonsense"),
        (b"CLIENT", b"KILL"),
    ]
    for ms, mode in product(
        (b"x", b"-1", b"1.5", b"9" * 19, b""), (b"", b"ALL", b"no")
    ):
        steps.append((b"CLIENT", b"PAUSE", ms, *([mode] if mode else [])))
    steps += [(b"CLIENT", b"PAUSE", b"1", b"ALL", b"x"), (b"CLIENT", b"PAUSE")]
    for id_, reason in product(
        (b"x", b"0", b"-1", b"99999999"), (b"", b"ERROR", b"no")
    ):
        steps.append((b"CLIENT", b"UNBLOCK", id_, *([reason] if reason else [])))
    with_both.run(steps, resp)


def test_switches_of_valkey(with_valkey: Contest) -> None:
    steps = [(b"CLIENT", b"NO-TOUCH", word) for word in SWITCHES]
    steps += [(b"CLIENT", b"IMPORT-SOURCE", word) for word in SWITCHES]
    steps += [
        (b"CLIENT", b"CAPA", *words) for words in ((b"redirect",), (b"x", b"y"), ())
    ]
    steps += [(b"CLIENT", b"IMPORT-SOURCE"), (b"CLIENT", b"NO-TOUCH")]
    steps += [(b"CONFIG", b"SET", b"import-mode", b"yes")]
    steps += [(b"CLIENT", b"IMPORT-SOURCE", word) for word in SWITCHES]
    steps += [(b"SET", b"k", b"v", b"PXAT", b"1"), (b"GET", b"k")]
    steps += [(b"CONFIG", b"SET", b"import-mode", b"no")]
    with_valkey.run(steps, 2)


REPLIES = [
    [("CLIENT", "REPLY", "OFF"), ("PING",), ("CLIENT", "REPLY", "ON"), ("PING",)],
    [("CLIENT", "REPLY", "SKIP"), ("PING",), ("ECHO", "x")],
    [("CLIENT", "REPLY", "SKIP"), ("CLIENT", "REPLY", "SKIP"), ("PING",),
     ("ECHO", "y")],
    [("CLIENT", "REPLY", "SKIP"), ("CLIENT", "REPLY", "ON"), ("PING",)],
    [("CLIENT", "REPLY", "OFF"), ("CLIENT", "REPLY", "SKIP"), ("PING",),
     ("CLIENT", "REPLY", "ON"), ("ECHO", "z")],
    [("CLIENT", "REPLY", "OFF"), ("BAD",), ("SET", "k"), ("CLIENT", "REPLY", "x"),
     ("CLIENT", "REPLY", "ON")],
    [("CLIENT", "REPLY", "SKIP"), ("BAD",), ("PING",)],
    [("CLIENT", "REPLY", "OFF"), ("FLUSHALL",), ("HELLO", "3"), ("RESET",), ("PING",)],
]  # fmt: skip


@pytest.mark.parametrize("requests", REPLIES)
def test_replies(
    subject: FastredisServer,
    redis: GenuineServer,
    valkey: GenuineServer,
    requests: list[tuple[str, ...]],
) -> None:
    answers = []
    for server in (subject, redis, valkey):
        with RawClient(server.port) as client:
            data = b"".join(encode(request) for request in [*requests, ("QUIT",)])
            client.send_raw(data)
            answers.append(client.read_all())
    assert answers[0] in answers[1:]
