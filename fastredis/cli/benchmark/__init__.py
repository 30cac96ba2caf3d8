# SPDX-License-Identifier: BSD-3-Clause
"""fastredis-benchmark: what a command costs the server, compared between servers.

    app ──► scenarios (what)   servers (start, stop)   proc (CPU clock, RSS, cores)
      └──► measure ──► load (redis-benchmark)   stream (fill, latency probe)
              └──► results (medians, ratios, verdicts) ──► report, chart

Entry point: ``main``. Uses the ``redis`` client for control connections, the
program ``redis-benchmark`` for load, and nothing else of fastredis: each server is
measured from outside, as a process. The method is explained in ``bench/README.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    from fastredis.cli.benchmark.app import run

    return run(argv)
