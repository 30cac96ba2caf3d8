# SPDX-License-Identifier: BSD-3-Clause
from collections.abc import Iterable
from typing import Any

def restore_requests(
    ctx: Any, keys: Iterable[bytes], is_replacing: bool
) -> tuple[bytes, list[bytes]]: ...
def delete_keys(ctx: Any, keys: Iterable[bytes]) -> None: ...
