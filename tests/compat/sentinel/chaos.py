# SPDX-License-Identifier: BSD-3-Clause
r"""Faults on purpose: links cut, stalled and delayed, primaries killed, under load.

    python -m compat.sentinel.chaos --rounds 100        (in the folder tests)

    clients ----> proxy 0 ---> server 0          three servers, known to everybody by
    Sentinels --> proxy 1 ---> server 1          their proxies' ports; three genuine
    replicas ---> proxy 2 ---> server 2          Sentinels promote

Each round does one thing to the primary of the moment, while clients write numbered
values and wait until both replicas have each (WAIT 2), and others write all kinds of
values and wait for nothing. Then the fault is taken back, and once all three servers
follow one of them:

* every write that WAIT acknowledged is there;
* the data sets are equal by DEBUG DIGEST.

Why both replicas: a value that one replica has may be lost if a primary that was only
cut off comes back and the other one is promoted meanwhile, with genuine servers, too.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import redis
from redis.sentinel import Sentinel

from support.proxy import Proxy
from support.server import ServerProcess, free_port
from support.wait import wait_until

HOST = "127.0.0.1"
NAME = "chaos"
NSERVERS = 3
NWRITERS = 3
WAIT_MS = 300
PROMOTED_SECONDS = 60.0
WHOLE_SECONDS = 60.0
DOWN_AFTER_MS = 700  # without an answer, a Sentinel takes a server to be gone
SENTINEL = shutil.which("redis-server")


class Group:
    """Servers behind proxies, and the Sentinels that watch them."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        assert SENTINEL is not None
        self._stack = contextlib.ExitStack()
        self.servers: list[ServerProcess] = []
        self.proxies: list[Proxy] = []
        self.sentinels: list[ServerProcess] = []
        try:
            for i in range(NSERVERS):
                self._add_server(command, folder / f"server{i}")
            for i in range(NSERVERS):
                self._add_sentinel(folder / f"sentinel{i}")
        except BaseException:
            self.close()
            raise
        for sentinel in self.sentinels:
            # in no hurry, they take 8 s to tell a server that it is a replica now
            with redis.Redis(HOST, sentinel.port) as client:
                client.execute_command(
                    "SENTINEL", "DEBUG", "info-period", 500, "publish-period", 300
                )
        addresses = [(HOST, process.port) for process in self.sentinels]
        self.sentinel = Sentinel(addresses, socket_timeout=1)

    def _start(self, folder: Path, config: str, **options: object) -> ServerProcess:
        """Start a process with a configuration file of its own, which it rewrites."""
        folder.mkdir()
        (folder / "redis.conf").write_text(config)
        command = options.pop("command")
        assert isinstance(command, list)
        process = ServerProcess(
            *map(str, options.pop("arguments", ())),  # type: ignore[call-overload]
            command=[*command, str(folder / "redis.conf")],
            directory=folder,
            check_exit=False,
            **options,
        )
        self._stack.callback(process.kill)
        return process

    def _add_server(self, command: Sequence[str], folder: Path) -> None:
        server = self._start(
            folder,
            "",
            command=list(command),
            start=False,
            port=free_port(),  # the same one when it is started again
            save="",
            appendonly=True,
            enable_debug_command="local",
            repl_diskless_sync_delay=0,
            repl_timeout=5,
            repl_ping_replica_period=1,
        )
        server.start()
        proxy = Proxy(server.port)
        self._stack.callback(proxy.close)
        # these go into the file by the rewriting that each Sentinel asks for, too
        with redis.Redis(HOST, server.port) as client:
            client.config_set("replica-announce-ip", HOST)
            client.config_set("replica-announce-port", proxy.port)
            if self.proxies:
                client.replicaof(HOST, self.proxies[0].port)
            client.config_rewrite()
        self.servers.append(server)
        self.proxies.append(proxy)

    def _add_sentinel(self, folder: Path) -> None:
        self.sentinels.append(
            self._start(
                folder,
                f"sentinel monitor {NAME} {HOST} {self.proxies[0].port} 2\n"
                f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n"
                f"sentinel failover-timeout {NAME} 4000\n",
                command=[SENTINEL],
                arguments=["--sentinel"],
            )
        )

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Who is what --------------------------------------------------------------

    def primary(self) -> int:
        """Return the index of the primary, as most Sentinels see it.

        Raises: redis.RedisError if there is none.
        """
        _, port = self.sentinel.discover_master(NAME)
        return next(i for i, proxy in enumerate(self.proxies) if proxy.port == port)

    def direct(self, index: int) -> redis.Redis:
        """Return a client of a server that does not go through its proxy."""
        return redis.Redis(HOST, self.servers[index].port, socket_timeout=5)

    def is_whole(self) -> bool:
        """Return whether all follow the one that the Sentinels take for the primary."""
        with contextlib.suppress(redis.RedisError, OSError):
            first = self.primary()
            for sentinel in self.sentinels:
                with redis.Redis(HOST, sentinel.port, socket_timeout=2) as client:
                    group = client.sentinel_master(NAME)
                if group["port"] != self.proxies[first].port:
                    return False
                if group["num-other-sentinels"] != len(self.sentinels) - 1:
                    return False
                if group["num-slaves"] != NSERVERS - 1 or group["is_odown"]:
                    return False
            roles = []
            for index in range(NSERVERS):
                with self.direct(index) as client:
                    roles.append(client.info("replication"))
            others = [role for i, role in enumerate(roles) if i != first]
            return (
                roles[first]["role"] == "master"
                and roles[first]["connected_slaves"] == NSERVERS - 1
                and all(
                    role["role"] == "slave"
                    and role["master_port"] == self.proxies[first].port
                    and role["master_link_status"] == "up"
                    for role in others
                )
            )
        return False

    def wait_whole(self) -> None:
        """Wait until all follow one.

        Raises: AssertionError with what each says of itself.
        """
        wait_until(self.is_whole, WHOLE_SECONDS, interval=0.02, message=self.describe)

    def describe(self) -> str:
        """Return what is known of the servers, for whoever finds out what is wrong."""
        lines = []
        for index, server in enumerate(self.servers):
            try:
                with self.direct(index) as client:
                    lines.append(f"server {index}: {client.info('replication')}")
            except redis.RedisError as error:
                lines.append(f"server {index}: {error}")
            lines.append(server.shown_log())
        lines += [sentinel.shown_log() for sentinel in self.sentinels]
        return "\n".join(lines)


class Writers:
    """Threads that write through whoever is the primary."""

    def __init__(self, group: Group, seed: int) -> None:
        self._group = group
        self._is_over = threading.Event()
        self._may_go = threading.Event()
        self._may_go.set()
        self._nbusy = 0
        self._lock = threading.Lock()
        self.acknowledged: list[int] = [0] * NWRITERS
        self.kept: list[set[int]] = [set() for _ in range(NWRITERS)]
        self._threads = [
            threading.Thread(target=self._run, args=(self._write_numbers, i))
            for i in range(NWRITERS)
        ]
        self._random = random.Random(seed)
        self._threads.append(
            threading.Thread(target=self._run, args=(self._write_all_kinds, 0))
        )
        for thread in self._threads:
            thread.start()

    def _run(self, write: Callable[[redis.Redis, int], None], index: int) -> None:
        """Write until it is over, with a new connection after each failure."""
        while not self._is_over.is_set():
            if not self._may_go.wait(0.1):
                continue
            with self._lock:
                self._nbusy += 1
            try:
                client = self._group.sentinel.master_for(NAME, socket_timeout=2)
                with client.client() as connection:
                    while self._may_go.is_set() and not self._is_over.is_set():
                        write(connection, index)
            except (redis.RedisError, OSError):
                time.sleep(0.02)
            finally:
                with self._lock:
                    self._nbusy -= 1

    def _write_numbers(self, client: redis.Redis, index: int) -> None:
        number = self.acknowledged[index] + 1
        self.acknowledged[index] = number  # tried: no number is used twice
        client.set(f"number:{index}:{number}", number)
        if client.wait(NSERVERS - 1, WAIT_MS) >= NSERVERS - 1:
            self.kept[index].add(number)

    def _write_all_kinds(self, client: redis.Redis, _: int) -> None:
        choose = self._random
        pipe = client.pipeline(transaction=choose.random() < 0.5)
        for _ in range(20):
            key = choose.randrange(50)
            number = choose.randrange(1000)
            choose.choice(
                (
                    lambda k=key, n=number: pipe.rpush(f"list:{k}", n),
                    lambda k=key: pipe.lpop(f"list:{k}"),
                    lambda k=key, n=number: pipe.sadd(f"set:{k}", n),
                    lambda k=key: pipe.spop(f"set:{k}"),
                    lambda k=key, n=number: pipe.zadd(f"zset:{k}", {f"m{n}": n}),
                    lambda k=key: pipe.zpopmin(f"zset:{k}"),
                    lambda k=key, n=number: pipe.hset(f"hash:{k}", f"f{n}", n),
                    lambda k=key, n=number: pipe.xadd(
                        f"stream:{k}", {"f": n}, maxlen=100
                    ),
                    lambda k=key, n=number: pipe.set(f"string:{k}", n, px=1 + n),
                    lambda k=key: pipe.incr(f"counter:{k}"),
                )
            )()
        pipe.execute(raise_on_error=False)
        time.sleep(0.002)

    def pause(self) -> None:
        """Return when nobody writes any more."""
        self._may_go.clear()
        wait_until(lambda: self._nbusy == 0, 30)

    def go_on(self) -> None:
        """Write again."""
        self._may_go.set()

    def stop(self) -> None:
        """End the threads."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()


# --- Faults -----------------------------------------------------------------------


def _kill(group: Group, index: int) -> Callable[[], None]:
    group.servers[index].kill()
    return group.servers[index].start


def _cut(group: Group, index: int) -> Callable[[], None]:
    group.proxies[index].cut()
    return group.proxies[index].heal


def _stall(group: Group, index: int) -> Callable[[], None]:
    proxy = group.proxies[index]
    proxy.stall()

    def heal() -> None:
        # both ends have given up long since; nobody believes in what is under way
        proxy.break_connections()
        proxy.heal()

    return heal


def _break_once(group: Group, index: int) -> Callable[[], None]:
    group.proxies[index].break_connections()
    return lambda: None


def _delay(group: Group, index: int) -> Callable[[], None]:
    group.proxies[index].delay(0.05)
    return group.proxies[index].heal


# name, what is done, whether another one is promoted
FAULTS: dict[str, tuple[Callable[[Group, int], Callable[[], None]], bool]] = {
    "killed": (_kill, True),
    "links cut": (_cut, True),
    "links stalled": (_stall, True),
    "links broken once": (_break_once, False),
    "links delayed": (_delay, False),
}


def check(group: Group, writers: Writers) -> None:
    """Compare the servers with one another and with what was acknowledged.

    Raises: AssertionError.
    """
    first = group.primary()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(group.direct(i)) for i in range(NSERVERS)]
        # what expires meanwhile is deleted by the primary's word: let it speak
        clients[first].set("last", time.time())
        assert clients[first].wait(NSERVERS - 1, 10_000) == NSERVERS - 1

        def is_equal() -> bool:
            digests = {c.execute_command("DEBUG", "DIGEST") for c in clients}
            return len(digests) == 1

        wait_until(is_equal, 10, interval=0.05, message="the data sets differ")
        for i, numbers in enumerate(writers.kept):
            wanted = sorted(numbers)
            found = clients[first].mget([f"number:{i}:{n}" for n in wanted] or ["last"])
            lost = [n for n, v in zip(wanted, found, strict=False) if v is None]
            assert not lost, f"writer {i}: acknowledged, and lost: {lost[:10]}"


def run(
    command: Sequence[str],
    rounds: int,
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Run so many rounds.

    command: starts a server.
    Raises: AssertionError if anything is lost or differs.
    """
    choose = random.Random(seed)
    names = list(FAULTS)
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        Group(command, Path(folder)) as group,
    ):
        group.wait_whole()
        writers = Writers(group, seed)
        try:
            for number in range(rounds):
                # each in turn first, then by chance
                name = names[number] if number < len(names) else choose.choice(names)
                fault, promotes = FAULTS[name]
                time.sleep(choose.uniform(0.1, 0.5))
                index = group.primary()
                started = time.monotonic()
                heal = fault(group, index)
                if promotes:
                    wait_until(
                        lambda i=index: _is_another(group, i),
                        PROMOTED_SECONDS,
                        interval=0.02,
                        message=group.describe,
                    )
                else:
                    time.sleep(choose.uniform(0.1, 0.5))
                promoted = time.monotonic() - started
                heal()
                group.wait_whole()
                whole = time.monotonic() - started
                writers.pause()
                check(group, writers)
                writers.go_on()
                kept = sum(map(len, writers.kept))
                tell(
                    f"round {number + 1}: server {index} {name}; another one after "
                    f"{promoted:.1f} s, whole after {whole:.1f} s; {kept} acknowledged"
                )
            assert all(writers.kept), "a writer had nothing acknowledged"
        finally:
            writers.stop()


def _is_another(group: Group, index: int) -> bool:
    with contextlib.suppress(redis.RedisError, OSError):
        return group.primary() != index
    return False


def main() -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(description="Replication under faults.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--server", default=f"{sys.executable} -m fastredis")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    run(args.server.split(), args.rounds, args.seed, lambda t: print(t, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
