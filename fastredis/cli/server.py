# SPDX-License-Identifier: BSD-3-Clause
"""The program fastredis-server: arguments as redis-server takes them, exit codes too.

What a server needs is imported only when one is started, so that ``--version`` and an
error in a configuration file are answered at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

USAGE = """\
Usage: fastredis-server [/path/to/redis.conf] [--name value ...] [-]
       fastredis-server -v | --version
       fastredis-server -h | --help
       fastredis-server --check-system
       fastredis-server --test-memory <megabytes>

Options are the directives of redis.conf with two dashes in front. A lone - as the first
or the last argument reads directives from standard input. A variable FASTREDIS_<NAME>
of the environment sets a directive, too: its name in capitals, with _ for -. Where they
disagree, the environment wins over files and standard input, and options win over all.

Examples:
       fastredis-server
       fastredis-server /etc/redis/redis.conf --loglevel verbose
       fastredis-server --port 7777 --unixsocket /tmp/redis.sock
       fastredis-server --python-commands my_commands.py
       echo 'maxclients 100' | fastredis-server -
       FASTREDIS_SAVE='60 100' FASTREDIS_LOGLEVEL=verbose fastredis-server
"""

NOT_SUPPORTED = {"--sentinel": "sentinel mode"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code.

    argv: the arguments without the program's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = arguments[0] if arguments else ""
    if first in ("-v", "--version"):
        print(version_line())
        return 0
    if first in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if first == "--check-system":
        from fastredis.admin.syscheck import report

        return report()
    if first == "--test-memory":
        from fastredis.cli import memtest

        return memtest.run(arguments[1:])
    for name in (first, *(a for a in arguments if a == "--sentinel")):
        if name in NOT_SUPPORTED:
            print(
                f"fastredis-server: {NOT_SUPPORTED[name]} is not supported ({name})",
                file=sys.stderr,
            )
            return 1
    return _serve(arguments)


def version_line() -> str:
    """Return what --version prints; tools look for ``v=`` and a number."""
    from fastredis import __version__
    from fastredis.config.spec import REDIS_VERSION

    bits = 64 if sys.maxsize > 2**32 else 32
    return (
        f"Redis server v={REDIS_VERSION} sha=00000000:0 bits={bits} "
        f"build=fastredis-{__version__}"
    )


def _serve(arguments: Sequence[str]) -> int:
    from fastredis.admin.log import Logger
    from fastredis.config.parse import load_arguments
    from fastredis.config.store import FatalConfigError

    # there is no configuration yet that could say where to log
    log = Logger(role="C")

    def read_stdin() -> bytes:
        log.notice("Reading config from stdin")
        return sys.stdin.buffer.read()

    try:
        config = load_arguments(arguments, read_stdin, os.environ)
    except FatalConfigError as error:
        if error.to_log:
            log.warning(error.report)
        else:
            sys.stderr.write(error.report)
        return 1

    from fastredis.admin import process

    # before anything starts a thread, which a fork would leave behind
    log = Logger.for_config(config)
    log.role = "C"
    supervisor = process.follow_supervisor(config["supervised"], os.environ, log)
    if config["daemonize"] and not supervisor:
        try:
            process.daemonize()
        except OSError as error:
            log.warning(f"Can't daemonize: {error.strerror}")
            return 1
        if not config["pidfile"]:
            config.assign("pidfile", [process.DAEMON_PIDFILE])
    log.close()

    from fastredis.server import Server

    try:
        server = Server(config)
    except FatalConfigError as error:
        sys.stderr.write(error.report)
        return 1
    server.supervisor = supervisor
    return server.run(owns_process=True)


if __name__ == "__main__":
    sys.exit(main())
