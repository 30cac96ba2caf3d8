# SPDX-License-Identifier: BSD-3-Clause
"""fastredis-benchmark: parsing, ratios, tables, chart, server start and stop.

No test here looks at how fast anything is. What needs redis-server, redis-benchmark
or the redis client is skipped where they are missing.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fastredis.cli import benchmark
from fastredis.cli.benchmark import app, chart, listen, load, measure, proc, report
from fastredis.cli.benchmark.progress import Progress
from fastredis.cli.benchmark.results import (
    Results,
    Sample,
    Spread,
    from_document,
    to_document,
)
from fastredis.cli.benchmark.scenarios import (
    CONNECTIONS,
    QUICK,
    SCENARIOS,
    Target,
    select,
)
from fastredis.cli.benchmark.servers import (
    HOST,
    RunningServer,
    ServerError,
    ServerSpec,
    free_port,
    resolve,
)
from fastredis.cli.benchmark.stream import (
    Stream,
    StreamError,
    command_batches,
    encode,
    set_batches,
)
from support.server import FastredisServer
from support.wait import wait_until

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="no redis-server in PATH"
)
needs_load = pytest.mark.skipif(
    shutil.which("redis-benchmark") is None, reason="no redis-benchmark in PATH"
)

# As redis-benchmark 7.0 prints it, shortened; progress lines end with \r.
REPORT = (
    "GET k: rps=0.0 (overall: 0.0) avg_msec=-nan (overall: -nan)\r"
    "GET k: rps=1.5 (overall: 1.5) avg_msec=0.4 (overall: 0.4)\r"
    + " " * 60
    + """\r====== GET k ======
  200000 requests completed in 0.17 seconds
  50 parallel clients
  24 bytes payload
  keep alive: 1
  host configuration "save":
  multi-thread: no

Latency by percentile distribution:
0.000% <= 0.159 milliseconds (cumulative count 32)
50.000% <= 0.383 milliseconds (cumulative count 101520)
99.805% <= 0.927 milliseconds (cumulative count 199616)
99.951% <= 1.103 milliseconds (cumulative count 199904)
100.000% <= 1.311 milliseconds (cumulative count 200000)

Cumulative distribution of latencies:
0.000% <= 0.103 milliseconds (cumulative count 0)
99.912% <= 1.007 milliseconds (cumulative count 199824)
99.952% <= 1.103 milliseconds (cumulative count 199904)
100.000% <= 1.407 milliseconds (cumulative count 200000)

Summary:
  throughput summary: 1197604.88 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        0.410     0.152     0.383     0.639     0.783     1.311
"""
)


# --- Scenarios ---


def test_every_promised_scenario_is_there() -> None:
    basic = {f"{c}_p{p}" for c in ("ping", "get", "set", "incr") for p in (1, 16, 64)}
    others = (
        "get_1m set_1m get_1k get_16k set_1k set_16k mset10_p16 mget10_p16 "
        "expire_p16 setex_p16 del_p16 hset_p16 hset_1m hget_1m hgetall_5 hgetall_100 "
        "mem_1m mem_1m_ttl latency_resize "
        "sadd_p16 spop_p16 sadd_1m spop_1m smembers_100 bitcount_1m bitop_1m "
        "mem_set_300k zadd_1m zrank_1m zscore_1m zrange10_1m zpopmin_1m mem_zset_300k "
        "lpush_p16 rpush_p16 lpop_1m rpop_1m lrange_100 lrange_600 mem_list_300k "
        "zrangebyscore10_1m pfadd_p16 pfcount_p16 pfcount_union geosearch_100k "
        "mem_hash_300k mem_hash5_100k "
        "publish_0 publish_50 "
        "xadd_p16 xadd_maxlen_p16 xrange10_1m xrevrange10_1m mem_stream_300k"
    )
    assert set(SCENARIOS) == basic | set(others.split())
    assert set(QUICK) <= set(SCENARIOS)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
def test_scenarios_are_consistent(scenario) -> None:
    assert scenario.targets
    if scenario.kind == "load":
        assert scenario.counted == scenario.command[0].lower()
        assert ("__rand_int__" in " ".join(scenario.command)) == (scenario.keyspace > 0)
        assert scenario.preload or not scenario.reads
    else:
        assert scenario.keyspace or scenario.members
        assert not scenario.command
    assert bool(scenario.adds) == (scenario.members > 0)
    assert not scenario.each or scenario.kind == "memory"


@pytest.mark.parametrize(
    ("name", "limit"),
    [("ping_p1", 0.85), ("get_p16", 0.5), ("incr_p64", 0.5), ("set_16k", 0.8)],
)
def test_load_targets(name: str, limit: float) -> None:
    assert SCENARIOS[name].targets == (Target("cpu_us", limit, "better"),)


def test_memory_targets_are_bytes_per_key_and_the_rss_of_valkey() -> None:
    for name, limit in (("mem_1m", 44), ("mem_1m_ttl", 60)):
        assert SCENARIOS[name].targets == (
            Target("bytes_per_key", limit, "absolute"),
            Target("rss_mb", 1.0, "valkey"),
        )


def test_select_understands_names_patterns_and_presets() -> None:
    assert [s.name for s in select("get_p16, set_p1,get_p16")] == ["get_p16", "set_p1"]
    assert {s.name for s in select("?et_1m, mem*1m")} == {"get_1m", "set_1m", "mem_1m"}
    assert [s.name for s in select("quick")] == list(QUICK)
    assert [s.name for s in select("all")] == list(SCENARIOS)
    for wrong in ("get_p17", "", ","):
        with pytest.raises(ValueError, match="scenario"):
            select(wrong)


# --- redis-benchmark ---


def test_report_of_redis_benchmark_is_read() -> None:
    got = load.parse_report(REPORT)
    assert got.requests == 200000
    assert got.rps == 1197604.88
    assert (got.avg_ms, got.min_ms, got.p50_ms) == (0.410, 0.152, 0.383)
    assert (got.p95_ms, got.p99_ms, got.max_ms) == (0.639, 0.783, 1.311)


def test_percentiles_use_both_tables_of_the_report() -> None:
    got = load.parse_report(REPORT)
    assert got.percentile(99.9) == 1.007  # only in the second table
    assert got.percentile(99.8) == 0.927  # only in the first
    assert got.percentile(100) == 1.311
    with pytest.raises(ValueError, match="empty"):
        load.percentile([], 50)


def test_load_of_less_than_a_millisecond_has_a_rate() -> None:
    got = load.parse_report(REPORT.replace("1197604.88 requests", "inf requests"))
    assert got.rps == got.requests * 1000


@pytest.mark.parametrize(
    "missing", ["throughput summary", "avg ", "requests completed", "cumulative count"]
)
def test_incomplete_report_is_refused(missing: str) -> None:
    with pytest.raises(load.LoadError, match="not understood"):
        load.parse_report(REPORT.replace(missing, "gone"))


def test_command_line_of_the_load() -> None:
    line = load.command_line("rb", HOST, 7000, SCENARIOS["get_1m"], 5000, 1_000_000)
    assert line[:5] == ["rb", "-h", HOST, "-p", "7000"]
    options = dict(zip(line[5:-2:2], line[6:-2:2], strict=True))
    assert options == {
        "-c": str(CONNECTIONS),
        "-P": "16",
        "-n": "5000",
        "--precision": "3",
        "-r": "1000000",
    }
    assert line[-2:] == ["GET", "key:__rand_int__"]
    assert "-r" not in load.command_line("rb", HOST, 1, SCENARIOS["get_p1"], 1, 0)


def test_missing_redis_benchmark_names_its_packages(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(load.LoadError, match="redis-tools"):
        load.find_program()


def test_failing_load_says_why() -> None:
    script = "import sys; print('Error from server: ERR no', file=sys.stderr); exit(1)"
    with pytest.raises(load.LoadError, match="status 1: Error from server: ERR no"):
        load.run_load([sys.executable, "-c", script], 60, lambda: True)


def test_load_ends_when_the_server_ends() -> None:
    endless = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(load.LoadError, match="the server ended"):
        load.run_load(endless, 60, lambda: False)


def test_load_ends_at_its_deadline_and_is_ticked_before() -> None:
    endless = [sys.executable, "-c", "import time; time.sleep(600)"]
    ticks: list[int] = []
    with pytest.raises(load.LoadError, match="did not end"):
        load.run_load(endless, 0.1, lambda: True, lambda: ticks.append(1))
    assert ticks


# --- Streams ---


def split_requests(data: bytes) -> list[list[bytes]]:
    """Return the requests in data, parsed strictly."""
    got = []
    while data:
        head, _, data = data.partition(b"\r\n")
        assert head[:1] == b"*"
        args = []
        for _ in range(int(head[1:])):
            size, _, data = data.partition(b"\r\n")
            assert size[:1] == b"$"
            n = int(size[1:])
            args.append(data[:n])
            assert data[n : n + 2] == b"\r\n"
            data = data[n + 2 :]
        got.append(args)
    return got


def test_set_batches_are_the_sets_that_encode_would_make() -> None:
    batches = list(set_batches(7, 25, b"100%d", batch=10))
    assert [n for _, n in batches] == [10, 10, 5]
    expected = [encode(b"SET", b"key:%012d" % i, b"100%d") for i in range(7, 32)]
    assert b"".join(data for data, _ in batches) == b"".join(expected)


def test_command_batches_number_the_keys() -> None:
    batches = list(command_batches(("HMSET", "key:__rand_int__", "f", "v"), 5, batch=3))
    assert [n for _, n in batches] == [3, 2]
    assert b"".join(data for data, _ in batches) == b"".join(
        encode(b"HMSET", b"key:%012d" % n, b"f", b"v") for n in range(5)
    )


def test_places_are_spread_over_the_map_and_always_the_same() -> None:
    members: list[tuple[str, ...]] = []

    class Asked:
        def ask(self, *args: str) -> None:
            assert args[:2] == ("GEOADD", "mygeo")
            members.extend(zip(*[iter(args[2:])] * 3, strict=True))

    scenario = SCENARIOS["geosearch_100k"]
    settings = measure.Settings("", scale=0.01)
    assert measure.add_members(Asked(), scenario, settings, lambda: None) == 1000
    assert members[0] == ("-180.000000", "-85.000000", "element:000000000000")
    assert len({name for _, _, name in members}) == 1000
    for east in (False, True):
        for north in (False, True):
            here = [m for m in members if (float(m[0]) >= 0) == east]
            here = [m for m in here if (float(m[1]) >= 0) == north]
            assert 230 < len(here) < 270


def test_set_batches_with_ttl_spread_the_ttl() -> None:
    data = b"".join(data for data, _ in set_batches(9_998, 4, b"xyz", ttl=True))
    assert split_requests(data) == [
        [b"SET", b"key:%012d" % i, b"xyz", b"EX", b"%d" % (10_000 + i % 10_000)]
        for i in range(9_998, 10_002)
    ]


# --- Subscribers ---


@linux
def test_subscribers_read_until_the_end_of_the_block() -> None:
    with FastredisServer() as server, server.client() as client:

        def count() -> int:
            return client.cmd("PUBSUB", "NUMSUB", "news")[1]

        with listen.subscribers("127.0.0.1", server.port, 3, "news"):
            assert count() == 3
            # more than the limit of a subscriber's output
            for _ in range(50):
                assert client.cmd("PUBLISH", "news", "x" * 2**20) == 3
            assert count() == 3
        wait_until(lambda: count() == 0)
        with listen.subscribers("127.0.0.1", server.port, 0, "news"):
            assert count() == 0


def test_subscribers_of_nothing_are_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (
        pytest.raises(listen.ListenError),
        listen.subscribers("127.0.0.1", port, 1, "news"),
    ):
        pass


# --- A server small enough to read here: enough for the client, fill and probe ---

FAKE = """
import os, socket, sys, time
port, mode = int(sys.argv[1]), sys.argv[2]
if mode == "dies":
    sys.exit("cannot open the file of the fake")
if mode == "stubborn":
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", port))
keys = {}
pid = os.getpid() if mode != "foreign" else 1
import threading
def serve(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = sock.makefile("rb")
    while head := stream.readline():
        args = []
        for _ in range(int(head[1:])):
            size = int(stream.readline()[1:])
            args.append(stream.read(size + 2)[:-2])
        name = args[0].upper()
        if name == b"PING":
            reply = b"+PONG\\r\\n"
        elif name == b"SET":
            if mode == "full" and len(keys) == 5:
                reply = b"-OOM no room\\r\\n"
            else:
                keys[args[1]] = args[2]
                reply = b"+OK\\r\\n"
        elif name == b"DBSIZE":
            reply = b":%d\\r\\n" % (len(keys) - (mode == "loses"))
        elif name == b"INFO":
            text = b"redis_version:0.0.1\\r\\nprocess_id:%d\\r\\n" % pid
            text += b"used_memory:%d\\r\\nmem_allocator:none\\r\\n" % (len(keys) * 50)
            reply = b"$%d\\r\\n%s\\r\\n" % (len(text), text)
        else:
            reply = b"-ERR unknown command\\r\\n"
        sock.sendall(reply)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def fake(tmp_path: Path, request: pytest.FixtureRequest) -> ServerSpec:
    """A server in a script; its mode is the fixture's parameter."""
    pytest.importorskip("redis")
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    mode = getattr(request, "param", "plain")
    return ServerSpec("fake", (sys.executable, str(script), "{port}", mode))


@linux
def test_server_is_started_asked_and_stopped(fake: ServerSpec) -> None:
    with RunningServer(fake) as server:
        assert server.alive()
        assert server.pid > 1
        assert Path(f"/proc/{server.pid}").exists()
        assert server.ask("DBSIZE") == 0
        assert server.describe() == {
            "name": "fake",
            "program": Path(sys.executable).name,
            "version": "0.0.1",
            "allocator": "none",
        }
        with pytest.raises(ServerError, match="unknown command"):
            server.ask("NOSUCH")
        pid = server.pid
    assert not server.alive()
    assert not Path(f"/proc/{pid}").exists()
    server.stop()  # again: nothing to do


@linux
@pytest.mark.parametrize("fake", ["dies"], indirect=True)
def test_server_that_ends_at_once_shows_its_log(fake: ServerSpec) -> None:
    server = RunningServer(fake)
    with pytest.raises(ServerError, match="cannot open the file of the fake"), server:
        pass
    assert not server.alive()


@linux
@pytest.mark.parametrize("fake", ["foreign"], indirect=True)
def test_server_of_somebody_else_is_refused(fake: ServerSpec) -> None:
    server = RunningServer(fake)
    with pytest.raises(ServerError, match="another server"), server:
        pass
    assert not server.alive()


@linux
@pytest.mark.parametrize("fake", ["stubborn"], indirect=True)
def test_server_that_ignores_sigterm_is_killed(fake: ServerSpec, monkeypatch) -> None:
    monkeypatch.setattr("fastredis.cli.benchmark.servers.STOP_TIMEOUT_S", 0.1)
    with RunningServer(fake) as server:
        pid = server.pid
    assert not Path(f"/proc/{pid}").exists()


@linux
def test_wrapped_server_is_measured_by_its_own_pid(fake: ServerSpec) -> None:
    words = " ".join(fake.command[:2])
    wrapped = ServerSpec(
        "fake", ("/bin/sh", "-c", f"{words} {{port}} plain & trap 'kill $!' TERM; wait")
    )
    with RunningServer(wrapped) as server:
        told = int(server.info("server")["process_id"])
        assert server.pid == told
        assert server.pid != server._process.pid  # type: ignore[union-attr]


@linux
def test_fill_stores_every_key(fake: ServerSpec) -> None:
    with RunningServer(fake) as server, Stream(HOST, server.port) as stream:
        ticks: list[int] = []
        sent = stream.fill(
            set_batches(0, 2500, b"xyz", batch=1000), lambda: ticks.append(1)
        )
        assert sent == 2500
        assert len(ticks) == 3
        assert server.ask("DBSIZE") == 2500


@linux
@pytest.mark.parametrize("fake", ["full"], indirect=True)
def test_fill_shows_the_reply_that_is_not_ok(fake: ServerSpec) -> None:
    with (
        RunningServer(fake) as server,
        Stream(HOST, server.port) as stream,
        pytest.raises(StreamError, match="-OOM no room"),
    ):
        stream.fill(set_batches(0, 10, b"xyz"))


@linux
def test_probe_times_each_batch_and_reads_the_server_clock(fake: ServerSpec) -> None:
    clock = iter(range(0, 1000, 5))
    with RunningServer(fake) as server, Stream(HOST, server.port) as stream:
        times, worked = stream.probe(
            set_batches(0, 40, b"xyz", batch=16), lambda: next(clock)
        )
    assert len(times) == 3
    assert min(times) > 0
    assert list(worked) == [5, 5, 5]


@linux
def test_memory_is_what_the_keys_add(fake: ServerSpec, monkeypatch) -> None:
    monkeypatch.setattr(measure, "SETTLE_STEP_S", 0.001)
    settings = measure.Settings("", scale=0.002)
    with RunningServer(fake) as server:
        sample = measure.measure_memory(
            server, SCENARIOS["mem_1m"], settings, 1, lambda: None
        )
    assert sample.figures["keys"] == 2000
    assert sample.figures["bytes_per_key"] == 50  # what the script reports
    assert sample.figures["rss_mb"] > sample.figures["rss_empty_mb"] > 1


@linux
@pytest.mark.parametrize("fake", ["loses"], indirect=True)
def test_server_that_loses_keys_is_not_measured(fake: ServerSpec, monkeypatch) -> None:
    monkeypatch.setattr(measure, "SETTLE_STEP_S", 0.001)
    settings = measure.Settings("", scale=0.001)
    for name, take in (
        ("mem_1m", measure.measure_memory),
        ("latency_resize", measure.measure_latency),
    ):
        with (
            RunningServer(fake) as server,
            pytest.raises(measure.MeasureError, match="DBSIZE says"),
        ):
            take(server, SCENARIOS[name], settings, 1, lambda: None)


@linux
def test_latency_counts_every_batch(fake: ServerSpec) -> None:
    settings = measure.Settings("", scale=0.0004)
    with RunningServer(fake) as server:
        sample = measure.measure_latency(
            server, SCENARIOS["latency_resize"], settings, 1, lambda: None
        )
    figures = sample.figures
    assert figures["keys"] == 2000
    assert sum(count for _, count in sample.histogram) == 2000 / 16
    assert figures["p50_ms"] <= figures["p99_ms"] <= figures["worst_ms"]
    assert figures["worst_cpu_ms"] > 0


# --- Which server ---


def test_named_command_is_split_as_a_shell_would() -> None:
    spec = resolve(f"mine={sys.executable} -X 'a b'")
    assert spec == ServerSpec("mine", (sys.executable, "-X", "a b"))
    line = spec.command_line(7001, "/d")
    assert line[:3] == [sys.executable, "-X", "a b"]
    assert line[3:5] == ["--port", "7001"]
    assert line[line.index("--save") + 1] == ""
    assert line[line.index("--appendonly") + 1] == "no"


def test_command_with_places_gets_no_options() -> None:
    spec = ServerSpec("mine", ("run", "--listen=:{port}", "{dir}/x"))
    assert spec.command_line(7001, "/d") == ["run", "--listen=:7001", "/d/x"]


@pytest.mark.parametrize("word", ["nosuch", "=x", "a=", "a=/no/such/program"])
def test_unknown_server_is_refused(word: str) -> None:
    with pytest.raises(ServerError):
        resolve(word)


def test_two_servers_of_one_name_are_refused() -> None:
    with pytest.raises(ServerError, match="same name"):
        app.choose_servers(f"a={sys.executable}", [f"a={sys.executable}"])
    with pytest.raises(ServerError, match="no server"):
        app.choose_servers("", [])


def test_free_ports_are_free() -> None:
    import socket

    with socket.create_server((HOST, free_port())) as listener:
        assert listener.getsockname()[1] > 0


# --- Processes and cores ---


def test_stat_is_read_past_a_name_with_brackets_and_spaces() -> None:
    fields = ["S", "1"] + ["0"] * 9 + ["30", "12"] + ["0"] * 20
    assert proc.parse_stat(f"42 (a) b (c) {' '.join(fields)}\n") == 42


def test_rss_is_read_from_status() -> None:
    assert proc.parse_status_rss("Name:\tx\nVmRSS:\t  2048 kB\n") == 2048 * 1024
    assert proc.parse_status_rss("Name:\tzombie\n") == 0


@linux
def test_cpu_clock_moves_with_work_and_agrees_with_stat() -> None:
    pid = os.getpid()
    before, coarse = proc.cpu_ns(pid), proc.cpu_ticks_ns(pid)
    # two clocks of one process: neither is ahead of the other by more than the
    # ticks that /proc leaves out (utime and stime, each cut to 10 ms)
    assert abs(before - coarse) <= 30_000_000
    while proc.cpu_ns(pid) - before < 30_000_000:
        sum(range(1000))
    assert proc.cpu_ticks_ns(pid) > coarse


@linux
def test_questions_about_a_process_that_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    for ask in (proc.cpu_ns, proc.cpu_ticks_ns, proc.rss_bytes):
        with pytest.raises(ProcessLookupError):
            ask(child.pid)
    assert proc.waited_ns(child.pid) == 0
    assert not proc.is_descendant(child.pid, os.getpid())


@linux
def test_children_are_descendants() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as child:
        assert proc.is_descendant(child.pid, os.getpid())
        assert proc.is_descendant(os.getpid(), os.getpid())
        assert not proc.is_descendant(os.getpid(), child.pid)
        child.communicate(b"\n")


@linux
def test_pinning_holds_for_the_block_and_for_children() -> None:
    before = os.sched_getaffinity(0)
    cpu = min(before)
    script = "import os; print(sorted(os.sched_getaffinity(0)))"
    with proc.pinned([cpu]):
        said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert said.strip() == str([cpu])
    assert os.sched_getaffinity(0) == before


def test_lists_of_cores() -> None:
    assert proc.parse_cpu_list("0,2-4\n") == {0, 2, 3, 4}
    for wrong in ("", "x", "3-1", "-1"):
        with pytest.raises(ValueError, match=r"invalid|cores"):
            proc.parse_cpu_list(wrong)


@linux
def test_choice_of_cores_is_checked() -> None:
    usable = proc.usable_cpus()
    one = min(usable)
    assert "share a core" in app.check_cores([one], [one])[0]
    with pytest.raises(ValueError, match="cannot be used"):
        app.check_cores([one], [max(usable) + 1000])
    assert app.check_cores([], []) == []


# --- Rules of a measurement ---


@pytest.mark.parametrize(
    ("rps", "cpu_ns", "expected"),
    [
        (100_000, 9_000, 200_000),  # the wall time decides
        (1_000_000, 200, 5_000_000),  # one second of CPU decides
        (10, 9_000, 111_111),
        (1e12, 1, measure.MOST_REQUESTS),
        (100, 0, measure.CALIBRATION),
    ],
)
def test_number_of_requests(rps: float, cpu_ns: float, expected: int) -> None:
    settings = measure.Settings("", seconds=2.0, min_cpu_s=1.0)
    assert measure.requests_for(rps, cpu_ns, settings) == expected


def test_scale_changes_numbers_of_keys_but_not_one_key() -> None:
    scaled = measure.Settings("", scale=0.01)
    assert scaled.keys(1_000_000) == 10_000
    assert scaled.keys(1) == 1
    assert scaled.keys(0) == 0
    assert scaled.keys(5000) == measure.FEWEST_KEYS
    assert measure.Settings("").keys(1_000_000) == 1_000_000


def counters(calls=0, refused=0, misses=0, keys=10) -> measure.Counters:
    """Return what a server has counted."""
    return measure.Counters(calls, refused, misses, keys)


def test_commands_are_the_servers_own_count() -> None:
    scenario = SCENARIOS["get_p16"]
    assert measure.check_counters(scenario, counters(5), counters(1020), 1000) == 1015
    silent = measure.Counters(None, None, None, 0)
    assert measure.check_counters(scenario, silent, silent, 1000) == 1000


@pytest.mark.parametrize(
    ("name", "after", "message"),
    [
        ("get_p16", counters(999), "999 commands counted"),
        ("get_p16", counters(1000, refused=3), "3 of 1000 commands failed"),
        ("get_p16", counters(1000, misses=2), "0.2% of the keys"),
        ("mget10_p16", counters(1000, misses=100), "1.0% of the keys"),
        ("del_p16", counters(1000), "no key was deleted"),
    ],
)
def test_run_that_did_something_else_is_refused(name, after, message) -> None:
    with pytest.raises(measure.MeasureError, match=message):
        measure.check_counters(SCENARIOS[name], counters(), after, 1000)


def test_misses_of_a_command_that_does_not_read_are_fine() -> None:
    after = counters(1000, misses=900)
    assert measure.check_counters(SCENARIOS["set_1m"], counters(), after, 1000) == 1000


def test_histogram_rows() -> None:
    rows = measure.histogram([10_000, 20_000, 30_000, 1_000_000, 3_000_000_000])
    assert rows == [(0.02, 2), (0.05, 1), (1.0, 1), (3000.0, 1)]


# --- Ratios ---

# cpu_us per round; round 3 of valkey is missing
FIGURES = {
    "fastredis": (0.5, 0.6, 0.4),
    "redis": (1.0, 1.0, 1.0),
    "valkey": (2.0, 0.8, None),
}


@pytest.fixture
def found() -> Results:
    """Results of get_p16, mem_1m and latency_resize on three servers."""
    made = Results(["fastredis", "redis", "valkey"], "fastredis")
    for server, values in FIGURES.items():
        for turn, value in enumerate(values, 1):
            if value is None:
                made.add(Sample("get_p16", server, turn, error="gone\nlog"))
                continue
            figures = {"cpu_us": value, "rps": 1e6 / value, "cpu_share": 0.5}
            figures |= {"p50_ms": 0.1, "p99_ms": 0.2, "p999_ms": 0.3, "wait_share": 0}
            made.add(Sample("get_p16", server, turn, figures))
        figures = {"bytes_per_key": values[0] * 100, "rss_mb": 60.0}
        figures |= {"rss_empty_mb": 10.0, "rss_per_key": 52.0}
        made.add(Sample("mem_1m", server, 1, figures))
        figures = {"worst_ms": values[0], "worst_cpu_ms": values[0]}
        rows = [(0.05, 300), (values[0], 1)]
        made.add(Sample("latency_resize", server, 1, figures, histogram=rows))
    return made


def test_ratio_is_the_median_of_the_rounds(found: Results) -> None:
    got = found.ratio("get_p16", "fastredis", "redis", "cpu_us")
    assert got == Spread(0.5, 0.4, 0.6)


def test_better_reference_is_chosen_in_each_round(found: Results) -> None:
    got = found.ratio("get_p16", "fastredis", "better", "cpu_us")
    # round 1: redis is better, round 2: valkey; round 3 lacks valkey
    assert got == Spread(0.625, 0.5, pytest.approx(0.75))


def test_ratio_without_common_rounds_is_none(found: Results) -> None:
    assert found.ratio("get_p16", "fastredis", "nobody", "cpu_us") is None
    assert found.ratio("set_p16", "fastredis", "redis", "cpu_us") is None
    assert Results(["a"], "a").ratio("get_p16", "a", "better", "cpu_us") is None
    assert Spread.of([]) is None
    assert Spread.of([3.0, 1.0]) == Spread(2.0, 1.0, 3.0)


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        ((0.4, 0.45, 0.5), "pass"),
        ((0.4, 0.45, 0.51), "pass ?"),
        ((0.6, 0.7, 0.8), "FAIL"),
        ((0.5, 0.7, 0.8), "FAIL ?"),
    ],
)
def test_verdicts(ratios: tuple[float, ...], text: str) -> None:
    made = Results(["me", "other"], "me")
    for turn, ratio in enumerate(ratios):
        made.add(Sample("get_p16", "me", turn, {"cpu_us": ratio * 2}))
        made.add(Sample("get_p16", "other", turn, {"cpu_us": 2.0}))
    (verdict,) = made.verdicts(SCENARIOS["get_p16"])
    assert verdict.text == text


def test_verdicts_of_memory(found: Results) -> None:
    absolute, rss = found.verdicts(SCENARIOS["mem_1m"])
    assert (absolute.measured.median, absolute.passed) == (50, False)
    assert (rss.measured.median, rss.passed) == (1.0, True)
    alone = Results(["fastredis"], "fastredis", found.samples)
    assert [v.target.against for v in alone.verdicts(SCENARIOS["mem_1m"])] == [
        "absolute"
    ]


def test_disturbed_samples_are_named(found: Results) -> None:
    assert found.disturbed() == []
    found.add(Sample("get_p1", "redis", 2, {"cpu_us": 1.0, "wait_share": 0.2}))
    assert any("20% of the time" in line for line in report.problems(found))


# --- Reports ---

ABOUT = {
    "machine": {"cpu": "A <CPU> & more", "cpus": 2, "memory_gb": 8, "system": "Linux"},
    "started": "2000-01-01 00:00 UTC",
    "load_program": "redis-benchmark 7.0",
    "server_facts": [{"name": "redis", "program": "redis-server", "version": "7"}],
    "settings": {"rounds": 3, "seconds": 2, "scale": 0.5},
}
REPORTED = [SCENARIOS[name] for name in ("get_p16", "mem_1m", "latency_resize")]


def test_text_report(found: Results) -> None:
    text = report.render(found, REPORTED, ABOUT, "text")
    row = next(line.split() for line in text.splitlines() if line.startswith("get_p16"))
    assert row[:5] == ["get_p16", "fastredis", "2,000,000", "0.500", "(0.400-0.600)"]
    assert "0.62 (0.50-0.75)" in text
    assert row[-3:] == ["0.5", "FAIL", "?"]
    assert "get_p16, valkey, round 3: gone" in text
    assert "scaled by 0.5" in text
    assert "300" in text  # the histogram
    assert "44; 1" in text
    assert "FAIL; pass" in text


def test_text_columns_are_aligned() -> None:
    table = report.Table(["a", "b", "c"])
    table.add("one", "two", "3")
    table.add("fourth", "", "12,345")
    assert table.render("text").splitlines() == [
        "a       b         c",
        "------  ---  ------",
        "one     two       3",
        "fourth       12,345",
    ]
    with pytest.raises(ValueError, match="2 cells"):
        table.add("too", "few")


def test_markdown_report_is_made_of_tables(found: Results) -> None:
    text = report.render(found, REPORTED, ABOUT, "markdown")
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    tables = [block for block in blocks if block[0].startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert {line.count("|") for line in table} == {table[0].count("|")}
        assert set(table[1]) <= set("|:- ")
    assert blocks[0][0].startswith("- ")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234567.8, "1,234,568"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23")],
)
def test_numbers(value: float, text: str) -> None:
    assert report.number(value) == text
    assert report.number(value / 1e7) == f"{value / 1e7:.3f}"


def test_json_round_trip(found: Results) -> None:
    document = json.loads(json.dumps(to_document(found, REPORTED, ABOUT)))
    assert document["summary"][0]["ratios"]["redis"] == {
        "median": 0.5,
        "low": 0.4,
        "high": 0.6,
    }
    again = from_document(document)
    assert again.samples == found.samples
    for style in ("text", "markdown"):
        assert report.render(again, REPORTED, document, style) == report.render(
            found, REPORTED, ABOUT, style
        )
    for broken in ({}, {**document, "format": 99}, {**document, "samples": [{}]}):
        with pytest.raises(ValueError, match=r"results"):
            from_document(broken)


SVG = "{http://www.w3.org/2000/svg}"


def test_chart_is_well_formed_and_has_a_bar_per_figure(found: Results) -> None:
    root = ElementTree.fromstring(chart.svg(found, REPORTED, "A <CPU> & more"))
    assert root.tag == f"{SVG}svg"
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "A <CPU> & more" in texts
    assert "0.500 µs" in texts
    bars = [
        float(rect.get("width", 0))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("height") == f"{chart._BAR:.1f}"
    ]
    # get_p16, two figures of mem_1m, two of latency_resize; three servers each
    assert len(bars) == 15
    height = float(root.get("height", 0))
    for element in root.iter():
        for name in ("y", "y1", "y2"):
            assert 0 <= float(element.get(name, 0)) <= height


def test_chart_bars_are_proportional_to_the_ratios(found: Results) -> None:
    (group,) = chart.groups(found, [SCENARIOS["get_p16"]])
    ratios = {server: ratio for server, ratio, _ in group.bars}
    assert ratios["fastredis"] == Spread(0.625, 0.5, pytest.approx(0.75))
    assert group.target == 0.5
    memory, rss = chart.groups(found, [SCENARIOS["mem_1m"]])
    # 44 bytes where 50 is half of the better reference's 100
    assert memory.target == pytest.approx(0.44)
    assert rss.target == pytest.approx(1.0)


def test_chart_of_one_server_and_of_nothing(found: Results) -> None:
    alone = Results(["redis"], "redis", found.samples)
    (group,) = chart.groups(alone, [SCENARIOS["get_p16"]])
    assert group.target is None
    ElementTree.fromstring(chart.svg(alone, REPORTED, ""))
    ElementTree.fromstring(chart.svg(Results([], "x"), [], ""))


def test_png_needs_a_converter(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(chart.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(chart.NoConverter, match="cairosvg"):
        chart.write_png("<svg/>", tmp_path / "x.png")


# --- Progress ---


class Terminal(io.StringIO):
    """Output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_line_per_step_without_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress(2, out)
    progress.start("first")
    progress.tick()
    progress.finish("done")
    progress.warn("careful")
    progress.close()
    assert out.getvalue() == "[1/2] first: done\nwarning: careful\n"


def test_progress_is_a_bar_on_a_terminal() -> None:
    out = Terminal()
    progress = Progress(4, out)
    progress.start("get_p16 redis")
    progress.finish("cpu_us 1")
    assert "1/4" in progress.line(200)
    assert progress.line(200).count("#") * 4 == progress.line(200).count(".") * 4 / 3
    assert len(progress.line(20)) < 20
    progress.close()
    assert out.getvalue().endswith("\r\x1b[K")
    assert "\n" not in out.getvalue()


def test_quiet_progress_prints_warnings_only() -> None:
    out = Terminal()
    progress = Progress(1, out, quiet=True)
    progress.start("x")
    progress.finish("y")
    progress.warn("z")
    assert out.getvalue() == "warning: z\n"


# --- The program ---


def test_version_list_and_help(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        benchmark.main(["--version"])
    assert ended.value.code == 0
    import fastredis

    assert capsys.readouterr().out.strip() == fastredis.__version__
    assert benchmark.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in SCENARIOS)
    with pytest.raises(SystemExit):
        benchmark.main(["--help"])
    assert "--from-json" in capsys.readouterr().out


@linux
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--scenarios", "nope"], "no scenario"),
        (["--servers", "nope"], "unknown server"),
        (["--servers", f"a={sys.executable}", "--subject", "b"], "not among"),
        (["--servers", f"a={sys.executable}", "--server-cpu", "9999"], "core 9999"),
        (["--from-json", "/no/such/file"], "No such file"),
    ],
)
def test_wrong_options_end_with_a_message(argv, message, capsys) -> None:
    assert benchmark.main(argv) == app.EXIT_USAGE
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["--rounds", "0"], ["--seconds", "-1"], ["--client-cpu", "x"]]
)
def test_impossible_values_are_refused(argv) -> None:
    with pytest.raises(SystemExit) as ended:
        benchmark.main(argv)
    assert ended.value.code == 2


@linux
def test_reports_are_made_again_from_json(found, tmp_path, capsys) -> None:
    source = tmp_path / "r.json"
    source.write_text(json.dumps(to_document(found, REPORTED, ABOUT)))
    argv = ["--from-json", str(source), "--svg", str(tmp_path / "r.svg")]
    argv += ["--markdown", str(tmp_path / "r.md")]
    assert benchmark.main(argv) == 0
    assert capsys.readouterr().out == report.render(found, REPORTED, ABOUT, "text")
    ElementTree.parse(tmp_path / "r.svg")
    assert (tmp_path / "r.md").read_text().startswith("- A <CPU>")
    # get_p16 misses its target, and that is what --check is for
    assert benchmark.main([*argv, "--check"]) == app.EXIT_MISSED


@pytest.fixture
def short_load(monkeypatch) -> None:
    """Keep trial runs short; what they find out does not matter here."""
    monkeypatch.setattr(measure, "CALIBRATION", 500)
    monkeypatch.setattr(measure, "CALIBRATION_FAST", 500)


@linux
@needs_redis
@needs_load
@pytest.mark.usefixtures("short_load")
@pytest.mark.parametrize("fresh", [False, True])
def test_whole_run_against_redis_server(
    fresh: bool, tmp_path, capsys, monkeypatch
) -> None:
    pytest.importorskip("redis")
    target = tmp_path / "r.json"
    argv = ["--servers", "redis,other=redis-server", "--no-pin", "--rounds", "2"]
    argv += ["--seconds", "0.001", "--scale", "0.001", "--json", str(target)]
    argv += ["--scenarios", "get_p1,incr_p16,mget10_p16,setex_p16,del_p16,set_1k"]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # for no other program
    assert benchmark.main(argv + (["--fresh"] if fresh else [])) == 0
    printed = capsys.readouterr()
    assert "[24/24]" in printed.err
    assert "warning" not in printed.err
    assert "vs other" in printed.out
    document = json.loads(target.read_text())
    assert [s["error"] for s in document["samples"]] == [""] * 24
    assert [(s["round"], s["server"]) for s in document["samples"][:4]] == [
        (1, "redis"),
        (1, "other"),
        (2, "redis"),
        (2, "other"),
    ]
    assert all(s["figures"]["cpu_us"] > 0 for s in document["samples"])
    assert document["subject"] == "redis"
    assert not list(tmp_path.glob("bench-redis-*"))


@linux
@needs_redis
@needs_load
@pytest.mark.usefixtures("short_load")
def test_server_that_fails_does_not_end_the_run(fake, capsys) -> None:
    # the script knows no GET
    command = " ".join(fake.command)
    argv = ["--servers", "redis", "--server", f"fake={command}", "--no-pin"]
    argv += ["--rounds", "1", "--seconds", "0.001", "--scenarios", "get_p16", "--check"]
    assert benchmark.main(argv) == app.EXIT_MISSED
    printed = capsys.readouterr()
    assert "warning: get_p16 fake round 1" in printed.err
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["get_p16", "fake", *(["-"] * 6)] in rows


def is_running(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@linux
@needs_redis
@needs_load
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_the_servers(number: signal.Signals, tmp_path) -> None:
    pytest.importorskip("redis")
    argv = [sys.executable, "-m", "fastredis.cli.benchmark", "--servers", "redis"]
    argv += ["--no-pin", "--scenarios", "get_p1", "--seconds", "300"]
    with subprocess.Popen(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as program:
        try:
            deadline = time.monotonic() + 60
            # redis-benchmark alone may also be the question for its version
            while len(started := children(program.pid)) < 2:
                assert time.monotonic() < deadline
                assert program.poll() is None
                time.sleep(0.02)
            program.send_signal(number)
            _, errors = program.communicate(timeout=30)
        finally:
            program.kill()
    assert program.returncode == app.EXIT_INTERRUPTED
    assert "the servers are stopped" in errors
    # killed ones are gone when whoever inherited them has noticed
    wait_until(lambda: not any(is_running(pid) for pid in started.values()))
    assert list(tmp_path.iterdir()) == []


def children(pid: int) -> dict[str, int]:
    """Return the program names and pids of a process's children."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue  # it has just ended
        name = text[text.index("(") + 1 : text.rindex(")")]
        if int(text[text.rindex(")") + 2 :].split()[1]) == pid:
            found[name] = int(stat.parent.name)
    return found
