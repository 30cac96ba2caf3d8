# SPDX-License-Identifier: BSD-3-Clause
"""The same commands to the server under test and to genuine ones; replies compared.

`Contest.run` sends an example to every server over a new connection, then compares
each reply and the state at the end: every key of every database with its value, type,
encoding and expiry. Where the genuine servers differ among themselves, either answer
is right. What must differ (ids, clocks, the order of KEYS) is levelled by `level`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from support.client import Error, Map, RawClient, Set, encode, exact
from support.replies import read_reply
from support.server import ServerProcess

Step = tuple[bytes, ...]

# Servers answer one after the other, so times counted from now may differ a little.
TOLERANCE = {b"TTL": 2, b"EXPIRETIME": 2, b"PTTL": 2000, b"PEXPIRETIME": 2000}
STATE_TOLERANCE_MS = 3000
NO_MEMBER = "ERR could not decode requested zset member"
STEPS_SHOWN = 20  # before a difference; a shrunk example has fewer


# --- Levelling ---------------------------------------------------------------------


def _unordered(reply: Any, _step: Step) -> Any:
    return sorted(reply) if isinstance(reply, list) else reply


def _scan(reply: Any, step: Step) -> Any:
    """Keep the keys only of a SCAN that must come to the end at once.

    Cursors are the server's own business, and so is where a part of a scan stops.
    """
    if not isinstance(reply, list):
        return reply
    cursor, found = reply
    if not cursor.isdigit():
        return reply
    words = [arg.upper() for arg in step]
    if step[1] == b"0" and b"COUNT" in words[:-1]:
        count = words[words.index(b"COUNT") + 1]
        if count.isdigit() and int(count) >= 1000:
            return ["ended" if cursor == b"0" else "not ended", sorted(found)]
    return ["part", all(isinstance(key, bytes) for key in found)]


def _zscan(reply: Any, step: Step) -> Any:
    """Keep the pairs, or the members, in an order of their own."""
    if not isinstance(reply, list):
        return reply
    cursor, found = reply
    if any(word.upper() == b"NOSCORES" for word in step):
        return [cursor, sorted(found)]
    # of a large set the genuine servers write 17 digits, which need not be the shortest
    scores = map(float, found[1::2])
    return [cursor, sorted(zip(found[::2], scores, strict=True))]


def _zrandmember(reply: Any, step: Step) -> Any:
    """Keep how many members there are, with scores or without."""
    if not isinstance(reply, list):
        return type(reply).__name__ if not isinstance(reply, Error) else reply
    return [type(item).__name__ for item in reply[:1]], len(reply)


def _geo(reply: Any, _step: Step) -> Any:
    """Give errors that Valkey 9 words otherwise the text of Redis."""
    if not isinstance(reply, Error):
        return reply
    text = re.sub("^ERR member .* does not exist$", NO_MEMBER, str(reply), flags=re.S)
    return Error(text.replace("BYRADIUS, BYBOX and BYPOLYGON", "BYRADIUS and BYBOX"))


def _kind(reply: Any, _step: Step) -> Any:
    """Keep the type of a value that is random or a matter of the clock."""
    return reply if isinstance(reply, Error) else type(reply).__name__


def _kinds(reply: Any, _step: Step) -> Any:
    if not isinstance(reply, list):
        return reply
    return [type(item).__name__ for item in reply]


def _hello(reply: Any, _step: Step) -> Any:
    """Mask what names the server, its version, modules, connection and place."""
    if isinstance(reply, Map):
        pairs = reply.pairs
    elif isinstance(reply, list):
        pairs = list(zip(reply[::2], reply[1::2], strict=True))
    else:
        return reply
    own = (b"server", b"version", b"id", b"modules")
    masked = [
        (name, type(value).__name__ if name in own else value)
        for name, value in pairs
        if name != b"availability_zone"
    ]
    return Map(masked) if isinstance(reply, Map) else masked


def _sorted_map(reply: Any, _step: Step) -> Any:
    if isinstance(reply, Map):
        return Map(sorted(reply.pairs))
    if isinstance(reply, list):
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return [item for pair in sorted(pairs) for item in pair]
    return reply


def _members(reply: Any, _step: Step) -> Any:
    """Leave the order of a set's members out."""
    if isinstance(reply, Set):
        return Set(sorted(reply))
    return sorted(reply) if isinstance(reply, list) else reply


def _drawn(reply: Any, step: Step) -> Any:
    """Keep how many random members there are, and that they differ if they must."""
    if not isinstance(reply, list):
        return _kind(reply, step)
    differ = len(set(reply)) == len(reply)
    is_positive = len(step) == 3 and not step[2].startswith(b"-")
    return [type(reply).__name__, len(reply), differ if is_positive else None]


def _member_scan(reply: Any, step: Step) -> Any:
    """Do for SSCAN, whose cursor comes after the key, what is done for SCAN."""
    return _scan(reply, step[1:])


def _hscan(reply: Any, step: Step) -> Any:
    """Do for HSCAN what is done for SCAN, and keep fields with their values."""
    if isinstance(reply, list) and not any(w.upper() == b"NOVALUES" for w in step):
        cursor, found = reply
        pairs = [b"\0".join(p) for p in zip(found[::2], found[1::2], strict=True)]
        reply = [cursor, pairs]
    # a spoilt command may end with COUNT
    return _scan(reply, (*step[1:], b""))


def _hrandfield(reply: Any, step: Step) -> Any:
    """Keep how many random fields there are, and what they look like."""
    if not isinstance(reply, list):
        return _kind(reply, step)
    return [type(item).__name__ for item in reply[:1]], len(reply)


LEVELLERS: dict[bytes, Callable[[Any, Step], Any]] = {
    b"KEYS": _unordered,
    b"SMEMBERS": _members,
    b"SINTER": _members,
    b"SUNION": _members,
    b"SDIFF": _members,
    b"SPOP": _members,
    b"SRANDMEMBER": _drawn,
    b"SSCAN": _member_scan,
    b"SCAN": _scan,
    b"HGETALL": _sorted_map,
    b"HKEYS": _members,
    b"HVALS": _members,
    b"HSCAN": _hscan,
    b"HRANDFIELD": _hrandfield,
    b"GEORADIUSBYMEMBER": _geo,
    b"GEORADIUSBYMEMBER_RO": _geo,
    b"GEOSEARCH": _geo,
    b"GEOSEARCHSTORE": _geo,
    b"ZSCAN": _zscan,
    b"ZRANDMEMBER": _zrandmember,
    b"RANDOMKEY": _kind,
    b"TIME": _kinds,
    b"HELLO": _hello,
    b"CLIENT ID": _kind,
    b"CLIENT INFO": _kind,
    b"CLIENT LIST": _kind,
    b"OBJECT IDLETIME": _kind,
    b"OBJECT REFCOUNT": _kind,
    b"COMMAND": _kind,
    b"COMMAND COUNT": _kind,
    b"CONFIG GET": _sorted_map,
}

# How to ask for the value of a key; of other types what GET says is compared.
READERS: dict[str, tuple[bytes, ...]] = {
    "hash": (b"HGETALL",),
    "set": (b"SMEMBERS",),
}

CONTAINERS = {name.split()[0] for name in LEVELLERS if b" " in name}


def level(reply: Any, step: Step) -> Any:
    """Return what two servers must agree on of a reply to this command."""
    name = step[0].upper()
    if len(step) > 1 and name in CONTAINERS:
        name += b" " + step[1].upper()
    leveller = LEVELLERS.get(name)
    return exact(leveller(reply, step) if leveller else reply)


# Which of several wrong arguments is complained of is no promise, and the genuine
# servers differ in it; tests of the commands look at the texts.
ARGUMENT_ERRORS = {
    "ERR syntax error",
    "ERR value is not an integer or out of range",
    "ERR value is not a valid float",
}


def agree(reply: Any, other: Any, step: Step) -> bool:
    """Tell whether two servers' replies to this command amount to the same."""
    tolerance = TOLERANCE.get(step[0].upper(), 0)
    if tolerance and type(reply) is int and type(other) is int:
        if reply < 0 or other < 0:
            return reply == other
        return abs(reply - other) <= tolerance
    if level(reply, step) == level(other, step):
        return True
    if isinstance(reply, Error) and isinstance(other, Error):
        return reply in ARGUMENT_ERRORS and other in ARGUMENT_ERRORS
    return _is_empty_as_in_redis_8(reply, other, step)


def _is_empty_as_in_redis_8(reply: Any, other: Any, step: Step) -> bool:
    """Tell whether an end before the first byte makes a range empty.

    The genuine servers here take such an end for the first byte; Redis 8 does not.
    """
    if step[0].upper() not in (b"GETRANGE", b"SUBSTR") or reply != b"":
        return False
    return isinstance(other, bytes) and len(other) == 1 and step[3].startswith(b"-")


# --- Servers side by side ----------------------------------------------------------


class Contest:
    """The server under test beside genuine ones."""

    def __init__(
        self,
        subject: ServerProcess,
        oracles: Sequence[ServerProcess],
        *,
        encodings: bool = True,
        dbs: int = 3,
    ) -> None:
        self.subject = subject
        self.oracles = list(oracles)
        self.encodings = encodings
        self.dbs = dbs
        self._keepers = {
            id(server): server.client(unix=True) for server in self.servers
        }

    @property
    def servers(self) -> list[ServerProcess]:
        """All of them, the one under test first."""
        return [self.subject, *self.oracles]

    def run(self, steps: Sequence[Step], resp: int) -> None:
        """Run one example on all servers.

        Raises: AssertionError that shows the first difference and what led there.
        """
        replies = [self._play(server, steps, resp) for server in self.servers]
        for index, step in enumerate(steps):
            mine, *theirs = (played[index] for played in replies)
            if not any(agree(mine, other, step) for other in theirs):
                raise AssertionError(self._story(steps, replies, index))
        numbers = {int(arg) for step in steps for arg in step if arg.isdigit()}
        absolute = numbers | {number * 1000 for number in numbers}
        mine, *theirs = (self._state(server) for server in self.servers)
        if not any(_same_state(mine, other, absolute) for other in theirs):
            raise AssertionError(
                self._story(steps, replies, len(steps))
                + "state at the end:\n"
                + _state_difference([mine, *theirs])
            )

    def _play(self, server: ServerProcess, steps: Sequence[Step], resp: int) -> Any:
        self._keepers[id(server)].ok("FLUSHALL")
        with RawClient(server.unixsocket) as client:
            if resp == 3:
                client.hello(3)
            client.send_and_fill(b"".join(encode(step) for step in steps))
            return [self._read(client, step) for step in steps]

    @staticmethod
    def _read(client: RawClient, step: Step) -> Any:
        """Read the reply to step, following changes of the protocol version."""
        name = step[0].upper()
        if name == b"HELLO":
            # The answer itself is in the new version, or in the old one if it failed.
            reply = read_reply(client._read_line, client._read_exactly, 3)
            if isinstance(reply, Map):
                client.resp = 3
            elif isinstance(reply, list):
                client.resp = 2
            return reply
        reply = client.read()
        if name == b"RESET" and not isinstance(reply, Error):
            client.resp = 2
        return reply

    def _state(self, server: ServerProcess) -> dict[tuple[int, bytes], Any]:
        """Return all that is to know of every key."""
        keeper = self._keepers[id(server)]
        state = {}
        for db in range(self.dbs):
            keeper.ok("SELECT", db)
            keys = keeper.cmd("KEYS", "*")
            if server is self.subject:  # Valkey keeps some keys born expired
                assert keeper.cmd("DBSIZE") == len(keys), keys
            looks = ["TYPE", "GET", "PEXPIRETIME"]
            if self.encodings:
                looks.append("OBJECT ENCODING")
            asked = [(*look.split(), key) for key in keys for look in looks]
            answers = iter(keeper.pipeline(asked))
            for key in keys:
                kind, value, *rest = (next(answers) for _ in looks)
                if reader := READERS.get(str(kind)):
                    name, *more = reader
                    step = (name, key, *more)
                    value = level(keeper.cmd(*step), step)
                state[db, key] = (kind, value, *rest)
        keeper.ok("SELECT", 0)
        return state

    def _story(self, steps: Sequence[Step], replies: Any, index: int) -> str:
        lines = ["the servers differ\n"]
        first = max(0, index - STEPS_SHOWN)
        if first:
            lines.append(f"  ... {first} steps ...\n")
        for number, step in enumerate(steps[: index + 1]):
            if number < first:
                continue
            shown = b" ".join(_quoted(arg) for arg in step).decode()
            lines.append(f"  {shown}\n")
            if number == index:
                lines += [
                    f"    {name:10} {_shown(played[number])}\n"
                    for name, played in zip(self._names(), replies, strict=True)
                ]
            else:
                lines.append(f"    {_shown(replies[0][number])}\n")
        return "".join(lines)

    def _names(self) -> list[str]:
        return ["under test", *(getattr(o, "kind", "oracle") for o in self.oracles)]


def _same_state(mine: Any, other: Any, absolute: set[int]) -> bool:
    if mine.keys() != other.keys():
        return False
    return all(_same_key(mine[key], other[key], absolute) for key in mine)


def _same_key(mine: Any, other: Any, absolute: set[int]) -> bool:
    kind, value, expiry, *encoding = mine
    other_kind, other_value, other_expiry, *other_encoding = other
    if (kind, value, encoding) != (other_kind, other_value, other_encoding):
        return False
    if expiry == other_expiry:
        return True
    if expiry in absolute or other_expiry in absolute:
        return False
    return abs(expiry - other_expiry) <= STATE_TOLERANCE_MS


def _state_difference(states: Sequence[Any]) -> str:
    lines = []
    every = sorted({key for state in states for key in state})
    for key in every:
        found = [_shown(state.get(key, "no such key")) for state in states]
        if len(set(found)) > 1:
            lines.append(f"  db {key[0]} key {key[1]!r}\n")
            lines += [f"    {text}\n" for text in found]
    return "".join(lines)


def _quoted(arg: bytes) -> bytes:
    if len(arg) > 100:
        return b"<%d bytes: %b...>" % (len(arg), arg[:20].hex().encode())
    if arg and all(33 <= byte < 127 for byte in arg):
        return arg
    return repr(arg)[1:].encode()


def _shown(value: Any) -> str:
    text = repr(exact(value)) if not isinstance(value, Set) else repr(value)
    return text if len(text) <= 300 else text[:300] + "..."


@contextlib.contextmanager
def contest(
    subject: ServerProcess, oracles: Sequence[ServerProcess], **options: Any
) -> Any:
    """Hold a Contest and close its connections at the end."""
    held = Contest(subject, oracles, **options)
    try:
        yield held
    finally:
        for server in held.servers:
            server.close_clients()
