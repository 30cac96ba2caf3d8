# SPDX-License-Identifier: BSD-3-Clause
"""A server that is killed while clients write has lost nothing that it promised.

See support.crash, which also does this for as long as one likes.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.crash import Plan, Trial

# Each policy and both kinds of base; what goes on; how it ends.
PLANS = [
    Plan("always", True, "", True, False, 0.6),
    Plan("always", False, "rewrite", True, False, 0.9),
    Plan("always", True, "rewrite", True, False, 1.2),
    Plan("always", True, "save", True, False, 0.5),
    Plan("always", False, "toggle", True, False, 0.9),
    Plan("always", False, "rewrite", False, True, 0.7),
    Plan("always", True, "toggle", False, False, 0.8),
    Plan("everysec", True, "", True, False, 3.5),
    Plan("everysec", True, "rewrite", True, False, 3.0),
    Plan("everysec", False, "rewrite", True, False, 2.6),
    Plan("everysec", True, "toggle", True, False, 1.0),
    Plan("everysec", True, "rewrite", False, True, 0.7),
    Plan("everysec", False, "save", False, True, 0.8),
    Plan("no", True, "rewrite", True, False, 0.9),
    Plan("no", False, "toggle", True, False, 0.7),
    Plan("no", False, "rewrite", False, False, 0.6),
    Plan("no", True, "save", False, True, 0.5),
    Plan("", True, "", True, False, 1.0),
    Plan("", True, "", False, True, 1.2),
    Plan("", True, "", False, False, 0.4),
]


def name_of(plan: Plan) -> str:
    """Return what the test of a plan is called."""
    end = "power" if plan.power else "orphan" if plan.orphan else "kill"
    base = "rdb" if plan.preamble else "aof"
    return "-".join((plan.policy or "snapshots", base, plan.action or "quiet", end))


@pytest.mark.parametrize("number", range(len(PLANS)), ids=map(name_of, PLANS))
def test_what_was_acknowledged_is_there(tmp_path: Path, number: int) -> None:
    Trial(tmp_path, random.Random(number), 1.0).run(PLANS[number])
