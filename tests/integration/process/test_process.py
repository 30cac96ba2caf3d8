# SPDX-License-Identifier: BSD-3-Clause
"""The server as a process: in the background, under a supervisor, its signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.server import FastredisServer, fastredis_command
from support.wait import wait_until

Fresh = Callable[..., FastredisServer]


def title(pid: int) -> str:
    """Return what ps shows of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def ends(pid: int) -> bool:
    """Return whether a process that is no child of this one is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # where nobody waits for orphans they stay as zombies
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


# --- Background -------------------------------------------------------------------


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Start a server that goes to the background; return its pid."""
    pids: list[int] = []

    def start(*args: str, **env: str) -> int:
        own = ("--port", "0", "--unixsocket", str(tmp_path / "s"), "--save", "")
        own += ("--daemonize", "yes", "--logfile", str(tmp_path / "log"))
        own += ("--pidfile", str(tmp_path / "pid"), "--dir", str(tmp_path))
        done = subprocess.run(
            [*fastredis_command(), *own, *args],
            capture_output=True,
            timeout=60,
            env={**os.environ, **env},
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        wait_until(lambda: (tmp_path / "s").exists(), 30)
        pid = int(wait_until(lambda: (tmp_path / "pid").read_text()))
        pids.append(pid)
        return pid

    yield start
    for pid in pids:
        if not ends(pid):
            os.kill(pid, signal.SIGKILL)


def test_daemonize(daemon: Callable[..., int], tmp_path: Path) -> None:
    pid = daemon()
    assert os.getsid(pid) == pid
    for fd in range(3):
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null"
    log = (tmp_path / "log").read_text()
    assert f"pid={pid}, just started" in log
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: ends(pid), 20)
    assert "bye bye" in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()
    assert not (tmp_path / "s").exists()


def test_crash_of_a_daemon_removes_its_pid(
    daemon: Callable[..., int], tmp_path: Path
) -> None:
    pid = daemon()
    wait_until(lambda: "Ready to accept" in (tmp_path / "log").read_text(), 20)
    os.kill(pid, signal.SIGSEGV)
    wait_until(lambda: ends(pid), 20)
    assert "crashed by signal: 11" in (tmp_path / "log").read_text()
    assert not (tmp_path / "pid").exists()


def test_pidfile_that_cannot_be_written(fresh_server: Fresh) -> None:
    server = fresh_server(pidfile="/nonexistent/pid")
    assert server.client().cmd("PING") == "PONG"
    assert "Failed to write PID file: No such file or directory" in server.log()


def test_pidfile_of_another_process_stays(fresh_server: Fresh, tmp_path: Path) -> None:
    server = fresh_server(pidfile=str(tmp_path / "pid"))
    assert (tmp_path / "pid").read_text() == f"{server.pid}\n"
    (tmp_path / "pid").write_text("1\n")
    server.stop()
    assert (tmp_path / "pid").read_text() == "1\n"


# --- Supervisors ------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


@pytest.mark.parametrize("mode", ["systemd", "auto"])
def test_systemd(
    fresh_server: Fresh, manager: socket.socket, tmp_path: Path, mode: str
) -> None:
    server = fresh_server(
        supervised=mode,
        daemonize=True,  # a supervised server stays in the foreground
        env={"NOTIFY_SOCKET": str(tmp_path / "notify")},
    )
    assert manager.recv(1000) == b"STATUS=Fastredis is loading...\n"
    expected = b"READY=1\nSTATUS=Ready to accept connections\n"
    assert manager.recv(1000) == expected
    assert "supervised by systemd" in server.log()
    server.stop()
    assert manager.recv(1000) == b"STOPPING=1\n"


def test_abstract_socket(fresh_server: Fresh) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        name = f"fastredis-test-{os.getpid()}"
        sock.bind("\0" + name)
        sock.settimeout(20)
        fresh_server(supervised="auto", env={"NOTIFY_SOCKET": "@" + name})
        assert sock.recv(1000).startswith(b"STATUS=")
        assert sock.recv(1000).startswith(b"READY=1\n")


def test_unsupervised_server_says_nothing(
    fresh_server: Fresh, manager: socket.socket, tmp_path: Path
) -> None:
    server = fresh_server(env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
    server.stop()
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


def test_supervisor_that_is_not_there(fresh_server: Fresh) -> None:
    env = {"NOTIFY_SOCKET": ""}
    server = fresh_server(supervised="systemd", env=env)
    assert "NOTIFY_SOCKET not found" in server.log()
    assert server.client().cmd("PING") == "PONG"


def test_upstart(fresh_server: Fresh) -> None:
    server = fresh_server(
        start=False, supervised="upstart", env={"UPSTART_JOB": "redis"}
    )
    server.spawn()

    def is_stopped() -> bool:
        assert server.process is not None
        return ") T " in Path(f"/proc/{server.pid}/stat").read_text()

    wait_until(is_stopped, 30)
    os.kill(server.pid, signal.SIGCONT)
    server.wait_ready()


# --- Title ------------------------------------------------------------------------


def test_title(fresh_server: Fresh) -> None:
    server = fresh_server()
    assert title(server.pid) == f"fastredis-server 127.0.0.1:{server.port}"
    assert Path(f"/proc/{server.pid}/comm").read_text() == "fastredis-serve\n"


def test_title_of_a_template(fresh_server: Fresh) -> None:
    template = "me {title} {listen-addr} {port} {tls-port} {unixsocket} {config-file}"
    server = fresh_server(proc_title_template=template)
    address = f"127.0.0.1:{server.port}"
    expected = f"me fastredis-server {address} {server.port} 0 {server.unixsocket}"
    assert title(server.pid) == expected
    client = server.client()
    client.ok("CONFIG", "SET", "proc-title-template", "{title} short")
    assert title(server.pid) == "fastredis-server short"
    # longer than the arguments: the room of the environment is used
    client.ok("CONFIG", "SET", "proc-title-template", "x" * 1500)
    assert title(server.pid).startswith("x" * 500)
    reply = client.cmd("CONFIG", "SET", "proc-title-template", "{nothing}")
    assert reply.endswith("template format is invalid or contains unknown variables")


def test_no_title(fresh_server: Fresh) -> None:
    server = fresh_server(set_proc_title=False)
    assert "fastredis-server" not in title(server.pid)


def test_environment_survives_the_title(fresh_server: Fresh, tmp_path: Path) -> None:
    # its texts lay where the title is now; C's getenv must still find them
    file = tmp_path / "commands.py"
    file.write_text(
        "import ctypes, fastredis\n"
        "@fastredis.command('GETENV')\n"
        "def getenv(ctx, name: bytes) -> bytes:\n"
        "    get = ctypes.CDLL(None).getenv\n"
        "    get.restype = ctypes.c_char_p\n"
        "    return get(name)\n"
    )
    server = fresh_server(
        proc_title_template="y" * 2000,
        python_commands=str(file),
        env={"FIRST_OF_ALL": "one", "ZZZ": "last"},
    )
    client = server.client()
    assert client.cmd("GETENV", "FIRST_OF_ALL") == b"one"
    assert client.cmd("GETENV", "ZZZ") == b"last"


# --- Signals ----------------------------------------------------------------------


def test_hang_up_is_ignored(fresh_server: Fresh) -> None:
    server = fresh_server()
    os.kill(server.pid, signal.SIGHUP)
    os.kill(server.pid, signal.SIGPIPE)
    assert server.client().cmd("PING") == "PONG"


@pytest.mark.parametrize("name", ["sigterm", "sigint"])
def test_signal_that_cannot_save(fresh_server: Fresh, name: str) -> None:
    server = fresh_server(**{f"shutdown_on_{name}": "save"})
    # where the file is to be, nothing can be put
    (server.directory / "dump.rdb").mkdir()
    (server.directory / "dump.rdb" / "file").touch()
    os.kill(server.pid, getattr(signal, name.upper()))
    wait_until(lambda: "Errors trying to shut down the server" in server.log())
    assert "Error trying to save the DB, can't exit." in server.log()
    client = server.client()
    assert client.cmd("PING") == "PONG"
    client.ok("CONFIG", "SET", f"shutdown-on-{name}", "save force")
    os.kill(server.pid, getattr(signal, name.upper()))
    assert server.wait_exit() == 0
    assert "Error trying to save the DB. Exiting anyway." in server.log()


@pytest.mark.parametrize("name", ["sigterm", "sigint"])
def test_signal_that_saves(fresh_server: Fresh, name: str) -> None:
    server = fresh_server(**{f"shutdown_on_{name}": "save"})
    server.client().ok("SET", "k", "v")
    os.kill(server.pid, getattr(signal, name.upper()))
    assert server.wait_exit() == 0
    server.restart()
    assert server.client().cmd("GET", "k") == b"v"


def test_interrupt_of_a_busy_server(fresh_server: Fresh) -> None:
    server = fresh_server()
    client = server.client()
    client.send("DEBUG", "SLEEP", "0.3")
    wait_until(lambda: cpu_state(server.pid) == "S")
    os.kill(server.pid, signal.SIGINT)
    assert server.wait_exit() == 0
    assert "Received SIGINT scheduling shutdown" in server.log()
    assert "You insist" not in server.log()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_second_interrupt_ends_at_once(fresh_server: Fresh, first: int) -> None:
    server = fresh_server(check_exit=False)
    client = server.client()
    client.send("DEBUG", "SLEEP", "60")
    wait_until(lambda: not client.has_input(0.1))
    os.kill(server.pid, first)
    wait_until(lambda: not is_pending(server.pid, first))
    os.kill(server.pid, signal.SIGINT)
    assert server.wait_exit() == 1
    assert "You insist... exiting now." in server.log()


def cpu_state(pid: int) -> str:
    """Return S for a process that sleeps."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def is_pending(pid: int, number: int) -> bool:
    """Return whether a signal waits to be delivered."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("ShdPnd:") and int(line.split()[1], 16) >> (number - 1) & 1:
            return True
    return False


# --- Out of memory ----------------------------------------------------------------


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_oom_score(fresh_server: Fresh) -> None:
    start = oom_score(os.getpid())
    server = fresh_server()
    client = server.client()
    assert oom_score(server.pid) == start
    values = f"{start + 10} 200 800"
    client.ok(
        "CONFIG", "SET", "oom-score-adj", "absolute", "oom-score-adj-values", values
    )
    assert oom_score(server.pid) == start + 10
    client.ok("CONFIG", "SET", "oom-score-adj-values", "20 30 40")
    client.ok("CONFIG", "SET", "oom-score-adj", "relative")
    assert oom_score(server.pid) == start + 20
    client.ok("CONFIG", "SET", "oom-score-adj", "no")
    assert oom_score(server.pid) == start


def test_oom_score_at_start(fresh_server: Fresh) -> None:
    start = oom_score(os.getpid())
    values = ["50", "60", "70"]
    server = fresh_server(oom_score_adj="yes", oom_score_adj_values=values)
    assert oom_score(server.pid) == start + 50


# --- Listening elsewhere ----------------------------------------------------------


@pytest.mark.parametrize("road", ["auto", "uvloop"])
def test_port_changes(fresh_server: Fresh, road: str) -> None:
    server, other = fresh_server(net_transport=road), fresh_server()
    client, first = server.client(), server.port
    with socket.create_server(("127.0.0.1", 0)) as sock:
        free = sock.getsockname()[1]
    client.ok("CONFIG", "SET", "port", free)
    server.port = free
    assert server.client().cmd("PING") == "PONG"
    assert server.client(unix=True).cmd("PING") == "PONG"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first))
    error = client.cmd("CONFIG", "SET", "port", other.port)
    assert error == (
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to "
        "listen on this port. Check server logs."
    )
    error = client.cmd("CONFIG", "SET", "bind", "192.0.2.1")
    assert error == (
        "ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to "
        "bind to specified addresses."
    )
    # as before
    assert client.cmd("CONFIG", "GET", "bind")[1] == b"127.0.0.1"
    assert server.client().cmd("PING") == "PONG"
    client.ok("CONFIG", "SET", "port", 0)
    with pytest.raises(ConnectionRefusedError):
        server.client()
    unix = server.client(unix=True)
    unix.ok("CONFIG", "SET", "port", free, "bind", "127.0.0.1 127.0.0.2")
    assert server.client().cmd("PING") == "PONG"
    with socket.create_connection(("127.0.0.2", free)) as sock:
        sock.sendall(b"PING\r\n")
        assert sock.recv(7) == b"+PONG\r\n"


@pytest.mark.parametrize("road", ["auto", "uvloop"])
def test_no_address_to_bind_to(fresh_server: Fresh, tmp_path: Path, road: str) -> None:
    server = fresh_server(net_transport=road)
    server.client().ok("CONFIG", "SET", "bind", "")
    with pytest.raises(ConnectionRefusedError):
        server.client()
    unix = server.client(unix=True)
    assert unix.cmd("CONFIG", "GET", "bind") == [b"bind", b""]
    unix.ok("CONFIG", "SET", "bind", "127.0.0.1")
    assert server.client().cmd("PING") == "PONG"


def test_it_may_start_without_an_address(fresh_server: Fresh) -> None:
    server = fresh_server(start=False, bind="")
    server.spawn()
    wait_until(lambda: "Ready to accept connections unix" in server.log())
    unix = server.client(unix=True)
    unix.ok("CONFIG", "SET", "bind", "127.0.0.1")
    assert server.client().cmd("PING") == "PONG"


@pytest.mark.parametrize("config", [{"port": 0}, {"bind": ""}])
def test_it_has_to_listen_somewhere(
    fresh_server: Fresh, config: dict[str, str | int]
) -> None:
    server = fresh_server(start=False, unixsocket="", check_exit=False, **config)
    if "port" in config:
        server.args += ["--port", "0"]
    server.spawn()
    assert server.wait_exit() == 1
    assert "Configured to not listen anywhere, exiting." in server.log()


def test_a_signal_that_waits_may_be_taken_back(fresh_server: Fresh) -> None:
    server = fresh_server(enable_debug_command="yes")
    client = server.client()
    client.ok("DEBUG", "PAUSE-CRON", 1)
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: "Received SIGTERM scheduling shutdown..." in server.log())
    client.ok("SHUTDOWN", "ABORT")
    assert client.cmd("SHUTDOWN", "ABORT") == "ERR No shutdown in progress."
    client.ok("DEBUG", "PAUSE-CRON", 0)
    assert client.cmd("PING") == "PONG"
    assert "Shutdown manually aborted" in server.log()
    client.ok("DEBUG", "PAUSE-CRON", 1)
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: server.log().count("Received SIGTERM") == 2)
    client.ok("DEBUG", "PAUSE-CRON", 0)
    assert server.wait_exit() == 0
