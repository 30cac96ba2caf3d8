# SPDX-License-Identifier: BSD-3-Clause
"""``python -m fastredis.cli.benchmark``: the same as fastredis-benchmark."""

from __future__ import annotations

import sys

from fastredis.cli.benchmark import main

if __name__ == "__main__":
    sys.exit(main())
