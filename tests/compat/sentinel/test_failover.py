# SPDX-License-Identifier: BSD-3-Clause
"""Genuine Sentinels promote fastredis servers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from compat.sentinel import chaos

from support.server import fastredis_command

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / ".github" / "examples" / "sentinel_failover.py"
ROUNDS = 10
SEED = 20261124

pytestmark = pytest.mark.skipif(
    chaos.SENTINEL is None, reason="no redis-server, which has the Sentinel"
)


@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_whatever_happens_to_the_primary() -> None:
    chaos.run(fastredis_command(), ROUNDS, SEED, print)


@pytest.mark.timeout(150)
def test_the_example_of_the_documentation() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE, "--server", shlex.join(fastredis_command())],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all three servers have the count of" in done.stdout
