# SPDX-License-Identifier: BSD-3-Clause
from fastredis.engine.runtime import Engine

class RdbError(Exception):
    kind: str
    offset: int
    def __init__(self, kind: str, message: str, offset: int = 0) -> None: ...

class RdbLoader:
    empties: list[bytes]
    aux: dict[bytes, bytes]
    functions: list[bytes]
    modules: list[str]
    is_valkey: bool
    def __init__(
        self,
        engine: Engine,
        path: bytes | str,
        *,
        checksum: bool = True,
        replaces: bool = False,
        checks: bool = False,
        any_version: bool = False,
        keeps_expired: bool = False,
        delay_us: int = 0,
    ) -> None: ...
    def step(self, nbytes: int) -> bool: ...
    @property
    def offset(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def has_checksum(self) -> bool: ...
    @property
    def current(self) -> tuple[int, bytes | None]: ...
    @property
    def counts(self) -> tuple[int, int, int, int]: ...
