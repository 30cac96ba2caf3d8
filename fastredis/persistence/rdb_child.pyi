# SPDX-License-Identifier: BSD-3-Clause
from typing import Any

from fastredis.engine.runtime import Engine

TEMP_RDB: str
TEMP_AOF: str

def start(
    engine: Engine,
    path: bytes,
    options: dict[str, Any],
    title: bytes | None = None,
    oom_score: int | None = None,
) -> tuple[int, int, int]: ...
def read_report(fd: int) -> dict[str, int] | None: ...
