#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a command over TLS costs a server: ``python bench/tls.py``.

fastredis and redis-server run with the same certificate, made here with openssl, and
take turns under GET from redis-benchmark --tls with 50 connections. The figure is the
server's CPU time for a command; the handshakes, which come first, are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastredis.cli.benchmark import load, proc
from fastredis.cli.benchmark.servers import HOST, RunningServer, free_port, resolve

SERVER_CPU: Final = [0]
CLIENT_CPU: Final = [1]
CONNECTIONS: Final = 50
GOAL: Final = 1.5
TIMEOUT_S: Final = 120


def make_certificate(folder: Path) -> dict[str, str]:
    """Make a key and a certificate that is its own authority; return directives."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=bench", "-addext", f"subjectAltName=IP:{HOST}",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return {
        "--tls-cert-file": str(certificate),
        "--tls-key-file": str(key),
        "--tls-ca-cert-file": str(certificate),
        "--tls-auth-clients": "no",
    }


def cost(
    server: RunningServer, port: int, authority: str, pipeline: int, n: int
) -> float:
    """Return the CPU microseconds that a GET takes, without what connecting takes."""

    def spent(requests: int) -> int:
        before = proc.cpu_ns(server.pid)
        load.run_load(
            [load.find_program(), "-h", HOST, "-p", str(port), "--tls", "--cacert",
             authority, "-c", str(CONNECTIONS), "-P", str(pipeline),
             "-n", str(requests), "--precision", "3", "GET", "key"],
            TIMEOUT_S, server.alive,
        )  # fmt: skip
        return proc.cpu_ns(server.pid) - before

    least = CONNECTIONS * pipeline
    return (spent(least + n) - spent(least)) / n / 1000


def main() -> int:
    """Run the program."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--requests", type=int, default=200_000, help="at P=16")
    options.add_argument(
        "--servers", default="fastredis,redis", help="names or NAME=COMMAND, by commas"
    )
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        directives = make_certificate(Path(folder))
        servers = []
        for word in given.servers.split(","):
            port = free_port()
            more = [w for pair in directives.items() for w in pair]
            spec = resolve(word)
            command = (*spec.command, "--tls-port", str(port), *more)
            running = RunningServer(
                dataclasses.replace(spec, command=command), SERVER_CPU
            )
            servers.append((stack.enter_context(running), port))
        stack.enter_context(proc.pinned(CLIENT_CPU))
        print("P   " + "".join(f"{s.name:>14}" for s, _ in servers) + "   ratio  goal")
        for pipeline in (1, 16):
            n = given.requests // (1 if pipeline > 1 else 4)
            authority = directives["--tls-ca-cert-file"]
            costs = [
                [cost(server, port, authority, pipeline, n) for server, port in servers]
                for _ in range(given.rounds + 1)
            ][1:]  # the first round warmed up
            medians = [statistics.median(column) for column in zip(*costs, strict=True)]
            ratio = statistics.median(row[0] / row[-1] for row in costs)
            print(
                f"{pipeline:<4}"
                + "".join(f"{m:14.3f}" for m in medians)
                + f" {ratio:7.2f} {GOAL:5.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
