# SPDX-License-Identifier: BSD-3-Clause
"""INFO: sections, formats, and fields that follow what happens."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable

import pytest

from support.client import RawClient, Verbatim, encode
from support.server import FastredisServer, GenuineServer
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]

DEFAULT = [
    "Server", "Clients", "Memory", "Persistence", "Stats",
    "Replication", "Threads", "CPU",
    "Modules", "Errorstats", "Cluster", "Keyspace",
]  # fmt: skip
ALL = [*DEFAULT[:9], "Commandstats", "Errorstats", "Latencystats", *DEFAULT[10:]]


def titles(client: RawClient, *sections: str) -> list[str]:
    """Return the titles of the sections that INFO replies."""
    reply = client.cmd("INFO", *sections)
    assert isinstance(reply, Verbatim) == (client.resp == 3)
    text = reply.decode()
    assert "\n" not in text.replace("\r\n", "")
    for line in text.split("\r\n"):
        assert line == "" or line.startswith("# ") or ":" in line, line
    return re.findall(r"^# (\w+)\r$", text, re.MULTILINE)


def number(client: RawClient, section: str, field: str) -> float:
    """Return a field's number."""
    return float(client.info(section)[field])


# --- Sections ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ([], DEFAULT),
        (["default"], DEFAULT),
        (["all"], ALL),
        (["everything"], ALL),
        (["EVERYTHING", "debug"], [*ALL, "Debug"]),
        (["cpu"], ["CPU"]),
        (["Keyspace", "SERVER", "keyspace"], ["Server", "Keyspace"]),
        (["default", "commandstats"], [*DEFAULT[:9], "Commandstats", *DEFAULT[9:]]),
        (["debug"], ["Debug"]),
        (["nonsense"], []),
        (["nonsense", "cluster", ""], ["Cluster"]),
    ],
)
def test_sections(client: RawClient, sections: list[str], expected: list[str]) -> None:
    assert titles(client, *sections) == expected


def test_layout(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    assert client.cmd("INFO", "nonsense") == b""
    assert client.cmd("INFO", "cluster") == b"# Cluster\r\ncluster_enabled:0\r\n"
    reply = client.cmd("INFO", "errorstats", "cluster")
    assert reply == b"# Errorstats\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n"


def test_names_and_order_are_those_of_redis(client: RawClient) -> None:
    """Every field exists in Redis or Valkey, too, and comes in the same order."""
    for kind in ("redis", "valkey"):
        with GenuineServer(kind) as genuine:
            theirs = list(genuine.client().info("everything"))
        mine = list(client.info("everything"))
        common = [name for name in mine if name in theirs]
        assert len(common) > 130
        varying = ("cmdstat_", "latency_percentiles", "errorstat_", "db", "engine_")
        shown = [n for n in theirs if n in common and not n.startswith(varying)]
        assert [n for n in common if not n.startswith(varying)] == shown


# --- Server, clients ---------------------------------------------------------------


def test_server(client: RawClient, server: FastredisServer) -> None:
    fields = client.info("server")
    assert fields == {
        **fields,
        "redis_version": "8.0.2",
        "server_name": "fastredis",
        "redis_mode": "standalone",
        "process_id": str(server.pid),
        "tcp_port": str(server.port),
        "hz": "10",
        "configured_hz": "10",
        "config_file": "",
        "arch_bits": "64",
        "listener0": f"name=tcp,bind=127.0.0.1,port={server.port}",
        "listener1": f"name=unix,bind={server.unixsocket}",
    }
    assert fields["os"].startswith(os.uname().sysname)
    assert re.fullmatch("[0-9a-f]{40}", fields["run_id"])
    assert os.path.isabs(fields["executable"])
    assert abs(int(fields["server_time_usec"]) / 1e6 - time.time()) < 60
    assert 0 <= int(fields["uptime_in_seconds"]) < 10_000
    assert client.info("server")["run_id"] == fields["run_id"]


def test_configuration_file(fresh_server: Fresh, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "server.conf")
    with open(path, "w") as file:
        file.write("hz 50\n")
    # the file comes before all other arguments
    server = fresh_server(start=False)
    server.command = [*server.command, path]
    server.start()
    fields = server.client().info("server")
    assert fields["config_file"] == path
    assert fields["hz"] == "50"


@pytest.mark.parametrize(("road", "api"), [("epoll", "epoll"), ("uvloop", "libuv")])
def test_road(fresh_server: Fresh, road: str, api: str) -> None:
    client = fresh_server(net_transport=road).client()
    assert client.info("server")["multiplexing_api"] == api


def test_clients(client: RawClient, server: FastredisServer) -> None:
    assert number(client, "clients", "connected_clients") == 1
    client2 = server.client()
    client2.cmd("PING")
    assert number(client, "clients", "connected_clients") == 2
    assert number(client, "clients", "maxclients") == 10000
    client2.send_raw(b"*2\r\n$3\r\nGET\r\n$300000\r\n" + b"x" * 250_000)
    field = "client_recent_max_input_buffer"
    wait_until(lambda: number(client, "clients", field) >= 250_000)


# --- Memory ------------------------------------------------------------------------


def test_memory(client: RawClient, server: FastredisServer) -> None:
    before = client.info("memory")
    client.ok("SET", "k", "x" * 3_000_000)

    def grown() -> int:
        return number(client, "memory", "used_memory") - int(before["used_memory"])

    assert grown() >= 3_000_000
    # the query buffer that the value came in is given back soon
    wait_until(lambda: grown() < 4_000_000)
    assert grown() >= 3_000_000
    after = client.info("memory")
    assert int(after["used_memory_dataset"]) >= 3_000_000
    assert after["used_memory_human"].endswith("M")
    assert int(after["used_memory_peak"]) >= int(after["used_memory"])
    rss = int(after["used_memory_rss"])
    assert abs(rss - server.rss_bytes()) < 20_000_000
    ratio = float(after["mem_fragmentation_ratio"])
    assert abs(ratio - rss / int(after["used_memory"])) < 0.01
    assert after["maxmemory"] == "0"
    assert after["maxmemory_policy"] == "noeviction"
    client.ok("FLUSHALL")
    emptied = client.info("memory")
    assert int(emptied["used_memory"]) < int(after["used_memory"]) - 2_900_000
    assert int(emptied["used_memory_peak"]) >= int(after["used_memory"])


def test_lazyfree(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    client.ok("DEBUG", "POPULATE", 1000)
    client.ok("FLUSHALL", "ASYNC")

    def freed() -> bool:
        fields = client.info("memory")
        return fields["lazyfree_pending_objects"] == "0"

    wait_until(freed)
    assert number(client, "memory", "lazyfreed_objects") >= 1000


# --- Persistence, replication, CPU -------------------------------------------------


def test_changes(client: RawClient) -> None:
    before = number(client, "persistence", "rdb_changes_since_last_save")
    client.ok("SET", "a", 1)
    client.ok("MSET", "b", 1, "c", 1)
    client.cmd("GET", "a")
    after = number(client, "persistence", "rdb_changes_since_last_save")
    assert after - before == 3


def test_fields_that_tools_wait_for(client: RawClient) -> None:
    fields = client.info()
    assert fields == {
        **fields,
        "role": "master",
        "connected_slaves": "0",
        "loading": "0",
        "rdb_bgsave_in_progress": "0",
        "aof_rewrite_in_progress": "0",
        "blocked_clients": "0",
        "cluster_enabled": "0",
    }


def test_cpu(client: RawClient, server: FastredisServer) -> None:
    fields = client.info("cpu")
    assert re.fullmatch(r"\d+\.\d{6}", fields["used_cpu_user"])
    used = float(fields["used_cpu_user"]) + float(fields["used_cpu_sys"])
    assert 0 < used <= server.cpu_seconds() + 0.1


# --- Stats -------------------------------------------------------------------------


def test_counters(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    before = client.info("stats")
    client.cmd("GET", "k")
    client.cmd("GET", "absent")
    client.cmd("INCR", "k")
    after = client.info("stats")

    def grown(name: str) -> int:
        return int(after[name]) - int(before[name])

    assert grown("keyspace_hits") == 1
    assert grown("keyspace_misses") == 1
    assert grown("total_error_replies") == 1
    assert grown("total_commands_processed") == 4
    assert grown("total_reads_processed") == 4
    assert grown("total_writes_processed") == 4
    sent = [("GET", "k"), ("GET", "absent"), ("INCR", "k"), ("INFO", "stats")]
    assert grown("total_net_input_bytes") == sum(len(encode(c)) for c in sent)
    assert grown("total_net_output_bytes") > 1000
    assert after["evicted_keys"] == "0"


def test_connections_are_counted(fresh_server: Fresh) -> None:
    server = fresh_server(maxclients=2)
    client, _ = server.client(), server.client().cmd("PING")
    before = client.info("stats")
    with socket.create_connection(("127.0.0.1", server.port)) as third:
        assert third.recv(100).startswith(b"-ERR max number of clients")
    after = client.info("stats")
    assert int(after["rejected_connections"]) - int(before["rejected_connections"]) == 1
    assert after["total_connections_received"] == before["total_connections_received"]


def test_expired_keys_are_counted(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    client.ok("SET", "k", "v", "PX", 1)
    wait_until(lambda: number(client, "stats", "expired_keys") == 1)


def test_limits_are_counted(fresh_server: Fresh) -> None:
    server = fresh_server(client_query_buffer_limit="1mb")
    client, greedy = server.client(), server.client()
    greedy.sock.setblocking(False)
    field = "client_query_buffer_limit_disconnections"
    assert number(client, "stats", field) == 0
    data = b"*2\r\n$3\r\nGET\r\n$50000000\r\n" + b"x" * 4_000_000

    def disconnected() -> bool:
        nonlocal data
        try:
            data = data[greedy.sock.send(data) :]
        except BlockingIOError:
            pass
        except ConnectionError:
            data = b""
        return number(client, "stats", field) == 1

    wait_until(disconnected, 10)


def test_rates_rise_and_fall(client: RawClient) -> None:
    def busy() -> bool:
        client.pipeline([("SET", "k", "x" * 100)] * 1000)
        fields = client.info("stats")
        return (
            int(fields["instantaneous_ops_per_sec"]) > 500
            and float(fields["instantaneous_input_kbps"]) > 50
            and float(fields["instantaneous_output_kbps"]) > 1
        )

    wait_until(busy, 20, interval=0.02)
    field = "instantaneous_ops_per_sec"
    wait_until(lambda: number(client, "stats", field) < 100, 20, interval=0.05)


def test_resetstat(client: RawClient) -> None:
    client.ok("SET", "k", "v")
    client.cmd("GET", "k")
    client.cmd("INCR", "k")
    peak = number(client, "memory", "used_memory_peak")
    client.ok("CONFIG", "RESETSTAT")
    stats = client.info("stats")
    assert stats["keyspace_hits"] == "0"
    assert stats["total_error_replies"] == "0"
    assert stats["total_connections_received"] == "0"
    assert stats["instantaneous_ops_per_sec"] == "0"
    assert client.cmd("INFO", "errorstats") == b"# Errorstats\r\n"
    assert "cmdstat_set" not in client.info("commandstats")
    assert number(client, "memory", "used_memory_peak") >= peak


# --- Commands, errors, latency -----------------------------------------------------


def test_commandstats(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    client.ok("SET", "k", "v")
    client.cmd("INCR", "k")
    client.cmd("GET")
    client.cmd("CLIENT", "INFO")
    fields = client.info("commandstats")
    shape = (
        r"calls=(\d+),usec=\d+,usec_per_call=\d+\.\d\d,"
        r"rejected_calls=(\d+),failed_calls=(\d+)"
    )
    found = {}
    for name, value in fields.items():
        match = re.fullmatch(shape, value)
        assert match, value
        found[name] = tuple(map(int, match.groups()))
    assert found == {
        "cmdstat_config|resetstat": (1, 0, 0),
        "cmdstat_set": (1, 0, 0),
        "cmdstat_incr": (1, 0, 1),
        "cmdstat_get": (0, 1, 0),
        "cmdstat_client|info": (1, 0, 0),
    }


def test_time_is_measured(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    client.ok("DEBUG", "SLEEP", "0.02")
    value = client.info("commandstats")["cmdstat_debug"]
    assert int(re.search(r"usec=(\d+)", value)[1]) >= 20_000  # type: ignore[index]
    latency = client.info("latencystats")["latency_percentiles_usec_debug"]
    match = re.fullmatch(r"p50=(\d+\.\d{3}),p99=\d+\.\d{3},p99\.9=\d+\.\d{3}", latency)
    assert match
    assert float(match[1]) >= 20_000


def test_latency_follows_its_options(client: RawClient) -> None:
    client.ok("CONFIG", "SET", "latency-tracking-info-percentiles", "100 0 99.99")
    client.cmd("GET", "k")
    value = client.info("latencystats")["latency_percentiles_usec_get"]
    assert [part.split("=")[0] for part in value.split(",")] == ["p100", "p0", "p99.99"]
    client.ok("CONFIG", "SET", "latency-tracking", "no")
    assert client.cmd("INFO", "latencystats") == b"# Latencystats\r\n"


def test_errorstats(client: RawClient) -> None:
    client.ok("CONFIG", "RESETSTAT")
    client.cmd("NONSENSE")
    client.cmd("GET")
    client.cmd("AUTH", "nobody", "wrong")
    client.cmd("HELLO", "9")
    client.cmd("CLIENT", "KILL", "nobody")
    assert client.info("errorstats") == {
        "errorstat_ERR": "count=3",
        "errorstat_NOPROTO": "count=1",
        "errorstat_WRONGPASS": "count=1",
    }


COMMANDS_FILE = """\
import fastredis

@fastredis.command("FAIL")
def fail(ctx, text):
    raise fastredis.ReplyError(text.decode("latin-1"))
"""


def test_error_codes_are_kept_up_to_a_number(
    fresh_server: Fresh, tmp_path: os.PathLike[str]
) -> None:
    path = os.path.join(tmp_path, "commands.py")
    with open(path, "w") as file:
        file.write(COMMANDS_FILE)
    client = fresh_server(python_commands=path).client()
    client.ok("CONFIG", "RESETSTAT")
    for i in range(140):
        assert client.cmd("FAIL", f"CODE{i} text") == f"CODE{i} text"
    client.cmd("FAIL", "CODE7 again")
    fields = client.info("errorstats")
    assert len(fields) == 129
    assert fields["errorstat_CODE7"] == "count=2"
    assert fields["errorstat_CODE127"] == "count=1"
    assert fields["errorstat_ERRORSTATS_OVERFLOW"] == "count=12"
    client.ok("CONFIG", "RESETSTAT")
    client.cmd("FAIL", "one:word")
    client.cmd("FAIL", "a:b#c text")
    client.cmd("FAIL", "x" * 100 + " text")
    assert client.info("errorstats") == {
        "errorstat_ERR": "count=1",
        "errorstat_a_b_c": "count=1",
        "errorstat_" + "x" * 64: "count=1",
    }


# --- Keyspace, debug ---------------------------------------------------------------


def test_keyspace(client: RawClient) -> None:
    assert client.cmd("INFO", "keyspace") == b"# Keyspace\r\n"
    client.ok("SET", "a", 1)
    client.ok("SELECT", 9)
    client.ok("SET", "b", 1, "EX", 1000)
    client.ok("SET", "c", 1)
    fields = client.info("keyspace")
    assert fields["db0"] == "keys=1,expires=0,avg_ttl=0,subexpiry=0"
    match = re.fullmatch(r"keys=2,expires=1,avg_ttl=(\d+),subexpiry=0", fields["db9"])
    assert match
    assert 900_000 < int(match[1]) <= 1_000_000


def test_debug_counters(client: RawClient, server: FastredisServer) -> None:
    counters = client.info("debug")
    loop = [name for name in counters if name.startswith("eventloop_")]
    assert {name: counters[name] for name in counters if name not in loop} == {
        "debug_clients": "1",
        "debug_reply_blocks": "0",
        "debug_lazyfree_pending": "0",
        "debug_watched_keys": "0",
        "debug_subscribers": "0",
    }
    client.ok("SET", "k", "x" * 1_000_000)
    server.client().send_raw(encode(["GET", "k"]) * 20)
    wait_until(lambda: number(client, "debug", "debug_reply_blocks") > 0)
    assert number(client, "debug", "debug_clients") == 2
    assert number(client, "debug", "eventloop_cmd_per_cycle_max") >= 1


# --- What was added up ---------------------------------------------------------------


def test_key_sizes(client: RawClient) -> None:
    assert client.info("keysizes") == {}
    client.ok("SET", "empty", "")
    client.ok("SET", "one", "x")
    client.ok("SET", "int", 12345678)
    client.ok("SET", "large", "x" * 5000)
    client.cmd("RPUSH", "list", *range(3))
    client.cmd("SADD", "set", *range(1000))
    client.cmd("HSET", "hash", "f", 1)
    client.cmd("ZADD", "zset", 1, "a", 2, "b")
    assert client.info("keysizes") == {
        "db0_distrib_strings_sizes": "0=1,1=1,8=1,4K=1",
        "db0_distrib_lists_items": "2=1",
        "db0_distrib_sets_items": "512=1",
        "db0_distrib_zsets_items": "2=1",
        "db0_distrib_hashes_items": "1=1",
    }


def test_time_of_the_event_loop(client: RawClient) -> None:
    client.ok("DEBUG", "SLEEP", "0.02")
    assert number(client, "stats", "eventloop_duration_sum") >= 20_000
    assert number(client, "stats", "eventloop_duration_cmd_sum") >= 20_000
    assert number(client, "stats", "eventloop_cycles") > 0
    assert number(client, "debug", "eventloop_duration_max") >= 20_000


def test_failed_logins_are_counted(client: RawClient) -> None:
    client.cmd("AUTH", "nobody", "x")
    assert number(client, "stats", "acl_access_denied_auth") == 1


def test_a_request_over_the_query_limit_is_not_executed(
    client: RawClient, server: FastredisServer
) -> None:
    client.ok("CONFIG", "SET", "client-query-buffer-limit", 1024 * 1024)
    other = server.client()
    other.send_raw(encode(["SET", "key", "x" * 1024 * 1024]))
    assert other.is_closed()
    assert number(client, "stats", "client_query_buffer_limit_disconnections") == 1
    assert client.cmd("EXISTS", "key") == 0


def test_a_reply_over_the_hard_limit_is_not_sent(
    client: RawClient, server: FastredisServer
) -> None:
    client.ok("SET", "key", "x" * 200_000)
    client.ok("CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0")
    other = server.client()
    other.send("GET", "key")
    assert other.is_closed()
    assert number(client, "stats", "client_output_buffer_limit_disconnections") == 1
