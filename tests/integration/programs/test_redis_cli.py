# SPDX-License-Identifier: BSD-3-Clause
"""redis-cli in all of its modes, but those that read the stream of a primary."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from support.client import RawClient, encode
from support.server import FastredisServer
from support.wait import wait_until

CLI = shutil.which("redis-cli")
pytestmark = pytest.mark.skipif(CLI is None, reason="redis-cli is not installed")

TIMEOUT_S = 30
NKEYS = 500
# A sanitizer that is loaded first is for the server.
ENV = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
ENV |= {"TERM": "dumb", "REDISCLI_HISTFILE": "/dev/null"}


@pytest.fixture(scope="module")
def data() -> Iterator[FastredisServer]:
    """Start a server that counts uses, with keys of each type and one that is hot."""
    with FastredisServer(maxmemory_policy="allkeys-lfu", lfu_log_factor=0) as server:
        client = server.client()
        client.ok("DEBUG", "POPULATE", NKEYS)
        client.ok("SET", "large", "x" * 20_000)
        client.cmd("RPUSH", "list", *"abcd")
        client.cmd("SADD", "set", *"abc")
        client.cmd("HSET", "hash", *"abcdef")
        client.cmd("ZADD", "zset", 1, "a", 2, "b")
        client.pipeline([("GET", "key:7")] * 50)
        yield server


@pytest.fixture
def empty(data: FastredisServer) -> FastredisServer:
    """Lend the same with database 9 empty, for what writes."""
    client = data.client()
    client.ok("SELECT", 9)
    client.ok("FLUSHDB")
    return data


def call(
    server: FastredisServer, *words: str, stdin: str = "", fails: bool = False
) -> str:
    """Run redis-cli to its end; return what it printed."""
    assert CLI is not None
    done = subprocess.run(
        [CLI, "-p", str(server.port), *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=ENV,
    )
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout


class Terminal:
    """redis-cli on a terminal of its own, for modes that do not end."""

    def __init__(self, server: FastredisServer, *words: str) -> None:
        assert CLI is not None
        self.text = ""
        self._fd, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [CLI, "-p", str(server.port), *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=ENV,
            start_new_session=True,
        )
        os.close(theirs)

    def expect(self, pattern: str) -> str:
        """Return the text up to what matches, which is taken away."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            found = re.search(pattern, self.text, re.S)
            if found:
                before = self.text[: found.end()]
                self.text = self.text[found.end() :]
                return before
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} did not come:\n{self.text}"
            if select.select([self._fd], [], [], left)[0]:
                self.text += os.read(self._fd, 65536).decode(errors="replace")

    def type(self, line: str) -> None:
        """Give it a line."""
        os.write(self._fd, line.encode() + b"\n")

    def close(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(TIMEOUT_S)
        os.close(self._fd)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Make terminals, which end with the test."""
    made: list[Terminal] = []

    def make(server: FastredisServer, *words: str) -> Terminal:
        made.append(Terminal(server, *words))
        return made[-1]

    yield make
    for one in made:
        one.close()


# --- Looking for keys --------------------------------------------------------------


def test_bigkeys(data: FastredisServer) -> None:
    text = call(data, "--bigkeys")
    assert f"Sampled {NKEYS + 5} keys in the keyspace!" in text
    for line in (
        "list found '\"list\"' has 4 items",
        "hash found '\"hash\"' has 3 fields",
        "string found '\"large\"' has 20000 bytes",
        "set found '\"set\"' has 3 members",
        "zset found '\"zset\"' has 2 members",
    ):
        assert line in text
    assert f"{NKEYS + 1} strings with " in text


@pytest.mark.parametrize("option", [["--memkeys"], ["--memkeys-samples", "10"]])
def test_memkeys(data: FastredisServer, option: list[str]) -> None:
    text = call(data, *option)
    assert f"Sampled {NKEYS + 5} keys in the keyspace!" in text
    found = re.search(r"string found '\"large\"' has (\d+) bytes", text)
    assert found is not None
    assert 20_000 <= int(found[1]) <= 25_000
    assert "0 streams with 0 bytes" in text


def test_hotkeys(data: FastredisServer) -> None:
    text = call(data, "--hotkeys")
    assert f"Sampled {NKEYS + 5} keys in the keyspace!" in text
    first = next(line for line in text.splitlines() if line.startswith("hot key found"))
    assert 'keyname: "key:7"' in first
    (counter,) = re.findall(r"counter: (\d+)", first)
    assert int(counter) >= 50


def test_hotkeys_wants_a_policy(data: FastredisServer) -> None:
    client = data.client()
    client.ok("CONFIG", "SET", "maxmemory-policy", "noeviction")
    assert CLI is not None
    done = subprocess.run(
        [CLI, "-p", str(data.port), "--hotkeys"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=ENV,
    )
    client.ok("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    assert done.returncode == 1
    assert "An LFU maxmemory policy is not selected" in done.stdout + done.stderr


def test_scan(data: FastredisServer) -> None:
    wanted = {f"key:{i}" for i in range(NKEYS) if str(i).startswith("49")}
    assert set(call(data, "--scan", "--pattern", "key:49*").split()) == wanted
    assert len(call(data, "--scan").splitlines()) == NKEYS + 5
    assert call(data, "--scan", "--pattern", "absent") == ""


# --- Measuring ---------------------------------------------------------------------


def test_latency(data: FastredisServer) -> None:
    # not on a terminal: one line after the interval
    least, most, mean, count = call(data, "--latency", "-i", "1").split()
    assert int(least) <= float(mean) <= int(most)
    assert int(count) > 10


def test_latency_history(
    data: FastredisServer, terminal: Callable[..., Terminal]
) -> None:
    cli = terminal(data, "--latency-history", "-i", "0.3")
    for _ in range(2):
        cli.expect(r"min: \d+, max: \d+, avg: [\d.]+ \(\d+ samples\) -- [\d.]+ sec")


def test_latency_dist(data: FastredisServer, terminal: Callable[..., Terminal]) -> None:
    cli = terminal(data, "--latency-dist", "-i", "0.2")
    cli.expect(r"From 0 to 100%.*\n-+")
    cli.expect(r"38;5;0m.*?\?.*?\n")


def test_stat(data: FastredisServer, terminal: Callable[..., Terminal]) -> None:
    cli = terminal(data, "--stat", "-i", "0.1")
    cli.expect(r"keys +mem +clients +blocked +requests +connections")
    for _ in range(3):
        line = cli.expect(r"\n\d+ +[\d.]+[BKMG] +\d+ +\d+ +\d+ \(\+\d+\) +\d+")
        assert str(NKEYS + 5) in line


# --- Feeding -----------------------------------------------------------------------


def test_pipe(empty: FastredisServer) -> None:
    n = 20_000
    requests = b"".join(encode(("SET", f"p{i}", i)) for i in range(n)).decode()
    text = call(empty, "-n", "9", "--pipe", stdin=requests)
    assert f"errors: 0, replies: {n}" in text
    assert call(empty, "-n", "9", "DBSIZE") == f"{n}\n"


def test_pipe_of_lines(empty: FastredisServer) -> None:
    lines = "".join(f"SET p{i} {i}\r\n" for i in range(1000))
    text = call(empty, "-n", "9", "--pipe", stdin=lines + "NONSENSE\r\n", fails=True)
    assert "errors: 1, replies: 1001" in text


def test_commands_from_a_file(empty: FastredisServer) -> None:
    lines = 'SET k "two words"\nGET k\nINCR n\nINCR n\nLPOP absent\nNONSENSE\n'
    assert call(empty, "-n", "9", stdin=lines).splitlines()[:5] == [
        "OK", "two words", "1", "2", "",
    ]  # fmt: skip


def test_last_argument_from_a_file(empty: FastredisServer) -> None:
    text = "line\nline\x01"
    assert call(empty, "-n", "9", "-x", "SET", "k", stdin=text) == "OK\n"
    assert call(empty, "-n", "9", "GET", "k") == text + "\n"
    assert (
        call(empty, "-n", "9", "-X", "tag", "APPEND", "k", "tag", stdin="!") == "11\n"
    )


def test_repeats(empty: FastredisServer) -> None:
    assert call(empty, "-n", "9", "-r", "3", "-i", "0.01", "INCR", "n") == "1\n2\n3\n"


# --- Formats -----------------------------------------------------------------------


def test_formats(data: FastredisServer) -> None:
    assert call(data, "--csv", "LRANGE", "list", "0", "-1") == '"a","b","c","d"\n'
    assert json.loads(call(data, "--json", "HGETALL", "hash")) == {
        "a": "b", "c": "d", "e": "f",
    }  # fmt: skip
    assert json.loads(call(data, "--quoted-json", "LRANGE", "list", "0", "1")) == [
        "a", "b",
    ]  # fmt: skip
    shown = '1) "a"\n2) "b"\n3) "c"\n4) "d"\n'
    assert call(data, "--no-raw", "LRANGE", "list", "0", "-1") == shown
    assert call(data, "-3", "--no-raw", "HGETALL", "hash").startswith('1# "a" => "b"\n')
    assert call(data, "-3", "--no-raw", "ZSCORE", "zset", "b") == "(double) 2\n"
    assert call(data, "-d", ",", "LRANGE", "list", "0", "-1") == "a,b,c,d\n"
    assert call(data, "-e", "NONSENSE", fails=True) == ""
    uri = f"redis://127.0.0.1:{data.port}/0"
    assert call(data, "-u", uri, "DBSIZE") == f"{NKEYS + 5}\n"
    assert call(data, "-s", data.unixsocket, "PING") == "PONG\n"


def test_password() -> None:
    with FastredisServer(requirepass="secret") as server:
        assert "NOAUTH" in call(server, "PING")
        assert call(server, "-a", "secret", "--no-auth-warning", "PING") == "PONG\n"
        words = ("--user", "default", "--pass", "secret", "--no-auth-warning")
        assert call(server, *words, "PING") == "PONG\n"
        assert "NOAUTH" in call(server, "-a", "x", "--no-auth-warning", "PING")


# --- At the prompt -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("help SET", r"SET.*key value .*since:.* 1\.0\.0.*group:.* string"),
        ("help CLIENT LIST", r"CLIENT LIST.*since:.* 2\.4\.0.*group:.* connection"),
        ("help @sorted-set", r"ZADD.*ZUNIONSTORE"),
        ("help @hyperloglog", r"PFADD"),
    ],
)
def test_help(
    data: FastredisServer, terminal: Callable[..., Terminal], word: str, line: str
) -> None:
    cli = terminal(data)
    prompt = rf"127\.0\.0\.1:{data.port}> "
    cli.expect(prompt)
    cli.type(word)
    assert re.search(line, cli.expect(prompt), re.S)


def test_talk(empty: FastredisServer, terminal: Callable[..., Terminal]) -> None:
    place = rf"127\.0\.0\.1:{empty.port}"
    cli = terminal(empty, "-n", "9")
    for line, expected in (
        ("SET k v", rf"OK.*{place}\[9\]> "),
        ("MULTI", rf"OK.*{place}\[9\]\(TX\)> "),
        ("GET k", rf"QUEUED.*{place}\[9\]\(TX\)> "),
        ("EXEC", rf'1\) "v".*{place}\[9\]> '),
        ("SELECT 3", rf"OK.*{place}\[3\]> "),
        ("NONSENSE", rf"\(error\) ERR unknown command.*{place}\[3\]> "),
        ("HELLO 3", rf'"proto" => \(integer\) 3.*{place}\[3\]> '),
    ):
        cli.type(line)
        cli.expect(expected)


def test_subscribers_and_monitors(
    data: FastredisServer, terminal: Callable[..., Terminal]
) -> None:
    listener, watcher = terminal(data, "SUBSCRIBE", "news"), terminal(data, "MONITOR")
    listener.expect(r'"subscribe".*"news".*\(integer\) 1')
    watcher.expect("OK")
    client = RawClient(data.port)
    wait_until(lambda: client.cmd("PUBLISH", "news", "hello") == 1)
    listener.expect(r'"message".*"news".*"hello"')
    watcher.expect(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "PUBLISH" "news" "hello"')
    client.close()
