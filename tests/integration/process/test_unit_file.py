# SPDX-License-Identifier: BSD-3-Clause
"""A systemd unit written for redis-server, run as systemd runs it.

There need be no systemd: `Manager` does what the directives of the unit say, starts the
program with its socket in NOTIFY_SOCKET, believes what the main process sends there and
nobody else, and looks at the PID file and at exit codes.
"""

from __future__ import annotations

import configparser
import os
import resource
import shlex
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client import RawClient
from support.server import fastredis_command, free_port
from support.wait import wait_until

PROGRAM = "/usr/bin/redis-server"
CONFIG = "/etc/redis/redis.conf"
FOLDERS = ("/run/redis", "/var/log/redis", "/var/lib/redis")
DISTRIBUTION = Path("/lib/systemd/system/redis-server.service")
TIMEOUT_S = 20
# What a service would not have, but this program needs here: its path, sanitizers.
KEPT = ("PATH", "PYTHONPATH", "LD_PRELOAD", "PYTHONMALLOC", "ASAN_OPTIONS")
KEPT += ("UBSAN_OPTIONS",)

OWN = r"""[Unit]
Description=Key-value store
After=network.target

[Service]
Type=notify
ExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd \
    --daemonize no
ExecStop=/bin/kill -s TERM $MAINPID
PIDFile=/run/redis/redis-server.pid
TimeoutStopSec=0
Restart=always
RuntimeDirectory=redis
UMask=007
LimitNOFILE=65535

[Install]
WantedBy=multi-user.target
"""
CONF = """\
bind 127.0.0.1
port {port}
unixsocket /run/redis/redis-server.sock
daemonize yes
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
dir /var/lib/redis
"""


class Manager:
    """What systemd does with a service of type notify."""

    def __init__(self, unit: str, root: Path) -> None:
        self.root = root
        self.port = free_port()
        for folder in FOLDERS:
            (root / folder[1:]).mkdir(parents=True)
        self.conf = root / "redis.conf"
        self.conf.write_text(self._moved(CONF.format(port=self.port)))
        parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(unit)
        self.service = dict(parser["Service"])
        assert self.service["Type"] == "notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(root / "notify"))
        self.sock.settimeout(TIMEOUT_S)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.process: subprocess.Popen[bytes] | None = None

    def _moved(self, text: str) -> str:
        """Put the folders of the system under that of the test."""
        for folder in FOLDERS:
            text = text.replace(folder, str(self.root) + folder)
        return text

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def pid_file(self) -> Path:
        return Path(self._moved(self.service["PIDFile"]))

    def start(self) -> None:
        """Run ExecStart; return when the service says that it is ready."""
        line = self.service["ExecStart"].replace("\\\n", " ")
        program, *words = shlex.split(line)
        assert program == PROGRAM
        words = [str(self.conf) if word == CONFIG else word for word in words]
        env = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.process = subprocess.Popen(
            [*fastredis_command(), *words],
            cwd="/",
            env={**env, "NOTIFY_SOCKET": str(self.root / "notify")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            umask=int(self.service["UMask"], 8),
            start_new_session=True,
            preexec_fn=self._limit,
        )
        while "READY=1" not in self.told():
            pass

    def _limit(self) -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = int(self.service["LimitNOFILE"])
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    def told(self) -> list[str]:
        """Return the lines of the next message from the main process."""
        while True:
            data, control, _, _ = self.sock.recvmsg(4096, 1024)
            (credentials,) = (d for level, kind, d in control)
            pid, _, _ = struct.unpack("3i", credentials)
            if pid == self.pid:
                return data.decode().splitlines()

    def stop(self) -> int:
        """Run ExecStop, or send SIGTERM; return the exit code of the service."""
        command = self.service.get("ExecStop", "/bin/kill -s TERM $MAINPID")
        words = shlex.split(command.replace("$MAINPID", str(self.pid)))
        subprocess.run(words, check=True, timeout=TIMEOUT_S)
        assert self.process is not None
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        """Leave nothing behind."""
        self.sock.close()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(params=["own", "distribution"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Take over a unit, the one above or that of the installed redis-server."""
    unit = OWN
    if request.param == "distribution":
        if not DISTRIBUTION.exists():
            pytest.skip("no redis-server is installed with a unit")
        unit = DISTRIBUTION.read_text()
    made = Manager(unit, tmp_path)
    yield made
    made.close()


def test_it_starts_and_stops(manager: Manager) -> None:
    manager.start()
    assert manager.pid_file.read_text() == f"{manager.pid}\n"
    with RawClient(manager.port) as client:
        assert client.cmd("PING") == "PONG"
        server = client.info("server")
        assert server["process_supervised"] == "systemd"
        assert server["process_id"] == str(manager.pid)
        assert client.info("clients")["maxclients"] == "10000"
    assert manager.stop() == 0
    assert "STOPPING=1" in manager.told()
    assert not manager.pid_file.exists()
    assert not (manager.root / "run/redis/redis-server.sock").exists()


def test_a_client_may_stop_it(manager: Manager) -> None:
    manager.start()
    with RawClient(manager.port) as client:
        client.send("SHUTDOWN", "NOSAVE")
        assert client.read_all() == b""
    assert manager.process is not None
    assert manager.process.wait(TIMEOUT_S) == 0
    assert "STOPPING=1" in manager.told()


def test_it_starts_again_after_a_crash(manager: Manager) -> None:
    manager.start()
    first = manager.pid
    assert manager.process is not None
    manager.process.kill()
    manager.process.wait()
    assert manager.pid_file.exists()  # nobody could remove it
    manager.start()
    assert manager.pid != first
    assert manager.pid_file.read_text() == f"{manager.pid}\n"
    assert manager.stop() == 0


def test_the_umask_is_that_of_the_unit(manager: Manager) -> None:
    manager.start()
    for name in ("run/redis/redis-server.pid", "var/log/redis/redis-server.log"):
        path = manager.root / name
        wait_until(path.exists)
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, name
    assert manager.stop() == 0


def test_a_bad_configuration_fails(manager: Manager) -> None:
    with manager.conf.open("a") as file:
        file.write("nonsense 1\n")
    manager.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.start()
    assert manager.process is not None
    assert manager.process.wait(TIMEOUT_S) == 1
