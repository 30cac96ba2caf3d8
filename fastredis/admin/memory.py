# SPDX-License-Identifier: BSD-3-Clause
"""MEMORY: what memory is used for.

One function adds up the figures, for INFO and for MEMORY STATS; their names and order
there are Redis's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from fastredis.admin import observed
from fastredis.commands.spec.syntax import help_lines
from fastredis.engine.python_args import integer
from fastredis.resp.values import OK, ReplyError, Verbatim

if TYPE_CHECKING:
    from fastredis.resp.values import SimpleString

_MB: Final = 1024 * 1024
_BUCKET: Final = 64  # bytes of a hash table's bucket
_SAMPLES: Final = 5


class Figures(NamedTuple):
    """What memory is used for, in bytes."""

    used: int
    peak: int
    startup: int
    resident: int  # 0: not known
    clients: int
    backlog: int  # what is kept of the stream of changes,
    replicas: int  # and beyond that since a replica has not got it
    aof_buffer: int
    tables: dict[int, tuple[int, int]]  # by database: hash table, timing wheel
    buckets: int  # of the hash tables
    keys: int

    @property
    def overhead(self) -> int:
        """What is not the data set."""
        tables = sum(table + wheel for table, wheel in self.tables.values())
        return (
            self.startup
            + self.clients
            + self.backlog
            + self.replicas
            + self.aof_buffer
            + tables
        )

    @property
    def dataset(self) -> int:
        """Keys and values."""
        return max(0, self.used - self.overhead)

    @property
    def net(self) -> int:
        """What is used beyond what an empty server needs."""
        return max(0, self.used - self.startup)


def figures(server: Any) -> Figures:
    """Add up what memory is used for."""
    engine = server.engine
    stats = engine.stats()
    clients, _, _ = engine.buffers()
    rows = engine.keyspace()
    tables = {row[0]: engine.table_info(row[0]) for row in rows}
    stream = server.replication.primary.backlog.nbytes
    kept = server.config["repl-backlog-size"]
    return Figures(
        used=stats["used_memory"],
        peak=stats["peak_memory"],
        startup=engine.startup_memory,
        resident=resident(),
        clients=clients,
        backlog=min(stream, kept),
        replicas=max(0, stream - kept),
        aof_buffer=server.aof.waiting_bytes,
        tables={db: (t["nbytes"], t["wheel_nbytes"]) for db, t in tables.items()},
        buckets=sum(t["buckets"] for t in tables.values()) * _BUCKET,
        keys=sum(row[1] for row in rows),
    )


def resident() -> int:
    """Return the process's resident memory in bytes, 0 where it cannot be known."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


# --- Handlers ---------------------------------------------------------------------


def memory_usage(ctx: Any, key: bytes, *options: bytes) -> int | None:
    """Return the bytes that a key and its value take.

    Raises: ReplyError for options that are none.
    """
    samples, rest = _SAMPLES, list(options)
    while rest:
        if rest[0].lower() != b"samples" or len(rest) < 2:
            raise ReplyError("ERR syntax error")
        samples = integer(rest[1])
        if samples < 0:
            raise ReplyError("ERR syntax error")
        del rest[:2]
    return observed.memory_usage(ctx.server.engine, ctx.client.db, key, samples)


def memory_stats(ctx: Any) -> dict[str, Any]:
    """Return the figures by name."""
    f = figures(ctx.server)
    resident_bytes = f.resident or f.used
    stats: dict[str, Any] = {
        "peak.allocated": f.peak,
        "total.allocated": f.used,
        "startup.allocated": f.startup,
        "replication.backlog": f.backlog,
        "clients.slaves": f.replicas,
        "clients.normal": f.clients,
        "cluster.links": 0,
        "aof.buffer": f.aof_buffer,
        "lua.caches": 0,
        "functions.caches": 0,
        "script.VMs": 0,
    }
    for db, (table, wheel) in f.tables.items():
        stats[f"db.{db}"] = {
            "overhead.hashtable.main": table,
            "overhead.hashtable.expires": wheel,
        }
    stats |= {
        "overhead.db.hashtable.lut": f.buckets,
        # tables grow by a bucket at a time, there is never an old one beside a new one
        "overhead.db.hashtable.rehashing": 0,
        "db.dict.rehashing.count": 0,
        "overhead.total": f.overhead,
        "keys.count": f.keys,
        "keys.bytes-per-key": f.net // f.keys if f.keys else 0,
        "dataset.bytes": f.dataset,
        "dataset.percentage": 100 * f.dataset / f.net if f.net else 0.0,
        "peak.percentage": 100 * f.used / f.peak if f.peak else 0.0,
        # the allocator tells no more than what is in use, so that what is resident
        # counts as active
        "allocator.allocated": f.used,
        "allocator.active": resident_bytes,
        "allocator.resident": resident_bytes,
        "allocator.muzzy": 0,
        "allocator-fragmentation.ratio": resident_bytes / f.used,
        "allocator-fragmentation.bytes": resident_bytes - f.used,
        "allocator-rss.ratio": 1.0,
        "allocator-rss.bytes": 0,
        "rss-overhead.ratio": 1.0,
        "rss-overhead.bytes": 0,
        "fragmentation": resident_bytes / f.used,
        "fragmentation.bytes": resident_bytes - f.used,
    }
    return stats


def memory_purge(ctx: Any) -> SimpleString:
    """Give free memory back to the system."""
    ctx.server.engine.purge_memory()
    return OK


def memory_malloc_stats(ctx: Any) -> Verbatim:
    """Return what the allocator says of itself."""
    return Verbatim(observed.allocator_report())


def memory_help(ctx: Any) -> list[SimpleString]:
    """Explain the subcommands."""
    return help_lines(ctx.server.specs["memory"])


# --- Doctor -----------------------------------------------------------------------

_SMALL: Final = 5 * _MB  # with less data, ratios say nothing
_PEAK_RATIO: Final = 1.5
_FRAGMENTATION: Final = 1.4
_CLIENT_SHARE: Final = 200 * 1024  # bytes a client


def memory_doctor(ctx: Any) -> Verbatim:
    """Report on what is unusual about the use of memory."""
    f = figures(ctx.server)
    if f.net < _SMALL:
        return Verbatim(
            "There is hardly any data, so that the figures say little about how "
            "memory is used. Ask again when there is more.\n"
        )
    found = []
    if f.peak > f.used * _PEAK_RATIO:
        found.append(
            f"The peak was {f.peak / f.used:.1f} times what is used now. Memory that "
            "was given up may still be held by the allocator, which raises the "
            "fragmentation shown; MEMORY PURGE gives back what is free."
        )
    ratio = (f.resident or f.used) / f.used
    if ratio > _FRAGMENTATION and f.resident - f.used > 10 * _MB:
        found.append(
            f"The process takes {ratio:.1f} times the memory that is used. Part of it "
            "is the program itself; the rest is free memory between what is used. "
            "MEMORY PURGE may help, a restart always does."
        )
    n = ctx.server.engine.nclients
    if n and f.clients / n > _CLIENT_SHARE:
        found.append(
            f"Clients take {f.clients // n // 1024} KB each. CLIENT LIST shows which "
            "of them read their replies slowly (omem) or send large requests (qbuf); "
            "maxmemory-clients and client-output-buffer-limit set limits."
        )
    if not found:
        return Verbatim("Nothing is unusual about the use of memory.\n")
    return Verbatim("\n".join(["What is unusual:", "", *found]) + "\n")
