# SPDX-License-Identifier: BSD-3-Clause
"""CONFIG SET is atomic, and tells the parts of the server that asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastredis.config.store import Config, FatalConfigError, Line
from fastredis.resp.values import ReplyError
from support.genuine import GenuineServer, server_path

# the arguments of one CONFIG SET, the error
REFUSED = [
    (
        ["zz", "1"],
        "ERR Unknown option or number of arguments for CONFIG SET - 'zz'",
    ),
    (
        ["ZZ", "1", "DATABASES", "2"],
        "ERR Unknown option or number of arguments for CONFIG SET - 'ZZ'",
    ),
    (
        ["DataBases", "2", "zz", "1"],
        "ERR CONFIG SET failed (possibly related to argument 'DataBases') "
        "- can't set immutable config",
    ),
    (
        ["HZ", "5", "hz", "6"],
        "ERR CONFIG SET failed (possibly related to argument 'hz') "
        "- duplicate parameter",
    ),
    (
        ["hz", "5", "HZ", "6"],
        "ERR CONFIG SET failed (possibly related to argument 'HZ') "
        "- duplicate parameter",
    ),
    (
        ["hz", "7", "MaxClients", "0"],
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') "
        "- argument must be between 1 and 4294967295 inclusive",
    ),
    (
        ["hash-max-ziplist-entries", "-1"],
        "ERR CONFIG SET failed (possibly related to argument "
        "'hash-max-ziplist-entries') "
        "- argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        ["dbfilename", "x"],
        "ERR CONFIG SET failed (possibly related to argument 'dbfilename') "
        "- can't set protected config",
    ),
    (
        ["slaveof", "a 1"],
        "ERR CONFIG SET failed (possibly related to argument 'slaveof') "
        "- can't set immutable config",
    ),
    (
        ["user", "a"],
        "ERR Unknown option or number of arguments for CONFIG SET - 'user'",
    ),
    (
        ["include", "a"],
        "ERR Unknown option or number of arguments for CONFIG SET - 'include'",
    ),
]


def pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(("words", "text"), REFUSED)
def test_refused(words: list[str], text: str) -> None:
    config = Config()
    with pytest.raises(ReplyError) as caught:
        config.set_many(pairs(words))
    assert str(caught.value) == text
    assert config["hz"] == 10


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
def test_genuine_server_agrees() -> None:
    with GenuineServer() as server:
        for words, text in REFUSED:
            assert server.call("CONFIG", "SET", *words) == f"-{text}"


def test_aliases_are_the_same_value_and_not_duplicates() -> None:
    config = Config()
    config.set_many([("list-max-ziplist-size", "5"), ("list-max-listpack-size", "6")])
    assert config["list-max-ziplist-size"] == config["list-max-listpack-size"] == 6


def test_callbacks_run_once_and_only_for_changes() -> None:
    config = Config()
    seen: list[tuple[int, tuple[str, ...]]] = []

    def listen(changed: Config) -> None:
        seen.append((changed["port"], changed["bind"]))

    config.on_change("port", listen)
    config.on_change("bind", listen)
    config.set_many([("port", "6379"), ("hz", "20")])
    assert seen == []
    config.set_many([("port", "7000"), ("bind", "127.0.0.1 -::1")])
    assert seen == [(7000, ("127.0.0.1", "-::1"))]


def test_alias_given_to_on_change() -> None:
    config = Config()
    seen: list[int] = []
    config.on_change("lua-time-limit", lambda c: seen.append(c["busy-reply-threshold"]))
    config.set_many([("busy-reply-threshold", "7")])
    assert seen == [7]


def test_veto_rolls_everything_back() -> None:
    config = Config()
    timeline: list[tuple[str, int]] = []

    def accept(changed: Config) -> None:
        timeline.append(("hz", changed["hz"]))

    def veto(changed: Config) -> None:
        timeline.append(("maxclients", changed["maxclients"]))
        if changed["maxclients"] == 5:
            raise ValueError("too few")

    config.on_change("hz", accept)
    config.on_change("maxclients", veto)
    with pytest.raises(ReplyError) as caught:
        config.set_many([("timeout", "9"), ("hz", "20"), ("maxclients", "5")])
    assert str(caught.value) == (
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - too few"
    )
    assert (config["timeout"], config["hz"], config["maxclients"]) == (0, 10, 10000)
    assert timeline == [
        ("hz", 20),
        ("maxclients", 5),
        ("hz", 10),
        ("maxclients", 10000),
    ]


def test_veto_without_a_reason() -> None:
    config = Config()

    def veto(changed: Config) -> None:
        raise ValueError

    config.on_change("hz", veto)
    with pytest.raises(ReplyError) as caught:
        config.set_many([("hz", "20")])
    assert str(caught.value) == (
        "ERR CONFIG SET failed (possibly related to argument 'hz')"
    )


def test_dir_is_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    config = Config()
    assert config["dir"] == config.format("dir") == str(tmp_path)
    config.set_many([("dir", "sub")], allow_protected=True)
    assert config["dir"] == str(tmp_path / "sub") == os.getcwd()
    with pytest.raises(ReplyError):
        config.set_many([("dir", ".."), ("hz", "x")], allow_protected=True)
    assert os.getcwd() == str(tmp_path / "sub")
    with pytest.raises(ReplyError, match="can't set protected config"):
        config.set_many([("dir", "..")])


def test_names_in_any_case() -> None:
    config = Config()
    assert config["PORT"] == config["port"] == 6379
    assert config.get("nonsense") is None
    assert config.get("nonsense", 3) == 3
    assert "Port" in config
    assert "nonsense" not in config
    with pytest.raises(KeyError):
        config["nonsense"]


def test_defaults_are_not_shared() -> None:
    one, other = Config(), Config()
    one.set_many([("client-output-buffer-limit", "normal 1 2 3")])
    assert other["client-output-buffer-limit"]["normal"] == (0, 0, 0)


def test_without_effect_lists_what_was_given() -> None:
    config = Config({"port": 1, "lua-time-limit": "7", "io-threads": 2})
    config.assign("user", ["alice"])
    assert config.without_effect() == ["busy-reply-threshold", "io-threads", "user"]
    assert Config().without_effect() == []
    # each is told once, by whatever name
    assert config.without_effect() == []
    names = ["hz", "lua-time-limit", "Active-Expire-Effort", "active-expire-effort"]
    assert config.without_effect(names) == ["active-expire-effort"]


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="couldn't be parsed into an integer"):
        Config({"port": "x"})
    with pytest.raises(ValueError, match="Bad directive"):
        Config({"prot": 1})
    with pytest.raises(ValueError, match="wrong number of arguments"):
        Config({"port": [1, 2]})


def test_repeated_directives_keep_their_lines() -> None:
    config = Config()
    config.assign("rename-command", ["get", "g"], Line(3, "rename-command get g"))
    config.assign("rename-command", ["set", ""], Line(9, 'rename-command set ""'))
    assert config["rename-command"] == (("get", "g"), ("set", ""))
    error = config.fatal("rename-command", 1, "No such command in rename-command")
    assert isinstance(error, FatalConfigError)
    assert error.report == (
        "\n*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***\n"
        "Reading the configuration file, at line 9\n"
        ">>> 'rename-command set \"\"'\n"
        "No such command in rename-command\n"
    )


def test_python_commands_may_be_repeated() -> None:
    config = Config()
    config.assign("python-commands", ["a.py"])
    config.assign("python-commands", ["b.py"])
    assert config["python-commands"] == (("a.py",), ("b.py",))
    assert config.format("python-commands") == "a.py b.py"
    with pytest.raises(ReplyError, match="can't set immutable config"):
        config.set_many([("python-commands", "c.py")])
