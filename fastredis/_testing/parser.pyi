# SPDX-License-Identifier: BSD-3-Clause
from typing import Final

OK: Final[int]
MORE: Final[int]
ERROR: Final[int]

class Parser:
    error: str | None
    need: int
    bulk_nbytes: int
    is_patient: bool
    def __init__(
        self,
        max_bulk_nbytes: int = ...,
        is_limited: bool = False,
        is_patient: bool = True,
    ) -> None: ...
    @property
    def has_partial(self) -> bool: ...
    @property
    def pending(self) -> bytes: ...
    def feed(self, data: bytes) -> list[list[bytes]]: ...

def parse(
    data: bytes, max_bulk_nbytes: int = ..., is_limited: bool = False
) -> tuple[list[list[bytes]], str | None, bytes]: ...
def words(line: bytes) -> list[bytes] | None: ...
