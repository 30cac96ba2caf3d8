# SPDX-License-Identifier: BSD-3-Clause
"""What the server says of its commands, compared with what genuine servers say."""

from __future__ import annotations

from typing import Any

import pytest

from support.client import Error, RawClient
from support.differential import Contest

# Flags that tell how a server is built, and those that only newer ones have.
OWN_FLAGS = {"no_mandatory_keys", "module", "sentinel", "only_sentinel", "allow_busy"}


def described(client: RawClient) -> dict[str, list[Any]]:
    """Return COMMAND's entries by name, subcommands too."""
    entries: dict[str, list[Any]] = {}

    def add(entry: list[Any]) -> None:
        entries[entry[0].decode().lower()] = entry
        for sub in entry[9]:
            add(sub)

    for entry in client.cmd("COMMAND"):
        add(entry)
    return entries


def plain(value: Any) -> Any:
    """Return nested lists of pairs and words in a form that can be sorted."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def without_notes(spec: list[Any]) -> list[Any]:
    """Return a key specification without the remarks for people."""
    pairs = zip(spec[::2], spec[1::2], strict=True)
    return [
        (name, sorted(map(str, value)) if name == "flags" else value)
        for name, value in pairs
        if name != "notes"
    ]


def facts(entry: list[Any]) -> dict[str, Any]:
    """Return what must be the same, without the order of flags."""
    _, arity, flags, first, last, step, categories, tips, keys, _ = entry
    return {
        "arity": arity,
        "flags": sorted(set(map(str, flags)) - OWN_FLAGS),
        "keys": (first, last, step),
        "categories": sorted(map(str, categories)),
        "tips": sorted(plain(tips)),
        "key specs": [without_notes(spec) for spec in plain(keys)],
    }


# What Redis 8, which has these commands, says otherwise than Valkey.
AS_IN_REDIS_8 = {"hpttl": "tips", "httl": "tips", "hsetex": "key specs"}


def own_names() -> list[str]:
    """Return the names that the declarations give, for the test's parameters."""
    from fastredis.commands.registry import load_specs

    names = []
    for command in load_specs():
        names.append(command.full_name.lower())
        names += [sub.full_name.lower() for sub in command.subcommands.values()]
    return sorted(names)


@pytest.fixture(scope="module")
def tables(with_both: Contest) -> list[dict[str, list[Any]]]:
    """Return COMMAND's entries of all servers, those of the one under test first."""
    found = []
    for server in with_both.servers:
        with RawClient(server.unixsocket) as client:
            found.append(described(client))
    return found


@pytest.mark.parametrize("name", own_names())
def test_same_facts_as_a_genuine_server(
    tables: list[dict[str, list[Any]]], name: str
) -> None:
    mine, *theirs = tables
    known = [facts(table[name]) for table in theirs if name in table]
    if not known:
        pytest.skip("neither of the genuine servers has it")
    own = facts(mine[name])
    wrong = {
        fact: (own[fact], [one[fact] for one in known])
        for fact in own
        if own[fact] not in [one[fact] for one in known]
        and fact != AS_IN_REDIS_8.get(name)
    }
    assert not wrong


def test_every_reply_about_commands_agrees_with_itself(with_both: Contest) -> None:
    with RawClient(with_both.subject.unixsocket, resp=3) as client:
        entries = {entry[0]: entry for entry in client.cmd("COMMAND")}
        assert client.cmd("COMMAND", "COUNT") == len(entries)
        names = client.cmd("COMMAND", "LIST")
        assert len(set(names)) == len(names)
        tops = {name for name in names if b"|" not in name}
        assert tops == set(entries)
        docs = client.cmd("COMMAND", "DOCS")
        assert {name for name, _ in docs.pairs} == set(entries)
        for name, entry in entries.items():
            assert repr(client.cmd("COMMAND", "INFO", name)) == repr([entry])


GETKEYS = [
    ["GET", "a"],
    ["SET", "a", "b", "EX", "10"],
    ["SET", "a", "b", "GET"],
    ["MGET", "a", "b", "c"],
    ["MSET", "a", "1", "b", "2"],
    ["MSET", "a", "1", "b"],
    ["MSETNX", "a", "1"],
    ["DEL", "a", "b"],
    ["EXISTS", "a"],
    ["COPY", "a", "b", "DB", "1"],
    ["RENAME", "a", "b"],
    ["LCS", "a", "b", "LEN"],
    ["OBJECT", "ENCODING", "a"],
    ["OBJECT", "HELP"],
    ["GETEX", "a", "PERSIST"],
    ["PING"],
    ["SCAN", "0"],
    ["KEYS", "*"],
    ["CLIENT", "ID"],
    ["nonsense"],
    ["nonsense", "a"],
    ["GET"],
    ["GET", "a", "b"],
    ["CLIENT", "nonsense"],
]


@pytest.mark.parametrize("args", GETKEYS, ids=" ".join)
@pytest.mark.parametrize("how", ["GETKEYS", "GETKEYSANDFLAGS"])
def test_key_extraction(with_both: Contest, how: str, args: list[str]) -> None:
    step = tuple(arg.encode() for arg in ("COMMAND", how, *args))
    with_both.run([step], 2)


LISTS = [
    ["ACLCAT", "string"],
    ["ACLCAT", "nonsense"],
    ["PATTERN", "*ex*"],
    ["PATTERN", "GET*"],
    ["MODULE", "nonsense"],
    ["nonsense", "x"],
    ["PATTERN"],
]


@pytest.mark.parametrize("args", LISTS, ids=" ".join)
def test_lists_are_those_of_the_genuine_servers(
    with_both: Contest, tables: list[dict[str, list[Any]]], args: list[str]
) -> None:
    known = {name for table in tables[1:] for name in table}
    replies = []
    for server in with_both.servers:
        with RawClient(server.unixsocket) as client:
            replies.append(client.cmd("COMMAND", "LIST", "FILTERBY", *args))
    mine, *theirs = replies
    if isinstance(mine, Error):
        assert mine in theirs
        return
    own = set(own_names())
    mine = {name.decode() for name in mine}
    for other in theirs:
        assert mine >= own & {name.decode().lower() for name in other}
    # Nothing that a genuine server has and would not list.
    listed = {name.decode().lower() for other in theirs for name in other}
    assert not mine & known - listed
