# SPDX-License-Identifier: BSD-3-Clause
"""An append-only file with bits flipped, one after the other, loaded each time.

    python -m support.flips FOLDER BIT ...

Of every byte the bits of these numbers are flipped. The folder is the working directory
of a server. Each file of its append-only file is tried: the manifest, the base, the
increments. A server within this process, which does not run, loads it: that must end in
a data set that can be walked, or be refused with a reason. This is a program of its
own, so that a test sees it crash or hang.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import fastredis
from fastredis.persistence.snapshots import LoadFailed


class Reader:
    """A server that loads what is in the working directory."""

    def __init__(self, **options: Any) -> None:
        self.server = fastredis.Server(
            appendonly="yes", enable_debug_command="yes", logfile=os.devnull, **options
        )

    def load(self) -> str | None:
        """Return the digest of what could be loaded; None: it was refused."""
        self.server.engine.flush_all()
        try:
            for _ in self.server.aof.load():
                pass
        except LoadFailed as reason:
            if not str(reason):
                raise
            return None
        found = self.server.call("DEBUG", "DIGEST")
        return str(found)


def flip(path: Path, reader: Reader, bits: list[int]) -> dict[str, int]:
    """Try every byte of a file; return how often that was loaded, and refused."""
    content = path.read_bytes()
    counts = {"loaded": 0, "refused": 0}
    for at in range(len(content)):
        for bit in bits:
            changed = bytearray(content)
            changed[at] ^= 1 << bit
            path.write_bytes(changed)
            is_loaded = reader.load() is not None
            counts["loaded" if is_loaded else "refused"] += 1
    path.write_bytes(content)
    return counts


def main() -> None:
    """Try all files, and print the counts."""
    os.chdir(sys.argv[1])
    reader = Reader(aof_load_truncated="no")
    before = reader.load()
    assert before is not None
    counts = {}
    for path in sorted(Path("appendonlydir").iterdir()):
        counts[path.name] = flip(path, reader, list(map(int, sys.argv[2:])))
    assert reader.load() == before
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
