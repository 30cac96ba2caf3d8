# SPDX-License-Identifier: BSD-3-Clause
r"""The process among others: in the background, under a supervisor, its title.

    configuration read
      |-- supervised?   systemd: notify("STATUS=..."), later READY=1, STOPPING=1
      |                 upstart: stops itself until upstart continues it
      '-- daemonize?    fork, setsid, standard files to /dev/null; never if supervised
    server made: threads from here on

A supervisor that follows the process itself must find it under the pid it started, so
`supervised` wins over `daemonize`.

OomScore tells the kernel which process to end first when memory is short.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fastredis.config.values import fill_title, parse_cpus

if TYPE_CHECKING:
    from fastredis.admin.log import Logger
    from fastredis.config.store import Config

# Where a daemon leaves its pid if the configuration does not say.
DAEMON_PIDFILE: Final = "/var/run/redis.pid"

OOM_FILE: Final = "/proc/self/oom_score_adj"
OOM_LIMIT: Final = 1000
# indexes of oom-score-adj-values
OOM_MASTER: Final = 0
OOM_REPLICA: Final = 1
OOM_CHILD: Final = 2

CPU_LISTS: Final = (
    "server-cpulist", "bio-cpulist", "aof-rewrite-cpulist", "bgsave-cpulist",
)  # fmt: skip


# --- Background -------------------------------------------------------------------


def daemonize() -> None:
    """Go on in a child process without a terminal; the parent ends with code 0.

    To be called while the process has one thread. Raises: OSError if it cannot fork.
    """
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)


# --- Supervisors ------------------------------------------------------------------


def supervisor(mode: str, environ: Mapping[str, str]) -> str:
    """Return which supervisor waits for this process: systemd, upstart or none ("").

    mode: the directive ``supervised``; ``auto`` looks for either.
    """
    names = {"systemd": "NOTIFY_SOCKET", "upstart": "UPSTART_JOB"}
    for name in ("upstart", "systemd") if mode == "auto" else (mode,):
        if name in names and environ.get(names[name]):
            return name
    return ""


def follow_supervisor(mode: str, environ: MutableMapping[str, str], log: Logger) -> str:
    """Do what the supervisor expects at start; return its name, or none ("")."""
    found = supervisor(mode, environ)
    if found == "systemd":
        log.notice(
            "supervised by systemd. Please make sure you set appropriate values for "
            "TimeoutStartSec and TimeoutStopSec in your service unit."
        )
        notify("STATUS=Fastredis is loading...", environ)
    elif found == "upstart":
        log.notice("supervised by upstart, will stop to signal readiness")
        os.kill(os.getpid(), signal.SIGSTOP)
        # what this process starts is not what upstart waits for
        environ.pop("UPSTART_JOB", None)
    elif mode == "systemd":
        log.warning("systemd supervision requested, but NOTIFY_SOCKET not found")
    elif mode == "upstart":
        log.warning("upstart supervision requested, but UPSTART_JOB not found")
    return found


def tell(mode: str, text: str) -> None:
    """Send lines to systemd if the directive ``supervised`` lets it be told."""
    if mode in ("systemd", "auto"):
        notify(text, os.environ)


def notify(text: str, environ: Mapping[str, str]) -> bool:
    """Send lines such as READY=1 to systemd; return whether it was sent."""
    path = environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    import socket

    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
        ) as sock:
            sock.connect(address)
            sock.sendall(text.encode() + b"\n")
    except OSError:
        return False
    return True


# --- Title ------------------------------------------------------------------------


def program_name() -> str:
    """Return the name that the program was started by."""
    name = sys.argv[0]
    if os.path.basename(name) in ("__main__.py", "-c", "-m", ""):
        return "fastredis-server"  # python -m fastredis
    return name


def title_of(config: Config) -> str | None:
    """Return the title that ``proc-title-template`` makes, None if it is malformed."""
    host = config["bind"][0] if config["bind"] else "*"
    if config["port"]:
        address = f"{host}:{config['port']}"
    elif config["tls-port"]:
        address = f"{host}:{config['tls-port']}"
    else:
        address = config["unixsocket"]
    variables = {
        "title": program_name(),
        "listen-addr": address,
        "server-mode": "[cluster]" if config["cluster-enabled"] else "",
        "port": str(config["port"]),
        "tls-port": str(config["tls-port"]),
        "unixsocket": config["unixsocket"],
        "config-file": config.file or "",
    }
    title = fill_title(config["proc-title-template"], variables)
    return None if title is None else title.rstrip()


def show_title(config: Config) -> None:
    """Give the process its title, if ``set-proc-title`` says so."""
    if not config["set-proc-title"]:
        return
    from fastredis.core.proctitle import set_name, set_title

    title = title_of(config)
    if title is not None:
        set_title(title.encode("utf-8", "surrogateescape"))
    # the interpreter's name would stand there if it was started by python -m
    set_name(os.path.basename(program_name()).encode("utf-8", "replace"))


# --- Out of memory ----------------------------------------------------------------


class OomScore:
    """What ``oom-score-adj`` asks of the kernel, for this process and its children.

    The score that the process was started with is what relative values are added to,
    and what comes back with ``no``.
    """

    def __init__(self, log: Logger, path: str = OOM_FILE) -> None:
        self._log = log
        self._path = path
        self._start: int | None = None
        self.role = OOM_MASTER

    def score_of(self, config: Config, role: int) -> int | None:
        """Return the score of a role; None: it is that of this process."""
        mode = config["oom-score-adj"]
        if mode == "no" or self._start is None:
            return None
        value: int = config["oom-score-adj-values"][role]
        score = value if mode == "absolute" else self._start + value
        return max(-OOM_LIMIT, min(OOM_LIMIT, score))

    def apply(self, config: Config) -> bool:
        """Set the score of this process.

        Return whether the kernel took it; the log says why not.
        """
        mode = config["oom-score-adj"]
        if mode == "no" and self._start is None:
            return True  # it was never changed
        try:
            if self._start is None:
                with open(self._path, encoding="ascii") as file:
                    self._start = int(file.read())
            score = self.score_of(config, self.role)
            if score is None:
                score = self._start
            with open(self._path, "w", encoding="ascii") as file:
                file.write(str(score))
        except OSError as error:
            self._log.warning(f"Unable to write oom_score_adj: {error.strerror}")
            return False
        if mode == "no":
            self._start = None
        return True

    def follow(self, config: Config) -> None:
        """Apply the configuration now and whenever CONFIG SET changes it."""

        def changed(config: Config) -> None:
            if not self.apply(config):
                raise ValueError(
                    "Failed to set current oom_score_adj. Check server logs."
                )

        for name in ("oom-score-adj", "oom-score-adj-values"):
            config.on_change(name, changed)
        self.apply(config)


# --- CPUs -------------------------------------------------------------------------


class Affinity:
    """On which CPUs what runs, as the directives ``*-cpulist`` say; Linux only.

    A thread and a process begin with the CPUs of the thread that starts them.
    """

    def __init__(self, config: Config, log: Logger) -> None:
        self._config = config
        self._log = log
        self._is_possible = hasattr(os, "sched_setaffinity")
        given = [n for n in CPU_LISTS if config[n]]
        if given and not self._is_possible:
            log.warning(f"{given[0]}: this system has no means to choose CPUs")

    def apply(self, name: str, pid: int = 0) -> bool:
        """Have a process, or the calling thread, run where a directive says.

        Return whether anything was changed.
        """
        cpus = parse_cpus(self._config[name])
        if not cpus or not self._is_possible:
            return False
        try:
            os.sched_setaffinity(pid, cpus)
        except ProcessLookupError:
            return False  # it has ended already
        except OSError as error:
            self._log.warning(f"{name} {self._config[name]}: {error.strerror}")
            return False
        return True

    def settle(self, start_threads: Callable[[], object]) -> None:
        """Have this process run where it shall, and the threads that it starts.

        start_threads: starts those of ``bio-cpulist``.
        """
        before = os.sched_getaffinity(0) if self._is_possible else ()
        if self.apply("bio-cpulist"):
            start_threads()
            os.sched_setaffinity(0, before)
        self.apply("server-cpulist")


# --- Pid --------------------------------------------------------------------------


def write_pidfile(path: str, log: Logger) -> bool:
    """Write this process's pid into a file; return whether that worked."""
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        log.warning(f"Failed to write PID file: {error.strerror}")
        return False
    return True


def remove_pidfile(path: str) -> None:
    """Remove the file again, if it still holds this process's pid."""
    with suppress(OSError, ValueError):
        with open(path, encoding="ascii") as file:
            is_ours = int(file.read()) == os.getpid()
        if is_ours:
            os.unlink(path)
