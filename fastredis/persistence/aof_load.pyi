# SPDX-License-Identifier: BSD-3-Clause
from typing_extensions import Buffer

from fastredis.engine.runtime import Engine

class AofError(Exception):
    offset: int
    is_truncated: bool
    command: bytes

class AofLoader:
    ncommands: int
    def __init__(
        self, engine: Engine, offset: int = 0, *, delay_us: int = 0
    ) -> None: ...
    def feed(self, piece: Buffer) -> None: ...
    def end(self) -> None: ...
