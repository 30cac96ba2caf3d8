# SPDX-License-Identifier: BSD-3-Clause
"""Make a working copy of the suite that runs another server, statement by statement.

The tests themselves are untouched. What changes is the suite's harness: where it
starts ``src/redis-server`` it meets a wrapper of the server under test, and its
reader, its blocks and its waits call the procedures of adapt_rt.tcl. Each change
is a regular expression that must match, so that another version of the suite is
noticed at once.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# parts of tests/ that no unit run here reads: compiled modules, other harnesses
LEFT_OUT = ("modules", "moduleapi", "cluster", "sentinel", "tmp")
TOOLS = ("cli", "benchmark", "check-aof", "check-rdb")
OWN_TOOLS = ("check-aof", "check-rdb")  # as fastredis-...


class AdaptError(Exception):
    """The suite is not the version that the changes below were written for."""


@dataclass(frozen=True)
class Change:
    """One edit of a file of the harness: pattern to replacement."""

    path: str
    pattern: str
    replacement: str
    why: str


SUPPORT = "tests/support/"
CHANGES = (
    Change(
        SUPPORT + "redis.tcl",
        r"\A",
        "source tests/support/adapt_rt.tcl\n",
        "the additions are there wherever the client library is",
    ),
    Change(
        SUPPORT + "redis.tcl",
        r"set type \[redis_safe_read \$fd 1\]",
        "set type [official::first_byte $fd]",
        "a reply that does not come fails its test, not the run",
    ),
    Change(
        SUPPORT + "server.tcl",
        r"if \{\[catch \{ uplevel 1 \$code \} error\]\}",
        "if {[catch { official::run_block 1 $code } error]}",
        "an exception in a block does not end the block",
    ),
    Change(
        SUPPORT + "server.tcl",
        r"(proc tags \{tags code\} \{(?:(?!\nproc )[\s\S])*?)uplevel 1 \$code",
        r"\1official::run_block 1 $code",
        "the same for blocks under tags",
    ),
    Change(
        SUPPORT + "server.tcl",
        r'(\[count_message_lines \$stdout "Ready to accept"\] > \$\w+\} \{\s*'
        r"break\s*\}\s*)after 10\b",
        r"\1after 10; official::check_start $pid",
        "the endless wait for the ready message ends when the server has died",
    ),
    Change(
        SUPPORT + "server.tcl",
        r"120\*1000/\$checkperiod",
        "45*1000/$checkperiod",
        "a server that prints no start message costs 45 s, not two minutes",
    ),
    Change(
        SUPPORT + "server.tcl",
        r"(after \$checkperiod\n\s*)incr maxiter -1",
        r"\1incr maxiter -1; "
        r"if {[official::is_stillborn $pid $stdout]} {set maxiter 0}",
        "nor does one that died at once",
    ),
    Change(
        "tests/test_helper.tcl",
        r"\n    source \$path\n",
        "\n    official::run_file $path\n",
        "an exception outside every block does not end the unit",
    ),
    Change(
        "tests/test_helper.tcl",
        r"(# run_solo is not supported in these scenarios, just run the code\.\n\s*)"
        r"eval \$code",
        r"\1official::run_block 0 $code",
        "the same for blocks that want to run alone",
    ),
    Change(
        "tests/test_helper.tcl",
        r"(source tests/support/util\.tcl\n)",
        r"\1source tests/support/adapt_test.tcl\n",
        "a failed test is cleaned up after",
    ),
)


def make_copy(suite: Path, work: Path, server: Sequence[str]) -> list[str]:
    """Copy the suite to the folder work (which must not exist) and adapt it.

    server: the command that is run with the arguments redis-server would get.
    Returns the names of tools that are not installed (some units need them).
    Raises: AdaptError.
    """
    shutil.copytree(
        suite / "tests", work / "tests", ignore=shutil.ignore_patterns(*LEFT_OUT)
    )
    (work / "tests" / "tmp").mkdir()
    for name in ("adapt_rt.tcl", "adapt_test.tcl"):
        shutil.copyfile(HERE / name, work / SUPPORT / name)
    for change in CHANGES:
        apply(change, work)
    return write_wrappers(work / "src", server)


def apply(change: Change, work: Path) -> None:
    """Edit one file of the working copy.

    Raises: AdaptError if the pattern is not there.
    """
    path = work / change.path
    text = path.read_text(encoding="latin-1")  # as it is, byte for byte
    text, hits = re.subn(change.pattern, change.replacement, text)
    if not hits:
        raise AdaptError(f"{change.path} has no match for {change.pattern!r}")
    path.write_text(text, encoding="latin-1")


def own_tool(server: Sequence[str], tool: str) -> list[str] | None:
    """Return the command of a tool that comes with the server, None if there is none.

    It is started as the server is: a program beside it, or a module of its package.
    """
    if tool not in OWN_TOOLS:
        return None
    if list(server[-2:]) == ["-m", "fastredis"]:
        module = f"fastredis.cli.{tool.replace('-', '_')}"
        return [*server[:-1], module]
    beside = Path(server[0]).with_name(f"fastredis-{tool}")
    return [str(beside)] if len(server) == 1 and beside.exists() else None


def write_wrappers(folder: Path, server: Sequence[str]) -> list[str]:
    """Fill the suite's src/ with scripts that exec the real programs.

    The process must stay the one that the suite started: it signals that pid.
    """
    folder.mkdir()
    command = shlex.join(server)
    scripts = {
        "redis-server": f'exec {command} "$@"',
        "redis-sentinel": f'exec {command} "$@" --sentinel',
    }
    missing = []
    for tool in TOOLS:
        found = own_tool(server, tool)
        if not found and (program := shutil.which(f"redis-{tool}")):
            found = [program]
        if found:
            scripts[f"redis-{tool}"] = f'exec {shlex.join(found)} "$@"'
        else:
            missing.append(f"redis-{tool}")
    for name, line in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    return missing
