# SPDX-License-Identifier: BSD-3-Clause
"""The table of directives against itself and against the genuine server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastredis.config import spec
from fastredis.config.spec import (
    BY_NAME,
    HIDDEN,
    IMMUTABLE,
    OPTIONS,
    PROTECTED,
    REPEATS,
)
from fastredis.config.store import Config
from fastredis.config.values import CHECKS, KINDS
from support.genuine import GenuineServer, server_path

# Where Redis 8.0 is known to differ from the 7.0 that is compared with.
GONE = {"io-threads-do-reads"}
# 8.0 renamed these and kept the old names as aliases
UNDERSCORES = {"server_cpulist", "bio_cpulist", "aof_rewrite_cpulist", "bgsave_cpulist"}
# The test starts the genuine server with these.
SET_BY_TEST = {"port", "unixsocket", "dir"}


def test_names_are_unique() -> None:
    names = [name for option in OPTIONS for name in (option.name, *option.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)
    assert not spec.DEPRECATED & set(names)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_default_survives_a_round_trip(option: spec.Option) -> None:
    """What CONFIG GET shows of a default must read as that default."""
    read, write = KINDS[option.kind]
    assert not option.check or option.check in CHECKS
    if option.flags & REPEATS:
        assert option.default == ()
        return
    if option.kind in ("int", "octal", "memory"):
        assert option.low <= option.default <= option.high
    shown = write(option, option.default)
    words = shown.split(" ") if option.flags & spec.MULTI and shown else [shown]
    if option.kind == "replicaof":
        assert shown == ""  # there is no way to write "none" in one word
    else:
        assert read(option, words, option.default) == option.default


def test_flags_say_what_is_built() -> None:
    built = {option.name for option in OPTIONS if option.flags & spec.BUILT}
    assert {"port", "maxclients", "linger-ms", "coalesce-us", "net-transport"} <= built
    assert {"daemonize", "supervised", "tls-port", "oom-score-adj"} <= built
    assert not {"crash-memcheck-enabled", "dynamic-hz"} & built


def test_own_immutable_names_are_hidden() -> None:
    """Tools set back every value that CONFIG GET * gave them."""
    with_value = [o for o in OPTIONS if o.flags & IMMUTABLE and not o.flags & REPEATS]
    own = {"net-transport"}
    assert own == {o.name for o in with_value if o.name in own and o.flags & HIDDEN}


def test_import_is_cheap_and_pulls_in_nothing() -> None:
    code = (
        "import sys, typing; before = set(sys.modules)\n"
        "import fastredis.config.parse\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(p for p in sys.path if p)},
    ).stdout.split()
    heavy = {"re", "inspect", "dataclasses", "enum", "ipaddress", "logging", "asyncio"}
    assert "fastredis.config.spec" in out
    assert not heavy & set(out)


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
class TestAgainstGenuine:
    def test_names_and_defaults(self) -> None:
        with GenuineServer() as server:
            theirs = server.config_get("*")
        config = Config()
        ours = {name: config.format(name) for name in config.listed()}
        assert set(theirs) - set(ours) == GONE | {"aof-disable-auto-gc"}
        common = set(theirs) & set(ours) - SET_BY_TEST
        differ = {n: (ours[n], theirs[n]) for n in common if ours[n] != theirs[n]}
        assert differ == {}

    def test_refusals_of_nonsense(self) -> None:
        """Each name is set to values that most types refuse; the texts must agree."""
        values = ["zz%zz", "-99999999999", "9223372036854775807", "65536", ""]
        # valid there; or the effect is there and not here yet
        left_out = {"bind", "port", "tls-port", "maxmemory-samples", "loglevel", "dir"}
        left_out |= {
            "maxclients",
            "repl-diskless-load",
            "client-query-buffer-limit",
        } | UNDERSCORES
        compared = 0
        with GenuineServer() as server:
            theirs = server.config_get("*")
            for name, start in sorted(theirs.items()):
                if name not in BY_NAME or name in left_out or name.startswith("tls-"):
                    continue
                config = Config()
                for value in values:
                    expected = server.call("CONFIG", "SET", name, value)
                    assert (name, value, _set(config, name, value)) == (
                        name, value, expected,
                    )  # fmt: skip
                    compared += 1
                server.call("CONFIG", "SET", name, start)
        assert compared > 700

    def test_mutability(self) -> None:
        with GenuineServer(["--enable-protected-configs", "no"]) as server:
            for name in sorted(server.config_get("*")):
                option = BY_NAME.get(name)
                if option is None:
                    continue
                reply = server.call("CONFIG", "SET", name, "zz%zz")
                assert ("set immutable" in str(reply)) == bool(option.flags & IMMUTABLE)
                assert ("set protected" in str(reply)) == bool(option.flags & PROTECTED)


def _set(config: Config, name: str, value: str) -> str:
    from fastredis.resp.values import ReplyError

    try:
        config.set_many([(name, value)])
    except ReplyError as error:
        return f"-{error}"
    return "+OK"
