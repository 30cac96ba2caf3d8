# SPDX-License-Identifier: BSD-3-Clause
"""CLIENT TRACKING: who is told of which changes, where in the stream, and how."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from support.client import Error, Push, RawClient
from support.server import FastredisServer
from support.wait import wait_until

CHANNEL = b"__redis__:invalidate"


@pytest.fixture
def cache(client3: RawClient) -> RawClient:
    """Return a connection of RESP3 that tracks what it reads."""
    client3.ok("CLIENT", "TRACKING", "ON")
    return client3


def told(client: RawClient, *keys: str) -> None:
    """Check that the next thing a client hears is that these keys have changed."""
    assert client.read() == Push([b"invalidate", [key.encode() for key in keys]])


def hears_nothing(client: RawClient) -> None:
    """Check that no message waits: the answer to a PING is the next that comes."""
    client.send("PING", "nothing")
    reply = client.read()
    assert reply == b"nothing" or reply == [b"pong", b"nothing"]


def id_of(client: RawClient) -> str:
    """Return a connection's id, whatever state it is in."""
    reply = client.cmd("CLIENT", "ID")
    assert isinstance(reply, int)
    return str(reply)


def server_ms(client: RawClient) -> int:
    """Return the server's time."""
    seconds, us = client.cmd("TIME")
    return int(seconds) * 1000 + int(us) // 1000


def shown(client: RawClient, watcher: RawClient, field: str) -> str:
    """Return a field of CLIENT LIST about a connection."""
    line = watcher.cmd("CLIENT", "LIST", "ID", id_of(client))
    found = re.search(rf"\b{field}=(\S*)", str(line, "utf-8"))
    assert found is not None
    return found[1]


# --- What is noted -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "keys"),
    [
        (["GET", "a"], {"a"}),
        (["MGET", "a", "b", "a"], {"a", "b"}),
        (["EXISTS", "a", "none"], {"a", "none"}),
        (["SINTERCARD", 2, "a", "b"], {"a", "b"}),
        (["SINTERCARD", 2, "a", "b", "LIMIT", 1], {"a", "b"}),
        (["SINTERCARD", 9, "a", "b"], set()),
        (["ZUNION", 1, "a", "WITHSCORES"], {"a"}),
        (["LCS", "a", "b"], {"a", "b"}),
        (["OBJECT", "ENCODING", "a"], {"a"}),
        (["SORT_RO", "a", "BY", "nosort"], {"a"}),
        (["GEORADIUS_RO", "a", 0, 0, 1, "m"], {"a"}),
        (["LRANGE", "a", 0, -1], {"a"}),  # of the wrong type: it was read, too
        (["XREAD", "COUNT", 1, "streams", "a", "none", 0, 0], {"a", "none"}),
        (["XRANGE", "none", "-", "+"], {"none"}),
        (["XREAD", "COUNT", 1], set()),  # refused
        (["GET", "a", "b"], set()),
        (["KEYS", "*"], set()),
        (["DBSIZE"], set()),
        (["SET", "a", "1", "GET"], set()),
        (["GETEX", "a"], set()),
        (["PUBLISH", "a", "b"], set()),
    ],
)
def test_the_keys_of_commands_that_read_are_noted(
    cache: RawClient, client2: RawClient, read: list[str], keys: set[str]
) -> None:
    client2.cmd("MSET", "a", "1", "b", "2")
    cache.cmd(*read)
    assert int(client2.info("stats")["tracking_total_keys"]) == len(keys)
    client2.cmd("DEL", "a", "b")
    client2.cmd("SET", "none", "1")
    heard = {cache.read()[1][0].decode() for _ in keys}
    assert heard == keys
    hears_nothing(cache)


def test_a_key_is_told_once_until_it_is_read_again(
    cache: RawClient, client2: RawClient
) -> None:
    cache.cmd("GET", "a")
    client2.ok("SET", "a", "1")
    client2.ok("SET", "a", "2")
    told(cache, "a")
    hears_nothing(cache)
    assert cache.cmd("GET", "a") == b"2"
    client2.cmd("APPEND", "a", "2")
    told(cache, "a")


@pytest.mark.parametrize(
    "change",
    [
        ["SET", "a", "1"],
        ["DEL", "a"],
        ["UNLINK", "a"],
        ["GETDEL", "a"],
        ["EXPIRE", "a", "100"],
        ["EXPIRE", "a", "-1"],
        ["PERSIST", "a"],
        ["RENAME", "a", "b"],
        ["RENAME", "b", "a"],
        ["COPY", "b", "a", "REPLACE"],
        ["MOVE", "a", "1"],
        ["SUNIONSTORE", "a", "none"],
        ["SORT", "list", "STORE", "a"],
        ["SETRANGE", "a", "1", "x"],
        ["BITOP", "NOT", "a", "a"],
        ["PFMERGE", "a"],
    ],
)
def test_every_road_of_change_is_told(
    cache: RawClient, client2: RawClient, change: list[str]
) -> None:
    client2.cmd("MSET", "a", "1", "b", "2")
    client2.cmd("RPUSH", "list", "1")
    if change[0] == "PERSIST":
        client2.cmd("EXPIRE", "a", "100")
    if change[0] == "PFMERGE":
        client2.cmd("DEL", "a")
        client2.cmd("PFADD", "a", "1")
    cache.cmd("EXISTS", "a")
    reply = client2.cmd(*change)
    assert not isinstance(reply, Error)
    told(cache, "a")
    hears_nothing(cache)


def test_keys_and_fields_that_expire_are_told(
    cache: RawClient, client2: RawClient
) -> None:
    client2.ok("SET", "a", "1", "PX", "30")
    client2.cmd("HSET", "h", "f", "1", "g", "1")
    client2.cmd("HPEXPIRE", "h", "30", "FIELDS", "1", "f")
    assert cache.cmd("EXISTS", "a", "h") == 2
    keys = {cache.read()[1][0], cache.read()[1][0]}
    assert keys == {b"a", b"h"}
    hears_nothing(cache)


def test_a_reader_is_told_when_it_finds_a_key_expired(server: FastredisServer) -> None:
    with RawClient(server.port, resp=3) as cache, RawClient(server.port) as client2:
        client2.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        try:
            cache.ok("CLIENT", "TRACKING", "ON")
            client2.ok("SET", "a", "1", "PX", "10")
            cache.cmd("GET", "a")
            wait_until(lambda: client2.cmd("PTTL", "a") == -2)
            told(cache, "a")
        finally:
            client2.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "1")
            client2.cmd("DEL", "a")


def test_the_same_name_in_another_database_counts(
    cache: RawClient, client2: RawClient
) -> None:
    cache.cmd("GET", "a")
    client2.ok("SELECT", "1")
    client2.ok("SET", "a", "1")
    told(cache, "a")
    client2.cmd("DEL", "a")


@pytest.mark.parametrize("command", ["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC", "SWAPDB"])
@pytest.mark.parametrize("mode", ["ON", "ON BCAST", "ON NOLOOP", "ON OPTIN"])
def test_flushing_is_told_to_all_once(
    client3: RawClient, client2: RawClient, command: str, mode: str
) -> None:
    client3.ok("CLIENT", "TRACKING", *mode.split())
    client3.cmd("GET", "a")
    words = command.split() if command != "SWAPDB" else ["SWAPDB", "0", "1"]
    client2.ok(*words)
    assert client3.read() == Push([b"invalidate", None])
    hears_nothing(client3)
    client3.ok(*words)
    assert client3.read() == Push([b"invalidate", None])
    hears_nothing(client3)
    assert client2.info("stats")["tracking_total_keys"] == "0"


def test_loading_the_data_anew_is_told(cache: RawClient, client2: RawClient) -> None:
    client2.ok("SET", "a", "1")
    cache.cmd("GET", "a")
    client2.ok("DEBUG", "RELOAD")
    assert cache.read() == Push([b"invalidate", None])
    hears_nothing(cache)


# --- Order -------------------------------------------------------------------------


def test_messages_follow_the_reply_of_the_command_that_caused_them(
    cache: RawClient,
) -> None:
    cache.cmd("MGET", "a", "b", "c")
    cache.send_raw(b"MSET a 1 b 2\r\nGET a\r\nDEL b c\r\nMGET a b\r\n")
    assert cache.read() == "OK"
    told(cache, "a")
    told(cache, "b")
    assert cache.read() == b"1"
    assert cache.read() == 1
    assert cache.read() == [b"1", None]


def test_messages_of_a_transaction_follow_its_reply(cache: RawClient) -> None:
    cache.send_raw(b"GET a\r\nMULTI\r\nSET a 1\r\nGET a\r\nSET a 2\r\nPING\r\nEXEC\r\n")
    replies = [cache.read() for _ in range(7)]
    assert replies[-1] == ["OK", b"1", "OK", "PONG"]
    told(cache, "a")
    told(cache, "a")
    hears_nothing(cache)


def test_a_message_never_comes_amidst_the_reply_of_its_target(
    server: FastredisServer,
) -> None:
    """The target of a redirection finds keys expired while it replies an array."""
    with RawClient(server.port, resp=3) as target, RawClient(server.port) as other:
        other.cmd("FLUSHALL")
        other.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        try:
            other.ok("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(target))
            other.cmd("MSET", "a", "1", "c", "3")
            ms = 20
            while True:  # unless the machine was too slow to read it in time
                other.ok("SET", "b", "2", "PX", str(ms))
                expires = int(other.cmd("PEXPIRETIME", "b"))
                if other.cmd("GET", "b") == b"2":
                    break
                ms *= 2
            wait_until(lambda: server_ms(other) > expires)
            target.send("MGET", "a", "b", "c")
            found = [target.read(), target.read()]
        finally:
            other.cmd("DEBUG", "SET-ACTIVE-EXPIRE", "1")
            other.cmd("FLUSHALL")
    assert [b"1", None, b"3"] in found
    assert Push([b"invalidate", [b"b"]]) in found


def test_the_last_words_of_the_client_do_not_get_lost(
    cache: RawClient, client2: RawClient
) -> None:
    cache.cmd("GET", "a")
    cache.ok("CLIENT", "REPLY", "ON")
    cache.send("CLIENT", "REPLY", "OFF")
    cache.send("SET", "a", "1")
    told(cache, "a")
    cache.ok("CLIENT", "REPLY", "ON")
    assert client2.cmd("GET", "a") == b"1"


# --- Modes -------------------------------------------------------------------------


def test_noloop_leaves_out_own_changes(client3: RawClient, client2: RawClient) -> None:
    client3.ok("CLIENT", "TRACKING", "ON", "NOLOOP")
    client3.cmd("MGET", "a", "b")
    client3.ok("SET", "a", "1")
    client2.ok("SET", "b", "1")
    told(client3, "b")
    hears_nothing(client3)
    # nobody is to be told of it any more
    client2.ok("SET", "a", "2")
    hears_nothing(client3)


def test_optin_and_optout(client3: RawClient, client2: RawClient) -> None:
    def changes() -> list[str]:
        for key in "abcd":
            client2.ok("SET", key, "1")
        assert client3.cmd("PING") == "PONG"
        found = [key.decode() for push in client3.pushes for key in push[1]]
        client3.pushes.clear()
        return found

    client3.ok("CLIENT", "TRACKING", "ON", "OPTIN")
    client3.cmd("GET", "a")
    client3.ok("CLIENT", "CACHING", "YES")
    client3.cmd("CLIENT", "ID")  # of CLIENT, so it is not the next command
    client3.cmd("GET", "b")
    client3.cmd("GET", "c")
    assert changes() == ["b"]
    client3.ok("CLIENT", "CACHING", "YES")
    client3.cmd("nonsense")
    client3.cmd("GET", "a")
    assert changes() == []
    client3.ok("CLIENT", "CACHING", "YES")
    client3.pipeline([["MULTI"], ["GET", "a"], ["GET", "b"], ["EXEC"], ["GET", "c"]])
    assert changes() == ["a", "b"]
    # within a transaction it holds for the rest of that
    client3.pipeline(
        [
            ["MULTI"],
            ["GET", "a"],
            ["CLIENT", "CACHING", "YES"],
            ["GET", "b"],
            ["GET", "c"],
            ["EXEC"],
            ["GET", "d"],
        ]
    )
    assert changes() == ["b", "c"]
    client3.ok("CLIENT", "TRACKING", "OFF")
    client3.ok("CLIENT", "TRACKING", "ON", "OPTOUT")
    client3.cmd("GET", "a")
    client3.ok("CLIENT", "CACHING", "NO")
    client3.cmd("GET", "b")
    client3.cmd("GET", "c")
    assert changes() == ["a", "c"]


def test_broadcasts_are_one_message_for_each_prefix(
    client3: RawClient, client2: RawClient
) -> None:
    client3.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "x:", "PREFIX", "ab")
    client2.pipeline(
        [["MSET", "x:1", "1", "abc", "1", "a", "1"], ["SET", "x:2", "1"]]
        + [["INCR", "x:1"]] * 3
    )
    seen = []
    while len(seen) < 3:
        message = client3.read()
        assert isinstance(message, Push)
        seen += message[1]
    assert sorted(set(seen)) == [b"abc", b"x:1", b"x:2"]
    client3.ok("MSET", "x:1", "1", "ab", "2")
    told(client3, "ab")
    told(client3, "x:1")
    hears_nothing(client3)


def test_one_message_may_name_many_keys(client3: RawClient, client2: RawClient) -> None:
    client3.ok("CLIENT", "TRACKING", "ON", "BCAST")
    pairs = [word for n in range(20_000) for word in (f"key:{n}", "x" * 50)]
    client2.ok("MSET", *pairs)
    message = client3.read()
    assert message[1] == [f"key:{n}".encode() for n in range(20_000)]
    client2.cmd("DEL", *pairs[::2])
    assert len(client3.read()[1]) == 20_000
    hears_nothing(client3)


def test_broadcasts_with_noloop(server: FastredisServer) -> None:
    with (
        RawClient(server.port, resp=3) as one,
        RawClient(server.port, resp=3) as two,
        RawClient(server.port, resp=3) as every,
    ):
        one.ok("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
        two.ok("CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP")
        every.ok("CLIENT", "TRACKING", "ON", "BCAST")
        one.ok("SET", "a", "1")
        hears_nothing(one)
        told(two, "a")
        told(every, "a")
        two.ok("MSET", "a", "2", "b", "2")
        told(one, "a", "b")
        hears_nothing(two)
        told(every, "a", "b")
        two.cmd("FLUSHALL")
        assert two.read() == Push([b"invalidate", None])


# --- Redirection -------------------------------------------------------------------


def test_messages_go_to_a_subscriber(server: FastredisServer) -> None:
    with (
        RawClient(server.port) as reader,
        RawClient(server.port) as target,
        RawClient(server.port) as writer,
    ):
        reader.ok("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(target))
        reader.cmd("MGET", "a", "b")
        writer.ok("SET", "a", "1")  # nothing has been subscribed to yet
        hears_nothing(target)
        target.cmd("SUBSCRIBE", CHANNEL)
        writer.ok("SET", "b", "1")
        assert target.read() == [b"message", CHANNEL, [b"b"]]
        writer.ok("FLUSHALL")
        assert target.read() == [b"message", CHANNEL, None]
        reader.ok("CLIENT", "TRACKING", "OFF")
        hears_nothing(target)


@pytest.mark.parametrize("mode", [[], ["BCAST"], ["BCAST", "PREFIX", "a", "NOLOOP"]])
def test_several_readers_may_share_a_target(
    server: FastredisServer, mode: list[str]
) -> None:
    readers = [RawClient(server.port) for _ in range(5)]
    with (
        RawClient(server.port, resp=3) as target,
        RawClient(server.port) as writer,
    ):
        for reader in readers:
            reader.ok("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(target), *mode)
            reader.cmd("GET", "a")
        writer.ok("SET", "a", "1")
        for _ in readers:
            told(target, "a")
        hears_nothing(target)
        for reader in readers:
            reader.close()
        wait_until(lambda: writer.info("clients")["tracking_clients"] == "0")
        writer.cmd("DEL", "a")
        hears_nothing(target)


@pytest.mark.parametrize("mode", [[], ["BCAST"]])
def test_a_broken_redirection_is_told(server: FastredisServer, mode: list[str]) -> None:
    with (
        RawClient(server.port, resp=3) as reader,
        RawClient(server.port) as writer,
    ):
        target = RawClient(server.port, resp=3)
        target_id = id_of(target)
        reader.ok("CLIENT", "TRACKING", "ON", "REDIRECT", target_id, *mode)
        reader.cmd("GET", "a")
        target.close()
        wait_until(lambda: not writer.cmd("CLIENT", "LIST", "ID", target_id))
        assert "R" not in shown(reader, writer, "flags")
        writer.ok("SET", "a", "1")
        assert reader.read() == Push([b"tracking-redir-broken", int(target_id)])
        assert "R" in shown(reader, writer, "flags")
        assert shown(reader, writer, "redir") == target_id
        info = reader.cmd("CLIENT", "TRACKINGINFO")
        assert b"broken_redirect" in info["flags"]
        reader.ok("CLIENT", "TRACKING", "ON", *mode)
        assert "R" not in shown(reader, writer, "flags")
        reader.cmd("GET", "a")
        writer.cmd("DEL", "a")
        told(reader, "a")


def test_a_client_may_redirect_to_itself(client3: RawClient) -> None:
    client3.ok("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(client3))
    client3.cmd("GET", "a")
    client3.ok("SET", "a", "1")
    told(client3, "a")


# --- States ------------------------------------------------------------------------


def test_the_version_of_the_protocol_may_change(
    cache: RawClient, client2: RawClient
) -> None:
    cache.cmd("MGET", "a", "b")
    cache.hello(2)
    client2.ok("SET", "a", "1")
    hears_nothing(cache)  # nothing that it could understand
    cache.hello(3)
    client2.ok("SET", "b", "1")
    told(cache, "b")


def test_reset_ends_tracking_but_not_redirections_to_the_client(
    server: FastredisServer,
) -> None:
    with RawClient(server.port, resp=3) as one, RawClient(server.port, resp=3) as two:
        one.ok("CLIENT", "TRACKING", "ON", "REDIRECT", id_of(two))
        two.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b")
        assert two.cmd("RESET") == "RESET"
        two.resp = 2
        assert two.cmd("CLIENT", "GETREDIR") == -1
        two.hello(3)
        one.cmd("GET", "a")
        one.ok("MSET", "a", "1", "b", "1")
        told(two, "a")
        hears_nothing(two)
        assert one.info("stats")["tracking_total_prefixes"] == "0"


def test_what_is_said_of_a_connection(client3: RawClient, client2: RawClient) -> None:
    assert client3.cmd("CLIENT", "GETREDIR") == -1
    assert "t" not in shown(client3, client2, "flags")
    assert shown(client3, client2, "redir") == "-1"
    client3.ok("CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP")
    client3.ok("CLIENT", "CACHING", "YES")
    info = client3.cmd("CLIENT", "TRACKINGINFO")
    assert set(info["flags"]) == {b"on", b"optin", b"caching-yes", b"noloop"}
    assert info["redirect"] == 0
    assert info["prefixes"] == []
    assert shown(client3, client2, "redir") == "0"
    client3.ok("CLIENT", "TRACKING", "OFF")
    words = [
        "CLIENT",
        "TRACKING",
        "ON",
        "BCAST",
        "PREFIX",
        "b",
        "PREFIX",
        "a",
        "REDIRECT",
    ]
    client3.ok(*words, id_of(client2))
    info = client3.cmd("CLIENT", "TRACKINGINFO")
    assert set(info["flags"]) == {b"on", b"bcast"}
    assert info["prefixes"] == [b"a", b"b"]
    assert client3.cmd("CLIENT", "GETREDIR") == int(id_of(client2))
    assert set("tB") <= set(shown(client3, client2, "flags"))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("TRACKING", "ERR wrong number of arguments for 'client|tracking' command"),
        ("TRACKING maybe", "ERR syntax error"),
        ("TRACKING ON nonsense", "ERR syntax error"),
        ("TRACKING ON REDIRECT", "ERR syntax error"),
        ("TRACKING ON PREFIX", "ERR syntax error"),
        (
            "TRACKING ON REDIRECT x",
            "ERR value is not an integer or out of range",
        ),
        (
            "TRACKING ON REDIRECT 99999999",
            "ERR The client ID you want redirect to does not exist",
        ),
        (
            "TRACKING ON PREFIX a",
            "ERR PREFIX option requires BCAST mode to be enabled",
        ),
        (
            "TRACKING ON BCAST OPTIN",
            "ERR OPTIN and OPTOUT are not compatible with BCAST",
        ),
        (
            "TRACKING ON OPTIN OPTOUT",
            "ERR You can't specify both OPTIN mode and OPTOUT mode",
        ),
        (
            "TRACKING ON BCAST PREFIX ab PREFIX c PREFIX a",
            "ERR Prefix 'ab' overlaps with another provided prefix 'a'. Prefixes for a "
            "single client must not overlap.",
        ),
        (
            "TRACKING ON BCAST PREFIX prefix PREFIX pre",
            "ERR Prefix 'prefix' overlaps with another provided prefix 'pre'. Prefixes "
            "for a single client must not overlap.",
        ),
        (
            "CACHING YES",
            "ERR CLIENT CACHING can be called only when the client is in tracking mode "
            "with OPTIN or OPTOUT mode enabled",
        ),
    ],
)
def test_what_cannot_be_is_refused(client: RawClient, words: str, error: str) -> None:
    reply = client.cmd("CLIENT", *words.split())
    assert isinstance(reply, Error)
    assert str(reply) == f"-{error}" or str(reply) == error
    assert client.cmd("CLIENT", "GETREDIR") == -1


def test_modes_do_not_change_while_tracking_is_on(client3: RawClient) -> None:
    client3.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "foo")
    for words, error in (
        (["ON"], "You can't switch BCAST mode on/off"),
        (["ON", "BCAST", "PREFIX", "f"], "overlaps with an existing prefix 'foo'"),
        (["ON", "BCAST", "PREFIX", "foobar"], "overlaps with an existing prefix"),
    ):
        reply = client3.cmd("CLIENT", "TRACKING", *words)
        assert isinstance(reply, Error)
        assert error in str(reply)
    client3.ok("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "bar")
    client3.ok("CLIENT", "TRACKING", "OFF")
    client3.ok("CLIENT", "TRACKING", "ON", "OPTIN")
    reply = client3.cmd("CLIENT", "TRACKING", "ON", "OPTOUT")
    assert isinstance(reply, Error)
    assert "You can't switch OPTIN/OPTOUT mode" in str(reply)
    reply = client3.cmd("CLIENT", "CACHING", "NO")
    assert isinstance(reply, Error)
    client3.ok("CLIENT", "TRACKING", "ON")


# --- The table ---------------------------------------------------------------------


@pytest.fixture
def bounded(server: FastredisServer) -> Iterator[RawClient]:
    """Return a connection to a server whose table holds 100 keys."""
    with RawClient(server.port, resp=3) as client:
        before = client.config("tracking-table-max-keys")
        client.ok("CONFIG", "SET", "tracking-table-max-keys", "100")
        yield client
        client.ok("CONFIG", "SET", "tracking-table-max-keys", before)


def test_the_table_is_bounded(bounded: RawClient, client2: RawClient) -> None:
    bounded.ok("CLIENT", "TRACKING", "ON", "NOLOOP")
    for n in range(1000):
        bounded.cmd("GET", f"key:{n}")
    bounded.cmd("MGET", *[f"more:{n}" for n in range(500)])
    assert bounded.cmd("PING") == "PONG"
    stats = client2.info("stats")
    assert stats["tracking_total_keys"] == "100"
    assert stats["tracking_total_items"] == "100"
    # whatever was taken out has been told: 1400 different ones
    gone = [push[1][0] for push in bounded.pushes]
    assert len(gone) == len(set(gone)) == 1400
    # any key may go, not only the oldest or the newest
    assert not all(b"more" in key for key in gone)
    bounded.pushes.clear()
    client2.ok("CONFIG", "SET", "tracking-table-max-keys", "10")
    bounded.cmd("PING")
    assert len(bounded.pushes) == 90
    # 0: as many as are read
    client2.ok("CONFIG", "SET", "tracking-table-max-keys", "0")
    bounded.cmd("MGET", *[f"key:{n}" for n in range(500)])
    assert int(client2.info("stats")["tracking_total_keys"]) >= 500
    client2.ok("FLUSHALL")


def test_the_table_forgets_when_nobody_is_left(server: FastredisServer) -> None:
    with RawClient(server.port) as watcher:
        readers = [RawClient(server.port, resp=3) for _ in range(20)]
        for reader in readers:
            reader.ok("CLIENT", "TRACKING", "ON")
            reader.cmd("MGET", *[f"key:{n}" for n in range(50)])
        stats = watcher.info("stats")
        assert stats["tracking_total_keys"] == "50"
        assert stats["tracking_total_items"] == "1000"
        assert watcher.info("clients")["tracking_clients"] == "20"
        for reader in readers:
            reader.close()
        wait_until(lambda: watcher.info("stats")["tracking_total_keys"] == "0")
        assert watcher.info("stats")["tracking_total_items"] == "0"


def test_the_table_against_a_model(server: FastredisServer) -> None:
    """Clients come and go, read and write; the table and all messages are as they
    should be."""
    rng = random.Random(7)
    keys = [f"key:{n}" for n in range(30)]
    clients: dict[int, RawClient] = {}
    noted: dict[str, set[int]] = {key: set() for key in keys}
    with RawClient(server.port) as writer:
        for step in range(1500):
            action = rng.random()
            if len(clients) < 3 or (action < 0.05 and len(clients) < 40):
                clients[step] = RawClient(server.port, resp=3)
                clients[step].ok("CLIENT", "TRACKING", "ON")
            elif action < 0.08:
                name = rng.choice(list(clients))
                closed = id_of(clients[name])
                clients.pop(name).close()
                for readers in noted.values():
                    readers.discard(name)
                wait_until(lambda i=closed: not writer.cmd("CLIENT", "LIST", "ID", i))
            elif action < 0.7:
                name = rng.choice(list(clients))
                some = rng.sample(keys, 3)
                clients[name].cmd("MGET", *some)
                for key in some:
                    noted[key].add(name)
            else:
                key = rng.choice(keys)
                writer.ok("SET", key, "1")
                for name in noted[key]:
                    assert clients[name].read() == Push([b"invalidate", [key.encode()]])
                noted[key].clear()
        for client in clients.values():
            hears_nothing(client)
            client.close()
        writer.ok("FLUSHALL")


def test_prefixes_count_as_the_clients_memory(
    client3: RawClient, client2: RawClient
) -> None:
    before = int(shown(client3, client2, "tot-mem"))
    words = [word for n in range(500) for word in ("PREFIX", f"{n:04}{'x' * 100}")]
    client3.ok("CLIENT", "TRACKING", "ON", "BCAST", *words)
    assert int(shown(client3, client2, "tot-mem")) > before + 50_000
    assert client2.info("stats")["tracking_total_prefixes"] == "500"
    client3.ok("CLIENT", "TRACKING", "OFF")
    assert client2.info("stats")["tracking_total_prefixes"] == "0"


def test_a_reader_that_does_not_read_is_closed(server: FastredisServer) -> None:
    with (
        RawClient(server.port, resp=3, rcvbuf=4096) as slow,
        RawClient(server.port) as writer,
    ):
        before = writer.config("client-output-buffer-limit")
        writer.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
        try:
            slow.ok("CLIENT", "TRACKING", "ON", "BCAST")
            name = id_of(slow)
            pairs = [w for n in range(20_000) for w in (f"{n:0100}", "x")]

            def is_closed() -> bool:
                writer.ok("MSET", *pairs)
                return not writer.cmd("CLIENT", "LIST", "ID", name)

            wait_until(is_closed)
            assert writer.cmd("PING") == "PONG"
        finally:
            writer.ok("CONFIG", "SET", "client-output-buffer-limit", before)
            writer.ok("FLUSHALL")
