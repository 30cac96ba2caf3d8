# SPDX-License-Identifier: BSD-3-Clause
from fastredis.engine.runtime import Engine

def set_foreign(engine: Engine, db: int, key: bytes) -> None: ...
