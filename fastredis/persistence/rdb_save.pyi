# SPDX-License-Identifier: BSD-3-Clause
from typing import Any

from fastredis.engine.runtime import Engine

def save(
    engine: Engine, path: bytes, options: dict[str, Any]
) -> tuple[int, int, int, int, int]: ...
