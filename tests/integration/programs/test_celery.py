# SPDX-License-Identifier: BSD-3-Clause
"""Celery with Redis as its broker and for its results; a worker is killed at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import jobs
from support.server import FastredisServer
from support.wait import wait_until

celery = pytest.importorskip("celery", reason="Celery is not installed")
pytest.importorskip("redis", reason="redis-py is not installed")

TESTS = Path(__file__).parents[2]
VISIBILITY_S = 1  # a task that nobody has finished by then is given to another worker

# What a worker runs: the application, with the tasks of support.jobs.
WORKER = """
import sys
from integration.programs.test_celery import make_app
make_app(sys.argv[1]).worker_main(sys.argv[2:])
"""


def make_app(url: str) -> Any:
    """Return the application, as its worker and whoever gives it tasks need it."""
    app = celery.Celery("tests", broker=url, backend=url)
    app.conf.update(
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": VISIBILITY_S},
    )
    for job in (jobs.add, jobs.fail, jobs.linger):
        app.task(name=job.__name__)(job)
    return app


@pytest.fixture(scope="module")
def backend() -> Iterator[FastredisServer]:
    with FastredisServer() as server:
        with server.client() as client:
            if not client.cmd("COMMAND", "INFO", "EVALSHA")[0]:
                pytest.skip("Celery's broker needs scripts, which the server lacks")
        yield server


@pytest.fixture
def url(backend: FastredisServer) -> str:
    with backend.client() as client:
        client.ok("FLUSHALL")
    return f"redis://127.0.0.1:{backend.port}/0"


@pytest.fixture
def app(url: str) -> Iterator[Any]:
    made = make_app(url)
    yield made
    made.close()


@pytest.fixture
def workers(url: str) -> Iterator[Any]:
    """Return a function that starts a worker; they end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        options = ["worker", "-P", "solo", "-l", "WARNING", "--without-gossip"]
        name = f"worker{len(started)}@localhost"
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, url, *options, "-n", name],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait(10)


def test_tasks_and_their_results(app: Any, workers: Any) -> None:
    add, fail = app.tasks["add"], app.tasks["fail"]
    workers()
    results = [add.delay(n, n) for n in range(50)]
    assert [result.get(timeout=20) for result in results] == [2 * n for n in range(50)]
    with pytest.raises(ValueError, match="no luck"):
        fail.delay("no luck").get(timeout=20)
    steps = add.s(1, 1) | add.s(10) | add.s(100)
    assert steps.delay().get(timeout=20) == 112


def test_a_killed_workers_task_is_done_by_another(
    app: Any, workers: Any, tmp_path: Path
) -> None:
    result = app.tasks["linger"].delay(str(tmp_path))
    worker = workers()
    wait_until(lambda: any(tmp_path.iterdir()), 20)
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
    # a worker looks for such tasks when it starts, and then every ten seconds
    taken = time.monotonic()
    wait_until(lambda: time.monotonic() - taken > VISIBILITY_S)
    workers()
    assert result.get(timeout=30) == "done"
    assert len(list(tmp_path.iterdir())) == 2
