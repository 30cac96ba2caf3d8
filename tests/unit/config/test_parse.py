# SPDX-License-Identifier: BSD-3-Clause
"""Configuration files: words, quotes, include, errors with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastredis.config.parse import load_arguments, load_text, quote, split_words
from fastredis.config.store import Config, FatalConfigError
from support.genuine import GenuineServer, run_refused, server_path

WORDS = [
    (b"port 6379", [b"port", b"6379"]),
    (b"  a\t b\v\f c ", [b"a", b"b", b"c"]),
    (b"", []),
    (b'""', [b""]),
    (b"save ''", [b"save", b""]),
    (b'"a b" c', [b"a b", b"c"]),
    (b'a"b"', [b"ab"]),
    (b"a'b c'", [b"ab c"]),
    (rb'"\n\r\t\b\a\"\\\q"', [b'\n\r\t\b\a"\\q']),
    (rb'"\x41\xfF\xg1\x4"', [b"A\xffxg1x4"]),
    (rb"'\n\'x'", [b"\\n'x"]),
    (rb"'\\'", None),
    (b"\"it's\" '\"'", [b"it's", b'"']),
    (b'"a', None),
    (b"'a", None),
    (b'"a"b', None),
    (b"'a'b", None),
    (b'"a""b"', None),
    (b'"a\\', None),
    (b'"a\\"', None),
    (b"'a\\'", None),
    (b"\\x41 \\n", [b"\\x41", b"\\n"]),
]

# text of a file, message and line that are reported
BAD_FILES = [
    (b"port 1 2\n", "wrong number of arguments", 1, "port 1 2"),
    (
        b"# c\n\n  PORT zz \r\n",
        "argument couldn't be parsed into an integer",
        3,
        "PORT zz",
    ),
    (b'port "1', "Unbalanced quotes in configuration line", 1, 'port "1'),
    (b"port 'a'b\n", "Unbalanced quotes in configuration line", 1, "port 'a'b"),
    (b"foo", "Bad directive or wrong number of arguments", 1, "foo"),
    (b"port\n", "wrong number of arguments", 1, "port"),
    (b'hz 3\nport ""\n', "argument couldn't be parsed into an integer", 2, 'port ""'),
    (
        b"rename-command get\n",
        "Bad directive or wrong number of arguments",
        1,
        "rename-command get",
    ),
    (b"loadmodule\n", "Bad directive or wrong number of arguments", 1, "loadmodule"),
    (b"include\n", "Bad directive or wrong number of arguments", 1, "include"),
    (b"user\n", "Bad directive or wrong number of arguments", 1, "user"),
    (b"a.b\n", "Module config specified without value", 1, "a.b"),
    (
        b"user foo\nuser foo\n",
        "Error in user declaration 'foo': Duplicate user found. "
        "A user can only be defined once in config files",
        2,
        "user foo",
    ),
    (b"dir /nonexistent\n", "No such file or directory", 1, "dir /nonexistent"),
    (b"list-max-ziplist-value 1 2", "Bad directive or wrong number of arguments", 1,
     "list-max-ziplist-value 1 2"),
    (b"replicaof h x", "Invalid master port", 1, "replicaof h x"),
    (b"replicaof h", "wrong number of arguments", 1, "replicaof h"),
    (b"save 1", "Invalid save parameters", 1, "save 1"),
    (b"bind" + b" 1" * 17, "Too many bind addresses specified.", 1, "bind" + " 1" * 17),
    (b"unixsocketperm 1000", "argument must be between 0 and 777 inclusive", 1,
     "unixsocketperm 1000"),
    (b"unixsocketperm 8", "argument couldn't be parsed as an octal number", 1,
     "unixsocketperm 8"),
    (b"appendfilename a/b", "appendfilename can't be a path, just a filename", 1,
     "appendfilename a/b"),
    (b'appenddirname ""', "appenddirname can't be empty", 1, 'appenddirname ""'),
    (b"appenddirname a/b", "appenddirname can't be a path, just a dirname", 1,
     "appenddirname a/b"),
    (b"dbfilename a/b", "dbfilename can't be a path, just a filename", 1,
     "dbfilename a/b"),
    (b"client-output-buffer-limit normal 1 2\n",
     "Wrong number of arguments in buffer limit configuration.", 1,
     "client-output-buffer-limit normal 1 2"),
    (b"client-output-buffer-limit master 1 2 3\n",
     "Invalid client class specified in buffer limit configuration.", 1,
     "client-output-buffer-limit master 1 2 3"),
    (b"client-output-buffer-limit normal 1x 2 3\n",
     "Error in hard, soft or soft_seconds setting in buffer limit configuration.", 1,
     "client-output-buffer-limit normal 1x 2 3"),
    (b"oom-score-adj-values 1 2\n", "wrong number of arguments", 1,
     "oom-score-adj-values 1 2"),
    (b"oom-score-adj-values 1 2 3000\n",
     "Invalid oom-score-adj-values, elements must be between -2000 and 2000.", 1,
     "oom-score-adj-values 1 2 3000"),
    (b"oom-score-adj maybe\n",
     "argument(s) must be one of the following: no, yes, relative, absolute", 1,
     "oom-score-adj maybe"),
    (b"notify-keyspace-events KEQ\n",
     "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.", 1,
     "notify-keyspace-events KEQ"),
    (b"maxmemory 5x\n", "argument must be a memory value", 1, "maxmemory 5x"),
    (b"maxmemory-clients 5x\n", "argument must be a memory or percent value", 1,
     "maxmemory-clients 5x"),
    (b"maxmemory-clients 101%\n",
     "percentage argument must be less or equal to 100", 1,
     "maxmemory-clients 101%"),
    (b"daemonize maybe\n", "argument must be 'yes' or 'no'", 1, "daemonize maybe"),
    (b"supervised maybe\n",
     "argument(s) must be one of the following: upstart, systemd, auto, no", 1,
     "supervised maybe"),
    (b"tls-auth-clients maybe\n",
     "argument(s) must be one of the following: no, yes, optional", 1,
     "tls-auth-clients maybe"),
    (b"tls-port 65536\n", "argument must be between 0 and 65535 inclusive", 1,
     "tls-port 65536"),
    (b"proc-title-template {x}\n",
     "template format is invalid or contains unknown variables", 1,
     "proc-title-template {x}"),
    (b"syslog-facility local9\n",
     "argument(s) must be one of the following: user, local0, local1, local2, local3, "
     "local4, local5, local6, local7", 1, "syslog-facility local9"),
    (b"shutdown-on-sigterm save nosave\n",
     "shutdown options SAVE and NOSAVE can't be used simultaneously", 1,
     "shutdown-on-sigterm save nosave"),
    (b"latency-tracking-info-percentiles 101\n",
     "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]", 1,
     "latency-tracking-info-percentiles 101"),
    (b"latency-tracking-info-percentiles x\n",
     "Invalid latency-tracking-info-percentiles parameters", 1,
     "latency-tracking-info-percentiles x"),
    (b"hash-max-ziplist-entries -1\n",
     "argument must be between 0 and 9223372036854775807 inclusive", 1,
     "hash-max-ziplist-entries -1"),
    (b"slave-read-only 1\n", "argument must be 'yes' or 'no'", 1,
     "slave-read-only 1"),
    (b"sentinel monitor x\n", "sentinel directive while not in sentinel mode", 1,
     "sentinel monitor x"),
    (b"cluster-enabled yes\nreplicaof a 1\n",
     "replicaof directive not allowed in cluster mode", 0, ""),
    (b"logfile /nonexistent/log\n",
     "Can't open the log file: No such file or directory", 0, ""),
]  # fmt: skip

# text of a file, some values that it leads to
GOOD_FILES: list[tuple[bytes, dict[str, str]]] = [
    (b"", {"save": "3600 1 300 100 60 10000"}),
    (b"save 10 1\nsave 20 2 30 3\n", {"save": "10 1 20 2 30 3"}),
    (b'save 10 1\nsave ""\nsave 5 6\n', {"save": "5 6"}),
    (b'save ""\n', {"save": ""}),
    (b'save "10 1 20 2"\n', {"save": "10 1 20 2"}),
    (b"save\n", {"save": ""}),
    (b"HZ 20\r\nhz 30\n#hz 40\n", {"hz": "30"}),
    (b"hz 9999\n", {"hz": "500"}),
    (b"slave-read-only no\n", {"replica-read-only": "no", "slave-read-only": "no"}),
    (
        b"client-output-buffer-limit normal 1 2 3\n"
        b"client-output-buffer-limit slave 1kb 2kb 3 pubsub 0 0 0\n",
        {"client-output-buffer-limit": "normal 1 2 3 slave 1024 2048 3 pubsub 0 0 0"},
    ),
    (b"masterauth 'it\\'s me'\n", {"masterauth": "it's me"}),
    (b'masterauth "\\x00\\xff\\n"\n', {}),
    (b'masterauth "\\xc3\\xa9"\n', {"masterauth": "\u00e9"}),
    (b"list-max-ziplist-entries 5\nLUA-replicate-commands yes\n", {}),
    (b"shutdown-on-sigterm now nosave\n", {"shutdown-on-sigterm": "nosave now"}),
    (b'shutdown-on-sigint "force save"\n', {"shutdown-on-sigint": "save force"}),
    (b"maxmemory-clients 7%\n", {"maxmemory-clients": "7%"}),
    (b"oom-score-adj-values 1 2 3\n", {"oom-score-adj-values": "1 2 3"}),
    (b"latency-tracking-info-percentiles 1 2.50\n",
     {"latency-tracking-info-percentiles": "1 2.5"}),
    (b"slaveof no one\n", {"replicaof": ""}),
    (b"rename-command get gett\nuser foo\n", {}),
    (b"notify-keyspace-events \"\"\n", {"notify-keyspace-events": ""}),
]  # fmt: skip


def report(message: str, number: int, line: str) -> str:
    where = ""
    if number:
        where = f"Reading the configuration file, at line {number}\n>>> '{line}'\n"
    return f"\n*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***\n{where}{message}\n"


@pytest.mark.parametrize(("line", "words"), WORDS)
def test_split_words(line: bytes, words: list[bytes] | None) -> None:
    assert split_words(line) == words


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_quoted_words_come_back(words: list[bytes]) -> None:
    line = b" ".join(quote(word) for word in words)
    assert split_words(line) == words
    assert line.isascii()
    assert b"\n" not in line


@pytest.mark.parametrize(("text", "message", "number", "line"), BAD_FILES)
def test_bad_file(text: bytes, message: str, number: int, line: str) -> None:
    with pytest.raises(FatalConfigError) as caught:
        load_text(Config(), text)
    assert caught.value.report == report(message, number, line)
    assert not caught.value.to_log


@pytest.mark.parametrize(("text", "values"), GOOD_FILES)
def test_good_file(text: bytes, values: dict[str, str]) -> None:
    config = Config()
    load_text(config, text)
    assert {name: config.format(name) for name in values} == values


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
@pytest.mark.parametrize(("text", "message", "number", "line"), BAD_FILES)
def test_genuine_server_refuses_alike(
    text: bytes, message: str, number: int, line: str, tmp_path: Path
) -> None:
    (tmp_path / "redis.conf").write_bytes(text)
    code, out, err = run_refused(["redis.conf"], cwd=tmp_path)
    expected = report(message, number, line).replace("Redis 8.0.2", "Redis 7.0.15")
    assert (code, out, err.decode()) == (1, b"", expected)


@pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0 in PATH")
@pytest.mark.parametrize(("text", "values"), GOOD_FILES)
def test_genuine_server_reads_alike(
    text: bytes, values: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "redis.conf"
    file.write_bytes(text)
    with GenuineServer(before=[str(file)]) as server:
        for name, value in values.items():
            assert (name, server.config_get(name)[name]) == (name, value)


def test_any_byte_in_a_value() -> None:
    config = Config()
    load_text(config, b'masterauth "\\x00\\xff\\n\\xe9"\nlogfile ""\n')
    raw = config["masterauth"].encode("utf-8", "surrogateescape")
    assert raw == b"\x00\xff\n\xe9"


# --- include ---------------------------------------------------------------------


def test_include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.conf").write_text("port 1\nhz 2\ninclude sub/*.conf\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "2.conf").write_text("timeout 22\n")
    (tmp_path / "sub" / "1.conf").write_text("timeout 11\nhz 3\n")
    config = Config()
    load_text(config, b"port 5\ninclude a.conf\nhz 4\ninclude nothing*\n")
    assert (config["port"], config["hz"], config["timeout"]) == (1, 4, 22)


def test_error_in_an_included_file_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("\n\nport x\n")
    with pytest.raises(FatalConfigError) as caught:
        load_text(Config(), b"include %s\n" % bytes(tmp_path / "a.conf"))
    message = "argument couldn't be parsed into an integer"
    assert caught.value.report == report(message, 3, "port x")


def test_included_file_that_is_not_there() -> None:
    with pytest.raises(FatalConfigError) as caught:
        load_text(Config(), b"include nofile\n")
    assert caught.value.to_log
    assert caught.value.report == (
        "Fatal error, can't open config file 'nofile': No such file or directory"
    )


def test_file_that_includes_itself(tmp_path: Path) -> None:
    file = tmp_path / "a.conf"
    file.write_text(f"include {file}\n")
    with pytest.raises(FatalConfigError, match="Too many levels of include"):
        load_arguments([str(file)])


def test_dir_moves_the_files_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "in.conf").write_text("port 7\n")
    (tmp_path / "redis.conf").write_text("dir sub\ninclude in.conf\n")
    config = load_arguments(["redis.conf"])
    assert config["port"] == 7
    assert config.file == str(tmp_path / "redis.conf")
    assert config["dir"] == str(tmp_path / "sub")


def test_module_settings_end_the_start() -> None:
    with pytest.raises(FatalConfigError) as caught:
        load_text(Config(), b"search.timeout 5\n")
    assert caught.value.to_log
    assert "without loadmodule directive" in caught.value.report


def test_many_comments_are_quick() -> None:
    config = Config()
    load_text(config, b"# some words about something\n" * 100_000 + b"hz 3\n")
    assert config["hz"] == 3


# --- Environment -----------------------------------------------------------------


def test_environment_wins_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    file.write_text("hz 1\ntimeout 1\ndatabases 1\nsave 1 1\n")
    environ = {
        "FASTREDIS_TIMEOUT": "2",
        "FASTREDIS_DATABASES": "2",
        "FASTREDIS_SAVE": "60 100 5 6",
        "FASTREDIS_REQUIREPASS": 'a "b',
        "PORT": "9",
    }
    config = load_arguments([str(file), "--databases", "3"], environ=environ)
    assert [config[name] for name in ("hz", "timeout", "databases")] == [1, 2, 3]
    assert config["save"] == ((60, 100), (5, 6))
    assert config["requirepass"] == 'a "b'
    assert config["port"] == 6379
    assert config.unknown_variables == []


def test_environment_of_several_words() -> None:
    environ = {
        "FASTREDIS_SHUTDOWN_ON_SIGINT": "now force",
        "FASTREDIS_SLAVE_READ_ONLY": "no",
        "FASTREDIS_RENAME_COMMAND": 'debug "x y"',
        "FASTREDIS_SAVE": "",
        "FASTREDIS_BIND": "127.0.0.1 -::1",
    }
    config = load_arguments([], environ=environ)
    assert config["shutdown-on-sigint"] == ("now", "force")
    assert config["replica-read-only"] is False
    assert config["rename-command"] == (("debug", "x y"),)
    assert config["save"] == ()
    assert config["bind"] == ("127.0.0.1", "-::1")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "x", "argument couldn't be parsed into an integer"),
        ("PORT", "", "argument couldn't be parsed into an integer"),
        ("SAVE", "1", "Invalid save parameters"),
        ("SAVE", '"1', "Unbalanced quotes in configuration line"),
        ("DIR", "/nonexistent", "No such file or directory"),
        ("REPLICAOF", "a", "wrong number of arguments"),
    ],
)
def test_bad_variable(name: str, value: str, message: str) -> None:
    with pytest.raises(FatalConfigError) as caught:
        load_arguments([], environ={f"FASTREDIS_{name}": value})
    assert caught.value.report == (
        "\n*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***\n"
        f"Reading the environment\n>>> 'FASTREDIS_{name}={value}'\n{message}\n"
    )


def test_variables_that_are_none_of_ours() -> None:
    config = load_arguments(
        [],
        environ={"FASTREDIS_PORT": "tcp://10.0.0.1:6379", "FASTREDIS_NOTHING": "1"},
    )
    assert config["port"] == 6379
    assert config.unknown_variables == ["FASTREDIS_NOTHING", "FASTREDIS_PORT"]
