# SPDX-License-Identifier: BSD-3-Clause
"""MIGRATE moves values of every encoding from and to genuine servers."""

from __future__ import annotations

import pytest

from support.client import Error, RawClient
from support.server import FastredisServer, ServerProcess
from support.values import VALUES


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> list[ServerProcess]:
    """Hand out the two servers of a test, both empty."""
    servers = [request.getfixturevalue(name) for name in request.param]
    for server in servers:
        with RawClient(server.port) as client:
            client.ok("FLUSHALL")
    return servers


@pytest.mark.parametrize(
    "pair",
    [
        ("subject", "redis"),
        ("redis", "subject"),
        ("subject", "valkey"),
        ("valkey", "subject"),
    ],
    indirect=True,
)
def test_values_move(pair: list[ServerProcess]) -> None:
    source, target = pair
    with RawClient(source.port) as here, RawClient(target.port) as there:
        there.ok("SELECT", 9)
        names = []
        for name, commands in VALUES.items():
            here.cmd("DEL", "k")
            for reply in here.pipeline(commands):
                assert not isinstance(reply, Error), reply
            here.ok("RENAME", "k", name)
            here.cmd("PEXPIREAT", name, 4_000_000_000_000)
            names.append(name)
        before = {name: here.cmd("DEBUG", "DIGEST-VALUE", name) for name in names}
        kinds = {name: here.cmd("TYPE", name) for name in names}
        assert (
            here.cmd("MIGRATE", "127.0.0.1", target.port, "", 9, 10_000, "KEYS", *names)
            == "OK"
        )
        assert here.cmd("DBSIZE") == 0
        assert there.cmd("DBSIZE") == len(names)
        for name in names:
            assert there.cmd("TYPE", name) == kinds[name]
            # the time to live travels as what is left of it
            assert abs(there.cmd("PEXPIRETIME", name) - 4_000_000_000_000) < 10_000
            if kinds[name] != "zset":  # digests take in how a server writes scores
                assert there.cmd("DEBUG", "DIGEST-VALUE", name) == before[name]


@pytest.mark.parametrize("pair", [("redis", "valkey")], indirect=True)
def test_errors(pair: list[ServerProcess], subject: FastredisServer) -> None:
    """The same calls, the same errors."""
    target = pair[1]
    calls = [
        ("MIGRATE", "127.0.0.1", target.port, "k", 99, 1000, "COPY"),
        ("MIGRATE", "127.0.0.1", target.port, "k", 0, 1000, "COPY", "AUTH", "x"),
        ("MIGRATE", "127.0.0.1", target.port, "taken", 0, 1000),
        ("MIGRATE", "127.0.0.1", target.port, "k", "", 1000),
        ("MIGRATE", "127.0.0.1", target.port, "k", 0, "01"),
        ("MIGRATE", "127.0.0.1", target.port, "k", 0, 1, "KEYS"),
        ("MIGRATE", "127.0.0.1", target.port, "", 0, 1, "KEYS"),
        ("MIGRATE", "127.0.0.1", target.port, "", 0, 1, "COPY"),
        ("MIGRATE", "127.0.0.1", target.port, "k", 0, 0, "COPY", "REPLACE"),
        ("EXISTS", "k", "taken"),
    ]
    found = []
    with RawClient(target.port) as there:
        for server in (subject, pair[0]):
            there.ok("FLUSHALL")
            there.ok("SET", "taken", "v")
            with RawClient(server.port) as here:
                here.ok("FLUSHALL")
                here.ok("MSET", "k", "v", "taken", "v")
                found.append([here.cmd(*call) for call in calls])
    assert found[0] == found[1]
