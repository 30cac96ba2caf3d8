# SPDX-License-Identifier: BSD-3-Clause
"""The program fastredis-check-rdb: reads an RDB file as the server would.

Every value is decoded and checked, but none is kept, so that a file of any size can
be looked at. Exit codes are those of redis-check-rdb: 0 the file is good, 1 it is not
or cannot be read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from fastredis.cli.progress import Progress

if TYPE_CHECKING:
    from fastredis.engine.runtime import Engine
    from fastredis.persistence.rdb_load import RdbError, RdbLoader

USAGE: Final = """\
Usage: fastredis-check-rdb <file.rdb>
       fastredis-check-rdb -v | --version
       fastredis-check-rdb -h | --help

Reads an RDB file, checks its checksum and every value in it, and tells what is there.
The exit code is 0 if a server can load the file, else 1.
"""

_STEP_NBYTES: Final = 4 * 1024 * 1024
_TYPES: Final = {
    0: "string", 1: "list", 2: "set", 3: "zset", 4: "hash", 5: "zset",
    6: "module", 7: "module", 9: "hash-zipmap", 10: "list-ziplist", 11: "set-intset",
    12: "zset-ziplist", 13: "hash-ziplist", 14: "quicklist", 15: "stream",
    16: "hash-listpack", 17: "zset-listpack", 18: "quicklist-v2", 19: "stream-v2",
    20: "set-listpack", 21: "stream-v3", 22: "hash-with-expiries",
    23: "hash-metadata-pre-ga", 24: "hash-metadata", 25: "hash-listpack-ex",
}  # fmt: skip
# What the reading of values depends on.
_LIMITS: Final = (
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "list-max-listpack-size",
    "set-max-intset-entries",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code.

    argv: the arguments without the program's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["-v"], ["--version"]):
        from fastredis import __version__

        print(f"fastredis-check-rdb {__version__}")
        return 0
    if arguments in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if len(arguments) != 1:
        print(USAGE, end="", file=sys.stderr)
        return 1
    return check(arguments[0])


def check(path: str) -> int:
    """Check a file and print what was found; return the exit code."""
    return 1 if check_preamble(path) is None else 0


def check_preamble(path: str) -> int | None:
    """Check the RDB data that a file begins with, and print what was found.

    Returns: where it ends, which is not the file's end if requests follow, as in an
        append-only file; None: a server could not load it.
    """
    from fastredis.persistence.rdb_load import RdbError, RdbLoader

    print(f"[offset 0] Checking RDB file {path}")
    try:
        loader = RdbLoader(_engine(), path, checks=True)
    except OSError as error:
        print(f"Cannot open file {path}: {error.strerror}")
        return None
    except RdbError as error:
        _print_error(error, None)
        return None
    try:
        _read(loader)
    except RdbError as error:
        _print_aux(loader)
        _print_error(error, loader)
        _print_counts(loader)
        return None
    _print_aux(loader)
    if loader.version < 5:
        state = "No checksum: a file of this age has none"
    elif loader.has_checksum:
        state = "Checksum OK"
    else:
        state = "RDB file was saved with checksum disabled: no check performed"
    print(f"[offset {loader.offset}] {state}")
    print(f"[offset {loader.offset}] \\o/ RDB looks OK! \\o/")
    _print_counts(loader)
    return loader.offset


def _engine() -> Engine:
    """Return an engine with the limits that a server has by default."""
    from fastredis.config.spec import BY_NAME
    from fastredis.engine.runtime import Engine

    engine = Engine(1)
    for name in _LIMITS:
        engine.set_option(name, BY_NAME[name].default)
    return engine


def _read(loader: RdbLoader) -> None:
    """Read the file; on a terminal, tell how far that is.

    Raises: RdbError.
    """
    progress = Progress(loader.nbytes)
    while loader.step(_STEP_NBYTES):
        progress.show(loader.offset)
    progress.end()


# --- Report -----------------------------------------------------------------------


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _print_aux(loader: RdbLoader) -> None:
    kind = "Valkey" if loader.is_valkey else "Redis"
    print(f"[info] format version {loader.version} ({kind})")
    for name, value in loader.aux.items():
        print(f"[info] AUX FIELD {_shown(name)} = '{_shown(value)}'")


def _print_error(error: RdbError, loader: RdbLoader | None) -> None:
    print("--- RDB ERROR DETECTED ---")
    what = "Unexpected EOF reading RDB file: " if error.kind == "short" else ""
    print(f"[offset {error.offset}] {what}{error}")
    if loader is None:
        return
    kind, key = loader.current
    if key is not None:
        print(f"[additional info] Reading key '{_shown(key)}'")
    if kind in _TYPES:
        print(f"[additional info] Reading type {kind} ({_TYPES[kind]})")


def _print_counts(loader: RdbLoader) -> None:
    loaded, with_expiry, expired, empty = loader.counts
    print(f"[info] {loaded + expired} keys read")
    print(f"[info] {with_expiry + expired} expires")
    print(f"[info] {expired} already expired")
    if empty:
        print(f"[info] {empty} empty keys, which a server skips")
    if loader.functions:
        print(f"[info] {len(loader.functions)} libraries of functions")
    for name in loader.modules:
        print(f"[info] data of the module {name}")


if __name__ == "__main__":
    sys.exit(main())
