# SPDX-License-Identifier: BSD-3-Clause
"""The server: puts the layers together, and owns start and stop.

::

    Config ──► Server ──► Engine      keyspace, command table, clients
                  │  └──► Reactor     sockets on epoll          (net-transport epoll)
                  │  └──► transports  sockets on the event loop (net-transport uvloop)
                  └─────► uvloop      timers, signals

A program runs one with ``Server(config).run()``; tests, notebooks and applications
start one within their process::

    with fastredis.Server(port=0) as server:
        client = redis.Redis(port=server.port)
        server.call("SET", "greeting", "hello")    # no socket in between

Such a server neither loads nor saves a file unless ``save``, ``dbfilename`` or
``appendonly`` is among its options.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

import uvloop

from fastredis.admin import process
from fastredis.admin.log import Logger, log_start, show_logo
from fastredis.admin.syscheck import warn_of_system
from fastredis.commands.registry import bind, load_specs, table
from fastredis.config.spec import OPTIONS, REDIS_VERSION, SENSITIVE
from fastredis.config.store import Config, FatalConfigError
from fastredis.engine.runtime import Engine
from fastredis.net.conn import end_round
from fastredis.net.listener import ListenError
from fastredis.net.listeners import Listeners
from fastredis.persistence.aof import AppendOnly
from fastredis.persistence.snapshots import LoadFailed, Snapshots
from fastredis.replication.replication import Replication

if TYPE_CHECKING:
    from types import TracebackType

    from fastredis.commands.spec.model import Command
    from fastredis.persistence.migrate import Links

# Extension modules whose C API holds the handlers named cmd_*.
HANDLER_MODULES: Final = (
    "fastredis.commands.cmd_bitmap",
    "fastredis.commands.cmd_client",
    "fastredis.commands.cmd_connection",
    "fastredis.commands.cmd_generic",
    "fastredis.commands.cmd_geo",
    "fastredis.commands.cmd_hash",
    "fastredis.commands.cmd_hash_expire",
    "fastredis.commands.cmd_himport",
    "fastredis.commands.cmd_hyperloglog",
    "fastredis.commands.cmd_lcs",
    "fastredis.commands.cmd_list",
    "fastredis.commands.cmd_list_take",
    "fastredis.commands.cmd_monitor",
    "fastredis.commands.cmd_number",
    "fastredis.commands.cmd_pubsub",
    "fastredis.commands.cmd_server",
    "fastredis.commands.cmd_scombine",
    "fastredis.commands.cmd_set",
    "fastredis.commands.cmd_sort",
    "fastredis.commands.cmd_stream",
    "fastredis.commands.cmd_stream_claim",
    "fastredis.commands.cmd_stream_group",
    "fastredis.commands.cmd_stream_info",
    "fastredis.commands.cmd_stream_read",
    "fastredis.commands.cmd_string",
    "fastredis.commands.cmd_tracking",
    "fastredis.commands.cmd_transaction",
    "fastredis.commands.cmd_zcombine",
    "fastredis.commands.cmd_zpop",
    "fastredis.commands.cmd_zrange",
    "fastredis.commands.cmd_zset",
    "fastredis.persistence.cmd_dump",
    "fastredis.persistence.cmd_waitaof",
    "fastredis.replication.wait",
)
# Modules of the handlers in Python, imported when one of them is first called.
PYTHON_MODULES: Final = (
    "fastredis.admin.client",
    "fastredis.admin.command",
    "fastredis.admin.config",
    "fastredis.admin.debug",
    "fastredis.admin.info",
    "fastredis.admin.latency",
    "fastredis.admin.lolwut",
    "fastredis.admin.memory",
    "fastredis.admin.object_help",
    "fastredis.admin.pubsub_help",
    "fastredis.admin.shutdown",
    "fastredis.admin.slowlog",
    "fastredis.persistence.migrate",
    "fastredis.persistence.save_commands",
    "fastredis.replication.link_commands",
    "fastredis.admin.stream_help",
    "fastredis.replication.commands",
)

# Directives that C code reads, handed to Engine.set_option as they are.
_ENGINE_OPTIONS: Final = (
    "client-query-buffer-limit",
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hll-sparse-max-bytes",
    "import-mode",
    "latency-tracking",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "lfu-decay-time",
    "lfu-log-factor",
    "list-compress-depth",
    "list-max-listpack-size",
    "maxclients",
    "maxmemory-policy",
    "protected-mode",
    "proto-max-bulk-len",
    "rdb-version",
    "rdbcompression",
    "set-max-intset-entries",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "tcp-keepalive",
    "timeout",
    "tracking-table-max-keys",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
)

# Directives that say which commands are logged.
_LOG_OPTIONS: Final = (
    "commandlog-large-reply-max-len",
    "commandlog-large-request-max-len",
    "commandlog-reply-larger-than",
    "commandlog-request-larger-than",
    "latency-monitor-threshold",
    "slowlog-log-slower-than",
    "slowlog-max-len",
)
# Directives that are handed over in another form.
_OTHER_OPTIONS: Final = (
    "client-output-buffer-limit",
    "maxmemory",
    "maxmemory-clients",
    "notify-keyspace-events",
    "requirepass",
)

# Seconds between two turns of the periodic work, which "hz" sets where this is longer.
_CRON_IDLE: Final = 0.1
_CRON_DEADLINES: Final = 0.016  # one tick of the timing wheel
_CRON_CHILD: Final = 0.02  # a child process is to be reaped
_CRON_BUSY: Final = 0.001  # it was interrupted: sockets first, then on with it

# Bytes of a replication backlog.
_BACKLOG_MIN: Final = 16384
# Ends of FLUSHALL that are looked at in one turn.
_FLUSHED_MAX: Final = 4096

# Descriptors for what is no client: listening sockets, files, the event loop.
_RESERVED_FILES: Final = 32


class Server:
    """A Redis-compatible server.

    options: directives of redis.conf by their Python names, as in
        ``Server(port=0, maxclients=100)``; they win over config.
    Raises: FatalConfigError if the configuration does not fit together.
    """

    def __init__(
        self, config: Config | Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        if not isinstance(config, Config):
            values = dict(config or {})
            values |= {name.replace("_", "-"): v for name, v in options.items()}
            config = Config(values)
        elif options:
            raise TypeError("give either a Config or options, not both")
        self.config = config
        self.log = Logger.for_config(config)
        self.engine = Engine(config["databases"], huge_pages=not config["disable-thp"])
        self.engine.server = self
        self.engine.set_redis_version(REDIS_VERSION)
        self.specs: dict[str, Command] = {}
        self.started_at = time.time()
        self.run_id = os.urandom(20).hex()
        self.exit_code = 0
        self.affinity = process.Affinity(config, self.log)
        self.snapshots = Snapshots(self)
        self.supervisor = ""  # systemd, upstart; empty: none that we know of
        self.aof = AppendOnly(self)
        self._links: Links | None = None
        self.replication = Replication(self)
        self._load_commands()
        self._follow_config()
        self._listeners: Listeners | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._is_ready = threading.Event()
        self._http_seen = 0
        self._http_warned_at = 0.0
        self._cron_handle: asyncio.TimerHandle | None = None
        self.is_cron_paused = False  # DEBUG PAUSE-CRON
        self._owns_process = False
        self._keeps_data = True  # in a file, from one run to the next
        # where a child process that saves asks for its score; None: not our process
        self.oom_score: process.OomScore | None = None
        self._watchdog_ms = 0
        self._waiting_signal = 0  # to be obeyed when the cron goes on; 0: none

    # --- Set up ------------------------------------------------------------------

    def _load_commands(self) -> None:
        """Fill the command table: built-in commands, users', renamed ones."""
        specs = load_specs()
        files = self.config["python-commands"]
        if files or "fastredis.commands.custom" in sys.modules:
            from fastredis.commands import custom

            for (path,) in files:
                custom.load_file(path)
            specs = [*specs, *custom.REGISTERED]
        bound = bind(specs, [import_module(m) for m in HANDLER_MODULES], PYTHON_MODULES)
        self.specs = table(specs)
        for command in bound:
            self.engine.commands.add(command)
        for i, (old, new) in enumerate(self.config["rename-command"]):
            try:
                self.engine.commands.rename(old.encode(), new.encode())
            except KeyError:
                raise self.config.fatal(
                    "rename-command", i, "No such command in rename-command"
                ) from None
            except ValueError:
                raise self.config.fatal(
                    "rename-command", i, "Target command name already exists"
                ) from None

    def _follow_config(self) -> None:
        """Hand the configuration to the engine, now and whenever it changes."""

        def apply(config: Config) -> None:
            for name in _ENGINE_OPTIONS:
                self.engine.set_option(name, config[name])
            self.engine.set_command_logs(
                (config["slowlog-log-slower-than"], config["slowlog-max-len"]),
                (
                    config["commandlog-request-larger-than"],
                    config["commandlog-large-request-max-len"],
                ),
                (
                    config["commandlog-reply-larger-than"],
                    config["commandlog-large-reply-max-len"],
                ),
                config["latency-monitor-threshold"],
            )
            self.engine.set_client_memory_limit(_client_memory(config))
            for kind in ("normal", "pubsub", "slave"):
                limit = config["client-output-buffer-limit"][kind]
                self.engine.set_output_limit(kind, *limit)
            self.engine.set_events(config["notify-keyspace-events"])
            password = config["requirepass"]
            self.engine.set_password(password.encode("utf-8", "surrogateescape"))

        def limit_files(config: Config) -> None:
            possible = self._raise_file_limit(config["maxclients"])
            if possible < config["maxclients"]:
                raise ValueError(
                    "The operating system is not able to handle the specified number "
                    f"of clients, try with {possible}"
                )

        self.engine.set_secret_directives(
            name
            for option in OPTIONS
            if option.flags & SENSITIVE
            for name in (option.name, *option.aliases)
        )
        for name in (*_ENGINE_OPTIONS, *_LOG_OPTIONS, *_OTHER_OPTIONS):
            self.config.on_change(name, apply)
        wanted = self.config["maxclients"]
        possible = self._raise_file_limit(wanted)
        if possible < wanted:
            self.log.warning(
                f"You requested maxclients of {wanted} requiring at least "
                f"{wanted + _RESERVED_FILES} max file descriptors."
            )
            self.log.warning(
                f"Current maximum open files is {possible + _RESERVED_FILES}. "
                f"maxclients has been reduced to {possible} to compensate for low "
                "ulimit."
            )
            self.config.set_many([("maxclients", str(possible))])
        self.config.on_change("maxclients", limit_files)
        self.config.on_change("repl-backlog-size", _enlarge_backlog)
        apply(self.config)

    def _raise_file_limit(self, maxclients: int) -> int:
        """Ask for as many descriptors as this takes; return what is possible."""
        import resource

        wanted = maxclients + _RESERVED_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return maxclients
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (limit, max(hard, limit) if hard > 0 else hard)
            )
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(1, min(maxclients, soft - _RESERVED_FILES))

    def _listen(self) -> Listeners:
        """Open the listening sockets of the configuration.

        Raises: ListenError.
        """
        # an embedded server asks for a free port with 0
        takes_any_port = "port" in self.config.given and not self._owns_process
        listeners = Listeners(
            self.engine, self.config, self.log, takes_any_port=takes_any_port
        )
        listeners.open()
        listeners.follow()
        return listeners

    def _accept(self, listeners: Listeners) -> None:
        """Have clients served on the road that the configuration chose."""
        listeners.serve()
        reactor = listeners.reactor
        if reactor is None:
            return

        def tune(config: Config) -> None:
            reactor.linger_ms = config["linger-ms"]
            reactor.coalesce_us = config["coalesce-us"]

        for name in ("linger-ms", "coalesce-us"):
            self.config.on_change(name, tune)
        tune(self.config)

    # --- Run ---------------------------------------------------------------------

    def run(self, *, owns_process: bool = False) -> int:
        """Load, serve until told to stop, save; return the exit code of the process.

        owns_process: it is there for this server alone. The server then gives it a
            title and an oom score, and reports its crashes in the log.
        """
        log_start(self.log, self.config, bool(self.config.file or self.config.given))
        if owns_process:
            self._owns_process = True
            self._settle_in()
        else:
            # within another program: it would find and leave files wherever that runs
            given = self.config.given.keys()
            has_snapshots = not given.isdisjoint(("save", "dbfilename"))
            self._keeps_data = has_snapshots or "appendonly" in given
            if not has_snapshots:
                self.config.assign("save", [""])
        try:
            self._listeners = self._listen()
        except ListenError as error:
            self.log.warning(str(error))
            return 1
        if owns_process and self._listeners.are_none:
            self.log.warning("Configured to not listen anywhere, exiting.")
            return 1
        loop = uvloop.new_event_loop()
        try:
            asyncio.set_event_loop(loop)
            loop.set_exception_handler(self._report_exception)
            loop.run_until_complete(self._main())
        except Exception as error:
            if not owns_process:
                raise
            self.log.report(error, "the server cannot go on")
            return 1
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        return self.exit_code

    def _settle_in(self) -> None:
        """Do what concerns the process as a whole."""
        from fastredis.admin import crash
        from fastredis.config.spec import REDIS_VERSION

        config = self.config
        process.show_title(config)
        config.on_change("proc-title-template", process.show_title)
        self.oom_score = process.OomScore(self.log)
        self.oom_score.follow(config)
        self.affinity.settle(self.engine.start_lazyfree)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        crash.install(
            self.engine,
            self.log.path,
            pidfile=config["pidfile"] if config["daemonize"] else "",
            version=REDIS_VERSION,
            reports=config["crash-log-enabled"],
        )

        def follow(config: Config) -> None:
            crash.set_reports(config["crash-log-enabled"])
            crash.set_hides_data(config["hide-user-data-from-log"])
            period = config["watchdog-period"]
            # the cron, which says that all is well, must come twice in it
            self._watchdog_ms = period and max(period, 2000 // config["hz"])
            crash.arm_watchdog(self._watchdog_ms)

        names = (
            "crash-log-enabled", "hide-user-data-from-log", "watchdog-period", "hz",
        )  # fmt: skip
        for name in names:
            config.on_change(name, follow)
        follow(config)

    def _report_exception(
        self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        """Log what was raised where nobody handles it; the server goes on."""
        error = context.get("exception")
        message = context.get("message", "unhandled exception in the event loop")
        if isinstance(error, OSError):  # a peer that went away
            self.log.verbose(f"{message}: {error}")
        else:
            self.log.report(error, message)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._on_signal, number)
            if self._owns_process:
                from fastredis.admin import crash

                crash.watch_interrupts()
        if self.config["pidfile"]:
            process.write_pidfile(self.config["pidfile"], self.log)
        self.engine.startup_memory = self.engine.stats()["used_memory"]
        show_logo(self.log, self.config)
        self.log.notice("Server initialized")
        if self._owns_process:
            warn_of_system(self.log)
        listeners = self._listeners
        assert listeners is not None
        self._accept(listeners)
        self._cron()
        is_loaded = await self._load()
        if not is_loaded or self._stop.is_set():
            if not is_loaded:
                self.exit_code = 1
            self._close()
            await listeners.wait_closed()
            return
        for kind, is_open in (
            ("tcp", listeners.port),
            ("unix", listeners.unix_path),
            ("tls", listeners.tls_port),
        ):
            if is_open:
                self.log.notice(f"Ready to accept connections {kind}")
        if self._owns_process:
            process.tell(
                self.config["supervised"],
                "READY=1\nSTATUS=Ready to accept connections",
            )
        done, told = os.pipe()
        os.set_blocking(done, False)
        self.engine.set_flush_fd(told)
        self._loop.add_reader(done, self._serve_flushed, done)
        self._is_ready.set()
        self.replication.link.start()
        try:
            await self._stop.wait()
        finally:
            self._close()
            self.engine.set_flush_fd(-1)
            self._loop.remove_reader(done)
            os.close(done)
            os.close(told)
            await listeners.wait_closed()

    async def _load(self) -> bool:
        """Load what was saved, and serve meanwhile; return whether that worked."""
        assert self._stop is not None
        if not self._keeps_data:
            return self.aof.settle()
        has_aof = self.config["appendonly"]
        try:
            for _ in self.aof.load() if has_aof else self.snapshots.load():
                await asyncio.sleep(0)
                if self._stop.is_set():
                    return True
        except LoadFailed:
            return False
        if not has_aof:
            self.replication.restore(self.snapshots.loaded_aux)
        return self.aof.settle()

    def _serve_flushed(self, fd: int) -> None:
        """Reply to clients whose FLUSHALL is over; there is a byte for each."""
        self.engine.serve_flushed(len(os.read(fd, _FLUSHED_MAX)))
        end_round(self.engine)

    @property
    def has_child(self) -> bool:
        """Whether a child process saves or rewrites: there is one at a time."""
        return self.snapshots.child is not None or self.aof.child is not None

    def _cron(self) -> None:
        """Do the periodic work and come back in time for the next."""
        assert self._loop is not None
        if self._watchdog_ms:
            from fastredis.admin import crash

            crash.arm_watchdog(self._watchdog_ms)
        self._warn_of_http()
        if self._waiting_signal and not self.is_cron_paused:
            number, self._waiting_signal = self._waiting_signal, 0
            self._obey(signal.Signals(number).name)
        if self._listeners is not None and self._listeners.reactor is not None:
            self._listeners.reactor.resume_accept()
        if self._links is not None:
            self._links.close_idle()
        more = not self.is_cron_paused and self.engine.cron()
        end_round(self.engine)
        delay = min(_CRON_IDLE, 1 / self.config["hz"])
        if not self.is_cron_paused and self.snapshots.poll() | self.aof.poll():
            delay = min(delay, _CRON_CHILD)
        if not self.is_cron_paused and self.replication.poll():
            delay = min(delay, _CRON_CHILD)
        if more:
            delay = _CRON_BUSY
        elif self.engine.has_deadlines():
            delay = min(delay, _CRON_DEADLINES)
        self._cron_handle = self._loop.call_later(delay, self._cron)

    def _warn_of_http(self) -> None:
        """Log that HTTP requests were refused, once a minute at the most."""
        seen = self.engine.cross_protocol
        if seen == self._http_seen or time.time() - self._http_warned_at < 60:
            return
        self._http_seen = seen
        self._http_warned_at = time.time()
        self.log.warning(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST "
            "or Host: commands to this server, perhaps by making a browser do so. "
            "Connection aborted."
        )

    @property
    def links(self) -> Links:
        """The connections to other servers that MIGRATE keeps."""
        if self._links is None:
            from fastredis.persistence.migrate import Links

            self._links = Links(self)
        return self._links

    @property
    def nlinks(self) -> int:
        """How many of them there are."""
        return 0 if self._links is None else len(self._links)

    @property
    def is_loading(self) -> bool:
        """Whether the data set is being loaded."""
        return self.snapshots.loader is not None

    @property
    def uses_epoll(self) -> bool:
        """Whether clients are served by the reactor, not by the event loop."""
        return self._listeners is not None and self._listeners.reactor is not None

    def adopt(self, connection: int | asyncio.Transport) -> int:
        """Serve a connection that was made from here; return its client's id."""
        assert self._listeners is not None
        return self._listeners.adopt(connection)

    def end_round(self) -> None:
        """Send what was queued, after something that no client set off."""
        end_round(self.engine)

    @property
    def keeps_data(self) -> bool:
        """Whether there are files from one run to the next."""
        return self._keeps_data

    @property
    def port(self) -> int:
        """The TCP port in use, 0 if there is none."""
        return 0 if self._listeners is None else self._listeners.port

    @property
    def tls_port(self) -> int:
        """The port for TLS in use, 0 if there is none."""
        return 0 if self._listeners is None else self._listeners.tls_port

    def _on_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._stop is not None and self._stop.is_set():
            return
        self.log.warning(f"Received {name} scheduling shutdown...")
        if self.is_cron_paused:
            # what is periodic stands still, and so does what a signal asks for
            self._waiting_signal = number
            return
        self._obey(name)

    def _obey(self, name: str) -> None:
        """End the server on a signal of this name, if it can save what it has to."""
        if self.try_shutdown(self.config[f"shutdown-on-{name.lower()}"]):
            return
        self.log.warning(
            "Errors trying to shut down the server. Check the logs for more "
            "information."
        )
        if self._owns_process:
            from fastredis.admin import crash

            crash.set_stopping(False)

    def try_shutdown(self, options: Collection[str]) -> bool:
        """Save as the options of SHUTDOWN say, and stop serving.

        Return False, and go on, if it cannot be saved and force is not among them.
        """
        self.log.notice("User requested shutdown...")
        save = None
        if "save" in options or "nosave" in options:
            save = "save" in options
        force = "force" in options
        if not self.aof.may_finish(force=force):
            return False
        if not self.snapshots.finish(save=save, force=force):
            return False
        self.aof.finish()
        self.shutdown()
        return True

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop serving, without saving; on the thread of the event loop.

        What has been executed is still replied, but nothing more is executed.
        """
        if self._owns_process:
            from fastredis.admin import crash

            crash.set_stopping(True)
            process.tell(self.config["supervised"], "STOPPING=1")
        self.exit_code = exit_code
        self.engine.stop_serving()
        # before any client sees the end of its connection: none is accepted after it
        assert self._listeners is not None
        self._listeners.close()
        assert self._stop is not None
        self._stop.set()

    def abort_shutdown(self) -> bool:
        """Take back a shutdown that has not begun; return whether there was one."""
        if not self._waiting_signal:
            return False
        self._waiting_signal = 0
        if self._owns_process:
            from fastredis.admin import crash

            crash.set_stopping(False)
        self.log.notice("Shutdown manually aborted.")
        return True

    def _close(self) -> None:
        """Close sockets and clients, and remove the files of this run."""
        assert self._listeners is not None
        if self._cron_handle is not None:
            self._cron_handle.cancel()
        self.replication.link.close()
        if self._listeners.unix_path:
            self.log.notice("Removing the unix socket file.")
        self._listeners.close()
        if self._links is not None:
            self._links.close_idle(0)
        self.engine.close_clients()
        if self.config["pidfile"]:
            self.log.notice("Removing the pid file.")
            process.remove_pidfile(self.config["pidfile"])
        self.log.warning("Fastredis is now ready to exit, bye bye...")

    # --- Called by the layers below ------------------------------------------------

    def accept_failed(self, number: int) -> None:
        """Log that no connection can be accepted for the moment."""
        self.log.warning(f"Error accepting a client connection: {os.strerror(number)}")

    def aof_write_failed(self, number: int, done: int, wanted: int) -> None:
        """See to changes that could not be written to the append-only file."""
        self.aof.write_failed(number, done, wanted)

    def aof_write_recovered(self) -> None:
        """Tell that they can be written again."""
        self.aof.write_recovered()

    def aof_fsync_failed(self, number: int) -> None:
        """See to changes of which nobody knows whether they are on the disk."""
        self.aof.fsync_failed(number)

    def flushed_all(self) -> None:
        """See to the file with the data after FLUSHALL."""
        self.snapshots.flushed_all()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; only while the server runs."""
        assert self._loop is not None
        return self._loop

    def fail_loading(self) -> None:
        """End the process, which owns no complete data set; it is not saved."""
        if self._owns_process:
            os._exit(1)

    def child_title(self, what: str) -> bytes | None:
        """Return the title of a child process; None: it keeps this one's."""
        if not self._owns_process or not self.config["set-proc-title"]:
            return None
        address = self.port or self.config["unixsocket"]
        title = f"{process.program_name()}-{what} *:{address}"
        return title.encode("utf-8", "surrogateescape")

    def role_changed(self) -> None:
        """Tell the kernel how dear this process is in its new role."""
        if self.oom_score is None:
            return
        is_replica = self.replication.is_replica
        self.oom_score.role = process.OOM_REPLICA if is_replica else process.OOM_MASTER
        self.oom_score.apply(self.config)

    def child_oom_score(self) -> int | None:
        """Return the kernel's score for a child process; None: it is this one's."""
        if self.oom_score is None:
            return None
        return self.oom_score.score_of(self.config, process.OOM_CHILD)

    def log_exception(self, name: str, error: BaseException) -> None:
        """Log what the handler of a command raised."""
        import traceback

        text = "".join(traceback.format_exception(error)).rstrip()
        self.log.warning(f"Error in the command {name}:\n{text}")

    # --- Within a process ----------------------------------------------------------

    def start(self) -> Server:
        """Serve on a thread of this process; return when clients can connect.

        Raises: RuntimeError if the server ends before that; its log says why.
        """
        if self._thread is not None:
            raise RuntimeError("the server has been started")
        self._thread = threading.Thread(target=self.run, name="fastredis", daemon=True)
        self._thread.start()
        while not self._is_ready.wait(0.01):
            if not self._thread.is_alive():
                raise RuntimeError("the server did not start; its log says why")
        return self

    def stop(self) -> None:
        """Stop a server that start() started, and wait until it has."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        with contextlib.suppress(RuntimeError):  # it has stopped by itself
            loop.call_soon_threadsafe(self.try_shutdown, ("force",))
        thread.join()

    def call(self, *args: bytes | str | float, db: int = 0) -> Any:
        """Execute a command, without a socket, and return its reply.

        May be called from any thread while the server runs.
        Raises: ReplyError if the command replies an error.
        """
        if self._thread is None or threading.current_thread() is self._thread:
            return self._call(args, db)
        if self._loop is None:
            raise RuntimeError("the server does not run")

        async def execute() -> Any:
            return self._call(args, db)

        return asyncio.run_coroutine_threadsafe(execute(), self._loop).result()

    def _call(self, args: Sequence[bytes | str | float], db: int) -> Any:
        """Execute a command, and send what it has set off: messages to subscribers."""
        try:
            return self.engine.call(args, db)
        finally:
            end_round(self.engine)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _enlarge_backlog(config: Config) -> None:
    """Keep the backlog from being too small for anything, as CONFIG SET does."""
    if config["repl-backlog-size"] < _BACKLOG_MIN:
        config.assign("repl-backlog-size", [str(_BACKLOG_MIN)])


def _client_memory(config: Config) -> int:
    """Return how much memory all clients may take, 0 if there is no limit."""
    limit: int = config["maxmemory-clients"]
    # a percentage, which is negative, is one of maxmemory
    return limit if limit >= 0 else config["maxmemory"] * -limit // 100


__all__ = ["FatalConfigError", "Server"]
