# SPDX-License-Identifier: BSD-3-Clause
r"""Servers that are killed while clients write, and what must be there afterwards.

    client c: op 1 -- op 2 -- ... -- op a -- ... -- op p -- ... -- op s
              <---- acknowledged ------->           |              |
              <---- found after the restart ------->|              |
              <---- sent ------------------------------------------>

Each client numbers what it does, and the number says what kind of operation it is:
strings, counters, lists, hashes, streams, transactions, deletions. After a restart the
data must be exactly what the first p operations of the client make, a <= p <= s.

A round is killed in one of two ways. By SIGKILL the process alone ends: whatever the
policy of fsync, no acknowledged operation may be missing. By a loss of power what was
not synced is gone, too (support.disk): with ``always`` still nothing acknowledged may
be missing, with ``everysec`` only what is younger than two seconds, with ``no`` any
number. With snapshots alone, what was acknowledged before the latest one began must be
there; where the append-only file is turned off and on, what was acknowledged before.

The long run, which says how it went::

    PYTHONPATH=.:tests python -m support.crash --rounds 200 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.client import Error, RawClient
from support.disk import Disk
from support.server import FastredisServer
from support.wait import wait_until

Command = tuple[Any, ...]
KINDS = 7
CLIENTS = 5
FILLER = 300  # keys that make a child take its time
EVERYSEC_BOUND = 2.0  # seconds, as Redis promises
KEPT = 40  # elements of the trimmed list
VALUE = "x" * 50


# --- What clients do ---------------------------------------------------------------


def operation(c: int, i: int) -> list[Command]:
    """Return the commands of client c's operation i; several are a transaction."""
    match i % KINDS:
        case 0:
            return [("SET", f"string:{c}", i)]
        case 1:
            return [("INCRBY", f"counter:{c}", i)]
        case 2:
            return [("RPUSH", f"list:{c}", f"{i}:{VALUE}")]
        case 3:
            return [("HSET", f"hash:{c}", f"field:{i % 50}", i)]
        case 4:
            return [("XADD", f"stream:{c}", f"{i}-1", "n", i)]
        case 5:
            return [("RPUSH", f"trimmed:{c}", i), ("LTRIM", f"trimmed:{c}", -KEPT, -1)]
        case _:
            return [
                ("RPUSH", f"left:{c}", i),
                ("INCRBY", f"sum:{c}", i),
                ("DEL", f"gone:{c}:{i - KINDS}"),
                ("SET", f"gone:{c}:{i}", i),
                ("RPUSH", f"right:{c}", i),
            ]


@dataclass
class State:
    """What a client's keys hold."""

    string: int = 0
    counter: int = 0
    items: list[int] = field(default_factory=list)
    fields: dict[str, int] = field(default_factory=dict)
    entries: list[int] = field(default_factory=list)
    trimmed: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    total: int = 0
    gone: int = 0
    right: list[int] = field(default_factory=list)

    @classmethod
    def after(cls, p: int) -> State:
        """Return what the first p operations make."""
        state = cls()
        for i in range(1, p + 1):
            match i % KINDS:
                case 0:
                    state.string = i
                case 1:
                    state.counter += i
                case 2:
                    state.items.append(i)
                case 3:
                    state.fields[f"field:{i % 50}"] = i
                case 4:
                    state.entries.append(i)
                case 5:
                    state.trimmed = [*state.trimmed, i][-KEPT:]
                case _:
                    state.left.append(i)
                    state.total += i
                    state.gone = i
                    state.right.append(i)
        return state

    @classmethod
    def read(cls, client: RawClient, c: int) -> State:
        """Return what the server has."""
        ask = client.cmd
        fields = ask("HGETALL", f"hash:{c}")
        gone = sorted(ask("KEYS", f"gone:{c}:*"))
        assert len(gone) <= 1, gone
        return cls(
            string=int(ask("GET", f"string:{c}") or 0),
            counter=int(ask("GET", f"counter:{c}") or 0),
            items=[
                int(item.partition(b":")[0])
                for item in ask("LRANGE", f"list:{c}", 0, -1)
            ],
            fields={
                fields[k].decode(): int(fields[k + 1]) for k in range(0, len(fields), 2)
            },
            entries=[int(e[1][1]) for e in ask("XRANGE", f"stream:{c}", "-", "+")],
            trimmed=list(map(int, ask("LRANGE", f"trimmed:{c}", 0, -1))),
            left=list(map(int, ask("LRANGE", f"left:{c}", 0, -1))),
            total=int(ask("GET", f"sum:{c}") or 0),
            gone=int(gone[0].rpartition(b":")[2]) if gone else 0,
            right=list(map(int, ask("LRANGE", f"right:{c}", 0, -1))),
        )

    @property
    def latest(self) -> int:
        """The number of the latest operation of which there is a trace."""
        lists = (self.items, self.entries, self.trimmed, self.left, self.right)
        return max(
            self.string,
            self.gone,
            *(numbers[-1] for numbers in lists if numbers),
            *self.fields.values(),
            self._latest_count(),
        )

    def _latest_count(self) -> int:
        """Return the number that the counter was increased by at last."""
        i = total = 0
        while total < self.counter:
            i = i + KINDS if i else 1
            total += i
        return i


class Writer(threading.Thread):
    """A client that writes until its server is gone."""

    def __init__(self, number: int, port: int, begin: int, depth: int) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.sent = self.acked = begin
        self.depth = depth  # operations sent at once
        self.log: list[tuple[float, int]] = [(0.0, begin)]  # when what was acknowledged
        self.problem: object = None
        self._client = RawClient(port, timeout=30)
        self._client.ok("SELECT", number % 2)

    def run(self) -> None:
        """Write."""
        try:
            while self.problem is None:
                self._batch()
        except (OSError, EOFError, ConnectionError):
            pass
        except Exception as error:
            self.problem = error
        finally:
            self._client.close()

    def _batch(self) -> None:
        commands: list[Command] = []
        ends = []
        for i in range(self.sent + 1, self.sent + self.depth + 1):
            made = operation(self.number, i)
            if len(made) > 1:
                made = [("MULTI",), *made, ("EXEC",)]
            commands += made
            ends.append(len(commands))
        self.sent += self.depth
        self._client.send_and_fill(b"".join(map(_encode, commands)))
        for k in range(1, len(commands) + 1):
            reply = self._client.read()
            if isinstance(reply, Error):
                self.problem = reply
                return
            if k in ends:
                self.acked += 1
                self.log.append((time.monotonic(), self.acked))

    def acked_at(self, when: float) -> int:
        """Return how many operations were acknowledged by then."""
        return max(acked for at, acked in self.log if at <= when)


def _encode(command: Sequence[Any]) -> bytes:
    words = [str(word).encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%b\r\n" % (len(word), word) for word in words
    )


# --- Rounds ------------------------------------------------------------------------


@dataclass
class Plan:
    """What happens in a round."""

    policy: str  # appendfsync; "" for snapshots alone
    preamble: bool  # the base is an RDB file
    action: str  # "", "rewrite", "save", "toggle"
    power: bool  # what is not synced is lost, too
    orphan: bool  # a child outlives the server
    seconds: float

    @classmethod
    def draw(cls, rng: random.Random, seconds: float) -> Plan:
        """Draw one."""
        power = rng.random() < 0.5
        return cls(
            policy=rng.choice(["always", "always", "everysec", "everysec", "no", ""]),
            preamble=rng.random() < 0.5,
            action=rng.choice(["", "rewrite", "rewrite", "save", "toggle"]),
            power=power,
            orphan=not power and rng.random() < 0.5,
            seconds=rng.uniform(0.05, seconds),
        )


class Trial:
    """One server that is killed again and again."""

    def __init__(self, folder: Path, rng: random.Random, seconds: float) -> None:
        self.disk = Disk(folder)
        self.rng = rng
        self.seconds = seconds
        self.server: FastredisServer | None = None
        # what was acknowledged when the latest snapshot began, or when the append-only
        # file was turned off
        self.saved: list[int] = []
        self._is_on = True  # what is written goes to the append-only file
        self.policy = ""
        self.problem: object = None
        self.acked = 0
        self.lost = 0
        self.oldest = 0.0  # age of the oldest loss with everysec
        self._has_stopped = threading.Event()

    def run(self, plan: Plan | None = None) -> Plan:
        """Do a round.

        Raises: AssertionError if something is lost, torn, or not as it was sent.
        """
        plan = plan or Plan.draw(self.rng, self.seconds)
        try:
            self._round(plan)
        except BaseException:
            if self.server is not None:
                print(plan, self.server.shown_log(), file=sys.stderr)
            raise
        finally:
            if self.server is not None:
                self.server.kill()
        return plan

    def _start(self, plan: Plan) -> FastredisServer:
        options = {
            "appendonly": "yes" if plan.policy else "no",
            "appendfsync": plan.policy or "no",
            "aof-use-rdb-preamble": plan.preamble,
            "auto-aof-rewrite-percentage": 0,
            "stop-writes-on-bgsave-error": "no",
        }
        self.server = FastredisServer(
            directory=self.disk.data,
            env=self.disk.env,
            check_exit=False,
            **options,
        )
        return self.server

    def _round(self, plan: Plan) -> None:
        self._empty()
        self.disk.begin()
        self.policy = plan.policy
        server = self._start(plan)
        for db in (0, 1):
            client = server.client()
            client.ok("SELECT", db)
            client.pipeline([("SET", f"filler:{i}", i) for i in range(FILLER)])
        client.ok("CONFIG", "SET", "rdb-key-save-delay", 300)
        self.saved = [0] * CLIENTS
        self._is_on = True
        writers = [
            Writer(c, server.port, 0, self.rng.choice([1, 1, 8]))
            for c in range(CLIENTS)
        ]
        for writer in writers:
            writer.start()
        self._has_stopped.clear()
        other = threading.Thread(target=self._act, args=(plan, writers), daemon=True)
        other.start()
        time.sleep(plan.seconds)
        children = _children(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        killed = time.monotonic()
        server.wait_exit()
        self._has_stopped.set()
        if not plan.orphan:
            for child in children:
                _end(child)
        for thread in (*writers, other):
            thread.join(20)
            assert not thread.is_alive()
        assert self.problem is None, self.problem
        for writer in writers:
            assert writer.problem is None, writer.problem
        server.kill()
        if plan.power:
            self.disk.lose(self.rng)
        self._start(plan)
        self._check(plan, writers, killed)
        for child in children:
            _end(child)

    def _empty(self) -> None:
        for path in sorted(self.disk.data.rglob("*"), reverse=True):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()

    def _act(self, plan: Plan, writers: list[Writer]) -> None:
        """Do what is to be going on when the server is killed."""
        rng = random.Random(plan.seconds)
        assert self.server is not None
        try:
            client = self.server.client()
            while not self._has_stopped.wait(rng.uniform(0, 0.1)):
                if plan.action == "save" or not plan.policy:
                    self._save(client, writers)
                elif plan.action == "rewrite":
                    self._rewrite(client)
                elif plan.action == "toggle":
                    self._toggle(client, writers)
        except (OSError, EOFError, ConnectionError):
            pass
        except Exception as error:
            self.problem = error

    def _save(self, client: RawClient, writers: list[Writer]) -> None:
        """Save in the background; wait for the end of it."""
        before = [writer.acked for writer in writers]
        client.cmd("BGSAVE")
        fields = {"rdb_bgsave_in_progress": "1"}
        while fields["rdb_bgsave_in_progress"] == "1":
            if self._has_stopped.wait(0.01):
                return
            fields = client.info("persistence")
        if fields["rdb_last_bgsave_status"] == "ok" and not self.policy:
            self.saved = before

    def _rewrite(self, client: RawClient) -> None:
        reply = client.cmd("BGREWRITEAOF")
        if isinstance(reply, Error) and "in progress" not in reply:
            self.problem = reply

    def _toggle(self, client: RawClient, writers: list[Writer]) -> None:
        """Turn the append-only file off and on, and wait until it is complete."""
        before = [writer.acked for writer in writers]
        was_on, self._is_on = self._is_on, False
        client.ok("CONFIG", "SET", "appendonly", "no")
        if was_on:
            self.saved = before
        client.ok("CONFIG", "SET", "appendonly", "yes")
        fields = {"aof_rewrite_in_progress": "1"}
        while fields["aof_rewrite_in_progress"] == "1":
            if self._has_stopped.wait(0.01):
                return
            fields = client.info("persistence")
        self._is_on = fields["aof_last_bgrewrite_status"] == "ok"

    def _check(self, plan: Plan, writers: list[Writer], killed: float) -> None:
        assert self.server is not None
        client = self.server.client(timeout=30)
        for writer in writers:
            client.ok("SELECT", writer.number % 2)
            found = State.read(client, writer.number)
            p = found.latest
            assert found == State.after(p), (plan, writer.number, p, found)
            assert p <= writer.sent, (plan, writer.number, p, writer.sent)
            least = self._least(plan, writer, killed)
            assert p >= least, (plan, writer.number, p, least, writer.acked)
            self.acked += writer.acked
            self.lost += max(writer.acked - p, 0)
            if p < writer.acked and plan.policy == "everysec":
                first = next(at for at, acked in writer.log if acked > p)
                self.oldest = max(self.oldest, killed - first)

    def _least(self, plan: Plan, writer: Writer, killed: float) -> int:
        """Return how many of its operations must be there."""
        if not plan.policy or not self._is_on:
            return self.saved[writer.number]
        if not plan.power or plan.policy == "always":
            return writer.acked
        if plan.policy == "everysec":
            return writer.acked_at(killed - EVERYSEC_BOUND)
        return self.saved[writer.number]


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return list(map(int, path.read_text().split()))


def _end(pid: int) -> None:
    """End a child of a server that is no more, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _is_gone(pid), 20)


def _is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


# --- The long run ------------------------------------------------------------------


def main() -> None:
    """Do many rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of a round, at most"
    )
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="fr-crash-") as folder:
        trial = Trial(Path(folder), rng, options.seconds)
        for number in range(1, options.rounds + 1):
            plan = trial.run()
            print(f"{number:4} ok {plan}", flush=True)
    print(
        f"{options.rounds} rounds, {trial.acked} operations acknowledged, {trial.lost} "
        f"of them lost as the policy allows; with everysec none older than "
        f"{trial.oldest:.2f} s"
    )


if __name__ == "__main__":
    main()
