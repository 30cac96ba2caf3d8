# SPDX-License-Identifier: BSD-3-Clause
"""``python -m fastredis`` is fastredis-server."""

import sys

from fastredis.cli.server import main

if __name__ == "__main__":
    sys.exit(main())
