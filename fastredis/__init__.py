# SPDX-License-Identifier: BSD-3-Clause
"""fastredis: a Redis-compatible server in Python and Cython.

Entry points: ``fastredis-server`` (``fastredis.cli.server``), ``fastredis.Server``
for a server inside a process, ``fastredis.command`` to add commands in Python.
Imports are lazy, since start-up time is multiplied by every test that starts one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from fastredis.commands.custom import command
    from fastredis.resp.values import NULL_ARRAY, OK, ReplyError, SimpleString, Verbatim
    from fastredis.server import Server

__all__ = [
    "NULL_ARRAY",
    "OK",
    "ReplyError",
    "Server",
    "SimpleString",
    "Verbatim",
    "__version__",
    "command",
]

_HOME = {
    "Server": "fastredis.server",
    "command": "fastredis.commands.custom",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fastredis' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME.get(name, "fastredis.resp.values")), name)
    globals()[name] = value
    return value
