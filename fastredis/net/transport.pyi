# SPDX-License-Identifier: BSD-3-Clause
import asyncio

from fastredis.engine.runtime import Engine

class TransportRoad:
    @property
    def nclients(self) -> int: ...
    def __init__(self, engine: Engine) -> None: ...
    def __call__(self) -> asyncio.BufferedProtocol: ...
