# SPDX-License-Identifier: BSD-3-Clause
"""The scenarios: data only. What is sent, what is prepared, what is aimed at.

Three kinds:

load     redis-benchmark sends one command over and over from 50 connections; the
         figure is the server's CPU time per command.
memory   keys are stored in an empty server; the figures are bytes per key and RSS.
latency  keys are stored in an empty server one small batch after another and every
         batch is timed; the figure is the slowest.

Keys are ``key:`` and twelve digits (16 bytes), as redis-benchmark writes them for
``__rand_int__``. A scenario without a keyspace uses one key, as redis-benchmark does
without ``-r``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

CONNECTIONS: Final = 50
RANDOM_KEY: Final = "key:__rand_int__"
FIXED_KEY: Final = "key:000000000000"
COUNTER_KEY: Final = "counter:000000000000"
SET_KEY: Final = "myset"
ZSET_KEY: Final = "myzset"
LIST_KEY: Final = "mylist"
GEO_KEY: Final = "mygeo"
HLL_KEY: Final = "myhll"
CHANNEL: Final = "news"
STREAM_KEY: Final = "mystream"
ELEMENT: Final = "element:__rand_int__"
SHORT_VALUE: Final = "xyz"  # three bytes that no server can store as an integer

# keyspaces, before --scale is applied
MILLION: Final = 1_000_000
SHARED_KEYS: Final = 100_000  # random keys that are not meant to miss every cache
DELETE_KEYS: Final = 2_000_000
RESIZE_KEYS: Final = 5_000_000
SET_MEMBERS: Final = 300_000  # of the sets whose memory is measured
LIST_ELEMENTS: Final = 300_000  # of the list
HASH_FIELDS: Final = 300_000  # of the one hash
SMALL_HASHES: Final = 100_000
POINTS: Final = 100_000  # on the map that is searched
STREAM_ENTRIES: Final = 300_000  # of the stream
MEGABYTE: Final = 1_048_576

Kind = Literal["load", "memory", "latency"]


@dataclass(frozen=True)
class Target:
    """An aim: the metric's value, or its ratio to a reference, is at most limit.

    against: ``absolute`` (compare the value itself), ``better`` (ratio to the
    reference that did best in the same round) or the name of one reference.
    """

    metric: str
    limit: float
    against: str = "better"


@dataclass(frozen=True)
class Scenario:
    """One thing to measure.

    command: arguments for redis-benchmark.
    counted: the command's name in INFO commandstats.
    keyspace: number of random keys (``-r``), 0 for one fixed key.
    preload: keys stored first, with values of value_size bytes.
    fields: fields of the one hash that is stored first; named as random keys are.
    requests_per_key: if set, exactly keyspace (or members, if there are any) times
        this many requests are sent, and the keys are stored again before every round
        (for commands that use keys up).
    adds: a command that adds one member to a collection, its name and key first; it is
        sent with the members numbered from 0 to members - 1 first (with many of them
        at a time), and before every round if requests_per_key is set, too.
        ``__lon__`` and ``__lat__`` stand for a place: the members are spread over the
        map evenly, the same for every server.
    each: the command that stores each key of a memory scenario, if it is not a SET;
        its reply is OK.
        at a time; XADD with one, numbered from 1), and before every round if
        requests_per_key is set, too.
    reads: every key must be found, or the measurement is refused.
    expires: keys must have a TTL afterwards.
    subscribers: connections that have subscribed to CHANNEL, and read.
    """

    name: str
    summary: str
    targets: tuple[Target, ...]
    kind: Kind = "load"
    command: tuple[str, ...] = ()
    counted: str = ""
    pipeline: int = 1
    keyspace: int = 0
    preload: int = 0
    fields: int = 0
    value_size: int = len(SHORT_VALUE)
    requests_per_key: float = 0.0
    adds: tuple[str, ...] = ()
    members: int = 0
    each: tuple[str, ...] = ()
    reads: bool = False
    expires: bool = False
    ttl: bool = False
    subscribers: int = 0


def _load(
    name: str, target: float, command: tuple[str, ...], summary: str, **rest: object
) -> Scenario:
    """Declare a load scenario whose figure is CPU time per command."""
    return Scenario(
        name=name,
        summary=summary,
        targets=(Target("cpu_us", target),),
        command=command,
        counted=command[0].lower(),
        **rest,  # type: ignore[arg-type]
    )


# At P=1 the kernel's TCP path is most of the cost, and no server can save that;
# from P=16 on the server's own code is the cost.
_TARGET_BY_PIPELINE: Final = {1: 0.85, 16: 0.50, 64: 0.50}


def _basic() -> list[Scenario]:
    """PING, GET, SET and INCR of one key at each pipeline depth."""
    found = []
    for depth, target in _TARGET_BY_PIPELINE.items():
        how = f"P={depth}"
        found += [
            _load(f"ping_p{depth}", target, ("PING",), f"PING, {how}", pipeline=depth),
            _load(
                f"get_p{depth}",
                target,
                ("GET", FIXED_KEY),
                f"GET of one 3-byte value, {how}",
                pipeline=depth,
                preload=1,
                reads=True,
            ),
            _load(
                f"set_p{depth}",
                target,
                ("SET", FIXED_KEY, SHORT_VALUE),
                f"SET of one 3-byte value, {how}",
                pipeline=depth,
            ),
            _load(
                f"incr_p{depth}",
                target,
                ("INCR", COUNTER_KEY),
                f"INCR of one counter, {how}",
                pipeline=depth,
            ),
        ]
    return found


def _million() -> list[Scenario]:
    """A million random keys: where cache misses are the cost."""
    return [
        _load(
            "get_1m",
            0.50,
            ("GET", RANDOM_KEY),
            "GET of 1,000,000 random keys, 64-byte values, P=16",
            pipeline=16,
            keyspace=MILLION,
            preload=MILLION,
            value_size=64,
            reads=True,
        ),
        _load(
            "set_1m",
            0.50,
            ("SET", RANDOM_KEY, "x" * 64),
            "SET of 1,000,000 random existing keys, 64-byte values, P=16",
            pipeline=16,
            keyspace=MILLION,
            preload=MILLION,
            value_size=64,
        ),
    ]


def _large() -> list[Scenario]:
    """Values that cost mostly copying."""
    found = []
    for size, label in ((1024, "1k"), (16384, "16k")):
        found.append(
            _load(
                f"get_{label}",
                0.80,
                ("GET", FIXED_KEY),
                f"GET of one {size}-byte value, P=16",
                pipeline=16,
                preload=1,
                value_size=size,
                reads=True,
            )
        )
        found.append(
            _load(
                f"set_{label}",
                0.80,
                ("SET", FIXED_KEY, "x" * size),
                f"SET of one {size}-byte value, P=16",
                pipeline=16,
                value_size=size,
            )
        )
    return found


def _several() -> list[Scenario]:
    """Commands on many random keys, several keys, or with a TTL."""
    return [
        _load(
            "mset10_p16",
            0.50,
            ("MSET", *(part for _ in range(10) for part in (RANDOM_KEY, SHORT_VALUE))),
            "MSET of 10 random keys out of 100,000, P=16",
            pipeline=16,
            keyspace=SHARED_KEYS,
            preload=SHARED_KEYS,
        ),
        _load(
            "mget10_p16",
            0.50,
            ("MGET", *([RANDOM_KEY] * 10)),
            "MGET of 10 random keys out of 100,000, P=16",
            pipeline=16,
            keyspace=SHARED_KEYS,
            preload=SHARED_KEYS,
            reads=True,
        ),
        _load(
            "expire_p16",
            0.50,
            ("EXPIRE", RANDOM_KEY, "3600"),
            "EXPIRE of random keys out of 100,000, P=16",
            pipeline=16,
            keyspace=SHARED_KEYS,
            preload=SHARED_KEYS,
            expires=True,
        ),
        _load(
            "setex_p16",
            0.50,
            ("SET", RANDOM_KEY, SHORT_VALUE, "EX", "3600"),
            "SET with EX of random keys out of 100,000, P=16",
            pipeline=16,
            keyspace=SHARED_KEYS,
            preload=SHARED_KEYS,
            expires=True,
        ),
        _load(
            "del_p16",
            0.50,
            ("DEL", RANDOM_KEY),
            "DEL of random keys out of 2,000,000, 1,000,000 requests, P=16",
            pipeline=16,
            keyspace=DELETE_KEYS,
            preload=DELETE_KEYS,
            requests_per_key=0.5,
        ),
    ]


def _hashes() -> list[Scenario]:
    """Fields of one hash: a small one, a large one, all at once."""
    found = [
        _load(
            "hset_p16",
            0.55,
            ("HSET", FIXED_KEY, "key:000000000000", SHORT_VALUE),
            "HSET of one field, P=16",
            pipeline=16,
        )
    ]
    for name, more in (("hset", (SHORT_VALUE,)), ("hget", ())):
        found.append(
            _load(
                f"{name}_1m",
                0.50,
                (name.upper(), FIXED_KEY, RANDOM_KEY, *more),
                f"{name.upper()} of random fields of a hash with 1,000,000, P=16",
                pipeline=16,
                keyspace=MILLION,
                fields=MILLION,
            )
        )
    found += [
        _load(
            f"hgetall_{count}",
            0.60,
            ("HGETALL", FIXED_KEY),
            f"HGETALL of a hash of {count} short fields, P=16",
            pipeline=16,
            fields=count,
        )
        for count in (5, 100)
    ]
    return found


def _lists() -> list[Scenario]:
    """Lists: both ends of a long one, and parts of it."""
    adds = ("RPUSH", LIST_KEY, ELEMENT)
    pushes = [
        _load(
            f"{name}_p16",
            0.55,
            (name.upper(), LIST_KEY, SHORT_VALUE),
            f"{name.upper()} of one 3-byte element to a growing list, P=16",
            pipeline=16,
        )
        for name in ("lpush", "rpush")
    ]
    pops = [
        _load(
            f"{name}_1m",
            0.55,
            (name.upper(), LIST_KEY),
            f"{name.upper()} from a list of 1,000,000 elements, 500,000 requests, P=16",
            pipeline=16,
            requests_per_key=0.5,
            adds=adds,
            members=MILLION,
        )
        for name in ("lpop", "rpop")
    ]
    parts = [
        _load(
            f"lrange_{count}",
            0.60,
            ("LRANGE", LIST_KEY, "0", str(count - 1)),
            f"LRANGE of the first {count} elements of a list of 1,000, P=16",
            pipeline=16,
            adds=adds,
            members=1000,
        )
        for count in (100, 600)
    ]
    return [*pushes, *pops, *parts]


def _sets() -> list[Scenario]:
    """Sets: the commands of redis-benchmark's own list, and large ones."""
    adds = ("SADD", SET_KEY, ELEMENT)
    return [
        _load(
            "sadd_p16",
            0.55,
            ("SADD", SET_KEY, "element:000000000000"),
            "SADD of one member, P=16",
            pipeline=16,
        ),
        _load(
            "spop_p16",
            0.55,
            ("SPOP", SET_KEY),
            "SPOP of a set that does not exist, P=16",
            pipeline=16,
        ),
        _load(
            "sadd_1m",
            0.50,
            adds,
            "SADD to a set of random members out of 1,000,000, P=16",
            pipeline=16,
            keyspace=MILLION,
            adds=adds,
            members=MILLION,
        ),
        _load(
            "spop_1m",
            0.50,
            ("SPOP", SET_KEY),
            "SPOP from a set of 1,000,000 members, 500,000 requests, P=16",
            pipeline=16,
            requests_per_key=0.5,
            adds=adds,
            members=MILLION,
        ),
        _load(
            "smembers_100",
            0.60,
            ("SMEMBERS", SET_KEY),
            "SMEMBERS of a set of 100 members, P=16",
            pipeline=16,
            adds=adds,
            members=100,
        ),
    ]


def _sorted_sets() -> list[Scenario]:
    """Sorted sets: one command of each kind on a large one."""
    adds = ("ZADD", ZSET_KEY, "__rand_int__", ELEMENT)
    large = {"pipeline": 16, "adds": adds, "members": MILLION}
    return [
        _load(
            "zadd_1m",
            0.40,
            adds,
            "ZADD of random scores to random members out of 1,000,000, P=16",
            keyspace=MILLION,
            **large,
        ),
        _load(
            "zrank_1m",
            0.45,
            ("ZRANK", ZSET_KEY, ELEMENT),
            "ZRANK of random members out of 1,000,000, P=16",
            keyspace=MILLION,
            **large,
        ),
        _load(
            "zscore_1m",
            0.45,
            ("ZSCORE", ZSET_KEY, ELEMENT),
            "ZSCORE of random members out of 1,000,000, P=16",
            keyspace=MILLION,
            **large,
        ),
        _load(
            "zrange10_1m",
            0.45,
            ("ZRANGE", ZSET_KEY, "__rand_int__", "+inf", "BYSCORE", "LIMIT", "0", "10"),
            "ZRANGE of 10 members from a random score on out of 1,000,000, P=16",
            keyspace=MILLION,
            **large,
        ),
        _load(
            "zrangebyscore10_1m",
            0.45,
            ("ZRANGEBYSCORE", ZSET_KEY, "__rand_int__", "+inf", "LIMIT", "0", "10"),
            "ZRANGEBYSCORE LIMIT 0 10 from a random score on out of 1,000,000, P=16",
            keyspace=MILLION,
            **large,
        ),
        _load(
            "zpopmin_1m",
            0.55,
            ("ZPOPMIN", ZSET_KEY),
            "ZPOPMIN from a set of 1,000,000 members, 500,000 requests, P=16",
            requests_per_key=0.5,
            **large,
        ),
    ]


def _bitmaps() -> list[Scenario]:
    """Bitmaps of a megabyte; nearly all of the cost is memory."""
    size = {"preload": 1, "value_size": MEGABYTE}
    return [
        _load(
            "bitcount_1m",
            0.80,
            ("BITCOUNT", FIXED_KEY),
            "BITCOUNT of 1 MB, P=1",
            **size,
        ),
        _load(
            "bitop_1m",
            0.80,
            ("BITOP", "AND", "result", FIXED_KEY, FIXED_KEY),
            "BITOP AND of 1 MB with itself, P=1",
            **size,
        ),
    ]


def _hyperloglogs() -> list[Scenario]:
    """HyperLogLogs: adding to a large one, and reading it or a union."""
    adds = ("PFADD", HLL_KEY, ELEMENT)
    large = {"pipeline": 16, "adds": adds, "members": SHARED_KEYS}
    return [
        _load(
            "pfadd_p16",
            0.80,
            adds,
            "PFADD of random elements out of 1,000,000, P=16",
            keyspace=MILLION,
            **large,
        ),
        _load(
            "pfcount_p16",
            0.80,
            ("PFCOUNT", HLL_KEY),
            "PFCOUNT of one HyperLogLog that does not change, P=16",
            **large,
        ),
        _load(
            "pfcount_union",
            0.80,
            ("PFCOUNT", HLL_KEY, HLL_KEY),
            "PFCOUNT of the union of a HyperLogLog with itself, P=16",
            **large,
        ),
    ]


def _geo() -> list[Scenario]:
    """Places around random ones; a circle of 200 km has 18 on average."""
    return [
        _load(
            "geosearch_100k",
            0.80,
            (
                *("GEOSEARCH", GEO_KEY, "FROMLONLAT"),
                *("__rand_int__e-3", "__rand_int__e-4", "BYRADIUS", "200", "km"),
            ),
            "GEOSEARCH of a circle of 200 km among 100,000 points, P=16",
            pipeline=16,
            keyspace=POINTS,
            adds=("GEOADD", GEO_KEY, "__lon__", "__lat__", ELEMENT),
            members=POINTS,
        )
    ]


def _memory_targets(limit: float) -> tuple[Target, ...]:
    """Return the aims of a memory scenario."""
    return (
        Target("bytes_per_key", limit, "absolute"),
        Target("rss_mb", 1.0, "valkey"),
    )


def _messages() -> list[Scenario]:
    """Messages that nobody gets, and that many get."""
    return [
        _load(
            f"publish_{count}",
            0.60,
            ("PUBLISH", CHANNEL, SHORT_VALUE),
            f"PUBLISH of 3 bytes to {count} subscribers, P=16",
            pipeline=16,
            subscribers=count,
        )
        for count in (0, 50)
    ]


def _streams() -> list[Scenario]:
    """Streams: entries added, with trimming and without; ranges of a long one."""
    entry = ("*", "field", SHORT_VALUE)
    found = [
        _load(
            "xadd_p16",
            0.45,
            ("XADD", STREAM_KEY, *entry),
            "XADD of one 3-byte field to a growing stream, P=16",
            pipeline=16,
        ),
        _load(
            "xadd_maxlen_p16",
            0.45,
            ("XADD", STREAM_KEY, "MAXLEN", "~", "1000", *entry),
            "the same with MAXLEN ~ 1000",
            pipeline=16,
        ),
    ]
    for name, end in (("xrange", "+"), ("xrevrange", "-")):
        found.append(
            _load(
                f"{name}10_1m",
                0.45,
                (name.upper(), STREAM_KEY, "__rand_int__", end, "COUNT", "10"),
                f"{name.upper()} of 10 at random ids of a stream of 1,000,000, P=16",
                pipeline=16,
                keyspace=MILLION,
                adds=("XADD", STREAM_KEY, "__rand_int__", "field", SHORT_VALUE),
                members=MILLION,
            )
        )
    return found


def _memory() -> list[Scenario]:
    """What a key costs in memory."""
    found = []
    for name, limit, ttl in (("mem_1m", 44.0, False), ("mem_1m_ttl", 60.0, True)):
        with_ttl = ", each with a TTL" if ttl else ""
        found.append(
            Scenario(
                name=name,
                kind="memory",
                summary="memory of 1,000,000 keys of 16 bytes with 3-byte values"
                + with_ttl,
                targets=_memory_targets(limit),
                keyspace=MILLION,
                ttl=ttl,
            )
        )
    members = "emt:__rand_int__"
    for name, limit, what, adds, count in (
        (
            *("mem_set_300k", 34.0, "set of 300,000 members of 16 bytes"),
            *(("SADD", SET_KEY, members), SET_MEMBERS),
        ),
        (
            *("mem_zset_300k", 60.0, "sorted set of 300,000 members of 16 bytes"),
            *(("ZADD", ZSET_KEY, "__rand_int__", members), SET_MEMBERS),
        ),
        (
            *("mem_list_300k", 18.0, "list of 300,000 elements of 16 bytes"),
            *(("RPUSH", LIST_KEY, members), LIST_ELEMENTS),
        ),
        (
            *("mem_hash_300k", 50.0, "hash of 300,000 fields and values of 16 bytes"),
            *(("HSET", FIXED_KEY, RANDOM_KEY, members), HASH_FIELDS),
        ),
    ):
        found.append(
            Scenario(
                name=name,
                kind="memory",
                summary=f"memory of one {what}",
                targets=_memory_targets(limit),
                adds=adds,
                members=count,
            )
        )
    found.append(
        Scenario(
            name="mem_hash5_100k",
            kind="memory",
            summary="memory of 100,000 hashes of 5 fields and values of 2 bytes",
            targets=_memory_targets(90.0),
            keyspace=SMALL_HASHES,
            each=(
                *("HMSET", RANDOM_KEY),
                *(part for n in range(1, 6) for part in (f"f{n}", f"v{n}")),
            ),
        )
    )
    found.append(
        Scenario(
            name="mem_stream_300k",
            kind="memory",
            summary="memory of one stream of 300,000 entries of two 3-byte fields",
            targets=(
                Target("bytes_per_key", 30.0, "absolute"),
                Target("rss_mb", 1.0, "valkey"),
            ),
            adds=("XADD", STREAM_KEY, "*", "name", SHORT_VALUE, "n", SHORT_VALUE),
            members=STREAM_ENTRIES,
        )
    )
    return found


def _latency() -> list[Scenario]:
    """How long a command waits while the key table grows."""
    return [
        Scenario(
            name="latency_resize",
            kind="latency",
            summary="slowest SET while 5,000,000 keys are stored",
            targets=(Target("worst_ms", 1.0), Target("worst_cpu_ms", 1.0)),
            keyspace=RESIZE_KEYS,
        )
    ]


SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        *_basic(),
        *_million(),
        *_large(),
        *_several(),
        *_hashes(),
        *_lists(),
        *_sets(),
        *_sorted_sets(),
        *_bitmaps(),
        *_hyperloglogs(),
        *_geo(),
        *_messages(),
        *_streams(),
        *_memory(),
        *_latency(),
    )
}

QUICK: Final = ("get_p1", "set_p1", "get_p16", "set_p16", "get_p64", "set_p64")


def select(wanted: str) -> list[Scenario]:
    """Return the scenarios that a comma-separated list of names and patterns names.

    ``all`` and ``quick`` are understood, and shell patterns such as ``*_p16``. The
    order is the list's, without repetition.

    Raises: ValueError for a word that names nothing.
    """
    names: dict[str, None] = {}
    for word in filter(None, (part.strip() for part in wanted.split(","))):
        if word == "all":
            matches = list(SCENARIOS)
        elif word == "quick":
            matches = list(QUICK)
        else:
            matches = [name for name in SCENARIOS if fnmatchcase(name, word)]
        if not matches:
            raise ValueError(f"no scenario is called {word!r} (see --list)")
        names.update(dict.fromkeys(matches))
    if not names:
        raise ValueError("no scenario was named (see --list)")
    return [SCENARIOS[name] for name in names]
