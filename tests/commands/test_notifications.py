# SPDX-License-Identifier: BSD-3-Clause
"""Keyspace notifications: which events are published, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.client import Push, RawClient
from support.server import FastredisServer
from support.wait import wait_until

Event = tuple[str, str]


class Listener:
    """Hears all messages of a server, through a pattern."""

    def __init__(self, server: FastredisServer, pattern: str = "*") -> None:
        self.client = server.client(3)
        self.client.send("PSUBSCRIBE", pattern)
        self.client.read()

    def messages(self) -> list[Event]:
        """Return (channel, text) of what has come, in its order."""
        self.client.send("PING", "end")
        found = []
        while True:
            reply = self.client.read()
            if not isinstance(reply, Push):
                assert reply == b"end"
                return found
            _, _, channel, text = reply
            found.append((channel.decode(), text.decode()))

    def events(self) -> list[str]:
        """Return what has come on __keyevent@...: channels, as in "0 set key"."""
        return [
            f"{channel[11:].partition('_')[0]} {channel.rpartition(':')[2]} {text}"
            for channel, text in self.messages()
            if channel.startswith("__keyevent@")
        ]


@pytest.fixture
def listen(server: FastredisServer) -> Iterator[Callable[[str], Listener]]:
    """Switch events on, and off again at the end."""
    admin = server.client()

    def make(letters: str) -> Listener:
        admin.ok("CONFIG", "SET", "notify-keyspace-events", letters)
        return Listener(server)

    yield make
    admin.ok("CONFIG", "SET", "notify-keyspace-events", "")


def test_both_kinds_of_channels(
    client: RawClient, listen: Callable[[str], Listener]
) -> None:
    listener = listen("KEA")
    client.ok("SELECT", "9")
    client.ok("SET", "a:b", "1")
    assert listener.messages() == [
        ("__keyspace@9__:a:b", "set"),
        ("__keyevent@9__:set", "a:b"),
    ]
    client.ok("CONFIG", "SET", "notify-keyspace-events", "KA")
    client.ok("SET", "a", "1")
    assert listener.messages() == [("__keyspace@9__:a", "set")]
    client.ok("CONFIG", "SET", "notify-keyspace-events", "E$")
    client.ok("SET", "a", "1")
    assert client.cmd("DEL", "a") == 1
    assert listener.messages() == [("__keyevent@9__:set", "a")]


@pytest.mark.parametrize("letters", ["", "A", "g$"])
def test_without_channels_nothing_is_published(
    client: RawClient, listen: Callable[[str], Listener], letters: str
) -> None:
    listener = listen(letters)
    client.ok("SET", "a", "1")
    assert listener.messages() == []


def test_long_names_of_keys(
    client: RawClient, listen: Callable[[str], Listener]
) -> None:
    listener = listen("KEA")
    for nbytes in (230, 240, 241, 242, 256, 257, 10_000):
        key = "k" * nbytes
        client.ok("SET", key, "1")
        assert listener.messages() == [
            (f"__keyspace@0__:{key}", "set"),
            ("__keyevent@0__:set", key),
        ]


# Commands, and the events of keyspace 0 (else with its number) that they cause.
CASES: list[tuple[tuple[Any, ...], list[str]]] = [
    (("SET", "a", "1"), ["new a", "set a"]),
    (("SET", "a", "1", "EX", "100"), ["set a", "expire a"]),
    (("SET", "a", "1", "KEEPTTL"), ["set a"]),
    (("SET", "a", "1", "NX"), []),
    (("SET", "a", "1", "XX", "GET"), ["set a"]),
    (("SETNX", "a", "1"), []),
    (("SETNX", "b", "1"), ["new b", "set b"]),
    (("SETEX", "b", "100", "1"), ["set b", "expire b"]),
    (("PSETEX", "b", "100000", "1"), ["set b", "expire b"]),
    (("GETSET", "b", "2"), ["set b"]),
    (("GETEX", "b", "EX", "100"), ["expire b"]),
    (("GETEX", "b", "PERSIST"), ["persist b"]),
    (("GETEX", "b", "PERSIST"), []),
    (("GETEX", "b"), []),
    (("GETEX", "b", "EXAT", "1"), ["del b"]),
    (("GETDEL", "b"), ["keymiss b"]),
    (("GETDEL", "a"), ["del a"]),
    (("MSET", "a", "1", "b", "2"), ["new a", "set a", "new b", "set b"]),
    (("MSETNX", "a", "1", "c", "1"), []),
    (("MSETNX", "c", "1"), ["new c", "set c"]),
    (("MSETEX", "1", "c", "1", "EX", "100"), ["set c", "expire c"]),
    (("APPEND", "a", "2"), ["append a"]),
    (("SETRANGE", "a", "0", ""), []),
    (("SETRANGE", "a", "0", "5"), ["setrange a"]),
    (("INCR", "a"), ["incrby a"]),
    (("DECR", "a"), ["incrby a"]),
    (("INCRBY", "a", "4"), ["incrby a"]),
    (("DECRBY", "a", "4"), ["incrby a"]),
    (("INCRBYFLOAT", "n", "1.5"), ["new n", "incrbyfloat n"]),
    (("INCRBY", "n", "1"), []),
    (("INCREX", "x", "EX", "100"), ["new x", "incrby x", "expire x"]),
    (("INCREX", "x", "BYFLOAT", "1", "PERSIST"), ["incrbyfloat x", "persist x"]),
    (("RENAME", "x", "y"), ["new y", "rename_from x", "rename_to y"]),
    (("RENAME", "y", "y"), []),
    (("RENAMENX", "y", "a"), []),
    (("RENAME", "y", "n"), ["new n", "rename_from y", "rename_to n"]),
    (("COPY", "n", "m"), ["new m", "copy_to m"]),
    (("COPY", "n", "m"), []),
    (("COPY", "n", "m", "REPLACE"), ["new m", "copy_to m"]),
    (("COPY", "n", "m", "DB", "2"), ["2 new m", "2 copy_to m"]),
    (("MOVE", "n", "2"), ["2 new n", "move_from n", "2 move_to n"]),
    (("EXPIRE", "a", "100"), ["expire a"]),
    (("EXPIRE", "a", "100", "NX"), []),
    (("PERSIST", "a"), ["persist a"]),
    (("PERSIST", "a"), []),
    (("PEXPIREAT", "a", "1"), ["del a"]),
    (("SET", "a", "1", "EXAT", "1"), ["new a", "set a", "expire a", "expired a"]),
    (("SET", "b", "1", "EXAT", "1"), ["set b", "expire b", "expired b"]),
    (("EXISTS", "a"), ["keymiss a"]),
    (("GET", "a"), ["keymiss a"]),
    (("MGET", "a", "m", "zz"), ["keymiss a", "keymiss zz"]),
    (("TYPE", "a"), ["keymiss a"]),
    (("OBJECT", "ENCODING", "a"), []),
    (("DEL", "a", "m", "zz", "m"), ["del m"]),
    (("UNLINK", "a", "c"), ["del c"]),
    (("FLUSHALL",), []),
]


def test_the_events_of_each_command(
    client: RawClient, listen: Callable[[str], Listener]
) -> None:
    listener = listen("EAnm")
    for command, expected in CASES:
        client.cmd(*command)
        whole = [text if text[0] == "2" else f"0 {text}" for text in expected]
        assert listener.events() == whole, command


def test_classes_can_be_chosen(
    client: RawClient, listen: Callable[[str], Listener]
) -> None:
    listener = listen("E")
    for letters, expected in {
        "E$": ["0 set a"],
        "Eg": ["0 expire a", "0 del a"],
        "En": ["0 new a"],
        "Em": ["0 keymiss a"],
        "Ex": [],
        "El": [],
        "Eg$": ["0 set a", "0 expire a", "0 del a"],
    }.items():
        client.ok("CONFIG", "SET", "notify-keyspace-events", letters)
        client.ok("SET", "a", "1", "EX", "100")
        assert client.cmd("DEL", "a") == 1
        assert client.cmd("GET", "a") is None
        assert listener.events() == expected, letters


@pytest.mark.parametrize("letters", ["KEA", "gKE", "$lshzxeKE", "AK", "K", "", "nm"])
def test_config_get_shows_what_was_set(client: RawClient, letters: str) -> None:
    client.ok("CONFIG", "SET", "notify-keyspace-events", letters)
    shown = client.config("notify-keyspace-events")
    assert set(shown) == set(letters)
    client.ok("CONFIG", "SET", "notify-keyspace-events", "")


# --- Expiry ------------------------------------------------------------------------


def test_active_expiry(
    client: RawClient, server: FastredisServer, listen: Callable[[str], Listener]
) -> None:
    listener = listen("Ex")
    client.pipeline([("SET", f"k{n}", "x", "PX", "20") for n in range(50)])
    expected = {f"0 expired k{n}" for n in range(50)}
    # no command of any client makes it happen, or is needed for it to be told
    told = [listener.client.read() for _ in range(50)]
    assert {f"0 expired {message[3].decode()}" for message in told} == expected
    assert client.cmd("DBSIZE") == 0


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("GET", "a"), ["expired a", "keymiss a"]),
        (("DEL", "a"), ["expired a"]),
        (("SET", "a", "2"), ["expired a", "new a", "set a"]),
        (("SET", "a", "2", "KEEPTTL"), ["expired a", "new a", "set a"]),
        (("APPEND", "a", "2"), ["expired a", "new a", "append a"]),
        (("RENAME", "b", "a"), ["expired a", "new a", "rename_from b", "rename_to a"]),
        (("COPY", "b", "a"), ["expired a", "new a", "copy_to a"]),
        (("RANDOMKEY",), None),
        (("SCAN", "0", "COUNT", "1000"), ["expired a"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_lazy_expiry(
    client: RawClient,
    listen: Callable[[str], Listener],
    command: tuple[Any, ...],
    expected: list[str] | None,
) -> None:
    listener = listen("EAnm")
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    client.ok("SET", "b", "1")
    client.ok("SET", "a", "1", "PX", "1")
    client.ok("DEBUG", "SLEEP", "0.005")
    listener.events()
    client.cmd(*command)
    if expected is None:
        wait_until(lambda: client.cmd("RANDOMKEY") == b"b" and bool(listener.events()))
    else:
        assert listener.events() == [f"0 {text}" for text in expected]
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")


# --- Who hears them ----------------------------------------------------------------


def test_ones_own_events_follow_the_reply(
    client3: RawClient, listen: Callable[[str], Listener]
) -> None:
    listen("EA")
    client3.send("SUBSCRIBE", "__keyevent@0__:set", "__keyevent@0__:del")
    assert [client3.read()[2] for _ in range(2)] == [1, 2]
    client3.ok("MULTI")
    for command in (("MSET", "a", "1", "b", "2"), ("DEL", "a"), ("GET", "b")):
        assert client3.cmd(*command) == "QUEUED"
    client3.send("EXEC")
    assert client3.read() == ["OK", 1, b"2"]
    told = [client3.read() for _ in range(3)]
    assert [list(message[1:]) for message in told] == [
        [b"__keyevent@0__:set", b"a"],
        [b"__keyevent@0__:set", b"b"],
        [b"__keyevent@0__:del", b"a"],
    ]


def test_events_are_published_when_exec_runs(
    client: RawClient, listen: Callable[[str], Listener]
) -> None:
    listener = listen("EA")
    client.ok("MULTI")
    client.cmd("SET", "a", "1")
    assert listener.events() == []
    client.cmd("EXEC")
    assert listener.events() == ["0 set a"]


def test_the_option_can_be_given_at_start(
    fresh_server: Callable[..., FastredisServer],
) -> None:
    server = fresh_server(**{"notify-keyspace-events": "KEA"})
    listener = Listener(server)
    server.client().ok("SET", "a", "1")
    assert listener.events() == ["0 set a"]


@pytest.mark.parametrize("road", ["epoll", "uvloop"])
def test_expired_is_told_on_both_roads(
    fresh_server: Callable[..., FastredisServer], road: str
) -> None:
    server = fresh_server(**{"notify-keyspace-events": "Ex", "net-transport": road})
    listener = Listener(server)
    server.client().ok("SET", "a", "1", "PX", "10")
    assert list(listener.client.read()[2:]) == [b"__keyevent@0__:expired", b"a"]


# --- Other types -------------------------------------------------------------------


def test_a_waiting_client_hears_of_its_own_change_after_the_reply(
    client: RawClient, client3: RawClient, listen: Callable[[str], Listener]
) -> None:
    listen("El")
    client3.send("SUBSCRIBE", "__keyevent@0__:rpush", "__keyevent@0__:lpop")
    assert [client3.read()[2] for _ in range(2)] == [1, 2]
    client3.send("BLPOP", "list", "0")
    wait_until(lambda: client.info("clients")["blocked_clients"] == "1")
    assert client.cmd("RPUSH", "list", "a") == 1
    # the message about what woke it comes while it still waits
    assert list(client3.read()[1:]) == [b"__keyevent@0__:rpush", b"list"]
    assert client3.read() == [b"list", b"a"]
    assert list(client3.read()[1:]) == [b"__keyevent@0__:lpop", b"list"]


def test_fields_that_expire(
    client: RawClient, listen: Callable[[str], Listener]
) -> None:
    listener = listen("Ehg")
    client.cmd("HSET", "hash", "a", "1", "b", "2")
    client.cmd("HPEXPIRE", "hash", "10", "FIELDS", "2", "a", "b")
    told: list[str] = []

    def all_told() -> bool:
        told.extend(listener.events())
        return "0 del hash" in told

    wait_until(all_told)
    assert told[-2:] == ["0 hexpired hash", "0 del hash"]
    assert client.cmd("EXISTS", "hash") == 0


def test_fields_that_expire_are_a_change(client: RawClient, client2: RawClient) -> None:
    client.cmd("HSET", "hash", "a", "1", "b", "2")
    expire = ("HPEXPIRE", "hash", "30", "FIELDS", "1", "a")
    assert client.pipeline([expire, ("WATCH", "hash")]) == [[1], "OK"]
    wait_until(lambda: client2.info("stats")["expired_subkeys"] == "1")
    client.ok("MULTI")
    assert client.cmd("PING") == "QUEUED"
    assert client.cmd("EXEC") == client.null_array
