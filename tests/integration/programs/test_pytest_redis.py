# SPDX-License-Identifier: BSD-3-Clause
"""pytest-redis, which gives tests of applications a server of their own.

A suite as its users write them is run by a pytest of its own: the plugin starts
fastredis as the redis-server of ``redis_exec``, with the options it always gives.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.server import fastredis_command

pytest.importorskip("pytest_redis", reason="pytest-redis is not installed")

SUITE = """
import time

import pytest
import redis
from pytest_redis import factories
from redis.backoff import NoBackoff
from redis.retry import Retry

locked_proc = factories.redis_proc(port=None, password="secret")
locked = factories.redisdb("locked_proc", decode=True)
saving_proc = factories.redis_proc(port=None, save="3600 1", compression=False)
saving = factories.redisdb("saving_proc", dbnum=3)


@pytest.fixture(scope="session")
def noop_port(redis_proc):
    return redis_proc.port


def test_client(redisdb):
    assert redisdb.ping()
    redisdb.set("woof", "woof")
    assert redisdb.get("woof") == b"woof"


def test_each_test_begins_empty(redisdb):
    assert redisdb.keys() == []


def test_types(redisdb):
    with redisdb.pipeline() as pipe:
        pipe.rpush("list", "a", "b").sadd("set", "a", "b").hset("hash", "f", "v")
        pipe.zadd("zset", {"a": 1, "b": 2}).incrby("number", 5)
        assert pipe.execute() == [2, 2, 1, 2, 5]
    assert redisdb.lrange("list", 0, -1) == [b"a", b"b"]
    assert redisdb.zrange("zset", 0, -1, withscores=True) == [(b"a", 1), (b"b", 2)]


def test_expiry(redisdb):
    redisdb.set("k", "v", px=30)
    deadline = time.monotonic() + 10
    while redisdb.exists("k"):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_what_the_plugin_asked_for(redis_proc, redisdb):
    config = redisdb.config_get("*")
    assert config["port"] == str(redis_proc.port)
    assert config["databases"] == "8"
    assert config["timeout"] == "30"
    assert config["loglevel"] == "notice"
    assert config["rdbchecksum"] == "no"
    assert config["syslog-enabled"] == "no"
    assert config["unixsocket"] == redis_proc.unixsocket
    assert redis_proc.version.major >= 7


def test_unix_socket(redis_proc, redisdb):
    redisdb.set("k", "v")
    with redis.Redis(unix_socket_path=redis_proc.unixsocket) as client:
        assert client.get("k") == b"v"


def test_password(locked, locked_proc):
    locked.set("k", "v")
    assert locked.get("k") == "v"
    retry = Retry(NoBackoff(), 0)
    with redis.Redis(port=locked_proc.port, retry=retry) as stranger:
        with pytest.raises(redis.AuthenticationError):
            stranger.get("k")


def test_database_and_save_points(saving, saving_proc):
    saving.set("k", "v")
    assert saving.connection_pool.connection_kwargs["db"] == 3
    assert saving.config_get("save") == {"save": "3600 1"}
    assert saving.config_get("rdbcompression") == {"rdbcompression": "no"}


def test_servers_are_apart(redisdb, locked, saving):
    redisdb.set("k", 1)
    locked.set("k", 2)
    assert saving.get("k") is None
    assert (redisdb.get("k"), locked.get("k")) == (b"1", "2")


def test_a_server_can_start_again(redis_proc, redisdb):
    redis_proc.stop()
    assert not redis_proc.running()
    redis_proc.start()
    assert redis_proc.running()
    assert redisdb.ping()
"""
NTESTS = SUITE.count("\ndef test_")


def test_a_suite(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(fastredis_command())} "$@"\n')
    program.chmod(0o755)
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nredis_exec = {program}\nredis_timeout = 30\n"
        "addopts = -p no:cacheprovider\n"
    )
    # short, for the sockets are in there
    base = f"--basetemp={tmp_path / 't'}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", base, "test_suite.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert re.search(rf"^{NTESTS} passed in ", output, re.M), output
