# SPDX-License-Identifier: BSD-3-Clause
"""Consumer groups: XGROUP, XREADGROUP, XACK, XPENDING, XCLAIM, XNACK, XINFO."""

from __future__ import annotations

from typing import Any

import pytest

from support.client import Map, RawClient
from support.server import FastredisServer
from support.wait import wait_until

SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
BAD_ID = "ERR Invalid stream ID specified as stream command argument"
NO_GROUP = "NOGROUP No such key '{}' or consumer group '{}'"
LAST = 2**63 - 1


def error(reply: Any) -> str:
    return str(reply)


def pairs(reply: Any) -> dict[bytes, Any]:
    """Return a map of either protocol version."""
    if isinstance(reply, Map):
        return dict(reply.pairs)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def add(client: RawClient, *numbers: int, key: str = "s") -> None:
    for n in numbers:
        client.cmd("XADD", key, f"{n}-1", "n", n)


def read(client: RawClient, who: str, *args: Any, start: str = ">") -> Any:
    """Read as a consumer of g; return the entries' ids, None for no reply."""
    reply = client.cmd("XREADGROUP", "GROUP", "g", who, *args, "STREAMS", "s", start)
    if not isinstance(reply, Map | list) or not len(reply):
        return None
    ((key, found),) = reply.pairs if isinstance(reply, Map) else reply
    assert key == b"s"
    return [row[0].decode() for row in found]


def pending(client: RawClient, *args: Any) -> list[tuple[str, str, int]]:
    """Return id, consumer and deliveries of what is pending in g."""
    rows = client.cmd("XPENDING", "s", "g", *args, "-", "+", 100)
    return [(r[0].decode(), r[1].decode(), r[3]) for r in rows]


def group(client: RawClient, name: str = "g") -> dict[bytes, Any]:
    found = [pairs(item) for item in client.cmd("XINFO", "GROUPS", "s")]
    return next(item for item in found if item[b"name"] == name.encode())


@pytest.fixture
def five(client: RawClient) -> RawClient:
    """Connect to a server that has five entries and a group before the first."""
    add(client, 1, 2, 3, 4, 5)
    client.ok("XGROUP", "CREATE", "s", "g", "0")
    return client


# --- XGROUP ------------------------------------------------------------------------


def test_groups_are_made(client: RawClient) -> None:
    needs_key = (
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you "
        "may want to use the MKSTREAM option to create an empty stream automatically."
    )
    assert error(client.cmd("XGROUP", "CREATE", "s", "g", "$")) == needs_key
    assert error(client.cmd("XGROUP", "DESTROY", "s", "g")) == needs_key
    client.ok("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    assert client.cmd("XLEN", "s") == 0
    assert error(client.cmd("XGROUP", "CREATE", "s", "g", "$")) == (
        "BUSYGROUP Consumer Group name already exists"
    )
    add(client, 1, 2)
    client.ok("XGROUP", "CREATE", "s", "h", "1-1", "ENTRIESREAD", 1)
    client.ok("XGROUP", "CREATE", "s", "a", "$", "entriesread", -1, "mkstream")
    names = [pairs(item)[b"name"] for item in client.cmd("XINFO", "GROUPS", "s")]
    assert names == [b"a", b"g", b"h"]
    assert group(client, "h")[b"lag"] == 1
    for args, text in (
        (["x"], BAD_ID),
        (["1", "ENTRIESREAD", -2], "ERR value for ENTRIESREAD must be positive or -1"),
        (
            ["1", "NONSENSE"],
            "ERR unknown subcommand or wrong number of arguments for "
            "'CREATE'. Try XGROUP HELP.",
        ),
    ):
        assert error(client.cmd("XGROUP", "CREATE", "s", "z", *args)) == text
    client.ok("SET", "text", "x")
    assert error(client.cmd("XGROUP", "CREATE", "text", "g", "$")) == WRONG_TYPE


def test_groups_are_changed(five: RawClient) -> None:
    assert read(five, "c", "COUNT", 2) == ["1-1", "2-1"]
    five.ok("XGROUP", "SETID", "s", "g", "1-1", "ENTRIESREAD", 1)
    assert group(five)[b"last-delivered-id"] == b"1-1"
    assert group(five)[b"entries-read"] == 1
    # what is pending already is delivered anew
    assert read(five, "d") == ["2-1", "3-1", "4-1", "5-1"]
    assert pending(five) == [("1-1", "c", 1)] + [
        (f"{n}-1", "d", 1) for n in (2, 3, 4, 5)
    ]
    five.ok("XGROUP", "SETID", "s", "g", "$")
    assert group(five)[b"entries-read"] is None
    assert five.cmd("XGROUP", "CREATECONSUMER", "s", "g", "e") == 1
    assert five.cmd("XGROUP", "CREATECONSUMER", "s", "g", "e") == 0
    assert five.cmd("XGROUP", "DELCONSUMER", "s", "g", "d") == 4
    assert five.cmd("XGROUP", "DELCONSUMER", "s", "g", "d") == 0
    assert pending(five) == [("1-1", "c", 1)]
    missing = "NOGROUP No such consumer group 'no' for key name 's'"
    for command in (
        ("SETID", "s", "no", "1"),
        ("CREATECONSUMER", "s", "no", "c"),
        ("DELCONSUMER", "s", "no", "c"),
    ):
        assert error(five.cmd("XGROUP", *command)) == missing
    assert five.cmd("XGROUP", "DESTROY", "s", "g") == 1
    assert five.cmd("XGROUP", "DESTROY", "s", "g") == 0
    assert five.cmd("XINFO", "GROUPS", "s") == []


def test_help(client: RawClient) -> None:
    for name in ("XGROUP", "XINFO"):
        lines = client.cmd(name, "HELP")
        assert str(lines[0]).startswith(name)
        assert str(lines[-2]) == "HELP"


# --- XREADGROUP, XACK --------------------------------------------------------------


def test_each_entry_is_delivered_once(five: RawClient) -> None:
    assert read(five, "c", "COUNT", 2) == ["1-1", "2-1"]
    assert read(five, "d", "COUNT", 2) == ["3-1", "4-1"]
    assert read(five, "c", "NOACK") == ["5-1"]
    assert read(five, "d") is None
    assert pending(five) == [
        ("1-1", "c", 1),
        ("2-1", "c", 1),
        ("3-1", "d", 1),
        ("4-1", "d", 1),
    ]
    assert five.cmd("XACK", "s", "g", "1-1", "1-1", "3-1", "9-9") == 2
    assert five.cmd("XACK", "s", "no", "1-1") == five.cmd("XACK", "no", "g", "1") == 0
    assert error(five.cmd("XACK", "s", "g", "2-1", "x")) == BAD_ID
    # once more, and counted
    assert read(five, "c", start="0") == ["2-1"]
    assert read(five, "c", start="2-1") == []
    assert pending(five) == [("2-1", "c", 2), ("4-1", "d", 1)]
    assert group(five)[b"entries-read"] == 5
    assert group(five)[b"lag"] == 0


def test_pending_entries_may_be_gone(five: RawClient) -> None:
    read(five, "c")
    five.cmd("XDEL", "s", "2-1")
    reply = five.cmd("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", 0)
    ((_, rows),) = reply.pairs if isinstance(reply, Map) else reply
    assert rows == [[b"1-1", [b"n", b"1"]], [b"2-1", five.null_array]]


def test_wrong_reads(five: RawClient) -> None:
    named = NO_GROUP + " in XREADGROUP with GROUP option"
    for args, text in (
        (["GROUP", "no", "c", "STREAMS", "s", ">"], named.format("s", "no")),
        (["GROUP", "g", "c", "STREAMS", "no", ">"], named.format("no", "g")),
        (["GROUP", "g", "c", "STREAMS", "s"], SYNTAX),
        (
            ["COUNT", 1, "NOACK", "STREAMS", "s", ">"],
            "ERR Missing GROUP option for XREADGROUP",
        ),
        (
            ["GROUP", "g", "c", "COUNT", 1, "STREAMS", "s"],
            "ERR Unbalanced 'xreadgroup' "
            "list of streams: for each stream key an ID or '>' must be specified.",
        ),
    ):
        reply = error(five.cmd("XREADGROUP", *args))
        assert reply in (text, "ERR wrong number of arguments for 'xreadgroup' command")
    for odd in ("$", "+"):
        reply = five.cmd("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", odd)
        assert error(reply).startswith(
            f"ERR The {odd} ID is meaningless in the context"
        )


def test_how_far_a_group_is(five: RawClient) -> None:
    assert group(five)[b"lag"] == 5
    read(five, "c", "COUNT", 2)
    assert (group(five)[b"entries-read"], group(five)[b"lag"]) == (2, 3)
    five.cmd("XDEL", "s", "4-1")
    # what was deleted is behind it: that cannot be known
    assert group(five)[b"lag"] is None
    read(five, "c")
    assert (group(five)[b"entries-read"], group(five)[b"lag"]) == (5, 0)
    five.cmd("XTRIM", "s", "MAXLEN", 0)
    assert group(five)[b"lag"] == 0


# --- Waiting -----------------------------------------------------------------------


def wait_blocked(server: FastredisServer, n: int) -> None:
    with server.client() as watcher:
        wait_until(lambda: int(watcher.info("clients")["blocked_clients"]) == n, 5)


def wait_for_new(
    server: FastredisServer, client: RawClient, who: str = "c", n: int = 1
) -> None:
    client.send(
        "XREADGROUP", "GROUP", "g", who, "BLOCK", "0", "COUNT", "1", "STREAMS", "s", ">"
    )
    wait_blocked(server, n)


def test_one_waiter_gets_each_entry(
    server: FastredisServer, client2: RawClient
) -> None:
    client2.ok("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    first, second = server.client(2), server.client(2)
    wait_for_new(server, first, "c1", 1)
    wait_for_new(server, second, "c2", 2)
    add(client2, 1)
    assert first.read() == [[b"s", [[b"1-1", [b"n", b"1"]]]]]
    assert not second.has_input(0.02)
    add(client2, 2)
    assert second.read() == [[b"s", [[b"2-1", [b"n", b"2"]]]]]
    assert pending(client2) == [("1-1", "c1", 1), ("2-1", "c2", 1)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("XGROUP", "DESTROY", "s", "g"), "NOGROUP"),
        (("DEL", "s"), "NOGROUP"),
        (("FLUSHDB",), "NOGROUP"),
        (("PEXPIRE", "s", -1), "NOGROUP"),
        (("SET", "s", "text"), "WRONGTYPE"),
        (("RENAME", "s", "t"), "NOGROUP"),
    ],
)
def test_the_end_of_a_group_ends_the_wait(
    server: FastredisServer,
    client: RawClient,
    client2: RawClient,
    change: tuple[Any, ...],
    text: str,
) -> None:
    client2.ok("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    wait_for_new(server, client)
    assert client2.info("clients")["total_blocking_keys_on_nokey"] == "1"
    client2.cmd(*change)
    assert error(client.read()).startswith(text)
    assert client2.info("clients")["total_blocking_keys_on_nokey"] == "0"


def test_the_time_of_a_key_ends_the_wait(
    server: FastredisServer, client: RawClient, client2: RawClient
) -> None:
    client2.ok("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    wait_for_new(server, client)
    client2.cmd("PEXPIRE", "s", 20)
    assert error(client.read()).startswith("NOGROUP")


def test_changes_of_groups_wake_nobody(
    server: FastredisServer, client: RawClient, client2: RawClient
) -> None:
    client2.ok("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    wait_for_new(server, client)
    client2.ok("XGROUP", "CREATE", "s", "h", "$")
    client2.cmd("XGROUP", "CREATECONSUMER", "s", "g", "d")
    client2.cmd("XGROUP", "DESTROY", "s", "h")
    assert not client.has_input(0.02)
    add(client2, 1)
    assert client.read()


# --- XPENDING ----------------------------------------------------------------------


def test_pending(five: RawClient) -> None:
    assert five.cmd("XPENDING", "s", "g") == [0, None, None, five.null_array]
    read(five, "c", "COUNT", 3)
    read(five, "d")
    assert five.cmd("XPENDING", "s", "g") == [
        5,
        b"1-1",
        b"5-1",
        [[b"c", b"3"], [b"d", b"2"]],
    ]
    rows = five.cmd("XPENDING", "s", "g", "(1-1", "4", 2)
    assert [row[0] for row in rows] == [b"2-1", b"3-1"]
    assert all(row[2] >= 0 for row in rows)
    rows = five.cmd("XPENDING", "s", "g", "-", "+", 10, "d")
    assert [row[0] for row in rows] == [b"4-1", b"5-1"]
    assert five.cmd("XPENDING", "s", "g", "-", "+", 10, "nobody") == []
    assert five.cmd("XPENDING", "s", "g", "IDLE", 100_000, "-", "+", 10) == []
    assert len(five.cmd("XPENDING", "s", "g", "IDLE", 0, "-", "+", 10, "c")) == 3
    for args, text in (
        (["s", "no"], NO_GROUP.format("s", "no")),
        (["no", "g"], NO_GROUP.format("no", "g")),
        (["s", "g", "-"], SYNTAX),
        (["s", "g", "IDLE", 1, "-", "+"], SYNTAX),
        (["s", "g", "x", "+", 1], BAD_ID),
    ):
        assert error(five.cmd("XPENDING", *args)) == text


def test_what_becomes_idle_is_claimed_without_the_cron(
    client: RawClient, client2: RawClient
) -> None:
    client.cmd("XADD", "s", "1-1", "n", 1)
    client.ok("XGROUP", "CREATE", "s", "g", 0)
    client.cmd("XREADGROUP", "GROUP", "g", "first", "STREAMS", "s", ">")
    client2.ok("DEBUG", "PAUSE-CRON", 1)
    try:
        reply = client.cmd(
            *("XREADGROUP", "GROUP", "g", "second", "BLOCK", 10_000, "CLAIM", 100),
            *("STREAMS", "s", ">"),
        )
    finally:
        client2.ok("DEBUG", "PAUSE-CRON", 0)
    assert reply != client.null_array
    assert client.cmd("XPENDING", "s", "g")[3] == [[b"second", b"1"]]


# --- XCLAIM, XAUTOCLAIM ------------------------------------------------------------


def test_claim(five: RawClient) -> None:
    read(five, "c", "COUNT", 3)
    assert five.cmd("XCLAIM", "s", "g", "d", 0, "1-1", "9-9", "4-1") == [
        [b"1-1", [b"n", b"1"]]
    ]
    assert five.cmd("XCLAIM", "s", "g", "d", 100_000, "2-1") == []
    assert five.cmd("XCLAIM", "s", "g", "d", 0, "2-1", "JUSTID") == [b"2-1"]
    assert pending(five) == [("1-1", "d", 2), ("2-1", "d", 1), ("3-1", "c", 1)]
    assert five.cmd("XCLAIM", "s", "g", "d", 0, "4-1", "FORCE", "JUSTID") == [b"4-1"]
    five.cmd("XCLAIM", "s", "g", "e", 0, "3-1", "RETRYCOUNT", 7, "IDLE", 5000)
    assert five.cmd("XPENDING", "s", "g", "IDLE", 4999, "-", "+", 9)[0][0] == b"3-1"
    assert ("3-1", "e", 7) in pending(five)
    five.cmd("XCLAIM", "s", "g", "e", 0, "3-1", "TIME", 1000, "LASTID", "4-4")
    assert group(five)[b"last-delivered-id"] == b"4-4"
    # an entry that is gone is forgotten
    five.cmd("XDEL", "s", "3-1")
    assert five.cmd("XCLAIM", "s", "g", "d", 0, "3-1") == []
    assert "3-1" not in [row[0] for row in pending(five)]
    for args, text in (
        (["no", "c", 0, "1-1"], NO_GROUP.format("s", "no")),
        (["g", "c", "x", "1-1"], "ERR Invalid min-idle-time argument for XCLAIM"),
        (["g", "c", 0, "1-1", "what"], "ERR Unrecognized XCLAIM option 'what'"),
        (
            ["g", "c", 0, "1-1", "IDLE", "x"],
            "ERR Invalid IDLE option argument for XCLAIM",
        ),
        (
            ["g", "c", 0, "1-1", "TIME", "x"],
            "ERR Invalid TIME option argument for XCLAIM",
        ),
        (
            ["g", "c", 0, "1-1", "RETRYCOUNT", "x"],
            "ERR Invalid RETRYCOUNT option argument for XCLAIM",
        ),
    ):
        assert error(five.cmd("XCLAIM", "s", *args)) == text


def test_autoclaim(five: RawClient) -> None:
    read(five, "c")
    five.cmd("XDEL", "s", "2-1")
    reply = five.cmd("XAUTOCLAIM", "s", "g", "d", 0, "-", "COUNT", 3)
    assert reply == [b"4-1", [[b"1-1", [b"n", b"1"]], [b"3-1", [b"n", b"3"]]], [b"2-1"]]
    assert five.cmd("XAUTOCLAIM", "s", "g", "d", 0, "4-1", "JUSTID") == [
        b"0-0",
        [b"4-1", b"5-1"],
        [],
    ]
    assert pending(five) == [
        ("1-1", "d", 2),
        ("3-1", "d", 2),
        ("4-1", "d", 1),
        ("5-1", "d", 1),
    ]
    assert five.cmd("XAUTOCLAIM", "s", "g", "e", 100_000, "(3-1") == [b"0-0", [], []]
    for args, text in (
        (["no", "c", 0, "-"], NO_GROUP.format("s", "no")),
        (["g", "c", "x", "-"], "ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        (["g", "c", 0, "x"], BAD_ID),
        (["g", "c", 0, "-", "COUNT", 0], "ERR COUNT must be > 0"),
        (["g", "c", 0, "-", "COUNT"], SYNTAX),
    ):
        assert error(five.cmd("XAUTOCLAIM", "s", *args)) == text


# --- XACKDEL, XNACK ----------------------------------------------------------------


def test_acknowledge_and_delete(five: RawClient) -> None:
    five.ok("XGROUP", "CREATE", "s", "h", "2-1")
    read(five, "c")
    five.cmd("XREADGROUP", "GROUP", "h", "c", "COUNT", 1, "STREAMS", "s", ">")
    assert five.cmd("XACKDEL", "s", "g", "ACKED", "IDS", 3, "1-1", "3-1", "9-9") == [
        1,
        2,
        -1,
    ]
    assert five.cmd("XACKDEL", "s", "g", "IDS", 2, "4-1", "3-1") == [1, -1]
    assert five.cmd("XACKDEL", "s", "h", "DELREF", "IDS", 1, "3-1") == [1]
    rows = five.cmd("XRANGE", "s", "-", "+")
    assert [row[0] for row in rows] == [b"2-1", b"5-1"]
    assert pending(five) == [("2-1", "c", 1), ("5-1", "c", 1)]
    assert five.cmd("XACKDEL", "no", "g", "IDS", 1, 1) == [-1]
    assert five.cmd("XACKDEL", "s", "no", "IDS", 1, 1) == [-1]
    assert error(five.cmd("XACKDEL", "s", "g", "IDS", 1, "x")) == BAD_ID
    assert error(five.cmd("XACKDEL", "s", "g", "what", "IDS", 1, "1")) == SYNTAX


def test_give_back(five: RawClient) -> None:
    read(five, "c", "COUNT", 4)
    read(five, "c", start="0")
    give = ("XNACK", "s", "g")
    assert five.cmd(*give, "SILENT", "IDS", 2, "1-1", "9-9") == 1
    assert five.cmd(*give, "FAIL", "IDS", 1, "2-1") == 1
    assert five.cmd(*give, "FATAL", "IDS", 1, "3-1") == 1
    assert five.cmd(*give, "FAIL", "IDS", 1, "4-1", "RETRYCOUNT", 9) == 1
    assert pending(five) == [
        ("1-1", "", 1),
        ("2-1", "", 2),
        ("3-1", "", LAST),
        ("4-1", "", 9),
    ]
    assert {row[2] for row in five.cmd("XPENDING", "s", "g", "-", "+", 9)} == {-1}
    assert five.cmd("XPENDING", "s", "g") == [4, b"1-1", b"4-1", []]
    assert five.cmd(*give, "SILENT", "IDS", 1, "5-1") == 0
    assert five.cmd(*give, "SILENT", "IDS", 1, "5-1", "FORCE") == 1
    assert ("5-1", "", 0) in pending(five)
    # whatever the time that the others wait for
    reply = five.cmd("XAUTOCLAIM", "s", "g", "d", 1_000_000, "-", "COUNT", 1)
    assert reply[1] == [[b"1-1", [b"n", b"1"]]]
    assert five.cmd("XCLAIM", "s", "g", "d", 1_000_000, "3-1", "JUSTID") == [b"3-1"]
    assert five.cmd("XCLAIM", "s", "g", "d", 1_000_000, "3-1") == []
    assert five.cmd("XACK", "s", "g", "2-1") == 1
    full = pairs(five.cmd("XINFO", "STREAM", "s", "FULL"))
    (only,) = [pairs(item) for item in full[b"groups"]]
    assert only[b"pel-count"] == 4
    assert error(five.cmd("XNACK", "no", "g", "FAIL", "IDS", 1, 1)) == NO_GROUP.format(
        "no", "g"
    )
    assert error(five.cmd(*give, "WHAT", "IDS", 1, 1)) == SYNTAX
    # and all of it is kept
    payload = five.cmd("DUMP", "s")
    before = five.cmd("XINFO", "STREAM", "s", "FULL")
    five.ok("RESTORE", "s", 0, payload, "REPLACE")
    assert five.cmd("XINFO", "STREAM", "s", "FULL") == before
    assert five.cmd("COPY", "s", "t") == 1
    assert five.cmd("XINFO", "STREAM", "t", "FULL") == before


# --- XINFO -------------------------------------------------------------------------


def test_info_of_consumers(five: RawClient) -> None:
    read(five, "c", "COUNT", 2)
    five.cmd("XGROUP", "CREATECONSUMER", "s", "g", "d")
    c, d = (pairs(item) for item in five.cmd("XINFO", "CONSUMERS", "s", "g"))
    assert (c[b"name"], c[b"pending"]) == (b"c", 2)
    assert 0 <= c[b"idle"] == c[b"inactive"] < 60_000
    assert (d[b"name"], d[b"pending"], d[b"inactive"]) == (b"d", 0, -1)
    assert error(five.cmd("XINFO", "CONSUMERS", "s", "no")) == (
        "NOGROUP No such consumer group 'no' for key name 's'"
    )
    assert error(five.cmd("XINFO", "CONSUMERS", "no", "g")) == "ERR no such key"
    assert error(five.cmd("XINFO", "GROUPS", "no")) == "ERR no such key"


def test_info_in_full(client: RawClient) -> None:
    add(client, *range(1, 31))
    client.ok("XGROUP", "CREATE", "s", "g", "0")
    read(client, "c", "COUNT", 20)
    for count, n in (
        ([], 10),
        (["COUNT", 3], 3),
        (["COUNT", 0], 30),
        (["COUNT", -1], 10),
    ):
        full = pairs(client.cmd("XINFO", "STREAM", "s", "FULL", *count))
        assert (full[b"length"], len(full[b"entries"])) == (30, n)
        (only,) = [pairs(item) for item in full[b"groups"]]
        assert (only[b"pel-count"], len(only[b"pending"])) == (20, min(n, 20))
        (one,) = [pairs(item) for item in only[b"consumers"]]
        assert (one[b"pel-count"], len(one[b"pending"])) == (20, min(n, 20))
    wrong = "ERR unknown subcommand or wrong number of arguments for 'STREAM'."
    for args in (["what"], ["FULL", "COUNT"], ["FULL", "what", 1]):
        assert error(client.cmd("XINFO", "STREAM", "s", *args)).startswith(wrong)
    assert error(client.cmd("XINFO", "STREAM", "no")) == "ERR no such key"


# --- XREADGROUP CLAIM, limits of a reply -------------------------------------------


def rows_of(reply: Any) -> dict[str, list[Any]]:
    """Return the entries of each stream."""
    found = reply.pairs if isinstance(reply, Map) else reply
    return {key.decode(): rows for key, rows in found}


def claim(client: RawClient, ms: int, *args: Any) -> list[tuple[Any, ...]]:
    """Read with CLAIM; return id and deliveries before, and whether it was pending."""
    reply = client.cmd(
        "XREADGROUP", "GROUP", "g", "d", *args, "CLAIM", ms, "STREAMS", "s", ">"
    )
    if reply == client.null_array:
        return []
    return [(r[0].decode(), int(r[3])) for r in rows_of(reply)["s"]]


def test_claim_what_has_waited(five: RawClient) -> None:
    read(five, "c", "COUNT", 3)
    five.cmd("XCLAIM", "s", "g", "c", 0, "2-1", "IDLE", 9000, "JUSTID")
    five.cmd("XCLAIM", "s", "g", "c", 0, "3-1", "IDLE", 20_000, "JUSTID")
    five.cmd("XNACK", "s", "g", "FAIL", "IDS", 1, "1-1")
    assert claim(five, 100_000) == [("1-1", 1), ("4-1", 0), ("5-1", 0)]
    # the longest first, and no more than there is room for
    assert claim(five, 5000, "COUNT", 1) == [("3-1", 1)]
    five.cmd("XDEL", "s", "2-1")
    assert claim(five, 5000) == []
    assert pending(five) == [
        ("1-1", "d", 2),
        ("3-1", "d", 2),
        ("4-1", "d", 1),
        ("5-1", "d", 1),
    ]
    add(five, 6)
    # those delivered within one ms are in the order of their ids
    *old, new = claim(five, 0, "NOACK", "COUNT", 5)
    assert sorted(old) == [("1-1", 2), ("3-1", 2), ("4-1", 1), ("5-1", 1)]
    assert new == ("6-1", 0)
    assert "6-1" not in [row[0] for row in pending(five)]
    reply = five.cmd("XREAD", "CLAIM", 1, "STREAMS", "s", 0)
    assert error(reply).startswith(
        "ERR The CLAIM option is only supported by XREADGROUP"
    )


def test_waiting_to_claim(
    server: FastredisServer, client: RawClient, client2: RawClient
) -> None:
    add(client2, 1)
    client2.ok("XGROUP", "CREATE", "s", "g", "0")
    read(client2, "c")
    wait = ("XREADGROUP", "GROUP", "g", "d", "BLOCK", "0", "CLAIM")
    # the entry comes of age while the client waits
    client.send(*wait, "150", "STREAMS", "s", ">")
    (row,) = rows_of(client.read())["s"]
    assert row[0] == b"1-1"
    assert int(row[2]) >= 150
    # or is given back
    client.send(*wait, "1000000", "STREAMS", "s", ">")
    wait_blocked(server, 1)
    client2.cmd("XNACK", "s", "g", "FAIL", "IDS", 1, "1-1")
    (row,) = rows_of(client.read())["s"]
    assert row[2:] == [b"-1", b"2"]
    # or the client has waited for too long
    reply = client.cmd(*wait[:5], 30, "CLAIM", 1_000_000, "STREAMS", "s", ">")
    assert reply == client.null_array


def test_limits_of_a_reply(client: RawClient) -> None:
    for key in ("s", "t", "u"):
        add(client, 1, 2, 3, key=key)
        client.ok("XGROUP", "CREATE", key, "g", "0")
    streams = ("STREAMS", "s", "t", "u")

    def lengths(reply: Any) -> dict[str, int]:
        return {key: len(rows) for key, rows in rows_of(reply).items()}

    xread = ("XREAD", "COUNT", 2)
    assert lengths(client.cmd(*xread, *streams, 0, 0, 0)) == {"s": 2, "t": 2, "u": 2}
    reply = client.cmd(*xread, "MAXCOUNT", 3, *streams, 0, 0, 0)
    assert lengths(reply) == {"s": 2, "t": 1}
    assert lengths(client.cmd("XREAD", "MAXSIZE", 1, *streams, 0, 0, 0)) == {"s": 1}
    one = len(b"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nn\r\n$1\r\n1\r\n")
    reply = client.cmd("XREAD", "MAXSIZE", 4 * one, *streams, 0, 0, 0)
    assert lengths(reply) == {"s": 3, "t": 1}
    group = ("XREADGROUP", "GROUP", "g", "c")
    reply = client.cmd(*group, "MAXCOUNT", 4, *streams, ">", ">", ">")
    assert lengths(reply) == {"s": 3, "t": 1}
    # what was left out is not pending
    assert client.cmd("XPENDING", "t", "g")[0] == 1
    assert client.cmd("XPENDING", "u", "g")[0] == 0
    assert lengths(client.cmd(*group, "MAXCOUNT", 2, *streams, 0, 0, 0)) == {"s": 2}
    for option in ("MAXCOUNT", "MAXSIZE"):
        reply = client.cmd("XREAD", option, 0, *streams, 0, 0, 0)
        assert error(reply) == f"ERR {option} must be > 0"
