# SPDX-License-Identifier: BSD-3-Clause
"""SLOWLOG, COMMANDLOG, LATENCY, MEMORY, MONITOR, LOLWUT."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from support.client import Error, Map, RawClient, Verbatim
from support.server import FastredisServer, GenuineServer

Fresh = Callable[..., FastredisServer]

NOT_INTEGER = "ERR value is not an integer or out of range"
MB = 1024 * 1024


def error(client: RawClient, *args: str | int | bytes) -> str:
    reply = client.cmd(*args)
    assert isinstance(reply, Error), reply
    return str(reply)


def pairs(value: object) -> dict[bytes, object]:
    """Return a map, whichever form the protocol gives it."""
    if isinstance(value, Map):
        return dict(value.pairs)
    assert isinstance(value, list)
    return dict(zip(value[::2], value[1::2], strict=True))


@pytest.fixture
def log_all(client: RawClient) -> RawClient:
    """Return a client of a server that logs every command as slow."""
    client.ok("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client.ok("SLOWLOG", "RESET")
    return client


def logged(client: RawClient, count: int = 10) -> list[list[bytes]]:
    return [entry[3] for entry in client.cmd("SLOWLOG", "GET", count)]


# --- SLOWLOG -----------------------------------------------------------------------


def test_slow_commands_are_remembered_newest_first(log_all: RawClient) -> None:
    log_all.ok("CLIENT", "SETNAME", "observer")
    log_all.ok("SET", "key", "value")
    log_all.cmd("GET", "key")
    (get, set_), host = log_all.cmd("SLOWLOG", "GET", 2), log_all.sock.getsockname()
    assert get[3] == [b"GET", b"key"]
    assert set_[3] == [b"SET", b"key", b"value"]
    assert get[0] == set_[0] + 1
    assert get[1] >= set_[1] > 1_600_000_000
    assert 0 <= get[2] < 10_000_000
    assert get[4] == b"%b:%d" % (host[0].encode(), host[1])
    assert get[5] == b"observer"


def test_threshold_and_length(log_all: RawClient) -> None:
    for _ in range(20):
        log_all.cmd("PING")
    assert log_all.cmd("SLOWLOG", "LEN") >= 20
    assert len(log_all.cmd("SLOWLOG", "GET")) == 10
    assert len(log_all.cmd("SLOWLOG", "GET", -1)) >= 20
    log_all.ok("CONFIG", "SET", "slowlog-max-len", 3)
    log_all.cmd("PING")
    assert log_all.cmd("SLOWLOG", "LEN") == 3
    log_all.ok("CONFIG", "SET", "slowlog-log-slower-than", -1)
    log_all.ok("SLOWLOG", "RESET")
    log_all.cmd("PING")
    assert log_all.cmd("SLOWLOG", "LEN") == 0
    log_all.ok("CONFIG", "SET", "slowlog-log-slower-than", 20000)
    log_all.cmd("PING")
    log_all.ok("DEBUG", "SLEEP", "0.03")
    ((_, _, us, args, *_),) = log_all.cmd("SLOWLOG", "GET")
    assert args == [b"DEBUG", b"SLEEP", b"0.03"]
    assert us >= 30000


def test_ids_go_on_when_the_log_is_emptied(log_all: RawClient) -> None:
    log_all.cmd("PING")
    before = log_all.cmd("SLOWLOG", "GET", 1)[0][0]
    log_all.ok("SLOWLOG", "RESET")
    log_all.cmd("PING")
    assert log_all.cmd("SLOWLOG", "GET", 1)[0][0] > before


def test_long_commands_are_cut(log_all: RawClient) -> None:
    log_all.cmd("DEL", *range(31))
    assert len(logged(log_all, 1)[0]) == 32
    assert logged(log_all, 2)[1][-1] == b"30"
    log_all.cmd("DEL", *range(32))
    args = logged(log_all, 1)[0]
    assert args[:31] == [b"DEL", *(b"%d" % i for i in range(30))]
    assert args[31:] == [b"... (2 more arguments)"]
    log_all.cmd("SET", "a", "x" * 128)
    assert logged(log_all, 1)[0][2] == b"x" * 128
    log_all.cmd("SET", "a", "x" * 129)
    assert logged(log_all, 1)[0][2] == b"x" * 128 + b"... (1 more bytes)"


def test_secrets_are_not_logged(log_all: RawClient) -> None:
    log_all.cmd("AUTH", "somebody", "hunter2")
    log_all.cmd("HELLO", log_all.resp, "AUTH", "default", "hunter2", "SETNAME", "x")
    log_all.cmd("CONFIG", "SET", "masterauth", "hunter2", "loglevel", "notice")
    log_all.cmd("config", "set", "MASTERAUTH", "")
    lines = logged(log_all, 4)
    assert lines[::-1] == [
        [b"AUTH", b"(redacted)", b"(redacted)"],
        [b"HELLO", b"%d" % log_all.resp, b"AUTH", b"(redacted)", b"(redacted)",
         b"SETNAME", b"x"],
        [b"CONFIG", b"SET", b"masterauth", b"(redacted)", b"loglevel", b"notice"],
        [b"config", b"set", b"MASTERAUTH", b"(redacted)"],
    ]  # fmt: skip


def test_a_renamed_command_keeps_its_secrets(fresh_server: Fresh) -> None:
    server = fresh_server(
        "--rename-command", "AUTH", "login", slowlog_log_slower_than=0
    )
    client = server.client()
    client.cmd("LOGIN", "hunter2")
    assert logged(client, 1) == [[b"LOGIN", b"(redacted)"]]


def test_what_was_refused_is_not_logged(log_all: RawClient) -> None:
    log_all.cmd("NOSUCH")
    log_all.cmd("GET")
    assert logged(log_all) == [[b"SLOWLOG", b"RESET"]]


def test_slowlog_arguments(client: RawClient) -> None:
    assert error(client, "SLOWLOG", "GET", "x") == NOT_INTEGER
    assert error(client, "SLOWLOG", "GET", -2) == (
        "ERR count should be greater than or equal to -1"
    )
    assert "SLOWLOG" in client.cmd("SLOWLOG", "HELP")[0]
    assert "unknown subcommand" in error(client, "SLOWLOG", "NOSUCH")


# --- COMMANDLOG --------------------------------------------------------------------


def test_large_requests_and_replies(client: RawClient) -> None:
    kinds = ("large-request", "large-reply")
    for kind in kinds:
        client.ok("COMMANDLOG", "RESET", kind)
    client.ok("SET", "small", "x" * 100_000)
    client.cmd("GET", "small")
    assert [client.cmd("COMMANDLOG", "LEN", kind) for kind in kinds] == [0, 0]
    client.ok("SET", "large", "x" * MB)
    assert client.cmd("GET", "large") == b"x" * MB
    ((_, _, size, args, *_),) = client.cmd("COMMANDLOG", "GET", -1, "large-request")
    assert size == MB + len(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$1048576\r\n\r\n")
    assert args[:2] == [b"SET", b"large"]
    ((_, _, size, args, *_),) = client.cmd("COMMANDLOG", "GET", -1, "large-reply")
    assert size == MB + len(b"$1048576\r\n\r\n")
    assert args == [b"GET", b"large"]


@pytest.mark.parametrize("threshold", [50, 20_000, 100_000])
def test_sizes_are_exact_whatever_the_threshold(
    client: RawClient, threshold: int
) -> None:
    """Below a block of the reply each request is measured, above only some."""
    client.ok("CONFIG", "SET", "commandlog-reply-larger-than", threshold)
    client.ok("COMMANDLOG", "RESET", "large-reply")
    sizes = [threshold - 20, threshold, 5, threshold + 40_000]
    for i, size in enumerate(sizes):
        client.ok("SET", f"k{i}", "x" * size)
    client.pipeline([("GET", f"k{i}") for i in range(len(sizes))])
    expected = [n + 5 + len(str(n)) for n in sizes if n + 5 + len(str(n)) >= threshold]
    rows = client.cmd("COMMANDLOG", "GET", -1, "large-reply")
    assert [row[2] for row in rows[::-1] if row[3][0] == b"GET"] == expected


def test_commandlog_arguments(client: RawClient) -> None:
    assert "slow, large-request, large-reply" in error(
        client, "COMMANDLOG", "LEN", "fast"
    )
    client.ok("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client.cmd("PING")
    assert client.cmd("COMMANDLOG", "GET", 1, "SLOW")[0][3] == [b"PING"]
    assert client.cmd("COMMANDLOG", "LEN", "slow") == client.cmd("SLOWLOG", "LEN") - 1


# --- LATENCY -----------------------------------------------------------------------


@pytest.fixture
def slept(client: RawClient) -> RawClient:
    """Return a client of a server that had one slow command."""
    client.ok("CONFIG", "SET", "latency-monitor-threshold", 20)
    client.cmd("LATENCY", "RESET")
    client.ok("DEBUG", "SLEEP", "0.03")
    return client


def test_samples_of_the_latency_monitor(slept: RawClient) -> None:
    ((name, second, ms, longest),) = slept.cmd("LATENCY", "LATEST")
    assert name == b"command"
    assert 30 <= ms == longest < 5000
    assert slept.cmd("LATENCY", "HISTORY", "command") == [[second, ms]]
    assert slept.cmd("LATENCY", "HISTORY", "fork") == []
    assert slept.cmd("LATENCY", "RESET", "fork") == 0
    assert slept.cmd("LATENCY", "RESET", "command", "fork") == 1
    assert slept.cmd("LATENCY", "LATEST") == []


def test_no_samples_below_the_threshold(client: RawClient) -> None:
    client.cmd("LATENCY", "RESET")
    client.ok("DEBUG", "SLEEP", "0.01")
    assert client.cmd("LATENCY", "LATEST") == []
    client.ok("CONFIG", "SET", "latency-monitor-threshold", 1000)
    client.ok("DEBUG", "SLEEP", "0.01")
    assert client.cmd("LATENCY", "LATEST") == []


def test_graph_and_doctor(slept: RawClient) -> None:
    graph = slept.cmd("LATENCY", "GRAPH", "command")
    assert isinstance(graph, Verbatim) == (slept.resp == 3)
    assert re.match(rb"command - high \d+ ms, low \d+ ms \(all time", graph)
    assert error(slept, "LATENCY", "GRAPH", "fork") == (
        "ERR No samples available for event 'fork'"
    )
    report = slept.cmd("LATENCY", "DOCTOR")
    assert b"command: 1 samples" in report
    assert b"SLOWLOG" in report
    slept.cmd("LATENCY", "RESET")
    assert b"20 ms or longer" in slept.cmd("LATENCY", "DOCTOR")
    slept.ok("CONFIG", "SET", "latency-monitor-threshold", 0)
    assert b"latency-monitor-threshold" in slept.cmd("LATENCY", "DOCTOR")


def test_histograms(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    for i in range(100):
        client.cmd("SET", "key", i)
    client.ok("DEBUG", "SLEEP", "0.005")
    found = pairs(client.cmd("LATENCY", "HISTOGRAM", "set", "nosuch", "config"))
    assert set(found) == {b"set", b"config|resetstat"}
    row = pairs(found[b"set"])
    counts = pairs(row[b"histogram_usec"])
    assert row[b"calls"] == 100
    bounds = list(counts)
    assert bounds == sorted(bounds)
    assert list(counts.values()) == sorted(set(counts.values()))
    assert counts[bounds[-1]] == 100
    debug = pairs(pairs(client.cmd("LATENCY", "HISTOGRAM", "debug"))[b"debug"])
    (bound,) = pairs(debug[b"histogram_usec"])
    assert 5000 <= bound <= 1_000_000
    assert b"set" in pairs(client.cmd("LATENCY", "HISTOGRAM"))
    assert pairs(client.cmd("LATENCY", "HISTOGRAM", "nosuch")) == {}


# --- MEMORY ------------------------------------------------------------------------


def test_usage(client: RawClient) -> None:
    assert client.cmd("MEMORY", "USAGE", "none") is None
    client.ok("SET", "key", "x" * 10_000)
    assert 10_000 < client.cmd("MEMORY", "USAGE", "key") < 12_500
    client.ok("SET", "key", 1)
    assert 10 < client.cmd("MEMORY", "USAGE", "key", "SAMPLES", 0) < 100
    for args in (["SAMPLES"], ["SAMPLES", -1], ["NOSUCH", 1]):
        assert error(client, "MEMORY", "USAGE", "key", *args) == "ERR syntax error"
    assert error(client, "MEMORY", "USAGE", "key", "SAMPLES", "x") == NOT_INTEGER


def test_usage_of_a_collection_grows_with_it(client: RawClient) -> None:
    client.cmd("RPUSH", "list", *(["x" * 100] * 10))
    small = client.cmd("MEMORY", "USAGE", "list")
    client.cmd("RPUSH", "list", *(["x" * 100] * 1000))
    assert client.cmd("MEMORY", "USAGE", "list", "SAMPLES", 0) > small + 90_000


def test_stats_has_the_figures_of_info(client: RawClient) -> None:
    client.ok("SET", "key", "value")
    stats = pairs(client.cmd("MEMORY", "STATS"))
    info = client.info("memory")
    assert stats[b"keys.count"] == 1
    assert stats[b"startup.allocated"] == int(info["used_memory_startup"])
    assert stats[b"total.allocated"] <= stats[b"peak.allocated"]
    assert abs(int(info["used_memory"]) - stats[b"total.allocated"]) < 200_000
    assert pairs(stats[b"db.0"])[b"overhead.hashtable.main"] > 0
    assert stats[b"overhead.db.hashtable.lut"] == 64
    assert float(stats[b"dataset.percentage"]) <= 100


def test_names_and_order_of_stats_are_those_of_redis(client: RawClient) -> None:
    with GenuineServer("redis") as genuine:
        theirs = list(pairs(genuine.client().cmd("MEMORY", "STATS")))
    ours = list(pairs(client.cmd("MEMORY", "STATS")))
    assert [name for name in ours if name in theirs] == theirs


def test_reports(client: RawClient) -> None:
    assert b"hardly any data" in client.cmd("MEMORY", "DOCTOR")
    client.ok("MEMORY", "PURGE")
    report = client.cmd("MEMORY", "MALLOC-STATS")
    assert report.startswith(client.info("memory")["mem_allocator"].encode())
    assert "MEMORY" in client.cmd("MEMORY", "HELP")[0]


# --- MONITOR -----------------------------------------------------------------------


def lines(client: RawClient, n: int) -> list[str]:
    """Return n lines that a monitor was shown, without time and peer."""
    found = []
    for _ in range(n):
        line = client.read()
        match = re.fullmatch(r"\d+\.\d{6} \[(\d+) \S+\] (.*)", str(line))
        assert match, line
        found.append(f"{match[1]} {match[2]}")
    return found


def test_monitor_shows_what_others_execute(
    client: RawClient, client2: RawClient
) -> None:
    client.ok("MONITOR")
    client2.cmd("SELECT", 3)
    client2.cmd("SET", b"a\nb", b'"\\\x00\x7f\xff\t\r\a\b')
    client2.cmd("AUTH", "hunter2")
    client2.cmd("CONFIG", "GET", "port")
    client2.cmd("NOSUCH")
    client2.cmd("GET")
    client2.cmd("ECHO", "last")
    assert lines(client, 4) == [
        '3 "SELECT" "3"',
        r'3 "SET" "a\nb" "\"\\\x00\x7f\xff\t\r\a\b"',
        '3 "AUTH" "(redacted)"',
        '3 "ECHO" "last"',
    ]
    client2.cmd("SELECT", 0)


def test_monitor_names_peers_and_shows_its_own(
    server: FastredisServer, client: RawClient
) -> None:
    client.ok("MONITOR")
    assert client.cmd("PING", "own") == b"own"
    assert lines(client, 1) == ['0 "PING" "own"']
    assert "flags=O " in server.client().cmd("CLIENT", "LIST").decode()


def test_monitor_ends(client: RawClient, client2: RawClient) -> None:
    client.ok("MONITOR")
    client.ok("MONITOR")
    assert client.cmd("RESET") == "RESET"
    client2.cmd("PING")
    assert not client.has_input(0.05)
    client.ok("MONITOR")
    client.close()
    assert client2.cmd("PING") == "PONG"


# --- LOLWUT ------------------------------------------------------------------------


def test_lolwut(client: RawClient) -> None:
    for args in ([], ["VERSION", 5], ["VERSION", 5, 30, 4], ["VERSION", 6, 0, -5]):
        picture = client.cmd("LOLWUT", *args)
        assert isinstance(picture, Verbatim) == (client.resp == 3)
        assert b"Redis ver. 8." in picture.splitlines()[-1]
    assert len(client.cmd("LOLWUT", "VERSION", 5, 30, 4).splitlines()) == 6
    assert error(client, "LOLWUT", "VERSION", "x") == NOT_INTEGER


def test_what_has_no_effect_yet_is_logged_once(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client(2)
    told = "Directives without effect yet: active-expire-effort, busy-reply-threshold"
    for _ in range(2):
        client.ok("CONFIG", "SET", "active-expire-effort", 3, "lua-time-limit", "7")
        client.ok("CONFIG", "SET", "hz", "11")
    assert server.log().count(told) == 1
    assert server.log().count("without effect yet") == 1
