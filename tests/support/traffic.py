# SPDX-License-Identifier: BSD-3-Clause
"""Random changes of a data set, and what it then is: for tests that replay changes.

The commands are those of the differential tests and, for what these leave out, of
grammars of their own: groups of streams, and fields that expire within milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from compat import (
    test_random_bitmaps,
    test_random_commands,
    test_random_geo,
    test_random_hash,
    test_random_lists,
    test_random_sets,
    test_random_sort,
    test_random_stream,
    test_random_zset,
)
from hypothesis import strategies as st

from support.client import Map
from support.grammar import Step, commands

# Not executed: they are about the server, or what they do is not written down.
LEFT_OUT = {b"SHUTDOWN", b"DEBUG", b"CLIENT", b"MULTI", b"EXEC", b"WATCH", b"DISCARD"}
LEFT_OUT |= {b"SAVE", b"BGSAVE", b"BGREWRITEAOF"}
PAUSE = b"PAUSE"  # not a command: some ms go by

# Of a stream: what no request tells, or depends on how it is stored.
UNTOLD = {b"seen-time", b"active-time", b"radix-tree-keys", b"radix-tree-nodes"}
UNTOLD |= {b"iids-duplicates", b"iids-tracked", b"pids-tracked", b"iids-added"}

STREAM_LINES = """
XADD <key> <newid> <field> <value>
XADD <key> * f <value> g <value>
XADD <key> [KEEPREF|DELREF|ACKED] MAXLEN ~ <n> [LIMIT <n>] * f <value>
XADD <key> [KEEPREF|DELREF|ACKED] MINID ~ <id> [LIMIT <n>] <newid> f <value>
XADD <key> IDMP <who> <value> * <field> <value>
XADD <key> IDMPAUTO <who> MAXLEN ~ 2 * <field> <value>
XCFGSET <key> IDMP-DURATION 1 [IDMP-MAXSIZE 2]
XTRIM <key> MAXLEN [=|~] <n> [LIMIT <n>] [KEEPREF|DELREF|ACKED]
XTRIM <key> MINID [=|~] <id> [LIMIT <n>] [KEEPREF|DELREF|ACKED]
XDEL <key> <id>+
XDELEX <key> [KEEPREF|DELREF|ACKED] IDS 1 <id>
XACKDEL <key> <group> [KEEPREF|DELREF|ACKED] IDS 2 <id> <id>
XNACK <key> <group> {SILENT|FAIL|FATAL} IDS 1 <id> [RETRYCOUNT <n>] [FORCE]
XSETID <key> <id> [ENTRIESADDED <n>] [MAXDELETEDID <id>]
XGROUP CREATE <key> <group> {<id>|$|0} MKSTREAM [ENTRIESREAD <n>]
XGROUP SETID <key> <group> {<id>|$} [ENTRIESREAD <n>]
XGROUP DESTROY <key> h
XGROUP DELCONSUMER <key> <group> <who>
XREADGROUP GROUP g <who> [COUNT <n>] [NOACK] STREAMS <key> <new>
XREADGROUP GROUP g <who> COUNT <n> STREAMS <key> {0|<id>}
XREADGROUP GROUP g <who> [COUNT <n>] CLAIM {0|2} STREAMS <key> <new>
XREADGROUP GROUP g <who> COUNT 2 STREAMS <key> <key> <new> 0
XACK <key> <group> <id>+
XCLAIM <key> g <who> {0|2} <id>+ [JUSTID] [FORCE] [RETRYCOUNT <n>] [LASTID <id>]
XAUTOCLAIM <key> g <who> {0|2} - [COUNT <n>] [JUSTID]
COPY <key> <key> REPLACE
PAUSE
DEL <key>
""".strip().splitlines()

IDS = [b"%d-1" % n for n in range(1, 13)]
STREAM_SLOTS = {
    "key": st.sampled_from([b"a", b"a", b"b"]),
    "id": st.sampled_from(IDS),
    "newid": st.sampled_from([b"13-*", b"14-*", b"99-*"]),
    "new": st.just(b">"),
    "field": st.sampled_from([b"f", b"g"]),
    "value": st.sampled_from([b"v", b"w", b"1"]),
    "n": st.sampled_from([b"1", b"3", b"8", b"10"]),
    "group": st.sampled_from([b"g", b"g", b"h"]),
    "who": st.sampled_from([b"c1", b"c2"]),
}
SOME_ENTRIES: list[Step] = [
    *((b"XADD", key, id_, b"f", b"v") for key in (b"a", b"b") for id_ in IDS),
    (b"XGROUP", b"CREATE", b"a", b"g", b"0"),
    (b"XGROUP", b"CREATE", b"b", b"g", b"3-1"),
    (b"XGROUP", b"CREATE", b"a", b"h", b"0"),
    (b"XREADGROUP", b"GROUP", b"h", b"c1", b"STREAMS", b"a", b">"),
    (b"XREADGROUP", b"GROUP", b"g", b"c2", b"COUNT", b"5", b"STREAMS", b"a", b">"),
]

HASH_LINES = """
HSET <key> <field> <value> [<field> <value>]
HSETEX <key> [FNX|FXX] PX <soon> FIELDS 1 <field> <value>
HSETEX <key> [FNX|FXX] {EX 100|PXAT 1|KEEPTTL} FIELDS 2 <field> <value> <field> <value>
HPEXPIRE <key> <soon> [NX|XX|GT|LT] FIELDS 2 <field> <field>
HEXPIRE <key> 100 [NX|XX|GT|LT] FIELDS 2 <field> <field>
HPEXPIREAT <key> 1 [NX|XX|GT|LT] FIELDS 1 <field>
HPERSIST <key> FIELDS 2 <field> <field>
HGETEX <key> [PX <soon>|EX 100|PXAT 1|PERSIST] FIELDS 2 <field> <field>
HGETDEL <key> FIELDS 2 <field> <field>
HDEL <key> <field> <field>
HINCRBY <key> <field> 2
HINCRBYFLOAT <key> <field> 0.5
HSETNX <key> <field> <value>
HGET <key> <field>
HRANDFIELD <key> 2
HIMPORT PREPARE set f g
HIMPORT SET <key> set <value> <value>
PEXPIRE <key> <soon>
SORT nums BY nosort GET <pattern> STORE list
COPY <key> <key> REPLACE
RENAME <key> <key>
DEL <key>
PAUSE
PAUSE
""".strip().splitlines()
HASH_SLOTS = {
    "key": st.sampled_from([b"h1", b"h2"]),
    "pattern": st.just(b"h*->f"),
    "field": st.sampled_from([b"f", b"g", b"1", b"long" * 20]),
    "value": st.sampled_from([b"1", b"2", b"v", b"w" * 70]),
    "soon": st.sampled_from([b"1", b"2", b"5"]),
}
NUMBERS: list[Step] = [(b"RPUSH", b"nums", b"1", b"2")]


def many(begin: list[Step], lines: list[str], slots: dict[str, Any]) -> Any:
    """Return a strategy of long lists of commands; the first of all are given."""
    some = commands(lines, slots, st.just(b"junk"), 30)
    return st.lists(some, min_size=3, max_size=4).map(
        lambda parts: [*begin, *(step for part in parts for step in part)]
    )


GRAMMARS = {
    "expiring fields": many(NUMBERS, HASH_LINES, HASH_SLOTS),
    "groups": many(SOME_ENTRIES, STREAM_LINES, STREAM_SLOTS),
    "streams": test_random_stream.some_steps,
    "bitmaps": test_random_bitmaps.all_steps,
    "geo": test_random_geo.both_steps,
    "hashes": test_random_hash.both_steps,
    "keys": test_random_commands.both_steps,
    "lists": test_random_lists.some_steps,
    "sets": test_random_sets.steps,
    "sort": test_random_sort.some_steps,
    "sorted sets": test_random_zset.both_steps,
}


# --- The data set -------------------------------------------------------------------


def _told(info: Any) -> Any:
    """Leave out of a reply of XINFO STREAM what no request tells."""
    if isinstance(info, Map):
        info = dict(info.pairs)
    if isinstance(info, dict):
        return {k: _told(value) for k, value in info.items() if k not in UNTOLD}
    return [_told(item) for item in info] if isinstance(info, list) else info


def _inner(ask: Callable[..., Any], db: int, key: bytes, kind: str) -> Any:
    """Return what the digest of a value leaves out."""
    if kind == "stream":
        return _told(ask(db, "XINFO", "STREAM", key, "FULL", "COUNT", 0))
    if kind != "hash":
        return None
    names = sorted(ask(db, "HKEYS", key))
    if not names:
        return []
    times = ask(db, "HPEXPIRETIME", key, "FIELDS", len(names), *names)
    return list(zip(names, times, strict=True))


def dataset_state(
    ask: Callable[..., Any], dbs: Iterable[int]
) -> dict[tuple[int, bytes], Any]:
    """Return what is in databases; ask executes a command in one, in RESP3."""
    state = {}
    for db in dbs:
        for key in ask(db, "KEYS", "*"):
            kind = ask(db, "TYPE", key)
            kind = kind.decode() if isinstance(kind, bytes) else str(kind)
            state[db, key] = (
                kind,
                ask(db, "DEBUG", "DIGEST-VALUE", key),
                ask(db, "PEXPIRETIME", key),
                _inner(ask, db, key, kind),
            )
    return state
