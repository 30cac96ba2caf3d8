# SPDX-License-Identifier: BSD-3-Clause
"""CONFIG GET, SET, REWRITE, RESETSTAT and HELP as handlers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fastredis.admin.config import (
    GlobMatcher,
    config_get,
    config_help,
    config_resetstat,
    config_rewrite,
    config_set,
    is_allowed,
)
from fastredis.config.store import Config
from fastredis.resp.values import OK, ReplyError, SimpleString
from support.genuine import GenuineServer, server_path

genuine = pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0")

PATTERNS = [
    "ma[x]m*", "max[^a-l]*", "max[a", "max\\memory", "hz\\", "[h-g]z", "h?", "**hz**",
    "[]hz", "[^]hz", "h[z", "[\\h]z", "*[", "HZ*", "h[Z]", "max[a-", "[h-]z", "[-h]z",
    "*", "?", "", "h[^a]", "*z*", "*-*-*-*-*", "cl*-ou*t", "*slave*", "[^a-y]*", "**",
    "*\\*", "h\\z*", "timeou[t]", "[t]imeout", "*[^a-z-]*", "*[s-t]", "s[a-]*", "HZ",
    "Hz", "hz", "nothing",
]  # fmt: skip


class Context:
    """A server with a configuration and nothing else."""

    def __init__(self, is_local: bool = False, **options: object) -> None:
        self.resets = 0
        self.server = SimpleNamespace(
            config=Config(options), engine=self, log=self, is_loading=False
        )
        self.warnings: list[str] = []
        self.client = SimpleNamespace(is_local=is_local)

    def reset_stats(self) -> None:
        self.resets += 1

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def test_get_by_name_and_pattern() -> None:
    ctx = Context(port=7000)
    assert config_get(ctx, b"port") == {b"port": b"7000"}
    assert config_get(ctx, b"POrt", b"port", b"por[t]") == {b"POrt": b"7000"}
    assert config_get(ctx, b"port", b"hz", b"nothing") == {
        b"port": b"7000",
        b"hz": b"10",
    }
    assert config_get(ctx, b"slave-read-only") == {b"slave-read-only": b"yes"}
    assert config_get(ctx, b"*-read-only") == {
        b"replica-read-only": b"yes",
        b"slave-read-only": b"yes",
    }


def test_hidden_names_need_to_be_spelled_out() -> None:
    ctx = Context()
    everything = config_get(ctx, b"*")
    assert b"key-load-delay" not in everything
    assert b"net-transport" not in everything
    assert b"linger-ms" in everything
    assert config_get(ctx, b"key-load-dela[y]") == {}
    assert config_get(ctx, b"key-load-delay") == {b"key-load-delay": b"0"}
    assert config_get(ctx, b"net-transport") == {b"net-transport": b"auto"}
    assert config_get(ctx, b"user", b"rename-command", b"loadmodule", b"include") == {}


def test_get_gives_back_any_byte() -> None:
    ctx = Context()
    assert config_set(ctx, b"masterauth", b"\x00\xff\xc3\xa9") == OK
    assert config_get(ctx, b"masterauth") == {b"masterauth": b"\x00\xff\xc3\xa9"}


def test_all_that_is_shown_and_mutable_can_be_set_back() -> None:
    """What test suites do with the reply of CONFIG GET *."""
    ctx = Context()
    refused = []
    for name, value in config_get(ctx, b"*").items():
        try:
            config_set(ctx, name, value)
        except ReplyError as error:
            refused.append((name, str(error)))
    assert all(
        "can't set immutable" in text or "can't set protected" in text
        for _, text in refused
    )
    assert b"save" not in dict(refused)


@genuine
def test_patterns_match_as_in_the_genuine_server() -> None:
    ctx = Context()
    with GenuineServer() as server:
        common = set(server.config_get("*")) & set(Config.listed())
        for pattern in PATTERNS:
            theirs = {n for n in server.config_get(pattern) if n.lower() in common}
            ours = {n.decode() for n in config_get(ctx, pattern.encode())}
            assert (pattern, {n for n in ours if n.lower() in common}) == (
                pattern, theirs,
            )  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a*b*c", "abbbc", True),
        ("a*b*c", "abbb", False),
        ("*a*a*a*a*a*a*a*a*b", "a" * 200, False),
        ("h[^xy]z", "haz", True),
        ("h[^xy]z", "hxz", False),
        ("a\\*", "a*", True),
        ("a\\*", "ab", False),
        ("[a-c]", "b", True),
        ("[\\]]", "]", True),
        ("?", "", False),
    ],
)
def test_matcher(pattern: str, name: str, matches: bool) -> None:
    assert GlobMatcher(pattern)(name) is matches


def test_set_several_or_none() -> None:
    ctx = Context()
    assert config_set(ctx, b"hz", b"20", b"timeout", b"5") == OK
    with pytest.raises(ReplyError, match="possibly related to argument 'timeout'"):
        config_set(ctx, b"hz", b"30", b"timeout", b"x")
    assert (ctx.server.config["hz"], ctx.server.config["timeout"]) == (20, 5)


@pytest.mark.parametrize("words", [(b"hz", b"5", b"x"), (b"hz",), ()])
def test_set_needs_pairs(words: tuple[bytes, ...]) -> None:
    with pytest.raises(ReplyError) as caught:
        config_set(Context(), *words)
    assert str(caught.value) == "ERR syntax error"


@pytest.mark.parametrize(
    ("setting", "is_local", "allowed"),
    [
        ("no", True, False),
        ("no", False, False),
        ("local", True, True),
        ("local", False, False),
        ("yes", True, True),
        ("yes", False, True),
    ],
)
def test_protected(setting: str, is_local: bool, allowed: bool) -> None:
    ctx = Context(is_local, enable_protected_configs=setting)
    assert is_allowed(ctx, "enable-protected-configs") is allowed
    if allowed:
        assert config_set(ctx, b"dbfilename", b"other.rdb") == OK
    else:
        with pytest.raises(ReplyError) as caught:
            config_set(ctx, b"dbfilename", b"other.rdb")
        assert str(caught.value) == (
            "ERR CONFIG SET failed (possibly related to argument 'dbfilename') "
            "- can't set protected config"
        )


def test_resetstat() -> None:
    ctx = Context()
    assert config_resetstat(ctx) == OK
    assert ctx.resets == 1


def test_rewrite(tmp_path: Path) -> None:
    ctx = Context(hz=30)
    ctx.server.config.file = str(tmp_path / "redis.conf")
    assert config_rewrite(ctx) == OK
    assert "\nhz 30\n" in (tmp_path / "redis.conf").read_text()
    assert ctx.warnings == ["CONFIG REWRITE executed with success."]


def test_rewrite_without_a_file() -> None:
    with pytest.raises(ReplyError, match="running without a config file"):
        config_rewrite(Context())


def test_rewrite_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    ctx = Context()
    ctx.server.config.file = str(tmp_path / "no" / "redis.conf")
    with pytest.raises(ReplyError) as caught:
        config_rewrite(ctx)
    assert str(caught.value) == "ERR Rewriting config file: No such file or directory"
    assert ctx.warnings == ["CONFIG REWRITE failed: No such file or directory"]


def test_help() -> None:
    reply = config_help(Context())
    assert all(type(line) is SimpleString for line in reply)
    assert reply[0] == (
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    )
    heads = [line.split()[0] for line in reply[1:] if not line.startswith(" ")]
    assert heads == ["GET", "SET", "REWRITE", "RESETSTAT", "HELP"]
