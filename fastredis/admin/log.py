# SPDX-License-Identifier: BSD-3-Clause
r"""The server's log, in the format that Redis writes and that tools read.

    4711:M 24 Nov 2026 08:12:57.913 * Ready to accept connections
    pid  |                          |
         role                       level: . debug  - verbose  * notice  # warning

The role is M for a master, S for a replica, C before the server runs and in a child
process that saves. A line is one write(2) to an appended file, so lines of several
processes do not mix and are visible at once. The file is opened again when its name
means another file, so that logrotate needs no signal.

`log-format` has two other forms, for programs, as Valkey writes them:

    logfmt  pid=4711 role=primary timestamp="..." level=notice message="..."
    json    {"pid":4711,"role":"primary","timestamp":"...","level":...,"message":"..."}

A message of several lines, such as a traceback, stays one record in these. What goes to
syslog as well has neither form: syslog adds time, pid and level itself.

Cost: about 3 us a line, nearly nothing for a level that is off.
Threads: any thread may log.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastredis.config.store import Config

LEVELS: Final = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
DEBUG: Final = 0
VERBOSE: Final = 1
NOTICE: Final = 2
WARNING: Final = 3

_MARKS: Final = ".-*#"
# Not strftime's %b, which depends on the locale.
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip

STDOUT: Final = 1

_ROLES: Final = {"M": "primary", "S": "replica", "C": "RDB/AOF", "X": "sentinel"}
_LEVEL_NAMES: Final = ("debug", "verbose", "notice", "warning")

_LOGO: Final = r"""
         __            _
  ----- / _| __ _ ___ | |_      {0}
   --- | |_ / _` / __|| __|     Running in {1} mode
  ---- |  _| (_| \__ \| |_      Port: {2}
     - |_|  \__,_|___/ \__|     PID: {3}

"""


class Logger:
    """Where one server writes its log.

    level: the name of the least important level that is written.
    role: the letter after the pid.
    """

    def __init__(
        self,
        path: str = "",
        level: str = "notice",
        role: str = "M",
        *,
        form: str = "legacy",
        stamp: str = "legacy",
    ) -> None:
        """Write to the file at path, or to standard output if it is empty.

        form, stamp: values of ``log-format`` and ``log-timestamp-format``.

        A file that cannot be opened or written loses lines; it never stops the server.
        """
        # a later chdir must not move the log
        self._path = os.path.abspath(path) if path else ""
        self._threshold = LEVELS[level]
        self._fd = -1
        self._file = (0, 0)  # device and inode of what _fd is
        self._second = -1
        self._stamp = ""  # the date and time of _second
        self._zone = ""  # and what follows its milliseconds
        self.role = role
        self.form = form
        self._stamp_form = stamp
        self._syslog: Callable[[int, str], None] | None = None

    @classmethod
    def for_config(cls, config: Config) -> Logger:
        """Return the log that a configuration asks for; it follows CONFIG SET."""
        logger = cls(config["logfile"], config["loglevel"])

        def follow(changed: Config) -> None:
            logger.level = changed["loglevel"]
            logger.form = changed["log-format"]
            logger.stamp_form = changed["log-timestamp-format"]

        for name in ("loglevel", "log-format", "log-timestamp-format"):
            config.on_change(name, follow)
        follow(config)
        if config["syslog-enabled"]:
            logger.open_syslog(config["syslog-ident"], config["syslog-facility"])
        return logger

    def open_syslog(self, ident: str, facility: str) -> None:
        """Send what is logged to syslog, too: under a name, to user, local0 ... 7."""
        import syslog

        kind = getattr(syslog, f"LOG_{facility.upper()}")
        options = syslog.LOG_PID | syslog.LOG_NDELAY | syslog.LOG_NOWAIT
        syslog.openlog(ident, options, kind)
        priorities = (
            syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING,
        )  # fmt: skip

        def send(rank: int, message: str) -> None:
            syslog.syslog(priorities[rank], message.replace("\0", " "))

        self._syslog = send

    @property
    def path(self) -> str:
        """The absolute path of its file; empty: standard output."""
        return self._path

    @property
    def stamp_form(self) -> str:
        """How times are written: a value of ``log-timestamp-format``."""
        return self._stamp_form

    @stamp_form.setter
    def stamp_form(self, form: str) -> None:
        self._stamp_form = form
        self._second = -1

    @property
    def level(self) -> str:
        """Return the name of the least important level that is written."""
        return next(name for name, rank in LEVELS.items() if rank == self._threshold)

    @level.setter
    def level(self, name: str) -> None:
        self._threshold = LEVELS[name]

    def is_on(self, rank: int) -> bool:
        """Return whether lines of a level (DEBUG ... WARNING) are written."""
        return rank >= self._threshold

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- Lines -----------------------------------------------------------------

    def debug(self, message: str) -> None:
        """Write what helps only those who work on the server."""
        if self._threshold <= DEBUG:
            self._line(DEBUG, message)

    def verbose(self, message: str) -> None:
        """Write what is of use now and then."""
        if self._threshold <= VERBOSE:
            self._line(VERBOSE, message)

    def notice(self, message: str) -> None:
        """Write what the operator of a server in production wants to know."""
        if self._threshold <= NOTICE:
            self._line(NOTICE, message)

    def warning(self, message: str) -> None:
        """Write what asks for attention."""
        if self._threshold <= WARNING:
            self._line(WARNING, message)

    def exception(self, message: str) -> None:
        """Write a warning and the traceback of the exception being handled."""
        if self._threshold <= WARNING:
            from traceback import format_exc

            self._line(WARNING, f"{message}\n{format_exc().rstrip()}")

    def report(self, error: BaseException | None, message: str) -> None:
        """Write a bug report about an exception that nobody handled."""
        if self._threshold > WARNING:
            return
        from traceback import format_exception

        lines = [
            "",
            "",
            "=== REDIS BUG REPORT START: Cut & paste starting from here ===",
            f"Unhandled exception: {message}",
        ]
        if error is not None:
            lines += ["", "------ PYTHON STACK ------"]
            lines.append("".join(format_exception(error)).rstrip())
        lines += [
            "",
            "=== REDIS BUG REPORT END. Make sure to include from START to END. ===",
        ]
        self._line(WARNING, "\n".join(lines))

    def of_child(self, pid: int, rank: int, message: str) -> None:
        """Write what a child process, which cannot log by itself, has to say."""
        if self._threshold <= rank:
            self._line(rank, message, pid, "C")

    def raw(self, text: str) -> None:
        """Write text as it is, if notices are written."""
        if self._threshold <= NOTICE:
            self._write(text)

    def _line(self, rank: int, message: str, pid: int = 0, role: str = "") -> None:
        pid = pid or os.getpid()
        role = role or self.role
        now = time.time()
        stamp = self._stamp_of(now)
        form = self.form
        if form == "legacy":
            line = f"{pid}:{role} {stamp} {_MARKS[rank]} {message}\n"
        elif form == "json":
            line = (
                f'{{"pid":{pid},"role":"{_ROLES[role]}",'
                f'"timestamp":"{stamp}","level":"{_LEVEL_NAMES[rank]}",'
                f'"message":"{json_text(message)}"}}\n'
            )
        else:
            line = (
                f'pid={pid} role={_ROLES[role]} timestamp="{stamp}" '
                f'level={_LEVEL_NAMES[rank]} message="{logfmt_text(message)}"\n'
            )
        self._write(line)
        if self._syslog is not None:
            self._syslog(rank, message)

    def _stamp_of(self, now: float) -> str:
        """Write a time as ``log-timestamp-format`` says."""
        milliseconds = int(now * 1000)
        second = milliseconds // 1000
        form = self._stamp_form
        if form == "milliseconds":
            return str(milliseconds)
        if second != self._second:
            t = time.localtime(second)
            clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
            if form == "iso8601":
                sign = "-" if t.tm_gmtoff < 0 else "+"
                hours, minutes = divmod(abs(t.tm_gmtoff) // 60, 60)
                self._zone = f"{sign}{hours:02d}:{minutes:02d}"
                date = f"{t.tm_year}-{t.tm_mon:02d}-{t.tm_mday:02d}T"
            else:
                self._zone = ""
                date = f"{t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year} "
            self._stamp = date + clock
            self._second = second
        return f"{self._stamp}.{milliseconds % 1000:03d}{self._zone}"

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        try:
            fd = self._descriptor()
            while data:
                data = data[os.write(fd, data) :]
        except OSError:
            pass

    def _descriptor(self) -> int:
        """Return the open file, after opening it or its successor if need be."""
        if not self._path:
            return STDOUT
        if self._fd >= 0:
            try:
                status = os.stat(self._path)
                if (status.st_dev, status.st_ino) == self._file:
                    return self._fd
            except FileNotFoundError:
                pass
            self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o644)
        status = os.fstat(self._fd)
        self._file = (status.st_dev, status.st_ino)
        return self._fd


# --- Text in records -------------------------------------------------------------

_JSON_ESCAPES: Final = {i: f"\\u{i:04x}" for i in range(32)} | {
    ord('"'): '\\"', ord("\\"): "\\\\", 10: "\\n", 13: "\\r", 9: "\\t", 8: "\\b",
    12: "\\f",
} | {i: "\ufffd" for i in range(0xD800, 0xE000)}  # fmt: skip
_LOGFMT_ESCAPES: Final = {i: " " for i in range(32)} | {127: " ", ord('"'): "'"}


def json_text(text: str) -> str:
    """Return what stands between the quotes of a JSON string."""
    return text.translate(_JSON_ESCAPES)


def logfmt_text(text: str) -> str:
    """Return text without what would end a value in quotes, or the line."""
    return text.translate(_LOGFMT_ESCAPES)


# --- Start -----------------------------------------------------------------------


def log_start(log: Logger, config: Config, from_arguments: bool = True) -> None:
    """Write the first lines of a server's life.

    from_arguments: a file or options were given, so the defaults are not a surprise.
    """
    from fastredis import __version__
    from fastredis.config.spec import REDIS_VERSION

    role, log.role = log.role, "C"
    log.notice("oO0OoO0OoO0Oo Fastredis is starting oO0OoO0OoO0Oo")
    log.notice(
        f"Fastredis version={__version__}, Redis version={REDIS_VERSION}, bits=64, "
        f"pid={os.getpid()}, just started"
    )
    if from_arguments:
        log.notice("Configuration loaded")
    else:
        log.warning(
            "Warning: no config file specified, using the default config. In order to "
            "specify a config file use fastredis-server /path/to/redis.conf"
        )
    for name in config.unknown_variables:
        log.warning(f"The environment variable {name} sets no directive: ignored")
    ignored = config.without_effect()
    if ignored:
        log.warning("Directives without effect yet: " + ", ".join(ignored))
    log.role = role


def show_logo(log: Logger, config: Config, mode: str = "standalone") -> None:
    """Write the banner to a terminal or if asked for, else one line in its place.

    Programs that start servers wait for the line with the pid, and then for the line
    ``Server initialized``, which therefore comes after this call.
    """
    from fastredis import __version__
    from fastredis.config.spec import REDIS_VERSION

    port = config["port"] or config["tls-port"] or config["unixsocket"] or "none"
    to_terminal = not config["logfile"] and os.isatty(STDOUT)
    if not (config["always-show-logo"] or to_terminal):
        log.notice(f"Running mode={mode}, port={config['port']}.")
        return
    name = f"Fastredis {__version__} (Redis {REDIS_VERSION}), 64 bit"
    log.raw(_LOGO.format(name, mode, port, os.getpid()))
