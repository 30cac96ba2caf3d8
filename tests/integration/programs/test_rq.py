# SPDX-License-Identifier: BSD-3-Clause
"""RQ: jobs with results, failures and dependencies; a worker that is killed at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import jobs
from support.server import FastredisServer
from support.wait import wait_until

rq = pytest.importorskip("rq", reason="RQ is not installed")
redis = pytest.importorskip("redis", reason="redis-py is not installed")

from rq.job import JobStatus  # noqa: E402
from rq.registry import FailedJobRegistry, StartedJobRegistry  # noqa: E402

TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def backend() -> Iterator[FastredisServer]:
    with FastredisServer() as server:
        with server.client() as client:
            if not client.cmd("COMMAND", "INFO", "XADD")[0]:
                pytest.skip("RQ keeps results in streams, which the server lacks")
        yield server


@pytest.fixture
def queue(backend: FastredisServer) -> Iterator[Any]:
    client = redis.Redis(port=backend.port)
    client.flushall()
    yield rq.Queue("work", connection=client)
    client.close()


def start_worker(queue: Any, *options: str) -> subprocess.Popen[bytes]:
    """Start a worker, whose jobs run in processes that it forks."""
    port = queue.connection.connection_pool.connection_kwargs["port"]
    code = "import sys; from rq.cli import main; sys.exit(main())"
    url = f"redis://127.0.0.1:{port}/0"
    return subprocess.Popen(
        [sys.executable, "-c", code, "worker", "-u", url, *options, queue.name],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_jobs_and_their_results(queue: Any) -> None:
    made = [queue.enqueue(jobs.add, n, n) for n in range(20)]
    failed = queue.enqueue(jobs.fail, "no luck")
    last = queue.enqueue(jobs.add, 1, 1, depends_on=made)
    assert last.get_status() == JobStatus.DEFERRED
    assert len(queue) == 21
    worker = start_worker(queue, "--burst")
    assert worker.wait(30) == 0
    assert [job.return_value() for job in made] == [2 * n for n in range(20)]
    assert last.return_value() == 2
    assert failed.get_status(refresh=True) == JobStatus.FAILED
    assert "no luck" in failed.latest_result().exc_string
    assert failed.id in FailedJobRegistry(queue=queue)
    assert len(queue) == 0
    assert queue.connection.smembers("rq:workers") == set()


def test_a_killed_workers_job_is_done_by_another(queue: Any, tmp_path: Path) -> None:
    job = queue.enqueue(jobs.linger, str(tmp_path), retry=rq.Retry(max=1))
    worker = start_worker(queue)
    try:
        wait_until(lambda: any(tmp_path.iterdir()), 15)
        assert job.id in StartedJobRegistry(queue=queue)
        (note,) = tmp_path.iterdir()
    finally:
        # the worker, and the process that it has forked for the job
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    os.kill(int(note.name), signal.SIGKILL)
    # what RQ does when the worker has given no sign of life for long enough
    registry = StartedJobRegistry(queue=queue)
    key, job_id = registry.key, job.id
    for member in queue.connection.zrange(key, 0, -1):
        queue.connection.zadd(key, {member: 1})
    registry.cleanup()
    assert job_id in queue.job_ids
    worker = start_worker(queue, "--burst")
    assert worker.wait(30) == 0
    assert job.return_value() == "done"
    assert len(list(tmp_path.iterdir())) == 2
