# SPDX-License-Identifier: BSD-3-Clause
"""Leak scripts, each in a process of its own.

In one process with other tests the counters of memory would be theirs too. A script
ends with 0 if what it made is gone, else it says what is left.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
SCRIPTS = sorted(path.stem for path in FOLDER.glob("leak_*.py"))


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize("script", SCRIPTS)
def test_leaves_nothing_behind(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(FOLDER / f"{script}.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
