# SPDX-License-Identifier: BSD-3-Clause
"""Seeds for tests that compare a structure with a model by random operations."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

LONG_FACTOR = 20


def seeds(n: int) -> Sequence[int]:
    """Return n seeds, always the same; new ones, and more, in a long run.

    A long run is one with FASTREDIS_HYPOTHESIS=long, as for the tests that hypothesis
    drives. The seed is part of the test's name, so that a failure can be repeated.
    """
    if os.environ.get("FASTREDIS_HYPOTHESIS") != "long":
        return range(n)
    drawn = random.SystemRandom()
    return [drawn.randrange(10**9) for _ in range(n * LONG_FACTOR)]
