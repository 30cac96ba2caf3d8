# SPDX-License-Identifier: BSD-3-Clause
"""INFO: what the server tells about itself, in sections of ``name:value`` lines.

Names, order and formats are those of Redis 8, since tools read them. A field about a
feature that does not exist here has the value that Redis shows while the feature is
not in use, if that is true (no replica is connected, nothing has been evicted); a
field whose value is not known is left out.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from fastredis.persistence.aof import State
from fastredis.resp.values import Verbatim

if TYPE_CHECKING:
    from fastredis.persistence.aof import AppendOnly

Field = tuple[str, object]

_KB: Final = 1024
_UNITS: Final = "KMGTP"
_SECONDS_PER_DAY: Final = 86400
_BITS: Final = 64 if sys.maxsize > 2**32 else 32
# What may not stand in a name, lest it looks like the end of it.
_UNSAFE: Final = str.maketrans("#:\r\n", "____")


def info(ctx: Any, *names: bytes) -> Verbatim:
    """Return the sections of these names, by default those of common interest.

    Unknown names are passed over. ``default``, ``all`` and ``everything`` stand for
    several sections; ``debug`` is in none of these. The last two differ in what modules
    add, and there are no modules.
    """
    wanted: set[str] = set()
    for name in names or (b"default",):
        word = name.decode("latin-1").lower()
        if word == "default":
            wanted |= _DEFAULT
        elif word in ("all", "everything"):
            wanted |= _ALL
        else:
            wanted.add(word)
    server = ctx.server
    texts = [
        f"# {title}\r\n"
        + "".join([f"{name}:{value}\r\n" for name, value in of(server)])
        for section, (title, of) in SECTIONS.items()
        if section in wanted
    ]
    return Verbatim("\r\n".join(texts))


# --- Formats ----------------------------------------------------------------------


def human(nbytes: int) -> str:
    """Write a number of bytes with a unit, as in 1.50M."""
    if nbytes < _KB:
        return f"{nbytes}B"
    value, power = nbytes / _KB, 0
    while value >= _KB and power < len(_UNITS) - 1:
        value /= _KB
        power += 1
    return f"{value:.2f}{_UNITS[power]}"


def _sized(name: str, nbytes: int) -> Iterator[Field]:
    """Return a number of bytes, plain and with a unit."""
    yield name, nbytes
    yield name + "_human", human(nbytes)


def _percent(part: float, whole: float) -> str:
    """Write a share in percent."""
    return f"{100 * part / whole if whole else 0:.2f}%"


def _ratio(part: float, whole: float) -> str:
    """Write a ratio with two decimals."""
    return f"{part / whole if whole else 0:.2f}"


def _safe(name: bytes) -> str:
    """Return a name with all that it may not hold replaced."""
    return name.decode("utf-8", "surrogateescape").translate(_UNSAFE)


def _percentile(value: float) -> str:
    """Write a percentile without trailing zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


# --- Server -----------------------------------------------------------------------


@cache
def _system() -> str:
    """Return name, release and machine of the system."""
    name = os.uname()
    return f"{name.sysname} {name.release} {name.machine}"


def _executable() -> str:
    """Return the path of the program that runs."""
    path = sys.argv[0] if sys.argv else ""
    return os.path.abspath(path if path and os.path.exists(path) else sys.executable)


def _clock(ticks: float) -> str:
    """Say what durations are measured with."""
    if not ticks:
        return "POSIX clock_gettime"
    counter = "X86 TSC" if os.uname().machine in ("x86_64", "AMD64") else "ARM CNTVCT"
    return f"{counter} @ {ticks:.0f} ticks/us"


def _listeners(server: Any) -> Iterator[str]:
    """Describe what is listened on."""
    config = server.config
    if server.port:
        binds = "".join(f",bind={address}" for address in config["bind"])
        yield f"name=tcp{binds},port={server.port}"
    if config["unixsocket"]:
        yield f"name=unix,bind={config['unixsocket']}"
    if server.tls_port:
        binds = "".join(f",bind={address}" for address in config["bind"])
        yield f"name=tls{binds},port={server.tls_port}"


def _server(server: Any) -> Iterator[Field]:
    from fastredis import __version__
    from fastredis.config.spec import REDIS_VERSION

    config, engine = server.config, server.engine
    ticks, compiler = engine.platform()
    now = time.time()
    uptime = max(0, int(now - server.started_at))
    yield "redis_version", REDIS_VERSION
    yield "server_name", "fastredis"
    yield "fastredis_version", __version__
    yield "redis_git_sha1", "00000000"
    yield "redis_git_dirty", 0
    yield "redis_build_id", f"fastredis-{__version__}"
    yield "redis_mode", "standalone"
    yield "os", _system()
    yield "arch_bits", _BITS
    yield "monotonic_clock", _clock(ticks)
    yield "multiplexing_api", "epoll" if server.uses_epoll else "libuv"
    yield "atomicvar_api", "atomic-builtin"
    if any(compiler):
        yield "gcc_version", ".".join(map(str, compiler))
    yield "process_id", os.getpid()
    yield "process_supervised", server.supervisor or "no"
    yield "run_id", server.run_id
    yield "tcp_port", server.port
    yield "server_time_usec", int(now * 1e6)
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // _SECONDS_PER_DAY
    yield "hz", config["hz"]
    yield "configured_hz", config["hz"]
    yield "lru_clock", engine.stats()["lru_clock"]
    yield "executable", _executable()
    yield "config_file", config.file or ""
    yield "io_threads_active", 0
    for i, text in enumerate(_listeners(server)):
        yield f"listener{i}", text


# --- Clients ----------------------------------------------------------------------


def _clients(server: Any) -> Iterator[Field]:
    engine = server.engine
    stats = engine.stats()
    _, largest_in, largest_out = engine.buffers()
    yield "connected_clients", engine.nclients
    yield "cluster_connections", 0
    yield "maxclients", server.config["maxclients"]
    yield "client_recent_max_input_buffer", largest_in
    yield "client_recent_max_output_buffer", largest_out
    yield "blocked_clients", engine.nblocked
    yield "tracking_clients", stats["tracking_clients"]
    yield "pubsub_clients", stats["pubsub_clients"]
    yield "watching_clients", stats["watching_clients"]
    yield "clients_in_timeout_table", 0
    yield "total_watched_keys", stats["watched_keys"]
    yield "total_blocking_keys", engine.nblocking_keys
    yield "total_blocking_keys_on_nokey", engine.nblocking_keys_until_gone


# --- Memory -----------------------------------------------------------------------


@cache
def _system_memory() -> int:
    """Return the machine's memory in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory(server: Any) -> Iterator[Field]:
    from fastredis.admin.memory import figures

    stats = server.engine.stats()
    f = figures(server)
    yield from _sized("used_memory", f.used)
    if f.resident:
        yield from _sized("used_memory_rss", f.resident)
    yield from _sized("used_memory_peak", f.peak)
    yield "used_memory_peak_perc", _percent(f.used, f.peak)
    yield "used_memory_overhead", f.overhead
    yield "used_memory_startup", f.startup
    yield "used_memory_dataset", f.dataset
    yield "used_memory_dataset_perc", _percent(f.dataset, f.net)
    if f.resident:
        # the allocator tells what is in use and no more: what is resident is active
        yield "allocator_allocated", f.used
        yield "allocator_active", f.resident
        yield "allocator_resident", f.resident
        yield "allocator_muzzy", 0
    yield from _sized("total_system_memory", _system_memory())
    yield "used_memory_lua", 0
    yield "used_memory_vm_eval", 0
    yield "used_memory_lua_human", human(0)
    yield "used_memory_scripts_eval", 0
    yield "number_of_cached_scripts", 0
    yield "number_of_functions", 0
    yield "number_of_libraries", 0
    yield "used_memory_vm_functions", 0
    yield from _sized("used_memory_vm_total", 0)
    yield "used_memory_functions", 0
    yield from _sized("used_memory_scripts", 0)
    # no limit is in force, whatever the directive says: there is no eviction yet;
    # the policy says what is known of the use of keys
    yield from _sized("maxmemory", 0)
    yield "maxmemory_policy", server.config["maxmemory-policy"]
    if f.resident:
        yield "allocator_frag_ratio", _ratio(f.resident, f.used)
        yield "allocator_frag_bytes", f.resident - f.used
        yield "allocator_rss_ratio", "1.00"
        yield "allocator_rss_bytes", 0
        yield "rss_overhead_ratio", "1.00"
        yield "rss_overhead_bytes", 0
        yield "mem_fragmentation_ratio", _ratio(f.resident, f.used)
        yield "mem_fragmentation_bytes", f.resident - f.used
    yield "mem_not_counted_for_evict", 0
    yield "mem_replication_backlog", f.backlog
    yield "mem_total_replication_buffers", f.backlog + f.replicas
    yield "mem_replica_full_sync_buffer", 0
    yield "mem_clients_slaves", f.replicas
    yield "mem_clients_normal", f.clients
    yield "mem_cluster_links", 0
    yield "mem_aof_buffer", f.aof_buffer
    yield "mem_allocator", stats["allocator"]
    # a table grows by one bucket at a time, there is no second one beside it
    yield "mem_overhead_db_hashtable_rehashing", 0
    yield "active_defrag_running", 0
    yield "lazyfree_pending_objects", stats["lazyfree_pending"]
    yield "lazyfreed_objects", stats["lazyfree_freed"]


# --- Persistence ------------------------------------------------------------------


def _persistence(server: Any) -> Iterator[Field]:
    """Tell how saving and loading went; there is no append-only file."""
    snapshots = server.snapshots
    child, loader = snapshots.child, snapshots.loader
    report = {}
    age = total = 0
    if child is not None:
        child.read()
        report, total = child.last, child.total
        age = int(time.time() - child.last_at) if report else 0
    done = report.get("nkeys", 0)
    loaded, expired = snapshots.last_loaded
    yield "loading", int(loader is not None)
    yield "async_loading", 0
    yield "current_cow_peak", report.get("cow_peak", 0)
    yield "current_cow_size", report.get("cow_nbytes", 0)
    yield "current_cow_size_age", age
    yield "current_fork_perc", f"{100 * done / total if total else 0:.2f}"
    yield "current_save_keys_processed", done
    yield "current_save_keys_total", total
    yield "rdb_changes_since_last_save", snapshots.changes
    yield "rdb_bgsave_in_progress", int(child is not None)
    # Redis, too, begins with the time of its start
    yield "rdb_last_save_time", snapshots.last_save
    yield "rdb_last_bgsave_status", "ok" if snapshots.is_last_good else "err"
    yield "rdb_last_bgsave_time_sec", snapshots.last_seconds
    yield (
        "rdb_current_bgsave_time_sec",
        -1 if child is None else int(time.time() - child.started),
    )
    yield "rdb_saves", snapshots.saves
    yield "rdb_last_cow_size", snapshots.last_cow
    yield "rdb_last_load_keys_expired", expired
    yield "rdb_last_load_keys_loaded", loaded
    yield from _aof(server.aof)
    yield "module_fork_in_progress", 0
    yield "module_fork_last_cow_size", 0
    if server.aof.state is not State.OFF:
        yield from _aof_files(server.aof)
    if loader is not None:
        yield from _loading(snapshots, loader)


def _aof(aof: AppendOnly) -> Iterator[Field]:
    """Tell of the append-only file, whether there is one or not."""
    yield "aof_enabled", int(aof.state is not State.OFF)
    yield "aof_rewrite_in_progress", int(aof.child is not None)
    yield "aof_rewrite_scheduled", int(aof.is_scheduled)
    yield "aof_last_rewrite_time_sec", aof.last_seconds
    yield (
        "aof_current_rewrite_time_sec",
        -1 if aof.child is None else int(time.time() - aof.child.started),
    )
    yield "aof_last_bgrewrite_status", "ok" if aof.is_last_good else "err"
    yield "aof_rewrites", aof.rewrites
    yield "aof_rewrites_consecutive_failures", aof.failures
    yield "aof_last_write_status", "err" if aof.error else "ok"
    yield "aof_last_cow_size", aof.last_cow


def _aof_files(aof: AppendOnly) -> Iterator[Field]:
    """Tell of the files that are being written."""
    yield "aof_current_size", aof.size
    yield "aof_base_size", aof.base_size
    yield "aof_pending_rewrite", int(aof.is_scheduled)
    yield "aof_buffer_length", aof.waiting_bytes
    yield "aof_pending_bio_fsync", int(aof.is_syncing)
    yield "aof_delayed_fsync", aof.delayed_syncs


def _loading(snapshots: Any, loader: Any) -> Iterator[Field]:
    """Tell how far loading is."""
    read, nbytes = loader.offset, loader.nbytes
    passed = max(time.time() - snapshots.load_started, 0.001)
    used = loader.aux.get(b"used-mem", b"0")
    yield "loading_start_time", int(snapshots.load_started)
    yield "loading_total_bytes", nbytes
    yield "loading_rdb_used_mem", int(used) if used.isdigit() else 0
    yield "loading_loaded_bytes", read
    yield "loading_loaded_perc", f"{100 * read / nbytes if nbytes else 0:.2f}"
    yield "loading_eta_seconds", int((nbytes - read) * passed / read) if read else 1


# --- Stats ------------------------------------------------------------------------


def _stats(server: Any) -> Iterator[Field]:
    engine = server.engine
    stats = engine.stats()
    commands, bytes_in, bytes_out, rounds, round_us = engine.rates()
    yield "total_connections_received", stats["connections"]
    yield "total_commands_processed", stats["commands"]
    yield "instantaneous_ops_per_sec", commands
    yield "total_net_input_bytes", stats["net_in"]
    yield "total_net_output_bytes", stats["net_out"]
    yield "total_net_repl_input_bytes", 0
    primary = server.replication.primary
    yield "total_net_repl_output_bytes", primary.backlog.net_out
    yield "instantaneous_input_kbps", f"{bytes_in / _KB:.2f}"
    yield "instantaneous_output_kbps", f"{bytes_out / _KB:.2f}"
    yield "instantaneous_input_repl_kbps", "0.00"
    yield "instantaneous_output_repl_kbps", "0.00"
    yield "rejected_connections", stats["rejected_connections"]
    yield "sync_full", primary.full_syncs
    yield "sync_partial_ok", primary.partial_syncs
    yield "sync_partial_err", primary.refused_partial_syncs
    yield "expired_subkeys", stats["expired_fields"]
    yield "expired_keys", stats["expired_keys"]
    # keys are deleted when their time comes: none is known to be left
    yield "expired_stale_perc", "0.00"
    yield "expired_time_cap_reached_count", stats["expire_caps"]
    yield "expire_cycle_cpu_milliseconds", stats["expire_us"] // 1000
    yield "evicted_keys", 0
    yield "evicted_clients", stats["evicted_clients"]
    yield "evicted_scripts", 0
    yield "total_eviction_exceeded_time", 0
    yield "current_eviction_exceeded_time", 0
    yield "keyspace_hits", stats["hits"]
    yield "keyspace_misses", stats["misses"]
    yield "pubsub_channels", stats["pubsub_channels"]
    yield "pubsub_patterns", stats["pubsub_patterns"]
    yield "pubsubshard_channels", stats["pubsub_shard_channels"]
    yield "latest_fork_usec", server.snapshots.fork_us
    yield "total_forks", server.snapshots.forks
    yield "migrate_cached_sockets", server.nlinks
    yield "slave_expires_tracked_keys", server.replication.nlocal_expiries
    yield "active_defrag_hits", 0
    yield "active_defrag_misses", 0
    yield "active_defrag_key_hits", 0
    yield "active_defrag_key_misses", 0
    yield "total_active_defrag_time", 0
    yield "current_active_defrag_time", 0
    yield "tracking_total_keys", stats["tracked_keys"]
    yield "tracking_total_items", stats["tracked_items"]
    yield "tracking_total_prefixes", stats["tracked_prefixes"]
    yield "unexpected_error_replies", 0
    yield "total_error_replies", stats["error_replies"]
    yield "dump_payload_sanitizations", 0
    yield "total_reads_processed", stats["reads"]
    yield "total_writes_processed", stats["writes"]
    yield "io_threaded_reads_processed", 0
    yield "io_threaded_writes_processed", 0
    yield (
        "client_query_buffer_limit_disconnections",
        stats["query_limit_disconnections"],
    )
    yield (
        "client_output_buffer_limit_disconnections",
        stats["output_limit_disconnections"],
    )
    # a reply's buffers come from a pool and have one size
    yield "reply_buffer_shrinks", 0
    yield "reply_buffer_expands", 0
    if server.uses_epoll:
        yield "eventloop_cycles", stats["rounds"]
        yield "eventloop_duration_sum", stats["rounds_us"]
        yield "eventloop_duration_cmd_sum", stats["commands_us"]
        yield "instantaneous_eventloop_cycles_per_sec", rounds
        yield (
            "instantaneous_eventloop_duration_usec",
            round_us // rounds if rounds else 0,
        )
    yield "acl_access_denied_auth", stats["auth_failures"]
    yield "acl_access_denied_cmd", 0
    yield "acl_access_denied_key", 0
    yield "acl_access_denied_channel", 0


# --- Replication, CPU, modules, cluster -------------------------------------------


def _replication(server: Any) -> Iterator[Field]:
    history = server.replication.history
    primary = server.replication.primary
    backlog = primary.backlog
    link = server.replication.link
    if link.address is None:
        yield "role", "master"
    else:
        yield "role", "slave"
        yield from link.info()
    rows = primary.rows()
    yield "connected_slaves", len(rows)
    config = server.config
    if config["min-replicas-to-write"] and config["min-replicas-max-lag"]:
        yield "min_slaves_good_slaves", primary.good_replicas
    for i, row in enumerate(rows):
        yield (
            f"slave{i}",
            f"ip={row['ip']},port={row['port']},state={row['state']},"
            f"offset={row['offset']},lag={row['lag']},type=replica",
        )
    yield "master_failover_state", server.replication.failover.state.value
    yield "master_replid", history.replid
    yield "master_replid2", history.replid2
    yield "master_repl_offset", history.offset
    yield "second_repl_offset", history.second_offset
    is_active = backlog.is_active
    yield "repl_backlog_active", int(is_active)
    yield "repl_backlog_size", server.config["repl-backlog-size"]
    first = backlog.start_offset
    yield "repl_backlog_first_byte_offset", first + 1 if is_active else 0
    yield "repl_backlog_histlen", history.offset - first if is_active else 0


def _cpu(server: Any) -> Iterator[Field]:
    import resource

    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield "used_cpu_sys", f"{own.ru_stime:.6f}"
    yield "used_cpu_user", f"{own.ru_utime:.6f}"
    yield "used_cpu_sys_children", f"{children.ru_stime:.6f}"
    yield "used_cpu_user_children", f"{children.ru_utime:.6f}"
    which = getattr(resource, "RUSAGE_THREAD", None)
    if which is not None:
        # commands run on the thread that serves
        main = resource.getrusage(which)
        yield "used_cpu_sys_main_thread", f"{main.ru_stime:.6f}"
        yield "used_cpu_user_main_thread", f"{main.ru_utime:.6f}"


def _threads(server: Any) -> Iterator[Field]:
    """Return what each thread that reads and writes has done; there is one."""
    stats = server.engine.stats()
    yield (
        "io_thread_0",
        f"clients={stats['clients']},reads={stats['reads']},writes={stats['writes']}",
    )


def _modules(server: Any) -> Iterable[Field]:
    return ()


def _cluster(server: Any) -> Iterator[Field]:
    yield "cluster_enabled", 0


# --- Commands and errors ----------------------------------------------------------


def _commandstats(server: Any) -> Iterator[Field]:
    for name, row in server.engine.commands.stats().items():
        calls, usec, rejected, failed = row
        yield (
            f"cmdstat_{_safe(name)}",
            f"calls={calls},usec={usec},usec_per_call={_ratio(usec, calls)},"
            f"rejected_calls={rejected},failed_calls={failed}",
        )


def _errorstats(server: Any) -> Iterator[Field]:
    counts, others = server.engine.error_stats()
    for code in sorted(counts):
        yield f"errorstat_{_safe(code)}", f"count={counts[code]}"
    if others:
        yield "errorstat_ERRORSTATS_OVERFLOW", f"count={others}"


def _latencystats(server: Any) -> Iterator[Field]:
    if not server.config["latency-tracking"]:
        return
    percentiles = server.config["latency-tracking-info-percentiles"]
    names = [f"p{_percentile(p)}" for p in percentiles]
    rows = server.engine.commands.latency_percentiles(percentiles)
    for command, values in rows.items():
        yield (
            f"latency_percentiles_usec_{_safe(command)}",
            ",".join(f"{n}={v:.3f}" for n, v in zip(names, values, strict=True)),
        )


# --- Keyspace, debug --------------------------------------------------------------


def _keyspace(server: Any) -> Iterator[Field]:
    for db, keys, expires, ttl_ms, subexpiry in server.engine.keyspace():
        yield (
            f"db{db}",
            f"keys={keys},expires={expires},avg_ttl={ttl_ms},subexpiry={subexpiry}",
        )


def _keysizes(server: Any) -> Iterator[Field]:
    """Return how many values of each type have how many bytes or elements.

    Counted when asked for, O(keys), so that no write has to keep count.
    """
    from fastredis.admin.observed import key_sizes

    for db, *_ in server.engine.keyspace():
        for name, bins in key_sizes(server.engine, db).items():
            counts = [f"{_power(i)}={n}" for i, n in enumerate(bins) if n]
            if counts:
                yield f"db{db}_distrib_{name}", ",".join(counts)


def _power(index: int) -> str:
    """Write the lower bound of a bin: 0, then the powers of two, as in 4K."""
    if index == 0:
        return "0"
    unit, rest = divmod(index - 1, 10)
    return f"{1 << rest}{' KMGTPE'[unit].strip()}"


def _debug(server: Any) -> Iterator[Field]:
    """Return figures of the event loop, and what must not have grown after a test."""
    stats = server.engine.stats()
    if server.uses_epoll:
        yield "eventloop_duration_aof_sum", 0
        yield "eventloop_duration_cron_sum", stats["cron_us"]
        yield "eventloop_duration_max", stats["round_max_us"]
        yield "eventloop_cmd_per_cycle_max", stats["round_max_commands"]
    yield "debug_clients", stats["clients"]
    yield "debug_reply_blocks", stats["reply_blocks"]
    yield "debug_lazyfree_pending", stats["lazyfree_pending"]
    yield "debug_watched_keys", stats["watched_keys"]
    yield "debug_subscribers", stats["pubsub_clients"]


SECTIONS: Final[dict[str, tuple[str, Callable[[Any], Iterable[Field]]]]] = {
    "server": ("Server", _server),
    "clients": ("Clients", _clients),
    "memory": ("Memory", _memory),
    "persistence": ("Persistence", _persistence),
    "stats": ("Stats", _stats),
    "replication": ("Replication", _replication),
    "threads": ("Threads", _threads),
    "cpu": ("CPU", _cpu),
    "modules": ("Modules", _modules),
    "commandstats": ("Commandstats", _commandstats),
    "errorstats": ("Errorstats", _errorstats),
    "latencystats": ("Latencystats", _latencystats),
    "cluster": ("Cluster", _cluster),
    "keyspace": ("Keyspace", _keyspace),
    "keysizes": ("Keysizes", _keysizes),
    "debug": ("Debug", _debug),
}
# keysizes costs a walk over all keys, so that only its name asks for it
_ALL: Final = SECTIONS.keys() - {"debug", "keysizes"}
_DEFAULT: Final = _ALL - {"commandstats", "latencystats"}
