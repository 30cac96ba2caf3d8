# SPDX-License-Identifier: BSD-3-Clause
"""The table of directives: what redis.conf, the command line and CONFIG may say.

One line per directive, in the order in which CONFIG GET lists them. A line names
the type, the default, the bounds, and in ``flags`` how the directive behaves:

=============  =================================================================
IMMUTABLE      CONFIG SET refuses it: it is decided at start
PROTECTED      CONFIG SET needs ``enable-protected-configs``
SENSITIVE      the value is a secret, to be kept out of logs
HIDDEN         CONFIG GET shows it by its exact name only, not by a pattern
MULTI          the value is several words
BUILT          it has an effect today; without it the value is only kept
VOLATILE       CONFIG SET applies it also when it has the value: a file may be new
=============  =================================================================

A directive is mutable and not built unless its line says otherwise. Names that
follow the flags are aliases: older spellings that mean the same value.

Names that only Valkey knows are HIDDEN, so that its configuration files are read
while ``CONFIG GET *`` lists what Redis lists. Our own immutable names are HIDDEN
too: programs set back every value they got from ``CONFIG GET *``.
"""

from __future__ import annotations

from typing import Any, Final

# The server whose behaviour is followed; told to clients by INFO, HELLO, --version.
REDIS_VERSION: Final = "8.0.2"

IMMUTABLE: Final = 1
PROTECTED: Final = 2
SENSITIVE: Final = 4
HIDDEN: Final = 8
MULTI: Final = 16
BUILT: Final = 32
# May stand on several lines, each adding an entry; CONFIG does not know it.
REPEATS: Final = 64
VOLATILE: Final = 128

INT_MIN: Final = -(2**31)
INT_MAX: Final = 2**31 - 1
UINT_MAX: Final = 2**32 - 1
LONG_MAX: Final = 2**63 - 1
ULONG_MAX: Final = 2**64 - 1

KB: Final = 1024
MB: Final = 1024 * 1024
GB: Final = 1024 * 1024 * 1024


class Option:
    """One line of the table; never changed after the module is loaded."""

    __slots__ = (
        "aliases",
        "check",
        "choices",
        "clamp",
        "default",
        "flags",
        "high",
        "kind",
        "low",
        "name",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        default: Any,
        flags: int,
        aliases: tuple[str, ...],
        low: int = 0,
        high: int = 0,
        choices: tuple[str, ...] = (),
        check: str = "",
        clamp: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.kind = kind  # how the value is read and shown: see values.KINDS
        self.default = default  # in its Python form
        self.flags = flags
        self.aliases = aliases
        self.low = low  # bounds, both included; for lists, of the word count
        self.high = high
        self.choices = choices
        self.check = check  # a further test of the value: see values.CHECKS
        self.clamp = clamp  # what is accepted but brought into this range

    def __repr__(self) -> str:
        return f"<Option {self.name} {self.kind}>"


def flag(
    name: str, default: bool, flags: int = 0, *aliases: str, check: str = ""
) -> Option:
    """Make an option that is yes or no."""
    return Option(name, "bool", default, flags, aliases, check=check)


def number(
    name: str,
    default: int,
    low: int,
    high: int,
    flags: int = 0,
    *aliases: str,
    clamp: tuple[int, int] | None = None,
    check: str = "",
) -> Option:
    """Make an option that is a decimal integer."""
    return Option(
        name, "int", default, flags, aliases, low, high, clamp=clamp, check=check
    )


def memory(
    name: str, default: int, low: int, high: int, flags: int = 0, *aliases: str
) -> Option:
    """Make an option that is a number of bytes, written with or without a unit."""
    return Option(name, "memory", default, flags, aliases, low, high)


def choice(
    name: str, default: str, choices: str, flags: int = 0, *aliases: str
) -> Option:
    """Make an option that is one of several words."""
    return Option(name, "enum", default, flags, aliases, choices=tuple(choices.split()))


def text(
    name: str, default: str = "", flags: int = 0, *aliases: str, check: str = ""
) -> Option:
    """Make an option that is any text."""
    return Option(name, "string", default, flags, aliases, check=check)


def special(
    name: str, kind: str, default: Any, flags: int = 0, *aliases: str
) -> Option:
    """Make an option that has a syntax of its own."""
    return Option(name, kind, default, flags, aliases)


def repeated(name: str, low: int, high: int, flags: int = 0) -> Option:
    """Make a directive that may be given many times, with low to high words."""
    return Option(name, "list", (), flags | REPEATS | IMMUTABLE, (), low, high)


ON_SIGNAL: Final = ("default", "save", "nosave", "now", "force")
SAVE_POINTS: Final = ((3600, 1), (300, 100), (60, 10000))
CLIENT_LIMITS: Final = {
    "normal": (0, 0, 0),
    "slave": (256 * MB, 64 * MB, 60),
    "pubsub": (32 * MB, 8 * MB, 60),
}
LEVELS: Final = "debug verbose notice warning nothing"
FACILITIES: Final = (
    "user local0 local1 local2 local3 local4 local5 local6 local7"  # of syslog
)
POLICIES: Final = (
    "volatile-lru volatile-lfu volatile-random volatile-ttl "
    "allkeys-lru allkeys-lfu allkeys-random noeviction"
)
TITLE: Final = "{title} {listen-addr} {server-mode}"

# fmt: off
OPTIONS: Final[tuple[Option, ...]] = (
    # --- Listening ---
    special("bind", "bind", ("*", "-::*"), MULTI | BUILT),
    text("bind-source-addr"),
    number("port", 6379, 0, 65535, BUILT),
    number("tcp-backlog", 511, 0, INT_MAX, IMMUTABLE | BUILT),
    text("unixsocket", "", IMMUTABLE | BUILT),
    Option("unixsocketperm", "octal", 0, IMMUTABLE | BUILT, (), 0, 0o777),
    text("unixsocketgroup", "", IMMUTABLE | HIDDEN),
    flag("protected-mode", True, BUILT),
    number("timeout", 0, 0, INT_MAX, BUILT),
    number("tcp-keepalive", 300, 0, INT_MAX, BUILT),
    number("socket-mark-id", 0, 0, UINT_MAX, IMMUTABLE),
    number("max-new-connections-per-cycle", 10, 1, 1000),
    number("max-new-tls-connections-per-cycle", 1, 1, 1000, BUILT),
    flag("mptcp", False, IMMUTABLE | HIDDEN),
    text("rdma-bind", "", HIDDEN),
    number("rdma-port", 0, 0, 65535, HIDDEN),
    number("rdma-rx-size", MB, 64 * KB, 16 * MB, IMMUTABLE | HIDDEN),
    number("rdma-completion-vector", -1, -1, 1024, IMMUTABLE | HIDDEN),
    choice("net-transport", "auto", "auto epoll uvloop", IMMUTABLE | HIDDEN | BUILT),
    number("linger-ms", 1, 0, 100, BUILT),
    number("coalesce-us", 50, 0, 1000, BUILT),

    # --- TLS ---
    number("tls-port", 0, 0, 65535, BUILT),
    text("tls-cert-file", "", BUILT | VOLATILE),
    text("tls-key-file", "", BUILT | VOLATILE),
    text("tls-key-file-pass", "", SENSITIVE | BUILT),
    text("tls-client-cert-file", "", VOLATILE),
    text("tls-client-key-file", "", VOLATILE),
    text("tls-client-key-file-pass", "", SENSITIVE),
    text("tls-dh-params-file", "", BUILT | VOLATILE),
    text("tls-ca-cert-file", "", BUILT | VOLATILE),
    text("tls-ca-cert-dir", "", BUILT | VOLATILE),
    choice("tls-auth-clients", "yes", "no yes optional", BUILT),
    choice("tls-auth-clients-user", "off", "CN URI off", HIDDEN),
    number("tls-auto-reload-interval", 0, 0, INT_MAX, HIDDEN),
    flag("tls-replication", False, BUILT),
    flag("tls-cluster", False, BUILT),
    text("tls-protocols", "", BUILT),
    text("tls-ciphers", "", BUILT),
    text("tls-ciphersuites", "", BUILT),
    flag("tls-prefer-server-ciphers", False, BUILT),
    flag("tls-session-caching", True, BUILT),
    number("tls-session-cache-size", 20480, 0, INT_MAX, BUILT),
    number("tls-session-cache-timeout", 300, 0, INT_MAX, BUILT),

    # --- Process ---
    flag("daemonize", False, IMMUTABLE | BUILT),
    choice("supervised", "no", "upstart systemd auto no", IMMUTABLE | BUILT),
    text("pidfile", "", IMMUTABLE | BUILT),
    special("dir", "dir", "", PROTECTED | BUILT),
    number("databases", 16, 1, INT_MAX, IMMUTABLE | BUILT),
    number("hz", 10, 0, INT_MAX, BUILT, clamp=(1, 500)),
    flag("dynamic-hz", True),
    flag("set-proc-title", True, IMMUTABLE | BUILT),
    text("proc-title-template", TITLE, BUILT, check="title"),
    number("io-threads", 1, 1, 128, IMMUTABLE),
    flag("io-threads-always-active", False, HIDDEN),
    number("prefetch-batch-max-size", 16, 0, 128, HIDDEN),
    number("min-io-threads-avoid-copy-reply", 7, 0, INT_MAX, HIDDEN),
    number("min-string-size-avoid-copy-reply", 16384, 0, INT_MAX, HIDDEN),
    number("min-string-size-avoid-copy-reply-threaded", 65536, 0, INT_MAX, HIDDEN),
    text("server-cpulist", "", IMMUTABLE | BUILT, "server_cpulist", check="cpus"),
    text("bio-cpulist", "", IMMUTABLE | BUILT, "bio_cpulist", check="cpus"),
    text(
        "aof-rewrite-cpulist", "", IMMUTABLE | BUILT, "aof_rewrite_cpulist",
        check="cpus",
    ),
    text("bgsave-cpulist", "", IMMUTABLE | BUILT, "bgsave_cpulist", check="cpus"),
    special("oom-score-adj", "oom", "no", BUILT),
    special("oom-score-adj-values", "oom-values", (0, 200, 800), MULTI | BUILT),
    flag("disable-thp", True, IMMUTABLE | BUILT),
    text("ignore-warnings"),
    text("locale-collate"),
    text("availability-zone", "", HIDDEN),
    special("shutdown-on-sigint", "signal", (), MULTI | BUILT),
    special("shutdown-on-sigterm", "signal", (), MULTI | BUILT),
    number("shutdown-timeout", 10, 0, INT_MAX),
    flag("activerehashing", True),
    flag("activedefrag", False, check="defrag"),
    memory("active-defrag-ignore-bytes", 100 * MB, 1, LONG_MAX),
    number("active-defrag-threshold-lower", 10, 0, 1000),
    number("active-defrag-threshold-upper", 100, 0, 1000),
    number("active-defrag-cycle-min", 1, 1, 99),
    number("active-defrag-cycle-max", 25, 1, 99),
    number("active-defrag-cycle-us", 500, 0, 100000, HIDDEN),
    number("active-defrag-max-scan-fields", 1000, 1, LONG_MAX),
    flag("jemalloc-bg-thread", True),
    text("hash-seed", "", IMMUTABLE | HIDDEN),
    flag("extended-redis-compatibility", False, HIDDEN),

    # --- Log, statistics, debugging ---
    choice("loglevel", "notice", LEVELS, BUILT),
    text("logfile", "", IMMUTABLE | BUILT),
    flag("always-show-logo", False, IMMUTABLE | BUILT),
    choice("log-format", "legacy", "legacy logfmt json", HIDDEN | BUILT),
    choice("log-timestamp-format", "legacy", "legacy iso8601 milliseconds",
           HIDDEN | BUILT),
    flag("syslog-enabled", False, IMMUTABLE | BUILT),
    text("syslog-ident", "redis", IMMUTABLE | BUILT),
    choice("syslog-facility", "local0", FACILITIES, IMMUTABLE | BUILT),
    flag("hide-user-data-from-log", False, BUILT),
    flag("crash-log-enabled", True, BUILT),
    flag("crash-memcheck-enabled", True),
    flag("use-exit-on-panic", False, HIDDEN | BUILT),
    number("watchdog-period", 0, 0, INT_MAX, HIDDEN | BUILT),
    text("debug-context", "", HIDDEN),
    flag("enable-debug-assert", False, IMMUTABLE | HIDDEN),
    flag("latency-tracking", True, BUILT),
    special("latency-tracking-info-percentiles", "percentiles", (50.0, 99.0, 99.9),
            MULTI | BUILT),
    number("latency-monitor-threshold", 0, 0, LONG_MAX, BUILT),
    number("slowlog-log-slower-than", 10000, -1, LONG_MAX, BUILT,
           "commandlog-execution-slower-than"),
    number("slowlog-max-len", 128, 0, LONG_MAX, BUILT,
           "commandlog-slow-execution-max-len"),
    number("commandlog-request-larger-than", MB, -1, LONG_MAX, HIDDEN | BUILT),
    number("commandlog-large-request-max-len", 128, 0, LONG_MAX, HIDDEN | BUILT),
    number("commandlog-reply-larger-than", MB, -1, LONG_MAX, HIDDEN | BUILT),
    number("commandlog-large-reply-max-len", 128, 0, LONG_MAX, HIDDEN | BUILT),

    # --- Clients and requests ---
    number("maxclients", 10000, 1, UINT_MAX, BUILT),
    memory("proto-max-bulk-len", 512 * MB, MB, LONG_MAX, BUILT),
    memory("client-query-buffer-limit", GB, MB, LONG_MAX, BUILT),
    special("client-output-buffer-limit", "client-limits", CLIENT_LIMITS,
            MULTI | BUILT),
    Option("maxmemory-clients", "percent", 0, BUILT, (), -100, LONG_MAX),
    number("tracking-table-max-keys", 1000000, 0, LONG_MAX, BUILT),
    special("notify-keyspace-events", "notify", "", BUILT),
    number("busy-reply-threshold", 5000, 0, LONG_MAX, 0, "lua-time-limit"),
    flag("lua-enable-deprecated-api", False, IMMUTABLE | HIDDEN),
    flag("lua-enable-insecure-api", False, PROTECTED | HIDDEN),

    # --- Access ---
    text("requirepass", "", SENSITIVE | BUILT),
    text("aclfile", "", IMMUTABLE),
    number("acllog-max-len", 128, 0, LONG_MAX),
    choice("acl-pubsub-default", "resetchannels", "allchannels resetchannels"),
    choice("enable-protected-configs", "no", "no yes local", IMMUTABLE | BUILT),
    choice("enable-debug-command", "no", "no yes local", IMMUTABLE | BUILT),
    choice("enable-module-command", "no", "no yes local", IMMUTABLE),
    repeated("user", 1, INT_MAX),
    repeated("rename-command", 2, 2, BUILT),
    repeated("loadmodule", 1, INT_MAX),
    repeated("python-commands", 1, 1, HIDDEN | BUILT),

    # --- Memory, expiry, eviction, encodings ---
    memory("maxmemory", 0, 0, ULONG_MAX),
    # without eviction yet, the policy chooses between times of use and frequencies
    choice("maxmemory-policy", "noeviction", POLICIES, BUILT),
    number("maxmemory-samples", 5, 1, 64),
    number("maxmemory-eviction-tenacity", 10, 0, 100),
    number("lfu-log-factor", 10, 0, INT_MAX, BUILT),
    number("lfu-decay-time", 1, 0, INT_MAX, BUILT),
    number("active-expire-effort", 1, 1, 10),
    flag("lazyfree-lazy-eviction", False),
    flag("lazyfree-lazy-expire", False, BUILT),
    flag("lazyfree-lazy-server-del", False, BUILT),
    flag("lazyfree-lazy-user-del", False, BUILT),
    flag("lazyfree-lazy-user-flush", False, BUILT),
    number("hash-max-listpack-entries", 512, 0, LONG_MAX, BUILT,
           "hash-max-ziplist-entries"),
    memory("hash-max-listpack-value", 64, 0, LONG_MAX, BUILT,
           "hash-max-ziplist-value"),
    number("list-max-listpack-size", -2, INT_MIN, INT_MAX, BUILT,
           "list-max-ziplist-size"),
    number("list-compress-depth", 0, 0, INT_MAX, BUILT),
    number("set-max-intset-entries", 512, 0, LONG_MAX, BUILT),
    number("set-max-listpack-entries", 128, 0, LONG_MAX, BUILT),
    number("set-max-listpack-value", 64, 0, LONG_MAX, BUILT),
    number("zset-max-listpack-entries", 128, 0, LONG_MAX, BUILT,
           "zset-max-ziplist-entries"),
    memory("zset-max-listpack-value", 64, 0, LONG_MAX, BUILT,
           "zset-max-ziplist-value"),
    memory("hll-sparse-max-bytes", 3000, 0, LONG_MAX, BUILT),
    memory("stream-node-max-bytes", 4096, 0, LONG_MAX, BUILT),
    number("stream-node-max-entries", 100, 0, LONG_MAX, BUILT),
    flag("import-mode", False, HIDDEN | BUILT),

    # --- RDB ---
    special("save", "save", SAVE_POINTS, MULTI | BUILT),
    flag("stop-writes-on-bgsave-error", True, BUILT),
    flag("rdbcompression", True, BUILT),
    flag("rdbchecksum", True, IMMUTABLE | BUILT),
    flag("rdb-del-sync-files", False, BUILT),
    flag("rdb-save-incremental-fsync", True, BUILT),
    choice("rdb-version-check", "strict", "strict relaxed", HIDDEN | BUILT),
    # of files and of what DUMP gives, unless the data need a later one; 0: the least
    # that they need. 10 is for Redis 7.0: streams are written as it reads them
    number("rdb-version", 0, 0, 12, HIDDEN | BUILT, check="rdb-version"),
    text("dbfilename", "dump.rdb", PROTECTED | BUILT, check="dbfilename"),
    # whatever it says, no value is stored that was not checked
    choice("sanitize-dump-payload", "no", "no yes clients", BUILT),
    number("rdb-key-save-delay", 0, INT_MIN, INT_MAX, HIDDEN | BUILT),
    number("key-load-delay", 0, INT_MIN, INT_MAX, HIDDEN | BUILT),
    number("loading-process-events-interval-bytes", 2 * MB, 1024, INT_MAX,
           HIDDEN | BUILT),

    # --- AOF ---
    flag("appendonly", False, BUILT),
    text("appendfilename", "appendonly.aof", IMMUTABLE | BUILT, check="appendfilename"),
    text("appenddirname", "appendonlydir", IMMUTABLE | BUILT, check="appenddirname"),
    choice("appendfsync", "everysec", "everysec always no", BUILT),
    flag("no-appendfsync-on-rewrite", False, BUILT),
    number("auto-aof-rewrite-percentage", 100, 0, INT_MAX, BUILT),
    memory("auto-aof-rewrite-min-size", 64 * MB, 0, LONG_MAX, BUILT),
    flag("aof-load-truncated", True, BUILT),
    flag("aof-use-rdb-preamble", True, BUILT),
    flag("aof-timestamp-enabled", False, BUILT),
    flag("aof-rewrite-incremental-fsync", True, BUILT),
    flag("aof-disable-auto-gc", False, HIDDEN | BUILT),

    # --- Replication ---
    special("replicaof", "replicaof", None, IMMUTABLE | MULTI | BUILT, "slaveof"),
    text("masterauth", "", SENSITIVE | BUILT, "primaryauth"),
    text("masteruser", "", SENSITIVE | BUILT, "primaryuser"),
    flag("replica-serve-stale-data", True, BUILT, "slave-serve-stale-data"),
    flag("replica-read-only", True, BUILT, "slave-read-only"),
    flag("replica-lazy-flush", False, BUILT, "slave-lazy-flush"),
    flag("replica-ignore-maxmemory", True, 0, "slave-ignore-maxmemory"),
    flag("replica-ignore-disk-write-errors", False),
    number("replica-priority", 100, 0, INT_MAX, BUILT, "slave-priority"),
    flag("replica-announced", True, BUILT),
    text("replica-announce-ip", "", BUILT, "slave-announce-ip"),
    number("replica-announce-port", 0, 0, 65535, BUILT, "slave-announce-port"),
    memory("replica-full-sync-buffer-limit", 0, 0, ULONG_MAX),
    flag("repl-diskless-sync", True, BUILT),
    number("repl-diskless-sync-delay", 5, 0, INT_MAX, BUILT),
    number("repl-diskless-sync-max-replicas", 0, 0, INT_MAX, BUILT),
    choice("repl-diskless-load", "disabled",
           "disabled on-empty-db swapdb flush-before-load", BUILT),
    flag("repl-rdb-channel", False),
    flag("dual-channel-replication-enabled", False, HIDDEN),
    number("repl-ping-replica-period", 10, 1, INT_MAX, BUILT,
           "repl-ping-slave-period"),
    number("repl-timeout", 60, 1, INT_MAX, BUILT),
    flag("repl-disable-tcp-nodelay", False),
    flag("repl-mptcp", False, IMMUTABLE | HIDDEN),
    memory("repl-backlog-size", MB, 1, LONG_MAX, BUILT),
    number("repl-backlog-ttl", 3600, 0, LONG_MAX, BUILT),
    number("min-replicas-to-write", 0, 0, INT_MAX, BUILT, "min-slaves-to-write"),
    number("min-replicas-max-lag", 10, 0, INT_MAX, BUILT, "min-slaves-max-lag"),
    choice("propagation-error-behavior", "ignore", "ignore panic panic-on-replicas"),

    # --- Cluster ---
    flag("cluster-enabled", False, IMMUTABLE),
    text("cluster-config-file", "nodes.conf", IMMUTABLE),
    choice("cluster-config-save-behavior", "sync", "sync best-effort", HIDDEN),
    number("cluster-port", 0, 0, 65535, IMMUTABLE),
    number("cluster-databases", 1, 1, INT_MAX, IMMUTABLE | HIDDEN),
    number("cluster-node-timeout", 15000, 0, LONG_MAX),
    number("cluster-ping-interval", 0, 0, LONG_MAX, HIDDEN),
    number("cluster-message-gossip-perc", 10, 1, 100, HIDDEN),
    number("cluster-blacklist-ttl", 60, 0, LONG_MAX, HIDDEN),
    number("cluster-replica-validity-factor", 10, 0, INT_MAX, 0,
           "cluster-slave-validity-factor"),
    flag("cluster-replica-no-failover", False, 0, "cluster-slave-no-failover"),
    number("cluster-migration-barrier", 1, 0, INT_MAX),
    flag("cluster-allow-replica-migration", True),
    flag("cluster-require-full-coverage", True),
    flag("cluster-allow-reads-when-down", False),
    flag("cluster-allow-pubsubshard-when-down", True),
    memory("cluster-link-sendbuf-limit", 0, 0, ULONG_MAX),
    text("cluster-announce-ip"),
    text("cluster-announce-hostname", "", 0, check="hostname"),
    text("cluster-announce-human-nodename", "", 0, check="nodename"),
    number("cluster-announce-port", 0, 0, 65535),
    number("cluster-announce-tls-port", 0, 0, 65535),
    number("cluster-announce-bus-port", 0, 0, 65535),
    text("cluster-announce-client-ipv4", "", HIDDEN, check="ipv4"),
    text("cluster-announce-client-ipv6", "", HIDDEN, check="ipv6"),
    number("cluster-announce-client-port", 0, 0, 65535, HIDDEN),
    number("cluster-announce-client-tls-port", 0, 0, 65535, HIDDEN),
    choice("cluster-preferred-endpoint-type", "ip", "ip hostname unknown-endpoint"),
    number("cluster-compatibility-sample-ratio", 0, 0, 100),
    number("cluster-manual-failover-timeout", 5000, 1, INT_MAX, HIDDEN),
    flag("cluster-slot-stats-enabled", False, HIDDEN),
    number("cluster-slot-migration-log-max-len", 1000, 0, LONG_MAX, HIDDEN),
    memory("slot-migration-max-failover-repl-bytes", 0, -1, LONG_MAX, HIDDEN),
)
# fmt: on

# Directives that are read, with one word, and mean nothing any more.
DEPRECATED: Final = frozenset(
    (
        "list-max-ziplist-entries",
        "list-max-ziplist-value",
        "lua-replicate-commands",
        "io-threads-do-reads",
    )
)

# Valkey's names for what Redis has under another: aliases that patterns do not list.
UNLISTED: Final = frozenset(
    (
        "commandlog-execution-slower-than",
        "commandlog-slow-execution-max-len",
        "primaryauth",
        "primaryuser",
    )
)

# Every name, aliases included, to its line.
BY_NAME: Final[dict[str, Option]] = {}
for _option in OPTIONS:
    BY_NAME[_option.name] = _option
    for _alias in _option.aliases:
        BY_NAME[_alias] = _option
del _option, _alias
