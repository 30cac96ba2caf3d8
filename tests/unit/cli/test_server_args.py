# SPDX-License-Identifier: BSD-3-Clause
"""The command line of fastredis-server, compared with that of redis-server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastredis.cli.server import main
from fastredis.config.parse import load_arguments
from fastredis.config.store import FatalConfigError
from support.genuine import GenuineServer, run_refused, server_path

genuine = pytest.mark.skipif(server_path() is None, reason="no redis-server 7.0")

INTEGER = "argument couldn't be parsed into an integer"

# arguments, what the configuration error says after its first line
REFUSED: list[tuple[list[str], str]] = [
    (["--port"], "2|port|wrong number of arguments"),
    (["--port", "6380", "--loglevel"], "3|loglevel|wrong number of arguments"),
    (["--port", "6379", "6380"], '2|port "6379" "6380"|wrong number of arguments'),
    (["--port 6379", "6380"], '2|port 6379 "6380"|wrong number of arguments'),
    (["--port 6379 6380"], "2|port 6379 6380|wrong number of arguments"),
    (['--port "63'], '2|port "63|Unbalanced quotes in configuration line'),
    (
        ["--shutdown-on-sigint"],
        "2|shutdown-on-sigint|argument(s) must be one of the following: "
        "default, save, nosave, now, force",
    ),
    (
        ["--replicaof", "127.0.0.1", "abc"],
        '2|replicaof "127.0.0.1" "abc"|Invalid master port',
    ),
    (
        ["--replicaof", "--127.0.0.1", "abc"],
        '2|replicaof "--127.0.0.1" "abc"|Invalid master port',
    ),
    (
        ["--replicaof", "--127.0.0.1", "--hz", "x"],
        '2|replicaof "--127.0.0.1"|wrong number of arguments',
    ),
    (
        ["--user", "foo", "--user", "foo"],
        "3|user \"foo\"|Error in user declaration 'foo': Duplicate user found. "
        "A user can only be defined once in config files",
    ),
    (["--invalid"], "2|invalid|Bad directive or wrong number of arguments"),
    (["-x"], '2|"-x"|Bad directive or wrong number of arguments'),
    (["--", "1"], '2|"1"|Bad directive or wrong number of arguments'),
    (["-p", "1"], '2|"-p" "1"|Bad directive or wrong number of arguments'),
    (
        ["--port", "0", "-", "x"],
        '2|port "0" "-" "x"|wrong number of arguments',
    ),
    (
        ["--masterauth", "\u00e9\n\"\\", "x"],
        '2|masterauth "\\xc3\\xa9\\n\\"\\\\" "x"|wrong number of arguments',
    ),
    (["--enable-debug-command"], "2|enable-debug-command|wrong number of arguments"),
    (["--hz", "--hz"], "2|hz \"--hz\"|argument couldn't be parsed into an integer"),
    (["--save", "1"], '2|save "1"|Invalid save parameters'),
    (["--save", "--hz", "x"], "3|hz \"x\"|argument couldn't be parsed into an integer"),
    (["--hz", "x", "--save"], "2|hz \"x\"|argument couldn't be parsed into an integer"),
]  # fmt: skip

# arguments after the genuine server's own, some values that they lead to
ACCEPTED: list[tuple[list[str], dict[str, str]]] = [
    (["--hz", "20", "--timeout", "5"], {"hz": "20", "timeout": "5"}),
    (["--hz 20", "--timeout 5"], {"hz": "20", "timeout": "5"}),
    (["--HZ", "20", "--hz", "30"], {"hz": "30"}),
    (["--masterauth", "--pass--word"], {"masterauth": "--pass--word"}),
    (["--masterauth", "-pass"], {"masterauth": "-pass"}),
    (["--masterauth", "a b"], {"masterauth": "a b"}),
    (["--masterauth", 'q"\\\n\u00e9'], {"masterauth": 'q"\\\n\u00e9'}),
    (["--save", ""], {"save": ""}),
    (["--save"], {"save": ""}),
    (["--save", "--hz", "20"], {"save": "", "hz": "20"}),
    (["--hz", "20", "--save", "--timeout", "1"], {"save": "", "timeout": "1"}),
    (["--save", "10", "1", "--save", "20", "2"], {"save": "10 1 20 2"}),
    (["--save", "10 1 20 2"], {"save": "10 1 20 2"}),
    (["--save", "10", "1", "20", "2"], {"save": "10 1 20 2"}),
    (["--save", "10 1", "--save", ""], {"save": ""}),
    (
        ["--shutdown-on-sigint", "now force", "--shutdown-on-sigterm", "now", "save"],
        {"shutdown-on-sigint": "now force", "shutdown-on-sigterm": "save now"},
    ),
    (
        ["--proc-title-template", "--my--title--template", "--hz", "20"],
        {"proc-title-template": "--my--title--template", "hz": "20"},
    ),
    (
        ["--client-output-buffer-limit", "normal 1 2 3", "--hz", "2"],
        {
            "client-output-buffer-limit": "normal 1 2 3 slave 268435456 67108864 60 "
            "pubsub 33554432 8388608 60"
        },
    ),
    (["--slave-priority", "7"], {"replica-priority": "7"}),
]


def error_text(short: str, version: str) -> str:
    number, line, message = short.split("|")
    return (
        f"\n*** FATAL CONFIG FILE ERROR (Redis {version}) ***\n"
        f"Reading the configuration file, at line {number}\n>>> '{line}'\n{message}\n"
    )


def run(
    arguments: list[str], stdin: bytes = b"", cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    env = dict(os.environ)
    env["PYTHONPATH"] = str(Path(__file__).parents[3])
    return subprocess.run(
        [sys.executable, "-m", "fastredis", *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=env,
        timeout=30,
    )


@pytest.mark.parametrize(("arguments", "short"), REFUSED)
def test_refused(
    arguments: list[str], short: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert (out, err) == ("", error_text(short, "8.0.2"))


@genuine
@pytest.mark.parametrize(("arguments", "short"), REFUSED)
def test_genuine_server_refuses_alike(arguments: list[str], short: str) -> None:
    code, out, err = run_refused(arguments)
    assert (code, out, err.decode()) == (1, b"", error_text(short, "7.0.15"))


@pytest.mark.parametrize(("arguments", "values"), ACCEPTED)
def test_accepted(arguments: list[str], values: dict[str, str]) -> None:
    config = load_arguments(["--port", "0", *arguments])
    assert {name: config.format(name) for name in values} == values


@genuine
@pytest.mark.parametrize(("arguments", "values"), ACCEPTED)
def test_genuine_server_accepts_alike(
    arguments: list[str], values: dict[str, str]
) -> None:
    with GenuineServer(arguments) as server:
        for name, value in values.items():
            assert (name, server.config_get(name)[name]) == (name, value)


@genuine
def test_genuine_server_reads_stdin_between_file_and_options(tmp_path: Path) -> None:
    """The oracle for the order that test_sources_in_order expects."""
    file = tmp_path / "redis.conf"
    file.write_text("hz 1\ntimeout 1\ndatabases 1\n")
    with GenuineServer(
        ["--timeout", "3", "-"], before=[str(file)], stdin=b"hz 2\ntimeout 2\n"
    ) as server:
        got = server.config_get("hz", "timeout", "databases")
    assert got == {"hz": "2", "timeout": "3", "databases": "1"}


@pytest.mark.parametrize("newline", [b"\n", b""])
def test_sources_in_order(tmp_path: Path, newline: bytes) -> None:
    file = tmp_path / "redis.conf"
    file.write_text("hz 1\ntimeout 1\ndatabases 1\n")
    config = load_arguments(
        [str(file), "--timeout", "3", "-"], lambda: b"hz 2\ntimeout 2" + newline
    )
    assert (config["hz"], config["timeout"], config["databases"]) == (2, 3, 1)
    assert config.file == str(file)


def test_dash_only_first_or_last(tmp_path: Path) -> None:
    file = tmp_path / "redis.conf"
    file.write_text("hz 1\n")
    assert load_arguments(["-", "--hz", "4"], lambda: b"port 5")["port"] == 5
    with pytest.raises(FatalConfigError, match="Bad directive"):
        load_arguments([str(file), "-", "--hz", "4"], lambda: b"port 5")


def test_config_file_is_an_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "redis.conf").write_text("hz 1\n")
    assert load_arguments(["redis.conf"]).file == str(tmp_path / "redis.conf")
    assert load_arguments([]).file is None


def test_file_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["nofile"]) == 1
    out, err = capfd.readouterr()
    text = f"can't open config file '{tmp_path}/nofile': No such file or directory"
    assert out.startswith(f"{os.getpid()}:C ")
    assert out.endswith(f" # Fatal error, {text}\n")
    assert err == ""


def test_stdin_is_announced_in_the_log() -> None:
    done = run(["-", "--port", "y"], b"hz 3\n")
    assert done.returncode == 1
    assert done.stdout.endswith(b" * Reading config from stdin\n")
    assert done.stderr.decode() == error_text(f'3|port "y"|{INTEGER}', "8.0.2")


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    from fastredis import __version__

    for name in ("-v", "--version"):
        assert main([name]) == 0
        out, err = capfd.readouterr()
        assert out.startswith("Redis server v=8.0.2 sha=00000000:0 ")
        assert out.endswith(f" build=fastredis-{__version__}\n")
        assert err == ""


def test_help(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("-h", "--help"):
        assert main([name]) == 0
        assert capfd.readouterr().out.startswith("Usage: fastredis-server ")


@pytest.mark.parametrize(
    "arguments",
    [["--sentinel"], ["x.conf", "--sentinel"]],
)
def test_not_supported(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "is not supported" in err


def test_module_is_the_program() -> None:
    done = run(["--version"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"Redis server v=8.0.2 ")
