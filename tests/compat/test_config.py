# SPDX-License-Identifier: BSD-3-Clause
"""CONFIG beside genuine servers: patterns, values and errors, all or nothing, files.

Directives that only some of the servers know are left out, and so are those whose
value is that of the place (ports, folders) or would end the talk (passwords, TLS).
Where Redis 7.0 and Valkey differ, either answer is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.client import Error, RawClient
from support.server import FastredisServer, GenuineServer, ServerProcess

# What a test may not change, or what differs by its nature.
OWN_PLACE = {
    "aclfile", "appenddirname", "appendfilename", "appendonly", "bind",
    "bind-source-addr", "cluster-config-file", "cluster-enabled", "daemonize",
    "dbfilename", "dir", "io-threads", "logfile", "loadmodule", "masterauth",
    "maxclients", "maxmemory-clients", "oom-score-adj", "pidfile", "port",
    "primaryauth", "replicaof", "requirepass", "save", "slaveof", "supervised",
    "syslog-enabled", "unixsocket", "unixsocketperm", "watchdog-period",
}  # fmt: skip
VALUES = [
    "", "x", "yes", "no", "YES", "0", "1", "-1", "2", "7", "100", "-5", "1.5", " 1",
    "1 ", "+1", "0x10", "1k", "1kb", "2mb", "1gb", "-1mb", "50%", "-5%", "101%",
    "65536", "2147483647", "2147483648", "4294967296", "9223372036854775807",
    "9223372036854775808", "18446744073709551615", "999999999999999999999", "a b",
    "notice", "everysec", "allkeys-lru", "Ex", "KEA", "Q",
]  # fmt: skip
PATTERNS = [
    ("*",), ("max*",), ("MAX*",), ("hash-max-*",), ("*-ziplist-*",),
    ("list-max-?????ack*",),
    ("save",), ("SAVE",), ("nonsense",), ("",), ("maxmemory", "maxmemory"),
    ("maxmemory", "timeout", "nonsense"), ("m*", "maxmemory"), ("[st]*",),
    ("[^a-s]*",),
    ("slave*",), ("replica*",), ("lazyfree-lazy-user-de[kl]",), ("*\\*",), ("hz", "HZ"),
]  # fmt: skip


class Trio:
    """fastredis, Redis and Valkey, a connection to each."""

    def __init__(self, servers: Sequence[ServerProcess]) -> None:
        self.clients = [server.client() for server in servers]
        known = [self.values(client) for client in self.clients]
        shared = set(known[0]).intersection(*known[1:])
        self.names = sorted(n for n in shared - OWN_PLACE if not n.startswith("tls-"))
        self.at_start = known

    @staticmethod
    def values(client: RawClient, *patterns: str) -> dict[str, str]:
        """Return what CONFIG GET answers."""
        flat = client.cmd("CONFIG", "GET", *(patterns or ("*",)))
        texts = [item.decode() for item in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def ask(self, *request: str) -> list[Any]:
        """Send a request to all."""
        return [client.cmd(*request) for client in self.clients]

    def restore(self) -> None:
        """Put back what was changed."""
        for client, before in zip(self.clients, self.at_start, strict=True):
            after = self.values(client)
            for name in self.names:
                if after[name] != before[name]:
                    client.ok("CONFIG", "SET", name, before[name])


def level(reply: Any) -> Any:
    """Make an error its text."""
    return str(reply) if isinstance(reply, Error) else reply


@pytest.fixture(scope="module")
def held(subject: FastredisServer, redis: GenuineServer, valkey: GenuineServer) -> Trio:
    """Connect to the three servers."""
    return Trio((subject, redis, valkey))


@pytest.fixture
def trio(held: Trio) -> Iterator[Trio]:
    """Lend the three; what a test changes is put back."""
    yield held
    held.restore()


# --- GET ---------------------------------------------------------------------------


@pytest.mark.parametrize("patterns", PATTERNS)
def test_patterns(trio: Trio, patterns: tuple[str, ...]) -> None:
    everywhere = set(trio.at_start[0]).intersection(*trio.at_start[1:])
    found = []
    for client in trio.clients:
        # maps of RESP2: names that are given twice come once
        flat = client.cmd("CONFIG", "GET", *patterns)
        names = [item.decode() for item in flat[::2]]
        assert len(names) == len(set(names))
        found.append({name.lower() for name in names} & everywhere)
    assert found[0] in found[1:]


@pytest.mark.parametrize(
    "request_",
    [
        (), ("GET",), ("SET",), ("SET", "hz"), ("nonsense",), ("RESETSTAT", "x"),
        ("REWRITE", "x"),
    ],
)  # fmt: skip
def test_bad_requests(trio: Trio, request_: tuple[str, ...]) -> None:
    mine, *others = map(level, trio.ask("CONFIG", *request_))
    assert mine in others


def test_shared_defaults(trio: Trio) -> None:
    mine, *others = trio.at_start
    wrong = {
        name: (mine[name], *(other[name] for other in others))
        for name in trio.names
        if mine[name] not in [other[name] for other in others]
    }
    assert wrong == {}


# --- SET ---------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES)
def test_every_directive_with(trio: Trio, value: str) -> None:
    wrong = []
    for name in trio.names:
        if name == "client-query-buffer-limit" and value.isdigit():
            continue  # the servers' own: a limit may be below what is sent here
        replies = list(map(level, trio.ask("CONFIG", "SET", name, value)))
        shown = [value_of(c, name) for c in trio.clients]
        mine, *others = zip(replies, shown, strict=True)
        if mine not in others:
            wrong.append((name, mine, *others))
        for client, before in zip(trio.clients, trio.at_start, strict=True):
            if value_of(client, name) != before[name]:
                client.ok("CONFIG", "SET", name, before[name])
    assert wrong == []


def value_of(client: RawClient, name: str) -> str:
    """Return the value of one directive."""
    return Trio.values(client, name)[name]


PAIRS = [
    ("timeout", "5", "hz", "x"),
    ("timeout", "x", "hz", "20"),
    ("timeout", "5", "nonsense", "1"),
    ("nonsense", "1", "timeout", "5"),
    ("timeout", "5", "timeout", "6"),
    ("timeout", "5", "TIMEOUT", "6"),
    ("timeout", "5", "databases", "20"),
    ("databases", "20"),
    ("timeout", "5", "hz"),
    ("hash-max-ziplist-entries", "7", "hash-max-listpack-entries", "8"),
    ("hash-max-listpack-entries", "8", "hash-max-listpack-entries", "9"),
    ("hash-max-ziplist-entries", "7"),
    ("HASH-MAX-ZIPLIST-VALUE", "70"),
    ("slave-priority", "50"),
    ("slave-read-only", "no", "replica-priority", "3"),
    ("list-max-ziplist-size", "-3"),
    ("lua-time-limit", "77"),
    ("timeout", "5", "notify-keyspace-events", "KQ"),
    ("notify-keyspace-events", "KEA", "timeout", "9"),
    ("latency-tracking-info-percentiles", "50 99"),
    ("latency-tracking-info-percentiles", "50 101"),
    ("latency-tracking-info-percentiles", ""),
    ("client-output-buffer-limit", "normal 0 0 0 pubsub 1mb 2mb 3"),
    ("client-output-buffer-limit", "slave 1 2"),
    ("client-output-buffer-limit", "nonsense 1 2 3"),
    ("client-output-buffer-limit", "replica 100mb 10mb x"),
    ("client-output-buffer-limit", "replica 100mb 10mb 5", "timeout", "x"),
    ("client-output-buffer-limit", ""),
    ("oom-score-adj-values", "1 2 3"),
    ("oom-score-adj-values", "1 2"),
    ("oom-score-adj-values", "1 2 3000"),
    ("proc-title-template", "{title} {nonsense}"),
    ("maxmemory", "100mb", "maxmemory-policy", "volatile-lfu"),
    ("maxmemory-policy", "nonsense"),
    ("loglevel", "nothing"),
    ("repl-diskless-load", "swapdb", "repl-diskless-load", "disabled"),
]
WATCHED = (
    "timeout", "hz", "hash-max-*", "list-max-*", "*-priority", "*-read-only",
    "lua-time-limit", "busy-reply-threshold", "notify-keyspace-events", "latency-*",
    "client-output-buffer-limit", "oom-score-adj-values", "maxmemory", "loglevel",
    "maxmemory-policy",
)  # fmt: skip


@pytest.mark.parametrize("request_", PAIRS)
def test_all_or_nothing(trio: Trio, request_: tuple[str, ...]) -> None:
    replies = list(map(level, trio.ask("CONFIG", "SET", *request_)))
    everywhere = set(trio.at_start[0]).intersection(*trio.at_start[1:])
    shown = []
    for client in trio.clients:
        values = Trio.values(client, *WATCHED)
        shown.append({n: v for n, v in values.items() if n in everywhere})
    mine, *others = zip(replies, shown, strict=True)
    assert mine in others


def test_letters_of_events(trio: Trio) -> None:
    for letters in ("", "K", "KE", "A", "KEA", "AKE", "g$lshzxetKE", "KEn", "Em", "xx"):
        replies = trio.ask("CONFIG", "SET", "notify-keyspace-events", letters)
        assert replies[0] in replies[1:]
        shown = trio.ask("CONFIG", "GET", "notify-keyspace-events")
        assert shown[0] in shown[1:], letters


# --- RESETSTAT ---------------------------------------------------------------------

RESET_TO_ZERO = (
    "total_commands_processed", "expired_keys", "keyspace_hits", "keyspace_misses",
    "rejected_connections", "total_connections_received", "evicted_keys",
    "total_error_replies", "expire_cycle_cpu_milliseconds", "lazyfreed_objects",
    "client_query_buffer_limit_disconnections", "unexpected_error_replies",
)  # fmt: skip


def test_resetstat(trio: Trio) -> None:
    seen = []
    for client in trio.clients:
        client.pipeline([("SET", "k", "v"), ("GET", "k"), ("GET", "absent"), ("BAD",)])
        client.ok("CONFIG", "RESETSTAT")
        info = client.info("everything")
        numbers = {name: info.get(name) for name in RESET_TO_ZERO}
        assert not [name for name in info if name.startswith("errorstat_")]
        commands = [name for name in info if name.startswith("cmdstat_")]
        seen.append((numbers, sorted(set(commands) - {"cmdstat_info"})))
    assert seen[0] in seen[1:]


# --- REWRITE -----------------------------------------------------------------------

FILE = """\
# a comment that stays
timeout 3
  hash-max-ziplist-entries 99
notify-keyspace-events "Ex"

save 100 1
save 200 2 300 3
# another
client-output-buffer-limit pubsub 1mb 512kb 5
proc-title-template "{title} {port}"
maxmemory-policy allkeys-lru
hz 20
latency-tracking-info-percentiles 50 99 99.9
rename-command DEBUG ""
"""
CHANGES = [
    (),
    ("timeout", "4", "hz", "10"),
    ("save", "", "maxmemory", "100mb"),
    ("save", "5 6 7 8", "notify-keyspace-events", ""),
    ("hash-max-listpack-entries", "128", "lazyfree-lazy-user-del", "yes"),
    ("client-output-buffer-limit", "normal 5mb 4mb 3 replica 0 0 0"),
    ("proc-title-template", "{title} \"quoted\" 'single' \\ {port}"),
    ("latency-tracking-info-percentiles", "", "list-compress-depth", "2"),
    ("maxmemory-policy", "noeviction", "lfu-log-factor", "3", "repl-timeout", "61"),
    ("tcp-keepalive", "0", "slowlog-max-len", "5", "hll-sparse-max-bytes", "100"),
]


def comments(text: str) -> list[str]:
    """Return the comments, without the one that announces what was added."""
    return [
        line
        for line in text.splitlines()
        if line.startswith("#") and "CONFIG REWRITE" not in line
    ]


@pytest.mark.parametrize("changes", CHANGES)
def test_rewrite_is_read_again(tmp_path: Path, changes: tuple[str, ...]) -> None:
    """Each server reads its file again, and Redis 7.0 reads that of fastredis."""
    made: list[ServerProcess] = []
    shown: list[dict[str, str]] = []
    texts: list[str] = []
    try:
        for name in ("mine", "redis", "valkey"):
            path = tmp_path / f"{name}.conf"
            path.write_text(FILE)
            # the file first, as it is given on a command line
            one: ServerProcess = (
                FastredisServer(start=False)
                if name == "mine"
                else (GenuineServer(name, start=False))
            )
            made.append(one)
            one.config.pop("save", None)
            one.config.pop("enable-debug-command", None)
            one.command = [*one.command, str(path)]
            one.start()
            client = one.client()
            if changes:
                client.ok("CONFIG", "SET", *changes)
            client.ok("CONFIG", "REWRITE")
            texts.append(path.read_text())
            one.restart()
            shown.append(Trio.values(one.client()))
        mine, *others = shown
        shared = set(mine).intersection(*others) - OWN_PLACE | {"save"}
        wrong = {
            name: (mine[name], *(other[name] for other in others))
            for name in shared
            if mine[name] not in [other[name] for other in others]
        }
        assert wrong == {}
        assert comments(texts[0]) == comments(texts[1])
        path = tmp_path / "redis.conf"
        path.write_text(
            re.sub(str(made[0].directory), str(made[1].directory), texts[0])
        )
        made[1].restart()
        assert {
            n: v for n, v in Trio.values(made[1].client()).items() if n in shared
        } == {n: v for n, v in shown[1].items() if n in shared}
    finally:
        for one in made:
            one.kill()
            one.cleanup()
