# SPDX-License-Identifier: BSD-3-Clause
"""The vocabulary of the command table: what one declaration can say.

A command is an instance of :class:`Command`, bound to a module-level name in one of
the ``cmd_<group>.py`` files beside this one. Everything else that the server knows
about a command is derived from it: arity check, flags, ACL categories, where its
keys are, COMMAND INFO and DOCS, HELP.

    GETRANGE = Command(
        "GETRANGE", group="string", since="2.4.0", arity=4, flags=READONLY,
        keys=one_key("RO ACCESS"),
        args=[key(), integer("start"), integer("end")],
        reply=bulk("the bytes from start to end, both included"),
        cost="O(n), n = bytes returned",
        summary="Returns part of the string stored at a key.",
    )

The helpers are written for that look: ``one_key``, ``keys_from`` and
``counted_keys`` say where keys are; ``key``, ``string``, ``integer``, ``double``,
``pattern``, ``unix_time``, ``token``, ``oneof`` and ``block`` build the argument
tree; ``ok``, ``status``, ``bulk``, ``number``, ``real``, ``array``, ``mapping``,
``verbatim``, ``nil``, ``nothing`` and ``either`` describe the reply.

Several hundred of these objects are made whenever a server starts, so they are
plain classes with slots and nothing here is computed before it is asked for,
except what is a few integer operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypedDict, Unpack

    # argv (with the command's name) -> index and flags of each key
    KeyFinder = Callable[[Sequence[bytes]], list[tuple[int, int]]]

# --- Command flags ----------------------------------------------------------
# The values are shared with the C table: the engine tests these bits.

READONLY: Final = 1 << 0  # reads keys or their metadata
WRITE: Final = 1 << 1  # may change the data set
DENYOOM: Final = 1 << 2  # refused when maxmemory is reached and nothing can go
ADMIN: Final = 1 << 3
PUBSUB: Final = 1 << 4
NOSCRIPT: Final = 1 << 5  # not callable from scripts
BLOCKING: Final = 1 << 6  # may block the client
LOADING: Final = 1 << 7  # allowed while the data set loads
STALE: Final = 1 << 8  # allowed on a replica that lost its primary
SKIP_MONITOR: Final = 1 << 9
SKIP_SLOWLOG: Final = 1 << 10
ASKING: Final = 1 << 11  # implies ASKING in a cluster
FAST: Final = 1 << 12  # O(1) or O(log n)
NO_AUTH: Final = 1 << 13  # allowed before authentication
MAY_REPLICATE: Final = 1 << 14  # may propagate without being a write
SENTINEL: Final = 1 << 15  # also exists in sentinel mode
ONLY_SENTINEL: Final = 1 << 16
NO_MANDATORY_KEYS: Final = 1 << 17  # zero keys are a legal number of keys
PROTECTED: Final = 1 << 18  # needs enable-debug-command or its like
NO_ASYNC_LOADING: Final = 1 << 19
NO_MULTI: Final = 1 << 20  # not inside MULTI
ALLOW_BUSY: Final = 1 << 21  # allowed while a script has run too long
MOVABLEKEYS: Final = 1 << 22  # derived: first/last/step cannot find all keys
TOUCHES_ARBITRARY_KEYS: Final = 1 << 23  # reads keys that are not arguments
SUBSCRIBER: Final = 1 << 24  # allowed to a subscriber that speaks RESP2
UNQUEUED: Final = 1 << 25  # executed at once within MULTI

# The flags that COMMAND INFO names, in its order; the others are internal.
FLAG_NAMES: Final = (
    (WRITE, "write"),
    (READONLY, "readonly"),
    (DENYOOM, "denyoom"),
    (ADMIN, "admin"),
    (PUBSUB, "pubsub"),
    (NOSCRIPT, "noscript"),
    (BLOCKING, "blocking"),
    (LOADING, "loading"),
    (STALE, "stale"),
    (SKIP_MONITOR, "skip_monitor"),
    (SKIP_SLOWLOG, "skip_slowlog"),
    (ASKING, "asking"),
    (FAST, "fast"),
    (NO_AUTH, "no_auth"),
    (NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (NO_ASYNC_LOADING, "no_async_loading"),
    (NO_MULTI, "no_multi"),
    (MOVABLEKEYS, "movablekeys"),
    (ALLOW_BUSY, "allow_busy"),
)

# --- ACL categories ---------------------------------------------------------

# In the order in which COMMAND INFO and ACL CAT name them; bit i stands for item i.
ACL_CATEGORIES: Final = (
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
)
ACL_BITS: Final = {name: 1 << bit for bit, name in enumerate(ACL_CATEGORIES)}

# A command of these groups is in the category beside it. Not in the list: server and
# cluster, which have none, and pubsub, whose category follows from the flag.
_GROUP_CATEGORY: Final = {
    "generic": "keyspace",
    "string": "string",
    "list": "list",
    "set": "set",
    "sorted-set": "sortedset",
    "hash": "hash",
    "bitmap": "bitmap",
    "hyperloglog": "hyperloglog",
    "geo": "geo",
    "stream": "stream",
    "connection": "connection",
    "transactions": "transaction",
    "scripting": "scripting",
}


def acl_bits(names: str) -> int:
    """Return the bit set of space-separated category names."""
    bits = 0
    for name in names.split():
        bits |= ACL_BITS[name]
    return bits


# --- Key specifications -----------------------------------------------------

KEY_RO: Final = 1 << 0  # the value is not changed
KEY_RW: Final = 1 << 1  # changed, and the old value matters
KEY_OW: Final = 1 << 2  # overwritten without looking at the old value
KEY_RM: Final = 1 << 3  # deleted
KEY_ACCESS: Final = 1 << 4  # user data is returned, copied or compared
KEY_UPDATE: Final = 1 << 5  # user data is changed
KEY_INSERT: Final = 1 << 6  # user data is only added
KEY_DELETE: Final = 1 << 7  # user data is only removed
KEY_NOT_KEY: Final = 1 << 8  # routed like a key, but names none
KEY_INCOMPLETE: Final = 1 << 9  # there may be keys that this does not find
KEY_VARIABLE: Final = 1 << 10  # the flags depend on the other arguments

KEY_FLAG_NAMES: Final = (
    (KEY_RO, "RO"),
    (KEY_RW, "RW"),
    (KEY_OW, "OW"),
    (KEY_RM, "RM"),
    (KEY_ACCESS, "access"),
    (KEY_UPDATE, "update"),
    (KEY_INSERT, "insert"),
    (KEY_DELETE, "delete"),
    (KEY_NOT_KEY, "not_key"),
    (KEY_INCOMPLETE, "incomplete"),
    (KEY_VARIABLE, "variable_flags"),
)
_KEY_FLAGS: Final = {name.upper(): bit for bit, name in KEY_FLAG_NAMES}


def key_flags(names: str) -> int:
    """Return the bit set of space-separated key flags, as in ``"RW ACCESS"``."""
    bits = 0
    for name in names.split():
        bits |= _KEY_FLAGS[name]
    return bits


def names_of(bits: int, table: Iterable[tuple[int, str]]) -> list[str]:
    """Return the names of the bits that are set, in the table's order."""
    return [name for bit, name in table if bits & bit]


class Index:
    """The search begins at a fixed position in argv."""

    __slots__ = ("pos",)

    def __init__(self, pos: int) -> None:
        self.pos = pos


class Keyword:
    """The search begins after a word.

    The word is looked for from ``start`` on to the end, or, if ``start`` is negative,
    from that many places before the end back to the beginning.
    """

    __slots__ = ("start", "word")

    def __init__(self, word: str, start: int) -> None:
        self.word = word
        self.start = start


class Range:
    """Keys stand at every ``step``-th place up to ``last``.

    ``last`` counts from the first key; -1 means the last argument, -2 the one before.
    With -1, ``limit`` 2 means that only the first half of the rest are keys, and so on.
    """

    __slots__ = ("last", "limit", "step")

    def __init__(self, last: int, step: int, limit: int) -> None:
        self.last = last
        self.step = step
        self.limit = limit


class KeyNum:
    """An argument tells how many keys follow.

    ``count`` and ``first`` count from where the search began.
    """

    __slots__ = ("count", "first", "step")

    def __init__(self, count: int, first: int, step: int) -> None:
        self.count = count
        self.first = first
        self.step = step


class Unknown:
    """No rule: only the command's own ``find_keys`` function knows."""

    __slots__ = ()


class KeySpec:
    """Where some of a command's keys are, and what is done to them."""

    __slots__ = ("begin", "find", "flags", "notes")

    def __init__(
        self,
        flags: str,
        begin: Index | Keyword | Unknown,
        find: Range | KeyNum | Unknown,
        notes: str | None = None,
    ) -> None:
        self.flags = key_flags(flags)
        self.begin = begin
        self.find = find
        self.notes = notes


def one_key(flags: str, *, at: int = 1, notes: str | None = None) -> KeySpec:
    """Say that the argument at one place is a key."""
    return KeySpec(flags, Index(at), Range(0, 1, 0), notes)


def keys_from(
    flags: str,
    *,
    at: int = 1,
    last: int = -1,
    step: int = 1,
    limit: int = 0,
    notes: str | None = None,
) -> KeySpec:
    """Say that keys start at one place and go on, by default to the end."""
    return KeySpec(flags, Index(at), Range(last, step, limit), notes)


def counted_keys(
    flags: str, *, at: int = 1, step: int = 1, notes: str | None = None
) -> KeySpec:
    """Say that a number of keys stands at one place and the keys right after it."""
    return KeySpec(flags, Index(at), KeyNum(0, 1, step), notes)


# --- Arguments --------------------------------------------------------------


class Arg:
    """One node of the argument tree that COMMAND DOCS shows.

    ``kind`` is the type of the wire format: key, string, integer, double, pattern,
    unix-time, pure-token, oneof or block; the last two have ``args``.
    """

    __slots__ = (
        "args",
        "deprecated",
        "display",
        "key_spec",
        "kind",
        "multiple",
        "multiple_token",
        "name",
        "optional",
        "since",
        "summary",
        "token",
    )

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        args: Sequence[Arg] = (),
        key_spec: int | None = None,
        token: str | None = None,
        display: str | None = None,
        optional: bool = False,
        multiple: bool = False,
        multiple_token: bool = False,
        since: str | None = None,
        deprecated: str | None = None,
        summary: str | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.args = args
        self.key_spec = key_spec
        self.token = token
        self.display = display or name
        self.optional = optional
        self.multiple = multiple
        self.multiple_token = multiple_token
        self.since = since
        self.deprecated = deprecated
        self.summary = summary


if TYPE_CHECKING:

    class ArgOptions(TypedDict, total=False):
        """What every helper below takes by keyword."""

        display: str
        optional: bool
        multiple: bool
        multiple_token: bool
        since: str
        deprecated: str
        summary: str

    class TokenOptions(ArgOptions, total=False):
        """The same, for arguments that may follow a token."""

        token: str


def key(name: str = "key", spec: int = 0, **options: Unpack[TokenOptions]) -> Arg:
    """Describe a key; ``spec`` is the index of its key specification."""
    return Arg("key", name, key_spec=spec, **options)


def string(name: str, **options: Unpack[TokenOptions]) -> Arg:
    """Describe any bytes."""
    return Arg("string", name, **options)


def integer(name: str, **options: Unpack[TokenOptions]) -> Arg:
    """Describe a 64-bit signed integer."""
    return Arg("integer", name, **options)


def double(name: str, **options: Unpack[TokenOptions]) -> Arg:
    """Describe a floating-point number."""
    return Arg("double", name, **options)


def pattern(name: str = "pattern", **options: Unpack[TokenOptions]) -> Arg:
    """Describe a glob-style pattern."""
    return Arg("pattern", name, **options)


def unix_time(name: str, **options: Unpack[TokenOptions]) -> Arg:
    """Describe a point in time, counted from 1970."""
    return Arg("unix-time", name, **options)


def token(word: str, **options: Unpack[ArgOptions]) -> Arg:
    """Describe a word that stands for itself."""
    return Arg("pure-token", word.lower(), token=word, **options)


def oneof(name: str, *args: Arg, **options: Unpack[TokenOptions]) -> Arg:
    """Describe a choice."""
    return Arg("oneof", name, args=args, **options)


def block(name: str, *args: Arg, **options: Unpack[TokenOptions]) -> Arg:
    """Describe arguments that come together."""
    return Arg("block", name, args=args, **options)


# What commands of several groups have among their arguments.
LIMIT: Final = block(
    "limit", integer("offset"), integer("count"), token="LIMIT", optional=True
)
ORDER: Final = oneof("order", token("ASC"), token("DESC"), optional=True)


# --- Replies ----------------------------------------------------------------


class Reply:
    """What a command answers: the kind of value, and what it means.

    ``kind`` is simple, bulk, integer, double, boolean, null, array, map, set,
    verbatim, none (nothing is sent), or either (one of ``choices``).
    """

    __slots__ = ("choices", "kind", "text")

    def __init__(self, kind: str, text: str, choices: tuple[Reply, ...] = ()) -> None:
        self.kind = kind
        self.text = text
        self.choices = choices

    def kinds(self) -> set[str]:
        """Return every kind that this reply allows."""
        if self.kind != "either":
            return {self.kind}
        return {kind for choice in self.choices for kind in choice.kinds()}


def ok(text: str = "") -> Reply:
    """Describe the status OK."""
    return Reply("simple", text or "OK")


def status(text: str) -> Reply:
    """Describe a simple string."""
    return Reply("simple", text)


def bulk(text: str) -> Reply:
    """Describe a bulk string."""
    return Reply("bulk", text)


def number(text: str) -> Reply:
    """Describe an integer."""
    return Reply("integer", text)


def real(text: str) -> Reply:
    """Describe a double (a bulk string in RESP2)."""
    return Reply("double", text)


def array(text: str) -> Reply:
    """Describe an array."""
    return Reply("array", text)


def mapping(text: str) -> Reply:
    """Describe a map (a flat array in RESP2)."""
    return Reply("map", text)


def verbatim(text: str) -> Reply:
    """Describe text for people (a bulk string in RESP2)."""
    return Reply("verbatim", text)


def nil(text: str) -> Reply:
    """Describe when the reply is null."""
    return Reply("null", text)


def nothing(text: str) -> Reply:
    """Describe when nothing is sent at all."""
    return Reply("none", text)


def either(*choices: Reply) -> Reply:
    """Describe a reply that takes one of several forms."""
    return Reply("either", "", choices)


# --- Commands ---------------------------------------------------------------


class Command:
    """The declaration of a command, or of one subcommand.

    arity: number of arguments with the name (both names, for a subcommand);
        negative: at least so many.
    python: the handler is a function of admin/, not compiled.
    handler: that function itself, for commands that users register.
    bare: a container that also does something without a subcommand.
    acl: category names instead of the one that follows from the group.
    acl_extra: category names besides those that follow from group and flags.
    find_keys: finds the keys where the specifications do not suffice.
    member: where in argv the first member or field of the first key's value is; it is
        looked for ahead in pipelines (engine/execute.pyx). 0: there is none.
    ranked: its place in the order of a sorted set is needed, too.
    scored: ... and that of the score which stands before it.
    border: where in argv the score is at which a range of a sorted set begins; it is
        looked for ahead as a member is.
    module: name of the Python module, for commands that users register.
    """

    __slots__ = (
        "_acl",
        "_acl_extra",
        "_group",
        "args",
        "arity",
        "bare",
        "border",
        "cost",
        "deprecated",
        "find_keys",
        "flags",
        "full_name",
        "handler",
        "history",
        "key_range",
        "keys",
        "member",
        "module",
        "name",
        "parent",
        "python",
        "ranked",
        "replaced_by",
        "reply",
        "scored",
        "since",
        "subcommands",
        "summary",
        "syscmd",
        "tips",
    )

    def __init__(
        self,
        name: str,
        *,
        since: str,
        arity: int,
        summary: str,
        group: str | None = None,
        flags: int = 0,
        keys: KeySpec | Sequence[KeySpec] = (),
        args: Sequence[Arg] = (),
        reply: Reply | None = None,
        cost: str = "",
        history: Sequence[tuple[str, str]] = (),
        tips: Sequence[str] = (),
        subcommands: Sequence[Command] = (),
        python: bool = False,
        handler: Callable[..., Any] | None = None,
        bare: bool = False,
        acl: str | None = None,
        acl_extra: str = "",
        find_keys: KeyFinder | None = None,
        member: int = 0,
        ranked: bool = False,
        scored: bool = False,
        border: int = 0,
        deprecated: str | None = None,
        replaced_by: str | None = None,
        syscmd: bool = False,
        module: str | None = None,
    ) -> None:
        self.name = name
        self.full_name = name.lower()
        self.parent: Command | None = None
        self._group = group
        self.since = since
        self.arity = arity
        self.keys: Sequence[KeySpec] = (keys,) if isinstance(keys, KeySpec) else keys
        self.key_range, movable = _legacy_range(self.keys)
        self.flags = flags | MOVABLEKEYS if movable else flags
        self.args = args
        self.reply = reply
        self.cost = cost
        self.summary = summary
        self.history = history
        self.tips = tips
        self.python = python or handler is not None
        self.handler = handler
        self.bare = bare
        self._acl = acl
        self._acl_extra = acl_extra
        self.find_keys = find_keys
        self.member = member
        self.ranked = ranked
        self.scored = scored
        self.border = border
        self.deprecated = deprecated
        self.replaced_by = replaced_by
        self.syscmd = syscmd
        self.module = module
        self.subcommands: dict[str, Command] = {}
        for sub in subcommands:
            sub.parent = self
            sub.full_name = f"{self.full_name}|{sub.full_name}"
            self.subcommands[sub.name.lower()] = sub

    def __repr__(self) -> str:
        return f"<Command {self.full_name}>"

    @property
    def group(self) -> str:
        """The group; a subcommand has its container's."""
        if self._group is None:
            return self.parent.group if self.parent else ""
        return self._group

    @property
    def handler_name(self) -> str:
        """The name of the handler, without the prefix of compiled ones."""
        return self.full_name.replace("|", "_").replace("-", "_")

    @property
    def has_handler(self) -> bool:
        """Whether the command does something itself; most containers do not."""
        return self.bare or not self.subcommands

    @property
    def acl(self) -> int:
        """The ACL categories, as bits of ACL_CATEGORIES."""
        flags, group = self.flags, self.group
        if self._acl is not None:
            bits = acl_bits(self._acl)
        elif group in _GROUP_CATEGORY and not self.subcommands:
            bits = ACL_BITS[_GROUP_CATEGORY[group]]
        else:
            bits = 0
        bits |= acl_bits(self._acl_extra)
        if flags & WRITE:
            bits |= ACL_BITS["write"]
        # EVAL_RO and its like read only, but what they read is not for a category
        # of commands to say.
        if flags & READONLY and not bits & ACL_BITS["scripting"]:
            bits |= ACL_BITS["read"]
        if flags & ADMIN:
            bits |= ACL_BITS["admin"] | ACL_BITS["dangerous"]
        if flags & PUBSUB:
            bits |= ACL_BITS["pubsub"]
        if flags & BLOCKING:
            bits |= ACL_BITS["blocking"]
        return bits | (ACL_BITS["fast"] if flags & FAST else ACL_BITS["slow"])

    def acl_names(self) -> list[str]:
        """Return the ACL categories with their at sign, in the usual order."""
        bits = self.acl
        return ["@" + name for name, bit in ACL_BITS.items() if bits & bit]

    def flag_names(self) -> list[str]:
        """Return the flags that clients are told of, in the usual order."""
        names = names_of(self.flags, FLAG_NAMES)
        if self.module is not None:
            at = sum(1 for name in names if name in ("write", "readonly", "denyoom"))
            names.insert(at, "module")
        return names

    def walk(self) -> list[Command]:
        """Return the command and its subcommands."""
        return [self, *self.subcommands.values()]


def _legacy_range(keys: Sequence[KeySpec]) -> tuple[tuple[int, int, int], bool]:
    """Return first, last and step of the keys, and whether that misses some.

    This is the form that clients knew before key specifications existed: zeros if
    there are no such keys, a negative last counts from the end.
    """
    if not keys:
        return (0, 0, 0), False
    movable = False
    first = last = previous = 0
    step = 1
    for spec in keys:
        begin, find = spec.begin, spec.find
        if not isinstance(begin, Index) or not isinstance(find, Range):
            movable = True
            continue
        # Several ranges are one only if they adjoin with step 1.
        if len(keys) > 1 and (find.step != 1 or previous not in (0, begin.pos - 1)):
            movable = True
            continue
        movable = movable or bool(spec.flags & KEY_INCOMPLETE)
        previous = find.last if find.last < 0 else find.last + begin.pos
        first = min(first or begin.pos, begin.pos)
        last = previous if previous < 0 else (last if last < 0 else max(last, previous))
        step = find.step
    return ((first, last, step) if first else (0, 0, 0)), movable
