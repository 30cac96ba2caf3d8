# SPDX-License-Identifier: BSD-3-Clause
"""DEBUG: looks behind the scenes, and ways to upset the server, for tests.

Subcommands are rows of one table: name, numbers of arguments, handler, help. What
Redis has but this server cannot do yet replies an error that says why.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from fastredis.admin import crash, dataset
from fastredis.admin.config import is_allowed, rewrite
from fastredis.config.values import memory_bytes
from fastredis.engine.python_args import integer
from fastredis.persistence.snapshots import LoadFailed
from fastredis.resp.values import OK, RawReply, ReplyError, SimpleString, Verbatim

_NOT_ALLOWED: Final = (
    "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
    '"local", you can run it from a local connection, otherwise you need to set this '
    "option in the configuration file, and then restart the server."
)
_NO_KEY: Final = "ERR no such key"
_NOT_POSITIVE: Final = "ERR value is out of range, must be positive"
_I64_MAX: Final = 2**63 - 1
_PACKED_MAX: Final = 2**32 - 2**20  # what Redis allows
_PEAK_RESET_MS: Final = 5000  # what it is without DEBUG REPLYBUFFER


class _Row(NamedTuple):
    """A subcommand."""

    fewest: int  # arguments
    most: int
    handler: Callable[..., Any]
    usage: str
    help: str


def debug(ctx: Any, name: bytes, *args: bytes) -> Any:
    """Run a subcommand.

    Raises: ReplyError if DEBUG is not enabled for the client, if there is no such
        subcommand or it takes another number of arguments, and what it raises itself.
    """
    if not is_allowed(ctx, "enable-debug-command"):
        raise ReplyError(_NOT_ALLOWED)
    word = name.decode("utf-8", "surrogateescape").lower()
    row = _ROWS.get(word)
    if row is not None and row.fewest <= len(args) <= row.most:
        return row.handler(ctx, *args)
    if word in _MISSING:
        raise ReplyError(f"ERR DEBUG {word.upper()} is not available: {_MISSING[word]}")
    shown = name[:128].decode("utf-8", "surrogateescape")
    raise ReplyError(
        "ERR unknown subcommand or wrong number of arguments for "
        f"'{shown}'. Try DEBUG HELP."
    )


# --- Arguments --------------------------------------------------------------------


def _is_set(value: bytes) -> bool:
    """Read a switch: 0, or what is no number, is off."""
    number = re.match(rb"\s*[-+]?\d+", value)
    return number is not None and int(number[0]) != 0


def _seconds(value: bytes) -> float:
    """Read the number that a text begins with; 0 if it is none, or no finite one."""
    number = re.match(rb"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value)
    seconds = float(number[0]) if number else 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _type_of(ctx: Any, key: bytes) -> int | None:
    """Return the number of a key's type, None if there is no key."""
    found = ctx.server.engine.key_info(ctx.client.db, key)
    return None if found is None else int(found["type"])


# --- Time -------------------------------------------------------------------------


def _sleep(ctx: Any, value: bytes) -> SimpleString:
    """Let the server do nothing at all for a while."""
    seconds = _seconds(value)
    if seconds > 0:
        time.sleep(seconds)
    return OK


def _set_active_expire(ctx: Any, value: bytes) -> SimpleString:
    ctx.server.engine.set_active_expire(_is_set(value))
    return OK


def _set_skip_checksum_validation(ctx: Any, value: bytes) -> SimpleString:
    ctx.server.engine.set_checksum_skipped(_is_set(value))
    return OK


def _pause_cron(ctx: Any, value: bytes) -> SimpleString:
    ctx.server.is_cron_paused = _is_set(value)
    return OK


# --- Data -------------------------------------------------------------------------


def _aof_flush_sleep(ctx: Any, us: bytes) -> SimpleString:
    """Make writing slow."""
    ctx.server.aof.set_write_delay(integer(us, 0, 2**31 - 1, _NOT_POSITIVE))
    return OK


def _loadaof(ctx: Any) -> SimpleString:
    """Empty the server and load the append-only file."""
    try:
        ctx.server.aof.reload()
    except LoadFailed:
        ctx.server.fail_loading()
        raise ReplyError(
            "ERR Error trying to load the AOF files, check server logs"
        ) from None
    return OK


def _reload(ctx: Any, *options: bytes) -> SimpleString:
    """Save the data set and load it again."""
    words = {option.lower() for option in options}
    if words - {b"merge", b"noflush", b"nosave"}:
        raise ReplyError(
            "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
        )
    try:
        ctx.server.snapshots.reload(
            save=b"nosave" not in words,
            flush=b"noflush" not in words,
            merge=b"merge" in words,
        )
    except LoadFailed:
        # what is left of the data set is not to be served, nor to be saved
        ctx.server.fail_loading()
        raise ReplyError(
            "ERR Error trying to load the RDB dump, check server logs"
        ) from None
    return OK


def _populate(
    ctx: Any, count: bytes, prefix: bytes = b"key", size: bytes = b"0"
) -> SimpleString:
    """Add keys <prefix>:0 ... with values value:0 ..., cut or filled to a size."""
    number = integer(count, 0, _I64_MAX, _NOT_POSITIVE)
    nbytes = integer(size, 0, _I64_MAX, _NOT_POSITIVE)
    try:
        dataset.populate(ctx.server.engine, ctx.client.db, number, prefix, nbytes)
    except MemoryError:
        raise ReplyError("ERR insufficient memory for a value of this size") from None
    return OK


def _digest(ctx: Any) -> SimpleString:
    return SimpleString(dataset.digest(ctx.server.engine))


def _digest_value(ctx: Any, *keys: bytes) -> list[SimpleString]:
    engine, db = ctx.server.engine, ctx.client.db
    return [SimpleString(dataset.digest_value(engine, db, key)) for key in keys]


def _object(ctx: Any, key: bytes, mode: bytes = b"") -> SimpleString:
    """Describe a value.

    The serialized length is that of the RDB format without compression; the word
    fast leaves it out.
    """
    if mode.lower() not in (b"", b"fast"):
        raise ReplyError("ERR syntax error")
    engine, db = ctx.server.engine, ctx.client.db
    found = engine.key_info(db, key)
    if found is None:
        raise ReplyError(_NO_KEY)
    string = None if mode else dataset.string_info(engine, db, key)
    length = f"serializedlength:{rdb_string_nbytes(string[0])} " if string else ""
    return SimpleString(
        f"Value at:{found['address']:#x} refcount:1 encoding:{found['encoding']} "
        f"{length}lru:{found['lru']} lru_seconds_idle:{found['idle_s']}"
        + _quicklist_figures(dataset.list_nodes(engine, db, key))
    )


def _quicklist_figures(nodes: tuple[bool, int, int, int, int, int] | None) -> str:
    """Return what DEBUG OBJECT says of a quicklist; nothing of other values."""
    if nodes is None or not nodes[0]:
        return ""
    _, nnodes, count, fill, depth, nbytes = nodes
    return (
        f" ql_nodes:{nnodes} ql_avg_node:{count / nnodes:.2f} ql_listpack_max:{fill} "
        f"ql_compressed:{int(depth != 0)} ql_uncompressed_size:{nbytes}"
    )


def _packed_threshold(ctx: Any, size: bytes) -> SimpleString:
    """Set from which size on an element of a list has a node of its own."""
    nbytes = memory_bytes(size.decode("utf-8", "surrogateescape"))
    if nbytes is None or nbytes > _PACKED_MAX:
        raise ReplyError(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb"
        )
    dataset.set_packed_threshold(ctx.server.engine, nbytes)
    return OK


def rdb_string_nbytes(value: bytes) -> int:
    """Return the length of a string in the RDB format, without compression."""
    nbytes = len(value)
    if nbytes <= 11 and value.removeprefix(b"-").isdigit():
        number = int(value)
        if b"%d" % number == value:
            for width in (1, 2, 4):
                if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1:
                    return 1 + width
    if nbytes < 1 << 6:
        return 1 + nbytes
    if nbytes < 1 << 14:
        return 2 + nbytes
    return (5 if nbytes < 1 << 32 else 9) + nbytes


def _sdslen(ctx: Any, key: bytes) -> SimpleString:
    """Show length, room and allocations of a key and its string."""
    if _type_of(ctx, key) is None:
        raise ReplyError(_NO_KEY)
    found = dataset.string_info(ctx.server.engine, ctx.client.db, key)
    if found is None:
        raise ReplyError("ERR Not an sds encoded string.")
    value, avail, of_key, of_value = found
    return SimpleString(
        f"key_sds_len:{len(key)}, key_sds_avail:0, key_zmalloc: {of_key}, "
        f"val_sds_len:{len(value)}, val_sds_avail:{avail}, val_zmalloc: {of_value}"
    )


# --- Tables -----------------------------------------------------------------------


def _table_lines(table: dict[str, int], chains: list[int]) -> list[str]:
    """Return the figures of a hash table; chains may be empty, to leave them out."""
    lines = ["Hash table 0 stats (main hash table):"]
    if not table["used"]:
        return [*lines, "No stats available for empty dictionaries"]
    slots = table["buckets"] * dataset.struct_sizes()["slots_per_bucket"]
    lines += [
        f" table size: {slots}",
        f" number of elements: {table['used']}",
        f" buckets: {table['buckets']}",
        f" overflow buckets: {table['overflow']}",
        f" bytes: {table['nbytes']}",
    ]
    if chains:
        lines.append(" overflow buckets behind a bucket:")
        lines += [
            f"   {length}: {count} ({100 * count / table['buckets']:.2f}%)"
            for length, count in enumerate(chains)
            if count
        ]
    return lines


def _htstats(ctx: Any, number: bytes, mode: bytes = b"") -> Verbatim:
    """Show the figures of a database's hash table, and of its timing wheel.

    The word full adds how long the chains of overflow buckets are, O(buckets).
    """
    if mode.lower() not in (b"", b"full"):
        raise ReplyError("ERR syntax error")
    engine = ctx.server.engine
    db = integer(number, -_I64_MAX, _I64_MAX)
    if not 0 <= db < engine.ndatabases:
        raise ReplyError("ERR Out of range database")
    table = engine.table_info(db)
    chains = dataset.chain_lengths(engine, db) if mode else []
    lines = ["[Dictionary HT]", *_table_lines(table, chains)]
    expires = {row[0]: row[2] for row in engine.keyspace()}.get(db, 0)
    lines += ["[Expires HT]", f" number of elements: {expires}"]
    if table["wheel"]:
        lines += [
            f" timing wheel entries: {table['wheel']}",
            f" bytes: {table['wheel_nbytes']}",
        ]
    return Verbatim("\n".join(lines) + "\n")


def _htstats_key(ctx: Any, key: bytes, mode: bytes = b"") -> Verbatim:
    """Show the figures of a value's hash table."""
    if mode.lower() not in (b"", b"full"):
        raise ReplyError("ERR syntax error")
    if _type_of(ctx, key) is None:
        raise ReplyError(_NO_KEY)
    table = dataset.value_table(ctx.server.engine, ctx.client.db, key)
    if table is None:
        raise ReplyError(
            "ERR The value stored at the specified key is not represented using an "
            "hash table"
        )
    chains = table.pop("chains") if mode else []
    return Verbatim("\n".join(_table_lines(table, chains)) + "\n")


def _dict_resizing(ctx: Any, value: bytes) -> SimpleString:
    ctx.server.engine.set_frozen(not _is_set(value))
    return OK


def _structsize(ctx: Any) -> str:
    sizes = " ".join(f"{name}:{n}" for name, n in dataset.struct_sizes().items())
    return f"bits:64 {sizes}"


def _config_rewrite(ctx: Any) -> SimpleString:
    return rewrite(ctx, force_all=True)


# --- Replies ----------------------------------------------------------------------

_BIG_NUMBER: Final = b"1234567999999999999999999999999999999"
_AFTER_ATTRIBUTE: Final = b"Some real reply following the attribute"
_AFTER_PUSH: Final = b"Some real reply following the push reply"


def _protocol(ctx: Any, kind: bytes) -> Any:
    """Reply an example of a type of the protocol."""
    is_resp3 = ctx.client.resp >= 3
    plain: dict[bytes, Any] = {
        b"string": b"Hello World",
        b"integer": 12345,
        b"double": 3.141,
        b"null": None,
        b"array": [0, 1, 2],
        b"set": {0, 1, 2},
        b"map": {0: False, 1: True, 2: False},
        b"verbatim": Verbatim("This is a verbatim\nstring"),
        b"true": True,
        b"false": False,
        b"bignum": RawReply(b"(%b\r\n" % _BIG_NUMBER) if is_resp3 else _BIG_NUMBER,
    }
    kind = kind.lower()
    if kind in plain:
        return plain[kind]
    if kind == b"attrib":
        if not is_resp3:
            return _AFTER_ATTRIBUTE
        head = b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
        return RawReply(
            head + b"$%d\r\n%b\r\n" % (len(_AFTER_ATTRIBUTE), _AFTER_ATTRIBUTE)
        )
    if kind == b"push":
        if not is_resp3:
            raise ReplyError("ERR RESP2 is not supported by this command")
        # a push is no reply: what the client waits for comes after it
        head = b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"
        return RawReply(head + b"$%d\r\n%b\r\n" % (len(_AFTER_PUSH), _AFTER_PUSH))
    raise ReplyError(
        "ERR Wrong protocol type name. Please use one of the following: string|integer|"
        "double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
    )


def _error(ctx: Any, text: bytes) -> RawReply:
    """Reply an error with any text, which is not counted as one of the server's."""
    return RawReply(b"-%b\r\n" % text.replace(b"\r", b" ").replace(b"\n", b" "))


def _log(ctx: Any, text: bytes) -> SimpleString:
    shown = text.decode("utf-8", "surrogateescape")
    ctx.server.log.warning(f"DEBUG LOG: {shown}")
    return OK


# --- Clients ----------------------------------------------------------------------


def _replybuffer(ctx: Any, what: bytes, value: bytes) -> SimpleString:
    """Say how long the rbp of CLIENT LIST is remembered.

    RESIZING is accepted for the sake of tests that turn it off: a client has a
    buffer only while a reply waits, and that one is never resized.
    """
    word = what.lower()
    if word == b"peak-reset-time":
        times = {b"never": -1, b"reset": _PEAK_RESET_MS}
        ms = times.get(value.lower())
        if ms is None:
            ms = integer(value, 0, _I64_MAX)
        ctx.server.engine.set_peak_reset(ms)
        return OK
    if word == b"resizing":
        integer(value, 0, 1)
        return OK
    raise ReplyError("ERR syntax error")


def _client_eviction(ctx: Any) -> Verbatim:
    """Show how many clients take how much memory, by powers of two."""
    if not ctx.server.config["maxmemory-clients"]:
        raise ReplyError("ERR maxmemory-clients is disabled.")
    classes: dict[int, list[int]] = {}
    for client in ctx.server.engine.clients():
        if not client["is_no_evict"]:
            row = classes.setdefault(client["memory"].bit_length(), [0, 0])
            row[0] += client["memory"]
            row[1] += 1
    lines = ["below bytes     total bytes  clients"]
    lines += [
        f"{1 << bits:>11} {total:>15} {count:>8}"
        for bits, (total, count) in sorted(classes.items())
    ]
    return Verbatim("\n".join(lines) + "\n")


def _change_repl_id(ctx: Any) -> SimpleString:
    """Give the data set's history another name, as if it were another's."""
    ctx.server.replication.history.renew()
    ctx.server.log.warning("The replication id was changed by DEBUG CHANGE-REPL-ID")
    return OK


# --- Crashes ----------------------------------------------------------------------


def _segfault(ctx: Any) -> None:
    dataset.segfault()


def _assert(ctx: Any) -> None:
    ctx.server.log.warning("=== ASSERTION FAILED ===")
    ctx.server.log.warning("==> DEBUG ASSERT was asked for")
    if ctx.server.config["use-exit-on-panic"]:
        _end(ctx)
    dataset.fail_assertion()


def _panic(ctx: Any) -> None:
    for line in (
        "------------------------------------------------",
        "!!! Software Failure. Press left mouse button to continue",
        f"Guru Meditation: Panic called at Unixtime {int(time.time())}",
        "------------------------------------------------",
    ):
        ctx.server.log.warning(line)
    _end(ctx)


def _end(ctx: Any) -> None:
    """End the process as ``use-exit-on-panic`` says."""
    if ctx.server.config["use-exit-on-panic"]:
        crash.write_stacks()
        os._exit(1)
    os.abort()


def _stacktrace(ctx: Any) -> SimpleString:
    ctx.server.log.warning("DEBUG STACKTRACE was asked for")
    crash.write_stacks()
    return OK


# --- The table --------------------------------------------------------------------


def _help(ctx: Any) -> list[SimpleString]:
    lines = ["DEBUG <subcommand> [<argument> ...]. The subcommands:"]
    for row in _ROWS.values():
        lines += [row.usage, "    " + row.help]
    return [SimpleString(line) for line in lines]


_MANY: Final = 2**31
_ROWS: Final = {
    "config-rewrite-force-all": _Row(
        0,
        0,
        _config_rewrite,
        "CONFIG-REWRITE-FORCE-ALL",
        "Rewrites the configuration file with every directive, default values too.",
    ),
    "assert": _Row(
        0, 0, _assert, "ASSERT", "Fails an assertion, which ends the server."
    ),
    "change-repl-id": _Row(
        0,
        0,
        _change_repl_id,
        "CHANGE-REPL-ID",
        "Gives the history of the data set another id.",
    ),
    "client-eviction": _Row(
        0,
        0,
        _client_eviction,
        "CLIENT-EVICTION",
        "Shows how many clients take how much memory.",
    ),
    "dict-resizing": _Row(
        1,
        1,
        _dict_resizing,
        "DICT-RESIZING <0 | 1>",
        "Keeps the hash tables of the databases from growing and shrinking, or not.",
    ),
    "digest": _Row(
        0, 0, _digest, "DIGEST", "Shows a digest of all data, equal for equal data."
    ),
    "digest-value": _Row(
        0,
        _MANY,
        _digest_value,
        "DIGEST-VALUE [<key> ...]",
        "Shows a digest of each key's value.",
    ),
    "error": _Row(
        1, 1, _error, "ERROR <text>", "Replies an error with this text, code and all."
    ),
    "htstats": _Row(
        1,
        2,
        _htstats,
        "HTSTATS <index> [FULL]",
        "Shows the figures of a database's hash table.",
    ),
    "htstats-key": _Row(
        1,
        2,
        _htstats_key,
        "HTSTATS-KEY <key> [FULL]",
        "Shows the figures of the hash table that a value is kept in.",
    ),
    "log": _Row(1, 1, _log, "LOG <text>", "Writes a line into the server's log."),
    "object": _Row(
        1, 2, _object, "OBJECT <key> [FAST]", "Shows how a value is represented."
    ),
    "panic": _Row(0, 0, _panic, "PANIC", "Ends the server as if it were at a loss."),
    "pause-cron": _Row(
        1, 1, _pause_cron, "PAUSE-CRON <0 | 1>", "Stops the periodic work, or not."
    ),
    "populate": _Row(
        1,
        3,
        _populate,
        "POPULATE <count> [<prefix> [<size>]]",
        "Adds strings key:0, key:1 ... to this database, where there are none.",
    ),
    "protocol": _Row(
        1,
        1,
        _protocol,
        "PROTOCOL <type>",
        "Replies an example of a type: string, integer, double, bignum, null, array, "
        "set, map, attrib, push, verbatim, true, false.",
    ),
    "quicklist-packed-threshold": _Row(
        1,
        1,
        _packed_threshold,
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "Keeps elements of this size or more in nodes of their own; 0: as usual.",
    ),
    "aof-flush-sleep": _Row(
        1,
        1,
        _aof_flush_sleep,
        "AOF-FLUSH-SLEEP <microseconds>",
        "Sleeps before each write to the append-only file; 0: no more.",
    ),
    "loadaof": _Row(
        0,
        0,
        _loadaof,
        "LOADAOF",
        "Writes what waits for the append-only file, empties the server and loads it.",
    ),
    "reload": _Row(
        0,
        3,
        _reload,
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "Saves the data set, empties the server and loads the file. NOSAVE: loads what "
        "is there. NOFLUSH: keeps what the server has; with MERGE, keys of the file "
        "replace it.",
    ),
    "replybuffer": _Row(
        2,
        2,
        _replybuffer,
        "REPLYBUFFER <PEAK-RESET-TIME <NEVER | RESET | ms> | RESIZING <0 | 1>>",
        "Sets how long the largest reply of a client is remembered; reply buffers "
        "have one size, so that RESIZING changes nothing.",
    ),
    "sdslen": _Row(
        1,
        1,
        _sdslen,
        "SDSLEN <key>",
        "Shows length, room and allocations of a key and its string.",
    ),
    "segfault": _Row(
        0, 0, _segfault, "SEGFAULT", "Writes to memory that is not there."
    ),
    "set-active-expire": _Row(
        1,
        1,
        _set_active_expire,
        "SET-ACTIVE-EXPIRE <0 | 1>",
        "With 0, deletes keys whose time is over only when they are accessed.",
    ),
    "set-skip-checksum-validation": _Row(
        1,
        1,
        _set_skip_checksum_validation,
        "SET-SKIP-CHECKSUM-VALIDATION <0 | 1>",
        "With 1, RESTORE takes payloads whatever their checksum.",
    ),
    "sleep": _Row(
        1,
        1,
        _sleep,
        "SLEEP <seconds>",
        "Stops the server for that long, fractions included.",
    ),
    "stacktrace": _Row(
        0, 0, _stacktrace, "STACKTRACE", "Writes all stacks to the log and goes on."
    ),
    "structsize": _Row(
        0, 0, _structsize, "STRUCTSIZE", "Shows the sizes of the main C structs."
    ),
    "help": _Row(0, 0, _help, "HELP", "Explains the subcommands."),
}

_NO_SCRIPTS: Final = "this server runs no scripts yet"
_NO_PRINT: Final = "this server does not print its structures"
_NO_REPLICAS: Final = "this server does not replicate yet"
_NO_CLUSTER: Final = "this server is not part of a cluster"

_MISSING: Final = {
    "clusterlink": _NO_CLUSTER,
    "crash-and-recover": "this server does not start itself again",
    "drop-cluster-packet-filter": _NO_CLUSTER,
    "leak": "this server does not leak memory on demand",
    "listpack": _NO_PRINT,
    "mallctl": "it is for another allocator",
    "mallctl-str": "it is for another allocator",
    "oom": "this server does not run out of memory on demand",
    "quicklist": _NO_PRINT,
    "replicate": _NO_REPLICAS,
    "restart": "this server does not start itself again",
    "set-disable-deny-scripts": _NO_SCRIPTS,
    "stringmatch-test": "this server tests its patterns elsewhere",
}
