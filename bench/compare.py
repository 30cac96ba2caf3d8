#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""fastredis-benchmark from a checkout: ``python bench/compare.py --help``.

The same program as the installed one; the method is in README.md beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import main

if __name__ == "__main__":
    sys.exit(main())
