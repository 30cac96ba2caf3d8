# SPDX-License-Identifier: BSD-3-Clause
"""Three servers, three Sentinels, and a client that goes on through a failover.

    python .github/examples/sentinel_failover.py

starts a primary and two replicas of fastredis and three genuine Sentinels
(``redis-server --sentinel``) on free ports of this machine, and a redis-py client that
asks the Sentinels who the primary is. It counts, WAITs until a replica has each count,
kills the primary with SIGKILL, counts on as soon as another one is promoted, starts the
killed server again, and compares all three. Exit code 0: no count was lost.

``--server redis-server`` shows the same with genuine servers, ``--rounds N`` kills N
primaries one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

HOST = "127.0.0.1"
NAME = "mymaster"  # what the Sentinels call the group of servers
QUORUM = 2  # Sentinels that must agree that the primary is gone
LIMIT = 60.0  # seconds that anything may take


class Process:
    """A server or Sentinel in a folder of its own."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        self.port = port
        self.folder = folder
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, perhaps again."""
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """End it at once, as a machine would that loses its power."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def client(self) -> redis.Redis:
        """Return a client for this one server."""
        return redis.Redis(HOST, self.port, socket_timeout=5)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((HOST, 0))
        return [sock.getsockname()[1] for sock in sockets]


def wait_until(what: str, is_true: Callable[[], object]) -> float:
    """Return the seconds it takes until it is true.

    Raises: TimeoutError.
    """
    start = time.monotonic()
    while time.monotonic() - start < LIMIT:
        with contextlib.suppress(redis.RedisError, OSError):
            if is_true():
                return time.monotonic() - start
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {LIMIT:.0f} s")


def start_server(program: list[str], folder: Path, port: int, primary: int) -> Process:
    """Start a server: the primary itself, or a replica of the one on that port."""
    folder.mkdir()
    options = {
        "port": port,
        "bind": HOST,
        "save": "",
        "appendonly": "yes",
        "repl-diskless-sync-delay": 0,
    }
    lines = [f"{name} {value!r}" for name, value in options.items() if value == ""]
    lines += [f"{name} {value}" for name, value in options.items() if value != ""]
    if port != primary:
        lines.append(f"replicaof {HOST} {primary}")
    (folder / "redis.conf").write_text("\n".join(lines) + "\n")
    # a Sentinel has its orders written into this file, so it is one of the server's own
    return Process([*program, "redis.conf"], folder, port)


def start_sentinel(
    program: list[str], folder: Path, port: int, primary: int
) -> Process:
    """Start a Sentinel that watches the primary on that port."""
    folder.mkdir()
    (folder / "sentinel.conf").write_text(
        f"port {port}\n"
        f"bind {HOST}\n"
        f"sentinel monitor {NAME} {HOST} {primary} {QUORUM}\n"
        f"sentinel down-after-milliseconds {NAME} 1000\n"
        f"sentinel failover-timeout {NAME} 5000\n"
    )
    return Process([*program, "sentinel.conf", "--sentinel"], folder, port)


@contextlib.contextmanager
def running(args: argparse.Namespace) -> Iterator[tuple[list[Process], list[Process]]]:
    """Yield the servers, the first of them the primary, and the Sentinels."""
    ports = free_ports(6)
    started: list[Process] = []
    server = shlex.split(args.server)
    sentinel = shlex.split(args.sentinel)
    with tempfile.TemporaryDirectory(prefix="sentinel-") as name:
        try:
            for i, port in enumerate(ports[:3]):
                folder = Path(name, f"server-{i}")
                started.append(start_server(server, folder, port, ports[0]))
            wait_until(
                "replicas",
                lambda: (
                    started[0].client().info("replication")["connected_slaves"] == 2
                ),
            )
            for i, port in enumerate(ports[3:]):
                folder = Path(name, f"sentinel-{i}")
                started.append(start_sentinel(sentinel, folder, port, ports[0]))
            yield started[:3], started[3:]
        finally:
            for process in started:
                process.kill()


def knows_all(sentinel: Process) -> bool:
    """Return whether a Sentinel has found both replicas and both other Sentinels."""
    group = sentinel.client().sentinel_master(NAME)
    return group["num-slaves"] == 2 and group["num-other-sentinels"] == 2


def count(primary: redis.Redis, last: int) -> int:
    """Count one further, and return it once a replica has it, too.

    Raises: redis.RedisError if that is not certain.
    """
    # Not INCR: who retries after a broken connection would count twice.
    with primary.client() as connection:  # WAIT is for writes of the same connection
        connection.set("count", last + 1)
        if connection.wait(1, 1000) < 1:
            raise redis.TimeoutError("no replica has it")
    return last + 1


def run(args: argparse.Namespace) -> None:
    """Show the failover.

    Raises: AssertionError if a count is lost; TimeoutError.
    """
    with running(args) as (servers, sentinels):
        for sentinel in sentinels:
            wait_until("Sentinels", lambda s=sentinel: knows_all(s))
        print("3 servers, 3 Sentinels; they know one another")
        group = Sentinel([(HOST, s.port) for s in sentinels], socket_timeout=1)
        primary = group.master_for(NAME, socket_timeout=1)
        last = 0
        for _ in range(args.rounds):
            for _ in range(100):
                last = count(primary, last)
            _, port = group.discover_master(NAME)
            victim = next(s for s in servers if s.port == port)
            print(f"counted to {last}; the primary on port {port} is killed")
            victim.kill()

            def go_on() -> bool:
                nonlocal last
                with contextlib.suppress(MasterNotFoundError):
                    found = int(primary.get("count") or 0)
                    # an attempt that failed may have arrived all the same
                    assert found in (last, last + 1), f"found {found}, had {last}"
                    last = count(primary, last)
                    return True
                return False

            seconds = wait_until("failover", go_on)
            _, port = group.discover_master(NAME)
            print(f"counted on to {last} after {seconds:.1f} s, on port {port}")
            victim.start()
            wait_until(
                "the killed server as a replica",
                lambda v=victim: (
                    v.client().info("replication")["role"] == "slave"
                    and v.client().info("replication")["master_link_status"] == "up"
                ),
            )
            print(f"the server on port {victim.port} is back, as a replica")
            for server in servers:
                wait_until(
                    f"the count on port {server.port}",
                    lambda s=server, n=last: int(s.client().get("count") or 0) == n,
                )
        print(f"all three servers have the count of {last}")


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--server",
        default=f"{sys.executable} -m fastredis",
        help="command that starts a server (default: this Python's fastredis)",
    )
    parser.add_argument(
        "--sentinel",
        default="redis-server",
        help="command that starts a Sentinel (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=1, help="primaries to be killed")
    try:
        run(parser.parse_args())
    except (AssertionError, TimeoutError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
