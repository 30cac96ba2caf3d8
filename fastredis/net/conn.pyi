# SPDX-License-Identifier: BSD-3-Clause
from fastredis.engine.runtime import Engine

def end_round(engine: Engine) -> None: ...
