# SPDX-License-Identifier: BSD-3-Clause
"""A pool of workers on a consumer group, as one writes it with redis-py.

Workers are processes, and some are killed in the middle of their work. Those that live
claim what the dead have left. A job is done in one transaction with its
acknowledgement, so that in the end each has been done exactly once.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support.server import FastredisServer
from support.wait import wait_until

redis = pytest.importorskip("redis", reason="redis-py is not installed")

JOBS = 400
WORKERS = 4
KILLS = 6

WORKER = """
import sys, redis

port, name = int(sys.argv[1]), sys.argv[2]
client = redis.Redis(port=port, decode_responses=True)


def work(entry, job):
    with client.pipeline(transaction=True) as pipe:
        pipe.xack("jobs", "pool", entry)
        pipe.hincrby("done", job["number"], 1)
        pipe.incrbyfloat("sum", job["amount"])
        acked, *_ = pipe.execute()
    # somebody else had it meanwhile: take back what was done twice
    if not acked:
        with client.pipeline(transaction=True) as pipe:
            pipe.hincrby("done", job["number"], -1)
            pipe.incrbyfloat("sum", -float(job["amount"]))
            pipe.execute()


while not client.exists("stop"):
    _, claimed, _ = client.xautoclaim("jobs", "pool", name, 300, "0-0", count=5)
    found = claimed
    if not found:
        reply = client.xreadgroup("pool", name, {"jobs": ">"}, count=5, block=50)
        found = reply[0][1] if isinstance(reply, list) and reply else []
        if isinstance(reply, dict) and reply:
            (found,) = reply["jobs"]
    for entry, job in found:
        client.incr("started")
        work(entry, job)
"""


class Pool:
    """Workers, each a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.born = 0
        self.workers: list[subprocess.Popen[bytes]] = []

    def hire(self) -> None:
        self.born += 1
        self.workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(self.port), f"worker-{self.born}"]
            )
        )

    def kill_one(self, rng: random.Random) -> None:
        worker = self.workers.pop(rng.randrange(len(self.workers)))
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()


@pytest.fixture
def pool(server: FastredisServer) -> Iterator[Pool]:
    made = Pool(server.port)
    yield made
    made.close()


@pytest.fixture
def client(server: FastredisServer) -> Iterator[Any]:
    with redis.Redis(port=server.port, decode_responses=True) as made:
        yield made


@pytest.mark.timeout(120)
def test_no_job_is_lost_and_none_done_twice(client: Any, pool: Pool) -> None:
    rng = random.Random(1)
    client.xgroup_create("jobs", "pool", "0", mkstream=True)
    for _ in range(WORKERS):
        pool.hire()
    for number in range(JOBS):
        client.xadd("jobs", {"number": number, "amount": number / 4})
        if number % (JOBS // KILLS) == JOBS // KILLS - 1:
            seen = int(client.get("started") or 0)
            wait_until(lambda seen=seen: int(client.get("started") or 0) > seen, 20)
            pool.kill_one(rng)
            pool.hire()
    # nobody but the dead can have what was delivered to no end: have some for sure
    client.xadd("jobs", {"number": JOBS, "amount": 1})
    client.xreadgroup("pool", "died", {"jobs": ">"}, count=3)
    wait_until(
        lambda: (
            client.hlen("done") == JOBS + 1
            and client.xpending("jobs", "pool")["pending"] == 0
        ),
        60,
    )
    client.set("stop", 1)
    for worker in pool.workers:
        assert worker.wait(20) == 0
    done = client.hgetall("done")
    assert set(done) == {str(n) for n in range(JOBS + 1)}
    assert set(done.values()) == {"1"}
    assert float(client.get("sum")) == sum(n / 4 for n in range(JOBS)) + 1
    (group,) = client.xinfo_groups("jobs")
    assert group["lag"] == 0
    assert group["entries-read"] == client.xlen("jobs") == JOBS + 1
