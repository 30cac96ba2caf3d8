# SPDX-License-Identifier: BSD-3-Clause
"""DEBUG, compared with a genuine server where replies must be the same."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from support.client import RawClient, SimpleString, encode
from support.server import FastredisServer, GenuineServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

NOT_ALLOWED = (
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to"
    ' "local", you can run it from a local connection, otherwise you need to set this'
    " option in the configuration file, and then restart the server."
)
NOT_POSITIVE = "ERR value is out of range, must be positive"
NO_KEY = "ERR no such key"


def unknown(name: str) -> str:
    """Return the error about a subcommand."""
    return (
        f"ERR unknown subcommand or wrong number of arguments for '{name}'."
        " Try DEBUG HELP."
    )


@pytest.fixture(scope="module", params=["redis", "valkey"])
def genuine(request: pytest.FixtureRequest) -> Iterator[GenuineServer]:
    """Start a genuine server."""
    with GenuineServer(request.param) as server:
        yield server


# --- Who may -----------------------------------------------------------------------


def test_it_is_off_by_default(fresh_server: Fresh) -> None:
    client = fresh_server(enable_debug_command=None).client()
    for args in (["DIGEST"], ["HELP"], ["nonsense"], ["SLEEP", "a", "b"]):
        assert client.cmd("DEBUG", *args) == NOT_ALLOWED
    assert client.cmd("DEBUG") == "ERR wrong number of arguments for 'debug' command"


def test_local_clients_only(fresh_server: Fresh) -> None:
    server = fresh_server(enable_debug_command="local")
    for client in (server.client(), server.client(unix=True)):
        client.ok("DEBUG", "SLEEP", 0)


# --- Errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["foo"], unknown("foo")),
        (["sleep"], unknown("sleep")),
        (["Sleep", "1", "2"], unknown("Sleep")),
        (["x" * 200], unknown("x" * 128)),
        (["digest", "x"], unknown("digest")),
        (["populate"], unknown("populate")),
        (["populate", "a"], NOT_POSITIVE),
        (["populate", "-1"], NOT_POSITIVE),
        (["populate", "3", "k", "-1"], NOT_POSITIVE),
        (["populate", "3", "k", "a"], NOT_POSITIVE),
        (["object", "absent"], NO_KEY),
        (["sdslen", "absent"], NO_KEY),
        (["htstats-key", "absent"], NO_KEY),
        (["htstats", "a"], "ERR value is not an integer or out of range"),
        (["htstats", "16"], "ERR Out of range database"),
        (["htstats", "-1"], "ERR Out of range database"),
    ],
)
def test_errors(
    client: RawClient, genuine: GenuineServer, args: list[str], error: str
) -> None:
    assert client.cmd("DEBUG", *args) == error
    with RawClient(genuine.port) as other:
        assert other.cmd("DEBUG", *args) == error


@pytest.mark.parametrize(
    "args",
    [
        ["SET-DISABLE-DENY-SCRIPTS", "1"],
    ],
)
def test_what_is_missing_says_so(client: RawClient, args: list[str]) -> None:
    reply = client.cmd("DEBUG", *args)
    assert re.match(rf"ERR DEBUG {args[0].upper()} is not available: \w+", reply)


# --- Time --------------------------------------------------------------------------


def test_sleep_blocks_the_server(client: RawClient, client2: RawClient) -> None:
    client2.cmd("PING")
    start = time.monotonic()
    client.send("DEBUG", "SLEEP", "0.3")
    client.send("PING")
    assert client.read_answer() == "OK"
    assert time.monotonic() - start >= 0.3
    assert client.read_answer() == "PONG"


@pytest.mark.parametrize(
    "value", ["0", "-1", "a", "", "inf", "1e-3", ".001x", " 0.001"]
)
def test_sleep_reads_what_the_text_begins_with(client: RawClient, value: str) -> None:
    start = time.monotonic()
    client.ok("DEBUG", "SLEEP", value)
    assert time.monotonic() - start < 5


def test_the_clock_goes_on_after_a_sleep(client: RawClient) -> None:
    client.ok("SET", "k", "v", "PX", 100)
    replies = client.pipeline([("GET", "k"), ("DEBUG", "SLEEP", "0.2"), ("GET", "k")])
    assert replies[0] in (b"v", None)
    assert replies[2] is None


def test_active_expire_can_be_turned_off(client: RawClient) -> None:
    client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        client.ok("SET", "k", "v", "PX", 1)
        client.ok("SET", "other", "v", "PX", 1)
        client.ok("DEBUG", "SLEEP", "0.3")
        assert client.cmd("DBSIZE") == 2
        assert client.cmd("GET", "k") is None
        assert client.cmd("DBSIZE") == 1
    finally:
        client.ok("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    wait_until(lambda: client.cmd("DBSIZE") == 0)


def test_cron_can_be_paused(client: RawClient) -> None:
    client.ok("DEBUG", "PAUSE-CRON", 1)
    try:
        client.ok("SET", "k", "v", "PX", 1)
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            assert client.cmd("DBSIZE") == 1
    finally:
        client.ok("DEBUG", "PAUSE-CRON", 0)
    wait_until(lambda: client.cmd("DBSIZE") == 0)


# --- Populate, digest --------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "key", "value"),
    [
        (["3"], "key:2", b"value:2"),
        (["3", "k"], "k:0", b"value:0"),
        (["3", "k", "3"], "k:1", b"val"),
        (["3", "", "10"], ":1", b"value:1\0\0\0"),
        (["3", "k", "1024"], "k:1", b"value:1" + bytes(1017)),
        (["3", "k", "1025"], "k:1", b"value:1" + bytes(1018)),
        (["3", "k", "0"], "k:1", b"value:1"),
    ],
)
def test_populate(
    client: RawClient,
    genuine: GenuineServer,
    args: list[str],
    key: str,
    value: bytes,
) -> None:
    with RawClient(genuine.port) as other:
        other.ok("FLUSHALL")
        for one in (client, other):
            one.ok("DEBUG", "POPULATE", *args)
            assert one.cmd("DBSIZE") == 3
            assert one.cmd("GET", key) == value
        assert client.cmd("DEBUG", "DIGEST") == other.cmd("DEBUG", "DIGEST")


def test_populate_takes_any_prefix(client: RawClient) -> None:
    for prefix in (b"p" * 300, b"\0\r\n\xff"):
        client.ok("DEBUG", "POPULATE", 12, prefix)
        assert client.cmd("DBSIZE") == 12
        assert client.cmd("GET", prefix + b":11") == b"value:11"
        client.ok("FLUSHALL")


def test_populate_leaves_keys_alone(client: RawClient) -> None:
    client.ok("SELECT", 2)
    client.ok("SET", "key:1", "mine")
    client.ok("DEBUG", "POPULATE", 1000)
    assert client.cmd("DBSIZE") == 1000
    assert client.cmd("GET", "key:1") == b"mine"
    assert client.cmd("GET", "key:999") == b"value:999"
    client.ok("DEBUG", "POPULATE", 0)
    assert client.cmd("DBSIZE") == 1000


def test_populate_does_not_take_more_memory_than_there_is(client: RawClient) -> None:
    reply = client.cmd("DEBUG", "POPULATE", 1, "k", 1 << 60)
    assert reply == "ERR insufficient memory for a value of this size"
    assert client.cmd("DBSIZE") == 0


def test_digest_of_nothing(client: RawClient) -> None:
    reply = client.cmd("DEBUG", "DIGEST")
    assert isinstance(reply, SimpleString)
    assert reply == "0" * 40
    assert client.cmd("DEBUG", "DIGEST-VALUE") == []
    assert client.cmd("DEBUG", "DIGEST-VALUE", "absent") == ["0" * 40]


def test_digest_is_that_of_redis(client: RawClient, genuine: GenuineServer) -> None:
    rng = random.Random(1)
    commands: list[tuple[str | bytes | int, ...]] = []
    keys = [b"", b"k\0\r\n", *(f"key{i}".encode() for i in range(200))]
    for key in keys:
        value = rng.choice(
            [
                b"",
                rng.randbytes(rng.randrange(3000)),
                str(rng.randrange(-(10**12), 10**12)).encode(),
                b"007",
                b"12.5",
            ]
        )
        commands.append(("SELECT", rng.choice([0, 0, 1, 9])))
        commands.append(("SET", key, value))
        if rng.random() < 0.3:
            commands.append(("EXPIRE", key, 1000))
        if rng.random() < 0.1:
            commands.append(("APPEND", key, "more"))
    commands.append(("SELECT", 0))
    with RawClient(genuine.port) as other:
        other.ok("FLUSHALL")
        for one in (client, other):
            one.pipeline(commands)
        assert client.cmd("DEBUG", "DIGEST") == other.cmd("DEBUG", "DIGEST")
        values = ("DEBUG", "DIGEST-VALUE", "absent", *keys)
        assert client.cmd(*values) == other.cmd(*values)
        before = client.cmd("DEBUG", "DIGEST")
        client.ok("SET", "key7", "another")
        assert client.cmd("DEBUG", "DIGEST") != before


def test_digest_does_not_depend_on_the_order(client: RawClient) -> None:
    pairs = [(f"k{i}", i) for i in range(100)]
    for key, value in pairs:
        client.ok("SET", key, value)
    before = client.cmd("DEBUG", "DIGEST")
    client.ok("FLUSHALL")
    for key, value in reversed(pairs):
        client.ok("SET", key, value)
    assert client.cmd("DEBUG", "DIGEST") == before


# --- Representation ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "encoding", "length"),
    [
        ("value:1", "embstr", 8),
        ("123", "int", 2),
        ("-129", "int", 3),
        ("100000", "int", 5),
        ("12345678901", "int", 12),
        ("0123", "embstr", 5),
    ],
)
def test_object(
    client: RawClient,
    genuine: GenuineServer,
    value: str,
    encoding: str,
    length: int,
) -> None:
    with RawClient(genuine.port) as other:
        for one in (client, other):
            one.ok("SET", "k", value)
            reply = one.cmd("DEBUG", "OBJECT", "k")
            assert isinstance(reply, SimpleString)
            match = re.fullmatch(
                r"Value at:0x[0-9a-f]+ refcount:(\d+) encoding:(\w+) "
                r"serializedlength:(\d+) lru:\d+ lru_seconds_idle:\d+",
                reply,
            )
            assert match, reply
            assert match[2] == encoding
            assert int(match[3]) == length


def test_object_does_not_touch(client: RawClient) -> None:
    client.ok("SET", "k", "x" * 100)
    hits = client.info("stats")["keyspace_hits"]
    assert "serializedlength:102 " in client.cmd("DEBUG", "OBJECT", "k")
    assert "serializedlength" not in client.cmd("DEBUG", "OBJECT", "k", "fast")
    assert client.cmd("DEBUG", "OBJECT", "k", "slow") == "ERR syntax error"
    assert client.info("stats")["keyspace_hits"] == hits


def test_sdslen(client: RawClient) -> None:
    def shown(key: str) -> dict[str, int]:
        reply = client.cmd("DEBUG", "SDSLEN", key)
        assert isinstance(reply, SimpleString)
        names = "key_sds_len key_sds_avail key_zmalloc"
        names += " val_sds_len val_sds_avail val_zmalloc"
        fields = dict(re.findall(r"(\w+): ?(\d+)", reply))
        assert list(fields) == names.split()
        return {name: int(number) for name, number in fields.items()}

    client.ok("SET", "key", "x" * 100)
    fields = shown("key")
    assert fields["key_sds_len"] == 3
    assert fields["val_sds_len"] == 100
    assert 103 < fields["key_zmalloc"] < 200
    client.ok("SET", "key", "x" * 5000)
    assert shown("key")["val_zmalloc"] > 5000
    client.cmd("APPEND", "key", "y")
    fields = shown("key")
    assert fields["val_sds_len"] == 5001
    assert fields["val_zmalloc"] > 5001 + fields["val_sds_avail"]


def test_htstats(client: RawClient) -> None:
    empty = client.cmd("DEBUG", "HTSTATS", 3).decode()
    assert "No stats available for empty dictionaries\n" in empty
    client.ok("DEBUG", "POPULATE", 5000)
    client.ok("SET", "timed", "v", "EX", 1000)
    text = client.cmd("DEBUG", "HTSTATS", 0).decode()
    assert text.startswith("[Dictionary HT]\nHash table 0 stats (main hash table):\n")
    assert " number of elements: 5001\n" in text
    slots = int(re.search(r" table size: (\d+)\n", text)[1])  # type: ignore[index]
    buckets = int(re.search(r" buckets: (\d+)\n", text)[1])  # type: ignore[index]
    assert slots == 9 * buckets
    assert 5001 / 9 / 2 < buckets < 5001
    assert "[Expires HT]\n number of elements: 1\n timing wheel entries: 1\n" in text
    full = client.cmd("DEBUG", "HTSTATS", 0, "full").decode()
    chains = {int(a): int(b) for a, b in re.findall(r"^   (\d+): (\d+) ", full, re.M)}
    assert sum(chains.values()) == buckets
    overflow = int(re.search(r" overflow buckets: (\d+)\n", full)[1])  # type: ignore[index]
    assert sum(length * count for length, count in chains.items()) == overflow


def test_htstats_of_a_string(client: RawClient, genuine: GenuineServer) -> None:
    with RawClient(genuine.port) as other:
        other.ok("SET", "k", "v")
        client.ok("SET", "k", "v")
        command = ("DEBUG", "HTSTATS-KEY", "k")
        assert client.cmd(*command) == other.cmd(*command)


def test_tables_can_be_kept_from_resizing(client: RawClient) -> None:
    def buckets() -> int:
        text = client.cmd("DEBUG", "HTSTATS", 0).decode()
        return int(re.search(r" buckets: (\d+)\n", text)[1])  # type: ignore[index]

    client.ok("DEBUG", "POPULATE", 100)
    before = buckets()
    client.ok("DEBUG", "DICT-RESIZING", 0)
    try:
        client.ok("DEBUG", "POPULATE", 3000)
        assert buckets() == before
        assert client.cmd("GET", "key:2999") == b"value:2999"
    finally:
        client.ok("DEBUG", "DICT-RESIZING", 1)
    client.ok("DEBUG", "POPULATE", 6000)
    assert buckets() > before


def test_structsize(client: RawClient) -> None:
    assert re.fullmatch(
        r"bits:64( \w+:\d+)+", client.cmd("DEBUG", "STRUCTSIZE").decode()
    )


# --- Replies -----------------------------------------------------------------------

_TYPES = (
    "string integer double null array set map attrib push verbatim true false bignum "
    "STRING nonsense"
)
TYPES = _TYPES.split()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("resp", [2, 3])
def test_protocol(server: FastredisServer, resp: int, kind: str) -> None:
    with GenuineServer("redis") as genuine:
        raw = []
        for one in (server, genuine):
            client = one.client(resp)
            client.send("DEBUG", "PROTOCOL", kind)
            client.send("QUIT")
            raw.append(client.read_all())
    assert raw[0] == raw[1]
    assert raw[0].endswith(b"+OK\r\n")


@pytest.mark.parametrize("text", ["FOO", "ERR a b", "A\r\nB", "", " x", "-FOO bar"])
def test_error(client: RawClient, genuine: GenuineServer, text: str) -> None:
    client.ok("CONFIG", "RESETSTAT")
    command = encode(["DEBUG", "ERROR", text]) + encode(["QUIT"])
    with RawClient(genuine.port) as other:
        for one in (client, other):
            one.send_raw(command)
        assert client.read_all() == other.read_all()


def test_error_is_not_counted(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    assert client.cmd("DEBUG", "ERROR", "CODE text") == "CODE text"
    assert client.info("errorstats") == {}


def test_log(client: RawClient, server: FastredisServer) -> None:
    client.ok("DEBUG", "LOG", "a text of this test")
    assert re.search(r"# DEBUG LOG: a text of this test\n", server.log())


def test_help(client: RawClient) -> None:
    lines = client.cmd("DEBUG", "HELP")
    assert all(isinstance(line, SimpleString) for line in lines)
    assert lines[0].startswith("DEBUG <subcommand> ")
    assert "POPULATE <count> [<prefix> [<size>]]" in lines
    assert lines[-2] == "HELP"


# --- Crashes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("SEGFAULT", signal.SIGSEGV, ""),
        ("ASSERT", signal.SIGABRT, "ASSERTION FAILED"),
        ("PANIC", signal.SIGABRT, "Guru Meditation"),
    ],
)
def test_crashes(
    fresh_server: Fresh, name: str, number: signal.Signals, text: str
) -> None:
    server = fresh_server(check_exit=False)
    client = server.client()
    client.send("DEBUG", name)
    assert client.read_all() == b""
    assert server.wait_exit() == -number
    assert text in server.stdout()


# --- Clients ------------------------------------------------------------------------


def test_peak_of_replies_is_forgotten(client: RawClient, client2: RawClient) -> None:
    def peak() -> int:
        line = client.cmd("CLIENT", "LIST", "ID", ident).decode()
        found = re.search(r" rbp=(\d+) ", line)
        assert found
        return int(found[1])

    ident = client2.cmd("CLIENT", "ID")
    client.ok("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "NEVER")
    client2.cmd("ECHO", "x" * 1000)
    assert peak() > 1000
    client.ok("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", 50)
    wait_until(lambda: peak() == 0)
    client.ok("DEBUG", "REPLYBUFFER", "peak-reset-time", "reset")
    client.ok("DEBUG", "REPLYBUFFER", "RESIZING", 0)
    for args in (["PEAK-RESET-TIME", "x"], ["RESIZING", 2], ["SIZE", 1], []):
        assert str(client.cmd("DEBUG", "REPLYBUFFER", *args)).startswith("ERR ")


def test_client_eviction_shows_classes(client: RawClient) -> None:
    assert "disabled" in str(client.cmd("DEBUG", "CLIENT-EVICTION"))
    client.ok("CONFIG", "SET", "maxmemory-clients", "10mb")
    assert b"clients" in client.cmd("DEBUG", "CLIENT-EVICTION")


def test_replication_id_changes(client: RawClient) -> None:
    before = client.info("replication")["master_replid"]
    client.ok("DEBUG", "CHANGE-REPL-ID")
    after = client.info("replication")["master_replid"]
    assert len(before) == len(after) == 40
    assert before != after
